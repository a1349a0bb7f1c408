#!/bin/sh
# shellcheck disable=SC2016 # scripts of guests
# Control groups of containers on cgroup2 alone: controllers, limits, devices by a program, frozen and killed; where
# controllers are not handed on:  sh ./resource-device.sh [NSPAWN-LITE]
nl=${1:-nspawn-lite}
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"
dir=$(mktemp -d)
export NSPAWN_LITE_ROOT="$dir/state"
mkdir -p "$dir/state" "$dir/b"
guest "$dir/tree"
oci() { timeout 60 "$nl" oci "$@"; }
[ -e /sys/fs/cgroup/cgroup.procs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
own_pids=', { "type": "pid" }'
all='["CAP_MKNOD","CAP_DAC_OVERRIDE","CAP_SYS_ADMIN","CAP_SYSLOG"]'

# bundle RESOURCES PATH COMMAND... : a shell's; words are C strings of JSON
bundle() {
	cat >"$dir/b/config.json" <<E
{ "ociVersion": "1.0.2", "root": { "path": "$dir/tree" }, "process": { "cwd": "/", "user": { "uid": 0, "gid": 0 },
	"env": [ "PATH=/bin:/sbin:/usr/bin" ], "args": [ "sh", "-c", "$3" ],
	"capabilities": { "bounding": $all, "effective": $all, "permitted": $all } },
  "mounts": [ { "destination": "/proc", "type": "proc", "source": "proc" },
	{ "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": [ "mode=755" ] } ],
  "linux": { "namespaces": [ { "type": "mount" }$own_pids, { "type": "cgroup" } ],
	"cgroupsPath": "$2", "resources": $1 } }
E
}
g=/sys/fs/cgroup/pod/one
file() { cat "$g/$1" 2>&1; }

# ---- limits --------------------------------------------------------------------------------

bundle '{ "memory": { "limit": 67108864, "swap": 100663296, "reservation": 33554432 }, "pids": { "limit": 50 },
	"cpu": { "shares": 1024, "quota": 20000, "period": 50000, "cpus": "0", "mems": "0" },
	"unified": { "memory.high": "50331648" } }' /pod/one 'sleep 1000'
oci create --bundle "$dir/b" one >"$dir/said" 2>&1 </dev/null
is 'it is made' '' "$(cat "$dir/said")"
is 'memory.max' 67108864 "$(file memory.max)"
[ ! -e $g/memory.swap.max ] || is 'swap is counted by itself' 33554432 "$(file memory.swap.max)"
is 'memory.low' 33554432 "$(file memory.low)"
is 'unified' 50331648 "$(file memory.high)"
is 'pids.max' 50 "$(file pids.max)"
is 'shares become a weight' 39 "$(file cpu.weight)"
is 'cpu.max' '20000 50000' "$(file cpu.max)"
is 'cpuset.cpus' 0 "$(file cpuset.cpus)"
is 'its init is in the group' 0 "$(grep -c -v . "$g/cgroup.procs")"
is 'and nowhere else' 0::/pod/one "$(cat "/proc/$(cat $g/cgroup.procs)/cgroup")"
printf '{"memory":{"limit":134217728,"swap":-1},"cpu":{"period":100000},"pids":{"limit":-1}}' >"$dir/update"
is 'update' '' "$(oci update -r "$dir/update" one 2>&1)"
is 'update: memory' 134217728 "$(file memory.max)"
is 'update: the quota stays, the period is another' '20000 100000' "$(file cpu.max)"
is 'update: no limit' max "$(file pids.max)"
oci start one
oci pause one
is 'frozen' 'frozen 1' "$(grep frozen "$g/cgroup.events")"
has 'and told so' '"paused"' "$(oci state one)"
oci resume one
is 'thawed' 'frozen 0' "$(grep frozen "$g/cgroup.events")"
has 'what it uses' '"current":1,' "$(oci events --stats one)"
oci delete --force one
ok 'its group goes with it' test ! -e $g

# ---- what cgroup2 has not, and what is not handed on ---------------------------------------

