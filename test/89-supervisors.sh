#!/bin/sh
# shellcheck disable=SC2016,SC2317 # scripts for the guest; called by name
# What contrib/ says for each init, under that init: the host is a machine that was booted with it, has our program and
# the images box-HOST, which its supervisor looks after, and all-HOST, which is enabled.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root

guest=$(tree busybox) || skip_all 'no tree'
printf '%s\n' '::sysinit:/bin/sh -c "echo boot >>/log"' '::shutdown:/bin/sh -c "echo off >>/log"' \
	'console::respawn:/sbin/getty 38400 console' >"$guest/etc/inittab"

# what is done on the host, which does it once it is up
cat >"$T/drive" <<'END'
store=/var/lib/machines state=/run/nspawn-lite
PATH=/usr/sbin:/usr/bin:/sbin:/bin
until_() {
	n=0
	until "$@"; do
		n=$((n + 1))
		[ $n -lt ${MOST:-300} ] || { echo "never: $*"; cat $state/.logs/* 2>/dev/null | tail -c 500; return 1; }
		sleep 0.2
	done
}
# lives IMAGE BOOTS OFFS
lives() { [ "$(grep -c boot $store/$1/log) $(grep -c off $store/$1/log)" = "$2 $3" ]; }
gone() { [ ! -e $state/$box ]; }
is_up() { [ "$(sed -n 's/^STATE=//p' $state/$1)" = running ]; }
up() { until_ lives $1 $2 $3 && until_ is_up $1; }
die() { kill -9 "$(sed -n 's/^SUPERVISOR=//p' $state/$box)"; }
{
	up $box 1 0 && echo 'it is up'
	die
	up $box 2 0 && echo 'killed, it is up again'
	down
	until_ lives $box 2 1 && until_ gone && echo 'down: it has powered off'
	again
	up $box 3 1 && echo 'up: it has booted again'
	more
} 2>&1 | tee $store/did
echo DRIVEN
END
# on HOST OPTION... : boots it, drives it by $T/HOST.sh, ends it
on() {
	host=$1
	shift
	where=$T/$host
	mkdir -p "$where/machines/.enabled"
	cp -a "$guest" "$where/machines/box-$host"
	cp -a "$guest" "$where/machines/all-$host"
	ln -s "/var/lib/machines/all-$host" "$where/machines/.enabled/all-$host"
	: >"$where/machines/box-$host/log"
	: >"$where/machines/all-$host/log"
	{ echo "host=$host box=box-$host all=all-$host"; cat - "$T/drive"; } >"$where/drive"
	root=$("$TESTDIR/trees" "$host" 2>/dev/null) || {
		skip "$host" 'its tree cannot be made here'
		return
	}
	printf '%s\n' "wait host-$host login:" 'send root\n' 'wait #' 'send sh /drive\n' 'wait DRIVEN' 'send poweroff\n' exit >"$where/script"
	"$PTY" -t "${LIMIT:-300}" "$where/script" -- "$NL" -x -b -M "host-$host" --private-network -D "$root" "--bind-ro=$NL:/usr/bin/nspawn-lite" \
		"--bind=$where/machines:/var/lib/machines" "--bind-ro=$where/drive:/drive" "$@" >"$where/out" 2>"$where/err"
	is "$host: the host has come and gone" 0 $? || note "$(tail -c 1500 "$where/out")"
	is "$host: the machine is up, is restarted when it dies, ends and begins as the tool is told" \
		'it is up
killed, it is up again
down: it has powered off
up: it has booted again' "$(tr -d '\r' <"$where/machines/did" | sed '/^also/d')" || note "$(tail -c 1500 "$where/out")"
	is "$host: the end of the host was one for the machine" 'boot boot off boot off' "$(paste -sd ' ' "$where/machines/box-$host/log")"
	case $host in
	busybox|openrc) is "$host: start --all and stop --all are for the one that is enabled" 'boot off' \
		"$(paste -sd ' ' "$where/machines/all-$host/log")" ;;
	runit) is "$host: the script for sysvinit starts it, says so, and ends it" 'boot off also all also none' \
		"$(paste -sd ' ' "$where/machines/all-$host/log") $(grep ^also "$where/machines/did" | tr -d '\r' | paste -sd ' ')" ;;
	esac
}
contrib=$TOP/contrib

busybox() {
	mkdir -p "$T/busybox"
	root=$("$TESTDIR/trees" busybox)
	{ grep -v shutdown "$root/etc/inittab"; sed 's/^#null/null/; s/ web$/ box-busybox/' "$contrib/inittab"; } >"$T/busybox/inittab"
	# init has no word for it: a stop is an end, and it begins again
	on busybox "--bind-ro=$T/busybox/inittab:/etc/inittab" <<-'END'
	down() { nspawn-lite stop $box; }
	gone() { true; }
	again() { :; }
	more() { up $all 1 0; }
	END
}

runit() {
	on runit "--bind-ro=$contrib/runit:/etc/runit/runsvdir/default/box-runit/run" "--bind-ro=$contrib/sysvinit:/machines" <<-'END'
	down() { sv -w 60 down $box >/dev/null; }
	again() { sv up $box >/dev/null; }
	more() {
		sh /machines start
		up $all 1 0
		sh /machines status 2>/dev/null | grep -o '^all' | sed 's/^/also /'
		nspawn-lite stop $all
		until_ lives $all 1 1
		sh /machines status 2>/dev/null | grep -q '^all' || echo also none
	}
	END
}

s6() {
	on s6 "--bind-ro=$contrib/s6/run:/etc/s6/service/box-s6/run" \
		"--bind-ro=$contrib/s6/notification-fd:/etc/s6/service/box-s6/notification-fd" \
		"--bind-ro=$contrib/s6/timeout-kill:/etc/s6/service/box-s6/timeout-kill" <<-'END'
	up() { s6-svwait -U -t 30000 /run/service/box-s6; until_ lives $1 $2 $3; }
	down() { s6-svc -wD -T 60000 -d /run/service/box-s6; }
	again() { s6-svc -wU -T 60000 -u /run/service/box-s6; }
	more() { :; }
	END
}

openrc() {
	on openrc "--bind-ro=$contrib/openrc-one:/etc/init.d/machine.box-openrc" "--bind-ro=$contrib/openrc-one:/etc/runlevels/default/machine.box-openrc" \
		"--bind-ro=$contrib/openrc:/etc/init.d/machines" "--bind-ro=$contrib/openrc:/etc/runlevels/default/machines" <<-'END'
	down() { rc-service machine.box-openrc stop >/dev/null; }
	again() { rc-service machine.box-openrc start >/dev/null; }
	more() { up $all 1 0; }
	END
}

if command -v systemd-analyze >/dev/null; then
	sed "s|/usr/bin/nspawn-lite|$NL|" "$contrib/nspawn-lite@.service" >"$T/nspawn-lite@web.service"
	is 'systemd has nothing to say against its unit' '0 ' \
		"$(timeout 60 systemd-analyze verify --man=no "$T/nspawn-lite@web.service" 2>"$T/said"; echo $?) $(cat "$T/said")"
else
	skip 'systemd has nothing to say against its unit' 'no systemd-analyze'
fi
leftovers_before
for host in ${HOSTS:-busybox runit s6 openrc}; do
	$host &
done
wait
leftovers_after 'nothing is left'
done_testing
