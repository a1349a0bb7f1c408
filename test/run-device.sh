#!/bin/sh
# shellcheck disable=SC2016,SC2116 # what is expanded is expanded inside
# What a device must do, on the device: nothing is needed but a kernel, busybox
# and nspawn-lite:  sh ./run-device.sh [NSPAWN-LITE [ESCAPE]]
nl=${1:-nspawn-lite}
escape=${2:-}
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"

dir=$(mktemp -d)
export NSPAWN_LITE_ROOT="$dir/state"
mkdir -p "$dir/state" "$dir/bare"
guest "$dir/tree"
printf '::sysinit:/bin/sh /etc/rc\n' >"$dir/tree/etc/inittab"
mkdir "$dir/host-only" && : >"$dir/host-only/mark"
run() { "$nl" -q -D "$dir/tree" "$@"; }

is 'a command runs and its output comes out' inside "$(run echo inside)"
run sh -c 'exit 7'
is 'its status comes through' 7 $?
run sh -c 'kill -9 $$; true'
is 'PID 1 cannot be killed from inside' 0 $?
run -a sh -c 'kill -9 $$'
is 'death by a signal is 128 and its number' 137 $?
run nothing 2>/dev/null
is 'a command that is not there' 127 $?
is 'it is process 1' 1 "$(run sh -c 'echo $$')"
is 'below our own init it is not' 'no (sd-stubinit)' "$(run -a sh -c '[ $$ = 1 ] && echo yes || echo no; cat /proc/1/comm' | tr '\n' ' ' | sed 's/ $//')"
is 'input comes in' 'through a pipe' "$(echo 'through a pipe' | run cat)"
is 'the host name is its own' tree "$(run uname -n)"
is 'no mount of the host is seen' '' "$(run sh -c 'cat /proc/self/mountinfo' | grep -F "$dir/" | grep -vF " $dir/tree / ")"
is '/proc/sys is read-only' 'read-only' "$(run sh -c '(echo 1 >/proc/sys/vm/overcommit_memory) 2>&1' | grep -q Read-only && echo read-only)"
# there are no others on 32 bits of ARM and MIPS
others="that of the host"
[ -e /proc/self/ns/time ] || others='there are no others in this kernel'
is "no time but the host's is needed: $others" "$(readlink /proc/self/ns/time)" "$(run readlink /proc/self/ns/time)"
is 'devices are there' 'crw-rw-rw-' "$(run ls -l /dev/null | cut -c1-10)"
is 'a terminal of its own' 'pts/0' "$(run --console=read-only readlink /dev/console | tr -d '\r')"
is 'a private network has a loopback and no more' 'lo' "$(run --private-network ls /sys/class/net)"
is 'a read-only tree cannot be written' 'no' "$(run --read-only sh -c 'touch /x 2>/dev/null || echo no')"
if grep -q overlay /proc/filesystems; then
	is 'what an ephemeral machine writes is gone' 'written' "$(run -x sh -c 'echo written >/x; cat /x'; cat "$dir/tree/x" 2>/dev/null)"
