#!/bin/sh
# Owners of a tree are shifted: all that has one, all that depends on one, and
# nothing outside. Then it is ended at each system call and done again.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need setfacl getfacl setcap getcap setfattr
shift=$(program shift)
step=$(program step)
nl='
'
# Links lead nowhere but to files of ours: a program that follows them is to do no harm
echo own >"$T/victim"

# list DIR : all that a shift could change, and what it must not
list() {
	(
		cd "$1" || exit
		# of directories the size is the file system's affair
		find . -type d -exec stat -c '%n: %a %u %g %y %F' {} + | sort
		find . ! -type d -exec stat -c '%n: %a %u %g %y %F %s %h %N' {} + | sort
		find . ! -type l -exec getfacl -pn {} + | sed '/^# owner/d; /^# group/d'
		find . -type f -exec getcap -n {} + | sort
		find . ! -type l -exec getfattr -dh -m 'user|trusted' {} + | sort
	)
}
# moved BASE : such a list with its ids in that base
moved() {
	awk -v base="$1" '
		function to(id) { return base + id % 65536 }
		/^(default:)?(user|group):[0-9]+:/ { split($0, f, ":"); i = /^default/ ? 3 : 2
			sub(":" f[i] ":", ":" to(f[i]) ":"); print; next }
		/: [0-7]+ [0-9]+ [0-9]+ / { match($0, /: [0-7]+ [0-9]+ [0-9]+ /)
			split(substr($0, RSTART, RLENGTH), f, " ")
			$0 = substr($0, 1, RSTART) " " f[2] " " to(f[3]) " " to(f[4]) " " substr($0, RSTART + RLENGTH) }
		/ cap_/ { sub(/ \[rootid=[0-9]+\]/, ""); if (base) $0 = $0 " [rootid=" base "]" }
		{ print }'
}
# same FILE FILE : prints how they differ
same() { diff "$1" "$2" | grep '^[<>+-]' | head -n 5; }

