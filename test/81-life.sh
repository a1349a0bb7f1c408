#!/bin/sh
# shellcheck disable=SC2016,SC2154,SC2317 # scripts for the guest; variables by run; called by wait_for
# How machines end, begin again, and are ended; and what others see of it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need timeout flock
state=$T/root/run/nspawn-lite
nl() { timeout 60 "$NL" "$@"; }
# up NAME OPTION... : with a tree of its own, until it runs
own_tree() { [ -d "$T/t/$1" ] || { mkdir -p "$T/t"; cp -a "$from" "$T/t/$1"; }; }
up() {
	own_tree "$1"
	up=$1
	shift
	"$NL" -q -M "$up" -D "$T/t/$up" "$@" >"$T/said.$up" 2>&1 &
	eval "pid_$up=$!"
	nl wait "$up" running --timeout=50
}
# down NAME... : their status, in $down
down() {
	down=''
	for one; do
		eval "wait \$pid_$one"
		down="$down$? "
	done
}
has_told() { grep -qsx "$1" "$T/told"; }
# lives NAME N : it has begun so often
# shellcheck disable=SC2317
lives() { [ "$(grep -c again "$T/t/$1/lives" 2>/dev/null)" -ge "$2" ] 2>/dev/null; }
# shellcheck disable=SC2317 # called by wait_for
gone() { ! kill -0 "$1" 2>/dev/null; }
fact() { sed -n "s/^$2=//p" "$state/$1"; }
# pauses NAME : it waits until it begins again; what its register said is in $T/at
# shellcheck disable=SC2317
pauses() { cat "$state/$1" >"$T/at" 2>/dev/null && grep -q ^STATE=waiting "$T/at"; }
from=$(tree busybox)
forever='while :; do sleep 1000; done'
printf '#!/bin/sh\ntrap "" TERM USR1 USR2 PWR INT HUP\necho deaf\nwhile :; do sleep 1000; done\n' >"$from/deaf"
printf '#!/bin/sh\ntrap "poweroff -f" USR2\ntrap "reboot -f" TERM\necho again >>/lives\nwhile :; do sleep 0.1; done\n' >"$from/hears"
chmod 755 "$from/deaf" "$from/hears"
ln -sf ../hears "$from/sbin/init"
leftovers_before

# ---- stop, terminate, wait ------------------------------------------------------------------

up a /bin/sh -c "$forever"
up b /bin/sh -c "$forever"
up c /bin/sh -c "$forever"
is 'wait NAME running returns when it runs' 0 $?
is 'wait gives up after --timeout, and says so' '1 nspawn-lite: machine a is not stopped after 0 s' \
	"$(nl wait a --timeout=0 2>"$T/err"; echo $?) $(cat "$T/err")"
run nl stop a b
is 'stop ends several, and returns when they have ended' '0 no no' \
	"$rc $([ -e "$state/a" ] && echo yes || echo no) $([ -e "$state/b" ] && echo yes || echo no)"
down a b
is 'a command that cannot be asked is killed' '137 137 ' "$down"
run nl stop a
is 'of one that does not run: the words of the original' "1 Could not kill machine: No machine 'a' known" "$rc ${err#nspawn-lite: }"
run nl stop nobody c
is 'the first name that fails stops it' "1 Could not kill machine: No machine 'nobody' known running" \
	"$rc ${err#nspawn-lite: } $(fact c STATE)"
run nl terminate c
down c
is 'terminate ends at once' '0 137 ' "$rc $down"
run nl terminate c
is 'and says what it could not' "1 Could not terminate machine: No machine 'c' known" "$rc ${err#nspawn-lite: }"
run nl wait c
is 'wait for the end of one that has ended returns' 0 "$rc"
up a -a /bin/sleep 1000
up b -a /bin/sleep 1000
run nl stop --all
down a b
is 'stop --all ends all, as they are asked' '0 143 143 ' "$rc $down"
up a /bin/sh -c "$forever"
run nl stop --no-block a
is 'stop --no-block returns' 0 "$rc"
down a
is 'and it ends' '137 ' "$down"
leftovers_after 'nothing is left'

# ---- what monitor tells ------------------------------------------------------------------------

