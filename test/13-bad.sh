#!/bin/sh
# Bad input: one sentence on stderr, status 1 (126 and 127 of a command that
# cannot be run), and nothing was started
# shellcheck disable=SC2016 # what stands in single quotes is for the shell inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
tmp=$T/tmp
mkdir "$tmp" || exit
t=$(tree busybox) || exit
started=$t/started
nl='
'

# bad SENTENCE STATUS TEXT WORD... : of us, with a safety net against hanging
bad() {
	what=$1
	want=$2
	text=$3
	shift 3
	timeout 60 "$NL" "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
	rc=$?
	lines=$(wc -l <"$tmp/err")
	got="status $rc, $((lines)) line"
	[ ! -s "$tmp/out" ] || got="$got, something on stdout"
	if [ -e "$started" ]; then
		got="$got, and it was started"
		rm -f "$started"
	fi
	# Long words may be cut, but the sentence names what it is about
	grep -aqF -e "$text" "$tmp/err" || got="$got: $(head -c 300 "$tmp/err")"
	is "$what" "status $want, 1 line" "$got"
}
start='/bin/touch /started'

# ---- every option that takes a value, with values that it cannot mean ------------------------

head -c 100000 /dev/zero | tr '\0' x >"$tmp/long"
long=$(cat "$tmp/long")
broken=$(printf 'a\377\376b')

"$NL" completion | sed -n "/local options='/,/^'/s/^--\([a-z0-9-]*\)=\$/\1/p" >"$tmp/options"
# A choice whose value may be left out has no = there
echo volatile >>"$tmp/options"
is 'there are options to try' yes "$([ "$(wc -l <"$tmp/options")" -gt 30 ] && echo yes)"

while read -r o <&8; do
	where="-D $t"
	case $o in
	# accepted without effect: whatever they say
	forward-journal|background) continue ;;
	# names and values that the kernel must be asked about
	directory) where='' ;;
	image-root|template) where='-M nosuch' ;;
	esac
	# Left out: -M '' derives the name, and --hostname= with it; --host= is this one; empty lists add nothing; long values are what variables and credentials
	# are for; a score may be negative; any short text may name the container's manager
	for how in empty long negative broken; do
		case $o/$how in
		machine/empty|hostname/empty|host/empty|*capability/empty|system-call-filter/empty) continue ;;
		setenv/long|set-credential/long|oom-score-adjust/negative|container-service/negative) continue ;;
		*/empty) value='' ;;
		*/long)	value=$long ;;
		*/negative) value=-1 ;;
		*)	value=$broken ;;
		esac
		# shellcheck disable=SC2086 # words
		bad "--$o with a value that is $how" 1 '' -q $where "--$o=$value" $start
	done
done 8<"$tmp/options"

# refused WORD... : with the tree and a command
root=$NSPAWN_LITE_ROOT
NSPAWN_LITE_ROOT=here
bad 'a place for what we keep that depends on where we are' 1 'NSPAWN_LITE_ROOT=here: it must be a whole path' list
NSPAWN_LITE_ROOT=$root
refused() { bad "$(printf '%s ' "$@" | head -c 70)is refused" 1 '' -q -D "$t" "$@" /bin/touch /started; }
refused --setenv==x
refused --setenv=1A=x
refused '--setenv=A B=x'
refused "--setenv=$broken=x"
refused "--setenv=A=$broken"
refused --rlimit=NOFILE
refused --rlimit=NOFILE=
refused --rlimit=NOFILE=-5
refused --rlimit=NOFILE=6:5
refused --rlimit=NOFILE=5:
refused --rlimit=NOFILE=5:6:7
refused --rlimit=NOFILE=99999999999999999999
refused --rlimit=NOFILE=16E
refused --rlimit=NOFILE=1.5
refused --rlimit=NOFILE=5x
refused --rlimit=nofile=5
refused --rlimit=BOGUS=5
refused --rlimit=CPU=2fortnights
refused --rlimit=NICE=+20
refused --rlimit=NICE=-21
refused --rlimit=NICE=41
refused --oom-score-adjust=1001
refused --oom-score-adjust=-1001
refused --oom-score-adjust=5x
refused --oom-score-adjust=99999999999999999999
refused --cpu-affinity=3-1
refused --cpu-affinity=1-
refused --cpu-affinity=a
refused --cpu-affinity=0-99999999
refused '--cpu-affinity= '
refused --personality=vax
refused --kill-signal=BOGUS
refused --kill-signal=0
refused --kill-signal=65
refused --kill-signal=SIGRTMIN+31
refused --uuid=123
refused --uuid=0123456789abcdef0123456789abcdefg
refused --uuid=0123456789abcdef0123456789abcdeg
refused --capability=CAP_BOGUS
refused --capability=64
refused --capability=CAP_CHOWN,,CAP_KILL,x
refused --drop-capability=CAP_
refused --ambient-capability=bogus
refused --chdir=relative
refused --chdir=/a/../b
refused --user=a:b
refused --user=../x
refused --user=nosuchuser
refused --set-credential=novalue
refused --set-credential=a/b:x
refused --set-credential=..:x
refused --set-credential=:x
refused '--set-credential=a:\q'
refused '--set-credential=a:\x4'
refused --load-credential=a:
refused --load-credential=a:/no/such
refused --load-credential=a:relative
refused --load-credential=a:/
refused --slice=no/slice
refused --slice=.slice
refused --slice=../x.slice
refused --slice=a/b.slice
refused --hostname=a..b
refused -a -b
refused -x --link-journal=host

