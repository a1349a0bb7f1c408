#!/bin/sh
# shellcheck disable=SC2015,SC2016,SC2086,SC2317 # what is expanded is expanded inside; verbs are words; functions may be called by name
# What the verbs for running machines must do on a device: a kernel, busybox and
# nspawn-lite:  sh ./machines-device.sh [NSPAWN-LITE [PTY]]
# PTY is test-pty, for what needs a terminal. STATE is where images and state
# are: in memory, if it says nothing.
nl=${1:-nspawn-lite}
pty=${2:-}
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"

state=${STATE:-$(mktemp -d)}
export NSPAWN_LITE_ROOT="$state"
known=$state/run/nspawn-lite
tree=$state/tree
mkdir -p "$state/host"
guest "$tree"
printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n' >"$tree/etc/passwd"
printf 'root:x:0:\nuser:x:1000:\n' >"$tree/etc/group"
printf '::respawn:/bin/sh /etc/typed\n' >"$tree/etc/inittab"
# what is typed at the console is done
cat >"$tree/etc/typed" <<'END'
echo "up $(cat /lives 2>/dev/null)"
while read -r line; do eval "$line"; done
END
# an init that hears at once, for those that end often
cat >"$state/quick" <<'END'
#!/bin/sh
trap 'exit 0' TERM USR2 PWR
trap 'exit 7' INT
echo lives >>/lives
echo "up $(wc -l </lives)"
while :; do sleep 1000 & wait $!; done
END
chmod 755 "$state/quick"

# ---- images, marks, a boot of the host ----------------------------------------------

tar -C "$tree" -czf "$state/one.tar.gz" .
is 'an archive is imported' 0 "$("$nl" import-tar -q "$state/one.tar.gz" one 2>&1; echo $?)"
rm "$state/one.tar.gz" "$tree/sbin/init"
cp "$state/quick" "$tree/sbin/init"
is 'a directory is' 0 "$("$nl" import-fs -q "$tree" two 2>&1; echo $?)"
"$nl" import-fs -q "$tree" three
is 'images are enabled' '0 one two' "$("$nl" enable -q one two 2>&1; echo $?) $(cd "$state/var/lib/machines/.enabled" && echo *)"
# as a line of inittab does it
setsid sh -c '"$0" start --all </dev/null >"$1" 2>&1; echo $? >>"$1"' "$nl" "$state/said"
is 'start --all starts them' 0 "$(tail -n 1 "$state/said")"
[ $bad = 0 ] || cat "$state/said"
is 'and again does nothing, without a word' 0 "$("$nl" start --all 2>&1; echo $?)"
# another, as an init supervises it, with users of its own where there are such
users=no
[ ! -e /proc/self/ns/user ] || users=pick
NSPAWN_LITE_START=x "$nl" -q -b -M three --private-users=$users </dev/null >/dev/null 2>&1 &
pid=$!
is 'wait returns when one runs' 0 "$("$nl" wait three running --timeout=60 2>&1; echo $?)"
is 'they are on the list' 'one container nspawn-lite test 7 two container nspawn-lite test 7 three container nspawn-lite test 7' \
	"$("$nl" list --no-legend | sed -n 's/^\([a-z]* .* test *7\) .*/\1/p' | sort | tr -s ' \n' ' ' | sed 's/ $//; s/\(three.*\) \(two.*\)/\2 \1/')"
has 'status says what one is' 'OS: Test' "$("$nl" status one)"
has 'and who looks after it' 'Service: nspawn-lite; class container' "$("$nl" status one)"
is 'show tells the same to programs' 'State=running' "$("$nl" show -p State one)"
is 'the date since when is that of the clock' "$(date +%Y-%m-%d)" "$("$nl" show -p Timestamp --value one | grep -o "$(date +%Y-%m-%d)")"

# ---- into them ----------------------------------------------------------------------

