#!/bin/sh
# Images at rest: every verb, on every kind of file system that a store may be on
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
M=$T/machinectl
ln -s "$NL" "$M"
ln -s "$NL" "$T/importctl"
S=$T/root/var/lib/machines
TZ=UTC
export TZ

# images : what list-images says of them, without sizes and times
images() { "$M" list-images --no-legend "$@" | awk '{ printf "%s %s %s,", $1, $2, $3 }'; }
# hidden : what is in the store that is no image
hidden() { (cd "$S" && find . -mindepth 1 -maxdepth 1 -name '.*'); }
# on FS : a fresh store on a file system of its own; false when it cannot be had
on() {
	mkdir -p "$S"
	if [ "$1" = tmpfs ]; then
		mount -t tmpfs -o size=64m none "$S"
	elif [ "$1" = overlayfs ]; then
		mkdir -p "$T/layers" && mount -t tmpfs none "$T/layers" && mkdir "$T/layers/lower" "$T/layers/upper" "$T/layers/work" &&
			mount -t overlay -o "lowerdir=$T/layers/lower,upperdir=$T/layers/upper,workdir=$T/layers/work" none "$S" 2>/dev/null
	else
		command -v "mkfs.$1" >/dev/null 2>&1 || return 1
		rm -f "$T/disk"
		truncate -s 320M "$T/disk"
		"mkfs.$1" -q "$T/disk" >/dev/null 2>&1 && mount -o loop "$T/disk" "$S" 2>/dev/null
	fi
}
off() { umount "$S"; }
# base NAME : a tree with something of everything
base() {
	mkdir -p "$S/$1/etc" "$S/$1/usr/bin"
	echo 'PRETTY_NAME="Test OS"' >"$S/$1/etc/os-release"
	echo box >"$S/$1/etc/hostname"
	echo 0123456789abcdef0123456789abcdef >"$S/$1/etc/machine-id"
	echo "program of $1" >"$S/$1/usr/bin/one"
	ln "$S/$1/usr/bin/one" "$S/$1/usr/bin/two"
	chmod 4755 "$S/$1/usr/bin/one"
	chmod 711 "$S/$1"
}
# inside NAME FILE : what a guest of that image would see
inside() {
	if [ -e "$S/$1.overlay/upper/$2" ]; then
		cat "$S/$1.overlay/upper/$2"
	elif [ -d "$S/$1.overlay" ]; then
		cat "$S/$(cat "$S/$1.overlay/lower")/$2"
	else
		cat "$S/$1/$2"
	fi
}

# ---- words -------------------------------------------------------------------------

is 'an empty store has no images' 'No images.' "$("$M" list-images)"
is 'without a legend nothing is said' '' "$("$M" list-images --no-legend)"
is 'for programs it is an empty list' '[]' "$("$M" list-images -o json)"
base busy
run "$M" list-images
like 'a list has head, lines and a footer' "NAME TYPE      RO USAGE CREATED *MODIFIED
busy directory no       * UTC -

1 images listed." "$out"
like 'for programs times are numbers' '\[{"name":"busy","type":"directory","ro":false,"usage":null,"created":[0-9]*,"modified":0}\]' \
	"$("$M" list-images --output=json)"
like 'pretty lists are lists too' '\[
	{
		"name" : "busy",
		*"modified" : 0
	}
\]' "$("$M" list-images -o json-pretty)"
like 'importctl has columns of its own' "CLASS   NAME TYPE      PATH *RO CRTIME *MTIME USAGE LIMIT
machine busy directory $S/busy rw *" "$("$T/importctl" list-images)"
NSPAWN_LITE_DENY=statx
export NSPAWN_LITE_DENY
is 'where nobody knows when it was made there is a dash' 'busy directory no - -' "$("$M" list-images --no-legend | tr -s ' ')"
unset NSPAWN_LITE_DENY
is 'the status of an image is told' "busy
	    Type: directory
	    Path: $S/busy
	Hostname: box
      Machine ID: 0123456789abcdef0123456789abcdef
	      OS: Test OS
	      RO: writable" "$("$M" image-status busy | grep -v Created)"
like 'and when it was made' '*	 Created: * UTC; *s ago' "$("$M" image-status busy)"
is 'properties are told' "Name=busy Path=$S/busy Type=directory ReadOnly=no Usage=18446744073709551615 Limit=infinity UsageExclusive=18446744073709551615 LimitExclusive=infinity " \
	"$("$M" show-image busy | grep -v Creation | tr '\n' ' ')"
