#!/bin/sh
# check says what the kernel has: its status is that of a plain run, whatever is
# taken away, and what it calls missing is what the options that need it miss.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
need_root
deny=$(program deny)
t=$(tree busybox)

# states JSON : "FEATURE STATE" lines
states() {
	tr '}' '\n' | sed -n 's/.*"feature":"\([^"]*\)","state":"\([^"]*\)".*/\1 \2/p'
}
# state FEATURE COMMAND... : of one, with the command before ours
state() {
	feature=$1
	shift
	"$@" "$NL" check -o json "$feature" | states | sed 's/^[^ ]* //'
}

# ---- what is printed --------------------------------------------------------

leftovers_before
run "$NL" check
is 'a plain run works here' 0 "$rc"
is 'it says nothing on the other stream' '' "$err"
like 'and it says so' '*
A plain run works.' "$out"
printf '%s\n' "$out" | sed '1d; /^$/,$d; s/ .*//' >"$T/features"
"$NL" check -o json >"$T/json"
is 'json has the same features' '' "$(states <"$T/json" | sed 's/ .*//' | diff "$T/features" -)"
is 'and the same keys for each' "$(wc -l <"$T/features")" \
	"$(grep -o '{"feature":"[^"]*","state":"[^"]*","config":[^{}]*,"lost":"[^"]*","module":[^{}]*,"since":[^{}]*,"error":[^{}]*}' \
		"$T/json" | wc -l)"
is 'its states are four' '' "$(states <"$T/json" | sed 's/^[^ ]* //' | grep -vx -e yes -e no -e 'not tried' -e 'old way')"
is 'the manual has them all' '' "$("$NL" manual | sed -n '/^\.Ss Features/,$s/^\.It \([^ ]*\)$/\1/p' | diff "$T/features" -)"
is 'a group is what stands in it' 'pid-namespaces
uts-namespaces' "$("$NL" check --no-legend namespaces | sed -n 's/^\([up][it][ds]-namespaces\).*/\1/p')"
run "$NL" check pid-namespaces proc
is 'features that are there' 0 "$rc"
run "$deny" pidns -- "$NL" check sysfs pid-namespaces
is 'one of those named that is not' 1 "$rc"
like 'has its option' '*pid-namespaces no    CONFIG_PID_NS no machine runs
*' "$out"
mkdir "$T/locked"
cp "$NL" "$T/locked/nl"
if chroot "$T/locked" /nl version >/dev/null 2>&1; then
	is 'a root that somebody has locked does not stop it' 0 \
		"$(timeout 20 flock "$T/locked" chroot "$T/locked" /nl check file-locks >/dev/null 2>&1; echo $?)"
else
	skip 'a root that somebody has locked does not stop it' 'the program needs libraries'
fi
run "$NL" check nonsense
is 'no such feature' "1 nspawn-lite: check nonsense: no such feature; nspawn-lite check lists them" "$rc $err"

# ---- nothing stays -----------------------------------------------------------

for i in 1 2 3 4 5 6 7 8; do
	timeout -s KILL "0.0$i" "$NL" check >/dev/null 2>&1
done
leftovers_after 'nothing stays, of one that was killed either'

# ---- a plain run, in truth ------------------------------------------------------

# same WHAT COMMAND... : the status of check is that of a run
same() {
	what=$1
	shift
	"$@" "$NL" check >"$T/check.out" 2>&1
	checked=$?
	"$@" timeout 60 "$NL" -q -D "$t" true >"$T/run.out" 2>&1
	ran=$?
	is "without $what a run does what check says" "$ran" "$checked" ||
		note "$(tail -n 1 "$T/check.out"; cat "$T/run.out")"
	echo "$ran" >>"$T/ran"
}

for what in pidns utsns ipcns netns userns cgroupns seccomp packet inet6 netlink unix pivot_root mount bpf setns keyctl \
	fs:proc fs:sysfs fs:tmpfs fs:devpts fs:devpts:newinstance fs:mqueue fs:overlay new old \
	pidns=ENOSPC utsns=ENOSPC ipcns=ENOSPC cgroupns=ENOSPC flock inotify_init1 epoll_create1 timerfd_create; do
	same "$what" "$deny" "$what" --
