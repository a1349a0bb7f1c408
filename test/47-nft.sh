#!/bin/sh
# shellcheck disable=SC2016,SC2317 # functions are called by name, and words for eval
# Rules of a machine in nf_tables, with real traffic: this namespace is the host, and has two guests on a bridge and
# somebody outside who knows nothing of the guests' network.
if [ -z "${APART-}" ] && unshare -n true 2>/dev/null; then
	# shellcheck disable=SC2086 # words
	APART=y exec unshare -n ${TESTSH:-sh} "$0"
fi
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
[ -n "${APART-}" ] || skip_all 'no network namespaces'
need nft socat ip iptables-nft ss nsenter
nft list ruleset >/dev/null 2>&1 || skip_all 'no nf_tables'
prog=$(program nft)
# by its path: busybox's shell would take its own
for ip in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do
	[ ! -x "$ip" ] || break
done
pids=''
trap 'end_all' EXIT

end_all() {
	status=$?
	# shellcheck disable=SC2086 # words
	kill -9 $pids 2>/dev/null
	(exit "$status")
	clean_up
}

# namespace : one with a process to call it by; sets pid
namespace() {
	unshare -n sleep 1000 >/dev/null 2>&1 &
	pid=$!
	pids="$pids $pid"
	wait_for eval '[ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ]'
	inside "$pid" "$ip" link set lo up
}

inside() {
	at=$1
	shift
	nsenter -t "$at" -n -- "$@"
}

# address PID LINK ADDRESS... : "" is the host
address() {
	at=${1:-$$}
	link=$2
	shift 2
	inside "$at" "$ip" link set "$link" up
	for a; do
		dad=''
		case $a in *:*) dad=nodad ;; esac
		# shellcheck disable=SC2086 # a word or none
		inside "$at" "$ip" addr add "$a" dev "$link" $dad
	done
}

# serve PID PORT WORD : says WORD, and whom it hears, by tcp and udp of both families
serve() {
	for how in TCP4-LISTEN UDP4-RECVFROM TCP6-LISTEN UDP6-RECVFROM; do
		only=''
		case $how in *6*) only=,ipv6only=1 ;; esac
		# itself, so that it can be killed
		nsenter -t "$1" -n -- socat "$how:$2,fork,reuseaddr$only" "SYSTEM:read -r x; echo $3 \$SOCAT_PEERADDR" >/dev/null 2>&1 &
		pids="$pids $!"
	done
	wait_for eval "[ \$(nsenter -t $1 -n ss -ltunH 'sport = :$2' | wc -l) = 4 ]"
}

# hear PID WHERE : what is said there
hear() {
	echo hello | inside "$1" socat -t2 -T2 - "$2,connect-timeout=2" 2>/dev/null
}

said() {
	grep -q . "$T/said"
}

# begin WORD... : a process that keeps rules in force; its input is fd 9
begin() {
	rm -f "$T/words"
	: >"$T/said"
	mkfifo "$T/words"
	"$prog" set "$@" <"$T/words" >"$T/said" 9>&- &
	job=$!
	exec 9>"$T/words"
	wait_for said
}

# again WORD... : others in their place
again() {
	: >"$T/said"
	echo "$@" >&9
	wait_for said
}

end() {
	exec 9>&-
	wait "$job"
}

none_left() {
	[ -z "$(nft list tables)" ]
}

"$ip" link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
"$ip" link add vz-z type bridge
# else what stays on the bridge is translated there
for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do
	[ ! -e "$f" ] || echo 0 >"$f"
done
address '' vz-z 10.1.0.1/28 fd00:1::1/64
i=2
for name in web two; do
	namespace
	eval "$name=$pid"
	"$ip" link add "vb-$name" type veth peer name host0 netns "$pid"
	"$ip" link set "vb-$name" master vz-z up
	address "$pid" host0 "10.1.0.$i/28" "fd00:1::$i/64"
	inside "$pid" "$ip" route add default via 10.1.0.1
	inside "$pid" "$ip" route add default via fd00:1::1
	i=$((i + 1))
done
namespace
outside=$pid
"$ip" link add wan type veth peer name eth0 netns "$outside"
address '' wan 192.0.2.1/24 192.0.2.9/24 2001:db8::1/64
address "$outside" eth0 192.0.2.2/24 2001:db8::2/64
# shellcheck disable=SC2154 # set above
serve "$web" 80 web
serve "$web" 3001 range
serve "$web" 5001 same
serve "$outside" 7000 outside

# ---- what is in force ---------------------------------------------------------------

