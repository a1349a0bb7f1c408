#!/bin/sh
# Import and export: verbs, messages, round trips with others' programs, transfers that run, and what stays of one that does not
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"

need_root
need flock bsdtar getfattr setfattr getfacl setfacl setcap busybox xz zstd bzip2
store=$T/root/var/lib/machines
mkdir -p "$store"
work=$T/work
mkdir "$work"

names() {
	/usr/bin/find "$1" -mindepth 1 -maxdepth 1 | sed 's|.*/||' | sort | paste -sd ' ' -
}

# listing DIR : all that a tree is, in one order: what each file is and holds, its names, attributes, ACLs, capabilities
listing() {
	(
		cd "$1" || exit
		bsdtar -cf - --format=mtree --options='mtree:!all,type,mode,uid,gid,size,time,link,nlink,sha256,device' . |
			grep -v 'type=socket' | sort
		getfattr -R -h -d -m - -e hex . 2>/dev/null
		/usr/bin/find . -type f -links +1 -printf '%i %p\n' | sort -k2 |
			/usr/bin/awk '{ f = ($1 in first) ? first[$1] : first[$1] = $2; print "twin", $2, f }'
	)
}

# A tree with one of each, and names that are not easy
make_tree() {
	mkdir -p "$1/etc" "${1:?}/usr/lib" "$1/var/empty" "$1/tmp"
	echo 'ID=test' >"$1/usr/lib/os-release"
	ln "$1/usr/lib/os-release" "$1/etc/second"
	ln "$1/usr/lib/os-release" "$1/etc/third"
	ln -s ../usr/lib/os-release "$1/etc/os-release"
	ln -s "$(printf 'long%.0s' $(seq 60))" "$1/etc/long"
	mkfifo -m 600 "$1/var/fifo"
	mknod "$1/var/null" c 1 3
	mknod "$1/var/loop" b 7 300
	ln "$1/var/null" "$1/var/null2"
	truncate -s 9M "$1/var/sparse"
	printf middle | dd of="$1/var/sparse" bs=1 seek=5000000 conv=notrunc 2>/dev/null
	truncate -s 3M "$1/var/hole"
	head -c 300000 /dev/urandom >"$1/var/data"
	: >"$1/var/none"
	setfattr -n user.note -v 'a=b' "$1/var/data"
	setfattr -n user.empty "$1/var/data"
	setfattr -n user.large -v "$(printf 'v%.0s' $(seq 2000))" "$1/var/none"
	setfattr -n trusted.t -v x "$1/var/empty"
	setfacl -m u:7:rw,g:9:r "$1/var/data"
	setfacl -d -m u:8:rx "$1/var/empty"
	cp /bin/true "$1/usr/true"
	setcap cap_net_raw+ep "$1/usr/true"
	chown 4000000000:3000000 "$1/var/none"
	chmod 4755 "$1/usr/true"
	setcap cap_net_raw+ep "$1/usr/true"
	chmod 1777 "$1/tmp"
	mkdir -p "$1/$(printf 'd%.0s/' $(seq 200))"
	mkdir -p "$1/$(printf 'directory-with-a-longer-name/%.0s' $(seq 12))"
	echo deep >"$1/$(printf 'directory-with-a-longer-name/%.0s' $(seq 12))file"
	echo odd >"$1/$(printf 'new\nline')"
	echo odd >"$1/$(printf '\377\376')"
	echo odd >"$1/ leading blank"
	echo odd >"$1/=eq"
	/usr/bin/touch -d '1960-01-02 03:04:05.678' "$1/etc/second"
	/usr/bin/touch -d '2200-01-02 03:04:05.678901234' "$1/var/none"
	/usr/bin/touch -h -d '2001-02-03 04:05:06.5' "$1/etc/long"
	/usr/bin/touch -d '2002-02-03 04:05:06' "$1/var" "$1"
}

# ---- words ---------------------------------------------------------------------------

