#!/bin/sh
# shellcheck disable=SC2016,SC2317 # what is typed is expanded later; functions by name
# What a kernel lacks, one thing after the other: each row of degrade.rows that
# is for PLACE is tried with what a user would type, and must say what it says
# there, or nothing, end with its status, print what it prints, and leave
# nothing. Prints TAP. Run by 95-degrade.sh here, and by 96-degrade-lab.sh in
# emulated machines:  sh degrade-device.sh PLACE ROWS NSPAWN-LITE DENY
place=$1
rows=$2
nl=$3
deny=$4
# shellcheck source-path=SCRIPTDIR source=device-lib.sh
. "${0%/*}/device-lib.sh"
dir=$(mktemp -d) || exit
export NSPAWN_LITE_ROOT="$dir/state" LC_ALL=C
state=$dir/state/run/nspawn-lite
store=$dir/state/var/lib/machines
export dir store
tree=$dir/tree
mkdir -p "$tree/bin" "$tree/sbin" "$tree/etc" "$store"
cp "$busybox" "$tree/bin/busybox"
for a in sh cat echo grep hostname ip ls mount mknod nc readlink sleep stat test touch true wc; do
	ln -s busybox "$tree/bin/$a"
done
echo ID=test >"$tree/etc/os-release"
# an init that does nothing but wait for its end
cat >"$tree/sbin/init" <<'END'
#!/bin/sh
trap 'exit 0' TERM PWR USR2
echo up
[ -t 0 ] || exit 0
while :; do sleep 1000 & wait $!; done
END
chmod 755 "$tree/sbin/init"
cp -a "$tree" "$store/m"
tar -czf "$dir/m.tar.gz" -C "$tree" .
dd if=/dev/zero of="$dir/disk.raw" bs=65536 count=16 2>/dev/null
printf '\123\357' | dd of="$dir/disk.raw" bs=1 seek=1080 conv=notrunc 2>/dev/null  # as ext4 has it

result() {	# result NAME WRONG : what is wrong, or nothing
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		printf '%s\n' "$2" | sed 's/^/# /'
		bad=1
	fi
}

# What a row takes away, from all that it types: cgroups is all hierarchies, at this place
nl() {
	set -- "$nl" "$@"
	[ "$without" = - ] || set -- "$deny" "$without" -- "$@"
	NSPAWN_LITE_DENY=$mask timeout 30 "$@"
}
run() { nl -q -D "$tree" "$@"; }

try() {	# with what a row says in missing, without, hide, mask, types, says, status, prints
	rc=0
	if [ -n "$hide" ]; then
		(
			unshare -m sh -c "$(sed -n '/^nl()/,/^run()/p' "$0")"'
				mount --make-rprivate /
				awk '\''$3 ~ /^cgroup/ { print $2 }'\'' /proc/self/mounts | sort -r | while read -r m; do umount "$m"; done
				nl=$1 deny=$2 without=$3 mask=$4 tree=$5
				eval "$6"' sh "$nl" "$deny" "$without" "$mask" "$tree" "$types"
		) >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	else
		(eval "$types") >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	fi
	said=$(sed 's/^nspawn-lite: //' "$dir/err")
	printed=$(cat "$dir/out")
	wrong=''
	[ "$rc" = "$status" ] || wrong="status $rc, not $status
"
	# shellcheck disable=SC2254 # a pattern
	case $said in $says) ;; *) wrong="${wrong}said   $said
not    $says
" ;; esac
	# shellcheck disable=SC2254
	case $printed in $prints) ;; *) wrong="${wrong}printed $printed
not     $prints
" ;; esac
	[ -z "${DEGRADE_SHOW:-}" ] || echo "# $said"
	left=$(ls "$state" 2>/dev/null)
	[ -z "$left" ] || wrong="${wrong}left $left"
	result "without $missing: $types" "$wrong"
}

# WHAT [of OPTION] / PLACES / tabbed lines: test/README of the form is at the head of the rows
missing='' types='' wanted=''
flush() {
	[ -z "$types" ] || [ -z "$wanted" ] || try
	types='' says='' status=0 prints='*'
}
flush
while IFS= read -r line || [ -n "$line" ]; do
	key=${line%% *}
	value=${line#"$key"}
	value=${value# }
	case $key in
	''|'#'*) ;;
	missing) flush; missing=$value without=- hide='' mask='' wanted='' ;;
	in)	case " $value " in *" $place "*) wanted=y ;; *) wanted='' ;; esac ;;
	without) flush; without=$value ;;
	hide)	flush; hide=$value ;;
	mask)	flush; mask=$value ;;
	types)	flush; types=$value ;;
	says)	says=$value
		case $value in *'$dir'*) says=${value%%'$dir'*}$dir${value#*'$dir'} ;; esac ;;
	status)	status=$value ;;
	prints)	prints=$value ;;
	loses)	;;
	*)	result "rows: $line" 'no such key' ;;
	esac
done <"$rows"
flush
cd / || exit
rm -rf "$dir" 2>/dev/null || result 'all is removed' "$(mount | grep "$dir")"
done_testing
