#!/bin/sh
# shellcheck disable=SC2012,SC2016,SC2086,SC2317 # what is expanded is expanded inside; options are words; functions are called by name
# Images of the OCI and its runtime on a device: nothing is needed but a kernel, busybox and nspawn-lite. Images are made
# here, by busybox alone, and come from standard input and from a registry of files that busybox httpd serves; then a
# container, with and without control groups. Prints TAP.
#   sh ./oci-device.sh [NSPAWN-LITE]
nl=${1:-nspawn-lite}
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"

# the test before may have taken it away
mkdir -p /tmp
dir=$(mktemp -d) || exit
export NSPAWN_LITE_ROOT="$dir/state"
store=$dir/state/var/lib/machines
said=$dir/said
mkdir -p "$store"
can() { grep -qw "$1" /proc/filesystems; }
# overlays NAME=VALUE... : how they are mounted when nobody says it; a kernel may be made to tie them to where they began
overlays() {
	for p; do
		if [ -e "/sys/module/overlay/parameters/${p%=*}" ]; then echo "${p#*=}" >"/sys/module/overlay/parameters/${p%=*}"; fi
	done
}
were=$(cd /sys/module/overlay/parameters 2>/dev/null && for p in metacopy index; do [ ! -e $p ] || echo "$p=$(cat $p)"; done)
overlays index=Y metacopy=Y
# small : a tree of busybox with a few names
small() {
	mkdir -p "$1/bin" "$1/etc" "$1/proc" "$1/dev" "$1/sys" "$1/tmp"
	cp "$busybox" "$1/bin/busybox"
	for a in sh cat echo pwd ls sleep hostname chmod; do ln -s busybox "$1/bin/$a"; done
}
digest() { sha256sum "$1" | cut -c1-64; }
size() { wc -c <"$1" | tr -d ' '; }
arch=$(uname -m)
case $arch in
x86_64)	arch=amd64 ;;
aarch64) arch=arm64 ;;
i?86)	arch=386 ;;
armv*)	arch=arm ;;
mips)	[ "$(printf '\0\1' | hexdump -d | head -n 1 | tr -s ' ' | cut -d ' ' -f 2)" = 00001 ] || arch=mipsle ;;
esac

# ---- an archive of docker save, by a pipe --------------------------------------------------

small "$dir/base"
echo base >"$dir/base/etc/word"
echo gone >"$dir/base/etc/gone"
mkdir -p "$dir/top/etc" "$dir/save"
echo top >"$dir/top/etc/word"
: >"$dir/top/etc/.wh.gone"
tar -C "$dir/base" -cf "$dir/base.tar" .
tar -C "$dir/top" -cf "$dir/top.tar" .
# configuration COMMAND LAYER... : of an image
configuration() {
	command=$1
	shift
	ids=''
	for l; do ids="$ids${ids:+,}\"sha256:$(digest "$dir/$l.tar")\""; done
	printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin","A=b"],"Cmd":["/bin/sh","-c","%s"],"WorkingDir":"/etc"},"rootfs":{"type":"layers","diff_ids":[%s]}}' \
		"$arch" "$command" "$ids"
}
configuration 'echo $A $(cat word) $(pwd) $(ls gone 2>/dev/null || echo none)' base top >"$dir/save/web.json"
configuration 'echo second' base >"$dir/save/other.json"
ln "$dir/base.tar" "$dir/top.tar" "$dir/save"
printf '[{"Config":"web.json","RepoTags":["web:1"],"Layers":["base.tar","top.tar"]},{"Config":"other.json","RepoTags":["other:1"],"Layers":["base.tar"]}]' >"$dir/save/manifest.json"
tar -C "$dir/save" -cf "$dir/save.tar" .
rm -r "$dir/save"
import() { "$nl" import-oci -q "$@" 2>"$said"; }
layers() { ls "$store/.#layers" 2>/dev/null | wc -l | tr -d ' '; }
is 'docker save is imported from a pipe' 0 "$(import -:web:1 web <"$dir/save.tar"; echo $?)"
is 'the image runs its own command' 'b top /etc none' "$("$nl" -q -M web 2>"$said")"
is 'words replace it' 'instead top' "$("$nl" -q -M web /bin/sh -c 'echo instead $(cat word)' 2>"$said")"
overlays metacopy=N index=N
is 'where overlays are of another kind by now' 'b top /etc none' "$("$nl" -q -M web 2>"$said")"
overlays $were
is 'another image of that archive' 0 "$(import "$dir/save.tar:other:1" other; echo $?)"
is 'has its own' second "$("$nl" -q -M other 2>"$said")"
! can overlay || is 'they share a layer' 2 "$(layers)"
is 'the first is removed' 0 "$("$nl" remove web 2>"$said"; echo $?)"
is 'and the second runs on' second "$("$nl" -q -M other 2>"$said")"
"$nl" remove other
is 'nothing is left of them' '' "$(find "$store" -mindepth 1 ! -name '.#layers')"

