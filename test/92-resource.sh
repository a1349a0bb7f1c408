#!/bin/sh
# shellcheck disable=SC2016 # scripts of guests
# linux.resources and linux.cgroupsPath: what stands in the files of control groups when crun has set it, and when we have;
# what cannot be had is refused by its name; update; freeze, kill and what is left.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need jq timeout
"$NL" oci --version >/dev/null 2>&1 || skip_all 'this build has no runtime'
grep -q ' - cgroup' /proc/self/mountinfo || skip_all 'the host has no control groups mounted'
oci() { timeout 60 "$NL" oci "$@"; }
t=$(tree busybox)
group=nl-$$
mkdir "$T/b" "$T/spec" "$T/values"
oci spec --bundle "$T/spec"

# bundle FILTER : of a container that sleeps, changed as jq has it
bundle() {
	jq --arg root "$t" --arg path "/$group/c" '.process.args = ["sleep", "1000"] | .process.terminal = false |
		.root = { path: $root } | .linux.cgroupsPath = $path' <"$T/spec/config.json" | jq "$1" >"$T/b/config.json"
}

# where the files of a controller are: v1, or else cgroup2
where() {
	for d in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*,"$1" /sys/fs/cgroup/"$1",* /sys/fs/cgroup /sys/fs/cgroup/unified; do
		[ -e "$d/cgroup.procs" ] || continue
		echo "$d"
		return
	done
}

# what all files of limits say, one a line
values() {
	for d in "/sys/fs/cgroup/$group/c" /sys/fs/cgroup/*/"$group/c"; do
		case $d in */unified/*) continue ;; esac
		[ -d "$d" ] || continue
		for f in "$d"/*; do
			case ${f##*/} in
			*.stat | *usage* | *.procs | tasks | *.current | *.events* | *pressure* | *.local | *.peak | *numa* | *failcnt* | \
				*service* | cgroup.controllers | *.effective | *effective_* | *wait* | *kmem.slabinfo | *sectors | *merged* | \
				*queued* | *.bfq.* | *_time* | cpuacct.* | freezer.* | *io_* ) continue ;;
			esac
			[ -f "$f" ] && [ -r "$f" ] && sed "s|^|${f#/sys/fs/cgroup/} |" "$f" 2>/dev/null
		done
	done
}

# of our default, nodes 0:0 stand for what an overlay has taken away; terminals are not to be made; tun is as with runc
devices() {
	grep ' [abc] [0-9*]*:' "$1" | grep -v ' 0:0 \| 5:1 \| 136:\| 10:200 ' | sort -u
}

# crun takes no host with both kinds of control groups: it is shown v1 alone
crun_there() {
	if [ -e /sys/fs/cgroup/unified/cgroup.procs ]; then
		timeout 60 unshare -m sh -c 'umount /sys/fs/cgroup/unified && exec crun "$@"' sh --root "$T/crun" "$@"
	else
		timeout 60 crun --root "$T/crun" "$@"
	fi
}

leftovers_before

# ---- as crun has it --------------------------------------------------------------------

memory=$(where memory)
mem='.linux.resources.memory = { limit: 67108864, reservation: 33554432, swap: 134217728 }'
[ -e "$memory/memory.max" ] || [ -e "$memory/cgroup.controllers" ] || [ -e "$memory/memory.memsw.limit_in_bytes" ] ||
	mem='.linux.resources.memory = { limit: 67108864, reservation: 33554432 }'
all="$mem"' | .linux.resources.cpu = { shares: 512, quota: 20000, period: 50000, cpus: "0", mems: "0" } |
	.linux.resources.pids.limit = 77'
disk=$(sed -n '3s/^ *\([0-9]*\) *\([0-9]*\) .*/\1 \2/p' /proc/partitions)
[ "$disk" ] && [ -e "$(where blkio)/blkio.throttle.read_bps_device" ] && all="$all"' | .linux.resources.blockIO = {
	throttleReadBpsDevice: [ { major: '"${disk% *}"', minor: '"${disk#* }"', rate: 1048576 } ],
	throttleWriteIOPSDevice: [ { major: '"${disk% *}"', minor: '"${disk#* }"', rate: 500 } ] }'
some='.linux.resources.devices = [ { allow: false, access: "rwm" }, { allow: true, type: "c", major: 10, minor: 229, access: "rw" },
	{ allow: true, type: "b", major: 7, access: "rwm" } ]'

# compare NAME FILTER
compare() {
	bundle "$2"
	if ! command -v crun >/dev/null || ! crun_there --cgroup-manager cgroupfs create --bundle "$T/b" nlc >"$T/out" 2>&1; then
		skip "$1" "there is no crun that does it: $(cat "$T/out" 2>/dev/null)"
		return
	fi
	values >"$T/values/theirs"
	crun_there delete --force nlc
	oci create --bundle "$T/b" nlc
	values >"$T/values/ours"
	grep -v ' devices.list\|devices/' "$T/values/theirs" >"$T/values/theirs.rest"
	grep -v ' devices.list\|devices/' "$T/values/ours" >"$T/values/ours.rest"
	is "$1: all files of all control groups are as crun leaves them" '' "$(diff "$T/values/theirs.rest" "$T/values/ours.rest")"
	is "$1: and the devices" "$(devices "$T/values/theirs")" "$(devices "$T/values/ours")"
	oci delete --force nlc
}
compare 'nothing asked for' '.linux.resources = { devices: [ { allow: false, access: "rwm" } ] }'
compare 'limits of all kinds' "$all"
compare 'no OOM killer' '.linux.resources.memory = { limit: 67108864, disableOOMKiller: true }'
compare 'devices' "$some"