run "$NL" export-tar nobody "$work/x.tar"
is "what is not there is not exported" "1 " "$rc $(names "$work")"
like "and it is named" "*No image 'nobody'*" "$err"
make_tree "$store/one"
run "$NL" export-tar one "$work/x.tar" --format=rar
like "a format that is none is refused" "*--format=rar: not one of: uncompressed gzip xz bzip2 zstd*" "$err"
run "$NL" export-tar one "$work/x.tar" --level=10
like "so is a level" "*--level=10*1 to 9*" "$err"
run "$NL" export-raw one "$work/x.raw"
like "a tree is no disk image" "*'one' is of type directory*Operation not supported*" "$rc $err"
is "none of these made a file" "" "$(names "$work")"
out=$("$PTY" /dev/null -- "$NL" export-tar one 2>&1)
like "an archive is not written to a terminal" "*is a terminal*" "$out"
for name in -x .. a/b "$(printf 'x%.0s' $(seq 65))"; do
	run "$NL" import-tar - -- "$name"
	like "no machine is called $name" "*ocal name $name is not a suitable machine name.*" "$rc $err"
done
run "$NL" import-tar -
like "standard input gives no name" "*NAME*" "$rc $err"
run "$NL" import-tar "$work"
like "a directory is no archive" "*is a directory*" "$err"
# what people take for an archive, or a disk: VERB FILE HEAD WORDS
while read -r verb file head words; do
	# shellcheck disable=SC2059 # it has escapes
	printf "$head" >"$work/$file"
	run "$NL" "$verb" "$work/$file" what
	is "$verb of $file" "1 nspawn-lite: $work/$file: it is $words" "$rc $(echo "$err" | tail -n 1)"
	rm "$work/$file"
done <<'END'
import-tar a.zip PK\003\004 a zip archive: unpack it first
import-tar a.lz4 \004\042\115\030 packed with lz4: unpack it first
import-tar a.deb !<arch>\n a package, not a tree: debootstrap and the like make one of packages
import-tar a.qcow2 QFI\373 a qcow2 image: import-raw and pull-raw take those
import-tar a.squashfs hsqs a disk image: import-raw and pull-raw take those
import-tar a.html \n<html><body> a web page, such as one that asks for a login: look at it in a browser
import-raw a.html <!DOCTYPE\040html> a web page, such as one that asks for a login: look at it in a browser
import-raw a.vmdk KDMV a VMDK disk: make a raw image of it with qemu-img convert
END
tar -C "$store" -cf "$work/t.tar" one
run "$NL" import-raw "$work/t.tar" what
like "a tree is for import-tar" '1 *: it is a tar archive: import-tar and pull-tar take those' "$rc $err"
mkdir "$work/layers"
echo '{}' >"$work/layers/oci-layout"
tar -C "$work/layers" -cf "$work/t.tar" .
run "$NL" import-tar "$work/t.tar" what
like "layers are no tree" '1 *: it holds an image in layers: import-oci takes those' "$rc $err"
rm -r "$work/layers" "$work/t.tar"
is "none of these became an image" one "$(names "$store")"
run "$NL" import-tar "$work/none.tar"
like "nor what is not there" "*none.tar*No such file*" "$err"
run "$NL" import-tar - empty </dev/null
is "nothing makes no image" 1 "$rc"

# ---- out ------------------------------------------------------------------------------

run "$NL" export-tar one "$work/one.tar"
is "an image is exported" "0 " "$rc $out"
is "which is told as the original does" "Exporting '$store/one', saving to '$work/one.tar' with compression 'uncompressed'.
Operation completed successfully.
Exiting." "$err"
run "$NL" export-tar -q one "$work/quiet.tar"
is "or not at all" "0 " "$rc $out$err"
is "the same tree makes the same archive" "$(sha256sum <"$work/one.tar")" "$(sha256sum <"$work/quiet.tar")"
"$NL" export-tar -q one >"$work/out.tar"
is "also on standard output" "$(sha256sum <"$work/one.tar")" "$(sha256sum <"$work/out.tar")"
"$NL" export-tar -q one - | cat >"$work/out.tar"
is "and through a pipe" "$(sha256sum <"$work/one.tar")" "$(sha256sum <"$work/out.tar")"
ln -s one.tar "$work/link.tar"
"$NL" export-tar -q one "$work/link.tar"
is "a link to a file stays one" "one.tar" "$(readlink "$work/link.tar")"
ok "a device is written straight" "$NL" export-tar -q one /dev/null
ok "and stays one" test -c /dev/null
ok "holes are not written" test "$(wc -c <"$work/one.tar")" -lt 1500000
is "nothing half-made is left" "link.tar one.tar out.tar quiet.tar" "$(names "$work")"

