#!/bin/sh
# shellcheck disable=SC2016,SC2154 # scripts for the guest; variables by run
# start, enable, disable: machines that nobody sits at, whatever becomes of who started them.
# shellcheck source-path=SCRIPTDIR source=lib.sh source=net.sh
. "${0%/*}/lib.sh"
. "${0%/*}/net.sh"
need_root
need timeout mkfs.ext4
state=$T/root/run/nspawn-lite
store=$T/root/var/lib/machines
mkdir -p "$store" "$T/root/etc"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"
# On ext4, as a box has it
dd if=/dev/zero of="$T/store.img" bs=1M count=1 seek=95 2>/dev/null
if ! mkfs.ext4 -q -F "$T/store.img" || ! mount -o loop "$T/store.img" "$store"; then
	skip_all 'no ext4 on a loop device'
fi
nl() { timeout 60 "$NL" "$@"; }
value() { sed -n "s/^$2=//p" "$state/$1" 2>/dev/null; }
runs() { [ "$(value "$1" STATE)" = running ] && [ -e "/proc/$(value "$1" SUPERVISOR)" ]; }
# shellcheck disable=SC2317 # called by wait_for
is_gone() { [ ! -e "$state/$1" ]; }
# shellcheck disable=SC2317 # called by wait_for
has_ended() { ! grep -qs '^State:.[^Z]' "/proc/$1/status"; }
# end NAME... : their supervisors, too, which hold their trees a little longer
end() {
	ending=''
	for m; do
		s=$(value "$m" SUPERVISOR)
		[ -z "$s" ] || kill -9 "$(value "$m" LEADER)" 2>/dev/null
		ending="$ending $s"
	done
	for m; do wait_for is_gone "$m"; done
	for s in $ending; do wait_for has_ended "$s"; done
}
# init NAME : from standard input
init() {
	rm -f "$store/$1/sbin/init"
	cat >"$store/$1/sbin/init"
	chmod 755 "$store/$1/sbin/init"
}
t=$(tree busybox one) && mv "$t" "$store/one" || exit
for m in two broken slow; do cp -a "$store/one" "$store/$m"; done
init broken <<-'END'
	#!/bin/sh
	echo nothing works here
	exit 7
END
# It hears what is asked of it from the start
for m in one two slow; do
	init $m <<-'END'
		#!/bin/sh
		trap 'exit 0' TERM RTMIN+3 PWR USR2
		echo here I am
		while :; do sleep 1000 & wait $!; done
	END
done
nl start one  # what the first one makes stays: folders, and what is known of the kernel
end one
nl enable -q one && nl disable -q one

# ---- how many processes it may have ------------------------------------------------------------

# tasks NAME : what the host has for it, where it can count them
tasks() { sed -n 's/^CGROUP=[^/]*//p' "$state/$1" | while read -r g; do cat "$g/pids.max" 2>/dev/null; done; }
# shellcheck disable=SC2317 # called by wait_for
leads_anew() { runs one && [ "$(value one LEADER)" -gt 0 ] && [ "$(value one LEADER)" != "$1" ]; }
leftovers_before
run nl start one
if [ "$(tasks one)" ]; then
	is 'a machine of start may have as many processes as one of the original' '0||16384' "$rc|$err|$(tasks one)"
	end one
	nl start one && nl set-property one TasksMax=78
	is 'until it is told another number' 78 "$(tasks one)"
	end one
	# what start executes when a row of config.h has that word
	NSPAWN_LITE_BOUNDED=1 "$NL" -q -D "$store/one" -M one --property=TasksMax=77 sleep 1000 &
	wait_for runs one
	is 'or one that its row has' 77 "$(tasks one)"
	end one
	"$NL" start -q --foreground one 2>"$T/err" &
	wait_for runs one
	is 'so one whose supervisor is ours' 16384 "$(tasks one)"
	was=$(value one LEADER)
	nl exec one reboot -f 2>"$T/err"
	wait_for leads_anew "$was"
	is 'and in its next life' 16384 "$(tasks one)"
	end one
	"$NL" -q -D "$store/one" -M one sleep 1000 &
	wait_for runs one
	is 'one that somebody runs has no such limit' '' "$(tasks one | grep 16384)"
	end one
	wait
	pids=$(awk '$3 == "cgroup" && $4 ~ /(^|,)pids(,|$)/ { print $2; exit }' /proc/mounts)
	if [ "$pids" ]; then
		run env NSPAWN_LITE_DENY=private timeout 60 unshare -m sh -c 'mount --make-rprivate / && umount "$1" && "$2" start one' - "$pids" "$NL"
		is 'where nothing counts them it starts all the same, and nothing is said' '0||' "$rc|$err$(nl logs one | grep -i -e pids -e tasks)|$(tasks one)"
		end one
		run timeout 60 unshare -m sh -c 'mount --make-rprivate / && mount -o remount,bind,ro "$1" && "$2" start one' - "$pids" "$NL"
		is 'and where no group can be made' '0' "$rc" || note "$err"
		ok 'it runs' runs one
		like 'which is said in one line' '*make control group*pids*going on*' "$err$(nl logs one)"
		end one
	fi
