#!/bin/sh
# shellcheck disable=SC2016,SC2317,SC3013,SC3045 # scripts of guests; called by wait_for; every shell has -ef, and ulimit -n
# The commands of the runtime: their words, what they say, how a container is told to be, and what becomes of it. What
# runc and crun do is asked of them, where they are and work.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need jq timeout
"$NL" oci --version >/dev/null 2>&1 || skip_all 'this build has no runtime'
mkdir "$T/bin"
for name in runc crun nspawn-lite-oci; do ln -s "$NL" "$T/bin/$name"; done
oci() { timeout 60 "$T/bin/nspawn-lite-oci" "$@"; }
status_of() { oci state "$1" | jq -r .status; }
has_status() { [ "$(status_of "$1" 2>/dev/null)" = "$2" ]; }
t=$(tree busybox)
b=$T/bundle
mkdir "$b"
# bundle WORD... : whose process executes these; FILTER, if it is set, changes all as jq has it
bundle() {
	[ -e "$T/spec/config.json" ] || { mkdir "$T/spec" && oci spec --bundle "$T/spec"; }
	words=$(printf '%s\n' "$@" | jq -R . | jq -s .)
	jq --arg root "$t" --argjson words "$words" '.process.args = $words | .process.terminal = false | .root = { path: $root } |
		.process.env += ["NSPAWN_LITE_ROOT=" + env.NSPAWN_LITE_ROOT]' <"$T/spec/config.json" |
		jq "${FILTER:-.}" >"$b/new" && mv "$b/new" "$b/config.json"
}
leftovers_before

# ---- words ---------------------------------------------------------------------------

for name in runc crun nspawn-lite-oci; do
	is "under the name of $name it is the runtime" 'nspawn-lite-oci version' \
		"$("$T/bin/$name" --version | sed -n '1s/ [0-9.]*$//p')"
done
is 'and by the verb oci' "$(oci --version)" "$("$NL" oci --version)"
like 'the version is what clients parse' 'nspawn-lite-oci version [0-9]*
commit: *
spec: 1.[0-9]*.[0-9]*
+*' "$(oci --version)"
commands=$(oci --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\).*/\1/p')
for c in create start run exec state list ps kill delete pause resume update events features spec; do
	like "help names $c" "*
$c
*" "
$commands
"
	like "$c has a help of its own" "* $c *Options:*--help*" "$(oci "$c" --help)"
done
is 'each line of them has room on a serial console' '' "$(for c in '' $commands; do oci help $c; done | awk 'length > 80')"
run oci --bogus list
is 'an option that nobody knows is named' "1 nspawn-lite: unknown option --bogus; nspawn-lite-oci --help lists all" "$rc $err"
run oci list --bundle=/
is 'so is one that another command has' "1 nspawn-lite: list: unknown option --bundle; nspawn-lite-oci list --help lists all" "$rc $err"
run oci fly
is 'a command that nobody knows is named' '1 nspawn-lite: fly is no command; nspawn-lite-oci --help lists them' "$rc $err"
run oci state
is 'a word that is missing is asked for' '1 nspawn-lite: state: say more: nspawn-lite-oci state ID' "$rc $err"
run oci state a b
is 'one too many is refused' '1 nspawn-lite: state: too many words: nspawn-lite-oci state ID' "$rc $err"
run oci list --format yaml
is 'a format that is none is named' '1 nspawn-lite: --format=yaml: not one of: table|json' "$rc $err"
run oci --rootless auto --systemd-cgroup=false --criu /bin/criu list -q
is 'what others have besides is taken' '0 ' "$rc $err$out"
for c in checkpoint restore; do
	run oci $c --image-path=/x --leave-running x
	like "$c is refused by its name" "1 nspawn-lite: $c: no process *" "$rc $err"
	run oci $c --help
	like "who asks for help, to know whether there is $c, hears that" "1 nspawn-lite: $c: *" "$rc $err"
done
for id in '' . .. a/b 'a b' "$(printf '%0300d' 0)" 'a~'; do
	run oci create -b "$b" -- "$id"
	like "'$(printf %.9s "$id")' is no ID" '1 nspawn-lite: *: invalid container ID*' "$rc $err"
