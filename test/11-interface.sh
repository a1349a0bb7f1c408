#!/bin/sh
# The Container Interface, seen from inside a busybox guest. Left out, for later
# issues: device policy (mknod is refused by no control group yet), user
# namespaces, host0 and other links, /run/host/incoming's propagation, controllers.
# shellcheck disable=SC2016 # what stands in single quotes is for the shell inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
tmp=$T/tmp
mkdir "$tmp" || exit
t=$(tree busybox) || exit
notify=$(program notify)
cp "$notify" "$t/bin/notify"
cp "$(program escape)" "$t/bin/escape"
nl='
'

# guest WORD... : quiet, in the tree
guest() { timeout 60 "$NL" -q -M iface -D "$t" "$@" </dev/null; }
# script TEXT [OPTION...] : in the guest's shell, as its PID 1. A command that is
# alone takes the shell's place, and with it what /proc/1 says: true, then
script() {
	text=$1
	shift
	guest "$@" /bin/sh -c "$text"
}
# value NAME [OPTION...] : of a variable of PID 1, or "unset"
value() {
	name=$1
	shift
	script 'tr "\0" "\n" </proc/1/environ; true' "$@" | sed -n "s/^$name=//p" | grep . || echo unset
}

# ---- environment --------------------------------------------------------------------

is 'container names the manager' systemd-nspawn "$(value container)"
uuid=$(value container_uuid)
is 'container_uuid is a lower-case UUID with dashes' 1 \
	"$(echo "$uuid" | grep -cx '[0-9a-f]\{8\}-[0-9a-f]\{4\}-4[0-9a-f]\{3\}-[89ab][0-9a-f]\{3\}-[0-9a-f]\{12\}')"
is 'a tree without an id gets a new one each time' different \
	"$([ "$uuid" = "$(value container_uuid)" ] || echo different)"
is 'PATH is the usual' /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$(PATH=$PATH:/x value PATH)"
is 'HOME, USER and LOGNAME are of root' '/root root root' \
	"$(HOME=/x USER=y LOGNAME=z script 'echo "$HOME $USER $LOGNAME"')"
is 'HOME, USER and LOGNAME are of the user' '/home/user user user' "$(script 'echo "$HOME $USER $LOGNAME"' -u user)"
is 'TERM is that of the caller' vt52 "$(TERM=vt52 value TERM)"
is 'no TERM in the caller, none inside' unset "$(unset TERM; value TERM)"
is 'LANG is C.UTF-8' C.UTF-8 "$(LANG=de_DE.UTF-8 value LANG)"
is 'NOTIFY_SOCKET is there' /run/host/notify "$(NOTIFY_SOCKET='' value NOTIFY_SOCKET)"
for k in ID VERSION_ID BUILD_ID VARIANT_ID; do
	want=$(sed -n "s/^$k=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" /etc/os-release 2>/dev/null | grep . || echo unset)
	name=container_host_$(echo "$k" | tr '[:upper:]' '[:lower:]')
	is "$name is the host's" "$want" "$(value "$name")"
done
is 'there are no LISTEN_FDS without sockets' 'unset unset' "$(value LISTEN_FDS) $(value LISTEN_PID)"
is 'there is no CREDENTIALS_DIRECTORY without credentials' unset "$(CREDENTIALS_DIRECTORY=/x value CREDENTIALS_DIRECTORY)"
is 'a credential gives CREDENTIALS_DIRECTORY' /run/host/credentials \
	"$(value CREDENTIALS_DIRECTORY --set-credential=a:b)"
is 'variables stand in their order' \
	'PATH container TERM HOME USER LOGNAME container_uuid NOTIFY_SOCKET A' \
	"$(TERM=vt52 script 'tr "\0" "\n" </proc/1/environ; true' -E A=1 | sed 's/=.*//' |
		grep -v -e '^LANG$' -e '^container_host_' | tr '\n' ' ' | sed 's/ $//')"
is 'nothing else of the caller is inside' '' \
	"$(SSH_TTY=x PWD=/y FOO=z INVOCATION_ID=1 script 'tr "\0" "\n" </proc/1/environ; true' | sed 's/=.*//' |
		grep -vx -e PATH -e container -e TERM -e HOME -e USER -e LOGNAME -e container_uuid -e LANG -e NOTIFY_SOCKET \
			-e 'container_host_[a-z_]*id')"
