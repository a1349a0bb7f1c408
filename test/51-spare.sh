# shellcheck shell=sh disable=SC2016,SC2154,SC2317 # scripts for the guest, variables set by eval, functions called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
# Network namespaces that are kept ready (SPARE_NETWORKS of config.h): each is taken once, by a machine that it fits,
# and none outlives who keeps it. In a network of the test's own.
if [ "${SPARES_OF:-}" != "$0" ] && [ "$(id -u)" = 0 ] && command -v unshare >/dev/null 2>&1; then
	SPARES_OF=$0
	export SPARES_OF
	shell=$(readlink "/proc/$$/exe")
	case $shell in
	*busybox*)	exec unshare -n "$shell" sh "$0" "$@" ;;
	*)		exec unshare -n "$shell" "$0" "$@" ;;
	esac
fi
unset SPARES_OF
. "${0%/*}/lib.sh"
need_root
need unshare ip timeout nsenter

# iproute2's, where the shell has an applet of that name
for ip_program in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do
	[ ! -x "$ip_program" ] || break
done
ip() { "$ip_program" "$@"; }
ip link set lo up
for bridge in br0 br1; do
	ip link add "$bridge" type bridge 2>/dev/null || skip_all 'no bridge in this kernel'
	ip link set "$bridge" up
done
ip link add v0 type veth peer name v1 2>/dev/null || skip_all 'no veth in this kernel'

if ! command -v "${MAKE:-make}" >/dev/null || [ ! -e "${TESTDIR%/*}/Makefile" ]; then
	skip_all 'no make'
fi
sed 's/^#define SPARE_NETWORKS 0$/#define SPARE_NETWORKS 3/' "${TESTDIR%/*}/config.h" >"$T/config.h"
(
	unset MAKEFLAGS MFLAGS MAKELEVEL
	"${MAKE:-make}" -s -j2 -C "${TESTDIR%/*}" O="$T/o" CONFIG="$T/config.h" CFLAGS=-O0 all
) >"$T/out" 2>&1
is 'it can be built to keep three' "0 " "$? $(cat "$T/out")"
plain=$NL
NL=$T/o/nspawn-lite
export NL

t=$(tree busybox guest) || skip_all 'no guest'
chmod 777 "$t"  # who has users of its own says there that it is up
state=$T/root/run/nspawn-lite
shelf=$state/.spare
mkdir -p "$T/root/etc"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"

# begin NAME OPTION... : it lives until end NAME
begin() {
	name=$1
	shift
	rm -f "$t/up.$name" "$t/down.$name"
	"$NL" -q -D "$t" --read-only --lock=no --bind="$t:/outer" -M "$name" "$@" \
		/bin/sh -c ": >/outer/up.$name; until [ -e /outer/down.$name ]; do sleep 0.1; done" >"$T/said.$name" 2>&1 &
	eval "pid_$name=$!"
}
# up NAME... : they have begun, and are registered: all is called as it should be
up() {
	for name; do
		wait_for test -e "$t/up.$name" && wait_for grep -qs '^LEADER=[1-9]' "$state/$name" || return
	done
}
end() {
	for name; do
		: >"$t/down.$name"
	done
	for name; do
		eval "wait \"\$pid_$name\"" || return
	done
}
names() { ls "$shelf" 2>/dev/null; }
kept() { [ "$(names | grep -c "^$2")" = "$1" ]; }
no_shelf() { ! [ -e "$shelf" ]; }
spare_links() { ip -o link | grep -c 'vb+spare'; }
has_spare_links() { [ "$(spare_links)" = "$1" ]; }
network() { readlink "/proc/$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/$1")/ns/net" | sed 's/[^0-9]//g'; }
# from NAME LIST: its network stood in the list
from() { echo "$2" | cut -d. -f5 | grep -qx "$(network "$1")"; }
mac() { ip -o link show dev "$1" | sed 's/.*link\/ether \([0-9a-f:]*\) .*/\1/'; }
inside() { nsenter -t "$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/$1")" -n "$ip_program" -o link show dev host0 | sed 's/.*link\/ether \([0-9a-f:]*\) .*/\1/'; }
index() { ip -o link show dev "$1" | sed 's/:.*//'; }
leftovers_before
b0=$(index br0) b1=$(index br1)

