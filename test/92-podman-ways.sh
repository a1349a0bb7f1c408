#!/bin/sh
# What podman asks of a container comes true in it: files, rights, limits, users, namespaces.
# RUNTIME=/usr/sbin/runc tries the same with another runtime.
# shellcheck disable=SC2016,SC2317 # for the shell inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=client.sh
. "${0%/*}/client.sh"
config_podman || skip_all 'no podman that works here'
leftovers_before

# once OPTION... : a container of one script, which is the last word
once() {
	words=''
	while [ $# -gt 1 ]; do
		words="$words '$1'"
		shift
	done
	eval 'pod run --rm --network none '"$words"' localhost/bb sh -c "$1"'
}
mount_of() { printf 'awk %s$5 == "%s" { print $6 " " $9 }%s /proc/self/mountinfo' "'" "$1" "'"; }

# ---- files ----------------------------------------------------------------------------------

mkdir "$T/dir" "$T/dir/sub"
echo host >"$T/dir/file"
once -v "$T/dir:/data" 'echo guest >/data/new; cat /data/file'
is 'a bind of a directory' 'host guest' "$out $(cat "$T/dir/new")"
once -v "$T/dir:/data:ro" 'echo x >/data/no; cat /data/file'
like 'that is read-only' 'host *Read-only*' "$out $err"
once -v "$T/dir/file:/etc/deep/file:ro" 'cat /etc/deep/file; echo no >/etc/deep/file'
like 'a bind of a file, where nothing was' 'host *Read-only*' "$out $err"
once -v "$T/dir:/data:ro,rslave" "$(mount_of /data)"
like 'options of a bind' 'ro,*' "$out"
mount -t tmpfs below "$T/dir/sub"
once --mount "type=bind,src=$T/dir,dst=/data,ro" 'echo x >/data/sub/x && echo written'
is 'what is mounted below it stays as it is, as the bind is read-only by itself' written "$out"
umount "$T/dir/sub"
once -v vol:/v 'echo kept >/v/f'
once -v vol:/v 'cat /v/f'
is 'a named volume keeps' kept "$out"
once --tmpfs /t:size=1m,mode=1777,noexec "$(mount_of /t); df -k /t | awk 'NR == 2 { print \$2 }'; ls -ld /t | cut -c1-10"
like 'a tmpfs' '*noexec* tmpfs*1024*drwxrwxrwt' "$(echo "$out" | xargs)"
once --mount type=tmpfs,dst=/t,tmpfs-size=2097152 'df -k /t | tail -n 1'
like 'the other way to say it' '* 2048 *' "$out"
once --read-only 'touch /x; touch /tmp/y && echo tmp; touch /dev/shm/z && echo shm'
like 'a root that is read-only, with places to write' 'tmp?shm *touch: /x: Read-only file system*' "$out $err"
once --read-only --read-only-tmpfs=false 'touch /tmp/y && echo tmp'
unlike 'and without' '*tmp' "$out"
ln -s /etc "$T/dir/link"
once -v "$T/dir:/data" -v "$T/dir/file:/data/link/made" 'cat /etc/made; ls /data/made'
is 'a mount point below a link is in the container' host "$out"
ok 'and not on the host' test ! -e /etc/made
once --mount type=devpts,destination=/dev/other "$(mount_of /dev/other)"
like 'devpts' '* devpts' "$out"
once 'for p in kcore keys timer_list; do head -c 1 /proc/$p 2>/dev/null; done | wc -c; touch /proc/sys/kernel/x 2>&1; ls /proc/acpi /sys/firmware'
like 'what is masked is empty, /proc/sys is read-only' '0*' "$out"
once 'echo 0 >/proc/sys/kernel/panic'
like 'it really is' '*Read-only*' "$err"
once --security-opt unmask=ALL 'ls /sys/firmware | wc -l; head -c 1 /proc/keys >/dev/null 2>&1; mount | grep -c " /proc/"'
is 'unmasked' 0 "$(echo "$out" | tail -n 1)"
once --shm-size 2m 'df -k /dev/shm | tail -n 1'
like '/dev/shm has the size' '* 2048 *' "$out"

# ---- devices --------------------------------------------------------------------------------

once 'for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; : >/dev/null && head -c 1 /dev/urandom | wc -c'
is 'the usual devices' '/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 pts/ptmx 1' "$(echo "$out" | xargs)"
once --cap-add MKNOD 'mknod /tmp/d b 7 0 && cat /tmp/d'
like 'others are not to be used' '*not permitted*' "$err"
if [ -c /dev/loop-control ]; then
	once --device /dev/loop-control:/dev/lc:r 'ls -l /dev/lc | cut -c1; : </dev/lc && echo read; : >/dev/lc'
	like 'one that is handed in, to read' 'c?read *not permitted*' "$out $err"
else
	skip 'one that is handed in' 'no /dev/loop-control'
fi
once --privileged 'ls /dev | wc -l; grep CapEff /proc/self/status; grep NoNew /proc/self/status'
like 'privileged: all that the host has' '*CapEff:*' "$(echo "$out" | xargs)"
is 'privileged: its rights' "$(sed -n 's/^CapBnd:.//p' /proc/self/status)" "$(echo "$out" | sed -n 's/CapEff:.//p')"

# ---- rights ---------------------------------------------------------------------------------

caps() { once "$@" 'sed -n "s/^Cap\(Eff\|Bnd\|Prm\|Inh\|Amb\):.//p" /proc/self/status | xargs'; }
caps
like 'the usual rights' '0000000000000000 00000000??0425fb 00000000??0425fb 00000000??0425fb 0000000000000000' \
	"$(echo "$out" | sed s/0405fb/0425fb/g)"
caps --cap-drop all
is 'none' '0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000' "$out"
caps --cap-drop all --cap-add NET_ADMIN,SYS_TIME
is 'two' '0000000000000000 0000000002001000 0000000002001000 0000000002001000 0000000000000000' "$out"
caps --user 1000 --cap-drop all --cap-add NET_RAW
is 'a user keeps what was added for him' '0000000000002000 0000000000002000 0000000000002000 0000000000002000 0000000000002000' "$out"
once 'grep -c "NoNewPrivs:.0" /proc/self/status; grep "Seccomp:" /proc/self/status'
is 'a filter, and no more' '1 Seccomp: 2' "$(echo "$out" | xargs)"
once --security-opt no-new-privileges 'grep "NoNewPrivs" /proc/self/status'
is 'no new privileges' 'NoNewPrivs: 1' "$(echo "$out" | xargs)"
once --security-opt seccomp=unconfined 'grep "Seccomp:" /proc/self/status'
is 'no filter' 'Seccomp: 0' "$(echo "$out" | xargs)"
cat >"$T/profile" <<END
{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95},
{"names":["no_such_call"],"action":"SCMP_ACT_KILL"},
{"names":["personality"],"action":"SCMP_ACT_ERRNO","errnoRet":2,"args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]}]}
END
once --security-opt "seccomp=$T/profile" 'mkdir /tmp/d; touch /tmp/f && echo rest'
like 'a profile of its own, with its errno' 'rest *not supported*' "$out $err"
once --oom-score-adj 321 'cat /proc/self/oom_score_adj'
is 'how soon it dies' 321 "$out"
once --ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=4096 'ulimit -n; ulimit -Hn; ulimit -c'
is 'ulimits' '100 200 0' "$(echo "$out" | xargs)"
once --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=4096 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax'
is 'sysctls' '1 4096' "$(echo "$out" | xargs)"
once --group-add 29 --group-add 77 --user 1000:1000 'id -G'
is 'groups' '1000 29 77' "$out"
once --umask 077 'umask'
is 'umask' 0077 "$out"
once --env-host=false 'env | grep -v "^\(HOME\|HOSTNAME\|PWD\|SHLVL\|PATH\|TERM\|container\)=" | wc -l'
is 'nothing of the environment of the host' 0 "$out"

# ---- limits ---------------------------------------------------------------------------------

# group CONTROLLER FILE : of the container "lim"; on cgroup2 by another name
value() {
	pid=$(podman inspect -f '{{.State.Pid}}' lim)
	at=$(sed -n "s/^[0-9]*:\([^:]*,\)\{0,1\}$1\(,[^:]*\)\{0,1\}://p" "/proc/$pid/cgroup")
	top=$(awk -v c="$1" '$3 == "cgroup" && "," $4 "," ~ "," c "," { print $2; exit }' /proc/self/mounts)
	if [ -n "$top" ]; then
		cat "$top$at/$2"
	else
		cat "$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)$(sed -n 's/^0:://p' "/proc/$pid/cgroup")/$3"
	fi
}
ok 'one with limits' podman run -d --name lim --network none --memory 64m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 \
	--pids-limit 50 --cpuset-cpus 0 localhost/bb sh -c 'while :; do sleep 0.1; done'
is 'memory' 67108864 "$(value memory memory.limit_in_bytes memory.max)"
is 'what it is to have' 33554432 "$(value memory memory.soft_limit_in_bytes memory.low)"
like 'half a processor' '50000*' "$(value cpu cpu.cfs_quota_us cpu.max)"
like 'its share' '[1-9]*' "$(value cpu cpu.shares cpu.weight)"
is 'processes' 50 "$(value pids pids.max pids.max)"
is 'on this processor' 0 "$(value cpuset cpuset.cpus cpuset.cpus)"
is 'it counts them itself' "$(value pids pids.current pids.current)" "$(podman stats --no-stream --format '{{.PIDs}}' lim)"
like 'stats shows its memory' '*67.11MB*' "$(podman stats --no-stream --format '{{.MemUsage}}' lim)"
ok 'update' podman update --memory 96m --memory-swap 128m --cpus 0.25 lim
is 'other limits' '100663296 25000' "$(value memory memory.limit_in_bytes memory.max) $(value cpu cpu.cfs_quota_us cpu.max | cut -d' ' -f1)"
podman rm -f -t 0 lim >/dev/null
once --memory 24m --memory-swap 24m --shm-size 64m \
	'dd if=/dev/zero of=/dev/shm/x bs=1M count=60; echo $?; cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events'
like 'too much memory is the end of it' '*137*oom_kill 1*' "$out"
once --pids-limit 5 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; :'
like 'too many processes' '*fork*' "$err"
once --cgroupns private 'sed "s/.*://" /proc/self/cgroup | sort -u'
is 'groups of its own' / "$out"
once --cgroupns host 'grep -c libpod /proc/self/cgroup'
like 'groups of the host' '[1-9]*' "$out"
once --cgroupns private 'ls -d /sys/fs/cgroup/* | wc -l; echo 1 >/sys/fs/cgroup/pids/pids.max || echo 1 >/sys/fs/cgroup/pids.max'
like 'they can be seen and not changed' '[1-9]* *Read-only*' "$out $err"
if ours_is; then
	once --cgroups=disabled 'grep -c libpod /proc/self/cgroup'
	is 'none of its own' '0' "$out"
fi

# ---- users and namespaces -------------------------------------------------------------------

once --uidmap 0:100000:5000 --gidmap 0:200000:5000 'cat /proc/self/uid_map /proc/self/gid_map; touch /home/x; ls -ln /home/x /etc/passwd; id -u; touch /proc/x'
like 'ids that are mapped' '0 100000 5000 0 200000 5000 -* 1 0 0 *-* 1 0 0 *0' "$(echo "$out" | xargs)"
once --uidmap 0:100000:5000 --tmpfs /t 'ls /dev/null /dev/pts/ptmx; : >/dev/null && touch /t/x && mount -t tmpfs x /mnt || echo no'
like 'with devices and no more rights' '*no' "$(echo "$out" | xargs)"
once --uidmap 0:100000:5000 --user 1000 -v "$T/dir/file:/f:ro" 'cat /f; id -u; grep CapEff /proc/self/status'
is 'a user in it' 'host 1000 CapEff: 0000000000000000' "$(echo "$out" | xargs)"
ok 'one more' podman run -d --name first --network none --ipc shareable --hostname first localhost/bb sh -c 'echo shared >/dev/shm/s; while :; do sleep 0.1; done'
once --pid container:first 'tr "\0" " " </proc/1/cmdline; echo $$'
like 'processes of another' 'sh -c echo shared*' "$out"
once --ipc container:first 'cat /dev/shm/s'
is 'IPC of another' shared "$out"
once --uts host hostname
is 'the name of the host' "$(uname -n)" "$out"
once --pid host 'test -d /proc/'$$' && echo seen'
is 'processes of the host' seen "$out"
podman rm -f -t 0 first >/dev/null
pod run --rm --network host localhost/bb sh -c 'readlink /proc/self/ns/net'
is 'the network of the host' "$(readlink /proc/self/ns/net)" "$out"
once 'ip link | grep -c "^[0-9]"; ip addr show lo | grep -c 127.0.0.1'
is 'one of its own, with a loopback' '1 1' "$(echo "$out" | xargs)"
pod run --rm --network none --rootfs "$(tree busybox)" sh -c 'cat /etc/passwd | head -n 1'
like 'a plain directory is a root' 'root:*' "$out"
once --annotation a.b=c --label x=y --stop-signal USR1 'echo annotated'
is 'annotations' annotated "$out"
once --security-opt label=disable --security-opt apparmor=unconfined 'echo plain'
is 'no labels' plain "$out"
once --preserve-fds 1 'cat <&3' 3<"$T/dir/file"
is 'a descriptor is handed in' host "$out"

podman volume rm -a -f >/dev/null
podman_ends
leftovers_after 'nothing stays'
done_testing
