#!/bin/sh
# Disk images: zeros become holes, qcow2 becomes raw as qemu-img has it, tables
# of partitions and what parts hold are told, and loop devices go again.
# shellcheck disable=SC2317 # called by ok, and wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
DISK=$(program disk)
cd "$T" || exit

small() { [ "$(stat -c %b "$1")" -lt $((2 * $2)) ]; }	# small FILE KB : it takes no more room

# ---- holes ------------------------------------------------------------------------------

yes 'some text of a disk' | head -c 3000000 >text
head -c 1500000 /dev/urandom >noise
{
	cat text
	head -c 5000000 /dev/zero
	cat noise
	head -c 100 /dev/zero
	printf x
	head -c 3000001 /dev/zero
} >plain
ok 'a stream is written' "$DISK" raw out <plain
ok 'as it is, to the last zero' cmp plain out
ok 'and its zeros are holes' small out 4600
# in pieces of any size
ok 'a pipe is' sh -c "(head -c 1234; sleep 0.1; cat) <plain | '$DISK' raw out && cmp plain out"
ok 'nothing is' sh -c ": | '$DISK' raw out && [ ! -s out ]"
ok 'zeros alone are one hole' sh -c "head -c 3000000 /dev/zero | '$DISK' raw out && [ \"\$(stat -c '%s %b' out)\" = '3000000 0' ]"
gzip -1 <plain >plain.gz
ok 'a packed stream is unpacked' sh -c "'$DISK' raw out <plain.gz && cmp plain out"
head -c 1000000 plain.gz >short.gz
run "$DISK" raw out <short.gz
is 'one that ends too early is an error' 1 "$rc"
if [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=2m tmpfs small 2>/dev/null; then
	run "$DISK" raw small/out <plain
	like 'too little room is a sentence' '*not enough room*' "$err"
	umount small
else
	skip 'too little room is a sentence' 'cannot mount'
fi

# ---- qcow2, as qemu-img makes and reads it ----------------------------------------------

# same NAME FILE [RAW] : it becomes what qemu-img makes of it
same() {
	run "$DISK" qcow2 "$2" out
	[ "$rc" = 0 ] || { is "$1" '' "$err"; return; }
	if [ $# -gt 2 ]; then
		ok "$1" cmp "$3" out
	else
		qemu-img convert -O raw "$2" want && ok "$1" cmp want out
	fi
}
# refused NAME FILE PATTERN
refused() {
	rm -f out
	run timeout 60 "$DISK" qcow2 "$2" out
	is "$1 is refused" 1 "$rc"
	like "$1: why" "$3" "$err"
}
q=qemu-img
if command -v qemu-img >/dev/null; then
	truncate -s 12800000 plain	# whole sectors
	for options in compat=0.10 compat=1.1 cluster_size=512 cluster_size=4k cluster_size=2M \
		compat=0.10,cluster_size=1k lazy_refcounts=on refcount_bits=1 refcount_bits=64; do
		$q convert -f raw -O qcow2 -o $options plain disk.qcow2
		same "$options" disk.qcow2 plain
		$q convert -c -f raw -O qcow2 -o "${options%,lazy*}" plain disk.qcow2 2>/dev/null &&
			same "$options, packed" disk.qcow2 plain
	done
	ok 'qemu-img takes what we wrote for the same' $q compare -q -f qcow2 -F raw disk.qcow2 out
	ok 'and it has holes' small out 4700
	for how in metadata falloc full; do
		$q convert -f raw -O qcow2 -o preallocation=$how plain disk.qcow2
		same "room made before: $how" disk.qcow2 plain
	done
	$q create -q -f qcow2 -o preallocation=metadata disk.qcow2 20G
	ok 'one that is empty' "$DISK" qcow2 disk.qcow2 out
	is 'and takes no room' '21474836480 0' "$(stat -c '%s %b' out)"
	$q create -q -f qcow2 disk.qcow2 0
	same 'one of no size' disk.qcow2
	$q create -q -f qcow2 disk.qcow2 1000000
	same 'a size that ends within a cluster' disk.qcow2
	if command -v qemu-io >/dev/null; then
		$q create -q -f qcow2 disk.qcow2 50M
		qemu-io -c 'write -P 7 0 1M' -c 'write -z 100k 300k' -c 'write -P 9 40M 70k' -c 'write -P 5 1M 64k' \
			-c 'discard 41M 64k' disk.qcow2 >/dev/null
		$q snapshot -c one disk.qcow2
		qemu-io -c 'write -P 8 0 1M' -c 'write -P 8 20M 3M' -c 'write -z -u 40M 64k' disk.qcow2 >/dev/null
		same 'zeroed clusters, and a snapshot beside' disk.qcow2
		qemu-io -c 'write -P 1 1000k 5M' -c 'abort' disk.qcow2 >/dev/null 2>&1
		same 'one that was not closed' disk.qcow2
		$q create -q -f qcow2 -o lazy_refcounts=on disk.qcow2 50M
		qemu-io -c 'write -P 1 1000k 5M' -c 'abort' disk.qcow2 >/dev/null 2>&1
		same 'one that is marked dirty' disk.qcow2
	else
		skip 'zeroed clusters' 'no qemu-io'
	fi
	$q convert -f raw -O qcow2 plain base.qcow2
	$q create -q -f qcow2 -b base.qcow2 -F qcow2 disk.qcow2
	refused 'a backing file' disk.qcow2 "*backing file, 'base.qcow2'*qemu-img convert*"
	$q create -q -f qcow2 -o data_file=other.raw disk.qcow2 1M
	refused 'data in another file' disk.qcow2 "*in another file, 'other.raw'*"
	$q create -q -f qcow2 -o extended_l2=on disk.qcow2 1M
	refused 'subclusters' disk.qcow2 '*extended_l2*'
	cp base.qcow2 disk.qcow2 && printf '\0\0\0\2' | dd of=disk.qcow2 bs=1 seek=32 conv=notrunc status=none
	refused 'an encrypted one' disk.qcow2 '*encrypted (LUKS)*'
	cp base.qcow2 disk.qcow2 && printf '\2' | dd of=disk.qcow2 bs=1 seek=79 conv=notrunc status=none
	refused 'one that QEMU has marked as corrupt' disk.qcow2 '*marked as corrupt*'
	cp base.qcow2 disk.qcow2 && printf '\100' | dd of=disk.qcow2 bs=1 seek=78 conv=notrunc status=none
	refused 'one with a feature to come' disk.qcow2 '*features 0x4000*'
	if $q convert -c -f raw -O qcow2 -o compression_type=zstd plain disk.qcow2 2>/dev/null; then
		refused 'one packed by zstd' disk.qcow2 '*packed (zstd)*qemu-img convert*'
		$q convert -f raw -O qcow2 -o compression_type=zstd plain disk.qcow2
		same 'but not when no cluster is' disk.qcow2 plain
	else
		skip 'one packed by zstd is refused' 'qemu-img cannot make it'
	fi
	head -c 3000000 base.qcow2 >short.qcow2
	refused 'half of a file' short.qcow2 '*damaged*'
	head -c 50 base.qcow2 >short.qcow2
	refused 'half of a header' short.qcow2 '*ends too early*'

	# a tiny file of a huge disk, whose tables all are the same one
	bomb() {	# bomb CLUSTER : header, first table, second table, data, for printf %b
		awk -v c="$1" 'function be(n, bytes,  s) {
				for (s = ""; bytes > 0; bytes--) { s = sprintf("\\0%03o", n % 256) s; n = int(n / 256) }
				printf "%s", s
			}
			BEGIN {
				printf "QFI\\0373"; be(2, 4); be(0, 8); be(0, 4)
				for (bits = 0; 2 * n < c; bits++) n = n ? 2 * n : 1
				be(bits, 4); be(c * c / 8 * (c / 8), 8); be(0, 4); be(c / 8, 4); be(c, 8); be(0, 8); be(0, 4); be(0, 4)
				be(0, 8); for (i = 72; i < c; i++) printf "\\0000"
				for (i = 0; i < c / 8; i++) be(2 * c, 8)
				for (i = 0; i < c / 8; i++) be(3 * c, 8)
				for (i = 0; i < c; i++) printf "x"
			}'
	}
	printf '%b' "$(bomb 4096)" >bomb.qcow2
	refused 'tables that lead to each other' bomb.qcow2 '*more than once*'
	ok 'after little was written' small out 100

	# whatever byte is wrong: an end, and no more than the file can hold
	head -c 4096 plain >seed
	$q convert -c -f raw -O qcow2 -o cluster_size=512 seed packed.qcow2
	$q convert -f raw -O qcow2 -o cluster_size=512 seed seed.qcow2
	for f in packed.qcow2 seed.qcow2; do
		run timeout 120 "$DISK" flip $f
		is "any byte of $f may be wrong" 0 "$rc"
		like "and $f was read at all" '* fine' "$out"
	done
else
	skip 'qcow2' 'no qemu-img'
fi

# ---- tables -------------------------------------------------------------------------------

case $(uname -m) in
x86_64) root=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 ;;
aarch64) root=B921B045-1DF0-41C3-AF44-4C6F280D3FAE ;;
*) root= ;;
esac
M=1048576
table() { "$DISK" table "$1" 2>&1; }
made() { rm -f "$1" && truncate -s 100M "$1" && LC_ALL=C.UTF-8 sfdisk -q "$1" >/dev/null; }
if command -v sfdisk >/dev/null && [ -n "$root" ]; then
	made gpt <<-END
	label: gpt
	size=10M, type=U, name="EFI System"
	size=20M, type=$root, name="wurzel äö€", attrs="GUID:60,59"
	size=5M, type=L, attrs="GUID:63"
	size=5M, type=8484680C-9521-48C6-9C11-B0720656F69E
	size=5M, type=933AC7E1-2EB4-4F13-B844-0E14E2AEF915
	size=5M, type=3B8F8425-20E0-4F3B-907F-1A25A76F98E8
	size=5M, type=4D21B016-B534-45C2-A9FB-5C16E091FD2D
	size=5M, type=7EC6F557-3BC5-4ACA-B293-16EF5DF639D1
	size=5M, type=BC13C2FF-59E6-4262-A352-B275FD6F7172
	size=5M, type=S
	size=5M, type=69DAD710-2CE4-4E3C-B16C-21A1D49ABED3
	type=L, attrs="LegacyBIOSBootable"
	END
	usr=usr
	[ "$(uname -m)" = x86_64 ] || usr=other
	want="1 esp $M $((10 * M)) 00 EFI System
