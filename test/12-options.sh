#!/bin/sh
# Each option's effect, seen from inside
# shellcheck disable=SC2016 # what stands in single quotes is for the shell inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
tmp=$T/tmp
mkdir "$tmp" || exit
t=$(tree busybox) || exit
notify=$(program notify)
cp "$notify" "$t/bin/notify"
nl='
'

# guest WORD... : quiet, in the tree
guest() { timeout 60 "$NL" -q -M options -D "$t" "$@" </dev/null; }
# script TEXT [OPTION...] : in the guest's shell, as its PID 1
script() {
	text=$1
	shift
	guest "$@" /bin/sh -c "$text"
}
# stops SENTENCE STATUS TEXT WORD... : one line on stderr that has this text, and this status
stops() {
	what=$1
	status=$2
	want=$3
	shift 3
	guest "$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	case $(cat "$tmp/err") in
	*"$nl"*) is "$what" 'one line' "$(cat "$tmp/err")" ;;
	*"$want"*) is "$what" "$status, nothing on stdout" "$got, nothing on stdout$(cat "$tmp/out")" ;;
	*)	is "$what" "$status ...$want..." "$got $(cat "$tmp/err")" ;;
	esac
}

# ---- where and what --------------------------------------------------------------------

is 'a command starts at /' / "$(script pwd)"
is '--chdir says where else' /usr/bin "$(script pwd --chdir=/usr/bin)"
is '--chdir works below -a' /usr/bin "$(script pwd --chdir=/usr/bin -a)"
stops '--chdir to nowhere' 1 '/no/such' --chdir=/no/such true
is 'without a command there is a login shell at home' '/root -sh' \
	"$(echo 'echo "$(pwd) $0"' | timeout 60 "$NL" -q -D "$t")"
is 'the same below -a' '/root -sh' "$(echo 'echo "$(pwd) $0"' | timeout 60 "$NL" -q -a -D "$t")"
is 'a home that is not there makes the shell start at /' / \
	"$(rmdir "$t/root"; echo pwd | timeout 60 "$NL" -q -D "$t"; mkdir -m 700 "$t/root")"
is 'the shell of passwd is not asked for' '-sh' "$(echo 'echo "$0"' | timeout 60 "$NL" -q -u nobody -D "$t")"
printf '#!/bin/sh\necho "bash as $0"\n' >"$t/bin/bash"
chmod 755 "$t/bin/bash"
is 'a bash goes before sh' 'bash as /bin/bash' "$(timeout 60 "$NL" -q -D "$t" </dev/null)"
rm "$t/bin/bash"
mkdir "$t/own"
printf '#!/bin/sh\necho own\n' >"$t/own/mine"
chmod 755 "$t/own/mine"
is 'the command is looked for in the PATH inside' own "$(guest -E PATH=/own:/bin mine)"
is 'the caller'"'"'s PATH has no say' busybox "$(PATH=/own:$PATH guest ls /bin/busybox | sed 's,.*/,,')"
is 'a script without a first line is for the shell' 'plain a' \
	"$(echo 'echo plain $1' >"$t/own/plain"; chmod 755 "$t/own/plain"; guest /own/plain a)"
is 'words reach the command as they are' "a b|it's|||*|-x|" "$(guest printf '%s|' 'a b' "it's" '' '' '*' -x | sed 's/|||/|||/')"
is 'standard input reaches the command' 'to be read' "$(echo to be read | timeout 60 "$NL" -q -D "$t" cat)"

# ---- environment ---------------------------------------------------------------------------

is '-E sets a variable' 'b c' "$(script 'echo "$A"' -E 'A=b c')"
is '-E without a value takes the caller'"'"'s' mine "$(A=mine script 'echo "$A"' -E A)"
is '-E without a value there sets nothing' unset "$(unset A; script 'echo "${A-unset}"' -E A)"
is '-E may set it to nothing' empty "$(script 'echo "${A-unset}${A:-empty}"' -E A=)"
is '-E goes before what we set' 'x y' "$(script 'echo "$container $HOME"' -E container=x -E HOME=y)"
is 'the last -E counts, and is the only one' A=2 "$(script 'env' -E A=1 -E A=2 | grep '^A=')"
is 'a value may have lines' "a${nl}b" "$(script 'echo "$A"' -E "A=a${nl}b")"

# ---- users ---------------------------------------------------------------------------------------

is 'root is root, in no other groups' '0 0 0' "$(script 'echo "$(id -u) $(id -g) $(id -G)"')"
is 'a user has his ids and all of his groups' '1000 1000 1000 29' \
	"$(script 'echo "$(id -u) $(id -g) $(id -G)"' -u user)"
is 'a number of the list is the same user' '1000 user /home/user 1000 29' \
	"$(script 'echo "$(id -u) $USER $HOME $(id -G)"' -u 1000)"
is '--uid is the same' '1000 user' "$(script 'echo "$(id -u) $USER"' --uid=1000)"
is 'a number that is not in the list needs no entry' '4242 4242' "$(script 'echo "$(id -u) $(id -g)"' -u 4242)"
is 'a user below -a' '1000 1000 29' "$(script 'echo "$(id -u) $(id -G)"' -u user -a)"
is 'a user of the last line without a newline' 77 \
	"$(cp "$t/etc/passwd" "$tmp/passwd"; printf 'last:x:77:77::/:/bin/sh' >>"$t/etc/passwd"; guest -u last id -u; cp "$tmp/passwd" "$t/etc/passwd")"
is 'a file of users that is broken still has the good ones' 1000 \
	"$({ head -c 20000 /dev/zero | tr '\0' x; printf '\n:::\nuser\nx:y:z\n\n'; cat "$tmp/passwd"; } >"$t/etc/passwd"
		guest -u user id -u; cp "$tmp/passwd" "$t/etc/passwd")"
stops 'no such user' 1 nosuchuser -u nosuchuser true
stops 'no list of users at all' 1 someone --volatile=overlay -u someone true
is 'a user'"'"'s terminal is his own' 1000 "$(script 'stat -c %u $(tty)' -u user --console=read-only | tr -d '\r')"
is 'the files stay root'"'"'s' 1 "$(script 'touch /etc/x' -u user 2>&1 | grep -ci denied)"

# ---- identity --------------------------------------------------------------------------------------

is 'the name is the host name' options "$(guest hostname)"
is 'the host name may be another' one.two "$(guest --hostname=one.two hostname)"

