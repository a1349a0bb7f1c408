#!/bin/sh
# Trees and guests that mean harm. Each first shows, where it can, that the harm
# would be seen: the mark is there, the file can be changed.
# shellcheck source=test/lib.sh disable=SC2016,SC2012
. "$(dirname "$0")/lib.sh"
need_root

t=$(tree busybox)
mark=$T/mark
victim=$T/victim
mkdir "$victim"

# what the supervisor's child would hit if a path led it out of the tree
fresh_victim() {
	echo own >"$victim/resolv.conf"
	echo own >"$victim/localtime"
	echo own >"$victim/passwd"
}
victim_is() { is "$1" "own own own" "$(cat "$victim/resolv.conf" "$victim/localtime" "$victim/passwd" 2>&1 | tr '\n' ' ' | sed 's/ $//')"; }

# ---- links of the tree in the way of mounts -----------------------------------------------

echo secret >"$mark"
is 'the mark is there for one who is out' secret "$(cat "/..$mark")"
for name in tmp run dev sys proc; do
	for way in '' open_tree new; do
		cp -a "$t" "$t.link"
		rm -rf "${t:?}.link/$name"
		ln -s / "$t.link/$name"
		out=$(NSPAWN_LITE_DENY=$way timeout 60 "$NL" -q -D "$t.link" sh -c "cat /..$mark /../../$mark /tmp/..$mark; ls /../vda" 2>/dev/null)
		is "/$name as a link to / leads nowhere (denied: ${way:-none})" '' "$out"
		rm -rf "$t.link"
	done
done

# ---- links that lead out, to be written to by us -------------------------------------------

up=../../../../../../../../../..
for way in '' open_tree new; do
	for link in "$up$victim" "$victim" "/..$victim" "/proc/self/root$victim" "/proc/self/cwd/$up$victim" "/proc/1/root$victim"; do
		fresh_victim
		cp -a "$t" "$t.link"
		rm -rf "${t:?}.link/etc"
		ln -s "$link" "$t.link/etc"
		NSPAWN_LITE_DENY=$way timeout 60 "$NL" -q -D "$t.link" --timezone=delete --resolv-conf=replace-host true >/dev/null 2>&1
		victim_is "/etc as a link to $link changes nothing of the host (denied: ${way:-none})"
		rm -rf "$t.link"
	done
done
# processes of its /proc whose root is the host's still: who waits while mounts are made, or the host's own
for o in -U '-U -x' '-U --read-only' '-U --private-network' '--share-pid=yes' '' '--private-users=pick --nesting=yes'; do
	case $o in *share-pid*) host=$$ ;; *) host=1 ;; esac
	for way in root cwd root/proc/self/root fd/3 cwd/../../../../..; do
		fresh_victim
		cp -a "$t" "$t.link"
		rm -rf "${t:?}.link/etc"
		case $way in cwd*) to=/proc/$host/$way/$up$victim ;; *) to=/proc/$host/$way$victim ;; esac
		ln -s "$to" "$t.link/etc"
		for m in '--resolv-conf=replace-host --timezone=copy' '--resolv-conf=delete --timezone=delete' \
			'--resolv-conf=bind-host --timezone=bind' '--resolv-conf=copy-host'; do
			# shellcheck disable=SC2086 # words
			timeout 60 "$NL" -q $o $m -D "$t.link" true >/dev/null 2>&1
		done
		[ "$(cat "$victim/resolv.conf" "$victim/localtime" 2>&1 | tr '\n' ' ')$(ls "$victim" | wc -l)" = 'own own 3' ] ||
			is "/etc as a link to /proc/$host/$way changes nothing of the host ($o)" 'own own 3' "$(ls -ln "$victim")"
		for d in proc sys dev run tmp var; do
			rm -rf "${t:?}.link/$d"
			ln -s "${to%/victim}/made" "$t.link/$d"
			# shellcheck disable=SC2086 # words
			timeout 60 "$NL" -q $o --volatile=state -D "$t.link" true >/dev/null 2>&1
			rm -f "$t.link/$d"
			mkdir "$t.link/$d"
		done
		[ ! -e "$T/made" ] || is "nor is anything made there ($o, $way)" '' "$(ls -ld "$T/made")"
		rm -rf "$t.link" "$T/made"
	done
done
fresh_victim
is 'no link through a process of its /proc changed anything of the host' 'own own 3' \
	"$(cat "$victim/resolv.conf" "$victim/localtime" | tr '\n' ' ' | sed 's/ $//') $(ls "$victim" | wc -l | tr -d ' ')"