# ---- one --------------------------------------------------------------------------------------------

begin keeper --network-bridge=br0
up keeper
ok 'a machine on a bridge that runs for a while keeps three ready' wait_for kept 3 "$b0\\."
is 'each with a port of it' 3 "$(ip -o link show master br0 | grep -c vb+spare)"
is 'which is down, and whose address is no lower than any' 3 "$(ip -o link show master br0 | grep 'vb+spare' | grep -v '<[^>]*UP' | grep -c fe:ff:ff:)"
before=$(names)
begin guest --network-bridge=br0
up guest
ok 'the next one takes one' from guest "$before"
is 'its link on the host is called as ever' "$b0" "$(ip -o link show dev vb-guest | grep -q 'UP.* master br0 ' && echo "$b0")"
is 'with the address that it would have' a2:0e:78:9f:de:73 "$(mac vb-guest)"
is 'so has host0' 82:8f:f0:36:41:ea "$(inside guest)"
ok 'another is made in its place' wait_for kept 3 "$b0\\."
is 'and has nothing else' 3 "$(spare_links)"
like 'its loopback is up' '*<*,UP*' "$(nsenter -t "$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/guest")" -n "$ip_program" -o link show dev lo)"
end guest
gone() { ! ip link show dev "$1" >/dev/null 2>&1; }
ok 'its link goes with it' wait_for gone vb-guest

before=$(names)
begin test_container --network-bridge=br0 --network-veth-name=lan0 --network-mac=02:00:00:00:00:07
up test_container
ok 'other names do no harm' from test_container "$before"
whole=$(ip -o link show dev vb-test_container 2>&1)
case $whole in
*altname*)	like 'too long a name is an alternative one' '*: vb-test_con????@*altname vb-test_container*' "$whole" ;;
*)	skip 'too long a name is an alternative one' 'Linux before 5.5' ;;
esac
is 'nor other addresses' 'lan0 02:00:00:00:00:07' "$(nsenter -t "$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/test_container")" -n "$ip_program" -o link show dev lan0 |
	sed 's/^[0-9]*: \([^@]*\)@.*link\/ether \([0-9a-f:]*\) .*/\1 \2/')"
end test_container

# ---- whom they do not fit ------------------------------------------------------------------------------

wait_for kept 3 "$b0\\."
before=$(names)
begin other --network-bridge=br1
begin alone --private-network
begin users --network-bridge=br0 -U
begin shared
ok 'machines of each kind are up' up other alone users shared
ok 'a machine on another bridge takes none' eval '! from other "$before"'
like 'its link is on its own' '*master br1 *' "$(ip -o link show dev vb-other)"
ok 'nor does one on none' eval '! from alone "$before"'
ok 'nor one with users of its own' eval '! from users "$before"'
ok 'they keep some of their kind, too' wait_for kept 3 "$b1\\."
ok 'and of none' wait_for kept 3 '0\.'
before=$(names)
begin second --private-network
begin third -n
up second third
ok 'which fit who has no link on a bridge' from second "$before"
ok 'or none that was made before' from third "$before"
is 'such a link is as ever' a2:0e:78:9f:de:73 "$(end third; begin guest -n; up guest; mac ve-guest; end guest)"
end second
end other alone users shared
end third 2>/dev/null
ok 'who ends takes those away that it kept' wait_for kept 0 "$b1\\."

# ---- many at once, and some that are killed ------------------------------------------------------------