# named SENTENCE NAME DIRECTORY [WORD...]
named() {
	what=$1
	want=$2
	dir=$3
	shift 3
	timeout 60 "$NL" -D "$dir" "$@" hostname </dev/null >"$tmp/out" 2>"$tmp/err"
	is "$what" "$want" "$(cat "$tmp/out")"
}
for d in my_box deb.ian-12 .hidden image.raw 'a b+c' -x a..b 1; do
	mkdir -p "$tmp/trees/$d"
	cp -a "$t/." "$tmp/trees/$d"
done
named 'the directory gives the name, and keeps its _' my_box "$tmp/trees/my_box"
named 'a slash at the end says nothing' my_box "$tmp/trees/my_box///"
is 'the banner says name and path' \
	"Spawning container my_box on $(cd "$tmp/trees/my_box" && pwd -P).${nl}Press ^] three times within 1s to kill container." \
	"$(head -n 2 "$tmp/err")"
named 'dots and dashes stay in the name' deb.ian-12 "$tmp/trees/deb.ian-12"
named 'a dot at the beginning goes' hidden "$tmp/trees/.hidden"
named 'a .raw at the end goes' image "$tmp/trees/image.raw"
named 'what a name cannot have goes' abc "$tmp/trees/a b+c"
named 'doubled dots become one' a.b "$tmp/trees/a..b"
named '-M goes before the directory' other "$tmp/trees/my_box" -M other
named 'an empty -M takes it back' my_box "$tmp/trees/my_box" -M other -M ''
cd "$tmp/trees/my_box" || exit
named 'a relative directory' my_box .
named 'a relative directory above' 1 ../1
is 'no directory at all is the current one' my_box "$(timeout 60 "$NL" -q hostname </dev/null)"
cd "$tmp" || exit
ln -s trees/my_box "$tmp/link"
named 'a link to the tree is the tree' my_box "$tmp/link"
named 'a dash at the beginning goes' x "$tmp/trees/-x"
is '--image-root is where -M looks' my_box "$(timeout 60 "$NL" -q --image-root="$tmp/trees" -M my_box hostname </dev/null)"
is '-M of no image says so' 'No image for machine '"'nosuch'." \
	"$(timeout 60 "$NL" --image-root="$tmp/trees" -M nosuch true 2>&1 </dev/null | sed 's/^nspawn-lite: //')"
mkdir -p "$tmp/moved/var/lib/machines"
ln -s "$tmp/trees/my_box" "$tmp/moved/var/lib/machines/stored"
is 'NSPAWN_LITE_ROOT moves the store' stored \
	"$(NSPAWN_LITE_ROOT=$tmp/moved timeout 60 "$NL" -q -M stored hostname </dev/null)"
is 'an ephemeral machine has a name of its own' 1 \
	"$(timeout 60 "$NL" -q -x -D "$tmp/trees/my_box" hostname </dev/null | grep -cx 'my_box-[0-9a-f]\{16\}')"
is 'an ephemeral machine may be named' mine "$(timeout 60 "$NL" -q -x -M mine -D "$tmp/trees/my_box" hostname </dev/null)"

id=00112233-4455-6677-8899-aabbccddeeff
# the_id [OPTION...] : that of the environment
the_id() { script 'echo "$container_uuid"' "$@"; }
is '--uuid is the id' $id "$(the_id --uuid=$id)"
is '--uuid without dashes and in capitals is the same' $id "$(the_id --uuid=00112233445566778899AABBCCDDEEFF)"
echo 0123456789abcdef0123456789abcdef >"$t/etc/machine-id"
is 'the id of the tree goes before --uuid' 01234567-89ab-cdef-0123-456789abcdef "$(the_id --uuid=$id)"
echo uninitialized >"$t/etc/machine-id"
is 'a tree that waits for its id takes --uuid' $id "$(the_id --uuid=$id)"
echo 00000000000000000000000000000000 >"$t/etc/machine-id"
stops 'an id of zeroes is refused' 1 /etc/machine-id true
: >"$t/etc/machine-id"
is 'an empty id takes --uuid' $id "$(the_id --uuid=$id)"
is 'a tree'"'"'s id is not written' '' "$(cat "$t/etc/machine-id")"
rm "$t/etc/machine-id"
stops '--uuid of zeroes' 1 'zero' --uuid=00000000000000000000000000000000 true

# ---- limits ------------------------------------------------------------------------------------------

# limit NAME : soft and hard of /proc/self/limits
limits=$(guest cat /proc/self/limits)
limit() { echo "$limits" | sed -n "s/^$1  *\([^ ]*\)  *\([^ ]*\).*/\1:\2/p"; }
# shellcheck disable=SC3045 # every shell we meet has ulimit -S
is 'the caller'"'"'s limits are not inherited' 1024 "$(ulimit -S -n 77; guest sh -c 'ulimit -S -n')"
is 'limits: open files' 1024 "$(limit 'Max open files' | sed 's/:.*//')"
is 'limits: core' 0 "$(limit 'Max core file size' | sed 's/:.*//')"
is 'limits: stack' 8388608:unlimited "$(limit 'Max stack size')"
is 'limits: locked memory' 8388608:8388608 "$(limit 'Max locked memory')"
is 'limits: message queues' 819200:819200 "$(limit 'Max msgqueue size')"
is 'limits: nice' 0:0 "$(limit 'Max nice priority')"
is 'limits: real time' 0:0 "$(limit 'Max realtime priority')"
for l in 'Max address space' 'Max cpu time' 'Max data size' 'Max file size' 'Max file locks' 'Max resident set' \
	'Max realtime timeout'; do
	is "limits: $l" unlimited:unlimited "$(limit "$l")"
done
for l in 'Max processes' 'Max pending signals'; do
	is "limits: $l as the host's PID 1" "$(sed -n "s/^$l  *\([^ ]*\)  *\([^ ]*\).*/\1:\2/p" /proc/1/limits)" "$(limit "$l")"
done

