#!/bin/sh
# shellcheck disable=SC2016,SC2317 # what is expanded is expanded inside; called by wait_for
# Limits, devices and the freezer, each one that a guest runs into: share.sh, here;
# 17-limits-lab.sh has kernels with other hierarchies of control groups. Then what
# only a whole host can show.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
need_root

leftovers_before
sh "$TESTDIR/share.sh" "$NL" >"$T/share" 2>&1
adopt "$T/share"
ok 'it came to its end' grep -q '^1[.][.]' "$T/share"
leftovers_after 'nothing is left here'

# ---- io, on a disk that may be slow ----------------------------------------------------

t=$(tree busybox)
truncate -s 8M "$T/disk"
# root inside tries to lift its limit, where it can mount what has it
lift='mkdir /tmp/b; mount -t cgroup -o blkio c /tmp/b 2>/dev/null && for f in /tmp/b/blkio.throttle.*_device; do (echo "$1 0" >$f) 2>/dev/null; done
	umount /tmp/b 2>/dev/null; echo up; sleep 1000'
for users in no 1048576; do
	loop=$(losetup -f --show "$T/disk" 2>/dev/null) || break
	number=$(cat "/sys/block/${loop#/dev/}/dev")
	: >"$T/up"
	"$NL" -q -P -M io -D "$t" --private-users=$users --property="IOWriteBandwidthMax=$loop 64K" --property="IOReadIOPSMax=$loop 50" \
		sh -c "$lift" - "$number" >"$T/up" 2>"$T/err" </dev/null &
	machine=$!
	wait_for grep -q up "$T/up"
	dir=$(sed -n -e 's/^CGROUP=blkio:\(\/.*\)/\1/p' "$T/root/run/nspawn-lite/io")
	if [ "$dir" ] && [ $users = no ]; then
		is 'v1: that root inside can lift the limit of a disk is said, for each' 2 "$(grep -c 'root inside can lift' "$T/err")"
	elif [ "$dir" ]; then
		is 'IOWriteBandwidthMax and IOReadIOPSMax are in force where the guest is, and stay so' "$number 64000 $number 50 " \
			"$(cat "$dir/payload/blkio.throttle.write_bps_device") $(cat "$dir/payload/blkio.throttle.read_iops_device") $(cat "$T/err")"
	else
		like "IOWriteBandwidthMax is in force (users: $users)" '*wbps=64000*' \
			"$(cat "$(sed -n 's/^CGROUP=cgroup2:\(\/.*\)/\1/p' "$T/root/run/nspawn-lite/io")/io.max")"
	fi
	kill $machine
	wait $machine
	losetup -d "$loop"
done
[ "$loop" ] || skip 'IOWriteBandwidthMax is in force' 'no loop device'
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
	TasksMax=1.5
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
	CpuQuota=5%
	memorymax=1G
	TASKSMAX=5
	devicepolicy=strict
	protectSystem=strict
	ipaddressdeny=any
	MemoryMax=64K
	MemoryHigh=0
END
while IFS= read -r word; do
	run "$NL" -q -D "$t" --property="$word" true
	is "--property=$word has no effect, and that is said" '0 1 1' "$rc $(echo "$err" | grep -c .) $(echo "$err" | grep -c 'has no effect: ')"
done <<-'END'
	Foo=1
	Slice=x.slice
	After=x.service
END
like '--property=Slice leads to --slice' '*--slice*' "$(run "$NL" -q -D "$t" --property=Slice=x true; echo "$err")"
for word in a-.slice -a.slice a--b.slice -.slice .slice a/b; do
	run "$NL" plan -D / --slice="$word"
	is "--slice=$word is refused in one sentence" '1 1' "$rc $(echo "$err" | grep -c .)"
done
run "$NL" -q -D "$t" --slice=x-y tail -n 1 /proc/self/cgroup
is '--slice=x-y is x-y.slice' '0 ' "$rc $err"
for word in MemoryMax= MemoryMax=infinity MemoryMax=1.5G TasksMax=10% CPUQuota= CPUWeight=idle Description=x Delegate=yes CPUAccounting=no 'DeviceAllow=char-* rwm'; do
	run "$NL" plan -D / --property="$word"
	is "--property=$word is taken" 0 "$rc"
done

# ---- a whole system --------------------------------------------------------------------

boot() {	# boot NAME TREE OPTION... : after a login, what it shows of what has failed
	name=$1
	tree=$2
	shift 2
	out=$("$PTY" -t 120 "$T/script" -- "$NL" --ephemeral -M limited "$@" -b -D "$tree" \
		--property=MemoryMax=1G --property=TasksMax=2000 --property=CPUQuota=150% 2>"$T/err")
}
if tree=$("$TESTDIR/trees" systemd 2>"$T/err"); then
	for view in '' no; do
		end='poweroff\n'
		shown=cgroup2fs
		# with v1 systemd 252 may wait two minutes for a user's session to end, in the original as well
		[ -z "$view" ] || { end='\x1d\x1d\x1d'; shown=tmpfs; }
		printf '%s\n' 'wait login:' 'send root\n' 'wait #' 'send systemctl is-system-running --wait\n' 'wait running' \
			"send echo failed: \$(systemctl --failed --no-legend --no-pager | wc -l) shown: \$(stat -fc %T /sys/fs/cgroup)\n" \
			"wait shown: $shown" "send $end" exit >"$T/script"
		boot systemd "$tree" ${view:+--unified-hierarchy=$view}
		like "systemd boots within limits, and nothing fails (unified: ${view:-as the host})" \
			"*failed: 0 shown: $shown*" "$(echo "$out" | grep 'failed: [0-9]')"
	done
else
	skip 'systemd boots within limits' 'its tree cannot be made here'
fi
if tree=$("$TESTDIR/trees" openrc 2>"$T/err"); then
	printf '%s\n' 'wait login:' 'send root\n' 'wait #' 'send echo crashed: $(rc-status --crashed | wc -l) shown\n' 'wait shown' \
		'send poweroff\n' exit >"$T/script"
	boot openrc "$tree"
	like 'OpenRC boots within limits' '*crashed: 0 shown*' "$(echo "$out" | grep 'crashed: [0-9]')"
else
	skip 'OpenRC boots within limits' 'its tree cannot be made here'
fi

# ---- a process that has ended and is not waited for ------------------------------------------

t=$(tree busybox)
"$NL" -q -M dead -D "$t" sh -c 'true & exec sleep 1000' </dev/null &
pid=$!
undead() {	# its first child, as the host sees it
	leader=$(sed -n 's/^LEADER=\([1-9].*\)/\1/p' "$T/root/run/nspawn-lite/dead" 2>/dev/null)
	child=$(cat "/proc/$leader/task/$leader/children" 2>/dev/null)
	grep -q '^State:.Z' "/proc/${child% }/status" 2>/dev/null
}
wait_for undead || note 'it was not seen'
is 'set-property moves all but what has ended' '' "$("$NL" set-property dead TasksMax=50 2>&1)"
kill $pid
wait $pid 2>/dev/null

done_testing
