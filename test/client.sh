# shellcheck shell=sh disable=SC2034 # variables for the tests
# Clients that drive a runtime, to be sourced behind lib.sh (and net.sh). All that they keep is below $T.
# RUNTIME, from the environment, is another runtime than ours, so that what is asked can be tried with it: /usr/sbin/runc
# ours_is		true if it is ours that is tried
# RUN		what clients are given: its file is called crun, as they know what that one can do
# config_podman	makes PODMAN, a podman with all of its own and an image "bb" of busybox
# podman WORD...	that, for a minute; pod WORD... the same, with out, err and rc
# podman_ends	at the end of the test
# save_image REF CONFIG	$T/image.tar, an image of busybox as docker saves it

need_root
RUNTIME=${RUNTIME:-}
ours_is() { [ -z "$RUNTIME" ]; }

# Clients give it an environment of their own, and whoever cleans up behind them
real=$RUNTIME
if ours_is; then
	"$NL" oci --version >/dev/null 2>&1 || skip_all 'this build has no runtime'
	mkdir "$T/bin"
	ln -s "$NL" "$T/bin/crun"
	real=$T/bin/crun
fi
RUN=$T/crun
cat >"$RUN" <<END
#!/bin/sh
NSPAWN_LITE_ROOT=$T/root
export NSPAWN_LITE_ROOT
exec $real "\$@"
END
chmod 755 "$RUN"

save_image() {
	if [ ! -e "$T/image" ]; then
		mkdir "$T/image"
		tar -C "$("$TESTDIR/trees" busybox)" -c . >"$T/image/layer.tar"
		case $(uname -m) in
		x86_64)	arch=amd64 ;;
		aarch64) arch=arm64 ;;
		*)	arch=$(uname -m) ;;
		esac
	fi
	printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}\n' \
		"$arch" "$2" "$(sha256sum <"$T/image/layer.tar" | cut -d' ' -f1)" >"$T/image/config.json"
	printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]\n' "$1" >"$T/image/manifest.json"
	tar -C "$T/image" -c . >"$T/image.tar"
}

# No more than this process may have is to be asked for
config_podman() {
	command -v podman >/dev/null && command -v conmon >/dev/null || return
	mkdir -p "$T/cni" "$T/containers"
	cat >"$T/containers.conf" <<-END
	[containers]
	default_ulimits = ["nofile=512:512", "nproc=4096:4096"]
	log_driver = "k8s-file"
	[network]
	network_backend = "cni"
	network_config_dir = "$T/cni"
	[engine]
	cgroup_manager = "cgroupfs"
	events_logger = "file"
	infra_image = "localhost/pause"
	lock_type = "file"
	tmp_dir = "$T/containers/tmp"
	volume_path = "$T/containers/volumes"
	static_dir = "$T/containers/libpod"
	END
	printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' \
		"${DRIVER:-overlay}" "$T/containers/graph" "$T/containers/run" >"$T/storage.conf"
	CONTAINERS_CONF=$T/containers.conf CONTAINERS_STORAGE_CONF=$T/storage.conf DISABLE_HC_SYSTEMD=true TMPDIR=$T
	export CONTAINERS_CONF CONTAINERS_STORAGE_CONF DISABLE_HC_SYSTEMD TMPDIR
	PODMAN=$T/podman
	cat >"$PODMAN" <<-END
	#!/bin/sh
	exec $(command -v podman) --root $T/containers/graph --runroot $T/containers/run --tmpdir $T/containers/tmp \\
		--storage-driver ${DRIVER:-overlay} --runtime $RUN --cgroup-manager cgroupfs "\$@"
	END
	chmod 755 "$PODMAN"
	tar -C "$("$TESTDIR/trees" busybox)" -c . |
		podman import -q -c 'CMD ["sh"]' -c 'ENV PATH=/bin:/sbin:/usr/bin:/usr/sbin' - localhost/bb >/dev/null
}

podman() { timeout "${LONG:-60}" "$PODMAN" "$@"; }
pod() { run podman "$@"; }

# What it makes outside of $T: a group, which others may be in, and for a moment the last conmon
no_groups() {
	awk '$3 ~ /^cgroup2?$/ { print $2 "/libpod_parent" }' /proc/self/mounts | while read -r group; do
		find "$group" -depth -type d -exec rmdir {} +
	done
	! ls -d /sys/fs/cgroup/libpod_parent /sys/fs/cgroup/*/libpod_parent
}
podman_ends() {
	podman pod rm -a -f -t 0
	podman rm -a -f -t 0
	TRIES=100 wait_for no_groups
	umount -l "$T/containers/graph/overlay"
} >/dev/null 2>&1

# conmon drops a file where it is started when memory runs out
cd "$T" || exit
