#!/bin/sh
# shellcheck disable=SC2016,SC2086,SC2317 # expanded elsewhere; words; called by name
# The pages of doc: what they say is typed, as it stands there, and prints what they say, in a copy of the source and on
# an emulated device. Of what is typed, scp and qemu-system-x86_64 are ours, which lead to that device.
#   PAGES='router appliance'   which
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need mksquashfs cpio qemu-system-mipsel qemu-system-x86_64 modprobe
cache=${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/nspawn-lite}
unset O CC CPPFLAGS LDFLAGS CROSS_COMPILE TARGET STATIC STRIP CONFIG NSPAWN WITHOUT STORE DESTDIR PREFIX MAKEFLAGS MAKELEVEL NSPAWN_LITE_ROOT
export CFLAGS=-O0
qemu=$(command -v qemu-system-x86_64)
pc=$T/pc

# steps PAGE DIR : DIR/N is the Nth command, with N.host for where ($ or #) and N.want for what it prints
steps() {
	mkdir -p "$2"
	awk -v dir="$2" '
		/^    [$#] / { n++; f = sprintf("%s/%02d", dir, n); print substr($0, 7) >f; print substr($0, 5, 1) >(f ".host"); printf "" >(f ".want"); on = 1; next }
		/^    > / && on { print substr($0, 7) >f; next }
		/^    / && on { print substr($0, 5) >(f ".want"); next }
		/^$/ && on { empty = 1; next }
		{ on = 0 }' "$1"
}
# said PAGE STEP GOT STATUS : as the page says
said() {
	want=$(tr -s ' \n' ' ' <"$2.want" | sed 's/^ //; s/ $//; s/\[/\\[/g; s/\.\.\./*/g')
	got=$(tr -s '\t \n' ' ' <"$3" | sed 's/^ //; s/ $//')
	# where something is printed, that says how it went
	[ -n "$want" ] || want=" 0" got="$got $4"
	like "$1: $(head -n 1 "$2")" "$want" "$got"
}

mkdir -p "$T/bin" "$T/flash"
cat >"$T/bin/scp" <<END
#!/bin/sh
# scp FILE root@router:/DIR/
mkdir -p "$T/flash/\${2#*:/}" && exec cp -a "\$1" "$T/flash/\${2#*:/}"
END
# what the device does is added to its initramfs, after all that is its own
cat >"$T/bin/qemu-system-x86_64" <<END
#!/bin/sh
cat initramfs.gz "$T/more.gz" >"$T/initramfs" && mv "$T/initramfs" initramfs.gz
exec timeout 100 "$qemu" "\$@" -no-reboot -net none
END
chmod 755 "$T"/bin/*

# source : a copy of it, fresh
source_copy() {
	rm -rf "$pc"
	mkdir -p "$pc/test"
	cp -R "$TOP"/Makefile "$TOP"/contrib "$TOP"/doc "$TOP"/*.[ch8] "$pc"
	cp -R "$TESTDIR"/lab "$TESTDIR"/*.c "$pc/test"
}
# typed PAGE DIR : the steps of the PC; those of the device wait in $T/device
typed() {
	rm -rf "$T/device"
	mkdir "$T/device"
	for step in "$2"/[0-9][0-9]; do
		if [ "$(cat "$step.host")" = '#' ]; then
			cp "$step" "$T/device"
			continue
		fi
		case $(cat "$step") in qemu*) more_of_it ;; esac
		(cd "$pc" && PATH=$T/bin:$PATH && export PATH && eval "$(cat "$step")") >"$T/out" 2>&1
		rc=$?
		case $(cat "$step") in
		make*)	is "$1: $(cat "$step")" '0 ' "$rc $(grep -v '^CC \|^LINK ' "$T/out")" ;;
		qemu*)	is "$1: it boots, and is switched off" 0 "$rc" || note "$(tail -c 2000 "$T/out")"
			cp "$T/out" "$T/console" ;;
		*)	said "$1" "$step" "$T/out" $rc ;;
		esac
	done
}
# the device does its steps, each between marks
cat >"$T/drive" <<'END'
for step in /steps/[0-9][0-9]; do
	echo "@@ $step"
	case $(cat $step) in
	# a server takes its moment, and who types takes longer
	wget*)	n=0; until eval "$(cat $step)" >/dev/null 2>&1 || [ $((n += 1)) -gt 100 ]; do usleep 100000; done ;;
	esac
	eval "$(cat $step)" 2>&1
	echo "@@ $?"
done
END
# done_by PAGE DIR CONSOLE : what it printed
done_by() {
	for step in "$T"/device/[0-9][0-9]; do
		n=${step##*/}
		tr -d '\r' <"$3" | grep -av '^\[ *[0-9]*\.[0-9]*\] ' | awk -v n="$n" '/^@@ \/steps\// { on = $2 == "/steps/" n; next } /^@@ [0-9]/ { if (on) status = $2; on = 0; next }
			on { print } END { exit status == "" ? 99 : status }' >"$T/out"
		said "$1" "$2/$n" "$T/out" $?
	done
}