is 'container_ttys is not set' unset "$(value container_ttys)"
is 'below -a the payload has the same environment' "$(script 'env | sed s/uuid=.*// | grep -v ^SHLVL | sort')" \
	"$(script 'env | sed s/uuid=.*// | grep -v ^SHLVL | sort' -a)"

# ---- files, identity -----------------------------------------------------------------

is 'the manager is named in /run/host' systemd-nspawn "$(script 'cat /run/host/container-manager')"
is 'the id in /run/host is the one of the environment' same \
	"$(script 'test "$(cat /run/host/container-uuid)" = "$container_uuid" && echo same')"
is 'both end with a newline' '2 0a 0a ' \
	"$(script 'cat /run/host/container-manager /run/host/container-uuid | wc -l
		for f in manager uuid; do tail -c 1 /run/host/container-$f | od -An -tx1; done' | tr -d ' ' | tr '\n' ' ')"
if [ -e /etc/os-release ]; then
	is 'the host'"'"'s os-release is there' "$(cat /etc/os-release)" "$(script 'cat /run/host/os-release')"
	is 'the host'"'"'s os-release is read-only' 1 "$(script 'echo >>/run/host/os-release' 2>&1 | grep -ci 'read-only')"
else
	skip 'the host'"'"'s os-release is there' 'the host has none'
	skip 'the host'"'"'s os-release is read-only' 'the host has none'
fi
is '/run/host is read-only' 1 "$(script 'touch /run/host/x' 2>&1 | grep -ci 'read-only')"
is 'the inaccessible nodes are of all kinds and of no rights' \
	"b--------- 0, 0 blk${nl}c--------- 0, 0 chr${nl}d--------- dir${nl}p--------- fifo${nl}---------- reg${nl}s--------- sock" \
	"$(script 'ls -ln /run/host/inaccessible' | awk '
		NF > 6 { print $1, ($1 ~ /^[bc]/) ? $5 " " $6 " " $NF : $NF }')"
is '/run/host/incoming is a directory' directory "$(script 'test -d /run/host/incoming && echo directory')"
is '/run/host/incoming is read-only' 1 "$(script 'touch /run/host/incoming/x' 2>&1 | grep -ci 'read-only')"
is '/run/host/notify is a socket' socket "$(script 'test -S /run/host/notify && echo socket')"
is '/run/host/unix-export can be written to' 'yes 755' \
	"$(script 'touch /run/host/unix-export/x && echo yes; stat -c %a /run/host/unix-export' | tr '\n' ' ' | sed 's/ $//')"
is 'the host name is the machine'"'"'s' iface "$(script hostname)"
is 'the host name may be said' other.name "$(script hostname --hostname=other.name)"
before=$(hostname)
is 'the guest may change its host name' changed "$(script 'hostname changed; hostname')"
is 'the host keeps its own' "$before" "$(hostname)"
id=0123456789abcdef0123456789abcdef
is 'the id of the tree becomes the environment'"'"'s' 01234567-89ab-cdef-0123-456789abcdef \
	"$(echo $id >"$t/etc/machine-id"; value container_uuid; rm "$t/etc/machine-id")"
is 'the boot id is a UUID of its own' 1 \
	"$(script 'cat /proc/sys/kernel/random/boot_id' | grep -v "$(cat /proc/sys/kernel/random/boot_id)" |
		grep -cx '[0-9a-f]\{8\}-[0-9a-f]\{4\}-4[0-9a-f]\{3\}-[89ab][0-9a-f]\{3\}-[0-9a-f]\{12\}')"
is 'the boot id stays the same' 1 "$(script 'cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/boot_id' | sort -u | wc -l | tr -d ' ')"
is 'the boot id is another in the next run' 2 \
	"$({ script 'cat /proc/sys/kernel/random/boot_id'; script 'cat /proc/sys/kernel/random/boot_id'; } | sort -u | wc -l | tr -d ' ')"
