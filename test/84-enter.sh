#!/bin/sh
# exec, shell and login in running machines.
# shellcheck source-path=SCRIPTDIR source=lib.sh
# shellcheck disable=SC2016 # for shells inside
. "${0%/*}/lib.sh"
need_root
leftovers_before
state=$T/root/run/nspawn-lite

# boots NAME [OPTION...] : a machine that runs, its tree in $tree
boots() {
	name=$1
	shift
	tree=$(tree busybox)
	cp "$(program static)" "$tree/bin/static"
	: >"$tree/bin/empty"
	"$NL" -q -M "$name" -b -D "$tree" "$@" >"$T/$name.out" 2>&1 &
	wait_for grep -qs '^STATE=running' "$state/$name" || note "$(cat "$T/$name.out")"
}
leader() { sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/$1"; }
inm() { timeout 60 "$NL" exec "$@"; }
rights() { grep -E '^(Cap|NoNewPrivs|Seccomp|Groups)' "/proc/$1/status"; }

boots plain
plain=$tree plainpid=$!
boots users -U --private-network
userspid=$!

for m in plain users; do
	is "$m: the status comes through" 7 "$(inm "$m" sh -c 'exit 7'; echo $?)"
	is "$m: a signal is 128 and its number" 143 "$(inm "$m" sh -c 'kill -TERM $$'; echo $?)"
	run inm "$m" sh -c 'echo out; echo err >&2'
	is "$m: output is output" out "$out"
	is "$m: errors are errors" err "$err"
	is "$m: what is written to it arrives, with its end" 'a b' "$(printf 'a b' | inm "$m" cat)"
	is "$m: binary data is left as it is" "$(head -c 300000 "$NL" | cksum)" "$(head -c 300000 "$NL" | inm "$m" cat | cksum)"
	is "$m: nobody reads any more: it ends" 'y 141' "$( (inm "$m" yes; echo $? >"$T/pipe") | head -n 1) $(cat "$T/pipe")"
	is "$m: there is no terminal" 'not a tty' "$(inm "$m" tty)"
	is "$m: begins at the root" / "$(inm "$m" pwd)"
	is "$m: or where it is told to" /etc "$(inm --chdir=/etc "$m" pwd)"
	is "$m: the variables of a user" '/root root root /bin/sh systemd-nspawn' \
		"$(inm "$m" sh -c 'echo $HOME $USER $LOGNAME $SHELL $container')"
	is "$m: ours are not there, but those we name" 'x y' \
		"$(A=x B=y C=z inm -E A -E B=y "$m" sh -c 'echo $A $B $C')"
	is "$m: as another user" 'user 1000 /home/user' "$(inm --uid=user "$m" sh -c 'echo $USER $(id -u) $HOME')"
	is "$m: with no rights" 0000000000000000 "$(inm --uid=user "$m" sed -n 's/^CapEff:[^0-9a-f]*//p' /proc/self/status)"
	like "$m: one that is not there" '*no user nobody-knows*' "$(inm --uid=nobody-knows "$m" true 2>&1)"
	run inm "$m" nosuch
	is "$m: a command that is not there" 127 "$rc"
	like "$m: is said to be so" '*nosuch: not found in the tree*' "$err"
	run inm "$m" /etc/passwd
	is "$m: one that cannot be executed" 126 "$rc"
	is "$m: is in its namespaces" "$(for n in cgroup ipc mnt net pid user uts; do readlink "/proc/$(leader $m)/ns/$n"; done)" \
		"$(inm "$m" sh -c 'for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done')"
	is "$m: and in its control group" 0::/ "$(inm "$m" grep 0:: /proc/self/cgroup)"
	is "$m: has the rights of its init" "$(rights "$(leader $m)")" "$(inm "$m" grep -E '^(Cap|NoNewPrivs|Seccomp|Groups)' /proc/self/status)"
	is "$m: and its limits" "$(inm "$m" sed 1d /proc/1/limits)" "$(inm "$m" sed 1d /proc/self/limits)"
	is "$m: no fd of ours is open" '0 1 2 3' "$(inm "$m" ls /proc/self/fd | tr '\n' ' ' | sed 's/ $//')"
	is "$m: a shell has a terminal of the machine's own" '/dev/pts/' \
		"$(timeout 60 "$NL" shell -q "$m" /usr/bin/tty 2>&1 </dev/null | tr -d '\r' | sed 's/[0-9]*$//')"
	# cat says it again behind what the terminal echoes, which need not begin a line; what a shell that changes the terminal's mode makes of an end is a NUL
	printf 'cat\nmiau\n' | timeout 30 "$NL" shell -q "$m" >"$T/typed" 2>&1
	is "$m: with a pipe it ends where that ends, whoever reads" '0 yes' "$? $(tr -d '\r' <"$T/typed" | grep -q '^miau' && echo yes)"
	timeout 30 "$NL" shell -q "$m" </dev/null >"$T/typed" 2>&1
	is "$m: or at once" 0 $?
	printf 'echo $((6 * 7))' | timeout 30 "$NL" shell -q "$m" >"$T/typed" 2>&1
	is "$m: the last line may lack its end" '0 42' "$? $(tr -d '\r' <"$T/typed" | grep '^42')"
	is "$m: and tells its status" 3 "$(timeout 60 "$NL" shell "$m" /bin/sh -c 'exit 3' >/dev/null 2>&1; echo $?)"
done

# ---- signals -------------------------------------------------------------------

# shellcheck disable=SC2317 # called by wait_for
says() { grep -qs "$1" "$T/said"; }
# shellcheck disable=SC2016 # for the shell inside
for s in INT TERM HUP USR1; do
	: >"$T/said"
	"$NL" exec plain sh -c 'trap "echo got; exit 5" $0; echo ready; while :; do sleep 0.1; done' $s >"$T/said" &
	pid=$!
	wait_for says ready
	kill -"$s" $pid
	rc=0
	wait $pid || rc=$?
	is "SIG$s goes to the command" '5 got' "$rc $(tail -n 1 "$T/said")"
done 2>/dev/null
# shellcheck disable=SC2317
inside() { [ -n "$(pgrep -f "$1")" ]; }
# shellcheck disable=SC2317
not() { ! "$@"; }
for m in plain users; do
	"$NL" exec $m sleep 98765 &
	pid=$!
	wait_for inside 'sleep 98765'
	kill -9 $pid
	wait $pid
	ok "$m: kill -9 of ours ends it" wait_for not inside 'sleep 98765'
done 2>/dev/null

# ---- a terminal -----------------------------------------------------------------

cat >"$T/script" <<END
wait Connected to machine plain. Press ^] three times within 1s to exit session.
wait #
send echo \$0 \$((6 * 7)); tty; stty size\r
wait -sh 42
wait /dev/pts/
wait 33 99
size 44 88
send until stty size | grep '^44 88'; do :; done\r
wait \n44 88
send sh -c 'echo begi\$1n; sleep 1000'\r
wait begin
send \x03
wait #
send echo st\$?\r
wait st130
send sleep 1000 & jobs; exit\r
wait Connection to machine plain terminated.
exit 0
END
ok "a shell: its name, its terminal, sizes, ^C, jobs, its status" "$PTY" -s 33x99 -t 60 "$T/script" -- "$NL" shell plain
printf 'wait #\nsend \\x1d\\x1d\\x1d\nwait Connection to machine plain terminated.\nexit 0\n' >"$T/script"
ok "^] three times leaves it" "$PTY" -t 60 "$T/script" -- "$NL" shell root@plain
printf 'wait #\nsend (sleep 34567 &); exit\\r\nwait terminated.\nexit 0\n' >"$T/script"
ok "what stays behind does not keep us" "$PTY" -t 60 "$T/script" -- "$NL" shell users
printf 'wait login:\nsend root\\r\nwait #\nsend tty; exit\\r\nwait /dev/pts/\nexit\n' >"$T/script"
for m in plain users; do
	ok "$m: getty and login of busybox" "$PTY" -t 60 "$T/script" -- "$NL" login $m