done
is 'features are JSON, and name what others ask for' 'true true true true true' "$(oci features |
	jq -r '[(.hooks | index("poststop")), (.linux.namespaces | index("user")), (.linux.capabilities | index("CAP_SYS_ADMIN")),
	(.mountOptions | index("rro")), (.linux.mountExtensions.idmap.enabled | if . then 1 else null end)] | map(. != null) | join(" ")')"
mkdir "$T/s"
ok 'spec writes a config.json' oci spec --bundle "$T/s"
run oci spec --bundle "$T/s"
is 'and never over one that is there' "1 nspawn-lite: $T/s/config.json exists: remove it first" "$rc $err"

# ---- what is said, and where -------------------------------------------------------------

for c in state start kill delete pause resume ps exec update events; do
	run oci $c nobody
	is "$c of none says so" '1 nspawn-lite: nobody: container does not exist' "$rc $err"
done
run oci delete --force nobody
is 'but delete --force is content' '0 ' "$rc $err"
oci --log "$T/log" --log-format json state nobody 2>/dev/null
is 'the log is lines of JSON' 'error nobody: container does not exist' "$(jq -r '.level + " " + .msg' <"$T/log")"
ok 'which say when' sh -c "jq -r .time <'$T/log' | grep -q '^20[0-9-]*T[0-9:]*Z\$'"
oci --log "$T/log" --log-format=json kill 'no"body' 2>/dev/null
is 'more is appended, whatever is in it' 2 "$(jq -r .msg <"$T/log" | grep -c body)"
oci --log "$T/text" state nobody 2>/dev/null
like 'or of text' 'time="*" level=error msg="nobody: container does not exist"' "$(cat "$T/text")"
is 'no container is an empty list' '[]' "$(oci list --format json)"
run oci create --bundle "$T/nowhere" x
is 'a bundle that is not there is named' "1 nspawn-lite: open --bundle=$T/nowhere: No such file or directory" "$rc $err"
mkdir "$T/empty"
run oci create --bundle "$T/empty" x
is 'so is a config.json' "1 nspawn-lite: open $T/empty/config.json: No such file or directory" "$rc $err"
bundle true
mkdir "$T/hidden"
{
	cat "$T/spec/config.json"
	printf '\0 and more'
} >"$T/hidden/config.json"
run oci create --bundle "$T/hidden" x
like 'and one that hides something behind a 0' "1 nspawn-lite: open $T/hidden/config.json: *" "$rc $err"
run oci create --bundle "$b" --preserve-fds=3 x
is 'an fd that is to be handed in must be open' '1 nspawn-lite: --preserve-fds=3: fd 3 is not open' "$rc $err"
run oci create --bundle "$b" --console-socket "$T/none" x
is 'somebody must listen for the terminal' "1 nspawn-lite: connect to --console-socket=$T/none: No such file or directory" "$rc $err"
FILTER='.process.terminal = true' bundle true
run oci create --bundle "$b" x
like 'a terminal is for somebody' '1 nspawn-lite: process.terminal: *--console-socket*' "$rc $err"
is 'and nothing of those stayed' '' "$(oci list -q)$(ls "$T/root/run/nspawn-lite-oci" 2>/dev/null)"

# ---- a life -----------------------------------------------------------------------------------

