#!/bin/sh
# Links of the host that move into a machine, and that they come back as they
# were, whatever the guest does to them and whatever ends it or us. All of it in
# a network of its own, so that nothing of the host's is touched.
# shellcheck disable=SC2016,SC2154,SC2317 # for the shell inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
if [ -z "${MOVE_APART:-}" ] && [ "$(id -u)" = 0 ] && command -v unshare >/dev/null && unshare -n true 2>/dev/null; then
	MOVE_APART=y exec unshare -n "${TESTSH:-sh}" "$0"
fi
. "${0%/*}/lib.sh"
need_root
[ -n "${MOVE_APART:-}" ] || skip_all 'no network namespaces'
need ip
# shellcheck source-path=SCRIPTDIR source=step.sh
. "${0%/*}/step.sh"
ip link add v0 type veth peer name v1 2>/dev/null || skip_all 'no veth'
ip link set lo up
ip link set v1 up
t=$(tree busybox)
cp "$step" "$t/bin/step"
pin=$T/root/run/nspawn-lite/.net.move

guest() { timeout 60 "$NL" -q -M move -D "$t" "$@" </dev/null; }
# home NAME : what it is like there, or nothing. NO-CARRIER and the like come by and by
home() { ip -o link show "$1" 2>/dev/null | sed -n 's/^[0-9]*: \([^:@]*\)[^<]*<\([^>]*\)> mtu \([0-9]*\).* link.ether \([0-9a-f:]*\).*/\1 \3 \4 \2/p' |
	sed 's/NO-CARRIER,\|,M-DOWN\|,LOWER_UP//g'; ip -o link show "$1" 2>/dev/null | sed -n 's/.* master \([^ ]*\).*/\1/p'; }
# stops SENTENCE TEXT OPTION... : status 1 and one line that has this text
stops() {
	what=$1
	want=$2
	shift 2
	run guest "$@" true
	like "$what" "1 *$want*" "$rc $err"
}

# ---- there and back -------------------------------------------------------------------------

before=$(home v0)
leftovers_before
is 'a link is there under its name, and not on the host' 'v0 ' \
	"$(guest --network-interface=v0 ls /sys/class/net | grep v0 | tr '\n' ' ')"
is 'and back as it was' "$before" "$(home v0)"
is 'under another name' 'in0 lo' "$(guest --network-interface=v0:in0 ls /sys/class/net | tr '\n' ' ' | sed 's/ $//')"
is 'and back under the old one' "$before" "$(home v0)"
is 'with users of its own, which rule it' 'up' \
	"$(guest -U --network-interface=v0:in0 sh -c 'ip link set in0 mtu 1400 up && ip link show in0 | grep -q 1400 && echo up')"
is 'and back with its MTU' "$before" "$(home v0)"
is 'the peer on the host talks to it' '0' \
	"$(ip addr add 192.0.2.1/24 dev v1 2>/dev/null
	guest --network-interface=v0:e sh -c 'ip addr add 192.0.2.2/24 dev e; ip link set e up; ping -c 1 -w 10 192.0.2.1 >/dev/null; echo $?')"
is 'it can be handed over together with a link of the machine'"'"'s own' 'host0 in0 lo' \
	"$(guest -n --network-interface=v0:in0 ls /sys/class/net | tr '\n' ' ' | sed 's/ $//')"
is 'and back' "$before" "$(home v0)"
leftovers_after 'nothing stays'

for kind in bridge dummy macvlan vlan wireguard tun; do
	case $kind in
	bridge)	ip link add b0 type bridge 2>/dev/null && ip link set v0 master b0 up ;;
	dummy|wireguard) ip link add x0 type $kind 2>/dev/null ;;
	macvlan) ip link add link v1 name x0 type macvlan mode bridge 2>/dev/null ;;
	vlan)	ip link add link v1 name x0 type vlan id 5 2>/dev/null ;;
	tun)	ip tuntap add x0 mode tap 2>/dev/null ;;
	esac || { skip "$kind: there and back" 'the kernel has none'; continue; }
	x=x0
	[ $kind != bridge ] || x=v0
	[ $kind = bridge ] || ip link set x0 up mtu 1300
	before=$(home $x)
	like "$kind: it is seen inside" '*y0*' "$(guest --network-interface=$x:y0 ls /sys/class/net | tr '\n' ' ')"
	is "$kind: there and back, and up" "$before" "$(home $x)"
	if [ $kind = bridge ]; then
		like 'a port of a bridge is one again' '*b0' "$before"
		stops 'a bridge stays' '--network-interface=b0: the kernel keeps links of this kind where they are' --network-interface=b0
		is 'and is as it was' 1 "$(ip -o link show b0 | grep -c 'b0: ')"
		ip link del b0
		ip link set v0 down
	else
		ip link del x0
	fi
