#!/bin/sh
# shellcheck disable=SC2016,SC2086,SC2317 # what is expanded is expanded inside; options are words; functions may be called by name
# A machine begun from every kind of root that a device may have, and every way
# into one, with what a root inside may try to reach the host. Prints TAP. Run by
# 96-roots-lab.sh in emulated machines; changes nothing but what is in memory.
#   sh roots-device.sh NSPAWN-LITE ESCAPE
nl=$1
escape=$2
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"

none='0 ways out of 21'
dir=/roots
tree=$dir/tree
mkdir -p $tree/bin $tree/sbin $tree/etc $tree/tree/bin
cp /bin/busybox $tree/bin/busybox
for a in sh cat echo ls mkdir mount reboot sleep tail touch; do
	ln -s busybox $tree/bin/$a
done
cp "$nl" $tree/bin/nspawn-lite
cp "$escape" $tree/bin/escape
cp -a $tree/bin $tree/tree/
echo ID=roots >$tree/etc/os-release
cat >$tree/sbin/init <<'END_OF_INIT'
#!/bin/sh
trap 'exit 0' TERM USR2 PWR
[ ! -e /first ] || { escape /mark >/second; echo again; }
touch /first
trap 'reboot -f' INT
echo up
while :; do sleep 1000 & wait $!; done
END_OF_INIT
chmod 755 $tree/sbin/init
: >/mark
handle=$(escape handle /mark 2>/dev/null)
users=''
[ ! -e /proc/self/ns/user ] || users=yes

# out WHERE OPTION... : what can be reached from a machine that is begun so
out() { "$nl" -q -D "$@" 2>$dir/err | tail -n 1; }

# ---- the root as it is: an initramfs, or with --switch a tmpfs over an empty one -------------------

is 'no way leads out' "$none" "$(out $tree escape /mark "$handle")"
is 'without a word' '' "$(cat $dir/err)"
is 'nor from an ephemeral one' "$none" "$(out $tree -x escape /mark "$handle")"
is 'nor from a read-only one' "$none" "$(out $tree --read-only --tmpfs=/tmp escape /mark "$handle")"
is 'nor with all capabilities and no filter' "$none" "$(out $tree --capability=all '--system-call-filter=@system-service @mount @privileged' escape /mark)"
[ -z "$users" ] || is 'nor with users of its own' "$none" "$(out $tree --private-users=pick --private-users-ownership=chown escape /mark; out $tree --private-users=0 --private-users-ownership=chown true)"
is 'nor below our own init' "$none" "$(out $tree -a escape /mark)"
is 'nor without the calls of new kernels' "$none" "$(NSPAWN_LITE_DENY=new out $tree escape /mark)"
is 'nor from a machine in a machine' "$none" "$(out $tree --capability=all nspawn-lite -q -D /tree escape /mark)"
is 'nor from there to the machine around' "$none" "$(out $tree --capability=all sh -c 'touch /around; nspawn-lite -q -D /tree escape /around')"
is 'what was bound is there, and no way leads on' "x $none" "$(mkdir -p $dir/b; echo x >$dir/b/f; out $tree --bind=$dir/b:/mnt/b sh -c 'echo $(cat /mnt/b/f) $(escape /mark | tail -n 1)')"
if [ -n "$users" ] && grep -q '^[^ ]* / rootfs \|^rootfs / ' /proc/mounts; then
	is 'where the mounts cannot be locked, one line says so' '1 of 1' \
		"$(echo 0 >/proc/sys/user/max_user_namespaces; "$nl" -q -D $tree sh -c : 2>$dir/err; echo 1000 >/proc/sys/user/max_user_namespaces; grep -c 'CONFIG_USER_NS' $dir/err) of $(grep -c . $dir/err)" || cat $dir/err
fi

# ---- into one that runs, and its lives ------------------------------------------------------------

export NSPAWN_LITE_ROOT=$dir/state
mkdir -p $NSPAWN_LITE_ROOT/var/lib/machines
mv $tree $NSPAWN_LITE_ROOT/var/lib/machines/one
is 'it is started' 0 "$("$nl" start one 2>$dir/err; echo $?)" || cat $dir/err
is 'no way leads out for who is let in by exec' "$none" "$("$nl" exec one escape /mark "$handle" 2>&1 | tail -n 1)"
is 'nor by shell' "$none" "$("$nl" shell -q one /bin/escape /mark </dev/null 2>&1 | tr -d '\r' | tail -n 1)"
is 'a copy goes where it was to' "carried no" "$(echo carried >$dir/f; "$nl" copy-to one $dir/f /tmp/f && "$nl" exec one cat /tmp/f) $([ -e /tmp/f ] && echo yes || echo no)"
case $(uname -r) in
[34].*|5.[01].*) ;;
*)	is 'a directory is bound' carried "$("$nl" bind one --mkdir $dir /mnt/c 2>$dir/err && "$nl" exec one cat /mnt/c/f)"
	is 'and leads no way out' "$none" "$("$nl" exec one escape /mark 2>&1 | tail -n 1)" ;;
