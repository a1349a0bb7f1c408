#!/bin/sh
# podman of a user who is not root: root of a namespace of users that newuidmap makes, to whom no control group belongs.
# RUNTIME=/usr/sbin/runc tries the same with another runtime.
# shellcheck disable=SC2016 # for the shell inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
if [ "${APART:-}" != "$0" ] && [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	APART=$0
	export APART
	shell=$(readlink /proc/$$/exe)
	case $shell in
	*busybox*)	exec unshare -m --propagation private "$shell" sh "$0" "$@" ;;
	*)		exec unshare -m --propagation private "$shell" "$0" "$@" ;;
	esac
fi
. "${0%/*}/lib.sh"
need_root
need podman conmon newuidmap setpriv unshare
"$NL" oci --version >/dev/null 2>&1 || skip_all 'this build has no runtime'
[ "${APART:-}" = "$0" ] || skip_all 'no mounts of our own'
mount --make-rshared /  # as others have it
leftovers_before

user=23456
for file in passwd group subuid subgid; do
	: >>"/etc/$file"
	cat "/etc/$file" >"$T/$file"
	mount --bind "$T/$file" "/etc/$file" || skip_all "/etc/$file is not to be covered"
	chmod 644 "$T/$file"
done
echo "plain:x:$user:$user::$T/home:/bin/sh" >>"$T/passwd"
echo "plain:x:$user:" >>"$T/group"
echo plain:700000:65536 | tee -a "$T/subuid" >>"$T/subgid"
mkdir "$T/home" "$T/run" "$T/bin"
chmod 700 "$T/run"
chown $user:$user "$T/home" "$T/run"
ln -s "$NL" "$T/bin/crun"
cat >"$T/containers.conf" <<END
[containers]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
END
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$T/home/graph" "$T/run/containers" >"$T/storage.conf"
plain() {
	timeout 60 setpriv --reuid=$user --regid=$user --clear-groups env -i PATH="$PATH" HOME="$T/home" USER=plain \
		XDG_RUNTIME_DIR="$T/run" CONTAINERS_CONF="$T/containers.conf" CONTAINERS_STORAGE_CONF="$T/storage.conf" \
		sh -c 'cd; exec podman "$@"' - --runtime "${RUNTIME:-$T/bin/crun}" "$@"
}
once() { run plain run --rm --network none "$@"; }

if ! tar -C "$("$TESTDIR/trees" busybox)" -c . | plain import -q - localhost/bb >/dev/null 2>"$T/err"; then
	skip_all "podman does not work without root here: $(tail -n 1 "$T/err")"
fi
once localhost/bb sh -c 'id -u; awk "NR == 1 { print \$2 }" /proc/self/uid_map; echo x >/dev/null && exit 7'
is 'root inside is the user outside, its status is ours' "7 0 $user" "$rc $(echo "$out" | xargs)"
once localhost/bb /nowhere
is 'a program that is not there' 127 "$rc"
once --userns=keep-id localhost/bb sh -c 'id -u; touch /tmp/x && ls -n /tmp/x | tr -s " " | cut -d " " -f 3'
is 'users of its own in that' "$user $user" "$(echo "$out" | xargs)"
run plain run --rm --network host --pid host localhost/bb sh -c 'ls -d /sys/class/net/lo /proc/1'
is 'the network and processes of the host' '/proc/1 /sys/class/net/lo' "$(echo "$out" | xargs)"
once --privileged --systemd always localhost/bb sh -c 'mkdir /m && mount -t tmpfs x /m && echo mounted'
is 'privileged, and as systemd wants it' 'mounted' "$out"
ok 'one stays' plain run -d --name a --network none localhost/bb sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done'
run plain exec -u 5 -e A=b a sh -c 'id -u; echo $A; exit 9'
is 'exec' '9 5 b' "$rc $(echo "$out" | xargs)"
if [ -z "${RUNTIME:-}" ]; then
	run plain update --memory 64m a
	like 'a limit is refused, for nothing would hold it' '*linux.resources.memory.limit: no control group is ours to make here, to hold it*' "$err"
fi
run plain stop -t 30 a
is 'stop' '0 3' "$rc $(plain inspect -f '{{.State.ExitCode}}' a)"
ok 'again' plain start a
ok 'and away' plain rm -f -t 0 a
is 'nothing is known of it' '' "$(ls "$T/run/nspawn-lite-oci" 2>/dev/null)"

plain unshare sh -c 'rm -rf "$1"/graph' - "$T/home"
# one holds the namespaces between two of podman's lives
for p in /proc/[0-9]*; do
	[ "$(stat -c %u "$p" 2>/dev/null)" != $user ] || kill -9 "${p#/proc/}"
done
umount -l /etc/passwd /etc/group /etc/subuid /etc/subgid
leftovers_after 'nothing stays'
done_testing
