#!/bin/sh
# shellcheck disable=SC2016 # what is expanded is expanded inside
# --device: nodes for the guest, and no more than those. The policy for all
# others is in share.sh, which 17-limits.sh runs on many kernels.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
need_root
t=$(tree busybox)
inside() { "$NL" -q -D "$t" "$@" 2>"$T/err"; }

# ---- words -----------------------------------------------------------------------------

while IFS= read -r word; do
	run "$NL" plan -D / --device="$word"
	is "--device=$word is refused in one sentence" '1 1' "$rc $(echo "$err" | grep -c .)"
done <<-'END'
	/dev
	/dev/
	/dev/a/
	/dev//a
	/dev/../etc/passwd
	/etc/passwd
	../dev/null
	.
	a b
	a..b
	a:q
	:rw
END
for word in /dev/null /dev/null:rw /dev/serial/by-path/pci-0000:00:1f.2 tty usb:rwm net/tun video4linux:r; do
	run "$NL" plan -D / --device="$word"
	is "--device=$word is taken" 0 "$rc"
done
run "$NL" -q -D "$t" --device=/dev/no-such-thing true
is 'a node that is not there is an error' 1 "$rc"
run "$NL" -q -D "$t" --device=no-such-class true
is 'so is a class, and the sentence says what it may be' '1 1' "$rc $(echo "$err" | grep -c 'class.*driver')"
run "$NL" -q -D "$t" --device=/dev/shm true
is 'a directory is no device' 1 "$rc"

# ---- nodes -----------------------------------------------------------------------------

look='ls -ln "$1" | sed "s/  */ /g" | cut -d " " -f 1,3,4,5,6'
all=$(find /dev \( -type c -o -type b \) ! -path '/dev/pts/*' ! -path '/dev/tty' ! -name 'ptmx' ! -name console ! -name tun | head -n 6)
all="$all $(find /dev -mindepth 2 -type c ! -path '/dev/pts/*' ! -name tun | head -n 2)"
before=$(ls -ln /dev)
for node in $all; do
	is "$node is what it is outside, and root's" "$(sh -c "$look" - "$node" | awk '{ $2 = 0; print }')" \
		"$(inside --device="$node" sh -c "$look" - "$node")"
done
is 'no node of the host is changed' "$before" "$(ls -ln /dev)"
if [ -b /dev/loop0 ] && [ -d /sys/bus ]; then
	is 'a driver of /proc/devices has all its nodes' "$(find /dev -maxdepth 1 -name 'loop[0-9]*' | wc -l)" \
		"$(inside --device=loop sh -c 'ls /dev/loop[0-9]* | wc -l')"
	is 'with links by their numbers' '../loop0' "$(inside --device=loop readlink /dev/block/7:0)"
	is 'and those to come can be made' made "$(inside --device=loop sh -c 'mknod /x b 7 200 && echo made; rm -f /x')"
	is 'but others not' '' "$(inside --device=loop sh -c 'mknod /x b 8 0 2>/dev/null && echo made; mknod /x c 7 0 2>/dev/null && echo made; rm -f /x')"
	truncate -s 1M "$T/disk"
	if loop=$(losetup -f --show "$T/disk" 2>/dev/null); then
		use='head -c 1 "$1" >/dev/null && echo read; (echo x >"$1") 2>/dev/null && echo wrote; mknod /x b 7 ${1#/dev/loop} 2>/dev/null && echo made; rm -f /x'
		for way in '' bpf; do
			is "with :r it can be read (denied: ${way:-none})" 'read ' "$(NSPAWN_LITE_DENY=$way inside --device="$loop:r" sh -c "$use" - "$loop" | tr '\n' ' ')"
			is "with :rw it can be used (denied: ${way:-none})" 'read wrote ' "$(NSPAWN_LITE_DENY=$way inside --device="$loop:rw" sh -c "$use" - "$loop" | tr '\n' ' ')"
			is "else nodes of it can be made as well (denied: ${way:-none})" 'read wrote made ' \
				"$(NSPAWN_LITE_DENY=$way inside --device="$loop" sh -c "$use" - "$loop" | tr '\n' ' ')"
		done
		run env NSPAWN_LITE_DENY=new "$NL" -q -D "$t" --device="$loop:r" true
		is 'where that cannot be, what could is said' '1 1' "$rc $(echo "$err" | grep -c rwm)"
		losetup -d "$loop"
	fi
else
	skip 'a driver of /proc/devices' 'no loop devices'
fi
if [ -d /sys/class/mem ]; then
	is 'a class gives what it has, and not all of a number that is many things' 'c 1 3 no' \
		"$(inside --device=mem sh -c 'ls -l /dev/null | sed "s/^\(.\).* \([0-9]*\), *\([0-9]*\) .*/\1 \2 \3/"; mknod /x c 1 200 2>/dev/null && echo yes || echo no; rm -f /x' | tr '\n' ' ' | sed 's/ $//')"
fi
is 'two that are the same' c "$(inside --device=/dev/full --device=/dev/full:r ls -l /dev/full | cut -c1)"
# ---- with users of its own, and ourselves below such a machine ---------------------------------

node=''
for n in /dev/hwrng /dev/fuse /dev/kvm /dev/loop-control /dev/vhost-net /dev/full; do
	[ ! -c $n ] || node="$node $n"
done
node=${node# }
node=${node%% *}
base=1048576
is "$node is made for users of their own too, and is their root's" "$(sh -c "$look" - "$node" | awk '{ $2 = 0; print }')" \
	"$(inside --private-users=$base --device="$node" sh -c "$look" - "$node" | awk '{ if ($3 == 65534) $3 = 0; print }')"
is 'root inside makes no nodes' 'Operation not permitted' \
	"$(inside --private-users=$base --device="$node" sh -c 'mknod /tmp/x c 1 3 2>&1' | sed 's/.*: //')"
is 'and can use those that it has' used "$(inside --private-users=$base --device=/dev/full sh -c 'head -c 1 /dev/full >/dev/null && echo used')"
is 'there is a terminal' '/dev/pts/0' "$("$PTY" /dev/null -- "$NL" -q --private-users=$base -D "$t" --device=tty tty 2>"$T/err" | tr -d '\r' | grep pts | sed 's/console/pts\/0/')"
inner=$(tree busybox)
cp "$NL" "$t/bin/nspawn-lite"
below() { inside --private-users=$base --nesting=yes --bind="$inner:/inner" --device="$node" nspawn-lite -q -D /inner "$@"; }
is 'in a machine in it a node is shown that cannot be made' "$(sh -c "$look" - "$node" | cut -d ' ' -f 1,4-)" \
	"$(below --device="$node" sh -c "$look" - "$node" | cut -d ' ' -f 1,4-)"
is 'and nothing is said that nobody asked for' '' "$(cat "$T/err")"
below --property=IOWeight=10 true
is 'but a limit that cannot be had is an error, in one sentence' '1 1' "$? $(grep -c . "$T/err")"
rm "$t/bin/nspawn-lite"

rm -rf "$T/link" && cp -a "$t" "$T/link" && rm -rf "$T/link/dev" && ln -s /proc/self/fd "$T/link/dev"
leftovers_before
timeout 60 "$NL" -q -D "$T/link" --device=/dev/full true >/dev/null 2>&1
leftovers_after 'a link in the place of /dev leads nowhere'
done_testing
