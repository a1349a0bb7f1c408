#!/bin/sh
# Tutorials 1 and 3, and the lines of the others that concern images: as they are typed, on tmpfs, ext4 and btrfs, with
# what the reader is told to see; what is done with machines is in 90-walk.sh. On tmpfs, which is as ext4 here, with WALK=all.
# shellcheck disable=SC2016 # for shells inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need_root
need tar gzip xz sha256sum mkfs.ext4 mkfs.btrfs nginx losetup
ip link set lo up

tree=$(tree busybox) || skip_all 'no tree'
store=$T/root/var/lib/machines
work=$T/work
mkdir -p "$store" "$work" "$T/bin" "$T/nginx" "$T/www"
chmod 755 "$T/www"
for name in systemd-nspawn machinectl importctl; do
	ln -s "$NL" "$T/bin/$name"
done
PATH=$T/bin:$PATH
printf 'ID=ubuntu\nVERSION_ID=16.04\nPRETTY_NAME="Ubuntu 16.04.7 LTS"\n' >"$tree/etc/os-release"
echo xenial >"$tree/etc/hostname"

mounted=''
unmount() {
	for m in $mounted; do
		umount "$m" 2>/dev/null
	done
	mounted=''
}
trap 'unmount; end_background' EXIT

# as on a command line
typed() { run timeout 60 "$@"; }
# of a table: NAME TYPE RO
table() { machinectl list-images | awk '/listed\.$/ || NF == 0 { next } { print $1, $2, $3 }' | paste -sd ';'; }

tar -C "$tree" -czf "$T/www/trusty-server-cloudimg-amd64-root.tar.gz" .
tar -C "$tree" -cJf "$T/www/xenial-base.tar.xz" .
(cd "$T/www" && sha256sum xenial-base.tar.xz trusty-* >SHA256SUMS)
cat >"$T/nginx.conf" <<-END
daemon off; pid $T/nginx/pid; error_log $T/nginx/error; worker_processes 1; user root;
events { }
http {
	access_log off; client_body_temp_path $T/nginx/a; proxy_temp_path $T/nginx/b; fastcgi_temp_path $T/nginx/c;
	uwsgi_temp_path $T/nginx/d; scgi_temp_path $T/nginx/e;
	server {
		listen 127.0.0.1:8080; root $T/www;
		location /slow/ { alias $T/www/; limit_rate 300k; }
		location /hotel/ { default_type text/html; return 200 '<!DOCTYPE html><title>Please log in</title>'; }
	}
}
END
background nginx -c "$T/nginx.conf" -p "$T/nginx" 2>/dev/null
wait_for busybox wget -q -O "$T/try" http://127.0.0.1:8080/SHA256SUMS 2>/dev/null || note "$(cat "$T/nginx/error")"
at=http://127.0.0.1:8080

# ---- who signed it: https://... of the tutorials has keys, which a host without systemd has not ---------------------

typed machinectl pull-tar "$at/xenial-base.tar.xz"
like 'without keys nothing is taken for signed' \
	"1 *--verify=signature: there are no keys in *; put some there, or say --verify=checksum, which trusts the server" "$rc $err"
is 'and nothing is there' 'No images.' "$(machinectl list-images)"

