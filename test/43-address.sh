#!/bin/sh
# shellcheck disable=SC2016,SC2086 # expanded inside; options are words
# Addresses of machines: chosen, claimed, given, led on, and put back.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
t=$(tree busybox)
outside
# what outside sends to a machine comes by the host
ip -n outside route add default via 198.51.100.1
ip -6 -n outside route add default via 2001:db8:1::1

flags() { echo "$(netget ipv4/conf/uplink/forwarding) $(netget ipv6/conf/uplink/force_forwarding 2>/dev/null || netget ipv6/conf/all/forwarding)"; }
leftovers_before

# ---- words --------------------------------------------------------------------------

bad() {	# bad NAME PATTERN OPTION...
	name=$1
	pattern=$2
	shift 2
	run "$NL" plan -D "$t" "$@"
	# shellcheck disable=SC2154 # set by run
	like "$name" "1 1 $pattern" "$rc $(echo "$err" | wc -l | tr -d ' ') $err"
}
bad 'an address of nobody' '*10.0.0/24: not an address*' -n --network-address=10.0.0/24
bad 'with zeros before' '*not an address*' -n --network-address=010.1.1.1/24
bad 'with a blank' '*not an address*' -n '--network-address= 10.1.1.1/24'
bad 'with more behind it' '*not an address*' -n --network-address=10.1.1.1.1/24
bad 'an empty one' '*says nothing*' -n --network-address=
bad 'a scope' '*not an address*' -n --network-address=fd00::1%eth0/64
bad 'a prefix of 0' '*no number from 1 to 32*' -n --network-address=10.1.1.1/0
bad 'a prefix of 33' '*no number from 1 to 32*' -n --network-address=10.1.1.1/33
bad 'a prefix that is no number' '*no number from 1 to 32*' -n --network-address=10.1.1.1/+8
bad 'a prefix of 129' '*no number from 1 to 128*' -n --network-address=fd00::5/129
bad 'a mask' '*no number from 1 to 32*' -n --network-address=10.1.1.1/255.255.255.0
bad 'no room for the host' '*no room for the host*' -n --network-address=10.1.1.1/31
bad 'the network itself' '*that is the network itself*' -n --network-address=10.1.1.0/24
bad 'its broadcast address' '*broadcast*' -n --network-address=10.1.1.255/24
bad 'the network itself, of IPv6' '*that is the network itself*' -n --network-address=fd00::/64
bad 'broadcast to all' '*reserved or broadcast*' -n --network-address=255.255.255.255/24
bad 'multicast' '*multicast*' -n --network-address=224.0.0.5/24
bad 'multicast of IPv6' '*multicast*' -n --network-address=ff02::5/64
bad 'loopback' '*loopback*' -n --network-address=127.0.0.2/8
bad 'loopback of IPv6' '*loopback*' -n --network-address=::1/64
bad 'net 0' '*stands for no machine*' -n --network-address=0.0.0.1/8
bad 'link-local' '*come by themselves*' -n --network-address=fe80::5/64
bad 'IPv4 as IPv6' '*that is IPv4*' -n --network-address=::ffff:10.0.0.1/64
bad 'none and one' '*and one besides*' -n --network-address=none --network-address=10.1.1.2/24
bad 'auto on a plain bridge' '*only with --network-veth or --network-zone*' --network-bridge=br0 --network-address=auto
bad 'no prefix on a bridge' '*say 10.1.1.2/N*' --network-bridge=br0 --network-address=10.1.1.2
bad 'no link' '*has no link*' --private-network --network-address=10.1.1.2/24
bad 'no network' '*has no link*' --network-address=10.1.1.2/24
bad 'a gateway without an address' '*no IPv4 address to reach it from*' --network-bridge=br0 --network-gateway=10.1.1.1
bad 'a gateway elsewhere' '*not in the network of its address*' --network-bridge=br0 --network-address=10.1.1.2/24 --network-gateway=10.1.2.1
bad 'a gateway of the other family' '*no IPv6 address*' --network-bridge=br0 --network-address=10.1.1.2/24 --network-gateway=fd00::1
bad 'itself as the gateway' "*machine's own address*" --network-bridge=br0 --network-address=10.1.1.2/24 --network-gateway=10.1.1.2
bad 'two gateways' '*a second one for IPv4*' -n --network-address=10.1.1.2/24 --network-gateway=10.1.1.1 --network-gateway=10.1.1.3
bad 'a gateway and none' '*one besides*' -n --network-address=10.1.1.2/24 --network-gateway=10.1.1.1 --network-gateway=none
bad 'a gateway on a link with only the host' '*only the host is on that link*' -n --network-gateway=10.1.1.1
bad 'a server that is no address' '*not an address*' -n --network-dns=dns.example
bad 'a server for a machine in our network' "*shares the host's network*" --network-dns=9.9.9.9
bad 'four servers of a kind' '*at most 3*' -n --network-dns=9.9.9.1 --network-dns=9.9.9.2 --network-dns=9.9.9.3 --network-dns=9.9.9.4
ok 'good ones' "$NL" plan -D "$t" --network-bridge=br0 --network-address=10.1.1.2/24 --network-address=2001:db8::5/64 \
	--network-gateway=10.1.1.1 --network-gateway=fe80::1 --network-dns=9.9.9.9
