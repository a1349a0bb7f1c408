#!/bin/sh
# Kinds of roots, hostile ones among them, and that nobody gets out of one. What
# mounts here does so in a mount namespace of its own: nothing stays. Left out:
# a host whose root is an initramfs (the lab's), images.
# shellcheck disable=SC2016 # what stands in single quotes is for the shell inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
tmp=$T/tmp
mkdir "$tmp" || exit
t=$(tree busybox) || exit
cp "$(program escape)" "$t/bin/escape"
# MARK is only on the host: what finds it is out
mark=$tmp/mark
: >"$mark"
# Of the host: what a tree of ours could reach. Others may mount and write meanwhile
state() {
	awk -v t="$T/" 'index($5, t) == 1' /proc/self/mountinfo
	for f in /etc/resolv.conf /etc/localtime /etc/passwd /etc/group /etc/machine-id /etc/os-release; do
		[ ! -L $f ] || readlink $f
		[ ! -f $f ] || cksum $f
	done
	hostname
}
state >"$tmp/before"

# guest WORD... : with a safety net against hanging
guest() { timeout 60 "$NL" -q -M roots "$@" </dev/null; }
# apart COMMAND... : in a mount namespace of its own; $1 of sh -c
apart() { timeout 60 unshare -m --propagation private "$@" </dev/null; }

# ---- nobody gets out ------------------------------------------------------------------

for o in '' -a --read-only -x --volatile=overlay --volatile=state --private-network --capability=all \
	--api-vfs-writable=yes --console=read-only --keep-unit; do
	# shellcheck disable=SC2086 # words or none
	is "root cannot get out${o:+ with $o}" '0 ways out of 21' \
		"$(guest -D "$t" $o /bin/escape "$mark" | tr -d '\r')"
done
# It would be noticed: where the mark is inside, it is found
mkdir -p "$t$tmp"
: >"$t$mark"
is 'the test finds what is there' yes "$(guest -D "$t" /bin/escape "$mark" | grep -q 'out by' && echo yes)"
rm -rf "${t:?}/${tmp#/}"
rmdir -p "$t${tmp%/*}" 2>/dev/null

# ---- mounts -----------------------------------------------------------------------------

# foreign [OPTION...] : mounts inside that are of nothing that we made, or of the host's tree
foreign() {
	guest "$@" /bin/cat /proc/self/mountinfo | awk '$5 != "/" { print $5 }' |
		grep -vx -e '/proc\(/.*\)\{0,1\}' -e '/sys\(/.*\)\{0,1\}' -e '/dev\(/.*\)\{0,1\}' -e '/run\(/host.*\)\{0,1\}' \
			-e /tmp -e /var -e '/etc/\(resolv.conf\|localtime\)'
}
for o in '' -a --read-only -x --volatile=overlay --volatile=state --private-network; do
	# shellcheck disable=SC2086 # words or none
	is "no mount is of the host${o:+ with $o}" '' "$(foreign -D "$t" $o)"
	# shellcheck disable=SC2086 # words or none
	is "/ is one mount${o:+ with $o}" 1 "$(guest -D "$t" $o /bin/cat /proc/self/mountinfo | awk '$5 == "/"' | wc -l | tr -d ' ')"
done
is 'no path of the host shows in the table of an overlay' 0 \
	"$(guest -x -D "$t" /bin/cat /proc/self/mountinfo | grep -cF -e "$T" -e /nspawn-lite)"

# ---- the host's own root ------------------------------------------------------------------

is 'the root of the host, ephemeral' "on the host's name ok" \
	"$(guest -x -D / sh -c 'test -e /usr && : >/nl-written && echo "on the host'"'"'s name ok"')"
is 'it keeps nothing' absent "$([ -e /nl-written ] || echo absent)"
if [ -L /bin ]; then
	is 'the root of the host with --volatile=yes' 'tmpfs ok' \
		"$(guest --volatile=yes -D / sh -c 'stat -f -c %T /; : >/nl-written && echo ok' | tr '\n' ' ' | sed 's/ $//')"
	is 'it has nothing of /etc' '' "$(guest --volatile=yes -D / sh -c 'cat /etc/passwd 2>/dev/null')"
	is 'it keeps nothing, either' absent "$([ -e /nl-written ] || echo absent)"
