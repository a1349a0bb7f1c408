#!/bin/sh
# Names for guests: whom they ask, and the relay: with a real dnsmasq and real clients
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"

need dnsmasq dig socat nc
relay=$(program relay)

# The host's files are ours alone here. systemd-resolved's is in /run
mkdir -p "$T/etc" /run/systemd
: >"$T/etc/resolv.conf"
mount --bind "$T/etc/resolv.conf" /etc/resolv.conf || skip_all "cannot mount"
mount -t tmpfs resolved /run/systemd

# the host's resolv.conf has these lines
host_asks() {
	printf '%s\n' "$@" >/etc/resolv.conf
}

# a process in a space, in place of the shell: to be killed by its id
at() {
	if [ "$1" = host ]; then
		shift
		exec "$@"
	fi
	at_space=$1
	shift
	exec nsenter --net="/run/netns/$at_space" "$@"
}

# a real server of names; its log says who came to ask
serve() {	# SPACE NAME WORD...
	serve_space=$1 serve_name=$2
	shift 2
	rm -f "$T/$serve_name.log"
	at "$serve_space" dnsmasq -k -C /dev/null -R -h --port=53 -u root -x "$T/$serve_name.pid" \
		--log-queries=extra --log-facility="$T/$serve_name.log" --edns-packet-max=4096 \
		"$@" >"$T/$serve_name.out" 2>&1 &
	serve_pid=$!
	background_pids="$background_pids $serve_pid"
	wait_for grep -qs started "$T/$serve_name.log" || note "$(cat "$T/$serve_name.out")"
}

listens() {
	in_space "$1" ss -Hlun 'sport = :53' | grep -q .
}

stop() {
	kill "$1" && wait "$1" 2>/dev/null
}

# a relay of ours, once it listens
start_relay() {	# WORD...
	: >"$T/relay.out"
	"$relay" "$@" >"$T/relay.out" 2>"$T/relay.err" &
	relay_pid=$!
	background_pids="$background_pids $relay_pid"
	wait_for test -s "$T/relay.out"
}

ask() {
	in_space guest dig +short +tries=1 +time=10 "$@" 2>&1
}

fds() {
	find "/proc/$relay_pid/fd" -mindepth 1 | wc -l
}

space guest
cable ve-guest guest:host0
ip addr add 10.64.0.1/28 dev ve-guest
ip -n guest addr add 10.64.0.3/28 dev host0
ip route add local 10.64.0.2 dev ve-guest table local scope host
ip -n guest route add default via 10.64.0.1

# ---- whom it asks ----------------------------------------------------------------------

# said LINE... : what a guest's resolv.conf is, on a host with these lines
said() {
	host_asks "$@"
	start_relay ve-guest 10.64.0.2 10.64.0.3 28 10.64.0.1
	stop "$relay_pid"
	tr '\n' ';' <"$T/relay.out"
}
is "a server that is not the host itself is asked by the guest, too" 'nameserver 198.51.100.2;' "$(said 'nameserver 198.51.100.2')"
is "one on the loopback cannot be: the host's address is said" 'nameserver 10.64.0.2;' "$(said 'nameserver 127.0.0.1')"
is "those that can be are said alone" 'nameserver 198.51.100.2;nameserver 198.51.100.3;' \
	"$(said 'nameserver 127.0.0.1' 'nameserver 198.51.100.2' 'nameserver 198.51.100.3')"
is "and not more than three of all" 'nameserver 198.51.100.2;' \
	"$(said 'nameserver 127.0.0.1' 'nameserver 198.51.100.2' 'nameserver ::1' 'nameserver 198.51.100.3')"