walk() {  # on FILE-SYSTEM, where a clone is of TYPE, below BASE
	fs=$1 kind=$2
	cd "$work" || exit

	# -- tutorial 1
	typed machinectl pull-tar --verify=checksum "$at/xenial-base.tar.xz"
	is "$fs: pull-tar URL" 0 "$rc" || note "$err"
	like 'it says what comes, that its sum is right, and what it became' \
		"*Pulling '$at/xenial-base.tar.xz', saving as 'xenial-base'.*Downloading *SHA256 checksum of $at/xenial-base.tar.xz is valid.*Created new local image 'xenial-base'.*Operation completed successfully.*Exiting." "$err"
	typed machinectl pull-tar --verify=no "$at/xenial-base.tar.xz" unchecked
	is 'pull-tar --verify=no URL NAME' 0 "$rc" || note "$err"
	unlike 'of what was not checked nothing is said to be valid' '*valid*' "$err"
	base_kind=$(machinectl show-image -P Type xenial-base)
	typed machinectl remove unchecked
	is 'remove' "0 xenial-base $base_kind no" "$rc $(table | sed 's/^NAME TYPE RO;//')"
	typed machinectl list-images
	is 'list-images' "0 NAME TYPE RO USAGE CREATED MODIFIED" "$rc $(echo "$out" | head -n 1 | tr -s ' ')"
	like 'with what it counted below' "*
1 images listed." "$out"
	typed systemd-nspawn -M xenial-base sh -c 'hostname; . /etc/os-release; echo $ID'
	is 'systemd-nspawn -M xenial-base' "0 xenial-base ubuntu" "$rc $(echo "$out" | paste -sd ' ')"
	is 'which says where' "Spawning container xenial-base on $store/xenial-base." "$(echo "$err" | head -n 1)"
	ok 'chroot /var/lib/machines/xenial-base passwd' chroot "$store/xenial-base" /bin/busybox true
	if machinectl read-only xenial-base true 2>"$T/why"; then
		is 'read-only xenial-base true' "xenial-base $base_kind yes" "$(table | sed 's/^NAME TYPE RO;//')"
		typed systemd-nspawn -q -M xenial-base touch /x
		is 'writing to it fails' '1 touch: /x: Read-only file system' "$rc $err"
		typed touch "$store/xenial-base/x"
		is 'and from outside, too' 1 "$rc"
		ro=read-only
	else
		is 'read-only xenial-base true: not here, and it says so' \
			"Could not mark image read-only: $fs has no such flag for directories" "$(cat "$T/why")"
		ro=writable
	fi
	typed machinectl image-status xenial-base
	is 'image-status xenial-base' "0 xenial-base
	    Type: $base_kind
	    Path: $store/xenial-base
	Hostname: xenial
	      OS: Ubuntu 16.04.7 LTS
	      RO: $ro
	 Created: " "$rc $(echo "$out" | sed 's/\( Created: \).*/\1/; /Machine ID:/d; /Usage:/d; /Limit:/d')"
	typed machinectl clone xenial-base plex
	is 'clone xenial-base plex' "0 plex $kind no" "$rc $(table | tr ';' '\n' | grep ^plex)"
	typed systemd-nspawn -q -M plex sh -c 'echo media >/srv-of-plex; hostname'
	is 'it runs, and is written to' '0 plex' "$rc $out"
	typed machinectl clone xenial-base next
	is 'clone xenial-base next: what it takes to spawn another' "0 next $kind no" "$rc $(table | tr ';' '\n' | grep ^next)"
	typed systemd-nspawn -q -M next ls /srv-of-plex
	is 'of what is in plex it knows nothing' "1 ls: /srv-of-plex: No such file or directory" "$rc $err"

	# -- tutorial 3
	cp -r "$tree" "$store/debian_buildd-vim"
	typed machinectl list-images
	like 'cp -r debian_buildd-vim /var/lib/machines: it is listed' '*
debian_buildd-vim directory no *
4 images listed.' "$out"
	typed machinectl clone debian_buildd-vim nginx
	is 'clone debian_buildd-vim nginx' "0 nginx $kind no" "$rc $(table | tr ';' '\n' | grep ^nginx)"
	typed systemd-nspawn -M nginx sh -c 'echo nginx >/installed; cat /installed'
	is 'systemd-nspawn -M nginx' '0 nginx' "$rc $out"
	typed machinectl --format=xz export-tar nginx nginx.xz
	is '--format=xz export-tar nginx nginx.xz' "0 FD377A585A00 nginx" \
		"$rc $(head -c 6 nginx.xz | od -An -tx1 | tr -d ' \n' | tr a-f A-F) $(tar -xJOf nginx.xz ./installed)"
	like 'it says how it is packed' "Exporting '$store/nginx*', saving to 'nginx.xz' with compression 'xz'.*" "$err"
	typed machinectl pull-tar --verify=checksum "$at/trusty-server-cloudimg-amd64-root.tar.gz"
	is 'pull-tar https://.../trusty-server-cloudimg-amd64-root.tar.gz' 0 "$rc" || note "$err"
	typed systemd-nspawn -M trusty-server-cloudimg-amd64-root hostname
	is 'systemd-nspawn -M trusty-server-cloudimg-amd64-root' '0 trusty-server-cloudimg-amd64-root' "$rc $out"
	typed machinectl image-status nginx plex
	like 'of two images there is a line between' 'nginx
*
	      RO: writable
*

plex
*' "$out"

	# -- tutorial 5
	mkdir -p "$store/releases"
	cp -rp "$tree" "$store/releases/xenial"
	cp -rp "$store/releases/xenial" "$store/web"
	rm -r "$store/releases"
	typed systemd-nspawn -q -M web hostname
	is 'cp -rp releases/xenial /var/lib/machines/web' '0 web' "$rc $out"
	typed systemd-nspawn -q -M xenial -D "$tree" hostname
	is 'systemd-nspawn -M xenial -D xenial' '0 xenial' "$rc $out"

	# -- what goes wrong
	typed machinectl clone xenial-base plex
	is 'a name that is taken' '1 Could not clone image: File exists' "$rc $err"
	typed machinectl clone plexx other
	is 'a name that is mistyped' "1 Could not clone image: No image 'plexx' known" "$rc $err"
	typed machinectl lits-images
	is 'a verb that is mistyped' '1 Unknown command verb lits-images.' "$rc $err"
	typed machinectl clone plex
	is 'a word too few' '1 Too few arguments.' "$rc $err"
	typed machinectl pull-tar --verify=no "$at/hotel/image.tar.xz"
	like 'a hotel answers' "1 *: it is a web page, such as one that asks for a login: look at it in a browser" "$rc $err"
	typed machinectl pull-tar --verify=checksum "$at/hotel/image.tar.xz"
	like 'and has no sums' "1 *SHA256SUMS: left out, for what came is a web page
Failed to retrieve SHA256 checksum, cannot verify. (Try --verify=no?)" "$rc $err"
	is 'nothing half-made is left' '' "$(find "$store" -maxdepth 1 -name '.#*' ! -name '*.clones')"
	cd "$T" || exit
}