fi
echo shared >"$dir/host-only/f"
for deny in none new; do
	export NSPAWN_LITE_DENY=$deny
	is "a directory is bound, at a place that is made (denied: $deny)" shared "$(run --bind="$dir/host-only:/mnt/a/b" cat /mnt/a/b/f)"
	is "a read-only one is (denied: $deny)" 'shared read-only' \
		"$(run --bind-ro="$dir/host-only:/mnt/a" sh -c 'echo $(cat /mnt/a/f) $(touch /mnt/a/y 2>/dev/null || echo read-only)')"
	is "a file is bound over a part of /proc (denied: $deny)" shared "$(run --bind="$dir/host-only/f:/proc/uptime" cat /proc/uptime)"
	is "a tmpfs is mounted (denied: $deny)" '700 ok' "$(run --tmpfs=/mnt/t:mode=700,size=64k sh -c 'echo $(stat -c %a /mnt/t) $(touch /mnt/t/x && echo ok)')"
	is "a file is made inaccessible (denied: $deny)" '0 0' "$(run --inaccessible=/etc/inittab stat -c '%a %s' /etc/inittab)"
	is "a place in a read-only tree (denied: $deny)" shared "$(run --read-only --bind="$dir/host-only:/etc/new/x" cat /etc/new/x/f)"
	is "a bind on the root (denied: $deny)" 'shared' "$(run --tmpfs=/ --bind="$dir/tree/bin:/bin" --bind="$dir/host-only:/x" cat /x/f)"
	if grep -q overlay /proc/filesystems; then
		mkdir -p "$dir/upper-$deny"
		is "an overlay keeps changes (denied: $deny)" 'shared y' \
			"$(run --overlay="$dir/host-only:$dir/upper-$deny:/mnt/o" sh -c 'touch /mnt/o/y; cat /mnt/o/f') $(ls -A "$dir/upper-$deny")"
		is "and its work directory does not stay (denied: $deny)" '' "$(find "$dir" -name '*.nspawn-lite')"
		is "an overlay in memory does not (denied: $deny)" 'ok' "$(run --overlay=+/etc::/etc sh -c 'touch /etc/y && echo ok')$(ls "$dir/tree/etc/y" 2>/dev/null)"
	else
		is "an overlay is refused by name (denied: $deny)" 1 "$(run --overlay=+/etc::/etc true 2>&1 | grep -c 'no overlayfs')"
		is "an ephemeral tree is copied (denied: $deny)" ok "$(run -x sh -c 'touch /y && echo ok' 2>/dev/null)$(ls "$dir/tree/y" 2>/dev/null)"
	fi
done
unset NSPAWN_LITE_DENY
# file systems that an overlay cannot always be made of: images beside this script
mkdir -p "$dir/fs"
for image in "${0%/*}"/fs-*.img; do
	fs=${image##*/fs-}
	fs=${fs%.img}
	[ -e "$image" ] || continue
	mount -o loop -t "$fs" "$image" "$dir/fs" || continue
	is "a tree on $fs: a place that is made" shared "$(mkdir -p "$dir/fs/bin" && cp "$dir/tree/bin/busybox" "$dir/fs/bin/" &&
		"$nl" -q -D "$dir/fs" --bind="$dir/host-only:/a/b" /bin/busybox cat /a/b/f)"
	is "a tree on $fs, ephemeral: by an overlay, or by a copy and a line" 'shared 0' \
		"$("$nl" -q -x -D "$dir/fs" --bind="$dir/host-only:/c/d" /bin/busybox cat /c/d/f 2>"$dir/err") $(grep -vc 'copied into memory' "$dir/err")"
	is "and nothing of it is kept on $fs" '' "$(ls -d "$dir/fs/c" 2>/dev/null)"
	mkdir "$dir/fs/up"
	run --overlay="$dir/host-only:$dir/fs/up:/x" touch /x/y 2>"$dir/err"
	is "$fs as the upper one of an overlay: it is, or is named" 1 "$( (ls "$dir/fs/up"; grep "$fs above" "$dir/err") | wc -l | tr -d ' ')"
	umount "$dir/fs"
done
is 'all calls since Linux 5.0 may be missing' inside "$(NSPAWN_LITE_DENY=new run echo inside)"
cp "$dir/tree/bin/busybox" "$dir/bare/busybox"
is 'a tree of one static binary' 'alone' "$("$nl" -q -D "$dir/bare" --read-only /busybox echo alone)"
"$nl" -q -D "$dir/bare" --read-only /busybox touch /x 2>/dev/null
is 'is read-only when it was asked for, with the mount points that it lacked' '1 busybox' "$? $(ls "$dir/bare")"

