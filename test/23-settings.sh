#!/bin/sh
# Files of settings: each key and the words it becomes, whom is believed, which
# of a file and the command line wins, and files that are no good. What they
# say is compiled in, too: make NSPAWN=DIR.
# shellcheck disable=SC2016 # what stands in single quotes is for the shell inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
tmp=$T/tmp
etc=$T/root/etc/systemd/nspawn
run=$T/root/run/systemd/nspawn
store=$T/root/var/lib/machines
mkdir -p "$tmp" "$etc" "$run" "$store/web" || exit
unset UNIFIED_HIERARCHY SYSTEMD_LOG_LEVEL
for v in $(env | sed -n 's/^\(SYSTEMD_[A-Z_]*\)=.*/\1/p'); do
	unset "$v"
done
nl='
'

# file TEXT : becomes $tmp/x.nspawn; the path is left out of what is said of it
file() { printf '%b' "$1" >"$tmp/x.nspawn"; }
said() { sed -e "s|nspawn-lite: $tmp/x.nspawn:||" -e "s|nspawn-lite: $etc/||" -e "s|nspawn-lite: $run/||" \
	-e "s|nspawn-lite: $store/||"; }

# words SENTENCE WANTED TEXT : what the verb makes of it, with what it says before that
words() {
	file "$3"
	is "$1" "$2" "$("$NL" settings "$tmp/x.nspawn" 2>&1 | said)"
}

# refuses SENTENCE WANTED TEXT : one line, nothing on standard output, status 1
refuses() {
	file "$3"
	got=$("$NL" settings "$tmp/x.nspawn" 2>&1 >"$tmp/out"; echo "status $?")
	is "$1" "$2${nl}status 1" "$(printf '%s\n' "$got$(cat "$tmp/out")" | said)"
}

# ---- keys: SECTION, KEY=VALUE and the words ------------------------------------------

while IFS='|' read -r section assignment want; do
	words "[$section] $assignment" "$want" "[$section]\n$assignment\n"
done <<'END'
Exec|Boot=yes|--boot
Exec|Boot=on|--boot
Exec|Boot=no|--boot=no
Exec|ProcessTwo=1|--as-pid2
Exec|ProcessTwo=off|--boot=no
Exec|Ephemeral=yes|--ephemeral=yes
Exec|Ephemeral=no|--ephemeral=no
Exec|Environment=A=1|--setenv=A=1
Exec|Environment=A=1 B= C=3|--setenv=A=1 --setenv=B= --setenv=C=3
Exec|Environment="A=b c" 'D=e f' G="h i"|'--setenv=A=b c' '--setenv=D=e f' '--setenv=G=h i'
Exec|Environment=A=\\\\ B="\\"" C=\\x41\\102 D=\\s E='\\'\\''|'--setenv=A=\' '--setenv=B="' --setenv=C=AB '--setenv=D= ' '--setenv=E='\'''\'''
Exec|User=nobody|--user=nobody
Exec|WorkingDirectory=/tmp/a b|'--chdir=/tmp/a b'
Exec|PivotRoot=/a:/b|--pivot-root=/a:/b
Exec|Capability=CAP_SYS_TIME|--capability=CAP_SYS_TIME
Exec|Capability=CAP_SYS_TIME  cap_chown 5|--capability=CAP_SYS_TIME,cap_chown,5
Exec|Capability=all|--capability=all
Exec|DropCapability=CAP_KILL CAP_MKNOD|--drop-capability=CAP_KILL,CAP_MKNOD
Exec|AmbientCapability=CAP_KILL CAP_MKNOD|--ambient-capability=CAP_KILL,CAP_MKNOD
Exec|NoNewPrivileges=yes|--no-new-privileges=yes
Exec|NoNewPrivileges=off|--no-new-privileges=off
Exec|KillSignal=SIGTERM|--kill-signal=SIGTERM
Exec|Personality=x86|--personality=x86
Exec|MachineID=0123456789abcdef0123456789abcdef|--uuid=0123456789abcdef0123456789abcdef
Exec|PrivateUsers=yes|--private-users=yes
Exec|PrivateUsers=1|--private-users=yes
Exec|PrivateUsers=off|--private-users=no
Exec|PrivateUsers=pick|--private-users=pick
Exec|PrivateUsers=identity|--private-users=identity
Exec|PrivateUsers=65536:65536|--private-users=65536:65536
Exec|PrivateUsers=131072|--private-users=131072
Exec|NotifyReady=yes|--notify-ready=yes
Exec|SystemCallFilter=@keyring bpf|'--system-call-filter=@keyring bpf'
Exec|SystemCallFilter=~ptrace|'--system-call-filter=~ptrace'
Exec|OOMScoreAdjust=-5|--oom-score-adjust=-5
Exec|CPUAffinity=0 2-3|'--cpu-affinity=0 2-3'
Exec|Hostname=h|--hostname=h
Exec|ResolvConf=copy-host|--resolv-conf=copy-host
Exec|Timezone=bind|--timezone=bind
Exec|LinkJournal=try-guest|--link-journal=try-guest
Exec|SuppressSync=yes|--suppress-sync=yes
Exec|RestrictAddressFamilies=AF_INET AF_UNIX|'--restrict-address-families=AF_INET AF_UNIX'
Files|ReadOnly=yes|--read-only=yes
Files|Volatile=state|--volatile=state
Files|Volatile=true|--volatile=true
Files|Bind=/mnt/media:/mnt|--bind=/mnt/media:/mnt
Files|Bind=/a b:/c\\:d:norbind|'--bind=/a b:/c\:d:norbind'
Files|BindReadOnly=/a|--bind-ro=/a
Files|TemporaryFileSystem=/a:mode=0700|--tmpfs=/a:mode=0700
Files|Inaccessible=/a|--inaccessible=/a
Files|Overlay=/a:/b:/c|--overlay=/a:/b:/c
Files|OverlayReadOnly=/a:/b:/c|--overlay-ro=/a:/b:/c
Network|Private=yes|--private-network=yes
Network|Private=no|--private-network=no
Network|VirtualEthernet=no|--network-veth=no
Network|VirtualEthernet=yes|--network-veth=yes
Network|VirtualEthernetExtra=a:b|--network-veth-extra=a:b
Network|Interface=eth8 eth9:wan|--network-interface=eth8 --network-interface=eth9:wan
Network|MACVLAN=eth8 eth9:lan|--network-macvlan=eth8 --network-macvlan=eth9:lan
Network|IPVLAN=eth8 eth9:lan|--network-ipvlan=eth8 --network-ipvlan=eth9:lan
Network|Bridge=br0|--network-bridge=br0
Network|Zone=web|--network-zone=web
Network|NamespacePath=/run/netns/a|--network-namespace-path=/run/netns/a
Network|Port=tcp:80|--port=tcp:80
END
for limit in CPU FSIZE DATA STACK CORE RSS NOFILE AS NPROC MEMLOCK LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME; do
	words "[Exec] Limit$limit=5:6" "--rlimit=$limit=5:6" "[Exec]\nLimit$limit=5:6\n"