# ---- trees ---------------------------------------------------------------------------------------

bad 'a directory that is not there' 1 "$tmp/nosuch" -q -D "$tmp/nosuch" true
bad 'a directory that is a file' 1 "$tmp/long" -q -D "$tmp/long" true
mkfifo "$tmp/fifo"
bad 'a directory that is a FIFO' 1 "$tmp/fifo" -q -D "$tmp/fifo" true
bad 'a directory that is a device' 1 /dev/null -q -D /dev/null true
ln -s loop "$tmp/loop"
bad 'a directory that is a link to itself' 1 "$tmp/loop" -q -D "$tmp/loop" true
bad 'a machine that has no image' 1 "'nosuch'" -q -M nosuch true
bad 'the root of the host' 1 'root directory' -q -D / true
mkdir "$tmp/---"
bad 'a directory that gives no name' 1 '-M' -q -D "$tmp/---" true
mkdir "$tmp/empty"
bad 'an empty directory has no shell' 127 shell -q -D "$tmp/empty"
bad 'an empty directory has no command' 127 nosuch -q -D "$tmp/empty" nosuch
# that it has no os-release would be one sentence more
SYSTEMD_NSPAWN_CHECK_OS_RELEASE=0
export SYSTEMD_NSPAWN_CHECK_OS_RELEASE
bad 'an empty directory has no init' 127 init -q -b -D "$tmp/empty"
# -b falls back on a shell, which this one has not
cp -a "$t/bin/busybox" "$tmp/empty/alone"
bad 'a tree without an init' 127 init -q -b -P -D "$tmp/empty"
unset SYSTEMD_NSPAWN_CHECK_OS_RELEASE
bad 'a tree without one below -a' 127 shell -q -a -D "$tmp/empty"

# As somebody who is not root, with a copy that he may read
cp "$NL" "$T/nspawn-lite"
chmod 755 "$T/nspawn-lite"
if command -v setpriv >/dev/null && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
	is 'who is not root is told so' "nspawn-lite: Need to be root.${nl}1" \
		"$(setpriv --reuid=65534 --regid=65534 --clear-groups timeout 60 "$T/nspawn-lite" -D "$t" true 2>&1 </dev/null; echo $?)"
	is 'who is not root may plan' "--boot${nl}0" \
		"$(setpriv --reuid=65534 --regid=65534 --clear-groups timeout 60 "$T/nspawn-lite" plan -b 2>&1 </dev/null; echo $?)"
	is 'a mistake is told to who is not root' 1 \
		"$(setpriv --reuid=65534 --regid=65534 --clear-groups timeout 60 "$T/nspawn-lite" --bogus 2>&1 </dev/null | grep -c "'--bogus'")"
else
	skip 'who is not root is told so' 'no setpriv'
fi

# ---- commands --------------------------------------------------------------------------------------

