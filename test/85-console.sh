#!/bin/sh
# shellcheck disable=SC2016,SC2317 # what is expanded is expanded inside; functions may be called by name
# What a console said, for those who come later; and to sit at it from elsewhere:
# several at once, with what was said before, through a reboot, without a loss.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
need_root
umask 022

tree=$(tree busybox) || skip_all 'no tree'
# an init that does what is typed, each line of it
cat >"$tree/typed" <<'E'
#!/bin/sh
stty -echo
trap 'exit 0' TERM
echo "up $(cat /life 2>/dev/null)"
while :; do
	read -r line || sleep 1
	eval "$line"
done
E
cat >"$tree/say" <<'E'
echo one
echo two
printf '\033[31mred\033[0m \033]0;title\007be\007ll \302\233x caf\303\251 \377\n'
echo finished
E
cat >"$tree/many" <<'E'
stty -opost
i=0
while [ $i -lt 25 ]; do cat /lines; i=$((i+1)); done
stty opost
echo all
E
i=0
while [ $i -lt 5000 ]; do
	echo "this is line $i, and it is long enough to make up for the smallness of its number."
	i=$((i + 1))
done >"$tree/lines"
chmod 755 "$tree/typed"
rm -f "$tree/sbin/init"
ln -s ../typed "$tree/sbin/init"
pid_three=""
state=$T/root/run/nspawn-lite

# up NAME [WORD...] : as start starts one: nobody sits there
up() {
	name=$1
	shift
	NSPAWN_LITE_START=x "$NL" -q -b -D "$tree" -M "$name" "$@" <&- >"$T/$name.up" 2>&1 &
	eval "pid_$name=$!"
	wait_for grep -qs '^STATE=running' "$state/$name"
	case " $* " in
	*' --log=no '*) ;;
	*) wait_for said "$name" up ;;
	esac
}

said() {	# said NAME TEXT
	"$NL" logs "$1" 2>/dev/null | grep -q "$2"
}

down() {
	eval "kill -9 \$pid_$1" 2>/dev/null
	eval "wait \$pid_$1" 2>/dev/null
}

typed() {	# typed NAME TEXT : without staying
	printf '%s\n' "$2" | timeout 100 "$NL" console -n 0 "$1" >"$T/typed.out" 2>&1 &
	typing=$!
}

# sit LINE... : a script of the pty driver, at the console of one
sit() {
	printf '%s\n' "$@" exit >"$T/script"
	out=$("$PTY" -t 60 "$T/script" -- "$NL" console one 2>"$T/err")
	rc=$?
}

leftovers_before
up one --ephemeral

# ---- logs -------------------------------------------------------------------

sit 'wait up' 'send . /say\n' 'wait finished' 'send \x1d\x1d\x1d'
is 'console: ^] three times leaves it with status 0' 0 $rc
like 'and a line says so, as one did before' '*Connected to the console of machine one. Press*Left the console of machine one.*' "$out"
like 'the terminal is as it was' '*tty restored*' "$(cat "$T/err")"
is 'logs: all its console said, without returns' "up |one|two|$(printf '\033[31mred\033[0m \033]0;title\007be\007ll \302\233x caf\303\251 \377')|finished|" \
	"$("$NL" logs one | tr '\n' '|')"
is 'logs -n: the last lines' 'finished|' "$("$NL" logs -n 1 one | tr '\n' '|')"
is 'more than there are: all' 5 "$("$NL" logs -n 99 one | wc -l)"
is 'none' 0 "$("$NL" logs -n 0 one | wc -l)"
printf 'exit\n' >"$T/script"
is 'to a terminal nothing that drives it' 'red be\x07ll \xc2\x9bx café \xff' "$("$PTY" -t 60 "$T/script" -- "$NL" logs one 2>/dev/null | tr -d '\r' | grep red)"
like 'logs -o short: with a time, and who said it' "??? ?? ??:??:?? $(uname -n) one[[]*[]]: two" "$("$NL" logs -o short one | grep two)"
is 'its number is that of its leader' "$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/one")" "$("$NL" logs -o short one | sed -n 's/.*one\[\(.*\)\]: two/\1/p')"
like 'logs -o json: an object a line' '{"time":*,"kind":"console","text":"two"}' "$("$NL" logs -o json one | grep two)"
is 'with what is no letter escaped' 'text":"\u001b[31mred\u001b[0m \u001b]0;title\u0007be\u0007ll \ufffd\ufffdx café \ufffd"}' \
	"$("$NL" logs -o json one | sed -n 's/.*\(text.*red\)/\1/p')"
