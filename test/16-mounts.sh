#!/bin/sh
# Mounts that are asked for: every form of their words with what is seen of it
# inside, bad words, order, trees and file systems that make it hard, and that
# nothing of the host is had by it. What mounts on the host does so apart.
# shellcheck disable=SC2005,SC2016,SC2046,SC2116 # what stands in single quotes is for the shell inside; echo joins lines
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
t=$(tree busybox) || exit
d=$T/d	# of the host
mkdir -p "$d/dir/sub" "$d/a:b" "$d/a\\b" "$d/empty"
echo file >"$d/file"
echo dir >"$d/dir/f"
echo sub >"$d/dir/sub/f"
echo colon >"$d/a:b/f"
echo backslash >"$d/a\\b/f"
ln -s dir "$d/link"
cd "$d" || exit
lanes='none open_tree mount_setattr new'	# what is denied: each way of ours is gone

guest() { timeout 60 "$NL" -q -P -M mounts -D "$t" "$@" </dev/null; }
# sees SENTENCE WANTED WORD... : in all ways
sees() {
	what=$1
	want=$2
	shift 2
	for deny in $lanes; do
		is "$what (denied: $deny)" "$want" "$(NSPAWN_LITE_DENY=$deny guest "$@" 2>&1)"
	done
}
apart() { timeout 60 unshare -m --propagation private "$@" </dev/null; }
# the flags of the topmost mount there
flags='flags() { awk -v p="$1" "\$5 == p { f = \$6; t = \$(NF - 2) } END { print f, t }" /proc/self/mountinfo; }; '
leftovers_before

# ---- binds ------------------------------------------------------------------------------------

sees 'a directory under its own name' dir --bind="$d/dir" cat "$d/dir/f"
sees 'a directory at another place, which is made' dir --bind="$d/dir:/made/on/the/way" cat /made/on/the/way/f
sees 'a file, whose place is made as one' file --bind="$d/file:/made/file" cat /made/file
is 'that is, an empty one' 'regular empty file' "$(stat -c %F "$t/made/file")"
sees 'a relative source is of our directory' dir --bind=dir:/x cat /x/f
sees 'a relative source under its absolute name' dir --bind=dir cat "$d/dir/f"
sees 'a source that is a link is what it leads to' dir --bind="$d/link:/x" cat /x/f
sees 'a source that goes up' dir --bind=dir/sub/..:/x cat /x/f
sees 'a source of the tree' root --bind=+/etc:/x sh -c 'head -n 1 /x/passwd | cut -d: -f1'
sees 'a source of the tree without a destination is itself' ok --bind-ro=+/etc sh -c 'touch /etc/x 2>/dev/null || echo ok'
sees 'a fresh directory' 'drwxr-xr-x 0 2' --bind=:/x sh -c 'echo $(stat -c "%A %u" /x) $(touch /x/y /x/z; ls /x | wc -l)'
sees 'colons of a path by escapes' colon '--bind=a\:b:/x' cat /x/f
sees 'colons of a destination by escapes' colon '--bind=a\:b:/x\:y' cat /x:y/f
sees 'a backslash by an escape' backslash '--bind=a\\b:/x' cat /x/f
sees 'a backslash before another letter is one' backslash '--bind=a\b:/x' cat /x/f
sees 'what is written to a bind is on the host' '' --bind="$d/dir:/x" sh -c 'echo new >/x/new'
is 'that is, there' new "$(cat dir/new)"
sees 'a bind that is read-only' 'dir ro' --bind-ro="$d/dir:/x" sh -c 'echo $(cat /x/f) $(touch /x/ro 2>/dev/null || echo ro)'
is 'nothing was written' '' "$(ls dir/ro 2>/dev/null)"
sees 'a file that is read-only' ro --bind-ro="$d/file:/x1" sh -c '(echo x >/x1) 2>/dev/null || echo ro'
sees 'dots and empty parts of a destination mean nothing' dir --bind="$d/dir:/./x//y/." cat /x/y/f
sees 'the last of options counts' sub --bind="$d/dir:/x:norbind,rbind" cat /x/sub/f
mkdir "$t/has" "$t/has/dir"
: >"$t/has/file"
echo hidden >"$t/has/dir/hidden"
sees 'a bind hides what was there' f --bind="$d/dir/sub:/has/dir" ls /has/dir
sees 'a file over a file' file --bind="$d/file:/has/file" cat /has/file
sees 'over a part of /proc' file --bind="$d/file:/proc/uptime" cat /proc/uptime
sees 'over a masked part of /proc' file --bind="$d/file:/proc/timer_list" cat /proc/timer_list
sees 'over a part of /sys' dir --bind="$d/dir:/sys/kernel" cat /sys/kernel/f
sees 'over /tmp' dir --bind="$d/dir:/tmp" cat /tmp/f
sees 'below /run' dir --bind="$d/dir:/run/a/b" cat /run/a/b/f
sees 'over /run itself' dir --bind="$d/dir:/run" cat /run/f
sees 'a device is a device' 'c 1:3' --bind=/dev/null:/dev/other sh -c 'stat -c "%F %t:%T" /dev/other | sed "s/character special file/c/"'
sees 'a FIFO as a source blocks nobody' p --bind="$(mkfifo fifo 2>/dev/null; echo "$d/fifo"):/x2" sh -c 'test -p /x2 && echo p'
sees 'resolv.conf that was asked for is not written over' file --bind="$d/file:/etc/resolv.conf" --resolv-conf=replace-host cat /etc/resolv.conf
is 'nor is its source' file "$(cat file)"
mkdir -p "$t/deep/er"
ln -s /has/dir/sub "$t/deep/er/absolute"
mkdir "$t/has/dir/sub"
echo far >"$t/has/dir/sub/f"
for deny in none openat2; do
	is "an absolute link begins at the root of the tree, however deep it is (denied: $deny)" far \
		"$(NSPAWN_LITE_DENY=$deny guest --bind=+/deep/er/absolute:/x cat /x/f 2>&1)"
done
ln -s ../run/not/yet "$t/etc/later"
ln -s /nowhere/at/all "$t/etc/absolute"
sees 'a link that leads to nothing yet is followed, inside' file --bind="$d/file:/etc/later" cat /run/not/yet
sees 'an absolute one too' dir --bind="$d/dir:/etc/absolute" cat /nowhere/at/all/f
# shellcheck disable=SC2046 # words
sees 'a hundred of them' 100 $(i=0; while [ $i -lt 100 ]; do echo "--bind=$d/dir:/many/$i"; i=$((i + 1)); done) \
	sh -c 'ls /many | wc -l'