is "no server is the host itself" 'nameserver 10.64.0.2;' "$(said '# nothing')"
is "0.0.0.0 is the host itself" 'nameserver 10.64.0.2;' "$(said 'nameserver 0.0.0.0')"
is "an IPv6 server is not said to who has no IPv6" 'nameserver 10.64.0.2;' "$(said 'nameserver 2001:db8::1')"
is "a link-local one is not said" 'nameserver 10.64.0.2;' "$(said 'nameserver fe80::1%ve-guest')"
is "the search list goes with it" 'search lan example.org;nameserver 10.64.0.2;' \
	"$(said 'domain old' 'search lan example.org ' 'nameserver 127.0.0.1')"
# shellcheck disable=SC2016 # nobody is to expand it
is "a strange search list does not" 'nameserver 10.64.0.2;' "$(said 'search $(reboot)' 'nameserver 127.0.0.1')"
is "comments and what is no address are not looked at" 'nameserver 198.51.100.2;' \
	"$(said '#nameserver 198.51.100.9' 'nameserver oops' 'nameserver 198.51.100.2 # here' 'nameservers 198.51.100.8')"
is "behind systemd-resolved's stub are its servers" 'nameserver 198.51.100.4;' "$(
	mkdir -p /run/systemd/resolve
	echo 'nameserver 198.51.100.4' >/run/systemd/resolve/resolv.conf
	said 'nameserver 127.0.0.53'
)"
rm -rf /run/systemd/resolve
is "or itself, where it has none" 'nameserver 10.64.0.2;' "$(said 'nameserver 127.0.0.53')"

# ---- the relay -------------------------------------------------------------------------

streams() {
	ss -Hltn 'sport = :53' | grep -c '10.64.0.2[%:]'
}

long=$(printf 'a%.0s' $(seq 200))
set -- --host-record=here.lan,192.0.2.7,2001:db8::7 --address=/any.lan/192.0.2.9 --local=/local/
for i in 1 2 3 4 5 6 7 8 9; do
	set -- "$@" "--txt-record=big.lan,$long$i" "--txt-record=huge.lan,$long$i,$long$i,$long$i"
done
host_asks 'nameserver 127.0.0.1'
serve host lo --listen-address=127.0.0.1 --bind-interfaces "$@"
lo=$serve_pid
start_relay ve-guest 10.64.0.2 10.64.0.3 28 10.64.0.1
is "a resolver on the loopback alone answers through the relay" 192.0.2.7 "$(ask @10.64.0.2 here.lan)"
is "AAAA, too" 2001:db8::7 "$(ask @10.64.0.2 here.lan AAAA)"
is "no TCP port is taken while nobody needs it" 0 "$(streams)"
is "a large answer comes by UDP to who takes it" 9 "$(ask +notcp +ignore +bufsize=4096 @10.64.0.2 big.lan TXT | grep -c aaa)"
is "to who does not, by TCP" 9 "$(ask +noedns @10.64.0.2 big.lan TXT | grep -c aaa)"
is "which is there now" 1 "$(streams)"
is "for any question" 192.0.2.7 "$(ask +tcp @10.64.0.2 here.lan)"
is "or two on one connection" "192.0.2.7 192.0.2.9" \
	"$(ask +tcp +keepopen @10.64.0.2 here.lan x.any.lan | tr '\n' ' ' | sed 's/ $//')"
is "one that is longer than any datagram" 9 "$(ask +bufsize=65000 @10.64.0.2 huge.lan TXT | grep -c aaa)"
is "what there is not, there is not" NXDOMAIN \
	"$(in_space guest dig +tries=1 @10.64.0.2 no.such.local. 2>&1 | sed -n 's/.*status: \([A-Z]*\).*/\1/p')"
if command -v busybox >/dev/null; then
	like "busybox's nslookup understands" '*192.0.2.7*' "$(in_space guest busybox nslookup here.lan 10.64.0.2 2>&1)"
