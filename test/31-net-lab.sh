#!/bin/sh
# The network on kernels and CPUs of devices, and on kernels that lack some of it: machines that never leave their
# initramfs, each of which prints TAP of its own, which is counted on here.
#   LAB_NET='arm64 armhf'   which machines; more in test/lab/README.md. Without: those below
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need qemu-system-mipsel qemu-system-arm
rules=nf_tables,nft_chain_nat,nft_nat,nft_ct,nft_masq,nft_fib_ipv4,nft_fib_ipv6
all=veth,bridge,macvlan,$rules

# boot MACHINE MODULES APPEND COMMANDS
boot() {
	target=${1%@*}
	at=build/$target
	make -s -C "$TOP" O="$at" TARGET="$target" all "$at/test-named" "$at/test-deny" || return
	at=$TOP/$at
	machine=$1
	mods=$2
	append=$3
	commands=$4
	# what mkkernel makes has no modules
	set -- "$machine"
	case $machine in *@be) mods='' ;; esac
	[ -z "$mods" ] || set -- "$@" --mod "$mods"
	"$TESTDIR/lab/boot" "$@" --append "$append" --time 300 --mem 512 \
		--add "$at/nspawn-lite:/bin/nspawn-lite" --add "$at/test-named:/bin/named" --add "$at/test-deny:/bin/deny" \
		--add "$TESTDIR/net-device.sh:/root/device.sh" \
		-- "mkdir -p /run /tmp; mount -t cgroup2 cgroup /sys/fs/cgroup; $commands"
}

# device MACHINE MODULES APPEND WORDS : all that a device must do, but for what the words say that it lacks
device() {
	boot "$1" "$2" "$3" "sh /root/device.sh nspawn-lite named $4" >"$T/out" 2>&1
	is "$1 comes to its end${4:+, without $4}" 0 "$?"
	while IFS= read -r line; do
		case $line in
		'ok '*) result ok "${line#*- } ($1${4:+ without $4})" ;;
		'not ok '*) result 'not ok' "${line#*- } ($1${4:+ without $4})" ;;
		*) note "$line" ;;
		esac
	done <"$T/out"
}

if [ -n "${LAB_NET:-}" ]; then
	for one in $LAB_NET; do
		device "$one" "$all" '' ''
		case $one in *@be) continue ;; esac
		device "$one" "veth,bridge,$rules" '' macvlan
		device "$one" veth,bridge '' 'nft macvlan'
		device "$one" "$all" ipv6.disable=1 ip6
		device "$one" "$all" '' sysctl
	done
	done_testing
fi

# Linux 5.10, where tables have no owners; 32 bits, where the builder is a copy of the supervisor
device armhf@bullseye "$all" '' ''
# as little as there can be for -n
device mipsel veth ipv6.disable=1 'nft bridge macvlan ip6'

# shellcheck disable=SC2016 # expanded inside
boot mipsel dummy '' 'mkdir -p /t/bin /t/etc; cp /bin/busybox /t/bin; ln -s busybox /t/bin/echo; echo ID=t >/t/etc/os-release
	nl() { nspawn-lite -q -D /t "$@" echo started 2>&1 | tail -n 1; }
	nl --private-network --port=80; nl -n; nl --network-veth-extra=a; nl --network-zone=z; nl --network-macvlan=lo; nl --network-ipvlan=lo
	deny netns -- nspawn-lite -q -D /t --private-network echo started 2>&1' >"$T/out" 2>&1
line() { sed -n "$1p" "$T/out"; }
missing() { echo "*no $1 in this kernel (CONFIG_*; module $1, OpenWrt's package kmod-$1): *"; }
is 'a kernel with no links at all: a loopback of its own, and a port of it' started "$(line 1)"
like 'no veth' "$(missing veth)" "$(line 2)"
like 'nor a further one' "$(missing veth)" "$(line 3)"
like 'no bridge' "$(missing bridge)" "$(line 4)"
like 'no macvlan' "$(missing macvlan)" "$(line 5)"
like 'no ipvlan' "$(missing ipvlan)" "$(line 6)"
like 'no networks of their own' '*CONFIG_*NET_NS*' "$(line 7)"

done_testing
