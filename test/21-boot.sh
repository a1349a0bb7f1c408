#!/bin/sh
# shellcheck disable=SC2016 # what is expanded is expanded inside
# Real inits from real distributions: each boots to its login prompt and lets
# somebody in; it powers off and reboots from inside, and when we tell it to, by
# what it does at its end; also when it is told in its first moments.
# Each runs on a throw-away overlay of a tree that test/trees made.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
need_root

# what each says when somebody may log in; all let root in without a password
kinds=${BOOT:-'busybox sysvinit systemd no-dbus openrc openrc-init runit s6 finit'}

# at its end each writes into the host's file $here/log: by what its init runs then. What only does so when it was
# started is started before somebody may log in: we end it as soon as that is so. It takes longer than we wait before we
# ask again, which must not disturb
# marks KIND : prints the options for it
marks() {
	mkdir -p "$here"
	printf '#!/bin/sh\n[ "$1" = start ] || { sleep 3; echo stops >>/marks/log; }\n' >"$here/stop"
	chmod 755 "$here/stop"
	printf '%s\n' "--bind=$here:/marks"
	case $1 in
	busybox)
		sed 's|^::shutdown:.*|::shutdown:/marks/stop|' "$tree/etc/inittab" >"$here/inittab"
		echo "--bind-ro=$here/inittab:/etc/inittab" ;;
	sysvinit|runit)	# the first script of /etc/rc0.d
		echo "--bind-ro=$here/stop:/etc/init.d/urandom" ;;
	openrc*)
		printf '#!/sbin/openrc-run\ndepend() { before console; }\nstart() { :; }\nstop() { /marks/stop; }\n' >"$here/rc"
		chmod 755 "$here/rc"
		echo "--bind-ro=$here/rc:/etc/init.d/said --bind-ro=$here/rc:/etc/runlevels/default/said" ;;
	s6)
		printf '#!/bin/sh\n/marks/stop\nhow=$(cat /run/how)\nexec busybox "${how:-poweroff}" -f\n' >"$here/finish"
		chmod 755 "$here/finish"
		echo "--bind-ro=$here/finish:/etc/s6/service/.s6-svscan/finish" ;;
	systemd|no-dbus)
		printf '[Unit]\nBefore=console-getty.service\n[Service]\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/marks/stop\n' >"$here/unit"
		printf '[Unit]\nWants=said.service\n' >"$here/want"
		echo "--bind-ro=$here/unit:/etc/systemd/system/said.service" \
			"--bind-ro=$here/want:/etc/systemd/system/multi-user.target.d/said.conf" ;;
	finit)
		{ cat "$tree/etc/finit.conf"; echo 'run [06] /marks/stop -- stops'; } >"$here/finit.conf"
		echo "--bind-ro=$here/finit.conf:/etc/finit.conf" ;;
	esac
	[ "$1" != no-dbus ] ||
		echo --bind-ro=/dev/null:/etc/systemd/system/dbus.service --bind-ro=/dev/null:/etc/systemd/system/dbus.socket
}

# a script for the pty driver, then a boot with it; the console's text is in $out
boot() {	# boot KIND LINE...
	kind=$1
	shift
	: >"$here/log"
	printf '%s\n' "$@" >"$here/script"
	# shellcheck disable=SC2086 # options are words
	out=$("$PTY" -t 120 "$here/script" -- "$NL" --ephemeral -M "boot-$kind" -b -D "$tree" $options 2>"$here/err")
	rc=$?
}
ends() { echo "$out" | grep -ao "has been shut down\.\|is being rebooted\." | paste -sd ' '; }

