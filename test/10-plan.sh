#!/bin/sh
# Words in, words out: the rules of the command line, and the round trip over
# every option of the table. Needs no root and starts nothing.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
tmp=$T/tmp
mkdir "$tmp" || exit
unset TERM_PROGRAM UNIFIED_HIERARCHY SYSTEMD_LOG_LEVEL
for v in $(env | sed -n 's/^\(SYSTEMD_NSPAWN_[A-Z_]*\)=.*/\1/p'); do
	unset "$v"
done
ln -s "$NL" "$tmp/systemd-nspawn"
ln -s "$NL" "$tmp/machinectl"
ln -s "$NL" "$tmp/nspawn-lite"
NSPAWN=$tmp/systemd-nspawn
OWN=$tmp/nspawn-lite
tab=$(printf '\t')
nl='
'

# gives SENTENCE WANTED [WORD...] : plan prints this, and ends with 0
gives() {
	what=$1
	want=$2
	shift 2
	is "$what" "$want" "$("$OWN" plan "$@" 2>&1 || echo "status $?")"
}

# refuses SENTENCE TEXT COMMAND... : one line on stderr that ends with this
# text, nothing on stdout, status 1
refuses() {
	what=$1
	want=$2
	shift 2
	got=$("$@" 2>&1 >"$tmp/out" </dev/null; echo "status $?")
	is "$what" "$want${nl}status 1" "$got$(cat "$tmp/out")"
}

# begins SENTENCE TEXT COMMAND... : the same with the beginning of the line
begins() {
	what=$1
	want=$2
	shift 2
	got=$("$@" 2>&1 >"$tmp/out" </dev/null; echo "status $?")
	case $got in
	"$want"*"${nl}status 1")
		case ${got%"${nl}status 1"} in
		*"$nl"*) is "$what" "one line" "$got" ;;
		*)	is "$what" '' "$(cat "$tmp/out")" ;;
		esac ;;
	*)	is "$what" "$want...${nl}status 1" "$got" ;;
	esac
}

# ---- what is a word, what is an option ------------------------------------------

gives 'no words give an empty plan' ''
gives 'a long option takes its value behind =' '--directory=/a' --directory=/a
gives 'a long option takes the next word as its value' '--directory=/a' --directory /a
gives 'a value may look like an option' '--directory=-q' --directory -q
gives 'a value may contain an equals sign' '--setenv=A=B=C' --setenv=A=B=C
gives 'a short option takes the rest of its word as its value' '--directory=/a' -D/a
gives 'a short option takes the next word as its value' '--directory=/a' -D /a
gives 'a short option keeps an equals sign in its value' '--directory==/a' -D=/a
gives 'short options form a cluster' '--quiet --directory=/a --boot' -bqD /a
gives 'the last of a cluster takes the rest as its value' '--quiet --directory=/a --boot' -bqD/a
gives 'the boot may stand before or behind the directory' '--directory=/a --boot' -D /a -b
gives 'a cluster works with two values' '--directory=a --boot --machine=x' -M x -bD a
gives 'a unique beginning is enough for a name' '--directory=/a' --dir=/a
gives 'a unique beginning is enough with the value in the next word' '--directory=/a' --direc /a
gives 'a full name wins over those that it begins' '--user=x' --user=x
gives 'the first word that is no option ends them' '--directory=a -- ls -l -b --quiet' -D a ls -l -b --quiet
gives 'two dashes end the options' '--quiet -- -b x' -q -- -b x
gives 'two dashes behind the command are the command'"'"'s' '-- x -- -b' x -- -b
gives 'two dashes alone say nothing' '' --
gives 'a single dash is a command' '-- - x' - x
gives 'an empty word is a command' "-- '' x" '' x
gives 'options may stand with a boot, and words are for the init' '--boot -- 1 -s' -b 1 -s
gives 'the last of two values counts' '--directory=/b' -D /a --directory=/b
gives 'lists keep all of their values in their order' '--setenv=B=2 --setenv=A=1' -E B=2 --setenv A=1
gives '-j is a try-guest' '--link-journal=try-guest' -j
gives '-P is a pipe' '--console=pipe' -P
gives '--uid is another name of --user' '--user=me' --uid=me
gives 'an empty -M takes the name back' '--directory=/a' -M x -D /a -M ''
gives 'an empty list of capabilities or calls adds nothing, as in the original' '--drop-capability=CAP_KILL' \
	--capability= --drop-capability=CAP_KILL --drop-capability= --ambient-capability= --system-call-filter=
gives 'an empty host name takes it back' '' --hostname=x --hostname=
gives 'volatile needs no value' '--volatile=yes' --volatile
gives 'volatile takes no value from the next word' '--volatile=yes -- state' --volatile state
gives 'volatile takes a value behind =' '--volatile=state' --volatile=state
gives 'as in run, the plan leaves the tree alone' '--directory=/no/such/place' -D /no/such/place
is 'run is the verb that may be left out' '' \
	"$("$OWN" run --kill-signal=help 2>&1 | head -n 1 | sed 's/^SIG[A-Z0-9]*$//')"

