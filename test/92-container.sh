#!/bin/sh
# Containers of the OCI runtime-spec, as they are seen from inside, and hostile roots
# shellcheck disable=SC2016 # scripts for the guest
. "$(dirname "$0")/lib.sh"
need_root
export O
grep -q '^#define WITH_RUNTIME 0' "$build"/config.h 2>/dev/null && skip_all "without WITH_RUNTIME"
rootfs=$(tree busybox) || skip_all "no tree"
B=${rootfs%/*}
T2=$T/outside
mkdir -p "$T2"
n=0	# control groups are the host's: so are names

standard='{"destination":"/proc","type":"proc","source":"proc"},
	{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755","size=65536k"]},
	{"destination":"/dev/pts","type":"devpts","source":"devpts","options":["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620","gid=5"]},
	{"destination":"/dev/shm","type":"tmpfs","source":"shm","options":["nosuid","noexec","nodev","mode=1777","size=1m"]}'
reset() {
	api=$standard mounts='' spaces='"mount","pid","ipc","uts","network"' also='' process='' top='' readonly=false user=''
	masks='"maskedPaths":["/proc/kcore","/proc/timer_list","/sys/firmware"],"readonlyPaths":["/proc/sys","/proc/bus"]'
}

# config COMMAND : config.json of a container that runs it in sh
config() {
	types=$(echo "$spaces" | sed 's/"\([a-z]*\)"/{"type":"\1"}/g')
	command=$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')
	cat >"$B/config.json" <<-END
	{"ociVersion":"1.0.2","process":{"args":["/bin/sh","-c","$command"],"cwd":"/","env":["PATH=/bin:/usr/bin:/sbin:/usr/sbin","TERM=xterm"]$process},
	"root":{"path":"${rootfs##*/}","readonly":$readonly},"mounts":[$api$mounts],
	"linux":{"namespaces":[$types$user],$masks$also}$top}
	END
}

# inside COMMAND : sets out, err and rc
inside() {
	config "$1"
	n=$((n + 1))
	run timeout 60 "$NL" oci run --bundle "$B" "ct$$-$n"
}

# refused NAME TEXT MEMBERS... : what is asked for now is not done, and TEXT says why
refused() {
	inside 'echo done'
	like "$1 is refused by name" "1:*$2*" "$rc:$err$out"
	reset
}

reset
leftovers_before

inside 'echo $$; cat /proc/self/uid_map; readlink /proc/self/ns/net; grep -e Cap -e Seccomp: /proc/self/status'
is "a container runs its program as PID 1" 0:1 "$rc:$(echo "$out" | head -n 1)"
unlike "in a network of its own" "*$(readlink /proc/self/ns/net)*" "$out"
like "without capabilities there are none, whoever root is" '*CapBnd:?0000000000000000*' "$out"
inside 'exit 7'
is "its status comes through" 7 "$rc"
inside 'ls -l /proc/self/fd | grep -c -e " [3-9] ->" -e " [1-9][0-9] ->"'
is "no fd of ours is open in it" 0 "$out"

# What a process is
process=',"user":{"uid":1000,"gid":1001,"umask":63,"additionalGids":[5,6]},"cwd":"/made/for/it","oomScoreAdj":321,"rlimits":[{"type":"RLIMIT_NOFILE","soft":100,"hard":200}],"noNewPrivileges":true'
process=$process',"capabilities":{"bounding":["CAP_KILL","CAP_CHOWN"],"permitted":["CAP_KILL","CAP_CHOWN"],"effective":["CAP_KILL"],"inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]}'
config 'id -u; id -g; id -G; umask; pwd; cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; echo $HOME; sed -n "s/^\(Cap...\|NoNewPrivs\):.0*/\1/p" /proc/self/status'
sed -i 's/"cwd":"\/",//' "$B/config.json"
run timeout 60 "$NL" oci run --bundle "$B" "ct$$-user"
is "user, groups, umask, directory, scores, limits, HOME and capabilities are as it says" \
	"1000 1001 1001 5 6 0077 /made/for/it 321 100 200 /home/user CapInh20 CapPrm20 CapEff20 CapBnd21 CapAmb20 NoNewPrivs1" "$(echo "$out" | tr '\n' ' ' | sed 's/ $//')" ||
	note "$err"
