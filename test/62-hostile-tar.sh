#!/bin/sh
# Archives that are no friends: whatever they hold, nothing is touched beside the tree, memory and time stay small, and
# what cannot be is one sentence.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root

# A shell's own may not know how to remove what is deep
for real_rm in /bin/rm /usr/bin/rm; do
	"$real_rm" --version 2>/dev/null | grep -q GNU && break
	real_rm=''
done
[ -z "$real_rm" ] || rm() { "$real_rm" "$@"; }

untar=$(program untar)
same=$(program same)
evil=$(program evil)
v=$T/h/victim

# fresh : what shall stay as it is, beside where archives go
fresh() {
	umount "$T/h/out" 2>/dev/null
	rm -rf "$T/h"
	mkdir -p "$v/dir" "$T/h/out"
	echo mine >"$v/file"
	echo mine >"$v/dir/inner"
	chmod 700 "$v"
	"$same" "$v" >"$T/want"
}

# took [-w] WORD... : an archive goes in; out, err, rc, and changed, if what is beside did
took() {
	layer=''
	[ "$1" != -w ] || { layer=$1 && shift; }
	"$evil" "$@" >"$T/evil.tar" || exit
	took_file "$T/evil.tar"
}

took_file() {
	# shellcheck disable=SC2016,SC2086 # for the other shell; one word or none
	run timeout 60 sh -c 'ulimit -v 30000 2>/dev/null; exec "$@" <"$0"' "$1" "$untar" $layer "$T/h/out"
	changed=$("$same" "$v" | cmp - "$T/want" 2>&1)$(find "$T/h" -mindepth 1 -maxdepth 1 ! -name out ! -name victim)
}

# refused NAME PATTERN WORD... : with one sentence
refused() {
	name=$1
	pattern=$2
	shift 2
	fresh
	took "$@"
	# shellcheck disable=SC2254 # a pattern
	case $err in $pattern) err=right ;; esac
	is "$name" "1 right " "$rc $err $changed"
}

# taken NAME TREE WORD... : names and kinds of what there is then
taken() {
	name=$1
	tree=$2
	shift 2
	fresh
	took "$@"
	is "$name" "0  $tree" "$rc $err$changed $("$same" -tomxhi "$T/h/out" | sed 1d | cut -d' ' -f1,2 | tr '\n' ' ' | sed 's/ $//')"
}

leftovers_before

# ---- out of the tree -------------------------------------------------------
taken 'an absolute name is one in the tree' 'victim d victim/file -' file /victim/file x
taken 'names are made clean' 'a d a/b -' file .//./a/.///b x
refused '".." as the first' '*"..", which might lead out' file ../victim/new x
refused '".." in the middle' '*a/../../victim/new*".."*' file a/../../victim/new x
refused '".." at the end' '*".."*' dir a/.. 0755
refused '".." behind an absolute name' '*".."*' file /../victim/new x
refused '".." in a pax path' '*".."*' pax path ../victim/new file a x
refused '".." in a GNU name' '*".."*' long L 1 ../victim/new file a x
refused 'through a link made earlier' '*l/new: above it*' link l "$v" file l/new x
refused 'through a relative link' '*l/new: above it*' link l ../victim file l/new x
refused 'through a link to the tree itself' '*above it*' link l . file l/new x
refused 'through a chain of links' '*above it*' dir d 0755 link d/l ../../victim link m d/l file m/new x
refused 'through a link deep down' '*above it*' file a/b/c/d/e x link a/b/c/l /victim file a/b/c/l/x/y x
refused 'through a file' '*above it*' file a x file a/b x
refused 'a directory through a link' '*above it*' link l "$v" dir l/dir 0777
refused 'a link through a link' '*above it*' link l "$v" link l/dir x
taken 'a directory in place of a link is one' 'l d l/new -' link l "$v" dir l 0777 file l/new x
taken 'a file in place of a link' 'l -' link l "$v/file" file l evil
taken 'a device in place of a link' 'l c' link l "$v/file" dev l
taken 'a link in place of an empty directory: what the directory was to be like is not told to what it leads to' 'd l' \
	dir d 0777 link d "$v"