# limited SENTENCE LIMIT WANTED OPTION...
limited() {
	what=$1
	name=$2
	want=$3
	shift 3
	is "$what" "$want" "$(guest "$@" cat /proc/self/limits | sed -n "s/^$name  *\([^ ]*\)  *\([^ ]*\).*/\1:\2/p")"
}
limited '--rlimit of one number is both' 'Max open files' 64:64 --rlimit=NOFILE=64
limited '--rlimit of two numbers' 'Max open files' 64:128 --rlimit=NOFILE=64:128
limited '--rlimit may say RLIMIT_' 'Max open files' 64:64 --rlimit=RLIMIT_NOFILE=64
limited 'the last of two of a kind counts' 'Max open files' 32:32 --rlimit=NOFILE=64 --rlimit=NOFILE=32
limited 'a limit that would stop our own set-up' 'Max open files' 5:6 --rlimit=NOFILE=5:6
limited 'the same below -a' 'Max open files' 5:6 --rlimit=NOFILE=5:6 -a
limited 'sizes have units' 'Max file size' 1048576:2147483648 --rlimit=FSIZE=1M:2G
limited 'infinity' 'Max core file size' unlimited:unlimited --rlimit=CORE=infinity
limited 'seconds in other units' 'Max cpu time' 120:120 --rlimit=CPU=2min
limited 'seconds without one' 'Max cpu time' 5:10 --rlimit=CPU=5:10
limited 'microseconds in other units' 'Max realtime timeout' 2000000:2000000 --rlimit=RTTIME=2s
limited 'a nice value' 'Max nice priority' 0:0 --rlimit=NICE=0
for l in AS:'Max address space' DATA:'Max data size' STACK:'Max stack size' RSS:'Max resident set'; do
	limited "the limit ${l%%:*}" "${l#*:}" 1073741824:1073741824 --rlimit="${l%%:*}=1G"
done
# these need CAP_SYS_RESOURCE of the host
if awk '/^CapEff/ { exit substr($2, 10, 1) !~ /[13579bdf]/ }' /proc/self/status; then
	limited 'a negative nice value' 'Max nice priority' 25:25 --rlimit=NICE=-5
	limited 'a nice value with a plus' 'Max nice priority' 15:15 --rlimit=NICE=+5
	limited 'a raw nice limit' 'Max nice priority' 7:7 --rlimit=NICE=7
	is '--oom-score-adjust below zero' -500 "$(script 'cat /proc/self/oom_score_adj' --oom-score-adjust=-500)"
else
	stops 'a limit that the host may not raise is refused' 1 NICE --rlimit=NICE=-5 true
	for s in 'a negative nice value' 'a nice value with a plus' 'a raw nice limit'; do
		skip "$s" 'the host lacks CAP_SYS_RESOURCE'
	done
fi
is '--oom-score-adjust' 321 "$(script 'cat /proc/self/oom_score_adj' --oom-score-adjust=321)"
is 'without it the score is as found' "$(cat /proc/self/oom_score_adj)" "$(script 'cat /proc/self/oom_score_adj')"
last=$(sed -n 's/^Cpus_allowed_list:[^0-9]*.*[,-]\([0-9]*\)$/\1/p' /proc/self/status)
stops '--cpu-affinity of one that is not there' 1 '--cpu-affinity=127: none of these is to be had here' --cpu-affinity=127 true
is '--cpu-affinity of one' 0 "$(guest --cpu-affinity=0 cat /proc/self/status | sed -n 's/^Cpus_allowed_list:[^0-9]*//p')"
if [ -n "$last" ]; then
	is '--cpu-affinity of a range' "0-1" "$(guest --cpu-affinity=0-1 cat /proc/self/status | sed -n 's/^Cpus_allowed_list:[^0-9]*//p')"
	is '--cpu-affinity adds up' "0-1" \
		"$(guest --cpu-affinity=0 --cpu-affinity=1 cat /proc/self/status | sed -n 's/^Cpus_allowed_list:[^0-9]*//p')"
	is '--cpu-affinity with blanks' "0-1" "$(guest --cpu-affinity='0 1' cat /proc/self/status | sed -n 's/^Cpus_allowed_list:[^0-9]*//p')"
else
	skip '--cpu-affinity of a range' 'one CPU'
fi
stops 'CPUs that there are not' 1 CPU --cpu-affinity=1000 true
case $(uname -m) in
x86_64) small=x86 want='i[3-6]86' own=x86-64 ;;
aarch64) small=arm want='armv.*' own=arm64 ;;
*)	small='' ;;
esac
if [ -n "$small" ]; then
	is '--personality of the smaller sibling' 1 "$(guest --personality="$small" uname -m | grep -cx "$want")"
	is '--personality of our own' "$(uname -m)" "$(guest --personality="$own" uname -m)"
	stops '--personality of another machine' 1 mips --personality=mips true
else
	skip '--personality' 'no sibling is known here'
fi

# ---- rights ---------------------------------------------------------------------------------------------

# What the host has itself, in numbers of 16 digits
have=0x$(sed -n 's/^CapPrm:[^0-9a-f]*//p' /proc/self/status)
# caps [OPTION...] : the five sets, one a line
caps() { guest "$@" cat /proc/self/status | sed -n 's/^\(Cap[A-Z][a-z]*\):[^0-9a-f]*/\1 /p'; }
# all BND PRM INH AMB : as caps would print them, of what the host has
sets() { printf 'CapInh %016x\nCapPrm %016x\nCapEff %016x\nCapBnd %016x\nCapAmb %016x' \
	$(($3 & have)) $(($2 & have)) $(($2 & have)) $(($1 & have)) $(($4 & have)); }
default=0xfdecafff
is 'root has the default set, and nothing ambient' "$(sets $default $default $default 0)" "$(caps)"
is 'the same below -a' "$(sets $default $default $default 0)" "$(caps -a)"
is 'a network of its own adds CAP_NET_ADMIN' "$(sets 0xfdecbfff 0xfdecbfff 0xfdecbfff 0)" "$(caps --private-network)"
is 'a user has none but the bounding set' "$(sets $default 0 0 0)" "$(caps -u user)"
is '--capability adds' "$(sets 0xffecafff 0xffecafff 0xffecafff 0)" "$(caps --capability=CAP_SYS_TIME)"
is '--capability takes any case, no prefix, and numbers' "$(sets 0xfffcafff 0xfffcafff 0xfffcafff 0)" \
	"$(caps --capability=sys_Time,20 --capability=25)"
is '--capability=all adds all' "$(sets "$have" "$have" "$have" 0)" "$(caps --capability=all)"
is '--drop-capability drops' "$(sets 0xf5ecaffe 0xf5ecaffe 0xf5ecaffe 0)" "$(caps --drop-capability=CAP_CHOWN,MKNOD)"
is 'dropping goes before adding' "$(sets 0xfdecaffe 0xfdecaffe 0xfdecaffe 0)" \
	"$(caps --drop-capability=CHOWN --capability=CHOWN)"
is '--drop-capability=all leaves none' "$(sets 0 0 0 0)" "$(caps --drop-capability=all)"
is 'an ambient capability of a user is his in all sets' "$(sets $default 0x400 0x400 0x400)" \
	"$(caps -u user --ambient-capability=CAP_NET_BIND_SERVICE)"
