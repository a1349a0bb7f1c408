#!/bin/sh
# What a guest may ask for on its link: its address, way and servers of names by
# DHCP and DHCPv6, and a prefix by router solicitations. Real clients ask.
# shellcheck disable=SC2016,SC2317 # for shells inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need ip nsenter

# frames in, frames out
"$(program dhcp)" >"$T/tap"
while read -r line; do
	case $line in
	'ok '*|'not ok '*) result "${line%%[0-9]*}" "${line#* - }" ;;
	'# '*) note "${line#??}" ;;
	esac
done <"$T/tap" | sed 's/  - / - /'

# the same on a machine that puts the high byte first
if command -v qemu-mips-static >/dev/null && [ -e "${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/nspawn-lite}/sysroot/mips/done" ]; then
	ok 'and no other on a machine with the high byte first' sh -c "
		unset CC CFLAGS CPPFLAGS LDFLAGS CROSS_COMPILE MAKEFLAGS MAKELEVEL
		make -s -C '$TOP' TARGET=mips O='$T/mips' '$T/mips/test-dhcp' && qemu-mips-static '$T/mips/test-dhcp'"
else
	skip 'and no other on a machine with the high byte first' 'no qemu-mips-static or no toolchain for it'
fi

# the servers that guests are told of: this network's own
echo 'nameserver 192.0.2.53' >"$T/resolv"
mount --bind "$T/resolv" /etc/resolv.conf || skip_all 'cannot mount'
t=$(tree busybox)
cat >"$t/said" <<'END'
#!/bin/sh
# what a client was told, one line each time
if [ $# -gt 0 ]; then
	reason=$1
fi
case $reason in bound|renew|nak|BOUND|RENEW|REBOOT|REBIND|BOUND6|RENEW6|REBIND6|INFORM6|EXPIRE|PREINIT|deconfig) ;; *) exit ;; esac
echo "$reason ${ip:-$new_ip_address} ${mask:-$new_subnet_cidr} ${router:-$new_routers} dns=${dns:-$new_domain_name_servers}" \
	"name=${hostname:-$new_host_name} six=${new_ip6_address:-$new_dhcp6_ia_na1_ia_addr1}" \
	"dns6=${new_dhcp6_name_servers:-}" >>"${SAID:-/told}"
END
chmod 755 "$t/said"

# the machine, until stop; its first word to the shell inside is done once it is up
start() {	# start NAME TEXT OPTION...
	start_name=$1
	start_text=$2
	shift 2
	rm -f "$t/up.$start_name"
	"$NL" -q -M "$start_name" -D "$t" "$@" /bin/sh -c "$start_text; touch /up.$start_name; exec sleep 10000" \
		</dev/null >"$T/$start_name.log" 2>&1 &
	supervisor=$!
	wait_for test -e "$t/up.$start_name" || note "$(cat "$T/$start_name.log")"
	leader=$(awk '{ print $1 }' "/proc/$supervisor/task/$supervisor/children")
}
stop() {
	kill -9 "$leader" 2>/dev/null
	wait "$supervisor" 2>/dev/null
}
# a command in its network
inside() { nsenter --net="/proc/$leader/ns/net" "$@"; }
# and in the background: $client
beside() {
	nsenter --net="/proc/$leader/ns/net" "$@" </dev/null >"$T/client" 2>&1 &
	client=$!
}
ended() {
	kill "$client" 2>/dev/null
	wait "$client" 2>/dev/null
}
global() { inside "$ip_program" -o "$1" addr show dev host0 scope global | awk '{ print $4 }'; }
flush() {
	inside "$ip_program" -4 addr flush dev host0
	inside "$ip_program" -6 addr flush dev host0 scope global
}
unreachable() { awk '/^Icmp:/ { if (n++) print $c; else for (i = 1; i <= NF; i++) if ($i == "OutDestUnreachs") c = i }' /proc/net/snmp; }

# ---- inside: the client that a small guest has ------------------------------------------

start asks 'ip -o -4 addr show dev host0 scope global >/was; ip -4 route show default >/way; ip -4 addr flush dev host0
	udhcpc -i host0 -q -n -t 20 -T 3 -s /said >/udhcpc 2>&1
	udhcpc -i host0 -q -n -t 20 -T 3 -r 192.0.2.77 -s /said >>/udhcpc 2>&1' -n
