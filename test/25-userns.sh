#!/bin/sh
# Users of its own: which ids of the host stand for those inside, how the tree's
# owners become those, and what root inside is then. Also machines in machines.
# shellcheck disable=SC2016,SC2317 # for the shell inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
[ -e /proc/self/ns/user ] || skip_all 'the kernel has no user namespaces'
t=$(tree busybox)
leftovers_before

guest() { timeout 60 "$NL" -q -M users -D "$t" "$@" </dev/null; }
# script TEXT OPTION...
script() {
	text=$1
	shift
	guest "$@" /bin/sh -c "$text"
}
# map OPTION... : "INSIDE HOST N"
map() { guest "$@" cat /proc/self/uid_map | tr -s ' ' | sed 's/^ //'; }
named() { timeout 60 "$NL" -q -M "$1" -x -D "$t" --private-users=pick cat /proc/self/uid_map </dev/null | tr -s ' ' | sed 's/^ //'; }
# stops SENTENCE TEXT OPTION... : status 1 and one line that has this text
stops() {
	what=$1
	want=$2
	shift 2
	run guest "$@" true
	like "$what" "1 *$want*" "$rc $err"
}
can_map=yes
[ -n "$(map --private-users=100000 --private-users-ownership=map 2>/dev/null)" ] || can_map=''

# ---- the range ----------------------------------------------------------------------------

is 'without the option there is no namespace' '0 0 4294967295' "$(map)"
is 'nor with no' '0 0 4294967295' "$(map --private-users=no)"
is 'a base' '0 100000 65536' "$(map --private-users=100000)"
is 'a base and a number' '0 100000 70000' "$(map --private-users=100000:70000)"
is 'a single id' '0 100000 1' "$(map --private-users=100000:1)"
is '1 is a base, not yes' '0 1 65536' "$(map --private-users=1)"
is 'identity' '0 0 65536' "$(map --private-users=identity)"
is 'yes is the range of the tree'"'"'s owner' '0 0 65536' "$(map --private-users)"
chown 1310720:1310725 "$t"
is 'yes is the range of the tree'"'"'s owner, whatever the low bits' '0 1310720 65536' "$(map --private-users=yes)"
is 'pick takes the range that the tree has already' '0 1310720 65536' "$(map --private-users=pick)"
chown 1310720:0 "$t"
stops 'an owner and a group of different ranges' "UID and GID base of $t don't match." --private-users=yes
chown 0:0 "$t"
for v in foo:1614544896 guest:270860288 test_container:1138622464 archcontainer:1151860736; do
	is "pick is a hash of the name: ${v%:*}" "0 ${v#*:} 65536" "$(named "${v%:*}")"
done
is 'managed is the same as pick' "$(map --private-users=pick)" "$(map --private-users=managed)"
is '-U is the same as pick' "$(map --private-users=pick)" "$(map -U)"
like 'what was picked is said' '*Selected user namespace base 1614544896 and range 65536.*' \
	"$(timeout 60 "$NL" -M foo -x -U -D "$t" true </dev/null 2>&1)"

# held NAME OPTION... : a machine that says its map and stays until descriptor 8 is closed
mkfifo "$T/in" "$T/says"
held() {
	name=$1
	shift
	"$NL" -q -M "$name" -x -D "$t" "$@" sh -c 'cat /proc/self/uid_map; read -r x' <"$T/in" >"$T/says" &
	pid=$!
	exec 8>"$T/in"
	read -r _ base _ <"$T/says"
}
let_go() {
	exec 8>&-
	wait $pid
}
held bar --private-users=1614544896
unlike 'a range that another machine has is not picked' '0 1614544896 *' "$(named foo)"
let_go
for range in 1614500000 1612000000:4000000 1614544895:66000; do
	held bar --private-users=$range
	unlike "nor one that another's range reaches into ($range)" '0 1614544896 *' "$(named foo)"
	let_go