fi
outside
ip -n outside route add 10.64.0.2/32 via 198.51.100.1
ok "the host's address can be reached from outside" pings outside 10.64.0.2
like "the relay there cannot" '*refused*' "$(in_space outside dig +short +tries=1 +time=1 @10.64.0.2 here.lan 2>&1)"
like "nor by TCP" '*refused*' "$(in_space outside dig +short +tcp +tries=1 +time=1 @10.64.0.2 here.lan 2>&1)"
ip -n guest addr add 10.99.0.2/24 dev host0
ip route add 10.99.0.0/24 dev ve-guest
like "nor the guest by an address that it was not given" '*timed out*' "$(ask +time=1 -b 10.99.0.2 @10.64.0.2 here.lan)"
is "an opcode that is none of ours is refused" NOTIMP \
	"$(in_space guest dig +tries=1 +time=10 +opcode=notify @10.64.0.2 here.lan 2>&1 | sed -n 's/.*status: \([A-Z]*\).*/\1/p')"

# ---- a hostile guest ----------------------------------------------------------------------

quiet=$(fds)
for size in 1 11 12 13 17 60 511 512 513 1400; do
	head -c $size /dev/urandom | in_space guest socat -u - UDP:10.64.0.2:53
	head -c $size /dev/zero | in_space guest socat -u - UDP:10.64.0.2:53
	{ printf '\1\2\1\0\0\1\0\0\0\0\0\0'; head -c $size /dev/urandom; } | in_space guest socat -u - UDP:10.64.0.2:53
done
# a name that points to itself, an answer that nobody asked for
printf '\1\2\1\0\0\1\0\0\0\0\0\0\300\14\0\1\0\1' | in_space guest socat -u - UDP:10.64.0.2:53
printf '\1\2\201\200\0\1\0\0\0\0\0\0\4here\3lan\0\0\1\0\1' | in_space guest socat -u - UDP:10.64.0.2:53
is "garbage does not hurt it" 192.0.2.7 "$(ask @10.64.0.2 here.lan)"
is "what is too long for a question is a mistake" '\001\002\201\201' "$({
	printf '\1\2\1\0\0\1\0\0\0\0\0\0\4here\3lan\0\0\1\0\1'
	head -c 600 /dev/zero
} | in_space guest socat -t 10 - UDP:10.64.0.2:53 | head -c 4 | od -An -b | tr -d '\n' | sed 's/ /\\/g')"

# connections that say nothing, more than there are places
mkfifo "$T/silence"
exec 9<>"$T/silence"
i=0
ask +noedns @10.64.0.2 big.lan TXT >/dev/null
while [ $i -lt 40 ]; do
	at guest nc 10.64.0.2 53 <&9 9<&- >/dev/null 2>&1 &
	silent="${silent:-} $!"
	i=$((i + 1))
done
background_pids="$background_pids $silent"
talk() { [ "$(fds)" -ge $((quiet + 16)) ]; }
ok "silent connections fill all places" wait_for talk
is "silent connections keep no other's place" 192.0.2.7 "$(ask +tcp @10.64.0.2 here.lan)"
most=$(fds)
ok "nor are there more fds than places: $most after $quiet" test "$most" -le $((quiet + 16))
is "and UDP knows nothing of it" 192.0.2.7 "$(ask @10.64.0.2 here.lan)"
for pid in $silent; do
	kill "$pid" 2>/dev/null
done
exec 9<&-
calm() { [ "$(fds)" -le "$quiet" ]; }
ok "all is as it was when they have gone" wait_for calm


# a flood of good questions: most of them go no further than a full queue
printf '\1\2\1\0\0\1\0\0\0\0\0\0\5flood\3lan\0\0\1\0\1' >"$T/flood"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	cat "$T/flood" "$T/flood" >"$T/flood2"
	mv "$T/flood2" "$T/flood"
done
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
	cat "$T/flood"
done | in_space guest socat -u -b 27 - UDP:10.64.0.2:53
wait_for grep -q 'query.*flood.lan' "$T/lo.log"
came=$(grep -c 'query.*flood.lan' "$T/lo.log")
ok "of 65536 questions at once a few are passed on: $came" test "$came" -gt 0 -a "$came" -lt 6500
answered() { [ "$(ask +time=1 @10.64.0.2 here.lan)" = 192.0.2.7 ]; }
ok "and who asks then is answered" wait_for answered
ok "all is as it was after the flood" wait_for calm

