# shellcheck shell=sh
# For tests that repair a boot loader: a tree that has GRUB's tools, and disks
# of it. Sourced, when TESTDIR is set.

# has_grub : what its tree is copied from, which is for PCs; else says why not
has_grub() {
	case $(uname -m) in
	x86_64|i?86) ;;
	*)	echo 'GRUB for the BIOS is for PCs'
		return 1 ;;
	esac
	if ! "$TESTDIR/lab/need" grub-pc-bin grub2-common >/dev/null 2>&1; then
		echo 'no grub-install'
		return 1
	fi
}

# grub_tree TREE BUSYBOX : makes one of it
grub_tree() {
	at=/usr/lib/grub/i386-pc
	mkdir -p "$1/boot/grub" "$1$at" "$1/usr/sbin" "$1/usr/share" "$1/etc" "$1/bin" "$1/root"
	[ -e "$1/bin/busybox" ] || {
		cp "$2" "$1/bin/busybox"
		ln -s busybox "$1/bin/sh"
		echo root:x:0:0:root:/root:/bin/sh >"$1/etc/passwd"
	}
	cp "$(command -v grub-install)" "$1/usr/sbin/"
	ldd "$(command -v grub-install)" | sed -n 's/^[^/]*\(\/[^ ]*\).*/\1/p' | while read -r lib; do
		mkdir -p "$1${lib%/*}"
		cp -L "$lib" "$1$lib"
	done
	cp $at/*.img $at/*.lst $at/modinfo.sh "$1$at/"
	modules='' more='biosdisk part_msdos part_gpt ext2 normal serial echo halt'
	while [ -n "$more" ]; do
		modules="$modules $more"
		# shellcheck disable=SC2086 # words
		more=$(for m in $more; do sed -n "s/^$m://p" $at/moddep.lst; done | tr ' ' '\n' | sort -u)
	done
	for m in $modules; do
		cp "$at/$m.mod" "$1$at/"
	done
	# where a partition begins it asks sysfs by way of udevadm info --query path --name DEVICE
	cat >"$1/bin/udevadm" <<-'END'
	#!/bin/sh
	for d; do :; done
	d=$(busybox readlink -f "/sys/class/block/${d#/dev/}")
	echo "${d#/sys}"
	END
	chmod 755 "$1/bin/udevadm"
	cat >"$1/boot/grub/grub.cfg" <<-'END'
	serial --unit=0 --speed=115200
	terminal_output serial
	echo "Booted from the disk that was rescued."
	halt
	END
}

# grub_disk FILE TREE : one with a table of the old kind, no boot code, and the tree
grub_disk() {
	rm -f "$1"
	truncate -s 48M "$1"
	printf 'label: dos\nstart=2048, type=83, bootable\n' | sfdisk -q "$1"
	mkfs.ext4 -q -F -E offset=1048576 -d "$2" "$1" 46M >/dev/null 2>&1
}

# boot_code FILE : how many bytes of its first sector are code
boot_code() {
	head -c 440 "$1" | tr -d '\0' | wc -c
}

# grub_boot FILE : what a PC that boots from it says
grub_boot() {
	timeout "${TRIES:-60}" qemu-system-x86_64 -accel tcg -display none -monitor none -no-reboot -m 64 -serial "file:$1.said" \
		-snapshot -drive "file=$1,format=raw" </dev/null >/dev/null 2>&1
	tr -d '\r' <"$1.said" | sed -n 's/.*\(Booted from .*\)/\1/p'
}
