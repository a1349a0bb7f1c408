#!/bin/sh
# shellcheck disable=SC2016 # what is expanded is expanded inside
# What the verbs for images must do on a device: a kernel, busybox and nspawn-lite,
# and the archives and images that 30-lab.sh made in DIR. Prints TAP.
#   sh image-device.sh NSPAWN-LITE DIR
nl=$1
from=$2
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"

can() { grep -qw "$1" /proc/filesystems; }
sum() { sha256sum | cut -c1-64; }
want() { sed -n "s/^$1 //p" "$from/want"; }
# the sum of a listing: of a directory as it is, of another image through an archive
seen() {
	if [ -d "$store/$1" ]; then
		"$from/listing" "$store/$1" | sum
	else
		"$nl" export-tar "$1" 2>/dev/null | "$nl" import-tar -q - seen && seen seen && "$nl" remove seen
	fi
}
type_of() { "$nl" list-images --no-legend | sed -n "s/^$1  *\([a-z]*\) .*/\1/p"; }
left() { find "$store" -maxdepth 1 -name ".#*" ! -name "*.clones"; }

# where images are kept: here, or on a disk that is mounted there
state=${STATE:-$(mktemp -d)}
export NSPAWN_LITE_ROOT="$state"
store=$state/var/lib/machines
mkdir -p "$state"

# all that the verbs do, with these calls missing
all() {
	export NSPAWN_LITE_DENY="$1"
	without=${1:+, without calls of new kernels}
	is "an archive is imported$without" '0' "$("$nl" import-tar -q "$from/one.tar.gz" one 2>&1; echo $?)"
	is "the tree is what it is on any other machine$without" "$(want tree)" "$(seen one)"
	is "an archive of GNU tar, with numbers of 256$without" "$(want gnu)" \
		"$("$nl" import-tar -q "$from/gnu.tar" gnu 2>&1; seen gnu)"
	is "it is on the list$without" 'directory' "$(type_of one)"
	is "image-status says what it is$without" 'one 1' "$("$nl" image-status one | sed -n '1s/^\([a-z]*\).*/\1/p') $("$nl" image-status one | grep -c 'OS: Test')"
	"$nl" clone one two 2>"$state/err"
	is "it is cloned$without" "0 $clone" "$? $(type_of two)"
	is "which is the same tree$without" "$(want tree)" "$(seen two)"
	is "a clone of the clone$without" "$(want tree)" "$("$nl" clone two three 2>&1; seen three)"
	is "the clones run$without" 'there none' \
		"$("$nl" -q -M two /bin/busybox sh -c 'echo there >/new' 2>&1
		for m in two three; do "$nl" -q -M $m /bin/busybox sh -c 'echo $(/bin/busybox cat /new 2>/dev/null || echo none)' 2>&1; done | paste -sd ' ' -)"
	"$nl" export-tar -q one - --format=gzip | "$nl" import-tar -q - four
	is "out and in again, packed$without" "$(want tree)" "$(seen four)"
	is "and copied$without" "$(want tree)" "$("$nl" import-fs -q "$store/one" five 2>&1; seen five)"
	is "an image is put in place of another$without" '0 four four.old' \
		"$("$nl" import-tar -q --replace "$from/one.tar.gz" four 2>&1; echo $?) $(cd "$store" && echo four*)"
	is "a disk image of qcow2, 5 GB with a hole, is imported$without" "0 5368709120" \
		"$("$nl" import-raw -q "$from/large.qcow2" large 2>&1; echo $?) $(stat -c %s "$store/large.raw")"
	is "with all its bytes$without" "$(want large)" \
		"$(for at in 0 3 4095 4097 5119; do dd if="$store/large.raw" bs=1M skip=$at count=1 2>/dev/null; done | sum)"
	if [ $clone = overlay ]; then
		has "what has clones stays$without" 'must stay as it is' "$("$nl" remove one 2>&1)"
	fi
	is "all are removed$without" 0 "$("$nl" remove two three four four.old five gnu large one 2>&1; echo $?)"
	is "nothing is left$without" '' "$(ls -A "$store")"
	unset NSPAWN_LITE_DENY
}

