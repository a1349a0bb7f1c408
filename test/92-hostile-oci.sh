#!/bin/sh
# Hostile configurations, roots and neighbours of the runtime: what they once got, or broke
# shellcheck disable=SC2016,SC2317,SC3013 # scripts for the guest; called by wait_for; every shell we meet has -ef
. "$(dirname "$0")/lib.sh"
need_root
need jq timeout unshare flock
"$NL" oci --version >/dev/null 2>&1 || skip_all 'this build has no runtime'
rootfs=$(tree busybox) || skip_all "no tree"
B=${rootfs%/*}
n=0	# control groups are the host's: so are names
oci() { timeout 60 "$NL" oci "$@"; }

# config FILTER COMMAND : of a container that runs it in sh; jq's FILTER changes it
oci spec --bundle "$B" && mv "$B/config.json" "$B/plain"
config() {
	jq --arg root "$rootfs" --arg command "$2" '.process.args = ["/bin/sh", "-c", $command] | .process.terminal = false |
		.root = { path: $root } | .process.noNewPrivileges = false' "$B/plain" | jq "$1" >"$B/config.json"
}

# inside FILTER COMMAND : sets out, err and rc
inside() {
	config "$1" "$2"
	n=$((n + 1))
	run oci run --bundle "$B" "ho$$-$n"
}

leftovers_before

# Configurations
for odd in '.linux.namespaces = [{}]' '.linux.namespaces = [7]' '.process.capabilities.bounding = [7]' '.process.capabilities = 7' \
	'.process = 7' '.linux = []' '.mounts = [{}]' '.hooks = {startContainer: 7}'; do
	inside "$odd" 'echo done'
	like "what is no configuration is refused: $odd" '1:*config.json: *' "$rc:$err"
done
for id in uid gid; do
	inside ".process.user.$id = 4294967295" 'id'
	like "a $id of -1, which changes nothing for the kernel, is refused" "1:*process: user.$id*" "$rc:$err"
done
for numbers in '"major":-5,"minor":3' '"major":1,"minor":4294967295' '"major":1099511627776'; do
	inside ".linux.resources.devices += [{\"allow\":true,\"type\":\"c\",$numbers,\"access\":\"r\"}]" 'echo done'
	like "numbers of devices out of range are not any device: $numbers" '1:*linux.resources.devices*' "$rc:$err"
done
if [ -e /sys/fs/cgroup/devices ]; then
	inside '.linux.resources.devices += [{"allow":true,"type":"c","access":"rw"},{"allow":false,"type":"c","major":1,"minor":8,"access":"r"}]' 'head -c 1 /dev/random'
	like "v1 does not lose what is refused of what was allowed" '1:*resources.devices*v1*' "$rc:$err"
fi
inside '.mounts[0].destination = "/proc/" | .linux.maskedPaths = []' 'echo done'
is "a slash at the end is no other place" 0:done "$rc:$out" || note "$err"
mv "$rootfs/proc" "$rootfs/real" && ln -s real "$rootfs/proc"
inside '.mounts[0].destination = "/proc/./"' 'echo done'
like "nor does it lead /proc through a link" '1:*on /proc*' "$rc:$err"
rm "$rootfs/proc" && mv "$rootfs/real" "$rootfs/proc"
inside '.linux.namespaces += [{type:"user"}] | .linux.uidMappings = [range(9000) | {containerID:.,hostID:.,size:1}] | .linux.gidMappings = .linux.uidMappings' true
like "more ranges of users than a kernel takes are not even written down" '1:*more than 340 ranges*' "$rc:$err"
config '.linux.namespaces -= [{type:"cgroup"}]' 'grep /sys/fs/cgroup/. /proc/self/mountinfo; touch /sys/fs/cgroup/x 2>/dev/null || echo "read-only"'
is "without control groups of its own it does not get those of the host to write to" read-only \
	"$(oci --cgroup-manager=disabled run --bundle "$B" "ho$$-none" 2>&1)"

# What of the host lies open, or is shown, could be given another mode there
for way in '' fsopen; do
	config . 'stat -Lc "%d:%i %t:%T" /proc/keys /proc/self/fd/0; exec sleep 100'
	NSPAWN_LITE_DENY=$way oci run -d --bundle "$B" "ho$$-null" </dev/null >"$T/nulls"
	two() { [ "$(wc -l <"$T/nulls")" -ge 2 ]; }
	wait_for two
	NSPAWN_LITE_DENY=$way oci exec "ho$$-null" stat -Lc '%d:%i %t:%T' /proc/self/fd/0 </dev/null >>"$T/nulls"
	is "what hides something, and what is read, is a /dev/null (without: ${way:-nothing})" "1:3 1:3 1:3" "$(cut -d ' ' -f 2 "$T/nulls" | xargs)"
	unlike "but not that of the host (without: ${way:-nothing})" "*$(stat -c %d:%i /dev/null) *" "$(cat "$T/nulls")"
	oci delete -f "ho$$-null"
done

# Mounts of the host that others hear of
users='.linux.namespaces += [{type:"user"}] | .linux.uidMappings = [{containerID:0,hostID:100000,size:65536}] | .linux.gidMappings = .linux.uidMappings'
mkdir -p "$rootfs/sys" "$rootfs/mnt" "$rootfs/vol" "$T/shared"
cat >"$T/shared.sh" <<'END'
mount -t tmpfs tmpfs "$2/shared" && mount --make-shared "$2/shared" && mkdir -p "$2/shared/vol/in" && cp -a "$3" "$2/shared/rootfs" || exit
"$1" oci run --bundle "$4" "$5"
grep "$2/shared/" /proc/self/mountinfo
END
config "$users"' | .root.path = "'"$T"'/shared/rootfs" | .mounts += [{destination:"/vol",type:"bind",source:"'"$T"'/shared/vol",options:["rbind"]}] |
	.process.capabilities[] = ["CAP_SYS_ADMIN"]' 'mount -t tmpfs evil /vol/in && mount -t tmpfs evil /mnt && echo mounted'
is "nothing that a container with users of its own mounts is seen on the host" mounted \
	"$(timeout 60 unshare -m sh "$T/shared.sh" "$NL" "$T" "$rootfs" "$B" "ho$$-shared" 2>&1)"

# Who writes to the root of the runtime
mkdir -m 777 "$T/any"
run oci --root "$T/any" list
like "a root that others can write to is refused" '1:*--root=*' "$rc:$err"

# Two commands at a time
config . 'exec sleep 100'
ok "a container is created" oci create --bundle "$B" --pid-file "$T/pid" "ho$$-two"
kill -STOP "$(cat "$T/pid")"
dir=$T/root/run/nspawn-lite-oci/ho$$-two
has_open() { for fd in /proc/"$1"/fd/*; do [ "$fd" -ef "$dir" ] && return; done; false; }
locked() { ! flock -n "$dir" true; }
"$NL" oci start "ho$$-two" &
start=$!
wait_for locked
"$NL" oci delete "ho$$-two" 2>"$T/err" &
delete=$!
wait_for has_open $delete
kill -CONT "$(cat "$T/pid")"
wait $start
rc=0
wait $delete || rc=$?
is "what has been started while delete waited is not deleted" "1 running" "$rc $(oci state "ho$$-two" | jq -r .status)"
for i in 1 2 3 4 5 6 7 8; do
	"$NL" oci exec -d --pid-file "$T/pid.$i" "ho$$-two" sleep "10$i" &
done 2>"$T/err"
wait
wrong=''
for i in 1 2 3 4 5 6 7 8; do
	[ "$(tr '\0' ' ' <"/proc/$(cat "$T/pid.$i")/cmdline")" = "sleep 10$i " ] || wrong="$wrong $i"
done
is "many may exec at a time, and each pid is told as it is" ':' "$wrong:$(cat "$T/err")"
if ! [ -e /sys/module/apparmor ]; then
	run oci exec --apparmor some "ho$$-two" id
	like "exec does not forget its profile of AppArmor" '1:*apparmorProfile*' "$rc:$err"
fi
ok "all of it ends" oci delete -f "ho$$-two"

# Who may trace others inside, when somebody comes in
config '.process.capabilities[] = ["CAP_SYS_PTRACE"]' 'cd /tmp; while :; do
	for p in /proc/[0-9]*; do [ "$p" = "/proc/$$" ] || grep CapPrm "$p/status"; done; : >ready; done >seen 2>/dev/null'
oci run -d --bundle "$B" "ho$$-trace" </dev/null
wait_for test -e "$rootfs/tmp/ready"
if command -v strace >/dev/null; then
	ok "exec whose every call for capabilities takes its time" timeout 60 \
		strace -f -qq -o /dev/null -e trace=capset -e inject=capset:delay_enter=300000 "$NL" oci exec "ho$$-trace" sh -c 'until grep -q . /tmp/seen; do :; done'
	is "meets nobody before it has no more rights than they" 0000000000080000 "$(sed 's/.*[[:space:]]//' "$rootfs/tmp/seen" | sort -u | xargs)"
fi
oci delete -f "ho$$-trace"
cp "$(program static)" "$rootfs/bin/static"
config '.process.args = ["/bin/static", "hold", "/tmp/holds", "/tmp/held", "/tmp/held.2"] | .process.capabilities[] = ["CAP_SYS_PTRACE"]' ''
oci run -d --bundle "$B" "ho$$-hold" </dev/null >"$T/out"
for held in held held.2; do
	rm -f "$T/rc"
	{
		sh -c 'echo $$ >"$0"; exec "$@"' "$T/comes" "$NL" oci exec "ho$$-hold" sleep 100 2>"$T/err"
		echo $? >"$T/rc"
	} &
	wait_for test -e "$rootfs/tmp/$held"
	kill "$(cat "$T/comes")"
	ok "who comes, is killed inside and not let go of, keeps nobody waiting: $held" wait_for test -s "$T/rc"
	[ -s "$T/rc" ] || kill -9 "$(cat "$T/comes")"
done
oci delete -f "ho$$-hold"

# The same in a pod: who is built sees the host until it is done. He looks for rights of who has no filter, and for the host's root
: >"$T/host"
config '.process.capabilities[] = ["CAP_SYS_PTRACE"]' 'cd /tmp; rm -f ready; while :; do
	for p in /proc/[0-9]*; do [ "$p" = "/proc/$$" ] || { [ -e "$p/root'"$T"'/host" ] && echo host; awk "/^CapPrm/ { c = \$2 } /^Seccomp:/ && ! \$2 { print c }" "$p/status"; }
	done; : >ready; done >seen 2>/dev/null'
oci run -d --bundle "$B" --pid-file "$T/pid" "ho$$-pod" </dev/null
wait_for test -e "$rootfs/tmp/ready"
pod='(.linux.namespaces[] | select(.type == "pid")).path = "/proc/'"$(cat "$T/pid")"'/ns/pid" | .process.capabilities[] = []'
cat >"$T/pod.hook" <<END
#!/bin/sh
readlink /proc/self/ns/pid >$T/hooked
END
chmod 755 "$T/pod.hook"
config "$pod"' | .hooks.createContainer = [{path:"'"$T"'/pod.hook"}] | (.mounts[] | select(.type == "proc")).options = ["nosuid", "noexec", "hidepid=2"]' \
	'until grep -q "^0*$" /tmp/seen; do :; done; ls /proc/1/cmdline && grep " /proc " /proc/self/mountinfo | cut -d " " -f 6'
look=''
command -v strace >/dev/null && look="strace -f -qq -o $T/calls -e trace=capset,fsopen,pivot_root -e inject=capset,fsopen,pivot_root:delay_enter=300000"
# shellcheck disable=SC2086 # words
is "a container of a pod sees its processes, by a proc as it was asked for" '/proc/1/cmdline rw,nosuid,noexec,relatime' \
	"$(timeout 60 $look "$NL" oci run --bundle "$B" "ho$$-in" 2>&1 </dev/null | xargs)"
is "who may trace in there meets nobody who has more rights than those of the container, or sees the host" '0000000000000000 ' "$(sort -u "$rootfs/tmp/seen" | grep -v '^0*80000$' | xargs) "
is "nor a hook" "$(readlink /proc/self/ns/pid)" "$(cat "$T/hooked")"
config "$pod"' | .process.capabilities[] = ["CAP_SYS_ADMIN"]' 'umount -l / 2>/tmp/err; ls /proc/1/cmdline'
is "on an initramfs, too, and nobody takes the root away" /proc/1/cmdline "$(oci run --no-pivot --bundle "$B" "ho$$-in" 2>&1 </dev/null)"
config "$pod" 'exec sleep 1000'
oci run -d --bundle "$B" --pid-file "$T/pid.in" "ho$$-in" </dev/null
is "its pid is that of who is in" 'running sleep 1000 ' "$(oci state "ho$$-in" | jq -r .status) $(tr '\0' ' ' <"/proc/$(cat "$T/pid.in")/cmdline")"
oci delete -f "ho$$-in"
config "$pod"' | .linux.seccomp = {defaultAction:"SCMP_ACT_ALLOW",syscalls:[{names:["accept4"],action:"SCMP_ACT_ERRNO"}]}' true
run oci run --bundle "$B" "ho$$-in"
like "a filter that it could not be started with is said" '1:*filter of system calls*start*' "$rc:$err"
config "$pod" 'echo done'
NSPAWN_LITE_DENY=fsopen run oci run --bundle "$B" "ho$$-in"
like "where that cannot be done it is refused, as there is one who may trace" '1:*CAP_SYS_PTRACE*' "$rc:$err"
config "$pod | $users"' | del(.mounts[] | select(.type == "proc"))' 'echo done'
run oci run --bundle "$B" "ho$$-in"
like "so is one with users of its own" '1:*CAP_SYS_PTRACE*' "$rc:$err"
oci delete -f "ho$$-pod"
# by its name, by more groups than somebody reads, and by a first thread that may not
for how in '["/bin/sh", "-c", "echo CapBnd:0 >/proc/$$/comm; : >/tmp/ready; read x </tmp/none"]' \
	'["/bin/sh", "-c", ": >/tmp/ready; read x </tmp/none"] | .process.user.additionalGids = [range(100000; 101000)]' \
	'["/bin/static", "drop", "/tmp/ready"]'; do
	rm -f "$rootfs/tmp/ready" "$rootfs/tmp/none"
	mkfifo "$rootfs/tmp/none"
	config '.process.capabilities[] = ["CAP_SYS_PTRACE", "CAP_SETPCAP"] | .process.args = '"$how" ''
	oci run -d --bundle "$B" --pid-file "$T/pid" "ho$$-pod" </dev/null >"$T/out"
	wait_for test -e "$rootfs/tmp/ready"
	config '(.linux.namespaces[] | select(.type == "pid")).path = "/proc/'"$(cat "$T/pid")"'/ns/pid"' 'echo done'
	NSPAWN_LITE_DENY=fsopen run oci run --bundle "$B" "ho$$-in"
	like "nor can he hide: $how" '1:*CAP_SYS_PTRACE*' "$rc:$err"
	oci delete -f "ho$$-pod"
done
config '.process.capabilities[] = []' 'sleep 1000'
oci run -d --bundle "$B" --pid-file "$T/pid" "ho$$-pod" </dev/null
config '(.linux.namespaces[] | select(.type == "pid")).path = "/proc/'"$(cat "$T/pid")"'/ns/pid"' 'echo done'
is "and done all the same if there is none" '0:done' "$(NSPAWN_LITE_DENY=fsopen run oci run --bundle "$B" "ho$$-in"; echo "$rc:$out")"
oci delete -f "ho$$-pod"

# Somebody answers calls: of who makes a process in there, too
if command -v python3 >/dev/null; then
	cat >"$T/listen.py" <<'END'
import array, fcntl, json, socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(9)
for told in 'told', 'told.exec':
	c, _ = s.accept()
	data, fds, _, _ = c.recvmsg(65536, 64)
	open(sys.argv[1] + '.' + told, 'w').write(str(json.loads(data)['pid']))
	listener = array.array('i', fds[0][2])[0]
while True:
	try:
		call = bytearray(80)
		fcntl.ioctl(listener, 0xc0502100, call)
		fcntl.ioctl(listener, 0xc0182101, call[:8] + struct.pack('<qiI', 0, 0, 1))
	except OSError:
		break
END
	for calls in '"mkdir"' '"clone", "clone3", "setsid", "mkdir"'; do
		rm -f "$T/s" "$T/s.told"* "$rootfs/tmp/ready"
		python3 "$T/listen.py" "$T/s" 2>"$T/listen.err" &
		listen=$!
		wait_for test -e "$T/s"
		config '.process.capabilities[] = ["CAP_SYS_PTRACE"] | .linux.seccomp = {defaultAction:"SCMP_ACT_ALLOW",listenerPath:"'"$T"'/s",syscalls:[{names:["mkdir"],action:"SCMP_ACT_NOTIFY"}]}' \
			'cd /tmp; while :; do for p in /proc/[0-9]*; do grep -E "^(CapPrm|Seccomp:)" "$p/status"; done; : >ready; done >seen 2>/dev/null'
		oci run -d --bundle "$B" "ho$$-told" </dev/null
		jq '.linux.seccomp.syscalls[0].names = ['"$calls"']' "$B/config.json" >"$T/config"
		cat "$T/config" >"$B/config.json"
		wait_for test -e "$rootfs/tmp/ready"
		ok "exec where somebody is told of $calls" timeout 60 ${look:+strace -f -qq -o /dev/null -e trace=capset,seccomp -e inject=capset,seccomp:delay_enter=300000} \
			"$NL" oci exec --pid-file "$T/pid" "ho$$-told" true
		is "meets nobody before it has its rights and its filter: $calls" '0000000000080000 2' "$(sed 's/.*[[:space:]]//' "$rootfs/tmp/seen" | sort -u | xargs)"
		[ "$calls" != '"mkdir"' ] || is "whom is to be answered is told" "$(cat "$T/pid")" "$(cat "$T/s.told.exec")"
		oci delete -f "ho$$-told"
		wait $listen
	done
fi

# Who does not want to end
if [ -e /sys/fs/cgroup/freezer ]; then
	for how in "delete -f ho$$-ice" "kill --all ho$$-ice KILL"; do
		rm -f "$rootfs/tmp/ready"
		config '(.mounts[] | select(.destination == "/sys/fs/cgroup")).options = []' 'cd /sys/fs/cgroup/freezer && mkdir -p a/b && sleep 99 &
			while [ ! -e /sys/fs/cgroup/freezer/a/b ]; do :; done; cd /sys/fs/cgroup/freezer/a/b; echo $! >cgroup.procs; echo FROZEN >freezer.state; : >/tmp/ready; exec sleep 98'
		"$NL" oci run -d --bundle "$B" "ho$$-ice"
		wait_for test -e "$rootfs/tmp/ready"
		# shellcheck disable=SC2086 # words
		ok "what root inside has frozen ends: $how" oci $how
		stopped() { ! oci state "ho$$-ice" >/dev/null 2>&1 || [ "$(oci state "ho$$-ice" | jq -r .status)" = stopped ]; }
		ok "and all of it" wait_for stopped
	done
	oci delete -f "ho$$-ice"
fi

# Who looks as if it had ended
for how in '' --cgroup-manager=disabled; do
	config '.process.args = ["/bin/static", "leave"] | if "'"$how"'" == "" then . else del(.linux.resources) end' ''
	# shellcheck disable=SC2086 # one word, or none
	oci $how run -d --bundle "$B" --pid-file "$T/pid" "ho$$-leader" >"$T/out"
	has_left() { grep -q '^State:.Z' "/proc/$(cat "$T/pid")/status"; }
	wait_for has_left
	is "one whose first thread has ended goes on: $how" "running $(cat "$T/pid")" "$(oci state "ho$$-leader" | jq -r '"\(.status) \(.pid)"')"
	run oci delete "ho$$-leader"
	like "is not deleted" '1:*it is running*' "$rc:$err"
	ok "and is killed" oci kill "ho$$-leader" KILL
	ok "for good" wait_for sh -c "! kill -0 $(cat "$T/pid") 2>/dev/null"
	oci delete -f "ho$$-leader"
done

# Who has a control group of the same name elsewhere
pids=/sys/fs/cgroup/pids ice=/sys/fs/cgroup/freezer/ho-held$$
if [ -e $pids/cgroup.procs ] && mkdir "$ice" 2>/dev/null; then
	config '.linux.cgroupsPath = "/ho-a'$$'/same" | .linux.namespaces -= [{type:"pid"}]' 'exec sleep 97'
	oci run -d --bundle "$B" "ho$$-same"
	mkdir -p "$pids/ho-b$$/same"
	sleep 1000 &
	other=$!
	echo $other >"$pids/ho-b$$/same/cgroup.procs"
	# in its group there is one who does not end
	sleep 1000 &
	held=$!
	echo $held >"$ice/cgroup.procs"
	echo FROZEN >"$ice/freezer.state"
	echo $held >"$pids/ho-a$$/same/cgroup.procs"
	ok "even who is held elsewhere ends with a container" oci delete -f "ho$$-same"
	ok "but nobody of a group that has the same name" kill -9 $other
	wait $held $other 2>"$T/err"
	rmdir "$ice" "$pids/ho-b$$/same" "$pids/ho-b$$"
	find /sys/fs/cgroup -maxdepth 2 -name "ho-a$$" -exec rmdir {} +
fi

# Who hides in a control group whose name begins with a dot
if [ -e $pids/cgroup.procs ]; then
	config '(.mounts[] | select(.destination == "/sys/fs/cgroup")).options = []' 'sleep 96 & for d in pids systemd cpu memory; do
		mkdir /sys/fs/cgroup/$d/.x && echo $! >/sys/fs/cgroup/$d/.x/cgroup.procs; done 2>/dev/null; : >/tmp/hidden; exec sleep 95'
	rm -f "$rootfs/tmp/hidden"
	oci run -d --bundle "$B" "ho$$-dot"
	wait_for test -e "$rootfs/tmp/hidden"
	is "is listed" "2" "$(oci ps --format json "ho$$-dot" | jq length)"
	ok "and goes" oci delete -f "ho$$-dot"
fi

rmdir "$T/root/run/nspawn-lite-oci"
leftovers_after "nothing stays when containers are gone"
done_testing