was=$(awk '{ print $4 }' "$t/was")
address=${was%/*}
router=$(awk '{ print $3 }' "$t/way")
six=$(global -6 | head -n 1)
[ -n "$address" ] || note "$(cat "$T/asks.log")"
told=$(grep bound "$t/told")
like 'udhcpc gets the address that it has, the way on and the servers of names' \
	"bound $address ${was#*/} $router dns=192.0.2.53 *" "$(echo "$told" | head -n 1)"
like 'and not another that it asks for' "bound $address *" "$(echo "$told" | sed -n 2p)"
like 'and its name' '*name=asks *' "$told"

# ---- in its network: clients of larger guests ----------------------------------------------

udhcpc=$(command -v udhcpc || echo "busybox udhcpc")
SAID=$T/said
export SAID
before=$(unreachable)
# shellcheck disable=SC2086 # words
beside $udhcpc -i host0 -f -s "$t/said"
wait_for grep -qs bound "$SAID"
# what it asks over its own address, and not by a packet socket
inside "$ip_program" addr add "$was" dev host0
kill -USR1 "$client"
wait_for grep -qs renew "$SAID"
like 'a lease is renewed' "renew $address *" "$(grep renew "$SAID")"
is 'and our kernel does not say that nobody is there' "$before" "$(unreachable)"
ended
flush

if command -v dhclient >/dev/null; then
	: >"$SAID"
	cat >"$T/dhclient.conf" <<-END
	timeout 60;
	send dhcp-lease-time 10;
	END
	cat >"$T/leases" <<-END
	lease {
	  interface "host0";
	  fixed-address 203.0.113.9;
	  option subnet-mask 255.255.255.0;
	  option dhcp-server-identifier 203.0.113.1;
	  renew 5 2037/01/01 00:00:00;
	  rebind 5 2037/01/01 00:00:00;
	  expire 5 2037/01/01 00:00:00;
	}
	END
	beside dhclient -4 -d -cf "$T/dhclient.conf" -sf "$t/said" -e SAID="$SAID" -lf "$T/leases" -pf "$T/pid" host0
	wait_for grep -qs BOUND "$SAID"
	like 'dhclient, which had another address: it is refused' '*DHCPNAK from*' "$(cat "$T/client")"
	like 'and gets its own' "BOUND $address *$router dns=192.0.2.53 *" "$(grep BOUND "$SAID")"
	inside "$ip_program" addr add "$was" dev host0
	wait_for grep -qs RENEW "$SAID"
	like 'and renews it' "RENEW $address *" "$(grep -m 1 RENEW "$SAID")"
	ended
	flush
else
	skip 'dhclient asks' 'it is not here'
fi

# apart TEXT : in its network, with a /run and a /var/lib of its own
apart() { inside unshare -m sh -c "mount -t tmpfs r /run && mount -t tmpfs v /var/lib && mkdir -p /var/lib/dhcpcd /run/dhcpcd && $1"; }
if command -v dhcpcd >/dev/null; then
	: >"$T/dhcpcd.conf"
	apart "exec timeout 100 dhcpcd -4 -1 -B -L -f '$T/dhcpcd.conf' -c /bin/true host0" >"$T/dhcpcd" 2>&1
	like 'dhcpcd gets its address' "*leased $address for 3600 seconds*" "$(cat "$T/dhcpcd")"
	is 'and sets it' "$was" "$(global -4)"
	like 'with the way on' "default via $router *proto dhcp*" "$(inside "$ip_program" -4 route show default)"
	flush
else
	skip 'dhcpcd asks' 'it is not here'
fi

# ---- IPv6 --------------------------------------------------------------------------------------

