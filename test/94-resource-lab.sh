#!/bin/sh
# Control groups of containers on cgroup2 alone, in an emulated machine
#   LAB_RESOURCE='x86_64@bullseye'   which. Linux 5.10 can freeze a group, and not kill it
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$TESTDIR/lab.sh"
case ${LAB_TARGETS:-x86_64} in all | *x86_64*) ;; *) skip_all 'LAB_TARGETS names no x86_64' ;; esac
lab_build x86_64
for machine in ${LAB_RESOURCE:-x86_64}; do
	lab_tests "$machine" "$machine" --time 150 -- 'sh /device/resource-device.sh'
done
done_testing
