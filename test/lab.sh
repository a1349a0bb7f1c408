# shellcheck shell=sh disable=SC2034 # sourced; variables for the tests
# Emulated machines for tests; sourced behind lib.sh:
#
# lab_build TARGET [PROGRAM...]	ours, and these of the tests, for it: in $bin
# lab_boot MACHINE [WORD...] -- COMMANDS	with ours in /bin, and what device
#			scripts there are in /device; what it said is in $T/log
# lab_tests NAME MACHINE [WORD...] -- COMMANDS	the same: the results that it
#			prints become ours, with its name; so does that it ends

# where kernels are, to see which
cache=${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/nspawn-lite}

lab_build() {
	bin=$TOP/build/$1
	target=$1
	shift
	programs=''
	for program; do programs="$programs build/$target/$program"; done
	# shellcheck disable=SC2086 # words
	ok "nspawn-lite is built for $target" make -s -C "$TOP" O="build/$target" TARGET="$target" all $programs
}

lab_boot() {
	machine=$1
	shift
	mkdir -p "$T/device"
	cp "$TESTDIR"/[a-z]*-device.sh "$TESTDIR/device-lib.sh" "$T/device"
	status=0
	"$TESTDIR/lab/boot" "$machine" --mem 512 --time 300 --add "$bin/nspawn-lite:/bin/nspawn-lite" --add "$T/device:/device" \
		"$@" >"$T/log" 2>&1 || status=$?
	return $status
}

lab_tests() {
	label=$1
	shift
	lab_boot "$@"
	adopt "$T/log" "$label"
	is "$label comes to its end" 0 "$status"
}
