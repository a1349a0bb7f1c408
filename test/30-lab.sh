#!/bin/sh
# The device's tests where they belong: in emulated machines that never leave
# their initramfs, on CPUs of 64 and of 32 bits. Each
# machine prints TAP of its own, which is counted on here.
#   LAB='x86_64 mipsel'   which machines; more in test/lab/README.md
top=$(cd "${0%/*}/.." && pwd)
O=${O:-$top/build}
case $O in /*) ;; *) O=$top/$O ;; esac
n=0
bad=0

result() {	# result ok|'not ok' NAME
	n=$((n + 1))
	echo "$1 $n - $2"
	[ "$1" = ok ] || bad=1
}

for machine in ${LAB:-x86_64 mipsel armhf@bullseye arm64}; do
	target=${machine%@*}
	bin=$top/build/$target
	# with control groups, and on one machine without any
	groups='mount -t cgroup2 cgroup /sys/fs/cgroup;'
	[ "$machine" != x86_64 ] || groups=''
	log=$(mktemp)
	if ! make -s -C "$top" O="build/$target" TARGET="$target" all "build/$target/test-escape" >"$log" 2>&1; then
		sed 's/^/# /' "$log"
		result 'not ok' "nspawn-lite is built for $target"
		continue
	fi
	# file systems that overlays are hard to make of; Debian's kernels for clouds have none of them
	set -- --mod overlay
	images=$(mktemp -d)
	case $target in armhf|mipsel)
		truncate -s 8M "$images/fs-vfat.img"
		mods=overlay,loop,vfat,nls_cp437,nls_ascii,nls_utf8
		mkfs.vfat "$images/fs-vfat.img" >/dev/null 2>&1 || rm -f "$images/fs-vfat.img"
		if [ "$target" = armhf ]; then
			truncate -s 64M "$images/fs-f2fs.img"
			mods=$mods,f2fs
			mkfs.f2fs -q "$images/fs-f2fs.img" >/dev/null 2>&1 || rm -f "$images/fs-f2fs.img"
		fi
		set -- --mod "$mods"
		[ "$target" = mipsel ] || set -- "$@" --mem 512
		for image in "$images"/*.img; do
			[ ! -e "$image" ] || set -- "$@" --add "$image:/root/${image##*/}"
		done ;;
	esac
	# an image for routers: of the program alone, which says its version
	mkdir -p "$images/tree/bin" && for d in dev proc sys run tmp etc var; do mkdir -p "$images/tree/$d"; done
	cp "$bin/nspawn-lite" "$images/tree/bin/"
	if [ "$target" != x86_64 ] && mksquashfs "$images/tree" "$images/root.squashfs" -quiet -no-progress >/dev/null 2>&1; then
		set -- "$@" --mod loop,squashfs --add "$images/root.squashfs:/root/root.squashfs"
	fi
	"$top/test/lab/boot" "$machine" "$@" --time 400 \
		--add "$bin/nspawn-lite:/bin/nspawn-lite" --add "$bin/test-escape:/bin/escape" \
		--add "$top/test/device.sh:/root/device.sh" \
		-- "mkdir -p /run /tmp; $groups sh /root/device.sh nspawn-lite /bin/escape" >"$log" 2>&1
	status=$?
	while IFS= read -r line; do
		case $line in
		'ok '*) result ok "${line#*- } ($machine)" ;;
		'not ok '*) result 'not ok' "${line#*- } ($machine)" ;;
		*) echo "# $machine: $line" ;;
		esac
	done <"$log"
	if [ $status -eq 0 ]; then
		result ok "$machine came to its end"
	else
		result 'not ok' "$machine came to its end ($status)"
	fi
	rm -rf "$log" "$images"
done
echo "1..$n"
exit $bad
