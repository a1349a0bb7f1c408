#!/bin/sh
# Images that come from servers: a real one, one that breaks off, and such as mean no good. What was not checked is
# not there; what breaks goes on.
# shellcheck disable=SC2016,SC2317 # for shells inside; called by wait_for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=net.sh
. "${0%/*}/net.sh"
need tar gzip sha256sum
ip link set lo up

store=$T/root/var/lib/machines
mkdir -p "$T/root/var/lib" "$T/www" "$T/guest/etc" "$T/guest/usr" "$T/guest/bin"
echo 'ID=guest' >"$T/guest/etc/os-release"
head -c 300000 /dev/urandom >"$T/guest/bin/blob"
tar -C "$T/guest" -czf "$T/www/guest.tar.gz" .
head -c 262144 /dev/zero >"$T/www/disk.raw"
head -c 70000 /dev/urandom >>"$T/www/disk.raw"
gzip -c "$T/www/disk.raw" >"$T/www/disk.raw.gz"
sums() { (cd "$T/www" && sha256sum guest.tar.gz disk.raw disk.raw.gz "$@" >SHA256SUMS); }
sums

# pull VERB OPTION... : without signatures, as most tests below want it
pull() {
	pull_verb=$1
	shift
	run timeout 60 "$NL" "$pull_verb" --verify=checksum "$@"
}
# a program, where the shell has an applet of that name
real() { find /usr/local/bin /usr/bin /bin -name "$1" 2>/dev/null | head -n 1; }
same() { diff -r "$T/guest" "$store/$1"; }
# nothing of a name, nor half-made
nothing() { [ -z "$(find "$store" -name "*$1*" 2>/dev/null)" ]; }

# ---- one that is not good ------------------------------------------------------------------
"$(program badhttp)" "$T/www" "$T/requests" >"$T/port" &
background_pids="$background_pids $!"
wait_for test -s "$T/port"
odd=http://127.0.0.1:$(cat "$T/port")

pull pull-tar "$odd/cut/50000/guest.tar.gz" cut
is 'a connection that breaks again and again: all of it comes' 0 "$rc" || note "$err"
ok 'and it is the same' same cut
is 'each time from where it was' 'bytes=50000- bytes=100000- bytes=150000-' \
	"$(tr -d '\r' <"$T/requests" | sed -n 's/^Range: //p' | head -3 | tr '\n' ' ' | sed 's/ $//')"
like 'if it is still the same' '*If-Range: "0"*' "$(cat "$T/requests")"
run timeout 60 "$NL" pull-raw -q --verify=no "$odd/frail/20000/disk.raw" frail
like 'but not without end' '1 *: the connection ended after 20020000 bytes of 67108864, and it broke 1000 times before' "$rc $err"
: >"$T/requests"
pull pull-raw "$odd/cut/100000/disk.raw" cutdisk
is 'a disk image, too' 0 "$rc" || note "$err"
ok 'and it is the same byte for byte' cmp "$T/www/disk.raw" "$store/cutdisk.raw"
pull pull-tar "$odd/once/50000/guest.tar.gz" once
is 'a server that knows no ranges: what was there is passed over' "0 Created new local image 'once'." \
	"$rc $(echo "$err" | grep Created)"
pull pull-tar "$odd/fail/200000/guest.tar.gz" busy
is 'one that is too busy in between' 0 "$rc" || note "$err"
pull pull-tar "$odd/changed/50000/guest.tar.gz" changed
is 'one where it is something else meanwhile' "1 nspawn-lite: $odd/changed/50000/guest.tar.gz: the connection ended after 50000 bytes of $(wc -c <"$T/www/guest.tar.gz"), and what is there is something else now" \
	"$rc $(echo "$err" | tail -n 1)"
pull pull-tar "$odd/dumb/50000/guest.tar.gz" dumb
like 'one that does not say what it is' '1 *the connection ended after 50000 bytes of *' "$rc $err"
run timeout 60 "$NL" pull-raw --verify=no "$odd/slice/100000/disk.raw" slice
is 'one that sends less than the rest: the rest of it is asked for' 0 "$rc" || note "$err"
ok 'until all is there' cmp "$T/www/disk.raw" "$store/slice.raw"
run timeout 60 "$NL" pull-raw --verify=no "$odd/other/100000/disk.raw" other
like 'one where the same is longer all at once' '1 *, and what is there is something else now' "$rc $err"
pull pull-tar --verify=no "$odd/chunked/0/guest.tar.gz" chunked
is 'chunks with extensions and a trailer' 0 "$rc" || note "$err"
ok 'are put together' same chunked

