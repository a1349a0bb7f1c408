#!/bin/sh
# The equipment itself: what the other tests stand on goes red when it should,
# and the pty driver sees, sends and tells what it says.
# shellcheck disable=SC2016 # what stands in single quotes is for other shells
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
export TESTDIR
shell=${TESTSH:-sh}
nl='
'

# inner TEXT : a test of its own; sets out, err and rc
apart=''
inner() {
	# shellcheck disable=SC2086 # words
	run $apart $shell -c '. "$TESTDIR/lib.sh"; '"$1" inner
}

# red NAME TEXT : this one result is 'not ok', and so is the script
red() {
	inner "$2${nl}done_testing"
	like "$1 is red" '1 not ok - x*1..1' "$rc $out"
}
# green NAME TEXT
green() {
	inner "$2${nl}done_testing"
	is "$1 is green" "0 ok - x${nl}1..1" "$rc $out"
}

green 'a command that succeeds' 'ok x true'
red 'a command that fails' 'ok x false'
like 'and it is shown' '*status 3: sh*the reason*' "$(inner 'ok x sh -c "echo the reason; exit 3"'; echo "$err")"
green 'the same' 'is x "a b" "a b"'
red 'not the same' 'is x a b'
green 'a pattern' 'like x "*b*" abc'
red 'no such pattern' 'like x "*d*" abc'
green 'no such pattern where there should be none' 'unlike x "*d*" abc'
red 'a pattern where there should be none' 'unlike x "*b*" abc'
red 'a failure in a pipe' 'echo | is x a b'
red 'a failure in a subshell' '(is x a b)'
inner 'skip x why; finish'
is 'skip gives its reason' "0 ok - x # SKIP why${nl}1..1" "$rc $out"
inner 'skip_all why; echo more'
is 'skip_all ends it with a reason' '0 1..0 # SKIP why' "$rc $out"
inner 'ok x true; skip_all why'
unlike 'skip_all is no way out later' '0 *' "$rc $out"
inner 'need nosuchcommand; echo more'
is 'a command that is needed' '0 1..0 # SKIP no nosuchcommand' "$rc $out"

for how in 'ok x true' 'ok x true; exit 0' 'exit 7' 'kill -TERM $$' '"${nosuch?}"' 'done_testing' 'exec 3</nosuch'; do
	inner "$how"
	unlike "it is red to end with: $how" '0 *' "$rc"
done
inner 'ok x true; exit 0'
unlike 'and then there is no plan' '*1..*' "$out"

inner 'run sh -c "echo out; echo err >&2; exit 3"; is x "out err 3" "$out $err $rc"; done_testing'
is 'run tells output, errors and status' 0 "$rc"
inner 'TRIES=3 wait_for false || is x a a; done_testing'
is 'wait_for ends' 0 "$rc"
(until [ -e "$T/go" ]; do sleep 0.1; done; touch "$T/there") &
touch "$T/go"
ok 'wait_for waits' wait_for test -e "$T/there"

inner 'echo "$T"; mkdir "$T/deep"; ok x true; done_testing'
unlike 'its directory is gone' '' "${out%%"$nl"*}"
ok 'all of it' test ! -e "${out%%"$nl"*}"
inner 'echo "$T"; kill -TERM $$; sleep 60'
ok 'after a signal too' test ! -e "${out%%"$nl"*}"

if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
	skip 'mounts below it' 'no mounts can be made'
	skip 'who inherited them' 'no mounts can be made'
