#!/bin/sh
# shellcheck disable=SC2016,SC2154,SC2317 # scripts for the guest; variables by run; called by wait_for
# A week of a machine on its own link in some seconds: a hundred times (RENEWALS) it asks for its address, and it reboots again and
# again. The address stays, and its supervisor neither grows nor collects fds.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need timeout
renewals=${RENEWALS:-100}
lives=${LIVES:-10}
state=$T/root/run/nspawn-lite
t=$(tree busybox guest)
cat >"$t/told" <<'END'
#!/bin/sh
[ "$1" != bound ] || echo "$ip $router" >>/addresses
END
# a life: so often it asks, then it says so and waits for what it shall do
cat >"$t/life" <<'END'
n=$(cat /renewals)
while [ "$n" -gt 0 ]; do
	n=$((n - 1))
	udhcpc -f -q -n -t 20 -T 1 -i host0 -s /told >/dev/null 2>&1 || echo failed >>/addresses
done
touch /asked
until [ -e /next ]; do sleep 0.1; done
rm /next
case $(cat /what) in reboot) reboot -f ;; esac
END
chmod 755 "$t/told"
facts() {
	# what each fd is, without numbers, which differ
	for f in "/proc/$supervisor/fd"/*; do
		readlink "$f" | sed 's/[0-9][0-9]*//g'
	done | grep -v '^mnt:' | sort  # one it keeps for others, once it has been quiet
}
private() { awk "/^Private_Dirty/ { print \$2 }" "/proc/$supervisor/smaps_rollup"; }
# step WHAT : the life at hand ends so
step() {
	echo "$1" >"$t/what"
	rm -f "$t/asked"
	: >"$t/next"
}

echo 1 >"$t/renewals"
"$NL" -q -M guest -D "$t" -n /bin/sh /life </dev/null >"$T/said" 2>&1 &
supervisor=$!
background_pids="$background_pids $supervisor"
wait_for test -e "$t/asked" || note "$(cat "$T/said")"
echo 1 >"$t/renewals"
step reboot  # the first life has what our caller left open, too
wait_for test -e "$t/asked"
before=$(facts)
echo 2 >"$t/renewals"
i=0
while [ $i -lt "$lives" ]; do
	i=$((i + 1))
	step reboot
	wait_for test -e "$t/asked" || break
done
is "it lives $lives times" "$lives" $i
is 'and all its lives have one supervisor' "$supervisor" "$(sed -n 's/^SUPERVISOR=//p' "$state/guest")"
same() { [ "$(facts)" = "$before" ]; }
wait_for same
is 'which has as many fds as in the second' "$before" "$(facts)"
echo "$renewals" >"$t/renewals"
step reboot
wait_for test -e "$t/asked"
wait_for same
is "so it has when it was asked $renewals times" "$before" "$(facts)"
is 'it was told one address, each time' "1 $((2 + lives * 2 + renewals))" \
	"$(sort -u "$t/addresses" | wc -l | tr -d ' ') $(wc -l <"$t/addresses" | tr -d ' ')"
if grep -qs Private_Dirty /proc/self/smaps_rollup && [ "$(getconf PAGESIZE 2>/dev/null || echo 4096)" = 4096 ]; then
	case $NL in
	*san*)	skip 'and it did not grow' 'sanitizers need more' ;;
	*)	small() { [ "$(private)" -le 72 ]; }
		ok 'and it did not grow' wait_for small
		note "$(private) KB" ;;
	esac
else
	skip 'and it did not grow' 'no smaps_rollup here'
fi
step end
wait "$supervisor"
is 'and it ends' 0 $?
done_testing