# path and what is said of it; nothing may stay, nobody may wait
while read -r path want; do
	run timeout 60 "$NL" pull-tar --verify=no "$odd/$path.tar" bad </dev/null
	like "/$path: $want" "1 nspawn-lite: $odd/$path.*: $want" "$rc $(echo "$err" | tail -n 1)"
done <<'END'
loop it leads from one place to the next more than 10 times
endless the head of its answer does not end
line the head of its answer does not end
continue the head of its answer does not end
fold it folds lines in the head of its answer
colon the head of its answer is not HTTP
control there are control characters in the head of its answer
ssh its answer is not HTTP
nothing it ended the connection without an answer
negative it does not say clearly how long its answer is
over it does not say clearly how long its answer is
two it does not say clearly how long its answer is
encoded it sends what nobody asked for: another Transfer-Encoding than chunked
short the connection ended after 5 bytes of 1000
chunk-huge a chunk of its answer has no length
chunk-none a chunk of its answer has no length
chunk-long a chunk of its answer is longer than it says
chunk-cut its answer ends too early
trailers the head of its answer does not end
part it sends another part than it was asked for
file it leads to what is no URL of http or https
odd it leads to what is no URL of http or https
page it is a web page, such as one that asks for a login: look at it in a browser
END
run timeout 60 "$NL" pull-raw --verify=no "$odd/page.raw" bad
like 'a web page is no disk image' '1 *it is a web page, such as *' "$rc $err"
run timeout 60 "$NL" pull-raw --keep-download=yes "$odd/page.raw" bad
like 'nor a list of sums' '1 *page.raw.sha256: left out, for what came is a web page
*Failed to retrieve SHA256 checksum, cannot verify*' "$rc $err"
run env http_proxy=socks5://127.0.0.1:1 timeout 60 "$NL" pull-tar --verify=no "$odd/cut/0/guest.tar.gz" bad
like 'a proxy that is none is not passed by' '1 *http_proxy in the environment names no proxy of http' "$rc $err"
ok 'nothing of these is there' nothing bad

