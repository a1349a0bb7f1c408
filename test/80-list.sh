# shellcheck shell=sh disable=SC2016,SC2154,SC2317 # scripts for the guest; state is of net.sh; called by name
# shellcheck source-path=SCRIPTDIR source=lib.sh source=net.sh
# What list, status, show and cat say of machines that run, byte for byte, and that nothing a guest does, nor what is
# left of one that was killed, makes them say anything else. In a network of the test's own.
. "${0%/*}/lib.sh"
. "${0%/*}/net.sh"
need timeout flock

t=$(tree busybox guest) || skip_all 'no guest'
printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n' >"$t/etc/os-release"
ln -s "$NL" "$T/machinectl"
ctl() { timeout 60 "$T/machinectl" "$@"; }
nl() { timeout 60 "$NL" "$@"; }
lines() { printf '%s\n' "$@"; }
mkdir -p "$T/root/etc"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"

# ---- none ----

is 'without machines list says so' 'No machines.' "$(ctl list)"
is 'and nothing with --no-legend' '' "$(ctl list --no-legend)"
is 'and an empty list to programs' '[]' "$(ctl list -o json)"
run ctl status nobody
is 'status of one that is not there says so' "1 Could not get path to machine: No machine 'nobody' known" "$rc $err"
run ctl show nobody
is 'show, too' "1 Could not get path to machine: No machine 'nobody' known" "$rc $err"
run ctl status
is 'status wants a name' '1 Too few arguments.' "$rc $err"
run ctl list --max-addresses=some
is 'a number of addresses is one' '1 Invalid number of addresses: some' "$rc $err"
is 'without a name show tells of the pool' \
	"PoolPath=$T/root/var/lib/machines PoolUsage=18446744073709551615 PoolLimit=18446744073709551615" "$(ctl show | xargs)"
is 'show for programs tells the same' 18446744073709551615 "$(ctl show -o json | sed 's/.*"PoolUsage":\([0-9]*\),.*/\1/')"

# ---- some ----

# begin NAME OPTION... : until the end of the test; wakes when it is registered
begin() {
	name=$1
	shift
	timeout 600 "$NL" -q -D "$t" --read-only --lock=no -M "$name" "$@" >"$T/said.$name" 2>&1 &
	background_pids="$background_pids $!"
	wait_for grep -qs '^STATE=running' "$state/$name" || note "$(cat "$T/said.$name")"
}
begin guest -n --network-address=10.9.8.7/24 --network-address=fd00:9::7/64 --uuid=53990921e36c49bf8682de9bb3c5f5ae sleep 1000
begin a-long-name sleep 1000
has_6() { ctl list -l --no-legend | grep -q fe80; }
wait_for has_6
link_local=$(ctl list -l --no-legend | sed -n 's/.*\(fe80[^ ]*\)$/\1/p')

is 'a list is the original'"'"'s, byte for byte' "$(lines \
	'MACHINE     CLASS     SERVICE        OS     VERSION ADDRESSES' \
	'a-long-name container systemd-nspawn debian 12      -' \
	'guest       container systemd-nspawn debian 12      10.9.8.7…' '' '2 machines listed.')" "$(ctl)"
is 'under our own name it names us' 'guest container nspawn-lite debian 12' "$(nl list --no-legend --max-addresses=0 | sed -n 's/  */ /g; 2p')"
is 'with --full each address has its line, global before link, IPv4 before IPv6' "$(lines \
	'a-long-name container systemd-nspawn debian 12 -' 'guest       container systemd-nspawn debian 12 10.9.8.7' \
	'                                               fd00:9::7' "                                               $link_local")" \
	"$(ctl --full list --no-legend)"
is 'with --max-addresses=2 the last one tells of more' '10.9.8.7 fd00:9::7…' \
	"$(ctl list --no-legend --max-addresses=2 | sed -n '2,$s/.* //p' | xargs)"