for m in one three; do
	is "exec in $m: its status, its output" 'out 7' "$("$nl" exec $m sh -c 'echo out; exit 7' 2>/dev/null | tr '\n' ' ')$("$nl" exec $m sh -c 'exit 7'; echo $?)"
	is "exec in $m: its errors" err "$("$nl" exec $m sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)"
	is "exec in $m: input, all bytes of it" "$(head -c 100000 "$tree/bin/busybox" | md5sum)" "$(head -c 100000 "$tree/bin/busybox" | "$nl" exec $m cat | md5sum)"
	is "exec in $m: a signal" 137 "$("$nl" exec $m sh -c 'kill -9 $$' 2>/dev/null; echo $?)"
	is "exec in $m: what is not there" 127 "$("$nl" exec $m nothing 2>/dev/null; echo $?)"
	is "exec in $m: another user" 1000 "$("$nl" exec --uid=user $m id -u)"
	is "$m: the host is not seen from there" 'no bin dev etc proc run sbin sys tmp' \
		"$("$nl" exec $m sh -c "test -e /lab -o -e $state && echo yes || echo no; cd /; ls" | grep -v lives | tr '\n' ' ' | sed 's/ $//')"
	is "$m: it is the root of its init" same "$("$nl" exec $m sh -c '[ $(stat -c %d:%i /) = $(stat -L -c %d:%i /proc/1/root/) ] && echo same')"
	is "$m: nothing of the host by its way up" same "$("$nl" exec $m sh -c 'cd ../../..; [ $(stat -c %i .) = $(stat -c %i /) ] && echo same')"
	is "$m: no fd of ours" '0 1 2 3' "$("$nl" exec $m ls /proc/self/fd | tr '\n' ' ' | sed 's/ $//')"
	is "$m: our program is not the host's there" 'no' "$("$nl" exec $m sh -c 'ls -l /proc/*/exe' 2>/dev/null | grep -q "$nl" && echo yes || echo no)"
	is "$m: a shell has a terminal of its own" '/dev/pts/' "$("$nl" shell -q $m /bin/tty </dev/null 2>&1 | tr -d '\r' | sed 's/[0-9]*$//')"
	is "$m: and tells its status" 3 "$("$nl" shell -q $m /bin/sh -c 'exit 3' </dev/null >/dev/null 2>&1; echo $?)"
	echo carried >"$state/host/f"
	is "$m: a file goes in" '0 carried 0' "$("$nl" copy-to $m "$state/host" /tmp/a 2>&1; echo $?) $("$nl" exec $m sh -c 'echo $(cat /tmp/a/f) $(stat -c %u /tmp/a/f)')"
	is "$m: and out" '0 carried 0' "$("$nl" copy-from $m /tmp/a/f "$state/back" 2>&1; echo $?) $(cat "$state/back") $(stat -c %u "$state/back")"
	rm -f "$state/back"
	case $(uname -r) in
	[34].*|5.[01].*)
		has "$m: a bind is refused by what it needs" 'need Linux 5.2' "$("$nl" bind $m --mkdir "$state/host" /mnt/b 2>&1)" ;;
	*)	is "$m: a directory is bound at a place that is made" '0 carried' \
			"$("$nl" bind $m --mkdir "$state/host" /mnt/b 2>"$state/err"; echo $?) $("$nl" exec $m cat /mnt/b/f)"
		grep -v idmapped "$state/err"
		is "$m: read-only, too" '0 no' "$("$nl" bind $m --mkdir --read-only "$state/host" /mnt/c 2>/dev/null; echo $?) $("$nl" exec $m sh -c 'touch /mnt/c/x 2>/dev/null || echo no')" ;;
	esac
	has "$m: without the calls of new kernels it is refused" 'need Linux 5.2' "$(NSPAWN_LITE_DENY=new "$nl" bind $m --mkdir "$state/host" /mnt/b 2>&1)"
	is "$m: exec without them" 'out 7' "$(NSPAWN_LITE_DENY=new,memfd_create,setns-pidfd "$nl" exec $m sh -c 'echo out; exit 7' 2>&1 | tr '\n' ' ')$(NSPAWN_LITE_DENY=new,memfd_create "$nl" exec $m sh -c 'exit 7'; echo $?)"
	is "$m: a copy without them" '0 carried' "$(NSPAWN_LITE_DENY=new "$nl" copy-to --force $m "$state/host/f" /tmp/g 2>&1; echo $?) $("$nl" exec $m cat /tmp/g)"
done
if [ -n "$pty" ]; then
	is 'login at a terminal' 0 "$("$pty" -t 60 -e 'wait login:' -e 'send \x1d\x1d\x1d' -e 'exit' -- "$nl" login one >"$state/out" 2>&1; echo $?)" || cat "$state/out"
	is 'a shell at one, with the size of the window' '0 33 44' \
		"$("$pty" -t 60 -s 33x44 -e 'wait #' -e 'send stty size; exit 0\r' -e 'exit 0' -- "$nl" shell one >"$state/out" 2>&1; echo $?) $(tr -d '\r' <"$state/out" | grep -x '33 44')"