# the kernel asks when its link comes up
again() {
	inside "$ip_program" link set host0 down
	inside "$ip_program" link set host0 up
}
has_six() { [ "$(global -6 | head -n 1)" = "$six" ]; }
has_link_local() { inside "$ip_program" -6 addr show dev host0 scope link | grep inet6 | grep -qv tentative; }
if [ -n "$six" ]; then
	again
	wait_for has_six
	is 'a router advertisement makes the very address that it had' "$six" "$(global -6)"
	like 'which is no longer one for ever' '*dynamic*' "$(inside "$ip_program" -6 addr show dev host0 scope global)"
	if command -v rdisc6 >/dev/null; then
		wait_for has_link_local
		out=$(inside rdisc6 -1 host0 2>&1)
		like 'rdisc6 sees a prefix to make addresses of' '*Stateful address conf.*No*Prefix*/64*Autonomous address conf.*Yes*' "$out"
	else
		skip 'rdisc6 asks' 'it is not here'
	fi
	wait_for has_link_local
	if command -v dhclient >/dev/null; then
		: >"$SAID"
		: >"$T/leases"
		beside dhclient -6 -d -1 -N -sf "$t/said" -e SAID="$SAID" -lf "$T/leases" -pf "$T/pid" host0
		wait_for grep -qs BOUND6 "$SAID"
		like 'dhclient -6 gets the same address by DHCPv6' "*six=${six%/*} *" "$(grep BOUND6 "$SAID")"
		ended
		inside timeout 60 dhclient -6 -d -1 -S -sf "$t/said" -e SAID="$SAID" -lf "$T/leases" -pf "$T/pid" host0 \
			>"$T/dhclient" 2>&1
		like 'and is answered when it asks for no address' '*Reply message*' "$(cat "$T/dhclient")"
	else
		skip 'dhclient -6 asks' 'it is not here'
	fi
	if command -v dhcpcd >/dev/null; then
		printf 'noipv6rs\ninterface host0\nia_na 1\n' >"$T/dhcpcd.conf"
		apart "exec timeout 100 dhcpcd -6 -1 -B -L -f '$T/dhcpcd.conf' -c /bin/true host0" >"$T/dhcpcd" 2>&1
		like 'dhcpcd gets it too' "*adding address ${six%/*}/*" "$(cat "$T/dhcpcd")"
	else
		skip 'dhcpcd -6 asks' 'it is not here'
	fi
else
	skip 'IPv6' 'the machine has none here'
fi

# ---- who else asks over the same link ------------------------------------------------------------

two_replies() { [ "$(grep -c 'DHCP, Reply' "$T/client")" -ge 2 ]; }
# that nothing came is seen once what came later is there
if command -v tcpdump >/dev/null; then
	beside tcpdump -i host0 -n -l udp src port 67
	wait_for grep -qs listening "$T/client"
	inside "$(program flood)" host0 3 tagged >"$T/flood"
	inside "$ip_program" link add link host0 name other address 02:00:00:00:00:05 type macvlan mode bridge
	inside "$ip_program" link set other up
	: >"$SAID"
	for link in other host0; do
		case $link in other) wait=1 ;; *) wait=20 ;; esac
		# shellcheck disable=SC2086 # words
		inside $udhcpc -i $link -f -q -n -t 1 -T $wait -s "$t/said" </dev/null >"$T/udhcpc" 2>&1
	done
	# an offer and an acknowledgement
	wait_for two_replies
	ended
	is 'neither a VLAN nor a macvlan inside is answered, the link itself is' '2 1' \
		"$(grep -c 'DHCP, Reply' "$T/client") $(grep -c bound "$SAID")"
	inside "$ip_program" link del other
else
	skip 'a VLAN inside' 'no tcpdump'
fi

# ---- a guest that asks and asks -----------------------------------------------------------------

# processor time of a process in nanoseconds
spent() {
	awk '{ print $1 }' "/proc/$1/schedstat" 2>/dev/null ||
		awk '{ printf "%.0f\n", ($14 + $15) * 10000000 }' "/proc/$1/stat"
}
before=$(spent "$supervisor")
flooder=$(inside "$(program flood)" host0 200000)
# all that it makes of it is done when it answers again
: >"$SAID"
# shellcheck disable=SC2086 # words
inside $udhcpc -i host0 -f -q -t 20 -T 1 -n -s "$t/said" </dev/null >"$T/udhcpc" 2>&1
like 'who was flooded answers still' "bound $address *" "$(grep bound "$SAID")"
cost=$(($(spent "$supervisor") - before))
note "the flooder's processor time: $flooder ns, its supervisor's: $cost ns"
ok 'and it cost less than a twentieth of what it cost the flooder' [ "$((cost * 20))" -lt "$flooder" ]
stop