# ---- order ----------------------------------------------------------------------------------------

sees 'parents come first, in whatever order they are said' 'f sub ok' --bind="$d/dir/sub:/o/p/q" --tmpfs=/o/p --bind="$d/file:/o-p" --bind="$d/dir:/o" \
	sh -c 'echo $(ls /o/p/q) $(cat /o/p/q/f) $(test -e /o/f && echo ok)'
sees 'of two at one place the latter is seen' sub --bind="$d/dir:/o" --bind="$d/dir/sub:/o" cat /o/f
is 'a name that goes on with a hyphen is no child' '/n /n/p /n-p' \
	"$(guest --tmpfs=/n-p --tmpfs=/n/p --tmpfs=/n sh -c 'grep -o " /n[^ ]*" /proc/self/mountinfo | tr -d "\n" | cut -c2-')"

# ---- what the host mounts --------------------------------------------------------------------------------

# shared as a host's mounts are
shared='mount -t tmpfs host "$1" && mount --make-shared "$1" && mkdir "$1/in" && mount -t tmpfs below "$1/in" && echo below >"$1/in/f" || exit 99; '
for deny in $lanes; do
	export NSPAWN_LITE_DENY="$deny"
	nested() { apart sh -c "$shared"'m=$1; shift; exec "$@"' x "$d/empty" "$NL" -q -P -D "$t" "$@" 2>&1; }
	is "what is mounted below comes with it (denied: $deny)" below "$(nested --bind="$d/empty:/x" cat /x/in/f)"
	is "and is read-only with it (denied: $deny)" 'below ro' \
		"$(nested --bind-ro="$d/empty:/x" sh -c 'cat /x/in/f; echo x 2>/dev/null >/x/in/f || echo ro' | tr '\n' ' ' | sed 's/ $//')"
	is "and is left out by norbind (denied: $deny)" '0' "$(nested --bind="$d/empty:/x:norbind" sh -c 'ls /x/in | wc -l')"
	# up says that it runs; the host mounts and unmounts; then go
	later() {
		apart sh -c "$shared"'m=$1; shift
			mkdir "$m/later"; mkfifo "$m/up" "$m/go"
			"$@" sh -c "echo up >/x/up; read x </go; ls /x/later /x/in | tr \"\\n\" \" \"; mount -t tmpfs leak /x/later 2>/dev/null; :" 2>&1 &
			read -r x <"$m/up"
			mount -t tmpfs late "$m/later" && : >"$m/later/late" && umount "$m/in" && echo gone from the host >/dev/null
			echo go >"$m/go"
			wait
			grep leak /proc/self/mountinfo' x "$d/empty" "$NL" -q -P -D "$t" "$@" | sed 's/ *$//'
	}
	is "what the host mounts and unmounts there later is followed, and nothing comes back (denied: $deny)" \
		'/x/in: /x/later: late' "$(later --bind="$d/empty:/x" --bind="$d/empty/go:/go" | tr -s ' ')"
	is "but what is read-only gets nothing new (denied: $deny)" '/x/in: f /x/later:' \
		"$(later --bind-ro="$d/empty:/x" --bind="$d/empty/go:/go" --bind="$d/empty/up:/x/up" | tr -s ' ')"
done
unset NSPAWN_LITE_DENY

# ---- tmpfs --------------------------------------------------------------------------------------------------

sees 'a tmpfs' 'rw,nodev 755 tmpfs' --tmpfs=/x sh -c "$flags"'set -- $(flags /x); echo "$1 $(stat -c %a /x) $2"'
sees 'with options its mode is the kernel'"'"'s, as in the original' '1777 755' --tmpfs=/x:size=1m --tmpfs=/y: sh -c 'echo $(stat -c %a /x /y)'
sees 'a mode counts wherever it stands' 700 --tmpfs=/x:size=1m,mode=0700 stat -c %a /x
sees 'a tmpfs with flags' 'rw,nosuid,nodev,noexec,noatime' --tmpfs=/x:nosuid,noexec,noatime sh -c "$flags"'set -- $(flags /x); echo $1'
sees 'a tmpfs without nodev' 'rw' --tmpfs=/x:dev sh -c "$flags"'set -- $(flags /x); echo $1'
sees 'a tmpfs that is read-only' ro --tmpfs=/x:ro sh -c 'touch /x/y 2>/dev/null || echo ro'
sees 'its mode, owner and size' '1777 5 6 1024' --tmpfs=/x:mode=1777,uid=5,gid=6,size=1m sh -c 'echo $(stat -c "%a %u %g" /x) $(df -k /x | awk "{ n = \$2 } END { print n }")'
sees 'sizes with units, and shares of the memory' '1024 1024 ok' --tmpfs=/x:size=1M --tmpfs=/y:nr_blocks=256 --tmpfs=/z:size=50%,nr_inodes=2k \
	sh -c 'echo $(df -k /x /y | awk "NR > 1 { print \$2 }") $(test -d /z && echo ok)'
sees 'its inodes' full --tmpfs=/x:nr_inodes=3 sh -c 'touch /x/1 /x/2 /x/3 2>/dev/null || echo full'
sees 'a tmpfs may cover what we mounted' '' --tmpfs=/run --tmpfs=/dev/shm sh -c 'ls -A /run; ls -A /dev/shm'
sees 'a colon of a path' ok '--tmpfs=/a\:b:size=1m' sh -c 'test -d /a:b && echo ok'

# ---- overlays ---------------------------------------------------------------------------------------------------

mkdir "$d/low1" "$d/low2" "$d/upper"
echo 1 >low1/a
echo 1 >low1/b
echo 2 >low2/b
echo 2 >low2/c
overlay() {
	rm -rf "$d/upper"
	mkdir "$d/upper"
	sees "$@"
}
overlay 'the first layer is the lowest' '1 2 2' --overlay=low1:low2:upper:/x sh -c 'cat /x/a /x/b /x/c | tr "\n" " " | sed "s/ $//"'
overlay 'what changes is in the upper one' '' --overlay=low1:upper:/x sh -c 'echo up >/x/b; rm -f /x/a'
is 'that is, there' 'up ./a ./b' "$(cat upper/b) $(cd upper && echo ./*)"
is 'and nothing else' '1 1' "$(cat low1/a) $(cat low1/b)"
is 'no work directory stays' '' "$(find "$d" -name '*nspawn-lite')"
overlay 'an upper directory is made' ok --overlay=low1:upper/new:/x sh -c 'touch /x/y && echo ok'
overlay 'of two paths the second is upper and destination' 'dir' --overlay=low1:"$d/upper" sh -c "touch '$d/upper/y' && stat -c %F '$d/upper' | cut -c1-3"
is 'that is, on the host' y "$(ls upper)"
rm -rf "$t/var/over"
mkdir -p "$t/var/over"
echo tree >"$t/var/over/f"
chmod 1770 "$t/var/over"
overlay 'an empty upper one is in memory; a layer may be of the tree' 'tree 1770 ok' --overlay=+/var/over::/var/over \
	sh -c 'touch /var/over/y; echo $(cat /var/over/f) $(stat -c %a /var/over) ok'
