#!/bin/sh
# Crash-only: a start and stop is stepped through all system calls of ours. At
# each the supervisor is killed, or the machine, or the call fails; after each
# the next start must leave everything as it was. Then locks, and many starts.
# CRASH=all takes every call in every case, and lists what was said of each; else
# most cases take some.
# shellcheck source-path=SCRIPTDIR source=lib.sh
# links are made in a network of the test's own; and what others mount meanwhile is no matter
if [ "${CRASH_OF:-}" != "$0" ] && [ "$(id -u)" = 0 ] && command -v unshare >/dev/null 2>&1; then
	CRASH_OF=$0
	export CRASH_OF
	shell=$(readlink "/proc/$$/exe")
	case $shell in
	*busybox*)	exec unshare -n -m "$shell" sh "$0" "$@" ;;
	*)		exec unshare -n -m "$shell" "$0" "$@" ;;
	esac
fi
unset CRASH_OF
. "${0%/*}/lib.sh"
need_root
step=$(program step)
t=$(tree busybox)
cp "$step" "$t/bin/step"
cat >"$t/sbin/init.new" <<-'END'
	#!/bin/sh
	echo ran
	poweroff -f
END
chmod 755 "$t/sbin/init.new"
mv "$t/sbin/init.new" "$t/sbin/init"
me=crash$$
deny=${NSPAWN_LITE_DENY:-}

# state : what a machine might leave behind, but its log, quicker than leftovers_before. A start
# may give the tree a zone and a resolver; in the cache others may be making trees, and have mounts beside ours
state() {
	sed -e '/\/trees\//d' -e "\\| ${T%/*}/[^ ]* |{ \\|$T|!d; }" -e "$not_ours" /proc/self/mountinfo
	find "$T/root" "$t" ! -name .host-id ! -name .hosts ! -name .consoles ! -path '*/.logs*' ! -path '*/etc/localtime' ! -path '*/etc/resolv.conf' | sort
	find /sys/fs/cgroup -name "*$me*" 2>/dev/null
	sed -n 's/^ *\(.*\):.*/\1/p' /proc/net/dev | sort
	ls /var/lib/machines 2>/dev/null
	[ ! "$looks" ] || network_state
	case $mode in disk*|squashfs) cat /sys/block/loop*/loop/backing_file 2>/dev/null | grep "$T" ;; esac
}
# rules : a table of iptables' own, with its chains, stays when the program of that name has been asked, which here
# may be nf_tables' one, too: what counts is whether anything is in it
rules() {
	nft list ruleset 2>/dev/null | sed -e '/^table ip6\{0,1\} \(nat\|filter\) {$/d' -e '/^#/d' \
		-e '/^	chain /d' -e '/^		type /d' -e '/^	*}$/d' -e '/^$/d'
}
# network_state : flags, rules, addresses, sockets; what is up is asked of the links that move
network_state() {
	# some come and go with their links
	grep -sH . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv[46]/conf/*/forwarding \
		/proc/sys/net/ipv6/conf/*/force_forwarding /proc/sys/net/ipv6/conf/*/accept_ra |
		grep -v -e '/v[be]-' -e '/vz-' -e '/crash0/'
	ip -o addr show up | sed 's/^[0-9]*: *\([^ ]*\) *\([^ ]* [^ ]*\).*/\1 \2/' | grep -v fe80 | sort
	ip route show table all | grep -v -e multicast -e fe80 | sed -e 's/ linkdown//' -e 's/ *$//' | sort
	rules
	# of all programs here nobody else listens
	for f in /proc/net/tcp /proc/net/tcp6; do
		sed -n "s|^ *[0-9]*: \([^ ]*\) [^ ]* 0A .*|$f \1|p" "$f"
	done
	for f in /proc/net/udp /proc/net/udp6 /proc/net/raw /proc/net/packet; do
		sed -n "2,\$s|^ *\([^ ]* [^ ]*\).*|$f \1|p" "$f" 2>/dev/null
	done
}
# same : prints what differs from the state before, once. Links go a moment after the network that they lead to
same() {
	tries=500
	while state >"$T/now"; ! cmp -s "$T/before$looks" "$T/now" && [ "$looks$where" != "-D $t" ] && [ $tries -gt 0 ]; do
		tries=$((tries - 1))
		sleep 0.02 2>/dev/null || sleep 1
	done
	cmp -s "$T/before$looks" "$T/now" && return
	diff "$T/before$looks" "$T/now" | grep '^[<>]' | head -n 3
	cp "$T/now" "$T/before$looks"
}
next() { timeout 60 "$NL" -q -M "$1" -D "$t" /bin/true </dev/null 2>&1; }

