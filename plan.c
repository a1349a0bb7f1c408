/* SPDX-License-Identifier: 0BSD */
/* Everything the user can say is a word, every word is a row, every row fills one field */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "nspawn-lite.h"

/* offset of a field, refusing at compile time a field of another type */
#define FIELD(t, f) (offsetof(struct plan, f) + 0 * sizeof((t *)0 == &((struct plan *)0)->f))
#define FLAG(f)        O_FLAG, FIELD(bool, f), "", ""
#define BOOL(f)        O_CHOICE, FIELD(int, f), BOOLS, H("BOOL")
#define STR(f, arg)    O_STR, FIELD(char *, f), "", H(arg)
#define CHOICE(f, w)   O_CHOICE, FIELD(int, f), w, ""
#define BARE(f, w)     O_BARE, FIELD(int, f), w, ""
#define OPT(f, arg)    O_OPT, FIELD(char *, f), "yes", arg
#define LIST(f, arg)   O_LIST, FIELD(char **, f), "", H(arg)
#define MEANS(w)       O_MEANS, 0, w, ""
#define SHOW(n)        O_SHOW, n, "", ""
#define NOTHING        O_NOTHING, 0, "", ""
#define IGNORED(arg)   O_IGNORED, 0, "", H(arg)
#define REFUSED(arg)   O_REFUSED, 0, "", H(arg)
#define REFUSED_BUT(w, arg) O_REFUSED, 0, w, H(arg)
#define KEY            O_KEY, 0, "", ""
#define BOOLS          "yes|no"
#if WITH_HELP
#define H(text)        text
#else
#define H(text)        ""
#endif
#if WITH_SETTINGS
#define IN(key, how)   key, how
#else
#define IN(key, how)   "", how
#endif
/* the texts of a row lie behind each other, so that one pointer leads to all. It may end before IN */
#define ROW(...)       ROW_OF(__VA_ARGS__, "", 0, )
#define ROW_OF(name, letter, kind, field, words, arg, help, key, how, ...) \
	{ name "\0" words "\0" key "\0" arg "\0" help, letter, kind, field, how }
#define TITLE(name)    ROW(name, 0, O_TITLE, 0, "", "", "")

/* machines of a config.h need not say whether they are enabled */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum kind {
	O_TITLE, O_FLAG, O_STR, O_CHOICE,
	O_BARE,     /* a choice whose argument may be missing: "yes", then */
	O_LIST,
	O_MEANS,    /* short for another word */
	O_SHOW,
	O_NOTHING,  /* accepted, without effect */
	O_IGNORED,  /* the same, with an argument */
	O_OPT,      /* a string that may be missing: that of the words column, then */
	O_REFUSED,  /* known, and not to be had, but for the word of the words column: its help says why */
	O_KEY,      /* only a key of .nspawn files */
};