is 'it is not kept' f "$(ls "$t/var/over")"
overlay 'an upper one of the tree' ok --overlay=low1:+/var/up:/x sh -c 'touch /x/y && echo ok'
is 'that is, in the tree' y "$(ls "$t/var/up")"
is 'no work directory stays in the tree' '' "$(find "$t" -name '*nspawn-lite')"
overlay 'a read-only overlay needs no upper one' '1 2 2 ro' --overlay-ro=low1:low2:/x \
	sh -c 'echo $(cat /x/a /x/b /x/c) $(touch /x/y 2>/dev/null || echo ro)'
overlay 'of two paths of a read-only one the second is the higher, and the destination' '1 2' --overlay-ro=low1:"$d/low2" \
	sh -c "cat '$d/low2/a' '$d/low2/b' | tr '\n' ' ' | sed 's/ $//'"
mkdir "$d/l:w,x\\"
echo odd >"$d/l:w,x\\/f"
overlay 'layers of odd names' odd '--overlay=l\:w,x\\:upper:/x' cat /x/f
sees 'no path of the host shows' 0 --overlay=low1:upper:/x sh -c "grep -cF -e low1 -e upper= /proc/self/mountinfo | sed 's/^1\$/0/'"

# held NAME OPTION... : a machine that says so when it runs, and ends when descriptor 8 is closed
mkfifo "$T/in" "$T/says"
held() {
	name=$1
	shift
	"$NL" -q -P -M "$name" "$@" sh -c 'touch /x/new; echo up; read -r x; rm /x/a && echo after' <"$T/in" >"$T/says" &
	pid=$!
	exec 8>"$T/in" 9<"$T/says"
	read -r _ <&9
}
let_go() {
	exec 8>&-
	read -r said <&9 || said=''
	exec 9<&-
	wait $pid 2>/dev/null
}
mkdir "$d/busy"
other=$(tree busybox other-name) || exit
held first -D "$t" --overlay="$d/low1:$d/busy/up:/x"
run "$NL" -q -P -D "$other" --overlay="$d/low2:$d/busy/up:/y" true
like 'an upper directory that another machine uses is refused' "1 *$d/busy/up is in use by another machine" "$rc $err"
let_go
is 'whose changes are made on' 'after 0' "$said $(find "$d/busy" -name '*nspawn-lite' | wc -l | tr -d ' ')"
is 'then it is free' ok "$(guest --overlay="$d/low1:$d/busy/up:/x" sh -c 'test ! -e /x/a && test -e /x/new && echo ok')"
rm -rf "$d/busy/up"
like 'one that is said twice is refused' '*in use by another*' \
	"$(guest --overlay="$d/low1:$d/busy/up:/x" --overlay="$d/low2:$d/busy/up:/y" true 2>&1)"

# what a machine that was killed leaves beside it. hidden : how much of that there is
hidden() { find "$d/busy" "$t" -name '*.nspawn-lite' | wc -l | tr -d ' '; }
killed() {
	held "$@"
	kill -9 $pid
	wait $pid 2>/dev/null
	read -r _ <&9	# until nobody in it writes any more
	let_go
}
killed gone -D "$t" --overlay="$d/low1:$d/busy/up:/x" --overlay="$d/low1:+/var/left:/y"
is 'kill -9 leaves a work directory of the host, and of the tree' 2 "$(hidden)"
"$NL" -q -P -M gone -D "$t" true </dev/null
is 'which the next start of that machine removes' 0 "$(hidden)"
killed gone -D "$t" --overlay="$d/low1:$d/busy/up:/x" --overlay="$d/low1:+/var/left:/y"
"$NL" -q -P -M other-name -D "$other" true </dev/null
is 'or that of any other' 0 "$(hidden)"
killed gone -D "$t" --overlay="$d/low1:$d/busy/up:/x" --overlay="$d/low1:+/var/left:/y"
held second -D "$t" --overlay="$d/low1:$d/busy/up:/x" --overlay="$d/low1:+/var/left:/y"
"$NL" -q -P -M other-name -D "$other" true </dev/null
is 'but not from under a machine that has taken it over' 2 "$(hidden)"
let_go
is 'which goes on' 'after 0' "$said $(hidden)"
killed gone -D "$t" --overlay="$d/low1:$d/busy/up:/x"
mkdir -p "$d/decoy/.#up.nspawn-lite/work" "$d/away"
chmod 700 "$d/decoy/.#up.nspawn-lite"
mv "$d/busy" "$d/away/busy"
ln -s decoy "$d/busy"
guest true
is 'a link that has come in the way is not followed' work "$(ls "$d/decoy/.#up.nspawn-lite")"
rm -rf "$d/busy" "$d/decoy" "$d/away"

# somebody else makes it first, where all may
mkdir -m 1777 "$d/public"
foreign() {	# foreign SENTENCE
	run guest --overlay="$d/low1:$d/public/up:/x" touch /x/y
	like "$1 is not taken for a work directory" \
		'1 *.#up.nspawn-lite, beside the upper directory, is none that we have made*' "$rc $err"
}
mkdir -m 700 "$d/public/.#up.nspawn-lite"
chown 65534:65534 "$d/public/.#up.nspawn-lite"
foreign 'a directory of somebody else'
chown 0:0 "$d/public/.#up.nspawn-lite"
chmod 755 "$d/public/.#up.nspawn-lite"
foreign 'one that others may use'
rmdir "$d/public/.#up.nspawn-lite"
ln -s ../low2 "$d/public/.#up.nspawn-lite"
foreign 'a link'
rm "$d/public/.#up.nspawn-lite"
: >"$d/public/.#up.nspawn-lite"
foreign 'a file'
rm "$d/public/.#up.nspawn-lite"
chmod 3777 "$d/public"
is 'one in a directory that hands down its group is ours' y \
	"$(guest --overlay="$d/low1:$d/public/up:/x" touch /x/y 2>&1; ls -A "$d/public/up")"