done

# ---- words ----------------------------------------------------------------------------------

before=$(home v0)
stops 'one that is not there' '--network-interface=nope: there is no link nope here' --network-interface=nope
stops 'the loopback' 'every network has its own lo, which stays' --network-interface=lo
stops 'as loopback' 'every network has its own lo, which stays' --network-interface=v0:lo
stops 'twice' '--network-interface=v0:b: it is handed over already' --network-interface=v0:in0 --network-interface=v0:b
stops 'two of one name inside' 'another link of the machine is called v1 inside; name this one, as HOST:NAME' --network-interface=v0:v1 --network-interface=v1
stops 'as the machine'"'"'s own link' 'another link of the machine is called host0 inside' -n --network-interface=v0:host0
for bad in : v0: :x v0:a:b v0:a/b 'v0:a b' v0:0123456789abcdef v0:.. v0:a%d; do
	stops "bad: $bad" "--network-interface=$bad: no link can be called" --network-interface="$bad"
done
is 'nothing has moved by that' "$before" "$(home v0)"
stops 'a birth that fails later' 'nowhere' --network-interface=v0 --user=nowhere
is 'brings it back, too' "$before" "$(home v0)"
leftovers_after 'nothing stays of what failed'

# ---- a hostile guest --------------------------------------------------------------------------

ip link set v0 up
before=$(home v0)
guest --network-interface=v0:in0 sh -c 'ip link set in0 name b; ip link set b address 02:00:00:00:00:77; ip link set b mtu 900'
is 'renamed inside, with another MAC and MTU' "$before" "$(home v0)"
guest --network-interface=v0:in0 sh -c 'ip link set in0 name b; ip link add in0 type veth peer name v0'
is 'another one by its name inside is not taken for it' "$before" "$(home v0)"
guest --network-interface=v0:in0 sh -c 'ip link add br type bridge; ip link set in0 master br; ip link set br up'
is 'as a port of a bridge of the guest'"'"'s' "$before" "$(home v0)"
guest --network-interface=v0:in0 ip link add link in0 name top type macvlan
is 'with something on top of it' "$before" "$(home v0)"
run guest --network-interface=v0:in0 sh -c 'ip link set in0 name in2; ip link add v9 type veth peer name v8; exit 3'
is 'the exit status is the machine'"'"'s' 3 "$rc"
run guest --network-interface=v0 sh -c 'unshare -n sh -c "echo > /tmp/in; sleep 60" & while ! [ -e /tmp/in ]; do :; done; ip link set v0 netns $!; exit 0'
like 'one that went down with a network inside is told of' '*v0 does not come back: it was removed inside*' "$err"
ip link show v1 >/dev/null 2>&1 && ip link del v1
ip link add v0 type veth peer name v1
ip link set v1 up
run guest --network-interface=v0 ip link del v0
is 'one that was deleted is told of' '0 nspawn-lite: v0 does not come back: it was removed inside' "$rc $err"
ip link add v0 type veth peer name v1
ip link set v1 up
before=$(home v0)
mkfifo "$T/in"
exec 7<>"$T/in"
is 'its name was taken meanwhile: it comes under another' 'nspawn-lite: there is another v0 by now: the one that was in the machine is called v0-1' \
	"$({ wait_for test -e "$t/up"; ip link add v0 type bridge; echo >&7; } &
	timeout 60 "$NL" -q -M move -D "$t" --network-interface=v0 sh -c 'touch /up; read x' <&7 2>&1; wait; rm "$t/up")"
exec 7>&-
ip link del v0
ip link set v0-1 name v0
is 'and is the same else' "$before" "$(home v0)"
leftovers_before

# ---- whatever ends us ---------------------------------------------------------------------------

