# shellcheck shell=sh disable=SC2034 # variables for the tests
# What the tests share. Each begins with
#	. "$(dirname "$0")/lib.sh"
# and ends with done_testing (or finish); one that ends in another way is red.
# Results may come from subshells and pipes too. For any POSIX shell, busybox's included.
#
# ok NAME COMMAND...	it succeeds; what it printed is shown if not
# is NAME WANT GOT	the same words
# like NAME PATTERN GOT	a pattern as in case: '*text*'
# unlike NAME PATTERN GOT
# skip NAME REASON
# skip_all REASON	instead of all tests; so do need_root, need COMMAND...
# adopt FILE [WHERE]	the results that another test wrote there become ours
# run COMMAND...	sets out, err and rc
# wait_for COMMAND...	until it succeeds: true, or false after many tries
# tree [KIND [NAME]]	prints the path of a fresh guest, of a kind that
#			test/trees makes (busybox)
# scratch		prints the path of a fresh directory
# program NAME		prints the path of what test/NAME.c became
# leftovers_before	remembers the state of the host;
# leftovers_after NAME	is a test that it is as it was
#
# NL	the program	PTY	test-pty	T	a directory, removed at the end
# All state of the program is below $T/root.

set -u
umask 022
LC_ALL=C
export LC_ALL
exec </dev/null

TESTDIR=$(cd "${TESTDIR:-$(dirname "$0")}" && pwd) || exit
TOP=${TESTDIR%/*}
build=${O:-build}
case $build in /*) ;; *) build=${TESTDIR%/*}/$build ;; esac
NL=${NL:-$build/nspawn-lite}
case $NL in /*) ;; *) NL=$PWD/$NL ;; esac
finished=''

program() {
	if [ -x "$build/test-$1" ]; then
		echo "$build/test-$1"
	else
		echo "$build/$1"
	fi
}

PTY=${PTY:-$(program pty)}

T=$(mktemp -d "${TMPDIR:-/tmp}/nl.XXXXXX") && T=$(cd "$T" && pwd -P) || exit
case $T in
*[!A-Za-z0-9/._-]*)	# as it is in mountinfo, where others are escaped
	rmdir "$T"
	echo "TMPDIR: no plain name: $T" >&2
	exit 1 ;;
esac
chmod 755 "$T"
mkdir "$T/root"
: >"$T/.results"
NSPAWN_LITE_ROOT=$T/root
export NSPAWN_LITE_ROOT
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

note() {
	printf '%s\n' "$*" | sed 's/^/# /' >&2
}

# result WORD NAME : no numbers, so that subshells need not count
result() {
	echo "$1" >>"$T/.results"
	printf '%s - %s\n' "$1" "$2"
}

adopt() {
	while IFS= read -r line; do
		case $line in
		'ok '*)	result ok "${line#*- }${2:+ ($2)}" ;;
		'not ok '*) result 'not ok' "${line#*- }${2:+ ($2)}" ;;
		1..*)	;;
		*)	note "${2:+$2: }$line" ;;
		esac
	done <"$1"
}

ok() {
	name=$1
	shift
	status=0
	"$@" >"$T/.log" 2>&1 || status=$?
	if [ "$status" = 0 ]; then
		result ok "$name"
	else
		result 'not ok' "$name"
		note "status $status: $*"
		note "$(head -c 4000 "$T/.log")"
		return 1
	fi
}

is() {
	if [ "$2" = "$3" ]; then
		result ok "$1"
	else
		result 'not ok' "$1"
		note "want: $2"
		note "got:  $3"
		return 1
	fi
}

matches() {
	# shellcheck disable=SC2254 # a pattern
	case $2 in $1) ;; *) return 1 ;; esac
}

like() {
	if matches "$2" "$3"; then
		result ok "$1"
	else
		result 'not ok' "$1"
		note "want: $2"
		note "got:  $3"
		return 1
	fi
}

unlike() {
	if matches "$2" "$3"; then
		result 'not ok' "$1"
		note "not:  $2"
		note "got:  $3"
		return 1
	fi
	result ok "$1"
}

skip() {
	result ok "$1 # SKIP $2"
}

skip_all() {
	[ ! -s "$T/.results" ] || exit 1
	echo "1..0 # SKIP $*"
	finished=y
	exit 0
}

need_root() {
	[ "$(id -u)" = 0 ] || skip_all "not root"
}

need() {
	for command; do
		command -v "$command" >/dev/null 2>&1 || skip_all "no $command"
	done
}

done_testing() {
	count=$(wc -l <"$T/.results")
	echo "1..$((count))"
	[ "$count" -gt 0 ] || exit 1	# nothing was tested
	finished=y
	! grep -q not "$T/.results"
	exit
}

finish() {
	done_testing
}

run() {
	rc=0
	"$@" >"$T/.out" 2>"$T/.err" || rc=$?
	out=$(cat "$T/.out")
	err=$(cat "$T/.err")
}

# Only ever for a thing that happens: the bound is there to end a lost test
wait_for() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		if [ $tries -ge "${TRIES:-600}" ]; then
			[ "${TRIES:-}" ] || note "waited in vain for: $*"
			return 1
		fi
		nap=0.1
		[ $tries -gt 10 ] || nap=0.02
		sleep $nap 2>/dev/null || sleep 1
	done
}

scratch() {
	mktemp -d "$T/tmp.XXXXXX"
}

# In a directory of its own, so that it may have the plain name
tree() {
	from=$("$TESTDIR/trees" "${1:-busybox}") || return
	to=$(scratch) && chmod 755 "$to" || return
	to=$to/${2:-${1:-busybox}}
	cp -a "$from" "$to" && echo "$to"
}

# ours : processes that the program left running: its own, by what they
# execute and where their state is, and guests, by where their mounts are from.
# A test beside us that has mounts of its own has copies of ours, but the host's root
ours() {
	for p in /proc/[0-9]*; do
		# shellcheck disable=SC3013 # every shell we meet has -ef
		if [ "$p/exe" -ef "$NL" ] &&
			tr '\0' '\n' <"$p/environ" | grep -q "^NSPAWN_LITE_ROOT=$T/"; then
			echo "${p#/proc/}"
		elif ! { [ "$p/root" -ef / ] && [ "$p/ns/pid" -ef "/proc/$$/ns/pid" ]; } &&
			! [ "$p/ns/mnt" -ef "/proc/$$/ns/mnt" ] && grep -qsF "${T##*/}/" "$p/mountinfo"; then
			echo "${p#/proc/}"
		fi 2>/dev/null
	done
}

