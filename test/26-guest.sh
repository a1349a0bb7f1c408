#!/bin/sh
# Root in a guest tries all ways to the host that test/hostile.c knows. Each is
# first tried on the host: only what is seen to work there can be stopped.
# HOSTILE_PLAIN and HOSTILE_USERNS are the options of such guests.
# With --peers: a table of what others stop, of those that are installed.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need unshare
hostile=$(program hostile)
escape=$(program escape)
t=$(tree busybox)
cp "$hostile" "$t/bin/hostile"
cp "$escape" "$t/bin/escape"
mark=$T/mark
echo secret >"$mark"
me=hostile$$
: "${HOSTILE_PLAIN=}" "${HOSTILE_USERNS=--private-users=pick}" "${HOSTILE_CHOWN=--private-users=pick --private-users-ownership=chown}"
guest() { timeout 120 "$NL" -q -a -M "$me" -D "$t" "$@" </dev/null; }

# ---- on the host -------------------------------------------------------------------

mkfifo "$T/hold" "$T/said"
"$hostile" hold "$me" "$T/unread" hostile-victim <"$T/hold" >"$T/said" &
holder=$!
exec 9>"$T/hold"
cat "$T/said" >"$T/facts"
"$hostile" facts "$mark" >>"$T/facts"
stat -Lc 'rt=%D:%i' "$NL" >>"$T/facts"
words=$(cat "$T/facts")
# one of ours that runs, to be seen
mkfifo "$T/up" "$T/stay"
"$NL" -q -M "$me-other" -P -D "$(tree busybox)" sh -c 'echo up; read -r x' <"$T/stay" >"$T/up" &
other=$!
exec 8>"$T/stay"
timeout 60 head -n 1 <"$T/up" >"$T/is-up"

# on the host itself, but for its mounts and its name, and with a descriptor and a socket nobody reads
# shellcheck disable=SC2086 # words are words
NOTIFY_SOCKET=$T/unread unshare -m -u --propagation private "$hostile" try $words control=y "caps=$T/caps" 7<"$mark" >"$T/control"
rm -f "$T/caps"
rmdir /tmp/hostile 2>/dev/null

# ---- in guests ------------------------------------------------------------------------

# state : what a guest must not change
state() {
	uname -n
	grep -c hostile-mount /proc/self/mountinfo
	cksum "$NL"
	cat /proc/sys/kernel/core_pattern
}
state >"$T/before"
# attempt MODE OPTION...
attempt() {
	mode=$1
	shift
	# shellcheck disable=SC2086
	guest "$@" hostile try $words >"$T/$mode" 2>"$T/$mode.err" || echo "status $?" >>"$T/$mode.err"
	state >"$T/after"
	is "$mode: the host's name, mounts and files are as they were" '' "$(diff "$T/before" "$T/after")"
	is "$mode: no way leads to the mark" '0 ways out' "$(guest "$@" escape "$mark" 2>/dev/null | sed -n 's/ of .*//; $p')"
	rm -f "$t/hostile-caps"
}
# said FILE NAME : the second word of what was said of it, then the rest
said() { sed -n "s/^$2 //p" "$1"; }
# judged MODE COLUMN
judged() {
	mode=$1
	column=$2
	if [ ! -s "$T/$mode" ]; then
		is "$mode: a guest runs" '' "$(cat "$T/$mode.err")"
		return
	fi
	while read -r name plain userns network reason; do
		case $name in \#*|'') continue ;; esac
		case $column in 1) want=$plain ;; 2) want=$userns ;; 3) want=$network ;; esac
		control=$(said "$T/control" "$name")
		got=$(said "$T/$mode" "$name")
		case $control in
		open*)	;;
		*)	skip "$mode: $name" "not to be seen on this host: $control"
			continue ;;
		esac
		case $want in
		own)	unlike "$mode: $name can be tried" none "${got%% *}" ;;
		shut)	unlike "$mode: $name is shut" 'open*' "${got:-open: nothing was said}" ;;
		# what remains may be stopped by a kernel or a host that allows less
		open)	case $got in
			open*)	result ok "$mode: $name remains possible: $reason" ;;
			*)	result ok "$mode: $name remains possible, but not here ($got)" ;;
			esac ;;
		esac
	done <"$TESTDIR/hostile.want"
}
grep -q -m 1 . "$T/control" || skip_all "nothing can be tried: $(cat "$T/control")"
is 'what is tried is what is known' "$("$hostile" names)" "$(sed '/^#/d; s/[[:space:]].*//' "$TESTDIR/hostile.want")"


