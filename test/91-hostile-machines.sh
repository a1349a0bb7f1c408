#!/bin/sh
# Root in a machine, and users of the host, against the verbs that look at machines, speak with them and end them.
# shellcheck source-path=SCRIPTDIR source=lib.sh
# shellcheck disable=SC2016,SC2094 # for shells inside; a device is read and written
. "${0%/*}/lib.sh"
need_root
leftovers_before
state=$T/root/run/nspawn-lite
chmod 755 "$T"

# boots NAME [OPTION...] : a machine that runs, its tree in $tree
boots() {
	name=$1
	shift
	tree=$(tree busybox)
	"$NL" -q -M "$name" -b -D "$tree" "$@" </dev/null >"$T/$name.out" 2>&1 &
	wait_for grep -qs '^STATE=running' "$state/$name" || note "$(cat "$T/$name.out")"
}
inm() { timeout 60 "$NL" exec "$@"; }
boots plain
plain=$!

# ---- what it is handed ----------------------------------------------------------------

mknod "$T/null" c 1 3 && chmod 666 "$T/null"
before=$(stat -c '%a %u %Y' "$T/null")
inm plain sh -c 'for i in 0 1 2; do chmod 4600 /proc/self/fd/$i; chown 5 /proc/self/fd/$i; done' <"$T/null" >"$T/null" 2>"$T/null"
is "exec: a node of the host's stays as it is" "$before" "$(stat -c '%a %u %Y' "$T/null")"
"$NL" -q -D "$(tree busybox)" sh -c 'for i in 0 1 2; do chmod 4600 /proc/self/fd/$i; chown 5 /proc/self/fd/$i; done' \
	<"$T/null" >"$T/null" 2>"$T/null"
is "run: and so it does there" "$before" "$(stat -c '%a %u %Y' "$T/null")"
out=$(inm plain sh -c 'wc -c; yes | head -c 1000000 >&2; exit 7' <"$T/null" 2>"$T/null"; echo $?)
is "and reads and takes as ever" '0 7' "$(echo "$out" | tr '\n' ' ' | sed 's/ $//')"

# ---- who is its first process, and nobody's root --------------------------------------------

# A user of the machine makes mounts of its own, with programs of its own in them: root does not go there
for m in other users; do
	[ $m = other ] && users='' || users=-U
	# shellcheck disable=SC2086 # no word, or one
	"$NL" -q -M $m $users -D "$(tree busybox)" -u user sh -c 'exec unshare -Urm sh -c "mount -t tmpfs t /tmp && : >/tmp/theirs; exec sleep 1000"' \
		</dev/null >"$T/$m.out" 2>&1 &
	pid=$!
	# shellcheck disable=SC2317 # called by wait_for
	gone() { grep -qs sleep "/proc/$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/$m")/comm"; }
	if wait_for gone || note "$(cat "$T/$m.out")"; then
		like "$m: exec does not follow it" '*users of its own making*' "$(inm $m ls /tmp 2>&1)"
		like "$m: copies do not" '*users of its own making*' "$(timeout 60 "$NL" copy-to $m "$T/null" /tmp/x 2>&1)"
		like "$m: nor do binds" '*users of its own making*' "$(timeout 60 "$NL" bind $m "$T" /tmp 2>&1)"
	fi
	"$NL" terminate $m
	wait $pid
done 2>/dev/null

# ---- what its console says, shown on a terminal ------------------------------------------------

