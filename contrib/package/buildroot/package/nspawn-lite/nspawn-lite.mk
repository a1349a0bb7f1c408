################################################################################
#
# nspawn-lite
#
################################################################################

NSPAWN_LITE_VERSION = @VERSION@
NSPAWN_LITE_SITE = @SITE@
NSPAWN_LITE_LICENSE = 0BSD
NSPAWN_LITE_LICENSE_FILES = LICENSE

NSPAWN_LITE_MAKE_OPTS = \
	O=build TARGET= PREFIX=/usr HOSTCC="$(HOSTCC)" \
	STATIC=$(if $(BR2_STATIC_LIBS),y,n) \
	STORE=$(call qstrip,$(BR2_PACKAGE_NSPAWN_LITE_STORE)) \
	WITHOUT="$(NSPAWN_LITE_WITHOUT)" \
	NSPAWN=$(call qstrip,$(BR2_PACKAGE_NSPAWN_LITE_NSPAWN))

NSPAWN_LITE_WITHOUT = $(call qstrip,$(BR2_PACKAGE_NSPAWN_LITE_WITHOUT))

NSPAWN_LITE_CONFIG = $(call qstrip,$(BR2_PACKAGE_NSPAWN_LITE_CONFIG))
ifneq ($(NSPAWN_LITE_CONFIG),)
NSPAWN_LITE_MAKE_OPTS += CONFIG=$(NSPAWN_LITE_CONFIG)
endif

ifeq ($(BR2_PACKAGE_ZLIB),y)
NSPAWN_LITE_DEPENDENCIES += zlib
NSPAWN_LITE_MAKE_OPTS += ZLIB=y
else
NSPAWN_LITE_MAKE_OPTS += ZLIB=n
endif

ifeq ($(BR2_PACKAGE_BTRFS_PROGS),y)
NSPAWN_LITE_DEPENDENCIES += btrfs-progs
NSPAWN_LITE_MAKE_OPTS += BTRFS=y
else
NSPAWN_LITE_MAKE_OPTS += BTRFS=n
endif

define NSPAWN_LITE_BUILD_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) $(TARGET_CONFIGURE_OPTS) \
		$(NSPAWN_LITE_MAKE_OPTS) -C $(@D)
endef

ifeq ($(filter IMAGES IMPORT PULL OCI RUNTIME,$(NSPAWN_LITE_WITHOUT)),)
define NSPAWN_LITE_INSTALL_OCI
	ln -sf nspawn-lite $(TARGET_DIR)/usr/bin/nspawn-lite-oci
endef
endif

define NSPAWN_LITE_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/build/nspawn-lite \
		$(TARGET_DIR)/usr/bin/nspawn-lite
	$(NSPAWN_LITE_INSTALL_OCI)
endef

define NSPAWN_LITE_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/contrib/sysvinit \
		$(TARGET_DIR)/etc/init.d/S90machines
endef

define NSPAWN_LITE_INSTALL_INIT_OPENRC
	$(INSTALL) -D -m 0755 $(@D)/contrib/openrc \
		$(TARGET_DIR)/etc/init.d/machines
endef

define NSPAWN_LITE_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/contrib/nspawn-lite.service \
		$(TARGET_DIR)/usr/lib/systemd/system/nspawn-lite.service
	$(INSTALL) -D -m 0644 $(@D)/contrib/nspawn-lite@.service \
		$(TARGET_DIR)/usr/lib/systemd/system/nspawn-lite@.service
endef

define NSPAWN_LITE_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_NAMESPACES)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUPS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUP_DEVICE)
	$(call KCONFIG_ENABLE_OPT,CONFIG_BPF_SYSCALL)
	$(call KCONFIG_ENABLE_OPT,CONFIG_CGROUP_BPF)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SECCOMP)
	$(call KCONFIG_ENABLE_OPT,CONFIG_POSIX_MQUEUE)
	$(call KCONFIG_ENABLE_OPT,CONFIG_OVERLAY_FS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_VETH)
endef

$(eval $(generic-package))