else
	skip 'the root of the host with --volatile=yes' '/bin is no link'
fi
is 'the root of the host has its name' "$(hostname)" \
	"$(timeout 60 "$NL" -q --volatile=yes -D / hostname </dev/null 2>/dev/null || hostname)"
is 'without them the root of the host is refused' 1 "$(guest -D / true 2>/dev/null; echo $?)"

# the same path means another directory outside; both ways to get there, before and after Linux 5.2
host=$tmp/host
mkdir -p "$host/proc" "$host/dev" "$host/run" "$host/bin" "$host$tmp/data" "$tmp/data" "$host/srv"
cp "$t/bin/busybox" "$host/bin/"
ln -s busybox "$host/bin/sh"
cp "$NL" "$host/bin/nl"
cp -a "$t" "$host/tree"
mknod -m 666 "$host/dev/null" c 1 3
echo outside >"$tmp/data/f"
echo inside >"$host$tmp/data/f"
ln -s "$tmp/data" "$host/srv/link"
for deny in '' open_tree; do
	for path in "$tmp/data" /srv/link; do
		is "of a chrooted host --bind shows its own $path${deny:+, without $deny}" inside "$(apart sh -c '
			mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && unset NSPAWN_LITE_ROOT || exit
			NSPAWN_LITE_DENY=$3 chroot "$1" /bin/nl -q -D /tree --bind="$2:/mnt" cat /mnt/f' sh "$host" "$path" "$deny" 2>&1)"
	done
done
is 'and of one that is no mount, and that process 1 is in, too' inside "$(apart sh -c '
	unset NSPAWN_LITE_ROOT
	exec unshare -p -f chroot "$1" /bin/sh -c "busybox mount -t proc proc /proc && /bin/nl -q -D /tree --bind=\$1:/mnt cat /mnt/f" sh "$2"' \
	sh "$host" "$tmp/data" 2>&1)"
is 'and --rescue its own devices' 'null pts ' "$(apart sh -c '
	mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && unset NSPAWN_LITE_ROOT || exit
	chroot "$1" /bin/nl -q --rescue -D /tree ls /dev 2>/dev/null' sh "$host" | tr '\n' ' ')"
rm -rf "$host" "$tmp/data"

# ---- trees with mounts in them ---------------------------------------------------------------