done
words 'the owners of PrivateUsersOwnership' '--private-users=pick --private-users-ownership=map' \
	'[Exec]\nPrivateUsers=pick\n[Files]\nPrivateUsersOwnership=map\n'
words 'the owners of PrivateUsersChown' '--private-users=pick --private-users-ownership=chown' \
	'[Exec]\nPrivateUsers=pick\n[Files]\nPrivateUsersChown=yes\n'
words 'PrivateUsersChown=no leaves them' '--private-users-ownership=off --private-users=pick' \
	'[Files]\nPrivateUsersChown=no\n[Exec]\nPrivateUsers=pick\n'
words 'owners count only with users' \
	" PrivateUsersOwnership= counts only together with PrivateUsers=; skipped" \
	'[Files]\nPrivateUsersOwnership=map\n'
words 'each Limit is one of its own' '--rlimit=NOFILE=7 --rlimit=CPU=2' \
	'[Exec]\nLimitNOFILE=5\nLimitNOFILE=7\nLimitCPU=2\n'
words 'what makes lists is kept in its order' '--bind=/b --bind=/a --bind-ro=/c' \
	'[Files]\nBind=/b\nBind=/a\nBindReadOnly=/c\n'
words 'of other keys the last one counts' '--hostname=b' '[Exec]\nHostname=a\nHostname=b\n'
refuses 'BindUser is refused as its option is' \
	'2: --bind-user: users of the host are not recorded inside: bind the home with owneridmap' \
	'[Files]\nBindUser=me\n'

words 'links are kept in their order, and each port is one more' \
	'--network-macvlan=a --network-macvlan=b --network-macvlan=c:d --port=80 --port=81' \
	'[Network]\nMACVLAN=a b\nMACVLAN=c:d\nPort=80\nPort=81\n'
words 'an empty value takes back the links before it' '--network-macvlan=c' \
	'[Network]\nMACVLAN=a b\nMACVLAN=\nMACVLAN=c\n'

# ---- start mode ------------------------------------------------------------------------

words 'parameters are a command' "--boot=no -- a b 'c c'" '[Exec]\nBoot=no\nParameters=a b "c c"\n'
words 'parameters are words for the init' "--boot -- b 'c c'" "[Exec]\nBoot=yes\nParameters=b 'c c'\n"
words 'parameters may come first' '--as-pid2 -- a' '[Exec]\nParameters=a\nProcessTwo=yes\n'
words 'parameters keep backslashes, as the original does' "--boot=no -- 'a\\n' '\\'" \
	'[Exec]\nBoot=no\nParameters=a\\n "\\"\n'
words 'parameters may be empty words' "--boot=no -- '' a" '[Exec]\nBoot=no\nParameters="" a\n'
words 'parameters that look like options are none' '--boot=no -- -b --quiet' '[Exec]\nBoot=no\nParameters=-b --quiet\n'
words 'the last parameters count' '--boot -- b c' '[Exec]\nBoot=yes\nParameters=a\nParameters=b c\n'
words 'parameters are taken back' '--boot' '[Exec]\nBoot=yes\nParameters=a\nParameters=\n'
words 'parameters alone do not say how to start' \
	" Parameters= counts only together with Boot= or ProcessTwo=; skipped" \
	'[Exec]\nParameters=a\n'
