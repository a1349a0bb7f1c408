#!/bin/sh
# shellcheck disable=SC2016,SC2154 # scripts for the guest; variables by run
# --wait-for: what a machine waits for, and what becomes of it when it does not come; start --all in order.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need timeout unshare ip
# Links and mounts of our own
if [ "${NL_ALONE:-}" != y ]; then
	rm -rf "$T"
	finished=y
	trap - EXIT
	NL_ALONE=y exec unshare -mn --propagation private sh "$0"
fi
state=$T/root/run/nspawn-lite
store=$T/root/var/lib/machines
mkdir -p "$store" "$T/root/etc"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"
# not busybox's, which knows no veth
for ip_program in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do
	[ ! -x "$ip_program" ] || break
done
ip() { "$ip_program" "$@"; }
ip link set lo up
nl() { timeout 60 "$NL" "$@"; }
value() { sed -n "s/^$2=//p" "$state/$1" 2>/dev/null; }
# shellcheck disable=SC2317 # called by wait_for
state_is() { [ "$(value "$1" STATE)" = "$2" ]; }
# shellcheck disable=SC2317 # called by wait_for
is_gone() { [ ! -e "$state/$1" ]; }
end() {
	for m; do kill -9 "$(value "$m" LEADER)"; done 2>/dev/null
	for m; do wait_for is_gone "$m"; done
}
t=$(tree busybox guest) || exit
# waits WORD... : a machine of this name begins, and waits
waits() {
	rm -f "$t/came"
	timeout 60 "$NL" -q -D "$t" -M guest "$@" touch /came >"$T/said" 2>&1 &
	pid=$!
	wait_for state_is guest waiting
}
# came SENTENCE : and now it has what it needs
came() {
	wait $pid
	is "$1" "0||$t/came" "$?|$(cat "$T/said")|$(ls "$t/came")"
}
for m in app db base late mute c1 c2 c3; do
	mkdir -p "$store/$m"
	for d in bin sbin usr etc proc dev sys tmp run; do mkdir "$store/$m/$d"; done
	: >"$store/$m/etc/resolv.conf"
	cp "$t/bin/busybox" "$store/$m/bin/busybox"
	ln -s busybox "$store/$m/bin/sh"
	ln -s busybox "$store/$m/bin/sleep"
	echo ID=guest >"$store/$m/etc/os-release"
	cat >"$store/$m/sbin/init" <<-'END'
		#!/bin/sh
		while :; do sleep 1000; done
	END
	chmod 755 "$store/$m/sbin/init"
done
nl enable -q c1 && nl disable -q c1
nl -q -D "$t" -M guest true  # what the first one makes stays
leftovers_before

# ---- paths -----------------------------------------------------------------------------------

run nl -q -D "$t" -M guest --wait-for=/ --wait-for="$T" --wait-for=interface:lo true
is 'what is there is not waited for' '0||' "$rc|$out|$err"
for deny in none inotify_init1; do
	NSPAWN_LITE_DENY=$deny
	export NSPAWN_LITE_DENY
	waits --wait-for="$T/a/b/c"
	ok "it waits for a path ($deny)" state_is guest waiting
	like 'a name that waits is taken' "1||nspawn-lite: Machine 'guest' already exists." \
		"$(nl -q -D "$t" -M guest true 2>&1 >/dev/null | sed 's/^/1||/')"
	mkdir -p "$T/a/b"
	: >"$T/a/b/c"
	came "a path that comes with those above it ($deny)"
	rm -r "$T/a"
done
unset NSPAWN_LITE_DENY
waits --wait-for="$T/link/x"
mkdir "$T/real"
: >"$T/real/x"
ln -s real "$T/link"
came 'a path that leads over a link'
rm -r "$T/real" "$T/link"

# ---- mounts ------------------------------------------------------------------------------------

mkdir "$T/a disk"
waits --wait-for="mount:$T/a disk"
mount -t tmpfs none "$T/a disk"
came 'a mount, with a blank in its name'
umount "$T/a disk"
# The tree itself is on what is to be mounted
cp -a "$t" "$T/other" && rm -f "$T/other/came"
timeout 60 "$NL" -q -M sd --wait-for="mount:$T/a disk" --image-root="$T/a disk" touch /came >"$T/said" 2>&1 &
pid=$!
ok 'a machine whose image is not there yet waits' wait_for state_is sd waiting
is 'its ID and its root are not known then, and not told' 'sd||' "$(nl status sd | head -n 1)|$(nl show sd -P Id)|$(nl show sd -P RootDirectory)"
mount -t tmpfs none "$T/a disk"
wait $pid
like 'a mount without the image: no such image' "1|*No image for machine 'sd'*" "$?|$(cat "$T/said")"
umount "$T/a disk"
mkdir -p "$T/shelf/sd"
cp -a "$T/other/." "$T/shelf/sd"
timeout 60 "$NL" -q -M sd --wait-for="mount:$T/a disk" --image-root="$T/a disk" touch /came >"$T/said" 2>&1 &
pid=$!
wait_for state_is sd waiting
mount --bind "$T/shelf" "$T/a disk"
wait $pid
is 'a mount that brings the image' "0||$T/shelf/sd/came" "$?|$(cat "$T/said")|$(ls "$T/shelf/sd/came")"
umount "$T/a disk"

# ---- interfaces -----------------------------------------------------------------------------------

