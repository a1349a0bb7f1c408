#!/bin/sh
# The same on each CPU: the C tests, and the same bytes of all that is written, archives,
# images, sums, frames, tables and JSON, as here: by QEMU's emulation of one program, on CPUs of 32 bits and of the
# other byte order, in pages of 64 KB where a CPU may have them. Files are larger than 32 bits say.
#   EMULATED='mips i386'   which targets of test/lab/toolchain, with the words of all options and 5 GB through a pipe, some
# minutes each; all: all nine
# shellcheck disable=SC2016,SC2086 # what stands in single quotes is for other shells; no prefix has blanks
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "${0%/*}/lab.sh"
need_root
need qemu-mips-static qemu-img setfattr setcap setfacl readelf
targets=${EMULATED:-mips}
[ "$targets" != all ] || targets='x86_64 i386 armel armhf arm64 mips mipsel riscv64 powerpc'

# what there is to read and write, and a store that both ask
tree=$T/tree
from=$T/from
mkdir -p "$tree/etc" "$tree/usr/lib" "$tree/var" "$from" || exit
printf 'ID=test\nPRETTY_NAME="Test \303\244"\n' >"$tree/usr/lib/os-release"
ln "$tree/usr/lib/os-release" "$tree/etc/second"
ln -s ../usr/lib/os-release "$tree/etc/os-release"
mkfifo "$tree/var/fifo"
mknod "$tree/var/loop" b 7 300
printf end | dd of="$tree/var/sparse" bs=4096 seek=1310719 2>/dev/null
seq 200000 >"$tree/var/numbers"
chown 4000000000:3000000 "$tree/etc/second"
touch -d '2200-01-02 03:04:05.678901234' "$tree/var/fifo"
touch -d '2040-01-02 03:04:05' "$tree/var/numbers"
touch -d '1960-01-02 03:04:05.25' "$tree/etc/second"
setfacl -m u:70007:rw,g:4000000000:r "$tree/var/numbers"
setcap cap_net_raw,cap_checkpoint_restore+ep "$tree/usr/lib/os-release"
setfattr -n trusted.t -v x "$tree/var"
tar -C "$tree" --format=posix --sparse --xattrs --xattrs-include='*' --acls --numeric-owner -czf "$from/posix.tar.gz" .
tar -C "$tree" --format=gnu --sparse --numeric-owner -cf "$from/gnu.tar" .
truncate -s 5G "$T/disk"
for at in 0 4095 4097 5119; do
	head -c 1048576 "$tree/var/numbers" | dd of="$T/disk" bs=1M seek=$at conv=notrunc 2>/dev/null
done
qemu-img convert -c -f raw -O qcow2 "$T/disk" "$from/disk.qcow2"
printf 'label: gpt\nfirst-lba: 2048\nstart=2048, size=8192, type=linux\nstart=4000000, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4\n' |
	sfdisk -q "$T/disk" >/dev/null 2>&1
printf '[Exec]\nBoot=yes\nEnvironment=A=1 B=2\n[Network]\nPort=8080:80\n' >"$from/web.nspawn"
"$NL" import-tar -q "$from/posix.tar.gz" posix
"$NL" import-raw -q "$from/disk.qcow2" disk

# same_disk FILE : as the image says; read are only the parts that hold something
same_disk() {
	qemu-img compare -f raw -F qcow2 "$1" "$from/disk.qcow2"
	[ "$(stat -c %b "$1")" -lt 20000 ] && echo 'it is sparse'
}

