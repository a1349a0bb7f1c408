#!/bin/sh
# What the OCI runtime-spec demands of a runtime: the operations and their order, hooks, and each member of
# config.json as it is seen from inside. RUNTIME=/usr/sbin/runc tries the same with another runtime.
# shellcheck disable=SC2016,SC2034,SC2317 # for the shell inside; by config; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=client.sh
. "${0%/*}/client.sh"
leftovers_before

o() { run timeout 60 "$RUN" --root "$T/state" "$@" </dev/null; }
n=0
B=$T/b
mkdir "$B"
cp -a "$("$TESTDIR/trees" busybox)" "$B/rootfs"

plain() {
	version=1.0.2 args='["sh","/do"]' user='{"uid":0,"gid":0}' env='' cwd=/ process='' root='' top='' mounts='' hooks=''
	spaces='{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"network"}' linux='' members=''
	caps='["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_KILL","CAP_SETGID","CAP_SETUID","CAP_MKNOD","CAP_SYS_ADMIN"]'
}
# config SCRIPT : of what plain set, and what was changed since
config() {
	printf '%s\n' "$1" >"$B/rootfs/do"
	[ -z "$caps" ] || members=",\"capabilities\":{\"bounding\":$caps,\"effective\":$caps,\"permitted\":$caps}"
	cat >"$B/config.json" <<-END
	{"ociVersion":"$version",
	"process":{"terminal":false,"user":$user,"args":$args,"env":["PATH=/bin:/sbin"$env],"cwd":"$cwd"$members$process},
	"root":{"path":"rootfs"$root},"hostname":"conf",
	"mounts":[{"destination":"/proc","type":"proc","source":"proc"},
	{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755","size=65536k"]},
	{"destination":"/dev/pts","type":"devpts","source":"devpts","options":["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620"]},
	{"destination":"/dev/shm","type":"tmpfs","source":"shm","options":["nosuid","noexec","nodev","mode=1777","size=1024k"]},
	{"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]}$mounts],
	"linux":{"namespaces":[$spaces]$linux}$hooks$top}
	END
}
# says SENTENCE WANT SCRIPT : what the script prints, as words
says() {
	n=$((n + 1))
	config "$3"
	o run -b "$B" "c$n.$$"
	like "$1" "$2" "$(echo "$out $err" | tr -d "'\"" | xargs)"
	[ "$rc" = 0 ] || note "status $rc"
	plain
}
# refuses SENTENCE [WORDS] : create fails, and nothing stays
refuses() {
	n=$((n + 1))
	config true
	o create -b "$B" "c$n.$$"
	if [ "$rc" = 0 ]; then
		"$RUN" --root "$T/state" delete -f "c$n.$$"
	fi
	unlike "$1" 0 "$rc"
	[ $# = 1 ] || ! ours_is || like "$1: by its name" "*$2*" "$err"
	o state "c$n.$$"
	unlike "$1: it is not there" 0 "$rc"
	plain
}
# state ID : its status
state() { o state "$1"; echo "$out" | tr -d ' \n' | sed 's/.*"status":"\([a-z]*\)".*/\1/'; }
is_now() { [ "$(state "$1")" = "$2" ]; }
member() { echo "$out" | tr -d ' \n' | sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p'; }
# create ID : with nobody at its ends
create() { timeout 60 "$RUN" --root "$T/state" create -b "$B" "$@" </dev/null >"$T/out" 2>&1; }
plain

# ---- operations -----------------------------------------------------------------------------

config 'echo ran >>/ran; trap "exit 3" TERM; while :; do sleep 0.1; done'
o create -b "$B"
unlike 'create wants an id' 0 "$rc"
for verb in state start kill delete; do
	o "$verb" none.$$
	unlike "$verb of what is not there" 0 "$rc"
done
for id in ../x a/b '' . ..; do
	o create -b "$B" "$id"
	unlike "an id that is none: '$id'" 0 "$rc"
done
ok 'create' create "life.$$" --pid-file "$T/pid"
o state "life.$$"
is 'state: it is created' "life.$$ created $B" "$(member id) $(member status) $(member bundle)"
is 'state: its process is in the pid file' "$(cat "$T/pid")" "$(member pid)"
like 'state: a version of the spec' '1.[0-9]*' "$(member ociVersion)"
ok 'no program runs yet' test ! -e "$B/rootfs/ran"
o create -b "$B" "life.$$"
unlike 'an id is there once' 0 "$rc"
is 'and the first stays' created "$(state "life.$$")"
printf '{"broken' >"$B/config.json"
o start "life.$$"
is 'start; config.json is not read any more' 0 "$rc"
ok 'the program runs' wait_for test -s "$B/rootfs/ran"
is 'it is running' running "$(state "life.$$")"
o start "life.$$"
unlike 'start again' 0 "$rc"
is 'has no effect' running "$(state "life.$$")"
o delete "life.$$"
unlike 'delete of what runs' 0 "$rc"
is 'has no effect either' running "$(state "life.$$")"
o kill "life.$$" NOSUCH
unlike 'a signal that is none' 0 "$rc"
o kill "life.$$" TERM
is 'kill' 0 "$rc"
ok 'it is stopped' wait_for is_now "life.$$" stopped
o kill "life.$$" TERM
unlike 'kill of what is stopped' 0 "$rc"
o start "life.$$"
unlike 'start of what is stopped' 0 "$rc"
is 'it ran once' ran "$(cat "$B/rootfs/ran")"
o delete "life.$$"
is 'delete' 0 "$rc"
o state "life.$$"
unlike 'it is gone' 0 "$rc"
o delete "life.$$"
unlike 'delete again' 0 "$rc"
config true
ok 'its id can be had again' create "life.$$"
o kill "life.$$" KILL
is 'kill of what is created' 0 "$rc"
ok 'ends it' wait_for is_now "life.$$" stopped
o delete "life.$$"
is 'delete of what never ran' 0 "$rc"
ok 'created' create "life.$$"
o delete --force "life.$$"
is 'delete by force' 0 "$rc"
o delete --force "life.$$"
is 'by force also what is not there' 0 "$rc"
for sig in 10 USR1 SIGUSR1; do
	config 'trap "echo got >/got; exit 0" USR1; echo >/ready; while :; do sleep 0.1; done'
	rm -f "$B/rootfs/got" "$B/rootfs/ready"
	create "sig.$$" && o start "sig.$$"
	wait_for test -e "$B/rootfs/ready"
	o kill "sig.$$" "$sig"
	ok "kill with $sig" wait_for test -e "$B/rootfs/got"
	wait_for is_now "sig.$$" stopped
	o delete "sig.$$"
done
config 'exit 42'
o run -b "$B" "status.$$"
is 'run gives the status' 42 "$rc"
o state "status.$$"
unlike 'and deletes' 0 "$rc"
echo data | timeout 60 "$RUN" --root "$T/state" run -b "$B" "in.$$" >"$T/out" 2>&1
plain
process=''
top=',"annotations":{"org.x":"y"},"unknown":{"a":[1,2,{"b":null}]},"vm":null'
linux=',"strange":true'
config 'sleep 1000'
case $(ours_is; echo $?) in 0) top=',"annotations":{"org.x":"y"},"unknown":{"a":[1,2,{"b":null}]}' ; config 'sleep 1000' ;; esac
ok 'what the spec does not know is passed over' create "known.$$"
o state "known.$$"
is 'annotations are in its state' y "$(member org.x)"
o delete -f "known.$$"
plain

# ---- hooks ----------------------------------------------------------------------------------

cat >"$T/hook" <<'END'
#!/bin/sh
read -r state
echo "$1 $(echo "$state" | tr -d ' ' | sed 's/.*"status":"\([a-z]*\)".*/\1/') $(pwd) ${A-unset}$(env | grep -c PATH)" >>"${0%/*}/hooks"
[ "$2" != fail ]
END
sed 's|"${0%/\*}/hooks"|/hooks|' "$T/hook" >"$B/rootfs/hook"
chmod 755 "$T/hook" "$B/rootfs/hook"
hook() { printf '"%s":[{"path":"%s","args":["hook","%s"%s],"env":["A=b"],"timeout":10}]' "$1" "$2" "$1" "${3:+,\"$3\"}"; }
outer="$(hook prestart "$T/hook"),$(hook createRuntime "$T/hook"),$(hook poststart "$T/hook"),$(hook poststop "$T/hook")"
mkdir "$B/rootfs/empty"
hooks=",\"hooks\":{$outer,$(hook createContainer "$T/hook"),$(hook startContainer /hook)}"
config 'echo ran >>/hooks'
rm -f "$T/hooks"
ok 'create with hooks' create "hooks.$$"
# runc calls poststart here already
is 'prestart, createRuntime, createContainer come before' \
	'prestart createRuntime createContainer' "$(ours_is || sed -i '/poststart/d' "$T/hooks"; sed 's/ .*//' "$T/hooks" | xargs)"
like 'their status is created or being created, their environment is their own' 'creat* b0' "$(sed -n 's/prestart //p' "$T/hooks" | sed 's/ [^ ]* / /')"
is 'prestart is called in the bundle' "$B" "$(awk '$1 == "prestart" { print $3 }' "$T/hooks")"
ok 'no hook of the start yet' test ! -e "$B/rootfs/hooks"
o start "hooks.$$"
ok 'the program runs' wait_for grep -q ran "$B/rootfs/hooks"
like 'startContainer comes before it, in the container' 'startContainer create[d] / b? ran' "$(xargs <"$B/rootfs/hooks")"
! ours_is || like 'poststart comes behind' '*poststart running*' "$(cat "$T/hooks")"
wait_for is_now "hooks.$$" stopped
is 'poststop is not yet called' 0 "$(grep -c poststop "$T/hooks")"
o delete "hooks.$$"
like 'poststop comes with delete' '*poststop stopped*' "$(cat "$T/hooks")"
rm -f "$B/rootfs/hooks" "$T/hooks"
for which in prestart createRuntime createContainer; do
	plain
	hooks=",\"hooks\":{$(hook "$which" "$T/hook" fail),$(hook poststop "$T/hook")}"
	refuses "a $which hook that fails"
done
plain
hooks=",\"hooks\":{$(hook poststop "$T/hook" fail)}"
says 'a poststop hook that fails is nothing but a warning' 'ran*' 'echo ran'
hooks=',"hooks":{"prestart":[{"path":"relative"}]}'
refuses 'a hook without an absolute path' path
hooks=",\"hooks\":{\"prestart\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"test \$SAYS_$$ = ours\"]}]}"
export "SAYS_$$=ours"
says 'a hook without an environment of its own has ours' ran 'echo ran'
if ours_is; then
	mkfifo "$T/gate"
	hooks=",\"hooks\":{\"prestart\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\": <$T/gate\"]}]}"
	config 'exit 0'
	create "gate.$$" &
	wait_for is_now "gate.$$" creating
	timeout 60 "$RUN" --root "$T/state" start "gate.$$" >"$T/out2" 2>&1 &
	starter=$!
	: >"$T/gate"
	ok 'start waits for create' wait "$starter"
	wait_for is_now "gate.$$" stopped
	o delete "gate.$$"
	plain
fi
hooks=",\"hooks\":{\"prestart\":[{\"path\":\"/bin/sleep\",\"args\":[\"sleep\",\"100\"],\"timeout\":1}]}"
refuses 'a hook that takes too long'
rm -f "$B/rootfs/hook" "$T/hooks"

# ---- process --------------------------------------------------------------------------------

env=',"A=1","B=x y","EMPTY="' cwd=/home
says 'environment and directory' '1 x y <> /home' 'echo "$A $B <$EMPTY> $(pwd)"'
cwd=/made/here
says 'a directory that is made' '*/made/here*' 'pwd'
cwd=/made/late root=',"readonly":true'
says 'also in a root to read' '*/made/late*' 'pwd'
env=',"A=1","AB=2","A=3"' args='["cat","/proc/self/environ"]'
says 'of two variables with one name there is the last' 'PATH=/bin:/sbinAB=2A=3HOME=*' true
cwd=relative
refuses 'a directory that is relative' cwd
args='[]'
refuses 'no program' args
args='["/no/such"]'
refuses 'a program that is not there' /no/such
args='["/etc/passwd"]'
refuses 'a program that cannot be executed' /etc/passwd
user='{"uid":1000,"gid":1001,"additionalGids":[5,29],"umask":23}' caps=''
says 'user, groups, umask' '1000 1001 1001 5 29 0027' 'echo "$(id -u) $(id -g) $(id -G) $(umask)"'
mkdir -m 700 "$B/rootfs/closed"
cwd=/closed user='{"uid":1000,"gid":1000}' caps=''
says 'a directory that is closed to the user, but not to us' /closed 'readlink /proc/self/cwd'
caps='["CAP_CHOWN","CAP_NET_BIND_SERVICE"]'
says 'rights' '0000000000000000 0000000000000401 0000000000000401 0000000000000401 0000000000000000' \
	'sed -n "s/^Cap[A-Z][a-z]*:.//p" /proc/self/status'
user='{"uid":1000,"gid":1000}' caps=''
members=',"capabilities":{"bounding":["CAP_KILL","CAP_CHOWN"],"effective":["CAP_KILL"],"permitted":["CAP_KILL"],"inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]}'
says 'rights of a user by the ambient set' '0000000000000020 0000000000000020 0000000000000020 0000000000000021 0000000000000020' \
	'sed -n "s/^Cap[A-Z][a-z]*:.//p" /proc/self/status'
user='{"uid":1000,"gid":1000}' caps=''
members=',"capabilities":{"bounding":["CAP_KILL"],"inheritable":["CAP_KILL"]}'
says 'rights that a user has to inherit only' '0000000000000020 0000000000000000' \
	'sed -n "s/^Cap\(Inh\|Eff\):.//p" /proc/self/status'
process=',"noNewPrivileges":true'
says 'no new privileges' 'NoNewPrivs: 1' 'grep NoNewPrivs /proc/self/status'
process=',"oomScoreAdj":100'
says 'oomScoreAdj' 100 'cat /proc/self/oom_score_adj'
process=',"rlimits":[{"type":"RLIMIT_NOFILE","soft":50,"hard":60},{"type":"RLIMIT_CORE","soft":0,"hard":0},{"type":"RLIMIT_STACK","soft":4194304,"hard":8388608}]'
says 'rlimits' '50 60 0 4096' 'ulimit -n; ulimit -Hn; ulimit -c; ulimit -s'
process=',"rlimits":[{"type":"RLIMIT_TEST","soft":50,"hard":60}]'
refuses 'an unknown rlimit' RLIMIT_TEST
process=',"rlimits":[{"type":"RLIMIT_NOFILE","soft":50,"hard":60},{"type":"RLIMIT_NOFILE","soft":51,"hard":60}]'
if ours_is; then
	refuses 'an rlimit twice' RLIMIT_NOFILE
fi
plain
config true
sed 's/"1.0.2"/"2.0.0"/' "$B/config.json" >"$B/other"
version=2.0.0
if ours_is; then
	refuses 'another version of the spec' ociVersion
fi
plain

# ---- root and mounts ------------------------------------------------------------------------

root=',"readonly":true'
says 'a root to read' '*Read-only*' 'touch /x'
says 'a root to write' written 'touch /x && echo written'
says 'the name' conf hostname
says 'devices' 'crw-rw-rw- crw-rw-rw- crw-rw-rw- crw-rw-rw- crw-rw-rw- crw-rw-rw-' \
	'ls -l /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty | cut -c1-10'
says 'links' '/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 *ptmx' \
	'for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done'
says 'mounts and their options' '*/dev/pts devpts rw,nosuid,noexec*mode=620*' 'cat /proc/self/mounts'
mkdir -p "$T/src/below" "$T/other"
echo file >"$T/src/f"
mount -t tmpfs deep "$T/src/below"
echo deep >"$T/src/below/f"
mounts=",{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"$T/src\",\"options\":[\"bind\",\"ro\",\"nosuid\"]}"
says 'a bind has nothing below' 'file Read-only*' 'cat /m/f /m/below/f 2>/dev/null; touch /m/x 2>&1 | sed "s/.*: //"'
mounts=",{\"destination\":\"/m\",\"type\":\"none\",\"source\":\"$T/src\",\"options\":[\"rbind\",\"rw\"]}"
says 'an rbind has' 'file deep' 'cat /m/f /m/below/f'
mounts=",{\"destination\":\"/a/b/f\",\"source\":\"$T/src/f\",\"options\":[\"bind\"]}"
says 'a file, where nothing was' file 'cat /a/b/f'
mounts=',{"destination":"/one","type":"tmpfs","source":"t","options":["size=64k"]},{"destination":"/one/two","type":"tmpfs","source":"u","options":["mode=700","noatime"]}'
says 'in the order they are listed' '*u /one/two tmpfs *noatime*mode=700*' 'grep one /proc/self/mounts'
mounts=',{"destination":"/one","type":"nosuchfs","source":"t"}'
refuses 'a file system that is not there' nosuchfs
mounts=',{"destination":"/one","type":"bind","source":"/no/such/source","options":["bind"]}'
refuses 'a source that is not there' /no/such/source
umount "$T/src/below"
linux=',"maskedPaths":["/etc/passwd","/home","/not/there"],"readonlyPaths":["/etc","/not/there/either"]'
says 'masked and read-only paths' '0 0 Read-only*' 'wc -c </etc/passwd; ls /home | wc -l; touch /etc/x 2>&1 | sed "s/.*: //"'
linux=',"rootfsPropagation":"private"'
says 'rootfsPropagation' '/ -' 'awk "\$5 == \"/\" { print \$5, \$7 }" /proc/self/mountinfo'
if ours_is; then
	linux=',"rootfsPropagation":"shared"'
	says 'rootfsPropagation: shared' '/ shared:*' 'awk "\$5 == \"/\" { print \$5, \$7 }" /proc/self/mountinfo'
	linux=',"rootfsPropagation":"unbindable"'
	says 'rootfsPropagation: unbindable' '/ unbindable*' 'awk "\$5 == \"/\" { print \$5, \$7 }" /proc/self/mountinfo'
fi
linux=',"rootfsPropagation":"strange"'
refuses 'one that is none' rootfsPropagation

# ---- linux ----------------------------------------------------------------------------------

ids() { for i in "$@"; do readlink "$i"; done | tr -d '[]' | xargs; }
says 'namespaces of its own' 0 "for i in pid ipc uts mnt net; do readlink /proc/self/ns/\$i; done |
	grep -cxF '$(for i in pid ipc uts mnt net; do readlink "/proc/self/ns/$i"; done)'"
spaces='{"type":"mount"},{"type":"pid"},{"type":"uts"}'
says 'others are those of the caller' "$(ids /proc/self/ns/ipc /proc/self/ns/net)" \
	'for i in ipc net; do readlink /proc/self/ns/$i; done | tr -d "[]"'
unshare -n -i -u sleep 1000 &
holder=$!
# shellcheck disable=SC3013 # every shell we meet has -ef
differs() { ! [ "/proc/$holder/ns/net" -ef /proc/self/ns/net ]; }
wait_for differs
spaces="{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\",\"path\":\"/proc/$holder/ns/ipc\"},{\"type\":\"network\",\"path\":\"/proc/$holder/ns/net\"},{\"type\":\"uts\"}"
says 'namespaces by path' "$(ids "/proc/$holder/ns/ipc" "/proc/$holder/ns/net")" \
	'for i in ipc net; do readlink /proc/self/ns/$i; done | tr -d "[]"'
spaces="{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\",\"path\":\"/proc/$holder/ns/net\"},{\"type\":\"uts\"}"
refuses 'a path of another kind'
spaces='{"type":"pid"},{"type":"mount"},{"type":"ipc","path":"/no/such"},{"type":"uts"}'
refuses 'a path that is not there' /no/such
kill "$holder"
wait "$holder" 2>/dev/null
spaces='{"type":"pid"},{"type":"mount"},{"type":"pid"},{"type":"uts"}'
refuses 'a namespace twice' namespaces
spaces='{"type":"pid"},{"type":"mount"},{"type":"other"},{"type":"uts"}'
refuses 'a namespace that is none' namespaces
plain
linux=',"devices":[{"path":"/dev/made","type":"c","major":1,"minor":3,"fileMode":432,"uid":5,"gid":6},{"path":"/dev/fifo","type":"p","fileMode":420}]'
says 'devices that are made' 'crw-rw---- 5 6 1, 3 prw-r--r--' \
	'ls -ln /dev/made | awk "{ print \$1, \$3, \$4, \$5, \$6 }"; ls -l /dev/fifo | cut -c1-10'
linux=',"devices":[{"path":"/dev/made","type":"x","major":1,"minor":3}]'
refuses 'devices of no kind' devices
linux=',"sysctl":{"kernel.msgmax":"5000","net.ipv4.ip_forward":"1"}'
says 'sysctls' '5000 1' 'cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward'
linux=',"sysctl":{"kernel.panic":"77"}'
refuses 'a sysctl of the host' kernel.panic
linux=',"sysctl":{"kernel.hostname":"x"}'
refuses 'a sysctl that is the name of the host' kernel.hostname
isnt=$(cat /proc/sys/kernel/panic)
unlike 'which is as it was' 77 "$isnt"
spaces='{"type":"pid"},{"type":"mount"},{"type":"uts"},{"type":"ipc"},{"type":"network"},{"type":"user"}'
linux=',"uidMappings":[{"containerID":0,"hostID":100000,"size":1000},{"containerID":1000,"hostID":300000,"size":1}],"gidMappings":[{"containerID":0,"hostID":200000,"size":2000}]'
chmod 711 "$T/b"
chown 100000:200000 "$B/rootfs" "$B/rootfs/do"
says 'users' '0 100000 1000 1000 300000 1 0 200000 2000 0 0' 'cat /proc/self/uid_map /proc/self/gid_map; ls -lnd / | awk "{ print \$3, \$4 }"'
chown 0:0 "$B/rootfs" "$B/rootfs/do"
linux=',"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mkdir","mkdirat","nosuchcall"],"action":"SCMP_ACT_ERRNO"}]}'
says 'seccomp' '*not permitted* 2' 'mkdir /tmp/d 2>&1; sed -n "s/^Seccomp:.//p" /proc/self/status'
linux=',"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}'
hooks=',"hooks":{"startContainer":[{"path":"/bin/mkdir","args":["mkdir","/hooked"]}]}'
config true
o run -b "$B" "hooked.$$"
like 'and the same for hooks inside' '[1-9]* startContainer' "$rc $(echo "$err" | grep -o startContainer | head -n 1)"
"$RUN" --root "$T/state" delete -f "hooked.$$"
plain
linux=',"seccomp":{"defaultAction":"SCMP_ACT_STRANGE"}'
refuses 'seccomp with an action that is none' SCMP_ACT_STRANGE

# ---- groups ---------------------------------------------------------------------------------

at() {
	top_of=$(awk -v c="$1" '$3 == "cgroup" && "," $4 "," ~ "," c "," { print $2; exit }' /proc/self/mounts)
	cat "${top_of:-$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)}/conf$$/c/$2"
}
v1=''
! grep -q '^[^ ]* [^ ]* cgroup ' /proc/self/mounts || v1=y
linux=",\"cgroupsPath\":\"/conf$$/c\",\"resources\":{\"memory\":{\"limit\":50003968,\"reservation\":25001984},\"pids\":{\"limit\":33},\"cpu\":{\"shares\":1024,\"quota\":40000,\"period\":100000,\"cpus\":\"0\"},\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rw\"}]}"
rm -f "$B/rootfs/said"
config 'mknod /tmp/k c 1 11; head -c 1 /tmp/k >/dev/null 2>&1 || echo denied >/said; : >/dev/null && echo allowed >>/said; sleep 1000'
ok 'groups by their path' create "group.$$"
if [ -n "$v1" ]; then
	is 'memory, processes, processors' '50003968 25001984 33 1024 40000 100000 0' \
		"$(for i in memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes pids/pids.max cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpuset/cpuset.cpus; do
			at "${i%/*}" "${i#*/}"; done | xargs)"
else
	is 'memory, processes, processors' '50003968 25001984 33 40000 100000 0' \
		"$(for i in memory.max memory.low pids.max cpu.max cpuset.cpus; do at x "$i"; done | xargs)"
fi
o start "group.$$"
ok 'devices' wait_for grep -q allowed "$B/rootfs/said"
is 'only those that are allowed' 'denied allowed' "$(xargs <"$B/rootfs/said")"
printf '{"memory":{"limit":60006400},"pids":{"limit":44},"cpu":{"shares":512}}\n' >"$T/limits"
o update -r "$T/limits" "group.$$"
is 'update' 0 "$rc"
is 'other limits' '60006400 44' "$(if [ -n "$v1" ]; then at memory memory.limit_in_bytes; else at x memory.max; fi | xargs) $(at pids pids.max)"
o pause "group.$$"
is 'pause' '0 paused' "$rc $(state "group.$$")"
o resume "group.$$"
is 'resume' '0 running' "$rc $(state "group.$$")"
o events --stats "group.$$"
like 'stats' '*"pids"*"current":2*' "$(echo "$out" | tr -d ' \n')"
o ps --format json "group.$$"
like 'its processes' '?[0-9]*]' "$(echo "$out" | tr -d ' \n')"
o list -q
is 'list' "group.$$" "$out"
o exec "group.$$" sh -c 'echo "$0 $(cat /proc/1/comm)"; exit 6'
is 'exec' '6 sh sh' "$rc $out"
printf '{"cwd":"/home","args":["sh","-c","pwd; id -u; echo $A"],"env":["A=b","PATH=/bin"],"user":{"uid":1000,"gid":1000}}\n' >"$T/process"
o exec --process "$T/process" "group.$$"
is 'exec of a process' '0 /home 1000 b' "$(echo "$rc $out" | xargs)"
o delete -f "group.$$"
is 'its group goes' '' "$(find /sys/fs/cgroup -type d -path "*/conf$$/c" 2>/dev/null)"
find /sys/fs/cgroup -depth -type d -name "conf$$" -exec rmdir {} + 2>/dev/null

o list -q
is 'nothing is left in the list' '' "$out"
rm -rf "$T/state"
leftovers_after 'nothing stays'
done_testing
