#!/bin/sh
# dockerd drives us, where it is installed: nothing installs it for this, as it would start at once.
# RUNTIME=/usr/sbin/runc tries the same with another runtime.
# shellcheck disable=SC2016,SC2317 # for the shell inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need dockerd docker containerd
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
# shellcheck source-path=SCRIPTDIR source=client.sh
. "${0%/*}/client.sh"
if ! { mkdir -p /run/containerd /run/docker && mount -t tmpfs shims /run/containerd && mount -t tmpfs run /run/docker; }; then
	skip_all 'cannot mount'
fi
leftovers_before

printf '{"runtimes":{"ours":{"path":"%s"}},"default-runtime":"ours"}\n' "$RUN" >"$T/daemon.json"
background dockerd --config-file "$T/daemon.json" --data-root "$T/docker" --exec-root "$T/exec" --pidfile "$T/docker.pid" \
	-H "unix://$T/socket" --bridge none --iptables=false --ip6tables=false --storage-driver overlay2 >"$T/dockerd.log" 2>&1
server=$!
d() { run timeout 60 docker -H "unix://$T/socket" "$@"; return "$rc"; }
wait_for d info || skip_all "dockerd does not start: $(tail -n 1 "$T/dockerd.log")"
tar -C "$("$TESTDIR/trees" busybox)" -c . >"$T/tree.tar"
ok 'an image' d import "$T/tree.tar" bb
once() { d run --rm --network none "$@"; }

once bb sh -c 'echo out; exit 7'
is 'run' '7 out' "$rc $out"
once bb no-such-program
is 'a program that is not there' 127 "$rc"
once bb /etc/passwd
is 'a program that cannot be executed' 126 "$rc"
like 'a terminal' '*/dev/pts/0*' "$("$PTY" -e 'wait done' -- docker -H "unix://$T/socket" run --rm -it --network none bb \
	sh -c 'tty; echo done' 2>/dev/null)"
once --read-only --tmpfs /t --cap-drop ALL --security-opt no-new-privileges bb \
	sh -c 'touch /x; touch /t/x && echo t; sed -n "s/^\(CapBnd\|NoNewPrivs\|Seccomp\)://p" /proc/self/status'
is 'what it may' 't 0000000000000000 1 2' "$(echo "$out" | xargs)"
once --privileged bb sh -c 'mkdir /m; mount -t tmpfs x /m && echo mounted'
is 'privileged, and not a word' mounted "$out$err"
ok 'in the background' d run -d --name one --network none --memory 64m --pids-limit 50 --health-cmd true --health-interval 1s \
	bb sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'
d exec -u user -w /home -e A=b one sh -c 'echo "$(id -u) $(pwd) $A"; exit 3'
is 'exec' '3 1000 /home b' "$rc $out"
healthy() { [ "$(d inspect -f '{{.State.Health.Status}}' one; echo "$out")" = healthy ]; }
ok 'it becomes healthy' wait_for healthy
like 'top' '*sleep 0.1*' "$(d top one; echo "$out")"
like 'stats' '*one*64MiB*' "$(d stats --no-stream one; echo "$out")"
ok 'pause' d pause one
like 'it is paused' '*(Paused)*' "$(d ps; echo "$out")"
ok 'unpause' d unpause one
ok 'update' d update --memory 80m --memory-swap 100m one
like 'it has that limit' '*one*80MiB*' "$(d stats --no-stream one; echo "$out")"
ok 'cp' d cp "$TESTDIR/lib.sh" one:/tmp/
ok 'stop' d stop one
is 'gives the status' 9 "$(d inspect -f '{{.State.ExitCode}}' one; echo "$out")"
ok 'start' d start one
ok 'kill' d kill one
is 'by the signal' 137 "$(d inspect -f '{{.State.ExitCode}}' one; echo "$out")"
ok 'rm' d rm -f one

kill "$server"
wait "$server" 2>/dev/null
find /sys/fs/cgroup -depth -type d -name docker -exec rmdir {} + 2>/dev/null
leftovers_after 'nothing stays'
done_testing