# written DIR PREFIX NSPAWN-LITE : all that it writes, into files there. PREFIX is that of the tests' programs
written() {
	mkdir -p "$1/frames" "$1/state"
	for verb in 'list-images -o json' 'list-images -o json-pretty' 'list-images' 'image-status -o json posix disk' \
		'show-image posix disk' help 'run --help' "settings $from/web.nspawn" completion 'run --kill-signal=help'; do
		"$3" $verb </dev/null 2>&1 | sed "s|^$3|nspawn-lite|; s|; .* ago$||" >"$1/$(echo "$verb" | tr -c 'a-z\n-' _)"
	done
	for format in uncompressed gzip; do
		"$3" export-tar -q posix - --format=$format >"$1/posix.$format" 2>&1
	done
	[ -z "${EMULATED:-}" ] || "$3" export-raw -q disk - 2>&1 | sha256sum >"$1/disk.sum"
	"$3" export-raw -q disk "$1/state/disk" --format=uncompressed >"$1/disk" 2>&1
	same_disk "$1/state/disk" >>"$1/disk"
	(
		NSPAWN_LITE_ROOT=$1/state
		"$3" import-tar -q "$from/posix.tar.gz" posix
		"$3" import-tar -q "$from/gnu.tar" gnu
		"$3" clone --copy posix copy
		"$3" import-raw -q "$from/disk.qcow2" disk
		cd "$1/state/var/lib/machines" || exit
		for image in posix gnu copy; do
			"$(program listing)" $image
			stat -c '%n %s, and on disk not all' $image/var/sparse
			[ "$(stat -c %b $image/var/sparse)" -lt 10000 ] && echo 'it is sparse'
		done
		same_disk disk.raw
	) >"$1/imported" 2>&1
	rm -rf "$1/state"
	for kind in gzip gzip-1; do
		$2-stream pack gzip "${kind#gzip}" <"$tree/var/numbers" >"$1/packed.$kind" 2>&1
	done
	$2-stream cat <"$from/posix.tar.gz" 2>&1 | sha256sum >"$1/unpacked"
	$2-stream sum 1000 <"$tree/var/numbers" >"$1/sum" 2>&1
	$2-dhcp >"$1/dhcp" 2>&1
	$2-dhcp "$1/frames" >/dev/null
	$2-disk table "$T/disk" >"$1/table" 2>&1
}
ok 'what is compared with is built' make -s -C "$TOP" O="${build#"$TOP/"}" "$build/test-stream" "$build/test-dhcp" "$build/test-disk" "$build/test-listing"
written "$T/here" "$build/test" "$NL"
is 'a disk comes out as it was' 'Images are identical. it is sparse' "$(paste -sd ' ' "$T/here/disk")"
is 'the sum is that of others' "$(sha256sum <"$tree/var/numbers" | cut -c1-64)" "$(cut -c1-64 "$T/here/sum")"

for target in $targets; do
	machine=$target
	page=4096
	case $target in arm64|mips*|powerpc) page=65536 ;; esac
	case $target in
	i386)	qemu=i386 machine=i686 ;;
	armel|armhf) qemu=arm machine=armv7l ;;
	arm64)	qemu=aarch64 machine=aarch64 ;;
	powerpc) qemu=ppc machine=ppc ;;
	mipsel)	qemu=mipsel machine=mips ;;
	*)	qemu=$target ;;
	esac
	lab_build "$target" unit test-stream test-dhcp test-disk || continue
	at=$T/$target
	mkdir "$at"
	for p in nspawn-lite unit test-stream test-dhcp test-disk; do
		printf '#!/bin/sh\nexec qemu-%s-static -p "${PAGE:-%s}" -0 "$0" "%s" "$@"\n' "$qemu" "$page" "$bin/$p" >"$at/$p"
	done
	[ $page = 4096 ] ||
		is "it lies apart in memory in pages of 64 KB ($target)" 0x10000 "$(readelf -lW "$bin/nspawn-lite" | sed -n 's/^ *LOAD .* //p' | sort -u)"
	printf '#!/bin/sh\necho %s\n' "$machine" >"$at/uname"
	chmod 755 "$at"/*
	ok "the C tests ($target)" env PAGE=4096 "$at/unit"
	[ $page = 4096 ] || ok "the C tests in pages of 64 KB ($target)" "$at/unit"
	[ -z "${EMULATED:-}" ] ||
		PATH=$at:$PATH MAKE=none NL=$at/nspawn-lite ok "the words of all options ($target)" sh "$TESTDIR/10-plan.sh"
	written "$at/there" "$at/test" "$at/nspawn-lite"
	for what in "$T/here"/*; do
		ok "the same bytes: ${what##*/} ($target)" diff -r "$what" "$at/there/${what##*/}"
	done
done
done_testing