if unshare -m --propagation private true 2>/dev/null; then
	is 'a tree that has /sys mounted' ok \
		"$(apart sh -c 'mount -t sysfs sysfs "$1/sys" || exit 99; shift; exec "$@"' x "$t" \
			"$NL" -q -D "$t" sh -c 'test -d /sys/kernel && echo ok' 2>&1)"
	mounts='mount -t proc proc "$1/proc" && mount -t tmpfs host "$1/dev" && : >"$1/dev/of-the-host" &&
		mount -t tmpfs host "$1/run" && : >"$1/run/of-the-host" || exit 99; shift'
	is 'a tree that has /proc, /dev and /run mounted' '1 ok ' \
		"$(apart sh -c "$mounts"'; exec "$@"' x "$t" "$NL" -q -D "$t" sh -c \
			'cat /proc/1/comm | grep -cx sh; test -c /dev/null && test ! -e /dev/of-the-host && test ! -e /run/of-the-host && echo ok' |
			tr '\n' ' ')"
	is 'the payload of it is PID 1' 1 "$(apart sh -c "$mounts"'; exec "$@"' x "$t" "$NL" -q -D "$t" sh -c 'echo $$')"
	is 'nobody gets out of it' '0 ways out of 21' \
		"$(apart sh -c "$mounts"'; exec "$@"' x "$t" "$NL" -q -D "$t" /bin/escape "$mark")"
	is 'a mount of the tree'"'"'s own is part of it' inner \
		"$(mkdir -p "$t/mnt"; apart sh -c 'mount -t tmpfs x "$1/mnt" && echo inner >"$1/mnt/file" || exit 99; shift; exec "$@"' \
			x "$t" "$NL" -q -D "$t" cat /mnt/file)"
	is 'a mount of the tree'"'"'s own is read-only with it' 1 \
		"$(apart sh -c 'mount -t tmpfs x "$1/mnt" || exit 99; shift; exec "$@"' \
			x "$t" "$NL" -q --read-only -D "$t" sh -c 'echo x >/mnt/file' 2>&1 | grep -ci read-only)"
	is 'what is mounted inside stays inside' '' \
		"$(guest -D "$t" sh -c 'mount -t tmpfs leaked /mnt'; grep leaked /proc/self/mountinfo)"
	is 'what is mounted inside stays inside when the host shares its mounts' mounted \
		"$(timeout 60 unshare -m --propagation shared sh -c '"$@"; grep leaked /proc/self/mountinfo' \
			x "$NL" -q -D "$t" sh -c 'mount -t tmpfs leaked /mnt && echo mounted' </dev/null)"

	# ---- read-only trees
	readonly_='mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99; shift'
	is 'a read-only tree runs' '7 ro' \
		"$(apart sh -c "$readonly_"'; exec "$@"' x "$t" "$NL" -q -D "$t" sh -c 'touch /x 2>/dev/null || echo ro; exit 7' >"$tmp/o"; echo "$? $(cat "$tmp/o")")"
	is 'a read-only tree has writable parts' ok \
		"$(apart sh -c "$readonly_"'; exec "$@"' x "$t" "$NL" -q -D "$t" sh -c 'touch /tmp/x /run/x /dev/shm/x && echo ok')"
	is 'a read-only tree can be ephemeral' ok \
		"$(apart sh -c "$readonly_"'; exec "$@"' x "$t" "$NL" -q -x -D "$t" sh -c 'touch /x && echo ok')"
	is 'nobody gets out of a read-only tree' '0 ways out of 21' \
		"$(apart sh -c "$readonly_"'; exec "$@"' x "$t" "$NL" -q -D "$t" /bin/escape "$mark")"
	# without a single mount point
	bare=$tmp/bare
	mkdir -p "$bare/bin"
	cp "$t/bin/busybox" "$t/bin/escape" "$bare/bin/"
	ln -s busybox "$bare/bin/sh"
	is 'a read-only tree without mount points runs' '1 ok' \
		"$(apart sh -c "$readonly_"'; exec "$@"' x "$bare" "$NL" -q -D "$bare" sh -c \
			'test -c /dev/null && test -d /proc/self && echo "$$ ok"')"
	is 'it keeps being read-only' ro \
		"$(apart sh -c "$readonly_"'; exec "$@"' x "$bare" "$NL" -q -D "$bare" sh -c ': >/bin/x' 2>/dev/null || echo ro)"
	is 'nobody gets out of it, either' '0 ways out of 21' \
		"$(apart sh -c "$readonly_"'; exec "$@"' x "$bare" "$NL" -q -D "$bare" /bin/escape "$mark")"
	is 'nothing was made in it' bin "$(ls -A "$bare")"
else
	skip 'trees with mounts in them' 'no unshare -m'
fi
if command -v mksquashfs >/dev/null && grep -q squashfs /proc/filesystems && [ -e /dev/loop-control ]; then
	mksquashfs "$t" "$tmp/image" -quiet -no-progress >/dev/null 2>&1
	mkdir "$tmp/squashed"
	is 'a squashfs runs' 'ok' \
		"$(apart sh -c 'mount -o loop,ro "$1" "$2" || exit 99; shift 2; exec "$@"' x "$tmp/image" "$tmp/squashed" \
			"$NL" -q -D "$tmp/squashed" sh -c 'touch /x 2>/dev/null || echo ok')"
	is 'a squashfs keeps no changes' 'ok' \
		"$(apart sh -c 'mount -o loop,ro "$1" "$2" || exit 99; shift 2; exec "$@"' x "$tmp/image" "$tmp/squashed" \
			"$NL" -q --volatile=overlay -D "$tmp/squashed" sh -c 'touch /x && echo ok')"
else
	skip 'a squashfs runs' 'no mksquashfs'
fi

# ---- next to nothing ---------------------------------------------------------------------------

