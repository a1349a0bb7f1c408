#!/bin/sh
# shellcheck disable=SC2086,SC2317 # words; called by name
# nft-device.sh : in an emulated machine, with what busybox has, and test-nft beside this. The host is this namespace, and nobody outside knows the guest's network
prog=/device/test-nft
# tables have had owners since Linux 5.12
owned=owned
case $(uname -r) in [34].*|5.[0-9].*|5.1[01].*) owned=left ;; esac
said=/tmp/said
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"

# peer NAME ADDRESS HOST ADDRESS6 HOST6 : a namespace of its own behind a link; sets pid
peer() {
	unshare -n sleep 600 &
	pid=$!
	wait_for other_net
	ip link add "$1" type veth
	far=$(cd /sys/class/net && echo veth*)
	$prog move "$far" $pid
	ip addr add "$3" dev "$1"
	ip link set "$1" up
	echo 0 >"/proc/sys/net/ipv6/conf/$1/accept_dad"
	ip -6 addr add "$5" dev "$1"
	inside $pid ip link set lo up
	inside $pid sh -c "echo 0 >/proc/sys/net/ipv6/conf/$far/accept_dad"
	inside $pid ip addr add "$2" dev "$far"
	inside $pid ip link set "$far" up
	inside $pid ip -6 addr add "$4" dev "$far"
}

other_net() {
	[ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ]
}

inside() {
	at=$1
	shift
	nsenter -t "$at" -n -- "$@"
}

serve() {
	inside "$1" nc -ll -p "$2" -e echo "$3" &
}

hears() {
	[ "$(inside "$1" nc -w 3 "$2" "$3" </dev/null 2>&1)" = "$4" ]
}

deaf() {
	! hears "$@"
}

begin() {
	rm -f /tmp/words /tmp/said
	mkfifo /tmp/words
	$prog set "$@" <>/tmp/words >/tmp/said 2>&1 &
	job=$!
	wait_for grep -q . /tmp/said
}

echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
peer ve-web 10.1.0.2/28 10.1.0.1/28 fd00:1::2/64 fd00:1::1/64
guest=$pid
inside $guest ip route add default via 10.1.0.1
inside $guest ip -6 route add default via fd00:1::1
peer wan 192.0.2.2/24 192.0.2.1/24 2001:db8::2/64 2001:db8::1/64
outside=$pid
serve $guest 80 guest
serve $guest 3001 range
serve $outside 7000 outside
wait_for hears $guest 127.0.0.1 3001 range
wait_for hears $outside 127.0.0.1 7000 outside
set -- web link=ve-web net=10.1.0.1/28 net=fd00:1::1/64 guest=10.1.0.2 guest=fd00:1::2 port=tcp:8080:80 \
	port=tcp:2000-2010:3000 port=192.0.2.1,tcp:99:80

ok 'without rules nobody outside answers the guest' deaf $guest 192.0.2.2 7000 outside
ok 'nor reaches it' deaf $outside 192.0.2.1 8080 guest
begin "$@"
ok "rules are put in force, and are $owned" grep -q "^set $owned ip ip6 $" /tmp/said
ok 'the guest reaches the outside' hears $guest 192.0.2.2 7000 outside
ok 'and by IPv6' hears $guest 2001:db8::2 7000 outside
ok 'the outside reaches the guest' hears $outside 192.0.2.1 8080 guest
ok 'and by IPv6' hears $outside 2001:db8::1 8080 guest
ok 'at a port of a range that leads to other numbers' hears $outside 192.0.2.1 2001 range
ok 'at a port of one address' hears $outside 192.0.2.1 99 guest
ok 'the host does at its own address' hears $$ 192.0.2.1 8080 guest
ok 'the guest does at an address of the host' hears $guest 192.0.2.1 8080 guest
kill -9 $job
wait $job 2>/dev/null
if [ "$owned" = owned ]; then
	ok 'the rules go with who made them' deaf $outside 192.0.2.1 8080 guest
else
	ok 'what was killed leaves its rules' hears $outside 192.0.2.1 8080 guest
	begin "$@"
	ok 'the next one replaces them' grep -q "^set $owned ip ip6 $" /tmp/said
	kill -9 $job
	wait $job 2>/dev/null
	ok 'they can be removed' $prog remove web
	ok 'and are gone' deaf $outside 192.0.2.1 8080 guest
fi
ok 'to remove nothing is no error' $prog remove web
kill -9 $guest $outside
done_testing
