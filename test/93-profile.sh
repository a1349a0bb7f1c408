#!/bin/sh
# shellcheck disable=SC2016 # scripts of guests
# linux.seccomp: filters by themselves, against libseccomp where it can be had, and in the kernel
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
profile=$(program profile)
"$profile" '' 60 >"$T/out"
ok 'filters of chance are what their profiles say, on all ABIs' sh -c 'cat "$1" >&2; ! grep "^not ok" "$1"' - "$T/out"
need_root
need jq timeout
"$NL" oci --version >/dev/null 2>&1 || skip_all 'this build has no runtime'
oci() { timeout 30 "$NL" oci "$@"; }
t=$(tree busybox)
mkdir "$T/b" "$T/spec"
oci spec --bundle "$T/spec"

# bundle PROFILE WORD... : a container of them, with this linux.seccomp
bundle() {
	seccomp=$1
	shift
	export seccomp
	words=$(printf '%s\n' "$@" | jq -R . | jq -s .)
	jq --arg root "$t" --argjson words "$words" '.process.args = $words | .process.terminal = false | .root = { path: $root } |
		.linux.seccomp = (env.seccomp | fromjson)' <"$T/spec/config.json" >"$T/b/config.json"
}
with() {
	bundle "$@"
	oci run --bundle "$T/b" nlp 2>&1
}
leftovers_before

# ---- a profile as podman ships it --------------------------------------------------------

usual='{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32",
	"SCMP_ARCH_AARCH64","SCMP_ARCH_ARM","SCMP_ARCH_MIPS","SCMP_ARCH_MIPSEL","SCMP_ARCH_PPC64LE","SCMP_ARCH_RISCV64"]}'
if [ -e /usr/share/containers/seccomp.json ]; then
	# without what depends on capabilities
	jq --argjson usual "$usual" '$usual + { syscalls: [ .syscalls[] | select((.includes.caps // []) == [] and
		((.includes.arches // ["amd64"]) | contains(["amd64"]))) | { names, action, args: (.args // []) } + (if .errnoRet then { errnoRet } else {} end) ] }' \
		</usr/share/containers/seccomp.json >"$T/podman.json"
	is "podman's profile is in force, and what it wants is done" "it is made" \
		"$(with "$(cat "$T/podman.json")" sh -c 'mkdir /tmp/x && sleep 0 && cat /proc/self/stat >/dev/null && echo it is made')"
	is 'the kernel says that it filters' 'Seccomp: 2' "$(with "$(cat "$T/podman.json")" grep ^Seccomp: /proc/self/status | tr '\t' ' ')"
	out=$("$profile" "$T/podman.json" 20)
	note "$out"
	ok 'it does what it says' "$profile" "$T/podman.json" 1
	ok 'and is small' sh -c '[ "${1%% *}" -lt 1200 ]' - "$out"
	# that of the distribution, where another comes first
	for python in python3 /usr/bin/python3; do
		! "$python" -c 'import seccomp' 2>/dev/null || break
	done
	if "$python" -c 'import seccomp' 2>/dev/null; then
		"$profile" "$T/podman.json" 1 raw >"$T/ours.bpf"
		is 'libseccomp has made the same of it, for calls and arguments by the thousand' '' \
			"$("$python" "$TESTDIR/profile.py" "$T/podman.json" "$T/ours.bpf" 2>&1)"
	else
		skip 'libseccomp has made the same of it' 'no python3-seccomp'
	fi
else
	skip "podman's profile" 'it is not installed'
fi

# ---- in the kernel -----------------------------------------------------------------------

allow='{"defaultAction":"SCMP_ACT_ALLOW","syscalls":['
is 'an errno of choice' 'mkdir: can'\''t create directory '\''/tmp/x'\'': Owner died' \
	"$(with "$allow"'{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":130}]}' mkdir /tmp/x)"
is 'or EPERM' 'mkdir: can'\''t create directory '\''/tmp/x'\'': Operation not permitted' \
	"$(with "$allow"'{"names":["mkdir","mkdirat","no_such_call"],"action":"SCMP_ACT_ERRNO"}]}' mkdir /tmp/x)"
kill='["mkdir","mkdirat"],"action":"SCMP_ACT_KILL'
for how in '' _PROCESS _THREAD; do
	is "killed by KILL$how" 159 "$(with "$allow{\"names\":$kill$how\"}]}" sh -c 'mkdir /tmp/x 2>/dev/null; echo $?')"
done
# the kernel looks at an argument whose upper half counts
is 'an argument counts: of one mode it refuses, of others not' '1 0' "$(with \
	"$allow"'{"names":["chmod","fchmodat"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":448,"op":"SCMP_CMP_EQ"}]},
	{"names":["fchmodat"],"action":"SCMP_ACT_ERRNO","args":[{"index":2,"value":448,"op":"SCMP_CMP_EQ"}]}]}' \
	sh -c ': >/tmp/y; chmod 700 /tmp/y 2>/dev/null; printf "%s " $?; chmod 600 /tmp/y; echo $?')"