# ---- where ------------------------------------------------------------------------------

# in_groups ID : of its process, each path once
in_groups() {
	sed 's/^[^:]*:[^:]*://' "/proc/$(oci state "$1" | jq .pid)/cgroup" | sort -u | tr '\n' ' '
}
bundle .
oci create --bundle "$T/b" nlc
is 'an absolute path is below every hierarchy' "/$group/c " "$(in_groups nlc)"
run oci create --bundle "$T/b" nld
like 'one that others are in is refused' "1 *linux.cgroupsPath: control group /*/$group/c is in use by others" "$rc $err"
oci delete --force nlc
bundle 'del(.linux.cgroupsPath)'
oci create --bundle "$T/b" nlc
like 'without a path it is below where we are, and has the name of the container' '*/nlc *' "$(in_groups nlc)"
oci delete --force nlc
bundle '.linux.cgroupsPath = "machine-nl'$$'.slice:libpod:abc"'
oci --systemd-cgroup create --bundle "$T/b" nlc
is "systemd's words become the directories that it would make" "/machine.slice/machine-nl$$.slice/libpod-abc.scope " "$(in_groups nlc)"
oci delete --force nlc
for path in / .. /a/../b '/a
b'; do
	export path
	bundle '.linux.cgroupsPath = env.path'
	run oci create --bundle "$T/b" nlc
	like "${path%%
*} is no path of a group" '1 *linux.cgroupsPath: *' "$rc $err"
done
bundle '.linux.cgroupsPath = "/a/b"'
run oci --systemd-cgroup create --bundle "$T/b" nlc
like 'nor is a path one of systemd' '1 *linux.cgroupsPath: /a/b: not SLICE:PREFIX:NAME*' "$rc $err"

# ---- what cannot be had -------------------------------------------------------------------

# refused NAME FILTER PATTERN
refused() {
	bundle "$2"
	run oci create --bundle "$T/b" nlc
	like "$1" "1 *$3" "$rc $err"
	[ "$rc" != 0 ] || oci delete --force nlc
}
refused 'processors that are not there' '.linux.resources.cpu = { cpus: "4000" }' 'linux.resources.cpu.cpus: set cpuset.cpus to 4000:*'
refused 'more memory than together with swap' '.linux.resources.memory = { limit: 67108864, swap: 33554432 }' \
	'linux.resources.memory.*'
refused 'pages of a size that is none' '.linux.resources.hugepageLimits = [ { pageSize: "3MB", limit: 0 } ]' \
	'linux.resources.hugepageLimits: *'
refused 'a file of no controller' '.linux.resources.unified = { "cgroup.procs": "1" }' 'linux.resources.unified: *'
refused 'a controller that is none' '.linux.resources.unified = { "nope.max": "1" }' 'linux.resources.unified: *'
refused 'a disk that is not there' '.linux.resources.blockIO = { throttleReadBpsDevice: [ { major: 60, minor: 7, rate: 9 } ] }' \
	'linux.resources.blockIO.throttleReadBpsDevice: *'
if grep -q '^net_cls.*[1-9].*1$' /proc/cgroups && [ -e "$(where net_cls)/net_cls.classid" ]; then
	skip 'a class of packets without the controller' 'it is there'
else
	refused 'a class of packets without the controller' '.linux.resources.network = { classID: 5 }' 'linux.resources.network.classID: *'
fi
refused 'devices with numbers beyond all' '.linux.resources.devices = [ { allow: true, type: "c", major: 99999 } ]' \
	'linux.resources.devices: *'
ok 'nothing is left of what was refused' test ! -e "$memory/$group/c"

# ---- devices ------------------------------------------------------------------------------

# can it be made, read and written to, inside
cat >"$t/probe" <<'E'
for n in "c 1 3" "c 1 11" "c 10 229" "b 7 0"; do
	set -- $n
	rm -f /dev/x
	m=''
	mknod /dev/x $n 2>/dev/null && m=m
	(: </dev/x) 2>/dev/null && m=${m}r
	(: >>/dev/x) 2>/dev/null && m=${m}w
	printf '%s:%s %s ' "$2" "$3" "$m"
