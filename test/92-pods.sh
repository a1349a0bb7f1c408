#!/bin/sh
# Pods of podman: containers that share what the one of pause holds, networks by CNI, kube files, ids by itself.
# RUNTIME=/usr/sbin/runc tries the same with another runtime.
# shellcheck disable=SC2016,SC2317 # for the shell inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
# shellcheck source-path=SCRIPTDIR source=client.sh
. "${0%/*}/client.sh"
[ -x /usr/lib/cni/bridge ] || skip_all 'no plugins of CNI'
if ! { mkdir -p /var/lib/cni && mount -t tmpfs cni /var/lib/cni && mount -t tmpfs run /run/lock; }; then
	skip_all 'cannot mount'
fi
config_podman || skip_all 'no podman that works here'
tar -C "$("$TESTDIR/trees" busybox)" -c . | podman import -q \
	-c 'ENTRYPOINT ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 1000 & wait; done"]' - localhost/pause >/dev/null
# it makes this one so
mount --make-shared /run/netns
leftovers_before

stay='trap exit TERM; while :; do sleep 0.1; done'
state_of() { podman pod inspect -f '{{.State}}' "$1"; }
is_in() { [ "$(state_of "$1")" = "$2" ]; }

# ---- a network ------------------------------------------------------------------------------

ok 'a network' podman network create --subnet 10.99.7.0/24 lan
ok 'a container in it' podman run -d --name web --network lan --ip 10.99.7.5 -p 8088:80 localhost/bb \
	sh -c 'mkdir /www; echo page >/www/index.html; exec busybox httpd -f -p 80 -h /www'
get='printf "GET / HTTP/1.0\r\n\r\n" | busybox nc -w 2'
served() { eval "$get $1" 2>/dev/null | grep -q '^page'; }
ok 'it serves' wait_for served '10.99.7.5 80'
ok 'through its port too' served "$(ip -o -4 addr show dev cni-podman1 | sed 's/.*inet \([^/]*\).*/\1/') 8088"
ok 'a second one reaches the first' podman run --rm --network lan localhost/bb sh -c "$get 10.99.7.5 80 | grep page"
ok 'one that joins its network' podman run --rm --network container:web localhost/bb sh -c "$get 127.0.0.1 80 | grep page"
like 'its name is in /etc/hosts' '*10.99.7.5*web*' "$(podman exec web cat /etc/hosts)"
podman rm -f -t 0 web >/dev/null
podman network rm lan >/dev/null

# ---- pods -----------------------------------------------------------------------------------

ok 'a pod' podman pod create --name pod --hostname inpod --share net,ipc,uts,pid --network none
ok 'a container in it' podman run -d --pod pod --name a localhost/bb sh -c "echo here >/dev/shm/x; $stay"
ok 'and another' podman run -d --pod pod --name b localhost/bb sh -c "$stay"
is 'the pod runs' Running "$(state_of pod)"
is 'three of them' 3 "$(podman ps -q --filter pod=pod | wc -l)"
is 'one sees what the other shares' here "$(podman exec b cat /dev/shm/x)"
is 'they share the name' inpod "$(podman exec b hostname)"
is 'they share their network' "$(podman exec a readlink /proc/self/ns/net)" "$(podman exec b readlink /proc/self/ns/net)"
is 'they have mounts of their own' 2 \
	"$(for c in a b; do podman exec "$c" readlink /proc/self/ns/mnt; done | sort -u | wc -l)"
like 'the first process is that of pause' '*sleep 1000*' "$(podman exec b sh -c 'tr "\0" " " </proc/1/cmdline')"
like 'pod top' '*sleep*' "$(podman pod top pod args)"
like 'pod stats' '*a*' "$(podman pod stats --no-stream pod)"
ok 'pod pause' podman pod pause pod
is 'all are paused' Paused "$(state_of pod)"
ok 'pod unpause' podman pod unpause pod
ok 'pod kill' podman pod kill -s TERM pod
ok 'they end' wait_for is_in pod Exited
ok 'pod start' podman pod start pod
ok 'it runs again' wait_for is_in pod Running
ok 'pod stop' podman pod stop -t 10 pod
is 'it has ended' Exited "$(state_of pod)"
ok 'pod rm' podman pod rm -f pod

# ---- kube -----------------------------------------------------------------------------------

cat >"$T/kube.yaml" <<END
apiVersion: v1
kind: Pod
metadata:
  name: k
spec:
  hostNetwork: true
  containers:
  - name: one
    image: localhost/bb:latest
    imagePullPolicy: Never
    command: ["sh", "-c", "echo \$GREETING >/data/f; $stay"]
    env:
    - {name: GREETING, value: hello}
    securityContext:
      runAsUser: 1000
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
    resources:
      limits: {memory: 64Mi}
    volumeMounts:
    - {mountPath: /data, name: v}
  volumes:
  - name: v
    hostPath: {path: $T/kubedata, type: Directory}
END
mkdir -m 777 "$T/kubedata"
ok 'play kube' podman play kube --start "$T/kube.yaml"
ok 'it runs' wait_for test -s "$T/kubedata/f"
is 'as it was written' 'hello 1000' "$(xargs <"$T/kubedata/f") $(podman exec k-one id -u)"
like 'no more rights' '*NoNewPrivs: 1*' "$(podman exec k-one cat /proc/self/status | tr -s '\t' ' ')"
like 'generate kube' '*kind: Pod*name: k*' "$(podman generate kube k)"
ok 'down' podman play kube --down "$T/kube.yaml"
is 'nothing of it is there' '' "$(podman ps -aq)"

# ---- ids ------------------------------------------------------------------------------------

echo 'containers:2147483647:2147483648' >"$T/subids"
if mount --bind "$T/subids" /etc/subuid 2>/dev/null && mount --bind "$T/subids" /etc/subgid 2>/dev/null; then
	pod run --rm --userns auto:size=4096 --network none localhost/bb sh -c 'cat /proc/self/uid_map; id -u; ls -ln /etc/passwd'
	like '--userns=auto' '*0 21*4096*0*1 0 0*' "$(echo "$out" | tr -s ' ' | xargs)"
	pod run --rm --userns auto --network none localhost/bb sh -c 'cat /proc/self/uid_map; touch /x && echo made'
	like '--userns=auto by what the image has' '*0 21*made' "$(echo "$out" | xargs)"
	umount /etc/subuid /etc/subgid
else
	skip '--userns=auto' 'no /etc/subuid'
fi

podman_ends
ip link del cni-podman1 2>/dev/null
leftovers_after 'nothing stays'
done_testing