is 'one of them by name' busy "$("$M" show-image busy -p Name --value)"
is 'for programs it is an object, with numbers and null' '[{"Name":"busy","Type":"directory","ReadOnly":false,"Usage":null}]' \
	"$("$M" show-image -o json -p Name -p Type -p ReadOnly -p Usage busy)"
is 'without a name it is the store' "PoolPath=$S PoolUsage=18446744073709551615 PoolLimit=18446744073709551615 " "$("$M" show-image | tr '\n' ' ')"
is 'so is the status' "	    Path: $S" "$("$M" image-status)"
mkfifo "$S/busy/etc/machine-info"
rm "$S/busy/etc/os-release"
ln -s /dev/zero "$S/busy/etc/os-release"
ok 'what an image says of itself cannot hang us' timeout 60 "$M" image-status busy
rm "$S/busy/etc/machine-info"
for verb in image-status show-image; do
	run "$M" $verb no
	is "$verb of what is not there" "1 Could not get path to image: No image 'no' known" "$rc $err"
done
for line in 'clone no x:Could not clone image' 'rename no x:Could not rename image' 'remove no:Could not remove image' \
	'read-only no:Could not mark image read-only' 'set-limit no 1M:Could not set limit'; do
	# shellcheck disable=SC2086 # words
	run "$M" ${line%:*}
	is "${line%% *} of what is not there" "1 ${line#*:}: No image 'no' known" "$rc $err"
done
run "$M" clone busy busy
is 'a clone takes no name that is taken' '1 Could not clone image: File exists' "$rc $err"
run "$M" clone busy a/b
is 'nor one that is none' "1 Could not clone image: Image name 'a/b' is invalid." "$rc $err"
for end in raw squashfs erofs overlay; do
	run "$M" clone busy "b.$end"
	is "nor one that would hide what kind it is: .$end" "1 Image name 'b.$end' is invalid: '.$end' says what kind of image it is; say 'b'" "$rc $err"
done
for end in nspawn verity oci-config oci-layers; do
	run "$M" clone busy "b.$end"
	is "nor one of a file that belongs to another: .$end" "1 Image name 'b.$end' is invalid: '.$end' is of a file that belongs to 'b'" "$rc $err"
done
run "$M" rename busy b.raw
is 'by no way' "1 Image name 'b.raw' is invalid: '.raw' says what kind of image it is; say 'b'" "$rc $err"
run "$M" set-limit busy 0
is 'no limit leaves nothing' "1 Could not set limit: 0 leaves no room at all; '-' takes a limit away" "$rc $err"
run "$M" set-limit busy 1M
is 'directories have no limit' '1 Could not set limit: Operation not supported' "$rc $err"
run "$NL" set-limit busy 1M
is 'which under our own name is told with the reason' \
	"1 nspawn-lite: set-limit: $S/busy is no subvolume of btrfs, and only those have limits" "$rc $err"
run "$M" remove busy no other
is 'the first name that fails ends it' "1 Could not remove image: No image 'no' known" "$rc $err"
is 'and those before it are done' '' "$(images)"

# ---- kinds, and where they are --------------------------------------------------------

truncate -s 1500K "$S/disk.raw"
echo squash >"$S/fw.squashfs"
mkdir -p "$S/.hidden" "$S/.#left" "$T/root/usr/lib/machines/vendor" "$T/root/etc/machines/tree" "$S/tree" "$S/plain.overlay" "$S/lost+found"
echo x >"$S/disk.nspawn"
ln -s "$T/root/etc/machines/tree" "$S/link"
is 'images are of many kinds, and of many places' \
	'disk raw no,fw squashfs yes,link directory no,plain.overlay directory no,tree directory no,vendor directory yes,' "$(images)"
is 'the first place of a name counts' "$T/root/etc/machines/tree" "$("$M" show-image tree -P Path)"
is 'hidden ones are listed when asked for' '.hidden directory no,' "$(images -a | tr ',' '\n' | grep '^\.')," 2>/dev/null
is 'another store can be named' 'vendor directory yes,' "$(images --image-root="$T/root/usr/lib/machines")"
mkdir -p "$T/away/base"
echo far >"$T/away/base/file"
is 'with a path from here' 'base,copy,moved,' "$(cd "$T/away" && "$M" clone base copy --image-root=./ &&
	"$M" clone copy moved --image-root="$T/away//" && "$M" list-images --no-legend --image-root="$T/away" | awk '{ printf "%s,", $1 }')"