for v in 'Boot=yes|ProcessTwo=yes|--boot' 'ProcessTwo=yes|Boot=yes|--as-pid2' 'Boot=yes|Boot=no|--boot' \
	'ProcessTwo=yes|ProcessTwo=no|--as-pid2'; do
	rest=${v#*|}
	words "after ${v%%|*} there is no ${rest%%|*}" \
		"3: ${rest%%=*}= contradicts what was said before of Boot= and ProcessTwo=; skipped${nl}${rest#*|}" \
		"[Exec]\n${v%%|*}\n${rest%%|*}\n"
done
words 'Boot=no leaves room for ProcessTwo=yes' '--as-pid2' '[Exec]\nBoot=no\nProcessTwo=yes\n'
words 'ProcessTwo=no leaves room for Boot=yes' '--boot' '[Exec]\nProcessTwo=no\nBoot=yes\n'

# ---- syntax ----------------------------------------------------------------------------

words 'an empty file says nothing' '' ''
words 'comments begin with # or ;, behind blanks too' '--boot' '#a\n ; b=c\n\n[Exec]\n\t# Boot=no\nBoot=yes\n#\n'
words 'blanks around names and values do not count' '--hostname=h' ' [Exec] \n \t Hostname \t=  h \t \n'
words 'a line goes on behind a backslash' "'--chdir=/a   b'" '[Exec]\nWorkingDirectory=/a \\\n b\n'
words 'comments between do not end it' "'--chdir=/a  b'" '[Exec]\nWorkingDirectory=/a\\\n# no\n ; nor this\\\n b\n'
words 'two backslashes at the end are no end of that kind' "--boot '--chdir=/a\\\\'" \
	'[Exec]\nWorkingDirectory=/a\\\\\nBoot=yes\n'
words 'a file may end in the middle of a line' '--boot' '[Exec]\nBoot=yes'
# shellcheck disable=SC1003 # so it does
words 'a file may end behind a backslash' '--boot' '[Exec]\nBoot=yes\\'
words 'lines may end as in DOS' "--boot '--chdir=/a b'" '[Exec]\r\nBoot=yes\r\nWorkingDirectory=/a\\\r\nb\r\n'
words 'a byte order mark is passed over' '--boot' '\0357\0273\0277[Exec]\nBoot=yes\n'
words 'UTF-8 is a value' "$(printf -- "'--setenv=A=\303\244'")" '[Exec]\nEnvironment=A=\0303\0244\n'
words 'an empty value takes a list back' '--bind=/c' '[Files]\nBind=/a\nBind=/b\nBind=\nBind=/c\n'
words 'an empty value takes the environment back' '--setenv=C=3' '[Exec]\nEnvironment=A=1 B=2\nEnvironment=\nEnvironment=C=3\n'
words 'an empty value takes a word back' '' '[Exec]\nHostname=a\nHostname=\n'
words 'an empty value takes a limit back, and no other' '--rlimit=CPU=5' '[Exec]\nLimitNOFILE=5\nLimitCPU=5\nLimitNOFILE=\n'
words 'an empty value takes back the network' '' '[Network]\nPrivate=yes\nPrivate=\n'
words 'what is not known is passed over' "1: no section [Service] is known; skipped
4: no key Foo= is known in [Exec]; skipped
6: no key Boot= is known in [Files]; skipped
7: bar: neither a section nor KEY=VALUE; skipped
8: no key = is known in [Files]; skipped
9: no key boot= is known in [Files]; skipped
11: no key Limit= is known in [Exec]; skipped
--hostname=h" '[Service]\nBoot=yes\n[Exec]\nFoo=1\n[Files]\nBoot=1\nbar\n=x\nboot=\n[Exec]\nLimit=1\nHostname=h\n'
words 'what begins with X- is for others' '' '[X-Mine]\nA=b\n[Exec]\nX-Key=1\n'
words 'a key before any section says nothing' "1: Boot= stands before any section; skipped${nl}--hostname=h" \
	'Boot=yes\n[Exec]\nHostname=h\n'
words 'a terminal cannot be told anything' '2: no key ??[31m?= is known in [Exec]; skipped' '[Exec]\n\0033\0007[31m\0377=1\n'
file "[Exec]\n$(awk 'BEGIN { for (i = 0; i < 3000; i++) printf "K%d=1\\n", i }')"
"$NL" settings "$tmp/x.nspawn" >"$tmp/out" 2>&1
is 'a file has 21 lines of warnings at most, and an empty one of words' 22 "$(($(wc -l <"$tmp/out")))"
is 'several files are a line each' "--boot$nl$nl--hostname=h" "$(
	file '[Exec]\nBoot=yes\n'; mv "$tmp/x.nspawn" "$tmp/1.nspawn"
	file '[Exec]\nHostname=h\n'; mv "$tmp/x.nspawn" "$tmp/3.nspawn"
	: >"$tmp/2.nspawn"
	"$NL" settings "$tmp/1.nspawn" "$tmp/2.nspawn" "$tmp/3.nspawn")"
