#!/bin/sh
# Images that come from registries: a real one, without logins and with both kinds of them, and such as mean no good.
# What its digest does not say is not there, and secrets go nowhere but where they belong.
# shellcheck disable=SC2015,SC2016,SC2317 # notes are for either; for shells inside; called by others
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need docker-registry skopeo umoci curl openssl htpasswd socat gzip tar sha256sum

store=$T/root/var/lib/machines
mkdir -p "$T/root/var/lib" "$T/home"
HOME=$T/home
export HOME

# ---- images, and a registry that has them ------------------------------------------------------------
# what umoci calls this machine's
umoci init --layout "$T/lay" && umoci new --image "$T/lay:base" || skip_all 'no image'
at=$T/lay/blobs/sha256
sum() { sha256sum | cut -d ' ' -f 1; }
arch=$(cat "$at"/* | sed -n 's/.*"architecture":"\([a-z0-9]*\)".*/\1/p' | head -n 1)
t=$(tree busybox) || skip_all 'no tree'
tar -C "$t" -cf "$T/layer.tar" .
gzip -nc "$T/layer.tar" >"$T/layer.tar.gz"
printf '{"architecture":"%s","os":"linux","config":{"Cmd":["/bin/echo","hello"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
	"$arch" "$(sum <"$T/layer.tar")" >"$T/config"
blob() { printf '{"mediaType":"%s","digest":"sha256:%s","size":%d}' "$1" "$(sum <"$2")" "$(wc -c <"$2")"; }
oci=application/vnd.oci.image
# manifest [LAYER [CONFIG]] : one of those
manifest() {
	printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":%s,"layers":[%s]}' $oci \
		"$(blob $oci.config.v1+json "${2:-$T/config}")" "$(blob $oci.layer.v1.tar+gzip "${1:-$T/layer.tar.gz}")"
}
manifest >"$T/manifest"

# registry PORT NAME LINE... : the same images, at a port, with more lines in its settings
registry() {
	port=$1 settings=$T/$1.yml
	printf 'version: 0.1\nlog: { level: error, accesslog: { disabled: false } }\n' >"$settings"
	printf 'storage: { filesystem: { rootdirectory: "%s" } }\n' "$T/registry" >>"$settings"
	shift
	printf '%s\n' "$@" >>"$settings"
	background docker-registry serve "$settings" >>"$T/$port.log" 2>&1
}
registry 5000 'http: { addr: ":5000" }'
reg=127.0.0.1:5000
wait_for curl -s -o "$T/try" "http://$reg/v2/" || skip_all "the registry does not start: $(cat "$T/5000.log")"
# push NAME TAG MANIFEST [TYPE]
push() { curl -s -f -X PUT -H "Content-Type: ${4:-$oci.manifest.v1+json}" --data-binary "@$3" "http://$reg/v2/$1/manifests/$2"; }
push_blob() {
	where=$(curl -s -f -i -X POST "http://$reg/v2/$1/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //Ip')
	curl -s -f -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$2" "$where&digest=sha256:$(sum <"$2")"
}
push_blob lib/one "$T/layer.tar.gz" && push_blob lib/one "$T/config" && push lib/one latest "$T/manifest" || skip_all 'the registry takes nothing'

# asked PORT : what it was asked for, and what it said, and that is forgotten then. It is noted when it has been said
asked() {
	curl -s -o "$T/try" "http://127.0.0.1:$1/mark"
	wait_for grep -q '"GET /mark' "$T/$1.log"
	sed -n 's/.*"GET \/v2\/\([^ ]*\) [^ ]* \([0-9]*\) .*/\1 \2/p' "$T/$1.log" | tr '\n' ' '
	: >"$T/$1.log"
}
pull() { run timeout 60 "$NL" pull-oci "$@" </dev/null; }
runs() { timeout 60 "$NL" -q -M "$1" </dev/null 2>"$T/runs.err"; }
same() { diff -r "$t" "$store/$1" >/dev/null 2>&1 || [ "$(timeout 60 "$NL" -q -xM "$1" /bin/cat /bin/busybox | sum)" = "$(sum <"$t/bin/busybox")" ]; }
nothing() { [ -z "$(find "$store" -maxdepth 1 -name "*$1*" 2>/dev/null)" ]; }

: >"$T/5000.log"
pull "$reg/lib/one"
is 'an image comes' 0 "$rc" || note "$err"
is 'what is said' "Pulling '$reg/lib/one:latest', saving as 'one'.
Unpacking layer 1 of 1.
Created new local image 'one'.
Operation completed successfully.
Exiting." "$(echo "$err" | grep -v ^Enqueued)"
ok 'it is what was pushed' same one
is 'each blob is fetched once' 'lib/one/manifests/latest 200 2' "$(asked 5000 | sed 's, lib/one/blobs/[^ ]* 200, B,g' |
	awk '{ b = gsub(/ B/, ""); print $1, $2, b }')"
is 'and runs what it is for' hello "$(runs one)"

# ---- names
pull "$reg/lib/one"
is 'the same again: nothing is done' "0 Image already downloaded. Skipping download." "$rc $(echo "$err" | grep already)" || note "$err"
is 'but to ask whether it is the same' 'lib/one/manifests/latest 200' "$(asked 5000 | sed 's/ $//')"
pull "$reg/lib/one" two
is 'under another name no layer comes again' 0 "$rc" || note "$err"
unlike 'and nobody asked for one' "*$(sum <"$T/layer.tar.gz")*" "$(asked 5000)"
digest=sha256:$(sum <"$T/manifest")
pull "$reg/lib/one@$digest" three
is 'by digest' 0 "$rc" || note "$err"
pull "$reg/lib/one:latest@$digest" four
is 'by tag and digest' 0 "$rc" || note "$err"
pull "[::1]:5000/lib/one:latest@$digest" six
is 'of a server that is told by its number of IPv6' 0 "$rc" || note "$err"
pull "http://$reg/lib/one" --force one
is '--force puts it there again' 0 "$rc" || note "$err"
NSPAWN_LITE_DENY=sha_ni pull --copy "$reg/lib/one" slow
is 'sums without the help of the processor' 0 "$rc" || note "$err"
pull "docker://localhost:5000/lib/one" five
is 'localhost is asked by http, and docker:// is passed over' 0 "$rc" || note "$err"
run timeout 60 "$NL" pull-dkr --verify=no lib/one --dkr-index-url="http://$reg" dkr
is 'pull-dkr, as it was' 0 "$rc" || note "$err"
run timeout 60 "$NL" pull-oci --verify=signature "$reg/lib/one" signed
like 'there are no signatures' '1 nspawn-lite: --verify=signature: images of registries have none *' "$rc $err"
pull "$reg/lib/none"
is 'one that is not there' "1 nspawn-lite: $reg/lib/none:latest: the server says 404: manifest unknown" "$rc $(echo "$err" | tail -n 1)"
pull 127.0.0.1:1/lib/one one1
is 'a registry that is not there' '1 nspawn-lite: 127.0.0.1:1/lib/one:latest: connect to 127.0.0.1 port 1: Connection refused' \
	"$rc $(echo "$err" | tail -n 1)"
while read -r ref; do
	pull "$ref" bad
	is "$ref" "1 nspawn-lite: '${ref#*p4ss@}' is no image of a registry: say [REGISTRY/]NAME[:TAG][@sha256:DIGEST], NAME in small letters" "$rc $err"
done <<'END'
Redis
lib//one
lib/../one
http://me:p4ss@reg.lan/-x
one?x=y
one:-x
lib/one:a/b
one@sha256:abc
one@md5:d41d8cd98f00b204e9800998ecf8427e
http://one
http://a:b:c/one
END
run "$NL" pull-dkr --dkr-index-url=ftp://x lib/one
is '--dkr-index-url of another kind' '1 nspawn-lite: --dkr-index-url: no URL of http or https' "$rc $err"
run "$NL" pull-dkr --dkr-index-url="http://me:p4ss@$reg" "$reg/lib/one"
is 'two registries' "1 nspawn-lite: --dkr-index-url: '$reg/lib/one' names its registry itself" "$rc $err"
run timeout 60 env PATH=/nowhere "$NL" pull-dkr --verify=no library/redis --dkr-index-url=https://index.docker.io
like "docker's own index is docker.io today" "1 *Pulling 'docker.io/library/redis:latest', saving as 'redis'.
*docker.io/library/redis:latest: https is fetched by curl, wget or uclient-fetch, and there is none in PATH" "$rc $err"
run timeout 60 env PATH=/nowhere "$NL" pull-oci redis:7
like 'a short name is one of docker.io' "1 *Pulling 'docker.io/library/redis:7', saving as 'redis'.*" "$rc $err"
ok 'nothing of these is there' nothing redis

# ---- as others make them -------------------------------------------------------------------------------
# docker's own manifest, by skopeo
ok 'skopeo copies one' skopeo copy -q --format v2s2 --src-tls-verify=false --dest-tls-verify=false "docker://$reg/lib/one" "docker://$reg/lib/docker:v2"
pull "$reg/lib/docker:v2" docker
is "docker's manifest" 0 "$rc" || note "$err"
ok 'is the same' same docker
# by umoci: three layers, the last of which takes something away
umoci unpack --image "$T/lay:base" "$T/bundle" && mkdir -p "$T/bundle/rootfs/etc" "$T/bundle/rootfs/usr/gone" &&
	echo 'ID=made' >"$T/bundle/rootfs/etc/os-release" && echo x >"$T/bundle/rootfs/usr/gone/x" && umoci repack --image "$T/lay:one" "$T/bundle" &&
	rm -r "$T/bundle" && umoci unpack --image "$T/lay:one" "$T/bundle" && echo y >"$T/bundle/rootfs/etc/y" && umoci repack --image "$T/lay:two" "$T/bundle" &&
	rm -r "$T/bundle" && umoci unpack --image "$T/lay:two" "$T/bundle" && rm -r "$T/bundle/rootfs/usr/gone" && umoci repack --image "$T/lay:three" "$T/bundle" &&
	skopeo copy -q --dest-tls-verify=false "oci:$T/lay:one" "docker://$reg/made/umoci:one" &&
	skopeo copy -q --dest-tls-verify=false "oci:$T/lay:three" "docker://$reg/made/umoci:three" || note 'umoci or skopeo'
pull "$reg/made/umoci:one" made1
is 'a layer of umoci' 0 "$rc" || note "$err"
: >"$T/5000.log"
pull "$reg/made/umoci:three" made3
is 'three of them, the first of which is there already' "0 Layer 1 of 3 is there already.
Unpacking layer 2 of 3.
Unpacking layer 3 of 3." "$rc $(echo "$err" | grep ' of 3')" || note "$err"
is 'so that it is not fetched' 3 "$(asked 5000 | grep -o /blobs/ | wc -l)"
pull --copy "$reg/made/umoci:three" made3copy
ok 'it is what umoci had' diff -r "$T/bundle/rootfs" "$store/made3copy"
# what lies behind the archive, or between parts of it, is for others: zstd:chunked, and gzip in members as eStargz has them
skopeo copy -q --dest-compress --dest-compress-format zstd:chunked --src-tls-verify=false --dest-tls-verify=false \
	"docker://$reg/lib/one" "docker://$reg/lib/chunked" || note 'skopeo zstd:chunked'
pull --copy "$reg/lib/chunked" chunked
is 'a layer of zstd:chunked' 0 "$rc" || note "$err"
ok 'is the same' same chunked
{ head -c 100000 "$T/layer.tar" | gzip -n; tail -c +100001 "$T/layer.tar" | gzip -n; gzip -n </dev/null; } >"$T/members.tar.gz"
manifest "$T/members.tar.gz" >"$T/manifest.members"
push_blob lib/one "$T/members.tar.gz" && push lib/one members "$T/manifest.members" || note 'push members'
pull --copy "$reg/lib/one:members" members
is 'a layer of several members' 0 "$rc" || note "$err"
ok 'is the same' same members
# an index of several machines: ours is the last
sed 's/"architecture":"[^"]*"/"architecture":"pdp11"/' "$T/config" >"$T/config.pdp11"
manifest "$T/layer.tar.gz" "$T/config.pdp11" >"$T/manifest.pdp11"
push_blob lib/one "$T/config.pdp11" && push lib/one pdp11 "$T/manifest.pdp11" || note 'push pdp11'
# index ARCH FILE ARCH FILE
index() {
	one=$(blob $oci.manifest.v1+json "$2") two=$(blob $oci.manifest.v1+json "$4")
	printf '{"schemaVersion":2,"mediaType":"%s.index.v1+json","manifests":[%s,"platform":{"os":"linux","architecture":"%s"}},%s,"platform":{"os":"linux","architecture":"%s"}}]}' \
		$oci "${one%\}}" "$1" "${two%\}}" "$3"
}
index pdp11 "$T/manifest.pdp11" "$arch" "$T/manifest" >"$T/index"
index pdp11 "$T/manifest.pdp11" vax "$T/manifest.pdp11" >"$T/index.none"
push lib/one index "$T/index" $oci.index.v1+json && push lib/one none "$T/index.none" $oci.index.v1+json || note 'push an index'
: >"$T/5000.log"
pull "$reg/lib/one:index" several
is 'of several machines the own one is taken' 0 "$rc" || note "$err"
like 'by its digest' "*lib/one/manifests/sha256:$(sum <"$T/manifest") 200*" "$(asked 5000)"
is 'and runs' hello "$(runs several)"
pull "$reg/lib/one:none" none
like 'there is none' "1 *it has nothing for this machine, but for: linux/pdp11, linux/vax*" "$rc $err"

# ---- logins ------------------------------------------------------------------------------------------------
htpasswd -Bbn me 's3:cret@x' >"$T/htpasswd" 2>/dev/null
registry 5001 'http: { addr: "127.0.0.1:5001" }' "auth: { htpasswd: { realm: here, path: \"$T/htpasswd\" } }"
wait_for curl -s -o "$T/try" http://127.0.0.1:5001/v2/
locked=127.0.0.1:5001
pull "$locked/lib/one" locked
is 'one that is locked' "1 nspawn-lite: $locked/lib/one:latest: it wants a login: say NAME:PASSWORD@$locked/..., or log in by podman, skopeo or docker" \
	"$rc $(echo "$err" | tail -n 1)"
pull "me:s3:crot@$locked/lib/one" locked
is 'a wrong password' "1 nspawn-lite: $locked/lib/one:latest: the name or the password is wrong" "$rc $(echo "$err" | tail -n 1)"
pull "me:s3:cret%40x@$locked/lib/one" basic
is 'and the right one' 0 "$rc" || note "$err"
unlike 'nobody sees it' '*s3*' "$out $err"
pull --force "me:s3:cret@x@$locked/lib/one" basic
is 'as it is' 0 "$rc" || note "$err"
mkdir -p "$T/root/root/.docker" "$T/root/run/containers/0"
echo '{"auths":{"other":{"auth":"eDp5"}}}' >"$T/root/run/containers/0/auth.json"
ok 'skopeo logs in' skopeo login -u me -p 's3:cret@x' --tls-verify=false --authfile "$T/root/root/.docker/config.json" $locked
pull "$locked/lib/one" filed
is 'where others have logged in' 0 "$rc" || note "$err"
echo 'x' >"$T/root/root/.docker/config.json"
pull "$locked/lib/one" broken
like 'a file that is none' "1 *config.json: no JSON: line 1: neither an object nor an array*it wants a login*" "$rc $err"
good=$(printf '%s' 'me:s3:cret@x' | openssl base64) bad=$(printf '%s' 'me:no' | openssl base64)
# file [KEY good|bad]... : a file of logins, and $more
file() {
	printf '{"auths":{' >"$T/logins"
	comma=''
	while [ $# -gt 0 ]; do
		case $2 in good) auth=$good ;; *) auth=$bad ;; esac
		printf '%s"%s":{"auth":"%s"}' "$comma" "$1" "$auth" >>"$T/logins"
		comma=,
		shift 2
	done
	printf '}%s}' "${more:-}" >>"$T/logins"
	mv "$T/logins" "$T/root/root/.docker/config.json"
}
while IFS='|' read -r what keys; do
	# shellcheck disable=SC2086 # words
	file $keys
	pull --force "$locked/lib/one" filed
	is "logins: $what" 0 "$rc" || note "$err"