# ---- getopt's sentences -----------------------------------------------------------

for name in nspawn-lite systemd-nspawn; do
	p=$tmp/$name
	# getopt's line as the original has it; ours adds what to type
	case $name in
	systemd-nspawn) end='' ;;
	*)	end="; $name --help lists all options" ;;
	esac
	refuses "$name: an unknown long option" "$name: unrecognized option '--bogus'$end" "$p" --bogus
	refuses "$name: a mistyped option is not guessed at" \
		"$name: unrecognized option '--machine-redis'$end" "$p" --machine-redis
	refuses "$name: an unknown option with a value" "$name: unrecognized option '--bogus=5'$end" "$p" --bogus=5
	refuses "$name: an unknown letter" "$name: invalid option -- 'y'$end" "$p" -y
	refuses "$name: an unknown letter in a cluster" "$name: invalid option -- 'y'$end" "$p" -qyb
	refuses "$name: a long option without its value" \
		"$name: option '--directory' requires an argument$end" "$p" --directory
	refuses "$name: an abbreviated option without its value says the whole name" \
		"$name: option '--directory' requires an argument$end" "$p" --direc
	refuses "$name: a letter without its value" "$name: option requires an argument -- 'D'$end" "$p" -qD
	refuses "$name: a value for an option that takes none" \
		"$name: option '--no-pager' doesn't allow an argument$end" "$p" --no-pager=yes
	refuses "$name: a value for an abbreviated option that takes none" \
		"$name: option '--no-pager' doesn't allow an argument$end" "$p" --no-pag=yes
	begins "$name: a beginning of several is ambiguous" \
		"$name: option '--re' is ambiguous; possibilities: '--" "$p" --re
	is "$name: the ambiguous are all named" "'--read-only' '--register' '--resolv-conf' " \
		"$("$p" --re 2>&1 | grep -o "'--[a-z-]*'" | grep -e read-only -e register -e resolv-conf | sort | tr '\n' ' ')"
	is "$name: help prints on standard output and ends with 0" 'OPTION 0' \
		"$("$p" --help 2>/dev/null | sed -n '1s/.*\[\(OPTION\).*/\1/p') $("$p" --help >/dev/null 2>&1; echo $?)"
	is "$name: -h is --help" "$("$p" --help)" "$("$p" -h)"
	is "$name: help and version come before a later mistake" 0 "$("$p" --help --bogus >/dev/null 2>&1; echo $?)"
done
is 'no line of the help is wider than 80 columns' '' "$("$OWN" --help | awk 'length > 80')"
is 'and what is too long for one goes on below its like' "                                   class" \
	"$("$OWN" --help | sed -n '/--device=/{n;p;}')"
end='; nspawn-lite --help lists all options'
refuses 'an option of which a letter is missing' "nspawn-lite: unrecognized option '--bnd=/x', --bind is one$end" "$OWN" --bnd=/x
refuses 'an option with two letters changed over' "nspawn-lite: unrecognized option '--mahcine', --machine is one$end" "$OWN" --mahcine
refuses 'an option of a verb with one too many' "nspawn-lite: unrecognized option '--quiiet', --quiet is one$end" "$OWN" list --quiiet
refuses 'one with more that is wrong is like no other' "nspawn-lite: unrecognized option '--quaaaet'$end" "$OWN" list --quaaaet
begins 'a verb with two letters changed over' 'nspawn-lite: strat is no verb, start is one (' "$OWN" strat web
begins 'a command that is short is like no verb' 'nspawn-lite: ls is no verb (' "$OWN" ls
is 'the version has our name and a number' 1 "$("$OWN" --version | grep -c '^nspawn-lite [0-9]')"
is 'the version of the original comes first under its name' 1 \
	"$("$NSPAWN" --version | grep -c '^systemd 252 (nspawn-lite [0-9.]*)$')"
is 'the verb for the version says the same' "$("$OWN" --version)" "$("$OWN" version)"
is 'the verb for the help says the same' "$("$OWN" --help)" "$("$OWN" help)"
begins 'a first word that is no verb says what to type' 'nspawn-lite: bogus is no verb' "$OWN" bogus
begins 'no word at all says what to type' 'nspawn-lite: ' "$OWN"
refuses 'an unknown verb under the original'"'"'s name' 'Unknown command verb bogus.' "$tmp/machinectl" bogus
is 'the verbs answer under the original'"'"'s name' '--quiet' "$("$tmp/machinectl" plan -q)"

# ---- booleans and choices ------------------------------------------------------------