done
is 'and is free again when that has ended' '0 1614544896 65536' "$(named foo)"
held bar --private-users=pick
kill -9 $pid
let_go 2>/dev/null
is 'a range of one that was killed can be picked again' "0 $base 65536" "$(named bar)"
if unshare -m true 2>/dev/null; then
	for f in passwd:x group:x subuid: subgid:; do
		for list in /etc/passwd /etc/group /etc/subuid /etc/subgid; do
			cat $list >"$T/${list##*/}" 2>/dev/null || : >"$T/${list##*/}"
		done
		printf 'somebody:%s:1614544999:1:x:/:/x\n' "${f#*:}" | sed '/::/s/somebody::/somebody:/' >>"$T/${f%:*}"
		[ -e "/etc/${f%:*}" ] || { skip "ids of ${f%:*} are not picked" 'there is no such file'; continue; }
		unlike "ids that /etc/${f%:*} names are not picked" '0 1614544896 *' \
			"$(unshare -m sh -c 'mount --bind "$2" "$3"; exec "$1" -q -M foo -x -D "$4" -U cat /proc/self/uid_map' - \
				"$NL" "$T/${f%:*}" "/etc/${f%:*}" "$t" </dev/null | tr -s ' ' | sed 's/^ //')"
	done
fi
mkdir "$T/many"
i=0
while [ $i -lt 20 ]; do
	i=$((i + 1))
	# one name and so one hash, in twenty trees that it is derived from
	"$NL" -q -M "many$i" -x -D "$t" --private-users=pick sh -c 'cat /proc/self/uid_map; exec 0<&-; read -r x' <"$T/in" >"$T/many/$i" 2>&1 &
done
exec 8>"$T/in"
full() { [ "$(cat "$T"/many/* | wc -l)" = 20 ]; }
ok 'twenty machines at once each have a range' wait_for full
is 'and no two have the same' 20 "$(cat "$T"/many/* | sort -u | wc -l | tr -d ' ')"
exec 8>&-
wait

# ---- the tree's owners --------------------------------------------------------------------------

if [ -n "$can_map" ]; then
	is '-U shows the tree as its own' '0:0 0:0' "$(script 'stat -c %u:%g / /etc/passwd' -U | tr '\n' ' ' | sed 's/ $//')"
	is 'and changes nothing in it' 0:0 "$(stat -c %u:%g "$t/etc")"
	script 'touch /made; chown 1000:29 /made' -U
	is 'what is made inside has the same ids outside' 1000:29 "$(stat -c %u:%g "$t/made")"
	rm -f "$t/made"
	chown 70000:70000 "$t/etc/hostname" 2>/dev/null || : >"$t/etc/stranger" && chown 70000:70000 "$t/etc/stranger"
	is 'an owner outside the range is nobody' 65534 "$(script 'stat -c %u /etc/stranger' -U)"
	rm -f "$t/etc/stranger"
	mkdir "$t/sid"
	cp /bin/busybox "$t/sid/su"
	chmod 4755 "$t/sid/su"
	is 'a set-user-ID program works' 0 "$(guest -U -u user /sid/su -c 'id -u')"
	rm -r "$t/sid"
	for o in --read-only --ephemeral --volatile=state --volatile=overlay; do
		is "-U and $o" '0:0 0:0' "$(script 'stat -c %u:%g / /etc/passwd' -U "$o" | tr '\n' ' ' | sed 's/ $//')"
	done
	is 'what an ephemeral machine makes belongs to it' '0:0' "$(script 'touch /x; stat -c %u:%g /x' -U -x)"
	mkdir -p "$t/mnt"
	is 'what is mounted in the tree is shown, too' '0 seen' "$(unshare -m sh -c '
		mount -t tmpfs none "$2/mnt"; echo seen >"$2/mnt/file"
		"$1" -q -U -M users -D "$2" sh -c "stat -c %u /mnt/file; cat /mnt/file"' - "$NL" "$t" </dev/null 2>/dev/null | tr '\n' ' ' | sed 's/ $//')"
else
	skip 'owners by an idmapped mount' 'not on this kernel or file system'
fi
NSPAWN_LITE_DENY=idmap
export NSPAWN_LITE_DENY
stops 'map where the kernel has none' 'no idmapped mount (Linux 5.12' --private-users=100000 --private-users-ownership=map
stops '-U on a tree that must not change' 'leave out -U' -U --read-only
stops '-x -U the same' 'leave out -U' -U -x
NSPAWN_LITE_DENY=''
is '--private-users=BASE leaves owners as they are' '65534 0' "$(script 'stat -c %u /' --private-users=100000) $(stat -c %u "$t")"