# small DIR : one of each
small() {
	mkdir -p "$1/dir/sub" "$1/sticky"
	(
		cd "$1" || exit
		for f in plain setuid setgid both caps group-caps acl dir/file; do echo $f >$f; done
		ln setuid dir/hardlink
		ln -s "$T/victim" link
		ln -s nowhere dangling
		mkfifo -m 620 fifo
		chown 0:5 fifo
		chown 1:2 plain
		chown 0:42 setgid both dir
		chown -h 33:33 link
		chown 100:101 dir/sub
		chmod 4755 setuid
		chmod 2755 setgid
		chmod 6711 both
		chmod 2775 dir
		chmod 1777 sticky
		setcap cap_net_raw+ep caps
		chown 0:7 group-caps
		chmod 2750 group-caps
		setcap cap_chown,cap_kill+ei group-caps
		setfacl -m u:1000:rw,g:4:r acl
		setfacl -m u:1001:rx,d:u:1002:rwx,d:g:5:x dir
		setfattr -n user.note -v kept plain
		touch -hd '2001-02-03 04:05:06' ./* dir/* .
	)
}

s=$T/small
small "$s" 2>"$T/err" || skip_all "no such attributes in $T: $(cat "$T/err")"
list "$s" >"$T/base0"
moved 1245184 <"$T/base0" >"$T/want"
ok 'a tree is shifted' "$shift" "$s" 1245184
list "$s" >"$T/got"
is 'owners, ACLs and capabilities are those of the base, and nothing else changed' '' "$(same "$T/want" "$T/got")"
is 'the list shows capabilities of the base' 2 "$(grep -c 'rootid=1245184' "$T/got")"
ok 'again' "$shift" "$s" 1245184
list "$s" >"$T/got"
is 'it was right already' '' "$(same "$T/want" "$T/got")"
ok 'to another base' "$shift" "$s" 655360
list "$s" >"$T/got"
moved 655360 <"$T/base0" >"$T/want"
is 'low 16 bits stay' '' "$(same "$T/want" "$T/got")"
ok 'and back to 0' "$shift" "$s" 0
list "$s" >"$T/got"
is 'it is as it was' '' "$(same "$T/base0" "$T/got")"
for base in 1 65535 4294901760; do
	is "base $base is refused" 'nspawn-lite: .: Invalid argument' "$("$shift" "$s" $base 2>&1)"
done
list "$s" >"$T/got"
is 'and changes nothing' '' "$(same "$T/base0" "$T/got")"

# ---- all kinds -----------------------------------------------------------------

a=$T/all
mkdir "$a" "$a/far"
for id in 65534 65535 65536 100000 2147483648 4294967294; do
	: >"$a/far/$id"
	chown $id:$id "$a/far/$id"
done
ok 'ids beyond 16 bits' "$shift" "$a" 131072
is 'lose what is above them' '100000 165536,131072 0,2147483648 0' \
	"$(stat -c '%n %u' "$a"/far/* | sed 's|.*/||' | awk '
		{ w[$1] = $2 } END { printf "100000 %d,131072 %d,2147483648 %d", w["100000"], w["65536"] - 131072, w["2147483648"] - 131072 }')"
is 'those of 4294967294 are the last but one of the range' 196606:196606 "$(stat -c %u:%g "$a/far/4294967294")"
python_socket() { perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un($ARGV[0])) or die' "$1"; }
python_socket "$a/socket"
mknod "$a/null" c 1 3
mknod "$a/loop" b 7 99
: >"$a/new${nl}line"
: >"$a/$(printf 'bytes\377\001')"
ln -s "$T/victim" "$a/link"
mkdir "$T/beside"
ln -s "$T/beside" "$a/link-to-dir"
ok 'sockets, devices, odd names' "$shift" "$a" 196608
is 'belong to the base' 196608:196608 "$(find "$a" -maxdepth 1 -exec stat -c %u:%g {} + | sort -u)"
is 'what links point to does not' 0:0 "$(stat -c %u:%g "$T/victim")"
is 'nor does a directory' 0:0 "$(stat -c %u:%g "$T/beside")"

mkdir "$T/deep"
ok 'a tree 3000 deep' "$shift" deep "$T/deep" 3000
ok 'is shifted' "$shift" "$T/deep" 196608
is 'to its end' '3001 196608:196608 4755' "$("$shift" owner "$T/deep")"
# shellcheck disable=SC3045 # every shell we meet has it
is 'with a handful of descriptors' '' "$(ulimit -n 24; "$shift" "$T/deep" 0 2>&1)"
is 'to its end again' '3001 0:0 4755' "$("$shift" owner "$T/deep")"
/bin/rm -rf "$T/deep"  # a shell's own may fail

mkdir "$T/wide"
(cd "$T/wide" && seq 20000 | xargs touch && mkdir d && cd d && seq 2000 | xargs mkdir)
ok 'a directory of 20000 files, and one of 2000 directories' "$shift" "$T/wide" 196608
is 'is shifted' '22002 196608' "$(find "$T/wide" -exec stat -c %u {} + | sort | uniq -c | sed 's/^ *//')"
if "$step" works 2>/dev/null; then
	NSPAWN_LITE_DENY='' "$step" kill 1000000 "$T/hit" "$shift" "$T/wide" 196608
	read -r _ calls <"$T/hit"
	is 'one call for each file that is right already' yes \
		"$([ "$calls" -gt 20000 ] && [ "$calls" -lt $((20000 + 2001 * 9 + 1000)) ] && echo yes || echo "$calls")"
else
	skip 'one call for each file that is right already' 'stepping is for x86_64 and Linux 5.3'
fi

# ---- other file systems -----------------------------------------------------------

# alone COMMAND : in a mount namespace of its own
alone() { unshare -m --propagation=private sh -c "$@" 2>&1; }
mkdir -p "$T/m/mnt" "$T/m/a"
: >"$T/m/a/file"
# shellcheck disable=SC2016 # for the inner shell
for way in '' statx,new; do
	"$shift" "$T/m" 0
	is "what is mounted in it stays, and is told of (denied: ${way:-none})" "mounted: mnt 196608 0 0 196608 0 " \
		"$(NSPAWN_LITE_DENY=$way alone 'mount -t tmpfs t "$2/mnt" && mkdir "$2/mnt/d" && : >"$2/mnt/f" && "$1" "$2" 196608 &&
			stat -c %u "$2/a" "$2/mnt" "$2/mnt/f" "$2" "$2/mnt/d"' - "$shift" "$T/m" | tr '\n' ' ')"
	"$shift" "$T/m" 0
	is "a bind mount of the same file system too (denied: ${way:-none})" "mounted: a 0 0 196608 " \
		"$(NSPAWN_LITE_DENY=$way alone 'mount --bind "$3" "$2/a" && "$1" "$2" 196608 && stat -c %u "$2/a" "$3" "$2"' - \
			"$shift" "$T/m" "$s" | tr '\n' ' ')"
done
mkdir "$T/ram" "$T/upper" "$T/work" "$T/over"
# shellcheck disable=SC2016
is 'without attributes bits are kept' '' "$(alone '
	mount -t ramfs r "$2" && cd "$2" && mkdir d && echo x >d/f && echo y >g && chmod 4755 g && chmod 6711 d/f && touch -d "2001-02-03 04:05:06" d d/f g . &&
	"$1" . 196608 && find . -exec stat -c "%n %a %u %y" {} + | sort' - "$shift" "$T/ram" >"$T/got"
	printf '%s 196608 2001-02-03 04:05:06.000000000 +0000\n' '. 755' './d 755' './d/f 6711' './g 4755' >"$T/want"
	same "$T/want" "$T/got")"
# shellcheck disable=SC2016
over=$(alone '
	mount -t overlay -o "lowerdir=$2,upperdir=$3,workdir=$4" o "$5" || exit
	"$1" "$5" 1245184' - "$shift" "$s" "$T/upper" "$T/work" "$T/over")
case $over in
*mount:*) skip 'an overlay' "${over#*mount: }" ;;
*)	is 'an overlay' '' "$over"
	# shellcheck disable=SC2016
	alone 'mount -t overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" o "$4" && cd "$4" && find . ! -path ./dir/hardlink ! -path ./setuid -exec stat -c "%n: %a %u %g %F" {} + |
		sort' - "$s" "$T/upper" "$T/work" "$T/over" >"$T/got"
	(cd "$s" && find . ! -path ./dir/hardlink ! -path ./setuid -exec stat -c '%n: %a %u %g %F' {} +) | sort | moved 1245184 >"$T/want"
	is 'is shifted' '' "$(same "$T/want" "$T/got")"
	list "$s" >"$T/got"
	is 'and what is below it is not' '' "$(same "$T/base0" "$T/got")" ;;