for v in 1 yes y true t on YES Yes Y TRUE True T ON On oN; do
	gives "$v is yes to a boolean" '--register=yes' "--register=$v"
	gives "$v is yes to a flag" '--boot' "--boot=$v"
	gives "$v is yes to a choice" '--volatile=yes' "--volatile=$v"
done
for v in 0 no n false f off NO No N FALSE False F OFF Off oFF; do
	gives "$v is no to a boolean" '--register=no' "--register=$v"
	gives "$v is no to a flag" '' -b "--boot=$v"
	gives "$v is no to a choice" '--volatile=no' "--volatile=$v"
done
for v in 2 yess ye nope of ' yes' 'yes ' -1 ''; do
	begins "'$v' is no boolean" "nspawn-lite: --register=$v: " "$OWN" plan "--register=$v"
	begins "'$v' is not for a flag" "nspawn-lite: --boot=$v: " "$OWN" plan "--boot=$v"
	begins "'$v' is not for a choice" "nspawn-lite: --volatile=$v: " "$OWN" plan "--volatile=$v"
done
begins 'a choice is spelled as it is' 'nspawn-lite: --console=Pipe: ' "$OWN" plan --console=Pipe
begins 'a wrong choice names the right ones' \
	'nspawn-lite: --console=x: not one of: interactive read-only passive pipe autopipe' "$OWN" plan --console=x

# helps OPTION WORD... : help as its value lists these, each on a line, and ends with 0
helps() {
	option=$1
	shift
	"$OWN" plan "--$option=help" >"$tmp/out" 2>"$tmp/err"
	is "--$option=help ends with 0" 0 $?
	is "--$option=help says nothing else" '' "$(cat "$tmp/err")"
	for v; do
		is "--$option=help lists $v" 1 "$(grep -cx -e "$v" "$tmp/out")"
	done
}
helps kill-signal SIGTERM SIGKILL SIGHUP SIGRTMIN+3
helps rlimit AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK
helps volatile no yes state overlay
helps capability CAP_CHOWN CAP_SYS_ADMIN CAP_CHECKPOINT_RESTORE
helps drop-capability CAP_CHOWN CAP_NET_ADMIN
helps ambient-capability CAP_CHOWN CAP_NET_ADMIN
helps console interactive read-only passive pipe autopipe
helps resolv-conf off copy-host copy-static copy-uplink copy-stub replace-host replace-static replace-uplink \
	replace-stub bind-host bind-static bind-uplink bind-stub delete auto
helps timezone off copy bind symlink delete auto
is '--capability=help lists 41 names' 41 "$("$OWN" plan --capability=help | wc -l | tr -d ' ')"

# ---- conflicts, in the original's words ------------------------------------------------

# conflict TEXT WORD... : under both names
conflict() {
	text=$1
	shift
	refuses "$* is refused: $text" "nspawn-lite: $text" "$OWN" "$@"
	refuses "$* is refused as by the original" "$text" "$NSPAWN" "$@"
}
conflict '--directory= and --image= may not be combined.' -D /a -i /b
conflict '--template= and --image= may not be combined.' -i /b --template=/c
conflict '--template= needs --directory= or --machine=.' --template=/c
conflict '--ephemeral and --template= may not be combined.' -x -D /a --template=/c
conflict '--boot and --as-pid2 may not be combined.' -a -b
conflict '--boot and --as-pid2 may not be combined.' --boot --as-pid2 /bin/true
conflict '--ephemeral and --link-journal={host,guest} may not be combined.' -x --link-journal=host
conflict '--ephemeral and --link-journal={host,guest} may not be combined.' --link-journal=guest -x
for v in -U --private-users --private-users=65536; do
	conflict 'Cannot combine --private-users with read-write mounts.' "$v" --api-vfs-writable=yes
done
gives 'without users they may be writable' '--private-users=no --api-vfs-writable=yes' --private-users=no --api-vfs-writable=yes
gives 'with users those of the network may' '--private-users=pick --api-vfs-writable=network' \
	--private-users=pick --api-vfs-writable=network
conflict 'AmbientCapability= setting is not useful for boot mode.' -b --ambient-capability=CAP_CHOWN
conflict 'AmbientCapability= does not support the value all.' --ambient-capability=all
conflict 'AmbientCapability= setting is not fully covered by Capability= setting.' --ambient-capability=CAP_SYS_MODULE
conflict 'AmbientCapability= setting is not fully covered by Capability= setting.' \
	--ambient-capability=CAP_CHOWN --drop-capability=CAP_CHOWN
conflict 'AmbientCapability= setting is not fully covered by Capability= setting.' --ambient-capability=CAP_NET_ADMIN
gives 'an ambient capability that is added is kept' \
	'--capability=CAP_SYS_TIME --ambient-capability=CAP_SYS_TIME' \
	--capability=CAP_SYS_TIME --ambient-capability=CAP_SYS_TIME