fi

# ---- the console ------------------------------------------------------------------------

up() { "$nl" logs -n all "$1" 2>/dev/null | grep -q "$2"; }
is 'the log has its first words' 0 "$(wait_for up one '^up'; echo $?)"
typed() {	# typed NAME WORDS TEXT : type WORDS, until the log has TEXT
	echo "$2" >"$state/keys"
	"$nl" console -n 0 "$1" <"$state/keys" >"$state/out" 2>&1 &
	console=$!
	wait_for up "$1" "$3" && wait_for grep -q "$3" "$state/out"
	typed=$?
	kill $console
	wait $console
	return $typed
}
is 'what is typed at the console is done' 0 "$(typed one 'echo 3''3 | tr 3 4' '^44'; echo $?)"
is 'without inotify, too' 0 "$(NSPAWN_LITE_DENY=inotify_init1 typed one 'echo 3''3 | tr 3 5' '^55'; echo $?)"
if [ -n "$pty" ]; then
	is 'at a terminal, and it is left by ^]' '0' \
		"$("$pty" -t 60 -e 'wait 55' -e 'send echo 3''3 | tr 3 6\r' -e 'wait 66' -e 'send \x1d\x1d\x1d' -e 'exit 0' -- "$nl" console one >"$state/out" 2>&1; echo $?)"
	has 'with a word' 'Left the console of machine one' "$(cat "$state/out")"
fi
has 'the log has the time' "$(date '+%b %d')" "$("$nl" logs -n 1 -o short one)"

# ---- limits, signals, ends ------------------------------------------------------------------

# where none are mounted it mounts its own
is 'a limit is set while it runs' 0 "$("$nl" set-property one MemoryMax=60M 2>&1; echo $?)"
is 'it is frozen' 0 "$("$nl" freeze two 2>&1; echo $?)"
has 'and named so to who enters' 'is frozen' "$("$nl" exec two true 2>&1)"
is 'and goes on' 'here' "$("$nl" thaw two 2>&1)$("$nl" exec two echo here 2>&1)"
"$nl" monitor two >"$state/told" 2>&1 &
monitor=$!
wait_for grep -qs . "$state/told"
is 'a signal to its init' 0 "$("$nl" kill --kill-whom=leader -s INT two 2>&1; echo $?)"
is 'which ends' 0 "$("$nl" wait two --timeout=60 2>&1; echo $?)"
wait_for grep -q stopped "$state/told"
has 'monitor has told it' 'two stopped' "$(cat "$state/told")"
has 'with the reason' 'two stopped exited with status 7' "$(cat "$state/told")"
kill $monitor
wait $monitor 2>/dev/null
is 'reboot' 0 "$("$nl" reboot one 2>&1; echo $?)"
again() { [ "$("$nl" logs -n all one | grep -c '^up')" -ge 2 ]; }
is 'begins it again, in the same log' 0 "$(wait_for again; echo $?)"
is 'stop ends it' '0 0' "$("$nl" wait one running --timeout=60; echo $?) $("$nl" stop --timeout=120 one 2>&1; echo $?)"
has 'its log is kept' up "$("$nl" logs -n all one)"
is 'terminate ends it at once' 0 "$("$nl" terminate three 2>&1; echo $?)"
wait $pid
is 'and its supervisor has the status of a killed one' 137 $?
is 'none is left' '' "$("$nl" list --no-legend)"

# ---- begins again by itself ---------------------------------------------------------------------