# questions that nobody answers, more than there are places: a server outside that is deaf
host_asks 'nameserver 198.51.100.2'
at outside socat -u UDP-RECV:53 OPEN:/dev/null &
deaf=$!
background_pids="$background_pids $deaf"
wait_for listens outside
wait_for sh -c '! dig +short +tries=1 +time=1 @10.64.0.2 one.lan >/dev/null'
ask_many() {
	i=0
	while [ $i -lt 200 ]; do
		# shellcheck disable=SC2059 # bytes are made of it
		printf "$(printf '\\%o\\2\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4here\\3lan\\0\\0\\1\\0\\1' $i)"
		i=$((i + 1))
	done | in_space guest socat -u -b 26 - UDP:10.64.0.2:53
}
ask_many
most=$(fds)
ok "many questions have no more than their places: $most after $quiet" test "$most" -le $((quiet + 16 + 64))
host_asks 'nameserver 127.0.0.1'
wait_for sh -c 'nsenter --net=/run/netns/guest dig +short +tries=1 +time=1 @10.64.0.2 here.lan | grep -q 192.0.2.7'
is "the relay follows the host's file" 192.0.2.7 "$(ask @10.64.0.2 here.lan)"
stop $deaf

# a server that answers as it is told: what was asked, under another id, to another question
cat >"$T/liar" <<'END'
mode=$(cat "$0.mode")
dd bs=512 count=1 2>/dev/null >"$0.asked"
{
	if [ "$mode" = id ]; then printf '\1\2'; else head -c 2 "$0.asked"; fi
	printf '\201\200\0\1\0\1\0\0\0\0'
	if [ "$mode" = question ]; then printf '\4hare\3lan\0\0\1\0\1'; else tail -c +13 "$0.asked" | head -c 14; fi
	printf '\300\14\0\1\0\1\0\0\0\5\0\4\306\063\144\11'
} >"$0.answer"
exec cat "$0.answer"
END
told() {
	echo "$1" >"$T/liar.mode"
	ask +noedns +time=1 @10.64.0.2 here.lan
}
host_asks 'nameserver 198.51.100.2'
at outside socat UDP-RECVFROM:53,fork EXEC:"sh $T/liar" &
liar=$!
background_pids="$background_pids $liar"
wait_for listens outside
follows() { told honestly | grep -q 198.51.100.9; }
ok "a server outside is asked where the loopback is no more" wait_for follows
like "an answer under another id is none" '*timed out*' "$(told id)"
unlike "nor is one to another question" '*mismatch*' "$(told question)"
stop "$liar"
host_asks 'nameserver 127.0.0.1'
ok "what has not been answered is forgotten" wait_for calm

# ---- servers that fail ------------------------------------------------------------------------

host_asks 'nameserver 127.0.0.9' 'nameserver 127.0.0.1'
wait_for sh -c 'nsenter --net=/run/netns/guest dig +short +tries=1 +time=1 @10.64.0.2 here.lan | grep -q 192.0.2.7'
is "the next server is asked when nobody listens at the first" 192.0.2.7 "$(ask @10.64.0.2 here.lan)"
is "by TCP, too" 9 "$(ask +noedns @10.64.0.2 big.lan TXT | grep -c aaa)"
stop "$lo"
stop "$relay_pid"
start_relay ve-guest 10.64.0.2 10.64.0.3 28 10.64.0.1
is "no port is taken while there is nobody to ask" 0 "$(ss -Hlun 'sport = :53' | wc -l)"
serve host late --host-record=here.lan,192.0.2.8
is "who comes up then is asked itself" 192.0.2.8 "$(ask @10.64.0.2 here.lan)"
stop "$serve_pid"
serve host lo --listen-address=127.0.0.1 --bind-interfaces "$@"
lo=$serve_pid
stop "$relay_pid"
start_relay ve-guest 10.64.0.2 10.64.0.3 28 10.64.0.1
is "or is relayed to" 192.0.2.7 "$(ask @10.64.0.2 here.lan)"
stop "$lo"
is "when none answers that is said" SERVFAIL \
	"$(in_space guest dig +tries=1 +time=10 @10.64.0.2 here.lan 2>&1 | sed -n 's/.*status: \([A-Z]*\).*/\1/p')"