like 'no file is an error' '*say which: * settings FILE...' "$("$NL" settings 2>&1)"

# ---- files that are no good ---------------------------------------------------------------

while IFS='|' read -r what assignment text; do
	refuses "$what" "2: $text" "[Exec]\n$assignment\n"
done <<'END'
a boolean that is none|Boot=maybe|Boot=maybe: not yes or no
a flag that is none|Ephemeral=maybe|--ephemeral=maybe: not yes or no
a word that is none of a choice|LinkJournal=x|--link-journal=x: not one of: no host try-host guest try-guest auto
a quote that is open|Environment="A=b|Environment=: a quote " is not closed
a quote that is open in parameters|Parameters=a 'b|Parameters=: a quote ' is not closed
an escape that is none|Environment=A=\\q|Environment=: \q is no escape; a backslash itself is two
an escape that is cut short|Environment=A=\\x4|Environment=: \x4 is no escape; a backslash itself is two
an escape of zero|Environment=A=\\000|Environment=: \000 is no escape; a backslash itself is two
an escape at the end|Environment="A=\\\\ \\|Environment=: a quote " is not closed
a variable without a value, which would be ours|Environment=HOME|Environment=HOME: not NAME=VALUE
a value that is no UTF-8|Hostname=a\0377|Hostname=: the value is not UTF-8 text
a value with a control character|Hostname=a\0007b|--hostname: the value is not clean UTF-8 text
a question|KillSignal=help|--kill-signal=help is a question, and no setting
a question about a list|Capability=help|--capability=help is a question, and no setting
END
refuses 'a section without its end' '1: [Exec: a section is a word in brackets' '[Exec\nBoot=yes\n'
refuses 'a section with something behind it' '1: [Exec] x: a section is a word in brackets' '[Exec] x\nBoot=yes\n'
refuses 'a lone bracket' '1: [: a section is a word in brackets' '[\n'
refuses 'a byte 0' ' has a byte 0, so it is no text' '[Exec]\nBoot=yes\n\0000\n'
head -c 70000 /dev/zero | tr '\0' x >"$tmp/x.nspawn"
is 'a large file is none' ' more than 64 KB, which is no file of settings' "$("$NL" settings "$tmp/x.nspawn" 2>&1 | said)"
(printf '[Exec]\nEnvironment=A='; head -c 65000 /dev/zero | tr '\0' x) >"$tmp/x.nspawn"
is 'a long line is one' 65012 "$(($("$NL" settings "$tmp/x.nspawn" 2>&1 | wc -c)))"
rm "$tmp/x.nspawn"
is 'a file that is not there' "nspawn-lite: read $tmp/x.nspawn: No such file or directory" "$("$NL" settings "$tmp/x.nspawn" 2>&1)"
is 'a folder is none' "nspawn-lite: $tmp: not a plain file, so no settings are read from it; remove it" \
	"$("$NL" settings "$tmp" 2>&1)"
mkfifo "$tmp/fifo"
is 'a FIFO is none, and does not hold us' \
	"nspawn-lite: $tmp/fifo: not a plain file, so no settings are read from it; remove it" \
	"$(timeout 60 "$NL" settings "$tmp/fifo" 2>&1)"
for f in "$NL" "$T/root" /dev/zero /proc/self/mem; do
	is "$f ends with one sentence, and no settings" "1 1 0" \
		"$(timeout 60 "$NL" settings "$f" 2>"$tmp/err" >"$tmp/out"; echo $? $(($(wc -l <"$tmp/err"))) $(($(wc -c <"$tmp/out"))))"
done

# ---- which file, and whether it is read --------------------------------------------------------

# plan WANTED SENTENCE WORD... : with all that it says before that
plan() {
	what=$1
	want=$2
	shift 2
	is "$what" "$want" "$("$NL" plan "$@" 2>&1 | said)"
}
put() { printf '%b' "$2" >"$1"; }

put "$store/web.nspawn" '[Exec]\nHostname=beside\n'
plan 'nothing is read unasked' '--machine=web' -M web
plan 'nor by --settings=no' '--settings=no --machine=web' -M web --settings=no
plan 'a file beside the image is read' '--settings=no --machine=web --hostname=beside' -M web --settings=yes
put "$run/web.nspawn" '[Exec]\nHostname=run\n'
plan 'one below /run goes before' '--settings=no --machine=web --hostname=run' -M web --settings=yes
put "$etc/web.nspawn" '[Exec]\nHostname=etc\n'
plan 'one below /etc goes before that, and they are not mixed' '--settings=no --machine=web --hostname=etc' -M web --settings=yes
plan 'the name may come of the tree' "--settings=no --directory=$store/web/ --hostname=etc" -D "$store/web/" --settings=yes
ln -s web "$store/link"
plan 'as the machine is named, so is the file' "--settings=no --directory=$store/link --hostname=etc" -D "$store/link" --settings=yes
is 'the current directory may be the tree' '--settings=no --hostname=etc' "$(cd "$store/web" && "$NL" plan --settings=yes)"
plan 'a name of another machine is another file' "--settings=yes --directory=$store/web --machine=other" -D "$store/web" -M other --settings=yes
put "$store/other.nspawn" '[Exec]\nHostname=o\n'
plan 'beside the tree stands the file of the name' "--settings=no --directory=$store/web --machine=other --hostname=o" \
	-D "$store/web" -M other --settings=yes
