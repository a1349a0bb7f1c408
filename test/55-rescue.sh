#!/bin/sh
# --rescue: an installed system is repaired with its own tools, and is not
# changed by what that takes. Disks are files, and what mounts here does so in
# a mount namespace of its own, or by the program.
# shellcheck disable=SC2016,SC2317 # what stands in single quotes is for the shell inside; what is unreachable is not
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=rescue.sh
. "$TESTDIR/rescue.sh"
need_root
PATH=$PATH:/usr/sbin:/sbin
t=$(tree busybox) || exit
mkdir -p "$t/boot/efi"
tmp=$T/tmp
mkdir "$tmp"
old=fsopen,fsmount,open_tree,move_mount,mount_setattr

# rescue WORD... : with a safety net against hanging
rescue() { timeout 60 "$NL" -q --rescue "$@" </dev/null; }
inside() { rescue -D "$t" "$@" 2>/dev/null; }
says() { run rescue "$@"; echo "$rc $err"; }
# all that a tree is
print() { find "$1" -exec stat -c '%n %f %u %g %s %Y' {} + | sort | cksum; }

leftovers_before
before=$(print "$t")
devices=$(stat -c '%d %i' /dev)

# ---- what it is -------------------------------------------------------------------

like 'it says what it is, even with -q' \
	"*--rescue: what runs in there has the host's devices, its network and all rights: only for a tree that you trust*" \
	"$(says -D "$t" true)"
if [ -e /dev/disk/by-uuid ]; then
	skip 'where no udev runs it says that UUIDs may not be found' 'one does'
else
	like 'where no udev runs it says that UUIDs may not be found' '*no udev runs here: *' "$(says -D "$t" true)"
fi
is 'the status comes through' 7 "$(inside sh -c 'exit 7' || echo $?)"
# a second life would find nothing to read
is 'reboot ends it' '0 once' "$(echo once | timeout 60 "$NL" -q --rescue -D "$t" sh -c 'read -r a && echo "$a" && reboot -f' 2>/dev/null >"$T/lives"
	echo "$? $(cat "$T/lives")")"
is 'a plan says so in one word' '--rescue' "$("$NL" plan --rescue 2>/dev/null | grep -x -- --rescue)"
is 'the devices are those of the host' "$(stat -c '%t:%T %f %i' /dev/null /dev/full)" "$(inside stat -c '%t:%T %f %i' /dev/null /dev/full)"
is 'all of them' "$devices" "$(inside stat -c '%d %i' /dev)"
is 'any can be made' 'c' "$(inside sh -c 'mknod /tmp/mem c 1 1 && dd if=/tmp/mem bs=1 count=1 of=/dev/null 2>/dev/null; rm /tmp/mem && echo c')"
is 'the network and semaphores are those of the host' \
	"$(readlink /proc/self/ns/net) $(readlink /proc/self/ns/ipc)" \
	"$(inside sh -c 'echo "$(readlink /proc/self/ns/net) $(readlink /proc/self/ns/ipc)"')"
