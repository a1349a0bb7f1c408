#!/bin/sh
# The device suite where it belongs: in emulated machines that never leave their initramfs, with nothing but a kernel,
# busybox and the program; with old kernels, CPUs of 32 bits and of the other byte order, and little memory. busybox init
# is process 1 there, and starts what is enabled. What comes out is what comes out here.
#   LAB_TARGETS='mipsel armhf@bullseye:bare armhf:ubifs'   which machines. Words behind one: bare has no control groups; v1
# has those of v1, and is asked for nothing but limits; run has only what a start needs; ext4, f2fs or ubifs, where its images are; small is on ext4, with as little memory as it
# starts with. all: every kernel that there is
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "${0%/*}/lab.sh"
need_root
need qemu-system-mipsel qemu-system-arm setcap setfattr mksquashfs mkfs.ext4 mkfs.btrfs qemu-img
machines=${LAB_TARGETS:-mipsel armhf@bullseye:bare x86_64:run:bare x86_64@trixie:v1 arm64:run}
if [ "$machines" = all ]; then
	machines='x86_64@bullseye x86_64 x86_64@trixie i386@bullseye i386 armhf@bullseye armhf armhf@trixie arm64@bullseye
		arm64 arm64@trixie arm64@16k mipsel riscv64@trixie armhf@bullseye:bare mipsel:ext4 armhf:f2fs mipsel:small
		x86_64:v1 x86_64@trixie:v1'
	[ ! -e "$cache/kernel/mips-be/busybox" ] || machines="$machines mips@be"
	command -v mkfs.ubifs >/dev/null && machines="$machines armhf:ubifs"
fi

# The sum of a tree that was imported, exported and imported here
sum() {
	"$NL" export-tar "$1" 2>/dev/null | "$NL" import-tar -q - seen
	"$(program listing)" "$T/mem/var/lib/machines/seen" | sha256sum | cut -c1-64
	"$NL" remove seen
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
	truncate -s 48M "$T/btrfs"
	mkfs.btrfs -q --mixed "$T/btrfs" >/dev/null 2>&1
	gzip -1 <"$T/btrfs" >"$images/btrfs.img.gz"
	rm "$T/btrfs"
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
	NSPAWN_LITE_ROOT=$T/mem
	mkdir -p "$T/mem"
	mount -t tmpfs mem "$T/mem"
	"$NL" import-tar -q "$images/one.tar.gz" one
	"$NL" import-tar -q "$images/gnu.tar" gnu
	cp "$images/root.squashfs" "$T/mem/var/lib/machines/flash.squashfs"
	{
		echo "tree $(sum one)"
		echo "gnu $(sum gnu)"
		echo "flash $(sum flash)"
		echo "large $(for at in 0 3 4095 4097 5119; do head -c 1048576 "$images/gnu.tar"; done | sha256sum | cut -c1-64)"
	} >"$images/want"
	umount "$T/mem"
	NSPAWN_LITE_ROOT=$T/root
}

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

# small MACHINE : 28 MB of an archive go in, out, to a copy and away where little memory is free
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
	lab_tests "$1:small" "$1" --mem 56 --disk "$T/medium" --mod ext4 -- '
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
		ls -A /mnt/state/var/lib/machines'
}


# the image of a router: of the program alone
router_image() {
	mkdir -p "$T/router/bin" && for d in dev proc sys run tmp etc var; do mkdir -p "$T/router/$d"; done
	cp "$bin/nspawn-lite" "$T/router/bin/"
	rm -f "$T/device/router.squashfs"
	mksquashfs "$T/router" "$T/device/router.squashfs" -comp xz -quiet -no-progress >/dev/null 2>&1
}

