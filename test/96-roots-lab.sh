#!/bin/sh
# Hosts whose root cannot be pivoted away, as on an initramfs: which sequences
# make a tree the root, and which ways lead out of it again, on kernels of many
# years. One that behaves otherwise is noticed here. Then our own way, from all
# kinds of roots. Each emulated machine prints TAP of its own, which is counted on.
#   LAB_ROOTS='mipsel x86_64@trixie:switch'   switch: its root is a tmpfs over an empty initramfs
#   LAB_ROOTS=all
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "${0%/*}/lab.sh"

# host: what is mounted or stands on the initramfs is found; nothing: an empty place below the root
cat >"$T/initramfs" <<'END_OF_TABLE'
A: does not start
B: starts; host by unmounting / and entering; host by a new mount namespace
B2: starts; host by unmounting / and entering; host by a new mount namespace
C: starts; host by chroot and a directory above it; host by chroot and an open directory; host by entering its own mount namespace; host by unmounting / and entering; host by a new mount namespace; host by others' mount namespaces
D: starts; host by unmounting / and entering; host by a new mount namespace
users: starts
E: starts
END_OF_TABLE
sed 's|^A:.*|A: starts; nothing by unmounting / and entering|' "$T/initramfs" >"$T/switch"

machines=${LAB_ROOTS:-armhf@bullseye mipsel}
[ "$machines" != all ] || machines='x86_64@bullseye x86_64 x86_64@trixie x86_64@bullseye:switch x86_64:switch x86_64@trixie:switch
	armhf@bullseye armhf mipsel mipsel:switch arm64 riscv64@trixie'
for machine in $machines; do
	how=initramfs
	case $machine in *:*) how=${machine##*:} machine=${machine%:*} ;; esac
	lab_build "${machine%@*}" test-escape || continue
	place="$machine, $how"
	set -- --mod overlay,veth
	[ "$how" = initramfs ] || set -- "$@" "--$how"
	lab_tests "$place" "$machine" "$@" --add "$bin/test-escape:/bin/escape" \
		-- ': >/mark; escape table /mark; echo; sh /device/roots-device.sh /bin/nspawn-lite /bin/escape'
	while IFS= read -r row; do
		is "the known ways out of ${row%%:*} ($place)" "$row" "$(grep "^${row%%:*}:" "$T/log")"
	done <"$T/$how"
done
done_testing
