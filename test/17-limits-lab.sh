#!/bin/sh
# Limits, devices and the freezer on kernels with other hierarchies of control groups: share.sh in emulated machines
#   LAB_LIMITS=x86_64@trixie   which. Where there is v1 alone it is Linux 5.10
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$TESTDIR/lab.sh"
case ${LAB_TARGETS:-x86_64} in all | *x86_64*) ;; *) skip_all 'LAB_TARGETS names no x86_64' ;; esac
need qemu-system-x86_64
machine=${LAB_LIMITS:-x86_64}
lab_build "${machine%@*}"
# emulated NAME MACHINE KERNEL-WORDS HOW
emulated() {
	lab_tests "$1" "$2" ${3:+--append "$3"} --add "$TESTDIR/share.sh:/root/share.sh" -- \
		"mkdir -p /run /tmp; sh /root/share.sh nspawn-lite $4"
}
emulated 'nothing mounted' "$machine" '' none
emulated 'no v1, and no memory controller' "$machine" 'cgroup_no_v1=all cgroup_disable=memory' none
emulated v1 "${machine%@*}@bullseye" '' v1
done_testing