static const struct option {
	const char *name;  /* and more behind it, see part */
	char letter;
	uint8_t kind;      /* enum kind */
	uint16_t field;
	uint16_t how;      /* K_..., what its key of a .nspawn file does */
} options[] = {
	TITLE("General"),
	ROW("help",            'h', SHOW(SHOW_HELP),             H("show this text")),
	ROW("version",          0,  SHOW(SHOW_VERSION),          H("show the version")),
	ROW("quiet",           'q', FLAG(quiet),                 H("say nothing about our own doings")),
#if WITH_HELP
	ROW("verbose",         'v', FLAG(verbose),               H("say each step as it is taken")),
#endif
#if WITH_SETTINGS
	ROW("settings",         0,  CHOICE(settings, "no|yes|override|trusted"),
	                                                       H("read the .nspawn file of the machine; override: it wins over options")),
#endif
	ROW("no-defaults",      0,  FLAG(no_defaults),           H("leave out what config.h says for all machines")),
	ROW("cleanup",          0,  FLAG(cleanup),               H("remove what killed machines left, and start nothing")),
	ROW("no-pager",         0,  NOTHING,                     H("accepted: nothing is ever paged")),
	ROW("no-ask-password",  0,  NOTHING,                     H("accepted: nothing is ever asked")),
	ROW("system",           0,  NOTHING,                     H("accepted: there is one manager only")),

	TITLE("Image"),
	ROW("directory",       'D', STR(directory, "DIR"),       H("the tree that becomes /")),
#if WITH_DISK
	ROW("image",           'i', STR(image, "PATH"),          H("a disk image or block device, whose file system becomes /")),
	ROW("partition",        0,  STR(partition, "N"),         H("take this partition of it")),
#endif
#if WITH_OCI
	ROW("oci-bundle",       0,  STR(oci_bundle, "DIR"),      H("the tree and the settings of a bundle of the OCI runtime-spec")),
#endif
#if WITH_IMAGES
	ROW("template",         0,  STR(template, "PATH"),       H("make the tree of this one, if it is not there yet")),
#endif
	ROW("image-root",       0,  STR(image_root, "DIR"),      H("look for images of -M in DIR only")),
#if WITH_OVERLAY
	ROW("ephemeral",       'x', FLAG(ephemeral),             H("forget all changes at the end"),
	                                                       IN("Exec.Ephemeral", K_TRUST)),
#endif
	ROW("read-only",        0,  FLAG(read_only),             H("mount the tree read-only"), IN("Files.ReadOnly", K_KEEP)),
#if WITH_OVERLAY
	ROW("volatile",         0,  BARE(volat, "no|yes|state|overlay"),
	                                                       H("yes: only /usr is kept; state: /var is not; overlay: nothing"),
	                                                       IN("Files.Volatile", K_KEEP)),
	ROW("pivot-root",       0,  STR(pivot_root, "NEW[:OLD]"), H("make NEW of the tree the root, and show the tree at OLD"),
	                                                       IN("Exec.PivotRoot", 0)),
#endif
#if WITH_HELP
	ROW("image-policy",     0,  REFUSED_BUT("*", "POLICY"),  "\"*\" only: partitions are not told apart by a policy"),
	ROW("root-hash",        0,  REFUSED("HASH"),             "dm-verity is not built: open it with veritysetup, and mount it"),
	ROW("root-hash-sig",    0,  REFUSED("SIGNATURE"),        "dm-verity is not built: open it with veritysetup, and mount it"),
	ROW("verity-data",      0,  REFUSED("PATH"),             "dm-verity is not built: open it with veritysetup, and mount it"),
	ROW("mstack",           0,  REFUSED("PATH"),             "stacks of layers are not read: name the layers with --overlay"),
#endif

#if WITH_MOUNTS
	TITLE("Mounts"),
	ROW("bind",             0,  LIST(bind, "SRC[:DST[:OPT,...]]"), H("show a file or directory of the host inside"),
	                                                       IN("Files.Bind", K_MOUNTS | K_TRUST)),
	ROW("bind-ro",          0,  LIST(bind_ro, "SRC[:DST[:OPT,...]]"), H("the same, read-only"),
	                                                       IN("Files.BindReadOnly", K_MOUNTS | K_TRUST)),
	ROW("tmpfs",            0,  LIST(tmpfs, "PATH[:OPT,...]"), H("an empty directory in memory"),
	                                                       IN("Files.TemporaryFileSystem", K_MOUNTS | K_TRUST)),
#if WITH_OVERLAY
	ROW("overlay",          0,  LIST(overlay, "LOWER[:...]:UPPER:DST"), H("directories in layers; changes go to UPPER"),
	                                                       IN("Files.Overlay", K_MOUNTS | K_TRUST)),
	ROW("overlay-ro",       0,  LIST(overlay_ro, "LOWER:...:DST"), H("directories in layers, read-only"),
	                                                       IN("Files.OverlayReadOnly", K_MOUNTS | K_TRUST)),
#endif
	ROW("inaccessible",     0,  LIST(inaccessible, "PATH"),  H("cover PATH with a node that nobody can use"),
	                                                       IN("Files.Inaccessible", K_MOUNTS | K_TRUST)),
#endif

#if WITH_USERNS
	TITLE("User namespace"),
	ROW("private-users",    0,  OPT(private_users, "no|yes|pick|auto|identity|BASE[:N]"),
	                                                       H("users and groups of its own, from BASE on; yes: as the tree's owner"),
	                                                       IN("Exec.PrivateUsers", K_USERNS | K_YESNO | K_TRUST)),
	ROW("",              'U', MEANS("--private-users=auto"), ""),
	ROW("private-users-ownership", 0, CHOICE(private_users_ownership, "off|chown|map|auto|try-map"),
	                                                       H("how the tree's owners become those"),
	                                                       IN("Files.PrivateUsersOwnership", K_USERNS | K_TRUST)),
	ROW("private-users-chown", 0, MEANS("--private-users-ownership=chown"), H("short for --private-users-ownership=chown"),
	                                                       IN("Files.PrivateUsersChown", K_USERNS | K_CHOWN | K_TRUST)),
#if WITH_HELP
	ROW("private-users-delegate", 0, REFUSED("N"),           "no ranges are handed on: give one larger range, BASE:N"),
	ROW("bind-user",        0,  REFUSED("NAME"),             "users of the host are not recorded inside: bind the home with owneridmap",
	                                                       IN("Files.BindUser", K_TRUST)),
	ROW("bind-user-shell",  0,  REFUSED("SHELL"),            "users of the host are not recorded inside"),
	ROW("bind-user-group",  0,  REFUSED("GROUP"),            "users of the host are not recorded inside"),
#endif
#endif

	TITLE("Payload"),
	ROW("boot",            'b', FLAG(boot),                  H("start the tree's own init"),
	                                                       IN("Exec.Boot", K_START | K_BOOT)),
	ROW("as-pid2",         'a', FLAG(as_pid2),               H("run the command below a small init of ours"),
	                                                       IN("Exec.ProcessTwo", K_START | K_PID2)),
	ROW("chdir",            0,  STR(chdir, "PATH"),          H("start in PATH"), IN("Exec.WorkingDirectory", 0)),
	ROW("setenv",          'E', LIST(setenv, "NAME[=VALUE]"), H("put a variable into the environment"),
	                                                       IN("Exec.Environment", K_VARIABLES)),
	ROW("user",            'u', STR(user, "USER[:GROUP,...]"), H("run as USER of the tree, in these groups or its own"), IN("Exec.User", K_KEEP)),
	ROW("uid",              0,  STR(user, "USER"),           H("another name of --user")),
	ROW("",               0,  KEY,                         "", IN("Exec.Parameters", K_START | K_COMMAND)),
	ROW("kill-signal",      0,  STR(kill_signal, "SIGNAL"),  H("what asks the payload to end"), IN("Exec.KillSignal", 0)),
	ROW("notify-ready",     0,  BOOL(notify_ready),          H("ready when the payload's init says so"),
	                                                       IN("Exec.NotifyReady", 0)),

	TITLE("Identity"),
	ROW("machine",         'M', STR(machine, "NAME"),        H("name of the machine, and of its image without -D")),
	ROW("hostname",         0,  STR(hostname, "NAME"),       H("host name inside"), IN("Exec.Hostname", 0)),
	ROW("uuid",             0,  STR(uuid, "UUID"),           H("machine id, for a tree that has none"),
	                                                       IN("Exec.MachineID", K_TRUST)),
#if WITH_LIMITS
	ROW("slice",           'S', STR(slice, "SLICE"),         H("parent of the machine's control group")),
#endif
	ROW("register",         0,  BOOL(registered),            H("mark the machine as one for lists")),
	ROW("keep-unit",        0,  FLAG(keep_unit),             H("stay below our own control group; end at a reboot")),

	TITLE("Life"),
#if WITH_MACHINES
	ROW("wait-for",         0,  LIST(wait_for, "PATH|interface:IF|machine:NAME"), H("start once this is there, and give up after a while")),
#endif
	ROW("restart",          0,  CHOICE(restart, "no|on-failure|always"), H("begin again when it has ended, after a pause that grows")),
	ROW("notify-fd",        0,  STR(notify_fd, "N"),         H("write a line to this fd when it is ready")),

	TITLE("Network"),
	ROW("private-network",  0,  FLAG(private_network),       H("a network of its own, with a loopback"),
	                                                       IN("Network.Private", K_NETWORK | K_TRUST)),
#if WITH_NETWORK
	ROW("network-veth",    'n', FLAG(network_veth),          H("a link to the host, called host0 inside, with an address"),
	                                                       IN("Network.VirtualEthernet", K_NETWORK | K_TRUST)),
	ROW("network-bridge",   0,  STR(network_bridge, "BRIDGE"), H("the same as a port of a bridge, which is the network's own affair"),
	                                                       IN("Network.Bridge", K_NETWORK | K_TRUST)),
	ROW("network-zone",     0,  STR(network_zone, "ZONE"),   H("the same on a bridge that all machines of the zone share"),
	                                                       IN("Network.Zone", K_NETWORK | K_TRUST)),
	ROW("network-veth-extra", 0, LIST(network_veth_extra, "HOST[:GUEST]"), H("a further link to the host, by these names"),
	                                                       IN("Network.VirtualEthernetExtra", K_NETWORK | K_TRUST)),
#if WITH_MOVE
	ROW("network-interface", 0, LIST(network_interface, "HOST[:GUEST]"), H("hand over a network interface; it comes back at the end"),
	                                                       IN("Network.Interface", K_NETWORK | K_WORDS | K_TRUST)),
#endif
	ROW("network-macvlan",  0,  LIST(network_macvlan, "HOST[:GUEST]"), H("a link on the network of an interface, with a MAC of its own"),
	                                                       IN("Network.MACVLAN", K_NETWORK | K_WORDS | K_TRUST)),
	ROW("network-ipvlan",   0,  LIST(network_ipvlan, "HOST[:GUEST]"), H("the same with the interface's MAC"),
	                                                       IN("Network.IPVLAN", K_NETWORK | K_WORDS | K_TRUST)),
	ROW("network-namespace-path", 0, STR(network_namespace_path, "PATH"), H("join a network that is there: /run/netns/NAME"),
	                                                       IN("Network.NamespacePath", K_NETWORK | K_TRUST)),
	ROW("network-veth-name", 0, STR(network_veth_name, "NAME"), H("what host0 is called inside")),
	ROW("network-mac",      0,  STR(network_mac, "MAC"),     H("its MAC address")),
	ROW("network-address",  0,  LIST(network_address, "ADDR[/N]|auto|none"), H("the address of its first link; auto is for -n and zones")),
	ROW("network-gateway",  0,  LIST(network_gateway, "ADDR|none"), H("where its default route leads")),
	ROW("network-dns",      0,  LIST(network_dns, "ADDR|none"), H("a name server for it")),
#if WITH_PORTS
	ROW("port",            'p', LIST(port, "[tcp:|udp:][ADDR:]HOST[:GUEST]"), H("a port, or FIRST-LAST, of the host that leads to it"),
	                                                       IN("Network.Port", K_PORTS | K_TRUST)),
#endif
#endif

	TITLE("Rights"),
	ROW("capability",       0,  LIST(capability, "CAP,..."), H("keep these capabilities too"),
	                                                       IN("Exec.Capability", K_CAPS | K_BLANKS | K_TRUST)),
	ROW("drop-capability",  0,  LIST(drop_capability, "CAP,..."), H("drop these capabilities"),
	                                                       IN("Exec.DropCapability", K_CAPS | K_BLANKS | K_KEEP)),
	ROW("ambient-capability", 0, LIST(ambient_capability, "CAP,..."), H("give these to a payload that is not root"),
	                                                       IN("Exec.AmbientCapability", K_CAPS | K_BLANKS | K_TRUST)),
	ROW("no-new-privileges", 0, BOOL(no_new_privileges),     H("set-user-ID and the like gain nothing"),
	                                                       IN("Exec.NoNewPrivileges", K_KEEP)),
#if WITH_SECCOMP
	ROW("system-call-filter", 0, LIST(system_call_filter, "[~]CALL|@GROUP ..."), H("allow these system calls too; ~: refuse these"),
	                                                       IN("Exec.SystemCallFilter", K_KEEP | K_GRANT)),
	ROW("restrict-address-families", 0, LIST(restrict_address_families, "[~]AF_..."), H("sockets of these families only; ~: not these"),
	                                                       IN("Exec.RestrictAddressFamilies", K_KEEP)),
	ROW("suppress-sync",    0,  BOOL(suppress_sync),         H("sync and the like do nothing"), IN("Exec.SuppressSync", 0)),
#endif
#if WITH_USERNS
	ROW("nesting",          0,  BOOL(nesting),               H("let container runtimes run inside")),
#endif
#if WITH_OCI
	ROW("oci-seccomp",      0,  STR(oci_seccomp, "DIR"),     H("the filter that the bundle of the OCI in DIR says, too")),
	ROW("sysctl",           0,  LIST(sysctl, "NAME=VALUE"),  H("set a parameter of its own network, IPC or domain name")),
#endif
	ROW("selinux-context", 'Z', STR(selinux_context, "LABEL"), H("SELinux label of the payload")),
	ROW("selinux-apifs-context", 'L', STR(selinux_apifs_context, "LABEL"), H("SELinux label of what is mounted for it")),
#if WITH_RESCUE
	ROW("rescue",           0,  FLAG(rescue),                H("no isolation: the host's devices and all rights, to repair the tree's system")),
#endif

#if WITH_LIMITS
	TITLE("Limits"),
	ROW("property",         0,  LIST(property, "NAME=VALUE"), H("a limit of its control group, such as MemoryMax=64M")),
	ROW("device",           0,  LIST(device, "PATH|CLASS[:rwm]"), H("let it use a device of the host, or all of a class")),
	ROW("rlimit",           0,  LIST(rlimit, "NAME=SOFT[:HARD]"), H("set a resource limit"),
	                                                       IN("Exec.Limit", K_LIMITS | K_NAMED | K_TRUST)),
	ROW("oom-score-adjust", 0,  STR(oom_score_adjust, "N"),  H("how gladly the OOM killer takes it: -1000 to 1000"),
	                                                       IN("Exec.OOMScoreAdjust", K_TRUST)),
	ROW("cpu-affinity",     0,  LIST(cpu_affinity, "CPUS"),  H("run on these CPUs only: 0-3,5"),
	                                                       IN("Exec.CPUAffinity", K_TRUST)),
	ROW("personality",      0,  STR(personality, "ARCH"),    H("what uname says of the machine"), IN("Exec.Personality", 0)),
#endif

	TITLE("Integration"),
#if WITH_INTEGRATION
	ROW("resolv-conf",      0,  CHOICE(resolv_conf,
		"off|copy-host|copy-static|copy-uplink|copy-stub|replace-host|replace-static|replace-uplink|"
		"replace-stub|bind-host|bind-static|bind-uplink|bind-stub|delete|auto"),
	                                                       H("what becomes of /etc/resolv.conf"), IN("Exec.ResolvConf", 0)),
	ROW("timezone",         0,  CHOICE(timezone, "off|copy|bind|symlink|delete|auto"),
	                                                       H("what becomes of /etc/localtime"), IN("Exec.Timezone", 0)),
	ROW("link-journal",     0,  CHOICE(link_journal, "no|host|try-host|guest|try-guest|auto"),
	                                                       H("where the machine's journal lives"),
	                                                       IN("Exec.LinkJournal", K_TRUST)),
	ROW("",              'j', MEANS("--link-journal=try-guest"), ""),
#endif
	ROW("forward-journal",  0,  IGNORED("SOCKET"),           H("accepted, without effect")),

	TITLE("Terminal"),
	ROW("console",          0,  CHOICE(console, "interactive|read-only|passive|pipe|autopipe"),
	                                                       H("what the payload's terminal is")),
	ROW("pipe",            'P', MEANS("--console=pipe"),     H("our own input and output, no terminal")),
#if WITH_MACHINES
	ROW("log",              0,  LIST(log, "PATH|syslog|no"),  H("where its console is kept, too, besides the last of it in memory")),
#endif
	ROW("background",       0,  IGNORED("COLOUR"),           H("accepted: terminals are never tinted")),

#if WITH_INTEGRATION
	TITLE("Credentials"),
	ROW("set-credential",   0,  LIST(set_credential, "ID:VALUE"), H("a credential and its value")),
	ROW("load-credential",  0,  LIST(load_credential, "ID:PATH"), H("a credential from a file or a socket")),
#endif

	TITLE("Taken from the environment by the original"),
	ROW("tmpfs-tmp",        0,  BOOL(tmpfs_tmp),             H("/tmp in memory (yes)")),
	ROW("api-vfs-writable", 0,  CHOICE(api_vfs_writable, "no|yes|network"), H("/proc/sys and /sys writable")),
	ROW("share-ipc",        0,  BOOL(share_ipc),             H("no IPC namespace of its own")),
	ROW("share-pid",        0,  BOOL(share_pid),             H("no PID namespace of its own")),
	ROW("share-uts",        0,  BOOL(share_uts),             H("no UTS namespace of its own")),
	ROW("cgroup-namespace", 0,  BOOL(cgroup_namespace),      H("a control group namespace (yes)")),
	ROW("unified-hierarchy", 0, BOOL(unified),               H("show cgroup2 inside (yes, where the host has it)")),
	ROW("container-service", 0, STR(container_service, "NAME"), H("value of $container")),
	ROW("lock",             0,  BOOL(lock),                  H("one run of a tree at a time (yes)")),
	ROW("check-os-release", 0,  BOOL(check_os_release),      H("warn when the tree has no os-release (yes)")),
};