# ---- a terminal, files on disk -------------------------------------------------------

# typed WORD... : run on a terminal; what its shell reads then
typed() {
	"$PTY" -t 60 -e 'wait ready' -e 'send typed\r' -e exit -- "$T/on-terminal" "$T/read" "$@" >"$T/.pty" 2>&1
	cat "$T/read"
}
cat >"$T/on-terminal" <<-'END'
	#!/bin/sh
	to=$1
	shift
	"$@" 2>&1
	echo ready
	read -r line
	echo "$line" >"$to"
END
chmod 755 "$T/on-terminal"
terminals() {
	if [ "$(typed "$hostile" type INJECTED)" != INJECTED ]; then
		skip 'nothing is typed on the terminal of the host' 'not to be seen on this host'
		return
	fi
	for o in '' "$HOSTILE_USERNS"; do
		for c in '' --console=pipe; do
			# shellcheck disable=SC2086
			is "nothing is typed on the terminal of the host ($o $c)" typed \
				"$(typed "$NL" -q -M "$me" -D "$t" $o $c hostile type INJECTED)"
		done
	done
}
# The first thing that runs must be alone, each time
company() {
	for o in "$HOSTILE_PLAIN" "$HOSTILE_USERNS"; do
		i=0
		while [ $i -lt 20 ]; do
			i=$((i + 1))
			# shellcheck disable=SC2086
			timeout 60 "$NL" -q -M "$me" -D "$t" $o hostile only company </dev/null 2>&1
		done | sort | uniq -c | sed 's/^ *//' >"$T/.company"
		is "who made the machine is gone before it begins ($o)" '20 company shut only ours' "$(cat "$T/.company")"
	done
}
# A file with capabilities, made inside: whose they are on the host
disk() {
	command -v getcap >/dev/null 2>&1 || return
	chowned=$(tree busybox)
	cp "$hostile" "$chowned/bin/hostile"
	run guest hostile only file-caps
	like 'capabilities that a guest gives a file can be seen on the host' '*cap_net_raw*' "$(getcap -n "$t/hostile-caps")"
	rm -f "$t/hostile-caps"
	# shellcheck disable=SC2086
	run timeout 120 "$NL" -q -M "$me" -D "$chowned" $HOSTILE_CHOWN hostile only file-caps
	like 'with owners shifted they are not for the host' '*cap_net_raw*rootid=*' "$(getcap -n "$chowned/hostile-caps")"
}

# ---- others ----------------------------------------------------------------------------

