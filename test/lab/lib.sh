# shellcheck shell=sh disable=SC2034,SC2100 # names with a dash; what callers use
# Shared by fetch, boot and toolchain: sourced, never run.
# The caller sets LAB to the folder that this file is in.

LAB_CACHE=${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/nspawn-lite}
LAB_SUITE=${LAB_SUITE:-bookworm}
# What the project's make was told is not for what is built here
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CC AR STRIP CFLAGS CPPFLAGS LDFLAGS CROSS_COMPILE O
mkdir -p "$LAB_CACHE"
LAB_CACHE=$(cd "$LAB_CACHE" && pwd)

die() { echo "${0##*/}: $*" >&2; exit 125; }
say() { echo "${0##*/}: $*" >&2; }

# need COMMAND... : gets the Debian package of what is missing, or names it
need() {
	set -- "$@" --
	while [ "$1" != -- ]; do
		case $1 in
		qemu-system-arm|qemu-system-aarch64) p=qemu-system-arm ;;
		qemu-system-mips*) p=qemu-system-mips ;;
		qemu-system-riscv64) p=qemu-system-misc ;;
		qemu-system-x86_64|qemu-system-i386) p=qemu-system-x86 ;;
		qemu-system-ppc*) p=qemu-system-ppc ;;
		depmod|modprobe) p=kmod ;;
		xz)	p=xz-utils ;;
		apt-get) p=apt ;;
		dpkg-deb) p=dpkg ;;
		"$(uname -m)-linux-gnu-gcc") p=gcc ;;
		*-gcc)	p=gcc-$(echo "${1%-gcc}" | tr _ -) ;;
		*)	p=$1 ;;
		esac
		set -- "$@" "$p:$1"
		shift
	done
	shift
	"$LAB/need" "$@" 9>&- || exit
}

# lock : one at a time may fill the cache; the others wait
lock() {
	[ -z "${LAB_LOCKED:-}" ] || return 0
	LAB_LOCKED=y
	export LAB_LOCKED
	exec 9>"$LAB_CACHE/lock"
	flock 9
}

# mirror SUITE : the mirror that this system's own apt would get it from, or
# else that of the first suite named
mirror() {
	apt-get --print-uris update 2>/dev/null | sed -n "s|^'\(.*\)/dists/\([^/']*\)/InRelease'.*|\1 \2|p" |
		awk -v suite="$1" '
			NR == 1 { first = $1 }
			$2 == suite { found = $1; exit }
			END { print found != "" ? found : first }'
}

# apt_root SUITE ARCH : a private apt, which leaves the system's own lists,
# architectures and packages alone and needs no root. Call apt-get after it.
apt_root() {
	need apt-get dpkg-deb
	unset APT_CONFIG
	mirror=${LAB_MIRROR:-$(mirror "$1")}
	[ -n "$mirror" ] || die "apt has no sources: set LAB_MIRROR to a Debian mirror"
	r=$LAB_CACHE/apt/$1-$2
	APT_CONFIG=$r/apt.conf
	export APT_CONFIG
	# Lists grow stale: a mirror keeps no old versions
	if [ -e "$r/done" ] && [ -z "$(find "$r/done" -mtime +6)" ]; then
		return
	fi
	mkdir -p "$r/lists/partial" "$r/archives/partial"
	: >"$r/status"
	{
		echo "deb $mirror $1 main"
		echo "deb-src $mirror $1 main"
	} >"$r/sources.list"
	cat >"$r/apt.conf" <<-END
	APT::Architecture "$2";
	APT::Architectures { "$2"; };
	APT::Sandbox::User "root";
	Acquire::Languages "none";
	Acquire::Retries "3";
	Dir::State "$r";
	Dir::State::lists "$r/lists";
	Dir::State::status "$r/status";
	Dir::Cache "$r";
	Dir::Etc::sourcelist "$r/sources.list";
	Dir::Etc::sourceparts "-";
	END
	apt-get -qq update || die "apt-get update for $1 $2 failed"
	touch "$r/done"
}

# get DIR PACKAGE... : downloads Debian packages, and leaves no older ones of them
get() {
	d=$1
	shift
	mkdir -p "$d"
	for p; do rm -f "$d/$p"_*.deb; done
	(cd "$d" && apt-get -qq download "$@") || die "cannot get $*"
}

# source_of PACKAGE DIR : unpacks a Debian source package's original tarball
# (without Debian's patches) as DIR.
source_of() {
	[ -d "$2" ] && return
	apt_root "$LAB_SUITE" "$(dpkg --print-architecture)"
	rm -rf "$LAB_CACHE/dl/$1" "$2.tmp"
	mkdir -p "$LAB_CACHE/dl/$1" "$2.tmp"
	(cd "$LAB_CACHE/dl/$1" && apt-get -qq source --download-only "$1") ||
		die "cannot get the source package $1"
	for f in "$LAB_CACHE/dl/$1"/*.orig.tar.?z "$LAB_CACHE/dl/$1"/*.orig.tar.bz2; do
		[ ! -e "$f" ] || tar -x --strip-components=1 -C "$2.tmp" -f "$f" ||
			die "cannot unpack $f"
	done
	mv "$2.tmp" "$2"
	rm -rf "$LAB_CACHE/dl/$1"
}

# machine ARCH[@SUITE] : sets what fetch and boot need to know of a machine.
#   deb    Debian's architecture      flavour  its kernel's
#   suite  which kernel               kdir     where fetch puts it
#   release  Debian's that it is from
#   qemu   the command and machine    console  the kernel's name of its console
machine() {
	arch=${1%@*}
	suite=$LAB_SUITE
	case $1 in *@*) suite=${1#*@} ;; esac
	case $arch in
	x86_64)	deb=amd64 flavour=cloud-amd64 console=ttyS0
		qemu='qemu-system-x86_64 -M q35' ;;
	i386)	deb=i386 flavour=686 console=ttyS0
		qemu='qemu-system-i386 -M q35 -cpu qemu32' ;;
	armhf)	deb=armhf flavour=armmp console=ttyAMA0
		qemu='qemu-system-arm -M virt -cpu cortex-a7' ;;
	arm64)	deb=arm64 flavour=cloud-arm64 console=ttyAMA0
		qemu='qemu-system-aarch64 -M virt -cpu cortex-a53' ;;
	mipsel)	deb=mipsel flavour=4kc-malta console=ttyS0
		qemu='qemu-system-mipsel -M malta -cpu 24Kf' ;;
	mips)	deb=- flavour=built console=ttyS0
		qemu='qemu-system-mips -M malta -cpu 24Kc' ;;
	riscv64) deb=riscv64 flavour=riscv64 console=ttyS0
		[ "$suite" != bookworm ] || suite=trixie
		qemu='qemu-system-riscv64 -M virt' ;;
	*)	die "no machine $arch (x86_64 i386 armhf arm64 mipsel mips riscv64)" ;;
	esac
	release=$suite
	# pages of 16 KB: no other kernel of Debian's has any but of 4
	if [ "$arch@$suite" = arm64@16k ]; then
		release=trixie flavour=arm64-16k qemu='qemu-system-aarch64 -M virt -cpu max'
	fi
	kdir=$LAB_CACHE/kernel/$arch-$suite
}
