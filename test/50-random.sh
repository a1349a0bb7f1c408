#!/bin/sh
# shellcheck disable=SC2016 # scripts for the guest
# shellcheck disable=SC2154 # variables by eval
# Machines of three zones and others with -n begin and end at random, in each way that there is to end, supervisors
# that are killed included. Who was not killed keeps link, address, port and names; no two have one; and in the end
# nothing stays. SEED=N does the same again, as far as time allows it; RANDOM_SECONDS is how long (25).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need timeout awk
seconds=${RANDOM_SECONDS:-25}
seed=${SEED:-$(($(date +%s) % 1000000))}
echo "# SEED=$seed"
rnd=$seed
# pick N : n is a number below N
pick() {
	rnd=$(((rnd * 1103515245 + 12345) % 2147483648))
	n=$((rnd / 65536 % $1))
}

ZONED=20 SINGLE=10
state=$T/root/run/nspawn-lite
mkdir -p "$T/root/etc" "$T/trees"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"
outside || skip_all 'no veth in this kernel'
need nft

# a resolver that guests cannot ask themselves
names=''
if command -v dnsmasq >/dev/null 2>&1; then
	echo 'nameserver 127.0.0.1' >"$T/resolv.conf"
	mount --bind "$T/resolv.conf" /etc/resolv.conf
	dnsmasq -k -C /dev/null -R -h -u root -x "$T/names.pid" --listen-address=127.0.0.1 --bind-interfaces \
		--host-record=here.lan,192.0.2.7 &
	background_pids="$background_pids $!"
	names=yes
fi

all=''
i=0
while [ $i -lt $((ZONED + SINGLE)) ]; do
	i=$((i + 1))
	all="$all $i"
	mkdir -p "$T/trees/$i/bin" "$T/trees/$i/etc" "$T/trees/$i/proc"
	ln "$("$TESTDIR/trees" busybox)/bin/busybox" "$T/trees/$i/bin/busybox" 2>/dev/null ||
		cp "$("$TESTDIR/trees" busybox)/bin/busybox" "$T/trees/$i/bin/busybox"
	eval "pid$i='' address$i='' begun$i=0"
done
# what there may be of the network, and of us
traces() {
	ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/link \1/'
	ip route show table all
	nft list tables
	grep . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/uplink/forwarding \
		/proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/uplink/force_forwarding \
		/proc/sys/net/ipv6/conf/uplink/accept_ra 2>/dev/null
	for f in "$state"/* "$state"/.* "$state"/.hosts/* "$state"/.hosts/.*; do
		case $f in */.|*/..|*/.mounts|*/.hosts|*/.host-id) ;; *) [ ! -e "$f" ] || echo "file $f" ;; esac
	done
	find /sys/fs/cgroup -name "*life$$-*" 2>/dev/null
	awk '$4 == "0A" { print "listens", $2 }' /proc/net/tcp /proc/net/tcp6
} 2>/dev/null
name() { echo "life$$-$1"; }