if [ -d "$T/away/copy.overlay" ]; then
	run "$M" remove base --image-root="$T/away"
	like 'and its clones are known from everywhere' '1 *overlay clones: *' "$rc $err"
fi
run "$M" remove vendor
is 'what the vendor gave stays' '1 Could not remove image: Read-only file system' "$rc $err"
like 'size of a raw image' '*Usage=0
Limit=1536000
*' "$("$M" show-image disk)"
run "$M" read-only disk
is 'a raw image can be made read-only' 'disk raw yes' "$("$M" list-images --no-legend | awk '$1 == "disk" { print $1, $2, $3 }')"
run "$M" read-only disk no
is 'and writable' '644' "$(stat -c %a "$S/disk.raw")"
run "$M" clone disk disk2
is 'files that belong to an image go with its clone' '0 x' "$rc $(cat "$S/disk2.nspawn")"
mkdir -p "$T/root/etc/systemd/nspawn"
echo y >"$T/root/etc/systemd/nspawn/disk2.nspawn"
run "$M" rename disk2 disk3
is 'and with its name' '0 x y' "$rc $(cat "$S/disk3.nspawn" "$T/root/etc/systemd/nspawn/disk3.nspawn" | tr '\n' ' ' | sed 's/ $//')"
run "$M" remove disk3
is 'and away' '' "$err$(find "$S" "$T/root/etc" -name 'disk[23]*')"
run "$M" remove link
is 'of a link the link is removed' 'yes' "$err$([ -d "$T/root/etc/machines/tree" ] && [ ! -L "$S/link" ] && echo yes)"
run "$M" clean
is 'hidden images are cleaned away' "Removed image '.hidden' Removed 1 images in total. " "$(echo "$out" | tr '\n' ' ')"
run "$M" clean -a
is 'or all' 'vendor directory yes,' "$(images)"
is 'what is not ours to remove stays' './.#left' "$(hidden)"
rm -rf "$S" "$T/root/usr" "$T/root/etc"
mkdir -p "$T/root/usr" "$T/home/.ssh" "$T/home/data" "$T/home/os/usr" "$T/home/.tar-x"
run timeout 60 "$NL" --image-root="$T/home" -M os.raw /bin/true
is 'a name that has the end of a file is corrected' "1 nspawn-lite: No image for machine 'os.raw'; it is called 'os'." "$rc $err"
run "$M" clean -a --image-root="$T/home"
is 'elsewhere only what looks like an image is cleaned away' "Removed image '.tar-x' Removed image 'os' Removed 2 images in total. " \
	"$(echo "$out" | tr '\n' ' ')"
is 'and the rest is told of' "0 2 directories of $T/home have no /usr, and stay: remove takes those that are named" "$rc $err"
is 'and stays' './.ssh ./data ' "$(cd "$T/home" && find . -mindepth 1 | sort | tr '\n' ' ')"
mkdir "$T/ro"
mount -t tmpfs -o ro none "$T/ro"
run "$M" import-fs "$T/home/data" x --image-root="$T/ro/store"
like 'a store that cannot be made is told so' "1 *make $T/ro/store: Read-only file system" "$rc $err"
umount "$T/ro"
if command -v strace >/dev/null 2>&1; then
	mkdir -p "$S/large/1/2" "$S/large/3/4" "$S/large/5/6"
	run strace -f -o "$T/calls" -e trace=flock -e inject=flock:signal=SIGTERM:error=EINTR:when=1 "$M" remove large
	is 'who has not begun is told so' '1 interrupted while waiting for a turn in the store large' "$rc $err $(cd "$S" && echo *)"
	run strace -f -o "$T/calls" -e trace=unlinkat -e inject=unlinkat:signal=SIGTERM:when=2 "$M" remove large
	is 'who ends it is told what becomes of the rest' \
		'1 Could not remove image: large: interrupted; the next verb that changes images goes on' "$rc $err"
	run "$M" clean
	is 'and so it is' '0 ' "$rc $err$(images)$(hidden)"
	rm -rf "$S"
else
	skip 'who ends it is told what becomes of the rest' 'no strace'
fi

# ---- on each file system ---------------------------------------------------------------------

