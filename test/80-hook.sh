# shellcheck shell=sh disable=SC2016,SC2034,SC2154 # scripts, variables of net.sh and run
# shellcheck source-path=SCRIPTDIR source=lib.sh source=net.sh
# HOOK of config.h: a program that is called when a machine comes and goes, each turn once. In a network of the test's own.
. "${0%/*}/lib.sh"
. "${0%/*}/net.sh"
need timeout

if ! command -v "${MAKE:-make}" >/dev/null || [ ! -e "${TESTDIR%/*}/Makefile" ]; then
	skip_all 'no make'
fi
sed -e "s|^#define HOOK NULL|#define HOOK \"$T/hook\"|" -e 's/^#define HOOK_SECONDS 30/#define HOOK_SECONDS 5/' \
	"${TESTDIR%/*}/config.h" >"$T/config.h"
(
	unset MAKEFLAGS MFLAGS MAKELEVEL
	"${MAKE:-make}" -s -j2 -C "${TESTDIR%/*}" O="$T/o" CONFIG="$T/config.h" CFLAGS=-O0 all
) >"$T/out" 2>&1
is 'it can be built with a hook' "0 " "$? $(cat "$T/out")"
NL=$T/o/nspawn-lite
export NL
t=$(tree busybox guest) || skip_all 'no guest'

# hook LINE... : a program that notes what it is called with, and then does this
hook() {
	{
		echo '#!/bin/sh'
		echo "read -r x; echo \"\$1 \$EVENT \$NAME \${PID:+pid} \$IF \$ADDR\$x\" >>$T/calls"
		printf '%s\n' "$@"
	} >"$T/new"
	chmod 755 "$T/new"
	mv "$T/new" "$T/hook"
	: >"$T/calls"
}
words() { sed 's/ .*//' "$T/calls" | xargs; }

hook 'env | sed "s/=.*//" | grep -vxe PWD -e SHLVL -e _ -e OLDPWD | sort >>'"$T/env"
run guest -M one -n --network-address=10.9.8.7/24 sh -c 'exit 7'
is 'it is called at each turn once, with what there is to know' \
	'7 pre-start pre-start one,up up one pid ve-one 10.9.8.7,down down one pid ve-one 10.9.8.7,post-stop post-stop one ve-one 10.9.8.7' \
	"$rc $(tr -s ' ' <"$T/calls" | sed 's/ $//' | xargs -d '\n' printf '%s,' | sed 's/,$//')"
is 'its environment has nothing else' 'ADDR EVENT IF NAME NSPAWN_LITE_ROOT PATH PID' "$(sort -u "$T/env" | xargs)"

hook '[ "$1" != pre-start ] || exit 3'
run guest -M one true
is 'one that fails in pre-start keeps the machine from starting' \
	"1 nspawn-lite: machine one is not started: $T/hook pre-start ended with status 3" "$rc $err"
is 'and is called once more, for the end' 'pre-start post-stop' "$(words)"

hook '[ "$1" != up ] || exit 3'
run guest -M one true
is 'one that fails later is told of' "0 nspawn-lite: $T/hook up of machine one ended with status 3" "$rc $err"
is 'and all turns come' 'pre-start up down post-stop' "$(words)"

hook ''
run guest -M one --network-bridge=nobridge true
is 'of a start that fails half-way there is a beginning and an end' '1 pre-start post-stop' "$rc $(words)"

hook '[ "$1" != down ] || sleep 1000'
run guest -M one true
is 'one that does not end is killed' "0 nspawn-lite: $T/hook down of machine one took longer than 5 s, and was killed" "$rc $err"
is 'and the rest is as ever' 'pre-start up down post-stop' "$(words)"

hook '[ "$1" != pre-start ] || sleep 1000'
guest -M one true 2>"$T/said" &
# shellcheck disable=SC2317 # called by wait_for
called() { grep -q pre-start "$T/calls"; }
wait_for called
run timeout 60 "$NL" stop one
wait $!
is 'who is told to end meanwhile does at once' \
	"1 0 nspawn-lite: machine one is not started: $T/hook pre-start was interrupted: the machine is told to end" "$? $rc $(cat "$T/said")"
is 'but not without its end' 'pre-start post-stop' "$(words)"
: >"$T/calls"
"$NL" -q -D "$t" -M one true 2>"$T/said" &
wait_for called
kill -USR2 $!
wait $!
is 'nor who is ended at once' '1 pre-start post-stop' "$? $(words)"

hook '[ "$1" != down ] || sleep 1'
printf '#!/bin/sh\ntrap "exit 0" TERM\necho again >>/lives\nwhile :; do sleep 0.1; done\n' >"$t/hears"
chmod 755 "$t/hears"
timeout 60 "$NL" -q -D "$t" -M one /hears &
pid=$!
wait_for test -s "$t/lives"
"$NL" reboot one
# shellcheck disable=SC2317 # called by wait_for
closes() { grep -qsx STATE=closing "$T/root/run/nspawn-lite/one"; }
wait_for closes
run timeout 60 "$NL" start one
is 'start waits for one that reboots, and not for its end' '0|||running' \
	"$rc|$out|$err|$(sed -n 's/^STATE=//p' "$T/root/run/nspawn-lite/one")"
"$NL" stop one
wait "$pid"

rm "$T/hook"
run guest -M one true
like 'one that is not there keeps the machine from starting' "1 *machine one is not started: $T/hook: No such file*" "$rc $err"
done_testing
