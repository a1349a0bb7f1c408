#!/bin/sh
# shellcheck disable=SC2016,SC2317 # for shells inside; called by name
# The tutorials of walkthroughs: what is done with machines in them, as it is typed, with what the reader is told to see;
# what is done with images is in 70-walk-images.sh, and the line for Docker's registry in 65-pull-oci.sh.
# Each on one file system; with WALK=all each on all.
# The words are as written: /var/lib/machines is the scratch store here.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need mkfs.ext4 mkfs.btrfs losetup
tree=$(tree busybox) || skip_all 'no tree'
outside || skip_all 'no veth in this kernel'
store=$T/root/var/lib/machines
mkdir -p "$store" /var/lib/machines "$T/bin" "$T/media"
for name in systemd-nspawn machinectl; do
	ln -s "$NL" "$T/bin/$name"
done
PATH=$T/bin:$PATH
echo film >"$T/media/film"
cat >"$tree/etc/os-release" <<-'END'
	ID=ubuntu
	VERSION_ID=16.04
	PRETTY_NAME="Ubuntu 16.04.7 LTS"
END
# it asks for its address, as an Ubuntu does, and serves a page
cat >"$tree/etc/inittab" <<-'END'
	::sysinit:/bin/hostname -F /proc/sys/kernel/hostname
	::once:/bin/busybox httpd -f -p 80 -h /srv
	console::respawn:/sbin/getty 38400 console
	::shutdown:/bin/sh -c "echo ended >>/var/log/ended"
END
mkdir -p "$tree/srv"
echo 'Welcome to nginx!' >"$tree/srv/index.html"

mounted=''
# shellcheck disable=SC2317 # by trap
unmount() {
	for m in $mounted; do
		umount "$m" 2>/dev/null
	done
	mounted=''
}
# shellcheck disable=SC2317 # by trap
over() {
	over_status=$?
	for m in $(machinectl list --no-legend 2>/dev/null | cut -d ' ' -f 1); do
		timeout 60 machinectl terminate "$m"
	done 2>/dev/null
	unmount
	(exit "$over_status")
	end_background
}
trap over EXIT
at_store() {
	mounted="/var/lib/machines $store"
	mount --bind "$store" /var/lib/machines
	rmdir "$store/lost+found" 2>/dev/null
}
# as on a command line
typed() { run timeout 120 "$@"; }
# done_ LINE : it was typed just now, succeeds, and says nothing
silent() { is "$fs: $1" '0  ' "$rc $out $err"; }
# at a terminal: at LINE STATUS STEP... -- COMMAND...
at() {
	at_line=$1 at_status=$2
	shift 2
	: >"$T/script"
	while [ "$1" != -- ]; do
		printf '%s\n' "$1" >>"$T/script"
		shift
	done
	echo exit >>"$T/script"
	"$PTY" -t 100 "$T/script" "$@" >"$T/console" 2>&1
	is "$fs: $at_line" "$at_status" $? || note "$(tail -c 1000 "$T/console")"
}
said() { tr -d '\r' <"$T/console" | grep -a "$1"; }
row() { machinectl list 2>&1 | grep "^$1 " | sed 's/ \{1,\}/ /g'; }
leader() { machinectl show "$1" -p Leader --value; }
# prompts NAME N : it runs, and its console has asked so often who is there
# shellcheck disable=SC2317 # by wait_for
prompts() { row "$1" | grep -q . && [ "$("$NL" logs -n all "$1" 2>/dev/null | grep -c login:)" -ge "$2" ]; }
log_in="send root\n"

# ---- 1: a media server on a bridge -----------------------------------------------------------------------------------

