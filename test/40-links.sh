# shellcheck shell=sh disable=SC2016,SC2034 # scripts for the guest, numbers of rounds
# shellcheck source-path=SCRIPTDIR source=lib.sh
# shellcheck disable=SC2154 # set by run
# The links of a machine: what they are called, what they are, and that none stays. In a network of the test's own.
if [ "${LINKS_OF:-}" != "$0" ] && [ "$(id -u)" = 0 ] && command -v unshare >/dev/null 2>&1; then
	LINKS_OF=$0
	export LINKS_OF
	shell=$(readlink "/proc/$$/exe")
	case $shell in
	*busybox*)	exec unshare -n "$shell" sh "$0" "$@" ;;
	*)		exec unshare -n "$shell" "$0" "$@" ;;
	esac
fi
unset LINKS_OF
. "${0%/*}/lib.sh"
need_root
need unshare nsenter ip timeout

# iproute2's, where the shell has an applet of that name
for ip_program in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do
	[ ! -x "$ip_program" ] || break
done
ip() { "$ip_program" "$@"; }
ip link set lo up
ip link add v0 type veth peer name v1 2>/dev/null || skip_all 'no veth in this kernel'
ip link set v0 up
ip link set v1 up

t=$(tree busybox guest) || skip_all 'no guest'
state=$T/root/run/nspawn-lite
mkdir -p "$T/root/etc"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"

guest() { timeout 60 "$NL" -q -D "$t" "$@" 2>&1; }
# begin OPTION... : it lives until end, which says its status; what it said is in $T/said
quiet=--quiet
begin() {
	rm -f "$t/up" "$t/down"
	"$NL" "$quiet" -D "$t" "$@" /bin/sh -c 'touch /up; until [ -e /down ]; do sleep 0.1; done' >"$T/said" 2>&1 &
	pid=$!
	wait_for test -e "$t/up"
}
end() {
	: >"$t/down"
	wait "$pid"
}
inside() {
	wait_for grep -qs '^LEADER=[1-9]' "$state/$1"
	nsenter -t "$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/$1")" -n "$ip_program" -d -o link show dev "$2" 2>&1
}
# it may complain of namespaces that others have just named
outside() { ip -d -o link show dev "$1" 2>/dev/null; }
links() { ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | sort | tr '\n' ' '; }
# and LINK... : those that were there before, with these
and() { printf '%s\n' "$host_links$*" | tr ' ' '\n' | sort | tr '\n' ' '; }
addresses() { sed 's/.*link\/ether \([0-9a-f:]*\) .*/\1/'; }
said() { tr -d '\r' <"$T/said"; }
host_links=$(links)
# shellcheck disable=SC2317 # called by wait_for
no_links() { [ "$(links)" = "$host_links" ]; }
# refuses SENTENCE WANTED OPTION... : status 1, one line, nothing left
refuses() {
	sentence=$1 wanted=$2
	shift 2
	run timeout 60 "$NL" -q -D "$t" "$@" /bin/true
	like "$sentence" "$wanted" "$err"
	is "$sentence: one line, and status 1" '1 1' "$(echo "$err" | wc -l | tr -d ' ') $rc"
}
leftovers_before

# ---- one veth ------------------------------------------------------------------------------------------

begin -n
is '-n makes a link by the machine'"'"'s name' "$(and ve-guest)" "$(links)"
like 'it is a veth' '* veth *' "$(outside ve-guest)"
like 'the end on the host is up' '*<*,UP*' "$(outside ve-guest)"
is 'its MAC address is that of systemd-nspawn' a2:0e:78:9f:de:73 "$(outside ve-guest | addresses)"
is 'so is that of host0' 82:8f:f0:36:41:ea "$(inside guest host0 | addresses)"
is 'what might stay stands in the register' 'LINK=ve-guest veth a2:0e:78:9f:de:73' "$(grep ^LINK "$state/guest")"
end
is 'it ends' 0 $?
ok 'and its link with it' wait_for no_links
is 'with users of its own the links are the same' 'host0 lo 82:8f:f0:36:41:ea' \
	"$(guest -n -U sh -c 'echo $(ls /sys/class/net) $(cat /sys/class/net/host0/address)')"
is 'without new system calls they are the same' 'host0 lo 82:8f:f0:36:41:ea' \
	"$(NSPAWN_LITE_DENY=new guest -n sh -c 'echo $(ls /sys/class/net) $(cat /sys/class/net/host0/address)')"
