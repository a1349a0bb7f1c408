#!/bin/sh
# Without nf_tables: iptables(8) masquerades, of either kind, and nothing stays of it
# shellcheck disable=SC2317 # functions are called by ok and wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"

need iptables-legacy ip6tables-legacy iptables-nft ip6tables-nft
# shellcheck disable=SC2034 # for guest of net.sh
t=$(tree busybox)
outside || skip_all "no veth"
mkdir "$T/bin"
PATH=$T/bin:$PATH
tables() {	# of the kind that is tried
	for program in iptables ip6tables; do
		for table in nat filter; do
			"$T/bin/$program" -w -t "$table" -S 2>&1 | grep '^-A' | sed "s/^/$program $table /"
		done
	done
}
kind() {	# kind legacy|nft : both programs are of that
	for program in iptables ip6tables; do
		printf '#!/bin/sh\nexec %s "$@"\n' "$program-$1" >"$T/bin/$program"
		chmod 755 "$T/bin/$program"
	done
}
inside() { nsenter -t "$(sed -n 's/^LEADER=//p' "$state/$1")" -n timeout 10 busybox ping -c 1 -W 2 "$2" >/dev/null; }
noted() { cat "$state"/.shared.iptables.* 2>/dev/null; }
none() { [ -z "$(tables)$(noted)" ]; }
swept() { guest -M other true 2>/dev/null; none; }
rules='iptables nat -A POSTROUTING -s NET ! -o LINK -m comment --comment nspawn-lite -j MASQUERADE
ip6tables nat -A POSTROUTING -s NET ! -o LINK -m comment --comment nspawn-lite -j MASQUERADE'
accepts='iptables filter -A FORWARD -d NET -o LINK -m comment --comment nspawn-lite -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables filter -A FORWARD -s NET -i LINK -m comment --comment nspawn-lite -j ACCEPT'
blur() { sed -e 's/-\([sd]\) [0-9a-f.:]*\/[0-9]*/-\1 NET/' -e 's/-\([io]\) v[ez]-[a-z]*/-\1 LINK/'; }

NSPAWN_LITE_DENY=nft
export NSPAWN_LITE_DENY
for kind in legacy nft; do
	kind "$kind"
	"$T/bin/iptables" -t nat -S >/dev/null 2>&1 || {
		skip "$kind: it masquerades" 'not in this kernel'
		continue
	}
	ok "$kind: there is no rule at first" none
	start one -n
	is "$kind: nothing is said, for nothing is lost" '' "$(cat "$T/one.err")"
	is "$kind: one rule of each family masquerades" "$rules" "$(tables | blur)"
	ok "$kind: a machine gets out" inside one 198.51.100.2
	ok "$kind: by IPv6, too" inside one 2001:db8:1::2
	stop one
	ok "$kind: nothing stays when it has ended" none

	start one -n
	kill -9 "$(supervisor one)"
	ok "$kind: what is killed leaves what the next command takes away" wait_for swept

	start one -n
	printf '#!/nowhere\n' >"$T/bin/ip6tables"
	stop one
	kind "$kind"
	ok "$kind: so it does with what could not be taken away, as the program was not executed" wait_for swept

	start one --network-zone=z
	start two --network-zone=z
	is "$kind: two of a zone have the same rules" "$rules" "$(tables | blur)"
	ok "$kind: the first gets out" inside one 198.51.100.2
	stop one
	ok "$kind: and the second, when the first has ended" inside two 198.51.100.2
	"$T/bin/iptables" -w -t nat -F
	start one --network-zone=z
	is "$kind: what a firewall threw away is there again with the next machine" "$rules" "$(tables | blur)"
	kill -9 "$(supervisor two)"
	is "$kind: one of two is killed, and the other gets out" 0 "$(guest -M other true 2>/dev/null; inside one 198.51.100.2; echo $?)"
	stop one
	ok "$kind: the last one takes them away" wait_for swept

	"$T/bin/iptables" -w -P FORWARD DROP
	start one -n -p 8080:80
	like "$kind: that ports are relayed is said, and no more" '*cannot lead ports*relayed by ourselves' "$(cat "$T/one.err")"
	is "$kind: what drops all is told to let it through" "$accepts" "$(tables | grep '^iptables filter' | sort | blur)"
	ok "$kind: and so it gets out" inside one 198.51.100.2
	kill -9 "$(supervisor one)"
	ok "$kind: nothing of that stays either" wait_for swept
	"$T/bin/iptables" -w -A FORWARD -i ve-one -j REJECT
	start one -n
	is "$kind: whoever speaks of the link has the say" 'iptables filter -A FORWARD -i LINK -j REJECT' \
		"$(tables | grep '^iptables filter' | sort | blur | sed 's/ --reject-with.*//')"
	stop one
	"$T/bin/iptables" -w -F FORWARD
	"$T/bin/iptables" -w -P FORWARD ACCEPT
done

kind legacy
printf '#!/bin/sh\nexit 3\n' >"$T/bin/ip6tables"
start one -n
like 'without nat for IPv6 that is said' '*IPv6 is not masqueraded: *ip6tables*CONFIG_IP6_NF_TARGET_MASQUERADE*' "$(cat "$T/one.err")"
is 'in one line' 1 "$(grep -c . "$T/one.err")"
ok 'and IPv4 is' inside one 198.51.100.2
stop one
printf '#!/bin/sh\nexit 3\n' >"$T/bin/iptables"
start one -n
like 'a program that cannot is as none' '*one has no way out of its own network: masquerading needs nf_tables*or iptables*' "$(cat "$T/one.err")"
is 'which one line says' 1 "$(grep -c . "$T/one.err")"
is 'and nothing is noted' '' "$(noted)"
stop one
# one that hangs, and is killed with its supervisor: what it had to do is noted, and its lock is held as long as it runs
printf '#!/bin/sh\n: >%s\nexec sleep 100\n' "$T/hangs" >"$T/bin/iptables"
guest -M one -n true &
wait_for [ -e "$T/hangs" ]
like 'before a rule is made it is noted' '*IPTABLES=4 *ve-one*' "$(noted)"
kill -9 "$(supervisor one)"
wait $! 2>/dev/null
kind legacy
ok 'and what was being made is swept' wait_for swept
NSPAWN_LITE_DENY=nft,iptables
start one -n
like 'with neither that is said' '*one has no way out of its own network: masquerading needs nf_tables*or iptables*' "$(cat "$T/one.err")"
ok 'and nothing is made' none
stop one
done_testing