is 'logs -o cat: byte for byte' "$(printf 'up \r\none\r\ntwo\r\n' | od -c)" "$("$NL" logs -o cat one | head -n 3 | od -c)"
run "$NL" logs nothing
is 'one that never was: a sentence' '1 nspawn-lite: logs: no machine nothing is known, nor was one lately' "$rc $err"
run "$NL" logs -o verbose one
is 'an unknown form: a sentence' '1 nspawn-lite: --output=verbose: not one of: short, cat, json' "$rc $err"
run "$NL" logs -n some one
is 'a wrong number: a sentence' '1 nspawn-lite: --lines=some: neither a number nor all' "$rc $err"

# ---- several ------------------------------------------------------------------

printf '%s\n' 'wait two' 'send echo "from the s"econd\n' 'wait from the first' 'send \x1d\x1d\x1d' exit >"$T/script2"
"$PTY" -t 60 "$T/script2" -- "$NL" console one >"$T/second" 2>&1 &
second=$!
sit 'wait from the second' 'send echo "from the f"irst\n' 'wait from the first' 'size 33 77' 'send until stty size | grep "^33 7"7; do sleep 0.1; done\n' 'wait 33 77' 'send \x1d\x1d\x1d'
wait $second
is 'two sit there at once: both see both' '0 0' "$rc $?"
is 'who changes the size of a window last has it' 1 "$("$NL" logs one | grep -c '^33 77')"
is 'console -n: so much of what was before' 1 "$(printf '%s\n' 'wait 33' 'send \x1d\x1d\x1d' exit >"$T/script"
	"$PTY" -t 60 "$T/script" -- "$NL" console -n 1 one 2>/dev/null | tr -d '\r' | grep -c '^33 77\|^two')"
sit 'wait 33 77' 'send \x1d\x1d\necho not "l"eft\n' 'wait not left' 'send \x1d\x1d\x1d'
is 'two of them do not leave' 0 $rc

# ---- pipes ----------------------------------------------------------------------

# 10 MB, and each byte of them
typed one '. /many'
ok 'what is typed may come through a pipe' wait_for grep -q '^all' "$T/typed.out"
i=0
while [ $i -lt 25 ]; do
	cat "$tree/lines"
	i=$((i + 1))
done >"$T/want"
sed '/^all/d' "$T/typed.out" >"$T/got"
ok 'and what comes out is all that the guest said, 10 MB of it' cmp "$T/want" "$T/got"
kill $typing
wait $typing
# one that is stopped: the guest waits for it, and then no more
typed one '. /say'
wait_for grep -q finished "$T/typed.out"
client=$(ps -o pid= --ppid $typing)
kill -STOP "$client"
printf '%s\n' '. /many' | timeout 100 "$NL" console -n 0 one >"$T/other.out" 2>&1 &
other=$!
ok 'one that is stopped holds up the others for a while only' wait_for grep -q '^all' "$T/other.out"
kill -CONT "$client"
ok 'it hears the end' wait_for grep -q '^all' "$T/typed.out"
is 'and is told that it has missed something' 1 "$(grep -c '^\[[0-9]* bytes are lost\]' "$T/typed.out")"
kill $other $typing
wait $other $typing 2>/dev/null

# ---- who may ------------------------------------------------------------------------

is 'nobody else gets there' '700 700' "$(stat -c %a "$state/.consoles" "$state/.logs" | tr '\n' ' ' | sed 's/ $//')"
if command -v socat >/dev/null; then
	printf garbage | timeout 60 socat -t 50 - "UNIX-CONNECT:$state/.consoles/one,socktype=5"
	is 'who sends something else is sent away' 0 $?
	head -c 4000 /dev/zero | tr '\0' d | timeout 60 socat -b 8000 -t 50 - "UNIX-CONNECT:$state/.consoles/one,socktype=5"
	is 'so is who sends too much at once' 0 $?
else
	skip 'who sends something else is sent away' 'no socat'
fi
mkfifo "$T/never"
sleep 1000 >"$T/never" &
sleeper=$!
seats=''
for i in 1 2 3 4 5 6 7 8; do
	: >"$T/seat$i"
	"$NL" console one <"$T/never" >>"$T/seat$i" 2>&1 &
	seats="$seats $!"
	wait_for grep -q "^all" "$T/seat$i"
done
run "$NL" console one
is 'the ninth is told that there is no room' '1 nspawn-lite: 8 sit at the console of machine one already' "$rc $err"
# shellcheck disable=SC2086 # words
kill $sleeper $seats
# shellcheck disable=SC2086
wait $sleeper $seats 2>/dev/null
sit 'wait all' 'send echo room a"g"ain\n' 'wait room again' 'kill TERM' exit
is 'and when they are gone there is' 1 "$("$NL" logs one | grep -c '^room again')"
like 'one that is told to end sets the terminal right' '*tty restored*' "$(cat "$T/err")"
run "$NL" console nothing
like 'no such machine: a sentence' "1 *No machine 'nothing' known" "$rc $err"

# ---- through a reboot, and to the end ---------------------------------------------------

