#!/bin/sh
# A machine whose disk does not boot any more, started by network or from a
# stick: from the initramfs its boot loader is put back with the disk's own
# tools, and then it boots from that disk.
#   LAB_RESCUE='x86_64@bullseye x86_64'
# names the machines it is done on.
# shellcheck disable=SC2016 # what stands in single quotes is for the shell there
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=rescue.sh
. "$TESTDIR/rescue.sh"
need_root	# of a disk all is root's
need sfdisk mkfs.ext4 qemu-system-x86_64
[ "$(uname -m)" = x86_64 ] || skip_all 'the disk is for the kind of machine that we are on'
why=$(has_grub) || skip_all "$why"
t=$(tree busybox) || exit
grub_tree "$t"

for machine in ${LAB_RESCUE:-x86_64@bullseye}; do
	grub_disk "$T/disk" "$t"
	is "$machine: the disk does not boot" '0 ' "$(boot_code "$T/disk") $(TRIES=4 grub_boot "$T/disk")"
	run "$TESTDIR/lab/boot" "$machine" --disk "$T/disk" --keep --time 100 --mod loop --add "$NL:/bin/nspawn-lite" -- '
		nspawn-lite -q --rescue -i /dev/vda sh -c "grub-install --target=i386-pc /dev/vda && echo done; ls -d /dev/vda1 /dev/pts/ptmx"
		echo "status $?"
		mount -t ext4 /dev/vda1 /root && mkdir /root/run/own && echo "nothing holds it"
		cp /bin/busybox /root/bin/ 2>/dev/null
		nspawn-lite -q --rescue -D /root sh -c "mount -t tmpfs boot /boot && umount /boot && echo mounts are its own to make; ls -d /run/own 2>/dev/null"
		umount /root'
	is "$machine: grub-install works from the initramfs" 0 "$rc"
	like "$machine: it finds the disk" '*done*/dev/pts/ptmx*/dev/vda1*status 0*' "$out"
	like "$machine: and lets go of it" '*nothing holds it*' "$out"
	like "$machine: file systems can be mounted in there" '*mounts are its own to make*' "$out"
	unlike "$machine: /run is none of the disk" '*/run/own*' "$out"
	unlike "$machine: no kernel complains" '*BUG*' "$out"
	case $out in *done*) ;; *) note "$out" ;; esac
	is "$machine: now it boots" 'Booted from the disk that was rescued.' "$(grub_boot "$T/disk")"
done
done_testing
