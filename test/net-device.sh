#!/bin/sh
# shellcheck disable=SC2016,SC2046,SC2086,SC2254,SC2317 # expanded inside; words; patterns; called by name
# net-device.sh NSPAWN-LITE NAMED [WORD...] : the network of a device, in an emulated machine, with what busybox has.
# NAMED is test-named. A WORD says what the kernel has not:
#   nft	nf_tables	ip6	IPv6	macvlan, bridge	the modules	sysctl	what may be written in /proc/sys/net
# "outside" is a machine too: on its link, up0, the host is 198.51.100.1, and it 198.51.100.2, which is the way out
nl=$1
named=$2
shift 2
without=" $* "
with() {
	case $without in *" $1 "*) return 1 ;; esac
}

# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"
dir=$(mktemp -d)
said=$dir/err
export NSPAWN_LITE_ROOT="$dir/state"
mkdir -p "$dir/state" /etc

tree() {	# tree NAME
	guest "$dir/$1"
	mkdir "$dir/$1/www"
	echo "this is $1" >"$dir/$1/www/index.html"
	cat >"$dir/$1/bin/lease" <<-'END'
		#!/bin/sh
		[ "$1" != bound ] || echo "$ip $router $dns" >/lease
		END
	chmod 755 "$dir/$1/bin/lease"
}

# begin NAME OPTION... -- COMMAND... : what is to run on; once it has said "up"
begin() {
	name=$1
	shift
	rm -f "$dir/$name.out"
	"$nl" -q -D "$dir/$name" -M "$name" "$@" >"$dir/$name.out" 2>"$dir/err" &
	pid=$!
	wait_for is_up
}

is_up() { grep -q up "$dir/$name.out" || ! kill -0 $pid; }
once() { "$nl" -q -D "$dir/$name" -M "$name" "$@" 2>"$dir/err"; }
said() { sed 's/^[^:]*: //' "$dir/err"; }
leader() { sed -n 's/^LEADER=\([1-9]\)/\1/p' "$dir/state/run/nspawn-lite/$1" 2>/dev/null; }
inside() {	# inside NAME COMMAND...
	at=$(leader "$1")
	shift
	nsenter -t "$at" -n -- "$@"
}
end() { kill -15 $pid; kill -9 $(leader "$name") 2>/dev/null; wait $pid 2>/dev/null; }
address() { inside "$1" ip -4 addr show "$2" | sed -n 's|^ *inet \([0-9.]*\)/.*|\1|p'; }
router() { inside "$1" ip route | sed -n 's/^default via \([^ ]*\).*/\1/p'; }
# relay NAME : where our relay for its names is asked: the number after the host's
relay() {
	at=$(router "$1")
	echo "${at%.*}.$((${at##*.} + 1))"
}
# asks NAME SERVER
asks() {
	inside "$1" nslookup any.example "$2" 2>/dev/null | sed -n 's/^Address[ 0-9:]*: *\(192[0-9.]*\).*/\1/p' | head -n 1
}
worked() { cut -d' ' -f14,15 "/proc/$1/stat" | sed 's/ / + /'; }
pings() { ping -c 1 -W 5 "$1" >/dev/null 2>&1 && echo yes; }
inside_pings() { inside "$1" ping -c 1 -W 5 "$2" >/dev/null 2>&1 && echo yes; }
# not wget, which dies of looking up a service in some static busybox; and nc -w is for both ways
fetch() { printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 10 "$1" "$2" 2>&1 | tail -n 1; }
inside_fetch() { printf 'GET / HTTP/1.0\r\n\r\n' | inside "$1" nc -w 10 "$2" "$3" 2>&1 | tail -n 1; }
links() { for l in /sys/class/net/*; do echo "${l##*/}"; done | tr '\n' ' '; }
state() { find "$dir/state/run/nspawn-lite" -type f ! -name .mounts ! -name .host-id ! -name '.shared.*' ! -name outside | sed 's|.*/||' | tr '\n' ' '; }
# a start looks at four of all that stand in the register
swept() { once --private-network true; [ -z "$(state)" ]; }
gone() { [ "$(links)" = "$links" ]; }
serve='httpd -p 80 -h /www; echo up; exec sleep 1000'
calm='echo up; exec sleep 1000'

