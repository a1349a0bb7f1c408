# shellcheck shell=sh
# A network for a test of its own, to be sourced right after lib.sh:
#	. "${0%/*}/lib.sh"
#	. "${0%/*}/net.sh"
# The test begins again in a network namespace and a mount namespace of its own, so that links, routes, rules and
# sysctls of the host stay as they are, and tests beside each other do not meet. All of it goes with its last process.
# What is called "host" below is that namespace.
#
# space NAME...		a further network, joined to nothing yet
# in_space NAME COMMAND...	a command in it
# cable LINK SPACE:LINK	a veth between the host and a space, or SPACE:LINK SPACE:LINK; both ends up
# outside		a space "outside" behind the link "uplink", and routes: the host is 198.51.100.1 and 2001:db8:1::1
#			there and its default routes lead to .2 and ::2. Nothing leads back but to the host itself
# netset KEY VALUE [SPACE]	a sysctl: ipv4/ip_forward; netget KEY [SPACE]
# background COMMAND...	one that is ended with the test; $! is its pid
# guest OPTION...	nspawn-lite on the tree $t, whose changes are forgotten
# start NAME OPTION...	a machine that runs until stop NAME... or kill -9 of its supervisor NAME, and does then what
#			$last says; its words are in $T/NAME.out and .err
# address NAME [2]	its first address, or the one of IPv6
# pings [-6] SPACE ADDR	one packet goes there and comes back; SPACE is "host" or one of ours

need_root
need unshare nsenter ip busybox

if [ "${NET_OF:-}" != "$0" ]; then
	rm -rf "$T"
	trap - EXIT
	NET_OF=$0
	export NET_OF
	unset NSPAWN_LITE_ROOT
	shell=$(readlink "/proc/$$/exe")
	case $shell in
	*busybox*)	exec unshare -n -m "$shell" sh "$0" "$@" ;;
	*)		exec unshare -n -m "$shell" "$0" "$@" ;;
	esac
fi
# what a test starts may be a test itself
unset NET_OF

# iproute2's, where the shell has an applet of that name
for ip_program in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do
	[ ! -x "$ip_program" ] || break
done
ip() { "$ip_program" "$@"; }

background_pids=''
end_background() {
	net_status=$?
	for net_pid in $background_pids; do
		kill "$net_pid" 2>/dev/null
	done
	(exit "$net_status")
	clean_up
}
trap end_background EXIT

background() {
	"$@" &
	background_pids="$background_pids $!"
}

if ! [ -w /proc/sys/net/ipv4/ip_forward ]; then
	mount -t proc proc /proc 2>/dev/null || mount -o remount,bind,rw /proc/sys 2>/dev/null ||
		skip_all "/proc/sys/net cannot be written to"
fi
[ -d /run/netns ] || mkdir -p /run/netns
mount -t tmpfs netns /run/netns || skip_all "cannot mount"

in_space() {
	if [ "$1" = host ]; then
		shift
		"$@"
	else
		ip netns exec "$@"
	fi
}

netset() {
	# not by ip netns exec, which mounts a /sys first
	if [ "${3:-host}" = host ]; then
		echo "$2" >"/proc/sys/net/$1"
	else
		# shellcheck disable=SC2016 # it is for the inner one
		nsenter --net="/run/netns/$3" sh -c 'echo "$1" >"/proc/sys/net/$2"' - "$2" "$1"
	fi
}

netget() {
	if [ "${2:-host}" = host ]; then
		cat "/proc/sys/net/$1"
	else
		nsenter --net="/run/netns/$2" cat "/proc/sys/net/$1"
	fi
}

# addresses of IPv6 can be used at once
no_dad() {
	for net_conf in all default; do
		[ ! -e /proc/sys/net/ipv6 ] || netset "ipv6/conf/$net_conf/accept_dad" 0 "$1"
	done
}

space() {
	for net_space; do
		ip netns add "$net_space" && ip -n "$net_space" link set lo up && no_dad "$net_space" || return
	done
}

# with -n, in a space; the host has none
ip_of() {
	net_at=$1
	shift
	if [ "$net_at" = host ]; then
		ip "$@"
	else
		ip -n "$net_at" "$@"
	fi
}

cable() {
	case $1 in *:*) net_a=${1%%:*} ;; *) net_a=host ;; esac
	case $2 in *:*) net_b=${2%%:*} ;; *) net_b=host ;; esac
	if [ "$net_b" = host ]; then
		ip_of "$net_a" link add "${1#*:}" type veth peer name "${2#*:}" || return
	else
		ip_of "$net_a" link add "${1#*:}" type veth peer name "${2#*:}" netns "$net_b" || return
	fi
	ip_of "$net_a" link set "${1#*:}" up && ip_of "$net_b" link set "${2#*:}" up
}

outside() {
	space outside && cable uplink outside:eth0 &&
		ip addr add 198.51.100.1/24 dev uplink && ip -n outside addr add 198.51.100.2/24 dev eth0 &&
		ip route add default via 198.51.100.2 || return
	[ -e /proc/sys/net/ipv6 ] || return 0
	ip addr add 2001:db8:1::1/64 dev uplink && ip -n outside addr add 2001:db8:1::2/64 dev eth0 &&
		ip -6 route add default via 2001:db8:1::2
}

pings() {
	net_family=-4
	if [ "$1" = -6 ]; then
		net_family=-6
		shift
	fi
	in_space "$1" busybox ping "$net_family" -c 1 -W 10 "$2" >/dev/null
}

# shellcheck disable=SC2154 # the test sets t
guest() { timeout 60 "$NL" -q -x -D "$t" "$@"; }
address() { sed -n "s/[[:space:]].*//;${2:-1}p" "$state/.hosts/$1"; }
last=true
start() {
	name=$1
	shift
	if ! [ -p "$T/stay" ]; then
		mkfifo "$T/stay"
		sleep 1000 >"$T/stay" &
		background_pids="$background_pids $!"
	fi
	: >"$T/$name.out"
	mkfifo "$T/$name.up"
	guest -M "$name" -P "$@" sh -c "echo up; read -r x 2>/dev/null; $last" \
		<"$T/stay" >"$T/$name.up" 2>"$T/$name.err" &
	eval "pid_$name=$!"
	timeout 60 cat "$T/$name.up" >"$T/$name.out" &
	wait_for grep -q up "$T/$name.out" || note "$(cat "$T/$name.err")"
	rm "$T/$name.up"
	wait_for [ -s "$state/.hosts/$name" ]
	wait_for grep -qs '^LEADER=[1-9]' "$state/$name"
}
# the supervisor: timeout(1) is its parent
supervisor() { sed -n 's/^SUPERVISOR=//p' "$state/$1"; }
stop() {
	for name; do
		kill "$(supervisor "$name")"
		eval 'wait "$pid_'"$name"'"' 2>/dev/null
	done
}

ip link set lo up || skip_all "no loopback"
no_dad host
state=$T/root/run/nspawn-lite
