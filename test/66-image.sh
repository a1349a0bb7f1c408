#!/bin/sh
# Machines that start from disk images, from overlay clones and from templates.
# What mounts here does so in a mount namespace of its own, or by the program.
# shellcheck disable=SC2016,SC2317 # what stands in single quotes is for the shell inside; what is unreachable is not
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need losetup sfdisk mkfs.ext4 mksquashfs
[ -e /dev/loop-control ] || skip_all 'no loop devices'
t=$(tree busybox) || exit
mkdir -p "$t/efi" "$t/srv" "$t/boot"
tmp=$T/tmp
losetup=/sbin/losetup	# busybox's is another
[ -x $losetup ] || losetup=/usr/sbin/losetup
store=$T/root/var/lib/machines
mkdir -p "$tmp" "$store" "$tmp/part" || exit
old=fsopen,fsmount,open_tree,move_mount,mount_setattr

# guest WORD... : with a safety net against hanging
guest() { timeout 60 "$NL" -q "$@" </dev/null; }
# root_of WORD... : device, file system and first option of its root
root_of() { guest "$@" /bin/sh -c 'while read -r a b c d; do [ "$b" != / ] || echo "$c ${d%%,*}"; done </proc/mounts' 2>&1; }
# says WORD... : the status, and a sentence
says() { run guest "$@"; echo "$rc $err"; }
loops() { cat /sys/block/loop*/loop/backing_file 2>/dev/null | grep -c "^$T/"; }
knows() { grep -qw "$1" /proc/filesystems; }

# ext4 FILE OFFSET MB DIR : a file system in it
ext4() { mkfs.ext4 -q -F -b 1024 -E "offset=$2" -d "$4" "$1" "$3M" >/dev/null 2>&1; }

# ---- bare file systems ------------------------------------------------------------

ext4 "$tmp/ext4.raw" 0 12 "$t"
mksquashfs "$t" "$tmp/r.squashfs" -quiet -no-progress >/dev/null 2>&1
cp "$tmp/r.squashfs" "$store/sq.squashfs"
cp "$tmp/ext4.raw" "$store/disk.raw"
leftovers_before
is 'a bare ext4 becomes the root' 'ext4 rw' "$(root_of -i "$tmp/ext4.raw")"
guest -i "$tmp/ext4.raw" /bin/touch /kept
is 'what is changed in it stays' yes "$(guest -i "$tmp/ext4.raw" /bin/sh -c '[ ! -e /kept ] || echo yes')"
is 'a squashfs is a root that cannot be written to' 'squashfs ro' "$(root_of -i "$tmp/r.squashfs")"
is 'with --volatile=overlay it takes changes, in memory' 'overlay rw' "$(root_of --volatile=overlay -i "$tmp/r.squashfs")"
is 'with --volatile=state only those in /var' yes \
	"$(guest --volatile=state -i "$tmp/r.squashfs" /bin/sh -c 'touch /var/x && ! touch /x 2>/dev/null && echo yes')"
is '-M finds NAME.squashfs' 'squashfs ro' "$(root_of -M sq)"
is '-M finds NAME.raw' 'ext4 rw' "$(root_of -M disk)"
is 'it is called NAME' 'Spawning container ext4 on ' "$(timeout 60 "$NL" -i "$tmp/ext4.raw" /bin/true 2>&1 </dev/null | sed -n 's/on .*/on /p')"
printf '[Exec]\nHostname=from-file\n' >"$store/disk.nspawn"
is 'the file of settings beside it is read' from-file "$(guest --settings=yes -M disk /bin/hostname | tr -d '\r')"
is 'and beside one that -i names' from-file "$(guest --settings=yes -i "$store/disk.raw" /bin/hostname | tr -d '\r')"
rm "$store/disk.nspawn"
cp "$tmp/r.squashfs" "$tmp/My image!.raw"
is 'its name is made of what names may have' 'Myimage' "$(guest --settings=no -i "$tmp/My image!.raw" /bin/hostname | tr -d '\r')"
rm "$tmp/My image!.raw"
leftovers_after 'no loop device, mount or process stays'

