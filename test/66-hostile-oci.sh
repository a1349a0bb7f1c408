#!/bin/sh
# Images in layers that mean no good, or are broken: each ends in one sentence that names what is wrong, and nothing stays
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=oci.sh
. "${0%/*}/oci.sh"
need_root
M=$T/machinectl
ln -s "$NL" "$M"
S=$T/root/var/lib/machines
mkdir -p "$S"
mount -t tmpfs -o size=96m none "$S" || skip_all 'no tmpfs'

D=$T/d
mkdir -p "$T/tree/etc" "$T/top/etc"
echo x >"$T/tree/etc/x"
echo y >"$T/top/etc/y"
# fresh : a layout of one good image of two layers
fresh() {
	rm -rf "$D"
	layout "$D"
	layer "$D" "$T/tree" gzip
	first=$digest
	layer "$D" "$T/top"
	second=$digest
	cp "$D.layers" "$T/layers"
	cp "$D.ids" "$T/ids"
	config "$D" '"Cmd":["/bin/x"]'
	conf=$digest
	manifest "$D"
	man=$digest
	: >"$D.index"
	entry "$D" x
	index "$D"
}
# again [TEXT] : a manifest, of this text or of what the files say, in place of the one there was
again() {
	if [ $# -gt 0 ]; then
		printf '%s' "$1" >"$T/text"
		blob "$D" "$T/text"
	else
		manifest "$D"
	fi
	kind=manifest
	: >"$D.index"
	entry "$D" x
	index "$D"
}
file() { echo "$D/blobs/sha256/${1#*:}"; }
# shorten FILE BYTES
shorten() { head -c $(($(wc -c <"$1") - $2)) "$1" >"$T/short" && mv "$T/short" "$1"; }
left() { find "$S" -mindepth 1 ! -path "$S/.#layers"; }
# bad NAME PATTERN : it is refused, with this sentence, and leaves nothing
bad() {
	run timeout 60 "$M" -q import-oci "$D" bad
	like "$1" "1 $2" "$rc $err"
	lines=$(printf '%s\n' "$err" | wc -l)
	[ "$lines" = 1 ] || is "$1: in one sentence" 1 "$lines: $err"
	"$M" clean >/dev/null
	left=$(left)
	[ -z "$left" ] || is "$1: nothing stays" '' "$left"
	"$M" remove bad 2>/dev/null
}

fresh
is 'the good one is taken' 'overlay' "$("$M" -q import-oci "$D" good 2>&1; "$M" list-images --no-legend | awk '{ print $2 }'; "$M" remove good)"

cp "$T/layers" "$D.layers"
cp "$T/ids" "$D.ids"
: >"$T/none"
layer "$D" "$T/none"
layer "$D" "$T/none" gzip
config "$D"
again
is 'layers of nothing are none' '' "$("$M" -q import-oci "$D" good 2>&1; "$M" remove good)"
cp "$T/layers" "$D.layers"
sed 's/"[^"]*"$/"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"/' "$T/ids" >"$D.ids"
config "$D"
again
bad 'one that is said to be nothing' '*unpacked it has another digest than its configuration says: sha256:*'

# ---- digests and sizes ---------------------------------------------------------------------

fresh
printf x >>"$(file "$first")"
bad 'a layer that is too large' "*$first: it is larger than its descriptor says"
fresh
printf x | dd of="$(file "$second")" bs=1 seek=1536 conv=notrunc 2>/dev/null
bad 'a layer that was changed' "*$second: what is there has another digest, sha256:*"
fresh
shorten "$(file "$second")" 512
bad 'a layer that is too short' "*$second: it has * bytes, and should have *"
fresh
shorten "$(file "$first")" 9
bad 'a packed layer that was cut' "*$first: it ends in the middle of *"
fresh
rm "$(file "$second")"
bad 'a layer that is not there' '*: blobs/sha256/*: No such file*'
fresh
printf ' ' >>"$(file "$man")"
bad 'a manifest that was changed' "*$man: it is larger than*"
fresh
sed -i 's/amd64/AMD64/; s/linux/LINUX/' "$(file "$conf")"
bad 'a configuration that was changed' "*$conf: what is there has another digest*"
fresh
sed 's/"sha256:./"sha256:0/g' "$T/ids" >"$D.ids"
config "$D"
again
bad 'a configuration that says other diff_ids' '*unpacked it has another digest than its configuration says: sha256:*'
fresh
cut -d , -f 1 <"$T/ids" >"$D.ids"
config "$D"
again
bad 'and one that says fewer' '*it has 2 layers, and its configuration speaks of 1*'
fresh
: >"$D.layers"
: >"$D.ids"
config "$D"
again
bad 'an image without layers' '*it has 0 layers*'

for what in ../../../../etc/passwd sha256:../../x sha256:0123 sha512:0123 \
	sha256:../../../../../../../../../../../../../../../../../../../../../../x "sha256:$(printf '%064d' 0)/" \
	"sha256:ABCDEF$(printf '%058d' 0)"; do
	fresh
	again '{"schemaVersion":2,"config":{"digest":"'"$what"'","size":5},"layers":[{"digest":"'"$first"'","size":5}]}'
	bad "the digest '$what' is no path" '*config: its digest is none of sha256: *'
done
fresh
for size in -1 1.5 '"5"' 99999999999999999999 null; do
	again '{"schemaVersion":2,"config":{"digest":"'"$conf"'","size":'"$size"'},"layers":[]}'
	bad "a size of $size" '*config: it does not say how large it is'
done
again '{"schemaVersion":2,"config":{"digest":"'"$conf"'","size":9223372036854775807},"layers":[]}'
bad 'a configuration that is said to be huge' '*it says that it has more than 4194304 bytes'
fresh
ln -s /etc/passwd "$T/link"
rm "$(file "$second")"
ln -s /etc/passwd "$(file "$second")"
bad 'no link of a layout leads out of it' '*: blobs/sha256/*'
fresh
rm "$(file "$second")"
mkfifo "$(file "$second")"
bad 'nor is a FIFO waited for' '*: blobs/sha256/*'

# ---- manifests and indexes ---------------------------------------------------------------------

fresh
again '{"schemaVersion":2,"config":{"digest":"'"$conf"'","size":5},"layers":[{"digest":"'"$first"'","size":5}],"manifests":[]}'
bad 'what is a manifest and an index' '*is an index, too*'
again '{"schemaVersion":2}'
bad 'what is neither' '*is none*'
again '{"schemaVersion":1,"fsLayers":[],"layers":[]}'
bad 'a manifest of the first schema' '*of the first schema*'
again '{"schemaVersion":2,'
bad 'what is no JSON' '*its manifest: *'
again '[]'
bad 'an array' '*is none*'
again ''
bad 'nothing' '*its manifest: *'
i=0
printf '{"schemaVersion":2,"config":{"digest":"%s","size":5},"layers":[' "$conf" >"$T/text"
while [ $i -lt 200 ]; do
	printf '{"digest":"%s","size":5},' "$first" >>"$T/text"
	i=$((i + 1))
done
printf '{}]}' >>"$T/text"
blob "$D" "$T/text"
: >"$D.index"
entry "$D" x
index "$D"
bad 'too many layers' '*more than 128 layers'
head -c 5000000 /dev/zero | tr '\0' ' ' >"$T/text"
blob "$D" "$T/text"
: >"$D.index"
entry "$D" x
index "$D"
bad 'a huge manifest' '*more than 4194304 bytes'
head -c 5000000 /dev/zero >"$D/index.json"
bad 'a huge index' '*index.json: File too large'
# a chain of indexes; a loop would take a digest of what holds it
fresh
i=0
while [ $i -lt 9 ]; do
	printf '{"schemaVersion":2,"manifests":[%s]}' "$(cat "$D.index")" >"$T/text"
	blob "$D" "$T/text"
	: >"$D.index"
	kind=index
	entry "$D" x
	i=$((i + 1))
done
index "$D"
bad 'indexes that lead to indexes' '*more than 4 indexes lead to each other'
printf '{"schemaVersion":2,"manifests":[{"digest":"%s","size":3}]}' "$conf" >"$D/index.json"
bad 'an index whose size is wrong' '*larger than its descriptor says'
fresh
again '{"schemaVersion":2,"config":{"digest":"'"$conf"'","size":'"$(wc -c <"$(file "$conf")")"'},"layers":[{"digest":"'"$first"'","size":5,"mediaType":"application/wasm"},{"digest":"'"$second"'","size":5}]}'
bad 'a layer that is no archive' '*layer 1 is of type application/wasm*'
again "{\"schemaVersion\":2,\"config\":{\"digest\":\"$conf\",\"size\":5,\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\"},\"layers\":[]}"
bad 'what is no image at all' '*it is no image of a system: its configuration is of type application/vnd.cncf.helm.config.v1+json'
again '{"schemaVersion":2,"manifests":[]}'
entry "$D" y ',"platform":{"architecture":"unknown","os":"unknown"}'
printf '{"schemaVersion":2,"manifests":[%s]}' "$(sed 's/.*},{/{/' "$D.index"),$(sed 's/.*},{/{/; s/unknown/vax/' "$D.index")" >"$D/index.json"
bad 'attestations are no platform' '*it has nothing for this machine, but for: what it does not say'
fresh
sed 's/linux/windows/' "$(file "$conf")" >"$T/text"
blob "$D" "$T/text"
manifest "$D"
: >"$D.index"
entry "$D" x
index "$D"
bad 'an image for windows' '*it is made for windows'

# ---- what layers hold ---------------------------------------------------------------------------------

if ! command -v python3 >/dev/null 2>&1; then
	skip 'layers that want out' 'no python3'
	umount "$S"
	done_testing
fi
mkdir "$T/outside"
# evil CODE : a layer of these entries on top of the first; add(NAME, TYPE, LINK, DATA) makes them
evil() {
	fresh
	python3 - "$T/evil.tar" "$T" <<EOF
import sys, tarfile, io
t = tarfile.open(sys.argv[1], 'w')
T = sys.argv[2]
def add(name, type=tarfile.REGTYPE, link='', data=b'evil', **pax):
    i = tarfile.TarInfo(name)
    i.type, i.linkname, i.size, i.pax_headers = type, link, len(data) if type == tarfile.REGTYPE else 0, pax
    t.addfile(i, io.BytesIO(data))
$1
t.close()
EOF
	cut -d '}' -f 1 <"$T/layers" | sed 's/$/}/' >"$D.layers"
	cut -d , -f 1 <"$T/ids" >"$D.ids"
	layer "$D" "$T/evil.tar"
	config "$D"
	again
}
evil "add('../../outside/a')"
bad 'a name that leads out' '*"..", which might lead out'
evil "add('l', tarfile.SYMTYPE, T + '/outside'); add('l/a')"
bad 'a name through a link' '*above it is something that is no directory, or a link*'
evil "add('h', tarfile.LNKTYPE, '../../../outside/a')"
bad 'a hard link that leads out' '*a link to *"..", which might lead out'
evil "add('etc/.wh...')"
bad 'a whiteout of what is above' '*a whiteout that names nothing'
evil "add('l', tarfile.SYMTYPE, T + '/outside'); add('l/.wh.keep')"
: >"$T/outside/keep"
"$M" -q import-oci "$D" a 2>/dev/null
is 'a whiteout through a link takes nothing away' 'keep' "$(ls "$T/outside")"
"$M" remove a 2>/dev/null
evil "add('way', tarfile.SYMTYPE, '/a/../etc'); add('a', tarfile.DIRTYPE); add('deep/way', tarfile.SYMTYPE, '../way/..//../way'); add('up', tarfile.SYMTYPE, '/')
add('deep/way/new/n'); add('up/a/b'); add('hard', tarfile.LNKTYPE, 'deep/way/new/n'); add('way/.wh.x')"
run "$M" -q import-oci "$D" a
is 'a layer may use links of the tree, as others see them' '0 ./a/b
./deep/way
./etc/new/n
./hard
./up
./way' "$rc $err$("$M" -q export-tar a - | tar -tf - | grep '[^/]$' | sort)"
"$M" remove a
evil "add('way', tarfile.SYMTYPE, 'etc'); add('way/new'); add('etc/.wh..wh..opq'); add('x', tarfile.SYMTYPE, 'x'); add('x/a')"
bad 'but not those that lead nowhere' '*x/a: above it is something that is no directory, or a link*'
evil "add('way', tarfile.SYMTYPE, 'etc'); add('way/new'); add('etc/.wh..wh..opq')"
"$M" -q import-oci "$D" a 2>"$T/err"
is 'nor is what came by one hidden by its own layer' './etc/new' "$("$M" -q export-tar a - | tar -tf - | grep etc/.)"
"$M" remove a
evil "add('etc', tarfile.SYMTYPE, '/etc'); add('b')"
"$M" -q import-oci "$D" a 2>"$T/err"
is 'a link in place of a directory below is one inside' "$(ls /etc/x 2>&1) /etc" "$(ls /etc/x 2>&1) $(find "$S"/.#layers -name etc -type l -exec readlink {} \;)"
"$M" remove a
evil "add('etc/dev', tarfile.CHRTYPE); add('c', tarfile.DIRTYPE, **{'SCHILY.xattr.trusted.overlay.redirect': '/etc', 'SCHILY.xattr.trusted.overlay.opaque': 'y'})"
"$M" -q import-oci "$D" a 2>"$T/err"
is 'what an overlay writes for itself nobody else does' '0' "$(getfattr -d -m trusted -R "$S" 2>/dev/null | grep -c 'redirect')"
"$M" remove a 2>/dev/null
evil "add('etc/new'); add('.wh.etc')"
"$M" -q import-oci "$D" a 2>"$T/err"
is 'a whiteout hides what was below, and not what came in before it' './etc/new' "$("$M" -q export-tar a - | tar -tf - | grep etc/.)"
"$M" remove a
evil "add('.wh..wh..opq')"
is 'all of a layer can be hidden' '' "$("$M" -q import-oci "$D" a 2>&1; "$M" -q export-tar a - 2>/dev/null | tar -tf - | grep etc)"
"$M" remove a
is 'nothing came out' '' "$(find "$T/outside" ! -name keep -type f)$(left)"

# ---- archives, and docker save --------------------------------------------------------------------------

cd "$T" || exit
D=$T/x.tar
for json in '[{"Config":"../../etc/passwd","Layers":["x"]}]' '[{"Config":"/etc/passwd","Layers":[]}]' '[{"Layers":[]}]' '{}' '[1]' \
	'[{"Config":"c","Layers":[5]}]' '[{"Config":"nothing","Layers":["x"]}]'; do
	printf '%s' "$json" >manifest.json
	tar -cf x.tar manifest.json
	bad "docker save: $json" "$D: *"
done
printf '{"rootfs":{"diff_ids":["sha256:%064d"]}}' 0 >c
printf '[{"Config":"c","Layers":["c"]}]' >manifest.json
tar -cf x.tar manifest.json c
bad 'docker save: a layer that is no archive' "$D: file:1: *"
cp "$T/evil.tar" l
printf '[{"Config":"c","Layers":["l"]}]' >manifest.json
tar -cf x.tar manifest.json c l
bad 'docker save: a layer that is another' "$D: file:1: unpacked it has another digest*"
printf 'x' >x.tar
bad 'no archive at all' "$D: *"
: >x.tar
bad 'an empty file' "$D: *"
umount "$S"
done_testing
