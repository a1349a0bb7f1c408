#!/bin/sh
# What is packed comes out as gzip and the like have it, on one CPU and two; and
# the other way. Trouble is a sentence, and nothing stays behind.
# shellcheck disable=SC2016,SC2094,SC2317 # for other shells; one file in, another out; by name
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need gzip xz bzip2 zstd taskset sha256sum
stream=$(program stream)
D=$T/data
mkdir "$D" && cd "$D" || exit
cpus=$(taskset -c -p $$) && cpus=${cpus##*: }
one=${cpus%%[,-]*}

# The programs of PATH, for busybox's shell takes its own
in_path() {
	echo "$PATH" | tr : '\n' | while read -r dir; do
		[ ! -x "$dir/$1" ] || echo "$dir/$1"
	done | head -n 1
}
real_gzip=$(in_path gzip) real_xz=$(in_path xz) real_bzip2=$(in_path bzip2)
gzip() { "$real_gzip" "$@"; }
xz() { "$real_xz" "$@"; }
bzip2() { "$real_bzip2" "$@"; }

# same WANT COMMAND... : it prints what is in the file
same() {
	want=$1
	shift
	"$@" >"$T/same" && cmp "$T/same" "$want"
}

# each line of standard input goes to a command: all succeed
quiet() {
	"$@" >/dev/null 2>&1
}

# Letters with some order in them, of many lengths
awk 'BEGIN { srand(5); for (i = 0; i < 60000; i++) printf "%d %s\n", rand() * 1000000, i % 7 ? "machine" : rand() }' >all
sizes='0 1 512 513 131071 131072 131073 524288 1000001'
for n in $sizes; do
	head -c "$n" all >"$n"
	for p in gzip xz bzip2 zstd; do
		$p -c <"$n" >"$n.$p"
	done
done
head -c 100 all >small
gzip -c small >small.gz
head -c 1000001 /dev/urandom >noise && gzip -1c noise >noise.gz

is 'the end of a name says how it is packed' 'gzip gzip xz xz bzip2 bzip2 zstd zstd uncompressed uncompressed uncompressed' \
	"$("$stream" kind a.tar.gz a.tgz a.tar.xz a.txz a.bz2 a.tbz2 a.tar.zst a.tzst a.tar .gz gz | tr '\n' ' ' | sed 's/ $//')"

for n in 0 1 3 55 56 57 63 64 65 119 120 121 127 128 129 1000 131073; do
	want=$(head -c "$n" all | sha256sum)
	for step in 1 3 64 100 1048576; do
		[ "$step" -gt 1 ] || [ "$n" -lt 2000 ] || continue
		[ "$(head -c "$n" all | "$stream" sum "$step")" = "${want%% *}" ] || echo "$n by $step"
	done
done >bad
is "sums are those of sha256sum" '' "$(cat bad)"

# ---- in, with one CPU and with all ------------------------------------------------

# unpacked STEP COMMAND... : what of our files is not what it was
unpacked() {
	step=$1
	shift
	for n in $sizes; do
		[ "$step" != 1 ] || [ "$n" -lt 2000 ] || continue
		quiet same "$n" "$@" cat "$step" <"$n" || echo "$n"
		for p in gzip xz bzip2 zstd; do
			quiet same "$n" "$@" cat "$step" <"$n.$p" || echo "$n.$p"
		done
	done
}

# complains SENTENCE PATTERN COMMAND... : status 1, and one line on standard error
complains() {
	what=$1 pattern=$2
	shift 2
	run "$@"
	like "$what" "1 $pattern" "$rc $err"
}

# the handlers of signals are there: SIGTERM is bit 14
listens() {
	caught=$(sed -n 's/^SigCgt:.*\(....\)$/\1/p' "/proc/$1/status" 2>/dev/null)
	case $caught in [4567cdef]???) ;; *) return 1 ;; esac
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

has() {
	[ "$(wc -c <"$1")" -ge "$2" ]
}

# fake NAME COMMANDS... : a program of that name, first in $T/bin
mkdir "$T/bin"
fake() {
	{
		echo '#!/bin/sh'
		printf '%s\n' "$2"
	} >"$T/bin/$1"
	chmod 755 "$T/bin/$1"
}