listing "$store/one" >"$T/want"
grep -v var/null "$T/want" >"$T/want.null"
for with in gz:gzip xz:xz bz2:bzip2 zst:zstd; do
	"$NL" export-tar -q one "$work/one.tar.${with%:*}"
	is "the name says ${with#*:}" "$(sha256sum <"$work/one.tar")" "$("${with#*:}" -dc "$work/one.tar.${with%:*}" | sha256sum)"
	"$NL" export-tar -q one - --format="${with#*:}" >"$work/f"
	ok "and so does --format" "${with#*:}" -t "$work/f"
done
"$NL" export-tar -q one "$work/fast.tar.gz" --level=1
"$NL" export-tar -q one "$work/small.tar.gz" --level=9
ok "levels are there" test "$(wc -c <"$work/fast.tar.gz")" -gt "$(wc -c <"$work/small.tar.gz")"

run flock -x "$store/one" "$NL" export-tar -q one "$work/busy.tar"
like "one in use is exported, with a line" "0 *one is in use: *" "$rc $err"
rm -f "$work/busy.tar"

mkdir "$T/gnu" "$T/bsd" "$T/box"
/usr/bin/tar --xattrs --xattrs-include='*' --acls -xpf "$work/one.tar" -C "$T/gnu" 2>"$T/log"
listing "$T/gnu" >"$T/got"
ok "GNU tar finds all in it" cmp "$T/want" "$T/got"
bsdtar -xpf "$work/one.tar" -C "$T/bsd" --xattrs --acls 2>"$T/log"
# It takes no trusted attributes, nor a time before 1970 with a fraction, nor what the top directory has
common() {
	grep -v -e '^trusted\.' -e '^\. ' | sed 's/time=-[^ ]*//'
}
listing "$T/bsd" | common >"$T/got"
common <"$T/want" >"$T/want.bsd"
ok "bsdtar finds all in it" cmp "$T/want.bsd" "$T/got"
busybox tar -xzpf "$work/fast.tar.gz" -C "$T/box" 2>"$T/log"
is "busybox reads it, too" "ID=test" "$(cat "$T/box/etc/third")"

# ---- in --------------------------------------------------------------------------------

run "$NL" import-tar "$work/one.tar.gz" two
is "an archive becomes an image" "0 " "$rc $out"
is "which is told as the original does" "Enqueued transfer job 1. Press C-c to stop it.
Importing '$work/one.tar.gz', saving as 'two'.
Operation completed successfully.
Exiting." "$err"
listing "$store/two" >"$T/got"
ok "it is what was exported, to the last attribute" cmp "$T/want" "$T/got"
is "holes are holes" "$(stat -c %b "$store/one/var/sparse")" "$(stat -c %b "$store/two/var/sparse")"
run "$NL" import-tar "$work/one.tar.gz" two
like "an image is not overwritten" "*Image 'two' already exists.*" "$rc $err"
is "nothing half-made is left" "one two" "$(names "$store")"
for with in tar tar.xz tar.bz2 tar.zst; do
	ln -f "$work/one.$with" "$work/by-$$.$with"
	ok "$with is imported" "$NL" import-tar -q "$work/by-$$.$with"
	listing "$store/by-$$" >"$T/got"
	ok "by the name of its file" cmp "$T/want" "$T/got"
	rm -rf "$store/by-$$" "$work/by-$$.$with"
done
cp "$work/one.tar.xz" "$work/lie.tar.gz"
ok "what it is packed with is told by what it is" "$NL" import-tar -q "$work/lie.tar.gz" lie
"$NL" export-tar -q one - --format=gzip | "$NL" import-tar -q - piped
listing "$store/piped" >"$T/got"
ok "from pipe to pipe" cmp "$T/want" "$T/got"
for with in '/usr/bin/tar --xattrs --xattrs-include=* --acls --sparse --format=pax' '/usr/bin/tar --format=gnu' 'bsdtar' 'busybox tar'; do
	$with -cf "$work/peer.tar" -C "$store/one" . 2>"$T/log"
	ok "what $with made is imported" "$NL" import-tar -q --force "$work/peer.tar"
	is "with its links" "3 ID=test" "$(stat -c %h "$store/peer/etc/second") $(cat "$store/peer/etc/second")"
	case $with in
	*pax*)	listing "$store/peer" | grep -v var/null >"$T/got"
		ok "and all else but links to devices" cmp "$T/want.null" "$T/got" ;;
	esac