is 'and does not stay' up "$(ls -A "$d/public")"
like 'a name without room for a hidden one is refused' '*too long for a hidden one*' \
	"$(guest --overlay="$d/low1:$d/public/$(printf %0250d 1):/x" true 2>&1)"
rm -rf "$d/public"

# ---- inaccessible ---------------------------------------------------------------------------------------------------

sees 'a file is covered' '0 regular empty file' --inaccessible=/etc/passwd stat -c '%a %F' /etc/passwd
sees 'a directory is covered' '0 directory' --inaccessible=/etc sh -c 'ls /etc; stat -c "%a %F" /etc'
sees 'a part of /proc is covered' '0 regular empty file' --inaccessible=/proc/version stat -c '%a %F' /proc/version
sees 'a device is covered by one that is none' '0 0:0' --inaccessible=/dev/zero stat -c '%a %t:%T' /dev/zero
ln -sf passwd "$t/etc/pass-link"
sees 'a link is followed, inside' 0 --inaccessible=/etc/pass-link stat -c %a /etc/passwd
sees 'it cannot be changed' ro --inaccessible=/etc/passwd sh -c '(echo x >/etc/passwd) 2>/dev/null || echo ro'

# ---- mounts on the root, another root ------------------------------------------------------------------------------------

mkdir "$d/other"
cp -a "$t/bin" "$d/other/"
echo other >"$d/other/which"
sees 'a bind on the root' other --bind="$d/other:/" cat /which
sees 'a bind on the root that is read-only' ro --bind-ro="$d/other:/" sh -c 'touch /x 2>/dev/null || echo ro'
mkdir "$d/lacking"
cp -a "$t/bin" "$d/lacking/"
sees 'so is one that lacks mount points' ro --bind-ro="$d/lacking:/" sh -c 'touch /x 2>/dev/null || echo ro'
is 'which gets none' bin "$(ls "$d/lacking")"
sees 'and a tmpfs' ro --tmpfs=/:ro --bind-ro="$t/bin:/bin" sh -c 'touch /x 2>/dev/null || echo ro'
sees 'a tmpfs on the root, filled by binds' 'dir tmpfs' --tmpfs=/ --bind="$d/dir:/x" --bind-ro="$t/bin:/bin" \
	sh -c 'echo $(cat /x/f) $(stat -f -c %T /)'
rm -rf upper
mkdir upper
sees 'an overlay on the root' 'other' --overlay=+/:"$d/other:$d/upper:/" sh -c 'touch /changed; cat /which'
is 'its changes are where they belong' upper/changed "$(find upper -name changed)"
mkdir -p "$t/deploy/1/bin"
cp -a "$t/bin/." "$t/deploy/1/bin/"
echo deployed >"$t/deploy/1/which"
sees 'another root of the tree' deployed --pivot-root=/deploy/1 cat /which
sees 'another root with the old one below' 'deployed root' --pivot-root=/deploy/1:/sysroot \
	sh -c 'echo $(cat /which) $(head -n 1 /sysroot/etc/passwd | cut -d: -f1)'
ln -s /deploy/1 "$t/current"
sees 'another root by a link of the tree' deployed --pivot-root=/current cat /which
ln -s "../../../../../../../../..$d/other" "$t/out"
is 'a link that leads out finds none' 1 "$(guest --pivot-root=/out cat /which >/dev/null 2>&1; echo $?)"
sees 'another root, ephemeral' deployed -x --pivot-root=/deploy/1 sh -c 'touch /x; cat /which'
is 'nothing is kept' '' "$(ls "$t/deploy/1/x" 2>/dev/null)"

# ---- trees that must not be changed ---------------------------------------------------------------------------------------

sees 'a place deep in a read-only tree is made in memory' 'dir file ok ro ro' --read-only --bind="$d/dir:/usr/new/deep" --bind="$d/file:/etc/new" \
	sh -c 'echo $(cat /usr/new/deep/f /etc/new) $(test -e /etc/passwd && echo ok) $(touch /usr/y 2>/dev/null || echo ro) $(touch /etc/y 2>/dev/null || echo ro)'
is 'nothing of it is made in the tree' '' "$(ls "$t/usr/new" "$t/etc/new" 2>/dev/null)"
sees 'so is one at its top' 'dir ro' --read-only --bind="$d/dir:/brand/new" sh -c 'echo $(cat /brand/new/f) $(touch /y 2>/dev/null || echo ro)'
sees 'several in one directory, and one above it' 'dir file sub' --read-only --bind="$d/dir:/usr/a/b" --bind="$d/file:/usr/a/c" --bind="$d/dir/sub:/usr/z" \
	sh -c 'echo $(cat /usr/a/b/f /usr/a/c /usr/z/f)'
sees 'an ephemeral tree' dir -x --bind="$d/dir:/usr/new/x" cat /usr/new/x/f
is 'keeps no place that was made' '' "$(ls "$t/usr/new" 2>/dev/null)"
for v in overlay state; do
	sees "a tree with --volatile=$v" dir --volatile=$v --bind="$d/dir:/var/new/x" cat /var/new/x/f
done
is 'keeps none, either' '' "$(ls "$t/var/new" 2>/dev/null)"
sees 'ephemeral and read-only is both' ro -x --read-only sh -c 'touch /y 2>/dev/null || echo ro'
sees 'so is volatile and read-only' ro --volatile=overlay --read-only sh -c 'touch /y 2>/dev/null || echo ro'
sees 'a place that is there is used' '0' --read-only --bind="$d/dir:/mnt" sh -c 'grep -c " /mnt/" /proc/self/mountinfo'
is 'after a reboot an ephemeral tree has its mounts again' 'first dir second dir kept' \
	"$(guest -x --bind="$d/dir:/usr/new/x" sh -c 'cat /usr/new/x/f; test -e /kept && { echo kept; exit; }; touch /kept; echo again; kill -s 1 1; busybox reboot -f' 2>&1 |
		tr '\n' ' ' | sed 's/^dir again dir kept $/first dir second dir kept/')"

# ---- owners ---------------------------------------------------------------------------------------------------------------------

