#!/bin/sh
# shellcheck disable=SC2012,SC2317 # the names are ours; called by name
# Images on btrfs:  sh ./btrfs-device.sh NSPAWN-LITE DIR, where DIR has btrfs.img.gz and one.tar.gz of 30-lab.sh
nl=$1
from=$2
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"

grep -qw btrfs /proc/filesystems || { echo 'ok 1 - images on btrfs # SKIP no btrfs in this kernel'; exit; }
dir=$(mktemp -d)
mkdir "$dir/mnt" "$dir/mem"
gunzip -c "$from/btrfs.img.gz" >"$dir/disk"
# it takes acl as an option where it knows of ACLs: else what is not kept is named
want=0
mount -o loop,acl -t btrfs "$dir/disk" "$dir/mnt" 2>/dev/null || {
	want='*does not take its system.posix_acl_*left out*0'
	ok 'there is a btrfs, without ACLs' mount -o loop -t btrfs "$dir/disk" "$dir/mnt"
}
export NSPAWN_LITE_ROOT="$dir/mnt"
store=$dir/mnt/var/lib/machines
is_subvolume() { [ "$(stat -c %i "$store/$1")" = 256 ]; }
like 'an archive is imported' "$want" "$("$nl" import-tar -q "$from/one.tar.gz" one 2>&1; echo $?)"
ok 'as a subvolume' is_subvolume one
is 'it is cloned' 0 "$("$nl" clone one two 2>&1; echo $?)"
ok 'by a snapshot' is_subvolume two
is 'which has all of it' "$("$from/listing" "$store/one" | sha256sum)" "$("$from/listing" "$store/two" | sha256sum)"
is 'they are subvolumes on the list' 'subvolume subvolume' "$("$nl" list-images --no-legend | awk '{ print $2 }' | paste -sd ' ' -)"
is 'a clone runs, and is one of its own' 'written none' \
	"$("$nl" -q -M two /bin/busybox sh -c 'echo written >/new; /bin/busybox cat /new' 2>&1) $("$nl" -q -M one /bin/busybox sh -c '/bin/busybox cat /new 2>/dev/null || echo none' 2>&1)"
is 'an ephemeral machine is a snapshot, which goes' 'gone one two' \
	"$("$nl" -q -x -M one /bin/busybox sh -c 'echo gone >/new; /bin/busybox cat /new' 2>&1) $(cd "$store" && ls -A | paste -sd ' ' -)"
is 'they are removed' 0 "$("$nl" remove one two 2>&1; echo $?)"
is 'and nothing is left' '' "$(ls -A "$store")"
umount "$dir/mnt"
rm -rf "$dir"
done_testing