done
mkdir "$T/gone"
for p in sbin/agetty sbin/getty bin/login; do
	[ ! -e "$plain/$p" ] || mv "$plain/$p" "$T/gone/"
done
is "without them a shell is what is left" '127 y' "$(timeout 60 "$NL" login -q plain </dev/null 2>&1 | grep -q 'none of agetty, getty and login; a shell' && echo '127 y')"
is "input without a terminal arrives" 5 "$(echo 'exit 5' | timeout 60 "$NL" shell -q plain >/dev/null 2>&1; echo $?)"
is "and its end" '1 x' "$(timeout 60 "$NL" shell -q plain /bin/sh -c 'cat >/dev/null; echo 1 x' <"$T/said" | tr -d '\r' | tail -n 1)"
is "exec -t has a terminal" /dev/pts "$(timeout 60 "$NL" exec -t plain tty </dev/null | sed 's|/[0-9].*||')"
like "a path of shell is absolute" '*ls is no absolute path*' "$("$NL" shell plain ls 2>&1)"
like "a terminal of ours does not get in" '*not a tty*' "$("$PTY" -e 'exit' -- "$NL" exec plain sh -c 'tty; tty <&2')"
is "of the host" "$(id -u)" "$(timeout 60 "$NL" shell .host /usr/bin/id -u </dev/null)"