ok 'the last address of a /31' "$NL" plan -D "$t" --network-bridge=br0 --network-address=10.1.1.1/31 --network-gateway=10.1.1.0

# ---- one with a link to the host ----------------------------------------------------------

start a -n
a4=$(address a) a6=$(address a 2)
like 'a machine with -n has an address of the pool' '10.*|fd*' "$a4|$a6"
ok 'the host reaches it' pings host "$a4"
ok 'by IPv6, too' pings -6 host "$a6"
ok 'outside reaches it by the host' pings outside "$a4"
ok 'by IPv6, too' pings -6 outside "$a6"
is 'packets are led on by the links concerned' '1 1' "$(flags)"
is 'and by no others' '0 0' "$(netget ipv4/conf/default/forwarding) $(netget ipv4/ip_forward)"
is 'a guest cannot make itself the way of the host' 0 "$(netget ipv6/conf/ve-a/accept_ra)"
is 'its name stands in a file for others' "$a4 a $a6 a" "$(tr '\t\n' '  ' <"$state/.hosts/a" | sed 's/ $//')"
stop a
is 'at its end the flags are as they were' '0 0' "$(flags)"
is 'and its name is gone' '' "$(ls "$state/.hosts")"
out=$(guest -M a -n sh -c 'ip -4 -o addr show host0; ip route; ip -6 route; ping -c 1 -W 2 198.51.100.2')
like 'after a restart it has the same address' "*inet $a4/28 *" "$out"
like 'and a default route' '*default via 10.*' "$out"
like 'for IPv6 by fe80::1' '*default via fe80::1 dev host0*' "$out"
like 'it reaches outside' '*1 packets received*' "$out"
is 'and so with a user namespace' 1 "$(guest -M a -U -n sh -c 'ip -4 addr; ping -c 1 -W 2 198.51.100.2' | grep -c "$a4/28\|1 packets received" | sed 's/2/1/')"
if [ -e /proc/sys/net/ipv6/conf/all/force_forwarding ]; then
	is 'resolv.conf of the tree is not touched' "$(cat "$t/etc/resolv.conf" 2>/dev/null)" "$(guest -M a -n --resolv-conf=off cat /etc/resolv.conf 2>/dev/null)"
fi
is 'with none it has no address' 0 "$(guest -M a -n --network-address=none ip -4 -o addr show host0 | wc -l | tr -d ' ')"
is 'and no flag is turned' '0 0' "$(flags)"
is 'without a gateway it has no way out' '' "$(guest -M a -n --network-gateway=none sh -c 'ip route | grep default; ip -6 route | grep default')"
like 'one that was said, with a gateway: that is the host' '*10.9.8.7/24*default via 10.9.8.254*1 packets received*' \
	"$(guest -M a -n --network-address=10.9.8.7/24 --network-gateway=10.9.8.254 sh -c 'ip -4 addr; ip route; ping -c 1 -W 2 10.9.8.254')"
run guest -M a -n --network-address=198.51.100.7/24 true
like 'one in a network that the host has is refused' "1 *overlaps with the host's route to 198.51.100.*" "$rc $err"
run guest -M a -n --network-address=10.9.8.1/24 true
like 'and so the one that the host would take' "1 *host's end of the link*" "$rc $err"
NSPAWN_LITE_DENY=new; export NSPAWN_LITE_DENY
like 'without newer calls all is the same' "*$a4/28*1 packets received*" "$(guest -M a -n sh -c 'ip -4 addr; ping -c 1 -W 2 198.51.100.2')"
unset NSPAWN_LITE_DENY

# ---- what is in the way -----------------------------------------------------------------------