done <<END
of a registry and of what is below it the nearest is taken|$locked bad $locked/lib bad $locked/lib/one good
wherever it stands|$locked/lib/one good $locked/lib bad $locked bad
what only begins like it is another|$locked good $locked/li bad $locked/lib/on bad $locked/lib/one/more bad
as docker had them|http://127.0.0.1:50010/v1/ bad http://$locked/v1/ good
END
echo '{"auths":["x"],"credHelpers":["x"]}' >"$T/root/root/.docker/config.json"
pull "$locked/lib/one" refused
like 'logins: lists where names should be' '1 *it wants a login*' "$rc $err"
file $locked good $locked/lib bad
pull "$locked/lib/one" refused
is 'one for it is not taken in place of a nearer one' '1 the name or the password is wrong' "$rc ${err##*: }"
echo '{"auths":{"'$locked'":{"auth":"'"$bad"'","identitytoken":"x"}}}' >"$T/root/root/.docker/config.json"
pull "$locked/lib/one" refused
like 'a token that stands for a login' "1 *it wants a login: * $T/root/root/.docker/config.json has a token of identity for it, which is not taken" "$rc $err"
more=',"credHelpers":{"elsewhere.lan":"x"}'
file $locked/other good
pull "$locked/lib/one" refused
like 'a helper for another registry is nobody' '1 *or log in by podman, skopeo or docker' "$rc $err"
more=',"credHelpers":{"'$locked'":"x"}'
file
pull "$locked/lib/one" refused
like 'one that is for this' "1 *it wants a login: * $T/root/root/.docker/config.json leaves it to a helper, which is not called" "$rc $err"
echo '{"auths":{"'$locked'":{}},"credsStore":"desktop"}' >"$T/root/root/.docker/config.json"
pull "$locked/lib/one" helped
like 'one that leaves logins to others' "1 *it wants a login: * $T/root/root/.docker/config.json leaves it to a helper, which is not called" "$rc $err"
rm "$T/root/root/.docker/config.json"

