#!/bin/sh
# shellcheck disable=SC2016,SC2086 # expanded inside; options are words
# The way on from machines: over which links, on old kernels, and how large packets may be.
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

# ---- ports: where the host is reached --------------------------------------------------------------

space lan
cable lan0 lan:eth0
ip addr add 192.0.2.1/24 dev lan0
ip -n lan addr add 192.0.2.9/24 dev eth0
forwarding() { echo "$(netget "ipv4/conf/$1/forwarding") $(netget "ipv6/conf/$1/force_forwarding" 2>/dev/null || echo 0)"; }
# shellcheck disable=SC2317 # by wait_for
leads() { [ "$(forwarding "$1")" = "$2" ]; }
start a -n
a4=$(address a) a6=$(address a 2)
is 'without ports only the way out leads on' '0 0' "$(forwarding lan0)"
stop a
six=1
[ -e /proc/sys/net/ipv6/conf/all/force_forwarding ] || six=0
start a -n --port=8080:80
is 'with ports a LAN without a default route does, too' '1 0' "$(forwarding lan0)"
ip addr add 2001:db8:2::1/64 dev lan0
ok 'and so for IPv6, when it has an address of that' wait_for leads lan0 "1 $six"
cable lan1 lan:eth1
mkfifo "$T/gate"
"$(program gate)" "$state/.shared.forward.lan1" <"$T/gate" >"$T/held" &
exec 7>"$T/gate"
wait_for [ -s "$T/held" ]
ip addr add 192.0.3.1/24 dev lan1
ip route add 10.0.0.0/8 dev lan1
wait_for grep -q 'new route to 10.0.0.0/8' "$T/a.err"
is 'a link whose note another holds waits' '0 0' "$(forwarding lan1)"
ip route del 10.0.0.0/8
exec 7>&-
ok 'and is turned on once that has gone' wait_for leads lan1 '1 0'
start b -n
kill -9 "$(supervisor a)"
# shellcheck disable=SC2154 # set by start
wait "$pid_a" 2>/dev/null
stop b
guest -M c -n --network-address=none true
is 'after one that was killed they are put back' '0 0 0 0 0 0' "$(forwarding lan0) $(forwarding lan1) $(flags)"
ip link del lan1
start a -n --port=8080:80
mount --bind "$state" "$state"
mount -o remount,bind,ro "$state"
cable lan1 lan:eth1
ip addr add 192.0.3.1/24 dev lan1
ok 'where the note cannot be made a line says so' wait_for grep -q 'lan1/forwarding cannot be set (Read-only file system)' "$T/a.err"
ok 'and the machine goes on' pings host "$a4"
umount "$state"
stop a
is 'nothing was turned there' '0 0' "$(forwarding lan1)"
ip link del lan1
ip link add br0 type bridge
ip addr add 203.0.113.1/24 dev br0
ip link set br0 up
guest -M a -P --network-bridge=br0 sh -c 'echo up; read -r x' <"$T/stay" >"$T/a.out" 2>"$T/a.err" &
pid_a=$!
wait_for grep -q up "$T/a.out"
is 'on a bridge of the host nothing leads on' '0 0' "$(forwarding br0)"
kill "$(supervisor a)"
wait "$pid_a" 2>/dev/null
guest -M a -P --network-bridge=br0 --port=8080:80 sh -c 'read -r x' <"$T/stay" 2>"$T/a.err" &
pid_a=$!
ok 'but with ports it does, and the other links, too' wait_for leads br0 '1 0'
ok 'those too' wait_for leads lan0 "1 $six"
kill "$(supervisor a)"
wait "$pid_a" 2>/dev/null
is 'and no longer at its end' '0 0 0 0' "$(forwarding br0) $(forwarding lan0)"
ip link del br0
ip link del lan0
ip netns del lan

# ---- before Linux 6.17 ---------------------------------------------------------------------------------

