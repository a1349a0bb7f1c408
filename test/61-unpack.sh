#!/bin/sh
# An archive becomes the tree that it was made of: whoever made it, whatever form it has, on several file systems.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root

# real NAME : the program, not what a shell has built in for it
real() {
	echo "$PATH" | tr : '\n' | while read -r dir; do
		[ ! -x "$dir/$1" ] || { echo "$dir/$1"; break; }
	done
}
real_tar=$(real tar)
real_touch=$(real touch)
"${real_tar:-false}" --version 2>/dev/null | grep -q GNU || skip_all 'no GNU tar'
tar() { "$real_tar" "$@"; }
touch() { "$real_touch" "$@"; }

untar=$(program untar)
same=$(program same)
src=$T/src

# make_plain : what every form can hold
make_plain() {
	mkdir "$src" "$src/dir" "$src/dir/deep" "$src/dir/deep/er" "$src/empty" "$src/closed" "$src/sticky" || exit
	echo hello >"$src/dir/file"
	: >"$src/nothing"
	head -c 300000 /dev/urandom >"$src/dir/deep/er/random"
	head -c 512 /dev/zero >"$src/block"
	echo secret >"$src/closed/none"
	ln "$src/dir/file" "$src/again"
	ln "$src/dir/file" "$src/dir/deep/thrice"
	ln -s dir/file "$src/link"
	ln -s /etc/passwd "$src/out"
	ln -s nowhere/at/all "$src/dir/broken"
	ln "$src/link" "$src/link-again"
	mknod "$src/null" c 1 3
	mknod "$src/disk" b 250 70
	mkfifo "$src/fifo"
	cp /bin/true "$src/setuid"
	cp /bin/true "$src/setgid"
	printf x >"$src/$(printf 'odd \\ name\303\251\377\t;')"
	chown 1234:4321 "$src/dir/file" "$src/empty" "$src/null" "$src/setgid"
	chown -h 7:8 "$src/link"
	chown 100 "$src/setuid"
	chmod 4755 "$src/setuid"
	chmod 2711 "$src/setgid"
	chmod 640 "$src/null"
	chmod 1777 "$src/sticky"
	chmod 2775 "$src/empty"
	chmod 0 "$src/closed/none" "$src/closed"
	touch -h -d '2001-02-03 04:05:06' "$src/link"
	touch -d '1999-12-31 23:59:59' "$src/dir/file" "$src/fifo"
	touch -d '2010-01-01 00:00:00' "$src/dir/deep" "$src/closed" "$src"
}

# make_rich : what pax can say beside
make_rich() {
	long=$(printf '%0200d' 7)
	mkdir -p "$src/$long/$long/$long"
	echo long >"$src/$long/$long/$long/$long"
	ln "$src/$long/$long/$long/$long" "$src/$long/$long/hard"
	ln -s "$long/$long/$long/$long/$long/$long" "$src/long-link"
	echo 3000000 >"$src/owner"
	chown 3000000:4294967290 "$src/owner"
	truncate -s 3000000 "$src/sparse"
	printf data | dd of="$src/sparse" bs=1 seek=1000000 conv=notrunc 2>/dev/null
	truncate -s 1000000 "$src/all-hole"
	i=0
	while [ $i -lt 60 ]; do
		echo "$i"
		i=$((i + 1))
	done >"$T/numbers"
	: >"$src/pieces"
	while read -r i; do
		printf 'piece %s' "$i" | dd of="$src/pieces" bs=1 seek=$((i * 131072 + 70000)) conv=notrunc 2>/dev/null
	done <"$T/numbers"
	touch -d '1960-05-06 07:08:09.123456789' "$src/owner"
	touch -d '2040-01-02 03:04:05.000000001' "$src/dir/deep/er"
	touch -h -d '2030-01-02 03:04:05.5' "$src/long-link"
}