# ---- machines that are in no state for it ------------------------------------------

like "one that nobody knows" "*Could not get path to machine: No machine 'nosuch' known" "$("$NL" exec nosuch true 2>&1)"
if "$NL" freeze plain 2>/dev/null; then
	like "a frozen one is said to be so" '*machine plain is frozen*thaw plain*' "$(inm plain true 2>&1)"
	"$NL" thaw plain
fi
is "and goes on" 0 "$(inm plain true; echo $?)"

# ---- kernels that lack something ----------------------------------------------------

for deny in pidfd setns-pidfd memfd_create clone3 new,memfd_create,pidfd close_range seccomp,openat2; do
	for m in plain users; do
		is "$m: without $deny" '3 root ' "$(NSPAWN_LITE_DENY=$deny inm "$m" sh -c 'echo $USER; exit 3' >"$T/o" 2>"$T/e"; echo "$? $(cat "$T/o") $(cat "$T/e")")"
	done
done

# ---- machines of other kinds -------------------------------------------------------------

# other NAME OPTION... : one that sleeps, which has the rights and namespaces of its leader
other() {
	name=$1
	shift
	"$NL" -q -M "$name" -D "$(tree busybox)" "$@" sleep 1000 >"$T/$name.out" 2>&1 &
	wait_for grep -qs '^STATE=running' "$state/$name"
	leader=$(leader "$name")
	is "$*: the same rights" "$(rights "$leader")" "$(inm "$name" grep -E '^(Cap|NoNewPrivs|Seccomp|Groups)' /proc/self/status)"
	is "$*: the same namespaces" "$(for n in cgroup ipc mnt net pid user uts; do readlink "/proc/$leader/ns/$n"; done)" \
		"$(inm "$name" sh -c 'for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done')"
	is "$*: its limits" "$(sed 1d "/proc/$leader/limits")" "$(inm "$name" sed 1d /proc/self/limits)"
}
other shared --share-pid=yes --share-ipc=yes --share-uts=yes
other fewer --drop-capability=CAP_SYS_ADMIN,CAP_SYS_PTRACE --no-new-privileges=yes --system-call-filter=~@clock --rlimit=NOFILE=30
other one --unified-hierarchy=no -a
other noprctl --system-call-filter=~prctl --private-network --cgroup-namespace=no
"$NL" -q -M nofork -D "$(tree busybox)" '--system-call-filter=~clone clone3 fork vfork' sleep 1000 >"$T/nofork.out" 2>&1 &
wait_for grep -qs '^STATE=running' "$state/nofork"
like "one whose filter lets nobody be made" '*lets nobody in it make a process*' "$(inm nofork true 2>&1)"
others=$(sed -n 's/^SUPERVISOR=//p' "$state/shared" "$state/fewer" "$state/one" "$state/noprctl" "$state/nofork")
# shellcheck disable=SC2086 # words are words
kill $others

# ---- it divides its control group ------------------------------------------------------

group=$(sed -n 's/^CGROUP=cgroup2:\(\/.*\)/\1/p' "$state/plain")/payload
if [ -d "$group" ] && mkdir "$group/own" && while read -r p; do echo "$p" >"$group/own/cgroup.procs"; done <"$group/cgroup.procs" &&
	c=$(cut -d' ' -f1 "$group/cgroup.controllers") && [ -n "$c" ] && echo "+$c" >"$group/cgroup.subtree_control"; then
	like "in a group that is divided there is one of ours" '0::/nspawn-lite-*' "$(inm plain grep 0:: /proc/self/cgroup)"
	is "which goes again" '' "$(find "$group" -name "nspawn-lite*")"
else
	skip "in a group that is divided there is one of ours" "no controllers of cgroup2 here"
fi

pkill -f 'sleep 34567'
kill $plainpid $userspid
wait $plainpid $userspid
leftovers_after "nothing stays"
done_testing