ip link add vpn type dummy 2>/dev/null || ip link add vpn type bridge
ip link set vpn up
ip route add "$a4/32" dev vpn
start a -n
unlike 'a route of the host into its network moves it' "$a4" "$(address a)"
stop a
ip route del "$a4/32"
ip route add 10.0.0.0/8 dev vpn
start a -n
like 'and one over a whole pool into the next' '172.2[4-7].*' "$(address a)"
stop a
ip route add 172.16.0.0/12 dev vpn
ip route add 192.168.0.0/16 dev vpn
start a -n
like 'and if all are covered it has one all the same' '10.* *every pool*' "$(address a) $(cat "$T/a.err")"
stop a
ip route del 172.16.0.0/12
ip route del 192.168.0.0/16
ip route del 10.0.0.0/8
ip route add unreachable 10.0.0.0/8
start a -n
is 'one that leads nowhere is in nobody'"'s way" "$a4" "$(address a)"
ip route add "${a4%.*}.0/24" dev vpn
ok 'one that comes later is told' wait_for grep -q "the host has a new route to ${a4%.*}.0/24" "$T/a.err"
ip route del "${a4%.*}.0/24"
ip route del unreachable 10.0.0.0/8
# ---- the way out goes and comes
ip route del default
ok 'the way out is lost: the log says it' wait_for grep -q 'lost its way out for IPv4' "$T/a.err"
ip addr add 203.0.113.1/24 dev vpn
ip route add default via 203.0.113.2 dev vpn
ok 'and that there is one again' wait_for grep -q 'a way out again for IPv4' "$T/a.err"
ok 'the new link leads packets on, too' wait_for grep -q 1 /proc/sys/net/ipv4/conf/vpn/forwarding
ip link set uplink down
ok 'the machine goes on' pings host "$a4"
ip link set uplink up
ip addr add 2001:db8:1::1/64 dev uplink 2>/dev/null
ip route del default
ip route add default via 198.51.100.2
ip -6 route replace default via 2001:db8:1::2
stop a
is 'at the end it is put back there, too' 0 "$(netget ipv4/conf/vpn/forwarding)"
ip link del vpn

# ---- flags ---------------------------------------------------------------------------------------

start a -n
start b -n
stop a
is 'the flags stay for who is left' '1 1' "$(flags)"
kill -9 "$(supervisor b)"
# shellcheck disable=SC2154 # set by start
wait "$pid_b" 2>/dev/null
is 'a machine that was killed leaves them' '1 1' "$(flags)"
guest -M c -n --network-address=none true
is 'and the next start puts them back' '0 0' "$(flags)"
is 'and takes its name away' '' "$(ls "$state/.hosts")"
netset ipv4/conf/uplink/forwarding 1
guest -M a -n true
is 'what was on before is not ours' 1 "$(netget ipv4/conf/uplink/forwarding)"
netset ipv4/conf/uplink/forwarding 0
start a -n
netset ipv4/ip_forward 1
stop a
is 'what is on for all by then stays on' 1 "$(netget ipv4/conf/uplink/forwarding)"
netset ipv4/ip_forward 0
netset ipv6/conf/default/disable_ipv6 1
run guest -M a -n ip addr show host0
like 'where the host has IPv6 switched off there is only IPv4' '0*inet *' "$rc $out"
unlike 'and no IPv6' '*inet6 fd*' "$out"
netset ipv6/conf/default/disable_ipv6 0

# ---- a zone ----------------------------------------------------------------------------------------

start a --network-zone=z
start b --network-zone=z
a=$(address a) b=$(address b)
is 'machines of a zone are in one network' "${a%.*}" "${b%.*}"
is 'by names of the zone, too' "a a.z b b.z" "$(sed -n 's/^[^:]*\t//p' "$state/.hosts/a" "$state/.hosts/b" | sort -u | tr '\n' ' ' | sed 's/ $//')"
is 'the flags of the bridge' '1 0' "$(netget ipv4/conf/vz-z/forwarding) $(netget ipv6/conf/vz-z/accept_ra)"
out=$(guest -M c --network-zone=z sh -c "ping -c 1 -W 2 $a; ping -c 1 -W 2 $(address b 2); ping -c 1 -W 2 198.51.100.2; ping -c 1 -W 2 ${a%.*}.1")
is 'they reach each other, outside and the host' 4 "$(echo "$out" | grep -c '1 packets received')"
run guest -M d --network-zone=z "--network-address=$a" true
like 'one that another has is refused' "1 *another machine of zone z has it*" "$rc $err"
run guest -M d --network-zone=z --network-address=10.1.2.3/24 true
like 'and so one of another network' "1 *zone z has ${a%.*}.0/24*" "$rc $err"
run guest -M d --network-zone=z "--network-address=${a%.*}.77" --network-gateway="$b" ip route
like 'one without a prefix has that of the zone; any of them may be the gateway' "0 *default via $b*" "$rc $out"
stop a b
start a --network-zone=z
is 'a zone made anew has the same addresses' "$a" "$(address a)"
stop a
ok 'a network that was said makes the zone' guest -M a --network-zone=y --network-address=10.77.0.9/16 sh -c 'ip -4 addr | grep -q 10.77.0.9/16'