is 'where a pidfd leads to no namespaces (Linux 5.7) they are the same' '10.9.8.7…' \
	"$(NSPAWN_LITE_DENY=setns-pidfd nl list --no-legend | sed -n '2,$s/.* //p' | xargs)"
is 'programs are told all addresses' \
	'{"machine":"guest","class":"container","service":"systemd-nspawn","os":"debian","version":"12","addresses":"10.9.8.7\nfd00:9::7\n'"$link_local"'"}]' \
	"$(ctl -o json list | sed 's/.*},//')"
is 'and what is not known is null' \
	'[{"machine":"a-long-name","class":"container","service":"systemd-nspawn","os":"debian","version":"12","addresses":null}' \
	"$(ctl -j list | sed 's/,{.*//')"
is 'pretty JSON has tabs, and blanks around the colon' "$(printf '\t\t"machine" : "guest",')" \
	"$(ctl list -o json-pretty | grep guest)"
like 'with --all the host is the first' '.host       host      -              *' "$(ctl list -a | sed -n 2p)"
is 'the host is no container' 'Class=host State=running' "$(ctl show .host -p Class -p State | xargs)"
is 'on a terminal lines are cut to its width' 'a-long-name container nspawn-…|guest       container nspawn-…' \
	"$(timeout 60 "$PTY" -s 24x30 -- "$NL" list --no-legend 2>/dev/null </dev/null | tr -d '\r' | head -2 | xargs -d '\n' printf '%s|' | sed 's/|$//')"

leader=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/guest")
index=$(cat /proc/"$leader"/root/sys/class/net/host0/ifindex)
is 'status is the original'"'"'s, byte for byte' "$(printf '%s\n' \
	'guest(53990921e36c49bf8682de9bb3c5f5ae)' \
	'	   Since: DAY DATE TIME ZONE; AGO' \
	"	  Leader: $leader (sleep)" \
	'	 Service: systemd-nspawn; class container' \
	"	    Root: $t" \
	'	   Iface: ve-guest' \
	'	 Address: 10.9.8.7' \
	'	          fd00:9::7' \
	"	          $link_local%$index" \
	'	      OS: Debian GNU/Linux 12 (bookworm)' \
	'	    Unit: systemd-nspawn@guest.service' \
	"		  └─$leader sleep 1000")" "$(ctl status guest -n 0 |
	sed 's/: [A-Z][a-z][a-z] 20[0-9][0-9]-[01][0-9]-[0-3][0-9] [0-9:]\{8\} UTC; [0-9min ]*[0-9]m\{0,1\}s ago$/: DAY DATE TIME ZONE; AGO/')"
if command -v setpriv >/dev/null; then
	chmod 755 "$T"
	cp "$NL" "$T/for-all"
	other() { timeout 60 setpriv --reuid=65534 --regid=65534 --clear-groups "$T/for-all" "$@"; }
	run other list
	is 'who is not root sees none, and is told why' '1  nspawn-lite: Need to be root.' "$rc $out $err"
	run other wait guest
	is 'nor that one has ended which runs' '1 nspawn-lite: Need to be root.' "$rc $err"
else
	skip 'who is not root is told why' 'no setpriv'
fi
begin talks -b --console=read-only
has_talked() { ctl status talks -n 1 | tail -n 1 | grep -q 'systemd-nspawn.*: '; }
ok 'status ends with what the console said last' wait_for has_talked
is 'with -o cat that is bare' "$(ctl status talks -n 1 | sed '$s/^.* systemd-nspawn\[[0-9]*\]: //; $!d')" "$(ctl status talks -n 1 -o cat | tail -n 1)"
run ctl status talks -n 1 -o short-iso
like 'a way to show them that is not ours is said' '--output=short-iso: shown as by short 1' "$err $(lines "$out" | grep -c 'systemd-nspawn.*: ')"
kill -USR2 "$(supervisor talks)"
wait_for [ ! -e "$state/talks" ]
is 'status of two has an empty line between' 1 "$(ctl status guest a-long-name -n 0 | grep -c '^$')"
run ctl status guest nobody a-long-name
is 'the first that is not known ends it' '1 1' "$rc $(lines "$out" | grep -c Leader)"
is 'show has its order, whatever is asked for first' 'Name Id Timestamp TimestampMonotonic Service Unit Leader Class RootDirectory State' \
	"$(ctl show guest -p State -p Name -p Id -p Timestamp -p TimestampMonotonic -p Service -p Unit -p Leader -p Class -p RootDirectory | sed 's/=.*//' | xargs)"