for deny in '' inotify_init1 pidfd,inotify_init1; do
	with=${deny:+ without $deny}
	NSPAWN_LITE_DENY=$deny
	export NSPAWN_LITE_DENY
	rm -f "$T/told" "$T/told.json"
	up a /bin/sh -c "$forever"
	timeout 60 "$NL" monitor >"$T/told" 2>&1 &
	monitor=$!
	ok "monitor$with begins with what is there" wait_for has_told 'a running'
	timeout 60 "$NL" monitor -o json a nobody >"$T/told.json" 2>&1 &
	json=$!
	wait_for grep -qs nobody "$T/told.json"
	kill -9 "$pid_a"
	wait "$pid_a" 2>/dev/null
	ok "monitor$with tells of a supervisor that was killed" wait_for has_told 'a stopped supervisor killed'
	rm -f "$T/t/status/go"
	up status /bin/sh -c 'until [ -e /go ]; do sleep 0.1; done; exit 3'
	wait_for has_told 'status running'
	: >"$T/t/status/go"
	ok 'of a status' wait_for has_told 'status stopped exited with status 3'
	up signal /bin/sh -c "$forever"
	wait_for has_told 'signal running'
	nl kill -s KILL signal
	ok 'of a signal' wait_for has_told 'signal stopped killed by KILL'
	if nl -q -D "$from" -x --property=MemoryMax=8M true 2>/dev/null; then
		rm -f "$T/t/starved/go"
		up starved --property=MemoryMax=8M /bin/sh -c \
			'until [ -e /go ]; do sleep 0.1; done; exec dd if=/dev/zero of=/dev/shm/x bs=1M count=16'
		wait_for has_told 'starved running'
		: >"$T/t/starved/go"
		ok 'of want of memory' wait_for has_told 'starved stopped oom-kill'
	else
		skip 'of want of memory' 'no memory controller'
	fi
	up boots -b
	wait_for has_told 'boots running'
	wait_for lives boots 1
	nl reboot boots
	wait_for lives boots 2
	[ "$deny" ] || ok 'of a reboot' wait_for grep -qx -e 'boots opening rebooting' -e 'boots closing rebooting' "$T/told"
	nl stop boots
	rm -f "$T/t/boots/lives"
	ok 'of the power' wait_for has_told 'boots stopped powered off'
	is 'as JSON, of some' '{"machine":"a","state":"running","reason":null} {"machine":"nobody","state":"stopped","reason":null} {"machine":"a","state":"stopped","reason":"supervisor killed"} ' \
		"$(tr '\n' ' ' <"$T/told.json")"
	{
		kill "$monitor" "$json"
		wait "$monitor" "$json"
	} 2>/dev/null
done
unset NSPAWN_LITE_DENY

# ---- signals to processes -----------------------------------------------------------------------

hears='trap "echo \$0 >>/got" TERM USR1; echo up >>/up; while :; do sleep 0.1; done'
has_lines() { [ "$(wc -l 2>/dev/null <"$1")" -ge "$2" ] 2>/dev/null; }
for one in killed beside; do
	rm -f "$T/t/$one/up" "$T/t/$one/got"
	up "$one" /bin/sh -c "/bin/sh -c '$hears' one & setsid /bin/sh -c '$hears' two & $hears" pid1
	ok "$one has begun" wait_for has_lines "$T/t/$one/up" 3
done
run nl kill killed
ok 'kill reaches all' wait_for has_lines "$T/t/killed/got" 3
run nl kill -s SIGUSR1 --kill-whom=leader killed
ok 'and with --kill-whom=leader PID 1' wait_for has_lines "$T/t/killed/got" 4
is 'which is one' 'one pid1 pid1 two ' "$(sort "$T/t/killed/got" | tr '\n' ' ')"
is 'and nobody in a machine beside it' '' "$(cat "$T/t/beside/got" 2>/dev/null)"
NSPAWN_LITE_DENY=pidfd nl kill -s KILL killed
down killed
is 'SIGKILL ends it' '137 ' "$down"
is 'and nothing else' running "$(fact beside STATE)"
run nl kill -s KILL beside
down beside
is 'and it says nothing when that is quick' '0  137 ' "$rc $err $down"
run nl kill beside
is 'of one that does not run: the words of the original' "1 Could not kill machine: No machine 'beside' known" "$rc ${err#nspawn-lite: }"
run nl kill -s WRONG beside
like 'a signal that there is not' '1 *no such signal*' "$rc $err"
is 'kill -s help lists them' SIGTERM "$(nl kill -s help | grep -x SIGTERM)"
up shares --share-pid=yes --keep-unit /bin/sh -c "$forever"
nl kill -s KILL shares
down shares
is 'one that shares the processes of the host is known by its group' '137 ' "$down"