2 root $((11 * M)) $((20 * M)) 00 ro grow wurzel äö€
3 other $((31 * M)) $((5 * M)) 00
4 $usr $((36 * M)) $((5 * M)) 00
5 home $((41 * M)) $((5 * M)) 00
6 srv $((46 * M)) $((5 * M)) 00
7 var $((51 * M)) $((5 * M)) 00
8 tmp $((56 * M)) $((5 * M)) 00
9 xbootldr $((61 * M)) $((5 * M)) 00
10 other $((66 * M)) $((5 * M)) 00
11 linux $((71 * M)) $((5 * M)) 00
12 linux $((76 * M)) $((23 * M)) 00 active"
	is 'GPT: by their types' "$want" "$(table gpt)"
	broken() { cp gpt bad && printf X | dd of=bad bs=1 seek="$1" conv=notrunc status=none; }
	# bytes that are known: those of a GUID, or of a sum, may be an X
	broken 536
	is 'a first header that is damaged: the copy at the end' \
		"$want
# the first copy of its partition table is damaged; the one at its end is used" "$(table bad)"
	broken 1024
	like 'first entries that are damaged: the same' "$want
# *" "$(table bad)"
	head -c 200000000 /dev/zero >>bad
	like 'a first copy that knows where the other is' "$want
