#!/bin/sh
# Images where they are used: in emulated machines that never leave their
# initramfs, with old kernels, CPUs of 32 bits and of the other byte order, and
# little memory. What comes out is what comes out here. Each machine prints
# TAP of its own, which is counted on.
#   LAB_IMAGES='mipsel armhf@bullseye armhf:ubifs'
# names machines, and where one keeps its images, if not in memory: ext4, f2fs
# or ubifs, or small: on ext4, with as little memory as it starts with. all:
# these and more.
top=$(cd "${0%/*}/.." && pwd)
O=${O:-$top/build}
case $O in /*) ;; *) O=$top/$O ;; esac
cache=${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/nspawn-lite}
n=0
bad=0
nl=$O/nspawn-lite
[ "$(id -u)" = 0 ] || { echo '1..0 # SKIP archives with owners are made by root'; exit 0; }

result() {	# result ok|'not ok' NAME
	n=$((n + 1))
	echo "$1 $n - $2"
	[ "$1" = ok ] || bad=1
}

# tell MACHINE STATUS <LOG : its tests are ours
tell() {
	while IFS= read -r line; do
		case $line in
		'ok '*) result ok "${line#*- } ($1)" ;;
		'not ok '*) result 'not ok' "${line#*- } ($1)" ;;
		*) echo "# $1: $line" ;;
		esac
	done
	if [ "$2" -eq 0 ]; then
		result ok "$1 came to its end"
	else
		result 'not ok' "$1 came to its end ($2)"
	fi
}

# The sum of a tree that was imported, exported and imported here
sum() {
	"$nl" export-tar "$1" 2>/dev/null | "$nl" import-tar -q - seen
	"$O/test-listing" "$T/mem/var/lib/machines/seen" | sha256sum | cut -c1-64
	"$nl" remove seen
}

# make_images BUSYBOX WHERE : in $images, and what they are to become in $images/want
make_images() {
	tree=$T/tree
	mkdir -p "$tree/bin" "$tree/etc" "$tree/usr/lib" "$tree/var" "$tree/tmp" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/run"
	cp "$1" "$tree/bin/busybox"
	printf 'ID=test\nPRETTY_NAME=Test\n' >"$tree/usr/lib/os-release"
	ln "$tree/usr/lib/os-release" "$tree/etc/second"
	ln -s ../usr/lib/os-release "$tree/etc/os-release"
	mkfifo "$tree/var/fifo"
	mknod "$tree/var/null" c 1 3
	mknod "$tree/var/loop" b 7 300
	# more than 32 bits say; ubifs does not tell where holes are, so that all is read
	blocks=1310720
	[ "$2" != ubifs ] || blocks=10240
	printf middle | dd of="$tree/var/sparse" bs=4096 seek=$((blocks * 5 / 6)) 2>/dev/null
	printf end | dd of="$tree/var/sparse" bs=4096 seek=$((blocks - 1)) conv=notrunc 2>/dev/null
	chown 4000000000:3000000 "$tree/etc/second"
	touch -d '2200-01-02 03:04:05.678901234' "$tree/var/fifo"
	touch -d '2040-01-02 03:04:05' "$tree/var/null"
	touch -d '1960-01-02 03:04:05.25' "$tree/etc/second"
	echo word >"$tree/etc/word"
	: >"$tree/etc/passwd"
	# ubifs has no ACLs
	[ "$2" = ubifs ] || setfacl -m u:70007:rw,g:4000000000:r "$tree/etc/word"
	[ "$2" = ubifs ] || setfacl -d -m u:80008:rx "$tree/var"
	setcap cap_net_raw,cap_checkpoint_restore+ep "$tree/etc/passwd"
	setfattr -n trusted.t -v x "$tree/var"
	mkdir -p "$tree/$(printf 'directory-with-a-longer-name/%.0s' $(seq 12))"
	# nor parts of a second
	[ "$2" != ubifs ] || find "$tree" -depth -exec touch -h -d '2030-01-02 03:04:05' {} +
	tar -C "$tree" --format=posix --sparse --xattrs --xattrs-include='trusted.*' --xattrs-include='security.*' --acls --numeric-owner -czf "$images/one.tar.gz" .
	tar -C "$tree" --format=gnu --sparse --numeric-owner -cf "$images/gnu.tar" .
	(cd "$images" && sha256sum one.tar.gz >SHA256SUMS)
	# file systems of our own, small
	rm -f "$tree/var/sparse" "$tree/etc/second"
	echo flash >"$tree/etc/word"
	mksquashfs "$tree" "$images/root.squashfs" -comp xz -quiet -no-progress >/dev/null 2>&1
	echo disk >"$tree/etc/word"
	truncate -s 16M "$T/disk"
	mkfs.ext4 -q -O ^metadata_csum,^64bit -d "$tree" "$T/disk" >/dev/null
	qemu-img convert -c -f raw -O qcow2 "$T/disk" "$images/disk.qcow2"
	truncate -s 5G "$T/large"
	for at in 0 3 4095 4097 5119; do
		head -c 1048576 "$images/gnu.tar" | dd of="$T/large" bs=1M seek=$at conv=notrunc 2>/dev/null
	done
	qemu-img convert -c -f raw -O qcow2 "$T/large" "$images/large.qcow2"
	export NSPAWN_LITE_ROOT="$T/mem"
	mkdir -p "$T/mem"
	mount -t tmpfs mem "$T/mem"
	"$nl" import-tar -q "$images/one.tar.gz" one
	"$nl" import-tar -q "$images/gnu.tar" gnu
	cp "$images/root.squashfs" "$T/mem/var/lib/machines/flash.squashfs"
	{
		echo "tree $(sum one)"
		echo "gnu $(sum gnu)"
		echo "flash $(sum flash)"
		echo "large $(for at in 0 3 4095 4097 5119; do head -c 1048576 "$images/gnu.tar"; done | sha256sum | cut -c1-64)"
	} >"$images/want"
	umount "$T/mem"
	unset NSPAWN_LITE_ROOT
}

machines=${LAB_IMAGES:-mipsel armhf@bullseye}
if [ "$machines" = all ]; then
	machines='mipsel armhf@bullseye mipsel:small armhf:ubifs armhf:f2fs mipsel:ext4 armhf x86_64 x86_64@bullseye arm64'
	[ ! -e "$cache/kernel/i386-bookworm/busybox" ] || machines="$machines i386"
	[ ! -e "$cache/kernel/mips-be/busybox" ] || machines="$machines mips@be"
fi
T=$(mktemp -d)
trap 'mountpoint -q "$T/mem" && umount "$T/mem"; rm -rf "$T"' EXIT
trap 'exit 1' INT TERM
make -s -C "$top" O="$O" all "$O/test-listing" >"$T/log" 2>&1 || { sed 's/^/# /' "$T/log"; exit 1; }

# disk_of KIND : the disk or flash of a machine, and in the arguments how it is mounted
disk_of() {
	mkdir -p "$T/empty"
	rm -f "$T/medium"
	case $1 in
	ext4|small)
		truncate -s 256M "$T/medium"
		mkfs.ext4 -q -d "${2:-$T/empty}" "$T/medium" >/dev/null 2>&1 ;;
	f2fs)	truncate -s 128M "$T/medium"
		mkfs.f2fs -q "$T/medium" >/dev/null 2>&1 ;;
	ubifs)	# as large as nandsim makes it
		mkfs.ubifs -m 512 -e 15872 -c 8000 -x lzo -r "$T/empty" -o "$T/ubifs" 2>/dev/null &&
			printf '[x]\nmode=ubi\nimage=%s\nvol_id=0\nvol_type=dynamic\nvol_name=store\nvol_size=100MiB\n' "$T/ubifs" >"$T/ubi" &&
			ubinize -m 512 -p 16384 -s 256 -o "$T/medium" "$T/ubi" ;;
	esac
}

# small MACHINE TARGET : 28 MB of an archive go in, out, to a copy and away where little memory is free
small() {
	mkdir -p "$T/big/tree/usr" "$T/big/archive"
	for i in $(seq 60); do
		mkdir "$T/big/tree/$i"
		for j in 1 2 3 4 5 6 7 8; do head -c 60000 /dev/urandom >"$T/big/tree/$i/$j"; done
	done
	tar -C "$T/big/tree" -czf "$T/big/archive/one.tar.gz" .
	disk_of small "$T/big/archive"
	rm -rf "$T/big"
	# shellcheck disable=SC2016 # it is expanded there
	"$top/test/lab/boot" "$1" --mem 56 --disk "$T/medium" --mod ext4 --time 200 --add "$top/build/$2/nspawn-lite:/bin/nspawn-lite" -- '
		mount -t ext4 /dev/vda /mnt
		export NSPAWN_LITE_ROOT=/mnt/state
		mkdir -p $NSPAWN_LITE_ROOT
		n=0
		try() {
			what=$1
			shift
			time -v nspawn-lite "$@" >/out 2>&1
			kb=$(sed -n "s/.*Maximum resident set size (kbytes): //p" /out)
			ok=ok
			grep -q "Exit status: 0" /out && [ "$kb" -lt 8192 ] || ok="not ok"
			n=$((n + 1))
			echo "$ok $n - $what with little memory, at most $kb KB"
			[ "$ok" = ok ] || sed "s/^/# /" /out
		}
		try "28 MB are imported" import-tar -q /mnt/one.tar.gz one
		try "exported" export-tar -q --level=1 one /mnt/out.tar.gz
		try "copied" clone --copy one two
		try "and removed" remove one two
		ls -A /mnt/state/var/lib/machines' >"$T/log" 2>&1
}

for machine in $machines; do
	where=${machine#"${machine%:*}"}
	where=${where#:}
	machine=${machine%:*}
	target=${machine%@*}
	if ! make -s -C "$top" O="build/$target" TARGET="$target" all "build/$target/test-listing" "build/$target/test-deny" >"$T/log" 2>&1; then
		sed 's/^/# /' "$T/log"
		result 'not ok' "nspawn-lite is built for $target"
		continue
	fi
	suite=${machine#"$target"}
	suite=${suite#@}
	kernel=$cache/kernel/$target-${suite:-bookworm}
	[ -e "$kernel/busybox" ] || "$top/test/lab/fetch" "$machine" >/dev/null
	if [ "$where" = small ]; then
		small "$machine" "$target"
		tell "$machine, small" $? <"$T/log"
		continue
	fi
	images=$T/images
	rm -rf "$images" "$T/tree" "$T/disk" "$T/large"
	mkdir "$images"
	make_images "$kernel/busybox" "$where"
	cp "$top/build/$target/test-listing" "$images/listing"
	cp "$top/build/$target/test-deny" "$images/deny"
	case $machine in
	mips@*) set -- ;;
	x86_64*|arm64*) set -- --mod overlay,loop,squashfs ;;
	*) set -- --mod overlay,loop,squashfs,ext4 ;;
	esac
	mount=''
	case $where in
	ubifs)	if [ -z "$(find "$kernel/lib" -name 'ubi.ko*')" ] || ! disk_of ubifs; then
			result ok "images on ubifs ($machine) # SKIP no mtd-utils, or a kernel that was fetched without flash: remove it from the cache"
			continue
		fi
		set -- "$@" --mem 512 --mod nandsim,zstd,lzo,deflate,ubi,ubifs --add "$T/medium:/root/medium"
		mount='rmmod ubifs; rmmod ubi; dd if=/root/medium of=/dev/mtd0 bs=512 2>/dev/null; rm /root/medium
			insmod /lab/mod/ubi.ko mtd=0; insmod /lab/mod/ubifs.ko; mount -t ubifs ubi0:store /mnt' ;;
	?*)	disk_of "$where"
		set -- "$@" --mod "$where" --disk "$T/medium"
		mount="mount -t $where /dev/vda /mnt" ;;
	esac
	"$top/test/lab/boot" "$machine" "$@" --time 400 \
		--add "$top/build/$target/nspawn-lite:/bin/nspawn-lite" --add "$images:/root/images" \
		--add "$top/test/image-device.sh:/root/image-device.sh" \
		-- "${mount:+$mount; export STATE=/mnt/state;} sh /root/image-device.sh /bin/nspawn-lite /root/images" >"$T/log" 2>&1
	status=$?
	tell "$machine${where:+, $where}" $status <"$T/log"
done
echo "1..$n"
exit $bad
