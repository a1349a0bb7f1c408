#!/bin/sh
# Machines that run where they are used: in emulated machines that never leave
# their initramfs, with old kernels, CPUs of 32 bits and of the other byte
# order. Each prints TAP of its own, which is counted on.
#   LAB_MACHINES='mipsel armhf@bullseye mipsel:ext4'
# names machines, and where one keeps its images, if not in memory: ext4 or
# f2fs; bare: a kernel without control groups. all: these and more.
top=$(cd "${0%/*}/.." && pwd)
O=${O:-$top/build}
case $O in /*) ;; *) O=$top/$O ;; esac
cache=${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/nspawn-lite}
n=0
bad=0

result() {	# result ok|'not ok' NAME
	n=$((n + 1))
	echo "$1 $n - $2"
	[ "$1" = ok ] || bad=1
}

machines=${LAB_MACHINES:-mipsel armhf@bullseye:bare}
if [ "$machines" = all ]; then
	machines='mipsel armhf@bullseye:bare armhf@bullseye mipsel:ext4 armhf:f2fs x86_64@bullseye x86_64 x86_64@trixie arm64 riscv64@trixie'
	[ ! -e "$cache/kernel/i386-bookworm/busybox" ] || machines="$machines i386"
	[ ! -e "$cache/kernel/mips-be/busybox" ] || machines="$machines mips@be"
fi
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
trap 'exit 1' INT TERM

for machine in $machines; do
	where=${machine#"${machine%:*}"}
	where=${where#:}
	machine=${machine%:*}
	target=${machine%@*}
	bin=$top/build/$target
	if ! make -s -C "$top" O="build/$target" TARGET="$target" all "build/$target/pty" >"$T/log" 2>&1; then
		sed 's/^/# /' "$T/log"
		result 'not ok' "nspawn-lite is built for $target"
		continue
	fi
	set -- --mod veth
	before='mount -t cgroup2 cgroup /sys/fs/cgroup;'
	rm -f "$T/disk"
	case $where in
	bare)	before='' ;;
	ext4)	truncate -s 256M "$T/disk"
		mkfs.ext4 -q "$T/disk" >/dev/null 2>&1 ;;
	f2fs)	truncate -s 128M "$T/disk"
		mkfs.f2fs -q "$T/disk" >/dev/null 2>&1 ;;
	esac
	if [ -e "$T/disk" ]; then
		set -- "$@" --disk "$T/disk"
		case $target:$where in x86_64:ext4|arm64:ext4|mips:*) ;; *) set -- "$@" --mod "$where" ;; esac
		before="$before mount -t $where /dev/vda /mnt; export STATE=/mnt/state; mkdir /mnt/state;"
	fi
	"$top/test/lab/boot" "$machine" "$@" --time "${LAB_TIME:-200}" \
		--add "$bin/nspawn-lite:/bin/nspawn-lite" --add "$bin/pty:/bin/pty" \
		--add "$top/test/machines-device.sh:/root/machines-device.sh" \
		-- "mkdir -p /run /tmp; $before sh /root/machines-device.sh nspawn-lite /bin/pty" >"$T/log" 2>&1
	status=$?
	name=$machine${where:+, $where}
	while IFS= read -r line; do
		case $line in
		'ok '*) result ok "${line#*- } ($name)" ;;
		'not ok '*) result 'not ok' "${line#*- } ($name)" ;;
		*) echo "# $name: $line" ;;
		esac
	done <"$T/log"
	if [ $status -eq 0 ]; then
		result ok "$name came to its end"
	else
		result 'not ok' "$name came to its end ($status)"
	fi
done
echo "1..$n"
exit $bad
