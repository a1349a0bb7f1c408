#!/bin/sh
# shellcheck disable=SC2016,SC2086,SC2317 # what is expanded is expanded inside; words are words; all is called
# A machine's share and its devices, on whatever control groups there are: each
# limit is one that a guest runs into. Prints TAP; needs a kernel, busybox and
# nspawn-lite. Run by 17-limits.sh, here and in emulated machines:
#	sh share.sh [NSPAWN-LITE [none|v1]]	how the hierarchies are mounted
nl=${1:-nspawn-lite}
how=${2:-}
n=0
bad=0

result() {
	n=$((n + 1))
	echo "$1 $n - $2"
	[ "$1" = ok ] || bad=1
}
is() {	# is NAME WANT GOT
	if [ "$2" = "$3" ]; then
		result ok "$1"
	else
		result 'not ok' "$1"
		printf 'want %s\ngot %s\n' "$2" "$3" | sed 's/^/# /'
	fi
}
wait_for() {
	tries=300
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1 2>/dev/null || sleep 1
	done
}

dir=$(mktemp -d)
export NSPAWN_LITE_ROOT="$dir/state"
mkdir -p "$dir/tree/bin" "$dir/tree/etc" "$dir/state" "$dir/mnt"
busybox=/bin/busybox
[ -x $busybox ] || busybox=$(command -v busybox)
cp "$busybox" "$dir/tree/bin/busybox"
for a in sh cat echo grep head ls mount mkdir rmdir mknod kill dd rm sleep seq touch true umount uname wc tr sed; do
	ln -s busybox "$dir/tree/bin/$a"
done
register=$dir/state/run/nspawn-lite
run() { "$nl" -q -D "$dir/tree" "$@" 2>"$dir/err"; }
start() {	# start COMMAND : machine "m", which has said that it is up
	rm -f "$dir/up"
	mkfifo "$dir/up"
	"$nl" -q -P -M m -D "$dir/tree" $options sh -c "echo up; $1" >"$dir/up" 2>"$dir/err" </dev/null &
	supervisor=$!
	head -n 1 <"$dir/up" >/dev/null
	# it says who its leader is as soon as that is known
	wait_for grep -q '^LEADER=[1-9]' "$register/m"
	leader=$(sed -n 's/^LEADER=//p' "$register/m")
}
stop() {
	kill $supervisor
	wait $supervisor 2>/dev/null
}
# group CONTROLLER : its directory, from the register; mounted where the host has no mount
group() {
	place=$(grep -o "^CGROUP=[a-z0-9,=_]*$1[a-z0-9,]*:.*" "$register/m" | tail -n 1)
	[ "$place" ] || { [ "$1" = cgroup2 ] || group cgroup2; return; }
	kind=${place#CGROUP=}
	kind=${kind%%:*}
	path=${place#*:}
	case $path in
	/*)	echo "$path" ;;
	*)	umount "$dir/mnt" 2>/dev/null
		case $kind in
		cgroup2) mount -t cgroup2 c "$dir/mnt" ;;
		*)	mount -t cgroup -o "$kind" c "$dir/mnt" ;;
		esac
		echo "$dir/mnt/${path#:}" ;;
	esac
}
# what CONTROLLER FILE2 FILE1 : what stands in a file of the one kind or the other
what() {
	g=$(group "$1")
	if [ -e "$g/$2" ]; then
		echo "$2 $(cat "$g/$2")"
	else
		echo "$3 $(cat "$g/$3")"
	fi
	umount "$dir/mnt" 2>/dev/null
}
controller() { awk -v c="$1" '$1 == c && $4 == 1 { print "yes" }' /proc/cgroups | grep -q yes; }
state() {
	find /sys/fs/cgroup "$register" ! -name .mounts 2>/dev/null | grep -e scope -e nspawn-lite/
	sed '/^0::/d; s/:\/.*//; s/^[0-9]*//' /proc/self/cgroup | sort
	mount -t cgroup2 c "$dir/mnt" 2>/dev/null && find "$dir/mnt" -type d && umount "$dir/mnt"
}
options=''

if [ "$how" = v1 ]; then
	mount -t tmpfs t /sys/fs/cgroup
	for c in cpu cpuset memory pids blkio freezer devices; do
		mkdir /sys/fs/cgroup/$c
		mount -t cgroup -o $c c /sys/fs/cgroup/$c
	done
	mkdir /sys/fs/cgroup/systemd
	mount -t cgroup -o none,name=systemd c /sys/fs/cgroup/systemd
fi
# ours does not count: others start machines, too
before=$(state | grep -v scope)

# ---- memory ----------------------------------------------------------------------

fill='dd if=/dev/zero of=/dev/shm/x bs=1M count=16 2>/dev/null; echo filled'
if controller memory; then
	is 'without a limit a guest fills 16 MB' filled "$(run --property=MemoryMax=infinity sh -c "$fill")"
	is 'with MemoryMax=8M it is killed' 137 "$(run --property=MemoryMax=8M dd if=/dev/zero of=/dev/shm/x bs=1M count=16 >/dev/null; echo $?)"
	is 'and so with MemoryLimit=8M, as it was called' 137 \
		"$(run --property=MemoryLimit=8M dd if=/dev/zero of=/dev/shm/x bs=1M count=16 >/dev/null; echo $?)"
	options='--property=MemoryMax=64M --property=MemoryMax=32M'
	start 'sleep 1000'
	case $(what memory memory.max memory.limit_in_bytes) in
	memory.max*) high='memory.high 1048576' ;;
	*)	high='' ;;
	esac
	is 'the last of two is taken' 33554432 "$(what memory memory.max memory.limit_in_bytes | sed 's/.* //')"
	options=''
	stop
	if [ "$high" ]; then
		options='--property=MemoryHigh=1M --property=MemoryLow=64K --property=MemoryMin=4K --property=MemoryMax=10%'
		start 'sleep 1000'
		is 'MemoryHigh, MemoryLow and MemoryMin' "$high memory.low 65536 memory.min 4096" \
			"$(what memory memory.high x) $(what memory memory.low x) $(what memory memory.min x)"
		options=''
		stop
	else
		run --property=MemoryHigh=8M true
		is 'MemoryHigh on v1 is refused, and why is said' '1 1' "$? $(grep -c 'cgroup2' "$dir/err")"
	fi