# an uplink, so that there is something to lead on; a link to be moved; a resolver that guests cannot ask themselves
network=''
looks=''	# at the network too, which takes its time: where the machine has links
if command -v ip >/dev/null 2>&1 && ip link set lo up && ip link add crash-up type veth peer name crash-far; then
	network='lent zone-port moved'
	! command -v iptables >/dev/null 2>&1 || network="$network tables"
	echo 'nameserver 127.0.0.1' >"$T/resolv.conf"
	mount --bind "$T/resolv.conf" /etc/resolv.conf
	for f in all default; do echo 0 >/proc/sys/net/ipv6/conf/$f/accept_dad; done 2>/dev/null
	ip link set crash-up addrgenmode none up
	ip link set crash-far addrgenmode none up
	ip addr add 198.51.100.1/24 dev crash-up
	ip route add default via 198.51.100.2
fi 2>/dev/null

# ---- every call -------------------------------------------------------------------

# begin MODE : its options and what goes before each of its starts
begin() {
	mode=$1
	words='/bin/echo ran'
	looks=''
	case "$network" in
	'')	;;
	*)	case $mode in links|links-users|lent|zone-port|moved|tables) looks=.network ;; esac ;;
	esac
	STEP=''
	where="-D $t"
	UNIFIED_HIERARCHY=''
	NSPAWN_LITE_DENY=$deny
	case $mode in
	terminal) words="--console=read-only $words" ;;
	stub)	words="-a $words" ;;
	links)	words="--network-zone=crash --network-veth-extra=crash0 $words" ;;
	links-users) words="--private-users=pick -n $words" ;;
	tables)	words="-n $words"; NSPAWN_LITE_DENY=nft ;;
	lent)	words="-n --port=tcp:8080:80 $words" ;;
	zone-port) words="--network-zone=crash --port=udp:8081:81 $words" ;;
	moved)	words="--network-interface=crash-far:inside0 --network-zone=crash $words" ;;
	network) words="--private-network $words" ;;
	ephemeral) words="-x $words" ;;
	users)	words="--private-users=pick $words" ;;
	users-ephemeral) words="--private-users=pick -x --private-network $words" ;;
	boot)	words='-b --keep-unit' ;;
	late)	STEP=late ;;
	legacy)	UNIFIED_HIERARCHY=no ;;
	disk)	where="-i $T/disk.raw" ;;
	squashfs) where="-x -i $T/disk.squashfs" ;;
	clone)	where='' ;;	# an image of that name
	esac
	export STEP UNIFIED_HIERARCHY NSPAWN_LITE_DENY
	[ "$UNIFIED_HIERARCHY" ] || unset UNIFIED_HIERARCHY
}
prepare() {
	case $mode in
	first)	rm -rf "$T/root/run" ;;
	sweep)	orphan ;;
	moved)	ip link set crash-far up ;;
	esac
}
# up : a fresh FIFO, so that nobody of before can hold it open
up() {
	rm -f "$T/up"
	mkfifo "$T/up"
}
# orphan : a machine whose supervisor was killed, and which lives on
orphan() {
	up
	"$NL" -q -M "$me-orphan" -P -x -D "$t" /bin/step deaf >"$T/up" 2>"$T/err" </dev/null &
	orphaned=$!
	timeout 60 head -n 1 <"$T/up" >/dev/null
	kill -9 $orphaned 2>/dev/null
	wait $orphaned 2>/dev/null
	cat "$T/err"
}