router() {
	if [ ! -e "$cache/sysroot/mipsel/done" ]; then
		skip 'router' 'make deps TARGET=mipsel'
		return
	fi
	source_copy
	steps "$TOP/doc/router.md" "$T/router"
	typed router "$T/router"
	set --
	for d in "$T"/flash/*/*; do
		[ ! -d "$d" ] || for f in "$d"/*; do set -- "$@" --add "$f:${f#"$T/flash"}"; done
		[ -d "$d" ] || set -- "$@" --add "$d:${d#"$T/flash"}"
	done
	"$TESTDIR/lab/boot" mipsel --mod veth,bridge,nf_tables,nft_chain_nat,nft_nat,nft_ct,nft_masq,nft_fib_ipv4,nft_fib_ipv6,overlay --time 200 --mem 128 \
		"$@" --add "$T/device:/steps" --add "$T/drive:/drive" -- 'mkdir -p /tmp /srv; mount -t cgroup2 cgroup /sys/fs/cgroup; sh /drive' >"$T/console" 2>&1
	is 'router: it comes to its end' 0 $?
	done_by router "$T/router" "$T/console"
	is 'router: the lines of its init start and stop all' 2 \
		"$(sed -n 's/^null::\(once\|shutdown\):\(.*\)/\2/p' "$TOP/contrib/inittab" | grep -cx '/usr/bin/nspawn-lite st[artop]* --all')"
}

# what is no part of the page: modules of Debian's kernel, and who does the steps
more_of_it() {
	m=$T/more
	mkdir -p "$m/modules" "$m/etc" "$m/steps"
	kdir=$cache/kernel/x86_64-trixie
	[ -e "$kdir/vmlinuz" ] || "$TESTDIR/lab/fetch" x86_64@trixie
	ln -sf "$kdir/vmlinuz" "$pc/vmlinuz"
	i=10
	for mod in loop squashfs overlay veth nft_chain_nat nft_nat nft_ct nft_masq nft_fib_ipv4 nft_fib_ipv6; do
		/sbin/modprobe -d "$kdir" -S "$(cat "$kdir/version")" --show-depends "$mod"
	done | while read -r how ko _; do
		name=${ko##*/}
		[ "$how" = insmod ] || continue
		ls "$m"/modules/*-"${name%.xz}" >/dev/null 2>&1 && continue
		i=$((i + 1))
		to=$m/modules/$i-${name%.xz}
		case $ko in *.xz) xz -dc "$ko" >"$to" ;; *) cp "$ko" "$to" ;; esac
	done
	# it does what stands below the line of QEMU in the page: after all that is above
	for s in "$T"/appliance/[0-9][0-9]; do
		[ "$(cat "$s.host")" != '#' ] || cp "$s" "$m/steps"
	done
	cp "$T/drive" "$m/drive"
	{ cat "$pc/root/etc/inittab"; echo 'ttyS0::once:/bin/sh -c "nspawn-lite wait web running; sh /drive; poweroff"'; } >"$m/etc/inittab"
	(cd "$m" && find . | cpio -o -H newc --quiet | gzip -1) >"$T/more.gz"
}

appliance() {
	if [ "$(uname -m)" != x86_64 ] || [ ! -e "$cache/sysroot/x86_64/done" ]; then
		skip 'appliance' 'make deps TARGET=x86_64'
		return
	fi
	source_copy
	steps "$TOP/doc/appliance.md" "$T/appliance"
	typed appliance "$T/appliance"
	done_by appliance "$T/appliance" "$T/console"
}

for page in ${PAGES:-router appliance}; do
	is "$page: the page is short" yes "$([ "$(wc -l <"$TOP/doc/$page.md")" -le 130 ] && echo yes)"
	is "$page: its lines fit a terminal" '' "$(awk 'length($0) > 81' "$TOP/doc/$page.md")"
	$page
done
done_testing