is 'the command is PID 1' '1 sh' "$(script 'echo "$$ $(cat /proc/1/comm)"')"
is 'below -a it is PID 2, and PID 1 says what it is' '2 (sd-stubinit)' "$(script 'echo "$$ $(cat /proc/1/comm)"' -a)"
is 'the login uid is not set' 4294967295 "$(script 'cat /proc/self/loginuid 2>/dev/null || echo 4294967295')"
is 'the umask is 0022' 0022 "$(umask 077; script umask)"
is 'the umask is 0022 below -a' 0022 "$(umask 077; script umask -a)"
is 'only the three standard files are open' '0 1 2' "$(script 'ls /proc/1/fd; true' | tr -s '\n ' '  ' | sed 's/ $//')"
is 'only the three standard files are open on a terminal' '0 1 2' \
	"$(script 'ls /proc/1/fd; true' --console=read-only | tr -d '\r' | tr -s '\n ' '  ' | sed 's/ $//')"
is 'only the three standard files are open below -a' '0 1 2' "$(script 'ls /proc/2/fd; true' -a | tr -s '\n ' '  ' | sed 's/ $//')"
is 'our init of -a keeps no others' '0 1 2' "$(script 'ls /proc/1/fd; true' -a | tr -s '\n ' '  ' | sed 's/ $//')"
is 'no signal is blocked, ignored or pending' \
	'SigPnd:0000000000000000 ShdPnd:0000000000000000 SigBlk:0000000000000000 SigIgn:0000000000000000 ' \
	"$(guest grep -e Pnd -e SigBlk -e SigIgn /proc/self/status | tr -d '\t' | tr '\n' ' ')"
is 'no signal is blocked or ignored below -a' 'SigBlk:0000000000000000 SigIgn:0000000000000000 ' \
	"$(guest -a grep -e SigBlk -e SigIgn /proc/self/status | tr -d '\t' | tr '\n' ' ')"
if [ -e /proc/self/ns/cgroup ]; then
	is 'the control groups begin at the machine' '' "$(script 'grep -v :/$ /proc/self/cgroup')"
else
	skip 'the control groups begin at the machine' 'no control group namespaces'
fi
is 'without their namespace the group says whose it is' 1 \
	"$(SYSTEMD_NSPAWN_USE_CGNS=0 script 'grep -m 1 -c machine-iface.scope /proc/self/cgroup')"

# ---- devices -----------------------------------------------------------------------------

is '/dev is a tmpfs of mode 755' 'tmpfs 755' "$(script 'stat -f -c %T /dev; stat -c %a /dev' | tr '\n' ' ' | sed 's/ $//')"
is 'the device nodes have their numbers and 0666' \
	'null 1:3 666|zero 1:5 666|full 1:7 666|random 1:8 666|urandom 1:9 666|tty 5:0 666|' \
	"$(script 'cd /dev && stat -c "%n %t:%T %a" null zero full random urandom tty' | tr '\n' '|')"
if [ -c /dev/net/tun ]; then
	is 'net/tun is there as on the host' 'a:c8 666' "$(script 'stat -c "%t:%T %a" /dev/net/tun')"
else
	is 'net/tun is not there as on the host' absent "$(script 'test -e /dev/net/tun || echo absent')"
fi
is 'the nodes are usable' '4 0000' \
	"$(script 'echo lost >/dev/null && head -c 4 /dev/urandom | wc -c && head -c 2 /dev/zero | od -An -tx1' |
		tr -d ' ' | tr '\n' ' ' | sed 's/ $//')"
for l in fd:/proc/self/fd stdin:/proc/self/fd/0 stdout:/proc/self/fd/1 stderr:/proc/self/fd/2 ptmx:pts/ptmx core:/proc/kcore; do
	is "/dev/${l%%:*} leads to ${l#*:}" "${l#*:}" "$(script "readlink /dev/${l%%:*}")"
done
is '/dev/char has a link for each node' '1:3 ../null|1:5 ../zero|1:7 ../full|1:8 ../random|1:9 ../urandom|5:0 ../tty|' \
	"$(script 'cd /dev/char; for n in 1:3 1:5 1:7 1:8 1:9 5:0; do echo "$n $(readlink $n)"; done' | tr '\n' '|')"