# tokens, as docker's registry checks them: of a server that holds the key
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/key.pem" -out "$T/cert.pem" -days 3650 -subj /CN=127.0.0.1 \
	-addext subjectAltName=IP:127.0.0.1,DNS:registry-1.docker.io,DNS:auth.docker.io 2>/dev/null
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d =; }
head=$(printf '{"typ":"JWT","alg":"RS256","x5c":["%s"]}' "$(sed '/-----/d' "$T/cert.pem" | tr -d '\n')" | base64url)
claims=$(printf '{"iss":"us","sub":"me","aud":"reg","exp":4000000000,"nbf":1,"iat":1,"jti":"1","access":[{"type":"repository","name":"lib/one","actions":["pull"]},{"type":"repository","name":"library/redis","actions":["pull"]}]}' | base64url)
token=$head.$claims.$(printf '%s.%s' "$head" "$claims" | openssl dgst -sha256 -sign "$T/key.pem" -binary | base64url)

# a server of answers that are files, by what is asked for: FILE.auth, if there is one, for who has a login; FILE.range for
# who wants a part; FILE.again
# is repeated without end, FILE.then is done behind it. Its log: what was asked, and the lines of its head that may hold a secret
cat >"$T/answer" <<'END'
#!/bin/sh
cr=$(printf '\r')
IFS=' ' read -r method path version
log="$method $path" auth='' range=''
exec 2>/dev/null
while IFS= read -r line && [ "$line" != "$cr" ]; do
	case $line in
	[Aa]uthorization:*)
		[ "$(cat "$1/expired")" = "${line%"$cr"}" ] || auth=.auth
		log="$log|${line%"$cr"}" ;;
	[Rr]ange:*)
		range=.range
		log="$log|${line%"$cr"}" ;;
	[Cc]ookie:*)	log="$log|${line%"$cr"}" ;;
	esac
done
echo "$log" >>"$1.log"
file=$1${path%%\?*}
[ ! -e "$file$auth" ] || file=$file$auth
[ ! -e "$file$range" ] || file=$file$range
if [ -f "$file" ]; then
	cat "$file"
	if [ -e "$file.again" ]; then
		while cat "$file.again"; do :; done
	fi
	[ ! -e "$file.then" ] || . "$file.then"
else
	printf 'HTTP/1.1 404 Not Found\r\n\r\n{"errors":[{"code":"NO","message":"nothing\\u001bhere"}]}'