is 'the same below -a' "$(sets $default 0x400 0x400 0x400)" \
	"$(caps -u user -a --ambient-capability=CAP_NET_BIND_SERVICE)"
is 'an ambient capability of root is ambient, too' "$(sets $default $default $default 0x400)" \
	"$(caps --ambient-capability=CAP_NET_BIND_SERVICE)"
is 'a number that no kernel knows says nothing' "$(sets $default $default $default 0)" "$(caps --capability=63 2>/dev/null)"
if [ $((have >> 24 & 1)) = 0 ]; then
	is 'a capability that the host lacks is warned of' 1 \
		"$(guest --capability=CAP_SYS_RESOURCE true 2>&1 | grep -c 'Some capabilities will not be set because they are not in the current bounding set.')"
else
	skip 'a capability that the host lacks is warned of' 'the host has all'
fi
is 'new privileges may be gained' 0 "$(guest cat /proc/self/status | sed -n 's/^NoNewPrivs:[^0-9]*//p')"
is '--no-new-privileges' 1 "$(guest --no-new-privileges=yes cat /proc/self/status | sed -n 's/^NoNewPrivs:[^0-9]*//p')"
is '--no-new-privileges=no' 0 "$(guest --no-new-privileges=no cat /proc/self/status | sed -n 's/^NoNewPrivs:[^0-9]*//p')"

# ---- files that follow the host: in a mount namespace with an /etc of our own -----------------------------

# A host with this resolver and zone; $1 may be "none"
cat >"$tmp/host" <<-'END'
	#!/bin/sh
	# host RESOLV ZONE COMMAND... : ZONE is link, file, or none
	# Only ever on files of our own, in a mount namespace of our own
	case ${TMP:?} in */nl.*/tmp) [ -d "$TMP" ] && [ -O "$TMP" ] || exit 99 ;; *) exit 99 ;; esac
	[ "$(readlink /proc/self/ns/mnt)" != "${HOST_MNT:?}" ] || exit 99
	mount --make-rprivate / || exit 99
	mkdir -p "$TMP/etc" || exit 99
	cp -a /etc/passwd /etc/group "$TMP/etc" 2>/dev/null
	rm -f "$TMP/etc/resolv.conf" "$TMP/etc/localtime"
	[ "$1" = none ] || printf '%s\n' "$1" >"$TMP/etc/resolv.conf"
	mkdir -p "$TMP/zones/Test"
	echo 'a zone' >"$TMP/zones/Test/City"
	mkdir -p "$TMP/share/zoneinfo/Test"
	cp "$TMP/zones/Test/City" "$TMP/share/zoneinfo/Test/City"
	case $2 in
	link) ln -s "$TMP/share/zoneinfo/Test/City" "$TMP/etc/localtime" ;;
	file) echo 'a zone' >"$TMP/etc/localtime" ;;
	tz) echo 'CET-1CEST' >"$TMP/etc/TZ" ;;
	esac
	if [ "$1" != none ]; then
		for f in /usr/lib/systemd/resolv.conf /run/systemd/resolve/resolv.conf /run/systemd/resolve/stub-resolv.conf; do
			[ ! -e $f ] || mount --bind "$TMP/etc/resolv.conf" $f
		done
	fi
	mount --bind "$TMP/etc" /etc || exit 99
	shift 2
	exec "$@"
