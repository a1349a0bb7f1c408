#!/bin/sh
# Files into a running machine and out, and binds: owners, times and all else on
# the way, what is in the way, guests that change all of it meanwhile.
# shellcheck disable=SC2016,SC2317 # for the shell inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
need setfacl setcap setfattr nsenter unshare
copy=$(program copy)
flip=$(program flip)
t=$(tree busybox) || exit
h=$T/h	# of the host
mkdir "$h"
leftovers_before

# begin NAME OPTION... : a machine that waits
begin() {
	m=$1
	shift
	: >"$T/up"
	"$NL" -q -P -M "$m" -D "$t" "$@" sh -c 'echo up; while :; do sleep 1000; done' >"$T/up" 2>"$T/said" &
	supervisor=$!
	wait_for grep -q up "$T/up" || note "$(cat "$T/said")"
	wait_for grep -qs '^STATE=running' "$T/root/run/nspawn-lite/$m"
	leader=$(sed -n 's/^LEADER=\([1-9]\)/\1/p' "$T/root/run/nspawn-lite/$m")
}
end() {
	kill $supervisor
	kill $supervisor 2>/dev/null
	wait $supervisor 2>/dev/null
}
# inside COMMAND : of a shell, as its root
inside() {
	own=-U
	# shellcheck disable=SC3013 # every shell we meet has -ef
	[ "/proc/$leader/ns/user" -ef /proc/self/ns/user ] && own=''
	# shellcheck disable=SC2086 # a word or none
	nsenter -t "$leader" -m -p $own -S 0 -G 0 /bin/sh -c "$1" 2>&1
}
nl() { run timeout 60 "$NL" "$@"; }