# ---- a registry on this device ------------------------------------------------------------

if "$busybox" --list | grep -qx httpd; then
	v2=$dir/www/v2/app
	mkdir -p "$v2/blobs" "$v2/manifests"
	gzip -c "$dir/base.tar" >"$dir/base.gz"
	configuration 'echo from a registry' base >"$dir/config"
	for f in base.gz config; do ln "$dir/$f" "$v2/blobs/sha256:$(digest "$dir/$f")"; done
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:%s","size":%d}]}' \
		"$(digest "$dir/config")" "$(size "$dir/config")" "$(digest "$dir/base.gz")" "$(size "$dir/base.gz")" >"$v2/manifests/latest"
	ifconfig lo up 2>/dev/null
	"$busybox" httpd -f -p 127.0.0.1:5080 -h "$dir/www" &
	httpd=$!
	listens() { grep -q ':13D8 ' /proc/net/tcp; }
	wait_for listens
	is 'an image is pulled' 0 "$("$nl" pull-oci -q http://127.0.0.1:5080/app 2>"$said"; echo $?)"
	is 'and runs' 'from a registry' "$("$nl" -q -M app 2>"$said")"
	echo x >>"$v2/blobs/sha256:$(digest "$dir/config")"
	has 'one that is not what its digest says is refused' 'sha256' "$("$nl" pull-oci -q --force http://127.0.0.1:5080/app two 2>&1)"
	kill $httpd
	"$nl" remove app
fi

# ---- a container --------------------------------------------------------------------------

