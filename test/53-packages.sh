#!/bin/sh
# shellcheck disable=SC2016,SC2030,SC2031,SC2086,SC2154,SC2317 # scripts for others, with what they set; words; called by name
# What contrib/package makes of a release: each package is built as its system builds one, from the tarball of make dist.
# OpenWrt's, Buildroot's and Alpine's tools are not to be had here: what they do is imitated. Debian's are the real ones.
# PACKAGES=all: with their own flags of the compiler, both variants, Buildroot's too, and lintian.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need git make
cache=${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/nspawn-lite}
unset CC CFLAGS CPPFLAGS LDFLAGS CROSS_COMPILE TARGET STATIC STRIP CONFIG NSPAWN DESTDIR PREFIX MAKEFLAGS MAKELEVEL O
cd "$TOP" || exit
git rev-parse -q --verify HEAD >/dev/null 2>&1 || skip_all 'no repository'
all=''
[ "${PACKAGES:-}" != all ] || all=y
quick=-O0
[ -z "$all" ] || quick=-Os

# ---- the release --------------------------------------------------------------------

# as it stands here
rev=$(git stash create)
ok 'make dist' make -s dist O="$T/o" REV="${rev:-HEAD}"
dist=$T/o/dist
version=$(sed -n 's/^#define VERSION *"\(.*\)"/\1/p' util.h)
tarball=$dist/nspawn-lite-$version.tar.gz
ok 'the release is named after the version in util.h' test -s "$tarball"
first=$(sha256sum <"$tarball")
make -s dist O="$T/o" REV="${rev:-HEAD}" >/dev/null
is 'made again it is the same' "$first" "$(sha256sum <"$tarball")"
is 'the version stands nowhere else' '' "$(grep -rnF "$version" contrib/package)"
is 'nothing is left to fill in' '' "$(find "$dist"/[a-z]*/ -type f ! -name '*.gz' -exec grep -n '@[A-Z0-9_]*@' {} +)"
make -s dist O="$T/elsewhere" REV="${rev:-HEAD}" SITE=https://example.com/files >/dev/null
is 'packages can fetch it from elsewhere' 3 "$(grep -rlF https://example.com/files "$T"/elsewhere/dist/[oba]*/ | wc -l)"
rm -rf "$T/elsewhere"

# unpacked DIR : as each does it
unpacked() {
	mkdir -p "$1"
	tar -xzf "$tarball" -C "$1" --strip-components=1
}
# elf FILE : its machine
elf() { readelf -h "$1" | sed -n 's/^ *\(Data\|Machine\): *//p' | tr '\n' ' '; }

# ---- words for make -----------------------------------------------------------------

run make -s O="$T/o/x" WITHOUT='PULL NOTHING' "$T/o/x/config.h"
is 'WITHOUT names what config.h does not have' 'WITHOUT: config.h has no WITH_NOTHING' "$out"
run make -s O="$T/o/x" STORE=machines "$T/o/x/config.h"
like 'STORE is a whole path' '*STORE=machines: it must begin with /*' "$err"
run make -s O="$T/o/x" TARGET=mips64 "$T/o/x/flags"
like 'a TARGET that is not there names those that are' '*no target mips64: there are x86_64, *mipsel*' "$err"
make -s O="$T/o/x" WITHOUT='PULL DISK' STORE=/srv/m "$T/o/x/config.h"
is 'WITHOUT and STORE change their lines of config.h' '0 0 WITH_IMAGES' "$(sed -n 's/^#define WITH_\(PULL\|DISK\|IMPORT\) *//p' "$T/o/x/config.h" |
	sort -n | tr '\n' ' ' | sed 's/ $//')"
is 'and all of the places' '2 0' "$(grep -c '"/srv/m"' "$T/o/x/config.h") $(grep -c /var/lib/machines "$T/o/x/config.h")"

# ---- OpenWrt ------------------------------------------------------------------------