ok 'and none of them stays' wait_for no_links
is 'without a shared memory they are the same' 'host0 lo' "$(NSPAWN_LITE_DENY=clone3,vfork guest -n sh -c 'echo $(ls /sys/class/net)')"
ok 'and gone when it has ended' wait_for no_links
is '--network-veth-name names it inside' 'eth0 lo' "$(guest -n --network-veth-name=eth0 sh -c 'echo $(ls /sys/class/net)')"
is '--network-mac gives its address' 02:00:00:00:00:01 \
	"$(guest -n --network-mac=02-00-00-00-00-01 cat /sys/class/net/host0/address)"
is 'so does SYSTEMD_NSPAWN_NETWORK_MAC' 02:00:00:00:00:02 \
	"$(SYSTEMD_NSPAWN_NETWORK_MAC=02:00:00:00:00:02 guest -n cat /sys/class/net/host0/address)"
is 'which is no matter without the link' lo "$(SYSTEMD_NSPAWN_NETWORK_MAC=02:00:00:00:00:02 guest --private-network ls /sys/class/net)"

quiet=--no-pager
begin -n -M test_container
quiet=--quiet
like 'too long a name is told' "*Network interface name 've-test_container' has been changed to 've-test_conLPFJ' to fit length constraints.*" \
	"$(said)"
is 'its MAC address is made of the whole' d6:f2:b1:e5:3b:67 "$(outside ve-test_conLPFJ | addresses)"
case $(outside ve-test_conLPFJ) in
*altname*)	like 'and the whole is an alternative name' '*altname ve-test_container *' "$(outside ve-test_conLPFJ) " ;;
*)	skip 'and the whole is an alternative name' 'Linux before 5.5' ;;
esac
end

# ---- bridges -------------------------------------------------------------------------------------------

ip link add br0 type bridge
ip link set br0 up
begin --network-bridge=br0
like 'a bridge gets a port, up' '*<*,UP*master br0 *' "$(outside vb-guest)"
is 'with the address of the machine' a2:0e:78:9f:de:73 "$(outside vb-guest | addresses)"
ip link set br0 down
wait_for grep -q 'br0 is down' "$T/said"
is 'a bridge that goes down is told in a line' 'nspawn-lite: bridge br0 is down: link host0 of machine guest leads nowhere meanwhile' "$(said)"
ip link delete br0
wait_for grep -q 'br0 is gone' "$T/said"
like 'so is one that goes' '*bridge br0 is gone: *' "$(said)"
is 'in two lines, no more' 2 "$(said | wc -l | tr -d ' ')"
ip link delete vb-guest
wait_for grep -q 'vb-guest is gone' "$T/said"
like 'and a link that goes' '*link vb-guest is gone: *' "$(said)"
end
is 'the machine goes on, and ends as it does' 0 $?
refuses 'a bridge that is not there' 'nspawn-lite: Failed to add interface vb-guest to bridge br0: No such device*' --network-bridge=br0
refuses 'one that is a veth' '*bridge v0: it is a veth, and no bridge' --network-bridge=v0
refuses 'one that is no link at all' '*bridge lo: it is a network card, and no bridge' --network-bridge=lo

# ---- zones ---------------------------------------------------------------------------------------------

begin --network-zone=web
like 'a zone has a bridge' '* bridge *' "$(outside vz-web)"
like 'which is up' '*<*,UP*' "$(outside vz-web)"
like 'and the machine is on it' '*<*,UP*master vz-web *' "$(outside vb-guest)"
like 'what stands for it is told to who sweeps' 'ZONE=vz-web*' "$(cat "$state/.shared.zone.web")"
first=$(outside vz-web | addresses)
is 'another machine joins it' 'host0 lo' "$(timeout 60 "$NL" -q -D "$(tree busybox other)" --network-zone=web sh -c 'echo $(ls /sys/class/net)' 2>&1)"
like 'and leaves it behind' '*vz-web*' "$(links)"
end
ok 'the last one takes it away' wait_for no_links
begin --network-zone=web
is 'it has the same address the next time' "$first" "$(outside vz-web | addresses)"
end
ip link add vz-web type bridge
is 'a bridge of that name that was there is used' 'host0 lo' "$(guest --network-zone=web sh -c 'echo $(ls /sys/class/net)')"
like 'and stays' '*vz-web*' "$(links)"
ip link delete vz-web
begin --network-zone=web
ip link add d0 type dummy 2>/dev/null || ip link add d0 type bridge
ip link set d0 master vz-web 2>/dev/null || skip 'one with a port of somebody else stays' 'no dummy links'
end
case $(outside d0) in
*vz-web*)	like 'one with a port of somebody else stays' '*vz-web*' "$(links)" ;;
esac
ip link delete d0
is 'until the next one is the last' 'host0 lo' "$(guest --network-zone=web sh -c 'echo $(ls /sys/class/net)')"
ok 'and then it is gone' wait_for no_links
ip link add vz-web type veth peer name w1
refuses 'a link of that name that is no bridge' '*has a link vz-web already, which is a veth and no bridge' --network-zone=web
like 'and it is still there' '*vz-web*' "$(links)"
ip link delete vz-web

