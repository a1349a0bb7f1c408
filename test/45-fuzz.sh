#!/bin/sh
# What comes from a guest, from netlink, from archives, images and servers: each
# target of test/fuzz runs for FUZZ_SECONDS, 5 if not told, and finds nothing.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need "${CLANG:-clang}"
echo 'int LLVMFuzzerTestOneInput(const char *p, long n); int LLVMFuzzerTestOneInput(const char *p, long n) { return !p && n; }' >"$T/try.c"
"${CLANG:-clang}" -fsanitize=fuzzer,address,undefined -o "$T/try" "$T/try.c" 2>/dev/null || skip_all 'clang has no fuzzer here'

# seconds TARGET : how long. In CI what images and archives are made of gets half a minute each, which is not to be asked of
# who tests by hand; an hour is FUZZ_SECONDS=3600
seconds() {
	case ${FUZZ_SECONDS:-}${CI:+$1} in
	tar|qcow2|table|sums|json|bundle) echo 30 ;;
	*)	echo "${FUZZ_SECONDS:-5}" ;;
	esac
}

# lane N : every second target, so that two processors have work. The corpus of a test begins small, whatever has been
# learnt before
lane() {
	n=$1
	for target in $targets; do
		n=$((n + 1))
		[ $((n % 2)) = 0 ] || continue
		mkdir -p "$T/$target"
		[ ! -x "$build/test-$target" ] || cp "$build/test-$target" "$T/$target"
		status=0
		O="$T/$target" "$TESTDIR/fuzz/run" "$target" "$(seconds "$target")" \
			-runs="${FUZZ_RUNS:--1}" -seed=1 >"$T/$target.log" 2>&1 || status=$?
		echo $status >"$T/$target.status"
	done
}

targets=$("$TESTDIR/fuzz/run")
lane 0 &
lane 1
wait
for target in $targets; do
	is "$target: any bytes are taken well" 0 "$(cat "$T/$target.status")" || note "$(tail -n 40 "$T/$target.log")"
done

# Whether it would find something: a length that is believed
cp -R "$TOP"/*.[ch] "$T" && mkdir -p "$T/test" && cp -R "$TESTDIR/fuzz" "$T/test" || exit
sed 's/if (i == len || at\[i\] > len - i - 1)/if (i == len)/' "$TOP/dhcp.c" >"$T/dhcp.c"
mkdir -p "$T/planted"
cp "$build/test-dhcp" "$T/planted" 2>/dev/null
run env O="$T/planted" "$T/test/fuzz/run" dhcp 60 -seed=1
like 'a mistake that was planted is found' '*heap-buffer-overflow*' "$err"
done_testing