FILTER='.annotations = { "a.b/c": "d\"e" }' bundle sleep 1000
run oci create --bundle "$b" --pid-file "$T/pid" one </dev/null
is 'one is created' '0 ' "$rc $err"
is 'and says so' created "$(status_of one)"
pid=$(cat "$T/pid")
is 'its pid file and its state say the same' "$pid" "$(oci state one | jq .pid)"
is 'they are of a process in its tree' y "$([ "/proc/$pid/root/" -ef "$t" ] && echo y)"
is 'state says all else' "one $b $t d\"e 1.0.2" "$(oci state one | jq -r '[.id, .bundle, .rootfs, .annotations["a.b/c"], .ociVersion] | join(" ")')"
like 'when it was made, too' '20??-??-??T??:??:??.?????????Z' "$(oci state one | jq -r .created)"
run oci create --bundle "$b" one
is 'the ID is taken' '1 nspawn-lite: one: container with given ID already exists' "$rc $err"
is 'it is in the list' one "$(oci list -q)"
mkdir -p "$T/root/run/nspawn-lite-oci/empty"
: >"$T/root/run/nspawn-lite-oci/empty/state"
is 'a state without a word is none, and keeps nobody from others' one "$(oci list -q)"
run oci delete empty
is 'it can be deleted' '0 n' "$rc $([ -e "$T/root/run/nspawn-lite-oci/empty" ] && echo y || echo n)"
mkdir -p "$T/root/run/nspawn-lite-oci/torn" "$T/root/run/nspawn-lite-oci/torn~"
echo '{"id":"to' | tee "$T/root/run/nspawn-lite-oci/torn/state" >"$T/root/run/nspawn-lite-oci/torn~/state"
is 'nor does half of a state' '1 nspawn-lite: torn: container does not exist one' "$(run oci state torn; echo "$rc $err") $(oci list -q)"
ok 'another of its name can be created' oci create --bundle "$b" torn
ok 'and deleted' oci delete --force torn
is 'and nothing of it stays' '' "$(find "$T/root/run/nspawn-lite-oci" -name 'torn*')"
mkdir -p "$T/root/run/nspawn-lite-oci/hidden"
echo '{"id":"hidden"}' >"$T/root/run/nspawn-lite-oci/hidden/state"
for n in 4 5 6 7 8 9; do (ulimit -n $n; oci delete hidden) 2>/dev/null; done
ok 'what cannot be read for want of descriptors is not taken for torn' test -e "$T/root/run/nspawn-lite-oci/hidden/state"
rm -r "$T/root/run/nspawn-lite-oci/hidden"
like 'with its pid and bundle' "one *$pid *created *$b *root" "$(oci list | sed 1d)"
is 'and in JSON' "$pid created" "$(oci list --format json | jq -r '.[0] | "\(.pid) \(.status)"')"
is 'nowhere else' '' "$(oci --root "$T/other" list -q)"
run oci start one
is 'start says nothing' '0 ' "$rc $err$out"
is 'it runs' running "$(status_of one)"
is 'what it was made for' 'sleep 1000 ' "$(tr '\0' ' ' <"/proc/$pid/cmdline")"
run oci start one
is 'once' '1 nspawn-lite: start one: container not created: it is running' "$rc $err"
run oci delete one
is 'it is not deleted while it runs' '1 nspawn-lite: cannot delete container one that is not stopped: it is running' "$rc $err"
like 'ps lists its process' "*$pid *sleep" "$(oci ps one)"
is 'and in JSON' "[$pid]" "$(oci ps --format json one | jq -c .)"
run oci exec one sh -c 'echo $0 "$@"; cat; exit 7' -x --help
is 'exec: words behind the command are its own, and its status is ours' '7 -x --help' "$rc $out"
is 'exec: what it reads is ours' hi "$(echo hi | oci exec one cat)"
is 'exec: variables and a directory' '/tmp new' "$(oci exec --cwd /tmp -e A=new one sh -c 'echo $PWD $A')"
is 'exec: no signal is blocked, nor ignored' '0000000000000000 0000000000000000' \
	"$(oci exec one grep -E 'Sig(Blk|Ign)' /proc/self/status | awk '{ print $2 }' | xargs)"