done
for what in new userns seccomp-filter private idmap vfork nft; do
	same "$what by its name" env "NSPAWN_LITE_DENY=$what"
done
is 'some ran, and some did not' '0 1' "$(sort -u "$T/ran" | paste -sd ' ')"
like 'on a serial line, whose size nobody has set, all fits into 80 columns' '0 [1-9]*' \
	"$("$PTY" -s 0x0 -t 60 -- "$NL" check 2>/dev/null | tr -d '\r' | awk '{ gsub(/…/, "&" sprintf("%80s", "")) } length > 80 { n++ }
		/features listed/ { all = $1 } END { print n + 0, all }')"
like 'at a terminal there must be terminals' '*A plain run does not work: no devpts*' \
	"$("$PTY" -t 60 -e 'exit 1' -- "$deny" fs:devpts -- "$NL" check 2>&1)"
if setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
	cp "$NL" "$T/nl"
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$T/nl" check
	is 'not as root: it is no' 1 "$rc"
	like 'and says so' '*
A plain run does not work: no root (run it as root).' "$out"
	like 'it says what was not tried' '*
overlay * not tried *' "$out"
else
	skip 'not as root: it is no' 'no setpriv'
fi
run unshare -m --propagation private sh -c 'mount -r --bind / / && mount -o remount,bind,ro / &&
	umount -l /proc && exec "$@"' - "$NL" check
like 'with a root that is read-only, and no /proc' "*state-directory *no *
*
proc-mounted * no *
*A plain run does not work: no state-directory*" "$out"

# ---- and each feature ------------------------------------------------------------

# option FEATURE PATTERN WHAT OPTION... : check says no (or old way) of it without WHAT, and
# yes else; and so does a run with these options, which says something like PATTERN
option() {
	feature=$1 pattern=$2 what=$3
	shift 3
	case $(state "$feature" env) in
	yes)
		run timeout 60 "$NL" -q -D "$t" "$@" true
		unlike "$feature is there, and a run takes it" "$pattern" "$err" ;;
	*)	skip "$feature is there, and a run takes it" 'not here' ;;
	esac
	case $what in
	-*)	set -- env "NSPAWN_LITE_DENY=${what#-}" -- "$@" ;;
	*)	set -- "$deny" "$what" -- -- "$@" ;;
	esac
	with=''
	while [ "$1" != -- ]; do
		with="$with $1"
		shift
	done
	shift
	case $with in *deny*) shift; with="$with --" ;; esac
	# shellcheck disable=SC2086 # words
	is "$feature is not, check says" no "$(state "$feature" $with | sed 's/^old way$/no/')"
	# shellcheck disable=SC2086
	run $with timeout 60 "$NL" -q -D "$t" "$@" true
	like "and a run without $feature, too" "$pattern" "$err"
}

option user-namespaces '*no user namespace*' -userns -U
option user-namespaces '*no user namespaces*' -userns --private-users=pick
option net-namespaces '*no net namespaces*' netns --private-network
option cgroup-namespaces '*control group namespace*' cgroupns
option seccomp '*cannot filter system calls*' -seccomp-filter
option overlay '*no overlay*' fs:overlay -x
option mqueue '*no /dev/mqueue*' fs:mqueue -v
option sysfs '*/sys is empty*' fs:sysfs
option tmpfs '*has no limit*' fs:tmpfs
option devpts-instances "*terminals are the host's*" fs:devpts:newinstance
option uts-namespaces "*the host's name is the machine's too*" utsns
option ipc-namespaces "*System V IPC*" ipcns
option idmapped-mounts '*idmap*' -idmap -U --private-users-ownership=map
option packet '*DHCP*' packet -n
option epoll '*EPOLL*' epoll_create1 -n --port=127.0.0.1:45454:80
option port-rules '*relayed*' -nft,iptables -n --port=45455:80
done_testing
