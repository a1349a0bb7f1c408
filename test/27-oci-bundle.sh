#!/bin/sh
# --oci-bundle: what the config.json of a bundle says is so inside, as with the
# original; what a machine cannot do is refused by its name.
# shellcheck disable=SC2016,SC2030,SC2031 # what stands in single quotes is for shells inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need python3

rootfs=$(tree busybox)
b=$T/bundle
mkdir "$b" "$T/data" "$T/data/below" "$T/upper" "$T/lower" "$T/low2" || exit
ln -s "$rootfs" "$b/rootfs"
echo seen >"$T/data/file"
echo low >"$T/lower/file"
echo low2 >"$T/low2/file"
echo 'user:x:1000:1000::/home:/bin/sh' >>"$rootfs/etc/passwd"
mkdir -p "$rootfs/masked" "$rootfs/fixed" "$rootfs/data" "$rootfs/scratch"
echo 1 >"$rootfs/masked/secret"

# config [STATEMENTS] : the config.json of a plain bundle, which these of Python change
config() {
	B=$b D=$T python3 - "${1:-}" <<-'END'
	import json, os, sys
	D = os.environ['D']
	kinds = 'pid network ipc uts mount cgroup'.split()
	process = {'args': ['sh', '-c', 'true'], 'cwd': '/', 'env': ['PATH=/usr/bin:/bin'], 'user': {'uid': 0, 'gid': 0}}
	linux = {'namespaces': [{'type': k} for k in kinds]}
	c = {'ociVersion': '1.0.0', 'process': process, 'root': {'path': 'rootfs'}, 'mounts': [
		{'destination': '/proc', 'type': 'proc', 'source': 'proc'},
		{'destination': '/dev', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['nosuid', 'strictatime', 'mode=755', 'size=65536k']},
		{'destination': '/dev/pts', 'type': 'devpts', 'source': 'devpts', 'options': ['nosuid', 'noexec', 'newinstance', 'gid=5']},
		{'destination': '/dev/shm', 'type': 'tmpfs', 'source': 'shm', 'options': ['nosuid', 'noexec', 'nodev', 'mode=1777']},
		{'destination': '/dev/mqueue', 'type': 'mqueue', 'source': 'mqueue', 'options': ['nosuid', 'noexec', 'nodev']},
		{'destination': '/sys', 'type': 'sysfs', 'source': 'sysfs', 'options': ['nosuid', 'noexec', 'nodev', 'ro']},
	], 'linux': linux}
	def bind(src, dst, *options, kind='bind'):
	    c['mounts'].append({'destination': dst, 'type': kind, 'source': src, 'options': list(options)})
	exec(sys.argv[1])
	with open(os.environ['B'] + '/config.json', 'w') as f:
	    json.dump(c, f, indent=1)
	END
}
# sh_ SCRIPT : the statement that lets the process be a shell with it
sh_() { printf "process['args'] = ['sh', '-c', r'''%s\n''']\n" "$1"; }
# inside SCRIPT [STATEMENTS [WORD...]]
inside() {
	config "$(sh_ "$1")
${2:-}"
	if [ $# -gt 2 ]; then
		shift 2
	else
		shift $#
	fi
	run timeout 30 "$NL" -q --oci-bundle="$b" "$@"
	echo "$rc $out${err:+ $err}" | tr '\n' ' ' | sed 's/ $//'
}

is 'its process runs, and its status comes through' '7 hi' "$(inside 'echo hi; exit 7')"
is 'its directory' '0 /home' "$(inside pwd "process['cwd'] = '/home'")"
is 'its environment' '0 b c:d' "$(inside 'echo $A $B' "process['env'] += ['A=b', 'B=c:d']")"
is 'words with blanks and what a shell would take' "0 a b|*|" \
	"$(config "process['args'] = ['printf', '%s|', 'a b', '*']"; run "$NL" -q --oci-bundle="$b"; echo "$rc $out")"
is 'its host name' '0 box' "$(inside hostname "c['hostname'] = 'box'")"
is 'a domain, too' '0 lan' "$(inside 'cat /proc/sys/kernel/domainname' "c['domainname'] = 'lan'")"
is 'the name of its directory is that of the machine' '0 bundle' "$(inside hostname)"
is 'user and groups are numbers' '0 1234 55 55 66 77' \
	"$(inside 'id -u; id -g; id -G' "process['user'] = {'uid': 1234, 'gid': 55, 'additionalGids': [66, 77]}")"
is 'or one of the tree, without the groups that it has there' '0 uid=1000(user) gid=9 groups=9' \
	"$(inside id "process['user'] = {'uid': 1000, 'gid': 9}" | sed 's/(uucp)//g')"
caps="process['capabilities'] = {k: ['CAP_KILL', 'CAP_CHOWN'] for k in ('bounding', 'effective', 'permitted')}"
is 'capabilities are those' '0 CapEff: 0000000000000021 CapBnd: 0000000000000021 NoNewPrivs: 1' \
	"$(inside 'grep -E "Cap(Eff|Bnd)|NoNew" /proc/self/status' "$caps
process['noNewPrivileges'] = True" | tr '\t' ' ')"
is 'of a user the ambient ones' '0 CapEff: 0000000000000020 CapAmb: 0000000000000020' \
	"$(inside 'grep -E "Cap(Eff|Amb)" /proc/self/status' "$caps
process['capabilities']['ambient'] = ['CAP_KILL']
process['user'] = {'uid': 1000, 'gid': 1000}" | tr '\t' ' ')"
is 'none is none' '0 CapBnd: 0000000000000000' \
	"$(inside 'grep CapBnd /proc/self/status' "process['capabilities'] = {}" | tr '\t' ' ')"
is 'limits of a process' '0 99 100 unlimited' "$(inside 'ulimit -Sn; ulimit -Hn; ulimit -c' \
	"process['rlimits'] = [{'type': 'RLIMIT_NOFILE', 'soft': 99, 'hard': 100}, {'type': 'RLIMIT_CORE', 'soft': 2**64-1, 'hard': 2**64-1}]")"
is 'how gladly it is killed' '0 123' "$(inside 'cat /proc/self/oom_score_adj' "process['oomScoreAdj'] = 123")"
like 'a root that cannot be written to' '1 *Read-only file system' "$(inside 'echo x >/x' "c['root']['readonly'] = True")"

flags() { printf '%s' "grep -F ' $1 ' /proc/self/mountinfo | cut -d ' ' -f 6 | tr , '\n' | grep -E '^(ro|rw|nosuid|nodev|noexec)\$'"; }
is 'a directory of the host' '0 seen rw' "$(inside "cat /data/file; $(flags /data)" "bind(D + '/data', '/data', 'rbind')")"
is 'whose path is relative to the bundle' '0 config.json' "$(inside 'cd /data; ls config.json' "bind('.', '/data', 'bind')")"
is 'with flags' '0 ro nosuid nodev noexec' \
	"$(inside "$(flags /data)" "bind(D + '/data', '/data', 'rbind', 'ro', 'nosuid', 'nodev', 'noexec', 'rprivate')")"
is 'and on a kernel without mount_setattr, of one mount' '0 rw nosuid noexec' \
	"$(export NSPAWN_LITE_DENY=mount_setattr; inside "$(flags /data)" "bind(D + '/data', '/data', 'bind', 'nosuid', 'noexec')")"
like 'which is said of all below it' '1 *Linux 5.12; norbind goes*' \
	"$(export NSPAWN_LITE_DENY=mount_setattr; inside true "bind(D + '/data', '/data', 'rbind', 'nosuid')")"
is 'a place in memory' '0 tmpfs 1777 ro' \
	"$(inside "stat -f -c %T /scratch; stat -c %a /scratch; $(flags /scratch) | head -n 1" \
	"bind('tmpfs', '/scratch', 'ro', 'mode=1777', 'size=1m', kind='tmpfs')")"
is 'an overlay, the first of whose layers lies on top' '0 low2' "$(inside 'cat /data/file; echo new >/data/new' \
	"bind('o', '/data', 'lowerdir=' + D + '/low2:' + D + '/lower', 'upperdir=' + D + '/upper', 'workdir=' + D + '/work', kind='overlay')")"
is 'whose changes are kept' new "$(cat "$T/upper/new")"
like 'what is masked, and what cannot be changed' '0 no no no 1 *' "$(inside 'cat /masked/secret 2>/dev/null || echo no
	touch /fixed/x 2>/dev/null || echo no; head -c 1 /proc/kcore 2>/dev/null || echo no; echo 1 >/proc/sys/net/ipv4/ip_forward 2>/dev/null; echo $?' \
	"linux['maskedPaths'] = ['/masked', '/proc/kcore', '/proc/acpi', '/proc/none', '/sys/firmware', '/none']
linux['readonlyPaths'] = ['/fixed', '/proc/bus', '/proc/sys', '/proc/sysrq-trigger', '/none']")"

is 'a network of its own' '0 lo' "$(inside 'ls /sys/class/net')"
is 'or the host'\''s' "0 $(readlink /proc/self/ns/net)" "$(inside 'readlink /proc/self/ns/net' \
	"linux['namespaces'] = [n for n in linux['namespaces'] if n['type'] != 'network']")"
for kind in pid ipc uts; do
	is "so of $kind" "0 $(readlink "/proc/self/ns/$kind")" "$(inside "readlink /proc/self/ns/$kind" \
		"linux['namespaces'] = [n for n in linux['namespaces'] if n['type'] != '$kind']")"
done
is 'one that is there' "0 $(readlink /proc/self/ns/net)" \
	"$(inside 'readlink /proc/self/ns/net' "linux['namespaces'][1]['path'] = '/proc/self/ns/net'")"
is 'users of its own' '0 0 700000 65536' "$(inside 'cat /proc/self/uid_map' "linux['namespaces'] += [{'type': 'user'}]
linux['uidMappings'] = linux['gidMappings'] = [{'containerID': 0, 'hostID': 700000, 'size': 65536}]" | tr -s ' ')"
is 'parameters of its namespaces' '0 17 4096 1' \
	"$(inside 'cat /proc/sys/kernel/shmmni /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward' \
	"linux['sysctl'] = {'kernel.shmmni': '17', 'kernel/msgmax': '4096', 'net.ipv4.ip_forward': '1'}")"
is 'also below users of its own' '0 17 1' "$(inside 'cat /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ip_forward' \
	"linux['sysctl'] = {'kernel.shmmni': '17', 'net.ipv4.ip_forward': '1'}
linux['namespaces'] += [{'type': 'user'}]
linux['uidMappings'] = linux['gidMappings'] = [{'containerID': 0, 'hostID': 700000, 'size': 65536}]")"
is 'a device' '0 a 238' "$(inside 'stat -c %t:%T /dev/fuse | cut -d: -f 1; printf "%d\n" 0x$(stat -c %T /dev/fuse) | sed s/229/238/' \
	"linux['devices'] = [{'path': '/dev/fuse', 'type': 'c', 'major': 10, 'minor': 229}, {'path': '/dev/null', 'type': 'c', 'major': 1, 'minor': 3}]
linux['resources'] = {'devices': [{'allow': False, 'access': 'rwm'}, {'allow': True, 'type': 'c', 'major': 1, 'minor': 3, 'access': 'rwm'},
	{'allow': True, 'type': 'c', 'access': 'm'}, {'allow': True, 'type': 'c', 'major': 10, 'minor': 229, 'access': 'rwm'}]}")"


filter="linux['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [
    {'names': ['mkdir', 'mkdirat'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 70},
    {'names': ['kill'], 'action': 'SCMP_ACT_ERRNO', 'args': [{'index': 1, 'value': 10, 'op': 'SCMP_CMP_EQ'}]}]}"
