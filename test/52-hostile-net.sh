#!/bin/sh
# A guest that means harm, by way of its network: to the supervisor, to the host, and to who is beside it
# shellcheck disable=SC2016,SC2317 # functions are called by ok and wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"

need curl socat nft ss
foe=$(program foe)
guest=$(tree busybox)
mkdir -p "$guest/www"
echo hello >"$guest/www/index.html"
outside || skip_all "no veth"
register=$NSPAWN_LITE_ROOT/run/nspawn-lite
serve='httpd -p 80 -h /www; echo up; exec sleep 1000'

# start NAME OPTION... : a machine that serves; its supervisor is $supervisor, its init $leader
start() {
	machine=$1
	shift
	: >"$T/$machine.log"
	"$NL" run -q -D "$guest" -x -M "$machine" "$@" /bin/sh -c "$serve" >"$T/$machine.log" 2>&1 &
	supervisor=$!
	if ! wait_for grep -q '^up' "$T/$machine.log" || ! wait_for grep -q '^LEADER=[1-9]' "$register/$machine"; then
		note "$(cat "$T/$machine.log")"
		return 1
	fi
	leader=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$register/$machine")
}

stop() {
	kill "$supervisor"
	wait "$supervisor"
}

inside() { timeout 60 nsenter -t "$leader" -n "$@"; }
fetch() { timeout 60 curl -g -s -S -m 50 "$@" 2>&1; }
serves() { [ "$(fetch http://127.0.0.1:8080/)" = hello ]; }
processor() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

leftovers_before

# ---- the supervisor in the guest's network

ok "a machine whose addresses are followed" start one -n -p 8080:80
ok "is served" serves
is "no fd of ours is inside" "" \
	"$(find "/proc/$leader/fd" -type l -exec readlink {} + | grep -e socket: -e net: -e '/proc/.*/ns/' -e anon_inode)"
passed_on() {
	for fd in /proc/"$1"/fdinfo/*; do
		# others are those of who called it
		case $(readlink "/proc/$1/fd/${fd##*/}") in
		socket:* | net:* | anon_inode:* | /proc/*)
			grep -q '^flags:.*02[0-9]\{6\}$' "$fd" || echo "${fd##*/}" ;;
		esac
	done
}
is "what the supervisor has open it would hand to nobody" "" "$(passed_on "$supervisor")"
inside "$foe" talk 12 >"$T/talk" &
talker=$!
wait_for [ -s "$T/talk" ]
i=0
while [ $i -lt 5 ]; do
	inside ip addr add "10.99.0.$i/32" dev host0
	i=$((i + 1))
	sleep 0.3
done
ok "who talks to its sockets in there does not hold it up" serves
wait "$talker"
like "they have nothing to say to it" "*, 0 messages" "$(cat "$T/talk")"
stop

ok "a machine whose addresses are followed" start one -n -p 8080:80
inside "$foe" addresses host0 4000
inside "$foe" churn host0 6 &
churn=$!
ok "many that change all the time do not hold it up" serves
ok "nor for long" serves
wait "$churn"
stop

# ---- where the world is

# lies LINK_INSIDE : it has said to the host that it is the way to everywhere; a packet that follows is heard
lies() {
	inside ip link set "$1" up
	wait_for sh -c "nsenter -t $leader -n ip -6 addr show dev $1 scope link | grep inet6 | grep -qv tentative"
	inside "$foe" advertise "$1" || return
	inside "$foe" advertise "$1"
}
believed() { ip -6 route show default | grep -v uplink | grep .; }
flags() {
	for flag in ipv6/accept_ra ipv6/accept_redirects ipv4/accept_redirects ipv4/accept_source_route ipv4/route_localnet \
		ipv4/rp_filter; do
		printf '%s ' "$(netget "${flag%/*}/conf/$1/${flag#*/}")"
	done
}
# a host that believes all it is told
for flag in ipv6/accept_ra ipv6/accept_redirects ipv4/accept_redirects ipv4/accept_source_route ipv4/route_localnet; do
	netset "${flag%/*}/conf/default/${flag#*/}" 1
done
ip link add lie type veth peer name truth && ip link set truth up && ip link set lie up
"$foe" advertise truth && "$foe" advertise truth
ok "a host may believe what it is told on a link" wait_for believed
ip link del lie
for options in "-n --network-address=none" "--network-veth-extra=ve-x:host0" "--network-zone=lies --network-address=none" \
	"-n -U" "--network-zone=lies"; do
	# shellcheck disable=SC2086 # words
	ok "a machine with $options" start one $options
	case $options in *zone*) link=vz-lies ;; *extra*) link=ve-x ;; *) link=ve-one ;; esac
	is "is not believed, nor can it forge" "0 0 0 0 0 1 " "$(flags "$link")"
	ok "when it lies" lies host0
	is "the host's routes stay as they are" "" "$(believed)"
	stop
done

