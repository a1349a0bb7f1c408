#!/bin/sh
# The smallest device, where nothing was made ready: an emulated machine that
# prints TAP of its own, which is counted on.
#   LAB_TINY='mipsel:48 mips@be:32'
# names machines, and the memory of each in MB; all: these and more. Of what
# mipsel has, Debian's kernel takes 15 MB for itself.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "${0%/*}/lab.sh"

machines=${LAB_TINY:-mipsel:48}
if [ "$machines" = all ]; then
	machines='mipsel:48 armhf@bullseye:64 armhf:96 arm64:96 x86_64@bullseye:128 x86_64:128 x86_64@trixie:128 riscv64@trixie:96'
	[ ! -e "$cache/kernel/mips-be/busybox" ] || machines="mips@be:32 $machines"
fi

for machine in $machines; do
	mem=${machine##*:}
	machine=${machine%:*}
	lab_build "${machine%@*}" || continue
	set --
	[ "$target" = mips ] || set -- --mod veth
	lab_tests "$machine, $mem MB" "$machine" --bare --mem "$mem" "$@" -- 'sh /device/tiny-device.sh'
done
done_testing
