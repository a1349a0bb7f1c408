#!/bin/sh
# Trees for another kind of CPU: what is said where nothing can run them, and
# that they run where binfmt_misc has an emulator. That is of a user namespace
# since Linux 6.7, so the host's own stays as it is.
# shellcheck disable=SC2016,SC2059,SC2317 # what stands in single quotes is for a shell elsewhere; escapes; what is unreachable is not
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
t=$(tree busybox) || exit
[ "$(od -An -tx1 -j5 -N1 "$t/bin/busybox" | tr -d ' ')" = 01 ] || skip_all 'numbers here are big-endian'

# A program for another machine is one of ours with two bytes changed, and the
# emulator is a busybox that is called echo: it says what it was to run
f=$T/foreign
for d in bin etc root proc sys dev run tmp; do
	mkdir -p "$f/$d"
done
cp "$t/etc/passwd" "$f/etc/"
mkdir "$T/em"
cp "$t/bin/busybox" "$T/em/echo"
# elf CLASS DATA MACHINE : each an octal escape, of bytes 4, 5 and 18, 19
elf() {
	cp "$t/bin/busybox" "$f/bin/sh"
	printf "$1$2" | dd of="$f/bin/sh" bs=1 seek=4 conv=notrunc 2>/dev/null
	printf "$3" | dd of="$f/bin/sh" bs=1 seek=18 conv=notrunc 2>/dev/null
}
printf '#!/bin/sh\necho hi\n' >"$f/bin/script"
printf '#! /bin/script -x\necho hi\n' >"$f/bin/deep"
chmod 755 "$f/bin/script" "$f/bin/deep"
says() { run timeout 60 "$NL" -q -D "$f" "$@"; echo "$rc ${err#nspawn-lite: }"; }

# ---- its name, as emulators have it ------------------------------------------------

for a in 'mips \1 \2 \000\010' 'mipsel \1 \1 \010\000' 'mips64 \2 \2 \000\010' 'mips64el \2 \1 \010\000' 'ppc \1 \2 \000\024' \
	'ppc64 \2 \2 \000\025' 'ppc64le \2 \1 \025\000' 's390x \2 \2 \000\026' 'riscv64 \2 \1 \363\000' 'riscv32 \1 \1 \363\000' \
	'hppa \1 \2 \000\017' 'alpha \2 \1 \046\220' 'armeb \1 \2 \000\050' 'loongarch64 \2 \1 \002\001' 'm68k \1 \2 \000\004' 'sparc64 \2 \2 \000\053'; do
	# shellcheck disable=SC2086 # words
	set -- $a
	[ "$1" != "$(uname -m)" ] || continue
	elf "$2" "$3" "$4"
	like "a tree for $1" "126 /bin/sh: is for $1, which this machine is not, and *binfmt_misc*" "$(says)"
done
for a in 'mipsn32 \2 \000\010 39' 'mipsn32el \1 \010\000 36'; do
	# shellcheck disable=SC2086 # words
	set -- $a
	elf '\1' "$2" "$3"
	printf '\040' | dd of="$f/bin/sh" bs=1 seek="$4" conv=notrunc 2>/dev/null
	like "a tree for $1" "126 /bin/sh: is for $1, *" "$(says)"
done
case $(uname -m) in
aarch64) arch=riscv64 number='\363\000' hex='\xf3\x00' ;;
*)	arch=aarch64 number='\267\000' hex='\xb7\x00' ;;
esac
elf '\2' '\1' "$number"
like 'a script is for what runs it' "126 /bin/sh: is for $arch, *" "$(says /bin/script)"
like 'and one that another runs' "126 /bin/sh: is for $arch, *" "$(says /bin/deep)"
like 'the same below -a' "126 /bin/sh: is for $arch, *" "$(says -a /bin/script)"
printf '#!/bin/loop\n' >"$f/bin/loop"
chmod 755 "$f/bin/loop"
like 'a script that runs itself is for none' '126 execute /bin/loop*' "$(says /bin/loop)"
# a machine of ours, with a program that is none
cp "$t/bin/busybox" "$f/bin/"
timeout 600 "$NL" -q -M foreign -D "$f" /bin/busybox sleep 600 >/dev/null 2>&1 &
up() { timeout 5 "$NL" exec foreign /bin/busybox true 2>/dev/null; }
wait_for up
for a in 'exec foreign /bin/script' 'shell foreign /bin/sh' 'shell foreign'; do
	# shellcheck disable=SC2086 # words
	run timeout 60 "$NL" $a
	like "$a says the same" "126 nspawn-lite: /bin/sh: is for $arch, *" "$rc $err"
