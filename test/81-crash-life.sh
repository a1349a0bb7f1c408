#!/bin/sh
# shellcheck disable=SC2317 # called by wait_for
# Verbs of machines, and machines that begin again, are killed at each system call of theirs. What runs then runs as it
# did, nobody sees what does not, and after the next command nothing is left that was not there before.
# CRASH=all takes every call, else some.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need timeout
# shellcheck source-path=SCRIPTDIR source=step.sh
. "${0%/*}/step.sh"
stepping || skip_all 'stepping is for x86_64 and Linux 5.3'
state=$T/root/run/nspawn-lite
store=$T/root/var/lib/machines
me=life$$
nl() { timeout 60 "$NL" "$@"; }
fact() { sed -n "s/^$2=//p" "$state/$1" 2>/dev/null; }
mkdir -p "$store" "$T/root/etc"
echo 53990921e36c49bf8682de9bb3c5f5ae >"$T/root/etc/machine-id"
t=$(tree busybox) && cp -a "$t" "$store/$me" || exit
t=$store/$me
mkdir -p "$t/there" "$T/files/sub"
echo some >"$T/files/one"
echo more >"$T/files/sub/two"
# init TEXT : for its next start
init() {
	rm -f "$t/sbin/init"
	printf '#!/bin/sh\n%s\n' "$1" >"$t/sbin/init"
	chmod 755 "$t/sbin/init"
}

# what_is : all that one of these could leave, but for what is asked for
what_is() {
	find "$state" "$t" "$store" ! -name .host-id ! -name .hosts ! -path "$state/.logs*" ! -path "$state/.mounts*" \
		! -path "$t/there/*" ! -path "$t/again" ! -path '*/etc/localtime' ! -path '*/etc/resolv.conf' | sort -u
	grep -F "$T" /proc/self/mountinfo
	leader=$(fact "$me" LEADER)
	find /sys/fs/cgroup -name "*$me*" 2>/dev/null | sort | while read -r g; do
		find "$g" -type d
		find "$g" -name cgroup.procs -exec cat {} + | sort -u | wc -l
	done
	case $leader in ''|0) ;; *) sed -e 's/^[0-9]* [0-9]* //' -e "$not_ours" "/proc/$leader/mountinfo" | grep -v ' /there/' ;; esac
	# who connects to its console
	grep -cF "$T" /proc/net/unix
	ours | while read -r p; do
		tr '\0' ' ' <"/proc/$p/cmdline" && echo
	done 2>/dev/null
}
# the next command
swept() { nl terminate nobody-at-all 2>&1 | grep -v "No machine 'nobody-at-all' known"; }

# ---- those that nobody sits at, from their birth on ----------------------------------------------------

prepare() { rm -f "$t/again"; }
not_there() {
	[ -z "$(nl list --no-legend)" ] || echo "it is in the list: $(nl list --no-legend)"
	swept
}
leftovers_before
init 'exit 0'
nl start --foreground "$me" >/dev/null 2>&1
export STEP=free
check() { not_there; same; }
stepped 'a machine whose supervisor is killed is in no list, and the next command takes it away' 43 \
	"$NL" start --foreground "$me"
init '[ -e /again ] && exit 0; : >/again; reboot -f'
stepped 'so is one that reboots' 71 "$NL" start --foreground "$me"
init '[ -e /again ] && exit 0; : >/again; exit 3'
# a pause of a second each
stepped 'and one that begins again by itself' 311 "$NL" run -q -b -M "$me" -D "$t" --restart=on-failure

# ---- verbs -------------------------------------------------------------------------------------------------

export STEP=leave
init 'exec sleep 100000'
begun() {
	# its supervisor may be about to begin
	nl start "$me" || echo "start: status $?"
	nl terminate "$me" || echo "terminate: status $?"
}
check() { begun; same; }
prepare() { :; }
stepped 'start that is killed: the next one works' 9 "$NL" start "$me"
prepare() { nl start "$me" 2>&1; }
ended() { nl terminate "$me" 2>/dev/null; }
check() { ended; same; }
stepped 'stop that is killed' 7 "$NL" stop --no-block "$me"
stepped 'terminate that is killed' 7 "$NL" terminate "$me"

export STEP=free
nl start "$me"
prepare() { :; }
works() { [ "$(nl exec "$me" echo works 2>&1)" = works ] || echo 'it does not work any more'; }
is 'it runs' '' "$(works)"
check() { works; same; }
stepped 'exec that is killed leaves nothing in it' 11 "$NL" exec "$me" /bin/true
stepped 'nor does one that goes on' 29 "$NL" exec "$me" sleep 1
stepped 'nor shell' 23 "$NL" shell "$me" /bin/true
printf '%s\n' 'send \x1d\x1d\x1d' exit >"$T/script"
on="$PTY -t 60 $T/script --"
stepped 'nor console' 47 "$NL" console "$me"
on=''
prepare() { rm -rf "$t"/there/*; }
copied() {
	# half a file may be there under no name that it shall have
	for f in "$t"/there/* "$t"/there/.[!.]* "$t"/there/files/*; do
		case $f in
		*/files/one) [ "$(cat "$f")" = some ] || echo 'half a file' ;;
		*/files|*/files/sub|*'*'*|*/*.'[!.]'*) ;;
		*)	echo "half-made: $f" ;;
		esac
	done
	works
}
check() { copied; same; }
stepped 'nor copy-to' 17 "$NL" copy-to --force "$me" "$T/files" /there/files
prepare() {
	n=$((n + 1))
	mkdir -p "$t/there/d$n"
}
n=0
check() { works; same; }
stepped 'nor bind' 13 "$NL" bind "$me" "$T/files" /there/d
nl terminate "$me"

# ---- two hosts in one ------------------------------------------------------------------------------------------

# host N : with processes and a state of its own, and a machine of that name
host() {
	mkfifo "$T/in$1"
	cp -a "$t" "$T/t$1"
	exec 7<>"$T/in$1"
	# shellcheck disable=SC2016 # words of the inner one
	NSPAWN_LITE_DENY=bpf unshare -m -p -f --mount-proc --kill-child sh -c 'mount -t tmpfs none "$1" && shift && "$@"' x "$T/root/run" \
		"$NL" -q -P -M "$me" -D "$T/t$1" /bin/sh -c 'echo up; read -r x; exit 5' <"$T/in$1" >"$T/out$1" 2>&1 &
	pids="$! $pids"
	wait_for test -s "$T/out$1"
}
if unshare -p -f --kill-child true 2>/dev/null; then
	pids=''
	host 1
	host 2
	echo x >"$T/in2"
	wait "${pids%% *}"
	is 'two hosts in one have machines of the same name' '5 up' "$? $(cat "$T/out2")"
	echo x >"$T/in1"
	pids=${pids#* }
	wait "${pids%% *}"
	is 'and the end of one is not that of the other' '5 up' "$? $(cat "$T/out1")"
else
	skip 'two hosts in one' 'no unshare --kill-child'
fi
rm -rf "$store"
leftovers_after 'nothing is left'
done_testing