is "and the port is free for who comes up" 0 "$(ss -Hlun 'sport = :53' | grep -c '10.64.0.[12][%:]')"
stop "$relay_pid"

# ---- the host's own resolver, where it can be reached ---------------------------------------------

host_asks 'nameserver 127.0.0.1'
serve host wild --host-record=here.lan,192.0.2.8
wild=$serve_pid
start_relay ve-guest 10.64.0.2 10.64.0.3 28 10.64.0.1
is "a resolver that listens everywhere is asked itself, at the host's own address" 'nameserver 10.64.0.1' "$(cat "$T/relay.out")"
is "it answers" 192.0.2.8 "$(ask @10.64.0.1 here.lan)"
is "and sees the guest itself" 1 "$(grep -c 'query.* here.lan from 10.64.0.3' "$T/wild.log")"
is "and has the port for itself" 0 "$(ss -Hlun 'sport = :53' | grep -c '10.64.0.[12][%:]')"
stop "$relay_pid"
stop "$wild"

# ---- started again while a machine runs, in every way ------------------------------------------------

again() {	# HAS SAID WORD... : a resolver on the loopback ends, and one with these words comes up in its place
	has=$1 said=$2
	shift 2
	serve host lo --listen-address=127.0.0.1 --bind-interfaces --host-record=here.lan,192.0.2.7 \
		"--txt-record=big.lan,$long,$long,$long"
	start_relay ve-guest 10.64.0.2 10.64.0.3 28 10.64.0.1
	[ "$(ask @10.64.0.2 here.lan)" = 192.0.2.7 ] || note "the relay does not answer"
	[ "$has" = udp ] || ask +noedns @10.64.0.2 big.lan TXT >/dev/null
	is "the relay has $has" "$has" "$(if [ "$(streams)" = 1 ]; then echo tcp; else echo udp; fi)"
	stop "$serve_pid"
	serve host new "$@" --host-record=here.lan,192.0.2.8
	ok "$said comes up while the relay listens" kill -0 "$serve_pid"
	is "and is asked" 192.0.2.8 "$(ask @10.64.0.2 here.lan)"
	stop "$serve_pid"
	serve host new "$@" --host-record=here.lan,192.0.2.9
	is "and when it is started again" 192.0.2.9 "$(ask @10.64.0.2 here.lan)"
	stop "$serve_pid"
	stop "$relay_pid"
}
again udp "a resolver that listens everywhere"
again tcp "one at the addresses of all links" --bind-interfaces
again tcp "one that follows them" --bind-dynamic
again tcp "one on the loopback" --bind-dynamic --interface=lo
again tcp "one of that link" --bind-dynamic --interface=ve-guest

# ---- two of a zone --------------------------------------------------------------------------------

serve host lo2 --listen-address=127.0.0.1 --bind-interfaces --host-record=here.lan,192.0.2.7
start_relay ve-guest 10.64.0.2 10.64.0.3 28 10.64.0.1
first=$relay_pid
start_relay ve-guest 10.64.0.2 10.64.0.4 28 10.64.0.1
both() { [ "$(ss -Hlun 'sport = :53' | grep -c '10.64.0.[12][%:]')" = 2 ]; }
ok "two relays share an address" wait_for both
for i in 1 2 3 4 5 6; do
	ask @10.64.0.2 here.lan