# make_xattrs : if the file system has such
make_xattrs() {
	command -v setfattr >/dev/null && command -v setfacl >/dev/null && command -v setcap >/dev/null || return 1
	setfattr -n user.one -v 1 "$src/dir/file" 2>/dev/null || return 1
	setfattr -n user.binary -v 0x00ff0a3d0a00 "$src/dir/file"
	setfattr -n 'user.odd%=name' -v x "$src/dir/file"
	setfattr -n user.empty -v '' "$src/empty"
	setfattr -n trusted.some -v thing "$src/dir"
	setfattr -h -n trusted.link -v thing "$src/link"
	setfacl -m u:76543:rw,g:76544:r,m:rwx "$src/nothing"
	setfacl -d -m u:76543:rwx "$src/dir"
	setfacl -m g:76544:- "$src/dir"
	setcap cap_net_raw+ep "$src/setgid"
}

# unpacked ARCHIVE WHERE : prints what became of it
unpacked() {
	rm -rf "$2/out"
	mkdir "$2/out" || return
	"$untar" "$2/out" <"$1" 2>&1 || return
}

# comes_back NAME ARCHIVE LETTERS [WHERE]
comes_back() {
	where=${4:-$T}
	unpacked "$2" "$where" >"$T/said"
	"$same" "-$3" "$src" >"$T/want"
	"$same" "-$3" "$where/out" >"$T/got"
	diff "$T/want" "$T/got" >"$T/diff"
	is "$1" "" "$(cat "$T/said"; head -n 6 "$T/diff")"
}

leftovers_before
make_plain
for form in v7 ustar oldgnu gnu pax; do
	case $form in v7) set -- --exclude=./null --exclude=./disk --exclude=./fifo ;; *) set -- ;; esac
	[ $# = 0 ] || { mkdir "$T/aside" && mv "$src/null" "$src/disk" "$src/fifo" "$T/aside" && touch -d '2010-01-01 00:00:00' "$src"; }
	tar --format=$form --numeric-owner "$@" -cf "$T/t.tar" -C "$src" . || exit
	case $form in pax) letters=z ;; *) letters=n ;; esac
	comes_back "GNU tar, $form" "$T/t.tar" $letters
	[ $# = 0 ] || { mv "$T"/aside/* "$src" && touch -d '2010-01-01 00:00:00' "$src"; }
done
tar --format=ustar --numeric-owner -b 1 -cf "$T/t.tar" -C "$src" . || exit
size=$(wc -c <"$T/t.tar")
head -c $((size - 1024)) "$T/t.tar" >"$T/cut.tar"
comes_back 'an archive without its end' "$T/cut.tar" n
{ tar --numeric-owner -cf - -C "$src" ./dir; tar --numeric-owner -cf - -C "$src" --exclude=./dir .; } >"$T/t.tar"
# a link goes to what came before: so the files of several names are taken apart
comes_back 'archives one behind the other, with zeros between' "$T/t.tar" nid
gzip -c "$T/t.tar" >"$T/t.tgz" && comes_back 'packed by gzip' "$T/t.tgz" nid

if command -v busybox >/dev/null && busybox --list | grep -qx tar; then
	busybox tar -cf "$T/t.tar" -C "$src" . && comes_back 'busybox tar' "$T/t.tar" n
else
	skip 'busybox tar' 'no busybox with tar'
fi

make_rich
has_xattrs=n
make_xattrs && has_xattrs=y
for form in gnu pax; do
	tar --format=$form --numeric-owner -cf "$T/t.tar" -C "$src" . || exit
	case $form in pax) letters=xh ;; *) letters=nxhm ;; esac
	comes_back "GNU tar, $form: long names, owners, times before 1970" "$T/t.tar" $letters
done
for version in 0.0 0.1 1.0; do
	tar --format=pax --sparse --sparse-version=$version --numeric-owner -cf "$T/t.tar" -C "$src" . || exit
	comes_back "GNU tar, sparse files of version $version" "$T/t.tar" x
done
for form in gnu oldgnu; do
	tar --format=$form --sparse --numeric-owner -cf "$T/t.tar" -C "$src" . || exit
	comes_back "GNU tar, sparse files of format $form" "$T/t.tar" nx