END
chmod 755 "$tmp/host"
if unshare -m true 2>/dev/null; then
	# hosted RESOLV ZONE OPTION... -- TEXT
	hosted() {
		TMP=${tmp:?} HOST_MNT=$(readlink /proc/self/ns/mnt) timeout 60 unshare -m "$tmp/host" "$@" </dev/null
	}
	# resolv MODE TREE'S TEXT [OPTION...] : of the tree's file inside, and then in the tree
	resolv() {
		mode=$1
		shift
		hosted 'nameserver 192.0.2.1' none "$NL" -q -D "$t" --resolv-conf="$mode" "$@" \
			sh -c 'cat /etc/resolv.conf 2>/dev/null || echo none'
	}
	f=$t/etc/resolv.conf
	for mode in off copy-host copy-static copy-uplink copy-stub replace-host replace-static replace-uplink \
		replace-stub bind-host bind-static bind-uplink bind-stub delete auto; do
		echo old >"$f"
		case $mode in
		off) want='old old' ;;
		bind-*) want='nameserver 192.0.2.1 old' ;;
		delete) want='none absent' ;;
		*) want='nameserver 192.0.2.1 nameserver 192.0.2.1' ;;
		esac
		is "--resolv-conf=$mode over a file" "$want" "$(resolv "$mode") $(cat "$f" 2>/dev/null || echo absent)"
		rm -f "$f"
		case $mode in
		off|delete) want='none' ;;
		*) want='nameserver 192.0.2.1' ;;
		esac
		is "--resolv-conf=$mode over nothing" "$want" "$(resolv "$mode")"
		rm -f "$f"
		ln -s ../run/none/resolv.conf "$f"
		case $mode in
		off|copy-*|bind-*|auto) want='none ../run/none/resolv.conf' ;;
		replace-*) want='nameserver 192.0.2.1 file' ;;
		delete) want='none absent' ;;
		esac
		is "--resolv-conf=$mode over a link to nowhere" "$want" "$(resolv "$mode") $(readlink "$f" || if [ -e "$f" ]; then echo file; else echo absent; fi)"
		rm -f "$f"
	done
	is 'without an option it is copied' 'nameserver 192.0.2.1' \
		"$(hosted 'nameserver 192.0.2.1' none "$NL" -q -D "$t" cat /etc/resolv.conf)"
	rm -f "$f"
	is 'a network of its own leaves it alone' none \
		"$(hosted 'nameserver 192.0.2.1' none "$NL" -q --private-network -D "$t" sh -c 'cat /etc/resolv.conf 2>/dev/null || echo none')"
	echo old >"$f"
	is 'a host without one leaves it alone' old "$(hosted none none "$NL" -q -D "$t" cat /etc/resolv.conf)"
	is 'on a read-only tree it is bound' 'nameserver 192.0.2.1 old' \
		"$(hosted 'nameserver 192.0.2.1' none "$NL" -q --read-only -D "$t" cat /etc/resolv.conf) $(cat "$f")"
	is 'what is bound cannot be written to' 1 \
		"$(hosted 'nameserver 192.0.2.1' none "$NL" -q --resolv-conf=bind-host -D "$t" sh -c 'echo >>/etc/resolv.conf' 2>&1 | grep -ci read-only)"
	rm -f "$f"
	# The host's own files must stay as they are, whatever the tree's link says
	for mode in copy-host replace-host bind-host delete auto; do
		echo precious >"$tmp/precious"
		for to in "$tmp/precious" "../../../../../../../../..$tmp/precious" /etc/passwd; do
			ln -sfn "$to" "$f"
			before=$(cat /etc/passwd)
			resolv "$mode" >/dev/null 2>&1
			is "--resolv-conf=$mode over a link to the host's ${to##*/} leaves that alone" "precious $before" \
				"$(cat "$tmp/precious") $(cat /etc/passwd)"
		done
	done
	is 'the guest'"'"'s own passwd is not written through a link' "$(cat "$tmp/passwd")" "$(cat "$t/etc/passwd")"
	rm -f "$f"

	# zone HOST MODE [OPTION...] : what /etc/localtime is inside
	zone() {
		kind=$1
		mode=$2
		shift 2
		hosted none "$kind" "$NL" -q -D "$t" --timezone="$mode" "$@" sh -c \
			'if [ -L /etc/localtime ]; then readlink /etc/localtime; else cat /etc/localtime 2>/dev/null || echo none; fi'
	}
	f=$t/etc/localtime
	# tree FILE KIND : the tree's own before
	prepare() {
		rm -f "$f"
		case $1 in
		file) echo old >"$f" ;;
		link) ln -s ../usr/share/zoneinfo/Old "$f" ;;
		esac
	}
	for own in none file; do
		prepare $own
		case $own in none) was=none ;; *) was=old ;; esac
		is "--timezone=off with $own in the tree" "$was" "$(zone link off)"
		prepare $own
		is "--timezone=copy with $own in the tree" 'a zone' "$(zone link copy)"
		is "--timezone=copy with $own in the tree stays" 'a zone' "$(cat "$f")"
		prepare $own
		is "--timezone=bind with $own in the tree" 'a zone' "$(zone link bind)"
		prepare $own
		is "--timezone=delete with $own in the tree" none "$(zone link delete)"
		prepare $own
		is "--timezone=symlink to a zone that the tree lacks, with $own there" "$was" "$(zone link symlink)"
		is "--timezone=auto to a zone that the tree lacks, with $own there" 'a zone' "$(zone link auto)"
		prepare $own
		is "--timezone=auto of a plain file, with $own there" 'a zone' "$(zone file auto)"
		prepare $own
		is "--timezone=auto of a host without one, with $own there" none "$(zone none auto)"
	done
	prepare file
	is '--timezone=auto on a read-only tree is bound' 'a zone old' "$(zone link auto --read-only) $(cat "$f")"
	is '--timezone=auto on a read-only tree from a host without one does nothing' old "$(zone none auto --read-only)"
	mkdir -p "$t/usr/share/zoneinfo/Test"
	echo inside >"$t/usr/share/zoneinfo/Test/City"
	prepare none
	is '--timezone=symlink' ../usr/share/zoneinfo/Test/City "$(zone link symlink)"
	prepare file
	is '--timezone=auto makes the same link' ../usr/share/zoneinfo/Test/City "$(zone link auto)"
	rm -rf "$t/usr/share/zoneinfo" "$f"
	ln -s "$tmp/precious" "$f"
	zone link copy >/dev/null 2>&1
	is 'a zone is not copied through a link to the host' precious "$(cat "$tmp/precious")"
	rm -f "$f"
	is 'a router'"'"'s /etc/TZ becomes TZ' CET-1CEST "$(hosted none tz "$NL" -q -D "$t" sh -c 'echo "$TZ"')"
	rm -f "$tmp/etc/TZ"
else
	skip 'what follows the host' 'no unshare -m'
fi

# ---- the journal --------------------------------------------------------------------------------------------

NSPAWN_LITE_ROOT=$tmp/moved
id=0123456789abcdef0123456789abcdef
echo $id >"$t/etc/machine-id"
here=$tmp/moved/var/log/journal
# journal MODE [OPTION...] : what a file inside becomes on the host
journal() {
	mode=$1
	shift
	case $mode in -j) ;; *) mode=--link-journal=$mode ;; esac
	script "mkdir -p /var/log/journal/$id; echo said >/var/log/journal/$id/file" "$@" "$mode" 2>&1
	if [ -L "$here/$id" ]; then
		printf 'link %s ' "$(readlink "$here/$id")"
	fi
	cat "$here/$id/file" 2>/dev/null || echo none
	rm -rf "${here:?}/${id:?}" "$t/var/log/journal"
}
rm -rf "$tmp/moved/var/log"
mkdir -p "$tmp/moved/var/log"
is '--link-journal=no' none "$(journal no)"
is '--link-journal=try-host without journals on the host' none "$(journal try-host)"
is '--link-journal=try-guest without journals on the host' none "$(journal try-guest)"
is '--link-journal=auto without journals on the host' none "$(journal auto)"
is 'none of them made a directory' absent "$([ -e "$here" ] || echo absent)"
is '--link-journal=host' said "$(journal host)"
rm -rf "$here"
is '--link-journal=guest' "link $t/var/log/journal/$id said" "$(journal guest)"
mkdir -p "$here"
is '--link-journal=try-host' said "$(journal try-host)"
is '--link-journal=try-guest' "link $t/var/log/journal/$id said" "$(journal try-guest)"
is '-j is the same' "link $t/var/log/journal/$id said" "$(journal -j)"
is '--link-journal=auto without the machine'"'"'s' none "$(journal auto)"
mkdir -p "$here/$id"
is '--link-journal=auto with the machine'"'"'s' said "$(journal auto)"
NSPAWN_LITE_ROOT=$T/root
rm -rf "$t/etc/machine-id" "$t/var/log/journal"

# ---- credentials ----------------------------------------------------------------------------------------------

c=/run/host/credentials
is '--set-credential' 'a value' "$(script "cat $c/id" --set-credential='id:a value')"
is 'C escapes of a value are undone' "a${nl}b" "$(script "cat $c/id" --set-credential='id:a\nb')"
is 'a value may have colons' a:b:c "$(script "cat $c/id" --set-credential=id:a:b:c)"
is 'a credential is 0400, in a directory 0500' '400 500' \
	"$(script "stat -c %a $c/id $c" --set-credential=id:x | tr '\n' ' ' | sed 's/ $//')"
