#!/bin/sh
# shellcheck disable=SC2016,SC2154 # scripts for the guest; variables by run
# How machines end, begin again, and are ended; and what others see of it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need timeout
state=$T/root/run/nspawn-lite
nl() { timeout 60 "$NL" "$@"; }
# up NAME OPTION... : with a tree of its own, until it runs
up() {
	[ -d "$T/t/$1" ] || { mkdir -p "$T/t"; cp -a "$from" "$T/t/$1"; }
	up=$1
	shift
	"$NL" -q -M "$up" -D "$T/t/$up" "$@" >"$T/said.$up" 2>&1 &
	eval "pid_$up=$!"
	nl wait "$up" running --timeout=20
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
finish