# A toolchain as it comes with an SDK: tools with a prefix in PATH
# tools PREFIX TARGET
tools() {
	mkdir -p "$T/tools"
	for tool in ar nm objcopy objdump ranlib readelf size strip; do
		ln -sf "$cache/sysroot/$2/bin/$tool" "$T/tools/$1$tool"
	done
	ln -sf "$cache/sysroot/$2/bin/cc" "$T/tools/$1gcc"
}
sdk=$T/sdk
mkdir -p "$sdk/include"
cat >"$sdk/rules.mk" <<'END'
INCLUDE_DIR := $(TOPDIR)/include
ARCH := mips
TARGET_CROSS := mips-openwrt-linux-musl-
TARGET_CC := $(TARGET_CROSS)gcc
TARGET_CONFIGURE_OPTS = AR="$(TARGET_CROSS)ar" LD="$(TARGET_CROSS)ld" NM="$(TARGET_CROSS)nm" CC="$(TARGET_CC)" GCC="$(TARGET_CC)" \
	RANLIB="$(TARGET_CROSS)ranlib" STRIP="$(TARGET_CROSS)strip" OBJCOPY="$(TARGET_CROSS)objcopy" SIZE="$(TARGET_CROSS)size"
TARGET_CFLAGS = $(QUICK) -pipe -fno-caller-saves -Wl,-z,now
TARGET_CPPFLAGS = -I$(TOPDIR)/usr/include
TARGET_LDFLAGS = -L$(TOPDIR)/usr/lib -znow -zrelro
INSTALL_DIR := install -d -m0755
INSTALL_BIN := install -m0755
SED := sed -i -e
qstrip = $(strip $(subst ",,$(1)))
-include $(TOPDIR)/.config
END
cat >"$sdk/include/package.mk" <<'END'
ifeq ($(PKG_LICENSE)$(PKG_HASH)$(PKG_SOURCE_URL),)
$(error no licence, hash or source)
endif
PKG_BUILD_DIR ?= $(TOPDIR)/build_dir/$(PKG_NAME)$(if $(BUILD_VARIANT),-$(BUILD_VARIANT))/$(PKG_NAME)-$(PKG_VERSION)
MAKE_VARS = CFLAGS="$(TARGET_CFLAGS) $(EXTRA_CFLAGS) $(TARGET_CPPFLAGS)" LDFLAGS="$(TARGET_LDFLAGS)"
MAKE_FLAGS = $(TARGET_CONFIGURE_OPTS) CROSS="$(TARGET_CROSS)" ARCH="$(ARCH)"
define Build/Prepare
	mkdir -p $(PKG_BUILD_DIR)
	echo '$(PKG_HASH)  $(PKG_SOURCE_URL:file://%=%)/$(PKG_SOURCE)' | sha256sum -c --quiet
	tar -xzf $(PKG_SOURCE_URL:file://%=%)/$(PKG_SOURCE) -C $(PKG_BUILD_DIR)/..
endef
define Build/Compile
	$(MAKE_VARS) $(MAKE) -j2 -C $(PKG_BUILD_DIR) $(MAKE_FLAGS)
endef
all: compile
dump: ;
$(PKG_BUILD_DIR)/.prepared:
	$(Build/Prepare)
	touch $@
$(PKG_BUILD_DIR)/.built: $(PKG_BUILD_DIR)/.prepared
	$(Build/Compile)
	touch $@
define Package/Default
  SECTION:=opt
  CATEGORY:=
  SUBMENU:=
  DEPENDS:=
  PROVIDES:=
  CONFLICTS:=
  TITLE:=
  VARIANT:=
endef
define BuildPackage
  $(eval $(Package/Default))
  $(eval $(Package/$(1)))
  $(foreach FIELD,TITLE CATEGORY SECTION,$(if $($(FIELD)),,$(error Package/$(1) is missing the $(FIELD) field)))
  $$(info $(1): $(SECTION); $(CATEGORY); $(TITLE); $(sort $(DEPENDS)); $(VARIANT); $(PROVIDES))
  $(if $(filter $(BUILD_VARIANT),$(VARIANT)),
compile: $(TOPDIR)/ipkg/$(1)
$(TOPDIR)/ipkg/$(1): $(PKG_BUILD_DIR)/.built
	rm -rf $$@
	$(call Package/$(1)/install,$(TOPDIR)/ipkg/$(1))
$(call shown,$(1),$(Package/$(1)/conffiles)))
endef
shown = $(file >$(TOPDIR)/$(1).conffiles,$(2))
END
printf '%s\n' 'CONFIG_NSPAWN_LITE_STORE="/srv/machines"' 'CONFIG_NSPAWN_LITE_CONFIG=""' \
	'CONFIG_NSPAWN_LITE_SMALL_WITHOUT="PULL IMPORT DISK"' >"$sdk/.config"
openwrt() {
	PATH=$T/tools:$PATH make --no-print-directory -C "$dist/openwrt/nspawn-lite" TOPDIR="$sdk" QUICK=$quick V=s "$@"
}
run openwrt dump BUILD_VARIANT=small
is 'OpenWrt: the packages are read' '0 2' "$rc $(echo "$out" | grep -c '^nspawn-lite[a-z-]*: utils; Utilities; ')" || note "$err"
is 'OpenWrt: what the full one needs' \
	'+@KERNEL_CGROUPS +@KERNEL_CGROUP_BPF +@KERNEL_IPC_NS +@KERNEL_NAMESPACES +@KERNEL_NET_NS +@KERNEL_PID_NS +@KERNEL_POSIX_MQUEUE +@KERNEL_SECCOMP +@KERNEL_USER_NS +@KERNEL_UTS_NS +NSPAWN_LITE_DISK:kmod-loop +kmod-nft-fib +kmod-nft-nat +kmod-veth +zlib' \
	"$(echo "$out" | sed -n 's/^nspawn-lite: [^;]*; [^;]*; [^;]*; \([^;]*\);.*/\1/p')"
is 'OpenWrt: each symbol is in Config.in, and no other' \
	"$(grep -o 'CONFIG_NSPAWN_LITE_[A-Z_]*\|+NSPAWN_LITE_[A-Z_]*:' "$dist/openwrt/nspawn-lite/Makefile" | sed 's/^CONFIG_//; s/[+:]//g' | sort -u)" \
	"$(sed -n 's/^config //p' "$dist/openwrt/nspawn-lite/Config.in" | sort)"
is 'OpenWrt: what the small one goes without is in config.h' '' \
	"$(sed -n '/SMALL_WITHOUT/,$s/.*default "\(.*\)"/\1/p' "$dist/openwrt/nspawn-lite/Config.in" | tr ' ' '\n' |
		while read -r s; do grep -q "^#define WITH_$s " config.h || echo "$s"; done)"
if [ -e "$cache/sysroot/mips/done" ]; then
	tools mips-openwrt-linux-musl- mips
	for variant in small ${all:+full}; do
		name=nspawn-lite$(echo "-$variant" | sed 's/-full//')
		run openwrt BUILD_VARIANT=$variant
		is "OpenWrt: $name is built" 0 "$rc" || note "$(echo "$out $err" | tail -n 20)"
		is "OpenWrt: $name: no warning" '' "$(echo "$out $err" | grep -i 'warning')"
		i=$sdk/ipkg/$name
		is "OpenWrt: $name: for a big-endian MIPS" "2's complement, big endian MIPS R3000 " "$(elf "$i/usr/bin/nspawn-lite")"
		is "OpenWrt: $name: its files" './etc/init.d/machines ./usr/bin/nspawn-lite' "$(cd "$i" && find . -type f | sort | tr '\n' ' ' | sed 's/ $//')"
		is "OpenWrt: $name: it is called a runtime where it is one" "$(case $variant in full) echo nspawn-lite ;; esac)" \
			"$(readlink "$i/usr/bin/nspawn-lite-oci")"
		is "OpenWrt: $name: it knows where images survive" yes "$(grep -q /srv/machines "$i/usr/bin/nspawn-lite" && echo yes)"
		is "OpenWrt: $name: procd's script is that of contrib" '' \
			"$(sed 's|/var/lib/machines|/srv/machines|' contrib/procd | diff - "$i/etc/init.d/machines")"
		is "OpenWrt: $name: a sysupgrade keeps what is enabled" /srv/machines/.enabled/ "$(cat "$sdk/$name.conffiles")"
	done
	is 'OpenWrt: the small one has no pulls' no "$(grep -q User-Agent "$sdk/ipkg/nspawn-lite-small/usr/bin/nspawn-lite" && echo yes || echo no)"
else
	skip 'OpenWrt: built' 'make deps TARGET=mips'
fi

# ---- Buildroot ----------------------------------------------------------------------

br=$dist/buildroot
b=$br/package/nspawn-lite
is 'Buildroot: no blanks at ends, no two empty lines' '' "$(grep -n '[[:blank:]]$' "$b"/* "$br"/*.*
	awk '!NF && empty { print FILENAME ": " FNR } { empty = !NF }' "$b"/*)"
is 'Buildroot: Config.in: lines of help are a tab, two blanks and 62 characters' '' "$(awk '
	/^[a-z]/ { help = 0 }
	help && NF && (!/^\t  [^ \t]/ || length($0) > 65) { print FNR ": " $0 }
	/^\thelp$/ { help = 1 }' "$b/Config.in")"
is 'Buildroot: Config.in: type, default, depends, select, help' '' "$(awk '
	BEGIN { n["bool"] = n["string"] = 1; n["default"] = 2; n["depends"] = 3; n["select"] = 4; n["help"] = 5 }
	/^[a-z]/ { at = 0 }
	/^\t[a-z]/ { if (n[$1] < at) print FNR ": " $0; at = n[$1] }' "$b/Config.in")"
is 'Buildroot: the head of the .mk' '80 # # nspawn-lite # 80' "$(awk 'NR < 6 { sub(/^#{80}$/, "80"); if ($0 ~ /^##/ && length($0) == 80) $0 = 80; printf "%s ", $0 }' "$b/nspawn-lite.mk" | sed 's/ $//')"
is 'Buildroot: its variables are named after it' '' \
	"$(sed -n 's/^\(define \)\{0,1\}\([A-Z][A-Z0-9_]*\).*/\2/p' "$b/nspawn-lite.mk" | grep -v '^NSPAWN_LITE_')"
is 'Buildroot: each option is in Config.in, and no other' \
	"$(grep -o 'BR2_PACKAGE_NSPAWN_LITE_[A-Z]*' "$b/nspawn-lite.mk" | sort -u)" \
	"$(sed -n 's/^config //p' "$b/Config.in" | grep LITE_ | sort)"
is 'Buildroot: the sums are right' 'OK OK' "$(mkdir "$T/sums" && cp LICENSE "$tarball" "$T/sums" && cd "$T/sums" &&
	sed -n 's/^sha256  //p' "$b/nspawn-lite.hash" | sha256sum -c 2>&1 | sed 's/.*: //' | tr '\n' ' ' | sed 's/ $//')"
cat >"$T/buildroot.mk" <<'END'
qstrip = $(strip $(subst ",,$(1)))
INSTALL := install
override MAKE := make -j2
HOSTCC := gcc
TARGET_MAKE_ENV = PATH=$(PATH)
TARGET_CROSS := mipsel-buildroot-linux-musl-
TARGET_CC := $(TARGET_CROSS)gcc
TARGET_CPPFLAGS = -D_LARGEFILE_SOURCE -D_LARGEFILE64_SOURCE -D_FILE_OFFSET_BITS=64
TARGET_CFLAGS = $(TARGET_CPPFLAGS) $(QUICK) -g0
TARGET_CONFIGURE_OPTS = $(TARGET_MAKE_ENV) AR="$(TARGET_CROSS)ar" LD="$(TARGET_CROSS)ld" NM="$(TARGET_CROSS)nm" CC="$(TARGET_CC)" \
	GCC="$(TARGET_CC)" CPP="$(TARGET_CROSS)cpp" STRIP="$(TARGET_CROSS)strip" READELF="$(TARGET_CROSS)readelf" \
	CPPFLAGS="$(TARGET_CPPFLAGS)" CFLAGS="$(TARGET_CFLAGS)" LDFLAGS=""
generic-package =
include $(BR2_EXTERNAL_NSPAWN_LITE_PATH)/external.mk
all: $(BUILD)/.stamp_target_installed
$(BUILD)/.stamp_built:
	$(NSPAWN_LITE_BUILD_CMDS)
$(BUILD)/.stamp_target_installed: $(BUILD)/.stamp_built
	$(NSPAWN_LITE_INSTALL_TARGET_CMDS)
	$(NSPAWN_LITE_INSTALL_INIT_SYSV)
	$(NSPAWN_LITE_INSTALL_INIT_OPENRC)
	$(NSPAWN_LITE_INSTALL_INIT_SYSTEMD)
END
if [ -z "$all" ]; then
	skip 'Buildroot: built' 'PACKAGES=all'
elif [ -e "$cache/sysroot/mipsel/done" ]; then
	tools mipsel-buildroot-linux-musl- mipsel
	unpacked "$T/br/nspawn-lite-$version"
	# O and V as Buildroot's own make has them
	PATH=$T/tools:$PATH run make --no-print-directory -f "$T/buildroot.mk" QUICK=$quick BR2_EXTERNAL_NSPAWN_LITE_PATH="$br" \
		BUILD="$T/br/nspawn-lite-$version" TARGET_DIR="$T/br/target" O="$T/br/o" BR2_STATIC_LIBS=y BR2_PACKAGE_ZLIB=y \
		BR2_PACKAGE_NSPAWN_LITE_STORE='"/data/machines"' BR2_PACKAGE_NSPAWN_LITE_WITHOUT='"PULL IMPORT DISK MACHINES"' BR2_PACKAGE_NSPAWN_LITE_CONFIG='""'
	is 'Buildroot: it is built' 0 "$rc" || note "$(echo "$out $err" | tail -n 20)"
	is 'Buildroot: no warning' '' "$(echo "$out $err" | grep -i warning)"
	is 'Buildroot: for a little-endian MIPS' "2's complement, little endian MIPS R3000 " "$(elf "$T/br/target/usr/bin/nspawn-lite")"
	is 'Buildroot: its files' \
		'./etc/init.d/S90machines ./etc/init.d/machines ./usr/bin/nspawn-lite ./usr/lib/systemd/system/nspawn-lite.service ./usr/lib/systemd/system/nspawn-lite@.service' \
		"$(cd "$T/br/target" && find . -type f | sort | tr '\n' ' ' | sed 's/ $//')"
	is 'Buildroot: it is not called a runtime, which it is not' '' "$(find "$T/br/target/usr/bin" -name '*oci*')"
	is 'Buildroot: with the folder and without the verbs that were said' 'yes no' \
		"$(for w in /data/machines start_all; do grep -q "$w" "$T/br/target/usr/bin/nspawn-lite" && echo yes || echo no; done | tr '\n' ' ' | sed 's/ $//')"
else
	skip 'Buildroot: built' 'make deps TARGET=mipsel'
fi

# ---- Alpine -------------------------------------------------------------------------

alpine=$dist/alpine/nspawn-lite
ash='sh'
[ ! -x /bin/busybox ] || ash='/bin/busybox ash'
ok 'Alpine: the APKBUILD is a script for ash' $ash -n "$alpine/APKBUILD"
if command -v shellcheck >/dev/null; then
	is 'Alpine: shellcheck finds no fault' '' "$(shellcheck -s dash -e SC2034,SC2154 "$alpine/APKBUILD" 2>&1)"
fi
is 'Alpine: its sum is right' "nspawn-lite-$version.tar.gz: OK" "$(cd "$alpine" && . ./APKBUILD && echo "$sha512sums" | grep . | sha512sum -c 2>&1)"
if [ -e "$cache/sysroot/x86_64/done" ] && [ "$(uname -m)" = x86_64 ]; then
	a=$T/alpine
	unpacked "$a/src/nspawn-lite-$version"
	# as abuild does: shell functions, each in the source, and its rules for subpackages
	cat >"$a/abuild" <<'END'
set -e
startdir=$1 srcdir=$2/src pkgdir=$2/pkg/nspawn-lite
. "$startdir/APKBUILD"
builddir=$srcdir/$pkgname-$pkgver
mkdir -p "$pkgdir"
cd "$builddir"
build
package
for sub in $subpackages; do
	subpkgdir=$2/pkg/$sub
	case $sub in
	*-doc) from='usr/share/doc usr/share/man' ;;
	*-openrc) from='etc/conf.d etc/init.d' ;;
	*-bash-completion) from=usr/share/bash-completion/completions ;;
	*) echo "$sub: unknown"; exit 1 ;;
	esac
	for f in $from; do
		[ ! -e "$pkgdir/$f" ] || { mkdir -p "$subpkgdir/${f%/*}"; mv "$pkgdir/$f" "$subpkgdir/$f"; }
	done
	[ -d "$subpkgdir" ] || { echo "$sub: nothing"; exit 1; }
