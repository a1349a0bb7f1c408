#!/bin/sh
# What comes from a guest, and from netlink: each target of test/fuzz runs for
# FUZZ_SECONDS, 5 if not told, and finds nothing.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need "${CLANG:-clang}"
echo 'int LLVMFuzzerTestOneInput(const char *p, long n); int LLVMFuzzerTestOneInput(const char *p, long n) { return !p && n; }' >"$T/try.c"
"${CLANG:-clang}" -fsanitize=fuzzer,address,undefined -o "$T/try" "$T/try.c" 2>/dev/null || skip_all 'clang has no fuzzer here'

# the corpus of a test begins small, whatever has been learnt before
for target in $("$TESTDIR/fuzz/run"); do
	mkdir -p "$T/$target"
	[ ! -x "$build/test-$target" ] || cp "$build/test-$target" "$T/$target"
	ok "$target: any bytes are taken well" env O="$T/$target" "$TESTDIR/fuzz/run" "$target" "${FUZZ_SECONDS:-5}" \
		-runs="${FUZZ_RUNS:-500000}" -seed=1
done

# Whether it would find something: a length that is believed
cp -R "$TOP"/*.[ch] "$T" && mkdir -p "$T/test" && cp -R "$TESTDIR/fuzz" "$T/test" || exit
sed 's/if (i == len || at\[i\] > len - i - 1)/if (i == len)/' "$TOP/dhcp.c" >"$T/dhcp.c"
mkdir -p "$T/planted"
cp "$build/test-dhcp" "$T/planted" 2>/dev/null
run env O="$T/planted" "$T/test/fuzz/run" dhcp 60 -seed=1
like 'a mistake that was planted is found' '*heap-buffer-overflow*' "$err"
done_testing
