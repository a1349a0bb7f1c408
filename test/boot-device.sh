#!/bin/sh
# shellcheck disable=SC2016,SC2317 # what is expanded is expanded inside; functions are called by name
# What is enabled runs when the device has started: busybox init is process 1, with contrib/inittab, and with
# "boot-device.sh rc" as sysinit, which makes what there is to start. Then: boot-device.sh NSPAWN-LITE
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"
machines=/var/lib/machines

if [ "$1" = rc ]; then
	mkdir -p /run /tmp "$machines"
	[ -e /device/bare ] || mount -t cgroup2 cgroup /sys/fs/cgroup
	guest "$machines/boot"
	printf '::sysinit:/bin/sh /etc/rc\n' >"$machines/boot/etc/inittab"
	printf 'echo lives >>/lives\necho "began $(wc -l </lives) times"\n' >"$machines/boot/etc/rc"
	nspawn-lite enable -q boot
	exit
fi
nl=$1

is 'busybox init is process 1' init "$(cat /proc/1/comm)"
is 'an enabled machine runs, from a line of inittab' 0 "$("$nl" wait boot running --timeout=120 2>&1; echo $?)"
is 'it is on the list' 'boot container' "$("$nl" list --no-legend | tr -s ' ' | cut -d' ' -f1,2)"
supervisor() { sed -n 's/^SUPERVISOR=//p' /run/nspawn-lite/boot; }
alone() { grep -q '^PPid:[^0-9]*1$' "/proc/$(supervisor)/status"; }
is 'nobody is above its supervisor but init' 0 "$(wait_for alone; echo $?)"
is 'it is entered' 'init' "$("$nl" exec boot cat /proc/1/comm)"
began() { "$nl" logs -n all boot 2>/dev/null | grep -q "began $1 times"; }
is 'it has begun' 0 "$(wait_for began 1; echo $?)"
is 'it reboots' 0 "$("$nl" exec boot reboot; wait_for began 2; echo $?)"
is 'and goes on as the same machine' 0 "$("$nl" wait boot running --timeout=60 2>&1; echo $?)"
kill -9 "$(supervisor)"
gone() { ! "$nl" list --no-legend | grep -q '^boot '; }
is 'kill -9 of its supervisor ends it' 0 "$(wait_for gone; echo $?)"
is 'start --all starts it again' 0 "$("$nl" start --all 2>/dev/null; echo $?)"
is 'the line for the shutdown ends it' 0 "$(sh -c "$(sed -n 's/^null::shutdown://p' /etc/inittab)" 2>&1; echo $?)"
is 'nothing of it is left' ' ' "$("$nl" list --no-legend) $(find /run/nspawn-lite -maxdepth 1 -name '[!.]*' -type f)"
"$nl" remove boot
done_testing