else
	# A test beside it, which was made while it had mounts
	# shellcheck disable=SC2086 # words
	run unshare -m --propagation private $shell -c '"$@" -c '\''. "$TESTDIR/lib.sh"
		mkdir "$T/m"
		mount -t tmpfs none "$T/m"
		unshare -m --propagation private sleep 1000 &
		other=$!
		apart() { [ -e "/proc/$other/ns/mnt" ] && ! [ "/proc/$other/ns/mnt" -ef /proc/self/ns/mnt ] && grep -q "$T/m" "/proc/$other/mountinfo"; }
		wait_for apart
		is x "" "$(ours)"
		kill "$other"
		done_testing'\''' inner $shell
	like 'who inherited its mounts is not ended' '0 ok - x*' "$rc $out" || note "$err"
	# In a mount namespace of its own, so that nothing can stay
	# shellcheck disable=SC2086 # words
	run unshare -m --propagation private $shell -c '
		host=$(mktemp -d)
		: >"$host/precious"
		"$@" -c '\''. "$TESTDIR/lib.sh"
			mkdir "$T/a b"
			mount --bind "$0" "$T/a b"
			mount -t tmpfs none "$T/a b"
			ok x true
			done_testing'\'' "$host"
		ls "$host"
		grep -c "a.040b" /proc/self/mountinfo
		# One that cannot be unmounted
		"$@" -c '\''. "$TESTDIR/lib.sh"
			echo "$T" >"$0/where"
			umount() { false; }
			mkdir "$T/m"
			mount --bind "$0" "$T/m"
			ok x true
			done_testing'\'' "$host"
		echo "status $?"
		ls "$host"
		where=$(cat "$host/where")
		umount "$where/m"
		rm -rf "$where" "$host"' inner $shell
	is 'mounts below it are undone, and never emptied' \
		"ok - x${nl}1..1${nl}precious${nl}0${nl}ok - x${nl}1..1${nl}status 1${nl}precious${nl}where" "$out"
fi

# leaves WHAT TEXT UNDO : leftovers_after sees what TEXT leaves
leaves() {
	inner "leftovers_before${nl}$2${nl}changes${nl}$3${nl}leftovers_after x${nl}done_testing"
	like "what is left is seen: $1" "0 *new: $1*ok - x*1..1" "$rc $out" || note "$err"
}
leaves file ': >"$T/root/x"' 'rm "$T/root/x"'
leaves 'pty /dev/pts' "'$PTY' -e 'wait nothing' -- cat >/dev/null 2>&1 & wait_for eval 'changes | grep \"new: pty\"'" 'kill $!; wait'
inner 'leftovers_before; : >"$T/root/x"; TRIES=3 leftovers_after x; done_testing'
like 'what stays is red' '1 not ok - x*1..1 *new: file /x*' "$rc $out $err"
inner 'leftovers_before; mkdir -p "$T/root/run/nspawn-lite"; leftovers_after x; done_testing'
is 'the directories of the program may stay' 0 "$rc"
# Any program will do as the one that is left running
green 'a process of others' 'leftovers_before; sleep 60 & leftovers_after x; kill $!'
leaves process 'sleep 60 & wait_for eval "NL=\$(readlink /proc/$!/exe); [ -n \"\$(ours)\" ]"' 'kill $!; wait'
if [ "$(id -u)" != 0 ] || ! unshare -mn true 2>/dev/null || ! command -v ip >/dev/null; then
	skip 'mounts and links that are left' 'no namespaces can be made'
else
	apart='unshare -mn --propagation private'
	leaves 'mount *tmpfs*' 'mkdir "$T/m"; mount -t tmpfs none "$T/m"' 'umount "$T/m"'
	leaves 'link nl0*gone: link lo' 'ip link set lo name nl0' 'ip link set nl0 name lo'
	apart=''
fi

# ---- what is installed --------------------------------------------------------------

# what apt-get enables, and that an init script is disabled
mkdir "$T/fake"
cat >"$T/fake/apt-get" <<-'END'
	#!/bin/sh
	ln -sf new /etc/systemd/system/a.wants/new.service
	ln -sf new /etc/rc2.d/S01new
	mv /etc/rc2.d/S01old /etc/rc2.d/S02old
END
printf '#!/bin/sh\necho "$*" >>"%s"\n' "$T/fake/done" >"$T/fake/update-rc.d"
chmod 755 "$T/fake/apt-get" "$T/fake/update-rc.d"
# shellcheck disable=SC2016 # for the shell in there
run unshare -m --propagation private sh -c 'mount -t tmpfs none /etc/systemd && mount -t tmpfs none /etc/rc2.d || exit 9
	mkdir -p /etc/systemd/system/a.wants && ln -s old /etc/systemd/system/a.wants/old.service && ln -s old /etc/rc2.d/S01old
	PATH=$1:$PATH "$2/lab/need" such:nosuchcommand && ls /etc/systemd/system/a.wants' sh "$T/fake" "$TESTDIR"