is 'credentials are in a ramfs' ramfs "$(script "awk '\$5 == \"$c\" { print \$(NF-2) }' /proc/self/mountinfo" --set-credential=id:x)"
is 'credentials are read-only' 1 "$(script "echo >$c/other" --set-credential=id:x 2>&1 | grep -ci read-only)"
printf 'from a file' >"$tmp/credential"
is '--load-credential of a file' 'from a file' "$(script "cat $c/id" --load-credential="id:$tmp/credential")"
is '--load-credential relative to the manager'"'"'s directory' 'from a file' \
	"$(CREDENTIALS_DIRECTORY=$tmp script "cat $c/id" --load-credential=id:credential)"
stops '--load-credential of no file' 1 nosuch --load-credential="id:$tmp/nosuch" true
is 'several credentials' 'a b' "$(script "cat $c/*" --set-credential='1:a ' --set-credential=2:b)"
is 'nobody else reads them' 1 "$(script "cat $c/id" -u user --set-credential=id:x 2>&1 | grep -ci denied)"
head -c 3000 /dev/urandom >"$tmp/binary"
is 'a binary credential arrives whole' "$(cksum <"$tmp/binary")" \
	"$(script "cat $c/id" --load-credential="id:$tmp/binary" | cksum)"

# ---- -a ---------------------------------------------------------------------------------------------------------

# ends SENTENCE STATUS MESSAGE WORD... : status and closing message
ends() {
	what=$1
	want="$2 $3"
	shift 3
	timeout 60 "$NL" -M options -D "$t" "$@" </dev/null >"$tmp/out" 2>"$tmp/err"
	is "$what" "$want" "$? $(tail -n 1 "$tmp/err")"
}
failed='Container options failed with error code'
ends 'status 0' 0 'Container options exited successfully.' true
ends 'status 1' 1 "$failed 1." false
ends 'status 255' 255 "$failed 255." sh -c 'exit 255'
ends 'a status of 133 is no reboot' 133 "$failed 133." sh -c 'exit 133'
ends 'status 7 below -a' 7 "$failed 7." -a sh -c 'exit 7'
ends 'a payload that is killed below -a' 137 "$failed 137." -a sh -c 'kill -9 $$'
ends 'a payload that is terminated below -a' 143 "$failed 143." -a sh -c 'kill $$'
stops 'a command that is not there' 127 nosuch nosuch
like 'a verb behind its options is told where it was looked for' 'nspawn-lite: import-fs: *, which is where we are, for none was said; options of a verb stand behind it' \
	"$(cd "$t" && timeout 20 "$NL" -q import-fs web 2>&1 </dev/null)"
is 'nothing is said with -q' '' "$(guest sh -c 'exit 3' 2>&1)"
is 'nothing is said with -P' '' "$(timeout 60 "$NL" -P -D "$t" true 2>&1 </dev/null)"
is '-a reaps what is orphaned' 0 "$(guest -a sh -c '
	for i in 1 2 3 4 5; do sh -c "sh -c \"exec true\" & exit" & done; wait
	n=0; while [ $n -lt 100 ] && grep -qs "^State:.Z" /proc/[0-9]*/status; do n=$((n + 1)); done
	grep -ls "^State:.Z" /proc/[0-9]*/status | wc -l' | tr -d ' ')"
is '-a lets the payload lead a session' same "$(guest -a sh -c '
	read -r _ _ _ _ _ sid _ </proc/self/stat; [ "$sid" = 0 ] || [ "$sid" = "$$" ] && echo same')"

# signalled SIGNAL TO [OPTION...] -- TEXT : the payload says "up", then the signal is sent: to us, or to PID 1
signalled() {
	sig=$1
	to=$2
	shift 2
	rm -f "$tmp/fifo"
	mkfifo "$tmp/fifo"
	"$NL" -M options -D "$t" "$@" >"$tmp/fifo" 2>"$tmp/err" </dev/null &
	pid=$!
	{
		read -r up
		case $to in
		us)	wait_for grep -q '^STATE=running' "$NSPAWN_LITE_ROOT/run/nspawn-lite/options"
			kill -s "$sig" $pid ;;
		soon)	kill -s "$sig" $pid ;;
		init) kill -s "$sig" "$(sed 's/ .*//' "/proc/$pid/task/$pid/children")" ;;
		esac
		left=$(timeout 60 cat) || kill -9 $pid
	} <"$tmp/fifo"
	wait $pid
	echo "$? $up $left" | sed 's/ *$//'
}
if [ -e "/proc/$$/task/$$/children" ]; then
	sleeper='trap "echo got; exit 9" HUP USR1 USR2 WINCH; trap "echo ended; exit 8" TERM; echo up; while :; do sleep 1; done'
	# Of two signals at once a shell may take any first: this one hears one only
	patient='trap "echo ended; exit 8" TERM; trap "" HUP; echo up; while :; do sleep 1; done'
	for s in HUP USR1 USR2 WINCH; do
		is "our init hands SIG$s on" '9 up got' "$(signalled $s init -a sh -c "$sleeper")"
	done
	is 'our init hands SIGTERM on' '8 up ended' "$(signalled TERM init -a sh -c "$sleeper")"
	for s in 37 38 47 48; do
		is "signal $s powers off below -a, and SIGTERM goes first" '0 up ended' "$(signalled $s init -a sh -c "$patient")"
	done
	for s in INT 39 40 49 50; do
		is "signal $s reboots below -a" '133 up ended' "$(signalled $s init -a --keep-unit sh -c "$patient")"
	done
	is 'what ignores SIGTERM and SIGHUP is killed in the end' '0 up' \
		"$(signalled 37 init -a sh -c 'trap "" TERM HUP; echo up; while :; do sleep 1; done')"
	is 'SIGKILL of PID 1 is told' '137 up' "$(signalled KILL init sh -c "$sleeper")"
else
	skip 'signals to our init' 'CONFIG_PROC_CHILDREN'
	sleeper='trap "echo ended; exit 8" TERM; echo up; while :; do sleep 1; done'
fi
is 'SIGTERM to us kills a payload without -a' '137 up' "$(signalled TERM us sh -c "$sleeper")"
is 'SIGINT to us, too' '137 up' "$(signalled INT us sh -c "$sleeper")"
# what a shell starts in the background would ignore it. Just begun it may end us alone, and the payload with us
is 'nor is SIGINT lost while it begins' '' "$(i=0; while [ $i -lt 40 ]; do
	signalled INT soon sh -c "$sleeper" | grep -vx -e '137 up' -e '130 up'; i=$((i + 1)); done)"