n=0 pids=''
while [ $((n += 1)) -le 50 ]; do
	"$NL" -q -D "$t" --read-only -M "m$n" --network-zone=many /bin/true >>"$T/many" 2>&1 &
	pids="$pids $!"
done
bad=0
for p in $pids; do
	wait "$p" || bad=$((bad + 1))
done
is '50 machines of a zone that begin and end at once do not meet' '0 ' "$bad $(cat "$T/many")"
ok 'and nothing of it stays' wait_for no_links

# ---- further pairs -------------------------------------------------------------------------------------

begin -n --network-veth-extra=a0:b0 --network-veth-extra=a1
is 'further pairs have the names that were said' "$(and a0 a1 ve-guest)" "$(links)"
like 'up on the host' '*<*,UP*' "$(outside a0)"
like 'inside too' '* veth *' "$(inside guest b0)"
like 'both ends by one name if there is one' '* veth *' "$(inside guest a1)"
is 'each has an address of its own' 5 "$({ outside a0; outside a1; inside guest b0; inside guest a1; inside guest host0; } | addresses | sort -u | wc -l | tr -d ' ')"
extra=$(outside a1 | addresses)
is 'the first of them without a number' a2:b5:c1:cc:67:65 "$(inside guest b0 | addresses)"
end
begin --network-veth-extra=x --network-veth-extra=y
is 'by its place among them' "$extra" "$(outside y | addresses)"
end
ok 'all are gone' wait_for no_links
refuses 'a name that is taken' '*link v0: the host has one of that name, a veth, and it is not ours to remove' --network-veth-extra=v0
ip link add ve-guest type veth peer name w1
refuses 'the same of the first link' '*link ve-guest: the host has one of that name, a veth, *' -n
refuses 'and then a pair before it is undone' '*ve-guest*' --network-veth-extra=before --network-veth-extra=ve-guest
ip link delete ve-guest
ok 'nothing half-made stays' wait_for no_links

# ---- macvlan, ipvlan -----------------------------------------------------------------------------------

if ip link add link v0 name probe type macvlan 2>/dev/null; then
	ip link delete probe
	begin --network-macvlan=v0 --network-macvlan=v0:lan
	like 'a macvlan is one, of mode bridge' '* macvlan mode bridge *' "$(inside guest mv-v0)"
	like 'so is one with a name' '* macvlan mode bridge *' "$(inside guest lan)"
	is 'each has an address of its own' 2 "$({ inside guest mv-v0; inside guest lan; } | addresses | sort -u | wc -l | tr -d ' ')"
	ok 'none is on the host' wait_for no_links
	ip link set v1 down
	wait_for grep -q carrier "$T/said"
	like 'a parent without a cable is told' '*interface v0 has no carrier: link mv-v0 of machine guest *' "$(said)"
	ip link set v1 up
	end
	is 'again and again, up at once' '1 1 1 1 1 ' "$(for i in 1 2 3 4 5; do
		guest --network-macvlan=v0 sh -c 'ip link set mv-v0 up; ip link show mv-v0 | grep -c "[<,]UP[,>]"'; done | tr '\n' ' ')"
	ip link add a23456789012345 type veth peer name w1
	like 'a long name is shortened inside' 'lo mv-a2345678????' "$(guest --network-macvlan=a23456789012345 sh -c 'echo $(ls /sys/class/net)' | tail -n 1)"
	ip link delete w1
	is 'with users of its own too' 'lo mv-v0' "$(guest -U --network-macvlan=v0 sh -c 'echo $(ls /sys/class/net)')"
	ip link add br1 type bridge
	ip link set v0 master br1
	refuses 'a parent that is the port of a bridge' '*link mv-v0 on v0: *' --network-macvlan=v0
	ip link delete br1
else
	skip 'macvlan' 'not in this kernel'
fi
refuses 'a parent that is not there' "*--network-macvlan=nope: the host's interface nope: No such device" --network-macvlan=nope
if ip link add link v0 name probe type ipvlan mode l2 2>/dev/null; then
	ip link delete probe
	begin --network-ipvlan=v0
	like 'an ipvlan is one, of mode l2' '* ipvlan *mode l2 *' "$(inside guest iv-v0)"
	is 'with its parent'"'"'s address' "$(outside v0 | addresses)" "$(inside guest iv-v0 | addresses)"
	end
