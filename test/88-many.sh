#!/bin/sh
# shellcheck disable=SC2119,SC2154,SC2317 # variables by run; one of lib.sh has words that may be left out; called by wait_for
# Many machines start and end at random, in each way that there is, supervisors that are killed included, while others
# ask which there are: those who know what they did to one find it so in the list, no list has a machine whose register
# nobody holds, none takes long, and in the end nothing stays. SEED=N picks the same again; MANY is how many (40),
# MANY_ROUNDS how often each of those who do it does something (40).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need timeout awk
many=${MANY:-40}
rounds=${MANY_ROUNDS:-40}
hands=4
seed=${SEED:-$(($(date +%s) % 1000000))}
echo "# SEED=$seed"
state=$T/root/run/nspawn-lite
store=$T/root/var/lib/machines
busy=$("$TESTDIR/trees" busybox)/bin/busybox
nl() { timeout 60 "$NL" "$@"; }

# an init that ends as soon as it is told to, in whatever way
mkdir -p "$store" "$T/going"
cat >"$T/init" <<'END'
#!/bin/busybox sh
trap 'kill $!; exit 0' TERM INT USR1 USR2 PWR RTMIN+3 RTMIN+4
while :; do
	busybox sleep 1000 &
	wait
done
END
chmod 755 "$T/init"
i=0
while [ $i -lt "$many" ]; do
	i=$((i + 1))
	mkdir -p "$store/m$i/bin" "$store/m$i/sbin" "$store/m$i/etc" "$store/m$i/proc" "$store/m$i/usr"
	ln "$T/init" "$store/m$i/sbin/init" && : >"$store/m$i/etc/os-release" || exit
	ln "$busy" "$store/m$i/bin/busybox" 2>/dev/null || cp "$busy" "$store/m$i/bin/busybox"
done
run nl start m1
case $err in *'not built'*) skip_all 'this build starts no machines' ;; esac
is 'a machine starts' '0 ' "$rc $err"
nl terminate m1
leftovers_before

names() { nl list --no-legend | awk '{ print $1 }'; }
supervisor() { sed -n 's/^SUPERVISOR=//p' "$state/$1" 2>/dev/null; }
# names and pids of whoever holds a register, as the kernel says it
holders() {
	{
		ls -i "$state" 2>/dev/null  # some go meanwhile
		cat /proc/locks
	} | awk '
		NF == 2 { name[$1] = $2; next }
		$2 == "FLOCK" && $4 == "WRITE" && split($6, at, ":") == 3 && at[3] in name { print name[at[3]] }'
}

# ---- who does it: each has machines of its own, so it knows how they are ---------------------------------

complain() { echo "$1: $2" >>"$T/complaints"; }
shown() {
	names >"$T/names.$hand" || complain "$1" "list: status $?"
	grep -qx "$1" "$T/names.$hand"
}
begin() {
	: >"$T/going/$1"
	said=$(nl start "$1" 2>&1) || complain "$1" "start: $said"
	shown "$1" || complain "$1" 'has started, and is not in the list'
	rm "$T/going/$1"
}
# end NAME HOW
end() {
	pid=$(supervisor "$1")
	case $2 in
	kill)	kill -9 "$pid"
		TRIES=600 wait_for is_gone "$pid" ;;
	*)	said=$(nl "$2" "$1" 2>&1) || complain "$1" "$2: $said"
		[ "$2" = terminate ] || TRIES=600 wait_for is_gone "$pid" ;;
	esac
	! shown "$1" || complain "$1" "has ended ($2), and is in the list"
}
# a zombie is one that nobody of ours waits for
is_gone() {
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in ''|Z*) ;; *) return 1 ;; esac
}
hand() {
	hand=$1
	rnd=$((seed + hand * 7919))
	on=' '
	turn=0
	while [ $turn -lt "$rounds" ]; do
		turn=$((turn + 1))
		rnd=$(((rnd * 1103515245 + 12345) % 2147483648))
		name=m$((hand + hands * (rnd / 65536 % (many / hands))))
		case $on in
		*" $name "*)
			case $((rnd / 256 % 4)) in
			0)	how=stop ;;
			1)	how=terminate ;;
			*)	how='kill' ;;
			esac
			end "$name" $how
			on=${on%% "$name" *}\ ${on#* "$name" } ;;
		*)	begin "$name"
			on="$on$name " ;;
		esac
	done
	echo "$on" >"$T/on.$hand"
}

: >"$T/complaints"
: >"$T/lists"
pids=''
for n in 1 2 3 4; do
	hand $n &
	pids="$pids $!"
done
(
	# while any of them is at it
	until [ -e "$T/on.1" ] && [ -e "$T/on.2" ] && [ -e "$T/on.3" ] && [ -e "$T/on.4" ]; do
		ls "$T/going" >"$T/may"
		holders >>"$T/may"
		timeout 60 "$NL" list --no-legend >"$T/list" 2>&1 || complain list "status $?: $(head -c 200 "$T/list")"
		ls "$T/going" >>"$T/may"
		holders >>"$T/may"
		awk 'NR == FNR { may[$1]; next } !($1 in may) { print $1 }' "$T/may" "$T/list" |
			while read -r name; do
				complain "$name" 'is in a list, and nobody held its register'
			done
		echo >>"$T/lists"
	done
) &
pids="$pids $!"
for pid in $pids; do
	wait "$pid" 2>/dev/null
done
is 'no list lied, and none took long' '' "$(cat "$T/complaints")"
ok 'and there were some' test "$(wc -l <"$T/lists")" -ge 3
note "$(wc -l <"$T/lists") lists"

# ---- all at once ------------------------------------------------------------------------------------------

i=0
all=''
while [ $i -lt "$many" ]; do
	i=$((i + 1))
	all="$all m$i"
done
# shellcheck disable=SC2086 # names are words
run timeout 300 "$NL" start $all
is 'all of them start' '0 ' "$rc $err"
is 'and all of them are there' "$many" "$(names | wc -l | tr -d ' ')"
# half of them without a word
pids=''
for name in $all; do
	case $name in *[02468]) pids="$pids $(supervisor "$name")" ;; esac
done
# shellcheck disable=SC2086 # numbers are words
kill -9 $pids
all_gone() {
	for pid in $pids; do
		is_gone "$pid" || return 1
	done
}
TRIES=600 wait_for all_gone
is 'those whose supervisors were killed are not there any more' "$((many - $(echo "$pids" | wc -w)))" \
	"$(names | wc -l | tr -d ' ')"
# shellcheck disable=SC2046 # names are words
run timeout 300 "$NL" terminate $(names)
is 'the others end' '0  ' "$rc $err $(names)"

# each command that starts one takes a few of those away that were killed
i=0
t=$(tree)
while [ $i -le $((many / 4)) ] && [ -n "$(ls "$state")" ]; do
	i=$((i + 1))
	nl -q -D "$t" /bin/true
done
# images were begun in, what they said last and the addresses they had are kept
rm -rf "$store" "$state/.logs" "$state/.consoles" "$state/.hosts"
leftovers_after 'and in the end nothing stays'
done_testing
