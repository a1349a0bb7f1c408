#!/bin/sh
# What a kernel may lack, row by row: what is said then, what still works, and
# that nothing stays. The rows are in degrade.rows, and so the manual's.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need unshare timeout

is "the manual's table is that of the rows: test/manual makes it so" '' \
	"$("$TESTDIR/manual" -n "$NL" 2>&1 | diff - "$TOP/nspawn-lite.8" | head -n 12)"
leftovers_before
TMPDIR=$T timeout 200 "${TESTSH:-sh}" "$TESTDIR/degrade-device.sh" here "$TESTDIR/degrade.rows" "$NL" "$(program deny)" >"$T/log" 2>&1
is 'the rows came to their end' 0 "$(grep -q '^1\.\.' "$T/log" && echo 0)"
adopt "$T/log"
# and all that a device must do, on a kernel of 2013
for suite in "$TESTDIR"/run-device.sh "$TESTDIR"/device.sh; do
	[ ! -e "$suite" ] || TMPDIR=$T timeout 200 "$(program deny)" old -- "${TESTSH:-sh}" "$suite" "$NL" >"$T/log" 2>/dev/null
done
is 'the suite for devices passes without all calls since Linux 3.10' '' "$(grep -A9 '^not ok' "$T/log")"
is 'and comes to its end' yes "$(grep -q '^1\.\.' "$T/log" && echo yes)"
leftovers_after 'nothing of it all stays'
done_testing
