#!/bin/sh
# Ports of the host that lead to a machine: by nf_tables, by the relay, from everywhere
# shellcheck disable=SC2317 # functions are called by ok and wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"

need curl socat nft ss
guest=$(tree busybox)
mkdir -p "$guest/www" "$guest/www2"
echo hello >"$guest/www/index.html"
echo second >"$guest/www2/index.html"
head -c 3000000 /dev/urandom >"$guest/www/big"
outside || skip_all "no veth"
register=$NSPAWN_LITE_ROOT/run/nspawn-lite
serve='httpd -p 80 -h /www; httpd -p 81 -h /www2; echo up; exec sleep 1000'

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
	notes=$(grep -v '^up' "$T/$machine.log") || :
}

stop() {
	kill "${1:-$supervisor}"
	wait "${1:-$supervisor}"
}

inside() { timeout 60 nsenter -t "$leader" -n "$@"; }
# in its network as well: one that ends with the test; $! is its pid
beside() { background timeout 300 nsenter -t "$leader" -n "$@"; }
fetch() { timeout 60 curl -g -s -S -m 50 "$@" 2>&1; }
from_outside() { in_space outside timeout 60 curl -g -s -S -m 50 "$@" 2>&1; }
# what is lost of UDP is asked again
ask() { echo question | timeout 60 socat -T1 - "$1"; }
udp_answers() { [ "$(ask "$1")" = question ]; }
no_tables() { ! nft list tables | grep -q "nspawn-lite-$1\$"; }
leads_to() { nft list table ip "nspawn-lite-$1" 2>/dev/null | grep -q "dnat to $2"; }
leads_nowhere() { ! nft list ruleset | grep -q 'dnat to'; }
no_connections() { [ -z "$(ss -Htn state established "( sport = :8080 )")" ]; }

# ---- words

refuses() {
	run "$NL" plan -D "$guest" --private-network --port="$1"
	like "--port=$1 is refused" "*$2*" "$err"
}
run "$NL" plan -D "$guest" --port=80
like "a port needs a network of its own" "*Cannot use --port= without private networking.*" "$err"
for word in 0 65536 x 80: :80 80x 80:0 80:x -1 tcp: 1.2.3.4:; do
	refuses "$word" "--port=$word: *from 1 to 65535*"
done
refuses TCP:80 "small letters"
refuses sctp:80 "small letters"
refuses 1.2.3:80 "IPv4 address"
refuses '[::1:80' "IPv6 address"
refuses '[::x]:80' "IPv6 address"
refuses 90-80 "not above its last"
refuses 1-2000 "at most 1024 ports"
refuses 80-82:90-91 "as many ports"
refuses 80-90:65530 "above 65535"
for words in "80 80" "80 tcp:80:81" "80-90 85" "80 1.2.3.4:80" "[::1]:80 [::1]:80"; do
	run "$NL" plan -D "$guest" --private-network --port="${words% *}" --port="${words#* }"
	is "$words is one port twice" "nspawn-lite: Duplicate port specification: ${words#* }" "$err"
done
run "$NL" plan -D "$guest" --private-network -p 80 -p udp:80 -p 1.2.3.4:81 -p 1.2.3.5:81 -p '[fe80::1]:82:83' \
	-p 90-92:100-102
is "what differs in anything is two ports" 0 "$rc"

# ---- by nf_tables

leftovers_before
ok "a machine with ports starts" \
	start one -n -p 8080:80 -p udp:5353:53 -p 2000-2002:80-82 -p 198.51.100.1:8090:80 -p udp:5354:53
