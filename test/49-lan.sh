#!/bin/sh
# What stands on a network that is not ours: a router's bridge with dnsmasq, and
# nginx in a machine, fetched from outside.
# shellcheck disable=SC2016 # what stands in single quotes is for other shells
# shellcheck source-path=SCRIPTDIR source=lib.sh
if [ -z "${NET_APART:-}" ] && [ "$(id -u)" = 0 ]; then
	NET_APART=y exec unshare -n "${TESTSH:-sh}" "$0"
fi
. "${0%/*}/lib.sh"
need_root
need ip dnsmasq nsenter
ip link set lo up

# The router: br-lan with an address and a DHCP server, a cable in it, and behind that another computer
ip link add br-lan type bridge
ip addr add 192.168.77.1/24 dev br-lan
ip link set br-lan up
mkfifo "$T/hold"
unshare -n sh -c 'echo $$ >"$1"; exec cat' sh "$T/cable" <"$T/hold" &
exec 8>"$T/hold"
wait_for test -s "$T/cable"
cable=$(cat "$T/cable")
ip link add lan1 master br-lan type veth peer name eth0 netns "$cable"
ip link set lan1 up
nsenter -t "$cable" -n sh -c 'ip link set lo up; ip addr add 192.168.77.9/24 dev eth0; ip link set eth0 up'
dnsmasq --conf-file=/dev/null --keep-in-foreground --port=53 --interface=br-lan --bind-interfaces --no-resolv --no-hosts \
	--local=/lan/ --host-record=router.lan,192.168.77.9 --dhcp-range=192.168.77.100,192.168.77.200,1h --dhcp-leasefile="$T/leases" \
	--pid-file="$T/dnsmasq.pid" --user=root 2>"$T/dnsmasq.log" &
dnsmasq=$!
# shellcheck disable=SC2317 # by the trap
away() {
	kill "$dnsmasq" 2>/dev/null
	exec 8>&-
}
trap 'away; clean_up' EXIT
wait_for test -s "$T/dnsmasq.pid"

guest=$(tree busybox)
mkdir -p "$guest/usr/share/udhcpc"
cat >"$guest/lease" <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add "$ip/$mask" dev "$interface"
ip route add default via "$router"
echo "nameserver $dns" >/etc/resolv.conf
echo "$ip" >/address
END
chmod 755 "$guest/lease"
rm -f "$guest/etc/resolv.conf"

leftovers_before
run "$NL" -q -D "$guest" -M cable --network-bridge=br-lan sh -c \
	'ip link set host0 up; udhcpc -n -q -f -t 20 -T 1 -i host0 -s /lease >/dev/null 2>&1 || exit 9
	ping -c1 -w5 192.168.77.9 >/dev/null && echo cable; nslookup -type=a router.lan 192.168.77.1 | tail -n 2 | tr "\n" " "; ip route | head -n 1'
like "on br-lan the LAN's own server gives an address, route and names" \
	'cable*192.168.77.9*default via 192.168.77.1 dev host0*' "$out"
is 'nothing is said' '' "$err"
like 'its lease is of the range' '192.168.77.1[0-9][0-9]' "$(cat "$guest/address")"
like 'by its MAC address' "*$(cat "$guest/address")*" "$(cat "$T/leases")"
first=$(cat "$guest/address")
run "$NL" -q -D "$guest" -M cable --network-bridge=br-lan sh -c \
	'ip link set host0 up; udhcpc -n -q -f -t 20 -T 1 -i host0 -s /lease >/dev/null 2>&1'
is 'after a restart it is known, and gets the same' "$first" "$(cat "$guest/address")"
is 'on a bridge that is not ours no rules are made' '' "$(nft list ruleset 2>/dev/null)"
is 'nor is anything led on' "0 0" "$(cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/br-lan/forwarding | tr '\n' ' ' | sed 's/ $//')"

run "$NL" -q -D "$guest" -M fixed --network-bridge=br-lan --network-address=192.168.77.20/24 --network-gateway=192.168.77.1 \
	--network-dns=192.168.77.1 sh -c 'ping -c1 -w5 192.168.77.9 >/dev/null && echo cable; nslookup -type=a router.lan | tail -n 2 | tr "\n" " "; ip route | head -n 1'
like 'words give it an address, route and names there' 'cable*192.168.77.9*default via 192.168.77.1 dev host0*' "$out"

# nginx, on the host's own root whose changes are forgotten
if command -v nginx >/dev/null && command -v curl >/dev/null; then
	mkdir "$T/www"
	echo 'hello from inside' >"$T/www/index.html"
	cat >"$T/www/nginx.conf" <<-'END'
	daemon off;
	pid /tmp/nginx.pid;
	error_log stderr;
	events { }
	http { access_log off; server { listen 80; listen [::]:80; root /srv/www; } }
	END
	"$NL" -q -x -D / -M web --network-zone=web --port=8080:80 --bind-ro="$T/www:/srv/www" nginx -c /srv/www/nginx.conf >"$T/nginx.log" 2>&1 &
	nginx=$!
	# shellcheck disable=SC2317 # by name
	fetch() {
		[ "$($1 curl -gsm 5 "http://$2/")" = 'hello from inside' ]
	}
	ok 'nginx in a zone is fetched from another computer' wait_for fetch "nsenter -t $cable -n" 192.168.77.1:8080
	ok 'from the router by its own address' fetch '' 192.168.77.1:8080
	ok 'by 127.0.0.1' fetch '' 127.0.0.1:8080
	ok 'and by ::1' fetch '' '[::1]:8080'
	kill "$nginx"
	wait "$nginx"
	unlike 'and no longer when it has ended' '*inside*' "$(curl -gsm 5 http://192.168.77.1:8080/ 2>&1)"
else
	skip 'nginx in a zone is fetched from another computer' 'no nginx'
fi
leftovers_after 'nothing stays'
is 'nor any rule' '' "$(nft list ruleset 2>/dev/null)"
is 'nor is anything led on any more' "0 0" "$(cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/br-lan/forwarding | tr '\n' ' ' | sed 's/ $//')"
done_testing