done >"$T/answers"
is "whichever is asked answers" 6 "$(grep -c 192.0.2.7 "$T/answers")"
kill -9 "$first"
wait "$first" 2>/dev/null
for i in 1 2 3 4 5 6; do
	ask @10.64.0.2 here.lan
done >"$T/answers"
is "the other goes on when one is killed" 6 "$(grep -c 192.0.2.7 "$T/answers")"

# machines of the same network know each other by name
mkdir -p "$NSPAWN_LITE_ROOT/run/nspawn-lite/.hosts"
printf '10.64.0.5\tweb\n2001:db8::5\tweb\n' >"$NSPAWN_LITE_ROOT/run/nspawn-lite/.hosts/web"
printf '10.65.0.5\tfar\n' >"$NSPAWN_LITE_ROOT/run/nspawn-lite/.hosts/far"
is "a machine is known by its name" 10.64.0.5 "$(ask @10.64.0.2 web)"
like "an address of another family it has not" '*NOERROR*ANSWER: 0,*' "$(in_space guest dig +tries=1 @10.64.0.2 web AAAA 2>&1 | tr '\n' ' ')"
like "one of another network is not known" '*REFUSED*' "$(in_space guest dig +tries=1 @10.64.0.2 far 2>&1 | tr '\n' ' ')"
stop "$relay_pid"

# ---- IPv6 ---------------------------------------------------------------------------------------

mac6=$(ip -6 -o addr show dev ve-guest scope link | awk '{ sub("/.*", "", $4); print $4 }')
start_relay ve-guest "$mac6" fd00:64::2 64
is "where there is no IPv4 it is a link-local address" "nameserver $mac6%host0" "$(cat "$T/relay.out")"
listens6() { ss -Hlun 'sport = :53' | grep -q fe80; }
wait_for listens6
is "which answers" 192.0.2.7 "$(ask "@$mac6%host0" here.lan)"
stop "$relay_pid"

# ---- machines -------------------------------------------------------------------------------------

ip link del ve-guest
root=$(tree busybox one)
machine() {	# WORD...
	timeout 60 "$NL" -q -D "$root" "$@" 2>&1
}
is "the first that a machine does is to ask" 192.0.2.7 \
	"$(machine -n nslookup here.lan | sed -n '/^Name/,$ s/^Address: *\([0-9.]*\)$/\1/p')"
is "of the second address of its link's network" '2 nameserver' "$(awk '$1 == "nameserver" { split($2, a, "."); print a[4] % 16, $1 }' "$root/etc/resolv.conf")"
inode=$(stat -c %i.%Y.%Z "$root/etc/resolv.conf")
machine -n true
is "a file that says so already is left alone" "$inode" "$(stat -c %i.%Y.%Z "$root/etc/resolv.conf")"
like "one of a tree that is read-only is covered" 'nameserver 10.*' "$(
	echo other >"$root/etc/resolv.conf"
	machine -n --read-only cat /etc/resolv.conf
)"
is "and stays as it is" other "$(cat "$root/etc/resolv.conf")"
is "servers that were said are asked" 'nameserver 192.0.2.53;nameserver 2001:db8::53;' \
	"$(machine -n --network-dns=192.0.2.53 --network-dns=2001:db8::53 cat /etc/resolv.conf | tr '\n' ';')"
echo other >"$root/etc/resolv.conf"
is "none leaves the file to the guest" other "$(machine -n --network-dns=none cat /etc/resolv.conf)"
is "off does, too" other "$(machine -n --resolv-conf=off cat /etc/resolv.conf)"
is "a mode that was said is about the host's own" 'nameserver 127.0.0.1' "$(machine -n --resolv-conf=copy-host cat /etc/resolv.conf)"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
machine -n true
is "a guest with a resolver of its own keeps it" ../run/systemd/resolve/stub-resolv.conf "$(readlink "$root/etc/resolv.conf")"
rm "$root/etc/resolv.conf"

