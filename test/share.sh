#!/bin/sh
# shellcheck disable=SC2016,SC2086,SC2317 # what is expanded is expanded inside; words are words; all is called
# A machine's share and its devices, on whatever control groups there are: each
# limit is one that a guest runs into. Prints TAP; needs a kernel, busybox and
# nspawn-lite. Run by 17-limits.sh, and in emulated machines by 17-limits-lab.sh:
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
for a in sh cat echo grep head ls mount mkdir rmdir mknod kill dd rm sleep seq touch true umount uname wc tr sed find; do
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
	leader=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$register/m")
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
	is 'which is said, and why' 'nspawn-lite: machine tree was killed for want of memory (MemoryMax=8M)' "$(cat "$dir/err")"
	run --property=MemoryMax=8M sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=16; exit $?' >/dev/null
	is 'of a process of it, too' 'nspawn-lite: a process of machine tree was killed for want of memory (MemoryMax=8M)' \
		"$(grep nspawn-lite "$dir/err")"
	run --property=MemoryMax=8M sh -c 'kill -9 $$; exit 137' >/dev/null
	is 'and nothing, where it was another' '' "$(grep want "$dir/err")"
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
	if [ ! "$high" ] && [ "$(wc -l </proc/swaps)" = 1 ]; then
		options='--property=MemoryMax=64M'
		start 'dd if=/dev/zero of=/dev/shm/x bs=1M count=4 2>/dev/null; echo >/tmp/filled; sleep 1000'
		wait_for [ -e "/proc/$leader/root/tmp/filled" ]
		"$nl" set-property m MemoryMax=1M 2>"$dir/err"
		is 'a limit below what is used is refused, and why is said' '1 1' "$? $(grep -c 'uses more now' "$dir/err")"
		options=''
		stop
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
is 'a CPU that is not there is an error that says what there is' "1 1 1" "$? $(grep -c 'CPUs 0' "$dir/err") $(wc -l <"$dir/err" | tr -d ' ')"

# ---- at run time ------------------------------------------------------------------------

start 'while :; do read -r go; done <>/dev/zero & echo 0 >/tmp/n; i=0; while :; do i=$((i + 1)); echo $i >/tmp/n; done'
"$nl" set-property m TasksMax=20 CPUWeight=200 2>"$dir/err"
is 'set-property on a machine that had no limits' '0 ' "$? $(cat "$dir/err")"
is 'TasksMax is in its place' 'pids.max 20' "$(what pids pids.max pids.max)"
is 'and its processes are in it' yes "$(grep -e ':pids:' -e '^0:' "/proc/$leader/cgroup" | grep -q 'machine-m.scope\(/payload\)\{0,1\}$' && echo yes)"
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

stop
# as the verb start executes us
NSPAWN_LITE_BOUNDED=1
export NSPAWN_LITE_BOUNDED
start 'sleep 1000'
unset NSPAWN_LITE_BOUNDED
is 'what start begins has a limit of processes' 'pids.max 16384 ' "$(what pids pids.max pids.max) $(cat "$dir/err")"
stop
options=--share-pid=yes
start 'sleep 1000 & sleep 1000'
"$nl" set-property m TasksMax=30 2>"$dir/err"
is 'set-property on a machine that shares our processes' '0  pids.max 30' "$? $(cat "$dir/err") $(what pids pids.max pids.max)"
is 'moves those of the machine, and not ours' 'yes no' "$(grep -q 'machine-m.scope' "/proc/$leader/cgroup" && echo yes) $(grep -q 'machine-m.scope' /proc/$$/cgroup || echo no)"
stop
options=''
start 'while :; do read -r go; done <>/dev/zero & echo 0 >/tmp/n; i=0; while :; do i=$((i + 1)); echo $i >/tmp/n; done'

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
is 'DevicePolicy=strict starts' started "$(run --property=DevicePolicy=strict sh -c 'echo started')"
is 'and allows nothing' '' "$(what_of --property=DevicePolicy=strict)"
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
bare() { unshare -m sh "$dir/bare" "$nl" -q -D "$dir/tree" ${bare_with:-} sh -c "$@" 2>"$dir/err"; }
if [ "$how" != none ] && unshare -m true 2>/dev/null; then
	is 'nor with neither: no CAP_MKNOD' '' "$(bare "$probe" - $maj $min)"
	is 'which is said, once' 1 "$(grep -c CAP_MKNOD "$dir/err")"
	open='for f in /kept-null /mnt/kept-null /mnt/dir/kept-null /node; do (true <$f) 2>/dev/null && echo "$f works"; done; echo >/dev/null && echo null works'
	is 'and no node of the tree works, but those in /dev do' 'null works' "$(bare "$open")"
	mkdir -p "$dir/tree/mnt" "$dir/data/dir" && cp -a "$dir/tree/kept-null" "$dir/data/" && mount -t tmpfs t "$dir/data/dir" &&
		cp -a "$dir/tree/kept-null" "$dir/data/dir/"
	for o in bind bind-ro; do
		is "nor does one that is shown by --$o, or in something mounted there" 'null works' \
			"$(bare_with="--$o=$dir/data:/mnt" bare "$open")"
	done
	! grep -qw overlay /proc/filesystems || is 'nor by --overlay' 'null works' "$(bare_with="--overlay=$dir/data::/mnt" bare "$open")"
	is 'a node that is asked for does' '/node works null works' "$(bare_with="--bind=$dir/data/kept-null:/node" bare "$open" | tr '\n' ' ' | sed 's/ $//')"
	umount "$dir/data/dir"
	rm -rf "$dir/data" "$dir/tree/node" "$dir/tree/mnt"