done
END
	CC=$cache/sysroot/x86_64/bin/cc CFLAGS=$quick MAKEFLAGS=-j2 run $ash "$a/abuild" "$alpine" "$a"
	is 'Alpine: it is built' 0 "$rc" || note "$(echo "$out $err" | tail -n 20)"
	is 'Alpine: no warning' '' "$(echo "$out $err" | grep -i warning)"
	is 'Alpine: the package is one file' ./usr/bin/nspawn-lite "$(cd "$a/pkg/nspawn-lite" && find . -type f)"
	is 'Alpine: it is a runtime of containers, too' nspawn-lite "$(readlink "$a/pkg/nspawn-lite/usr/bin/nspawn-lite-oci")"
	is 'Alpine: which runs' "nspawn-lite $version" "$("$a/pkg/nspawn-lite/usr/bin/nspawn-lite" version | head -n 1)"
	is 'Alpine: scripts for OpenRC' './etc/init.d/machine ./etc/init.d/machines' \
		"$(cd "$a/pkg/nspawn-lite-openrc" && find . -type f -perm -100 | sort | tr '\n' ' ' | sed 's/ $//')"
	is 'Alpine: the manual' ./usr/share/man/man8/nspawn-lite.8 "$(cd "$a/pkg/nspawn-lite-doc" && find . -path '*man8/*')"
	is 'Alpine: completion' ./usr/share/bash-completion/completions/nspawn-lite "$(cd "$a/pkg/nspawn-lite-bash-completion" && find . -type f)"
	is 'what is installed says where the program is' '' \
		"$(grep -rn "/nspawn-lite start" "$a/pkg/nspawn-lite-doc/usr/share/doc/nspawn-lite/contrib" | grep -v /usr/bin/nspawn-lite)"
