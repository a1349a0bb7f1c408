#!/bin/sh
# Images in layers: from layouts and archives of docker save, unpacked once, shared, run as they say, and gone with the last
# shellcheck disable=SC2016 # for shells inside
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=oci.sh
. "${0%/*}/oci.sh"
need_root
M=$T/machinectl
ln -s "$NL" "$M"
S=$T/root/var/lib/machines
mkdir -p "$S"

# on FS : a fresh store on a file system of its own; false when it cannot be had
on() {
	case $1 in
	tmpfs)	mount -t tmpfs -o size=96m none "$S" ;;
	*)	command -v "mkfs.$1" >/dev/null 2>&1 || return 1
		rm -f "$T/disk"
		truncate -s 256M "$T/disk"
		"mkfs.$1" -q "$T/disk" >/dev/null 2>&1 && mount -o loop "$T/disk" "$S" 2>/dev/null ;;
	esac
}
off() { umount "$S"; }
layers() { find "$S/.#layers" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l | tr -d ' '; }
# hidden : what is in the store that no image needs; an empty directory of layers is none
hidden() { find "$S" -mindepth 1 -maxdepth 2 \( -path '*/.#*' -o -name '*.oci-*' \) ! -name '.#layers' ; }
in_() { "$NL" --quiet "$@" 2>&1; }

# ---- an image of two layers, and another that shares the first ---------------------------------

base=$T/base
mkdir -p "$base"
cp -a "$(tree busybox)/." "$base"
mkdir -p "$base/data/old" "$base/etc" "$base/tmp" "$base/srv"
chmod 1777 "$base/tmp"
chown 12:34 "$base/data"
chmod 711 "$base"
mkdir -p "$base/lib/systemd"
printf '#!/bin/sh\necho $$ an init\n' >"$base/lib/systemd/systemd"
chmod 755 "$base/lib/systemd/systemd"
echo gone >"$base/etc/gone"
echo one >"$base/data/old/one"
echo both >"$base/etc/both"
printf 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/srv:/bin/sh\n' >"$base/etc/passwd"
printf 'root:x:0:\nweb:x:33:\nadm:x:4:web\nstaff:x:50:\n' >"$base/etc/group"
top=$T/top
mkdir -p "$top/etc" "$top/data/old" "$top/late"
: >"$top/etc/.wh.gone"
: >"$top/data/old/.wh..wh..opq"
echo two >"$top/data/old/two"
echo both >"$top/etc/both2"
ln "$top/etc/both2" "$top/etc/both3"
chown -R 12:34 "$top/data"
layout "$T/lay"
layer "$T/lay" "$base" gzip
cp "$T/lay.layers" "$T/first.layers"
cp "$T/lay.ids" "$T/first.ids"
layer "$T/lay" "$top"
image "$T/lay" example.org/x/web:1 '"Env":["PATH=/bin","A=b c"],"Entrypoint":["/bin/sh","-c"],"Cmd":["id; pwd; echo $A"],"User":"web","WorkingDir":"/srv/new","StopSignal":"SIGINT","ExposedPorts":{"80/tcp":{},"53/udp":{}}'
# a layer without entries for the directories that it has files in, and with a link to what only the layer below has
mkdir -p "$T/bare/data/old" "$T/bare/tmp"
echo x >"$T/bare/tmp/x"
echo x >"$T/bare/data/old/x"
(cd "$T/bare" && tar -cf "$T/bare.tar" tmp/x data/old/x)
cp "$T/first.layers" "$T/lay.layers"
cp "$T/first.ids" "$T/lay.ids"
layer "$T/lay" "$T/bare.tar"
image "$T/lay" plain '"Cmd":["/bin/cat","/data/old/one"]'

# each of them on each kind of store
for fs in tmpfs ext4 btrfs none; do
	case $fs in
	none)	NSPAWN_LITE_DENY=private
		export NSPAWN_LITE_DENY
		on tmpfs
		kind=directory ;;
	btrfs)	kind=subvolume
		on btrfs && "$M" import-fs "$T/bare" try 2>/dev/null && case $("$M" list-images) in *subvolume*) "$M" remove try ;; *) off; false ;; esac ;;
	*)	kind=overlay
		on $fs ;;
	esac || { skip "images in layers on $fs" "no $fs"; continue; }
	is "$fs: a layout becomes an image, called as its ref is" 0 "$("$M" -q import-oci "$T/lay:example.org/x/web:1" 2>&1; echo $?)"
	is "$fs: which is one of its kind" "web $kind no" "$("$M" list-images --no-legend | awk '{ print $1, $2, $3 }')"
	is "$fs: it runs its own command, as its user, where it says" 'uid=33(web) gid=33(web) groups=4(adm),33(web)