timeout 60 "$NL" logs -f -n 0 one >"$T/follow" 2>&1 &
follow=$!
watches() { for p in $(ps -o pid= --ppid "$follow"); do readlink "/proc/$p/fd"/*; done | grep -q inotify; }
wait_for watches
NSPAWN_LITE_DENY=inotify_init1 timeout 60 "$NL" logs -f one >"$T/follow2" 2>&1 &
follow2=$!
wait_for test -s "$T/follow2"
printf '%s\n' 'wait room again' 'send echo 2nd >/life; reboot -f\n' 'wait up' 'send echo lives: $(cat /life 2>&1)\n' \
	'wait lives' 'send exit 0\n' exit >"$T/script"
out=$("$PTY" -t 60 "$T/script" -- "$NL" console -n 2 one 2>"$T/err")
is 'console: it ends with the machine' 0 $?
like 'and says so' '*Machine one has ended.*' "$out"
wait $follow
is 'so does logs -f' '0 1' "$? $(grep -c '^lives' "$T/follow")"
wait $follow2
is 'also where the kernel does not tell of changes' 0 $?
ok 'it has missed nothing' sh -c "'$NL' logs one | cmp - '$T/follow2'"
like 'logs -o short tells of lives' '*-- it ended*-- it began*-- it ended*' "$("$NL" logs -n 10 -o short one)"
run "$NL" console one
like 'its console is gone' "1 *No machine 'one' known" "$rc $err"
is 'with its socket' '' "$(ls "$state/.consoles")"

# ---- killed, and again ---------------------------------------------------------------------

up two
eval "kill -9 \$pid_two"
wait_for sh -c '! "$1" console two 2>/dev/null </dev/null' sh "$NL"
is 'what it said stays when its supervisor was killed' 'up ' "$("$NL" logs two)"
up two
wait_for sh -c 'test "$("$1" logs two | grep -c up)" = 2' sh "$NL"
is 'and its next life goes on behind it' 'up |up |' "$("$NL" logs two | tr '\n' '|')"
down two
printf 'garbage' >"$state/.logs/two"
up two
is 'a file that was damaged is begun anew' 'up ' "$("$NL" logs two)"
down two

# ---- --log ----------------------------------------------------------------------------------

up three --log=no
run "$NL" logs three
like '--log=no: nothing is kept' '1 *has no console that is kept*' "$rc $err"
run "$NL" console three
like 'so there is none to sit at' '1 *has no console*' "$rc $err"
down three
head -c 1048575 /dev/zero >"$T/file"
up three --ephemeral "--log=$T/file"
typed three '. /say; exit 0'
wait "$pid_three"
is '--log=PATH: all that it said, without returns' 'up |one|two|finished|' "$(grep -v red "$T/file" | tr '\n' '|')"
is 'behind what was there; a file that is full gets another name' 1048575 "$(stat -c %s "$T/file.1")"
run "$NL" -b -D "$tree" "--log=$T/nowhere/file"
like 'one that cannot be made: it does not start' "1 *--log=$T/nowhere/file: No such file*" "$rc $err"
run "$NL" plan -b --log=file
is 'a path that is none' '1 nspawn-lite: --log=file: neither an absolute path, nor syslog or no' "$rc $err"
if command -v socat >/dev/null; then
	mkdir -p "$T/root/dev"
	timeout 60 socat -u "UNIX-RECVFROM:$T/root/dev/log,fork" "SYSTEM:cat >>'$T/syslog'; echo >>'$T/syslog'" &
	socat=$!
	wait_for test -S "$T/root/dev/log"
	up three --ephemeral --log=syslog
	leader=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$state/three")
	typed three '. /say; exit 0'
	wait "$pid_three"
	wait_for grep -q finished "$T/syslog"
	like '--log=syslog: a datagram each line' "*<30>??? ?? ??:??:?? three[[]${leader}[]]: finished*" "$(cat "$T/syslog")"
	kill $socat
else
	skip '--log=syslog: a datagram each line' 'no socat'
fi

# ---- no more than that -------------------------------------------------------------------------

is 'none is larger than it may be' '' "$(find "$state/.logs" -size +65k)"
i=0
while [ $i -lt 40 ]; do
	: >"$state/.logs/old$i"
	touch -d "2020-01-01 00:00:$((10 + i))" "$state/.logs/old$i"
	i=$((i + 1))
done
up four
is 'of machines that ended the last 32 stay' '33 no yes' "$(find "$state/.logs" -type f | wc -l) $(
	[ -e "$state/.logs/old0" ] && echo yes || echo no) $([ -e "$state/.logs/old39" ] && echo yes)"
down four
run "$NL" -q -D "$tree" -M five /bin/true
is 'a command that is run leaves none' '0 no' "$rc $([ -e "$state/.logs/five" ] && echo yes || echo no)"
rm -f "$state"/two "$state"/three "$state"/four
done_testing