plan 'a plan that is fed back stays the same' '--settings=no --machine=web --hostname=etc' --settings=yes --machine=web --hostname=etc
like 'a name that leads out is refused, and nothing is read' '*Invalid machine name: ../x' "$("$NL" plan -M ../x --settings=yes 2>&1)"
rm "$etc/web.nspawn"
ln -s /dev/null "$etc/web.nspawn"
plan 'a link to /dev/null is a file without settings' '--settings=no --machine=web' -M web --settings=yes
rm "$etc/web.nspawn"
put "$tmp/there" '[Exec]\nHostname=there\n'
ln -s "$tmp/there" "$etc/web.nspawn"
plan 'a link below /etc is followed' '--settings=no --machine=web --hostname=there' -M web --settings=yes
rm "$etc/web.nspawn" "$run/web.nspawn"
for kind in link fifo folder loop; do
	rm -rf "$store/web.nspawn"
	case $kind in
	link) ln -s "$tmp/there" "$store/web.nspawn" ;;
	loop) ln -s web.nspawn "$store/web.nspawn" ;;
	fifo) mkfifo "$store/web.nspawn" ;;
	folder) mkdir "$store/web.nspawn" ;;
	esac
	for mode in yes override trusted; do
		is "beside the image a $kind is no file ($mode)" \
			'web.nspawn: not a plain file, so no settings are read from it; remove it' \
			"$(timeout 60 "$NL" plan -M web --settings=$mode 2>&1 | said)"
	done
done
rm -rf "$store/web.nspawn" "$store/other.nspawn"

# Here the rooms have their say too: the line is named
while IFS='|' read -r assignment text; do
	put "$etc/web.nspawn" "[Exec]\n$assignment\n"
	like "$assignment is an error of that line" "nspawn-lite: $etc/web.nspawn:2: $text" "$("$NL" plan -M web --settings=yes 2>&1)"
done <<'END'
LimitFOO=1|--rlimit=FOO=1: *
LimitNOFILE=many|--rlimit=NOFILE=many: *
KillSignal=SIGNAL|--kill-signal=SIGNAL: *
MachineID=x|--uuid=x: *
OOMScoreAdjust=2000|--oom-score-adjust=2000: *
CPUAffinity=a|--cpu-affinity=a: *
Hostname=a b|Invalid hostname: a b
Environment=1=2|--setenv=1=2: *
User=a/b|--user=a/b: *
END
while IFS='|' read -r section assignment text; do
	put "$etc/web.nspawn" "[$section]\n$assignment\n"
	like "$assignment is one, too" "nspawn-lite: $etc/web.nspawn:2: $text" "$("$NL" plan -M web --settings=yes 2>&1)"
done <<'END'
Exec|Capability=CAP_FOO|--capability=CAP_FOO: *
Exec|DropCapability=x|--drop-capability=x: *
Files|Bind=/a:b|--bind=/a:b: *
Files|TemporaryFileSystem=/a:bogus|--tmpfs=/a:bogus: *
Network|Zone=a/b|--network-zone=a/b: *
Network|MACVLAN=a b/c|--network-macvlan=b/c: *
END
rm "$etc/web.nspawn"

# ---- whom is believed --------------------------------------------------------------------------

while IFS='|' read -r section assignment want; do
	put "$store/web.nspawn" "[$section]\n$assignment\n"
	key=${assignment%%=*}
	case $want in
	'')	plan "not trusted: $assignment" "web.nspawn:2: $key= counts only in a file below /etc/systemd/nspawn or /run/systemd/nspawn, or with --settings=trusted; skipped${nl}--settings=no --machine=web" -M web --settings=yes ;;
	*)	plan "not trusted, and taken all the same: $assignment" "$want" -M web --settings=yes -q ;;
	esac