reset
process=',"capabilities":{"bounding":["CAP_KILL","CAP_NOSUCH"]}'
inside 'echo runs'
like "an unknown capability is warned of, and left out" "runs*CAP_NOSUCH*" "$out $err"
reset

# Namespaces and names
top=',"hostname":"box","domainname":"lan"'
also=',"sysctl":{"net.ipv4.ip_forward":"1","kernel.shmmax":"12345","net.ipv4.conf.lo.rp_filter":"2"}'
inside 'cd /proc/sys; cat kernel/hostname kernel/domainname net/ipv4/ip_forward kernel/shmmax net/ipv4/conf/lo/rp_filter'
is "names and sysctls are those of its namespaces" "box lan 1 12345 2" "$(echo "$out" | tr '\n' ' ' | sed 's/ $//')" || note "$err"
reset
for s in kernel.panic vm.overcommit_memory net/../kernel/panic; do
	also=",\"sysctl\":{\"$s\":\"0\"}"
	refused "sysctl $s" "sysctl $s: it is not of a namespace"
done
spaces='"mount","pid","ipc","uts"' also=',"sysctl":{"net.ipv4.ip_forward":"1"}'
refused "a sysctl of the host's network" 'sysctl net.ipv4.ip_forward'
spaces='"mount","pid","ipc","uts"' also=',"sysctl":{"net.ipv4.ip_forward":"1"}' user=",{\"type\":\"network\",\"path\":\"/proc/$$/ns/net\"}"
refused "nor is it its own by the name of the host's" 'sysctl net.ipv4.ip_forward'
spaces='"mount","pid","ipc","network"' top=',"hostname":"x"'
refused "a host name without a namespace for it" 'uts'
spaces='"mount","pid"' user=",{\"type\":\"uts\",\"path\":\"/proc/$$/ns/uts\"}" top=",\"hostname\":\"$(uname -n)\""
refused "a host name for the host itself" 'uts is the host'
spaces='"pid"'
refused "a container without mounts of its own" 'namespaces'
spaces='"mount","pid","pid"'
refused "the same namespace twice" 'pid stands there twice'

unshare -n -u -i sleep 60 &
holder=$!
# shellcheck disable=SC2317,SC3013 # called by wait_for; every shell we meet has -ef
apart() { ! [ "/proc/$holder/ns/net" -ef /proc/self/ns/net ]; }
wait_for apart
user=",{\"type\":\"network\",\"path\":\"/proc/$holder/ns/net\"},{\"type\":\"uts\",\"path\":\"/proc/$holder/ns/uts\"}"
spaces='"mount","pid"'
inside 'readlink /proc/self/ns/net; readlink /proc/self/ns/uts; echo $$'
is "namespaces that are there are joined" "$(readlink /proc/$holder/ns/net) $(readlink /proc/$holder/ns/uts) 1" "$(echo "$out" | tr '\n' ' ' | sed 's/ $//')" ||
	note "$err"
user=",{\"type\":\"network\",\"path\":\"/proc/$holder/ns/uts\"}" spaces='"mount","pid"'
refused "a namespace of another kind" 'join namespace net'
user=",{\"type\":\"network\",\"path\":\"$B/config.json\"}" spaces='"mount","pid"'
refused "a file that is no namespace" 'join namespace net'
reset
spaces='"mount"' user=",{\"type\":\"pid\",\"path\":\"/proc/$$/ns/pid\"}"
inside 'readlink /proc/self/ns/pid'
is "a namespace of processes is joined, too" "$(readlink /proc/$$/ns/pid)" "$out" || note "$err"
kill $holder
wait $holder 2>/dev/null
reset

maps=',"uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],"gidMappings":[{"containerID":0,"hostID":100000,"size":65536}]'
spaces='"mount","pid","ipc","uts","network","user","cgroup"'
also=$maps mounts=',{"destination":"/sys","type":"sysfs","options":["ro"]},{"destination":"/sys/fs/cgroup","type":"cgroup","options":["ro"]}'
inside 'cat /proc/self/uid_map; id -u; cat /dev/zero | head -c 3 | wc -c; cat /proc/kcore | wc -c; touch /dev/shm/x && ls -n /dev/shm/x; readlink /proc/self/cgroup'
like "users of its own have devices, masks, and their own files" "*100000*65536*0*3*0*0 *0 */dev/shm/x*" "$(echo "$out" | tr '\n' ' ')" || note "$err"
reset
also=$maps
refused "a map of users without a namespace for them" 'uidMappings'
spaces='"mount","user"'
refused "new users without a map" 'uidMappings'