like 'its filter of system calls is in force' '0 mkdir: * Communication error on send sh: *Operation not permitted fine' \
	"$(inside 'mkdir /tmp/x; kill -USR1 $$; trap "" USR2; kill -USR2 $$ && echo fine' "$filter
process['noNewPrivileges'] = False" 2>&1 | sed 's/^\([0-9]* \)\(fine \)\(.*\)$/\1\3 fine/')"
is 'and ours is, too' '0 Seccomp_filters: 2' "$(inside 'grep Seccomp_filters /proc/self/status' "$filter" | tr '\t' ' ')"

# What the command line says goes before; lists are added to
is 'words replace its command' '0 other' "$(inside 'echo its own' '' echo other)"
is 'an option of one thing goes before its own' '0 said' "$(inside hostname "c['hostname'] = 'box'" --hostname=said)"
is 'a network, too' '0 host0 lo' "$(inside 'ls /sys/class/net' '' -n)"
is 'what is a list is added to' '0 b c seen' "$(inside 'echo $A $B; cat /data/file' "process['env'] += ['A=b']
bind(D + '/data', '/scratch')" --setenv=B=c --bind="$T/data:/data")"
is 'and of one name the last counts' '0 c' "$(inside 'echo $A' "process['env'] += ['A=b']" --setenv=A=c)"
mkdir -p "$T/root/etc/systemd/nspawn"
printf '[Exec]\nHostname=of-file\n' >"$T/root/etc/systemd/nspawn/bundle.nspawn"
is 'no file of settings is read' '0 bundle' "$(inside hostname '' --settings=trusted)"
rm "$T/root/etc/systemd/nspawn/bundle.nspawn"