ok "a machine that has a network" start one -n
background "$ip_program" netns exec outside socat -u UDP4-RECV:7000,reuseaddr "OPEN:$T/heard,creat,append"
listener=$!
wait_for sh -c "ip netns exec outside ss -Hlun | grep -q ':7000 '"
inside ip addr add 203.0.113.5/32 dev host0
echo forged | inside socat -u - UDP4:198.51.100.2:7000,bind=203.0.113.5
echo honest | inside socat -u - UDP4:198.51.100.2:7000
wait_for grep -q honest "$T/heard"
is "cannot send in another's name" honest "$(cat "$T/heard")"
kill "$listener"
stop

# ---- bridges

ip link add br-tree type bridge stp_state 1 forward_delay 200 && ip link set br-tree up
ok "a machine on a bridge that speaks STP" start one --network-bridge=br-tree
inside ip link set host0 up
wait_for sh -c "bridge link show dev vb-one | grep -q 'state forwarding'"
tree_root() { ip -d link show br-tree | sed -n 's/.*designated_root \([^ ]*\).*/\1/p'; }
was=$(tree_root)
# a configuration BPDU of priority 0
inside "$foe" frame host0 01 80 c2 00 00 00 "{mac}" 00 26 42 42 03 00 00 00 00 00 00 00 "{mac}" 00 00 00 00 00 00 "{mac}" \
	80 01 00 00 14 00 02 00 0f 00
ok "is shut out when it does so" wait_for sh -c "bridge link show dev vb-one | grep -q 'state disabled'"
is "the tree's root stays" "$was" "$(tree_root)"
stop
ip link del br-tree

ok "a machine in a zone" start one --network-zone=macs
inside ip link set host0 up
inside "$foe" macs host0 20000
learned=$(bridge fdb show br vz-macs | grep -c '^02:02:')
case $(uname -r) in
[1-5].* | 6.[0-6].*)	skip "cannot make the bridge remember without end" "no such bound before Linux 6.7" ;;
*)	ok "cannot make the bridge remember without end" [ "$learned" -le 8192 ] ;;
esac
stop

# ---- addresses that lead elsewhere

# the host's own way out leads over a bridge that the guest is on, and somebody is behind the router there
ip link add br-lan type bridge && ip link set br-lan up
ip link set uplink master br-lan
ip addr flush dev uplink
ip addr add 198.51.100.1/24 dev br-lan && ip addr add 2001:db8:1::1/64 dev br-lan
ip route replace default via 198.51.100.2
ip -6 route replace default via 2001:db8:1::2
ip -n outside addr add 203.0.113.80/32 dev lo && ip -n outside addr add 2001:db8:80::1/128 dev lo
mkdir -p "$T/secret"
echo secret >"$T/secret/index.html"
background busybox httpd -p 127.0.0.1:80 -h "$T/secret" -f
own=$!
background nsenter --net=/run/netns/outside busybox httpd -p 80 -h "$T/secret" -f
other=$!
wait_for sh -c "ss -Hltn | grep -q ':80 ' && ip netns exec outside ss -Hltn | grep -q ':80 '"
ok "a machine on the bridge of the way out" start one --network-bridge=br-lan -p 8080:80
inside ip link set host0 up
# with what comes last, all that came before it is seen
for address in 203.0.113.80/32 2001:db8:80::1/128 ::ffff:127.0.0.1/128 198.51.100.1/32 0.0.0.5/32 2002:7f00:1::1/128 \
	198.51.100.50/24 2001:db8:1::50/64; do
	case $address in *::*) nodad=nodad ;; *) nodad='' ;; esac
	# shellcheck disable=SC2086 # a word or none
	inside ip addr add "$address" dev host0 $nodad 2>/dev/null
done
leads_to_six() { nft list table ip6 nspawn-lite-one 2>/dev/null | grep -F 'dnat to [2001:db8:1::50]'; }
leads_to_four() { nft list table ip nspawn-lite-one 2>/dev/null | grep 'dnat to 198.51.100.50'; }
leads_nowhere() { ! nft list ruleset | grep 'dnat to'; }
ok "that takes addresses which are far away gets its ports at those that are near" wait_for leads_to_four
ok "by IPv6, too" wait_for leads_to_six
is "on loopback it serves itself" hello "$(fetch http://127.0.0.1:8080/)"
is "on that of IPv6" hello "$(fetch 'http://[::1]:8080/')"
inside ip addr del 198.51.100.50/24 dev host0
inside ip addr del 2001:db8:1::50/64 dev host0
ok "without those no rule leads anywhere" wait_for leads_nowhere
is "and it serves itself still, from within" hello "$(fetch http://127.0.0.1:8080/)"
unlike "by IPv6 not the host's loopback either" "*secret*" "$(fetch 'http://[::1]:8080/')"
kill "$own" "$other"
wait "$own" "$other"
stop
ip link set uplink nomaster
ip link del br-lan

leftovers_after "nothing of it stays"
done_testing