for fs in tmpfs ext4 btrfs xfs f2fs overlayfs; do
	if ! on $fs; then
		skip "a store on $fs" 'it cannot be made here'
		continue
	fi
	kind=overlay
	case $fs in btrfs|xfs|overlayfs) kind=directory ;; esac
	base one
	"$M" read-only one 2>/dev/null || chmod 711 "$S/one"
	run "$M" clone one two
	# a tree that is copied becomes a subvolume where there are any
	is "$fs: a clone is writable, of the kind that costs the least" "0 two $kind no" \
		"$rc $(images | tr ',' '\n' | sed -n 's/^two subvolume/two directory/; /^two /p')$err"
	is "$fs: and shows the same" 'program of one' "$(inside two usr/bin/one)"
	case $kind in
	overlay) top=$S/two.overlay/upper ;;
	*)	top=$S/two ;;
	esac
	is "$fs: its top is as the other's" 711 "$(stat -c %a "$top")"
	run "$M" clone --copy two three
	is "$fs: a copy shares nothing" "0 4755 2" "$rc $(stat -c '%a %h' "$S/three/usr/bin/one")$err"
	is "$fs: and is all there" 'program of one' "$(cat "$S/three/usr/bin/two")"
	echo new >"$top/new"
	run "$M" clone two four
	is "$fs: a clone of a clone has what was written there" '0 new' "$rc $(inside four new)$err"
	echo other >"$top/new"
	is "$fs: but not what is written later" new "$(inside four new)"
	if [ $kind = overlay ]; then
		run "$M" remove one
		is "$fs: what clones need cannot be removed" '1 yes' \
			"$rc $(case $err in 'Could not remove image: one must stay as it is for its overlay clones: '*) echo yes ;; esac)"
		run "$M" rename one uno
		is "$fs: nor renamed" '1 program of one' "$rc $(inside two usr/bin/one)"
		run "$M" read-only one no
		is "$fs: nor made writable" "1 yes" "$rc $(case $err in *'must stay as it is'*) echo yes ;; esac)"
		run "$M" rename four vier
		is "$fs: a clone can be renamed" '0 new' "$rc $(inside vier new)$err"
		run "$M" read-only vier
		is "$fs: and made read-only" 'vier overlay yes' "$(images | tr ',' '\n' | grep vier)"
		"$M" rename vier four
		run env NSPAWN_LITE_DENY=private "$M" clone one whole
		is "$fs: where no overlay can be mounted it is a copy" '0 whole directory no' "$rc $(images | tr ',' '\n' | grep whole)$err"
	fi
	run "$M" clone --force four two
	is "$fs: a new image can take the place of one" '0 new' "$rc $(inside two new)$err"
	run "$M" clone --replace three two
	is "$fs: which is kept if that is wanted" '0 new program of one' "$rc $(inside two.old new) $(inside two usr/bin/one)$err"
	run "$M" clone --replace three two
	is "$fs: but one only" '0 program of one' "$rc $(inside two.old usr/bin/one)$err"
	( NSPAWN_LITE_DENY=renameat2; export NSPAWN_LITE_DENY
	run "$M" clone --replace --copy three two
	is "$fs: on old kernels too" '0 program of one program of one' "$rc $(inside two usr/bin/one) $(inside two.old usr/bin/one)$err"
	run "$M" clone --force --copy three two
	is "$fs: both ways" '0 program of one' "$rc $(inside two usr/bin/one)$err" )
	if command -v flock >/dev/null 2>&1; then
		"$M" remove two.old	# may lie on it
		for verb in 'remove three' 'rename three drei' 'read-only three'; do
			# shellcheck disable=SC2086
			run flock -n "$S/three" "$M" $verb
			like "$fs: one that is in use is left alone: ${verb%% *}" '1 Could not *: Device or resource busy' "$rc $err"
		done
		run flock -n "$S/three" "$M" clone three copied
		is "$fs: but can be cloned" '0 program of one' "$rc $(inside copied usr/bin/one)"
		[ "$(images | tr ',' '\n' | grep -c '^three subvolume')" = 1 ] ||
			like "$fs: with a word" '*three is in use: what is written there meanwhile may be half of it in the copy' "$err"
	fi
	mkdir "$S/.#dead.nl-new0123456789abcdef" "$S/.#one.nl-aside0123456789abcdef" "$S/.#back.nl-aside0123456789abcdef" \
		"$S/.#gone.nl-gone0123456789abcdef" "$S/.#theirs0123456789abcdef"
	mkdir -p "$S/.#one.clones"
	ln -s ../no.overlay "$S/.#one.clones/no"
	touch "$S/gone.nspawn" "$S/.#gone.nl-gone0123456789abcdef/x"
	"$M" clean >/dev/null
	is "$fs: what was left half-made is swept, what made way comes back" 'back ./.#theirs0123456789abcdef ' \
		"$(cd "$S" && find . -maxdepth 1 \( -name '.#*' ! -name '*.clones' -o -name 'gone*' \) | sort | sed '1s/^/back /' | tr '\n' ' ')"
	ok "$fs: and is an image again" "$M" show-image back
	is "$fs: pins of clones that are no more go" '' "$(find "$S" -name no)"
	rmdir "$S/.#theirs0123456789abcdef"
	run "$M" clean -a
	is "$fs: all of it can be removed" '0 ' "$rc $(images)$(hidden)"
	if [ $fs = btrfs ]; then
		btrfs subvolume create "$S/vol" >/dev/null
		echo data >"$S/vol/file"
	fi
	if [ "$(images)" = 'vol directory no,' ]; then
		skip 'a subvolume is cloned by a snapshot' 'built without libbtrfsutil'
	elif [ $fs = btrfs ]; then
		run "$M" clone vol snap
		is 'a subvolume is cloned by a snapshot' 'snap subvolume no,vol subvolume no, data' "$(images) $(cat "$S/snap/file")$err"
		run flock -n "$S/vol" "$M" clone vol running
		is 'while it runs, without a word' '0 data' "$rc $(cat "$S/running/file")$err"
		run "$M" read-only snap
		is 'it can be made read-only' '0 yes' "$rc $("$M" show-image snap -P ReadOnly)$err"
		ok 'and is removed all the same' "$M" remove snap running
		run "$M" set-limit vol 50M
		is 'it can have a limit' '0 52428800' "$rc $("$M" show-image vol -P Limit)$err"
		run "$M" set-limit vol -
		is 'and lose it' '0 infinity' "$rc $("$M" show-image vol -P Limit)$err"
	fi
	off