is 'SIGTERM to us is SIGTERM to the payload of -a' '8 up ended' "$(signalled TERM us -a sh -c "$sleeper")"
is '--kill-signal says another' '9 up got' "$(signalled TERM us --kill-signal=SIGUSR1 sh -c "$sleeper")"
is '--kill-signal by its number' '9 up got' "$(signalled TERM us --kill-signal=12 sh -c "$sleeper")"
is '--kill-signal below -a' '9 up got' "$(signalled TERM us -a --kill-signal=USR2 sh -c "$sleeper")"
signalled TERM us -a sh -c "$sleeper" >/dev/null
is 'the request to halt is said, and the end' \
	"Trying to halt container. Send SIGTERM again to trigger immediate termination.|$failed 8.|" \
	"$(tail -n 2 "$tmp/err" | tr '\n' '|')"

# ---- what is kept and what is not ---------------------------------------------------------------------------------

rm -f "$t/kept"
script 'echo 1 >/kept'
is 'the tree keeps what is written' 1 "$(cat "$t/kept")"
rm -f "$t/kept"
is '-x shows what is written' 1 "$(script 'echo 1 >/kept; cat /kept' -x)"
is '-x keeps nothing' absent "$([ -e "$t/kept" ] || echo absent)"
is '-x lets files be removed' gone "$(script 'rm /etc/passwd && [ ! -e /etc/passwd ] && echo gone' -x)"
is '-x leaves those of the tree' there "$([ -s "$t/etc/passwd" ] && echo there)"
is '-x leaves nothing beside the tree' "${t##*/}" "$(ls -A "${t%/*}")"
is '-x runs the same tree many times at once' 'one two' "$(guest -x -M a sh -c "echo one; cat" | cat)$(printf ' ')$(guest -x -M b echo two)"
is '--read-only is' 1 "$(script 'echo 1 >/kept' --read-only 2>&1 | grep -ci read-only)"
is '--read-only leaves /tmp and /run' ab "$(script 'printf a >/tmp/x; printf b >/run/x; cat /tmp/x /run/x' --read-only)"
is '--volatile=no is as ever' 1 "$(script 'echo 1 >/kept; cat /kept' --volatile=no)"
rm -f "$t/kept"
is '--volatile=overlay shows what is written' 1 "$(script 'echo 1 >/kept; cat /kept' --volatile=overlay)"
is '--volatile=overlay keeps nothing' absent "$([ -e "$t/kept" ] || echo absent)"
is '--volatile=state has a read-only tree' 1 "$(script 'echo 1 >/kept' --volatile=state 2>&1 | grep -ci read-only)"
is '--volatile=state has an empty /var in memory' 'tmpfs 0' \
	"$(script 'stat -f -c %T /var; ls -A /var | wc -l' --volatile=state | tr -d ' ' | tr '\n' ' ' | sed 's/ $//')"
is '--volatile=state has a /var that can be written to' yes "$(script 'mkdir /var/x && echo yes' --volatile=state)"
stops '--volatile=yes needs /bin to be a link' 1 /bin --volatile=yes true
u=$tmp/trees/usr
mkdir -p "$u/usr/bin" "$u/usr/sbin" "$u/etc" "$u/var/old"
ln -s usr/bin "$u/bin"
ln -s usr/sbin "$u/sbin"
cp "$t/bin/busybox" "$u/usr/bin/"
for a in sh ls cat touch stat mkdir sed awk; do ln -s busybox "$u/usr/bin/$a"; done
echo old >"$u/etc/old"
# usr TEXT : in it
usr() { timeout 60 "$NL" -q --volatile -D "$u" sh -c "$1" </dev/null; }
is '--volatile=yes has the root in memory' tmpfs "$(usr 'stat -f -c %T /')"
is '--volatile=yes has a root of 755' 755 "$(usr 'stat -c %a /')"
is '--volatile=yes has /usr read-only' 1 "$(usr 'touch /usr/x' 2>&1 | grep -ci read-only)"
is '--volatile=yes has nothing else of the tree' 'none none' \
	"$(usr 'cat /etc/old 2>/dev/null || echo none; ls /var/old 2>/dev/null || echo none' | tr '\n' ' ' | sed 's/ $//')"
is '--volatile=yes can be written to' yes "$(usr 'touch /x /etc/x && mkdir /var/x && echo yes')"
is '--volatile=yes writes nothing to the tree' 'bin etc sbin usr var ' "$(cd "$u" && echo * | sed 's/$/ /')"

# ---- networks ---------------------------------------------------------------------------------------------------------

is 'the network is shared' "$(readlink /proc/self/ns/net)" "$(script 'readlink /proc/self/ns/net')"
is '--private-network is another' different \
	"$([ "$(script 'readlink /proc/self/ns/net' --private-network)" != "$(readlink /proc/self/ns/net)" ] && echo different)"
is '--private-network has only a loopback' 'lo' "$(script 'ls /sys/class/net' --private-network)"
is 'the loopback answers' 1 "$(script 'ping -c 1 127.0.0.1' --private-network | grep -c '^1 packets transmitted, 1 packets received')"

# ---- variables that the original reads -------------------------------------------------------------------------------

for ns in mnt pid uts ipc; do
	is "the $ns namespace is its own" different \
		"$([ "$(script "readlink /proc/self/ns/$ns")" != "$(readlink /proc/self/ns/$ns)" ] && echo different)"
done
for ns in IPC:ipc UTS:uts PID:pid; do
	is "SYSTEMD_NSPAWN_SHARE_NS_${ns%:*} shares it" "$(readlink "/proc/self/ns/${ns#*:}")" \
		"$(env "SYSTEMD_NSPAWN_SHARE_NS_${ns%:*}=1" timeout 60 "$NL" -q -D "$t" readlink "/proc/self/ns/${ns#*:}" </dev/null)"
done
is 'sharing UTS leaves the host'"'"'s name' "$(hostname)" \
	"$(SYSTEMD_NSPAWN_SHARE_NS_UTS=1 script hostname; [ "$(hostname)" != options ] || echo renamed)"
is 'a payload in the host'"'"'s PID namespace ends with its status' 6 "$(SYSTEMD_NSPAWN_SHARE_NS_PID=1 script 'exit 6'; echo $?)"
is 'SYSTEMD_NSPAWN_TMPFS_TMP=0 leaves /tmp in the tree' yes \
	"$(SYSTEMD_NSPAWN_TMPFS_TMP=0 script 'echo yes >/tmp/x'; cat "$t/tmp/x"; rm -f "$t/tmp/x")"
is 'SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 has /proc/sys and /sys writable' 'rw rw ' \
	"$(SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 script 'cat /proc/self/mountinfo' |
		awk '$5 == "/proc" || $5 == "/sys" { print substr($6, 1, 2) } $5 == "/proc/sys" && /ro,/ { print "ro" }' | tr '\n' ' ')"
is 'SYSTEMD_NSPAWN_API_VFS_WRITABLE=network has only the network'"'"'s' 'ro rw ' \
	"$(SYSTEMD_NSPAWN_API_VFS_WRITABLE=network script 'cat /proc/self/mountinfo' |
		awk '$5 == "/proc/sys" || $5 == "/proc/sys/net" { print substr($6, 1, 2) }' | tr '\n' ' ')"
is 'SYSTEMD_NSPAWN_CONTAINER_SERVICE is $container' 'lxc lxc' \
	"$(SYSTEMD_NSPAWN_CONTAINER_SERVICE=lxc script 'echo "$container $(cat /run/host/container-manager)"')"

mkfifo "$tmp/hold"
"$NL" -q -M first -P -D "$t" sh -c 'echo up; cat' <"$tmp/hold" >"$tmp/held" 2>&1 &
first=$!
exec 8>"$tmp/hold"
until [ -s "$tmp/held" ]; do kill -0 $first || break; done
is 'a tree runs once' "nspawn-lite: Directory tree $(cd "$t" && pwd -P) is currently busy.${nl}1" \
	"$(timeout 60 "$NL" -q -M second -D "$t" true 2>&1 </dev/null; echo $?)"
is 'SYSTEMD_NSPAWN_LOCK=0 lets it run twice' 0 "$(SYSTEMD_NSPAWN_LOCK=0 timeout 60 "$NL" -q -M second -D "$t" true 2>&1 </dev/null; echo $?)"
is 'a machine'"'"'s name runs once' 1 \
	"$(timeout 60 "$NL" -q -M first -D "$u" ls 2>&1 </dev/null | grep -cx "nspawn-lite: Machine 'first' already exists.")"
exec 8>&-
wait $first
is 'and then it runs again' 0 "$(timeout 60 "$NL" -q -M first -D "$t" true 2>&1 </dev/null; echo $?)"

rm -f "$t/etc/os-release" "$t/usr/lib/os-release" "$t/sbin/init"
printf '#!/bin/sh\nexit 0\n' >"$t/sbin/init"
chmod 755 "$t/sbin/init"
is 'a boot of a tree without os-release is warned of, and goes on' "1 0" \
	"$(guest -b 2>"$tmp/err"; s=$?; echo "$(grep -c 'os-release file is missing' "$tmp/err") $s")"
is 'SYSTEMD_NSPAWN_CHECK_OS_RELEASE=0 says nothing' '' "$(SYSTEMD_NSPAWN_CHECK_OS_RELEASE=0 guest -b 2>&1)"

# ---- what the caller has must not leak, and what it hands over must arrive -----------------------------------------

is 'open files of the caller stay outside' '0 1 2' \
	"$(guest sh -c 'ls /proc/1/fd; true' 9<"$t/bin/busybox" 7>"$tmp/seven" | tr -s '\n ' '  ' | sed 's/ $//')"
is 'nor do they reach our init' '0 1 2' \
	"$(guest -a sh -c 'ls /proc/1/fd; true' 9<"$t/bin/busybox" 7>"$tmp/seven" | tr -s '\n ' '  ' | sed 's/ $//')"
is 'signals that the caller ignores are not ignored inside' 0000000000000000 \
	"$(trap '' INT QUIT HUP TERM USR1 PIPE CHLD; guest grep SigIgn /proc/self/status | sed 's/.*[^0-9a-f]//')"
is 'nor below -a' 0000000000000000 \
	"$(trap '' INT QUIT HUP TERM USR1 PIPE; guest -a grep SigIgn /proc/self/status | sed 's/.*[^0-9a-f]//')"
if command -v env >/dev/null && env --block-signal=USR1 true 2>/dev/null; then
	is 'signals that the caller blocks are not blocked inside' 0000000000000000 \
		"$(timeout 60 env --block-signal=TERM,USR1,CHLD,WINCH "$NL" -q -D "$t" grep SigBlk /proc/self/status </dev/null | sed 's/.*[^0-9a-f]//')"
	is 'nor below -a' 0000000000000000 \
		"$(timeout 60 env --block-signal=TERM,USR1,CHLD "$NL" -q -a -D "$t" grep SigBlk /proc/self/status </dev/null | sed 's/.*[^0-9a-f]//')"
else
	skip 'signals that the caller blocks are not blocked inside' 'no env --block-signal'
fi
is 'the umask of the caller stays outside' 0022 "$(umask 0777; guest sh -c umask)"
is 'and has no say in what we make' '755 1777 755 444' \
	"$(umask 0777; guest stat -c %a /dev /tmp /run /run/host/container-manager | tr '\n' ' ' | sed 's/ $//')"
is 'the directory of the caller stays outside' / "$(cd /usr && guest pwd)"
is 'the priority of the caller stays' 5 "$(nice -n 5 "$NL" -q -D "$t" sh -c 'cat /proc/1/stat; true' </dev/null | awk '{ print $19 }')"
is 'without standard files we start all the same' 4 "$("$NL" -q -D "$t" sh -c 'exit 4' <&- >&- 2>&-; echo $?)"
echo handed >"$tmp/handed"
is 'sockets handed in arrive, and are counted' 'handed 2 1' \
	"$(sh -c 'LISTEN_FDS=2 LISTEN_PID=$$ exec "$@"' x "$NL" -q -D "$t" sh -c \
		'cat <&3; echo "$LISTEN_FDS $LISTEN_PID"' 3<"$tmp/handed" 4<"$tmp/handed" 5<"$tmp/seven" </dev/null | tr '\n' ' ' | sed 's/ $//')"
is 'no more of them than were counted' '0 1 2 3 ' \
	"$(sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' x "$NL" -q -D "$t" sh -c \
		'ls /proc/1/fd; true' 3<"$tmp/handed" 4<"$tmp/handed" </dev/null | tr -s '\n ' '  ')"
is 'sockets for another process are not ours' 'unset' \
	"$(LISTEN_FDS=1 LISTEN_PID=1 guest sh -c 'echo "${LISTEN_FDS-unset}"' 3<"$tmp/handed")"
done_testing