done
printf '#!/bin/foreign\n' >"$f/bin/loop"
mv "$f/bin/sh" "$f/bin/foreign"
ln -s busybox "$f/bin/sh"
run timeout 60 "$NL" exec foreign /bin/loop
like 'and no other shell is taken for a script' "126 nspawn-lite: /bin/foreign: is for $arch, *" "$rc $err"
mv "$f/bin/foreign" "$f/bin/sh"
timeout 60 "$NL" terminate foreign
wait
printf '#!/no/such\n' >"$f/bin/loop"
is 'nor is one whose interpreter is missing' '127 /bin/loop: needs /no/such, which is not in the tree' "$(says /bin/loop)"
if [ "$(uname -m)" = x86_64 ] && [ ! -e /proc/sys/abi/vsyscall32 ]; then
	elf '\1' '\1' '\003\000'
	like 'of 32 bits, where the kernel has only 64, it says so' '126 *is for i386, which this kernel does not run (CONFIG_IA32_EMULATION)' "$(says)"
	elf '\2' '\1' "$number"
else
	skip 'of 32 bits, where the kernel has only 64, it says so' 'this one has both'
fi

# ---- where there is an emulator ------------------------------------------------------

cat >"$T/inside" <<'END'
b=/proc/sys/fs/binfmt_misc
mount -t binfmt_misc binfmt_misc $b || { : >"$T/none"; exit; }
n=0
nl() {
	n=$((n + 1))
	{ timeout 60 "$NL" -q -D "$T/foreign" "$@" 2>&1; echo "$?"; } >"$T/said.$n"
}
entry() {
	echo ":qemu-$arch:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00$hex:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$T/em/echo:$1" >$b/register
}
nl /bin/sh
entry ''
nl /bin/sh
nl /bin/script
echo 0 >$b/qemu-$arch
nl /bin/sh
echo -1 >$b/qemu-$arch
entry F
nl /bin/sh a b
nl /bin/script c
nl -a /bin/sh d
nl
echo 0 >$b/status
nl /bin/sh
END
mkfifo "$T/go"
export NL T arch hex
# ids of its own, which are ours
unshare -U -m sh -c 'echo $$ >"$T/pid"; read -r x <"$T/go"; exec timeout 100 unshare -p -f --mount-proc sh "$T/inside"' >"$T/log" 2>&1 &
if wait_for [ -s "$T/pid" ] && echo 0 0 65536 >"/proc/$(cat "$T/pid")/uid_map" && echo 0 0 65536 >"/proc/$(cat "$T/pid")/gid_map"; then
	echo go >"$T/go"
else
	: >"$T/none"
	kill $!
fi
wait
said() { tr '\n' ' ' <"$T/said.$1"; }
if [ -e "$T/none" ]; then
	skip 'with an emulator it runs' 'no user namespace that has a binfmt_misc (Linux 6.7)'
	done_testing
fi
is 'the tests ran' 9 "$(find "$T" -name 'said.*' | wc -l)" || note "$(cat "$T/log")"
like 'no emulator' "*which this machine is not, and binfmt_misc knows no qemu-$arch: register one with flag F 126 " "$(said 1)"
like 'one without flag F, which is not in the tree' "*qemu-$arch of binfmt_misc, without flag F, is looked for in the tree*126 " "$(said 2)"
like 'of a script, too' "*/bin/sh: is for $arch*without flag F*126 " "$(said 3)"
like 'one that is switched off' "*qemu-$arch of binfmt_misc is off: echo 1 >/proc/sys/fs/binfmt_misc/qemu-$arch 126 " "$(said 4)"
is 'with flag F it runs' '/bin/sh a b 0 ' "$(said 5)"
is 'scripts do' '/bin/sh /bin/script c 0 ' "$(said 6)"
is 'and what is below -a' '/bin/sh d 0 ' "$(said 7)"
is 'and its shell' '/bin/sh 0 ' "$(said 8)"
like 'all of them switched off' '*binfmt_misc is off: echo 1 >/proc/sys/fs/binfmt_misc/status 126 ' "$(said 9)"
done_testing