each() {
	kind=$1
	here=$T/$kind
	if ! tree=$("$TESTDIR/trees" "$(echo "$kind" | sed 's/no-dbus/systemd/')" 2>"$T/err.$kind"); then
		sed 's/^/# /' "$T/err.$kind"
		skip "$kind boots" "its tree cannot be made here"
		return
	fi
	options=$(marks "$kind")
	boot "$kind" 'wait login:' 'send root\n' 'wait #' 'send echo in as $(id -u) on $(tty)\n' 'wait in as 0 on' \
		'send touch /kept && reboot\n' 'wait is being rebooted' \
		'wait login:' 'send root\n' 'wait #' 'send echo found: $(ls /kept)\n' 'wait found: /kept' \
		'send \x1d\x1dr' 'wait is being rebooted' 'wait login:' 'kill TERM' exit
	is "$kind: reboot from inside starts it again with what it changed, ^]^]r too, SIGTERM ends it with status 0" 0 $rc ||
		note "$(echo "$out" | tail -n 20)"
	is "$kind: and it says so" 'is being rebooted. is being rebooted. has been shut down.' "$(ends)"
	is "$kind: each time by what its init does at the end" 3 "$(uniq -c "$here/log" | awk '{ print ("'"$kind"'" == "finit" ? $1 / 3 : $1) }')"
	like "$kind: the terminal is as it was" '*tty restored*' "$(cat "$here/err")"
	boot "$kind" 'wait Press' 'send \x1d\x1dr' 'wait is being rebooted' 'wait login:' 'send root\n' 'wait #' 'send poweroff\n' exit
	is "$kind: told in its first moment it reboots, and poweroff from inside ends it" \
		'0 is being rebooted. has been shut down.' "$rc $(ends)" || note "$(cat "$here/err"; echo "$out" | tail -n 20)"
}

leftovers_before
# most of the time they wait
for kind in $kinds; do
	each "$kind" &
done
wait
leftovers_after 'nothing is left of them'

here=$T/systemd
options=''
mkdir -p "$here"
tree=$("$TESTDIR/trees" systemd) || skip_all 'no tree'
boot systemd 'wait login:' 'send root\n' 'wait #' 'send systemctl is-system-running --wait\n' 'wait running' \
	'send echo units that failed: $(systemctl --failed --no-legend --no-pager | wc -l); systemd-detect-virt -c\n' \
	'wait systemd-nspawn' 'send \x1d\x1dp' exit
is 'systemd: all of it runs, and two ^]^]p within a second power it off' 0 $rc
like 'systemd: no unit failed' '*units that failed: 0*' "$(echo "$out" | grep 'that failed: [0-9]')"
"$NL" -q --keep-unit --ephemeral -b -D "$tree" --console=passive systemd.unit=reboot.target >"$T/out" 2>&1
is 'systemd: words go to init; a reboot under --keep-unit ends with 133' 133 $?
is 'systemd: ^]^]^] kills it' '137' "$(printf '%s\n' 'wait login:' 'send \x1d\x1d\x1d' exit >"$T/script"
	"$PTY" -t 120 "$T/script" -- "$NL" --ephemeral -M boot-systemd -b -D "$tree" >"$T/out" 2>&1; echo $?)"
# before there is an init it ends without one: it is held where it says that it begins, by a pipe that is full
mkfifo "$T/full"
exec 3<>"$T/full"
timeout 10 dd if=/dev/zero of="$T/full" bs=4096 count=16 2>/dev/null
"$NL" --ephemeral -M early -b -D "$tree" --console=passive >"$T/out" 2>"$T/full" 3<&- &
early=$!
wait_for [ -s "$T/root/run/nspawn-lite/early" ]
kill -TERM "$early"
cat <&3 >"$T/said" &
drain=$!
wait "$early"
is 'told to power off before it has begun it does not boot' 143 $?
kill "$drain"
exec 3<&-
# an init that does not listen: the first SIGTERM asks, the second kills
tree=$(tree busybox)
printf '#!/bin/sh\ntrap "" TERM USR1 USR2 PWR INT HUP\necho DO NOT HEAR\nwhile :; do sleep 1000; done\n' >"$tree/deaf"
chmod 755 "$tree/deaf"
rm -f "$tree/sbin/init"
ln -s ../deaf "$tree/sbin/init"
printf '%s\n' 'wait DO NOT HEAR' 'kill TERM' 'wait Trying to halt' 'kill TERM' exit >"$T/script"
"$PTY" -t 60 "$T/script" -- "$NL" -M deaf -b -D "$tree" >"$T/out" 2>&1
is 'the second SIGTERM kills an init that does not listen' 137 $?
leftovers_after 'nor of these'
done_testing