# ---- again and again --------------------------------------------------------------------------------

if ! command -v "${MAKE:-make}" >/dev/null || [ ! -e "${TESTDIR%/*}/Makefile" ]; then
	skip 'with short times' 'no make'
	finish
fi
sed -e 's/^\(#define STOP_SECONDS\) .*/\1 1/' -e 's/^\(#define RESTART_MOST\) .*/\1 2/' "${TESTDIR%/*}/config.h" >"$T/config.h"
(
	unset MAKEFLAGS MFLAGS MAKELEVEL
	"${MAKE:-make}" -s -j2 -C "${TESTDIR%/*}" O="$T/o" CONFIG="$T/config.h" CFLAGS=-O0 all
) >"$T/out" 2>&1
is 'it can be built with short times' '0 ' "$? $(cat "$T/out")"
NL=$T/o/nspawn-lite

own_tree deaf
ln -sf ../deaf "$T/t/deaf/sbin/init"
up deaf -b
run nl stop deaf
down deaf
like 'a guest that hears nothing is killed when its time is up, and a line says so' '0 137 *machine deaf has not ended in 1 s: it is killed*' \
	"$rc $down$(cat "$T/said.deaf")"
up deaf -b
nl stop --no-block deaf
nl stop --no-block deaf
down deaf
like 'a second stop is no kill: it has its time' '137 *it is killed*' "$down$(cat "$T/said.deaf")"
up deaf -b
until gone "$pid_deaf"; do
	kill "$pid_deaf"
done 2>/dev/null
down deaf
is 'SIGTERM again and again is: it does not take that' '137 0' "$down$(grep -c 'it is killed' "$T/said.deaf")"

# by its name it is busybox' init, which is asked with SIGUSR2
own_tree script
printf '#!/bin/sh\ntrap "exit 7" TERM\necho again >>/lives\nwhile :; do sleep 0.1; done\n' >"$T/t/script/script"
chmod 755 "$T/t/script/script"
ln -sf ../script "$T/t/script/sbin/init"
up script -b
wait_for lives script 1
run nl stop script
down script
is 'an init that hears SIGTERM alone is asked with that' '0 7 ' "$rc $down$(cat "$T/said.script")"
up script -b "$(head -c 100000 /dev/zero | tr '\0' x)"
was=$(ls "$state/.consoles/script")
kill -9 "$pid_script"
down script 2>/dev/null
nl stop --all
is 'what one with a long command leaves is swept, too' "$state/.consoles/script " "$was $(ls "$state/.consoles/script" 2>/dev/null)"

own_tree fails
printf '#!/bin/sh\necho again >>/lives\nexit 3\n' >"$T/t/fails/fails"
chmod 755 "$T/t/fails/fails"
"$NL" -q -M fails -D "$T/t/fails" --restart=on-failure /fails >"$T/said.fails" 2>&1 &
pid_fails=$!
wait_for lives fails 2
like '--restart=on-failure begins again after a failure, and says when' '*machine fails: restarting in 1 s*' "$(cat "$T/said.fails")"
wait_for pauses fails
is 'it waits, and has no process' 'waiting 0 exited with status 3, restarting in' \
	"$(for f in STATE LEADER REASON; do sed -n "s/^$f=//p" "$T/at"; done | sed 's/ [0-9]* s$//' | xargs)"
