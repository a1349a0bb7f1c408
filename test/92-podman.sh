#!/bin/sh
# podman drives us: how a container begins, what it says, what is run in it, and how it ends.
# RUNTIME=/usr/sbin/runc tries the same with another runtime.
# shellcheck disable=SC2016,SC2317 # for the shell inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=client.sh
. "${0%/*}/client.sh"
config_podman || skip_all 'no podman that works here'
leftovers_before

once() { pod run --rm --network none "$@"; }
# up NAME OPTION... : a container that stays, and ends by SIGTERM with 9
up() {
	name=$1
	shift
	podman run -d --name "$name" --network none "$@" localhost/bb \
		sh -c 'trap "echo term; exit 9" TERM; echo up; while :; do sleep 0.1; done' >/dev/null &&
		wait_for says "$name" up
}
says() { podman logs "$1" 2>&1 | grep -q "$2"; }
field() { podman inspect -f "{{.$2}}" "$1"; }
groups_of() { sed 's/^[0-9]*:[^:]*://' "/proc/$1/cgroup" | sort -u; }

# ---- run ------------------------------------------------------------------------------------

once localhost/bb sh -c 'echo out; echo err >&2; exit 7'
is 'run gives the status, the output and the errors' '7 out err' "$rc $out $err"
is 'standard input comes through' 'a b c' "$(echo a b c | podman run -i --rm --network none localhost/bb cat)"
is 'megabytes come through unharmed' 4000000 \
	"$(head -c 4000000 /dev/zero | podman run -i --rm --network none localhost/bb cat | wc -c)"
once -e A=1 -e 'B=x y' -w /tmp -u user --hostname box localhost/bb \
	sh -c 'echo "$A $B $(pwd) $(id -u) $(id -g) $(id -G) $(hostname) $HOME $$"'
is 'environment, directory, user, groups and name of the host' '1 x y /tmp 1000 1000 1000 29 box /home/user 1' \
	"$(echo "$out" | sed 's/1000 29 1000/1000 29/')"
once localhost/bb sh -c 'ls /proc/1/fd; :'
is 'no descriptor but the three is there' '0 1 2' "$(echo "$out" | xargs)"
once --pid=host localhost/bb sh -c 'kill -9 $$'
is 'an end by a signal' 137 "$rc"
once localhost/bb no-such-program
like 'a program that is not there' '127 *' "$rc "
like 'and podman understands why' '*OCI runtime attempted to invoke a command that was not found*' "$err"
once localhost/bb /etc/passwd
like 'a program that cannot be executed' '126 *' "$rc "
like 'and podman understands that too' '*OCI permission denied*' "$err"
once -w /etc/passwd localhost/bb true
like 'a working directory that is none' '12[67] *' "$rc $err"
once -v /no/such/file:/x localhost/bb true
like 'a bind of what is not there' '12[5-7] *no*such*' "$rc $err"
once --entrypoint '["/bin/echo","a"]' localhost/bb 'b  c'
is 'entry point and words' 'a b  c' "$out"

# ---- terminals ------------------------------------------------------------------------------

tty() { "$PTY" "$@" 2>/dev/null | tr -d '\r'; }
like 'a terminal' '*/dev/pts/0 24 80 /dev/pts/0*tty*' "$(tty -s 24x80 -e 'wait done' -- \
	"$PODMAN" run -it --rm --network none localhost/bb \
	sh -c 'echo "$(tty) $(stty size) $(readlink /proc/self/fd/2)"; : >/dev/tty && echo tty; echo done')"
like 'what is typed arrives, and the window changes with ours' '*got hello*30 100*' "$(tty -s 24x80 -e 'wait up' \
	-e 'send hello\n' -e 'wait got' -e 'size 30 100' -e 'wait 30 100' -e 'send \n' -- \
	"$PODMAN" run -it --rm --network none localhost/bb \
	sh -c 'trap "stty size" WINCH; echo up; until read -r x && [ -n "$x" ]; do :; done; echo "got $x"; while ! read -r -t 1 x; do :; done')"