net='link=vz-z net=10.1.0.1/28 net=fd00:1::1/64'
to='guest=10.1.0.2 guest=fd00:1::2'
ports='port=tcp:8080-8080:80 port=udp:8080-8080:80 port=tcp:3000-4023:3000 port=tcp:2000-2070:3000 port=tcp:5000-5010:5000 port=192.0.2.9,tcp:99:80 port=2001:db8::1,tcp:98:80'
is 'without rules the guest gets no answer' '' "$(hear "$web" TCP4:192.0.2.2:7000)"
# shellcheck disable=SC2086 # words
begin web $net $to $ports
is 'rules are put in force' 'set owned ip ip6 ' "$(cat "$T/said")"
# shellcheck disable=SC2046 # words
# shellcheck disable=SC2005 # on one line
is 'two tables are made, and the kernel knows whose they are' \
	'ip nspawn-lite-web flags owner ip6 nspawn-lite-web flags owner' \
	"$(echo $(nft list ruleset | sed -n 's/^table \([^{]*\){.*/\1/p; s/^\t\(flags owner\)$/\1/p'))"
nft list table ip nspawn-lite-web >"$T/ip"
nft list table ip6 nspawn-lite-web >"$T/ip6"
has() {
	ok "$1" grep -qF "$3" "$T/$2"
}
has 'a port' ip 'tcp dport 8080 fib daddr type local dnat to 10.1.0.2:80'
has 'one of udp' ip 'udp dport 8080 fib daddr type local dnat to 10.1.0.2:80'
has 'a range to the same numbers needs no map' ip 'tcp dport 5000-5010 fib daddr type local dnat to 10.1.0.2'
has 'a range to others' ip 'tcp dport 2000-2070 fib daddr type local dnat to 10.1.0.2:tcp dport map @'
has 'each of it' ip '2000 : 3000, 2001 : 3001'
has 'to the last' ip '2070 : 3070 }'
has 'one address' ip 'tcp dport 99 ip daddr 192.0.2.9 dnat to 10.1.0.2:80'
has 'masquerade' ip 'ip saddr 10.1.0.0/28 oifname != "vz-z" masquerade'
has 'loopback stays' ip 'ip daddr 127.0.0.0/8 return'
has 'a port by IPv6' ip6 'tcp dport 8080 fib daddr type local dnat to [fd00:1::2]:80'
has 'one address of IPv6' ip6 'tcp dport 98 ip6 daddr 2001:db8::1 dnat to [fd00:1::2]:80'
has 'masquerade of IPv6' ip6 'ip6 saddr fd00:1::/64 oifname != "vz-z" masquerade'
has 'loopback of IPv6 stays' ip6 'ip6 daddr ::1 return'
has 'and what is of a link only' ip6 'ip6 daddr fe80::/10 return'
is 'an address is of its family only' '0 0' "$(grep -c 'dport 98' "$T/ip") $(grep -c 'dport 99' "$T/ip6")"

# ---- who reaches whom ---------------------------------------------------------------

is 'the guest reaches the outside as the host' 'outside 192.0.2.1' "$(hear "$web" TCP4:192.0.2.2:7000)"
is 'by udp' 'outside 192.0.2.1' "$(hear "$web" UDP4:192.0.2.2:7000)"
is 'by IPv6' 'outside [2001:0db8:0000:0000:0000:0000:0000:0001]' "$(hear "$web" 'TCP6:[2001:db8::2]:7000')"
is 'the outside reaches the guest, which sees who it is' 'web 192.0.2.2' "$(hear "$outside" TCP4:192.0.2.1:8080)"
is 'by udp' 'web 192.0.2.2' "$(hear "$outside" UDP4:192.0.2.1:8080)"
is 'by IPv6' 'web [2001:0db8:0000:0000:0000:0000:0000:0002]' "$(hear "$outside" 'TCP6:[2001:db8::1]:8080')"
is 'by udp and IPv6' 'web [2001:0db8:0000:0000:0000:0000:0000:0002]' "$(hear "$outside" 'UDP6:[2001:db8::1]:8080')"
is 'a range that keeps its numbers' 'same 192.0.2.2' "$(hear "$outside" TCP4:192.0.2.1:5001)"
is 'a range with other numbers' 'range 192.0.2.2' "$(hear "$outside" TCP4:192.0.2.1:2001)"
is 'by IPv6' 'range [2001:0db8:0000:0000:0000:0000:0000:0002]' "$(hear "$outside" 'TCP6:[2001:db8::1]:2001')"
is 'a port of one address' 'web 192.0.2.2' "$(hear "$outside" TCP4:192.0.2.9:99)"
is 'is at no other' '' "$(hear "$outside" TCP4:192.0.2.1:99)"
is 'a port that leads nowhere' '' "$(hear "$outside" TCP4:192.0.2.1:8081)"
like 'the host at its own address' 'web *' "$(hear $$ TCP4:192.0.2.1:8080)"
like 'at its address beside the guest' 'web *' "$(hear $$ TCP4:10.1.0.1:8080)"
like 'by udp' 'web *' "$(hear $$ UDP4:192.0.2.1:8080)"
like 'by IPv6' 'web *' "$(hear $$ 'TCP6:[2001:db8::1]:8080')"
is 'its loopback is not ours' '' "$(hear $$ TCP4:127.0.0.1:8080)$(hear $$ 'TCP6:[::1]:8080')"
is 'the guest itself' 'web 10.1.0.1' "$(hear "$web" TCP4:192.0.2.1:8080)"
# shellcheck disable=SC2154 # set above
is 'the one beside it' 'web 10.1.0.1' "$(hear "$two" TCP4:10.1.0.1:8080)"
is 'by IPv6' 'web [fd00:0001:0000:0000:0000:0000:0000:0001]' "$(hear "$two" 'TCP6:[2001:db8::1]:8080')"
is 'by udp' 'web 10.1.0.1' "$(hear "$two" UDP4:10.1.0.1:8080)"
is 'they see each other as they are' 'web 10.1.0.3' "$(hear "$two" TCP4:10.1.0.2:80)"

