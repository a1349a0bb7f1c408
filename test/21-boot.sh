#!/bin/sh
# shellcheck disable=SC2016 # what is expanded is expanded inside
# Real inits from real distributions: each boots to its login prompt, lets
# somebody in, powers off and reboots from inside, and halts when we are told to.
# Each runs on a throw-away overlay of a tree that test/trees made.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
need_root

# what each says when somebody may log in; all let root in without a password
kinds=${BOOT:-'busybox sysvinit systemd openrc runit s6'}

# a script for the pty driver, then a boot with it; the console's text is in $out
boot() {	# boot KIND LINE...
	kind=$1
	shift
	printf '%s\n' "$@" >"$T/script"
	out=$("$PTY" -t 120 "$T/script" -- "$NL" --ephemeral -M "boot-$kind" -b -D "$tree" 2>"$T/err")
	rc=$?
}

# by signal from outside: the n-th time SIGTERM
told() {	# told KIND
	printf 'wait login:\nkill TERM\nexit\n' >"$T/script"
	out=$("$PTY" -t 120 "$T/script" -- "$NL" --ephemeral -M "boot-$1" -b -D "$tree" 2>"$T/err")
	rc=$?
}

for kind in $kinds; do
	if ! tree=$("$TESTDIR/trees" "$kind" 2>"$T/err"); then
		sed 's/^/# /' "$T/err"
		skip "$kind boots" "its tree cannot be made here"
		continue
	fi
	leftovers_before
	boot "$kind" 'wait login:' 'send root\n' 'wait #' 'send echo in as $(id -u) on $(tty)\n' 'wait in as 0 on' \
		'send poweroff\n' exit
	is "$kind: poweroff from inside ends it with status 0" 0 $rc
	like "$kind: it said that it has been shut down" '*"has been shut down."*' "\"$(echo "$out" | grep -o 'has been shut down.')\""
	like "$kind: the terminal is as it was" '*tty restored*' "$(cat "$T/err")"
	boot "$kind" 'wait login:' 'send root\n' 'wait #' 'send touch /kept && reboot\n' 'wait is being rebooted' \
		'wait login:' 'send root\n' 'wait #' 'send echo found: $(ls /kept); poweroff\n' exit
	is "$kind: reboot from inside starts it again, with what it changed" "0 found: /kept" \
		"$rc $(echo "$out" | grep -o 'found: /kept')"
	told "$kind"
	is "$kind: SIGTERM halts it in the way its init understands" 0 $rc
	like "$kind: and says so" '*"has been shut down."*' "\"$(echo "$out" | grep -o 'has been shut down.')\""
	leftovers_after "$kind: nothing is left"
done

tree=$("$TESTDIR/trees" systemd) || skip_all 'no tree'
boot systemd 'wait login:' 'send root\n' 'wait #' 'send systemctl is-system-running --wait\n' 'wait running' \
	'send echo units that failed: $(systemctl --failed --no-legend --no-pager | wc -l); systemd-detect-virt -c\n' \
	'wait systemd-nspawn' 'send poweroff\n' exit
is 'systemd: all of it runs' 0 $rc
like 'systemd: no unit failed' '*units that failed: 0*' "$(echo "$out" | grep 'that failed: [0-9]')"
"$NL" -q --keep-unit --ephemeral -b -D "$tree" --console=passive systemd.unit=reboot.target >"$T/out" 2>&1
is 'systemd: words go to init; a reboot under --keep-unit ends with 133' 133 $?
like 'systemd: two ^]^]r within a second reboot it, ^]^]p power it off' '*rebooted*shut down*' \
	"$(printf '%s\n' 'wait login:' 'send \x1d\x1dr' 'wait is being rebooted' 'wait login:' 'send \x1d\x1dp' exit >"$T/script"
	"$PTY" -t 120 "$T/script" -- "$NL" --ephemeral -M boot-systemd -b -D "$tree" 2>&1 | tr -d '\n')"
is 'systemd: ^]^]^] kills it' '137' "$(printf '%s\n' 'wait login:' 'send \x1d\x1d\x1d' exit >"$T/script"
	"$PTY" -t 120 "$T/script" -- "$NL" --ephemeral -M boot-systemd -b -D "$tree" >"$T/out" 2>&1; echo $?)"
# an init that does not listen: the first SIGTERM asks, the second kills
tree=$(tree busybox)
printf '#!/bin/sh\ntrap "" TERM USR1 USR2 PWR INT HUP\necho DO NOT HEAR\nwhile :; do sleep 1000; done\n' >"$tree/deaf"
chmod 755 "$tree/deaf"
rm -f "$tree/sbin/init"
ln -s ../deaf "$tree/sbin/init"
printf '%s\n' 'wait DO NOT HEAR' 'kill TERM' 'wait Trying to halt' 'kill TERM' exit >"$T/script"
"$PTY" -t 60 "$T/script" -- "$NL" -M deaf -b -D "$tree" >"$T/out" 2>&1
is 'the second SIGTERM kills an init that does not listen' 137 $?
done_testing
