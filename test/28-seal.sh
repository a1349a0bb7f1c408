#!/bin/sh
# Our own program, which is a file of the host: no guest becomes it, or gets an fd of it to write to
# shellcheck source=test/lib.sh
# shellcheck disable=SC2016,SC2317 # for shells inside; called by wait_for
. "$(dirname "$0")/lib.sh"
need_root
need unshare
leftovers_before
t=$(tree busybox)
host=$(stat -Lc %D:%i "$NL")
cp "$NL" "$T/lite"  # what is written to in here shall not be the one that all tests run
NL=$T/lite
times=40

# ---- who is in the way between a look and execve ------------------------------------------------------

mkdir "$T/vol"
cp "$t/bin/busybox" "$T/vol/program"
ln -s /proc/self/exe "$T/vol/ours"
# a neighbour does it, in a machine of its own that has the same volume
mkdir -p "$t/vol"
cp "$(program flip)" "$t/bin/flip"
"$NL" -q -M "flip$$" -D "$t" --bind="$T/vol:/vol" flip /vol/program /vol/ours /vol/stop >"$T/flips" 2>&1 &
flip=$!
flips() { [ -L "$T/vol/program" ]; }
ok "a neighbour changes names in a volume" wait_for flips
# is_us NAME COMMAND... : how often it was our program that ran
is_us() {
	i=0
	got=0
	refused=0
	while [ $i -lt $times ]; do
		out=$(timeout 60 "$@" 2>&1)
		case $out in
		nspawn-lite\ [0-9]*) got=$((got + 1)) ;;
		*nobody\ inside\ may\ execute* | *[Pp]ermission\ denied*) refused=$((refused + 1)) ;;
		esac
		i=$((i + 1))
	done
	echo "# refused $refused of $times"
}
own=$(tree busybox)
for way in '' open_tree mount_setattr; do
	[ -z "$way" ] || times=10
	NSPAWN_LITE_DENY=$way
	export NSPAWN_LITE_DENY
	is_us "$NL" -q -D "$own" --bind="$T/vol:/vol" /vol/program --version
	is "a machine never runs our program in place of one in that (without: ${way:-nothing})" 0 "$got"
	ok "and it was in danger (without: ${way:-nothing})" [ "$refused" -gt 0 ]
done
times=40
unset NSPAWN_LITE_DENY
if "$NL" oci spec --bundle "$T" 2>/dev/null; then
	mkdir "$T/bundle"
	tr -d '\n\t' <"$T/config.json" | sed -e 's|"args": *\[[^]]*\]|"args":["/vol/program","--version"]|; s|"terminal": *true|"terminal":false|' \
		-e "s|\"root\": *{[^}]*}|\"root\":{\"path\":\"$own\"}|; s|\"mounts\": *\[|&{\"destination\":\"/vol\",\"type\":\"bind\",\"source\":\"$T/vol\",\"options\":[\"bind\"]},|" \
		>"$T/bundle/config.json"
	is_us sh -c '"$1" oci run --bundle "$2" "se$$"' - "$NL" "$T/bundle"
	is "nor does a container" 0 "$got"
	ok "which was in danger, too" [ "$refused" -gt 0 ]
else
	skip "nor does a container" 'this build has no runtime'
fi
: >"$T/vol/stop"
wait $flip
note "$(cat "$T/flips") exchanges"

# ---- an fd of it that outlives us ----------------------------------------------------------------------------

# is there any way to write to it, or to execute it? Root of the host in mounts of its own may do more than a guest
: >"$T/bound"
reach=$(program reach)
for way in '' new; do
	NSPAWN_LITE_DENY=$way "$NL" -q -D "$t" sh -c ': >/ready; exec sleep 1000' &
	pid=$!
	ok "a machine runs (without: ${way:-nothing})" wait_for test -e "$t/ready"
	exec 9<"/proc/$pid/exe"
	is "what runs it is our program" "$(stat -Lc %D:%i "$NL")" "$(stat -Lc %D:%i "/proc/$pid/exe")"
	is "who has that open gets no more of it (without: ${way:-nothing})" '' "$(unshare -m "$reach" /proc/self/fd/9 "$T/bound")"
	kill -9 $pid
	wait $pid 2>/dev/null
	is "nor when nobody runs it any more (without: ${way:-nothing})" '' "$(unshare -m "$reach" /proc/self/fd/9 "$T/bound")"
	exec 9<&-
	rm -f "$t/ready"
done
ok "the host itself writes to it" sh -c ': >>"$1"' - "$NL"

# Whoever begins a machine again is who began it, whatever is there by that name meanwhile
printf '#!/bin/sh\necho life >>/lives\n' >"$t/bin/job"
chmod 755 "$t/bin/job"
two_lives() { [ "$(grep -c life "$t/lives" 2>/dev/null)" -ge 2 ]; }
for way in '' new; do
	cp "$NL" "$T/gone"
	NSPAWN_LITE_DENY=$way "$T/gone" -q --restart=always -D "$t" /bin/job 2>"$T/err" &
	pid=$!
	wait_for test -e "$t/lives"
	rm "$T/gone"
	ok "a machine restarts when our program has been removed (without: ${way:-nothing})" wait_for two_lives
	kill $pid
	wait $pid
	rm -f "$t/lives"
done

# ---- who goes in -------------------------------------------------------------------------------------------------

# sees HOW : what a container that may trace sees of who waits in it, and of one that comes
if [ -d "$T/bundle" ]; then
	sed 's|"args":\[[^]]*\]|"args":["/bin/sleep","1000"]|; s|"bounding": *\[|&"CAP_SYS_PTRACE",|; s|"effective": *\[|&"CAP_SYS_PTRACE",|; s|"permitted": *\[|&"CAP_SYS_PTRACE",|' \
		"$T/bundle/config.json" >"$T/config" && mv "$T/config" "$T/bundle/config.json"
	mkdir "$T/memory"
	mount -t tmpfs tmpfs "$T/memory"
	for way in '' memfd_create memory; do
		# a file of a tmpfs has seals, too
		[ "$way" != memory ] || { cp "$NL" "$T/memory/lite" && NL=$T/memory/lite; }
		"$NL" oci delete -f "sw$$" 2>/dev/null
		NSPAWN_LITE_DENY=$way timeout 60 "$NL" oci create --bundle "$T/bundle" "sw$$"
		out=$(NSPAWN_LITE_DENY=$way timeout 60 "$NL" oci exec "sw$$" sh -c 'stat -Lc "%D:%i %s" /proc/1/exe; (: >>/proc/1/exe) 2>&1')
		like "who waits in a container that may trace is a copy (without: ${way:-nothing})" "* $(wc -c <"$NL")*" "$out"
		unlike "and not the host's (without: ${way:-nothing})" "$(stat -Lc %D:%i "$NL")*" "$out"
		"$NL" oci delete -f "sw$$"
	done
	NL=$T/lite
	umount "$T/memory"
	rmdir "$T/root/run/nspawn-lite-oci"
fi

# ---- PID 1 of -a ---------------------------------------------------------------------------------------------------

out=$("$NL" -q -a -D "$t" sh -c 'stat -Lc %D:%i /proc/1/exe; du -k /proc/1/exe | cut -f1; grep -c /dev/.nspawn-lite /proc/1/maps')
unlike "PID 1 of -a is no file of the host" "$host*" "$out"
du=$("$NL" -q -a -D "$t" sh -c 'du -Lk /proc/1/exe | cut -f 1')
ok "and takes two or three pages (${du:-?} KB)" [ "${du:-999}" -le 192 ]

leftovers_after "nothing stays"
done_testing
