#!/bin/sh
# Images, stores and places that somebody else has prepared: nothing beside an image is read, written or waited for, and
# what is packed can be unpacked again.
# shellcheck disable=SC2016 # what stands in single quotes is for the shell inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need mkfs.ext4 sfdisk setfattr
t=$(tree busybox) || exit
same=$(program same)
store=$T/root/var/lib/machines
v=$T/victim
mkdir -p "$store" "$v/dir" "$T/shared" || exit
echo secret-of-the-host >"$v/file"
cp -a "$t/." "$v/tree"
"$same" "$v" >"$T/want"

# says WORD... : the status, and a sentence
says() { run timeout 60 "$NL" "$@"; echo "$rc $err"; }
# untouched NAME : what lies beside is as it was
untouched() { is "$1" '' "$("$same" "$v" | cmp - "$T/want" 2>&1)"; }
# ls_A DIR : its names on a line
ls_A() { find "$1" -mindepth 1 -maxdepth 1 | sed 's|.*/||' | sort | tr '\n' ' ' | sed 's/ $//'; }

leftovers_before

# ---- the name of a clone -----------------------------------------------------------
# What a directory NAME.overlay has in "lower" is mounted: an archive must not say it
mkdir -p "$T/evil/upper" "$T/evil/work" "$T/evil/bin"
echo "$v/tree" >"$T/evil/lower"
tar -C "$T/evil" -cf "$T/evil.overlay.tar" .
like 'an archive does not become an overlay clone by its name' "1 *'evil.overlay' is invalid*" "$(says import-tar -q "$T/evil.overlay.tar")"
like 'nor by a name that is told' "1 *'x.overlay' is invalid*" "$(says import-tar -q "$T/evil.overlay.tar" x.overlay)"
like 'nor does a directory' "1 *'x.overlay' is invalid*" "$(says import-fs -q "$T/evil" x.overlay)"
says import-tar -q "$T/evil.overlay.tar" plain >/dev/null
like 'nor a clone' "1 *'x.overlay' is invalid*" "$(says clone --copy plain x.overlay)"
like 'nor by another name' "1 *'x.overlay' is invalid*" "$(says rename plain x.overlay)"
like 'nor from a template' "1 *'x.overlay' is invalid*" "$(says -q --template="$store/plain" -D "$T/x.overlay" /bin/true)"
is 'none of them is there' 'plain' "$(ls_A "$store")"
like 'a tree of that name does not start: it could become one' '1 *rename it' "$(cp -a "$t" "$T/tree.overlay"; says -q -D "$T/tree.overlay" /bin/true)"
mv "$T/tree.overlay" "$T/tree"
ln -s "$T/tree" "$store/t.overlay"
like 'nor does one by a link of that name' '1 *rename it' "$(says -q -M t.overlay /bin/true)"
rm -rf "$T/tree" "$store/t.overlay"
says remove plain >/dev/null

# ---- clones that nobody made by us ----------------------------------------------------
cp -a "$t" "$store/base"
for what in upper work; do
	mkdir -p "$store/c.overlay/upper" "$store/c.overlay/work"
	rmdir "$store/c.overlay/$what"
	ln -s "$v/dir" "$store/c.overlay/$what"
	echo base >"$store/c.overlay/lower"
	like "$what that is a link is not gone through" '1 *mount*c.overlay*' "$(says -q -M c /bin/touch /written)"
	untouched 'and nothing is written there'
	rm -rf "$store/c.overlay"
done
mkdir -p "$store/c.overlay/upper" "$store/c.overlay/work"
for what in fifo zero link itself up nothing; do
	rm -rf "$store/c.overlay/lower"
	case $what in
	fifo)	mkfifo "$store/c.overlay/lower" ;;
	zero)	mknod "$store/c.overlay/lower" c 1 5 ;;
	link)	ln -s "$v/file" "$store/c.overlay/lower" ;;
	itself)	echo c.overlay >"$store/c.overlay/lower" ;;
	up)	echo ../../victim/tree >"$store/c.overlay/lower" ;;
	nothing) : >"$store/c.overlay/lower" ;;
	esac
	is "lower: $what: it has a status" 0 "$(says image-status c >/dev/null; echo "$rc")"
	like "lower: $what: it does not run" '1 *c.overlay*' "$(says -q -M c /bin/true)"
	unlike "lower: $what: it is not packed" '0 *' "$(says export-tar -q c "$T/c.tar")"
	unlike "lower: $what: what a link leads to is not told" '*secret-of*' "$err"