done
echo old >"$store/peer/mark"
ok "--force takes the place of one" "$NL" import-tar -q --force "$work/peer.tar"
ok "and that is gone" test ! -e "$store/peer/mark"
is "no trace of it" "lie one peer piped two" "$(names "$store")"

mkdir "$T/above" && cp -a "$store/one" "$T/above/rootfs"
chown 5:6 "$T/above/rootfs" && chmod 751 "$T/above/rootfs"
mkdir "$T/above/rootfs/rootfs"
/usr/bin/tar -cf "$work/nested.tar" -C "$T/above" rootfs
ok "a tree in a directory of its own" "$NL" import-tar -q "$work/nested.tar"
is "is moved up, whatever is in it" "5:6 751 directory ID=test" \
	"$(stat -c '%u:%g %a' "$store/nested") $(stat -c %F "$store/nested/rootfs") $(cat "$store/nested/usr/lib/os-release")"
mkdir -p "$T/only/usr/bin" "$T/only/usr/etc" && /usr/bin/tar -cf "$work/usr.tar" -C "$T/only" usr
"$NL" import-tar -q "$work/usr.tar"
is "but usr is a tree with one directory" "bin etc" "$(names "$store/usr/usr")"
/usr/bin/tar -cf "$work/void.tar" -T /dev/null
run "$NL" import-tar "$work/void.tar"
like "an archive of nothing is no image" "*void.tar*" "$rc $err"
head -c 100000 "$work/one.tar.gz" >"$work/cut.tar.gz"
run "$NL" import-tar "$work/cut.tar.gz"
is "nor is one that was cut" 1 "$rc"
is "they leave nothing" "lie nested one peer piped two usr" "$(names "$store")"
rm -rf "$store/nested" "${store:?}/usr" "$store/lie" "$store/piped" "$store/peer"

ok "a directory is imported" "$NL" import-fs -q "$store/one" three
listing "$store/three" | grep -v var/null >"$T/got"
ok "as it is, but for links to devices" cmp "$T/want.null" "$T/got"
run "$NL" import-fs "$T/root" whole
like "but not into itself" "*--image-root*" "$rc $err"

# ---- disks --------------------------------------------------------------------------------

truncate -s 20M "$T/disk"
printf data | dd of="$T/disk" bs=1 seek=10000000 conv=notrunc 2>/dev/null
gzip -c "$T/disk" >"$work/disk.raw.gz"
ok "a disk image is imported" "$NL" import-raw -q "$work/disk.raw.gz"
ok "as it was" cmp "$T/disk" "$store/disk.raw"
ok "with holes" test "$(stat -c %b "$store/disk.raw")" -lt 1000
ok "and exported" "$NL" export-raw -q disk "$work/again.raw"
ok "as it was" cmp "$T/disk" "$work/again.raw"
ok "with holes" test "$(stat -c %b "$work/again.raw")" -lt 1000
"$NL" export-raw -q disk - --format=zstd | zstd -dc >"$work/again.raw"
ok "also packed, to a pipe" cmp "$T/disk" "$work/again.raw"
if command -v qemu-img >/dev/null; then
	qemu-img convert -f raw -O qcow2 -c "$T/disk" "$work/q.qcow2"
	ok "qcow2 is imported" "$NL" import-raw -q "$work/q.qcow2"
	ok "as what is in it" cmp "$T/disk" "$store/q.raw"
	gzip -c "$work/q.qcow2" | "$NL" import-raw -q - piped
	ok "from a pipe, too" cmp "$T/disk" "$store/piped.raw"
	is "nothing half-made is left" "disk.raw one piped.raw q.raw three two" "$(names "$store")"
