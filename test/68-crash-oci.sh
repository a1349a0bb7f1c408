#!/bin/sh
# Images in layers come and go: killed at each system call, or the call fails. What is there then is as before or as
# after, and with the next command all that no image needs is gone. Then many at once.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=oci.sh
. "${0%/*}/oci.sh"
# shellcheck source-path=SCRIPTDIR source=step.sh
. "${0%/*}/step.sh"
need_root
M=$T/machinectl
ln -s "$NL" "$M"
S=$T/root/var/lib/machines
export STEP=free
mkdir -p "$S" "$T/root/run/nspawn-lite" "$T/a/etc" "$T/b/etc" "$T/c"
mount -t tmpfs none "$S" || skip_all 'no tmpfs'	# which waits for no disk
echo a >"$T/a/etc/file"
echo keep >"$T/a/etc/other"
echo b >"$T/b/etc/file"
: >"$T/b/etc/.wh.other"
echo c >"$T/c/file"
layout "$T/lay"
layer "$T/lay" "$T/a"
cp "$T/lay.layers" "$T/layers"
cp "$T/lay.ids" "$T/ids"
layer "$T/lay" "$T/b" gzip
image "$T/lay" two '"Cmd":["/two"]'
cp "$T/layers" "$T/lay.layers"
cp "$T/ids" "$T/lay.ids"
layer "$T/lay" "$T/c" gzip
image "$T/lay" other '"Cmd":["/other"]'
tar -C "$T/lay" -cf "$T/lay.tar" .