# start I : a machine in a zone, or with a port
start() {
	rm -f "$T/trees/$1/down"
	if [ "$1" -le $ZONED ]; then
		set -- "$1" "--network-zone=z$$$(($1 % 3))"
	else
		set -- "$1" -n "--port=tcp:$((20000 + $1)):80"
	fi
	"$NL" -q -M "$(name "$1")" -D "$T/trees/$1" "$2" ${3+"$3"} /bin/busybox sh -c 'until [ -e /down ]; do busybox sleep 0.1; done' \
		>"$T/said$1" 2>&1 </dev/null &
	# one that was not running has no claim to what it had: another may have that now
	eval "pid$1=$! begun$1=$turn address$1=''"
}
# leader I : PID 1, if the register is its own: one that was killed leaves its
leader() {
	eval "p=\$pid$1"
	awk -F= -v p="$p" '$1 == "SUPERVISOR" && $2 == p { own = 1 } $1 == "LEADER" && own && $2 > 0 { print $2 }' "$state/$(name "$1")" 2>/dev/null
}
# shellcheck disable=SC2317 # called by wait_for
has_leader() { [ "$(leader "$1")" ]; }
lent() { sed -n 's/^\([0-9.]*\)\t.*/\1/p' "$state/.hosts/$(name "$1")" 2>/dev/null; }
wrong() { echo "turn $turn, machine $1: $2"; tr '\n' ' ' <"$T/said$1"; }
# check I : it lives, and has what it had
check() {
	eval "p=\$pid$1 had=\$address$1"
	if ! kill -0 "$p" 2>/dev/null; then
		wrong "$1" 'it has ended'
		return
	fi
	has=$(lent "$1")
	l=$(leader "$1")
	# one that is only just starting says neither
	if [ -z "$has" ] || [ -z "$l" ]; then
		eval "begun=\$begun$1"
		[ $((turn - begun)) -ge 40 ] || return
		wait_for eval "[ \"\$(lent $1)\" ] && has_leader $1" || { wrong "$1" 'it has not begun'; return; }
		has=$(lent "$1")
		l=$(leader "$1")
	fi
	eval "address$1=$has"
	[ -z "$had" ] || [ "$had" = "$has" ] || wrong "$1" "was $had, is $has"
	busybox ping -c 1 -W 10 "$has" >/dev/null 2>&1 || wrong "$1" "$has does not answer"
	[ "$1" -le $ZONED ] || grep -q "00000000:$(printf %04X $((20000 + $1))) .* 0A\|0\{32\}:$(printf %04X $((20000 + $1))) .* 0A" /proc/net/tcp /proc/net/tcp6 ||
		wrong "$1" 'nobody listens on its port'
	if [ "$names" ]; then
		gate=$(nsenter -t "$l" -n "$ip_program" -4 route show default 2>/dev/null | sed -n 's/.* via \([0-9.]*\).*/\1/p')
		# the relay is the number after the host's
		gate=${gate%.*}.$((${gate##*.} + 1))
		timeout 60 nsenter -t "$l" -n busybox nslookup here.lan "$gate" >"$T/names" 2>&1
		grep -q 192.0.2.7 "$T/names" || wrong "$1" "no names from $gate: $(tr '\n' ' ' <"$T/names")"
	fi
}
# living : those that run, as numbers
living() {
	for i in $all; do
		eval "p=\$pid$i"
		[ -z "$p" ] || echo "$i"
	done
}
# reap I STATUS... : it has ended in one of these ways
reap() {
	eval "p=\$pid$1 pid$1=''"
	wait "$p" 2>/dev/null
	status=$?
	case " $2 " in *" $status "*) ;; *) wrong "$1" "status $status" ;; esac
}
step() {
	pick $((ZONED + SINGLE))
	i=$((n + 1))
	eval "p=\$pid$i b=\$begun$i"
	if [ -z "$p" ]; then
		start $i
		return
	fi
	pick 10
	case $n in
	0|1)	: >"$T/trees/$i/down"
		reap $i 0 ;;
	2|3|4|5)	# at any moment of its start, or later
		kill -9 "$p"
		reap $i 137
		pick 2
		[ $n = 0 ] || start $i ;;
	6|7)	l=$(leader $i)
		[ "$l" ] && kill -9 "$l" && reap $i '137 0' && start $i ;;
	8)	# what does not listen to the first is ended by the second
		tries=100
		while kill "$p" 2>/dev/null && ! grep -qs '^State:.Z' "/proc/$p/status" && [ $tries -gt 0 ]; do
			tries=$((tries - 1))
			sleep 0.1 2>/dev/null || sleep 1
		done
		reap $i '0 1 137 143' ;;
	*)	check $i ;;
	esac
}

turn=0
traces | sort >"$T/traces.before"
leftovers_before
end=$(($(date +%s) + seconds))
{
	while [ "$(date +%s)" -lt $end ]; do
		turn=$((turn + 1))
		step
		if [ $((turn % 10)) = 0 ]; then
			for i in $(living); do lent "$i"; done | sort | uniq -d | sed "s/^/turn $turn, two have one address: /"
			# of subnets each belongs to one link
			ip -4 -o route show | awk '/dev v[ez]-/ && !/via/ { print $1 }' | sort | uniq -d | sed "s/^/turn $turn, two have one subnet: /"
		fi
	done
	echo "$turn" >"$T/turns"
	for i in $(living); do check "$i"; done
	for i in $(living); do
		: >"$T/trees/$i/down"
		eval "pid=\$pid$i"
		# one that was killed before it began to look cannot end so
		[ "$(leader "$i")" ] || wait_for has_leader "$i"
	done
	for i in $(living); do reap "$i" 0; done
} >"$T/wrong" 2>"$T/noise"
is "who was not killed keeps what it has, and shares none of it ($(cat "$T/turns") turns, seed $seed)" '' "$(head -n 8 "$T/wrong")"
for i in $all; do
	timeout 60 "$NL" -q -M "$(name "$i")" -D "$T/trees/$i" -P /bin/busybox true >"$T/last$i" 2>&1 || echo "$i: $(cat "$T/last$i")"
done >"$T/last"
is 'one more start of each name ends well' '' "$(cat "$T/last")"
# shellcheck disable=SC2317 # called by wait_for
no_traces() {
	traces | sort >"$T/traces.after"
	cmp -s "$T/traces.before" "$T/traces.after"
}
wait_for no_traces
is 'then no link, bridge, table, flag, file or group is left' '' "$(diff "$T/traces.before" "$T/traces.after" | grep '^[<>]')"
leftovers_after 'and nothing else'
finish
