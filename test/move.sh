#!/bin/sh
# shellcheck disable=SC2012,SC2016 # what is expanded is expanded inside
# Links that move, of the kinds that need a kernel of their own: virtual ones
# that it destroys with their network, a radio, and what is hardware to the
# kernel. Prints TAP. Run by 42-move-lab.sh in an emulated machine, which
# may be wrecked by it; needs a kernel with what is named there, and busybox.
nl=${1:-nspawn-lite}
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"
TRIES=600

dir=$(mktemp -d)
export NSPAWN_LITE_ROOT="$dir/state"
mkdir -p "$dir/tree/bin" "$dir/tree/etc" "$dir/state"
cp /bin/busybox "$dir/tree/bin/busybox"
for a in sh cat echo ip ls rm sleep touch true unshare; do
	ln -s busybox "$dir/tree/bin/$a"
done
echo ID=test >"$dir/tree/etc/os-release"
run() { "$nl" -q -M move -D "$dir/tree" "$@" </dev/null; }
# links : all that are there; home NAME : one, as it is
links() { ls /sys/class/net | tr '\n' ' '; }
home() { ip link show "$1" 2>/dev/null | sed 's/^[0-9]*: //; s/qdisc.*//; s/NO-CARRIER,//; s/,LOWER_UP//' | tr -d '\n'; }
# killed OPTION... : a machine whose supervisor is killed once its guest has said so
killed() {
	rm -f "$dir/tree/up"
	"$nl" -q -M move -D "$dir/tree" "$@" </dev/null &
	pid=$!
	wait_for test -e "$dir/tree/up"
	kill -9 $pid
	wait $pid 2>/dev/null
}

ip link add d0 type dummy
ip link add link d0 name d0.5 type vlan id 5
ip link add w0 type wireguard
for x in d0 d0.5 w0 wlan0 hwsim0; do
	ip link set $x up
done
all=$(links)

for x in d0 d0.5 w0 hwsim0 wlan0; do
	before=$(home $x)
	is "$x is on the host" "$x" "$(echo "$before" | sed 's/[:@].*//')"
	is "$x: inside it has another name" 'in0 lo ' "$(run --network-interface=$x:in0 ls /sys/class/net | tr '\n' ' ')"
	is "$x: it comes back" "$before" "$(home $x)"
	is "$x: with users of its own the guest rules it" 0 "$(run -U --network-interface=$x:in0 sh -c 'ip link set in0 name in1; echo $?' 2>/dev/null)"
	is "$x: and it comes back from there" "$before" "$(home $x)"
	killed --network-interface=$x:in0 sh -c 'ip link set in0 name in1; touch /up; sleep 1000'
	is "$x: the supervisor is killed: the next start" '' "$(run true 2>&1)"
	is "$x: brings it back" "$before" "$(home $x)"
done
is 'all of a radio goes, and back' "$all" "$(run --network-interface=wlan0 true; links)"
before=$(home wlan0)
is 'two radios at once' 'lo wlan0 wlan1 ' "$(run --network-interface=wlan0 --network-interface=wlan1 ls /sys/class/net | tr '\n' ' ')"
is 'two radios that change names' 'lo wlan0 wlan1 ' "$(run --network-interface=wlan0:wlan1 --network-interface=wlan1:wlan0 ls /sys/class/net | tr '\n' ' ')"
is 'both are back' "$all $before" "$(links) $(home wlan0)"
before=$(home hwsim0)
# begun OPTION... : a machine that is up, and ends when it may; so is its supervisor, $pid
begun() {
	rm -f "$dir/tree/up" "$dir/tree/go"
	"$nl" -q -M move -D "$dir/tree" "$@" </dev/null 2>"$dir/err" &
	pid=$!
	wait_for test -e "$dir/tree/up"
}
# inner : who is in the network that was made inside
inner() { for p in /proc/[0-9]*; do [ "$({ tr '\0' ' ' <"$p/cmdline"; } 2>/dev/null)" != 'sleep 61 ' ] || echo "$p"; done; }
hide='rm -f /in; unshare -n sh -c "touch /in; exec sleep 61" & until [ -e /in ]; do :; done
	ip link set in0 name in1; ip link set in1 address 02:00:00:00:00:77; ip link set in1 netns $!; touch /up; until [ -e /go ]; do sleep 0.1; done'
lost='nspawn-lite: hwsim0 is not back: it is in a network that was made inside, and comes when that ends; or its driver is gone'
# busybox before 1.31 cannot move a link
if ip link set d0 netns $$ 2>/dev/null; then
	run --network-interface=hwsim0:in0 sh -c 'unshare -n sh -c "touch /in; sleep 60" & while ! [ -e /in ]; do :; done
	ip link set in0 name in1; ip link set in1 netns $!'
	wait_for test -e /sys/class/net/in1 -o -e /sys/class/net/hwsim0 || ls /sys/class/net
	is 'what the kernel gives back itself gets its name again' "$before" "$(run true; home hwsim0)"
	for how in ends 'is killed'; do
		begun --network-interface=hwsim0:in0 sh -c "$hide"
		exec 5<"$(inner)/ns/net"
		[ "$how" = ends ] || kill -9 $pid
		touch "$dir/tree/go"
		wait $pid 2>/dev/null
		[ "$how" = ends ] || run -M other true 2>"$dir/err"
		is "a network of the guest's lives on when the machine $how: that is told" "$lost" "$(cat "$dir/err")"
		exec 5<&-
		wait_for test -e /sys/class/net/in1
		is "and the next start has the link's name for it, however late it comes" "$before" "$(run true; home hwsim0)"
	done
fi
begun --network-interface=hwsim0:in0 sh -c 'touch /up; until [ -e /go ]; do sleep 0.1; done'
rmmod mac80211_hwsim
touch "$dir/tree/go"
wait $pid
is 'the driver of one goes: that it may be so is told' "$lost" "$(cat "$dir/err")"
is 'the next start gives it up' 'nspawn-lite: hwsim0 does not come back: it was unplugged' "$(run true 2>&1)"
is 'and that once' '' "$(run true 2>&1)"
is 'nothing stays' '' "$(find "$dir/state/run" -type f)$(grep "$dir/state" /proc/self/mounts)"
done_testing
