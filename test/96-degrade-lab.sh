#!/bin/sh
# What a kernel may lack that can only be missing in another kernel: rows of
# degrade.rows, in emulated machines without modules and with controllers and
# IPv6 switched off. LAB_DEGRADE=all takes more of them, and x86_64@bare, a
# kernel with nearly nothing, if it is there:
#   test/lab/mkkernel x86_64 bare $(cat test/lab/bare.config)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "${0%/*}/lab.sh"

machines=${LAB_DEGRADE:-x86_64}
if [ "$machines" = all ]; then
	machines='x86_64 x86_64@bullseye x86_64@trixie armhf@bullseye mipsel'
	[ ! -e "$cache/kernel/x86_64-bare/busybox" ] || machines="$machines x86_64@bare"
fi

for machine in $machines; do
	lab_build "${machine%@*}" test-deny || continue
	place=modules append='ipv6.disable=1 cgroup_disable=memory,pids' mods=nf_tables,nft_chain_nat,nft_nat,nft_ct,nft_masq,nft_fib_ipv4
	case $machine in *@bare*) place=bare append='' mods='' ;; esac
	lab_tests "$machine" "$machine" ${mods:+--mod $mods} --append "$append" --mem 256 \
		--add "$bin/test-deny:/bin/deny" --add "$TESTDIR/degrade.rows:/root/degrade.rows" \
		-- "${DEGRADE_SHOW:+export DEGRADE_SHOW=y;} mkdir -p /run /tmp; sh /device/degrade-device.sh $place /root/degrade.rows nspawn-lite /bin/deny"
done
done_testing