done
is 'it can be removed' '0 ' "$(says remove c)"
untouched 'what it named stays'

# ---- entries of the store -----------------------------------------------------------
ln -s "$v" "$store/l"
ln -s /dev/zero "$store/zero.raw"
ln -s loop "$store/loop"
mkfifo "$store/f.raw" "$store/g.squashfs" "$store/h"
: >"$store/empty.raw"
printf x >"$store/one.raw"
truncate -s 1T "$store/large.raw"
is 'what is no image is not on the list' 'base directory empty raw l directory large raw one raw ' \
	"$(timeout 60 "$NL" list-images --no-legend | awk '{ printf "%s %s ", $1, $2 }')"
for i in zero loop f g h; do
	like "$i is no image" '1 *No image*' "$(says image-status $i)"
	like "$i does not run" '1 *' "$(says -q -M $i /bin/true)"
done
for i in empty one large; do
	like "$i.raw holds nothing to run" '1 *' "$(says -q -M $i /bin/true)"
	is "$i.raw is cloned as it is" '0 0' "$(says clone $i n >/dev/null; echo "$rc $(says remove n | tr -d ' ')")"
done
is 'of an image that is a link, the link is removed' '0 ' "$(says remove l)"
untouched 'and not what it leads to'
rm -f "$store/zero.raw" "$store/loop" "$store/f.raw" "$store/g.squashfs" "$store/h"
long=$(printf 'n%.0s' $(seq 250))
short=$(printf 'n%.0s' $(seq 200))
mkdir "$store/$long"
: >"$store/$short.nspawn"
is 'a name of 250 bytes is removed' '0 ' "$(says remove "$long")"
says clean >/dev/null
ok 'and not what belongs to one that begins alike' [ -e "$store/$short.nspawn" ]
rm -f "$store/$short.nspawn"
mkfifo "$store/base.nspawn"
like 'what belongs to an image is copied only if it is a file' '0 *base.nspawn is no file*' "$(says clone --copy base n)"
ok 'and nothing is made of it' [ ! -e "$store/n.nspawn" ]
rm -f "$store/base.nspawn"
says remove n >/dev/null
for n in .. . '' / ../base .#x "$(printf 'a\nb')" "$(printf '\033]0;x\007')" "$long"; do
	bad=''
	for verb in image-status show-image remove read-only export-tar export-raw; do
		[ "$(says $verb -- "$n" | head -c 1)" = 1 ] || bad="$bad $verb"
	done
	for words in 'clone %s n' 'clone base %s' 'rename %s n' 'rename base %s' "import-tar $T/evil.overlay.tar %s" "import-fs $T/evil %s"; do
		# shellcheck disable=SC2086 # words
		set -- $words
		for w; do
			shift
			[ "$w" != %s ] || w=$n
			set -- "$@" "$w"
		done
		[ -z "$n" ] || [ "$(says "$@" | head -c 1)" = 1 ] || bad="$bad $1"
	done
	is "a name that is none: $(printf %s "$n" | tr -c '[:alnum:]./#-' '?' | head -c 20)" '' "$bad"
done
is 'and nothing has come of these' base "$(ls_A "$store" | sed 's/ [a-z]*[.]raw//g; s/^ *//')"

# ---- disks with trees that lead out ---------------------------------------------------
mkdir -p "$T/part/in"
truncate -s 40M "$store/d.raw"
printf '%s\n' 'label: gpt' 'start=2048,size=32768,type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709' \
	'size=8192,type=933AC7E1-2EB4-4F13-B844-0E14E2AEF915' 'size=8192,type=4D21B016-B534-45C2-A9FB-5C16E091FD2D' \
	'size=8192,type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B' 'size=8192,type=8484680C-9521-48C6-9C11-B0720656F69E' |
	sfdisk -q "$store/d.raw" >/dev/null 2>&1
for at in 34816 43008 51200 59392; do
	mkfs.ext4 -q -F -b 1024 -E offset=$((at * 512)) -d "$T/part" "$store/d.raw" 4M >/dev/null 2>&1