is "nothing is to be said of that" "" "$notes"
beside socat UDP4-LISTEN:53,fork EXEC:cat
beside socat UDP6-LISTEN:53,fork,ipv6only EXEC:cat
wait_for sh -c "nsenter -t $leader -n ss -Hlun | grep -q ':53 .*' && nsenter -t $leader -n ss -Hlun6 | grep -q ':53 .*'"
address=$(inside ip -4 -o addr show host0 | sed 's/.* inet \([0-9.]*\).*/\1/')
is "it is served on loopback" hello "$(fetch http://127.0.0.1:8080/)"
is "and on that of IPv6" hello "$(fetch 'http://[::1]:8080/')"
is "from the host at its own address" hello "$(fetch http://198.51.100.1:8080/)"
is "and at that of IPv6" hello "$(fetch 'http://[2001:db8:1::1]:8080/')"
is "from outside" hello "$(from_outside http://198.51.100.1:8080/)"
is "from outside by IPv6" hello "$(from_outside 'http://[2001:db8:1::1]:8080/')"
is "from the machine itself" hello "$(inside curl -s -m 50 http://198.51.100.1:8080/)"
is "a range keeps its order" second "$(from_outside http://198.51.100.1:2001/)"
is "on loopback as well" second "$(fetch http://127.0.0.1:2001/)"
is "a port at one address leads there" hello "$(from_outside http://198.51.100.1:8090/)"
like "and nowhere else" "*onnect*" "$(fetch http://127.0.0.1:8090/)"
ok "UDP on loopback" wait_for udp_answers UDP4:127.0.0.1:5353
ok "UDP on that of IPv6" wait_for udp_answers 'UDP6:[::1]:5353'
ok "UDP at the host's own address" wait_for udp_answers UDP4:198.51.100.1:5353
ok "UDP from outside" wait_for \
	in_space outside sh -c 'echo question | timeout 60 socat -T1 - UDP4:198.51.100.1:5354 | grep question'
fetch http://127.0.0.1:8080/big | cmp -s - "$guest/www/big"
is "much comes through the relay unchanged" 0 $?

is "a machine that is lent a network gets out" 0 "$(inside busybox ping -c 1 -W 2 198.51.100.2 >/dev/null; echo $?)"

# ---- who has a port

run timeout 60 "$NL" run -q -D "$guest" -x -M two -n -p 8080 /bin/true
like "of two machines with one port the second names the first" "*--port=8080: machine one has tcp port 8080*" "$err"
run timeout 60 "$NL" run -q -D "$guest" -x -M two -n -p 8070-8090:80 /bin/true
like "in a range, too" "*--port=8070-8090:80: machine one has tcp port 8080*" "$err"
socat TCP4-LISTEN:8081,bind=127.0.0.1,fork EXEC:cat &
program=$!
wait_for sh -c "ss -Hltn | grep -q :8081"
run timeout 60 "$NL" run -q -D "$guest" -x -M two -n -p 8081 /bin/true
like "a program of the host has a port" "*--port=8081: a program of the host*has tcp port 8081*" "$err"
kill "$program"
run timeout 60 "$NL" run -q -D "$guest" -x -M two -n -p 8079 -p udp:8080 -p 3000-3999 /bin/true
is "others are free, a thousand of them" "0 " "$rc $err"

# both at once: the lock is the socket
for name in two three; do
	timeout 60 "$NL" run -q -D "$guest" -x -M "$name" --private-network -p 8078 \
		/bin/sh -c 'echo ran; sleep 2' >"$T/race.$name" 2>&1 &
	eval "pid_$name=\$!"
done
# shellcheck disable=SC2154 # by eval
wait "$pid_two" "$pid_three"
is "of two that start together one gets it" 1 "$(cat "$T/race.two" "$T/race.three" | grep -c ran)"
is "and the other says why" 1 "$(cat "$T/race.two" "$T/race.three" | grep -c 'has tcp port 8078')"

# ---- addresses that change

inside ip addr del "$address/28" dev host0
ok "no address, no rules" wait_for sh -c '! nft list ruleset | grep -q "dnat to 10\."'
inside ip addr add "${address%.*}.$((${address##*.} + 1))/28" dev host0
ok "rules follow a changed address" wait_for leads_to one "${address%.*}.$((${address##*.} + 1))"
inside ip addr flush dev host0
for bad in 198.51.100.1 127.0.0.9 198.51.100.2 203.0.113.7; do
	inside ip addr add "$bad/32" dev host0
