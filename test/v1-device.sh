#!/bin/sh
# shellcheck disable=SC2116 # it is run inside
# Control groups of v1 alone, with what controllers of it the kernel has: since Linux 6.12 memory and cpuset may be there
# for cgroup2, and not for v1:  sh ./v1-device.sh [NSPAWN-LITE]
nl=${1:-nspawn-lite}
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"

dir=$(mktemp -d)
state=$dir/state
export NSPAWN_LITE_ROOT="$state"
mkdir -p "$state"
guest "$dir/tree"
printf '#!/bin/sh\nexec %s fs:cgroup2 -- %s "$@"\n' "${0%/*}/test-deny" "$nl" >"$state/old"
chmod 755 "$state/old"
now=$nl
run() { "$nl" -q -D "$dir/tree" "$@" 2>&1; }

mount -t tmpfs cgroup /sys/fs/cgroup
for one in pids devices freezer cpu memory cpuset; do
	mkdir "/sys/fs/cgroup/$one"
	mount -t cgroup -o "$one" cgroup "/sys/fs/cgroup/$one" 2>/dev/null || rmdir "/sys/fs/cgroup/$one"
done
is 'a plain run needs no limits' inside "$(run echo inside)"
is 'TasksMax= is set' ok "$(run --property=TasksMax=20 echo ok)"
for one in 'memory MemoryMax=64M MEMCG' 'cpuset AllowedCPUs=0 CPUSETS'; do
	# shellcheck disable=SC2086 # words
	set -- $one
	checked=$("$nl" check | grep "^ *$1 ")
	if [ -d "/sys/fs/cgroup/$1" ]; then
		is "v1 has $1: $2 is set" ok "$(run --property="$2" echo ok)"
		has 'which check says' 'yes' "$checked"
	else
		is "v1 has no $1: $2 is set on a cgroup2 of our own" ok "$(run --property="$2" echo ok)"
		has 'which check says' 'yes, cgroup2' "$checked"
		nl=$state/old
		like "and without cgroup2 $2 is refused by name" "*$2: the $1 controller is on neither * (CONFIG_$3, on v1 CONFIG_$3_V1)" "$(run --property="$2" echo ok)"
		like 'which check says' "*$1*no *$3*" "$("$nl" check | grep "^ *$1 ")"
		nl=$now
	fi
done
rm -rf "$dir"
done_testing