mkdir "$d/owned"
: >"$d/owned/f"
chown 1000:1001 "$d/owned" "$d/owned/f"
: >"$d/owned/root"
if [ "$(guest --bind=owned:/x:uid=1000-7,gid=1001-8 true 2>&1)" = '' ]; then
	is 'one id for another' '7 8 65534' "$(guest --bind=owned:/x:uid=1000-7,gid=1001-8 sh -c 'echo $(stat -c "%u %g" /x/f) $(stat -c %u /x/root)')"
	is 'pairs of users are meant for groups too' '7 65534 8' \
		"$(guest --bind=owned:/x:uid=1000-7,uid=1001-8 sh -c 'echo $(stat -c %u /x/f) $(stat -c %u /x/root) $(stat -c %g /x/f)')"
	is 'rootidmap: the owner of the source is root' '0 0' "$(guest --bind=owned:/x:rootidmap sh -c 'stat -c "%u %g" /x/f; touch /x/by-root')"
	is 'and root is the owner' '1000 1001' "$(stat -c '%u %g' "$d/owned/by-root")"
	mkdir "$t/owner"
	chown 5:6 "$t/owner"
	is 'owneridmap: the owner of the source is that of the destination' '5 6' "$(guest --bind=owned:/owner:owneridmap stat -c '%u %g' /owner/f)"
	is 'idmap without a user namespace changes nothing' '1000 1001' "$(guest --bind=owned:/x:idmap stat -c '%u %g' /x/f)"
	is 'a read-only bind can be mapped too' '0 ro' "$(guest --bind-ro=owned:/x:rootidmap sh -c 'echo $(stat -c %u /x/f) $(touch /x/y 2>/dev/null || echo ro)')"
else
	skip 'owners' "$(guest --bind=owned:/x:uid=1000-7 true 2>&1 | head -n 1)"
fi
# Users of its own. WAY is how the tree's are made theirs: map (Linux 5.12) or chown
users() {
	way=$1
	shift
	case $way in
	map) guest -D "$um" --private-users=1310720 --private-users-ownership=map "$@" ;;
	chown) NSPAWN_LITE_DENY=new guest -D "$uc" --private-users=1310720 "$@" ;;
	esac
}
um=$(tree busybox users-map) || exit
uc=$(tree busybox users-chown) || exit
mkdir "$um/owner" "$d/sec" "$d/upper-map" "$d/upper-chown"
chown 5:6 "$um/owner"
echo secret >"$d/sec/s"
chmod 600 "$d/sec/s"
echo known >"$d/sec/known"
mknod -m 666 "$d/node" c 1 3
mknod -m 666 "$d/control" c 10 237	# /dev/loop-control: harmless, and in nobody's /dev
mknod -m 666 "$um/control" c 10 237
mknod -m 666 "$uc/control" c 10 237
ways="chown"
users chown --private-users-ownership=chown true
if [ ! -e /proc/self/ns/user ]; then
	skip 'users of its own' 'the kernel has no user namespaces'
	ways=''
elif users map true 2>"$T/err"; then
	ways='map chown'
else
	skip 'users of its own, mapped' "$(head -n 1 "$T/err")"
fi
opens='o() { if (: <"$1") 2>/dev/null; then echo r; fi; if (: >"$1") 2>/dev/null; then echo w; fi; }; echo $(o /dev/it)'
for way in $ways; do
	w="($way)"
	is "a bind shows the host's owners, which are nobody $w" '65534 known' "$(users "$way" --bind="$d/sec:/x" sh -c 'stat -c %u /x/s; cat /x/s /x/known' 2>/dev/null | tr '\n' ' ' | sed 's/ $//')"
	for o in --bind="$d/sec:/x" --bind-ro="$d/sec:/x" --overlay="$d/sec::/x" --overlay-ro="$d/sec:$d/low1:/x" \
		--overlay="$d/sec:$d/upper-$way:/x" --overlay="+/etc:$d/sec::/x"; do
		is "what root of the host alone can read stays so, by ${o%%"$T"*} $w" \
			'known' "$(users "$way" "$o" sh -c 'cat /x/known; cat /x/s; chmod 777 /x/s; cat /x/s' 2>/dev/null)"
	done
	rm -rf "$d/upper-$way"
	is "root writes to an upper directory that was made for it $w" '0 4755' "$(users "$way" --overlay="$d/low1:$d/upper-$way:/x" \
		sh -c 'cp /bin/busybox /x/su; chmod 4755 /x/su; stat -c "%u %a" /x/su' 2>&1)"
	is "and it, and what is made there, are of the machine's ids on the host $w" '1310720:1310720 1310720:1310720' \
		"$(echo $(stat -c %u:%g "$d/upper-$way" "$d/upper-$way/su"))"
	is "no work directory stays $w" '' "$(find "$d" -name '*nspawn-lite')"
	is "a layer of the tree has the tree's owners, and so has an upper one $w" '0 0 1000' \
		"$(echo $(users "$way" --overlay=+/etc:+/var/up:/x sh -c 'touch /x/n; chown 1000 /x/n; stat -c %u /x /x/passwd /x/n' 2>&1))"
	u=$um base=0
	[ "$way" = map ] || u=$uc base=1310720
	is "as they are in the tree $w" "$base $((base + 1000))" "$(echo $(stat -c %u "$u/var/up" "$u/var/up/n"))"
	is "in memory it is root's too $w" '0 ok' "$(echo $(users "$way" --overlay=+/etc::/etc sh -c 'stat -c %u /etc; touch /etc/y && echo ok'))"
	is "a tmpfs is root's $w" '0 0' "$(users "$way" --tmpfs=/x stat -c '%u %g' /x)"
	is "its owner is one inside $w" '5 6' "$(users "$way" --tmpfs=/x:uid=5,gid=6 stat -c '%u %g' /x)"
	is "so is a fresh directory $w" '0 ok' "$(echo $(users "$way" --bind=:/x sh -c 'stat -c %u /x; touch /x/y && echo ok'))"
	like "an owner beyond the machine's ids is refused $w" '*ids end at 65535*' "$(users "$way" --tmpfs=/x:uid=65536 true 2>&1)"
	is "what is inaccessible is so for root too $w" '0 0 0' \
		"$(echo $(users "$way" --inaccessible=/etc/passwd --inaccessible=/usr sh -c 'stat -c %a /etc/passwd /usr; cat /etc/passwd | wc -c; ls /usr' 2>/dev/null))"
	is "and cannot be taken away $w" 1 "$(users "$way" --inaccessible=/etc/passwd sh -c 'umount /etc/passwd 2>/dev/null; echo $?')"
	is "a bind that is read-only stays so $w" '1 1' \
		"$(users "$way" --bind-ro="$d/sec:/x" sh -c 'mount -o remount,bind,rw /x 2>/dev/null; echo $?; touch /x/y 2>/dev/null; echo $?' | tr '\n' ' ' | sed 's/ $//')"
	is "a place in a read-only tree is made in memory $w" 'known ok' \
		"$(echo $(users "$way" --volatile=overlay --read-only --bind="$d/sec:/usr/new/deep" sh -c 'cat /usr/new/deep/known; test -e /etc/passwd && echo ok' 2>&1))"
	is "a node that is bound works $w" 'r w' "$(users "$way" --bind="$d/node:/dev/it" sh -c "$opens")"
	if [ -z "$(users "$way" sh -c 'mv /control /dev/it 2>/dev/null || ln -s /control /dev/it'"; $opens")" ]; then
		[ -e "$u/control" ] || mknod -m 666 "$u/control" c 10 237
		is "so does one that the device policy must let through $w" 'r w' "$(users "$way" --bind="$d/control:/dev/it" sh -c "$opens")"
		is "and by a read-only bind it can only be read $w" r "$(users "$way" --bind-ro="$d/control:/dev/it" sh -c "$opens")"
	else
		skip "a node that the device policy must let through $w" 'there is no policy here'
	fi
	mkdir -p "$u/inner" "$u/in"
	cp -a "$t/bin" "$u/inner/"
	cp "$NL" "$u/bin/nl"
	echo inner >"$u/in/f"
	[ $base = 0 ] || chown -R "$base:$base" "$u/inner" "$u/in"
	for o in --bind=/in:/x --bind-ro=/in:/x --bind=:/x --tmpfs=/x --overlay=/in::/x --overlay=/in:/up:/x; do
		is "a machine in it has $o $w" 'ok' \
			"$(users "$way" --nesting=yes /bin/nl -q -D /inner "$o" sh -c 'case $0 in *=:/x|*tmpfs*) ;; *) grep -q inner /x/f || exit; esac; test -d /x && echo ok' "$o" 2>"$T/err")" ||
			note "$(cat "$T/err")"
	done