fi 2>/dev/null
END
mkdir "$T/odd" "$T/cdn"
# answer FILE STATUS [HEADER...] : with a body from standard input
answer() {
	mkdir -p "$T/${1%/*}"
	cat >"$T/body"
	{
		printf 'HTTP/1.1 %s X\r\n' "$2"
		case "$*" in *Content-Length*|*Transfer-Enc*) ;; *) printf 'Content-Length: %d\r\n' "$(wc -c <"$T/body")" ;; esac
		answer_file=$1
		shift 2
		for header; do printf '%s\r\n' "$header"; done
		printf '\r\n'
		cat "$T/body"
	} >"$T/answer.new"
	mv "$T/answer.new" "$T/$answer_file"
}
said() { cat "$T/$1.log" 2>/dev/null; : >"$T/$1.log"; }
sh=$(command -v sh)
case $(readlink /proc/$$/exe) in *busybox*) sh="busybox sh" ;; esac
background socat TCP-LISTEN:7000,bind=127.0.0.1,fork,reuseaddr,backlog=64 EXEC:"$sh $T/answer $T/odd"
background socat TCP-LISTEN:7000,bind=127.0.0.2,fork,reuseaddr,backlog=64 EXEC:"$sh $T/answer $T/cdn"
background socat OPENSSL-LISTEN:7443,bind=127.0.0.1,fork,reuseaddr,backlog=64"${T:+,cert=$T/cert.pem,key=$T/key.pem}",verify=0 EXEC:"$sh $T/answer $T/odd"
odd=127.0.0.1:7000 cdn=127.0.0.2:7000
printf '{"token":"%s","expires_in":300}' "$token" | answer odd/token 200 'Content-Type: application/json'
printf '{"access_token":"%s"}' "$token" | answer odd/token.auth 200
wait_for curl -s -o "$T/try" http://$odd/token
wait_for curl -s -o "$T/try" http://$cdn/token
wait_for curl -s -k -o "$T/try" https://127.0.0.1:7443/token
: >"$T/odd.log"
registry 5002 'http: { addr: "127.0.0.1:5002" }' "auth: { token: { realm: \"http://$odd/token\", service: reg, issuer: us, rootcertbundle: \"$T/cert.pem\" } }"
registry 5443 "http: { addr: \"127.0.0.1:5443\", tls: { certificate: \"$T/cert.pem\", key: \"$T/key.pem\" } }" \
	"auth: { token: { realm: \"https://127.0.0.1:7443/token\", service: reg, issuer: us, rootcertbundle: \"$T/cert.pem\" } }"
wait_for curl -s -o "$T/try" http://127.0.0.1:5002/v2/
wait_for curl -s -k -o "$T/try" https://127.0.0.1:5443/v2/
: >"$T/5002.log"
pull 127.0.0.1:5002/lib/one token
is 'a registry that wants tokens' 0 "$rc" || note "$err"
is 'one is asked for, once, without a login' 'GET /token?service=reg&scope=repository:lib/one:pull' "$(said odd)"
like 'when the registry says so' 'lib/one/manifests/latest 401 lib/one/manifests/latest 200 *' "$(asked 5002)"
pull me:pass@127.0.0.1:5002/lib/one token2
is 'with a login' 0 "$rc" || note "$err"
is 'which the server of tokens gets' "GET /token?service=reg&scope=repository:lib/one:pull|Authorization: Basic $(printf me:pass | openssl base64)" "$(said odd)"
pull 127.0.0.1:5002/lib/docker:v2 token3
is 'a token for something else' '1 nspawn-lite: 127.0.0.1:5002/lib/docker:v2: it does not take the token that it wanted' "$rc $(echo "$err" | tail -n 1)"

# docker's own, as everybody's tutorial has it: its names lead here
skopeo copy -q --all --src-tls-verify=false --dest-tls-verify=false "docker://$reg/lib/one:index" "docker://$reg/library/redis"
printf '127.0.0.1 localhost registry-1.docker.io\n127.0.0.3 auth.docker.io\n' >"$T/hosts"
mount --bind "$T/hosts" /etc/hosts || note 'no /etc/hosts'
background socat OPENSSL-LISTEN:443,bind=127.0.0.3,fork,reuseaddr,backlog=64"${T:+,cert=$T/cert.pem,key=$T/key.pem}",verify=0 EXEC:"$sh $T/answer $T/odd"
registry 443 "http: { addr: \"127.0.0.1:443\", tls: { certificate: \"$T/cert.pem\", key: \"$T/key.pem\" } }" \
	"auth: { token: { realm: \"https://auth.docker.io/token\", service: reg, issuer: us, rootcertbundle: \"$T/cert.pem\" } }"
wait_for curl -s -k -o "$T/try" https://127.0.0.1:443/v2/
wait_for curl -s -k -o "$T/try" https://127.0.0.3:443/token
ln -s "$NL" "$T/machinectl"
: >"$T/odd.log"
CURL_CA_BUNDLE=$T/cert.pem run timeout 60 "$T/machinectl" pull-dkr --verify=no library/redis --dkr-index-url=https://index.docker.io
is 'machinectl pull-dkr library/redis, of index.docker.io' "0 Created new local image 'redis'." "$rc $(echo "$err" | grep Created)" || note "$err"
is 'with a token of theirs' 'GET /token?service=reg&scope=repository:library/redis:pull' "$(said odd)"
is 'it runs what it is for' hello "$(runs redis)"
CURL_CA_BUNDLE=$T/cert.pem run timeout 60 "$NL" pull-oci redis
like 'by its short name it is the same' '0 *Image already downloaded. Skipping download.*' "$rc $err"

