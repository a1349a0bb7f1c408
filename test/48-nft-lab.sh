#!/bin/sh
# Rules in nf_tables on other kernels and CPUs: where tables have no owners (5.10), and where they have, on 32 bits; and
# what is missing has a name.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need qemu-system-x86_64 qemu-system-mipsel
mods=veth,nf_tables,nft_chain_nat,nft_nat,nft_ct
all=$mods,nft_masq,nft_fib_ipv4,nft_fib_ipv6

for machine in 'x86_64@bullseye left' 'mipsel owned'; do
	kernel=${machine% *}
	target=${kernel%@*}
	at=build/$target
	ok "it is built for $target" make -s -C "$TOP" O="$at" TARGET="$target" "$at/test-nft" || continue
	at=$TOP/$at/test-nft
	"$TESTDIR/lab/boot" "$kernel" --mod "$all" --time 300 --add "$at:/bin/test-nft" \
		--add "$TESTDIR/nft-device.sh:/root/device.sh" -- "sh /root/device.sh test-nft ${machine#* }" >"$T/out" 2>&1
	is "$kernel comes to its end" 0 "$?"
	while IFS= read -r line; do
		case $line in
		'ok '*) result ok "${line#*- } ($kernel)" ;;
		'not ok '*) result 'not ok' "${line#*- } ($kernel)" ;;
		*) note "$line" ;;
		esac
	done <"$T/out"
	[ "$target" = x86_64 ] || continue
	words='link=x net=10.1.0.0/28 guest=10.1.0.2 net=fd00::1/64 guest=fd00::2 port=tcp:80:80'
	for missing in "CONFIG_NETFILTER_NETLINK veth" "CONFIG_NF_TABLES nfnetlink" "CONFIG_NFT_NAT nf_tables" \
		"CONFIG_NFT_MASQ $mods,nft_fib_ipv4" "CONFIG_NFT_FIB_IPV4 $mods,nft_masq,nft_fib_ipv6" \
		"CONFIG_NFT_FIB_IPV6 $mods,nft_masq,nft_fib_ipv4"; do
		want="failed *(${missing% *})"
		[ "${missing% *}" != CONFIG_NFT_FIB_IPV6 ] || want='set left ip - *(CONFIG_NFT_FIB_IPV6)'
		like "it is told: no ${missing% *}" "$want" "$("$TESTDIR/lab/boot" "$kernel" --mod "${missing#* }" \
			--add "$at:/bin/test-nft" -- "test-nft set web $words" 2>&1)"
	done
done

done_testing