fresh_victim
for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12 13; do
	cp -a "$t" "$t.link"
	rm -rf "${t:?}.link/etc"
	ln -s "/proc/self/fd/$fd/$up$victim" "$t.link/etc"
	timeout 60 "$NL" -q -D "$t.link" --timezone=delete --resolv-conf=replace-host true >/dev/null 2>&1
	rm -rf "$t.link"
	cp -a "$t" "$t.link"
	rm -rf "${t:?}.link/etc"
	ln -s "/proc/self/fd/$fd" "$t.link/etc"
	timeout 60 "$NL" -q -D "$t.link" --timezone=delete --resolv-conf=replace-host true 9<"$victim" >/dev/null 2>&1
	timeout 60 "$NL" -q -U -D "$t.link" --timezone=delete --resolv-conf=replace-host true 9<"$victim" >/dev/null 2>&1
	rm -rf "$t.link"
done
victim_is 'nor does one through any of our fds, or of our caller'
cp "$(program static)" "$victim/program"
chmod 711 "$T"
for users in no 1000000 pick; do
	for fd in 3 4 5 6 7 8 9 10 11 12; do
		ln -sf "/proc/self/fd/$fd/$up$victim/program" "$t/bin/out"
		for o in '' -a; do
			# shellcheck disable=SC2086 # none is no word
			timeout 60 "$NL" -q --private-users=$users $o -D "$t" /bin/out 77 2>/dev/null
			[ $? != 77 ] || echo "fd $fd $o"
		done
	done >"$T/out"
	is "no program of the host is run through our fds (users: $users)" '' "$(cat "$T/out")"
done

# ---- our own binary --------------------------------------------------------------------------

printf '#!/proc/self/exe -PD/tree\n' >"$t/bin/self"
printf '#!/bin/mylink -PD/tree\n' >"$t/bin/self2"
ln -s /proc/self/exe "$t/bin/mylink"
ln -s /proc/1/exe "$t/bin/one"
chmod 755 "$t/bin/self" "$t/bin/self2"
for c in self self2 mylink one; do
	for users in no pick; do
		run timeout 60 "$NL" -q --private-users=$users -D "$t" "/bin/$c" --version
		is "our own program is not the guest's by way of $c (users: $users)" '126 1' "$rc $(echo "$err" | grep -c 'nobody inside may execute')"
	done
done
unlike 'the stub of -a runs from no file of the host' "*$NL*" "$("$NL" -q -a -D "$t" readlink /proc/1/exe)"

# who is to power off there gives the others their time, and no more, whatever children they leave to it meanwhile
printf '#!/bin/sh\ntrap "" TERM HUP\necho up\nwhile :; do (sleep 0.2 &); sleep 0.1; done\n' >"$t/bin/storm"
chmod 755 "$t/bin/storm"
"$NL" -q -a -M "storm$$" -D "$t" storm >"$T/up" 2>&1 &
pid=$!
wait_for grep -q up "$T/up"
"$NL" kill --kill-whom=leader -s RTMIN+4 "storm$$"
ok 'the stub of -a ends though children are left to it without end' wait_for sh -c "! kill -0 $pid 2>/dev/null"
"$NL" terminate "storm$$" 2>/dev/null
wait $pid