# who keeps the link layer's address of the one before asks nobody until that has timed out
start a --network-zone=z
start b --network-zone=z "--network-address=${a%.*}.88"
of_a() { nsenter -t "$(sed -n 's/^LEADER=//p' "$state/a")" -n busybox ping -c 1 -W 10 "${a%.*}.88" >/dev/null; }
ok 'the host reaches a machine of a zone' busybox ping -c 1 -W 10 "${a%.*}.88"
ok 'and another machine does' of_a
stop b
start c --network-zone=z "--network-address=${a%.*}.88"
ok 'one that has its address now is reached at once by the host' busybox ping -c 1 -W 10 "${a%.*}.88"
ok 'and by the other' of_a
stop a c
start a --network-zone=f --network-address=10.77.0.2/30
run guest -M b --network-zone=f true
like 'a zone that is full says so, and how large it is' '1 *zone f is full: 10.77.0.0/30 has no address left*' "$rc $err"
stop a

if command -v dnsmasq >/dev/null; then
	background dnsmasq --conf-file=/dev/null --keep-in-foreground --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts \
		--hostsdir="$state/.hosts" --pid-file="$T/dnsmasq.pid" --user=root 2>"$T/dnsmasq.log"
	wait_for [ -s "$T/dnsmasq.pid" ]
	start a --network-zone=z
	# shellcheck disable=SC2317 # by wait_for
	asked() { busybox nslookup -type=a "$1" 127.0.0.1 2>/dev/null | grep -q "$(address a)"; }
	ok 'dnsmasq reads names as they come' wait_for asked a.z
	ok 'short ones, too' wait_for asked a
	stop a
else
	skip 'dnsmasq reads names as they come' 'no dnsmasq'
fi

# ---- many ---------------------------------------------------------------------------------------------

many() {	# many OPTION... : fifty at once; the count of different addresses in their files
	i=0
	mkfifo "$T/hold"
	while [ $i -lt 50 ]; do
		i=$((i + 1))
		guest -M "many$i" -P "$@" sh -c 'read -r x' <"$T/hold" >/dev/null 2>>"$T/many.err" &
	done
	exec 9>"$T/hold"
	wait_for sh -c "[ \$(ls '$state/.hosts' | wc -l) = 50 ]" || note "$(cat "$T/many.err")"
	cat "$state/.hosts/"* | sed 's/\t.*//' | sort -u | wc -l | tr -d ' '
	exec 9>&-
	wait_for sh -c "[ \$(ls '$state/.hosts' | wc -l) = 0 ]"
	rm "$T/hold"
}
is 'fifty at once in a zone have a hundred addresses' 100 "$(many --network-zone=z)"
is 'and so with -n' 100 "$(many -n)"

# ---- static, on a bridge -----------------------------------------------------------------------------------

ip link add br0 type bridge
ip addr add 10.200.0.1/24 dev br0
ip link set br0 up
is 'on a bridge it has none unless it is said' 0 "$(guest -M a --network-bridge=br0 ip -4 -o addr show host0 | wc -l | tr -d ' ')"
like 'what is said it has, and the gateway' '*10.200.0.5/24*default via 10.200.0.1*1 packets received*' \
	"$(guest -M a --network-bridge=br0 --network-address=10.200.0.5/24 --network-gateway=10.200.0.1 sh -c 'ip -4 addr; ip route; ping -c 1 -W 2 10.200.0.1')"
is 'and no flag of the host is touched' 0 "$(netget ipv4/conf/br0/forwarding)"
like 'two of them' '*10.200.0.5/24*10.200.0.6/24*' \
	"$(guest -M a --network-bridge=br0 --network-address=10.200.0.5/24 --network-address=10.200.0.6/24 ip -4 addr)"
ip link del br0
if ip link add probe link uplink type macvlan 2>/dev/null; then
	ip link del probe
	like 'and so on a macvlan' '*198.51.100.9/24*2001:db8:1::9/64*2 packets*' "$(guest -M a --network-macvlan=uplink \
		--network-address=198.51.100.9/24 --network-address=2001:db8:1::9/64 --network-gateway=198.51.100.2 \
		sh -c 'ip addr; ping -c 1 -W 2 198.51.100.2; ping -c 1 -W 2 2001:db8:1::2' |
		awk '/1 packets received/ { n++ } /inet/ { print } END { print n " packets" }')"
else
	skip 'and so on a macvlan' 'the kernel has none'
fi
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
run guest -M a -n ip -4 addr
umount /proc/sys
like 'where flags cannot be set one line says so, and the machine runs' "0 1 *cannot be set (Read-only file system)*inet *" \
	"$rc $(echo "$err" | wc -l | tr -d ' ') $err $out"
leftovers_after 'nothing stays'
done_testing