else
	skip 'Alpine: built' 'make deps TARGET=x86_64'
fi

# ---- Debian -------------------------------------------------------------------------

missing=''
for package in dpkg-dev debhelper musl-tools zlib1g-dev libbtrfsutil-dev; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' $package 2>/dev/null)" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ] || [ "$(id -u)" != 0 ]; then
	skip 'Debian: built, installed, removed' "root, and$missing"
	done_testing
fi
deb=$T/deb
unpacked "$deb/nspawn-lite-$version"
cp -R "$dist/debian" "$deb/nspawn-lite-$version"
cp "$dist"/*.orig.tar.gz "$deb"
cd "$deb/nspawn-lite-$version" || exit
only=noopt
[ -z "$all" ] || only=''
DEB_BUILD_OPTIONS="parallel=2 $only" run timeout 900 dpkg-buildpackage -us -uc ${only:+-b}
is 'Debian: dpkg-buildpackage' 0 "$rc" || note "$(echo "$out $err" | tail -n 30)"
is 'Debian: no warning' '' "$(echo "$out $err" | grep -i 'warning:')"
cd "$deb" || exit
is 'Debian: three packages' "nspawn-lite-compat nspawn-lite-static nspawn-lite" \
	"$(for d in nspawn-lite-compat_*.deb nspawn-lite-static_*.deb nspawn-lite_*.deb; do [ ! -e "$d" ] || echo "${d%%_*}"; done | tr '\n' ' ' | sed 's/ $//')"
is 'Debian: it needs what it is linked with' 'libbtrfsutil1 libc6 zlib1g' \
	"$(/usr/bin/dpkg-deb -f nspawn-lite_*.deb Depends | tr ',' '\n' | sed 's/^ *\([^ ]*\).*/\1/' | sort | tr '\n' ' ' | sed 's/ $//')"