if [ -e /proc/self/ns/user ]; then
	# where the file system cannot be shown with other owners they are changed
	is 'users of its own: root inside is nobody outside' '0 0 65536' \
		"$(run --private-users=pick sh -c 'echo $(stat -c %u /bin) $(stat -c %u /dev/null) $(while read -r a b c; do echo $c; done </proc/self/uid_map)')"
	is 'what is mounted for it cannot be taken away by it' '1' "$(run --private-users=pick sh -c 'umount /proc/sys 2>/dev/null; echo $?')"
	is 'and has all of it back without' 0 "$(run --private-users=0 --private-users-ownership=chown true; stat -c %u "$dir/tree/bin")"
fi

cat >"$dir/tree/etc/rc" <<-'END'
	echo booted as $(cat /proc/1/comm) in $container
	poweroff
	END
is 'busybox init boots, and powers itself off' 'booted as init in systemd-nspawn 0' \
	"$(run -b | tr -d '\r' | grep booted) $?"
cat >"$dir/tree/etc/rc" <<-'END'
	test -e /rebooted && { echo twice; poweroff; exit; }
	touch /rebooted
	reboot
	END
is 'a reboot starts it again' twice "$(run -b | tr -d '\r' | grep twice)"

if [ -n "$escape" ]; then
	cp "$escape" "$dir/tree/bin/escape"
	is 'no known way leads to the host' '0 ways out of 21' "$(run escape "$dir/host-only/mark" 2>&1 | tail -n 1)"
	[ ! -e /proc/self/ns/user ] || is 'nor with users of its own' '0 ways out of 21' \
		"$(run --private-users=pick escape "$dir/host-only/mark" 2>&1 | tail -n 1; run --private-users=0 --private-users-ownership=chown true)"
	is 'nor with calls missing' '0 ways out of 21' "$(NSPAWN_LITE_DENY=new run escape "$dir/host-only/mark" 2>&1 | tail -n 1)"
fi

# on an initramfs whose /run is a file system of its own
mkdir "$dir/own"
if mount -t tmpfs own "$dir/own" 2>/dev/null; then
	is 'its state may be on a mount of its own' inside "$(NSPAWN_LITE_ROOT="$dir/own" run echo inside)"
	[ -z "$escape" ] || is 'and no way leads out' '0 ways out of 21' \
		"$(NSPAWN_LITE_ROOT="$dir/own" run escape "$dir/host-only/mark" 2>&1 | tail -n 1)"
	umount "$dir/own"
fi

# an image as routers have them, of the program alone
if [ -f "${0%/*}/router.squashfs" ]; then
	version="$("$nl" --version)"
	image() { "$nl" -q -i "${0%/*}/router.squashfs" "$@" /bin/nspawn-lite --version 2>&1; }
	is 'a squashfs becomes the root' "$version" "$(image)"
	is 'with changes kept in memory' "$version" "$(image --volatile=overlay)"
	is 'without the calls of new kernels' "$version" \
		"$(NSPAWN_LITE_DENY=fsopen,fsmount,open_tree,move_mount,mount_setattr image -x)"
	is 'and no loop device stays' '' "$(cat /sys/block/loop*/loop/backing_file 2>/dev/null | grep squashfs)"
fi

"$nl" -q -D "$dir/tree" -M killed sh -c 'echo up; exec sleep 1000' >"$dir/up" &
pid=$!
while [ ! -s "$dir/up" ] && kill -0 $pid 2>/dev/null; do :; done
# it is registered once it has begun
leader=''
while [ -z "$leader" ] && kill -0 $pid 2>/dev/null; do
	leader=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$dir/state/run/nspawn-lite/killed")
done
kill -9 $pid
wait $pid 2>/dev/null
# it is gone as soon as the kernel has seen to it, whether or not somebody has waited for it yet
lives() { [ -e "/proc/$leader" ] && ! grep -q '^State:.*Z' "/proc/$leader/status" 2>/dev/null; }
i=0
while lives && [ $i -lt 10000 ]; do i=$((i + 1)); done
is 'kill -9 of the supervisor ends the machine' gone "$(lives || echo gone)"
is 'the same name starts again' again "$(run -M killed echo again)"
is 'and nothing is left of it' '' "$(ls "$dir/state/run/nspawn-lite")"
rm -rf "$dir"
done_testing
