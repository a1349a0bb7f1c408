#!/bin/sh
# Verbs of images are stepped through all their system calls: killed at each, or the call fails. What is there then is
# as before or as after, and the next command leaves nothing half-made. Then many at once.
# CRASH=all takes every call for failures too, else some.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=step.sh
. "${0%/*}/step.sh"
need_root
M=$T/machinectl
ln -s "$NL" "$M"
S=$T/root/var/lib/machines
X=$T/exported
export STEP=free
mkdir -p "$S" "$X" "$T/root/run/nspawn-lite"
mount -t tmpfs none "$S" || skip_all 'no tmpfs'	# which waits for no disk

# inside NAME : what a guest of that image would see of its one file
inside() {
	v=gone
	if [ -f "$S/$1.overlay/upper/file" ]; then
		read -r v <"$S/$1.overlay/upper/file"
	elif [ -f "$S/$1.overlay/lower" ]; then
		read -r b <"$S/$1.overlay/lower"
		[ ! -f "$S/$b/file" ] || read -r v <"$S/$b/file"
	elif [ -f "$S/$1/file" ]; then
		read -r v <"$S/$1/file"
	elif [ -f "$S/$1.raw" ]; then
		read -r v <"$S/$1.raw"
	fi
	echo "$v"
}
# names : all images: kinds, contents; where a call fails an overlay may become a copy
names() {
	"$M" list-images --no-legend 2>&1 | while read -r name kind ro _; do
		case $how:$kind in kill:*) ;; *:overlay) kind=directory ;; esac
		echo "$name $kind $ro"
		inside "$name"
	done
}
# state : and files that belong to them
state() {
	names
	for f in "$S"/*.nspawn; do
		[ ! -e "$f" ] || echo "${f##*/}"
	done
	for f in "$X"/*; do
		[ ! -e "$f" ] || cksum "$f"
	done
	[ "$how" = kill ] || return
	for f in "$S"/.#*.clones/*; do
		[ ! -L "$f" ] || echo "${f#"$S/"}"
	done
}
# hidden : what is in the store and is nobody's
hidden() {
	for f in "$S"/.[!.]* "$S"/*/probe "$X"/.[!.]* "$T/root/run/nspawn-lite"/.transfer*; do
		case $f in *'/.[!.]*'|*'/*/probe'|*'.transfer*'|*.clones) ;; *) echo "${f#"$S/"}" ;; esac
	done
}
for i in one other; do
	mkdir -p "$T/store/$i/dir/deep"
	echo "$i" >"$T/store/$i/file"
	ln "$T/store/$i/file" "$T/store/$i/dir/name"