for machine in $machines; do
	one=$machine
	words=${machine#"${machine%%:*}"}:
	machine=${machine%%:*}
	target=${machine%@*}
	lab_build "$target" test-listing test-deny test-escape test-named test-nft pty || continue
	kernel=$cache/kernel/$target-${machine#"$target"}
	case $machine in
	*@*)	kernel=$cache/kernel/$target-${machine#*@} ;;
	*)	kernel=$cache/kernel/$target-bookworm ;;
	esac
	[ -e "$kernel/busybox" ] || "$TESTDIR/lab/fetch" "$machine" >/dev/null
	case $words in *:small:*)
		small "$machine"
		continue ;;
	*:v1:*)
		rm -rf "$T/device"
		mkdir "$T/device"
		cp "$bin/test-deny" "$T/device"
		lab_tests "$one" "$machine" -- 'sh /device/v1-device.sh'
		# what is to be seen here once
		[ "$machine" != x86_64@trixie ] || ok "there are no memory and cpuset of v1 ($one)" grep -q 'without cgroup2 MemoryMax' "$T/log"
		continue ;;
	esac
	# Debian's kernels for clouds have ext4 built in, and no file systems of flash
	mods=overlay,loop,squashfs,veth,bridge,macvlan,nf_tables,nft_chain_nat,nft_nat,nft_ct,nft_masq,nft_fib_ipv4,nft_fib_ipv6
	case $words in *:run:*) mods=overlay,loop,squashfs,veth ;; *) mods=$mods,btrfs ;; esac
	rm -rf "$T/device"
	mkdir "$T/device"
	case $target in
	mips)	mods='' ;;
	x86_64|arm64) ;;
	*)	mods=$mods,ext4,vfat,nls_cp437,nls_ascii,nls_utf8
		truncate -s 8M "$T/device/fs-vfat.img"
		mkfs.vfat "$T/device/fs-vfat.img" >/dev/null 2>&1
		[ "$target" != armhf ] || {
			mods=$mods,f2fs
			truncate -s 64M "$T/device/fs-f2fs.img"
			mkfs.f2fs -q "$T/device/fs-f2fs.img" >/dev/null 2>&1
		} ;;
	esac
	router_image
	cp "$bin/test-deny" "$bin/test-escape" "$bin/test-named" "$bin/test-nft" "$bin/pty" "$T/device"
	sed 's|/usr/s*bin|/bin|' "$TOP/contrib/inittab" >"$T/inittab"
	echo '::sysinit:/bin/sh /device/boot-device.sh rc' >>"$T/inittab"
	case $words in *:bare:*) : >"$T/device/bare" ;; esac
	images=$T/images
	scripts='boot run'
	case $words in *:run:*) ;; *)
		rm -rf "$images" "$T/tree" "$T/disk" "$T/large"
		mkdir "$images"
		where=''
		case $words in *:ext4:*|*:f2fs:*|*:ubifs:*) where=${words#:} where=${where%%:*} ;; esac
		make_images "$kernel/busybox" "$where"
		cp "$bin/test-listing" "$images/listing"
		cp "$bin/test-deny" "$images/deny"
		scripts='boot run net nft machines btrfs image oci' ;;
	esac
	set -- --inittab "$T/inittab" --time 900
	[ -z "$mods" ] || set -- "$@" --mod "$mods"
	mount=''
	case $words in
	*:ubifs:*)
		if [ -z "$(find "$kernel/lib" -name 'ubi.ko*')" ] || ! disk_of ubifs; then
			skip "images on ubifs ($machine)" 'no mtd-utils, or a kernel that was fetched without flash: remove it from the cache'
			continue
		fi
		set -- "$@" --mod nandsim,zstd,lzo,deflate,ubi,ubifs --add "$T/medium:/root/medium"
		mount='rmmod ubifs; rmmod ubi; dd if=/root/medium of=/dev/mtd0 bs=512 2>/dev/null; rm /root/medium
			insmod /lab/mod/ubi.ko mtd=0; insmod /lab/mod/ubifs.ko; mount -t ubifs ubi0:store /mnt' ;;
	*:ext4:*|*:f2fs:*)
		disk_of "$where"
		set -- "$@" --mod "$where" --disk "$T/medium"
		mount="mount -t $where /dev/vda /mnt" ;;
	esac
	[ ! -d "$images" ] || set -- "$@" --add "$images:/root/images"
	lab_tests "$one" "$machine" "$@" -- "
		cd /device
		$mount
		for s in $scripts; do
			${mount:+export STATE=/mnt/\$s; mkdir -p \$STATE}
			before=\$(cut -d' ' -f1 /proc/uptime)
			case \$s in
			run) set -- /device/test-escape ;;
			net) set -- /device/test-named ;;
			nft) set -- ;;
			machines) set -- /device/pty ;;
			image|btrfs) set -- /root/images ;;
			esac
			sh /device/\$s-device.sh nspawn-lite \$@ || bad=1
			echo \"\$s: from \$before to \$(cut -d' ' -f1 /proc/uptime)\"
		done
		exit \${bad:-0}"
	case $target in mipsel|armhf)
		ok "there are no time namespaces ($one)" grep -q 'no time but.*: there are no others' "$T/log" ;;
	esac
	rm -rf "$images"
done
done_testing
