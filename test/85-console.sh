#!/bin/sh
# shellcheck disable=SC2016 # what is expanded is expanded inside
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
state=$T/root/run/nspawn-lite

# up NAME [WORD...] : as start starts one: nobody sits there
up() {
	name=$1
	shift
	NSPAWN_LITE_START=x "$NL" -q -b -D "$tree" -M "$name" "$@" <&- >"$T/$name.up" 2>&1 &
	eval "pid_$name=$!"
	wait_for said "$name" up
}

said() {	# said NAME TEXT
	"$NL" logs "$1" 2>/dev/null | grep -q "$2"
}

down() {
	eval "kill -9 \$pid_$1" 2>/dev/null
	eval "wait \$pid_$1" 2>/dev/null
}

typed() {	# typed NAME TEXT : without staying
	printf '%s\n' "$2" | timeout 30 "$NL" console -n 0 "$1" >"$T/typed.out" 2>&1 &
	typing=$!
}

# sit LINE... : a script of the pty driver, at the console of one
sit() {
	printf '%s\n' "$@" exit >"$T/script"
	out=$("$PTY" -t 20 "$T/script" -- "$NL" console one 2>"$T/err")
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
is 'to a terminal nothing that drives it' 'red be\x07ll \xc2\x9bx café \xff' "$("$PTY" -t 20 "$T/script" -- "$NL" logs one 2>/dev/null | tr -d '\r' | grep red)"
like 'logs -o short: with a time, and who said it' "??? ?? ??:??:?? $(uname -n) one[[]*[]]: two" "$("$NL" logs -o short one | grep two)"
is 'its number is that of its leader' "$(sed -n 's/^LEADER=//p' "$state/one")" "$("$NL" logs -o short one | sed -n 's/.*one\[\(.*\)\]: two/\1/p')"
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
"$PTY" -t 20 "$T/script2" -- "$NL" console one >"$T/second" 2>&1 &
second=$!
sit 'wait from the second' 'send echo "from the f"irst; stty size\n' 'wait from the first' 'size 33 77' 'send stty size\n' 'wait 33 77' 'send \x1d\x1d\x1d'
wait $second
is 'two sit there at once: both see both' '0 0' "$rc $?"
is 'who changes the size of a window last has it' 1 "$("$NL" logs one | grep -c '^33 77')"
is 'console -n: so much of what was before' 1 "$(printf '%s\n' 'wait 33' 'send \x1d\x1d\x1d' exit >"$T/script"
	"$PTY" -t 20 "$T/script" -- "$NL" console -n 1 one 2>/dev/null | tr -d '\r' | grep -c '^33 77\|^two')"
sit 'wait 33 77' 'send \x1d\x1dxecho not "l"eft\n' 'wait not left' 'send \x1d\x1d\x1d'
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
done_testing