done
if [ $has_xattrs = y ]; then
	tar --format=pax --sparse --xattrs --xattrs-include='*' --acls --numeric-owner -cf "$T/rich.tar" -C "$src" . || exit
	comes_back 'GNU tar: extended attributes, ACLs, capabilities' "$T/rich.tar" z
	tar --format=pax --sparse --acls --numeric-owner -cf "$T/t.tar" -C "$src" ./nothing ./dir || exit
	unpacked "$T/t.tar" "$T" >"$T/said"
	is 'ACLs in words alone' "$("$same" -x "$src" >/dev/null; getfacl -np "$src/nothing" "$src/dir" | sed "s|$src||")" \
		"$(getfacl -np "$T/out/nothing" "$T/out/dir" | sed "s|$T/out||")"
	if command -v bsdtar >/dev/null; then
		bsdtar --format=pax --numeric-owner -cf "$T/t.tar" -C "$src" . 2>"$T/.log"
		# Its time of the owner is wrong: it cuts before 1970 to the wrong side
		comes_back 'bsdtar, pax' "$T/t.tar" tahx
		comes_back 'bsdtar, pax: extended attributes' "$T/t.tar" tah
	else
		skip 'bsdtar, pax' 'no bsdtar'
	fi
	for fs in ext4 btrfs tmpfs; do
		if [ $fs != tmpfs ] && ! command -v mkfs.$fs >/dev/null; then
			skip "on $fs" "no mkfs.$fs"
			continue
		fi
		mkdir -p "$T/mnt"
		if [ $fs = tmpfs ]; then
			mount -t tmpfs -o size=64m none "$T/mnt" || continue
		else
			truncate -s 128M "$T/img"
			# Small blocks hold no long links
			case $fs in ext4) set -- -b 4096 ;; *) set -- ;; esac
			if ! { "mkfs.$fs" -q "$@" "$T/img" && mount -o loop "$T/img" "$T/mnt"; } >"$T/.log" 2>&1; then
				skip "on $fs" "$(head -n 1 "$T/.log")"
				rm -f "$T/img"
				continue
			fi
		fi
		case $fs in
		# Such of users came to tmpfs with 6.6
		tmpfs) setfattr -n user.one -v 1 "$T/mnt" 2>/dev/null || { umount "$T/mnt"; skip "on tmpfs" 'no user.* there'; continue; } ;;
		esac
		comes_back "on $fs" "$T/rich.tar" z "$T/mnt"
		umount "$T/mnt"
		rm -f "$T/img"
	done
else
	skip 'GNU tar: extended attributes, ACLs, capabilities' 'the file system, or the programs, have none'
fi

# The longest name that a header of its own has room for; what follows it there is where a link leads to
dir=$(printf '%0155d' 1)
name=$(printf '%0100d' 2)
mkdir "$T/full" "$T/full/$dir" && ln -s leads/there "$T/full/$dir/$name"
tar --format=ustar -cf "$T/t.tar" -C "$T/full" "$dir/$name"
unpacked "$T/t.tar" "$T" >"$T/said"
is 'a name that fills its header ends there' leads/there "$(cat "$T/said"; readlink "$T/out/$dir/$name")"
rm -rf "$T/full"

# What stands there twice: the later wins
mkdir "$T/one" "$T/two"
echo 1 >"$T/one/file"; ln -s file "$T/one/link"; mkdir "$T/one/dir" "$T/one/dir2"; echo 1 >"$T/one/dir/a"; ln -s dir "$T/one/dlink"; mkfifo "$T/one/p"
echo 2 >"$T/two/file"; echo 2 >"$T/two/link"; mkdir "$T/two/dir" "$T/two/dlink"; echo 2 >"$T/two/dir/b"; echo 2 >"$T/two/dir2"; mkdir "$T/two/p"
{ tar -cf - -C "$T/one" .; tar -cf - -C "$T/two" .; } >"$T/t.tar"
unpacked "$T/t.tar" "$T" >"$T/said"
is 'of two entries the later wins, and a directory is merged' ". d
dir d
dir/a - 2
dir/b - 2
dir2 - 2
dlink d
file - 2
link - 2
p d" "$(cat "$T/said"; "$same" -tomxhi "$T/out" | cut -d' ' -f1-3)"

# Layers: what they hide
rm -rf "$T/low" "$T/up" && mkdir -p "$T/low/opq/sub" "$T/low/keep" "$T/low/gone/deep" "$T/up/opq/sub" "$T/up/keep"
	echo l >"$T/low/opq/old"; echo l >"$T/low/opq/sub/old"; echo l >"$T/low/keep/a"; echo l >"$T/low/keep/b"; echo l >"$T/low/gone/deep/x"