is 'the links of /dev/char lead somewhere' '' "$(script 'for n in /dev/char/*; do [ -c $n ] || echo $n; done')"
is '/dev/console is the first terminal' pts/0 "$(script 'readlink /dev/console' --console=read-only | tr -d '\r')"
is '/dev/console is a character device' yes "$(script 'test -c /dev/console && echo yes' --console=read-only | tr -d '\r')"
is 'with pipes there is no /dev/console' absent "$(script 'test -e /dev/console || test -L /dev/console || echo absent' -P)"
is 'the terminal has its name inside' 1 \
	"$(guest --console=read-only tty | tr -d '\r' | grep -cx -e /dev/pts/0 -e /dev/console)"
is 'what is said to /dev/console comes out' 'to the console' \
	"$(script 'echo to the console >/dev/console' --console=read-only | tr -d '\r')"
is 'the terminal belongs to the group tty, as 0620' '5 620' "$(script 'stat -c "%g %a" /dev/pts/0' --console=read-only | tr -d '\r')"
is '/dev/pts/ptmx is 0666' 666 "$(script 'stat -c %a /dev/pts/ptmx')"
is 'no terminal of the host is inside' 'ptmx' "$(script 'ls /dev/pts')"
is '/dev/shm is a tmpfs of mode 1777' 'tmpfs 1777' "$(script 'stat -f -c %T /dev/shm; stat -c %a /dev/shm' | tr '\n' ' ' | sed 's/ $//')"
if grep -q mqueue /proc/filesystems; then
	is '/dev/mqueue is an mqueue' mqueue "$(script 'awk "\$5 == \"/dev/mqueue\" { print \$(NF-2) }" /proc/self/mountinfo')"
else
	skip '/dev/mqueue is an mqueue' 'CONFIG_POSIX_MQUEUE'
fi
is 'nothing else is in /dev' '' "$(script 'ls /dev' --console=read-only | tr -d '\r' | tr -s ' ' '\n' |
	grep -vx -e char -e console -e core -e fd -e full -e mqueue -e net -e null -e ptmx -e pts -e random -e shm \
		-e stderr -e stdin -e stdout -e tty -e urandom -e zero)"
is '/proc/kmsg is a FIFO' fifo "$(script 'if [ -p /proc/kmsg ]; then echo fifo; else ls -l /proc/kmsg; fi')"
is 'dmesg is not permitted' 1 "$(script dmesg 2>&1 | grep -c 'not permitted')"
is 'without a session'"'"'s terminal /dev/tty is none' 1 \
	"$(script 'setsid sh -c "echo x >/dev/tty"; true' --console=read-only 2>&1 | grep -c 'No such device or address')"
is 'the console'"'"'s process has a controlling terminal' yes \
	"$(script ': </dev/tty && echo yes' --console=read-only | tr -d '\r')"
is 'and so has the payload of -a' yes "$(script ': </dev/tty && echo yes' -a --console=read-only | tr -d '\r')"

# ---- life cycle -----------------------------------------------------------------------------

# ends SENTENCE STATUS MESSAGE TEXT [OPTION...] : what the script does and how we say it
ends() {
	what=$1
	status=$2
	message=$3
	text=$4
	shift 4
	timeout 60 "$NL" -M iface -D "$t" "$@" /bin/sh -c "$text" </dev/null >"$tmp/out" 2>"$tmp/err"
	is "$what" "$status $message" "$? $(tail -n 1 "$tmp/err")"
}
ends 'the status of PID 1 is ours' 7 'Container iface failed with error code 7.' 'exit 7'
ends 'a good end is said' 0 'Container iface exited successfully.' 'exit 0'
ends 'power off is a good end' 0 'Container iface has been shut down.' 'poweroff -f'
ends 'halt is the same' 0 'Container iface has been shut down.' 'halt -f'
ends 'power off below -a is the same' 0 'Container iface has been shut down.' 'poweroff -f' -a
ends 'reboot of a kept unit is 133' 133 'Container iface is being rebooted.' 'reboot -f' --keep-unit
ends 'reboot starts it again' 5 'Container iface failed with error code 5.' \
	'if [ -e /again ]; then rm /again; exit 5; fi; cat /proc/sys/kernel/random/boot_id; : >/again; reboot -f'