else
	refuses 'a kind that the kernel lacks' '*link iv-v0: no ipvlan in this kernel (CONFIG_IPVLAN; module ipvlan, *' --network-ipvlan=v0
fi
ok 'nothing of these stays' wait_for no_links

# ---- a network that is there ---------------------------------------------------------------------------

unshare -n sleep 600 &
other=$!
wait_for test ! "/proc/$other/ns/net" -ef /proc/self/ns/net
nsenter -t $other -n "$ip_program" link add in0 type veth peer name in1
path=/proc/$other/ns/net
for o in '' -U; do
	# shellcheck disable=SC2086 # none or one
	is "a namespace is joined ($o)" "$(readlink "$path") in0 in1 lo" \
		"$(guest $o --network-namespace-path="$path" sh -c 'echo $(readlink /proc/self/ns/net) $(ls /sys/class/net)')"
	# shellcheck disable=SC2086 # none or one
	is "which is not the machine's to change ($o)" 'no no' "$(guest $o --network-namespace-path="$path" sh -c '
		ip link set in0 up 2>/dev/null && echo yes || echo no
		echo 1 2>/dev/null >/proc/sys/net/ipv4/ip_forward && echo yes || echo no' | tr '\n' ' ' | sed 's/ $//')"
done
is 'but with --private-network' yes "$(guest --private-network --network-namespace-path="$path" sh -c 'ip link set in0 up && echo yes')"
refuses 'a file that is none' '*: not a network namespace; *' --network-namespace-path=/etc/passwd
refuses 'a namespace of another kind' '*: not a network namespace; *' --network-namespace-path=/proc/self/ns/mnt
refuses 'one that is not there' '*--network-namespace-path=/nope: No such file or directory' --network-namespace-path=/nope
kill $other
wait $other 2>/dev/null

# ---- words ---------------------------------------------------------------------------------------------

while read -r o; do
	# shellcheck disable=SC2086 # words
	run timeout 60 "$NL" plan $o
	is "$o is refused in a line" '1 1 ' "$rc $(echo "$err" | wc -l | tr -d ' ') $out"
	like "$o is named" "nspawn-lite: --network-*=*: *" "$err"
done <<'END'
--network-bridge=a/b
--network-bridge=a:b
--network-bridge=.
--network-bridge=..
--network-bridge=a%d
--network-bridge=1234567890123456
--network-bridge=all
--network-zone=1234567890123
--network-zone=a/b
--network-zone=-1
--network-veth-extra=a:
--network-veth-extra=:a
--network-veth-extra=a:b:c
--network-veth-extra=a:lo
--network-veth-extra=1234567890123456
--network-veth-extra=a --network-veth-extra=a:b
--network-veth-extra=a:b --network-veth-extra=c:b
-n --network-veth-extra=a:host0
-n --network-veth-name=x --network-veth-extra=x
--network-macvlan=a --network-macvlan=a
--network-macvlan=a:b --network-ipvlan=c:b
--network-interface=a:b --network-ipvlan=c:b
--network-macvlan=a/b
--network-ipvlan=a:1234567890123456
-n --network-veth-name=lo
-n --network-veth-name=a:b
-n --network-mac=01:00:00:00:00:01
-n --network-mac=00:00:00:00:00:00
-n --network-mac=02:00:00:00:00
-n --network-mac=02:00:00:00:00:01:02
-n --network-mac=02:00:00:00:00:0g
-n --network-mac=020000000001
END
for o in --network-veth --network-bridge=b --network-zone=z --network-veth-extra=a --network-interface=i --network-macvlan=m --network-ipvlan=i; do
	is "a namespace and $o may not be combined" 'nspawn-lite: --network-namespace-path= cannot be combined with other network options.' \
		"$("$NL" plan --network-namespace-path=/x "$o" 2>&1)"
done
is 'nor a bridge and a zone' 'nspawn-lite: --network-bridge= and --network-zone= may not be combined.' \
	"$("$NL" plan --network-bridge=b --network-zone=z 2>&1)"

# ---- files of settings ---------------------------------------------------------------------------------

mkdir -p "$T/root/etc/systemd/nspawn"
settings=$T/root/etc/systemd/nspawn/guest.nspawn
while IFS='|' read -r key want; do
	printf '[Network]\n%b\n' "$key" >"$settings"
	is "$key: links of a file" "$want" "$(guest --settings=override -n sh -c 'echo $(ls /sys/class/net)')"