for fs in xfs btrfs f2fs erofs; do
	if ! command -v "mkfs.$fs" >/dev/null || ! knows $fs; then
		skip "$fs becomes the root" "no $fs here"
		continue
	fi
	img=$tmp/$fs.raw
	case $fs in
	erofs)	mkfs.erofs "$img" "$t" >/dev/null 2>&1; want='erofs ro' ;;
	*)	truncate -s 320M "$img" && "mkfs.$fs" "$img" >/dev/null 2>&1
		unshare -m sh -c 'mount -o loop "$1" "$2" && cp -a "$3/." "$2" && umount "$2"' sh "$img" "$tmp/part" "$t"
		want="$fs rw" ;;
	esac
	is "$fs becomes the root" "$want" "$(root_of -i "$img")"
	is "$fs: -x puts memory over it" 'overlay rw' "$(root_of -x -i "$img")"
	is "$fs: -U shows its owners as root inside" '0 0' "$(guest -U -i "$img" /bin/stat -c '%u %g' /bin)"
	rm -f "$img"
done

# ---- it is left as it was -------------------------------------------------------------

sum=$(cksum <"$tmp/ext4.raw")
for o in -x --read-only --volatile=overlay --volatile=state '-x -U'; do
	# shellcheck disable=SC2086 # words
	guest $o -i "$tmp/ext4.raw" /bin/sh -c 'touch /x /var/x' 2>/dev/null
	is "$o leaves it to the byte" "$sum" "$(cksum <"$tmp/ext4.raw")"
done
chmod 0444 "$store/disk.raw"
is 'a file that nobody may write to is mounted read-only' 'ext4 ro' "$(root_of -M disk)"
sum=$(cksum <"$store/disk.raw")
guest -M disk /bin/true
is 'and left to the byte' "$sum" "$(cksum <"$store/disk.raw")"
# One that was not unmounted: its journal is to be played back
cp "$tmp/ext4.raw" "$tmp/dirty.raw"
timeout 60 "$NL" -q -i "$tmp/dirty.raw" /bin/sh -c 'touch /new; sync; touch /last; echo up >/dev/null; exec sleep 100' &
pid=$!
wait_for sh -c 'debugfs -R "stat /new" "$1" 2>/dev/null | grep -q Inode' sh "$tmp/dirty.raw"
cp "$tmp/dirty.raw" "$tmp/dirty2.raw"
kill "$pid"
kill "$pid" 2>/dev/null
wait "$pid"
chmod 0444 "$tmp/dirty2.raw"
run guest -i "$tmp/dirty2.raw" /bin/true
is 'one that was not unmounted, read-only, starts' 0 "$rc"
like 'and it says that its journal is left alone' '*dirty2.raw was not unmounted cleanly: *' "$err"
rm -f "$tmp/dirty.raw" "$tmp/dirty2.raw"

# ---- disks with partitions -------------------------------------------------------------

mkdir -p "$tmp/home/user" "$tmp/var/lib" "$tmp/srv/www"
gpt=$tmp/gpt.raw
truncate -s 64M "$gpt"
sfdisk -q "$gpt" <<E
label: gpt
start=2048, size=8192, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
start=10240, size=32768, type=$(case $(uname -m) in x86_64) echo 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 ;;
	aarch64) echo B921B045-1DF0-41C3-AF44-4C6F280D3FAE ;; *) echo 44479540-F297-41B2-9AF7-D131D5F0458A ;; esac)