is 'show says the same without -p' 'Name Id Timestamp TimestampMonotonic Service Unit Leader Class RootDirectory State' \
	"$(ctl show guest | sed 's/=.*//' | xargs)"
is 'and with --all what has no value here' 'NetworkInterfaces=[unprintable]' "$(ctl show -a guest | tail -n 1)"
is 'one value by -P' running "$(ctl show -P State guest)"
is 'a property that there is none of is nothing' '' "$(ctl show -p Bogus guest)"
is 'show for programs' "[{\"Name\":\"guest\",\"Leader\":$leader}]" "$(ctl show guest -p Leader -p Name -o json)"

# ---- settings ----

mkdir -p "$T/root/etc/systemd/nspawn"
printf '[Exec]\nBoot=no\n' >"$T/root/etc/systemd/nspawn/guest.nspawn"
is 'cat prints its file of settings' "# $T/root/etc/systemd/nspawn/guest.nspawn [Exec] Boot=no" "$(ctl cat guest | xargs)"
run ctl cat a-long-name guest
is 'one without a file says so, and the others follow' "1 No settings file found for machine 'a-long-name'. 3" \
	"$rc $err $(lines "$out" | wc -l)"
rm "$T/root/etc/systemd/nspawn/guest.nspawn"
mkfifo "$T/root/etc/systemd/nspawn/guest.nspawn"
run ctl cat guest
is 'what is no file is not read' 1 "$rc"
rm "$T/root/etc/systemd/nspawn/guest.nspawn"
is 'edit without one begins one below /etc, or takes that beside the tree' "$T/root/etc/systemd/nspawn/nobody.nspawn ${t%/*}/guest.nspawn" \
	"$(: >"${t%/*}/guest.nspawn"; EDITOR='printf %s\n' ctl edit nobody guest | xargs)"
rm "${t%/*}/guest.nspawn"
run ctl edit guest a/b
is 'edit of what can be no machine' '1 Invalid machine name a/b.' "$rc $err"

# ---- what there is none of ----

run ctl --runner=vmspawn list
is 'there is one runner only' '1 --runner=vmspawn: not one of: nspawn' "$rc$out $err"
run ctl -V list
is 'whatever it is asked by' '1 -V: nspawn is the only runner' "$rc$out $err"
run ctl --user list
is 'there are no machines of users, and no verb is taken for a user' "1 --user: there is one manager only, the system's" "$rc$out $err"
ln -s "$NL" "$T/importctl"
for o in P S C; do
	run timeout 20 "$T/importctl" -$o list-images
	is "importctl -$o: there are other images nowhere" "1 --class=$o: there are images of machines only" "$rc$out $err"
done
is 'importctl -N is --keep-download=no' '0 No images.' "$(timeout 20 "$T/importctl" -N list-images >"$T/out" 2>&1; echo $?) $(cat "$T/out")"

# ---- what guests make of themselves ----

begin hostile sh -c 'sleep 1000 & sleep 1000; :' "$(printf 'a\033[31mb\nc\302\205d')"
three() { [ "$(ctl status hostile -n 0 | grep -c 'sleep 1000')" = 3 ]; }
wait_for three
is 'control characters of a command line are shown as what they are' 1 \
	"$(ctl status -l hostile -n 0 | grep -cF 'a\x1b[31mb\x0ac\xc2\x85d')"
is 'its processes are a tree' '├─ ├─ └─' "$(ctl status hostile -n 0 | sed -n 's/^		  \([^0-9]*\)[0-9].*/\1/p' | xargs)"
is 'on a terminal they are cut' 1 "$(timeout 60 "$PTY" -s 24x50 -- "$NL" status hostile -n 0 </dev/null 2>/dev/null | grep -c 'sleep 1000 &.*…')"
begin many sh -c 'i=0; while [ $i -lt 600 ]; do sleep 1000 & i=$((i + 1)); done
	until [ "$(busybox pidof sleep | busybox wc -w)" = 600 ]; do :; done; : >/tmp/done; wait'
all_there() { [ -e "/proc/$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/many")/root/tmp/done" ]; }
TRIES=600 wait_for all_there
is 'of many processes the rest is counted' '512 1' \
	"$(ctl status many -n 0 | sed -n 's/^		  .*[0-9] sleep 1000$/one/p; s/^		  … and \(89\) more processes$/rest/p' | sort | uniq -c | awk '$2 == "one" { n = $1 + 1 } $2 == "rest" { r = $1 } END { print n, r }')"
for release in 'ID="a\033[31m"' 'ID="'"$(printf 'x%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65)"'"'; do
	# shellcheck disable=SC2059 # it has escapes
	printf "$release\n" >"$t/etc/os-release"
	begin odd sleep 1000
	is "an os-release that is no good says nothing (${#release})" 'odd container systemd-nspawn - - -' "$(ctl list --no-legend | grep odd | tr -s ' ')"
	kill "$(supervisor odd)"
	wait_for [ ! -e "$state/odd" ]
done
rm "$t/etc/os-release"
mkfifo "$t/etc/os-release"
begin odd sleep 1000
is 'one that is a FIFO keeps nobody waiting' 'odd container systemd-nspawn - - -' "$(ctl list --no-legend | grep odd | tr -s ' ')"

# ---- hidden, killed, broken ----

begin unseen --register=no sleep 1000
is 'one with --register=no is in no list' 0 "$(ctl list | grep -c unseen)"
is 'but in that of --all' 1 "$(ctl list --all | grep -c unseen)"
gone() { ! [ -d "/proc/$1" ]; }
pid=$(supervisor a-long-name)
kill -9 "$pid"
wait_for gone "$pid"
is 'one whose supervisor was killed is gone with it' '1 0' "$(grep -c '^STATE=running' "$state/a-long-name") $(ctl list | grep -c a-long-name)"
run ctl status a-long-name
is 'for status, too' "1 Could not get path to machine: No machine 'a-long-name' known" "$rc $err"

printf 'NAME=../../etc\nLEADER=1\nSTATE=running\nSUM=0123456789abcdef\n' >"$state/junk"
is 'a register that nobody holds is none' 0 "$(ctl list -a | grep -c junk)"
sh -c 'flock -x 9 && exec sleep 1000' 9>>"$state/junk" &
background_pids="$background_pids $!"
held() { ! flock -n -s "$state/junk" true; }
wait_for held
is 'one that is held, and says nothing that is true, is not taken for one that runs' 0 "$(ctl list | grep -c junk)"
like 'but its name is taken' 'junk container systemd-nspawn - - -' "$(ctl list -a --no-legend | grep junk | tr -s ' ')"
: >"$state/empty"
mkdir "$state/dir"
ln -s junk "$state/link"
mkfifo "$state/fifo"
head -c 70000 /dev/zero >"$state/zeros"
is 'other things in that directory are none' '' "$(ctl list -a --no-legend | grep -e empty -e dir -e link -e fifo -e zeros)"
rmdir "$state/dir"
rm "$state/empty" "$state/link" "$state/fifo" "$state/zeros"
run nl --cleanup
is '--cleanup wants to know of what' '1 nspawn-lite: --cleanup needs -M, -D or -i' "$rc $err"
run nl --cleanup -M a-long-name
is '--cleanup removes what was left, and starts nothing' '0  no' "$rc $err$out $([ -e "$state/a-long-name" ] && echo yes || echo no)"
done_testing
