#!/bin/sh
# Root in a guest lies in wait for who comes in by exec, and puts things in the way of those who do.
# shellcheck source-path=SCRIPTDIR source=lib.sh
# shellcheck disable=SC2016 # for shells inside
. "${0%/*}/lib.sh"
need_root
leftovers_before
state=$T/root/run/nspawn-lite
secret=xyzzy-$$
# what must not be seen inside: of our environment, and of paths on the host
SECRET_OF_HOST=$secret
export SECRET_OF_HOST
times=60

# boots NAME [OPTION...] : a machine that runs, its tree in $tree
boots() {
	name=$1
	shift
	mkdir "$T/$secret-$name"
	tree=$T/$secret-$name/tree
	cp -a "$("$TESTDIR/trees" busybox)" "$tree"
	cp "$(program intruder)" "$tree/bin/intruder"
	"$NL" -q -M "$name" -b -D "$tree" "$@" >"$T/$name.out" 2>&1 &
	wait_for grep -qs '^STATE=running' "$state/$name" || note "$(cat "$T/$name.out")"
}
inm() { timeout 60 "$NL" exec "$@"; }
# shellcheck disable=SC2317 # called by wait_for
says() { grep -qs "$2" "$T/$1.said"; }

host=$(stat -Lc %D:%i "$NL")
boots plain
plain=$!
boots users -U
users=$!
for m in plain users; do
	tree=$T/$secret-$m/tree
	inm $m intruder "$host" "$secret" >"$T/$m.said" 2>&1 &
	pid=$!
	wait_for says $m waiting
	i=0
	while [ $i -lt $times ]; do
		inm $m true
		timeout 60 "$NL" shell -q $m /bin/true </dev/null >/dev/null
		i=$((i + 1))
	done
	: >"$tree/stop"
	wait $pid
	is "$m: nothing of the host came in" '' "$(grep bad "$T/$m.said" | sed 's/bad: [0-9]*/bad/' | sort | uniq -c)"
	caught=$(sed -n 's/^caught //p' "$T/$m.said")
	if [ $m = plain ]; then
		ok "$m: and we were seen ($caught of $((2 * times)))" [ "$caught" -gt 0 ]
	else
		is "$m: nobody could see what we executed" 0 "$caught"
	fi
done

# ---- things in the way: each is tried in a machine that does it to itself -----------------

inm plain sh -c 'mv /etc/passwd /etc/passwd.was; mkfifo /etc/passwd'
is "a FIFO for passwd" root "$(inm plain sh -c 'echo $USER')"
like "in which no user is found" '*no user user*' "$(inm --uid=user plain true 2>&1)"
inm plain sh -c 'rm /etc/passwd; yes root:x:0:0:: | head -c 9000000 >/etc/passwd'
is "a passwd without end" root "$(inm plain sh -c 'echo $USER')"
inm plain sh -c 'rm /etc/passwd; printf "root::0:0:root:/root:/proc/self/exe\nuser::1000:1000:x:/:/dev/zero\n" >/etc/passwd'
like "a shell that is ourselves" '*our own program*' "$(timeout 60 "$NL" shell -q plain </dev/null 2>&1)"
like "a shell that is a device" '*/dev/zero*' "$(timeout 60 "$NL" shell -q user@plain </dev/null 2>&1)"
inm plain mv /etc/passwd.was /etc/passwd
inm plain sh -c 'echo "#!/proc/self/exe" >/bin/itself; chmod 755 /bin/itself'
like "a script that is ours to run" '*our own program*' "$(inm plain itself 2>&1)"
inm plain mount -t tmpfs tmpfs /dev/pts
like "something else for devpts" '*/dev/pts is no devpts*' "$(timeout 60 "$NL" shell plain /bin/true </dev/null 2>&1)"
inm plain umount /dev/pts
inm plain sh -c 'mkfifo /tmp/f; mount --bind /tmp/f /dev/pts/ptmx'
like "a FIFO for ptmx" '*/dev/pts is no devpts*' "$(timeout 60 "$NL" shell plain /bin/true </dev/null 2>&1)"
inm plain umount /dev/pts/ptmx
inm plain mount --bind /dev/zero /dev/pts/ptmx
like "a device for ptmx" '*/dev/pts is no devpts*' "$(timeout 60 "$NL" shell plain /bin/true </dev/null 2>&1)"
inm plain umount /dev/pts/ptmx
inm plain sh -c 'printf "#!/\033[31mred\n" >/bin/red; chmod 755 /bin/red'
unlike "messages bring no control characters" "*$(printf '\033')*" "$(inm plain red 2>&1)"

# ---- it has no room ---------------------------------------------------------------------------

if "$NL" set-property plain TasksMax=12 2>/dev/null; then
	inm plain sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 3456 & done' >/dev/null 2>&1
	like "no process can be made any more" '*it has as many as it may have*' "$(inm plain true 2>&1)"
	"$NL" set-property plain TasksMax=infinity
	inm plain killall sleep
else
	skip "no process can be made any more" "no pids controller"
fi

# ---- it floods -----------------------------------------------------------------------------------

printf 'wait 0123\nsend \\x1d\\x1d\\x1d\nexit 0\n' >"$T/script"
ok "a terminal that is never quiet is left" "$PTY" -t 60 "$T/script" -- "$NL" shell plain /usr/bin/yes 0123456789
is "an end among floods is an end" 4 "$(timeout 60 "$NL" shell -q plain /bin/sh -c 'yes & sleep 0.2; exit 4' </dev/null >/dev/null; echo $?)"
inm plain killall yes 2>/dev/null

kill $plain $users
wait $plain $users
leftovers_after "nothing stays"
done_testing