# held OPTION... : a machine that is up and stays
held() {
	rm -f "$T/up"
	mkfifo "$T/up"
	"$NL" -q -M move -D "$t" "$@" >"$T/up" 2>"$T/err" </dev/null &
	pid=$!
	timeout 60 head -n 1 <"$T/up" >/dev/null
}
dies() {
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
}
next() { timeout 60 "$NL" -q -M "${1:-move}" -D "$t" true </dev/null 2>&1; }
ip link set v0 up
before=$(home v0)
for users in no pick; do
	held --private-users=$users --network-interface=v0:in0 sh -c 'ip link set in0 name b; echo up; exec sleep 1000'
	is "users $users: it is away while the machine runs" '' "$(home v0)"
	ok "users $users: the machine's network is kept" grep -q "$pin" /proc/self/mountinfo
	dies
	is "users $users: the supervisor is killed: the next start of that name" '' "$(next)"
	is "users $users: has brought it back" "$before" "$(home v0)"
	held --private-users=$users --network-interface=v0:in0 sh -c 'ip link set in0 name b; echo up; exec sleep 1000'
	dies
	is "users $users: killed again: a start of another name" '' "$(next other)"
	is "users $users: brings it back in passing" "$before" "$(home v0)"
done
held -x --network-interface=v0:in0 /bin/step deaf
dies
is 'a guest that would live on is ended' '' "$(next other)"
is 'and gives it back' "$before" "$(home v0)"
held --network-interface=v0:in0 sh -c 'ip link del in0; echo up; exec sleep 1000'
dies
is 'the supervisor is killed, and it was removed inside: told once' 'nspawn-lite: v0 does not come back: it was removed inside' "$(next)"
is 'and no more' '' "$(next)"
ip link add v0 type veth peer name v1
ip link set v0 up
before=$(home v0)
held --network-interface=v0:in0 sh -c 'echo up; exec sleep 1000'
dies
is 'a start in another network' '' "$(unshare -n timeout 60 "$NL" -q -M other -D "$t" true 2>&1 </dev/null)"
is 'brings it back to where it was' "$before" "$(home v0)"
held --network-interface=v0:in0 sh -c 'echo up; exec sleep 1000'
kill -TERM "$pid"
wait "$pid"
is 'the supervisor is told to end' "$before" "$(home v0)"
leftovers_after 'nothing stays of those'

cat >"$t/sbin/init.new" <<-'END'
	#!/bin/sh
	ip link set in0 name b
	[ -e /again ] || { touch /again; reboot -f; }
	ls /sys/class/net >/seen
	poweroff -f
END
chmod 755 "$t/sbin/init.new"
mv "$t/sbin/init.new" "$t/sbin/init"
guest -b --network-interface=v0:in0 >/dev/null 2>&1
is 'a machine that reboots has it again' 'b lo ' "$(tr '\n' ' ' <"$t/seen")"
is 'and gives it back in the end' "$before" "$(home v0)"
rm -f "$t/again" "$t/seen"

if command -v strace >/dev/null; then
	run strace -f -qq -o /dev/null -P "$pin" -e trace=mount -e inject=mount:error=EPERM \
		"$NL" -q -M move -D "$t" --network-interface=v0:in0 ls /sys/class/net
	like 'where nothing can be mounted, that is told, and it goes on' "0 *in0*lo nspawn-lite: links of the host are lost if we are killed: cannot mount on $pin: Operation not permitted" "$rc $out $err"
	is 'and it comes back' "$before" "$(home v0)"
	held --network-interface=v0:in0 sh -c 'echo up; exec sleep 1000'
	dies
	like 'who cannot look into the network that is kept does not throw it away' '*look into the network of machine move: *what is left of a machine move that was killed does not go away*' \
		"$(strace -f -qq -o /dev/null -P "$pin" -e trace=openat -e inject=openat:error=ENOMEM "$NL" -q -M move -D "$t" true 2>&1)"
	is 'the next one can' "$before" "$(next; home v0)"
else
	skip 'where nothing can be mounted, that is told, and it goes on' 'no strace'
fi

check() {
	said=$(next)
	now=$(home v0)
	if [ "$now" != "$before" ] || [ -n "$said" ] || [ -e "$pin" ]; then
		echo "$now $said"
	fi
}
# killed SENTENCE FIRST HOW STRIDE [OPTION...]
killed() {
	what=$1
	first=$2
	how=$3
	stride=$4
	shift 4
	wrong=$(each "$how" "$stride" "$NL" -q -M move -D "$t" "$@" --network-interface=v0:in0 true)
	is "$what ($(cat "$T/cases") calls)" '' "$wrong"
}
if stepping; then
	leftovers_before
	killed 'killed at any call, the next start brings it back' 4 kill 9
	killed 'the same with users of its own' 7 kill 23 -U
	killed 'a machine that is killed gives it back' 11 child 23
	leftovers_after 'nothing stays of that'
else
	skip 'killed at any call, the next start brings it back' 'stepping is for x86_64 and Linux 5.3'
fi
done_testing