if ip link add w0 type veth peer name w1 2>/dev/null; then
	waits --wait-for=interface:w0
	ip link set w0 up
	ok 'an interface without a carrier is not up' state_is guest waiting
	ip link set w1 up
	came 'an interface that comes up'
	ip link del w0
	waits --wait-for=interface:w0
	ip link add w0 type veth peer name w1
	ip link set w1 up
	ip link set w0 up
	came 'one that was not there'
	ip link del w0
else
	skip 'an interface that comes up' 'no veth in this kernel'
fi
if ip link add wbr type bridge 2>/dev/null; then
	waits --wait-for=interface:wbr
	ip link set wbr up
	came 'a bridge needs no port'
	ip link del wbr
else
	skip 'a bridge needs no port' 'no bridge in this kernel'
fi

# ---- signals, kill ----------------------------------------------------------------------------------

waits --wait-for=/nowhere/at/all
kill "$(value guest SUPERVISOR)"
wait $pid
is 'SIGTERM ends the wait' '1|nspawn-lite: guest: told to end while it waited' "$?|$(cat "$T/said")"
ok 'and nothing is left of the name' is_gone guest
waits --wait-for=/nowhere/at/all
kill -9 "$(value guest SUPERVISOR)"
wait $pid
ok 'after kill -9 the name is free' wait_for timeout 60 "$NL" -q -D "$t" -M guest true

# ---- machines, and all of them --------------------------------------------------------------------------

if ! command -v "${MAKE:-make}" >/dev/null || [ ! -e "$TOP/Makefile" ]; then
	leftovers_after 'nothing is left'
	done_testing
fi
cat >"$T/own.h" <<-'END'
	#include "config.h"
	#undef WAIT_SECONDS
	#define WAIT_SECONDS 1
	#undef START_SECONDS
	#define START_SECONDS 1
	#undef STARTS_AT_ONCE
	#define STARTS_AT_ONCE 1
	#undef MACHINES
	#define MACHINES \
		{ "app", { "--private-users=no", "--network-veth=no", "--wait-for=machine:db" }, true }, \
		{ "db", { "--private-users=no", "--wait-for=machine:base" }, true }, \
		{ "base", { "--private-users=no" }, true }, \
		{ "late", { "--private-users=no", "--wait-for=/nowhere", "--wait-for=interface:nope", "--wait-for=mount:/nowhere", "--wait-for=machine:nope" } }, \
		{ "mute", { "--private-users=no", "--notify-ready=yes" } }, \
		{ "c1", { "--wait-for=machine:c2" } }, { "c2", { "--wait-for=machine:c3" } }, { "c3", { "--wait-for=machine:c1" } }, \
		{ NULL, { NULL }, false }
END
(
	unset MAKEFLAGS MFLAGS MAKELEVEL
	"${MAKE:-make}" -s -j2 -C "$TOP" O="$T/o" CONFIG="$T/own.h" CFLAGS=-O0 all
) >"$T/out" 2>&1
is 'it can be built with machines of its own' "0 " "$? $(cat "$T/out")"
NL=$T/o/nspawn-lite
run nl start --all
is 'all of config.h are started' '0||' "$rc|$out|$err"
is 'each after the one that it waits for' 'base db app ' \
	"$(for m in app base db; do echo "$(cut -d ' ' -f 22 "/proc/$(value $m LEADER)/stat") $m"; done | sort -n | while read -r _ m; do printf '%s ' "$m"; done)"
run nl start --all
is 'a second time nothing is done' '0||' "$rc|$out|$err"
end app db
run nl start --all
is 'what has ended is started, and the others stay' '0||running running running' \
	"$rc|$out|$err$(value app STATE) $(value db STATE) $(value base STATE)"
end app db base
run nl start late
is 'what has not come is named' "1||nspawn-lite: late: waited 1 seconds in vain: /nowhere is not there, interface nope is not up, nothing is mounted on /nowhere, machine nope does not run" \
	"$rc|$out|$err"
ok 'and the name is free again' is_gone late
run nl start mute
is 'who is to say READY=1 and does not is waited for, and not for ever' \
	'1||nspawn-lite: machine mute has not said READY=1 in 1 s; it goes on|running' "$rc|$out|$err|$(value mute STATE)"
run nl start mute
is 'it runs all the same' '0||' "$rc|$out|$err"
end mute
nl enable -q c1 c2 c3
run nl start --all
is 'those that wait for each other are told at once, and the others run' \
	'1|nspawn-lite: machines wait for each other: c1 -> c2 -> c3 -> c1;nspawn-lite: machines wait for each other: c2 -> c3 -> c1 -> c2;nspawn-lite: machines wait for each other: c3 -> c1 -> c2 -> c3;|running' \
	"$rc|$(sort "$T/.err" | tr '\n' ';')|$(value app STATE)"
end app db base
rm -r "$store/base"
run nl start --all
is 'who waits for one that fails is told at once' \
	"1|nspawn-lite: Machine image 'base' does not exist.;nspawn-lite: db: machine base, which it waits for, has not started;nspawn-lite: app: machine db, which it waits for, has not started;" \
	"$rc|$(grep -v each.other "$T/.err" | tr '\n' ';')"
like 'and the one that failed is told' "*Machine image 'base' does not exist.*" "$err"
nl disable -q c1 c2 c3
leftovers_after 'nothing is left'
done_testing