# by programs: no secret is among their arguments
mkdir "$T/seen"
real() { find /usr/local/bin /usr/bin /bin -name "$1" 2>/dev/null | head -n 1; }
for kind in curl wget; do
	[ -n "$(real $kind)" ] || { skip "https by $kind" "no $kind"; continue; }
	rm -f "$T"/seen/*
	printf '#!%s\necho "$*" >>%s\nexec %s "$@"\n' "$(real sh)" "$T/args" "$(real $kind)" >"$T/seen/$kind"
	chmod 755 "$T/seen/$kind"
	echo "ca_certificate=$T/cert.pem" >"$T/wgetrc"
	run timeout 60 env PATH="$T/seen" CURL_CA_BUNDLE="$T/cert.pem" WGETRC="$T/wgetrc" "$NL" pull-oci me:p4ssw0rd@127.0.0.1:5443/lib/one 'by-'$kind
	is 'https is not said: the machine itself is asked by http' 1 "$rc"
	: >"$T/args"
	run timeout 60 env PATH="$T/seen" CURL_CA_BUNDLE="$T/cert.pem" WGETRC="$T/wgetrc" "$NL" pull-oci https://me:p4ssw0rd@127.0.0.1:5443/lib/one 'by-'$kind
	is "https and tokens by $kind" 0 "$rc" || note "$err"
	ok 'it was called' test -s "$T/args"
	unlike 'and was told no secret where all see it' '*[Bb]earer*' "$(cat "$T/args")"
	unlike 'nor the other one' "*$(printf me:p4ssw0rd | openssl base64)*" "$(cat "$T/args")"
done
rm -f "$T"/seen/*
ln -s "$(real busybox)" "$T/seen/wget"
run timeout 60 env PATH="$T/seen" "$NL" pull-oci https://127.0.0.1:5443/lib/one small
if busybox wget --help 2>&1 | grep -q -- --no-check; then
	like 'https by wget of busybox, which tells of nothing' '1 *it wants a login: only curl and GNU wget tell what kind of' "$rc $err"
fi
: >"$T/odd.log"

# ---- such as mean no good --------------------------------------------------------------------------------
v2=odd/v2/x
type="Content-Type: $oci.manifest.v1+json"
layer=sha256:$(sum <"$T/layer.tar.gz") config=sha256:$(sum <"$T/config")
answer $v2/manifests/latest 200 "$type" <"$T/manifest"
answer "$v2/blobs/$config" 200 <"$T/config"
answer "$v2/blobs/$layer" 200 <"$T/layer.tar.gz"
pull $odd/x good
is 'a registry of files' 0 "$rc" || note "$err"
rm -rf "$store/good"

# bad WHAT WANT [REF] : that is the last word of a pull, and nothing of it stays
bad() {
	run timeout 60 "$NL" pull-oci --copy "${3:-$odd/x}" bad </dev/null
	like "$1" "1 nspawn-lite: *$2" "$rc $(echo "$err" | tail -n 1)"
	nothing bad || result 'not ok' "nothing of it stays: $1"
}
# the manifest is another for a while
other() { answer $v2/manifests/latest 200 "$@"; }
back() { rm -f "$T/$v2/manifests/"*.again; answer $v2/manifests/latest 200 "$type" <"$T/manifest"; }

bad 'what it says is said without its control characters' "$odd/y:latest: the server says 404: nothing*1bhere" $odd/y
answer "$v2/manifests/sha256:$(printf '%064d' 7)" 200 "$type" <"$T/manifest"
bad 'another one than REF says' "DOWNLOAD INVALID: $odd/x@sha256:$(printf '%064d' 7): SHA256 checksum of its manifest is wrong." \
	"$odd/x@sha256:$(printf '%064d' 7)"
other "$type" "Docker-Content-Digest: sha256:$(printf '%064d' 7)" <"$T/manifest"
bad 'another one than the server says' 'SHA256 checksum of its manifest is wrong.'
other "$type" 'Transfer-Encoding: identity' 'Content-Length: 9999999999' <"$T/manifest"
bad 'an encoding that nobody asked for' 'another Transfer-Encoding than chunked'
other "$type" 'Content-Length: 99999' <"$T/manifest"
bad 'one that is shorter than it says' "its manifest: the connection ended after $(wc -c <"$T/manifest") bytes of 99999"
other "$type" 'Content-Length: 9999999999' <"$T/manifest"
head -c 100000 /dev/zero | tr '\0' ' ' >"$T/$v2/manifests/latest.again"
bad 'one without end' 'its manifest: it is longer than 4194304 bytes'
rm "$T/$v2/manifests/latest.again"
other "$type" <"$T/layer.tar.gz"
bad 'one that is none' '*no JSON: *'
printf '{"schemaVersion":2}' | other "$type"
bad 'one that says nothing' '*'
printf '{"schemaVersion":1,"name":"x","tag":"latest","architecture":"amd64","fsLayers":[]}' |
	other 'Content-Type: application/vnd.docker.distribution.manifest.v1+prettyjws'
bad "docker's first schema" '*its manifest is of the first schema, *'
other "Content-Type: $oci.index.v1+json" <"$T/index"
bad 'an index of what is not there' '*the server says 404*'
answer $v2/manifests/latest 302 'Location: /v2/x/manifests/latest' </dev/null
bad 'redirects without end' 'it leads from one place to the next more than 10 times'
answer $v2/manifests/latest 302 'Location: file:///etc/passwd' </dev/null
bad 'to a file of ours' 'it leads to what is no URL of http or https'
answer $v2/manifests/latest 500 <"$T/layer.tar.gz"
bad 'one that is ill' 'the server says 500'
back

# tokens: what asks for them, what is given, and what is said
want() { answer $v2/manifests/latest 401 "$1" </dev/null; }
printf '{"token":"t0p"}' | answer odd/t 200
while IFS='|' read -r what how says; do
	want "${how:-X-Nothing: x}"
	bad "401: $what" "$odd/x:latest: $says"
done <<END
nothing more||it does not say what kind of login it wants
another kind|WWW-Authenticate: Negotiate|it wants a login that is neither Basic nor Bearer
for ever|WWW-Authenticate: Bearer realm="http://$odd/t",service="x"|it does not take the token that it wanted
no realm|WWW-Authenticate: Bearer service="x"|it names no server that gives the token it wants
a realm that is none|WWW-Authenticate: Bearer realm="/t"|it names no server that gives the token it wants
a file|WWW-Authenticate: Bearer realm="file:///etc/passwd"|it names no server that gives the token it wants
a realm with a login|WWW-Authenticate: Bearer realm="http://a:b@$odd/t"|it names no server that gives the token it wants
nothing there|WWW-Authenticate: Bearer realm="http://$odd/none"|http://$odd/none: the server says 404*
no end of quotes|WWW-Authenticate: Bearer realm="http://$odd/t,service="x|*
commas|WWW-Authenticate: ,,=,=x,Bearer,=,realm=http://$odd/none|http://$odd/none: the server says 404*
another first|WWW-Authenticate: Basic realm="a, Bearer realm=\"x\"", Bearer realm="http://$odd/none"|http://$odd/none: the server says 404*
END
answer $v2/manifests/latest 401 'WWW-Authenticate: Basic realm="Bearer"' "WWW-Authenticate: Bearer scope=\"a,b\",realm=\"http://$odd/none\"" </dev/null
bad '401: in several lines' "$odd/x:latest: http://$odd/none: the server says 404*" "me:p4ss@$odd/x"
want "WWW-Authenticate: Bearer realm=\"http://$cdn/t\""
bad 'the password for another server, by http' "it leads to another server for a token, by http, which nobody protects: http://$cdn/t" "me:p4ss@$odd/x"
want "WWW-Authenticate: Bearer realm=\"http://$odd/t\",scope=\"a b&c=d\""
: >"$T/odd.log"
bad 'a scope of blanks and signs' 'it does not take the token that it wanted'
is 'is one word' 'GET /t?scope=a%20b%26c%3Dd' "$(grep /t "$T/odd.log")"
want "WWW-Authenticate: Bearer realm=\"http://$odd/t\""
while IFS='|' read -r what text says; do
	printf '%s' "$text" | answer odd/t 200
	bad "a token: $what" "$odd/x:latest: http://$odd/t: $says"
done <<'END'
of lines|{"token":"a\r\nX: y"}|there is no token in its answer
of nothing|{"token":""}|there is no token in its answer
of another kind|{"token":{"a":"b"}}|there is no token in its answer
none|{}|there is no token in its answer
no JSON|<html>|no JSON: *
END
head -c 100000 /dev/zero | answer odd/t 200
bad 'a token: very long' "http://$odd/t: it is longer than 32768 bytes"
answer odd/t 302 'Location: /t' </dev/null
bad 'a token: redirects without end' "http://$odd/t: it leads from one place to the next more than 10 times"

# the token stays with its server, whatever leads away from it
printf '{"token":"t0p"}' | answer odd/t 200
answer $v2/manifests/latest.auth 200 "$type" <"$T/manifest"
want "WWW-Authenticate: Bearer realm=\"http://$odd/t\""
answer "$v2/blobs/$layer" 307 "Location: http://$cdn/layer?sig=x" </dev/null
answer cdn/layer 200 <"$T/layer.tar.gz"
: >"$T/odd.log"
: >"$T/cdn.log"
pull --copy $odd/x away
is 'a layer that is elsewhere' 0 "$rc" || note "$err"
is 'is asked for there without the token' 'GET /layer?sig=x' "$(said cdn)"
is 'which its own server gets' 'Authorization: Bearer t0p' "$(sed -n "s,^GET /v2/x/blobs/$layer|,,p" "$T/odd.log")"
pull --copy me:p4ss@$odd/x away2
unlike 'nor with a password' '*Authorization*' "$(said cdn)"
answer odd/t 307 "Location: http://$cdn/t" </dev/null
printf '{"token":"t0p"}' | answer cdn/t 200
pull --copy me:p4ss@$odd/x away3
is 'a server of tokens that leads elsewhere' "0 GET /t" "$rc $(head -n 1 "$T/cdn.log")"
unlike 'where no password goes' '*Authorization*' "$(said cdn)"
rm "$T/$v2/manifests/latest.auth"
back
answer odd/v2/x/there 200 <"$T/layer.tar.gz"
for to in /v2/x/there ../there "//$cdn/layer" "HTTP://$cdn/layer#x"; do
	answer "$v2/blobs/$layer" 307 "Location: $to" </dev/null
	pull --copy --force $odd/x led
	is "a layer that is at $to" 0 "$rc" || note "$err"
done
: >"$T/cdn.log"
answer "$v2/blobs/$layer" 307 "Location: http://$cdn/locked?sig=x" </dev/null
answer cdn/locked 401 'WWW-Authenticate: Basic realm="x"' </dev/null
bad 'another server that wants a login' "*it leads to http://$cdn/locked, which wants a login" "me:p4ss@$odd/x"
is 'gets none' 'GET /locked?sig=x' "$(said cdn)"
# as lscr.io leads to ghcr.io
answer cdn/locked 401 "WWW-Authenticate: Bearer realm=\"http://$cdn/t\"" </dev/null
bad 'one that wants a token, and takes none' '*it does not take the token that it wanted' "me:p4ss@$odd/x"
: >"$T/cdn.log"
answer cdn/locked.auth 200 <"$T/layer.tar.gz"
pull --copy me:p4ss@$odd/x named
is 'one that wants a token' 0 "$rc" || note "$err"
is 'gets its own, for which nobody logs in' 'GET /locked?sig=x
GET /t?scope=repository:x:pull
GET /locked?sig=x|Authorization: Bearer t0p' "$(said cdn)"

# layers
answer "$v2/blobs/$layer" 200 <"$T/layer.tar"
bad 'a layer of another length' '*it is larger than its descriptor says'
answer "$v2/blobs/$layer" 200 'Transfer-Encoding: chunked' <"$T/layer.tar"
bad 'that says chunks and has none' '*its answer is not HTTP'
sed 's/./x/3' "$T/layer.tar.gz" | head -c "$(wc -c <"$T/layer.tar.gz")" >"$T/spoiled"
{ head -c 5000 "$T/layer.tar.gz"; head -c $(($(wc -c <"$T/layer.tar.gz") - 5000)) /dev/zero; } >"$T/spoiled"
answer "$v2/blobs/$layer" 200 <"$T/spoiled"
bad 'another one of the same length' '*'
{ printf 'HTTP/1.1 200 OK\r\n\r\n'; cat "$T/layer.tar.gz"; } >"$T/$v2/blobs/$layer"
head -c 100000 /dev/zero >"$T/$v2/blobs/$layer.again"
bad 'one without end' '*it is larger than its descriptor says'
rm "$T/$v2/blobs/$layer.again"
answer "$v2/blobs/$layer" 307 "Location: /v2/x/blobs/$layer" </dev/null
bad 'redirects without end' '*it leads from one place to the next more than 10 times'
rm "$T/$v2/blobs/$layer"
bad 'one that is not there' "*the server says 404*"
answer "$v2/blobs/$config" 200 <"$T/layer.tar.gz"
bad 'a configuration that is none' '*'
answer "$v2/blobs/$config" 200 <"$T/config"

# a layer that may be had elsewhere, too, is asked for here
sed 's,"layers":\[{,&"urls":["http://'$cdn'/x"]\,,; s/layer.v1.tar/layer.nondistributable.v1.tar/' "$T/manifest" | other "$type"
answer "$v2/blobs/$layer" 200 <"$T/layer.tar.gz"
: >"$T/cdn.log"
pull --copy $odd/x foreign
is 'a layer that names other servers' '0 ' "$rc $(said cdn)" || note "$err"
# what buildx says of how it was made has the platform unknown/unknown, and is a manifest of its own
sed 's,"manifests":\[,&{"mediaType":"'$oci'.manifest.v1+json"\,"digest":"sha256:'"$(printf %064d 1)"'"\,"size":9\,"annotations":{"vnd.docker.reference.type":"attestation-manifest"}\,"platform":{"os":"unknown"\,"architecture":"unknown"}}\,,' \
	"$T/index" >"$T/index.attested"
other "Content-Type: $oci.index.v1+json" <"$T/index.attested"
answer "$v2/manifests/sha256:$(sum <"$T/manifest")" 200 "$type" <"$T/manifest"
pull --copy $odd/x attested
is 'an index that says how it was made, too' 0 "$rc" || note "$err"
back

# of two layers the second comes later
mkdir "$T/more" "$T/parts"
echo more >"$T/more/more"
tar -C "$T/more" -cf "$T/layer2" .
sed "s/\"\]}}$/\",\"sha256:$(sum <"$T/layer2")\"]}}/" "$T/config" >"$T/config2"
answer "$v2/blobs/$layer" 200 <"$T/layer.tar.gz"
answer "$v2/blobs/sha256:$(sum <"$T/config2")" 200 <"$T/config2"
printf '{"schemaVersion":2,"config":%s,"layers":[%s,%s]}' "$(blob $oci.config.v1+json "$T/config2")" \
	"$(blob $oci.layer.v1.tar+gzip "$T/layer.tar.gz")" "$(blob $oci.layer.v1.tar "$T/layer2")" | other "$type"
pull $odd/x parts --image-root="$T/parts"
like 'a second layer that is not there' '1 *the server says 404*' "$rc $err"
answer "$v2/blobs/sha256:$(sum <"$T/layer2")" 200 <"$T/layer2"
pull $odd/x parts --image-root="$T/parts"
is 'the next time the first does not come again' "0 Layer 1 of 2 is there already." "$rc $(echo "$err" | grep already)" || note "$err"
back

# one that breaks goes on where it was
mkdir "$T/www"
cp "$T/layer.tar.gz" "$T/www/layer"
"$(program badhttp)" "$T/www" "$T/requests" >"$T/port" &
background_pids="$background_pids $!"
wait_for test -s "$T/port"
half=$(($(wc -c <"$T/layer.tar.gz") / 3))
for how in cut once dumb; do
	rm -f "$T/requests"
	answer "$v2/blobs/$layer" 307 "Location: http://127.0.0.1:$(cat "$T/port")/$how/$half/layer" </dev/null
	pull --copy $odd/x "broken-$how"
	is "a layer whose connection breaks ($how)" 0 "$rc" || note "$err"
	like 'is gone on with' "*bytes=$half-*" "$(cat "$T/requests")"
done

# a token that has become too old when a connection breaks
want "WWW-Authenticate: Bearer realm=\"http://$odd/t\""
answer $v2/manifests/latest.auth 200 "$type" <"$T/manifest"
answer "$v2/blobs/$config.auth" 200 <"$T/config"
answer "$v2/blobs/$layer" 401 "WWW-Authenticate: Bearer realm=\"http://$odd/t\"" </dev/null
head -c $half "$T/layer.tar.gz" | answer "$v2/blobs/$layer.auth" 200 "Content-Length: $(wc -c <"$T/layer.tar.gz")"
answer odd/full 200 <"$T/layer.tar.gz"
printf '{"token":"old"}' | answer odd/t 200
printf '{"token":"new"}' | answer odd/t.new 200
echo 'echo Authorization: Bearer old >$1/expired; mv $1/t.new $1/t; rm $file.then; mv $1/full $file' >"$T/$v2/blobs/$layer.auth.then"
: >"$T/odd.log"
pull --copy $odd/x aged
is 'a token that has become too old' 0 "$rc" || note "$err"
is 'is asked for again' 'GET /t GET /t' "$(grep -o 'GET /t' "$T/odd.log" | tr '\n' ' ' | sed 's/ $//')"
is 'to go on where it was' "Range: bytes=$half-|Authorization: Bearer new" "$(tail -n 1 "$T/odd.log" | cut -d '|' -f 2-)" || note "$(said odd)"
rm -f "$T/$v2/"*/*.auth
back