gives 'a private network keeps CAP_NET_ADMIN' '--private-network --ambient-capability=net_admin' \
	--private-network --ambient-capability=net_admin
gives 'an ephemeral machine may try to link its journal' '--ephemeral --link-journal=try-host' -x --link-journal=try-host
gives 'an ephemeral machine may try the guest'"'"'s' '--ephemeral --link-journal=try-guest' -x -j
gives 'what is taken back conflicts with nothing' '--as-pid2' -a -b --boot=no
for v in SYSTEMD_NSPAWN_SHARE_NS_PID SYSTEMD_NSPAWN_SHARE_NS_UTS SYSTEMD_NSPAWN_SHARE_SYSTEM; do
	begins "$v does not go with a boot" 'nspawn-lite: --boot ' env "$v=1" "$OWN" plan -b
done

# ---- names ------------------------------------------------------------------------------------

n63=abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz.012345678
for v in a A 0 a.b a-b a_b _a a_ my.long-name_1 0.0 a--b "${n63}1"; do
	gives "$v is a name" "--machine=$v" -M "$v"
	gives "$v is a host name" "--hostname=$v" "--hostname=$v"
done
for v in . .. .a a. -a a- a..b a.-b a-.b a/b 'a b' 'a:b' 'a@b' a+b "$(printf 'a\303\244')" "${n63}12"; do
	refuses "'$v' is no name" "nspawn-lite: Invalid machine name: $v" "$OWN" plan "--machine=$v"
	begins "'$v' is no host name" 'nspawn-lite: ' "$OWN" plan "--hostname=$v"
done
begins 'a name holds no control character' 'nspawn-lite: ' "$OWN" plan -M "a${tab}b"
refuses 'a bad name as the original says it' 'Invalid machine name: a/b' "$NSPAWN" -M a/b

# ---- the environment ---------------------------------------------------------------------------

# variable NAME VALUE WORD : becomes this word, and the command line goes before it
variable() {
	is "$1=$2 becomes $3" "$3" "$(env "$1=$2" "$OWN" plan)"
	is "$1=$2 in what is fed back stays the same" "$3" "$("$OWN" plan "$3")"
}
variable SYSTEMD_NSPAWN_TMPFS_TMP 0 --tmpfs-tmp=no
variable SYSTEMD_NSPAWN_TMPFS_TMP 1 --tmpfs-tmp=yes
variable SYSTEMD_NSPAWN_API_VFS_WRITABLE 1 --api-vfs-writable=yes
variable SYSTEMD_NSPAWN_API_VFS_WRITABLE 0 --api-vfs-writable=no
variable SYSTEMD_NSPAWN_API_VFS_WRITABLE network --api-vfs-writable=network
variable SYSTEMD_NSPAWN_SHARE_NS_IPC 1 --share-ipc=yes
variable SYSTEMD_NSPAWN_SHARE_NS_PID yes --share-pid=yes
variable SYSTEMD_NSPAWN_SHARE_NS_UTS on --share-uts=yes
variable SYSTEMD_NSPAWN_USE_CGNS 0 --cgroup-namespace=no
variable UNIFIED_HIERARCHY 0 --unified-hierarchy=no
variable SYSTEMD_NSPAWN_UNIFIED_HIERARCHY 1 --unified-hierarchy=yes
variable SYSTEMD_NSPAWN_CONTAINER_SERVICE lxc --container-service=lxc
variable SYSTEMD_NSPAWN_LOCK 0 --lock=no
variable SYSTEMD_SUPPRESS_SYNC 1 --suppress-sync=yes
variable SYSTEMD_NSPAWN_CHECK_OS_RELEASE 0 --check-os-release=no
variable SYSTEMD_LOG_LEVEL debug --verbose
variable SYSTEMD_LOG_LEVEL 7 --verbose
is 'SYSTEMD_NSPAWN_SHARE_SYSTEM shares all three' '--share-ipc=yes --share-pid=yes --share-uts=yes' \
	"$(SYSTEMD_NSPAWN_SHARE_SYSTEM=1 "$OWN" plan)"
is 'SYSTEMD_NSPAWN_SHARE_SYSTEM=0 shares nothing' '' "$(SYSTEMD_NSPAWN_SHARE_SYSTEM=0 "$OWN" plan)"
is 'an empty variable says nothing' '' "$(SYSTEMD_NSPAWN_LOCK='' "$OWN" plan)"
is 'the newer of two variables counts' '--unified-hierarchy=yes' \
	"$(UNIFIED_HIERARCHY=0 SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 "$OWN" plan)"
is 'the command line goes before the environment' '--lock=yes' "$(SYSTEMD_NSPAWN_LOCK=0 "$OWN" plan --lock=yes)"
is 'variables count under the original'"'"'s name' 1 \
	"$(SYSTEMD_NSPAWN_SHARE_NS_PID=1 "$NSPAWN" -a x 2>&1 | grep -c -e '--as-pid2')"