NSPAWN_LITE_DENY=force_forwarding; export NSPAWN_LITE_DENY
all6() { echo "$(netget ipv6/conf/all/forwarding) $(netget ipv6/conf/uplink/accept_ra) $(netget ipv6/conf/default/accept_ra)"; }
if [ "$(all6)" = '0 1 1' ]; then
	start a -n
	start b -n
	is 'where all links lead IPv6 on they go on learning routes' '1 2 2' "$(all6)"
	is 'but not from a guest' 0 "$(netget ipv6/conf/ve-a/accept_ra)"
	ok 'outside reaches a machine by IPv6' pings -6 outside "$a6"
	if command -v radvd >/dev/null; then
		space late
		cable up2 late:eth0
		netset ipv6/conf/all/forwarding 1 late
		cat >"$T/radvd.conf" <<-'END'
		interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; prefix 2001:db8:9::/64 { }; };
		END
		background ip netns exec late radvd -n -m stderr -C "$T/radvd.conf" -p "$T/radvd.pid" >"$T/radvd.log" 2>&1
		# shellcheck disable=SC2317 # by wait_for
		learned() { ip -6 route show default dev up2 | grep -q 'proto ra'; }
		ok 'a way out that comes later is learned' wait_for learned
		ip link del up2
		# $! is a shell, and radvd two processes
		kill "$(cat "$T/radvd.pid")"
		wait $! 2>/dev/null
		ip netns del late
	else
		skip 'a way out that comes later is learned' 'no radvd'
	fi
	stop a
	is 'so it stays for who is left' '1 2 2' "$(all6)"
	kill -9 "$(supervisor b)"
	# shellcheck disable=SC2154 # set by start
	wait "$pid_b" 2>/dev/null
	# a start looks at a few of the files that are left
	# shellcheck disable=SC2317 # by wait_for
	swept() { guest -M c -n --network-address=none true; [ "$(all6)" = '0 1 1' ]; }
	TRIES=5
	ok 'after one that was killed the next starts put it back' wait_for swept
	unset TRIES
	guest -M a -n true
	is 'and so does the last that ends' '0 1 1' "$(all6)"
	netset ipv6/conf/all/forwarding 1
	guest -M a -n true
	is 'what was on before is not ours' '1 1 1' "$(all6)"
	netset ipv6/conf/all/forwarding 0
else
	skip 'where all links lead IPv6 on they go on learning routes' 'they do not learn'
fi
unset NSPAWN_LITE_DENY

# ---- how large packets may be ---------------------------------------------------------------------------

mtu_of() { ip link show "$1" | sed -n 's/.* mtu \([0-9]*\).*/\1/p'; }
mtus='cat /sys/class/net/host0/mtu; ip link set host0 up; udhcpc -n -q -f -t 20 -T 1 -O mtu -i host0 -s /mtu 2>/dev/null'
printf '#!/bin/sh\n[ "$1" != bound ] || echo "told $mtu"\n' >"$t/mtu"
chmod 755 "$t/mtu"
ip link set uplink mtu 1400
is 'a link is as small as the way out' '1400 told 1400' "$(guest -M a -n sh -c "$mtus" | tr '\n' ' ' | sed 's/ $//')"
start a --network-zone=z
is 'and so is a zone' '1400 1400' "$(mtu_of vz-z) $(mtu_of vb-a)"
stop a
ip link add worse type bridge
ip link set worse mtu 9000 up
ip addr add 203.0.113.1/24 dev worse
ip route add default via 203.0.113.2 dev worse metric 5000
is 'the way out is the one of the lowest metric' 1400 "$(guest -M a -n cat /sys/class/net/host0/mtu)"
ip link del worse
ip link set uplink mtu 1300
ip route change default via 198.51.100.2
ip link set uplink mtu 9000
is 'none is larger than usual' '1500 told' "$(guest -M a -n sh -c "$mtus" | tr '\n' ' ' | sed 's/ *$//')"
ip link set uplink mtu 1500
ip -6 route replace default via 2001:db8:1::2
for size in 1400 9000; do
	ip link add br0 type bridge
	ip link set br0 mtu $size
	is "a port of a bridge of $size is as that" "$size $size" "$(guest -M a --network-bridge=br0 cat /sys/class/net/host0/mtu) $(mtu_of br0)"
	ip link del br0
done
leftovers_after 'nothing stays'
done_testing