# a part that the server has no more, or that was all there is: it comes anew
for how in lost over; do
	case $how in
	lost)	head -c $half "$T/layer.tar.gz" | answer "$v2/blobs/$layer" 200 'ETag: "x"' "Content-Length: $(wc -c <"$T/layer.tar.gz")" ;;
	over)	{ printf '%x\r\n' "$(wc -c <"$T/layer.tar.gz")"; cat "$T/layer.tar.gz"; printf '\r\n'; } |
			answer "$v2/blobs/$layer" 200 'ETag: "x"' 'Transfer-Encoding: chunked' ;;
	esac
	answer "$v2/blobs/$layer.range" 416 'Content-Range: bytes */9' </dev/null
	answer odd/full 200 'ETag: "x"' <"$T/layer.tar.gz"
	echo 'mv $1/full $file; rm $file.then' >"$T/$v2/blobs/$layer.then"
	: >"$T/odd.log"
	pull --copy $odd/x "part-$how"
	is "a part that is not to be had ($how)" 0 "$rc" || note "$err"
	ok 'it is whole' same "part-$how"
	is 'it was asked for, and then all of it' '3 1' "$(grep -c "$layer" "$T/odd.log") $(grep -c "$layer.*Range" "$T/odd.log")"
done
# and there is less of it now
head -c $half "$T/layer.tar.gz" | answer "$v2/blobs/$layer" 200 "Content-Length: $(wc -c <"$T/layer.tar.gz")"
head -c 9 "$T/layer.tar.gz" | answer odd/full 200
echo 'mv $1/full $file; rm $file.then' >"$T/$v2/blobs/$layer.then"
bad 'a part that is not to be had of what is shorter now' "*: it has less of it than came before"
rm -f "$T/$v2/blobs/$layer.range"
answer "$v2/blobs/$layer" 200 <"$T/layer.tar.gz"

