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
	cp -R Makefile contrib doc ./*.c ./*.h ./*.8 "$tmp/$1"
	cp -R test/*.awk test/lab "$tmp/$1/test"
	bin=$tmp/$1/build/nspawn-lite
}

headers() { LC_ALL=C readelf -lhSd "$bin"; }
static() { ! headers | grep -E 'INTERP|NEEDED'; }
stripped() { ! headers | grep -E '\.symtab|\.debug|\.note\.gnu\.build-id'; }
no_textrel() { ! headers | grep TEXTREL; }
# The programs' own paths and the compiler's, not such as /usr/bin
no_path() { ! grep -a -o -e "$tmp" -e "$cache" -e "$PWD/" "$bin"; }
# For the least of all programs
runs() { NSPAWN_LITE_ROOT=$tmp/root timeout 60 "$bin" -q -D "$tmp/tree" -M least "$@" </dev/null >"$tmp/said" 2>&1; }
says() {
	want=$1
	shift
	if ! runs "$@" || [ "$(cat "$tmp/said")" != "$want" ]; then
		cat "$tmp/said"
		return 1
	fi
}
refuses() {
	if runs "$@" true || ! grep -q 'off in this build:.* WITH_' "$tmp/said"; then
		echo "$*: $(cat "$tmp/said")"
		return 1
	fi
}
refuses_all() {
	for word in --bind=/etc --tmpfs=/mnt -n -U -x -p80 -i/dev/null --image=/dev/null --network-zone=a --property=TasksMax=5 --device=/dev/fuse --overlay=/a:/b:/c \
		--volatile=yes --private-users=pick --system-call-filter=~mount --suppress-sync=yes --rlimit=NOFILE=5 \
		--settings=override --resolv-conf=off --set-credential=a:b --nesting=yes --template=/a --log=no --slice=a --rescue -v \
		--capability=CAP_MKNOD --capability=all --ambient-capability=27; do
		refuses "$word" || return
	done
	runs --capability=all --drop-capability=CAP_MKNOD sh -c : || cat "$tmp/said"
	SYSTEMD_NSPAWN_NETWORK_MAC=02:00:00:00:00:01 refuses -q
}
refuses_file() {
	printf '[Network]\nVirtualEthernet=no\nZone=a\n' >"$tmp/a.nspawn"
	if "$bin" settings "$tmp/a.nspawn" >"$tmp/said" 2>&1 \
		|| ! grep -q 'nspawn:3: no key Network.Zone is known; off in this build:.* WITH_NETWORK' "$tmp/said"; then
		cat "$tmp/said"
		return 1
	fi
}
# Where nothing is sworn to keep devices away, none works and none can be made
no_devices() {
	mknod "$tmp/tree/zero" c 1 5 && chmod 666 "$tmp/tree/zero" &&
		says no sh -c 'head -c1 /zero >/tmp/x 2>/dev/null || mknod /tmp/n c 1 5 2>/dev/null || echo no'
}
# Its supervisor is killed: it ends, and the next one of its name finds nothing in its way
after_kill() {
	rm -f "$tmp/tree/up"
	NSPAWN_LITE_ROOT=$tmp/root "$bin" -q -D "$tmp/tree" -M least sh -c 'echo up >/up; exec sleep 1000' </dev/null >/dev/null 2>&1 &
	pid=$!
	tries=0
	until [ -e "$tmp/tree/up" ] || [ $((tries += 1)) -gt 600 ]; do sleep 0.05; done
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	says again sh -c 'echo again'
}
machine_tree() {
	mkdir -p "$tmp/tree/bin" "$tmp/tree/etc" "$tmp/tree/usr" "$tmp/tree/sbin"
	cp "$(which busybox)" "$tmp/tree/bin/busybox"  # command -v says "busybox" in its own shell
	for a in sh id head mknod sleep cat echo hostname touch pwd ifconfig poweroff grep; do ln -s busybox "$tmp/tree/bin/$a"; done
	ln -s ../bin/busybox "$tmp/tree/sbin/init"
	: >"$tmp/tree/etc/os-release"
	printf 'root:x:0:0::/:/bin/sh\nbin:x:7:7::/:/bin/sh\n' >"$tmp/tree/etc/passwd"
	printf '::sysinit:/bin/echo booted\n::once:/bin/poweroff\n' >"$tmp/tree/etc/inittab"
}
# off SWITCH : what asks for it compiles without it
off() {
	sed "s/^#define $1 .*/#define $1 0/" config.h >"$tmp/off.h"
	grep -l "$1\\b" ./*.c | while read -r f; do
		gcc -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DCONFIG="\"$tmp/off.h\"" -DWITH_ZLIB=0 -DWITH_ISAL=0 -DWITH_BTRFS=0 \
			-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -iquote . -S -o /dev/null "$f" 2>&1
	done
}
# What the printf of instead.c knows nothing of: floating point, positions, pointers, wide letters
strange_formats() {
	! grep -noE '"([^"\\]|\\.)*"' "$@" | sed 's/%%//g' | grep -E '%[-+ #0]*[0-9*]*(\.[0-9*]*)?(hh|h|ll|l|L|z|j|t)?[aAeEfFgGpnmSCL$]'
}
finds_formats() { [ "$(strange_formats "$2" | wc -l)" = "$1" ]; }
no_larger() { [ "$(wc -c <"$bin")" -le "$1" ] || ls -l "$bin"; }

is 'nothing is printed that our printf cannot print' strange_formats ./*.c ./*.h
# shellcheck disable=SC2016
printf '%s\n' 'die("%s: 100%% of %-5.1f s", s, t);' 'say("%2$s", s);' >"$tmp/planted.c"
is 'a planted format is found' finds_formats 2 "$tmp/planted.c"
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
is 'is at most 711 KB' no_larger 728064

is 'no room calls into one above it' build one layers
echo 'int main(int, char **); int planted(void); int planted(void) { return main(0, 0); }' \
	>>"$tmp/two/in/a/longer/place/util.c"
is 'a planted call upwards is caught' sh -c \
	"make -s -C '$tmp/two/in/a/longer/place' layers 2>&1 | grep -qx 'util calls up into nspawn-lite (main)'"

bin=$tmp/one/build/pie/nspawn-lite
# The libraries of our toolchain are not made for it
is 'compiles as a static PIE' build one O=build/pie BTRFS=n ZLIB=n CFLAGS='-O0 -fPIE' LDFLAGS=-static-pie
is 'a PIE has no text relocations' no_textrel
is 'a PIE runs' sh -c "'$bin' --version >/dev/null"

# toolchain TARGET : whether it is there, or must be
toolchain() {
	case " ${TARGETS:-} " in *" $1 "*) return ;; esac
	[ -e "$cache/sysroot/$1/done" ] || {
		skip "compiles for $1" "make deps TARGET=$1"
		return 1
	}
}

for target in armhf arm64 ${TARGETS:-}; do
	bin=$tmp/one/build/$target/nspawn-lite
	[ ! -e "$bin" ] || continue
	toolchain "$target" || continue
	is "compiles for $target without a warning" build one "TARGET=$target"
	is "is static for $target" static
	is "is stripped for $target" stripped
done

sed 's/^#define \(WITH_[A-Z_]*\) .*/#define \1 0/' config.h >"$tmp/least.h"