NSPAWN_LITE_START=x "$nl" -q -b -M two --restart=on-failure </dev/null >/dev/null 2>&1 &
pid=$!
"$nl" wait two running --timeout=60
before=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$known/two")
"$nl" kill --kill-whom=leader -s INT two
another() { now=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$known/two"); [ "${now:-0}" != 0 ] && [ "$now" != "$before" ]; }
is 'one that failed begins again' 0 "$(wait_for another; echo $?)"
is 'and ends for good when it is stopped' 0 "$("$nl" wait two running --timeout=60; "$nl" stop two 2>&1; echo $?)"
wait $pid
is 'with its status' 0 $?

# ---- what is killed --------------------------------------------------------------------------------

"$nl" start two three 2>"$state/err" || cat "$state/err"
kill -9 "$(sed -n 's/^SUPERVISOR=//p' "$known/two")"
gone() { ! "$nl" list --no-legend | grep -q "^$1 "; }
is 'kill -9 of a supervisor ends its machine' 0 "$(wait_for gone two; echo $?)"
is 'the same name starts again' 0 "$("$nl" start two 2>"$state/err"; echo $?)"
is 'stop --all ends all' '0' "$("$nl" stop --all 2>&1; echo $?)"
is 'and nothing is left of them' '' "$(ls "$known")"
is 'nor in control groups' '' "$(find /sys/fs/cgroup -name '*nspawn*' -o -name 'machine-*' 2>/dev/null)"

# ---- a clock that was never set -------------------------------------------------------------------------

now=$(date +%s)
date -s @1000 >/dev/null
is 'in 1970 one starts' 0 "$("$nl" start two 2>"$state/err"; echo $?)"
has 'with that time' 1970-01-01 "$("$nl" show -p Timestamp --value two)"
has 'and its log, too' 'Jan 01' "$("$nl" logs -n 1 -o short two)"
is 'the log of before is there' 2 "$("$nl" logs -n all two | grep -c -e '^up 1$' -e '^up 2$')"
date -s "@$now" >/dev/null
has 'set at last, the log goes on' "$(date '+%b %d')" "$("$nl" exec two sh -c 'echo late >/dev/console'; wait_for up two late; "$nl" logs -n 1 -o short two)"
is 'and it stops' 0 "$("$nl" stop two 2>&1; echo $?)"

# ---- 32 bits without CONFIG_COMPAT_32BIT_TIME ---------------------------------------------------------------

deny=${0%/*}/test-deny
if [ -x "$deny" ] && "$deny" time32 -- true 2>/dev/null; then
	printf '#!/bin/sh\nexec %s time32 -- %s "$@"\n' "$deny" "$nl" >"$state/old"
	chmod 755 "$state/old"
	worked() { [ ! -e "$known/two" ] && echo 0 || cut -d' ' -f14,15 "/proc/$(sed -n 's/^SUPERVISOR=//p' "$known/two")/stat" | sed 's/ / + /'; }
	is 'without the calls of 32 bits for time one starts' 0 "$("$state/old" start two 2>"$state/err"; echo $?)" || cat "$state/err"
	before=$(($(worked)))
	is 'is entered' 'out 7' "$("$state/old" exec two sh -c 'echo out; exit 7' 2>&1 | tr '\n' ' ')$("$state/old" exec two sh -c 'exit 7'; echo $?)"
	sleep 3
	is 'and its supervisor sleeps meanwhile' yes "$([ $(($(worked) - before)) -lt 60 ] && echo yes)"
	is 'what is waited for in vain ends in time' 1 "$("$state/old" wait nothing running --timeout=1 >/dev/null 2>&1; echo $?)"
	touch -d '2001-02-03 04:05:06' "$state/host/f"
	is 'files keep their time' '0 981173106' "$("$state/old" import-fs -q "$state/host" timed 2>&1; echo $?) $(stat -c %Y "$state/var/lib/machines/timed/f")"
	is 'and it stops' 0 "$("$state/old" stop two 2>&1; echo $?)"
	"$nl" remove timed
fi

# ---- what a rescue shell may not have ------------------------------------------------------------------------

umount /dev/pts 2>/dev/null
if ! grep -q ' /dev/pts ' /proc/mounts; then
	is 'without /dev/pts of the host it starts' 0 "$("$nl" start two 2>"$state/err"; echo $?)"
	is 'has its terminal' /dev/pts/ "$("$nl" shell -q two /bin/tty </dev/null 2>&1 | tr -d '\r' | sed 's/[0-9]*$//')"
	is 'and stops' 0 "$("$nl" stop two 2>&1; echo $?)"
	mount -t devpts devpts /dev/pts
fi
"$nl" start two 2>"$state/err"
umount -l /proc
is 'without /proc one that runs is on the list' two "$("$nl" list --no-legend | cut -d' ' -f1)"
for verb in 'exec two true' 'shell two' 'copy-to two /bin/busybox /tmp/x' 'copy-from two /etc /tmp/x' 'bind two /etc'; do
	has "without /proc, $verb: it is named" '/proc is not mounted' "$("$nl" $verb 2>&1)"
done
is 'and it is stopped' 0 "$("$nl" stop two 2>&1; echo $?)"
is 'without /proc start says so' '1 1' "$("$nl" start two >/out 2>&1; echo $?) $(grep -c /proc /out)"
mount -t proc proc /proc
rm -rf "$state/tree" "$state/host"
done_testing