run oci exec -g '7],"x":[8' one true
is 'exec: groups are numbers, and nothing else' '1 nspawn-lite: --additional-gids=7],"x":[8: not a GID, in numbers' "$rc $err"
is 'exec: a user, and groups' '5:6 6,7,8' "$(oci exec -u 5:6 -g 7 -g 8 one sh -c 'echo $(id -u):$(id -g) $(id -G | tr " " ,)')"
run oci exec one /nowhere/at/all
is 'exec: a program that is not there' '127 nspawn-lite: exec /nowhere/at/all: no such file or directory' "$rc $err"
jq '.process | .args = ["sh", "-c", "echo of a file $A"] | .env += ["A=b"]' <"$b/config.json" >"$T/process"
is 'exec: a process of a file' 'of a file b' "$(oci exec --process "$T/process" one)"
run oci exec --detach --pid-file "$T/pid2" one sleep 1001
pid2=$(cat "$T/pid2")
is 'exec --detach does not wait' "0 sleep 1001 " "$rc $(tr '\0' ' ' <"/proc/$pid2/cmdline")"
is 'ps lists both' 2 "$(oci ps --format json one | jq length)"
kill -9 "$pid2"
if oci pause one 2>"$T/err"; then
	is 'it can be paused' paused "$(status_of one)"
	run oci exec one true
	is 'nothing is executed in it then' '1 nspawn-lite: exec one: container not running: it is paused' "$rc $err"
	run oci pause one
	is 'pause says that it is' '1 nspawn-lite: pause one: container not running: it is paused' "$rc $err"
	ok 'and goes on' oci resume one
	is 'as it was' running "$(status_of one)"
	FILTER='.linux.cgroupsPath += "-waits"' bundle sleep 1000
	oci create -b "$b" waits </dev/null
	oci pause waits
	run oci start waits
	is 'one that waits can be paused, too, and is not started then' '1 nspawn-lite: start waits: container not created: it is paused' "$rc $err"
	is 'but when it goes on' running "$(oci resume waits && oci start waits && status_of waits)"
	oci delete -f waits
	bundle sleep 1000
else
	skip 'it can be paused' "$(cat "$T/err")"
fi
run oci resume one
is 'one that is not paused is not resumed' '1 nspawn-lite: resume one: container not paused: it is running' "$rc $err"
is 'events tells what it takes' 'stats one object' "$(oci events --stats one | jq -r '[.type, .id, (.data | type)] | join(" ")')"
run oci kill one NONSENSE
is 'a signal that is none is named' '1 nspawn-lite: NONSENSE: no such signal' "$rc $err"
ok 'signals have names in any case, and numbers' sh -c "'$T/bin/crun' kill one sigcont && '$T/bin/crun' kill one 18"
ok 'it can be killed' oci kill one KILL
ok 'and has ended then' wait_for has_status one stopped
is 'without a pid' 0 "$(oci state one | jq .pid)"
run oci kill one
is 'who has ended gets no signal' '1 nspawn-lite: kill one: container not running' "$rc $err"
is 'kill --all finds nobody, which is fine' 0 "$(oci kill --all one KILL >/dev/null 2>&1; echo $?)"
run oci exec one true
is 'nothing is executed in it' '1 nspawn-lite: exec one: container not running: it is stopped' "$rc $err"
run oci start one
is 'it does not begin again' '1 nspawn-lite: start one: container not created: it is stopped' "$rc $err"
run oci delete one
is 'it can be deleted' '0 ' "$rc $err$(oci list -q)"
oci create -b "$b" two </dev/null
is 'one that was never started can be, too' '0 ' "$(oci delete two; echo $? "$(oci list -q)")"
oci run -d -b "$b" three </dev/null
is 'and one that runs, by --force' 'running 0 ' "$(status_of three) $(oci delete -f three; echo $? "$(oci list -q)")"
oci --cgroup-manager=disabled run -d -b "$b" four </dev/null
is 'and one without control groups' 'running 0 ' "$(status_of four) $(oci delete -f four; echo $? "$(oci list -q)")"

# ---- a root of its own ------------------------------------------------------------------------

