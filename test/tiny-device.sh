#!/bin/sh
# shellcheck disable=SC2012,SC2016,SC2086,SC2116,SC2317 # what is expanded is expanded inside; verbs are words; functions may be called by name
# A device of 32 MB where nothing was made ready: a kernel, busybox and
# nspawn-lite; the root is the initramfs, /dev holds a console, nothing is
# mounted, the clock says 1970. It mounts as little as it can, and makes its root
# read-only. Prints TAP. For a machine that has just booted, as its first
# process's child; 97-tiny-lab.sh makes such machines.
#   sh tiny-device.sh [NSPAWN-LITE]
nl=${1:-nspawn-lite}
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"

# each_says NAME WORDS OPTIONS... : one line with these words, and status 1
each_says() {
	"$nl" $3 >/said 2>&1
	s=$?
	is "$1" '1 of 1 line, status 1' "$(grep -c "$2" /said) of $(grep -c . /said) line, status $s"
}

mkdir -p /t/bin /t/sbin /t/etc /mnt
cp /bin/busybox /t/bin/busybox
for a in sh cat dd echo grep head ip kill ls mount ping sleep stat tail touch tr wc; do
	ln -s busybox "/t/bin/$a"
done
cat >/t/sbin/init <<'END_OF_INIT'
#!/bin/sh
trap 'exit 0' TERM USR2 PWR
trap 'exit 7' INT
echo "up $(cat /proc/sys/kernel/hostname)"
while :; do sleep 1000 & wait $!; done
END_OF_INIT
chmod 755 /t/sbin/init
echo ID=tiny >/t/etc/os-release
date -s 1970.01.01-00:01:00 >/said
run() { "$nl" -q -D /t "$@"; }

# ---- nothing is mounted --------------------------------------------------------------------

is 'it is as it was to be: nothing is mounted, /dev has a console' 'console no' \
	"$(ls /dev | tr '\n' ' ')$([ -e /proc/self ] && echo yes || echo no)"
has 'the version' nspawn-lite "$("$nl" --version)"
is 'no machine is on the list' 'No machines.' "$("$nl" list 2>&1)"
for how in '' -x -U -n -b '-x -U -n -b'; do
	each_says "a run${how:+ $how} says what to mount" 'mount -t proc proc /proc' "-D /t $how echo"
done
tar -C /t -czf /one.tar.gz .
is 'an archive is imported' 0 "$("$nl" import-tar -q /one.tar.gz one 2>&1; echo $?)"
is 'an image is cloned' 0 "$("$nl" clone one two 2>&1; echo $?)"
is 'they are listed' 'one two' "$("$nl" list-images --no-legend | cut -d' ' -f1 | tr '\n' ' ' | sed 's/ $//')"
is 'and removed' 0 "$("$nl" remove one two 2>&1; echo $?)"
each_says 'exec of what does not run says so' "No machine 'one' known" 'exec one true'
mknod /dev/null c 1 3

# ---- /proc is; the root is read-only -----------------------------------------------------------

mkdir /proc
mount -t proc proc /proc
rmdir /var/lib/machines /var/lib /var /run/nspawn-lite /run 2>/dev/null
: >/said
mount -o remount,ro /
if ! touch /said 2>/dev/null; then
	is 'a root that cannot be written to: it says what to mount' '1 line' \
		"$(run echo 2>&1 | grep -c 'read-only there; mount a tmpfs on /run/nspawn-lite') line"
	has 'and import says which place that is' '/var/lib/machines' "$("$nl" import-tar /one.tar.gz one 2>&1)"
	is 'a list needs none' 'No machines.' "$("$nl" list 2>&1)"
fi
mount -t tmpfs -o size=8m state /mnt
NSPAWN_LITE_ROOT=/mnt
export NSPAWN_LITE_ROOT
is 'a command runs' inside "$(run echo inside)"
run sh -c 'exit 7'
is 'its status comes through' 7 $?
is 'what an ephemeral machine writes is gone' 'written gone' \
	"$(run -x sh -c 'echo written >/x; cat /x' 2>/mnt/said) $([ -e /t/x ] || echo gone)"