# those that are busy, and say until when
date='Date: Sun, 06 Nov 1994 08:49:37 GMT'
# busy FILE STATUS HEADER... : once; then it is what it was
busy() {
	cp "$T/$1" "$T/odd/then"
	answer "$@" </dev/null
	echo 'mv $1/then $file; rm $file.then' >"$T/$1.then"
}
while IFS='|' read -r what file status seconds headers; do
	eval "busy odd/$file $status $headers"
	pull --copy --force $odd/x busy
	is "busy: $what" "0 http://$odd/$file says $status: it is asked again in $seconds seconds." \
		"$rc $(echo "$err" | grep 'asked again')" || note "$err"
done <<END
a manifest, for a second|v2/x/manifests/latest|429|1|'Retry-After: 1'
a configuration, until a time by its clock|v2/x/blobs/$config|503|2|"$date" 'Retry-After: Sun, 06 Nov 1994 08:49:39 GMT'
a layer, which does not say so|v2/x/blobs/$layer|429|1|
until what is past|v2/x/blobs/$layer|503|1|"$date" 'Retry-After: Sun, 06 Nov 1994 08:49:36 GMT'
what is no time|v2/x/blobs/$layer|503|1|'Retry-After: soon'
END
want "WWW-Authenticate: Bearer realm=\"http://$odd/t\""
answer $v2/manifests/latest.auth 200 "$type" <"$T/manifest"
printf '{"token":"t0p"}' | answer odd/t 200
busy odd/t 429 'Retry-After: 1'
pull --copy --force $odd/x busy
is 'busy: a server of tokens' "0 http://$odd/t says 429: it is asked again in 1 seconds." "$rc $(echo "$err" | grep 'asked again')" || note "$err"
rm "$T/$v2/manifests/latest.auth"
back
answer "$v2/blobs/$layer" 307 "Location: http://$cdn/locked?sig=x" </dev/null
answer cdn/locked 401 "WWW-Authenticate: Bearer realm=\"http://$cdn/t\"" </dev/null
rm "$T/cdn/locked.auth"
cp "$T/cdn/layer" "$T/cdn/then"
answer cdn/locked.auth 429 'Retry-After: 1' </dev/null
echo 'mv $1/then $file; rm $file.then' >"$T/cdn/locked.auth.then"
pull --copy --force $odd/x busy
is 'busy: where a redirect leads, which may be a secret' "0 http://$cdn/locked says 429: it is asked again in 1 seconds." \
	"$rc $(echo "$err" | grep 'asked again')" || note "$err"