done
if [ "$ways" != "${ways#map}" ]; then
	is 'idmap: users of the host are those inside' '1000 1001 0' \
		"$(echo $(users map --bind=owned:/x:idmap stat -c '%u %g' /x/f) $(users map --bind=owned:/x:idmap stat -c %u /x/root))"
	is 'and what root makes is of root on the host' '0 1000' "$(users map --bind=owned:/x:idmap sh -c 'touch /x/id; touch /x/id2; chown 1000 /x/id2'
		echo $(stat -c %u "$d/owned/id" "$d/owned/id2"))"
	is 'noidmap: they are nobody' 65534 "$(users map --bind=owned:/x:noidmap stat -c %u /x/f)"
	is 'rootidmap: the owner of the source is root' '0 0 65534' \
		"$(echo $(users map --bind=owned:/x:rootidmap sh -c 'stat -c "%u %g" /x/f; stat -c %u /x/root; touch /x/by-root2'))"
	is 'and root is the owner' '1000 1001' "$(stat -c '%u %g' "$d/owned/by-root2")"
	is 'owneridmap: the owner of the source is that of the destination' '5 6' "$(users map --bind=owned:/owner:owneridmap stat -c '%u %g' /owner/f)"
	is 'owneridmap: of a destination that is not there yet it is root' 0 "$(users map --bind=owned:/fresh:owneridmap stat -c %u /fresh/f)"
	is 'pairs' '7 8 65534' "$(echo $(users map --bind=owned:/x:uid=1000-7,gid=1001-8 sh -c 'stat -c "%u %g" /x/f; stat -c %u /x/root'))"
	like 'of ids that the machine has' '*no id 65536*' "$(users map --bind=owned:/x:uid=1000-65536 true 2>&1)"
	is 'a read-only bind can be mapped' '0 ro' "$(users map --bind-ro=owned:/x:rootidmap sh -c 'echo $(stat -c %u /x/f) $(touch /x/y 2>/dev/null || echo ro)')"
fi
is 'no mapping that was asked for is dropped' 1 "$(NSPAWN_LITE_DENY=mount_setattr guest --bind=owned:/x:rootidmap true >/dev/null 2>&1; echo $?)"
is 'nor is one on older kernels' 1 "$(NSPAWN_LITE_DENY=new guest --bind=owned:/x:rootidmap true >/dev/null 2>&1; echo $?)"
like 'what cannot be mapped says why' '*owners on proc cannot be mapped*' "$(guest --bind=/proc/sys:/x:rootidmap true 2>&1)"

# ---- bad words -------------------------------------------------------------------------------------------------------------------------

# refused WORDS | SENTENCE : one line with this in it, and nothing is started
: >"$d/reg"
while IFS='|' read -r words text; do
	[ -n "$words" ] || continue
	# shellcheck disable=SC2086 # words
	run guest $words sh -c 'echo started'
	like "$words is refused" "1 1 *$text*" "$rc $(echo "$err" | wc -l | tr -d ' ') $out$err"
