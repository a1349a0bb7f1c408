#!/bin/sh
# shellcheck disable=SC2016,SC2154,SC2317 # scripts for the guest; variables by run; called by wait_for
# Years of three machines in a zone, in some seconds: leases of a few seconds are renewed, they reboot, fail and begin again,
# their supervisors are killed. What the host keeps for them is at the end what it was at the beginning.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need timeout nft
if ! command -v "${MAKE:-make}" >/dev/null || [ ! -e "$TOP/Makefile" ]; then
	skip_all 'no make'
fi
lives=${LIVES:-12}
store=$T/root/var/lib/machines
mkdir -p "$store" "$T/root/etc"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"
{
	sed -e 's/^\(#define LEASE_SECONDS\) .*/\1 6/' -e 's/^\(#define RESTART_MOST\) .*/\1 1/' "$TOP/config.h"
	cat <<-'END'
	#undef MACHINES
	#define MACHINES \
		{ "z[1-3]", { "--network-zone=years", "--restart=always", "--private-users=no" }, true }, \
		{ "z1", { "--port=tcp:8081:80" }, true }, { "z2", { "--port=tcp:8082:80" }, true }, { "z3", { "--port=tcp:8083:80" }, true }, \
		{ NULL, { NULL }, false }
	END
} >"$T/own.h"
sed -i 's/^\(.*{ "z\[1-3\]".*\), true }/\1 }/' "$T/own.h"
(
	unset MAKEFLAGS MFLAGS MAKELEVEL
	"${MAKE:-make}" -s -j2 -C "$TOP" O="$T/o" CONFIG="$T/own.h" CFLAGS=-O0 all
) >"$T/out" 2>&1
is 'it can be built with short leases' '0 ' "$? $(cat "$T/out")"
NL=$T/o/nspawn-lite
nl() { timeout 60 "$NL" "$@"; }
value() { sed -n "s/^$2=//p" "$state/$1" 2>/dev/null; }

t=$(tree busybox z1) && mv "$t" "$store/z1" || exit
mkdir -p "$store/z1/www"
cat >"$store/z1/told" <<'END'
#!/bin/sh
case $1 in bound|renew) echo "$1 $ip $lease" >>/addresses ;; *) echo "$1" >>/told.else ;; esac
END
cat >"$store/z1/life" <<'END'
#!/bin/sh
trap 'poweroff -f' TERM PWR USR2
trap 'reboot -f' INT
if [ -x /sbin/dhclient ]; then
	/sbin/dhclient -4 -d -sf /dhclient-told -lf /leases -pf /dhclient.pid host0 >/dev/null 2>&1 &
else
	udhcpc -f -t 5 -T 1 -i host0 -s /told >/dev/null 2>&1 &
fi
client=$!
httpd -p 80 -h /www
hostname >/www/who
echo life >>/lives
while :; do
	[ ! -e /renew ] || { kill -USR1 $client; rm /renew; }
	[ ! -e /fail ] || { rm /fail; exit 3; }
	sleep 0.1
done
END
cat >"$store/z1/dhclient-told" <<'END'
#!/bin/sh
case $reason in BOUND|REBOOT|RENEW|REBIND) echo "$reason $new_ip_address $new_dhcp_lease_time" >>/addresses ;; EXPIRE|FAIL) echo "$reason" >>/told.else ;; esac
END
chmod 755 "$store/z1/told" "$store/z1/dhclient-told" "$store/z1/life"
rm -f "$store/z1/sbin/init"
ln -s ../life "$store/z1/sbin/init"
cp -a "$store/z1" "$store/z2"
cp -a "$store/z1" "$store/z3"
# BusyBox takes no lease for shorter than two minutes: z3 renews its own by the clock, the others when they are told to
client=$(command -v dhclient) && for f in "$client" $(ldd "$client" | grep -o '/[^ ]*'); do
	mkdir -p "$store/z3/${f%/*}"
	cp -L "$f" "$store/z3/$f"
done
[ -x "$store/z3/sbin/dhclient" ] || cp -L "${client:-/nowhere}" "$store/z3/sbin/dhclient" 2>/dev/null