# state : images, what they run, what they show, and how many layers there are
state() {
	"$M" list-images --no-legend 2>&1 | while read -r name _; do
		echo "$name $("$M" show-image -P Command "$name" 2>&1)"
		if [ -d "$S/$name.overlay" ]; then
			sed 1d "$S/$name.overlay/lower" | while read -r l; do
				[ -d "$S/.#layers/$l" ] || echo "$name lacks $l"
				(cd "$S/.#layers/$l" && find . | sort)
			done
		else
			(cd "$S/$name" && find . | sort)
		fi
	done
	find "$S/.#layers" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l
}
hidden() { find "$S" -mindepth 1 -maxdepth 1 \( -name '.*' -o -name '*.oci-*' \) ! -name '.#layers'; find "$T/root/run/nspawn-lite" -name '.transfer*'; }
fresh() {
	rm -rf "${S:?}"/* "$S"/.#*
	case $mode in
	import|archive)	;;
	*)	"$M" -q import-oci --no-sync "$T/lay:other" other ;;
	esac
	case $mode in rename|remove|force|replace) "$M" -q clone --no-sync other one ;; esac
}
words() {
	case $mode in
	import)	echo import-oci "$T/lay:two" new ;;
	archive) echo import-oci "$T/lay.tar:two" new ;;
	share)	echo import-oci "$T/lay:two" new ;;
	force)	echo import-oci --force "$T/lay:two" one ;;
	replace) echo import-oci --replace "$T/lay:two" one ;;
	rename)	echo rename one new ;;
	remove)	echo remove one ;;
	last)	echo remove other ;;
	clone)	echo clone other new ;;
	copy)	echo clone --copy other new ;;
	esac
}
prepare() { fresh; }
check() {
	"$M" clean >/dev/null 2>"$T/said" || cat "$T/said"
	"$M" list-transfers --no-legend >/dev/null
	now=$(state)
	case $mode in
	replace)	# at every moment there is one, and what is kept is whole
		case $now in *'one /two'*|*'one /other'*) ;; *) echo "now: $now" ;; esac ;;
	*)	[ "$now" = "$old" ] || [ "$now" = "$new" ] || [ "$how" != kill ] || echo "now: $now"
		hidden | grep -v oci- | sed 's/^/hidden: /' ;;
	esac
	case $now in *lacks*) echo "now: $now" ;; esac
}
# tried SENTENCE HOW STRIDE : killed at each call, or the call fails
tried() {
	fresh
	old=$(state)
	# shellcheck disable=SC2046
	"$M" -q $(words)
	"$M" clean >/dev/null
	new=$(state)
	# shellcheck disable=SC2046
	wrong=$([ "$old" != "$new" ] || echo 'nothing was done'; each "$2" "$3" "$M" -q $(words) 2>&1)
	is "$mode: $1 ($(cat "$T/cases") calls)" '' "$wrong"
}
if stepping; then
	for mode in ${MODES:-import archive share force replace rename remove last clone copy}; do
		case $mode in import|archive|share|force|replace) some=23 few=67 ;; *) some=11 few=31 ;; esac
		[ "${CRASH:-}" != all ] || some=1 few=1
		tried 'one that is killed leaves the old or the new' kill $some
		tried 'so does a disk that is full (ENOSPC)' 28 $few
	done
else
	skip 'at each system call a crash leaves the old or the new' 'stepping is for x86_64 and Linux 5.3'
fi

# ---- many at once ------------------------------------------------------------------------------------

mode=import
fresh
i=0
while [ $i -lt 8 ]; do
	i=$((i + 1))
	w=two
	[ $((i % 2)) = 0 ] || w=other
	{ "$M" -q import-oci --no-sync "$T/lay:$w" "i$i" || echo "status $?"; } >"$T/out$i" 2>&1 &
done
wait
is 'eight imports at once are eight images, of three layers' '8 3 ' \
	"$("$M" list-images --no-legend | wc -l) $(find "$S/.#layers" -mindepth 1 -maxdepth 1 | wc -l) $(cat "$T"/out*)"
is 'each with what it runs' '4 4' "$(for i in 1 2 3 4 5 6 7 8; do "$M" show-image -P Command "i$i"; done | sort | uniq -c | awk '{ printf "%s%s", s, $1; s = " " }')"
i=0
while [ $i -lt 40 ]; do
	i=$((i + 1))
	case $((i % 4)) in
	0)	timeout -s KILL "0.0$((i % 9))" "$M" -q import-oci --no-sync "$T/lay:two" "k$((i % 3))" ;;
	1)	"$M" -q import-oci --no-sync "$T/lay:other" "k$((i % 3))" ;;
	2)	"$M" remove "k$((i % 3))" ;;
	3)	timeout -s KILL "0.0$((i % 7))" "$M" -q import-oci --force --no-sync "$T/lay.tar:two" "k$((i % 3))" ;;
	esac >/dev/null 2>&1 &
	[ $((i % 8)) != 0 ] || wait
done
wait
"$M" clean >/dev/null
# the second layer waits to be unpacked, while others sweep
if zstd=$(command -v zstd); then
	mkdir "$T/bin"
	printf '#!/bin/sh\n: >"%s/at"\nwhile [ ! -e "%s/go" ]; do sleep 0.05; done\nexec "%s" "$@"\n' "$T" "$T" "$zstd" >"$T/bin/zstd"
	chmod 755 "$T/bin/zstd"
	echo z >"$T/a/etc/first"
	layer "$T/lay" "$T/a"
	layer "$T/lay" "$T/b" zstd
	image "$T/lay" slow
	PATH=$T/bin:$PATH "$M" -q import-oci --no-sync "$T/lay:slow" slow >"$T/out" 2>&1 &
	slow=$!
	ok 'an import waits' wait_for test -e "$T/at"
	"$M" clean >/dev/null
	"$M" -q import-oci --no-sync "$T/lay:other" short && "$M" remove short
	: >"$T/go"
	wait "$slow"
	is 'what it has so far is not swept away' '0 2 ' "$? $(sed 1d "$S/slow.overlay/lower" | while read -r l; do ls -d "$S/.#layers/$l"; done | wc -l) $(cat "$T/out")"
else
	skip 'what an import has so far is not swept away' 'no zstd'
fi
is 'whatever comes when, no image lacks a layer' '' "$(state | grep lacks)"
"$M" list-images --no-legend | while read -r name _; do "$M" remove "$name"; done
# transfers that were killed go off the list when it is asked for, as long as nobody has their numbers
is 'and the last one takes all with it' '0' "$("$M" list-transfers --no-legend; find "$S/.#layers" -mindepth 1 2>/dev/null | wc -l)$(hidden)"
umount "$S"
done_testing