else
	skip "qcow2 is imported" "no qemu-img"
fi
if command -v mksquashfs >/dev/null; then
	mksquashfs "$store/one/etc" "$work/s.img" -quiet -no-progress >/dev/null
	ok "squashfs is imported" "$NL" import-raw -q "$work/s.img"
	ok "under its own name" cmp "$work/s.img" "$store/s.squashfs"
else
	skip "squashfs is imported" "no mksquashfs"
fi
rm -f "$store"/*.raw "$store"/*.squashfs

# ---- those that run ------------------------------------------------------------------------

is "nothing runs" "No transfers." "$("$NL" list-transfers)"
run "$NL" cancel-transfer 1
like "nothing can be stopped" "*No transfer 1.*" "$rc $err"
mkfifo "$work/in" "$work/out"
"$NL" import-tar -q "$work/in" slow 2>"$T/slow.err" &
slow=$!
exec 7>"$work/in"
head -c 200000 "$work/one.tar" >&7
"$NL" export-tar -q one "$work/out" 2>"$T/export.err" &
export=$!
exec 8<"$work/out"
# shellcheck disable=SC2317 # by wait_for
two_run() {
	[ "$("$NL" list-transfers --no-legend | wc -l)" = 2 ]
}
ok "those that run are listed" wait_for two_run
is "by where they go" "ID PERCENT TYPE LOCAL REMOTE
export-tar one $work/out
import-tar slow $work/in

2 transfers listed." "$("$NL" list-transfers | sed -e 's/^ *[0-9][0-9]* *[-0-9%]* *\([ei]\)/\1/' -e 's/  */ /g' -e 's/^ //')"
ln -sf "$NL" "$T/importctl"
is "importctl has columns of its own" "ID PROGRESS TYPE CLASS LOCAL REMOTE export-tar machine one" \
	"$("$T/importctl" list | /usr/bin/awk 'NR == 1 { $1 = $1; print } NR == 2 { print $3, $4, $5 }' | xargs)"
like "for programs, too" '*"type":"export-tar","local":"one","remote":"'"$work/out"'"*' "$("$NL" list-transfers -j)"
id=$("$NL" list-transfers --no-legend | /usr/bin/awk '$4 == "slow" { print $1 }')
ok "one is stopped" "$NL" cancel-transfer "$id"
wait "$slow"
is "it has failed" 1 "$?"
like "and says why" "*stopped by a signal*" "$(cat "$T/slow.err")"
exec 7>&-
is "it leaves nothing" "one three two" "$(names "$store")"
is "the other runs on" "export-tar one" "$("$NL" list-transfers --no-legend | /usr/bin/awk '{ print $3, $4 }')"
cat <&8 >"$work/late.tar"
exec 8<&-
wait "$export"
is "to its end" "0 $(sha256sum <"$work/one.tar")" "$? $(sha256sum <"$work/late.tar")"
"$NL" export-tar -q one "$work/out" &
export=$!
exec 8<"$work/out"
wait_for sh -c "[ -e '$T/root/run/nspawn-lite/.transfer.1' ]"
kill -9 "$export"
wait "$export" 2>/dev/null
exec 8<&-
is "one that was killed is not listed" "No transfers." "$("$NL" list-transfers)"
is "nor is its file there" "" "$(names "$T/root/run/nspawn-lite")"

for signal in INT TERM HUP; do
	# a shell's background processes ignore SIGINT, and those of nohup(1) SIGHUP
	/usr/bin/env --default-signal=INT,HUP "$NL" import-tar -q - slow <"$work/in" 2>"$T/slow.err" &
	slow=$!
	exec 7>"$work/in"
	head -c 200000 "$work/one.tar" >&7
	wait_for sh -c "[ -e '$T/root/run/nspawn-lite/.transfer.1' ]"
	kill -"$signal" "$slow"
	wait "$slow"
	is "SIG$signal ends an import with a sentence" "1 1" "$? $(wc -l <"$T/slow.err")"
	exec 7>&-
done
is "they leave nothing" "one three two" "$(names "$store")"
rm "$work/out"
run sh -c "'$NL' export-tar -q one - | true"
unlike "a reader that goes away is no silence" "" "$err"