cp -a "$t" "$t.own"
: >"$t.own/etc/secret"
chown 1000:29 "$t.own/etc/secret"
chmod 4750 "$t.own/etc/secret"
t2=$t.own
own() { timeout 60 "$NL" -q -M owners -D "$t2" "$@" </dev/null; }
is 'chown changes the owners' '0:0 1000:29 4750' \
	"$(own --private-users=1310720 --private-users-ownership=chown stat -c '%u:%g' / | tr '\n' ' ')$(own --private-users=1310720 stat -c '%u:%g %a' /etc/secret)"
is 'for the host they are those of the range' '1310720:1310720 1311720:1310749' \
	"$(stat -c %u:%g "$t2" "$t2/etc/secret" | tr '\n' ' ' | sed 's/ $//')"
is 'with pick it keeps that range, and shows no other owners' '0 1310720 65536 0' \
	"$(own --private-users=pick cat /proc/self/uid_map | tr -s ' ' | sed 's/^ //') $(own --private-users=pick stat -c %u /)"
is '--private-users-chown is its old name' 2000000 "$(own --private-users=1966080:65536 --private-users-chown true; stat -c %u "$t2" | sed s/1966080/2000000/)"
is 'chown back to 0' '0:0 1000:29' "$(own --private-users=0 --private-users-ownership=chown true; stat -c %u:%g "$t2" "$t2/etc/secret" | tr '\n' ' ' | sed 's/ $//')"
is 'without idmapped mounts pick changes the owners' '0:0 1' \
	"$(NSPAWN_LITE_DENY=idmap own --private-users=pick stat -c %u:%g /) $([ "$(stat -c %u "$t2")" -ge 524288 ] && echo 1)"
is 'with all calls since 5.0 missing, too' '0:0' "$(NSPAWN_LITE_DENY=new own --private-users=pick stat -c %u:%g /)"
for o in --read-only --volatile=state --ephemeral; do
	run own --private-users=131072 --private-users-ownership=chown $o true
	like "chown and $o exclude each other" '1 *may not be combined.*' "$rc $err"
done

# ---- who root is ------------------------------------------------------------------------------------

held users --private-users=100000
leader() { sed -n 's/^LEADER=\([1-9].*\)/\1/p' "$T/root/run/nspawn-lite/users"; }
registered() { [ -n "$(leader)" ]; }
wait_for registered
is 'the process is nobody of the host' 100000 "$(stat -c %u "/proc/$(leader)")"
let_go
for o in '' -a '--console=read-only'; do
	# shellcheck disable=SC2086 # words
	is "root inside ${o:-as PID 1}" '0 0' "$(guest -U $o sh -c 'echo $(id -u) $(id -g)' | tr -d '\r')"
done
is 'a user inside' '1000 1000 1000 29' "$(script 'echo "$(id -u) $(id -g) $(id -G)"' -U -u user)"
is 'ids that are not mapped cannot be had' 1 "$(guest -U -u 70000 true >/dev/null 2>&1; echo $?)"
is 'all of /dev belongs to root inside' '' "$(script 'find /dev ! -user 0' -U)"
is 'a terminal belongs to root and tty' '0:5' "$(script 'stat -c %u:%g $(tty)' -U --console=read-only | tr -d '\r')"
is 'so do /run, /tmp, and what we put there' '' "$(script 'find /run /tmp /dev/shm ! -user 0' -U --set-credential=a:b)"
is 'devices cannot be made' 1 "$(script 'mknod /dev/x c 1 3' -U 2>/dev/null; echo $?)"
is 'nor are the host'"'"'s settings written' 1 "$(script 'echo 1 >/proc/sys/vm/overcommit_memory' -U 2>/dev/null; echo $?)"
is 'what is hidden stays hidden' '1 1 1' "$(script 'umount /proc/keys; a=$?; umount /proc/sys; b=$?; mount -o remount,bind,rw /proc/sys; echo $a $b $?' -U 2>/dev/null)"
is 'its own mounts it makes and unmakes' '0 0' "$(script 'mount -t tmpfs none /mnt; a=$?; umount /mnt; echo $a $?' -U)"
is 'a host name of its own' mine "$(script 'hostname mine; hostname' -U)"
if unshare -n true 2>/dev/null; then
	is 'with a network of its own it rules that' 1 "$(script 'echo 1 >/proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward' -U --private-network)"
	is 'and has its low ports' 1 "$(guest -U --private-network cat /proc/self/status | sed -n 's/^CapEff:.*\(....\)$/\1/p' | sed 's/^bfff$/1/')"