taken 'a FIFO is not opened' 'p -' fifo p file p x
taken 'a device is not opened' 'd -' dev d file d x
taken 'a link that leads out is kept as it is' 'l l' link l ../../../../etc/passwd
refused 'a hard link out' '*".."*' hard h ../victim/file
refused 'an absolute hard link' '*not in the archive before it' hard h "$v/file"
refused 'a hard link through a link' '*not in the archive before it' link l "$v" hard h l/file
refused 'a hard link to a directory' '*a directory' dir d 0755 hard h d
refused 'a hard link to nothing' '*not in the archive*' hard h ''
refused 'a hard link to itself' '*not in the archive*' hard h h
taken 'a hard link to itself, which is there' 'h -' file h x hard h h
taken 'a hard link to a link is a link, and gone when a file takes its name' 'k - l l' link l "$v/file" hard k l file k evil
refused 'a file that is the tree' '*the tree itself*' file . x
refused 'a file that is the tree' '*the tree itself*' link . "$v"
refused 'no name' '*no name' file '' x
refused 'a file in place of a full directory' '*something in it already' file d/x x file d x
refused 'a link to nothing at all' '*' link l ''

# ---- whiteouts ---------------------------------------------------------------
refused 'a whiteout of "."' '*names nothing' -w file d/x x file d/.wh.. ''
refused 'a whiteout of ".."' '*names nothing' -w file d/x x file d/.wh... ''
refused 'a whiteout of no name' '*names nothing' -w file .wh. ''
taken 'a whiteout through a link' 'l l' -w link l "$v" file l/.wh.file ''
taken 'all hidden through a link' 'l l' -w link l "$v" file l/.wh..wh..opq ''
taken 'notes of AUFS' '' -w file .wh..wh.x '' file .wh..wh.plnk ''
taken 'whiteouts of what is not there' 'a -' -w file a x file b/.wh.c '' file .wh.d '' file e/.wh..wh..opq ''
fresh
mkdir "$T/h/out/d" && ln -s "$v" "$T/h/out/d/l" && ln -s "$v" "$T/h/out/m"
took -w file d/new x file d/.wh..wh..opq '' file .wh.m ''
is 'what is hidden and leads out is not followed' '0  d d d/new -' "$rc $err$changed $("$same" -tomxhi "$T/h/out" |
	sed 1d | cut -d' ' -f1,2 | tr '\n' ' ' | sed 's/ $//')"
taken 'without being a layer they are files' '.wh.a -' file .wh.a x

# ---- what cannot be read -------------------------------------------------------
layer=''
fresh
: >"$T/evil.tar"
took_file "$T/evil.tar"
is 'an empty archive' "1 untar: it is empty " "$rc $err $changed"
echo 'a text' >"$T/evil.tar"
took_file "$T/evil.tar"
is 'a text' '1 untar: it is no tar archive ' "$rc $err $changed"
refused 'bytes' '*it is no tar archive' bytes 5120
refused 'a wrong sum, first' '*it is no tar archive' sum file a x
refused 'a wrong sum' 'untar: its header at byte 1024 is damaged' file a x sum file b x
refused 'a wrong sum behind zeros' '*damaged' file a x end bytes 512
taken 'a sum of signed bytes' '\303\251 -' file '\303\251' x
"$evil" file a 0123456789 file b/c x pax path long link d e >"$T/whole.tar"
size=$(wc -c <"$T/whole.tar")
bad=''
for cut in 1 511 513 520 1023 1025 1700 2049 2600 3073 3100; do
	[ "$cut" -lt "$size" ] || bad="$bad short"
	head -c "$cut" "$T/whole.tar" >"$T/evil.tar"
	fresh
	took_file "$T/evil.tar"
	case $rc:$err in 1:*'ends too early' | 1:*'no tar archive') ;; *) bad="$bad $cut: $rc $err" ;; esac
