#!/bin/sh
# The network on kernels that lack some of it; with all of it, 30-lab.sh has it.
#   LAB_NET='arm64 armhf'   which machines, each without one thing after the other. Without: one, as little as there can be
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "${0%/*}/lab.sh"
need qemu-system-mipsel
rules=nf_tables,nft_chain_nat,nft_nat,nft_ct,nft_masq,nft_fib_ipv4,nft_fib_ipv6

# device MACHINE MODULES APPEND WORDS : all that a device must do, but for what the words say that it lacks
device() {
	lab_build "${1%@*}" test-named || return
	lab_tests "$1 without $4" "$1" --mod "$2" --append "$3" --add "$bin/test-named:/bin/named" -- \
		"mkdir -p /run /tmp; mount -t cgroup2 cgroup /sys/fs/cgroup; sh /device/net-device.sh nspawn-lite named $4"
}

for one in ${LAB_NET:-}; do
	device "$one" "veth,bridge,$rules" '' macvlan
	device "$one" veth,bridge '' 'nft macvlan'
	device "$one" "veth,bridge,macvlan,$rules" ipv6.disable=1 ip6
	device "$one" "veth,bridge,macvlan,$rules" '' sysctl
done

# no links at all, then those that -n needs
lab_build mipsel test-named test-deny || done_testing
# shellcheck disable=SC2016 # expanded inside
lab_tests 'mipsel without nft bridge macvlan ip6' mipsel --mod dummy --later veth --append ipv6.disable=1 \
	--add "$bin/test-named:/bin/named" --add "$bin/test-deny:/bin/deny" -- '
	mkdir -p /run /tmp /t/bin /t/etc; cp /bin/busybox /t/bin; ln -s busybox /t/bin/echo; echo ID=t >/t/etc/os-release
	mount -t cgroup2 cgroup /sys/fs/cgroup
	nl() { echo "said: $(nspawn-lite -q -D /t "$@" echo started 2>&1 | tail -n 1)"; }
	nl --private-network --port=80; nl -n; nl --network-veth-extra=a; nl --network-zone=z; nl --network-macvlan=lo; nl --network-ipvlan=lo
	echo "said: $(deny netns -- nspawn-lite -q -D /t --private-network echo started 2>&1)"
	modules veth
	sh /device/net-device.sh nspawn-lite named nft bridge macvlan ip6'
line() { sed -n 's/^said: //p' "$T/log" | sed -n "$1p"; }
missing() { echo "*no $1 in this kernel (CONFIG_*; module $1, OpenWrt's package kmod-$1): *"; }
is 'a kernel with no links at all: a loopback of its own, and a port of it' started "$(line 1)"
like 'no veth' "$(missing veth)" "$(line 2)"
like 'nor a further one' "$(missing veth)" "$(line 3)"
like 'no bridge' "$(missing bridge)" "$(line 4)"
like 'no macvlan' "$(missing macvlan)" "$(line 5)"
like 'no ipvlan' "$(missing ipvlan)" "$(line 6)"
like 'no networks of their own' '*CONFIG_*NET_NS*' "$(line 7)"

done_testing
