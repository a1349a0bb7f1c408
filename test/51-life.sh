#!/bin/sh
# shellcheck disable=SC2016,SC2154 # scripts for the guest; variables by run
# What befalls a machine's network while it lives: it goes on, and its end is clean; and the same name begins again at once.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need timeout nft
state=$T/root/run/nspawn-lite
mkdir -p "$T/root/etc"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"
outside || skip_all 'no veth in this kernel'
t=$(tree busybox guest)
u=$(tree busybox other)
until_down='touch /up; until [ -e /down ]; do sleep 0.1; done'
# begin TREE OPTION... : it lives until end TREE, which says its status
begin() {
	rm -f "$1/up" "$1/down"
	tree_of=$1
	shift
	"$NL" -q -D "$tree_of" "$@" /bin/sh -c "$until_down" >"$T/said" 2>&1 &
	pid=$!
	wait_for test -e "$tree_of/up"
	wait_for grep -qs . "$state/.hosts/${tree_of##*/}"
	wait_for grep -qs '^LEADER=[1-9]' "$state/${tree_of##*/}"
}
end() {
	: >"$t/down"
	wait "$pid"
}
lent() { sed -n 's/^\([0-9.]*\)\t.*/\1/p' "$state/.hosts/guest"; }
# all that is of the network
traces() {
	ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/link \1/'
	ip -4 route show table all
	nft list tables
	grep . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/uplink/forwarding \
		/proc/sys/net/ipv6/conf/all/forwarding /proc/sys/net/ipv6/conf/uplink/force_forwarding
	ls "$state" "$state/.hosts"
	for f in "$state"/.shared.*; do [ ! -e "$f" ] || echo "$f"; done
	awk '$4 == "0A" { print "listens", $2 }' /proc/net/tcp /proc/net/tcp6
} 2>/dev/null
# shellcheck disable=SC2317 # called by wait_for
no_traces() {
	traces | sort >"$T/traces.after"
	cmp -s "$T/traces.before" "$T/traces.after"
}
clean() {
	wait_for no_traces
	is "$1" '' "$(diff "$T/traces.before" "$T/traces.after" | grep '^[<>]')"
}
next() { timeout 60 "$NL" -q -D "$u" "$@" /bin/true 2>&1; }
next -n --port=tcp:8080:80
wait_for sh -c '! ip -o link | grep -q ve-other'
traces | sort >"$T/traces.before"

# ---- the same name at once ----------------------------------------------------------------------------

for words in '-n --port=tcp:8080:80' '--network-zone=life --port=tcp:8080:80'; do
	# shellcheck disable=SC2086 # words are words
	begin "$t" $words
	first=$(lent)
	wrong=''
	for how in end kill init kill init end kill; do
		case $how in
		end)	end || wrong="$wrong $how: status $?" ;;
		kill)	kill -9 "$pid"; wait "$pid" 2>/dev/null ;;
		init)	kill -9 "$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/guest")"; wait "$pid" ;;
		esac
		rm -f "$state/.hosts/guest"
		# shellcheck disable=SC2086 # words are words
		begin "$t" $words || wrong="$wrong $how: $(cat "$T/said")"
		[ "$(lent)" = "$first" ] || wrong="$wrong $how: was $first, is $(lent)"
	done
	end || wrong="$wrong status $?"
	is "$words: the same name has its address and port again, however it ended" '' "$wrong"
	clean "$words: and nothing stays"
	rm -f "$t/times"
	# shellcheck disable=SC2086 # words are words
	run timeout 60 "$NL" -q -D "$t" $words /bin/sh -c 'ip -4 addr show host0 | sed -n "s/.*inet //p" >>/times
		[ "$(wc -l </times)" -ge 6 ] || reboot -f'
	is "$words: nor do six lives of one supervisor differ" '0 6 1' \
		"$rc $(wc -l <"$t/times" | tr -d ' ') $(sort -u "$t/times" | wc -l | tr -d ' ')"
	clean "$words: and nothing stays of those"
done

# ---- what is done by hand -----------------------------------------------------------------------------

