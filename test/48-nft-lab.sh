#!/bin/sh
# Rules in nf_tables where tables have no owners, on a 5.10, and what is missing has a name. With owners, and on other
# CPUs: 30-lab.sh
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "${0%/*}/lab.sh"
need qemu-system-x86_64
lab_build x86_64 test-nft || done_testing
# shellcheck disable=SC2016 # expanded inside
lab_tests x86_64@bullseye x86_64@bullseye --mod veth \
	--later nfnetlink,nf_tables,nft_chain_nat,nft_nat,nft_ct,nft_fib_ipv4,nft_masq,nft_fib_ipv6 --add "$bin/test-nft:/device/test-nft" -- '
	tell() {
		echo "$1: $(/device/test-nft set web link=x net=10.1.0.0/28 guest=10.1.0.2 net=fd00::1/64 guest=fd00::2 port=tcp:80:80 </dev/null 2>&1)"
	}
	tell NETFILTER_NETLINK
	modules nfnetlink
	tell NF_TABLES
	modules nf_tables
	tell NFT_NAT
	modules nft_chain_nat nft_nat nft_ct nft_fib_ipv4
	tell NFT_MASQ
	modules nft_masq nft_fib_ipv6
	rmmod nft_fib_ipv4
	tell NFT_FIB_IPV4
	modules nft_fib_ipv4
	rmmod nft_fib_ipv6
	tell NFT_FIB_IPV6
	modules nft_fib_ipv6
	sh /device/nft-device.sh'
for missing in NETFILTER_NETLINK NF_TABLES NFT_NAT NFT_MASQ NFT_FIB_IPV4; do
	like "it is told: no CONFIG_$missing" "$missing: failed *(CONFIG_$missing)" "$(grep "^$missing: " "$T/log")"
done
like 'it is told: no CONFIG_NFT_FIB_IPV6' 'NFT_FIB_IPV6: set left ip - *(CONFIG_NFT_FIB_IPV6)' "$(grep '^NFT_FIB_IPV6: ' "$T/log")"
done_testing
