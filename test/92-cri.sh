#!/bin/sh
# containerd drives us as it does for kubelets and k3s: what those ask, in the Container Runtime Interface.
# RUNTIME=/usr/sbin/runc tries the same with another runtime.
# shellcheck disable=SC2016,SC2317 # for the shell inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need containerd ctr containerd-shim-runc-v2
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
# shellcheck source-path=SCRIPTDIR source=client.sh
. "${0%/*}/client.sh"
[ -x /usr/lib/cni/bridge ] || skip_all 'no plugins of CNI'
python=''
for p in python3 /usr/bin/python3; do
	! "$p" -c 'import grpc' 2>/dev/null || python=$p
done
[ "$python" ] || skip_all 'no python3 with grpc'
if ! { mkdir -p /run/containerd /var/lib/cni && mount -t tmpfs shims /run/containerd && mount -t tmpfs cni /var/lib/cni; }; then
	skip_all 'cannot mount'
fi
# Where it ends before its end, what is left of containers goes with the processes that look after them
end_shims() {
	end_status=$?
	for p in $(pgrep -f containerd-shim-runc-v2); do
		! grep -qsz "^NSPAWN_LITE_ROOT=$T/" "/proc/$p/environ" || kill -9 "$p"
	done
	(exit "$end_status")
	end_background
}
trap end_shims EXIT
leftovers_before

# ---- the engine -----------------------------------------------------------------------------

mkdir "$T/net.d" "$T/logs"
cat >"$T/net.d/10-pods.conflist" <<END
{"cniVersion":"0.4.0","name":"pods","plugins":[
{"type":"bridge","bridge":"pods0","isGateway":true,"hairpinMode":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"10.99.8.0/24"}]],
"routes":[{"dst":"0.0.0.0/0"}],"dataDir":"$T/ipam"}}]}
END
cat >"$T/containerd.toml" <<END
version = 2
root = "$T/containerd"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.btrfs"]
[grpc]
  address = "/run/containerd/socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$T/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "ours"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.ours]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.ours.options]
        BinaryName = "$RUN"
        SystemdCgroup = false
END
engine() {
	background containerd -c "$T/containerd.toml" -l warn 2>>"$T/containerd.log" 8>&- 9>&-
	server=$!
}
c() { run timeout 60 ctr -a /run/containerd/socket -n k8s.io "$@"; return "$rc"; }
engine
wait_for c version || skip_all "containerd does not start: $(tail -n 1 "$T/containerd.log")"

# image NAME CONFIG : of busybox, as docker saves it
image() { save_image "$@" && c image import --no-unpack --all-platforms "$T/image.tar"; }
path='"Env":["PATH=/bin:/sbin"]'
ok 'an image' image localhost/bb:1 "{\"Cmd\":[\"sh\"],$path}"
ok 'and one of pause' image localhost/pause:1 \
	"{\"User\":\"65535:65535\",\"Entrypoint\":[\"/bin/sh\",\"-c\",\"trap exit TERM INT; while :; do sleep 1000 & wait; done\"],$path}"

# ---- how it is asked ------------------------------------------------------------------------