# refused WHAT STATEMENTS : status 1, and config.json and WHAT are named
refused() {
	config "$2"
	run timeout 30 "$NL" -q --oci-bundle="$b"
	like "refused: $1" "1 nspawn-lite: config.json: *$1*" "$rc $out$err"
}
while IFS='|' read -r what statements; do
	refused "$what" "$statements"
done <<'END'
hooks.prestart: machines|c['hooks'] = {'prestart': [{'path': '/bin/true'}]}
hooks.poststop: machines|c['hooks'] = {'poststop': [{'path': '/bin/true'}]}
process.apparmorProfile: machines|process['apparmorProfile'] = 'x'
process.user.umask|process['user']['umask'] = 18
process.env: "A" is|process['env'] += ['A']
rlimits: NOFILE|process['rlimits'] = [{'type': 'NOFILE', 'soft': 1, 'hard': 1}]
linux.namespaces: pid: only|linux['namespaces'][0]['path'] = '/proc/1/ns/pid'
linux.namespaces: time|linux['namespaces'] += [{'type': 'time'}]
linux.uidMappings|linux['namespaces'] += [{'type': 'user'}]; linux['uidMappings'] = linux['gidMappings'] = [{'containerID': 0, 'hostID': 1, 'size': 1}, {'containerID': 5, 'hostID': 9, 'size': 1}]
linux.gidMappings|linux['namespaces'] += [{'type': 'user'}]; linux['uidMappings'] = [{'containerID': 0, 'hostID': 1, 'size': 1}]; linux['gidMappings'] = [{'containerID': 0, 'hostID': 2, 'size': 1}]
mounts: /data: "tmpcopyup"|bind('/', '/data', 'rbind', 'tmpcopyup')
mounts: /data: of kind "nfs"|bind('h:/', '/data', kind='nfs')
mounts: /other: of kind "proc"|bind('proc', '/other', kind='proc')
mounts: /data: overlay: "index=on"|bind('o', '/data', 'lowerdir=/', 'index=on', kind='overlay')
linux.readonlyPaths: /proc/meminfo|linux['readonlyPaths'] = ['/proc/meminfo']
linux.rootfsPropagation: "shared"|linux['rootfsPropagation'] = 'shared'
linux.cgroupsPath|linux['cgroupsPath'] = '/docker/1'
linux.seccomp: SCMP_ACT_NOTIFY|linux['seccomp'] = {'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['uname'], 'action': 'SCMP_ACT_NOTIFY'}]}
linux.devices: /dev/other|linux['devices'] = [{'path': '/dev/other', 'type': 'c', 'major': 10, 'minor': 229}]
linux.devices: /dev/fuse: a machine's have mode|linux['devices'] = [{'path': '/dev/fuse', 'type': 'c', 'major': 10, 'minor': 229, 'uid': 7}]
linux.resources.devices: any number|linux['resources'] = {'devices': [{'allow': True, 'access': 'rwm'}]}
linux.resources.devices: a machine has only|linux['resources'] = {'devices': [{'allow': False, 'type': 'c', 'major': 1, 'minor': 3, 'access': 'rwm'}]}
linux.resources.memory.swap|linux['resources'] = {'memory': {'swap': 1000000}}
linux.resources.memory.swappiness|linux['resources'] = {'memory': {'swappiness': 10}}
linux.resources.cpu.idle|linux['resources'] = {'cpu': {'idle': 1}}
linux.resources.unified|linux['resources'] = {'unified': {'memory.high': '1'}}
linux.resources.hugepageLimits|linux['resources'] = {'hugepageLimits': [{'pageSize': '2MB', 'limit': 1}]}
process: it is missing|del c['process']
END
config "linux['sysctl'] = {'vm.swappiness': '1'}"
run "$NL" --oci-bundle="$b"
like 'a parameter of the whole host is refused' '1 *--sysctl=vm.swappiness=1: not a parameter of*' "$rc $err"
run "$NL" --oci-bundle="$T/none"
like 'no bundle' '1 *none*: No such file or directory' "$rc $err"
echo '{"ociVersion": "1.0.0",' >"$b/config.json"
run "$NL" --oci-bundle="$b"
like 'no JSON' '1 *config.json: no JSON: line 2: *' "$rc $err"

# The words that a bundle becomes, as they stand in the register
config "$(sh_ 'echo up; read -r x')
linux['cgroupsPath'] = 'app-x.slice:me:it'
linux['personality'] = {'domain': 'LINUX32'}
$filter
linux['resources'] = {'memory': {'limit': 64 << 20, 'swap': 96 << 20}, 'pids': {'limit': 77},
    'cpu': {'shares': 512, 'quota': 25000, 'period': 50000, 'cpus': '0', 'mems': '0'}, 'devices': [{'allow': False, 'access': 'rwm'}]}"
mkfifo "$T/hold"
"$NL" -q --oci-bundle="$b" <"$T/hold" >"$T/up" 2>&1 &
pid=$!
exec 9>"$T/hold"
if wait_for grep -q up "$T/up"; then
	register=$(cat "$T/root/run/nspawn-lite/bundle")
	for word in --slice=app-x.slice --personality=x86 --property=MemoryMax=67108864 --property=MemorySwapMax=33554432 --property=TasksMax=77 \
		--property=CPUShares=512 --property=CPUQuotaPeriodSec=50000us --property=CPUQuota=50.00% --property=AllowedCPUs=0 \
		--property=AllowedMemoryNodes=0 --property=DevicePolicy=closed --directory="$b/rootfs"; do
		like "it becomes $word" "*$word*" "$register"
	done
	unlike 'and is not read again by who enters' '*oci-bundle*' "$register"
	run "$NL" exec bundle uname -m
	case $(uname -m) in x86_64) is 'who does has the same rights' '0 i686' "$rc $out$err" ;; esac
	run "$NL" exec bundle mkdir /tmp/x
	like 'and the same filter' '1 mkdir: *Communication error on send' "$rc $out$err"