done <<'END'
Exec|Boot=yes|--quiet --settings=no --boot --machine=web
Exec|ProcessTwo=yes|--quiet --settings=no --as-pid2 --machine=web
Exec|Environment=A=1|--quiet --settings=no --setenv=A=1 --machine=web
Exec|User=nobody|--quiet --settings=no --user=nobody --machine=web
Exec|WorkingDirectory=/|--quiet --settings=no --chdir=/ --machine=web
Exec|DropCapability=CAP_KILL|--quiet --settings=no --machine=web --drop-capability=CAP_KILL
Exec|NoNewPrivileges=yes|--quiet --settings=no --machine=web --no-new-privileges=yes
Exec|NoNewPrivileges=no|--quiet --settings=no --machine=web
Exec|SystemCallFilter=~ptrace|--quiet --settings=no --machine=web '--system-call-filter=~ptrace'
Exec|RestrictAddressFamilies=AF_INET|--quiet --settings=no --machine=web --restrict-address-families=AF_INET
Exec|KillSignal=TERM|--quiet --settings=no --kill-signal=TERM --machine=web
Exec|NotifyReady=yes|--quiet --settings=no --notify-ready=yes --machine=web
Exec|Hostname=h|--quiet --settings=no --machine=web --hostname=h
Exec|ResolvConf=off|--quiet --settings=no --machine=web --resolv-conf=off
Exec|Timezone=off|--quiet --settings=no --machine=web --timezone=off
Exec|SuppressSync=yes|--quiet --settings=no --machine=web --suppress-sync=yes
Files|ReadOnly=yes|--quiet --settings=no --read-only --machine=web
Files|Volatile=overlay|--quiet --settings=no --volatile=overlay --machine=web
Exec|Ephemeral=yes|
Exec|Ephemeral=no|
Exec|Capability=CAP_SYS_TIME|
Exec|Capability=|
Exec|AmbientCapability=CAP_KILL|
Exec|MachineID=0123456789abcdef0123456789abcdef|
Exec|PrivateUsers=no|
Exec|SystemCallFilter=bpf|
Exec|LimitNOFILE=5|
Exec|OOMScoreAdjust=5|
Exec|CPUAffinity=0|
Exec|LinkJournal=host|
Files|Bind=/:/host|
Files|BindReadOnly=/:/host|
Files|TemporaryFileSystem=/a|
Files|Inaccessible=/a|
Files|Overlay=/a:/b:/c|
Files|OverlayReadOnly=/a:/b:/c|
Files|PrivateUsersOwnership=chown|
Files|PrivateUsersChown=yes|
Files|BindUser=me|
Network|Private=no|
Network|VirtualEthernet=yes|
Network|Interface=eth0|
Network|Zone=a|
Network|Port=tcp:80|
END
put "$store/web.nspawn" '[Files]\nBind=/a\n[Exec]\nCapability=CAP_SYS_TIME\n'
is '--settings=trusted believes all of it' '--bind=/a --capability=CAP_SYS_TIME' \
	"$("$NL" plan -M web --settings=trusted | tr ' ' '\n' | grep -e bind -e cap | tr '\n' ' ' | sed 's/ $//')"
like '--settings=override does not make a file trusted' '*Bind= counts only in a file*' \
	"$("$NL" plan -M web --settings=override 2>&1)"

# What restricts is not taken back by a file that is not trusted, not even by one that goes before
put "$store/web.nspawn" '[Exec]\nUser=root\nNoNewPrivileges=no\nDropCapability=CAP_KILL\nSystemCallFilter=~ptrace\nRestrictAddressFamilies=AF_INET AF_PACKET\n[Files]\nReadOnly=no\nVolatile=no\n'
plan 'restrictions are only added to' "--settings=no --read-only --volatile=yes --user=me --machine=web \
--drop-capability=CAP_MKNOD --drop-capability=CAP_KILL --no-new-privileges=yes '--system-call-filter=~bpf' \
'--system-call-filter=~ptrace' --restrict-address-families=AF_UNIX" --settings=override -M web --user=me \
	--no-new-privileges=yes --drop-capability=CAP_MKNOD --system-call-filter=~bpf --restrict-address-families=AF_UNIX \
	--read-only --volatile
mv "$store/web.nspawn" "$etc/web.nspawn"
plan 'one that is trusted may' "--settings=no --volatile=no --user=root --machine=web --drop-capability=CAP_KILL \
--no-new-privileges=no '--system-call-filter=~ptrace' '--restrict-address-families=AF_INET AF_PACKET'" \
	--settings=override -M web --user=me --no-new-privileges=yes --drop-capability=CAP_MKNOD --system-call-filter=~bpf \
	--restrict-address-families=AF_UNIX --read-only --volatile

# ---- groups are taken whole --------------------------------------------------------------------

put "$etc/web.nspawn" '[Exec]\nBoot=yes\nParameters=a b\nEnvironment=A=file\nUser=file\nCapability=CAP_SYS_TIME\nDropCapability=CAP_KILL
PrivateUsers=pick\nLimitNOFILE=5\nLimitCPU=6\nHostname=file\n[Files]\nBind=/file\nTemporaryFileSystem=/file\nPrivateUsersOwnership=map\n[Network]\nPrivate=yes\n'
# group SENTENCE PATTERN WANTED-yes WANTED-override WORD... : of the words that fit
group() {
	what=$1
	pattern=$2
	for mode in yes trusted override; do
		want=$3
		[ "$mode" != override ] || want=$4
		(
			shift 4
			words=$("$NL" plan -M web "--settings=$mode" "$@" 2>&1)
			is "$what ($mode)" "$want" "$(eval "set -- $words"; for w; do echo "$w"; done | grep -e "$pattern" |
				tr '\n' ' ' | sed 's/ $//')"
			is "$what ($mode), fed back" "$words" "$(eval "\"\$NL\" plan $words" 2>&1)"
		)
	done
}
start='^--boot\|^--as-pid2\|^--$\|^[a-z]*$'
group 'nothing said, the file starts it' "$start" '--boot -- a b' '--boot -- a b'
group 'a command is a start' "$start" '-- c d' '--boot -- a b' c d
group 'a boot is a start, without the parameters' "$start" '--boot' '--boot -- a b' -b
group 'an init of ours is a start' "$start" '--as-pid2 -- c' '--boot -- a b' -a c
group 'a boot that is taken back is a start' "$start" '' '--boot -- a b' --boot=no
group 'the environment' '^--setenv' '--setenv=B=line' '--setenv=A=file' -E B=line
group 'the user' '^--user' '--user=line' '--user=file' -u line
group 'the user by its other name' '^--user' '--user=line' '--user=file' --uid=line
group 'capabilities by one that is kept' 'capability' '--capability=CAP_CHOWN' \
	'--capability=CAP_SYS_TIME --drop-capability=CAP_KILL' --capability=CAP_CHOWN