done

# ---- what lies on what, by any name ------------------------------------------------------------

on tmpfs
base one
base other
mkdir "$T/elsewhere"
mv "$S/one" "$T/elsewhere/box"
ln -s "$T/elsewhere/box" "$S/one"
"$M" clone --no-sync one two
if [ -d "$S/two.overlay" ]; then
	is 'a clone of what a link leads to lies on that' "$T/elsewhere/box" "$(cat "$S/two.overlay/lower")"
	run timeout 60 "$NL" -q -M one /bin/true
	like 'which cannot be started to be written to' "1 *$T/elsewhere/box is what *two* lies on, and must stay as it is*" "$rc $err"
	run timeout 60 "$NL" -q -D "$T/elsewhere/box" /bin/true
	like 'by no name' "1 *$T/elsewhere/box is what *two* lies on, and must stay as it is*" "$rc $err"
	run "$M" remove one
	is 'nor removed' '1 Could not remove image: one must stay as it is for its overlay clones: two' "$rc $err"
	mkdir "$T/store"
	ln -s "$T/elsewhere/box" "$T/store/one"
	run "$M" clone --no-sync --image-root="$T/store" one two
	run "$M" remove one
	is 'those in another store are told with it' \
		"1 two $T/store/two.overlay " "$rc $(echo "${err##*: }" | tr -d , | tr ' ' '\n' | sort -r | tr '\n' ' ')"
	run "$M" remove --image-root="$T/store" two
	run "$M" remove one
	is 'and when they go the others of their name still need it' \
		'1 Could not remove image: one must stay as it is for its overlay clones: two' "$rc $err"
	"$M" clone --no-sync other three
	"$M" clone --no-sync --replace --copy one three
	run "$M" remove other
	is 'one that is kept as NAME.old still needs what it lies on' \
		'1 Could not remove image: other must stay as it is for its overlay clones: three.old' "$rc $err"
else
	skip 'what a clone lies on stays as it is' 'no overlays here'
fi
off

# ---- until it is on the disk ---------------------------------------------------------------------

# order WORD... : what goes to the disk, and what gets a name, in order, from the calls that were made
order() {
	strace -f -y -o "$T/calls" -e trace=fsync,fdatasync,syncfs,renameat,renameat2,rename "$M" -q "$@" >/dev/null 2>&1
	sed -n -e 's/^[0-9]* *\(sync\)fs(.*= 0$/\1/p' -e 's/^[0-9]* *fd*a*t*a*sync([0-9]*<\([^>]*\)>.*= 0$/sync \1/p' \
		-e 's/^[0-9]* *rename[at2]*(.*, "\([^"]*\)"[^"]*= 0$/name \1/p' "$T/calls" |
		sed -e "s|$S/*||" -e 's/\.#[^ ]*nl-[a-z]*[0-9a-f]*/half/' -e 's/ $/ store/' | tr '\n' ','
}
if command -v strace >/dev/null 2>&1 && on ext4; then
	base one
	tar -C "$S/one" -cf "$T/one.tar" .
	is 'an import is on the disk before it has its name, and then its name is' 'sync,name new,sync store,' "$(order import-tar "$T/one.tar" new)"
	is 'so is a copy' 'sync,name copy,sync store,' "$(order clone --copy one copy)"
	is 'an overlay is without waiting for the others, its pin first' \
		'sync half/upper,sync half/lower,sync half,sync .#one.clones,name lay.overlay,sync store,' "$(order clone one lay)"
	is 'one that replaces another' 'sync,name copy.old,name copy,sync store,' "$(order clone --replace --copy one copy)"
	is 'another name' 'name moved,sync store,' "$(order rename copy moved)"
	is 'nobody waits who says so' 'name fast,' "$(order clone --no-sync --copy one fast)"
	off
else
	skip 'it is on the disk before it has its name' 'no strace, or no ext4'
fi

# ---- a store in a file ----------------------------------------------------------------------------

rmdir "$S"
run "$M" pool
like 'there is no pool before there is a size' '1 there is no pool yet; say how large it may become, such as 20G' "$rc $err"
mkdir -p "$S/one"
run "$M" pool 200M
like 'nor where images are' "1 $S is not empty: *" "$rc $err"
rmdir "$S/one"
case $(command -v mkfs.btrfs) in
'')	skip 'images can be kept in a file' 'no mkfs.btrfs' ;;
*)
	run env PATH=/nowhere "$M" pool 200M
	is 'a program that is missing is named' '1 there is no mkfs.btrfs here to make the pool'"'"'s file system; it is in btrfs-progs ' "$rc $err $(find "$T/root/var/lib" -name 'machines.*')"
	mkdir "$T/bad"
	printf '#!/bin/sh\nexit 3\n' >"$T/bad/mkfs.btrfs"
	chmod 755 "$T/bad/mkfs.btrfs"
	run env PATH="$T/bad" "$M" pool 200M
	is 'nor is one that fails passed over' "1 make a file system in $S.raw.nl-new: mkfs.btrfs ended with status 3 " \
		"$rc $err $(find "$T/root/var/lib" -name 'machines.*')"
	run "$M" pool 16E
	is 'nor is a size that no file has taken' '1 16E: not a size; such as 20G' "$rc $err"
	run "$M" pool 200M
	is 'images can be kept in a file' "0 $S.raw is mounted on $S: 200.0M" "$rc $err"
	is 'which is sparse' yes "$([ "$(du -m "$S.raw" | cut -f 1)" -lt 100 ] && echo yes)"
	base one
	run "$M" pool
	is 'again is no error' "0 $S.raw is mounted on $S: 200.0M" "$rc $err"
	run "$M" pool 300M
	is 'it can grow' "0 $S.raw is mounted on $S: 300.0M" "$rc $err"
	is 'with all in it' yes "$([ "$(df -m "$S" | awk 'NR == 2 { print $2 }')" -ge 300 ] && echo yes)"
	run "$M" pool 100M
	is 'and not shrink' "1 $S.raw is 300.0M: it can be made larger, not smaller" "$rc $err"
	umount "$S"
	run "$M" list-images
	is 'one that is not mounted is told of' "the pool $S.raw is not mounted on $S: the verb pool does it" "$err"
	run "$M" pool -q
	is 'and mounted' '0 one directory no,' "$rc $(images)$err"
	umount "$S"
	;;
esac
# the kernel lets go of one in its own time
# shellcheck disable=SC2317 # called by wait_for
no_loops() { ! losetup -a 2>/dev/null | grep "$T"; }
ok 'no loop device is left' wait_for no_loops
finish