# a clone lies in layers on what it was made of
if [ "${WALK:-}" = all ]; then
	mount -t tmpfs walk "$store"
	mounted=$store
	walk tmpfs overlay
	unmount
fi
truncate -s 200M "$T/ext4"
mkfs.ext4 -q "$T/ext4"
mount -o loop "$T/ext4" "$store"
mounted=$store
rmdir "$store/lost+found"
walk ext4 overlay
machinectl remove next plex xenial-base nginx 2>"$T/why" || note "$(cat "$T/why")"
is 'remove: those that lie on it first' 'debian_buildd-vim trusty-server-cloudimg-amd64-root web' \
	"$(machinectl --no-legend list-images | cut -d ' ' -f 1 | paste -sd ' ')"
unmount

# fallocate -l 20G machines.raw; mkfs.btrfs machines.raw; mkdir machines; mount -o loop machines.raw machines
cd "$T/root/var/lib" || exit
fallocate -l 400M machines.raw
mkfs.btrfs -q machines.raw
mount -o loop machines.raw machines
mounted=$store
cd "$T" || exit
walk btrfs subvolume
typed btrfs subvolume create "$store/debian_build-vim"
cp -r "$tree/." "$store/debian_build-vim"
is 'btrfs subvolume create debian_build-vim' 'debian_build-vim subvolume no' "$(table | tr ';' '\n' | grep '^debian_build-')"
typed machinectl clone debian_build-vim built
is 'its clone is a snapshot' 'subvolume 0' "$(machinectl show-image --value -p Type built) $rc"
unmount

# a directory of trees, wherever it is, with -D
cd "$work" || exit
fallocate -l 130M containers
mkfs.btrfs -q containers
mkdir trees
mount -o loop containers trees
mounted=$work/trees
cp -r "$tree" trees/debian_buildd-vim
cd trees || exit
typed systemd-nspawn -D debian_buildd-vim/ hostname
is 'systemd-nspawn -D debian_buildd-vim/' "0 debian_buildd-vim Spawning container debian_buildd-vim on $work/trees/debian_buildd-vim." \
	"$rc $out $(echo "$err" | head -n 1)"
like 'it says how to leave' '*
Press ^\] three times within 1s to kill container.*' "$err"
"$PTY" -t 60 -e 'wait login: ' -e 'send \x1d\x1d\x1d' -e 'exit 137' -- systemd-nspawn -bD debian_buildd-vim/ >"$T/console" 2>&1
is 'systemd-nspawn -bD debian_buildd-vim/: ^] three times leaves' 'Container debian_buildd-vim terminated by signal KILL.' \
	"$(tr -d '\r' <"$T/console" | grep '^Container ')"
cd "$T" || exit
unmount

# ---- at a terminal ----------------------------------------------------------------------------------------------------

"$PTY" -t 60 -- machinectl pull-tar --verify=checksum "$at/slow/trusty-server-cloudimg-amd64-root.tar.gz" slow 2>&1 |
	tr '\r' '\n' >"$T/console"
like 'progress is percent, what is left and how fast' 'Got [0-9]*%. [0-9]*s left at [0-9]*K/s.*' \
	"$(grep '^Got' "$T/console" | head -n 1)"
is 'it fits in a line, which it clears' '' \
	"$(grep '^Got' "$T/console" | sed "s/$(printf '\033')\\[K\$//; t short; s/^/not cleared: /; b; :short; s/^.\{0,79\}\$//; /^\$/d")"
machinectl remove slow

# ---- ours: no btrfs at hand -------------------------------------------------------------------------------------------

rm -f "$T/root/var/lib/machines.raw"
typed machinectl pool
is 'a pool has a size' '1 there is no pool yet; say how large it may become, such as 20G' "$rc $err"
typed machinectl pool 400M
mounted=$store
is 'pool 400M: a store of btrfs in a file' "0 $T/root/var/lib/machines.raw is mounted on $store: 400.0M" "$rc $err"
cp -r "$tree" "$store/xenial-base"
typed machinectl clone xenial-base plex
is 'clones in it are subvolumes' '0 subvolume' "$rc $(machinectl show-image --value -p Type plex)"
typed machinectl image-status
is 'image-status of no image is the pool' "	    Path: $store" "$(echo "$out" | head -n 1)"
typed importctl
is 'importctl says nothing runs' '0 No transfers.' "$rc $out"
unmount
# the kernel lets go of one in its own time
# shellcheck disable=SC2317 # called by wait_for
no_loops() { ! losetup -l -n -O BACK-FILE | grep -F "$T"; }
ok 'no loop device is left' wait_for no_loops
done_testing