else
	run --property=MemoryMax=8M true
	is 'MemoryMax where the kernel has memory switched off: an error that names the boot option' '1 1' \
		"$? $(grep -c 'cgroup_enable=memory' "$dir/err")"
	is 'a guest without it starts all the same' filled "$(run sh -c "$fill")"
fi

# ---- tasks and time -----------------------------------------------------------------

forks='for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2 & done; wait; echo all'
is 'without a limit ten processes are made' all "$(run sh -c "$forks")"
is 'with TasksMax=6 not' '' "$(run --property=TasksMax=6 sh -c "$forks")"
options='--property=CPUQuota=10% --property=CPUQuotaPeriodSec=20ms --property=CPUWeight=50'
start 'while :; do :; done'
g=$(group cpu)
throttled() { [ "$(sed -n 's/^nr_throttled //p' "$g/cpu.stat")" -gt 0 ]; }
is 'CPUQuota=10% throttles one that only counts' yes "$(wait_for throttled && echo yes)"
umount "$dir/mnt" 2>/dev/null
case $(what cpu cpu.max cpu.cfs_quota_us) in
cpu.max*) is 'in a period of 20 ms' 'cpu.max 2000 20000 cpu.weight 50' "$(what cpu cpu.max x) $(what cpu cpu.weight x)" ;;
*)	is 'in a period of 20 ms' 'cpu.cfs_quota_us 2000 cpu.cfs_period_us 20000 cpu.shares 512' \
		"$(what cpu x cpu.cfs_quota_us) $(what cpu x cpu.cfs_period_us) $(what cpu x cpu.shares)" ;;
esac
stop
options=''
is 'AllowedCPUs=0 leaves one CPU' 0 "$(run --property=AllowedCPUs=0 sed -n 's/^Cpus_allowed_list:[^0-9]*//p' /proc/self/status)"
run --property=AllowedCPUs=0,4000 true
is 'a CPU that is not there is an error' 1 $?

# ---- at run time ------------------------------------------------------------------------

start 'while :; do read -r go; done <>/dev/zero & echo 0 >/tmp/n; i=0; while :; do i=$((i + 1)); echo $i >/tmp/n; done'
"$nl" set-property m TasksMax=20 CPUWeight=200 2>"$dir/err"
is 'set-property on a machine that had no limits' '0 ' "$? $(cat "$dir/err")"
is 'TasksMax is in its place' 'pids.max 20' "$(what pids pids.max pids.max)"
is 'and its processes are in it' yes "$(grep -e ':pids:' -e '^0:' "/proc/$leader/cgroup" | grep -q 'machine-m.scope/payload$' && echo yes)"
if controller memory; then
	"$nl" set-property m MemoryMax=64M && "$nl" set-property m MemoryMax=128M
	is 'MemoryMax goes up again' 134217728 "$(what memory memory.max memory.limit_in_bytes | sed 's/.* //')"