done
is 'cut anywhere but between blocks' '' "$bad"
refused 'a size that is not there' '*a: no room for it*' pax size 900000000000000000 file a x
refused 'a size that is not there' '*ends too early' raw 0 a 00000100000 xx
refused 'a size of letters' '*cannot be read' raw 0 a 0000000zz xx
refused 'a size in base 256, too large' '*cannot be read' raw 0 a '\200\377\377\377\377\377\377\377\377\377\377\377' ''
refused 'a size in base 256, the largest' '*no file has' raw 0 a '\200\000\000\000\177\377\377\377\377\377\377\377' ''
refused 'a size below zero' '*below zero' raw 0 a '\377\377\377\377\377\377\377\377\377\377\377\000' ''
refused 'a pax size that is too large' '*cannot be read*' pax size 99999999999999999999 file a x
refused 'a pax size of the largest' '*no file has' pax size 9223372036854775799 file a x
refused 'a pax owner that is too large' '*cannot be read*' pax uid 4294967295 file a x
refused 'a pax owner below zero' '*cannot be read*' pax uid -1 file a x
refused 'a pax time of letters' '*a time that cannot be read' pax mtime soon file a x
for text in '0 a=b\012' '99999 path=x\012' 'path=x\012' '7 a=b' '3 =\012' '99999999999999999999999 a=b\012' \
	'6 ab=\012xx' '9 abcdef\012' '7\011a=b\012' '-7 a=b\012' '9 a\000b=c\012x'; do
	refused "no record of pax: $text" '*an extended header that cannot be read' raw x p "$(
		printf '%011o' "$(printf '%b' "$(echo "$text" | sed 's/\\/\\0/g')" | wc -c)")" "$text" file a x
done
refused 'a zero byte in a path' '*zero byte*' pax path 'a\000b' file a x
refused 'an extended header of 1 GB' '*longer than anything*' raw x p 10000000000 x
refused 'a name of 1 GB' '*longer than anything*' raw L p 10000000000 x
refused 'global headers without end' '*longer than anything*' times 300 raw g @ 00000000024 '20 path=abcdefghijk\012' file a x
refused 'and one that is too long behind many of them' '*longer than anything*' times 200 raw g @ 00000000024 \
	'20 path=abcdefghijk\012' times 300 raw g @ 00000000000 '' raw x p 10000000000 x
taken 'comments without end' 'a -' times 3000 raw g @ 00000000031 '25 comment=abcdefghijklm\012' file a x
taken 'records of sizes that contradict each other: the last' 'a -' pax size 3 pax size 1 file a x
refused 'an archive of several volumes' '*several volumes*' raw M a 00000000001 x
fresh
took raw Q a 00000000001 x raw Q b 00000000001 x file c x
is 'unknown types are left out with one line' "0 untar: a: an entry of the unknown type 'Q'; such ones are left out c -" \
	"$rc $err$changed $("$same" -tomxhi "$T/h/out" | sed 1d | cut -d' ' -f1,2)"
taken 'a label is passed over' 'a -' raw V label 00000000000 '' file a x
taken 'GNU directory with its list' 'd d' raw D d 00000000004 'Yx\000\000'
taken 'a file with a slash is a directory' 'a d b -' file a/ x file b x

# ---- sparse files ---------------------------------------------------------------
sparse='pax GNU.sparse.major 0 pax GNU.sparse.minor 1 pax GNU.sparse.size 100000'
for map in 0,10,5,10 10,5,0,5 99999,2 0,9223372036854775807 9223372036854775807,9223372036854775807 0,1 0,3; do
	# shellcheck disable=SC2086 # words
	refused "a map that contradicts itself: $map" '*map of a sparse file that*' $sparse pax GNU.sparse.map $map file a xx
done
for map in 0 '0,' a,b 0,1,2 0:1; do
	# shellcheck disable=SC2086 # words
	refused "no map: $map" '*a map of a sparse file that*' $sparse pax GNU.sparse.map $map file a x
done
for text in 99999999 '1\0120\012' 'x\012' '99999999999999999999999999\0121\0121\012' '70000\0121\0121\012' '\012' ''; do
	refused "no map before the data: $text" '*a map of a sparse file that*' pax GNU.sparse.major 1 pax GNU.sparse.minor 0 \
		pax GNU.sparse.realsize 1000 pax size 512 file a "$text" end