first='{"names":["fchmodat","chmod"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":4000,"op":"SCMP_CMP_NE"}]}'
then='{"names":["fchmodat","chmod"],"action":"SCMP_ACT_ERRNO","errnoRet":5,"args":[{"index":3,"value":4001,"op":"SCMP_CMP_NE"}]}'
for both in "$first,$then" "$then,$first"; do
	is 'where rules meet the strictest counts' 1 "$(with "{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":[$both]}" \
		sh -c ': >/tmp/y; chmod 700 /tmp/y 2>/dev/null; echo $?')"
done
for flag in SPEC_ALLOW LOG TSYNC; do
	is "flag $flag" 2 "$(with "${allow%,\"sys*},\"flags\":[\"SECCOMP_FILTER_FLAG_$flag\"],\"syscalls\":[]}" \
		sed -n 's/^Seccomp:.//p' /proc/self/status)"
done

# ---- refused -----------------------------------------------------------------------------

# refused NAME PROFILE PATTERN
refused() {
	bundle "$2" true
	run oci run --bundle "$T/b" nlp
	like "$1" "1 *linux.seccomp$3" "$rc $err"
}
refused 'an action that is none' '{"defaultAction":"SCMP_ACT_MAYBE"}' ': SCMP_ACT_MAYBE: no action that is known here'
refused 'an operator that is none' "$allow"'{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"X"}]}]}' ': *X*'
refused 'a seventh argument' "$allow"'{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}' ': *'
refused 'a flag that is none' '{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_FAST"]}' '.flags: SECCOMP_FILTER_FLAG_FAST: *'
refused 'another machine' '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_S390X"]}' '.architectures: *'
refused 'to be told of what tells' "$allow"'{"names":["sendmsg"],"action":"SCMP_ACT_NOTIFY"}]}' ': *sendmsg*'
refused 'to be told of all' '{"defaultAction":"SCMP_ACT_NOTIFY"}' ': *defaultAction*'
bundle "$allow]}" true
NSPAWN_LITE_DENY=seccomp,seccomp-filter run oci run --bundle "$T/b" nlp
like 'a kernel without filters' '1 *linux.seccomp: this kernel cannot filter system calls*' "$rc $err"

# ---- told --------------------------------------------------------------------------------

if command -v python3 >/dev/null; then
	cat >"$T/listen.py" <<'E'
import socket, json, array, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
open(sys.argv[1] + '.ready', 'w').close()
c, _ = s.accept()
data, anc, _, _ = c.recvmsg(65536, 64)
j = json.loads(data)
fds = array.array('i', anc[0][2])
import os
print(j['fds'], j['metadata'], j['state']['id'], j['state']['pid'] == j['pid'], 'seccomp' in os.readlink('/proc/self/fd/%d' % fds[0]))
E
	timeout 30 python3 "$T/listen.py" "$T/s" >"$T/told" 2>&1 &
	wait_for test -e "$T/s.ready"
	with "${allow%,\"sys*},\"listenerPath\":\"$T/s\",\"listenerMetadata\":\"a \\\"b\\\"\",
		\"syscalls\":[{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}" true >"$T/out"
	wait "$!"
	is 'the listener gets the fd, and the state' "['seccompFd'] a \"b\" nlp True True" "$(cat "$T/told" "$T/out")"
else
	skip 'the listener gets the fd, and the state' 'no python3'
fi
leftovers_after 'nothing is left of all that'
done_testing