has_gone() { ! kill -0 "$1" 2>/dev/null; }
lived() { [ "$(grep -c . "$store/$1/lives" 2>/dev/null)" -ge "$2" ] 2>/dev/null; }
ran() { [ "$(value "$1" STATE)" = running ]; }
bound() { [ "$(grep -c . "$store/$1/addresses" 2>/dev/null)" -ge "$2" ] 2>/dev/null; }
# to its port, from the host
answers() { [ "$(timeout 5 busybox wget -q -O - "http://127.0.0.1:808${1#z}/who" 2>/dev/null)" = "$1" ]; }
# all that is kept for them, without numbers that change
kept() {
	ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/link \1/'
	ip -4 route show table all
	nft list ruleset | sed -e 's/packets [0-9]* bytes [0-9]*//' -e 's/# handle.*//' -e 's/expires [0-9a-z]*//'
	ls -A "$state"
	for f in "$state"/.hosts/* "$state"/.shared.*; do [ ! -f "$f" ] || sed "s|^|${f##*/} |" "$f"; done
	awk '$4 == "0A" { print "listens", $2 }' /proc/net/tcp /proc/net/tcp6
	awk 'NR > 1 { print "udp", $2 }' /proc/net/udp
	for m in z1 z2 z3; do
		for f in "/proc/$(value $m SUPERVISOR)/fd"/*; do
			readlink "$f" | sed 's/[0-9][0-9]*//g'
		done | grep -v '^mnt:' | sort | uniq -c | sed "s/^/$m /"
	done
} 2>/dev/null
as_before() {
	kept | sort >"$T/kept.now"
	cmp -s "$T/kept.before" "$T/kept.now"
}
nl start z1 && nl stop z1  # what the first one makes stays
wait_for sh -c '! ip -o link | grep -q vz-years'
rm -f "$store/z1/lives" "$store/z1/addresses"
traces() { ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/link \1/'; nft list tables; ls -A "$state" "$state/.hosts"; ip -4 rule; ip -4 route show table all; }
traces >"$T/traces.before" 2>&1

run nl start --all
is 'three machines of a zone are started' '0||' "$rc|$out|$err"
for m in z1 z2 z3; do
	wait_for bound $m 1
	ok "$m: answers at its port" wait_for answers $m
done
kept | sort >"$T/kept.before"
cat "$state"/.hosts/* >"$T/hosts.before"

# turn NAME WHAT : the life at hand ends so, and another one begins
turn() {
	n=$(wc -l <"$store/$1/lives")
	case $2 in
	0)	nl reboot "$1" ;;
	1)	: >"$store/$1/fail" ;;
	2)	supervisor=$(value "$1" SUPERVISOR)
		kill -9 "$supervisor"
		wait_for has_gone "$supervisor"
		nl start "$1" ;;
	3)	nl stop "$1" && nl start "$1" ;;
	4)	kill -9 "$(value "$1" LEADER)" ;;
	esac
	wait_for lived "$1" $((n + 1)) || note "$1 by $2: $(nl logs "$1" | tail -n 5)"
	wait_for ran "$1"
}
i=0
while [ $i -lt "$lives" ]; do
	turn z$((i % 3 + 1)) $((i % 5))
	i=$((i + 1))
done
is "after $lives more lives all of them have had theirs" $((lives + 3)) "$(cat "$store"/z?/lives | wc -l | tr -d ' ')"
for m in z1 z2 z3; do
	ok "$m: answers at its port after them" wait_for answers $m
	is "$m: had one address all the time" "$(sed -n 's/[[:space:]].*//;1p' "$state/.hosts/$m")" \
		"$(sed 's/^[a-zA-Z]* \([^ ]*\) .*/\1/' "$store/$m/addresses" | sort -u)"
done
# renew NAME : again
renewed() { [ ! -e "$store/$1/renew" ] && bound "$1" "$2"; }
for m in z1 z2; do
	for i in 1 2 3 4 5; do
		n=$(wc -l <"$store/$m/addresses")
		: >"$store/$m/renew"
		wait_for renewed $m $((n + 1)) || break
	done
	is "$m: renewed its lease when it was told to" 5 "$(tail -n 5 "$store/$m/addresses" | grep -c '^renew')"
done
if [ -x "$store/z3/sbin/dhclient" ]; then
	by_the_clock() { [ "$(grep -c '^RENEW' "$store/z3/addresses")" -ge 3 ]; }
	ok 'z3: and by the clock' wait_for by_the_clock || note "$(tail "$store/z3/addresses")"
else
	skip 'z3: and by the clock' 'no dhclient'
fi
is 'no lease was refused' '' "$(cat "$store"/z?/told.else 2>/dev/null | grep -v deconfig)"
is 'the names of all are told as before' '' "$(cat "$state"/.hosts/* | diff "$T/hosts.before" -)"
wait_for as_before
is 'links, rules, sockets and fds are what they were' '' "$(diff "$T/kept.before" "$T/kept.now" | grep '^[<>]')"
run nl stop --all
is 'stop --all ends them' '0||' "$rc|$out|$err"
gone() { traces >"$T/traces.after" 2>&1; cmp -s "$T/traces.before" "$T/traces.after"; }
wait_for gone
is 'and nothing is left' '' "$(diff "$T/traces.before" "$T/traces.after" | grep '^[<>]')"
done_testing