begins 'a bad value of a variable is an error that names it' 'nspawn-lite: ' \
	env SYSTEMD_NSPAWN_LOCK=maybe "$OWN" plan
is 'other variables say nothing' '' "$(SYSTEMD_NSPAWN_BOGUS=1 SYSTEMD_LOG_LEVEL=info "$OWN" plan)"

# ---- the round trip ----------------------------------------------------------------------------

# again WORDS SENTENCE : what plan printed, fed back, gives the same
again() {
	is "$2" "$1" "$(eval "\"\$OWN\" plan --no-defaults $1" 2>&1 | sed -e 's/^--no-defaults *//' -e 's/ --no-defaults\( \|$\)/\1/')"
}

# trip WORD... : printed as it is, and fed back the same
trip() {
	for v; do
		got=$("$OWN" plan "$v" 2>&1)
		shown=$(printf '%s' "$v" | tr '\n' '|')
		is "$shown is planned as it is said" "$v" "$(eval "set -- $got"; printf '%s' "$*")"
		again "$got" "$shown makes the round trip"
	done
}

"$OWN" completion >"$tmp/completion"
sed -n "/local options='/,/^'/p" "$tmp/completion" | grep '^-' >"$tmp/options"
is 'the completion lists options' 1 "$(grep -cx -e '--directory=' "$tmp/options")"
"$OWN" --help | sed -n 's/^  \(-[^ ]\|  \) --\([a-z0-9-]*\).*/--\2/p' | sort -u >"$tmp/help"
is 'the help and the completion list the same options' "$(cat "$tmp/help")" \
	"$(sed -n 's/^\(--[^=]*\)=\{0,1\}$/\1/p' "$tmp/options" | sort -u)"
"$OWN" manual >"$tmp/manual" 2>&1
is 'the manual lists the same options' "$(cat "$tmp/help")" \
	"$(sed -n '/^\.It/s/.*Fl \\-\([a-z0-9-]*\).*/--\1/p' "$tmp/manual" | sort -u)"
# Those of verbs have tests with their verbs
"$OWN" --help >"$tmp/whole"
sed -n '1,/^General:/d; s/^  \(-[^ ]\|  \) --\([a-z0-9-]*\).*/--\2/p; s/^  \(-[^ ]\) .*/\1/p' "$tmp/whole" | sort -u >"$tmp/plan"
sed -n '1,/^General:/d; s/^  \(-[^ ]\) .*/\1/p' "$tmp/whole" >>"$tmp/plan"

