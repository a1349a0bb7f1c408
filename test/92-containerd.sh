#!/bin/sh
# containerd's shim drives us as it drives runc.
# RUNTIME=/usr/sbin/runc tries the same with another runtime.
# shellcheck disable=SC2016,SC2317 # for the shell inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need containerd ctr containerd-shim-runc-v2
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
# shellcheck source-path=SCRIPTDIR source=client.sh
. "${0%/*}/client.sh"
# sockets of the shims
if ! { mkdir -p /run/containerd && mount -t tmpfs shims /run/containerd; }; then
	skip_all 'cannot mount'
fi
leftovers_before

cat >"$T/containerd.toml" <<END
version = 2
root = "$T/containerd"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.btrfs"]
[grpc]
  address = "/run/containerd/socket"
END
background containerd -c "$T/containerd.toml" -l warn 2>"$T/containerd.log"
server=$!
c() { run timeout 60 ctr -a /run/containerd/socket -n "$space" "$@"; return "$rc"; }
space=nl$$
wait_for c version || skip_all "containerd does not start: $(tail -n 1 "$T/containerd.log")"

save_image localhost/bb:1 '{"User":"1000","Cmd":["sh"],"Env":["PATH=/bin:/sbin"]}'
ok 'an image' c image import --all-platforms "$T/image.tar"

r() {
	c run --snapshotter native --runc-binary "$RUN" "$@"
}
r --rm localhost/bb:1 one sh -c 'echo "$$ $(id -u)"; echo err >&2; exit 4'
like 'run' '4 1 1000 *err*' "$rc $out $err"
r --rm --env A=b --cwd /tmp localhost/bb:1 two sh -c 'echo "$A $(id -u) $(pwd)"'
is 'user, environment, directory' 'b 1000 /tmp' "$(echo "$out" | xargs)"
r --rm localhost/bb:1 three no-such-program
like 'what is not there' '[1-9]* *not found*' "$rc $err"
like 'a terminal' '*/dev/pts/0 30 90*' "$("$PTY" -s 30x90 -e 'wait done' -- ctr -a /run/containerd/socket -n "$space" run --rm -t \
	--snapshotter native --runc-binary "$RUN" localhost/bb:1 four sh -c 'until [ "$(stty size)" = "30 90" ]; do sleep 0.1; done; echo "$(tty) $(stty size)"; echo done' 2>/dev/null)"

ok 'in the background' r -d --memory-limit 50000000 localhost/bb:1 five sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'
like 'it runs' '*five*RUNNING*' "$(c task ls; echo "$out")"
is 'with its limit' 49999872 "$(cat "/sys/fs/cgroup/memory/$space/five/memory.limit_in_bytes" 2>/dev/null ||
	cat "/sys/fs/cgroup/$space/five/memory.max")"
c task exec --exec-id e1 five sh -c 'echo "in $(cat /proc/1/comm)"; exit 5'
is 'exec' '5 in sh' "$rc $out"
c task exec --exec-id e2 --user 1000 --cwd /home five sh -c 'id -u; pwd'
is 'exec with a user and a directory' '1000 /home' "$(echo "$out" | xargs)"
like 'exec with a terminal' '*/dev/pts/*' "$("$PTY" -e 'wait done' -- ctr -a /run/containerd/socket -n "$space" \
	task exec -t --exec-id e3 five sh -c 'tty; echo done' 2>/dev/null)"
c task exec --exec-id e4 five no-such-program
like 'exec of what is not there' '[1-9]* *not found*' "$rc $err"
like 'ps' "*PID*$(c task ls; echo "$out" | awk '$1 == "five" { print $2 }')*" "$(c task ps five; echo "$out")"
like 'metrics' '*memory.usage_in_bytes*' "$(c task metrics five; echo "$out")"
ok 'pause' c task pause five
like 'it is paused' '*five*PAUSED*' "$(c task ls; echo "$out")"
ok 'resume' c task resume five
like 'it runs on' '*five*RUNNING*' "$(c task ls; echo "$out")"
ok 'kill' c task kill -s TERM five
stopped() { c task ls && echo "$out" | grep -q 'five.*STOPPED'; }
ok 'it ends' wait_for stopped
ok 'delete' c task delete five
ok 'start once more' c task start -d five
ok 'kill all of it' c task kill -a -s KILL five
ok 'it ends too' wait_for stopped
c task delete five
c container rm five
is 'no task is left' 0 "$(c task ls; echo "$out" | grep -c five)"

# its status goes to who waits
r --rm localhost/bb:1 six sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done' &
runs() { c task ls && echo "$out" | grep -q 'six.*RUNNING'; }
wait_for runs
c task kill -s KILL six
wait "$!"
is 'killed, it has that status' 137 "$?"

c image rm localhost/bb:1
kill "$server"
wait "$server" 2>/dev/null
awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/self/mounts | while read -r group; do
	find "$group/$space" -depth -type d -exec rmdir {} + 2>/dev/null
done
leftovers_after 'nothing stays'
done_testing