members() {	# CPUS COMMAND...
	on=$1
	shift
	cat small.gz 0.gzip 513.gzip 131072.gzip >many.gz
	gzip -dc many.gz >many
	ok "members that follow each other are one, on $on" same many "$@" cat <many.gz
	{ cat many.gz; head -c 70000 /dev/zero; } >zeros.gz
	run "$@" cat <zeros.gz
	is "zeros behind the last are nothing, on $on" "0 $(cat many)" "$rc $out$err"
	for tail in rubbish '\0\0\0rubbish' '\037' '\037x' '\0\037\213'; do
		# shellcheck disable=SC2059 # a format
		{ cat many.gz; printf "$tail"; } >tail.gz
		run "$@" cat <tail.gz
		gzip -dc <tail.gz >want 2>/dev/null
		is "what else is behind the last ($tail) is a warning, on $on" \
			"0 stream: ignored what follows the gzip data: it is none" "$rc $err"
		ok "... and what gzip makes of it" cmp want "$T/.out"
	done
	complains "a member that only begins is an error, on $on" 'it ends in the middle of gzip data' \
		sh -c '{ cat many.gz; printf "\037\213\010"; } | "$@" cat' - "$@"
}

damage() {	# CPUS COMMAND...
	on=$1
	shift
	size=$(wc -c <small.gz)
	i=1
	while [ $((i += 1)) -lt "$size" ]; do
		head -c "$i" small.gz >cut.gz
		"$@" cat <cut.gz >/dev/null 2>cut.err && echo "$i: fine"
		[ "$(cat cut.err)" = 'it ends in the middle of gzip data' ] || cat cut.err
	done >bad
	is "an end at any byte is seen, on $on" '' "$(cat bad)"
	head -c $((size - 8)) small.gz >crc.gz
	printf 'wrong' >>crc.gz
	tail -c 3 small.gz >>crc.gz
	complains "a wrong sum is seen, on $on" 'its gzip data is damaged (incorrect data check)' "$@" cat <crc.gz
	head -c $((size - 2)) small.gz >length.gz
	printf '\1\1' >>length.gz
	complains "a wrong length is seen, on $on" 'its gzip data is damaged (*)' "$@" cat <length.gz
	{ head -c 300000 noise.gz; head -c 1000 all; tail -c 500000 noise.gz; } >middle.gz
	complains "damage in the middle is seen, on $on" 'its gzip data is damaged (*)' "$@" cat <middle.gz
	complains "a source that fails says why, on $on" 'the line broke' "$@" fail <noise.gz
	complains "... unpacked too, on $on" 'the line broke' "$@" fail <noise
	complains "... and through a program, on $on" 'the line broke' "$@" fail <524288.xz.xz
	complains "a directory is no source, on $on" 'Is a directory' "$@" cat <.
}

waiting() {	# CPUS COMMAND...
	on=$1
	shift
	for kind in '' .gzip .xz; do
		ok "a byte at a time is as good, 131073$kind on $on" same 131073 "$@" drip <"131073$kind"
	done
	rm -f fifo
	mkfifo fifo
	for what in nothing noise noise.gz noise.xz; do
		"$@" cat <fifo >got 2>err &
		pid=$!
		exec 7>fifo
		# nothing was read, or all that came: more of it never does
		if [ "$what" != nothing ]; then
			head -c 700000 "$what" >&7
			wait_for has got 262144
		fi
		wait_for listens $pid
		kill -TERM $pid
		rc=0
		wait $pid || rc=$?
		exec 7>&-
		is "SIGTERM ends one that waits behind $what, on $on" '1 interrupted' "$rc $(cat err)"
	done
	for what in noise noise.gz noise.xz; do
		"$@" drop 1000 <fifo >got 2>err &
		pid=$!
		exec 7>fifo
		head -c 700000 $what >&7 2>/dev/null
		rc=0
		wait $pid || rc=$?
		exec 7>&-
		is "one that waits for more of $what is closed, on $on" "0 1024" "$rc $(wc -c <got)"
	done
}