esac

# ---- what cannot be --------------------------------------------------------------------

if chattr +i "$s/dir/file" 2>/dev/null; then
	run "$shift" "$s" 1245184
	is 'a file that is immutable is named' "1 nspawn-lite: dir/file: Operation not permitted" "$rc $err"
	is 'and the root is not shifted yet' 0 "$(stat -c %u "$s")"
	chattr -i "$s/dir/file"
	ok 'done again it is shifted' "$shift" "$s" 1245184
	list "$s" >"$T/got"
	moved 1245184 <"$T/base0" >"$T/want"
	is 'all of it' '' "$(same "$T/want" "$T/got")"
	"$shift" "$s" 0
else
	skip 'a file that is immutable is named' "no chattr in $T"
fi
# shellcheck disable=SC2016
like 'a read-only file system is told of' "nspawn-lite: *: Read-only file system" \
	"$(alone 'mount --bind "$2" "$2" && mount -o remount,bind,ro "$2" && "$1" "$2" 1245184' - "$shift" "$s")"

# ---- a journal that is none of ours ---------------------------------------------------------

# forged CHANGE : what becomes of a plain file, when such a journal is there
forged() {
	rm -rf "$T/forged"
	mkdir "$T/forged"
	: >"$T/forged/plain"
	"$shift" forge "$T/forged" plain
	(cd "$T/forged" && eval "$1")
	"$shift" "$T/forged" 1245184
	stat -c %a "$T/forged/plain"
}
is 'what we have written down before is believed' 4644 "$(forged :)"
is 'what somebody in the tree has is not' 644 "$(forged 'chown 1000 .nspawn-lite-shift')"
is 'nor when all may write to it' 644 "$(forged 'chmod 622 .nspawn-lite-shift')"
is 'nor a file of two names' 644 "$(forged 'ln .nspawn-lite-shift other')"
is 'nor one by a link' 644 "$(forged 'mv .nspawn-lite-shift other; ln -s other .nspawn-lite-shift')"
is 'nor a FIFO, which hangs nothing' 644 "$(forged 'rm .nspawn-lite-shift; mkfifo -m 600 .nspawn-lite-shift')"

