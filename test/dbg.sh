#!/bin/sh
# shellcheck disable=SC2016,SC2086 # expanded inside; options are words
# Addresses of machines: chosen, claimed, given, led on, and put back.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
t=$(tree busybox)
state=$T/root/run/nspawn-lite
outside
# what outside sends to a machine comes by the host
ip -n outside route add default via 198.51.100.1
ip -6 -n outside route add default via 2001:db8:1::1

guest() { timeout 60 "$NL" -q -x -D "$t" "$@"; }
address() { sed -n "s/[[:space:]].*//;${2:-1}p" "$state/.hosts/$1"; }
# start NAME OPTION... : it runs until stop NAME, and then the commands given by "last" run inside
last=true
start() {
	name=$1
	shift
	: >"$T/$name.out"
	mkfifo "$T/$name.up"
	guest -M "$name" -P "$@" sh -c "echo up; read -r x 2>/dev/null; $last" \
		<"$T/stay" >"$T/$name.up" 2>"$T/$name.err" &
	eval "pid_$name=$!"
	timeout 60 cat "$T/$name.up" >"$T/$name.out" &
	wait_for grep -q up "$T/$name.out" || note "$(cat "$T/$name.err")"
	rm "$T/$name.up"
	wait_for [ -s "$state/.hosts/$name" ]
}
# the supervisor: timeout(1) is its parent
supervisor() { sed -n 's/^SUPERVISOR=//p' "$state/$1"; }
stop() {
	for name; do
		kill "$(supervisor "$name")"
		eval 'wait "$pid_'"$name"'"' 2>/dev/null
	done
}
flags() { echo "$(netget ipv4/conf/uplink/forwarding) $(netget ipv6/conf/uplink/force_forwarding 2>/dev/null || netget ipv6/conf/all/forwarding)"; }
mkfifo "$T/stay"
sleep 1000 >"$T/stay" &
background_pids="$background_pids $!"
leftovers_before

a6=x
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
		background ip netns exec late radvd -n -m stderr -C "$T/radvd.conf" -p "$T/radvd.pid" 2>"$T/radvd.log"
		learned() { ip -6 route show default dev up2 | grep -q 'proto ra'; }
		ok 'a way out that comes later is learned' wait_for learned
		ip link del up2
		kill $!
		wait $! 2>/dev/null
		ip netns del late
	else
		skip 'a way out that comes later is learned' 'no radvd'
	fi
	stop a
	is 'so it stays for who is left' '1 2 2' "$(all6)"
	kill -9 "$(supervisor b)"
	wait "$pid_b" 2>/dev/null
	ls -la $state; cat $state/.shared.forward.all; cat /proc/locks >&2; guest -M c -n -v --network-address=none true; ls -la $state
	is 'after one that was killed the next start puts it back' '0 1 1' "$(all6)"
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

done_testing