else
	skip 'a machine of start has a limit of processes' 'nothing here counts them'
	end one
fi
leftovers_after 'nothing of these stays'

# ---- what it becomes -------------------------------------------------------------------------

leftovers_before
run nl start one
is 'start says nothing, and succeeds' '0||' "$rc|$out|$err"
ok 'the machine runs when start returns' runs one
s=$(value one SUPERVISOR)
is 'its supervisor leads a session of its own, without a terminal' "$s 0" "$(sed 's/.*) //' "/proc/$s/stat" | cut -d' ' -f4,5)"
is 'it stands in /' / "$(readlink "/proc/$s/cwd")"
is 'its standard input is /dev/null' /dev/null "$(readlink "/proc/$s/fd/0")"
like 'what it says goes to a pipe of its own' 'pipe:*' "$(readlink "/proc/$s/fd/2")"
is 'its environment has nothing of ours' 'NSPAWN_LITE_ROOT NSPAWN_LITE_SEAL NSPAWN_LITE_START PATH' \
	"$(tr '\0' '\n' <"/proc/$s/environ" | sed 's/=.*//' | grep -v '^SYSTEMD_SECCOMP$' | sort | tr '\n' ' ' | sed 's/ $//')"
run nl start one
is 'one that runs is started already' '0||' "$rc|$out|$err"
is 'and is the same one' "$s" "$(value one SUPERVISOR)"
for i in 1 2 3 4 5; do
	kill -9 "$s"
	nl start one
	old=$s
	s=$(value one SUPERVISOR)
	[ "$s" != "$old" ] || break
done
is 'one whose supervisor was killed just now does not run' '5 0' "$i $(runs one && [ "$s" != "$old" ]; echo $?)"
end one
is 'start returns to a pipe that ends' 'ended' "$( (nl start one; echo ended) 2>&1 | cat)"
end one
( exec <&- >&- 2>&-; exec timeout 60 "$NL" start one )
is 'start works without standard input, output and error' 0 $?
ok 'and it runs then' runs one
end one
NOTIFY_SOCKET=$T/nowhere TERM=vt100 X=1 nl start one
is 'no variable of the caller reaches the guest' '' \
	"$(tr '\0' '\n' <"/proc/$(value one LEADER)/environ" | grep -e '^X=' -e vt100 -e nowhere)"
end one
mkdir -p "$T/root/etc/systemd/nspawn"
printf '[Exec]\nHostname=other\n[Network]\nPrivate=no\n' >"$T/root/etc/systemd/nspawn/one.nspawn"
run nl start --settings=override one
is 'with --settings a file is read, and its network is there in place of that of start' '0|| other host' \
	"$rc|$out|$err $(nl exec one hostname) $(nl exec one sh -c '[ -e /sys/class/net/host0 ] && echo own || echo host')"
end one
run nl start --settings=maybe one
is 'a word of it that there is not' "1||nspawn-lite: --settings=maybe: not one of: no yes override trusted" "$rc|$out|$err"
rm -r "$T/root/etc/systemd"

# ---- what does not work ---------------------------------------------------------------------------