# *" "$(table bad)"
	broken 1024
	printf X | dd of=bad bs=1 seek=$((100 * M - 500)) conv=notrunc status=none
	is 'both damaged: an error' 'nspawn-lite: both copies of its partition table (GPT) are damaged; see sgdisk(8), or fdisk(8)' "$(table bad)"
	cp gpt bad && truncate -s 90M bad
	is 'an image that was cut' "$(echo "$want" | sed '$d')
# partition 12 goes beyond the end, and is left out: is all of it there?" "$(table bad)"
	made dos <<-END
	label: dos
	size=10M, type=c, bootable
	size=20M, type=83
	type=5
	size=10M, type=83
	size=11M, type=82
	type=ef
	END
	is 'MBR: with logical ones' "1 other $M $((10 * M)) 0c active
2 linux $((11 * M)) $((20 * M)) 83
5 linux $((32 * M)) $((10 * M)) 83
6 other $((43 * M)) $((11 * M)) 82
7 esp $((55 * M)) $((45 * M)) ef" "$(table dos)"
	# the second link of the chain leads to the first again
	at=$(od -An -tu4 -j $((446 + 2 * 16 + 8)) -N 4 dos)
	cp dos bad && printf '\0\0\0\0' | dd of=bad bs=1 seek=$((at * 512 + 446 + 16 + 8)) conv=notrunc status=none
	is 'a chain without end is an error' 'nspawn-lite: its chain of logical partitions has no end' "$(table bad)"
	made over <<-END
	label: dos
	start=2048, size=10000, type=83
	END
	printf '\0\0\0\0\203\0\0\0\0\020\0\0\0\020\0\0' | dd of=over bs=1 seek=$((446 + 16)) conv=notrunc status=none
	like 'partitions that overlap are told' '*# partitions 1 and 2 overlap' "$(table over)"
	# GPT for disks with sectors of 4 KB: all places are other ones
	"$DISK" gpt4k wide
	is 'sectors of 4 KB are seen by where the table is' "1 linux $M $((2 * M)) 00 wide 😀" "$(table wide)"
	# on a machine that puts the high byte first
	if command -v qemu-mips-static >/dev/null && [ -e "${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/nspawn-lite}/sysroot/mips/done" ] &&
		(unset CC CFLAGS CPPFLAGS LDFLAGS CROSS_COMPILE MAKEFLAGS MAKELEVEL O
			make -s -C "$TOP" TARGET=mips O="$T/mips" "$T/mips/test-disk" >/dev/null); then
		table4() { qemu-mips-static "$T/mips/test-disk" table "$1"; }
		is 'GPT: the same where the high byte is first' "$(table gpt)" \
			"$(table4 gpt | sed -e 's/^2 linux/2 root/' -e "s/^4 other/4 $usr/")"
		is 'MBR: the same there' "$(table dos)" "$(table4 dos)"
		ok 'and holes' sh -c "qemu-mips-static '$T/mips/test-disk' raw out4 <plain && cmp plain out4"
		[ ! -e packed.qcow2 ] || ok 'and qcow2' sh -c "qemu-mips-static '$T/mips/test-disk' qcow2 packed.qcow2 out4 && cmp seed out4"
	else
		skip 'GPT: the same where the high byte is first' 'no qemu-mips-static or no toolchain for it'
	fi
	head -c 65536 /dev/urandom >junk
	is 'no table' '' "$(table junk)"