like 'the size is there when the program begins' '*31 101*' "$(tty -s 31x101 -- "$PODMAN" run -it --rm --network none localhost/bb stty size)"
is 'the status of what had a terminal' 5 \
	"$("$PTY" -- "$PODMAN" run -it --rm --network none localhost/bb sh -c 'exit 5' >/dev/null 2>&1; echo $?)"
once -t localhost/bb sh -c 'test -t 0 && test -t 1 && ls -l /dev/console | cut -c1 && stat -c %u,%a $(tty)'
like 'the terminal is the user'"'"'s, and the console' 'c*0,6?0*' "$(echo "$out" | tr -d '\r')"

# ---- a life ---------------------------------------------------------------------------------

ok 'a container in the background' up one -e WHO=init
is 'it runs' 'running true' "$(field one State.Status) $(field one State.Running)"
pid=$(field one State.Pid)
is 'its process is the one that is said' 'sh' "$(cat "/proc/$pid/comm")"
is 'its parent is conmon' conmon "$(cat "/proc/$(sed 's/.*) . \([0-9]*\).*/\1/' "/proc/$pid/stat")/comm")"
like 'it is in groups of its own' '*/libpod-*' "$(groups_of "$pid" | grep libpod)"
is 'no groups but these' 1 "$(grep -v ':memory:\|hugetlb\|^0:\|name=' "/proc/$pid/cgroup" | sed 's/.*://' | sort -u | wc -l)"

pod exec one sh -c 'echo "$WHO $$"; echo err >&2; exit 3'
like 'exec: status, output, errors' '3 init [1-9]* err' "$rc $out $err"
is 'exec: standard input' 'to it' "$(echo to it | podman exec -i one cat)"
pod exec -u user -w /home -e X=y one sh -c 'echo "$(id -u) $(pwd) $X $(grep CapEff /proc/self/status | cut -f2)"'
is 'exec: user, directory, environment, no rights' '1000 /home y 0000000000000000' "$out"
pod exec one sh -c 'cat /proc/self/cgroup'
is 'exec: in the same groups' "$(podman exec one cat /proc/1/cgroup)" "$out"
like 'exec: a terminal' '*/dev/pts/[0-9]*31 99*' "$(tty -s 31x99 -e 'wait done' -- \
	"$PODMAN" exec -it one sh -c 'until [ "$(stty size)" = "31 99" ]; do sleep 0.1; done; echo "$(tty) $(stty size)"; echo done')"
podman run -d --name traces --network none --cap-add SYS_PTRACE localhost/bb sleep 1000 >/dev/null
like 'exec: the same where processes may trace others' '*31 99 */dev/pts/[0-9]* Seccomp: 2 CapPrm: 00000000*' \
	"$(tty -s 31x99 -e 'wait done' -- "$PODMAN" exec -it traces \
	sh -c 'until [ "$(stty size)" = "31 99" ]; do sleep 0.1; done; echo $(stty size; tty; grep -hE "Seccomp:|CapPrm" /proc/self/status | sort -r); echo done')"
podman rm -f -t 0 traces >/dev/null
pod exec one nothing-of-that-name
like 'exec: what is not there is 127' '127 *not found*' "$rc $err"
pod exec one /etc/passwd
is 'exec: what cannot be executed is 126' 126 "$rc"
pod exec -w /nowhere one true
like 'exec: a directory that is not there' '12[67] *' "$rc $err"
podman exec -d one sh -c 'echo $$ >/tmp/detached; exec sleep 1000'
ok 'exec: in the background' wait_for podman exec one test -s /tmp/detached
like 'top shows what runs' '*sleep 1000*' "$(podman top one args)"
like 'and whose it is' 'USER*root*' "$(podman top one user pid)"
like 'ps of podman knows it' '*one*' "$(podman ps --format '{{.Names}} {{.Status}}')"
like 'stats' 'one [1-9]*' "$(podman stats --no-stream --format '{{.Name}} {{.PIDs}}' one)"

ok 'pause' podman pause one
is 'it is paused' paused "$(field one State.Status)"
pod exec one true
unlike 'nothing is executed in what is paused' 0 "$rc"
ok 'unpause' podman unpause one
is 'it runs on' 'running on' "$(field one State.Status) $(podman exec one echo on)"

