#!/bin/sh
# Trees are copied to the last attribute, on every file system, by one thread
# and by two; and removed, whatever is in them, and nothing else.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need setfacl setcap setfattr
copy=$(program copy)

mkdir "$T/victim" "$T/mnt"
echo secret >"$T/victim/secret"

# all DIR : a tree with one of each, and a few more
all() {
	(
		cd "$1" || exit
		mkdir -p dir/sub/deeper empty closed many setgid
		for f in plain setuid caps acl dir/file; do echo $f >$f; done
		: >none
		ln setuid dir/hardlink
		ln plain dir/sub/hardlink
		ln plain dir/sub/deeper/hardlink
		head -c 300000 /dev/urandom >big
		cp big long
		truncate -s 500000 long
		truncate -s 8M sparse
		printf x | dd of=sparse bs=1 seek=3000000 conv=notrunc 2>/dev/null
		truncate -s 1M hollow
		printf '\0\0\0' >zero
		ln -s "$T/victim/secret" link
		ln -s "$T/victim" link-to-dir
		ln -s nowhere dangling
		mkfifo -m 620 fifo
		perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un("socket")) or die'
		mknod null c 1 3
		mknod -m 600 loop b 7 99
		: >"new
line"
		: >"$(printf 'bytes\377\001')"
		i=0
		while [ $i -lt 300 ]; do echo $i >many/$i; i=$((i + 1)); done
		chown 1:2 plain
		chown 0:42 dir setuid fifo
		chown -h 33:33 link
		chown 100:101 caps null
		chmod 4755 setuid
		chmod 2775 setgid
		chmod 400 dir/file
		chmod 000 closed none
		setcap cap_net_raw+ep caps
		setfacl -m u:1000:rw,g:4:r acl
		setfacl -m u:1001:rx,d:u:1002:rwx,d:g:5:x dir
		setfattr -n user.note -v kept plain
		setfattr -n user.long -v "$(head -c 900 /dev/zero | tr '\0' l)" dir
		setfattr -n trusted.note -v kept dir/sub
		setfattr -hn trusted.note -v kept link
		setfattr -n trusted.note -v kept null
		"$copy" stamp ./* dir/* dir/sub .
	) 2>"$T/err"
}
# same FILE FILE : prints how they differ
same() { diff "$1" "$2" | grep '^[<>]' | head -n 5; }
# copied NAME FROM [FLAGS [WORD...]] : a copy, by "WORD... copy"; it is as
# it is, and that itself did not change
copied() {
	what=$1 from=$2 flags=${3:-0}
	shift $(($# < 3 ? $# : 3))
	rm -rf "$from.copy"
	mkdir -m 2777 "$from.copy"
	setfacl -m d:u:7:rwx "$from.copy" 2>/dev/null
	"$copy" list "$from" >/dev/null	# the first to read changes when it was read
	"$copy" list "$from" >"$T/want"
	ok "$what" timeout 60 "$@" "$copy" tree "$from" "$from.copy" "$flags"
	"$copy" list "$from.copy" >"$T/got"
	is "$what: it is the same" '' "$(same "$T/want" "$T/got")"
	"$copy" list "$from" >"$T/got"
	is "$what: the source, too" '' "$(same "$T/want" "$T/got")"
}

# ---- all kinds of file systems ---------------------------------------------------

# image KIND MKFS... : mounted at $T/mnt/KIND
image() {
	kind=$1
	shift
	mkdir "$T/mnt/$kind"
	command -v "$1" >/dev/null && truncate -s 600M "$T/$kind.img" && "$@" "$T/$kind.img" >/dev/null 2>&1 &&
		mount -o loop "$T/$kind.img" "$T/mnt/$kind" 2>/dev/null
}

image btrfs mkfs.btrfs -q
image xfs mkfs.xfs -q
image ext4 mkfs.ext4 -qF
image f2fs mkfs.f2fs -q
mkdir "$T/mnt/tmpfs" "$T/mnt/overlay"
mount -t tmpfs none "$T/mnt/tmpfs"
if mountpoint -q "$T/mnt/ext4"; then
	mkdir "$T/mnt/ext4/lower" "$T/mnt/ext4/upper" "$T/mnt/ext4/work"
	mount -t overlay -o "lowerdir=$T/mnt/ext4/lower,upperdir=$T/mnt/ext4/upper,workdir=$T/mnt/ext4/work" \
		none "$T/mnt/overlay" 2>/dev/null
fi

for fs in btrfs xfs ext4 f2fs tmpfs overlay; do
	at=$T/mnt/$fs
	if ! mountpoint -q "$at"; then
		skip "a tree on $fs" 'no such file system here'
		continue
	fi
	mkdir "$at/all"
	if ! all "$at/all"; then
		skip "a tree on $fs" "no such attributes: $(head -n 1 "$T/err")"
		continue
	fi
	copied "a tree on $fs" "$at/all"
	copied "a tree on $fs, by one thread" "$at/all" 1
done

at=$T/mnt/ext4/all
if [ -d "$at" ]; then
	for fs in btrfs xfs f2fs tmpfs; do
		[ -d "$T/mnt/$fs/all" ] || continue
		mkdir "$T/mnt/$fs/from"
		"$copy" list "$at" >"$T/want"
		ok "from ext4 to $fs" "$copy" tree "$at" "$T/mnt/$fs/from"
		"$copy" list "$T/mnt/$fs/from" >"$T/got"
		is "from ext4 to $fs: it is the same" '' "$(same "$T/want" "$T/got")"
	done
fi

# ---- ways that are missing -----------------------------------------------------------

for fs in btrfs xfs ext4; do
	[ -d "$T/mnt/$fs/all" ] || continue
	for deny in FICLONE FICLONE,copy_file_range FICLONE,copy_file_range,sendfile,statx; do
		NSPAWN_LITE_DENY=$deny copied "$fs without $deny" "$T/mnt/$fs/all"
	done
	copied "$fs, nothing shared" "$T/mnt/$fs/all" 2
done
if [ -d "$T/mnt/xfs/all" ] && command -v taskset >/dev/null; then
	one=$(taskset -pc $$ | sed 's/.*: *//; s/[,-].*//')
	copied 'on one processor' "$T/mnt/xfs/all" 0 taskset -c "$one"
fi
at=$T/mnt/xfs
if [ -d "$at/all" ]; then
	# shared FLAGS : of 20 MB, what a copy takes
	takes() {
		before=$(stat -fc %f "$at")
		"$copy" file "$at/20M" "$at/20M.copy" "$1" && sync -f "$at"
		cmp "$at/20M" "$at/20M.copy"
		echo $(((before - $(stat -fc %f "$at")) * $(stat -fc %S "$at") > 10000000))
		rm "$at/20M.copy"
	}
	head -c 20971520 /dev/urandom >"$at/20M"
	sync -f "$at"
	is 'where it can, a copy shares its data' 0 "$(takes 0)"
	is 'and not, where it is not to' 1 "$(takes 2)"
fi

mkdir "$T/mnt/full"
mount -t tmpfs -o size=1M none "$T/mnt/full"
for flags in 0 1; do
	run timeout 60 "$copy" tree "$T/mnt/tmpfs/all" "$T/mnt/full" $flags
	like "no room: it says where ($flags)" '1 nspawn-lite: [a-z]*: No space left on device' "$rc $err"
	rm -rf "$T/mnt/full"/*
done

# more attributes than the kernel lists: they are not left out in silence
mkdir "$T/mnt/tmpfs/rich" "$T/mnt/tmpfs/poor"
echo rich >"$T/mnt/tmpfs/rich/file"
awk 'BEGIN { print "# file: file"; for (i = 0; i < 300; i++) printf "user.%0245d=\"x\"\n", i }' >"$T/attributes"
if (cd "$T/mnt/tmpfs/rich" && setfattr --restore="$T/attributes") 2>/dev/null && ! getfattr "$T/mnt/tmpfs/rich/file" >/dev/null 2>&1; then
	run "$copy" tree "$T/mnt/tmpfs/rich" "$T/mnt/tmpfs/poor"
	is 'more attributes than can be listed are an error' '1 nspawn-lite: file: Argument list too long' "$rc $err"
else
	skip 'more attributes than can be listed are an error' 'none here can have so many'
fi
rm -rf "$T/mnt/tmpfs/rich" "$T/mnt/tmpfs/poor"

# ---- memory, fds, time: of a directory, a depth, a file ---------------------------------

at=$T/mnt/tmpfs
mkdir "$at/many" "$at/many.copy" "$at/deep" "$at/deep.copy"
"$copy" many "$at/many" 100000
"$copy" deep "$at/deep" 5000
# small COMMAND... : with 4 MB and few fds
# shellcheck disable=SC3045,SC2317 # every shell we meet has them
small() { (ulimit -v 4096 && ulimit -n 90 && exec timeout 100 "$@"); }
ok 'a hundred thousand files in a directory' small "$copy" tree "$at/many" "$at/many.copy"
is 'all of them' '' "$(diff -rq "$at/many" "$at/many.copy" | head -n 3)"
ok 'five thousand directories deep' small "$copy" tree "$at/deep" "$at/deep.copy"
is 'all of them, too' '5000 50 last' "$("$copy" depth "$at/deep.copy")"
ok 'such a directory is removed' small "$copy" remove "$at" many
ok 'such a depth is removed' small "$copy" remove "$at" deep
ok 'each copy, too' small "$copy" remove "$at" deep.copy
is 'nothing is left of it' many.copy "$(cd "$at" && find . -maxdepth 1 -name 'd*' -o -maxdepth 1 -name 'many*' | sed 's|./||')"

if command -v strace >/dev/null 2>&1; then
	# calls N : of a tree with so many files
	calls() {
		mkdir "$at/calls" "$at/calls.copy"
		"$copy" many "$at/calls" "$1"
		strace -f -c -o "$T/calls" "$copy" tree "$at/calls" "$at/calls.copy" 1
		"$copy" remove "$at" calls
		"$copy" remove "$at" calls.copy
		awk '$1 ~ /^[0-9]/ && $NF != "total" { n += $4 } END { print n }' "$T/calls"
	}
	few=$(calls 100)
	more=$(calls 1100)
	is 'nine calls a file, and one for hundreds of names' "9 y" \
		"$(awk -v a="$few" -v b="$more" 'BEGIN { n = b - a; print int(n / 1000), n % 1000 < 40 ? "y" : n }')"
	# threads WITHOUT COMMAND... : how many it makes
	threads() {
		without=$1
		shift
		strace -f -e trace=clone,clone3 -o "$T/made" "$(program deny)" "$without" -- "$@" >/dev/null 2>&1
		grep -c CLONE_THREAD "$T/made"
	}
	mkdir "$at/two" "$at/two.copy" "$at/none.copy"
	"$copy" many "$at/two" 100
	if [ "$(nproc)" -gt 1 ]; then
		is 'another thread copies, and packs' '1 1' "$(threads inet6 "$copy" tree "$at/two" "$at/two.copy") $(threads inet6 "$(program stream)" pack gzip 6 <"$NL")"
	fi
	is 'not where waiting for one would be spinning' '0 0 0' \
		"$(threads futex "$copy" tree "$at/two" "$at/none.copy") $(threads futex "$(program stream)" pack gzip 6 <"$NL") $(gzip -c "$NL" | threads futex "$(program stream)" cat)"
	is 'and all is copied' 0 "$(diff -r "$at/two" "$at/none.copy"; echo $?)"
	rm -rf "$at/two" "$at/two.copy" "$at/none.copy"
else
	skip 'nine calls a file' 'no strace'
fi

# ---- what is mounted in it ----------------------------------------------------------------

m=$T/mounts
mkdir -p "$m/dir" "$m/bound" "$m/tmp" "$T/mounts.copy"
: >"$m/file"
mount --bind "$T/victim" "$m/bound"
mount -t tmpfs none "$m/tmp"
mount --bind "$T/victim/secret" "$m/file"
: >"$m/tmp/inside"
ok 'a tree with mounts is copied' "$copy" tree "$m" "$T/mounts.copy"
is 'without what is in them' './bound
./dir
./tmp' "$(cd "$T/mounts.copy" && find . | sort | sed 1d)"
run "$copy" remove "$T" mounts
like 'it is not removed' '1 nspawn-lite: .: * busy' "$rc $err"
is 'nor anything in it' 'bound dir file tmp' "$(cd "$m" && echo *)"
umount "$m/bound" "$m/tmp" "$m/file"
ok 'until they are gone' "$copy" remove "$T" mounts
ok 'what is not there is removed' "$copy" remove "$T" mounts

# ---- removing -----------------------------------------------------------------------------------

for fs in btrfs xfs ext4 f2fs tmpfs overlay; do
	[ -d "$T/mnt/$fs/all.copy" ] || continue
	ok "a tree is removed from $fs" "$copy" remove "$T/mnt/$fs" all.copy
	is "and is gone from $fs" '' "$(find "$T/mnt/$fs" -maxdepth 1 -name all.copy)"
done
is 'nothing that links lead to went with it' secret "$(cat "$T/victim/secret")"
at=$T/mnt/ext4
if [ -d "$at/all" ]; then
	mkdir -p "$at/fixed/dir"
	: >"$at/fixed/file"
	: >"$at/raw"
	chattr +i "$at/fixed/file" "$at/fixed/dir" "$at/fixed" "$at/raw" 2>/dev/null
	ok 'what is immutable is removed' "$copy" remove "$at" fixed
	ok 'a file, too' "$copy" remove "$at" raw
	is 'and are gone' '' "$(find "$at" -maxdepth 1 -name fixed -o -maxdepth 1 -name raw)"
fi

# ---- somebody who changes it meanwhile ---------------------------------------------------------------

h=$T/hostile
# prepare : a directory and a link to the victim, which change places all the time
prepare() {
	mkdir -p "$h/a"
	i=0
	while [ $i -lt 40 ]; do mkdir "$h/a/$i" && : >"$h/a/$i/file" && i=$((i + 1)); done
	: >"$h/a/secret"
	ln -s "$T/victim" "$h/b"
	"$copy" swap "$h/a" "$h/b" 2>/dev/null &
	swapper=$!
}
prepare
seen=0
round=0
while [ $round -lt 40 ]; do
	mkdir "$T/out"
	timeout 60 "$copy" tree "$h" "$T/out" 2>/dev/null || :
	find "$T/out" -name secret -size +0 | grep -q . && seen=1
	"$copy" remove "$T" out || break
	round=$((round + 1))
done
is 'a directory that becomes a link is not followed' '40 0' "$round $seen"
round=0
while [ $round -lt 20 ]; do
	timeout 60 "$copy" remove "$T" hostile 2>/dev/null || :
	kill -9 "$swapper" 2>/dev/null
	wait "$swapper" 2>/dev/null
	"$copy" remove "$T" hostile || break
	prepare
	round=$((round + 1))
done
kill -9 "$swapper"
wait "$swapper" 2>/dev/null
is 'nor is what it leads to removed' '20 secret' "$round $(cat "$T/victim/secret")"

at=$T/mnt/tmpfs
if command -v strace >/dev/null 2>&1; then
	mkdir "$at/halted"
	run strace -f -o /dev/null -e inject=umask:signal=SIGTERM:when=1 "$copy" tree "$at/many.copy" "$at/halted"
	is 'a signal ends a copy' '1 nspawn-lite: .: Interrupted system call' "$rc $err"
	run strace -f -o /dev/null -e inject=unlinkat:signal=SIGTERM:when=9 "$copy" remove "$at" many.copy
	like 'and a removal' '1 nspawn-lite: *: Interrupted system call' "$rc $err"
	is 'which has not done more' 99992 "$(find "$at/many.copy" -type f | wc -l)"
else
	skip 'a signal ends a copy' 'no strace'
fi

# ---- subvolumes ------------------------------------------------------------------------------------------

at=$T/mnt/btrfs
run "$copy" create "$T/mnt/tmpfs" sub
if [ ! -d "$at/all" ] || matches '*not implemented*' "$err"; then
	skip 'subvolumes' 'no btrfs'
else
	is 'elsewhere there are no subvolumes' 'nspawn-lite: sub: Not a tty' "$err"
	ok 'a subvolume is made' "$copy" create "$at" sub
	all "$at/sub"
	"$copy" list "$at/sub" >/dev/null
	"$copy" list "$at/sub" >"$T/want"
	ok 'a snapshot of it' "$copy" snapshot "$at/sub" "$at" snap
	"$copy" list "$at/snap" >"$T/got"
	is 'is the same' '' "$(same "$T/want" "$T/got")"
	ok 'one that is read-only' "$copy" frozen "$at/sub" "$at" frozen
	is 'and stays so' 1 "$(touch "$at/frozen/new" 2>/dev/null; echo $?)"
	ok 'nested ones' "$copy" create "$at/sub/dir" nested
	"$copy" create "$at/sub/dir/nested" inner
	echo inner >"$at/sub/dir/nested/inner/file"
	"$copy" frozen "$at/sub/dir/nested/inner" "$at/sub/dir/nested" fixed
	copied 'a tree with subvolumes' "$at/sub"
	ok 'a limit is set' "$copy" limit "$at/snap" 8M
	like 'it is told' '* 8388608 * 18446744073709551615' "$("$copy" usage "$at/snap")"
	is 'and holds' 1 "$(head -c 20971520 /dev/urandom 2>/dev/null >"$at/snap/more" && sync -f "$at/snap"; echo $?)"
	ok 'it is taken away' "$copy" limit "$at/snap" infinity
	like 'that is told, too' '* 18446744073709551615 * 18446744073709551615' "$("$copy" usage "$at/snap")"
	for sub in snap frozen sub sub.copy; do
		ok "$sub is removed" "$copy" remove "$at" "$sub"
	done
	is 'and all are gone' '' "$(find "$at" -maxdepth 1 -name '*sub*' -o -maxdepth 1 -name snap -o -maxdepth 1 -name frozen)"
	"$copy" create "$at" sub
	"$copy" create "$at/sub" nested
	ok 'a subvolume is deleted with those below it' "$copy" delete "$at" sub
fi
done_testing