is 'no image is no error' 0 "$("$nl" list-images --no-legend; echo $?)"
clone=directory
! can overlay || clone=overlay
all ''
# what came after 3.10, and what file systems may lack: we do without, and the kernel refuses it. Not statx, without which
# 32 bits have no time after 2038
if [ -n "${OLD-y}" ]; then
	printf '#!/bin/sh\nexec %s %s -- %s "$@"\n' "$from/deny" \
		open_tree,move_mount,fsopen,fsconfig,fsmount,fspick,pidfd_open,clone3,close_range,openat2,faccessat2,mount_setattr,copy_file_range,memfd_create,renameat2,name_to_handle_at,getrandom \
		"$nl" >"$state/old"
	chmod 755 "$state/old"
	now=$nl nl=$state/old
	all new,FICLONE,sendfile,O_TMPFILE,loop_configure
	nl=$now
fi

# ---- disk images: what runs from them -------------------------------------------------

cp "$from/root.squashfs" "$store/flash.squashfs"
"$nl" import-tar -q "$from/one.tar.gz" one
flash() { "$nl" -q "$@" /bin/busybox sh -c 'echo $(/bin/busybox cat /etc/word) $(: 2>/dev/null >/new && echo written)' 2>&1; }
if can squashfs && [ -e /sys/block/loop0 ]; then
	is 'a squashfs runs by its name' 'flash' "$(flash -M flash)"
	is 'with changes in memory' 'flash written' "$(flash -M flash --volatile=overlay)"
	is 'as an ephemeral one' 'flash written' "$(flash -M flash -x)"
	is 'an overlay clone of it' 'overlay flash written' "$("$nl" clone flash f2 2>&1; type_of f2) $(flash -M f2)"
	is 'its tree as an archive' "$(want flash)" "$(seen flash)"
	"$nl" remove f2
fi
if { can ext4 || can ext2; } && [ -e /sys/block/loop0 ]; then
	is 'a disk image of qcow2 runs' '0 disk written' "$("$nl" import-raw -q "$from/disk.qcow2" disk 2>&1; echo $?) $(flash -M disk)"
	for deny in '' loop_configure,fsopen,new; do
		export NSPAWN_LITE_DENY=$deny
		is "by its path, without a change (denied: $deny)" 'disk written' "$(flash -x -i "$store/disk.raw")"
	done
	unset NSPAWN_LITE_DENY
	is 'and no loop device stays' '' "$(cat /sys/block/loop*/loop/backing_file 2>/dev/null)"
	rm -f /dev/loop*
	is 'without nodes in /dev' 'disk written' "$(flash -x -i "$store/disk.raw")"
	"$nl" remove disk
fi

# ---- what is stopped -----------------------------------------------------------------------

mkfifo "$state/fifo"
"$nl" import-tar -q - slow <"$state/fifo" &
pid=$!
exec 9>"$state/fifo"
tar -C / -cf - bin >&9
i=0
while [ -z "$(ls "$store"/.#slow*/bin/busybox 2>/dev/null)" ] && kill -0 $pid 2>/dev/null && [ $i -lt 3000 ]; do i=$((i + 1)); done
is 'while one is imported it is on the list of transfers, not on that of images' 'import-tar slow ' \
	"$("$nl" list-transfers --no-legend | awk '{ print $3, $4 }') $(type_of slow)"
kill -9 $pid
exec 9>&-
wait $pid 2>/dev/null
is 'what was killed is none' '' "$(type_of slow)$("$nl" list-transfers --no-legend)"
"$nl" clone one next
is 'and the next command sweeps it' '' "$(left)"
"$nl" remove next
# half of what it said it would be
head -c 40000 "$from/one.tar.gz" >"$state/half.tar.gz"
has 'half an archive is named' 'half.tar.gz: ' "$("$nl" import-tar -q "$state/half.tar.gz" half 2>&1)"
is 'and leaves nothing' '' "$(type_of half)$(left)"
rm "$state/half.tar.gz"