fi
is 'with the host'"'"'s network it has no low ports' afff "$(guest -U cat /proc/self/status | sed -n 's/^CapEff:.*\(....\)$/\1/p' | sed 's/^ab/af/' | tr e f | sed 's/^.*\(....\)$/\1/')"
is 'unless they were asked for' afff "$(guest -U --capability=CAP_NET_BIND_SERVICE cat /proc/self/status | sed -n 's/^CapEff:.*\(....\)$/\1/p')"
is 'a reboot keeps what an ephemeral machine changed' 'twice' "$(cat >"$t/etc/rcS" <<-'END'
	#!/bin/sh
	test -e /rebooted && { echo twice; exec poweroff -f; }
	touch /rebooted
	exec reboot -f
	END
	chmod 755 "$t/etc/rcS"; printf '::sysinit:/etc/rcS\n' >"$t/etc/inittab"; guest -U -x -b | tr -d '\r' | grep twice)"

is 'scores are set from outside' 321 "$(script 'cat /proc/self/oom_score_adj' -U --oom-score-adjust=321)"
if command -v strace >/dev/null; then
	# the helper that stands for a user namespace of a bind is there for two seconds, and we are killed meanwhile
	mkdir -p "$T/bound"
	strace -f -o "$T/trace" -e trace=clone -e inject=clone:delay_exit=2000000:when=1 \
		"$NL" -q -M users -x -D "$t" --bind="$T/bound:/mnt:rootidmap" true </dev/null >/dev/null 2>&1 &
	tracer=$!
	two() { [ "$(ours | wc -l)" -ge 2 ]; }
	if wait_for two; then
		for p in $(ours); do
			grep -q "^PPid:.$tracer\$" "/proc/$p/status" && kill -9 "$p"
		done
		alone() { [ -z "$(ours)" ]; }
		ok 'a helper of ours does not outlive us' wait_for alone
	else
		skip 'a helper of ours does not outlive us' 'it was not seen'
	fi
	wait $tracer
fi

# ---- ids from 0 on, which are the host's own -----------------------------------------------------------

for b in identity 0 0:65536; do
	for o in --nesting=yes --share-pid=yes --api-vfs-writable=network; do
		stops "--private-users=$b with $o would be root of the host" 'ids from 0 on' --private-users=$b $o
	done
done
like 'yes on a tree of the host'"'"'s root says what it comes to' '*so ids are the same on both sides*' \
	"$(guest --private-users=yes true 2>&1)"
is '--private-users=help lists the words' 'no yes pick auto identity BASE[:N]' "$(guest --private-users=help | tr '\n' ' ' | sed 's/ $//')"
stops 'an empty value says nothing' 'an empty value' --private-users=

# ---- kernels without, and words ----------------------------------------------------------------------

is '-U goes on without, and says so' '0 0 4294967295 1' \
	"$(NSPAWN_LITE_DENY=userns guest -U cat /proc/self/uid_map 2>"$T/err" | tr -s ' ' | sed 's/^ //') $(grep -c 'no user namespace: the kernel has none (CONFIG_USER_NS' "$T/err")"
NSPAWN_LITE_DENY=userns
stops 'what was asked for is not dropped' 'CONFIG_USER_NS' --private-users=pick
NSPAWN_LITE_DENY=''
for w in x 4294967295 4294967290:10 100000:0 100000:x -1 1:2:3; do
	stops "--private-users=$w" '--private-users=' "--private-users=$w"
done
stops 'a base for chown that is no multiple' 'multiple of 65536' --private-users=100000 --private-users-ownership=chown
stops 'all of /proc/sys for a machine with users of its own' 'Cannot combine --private-users with read-write mounts.' -U --api-vfs-writable=yes
stops 'users of the host are not bound' '--bind-user: ' -U --bind-user=root

# ---- machines in machines ---------------------------------------------------------------------------------