# at HOW K : one start with that happening at the Kth call; sets status, call, who, remark
at() {
	what_happens=$1
	case $mode in
	interactive) set -- "$PTY" -- "$T/on-terminal" "$T/err.inside" "$step" "$@" ;;
	*)	set -- "$step" "$@" ;;
	esac
	# shellcheck disable=SC2086 # words are words
	"$@" "$T/hit" "$NL" -q -M "$me" $where $words </dev/null >"$T/out" 2>"$T/err"
	status=$?
	read -r hit call who remark <"$T/hit"
	if [ "$mode" = interactive ]; then
		# one that cannot be set stays as it is
		grep -qx 'tty restored' "$T/err" || case $what_happens:$call in
		[0-9]*:ioctl) ;;
		*)	echo 'the terminal is not as it was' >>"$T/err.inside" ;;
		esac
		mv "$T/err.inside" "$T/err"
	fi
}
# its errors apart from what test-pty says of the terminal
cat >"$T/on-terminal" <<-'END'
	#!/bin/sh
	err=$1
	shift
	exec "$@" 2>"$err"
END
chmod 755 "$T/on-terminal"
# lines, said, out : what it said
read_words() {
	lines=0
	said=''
	while read -r line || [ -n "$line" ]; do
		lines=$((lines + 1))
		said="$said$line "
	done <"$T/err"
	out=''
	read -r out <"$T/out"
	out=${out%%"$cr"*}  # two, where the terminal could not be set
}
cr=$(printf '\r')

# judge HOW : prints what is wrong with how it ended. A word that cannot be written is lost; without
# a control group there is no device policy either, which is a line of its own
judge() {
	case $remark in hangs|outlived) echo "$remark" ;; esac
	case $1:$status:$lines in
	kill:*)	;;
	*:0:[012]) [ "$out" = ran ] || [ "$call $who" = 'write supervisor' ] || echo "status 0, and nothing was run" ;;
	child:137:[01]|*:1:1|*:126:1|*:127:1) ;;
	*)	echo "status $status" ;;
	esac
	case $said in
	*Success*|*'No error'*|*'terminal is not as'*) echo misleading ;;
	esac
}

# each MODE HOW STRIDE [FIRST] : every STRIDEth call from FIRST on; prints what went wrong
each() {
	begin "$1"
	how=$2
	stride=$3
	k=${4:-1}
	most=5
	[ "${CRASH:-}" != all ] || { stride=1; k=1; most=1000; }
	cases=0
	while wrong=$(prepare); at "$how" "$k"; [ "$hit" != end ]; do
		read_words
		wrong=$wrong$(judge "$how")
		case $((cases % 2)) in 0) name=$me-next ;; *) name=$me ;; esac
		wrong="$wrong$(next "$name")" || wrong="$wrong (next: status $?)"
		wrong="$wrong$(same)"
		# whose answers are kept from us we may leave down, with a word
		case $mode:$how in
		moved:kill|moved:child) [ -n "$(ip -o link show dev crash-far up)" ] || wrong="$wrong crash-far is down" ;;
		esac
		if [ -n "$wrong" ]; then
			echo "$mode, $how at call $k, $call of the $who: $wrong $said" | tr '\n' ' '
			most=$((most - 1))
			[ $most -gt 0 ] || break
		fi
		[ "${CRASH:-}" != all ] || echo "# $mode: $call of the $who, $how: $status $said" >>"$T/said"
		cases=$((cases + 1))
		k=$((k + stride))
	done
	echo $cases >"$T/cases"
}
# stepped SENTENCE MODE HOW STRIDE [FIRST]
stepped() {
	what=$1
	shift
	wrong=$(each "$@")
	read -r cases <"$T/cases"
	is "$2 $1: $what ($cases calls)" '' "$wrong"
}