echo u >"$T/up/opq/new"; echo u >"$T/up/opq/sub/new"; : >"$T/up/keep/.wh.a"; : >"$T/up/.wh.gone"; : >"$T/up/.wh..wh.plnk"
: >"$T/up/opq/.wh..wh..opq"; echo u >"$T/up/keep/c"; : >"$T/up/keep/.wh.c"; mkdir "$T/low/was"; echo l >"$T/low/was/x"; echo u >"$T/up/was"
rm -rf "$T/out" && mkdir "$T/out"
tar -cf - -C "$T/low" . | "$untar" -w "$T/out"
# the mark that hides all comes last: it hides nothing of its own layer
tar -cf - -C "$T/up" ./opq/new ./opq/sub ./keep/c ./keep/.wh.c ./keep/.wh.a ./.wh.gone ./.wh..wh.plnk ./was ./opq/.wh..wh..opq |
	"$untar" -w "$T/out"
is 'a layer hides what was below it, and nothing of its own' ". d
keep d
keep/b -
keep/c -
opq d
opq/new -
opq/sub d
opq/sub/new -
was -" "$("$same" -tomxhi "$T/out" | cut -d' ' -f1-2)"

if command -v setfacl >/dev/null && setfacl -d -m u:1234:rwx "$T/low" "$T/low/keep" 2>/dev/null; then
	rm -rf "$T/out" && mkdir "$T/out"
	tar --acls -cf - -C "$T/low" . | "$untar" -w "$T/out"
	mkdir -p "$T/up/keep/implied" && : >"$T/up/keep/implied/file"
	chmod 640 "$T/up/keep/c"
	chmod 600 "$T/up/was"
	tar -cf - -C "$T/up" ./keep/c ./keep/implied/file ./was | "$untar" -w "$T/out"
	is 'ACLs of a layer are not handed down to the next, and stay where they are' "default:user:1234:rwx
default:user:1234:rwx
640 600 644 755" "$(cd "$T/out" && getfacl -np keep/c keep/implied keep/implied/file was keep . | grep 1234
		stat -c %a keep/c was keep/implied/file keep/implied | tr '\n' ' ' | sed 's/ $//')"
else
	skip 'ACLs of a layer are not handed down to the next' 'none here'
fi

if command -v strace >/dev/null; then
	rm -rf "$T/one" "$T/out" && mkdir "$T/one" "$T/out"
	echo one >"$T/one/a"
	chown 7:8 "$T/one/a"
	chmod 4751 "$T/one/a"
	ln "$T/one/a" "$T/one/b"
	tar -cf "$T/t.tar" -C "$T/one" ./a ./b
	is 'where a file may have no more names, the next is a copy' '1 7 8 4751 one' "$(
		strace -o /dev/null -e inject=linkat:error=EMLINK "$untar" "$T/out" <"$T/t.tar" 2>&1
		stat -c '%h %u %g %a' "$T/out/b" | tr '\n' ' '; cat "$T/out/b")"
	is 'of the same age' '' "$(find "$T/out" -newer "$T/out/a" -name b; find "$T/out" -newer "$T/out/b" -name a)"
else
	skip 'where a file may have no more names, the next is a copy' 'no strace'
fi

# Many directories: the memory stays
mkdir "$T/many"
i=0
while [ $i -lt 3000 ]; do
	echo "$T/many/directory-with-a-longer-name-$i/one/two"
	i=$((i + 1))
done | xargs mkdir -p
find "$T/many" -depth -type d -exec "$real_touch" -d '2002-02-02 02:02:02' {} +
tar --format=gnu -cf "$T/t.tar" -C "$T/many" .
rm -rf "$T/out" && mkdir "$T/out"
before=$(: | gzip -c | "$untar" "$T/out" say 2>/dev/null; tar -cf - -C "$T/one" . | "$untar" "$T/out" say)
rm -rf "$T/out" && mkdir "$T/out"
after=$("$untar" "$T/out" say <"$T/t.tar")
ok '9,000 directories take no more memory than two' [ "$after" -lt $((before + 300)) ]
ok 'memory is below 4 MB' [ "$after" -lt 4096 ]
is 'times of many directories are right' "$("$same" -n "$T/many")" "$("$same" -n "$T/out")"

leftovers_after 'nothing is left mounted'
done_testing