# shellcheck disable=SC2317 # all are called by name
plex() {
	cp -a "$tree" "$store/xenial-base"
	at 'systemd-nspawn -M xenial-base --network-bridge=br0 -b; ^] three times leaves' 137 'wait xenial-base login:' "$log_in" \
		'wait #' 'send ls /sys/class/net\n' 'wait host0' 'send \x1d\x1d\x1d' -- systemd-nspawn -M xenial-base --network-bridge=br0 -b
	is 'it says so' 'Container xenial-base terminated by signal KILL.' "$(said '^Container ')"
	[ "$fs" = tmpfs ] || machinectl read-only xenial-base true
	typed machinectl clone xenial-base plex
	is "$fs: clone xenial-base plex" 0 "$rc" || note "$err"
	typed machinectl start plex
	is "$fs: start plex" '0 ' "$rc $out" || note "$err"
	like "$fs: list" 'plex container systemd-nspawn ubuntu 16.04 *.*.*.*' "$(row plex)"
	is 'with what it counted below' '1 machines listed.' "$(machinectl list | tail -n 1)"
	typed machinectl status plex
	like "$fs: status plex" "0 plex*
	   Since: * ago
	  Leader: * (init)
	 Service: systemd-nspawn; class container
	    Root: /*
	   Iface: ve-plex
	 Address: *
	      OS: Ubuntu 16.04.7 LTS
*	    Unit: systemd-nspawn@plex.service*" "$rc $out"
	at 'login plex' 0 'wait plex login:' "$log_in" 'wait #' 'send hostname; tty\n' 'wait /dev/pts/' 'send \x1d\x1d\x1d' \
		-- machinectl login plex
	is 'it says where it is, and that it has left' 'Connected to machine plex. Press ^] three times within 1s to exit session.
Connection to machine plex terminated.' "$(said '^Connect')"
	typed machinectl stop plex
	silent 'stop plex'
	is 'it ran what it runs at its end' ended "$(systemd-nspawn -q -M plex cat /var/log/ended)"
	is 'and is listed no more' 'No machines.' "$(machinectl list)"
	printf '[Exec]\nBoot=on\n[Files]\nBind=%s:/mnt\n[Network]\nVirtualEthernet=on\nBridge=br0\n' "$T/media" >"$store/plex.nspawn"
	typed machinectl start plex
	like "$fs: start plex, with a file of settings: it is not read, which is said" '0 *plex.nspawn*' "$rc $err"
	typed machinectl stop plex
	at 'systemd-nspawn -M plex reads it when it is told to' 0 'wait plex login:' "$log_in" 'wait #' 'send cat /mnt/film\n' 'wait film' \
		'send poweroff\n' -- systemd-nspawn --settings=trusted -M plex
	rm "$store/plex.nspawn"
	typed machinectl enable plex
	like "$fs: enable plex" "0 Created symlink $store/.enabled/plex → $store/plex*." "$rc $err"
	typed "$NL" start --all
	silent 'nspawn-lite start --all'
	like 'starts it' 'plex *' "$(row plex)"
	at 'shell plex' 0 'wait #' 'send id -u; exit\n' -- machinectl shell plex
	is 'it is root there' 0 "$(said '^[0-9]')"
	typed machinectl shell root@plex /bin/sh -c 'echo key >/root/id_rsa; exit 3'
	is "$fs: shell root@plex /bin/sh -c: its status comes out" '3 key' "$rc $(machinectl shell plex /bin/cat /root/id_rsa | tr -d '\r')"
	typed machinectl clone xenial-base next
	typed machinectl start next
	is "$fs: clone xenial-base next; start next: two run" '0 2 machines listed.' "$rc $(machinectl list | tail -n 1)"
	typed machinectl stop plex next
	silent 'stop plex next'
	typed machinectl disable plex
	is "$fs: disable plex" "0 Removed \"$store/.enabled/plex\"." "$rc $err"
	typed machinectl status plex
	is "$fs: status of one that does not run" "1 Could not get path to machine: No machine 'plex' known" "$rc $err"
	typed machinectl start plexx
	is "$fs: a name that is mistyped" "1 Machine image 'plexx' does not exist." "$rc $err"
}

# ---- 2: Debian on a server ----------------------------------------------------------------------------------------------

debian() {
	cp -a "$tree" "$store/container1"
	c=/var/lib/machines/container1/
	# LimitNOFILE=100000, where somebody lets us
	files=100000
	prlimit --nofile="$files:$files" true 2>/dev/null || files=4096
	at 'systemd-nspawn -D /var/lib/machines/container1/ --machine test_container' 137 'wait #' 'send passwd -u root\n' 'wait #' \
		'send \x1d\x1d\x1d' -- systemd-nspawn -D $c --machine test_container
	at '-b: to a login prompt' 0 'wait test_container login:' "$log_in" 'wait #' 'send poweroff\n' \
		-- systemd-nspawn -D $c --machine test_container -b --network-bridge=cont-bridge
	skip "$fs: --network-ipvlan=IFACE" 'no ipvlan in this kernel'
	systemd-nspawn -q -D $c --machine test_container -b --network-bridge=cont-bridge --rlimit=NOFILE=$files --restart=always \
		--console=passive >"$T/service" 2>&1 &
	wait_for prompts test_container 1 || note "$(cat "$T/service")"
	like "$fs: as a service: list" 'test_container container systemd-nspawn ubuntu 16.04 *' "$(row test_container)"
	typed machinectl status test_container
	like "$fs: status test_container" '0 test_container*' "$rc $out"
	at 'login test_container' 0 'wait login:' "$log_in" 'wait #' 'send ulimit -n\n' 'send \x1d\x1d\x1d' -- machinectl login test_container
	typed "$NL" set-property test_container CPUShares=200 CPUQuota=30% MemoryLimit=500M
	is "$fs: set-property CPUShares=200 CPUQuota=30% MemoryLimit=500M" 0 "$rc" || note "$err"
	like "$fs: logs shows its console" '*login:*' "$("$NL" logs test_container)"
	was=$(leader test_container)
	typed machinectl reboot test_container
	silent 'reboot test_container'
	# shellcheck disable=SC2317 # by wait_for
	other() { now=$(leader test_container 2>/dev/null) && [ "${now:-0}" != 0 ] && [ "$now" != "$was" ]; }
	ok 'it comes up again' wait_for other
	wait_for prompts test_container 2
	rm -f "$store/container1/var/log/ended"
	typed machinectl poweroff test_container
	silent 'poweroff test_container'
	wait $!
	is 'it ends in good order, for good' 'ended No machines.' "$(cat "$store/container1/var/log/ended") $(machinectl list)"
	systemd-nspawn -q -D $c --machine test_container -b --console=passive >"$T/service" 2>&1 &
	wait_for prompts test_container 1
	typed machinectl terminate test_container
	silent 'terminate test_container'
	wait $!
	is 'it is gone' 'No machines.' "$(machinectl list)"
}

# ---- 3: build boxes ---------------------------------------------------------------------------------------------------

build() {
	cp -a "$tree" "$store/debian_buildd-vim"
	cd "$store" || exit
	at 'systemd-nspawn -bD debian_buildd-vim/' 0 'wait debian_buildd-vim login:' "$log_in" 'wait #' 'send poweroff\n' \
		-- systemd-nspawn -bD debian_buildd-vim/
	cd "$T" || exit
	is 'it says what it does, and how to leave' "Spawning container debian_buildd-vim on $store/debian_buildd-vim.
Press ^] three times within 1s to kill container.
Container debian_buildd-vim has been shut down." "$(said '^Spawning\|^Press\|^Container')"
	typed machinectl clone debian_buildd-vim nginx
	typed systemd-nspawn -M nginx wget -q -O - http://198.51.100.2/
	is "$fs: systemd-nspawn -M nginx: over the network" '0 a package' "$rc $out" || note "$err"
}

# ---- 4: Arch Linux ------------------------------------------------------------------------------------------------------

# shellcheck disable=SC2317
arch() {
	cp -a "$("$TESTDIR/trees" systemd)" "$store/archcontainer"
	chroot /var/lib/machines/archcontainer sh -c "systemctl enable systemd-networkd" 2>/dev/null
	echo "pts/0" >>/var/lib/machines/archcontainer/etc/securetty
	typed machinectl start archcontainer
	is "$fs: start archcontainer" '0 ' "$rc $out" || note "$err"
	like "$fs: list" 'archcontainer container systemd-nspawn debian 12 *.*.*.*' "$(row archcontainer)"
	typed machinectl shell archcontainer /bin/sh -c 'until networkctl status host0 2>&1 | grep -q "State: routable"; do sleep 0.1; done
		networkctl status host0 2>/dev/null | grep -c "Gateway:\|DNS:"'
	is "$fs: its networkd is given an address, a gateway and a name server" '0 2' "$rc $(echo "$out" | tr -d '\r')" || note "$err"
	typed machinectl shell archcontainer /usr/bin/systemctl is-active systemd-networkd
	is "$fs: shell archcontainer /usr/bin/systemctl" '0 active' "$rc $(echo "$out" | tr -d '\r')"
	at 'login archcontainer' 0 'wait archcontainer login:' "$log_in" 'wait #' 'send \x1d\x1d\x1d' -- machinectl login archcontainer
	typed machinectl stop archcontainer
	silent 'stop archcontainer'
}

# ---- 5: a web server -----------------------------------------------------------------------------------------------------

web() {
	mkdir "$store/releases"
	cp -a "$tree" "$store/releases/xenial"
	rm -f "$store/releases/xenial/etc/hostname"
	at 'systemd-nspawn -M xenial -b -D xenial' 0 'wait xenial login:' "$log_in" 'wait #' \
		'send tr "\\\\0" "\\\\n" </proc/1/environ\n' 'wait container=systemd-nspawn' 'send poweroff\n' \
		-- systemd-nspawn -M xenial -b -D "$store/releases/xenial"
	cp -rp /var/lib/machines/releases/xenial /var/lib/machines/web
	mkdir -p "$T/root/etc/systemd/nspawn"
	printf '[Exec]\nPrivateUsers=pick\n[Network]\nZone=web\nPort=tcp:80\n[Files]\nPrivateUsersChown=yes\n' \
		>"$T/root/etc/systemd/nspawn/web.nspawn"
	typed machinectl start --settings=override web
	silent 'start web, with a file of settings that is to be read'
	wait_for prompts web 1 || note "$(machinectl status web)"
	at 'login web' 0 'wait web login:' "$log_in" 'wait #' 'send cat /proc/self/uid_map\n' 'send \x1d\x1d\x1d' -- machinectl login web
	for from in host:127.0.0.1 host:198.51.100.1 outside:198.51.100.1; do
		is "$fs: the page is served, from $from" 'Welcome to nginx!' \
			"$(in_space "${from%%:*}" timeout 60 busybox wget -q -O - "http://${from#*:}/" 2>&1)"
	done
	typed machinectl stop web
	silent 'stop web'
	rm -r "$T/root/etc/systemd"
	typed machinectl enable web
	is "$fs: enable web" "0 Created symlink $store/.enabled/web → $store/web." "$rc $err"
	if ip link add link uplink name try type macvlan 2>/dev/null; then
		ip link del try
		typed systemd-nspawn -q -M web --network-macvlan=uplink ls /sys/class/net
		like "$fs: the author's favourite, macvlan" '0 *mv-uplink*' "$rc $out"
	else
		skip "$fs: --network-macvlan" 'no macvlan in this kernel'
	fi
}

for bridge in br0 cont-bridge; do
	ip link add "$bridge" type bridge && ip link set "$bridge" up
done
ip addr add 203.0.113.1/24 dev br0
mkdir "$T/www"
echo 'a package' >"$T/www/index.html"
background "$ip_program" netns exec outside busybox httpd -f -p 80 -h "$T/www"

# on FILE-SYSTEM WALK...
on() {
	fs=$1
	shift
	case $fs in
	tmpfs) mount -t tmpfs walk "$store" ;;
	ext4)
		rm -f "$T/ext4"
		truncate -s 400M "$T/ext4"
		mkfs.ext4 -q "$T/ext4"
		mount -o loop "$T/ext4" "$store" ;;
	btrfs)
		rm -f "$T/btrfs"
		truncate -s 800M "$T/btrfs"
		mkfs.btrfs -q "$T/btrfs" >"$T/log" 2>&1
		mount -o loop "$T/btrfs" "$store" ;;
	esac
	at_store
	for walk; do
		"$walk"
		machinectl disable plex web 2>/dev/null
	done
	chattr -i "$store/xenial-base" 2>/dev/null
	cd "$T" || exit
	unmount
}

# each on one, the one where most can go wrong; WALK=all does all on all, WALK='ext4 web' that
case ${WALK:-} in
'')
	on btrfs plex build
	on ext4 debian web
	on tmpfs arch ;;
all)
	for f in tmpfs ext4 btrfs; do
		on "$f" plex debian build arch web
	done ;;
*)
	# shellcheck disable=SC2086 # words
	on $WALK ;;
esac
done_testing