fi
rm "$dir/tree/kept" "$dir/tree/kept-null"

# ---- users of its own -----------------------------------------------------------------------------

users=--private-users=524288
# all limits that it can see, to none; and then what TasksMax allows
raise='mkdir -p /tmp/r; for c in cgroup2 pids memory cpu; do
	o=-o; [ $c = cgroup2 ] || o="-t cgroup -o $c"; [ $c != cgroup2 ] || o="-t cgroup2"
	mount $o c /tmp/r 2>/dev/null || continue
	for f in $(find /tmp/r /sys/fs/cgroup -name pids.max -o -name memory.max -o -name memory.limit_in_bytes); do
		(echo max >$f || echo -1 >$f) 2>/dev/null
	done
	umount /tmp/r; done;'
if [ "$(run $users echo in)" = in ]; then
	! controller memory || is 'with users of its own: MemoryMax=8M kills' 137 \
		"$(run $users --property=MemoryMax=8M sh -c "$raise exec dd if=/dev/zero of=/dev/shm/x bs=1M count=16" >/dev/null; echo $?)"
	is 'TasksMax=6 is not to be raised' '' "$(run $users --property=TasksMax=6 sh -c "$raise $forks")"
	options="$users --property=CPUQuota=10%"
	start 'while :; do :; done'
	g=$(group cpu)
	is 'CPUQuota=10% throttles' yes "$(wait_for throttled && echo yes)"
	umount "$dir/mnt" 2>/dev/null
	stop
	options=$users
	start 'echo 0 >/tmp/n; i=0; while :; do i=$((i + 1)); echo $i >/tmp/n; done'
	"$nl" set-property m TasksMax=20 2>"$dir/err"
	is 'set-property' '0  pids.max 20' "$? $(cat "$dir/err") $(what pids pids.max pids.max)"
	"$nl" freeze m 2>"$dir/err"
	is 'freeze' '0 ' "$? $(cat "$dir/err")"
	now=$(count)
	is 'it does not go on' "alive $now" "$(run --lock=no echo alive) $(count)"
	"$nl" thaw m
	is 'thaw, and it goes on' yes "$(wait_for goes_on && echo yes)"
	stop
	options=''
	is 'it may divide its share of cgroup2' 'x max' "$(run $users --nesting=yes --unified-hierarchy=yes sh -c 'cd /sys/fs/cgroup; mkdir x; echo $$ >x/cgroup.procs
		if grep -q pids cgroup.controllers; then echo +pids >cgroup.subtree_control; m=$(cat x/pids.max); else m=max; fi; echo $(ls | grep -x x) $m')"
	is 'its devices are those asked for' "opened again: no" \
		"$(run $users --device=/dev/$d sh -c '(true <$1) 2>/dev/null && echo opened; mknod /tmp/x c 1 3 2>/dev/null || echo again: no' - /dev/$d | tr '\n' ' ' | sed 's/ $//')"
	is 'DevicePolicy=strict starts' started "$(run $users --property=DevicePolicy=strict sh -c 'echo started')"
else
	echo "# no user namespaces: $(cat "$dir/err")"
fi

# ---- v1 that root inside can mount -----------------------------------------------------------------

reach='mkdir -p /tmp/r; for c in cpu cpuset cpuacct memory pids blkio freezer devices name=systemd; do
	o=$c; case $c in name=*) o=none,$c ;; esac
	mount -t cgroup -o $o c /tmp/r 2>/dev/null || continue
	[ ! -e /tmp/r/release_agent ] || echo "the top of $c"
	mkdir /tmp/r/made /tmp/r/made/deep && echo $$ >/tmp/r/made/cgroup.procs
	umount /tmp/r
	done 2>/dev/null'
freeze='mkdir -p /tmp/r; mount -t cgroup -o freezer c /tmp/r; mkdir -p /tmp/r/made/deep; echo 1 >/tmp/r/made/deep/cgroup.procs
	sleep 1000 & echo FROZEN >/tmp/r/made/freezer.state; while :; do sleep 1; done'
frozen() { grep -q '^State:.D' "/proc/$leader/status"; }
if [ -e /sys/fs/cgroup/freezer/release_agent ]; then
	made=$(find /sys/fs/cgroup -name made)
	[ "$(run $users echo in)" != in ] || is 'root inside that is root outside by number sees no top' '' "$(run --private-users=0 sh -c "$reach")"
	is 'and what it makes goes with it' "$made" "$(find /sys/fs/cgroup -name made)"
	for options in '' --private-users=0; do
		[ -z "$options" ] || [ "$(run $users echo in)" = in ] || continue
		start "$freeze"
		is "one that froze itself (users: ${options:-none})" yes "$(wait_for frozen && echo yes)"
		kill $supervisor
		# shellcheck disable=SC2046 # its PID
		wait $(kill $supervisor 2>/dev/null) $supervisor 2>/dev/null
		is 'ends when it is told to' 137 $?
		start "$freeze"
		wait_for frozen
		kill -9 $supervisor
		wait $supervisor 2>/dev/null
		is 'and is swept when its supervisor was killed' '0 ' "$(run -M m true; echo $?) $(ls "$register")"
		# what root without users of its own makes at the top is nobody's
		rmdir /sys/fs/cgroup/freezer/made/deep /sys/fs/cgroup/freezer/made 2>/dev/null
	done
	options=''
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

# others' machines need the slice, too, and end
as_before() { [ "$before" = "$(state | grep -v scope)" ]; }
wait_for as_before
is 'nothing is left' "$before" "$(state | grep -v scope)"
rm -rf "$dir"
echo "1..$n"
exit $bad