done <<'END'
--bind=|empty value
--bind=:|no destination
--bind=/etc:|no destination
--bind=/etc:x|no absolute path
--bind=/etc:/a/../b|goes up
--bind=../etc|goes up
--bind=/etc:/a:rbind:x|more than SRC:DST:OPTIONS
--bind=/etc:/a:bogus|"bogus" is none of
--bind=/etc:/a:rbind,,x|is none of
--bind=/no/such:/a|No such file
--bind=+etc:/a|behind + stands
--bind=+/no/such:/a|No such file
--bind=/etc:/a:uid=1|not uid=HOST-INSIDE
--bind=/etc:/a:uid=1-|not uid=HOST-INSIDE
--bind=/etc:/a:uid=-1-2|not uid=HOST-INSIDE
--bind=/etc:/a:gid=1-x|not gid=HOST-INSIDE
--bind=/etc:/a:uid=1-4294967295|not uid=HOST-INSIDE
--bind=/etc:/a:uid=1-2,uid=1-3|one partner
--bind=/etc:/a:uid=1-2,uid=3-2|one partner
--bind=/etc:/a:idmap,uid=1-2|not both
--bind=+/etc:/a:idmap|tree's owners
--bind=:/a:idmap|tree's owners
--bind=/etc:/etc/passwd|is no directory inside
--bind=/etc:/etc/passwd/x|is no directory inside
--bind=reg:/etc|is a directory inside
--bind=reg:/|must be a directory
--bind-ro=/etc:x|no absolute path
--tmpfs=x|no absolute path
--tmpfs=/x:size|no option of tmpfs
--tmpfs=/x:size=|no option of tmpfs
--tmpfs=/x:size=lots|no option of tmpfs
--tmpfs=/x:size=99999999999999999999999|no option of tmpfs
--tmpfs=/x:size=9223372036854775808|no option of tmpfs
--tmpfs=/x:size=17592186044416m|no option of tmpfs
--tmpfs=/x:size=8E|no option of tmpfs
--tmpfs=/x:size=1k5|no option of tmpfs
--tmpfs=/x:size=1%k|no option of tmpfs
--tmpfs=/x:size=1001%|no option of tmpfs
--tmpfs=/x:size=%|no option of tmpfs
--tmpfs=/x:nr_inodes=99999999999999999999|no option of tmpfs
--tmpfs=/x:nr_blocks=10%|no option of tmpfs
--tmpfs=/x:mode=9|no option of tmpfs
--tmpfs=/x:bogus|"bogus" is no option
--tmpfs=/x:uid=root|no option of tmpfs
--tmpfs=/x:huge=perhaps|no option of tmpfs
--tmpfs=/etc/passwd|is no directory inside
--overlay=/etc|LOWER:UPPER:DST
--overlay=/etc::/x:|no absolute path
--overlay=:/etc:/x|only the upper directory may be empty
--overlay=/no/such::/x|No such file
--overlay=reg::/x|Not a directory
--overlay=/etc:/no/such/upper:/x|No such file
--overlay=/etc:/:/x|root cannot be the upper
--overlay-ro=/etc|LOWER:UPPER:DST
--overlay-ro=/etc::/x|only the upper directory may be empty
--inaccessible=x|no absolute path
--inaccessible=/|no machine
--inaccessible=/no/such|No such file
--pivot-root=x|no absolute path
--pivot-root=/|is /
--pivot-root=/a/../b|without ".."
--pivot-root=/etc:x|OLD
--pivot-root=/etc:/|OLD
--pivot-root=/a:/b:/c|OLD
--pivot-root=/no/such|No such file
--pivot-root=/deploy/1:/x -x|leave OLD out
--read-only --private-users-ownership=chown|may not be combined
--volatile=state --private-users-ownership=chown|may not be combined
--volatile --private-users-ownership=chown|may not be combined
END
unlike 'no volatile at all may be combined' '*combined*' "$(guest --volatile=no --private-users-ownership=chown true 2>&1)"

# ---- trees that mean harm ------------------------------------------------------------------------------------------------------------------

mark=$d/secret
mkdir "$mark"
echo host >"$mark/mark"
h=$(tree busybox hostile) || exit
up=../../../../../../../../../..
ln -s / "$h/root-link"
ln -s "$up$mark" "$h/up"
ln -s "$mark" "$h/abs"
ln -s loop2 "$h/loop1"
ln -s loop1 "$h/loop2"
ln -s "/proc/self/root$mark" "$h/proc-root"
ln -s "/proc/self/cwd/$up$mark" "$h/proc-cwd"
ln -s "/proc/1/root$mark" "$h/proc-one"
mkfifo "$h/fifo"
mknod "$h/device" c 1 5
mkdir "$h/deep"
hostile() { timeout 60 "$NL" -q -P -M hostile -D "$h" "$@" </dev/null; }
for deny in none open_tree new; do
	export NSPAWN_LITE_DENY="$deny"
	for link in up abs proc-root proc-cwd proc-one $(seq -f 'fd%g' 0 16); do
		case $link in fd*) ln -sfn "/proc/self/fd/${link#fd}" "$h/$link" ;; esac
		for word in "--bind=$d/dir:/$link/x" "--bind=$d/dir:/$link" "--tmpfs=/$link" "--overlay=$d/dir::/$link" \
			"--inaccessible=/$link" "--bind=+/$link:/seen" "--overlay=+/$link::/seen" "--pivot-root=/$link" "--tmpfs=/root-link/x"; do
			hostile "$word" /bin/busybox sh -c 'cat /seen/mark /mark /up/mark /abs/mark 2>/dev/null'
		done
	done >"$T/seen" 2>/dev/null
	is "no link leads a mount to the host (denied: $deny)" '' "$(grep -v '^$' "$T/seen")"
	is "nothing is made on the host (denied: $deny)" 'host mark' "$(cat "$mark/mark") $(ls -A "$mark")"
	is "a loop of links is an error (denied: $deny)" '1 1' "$(hostile --bind="$d/dir:/loop1/x" true 2>&1 | grep -ci 'symbolic link') $(hostile --bind="$d/dir:/loop1/x" true 2>/dev/null; echo $?)"
	is "a FIFO in the way hangs nothing (denied: $deny)" file "$(hostile --bind="$d/file:/fifo" cat /fifo)"
	is "a FIFO as a source of the tree hangs nothing (denied: $deny)" ok "$(hostile --bind=+/fifo:/x3 echo ok)"
	is "a FIFO as a directory is an error (denied: $deny)" 1 "$(hostile --bind="$d/dir:/fifo/x" true 2>/dev/null; echo $?)"
	is "a device in the way is not opened (denied: $deny)" file "$(hostile --bind="$d/file:/device" cat /device)"
done
unset NSPAWN_LITE_DENY
cp "$(program escape)" "$t/bin/escape"
is 'what was gathered on older kernels cannot be found below the root' '0 ways out of 21' \
	"$(NSPAWN_LITE_DENY=open_tree guest --bind="$d/dir:/x" --overlay-ro=low1:low2:/y /bin/escape /0/f)"
rm -rf "$h/seen" "$h/x3"
is 'the mark can be seen' host "$(hostile --bind="$mark:/seen" cat /seen/mark)"

# somebody changes the tree all the while: what is a directory is a link to the host, and back
mkdir -p "$h/flip/x" "$h/race"
ln -s "$up$mark" "$h/flip.link"
mkdir "$h/flip/t"
"$(program flip)" "$h/flip" "$h/flip.link" "$T/stop" >"$T/flips" &
racer=$!
for deny in none none open_tree new; do
	i=0
	while [ $i -lt 12 ]; do
		NSPAWN_LITE_DENY=$deny hostile --bind="$d/dir:/flip/x/y" --tmpfs=/flip/t --bind=+/flip:/raced --overlay=+/flip::/race/o \
			sh -c 'cat /raced/mark /flip/mark /race/o/mark; echo started >&3' 3>>"$T/started" 2>/dev/null
		NSPAWN_LITE_DENY=$deny hostile --pivot-root=/flip /bin/busybox cat /mark 2>/dev/null
		NSPAWN_LITE_DENY=$deny hostile --read-only --bind="$d/dir:/flip/new/y" --inaccessible=/flip/t true 2>/dev/null
		i=$((i + 1))
	done
done >"$T/raced"
: >"$T/stop"
wait $racer
echo "# $(cat "$T/flips") flips"
is 'a race shows nothing of the host' '' "$(cat "$T/raced")"
is 'a race makes nothing on the host' 'host mark' "$(cat "$mark/mark") $(ls -A "$mark")"