fi
exec 9>&-
wait $pid

# It knows sysctl, maskedPaths, readonly and noNewPrivileges, and does nothing about them (252)
facts='id; pwd; hostname; grep -E "Cap(Prm|Eff|Bnd)" /proc/self/status; ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj
	env | grep -vE "^(NOTIFY_SOCKET|container_uuid|SHLVL)=" | sort; ls /sys/class/net /data /scratch /dev /proc/self/fd | grep -v core
	cat /data/file /over/file; for d in /data /scratch /proc/sys /sys /over; do
	grep -F " $d " /proc/self/mountinfo | tail -n 1 | sed "s/.* - //; s/,.*//; s/ o / overlay /"; done
	cut -d " " -f 2- /proc/self/uid_map'
all="$(sh_ "$facts")
c['hostname'] = 'box'
process['cwd'] = '/home'
process['env'] += ['A=b', 'TERM=vt100']
process['capabilities'] = {k: ['CAP_KILL', 'CAP_CHOWN', 'CAP_DAC_OVERRIDE'] for k in ('bounding', 'effective', 'permitted', 'inheritable')}
process['rlimits'] = [{'type': 'RLIMIT_NOFILE', 'soft': 99, 'hard': 100}]
process['oomScoreAdj'] = 123
process['terminal'] = False
bind(D + '/data', '/data', 'rbind')
bind('tmpfs', '/scratch', 'mode=700', kind='tmpfs')
bind('o', '/over', 'lowerdir=' + D + '/low2', 'upperdir=' + D + '/upper', 'workdir=' + D + '/work', kind='overlay')"
mkdir -p "$T/work" "$rootfs/over"
config "$all"
timeout 30 "$NL" -q --oci-bundle="$b" >"$T/ours" 2>&1
if command -v systemd-nspawn >/dev/null; then
	timeout 30 systemd-nspawn -q --oci-bundle="$b" -M bundle --register=no --keep-unit 2>&1 | grep -v "^Attempted to remove disk file system" >"$T/theirs"
	ok 'all as with the original' cmp "$T/ours" "$T/theirs" || note "$(diff "$T/ours" "$T/theirs")"
else
	skip 'all as with the original' 'there is none'
fi
done_testing