mkfifo "$T/ask" "$T/said"
background "$python" "$TESTDIR/cri.py" /run/containerd/socket "$T"
exec 8>"$T/ask" 9<"$T/said"
separator=$(printf '\037')
# ask METHOD PATH=VALUE... : said is "ok", or what is wrong; field PATH is of the reply
ask() {
	asked=$(IFS=$separator; printf '%s\n' "$*")
	printf '%s' "$asked" | tr '\n' ' ' >&8
	echo >&8
	IFS= read -r said <&9 || said='nobody is there'
	[ "$said" = ok ] || { echo "$1: $said"; return 1; }
}
field() { printf '%b\n' "$(sed -n "s|^$1 ||p" "$T/reply")"; }
limits=linux.resources security=linux.security_context
# pod NAME PATH=VALUE... : its id is in $pod
pod() {
	called=$1
	shift
	pod=''
	ask RunPodSandbox "metadata.name=$called" "metadata.uid=uid-$called" metadata.namespace=default "log_directory=$T/logs/$called" \
		"linux.cgroup_parent=/nl$$/burstable/pod$called" "$@" && pod=$(field pod_sandbox_id)
}
# created NAME SCRIPT PATH=VALUE... : a container in $pod; its id is in $id. begun: it runs
created() {
	called=$1 script=$2
	shift 2
	id=''
	ask CreateContainer "pod_sandbox_id=$pod" "metadata.name=$called" image.image=localhost/bb:1 command=sh command=-c "command=$script" \
		"log_path=$called.log" "$@" && id=$(field container_id)
}
begun() { created "$@" && ask StartContainer "container_id=$id"; }
status() { ask ContainerStatus "container_id=$1" && field "status.$2"; }
in_state() { [ "$(status "$1" state)" = "$2" ]; }
ended() { in_state "$1" 2; }
log() { sed 's/^[^ ]* [^ ]* [^ ]* //' "$T/logs/$1" 2>/dev/null; }
# once PATH=VALUE... SCRIPT : out is what it said, rc its status
once() {
	at=$#
	for word; do
		at=$((at - 1))
		shift
		[ $at -eq 0 ] || set -- "$@" "$word"
	done
	rm -f "$T"/logs/*/once*.log
	out='' rc=255
	if created once "exec 2>&1; $word" "$@" && ask StartContainer "container_id=$id" && wait_for ended "$id"; then
		rc=$(status "$id" exit_code)
		out=$(log "${LOGS:-web}/once.log")
	else
		out=$said
	fi
	[ -z "$id" ] || ask RemoveContainer "container_id=$id"
} >/dev/null
# now WORD... : in the container $id
now() {
	for word; do
		shift
		set -- "$@" "cmd=$word"
	done
	rc=255
	if ask ExecSync "container_id=$id" timeout=20 "$@"; then
		rc=$(field exit_code)
		out=$(field stdout)
	else
		out=$said
	fi
} >/dev/null

# ---- a pod ----------------------------------------------------------------------------------

ok 'it answers' ask Version version=v1
ask Status
is 'it is ready, and so is its network' '1 1' "$(field 'status.conditions.[0-9]*.status' | xargs)"
ok 'a pod' pod web hostname=web.local labels.app=web annotations.example.com/a=b dns_config.servers=10.0.0.10 dns_config.searches=svc.local \
	dns_config.options=ndots:5 linux.sysctls.net.ipv4.ip_unprivileged_port_start=79 linux.sysctls.kernel.shm_rmid_forced=1 \
	"$security.seccomp.profile_type=0" "$security.run_as_user.value=65534" "$security.run_as_group.value=65534" "$security.readonly_rootfs=true"
ask PodSandboxStatus "pod_sandbox_id=$pod"
is 'its status' 'web 0 web b' "$(field status.metadata.name) $(field status.state) $(field status.labels.app) $(field status.annotations.example.com/a)"
ip=$(field status.network.ip)
ok 'its address can be reached' pings host "$ip"
once 'hostname; cat /etc/resolv.conf; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced; ip -o -4 addr show dev eth0 | tr -s " " | cut -d" " -f4'
is 'name, resolver, sysctls, address' "0 web.local search svc.local nameserver 10.0.0.10 options ndots:5 79 1 $ip/24" "$rc $(echo "$out" | xargs)"
once envs.0.key=A envs.0.value=b working_dir=/tmp 'echo "$A $(pwd)"; exit 7'
is 'environment, directory, status' '7 b /tmp' "$rc $out"
ok 'what is not there' created none x
ask RemoveContainer "container_id=$id"
ask CreateContainer "pod_sandbox_id=$pod" metadata.name=none image.image=localhost/bb:1 command=no-such-program && id=$(field container_id)
like 'a program that is not there' '*no-such-program*not found*' "$(ask StartContainer "container_id=$id")"
is 'it never ran' '2 128 StartError' "$(status "$id" state) $(field status.exit_code) $(field status.reason)"
ask RemoveContainer "container_id=$id"

# ---- rights ---------------------------------------------------------------------------------

me='sed -n "s/^\(CapEff\|CapBnd\|NoNewPrivs\|Seccomp\):.//p" /proc/self/status | xargs'
once "$me"
like 'the usual rights' '0 00000000a8??25fb 00000000a8??25fb 0 0' "$rc $out"
once "$security.capabilities.drop_capabilities=ALL" "$security.capabilities.add_capabilities=NET_ADMIN" "$security.no_new_privs=true" \
	"$security.seccomp.profile_type=0" "$me"
is 'others, no new ones, a filter' '0 0000000000001000 0000000000001000 1 2' "$rc $out"
cat >"$T/profile" <<END
{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}
END
once "$security.seccomp.profile_type=2" "$security.seccomp.localhost_ref=$T/profile" 'mkdir /tmp/d; touch /tmp/f && echo rest'
like 'a filter of its own' '*not supported*rest' "$out"
once "$security.run_as_user.value=1000" "$security.run_as_group.value=1001" "$security.supplemental_groups=29" "$security.supplemental_groups=77" \
	'id -u; id -G; grep CapEff /proc/self/status'
is 'a user and groups' '1000 1001 29 77 CapEff: 0000000000000000' "$(echo "$out" | xargs)"
once "$security.run_as_username=user" 'id -u'
is 'a user by name' 1000 "$out"
mkdir "$T/dir"
once "$security.readonly_rootfs=true" mounts.0.container_path=/data "mounts.0.host_path=$T/dir" 'touch /x; echo y >/data/y; : >/dev/shm/z && cat /data/y'
like 'a root that is read-only' '*/x: Read-only*y' "$out"
once "$security.masked_paths=/proc/meminfo" "$security.masked_paths=/sys/block" "$security.masked_paths=/proc/no/such" "$security.readonly_paths=/proc/irq" \
	'wc -c </proc/meminfo; ls /sys/block | wc -l; touch /proc/irq/x; echo 0 >/proc/irq/default_smp_affinity'
like 'paths that are masked and read-only' '0 0 *Read-only*' "$(echo "$out" | tr -s '\n' ' ')"
once "$security.readonly_paths=/proc/sys" 'cat /proc/sys/kernel/panic >/proc/sys/kernel/panic'
like 'as is what the kernel is told by' '*Read-only*' "$out"
once "$limits.oom_score_adj=700" 'cat /proc/self/oom_score_adj'
is 'how soon it dies' 700 "$out"

# ---- files ----------------------------------------------------------------------------------

mkdir "$T/shared"
mount -t tmpfs shared "$T/shared" && mount --make-shared "$T/shared"
mkdir "$T/shared/sub"
ln -s dir "$T/link"
echo host >"$T/dir/file"
once mounts.0.container_path=/data "mounts.0.host_path=$T/link" mounts.0.readonly=true mounts.1.container_path=/etc/deep/file "mounts.1.host_path=$T/dir/file" \
	'cat /data/file /etc/deep/file; echo no >/data/file'
like 'mounts, one read-only' 'host?host*Read-only*' "$out"
ok 'one whose mounts go both ways' begun both 'mkdir /s/in && mount -t tmpfs in /s/in && echo mounted; sleep 1000' mounts.0.container_path=/s \
	"mounts.0.host_path=$T/shared" mounts.0.propagation=2 "$security.capabilities.add_capabilities=SYS_ADMIN"
both=$id
ok 'and one to which they come' begun comes 'sleep 1000' mounts.0.container_path=/s "mounts.0.host_path=$T/shared" mounts.0.propagation=1
wait_for mountpoint -q "$T/shared/in"
ok 'a mount of the first is on the host' mountpoint -q "$T/shared/in"
now grep ' /s/in ' /proc/self/mountinfo
is 'and in the second' 0 "$rc"
mount -t tmpfs sub "$T/shared/sub"
now grep ' /s/sub ' /proc/self/mountinfo
is 'as is one of the host' 0 "$rc"
umount "$T/shared/sub" "$T/shared/in"
ask StopContainer "container_id=$id" timeout=0
ask RemoveContainer "container_id=$id"
ask StopContainer "container_id=$both" timeout=0
ask RemoveContainer "container_id=$both"
umount "$T/shared"
if [ -c /dev/loop-control ]; then
	once devices.0.container_path=/dev/lc devices.0.host_path=/dev/loop-control devices.0.permissions=r 'ls -l /dev/lc | cut -c1; : </dev/lc && echo read; : >/dev/lc'
	like 'a device, to read' 'c?read*not permitted*' "$out"
else
	skip 'a device, to read' 'no /dev/loop-control'
fi
if [ -c /dev/net/tun ]; then
	once mounts.0.container_path=/dev/net/tun mounts.0.host_path=/dev/net/tun ': <>/dev/net/tun && echo opened'
	is 'that of tunnels, which is only mounted' opened "$out"
else
	skip 'that of tunnels, which is only mounted' 'no /dev/net/tun'
fi

# ---- limits ---------------------------------------------------------------------------------

# value CONTROLLER FILE FILE2 : of the container; the second one on cgroup2
value() {
	top=$(awk -v c="$1" '$3 == "cgroup" && "," $4 "," ~ "," c "," { print $2; exit }' /proc/self/mounts)
	if [ -n "$top" ]; then
		cat "$top/nl$$/burstable/podweb/$id/$2"
	else
		cat "$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)/nl$$/burstable/podweb/$id/$3"
	fi
}
ok 'one with limits' begun lim 'trap "exit 9" TERM; i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.1; done' \
	"$limits.cpu_shares=512" "$limits.cpu_period=100000" "$limits.cpu_quota=50000" "$limits.memory_limit_in_bytes=67108864" "$limits.cpuset_cpus=0" \
	"$limits.hugepage_limits.0.page_size=2MB" "$limits.hugepage_limits.0.limit=0" labels.app=web labels.tier=one
lim=$id
is 'memory' 67108864 "$(value memory memory.limit_in_bytes memory.max)"
like 'half a processor' '50000*' "$(value cpu cpu.cfs_quota_us cpu.max)"
is 'its share' "$([ -e /sys/fs/cgroup/cgroup.controllers ] && echo 20 || echo 512)" "$(value cpu cpu.shares cpu.weight)"
is 'on this processor' 0 "$(value cpuset cpuset.cpus cpuset.cpus)"
ok 'others' ask UpdateContainerResources "container_id=$lim" linux.memory_limit_in_bytes=100663296 linux.cpu_quota=25000 linux.cpu_period=100000 linux.cpu_shares=256
is 'memory' 100663296 "$(value memory memory.limit_in_bytes memory.max)"
like 'a quarter of a processor' '25000*' "$(value cpu cpu.cfs_quota_us cpu.max)"
is 'still on this processor' 0 "$(value cpuset cpuset.cpus cpuset.cpus)"
ask ContainerStats "container_id=$lim"
like 'what it takes' '[1-9]* [1-9]*' "$(field stats.cpu.usage_core_nano_seconds.value) $(field stats.memory.working_set_bytes.value)"
ask ListContainerStats "filter.pod_sandbox_id=$pod"
like 'of all of the pod' '[1-9]*' "$(field stats.0.memory.working_set_bytes.value)"
ask ListContainers filter.label_selector.tier=one
is 'the list, by a label' "$lim 1" "$(field containers.0.id) $(field containers.0.state)"
once "$limits.memory_limit_in_bytes=25165824" "$limits.memory_swap_limit_in_bytes=25165824" 'dd if=/dev/zero of=/dev/shm/x bs=1M count=60; echo "dd $?"'
like 'too much memory ends what took it' '*dd 137' "$out"
ok 'one that takes too much' begun oom 'exec dd if=/dev/zero of=/dev/null bs=100M' "$limits.memory_limit_in_bytes=20971520" "$limits.memory_swap_limit_in_bytes=20971520"
wait_for ended "$id"
is 'it is told so' 'OOMKilled 137' "$(status "$id" reason) $(field status.exit_code)"
ask RemoveContainer "container_id=$id"

# ---- commands in it, and what it says ------------------------------------------------------

id=$lim
now sh -c 'echo "in $(cat /proc/1/comm) $(id -u)"; echo two; exit 5'
is 'a command' '5 in sh 0 two' "$rc $(echo "$out" | xargs)"
now sh -c 'echo err >&2; head -c 300000 /dev/zero | tr "\0" x'
is 'that says much' '0 300000 err' "$rc $(printf %s "$out" | wc -c) $(field stderr)"
now no-such-program
like 'one that is not there' '*no-such-program*not found*' "$out"
like 'one that lasts too long' '*DEADLINE_EXCEEDED*' "$(ask ExecSync "container_id=$id" cmd=sleep cmd=77777 timeout=1)"
gone() { ! pgrep -f 'sleep 77777'; }
ok 'is ended' wait_for gone
like 'its log' '????-??-??T??:??:??.*Z stdout F line 1' "$(head -n 1 "$T/logs/web/lim.log")"
mv "$T/logs/web/lim.log" "$T/logs/web/old.log"
ok 'a new log' ask ReopenContainerLog "container_id=$id"
ok 'has what it says' wait_for test -s "$T/logs/web/lim.log"
ok 'what it says in parts' begun parts 'head -c 40000 /dev/zero | tr "\0" x; echo; echo e >&2'
wait_for ended "$id"
is 'they are told from each other' 'stderr F stdout F stdout P stdout P' "$(cut -d' ' -f2,3 "$T/logs/web/parts.log" 2>/dev/null | sort | xargs)"
ask RemoveContainer "container_id=$id"
id=$lim
ask Exec "container_id=$id" cmd=sh cmd=-c "cmd=read x; echo \"got \$x\"; echo err >&2; exit 6" stdin=true stdout=true stderr=true
ask Stream "url=$(field url)" 'send=\0word\n'
like 'a command that is written to' '*got word*err*exit code 6*' "$(field stream | sort -r) $(field outcome)"
ask Exec "container_id=$id" cmd=sh cmd=-c 'cmd=until [ "$(stty size)" = "30 90" ]; do sleep 0.1; done; tty; echo done; read x; echo "$x$x"' stdin=true stdout=true tty=true
ask Stream "url=$(field url)" 'send=\4{"Width":90,"Height":30}' wait=done 'send=\0word\n'
like 'one with a terminal' '*/dev/pts/*wordword*Success*' "$(field stream) $(field outcome)"

ok 'one with a terminal of its own' begun tty 'read x; echo "$(tty) $x"; exit 4' tty=true stdin=true
ask Attach "container_id=$id" tty=true stdin=true stdout=true
ask Stream "url=$(field url)" 'send=\0word\n'
like 'whom one sits at' '*/dev/pts/0 word*' "$(field stream)"
wait_for ended "$id"
is 'its status' 4 "$(status "$id" exit_code)"
like 'its log, too' '*/dev/pts/0 word*' "$(log web/tty.log)"
ask RemoveContainer "container_id=$id"

# ---- the engine ends and begins, they go on -------------------------------------------------

ok 'one that is to end' begun brief 'echo begun; until [ -e /data/go ]; do sleep 0.1; done; exit 5' mounts.0.container_path=/data "mounts.0.host_path=$T/dir"
brief=$id
said_before=$(wc -l <"$T/logs/web/lim.log")
kill "$server"
wait "$server" 2>/dev/null
touch "$T/dir/go"
gone() { ! pgrep -f '/data/[g]o' >/dev/null; }
ok 'one ends meanwhile' wait_for gone
engine
back() { ask ContainerStatus "container_id=$lim"; }
ok 'the engine once more' wait_for back
is 'the container is running' 1 "$(status "$lim" state)"
more() { [ "$(wc -l <"$T/logs/web/lim.log")" -gt "$((said_before + 2))" ]; }
ok 'and heard' wait_for more
is 'the other one has ended' '2 5' "$(status "$brief" state) $(field status.exit_code)"
id=$lim
now echo again
is 'a command in it' '0 again' "$rc $out"
once 'echo new'
is 'a new one in the pod' '0 new' "$rc $out"

# ---- the end --------------------------------------------------------------------------------

ok 'stop' ask StopContainer "container_id=$lim" timeout=10
is 'gives the status' '2 9' "$(status "$lim" state) $(field status.exit_code)"
ok 'stop once more' ask StopContainer "container_id=$lim" timeout=10
ok 'one that will not' begun will 'trap "" TERM; echo deaf; while :; do sleep 0.1; done'
wait_for test -s "$T/logs/web/will.log"
ok 'is stopped' ask StopContainer "container_id=$id" timeout=1
is 'by the signal that all obey' '2 137 Error' "$(status "$id" state) $(field status.exit_code) $(field status.reason)"
ok 'remove' ask RemoveContainer "container_id=$lim"
ok 'and once more' ask RemoveContainer "container_id=$lim"
ok 'one more, left running' begun left 'while :; do sleep 0.1; done'
left=$id
web=$pod
ok 'stop the pod' ask StopPodSandbox "pod_sandbox_id=$web"
is 'it is not ready' 1 "$(ask PodSandboxStatus "pod_sandbox_id=$web"; field status.state)"
is 'what ran in it has ended' 2 "$(status "$left" state)"

# ---- namespaces -----------------------------------------------------------------------------

# ids of pod and container: POD 0, CONTAINER 1, NODE 2, TARGET 3
of="$security.namespace_options"
ok 'a pod whose processes see each other' pod see hostname=see "$of.pid=0"
ok 'one in it' begun one 'echo shared >/dev/shm/x; exec sleep 3000' "$of.pid=0"
one=$id
LOGS=see
once "$of.pid=0" 'until cat /dev/shm/x; do sleep 0.1; done; tr "\0" " " </proc/1/cmdline; echo; ps | grep -c "[s]leep 3000"; ip addr show dev lo | grep -c 127.0.0.1'
like 'they do, and share memory' 'shared*trap exit*1?1' "$out"
once "$of.pid=1" 'echo "$$"'
is 'one that is alone' 1 "$out"
ok 'one more that is alone' begun alone 'exec sleep 2000' "$of.pid=1"
once "$of.pid=3" "$of.target_id=$id" 'tr "\0" " " </proc/1/cmdline'
is 'one that looks into it' 'sleep 2000 ' "$out"
ask StopPodSandbox "pod_sandbox_id=$pod"
ok 'remove the pod with all in it' ask RemovePodSandbox "pod_sandbox_id=$pod"
like 'they are gone' 'ContainerStatus: NOT_FOUND *' "$(ask ContainerStatus "container_id=$one")"

ok 'a pod of the node' pod node "$of.network=2" "$of.pid=2" "$of.ipc=2" "$security.privileged=true"
LOGS=node
once "$of.network=2" "$of.pid=2" "$of.ipc=2" "$security.privileged=true" \
	"for n in net ipc pid uts; do readlink /proc/self/ns/\$n; done; hostname; test -d /proc/$$ && echo seen"
is 'it has what the node has' "$(readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/pid | xargs) $(uname -n) seen" "$(echo "$out" | sed '/^uts/d' | xargs)"
once "$security.privileged=true" "$of.network=2" "$of.pid=1" "$of.ipc=2" 'grep "CapBnd\|Seccomp:" /proc/self/status; mkdir /m; mount -t tmpfs x /m && echo mounted; ls /dev | wc -l
	mount | grep -c " /sys.*[(]ro\| /proc/.*[(]ro"; echo 1 >/proc/sys/kernel/printk_ratelimit_burst && echo told'
like 'privileged' "CapBnd:?$(sed -n 's/^CapBnd:.//p' /proc/self/status)*Seccomp:?0*mounted*0?told" "$out"
ask StopPodSandbox "pod_sandbox_id=$pod"
ask RemovePodSandbox "pod_sandbox_id=$pod"
ok 'the first pod is removed' ask RemovePodSandbox "pod_sandbox_id=$web"
ask ListPodSandbox
is 'no pod is left' '' "$(field items.0.id)"
ask ListContainers
is 'and no container' '' "$(field containers.0.id)"

kill "$server"
wait "$server" 2>/dev/null
ip link del pods0 2>/dev/null
no_groups() {
	awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/self/mounts | while read -r group; do
		find "$group/nl$$" -depth -type d -exec rmdir {} +
	done
	! ls -d /sys/fs/cgroup/*/nl$$ /sys/fs/cgroup/nl$$
} >/dev/null 2>&1
wait_for no_groups
[ -z "${SHOW:-}" ] || cat "$T/containerd.log"
leftovers_after 'nothing stays'
done_testing