# all DIR : a tree with one of each
all() {
	(
		mkdir -p "$1/dir/sub" "$1/empty" "$1/setgid" && cd "$1" || exit
		for f in plain setuid caps acl dir/file; do echo $f >$f; done
		: >none
		ln plain dir/sub/hardlink
		head -c 300000 /dev/urandom >big
		truncate -s 8M sparse
		printf x | dd of=sparse bs=1 seek=3000000 conv=notrunc 2>/dev/null
		ln -s "$T/victim" link
		ln -s nowhere dangling
		mkfifo -m 620 fifo
		: >"new
line"
		chown 1:2 plain
		chown 0:42 dir setuid fifo
		chown -h 33:33 link
		chmod 4755 setuid
		chmod 2775 setgid
		chmod 400 dir/file
		chmod 000 none
		setcap cap_net_raw+ep caps
		setfacl -m u:1000:rw acl
		setfattr -n user.note -v kept plain
		setfattr -n trusted.note -v kept dir/sub
		"$copy" stamp ./* dir/* dir/sub .
	)
}
all "$h/all"
# without what only a machine that shares our users keeps
all "$h/plain"
cat "$h/all/big" >"$h/plain/big"
(
	cd "$h/plain" || exit
	setfacl -b acl
	chmod 664 acl	# what its mask was
	chown -hR 0:0 .
	chmod 4755 setuid
	chmod 2775 setgid
	setcap -q -r caps 2>/dev/null
	"$copy" stamp ./* dir/* dir/sub .
)
# but for when it was read
list() { "$copy" list "$1" | sed 's/\( [0-9]*\.[0-9]\{9\}\) [0-9]*\.[0-9]\{9\}/\1/'; }

# ---- there and back -----------------------------------------------------------------------------

for users in no pick chown; do
	case $users in
	chown)	[ -d "$T/old" ] || { t=$(tree busybox old) || exit; }
		begin m -U --private-users-ownership=chown ;;
	*)	begin m --private-users=$users --tmpfs=/small:size=1m --tmpfs=/closed:ro ;;
	esac
	what="users: $users"
	for place in /all-$users /run/all; do
		nl copy-to m "$h/all" "$place"
		is "a tree goes in ($place, $what)" '0  ' "$rc $out $err"
		nl copy-from m "$place" "$h/back"
		is "and out ($place, $what)" '0  ' "$rc $out $err"
		if [ $users = no ]; then
			is "to the last attribute ($place, $what)" "$(list "$h/all")" "$(list "$h/back")"
		else
			[ "$place" = /run/all ] || is "inside all belongs to root ($what)" '0:0' "$(inside "find $place -exec stat -c %u:%g {} + | sort -u")"
			is "set-user-ID is kept there ($place, $what)" '-rwsr-xr-x 1' \
				"$(inside "stat -c '%A %h' $place/setuid")"
			is "but not on the way out ($place, $what)" '-rwxr-xr-x root' "$(stat -c '%A %U' "$h/back/setuid")"
			chmod 4755 "$h/back/setuid"
			chmod 2775 "$h/back/setgid"
			is "all else is there, as root's ($place, $what)" "$(list "$h/plain")" "$(list "$h/back")"
		fi
		is "holes stay holes ($place, $what)" yes "$([ "$(stat -c %b "$h/back/sparse")" -lt 1000 ] && echo yes)"
		rm -r "$h/back"
	done
	[ $users = no ] || is "capabilities are those of its root ($what)" "$(printf '%s' "$(inside 'cat /proc/self/uid_map' | awk '{ print $2 }')")" \
		"$(getcap -n "/proc/$leader/root/all-$users/caps" 2>/dev/null | sed -n 's/.*rootid=\([0-9]*\).*/\1/p')"
	if [ $users != chown ]; then
		nl copy-to m "$h/all/big" /small/one
		nl copy-to m "$h/all" /small/many
		printf '%s' "$(head -c 3000000 /dev/urandom | tr '\0' x)" >"$h/large"
		nl copy-to m "$h/large" /small/large
		like "no space is told in one line ($what)" "1 *copy-to: copy to /small/large: No space left on device" "$rc $err"
		is "and nothing half-made is left ($what)" 'many one' "$(inside 'ls -A /small | sort' | tr '\n' ' ' | sed 's/ $//')"
		nl copy-to m "$h/large" /closed/large
		like "so is a read-only place ($what)" "1 *copy to /closed/large: Read-only file system" "$rc $err"
	fi
	end
done
t=$(tree busybox) || exit

# ---- what is in the way ----------------------------------------------------------------------------

begin m -U
mkdir -p "$h/new/sub" "$h/mixed/dir"
echo mine >"$h/mixed/dir/mine"
echo new >"$h/new/file"
echo sub >"$h/new/sub/f"
inside 'mkdir -p /merge/sub/own /merge/other; echo old >/merge/sub/own/f; chmod 700 /merge; mkdir -p /wrong/file; mkdir -p /wrong2; echo >/wrong2/sub; ln -s /merge /linked; mkfifo /fifo; ln -s /merge/file /to-file' >/dev/null
nl copy-to m "$h/new" /merge
is 'a directory is merged into one that is there, whose rights stay' '0  700 new sub old' \
	"$rc $err $(inside 'cd /merge; echo $(stat -c %a .) $(cat file sub/f sub/own/f)')"
nl copy-to m "$h/new" /merge
like 'a file that is there is in the way' '1 *copy-to: /merge/*: File exists*--force*' "$rc $err"
echo newer >"$h/new/file"
inside 'exec 3</merge/file; sleep 1000' >/dev/null &
nl copy-to --force m "$h/new" /merge
is 'with --force another takes its place' '0  newer' "$rc $err $(inside 'cat /merge/file')"
kill $!
nl copy-to --force m "$h/new" /wrong
like 'a directory in the place of a file is refused all the same' '1 *copy-to: /wrong/file: a directory is in the place of what is none' "$rc $err"
nl copy-to --force m "$h/new" /wrong2
like 'and a file in that of a directory' '1 *copy-to: /wrong2/sub: what is no directory is in the place of one' "$rc $err"
nl copy-to --force m "$h/new" /linked
like 'a link in the place of a directory is not followed' '1 *copy-to: /linked: what is no directory is in the place of one' "$rc $err"
nl copy-to --force m "$h/new/file" /to-file
is 'a link in the place of a file is replaced, not followed' '0 regular file newer' "$rc $(inside 'stat -c %F /to-file') $(inside 'cat /merge/file')"
nl copy-to --force m "$h/new/file" /fifo
is 'nor does a FIFO there hold us' '0 regular file' "$rc $(inside 'stat -c %F /fifo')"
nl copy-to m "$h/new/file"
like 'without a place it is the same' '1 *No such file*' "$rc $err"
nl copy-to m "$h/new/file" file
like 'a place inside is an absolute path' '1 *"file" is no absolute path*' "$rc $err"
nl copy-from m etc/passwd "$h/x"
like 'so is what comes out' '1 *"etc/passwd" is no absolute path*' "$rc $err"
(cd "$h/new" && "$NL" copy-to m file /relative && "$NL" copy-from m /relative ../rel)
is 'one of the host may be relative' newer "$(cat "$h/rel")"
nl copy-to nobody "$h/new" /x
like 'a machine that is not there' "1 *Failed to copy: No machine 'nobody' known" "$rc $err"
nl copy-to m "$h/none" /x
like 'a source that is not there' "1 *$h/none: No such file or directory" "$rc $err"
nl copy-from m /none "$h/x"
like 'or not inside' "1 */none of machine m: No such file or directory" "$rc $err"
nl copy-from m /proc/version "$h/version"
is 'a file of /proc has what it says' "$(cat /proc/version)" "$(cat "$h/version")"
nl copy-from m /dev "$h/dev"
like 'devices stay out, which is told' '0 *devices, sockets and what is mounted below stay out: * of them, the first is *' "$rc $err"
is 'no device came' '' "$(find "$h/dev" -type c -o -type b)"
nl copy-from m /dev/null "$h/null"
like 'one alone is refused' '1 */dev/null: devices and sockets cannot be copied' "$rc $err"
NSPAWN_LITE_DENY=O_TMPFILE,new nl copy-to --force m "$h/all" /named
NSPAWN_LITE_DENY=O_TMPFILE,new nl copy-to --force m "$h/all" /named
is 'without files that have no name, and on an old kernel' "0  $(find "$h/all" | wc -l)" "$rc $err $(inside 'find /named | wc -l')"
"$copy" deep "$(mkdir "$h/deep" && echo "$h/deep")" 1500
nl copy-to m "$h/deep" /deep
nl copy-from m /deep "$h/deep2"
is 'a tree may be deep' "$rc $("$copy" depth "$h/deep")" "0 $("$copy" depth "$h/deep2")"
if "$NL" freeze m 2>/dev/null; then
	nl copy-to m "$h/new/file" /frozen
	is 'nobody inside is needed for it' '0  newer' "$rc $err $(cat "/proc/$leader/root/frozen")"
	"$NL" thaw m
fi
truncate -s 3G "$h/endless"
NSPAWN_LITE_DENY=O_TMPFILE "$NL" copy-to m "$h/endless" /run/endless 2>"$T/err" &
one=$!
rc=0
kill $one 2>/dev/null
wait $one || rc=$?
is 'SIGTERM ends it, or it has ended' yes "$(case $rc in 0|1|143) echo yes ;; esac)"
is 'and nothing half-made is left' '' "$(inside 'ls -A /run | grep "^[.]#"')"
for part in 1 2 3 4 5 6 7 8; do
	"$NL" copy-to --force m "$h/all/big" /killed 2>/dev/null &
	one=$!
	[ $part = 1 ] || sleep 0.00$part
	kill -9 $one 2>/dev/null
	wait $one 2>/dev/null
done
# the child that it had goes with it
children_gone() { ! ours | while read -r p; do tr '\0' ' ' <"/proc/$p/cmdline"; done 2>/dev/null | grep -q copy-to; }
wait_for children_gone
is 'kill -9 leaves a whole file, or none' 300000 "$(inside '[ -e /killed ] && wc -c </killed || echo 300000')"
end

# ---- guests that change it meanwhile ---------------------------------------------------------------

mkdir -p "$T/victim/dir"
echo secret >"$T/victim/file"
echo secret >"$T/victim/dir/file"
for users in no pick; do
	t=$(tree busybox) || exit
	mkdir -p "$t/at/dir/dir" "$t/into/dir"
	echo harmless >"$t/at/dir/dir/file"
	echo harmless >"$t/at/dir/file"
	echo harmless >"$t/at/file"
	ln -s "$T/victim" "$t/at/link"
	ln -s "$T/victim" "$t/into/link"
	ln -s "$T/victim/file" "$t/at/link-file"
	mkfifo "$t/at/fifo"
	mknod "$t/at/device" c 1 5
	begin m --private-users=$users
	rm -f "$T/stop"
	"$flip" "$t/at/dir" "$t/at/link" "$T/stop" >"$T/flips" &
	"$flip" "$t/at/file" "$t/at/link-file" "$T/stop" >>"$T/flips" &
	"$flip" "$t/at/fifo" "$t/at/device" "$T/stop" >>"$T/flips" &
	"$flip" "$t/into/dir" "$t/into/link" "$T/stop" >>"$T/flips" &
	i=0
	hung=''
	while [ $i -lt 12 ]; do
		rm -rf "$h/got"
		timeout 60 "$NL" copy-from m /at "$h/got" 2>/dev/null
		[ $? -lt 124 ] || hung=y
		! grep -rqs secret "$h/got" || hung=secret
		timeout 60 "$NL" copy-from --force m /at/dir/file "$h/got-file" 2>/dev/null
		timeout 60 "$NL" copy-from --force m /at/dir/dir "$h/got-dir" 2>/dev/null
		timeout 60 "$NL" copy-from --force m /at/fifo "$h/got-fifo" 2>/dev/null
		[ $? -lt 124 ] || hung=y
		! grep -Dskip -rqs secret "$h/got-file" "$h/got-dir" || hung=secret
		timeout 60 "$NL" copy-to --force m "$h/mixed" /into 2>/dev/null
		timeout 60 "$NL" copy-to --force m "$h/new/file" /into/dir/file 2>/dev/null
		timeout 60 "$NL" copy-to --force m "$h/new" /into/dir/x 2>/dev/null
		timeout 60 "$NL" bind --mkdir m "$h/new" /into/dir/y 2>/dev/null
		[ $? -lt 124 ] || hung=y
		i=$((i + 1))
	done
	: >"$T/stop"
	end
	is "links and files that change: nothing hangs, nothing of the host comes (users: $users)" '' "$hung"
	is "nor is anything written there (users: $users)" 'dir dir/file file' "$(cd "$T/victim" && find . -mindepth 1 | sed 's|^\./||' | sort | paste -sd' ' -)"
	is "which is as it was (users: $users)" 'secret secret' "$(cat "$T/victim/file" "$T/victim/dir/file" | paste -sd' ' -)"
done

# ---- binds -----------------------------------------------------------------------------------------

t=$(tree busybox) || exit
mkdir -p "$h/bound/below" "$h/bound/mnt"
echo seen >"$h/bound/file"
for users in no pick; do
	begin m --private-users=$users
	nl bind m "$h/bound" /none
	like "a place that is not there (users: $users)" "1 *bind $h/bound on /none of machine m: there is no such place inside; --mkdir makes it" "$rc $err"
	nl bind m "$h/none" /mnt
	like "a source that is not there (users: $users)" "1 *bind $h/none on /mnt of machine m: *No such file*" "$rc $err"
	nl bind --mkdir m "$h/bound"
	is "a directory at its own name (users: $users)" "0  seen 0:0" "$rc $err $(inside "echo \$(cat $h/bound/file) \$(stat -c %u:%g $h/bound/file)")"
	nl bind --mkdir m "$h/bound/file" /deep/file
	is "a file at another, which is made (users: $users)" '0  seen 0:0' "$rc $err $(inside 'echo $(cat /deep/file) $(stat -c %u:%g /deep)')"
	nl bind m "$h/bound" /deep/file
	like "a directory is not mounted on a file (users: $users)" '1 *the source is a directory, and the place inside is none' "$rc $err"
	nl bind m "$h/bound/file" /etc
	like "nor a file on a directory (users: $users)" '1 *the place inside is a directory, and the source is none' "$rc $err"
	nl bind m "$h/bound" /
	like "nor anything on the root (users: $users)" '1 *nothing can be mounted on the root of a running machine' "$rc $err"
	inside "echo $users >$h/bound/written" >/dev/null
	is "what is written there is here, as root's (users: $users)" "$users 0" "$(cat "$h/bound/written") $(stat -c %u "$h/bound/written")"
	nl bind --mkdir --read-only m "$h/bound" /ro
	is "read-only (users: $users)" '0  ro' "$rc $err $(inside 'touch /ro/x 2>/dev/null || echo ro')"
	[ $users = no ] || is 'for good' 'ro ro' "$(inside 'mount -o remount,bind,rw /ro 2>/dev/null || echo ro; touch /ro/x 2>/dev/null || echo ro' | tr '\n' ' ' | sed 's/ $//')"
	is "nothing of it is mounted on the host (users: $users)" '' "$(mounts_below)"
	NSPAWN_LITE_DENY=open_tree nl bind m "$h/bound" /mnt
	like "before Linux 5.2 (users: $users)" '1 *need Linux 5.2*' "$rc $err"
	if [ $users = no ]; then
		# as it is where no policy keeps devices away
		inside 'mount -o remount,bind,nodev /' >/dev/null
		for deny in none mount_setattr; do
			NSPAWN_LITE_DENY=$deny nl bind --mkdir --read-only m "$h/bound" /nodev-$deny
			like "where nodes of the tree do not work, those of a bind do not (denied: $deny)" '*ro,*nodev*' \
				"$rc $err $(awk -v p=/nodev-$deny '$5 == p { print $6 }' "/proc/$leader/mountinfo")"
		done
	fi
	if [ $users = pick ]; then
		NSPAWN_LITE_DENY=mount_setattr nl bind --mkdir --read-only m "$h/bound" /old
		like 'before 5.12 owners are told to be nobody' '0 *belongs to nobody: idmapped mounts need Linux 5.12' "$rc $err"
		is 'that is, so, and read-only' '65534 ro' "$(inside 'stat -c %u /old; touch /old/x 2>/dev/null || echo ro' | tr '\n' ' ' | sed 's/ $//')"
	fi
	end
done
nl bind nobody "$h/bound" /mnt
like 'a machine that is not there' "1 *Failed to bind mount: No machine 'nobody' known" "$rc $err"
begin m -U
unshare -m --propagation shared sh -c 'mount -t tmpfs below "$1/below" && echo deep >"$1/below/f" && "$2" bind --mkdir m "$1" /deep
	grep -E " /deep(/below)? .* (shared|master):" "$3"' x "$h/bound" "$NL" "/proc/$leader/mountinfo" >"$T/told"
is 'what is mounted below comes, too' deep "$(inside 'cat /deep/below/f')"
is 'but nothing later: on no side' '' "$(cat "$T/told")"
end

# ---- other file systems ---------------------------------------------------------------------------

for fs in ext4 xfs; do
	rm -f "$T/image"
	truncate -s 320M "$T/image"
	if ! mkfs.$fs -q "$T/image" 2>/dev/null; then
		skip "a tree on $fs" "no mkfs.$fs"
		continue
	fi
	mkdir -p "$h/fs"
	timeout 120 unshare -m --propagation private sh -c '
		mount -o loop -t "$1" "$2/image" "$2/h/fs" && cp -a "$3" "$2/h/fs/tree" || exit
		"$4" -q -P -U -M onfs -D "$2/h/fs/tree" sh -c "echo up; sleep 1000" >"$2/up2" 2>&1 &
		i=0; until grep -qs "^STATE=running" "$2/root/run/nspawn-lite/onfs" || [ $i = 600 ]; do sleep 0.1; i=$((i + 1)); done
		"$4" copy-to onfs "$2/h/plain" /got && "$4" copy-from onfs /got "$2/h/back-$1"
		chmod 4755 "$2/h/back-$1/setuid"; chmod 2775 "$2/h/back-$1/setgid"
		kill $!; kill $!; wait $!' x $fs "$T" "$t" "$NL" >"$T/told" 2>&1
	is "there and back on $fs" "$(list "$h/plain")" "$(list "$h/back-$fs" 2>/dev/null)" || note "$(cat "$T/told")"
done
leftovers_after 'nothing is left'
done_testing
