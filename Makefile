# nspawn-lite. Any variable set with ?= may be given on make's command line;
# CFLAGS, CPPFLAGS and LDFLAGS are added to our own flags.
PREFIX ?= /usr/local
CONFIG ?= config.h
# Made of CONFIG: WITHOUT='PULL DISK' switches WITH_PULL and WITH_DISK off, STORE=/srv/machines is where images are
WITHOUT ?=
STORE ?=
$(if $(filter-out /%,$(STORE)),$(error STORE=$(STORE): it must begin with /))
STATIC ?= y
# zlib, and libbtrfsutil where it is found: y or n. Without zlib gzip is a program's affair
ZLIB ?= y
# Another library with zlib's interface and zlib.h, such as zlib-ng in its compatible form: ZLIB_LIBS=/there/libz.a,
# and CPPFLAGS=-I/there when its header differs
ZLIB_LIBS ?= -lz
# y: gzip is unpacked by ISA-L, three times as fast and 150 KB larger, on x86_64 and arm64. Ours is made by
# test/lab/toolchain --with-isal TARGET
ISAL ?= n
ifndef BTRFS
BTRFS = $(eval BTRFS := $(if $(shell printf '\043include <btrfsutil.h>\n' | $(CC) $(CPPFLAGS) -E - 2>/dev/null | grep create_subvolume),y,n))$(BTRFS)
endif
HOSTCC ?= cc
NSPAWN ?=
LAB_CACHE ?= $(or $(XDG_CACHE_HOME),$(or $(HOME),/tmp)/.cache)/nspawn-lite
export LAB_CACHE
MAKEFLAGS += --no-print-directory
# TARGET is one of test/lab/toolchain's: make TARGET=mipsel
O ?= build$(TARGET:%=/%)

# The rooms from bottom to top: each uses only what stands before it, and
# make layers proves it.
rooms := instead util sys sha256 walk tree work btrfs copy stream tar unpack pack raw disk fetch sums json netlink dhcp nft firewall run share ring hook known cgroup limit device \
	net move address forward dns resolver lend relay port machine depend place seal mount mntns spare root userns user seccomp console attach preset stub payload halt \
	verb table store image layers images transfer oci registry pull settings bundle profile adopt plan machines life start live enter carry check resource container spec runtime nspawn-lite
obj := $(patsubst %.c,$(O)/%.o,$(wildcard $(rooms:=.c)))
libs = $(if $(filter y,$(ISAL)),-lisal) $(if $(filter y,$(ZLIB)),$(ZLIB_LIBS)) -pthread $(if $(filter y,$(BTRFS)),-lbtrfsutil)

# No CC given: gcc if it makes musl programs or CROSS_COMPILE names it, else
# a musl of our own around it, which test/lab/toolchain makes when missing.
machine := $(shell uname -m)
ifeq ($(origin CC),default)
ifneq ($(CROSS_COMPILE)$(if $(TARGET),,$(findstring musl,$(shell gcc -dumpmachine 2>/dev/null))),)
CC := $(CROSS_COMPILE)gcc
else
target := $(or $(TARGET),$(patsubst i%86,i386,$(patsubst armv%,armhf,$(machine:aarch64=arm64))))
CC := $(LAB_CACHE)/sysroot/$(target)/bin/cc
tools := $(LAB_CACHE)/sysroot/$(target)/$(if $(filter mips mipsel,$(target)),mips16,done)
endif
endif
tool = $(shell $(CC) -print-prog-name=$(1))
STRIP ?= $(call tool,strip)

# Link-time optimization would save half a percent, and hide who calls whom. Of gcc -Oz saves one more, of clang it does
# not. Nothing counts in floating point, and who is called need not hear of it. MIPS16, which the cores of our mips and
# mipsel have, saves a quarter. Tables of jumps are of eight bytes each on x86_64, and arrays need not begin at 32
ifndef CFLAGS
CFLAGS = $(eval CFLAGS := $(shell printf '\043%s\n%s\n' 'if __GNUC__ < 12' -Os else '-Oz -fno-caller-saves' \
	'ifdef __x86_64__' '-mno-sse -mskip-rax-setup -fno-jump-tables -malign-data=abi' 'elif defined __riscv' -msave-restore endif '' endif '' | \
	$(CC) -E -P - 2>/dev/null) $(if $(filter mips mipsel,$(TARGET)),-mips16))$(CFLAGS)
