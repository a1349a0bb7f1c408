#!/bin/sh
# shellcheck disable=SC2016,SC2154,SC2317 # scripts for the guest; variables by run; called by ok and wait_for
# Each init by the verbs: started without a terminal, with users of its own; commands, a shell, somebody who logs in and one
# at the console; rebooted, powered off, also in its first moment, and ended at once. What monitor tells of it is the verdict.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need timeout
kinds=${BOOT:-'busybox sysvinit systemd no-dbus openrc openrc-init runit s6 finit'}
state=$T/root/run/nspawn-lite
store=$T/root/var/lib/machines
mkdir -p "$store"
nl() { timeout "${LIMIT:-100}" "$NL" "$@"; }
value() { sed -n "s/^$2=//p" "$state/$1" 2>/dev/null; }
# type_at NAME VERB STEP... : sits at it
type_at() {
	at=$1 verb=$2
	shift 2
	printf '%s\n' "$@" exit >"$T/$at.$verb"
	"$PTY" -t 60 "$T/$at.$verb" -- "$NL" "$verb" "$at" >"$T/$at.$verb.out" 2>&1
}
systemctl_of() {
	nl exec "$1" sh -c 'systemctl is-system-running --wait; systemctl is-active dbus; systemctl --failed --plain --no-legend' 2>/dev/null |
		sed 's/ .*//' | paste -sd ' '
}
says_login() { [ "$(nl logs "$1" 2>/dev/null | grep -ac 'login:')" -ge "$2" ]; }
told() { [ "$(grep -cx "$1" "$2")" -ge "$3" ]; }

each() {
	m=$1
	if ! from=$("$TESTDIR/trees" "${m%no-dbus}$([ "$m" != no-dbus ] || echo systemd)" 2>"$T/err.$m"); then
		skip "$m" 'its tree cannot be made here'
		return
	fi
	[ -L "$store/${from##*/}-tree" ] || ln -s "$from" "$store/${from##*/}-tree" 2>/dev/null
	nl clone -q "${from##*/}-tree" "$m" || return
	if [ "$m" = no-dbus ]; then
		top=$store/$m.overlay/upper
		mkdir -p "$top/etc/systemd/system"
		ln -s /dev/null "$top/etc/systemd/system/dbus.service"
		ln -s /dev/null "$top/etc/systemd/system/dbus.socket"
	fi
	"$NL" monitor "$m" >"$T/told.$m" 2>&1 &
	monitor=$!
	nl start "$m" >"$T/said.$m" 2>&1
	is "$m: start succeeds and says nothing" '0 running' "$? $(cat "$T/said.$m")$(value "$m" STATE)"
	first=$(value "$m" LEADER)
	is "$m: exec, at once" '7 in 0' "$(nl exec "$m" sh -c 'echo in $(id -u); exit 7' >"$T/exec.$m" 2>&1; echo $?) $(cat "$T/exec.$m")"
	ok "$m: its console comes to a prompt" wait_for says_login "$m" 1 || note "$(nl logs "$m" | tail -n 20)"
	is "$m: shell" 5 "$(nl shell -q "$m" /bin/sh -c 'test -t 0 && exit 5' >/dev/null 2>&1; echo $?)"
	ok "$m: somebody logs in on a terminal of its own" type_at "$m" login 'wait login:' 'send root\n' 'wait #' \
		'send echo on $(tty)\n' 'wait on /dev/pts/' 'send exit\n' || note "$(cat "$T/$m.login.out")"
	ok "$m: and at the console, who sees what it said" type_at "$m" console 'wait login:' 'send root\n' 'wait #' \
		'send echo at $(tty)\n' 'wait at /dev/' 'send \x1d\x1d\x1d' || note "$(cat "$T/$m.console.out")"
	case $m in
	systemd) is "$m: all of it runs" 'running active' "$(systemctl_of "$m")" ;;
	no-dbus) is "$m: all of it runs but what needs the bus" 'degraded inactive systemd-logind.service' "$(systemctl_of "$m")" ;;
	openrc|openrc-init) is "$m: and its tools" default "$(nl exec "$m" rc-status -r 2>&1)" ;;
	esac
	like "$m: status tells of its PID 1" "*Leader: $first (*Unit: *" "$(nl status "$m" | tr '\n' ' ')"
	nl reboot "$m"
	wait_for told "$m.*running.*" "$T/told.$m" 2
	wait_for says_login "$m" 2
	unlike "$m: another PID 1 runs after a reboot" "$first" "$(value "$m" LEADER)"
	is "$m: stop" 0 "$(nl stop "$m" >/dev/null 2>&1; echo $?)"
	nl start "$m"
	is "$m: and in its first moment" 0 "$(nl stop "$m" >/dev/null 2>&1; echo $?)"
	nl start "$m"
	is "$m: terminate" 0 "$(nl terminate "$m" >/dev/null 2>&1; echo $?)"
	wait_for told "$m.*stopped.*KILL.*" "$T/told.$m" 1
	kill "$monitor"
	# what is short may be missed, as the life that ended in its first moment, and what was before the monitor
	is "$m: and all that is told of it" 'running,rebooting,running,stopped powered off,running,stopped killed by KILL' \
		"$(sed "s/^$m //" "$T/told.$m" | sed '1{/^stopped/d;}' | sed -n 's/^[a-z]* rebooting$/rebooting/; /^[oc]/!p' | uniq | paste -sd , | sed 's/\(,running,stopped powered off\)\1,/\1,/')"
}

leftovers_before
for kind in $kinds; do
	each "$kind" &
done
wait
for m in "$store"/*.overlay; do
	nl remove "$(basename "$m" .overlay)"
done
rm -f "$store"/*-tree
leftovers_after 'nothing is left of them'
done_testing