start=43008, size=8192, type=933AC7E1-2EB4-4F13-B844-0E14E2AEF915
start=51200, size=8192, type=3B8F8425-20E0-4F3B-907F-1A25A76F98E8
start=59392, size=8192, type=4D21B016-B534-45C2-A9FB-5C16E091FD2D
start=67584, size=8192, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
E
ext4 "$gpt" $((2048 * 512)) 4 "$tmp/srv"
ext4 "$gpt" $((10240 * 512)) 16 "$t"
ext4 "$gpt" $((43008 * 512)) 4 "$tmp/home"
ext4 "$gpt" $((51200 * 512)) 4 "$tmp/srv"
ext4 "$gpt" $((59392 * 512)) 4 "$tmp/var"
ext4 "$gpt" $((67584 * 512)) 4 "$tmp/srv"
# below WORD... : what of the disk is mounted where
below() { guest "$@" /bin/sh -c 'while read -r a b c d; do case $a in /dev/loop*) echo "$b ${d%%,*}" ;; esac; done </proc/mounts' 2>/dev/null | tr '\n' ' '; }
is 'GPT: partitions are mounted where their types say' '/ rw /home rw /srv rw /var rw /efi rw ' "$(below -i "$gpt")"
is 'GPT: the same without the calls of new kernels' '/ rw /home rw /srv rw /var rw /efi rw ' "$(NSPAWN_LITE_DENY=$old below -i "$gpt")"
is 'GPT: and read-only' '/ ro /home ro /srv ro /var ro /efi ro ' "$(below --read-only -i "$gpt")"
is 'GPT: --partition=N takes another root' '/www' "$(guest --partition=1 -i "$gpt" /www 2>&1 | sed -n 's|.*: \(/www\): .*|\1|p')"
is 'GPT: with users of its own' '/home/user 0' "$(guest -U -i "$gpt" /bin/stat -c '%n %u' /home/user)"
guest -i "$gpt" /bin/touch /home/user/x
is 'GPT: what is changed in one of them stays' /home/user/x "$(guest -i "$gpt" /bin/ls /home/user/x)"
like 'GPT: one that is not there is told with those that are' \
	'1 *gpt.raw has no partition 9; it has: 1 (4.0M, ext*), 2 (16.0M, ext*), 3 *' "$(says --partition=9 -i "$gpt" /bin/true)"

# A hostile disk: its directories are links to where nothing of it belongs
h=$tmp/hostile
cp -a "$t" "$h" && (cd "$h" && rm -rf home srv var efi && mkdir inner)
ln -s ../../../../../.."$tmp/part" "$h/home"
ln -s /usr/lib "$h/srv"	# the host has one, too
ln -s /inner "$h/var"
ln -s / "$h/efi"
cp "$gpt" "$tmp/hostile.raw"
ext4 "$tmp/hostile.raw" $((10240 * 512)) 16 "$h"
mounts() { sed -e 's/^[0-9]* [0-9]* //' -e "$not_ours" /proc/self/mountinfo; }
mounts=$(mounts)
run guest -i "$tmp/hostile.raw" /bin/sh -c '[ -d /inner/lib ] && [ -d /usr/lib/www ] && echo inside'
is 'a link of the tree leads to another place of the tree' inside "$out"
is 'and nothing is mounted on the host' "$mounts" "$(mounts)"
is 'nor anything made there' '' "$(ls "$tmp/part")"
rm -f "$tmp/hostile.raw"

# what else a disk may be: two systems beside each other, what is to be opened first, /boot apart
lay=$tmp/lay.raw
linux=0FC63DAF-8483-4772-8E79-3D69D8477DE4 esp=C12A7328-F81F-11D2-BA4B-00A0C93EC93B luks=CA7D7CCB-63ED-4C53-861C-1742536059CC
# layout LINE... : a fresh disk with partitions of 4 MB, but the last
layout() {
	rm -f "$lay"
	truncate -s 32M "$lay"
	printf 'label: gpt\n' >"$tmp/layout"
	n=1
	for line; do
		printf 'start=%d, %s, %s\n' $((n * 8192)) "size=$([ $n = $# ] && echo 30720 || echo 8192)" "$line" >>"$tmp/layout"
		n=$((n + 1))
	done
	sfdisk -q "$lay" <"$tmp/layout"
}
encrypt() { printf 'LUKS\272\276\000\002' | dd of="$lay" bs=4194304 seek="$1" conv=notrunc 2>/dev/null; }
layout "type=$esp" "type=$linux, name=\"system A\"" "type=$linux, name=\"system B\""
ext4 "$lay" $((3 * 4194304)) 15 "$t"
like 'A and B: none is taken, and their names are told' \
	'1 *more than one partition could be the root; say --partition=N with one of: 1 (4.0M, unknown), 2 (4.0M, unknown, system A), 3 (15.0M, ext*, system B)' \
	"$(says -i "$lay" /bin/true)"
is 'A and B: --partition=N says which' 'ext4 rw' "$(root_of --partition=3 -i "$lay" 2>/dev/null | tail -n 1)"
encrypt 2
like 'one that is encrypted says what to do, and of a file that it becomes a disk before' \
	'1 *partition 2 of */lay.raw is encrypted: *cryptsetup*-i /dev/mapper/NAME; losetup -fP *' "$(says --partition=2 -i "$lay" /bin/true)"