refused() {
	bundle "$2" "${4:-/pod/one}" true
	like "$1" "*linux.resources.$3" "$(oci run --bundle "$dir/b" one 2>&1)"
}
refused 'swappiness' '{ "memory": { "swappiness": 10 } }' 'memory.swappiness: cgroup2 has no memory.swappiness, *'
refused 'no OOM killer' '{ "memory": { "disableOOMKiller": true } }' 'memory.disableOOMKiller: cgroup2 has no memory.oom_control, *'
refused 'real time' '{ "cpu": { "realtimeRuntime": 1000 } }' 'cpu.realtimeRuntime: cgroup2 has no cpu.rt_runtime_us, *'
refused 'swap without memory' '{ "memory": { "swap": 1000000 } }' 'memory.swap: *'
mkdir -p /sys/fs/cgroup/held/in
sleep 1000 &
echo $! >/sys/fs/cgroup/held/in/cgroup.procs
refused 'a controller that is not handed on' '{ "memory": { "limit": 67108864 } }' \
	'memory.limit: the control groups above /sys/fs/cgroup/held/in/x do not hand on the memory controller *' /held/in/x
bundle '{}' /held/in/x 'echo inside'
is 'without a limit of it that is no matter' inside "$(oci run --bundle "$dir/b" one 2>&1)"
kill $!

# ---- devices -------------------------------------------------------------------------------

probe='for n in c:1:3 c:1:11 c:1:4 c:10:183 b:7:0; do rm -f /dev/x; m=; mknod /dev/x ${n%%:*} $(echo ${n#*:} | tr : \" \") 2>/dev/null && m=m;
	(: </dev/x) 2>/dev/null && m=${m}r; (: >>/dev/x) 2>/dev/null && m=${m}w; printf \"%s %s, \" $n $m; done'
probe=$(echo "$probe" | tr '\n\t' '  ')
can() {
	bundle "{ \"devices\": $1 }" /pod/one "$probe"
	oci run --bundle "$dir/b" one 2>&1
}
is 'without rules the usual nodes work' 'c:1:3 mrw, c:1:11 m, c:1:4 m, c:10:183 m, b:7:0 m, ' "$(can '[]')"
is 'a rule opens one' 'c:1:3 mrw, c:1:11 mw, c:1:4 m, c:10:183 m, b:7:0 m, ' \
	"$(can '[ { "allow": false }, { "allow": true, "type": "c", "major": 1, "minor": 11, "access": "w" } ]')"
is 'two open it one by one, a later one closes it' 'c:1:3 mrw, c:1:11 mr, c:1:4 m, c:10:183 m, b:7:0 m, ' \
	"$(can '[ { "allow": true, "type": "c", "minor": 11, "access": "w" }, { "allow": true, "type": "c", "major": 1, "minor": 11, "access": "r" },
	{ "allow": false, "type": "c", "major": 1, "minor": 11, "access": "w" } ]')"
is 'all but one' 'c:1:3 mrw, c:1:11 m, ' \
	"$(can '[ { "allow": true, "type": "c" }, { "allow": false, "major": 1, "minor": 11, "access": "rw" } ]' | grep -o '^c:1:3.*c:1:11 [a-z]*, ')"
is 'all' 'c:1:3 mrw, c:1:11 mrw, ' "$(can '[ { "allow": false }, { "allow": true, "access": "rwm" } ]' | grep -o '^c:1:3.*c:1:11 [a-z]*, ')"
rules='{ "allow": false }'
i=0
while [ $i -lt 300 ]; do
	rules="$rules, { \"allow\": true, \"type\": \"$([ $((i % 3)) = 0 ] && echo b || echo c)\", \"major\": $((200 + i % 7)), \"minor\": $i, \"access\": \"$([ $((i % 2)) = 0 ] && echo r || echo rwm)\" }"
	i=$((i + 1))
done
is 'three hundred rules are one program' 'c:1:3 mrw, c:1:11 m, ' "$(can "[ $rules ]" | grep -o '^c:1:3.*c:1:11 [a-z]*, ')"

# ---- killed ---------------------------------------------------------------------------------

own_pids=''
bundle '{ "pids": { "limit": 60 } }' /pod/one 'f() { f & f & }; f; exec sleep 1000'
oci run --detach --bundle "$dir/b" one >/dev/null 2>&1
ok 'who makes processes faster than they are killed ends all the same' oci delete --force one
ok 'and leaves no group' test ! -e $g
done_testing