run nl start nope
is 'an image that is not there' "1||nspawn-lite: Machine image 'nope' does not exist." "$rc|$out|$err"
run nl start 'a@b'
is 'a name that is none' '1||nspawn-lite: Invalid machine name a@b.' "$rc|$out|$err"
run nl start
is 'no name at all is an error' 1 "$rc"
run nl start broken
is 'an init that ends at once is no success' '1||Container broken failed with error code 7. "nspawn-lite logs broken" has its last words.' "$rc|$out|$err"
ok 'and nothing of it is left' wait_for is_gone broken
mv "$store/broken/sbin/init" "$store/broken/sbin/no-init"
echo '#!/nowhere' >"$store/broken/sbin/init"
chmod 755 "$store/broken/sbin/init"
run nl start broken
like 'an init that cannot be executed: the reason' '1||nspawn-lite: */init: *' "$rc|$out|$err"
mv "$store/broken/sbin/no-init" "$store/broken/sbin/init"
run nl start one nope two 'a@b' broken
is 'of several names all are tried, and the status says that some failed' '1|3' "$rc|$(grep -c . "$T/.err")"
ok 'those that could be started run' eval 'runs one && runs two'
end one two
mkdir "$T/ro"
mount -t tmpfs -o ro none "$T/ro"
rm -rf "$T/root/run"
ln -s "$T/ro" "$T/root/run"
run nl start one
like 'a state directory that is read-only: the reason' '1||nspawn-lite: make */one: it is read-only there; mount a tmpfs on */nspawn-lite, or *' "$rc|$out|$err"
mount -o remount,rw,size=4k "$T/ro"
mkdir "$T/ro/nspawn-lite"
dd if=/dev/zero of="$T/ro/full" bs=4k count=4 2>/dev/null
run nl start one
like 'one that is full: the reason' '1||nspawn-lite: *No space left on device*' "$rc|$out|$err"
rm "$T/root/run"
umount "$T/ro"

# ---- who started it goes ------------------------------------------------------------------------------

cat >"$T/script" <<-END
	send $NL start one; echo 's'tarted\r
	wait started
	hangup
	exit
END
timeout 60 "$PTY" "$T/script" -- sh >"$T/out" 2>&1
ok 'a terminal that is hung up takes nothing with it' runs one
end one
# At any moment: it runs or it does not, and a start after it works
i=0
while [ $i -lt 12 ]; do
	i=$((i + 1))
	"$NL" start slow 2>/dev/null &
	j=0
	while [ $j -lt $((i * i * 4)) ]; do j=$((j + 1)); done
	kill -9 $! 2>/dev/null
	wait $! 2>/dev/null
	nl start slow >"$T/said" 2>&1 || break
	runs slow || break
	end slow
done
is 'start killed at any moment leaves what the next start goes on with' 12 "$i"
end slow
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
	( nl start one two >"$T/s.$i" 2>&1; echo "$?" >>"$T/s.$i" ) &
done
wait
is 'of thirty starts at once all succeed, without a word' "$(i=0; while [ $i -lt 30 ]; do echo 0; i=$((i + 1)); done)" \
	"$(cat "$T"/s.*)"
ok 'and there is one of each' eval 'runs one && runs two'
# those that came too late may be about to end
# shellcheck disable=SC2317 # called by wait_for
supervisors() { [ "$(ours | while read -r p; do tr '\0' ' ' <"/proc/$p/cmdline" | grep '^nspawn-lite run'; done 2>/dev/null | wc -l)" = 2 ]; }
ok 'with one supervisor each' wait_for supervisors
end one two

# ---- ready ----------------------------------------------------------------------------------------------

run nl -q -D "$store/one" --notify-fd=7 /bin/true
is 'an fd to write to must be open' '1||nspawn-lite: --notify-fd=7: no such fd is open' "$rc|$out|$err"
mkfifo "$T/fifo"
( exec 7>"$T/fifo"; exec "$NL" -q -D "$store/one" -b --notify-fd=7 >/dev/null 2>&1 ) &
is 'a line comes on it when it is ready, and its end' 1 "$(timeout 60 wc -l <"$T/fifo" | tr -d ' ')"
ok 'the machine runs then' wait_for runs one
end one
wait
( exec 8>"$T/fifo"; exec "$NL" start --foreground --notify-fd=8 one >/dev/null 2>&1 ) &
is 'start --foreground writes it, too' 1 "$(timeout 60 wc -l <"$T/fifo" | tr -d ' ')"
run nl start --foreground one
is 'one that runs is not started again in the foreground' "1||nspawn-lite: Machine 'one' already exists." "$rc|$out|$err"
end one
wait
# ---- one that ends ----------------------------------------------------------------------------------------

init two <<-'END'
	#!/bin/sh
	trap 'until [ -e /go ]; do sleep 0.1; done; exit 4' TERM RTMIN+3 PWR USR2
	: >/up
	while :; do sleep 1000 & wait $!; done