# spec USERNS : a bundle's config as crun itself writes it, for our words
spec() {
	rm -f "$T/bundle/config.json"
	(cd "$T/bundle" && crun spec) || return
	# shellcheck disable=SC2086
	args=$(printf ', "%s"' $words)
	sed -e 's/"terminal": true/"terminal": false/' -e "s|\"sh\"|\"/bin/hostile\", \"try\"$args|" -e 's/"readonly": true/"readonly": false/' \
		"$T/bundle/config.json" >"$T/bundle/config.new"
	if [ "$1" = userns ]; then
		sed -e 's|"namespaces": \[|"uidMappings": [ { "containerID": 0, "hostID": 655360, "size": 65536 } ],\
			"gidMappings": [ { "containerID": 0, "hostID": 655360, "size": 65536 } ], "namespaces": [ { "type": "user" },|' \
			"$T/bundle/config.new" >"$T/bundle/config.json"
	else
		mv "$T/bundle/config.new" "$T/bundle/config.json"
	fi
}
# one_kind COMMAND : crun refuses a host with both kinds of control groups; it is shown one
one_kind() {
	# shellcheck disable=SC2016
	timeout 120 unshare -m sh -c '[ ! -e /sys/fs/cgroup/unified ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$@"' - "$@"
}
# shellcheck disable=SC2086
peer() {
	words=$(sed '/^rt=/d' "$T/facts"; stat -Lc 'rt=%D:%i' "$(command -v "$command")")
	case $1 in
	ours)	guest $HOSTILE_PLAIN hostile try $words ;;
	ours-U)	guest $HOSTILE_USERNS hostile try $words ;;
	nspawn)	timeout 120 systemd-nspawn -q -a -M "$me" -D "$t" --register=no --keep-unit hostile try $words ;;
	nspawn-U) timeout 120 systemd-nspawn -q -a -M "$me" -D "$chowned" --register=no --keep-unit -U hostile try $words ;;
	crun)	spec plain && one_kind crun --cgroup-manager=disabled run -b "$T/bundle" "$me" ;;
	crun-U)	spec userns && one_kind crun --cgroup-manager=disabled run -b "$T/bundle" "$me" ;;
	bwrap)	timeout 120 bwrap --bind "$t" / --proc /proc --dev /dev --unshare-all --share-net hostile try $words ;;
	bwrap-U) timeout 120 setpriv --reuid 1000 --regid 1000 --clear-groups bwrap --bind "$T/open" / --proc /proc --dev /dev \
			--unshare-all --share-net --uid 0 --gid 0 --cap-add ALL hostile try $words ;;
	esac </dev/null >"$T/peer.$1" 2>"$T/peer.$1.err"
	rm -f "$t/hostile-caps"
}
peers() {
	chowned=$(tree busybox)
	cp "$hostile" "$chowned/bin/hostile"
	mkdir "$T/bundle"
	cp -a "$t" "$T/bundle/rootfs"
	chown -R 655360:655360 "$T/bundle/rootfs"
	cp -a "$t" "$T/open"
	chown -R 1000:1000 "$T/open"
	chmod 755 "$T/open"
	list=''
	for p in ours ours-U nspawn nspawn-U crun crun-U bwrap bwrap-U; do
		case $p in nspawn*) command=systemd-nspawn ;; ours*) command=$NL ;; *) command=${p%-U} ;; esac
		command -v "$command" >/dev/null 2>&1 || continue
		peer "$p"
		if [ -s "$T/peer.$p" ]; then
			list="$list $p"
		else
			note "$p: $(head -n 3 "$T/peer.$p.err")"
		fi
	done
	# shellcheck disable=SC2086
	{
		printf '%-15s' attempt
		printf ' %8s' $list
		echo
		"$hostile" names | while read -r name; do
			case $(said "$T/control" "$name") in open*) ;; *) continue ;; esac
			case $name in hostname|propagation) continue ;; esac
			printf '%-15s' "$name"
			for p in $list; do
				got=$(said "$T/peer.$p" "$name")
				case $got in open*) printf ' %8s' open ;; '') printf ' %8s' '?' ;; *) printf ' %8s' . ;; esac
			done
			echo
		done
		printf '%-15s' 'open in all'
		for p in $list; do
			n=0
			for name in $("$hostile" names); do
				case $name in hostname|propagation) continue ;; esac
				case $(said "$T/control" "$name"):$(said "$T/peer.$p" "$name") in open*:open*) n=$((n + 1)) ;; esac
			done
			printf ' %8s' $n
		done
		echo
	} >&2
}

if [ "${1:-}" = --peers ]; then
	peers
	result ok 'a table of what others stop'
else
	# shellcheck disable=SC2086
	attempt plain $HOSTILE_PLAIN
	judged plain 1
	# shellcheck disable=SC2086
	attempt userns $HOSTILE_USERNS
	judged userns 2
	# shellcheck disable=SC2086
	attempt network $HOSTILE_USERNS --private-network
	judged network 3
	company
	terminals
	disk
fi
exec 8>&- 9>&-
wait "$other" "$holder"
done_testing