case $rc in
9)	skip "no daemon that is installed begins with the host, but those that did" "no tmpfs on /etc/systemd: $err" ;;
*)	is "no daemon that is installed begins with the host, but those that did" "0 old.service new disable" "$rc $out $(cat "$T/fake/done")" ;;
esac

# ---- the pty driver ---------------------------------------------------------------

run "$PTY" -e 'wait name? ' -e 'send you\r' -e 'wait hello you' -e 'exit 4' -- \
	sh -c 'printf "name? "; read -r n; echo hello $n; exit 4'
is 'a dialogue' "4 tty restored" "$rc $err"
like 'all of it is printed' '*name? *hello you*' "$out"
cat >"$T/script" <<-'END'
	# a script
	wait ready
	send \101\x42\e\\\r
	wait [AB^[\\]

	eof
END
run "$PTY" "$T/script" -- sh -c 'echo ready; while read -r l; do printf "[%s]\n" "$l" | tr "\033" ^ | sed "s/\^/^[/"; done'
is 'a script in a file, and escapes' 0 "$rc"
run "$PTY" -- sh -c 'read -r pid _ _ _ _ sid tty _ </proc/$$/stat; echo "$((pid == sid)) $((tty != 0))"; tty </dev/tty'
like 'the command leads a session and has the terminal' "1 1*/dev/*" "$out"
run "$PTY" -s 40x100 -e 'wait 40 100' -e 'size 50 132' -e 'wait 50 132' -e 'exit 5' -- \
	sh -c 'trap "stty size; exit 5" WINCH; stty size; while :; do sleep 0.1; done'
is 'sizes of the window' 5 "$rc"
for step in 'send \x03:130' 'kill TERM:143' 'kill RTMIN+3:165' 'hangup:129'; do
	run "$PTY" -e 'wait ready' -e "${step%:*}" -e "exit ${step#*:}" -- sh -c 'echo ready; exec sleep 60'
	is "$step" "${step#*:}" "$rc"
done
# As a job of a shell it has SIGINT ignored
"$PTY" -e 'wait ready' -e 'send \x03' -- sh -c 'echo ready; exec sleep 60' >/dev/null 2>&1 &
rc=0
wait $! || rc=$?
is 'interrupt from the terminal, in the background' 130 "$rc"
run "$PTY" -- stty raw
is 'a terminal that is left changed' '0 tty changed' "$rc $err"
run "$PTY" -- nosuchcommand
is 'a command that is not there' 127 "$rc"
run "$PTY" -- sh -c 'i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i + 1)); done'
is 'much output comes whole' 20000 "$(printf '%s\n' "$out" | tr -d '\r' | awk '$0 == NR - 1' | wc -l | tr -d ' ')"

# wrong NAME PATTERN WORD... : 99 and a line
wrong() {
	what=$1
	want=$2
	shift 2
	run "$PTY" "$@"
	like "99: $what" "99 $want" "$rc $err"
}
wrong 'nothing within the deadline' '*not within 1 s: wait for it*' -t 1 -e 'wait for it' -- sleep 60
wrong 'no end within the deadline' '*not within 1 s: exit*' -t 1 -- sleep 60
wrong 'an end before what is waited for' '*ended before: wait for it*' -e 'wait for it' -- true
wrong 'an end before what is to be sent' '*ended before: send it*' -e 'exit' -e 'send it' -- true
wrong 'another status' '*ended with 1: exit 0*' -e 'exit 0' -- false
wrong 'no such step' '*unknown step: walk*' -e walk -- true
wrong 'a step without its text' '*wait what?*' -e wait -- true
wrong 'an unknown escape' '*unknown escape*' -e 'send \q' -- true
wrong 'no command' 'usage:*' -e exit
wrong 'no script' '*No such file*' "$T/nosuch" -- true

done_testing