programs_in() {	# CPUS COMMAND...
	on=$1
	shift
	for kind in xz bzip2 zstd; do
		complains "$kind is missing, on $on" "it is packed with $kind, and there is no program $kind in PATH" \
			env PATH=/nowhere "$taskset" -c "$set" "$stream" cat <1.$kind
		head -c 100000 "1000001.$kind" >half
		complains "$kind in half: its own words, on $on" "$kind ended with status ?: *" "$@" cat <half
	done
	fake xz 'cat >/dev/null; kill -9 $$'
	complains "a program that is killed, on $on" 'xz was killed by signal 9' env PATH="$T/bin:$PATH" "$@" cat <524288.xz
	fake xz 'echo first; echo words >&2; echo more >&2; exit 3'
	complains "a program that fails without reading, on $on" 'xz ended with status 3: words' \
		env PATH="$T/bin:$PATH" "$@" cat <noise.xz
	fake xz 'head -c 400000 /dev/zero >&2; echo out'
	ok "a program with too many words does not wait for us, on $on" \
		sh -c '[ "$(PATH=$1:$PATH; shift; "$@" cat <524288.xz)" = out ]' - "$T/bin" "$@"
	fake xz 'ls -l /proc/$$/fd | sed -n "s/.* -> //p" | sort | uniq'
	run sh -c 'exec 7<small 8<noise; PATH=$1:$PATH; shift; "$@" cat <524288.xz' - "$T/bin" "$@"
	unlike "a program gets no fd of ours, on $on" "*$D/*" "$out"
	like "... but its own, on $on" '*pipe:*' "$out"
	fake xz 'echo $$ >pid; exec sleep 1000'
	rm -f pid
	(exec env PATH="$T/bin:$PATH" "$@" cat <524288.xz >/dev/null 2>&1) &
	wait_for test -s pid
	wait_for quiet grep -q sleep "/proc/$(cat pid)/comm"
	kill -9 $!
	ok "a program ends with us, on $on" wait_for gone "$(cat pid)"
}

xz -c noise >noise.xz
xz -0 -c 524288.xz >524288.xz.xz
cat noise.xz noise.xz >>524288.xz.xz
taskset=$(command -v taskset)

for set in "$one" "$cpus"; do
	case $set in
	"$one")	on='one CPU' ;;
	*)	on='all CPUs' ;;
	esac
	for step in 0 1 512 1000; do
		is "all comes out as it was, $step at a time, on $on" '' "$(unpacked $step taskset -c "$set" "$stream")"
	done
	members "$on" taskset -c "$set" "$stream"
	damage "$on" taskset -c "$set" "$stream"
	waiting "$on" "$taskset" -c "$set" "$stream"
	programs_in "$on" "$taskset" -c "$set" "$stream"
	for what in noise noise.gz noise.xz; do
		run taskset -c "$set" "$stream" open 0 <$what
		before=${out% *}
		run taskset -c "$set" "$stream" open 30 <$what
		is "thirty times $what leave no fd, on $on" "$before" "${out% *}"
		case $build in
		*san*)	;;
		*)	ok "... and need less than 4 MB ($out)" test "${out#* }" -lt 4096 ;;
		esac
	done
done

# ---- out ----------------------------------------------------------------------------

# packed KIND LEVEL STEP COMMAND : what of our files is not what it was
packed() {
	for n in $sizes; do
		[ "$3" != 1 ] || [ "$n" -lt 2000 ] || continue
		written=$("$taskset" -c "$set" "$stream" pack "$1" "$2" "$3" <"$n" 2>&1 >packed) || echo "$n: $written"
		$4 <packed >unpacked
		cmp "$n" unpacked 2>&1
		[ "$written" = "$(wc -c <packed)" ] || echo "$n: said $written"
	done
}