else
	skip 'tables' 'no sfdisk, or types are not known here'
fi

# ---- file systems -----------------------------------------------------------------------------

for words in 'ext2 -q' 'ext3 -q' 'ext4 -q' 'btrfs -q' 'xfs -q' 'f2fs -q' 'vfat' 'vfat -F32' 'minix' 'minix -3'; do
	fs=${words%% *}
	rm -f fs
	truncate -s 310M fs
	[ "$words" != minix ] || truncate -s 20M fs
	# shellcheck disable=SC2086 # words
	if command -v mkfs.$fs >/dev/null && mkfs.${words} fs >/dev/null 2>&1; then
		is "$words is told by its superblock" "$fs" "$("$DISK" fs fs)"
		is "and is no table" '' "$(table fs)"
		rm -f moved && dd if=fs of=moved bs=1048576 seek=5 count=1 status=none
		is "where a partition begins as well" "$fs" "$("$DISK" fs moved $((5 * M)))"
	else
		skip "$words is told by its superblock" "no mkfs.$fs"
	fi
done
rm -f fs moved
mkdir files && echo word >files/word
for make in 'squashfs mksquashfs files fs -noappend -quiet' 'erofs mkfs.erofs fs files' 'cramfs mkfs.cramfs files fs' 'swap mkswap fs'; do
	rm -f fs
	[ "${make%% *}" != swap ] || (umask 077 && head -c 1000000 /dev/zero >fs)
	command -v "$(echo "$make" | awk '{ print $2 }')" >/dev/null || { skip "${make%% *}" 'no program for it'; continue; }
	${make#* } >/dev/null 2>&1
	is "${make%% *} is told" "${make%% *}" "$("$DISK" fs fs)"
done
is 'noise is not' unknown "$("$DISK" fs noise)"
is 'nor is nothing' unknown "$(: >empty && "$DISK" fs empty)"

# ---- loop devices -------------------------------------------------------------------------------

bound() { cat /sys/block/loop*/loop/backing_file 2>/dev/null | grep -cF "${T##*/}/"; }
nothing_bound() { [ "$(bound)" = 0 ]; }
truncate -s 20M disk
if [ "$(id -u)" != 0 ] || ! "$DISK" loop disk 0 0 ro true >/dev/null 2>&1; then
	skip 'loop devices' 'there are none'
	done_testing
fi
dd if=noise of=disk bs=4096 seek=100 conv=notrunc status=none
for deny in '' loop_configure; do
	with=${deny:+, without }$deny
	NSPAWN_LITE_DENY=$deny
	export NSPAWN_LITE_DENY
	like "all of a file$with" "/dev/loop* $((20 * M)) ro" "$("$DISK" loop disk 0 0 ro true)"
	like "a part of it$with" '/dev/loop* 8192 rw' "$("$DISK" loop disk 409600 8192 rw true)"
	# shellcheck disable=SC2016 # for a shell inside
	is "with what is in it$with" "$(head -c 8192 noise | cksum)" "$("$DISK" loop disk 409600 8192 ro sh -c 'cksum <$LOOP' | tail -n 1)"
	wait_for nothing_bound
	is "and nothing is bound after$with" 0 "$(bound)"
	"$DISK" loop disk 0 0 ro sh -c "kill -9 \$PPID" >/dev/null 2>&1
	wait_for nothing_bound
	is "nor when it was killed$with" 0 "$(bound)"
	i=0
	mkfifo hold
	while [ $i -lt 20 ]; do
		"$DISK" loop disk 4096 8192 ro sh -c 'read x <hold' >loop.$i 2>&1 &
		i=$((i + 1))
	done
	all_there() { [ "$(cat loop.* | wc -l)" = 20 ]; }
	wait_for all_there
	is "twenty at once have one each$with" 20 "$(grep -h '^/dev/loop[0-9]* 8192 ro$' loop.* | sort -u | wc -l)"
	i=0
	exec 3<>hold
	while [ $i -lt 20 ]; do
		echo >&3
		i=$((i + 1))
	done
	wait
	exec 3>&-
	rm -f hold loop.*
	wait_for nothing_bound
	is "and nothing is bound after them$with" 0 "$(bound)"
done
unset NSPAWN_LITE_DENY
chmod 400 disk
like 'a file that was opened to be read gives a device that is' '/dev/loop* ro' "$("$DISK" loop disk 0 0 ro true)"
# a /dev without nodes, as in a bare initramfs
if unshare -m true 2>/dev/null; then
	# shellcheck disable=SC2016 # for a shell inside
	run unshare -m sh -c 'mount -t tmpfs tmpfs /dev && "$0" loop disk 0 0 ro ls -A /dev' "$DISK"
	like 'where /dev is empty one is found too, and it stays so' "/proc/self/fd/* $((20 * M)) ro" "$out$err"
else
	skip 'where /dev is empty one is found too' 'no namespaces'
fi
wait_for nothing_bound
is 'nothing is bound at the end' 0 "$(bound)"
done_testing