unlike 'mounts are not' "$(readlink /proc/self/ns/mnt)" "$(inside readlink /proc/self/ns/mnt)"
unlike 'processes are not' "$(readlink /proc/self/ns/pid)" "$(inside readlink /proc/self/ns/pid)"
is 'it has all capabilities that we have' "$(grep ^CapEff /proc/self/status)" "$(inside grep ^CapEff /proc/self/status)"
is 'and no filter of system calls' "$(printf 'Seccomp:\t0')" "$(inside grep ^Seccomp: /proc/self/status)"
is '/sys and /proc/sys can be written to, and nothing of /proc is hidden' 'proc sysfs' \
	"$(inside sh -c 'awk "\$2 ~ /^.(proc|sys)(\/|\$)/ && \$4 ~ /^rw/ { printf \"%s%s\", n++ ? \" \" : \"\", \$3 }" /proc/mounts')"
is 'nothing tells hooks of packages that it is contained' '' \
	"$(inside sh -c 'tr "\0" "\n" </proc/1/environ | grep ^container=; cat /run/host/container-manager 2>/dev/null')"
is 'nor does a group of its own' "$(readlink /proc/self/ns/cgroup)" "$(inside readlink /proc/self/ns/cgroup)"
is 'a terminal is its own' '/dev/pts/0' \
	"$(echo 'exit' >"$T/script"; "$PTY" -t 60 "$T/script" -- "$NL" -q --rescue -D "$t" tty 2>/dev/null | tr -d '\r\0' | grep pts)"
# as in a container around us: /dev/ptmx leads to a terminal of the host's, whose number is another
echo exit >"$T/script"
is 'and so it is where /dev/ptmx is not, and the console of the host stays' '/dev/pts/0 character special file 5:1' \
	"$(unshare -m sh -c '
		mount -t tmpfs dev /dev && mkdir /dev/pts && mknod -m 666 /dev/null c 1 3 && mknod /dev/console c 5 1 &&
		mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts && : >/dev/ptmx && mount --bind /dev/pts/ptmx /dev/ptmx || exit
		"$1" -t 60 "$2" -- "$3" -q --rescue -D "$4" tty 2>/dev/null | tr -d "\r\0" | grep pts
		stat -c "%F %t:%T" /dev/console' sh "$PTY" "$T/script" "$NL" "$t" | tr '\n' ' ' | sed 's/ $//')"
is 'with -a a small init of ours is PID 1' '(sd-stubinit) 3' \
	"$(inside -a sh -c 'echo "$(cat /proc/1/comm) $(echo $$ | sed s/2/3/)"')"
is 'no file of ours is open in it' '0 1 2 3' "$(inside sh -c 'cd /proc/self/fd && echo *')"
is 'without calls that came with Linux 5.2 it is the same' "$devices" "$(NSPAWN_LITE_DENY=$old inside --bind=/usr:/mnt stat -c '%d %i' /dev)"

# ---- what it may be combined with --------------------------------------------------

is '--drop-capability takes one away' 0 "$(inside --drop-capability=CAP_MKNOD sh -c 'mknod /tmp/x b 7 0 2>/dev/null; ls /tmp | wc -l')"
is 'a filter that was asked for is there' 'refused' "$(inside --system-call-filter=~mkdir,mkdirat,@swap sh -c true 2>/dev/null; inside '--system-call-filter=~mkdir mkdirat' sh -c 'mkdir /tmp/x 2>/dev/null || echo refused')"
is '--read-only holds for the tree' 'no yes' "$(inside --read-only sh -c 'touch /x 2>/dev/null && echo -n yes || echo -n no; test -c /dev/null && echo " yes"')"
before=$(print "$t")
is '-x forgets what it changed' "$before" "$(inside -x touch /x; print "$t")"
is '--bind shows more of the host' yes "$(mkdir "$tmp/b" && : >"$tmp/b/f" && inside --bind="$tmp/b:/mnt" sh -c 'test -e /mnt/f && echo yes')"
rmdir "$t/mnt" 2>/dev/null
like '-b is refused' '1 *--rescue and --boot*' "$(says -b -D "$t")"
like 'users of its own are' '1 *--rescue and --private-users*' "$(says -U -D "$t")"
is 'but not a word that it has none' 0 "$(inside --private-users=no true; echo $?)"
like 'a network of its own is' '1 *--rescue goes with the host*network*' "$(says -n -D "$t")"
like 'so is any' '1 *--rescue goes with the host*network*' "$(says --network-bridge=br0 -D "$t")"
like 'devices are there already' '1 *--rescue and --device*' "$(says --device=/dev/null -D "$t")"

# ---- the host's /run ----------------------------------------------------------------

# in a mount namespace where it is ours
is 'of /run it has what tells of devices, and no more' 'udev yes' "$(unshare -m sh -c '
	mount -t tmpfs run /run && mkdir -p /run/udev/data /run/systemd/system && echo yes >/run/udev/data/b8:0 || exit
	timeout 60 "$1" -q --rescue -D "$2" sh -c "cd /run; echo \$(ls -d udev systemd 2>/dev/null) \$(cat udev/data/b8:0)"
' sh "$NL" "$t" 2>/dev/null)"
mkdir "$t/run/own"
is "the tree's own /run is neither seen nor written to" 'host own' \
	"$(inside sh -c 'ls -d /run/host /run/own 2>/dev/null; : >/run/x' | tr '\n' ' ' | sed 's,/run/,,; s, $,,') $(ls "$t/run")"
rmdir "$t/run/own"

# ---- names ----------------------------------------------------------------------------

rm -f "$t/etc/resolv.conf"
like 'without /etc/resolv.conf it says that there is none to cover' '0 *no /etc/resolv.conf that could be covered*' "$(says -D "$t" true)"
[ ! -e "$t/etc/resolv.conf" ]
is 'and makes none' 0 $?
for link in ../run/systemd/resolve/stub-resolv.conf /run/connman/resolv.conf /var/run/resolvconf/resolv.conf; do
	ln -sf "$link" "$t/etc/resolv.conf"
	is "the host's is seen through a link to $link" "$(cat /etc/resolv.conf)" "$(inside cat /etc/resolv.conf)"
	is 'which stays a link to nothing' "$link" "$(readlink "$t/etc/resolv.conf")$(find "$t/run" -mindepth 1)"
done
rm "$t/etc/resolv.conf"
echo 'nameserver 192.0.2.1' >"$t/etc/resolv.conf"
is 'and over a file' "$(cat /etc/resolv.conf)" "$(inside cat /etc/resolv.conf)"
is 'which stays as it was' 'nameserver 192.0.2.1' "$(cat "$t/etc/resolv.conf")"
before=$(print "$t")
inside sh -c true
is 'nothing else of the tree changes' "$before" "$(print "$t")"
rm "$t/etc/resolv.conf"

is 'nor does its zone' 'none' "$(unshare -m sh -c '
	cp /etc/resolv.conf "$3/resolv" && mount -t tmpfs etc /etc && echo zone >/etc/localtime && mv "$3/resolv" /etc/resolv.conf || exit
	timeout 60 "$1" -q --rescue -D "$2" sh -c "cat /etc/localtime 2>/dev/null || echo none"
' sh "$NL" "$t" "$tmp" 2>/dev/null)"
is 'its /tmp is its own' there "$(inside sh -c 'echo there >/tmp/x'; cat "$t/tmp/x")"
is 'but with --tmpfs-tmp=yes' there "$(inside --tmpfs-tmp=yes sh -c 'echo else >/tmp/x'; cat "$t/tmp/x")"
rm "$t/tmp/x"

# ---- what its fstab says -----------------------------------------------------------------

printf '# UUID=0 /usr ext4\n UUID=ab-cd\t/boot \text4 defaults 0 2\nLABEL=E\033[2J /boot/efi vfat\ntmpfs /var tmpfs\n/dev/sdz1 /home ext4\nUUID=7 none swap\nUUID=1\n\n/dev/x /usr' >"$t/etc/fstab"
is '/boot and the like that are not mounted are named' '/boot on UUID=ab-cd,|/boot/efi on LABEL=E?[2J,|/usr on /dev/x,|' \
	"$(says -D "$t" true | sed -n 's/.*fstab has \(.*\) which is not.*/\1/p' | tr '\n' '|')"
mkdir "$tmp/mnt"
is 'one that is mounted is not' '/boot/efi on /dev/y,|' "$(printf '/dev/x /boot ext4\n/dev/y /boot/efi vfat\n' >"$t/etc/fstab"; unshare -m sh -c '
	mount -t tmpfs boot "$2/boot" && mkdir "$2/boot/efi" && timeout 60 "$1" -q --rescue -D "$2" true
' sh "$NL" "$t" 2>&1 | sed -n 's/.*fstab has \(.*\) which is not.*/\1/p' | tr '\n' '|')"
is 'so is one whose directory is on one of them' '/boot on /dev/x,|/boot/firmware on /dev/y,|' \
	"$(printf '/dev/x /boot ext4\n/dev/y /boot/firmware vfat' >"$t/etc/fstab"; says -D "$t" true | sed -n 's/.*fstab has \(.*\) which is not.*/\1/p' | tr '\n' '|')"
rm "$t/etc/fstab"
mkfifo "$t/etc/fstab"
is 'a FIFO of that name is none' 0 "$(inside true; echo $?)"
rm "$t/etc/fstab"
head -c 100000 /dev/urandom >"$t/etc/fstab"
is 'nor is what only looks like a file of that kind' 0 "$(inside true; echo $?)"
rm "$t/etc/fstab"

# ---- those who come in later ----------------------------------------------------------------

timeout 600 "$NL" -q --rescue -M resq -D "$t" sh -c ': >/tmp/up; exec sleep 600' >/dev/null 2>&1 </dev/null &
up() { timeout 5 "$NL" exec resq true >/dev/null 2>&1; }
wait_for up
is 'exec has the same rights' "$(grep ^CapEff /proc/self/status)" "$(timeout 60 "$NL" exec resq grep ^CapEff /proc/self/status 2>/dev/null)"
is 'and a shell, which is not told either that it is contained' "$(grep ^CapEff /proc/self/status) 0" \
	"$(timeout 60 "$NL" shell resq /bin/sh -c 'echo "$(grep ^CapEff /proc/self/status) $(env | grep -c ^container=)"' 2>/dev/null | tr -d '\r' | grep Cap)"
timeout 60 "$NL" terminate resq >/dev/null 2>&1
wait
rm -f "$t/tmp/up"

# ---- whole disks -----------------------------------------------------------------------------

if [ ! -e /dev/loop-control ] || ! command -v sfdisk mkfs.ext4 >/dev/null; then
	skip 'disk images' 'no loop devices, or no tools to make images'
	done_testing
fi
d=$tmp/disk.img
truncate -s 48M "$d"
printf 'label: gpt\nsize=1M,type=21686148-6449-6E6F-744E-656564454649\nsize=4M,type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\ntype=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n' |
	sfdisk -q "$d"
mkfs.ext4 -q -F -E offset=6291456 -d "$t" "$d" 40M >/dev/null 2>&1
disk='s,^\(/dev/loop[0-9]*\)p\([0-9]*\) / .*,\1 \2,p'
is 'the root in a disk image is a partition of a disk' 3 "$(rescue -i "$d" sh -c "sed -n '$disk' /proc/mounts" 2>/dev/null | cut -d' ' -f2)"
run rescue -i "$d" sh -c "set -- \$(sed -n '$disk' /proc/mounts); ls \$1 \$1p*; echo \$1"
is 'and so are the others' "$(last=${out##*
}; printf '%s\n' "$last" "${last}p1" "${last}p2" "${last}p3" "$last")" "$out"
like 'it says which' "*disk.img is ${out##*
} in there*" "$err"
ok 'its first sector can be written to' rescue -i "$d" sh -c "set -- \$(sed -n '$disk' /proc/mounts); printf rescued | dd of=\$1 conv=notrunc 2>/dev/null"
is 'which is that of the image' rescued "$(head -c 7 "$d")"
is 'but not with --read-only' '' "$(rescue --read-only -i "$d" sh -c "set -- \$(sed -n '$disk' /proc/mounts); printf again | dd of=\$1 conv=notrunc" 2>/dev/null; head -c 7 "$d" | sed s/rescued//)"
if command -v mkfs.vfat >/dev/null && grep -qw vfat /proc/filesystems; then
	mkfs.vfat --offset 4096 "$d" 4096 >/dev/null 2>&1
	is 'the EFI partition is mounted on /boot/efi' vfat "$(rescue -i "$d" sh -c 'sed -n "s,^[^ ]* /boot/efi \([^ ]*\) .*,\1,p" /proc/mounts' 2>/dev/null)"