for set in "$one" "$cpus"; do
	case $set in
	"$one")	on='one CPU' ;;
	*)	on='all CPUs' ;;
	esac
	for step in 1 512 1048576; do
		is "gzip gets back what was packed, $step at a time, on $on" '' "$(packed gzip 0 $step 'gzip -dc')"
		is "what is not packed is written, $step at a time, on $on" '' "$(packed uncompressed 0 $step cat)"
	done
	for level in 1 9; do
		is "gzip gets back what level $level packed, on $on" '' "$(packed gzip $level 10000 'gzip -dc')"
	done
	for level in 0 3; do
		is "xz gets back what it packed at $level, on $on" '' "$(packed xz $level 10000 'xz -dc')"
		is "bzip2 gets back what it packed at $level, on $on" '' "$(packed bzip2 $level 10000 'bzip2 -dc')"
		is "zstd gets back what it packed at $level, on $on" '' "$(packed zstd $level 10000 'zstd -dc')"
	done
	"$taskset" -c "$set" "$stream" pack gzip 6 <all >all.gz 2>/dev/null
	ok "it is as small as gzip -6 makes it, on $on" test "$(wc -c <all.gz)" -le $(($(gzip -6c all | wc -c) * 101 / 100))
	ok 'the same, through a pipe' sh -c '"$@" pack gzip 6 <all 2>/dev/null | cat | cmp - all.gz' - "$taskset" -c "$set" "$stream"

	for kind in uncompressed gzip zstd; do
		{ printf a; head -c 5000000 /dev/zero; printf b; head -c 5000000 /dev/zero; } >want
		"$taskset" -c "$set" "$stream" zeros $kind 5000000 >zeros
		ok "zeros, $kind, on $on" same want "$stream" cat <zeros
		"$taskset" -c "$set" "$stream" zeros $kind 5000000 | cat >zeros2
		ok "... and the same through a pipe" cmp zeros zeros2
	done
	"$taskset" -c "$set" "$stream" zeros uncompressed 5000000 >zeros
	ok "they are a hole of a file, on $on" test "$(du -k zeros | cut -f1)" -lt 1000
	cat want >over
	dd if=all of=over bs=1000000 conv=notrunc 2>/dev/null
	"$taskset" -c "$set" "$stream" zeros uncompressed 5000000 1<>over
	ok "but not where something was, on $on" cmp want over

	for kind in uncompressed gzip; do
		complains "$kind: no room is a sentence, on $on" 'No space left on device' \
			sh -c '"$@" >/dev/full' - "$taskset" -c "$set" "$stream" pack $kind 1 <noise
		run sh -c '{ "$@" <noise; echo $? >&2; } | true' - "$taskset" -c "$set" "$stream" pack $kind 1
		is "$kind: nobody reads, on $on" 'Broken pipe 1' "$(echo "$err" | tr '\n' ' ' | sed 's/ $//')"
		rm -f full
		mkfifo full
		"$taskset" -c "$set" "$stream" pack $kind 1 <noise >full 2>err &
		pid=$!
		exec 7<full
		wait_for listens $pid
		kill -TERM $pid
		rc=0
		wait $pid || rc=$?
		exec 7<&-
		is "$kind: SIGTERM ends one that nobody reads from, on $on" '1 interrupted' "$rc $(cat err)"
	done
	run sh -c '"$@" >/dev/full' - "$taskset" -c "$set" "$stream" pack xz 1 <noise
	like "xz: no room is what it says, on $on" '1 xz ended with status 1: *No space left*' "$rc $err"
	complains "xz is missing for packing, on $on" '*there is no program xz in PATH' \
		env PATH=/nowhere "$taskset" -c "$set" "$stream" pack xz 0 <small
	fake xz 'exit 0'
	complains "a program that packs too little, on $on" 'the program that packs it ended too early' \
		env PATH="$T/bin:$PATH" "$taskset" -c "$set" "$stream" pack xz 0 <noise
done

# ---- without zlib, and with the system's libc ------------------------------------------

if command -v cc >/dev/null && quiet env -u MAKEFLAGS make -s -C "$TOP" O="$T/other" CC=cc STATIC=n ZLIB=n ISAL=n BTRFS=n \
	TARGET= CROSS_COMPILE= CFLAGS=-O1 "$T/other/test-stream"; then
	other=$T/other/test-stream
	ok 'without zlib gzip is a program' same many "$other" cat <many.gz
	ok '... which packs too' sh -c '"$1" pack gzip 3 <all 2>/dev/null | gzip -dc | cmp - all' - "$other"
	run env PATH=/nowhere "$other" cat <many.gz
	is '... when it is there' '1 it is packed with gzip, and there is no program gzip in PATH' "$rc $err"
	{ cat many.gz; echo rubbish; } >tail.gz
	run "$other" cat <tail.gz
	is '... and what follows is a warning' '0 stream: ignored what follows the gzip data: it is none' "$rc $err"
	waiting 'all CPUs, with another libc' "$other"
else
	skip 'without zlib gzip is a program' 'no cc'
fi
done_testing