is 'reboot is said' 1 "$(grep -cx 'Container iface is being rebooted.' "$tmp/err")"
is 'the boot id is another behind a reboot' 2 \
	"$(script 'cat /proc/sys/kernel/random/boot_id; [ -e /again ] || { : >/again; reboot -f; }; rm /again' | sort -u | wc -l | tr -d ' ')"
is 'calls of reboot for the whole machine are refused' '0 allowed' "$(guest escape reboot)"
is 'what PID 1 leaves behind is killed, and holds nothing open' over \
	"$(timeout 60 "$NL" -q -D "$t" sh -c 'sleep 600 & echo over' </dev/null)"
is 'what the payload of -a leaves behind is killed' over \
	"$(timeout 60 "$NL" -q -a -D "$t" sh -c 'sleep 600 & echo over' </dev/null)"

mkfifo "$tmp/fifo"
"$NL" -q -M iface -P -D "$t" sh -c 'echo up; exec sleep 600' >"$tmp/fifo" </dev/null &
pid=$!
{ read -r up; kill -9 $pid; left=$(cat); } <"$tmp/fifo"
wait $pid 2>/dev/null
is 'the guest dies with us' 'up ' "$up $left"

# hears UNTIL TEXT [OPTION...] : what a service manager hears while the script runs
hears() {
	until=$1
	text=$2
	shift 2
	timeout 60 "$notify" listen "$tmp/notify" "$until" "$NL" -q -P -M iface -D "$t" "$@" /bin/sh -c "$text"
}
is 'the manager hears that it runs, and who leads' 'READY=1|STATUS=Container running.|X_NSPAWN_LEADER_PID=n|' \
	"$(hears READY=1 'cat' | sed 's/^\(X_NSPAWN_LEADER_PID\)=[1-9][0-9]*$/\1=n/' | tr '\n' '|')"
is 'the leader is PID 1 of the machine' 1 \
	"$(hears over 'notify send STATUS=x; exec notify send STATUS=over hold' --hostname=h |
		sed -n 's/^X_NSPAWN_LEADER_PID=//p' | grep -cx '[1-9][0-9]*')"
is 'what PID 1 says of its state goes on' 1 \
	"$(hears Made 'exec notify send STATUS=Made hold' | grep -cx 'STATUS=Container running: Made')"
is 'what others say is not heard' 0 \
	"$(hears good 'notify send STATUS=bad; exec notify send STATUS=good hold' | grep -c bad)"
is 'READY of the guest is not asked for' 1 \
	"$(hears over 'notify send READY=1; exec notify send "READY=1
STATUS=over" hold' | grep -c '^READY=1')"
is 'asked for, readiness is that of the guest' 'STATUS=Container running: early|READY=1|STATUS=Container running.|' \
	"$(hears READY=1 'notify send READY=1; { echo; } >/dev/null; exec notify send "STATUS=early
READY=1" hold' --notify-ready=yes | grep -v X_NSPAWN | tr '\n' '|')"
is 'readiness that never comes is not said' '' "$(hears x 'true' --notify-ready=yes | grep READY)"
is 'only PID 1 can be ready' '' "$(hears x 'notify send READY=1; true' --notify-ready=yes | grep READY)"

# ---- /proc and /sys -------------------------------------------------------------------------------

is '/proc/sys is read-only' 1 "$(script 'cat /proc/sys/vm/panic_on_oom >/proc/sys/vm/panic_on_oom' 2>&1 | grep -ci read-only)"
is '/proc/sys/net is read-only on a shared network' 1 \
	"$(script 'cat /proc/sys/net/ipv4/ip_forward >/proc/sys/net/ipv4/ip_forward' 2>&1 | grep -ci read-only)"
is '/proc/sys/net can be written to on a network of its own' 1 \
	"$(script 'echo 1 >/proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward' --private-network)"
is '/proc/sys is read-only there, too' 1 \
	"$(script 'cat /proc/sys/vm/panic_on_oom >/proc/sys/vm/panic_on_oom' --private-network 2>&1 | grep -ci read-only)"
for f in kallsyms kcore keys timer_list; do
	is "/proc/$f says nothing" '' "$(script "head -c 16 /proc/$f 2>/dev/null")"
done
if [ -e /proc/sysrq-trigger ]; then
	is '/proc/sysrq-trigger cannot be written to' refused "$(script 'echo h >/proc/sysrq-trigger || echo refused' 2>/dev/null)"
