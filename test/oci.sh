# shellcheck shell=sh disable=SC2034 # variables for the tests
# Images of the OCI made by hand, for tests that have lib.sh:
#	layout DIR		a layout without images
#	layer DIR TREE [PACK]	one more layer of what is in TREE, packed by a program
#	image DIR TAG [MEMBERS]	an image of the layers since the last one, with these members in its "config"
#	entry DIR TAG [MORE]	and what the index says of it: image calls it, with no MORE
#	index DIR		write the index
# digest and size are those of the blob that was made last, arch what this machine is called.

OCI=application/vnd.oci.image
arch=$(uname -m)
case $arch in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; i?86) arch=386 ;; armv*) arch=arm ;; esac

layout() {
	mkdir -p "$1/blobs/sha256"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
	: >"$1.layers"
	: >"$1.ids"
	: >"$1.index"
}
# blob DIR FILE : it goes there
blob() {
	digest=sha256:$(sha256sum <"$2" | cut -d ' ' -f 1)
	size=$(wc -c <"$2")
	mv "$2" "$1/blobs/sha256/${digest#*:}"
}
comma() { [ ! -s "$1" ] || printf , >>"$1"; }
layer() {
	if [ -d "$2" ]; then
		(cd "$2" && tar -cf - --numeric-owner .) >"$1.tar"
	else
		cat "$2" >"$1.tar"
	fi
	comma "$1.ids"
	printf '"sha256:%s"' "$(sha256sum <"$1.tar" | cut -d ' ' -f 1)" >>"$1.ids"
	case ${3:-} in
	'') kind='' ;;
	*)	kind=+$3
		"$3" -c <"$1.tar" >"$1.packed" && mv "$1.packed" "$1.tar" ;;
	esac
	blob "$1" "$1.tar"
	comma "$1.layers"
	printf '{"mediaType":"%s.layer.v1.tar%s","digest":"%s","size":%d}' "$OCI" "$kind" "$digest" "$size" >>"$1.layers"
}
# config DIR [MEMBERS [ARCH]]
config() {
	printf '{"architecture":"%s","os":"linux","config":{%s},"rootfs":{"type":"layers","diff_ids":[%s]}}' \
		"${3:-$arch}" "${2:-}" "$(cat "$1.ids")" >"$1.config"
	blob "$1" "$1.config"
}
# manifest DIR : of the blob that was made last, which is the configuration
manifest() {
	printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","digest":"%s","size":%d},"layers":[%s]}' \
		"$OCI" "$OCI" "$digest" "$size" "$(cat "$1.layers")" >"$1.manifest"
	blob "$1" "$1.manifest"
}
entry() {
	comma "$1.index"
	ref=''
	[ -z "$2" ] || ref=',"annotations":{"org.opencontainers.image.ref.name":"'$2'"}'
	printf '{"mediaType":"%s.%s.v1+json","digest":"%s","size":%d%s%s}' "$OCI" "${kind:-manifest}" "$digest" "$size" \
		"$ref" "${3:-}" >>"$1.index"
}
index() { printf '{"schemaVersion":2,"manifests":[%s]}' "$(cat "$1.index")" >"$1/index.json"; }
image() {
	config "$1" "${3:-}"
	manifest "$1"
	kind=manifest
	entry "$1" "$2"
	: >"$1.layers"
	: >"$1.ids"
	index "$1"
}