bundle=$dir/bundle
manager=''
mkdir -p "$bundle"
mv "$dir/base" "$bundle/rootfs"
# config COMMAND [LINUX [CAPABILITY [PID]]] : more of linux; what who is in has; whose processes those of another are
config() {
	printf '{"ociVersion":"1.0.2","process":{"args":["/bin/sh","-c","%s"],"cwd":"/","env":["PATH=/bin"],"capabilities":{"bounding":[%s],"effective":[%s],"permitted":[%s]}},"root":{"path":"rootfs"},"hostname":"small",
		"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/dev","type":"tmpfs","source":"dev","options":["mode=755"]}],
		"linux":{"namespaces":[{"type":"pid"%s},{"type":"mount"},{"type":"ipc"},{"type":"uts"}]%s}}' \
		"$1" "${3:+\"$3\"}" "${3:+\"$3\"}" "${3:+\"$3\"}" "${4:+,\"path\":\"/proc/$4/ns/pid\"}" "${2:-}" >"$bundle/config.json"
}
oci() { timeout 60 "$nl" oci --root "$dir/oci" $manager "$@"; }
seen() { sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p'; }
state() { oci state "$1" 2>/dev/null | seen; }
is_so() { [ "$(state "$1")" = "$2" ]; }
# lifes NAME : all that is done with one
lifes() {
	config 'echo $$ $(hostname) $(cat /etc/word)'
	is "a container runs$1" '1 small base' "$(oci run -b "$bundle" one 2>"$said")"
	config 'exit 7'
	is "its status is ours$1" 7 "$(oci run -b "$bundle" one 2>"$said"; echo $?)"
	config 'trap \"exit 0\" TERM; echo up >/tmp/up; while :; do sleep 1; done'
	rm -f "$bundle/rootfs/tmp/up"
	is "one is created$1" '0 created' "$(oci create -b "$bundle" two </dev/null >"$said" 2>&1; echo $?) $(state two)"
	is "started$1" '0 running' "$(oci start two 2>"$said"; echo $?) $(state two)"
	wait_for [ -s "$bundle/rootfs/tmp/up" ]
	is "entered$1" 'inside small' "$(oci exec two /bin/sh -c 'echo inside $(hostname)' 2>"$said")"
	oci exec two /bin/sh -c 'exit 5' 2>"$said"
	is "with the status of what ran$1" 5 $?
	is "told to end$1" 0 "$(oci kill two TERM 2>"$said"; echo $?)"
	is "which it does$1" 0 "$(wait_for is_so two stopped; echo $?)"
	is "and deleted$1" '0 ' "$(oci delete two 2>"$said"; echo $?) $(oci list -q)"
	config 'chmod 0700 /tmp && echo made; chmod 0123 /tmp 2>/dev/null || echo refused' \
		',"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":83,"op":"SCMP_CMP_EQ"}]},
		{"names":["fchmodat","fchmodat2"],"action":"SCMP_ACT_ERRNO","args":[{"index":2,"value":83,"op":"SCMP_CMP_EQ"}]}]}'
	grep -q Seccomp /proc/self/status &&
		is "a filter looks at arguments$1" 'made refused' "$(oci run -b "$bundle" three 2>"$said" | tr '\n' ' ' | sed 's/ $//')"
	# below it lies the initramfs; proc is not there to look it up in
	config 'busybox umount -l / 2>/dev/null; echo $?' '' CAP_SYS_ADMIN
	sed -i 's|{"destination":"/proc"[^}]*},||' "$bundle/config.json"
	is "its root cannot be taken away by it$1" 1 "$(oci run -b "$bundle" five 2>"$said")"
	pods "$1"
}
# pods NAME : who joins the processes of another, of who may trace and of who may not, sees them; or that is refused
pods() {
	for cap in '' CAP_SYS_PTRACE; do for deny in '' fsopen; do
		config 'exec sleep 1000' '' "$cap"
		oci run -d --pid-file "$dir/pid" -b "$bundle" pod </dev/null >"$said" 2>&1
		config 'cat /proc/1/cmdline' '' '' "$(cat "$dir/pid")"
		joined=$(export NSPAWN_LITE_DENY="$deny"; oci run -b "$bundle" in </dev/null 2>&1 | tr -d '\0')
		what="its processes are those of another$1, who has: ${cap:-nothing} (without: ${deny:-nothing})"
		case $cap:$deny:$apart in
		:*|*::apart) is "$what" sleep1000 "$joined" ;;
		*)	like "refused: $what" '*CAP_SYS_PTRACE*Linux 5.2*' "$joined" ;;
		esac
		oci delete -f pod
	done; done
	is "nothing is left of them$1" '' "$(oci list -q)"
}
# there is a call for it, and a filter for who makes it
apart=''
case $(uname -r) in
[2-4].*|5.[01][.-]*) ;;
*)	! grep -q Seccomp /proc/self/status || apart=apart ;;
esac
groups() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts; }
if [ -n "$(groups)" ]; then
	lifes ', with control groups'
	for g in $(groups | sort -r); do umount "$g" 2>/dev/null; done
fi
if [ -z "$(groups)" ]; then
	config 'echo not so'
	has 'what needs control groups says how to do without' '--cgroup-manager=disabled' "$(oci run -b "$bundle" four 2>&1)"
	manager=--cgroup-manager=disabled
	lifes ', without control groups'
	config 'echo not so' ',"resources":{"pids":{"limit":5}}'
	has 'a limit that nothing can hold is refused' linux.resources.pids "$(oci run -b "$bundle" four 2>&1)"
fi
rm -rf "$dir"
done_testing
