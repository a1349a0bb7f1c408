#!/bin/sh
# The build: the same bytes anywhere, no warnings for any target, a program
# that stands alone and is small, and layers that hold.
# TARGETS: those whose toolchains must be there, not just may.
cd "$(dirname "$0")/.." || exit
unset O CC CFLAGS CPPFLAGS LDFLAGS CROSS_COMPILE TARGET STATIC STRIP CONFIG NSPAWN DESTDIR PREFIX MAKEFLAGS MAKELEVEL
cache=${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/nspawn-lite}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
n=0

# is SENTENCE COMMAND... : the command succeeds and says nothing
is() {
	n=$((n + 1))
	what=$1
	shift
	if "$@" >"$tmp/out" 2>&1 && [ ! -s "$tmp/out" ]; then
		echo "ok $n - $what"
	else
		echo "not ok $n - $what"
		sed 's/^/# /' "$tmp/out" | head -n 20
	fi
}

skip() {
	n=$((n + 1))
	echo "ok $n - $1 # skip $2"
}

# build DIR [WORD...] : silent but for warnings and errors
build() {
	dir=$tmp/$1
	shift
	(umask 077; exec make -s -j2 -C "$dir" "$@" 2>&1)
}

copy() {
	mkdir -p "$tmp/$1/test"
	cp -R Makefile contrib ./*.c ./*.h ./*.8 "$tmp/$1"
	cp -R test/*.awk test/lab "$tmp/$1/test"
	bin=$tmp/$1/build/nspawn-lite
}

headers() { LC_ALL=C readelf -lhSd "$bin"; }
static() { ! headers | grep -E 'INTERP|NEEDED'; }
stripped() { ! headers | grep -E '\.symtab|\.debug|\.note\.gnu\.build-id'; }
no_textrel() { ! headers | grep TEXTREL; }
# The programs' own paths and the compiler's, not such as /usr/bin
no_path() { ! grep -a -o -e "$tmp" -e "$cache" -e "$PWD/" "$bin"; }
runs_machine() {
	NSPAWN_LITE_ROOT=$tmp/root "$bin" -q -D "$tmp/tree" -M least-of-all /least version </dev/null >"$tmp/said" &&
		grep -q '^nspawn-lite [0-9]' "$tmp/said"
}
no_larger() { [ "$(wc -c <"$bin")" -le "$1" ] || ls -l "$bin"; }

copy one
is 'compiles without a warning' build one
if [ ! -x "$bin" ]; then
	echo "1..$n"
	exit 1
fi
one=$bin
copy two/in/a/longer/place
export TZ=Asia/Tokyo LC_ALL=C SOURCE_DATE_EPOCH=1
is 'compiles elsewhere' build two/in/a/longer/place -j1
unset TZ LC_ALL SOURCE_DATE_EPOCH
is 'two builds in two directories are the same, byte for byte' cmp "$one" "$bin"
bin=$one
is 'is static' static
is 'is stripped' stripped
is 'names no folder of this machine' no_path
is 'is at most 612 KB' no_larger 626688

is 'no room calls into one above it' build one layers
echo 'int main(int, char **); int planted(void); int planted(void) { return main(0, 0); }' \
	>>"$tmp/two/in/a/longer/place/util.c"
is 'a planted call upwards is caught' sh -c \
	"make -s -C '$tmp/two/in/a/longer/place' layers 2>&1 | grep -qx 'util calls up into nspawn-lite (main)'"

bin=$tmp/one/build/pie/nspawn-lite
# The libraries of our toolchain are not made for it
is 'compiles as a static PIE' build one O=build/pie BTRFS=n ZLIB=n CFLAGS='-Os -fPIE' LDFLAGS=-static-pie
is 'a PIE has no text relocations' no_textrel
is 'a PIE runs' sh -c "'$bin' --version >/dev/null"

for target in armhf arm64 mipsel mips; do
	bin=$tmp/one/build/$target/nspawn-lite
	case " ${TARGETS:-} " in
	*" $target "*) ;;
	*)	if [ ! -e "$cache/sysroot/$target/done" ]; then
			skip "compiles for $target" "make deps TARGET=$target"
			continue
		fi ;;
	esac
	is "compiles for $target without a warning" build one "TARGET=$target"
	is "is static for $target" static
	is "is stripped for $target" stripped
done

# Not the compilers we ship with: whether they can, warnings or not
for cc in gcc clang; do
	if command -v "$cc" >/dev/null && echo '#include <stdio.h>' | "$cc" -E - >/dev/null 2>&1; then
		is "compiles with $cc and the system's libc" build one "O=build/$cc" "CC=$cc" STATIC=n CFLAGS=-O1
	else
		skip "compiles with $cc" "no $cc or no libc for it"
	fi
done

cp config.h "$tmp/other.h"
is 'another config.h may be named' build one O=build/config CONFIG="$tmp/other.h"
sed 's/^#define \(WITH_[A-Z_]*\) .*/#define \1 0/' config.h >"$tmp/least.h"
is 'compiles with all switches off, without a warning' build one O=build/least CONFIG="$tmp/least.h" ZLIB=n BTRFS=n
bin=$tmp/one/build/least/nspawn-lite
is 'the least is at most 378 KB' no_larger 387072
is 'the least has no options for what it leaves out' sh -c \
	"! '$bin' help | grep -e --verify -e --level -e --wait-for -e --log= -e --kill-whom"
is 'the least has no verbs for what it leaves out' sh -c \
	"! '$bin' help | grep -e '^  list ' -e '^  exec ' -e '^  start ' -e '^  pull-tar '"
is 'the least runs' sh -c "'$bin' settings /dev/null >/dev/null"
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$tmp/tree/usr" "$tmp/tree/etc"
	cp "$bin" "$tmp/tree/least"
	is 'the least runs a machine' runs_machine
else
	skip 'the least runs a machine' 'root'
fi
is 'a config.h that is not there is an error' sh -c \
	"! make -s -C '$tmp/one' CONFIG=nowhere.h 2>/dev/null"
is 'installs' sh -c "make -s -C '$tmp/one' install-compat PREFIX=/usr DESTDIR='$tmp/to' >/dev/null"
for f in bin/nspawn-lite share/man/man8/nspawn-lite.8 share/bash-completion/completions/nspawn-lite \
	share/doc/nspawn-lite/contrib/s6/run; do
	is "installs $f" test -s "$tmp/to/usr/$f"
done
for f in systemd-nspawn machinectl; do
	is "answers to $f" test "$(readlink "$tmp/to/usr/bin/$f")" = nspawn-lite
done
echo "1..$n"