done
E
# can RULES
can() {
	rules=$1 bundle '.process.args = ["sh", "/probe"] | .linux.resources.devices = (env.rules | fromjson) |
		.process.capabilities |= with_entries(.value += ["CAP_MKNOD"])'
	oci run --bundle "$T/b" nlc 2>&1
}
is 'without rules the usual nodes work, and others can only be made' '1:3 mrw 1:11 m 10:229 m 7:0 m ' "$(can '[]')"
is 'a rule opens one' '1:3 mrw 1:11 mw 10:229 m 7:0 m ' \
	"$(can '[{"allow":false},{"allow":true,"type":"c","major":1,"minor":11,"access":"w"}]')"
if grep -q '^229 ' /proc/misc; then
	is 'two open it one by one, and a later one closes it again' '1:3 mrw 1:11 m 10:229 mr 7:0 m ' \
		"$(can '[{"allow":true,"type":"c","major":10,"minor":229,"access":"w"},{"allow":true,"type":"c","major":10,"access":"r"},
		{"allow":false,"type":"c","major":10,"minor":229,"access":"w"}]')"
else
	skip 'two open it one by one, and a later one closes it again' 'there is no fuse'
fi

# ---- update -------------------------------------------------------------------------------

bundle "$all"
oci create --bundle "$T/b" nlc
now() { cat "$(where "$1")/$group/c/$2"; }
if [ -e "$memory/$group/c/memory.limit_in_bytes" ]; then
	limit=memory.limit_in_bytes quota=cpu.cfs_quota_us none=-1
else
	limit=memory.max quota=cpu.max none='max 60000'
fi
update() { printf '%s' "$1" | oci update -r - nlc; }
update '{"memory":{"limit":268435456,"swap":536870912}}'
is 'memory grows beyond what it was together with swap' 268435456 "$(now memory $limit)"
oci update --memory 32m --memory-swap 64M nlc
is 'and shrinks again' 33554432 "$(now memory $limit)"
is 'what was not said stays' 77 "$(now pids pids.max)"
update '{"cpu":{"period":60000}}'
like 'the rest of a quota stays, too' '*20000*' "$(now cpu $quota)"
printf '{"memory":{"limit":4096,"swap":4096,"checkBeforeUpdate":true}}' >"$T/little"
run oci update -r "$T/little" nlc
like 'less memory than it uses is refused, if that was asked for' '1 *linux.resources.memory.limit: * in use *' "$rc $err"
update '{"cpu":{"quota":-1},"memory":{"limit":-1,"swap":-1},"pids":{"limit":-1}}'
is '-1 takes a limit of time away' "$none" "$(now cpu $quota)"
is 'one of processes' max "$(now pids pids.max)"
case $(now memory $limit) in max | 9223372036854*) ok 'one of memory' true ;; *) ok 'one of memory' false ;; esac
oci delete --force nlc

# ---- its processes ------------------------------------------------------------------------

# shellcheck disable=SC2317
counts() { [ "$(oci ps --format json nlc | jq length)" = "$1" ]; }
# shellcheck disable=SC2317
is_stopped() { [ "$(oci state nlc | jq -r .status)" = stopped ]; }
# lives KIND : and dies
lives() {
	kind=$1
	bundle 'del(.linux.namespaces[] | select(.type == "pid")) |
		.process.args = ["sh", "-c", "trap : TERM; for i in 1 2 3; do sleep 1000 & done; while :; do wait; done"]'
	oci run --detach --bundle "$T/b" nlc >/dev/null 2>&1
	ok "$kind: all of its processes are told" wait_for counts 4
	oci pause nlc
	is "$kind: frozen" paused "$(oci state nlc | jq -r .status)"
	oci resume nlc
	is "$kind: and not" running "$(oci state nlc | jq -r .status)"
	oci kill --all nlc TERM
	ok "$kind: a signal comes to all" wait_for counts 1
	is "$kind: what it uses is told as runc does" 'true true true stats' "$(oci events --stats nlc | jq -r \
		'"\(.data.pids.current >= 1) \(.data.memory.usage.usage > 0) \(.data.cpu.usage.total > 0) \(.type)"')"
	oci pause nlc
	oci kill --all nlc KILL
	ok "$kind: one that is frozen is killed, too" wait_for is_stopped
	oci delete nlc
	bundle 'del(.linux.namespaces[] | select(.type == "pid")) | .linux.resources.pids = { limit: 60 } |
		.process.args = ["sh", "-c", "f() { f & f & }; f; exec sleep 1000"]'
	oci run --detach --bundle "$T/b" nlc >/dev/null 2>&1
	ok "$kind: who makes processes faster than they are killed ends all the same" oci delete --force nlc
	ok "$kind: and leaves no group" test ! -e "$(where pids)/$group/c"
}
lives 'all groups'
if [ -e /sys/fs/cgroup/unified/cgroup.procs ]; then
	# as on a host that has no other
	oci() { timeout 60 unshare -m sh -c 'umount /sys/fs/cgroup/unified && exec "$@"' - "$NL" oci "$@"; }
	lives 'v1 alone'
fi

for d in "/sys/fs/cgroup/$group" /sys/fs/cgroup/*/"$group"; do [ ! -d "$d" ] || rmdir "$d"; done
leftovers_after 'nothing is left of all that'
done_testing