done
inside ip addr add "${address%.*}.$((${address##*.} + 1))/28" dev host0
ok "but not to one that is not its own" wait_for leads_to one "${address%.*}.$((${address##*.} + 1))"
is "nor to those beside it" 0 "$(nft list ruleset | grep -c -e 'dnat to 198' -e 'dnat to 127' -e 'dnat to 203')"
inside ip addr flush dev host0
inside ip addr add "$address/28" dev host0
ok "and come back" wait_for leads_to one "$address"

# ---- ends

kill -9 "$supervisor"
wait "$supervisor" 2>/dev/null
ok "a killed supervisor leaves no table" wait_for no_tables one
ok "the port is free again at once" start one -n -p 8080:80
stop
ok "nor does an end" no_tables one

nft add table inet fw9
nft add chain inet fw9 forward '{ type filter hook forward priority 0; policy drop; }'
ok "a firewall that drops all does not keep it from starting" start one -n -p 8080:80
like "but is named" "*table inet fw9, chain forward*one*accept*ve-one*" "$notes"
is "loopback does not go through it" hello "$(fetch http://127.0.0.1:8080/)"
stop
nft delete table inet fw9

serve_once='if [ -e /tmp/again ]; then httpd -p 80 -h /www; echo up; sleep 1000; fi; touch /tmp/again; reboot -f'
plain=$(tree busybox plain)
cp -r "$guest/www" "$plain/www"
: >"$T/one.log"
"$NL" run -q -D "$plain" -M one -n --bind="$(scratch):/tmp" -p 8080:80 /bin/sh -c "$serve_once" >"$T/one.log" 2>&1 &
supervisor=$!
ok "a machine that reboots takes its ports again" wait_for grep -q '^up' "$T/one.log"
is "on loopback" hello "$(fetch http://127.0.0.1:8080/)"
is "and from outside" hello "$(from_outside http://198.51.100.1:8080/)"
stop

# ---- without nf_tables and iptables

NSPAWN_LITE_DENY=nft,iptables
export NSPAWN_LITE_DENY
ok "a machine starts without nf_tables" start one -n -p 8080:80 -p 198.51.100.1:8090:80
like "which is said" "*its ports are relayed*nf_tables*" "$notes"
like "as well as that it has no way out" "*one has no way out*" "$notes"
is "ports are relayed" hello "$(from_outside http://198.51.100.1:8080/)"
is "by IPv6, too" hello "$(from_outside 'http://[2001:db8:1::1]:8080/')"
is "and at one address" hello "$(from_outside http://198.51.100.1:8090/)"
is "and from the machine itself" hello "$(inside curl -s -m 50 http://198.51.100.1:8080/)"
stop
run timeout 60 "$NL" run -q -D "$guest" -x -M two -n -p 3000-3999 /bin/true
like "too many for a relay are refused" "*--port=3000-3999: more than * ports need nf_tables*" "$err"
unset NSPAWN_LITE_DENY

# ---- the relay

ok "a machine without links has ports" start one --private-network -p 8080:80 -p 8082:82 -p 8083:83 -p 8084:84
is "which are relayed" hello "$(from_outside http://198.51.100.1:8080/)"
beside socat TCP4-LISTEN:82,fork SYSTEM:'cat; echo end'
beside socat TCP4-LISTEN:83,fork,linger=0 SYSTEM:'read -r x'
wait_for sh -c "nsenter -t $leader -n ss -Hltn | grep -q ':82 ' && nsenter -t $leader -n ss -Hltn | grep -q ':83 '"
is "one side may end before the other" "text end" \
	"$(echo text | timeout 60 socat -t50 - TCP4:127.0.0.1:8082 | tr '\n' ' ' | sed 's/ $//')"
run timeout 60 curl -s -m 50 http://127.0.0.1:8084/
like "where nobody listens the connection ends" "[75]*" "$rc"
timeout 100 curl -s -m 90 --limit-rate 2M http://127.0.0.1:8080/big >"$T/slow" &
slow=$!
i=0
clients=
while [ $i -lt 200 ]; do
	timeout 100 curl -s -m 90 -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/ >>"$T/codes" &
	clients="$clients $!"
	i=$((i + 1))