printf 'echo ran\n' >"$t/bin/plain"
chmod 755 "$t/bin/plain"
cp -a "$t" "$t.sh"
rm -f "$t.sh/bin/sh"
ln -s /proc/self/exe "$t.sh/bin/sh"
run timeout 60 "$NL" -q -D "$t.sh" /bin/plain
is "nor as the shell of a script that names none" '126 1' "$rc $(echo "$err" | grep -c 'nobody inside may execute')"
rm -rf "$t.sh"
loader=$(head -c 4096 "$(command -v strace)" | tr '\0' '\n' | grep -a '^/lib.*/ld' | head -n 1)
if [ ${#loader} -ge 15 ]; then
	mkdir -p "$t$(dirname "$loader")"
	head -c $((${#loader} - 14)) /dev/zero | tr '\0' '\001' >"$T/pad"
	LC_ALL=C sed "s|$loader|/proc/self/exe$(cat "$T/pad")|" "$(command -v strace)" | tr '\001' '\0' >"$t/bin/loaded" 2>/dev/null
	chmod 755 "$t/bin/loaded"
	for users in no pick; do
		run timeout 60 "$NL" -q --private-users=$users -D "$t" /bin/loaded --version
		is "nor as the loader of a program (users: $users)" '126 1' "$rc $(echo "$err" | grep -c 'nobody inside may execute')"
	done
else
	skip 'nor as the loader of a program' 'no dynamic program is here'
fi

# ---- a /proc that is another by the time it is masked ---------------------------------------------

# /proc is found by way of a link in /sys, which means another place once /sys is mounted
cp -a "$t" "$t.decoy"
(
	cd "$t.decoy" || exit
	rm -rf proc sys
	mkdir -p sys a/b/c a/p p/sys/kernel/random p/sys/net p/acpi p/bus p/fs p/irq p/self
	for f in p/sys/kernel/random/boot_id p/kallsyms p/kcore p/keys p/timer_list p/kmsg p/sysrq-trigger; do : >"$f"; done
	ln -s /a/b/c sys/kernel
	ln -s /sys/kernel/../../p proc
)
for users in no pick; do
	is "masks are made in the real /proc, whatever is called that (users: $users)" '/proc is elsewhere, read-only' \
		"$(timeout 60 "$NL" -q --private-users=$users --drop-capability=CAP_SYS_ADMIN -D "$t.decoy" sh -c '
			[ -d /a/p/1 ] && echo "/proc is elsewhere, $(
				(echo "$(cat /a/p/sys/kernel/core_pattern)" >/a/p/sys/kernel/core_pattern) 2>&1 | grep -c Read-only
			)"' 2>&1 | sed 's/ 1$/ read-only/')"
done
rm -rf "$t.decoy"

# ---- what names may do to a terminal --------------------------------------------------------------

esc=$(printf '\033')
printf 'x%s]0;title:x:70000:0::/:/bin/sh\n' "$esc" >>"$t/etc/passwd"
run "$NL" -q -U -D "$t" -u 70000 true
like 'no control character of a name reaches the terminal' "1 *the machine's own end at 65535*" "$rc $err"
unlike 'nor any other byte that it obeys' "*$esc*" "$err"
run "$NL" -q -D "$t/no${esc}[2Jsuch" true
unlike 'nor of a path' "*$esc*" "$err"

# ---- what is handed in -------------------------------------------------------------------------

is 'LISTEN_FDS gives what is open, and nothing of ours' '0 1 2' \
	"$(sh -c 'LISTEN_FDS=6 LISTEN_PID=$$ exec "$@"' - "$NL" -q -D "$t" ls /proc/self/fd 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- |
	grep -vx 3 | tr '\n' ' ' | sed 's/ $//')"
id=$(cat /etc/machine-id 2>/dev/null)
if [ -n "$id" ]; then
	mkdir -p "$NSPAWN_LITE_ROOT/var/log/journal/$id"
	echo private >"$NSPAWN_LITE_ROOT/var/log/journal/$id/system.journal"
	echo "$id" >"$t/etc/machine-id"
	is "a tree with the host's id does not get the host's journal" '' \
		"$("$NL" -q -D "$t" cat "/var/log/journal/$id/system.journal" 2>/dev/null)"
	rm -f "$t/etc/machine-id"
else
	skip "a tree with the host's id does not get the host's journal" 'the host has no id'
fi
nl='
'
mkdir "$T/a${nl}CGROUP=x"
run "$NL" -q -D "$T/a${nl}CGROUP=x" -M newline true
is 'a path with a newline is refused, for the record of a machine has lines' 1 $rc
truncate -s 1T "$t/etc/passwd.huge" 2>/dev/null && {
	cp "$t/etc/passwd" "$t/etc/passwd.good"
	mv "$t/etc/passwd.huge" "$t/etc/passwd"
	run timeout 60 "$NL" -q -D "$t" -u nobody-at-all true
	is 'a list of users of a terabyte is given up' 1 $rc
	mv "$t/etc/passwd.good" "$t/etc/passwd"
}

# ---- mounts in the tree ---------------------------------------------------------------------------

mkdir -p "$t/mnt"
for way in '' mount_setattr new; do
	# shellcheck disable=SC2016 # for the inner shells
	is "--read-only holds for what is mounted in the tree (denied: ${way:-none})" 'no' \
		"$(NSPAWN_LITE_DENY=$way unshare -m sh -c 'mount -t tmpfs t "$2/mnt" && "$1" -q --read-only -D "$2" sh -c "touch /mnt/x 2>/dev/null && echo yes || echo no"' - "$NL" "$t")"
done

# ---- guests that do not want to end -----------------------------------------------------------------

printf '#!/bin/sh\ntrap "reboot -f" TERM\necho up\nwhile :; do sleep 1000 & wait; done\n' >"$t/bin/defy"
chmod 755 "$t/bin/defy"
run "$PTY" -t 60 -e 'wait up' -e 'kill TERM' -e exit -- "$NL" -D "$t" --kill-signal=SIGTERM /bin/defy
is 'one that reboots when it is asked to end has ended' 0 $rc
if [ -e /sys/fs/cgroup/cgroup.procs ] || [ -e /sys/fs/cgroup/unified/cgroup.procs ]; then
	leftovers_before
	# shellcheck disable=SC2016 # for the guest
	"$NL" -q -M deep -D "$t" sh -c 'cd /sys/fs/cgroup; i=0; while [ $i -lt 100 ]; do mkdir d && cd d || break; i=$((i + 1)); done'
	leftovers_after 'control groups a hundred deep go away with the machine'
	is 'and its name is free' again "$("$NL" -q -M deep -D "$t" echo again)"
fi
done_testing