layout "type=$esp" "type=$luks"
encrypt 2
like 'where nothing else could be the root, without being asked' '1 *partition 2 of */lay.raw is encrypted: *' "$(says -i "$lay" /bin/true)"
layout "type=933AC7E1-2EB4-4F13-B844-0E14E2AEF915" "type=$linux"
ext4 "$lay" $((2 * 4194304)) 15 "$t"
encrypt 1
like 'an encrypted /home is left out, and told' '0 *partition 1 of */lay.raw is not mounted: it is encrypted: *' "$(says -i "$lay" /bin/true)"
layout "type=$linux" "type=$luks"
ext4 "$lay" 4194304 4 "$tmp/srv"
encrypt 2
like 'what was taken for the root, and is none, is told with the others' \
	'* partition 1 of */lay.raw has neither /etc nor /usr; --partition=N takes another of: 1 (4.0M, ext*), 2 (15.0M, crypto_LUKS)*' "$(says -i "$lay" /bin/true)"
layout "type=$esp" "type=$linux"
mkdir -p "$tmp/esp/EFI"
ext4 "$lay" 4194304 4 "$tmp/esp"
esp_on() {
	ext4 "$lay" $((2 * 4194304)) 15 "$1"
	guest -i "$lay" /bin/sh -c 'echo /*/EFI'
}
cp -a "$t" "$tmp/apart"
rmdir "$tmp/apart/efi"
is 'the EFI partition is on an empty /boot' /boot/EFI "$(esp_on "$tmp/apart")"
echo 'UUID=1 /boot ext4 defaults 0 2' >"$tmp/apart/etc/fstab"
is 'not where fstab has another /boot' '/*/EFI' "$(esp_on "$tmp/apart")"
echo 'UUID=1 /boot vfat defaults 0 2' >"$tmp/apart/etc/fstab"
is 'but where it has that' /boot/EFI "$(esp_on "$tmp/apart")"
rm -rf "$tmp/apart" "$tmp/esp" "$lay"

# what installers make: @ and @home, root and home; openSUSE makes one the default
if command -v mkfs.btrfs btrfs >/dev/null && knows btrfs; then
	for root in @ root @rootfs .snap; do
		truncate -s 120M "$lay"
		mkfs.btrfs -q "$lay" >/dev/null 2>&1
		unshare -m sh -c 'mount -o loop "$1" "$2" && cd "$2" && btrfs -q subvolume create "$3" && btrfs -q subvolume create @home && cp -a "$4/." "$3" || exit
			[ "$3" != .snap ] || btrfs subvolume set-default .snap' sh "$lay" "$tmp/part" "$root" "$t" >/dev/null 2>&1
		run guest -i "$lay" /bin/sh -c 'while read -r a b c d; do [ "$b" != / ] || echo "${d##*subvol=}"; done </proc/mounts'
		is "btrfs: the root is the subvolume $root" "/$root 0 0" "${out%%,*}"
		case $root in
		.snap)	is 'btrfs: the default is no matter for words' '' "$err" ;;
		*)	is 'btrfs: it is told' "nspawn-lite: the root in $lay is its subvolume $root" "$err" ;;
		esac
		rm "$lay"
	done
else
	skip 'btrfs: the root is a subvolume' 'no btrfs here'
fi

mbr=$tmp/mbr.raw
truncate -s 40M "$mbr"
table() { printf 'label: dos\n%s\n' "$1" | sfdisk -q "$mbr" 2>/dev/null; }
table 'start=2048, size=8192, type=c
start=10240, size=32768, type=83'
ext4 "$mbr" $((10240 * 512)) 16 "$t"
is 'MBR: the only partition of Linux becomes the root' 'ext4 rw' "$(root_of -i "$mbr")"
table 'start=2048, size=8192, type=83
start=10240, size=32768, type=83, bootable'
is 'MBR: of two the active one' 'ext4 rw' "$(root_of -i "$mbr")"
table 'start=2048, size=8192, type=83
start=10240, size=32768, type=83'
like 'MBR: of two that could be it none is taken' '1 *more than one partition could be the root; say --partition=N with one of: 1 (4.0M, *), 2 (16.0M, ext*)' \
	"$(says -i "$mbr" /bin/true)"