group 'capabilities by one that is dropped' 'capability' '--drop-capability=CAP_CHOWN' \
	'--capability=CAP_SYS_TIME --drop-capability=CAP_KILL' --drop-capability=CAP_CHOWN
group 'mounts' '^--bind\|^--tmpfs\|^--over\|^--inacc' '--inaccessible=/line' '--bind=/file --tmpfs=/file' --inaccessible=/line
group 'users and owners' '^--private-users' '--private-users=no' '--private-users=pick --private-users-ownership=map' \
	--private-users=no
group 'users by their letter' '^--private-users' '--private-users=auto' \
	'--private-users=pick --private-users-ownership=map' -U
group 'users by their owners' '^--private-users' '--private-users-ownership=off' \
	'--private-users=pick --private-users-ownership=map' --private-users-ownership=off
group 'the network' 'network' '' '--private-network' --private-network=no
is 'limits are taken one by one, the file behind' '--rlimit=CPU=6 --rlimit=RLIMIT_NOFILE=7' \
	"$("$NL" plan -M web --settings=yes --rlimit=RLIMIT_NOFILE=7 | tr ' ' '\n' | grep rlimit | tr '\n' ' ' | sed 's/ $//')"
is 'limits are taken one by one, the file before' '--rlimit=CORE=1 --rlimit=NOFILE=5 --rlimit=CPU=6' \
	"$("$NL" plan -M web --settings=override --rlimit=RLIMIT_NOFILE=7 --rlimit=CORE=1 |
		tr ' ' '\n' | grep rlimit | tr '\n' ' ' | sed 's/ $//')"
group 'a host name is of its own' '^--host' '--hostname=line' '--hostname=file' --hostname=line
put "$etc/web.nspawn" '[Network]\nPrivate=no\n'
group 'a file with any key of the network decides on it' 'network\|-users' '--private-users=auto --private-network' \
	'--private-users=auto' --private-network -U
group 'nor is there a link that only the command line has' 'network' '--network-veth' '' -n
is 'and a port without one is refused' 'nspawn-lite: Cannot use --port= without private networking.' \
	"$("$NL" plan -M web --settings=override -n -p 80 2>&1)"
put "$etc/web.nspawn" '[Network]\nZone=a\n'
group 'links are not mixed' 'network\|port' '--network-bridge=b --port=80' '--network-zone=a --port=80' --network-bridge=b -p 80
put "$etc/web.nspawn" '[Network]\nPort=443\n'
group 'ports are of their own' 'network\|port' '--network-bridge=b --port=80' '--network-bridge=b --port=443' --network-bridge=b -p 80
put "$etc/web.nspawn" '[Exec]\nHostname=h\n'
group 'a file without one does not' 'network\|boot\|^-*bind\|cap' \
	'--bind=/a --boot --private-network --capability=all' '--bind=/a --boot --private-network --capability=all' \
	--private-network -b --bind=/a --capability=all
put "$etc/web.nspawn" '[Exec]\nPrivateUsers=pick\n'
like 'what may not be combined is found in what comes out' '*Cannot combine --private-users with read-write mounts.' \
	"$("$NL" plan -M web --settings=yes --api-vfs-writable=yes 2>&1)"
is 'no users may be combined with that' '--private-users=no --api-vfs-writable=yes' \
	"$("$NL" plan --private-users=no --api-vfs-writable=yes 2>&1)"