/srv/new
b c' "$(in_ -M web)"
	is "$fs: words take the place of Cmd" "web
/srv/new" "$(in_ -M web 'id -un; pwd')"
	is "$fs: what is said by hand wins" '0 / c' "$(in_ -M web --user=root --chdir=/ --setenv=A=c 'echo $(id -u) $(pwd) $A')"
	is "$fs: whiteouts took away what was below, and its modes and owners are there" 'both
both2
both3
two
1777
12:34' "$(in_ -M web 'ls /etc | grep -E "gone|both"; ls /data/old; stat -c %a /tmp; stat -c %u:%g /data')"
	is "$fs: a second image has its own" one "$("$M" -q import-oci "$T/lay:plain" two 2>&1; in_ -M two)"
	is "$fs: with what directories are that its layer says nothing of" '711 1777 0
12:34' "$(in_ -x -M two /bin/sh -c 'echo $(stat -c %a / /tmp) $(stat -c %u /tmp); stat -c %u:%g /data')"
	[ $kind = directory ] || is "$fs: layers of both are there once" 3 "$(layers)"
	in_ -M two /bin/sh -c 'echo mine >/etc/both; rm /etc/passwd'
	is "$fs: what one writes no other sees" both "$(in_ -M web 'cat /etc/both')"
	is "$fs: a clone has the command, too, and what was written" 'one mine' \
		"$("$M" clone two three 2>&1)$(in_ -M three) $(in_ -M three /bin/cat /etc/both)"
	is "$fs: and keeps it by another name" one "$("$M" rename three four 2>&1)$(in_ -M four)"
	is "$fs: as does a copy that shares nothing" 'one' "$("$M" clone --copy four five 2>&1)$(in_ -M five)"
	is "$fs: an archive of it has its tree" ./data/old/one "$("$M" -q export-tar four - 2>&1 | tar -tf - 2>/dev/null | grep old/one)"
	is "$fs: -x keeps nothing" 'both' "$(in_ -x -M web 'echo x >/tmp/y; cat /etc/both')"
	if [ $kind != directory ]; then
		is "$fs: those of images that go stay for others" '2' "$("$M" remove web 2>&1)$(layers)"
		is "$fs: and go with the last" 0 "$("$M" remove two four five 2>&1)$(layers)"
	else
		"$M" remove web two four five
	fi
	is "$fs: with the files that belonged to them" '' "$(hidden)"
	is "$fs: what takes the place of another takes its command" one \
		"$("$M" -q import-oci "$T/lay:web:1" a 2>&1; "$M" -q import-oci --force "$T/lay:plain" a 2>&1; in_ -M a)"
	is "$fs: that which is kept keeps its own" 'one /srv/new' \
		"$("$M" -q import-oci --replace "$T/lay:web:1" a 2>&1; in_ -M a.old) $(in_ -M a pwd)"
	is "$fs: a tree in its place has none" '' "$("$M" -q import-fs --force "$base" a 2>&1; cd "$S" && find . -name 'a.oci*')"
	is "$fs: and all is gone" '0 ' "$("$M" remove a a.old 2>&1)$(layers) $(hidden)"
	unset NSPAWN_LITE_DENY
	off
done

# ---- where they come from ----------------------------------------------------------------------------

mount -t tmpfs none "$S"
tar -C "$T/lay" -cf "$T/lay.tar" .
tar -C "$T/lay" -czf "$T/lay.tgz" index.json oci-layout blobs
for f in lay.tar lay.tgz; do
	is "$f is a layout, too" one "$("$M" -q import-oci "$T/$f:plain" p 2>&1; in_ -M p; "$M" remove p)"
done
is 'one from standard input, whatever comes first' one "$("$M" -q import-oci -:plain p <"$T/lay.tgz" 2>&1; in_ -M p; "$M" remove p)"
layout "$T/one"
layer "$T/one" "$top"
image "$T/one" latest
tar -C "$T/one" -cf "$T/one.tar" .
run "$M" -q import-oci - <"$T/lay.tgz"
like 'of several images one is to be named' '1 *more than one image; say -:TAG, with one of: example.org/x/web:1, plain' "$rc $err"
run "$M" -q import-oci "$T/lay:none" p
like 'one that is there' '1 *no image called none, but: example.org/x/web:1, plain' "$rc $err"
run "$M" -q import-oci - <"$T/one.tar"
like 'standard input gives no name' '1 *say NAME, too' "$rc $err"
run "$M" -q import-oci "$base" p
like 'a tree is no layout' '1 *neither index.json nor manifest.json*import-fs*' "$rc $err"
is 'nothing of all this stays' '' "$(hidden)"