endif
config := $(if $(WITHOUT)$(STORE),$(O)/config.h,$(CONFIG))
own_cflags := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DCONFIG='"$(config)"' \
	$(if $(NSPAWN),-DNSPAWN='"$(O)/nspawn.rows"') -iquote . \
	-DWITH_ZLIB=$(if $(filter y,$(ZLIB)),1,0) -DWITH_ISAL=$(if $(filter y,$(ISAL)),1,0) -DWITH_BTRFS=$(if $(filter y,$(BTRFS)),1,0) \
	-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wdate-time \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-ffile-prefix-map=$(CURDIR)=.
# What is written to lies together, apart from large rooms that are not: those ask for more alignment
own_ldflags := -Wl,--gc-sections -Wl,--sort-section=alignment -Wl,-z,noseparate-code -Wl,-z,max-page-size=65536 -Wl,-z,norelro -Wl,--build-id=none \
	$(if $(filter y,$(STATIC)),-static)
compile = $(CC) $(CPPFLAGS) $(own_cflags) $(CFLAGS) -MMD -MP
link = $(compile) $(own_ldflags) $(LDFLAGS)
Q := $(if $(V),,@)
say = $(if $(findstring s,$(firstword -$(MAKEFLAGS))),:,echo)

all: $(O)/nspawn-lite
	@:
$(O)/nspawn-lite: $(obj) | $(O)/stub.alone
	@$(say) "LINK $@"
	$(Q)$(link) -o $@.new $(obj) $(libs)
	$(Q)$(STRIP) $@.new && mv -f $@.new $@  # it may be running
# One section of it is a program that has nothing else: a compiler may have called memset all the same
$(O)/stub.alone: $(O)/stub.o
	@$(call tool,readelf) -rW $< | awk '/^Reloc/ { at = /stub_text/ } /R_/ && at && !/stub_main|[.]L|_ALIGN|_RELAX/ { print "stub.c: needs " $$0; bad = 1 } \
		END { exit bad }' && touch $@
$(O)/stub.o: compile += -fno-stack-protector -fno-jump-tables $(if $(findstring -msave-restore,$(CFLAGS)),-mno-save-restore) \
	$(if $(findstring -fsanitize,$(CFLAGS)),-fno-sanitize=all)
$(O)/%.o: %.c $(O)/flags | $(config)
	@$(say) "CC $@"
	$(Q)$(compile) -c -o $@ $<
# Other flags, another compiler: all is made anew
$(O)/flags: export words = $(link)
$(O)/flags: force | $(tools)
	@mkdir -p $(O)
	@printenv words | cmp -s - $@ || printenv words >$@
ifneq ($(config),$(CONFIG))
$(config): force $(CONFIG) $(O)/flags
	@for s in $(WITHOUT); do grep -q "^#define WITH_$$s " $(CONFIG) || { echo "WITHOUT: $(CONFIG) has no WITH_$$s"; exit 1; }; done
	@sed $(foreach s,$(WITHOUT),-e 's/^\(#define WITH_$(s)\) .*/\1 0/') $(STORE:%=-e 's|/var/lib/machines|%|g') $(CONFIG) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
endif
$(tools):
	@test/lab/toolchain $(target) >/dev/null