run nl -M fails -D "$T/t/fails" true
like 'its name is not free meanwhile' "1 *Machine 'fails' already exists.*" "$rc $err"
mv "$T/t/fails" "$T/t/gone"
wait_for grep -q 'gone\|No such' "$T/said.fails"
wait_for grep -q 'could not begin' "$state/fails"
ok 'without its tree it tries again' wait_for pauses fails
mv "$T/t/gone" "$T/t/fails"
rm -f "$T/t/fails/lives"
ok 'and begins when that is back' wait_for lives fails 1
wait_for grep -q waiting "$state/fails"
run nl stop fails
down fails
is 'stop ends it while it waits' '0 0 no' "$rc $down$([ -e "$state/fails" ] && echo yes || echo no)"
run nl -q -M fails -D "$T/t/fails" --restart=on-failure /bin/true
is 'a command that succeeds ends it' 0 "$rc"
run nl -q -M fails -D "$T/t/fails" --restart=always /no/such
is 'nor is a first birth that fails tried again' 127 "$rc"
"$NL" -q -M fails -D "$T/t/fails" --restart=always /bin/true >"$T/said.fails" 2>&1 &
# shellcheck disable=SC2034 # down has it
pid_fails=$!
wait_for grep -q restarting "$T/said.fails"
wait_for grep -qs waiting "$state/fails"
nl reboot fails
wait_for grep -q 'in 2 s' "$T/said.fails"
like '--restart=always begins again whatever its status, and reboot does not wait' '*in 1 s*in 2 s*' "$(tr '\n' ' ' <"$T/said.fails")"
nl terminate fails
down fails
is 'terminate ends that' '0 ' "$down"
rm -f "$T/t/fails/lives"
"$NL" -q -M fails -D "$T/t/fails" --notify-fd=8 --notify-ready=yes --restart=on-failure /fails >"$T/said.fails" 2>&1 8>/dev/null &
# shellcheck disable=SC2034 # down has it
pid_fails=$!
ok 'one that was not ready keeps its --notify-fd' wait_for lives fails 2
nl terminate fails
down fails

# a birth that fails while the supervisor is in the network of the machine
if command -v ip >/dev/null && ip netns add "nl$$" 2>/dev/null; then
	own_tree lost
	cp -p "$T/t/fails/fails" "$T/t/lost/fails"
	"$NL" -q -M lost -D "$T/t/lost" -U --network-namespace-path="/run/netns/nl$$" --restart=on-failure /fails >"$T/said.lost" 2>&1 &
	pid_lost=$!
	wait_for grep -qs waiting "$state/lost"
	rm -r "$T/t/lost/dev"
	: >"$T/t/lost/dev"
	wait_for grep -qs 'could not begin' "$state/lost"
	is 'a birth that fails leaves it in the network of the host' "$(readlink /proc/self/ns/net)" "$(readlink "/proc/$pid_lost/ns/net")"
	nl terminate lost
	down lost
	ip netns del "nl$$"
else
	skip 'a birth that fails leaves it in the network of the host' 'no ip netns'
fi

# ---- at any moment ---------------------------------------------------------------------------------------

moment=moment$$	# tests beside us may have one, too
# left : files of machines, and their groups
left() {
	ls "$state"
	find /sys/fs/cgroup -name "*-machine-$moment.*" 2>/dev/null
}
printf '#!/bin/sh\nreboot -f\n' >"$T/t/fails/reboots"
chmod 755 "$T/t/fails/reboots"
ln -sf ../reboots "$T/t/fails/sbin/init"
timeout 60 "$NL" monitor >"$T/told" 2>&1 &
monitor=$!
wrong=''
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	case $((n % 2)) in 0) words=-b ;; *) words='--restart=always /bin/true' ;; esac
	# shellcheck disable=SC2086 # words are words
	"$NL" -q -M "$moment" -D "$T/t/fails" $words >"$T/said" 2>&1 &
	p=$!
	# a moment of its first hundredths, or of a later life
	busybox usleep $((n * n * 997)) 2>/dev/null || sleep 1
	case $n in
	*[01256])	kill -9 $p; signal=137 ;;
	*)		kill $p; signal= ;;
	esac
	wait $p 2>/dev/null
	rc=$?
	[ -z "$signal" ] || [ $rc = 137 ] || wrong="$wrong $n: $rc"
	! nl wait "$moment" running --timeout=0 2>/dev/null || wrong="$wrong $n: it is shown"
	nl -q -M "$moment" -D "$T/t/fails" /bin/true 2>"$T/err" || wrong="$wrong $n: status $?, $(cat "$T/err")"
	stays=$(left)
	[ -z "$stays" ] || wrong="$wrong $n: it leaves $stays"