done
for to in "$v/tree" /proc/self/root ../../../..; do
	rm -rf "$T/r"
	cp -a "$t" "$T/r"
	for n in usr home srv var boot efi etc; do
		rm -rf "$T/r/${n:?}"
		ln -s "$to" "$T/r/$n"
	done
	mkfs.ext4 -q -F -b 1024 -E offset=1048576 -d "$T/r" "$store/d.raw" 16M >/dev/null 2>&1
	is "links to $(basename "$to") in a disk with more partitions: it has a status" 0 "$(says image-status d >/dev/null; echo "$rc")"
	unlike 'which tells nothing of what they lead to' '*OS:*' "$out"
	says export-tar -q d "$T/d.tar" >/dev/null
	unlike 'what they lead to is not packed' '*secret-of*' "$(tar -xOf "$T/d.tar" 2>/dev/null | tr -d '\000' | grep -a secret-of)"
	says -q -M d /bin/sh -c 'echo x >/var/x; echo x >/home/x; echo x >/etc/x; echo x >/usr/file' >/dev/null
	untouched 'and nothing is written there'
done
rm -f "$store/d.raw" "$T/d.tar"

# ---- where an export goes ------------------------------------------------------------
mkdir -p "$store/small/etc" && echo y >"$store/small/etc/x"
chmod 1777 "$T/shared"
echo precious >"$T/precious"
ln "$T/precious" "$T/shared/.#o.tar.tmp"
is 'a second name of another file, where the half of an export goes' '0  precious' "$(says export-tar -q small "$T/shared/o.tar") $(cat "$T/precious")"
rm -f "$T/shared/o.tar"
: >"$T/shared/.#o.tar.tmp"
chown 12345 "$T/shared/.#o.tar.tmp"
is 'a file of somebody else there' '0  0' "$(says export-tar -q small "$T/shared/o.tar") $(stat -c %u "$T/shared/o.tar")"
rm -f "$T/shared/o.tar"
mkfifo "$T/shared/.#o.tar.tmp"
is 'a FIFO there' '0  regular file' "$(says export-tar -q small "$T/shared/o.tar") $(stat -c %F "$T/shared/o.tar")"
rm -f "$T/shared/o.tar"
ln -s "$T/precious" "$T/shared/.#o.tar.tmp"
like 'a link there' '1 *write*' "$(says export-tar -q small "$T/shared/o.tar")"
is 'leads nowhere' precious "$(cat "$T/precious")"
rm -f "$T/shared/.#o.tar.tmp"
like 'a directory as FILE' '1 *' "$(says export-tar -q small "$T/shared")"
is 'a small leftover of ours is taken again' '0 ' "$(: >"$T/shared/.#o.tar.tmp"; says export-tar -q small "$T/shared/o.tar")"
is 'nothing else is left there' o.tar "$(ls_A "$T/shared")"

# ---- what has no end -------------------------------------------------------------------
for verb in import-raw import-tar; do
	like "$verb: /dev/zero" '1 *no end' "$(says $verb -q /dev/zero z)"
	like "$verb: /dev/zero as standard input" '1 *no end' "$(run timeout 60 sh -c '"$0" $1 -q - z </dev/zero' "$NL" $verb; echo "$rc $err")"
done
# more pieces than a map can tell of, and then a hole as large as can be
if truncate -s 15T "$store/small/holes" 2>/dev/null; then
	awk 'BEGIN { for (i = 0; i < 33000; i++) printf "x%8191s", "" }' | tr ' ' '\000' |
		/bin/dd of="$store/small/holes" bs=4096 conv=notrunc,sparse iflag=fullblock 2>/dev/null
	like 'a file of very many holes, and large, ends the export' '1 *more holes than*' "$(says export-tar -q small "$T/h.tar")"
	truncate -s 400M "$store/small/holes"
	is 'one that is only large does not' '0 ' "$(says export-tar -q small "$T/h.tar")"
	rm -f "$T/h.tar" "$store/small/holes"
else
	skip 'a file of very many holes, and large, ends the export' 'no file may be so large here'
fi

# ---- what is packed can be unpacked --------------------------------------------------------
: >"$store/small/many"
i=0
while [ $i -lt 140 ] && setfattr -n "user.$i" "$store/small/many" 2>/dev/null; do
	i=$((i + 1))
done
if [ $i -gt 128 ]; then
	is "$i extended attributes come back" "0  0  $i" "$(says export-tar -q small "$T/m.tar") $(says import-tar -q "$T/m.tar" back) \
$(getfattr --absolute-names "$store/back/many" 2>/dev/null | grep -c user.)"
else
	skip 'extended attributes come back' 'the file system does not hold so many'
fi

rm -rf "${store:?}"/* "$store"/.#*
leftovers_after 'no mount, loop device or process stays'
done_testing
