#!/bin/sh
# Limits, devices and the freezer, each one that a guest runs into: share.sh,
# here and on kernels with other hierarchies of control groups, by emulation. Then
# what only a whole host can show.
#	LAB='x86_64@bookworm'	which machines; '' for none
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
need_root

# import WHERE : the lines of another test
import() {
	while IFS= read -r line; do
		case $line in
		'ok '*) result ok "${line#*- } ($1)" ;;
		'not ok '*) result 'not ok' "${line#*- } ($1)" ;;
		1..*)	: >"$T/came" ;;
		*)	note "$1: $line" ;;
		esac
	done
	ok "it came to its end ($1)" [ -e "$T/came" ]
	rm -f "$T/came"
}

leftovers_before
sh "$TESTDIR/share.sh" "$NL" 2>&1 | import here
leftovers_after 'nothing is left here'

emulated() {	# emulated NAME MACHINE KERNEL-WORDS HOW
	"$TESTDIR/lab/boot" "$2" --time 200 ${3:+--append "$3"} --add "$bin/nspawn-lite:/bin/nspawn-lite" \
		--add "$TESTDIR/share.sh:/root/share.sh" -- \
		"mkdir -p /run /tmp; sh /root/share.sh nspawn-lite $4" 2>&1 | import "$1"
}
machine=${LAB-x86_64@bookworm}
if [ -z "$machine" ] || ! command -v qemu-system-x86_64 >/dev/null 2>&1; then
	skip 'other kernels' 'no emulation'
else
	bin=$TOP/build/${machine%@*}
	if ok "nspawn-lite is built for $machine" make -s -C "$TOP" O="build/${machine%@*}" TARGET="${machine%@*}" all; then
		emulated 'nothing mounted' "$machine" '' none
		emulated 'no v1 at all' "$machine" cgroup_no_v1=all none
		emulated 'no memory controller' "$machine" cgroup_disable=memory none
		emulated v1 "${machine%@*}@bullseye" '' v1
	fi
fi

# ---- io, on a disk that may be slow ----------------------------------------------------

t=$(tree busybox)
truncate -s 8M "$T/disk"
if loop=$(losetup -f --show "$T/disk" 2>/dev/null); then
	"$NL" -q -P -M io -D "$t" --device="$loop" --property="IOWriteBandwidthMax=$loop 64K" --property="IOReadIOPSMax=$loop 50" \
		sh -c "echo up; dd if=/dev/zero of=$loop bs=64k count=128 oflag=direct 2>/dev/null || dd if=/dev/zero of=$loop bs=64k count=128 conv=fsync" \
		>"$T/up" 2>"$T/err" </dev/null &
	machine=$!
	wait_for grep -q up "$T/up"
	dir=$(sed -n -e 's/^CGROUP=blkio:\(\/.*\)/\1/p' "$T/root/run/nspawn-lite/io")
	if [ -n "$dir" ]; then
		number=$(cat "/sys/block/${loop#/dev/}/dev")
		is 'IOWriteBandwidthMax and IOReadIOPSMax are in force where the guest is' "$number 64000 $number 50" \
			"$(cat "$dir/payload/blkio.throttle.write_bps_device") $(cat "$dir/payload/blkio.throttle.read_iops_device")"
	else
		like 'IOWriteBandwidthMax is in force' '*wbps=64000*' \
			"$(cat "$(sed -n 's/^CGROUP=cgroup2:\(\/.*\)/\1/p' "$T/root/run/nspawn-lite/io")/io.max")"
	fi
	kill $machine
	wait $machine
	losetup -d "$loop"
else
	skip 'IOWriteBandwidthMax is in force' 'no loop device'
fi
run "$NL" -q -D "$t" --property='IOReadBandwidthMax=/proc 5M' true
is 'a path that is on no disk is an error' 1 "$rc"

# ---- wrong words -----------------------------------------------------------------------

while IFS= read -r word; do
	run "$NL" plan -D / --property="$word"
	is "--property=$word is refused in one sentence" '1 1' "$rc $(echo "$err" | grep -c .)"
done <<-'END'
	MemoryMax=0
	MemoryMax=-1
	MemoryMax=64X
	MemoryMax=101%
	MemoryMax
	=1
	TasksMax=0
	TasksMax=many
	CPUQuota=20
	CPUQuota=0%
	CPUQuota=-5%
	CPUQuotaPeriodSec=soon
	CPUWeight=0
	CPUWeight=10001
	CPUShares=1
	AllowedCPUs=3-1
	AllowedCPUs=one
	AllowedCPUs=0-
	AllowedMemoryNodes=99999
	IOWeight=0
	BlockIOWeight=9
	IOReadBandwidthMax=/dev/sda
	IOReadBandwidthMax=5M
	IOReadBandwidthMax=/dev/sda 0
	IOWriteIOPSMax=sda 10
	DevicePolicy=open
	DeviceAllow=/dev/null rwx
	DeviceAllow=null
	IPAddressDeny=any
	RestrictAddressFamilies=AF_UNIX
	ProtectSystem=strict
	MemoryZSwapMax=1
	StartupCPUWeight=10
	RuntimeMaxSec=1
END
for word in MemoryMax= MemoryMax=infinity TasksMax=10% CPUQuota= CPUWeight=idle Description=x Delegate=yes CPUAccounting=no 'DeviceAllow=char-* rwm'; do
	run "$NL" plan -D / --property="$word"
	is "--property=$word is taken" 0 "$rc"
done

# ---- a whole system --------------------------------------------------------------------

if tree=$("$TESTDIR/trees" systemd 2>"$T/err"); then
	for view in '' no; do
		printf '%s\n' 'wait login:' 'send root\n' 'wait #' 'send systemctl is-system-running --wait\n' 'wait running' \
			"send echo failed: \$(systemctl --failed --no-legend --no-pager | wc -l) shown: \$(stat -fc %T /sys/fs/cgroup)\n" \
			'wait shown: ' 'send poweroff\n' exit >"$T/script"
		out=$("$PTY" -t 120 "$T/script" -- "$NL" --ephemeral -M limited ${view:+--unified-hierarchy=$view} -b -D "$tree" \
			--property=MemoryMax=1G --property=TasksMax=2000 --property=CPUQuota=150% 2>"$T/err")
		like "systemd boots within limits, and nothing fails (unified: ${view:-as the host})" \
			"*failed: 0 shown: $([ "$view" ] && echo tmpfs || echo cgroup2fs)*" "$(echo "$out" | grep 'failed: [0-9]')"
	done
else
	skip 'systemd boots within limits' 'its tree cannot be made here'
fi
done_testing