# ---- with users of its own -------------------------------------------------------------------------

if [ -e /proc/self/ns/user ]; then
	rm -f "$t/told"
	SAID=$T/told
	start users 'ip -o -4 addr show dev host0 scope global >/was; ip -4 addr flush dev host0
		udhcpc -i host0 -f -q -n -t 20 -T 3 -s /said >/udhcpc 2>&1' -n -U
	like 'root of a machine with users of its own gets its address too' "bound $(awk '{ sub("/", " ", $4); print $4 }' "$t/was") *" \
		"$(grep bound "$t/told")"
	stop
	chown -R 0:0 "$t"
else
	skip 'a machine with users of its own' 'the kernel has none'
fi

# ---- in a zone each is answered by its own ---------------------------------------------------------

cp -a "$t" "$t.two"
start one 'ip -o -4 addr show dev host0 scope global >/was' --network-zone=dhcp
one="$t $supervisor $leader"
t=$t.two
start two 'ip -o -4 addr show dev host0 scope global >/was' --network-zone=dhcp
for machine in "$one" "$t $supervisor $leader"; do
	# shellcheck disable=SC2086 # words
	set -- $machine
	leader=$3
	was=$(awk '{ print $4 }' "$1/was")
	SAID=$T/said.$3
	flush
	# shellcheck disable=SC2086 # words
	inside $udhcpc -i host0 -f -q -n -t 20 -T 3 -s "$t/said" </dev/null >"$T/udhcpc" 2>&1
	is "in a zone each gets its own address" "$was" "$(awk '/bound/ { print $2 "/" $3 }' "$SAID")"
	others="${others:-} $was"
done
if [ -n "$six" ] && command -v rdisc6 >/dev/null; then
	wait_for has_link_local
	is 'and is told the MAC address of the bridge, which its router is' \
		"$(ip -o link show dev vz-dhcp | sed 's|.*link/ether \([^ ]*\).*|\1|')" \
		"$(inside rdisc6 -1 host0 | awk '/Source link-layer address/ { print tolower($NF) }')"
fi
# shellcheck disable=SC2086 # words
set -- $others
unlike 'and they are not the same' "$1" "${2:-$1}"
for machine in "$one" "$t $supervisor $leader"; do
	# shellcheck disable=SC2086 # words
	set -- $machine
	supervisor=$2
	leader=$3
	stop
done

# ---- a bridge of the host's own has a server of its own, or none -------------------------------------

t=${t%.two}
rm -f "$t/told"
ip link add br-dhcp type bridge && ip link set br-dhcp up
start bridged : --network-bridge=br-dhcp --network-address=192.0.2.9/24
SAID=$T/said.bridged
# shellcheck disable=SC2086 # words
inside $udhcpc -i host0 -f -q -n -t 2 -T 1 -s "$t/said" </dev/null >"$T/udhcpc" 2>&1
is 'on a bridge of the host nobody answers, even for an address that we gave' '192.0.2.9/24 0' \
	"$(global -4) $(grep -sc bound "$SAID")"
stop

# ---- a system that does all of it by itself ---------------------------------------------------------

if tree=$("$TESTDIR/trees" systemd 2>"$T/err"); then
	"$NL" -q -M networkd --ephemeral -b -n -D "$tree" --console=passive systemd.wants=systemd-networkd.service \
		</dev/null >"$T/networkd" 2>&1 &
	supervisor=$!
	has_leader() { leader=$(awk '{ print $1 }' "/proc/$supervisor/task/$supervisor/children"); [ -n "$leader" ]; }
	leased() { inside "$ip_program" -4 addr show dev host0 scope global 2>/dev/null | grep -q dynamic; }
	wait_for has_leader
	wait_for leased
	like 'networkd of a booted system leases an address' '*inet *dynamic*' "$(inside "$ip_program" -o -4 addr show dev host0 scope global)"
	is 'and has no other' 1 "$(global -4 | wc -l)"
	like 'and the way on' 'default via *proto dhcp*' "$(inside "$ip_program" -4 route show default)"
	kill -9 "$leader"
	wait "$supervisor" 2>/dev/null
else
	skip 'networkd asks' 'its tree cannot be made here'
fi
done_testing