mkdir -m 700 "$T/small"
if mount -t tmpfs -o size=64k,mode=700 small "$T/small"; then
	oci --root "$T/small" run -d -b "$b" --pid-file "$T/pid" five </dev/null
	dd if=/dev/zero of="$T/small/all" bs=1k 2>/dev/null
	run oci --root "$T/small" create -b "$b" six
	like 'where there is no room none is created' '1 nspawn-lite: write *: No space left on device' "$rc $err"
	is 'nor does it stay' five "$(oci --root "$T/small" list -q)"
	run oci --root "$T/small" exec --pid-file "$T/pid2" five true
	is 'exec needs none' 0: "$rc:$err"
	rm "$T/small/all"
	mkdir "$T/small/half~"
	mount -o remount,ro "$T/small"
	is 'a root that is read-only keeps nobody from looking' 'five running' "$(oci --root "$T/small" list --format json | jq -r '.[] | .id + " " + .status')"
	ok 'nor from killing' oci --root "$T/small" kill five KILL
	mount -o remount,rw "$T/small"
	# another has its pid after a boot, and another its groups
	oci --root "$T/small" run -d -b "$b" --pid-file "$T/pid" six </dev/null
	sed 's/"boot":"[^"]*"/"boot":"another"/' <"$T/small/six/state" >"$T/small/new" && mv "$T/small/new" "$T/small/six/state"
	is 'what is left of before a boot has ended' 'stopped 0' "$(oci --root "$T/small" state six | jq -r '"\(.status) \(.pid)"')"
	ok 'and can be deleted' oci --root "$T/small" delete --force six
	ok 'but nobody is killed for it' kill -9 "$(cat "$T/pid")"
	wait_for sh -c "! kill -0 $(cat "$T/pid") 2>/dev/null"
	ok 'its groups can be had again' oci --root "$T/small" create -b "$b" six
	oci --root "$T/small" delete -f six
	oci --root "$T/small" delete -f five
	umount "$T/small"
else
	skip 'a root of its own' 'no tmpfs is to be had'
fi

# ---- run -------------------------------------------------------------------------------------------

bundle sh -c 'cat; exit 7'
is 'run: input, output and status go through' 'some words 7' "$(echo some words | oci run -b "$b" x | tr '\n' ' '; echo some | oci run -b "$b" x >/dev/null; echo $?)"
is 'and nothing of it stays' '' "$(oci list -q)"
bundle sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.1; done'
mkfifo "$T/up"
"$T/bin/runc" run -b "$b" x >"$T/up" &
read -r _ <"$T/up"
kill -TERM $!
rc=0
wait $! || rc=$?
is 'a signal to us is for it' 9 "$rc"
is 'none is blocked in it, nor ignored' '0000000000000000 0000000000000000' \
	"$(bundle grep -E 'Sig(Blk|Ign)' /proc/self/status && oci run -b "$b" x | awk '{ print $2 }' | xargs)"
FILTER='.hooks.startContainer = [{ path: "/bin/true" }]' bundle grep SigIgn /proc/self/status
is 'nor by its hooks' '0000000000000000' "$(oci run -b "$b" x | awk '{ print $2 }')"
bundle true
is 'run --keep keeps it' '0 stopped' "$(oci run --keep -b "$b" x; echo "$? $(status_of x)")"
run oci run -b "$b" x
is 'its ID is taken then' '1 nspawn-lite: x: container with given ID already exists' "$rc $err"
oci delete x
bundle /nowhere
run oci run -b "$b" x
is 'a program that is not there is found out' '127 nspawn-lite: exec /nowhere: no such file or directory' "$rc $err"
is 'and nothing of that stays' '' "$(oci list -q)"
if command -v strace >/dev/null; then
	echo none >"$t/garbage"
	chmod 755 "$t/garbage"
	bundle /garbage
	run strace -o "$T/calls" -e trace=kill "$NL" oci run -b "$b" x
	like 'of one that cannot be executed' '126 *xec*' "$rc $err"
	is 'nobody waits until it is gone whose child it is' 0 "$(grep -c ', 0)' "$T/calls")"