echo nameserver 127.0.0.1 >/etc/resolv.conf
"$named" &
resolver=$!
for machine in outside one two; do tree $machine; done

is 'a loopback of its own' yes "$(name=one once --private-network sh -c 'ping -c 1 127.0.0.1 >/dev/null && echo yes')"

begin outside --network-veth-extra=up0:eth0 sh -c "ip addr add 198.51.100.2/24 dev eth0; ip link set eth0 up; $serve"
outside=$pid
is 'a further link is made' '' "$(said)"
ip addr add 198.51.100.1/24 dev up0
ip route add default via 198.51.100.2
is 'and leads there and back' 'yes yes' "$(pings 198.51.100.2) $(inside_pings outside 198.51.100.1)"
links=$(links)
forward=$(cat /proc/sys/net/ipv4/conf/up0/forwarding)

with sysctl || { mount -o bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; }

# a link of its own, with addresses
begin one -n --port=8080:80 sh -c "$serve"
machine=$pid
want=''
if ! with nft; then
	want='*has no way out of its own network, and its ports are relayed: *'
elif ! with sysctl; then
	want='net/ipv*/conf/*/* cannot be set (Read-only file system): *it reaches only the host'
fi
like 'with a link and a port it starts, and says what is missing' "$want" "$(said)"
address=$(address one host0)
router=$(router one)
is 'it has an address, and the host reaches it' yes "$(pings "$address")"
is 'and it the host' yes "$(inside_pings one "$router")"
if with ip6; then
	six=$(inside one ip -6 addr show host0 | sed -n 's|^ *inet6 \(fd[^/]*\)/.*|\1|p')
	is 'and by IPv6' yes "$(wait_for ping -6 -c 1 -W 5 "$six" && echo yes)"
	like 'a hosts file has both' "$address*$six*" "$(cat "$dir/state/run/nspawn-lite/.hosts/one")"
else
	is 'a hosts file has one' "$address	one" "$(cat "$dir/state/run/nspawn-lite/.hosts/one")"
fi
is 'it asks by DHCP and gets the same' "$address $router $(relay one)" \
	"$(inside one udhcpc -n -q -f -t 10 -T 2 -i host0 -s "$dir/one/bin/lease" >/dev/null 2>&1; cat /lease)"
is 'the relay answers for names' 192.0.2.53 "$(asks one "$(relay one)")"
like 'which is who its resolv.conf names' "*nameserver $(relay one)*" "$(cat "$dir/one/etc/resolv.conf" 2>/dev/null; nsenter -t "$(leader one)" -m cat /etc/resolv.conf)"
led='this is one'
with sysctl || led='nc: timed out'
is 'its port is there, from outside' "$led" "$(inside_fetch outside 198.51.100.1 8080)"
is 'from the host itself' 'this is one' "$(fetch 198.51.100.1 8080)"
is 'and at 127.0.0.1' 'this is one' "$(fetch 127.0.0.1 8080)"
if with nft && with sysctl; then
	is 'it reaches the outside' yes "$(inside_pings one 198.51.100.2)"
else
	is 'it does not reach the outside' '' "$(inside_pings one 198.51.100.2)"
fi