mkdir "$t/own"
: >"$t/own/empty"
cp "$t/bin/busybox" "$t/own/plain"
chmod 644 "$t/own/plain"
printf '#!/no/such/shell\n' >"$t/own/script"
printf '#!\n' >"$t/own/nothing"
ln -s /no/such "$t/own/dangling"
ln -s loop "$t/own/loop"
mkfifo "$t/own/fifo"
chmod 755 "$t/own/empty" "$t/own/script" "$t/own/nothing" "$t/own/fifo"
# As env(1) has it: 127 for what is not there, 126 for all else
for a in '' -a; do
	# shellcheck disable=SC2086 # words
	set -- -q $a -D "$t"
	bad "a command that is not there${a:+ below $a}" 127 nosuch "$@" nosuch
	bad "a path that is not there${a:+ below $a}" 127 /no/such "$@" /no/such
	bad "an empty command${a:+ below $a}" 127 empty "$@" ''
	bad "a command of 100 kB${a:+ below $a}" 126 '' "$@" "$long"
	bad "a path of 100 kB${a:+ below $a}" 126 '' "$@" "/$long"
	bad "a file that is not executable${a:+ below $a}" 126 /own/plain "$@" /own/plain
	bad "a file in the PATH that is not executable${a:+ below $a}" 126 /own/plain "$@" -E PATH=/own plain
	bad "a directory as the command${a:+ below $a}" 126 directory "$@" /own
	bad "a path through a file${a:+ below $a}" 126 /own/plain/x "$@" /own/plain/x
	bad "a script whose interpreter is missing${a:+ below $a}" 127 /no/such/shell "$@" /own/script
	bad "a link to nowhere${a:+ below $a}" 127 /own/dangling "$@" /own/dangling
	bad "a link to itself${a:+ below $a}" 126 /own/loop "$@" /own/loop
	bad "a FIFO as the command${a:+ below $a}" 126 /own/fifo "$@" /own/fifo
done

# e_machine of an ELF header is two bytes at 18: these are of aarch64, or of s390x
# where that is what runs here
case $(uname -m) in
aarch64) number='\026\000' arch=s390x ;;
*)	number='\267\000' arch=aarch64 ;;
esac
cp "$t/bin/busybox" "$t/own/foreign"
if [ "$(od -An -tx1 -j5 -N1 "$t/own/foreign" | tr -d ' ')" = 01 ]; then
	# shellcheck disable=SC2059 # escapes
	printf "$number" | dd of="$t/own/foreign" bs=1 seek=18 conv=notrunc 2>/dev/null
	bad 'a program of another machine is said to be so' 126 "$arch" -q -D "$t" /own/foreign
	bad 'and whether binfmt_misc knows it' 126 binfmt_misc -q -D "$t" /own/foreign
	bad 'the same below -a' 126 "$arch" -q -a -D "$t" /own/foreign
	printf '\377\376' | dd of="$t/own/foreign" bs=1 seek=18 conv=notrunc 2>/dev/null
	bad 'a program of a machine that nobody knows' 126 65279 -q -D "$t" /own/foreign
	head -c 30 "$t/bin/busybox" >"$t/own/foreign"
	bad 'a program that is cut off' 126 /own/foreign -q -D "$t" /own/foreign
else
	skip 'a program of another machine is said to be so' 'numbers here are big-endian'
fi

# A dynamic program: any of the host's will do
dynamic=''
for f in /bin/true /usr/bin/env /bin/ls /usr/bin/make; do
	if [ -f $f ] && head -c 4096 $f | tr '\0' '\n' | grep -aq '^/lib.*/ld'; then
		dynamic=$f
		break
	fi
done
if [ -n "$dynamic" ]; then
	cp -L "$dynamic" "$t/own/dynamic"
	loader=$(head -c 4096 "$dynamic" | tr '\0' '\n' | grep -a -m 1 '^/lib.*/ld')
	bad 'a dynamic program whose loader is missing is told by the loader' 127 "$loader" -q -D "$t" /own/dynamic
	bad 'the same below -a' 127 "$loader" -q -a -D "$t" /own/dynamic
else
	skip 'a dynamic program whose loader is missing is told by the loader' 'the host has none'
fi

# ---- inits -----------------------------------------------------------------------------------------

rm -f "$t/sbin/init" "$t/init" "$t/bin/init"
printf '#!/no/such/shell\n' >"$t/sbin/init"
chmod 755 "$t/sbin/init"
bad 'an init whose interpreter is missing' 127 /no/such/shell -q -b -P -D "$t"
chmod 644 "$t/sbin/init"
bad 'an init that is not executable' 126 /sbin/init -q -b -P -D "$t"
rm "$t/sbin/init"
mkdir "$t/sbin/init"
bad 'an init that is a directory' 126 /sbin/init -q -b -P -D "$t"
rmdir "$t/sbin/init"

# ---- the caller's side -------------------------------------------------------------------------------

is 'a full disk on stdout is an error' 1 "$("$NL" --version 2>/dev/null >/dev/full; echo $?)"
is 'help into a closed pipe does not hang' 0 "$("$NL" --help | true; echo $?)"
is 'no environment at all' 0 "$(env -i "$NL" -q -D "$t" /bin/true 2>&1 </dev/null; echo $?)"
is 'nothing was started in all of this' absent "$([ -e "$started" ] || echo absent)"
is 'the tree still runs' 0 "$(timeout 60 "$NL" -q -D "$t" /bin/true 2>&1 </dev/null; echo $?)"
done_testing