esac
is 'it begins another life' 0 "$("$nl" reboot one 2>&1; wait_for "$nl" exec one cat /second >/dev/null 2>&1; echo $?)"
full() { [ -n "$("$nl" exec one cat /second 2>/dev/null)" ]; }
wait_for full
is 'in which none leads out' "$none" "$("$nl" exec one tail -n 1 /second)"
"$nl" stop one >/dev/null 2>&1
mv $NSPAWN_LITE_ROOT/var/lib/machines/one $tree
unset NSPAWN_LITE_ROOT

# ---- other roots ----------------------------------------------------------------------------------

# elsewhere NAME : a host's root at $dir/NAME: the same programs, another tree
elsewhere() {
	mkdir -p $dir/$1
	[ -z "${2:-}" ] || mount -t tmpfs root $dir/$1
	mkdir -p $dir/$1/bin $dir/$1/proc $dir/$1/sys $dir/$1/dev $dir/$1/tmp $dir/$1/run $dir/$1/old
	cp -a $tree/bin/. $dir/$1/bin/
	cp -a $tree $dir/$1/tree
	for a in chroot umount pivot_root mv switch_root; do ln -sf busybox $dir/$1/bin/$a; done
}
inner='nspawn-lite -q -D /tree escape /mark 2>&1 | tail -n 1'

elsewhere plain
mount -t proc proc $dir/plain/proc
mknod $dir/plain/dev/null c 1 3
is 'a host that is chrooted: it starts, and no way leads out' "$none" "$(chroot $dir/plain /bin/sh -c "$inner" 2>&1)"
: >$dir/plain/marked
is 'nor to the chroot itself' "$none" "$(chroot $dir/plain /bin/sh -c 'nspawn-lite -q -D /tree escape /marked 2>&1 | tail -n 1')"
umount $dir/plain/proc
rm -rf $dir/plain

elsewhere point tmpfs
mount -t proc proc $dir/point/proc
mknod $dir/point/dev/null c 1 3
is 'chrooted to a mount' "$none" "$(chroot $dir/point /bin/sh -c "$inner" 2>&1)"
# as an init does it; what it left of the initramfs would be found below by who is root of all, so switch_root empties it
: >$dir/point/marked
moved() { unshare -m sh -c "cd $dir/point && mount --move . / && exec chroot . /bin/sh -c '$1'" 2>&1; }
is 'a root moved over the first one' "$none" "$(moved 'nspawn-lite -q -D /tree escape /marked 2>&1 | tail -n 1')"
is 'below which something was left' '1 ways out of 21' "$(moved "$inner")"
is 'that is kept from users of their own' "$([ -z "$users" ] && echo 1 || echo 0) ways out of 21" \
	"$(moved 'nspawn-lite -q --private-users=pick --private-users-ownership=chown -D /tree escape /mark 2>&1 | tail -n 1')"
is 'a root that was pivoted to' "$none" "$(moved 'mount -t tmpfs t /old && cp -a /bin /tree /old && mkdir /old/proc /old/dev /old/run /old/old /old/tmp && touch /old/marked && mount -t proc proc /old/proc && cd /old && pivot_root . old && umount -l /old; nspawn-lite -q -D /tree escape /marked 2>&1 | tail -n 1')"
umount $dir/point/proc
umount $dir/point

if grep -q overlay /proc/filesystems; then
	elsewhere over
	mkdir $dir/data && mount -t tmpfs data $dir/data && mkdir $dir/data/up $dir/data/work $dir/root
	mount -t overlay -o lowerdir=$dir/over,upperdir=$dir/data/up,workdir=$dir/data/work over $dir/root
	mount -t proc proc $dir/root/proc
	mknod $dir/root/dev/null c 1 3
	touch $dir/root/marked
	moved() { unshare -m sh -c "cd $dir/root && mount --move . / && exec chroot . /bin/sh -c '$1'" 2>&1; }
	is 'an overlay as the root' "$none" "$(moved 'nspawn-lite -q -D /tree escape /marked 2>&1 | tail -n 1')"
	is 'and an ephemeral machine on it' "$none" "$(moved 'nspawn-lite -q -x -D /tree escape /marked 2>&1 | tail -n 1')"
	umount $dir/root/proc $dir/root $dir/data
fi
done_testing
