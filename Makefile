# nspawn-lite. Any variable set with ?= may be given on make's command line;
# CFLAGS, CPPFLAGS and LDFLAGS are added to our own flags.
PREFIX ?= /usr/local
CONFIG ?= config.h
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
rooms := util sys sha256 walk tree work btrfs copy stream tar unpack pack raw disk fetch sums netlink dhcp nft firewall run share ring hook known cgroup limit device \
	net move address forward dns resolver lend relay port machine depend place mount mntns spare root userns user seccomp console attach payload halt \
	verb table store image images transfer pull settings plan machines life start live enter carry nspawn-lite
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
tools := $(LAB_CACHE)/sysroot/$(target)/done
endif
endif
tool = $(shell $(CC) -print-prog-name=$(1))
STRIP ?= $(call tool,strip)

# Link-time optimization would save half a percent, and hide who calls whom
CFLAGS ?= -Os
own_cflags := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DCONFIG='"$(CONFIG)"' \
	$(if $(NSPAWN),-DNSPAWN='"$(O)/nspawn.rows"') -iquote . \
	-DWITH_ZLIB=$(if $(filter y,$(ZLIB)),1,0) -DWITH_ISAL=$(if $(filter y,$(ISAL)),1,0) -DWITH_BTRFS=$(if $(filter y,$(BTRFS)),1,0) \
	-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wdate-time \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-ffile-prefix-map=$(CURDIR)=.
# What is written to lies together, apart from large rooms that are not: those ask for more alignment
own_ldflags := -Wl,--gc-sections -Wl,--sort-section=alignment -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,--build-id=none \
	$(if $(filter y,$(STATIC)),-static)
compile = $(CC) $(CPPFLAGS) $(own_cflags) $(CFLAGS) -MMD -MP
link = $(compile) $(own_ldflags) $(LDFLAGS)
Q := $(if $(V),,@)
say = $(if $(findstring s,$(firstword -$(MAKEFLAGS))),:,echo)

all: $(O)/nspawn-lite
	@:
$(O)/nspawn-lite: $(obj)
	@$(say) "LINK $@"
	$(Q)$(link) -o $@.new $(obj) $(libs)
	$(Q)$(STRIP) $@.new && mv -f $@.new $@  # it may be running
$(O)/%.o: %.c $(O)/flags
	@$(say) "CC $@"
	$(Q)$(compile) -c -o $@ $<
# Other flags, another compiler: all is made anew
$(O)/flags: export words = $(link)
$(O)/flags: force | $(tools)
	@mkdir -p $(O)
	@printenv words | cmp -s - $@ || printenv words >$@
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
$(O)/test-dhcp: $(addprefix $(O)/,util.o dhcp.o)
$(O)/unit $(O)/pty: $(O)/%: test/%.c $(O)/flags
	$(program)
$(O)/test-relay: $(addprefix $(O)/,util.o sys.o run.o dns.o resolver.o)
$(O)/test-nft: $(addprefix $(O)/,util.o netlink.o nft.o firewall.o)
$(O)/test-disk: $(addprefix $(O)/,util.o sys.o stream.o raw.o disk.o)
$(O)/test-filter: $(filter-out %/nspawn-lite.o %/plan.o %/seccomp.o,$(obj))
$(O)/test-%: test/%.c $(O)/flags
	$(program)
$(O)/test-%: test/lab/%.c $(O)/flags
	$(program)

# For the program on the machine that builds, without what is generated below
host := -s O=$(O)/host TARGET= CROSS_COMPILE= CC='$(HOSTCC)' NSPAWN= STRIP=: STATIC=n ZLIB=n ISAL=n BTRFS=n CFLAGS=-O1 CPPFLAGS= LDFLAGS= all

# NSPAWN is a folder of .nspawn files, which become rows of plan.c
ifneq ($(NSPAWN),)
$(O)/plan.o: $(O)/nspawn.rows
$(O)/nspawn.rows: $(NSPAWN) $(wildcard $(NSPAWN)/*.nspawn *.[ch]) $(O)/flags
	$(Q)$(MAKE) $(host)
	$(Q)$(O)/host/nspawn-lite settings --rows $(sort $(wildcard $(NSPAWN)/*.nspawn)) >$@
endif

# The program itself says its completion; when it is for another machine, one
# made for ours by HOSTCC does
ours = $(filter $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))%,$(machine))
$(O)/nspawn-lite.bash: $(O)/nspawn-lite
	$(Q)$(if $(ours),,$(MAKE) $(host) &&) \
	$(if $(ours),$(O),$(O)/host)/nspawn-lite completion >$@ || \
	{ rm -f $@; echo "no bash completion: $(HOSTCC) makes no program for this machine"; }

bin := $(DESTDIR)$(PREFIX)/bin
share := $(DESTDIR)$(PREFIX)/share
install: all $(O)/nspawn-lite.bash
	install -d $(bin) $(share)/man/man8 $(share)/bash-completion/completions $(share)/doc/nspawn-lite/contrib
	install -m 755 $(O)/nspawn-lite $(bin)/nspawn-lite
	install -m 644 nspawn-lite.8 $(share)/man/man8/nspawn-lite.8
	cp -R contrib/. $(share)/doc/nspawn-lite/contrib
	[ ! -e $(O)/nspawn-lite.bash ] || \
		install -m 644 $(O)/nspawn-lite.bash $(share)/bash-completion/completions/nspawn-lite
# Under the original's names too: not where the original is
install-compat: install
	ln -sf nspawn-lite $(bin)/systemd-nspawn
	ln -sf nspawn-lite $(bin)/machinectl

run: all
	@test/guest $(O)
deps: $(tools)
test check:
	@MAKE='$(MAKE)' O='$(O)' test/run $(TESTS)
bench: all programs
	@O='$(O)' test/bench/run

layers: all
	@$(call tool,nm) -A $(obj) | awk -v order='$(rooms)' -f test/layers.awk
	@! $(call tool,readelf) -d $(O)/nspawn-lite | grep TEXTREL
long:
	@awk -f test/long.awk $(wildcard $(rooms:=.c) *.h)
# And what each switch of config.h costs
switches = $(shell sed -n 's/^\#define \(WITH_[A-Z_]*\) 1.*/\1/p' $(CONFIG))
size: all
	@$(call tool,size) -t $(obj)
	@ls -l $(O)/nspawn-lite
	@for s in $(switches); do mkdir -p $(O)/size; \
		sed "s/^#define $$s .*/#define $$s 0/" $(CONFIG) >$(O)/size/$$s.new || exit; \
		cmp -s $(O)/size/$$s.new $(O)/size/$$s.h || cp $(O)/size/$$s.new $(O)/size/$$s.h; \
		$(MAKE) -s O=$(O)/size/$$s CONFIG=$(O)/size/$$s.h all || exit; \
		echo "$$(($$(wc -c <$(O)/nspawn-lite) - $$(wc -c <$(O)/size/$$s/nspawn-lite)))	$$s"; done
clean:
	rm -rf $(O)
distclean:
	rm -rf build

force:
.DELETE_ON_ERROR:
.PHONY: all bench check clean deps distclean install install-compat layers long programs run size test