printf 'x%.0s' $(seq 100) >"$work/left.tar"
cp "$work/left.tar" "$work/.#left.tar.tmp"
ok "an export takes what one before it left" "$NL" export-tar -q one "$work/left.tar"
is "and is whole" "$(sha256sum <"$work/one.tar")" "$(sha256sum <"$work/left.tar")"
ok "and alone" test ! -e "$work/.#left.tar.tmp"

# ---- for a person --------------------------------------------------------------------------

# A second must go by until there is something to tell: a byte at a time, as long as nothing is told
trickle() {
	head -c 100000 "$work/one.tar"
	at=100000
	until grep -q "$1" "$T/told" || [ "$at" -gt 100300 ]; do
		tail -c +$((at + 1)) "$work/one.tar" | head -c 1
		at=$((at + 1))
		sleep 0.1 2>/dev/null || sleep 1
	done
	tail -c +$((at + 1)) "$work/one.tar"
}
: >"$T/told"
trickle Imported | "$NL" import-tar - told --progress=yes 2>"$T/told"
is "progress is told when it is asked for" "Imported 97.6K." "$(grep Imported "$T/told" | head -n 1)"
rm -rf "$store/told"
"$NL" export-tar -q one "$work/none/one.tar" 2>"$T/log"
is "no directory, no export" 1 "$?"

# ---- little room ----------------------------------------------------------------------------

mkdir "$T/small"
mount -t tmpfs -o size=4m,nr_inodes=60 small "$T/small"
run "$NL" import-tar --image-root="$T/small" "$work/one.tar.gz" full
is "no inodes left: no image" "1 " "$rc $(names "$T/small")"
like "and it is said" "*one.tar.gz*" "$err"
mount -o remount,nr_inodes=10000,size=200k "$T/small"
run "$NL" import-tar --image-root="$T/small" "$work/one.tar.gz" full
is "no space left: no image" "1 " "$rc $(names "$T/small")"
run "$NL" export-tar one "$T/small/one.tar"
is "nor an archive" "1 " "$rc $(names "$T/small")"
like "and it is said" "*No space left*" "$err"
umount "$T/small"

leftovers_before
"$NL" export-tar -q one /dev/null
leftovers_after "an export leaves nothing"

# ---- a whole system ---------------------------------------------------------------------------

if debian=$("$TESTDIR/trees" systemd 2>"$T/log") && [ -d "$debian/var/lib/dpkg" ]; then
	"$NL" export-tar -q --image-root="${debian%/*}" systemd - | "$NL" import-tar -q - debian
	listing "$debian" >"$T/want"
	listing "$store/debian" >"$T/got"
	ok "a whole Debian is the same after a round trip" cmp "$T/want" "$T/got"
	rm -rf "$store/debian"

	# What it takes at most, before it knows that it is through; GNU tar's bytes, as nobody waits for those of two
	mkfifo "$work/in2"
	"$NL" import-tar -q --no-sync "$work/in2" debian &
	import=$!
	exec 7>"$work/in2"
	/usr/bin/tar cf - -C "$debian" . 2>/dev/null | gzip -1 >&7
	in=$(/usr/bin/awk '$1 == "VmHWM:" { print $2 }' "/proc/$import/status")
	exec 7>&-
	wait "$import"
	is "the same, from a pipe" "0 $(/usr/bin/find "$debian" ! -type s | wc -l)" "$? $(/usr/bin/find "$store/debian" | wc -l)"
	"$NL" export-tar -q debian "$work/in2" &
	export=$!
	exec 8<"$work/in2"
	head -c 100000000 <&8 >/dev/null
	out=$(/usr/bin/awk '$1 == "VmHWM:" { print $2 }' "/proc/$export/status")
	cat <&8 >/dev/null
	exec 8<&-
	wait "$export"
	ok "it took less than 4 MB of memory ($in KB in, $out KB out)" test "${in:-9999}" -lt 4096 -a "${out:-9999}" -lt 4096
	rm -rf "$store/debian"
else
	skip "a whole Debian is the same after a round trip" "no tree: $(tail -n 1 "$T/log")"
fi

done_testing