mounts_below() {
	awk -v t="$T/" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo | sed -n '1!G; h; $p'
}

# Of mountinfo: one sysfs is that of all who share the host's network, and guests of others set it read-only and back
not_ours='s/ - sysfs \([^ ]*\) r[ow]$/ - sysfs \1/'

snapshot() {
	# but for those of others who have something in the same place for a while
	sed -e "\\| ${T%/*}/[^ ]* |{ \\|$T|!d; }" -e "$not_ours" -e 's/^/mount /' /proc/self/mountinfo
	sed -n 's/^ *\(.*\):.*/link \1/p' /proc/net/dev
	ours | while read -r p; do
		# One that has ended since is none
		cmd=$(tr '\0' ' ' <"/proc/$p/cmdline") && [ -n "$cmd" ] && echo "process $p $cmd"
	done 2>/dev/null
	awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts | while read -r p; do
		find "$p" -type d 2>/dev/null
	done | sed -e '/\/libpod_parent$/d' -e '/\/libpod_parent\/conmon$/d' -e 's/^/cgroup /'  # of all podmans of the host
	for p in /dev/pts/[0-9]*; do
		[ ! -e "$p" ] || echo "pty $p"
	done
	# of what is ours: others on the host have theirs
	grep -F "$T/" /sys/block/loop*/loop/backing_file /dev/null 2>/dev/null | sed 's/^/loop /'
	# The folders that the first command makes stay, what it knows of the kernel, and what consoles said
	find "$T/root" 2>/dev/null | sed -e "s|^$T/root||" \
		-e '/^\/run$/d' -e '/^\/var$/d' -e '/^\/var\/lib$/d' -e '/^\/var\/lib\/machines$/d' \
		-e '/^\/run\/nspawn-lite\(\/\.mounts\)\{0,1\}$/d' -e '/^\/run\/nspawn-lite\/\.hosts$/d' \
		-e '/^\/run\/nspawn-lite\/\.logs\(\/[^/]*\)\{0,1\}$/d' -e '/^\/run\/nspawn-lite\/\.consoles$/d' -e '/^\/run\/nspawn-lite\/\.host-id$/d' \
		-e '/^\/run\/nspawn-lite-oci$/d' \
		-e '/^$/d' -e 's/^/file /'
}

# What others on the host end is not our concern, except mounts and links; nor
# are groups with something running in them, which is ours or not, see ours()
changes() {
	snapshot >"$T/.after"
	awk '
		NR == FNR { had[$0]++; next }
		had[$0]-- > 0 { next }
		{ print "new: " $0 }
		END { for (l in had) if (had[l] > 0 && l ~ /^(mount|link) /) print "gone: " l }
	' "$T/.before" "$T/.after" | while read -r line; do
		case $line in
		"new: cgroup "*)
			[ -z "$(find "${line#new: cgroup }" -name cgroup.procs -exec cat {} + 2>/dev/null)" ] ||
				continue
			[ -d "${line#new: cgroup }" ] || continue ;;
		esac
		printf '%s\n' "$line"
	done
}

# nothing_stays : of what was new each time this was asked. The kernel takes its
# time to remove what has ended, and what others on the host do comes and goes.
nothing_stays() {
	changes >"$T/.now"
	if [ ! -s "$T/.now" ]; then
		return 0
	elif [ -e "$T/.stays" ]; then
		grep -xFf "$T/.now" "$T/.stays" >"$T/.both"
		mv "$T/.both" "$T/.stays"
	else
		mv "$T/.now" "$T/.stays"
	fi
	[ ! -s "$T/.stays" ]
}

leftovers_before() {
	snapshot >"$T/.before"
}

leftovers_after() {
	rm -f "$T/.stays"
	if TRIES=${TRIES:-100} wait_for nothing_stays; then
		result ok "$1"
	else
		result 'not ok' "$1"
		note "$(cat "$T/.stays")"
		return 1
	fi
}

remove_all() {
	for p in $(ours); do
		note "left running: $p $(tr '\0' ' ' <"/proc/$p/cmdline")"
		kill -9 "$p"
	done 2>/dev/null
	mounts_below | while read -r m; do
		umount "$(printf '%b' "$(echo "$m" | sed 's/\\/\\0/g')")" 2>/dev/null
	done
	# Never through a mount
	if [ -n "$(mounts_below)" ]; then
		note "still mounted, so $T stays: $(mounts_below)"
		return 1
	fi
	# What was killed may take its time to end
	TRIES=100 wait_for rm -rf "$T" 2>/dev/null || {
		note "cannot remove $T"
		return 1
	}
}

clean_up() {
	status=$?
	trap - EXIT
	trap '' HUP INT PIPE TERM
	cd /
	if [ -z "$finished" ]; then
		note "ended before done_testing, with status $status"
		[ "$status" != 0 ] || status=1
	fi
	remove_all || status=1
	exit "$status"
}