fi
"$nl" set-property m TasksMax=none 2>/dev/null
is 'a wrong value is an error' 1 $?
"$nl" set-property m DeviceAllow=/dev/null 2>/dev/null
is 'devices are not let through later' 1 $?
"$nl" set-property nobody TasksMax=1 2>"$dir/err"
is 'a machine that does not run: one sentence' '1 1 1' "$? $(wc -l <"$dir/err" | tr -d ' ') $(grep -c 'not running' "$dir/err")"

# ---- freeze and thaw ----------------------------------------------------------------------

count() { cat "/proc/$leader/root/tmp/n"; }
now=$(count)
goes_on() { [ "$(count)" != "$now" ]; }
is 'a machine counts' yes "$(wait_for goes_on && echo yes)"
"$nl" freeze m 2>"$dir/err"
is 'freeze' '0 ' "$? $(cat "$dir/err")"
now=$(count)
is 'while another machine lives and ends' alive "$(run --lock=no echo alive)"
is 'it does not go on' "$now" "$(count)"
"$nl" freeze m
is 'freezing it again is nothing new' "0 $now" "$? $(count)"
"$nl" thaw m
is 'thaw' 0 $?
is 'it goes on' yes "$(wait_for goes_on && echo yes)"
"$nl" freeze m && kill $supervisor
wait $supervisor 2>/dev/null
is 'a frozen machine ends when it is told to' 137 $?
"$nl" freeze m 2>/dev/null
is 'and cannot be frozen then' 1 $?
start 'sleep 1000'
"$nl" freeze m && "$nl" set-property m TasksMax=30 && kill -9 $supervisor
wait $supervisor 2>/dev/null
is 'the next command sweeps a frozen one whose supervisor was killed' '0 ' "$(run true; echo $?) $(ls "$register")"

# ---- what is not to be had ------------------------------------------------------------------

run --property=IPAddressDeny=any true
is 'a restriction that is not known is refused' 1 $?
is 'what is none is accepted' in "$(run --property=Description=x --property=MemoryAccounting=yes echo in)"

# ---- devices ----------------------------------------------------------------------------------

# a device that anybody may open, as far as it goes by its node
for d in cpu_dma_latency autofs vga_arbiter ttyS0 tty0; do
	# shellcheck disable=SC2217 # it is the opening that counts
	[ -c /dev/$d ] && (true </dev/$d) 2>/dev/null && break
done
maj=$(($(printf '0x%s' "$(stat -c %t /dev/$d)")))
min=$(($(printf '0x%s' "$(stat -c %T /dev/$d)")))
probe='mknod /dev/m c 1 1 2>/dev/null && echo mem; mknod /b b 7 250 2>/dev/null && echo loop
	(true </kept) 2>/dev/null && echo opened; mknod /again c $1 $2 2>/dev/null && echo again
	mknod /dev/ok c 1 3 2>/dev/null && echo >/dev/ok && echo null; rm -f /b /again'
what_of() { run "$@" sh -c "$probe" - $maj $min | tr '\n' ' ' | sed 's/ $//'; }
mknod "$dir/tree/kept" c $maj $min
# shellcheck disable=SC2217
is 'a node in the tree can be opened outside' yes "$( (true <"$dir/tree/kept") && echo yes)"
is 'inside, nodes are made and opened only of what is allowed' null "$(what_of)"
is 'DevicePolicy=auto without DeviceAllow is no policy' 'mem loop opened again null' "$(what_of --property=DevicePolicy=auto)"
is 'DevicePolicy=strict allows nothing' '' "$(what_of --property=DevicePolicy=strict)"
is 'DeviceAllow lets one through' 'opened again null' "$(what_of "--property=DeviceAllow=/dev/$d")"
is 'and only as it says' 'opened null' "$(what_of "--property=DeviceAllow=/dev/$d r")"
is '--device makes the node, too' "c $maj, $min opened again null" \
	"$(run --device=/dev/$d ls -ln /dev/$d | sed 's/^\(.\).* \([0-9]*\), *\([0-9]*\) .*/\1 \2, \3/') $(what_of --device=/dev/$d)"
mknod "$dir/tree/kept-null" c 1 3
is 'nothing else is different with calls missing' null "$(NSPAWN_LITE_DENY=new what_of)"
# v1, or no CAP_MKNOD and no node of the tree
is 'nor without programs for cgroup2' '' "$(NSPAWN_LITE_DENY=bpf what_of | sed 's/^null$//')"
cat >"$dir/bare" <<-'END'
	#!/bin/sh
	umount /sys/fs/cgroup/devices 2>/dev/null
	export NSPAWN_LITE_DENY=bpf,private
	exec "$@"
	END