# ---- somebody who moves what we walk in ----------------------------------------------------

mkdir -p "$T/race/d" "$T/host"
for f in 1 2 3 4 5 6 7 8; do : >"$T/race/d/f$f"; : >"$T/host/f$f"; done
ln -s "$T/host" "$T/race/e"
"$shift" swap "$T/race/d" "$T/race/e" 2>"$T/err" &
swapper=$!
# shellcheck disable=SC2317
chown_by_path() {
	chown 5:5 "$T/race/d/f1"
	[ "$(stat -c %u "$T/host/f1")" = 5 ]
}
ok 'who changes owners by path is led out' wait_for chown_by_path
chown 0:0 "$T/host/f1"
i=0
wrong=''
while [ $i -lt 150 ]; do
	i=$((i + 1))
	wrong=$wrong$("$shift" "$T/race" 196608 2>&1)$("$shift" "$T/race" 0 2>&1)
	wrong=$wrong$(stat -c %u "$T/host" "$T/host/f1" "$T/host/f8" | grep -vx 0)
done
kill "$swapper"
wait "$swapper" 2>/dev/null
is 'we are not' '' "$wrong$(cat "$T/err")"

# ---- ended at every call -----------------------------------------------------------------------

# ended MAKE CHECK : a fresh tree, ended at every call, then done again; at every fifth it is ended a second time
ended() {
	k=0
	most=5
	while :; do
		k=$((k + 1))
		rm -rf "$T/step"
		/bin/cp -a "$T/origin" "$T/step"  # a shell's own may copy no attributes
		"$step" kill $k "$T/hit" "$shift" "$T/step" 1245184
		read -r hit _ <"$T/hit"
		[ "$hit" != end ] || break
		[ "$(stat -c %u "$T/step")" = 0 ] || list "$T/step" | cmp -s - "$T/want" || echo "call $k: the root belongs to the base too early"
		case $k in
		*[05])	"$step" kill $((k * 7 % 150 + 20)) "$T/hit" "$shift" "$T/step" 655360 ;;
		esac
		"$shift" "$T/step" 1245184 || echo "call $k: status $?"
		list "$T/step" >"$T/got"
		if ! cmp -s "$T/want" "$T/got"; then
			echo "call $k: $(same "$T/want" "$T/got")"
			most=$((most - 1))
			[ $most -gt 0 ] || break
		fi
	done
	echo $k >"$T/cases"
}
if "$step" works 2>/dev/null; then
	/bin/cp -a "$s" "$T/origin"
	rm -f "$T/origin/sticky" "$T/origin/dangling" "$T/origin/fifo" 2>/dev/null
	list "$T/origin" | moved 1245184 >"$T/want"
	wrong=$(ended)
	read -r cases <"$T/cases"
	is "ended at each call and done again, all is as if done at once ($cases calls)" '' "$wrong"
	# shellcheck disable=SC2016
	wrong=$(alone '
		cd "$3" && mount -t ramfs r "$3" && cd "$3" && k=0
		while k=$((k + 1)); do for second in $((k % 3 ? 0 : k % 40 + 20)) 28; do
			rm -rf t; mkdir t; echo x >t/f; chmod 4711 t/f; echo y >t/g; chmod 2755 t/g; touch -d "2001-02-03 04:05:06" t/f t/g
			"$2" kill $k hit "$1" t 196608; read -r hit call _ <hit; [ "$hit" != end ] || break 2
			[ $second = 0 ] || "$2" kill $second hit "$1" t 655360
			"$1" t 196608
			[ "$(cd t; stat -c "%n %a %u," * | tr "\n" " ")$(ls -A t | wc -l) $(stat -c %u t)" = "$4" ] || echo "call $k, $call, $second: $(ls -lan t)"
		done; done' - "$shift" "$step" "$T/ram" 'f 4711 196608, g 2755 196608, 2 196608')
	is 'and without attributes' '' "$wrong"
else
	skip 'ended at each call and done again, all is as if done at once' 'stepping is for x86_64 and Linux 5.3'
fi
done_testing