cp -a "$t" "$t.in"
mv "$t.in" "$t/inner"
cp "$NL" "$t/bin/nl"
nested() {	# nested OUTER INNER
	# shellcheck disable=SC2086 # words
	guest $1 /bin/nl -q $2 -D /inner sh -c 'echo $$ $(id -u); echo >/dev/null' 2>"$T/err"
}
wide='--private-users=1000000:1000000 --private-users-ownership=map'
[ -n "$can_map" ] || wide='--private-users=0:1000000'
for o in '' '--private-network' '-U --nesting=yes' '-U --nesting=yes --private-network' "$wide --nesting=yes"; do
	for i in '' -a '--read-only' '-x' '--private-users=identity' '-U --register=no' '--private-users=65536'; do
		case $o:$i in
		*-U*:*=65536) continue ;;  # it has no more than its own
		*wide*:*) ;;
		esac
		is "a machine [$i] in one [$o]" "$(case $i in -a) echo 2 0 ;; *) echo 1 0 ;; esac)" "$(nested "$o" "$i")" || note "$(cat "$T/err")"
	done
done
nested -U '' >/dev/null
like 'without --nesting a machine with users has none in it, and it is said why' '*--nesting*' "$(cat "$T/err")"
nested '-U --nesting=yes' --private-users=pick >/dev/null
like 'ranges end where the outer one ends, and it is said' '*the machine around this one has too few*' "$(cat "$T/err")"
# a supervisor that is PID 1 has numbers that mean others to its builder
for i in --private-users=identity '-U --private-network'; do
	# shellcheck disable=SC2086 # words
	is "the builder of a machine [$i] in one joins its own, when we are PID 1" 'no Q, its own group' \
		"$(guest sh -c ': >/dev/mqueue/Q; exec "$@"' - /bin/nl -q $i -D /inner sh -c '
			[ -e /dev/mqueue/Q ] || echo "no Q, $(grep cgroup2 /proc/self/mountinfo | cut -d" " -f4 | sed "s,^/$,its own group,")"' 2>/dev/null)"
done
rm -rf "$t/inner" "$t/bin/nl"

# ---- another runtime in a machine ----------------------------------------------------------------------

if command -v crun >/dev/null; then
	for f in "$(command -v crun)" $(ldd "$(command -v crun)" | grep -o '/[^ ]*'); do
		mkdir -p "$t${f%/*}"
		cp -L "$f" "$t$f"
	done
	mkdir -p "$t/bundle/rootfs/bin"
	cp /bin/busybox "$t/bundle/rootfs/bin/"
	(cd "$t/bundle" && crun spec)
	sed -i 's/"terminal": true/"terminal": false/; s/"sh"$/"busybox", "echo", "it runs"/' "$t/bundle/config.json"
	is 'crun runs in a machine with users of its own, with --nesting' 'it runs' \
		"$(guest -U --private-network --nesting=yes -a crun --cgroup-manager=disabled run --bundle /bundle x 2>&1)"
	is 'and with control groups' 'it runs' \
		"$(guest -U --private-network --nesting=yes -a crun --cgroup-manager=cgroupfs run --bundle /bundle x 2>&1)"
	cp "$NL" "$t/usr/bin/crun"
	is 'and so does ours' 'it runs' \
		"$(guest -U --private-network --nesting=yes -a /usr/bin/crun run --bundle /bundle x 2>&1)"
	# there is one group alone
	sed -i '/"gid=5"/d; s/"mode=0620",/"mode=0620"/' "$t/bundle/config.json"
	is 'and for a user who is root of his own namespace' 'it runs' \
		"$(guest --private-network --nesting=yes -a unshare -Urm /usr/bin/crun run --bundle /bundle x 2>/dev/null)"
	like 'without --nesting it says what is in its way' '*--nesting=yes*' \
		"$(guest -U --private-network -a /usr/bin/crun run --bundle /bundle x 2>&1)"
	cp -L "$(command -v crun)" "$t/usr/bin/crun"
	unlike 'without --nesting it does not' 'it runs' \
		"$(guest -U --private-network -a crun --cgroup-manager=disabled run --bundle /bundle x 2>&1)"
else
	skip 'crun in a machine' 'no crun'
fi
leftovers_after 'nothing is left'
done_testing