# killed, and again at once
kill -9 $machine
wait $machine 2>/dev/null
begin one -n --port=8080:80 sh -c "$serve"
kill -9 $pid
wait $pid 2>/dev/null
name=two
wait_for swept
# refused at once; some busybox do not say so
is 'what one that was killed left is swept by the starts of another' '' "$(inside_fetch outside 198.51.100.1 8080 | grep -v refused)"
is 'nothing is left of that' "$links " "$(wait_for gone; links) $(state)"
begin one -n --port=8080:80 sh -c "$serve"
is 'after kill -9 it starts again, with the same address' "$address" "$(address one host0)"
is 'and its port leads to it' "$led" "$(inside_fetch outside 198.51.100.1 8080)"
end
name=one
is 'it is started three times in a row' '0 0 0' "$(for _ in 1 2 3; do once -n true; printf '%s ' $?; done | sed 's/ $//')"
wait_for gone
is 'nothing is left of it' "$links " "$(links) $(state)"
if [ -e /proc/self/ns/user ]; then
	begin one -n --private-users=pick --port=8080:80 sh -c "$serve"
	is 'with users of its own it has the same' "$address this is one" "$(address one host0) $(fetch 127.0.0.1 8080)"
	end
	wait_for gone
	is 'and leaves nothing' "$links " "$(links) $(state)"
	once --private-users=0 --private-users-ownership=chown true
fi

if ! with ip6; then
	is 'an address of IPv6 that was asked for is not left out in silence' '1 the host has no network of IPv6' \
		"$(once -n --network-address=fd00::2/64 true; echo $? "$(grep -o 'the host has no network of IPv6' "$dir/err")")"
fi

# others
if with bridge; then
	begin one --network-zone=z sh -c "$calm"
	machine=$pid
	begin two --network-zone=z --port=8081:80 sh -c "$serve"
	is 'two machines of a zone reach each other' 'yes yes' "$(inside_pings one "$(address two host0)") $(inside_pings two "$(address one host0)")"
	if with sysctl; then
		is 'a port of one leads to it from the outside' 'this is two' "$(inside_fetch outside 198.51.100.1 8081)"
		is 'and from the other' 'this is two' "$(inside_fetch one "$(router one)" 8081)"
	fi
	end
	name=one pid=$machine
	end
	wait_for gone
	is 'the last one takes the bridge away' "$links " "$(links) $(state)"
	brctl addbr br0
	ip addr add 192.168.9.1/24 dev br0
	ip link set br0 up
	name=one
	is 'on a bridge of the host' yes "$(once --network-bridge=br0 --network-address=192.168.9.2/24 ping -c 1 -W 5 192.168.9.1 >/dev/null && echo yes)"
	ip link del br0
	is 'which is left as it was' "$links" "$(links)"
else
	is 'a zone needs bridges' '1 no bridge in this kernel (CONFIG_BRIDGE; module bridge, OpenWrt'"'"'s package kmod-bridge)' \
		"$(name=one; once --network-zone=z true; echo $? "$(sed -n "s/.*\(no bridge in this kernel (.*)\).*/\1/p" "$dir/err")")"
fi
name=one
if with macvlan; then
	upon='ip addr add 198.51.100.7/24 dev mv-up0; ip link set mv-up0 up; ping -c 1 -W 5 198.51.100.2 >/dev/null && echo yes'
	is 'upon a link of the host' yes "$(once --network-macvlan=up0 sh -c "$upon")"
	is 'again at once' 'yes yes' "$(once --network-macvlan=up0 sh -c "$upon") $(once --network-macvlan=up0 sh -c "$upon")"
else
	is 'macvlan is missing' '1 no macvlan in this kernel' \
		"$(once --network-macvlan=up0 true; echo $? "$(sed -n 's/.*\(no macvlan in this kernel\).*/\1/p' "$dir/err")")"
fi

# a resolver that has the port everywhere
kill $resolver
wait $resolver 2>/dev/null
"$named" 0.0.0.0 &
resolver=$!
begin one -n sh -c "$calm"
is 'a resolver of the host that listens everywhere answers itself' 192.0.2.53 "$(asks one "$(router one)")"
before=$(($(worked $pid)))
sleep 3
is 'and the supervisor sleeps meanwhile' yes "$([ $(($(worked $pid) - before)) -lt 100 ] && echo yes)"
end

wait_for gone
is 'nothing is left at the end' "$links $forward " "$(links) $(cat /proc/sys/net/ipv4/conf/up0/forwarding) $(state)"
name=outside pid=$outside
end
kill $resolver
rm -rf "$dir"
done_testing