done
refused 'a form of sparse files that is to come' '*not known' pax GNU.sparse.major 2 pax GNU.sparse.realsize 9 file a x
refused 'a sparse file beyond all files' '*' pax GNU.sparse.major 0 pax GNU.sparse.size 9223372036854775807 pax GNU.sparse.map 0,1 file a x
map=$(awk 'BEGIN { for (i = 0; i < 3000; i++) printf "%s%d,0", i ? "," : "", i }')
taken 'a map of many empty pieces' 'a -' pax GNU.sparse.major 0 pax GNU.sparse.size 100000 pax GNU.sparse.map "$map,9999,1" file a x
refused 'an old map without end' '*' raw S a 00000000001 'x'

# ---- extended attributes ---------------------------------------------------------
fresh
took pax SCHILY.xattr.trusted.overlay.redirect /victim pax SCHILY.xattr.trusted.overlay.opaque y \
	pax SCHILY.xattr.system.other x pax SCHILY.xattr. x file a x
is 'marks of an overlay are left out' '0  a - 0644 1' "$rc $err$changed $("$same" -toh "$T/h/out" | sed 1d | cut -d' ' -f1-4,6 | sed 's/ *$//')"
# shellcheck disable=SC2046 # words
refused 'too many of them' '*more extended attributes*' $(awk 'BEGIN { for (i = 0; i < 4100; i++) print "pax SCHILY.xattr.user." i " x" }') file a x
for acl in rubbish user user: user::rwxq mask:5:rwx; do
	refused "no ACL: $acl" '*an ACL that cannot be read' pax SCHILY.acl.access "$acl" file a x
done
fresh
took pax LIBARCHIVE.xattr.user.%61%zz '=?*!' pax LIBARCHIVE.xattr.user.b YWJj file a x
is 'odd signs of base64' "0 " "$rc $changed"

# ---- too much ------------------------------------------------------------------------
fresh
took long L "$([ -n "$real_rm" ] && echo 30000 || echo 500)" a/ file x x
is 'a tree of 30,000 directories, one in the other' '0 ' "$rc $err$changed"
refused 'a name of a million directories' '*longer than anything*' long L 1000000 a/ file x x
refused 'a name that is too long for a file' '*too long' long L 300 a file x x
if mount -t tmpfs -o size=2m,nr_inodes=200 none "$T/h/out"; then
	took file a x raw 0 b 00040000000 xx
	is 'what is larger than what is free is not begun' '1 ./a' "$rc $(cd "$T/h/out" && echo ./*)"
	like 'and both are told' '*b: no room for it: it has 8388608 bytes, * are free' "$err"
	took times 500 file @ x
	is 'more files than the file system takes' '1 untar: 1' "$rc $(echo "$err" | cut -c1-8)"
	like 'are a sentence' '*no inodes left' "$err"
	umount "$T/h/out"
	mount -t tmpfs -o size=2m none "$T/h/out"
	took times 5000 file @ 0123456789abcdef
	is 'more data than it takes' '1' "$rc"
	like 'is a sentence' '*: no room*' "$err"
	umount "$T/h/out"
else
	skip 'what is larger than what is free is not begun' 'no tmpfs'
fi
if unshare -Ur true 2>/dev/null; then
	fresh
	"$evil" dev a dev b file c x >"$T/evil.tar"
	run unshare -Ur "$untar" "$T/h/out" <"$T/evil.tar"
	is 'where devices may not be made they are left out, with one line' \
		'0 untar: a: we may not make devices here; they are left out c' "$rc $err $(ls "$T/h/out")"
else
	skip 'where devices may not be made they are left out' 'no user namespaces'
fi
if command -v gzip >/dev/null; then
	fresh
	head -c 50000000 /dev/zero | gzip -c >"$T/evil.tar"
	took_file "$T/evil.tar"
	is 'nothing but zeros is an archive of nothing' '0 ' "$rc $err$changed"
	{ "$evil" raw 0 a 00277777777 x; head -c 10000000 /dev/zero; } | gzip -c >"$T/evil.tar"
	took_file "$T/evil.tar"
	is 'a packed one that ends too early' '1 untar: a: the archive ends too early ' "$rc $err $changed"
fi
rm -rf "$T/h"
leftovers_after 'nothing is left'
done_testing