fi
FILTER='.process.terminal = true' bundle sh
cat >"$T/script" <<'END'
wait #
send tty; stty size\r
wait /dev/pts/0
wait 33 99
size 44 88
send until stty size | grep '^44 88'; do :; done\r
wait \n44 88
send exit 6\r
exit 6
END
run "$PTY" -s 33x99 -t 30 "$T/script" -- "$T/bin/crun" run -b "$b" x
is 'run: a terminal of its own, sizes, its status' 6 "$rc"
bundle sleep 1000
oci run -d -b "$b" x </dev/null
run "$PTY" -s 33x99 -t 30 "$T/script" -- "$T/bin/crun" exec -t x sh
is 'exec -t: the same' 6 "$rc"
run oci exec -d -t x sh
like 'but not for nobody' '1 nspawn-lite: process.terminal: *--console-socket*' "$rc $err"
oci delete -f x
exec 3<"$T/process"
bundle sh -c 'head -c 1 <&3; ls /proc/self/fd | wc -l'
is 'fds are handed in' '{5' "$(oci run --preserve-fds=1 -b "$b" x)"
listening() { (LISTEN_FDS=1 LISTEN_PID=$(exec sh -c 'echo $PPID') && export LISTEN_FDS LISTEN_PID && exec "$T/bin/crun" run -b "$b" x); }
is 'and those of LISTEN_FDS, if they are for us' '1 open' "$(bundle sh -c '[ -e /proc/$$/fd/3 ] && echo $LISTEN_FDS open' && listening)"
is 'so too in exec' 'it has them' \
	"$(listening() { (LISTEN_FDS=1 LISTEN_PID=$(exec sh -c 'echo $PPID') && export LISTEN_FDS LISTEN_PID && exec "$T/bin/crun" exec x sh -c '[ $LISTEN_PID = $$ ] && echo it has them'); }
	bundle sleep 1000; oci run -d -b "$b" x </dev/null; listening; oci delete -f x)"