# ---- others in their place, and the end ---------------------------------------------

nft add table inet precious
serve "$two" 80 two
# shellcheck disable=SC2086 # words
again $net guest=10.1.0.3 port=tcp:8080:80 port=tcp:100-103:79
is 'the rules follow an address' 'set owned ip ip6 ' "$(cat "$T/said")"
is 'at once' 'two 192.0.2.2' "$(hear "$outside" TCP4:192.0.2.1:8080)"
is 'a range that is another' 'two 192.0.2.2' "$(hear "$outside" TCP4:192.0.2.1:101)"
is 'what is not among them is gone' '' "$(hear "$outside" 'TCP6:[2001:db8::1]:8080')"
nft list table ip nspawn-lite-web >"$T/good"
again link=vz-z guest=10.1.0.2 port=tcp:1-60000:2
like 'too much is refused' 'failed *too many ports*' "$(cat "$T/said")"
is 'and leaves what was' "$(cat "$T/good")" "$(nft list table ip nspawn-lite-web)"
again link=vz-z net=10.1.0.1/28
is 'a family without rules has no table' 'set owned ip - ' "$(cat "$T/said")"
is 'and masquerades alone' 'outside 192.0.2.1' "$(hear "$two" TCP4:192.0.2.2:7000)"
again link=vz-z guest=10.1.0.2 port=tcp:8080:80
is 'without a network, one beside the guest still reaches it' 'web 10.1.0.1' "$(hear "$two" TCP4:192.0.2.1:8080)"
run "$prog" set web link=vz-z net=10.1.0.1/28
like "another's table of that name is refused" 'failed *' "$out"
kill -9 "$job"
wait "$job" 2>/dev/null
exec 9>&-
is 'kill -9 takes the rules with it, and no others' 'table inet precious' "$(nft list tables)"
nft delete table inet precious
nft 'table ip nspawn-lite-web { chain x { type filter hook forward priority 0; policy drop; }; }; table ip6 nspawn-lite-web { }'
begin web link=vz-z net=10.1.0.1/28
is 'what is left of the name, and nobody owns, is replaced' 'set owned ip - ' "$(cat "$T/said")"
unlike 'all of it' '*hook forward*' "$(nft list ruleset)"
end
ok 'none are left at the end' none_left || nft flush ruleset
nft 'table ip nspawn-lite-web { }; table ip6 nspawn-lite-web { }; table ip nspawn-lite-webs { }'
ok 'what is left can be removed' "$prog" remove web
is 'and only that' 'table ip nspawn-lite-webs' "$(nft list tables)"
ok 'to remove nothing is no error' "$prog" remove web
nft flush ruleset

# ---- whose rules are in the way -----------------------------------------------------

# blocked NAME WANT [RULES] : what is said of the bridge with these rules, which nft reads
blocked() {
	nft "$3" || result 'not ok' "$1: no rules"
	run "$prog" blocker vz-z
	is "$1" "$2" "$out"
	nft flush ruleset
}

# drop RULE... : a firewall's
drop() {
	echo "chain forward { type filter hook forward priority 0; policy drop; ct state established accept; $1; }; "
}