# ---- over the network -------------------------------------------------------------------------

if httpd -p 127.0.0.1:8080 -h "$from" 2>/dev/null; then
	is 'an archive is pulled from busybox httpd' "0 $(want tree)" \
		"$("$nl" pull-tar -q --verify=no http://127.0.0.1:8080/one.tar.gz pulled 2>&1; echo $?) $(seen pulled)"
	is 'with its sum' 0 "$("$nl" pull-tar -q --verify=checksum http://127.0.0.1:8080/one.tar.gz p2 2>&1; echo $?)"
	"$nl" remove pulled p2
fi

# ---- a clock that was never set -----------------------------------------------------------------

now=$(date +%s)
date -s @1000 >/dev/null
touch -d @86400 "$store/flash.squashfs"
is 'in 1970 an archive is imported' 0 "$("$nl" import-tar -q "$from/one.tar.gz" early 2>&1; echo $?)"
is 'and listed' '0 directory squashfs' "$("$nl" list-images >/dev/null 2>&1; echo $?) $(type_of early) $(type_of flash)"
has 'with the day of a file' '1970-01-02' "$("$nl" list-images --no-legend | grep flash)"
is 'image-status tells it' 0 "$("$nl" image-status early flash >/dev/null 2>&1; echo $?)"
is 'it runs and goes' 'in 0' "$("$nl" -q -M early /bin/busybox echo in 2>&1) $("$nl" remove early 2>&1; echo $?)"
date -s "@$now" >/dev/null

# ---- without modules ------------------------------------------------------------------------------

rmmod squashfs 2>/dev/null
if ! can squashfs && [ -e /sys/block/loop0 ]; then
	has 'a kernel without squashfs is named so' squashfs "$(flash -M flash)"
	is 'in one line' 1 "$(flash -M flash | wc -l | tr -d ' ')"
fi
rmmod loop 2>/dev/null
rm -f /dev/loop*
if [ ! -e /sys/block/loop0 ]; then
	has 'a kernel without loop devices is named so' 'no loop devices (CONFIG_BLK_DEV_LOOP, module loop)' "$(flash -M flash)"
	is 'in one line' 1 "$(flash -M flash | wc -l | tr -d ' ')"
fi
rmmod overlay 2>/dev/null
if ! can overlay; then
	is 'without overlays a clone is a copy' '0 directory' "$("$nl" clone one copy 2>&1; echo $?) $(type_of copy)"
	has 'and a volatile root one in memory, with a line' 'CONFIG_OVERLAY_FS, module overlay' "$(flash -M copy --volatile=overlay)"
	is 'with the devices that it may have' 'word written' "$(flash -M copy --volatile=overlay | tail -n 1)"
	"$nl" remove copy
fi

# ---- without what a rescue shell may not have mounted -------------------------------------------------

mv /run /run.away 2>/dev/null
mv /tmp /tmp.away 2>/dev/null
if [ -z "${STATE:-}" ]; then
	mv /tmp.away"${state#/tmp}" /state
	state=/state
	NSPAWN_LITE_ROOT=/state store=/state/var/lib/machines
fi
umount /dev/pts 2>/dev/null
umount /proc
is 'without /proc, /run and /tmp an archive is imported' "0 $(want tree)" \
	"$("$nl" import-tar -q "$from/one.tar.gz" bare 2>&1; echo $?) $(seen bare)"
is 'cloned and listed' '0 directory' "$("$nl" clone bare bare2 2>&1; echo $?) $(type_of bare2)"
is 'a disk image too' '0 raw' "$("$nl" import-raw -q "$from/disk.qcow2" disk 2>&1; echo $?) $(type_of disk)"
is 'and what needs /proc says so' '1 1' "$("$nl" -q -M bare /bin/busybox true >/out 2>&1; echo $?) $(grep -c /proc /out)"
is 'they are renamed and removed' 0 "$("$nl" rename disk disk2 2>&1 && "$nl" remove bare2 bare disk2 2>&1; echo $?)"
mount -t proc proc /proc
done_testing
