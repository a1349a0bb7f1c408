# shellcheck shell=sh disable=SC2034,SC2254 # variables for the tests; patterns
# What the tests for devices share: a kernel, busybox and nspawn-lite are there,
# and no more. Each begins with
#	. "${0%/*}/device-lib.sh"
# and ends with done_testing. They print TAP; test/lab.sh runs them in emulated
# machines, and they run on any router, with this beside them, as they are.
#
# is NAME WANT GOT	has NAME WORDS TEXT	like NAME PATTERN TEXT
# ok NAME COMMAND...
# wait_for COMMAND...	until it succeeds: true, or false after many tries, or $TRIES
# guest DIR		makes a tree of busybox with an init
# $busybox		where it is
n=0
bad=0
# a shell that is busybox itself finds its applets without a path
busybox=/bin/busybox
[ -x $busybox ] || busybox=$(which busybox)

is() {
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		printf 'want %s\ngot %s\n' "$2" "$3" | sed 's/^/# /'
		# what it said last, where a test keeps that
		[ ! -s "${said:-}" ] || sed 's/^/# said: /' "$said"
		bad=1
		return 1
	fi
}

has() {
	case $3 in
	*"$2"*)	is "$1" 0 0 ;;
	*)	is "$1" "$2" "$3" ;;
	esac
}

like() {
	case $3 in
	$2)	is "$1" 0 0 ;;
	*)	is "$1" "$2" "$3" ;;
	esac
}

ok() {
	sentence=$1
	shift
	"$@" >/tmp/.ok 2>&1
	is "$sentence" 0 $? || sed 's/^/# /' /tmp/.ok
}

wait_for() {
	tries=${TRIES:-200}
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		usleep 50000 2>/dev/null || sleep 0.1 2>/dev/null || sleep 1
	done
}

guest() {
	mkdir -p "$1/bin" "$1/sbin" "$1/etc"
	cp "$busybox" "$1/bin/busybox"
	for applet in $($busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
	done
	ln -s ../bin/busybox "$1/sbin/init"
	printf 'ID=test\nVERSION_ID=7\nPRETTY_NAME=Test\n' >"$1/etc/os-release"
}

done_testing() {
	echo "1..$n"
	exit $bad
}