# answers, titles, character sets, and what only looks like a colour
inm plain sh -c "printf 'one\\033[>4;1mtwo\\033[?4mthree\\033[\\005mfour\\033[\\016mfive\\033[31msix\\033]52;c;eA==\\007\\033[c\\302\\2335n\\033[31\\nseven\\n' >/dev/console"
# shellcheck disable=SC2317 # called by wait_for
logged() { "$NL" logs plain | grep -qs "$1"; }
wait_for logged seven
"$PTY" -e 'exit' -- "$NL" logs plain >"$T/said"
like "logs: nothing that a terminal obeys" '*onetwothreefourfivesix*seven*' "$(cat "$T/said")"
is "but ends of lines" 0 "$(tr -d '\r\n\t' <"$T/said" | LC_ALL=C grep -c "$(printf '[\001-\037\233]')")"
printf 'wait seven\nsend \\x1d\\x1d\\x1d\nwait Left\nexit 0\n' >"$T/script"
"$PTY" -t 60 "$T/script" -- "$NL" console plain >"$T/said"
is "console: colours, and nothing else, of what was before" '' \
	"$(sed "s/$(printf '\033')\[[0-9;]*m//g; /Press/d" "$T/said" | tr -d '\r\n\t\b' | LC_ALL=C grep "$(printf '[\001-\037\233]')")"
like "and those are there" "*$(printf '\033')\[31m*" "$(cat "$T/said")"

# ---- names of its files, in what we say ---------------------------------------------------------

odd=$(printf 'a\302\233b\233c\033d')
inm plain sh -c "mkdir /srv-odd; mknod '/srv-odd/$odd' c 1 3"
timeout 60 "$NL" copy-from plain /srv-odd "$T/odd" >"$T/said" 2>&1
is "copies: names come without what a terminal obeys" 0 "$(tr -d '\n' <"$T/said" | LC_ALL=C grep -c "$(printf '[\001-\037\200-\237]')")"
like "and are there" '*a*b*c*d*' "$(cat "$T/said")"

# ---- its processes, in groups of its making ----------------------------------------------------

group=$(sed -n 's/^CGROUP=cgroup2:\(\/.*\)/\1/p' "$state/plain")/payload
if [ -d "$group" ]; then
	odd=$(printf '.\033[31mred')
	mkdir "$group/$odd"
	inm plain sleep 34561 &
	pid=$!
	# shellcheck disable=SC2317 # called by wait_for
	inside() { pgrep -f '^sleep 34561' >"$T/pid"; }
	wait_for inside
	cat "$T/pid" >"$group/$odd/cgroup.procs"
	like "status: nobody hides in a group, whatever its name" '*\\x1b*red*sleep 34561*' "$("$NL" status plain)"
	timeout 60 "$NL" kill -s KILL plain >"$T/killed" 2>&1
	wait $pid
	wait $plain
	is "kill: nor from signals" '' "$(pgrep -f '^sleep 34561')"
	boots plain
	plain=$!
else
	skip "nobody hides in a group, whatever its name" "no cgroup2 here"
fi

# ---- a file system of its own, that never answers --------------------------------------------------

cp "$(program hang)" "$T/hang"
"$NL" -q -M slow -D "$(tree busybox)" --device=/dev/fuse --bind-ro="$T/hang:/bin/hang" sleep 1000 </dev/null >"$T/slow.out" 2>&1 &
slow=$!
wait_for grep -qs '^STATE=running' "$state/slow"
inm slow sh -c "mkdir -p /srv/slow; exec hang /srv/slow" >"$T/hung" 2>&1 &
# shellcheck disable=SC2317 # called by wait_for
hung() { grep -qs 'mounted\|hang:' "$T/hung"; }
wait_for hung
if grep -q mounted "$T/hung"; then
	# interrupted NAME COMMAND... : it is in the machine's hands until it is told to end
	interrupted() {
		name=$1
		shift
		rc=0
		timeout -k 20 1 "$@" >"$T/said" 2>&1 || rc=$?
		is "$name" 124 $rc
	}
	interrupted "copy-from: one that waits for it ends when it is told to" "$NL" copy-from slow /srv/slow/file "$T/got"
	inm slow mount --bind /srv/slow/file /etc/passwd
	interrupted "exec: so does that" "$NL" exec slow true
	like "status: that waits for nothing" '*hang /srv/slow*' "$(timeout 60 "$NL" status slow)"
else
	skip "a file system that never answers" "no /dev/fuse: $(cat "$T/hung")"
fi
timeout 60 "$NL" terminate slow
rc=0
wait $slow 2>/dev/null || rc=$?
is "and it ends, and all that waited" "$rc" "$rc$(pgrep -f "nspawn-lite copy-from slow")"

# ---- users of the host ----------------------------------------------------------------------------

if setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
	user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	is "a user cannot hold a lock of ours" '' "$(user find "$T/root/run/" -type f -readable 2>/dev/null)"
	like "list: who may not look is told so" '*Need to be root.*' "$(user "$NL" list 2>&1)"
	supervisor=$(sed -n 's/^SUPERVISOR=//p' "$state/plain")
	kill -9 "$supervisor"
	wait "$plain"
	user flock -n "$state/plain" sleep 34562 2>/dev/null &
	pid=$!
	sleep 0
	is "one that was killed does not live on by the lock of a user" 'No machines.' "$("$NL" list)"
	kill $pid
	is "and its name is free" 3 "$("$NL" -q -M plain -D "$(tree busybox)" sh -c 'exit 3' </dev/null; echo $?)"
else
	skip "users cannot hold locks of ours" "no setpriv"
	kill "$plain"
	wait "$plain"
fi 2>/dev/null

leftovers_after "nothing stays"
done_testing