rm -f "$etc"/* "$store"/*.nspawn

# ---- compiled in ---------------------------------------------------------------------------------

if ! command -v "${MAKE:-make}" >/dev/null || ! command -v "${HOSTCC:-cc}" >/dev/null || [ ! -e "$TOP/Makefile" ]; then
	skip 'files of settings are compiled in' 'no make'
else
	mkdir "$tmp/d"
	# build : as it prints nothing, warnings are seen
	build() {
		(
			unset MAKEFLAGS MFLAGS MAKELEVEL
			"${MAKE:-make}" -s -j2 -C "$TOP" O="$tmp/o" NSPAWN="$tmp/d" CONFIG="$tmp/c.h" CFLAGS=-O0 all
		) 2>&1
	}
	cat >"$tmp/c.h" <<-'END'
	#include "config.h"
	#undef DEFAULTS
	#define DEFAULTS "--read-only", "--drop-capability=CAP_MKNOD", "--bind=/default"
	END
	put "$tmp/d/web.nspawn" '[Exec]\nBoot=no\nParameters=sh -c "echo \\\\" \0303\0244 ??=\nEnvironment="A=\\"\\\\x01\\n"
LimitCPU=5\nCapability=CAP_CHOWN\n[Files]\nBind=/a b\n'
	put "$tmp/d/empty.nspawn" ''
	is 'a folder of files compiles' '' "$(build)"
	for file in web empty; do
		cp "$tmp/d/$file.nspawn" "$etc"
		for line in '' '-b' '-x --capability=all' '-E B=1 --rlimit=CPU=7 --bind=/line c d'; do
			# shellcheck disable=SC2086 # words
			is "compiled in, $file is as read by --settings=override ($line)" \
				"$("$tmp/o/nspawn-lite" plan -M $file --settings=override $line | sed 's/--settings=[a-z]* *//')" \
				"$(rm "$etc/$file.nspawn"; "$tmp/o/nspawn-lite" plan -M $file $line; cp "$tmp/d/$file.nspawn" "$etc")"
		done
		rm "$etc/$file.nspawn"
	done
	is '--settings=yes lets the command line go before it' "'--setenv=B=1'" \
		"'$("$tmp/o/nspawn-lite" plan -M web --settings=yes -E B=1 | tr ' ' '\n' | grep setenv)'"
	unlike '--settings=no leaves out what was compiled in' '*setenv*' "$("$tmp/o/nspawn-lite" plan -M web --settings=no)"
	is 'so does --no-defaults' '--no-defaults --machine=web' "$("$tmp/o/nspawn-lite" plan -M web --no-defaults)"
	is 'with that nothing of it is read' '--settings=override --no-defaults --machine=web' \
		"$("$tmp/o/nspawn-lite" plan -M web --no-defaults --settings=override)"
	put "$etc/web.nspawn" '[Exec]\nHostname=etc\n'
	like 'a file goes before it, when it is read' '*--hostname=etc*' "$("$tmp/o/nspawn-lite" plan -M web --settings=yes)"
	rm "$etc/web.nspawn"
	put "$store/web.nspawn" '[Exec]\nHostname=beside\n'
	unlike 'one beside the image does not' '*beside*' "$("$tmp/o/nspawn-lite" plan -M web --settings=yes)"
	rm "$store/web.nspawn" "$tmp/d/empty.nspawn"
	put "$tmp/d/web.nspawn" '[Exec]\nHostname=new\n'
	is 'a folder that was changed compiles again' '' "$(build)"
	like 'and that is seen' '*--hostname=new*' "$("$tmp/o/nspawn-lite" plan -M web)"
	put "$tmp/d/web.nspawn" '[Exec]\nBoot=maybe\n'
	like 'a bad file stops the build, with a line that names it' "*$tmp/d/web.nspawn:2: Boot=maybe: not yes or no*" "$(build)"
	put "$tmp/d/web.nspawn" ''
	mv "$tmp/d/web.nspawn" "$tmp/d/a b.nspawn" 2>/dev/null
	rm -f "$tmp/d/"*
	put "$tmp/d/.nspawn" ''
	put "$tmp/d/-.nspawn" ''
	like 'so does a name that no machine can have' "*$tmp/d/-.nspawn: not named NAME.nspawn, after a machine*" "$(build)"
fi

# ---- seen from inside ------------------------------------------------------------------------------

if [ "$(id -u)" != 0 ]; then
	skip 'a machine has what its file says' 'not root'
	done_testing
fi
t=$(tree busybox guest) || exit
side=${t%/*}/guest.nspawn
put "$side" '[Exec]\nBoot=no\nParameters=/bin/sh -c "echo $A $(hostname)"\nEnvironment=A=file\nHostname=h\n'
is 'a machine has what its file says' 'file h' "$(timeout 60 "$NL" -q -D "$t" --settings=yes)"
is 'the command line goes before it' 'line h' \
	"$(timeout 60 "$NL" -q -D "$t" --settings=yes -E A=line /bin/sh -c 'echo $A $(hostname)')"
run timeout 60 "$NL" -q -D "$t" /bin/echo x
is 'one that is not read is named in a line' "x|nspawn-lite: $side is not read; say --settings=yes or =override, or =no, which hushes this" \
	"$out|$err"
run timeout 60 "$NL" -q -D "$t" --settings=no /bin/echo x
is '--settings=no hushes that' 'x|' "$out|$err"
run timeout 60 "$NL" -q -x -D "$t" /bin/echo x
like 'an ephemeral machine has the same file' "*$side is not read*" "$err"
put "$side" '[Files]\nBind=/:/host\n'
run timeout 60 "$NL" -q -D "$t" --settings=yes /bin/ls /host
like 'what lies beside the tree gets nothing of the host' '*Bind= counts only in a file*skipped*' "$err"
like 'and there is nothing' '*/host*' "$err"
done_testing