: >"$T/cdn.log"
answer "$v2/blobs/$layer" 200 <"$T/layer.tar.gz"
printf '{"errors":[{"message":"too many"}]}' | answer $v2/manifests/latest 429 'Retry-After: 86400'
bad 'busy: for longer than anybody waits' 'the server says 429: too many; it wants to be asked again in 86400 seconds'
answer $v2/manifests/latest 503 'Retry-After: 1' </dev/null
: >"$T/odd.log"
bad 'busy: without end' 'the server says 503; it wants to be asked again in 1 seconds'
is 'is asked a few times' 5 "$(wc -l <"$T/odd.log")"
answer $v2/manifests/latest 503 'Retry-After: 290' </dev/null
for how in TERM KILL; do
	"$NL" pull-oci $odd/x "busy$how" 2>"$T/busy.$how" &
	waiting=$!
	wait_for grep -q 'asked again in 290 seconds' "$T/busy.$how"
	kill -$how $waiting
	wait $waiting 2>/dev/null
done
is 'a signal ends that, too' "nspawn-lite: $odd/x:latest: stopped by a signal; nothing of it stays" "$(tail -n 1 "$T/busy.TERM")"
back

# one that waits: others see it, without its password, and can end it
answer "$v2/blobs/$layer" 307 "Location: http://127.0.0.1:$(cat "$T/port")/late/0/layer" </dev/null
mkdir "$T/late"
for how in TERM KILL; do
	"$NL" pull-oci me:p4ss@$odd/x "late$how" --image-root="$T/late" 2>"$T/late.$how" &
	waiting=$!
	wait_for grep -q ^Unpacking "$T/late.$how"
	run "$NL" list-transfers --no-legend
	like 'one that waits is on the list' "0 *pull-oci late$how $odd/x:latest" "$rc $(echo "$out" | tr -s ' ')"
	unlike 'no password is seen' '*p4ss*' "$out $(cat "$T/late.$how" "/proc/$waiting/cmdline" "$state"/.transfer* | tr '\0' ' ')"
	kill -$how $waiting
	wait $waiting 2>/dev/null
done
is 'a signal ends it' "nspawn-lite: $odd/x:latest: stopped by a signal; nothing of it stays" "$(tail -n 1 "$T/late.TERM")"
answer "$v2/blobs/$layer" 200 <"$T/layer.tar.gz"
pull $odd/x lateKILL --image-root="$T/late"
is 'one that was killed is begun again' 0 "$rc" || note "$err"
is 'and nothing half-made is left' '' "$(find "$T/late" -name '.#late*' -o -name '*.new')"

# ---- mirrors, of another config.h -------------------------------------------------------------------------
if [ -f "$build/flags" ]; then
	sed 's|^\t{ "docker.io".*|{ "reg.lan", { "http://127.0.0.1:1", "http://127.0.0.2:7000/some/where/", "http://127.0.0.1:5000" } }|' "$TOP/config.h" >"$T/config.h"
	objects=$(find "$build" -maxdepth 1 -name '*.o' ! -name registry.o)
	# shellcheck disable=SC2086 # words
	(cd "$TOP" && eval "$(sed "s|config\.h|$T/config.h|; s/-MMD -MP//" "$build/flags")" -o "$T/mirrored" registry.c $objects -lz -pthread \
		"$(grep -q WITH_BTRFS=1 "$build/flags" && echo -lbtrfsutil)" 2>"$T/link.err") || note "$(cat "$T/link.err")"
	: >"$T/5000.log"
	run timeout 60 "$T/mirrored" pull-oci reg.lan/lib/one mirrored
	is 'mirrors are asked in turn, and then the registry itself' "0 2 lib/one/manifests/latest" \
		"$rc $(echo "$err" | grep -c 'the next is asked') $(asked 5000 | cut -d ' ' -f 1)" || note "$err"
	is 'in the place that config.h says' 'GET /v2/some/where/lib/one/manifests/latest' "$(said cdn)"
	answer cdn/v2/some/where/x/manifests/latest 200 "$type" <"$T/manifest"
	answer "cdn/v2/some/where/x/blobs/$config" 200 <"$T/config"
	rm -rf "$store"
	run timeout 60 "$T/mirrored" pull-oci me:p4ss@reg.lan/x mirrored
	is 'what a mirror lacks is asked for at the next' "1 $layer" "$rc $(asked 5000 | sed -n 's,.*x/blobs/\([^ ]*\) 404.*,\1,p')" || note "$err"
	unlike 'which alone has the password' '*Authorization*' "$(said cdn)"
	answer cdn/v2/some/where/x/manifests/latest 429 'Retry-After: 200' </dev/null
	rm -rf "$store"
	run timeout 60 "$T/mirrored" pull-oci reg.lan/x mirrored
	like 'one that is busy is not waited for where another is left' '1 *it wants to be asked again in 200 seconds; the next is asked*404*' "$rc $err"
	answer cdn/v2/some/where/x/manifests/latest 401 'WWW-Authenticate: Basic realm="x"' </dev/null
	answer cdn/v2/some/where/x/manifests/latest.auth 404 </dev/null
	printf '{"auths":{"reg.lan/x":{"auth":"YTph"},"%s/some/where":{"auth":"YTpi"},"%s/some":{"auth":"YTpj"}}}' $cdn $cdn >"$T/root/root/.docker/config.json"
	: >"$T/cdn.log"
	run timeout 60 "$T/mirrored" pull-oci reg.lan/x mirrored
	is 'the login of a mirror is the nearest for where it has the image' 'Authorization: Basic YTpi' \
		"$(said cdn | sed -n 's/.*|//p')" || note "$err"
	rm "$T/root/root/.docker/config.json"
	# a mirror with other bytes: of nothing, of the configuration, of the layer, of the manifest
	curl -s -H "Accept: $oci.manifest.v1+json" http://127.0.0.1:5000/v2/lib/one/manifests/latest >"$T/m"
	one=http://127.0.0.1:5000/v2/lib/one/blobs
	at=cdn/v2/some/where/lib/one
	digests=$(grep -o 'sha256:[0-9a-f]*' "$T/m")
	for wrong in 1 2 m; do
		answer "$at/manifests/latest" 200 "$type" <"$T/m"
		n=0
		for d in $digests; do
			n=$((n + 1))
			curl -s -o "$T/b" "$one/$d"
			[ $n != $wrong ] || { size=$(wc -c <"$T/b"); head -c "$size" /dev/zero >"$T/b"; }
			answer "$at/blobs/$d" 200 <"$T/b"
		done
		[ $wrong != m ] || answer "$at/manifests/latest" 200 "$type" "Docker-Content-Digest: sha256:$(printf %064d 0)" <"$T/m"
		rm -rf "$store"
		run timeout 60 "$T/mirrored" pull-oci reg.lan/lib/one mirrored
		is "nor is it the end when a mirror has another one ($wrong)" '0 2 1' \
			"$rc $(echo "$err" | grep -c 'the next is asked') $(find "$store/.#layers" -mindepth 1 -maxdepth 1 | wc -l)" || note "$err"
		ok 'it is what the registry has' same mirrored
	done
else
	skip 'mirrors' 'no flags of the build'
fi
done_testing