else
	skip 'the EFI partition is mounted on /boot/efi' 'no vfat here'
fi
losetup=/usr/sbin/losetup	# busybox's is another
if [ -x $losetup ]; then
	dev=$($losetup -P --show -f "$d")	# so that the parts go with it
	is 'of a disk of which the kernel has not read the table the parts are there' "$dev ${dev}p1 ${dev}p2 ${dev}p3" \
		"$(rescue -i "$dev" sh -c "set -- \$(sed -n '$disk' /proc/mounts); echo \$1 \$1p*" 2>/dev/null)"
	$losetup -d "$dev"
	dev=$($losetup -r -P --show -f "$d")
	is 'one that is write-protected is read-only' 'ro 3' \
		"$(rescue -i "$dev" sh -c "set -- \$(sed -n '$disk' /proc/mounts); touch /x 2>/dev/null && echo rw \$2 || echo ro \$2" 2>/dev/null)"
	$losetup -d "$dev"
else
	skip 'of a disk of which the kernel has not read the table the parts are there' 'no losetup'
fi
# killed, all of it goes
"$NL" -q --rescue -M resq -i "$d" sh -c 'echo up; sleep 100' >"$tmp/up" 2>/dev/null </dev/null &
pid=$!
wait_for grep -qs up "$tmp/up"
kill -9 $pid
wait $pid 2>/dev/null
gone() { ! grep -qsF "$T/" /sys/block/loop*/loop/backing_file; }
ok 'when we are killed the disk goes' wait_for gone
is 'and can be had again' 3 "$(rescue -i "$d" sh -c "sed -n '$disk' /proc/mounts" 2>/dev/null | cut -d' ' -f2)"
rm -f "$d"

# ---- a boot loader --------------------------------------------------------------------------

if why=$(has_grub); then
	grub_tree "$t"
	grub_disk "$tmp/grub.img" "$t"
	is 'a disk has no boot code' 0 "$(boot_code "$tmp/grub.img")"
	run rescue -i "$tmp/grub.img" sh -c "set -- \$(sed -n '$disk' /proc/mounts); grub-install --target=i386-pc --modules='part_msdos ext2' \$1"
	is 'its own grub-install puts it there' '0 eb6390' "$rc $(head -c 3 "$tmp/grub.img" | od -An -tx1 | tr -d ' ')"
	[ "$rc" = 0 ] || note "$err"
	if command -v qemu-system-x86_64 >/dev/null; then
		is 'and a PC boots from it' 'Booted from the disk that was rescued.' "$(grub_boot "$tmp/grub.img")"
	else
		skip 'and a PC boots from it' 'no QEMU'
	fi
else
	skip 'its own grub-install mends a disk' "$why"
fi
rm -rf "$tmp"
is 'the devices of the host are as they were' '/dev/.nspawn*' "$(echo /dev/.nspawn*)"
leftovers_after 'no loop device, mount or process stays'
done_testing