while read -r o; do
	case $o in
	--help|-h|--version)
		is "$o prints and plans nothing" 0 "$("$OWN" plan "$o" >/dev/null 2>&1; echo $?)" ;;
	--no-pager|--no-ask-password|--system)
		gives "$o says nothing" '' "$o" ;;
	--forward-journal=|--background=)
		gives "${o}x says nothing" '' "${o}x" ;;
	--quiet|--verbose|--ephemeral|--read-only|--boot|--as-pid2|--keep-unit|--cleanup|--private-network|--network-veth|--rescue)
		trip "$o" ;;
	--network-bridge=)
		trip "${o}br-lan" "${o}br0.1" ;;
	--network-zone=)
		trip "${o}web" "${o}a_b.c-d12345" ;;
	--network-veth-extra=|--network-interface=|--network-macvlan=|--network-ipvlan=)
		trip "${o}eth0" "${o}eth0.7:lan" ;;
	--network-namespace-path=)
		trip "${o}/run/netns/a" "${o}/a b" ;;
	--network-veth-name=)
		trip "${o}eth0" ;;
	--network-mac=)
		trip "${o}02:00:00:00:00:01" "${o}AA-BB-CC-DD-EE-FF" ;;
	--network-address=)
		trip "${o}none"
		for v in 192.0.2.7/24 2001:db8::7/64; do
			gives "$o$v has a link to be on" "--network-veth $o$v" -n "$o$v"
			again "--network-veth $o$v" "$o$v makes the round trip"
		done ;;
	--network-gateway=)
		trip "${o}none"
		gives "$o has an address to reach it from" "--network-veth --network-address=192.0.2.7/24 ${o}192.0.2.1" \
			-n --network-address=192.0.2.7/24 "${o}192.0.2.1" ;;
	--network-dns=)
		gives "$o has a network to ask in" "--network-veth ${o}192.0.2.1" -n "${o}192.0.2.1"
		gives "${o}none, too" "--network-veth ${o}none" -n "${o}none" ;;
	--port=)
		gives "$o has what leads to a port" '--network-veth --port=8080:80' -n "${o}8080:80" ;;
	--no-defaults)
		gives "$o is planned as it is said" "$o" "$o" ;;
	--wait-for=)
		trip "${o}/a b" "${o}mount:/mnt" "${o}interface:eth0.7" "${o}machine:db"
		for v in a mount:a interface: interface:a/b interface:abcdefghijklmnop machine: machine:a/b; do
			begins "$o$v is refused" "nspawn-lite: $o$v: " "$OWN" plan "$o$v"
		done
		begins 'no machine waits for itself' "nspawn-lite: ${o}machine:m: " "$OWN" plan -M m "${o}machine:m" ;;
	--restart=)
		trip "${o}no" "${o}on-failure" "${o}always" ;;
	--notify-fd=)
		trip "${o}3" "${o}77"
		for v in 2 -1 x 99999999999; do
			begins "$o$v is refused" "nspawn-lite: $o$v: " "$OWN" plan "$o$v"
		done ;;
	--log=)
		trip "${o}/var/log/x" "${o}syslog" "${o}no" ;;
	--notify-ready=|--register=|--no-new-privileges=|--tmpfs-tmp=|--share-ipc=|--share-pid=|--share-uts=|\
	--cgroup-namespace=|--unified-hierarchy=|--lock=|--check-os-release=)
		trip "${o}yes" "${o}no" ;;
	--settings=)
		trip "${o}no" "${o}yes" "${o}override" "${o}trusted" ;;
	--partition=)
		trip "${o}1" "${o}128"
		begins "$o is a number" 'nspawn-lite: --partition=' "$OWN" plan "${o}root"
		begins "$o counts from 1" 'nspawn-lite: --partition=' "$OWN" plan "${o}0" ;;
	--template=)
		gives "$o has a place for the tree" "--directory=/d ${o}/t" -D /d "${o}/t"
		again "--directory=/d ${o}/t" "$o makes the round trip"
		gives "$o has a name for it" "${o}/t --machine=m" -M m "${o}/t"
		gives "an ephemeral machine may be of a template" "${o}/t --ephemeral" -x "${o}/t" ;;
	--directory=|--image-root=|--image=)
		trip "$o/a" "${o}a b" "${o}it's" "$o/a\"b" "$o\\" "$o\$HOME" "$o*" "$o$(printf '\303\244')" "$o-q" ;;
	--volatile)
		trip "$o=no" "$o=yes" "$o=state" "$o=overlay" ;;
	--image-policy=)
		gives '--image-policy=* says nothing' '' '--image-policy=*'
		begins "any other policy is refused" 'nspawn-lite: --image-policy: ' "$OWN" plan "${o}root=signed" ;;
	--root-hash=|--root-hash-sig=|--verity-data=|--mstack=|--private-users-delegate=|--bind-user=|--bind-user-shell=|\
	--bind-user-group=)
		begins "$o is refused" "nspawn-lite: ${o%=}: " "$OWN" plan "${o}x" ;;
	--chdir=)
		trip "$o/" "$o/a b" ;;
	--pivot-root=)
		trip "$o/a" "$o/a:/b c" ;;
	--bind=|--bind-ro=)
		trip "${o}a" "$o/a:/b" "${o}a b:/c:norbind,idmap" "$o:/a" "$o+/a" "$o/a\\:b:/c\\\\d" "$o/a:/b:uid=1-2,gid=3-4" ;;
	--tmpfs=)
		trip "$o/a" "$o/a:size=1m,mode=1777,nosuid" "$o/a:mpol=bind:0" ;;
	--overlay=|--overlay-ro=)
		trip "${o}a:/b" "${o}a:b:/c" "$o+/a:b:+/c:/d e" ;;
	--inaccessible=)
		trip "$o/a" "$o/a b" ;;
	--private-users)
		trip "$o=no" "$o=yes" "$o=pick" "$o=auto" "$o=identity" "$o=managed" "$o=1" "$o=100000:70000" ;;
	--private-users-ownership=)
		trip "${o}off" "${o}chown" "${o}map" "${o}auto" "${o}try-map" ;;
	--private-users-chown)
		gives "$o is an ownership" '--private-users-ownership=chown' "$o" ;;
	--setenv=)
		trip "${o}A" "${o}A=" "${o}A=b c" "${o}A=it's" "${o}A=a${nl}b" "${o}_1=x=y" ;;
	--user=)
		trip "${o}root" "${o}1000" "${o}name-with.dot_1" ;;
	--uid=)
		gives "${o}x is --user" '--user=x' "${o}x" ;;
	--kill-signal=)
		trip "${o}SIGTERM" "${o}TERM" "${o}15" "${o}SIGRTMIN+3" ;;
	--machine=|--hostname=)
		trip "${o}a" "${o}a_b.c-d" ;;
	--uuid=)
		trip "${o}0123456789abcdef0123456789abcdef" "${o}01234567-89ab-cdef-0123-456789abcdef" ;;
	--slice=)
		trip "${o}machine.slice" "${o}a-b.slice" ;;
	--capability=|--drop-capability=|--ambient-capability=)
		trip "${o}CAP_CHOWN" "${o}chown,CAP_KILL" "${o}0" ;;
	--rlimit=)
		trip "${o}NOFILE=5:6" "${o}RLIMIT_CPU=2min" "${o}NICE=+5" "${o}AS=infinity" "${o}FSIZE=1M:2G" ;;
	--property=)
		trip "${o}MemoryMax=64M" "${o}CPUQuota=20%" "${o}IOReadBandwidthMax=/dev/sda 5M" "${o}Description=a b" ;;
	--device=)
		trip "${o}/dev/null" "${o}/dev/ttyUSB0:rw" "${o}tty" ;;
	--oom-score-adjust=)
		trip "${o}-1000" "${o}0" "${o}1000" ;;
	--cpu-affinity=)
		trip "${o}0" "${o}0-3,5" "${o}0 2" ;;
	--personality=)
		trip "$o$(uname -m)" ;;
	--system-call-filter=)
		trip "${o}bpf" "${o}~mount @swap" "${o}@known" ;;
	--restrict-address-families=)
		trip "${o}AF_UNIX AF_INET" "${o}~AF_PACKET" "${o}none" ;;
	--suppress-sync=|--nesting=)
		trip "${o}yes" "${o}no" ;;
	--selinux-context=|--selinux-apifs-context=)
		trip "${o}system_u:system_r:svirt_lxc_net_t:s0:c1,c2" ;;
	--resolv-conf=)
		for w in off copy-host copy-static copy-uplink copy-stub replace-host replace-static replace-uplink \
			replace-stub bind-host bind-static bind-uplink bind-stub delete auto; do
			trip "$o$w"
		done ;;
	--timezone=)
		trip "${o}off" "${o}copy" "${o}bind" "${o}symlink" "${o}delete" "${o}auto" ;;
	--link-journal=)
		trip "${o}no" "${o}host" "${o}try-host" "${o}guest" "${o}try-guest" "${o}auto" ;;
	--console=)
		trip "${o}interactive" "${o}read-only" "${o}passive" "${o}pipe" "${o}autopipe" ;;
	--set-credential=)
		trip "${o}id:value" "${o}id:" "${o}a.b:x:y" "${o}a:it's \\n \"x\"" ;;
	--load-credential=)
		trip "${o}id:/path" "${o}id:name" ;;
	--api-vfs-writable=)
		trip "${o}no" "${o}yes" "${o}network" ;;
	--sysctl=)
		trip "${o}kernel.shmmni=5" "${o}kernel/msgmax=1 2" ;;
	--oci-seccomp=)
		trip "${o}/bundle" ;;
	--oci-bundle=) ;;	# see 27-oci-bundle
	--container-service=)
		trip "${o}lxc" "${o}a-b" ;;
	-U) gives '-U is --private-users=auto' --private-users=auto -U ;;
	-Z) gives '-Z is --selinux-context' --selinux-context=x:y:z -Z x:y:z ;;
	-L) gives '-L is --selinux-apifs-context' --selinux-apifs-context=x:y:z -L x:y:z ;;
	-q) gives '-q is --quiet' --quiet -q ;;
	-v) gives '-v is --verbose' --verbose -v ;;
	-n) gives '-n is --network-veth' --network-veth -n ;;
	-p) gives '-p is --port' '--network-veth --port=80' -n -p 80 ;;
	-D) gives '-D is --directory' --directory=x -D x ;;
	-i) gives '-i is --image' --image=x -i x ;;
	-x) gives '-x is --ephemeral' --ephemeral -x ;;
	-b) gives '-b is --boot' --boot -b ;;
	-a) gives '-a is --as-pid2' --as-pid2 -a ;;
	-E) gives '-E is --setenv' --setenv=A=1 -E A=1 ;;
	-u) gives '-u is --user' --user=x -u x ;;
	-M) gives '-M is --machine' --machine=x -M x ;;
	-S) gives '-S is --slice' --slice=a.slice -S a.slice ;;
	--pipe) gives '--pipe is a console' --console=pipe --pipe ;;
	-j|-P) ;;	# above
	--user) ;;	# of verbs
	*)	is "$o has a case in this test" yes no ;;
	esac
