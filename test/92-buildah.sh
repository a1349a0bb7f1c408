#!/bin/sh
# buildah runs the steps of a build by us; skopeo and umoci give bundles.
# RUNTIME=/usr/sbin/runc tries the same with another runtime.
# shellcheck disable=SC2016 # for the shell inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need buildah
# shellcheck source-path=SCRIPTDIR source=client.sh
. "${0%/*}/client.sh"
config_podman || skip_all 'no podman that works here'
leftovers_before

b() {
	run timeout 60 buildah --root "$T/containers/graph" --runroot "$T/containers/run" --storage-driver overlay "$@"
	[ "$rc" = 0 ] || return "$rc"
}
in_it() { b run --isolation oci --runtime "$RUN" --network none "$@"; }

ok 'from nothing' b from --name c scratch
c=c
ok 'a tree is copied' b copy -q "$c" "$("$TESTDIR/trees" busybox)" /
in_it "$c" -- /bin/sh -c 'echo "$$ $(id -u) $(pwd)"; echo err >&2; echo made >/made'
is 'run' '0 1 0 / err' "$rc $out $err"
in_it "$c" -- /bin/sh -c 'exit 3'
like 'its status' '3 *' "$rc $err"
in_it --user 1000:1000 --env A=b --workingdir /tmp "$c" -- /bin/sh -c 'echo "$A $(id -u) $(id -g) $(pwd)"'
is 'user, environment and directory' 'b 1000 1000 /tmp' "$out"
mkdir "$T/ctx"
echo context >"$T/ctx/file"
in_it -v "$T/ctx:/ctx:ro" --cap-add=CAP_SYS_TIME --hostname step "$c" -- /bin/sh -c 'cat /ctx/file; hostname; sed -n "s/CapEff:.//p" /proc/self/status'
like 'volumes, rights, host name' 'context step 00000000?[2367abef]0[04]?5fb' "$(echo "$out" | xargs)"
in_it "$c" -- /no/such/program
unlike 'a program that is not there' 0 "$rc"
like 'is said' '*no such*' "$(echo "$err" | tr N n)"
ok 'a terminal' "$PTY" -e 'wait /dev/pts/0' -- buildah --root "$T/containers/graph" --runroot "$T/containers/run" \
	--storage-driver overlay run --isolation oci --runtime "$RUN" --network none -t "$c" -- /bin/sh -c tty
ok 'commit' b commit -q "$c" localhost/made
ok 'what was made is in the image' podman run --rm --network none localhost/made /bin/cat /made

cat >"$T/ctx/Dockerfile" <<'END'
FROM localhost/made
ENV A=1
WORKDIR /new/dir
COPY file /file
RUN ["/bin/sh", "-c", "test $(cat /file) = context && test $A = 1 && pwd >/where"]
USER 1000
RUN id -u >/tmp/who
ENTRYPOINT ["/bin/cat", "/where", "/tmp/who"]
END
ok 'a build by a file' b bud -q --isolation oci --runtime "$RUN" --network none --pull-never -t localhost/built "$T/ctx"
is 'and what it gives' '/new/dir 1000' "$(podman run --rm --network none localhost/built | xargs)"
printf 'FROM localhost/made\nRUN exit 5\n' >"$T/ctx/Dockerfile"
ok 'one that fails' test "$(b bud -q --isolation oci --runtime "$RUN" --network none --pull-never "$T/ctx"; echo "$rc")" != 0

# ---- bundles --------------------------------------------------------------------------------

if command -v umoci >/dev/null; then
	ok 'an image as a layout' podman push -q localhost/built "oci:$T/layout:built"
	ok 'unpacked by umoci' umoci unpack --image "$T/layout:built" "$T/bundle"
	mv "$T/bundle/config.json" "$T/bundle/own"
	sed -e 's/"terminal": *true/"terminal":false/' "$T/bundle/own" >"$T/bundle/config.json"
	# no more than this process may have
	sed -i '/"rlimits"/,/\]/d' "$T/bundle/config.json"
	run timeout 60 "$RUN" run -b "$T/bundle" "umoci$$"
	is 'is run as it is' '0 /new/dir 1000' "$rc $(echo "$out" | xargs)"
else
	skip 'bundles of umoci' 'no umoci'
fi

b rm -a
podman_ends
leftovers_after 'nothing stays'
done_testing