# tools PREFIX TARGET : a toolchain of others, by the names of its programs
tools() {
	mkdir -p "$tmp/tools"
	for tool in ar nm objcopy objdump ranlib readelf size strip; do
		printf '#!/bin/sh\nexec "%s" "$@"\n' "$cache/sysroot/$2/bin/$tool" >"$tmp/tools/$1$tool"
	done
	cp "$tmp/tools/$1ar" "$tmp/tools/$1gcc-ar"
	printf '#!/bin/sh\nexec "%s" "$@"\n' "$cache/sysroot/$2/bin/cc" >"$tmp/tools/$1gcc"
	chmod 755 "$tmp/tools"/*
}
# as musl-cross-make's and Bootlin's are used; little of it, for TARGET=mipsel has all with the same compiler
by_prefix() { (PATH=$tmp/tools:$PATH build one O=build/prefix "CONFIG=$tmp/least.h" CROSS_COMPILE=mipsel-linux-musl-); }
if toolchain mipsel; then
	tools mipsel-linux-musl- mipsel
	bin=$tmp/one/build/prefix/nspawn-lite
	is 'compiles with CROSS_COMPILE of a musl-cross-make, without a warning' by_prefix
	is 'is static for mipsel' static
	is 'is stripped for mipsel' stripped
	is 'is for mipsel' sh -c "readelf -h '$bin' | grep -q 'little endian' && readelf -h '$bin' | grep -q MIPS"
fi

# As OpenWrt's SDK calls make, with headers as old as those of its 19.07, Linux 4.14, and what musl hides since 1.2.4. They
# are ours without what came later and has been wanted by such programs
old_headers() {
	mkdir -p "$tmp/old" && cp -R "$cache/sysroot/mips/include/." "$tmp/old" || return
	(cd "$tmp/old/linux" && rm -f openat2.h close_range.h mount.h landlock.h io_uring.h pidfd.h rseq.h time_types.h nexthop.h fscrypt.h fsverity.h \
		dma-heap.h incrementalfs.h zonefs.h watch_queue.h dm-user.h vdpa.h netfilter/nfnetlink_hook.h)
	# what others of the kernel's include is there, empty
	touch "$tmp/old/linux/time_types.h" "$tmp/old/linux/fscrypt.h" "$tmp/old/linux/mount.h"
	for word in LOOP_CONFIGURE LO_FLAGS_DIRECT_IO_ SECCOMP_RET_USER_NOTIF SECCOMP_FILTER_FLAG_NEW_LISTENER SECCOMP_RET_KILL_PROCESS_ \
		BPF_DEVCG BPF_PROG_TYPE_CGROUP_DEVICE BPF_CGROUP_DEVICE BPF_F_REPLACE IFLA_NEW_IFINDEX IFLA_NEW_NETNSID IFLA_PERM_ADDRESS \
		IFLA_ALT_IFNAME IFLA_PROP_LIST IFLA_TARGET_NETNSID IFLA_IF_NETNSID IFLA_MIN_MTU NFTA_TABLE_OWNER NFT_TABLE_F_OWNER \
		NFTA_TABLE_USERDATA NFTA_CHAIN_FLAGS NFTA_BITWISE_OP NFTA_BITWISE_DATA NFTA_SET_ELEM_KEY_END NFTA_SET_EXPR \
		CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE EROFS_SUPER_MAGIC EXFAT_SUPER_MAGIC BINDERFS NETLINK_GET_STRICT_CHK NLM_F_BULK \
		RTM_NEWNEXTHOP RTM_GETNEXTHOP RTA_NH_ID IFA_RT_PRIORITY IFA_PROTO IFA_TARGET_NETNSID CTRL_CMD_GETPOLICY \
		BTRFS_IOC_SNAP_DESTROY_V2 BTRFS_IOC_GET_SUBVOL_INFO FS_CASEFOLD_FL FS_VERITY_FL FS_DAX_FL ETHTOOL_MSG \
		SIOCGSTAMP_OLD NL80211_ATTR_MAX_ NL80211_CMD_PROBE_MESH_LINK KEYCTL_MOVE KEYCTL_CAPABILITIES; do
		renames="${renames:-}s/\\b$word/LATER_&/g;"
	done
	sed -i "$renames" "$tmp/old"/linux/*.h "$tmp/old"/linux/netfilter/*.h
	find "$tmp/old" -name '*.h' -exec sed -i 's/defined(_LARGEFILE64_SOURCE) || defined(_GNU_SOURCE)/defined(_LARGEFILE64_SOURCE)/' {} +
	grep -q LATER_LOOP_CONFIGURE "$tmp/old/linux/loop.h"
}
# What the compiler finds when it optimizes it has found for TARGET=mips: here it is quick
openwrt() {
	x=$tmp/tools/mips-openwrt-linux-musl-
	CFLAGS="-O0 -pipe -mno-branch-likely -fno-caller-saves -Wformat -Werror=format-security" CPPFLAGS="-isystem $tmp/old" \
	LDFLAGS="-L$cache/sysroot/mips/lib -znow -zrelro" build one O=build/openwrt "AR=${x}gcc-ar" "AS=${x}gcc -c" "LD=${x}ld" "NM=${x}nm" \
		"CC=${x}gcc" "GCC=${x}gcc" "RANLIB=${x}ranlib" "STRIP=${x}strip" "OBJCOPY=${x}objcopy" "OBJDUMP=${x}objdump" "SIZE=${x}size" \
		"CROSS=$x" ARCH=mips "$@"
}
if toolchain mips; then
	tools mips-openwrt-linux-musl- mips
	bin=$tmp/one/build/openwrt/nspawn-lite
	is 'there are headers of 4.14' old_headers
	is 'compiles as OpenWrt calls make, with them, without a warning' openwrt
	is 'is static for mips' static
	is 'is stripped for mips' stripped
	openwrt install PREFIX=/usr "DESTDIR=$tmp/openwrt" HOSTCC=false >/dev/null
	is 'installs there' cmp "$bin" "$tmp/openwrt/usr/bin/nspawn-lite"
	is 'is for mips' sh -c "readelf -h '$bin' | grep -q 'big endian' && readelf -h '$bin' | grep -q MIPS"
fi

# Not the compilers we ship with: whether they can, warnings or not
for cc in gcc clang ${TARGETS:+gcc-11 clang-13}; do
	flags=-O0
	# and whether a number is read where it may not be; test/45-fuzz.sh asks the same of all that others send
	[ "$cc" != gcc ] || flags='-O1 -fsanitize=alignment -fno-sanitize-recover=all'
	if command -v "$cc" >/dev/null && echo '#include <stdio.h>' | "$cc" -E - >/dev/null 2>&1; then
		is "compiles with $cc and the system's libc" build one "O=build/$cc" "CC=$cc" STATIC=n "CFLAGS=$flags"
	else
		skip "compiles with $cc" "no $cc or no libc for it"
	fi
done

if [ -e "$tmp/one/build/gcc/nspawn-lite" ]; then
	cp test/*.c "$tmp/one/test"
	is 'the C tests compile for one that asks where numbers are read' build one O=build/gcc CC=gcc STATIC=n \
		'CFLAGS=-O1 -fsanitize=alignment -fno-sanitize-recover=all' build/gcc/unit build/gcc/test-dhcp
	is 'none is read where a CPU may refuse it' sh -c "'$tmp/one/build/gcc/unit' | grep -v -e ^ok -e ^1; '$tmp/one/build/gcc/test-dhcp' | grep -v -e ^ok -e ^1; true"
fi
if [ -n "${TARGETS:-}" ]; then
	# the linker tells that names are looked up by more than it contains
	is 'compiles static with the system'"'"'s libc' sh -c "make -s -j2 -C '$tmp/one' O=build/static CC=gcc BTRFS=n CFLAGS=-O0 2>&1 | grep -v -e getaddrinfo -e 'in function'; '$tmp/one/build/static/nspawn-lite' --version | grep -v nspawn-lite; true"
fi

is 'another config.h may be named: compiles with all switches off, without a warning' build one O=build/least CONFIG="$tmp/least.h" ZLIB=n BTRFS=n \
	LDFLAGS=-Wl,-z,common-page-size=64  # before its data the linker leaves a gap, else, where that saves a page of memory
bin=$tmp/one/build/least/nspawn-lite
# a start and a runtime share how one becomes a user and is placed in a group: calls that were part of their callers
# ... and no guest becomes the host's program: seal.c and stub.c are in each build
is 'the least is at most 100 KB' no_larger 102400
is 'the least has no options for what it leaves out' sh -c \
	"! '$bin' help | grep -e --verify -e --level -e --wait-for -e --log= -e --kill-whom -e --network -e --property"
is 'the least has no verbs for what it leaves out' sh -c \
	"! '$bin' help | grep -e '^  list ' -e '^  exec ' -e '^  start ' -e '^  pull-tar ' -e '^  clone ' -e '^  freeze '"
ln -s nspawn-lite "${bin%/*}/runc"
is 'the least is no runtime, whatever it is called' sh -c "'${bin%/*}/runc' start web 2>&1 | grep -q 'off in this build:.* WITH_RUNTIME'"
is 'the least says its version' sh -c "'$bin' version | grep -q '^nspawn-lite [0-9]'"
if [ "$(id -u)" != 0 ]; then
	skip 'the least runs a machine' 'root'
elif ! command -v busybox >/dev/null; then
	skip 'the least runs a machine' 'busybox'
else
	machine_tree
	is 'the least runs a command, whose status is its own' sh -c "NSPAWN_LITE_ROOT='$tmp/root' '$bin' -q -D '$tmp/tree' sh -c 'exit 7'; [ \$? = 7 ]"
	# shellcheck disable=SC2016
	is 'the least runs a user, in a place, with a variable' says '7 /tmp b' -u bin --chdir=/tmp -E A=b sh -c 'echo $(id -u) $(pwd) $A'
	is 'the least names a machine' says 'other' --hostname=other hostname
	# shellcheck disable=SC2016
	is 'the least runs a command below an init of its own' says '2' -a sh -c 'echo $$'
	is 'the least mounts the tree read-only' says no --read-only sh -c 'touch /x 2>/dev/null || echo no'
	is 'the least makes a network with a loopback alone' says 1 --private-network sh -c 'ifconfig -a | grep -c "Link encap"'
	is 'the least drops capabilities' says 2 -u bin grep -c '^Cap[EP].*:.0000000000000000$' /proc/self/status
	is 'the least boots an init' sh -c "NSPAWN_LITE_ROOT='$tmp/root' timeout 60 '$bin' -q -b -D '$tmp/tree' </dev/null | grep -q '^booted'"
	is 'in the least no device works but those of /dev' no_devices
	is 'the least finds nothing in its way after kill -9' after_kill
	is 'the least refuses, by name, what it lacks' refuses_all
	# all that does with the same of libc; where something calls threads the linker misses what instead.c says
	sed -i 's/^\(#define WITH_\(MOUNTS\|SECCOMP\|SETTINGS\|INTEGRATION\|RESCUE\|MNTNS\|HELP\)\) .*/\1 1/' "$tmp/least.h"
	is 'compiles with mounts and what else has no threads, without a warning' build one O=build/least CONFIG="$tmp/least.h" ZLIB=n BTRFS=n
	is 'with them it binds' says 'one root' --bind="$tmp/tree/etc/passwd:/etc/one" --tmpfs=/mnt sh -c 'touch /mnt/x && head -c4 /etc/one | grep -q root && echo one root'
	is 'a file that asks for what is left out is refused' refuses_file
fi
if command -v gcc >/dev/null && echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1; then
	for s in $(sed -n 's/^#define \(WITH_[A-Z_]*\) .*/\1/p' config.h); do
		is "compiles without $s, and says nothing" off "$s"
	done
else
	skip 'compiles without each switch' 'no gcc or no libc for it'
fi
is 'a config.h that is not there is an error' sh -c \
	"! make -s -C '$tmp/one' CONFIG=nowhere.h 2>/dev/null"
is 'installs' sh -c "make -s -C '$tmp/one' install-compat PREFIX=/usr DESTDIR='$tmp/to' >/dev/null"
for f in bin/nspawn-lite share/man/man8/nspawn-lite.8 share/bash-completion/completions/nspawn-lite \
	share/doc/nspawn-lite/contrib/s6/run share/doc/nspawn-lite/router.md; do
	is "installs $f" test -s "$tmp/to/usr/$f"
done
for f in systemd-nspawn machinectl; do
	is "answers to $f" test "$(readlink "$tmp/to/usr/bin/$f")" = nspawn-lite
	is "$f has a manual and is completed" test -s "$tmp/to/usr/share/man/man1/$f.1" -a -s "$tmp/to/usr/share/bash-completion/completions/$f"
done
echo "1..$n"
