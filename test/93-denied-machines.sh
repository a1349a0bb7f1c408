#!/bin/sh
# Verbs for running machines on kernels that lack calls: every name that
# NSPAWN_LITE_DENY takes, one at a time and all together. Each verb does what it
# does elsewhere, or says in one line what is missing.
# shellcheck disable=SC2016,SC2154,SC2317 # for the guest; variables by run; functions by name
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need timeout
state=$T/root/run/nspawn-lite
store=$T/root/var/lib/machines
mkdir -p "$store" "$T/host"
echo carried >"$T/host/f"
t=$(tree busybox m) && mv "$t" "$store/m" || exit
rm -f "$store/m/sbin/init"
cat >"$store/m/sbin/init" <<-'END'
	#!/bin/sh
	trap 'exit 0' TERM RTMIN+3 PWR USR2
	echo here I am
	while :; do sleep 1000 & wait $!; done
END
chmod 755 "$store/m/sbin/init"
nl() { timeout 60 "$NL" "$@"; }

# all names that are asked for
names=$(grep -ohE '(missing|sys_denied)\("[A-Za-z0-9_-]*"\)' "$TOP"/*.c | sed 's/.*("//; s/".*//' | sort -u)
# those that verbs for images, networks and disks ask for have tests of their own; no kernel lacks pivot_root, nor
# move_mount alone
for not in pivot_root move_mount nft ofd btrfs loop_configure force_forwarding FICLONE renameat2; do
	names=$(printf '%s\n' "$names" | grep -vx $not)
done
all=$(printf '%s\n' "$names" move_mount | tr '\n' ',')

# said WHAT STATUS WANT : what it did, or the one line that it said
said() {
	if [ "$2" = "$3" ]; then
		return
	fi
	case $(wc -l <"$T/e") in
	1)	case $(cat "$T/e") in
		*Linux*|*CONFIG_*|*kernel*) ;;
		*) echo "$1: $2, $(cat "$T/e")" ;;
		esac ;;
	*)	echo "$1: $2, $(cat "$T/e")" ;;
	esac
}

said_so() { nl logs -n all m 2>/dev/null | grep -q here; }
# try : all verbs, and what is wrong with them
try() {
	rc=0
	nl start m 2>"$T/e" >/dev/null || rc=$?
	said start $rc 0
	[ $rc = 0 ] || return
	[ "$(wc -l <"$T/e")" -le 2 ] || echo "start: $(cat "$T/e")"
	said exec "$(nl exec m sh -c 'echo out; exit 7' 2>"$T/e"; echo $?)" "out
7"
	said shell "$(nl shell -q m /usr/bin/tty </dev/null 2>"$T/e" | tr -d '\r0-9')" /dev/pts/
	follow=''
	case $NSPAWN_LITE_DENY in ''|*inotify*|new) follow=y ;; esac
	if [ $follow ]; then
		wait_for said_so || echo 'logs: nothing'
		: >"$T/o"
		printf 'x\n' | timeout 60 "$NL" console m >"$T/o" 2>"$T/e" &
		wait_for grep -q here "$T/o" || echo "console: $(cat "$T/e")"
		kill $! 2>/dev/null
		wait $! 2>/dev/null
		timeout 60 "$NL" monitor m >"$T/told" 2>"$T/e" &
		wait_for grep -qs running "$T/told" || echo 'monitor: nothing'
	fi
	nl copy-to m "$T/host/f" /tmp/f 2>"$T/e"
	said copy-to $? 0
	nl copy-from m /tmp/f "$T/back" 2>"$T/e"
	said copy-from "$? $(cat "$T/back")" '0 carried'
	rm -f "$T/back"
	nl bind m --mkdir "$T/host" /mnt/b 2>"$T/e"
	said bind "$? $(nl exec m cat /mnt/b/f 2>/dev/null)" '0 carried'
	said list "$(nl list --no-legend 2>"$T/e" | cut -d' ' -f1)" m
	said status "$(nl status m 2>"$T/e" | sed -n '1s/(.*//p')" m
	nl freeze m 2>"$T/e" && nl thaw m 2>"$T/e"
	said freeze $? 0
	nl kill -s CONT m 2>"$T/e"
	said kill $? 0
	nl stop m 2>"$T/e"
	said stop $? 0
	if [ $follow ]; then
		wait_for grep -qs stopped "$T/told" || echo "monitor: $(cat "$T/told")"
		kill $! 2>/dev/null
		wait $! 2>/dev/null
	fi
	[ ! -e "$state/m" ] || echo 'stop: it is still there'
}

NSPAWN_LITE_DENY=''
export NSPAWN_LITE_DENY
try >/dev/null 2>&1  # the places that it makes stay
leftovers_before
for name in "" $names "$all"; do
	NSPAWN_LITE_DENY=$name
	is "without ${name:-nothing}" '' "$(try 2>&1)"
done
unset NSPAWN_LITE_DENY
leftovers_after 'nothing is left'
done_testing