wait_for kept 3 "$b0\\."
before=$(names)
many='m0 m1 m2 m3 m4 m5 m6 m7 m8 m9'
for one in $many; do begin "$one" --network-bridge=br0; done
# shellcheck disable=SC2086 # words
up $many
is 'ten at once have ten networks' 10 "$(for one in $many; do network "$one"; done | sort -u | wc -l | tr -d ' ')"
is 'and links of their names' 10 "$(for one in $many; do ip -o link show dev "vb-$one"; done | grep -c ' master br0 ')"
is 'and addresses of their own' 10 "$(for one in $many; do inside "$one"; done | sort -u | wc -l | tr -d ' ')"
ok 'all that were there are taken' eval '! names | grep -qxF "$before"'
# shellcheck disable=SC2086
end $many
is 'they end' 0 $?
ok 'and there are three again' wait_for kept 3 "$b0\\."
ok 'no more' has_spare_links 3

begin taker --network-bridge=br0
eval "kill -9 \$pid_taker"
wait "$pid_taker" 2>/dev/null
ok 'one that is killed at once loses none' wait_for kept 3 "$b0\\."
ok 'and leaves no link' wait_for has_spare_links 3

# what who is killed between taking and using leaves
first=$(names | sed -n 1p)
timeout 5 sh -c 'exec 3>"$1"; rm "$1"' - "$shelf/$first"
ok 'one that is taken by who goes away is made anew' wait_for kept 3 "$b0\\."
unlike 'by another name' "*$first*" "$(names)"
first=$(names | sed -n 1p)
timeout 5 sh -c 'exec 3>"$1"' - "$shelf/$first"
like 'one that was only looked at stays' "*$first*" "$(names)"
begin guest --network-bridge=br0
up guest
end guest
is 'and can be had' 0 $?

ip link delete "$(ip -o link | sed -n 's/^[0-9]*: \(vb+spare[0-9]*\)@.*/\1/p' | sed -n 1p)"
for one in 1 2 3; do
	begin guest --network-bridge=br0
	up guest
	is "whose link was deleted makes another ($one)" 'a2:0e:78:9f:de:73 82:8f:f0:36:41:ea' "$(mac vb-guest) $(inside guest)"
	end guest
done
ip link add vb-guest type dummy 2>/dev/null || ip link add vb-guest type bridge
run timeout 60 "$NL" -q -D "$t" -M guest --read-only --lock=no --network-bridge=br0 /bin/true
like 'a name that the host has is refused as ever' '*make link vb-guest: the host has one of that name*' "$err"
ip link delete vb-guest

wait_for kept 3 "$b0\\."
ip link delete br0
ip link add br0 type bridge
ip link set br0 up
before=$(names)
begin guest --network-bridge=br0
up guest
ok 'a new bridge of the old name is another' eval '! from guest "$before"'
like 'and gets its port' '*master br0 *' "$(ip -o link show dev vb-guest)"
wait_for kept 3 "$(index br0)\\."

eval "kill -9 \$pid_keeper \$pid_guest"
wait "$pid_keeper" "$pid_guest" 2>/dev/null
ok 'who is killed keeps none' wait_for has_spare_links 0
before=$(names)
begin next --network-bridge=br0
up next
like 'the next one has a link all the same' '*master br0 *' "$(ip -o link show dev vb-next)"
swept() { ! names | grep -qF "$before"; }
ok 'and sweeps what is left of them' wait_for swept
"$NL" -q -D "$t" -M keeper --read-only --lock=no /bin/true
"$NL" -q -D "$t" -M guest --read-only --lock=no /bin/true
"$NL" -q -D "$t" -M taker --read-only --lock=no /bin/true
end next
ok 'with the last one all is gone' wait_for no_shelf
ok 'and no link is left' wait_for has_spare_links 0

# ---- without ------------------------------------------------------------------------------------------

if command -v strings >/dev/null; then
	is 'a build that keeps none knows nothing of it' 0 "$(strings "$plain" | grep -c 'vb+spare')"
fi
leftovers_after 'nothing stays'
done_testing