-include $(wildcard $(O)/*.d)

# Programs of the tests; unit has every room but main's, and filter one of its own for the filters
programs := $(patsubst test/%.c,$(O)/%,$(wildcard test/unit.c test/pty.c)) \
	$(patsubst test/%.c,$(O)/test-%,$(filter-out test/unit.c test/pty.c,$(wildcard test/*.c))) \
	$(patsubst test/lab/%.c,$(O)/test-%,$(wildcard test/lab/*.c))
program = @$(say) "LINK $@"; $(link) -MF $@.d -o $@ $(filter test/%.c %.o,$^) $(libs)
programs: $(programs)
	@:
$(O)/unit: $(filter-out %/nspawn-lite.o,$(obj))
$(O)/test-untar: $(filter-out %/nspawn-lite.o,$(obj))
$(O)/test-same: $(addprefix $(O)/,util.o)
$(O)/test-shift: $(addprefix $(O)/,util.o sys.o walk.o tree.o)
$(O)/test-copy: $(addprefix $(O)/,util.o sys.o walk.o btrfs.o copy.o)
$(O)/test-stream: $(addprefix $(O)/,util.o sys.o sha256.o stream.o)
$(O)/test-json: $(addprefix $(O)/,util.o sys.o json.o)
$(O)/test-dhcp: $(addprefix $(O)/,util.o dhcp.o)
$(O)/unit $(O)/pty: $(O)/%: test/%.c $(O)/flags
	$(program)
$(O)/test-relay: $(addprefix $(O)/,util.o sys.o run.o dns.o resolver.o)
$(O)/test-nft: $(addprefix $(O)/,util.o netlink.o nft.o firewall.o)
$(O)/test-disk: $(addprefix $(O)/,util.o sys.o sha256.o stream.o raw.o disk.o)
$(O)/test-filter $(O)/test-profile: $(filter-out %/nspawn-lite.o %/plan.o %/seccomp.o,$(obj))
$(O)/test-%: test/%.c $(O)/flags
	$(program)
$(O)/test-%: test/lab/%.c $(O)/flags
	$(program)

# For the program on the machine that builds, without what is generated below
host := -s O=$(O)/host TARGET= CROSS_COMPILE= CC='$(HOSTCC)' CONFIG=$(O)/host.h WITHOUT= STORE= NSPAWN= STRIP=: STATIC=n ZLIB=n ISAL=n BTRFS=n CFLAGS=-O0 \
	CPPFLAGS= LDFLAGS= all
# It reads settings and says its completion, whatever the one that is built does
$(O)/host.h: $(config) $(O)/flags
	$(Q)sed 's/^\(#define WITH_[SH]E[TL][TP][INGS]*\) .*/\1 1/' $(config) >$@

# NSPAWN is a folder of .nspawn files, which become rows of plan.c
ifneq ($(NSPAWN),)
$(O)/plan.o: $(O)/nspawn.rows
$(O)/nspawn.rows: $(O)/host.h $(NSPAWN) $(wildcard $(NSPAWN)/*.nspawn *.[ch]) $(O)/flags
	$(Q)$(MAKE) $(host)
	$(Q)$(O)/host/nspawn-lite settings --rows $(sort $(wildcard $(NSPAWN)/*.nspawn)) >$@
endif

# The program itself says its completion; when it is for another machine, one
# made for ours by HOSTCC does
ours = $(filter $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))%,$(machine))
$(O)/nspawn-lite.bash: $(O)/nspawn-lite $(O)/host.h
	$(Q)$(if $(ours),$(O)/nspawn-lite completion >$@ 2>/dev/null ||) \
	{ $(MAKE) $(host) && $(O)/host/nspawn-lite completion >$@; } || \
	{ rm -f $@; echo "no bash completion: $(HOSTCC) makes no program for this machine"; }

bin := $(DESTDIR)$(PREFIX)/bin
share := $(DESTDIR)$(PREFIX)/share
contrib := $(share)/doc/nspawn-lite/contrib
# The scripts of contrib say where the program and the images are
install: all $(O)/nspawn-lite.bash
	install -d $(bin) $(share)/man/man8 $(share)/bash-completion/completions $(contrib)
	install -m 755 $(O)/nspawn-lite $(bin)/nspawn-lite
	install -m 644 nspawn-lite.8 $(share)/man/man8/nspawn-lite.8
	install -m 644 doc/*.md $(share)/doc/nspawn-lite
	cp -R contrib/. $(contrib)
	rm -rf $(contrib)/package
	find $(contrib) -type f -exec sed -i 's|/usr/bin/nspawn-lite|$(PREFIX)/bin/nspawn-lite|g$(STORE:%=; s|/var/lib/machines|%|g)' {} +
	[ ! -e $(O)/nspawn-lite.bash ] || \
		install -m 644 $(O)/nspawn-lite.bash $(share)/bash-completion/completions/nspawn-lite
# Under the original's names too: not where the original is
install-compat: install
	install -d $(share)/man/man1
	for name in systemd-nspawn machinectl; do \
		ln -sf nspawn-lite $(bin)/$$name && ln -sf ../man8/nspawn-lite.8 $(share)/man/man1/$$name.1 && \
		ln -sf nspawn-lite $(share)/bash-completion/completions/$$name || exit; done
# And as a runtime of containers: under other names, like OCI='runc crun', only where those are not
OCI ?=
install-oci: install
	for name in nspawn-lite-oci $(OCI); do ln -sf nspawn-lite $(bin)/$$name || exit; done
# A release of the commit REV, and what makes packages of it, which fetch it from SITE
REV ?= HEAD
SITE ?=
dist:
	@contrib/package/dist $(REV) $(O)/dist $(SITE)

run: all
	@test/guest $(O)
deps: $(tools)
test check:
	@MAKE='$(MAKE)' O='$(O)' test/run $(TESTS)
# All nine by emulation of the program, and the device suite on every kernel that there is: an hour. LAB_TARGETS are
# some machines for it, EMULATED some targets
test-targets:
	@TARGETS='$(or $(EMULATED),x86_64 i386 armel armhf arm64 mips mipsel riscv64 powerpc)' EMULATED='$(or $(EMULATED),all)' \
	LAB_TARGETS='$(or $(LAB_TARGETS),all)' MAKE='$(MAKE)' O='$(O)' JOBS=1 test/run 02-build -lab
bench: all programs
	@O='$(O)' test/bench/run

layers: all
	@$(call tool,nm) -A $(obj) | awk -v order='$(rooms)' -f test/layers.awk
	@! $(call tool,readelf) -d $(O)/nspawn-lite | grep TEXTREL
long:
	@awk -f test/long.awk $(wildcard $(rooms:=.c) *.h)
# And what each switch of config.h costs, with those that it takes along; what is left without any, and zlib and
# libbtrfsutil; and both as squashfs packs them
switches = $(shell sed -n 's/^\#define \(WITH_[A-Z_]*\) .*/\1/p' $(CONFIG))
size: all
	@$(call tool,size) -t $(obj)
	@for s in $(switches) WITH_[A-Z_]*; do \
		name=$$s least=; [ "$$s" = "$${s%\*}" ] || { name=least; least='ZLIB=n BTRFS=n LDFLAGS=-Wl,-z,common-page-size=64'; }; \
		mkdir -p $(O)/size; \
		sed "s/^#define \($$s\) .*/#define \1 0/" $(CONFIG) >$(O)/size/$$name.new || exit; \
		cmp -s $(O)/size/$$name.new $(O)/size/$$name.h || cp $(O)/size/$$name.new $(O)/size/$$name.h; \
		$(MAKE) -s O=$(O)/size/$$name CONFIG=$(O)/size/$$name.h $$least all || exit; \
		[ $$name = least ] || echo "$$(($$(wc -c <$(O)/nspawn-lite) - $$(wc -c <$(O)/size/$$name/nspawn-lite)))	$$s"; done
	@for p in $(O) $(O)/size/least; do echo "$$(wc -c <$$p/nspawn-lite)	$$p/nspawn-lite$$(command -v xz >/dev/null && \
		echo ", as xz packs it $$(xz -c --check=crc32 --lzma2=dict=128KiB <$$p/nspawn-lite | wc -c)")"; done
clean:
	rm -rf $(O)
distclean:
	rm -rf build

force:
.DELETE_ON_ERROR:
.PHONY: all bench check clean deps dist distclean install install-compat install-oci layers long programs run size test test-targets