done
for client in $clients; do
	wait "$client"
done
is "two hundred at once are all served" "200 200" "$(sort "$T/codes" | uniq -c | sed 's/^ *//')"
wait "$slow"
ok "and a slow one gets it all" cmp "$T/slow" "$guest/www/big"
ok "nothing is left of them" wait_for no_connections
few_pipes() { [ "$(find "/proc/$1/fd" -lname 'pipe:*' | grep -c .)" -le 12 ]; }
ok "nor in pipes" wait_for few_pipes "$supervisor"
beside socat -u TCP4-LISTEN:84 SYSTEM:'sleep 1000'
reader=$!
wait_for sh -c "nsenter -t $leader -n ss -Hltn | grep -q ':84 '"
background timeout 300 socat -u /dev/zero TCP4:127.0.0.1:8084
writer=$!
is "one that does not read holds nobody up" hello "$(fetch http://127.0.0.1:8080/)"
timeout 60 socat -u SYSTEM:'echo x; echo y' TCP4:127.0.0.1:8083
is "nor does a guest that resets" hello "$(fetch http://127.0.0.1:8080/)"
kill "$writer" "$reader"
wait "$writer" "$reader"
stop

# ---- addresses that others give

ip link add br-lan type bridge
ip addr add 192.0.2.1/24 dev br-lan
ip link set br-lan up
ok "a machine on a bridge" start one --network-bridge=br-lan --network-address=none -p 8080:80
is "has no port as long as it has no address" "" "$(nft list ruleset | grep 'dnat to')"
inside ip addr add 192.0.2.9/24 dev host0
inside ip link set host0 up
inside ip route add default via 192.0.2.1
ok "and has it then" wait_for leads_to one 192.0.2.9
is "from outside" hello "$(netset ipv4/ip_forward 1; from_outside http://198.51.100.1:8080/)"
is "on loopback" hello "$(fetch http://127.0.0.1:8080/)"
inside ip addr add 192.0.2.1/24 dev host0
inside ip addr del 192.0.2.9/24 dev host0
ok "but not by an address of the host" wait_for leads_nowhere
stop
ip link del br-lan

ok "a machine with a macvlan" start one --network-macvlan=uplink -p 8080:80
inside ip addr add 198.51.100.9/24 dev mv-uplink
inside ip link set mv-uplink up
macvlan_serves() { [ "$(fetch http://127.0.0.1:8080/)" = hello ]; }
ok "is reached from inside" wait_for macvlan_serves
is "for others, too" hello "$(from_outside http://198.51.100.1:8080/)"
stop

# ---- a zone

ok "a machine in a zone has ports" start one --network-zone=ports -p 8080:80
one=$supervisor
inside_one=$leader
address=$(inside ip -4 -o addr show host0 | sed 's/.* inet \([0-9.]*\).*/\1/')
ok "another beside it" start two --network-zone=ports
is "which gets there by the host's port" hello "$(inside curl -s -m 50 http://198.51.100.1:8080/)"
other=$(inside ip -4 -o addr show host0 | sed 's/.* inet \([0-9.]*\).*/\1/')
stop
leader=$inside_one
is "from outside" hello "$(from_outside http://198.51.100.1:8080/)"
is "on loopback" hello "$(fetch http://127.0.0.1:8080/)"
inside ip addr add "$other/32" dev host0
inside ip addr del "$address/24" dev host0
ok "it cannot give away a port by taking another's address" wait_for sh -c '! nft list ruleset | grep -q "dnat to 1"'
stop "$one"

if [ -e /proc/self/ns/user ]; then
	ok "a machine with users of its own" start one -U -n -p 8080:80
	is "it is served on loopback" hello "$(fetch http://127.0.0.1:8080/)"
	is "and from outside" hello "$(from_outside http://198.51.100.1:8080/)"
	stop
fi
leftovers_after "nothing of it stays"
done_testing
