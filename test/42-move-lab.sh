#!/bin/sh
# Links that move on a kernel of their own: VLANs, WireGuard, radios. The machine
# prints TAP, which is passed on. LAB_MOVE names another machine than armhf.
top=$(cd "${0%/*}/.." && pwd)
machine=${LAB_MOVE:-armhf@bookworm}
target=${machine%@*}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cd "$top" || exit
if ! make -s O="build/$target" TARGET="$target" all >"$log" 2>&1; then
	sed 's/^/# /' "$log"
	echo "not ok 1 - nspawn-lite is built for $target"
	echo 1..1
	exit 1
fi
test/lab/boot "$machine" --mod dummy,8021q,wireguard,mac80211_hwsim --time 400 \
	--add "build/$target/nspawn-lite:/bin/nspawn-lite" --add test/move.sh:/root/move.sh --add test/device-lib.sh:/root/device-lib.sh \
	-- 'mkdir -p /run /tmp; sh /root/move.sh nspawn-lite' >"$log" 2>&1
status=$?
if grep -q 'has no module mac80211_hwsim' "$log"; then
	echo '1..0 # SKIP the kernel of the lab was fetched without radios: remove it from the cache'
	exit 0
fi
cat "$log"
grep -q '^1\.\.' "$log" || { echo "not ok - the machine came to its end ($status)"; echo 1..1; exit 1; }
exit $status