done 2>/dev/null
is 'whenever a supervisor is killed or told to end, nobody sees it, and the next one begins' '' "$wrong"
wait_for sh -c "tail -n 1 '$T/told' | grep -q stopped"
is 'and monitor has told of the last end' stopped "$(tail -n 1 "$T/told" | cut -d ' ' -f 2)"
{
	kill "$monitor"
	wait "$monitor"
} 2>/dev/null
printf '#!/bin/sh\necho again >>/lives\nreboot -f\n' >"$T/t/fails/reboots"
rm -f "$T/t/fails/lives"
"$NL" -q -M "$moment" -D "$T/t/fails" -b >"$T/said" 2>&1 &
p=$!
wait_for lives fails 1
wrong=''
until lives fails 8; do
	nl -q -M "$moment" -D "$from" true 2>"$T/err" && wrong="$wrong it began"
	grep -q "Machine '$moment' already exists" "$T/err" || wrong="$wrong $(cat "$T/err")"
	[ -e "$state/$moment" ] || wrong="$wrong no register"
done
is 'a machine that reboots all the time keeps its name' '' "$wrong"
nl terminate "$moment"
wait $p
up beside /bin/sh -c "$forever"
NSPAWN_LITE_NAME=beside NSPAWN_LITE_CLAIM=9 run nl -q -M beside -D "$from" /bin/true 9<>"$state/beside"
like 'who hands in a claim that is not his gets none' "1 *already exists.*" "$rc $err"
NSPAWN_LITE_NAME=other NSPAWN_LITE_CLAIM=9 run nl -q -M other -D "$from" /bin/sh -c 'env; ls /proc/self/fd' 9<>"$T/other"
unlike 'nor does the guest get anything of it' '*NSPAWN_LITE*' "$rc $out"
nl terminate beside
# who is born in a group that is frozen does not come to be, and its supervisor waits for it in the kernel
slice=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/life$$.slice
mkdir "$slice" 2>/dev/null
if [ -e "$slice/cgroup.freeze" ]; then
	echo 1 >"$slice/cgroup.freeze"
	"$NL" -q --slice="life$$.slice" -M hangs -D "$from" true >"$T/said" 2>&1 &
	p=$!
	hangs() { [ -n "$(cat "$slice"/*/cgroup.procs 2>/dev/null)" ]; }
	wait_for hangs
	run timeout 60 "$NL" terminate hangs
	echo 0 >"$slice/cgroup.freeze"
	wait $p
	is 'terminate ends one whose birth hangs' 0 "$rc"
	nl -q -M hangs -D "$from" true  # sweeps
else
	skip 'terminate ends one whose birth hangs' 'cgroup.freeze needs cgroup2 of Linux 5.2'
fi
rmdir "$slice" 2>/dev/null

# ---- a supervisor from before there were sums and states: it outlives the program, and knows SIGTERM only -------------

printf '%s\n' 'exec 9>"$1/old"' 'flock -x 9' 'trap '"'"'echo TERM >"$2"; rm "$1/old"; exit 0'"'"' TERM' \
	'for fact in NAME=old ROOT=/ CLASS=container REALTIME=1700000000000000 HIDDEN=0 SUPERVISOR=$$ LEADER=$$; do' \
	'echo $fact' 'done >"$1/old"' 'while :; do sleep 0.1 9>&-; done' >"$T/old"
mkdir -p "$state"
sh "$T/old" "$state" "$T/old.told" &
p=$!
wait_for grep -qs LEADER= "$state/old"
is 'of an older program it is known that it runs' 'old container running' \
	"$(nl list --no-legend | sed -n 's/^\(old container\) .*/\1/p') $(nl show old -P State)"
run nl reboot old
like 'what it does not know is not sent' '1 *: Could not reboot machine old: *stop and start it' "$rc $err"
run nl exec old true
like 'nor does anybody go in whose rights are not known' '1 *older nspawn-lite*' "$rc $err"
run nl stop old
wait $p
is 'stop tells it what it knows, and waits' '0 TERM 0' "$rc $(cat "$T/old.told" 2>&1) $?"
is 'nothing is left' '' "$(left)"
finish