done <<'END'
VirtualEthernet=yes|host0 lo
VirtualEthernet=no\nPrivate=yes|lo
Private=yes|lo
VirtualEthernetExtra=e0:e1\nVirtualEthernetExtra=e2|e1 e2 lo
Zone=web|host0 lo
MACVLAN=v0 v0:lan|lan lo mv-v0
END
printf '[Network]\nPrivate=no\n' >"$settings"
is 'Private=no alone turns the veth off' "$(readlink /proc/self/ns/net)" "$(guest --settings=override -n readlink /proc/self/ns/net)"
printf '[Network]\nZone=web\n' >"$settings"
is 'with --settings=yes the command line decides on all links' 'e0 lo' \
	"$(guest --settings=yes --network-veth-extra=e0 sh -c 'echo $(ls /sys/class/net)')"
rm -r "$T/root/etc/systemd"
# A living machine of systemd-nspawn has a link of the same name and the same address
ip link add ve-guest address a2:0e:78:9f:de:73 type veth peer name peer0
refuses 'a link that looks like ours and does not say so is not removed' '*make link ve-guest: the host has one of that name*' -n
like 'and is there still' '*ve-guest*' "$(links)"
ip link del ve-guest
begin -n
like 'ours says so' '*alias nspawn-lite */guest*' "$(ip link show ve-guest)"
end
ok 'nothing of these stays either' wait_for no_links

# ---- whatever ends it ----------------------------------------------------------------------------------

bad=0
for i in 1 2 3 4 5 6 7 8; do
	begin --network-zone=web --network-veth-extra=e0
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	guest --network-zone=web --network-veth-extra=e0 /bin/true >"$T/again" || bad=$((bad + 1))
done
is 'a machine that is started as soon as its supervisor was killed never finds its own old links' '0 ' "$bad $(cat "$T/again")"
ok 'and takes them away' wait_for no_links
bad=0
for i in 1 2 3 4 5 6 7 8 9 10; do
	guest -n --network-veth-extra=e0 /bin/true >"$T/again" || bad=$((bad + 1))
done
is 'nor one that is started as soon as it has ended' '0 ' "$bad $(cat "$T/again")"
rm -f "$t/once"
is 'nor one that begins again by itself' 'e0 host0 lo' "$(guest --network-zone=web --network-veth-extra=e0 sh -c '
	[ ! -e /once ] || exec echo $(ls /sys/class/net)
	touch /once; reboot -f; sleep 60')"
ok 'and that leaves nothing either' wait_for no_links
if ip link add link v0 name probe type macvlan 2>/dev/null; then
	ip link delete probe
	bad=0
	for i in 1 2 3 4 5; do
		begin --network-macvlan=v0
		wait_for grep -qs '^LEADER=[1-9]' "$state/guest"
		nsenter -t "$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/guest")" -n "$ip_program" link set mv-v0 up
		kill -9 "$pid"
		wait "$pid" 2>/dev/null
		guest --network-macvlan=v0 ip link set mv-v0 up >"$T/again" || bad=$((bad + 1))
	done
	is 'nor its own old macvlan, which had the same address' '0 ' "$bad $(cat "$T/again")"
fi
begin --network-zone=web
kill -9 "$pid"
wait "$pid" 2>/dev/null
timeout 60 "$NL" -q -D "$t" -M other /bin/true
timeout 60 "$NL" -q -D "$t" -M other /bin/true
ok 'any start takes away what another that was killed has left' wait_for no_links
begin -n
ip link delete ve-guest
ip link add ve-guest type veth peer name w1
kill -9 "$pid"
wait "$pid" 2>/dev/null
guest /bin/true >/dev/null
like 'but not a link that has only its name' '*ve-guest*' "$(links)"
ip link delete ve-guest

# ---- a host without a machine id -----------------------------------------------------------------------

for text in '' uninitialized none; do
	if [ "$text" = none ]; then rm "$T/root/etc/machine-id"; else echo "$text" >"$T/root/etc/machine-id"; fi
	one=$(guest -n cat /sys/class/net/host0/address)
	unlike "a host whose machine id is '$text' has one of its own" 82:8f:f0:36:41:ea "$one"
	is 'which stays' "$one" "$(guest -n cat /sys/class/net/host0/address)"
	rm "$state/.host-id"
	is 'and is the same when it is found anew' "$one" "$(guest -n cat /sys/class/net/host0/address)"
done
echo 0123456789abcdef0123456789abcdef >"$state/.host-id"
unlike 'what was found first is believed' "$one" "$(guest -n cat /sys/class/net/host0/address)"
rm "$state/.host-id"

leftovers_after 'nothing stays'
done_testing
