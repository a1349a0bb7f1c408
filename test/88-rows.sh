#!/bin/sh
# shellcheck disable=SC2016,SC2154,SC2317 # scripts for the guest; variables by run; called by wait_for
# start for each kind of machine that a row of config.h may describe: it starts, reboots and is as it was, and stops; and one that
# waits for a disk which comes late, with the image on it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need timeout nft mkfs.ext4 mksquashfs
if ! command -v "${MAKE:-make}" >/dev/null || [ ! -e "$TOP/Makefile" ]; then
	skip_all 'no make'
fi
store=$T/root/var/lib/machines
mkdir -p "$store" "$T/root/etc" "$T/card" "$T/shown"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"
echo shown >"$T/shown/file"
{
	sed -e 's/^\(#define STOP_SECONDS\) .*/\1 2/' "$TOP/config.h"
	cat <<-END
	#undef MACHINES
	#define MACHINES \\
		{ "bridge", { "--network-bridge=br0" } }, { "macvlan", { "--network-macvlan=up0" } }, \\
		{ "moved", { "--network-interface=up1" } }, { "port", { "--port=tcp:8080:80" } }, \\
		{ "shift", { "--private-users=pick" } }, { "plainids", { "--private-users=no" } }, { "ephemeral", { "--ephemeral" } }, \\
		{ "volatile", { "--volatile=overlay" } }, { "bind", { "--bind=$T/shown:/shown" } }, \\
		{ "late", { "--directory=$T/card/late", "--wait-for=mount:$T/card", "--wait-for=interface:card0" } }, \\
		{ "deaf", { "--private-users=no" } }, { "static", { "--private-users=no" } }, \\
		{ NULL, { NULL }, false }
	END
} >"$T/own.h"
(
	unset MAKEFLAGS MFLAGS MAKELEVEL
	"${MAKE:-make}" -s -j2 -C "$TOP" O="$T/o" CONFIG="$T/own.h" CFLAGS=-O0 all
) >"$T/out" 2>&1
is 'it can be built with rows' '0 ' "$? $(cat "$T/out")"
NL=$T/o/nspawn-lite
nl() { timeout 60 "$NL" "$@"; }
value() { sed -n "s/^$2=//p" "$state/$1" 2>/dev/null; }

t=$(tree busybox base) || skip_all 'no tree'
cat >"$t/life" <<'END'
#!/bin/sh
trap 'poweroff -f' TERM PWR USR2
trap 'reboot -f' INT
echo it hears
while :; do sleep 0.1; done
END
chmod 755 "$t/life"
rm -f "$t/sbin/init"
ln -s ../life "$t/sbin/init"
mkdir -p "$t/shown" "$t/usr"
ip link add br0 type bridge && ip link set br0 up
ip link add up0 type veth peer name far0 && ip link set up0 up && ip link set far0 up
ip link add up1 type veth peer name far1
for m in bridge macvlan moved port shift plainids ephemeral volatile bind; do cp -a "$t" "$store/$m"; done
mksquashfs "$t" "$store/squash.squashfs" -quiet -no-progress >/dev/null 2>&1
mkfs.ext4 -q -d "$t" "$store/raw.raw" 24M >/dev/null 2>&1
cp -a "$t" "$store/below"
nl clone -q below clone

hears() { [ "$(nl logs "$1" 2>/dev/null | grep -c 'it hears')" -ge "$2" ]; }
# both of one moment
is_another() {
	awk -F= -v was="$2" '/^STATE=running/ { runs = 1 } $1 == "LEADER" { leader = $2 } END { exit !(runs && leader > 0 && leader != was) }' \
		"$state/$1"
}
# what is made for each
facts() {
	nl exec "$1" sh -c 'for f in /sys/class/net/*; do echo ${f##*/}; done; ls /shown; grep -c . /proc/self/uid_map' 2>&1
	nft list tables
	ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/link \1/'
}
traces() { ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/link \1/'; nft list tables; ls -A "$state" "$state/.hosts"; }
nl start plainids && nl terminate plainids  # what the first one makes stays
traces >"$T/traces.before" 2>&1
for m in bridge macvlan moved port shift plainids ephemeral volatile bind squash raw clone; do
	run nl start $m
	like "$m: starts" '0|running|*' "$rc|$(value $m STATE)|$err" || continue
	facts $m >"$T/facts.$m"
	wait_for hears $m 1
	leader=$(value $m LEADER)
	nl reboot $m
	ok "$m: reboots" wait_for is_another $m "$leader"
	facts $m >"$T/facts.$m.2"
	wait_for hears $m 2
	is "$m: and is as it was" '' "$(diff "$T/facts.$m" "$T/facts.$m.2")"
	nl stop $m
	is "$m: stops" '0 ' "$? $(value $m STATE)"
done
for pair in bridge:host0 macvlan:mv-up0 moved:up1 port:host0 bind:file; do
	like "${pair%:*}: has it" "*${pair#*:}*" "$(paste -sd ' ' "$T/facts.${pair%:*}")"
done
gone() { traces >"$T/traces.after" 2>&1; cmp -s "$T/traces.before" "$T/traces.after"; }
wait_for gone
is 'nothing is left of them' '' "$(diff "$T/traces.before" "$T/traces.after" | grep '^[<>]')"

# ---- what comes late -------------------------------------------------------------------------

mkfs.ext4 -q "$T/card.img" 24M >/dev/null 2>&1
mkdir "$T/fill" && mount -o loop "$T/card.img" "$T/fill" && cp -a "$t" "$T/fill/late" && umount "$T/fill"
nl start late >"$T/said" 2>&1 &
late=$!
waits() { [ "$(value late STATE)" = waiting ]; }
ok 'late: waits for its card' wait_for waits
ip link add card0 type veth peer name farc && ip link set farc up && ip link set card0 up
mount -o loop "$T/card.img" "$T/card"
wait "$late"
is 'late: starts when it has come, from what is on it' '0 running' "$? $(value late STATE)$(cat "$T/said")"
nl stop late
umount "$T/card"
is 'late: and lets go of it' 0 $?
ip link del card0

# ---- who does not listen ---------------------------------------------------------------------

cp -a "$t" "$store/deaf"
printf '#!/bin/sh\ntrap "" TERM USR1 USR2 PWR INT HUP\nwhile :; do sleep 1000; done\n' >"$store/deaf/life"
"$NL" monitor deaf >"$T/told" 2>&1 &
background_pids="$background_pids $!"
nl start deaf && nl stop deaf
is 'deaf: is killed when its time is up' 0 $?
wait_for grep -q 'deaf stopped' "$T/told"
is 'deaf: and that is told' 'deaf stopped killed by KILL' "$(grep 'deaf stopped k' "$T/told")"
mkdir "$store/static"
cp "$(program static)" "$store/static/init"
run nl start static
like 'static: one binary and no more, which ends: that is told' '1||*Container static exited successfully.*has its last words.*' "$rc|$out|$err"
like 'static: and they are there' '*pid 1 uid 0*' "$(nl logs static)"
done_testing