# Mounts
mkdir -p "$T2/src/deep" "$rootfs/data" && echo source >"$T2/src/file" && echo one >"$T2/one" && echo below >"$rootfs/data/x"
mounts=",{\"destination\":\"/new/src\",\"source\":\"$T2/src\",\"type\":\"bind\",\"options\":[\"rbind\",\"ro\",\"nosuid\",\"rprivate\"]}
	,{\"destination\":\"/etc/one\",\"source\":\"$T2/one\",\"options\":[\"bind\",\"noexec\"]}
	,{\"destination\":\"/data\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"tmpcopyup\",\"ro\",\"size=1m\",\"mode=700\"]}
	,{\"destination\":\"/data/in\",\"type\":\"tmpfs\",\"options\":[\"size=64k\"]}"
inside 'cat /new/src/file /etc/one /data/x; touch /new/src/y /data/y 2>&1 | grep -c Read-only; touch /data/in/y && echo writable; grep -e /new/src -e /etc/one /proc/mounts | cut -d " " -f 2,4 | cut -c 1-30'
like "what is bound and mounted is there, made if missing, and as read-only as it says" \
	"source one below 2 writable */new/src ro,nosuid*" "$(echo "$out" | tr '\n' ' ')" || note "$err"
like "a bind keeps its options" "*/etc/one rw*noexec*" "$out"
is "nothing of it is written into the source" "deep file" "$(cd "$T2/src" && echo *)"
reset
mounts=",{\"destination\":\"/new/src\",\"source\":\"$T2/nosuch\",\"options\":[\"bind\"]}"
refused "a source that is not there" "$T2/nosuch"
mounts=",{\"destination\":\"/etc\",\"source\":\"$T2/one\",\"options\":[\"bind\"]}"
refused "a file where a directory is" "ot a directory"
mounts=",{\"destination\":\"/etc/passwd\",\"source\":\"$T2/src\",\"options\":[\"bind\"]}"
refused "a directory where a file is" "ot a directory"
mounts=',{"destination":"/new/src","type":"nosuchfs","source":"x"}'
refused "an unknown file system" "nosuchfs"
readonly=true
inside 'touch /x 2>&1; touch /dev/shm/x && echo shm'
like "a read-only root is that" "*Read-only*shm" "$out"
reset
mkdir -p "$rootfs/sys"
mounts=',{"destination":"/sys","type":"sysfs","source":"sysfs","options":["ro","nosuid","nodev","noexec"]},{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro","nosuid","noexec","nodev"]}'
inside 'cat /proc/kcore /proc/timer_list 2>/dev/null | wc -c; ls /sys/firmware | wc -l; echo 0 2>/dev/null >/proc/sys/kernel/sysrq && echo wrote; ls /sys/fs/cgroup | wc -l; cat /proc/1/cgroup'
like "masked paths are empty, and others read-only" "0 0 [1-9]*" "$(echo "$out" | tr '\n' ' ')"
reset
spaces='"mount","pid","ipc","uts","network","cgroup"'
mounts=',{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}'
inside 'cut -d : -f 3 /proc/self/cgroup | sort -u; find /sys/fs/cgroup -name "cgroup.procs" | head -n 1 | xargs cat | grep -c .'
like "in a namespace of control groups its own is the root" "/ [1-9]*" "$(echo "$out" | tr '\n' ' ')" || note "$err"
reset

# Devices
also=',"devices":[{"path":"/dev/fuse","type":"c","major":10,"minor":229,"fileMode":384,"uid":5,"gid":6},{"path":"/dev/sub/fifo","type":"p","fileMode":416}]'
inside 'ls -ln /dev/fuse /dev/sub/fifo | tr -s " " | cut -d " " -f 1-4; for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; for d in fd stdin stdout stderr core ptmx; do readlink /dev/$d; done'
is "devices are those it asks for, and those of each container" \
	"crw------- 1 5 6 prw-r----- 1 0 0 /proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/kcore pts/ptmx" "$(echo "$out" | tr '\n' ' ' | sed 's/ *$//')" ||
	note "$err"
reset

# Hostile roots
evil() {
	rm -rf "${rootfs:?}/$1"
	ln -s "$2" "$rootfs/$1"
}
back() {
	for d; do
		rm -rf "${rootfs:?}/$d"
		mkdir "$rootfs/$d"
	done
}
for d in proc sys; do
	[ $d = proc ] || mounts=',{"destination":"/sys","type":"sysfs","source":"sysfs"}'
	evil $d ../../../../../../.."$T2"
	refused "a root whose /$d is a link" "on /$d"
	back $d
done
is "nothing was mounted or made where they lead" "one src" "$(cd "$T2" && echo *)"
for to in "$T2" "../../../../../../../../..$T2" "/proc/self/root/$T2"; do
	evil lnk "$to"
	mounts=",{\"destination\":\"/lnk/in\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}"
	inside 'true'
	is "a mount point through a link $(echo "$to" | sed 's|/nl[.].*||') stays inside" "one src" "$(cd "$T2" && echo *)"
	reset
done
rm -f "$rootfs/lnk"
evil dev "$T2"
inside 'echo runs'
is "a root whose /dev leads out gets devices inside only" "one src" "$(cd "$T2" && echo *)"
back dev
api='{"destination":"/proc","type":"proc","source":"proc"}'
mkdir "$rootfs/dev/null" && ln -s "$T2/made" "$rootfs/dev/zero"
inside 'echo runs'
is "nodes and links in the way of devices do no harm" "one src" "$(cd "$T2" && echo *)"
back dev
reset
evil tmp "$T2"
process=',"noNewPrivileges":false'
config 'pwd -P'
sed -i 's|"cwd":"/"|"cwd":"/tmp/a/b"|' "$B/config.json"
run timeout 60 "$NL" oci run --bundle "$B" "ct$$-cwd"
is "a directory to work in through a link is made inside" "one src" "$(cd "$T2" && echo *)"
sed -i 's|"cwd":"/tmp/a/b"|"cwd":"/proc/self/fd/3"|' "$B/config.json"
run timeout 60 "$NL" oci run --bundle "$B" "ct$$-cwd"
is "one of our fds is no directory to work in" 1 "$rc"
back tmp
reset
evil etc/evil "$T2"
masks='"maskedPaths":["/etc/evil/one"]'
inside 'true'
is "what is masked through a link is not the host's" one "$(cat "$T2/one")"
rm -f "$rootfs/etc/evil"
reset
printf '#!/proc/self/exe\n' >"$rootfs/bin/self" && chmod 755 "$rootfs/bin/self"
config true
sed -i 's|"args":\["/bin/sh","-c","true"\]|"args":["/bin/self"]|' "$B/config.json"
run timeout 60 "$NL" oci run --bundle "$B" "ct$$-self"
like "a script that is run by /proc/self/exe does not get our program" '1*our own program*' "$rc$err"

# A kernel like 3.10, without all that came since 5.0
reset
NSPAWN_LITE_DENY=new
export NSPAWN_LITE_DENY
mounts=",{\"destination\":\"/new/src\",\"source\":\"$T2/src\",\"options\":[\"rbind\",\"ro\"]},{\"destination\":\"/data\",\"type\":\"tmpfs\",\"options\":[\"ro\"]}"
readonly=true
inside 'touch /x /data/x /new/src/x 2>&1 | grep -c Read-only; cat /proc/timer_list | wc -c; cat /new/src/file; echo 0 2>/dev/null >/proc/sys/kernel/sem || echo fixed'
is "an old kernel mounts, hides, and makes read-only all the same" "3 0 source fixed" "$(echo "$out" | tr '\n' ' ' | sed 's/ $//')" || note "$err"
reset
evil lnk "../../../../../../../../..$T2"
mounts=',{"destination":"/lnk/in","type":"tmpfs","source":"tmpfs"}'
inside 'true'
is "and its mount points stay inside" "one src" "$(cd "$T2" && echo *)"
rm -f "$rootfs/lnk"
reset
spaces='"mount","pid","ipc","uts","network","user"' also=$maps
inside 'id -u; head -c 2 /dev/zero | wc -c'
is "users of its own are there, too" "0 2" "$(echo "$out" | tr '\n' ' ' | sed 's/ $//')" || note "$err"
reset
unset NSPAWN_LITE_DENY

# Hooks
cat >"$T2/hook" <<'END'
#!/bin/sh
echo "$1 $(readlink /proc/self/ns/mnt) $FOO $(cat)" >>"$2"
END
chmod 755 "$T2/hook"
hook() {
	echo "\"$1\":[{\"path\":\"$T2/hook\",\"args\":[\"hook\",\"$1\",\"$T2/log\"],\"env\":[\"FOO=bar\",\"PATH=$PATH\"]}]"
}
top=",\"hooks\":{$(hook prestart),$(hook createRuntime),$(hook createContainer),$(hook poststart),$(hook poststop),\"startContainer\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"cat; id -u\"]}]}"
process=',"user":{"uid":12,"gid":13}'
inside 'echo payload'
like "startContainer is called in the container, as its user, with the state" '{*"status":"created"*}12*payload' "$(echo "$out" | tr -d '\n')" || note "$err"
is "all others are called in their order" "prestart createRuntime createContainer poststart poststop" "$(cut -d ' ' -f 1 "$T2/log" | tr '\n' ' ' | sed 's/ $//')"
is "each with its environment, and in the runtime's mounts" "4 bar" "$(grep -cF "$(readlink /proc/self/ns/mnt)" "$T2/log") $(cut -d ' ' -f 3 "$T2/log" | sort -u)"
like "and with the state" '*"status":"creating","pid":[1-9]*"status":"running","pid":[1-9]*"status":"stopped"*' "$(tr '\n' ' ' <"$T2/log")"
rm "$T2/log"
reset
for which in prestart createRuntime createContainer startContainer; do
	top=",\"hooks\":{\"$which\":[{\"path\":\"/bin/false\"}]}"
	refused "a container whose hook $which fails" "$which hook"
done
top=',"hooks":{"createRuntime":[{"path":"/bin/sleep","args":["sleep","50"],"timeout":1}]}'
refused "one whose hook takes too long" 'took longer than 1 s'
top=',"hooks":{"poststop":[{"path":"/bin/false"}]}'
inside 'echo runs'
like "a hook poststop that fails is only warned of" '0runs*poststop*' "$rc$out$err"
reset

# What is not done is said
for member in intelRdt memoryPolicy netDevices; do
	also=",\"$member\":{}"
	refused "linux.$member" "config.json: linux.$member: not supported"
done
for member in vm windows solaris zos; do
	top=",\"$member\":{}"
	refused "$member" "config.json: $member: not supported"
done
also=',"personality":{"domain":"SVR4"}'
refused "a personality that is unknown" 'linux.personality.domain: "SVR4"'
process=',"selinuxLabel":"a:b:c"'
[ -e /sys/fs/selinux/enforce ] || refused "a label where there is no SELinux" 'process.selinuxLabel'
process=',"apparmorProfile":"x"'
[ -e /sys/module/apparmor ] || refused "a profile where there is no AppArmor" 'process.apparmorProfile'
process=',"rlimits":[{"type":"RLIMIT_NOSUCH","soft":1,"hard":1}]'
refused "an unknown limit" 'RLIMIT_NOSUCH'
process=',"user":{"uid":-1}'
refused "a user below 0" 'process.user.uid: not a whole number'
process=',"env":"PATH"'
refused "a member of the wrong kind" 'process.env: not an array'
process=',"scheduler":{"policy":"SCHED_OTHER","nice":4294967301}'
refused "a nice value that 32 bits would make another" 'scheduler.nice'
process=',"ioPriority":{"class":"IOPRIO_CLASS_BE","priority":9}'
refused "an I/O priority that is none" 'ioPriority.priority'
also=',"devices":[{"path":"/dev/odd","type":"c","major":4294967297,"minor":3}]'
refused "numbers of a device that the kernel would make others" 'device /dev/odd: 4294967297:3'
process=',"scheduler":{"policy":"SCHED_FAST"}'
refused "an unknown scheduler" 'process.scheduler.policy'
config true
sed -i 's/"1.0.2"/"2.0.0"/' "$B/config.json"
run timeout 60 "$NL" oci run --bundle "$B" "ct$$-version"
like "another version of the spec is refused" '1*ociVersion*' "$rc$err"
config true
sed -i 's|"cwd":"/"|"cwd":"tmp"|' "$B/config.json"
run timeout 60 "$NL" oci run --bundle "$B" "ct$$-relative"
like "a relative directory is refused" '1*process.cwd*' "$rc$err"
config true
sed -i 's|"args":\["/bin/sh","-c","true"\]|"args":["nosuch"]|' "$B/config.json"
run timeout 60 "$NL" oci create --bundle "$B" "ct$$-nosuch"
like "a program that is not there is told of before the start" '[1-9]*executable file not found in $PATH*' "$rc$err"

# The host's /proc shows the roots of those whose rights are no more than ours
cp "$rootfs/bin/busybox" "$T2/busybox"
setpriv --bounding-set -all --inh-caps -all sleep 100 &
low=$!
for fd in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26; do
	config true
	sed -i 's|"args":\["/bin/sh","-c","true"\]|"args":["/proc/self/fd/'"$fd/$low/root$T2"'/busybox","echo","out"]|' "$B/config.json"
	timeout 60 "$NL" oci run --bundle "$B" "through$fd" 2>&1
done >"$T2/through"
kill $low
is "no path through an fd of ours leads to the host" '' "$(grep -x out "$T2/through")"

# In and beside
reset
config 'exec sleep 60'
ok "a container waits for its start" timeout 60 "$NL" oci create --bundle "$B" "ct$$-waits"
run timeout 60 "$NL" oci exec "ct$$-waits" sh -c 'readlink /proc/1/exe; ls -l /proc/1/fd | grep -e "-> ."; cat /proc/1/environ'
like "who is in it before that sees nothing of its init" "*:*ermission denied*" "$out:$err"
unlike "neither its program nor what it has open" "*/*" "$out"
"$NL" oci delete -f "ct$$-waits"
process=',"capabilities":{"bounding":["CAP_SYS_PTRACE"],"permitted":["CAP_SYS_PTRACE"],"effective":["CAP_SYS_PTRACE"]}'
config 'exec sleep 60'
ok "so does one that may trace" timeout 60 "$NL" oci create --bundle "$B" "ct$$-traces"
run timeout 60 "$NL" oci exec "ct$$-traces" sh -c 'readlink /proc/1/exe; ls -l /proc/1/fd'
like "who may trace sees a copy of our program" "*memfd*" "$out"
unlike "and nothing of the host's /proc" "*-> /proc*" "$out"
"$NL" oci delete -f "ct$$-traces"
reset
config 'exec sleep 60'
ok "a container is created" timeout 60 "$NL" oci create --bundle "$B" "ct$$-box"
ok "and started" timeout 60 "$NL" oci start "ct$$-box"
run timeout 60 "$NL" oci exec "ct$$-box" sh -c 'readlink /proc/self/exe; ls /proc | grep -c "^[0-9]"; exit 3'
like "exec is in its namespaces, and its status comes through" "3:*busybox [2-9]" "$rc:$(echo "$out" | tr '\n' ' ' | sed 's/ $//')" || note "$err"
run timeout 60 "$NL" oci exec "ct$$-box" nosuch
like "a program that is not there is told" '*executable file not found*' "$err"
run timeout 60 "$NL" oci exec --user 5:6 --cwd /tmp --env A=b "ct$$-box" sh -c 'id -u; id -g; pwd; echo $A'
is "exec is who and where it is asked to be" "5 6 /tmp b" "$(echo "$out" | tr '\n' ' ' | sed 's/ $//')" || note "$err"
cp "$rootfs/bin/busybox" "$T2/bb" 2>/dev/null
printf '#!/proc/self/exe\n' >"$rootfs/bin/self"
run timeout 60 "$NL" oci exec "ct$$-box" /bin/self
like "nor does exec give our program away" '*our own program*' "$err"
"$NL" oci delete -f "ct$$-box"
rmdir "$T/root/run/nspawn-lite-oci"
leftovers_after "nothing stays when containers are gone"
done_testing