# ---- file systems ------------------------------------------------------------------------------------------------------------------------------

# on FS MAKE... : with it mounted at $d/fs, or skip
image=$T/image
on() {
	fs=$1
	shift
	if ! grep -qw "$fs" /proc/filesystems && ! modprobe -q "$fs" 2>/dev/null; then
		skip "$fs" 'not in this kernel'
		return
	fi
	if ! command -v "$1" >/dev/null; then
		skip "$fs" "no $1"
		return
	fi
	rm -f "$image"
	[ "$fs" = squashfs ] || truncate -s "${size:-40M}" "$image"
	if ! "$@" >"$T/mkfs.log" 2>&1; then
		result 'not ok' "$fs is made"
		note "$(cat "$T/mkfs.log")"
		return
	fi
	mkdir -p "$d/fs"
	apart sh -c 'fs=$1 d=$2 t=$3 nl=$4
		mount -o loop -t "$fs" "$5" "$d/fs" || exit 99
		# tells NAME COMMAND... : one word of what came of it
		tells() { name=$1; shift; echo "$name: $("$@" 2>&1 | tr "\n" " " | cut -c1-300)"; }
		g() { "$nl" -q -P -M onfs "$@"; }
		mkdir "$d/fs/up" "$d/fs/low" 2>/dev/null && echo low >"$d/fs/low/f" 2>/dev/null
		tells bind g -D "$t" --bind="$d/fs:/x" sh -c "test -d /x && echo ok"
		tells bind-ro g -D "$t" --bind-ro="$d/fs:/x" sh -c "touch /x/y 2>/dev/null || echo ok"
		tells map g -D "$t" --bind="$d/fs:/x:rootidmap" sh -c "echo ok"
		tells lower g -D "$t" --overlay="$d/fs::/x" sh -c "touch /x/new && echo ok"
		tells upper g -D "$t" --overlay="$d/low1:$d/fs/up:/x" sh -c "touch /x/new && rm /x/a && echo ok"
		if [ -x "$d/fs/tree/bin/busybox" ] || cp -a "$t" "$d/fs/tree" 2>/dev/null; then
			tells tree g -D "$d/fs/tree" --bind="$d/dir:/usr/new/x" cat /usr/new/x/f
			tells ephemeral g -x -D "$d/fs/tree" --bind="$d/dir:/usr/new2/x" sh -c "touch /y && cat /usr/new2/x/f"
			tells volatile g --volatile=overlay -D "$d/fs/tree" sh -c "touch /y && echo ok"
			tells read-only g --read-only -D "$d/fs/tree" --bind="$d/dir:/usr/new3/x" cat /usr/new3/x/f
		fi' x "$fs" "$d" "$t" "$NL" "$image" >"$T/told" 2>&1
	while IFS= read -r line; do
		name=${line%%: *}
		said=${line#*: }
		case $fs/$name/$said in
		*/*/ok' '|*/*/dir' ') result ok "$fs: $name" ;;
		# what cannot be is said in one line, by name
		*/map/*"owners on $fs cannot be mapped"*|*/upper/*"overlayfs refuses these"*"$fs above"*|*/lower/*"overlayfs refuses these"*"$fs below"*)
			result ok "$fs: $name, which is refused by name" ;;
		squashfs/upper/*'Read-only file system '|squashfs/upper/*'No such file'*) result ok "$fs: $name, which it cannot be" ;;
		*/ephemeral/*'copied into memory'*'dir '|*/volatile/*'copied into memory'*'ok ') result ok "$fs: $name, by a copy" ;;
		*)	result 'not ok' "$fs: $name"
			note "$said" ;;
		esac
	done <"$T/told"
	[ -s "$T/told" ] || result 'not ok' "$fs was tried"
}
on ext4 mkfs.ext4 -q "$image"
size=320M on xfs mkfs.xfs -q "$image"
size=128M on btrfs mkfs.btrfs -q "$image"
size=64M on f2fs mkfs.f2fs -q "$image"
on vfat mkfs.vfat "$image"
mkdir -p "$T/squash"
cp -a "$t" "$T/squash/tree"
rm -rf "$T/squash/tree/usr/new"
on squashfs mksquashfs "$T/squash" "$image" -quiet -no-progress
mkdir -p "$d/o"
is 'two overlays on each other are refused as a third one'"'"'s place, and copied for an ephemeral root' 'refused ok by a copy' \
	"$(apart sh -c 'd=$1 t=$2 nl=$3; set -e
		mount -t tmpfs x "$d/o"; cd "$d/o"; mkdir u w m u2 w2 m2
		mount -t overlay -o "lowerdir=$t,upperdir=u,workdir=w" o m
		mount -t overlay -o "lowerdir=m,upperdir=u2,workdir=w2" o m2
		"$nl" -q -P -D "$t" --overlay="$d/o/m2::/x" true 2>&1 | grep -q "overlayfs below" && echo refused
		"$nl" -q -P -x -D "$d/o/m2" sh -c "touch /y && test ! -e /work && echo ok" 2>&1 | sed "s/.*copied into memory$/by a copy/"' \
		x "$d" "$t" "$NL" | sort -r | tr '\n' ' ' | sed 's/ $//')"
is 'an upper directory that is a mount is told' 1 \
	"$(apart sh -c 'mount -t tmpfs x "$1/upper" && "$3" -q -P -D "$2" --overlay="$1/low1:$1/upper:/x" true' x "$d" "$t" "$NL" 2>&1 | grep -c 'something is mounted on the upper')"
is 'an overlay as the upper one is told' 1 \
	"$(apart sh -c 'mount -t tmpfs x "$1/o"; cd "$1/o"; mkdir u w m; mount -t overlay -o "lowerdir=$2,upperdir=u,workdir=w" o m; mkdir m/up
		"$3" -q -P -D "$2" --overlay="$1/low1:$1/o/m/up:/x" true' x "$d" "$t" "$NL" 2>&1 | grep -c 'overlayfs above')"

# ---- nothing stays -------------------------------------------------------------------------------------------------------------------------------

"$NL" -q -P -M killed -D "$t" --bind=:/x --bind="$d/dir:/y" --overlay=low1::/z sh -c 'echo up; exec sleep 1000' >"$T/up" </dev/null &
pid=$!
wait_for test -s "$T/up"
kill -9 $pid
wait $pid 2>/dev/null
guest true
leftovers_after 'nothing of all this stays on the host, after kill -9 either'
done_testing