begin "$t" -n --port=tcp:8080:80
kill -STOP "$pid"
is 'beside a supervisor that is stopped others begin and end' '' "$(next -n; next --network-zone=life)"
ok 'and its machine is reached' pings host "$(lent)"
kill -CONT "$pid"
end
is 'it goes on, and ends' 0 $?
clean 'and nothing stays'

begin "$t" -n --port=tcp:8080:80
nft flush ruleset
ip link del ve-guest
echo 0 >/proc/sys/net/ipv4/conf/uplink/forwarding
wait_for grep -q 've-guest is gone' "$T/said"
end
is 'a machine whose rules, link and flags were taken away ends as it does' 0 $?
like 'with a line for the link' '*link ve-guest is gone: *' "$(cat "$T/said")"
clean 'and nothing stays'

begin "$t" --network-zone=life
ip addr flush dev vz-life
begin_other=$(next --network-zone=life)
is 'another joins a zone whose address was taken away' '' "$begin_other"
ok 'which has it again' pings host "$(lent)"
ip link del vz-life
is 'and one whose bridge was' '' "$(next --network-zone=life)"
end
is 'the first one ends as it does' 0 $?
clean 'and nothing stays'

begin "$t" -n --port=tcp:8080:80
rm -rf "$state"
end
is 'without its state directory it ends as it does' 0 $?
is 'and the next one begins' '' "$(next -n)"
mkdir -p "$state/.hosts"
clean 'and nothing stays'

# ---- many in one moment -------------------------------------------------------------------------------

# together N WORDS : that many, % stands for the number; says what went wrong
together() {
	rm -f "$T/go" "$T/said".*
	i=0
	while [ $i -lt "$1" ]; do
		i=$((i + 1))
		[ -d "$T/many/$i" ] || { mkdir -p "$T/many/$i/bin" "$T/many/$i/etc"; ln "$t/bin/busybox" "$T/many/$i/bin/"; }
		rm -f "$T/many/$i/down"
		# shellcheck disable=SC2046 # options are words
		timeout 300 "$NL" -q -M "many$i" -D "$T/many/$i" $(echo "$2" | sed "s/%/$((20000 + i))/") \
			/bin/busybox sh -c 'until [ -e /down ]; do busybox sleep 0.2; done' >"$T/said.$i" 2>&1 &
		eval "pid$i=$!"
	done
	# shellcheck disable=SC2317 # called by wait_for
	all_up() { [ "$(find "$state/.hosts" -name 'many*' 2>/dev/null | wc -l)" -ge "$1" ]; }
	wait_for all_up "$1" || echo 'not all have begun'
	cat "$state"/.hosts/many* | awk '{ print $1 }' | sort | uniq -d | sed 's/^/two have /'
	for d in "$T"/many/*; do : >"$d/down"; done
	while [ $i -gt 0 ]; do
		eval "wait \$pid$i" || echo "$i: status $? $(cat "$T/said.$i")"
		i=$((i - 1))
	done
}
for round in 1 2; do
	is "50 machines of a zone come and go in one moment ($round)" '' "$(together 50 --network-zone=life)"
	clean 'and nothing stays'
	is "50 with links of their own do ($round)" '' "$(together 50 '-n --port=tcp:%:80')"
	clean 'and nothing stays'
done

# ---- no room ------------------------------------------------------------------------------------------

rm -rf "$state"
mkdir -p "$state"
mount -t tmpfs -o size=4k full "$state"
run timeout 60 "$NL" -q -D "$t" -n /bin/true
like 'a full state directory is told of' '*No space left on device*' "$err"
umount "$state"
mkdir -p "$state/.hosts"
clean 'and nothing stays'
for files in 16 24 40; do
	run timeout 60 sh -c "ulimit -n $files; exec \"\$@\"" - "$NL" -q -D "$t" -n --port=tcp:8080:80 /bin/true
	case $rc:$err in
	0:*|1:nspawn-lite:*) result ok "with $files descriptors it begins, or says why not" ;;
	*)	is "with $files descriptors it begins, or says why not" '' "$rc $err" ;;
	esac
done
clean 'and nothing stays'
finish