done
echo disk >"$T/store/disk.raw"
echo x >"$T/store/one.nspawn"
mkdir "$T/in"
tar -C "$T/store/one" -cf "$T/in/x.tar" . 2>/dev/null
gzip -c "$T/in/x.tar" >"$T/in/x.tar.gz"
xz -c "$T/in/x.tar" >"$T/in/x.tar.xz" 2>/dev/null
qemu-img convert -O qcow2 "$T/store/disk.raw" "$T/in/x.qcow2" >/dev/null 2>&1
echo x >"$T/in/x.nspawn"
"$(program badhttp)" "$T/in" "$T/requests" >"$T/port" &
server_pid=$!
wait_for test -s "$T/port"
server=http://127.0.0.1:$(cat "$T/port")/cut/1000000
fresh() {
	case $mode in *-ro|pull-keep) chattr -R -i "$S" ;; esac
	rm -rf "${S:?}"/* "$S"/.#* "$S"/.tar-* "$X"
	mkdir "$X"
	cp -a "$T/store/." "$S"
	case $mode in
	rename-clone|remove-clone|clone-clone) "$M" clone --no-sync one thing ;;
	rename-ro|remove-ro|replace-ro) "$M" read-only one ;;
	snapshot)	btrfs subvolume create "$S/vol" >/dev/null; echo vol >"$S/vol/file" ;;
	esac
}
words() {
	case $mode in
	clone)	echo clone one new ;;
	copy)	echo clone --copy one new ;;
	raw)	echo clone disk new ;;
	clone-clone)	echo clone thing new ;;
	snapshot)	echo clone vol new ;;
	force)	echo clone --force --copy other one ;;
	replace)	echo clone --replace --copy other one ;;
	rename)	echo rename one new ;;
	rename-clone)	echo rename thing new ;;
	remove)	echo remove one ;;
	remove-clone)	echo remove thing ;;
	read-only)	echo read-only disk ;;
	import-tar*)	echo import-tar "$T/in/x.tar${mode#import-tar}" new ;;
	import-force)	echo import-tar --force "$T/in/x.tar" other ;;
	import-raw)	echo import-raw "$T/store/disk.raw" new ;;
	import-qcow2)	echo import-raw "$T/in/x.qcow2" new ;;
	import-fs)	echo import-fs "$T/store/other" new ;;
	export-tar*)	echo export-tar one "$X/one.tar${mode#export-tar}" ;;
	export-raw)	echo export-raw disk "$X/disk.raw" ;;
	export-gz)	echo export-raw disk "$X/disk.raw.gz" ;;
	rename-ro)	echo rename one new ;;
	remove-ro)	echo remove one ;;
	clone-ro)	echo clone --read-only --copy one new ;;
	replace-ro)	echo clone --replace --copy other one ;;
	pull)	echo pull-tar --verify=no "$server/x.tar.gz" new ;;
	pull-keep)	echo pull-tar --verify=no --keep-download=yes "$server/x.tar.gz" new ;;
	esac
}
prepare() { fresh; }
# what is wrong with what is there, now and after the next command
check() {
	now=$(names)
	case $mode in
	replace)	# at every moment there is one, and nothing is lost
		case $now in *"one directory no${nl}one"*|*"one directory no${nl}other"*) ;; *) echo "now: $now" ;; esac ;;
	*-ro)	;;	# it may be writable until the next command
	*)	[ "$now" = "$old_names" ] || [ "$now" = "$new_names" ] || echo "now: $now" ;;
	esac
	"$M" clean >/dev/null 2>"$T/said" || cat "$T/said"
	"$M" list-transfers --no-legend
	case $mode in
	export-*)	# the next one of that name takes what is half-made
		now=$(state)
		[ "$now" = "$old" ] || [ "$now" = "$new" ] || echo "then: $now"
		# shellcheck disable=SC2046
		"$M" -q $(words) 2>&1 ;;
	esac
	now=$(state)
	[ "${mode%-ro}" = replace ] || [ "$now" = "$old" ] || [ "$now" = "$new" ] || echo "then: $now"
	hidden
	case $how:$status in
	kill:*|*:1|*:127)	;;	# that of the loader, where there is one
	*:0)	[ "$(state)" = "$new" ] || [ "$call" = write ] || echo 'status 0, and nothing was done' ;;
	*)	echo "status $status" ;;
	esac
	[ "$status" != 0 ] || [ "$how" = kill ] || ! cat "$T/out" "$T/err" | grep -q 'No error\|Success' || echo misleading
}
nl='
'
# tried SENTENCE HOW STRIDE : killed at each call, or the call fails
tried() {
	how=$2
	fresh
	old=$(state)
	old_names=$(names)
	# shellcheck disable=SC2046
	"$M" -q $(words)
	new=$(state)
	new_names=$(names)
	# shellcheck disable=SC2046
	wrong=$([ "$old" != "$new" ] || echo 'nothing was done'; each "$2" "$3" "$M" -q $(words) 2>&1)
	is "$mode: $1 ($(cat "$T/cases") calls)" '' "$wrong"
}

modes='clone copy raw clone-clone force replace rename rename-clone remove remove-clone read-only'
for m in import-tar import-tar.gz import-tar.xz import-force import-raw import-qcow2 import-fs \
	export-tar export-tar.gz export-tar.xz export-raw export-gz pull pull-keep; do
	case $m in
	*.xz)	[ -s "$T/in/x.tar.xz" ] || continue ;;
	*qcow2)	[ -s "$T/in/x.qcow2" ] || continue ;;
	esac
	modes="$modes $m"
done
mkdir "$S/try"
"$M" read-only try 2>/dev/null && modes="$modes rename-ro remove-ro clone-ro replace-ro"
"$M" remove try
if stepping; then
	# CRASH_OFFSET takes others
	some=3 few=17
	[ "${CRASH:-}" != all ] || some=1 few=1
	for mode in ${MODES:-$modes}; do
		chattr -R -i "$S" 2>/dev/null
		case $mode in
		*-ro|import-*|export-*|pull*) [ "${CRASH:-}" = all ] || some=29 few=101 ;;
		esac
		tried 'one that is killed leaves the old or the new' kill $some
		tried 'so does a disk that is full (ENOSPC)' 28 $few
		tried 'or one that fails (EIO)' 5 $few
	done
	chattr -R -i "$S" 2>/dev/null
	mode=snapshot
	if command -v mkfs.btrfs >/dev/null 2>&1 && truncate -s 128M "$T/disk" && mkfs.btrfs -q "$T/disk" >/dev/null 2>&1 &&
		mount -o loop "$T/disk" "$S" 2>/dev/null; then
		tried 'one that is killed leaves the old or the new' kill $some
		umount "$S"
	else
		skip 'a snapshot that is stopped leaves the old or the new' 'no btrfs'
	fi
else
	skip 'at each system call a crash leaves the old or the new' 'stepping is for x86_64 and Linux 5.3'
fi

kill "$server_pid"
wait "$server_pid" 2>/dev/null

# ---- many at once -------------------------------------------------------------------------

mode=''
how='kill'
fresh
for o in '' --copy; do
	i=0
	while [ $i -lt 20 ]; do
		i=$((i + 1))
		{ "$M" clone --no-sync $o one "c$i" || echo "status $?"; } >"$T/out$i" 2>&1 &
	done
	wait
	is "20 clones of one image at once are 20 images ($o)" '20 ' \
		"$(names | paste -d ' ' - - | grep -c '^c[0-9]* .* no one$') $(cat "$T"/out*)$(hidden)"
	# shellcheck disable=SC2016 # for the other shell
	ok "and can be removed at once ($o)" sh -c 'i=0; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "$1" remove c$i & done; wait' x "$M"
	is "with nothing left ($o)" '0' "$(names | grep -c '^c[0-9]')$(hidden)"
done
is 'then the one is nobody'"'"'s base' '' "$(find "$S" -name '*.clones'; "$M" rename one uno 2>&1; "$M" rename uno one)"

i=0
while [ $i -lt 20 ]; do
	i=$((i + 1))
	"$M" clone --no-sync one same >/dev/null 2>&1 && echo won >>"$T/won" &
done
wait
is 'of 20 clones of one name one wins' 1 "$(wc -l <"$T/won" | tr -d ' ')"

# any verb at any time, some of them killed: at the end there is nothing half-made
i=0
while [ $i -lt 60 ]; do
	i=$((i + 1))
	case $((i % 6)) in
	0)	"$M" clone --no-sync one same & ;;
	1)	"$M" remove same & ;;
	2)	"$M" rename same moved & ;;
	3)	"$M" clone --no-sync --force --copy other same & ;;
	4)	"$M" rename moved same & ;;
	5)	kill -9 $! & ;;
	esac
done >/dev/null 2>&1
wait
"$M" clone --no-sync one last
"$M" clean >/dev/null
is 'any verbs at once on one name leave nothing half-made' '' "$(hidden)"
is 'and all images are whole' '' "$(names | paste -d ' ' - - | grep -v -e ' one$' -e ' other$' -e '^disk raw no disk$')"
finish
