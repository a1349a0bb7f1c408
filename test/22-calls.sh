#!/bin/sh
# How many system calls a start takes, from our exec to the end, those of the
# payload's process included: exact, so that one more does not slip in. What the
# host has (files of /proc, /dev/net/tun, os-release) moves it by a few, and the
# only machine of a host makes machine.slice, too.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
need_root
need strace
t=$(tree busybox)
cp "$(program static)" "$t/bin/static" || skip_all 'no static program'

calls() {
	"$NL" -q -D "$t" "$@" true >"$T/out" 2>&1  # the first start learns what the others know
	strace -f -o "$T/calls" "$NL" -q -D "$t" "$@" /bin/static 0 </dev/null >"$T/out" 2>&1
	grep -c '^[0-9]* *[a-z_0-9]*(' "$T/calls"
}

at_most() {	# at_most NAME LIMIT NUMBER
	echo "# $1: $3"
	ok "$1 takes at most $2 system calls" [ "$3" -le "$2" ]
}

at_most 'a plain start' 332 "$(calls --pipe)"
at_most 'one with a private network' 360 "$(calls --pipe --private-network)"
at_most 'one with a terminal' 347 "$(calls --console=read-only)"
done_testing