else
	skip '/proc/sysrq-trigger cannot be written to' 'the host has none'
fi
for d in acpi apm asound bus fs irq scsi; do
	if [ -d /proc/$d ]; then
		is "/proc/$d is read-only" "ro," "$(script "awk '\$5 == \"/proc/$d\" { print substr(\$6, 1, 3) }' /proc/self/mountinfo")"
	else
		skip "/proc/$d is read-only" 'the host has none'
	fi
done
is '/sys is read-only on a shared network' 'sysfs ro' \
	"$(script 'awk "\$5 == \"/sys\" { print \$(NF-2), substr(\$6, 1, 2) }" /proc/self/mountinfo')"
is '/sys cannot be written to' 1 "$(script 'mkdir /sys/x' 2>&1 | grep -c -i -e read-only -e permitted)"
is 'on a network of its own only its links are in /sys' lo "$(script 'ls /sys/class/net' --private-network)"
is 'on a network of its own the loopback is up' 1 "$(script 'ip link show lo' --private-network | grep -c '[<,]UP[,>]')"
is 'on a network of its own /sys shows only some of it' 'block bus class dev devices fs kernel' \
	"$(script 'echo $(ls /sys)' --private-network)"
is 'and nothing of it can be written to' 1 "$(script 'mkdir /sys/x' --private-network 2>&1 | grep -ci read-only)"
is 'the parts of /sys are read-only' '' \
	"$(script 'awk "\$5 ~ /^\/sys/ && \$5 !~ /cgroup/ && \$6 !~ /^ro,/" /proc/self/mountinfo' --private-network)"
# root inside has CAP_SYS_ADMIN and no user namespace of its own: these masks are no wall
is 'root without a user namespace may undo a read-only mount' 0 "$(script 'mount -o remount,bind,rw /proc/sys; echo $?')"

if grep -q 'cgroup2' /proc/self/mountinfo; then
	is '/sys/fs/cgroup is a cgroup2 that can be written to' 'cgroup2 rw' \
		"$(script 'awk "\$5 == \"/sys/fs/cgroup\" { print \$(NF-2), substr(\$6, 1, 2) }" /proc/self/mountinfo')"
	is 'root may make a control group' yes "$(script 'mkdir /sys/fs/cgroup/x && rmdir /sys/fs/cgroup/x && echo yes')"
	is 'root may make one on a network of its own' yes \
		"$(script 'mkdir /sys/fs/cgroup/x && rmdir /sys/fs/cgroup/x && echo yes' --private-network)"
	is 'a process is in the root of what it sees' 1 "$(script 'grep -cx $$ /sys/fs/cgroup/cgroup.procs')"
	is 'and it sees no other processes' '1 ' "$(script 'sort -n /sys/fs/cgroup/cgroup.procs | head -n 1' | tr '\n' ' ')"
else
	skip '/sys/fs/cgroup is a cgroup2' 'the host mounts none'
fi

# ---- the table of mounts -------------------------------------------------------------------------------