done <<EOF
$(grep -xFf "$tmp/plan" "$tmp/options"; sed 's/$/=/' "$tmp/plan" | grep -xFf - "$tmp/options")
EOF

# shellcheck disable=SC2016 # to be kept as they are
set -- --quiet --verbose --settings=no --directory='/a b' --partition=3 --template=/t --image-root=/i --read-only --volatile=overlay --pivot-root=/p \
	--bind=/a:/b --bind=c:/d --bind-ro=/e --tmpfs=/f:size=1m --overlay=/g::/h --overlay-ro=/i:/j:/k --inaccessible=/l --private-users=100000:70000 --private-users-ownership=map --as-pid2 \
	--chdir=/tmp --setenv=A=1 --setenv=B --setenv='C=it'"'"'s' --user=u --kill-signal=TERM --notify-ready=no \
	--machine=m --hostname=h --uuid=0123456789abcdef0123456789abcdef --slice=x.slice --register=no --keep-unit \
	--wait-for=/a --wait-for=machine:b --restart=always --notify-fd=5 --log=syslog --log=/l \
	--private-network --network-veth --network-bridge=br0 --network-veth-extra=a --network-veth-extra=b:c \
	--network-macvlan=d --network-macvlan=e:f --network-ipvlan=g --network-veth-name=eth0 \
	--network-mac=02:00:00:00:00:01 --capability=all --drop-capability=mknod --ambient-capability=net_admin \
	--no-new-privileges=yes --system-call-filter='~mount bpf' --restrict-address-families=AF_UNIX --selinux-context=a \
	--selinux-apifs-context=b --suppress-sync=yes --nesting=no --rlimit=NOFILE=5 --rlimit=NOFILE=6 --oom-score-adjust=-5 --cpu-affinity=0 \
	--cpu-affinity=1 "--personality=$(uname -m)" --resolv-conf=off --timezone=off --link-journal=no \
	--console=pipe --set-credential=a:b --set-credential=c:d --load-credential=e:/f --tmpfs-tmp=no \
	--api-vfs-writable=network --share-ipc=yes --share-uts=no --cgroup-namespace=no --unified-hierarchy=no \
	--container-service=x --lock=no --check-os-release=no -- sh -c 'echo "$1" '"'x'" -- "a${nl}b" ''