is 'MBR: --partition=N says which' 'ext4 rw' "$(root_of --partition=2 -i "$mbr")"
table 'start=2048, size=8192, type=c'
like 'MBR: without any there is no root' '1 *no partition looks like a root for this machine*' "$(says -i "$mbr" /bin/true)"

# ---- block devices -------------------------------------------------------------------------

table 'start=10240, size=32768, type=83'
dev=$("$losetup" --show -f "$mbr")
is 'a block device, with partitions' 'ext4 rw' "$(root_of -M block -i "$dev")"
"$losetup" -d "$dev"
dev=$("$losetup" --show -f "$tmp/ext4.raw")
is 'a block device with a file system' 'ext4 rw' "$(root_of -M block -i "$dev")"
unshare -m sh -c 'mount "$1" "$2" && exec sleep 100' sh "$dev" "$tmp/part" &
pid=$!
wait_for grep -q " $tmp/part " "/proc/$pid/mountinfo"
like 'one that is mounted is not mounted again' "1 *$dev is in use already: mounted, *" "$(says -M block -i "$dev" /bin/true)"
kill "$pid"
wait "$pid" 2>/dev/null
like 'a file that another loop device writes to is refused' '1 *ext4.raw is in use already, by /dev/loop*' "$(says -i "$tmp/ext4.raw" /bin/true)"
is 'but can be read' 'ext4 ro' "$(root_of --read-only -i "$tmp/ext4.raw")"
"$losetup" -d "$dev"

# ---- refused ---------------------------------------------------------------------------------

truncate -s 1M "$tmp/luks.raw" "$tmp/lvm.raw" "$tmp/zero.raw"
printf 'LUKS\272\276\000\002' | dd of="$tmp/luks.raw" conv=notrunc 2>/dev/null
printf 'LABELONE' | dd of="$tmp/lvm.raw" bs=512 seek=1 conv=notrunc 2>/dev/null
printf 'LVM2 001' | dd of="$tmp/lvm.raw" bs=1 seek=536 conv=notrunc 2>/dev/null
head -c 3000 "$tmp/r.squashfs" >"$tmp/cut.raw"
like 'LUKS is to be opened first' '1 *luks.raw is encrypted: open it first with cryptsetup*' "$(says -i "$tmp/luks.raw" /bin/true)"
like 'LVM is to be activated first' '1 *lvm.raw belongs to LVM: activate it first*' "$(says -i "$tmp/lvm.raw" /bin/true)"
like 'a file of zeros holds nothing' '1 *zero.raw holds no file system that we mount, but something unknown' "$(says -i "$tmp/zero.raw" /bin/true)"
like 'one that is cut off is damaged' '1 *cut.raw*' "$(says -i "$tmp/cut.raw" /bin/true)"
like 'a directory is no image' '1 *say -D' "$(says -i "$t" /bin/true)"
like 'one that is not there' '1 nspawn-lite: Failed to open image */no: No such file or directory' "$(says -i "$tmp/no" /bin/true)"
like 'a tree has no partitions' '1 *has no partitions' "$(says --partition=1 -D "$t" /bin/true)"
rm -f "$tmp"/luks.raw "$tmp"/lvm.raw "$tmp"/zero.raw "$tmp"/cut.raw

# ---- many, and one alone ----------------------------------------------------------------------

mkfifo "$tmp/hold"
for i in 1 2 3 4 5; do
	# shellcheck disable=SC2094 # it is read from only
	"$NL" -q -M "many$i" --volatile=overlay -i "$tmp/r.squashfs" /bin/sh -c "echo $i >/mine; cat /mine; read -r x" \
		<"$tmp/hold" >"$tmp/many.$i" 2>&1 &
done
exec 9>"$tmp/hold"
is 'five run from one squashfs at once' '1 2 3 4 5 ' \
	"$(wait_for sh -c 'cat "$1"/many.[1-5] | tr -d "\r" | grep -c . | grep -qx 5' sh "$tmp"; cat "$tmp"/many.[1-5] | tr -d '\r' | tr '\n' ' ')"