static const struct { const char *variable, *option; } environment[] = {
	{ "SYSTEMD_NSPAWN_TMPFS_TMP", "tmpfs-tmp" },
	{ "SYSTEMD_NSPAWN_API_VFS_WRITABLE", "api-vfs-writable" },
	{ "SYSTEMD_NSPAWN_SHARE_NS_IPC", "share-ipc" },
	{ "SYSTEMD_NSPAWN_SHARE_NS_PID", "share-pid" },
	{ "SYSTEMD_NSPAWN_SHARE_NS_UTS", "share-uts" },
	{ "SYSTEMD_NSPAWN_USE_CGNS", "cgroup-namespace" },
	{ "UNIFIED_HIERARCHY", "unified-hierarchy" },
	{ "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "unified-hierarchy" },
	{ "SYSTEMD_NSPAWN_CONTAINER_SERVICE", "container-service" },
	{ "SYSTEMD_NSPAWN_LOCK", "lock" },
	{ "SYSTEMD_NSPAWN_CHECK_OS_RELEASE", "check-os-release" },
	{ "SYSTEMD_NSPAWN_NETWORK_MAC", "network-mac" },
	{ "SYSTEMD_SUPPRESS_SYNC", "suppress-sync" },
};

/* two that exclude each other, and the original's sentence; a value stands for one word of a choice */
static const struct { const char *a; int avalue; const char *b; int bvalue; const char *text; } conflicts[] = {
#if WITH_DISK
	{ "directory", 0, "image", 0, "--directory= and --image= may not be combined." },
	{ "template", 0, "image", 0, "--template= and --image= may not be combined." },
#endif
	{ "boot", 0, "as-pid2", 0, "--boot and --as-pid2 may not be combined." },
	{ "boot", 0, "share-pid", YES, "--boot may not be combined with a shared PID namespace." },
	{ "boot", 0, "share-uts", YES, "--boot may not be combined with a shared UTS namespace." },
	{ "as-pid2", 0, "share-pid", YES, "--as-pid2 may not be combined with a shared PID namespace." },
	{ "boot", 0, "ambient-capability", 0, "AmbientCapability= setting is not useful for boot mode." },
#if WITH_RESCUE
	{ "rescue", 0, "boot", 0, "--rescue and --boot may not be combined: it is for commands." },
	{ "rescue", 0, "device", 0, "--rescue and --device= may not be combined: all devices are there." },
	{ "private-users", 0, "rescue", 0, "--rescue and --private-users= may not be combined: it takes the host's own rights." },
#endif
#if WITH_USERNS
	{ "private-users", 0, "api-vfs-writable", VFS_YES, "Cannot combine --private-users with read-write mounts." },
	{ "read-only", 0, "private-users-ownership", OWNERSHIP_CHOWN,
		"--read-only and --private-users-ownership=chown may not be combined." },
	{ "volatile", VOLATILE_YES, "private-users-ownership", OWNERSHIP_CHOWN,
		"--volatile= and --private-users-ownership=chown may not be combined." },
	{ "volatile", VOLATILE_STATE, "private-users-ownership", OWNERSHIP_CHOWN,
		"--volatile= and --private-users-ownership=chown may not be combined." },
	{ "volatile", VOLATILE_OVERLAY, "private-users-ownership", OWNERSHIP_CHOWN,
		"--volatile= and --private-users-ownership=chown may not be combined." },
#endif
#if WITH_NETWORK
	{ "network-bridge", 0, "network-zone", 0, "--network-bridge= and --network-zone= may not be combined." },
	{ "network-namespace-path", 0, "network-veth", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-bridge", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-zone", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-veth-extra", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-interface", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-macvlan", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-ipvlan", 0, "--network-namespace-path= cannot be combined with other network options." },
#endif
#if WITH_OVERLAY && WITH_INTEGRATION
	{ "ephemeral", 0, "link-journal", JOURNAL_HOST, "--ephemeral and --link-journal={host,guest} may not be combined." },
	{ "ephemeral", 0, "link-journal", JOURNAL_GUEST, "--ephemeral and --link-journal={host,guest} may not be combined." },
#endif
};

static const char *const defaults[] = { DEFAULTS, NULL };
/* a machine of config.h need not say whether it is enabled */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
static const struct { const char *machine; const char *options[12]; bool enabled; } machines[] = { MACHINES };

/* .nspawn files that were there when this was made: make NSPAWN=DIR */
static const struct { const char *machine; const char *const *words; } compiled[] = {
#ifdef NSPAWN
#include NSPAWN
#endif
	{ NULL, NULL },
};

enum part { WORDS = 1, KEY_NAME, ARG, HELP };

/* "": it has none */
static const char *
part(const struct option *o, enum part which)
{
	const char *t = o->name;
	int i;

	for (i = 0; i < (int)which; i++)
		t += strlen(t) + 1;
	return t;
}

static void *
field(const struct plan *p, const struct option *o)
{
	return (char *)(uintptr_t)p + o->field;
}

/* switches of config.h that are off: options, and verbs, are missing */
static const char off[] =
	IF_NOT(WITH_SECCOMP, " WITH_SECCOMP") IF_NOT(WITH_MACHINES, " WITH_MACHINES") IF_NOT(WITH_IMAGES, " WITH_IMAGES")
	IF_NOT(WITH_IMPORT, " WITH_IMPORT") IF_NOT(WITH_PULL, " WITH_PULL") IF_NOT(WITH_DISK, " WITH_DISK")
	IF_NOT(WITH_NETWORK, " WITH_NETWORK") IF_NOT(WITH_MOVE, " WITH_MOVE") IF_NOT(WITH_PORTS, " WITH_PORTS")
	IF_NOT(WITH_USERNS, " WITH_USERNS") IF_NOT(WITH_LIMITS, " WITH_LIMITS") IF_NOT(WITH_MOUNTS, " WITH_MOUNTS")
	IF_NOT(WITH_OVERLAY, " WITH_OVERLAY") IF_NOT(WITH_SETTINGS, " WITH_SETTINGS")
	IF_NOT(WITH_INTEGRATION, " WITH_INTEGRATION") IF_NOT(WITH_RESCUE, " WITH_RESCUE") IF_NOT(WITH_HELP, " WITH_HELP")
	IF_NOT(WITH_CHECK, " WITH_CHECK") IF_NOT(WITH_OCI, " WITH_OCI") IF_NOT(WITH_RUNTIME, " WITH_RUNTIME") "";

const char *
plan_or_off(const char *text)
{
	return *off ? fmt("%s; off in this build:%s", text, off) : text;
}

/* the row of a long option, or of an unambiguous beginning of one */
static const struct option *
find(const char *name, size_t len)
{
	const struct option *found = NULL;
	char *others = NULL;
	size_t i;

	for (i = 0; i < LEN(options); i++) {
		if (options[i].kind == O_TITLE || !*options[i].name || strncmp(options[i].name, name, len) != 0)
			continue;
		if (strlen(options[i].name) == len)
			return &options[i];
		if (*off)  /* it may be the whole name of one that is not here */
			continue;
		if (found)
			others = fmt("%s '--%s'", others ? others : fmt("'--%s'", found->name), options[i].name);
		else
			found = &options[i];
	}
	if (others)
		verb_misuse(fmt("option '--%.*s' is ambiguous; possibilities: %s", (int)len, name, others));
	return found;
}

/* of this very name; NULL: this build has none */
static const struct option *
find_exact(const char *name)
{
	const struct option *o;

	for (o = options; o < options + LEN(options); o++)
		if (o->kind != O_TITLE && streq(o->name, name))
			return o;
	return NULL;
}

static const struct option *
find_letter(char c)
{
	size_t i;

	for (i = 0; i < LEN(options); i++)
		if (options[i].letter && options[i].letter == c)
			return &options[i];
	return NULL;
}

static bool
takes_argument(const struct option *o)
{
	return o->kind == O_STR || o->kind == O_CHOICE || o->kind == O_LIST || o->kind == O_IGNORED
	    || o->kind == O_REFUSED;
}

static void
set_choice(struct plan *p, const struct option *o, const char *value)
{
	int i = word_index(part(o, WORDS), value), yes = parse_bool(value);

	if (i < 0 && yes >= 0)  /* any spelling of yes and no */
		i = word_index(part(o, WORDS), yes ? "yes" : "no");
	if (i < 0 && streq(value, "help")) {
		p->show = SHOW_WORDS;
		p->show_option = o->name;
		return;
	}
	if (i < 0) {
		char *list = xstrdup(part(o, WORDS));
		char *c;

		for (c = list; *c; c++)
			if (*c == '|')
				*c = ' ';
		die("--%s=%s: not one of: %s", o->name, value, list);
	}
	*(int *)field(p, o) = i + 1;
}

static void set_word(struct plan *p, const char *word);

/* value is NULL when none was given */
static void
set(struct plan *p, const struct option *o, const char *value)
{
	int yes;

	if (value && !utf8_clean(value) && o->kind != O_LIST)
		die("--%s: the value is not clean UTF-8 text", o->name);
	if (p->claimed)
		p->claimed[o - options] = true;
	switch (o->kind) {
	case O_FLAG:
		yes = value ? parse_bool(value) : 1;
		if (yes < 0)
			die("--%s=%s: not yes or no", o->name, value);
		*(bool *)field(p, o) = yes;
		break;
	case O_STR:
		if (streq(value, "help") && *part(o, ARG) && streq(o->name, "kill-signal")) {
			p->show = SHOW_WORDS;
			p->show_option = o->name;
			break;
		}
		*(char **)field(p, o) = *value ? (char *)(uintptr_t)value : NULL;
		if (!*value && word_index("machine|hostname", o->name) < 0)  /* -M "" takes the name back */
			die("--%s=: an empty value says nothing; leave the option out", o->name);
		break;
	case O_OPT:
		if (value && !*value)
			die("--%s=: an empty value says nothing; leave the option out", o->name);
		if (streq(value, "help")) {
			p->show = SHOW_WORDS;
			p->show_option = o->name;
			break;
		}
		*(char **)field(p, o) = (char *)(uintptr_t)(value && *value ? value : part(o, WORDS));
		break;
	case O_REFUSED:
		if (!*part(o, WORDS) || !streq(value, part(o, WORDS)))
			die("--%s: %s", o->name, part(o, HELP));
		break;
	case O_BARE:
	case O_CHOICE:
		set_choice(p, o, value ? value : "yes");
		break;
	case O_LIST:
		if (WITH_HELP && streq(value, "help") && (strstr(o->name, "capability") || streq(o->name, "rlimit")
		    || streq(o->name, "system-call-filter") || streq(o->name, "restrict-address-families"))) {
			p->show = SHOW_WORDS;
			p->show_option = o->name;
			break;
		}
		/* of these lists the original takes an empty one, for which nothing is added */
		if (*value || !((o->how & K_GROUP) == K_CAPS || streq(o->name, "system-call-filter")))
			grow((char ***)field(p, o), value);
		break;
	case O_MEANS:
		set_word(p, part(o, WORDS));
		break;
	case O_SHOW:
		p->show = (int)o->field;
		break;
	case O_TITLE:
	case O_KEY:
	case O_NOTHING:
	case O_IGNORED:
		break;
	}
}

static void
set_word(struct plan *p, const char *word)
{
	size_t len = strcspn(word + 2, "=");
	const struct option *o = find(word + 2, len);

	if (!o)
		die("%s", plan_or_off(fmt("%s: no such option", word)));
	set(p, o, word[2 + len] ? word + 2 + len + 1 : NULL);
}

static const struct option *
must_find(const char *name, size_t len)
{
	const struct option *o = len ? find(name, len) : NULL;

	if (o)
		return o;
	verb_misuse(plan_or_off(fmt("unrecognized option '--%s'%s", name,
	                            verb_near("--", name, options, LEN(options), sizeof(*options)))));
}

static void
parse_long(struct plan *p, char ***words)
{
	char *word = **words + 2;
	size_t len = strcspn(word, "=");
	const struct option *o = must_find(word, len);
	const char *value = word[len] ? word + len + 1 : NULL;

	if (takes_argument(o) && !value) {
		value = *++*words;
		if (!value)
			verb_misuse(fmt("option '--%s' requires an argument", o->name));
	}
	if (value && o->kind != O_FLAG && o->kind != O_BARE && o->kind != O_OPT && !takes_argument(o))
		verb_misuse(fmt("option '--%s' doesn't allow an argument", o->name));
	set(p, o, value);
}

static const struct option *
must_find_letter(char c)
{
	const struct option *o = find_letter(c);

	if (o)
		return o;
	verb_misuse(plan_or_off(fmt("invalid option -- '%c'", c)));
}

/* a cluster: -bD DIR, -bDDIR */
static void
parse_short(struct plan *p, char ***words)
{
	const char *c = **words + 1;
	const struct option *o;
	const char *value;

	for (; *c && p->show == SHOW_NOTHING; c++) {
		o = must_find_letter(*c);
		value = NULL;
		if (takes_argument(o)) {
			value = c[1] ? c + 1 : *++*words;
			if (!value)
				verb_misuse(fmt("option requires an argument -- '%c'", *c));
			set(p, o, value);
			return;
		}
		set(p, o, value);
	}
}

static void
parse(struct plan *p, char **words)
{
	for (; *words && p->show == SHOW_NOTHING; words++) {
		if (streq(*words, "--")) {
			words++;
			break;
		}
		if (**words != '-' || !(*words)[1])
			break;
		if ((*words)[1] == '-')
			parse_long(p, &words);
		else
			parse_short(p, &words);
	}
	if (*words)
		p->cmd = words;
}

static void
parse_environment(struct plan *p)
{
	const struct option *o;
	const char *value;
	size_t i;

	for (i = 0; i < LEN(environment); i++) {
		value = getenv(environment[i].variable);
		if (!value || !*value)
			continue;
		o = find_exact(environment[i].option);
		if (!o)
			die("%s", plan_or_off(fmt("%s is set", environment[i].variable)));
		set(p, o, value);
	}
	value = getenv("SYSTEMD_NSPAWN_SHARE_SYSTEM");
	if (value && parse_bool(value) == 1)
		p->share_ipc = p->share_pid = p->share_uts = YES;
	value = getenv("SYSTEMD_LOG_LEVEL");
	if (streq(value, "debug") || streq(value, "7"))
		p->verbose = true;
}

static void
parse_words(struct plan *p, const char *const *words, const char *whose)
{
	char **list = NULL;
	size_t i;

	for (i = 0; words[i]; i++)
		grow(&list, xstrdup(words[i]));
	if (!list)
		return;
	parse(p, list);
	if (p->cmd || p->show)
		die("config.h: %s: only options may stand here, not \"%s\"", whose, p->cmd ? p->cmd[0] : "--help");
}

static void
parse_config(struct plan *p, const struct plan *line)
{
	const char *tree = line->directory ? line->directory : line->image;
	const char *name = line->machine ? line->machine : tree ? store_derive_name(tree) : NULL;
	size_t i;

	parse_words(p, defaults, "DEFAULTS");
	for (i = 0; name && machines[i].machine; i++)
		if (fnmatch(machines[i].machine, name, 0) == 0)
			parse_words(p, machines[i].options, machines[i].machine);
}

static bool
said(const struct plan *p, const struct option *o, int value)
{
	switch (o->kind) {
	case O_FLAG:
		return *(bool *)field(p, o);
	case O_CHOICE:
	case O_BARE:
		return value ? *(int *)field(p, o) == value : *(int *)field(p, o) != 0;
	case O_STR:
	case O_OPT:
		return *(char **)field(p, o) != NULL;
	case O_LIST:
		return *(char ***)field(p, o) != NULL;
	default:
		return false;
	}
}

/* ---- files of settings --------------------------------------------------- */

static struct key
find_key(const char *name)
{
	const struct option *o;
	const char *key;

	for (o = options; o < options + LEN(options); o++) {
		key = part(o, KEY_NAME);
		if (*key && (streq(name, key) ? (o->how & K_FORM) != K_NAMED : (o->how & K_FORM) == K_NAMED && after(name, key)))
			return (struct key){ key, *o->name ? o->name : NULL, o->kind == O_LIST, o->how };
	}
	return (struct key){ NULL };
}

/* is it one of the table, with a value that this may have */
static struct plan
check_word(const char *word)
{
	struct plan one = { 0 };

	set_word(&one, word);
	if (one.show)
		die("%s is a question, and no setting", word);
	return one;
}

static void
check_form(const char *word)
{
	check_word(word);
}

/* and do the rooms agree: not about what depends on other words of its group */
static void
check_value(const char *word)
{
	struct plan one = check_word(word);
	int group = find(word + 2, strcspn(word + 2, "="))->how & K_GROUP;

	if (group != K_USERNS && group != K_PORTS && !one.ambient_capability)
		plan_check(&one);
}

/* ended with NULL, but never NULL itself */
static char **
words_of_file(const char *path, bool link, bool trusted, void (*check)(const char *word))
{
	struct settings s;
	struct key k;
	char **words;

	settings_open(&s, path, link, trusted, check);
	while (settings_next(&s)) {
		k = find_key(s.key);
		/* it may be of a part that is left out: a network or a filter of its own is not to be lost for that */
		if (!k.name && *off && *s.value && parse_bool(s.value) != 0) {
			tame(s.key);
			die("%s:%d: %s", path, s.line, plan_or_off(fmt("no key %.60s is known", s.key)));
		}
		settings_take(&s, &k);
	}
	words = settings_words(&s);
	return words ? words : xalloc(sizeof(*words));
}

/* maybe for another machine, whose rooms know other system calls */
char **
plan_settings(const char *path)
{
	if (!WITH_SETTINGS)
		return NULL;
	return words_of_file(path, true, true, check_form);
}

/* what the file of this machine says, or one that was compiled in; NULL: nothing */
static char **
find_settings(const struct plan *line, int mode, bool *trusted)
{
	char real[PATH_MAX], **words = NULL, *path;
	const char *tree, *name;
	size_t i, n;

	if (mode == SETTINGS_NO || ((!mode || !WITH_SETTINGS) && LEN(compiled) == 1))
		return NULL;
	tree = line->directory ? line->directory : line->image ? line->image : line->machine ? image_search(line, line->machine) : ".";
	if (tree && realpath(tree, real))
		tree = real;
	name = line->machine ? line->machine : store_derive_name(tree);
	if (!name)
		return NULL;
	path = WITH_SETTINGS && mode ? settings_find(name, tree == real ? tree : NULL, trusted) : NULL;
	if (WITH_SETTINGS && path && *trusted)
		return words_of_file(path, true, true, check_value);
	for (i = 0; compiled[i].machine && !line->no_defaults; i++)
		if (streq(compiled[i].machine, name)) {
			for (n = 0; compiled[i].words[n]; n++)
				grow(&words, xstrdup(compiled[i].words[n]));
			*trusted = true;
			return words;
		}
	*trusted = mode == SETTINGS_TRUSTED;
	return WITH_SETTINGS && path ? words_of_file(path, false, *trusted, check_value) : NULL;
}

static bool
together(const struct option *a, const struct option *b)
{
	return a == b || (a->how & K_GROUP && (a->how & K_GROUP) == (b->how & K_GROUP));
}

/* --rlimit: each limit is a thing of its own */
static bool
same_limit(const char *a, const char *b)
{
	size_t n;

	a = after(a, "RLIMIT_") ? after(a, "RLIMIT_") : a;
	b = after(b, "RLIMIT_") ? after(b, "RLIMIT_") : b;
	n = strcspn(a, "=");
	return n == strcspn(b, "=") && memcmp(a, b, n) == 0;
}

/* did these words say something of what o with this value is about */
static bool
is_claimed(const struct plan *by, const struct option *o, const char *value)
{
	char **w;
	size_t i;

	if ((o->how & K_GROUP) == K_LIMITS) {
		for (w = by->rlimit; w && *w; w++)
			if (same_limit(*w, value))
				return true;
		return false;
	}
	for (i = 0; i < LEN(options); i++)
		if (by->claimed[i] && together(&options[i], o))
			return true;
	return (o->how & K_GROUP) == K_START && by->cmd;
}

static void
take_back(struct plan *p, const struct option *o, const char *value)
{
	char **w, **left = NULL;
	size_t i;

	if ((o->how & K_GROUP) == K_LIMITS) {
		for (w = p->rlimit; w && *w; w++)
			if (!same_limit(*w, value))
				grow(&left, *w);
		p->rlimit = left;
		return;
	}
	for (i = 0; i < LEN(options); i++) {
		if (!together(&options[i], o))
			continue;
		if (options[i].kind == O_FLAG)
			memset(field(p, &options[i]), 0, sizeof(bool));
		else if (options[i].kind == O_CHOICE || options[i].kind == O_BARE)
			memset(field(p, &options[i]), 0, sizeof(int));
		else if (options[i].kind == O_LIST || options[i].kind == O_STR || options[i].kind == O_OPT)
			memset(field(p, &options[i]), 0, sizeof(char *));
	}
	if ((o->how & K_GROUP) == K_START)
		p->cmd = NULL;
}

/*
 * Words of a file over what was said: a group is taken whole, of one source or of the other. By, if
 * there is one, has what goes before them. Restrictions are only added to by a file that is not trusted.
 */
static void
merge(struct plan *p, char **words, const struct plan *by, bool trusted)
{
	const struct option *o;
	const char *value;
	char **take = NULL;
	bool start = false;
	size_t n;

	for (; *words && !streq(*words, "--"); words++) {
		n = strcspn(*words, "=");
		o = find(*words + 2, n - 2);
		value = (*words)[n] ? *words + n + 1 : "";
		if (by && is_claimed(by, o, value))
			continue;
		if (!trusted && o->how & K_KEEP) {
			/* of a list, more that is dropped or refused is added */
			if (said(p, o, 0) && (o->kind != O_LIST || (!(o->how & K_GROUP) && *value != '~')))
				continue;
		} else {
			take_back(p, o, value);
		}
		start |= (o->how & K_GROUP) == K_START;
		grow(&take, *words);
	}
	for (; start && *words; words++)
		grow(&take, *words);
	if (take)
		parse(p, take);
}

/*
 * Words of a bundle, before those of the command line: of a group that those speak of, only lists are left, to which they
 * add. A file of settings is not read
 */
static void
merge_bundle(struct plan *p, struct plan *line)
{
	char **words = adopt_words(line->oci_bundle ? line->oci_bundle : p->oci_bundle), **w;
	size_t i;

	for (w = words; *w && !streq(*w, "--"); w++)
		check_word(*w);
	for (i = 0; i < LEN(options); i++)
		line->claimed[i] &= options[i].kind != O_LIST || (options[i].how & K_GROUP) == K_NETWORK || (options[i].how & K_GROUP) == K_LIMITS;
	merge(p, words, line, true);
	p->settings = SETTINGS_NO;
}

/*
 * The command line is read twice: once to learn the name, then again behind what config.h has
 * for all machines and for those of this name. A file of settings stands between the two, or
 * with --settings=override behind them, or a bundle. Reading has no side effects.
 */
void
plan_parse(struct plan *p, char **words)
{
	bool claimed[LEN(options)] = { false }, trusted = false;
	struct plan line = { .claimed = claimed };
	char **file = NULL;
	int mode = 0;

	parse(&line, words);
	*p = (struct plan){ .claimed = p->claimed };
	if (!line.no_defaults && line.show == SHOW_NOTHING)
		parse_config(p, &line);
	parse_environment(p);
	if (WITH_OCI && line.show == SHOW_NOTHING && (line.oci_bundle || p->oci_bundle)) {
		merge_bundle(p, &line);
	} else if (line.show == SHOW_NOTHING) {
		mode = line.settings ? line.settings : p->settings;
		file = find_settings(&line, mode, &trusted);
	}
	if (file && mode && mode != SETTINGS_OVERRIDE)
		merge(p, file, &line, trusted);
	parse(p, words);
	if (file && (!mode || mode == SETTINGS_OVERRIDE))
		merge(p, file, NULL, trusted);
	if (p->oci_bundle || (file && mode))  /* all is said now */
		p->settings = SETTINGS_NO;
	p->oci_bundle = NULL;
}

void
plan_parse_start(struct plan *p, const char *name, const struct ask *a)
{
	if (!WITH_MACHINES)
		return;
	/* as systemd-nspawn@.service has them */
	static char *const start[] = {
		"--boot", IF(WITH_NETWORK, "--network-veth") IF_NOT(WITH_NETWORK, "--private-network"),
		IF(WITH_USERNS, "--private-users=auto", "--private-users-ownership=try-map",)
		IF(WITH_INTEGRATION, "--link-journal=try-guest",) NULL,
	};
	bool claimed[LEN(options)] = { false };
	char **words = NULL;
	struct plan by;
	struct image i;

	grow(&words, "--quiet");
	grow(&words, fmt("--machine=%s", name));
	if (a->image_root)
		grow(&words, fmt("--image-root=%s", a->image_root));
	if (WITH_SETTINGS && a->settings)
		grow(&words, fmt("--settings=%s", a->settings));
	p->claimed = claimed;
	plan_parse(p, words);
	by = *p;
	p->claimed = NULL;
	/* an image of OCI has a command of its own, and no init */
	merge(p, (char **)(uintptr_t)start + (WITH_OCI && store_find(p->image_root, name, &i) && preset_has(&i)), &by, true);
	if (!WITH_USERNS)
		warn("no users of its own for %s: this build has none (WITH_USERNS)", name);
	plan_check(p);
}

char **
plan_enabled(void)
{
	char **list = NULL;
	size_t i;

	if (!WITH_MACHINES)
		return NULL;
	for (i = 0; machines[i].machine; i++)
		if (machines[i].enabled)
			grow(&list, machines[i].machine);
	return list;
}

void
plan_check(const struct plan *p)
{
	const struct option *a, *b;
	long long number;
	size_t i;

	for (i = 0; i < LEN(conflicts); i++) {
		a = find_exact(conflicts[i].a);
		b = find_exact(conflicts[i].b);
		if (!a || !b)
			continue;
		if (a->kind == O_OPT && streq(*(char **)field(p, a), "no"))
			continue;
		if (said(p, a, conflicts[i].avalue) && said(p, b, conflicts[i].bvalue))
			die("%s", conflicts[i].text);
	}
	for (i = 0; i < LEN(options); i++)
		if (options[i].kind == O_LIST && said(p, &options[i], 0)) {
			char **w = *(char ***)field(p, &options[i]);

			for (; *w; w++)
				if (!**w)
					die("--%s=: an empty value says nothing; leave the option out", options[i].name);
		}
	if (p->template && !p->directory && !p->machine && !p->ephemeral)
		die("--template= needs --directory= or --machine=.");
	if (p->template && p->ephemeral && p->directory)
		die("--ephemeral and --template= may not be combined.");
	if (p->partition && !parse_number(p->partition, 1, 128, &number))
		die("--partition=%s: not the number of a partition", p->partition);
	if (p->machine && !name_valid(p->machine))
		die("Invalid machine name: %s", p->machine);
	if (p->hostname && !name_valid(p->hostname))
		die("Invalid hostname: %s", p->hostname);
	if (p->notify_fd && !parse_number(p->notify_fd, 3, INT_MAX, &number))
		die("--notify-fd=%s: not the number of an open file above 2", p->notify_fd);
	if (WITH_MACHINES)
		depend_check(p);
	root_check(p);
	mount_check(p);
	user_check(p);
	if (WITH_USERNS)
		userns_check(p);
	if (WITH_NETWORK) {
		net_check(p);
		address_check(p);
	}
	if (WITH_MOVE)
		move_check(p);
	if (WITH_PORTS)
		port_check(p);
	if (WITH_LIMITS) {
		cgroup_check(p);
		limit_check(p);
		device_check(p);
	}
	seccomp_check(p);
	if (WITH_MACHINES)
		attach_check(p);
}

static char *
choice_word(const struct option *o, int value)
{
	const char *w = part(o, WORDS);

	while (--value > 0)
		w += strcspn(w, "|") + 1;
	return xstrndup(w, strcspn(w, "|"));
}

char **
plan_words(const struct plan *p)
{
	const struct option *o;
	char **words = NULL, **w;
	size_t i, j;

	for (i = 0; i < LEN(options); i++) {
		o = &options[i];
		for (j = 0; j < i; j++)  /* two names of one field: the first speaks */
			if (options[j].kind == o->kind && options[j].field == o->field && o->field)
				break;
		if (j < i || !said(p, o, 0))
			continue;
		if (o->kind == O_FLAG)
			grow(&words, fmt("--%s", o->name));
		else if (o->kind == O_STR || o->kind == O_OPT)
			grow(&words, fmt("--%s=%s", o->name, *(char **)field(p, o)));
		else if (o->kind == O_LIST)
			for (w = *(char ***)field(p, o); *w; w++)
				grow(&words, fmt("--%s=%s", o->name, *w));
		else
			grow(&words, fmt("--%s=%s", o->name, choice_word(o, *(int *)field(p, o))));
	}
	if (p->cmd) {
		grow(&words, "--");
		for (w = p->cmd; *w; w++)
			grow(&words, *w);
	}
	return words;
}

/* ---- what the table says of itself ------------------------------------- */

static char *
argument(const struct option *o)
{
	if (o->kind == O_BARE)
		return fmt("[=%s]", part(o, WORDS));
	if (o->kind == O_OPT)
		return fmt("[=%s]", part(o, ARG));
	if (!takes_argument(o))
		return xstrdup("");
	if (o->kind == O_CHOICE && !*part(o, ARG))
		return fmt("=%s", strlen(part(o, WORDS)) > 44 ? "MODE" : part(o, WORDS));
	return fmt("=%s", part(o, ARG));
}

void
plan_help(void)
{
	const struct option *o;
	char *left;
	size_t i;

	for (i = 0; i < LEN(options); i++) {
		o = &options[i];
		if (!WITH_HELP) {
			if (o->kind != O_TITLE && o->kind != O_KEY && *o->name)
				print(1, "--%s\n", o->name);
			continue;
		}
		if (o->kind == O_TITLE) {
			print(1, "\n%s:\n", o->name);
			continue;
		}
		if (o->kind == O_KEY)
			continue;
		left = o->letter ? fmt("-%c", o->letter) : xstrdup("  ");
		left = fmt("  %s %s%s%s", left, *o->name ? "--" : "", o->name, argument(o));
		verb_help_row(left, part(o, *o->name ? HELP : WORDS));
	}
}

void
plan_words_of(const char *option)
{
	const struct option *o = find(option, strlen(option));
	const char *w;
	size_t n;

	if (WITH_HELP && o->kind != O_CHOICE && o->kind != O_BARE && o->kind != O_OPT) {
		if (o->field == FIELD(char **, system_call_filter) || o->field == FIELD(char **, restrict_address_families))
			seccomp_list(option);
		else
			user_list(option);
		return;
	}
	for (w = part(o, o->kind == O_OPT ? ARG : WORDS); *w; w += n + (w[n] == '|')) {
		n = strcspn(w, "|");
		print(1, "%.*s\n", (int)n, w);
	}
}

void
plan_completion(void)
{
	const struct option *o;
	size_t i;

	if (!WITH_HELP)
		return;
	for (i = 0; i < LEN(options); i++) {
		o = &options[i];
		if (o->kind == O_TITLE)
			continue;
		if (o->letter)
			print(1, "-%c\n", o->letter);
		if (*o->name)
			print(1, "--%s%s\n", o->name, takes_argument(o) ? "=" : "");
	}
}

/* the list of options of the manual, in mdoc(7) */
void
plan_manual(void)
{
	const struct option *o;
	const char *w;
	size_t i, n;

	if (!WITH_HELP)
		return;
	for (i = 0; i < LEN(options); i++) {
		o = &options[i];
		if (o->kind == O_TITLE) {
			print(1, "%s.Ss %s\n.Bl -tag -width indent\n", i ? ".El\n" : "", o->name);
			continue;
		}
		if (o->kind == O_KEY)
			continue;
		print(1, ".It");
		if (o->letter)
			print(1, " Fl %c%s", o->letter, *o->name ? " ," : "");
		if (*o->name)
			print(1, " Fl \\-%s", o->name);
		if (o->kind == O_OPT)
			print(1, " Ns Op = Ns Ar %s", part(o, ARG));
		else if (*part(o, ARG))
			print(1, " Ns = Ns Ar %s", part(o, ARG));
		else if (o->kind == O_CHOICE)
			print(1, " Ns = Ns Ar MODE");
		else if (o->kind == O_BARE)
			print(1, " Ns Op = Ns Ar MODE");
		print(1, "\n%s.\n", part(o, *o->name ? HELP : WORDS));
		if (!*part(o, WORDS) || streq(part(o, WORDS), BOOLS) || !*o->name || o->kind == O_MEANS || o->kind == O_OPT || o->kind == O_REFUSED)
			continue;
		print(1, "One of");
		for (w = part(o, WORDS); *w; w += n + (w[n] == '|')) {
			n = strcspn(w, "|");
			print(1, "\n.Cm %.*s%s", (int)n, w, w[n] ? " ," : " .");
		}
		print(1, "\n");
	}
	print(1, ".El\n");
}