has 'users of its own: there are, or it says why not' "$(run -U cat /proc/self/uid_map 2>&1 | grep -E '65536|owners|CONFIG_USER_NS')" \
	"$(run -U cat /proc/self/uid_map 2>&1)"
is 'a network of its own: an address, though the host has no loopback up' 'inet inet' \
	"$(run -n ip -4 addr | sed -n 's/^ *\(inet\) .*/\1/p' | tr '\n' ' ' | sed 's/ $//')"
is 'and the host is reached by it' 0 "$(run -n sh -c 'set -- $(ip route | grep default); ping -c 1 -W 20 $3 >/dev/null; echo $?' 2>/mnt/said)"

# ---- as on any other ----------------------------------------------------------------------------

is 'an archive is imported to memory' 0 "$("$nl" import-tar -q /one.tar.gz one 2>&1; echo $?)"
is 'it is started' 0 "$("$nl" start one 2>/mnt/said; echo $?)" || cat /mnt/said
up() { "$nl" logs -n all one 2>/dev/null | grep -q "^up one"; }
is 'its init says so' 0 "$(wait_for up; echo $?)"
has 'it is on the list' 'one     container nspawn-lite tiny' "$("$nl" list)"
has 'it began in 1970' 1970 "$("$nl" status one)"
is 'exec' 'out 7' "$("$nl" exec one sh -c 'echo out; exit 7' | tr '\n' ' ')$("$nl" exec one sh -c 'exit 7'; echo $?)"
is 'a shell' hi "$("$nl" shell -q one /bin/echo hi </dev/null 2>&1 | tr -d '\r')"
is 'a copy' '0 tiny' "$("$nl" copy-to one /t/etc/os-release /tmp/f 2>&1; echo $?) $("$nl" exec one sh -c '. /tmp/f; echo $ID')"
has 'its address' '10.' "$("$nl" exec one ip -4 addr show host0)"

# what is its supervisor's alone: not the pages of the program's file, which is in memory here
pid=$(sed -n 's/^SUPERVISOR=//p' /mnt/run/nspawn-lite/one)
private() {
	if [ -e "/proc/$pid/smaps" ]; then
		awk '/^Anonymous/ { sum += $2 } END { print sum + 0 }' "/proc/$pid/smaps"
	else
		awk '{ print ($2 - $3) * 4 }' "/proc/$pid/statm"
	fi
}
little() { private=$(private) && [ "$private" -gt 0 ] && [ "$private" -le 150 ]; }
is 'a supervisor takes at most 150 KB' 0 "$(wait_for little; echo $?)"
echo "# a supervisor: $(private) KB"
is 'it is stopped' 0 "$("$nl" stop one 2>&1; echo $?)"
is 'and gone' 'No machines.' "$("$nl" list 2>&1)"

# ---- memory is short ------------------------------------------------------------------------------

run -M eater sh -c 'tail /dev/zero'
is 'one that takes all memory is killed, not its supervisor' 137 $?
is 'and nothing of it is left' '' "$(ls /mnt/run/nspawn-lite)"
is 'where one of its processes takes all, that one is killed' 137 "$(run -a sh -c 'tail /dev/zero; echo $?' 2>/dev/null)"
is 'what an ephemeral machine may write ends' 'full' "$(run -x sh -c 'cat /dev/zero >/x 2>/dev/null || echo full' 2>/dev/null)"
mkdir /mnt/small
mount -t tmpfs -o size=512k small /mnt/small
has 'an import that does not fit says so' 'no room for it' "$(NSPAWN_LITE_ROOT=/mnt/small "$nl" import-tar -q /one.tar.gz big 2>&1)"
is 'and leaves nothing' '' "$(ls -A /mnt/small/var/lib/machines)"
yes >/mnt/small/full 2>/dev/null
has 'a state that is full is named' 'write /mnt/small/run/nspawn-lite/t: No space left' "$(NSPAWN_LITE_ROOT=/mnt/small run echo 2>&1)"
is 'nothing was mounted on the host' 'proc rootfs tmpfs' "$(cut -d' ' -f3 /proc/mounts | sort -u | tr '\n' ' ' | sed 's/ $//')"
done_testing