# images: a disk, one that cannot be written to, an overlay clone
where="-D $t"
mode=''
images=''
! mkfs.ext4 -q -d "$t" "$T/disk.raw" 16M >/dev/null 2>&1 || images='disk'
! mksquashfs "$t" "$T/disk.squashfs" -quiet -no-progress >/dev/null 2>&1 || images="$images squashfs"
mkdir -p "$T/root/var/lib/machines"
if mount -t tmpfs none "$T/root/var/lib/machines"; then
	cp -a "$t" "$T/root/var/lib/machines/base"
	"$NL" clone base "$me"
	"$NL" -q -M "$me" /bin/true
	[ ! -d "$T/root/var/lib/machines/$me.overlay" ] || images="$images clone"
fi 2>/dev/null

mkdir -p "$T/root/etc"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"
next "$me"
next "$me-next"
leftovers_before
state >"$T/before"
looks=.network
state >"$T/before.network"
looks=''
if "$step" works 2>/dev/null; then
	for m in ${MODES:-plain first late terminal interactive legacy stub network links links-users $network ephemeral users users-ephemeral boot sweep $images}; do
		o=0
		case $m in
		# of hundreds of calls some; CRASH=all takes two minutes for each of the last, CRASH_OFFSET others
		plain)	s=3 e=17 o=${CRASH_OFFSET:-0} ;;
		late)	s=5 e=17 o=${CRASH_OFFSET:-0} ;;
		links|links-users) s=61 e=67 o=${CRASH_OFFSET:-0} ;;
		disk|squashfs|clone|lent|zone-port|moved|tables) s=67 e=71 o=${CRASH_OFFSET:-0} ;;
		*)	s=17 e=29 o=${CRASH_OFFSET:-0} ;;
		esac
		stepped 'a supervisor that is killed leaves nothing that stays' "$m" kill "$s" $((1 + o))
		stepped 'a machine that is killed is told of, and leaves nothing' "$m" child "$s" $((2 + o))
		stepped 'calls that are missing (ENOSYS) are borne or told of' "$m" 38 "$e" $((1 + o))
		stepped 'no memory (ENOMEM) is borne or told of' "$m" 12 "$e" $((2 + o))
		stepped 'no permission (EPERM) is borne or told of' "$m" 1 "$e" $((3 + o))
		leftovers_after "$m: the host is as it was"
	done
	[ "${CRASH:-}" != all ] || sort "$T/said" | uniq
else
	skip 'at each system call a crash leaves nothing' 'stepping is for x86_64 and Linux 5.3'
fi

# ---- one name, one machine -----------------------------------------------------------

# held OPTION... : a machine that says "up" to descriptor 8 and stays
held() {
	up
	"$NL" -q -M "$me" -P -x -D "$t" "$@" >"$T/up" </dev/null &
	pid=$!
	exec 8<"$T/up"
	timeout 60 head -n 1 <&8 >/dev/null
}
# dies : kills its supervisor
dies() {
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
}
# ended : empty, when nobody is left that could write to descriptor 8
ended() {
	timeout 60 cat <&8 || echo "status $?"
	exec 8<&-
}
held /bin/sh -c 'echo up; while :; do read -r x </proc/self/stat; done'
is 'a second machine of that name is refused' "nspawn-lite: Machine '$me' already exists. 1" \
	"$("$NL" -q -M "$me" -x -D "$t" /bin/true 2>&1 </dev/null | tr '\n' ' '
		"$NL" -q -M "$me" -x -D "$t" /bin/true >/dev/null 2>&1 </dev/null; echo $?)"