is 'Debian: the static one needs nothing' '' "$(/usr/bin/dpkg-deb -f nspawn-lite-static_*.deb Depends)"
if [ -z "$all" ]; then
	skip 'Debian: lintian' 'PACKAGES=all'
elif command -v lintian >/dev/null; then
	is 'Debian: lintian finds no fault' '' "$(lintian --allow-root --fail-on error,warning ./*.changes 2>&1)"
else
	skip 'Debian: lintian' 'no lintian'
fi
system=$("$TESTDIR/trees" systemd 2>/dev/null) && system=${system%/*}/base
box=$(tree busybox)
if [ ! -d "$system" ] || ! apt-get -qq download libbtrfsutil1 >/dev/null 2>&1; then
	skip 'Debian: installed, removed' 'no Debian to install it in'
	done_testing
fi
cat >"$deb/inside" <<'END'
try() {
	echo "$1: $(shift; "$@" 2>/tmp/err) $?"
	cat /tmp/err >&2
}
files() { find / -xdev ! -path '/var/lib/dpkg/*' ! -path '/var/log/*' ! -path '/var/cache/*' ! -path '/tmp/*' ! -path /var/lib/machines/box; }
set +e
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
dpkg -i /deb/libbtrfsutil1_*.deb >/dev/null 2>&1
files >/tmp/before
dpkg -i /deb/nspawn-lite_*.deb /deb/nspawn-lite-static_*.deb /deb/nspawn-lite-compat_*.deb >/tmp/log 2>&1 || cat /tmp/log
try version nspawn-lite version
try run nspawn-lite -q -D /box -M a echo ran
try compat systemd-nspawn -q -D /box -M b echo ran
try static nspawn-lite-static -q -D /box -M c echo ran
try btrfs sh -c 'ldd /usr/bin/nspawn-lite | grep -c btrfsutil'
mkdir -p /var/lib/machines
cp -a /box /var/lib/machines/box
try images sh -c 'machinectl list-images --no-legend | sed "s/ *[A-Z][a-z][a-z] 2.*/ TIMES/"'
nspawn-lite enable -q box
try start /etc/init.d/nspawn-lite start
try list sh -c 'machinectl list --no-legend | cut -d " " -f 1'
try stop /etc/init.d/nspawn-lite stop
nspawn-lite disable -q box
rm -rf /var/lib/machines/box
mkdir /tmp/save /tmp/bundle
cp -a /box /tmp/box
tar -C /box -cf /tmp/save/layer.tar .
id=$(sha256sum </tmp/save/layer.tar | cut -c1-64)
printf '{"architecture":"%s","os":"linux","config":{"Cmd":["/bin/echo","of a layer"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
	"$(dpkg --print-architecture)" "$id" >/tmp/save/config.json
echo '[{"Config":"config.json","RepoTags":["web:1"],"Layers":["layer.tar"]}]' >/tmp/save/manifest.json
tar -C /tmp/save -cf /tmp/save.tar .
try image sh -c 'nspawn-lite import-oci -q /tmp/save.tar web && nspawn-lite -q -M web; nspawn-lite remove web'
echo '{"ociVersion":"1.0.2","process":{"args":["/bin/echo","ran"],"cwd":"/"},"root":{"path":"/tmp/box"},
	"mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/dev","type":"tmpfs","source":"dev"}],
	"linux":{"namespaces":[{"type":"pid"},{"type":"mount"}]}}' >/tmp/bundle/config.json
try container nspawn-lite-oci --cgroup-manager=disabled run -b /tmp/bundle one
try remove dpkg --remove nspawn-lite-compat nspawn-lite-static nspawn-lite | tail -n 1 | sed 's/.* //'
try purge dpkg --purge nspawn-lite | tail -n 1 | sed 's/.* //'
files | grep -vxFf /tmp/before
echo end
END
leftovers=$("$NL" -q -x -D "$system" -M debian --private-network --bind-ro="$deb:/deb" --bind-ro="$box:/box" /bin/sh /deb/inside 2>"$T/inside.err")
is 'Debian: installed, it runs, stops, is removed and purged, and nothing is left' "version: nspawn-lite $version 0
run: ran 0
compat: ran 0
static: ran 0
btrfs: 1 0
images: box directory no TIMES 0
start:  0
list: box 0
stop:  0
image: of a layer 0
container: ran 0
0
0
end" "$leftovers" || note "$(cat "$T/inside.err")"
done_testing