# ---- secrets
host=${odd#http://}
"$NL" pull-tar --verify=no "http://me:s3cret@$host/late/0/guest.tar.gz" late 2>"$T/late.err" &
waiting=$!
wait_for grep -q ^Downloading "$T/late.err"
run "$NL" list-transfers
like 'a password is not on the list of transfers' "0 *$odd/late/0/guest.tar.gz*" "$rc $out"
unlike 'nor anywhere for others to see' '*s3cret*' "$out $(cat "$T/late.err" "/proc/$waiting/cmdline" "$state"/.transfer* | tr '\0' ' ')"
kill -TERM "$waiting"
wait "$waiting"
: >"$T/requests"
pull pull-tar --verify=no --keep-download=yes "http://me:s3cret@$host/back.tar.gz" asked
is 'its server has it, also behind a redirect there' "0 4 of 4" \
	"$rc $(grep -c "^Authorization: Basic $(printf me:s3cret | busybox base64)" "$T/requests") of $(grep -c ^GET "$T/requests")" || note "$err"
unlike 'it is not kept' '*s3cret*' "$err $(find "$store" -name '.tar-*' -exec getfattr --absolute-names -d {} + 2>&1; ls -a "$store")"

# ---- names
while read -r url want; do
	run timeout 60 "$NL" pull-tar --verify=no "$odd$url" </dev/null
	like "a name from $url" "$want" "$rc $err"
done <<'END'
/ 1 nspawn-lite: http://127.0.0.1:*/: it gives no name: say NAME, too
/// 1 nspawn-lite: http://127.0.0.1:*///: it gives no name: say NAME, too
?x=/y.tar 1 nspawn-lite: http://127.0.0.1:*: it gives no name: say NAME, too
/.tar 1 nspawn-lite: Local name .tar is not a suitable machine name.
/..%2f..%2fetc 1 nspawn-lite: Local name ..%2f..%2fetc is not a suitable machine name.
/a%00b.tar 1 nspawn-lite: Local name a%00b is not a suitable machine name.
/x/.. 1 nspawn-lite: Local name .. is not a suitable machine name.
END
: >"$T/requests"
pull pull-tar "$odd?x=/y.tar" noname
is 'its sums are asked for there, and at no other server' '/.sha256 /SHA256SUMS' "$(sed -n 's/^GET \([^ ]*\) .*/\1/p' "$T/requests" | tr '\n' ' ' | sed 's/ $//')"

"$NL" pull-tar --verify=no "$odd/late/0/guest.tar.gz" late 2>"$T/late.err" &
waiting=$!
wait_for grep -q ^Downloading "$T/late.err"
kill -TERM "$waiting"
rc=0
wait "$waiting" || rc=$?
is 'a signal ends one that waits' "1 nspawn-lite: $odd/late/0/guest.tar.gz: stopped by a signal; nothing of it stays" \
	"$rc $(tail -n 1 "$T/late.err")"
ok 'and nothing of it is there' nothing late

# ---- a real one -------------------------------------------------------------------------------
for url in ftp://127.0.0.1/a.tar 127.0.0.1/a.tar http:///a.tar 'http://127.0.0.1/a b.tar' http://127.0.0.1:99999/a.tar file://host/a.tar; do
	run "$NL" pull-tar "$url"
	is "$url is refused" "1 nspawn-lite: URL '$url' is not valid." "$rc $err"
done
run "$NL" pull-tar http://127.0.0.1:1/-.tar
is 'a name that is none' '1 nspawn-lite: Local name - is not a suitable machine name.' "$rc $err"
run timeout 60 "$NL" pull-tar --verify=no http://127.0.0.1:1/a.tar
like 'nobody there' '1 *connect to 127.0.0.1 port 1: Connection refused' "$rc $err"
cp "$T/www/guest.tar.gz" "$T/www/%+1.tar.gz"
run timeout 60 "$NL" pull-tar --verify=no "file://$T/www/%+1.tar.gz" plus
is 'what is no hex digit is no byte' 0 "$rc" || note "$err"
rm -f "$T/www/%+1.tar.gz"
pull pull-tar "file://$T/www/guest.tar.gz" file
is 'file: is one way, too' 0 "$rc" || note "$err"

if command -v nginx >/dev/null; then
	mkdir -p "$T/nginx"
	chmod 755 "$T" "$T/www"
	tls=''
	if command -v openssl >/dev/null && command -v curl >/dev/null; then
		openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/key.pem" -out "$T/cert.pem" -days 3650 -subj /CN=127.0.0.1 \
			-addext subjectAltName=IP:127.0.0.1 2>/dev/null && tls=y
	fi
	cat >"$T/nginx.conf" <<-END
	daemon off; pid $T/nginx/pid; error_log $T/nginx/error; worker_processes 1; user root;
	events { }
	http {
		log_format all '\$request|\$status|\$http_range|\$http_if_none_match|\$http_user_agent|\$http_authorization';
		access_log $T/nginx/log all;
		client_body_temp_path $T/nginx/a; proxy_temp_path $T/nginx/b; fastcgi_temp_path $T/nginx/c;
		uwsgi_temp_path $T/nginx/d; scgi_temp_path $T/nginx/e;
		server {
			listen 127.0.0.1:8080; listen [::1]:8080;
			${tls:+listen 127.0.0.1:8443 ssl; ssl_certificate $T/cert.pem; ssl_certificate_key $T/key.pem;}
			root $T/www;
			location /moved/ { return 302 ../new/guest.tar.gz; }
			location /new/ { rewrite ^/new/(.*) http://[::1]:8080/\$1 permanent; }
			location /down { return 301 http://127.0.0.1:8080/guest.tar.gz; }
			location /gone { return 410; }
			location /soft/ { alias $T/www/; error_page 404 =200 /page.html; }
			location ~ ^/(cut|once)/ { proxy_pass $odd; proxy_buffering off; }
		}
	}
	END
	background nginx -c "$T/nginx.conf" -p "$T/nginx" 2>/dev/null
	wait_for busybox wget -q -O "$T/try" http://127.0.0.1:8080/SHA256SUMS 2>/dev/null || note "$(cat "$T/nginx/error")"
	at=http://127.0.0.1:8080

	pull pull-tar "$at/guest.tar.gz"
	is 'all that is said' "Enqueued transfer job N. Press C-c to stop it.
Pulling '$at/guest.tar.gz', saving as 'guest'.
Downloading 292.K for $at/guest.tar.gz.
Download of $at/guest.tar.gz complete.
SHA256 checksum of $at/guest.tar.gz is valid.
Created new local image 'guest'.
Operation completed successfully.
Exiting." "$(echo "$err" | sed 's/job [0-9]*/job N/; s/29[0-9]\.[0-9]K/292.K/')"
	is 'status 0, and nothing on standard output' '0 ' "$rc $out"
	ok 'it is the same' same guest
	like 'it says who it is' '*|nspawn-lite/*' "$(cat "$T/nginx/log")"
	pull pull-tar "$at/guest.tar.gz"
	is 'one that is there already' "1 nspawn-lite: Image 'guest' already exists. --force puts this in its place, --replace keeps that as guest.old, too" "$rc $err"
	touch "$store/guest/mark"
	pull pull-tar -q --force "$at/guest.tar.gz"
	is '--force takes its place; -q says nothing' '0 ' "$rc $err"
	ok 'the old one is gone' test ! -e "$store/guest/mark"
	touch "$store/guest/mark"
	pull pull-tar --replace "$at/guest.tar.gz"
	is '--replace does, too' 0 "$rc" || note "$err"
	ok 'and the old one is kept' test -e "$store/guest.old/mark"
	pull pull-tar --read-only "$at/guest.tar.gz?query=1#part" readonly
	is 'what is behind ? is no part of the name' 0 "$rc" || note "$err"
	pull pull-tar "$at/moved/guest.tar.gz" moved --verify=no
	is 'redirects, relative and to IPv6' 0 "$rc" || note "$err"
	ok 'lead to the same' same moved
	mkdir -p "$T/large/usr"
	head -c 30000000 /dev/urandom >"$T/large/usr/blob"
	tar -C "$T/large" -czf "$T/www/large.tar.gz" .
	sums large.tar.gz
	run timeout 60 "$(program stream)" peak "$NL" pull-tar -q --verify=checksum "$at/large.tar.gz"
	case $build in
	*san*)	skip 'memory' 'sanitizers need more' ;;
	*)	ok "30 MB take less than 4 MB of memory ($err KB)" test "$rc" = 0 -a "${err:-9999}" -lt 4096 ;;
	esac
	rm -r "$T/large" "$T/www/large.tar.gz" "$store/large"
	sums
	run timeout 60 "$NL" pull-tar --verify=no "$at/gone/guest.tar.gz" gone
	is 'one that is not there' "1 nspawn-lite: $at/gone/guest.tar.gz: the server says 410" "$rc $(echo "$err" | tail -n 1)"
	http_proxy=127.0.0.1:8080 pull pull-tar "http://nowhere.invalid/guest.tar.gz" proxied
	is 'a proxy is asked' 0 "$rc" || note "$err"
	run env http_proxy=127.0.0.1:1 no_proxy=a.example,127.0.0.1 timeout 60 "$NL" pull-tar --verify=no "$at/guest.tar.gz" direct
	is 'but not for those that no_proxy has' 0 "$rc" || note "$err"
	pull pull-tar "http://user:p%40ss@127.0.0.1:8080/guest.tar.gz" auth
	like 'a name and a password' "*|Basic $(printf 'user:p@ss' | busybox base64)*" "$(cat "$T/nginx/log")"

	pull pull-raw "$at/disk.raw.gz"
	is 'a disk image' 0 "$rc" || note "$err"
	ok 'is unpacked' cmp "$T/www/disk.raw" "$store/disk.raw"
	ok 'and its zeros are holes' test "$(du -k "$store/disk.raw" | cut -f 1)" -lt 200
	for kind in xz zstd qemu-img; do
		[ -n "$(real "$kind")" ] || { skip "pull-raw: $kind" "no $kind"; continue; }
		case $kind in
		xz)	file=disk.raw.xz; "$(real xz)" -0c "$T/www/disk.raw" >"$T/www/$file" ;;
		zstd)	file=disk.raw.zst; zstd -qc "$T/www/disk.raw" >"$T/www/$file" ;;
		*)	file=disk.img; qemu-img convert -f raw -O qcow2 -c "$T/www/disk.raw" "$T/www/$file" ;;
		esac
		run timeout 60 "$NL" pull-raw --verify=no "$at/$file" "as-$kind"
		is "pull-raw: $file" 0 "$rc" || note "$err"
		ok 'it is unpacked' cmp -n 332144 "$T/www/disk.raw" "$store/as-$kind.raw"
	done

	# ---- sums and signatures
	printf '<!DOCTYPE html>\n<p>Nothing here\n' >"$T/www/page.html"
	pull pull-tar "$at/soft/guest.tar.gz" soft
	is 'web pages where something is not there' 0 "$rc" || note "$err"
	ok 'are left out' test ! -e "$store/soft.nspawn"
	sum=$(sha256sum <"$T/www/guest.tar.gz" | cut -d ' ' -f 1)
	printf '%064d  xguest.tar.gz\n%064d  guest.tar.gz.old\n %064d  guest.tar.gz\n%s *./guest.tar.gz\r\n' 1 2 3 \
		"$(echo "$sum" | tr a-f A-F)" >"$T/www/SHA256SUMS"
	pull pull-tar "$at/guest.tar.gz" oddlist
	is 'a list in odd forms' 0 "$rc" || note "$err"
	head -c 1100000 /dev/zero | tr '\0' '\n' >"$T/www/SHA256SUMS"
	pull pull-tar "$at/guest.tar.gz" longlist
	is 'one that is too long' "1 nspawn-lite: $at/SHA256SUMS: it is longer than 1048576 bytes" "$rc $(echo "$err" | tail -n 1)"
	sums
	cp "$T/www/guest.tar.gz" "$T/www/other.tar.gz"
	pull pull-tar "$at/other.tar.gz"
	is 'one that is not on the list' "1 nspawn-lite: DOWNLOAD INVALID: $at/SHA256SUMS has no SHA256 checksum of other.tar.gz." \
		"$rc $(echo "$err" | tail -n 1)"
	sha256sum <"$T/www/guest.tar.gz" | cut -d ' ' -f 1 >"$T/www/other.tar.gz.sha256"
	pull pull-tar "$at/other.tar.gz"
	is 'a list with nothing but the sum' 0 "$rc" || note "$err"
	printf '%s *other.tar.gz\r\n' "$(sha256sum <"$T/www/disk.raw" | cut -d ' ' -f 1)" >"$T/www/other.tar.gz.sha256"
	pull pull-tar "$at/other.tar.gz" wrong
	is 'a wrong sum' "1 nspawn-lite: DOWNLOAD INVALID: SHA256 checksum of $at/other.tar.gz is wrong." \
		"$rc $(echo "$err" | tail -n 1)"
	ok 'nothing of it is there' nothing wrong
	pull pull-tar --force "$at/other.tar.gz" guest
	ok 'and what was there is still there' same guest
	# what no unpacker looks at belongs to the sum
	(cat "$T/www/guest.tar.gz"; head -c 100000 /dev/zero) >"$T/www/tail.tar.gz"
	sums other.tar.gz
	sha256sum <"$T/www/guest.tar.gz" | cut -d ' ' -f 1 >"$T/www/tail.tar.gz.sha256"
	pull pull-tar "$at/tail.tar.gz" tail
	is 'one with something behind its end' "1 nspawn-lite: DOWNLOAD INVALID: SHA256 checksum of $at/tail.tar.gz is wrong." \
		"$rc $(echo "$err" | tail -n 1)"
	ok 'is not taken for another' nothing tail
	mv "$T/www/SHA256SUMS" "$T/www/away"
	pull pull-tar "$at/guest.tar.gz" none
	is 'no list at all' '1 nspawn-lite: Failed to retrieve SHA256 checksum, cannot verify. (Try --verify=no?)' \
		"$rc $(echo "$err" | tail -n 1)"
	mv "$T/www/away" "$T/www/SHA256SUMS"
	run timeout 60 "$NL" pull-tar "$at/guest.tar.gz" signed
	like 'signatures are asked for, and without keys it ends' '1 *--verify=signature: there are no keys in *; put some there, or say --verify=checksum*' "$rc $err"
	ok 'with nothing' nothing signed
	if command -v gpg >/dev/null && command -v gpgv >/dev/null; then
		GNUPGHOME=$T/gnupg
		export GNUPGHOME
		mkdir -m 700 "$GNUPGHOME"
		mkdir -p "$T/root/etc/systemd"
		gpg -q --batch --passphrase '' --quick-gen-key good@example ed25519 sign never 2>/dev/null
		gpg -q --batch --passphrase '' --quick-gen-key bad@example ed25519 sign never 2>/dev/null
		gpg -q --batch --export good@example >"$T/root/etc/systemd/import-pubring.gpg"
		sign() { gpg -q --batch --yes -u "$@" 2>/dev/null; }
		run timeout 60 "$NL" pull-tar "$at/guest.tar.gz" signed
		is 'no signature' '1 nspawn-lite: Failed to retrieve signature of SHA256 checksum, cannot verify. (Try --verify=checksum?)' \
			"$rc $(echo "$err" | tail -n 1)"
		sign bad@example -o "$T/www/SHA256SUMS.gpg" --detach-sign "$T/www/SHA256SUMS"
		run timeout 60 "$NL" pull-tar "$at/guest.tar.gz" signed
		is 'a signature of somebody else' '1 nspawn-lite: DOWNLOAD INVALID: Signature verification failed.' "$rc $(echo "$err" | tail -n 1)"
		sign good@example -o "$T/www/SHA256SUMS.gpg" --detach-sign "$T/www/SHA256SUMS"
		cp "$T/www/SHA256SUMS" "$T/good"
		echo >>"$T/www/SHA256SUMS"
		run timeout 60 "$NL" pull-tar "$at/guest.tar.gz" signed
		is 'a list that was changed' '1 nspawn-lite: DOWNLOAD INVALID: Signature verification failed.' "$rc $(echo "$err" | tail -n 1)"
		cp "$T/good" "$T/www/SHA256SUMS"
		run env PATH=/nowhere "$NL" pull-tar "$at/guest.tar.gz" signed
		like 'no gpgv: it ends, and says what goes on without' '1 *there is no gpgv in PATH; --verify=checksum goes on without*' "$rc $err"
		ok 'nothing of these is there' nothing signed
		run timeout 60 "$NL" pull-tar "$at/guest.tar.gz" signed
		is 'a good one' '0 Signature verification succeeded.' "$rc $(echo "$err" | grep Signature)" || note "$err"
		ok 'is there' same signed
		rm "$T/www/SHA256SUMS.gpg"
		sign good@example -a -o "$T/www/SHA256SUMS.asc" --detach-sign "$T/www/SHA256SUMS"
		run timeout 60 "$NL" pull-tar --force "$at/guest.tar.gz" signed
		is 'one in letters' '0 Signature verification succeeded.' "$rc $(echo "$err" | grep Signature)" || note "$err"
		(cd "$T/www" && sha256sum guest.tar.gz) >"$T/one"
		sign good@example -o "$T/www/guest.tar.gz.sha256" --clearsign "$T/one"
		run timeout 60 "$NL" pull-tar --force "$at/guest.tar.gz" signed
		is 'one that is in the list' '0 Signature verification succeeded.' "$rc $(echo "$err" | grep Signature)" || note "$err"
		# what stands before the signed part is nobody's word
		cat "$T/www/guest.tar.gz.sha256" >"$T/inline"
		(cat "$T/inline"; printf '%064d  guest.tar.gz\n' 0) >"$T/www/guest.tar.gz.sha256"
		run timeout 60 "$NL" pull-tar --force "$at/guest.tar.gz" signed
		unlike 'words outside of it do not count' '*checksum of * is wrong*' "$err"
		(cat "$T/inline"; printf '%064d  other.tar.gz\n' 0) >"$T/www/other.tar.gz.sha256"
		run timeout 60 "$NL" pull-tar --force "$at/other.tar.gz" signed
		is 'nor do those behind it' "1 nspawn-lite: DOWNLOAD INVALID: $at/other.tar.gz.sha256 has no SHA256 checksum of other.tar.gz." \
			"$rc $(echo "$err" | tail -n 1)"
		rm "$T/www/guest.tar.gz.sha256" "$T/www/SHA256SUMS.asc" "$T/www/other.tar.gz.sha256"
		sign good@example -o "$T/www/SHA256SUMS.gpg" --sign "$T/www/disk.raw"
		run timeout 60 "$NL" pull-tar --force "$at/guest.tar.gz" signed
		is 'a signature that has something else in it' '1 nspawn-lite: DOWNLOAD INVALID: Signature verification failed.' \
			"$rc $(echo "$err" | tail -n 1)"
		mkdir "$T/hangs"
		printf '#!/bin/sh\n: >%s\nexec sleep 1000\n' "$T/hangs/on" >"$T/hangs/gpgv"
		chmod 755 "$T/hangs/gpgv"
		PATH=$T/hangs:$PATH "$NL" pull-tar --force "$at/guest.tar.gz" signed 2>"$T/hangs/err" &
		waiting=$!
		wait_for test -e "$T/hangs/on"
		kill -TERM "$waiting"
		ok 'a gpgv that hangs ends with it' wait_for sh -c '! kill -0 "$1" 2>/dev/null || grep -q "^State:.Z" "/proc/$1/status"' - "$waiting"
		kill -KILL "$waiting" 2>/dev/null
		wait "$waiting"
		like 'and it says so' "*$at/SHA256SUMS: stopped by a signal*" "$(cat "$T/hangs/err")"
		ok 'the old one is still there' same signed
		rm "$T/www/SHA256SUMS.gpg"
		gpgconf --kill all 2>/dev/null
	else
		skip 'signatures' 'no gpg and gpgv'
	fi

	# ---- what lies beside
	printf '[Exec]\nBoot=yes\n' >"$T/www/guest.nspawn"
	echo 0123 >"$T/www/disk.roothash"
	pull pull-tar "$at/guest.tar.gz" beside
	like 'settings that the list does not have are left out' "0 *guest.nspawn: left out, for the list of sums does not have it*" "$rc $err"
	sums guest.nspawn
	pull pull-tar --force "$at/guest.tar.gz" beside
	is 'those it has lie beside the image' "0 Boot=yes" "$rc $(sed -n 2p "$store/beside.nspawn" 2>&1)"
	echo evil >>"$T/www/guest.nspawn"
	pull pull-tar --force "$at/guest.tar.gz" beside2
	is 'changed ones are refused' "1 nspawn-lite: DOWNLOAD INVALID: SHA256 checksum of $at/guest.nspawn is wrong." \
		"$rc $(echo "$err" | tail -n 1)"
	run timeout 60 "$NL" pull-raw --verify=no "$at/disk.raw" sums
	is 'of a disk image the sum of its root, too' '0 0123' "$rc $(cat "$store/sums.roothash" 2>&1)"
	rm "$T/www/guest.nspawn"
	sums

	# ---- copies of what was fetched
	pull pull-tar --keep-download=yes "$at/guest.tar.gz" kept
	is '--keep-download=yes' 0 "$rc" || note "$err"
	ok 'the image is there' same kept
	copy=$(find "$store" -maxdepth 1 -name '.tar-*')
	like 'and a hidden one, named after where it came from' '*/.tar-http:\\x2f\\x2f127\\x2e0\\x2e0\\x2e1:8080\\x2fguest\\x2etar\\x2egz.\\x22*\\x22' "$copy"
	: >"$T/nginx/log"
	pull pull-tar --keep-download=yes "$at/guest.tar.gz" kept2
	like 'the next does not fetch it again' '0 *Image already downloaded. Skipping download.*' "$rc $err"
	ok 'and is the same' same kept2
	like 'for the server was asked' '*guest.tar.gz HTTP/1.1|304|-|\\x22*' "$(cat "$T/nginx/log")"
	run timeout 60 "$NL" pull-tar --verify=no "$at/disk.raw" -
	run timeout 60 "$NL" pull-raw --verify=no "$at/disk.raw" -
	is 'NAME -: only that one' "0 1" "$rc $(find "$store" -maxdepth 1 -name '.raw-*' | wc -l)" || note "$err"
	pull pull-raw --keep-download=yes "$at/disk.raw" weak
	unlike 'what was not checked then is fetched again to be checked' '*already downloaded*' "$err"

	# the name of a copy: its URL, or of a long one the sum, which was worked out elsewhere
	long=$(printf '%0190d' 0 | tr 0 n)
	cp "$T/www/guest.tar.gz" "$T/www/$long.tar.gz"
	run timeout 60 "$NL" pull-tar --verify=no "$at/$long.tar.gz" -
	like 'a long URL' '0 *.tar-a9cac2126f422256.\\x22*\\x22' "$rc $(find "$store" -maxdepth 1 -name '.tar-a9*')" || note "$err"
	deep=$T/$(printf '%0*d' $((222 - ${#T})) 0)
	mkdir -p "$deep"
	run timeout 60 "$NL" pull-tar --verify=no --keep-download=yes --image-root="$deep" "$odd/dumb/0/guest.tar.gz" deep
	is 'a place with a long name' 0 "$rc" || note "$err"

	# ---- https
	if [ -n "$tls" ]; then
		run timeout 60 "$NL" pull-tar --verify=no https://127.0.0.1:8443/guest.tar.gz nocert
		like 'https: a certificate that nobody knows' '1 *curl: (60)*' "$rc $err"
		CURL_CA_BUNDLE=$T/cert.pem
		export CURL_CA_BUNDLE
		run timeout 60 "$NL" pull-tar --verify=checksum https://127.0.0.1:8443/guest.tar.gz curled
		is 'https by curl' 0 "$rc" || note "$err"
		ok 'is the same' same curled
		run timeout 60 "$NL" pull-tar --verify=no https://127.0.0.1:8443/nothere.tar.gz nothere
		like 'what is not there' '1 *the server says 404' "$rc $err"
		run timeout 60 "$NL" pull-tar --verify=no https://127.0.0.1:8443/down/guest.tar.gz down
		like 'it does not lead to http' '1 *it leads from https to http, which nobody protects*' "$rc $err"
		ok 'nothing of these is there' nothing down
		run timeout 60 "$NL" pull-raw --verify=checksum https://127.0.0.1:8443/cut/100000/disk.raw cutcurl
		is 'by curl: a connection that breaks goes on' 0 "$rc" || note "$err"
		ok 'and it is the same' cmp "$T/www/disk.raw" "$store/cutcurl.raw"
		run env https_proxy="http://127.0.0.1:${odd##*:}" timeout 60 "$NL" pull-tar --verify=no https://127.0.0.1:8443/guest.tar.gz by-proxy
		is 'by curl and a proxy' "0 CONNECT" "$rc $(grep -o ^CONNECT "$T/requests" | head -n 1)" || note "$err"
		ok 'it is the same' same by-proxy
		mkdir "$T/seen"
		for kind in curl wget; do
			printf '#!/bin/sh\necho "$*" >>%s/seen/args\nexec %s "$@"\n' "$T" "$(real "$kind")" >"$T/seen/$kind"
			chmod 755 "$T/seen/$kind"
		done
		run env PATH="$T/seen:$PATH" "$NL" pull-tar --verify=no "https://me:s3cret@127.0.0.1:8443/guest.tar.gz" seen
		is 'by curl with a password' "0 Basic $(printf me:s3cret | busybox base64)" "$rc $(tail -n 1 "$T/nginx/log" | sed 's/.*|//')" || note "$err"
		unlike 'which nobody sees' '*s3cret*' "$(cat "$T/seen/args") $err"
		wget=$(real wget)
		# shellcheck disable=SC3013 # every shell we meet has -ef
		if [ -n "$wget" ] && [ ! "$wget" -ef "$(real busybox)" ]; then
			mkdir "$T/gnu"
			ln -s "$wget" "$T/gnu"
			echo "ca_certificate=$T/cert.pem" >"$T/wgetrc"
			run env PATH="$T/gnu" WGETRC="$T/wgetrc" "$NL" pull-tar --verify=checksum https://127.0.0.1:8443/guest.tar.gz wgot
			is 'https by wget' 0 "$rc" || note "$err"
			ok 'is the same' same wgot
			run env PATH="$T/gnu" WGETRC="$T/wgetrc" "$NL" pull-tar --verify=no https://127.0.0.1:8443/nothere.tar.gz nothere
			like 'what is not there' '1 *the server says 404' "$rc $err"
			run env PATH="$T/gnu" WGETRC="$T/wgetrc" "$NL" pull-tar --verify=no --keep-download=yes https://127.0.0.1:8443/guest.tar.gz wgot2
			run env PATH="$T/gnu" WGETRC="$T/wgetrc" "$NL" pull-tar --verify=no --keep-download=yes https://127.0.0.1:8443/guest.tar.gz wgot3
			like 'it knows of ETags' '0 *already downloaded*' "$rc $err"
			run env PATH="$T/gnu" WGETRC="$T/wgetrc" "$NL" pull-tar --verify=no https://127.0.0.1:8443/down/guest.tar.gz down
			like 'it does not lead to http' '1 *it leads from https to http, which nobody protects*' "$rc $err"
			ok 'nothing of it is there' nothing down
			run timeout 60 env PATH="$T/gnu" WGETRC="$T/wgetrc" "$NL" pull-raw --verify=checksum https://127.0.0.1:8443/once/100000/disk.raw cutwget
			is 'a connection that breaks goes on' 0 "$rc" || note "$err"
			ok 'and it is the same' cmp "$T/www/disk.raw" "$store/cutwget.raw"
			rm "$T/seen/curl" "$T/seen/args"
			ln -s "$(command -v sh)" "$T/seen"
			run env PATH="$T/seen" WGETRC="$T/wgetrc" "$NL" pull-tar --verify=no "https://me:s3cret@127.0.0.1:8443/guest.tar.gz" seen2
			is 'with a password' "0 Basic $(printf me:s3cret | busybox base64)" "$rc $(tail -n 1 "$T/nginx/log" | sed 's/.*|//')" || note "$err"
			unlike 'which nobody sees' '*s3cret*' "$(cat "$T/seen/args") $err"
		else
			skip 'https by wget' 'no wget'
		fi
		if busybox wget --help 2>&1 | grep -q -- --no-check; then
			mkdir "$T/small"
			ln -s "$(real busybox)" "$T/small/wget"
			run env PATH="$T/small" "$NL" pull-tar --verify=checksum https://127.0.0.1:8443/guest.tar.gz small
			if [ "$rc" = 0 ]; then
				like 'https by wget of busybox: it is said that it checks nothing' '*it checks no certificates*' "$err"
				ok 'is the same' same small
			else
				skip 'https by wget of busybox' "$(echo "$err" | tail -n 1)"
			fi
		fi
	else
		skip 'https' 'no openssl and curl'
	fi
	run env PATH=/nowhere "$NL" pull-tar --verify=no https://127.0.0.1:8443/guest.tar.gz none
	is 'https without any fetcher' '1 nspawn-lite: https://127.0.0.1:8443/guest.nspawn: https is fetched by curl, wget or uclient-fetch, and there is none in PATH' \
		"$rc $(echo "$err" | tail -n 1)"
else
	skip 'a real server' 'no nginx'
fi
# trees that are read-only stay so for everybody
find "$store" ${deep:+"$deep"} -maxdepth 1 -exec chattr -i {} + 2>/dev/null
done_testing