# docker save: a list of files, which may be links
saved=$T/saved
mkdir -p "$saved/a"
config "$T/lay" >/dev/null 2>&1
cp "$T/first.ids" "$T/lay.ids"
config "$T/lay" '"Cmd":["/bin/echo","saved"]'
cp "$T/lay/blobs/sha256/${digest#*:}" "$saved/${digest#*:}.json"
gunzip -c <"$T/lay/blobs/sha256/$(sed 's/.*"sha256:\([0-9a-f]*\)".*/\1/' "$T/first.layers")" >"$saved/real.tar"
ln -s ../real.tar "$saved/a/layer.tar"
printf '[{"Config":"%s.json","RepoTags":["lib/saved:7","other:1"],"Layers":["a/layer.tar"]}]' "${digest#*:}" >"$saved/manifest.json"
tar -C "$saved" -cf "$T/saved.tar" .
is 'what docker save wrote becomes an image, by its first tag' 'saved' "$("$M" -q import-oci "$T/saved.tar" 2>&1; in_ -M saved)"
is 'or by another' 'saved' "$("$M" -q import-oci "$T/saved.tar:other:1" 2>&1; in_ -M other)"
"$M" remove saved other

# large ones are read where they stand in the archive: with them a second time this store would be too small
mkdir -p "$T/large/x" "$T/small"
head -c 5000000 /dev/urandom >"$T/large/x/data"
layout "$T/l"
layer "$T/l" "$T/large" gzip
image "$T/l" x
tar -C "$T/l" -cf "$T/l.tar" .
skopeo copy -q "oci:$T/l:x" "docker-archive:$T/ld.tar:org/thing:3" >"$T/log" 2>&1 || cp "$T/l.tar" "$T/ld.tar"
mount -t tmpfs -o size=8m none "$T/small"
large() { "$M" -q --image-root="$T/small" import-oci "$@" large 2>&1; cmp "$T/large/x/data" "$T"/small/.\#layers/*/x/data 2>&1; "$M" --image-root="$T/small" remove large; }
mkdir "$T/linked"
tar -C "$T/linked" -xf "$T/ld.tar"
for f in "$T"/linked/*.tar; do [ ! -f "$f" ] || [ -h "$f" ] || { mkdir "$T/linked/to"; mv "$f" "$T/linked/to" && ln -s "to/${f##*/}" "$f"; break; }; done
tar -C "$T/linked" -cf "$T/linked.tar" .
for f in l ld linked; do
	is "$f.tar: large layers of an archive are not written twice" '' "$(large "$T/$f.tar")"
done
{ head -c 700 /dev/zero; cat "$T/l.tar"; } >"$T/later"
is 'wherever it begins' '' "$({ dd bs=700 count=1 of=/dev/null 2>/dev/null; large -; } <"$T/later")"
umount "$T/small"

# ---- for which machine --------------------------------------------------------------------------------