is 'one of another name starts beside it' '' "$("$NL" -q -M "$me-next" -x -D "$t" /bin/true 2>&1 </dev/null || echo $?)"
dies
is 'a guest ends when its supervisor is killed' '' "$(ended)"
is 'its name is free at once' '' "$(next "$me" || echo $?)"
is 'and nothing is left of it' '' "$(same)"

if grep -q cgroup /proc/self/mountinfo; then
	held /bin/step deaf
	dies
	is 'the next command ends a guest that would not die with its supervisor' '' "$(next "$me-next" || echo $?; ended)"
	is 'and leaves nothing of it' '' "$(same)"
	held /bin/step deaf
	dies
	is 'the same name can start again at once' '' "$(next "$me" || echo $?; ended)"
	is 'with nothing left of the one before' '' "$(same)"
	held -a /bin/sh -c 'setsid step deaf & exec step deaf'
	dies
	is 'what runs below our own init ends with the supervisor' '' "$(ended | grep -v '^up$')"
	is 'and the next start leaves nothing of it' '' "$(next "$me-next" || echo $?; same)"
else
	skip 'a guest that would not die is ended' 'no control groups are mounted'
fi

# ---- many starts ------------------------------------------------------------------------

terminals() { cat /proc/sys/kernel/pty/nr 2>/dev/null || echo 0; }
ptys=$(terminals)
i=0
wrong=''
while [ $i -lt 100 ]; do
	i=$((i + 1))
	for o in '' '--console=read-only --private-network' '-x -a'; do
		# shellcheck disable=SC2086 # options are words
		wrong=$wrong$("$NL" -q -M "$me" -D "$t" $o /bin/true 2>&1 </dev/null || echo "status $?")
	done
done
is '300 starts in a row end well' '' "$wrong"
leftovers_after '300 starts leave nothing'
# others may open a few meanwhile
is '300 starts leave no terminals' yes "$([ "$(terminals)" -lt $((ptys + 50)) ] && echo yes)"

i=0
all=''
while [ $i -lt 20 ]; do
	i=$((i + 1))
	all="$all $i"
	mkdir -p "$T/copy$i/bin" "$T/copy$i/etc"
	cp "$t/bin/busybox" "$t/bin/step" "$T/copy$i/bin"
done
# at_once NAME WORD... : 20 starts, % stands for the number; what they say comes out in order
at_once() {
	name=$1
	shift
	for i in $all; do
		"$NL" -q -M "$(echo "$name" | sed "s/%/$i/")" -D "$T/copy$i" "$@" </dev/null >"$T/out$i" 2>&1 &
		eval "pid$i=$!"
	done
	for i in $all; do
		eval "wait \$pid$i"
		echo "$?"
		cat "$T/out$i"
	done
}
is '20 starts at once are 20 machines' '20 0,20 ran,' \
	"$(at_once "$me-%" /bin/busybox echo ran | sort | uniq -c | awk '{ printf "%s %s,", $1, $2 }')"
is 'and leave nothing' '' "$(same)"

up
exec 7<>"$T/up"
for i in $all; do
	"$NL" -q -M "$me-$i" -P -D "$T/copy$i" /bin/step deaf </dev/null >&7 &
	eval "pid$i=$!"
done
is '20 machines come up at once' 20 "$(timeout 60 head -n 20 <&7 | wc -l | tr -d ' ')"
for i in $all; do eval "kill -9 \$pid$i"; done
for i in $all; do eval "wait \$pid$i" 2>/dev/null; done
exec 7>&-
is 'all 20 can start again at once when their supervisors were killed' '20 0,20 ran,' \
	"$(at_once "$me-%" /bin/busybox echo ran | sort | uniq -c | awk '{ printf "%s %s,", $1, $2 }')"
is 'the next start ends well' '' "$(next "$me")"
leftovers_after 'and nothing is left of either'

