#!/bin/sh
# shellcheck disable=SC2016,SC2317 # for the guest; called by wait_for
# What of the host's memory is a supervisor's alone once its machine runs, and that it does not grow.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need timeout
grep -qs Private_Dirty /proc/self/smaps_rollup || skip_all 'no smaps_rollup in this kernel'
[ "$(getconf PAGESIZE 2>/dev/null || echo 4096)" = 4096 ] || skip_all 'pages are larger here'
case $NL in *san*) skip_all 'sanitizers need more' ;; esac
t=$(tree busybox guest)

# machine NAME OPTION... : one that does nothing
machine() {
	machine=$1
	shift
	# shellcheck disable=SC2086 # words
	timeout 300 $terminal "$NL" -q -M "$machine" -D "$t" --read-only "$@" /bin/sh -c 'echo up; exec sleep 10000' \
		</dev/null >"$T/$machine.said" 2>&1 &
	background_pids="$background_pids $!"
}
# supervisors PATTERN : those of machines whose name begins so, and what guards their terminals
supervisors() {
	for file in "$T/root/run/nspawn-lite/$1"*; do
		one=$(sed -n 's/^SUPERVISOR=//p' "$file")
		echo "$one"
		tr ' ' '\n' <"/proc/$one/task/$one/children" | while read -r child; do
			# shellcheck disable=SC3013 # every shell we meet has -ef
			[ ! "/proc/$child/exe" -ef "$NL" ] || echo "$child"
		done
	done
}
# private PATTERN : KB of each machine, on average, of pages that nobody else has
private() {
	n=0
	for file in "$T/root/run/nspawn-lite/$1"*; do
		n=$((n + 1))
	done
	for p in $(supervisors "$1"); do
		cat "/proc/$p/smaps_rollup"
	done | awk -v n="$n" '/^Private_(Clean|Dirty)/ { sum += $2 } END { print int(sum / n + 0.5) }'
}
at_most() { private=$(private "$1") && [ "$private" -gt 0 ] && [ "$private" -le "$2" ]; }
up() { [ "$(cat "$T/$1"*.said | grep -c '^up')" -ge "$2" ]; }

# memory KIND LIMIT NAME OPTION... : five at once, which share what they run. Its first quiet second is yet to come
memory() {
	kind=$1
	limit=$2
	name=$3
	shift 3
	for i in 1 2 3 4 5; do
		machine "$kind$i" "$@"
	done
	# what others begin wakes it, too: it is quiet again after some seconds
	wait_for up "$kind" 5 || note "$(cat "$T/$kind"*.said)"
	ok "$name takes at most $limit KB" wait_for at_most "$kind" "$limit"
	note "$kind: $private KB"
}

terminal=''
memory plain 64 'an idle machine' --console=pipe
memory users 64 'one with users of its own' -U --console=pipe
memory linked 64 'one with a network' -n --console=pipe
# who guards the caller's terminal is a process of its own
printf 'wait up\nwait nothing more\n' >"$T/script"
terminal="$PTY $T/script --"
memory seated 80 'one at a terminal'

# with a network, users, a console and its log: as start makes them
mkdir -p "$T/root/var/lib/machines"
for i in 1 2 3 4 5; do
	cp -al "$t" "$T/root/var/lib/machines/started$i"
done
ok 'five are started' timeout 100 "$NL" start started1 started2 started3 started4 started5
ok 'one that was started takes at most 64 KB' wait_for at_most started 64
note "started: $private KB"

"$NL" stop --all
done_testing