all=$("$OWN" plan "$@")
is 'all options at once are planned in words of the same number' "$#" "$(eval "set -- $all"; echo $#)"
is 'all options at once make the round trip' "$all" "$(eval "\"\$OWN\" plan $all")"
is 'the command at the end is kept to the byte' "sh|-c|echo \"\$1\" 'x'|--|a${nl}b||" \
	"$(eval "set -- ${all#* -- }"; printf '%s|' "$@")"
long=$(head -c 100000 /dev/zero | tr '\0' x)
is 'a word of 100 kB makes the round trip' "-- $long" "$("$OWN" plan "$long")"

# ---- what config.h says -------------------------------------------------------------------------

cat >"$tmp/test.h" <<-'END'
#include "config.h"
#undef DEFAULTS
#define DEFAULTS "--quiet", "--setenv=ALL=1"
#undef MACHINES
#define MACHINES { "router*", { "--read-only", "-E", "ROUTER=1" } }, { "*", { "--register=no" } }, { NULL, { NULL } }
END
cp "$tmp/test.h" "$tmp/bad.h"
if ! command -v "${MAKE:-make}" >/dev/null || [ ! -e "${TESTDIR%/*}/Makefile" ]; then
	skip 'config.h says what every machine starts with' 'no make'
else
	configured=$tmp/config/nspawn-lite
	(
		unset MAKEFLAGS MFLAGS MAKELEVEL
		"${MAKE:-make}" -s -j4 -C "${TESTDIR%/*}" O="$tmp/config" CONFIG="$tmp/test.h" CFLAGS=-O0 all
	) >"$tmp/out" 2>&1
	is 'a config.h of words compiles' "0 " "$? $(cat "$tmp/out")"
	is 'all machines start with the defaults' '--quiet --setenv=ALL=1' "$("$configured" plan)"
	is 'a machine gets what its name says, behind the defaults' \
		'--quiet --read-only --setenv=ALL=1 --setenv=ROUTER=1 --machine=router1 --register=no' \
		"$("$configured" plan -M router1)"
	is 'a directory gives the name too' \
		'--quiet --directory=/x/router2/ --read-only --setenv=ALL=1 --setenv=ROUTER=1 --register=no' \
		"$("$configured" plan -D /x/router2/)"
	is 'a name goes before the directory' \
		'--quiet --directory=/x/router2 --setenv=ALL=1 --machine=other --register=no' \
		"$("$configured" plan -D /x/router2 -M other)"
	is 'the command line goes before config.h' \
		'--quiet --setenv=ALL=1 --setenv=ALL=2 --machine=other --register=yes' \
		"$("$configured" plan -M other -E ALL=2 --register=yes)"
	is 'a flag of config.h can be taken back' '--setenv=ALL=1' "$("$configured" plan --quiet=no)"
	is 'nothing of config.h is in a plan without defaults' '--no-defaults --machine=router1' \
		"$("$configured" plan --no-defaults -M router1)"
	words=$("$configured" plan -M router1)
	is 'the words of a configured plan, fed back without defaults, give the same' "$words" \
		"$(eval "\"\$configured\" plan --no-defaults $words" | sed 's/ *--no-defaults//')"
fi
done_testing
