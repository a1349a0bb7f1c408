#!/bin/sh
# shellcheck disable=SC2016,SC2317 # scripts of guests; called by stepped
# Commands of the runtime are killed at each system call of theirs: what is told of the container then is true, the next
# command takes away what was half-made, and delete all else. CRASH=all takes every call, else some.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need jq timeout
"$NL" oci --version >/dev/null 2>&1 || skip_all 'this build has no runtime'
# shellcheck source-path=SCRIPTDIR source=step.sh
. "${0%/*}/step.sh"
stepping || skip_all 'stepping is for x86_64 and Linux 5.3'
t=$(tree busybox)
cp "$step" "$t/bin/step"
b=$T/bundle
me=crash$$
state=$T/root/run/nspawn-lite-oci
oci() { timeout 60 "$NL" oci "$@"; }
"$NL" oci spec --bundle "$T" && mkdir "$b"
bundle() {
	words=$(printf '%s\n' "$@" | jq -R . | jq -s .)
	jq --arg root "$t" --argjson words "$words" --arg me "/$me" '.process.args = $words | .process.terminal = false |
		.root = { path: $root } | .linux.cgroupsPath = $me |
		.process.env += ["NSPAWN_LITE_ROOT=" + env.NSPAWN_LITE_ROOT]' <"$T/config.json" >"$b/config.json"
}

# what_is : all that one of these could leave
what_is() {
	find "$state" "$t" ! -path "$t/there/*" 2>/dev/null | sort
	grep -F "$T" /proc/self/mountinfo
	find /sys/fs/cgroup -name "*$me*" 2>/dev/null | sort
	ours | while read -r p; do
		tr '\0' ' ' <"/proc/$p/cmdline" && echo
	done 2>/dev/null
}
# told : false, while one that it was being created by is about to end: it takes its lock with it
told() {
	oci state "$me" >"$T/told" 2>"$T/said"
	now=$(jq -r .status <"$T/told")
	[ "$now" != creating ]
}
# truth : what is told of it, and that it is so
truth() {
	TRIES=100 wait_for told
	case $now in
	'')	grep -q 'does not exist' "$T/said" || cat "$T/said"
		[ -z "$(oci list -q)" ] || echo 'it is in the list'
		# the next command has swept
		find "$state" -mindepth 1 -name "$me*"
		find /sys/fs/cgroup -type d -name "$me" 2>/dev/null | head -n 1 ;;
	created|running|paused)
		pid=$(jq .pid <"$T/told")
		[ "$pid" -gt 0 ] || echo "it is $now, and nobody" ;;
	stopped) ;;
	*)	echo "it is $now" ;;
	esac
}
check() {
	truth
	oci delete --force $me 2>&1
	same
}
mkdir -p "$state" && chmod 700 "$state"
export STEP=leave

bundle sleep 1000
stepped 'create' 43 "$NL" oci create --bundle "$b" --pid-file "$T/pid" $me
hook=$(printf '{"path":"/bin/sh","args":["sh","-c","exec cat >/dev/null"],"env":["PATH=%s"]}' "$PATH")
jq --argjson hook "$hook" '.hooks = { prestart: [$hook], createContainer: [$hook] } |
	.linux.namespaces |= map(if .type == "pid" then .path = "/proc/'$$'/ns/pid" else . end)' <"$b/config.json" >"$b/new" && mv "$b/new" "$b/config.json"
stepped 'create with hooks, beside the processes of the host' 97 "$NL" oci create --bundle "$b" $me
bundle true
stepped 'run' 89 "$NL" oci run --bundle "$b" $me
bundle sleep 1000
stepped 'run --detach' 97 "$NL" oci run --detach --bundle "$b" $me
# whoever is born there has our output
prepare() { oci create --bundle "$b" $me </dev/null >"$T/made" 2>&1 || cat "$T/made"; }
stepped 'start' 11 "$NL" oci start $me
check() {
	truth
	oci start $me 2>&1
	truth
	oci delete --force $me 2>&1
	same
}
stepped 'state of one that waits' 11 "$NL" oci state $me
check() {
	truth
	oci delete --force $me 2>&1
	same
}
prepare() { oci run --detach --bundle "$b" $me </dev/null >"$T/made" 2>&1 || cat "$T/made"; }
stepped 'exec' 89 "$NL" oci exec $me true
stepped 'kill' 29 "$NL" oci kill $me KILL
stepped 'delete' 41 "$NL" oci delete --force $me
stepped 'pause' 29 "$NL" oci pause $me
stepped 'update' 29 "$NL" oci update --pids-limit 100 $me
prepare() {
	oci run --detach --bundle "$b" $me </dev/null >"$T/made" 2>&1 || cat "$T/made"
	oci pause $me
}
stepped 'resume' 29 "$NL" oci resume $me
stepped 'delete of one that is paused' 53 "$NL" oci delete --force $me
done_testing