# those of a newer CPU stand first
layout "$T/many"
for a in m68k $arch,v99 $arch arm; do
	v=''
	case $a in *,*) v=',"variant":"'${a#*,}'"' ;; esac
	mkdir -p "$T/$a/etc"
	cp -a "$base/bin" "$T/$a"
	echo "$a" >"$T/$a/etc/arch"
	layer "$T/many" "$T/$a"
	config "$T/many" '"Cmd":["/bin/cat","/etc/arch"]' "${a%,*}"
	manifest "$T/many"
	entry "$T/many" '' ",\"platform\":{\"os\":\"linux\",\"architecture\":\"${a%,*}\"$v}"
	: >"$T/many.layers"
	: >"$T/many.ids"
done
index "$T/many"
cp "$T/many/index.json" "$T/many.inner"
blob "$T/many" "$T/many.inner"
: >"$T/many.index"
kind=index
entry "$T/many" all
index "$T/many"
is 'of an index that one is taken which this machine runs' "$arch" "$("$M" -q import-oci "$T/many" 2>&1; in_ -M many)"
is 'or the one that is asked for' "m68k" "$("$M" -q import-oci --platform=m68k "$T/many" other 2>&1; in_ -M other)"
run "$M" -q import-oci --platform=linux/vax "$T/many" third
like 'and not one that is not there' '1 *nothing for linux/vax, but for: linux/m68k, linux/*' "$rc $err"
run "$M" -q import-oci --platform=linux/arm64/v8 "$T/lay:plain" third
[ "$arch" = arm64 ] || like 'nor where there is but one' "1 *it is made for linux/$arch, and not for linux/arm64/v8" "$rc $err"
"$M" remove many other

# ---- other tools' images ----------------------------------------------------------------------------------

if command -v skopeo >/dev/null 2>&1; then
	skopeo copy -q "oci:$T/lay:plain" "docker-archive:$T/d.tar:org/thing:3" >"$T/log" 2>&1
	is 'an archive of skopeo for docker' one "$("$M" -q import-oci "$T/d.tar" 2>&1; in_ -M thing; "$M" remove thing)"
	skopeo copy -q "oci:$T/lay:plain" "oci-archive:$T/o.tar:x" >"$T/log" 2>&1
	is 'and one of OCI' one "$("$M" -q import-oci "$T/o.tar" thing 2>&1; in_ -M thing; "$M" remove thing)"
	skopeo copy -q --dest-compress-format zstd --dest-compress "oci:$T/lay:plain" "oci:$T/z:x" >"$T/log" 2>&1
	if grep -q 'tar+zstd' "$T/z/blobs/sha256"/* 2>/dev/null; then
		is 'layers may be packed by zstd' one "$("$M" -q import-oci "$T/z" thing 2>&1; in_ -M thing; "$M" remove thing)"
	else
		skip 'layers may be packed by zstd' 'skopeo does not write them'
	fi
else
	skip 'archives of skopeo' 'no skopeo'
fi
if command -v umoci >/dev/null 2>&1; then
	umoci init --layout "$T/u" && umoci new --image "$T/u:x" && umoci unpack --image "$T/u:x" "$T/ub" >"$T/log" 2>&1 &&
		cp -a "$base/." "$T/ub/rootfs" && umoci repack --image "$T/u:x" "$T/ub" >"$T/log" 2>&1
	umoci config --image "$T/u:x" --config.cmd=/bin/cat --config.cmd=/etc/both --config.user=33:50
	is 'an image of umoci' both "$("$M" -q import-oci "$T/u" thing 2>&1; in_ -M thing)"
	is 'users may be numbers, with a group, and no others' 'uid=33(web) gid=50(staff) groups=50(staff)' "$(in_ -M thing /bin/sh -c id)"
	"$M" remove thing
	# layers by chance: whiteouts, links across layers, attributes; each of these was once another tree than umoci's
	tell() { "$python" "$TESTDIR/oci-random.py" "$1"; }
	if python=$(command -v python3); then
		seeds='59 142 200'
		# shellcheck disable=SC2086
		"$python" "$TESTDIR/oci-random.py" "$T/chance" $seeds
		mkdir "$T/view"
		for seed in $seeds; do
			umoci unpack --image "$T/chance:$seed" "$T/u$seed" >"$T/log" 2>&1
			tell "$T/u$seed/rootfs" >"$T/want"
			"$M" -q import-oci --copy "$T/chance:$seed" thing
			is "layers by chance, $seed: the tree of umoci" '' "$(tell "$S/thing" | diff "$T/want" - 2>&1)"
			"$M" -q import-oci --force "$T/chance:$seed" thing
			mount -t overlay -o "ro,lowerdir=$S/thing.overlay/upper$(sed "1d; s,^,:$S/.#layers/," "$S/thing.overlay/lower" | tr -d '\n')" none "$T/view"
			is 'and in layers, but for links to other layers' '' \
				"$(tell "$T/view" | grep ' 0o' >"$T/got"; grep ' 0o' "$T/want" | diff - "$T/got" 2>&1)"
			umount "$T/view"
			"$M" remove thing
		done
	else
		skip 'layers by chance' 'no python3'
	fi
else
	skip 'an image of umoci' 'no umoci'
fi

# what is kept beside it says how it is run, be it what it may
"$M" -q import-oci "$T/lay:plain" thing
conf=$S/thing.oci-config
says() { printf '{"config":{%s}}' "$1" >"$conf"; }
for u in :staff=0:50 :50=0:50 33:=33:33 :=0:0 web:staff=33:50; do
	says '"User":"'"${u%=*}"'","Cmd":["/bin/sh","-c","echo $(id -u):$(id -g)"]'
	is "the user ${u%=*}" "${u#*=}" "$(in_ -M thing)"
done
says '"Cmd":["a\u001bb","c"],"ExposedPorts":{"1\n":{}}'
is 'no terminal obeys it' 'Command=a\x1bb c ExposedPorts=1\x0a' "$("$M" show-image thing | grep -E 'Comm|Ports' | tr '\n' ' ' | sed 's/ $//')"
awk 'BEGIN { printf "{\"config\":{\"Cmd\":["; for (i = 0; i < 100000; i++) printf "\"a\","; printf "\"a\"]}}" }' >"$conf"
for why in 'more words in a list than anything needs' 'no JSON: *' 'File too large'; do
	run timeout 60 "$M" image-status thing
	like "status: $why" "0 *thing.oci-config: $why*RO: writable*" "$rc $err$out"
	run timeout 60 "$NL" -q -M thing
	like "it does not run: $why" "1 *thing.oci-config: $why" "$rc $err"
	[ "$why" != 'no JSON: *' ] || dd if=/dev/zero of="$conf" bs=1M count=5 2>/dev/null
	[ "$why" != 'more words in a list than anything needs' ] || echo '{' >"$conf"
done
"$M" remove thing

# ---- one that runs by itself ----------------------------------------------------------------------------------

: >"$T/lay.ids"
layer "$T/lay" "$base"
image "$T/lay" service '"Env":["B=env"],"User":"web","StopSignal":"SIGUSR1","Cmd":["/bin/sh","-c","trap \"echo bye; exit 0\" USR1; echo up; while :; do sleep 0.1; done"]'
"$M" -q import-oci "$T/lay:service" service 2>"$T/err"
layer "$T/lay" "$base"
image "$T/lay" deaf '"Cmd":["/bin/sleep","1000"]'
"$M" -q import-oci "$T/lay:deaf" deaf 2>"$T/err"
if "$NL" start service deaf 2>"$T/err"; then
	"$M" stop --no-block deaf
	# shellcheck disable=SC2317 # called by name
	up() { "$NL" logs service 2>/dev/null | grep -q "$1"; }
	ok 'start runs it, and not an init' wait_for up up
	is 'who comes in later has its environment' env "$("$NL" exec service /bin/sh -c 'echo $B' 2>&1)"
	run "$M" remove service
	like 'it cannot be removed meanwhile' '1 *Device or resource busy' "$rc $err"
	"$NL" stop service
	ok 'stop sends its own signal' up bye
	run "$M" stop deaf
	is 'stop of what hears nothing takes the seconds that it has for that' '0 1' \
		"$rc $("$NL" logs deaf | grep -c 'machine deaf has not ended in 10 s: it is killed')"
else
	skip 'start runs it' "$(cat "$T/err")"
fi
like 'what it runs is told' '*Command: /bin/sh -c *' "$("$M" image-status service)"
"$M" -q import-oci "$T/lay:web:1"
is 'for programs, too' 'ExposedPorts=80/tcp 53/udp' "$("$M" show-image web | grep Ports)"
mkdir "$S/plain"
is 'as objects it and one that says nothing have the same names' '"80/tcp 53/udp" null' \
	"$("$M" show-image -o json -p Name -p ExposedPorts web plain | sed 's/},{/\n/g' | sed 's/.*ExposedPorts"://; s/[]}]*$//' | paste -sd ' ')"
rmdir "$S/plain"
is '-b starts an init all the same' '1 an init' "$(in_ -x -b -M web | tr -d '\r')"
is 'a tree that is told by its path has no command' 'in a shell' "$(echo 'echo in a shell' | in_ -x -D "$base")"
is 'nor has that of an image' 'in a shell' "$(echo 'echo in a shell' | in_ -x -D "$("$M" show-image --value -p Path web)")"
mv "$S/.#layers" "$S/.#hidden"
run "$M" clone web lacking
like 'a clone of what has lost its layers is none' '1 *lacking lies on *, which is gone*0' "$rc $err$(find "$S" -maxdepth 1 -name '*.overlay' -name 'lack*' | wc -l | tr -d ' ')"
mv "$S/.#hidden" "$S/.#layers"
"$M" remove service web deaf
is 'nothing stays' '0 ' "$(layers) $(hidden)"
umount "$S"
done_testing