is 'by one loop device' 1 "$(loops)"
exec 9>&-
wait
"$NL" -q -M one -i "$tmp/ext4.raw" /bin/sh -c 'echo up; exec sleep 100' >"$tmp/one" 2>&1 &
pid=$!
wait_for grep -q up "$tmp/one"
is 'who writes is alone' "1 nspawn-lite: Directory tree $tmp/ext4.raw is currently busy." "$(says -M two -i "$tmp/ext4.raw" /bin/true)"
is 'not even -x comes in meanwhile' 1 "$(guest -M two -x -i "$tmp/ext4.raw" /bin/true 2>/dev/null; echo $?)"
kill -9 "$pid"
wait "$pid" 2>/dev/null
is 'after kill -9 the next one starts, without a line' 'ext4 rw' "$(root_of -i "$tmp/ext4.raw")"
no_loops() { [ "$(loops)" = 0 ]; }
ok 'and no loop device is left' wait_for no_loops

# ---- users of its own -----------------------------------------------------------------------------

is '-U: the owners are those of its users' '0 0' "$(guest -U -i "$tmp/ext4.raw" /bin/stat -c '%u %g' /bin)"
guest -U -i "$tmp/ext4.raw" /bin/sh -c 'touch /of-root; chown 5:6 /of-root'
is '-U: and are written as without' '5 6' "$(guest -i "$tmp/ext4.raw" /bin/stat -c '%u %g' /of-root)"
cp "$tmp/ext4.raw" "$tmp/own.raw"
is '-U without idmapped mounts: owners are changed in the image' '0 0' \
	"$(NSPAWN_LITE_DENY=$old guest --private-users=524288 --private-users-ownership=chown -i "$tmp/own.raw" /bin/stat -c '%u %g' /bin)"
is 'and stay so' '524288 524288' "$(guest -i "$tmp/own.raw" /bin/stat -c '%u %g' /bin)"
rm -f "$tmp/own.raw"
for o in '' -x --read-only --volatile=overlay; do
	# shellcheck disable=SC2086 # words or none
	is "without the calls of new kernels${o:+: $o}" yes "$(NSPAWN_LITE_DENY=$old guest $o -i "$tmp/ext4.raw" /bin/echo yes | tr -d '\r')"
done

# ---- overlay clones ------------------------------------------------------------------------------

# clone NAME LOWER : by hand, as the store makes them
clone() { mkdir -p "$store/$1.overlay/upper" "$store/$1.overlay/work" && echo "$2" >"$store/$1.overlay/lower"; }
cp -a "$t" "$store/base"
clone over base
before=$(cd "$store/base" && find . | sort | cksum)
if knows overlay; then
	is 'an overlay clone becomes the root' 'overlay rw' "$(root_of -M over)"
	guest -M over /bin/sh -c 'echo new >/new; rm /bin/ls; chown 5:6 /new'
	is 'what is changed stays' new "$(guest -M over /bin/cat /new | tr -d '\r')"
	is 'what is removed stays away' no "$(guest -M over /bin/sh -c '[ -e /bin/ls ] || echo no' | tr -d '\r')"
	is 'what it lies on is as it was' "$before" "$(cd "$store/base" && find . | sort | cksum)"
	is 'read-only' 'overlay ro' "$(root_of --read-only -M over)"
	is '-x' 'overlay rw new' "$(root_of -x -M over) $(guest -x -M over /bin/cat /new | tr -d '\r')"
	is '-U: its owners are seen as of its users' '0 0 5 6' \
		"$(guest -U -M over /bin/stat -c '%u %g' /bin /new | tr -d '\r' | tr '\n' ' ' | sed 's/ $//')"
	guest -U -M over /bin/sh -c 'echo two >/two; chown 7:8 /two; echo x >>/new'
	is '-U: and are written as without' '5 6 7 8' "$(guest -M over /bin/stat -c '%u %g' /new /two | tr '\n' ' ' | tr -d '\r' | sed 's/ $//')"
	like '-U on a kernel that cannot: none, and a line' 'nspawn-lite: no user namespace: *' \
		"$(NSPAWN_LITE_DENY=mount_setattr guest -U -M over /bin/true 2>&1)"
	like 'asked for by name: a sentence' '*with other owners: *' \
		"$(NSPAWN_LITE_DENY=mount_setattr says --private-users=pick -M over /bin/true)"
	is 'without the calls of new kernels' 'overlay rw' "$(NSPAWN_LITE_DENY=$old root_of -M over)"
	clone oversq sq.squashfs
	is 'a clone of a squashfs' 'overlay rw' "$(root_of -M oversq)"
	guest -M oversq /bin/touch /x
	is 'and what is changed there stays' /x "$(guest -M oversq /bin/ls /x | tr -d '\r')"
	clone overraw disk.raw
	is 'a clone of a disk image, with users of its own' '0 0' "$(guest -U -M overraw /bin/stat -c '%u %g' /bin)"
	"$NL" -q -M over /bin/sh -c 'echo up; exec sleep 100' >"$tmp/up" 2>&1 &
	pid=$!
	wait_for grep -q up "$tmp/up"
	like 'what it lies on is not written to meanwhile' '1 *base is currently busy.' "$(says -M base /bin/true)"
	is 'but can be read' 0 "$(guest --read-only -M base /bin/true; echo $?)"
	kill "$pid"; kill "$pid" 2>/dev/null
	wait "$pid"
	mkdir -p "$store/base/d" && : >"$store/base/d/below"
	guest -M over /bin/sh -c 'rm -r /d && mkdir /d && echo new >/d/new'
	"$NL" clone --no-sync over again
	is 'a clone of a clone has what that has, and not what it took away' /d/new \
		"$(guest -M again /bin/sh -c 'echo /d/*' | tr -d '\r')"
	"$NL" remove again
	mkdir "$store/.#base.clones"
	ln -s ../over.overlay "$store/.#base.clones/over"
	like 'nor at any other time, where the clone is known' '1 *base is what over lies on, and must stay as it is: *' "$(says -M base /bin/true)"
	is 'but can be read, then too' 0 "$(guest -x -M base /bin/true; echo $?)"
	clone loose nothing
	like 'a clone of what is not there' '1 *loose.overlay lies on */nothing, which is not there' "$(says -M loose /bin/true)"
	clone ring ring.overlay
	like 'a clone of itself' '1 *ring.overlay *' "$(says -M ring /bin/true)"