# a start looks at a few of those who live; what is shared is always among it, wherever the list has it: in a tmpfs last
if [ "$network" ] && mount -t tmpfs none "$T/root/run/nspawn-lite"; then
	held -n /bin/busybox sh -c 'echo up; exec sleep 1000'
	flag=/proc/sys/net/ipv4/conf/crash-up/forwarding
	is 'a machine has the host lead on' 1 "$(cat $flag)"
	up
	exec 7<>"$T/up"
	for i in 1 2 3 4 5 6; do
		"$NL" -q -M "$me-$i" -P -D "$T/copy$i" /bin/busybox sh -c 'echo up; exec /bin/busybox sleep 1000' </dev/null >&7 &
		eval "pid$i=$!"
	done
	is 'and six begin after it' 6 "$(timeout 60 head -n 6 <&7 | wc -l | tr -d ' ')"
	dies
	is 'when it is killed the next start puts back what it had shared' 0 "$(next "$me-next" || echo $?; cat $flag)"
	for i in 1 2 3 4 5 6; do eval "kill -9 \$pid$i"; done
	for i in 1 2 3 4 5 6; do eval "wait \$pid$i" 2>/dev/null; done
	exec 7>&-
	is 'and nothing of it runs on' '' "$(ended)"
	"$NL" terminate nobody-at-all >/dev/null 2>&1
	umount "$T/root/run/nspawn-lite"
fi

# its network may outlive a machine, and with it the link that could not be removed
if [ "$network" ] && command -v strace >/dev/null 2>&1 && "$step" works 2>/dev/null; then
	looks=.network
	up
	mkfifo "$T/end"
	exec 6<>"$T/end"
	"$NL" -q -M "$me" -P -D "$t" --network-zone=crash /bin/busybox sh -c 'echo up; read -r x' <"$T/end" >"$T/up" 2>"$T/err" &
	pid=$!
	timeout 60 head -n 1 <"$T/up" >/dev/null
	exec 9<"/proc/$(sed -n 's/^LEADER=//p' "$T/root/run/nspawn-lite/$me")/ns/net"
	strace -qq -o "$T/trace" -e trace=sendto -e inject=sendto:error=EPERM -p $pid 2>/dev/null &
	tracer=$!
	wait_for sh -c "! grep -q 'TracerPid:.0' /proc/$pid/status"
	echo >&6
	wait $pid
	is 'a machine ends whose links cannot be removed, and says so' "0 nspawn-lite: remove link vb-$me: Operation not permitted" \
		"$? $(grep 'remove link' "$T/err")"
	wait $tracer
	is 'the next command removes them' '' "$(next "$me-next" || echo $?; same)"
	exec 9<&- 6>&-
	looks=''
fi

# race OPTION... : 20 starts at once of one name, % of a tree stands for the number. The winner
# stays until all others have ended; says how many ended how
race() {
	exec 6<>"$T/in" 7<>"$T/ends"
	for i in $all; do
		{
			"$NL" -q -M "$me" -P -D "$(echo "$1" | sed "s/%/$i/")" /bin/busybox head -n 1 <&6 2>"$T/err$i" >&2
			echo $? >&7
		} &
	done
	timeout 60 head -n 19 <&7 | sort | uniq -c | tr -s '\n ' ' '
	for i in $all; do echo won >&6; done
	timeout 60 head -n 1 <&7
	wait
	exec 6>&- 7>&-
	for i in $all; do cat "$T/err$i"; done | sort | uniq -c | tr -s ' ' | sed 's/^ //'
}
mkfifo "$T/in" "$T/ends"
is 'of 20 starts at once of one name one wins' " 19 1 0,19 nspawn-lite: Machine '$me' already exists.,1 won," \
	"$(race "$T/copy%" | tr '\n' ',')"
is 'and of 20 of one tree' " 19 1 0,19 nspawn-lite: Directory tree $T/copy1 is currently busy.,1 won," \
	"$(race "$T/copy1" | tr '\n' ',')"
leftovers_after 'and nothing is left'
finish