# mounted PATH TYPE FLAGS... : with these flags, and none of the three restrictions that are not named
mounted() {
	path=$1
	type=$2
	shift 2
	for f in ro rw nosuid nodev noexec relatime; do
		case " $* " in *" $f "*) echo "$f" ;; esac
	done >"$tmp/want"
	awk -v path="$path" '$5 == path { line = $0 } END { print line }' "$tmp/mounts" >"$tmp/line"
	is "$path is a $type, $*" "$type $(tr '\n' ' ' <"$tmp/want")" \
		"$(awk '{ print $(NF-2) }' "$tmp/line") $(awk '{ print $6 }' "$tmp/line" | tr ',' '\n' |
			grep -x -e ro -e rw -e nosuid -e nodev -e noexec | tr '\n' ' ')"
}
# has PATH WORD : among the options of the file system
has() {
	is "$1 has $2" 1 "$(awk -v path="$1" '$5 == path { line = $0 } END { print line }' "$tmp/mounts" |
		sed 's/.* //' | tr ',' '\n' | grep -cx -e "$2")"
}
script 'cat /proc/self/mountinfo' >"$tmp/mounts"
mounted /proc proc rw nosuid nodev noexec
mounted /proc/sys proc ro nosuid nodev noexec
mounted /proc/sys/kernel/random/boot_id tmpfs ro nosuid nodev noexec
mounted /sys sysfs ro nosuid nodev noexec
mounted /dev tmpfs rw nosuid
mounted /dev/pts devpts rw nosuid noexec
mounted /dev/shm tmpfs rw nosuid nodev
mounted /tmp tmpfs rw nosuid nodev
mounted /run tmpfs rw nosuid nodev
mounted /run/host tmpfs ro nosuid nodev noexec
has /dev mode=755
has /dev size=4096k
has /dev/pts mode=620
has /dev/pts ptmxmode=666
has /dev/pts gid=5
has /run mode=755
has /run nr_inodes=819200
has /tmp nr_inodes=409600
has /dev/shm nr_inodes=409600
memory=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
for s in /tmp:10 /run:20 /dev/shm:10; do
	is "${s%:*} has at most ${s#*:} percent of memory" yes \
		"$(awk -v path="${s%:*}" -v most=$((memory * ${s#*:} / 100 + 64)) '$5 == path {
			match($0, /size=[0-9]+/); n = substr($0, RSTART + 5, RLENGTH - 5); print ((n > most * 9 / 10 && n <= most) ? "yes" : n) }' "$tmp/mounts")"
done
is '/tmp has mode 1777' 1777 "$(script 'stat -c %a /tmp')"
is 'the tmpfs keep strict times' '' "$(grep -e ' /dev ' -e ' /dev/shm ' -e ' /tmp ' -e ' /run ' "$tmp/mounts" | grep relatime)"
is 'no mount stands on another of the same path' '' "$(awk '{ print $5 }' "$tmp/mounts" | sort | uniq -d)"
is 'no mount is of the host' '' "$(awk '{ print $5 }' "$tmp/mounts" |
	grep -vx -e / -e '/proc\(/.*\)\{0,1\}' -e '/sys\(/.*\)\{0,1\}' -e '/dev\(/.*\)\{0,1\}' -e '/run\(/host.*\)\{0,1\}' -e /tmp)"
is 'no mount passes anything on to the host or takes it' '' "$(grep -e ' shared:' -e ' master:' "$tmp/mounts" | grep -v /run/host/incoming)"

# ---- with an init: a script is one -------------------------------------------------------------------------

rm -f "$t/sbin/init"
cat >"$t/sbin/init" <<-'END'
	#!/bin/sh
	echo "words: $*"
	tr '\0' '\n' </proc/1/environ
	echo "cwd: $(pwd) pid: $$ comm: $(cat /proc/1/comm)"
	# 10 and above are the shell's own
	ls /proc/1/fd >/run/fds
	echo fds: $(grep -x '[0-9]' /run/fds)
	echo "umask: $(umask)"
	if tty >/dev/null; then echo "tty: $(tty)"; fi
	poweroff -f
END
chmod 755 "$t/sbin/init"
cd "$tmp" || exit
guest -b 1 'two words' >"$tmp/out" 2>"$tmp/err"
is 'an init that powers off ends well' 0 $?
tr -d '\r' <"$tmp/out" >"$tmp/init"
# in SENTENCE LINE : the init said it
in_init() { is "$1" 1 "$(grep -cx -e "$2" "$tmp/init")"; }
in_init 'words behind -b are the init'"'"'s' 'words: 1 two words'
in_init 'an init sees what contains it' 'container=systemd-nspawn'
in_init 'an init has its id' 'container_uuid=[0-9a-f-]\{36\}'
in_init 'an init has the socket' NOTIFY_SOCKET=/run/host/notify
in_init 'an init starts at / as PID 1' 'cwd: / pid: 1 comm: init'
in_init 'an init has the three files open' 'fds: 0 1 2'
in_init 'an init has the umask 0022' 'umask: 0022'
in_init 'an init has a terminal' 'tty: /dev/\(pts/0\|console\)'
is 'an init has no LANG' '' "$(LANG=x guest -b | grep '^LANG=')"
is 'an init may be started on pipes' 1 "$(guest -b -P | grep -cx 'umask: 0022')"
is 'an init on pipes has no terminal' 0 "$(guest -b -P | grep -c '^tty:')"
done_testing