else
	skip 'overlay clones' 'no overlay here'
fi

# ---- templates -------------------------------------------------------------------------------------

run timeout 60 "$NL" --template="$t" -D "$tmp/made" /bin/echo in
like '--template makes the tree' "*Populated $tmp/made from template $t.*" "$err"
(cd "$t" && find . ! -path ./etc/resolv.conf ! -path ./etc/localtime | sort) >"$tmp/want"
(cd "$tmp/made" && find . ! -path ./etc/resolv.conf ! -path ./etc/localtime | sort) >"$tmp/got"
is 'as it is' '' "$(diff "$tmp/want" "$tmp/got")"
echo mine >"$tmp/made/mine"
run timeout 60 "$NL" --template="$t" -D "$tmp/made/" /bin/echo in
like 'once' "*Directory $tmp/made already exists, not populating from template $t.*" "$err"
is 'and leaves it alone then' mine "$(cat "$tmp/made/mine")"
is 'of an image, with a name in the store' ok "$(guest --template="$tmp/r.squashfs" -M fromsq /bin/echo ok | tr -d '\r')"
is 'it is a directory' yes "$([ -d "$store/fromsq/bin" ] && echo yes)"
run guest -x --template="$t" /bin/sh -c 'echo x >/template && cat /template'
is '-x without -D runs the template itself' x "$out"
is 'and leaves it alone' no "$([ -e "$t/template" ] || echo no)"

# ---- a whole system ----------------------------------------------------------------------------------

printf '%s\n' 'wait login:' 'send root\n' 'wait #' 'send echo 1 >>/boots; reboot\n' 'wait is being rebooted' 'wait login:' \
	'send root\n' 'wait #' 'send cat /boots; poweroff\n' exit >"$T/script"
[ -e "$t/sbin/init" ] && run timeout 100 "$PTY" -t 90 "$T/script" -- "$NL" -b -M system -i "$tmp/ext4.raw"
is 'a system boots from an image, reboots and powers off' 0 "$rc"
is 'its changes stay' 1 "$(guest -i "$tmp/ext4.raw" /bin/cat /boots | tr -d '\r')"
ok 'no loop device is left at the end' wait_for no_loops
rm -rf "$store"
finish