is 'not those for another' 4 "$(bundle sh -c 'ls /proc/self/fd | wc -l' && LISTEN_FDS=1 LISTEN_PID=1 oci run -b "$b" x)"
is 'or not' 4 "$(bundle sh -c 'ls /proc/self/fd | wc -l' && oci run -b "$b" x)"
exec 3<&-
cat >"$T/hook" <<END
#!/bin/sh
jq -r '"'"\$1"' " + .status + " " + .id' >>$T/hooks
END
chmod 755 "$T/hook"
FILTER=".hooks = ([\"prestart\", \"createRuntime\", \"createContainer\", \"poststart\", \"poststop\"] |
	map({ key: ., value: [{ path: \"$T/hook\", args: [\"hook\", .], env: [\"PATH=$PATH\"] }] }) | from_entries | del(.createContainer))" bundle true
run oci run -b "$b" x
is 'hooks are called in their order' "0
prestart creating x
createRuntime creating x
poststart running x
poststop stopped x" "$rc
$(cat "$T/hooks")"
FILTER=".hooks.createContainer = [{ path: \"/bin/sh\", args: [\"sh\", \"-c\", \": >$T/made.by\"] }]" bundle true
is 'what they make is for nobody else to write' -rw-r--r-- "$(oci run -b "$b" x && stat -c %A "$T/made.by")"
FILTER='.hooks.createRuntime = [{ path: "/bin/false" }]' bundle true
# shellcheck disable=SC2016 # for sh
run timeout 30 sh -c 'trap "" CHLD && exec "$@"' sh "$T/bin/crun" run -b "$b" x
is 'one that fails is not missed by who ignores SIGCHLD' '1 nspawn-lite: error running createRuntime hook: /bin/false: exited with status 1' "$rc $err"

bundle sleep 1000
for n in 1 2 3 4 5; do
	FILTER=".linux.cgroupsPath = \"/nl-$$-$n\"" bundle sleep 1000
	oci run -d -b "$b" m$n </dev/null
done
is 'of many each is looked at, and let go' 'm1 running m2 running m3 running m4 running m5 running ' \
	"$(ulimit -n 40; oci list --format json | jq -r '.[] | .id + " " + .status' | tr '\n' ' ')"
oci pause m3 2>/dev/null && is 'one that is paused, too' paused "$(ulimit -n 40; oci list --format json | jq -r '.[2].status')"
FILTER=".linux.cgroupsPath = \"/nl-$$-1\"" bundle sleep 1000
run oci run -d -b "$b" m6
like 'a control group that another is in is not taken' '1 nspawn-lite: linux.cgroupsPath: control group *nl-*-1 is in use by others running' \
	"$rc $err $(status_of m1)"
for n in 1 2 3 4 5; do
	oci delete -f m$n
done
is 'all can be deleted' '' "$(oci list -q)"

# ---- sd_notify(3) ------------------------------------------------------------------------------------

notify=$(program notify)
cp "$notify" "$t/bin/notify"
# hears UNTIL WORD... : what it is told, of the runtime with these words
hears() {
	until=$1
	shift
	timeout 30 "$notify" listen "$T/notify" "$until" "$T/bin/runc" "$@" >"$T/said" 2>&1 || echo "status $?" >>"$T/said"
	xargs <"$T/said"
}
bundle sh -c 'notify send "$(printf "MAINPID=2\nREADY=1")"; notify send STATUS=up; cat; exit 5'
is 'run: what it says of itself is passed on, but no pid' 'READY=1 STATUS=up status 5' "$(hears STATUS=up run -b "$b" x)"
bundle sh -c 'notify send READY=1; exec sleep 1000'
heard=$(hears never run -d -b "$b" x)
is 'run -d ends when it is ready, and says who it is' "READY=1 MAINPID=$(oci state x | jq .pid) BARRIER=1" "$heard"
oci delete -f x
is 'create says nothing' '' "$(hears never create -b "$b" x)"
is 'start does' 'READY=1 MAINPID= BARRIER=1' "$(hears never start x | sed 's/D=[0-9]*/D=/')"
oci delete -f x
bundle true
is 'and does not wait for one that has ended' '' "$(hears never run -d -b "$b" x)"
oci delete -f x
bundle notify send READY=1
is 'who ends at once is heard all the same' "$(seq 10 | sed s/.*/READY=1/ | xargs)" "$(for _ in 1 2 3 4 5 6 7 8 9 10; do hears never run -b "$b" x; done | xargs)"
FILTER='.linux.namespaces += [{ type: "user" }] | .linux |= (.uidMappings = [{ containerID: 0, hostID: 100000, size: 1000 }] | .gidMappings = .uidMappings)' \
	bundle sh -c 'notify send READY=1; id -u'
is 'users of its own may, too' '0 READY=1' "$(hears never run -b "$b" x | tr ' ' '\n' | sort | xargs)"
FILTER='.process.env += ["NOTIFY_SOCKET=/own"]' bundle sh -c 'echo $NOTIFY_SOCKET; grep -c /run/notify /proc/self/mountinfo; exit 0'
is 'who has a way of its own keeps it' '/own 0' "$(hears never run -b "$b" x)"

# ---- root of a user namespace --------------------------------------------------------------------------

# plain SCRIPT : as root of one that an ordinary user has made
plain() { timeout 60 setpriv --reuid=12345 --regid=12345 --clear-groups unshare -Urm sh -c "cd /; $1" - "$T/bin/crun" "$b"; }
if [ "$(plain 'id -u' 2>/dev/null)" = 0 ]; then
	mkdir "$T/user"
	chown 12345 "$T/user"
	XDG_RUNTIME_DIR=$T/user
	export XDG_RUNTIME_DIR
	FILTER='.mounts[].options -= ["gid=5"]' bundle sh -c 'echo $(id -u) $(ls /dev/null /sys/class/net /proc/1/comm); echo x >/dev/null && mknod /dev/x c 1 3'
	run plain '"$1" run -b "$2" x'
	is 'it runs, with devices, but makes none' '1 0 /dev/null /proc/1/comm /sys/class/net: lo' "$rc $out"
	FILTER='.mounts[].options -= ["gid=5"]' bundle sleep 1000
	run plain '"$1" run -d -b "$2" x && "$1" state x | grep -c running && "$1" exec x id -u; "$1" pause x; "$1" delete -f x; "$1" list -q'
	is 'its whole life, but for a pause' '0 1 0 nspawn-lite: pause x: it has no control group, which could be frozen' "$rc $(echo "$out" | xargs) $err"
	FILTER='.mounts[].options -= ["gid=5"] | .linux.resources.pids.limit = 5' bundle true
	run plain '"$1" run -b "$2" x'
	is 'but no limit is dropped' '1 nspawn-lite: linux.resources.pids.limit: no control group is ours to make here, to hold it' "$rc $err"
	unset XDG_RUNTIME_DIR
else
	skip 'root of a user namespace' 'no setpriv, unshare, or users of their own for a user'
fi
run setpriv --reuid=12345 --clear-groups "$T/bin/crun" list
is 'who is no root is told' '1 nspawn-lite: Need to be root, of a user namespace at least, as podman makes them.' "$rc $err"

# ---- one in another ---------------------------------------------------------------------------------------

cp "$NL" "$t/bin/crun"
mkdir -p "$t/inner/rootfs"
cp -a "$t/bin" "$t/inner/rootfs/"
bundle echo 'it runs'
jq 'del(.root.path) | .root.path = "rootfs"' <"$b/config.json" >"$t/inner/config.json"
all=$(oci features | jq -c .linux.capabilities)
FILTER=".process.capabilities |= map_values($all) | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | .mounts |= map(.options -= [\"ro\"])" \
	bundle crun run -b /inner x
run oci run -b "$b" x
is 'one that has all rights runs another' '0 it runs' "$rc $out"
FILTER=".process.capabilities |= map_values($all) | .linux.namespaces += [{ type: \"user\" }] |
	.linux |= (.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }] | .gidMappings = .uidMappings)" bundle crun --root /dev/shm/run run -b /inner x
run oci run -b "$b" x
is 'so does one with users of its own' '0 it runs' "$rc $out"

# ---- several at once --------------------------------------------------------------------------------

bundle sleep 1000
for n in 1 2 3 4 5 6; do
	oci create -b "$b" x </dev/null >/dev/null 2>&1 && echo made
done >"$T/made" &
for n in 1 2 3 4 5 6; do
	oci create -b "$b" x </dev/null >/dev/null 2>&1 && echo made
done >"$T/made2"
wait
is 'of many who create one ID one does' made "$(cat "$T/made" "$T/made2")"
for n in 1 2 3 4; do
	(oci delete --force x 2>&1; echo $?) >"$T/deleted.$n" &
done
oci delete --force x
wait
is 'of many who delete it none fails' '0 0 0 0 ' "$(cat "$T"/deleted.* | tr '\n' ' ')"
is 'and it is gone' '' "$(oci list -q)"

# ---- what others say ----------------------------------------------------------------------------------

# story RUNTIME : statuses and states in the life of one
story() {
	for words in '--bogus' bogus 'state gone' 'kill gone' 'delete gone' 'delete --force gone' "create --bundle $T/empty x" \
		"create --bundle $b x" "create --bundle $b x" 'exec x true' 'start x' 'start x' 'exec x false' 'exec --cwd /tmp x true' \
		'pause x' 'resume x' 'resume x' 'delete x' 'kill x CONT' 'kill x NONSENSE' 'list' 'kill x KILL' wait 'kill x KILL' \
		'exec x true' 'start x' 'delete x' 'delete x' "run --bundle $b/ok x" "run --bundle $b/bad x" "run --bundle $b/none x"; do
		if [ "$words" = wait ]; then
			wait_for sh -c "$* state x | grep -q '\"stopped\"'"
			continue
		fi
		# shellcheck disable=SC2086 # words are words
		timeout 60 "$@" $words </dev/null >/dev/null 2>&1
		case $?:$words in
		0:*) echo "$words: yes" ;;
		1:run*bad*) echo "$words: false" ;;
		*) echo "$words: no" ;;
		esac
		[ "$words" = 'kill x KILL' ] || timeout 60 "$@" state x 2>/dev/null | jq -r '.status + (if .pid > 0 then " pid" else "" end)'
	done
}
for c in ok:true bad:false none:/nowhere; do
	mkdir "$b/${c%:*}"
	jq --arg c "${c#*:}" '.process.args = [$c]' <"$b/config.json" >"$b/${c%:*}/config.json"
done
story "$T/bin/nspawn-lite-oci" >"$T/ours"
for other in runc crun; do
	if ! command -v $other >/dev/null || ! timeout 60 $other --root "$T/$other" run --bundle "$b/ok" try >/dev/null 2>&1; then
		skip "all that is as with $other" "it is not here, or does not work here"
		continue
	fi
	story $other --root "$T/$other" >"$T/theirs"
	is "all that is as with $other" '' "$(diff "$T/theirs" "$T/ours")"
	rm -rf "${T:?}/$other"
done

leftovers_after 'nothing of all that is left'
done_testing