# in networks that were said
said_network() { machine "$@" sh -c 'cat /etc/resolv.conf; nslookup -type=a here.lan' | sed -n 's/^nameserver //p; s/^Address: //p' | tr '\n' ' '; }
is "a machine that has number 2 asks the next" '10.9.0.3 192.0.2.7 ' "$(said_network -n --network-address=10.9.0.2/24)"
is "where there is no room it is the host's end" '10.9.0.1 192.0.2.7 ' "$(said_network -n --network-address=10.9.0.2/30)"
is "with IPv6 alone, too" 'fd00:9::1 192.0.2.7 ' "$(said_network -n --network-address=fd00:9::5/64)"
is "a zone keeps number 2 for it" '10.9.0.2 192.0.2.7 ' "$(said_network --network-zone=said --network-address=10.9.0.3/24)"
like "which nobody else can have" '*--network-address=10.9.0.2: there the host answers for names of zone said*' \
	"$(machine --network-zone=said --network-address=10.9.0.2/24 true)"
is "without clone3 all is the same" 192.0.2.7 \
	"$(NSPAWN_LITE_DENY=clone3,vfork said_network -n | sed 's/^[^ ]* \(.*\) $/\1/')"

# a machine that has all ports of the host, which is its own server of names; more than are relayed
stop "$serve_pid"
ports=$(tree busybox ports)
"$NL" -q -D "$ports" -n --port=udp:1-200 sleep 1000 >"$T/ports.out" 2>&1 &
supervisor=$!
background_pids="$background_pids $supervisor"
wait_for test -s "$NSPAWN_LITE_ROOT/run/nspawn-lite/.hosts/ports"
wait_for grep -qs '^LEADER=[1-9]' "$NSPAWN_LITE_ROOT/run/nspawn-lite/ports"
leader=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$NSPAWN_LITE_ROOT/run/nspawn-lite/ports")
server=$(awk '$1 == "nameserver" { print $2; exit }' "$ports/etc/resolv.conf")
serve host lo2 --listen-address=127.0.0.1 --bind-interfaces --host-record=here.lan,192.0.2.7
relayed() { [ "$(nsenter -n -t "$leader" dig +short +tries=1 +time=1 "@$server" here.lan 2>&1)" = 192.0.2.7 ]; }
ok "its questions are not led to itself" wait_for relayed
stop "$supervisor"

# two of a zone, with users of their own
first=$(tree busybox first)
"$NL" -q -D "$first" --private-users=pick --network-zone=names sleep 1000 >"$T/first.out" 2>&1 &
first=$!
background_pids="$background_pids $first"
wait_for test -s "$NSPAWN_LITE_ROOT/run/nspawn-lite/.hosts/first"
second=$(tree busybox second)
"$NL" -q -D "$second" --network-zone=names sleep 1000 >"$T/second.out" 2>&1 &
supervisor=$!
background_pids="$background_pids $supervisor"
wait_for test -s "$NSPAWN_LITE_ROOT/run/nspawn-lite/.hosts/second"
wait_for grep -qs '^LEADER=[1-9]' "$NSPAWN_LITE_ROOT/run/nspawn-lite/second"
leader=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$NSPAWN_LITE_ROOT/run/nspawn-lite/second")
server=$(awk '$1 == "nameserver" { print $2; exit }' "$second/etc/resolv.conf")
of_second() {
	nsenter -n -t "$leader" dig +short +tries=1 +time=10 "@$server" "$@" 2>&1
}
is "one machine of a zone finds the other" "$(awk '/\./ { print $1; exit }' "$NSPAWN_LITE_ROOT/run/nspawn-lite/.hosts/first")" \
	"$(of_second first)"
kill -9 "$first"
wait "$first" 2>/dev/null
for i in 1 2 3 4 5 6; do
	of_second here.lan
done >"$T/answers"
is "and is answered when the other's supervisor was killed" 6 "$(grep -c 192.0.2.7 "$T/answers")"
stop "$supervisor"
machine true  # sweeps what the one that was killed left

done_testing