fw4='table inet fw4, chain forward (policy drop)'
blocked 'nobody' '' ''
blocked 'a policy' "$fw4" "table inet fw4 { $(drop 'iifname "br-lan" accept'); }"
blocked 'a table of IPv6' 'table ip6 fw, chain forward (policy drop)' "table ip6 fw { $(drop 'oif lo accept'); }"
blocked 'one that knows the link' '' "table inet fw4 { $(drop 'iifname "vz-z" accept'); }"
blocked 'in any chain' '' "table inet fw4 { chain x { oifname vz-z accept; }; $(drop 'jump x'); }"
blocked 'by its number' '' "table inet fw4 { $(drop 'iif vz-z accept'); }"
blocked 'by its beginning' '' "table inet fw4 { $(drop 'iifname "vz-*" accept'); }"
blocked 'others that look like it' "$fw4" "table inet fw4 { $(drop 'iifname { "vz-zz", "vz" } accept; oifname "vz-" accept; iifname "vb-*" accept'); }"
blocked 'a port that looks like it' "$fw4" "table inet fw4 { $(drop 'tcp dport 30330 accept'); }"
blocked 'among others' '' "table inet fw4 { $(drop 'iifname { "br-lan", "vz-z" } accept'); }"
blocked 'in a set with beginnings' '' "table inet fw4 { set s { type ifname; flags interval; elements = { \"br*\", \"vz*\" }; }; $(drop 'iifname @s accept'); }"
blocked 'a set with others' "$fw4" "table inet fw4 { set s { type ifname; flags interval; elements = { \"br*\", \"ve*\" }; }; $(drop 'iifname @s accept'); }"
blocked 'with a port' '' "table inet fw4 { set s { type inet_service . ifname; elements = { 80 . \"vz-z\" }; }; $(drop 'tcp dport . iifname @s accept'); }"
blocked 'in a map' '' "table inet fw4 { chain x { accept; }; $(drop 'iifname vmap { "vz-z" : jump x, "lo" : accept }'); }"
accept='chain forward { type filter hook forward priority 0; policy accept;'
blocked 'a last rule' 'table inet fw4, chain forward' "table inet fw4 { $accept iifname lo accept; counter reject; }; }"
blocked 'a last rule that jumps to such' 'table inet fw4, chain forward' \
	"table inet fw4 { chain handle_reject { meta l4proto tcp reject with tcp reset; reject; }; $accept iifname lo accept; jump handle_reject; }; }"
blocked 'one that goes round in a circle' '' \
	"table inet fw4 { chain a { tcp dport 1 accept; }; $accept jump a; }; }"
blocked 'a last rule that holds for some' '' "table inet fw4 { $accept reject; iifname lo reject; }; }"
blocked 'a policy that is never reached' '' "table inet fw4 { $(drop accept); }"
blocked 'other hooks' '' 'table inet f { chain forward { type filter hook input priority 0; policy drop; }; }'
blocked 'bridges' '' 'table bridge f { chain forward { type filter hook forward priority 0; policy drop; }; }'
blocked 'those of other machines' '' "table inet nspawn-lite-x { $(drop 'oif lo accept'); }"

# As docker has it
for tool in iptables-nft iptables-legacy ip6tables-legacy; do
	if ! "$tool" -P FORWARD DROP 2>/dev/null; then
		skip "$tool drops" 'not here'
		continue
	fi
	case $tool in
	*-nft) want='table ip filter, chain FORWARD (policy drop)' ;;
	*) want="${tool%-legacy}, table filter, chain FORWARD" ;;
	esac
	"$tool" -A FORWARD -i docker0 -j ACCEPT
	"$tool" -A FORWARD -o vz-zz -j ACCEPT
	is "$tool drops" "$want" "$("$prog" blocker vz-z)"
	for how in '-i vz-z' '-o vz-+'; do
		# shellcheck disable=SC2086 # words
		"$tool" -A FORWARD $how -j ACCEPT
		is "$tool knows the link: $how" '' "$("$prog" blocker vz-z)"
		# shellcheck disable=SC2086 # words
		"$tool" -D FORWARD $how -j ACCEPT
	done
	"$tool" -P FORWARD ACCEPT
	is "$tool accepts" '' "$("$prog" blocker vz-z)"
	"$tool" -A FORWARD -j REJECT
	is "$tool rejects what is left" "${want% (*}" "$("$prog" blocker vz-z)"
	"$tool" -F FORWARD
	"$tool" -A FORWARD -p tcp -j REJECT
	is "$tool rejects some" '' "$("$prog" blocker vz-z)"
	"$tool" -F FORWARD
done

done_testing