END
# shellcheck disable=SC2317 # called by wait_for
closes() { [ "$(value two STATE)" = closing ]; }
nl start two
wait_for test -e "$store/two/up"
s=$(value two SUPERVISOR)
nl stop --no-block two
ok 'one that was asked to end is closing' wait_for closes
is 'and is there as it was' "two $s yes" "$(nl list --no-legend | cut -d ' ' -f 1) $(value two SUPERVISOR) $([ "$(value two LEADER)" -gt 0 ] && echo yes)"
is 'exec still works' in "$(nl exec two echo in)"
timeout 60 "$NL" monitor two >"$T/told" 2>&1 &
monitor=$!
timeout 60 "$NL" stop two 2>"$T/said" &
stop=$!
timeout 60 "$NL" start two 2>>"$T/said" &
start=$!
nl stop --no-block two
nl stop --no-block two
: >"$store/two/go"
wait $stop
is 'a stop of it waits' 0 $?
wait $start
is 'a start waits, too, and starts it' '0 ' "$? $(cat "$T/said")"
ok 'it runs anew' runs two
is 'as another one' yes "$([ "$(value two SUPERVISOR)" != "$s" ] && echo yes)"
# shellcheck disable=SC2317 # called by wait_for
has_told() { grep -qx "$1" "$T/told"; }
ok 'and the one before was not killed' wait_for has_told 'two stopped exited with status 4'
{
	kill $monitor
	wait $monitor
} 2>/dev/null
end two
rm "$store/two/go" "$store/two/up"

init two <<-'END'
	#!/bin/sh
	exit 23
END
init two <<-'END'
	#!/bin/sh
	read -t 2 line </dev/console
	exit $((23 + ${#line}))
END
"$PTY" -t 60 -e 'wait ^C asks it to power off' -e 'send typed for the host\n' -- "$NL" start --foreground two >"$T/tty" 2>&1
is 'at a terminal what is typed is not for the machine' 23 $? || note "$(cat "$T/tty")"
init two <<-'END'
	#!/bin/sh
	exit 23
END
run nl start --foreground two
is 'in the foreground the status is that of the machine' 23 "$rc"

mkdir -p "$T/root/etc/systemd/nspawn"
printf '[Exec]\nEnvironment=SAID=here\n' >"$T/root/etc/systemd/nspawn/one.nspawn"
run nl start one
like 'a file of settings is not read, and how it is stands there' '0||*/one.nspawn is not read; say --settings=yes *' "$rc|$out|$err"
end one
rm -r "$T/root/etc/systemd"

# ---- enabled ----------------------------------------------------------------------------------------------

run nl start --all
is 'nothing is enabled: nothing is said' '0||' "$rc|$out|$err"
run nl enable one
is 'enable says what it makes' "0||Created symlink $store/.enabled/one → $store/one." "$rc|$out|$err"
run nl enable one
is 'and nothing the second time' '0||' "$rc|$out|$err"
run nl enable nope
is 'only an image can be enabled' "1||nspawn-lite: Machine image 'nope' does not exist." "$rc|$out|$err"
unlike 'the marks are no image' '*enabled*' "$(nl list-images -a)"
run nl start --all
is 'start --all starts it' '0||' "$rc|$out|$err"
ok 'it runs' runs one
run nl start --all
is 'and does nothing when all run' '0||' "$rc|$out|$err"
end one
nl enable -q broken slow
run nl start --all
is 'a line for each that failed, and the status' '1||Container broken failed with error code 7. "nspawn-lite logs broken" has its last words.' "$rc|$out|$err"
ok 'all others run' eval 'runs one && runs slow'
end one slow
nl rename slow quick
is 'a mark goes with the image to its new name' "$store/quick" "$(readlink "$store/.enabled/quick")"
nl remove quick
is 'and goes with the image' 'broken one ' "$(cd "$store/.enabled" && printf '%s ' *)"
nl clean --all >/dev/null
is 'clean leaves the marks' '' "$(nl list-images --no-legend)$(ls "$store/.enabled")"
mkdir "$store/one"
nl enable -q one
rmdir "$store/one"
run nl start --all
is 'an image that went by itself is told' "1||nspawn-lite: Machine image 'one' does not exist." "$rc|$out|$err"
run nl disable one
is 'disable works without the image' "0||Removed \"$store/.enabled/one\"." "$rc|$out|$err"
run nl disable one
is 'and says nothing the second time' '0||' "$rc|$out|$err"
leftovers_after 'nothing is left'
umount "$store"
done_testing