bare() { unshare -m sh "$dir/bare" "$nl" -q -D "$dir/tree" sh -c "$@" 2>"$dir/err"; }
if [ "$how" != none ] && unshare -m true 2>/dev/null; then
	is 'nor with neither: no CAP_MKNOD' '' "$(bare "$probe" - $maj $min)"
	is 'which is said, once' 1 "$(grep -c CAP_MKNOD "$dir/err")"
	is 'and no node of the tree works, but those in /dev do' 'null works' \
		"$(bare '(true </kept-null) 2>/dev/null && echo "kept works"; echo >/dev/null && echo null works')"
fi
rm "$dir/tree/kept" "$dir/tree/kept-null"

# ---- release_agent ------------------------------------------------------------------------------

reach='mkdir -p /tmp/r; for c in cpu cpuset cpuacct memory pids blkio freezer devices net_cls perf_event name=systemd rdma misc; do
	o=$c; case $c in name=*) o=none,$c ;; esac
	mount -t cgroup -o $o c /tmp/r 2>/dev/null || continue
	(echo /bin/out >/tmp/r/release_agent) 2>/dev/null && echo wrote $c
	mount -o remount,$o,release_agent=/bin/out /tmp/r 2>/dev/null && echo set $c
	umount /tmp/r
	mount -t cgroup -o $o,release_agent=/bin/out c /tmp/r 2>/dev/null || continue
	umount /tmp/r
	done'
agents() { cat /sys/fs/cgroup/*/release_agent 2>/dev/null; }
if [ -e /sys/fs/cgroup/freezer/release_agent ]; then
	old=$(cat /sys/fs/cgroup/freezer/release_agent)
	all=$(agents)
	echo /nowhere >/sys/fs/cgroup/freezer/release_agent
	is 'release_agent can be set outside' /nowhere "$(cat /sys/fs/cgroup/freezer/release_agent)"
	echo "$old" >/sys/fs/cgroup/freezer/release_agent
	is 'root inside cannot set it' "$all" "$(run sh -c "$reach")$(agents)"
	is 'nor with a v1 view' "$all" "$(UNIFIED_HIERARCHY=0 run sh -c "$reach")$(agents)"
else
	is 'root inside makes no v1 hierarchy of its own' '' "$(run sh -c "$reach")"
fi

# ---- what it sees ----------------------------------------------------------------------------------

is '--unified-hierarchy=yes shows cgroup2' yes \
	"$(run --unified-hierarchy=yes sh -c 'mkdir /sys/fs/cgroup/x && [ -e /sys/fs/cgroup/x/cgroup.events ] && echo yes')"
is '--unified-hierarchy=no shows v1' yes \
	"$(run --unified-hierarchy=no sh -c 'mkdir /sys/fs/cgroup/systemd/x && [ -e /sys/fs/cgroup/systemd/x/tasks ] && echo yes')"
mkdir -p "$dir/tree/sbin" "$dir/tree/usr/lib/systemd"
printf '#!/bin/sh\nls /sys/fs/cgroup\npoweroff -f\n' >"$dir/tree/sbin/init"
chmod 755 "$dir/tree/sbin/init"
ln -s busybox "$dir/tree/bin/poweroff"
[ "$how" = v1 ] || is 'an init sees cgroup2' 1 "$(run -b -P | grep -cx cgroup.procs)"
: >"$dir/tree/usr/lib/systemd/systemd-shutdownd"
is 'a systemd that is older sees v1' 1 "$(run -b -P | grep -cx systemd)"

# ---- below our own group, and below a group of a guest -------------------------------------------

own='echo $$ >"$1/cgroup.procs"; shift; exec "$@"'
if [ "$how" = none ] && mount -t cgroup2 c /sys/fs/cgroup; then
	foo=/sys/fs/cgroup/foo
	mkdir $foo
	is 'below our own group, which makes room' '' \
		"$(sh -c "$own" - $foo "$nl" -q -D "$dir/tree" --keep-unit --property=TasksMax=6 sh -c "$forks" 2>"$dir/err")"
	is 'and is as it was afterwards' "$foo " "$(find $foo -type d) $(cat $foo/cgroup.subtree_control)"
	is 'where others are in the way, that is said' '1 1' "$(sh -c "$own" - $foo sh -c '"$@" true; echo $?' - \
		"$nl" -q -D "$dir/tree" --keep-unit --property=TasksMax=6 2>"$dir/err") $(grep -c 'processes of its own' "$dir/err")"
	rmdir $foo
	umount /sys/fs/cgroup
fi

is 'nothing is left' "$before" "$(state | grep -v scope)"
rm -rf "$dir"
echo "1..$n"
exit $bad