one=$tmp/one
mkdir "$one"
cp "$(program static)" "$one/static"
is 'a single static program and nothing else' 'pid 1 uid 0 5 ' "$({ guest -D "$one" /static 5; echo $?; } | tr '\n' ' ')"
is 'the same below -a' 'pid 2 uid 0' "$(guest -a -D "$one" /static)"
is 'the same ephemeral' 'pid 1 uid 0' "$(guest -x -D "$one" /static)"
is 'only mount points were made in it' '' "$(find "$one" -type f ! -name static; find "$one" -type l)"
is 'what was made is empty' '' "$(find "$one" -mindepth 2)"
is 'a user that no list has' 'pid 1 uid 1234' "$(guest -u 1234 -D "$one" /static)"

# ---- hostile trees -------------------------------------------------------------------------------
# Whatever stands where we mount and write, nothing of the host's is touched and nothing hangs

victim=$tmp/victim
mkdir "$victim" "$victim/dir"
echo precious >"$victim/file"
# victim : all of it, with times
victim() { find "$victim" -exec stat -c '%n %s %Y %a %F' {} + | sort; cat "$victim/file"; }
victim >"$tmp/victim.before"

# attack PATH KIND : put it there in a fresh tree, and run
attack() {
	path=$1
	kind=$2
	rm -rf "$tmp/hostile"
	mkdir "$tmp/hostile"
	mkdir "$tmp/hostile/bin"
	cp "$t/bin/busybox" "$t/bin/escape" "$tmp/hostile/bin/"
	cp -a "$t/etc" "$tmp/hostile/"
	mkdir -p "$tmp/hostile/proc" "$tmp/hostile/sys" "$tmp/hostile/dev" "$tmp/hostile/run" "$tmp/hostile/tmp" \
		"$tmp/hostile/var/log"
	h=$tmp/hostile$path
	rm -rf "$h"
	case $kind in
	'link to a directory') ln -s "$victim/dir" "$h" ;;
	'link to a file') ln -s "$victim/file" "$h" ;;
	'link upwards') ln -s "../../../../../../../../../../..$victim/dir" "$h" ;;
	'link to nothing') ln -s "$victim/new" "$h" ;;
	'link to itself') ln -s "${path##*/}" "$h" ;;
	'link through /proc') ln -s "/proc/1/root$victim/dir" "$h" ;;
	FIFO)	mkfifo "$h" ;;
	device)	mknod "$h" c 1 5 ;;
	file)	echo x >"$h" ;;
	directory) mkdir -p "$h/below" ;;
	esac
	case $path in
	# What is only looked at or written to
	/etc/*)	set -- '-u user' '--resolv-conf=replace-host --timezone=copy' '--resolv-conf=bind-host --timezone=bind' ;;
	*)	set -- '' --read-only -x ;;
	esac
	for o; do
		# shellcheck disable=SC2086 # words or none
		timeout 60 "$NL" -q -M roots $o -D "$tmp/hostile" /bin/busybox true </dev/null >"$tmp/out" 2>"$tmp/err"
		case $? in
		0|1|126|127)	# it runs, or says in one sentence why not
			[ "$(wc -l <"$tmp/err")" -le 2 ] || echo "$o: $(wc -l <"$tmp/err") lines" ;;
		*)	echo "$o: status $?" ;;
		esac
	done
	victim | cmp -s - "$tmp/victim.before" || echo 'the host was touched'
	guest -D "$tmp/hostile" /bin/escape "$mark" 2>/dev/null | grep 'out by'
	state | cmp -s - "$tmp/before" || echo 'the state of the host changed'
}
for path in /proc /sys /dev /run /tmp /var /etc/resolv.conf /etc/localtime /etc/machine-id /etc/passwd /etc/group /etc/os-release; do
	for kind in 'link to a directory' 'link to a file' 'link upwards' 'link to nothing' 'link to itself' \
		'link through /proc' FIFO device file directory; do
		is "$path as a $kind: nothing of the host is touched, nothing hangs" '' "$(attack $path "$kind")"
	done
done
rm -rf "$tmp/hostile"
is 'a zero device as the list of users does not fill memory' 1 \
	"$(rm "$t/etc/passwd"; mknod "$t/etc/passwd" c 1 5; guest -D "$t" -u someone true 2>/dev/null; echo $?)"
rm "$t/etc/passwd"
is 'the host is as it was' '' "$(state | diff "$tmp/before" - 2>&1)"
done_testing