ok 'cp into it' podman cp "$TESTDIR/lib.sh" one:/tmp/lib.sh
is 'it is there' "$(cksum <"$TESTDIR/lib.sh")" "$(podman exec one cat /tmp/lib.sh | cksum)"
ok 'cp out of it' podman cp one:/tmp/lib.sh "$T/back"
ok 'unchanged' cmp "$TESTDIR/lib.sh" "$T/back"

ok 'stop' podman stop -t 20 one
is 'it got SIGTERM and had its time' '9 exited up term' "$(field one State.ExitCode) $(field one State.Status) $(podman logs one | xargs)"
is 'wait gives its status' 9 "$(podman wait one)"
pod exec one true
like 'nothing is executed in what ended' '[1-9]* *can only create exec sessions on running containers*' "$rc $err"
ok 'start' podman start one
ok 'it says so' wait_for says one 'up'
ok 'restart' podman restart -t 20 one
is 'it has been up three times' 3 "$(wait_for sh -c "test \$('$PODMAN' logs one | grep -c up) = 3"; podman logs one | grep -c up)"
ok 'kill with a signal of its choice' podman kill -s TERM one
is 'that was it' 9 "$(podman wait one)"
podman start one >/dev/null && wait_for says one up
ok 'kill' podman kill one
is 'by SIGKILL' 137 "$(podman wait one)"
ok 'rm' podman rm one
ok 'one that does not listen to SIGTERM' podman run -d --name deaf --network none localhost/bb \
	sh -c 'trap "" TERM; while :; do sleep 0.1; done'
ok 'stop after its time' podman stop -t 0 deaf
is 'it was killed' 137 "$(field deaf State.ExitCode)"
podman rm deaf >/dev/null
ok 'rm -f of one that runs' up two
pid=$(field two State.Pid)
ok 'goes' podman rm -f -t 0 two
ok 'and with it its process' test ! -e "/proc/$pid"

# ---- create, start, commit, health ----------------------------------------------------------

id=$(podman create --name three --network none -i localhost/bb sh -c 'cat; echo made >/made; exit 4')
like 'created, it is not yet started' 'created 0' "$(podman inspect -f '{{.State.Status}} {{.State.Pid}}' three)"
is 'start with its input and output' 'hello 4' "$({ echo hello | podman start -a -i three; podman wait three; } | xargs)"
is 'its state by its id' 'exited 4' "$(podman inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$id")"
ok 'commit' podman commit -q three localhost/made
once localhost/made cat /made
is 'the image has what was written' made "$out"
podman rm three >/dev/null

ok 'one with a check of its health' up well --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1
pod healthcheck run well
unlike 'it is not well' 0 "$rc"
podman exec well touch /tmp/well
ok 'it is' podman healthcheck run well
is 'and podman knows' healthy "$(podman inspect -f '{{.State.Health.Status}}' well 2>/dev/null || podman inspect -f '{{.State.Healthcheck.Status}}' well)"
podman rm -f -t 0 well >/dev/null

once --init localhost/bb sh -c 'cat /proc/1/comm'
case $rc in
0) like '--init' '*init*' "$out" ;;
*) skip '--init' 'no catatonit' ;;
esac

# ---- an init ---------------------------------------------------------------------------------

if "$TESTDIR/trees" systemd >"$T/systemd" 2>/dev/null; then
	ok 'a system' podman run -d -t --name system --systemd=always --network none --rootfs "$(cat "$T/systemd"):O" /sbin/init
	booted() { podman exec system systemctl is-system-running --wait | grep -q 'running\|degraded'; }
	ok 'boots' wait_for booted
	is 'all of it' '' "$(podman exec system systemctl list-units --failed --no-legend)"
	ok 'stop' podman stop -t 30 system
	is 'shuts it down' 0 "$(field system State.ExitCode)"
	podman rm -f -t 0 system >/dev/null
else
	skip 'a system' 'no tree of systemd'
fi

# ---- it ends --------------------------------------------------------------------------------

up left >/dev/null
podman_ends
leftovers_after 'nothing stays'
done_testing
