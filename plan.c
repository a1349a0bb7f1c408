/* SPDX-License-Identifier: 0BSD */
/* Everything the user can say is a word, every word is a row, every row fills one field */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "nspawn-lite.h"
#include CONFIG

/* offset of a field, refusing at compile time a field of another type */
#define FIELD(t, f) (offsetof(struct plan, f) + 0 * sizeof((t *)0 == &((struct plan *)0)->f))
#define FLAG(f)        O_FLAG, FIELD(bool, f), NULL, NULL
#define BOOL(f)        O_CHOICE, FIELD(int, f), bools, "BOOL"
#define STR(f, arg)    O_STR, FIELD(char *, f), NULL, arg
#define CHOICE(f, w)   O_CHOICE, FIELD(int, f), w, NULL
#define BARE(f, w)     O_BARE, FIELD(int, f), w, NULL
#define OPT(f, arg)    O_OPT, FIELD(char *, f), "yes", arg
#define LIST(f, arg)   O_LIST, FIELD(char **, f), NULL, arg
#define MEANS(w)       O_MEANS, 0, w, NULL
#define SHOW(n)        O_SHOW, n, NULL, NULL
#define NOTHING        O_NOTHING, 0, NULL, NULL
#define IGNORED(arg)   O_IGNORED, 0, NULL, arg
#define REFUSED(arg)   O_REFUSED, 0, NULL, arg
#define REFUSED_BUT(w, arg) O_REFUSED, 0, w, arg
#define KEY(text)      O_KEY, 0, text, NULL

/* rows end where they have no more to say */
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
	O_KEY,      /* only a key of .nspawn files; the words column says what becomes of it in this build */
};

static const char bools[] = "yes|no";

static const struct option {
	const char *name;
	char letter;
	enum kind kind;
	size_t field;
	const char *words, *arg, *help;
	const char *key;  /* its name in a .nspawn file, behind that of the section */
	int how;          /* K_..., what that does */
} options[] = {
	{ "General", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "help",            'h', SHOW(SHOW_HELP),             "show this text" },
	{ "version",          0,  SHOW(SHOW_VERSION),          "show the version" },
	{ "quiet",           'q', FLAG(quiet),                 "say nothing about our own doings" },
	{ "verbose",         'v', FLAG(verbose),               "say each step as it is taken" },
	{ "settings",         0,  CHOICE(settings, "no|yes|override|trusted"),
	                                                       "read the .nspawn file of the machine; override: it wins over options" },
	{ "no-defaults",      0,  FLAG(no_defaults),           "leave out what config.h says for all machines" },
	{ "no-pager",         0,  NOTHING,                     "accepted: nothing is ever paged" },
	{ "no-ask-password",  0,  NOTHING,                     "accepted: nothing is ever asked" },
	{ "system",           0,  NOTHING,                     "accepted: there is one manager only" },

	{ "Image", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "directory",       'D', STR(directory, "DIR"),       "the tree that becomes /" },
	{ "image",           'i', STR(image, "PATH"),          "a disk image or block device, whose file system becomes /" },
	{ "partition",        0,  STR(partition, "N"),         "take this partition of it" },
	{ "template",         0,  STR(template, "PATH"),       "make the tree of this one, if it is not there yet" },
	{ "image-root",       0,  STR(image_root, "DIR"),      "look for images of -M in DIR only" },
	{ "ephemeral",       'x', FLAG(ephemeral),             "forget all changes at the end",
	                                                       "Exec.Ephemeral", K_TRUST },
	{ "read-only",        0,  FLAG(read_only),             "mount the tree read-only", "Files.ReadOnly", K_KEEP },
	{ "volatile",         0,  BARE(volat, "no|yes|state|overlay"),
	                                                       "yes: only /usr is kept; state: /var is not; overlay: nothing",
	                                                       "Files.Volatile", K_KEEP },
	{ "pivot-root",       0,  STR(pivot_root, "NEW[:OLD]"), "make NEW of the tree the root, and show the tree at OLD",
	                                                       "Exec.PivotRoot" },
	{ "image-policy",     0,  REFUSED_BUT("*", "POLICY"),  "\"*\" only: partitions are not told apart by a policy" },
	{ "root-hash",        0,  REFUSED("HASH"),             "dm-verity is not built: open it with veritysetup, and mount it" },
	{ "root-hash-sig",    0,  REFUSED("SIGNATURE"),        "dm-verity is not built: open it with veritysetup, and mount it" },
	{ "verity-data",      0,  REFUSED("PATH"),             "dm-verity is not built: open it with veritysetup, and mount it" },
	{ "mstack",           0,  REFUSED("PATH"),             "stacks of layers are not read: name the layers with --overlay" },

	{ "Mounts", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "bind",             0,  LIST(bind, "SRC[:DST[:OPT,...]]"), "show a file or directory of the host inside",
	                                                       "Files.Bind", K_MOUNTS | K_TRUST },
	{ "bind-ro",          0,  LIST(bind_ro, "SRC[:DST[:OPT,...]]"), "the same, read-only",
	                                                       "Files.BindReadOnly", K_MOUNTS | K_TRUST },
	{ "tmpfs",            0,  LIST(tmpfs, "PATH[:OPT,...]"), "an empty directory in memory",
	                                                       "Files.TemporaryFileSystem", K_MOUNTS | K_TRUST },
	{ "overlay",          0,  LIST(overlay, "LOWER[:...]:UPPER:DST"), "directories in layers; changes go to UPPER",
	                                                       "Files.Overlay", K_MOUNTS | K_TRUST },
	{ "overlay-ro",       0,  LIST(overlay_ro, "LOWER:...:DST"), "directories in layers, read-only",
	                                                       "Files.OverlayReadOnly", K_MOUNTS | K_TRUST },
	{ "inaccessible",     0,  LIST(inaccessible, "PATH"),  "cover PATH with a node that nobody can use",
	                                                       "Files.Inaccessible", K_MOUNTS | K_TRUST },

	{ "User namespace", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "private-users",    0,  OPT(private_users, "no|yes|pick|auto|identity|BASE[:N]"),
	                                                       "users and groups of its own, from BASE on; yes: as the tree's owner",
	                                                       "Exec.PrivateUsers", K_USERNS | K_YESNO | K_TRUST },
	{ NULL,              'U', MEANS("--private-users=auto"), "" },
	{ "private-users-ownership", 0, CHOICE(private_users_ownership, "off|chown|map|auto|try-map"),
	                                                       "how the tree's owners become those",
	                                                       "Files.PrivateUsersOwnership", K_USERNS | K_TRUST },
	{ "private-users-chown", 0, MEANS("--private-users-ownership=chown"), "short for --private-users-ownership=chown",
	                                                       "Files.PrivateUsersChown", K_USERNS | K_CHOWN | K_TRUST },
	{ "private-users-delegate", 0, REFUSED("N"),           "no ranges are handed on: give one larger range, BASE:N" },
	{ "bind-user",        0,  REFUSED("NAME"),             "users of the host are not recorded inside: bind the home with owneridmap",
	                                                       "Files.BindUser", K_TRUST },
	{ "bind-user-shell",  0,  REFUSED("SHELL"),            "users of the host are not recorded inside" },
	{ "bind-user-group",  0,  REFUSED("GROUP"),            "users of the host are not recorded inside" },

	{ "Payload", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "boot",            'b', FLAG(boot),                  "start the tree's own init",
	                                                       "Exec.Boot", K_START | K_BOOT },
	{ "as-pid2",         'a', FLAG(as_pid2),               "run the command below a small init of ours",
	                                                       "Exec.ProcessTwo", K_START | K_PID2 },
	{ "chdir",            0,  STR(chdir, "PATH"),          "start in PATH", "Exec.WorkingDirectory" },
	{ "setenv",          'E', LIST(setenv, "NAME[=VALUE]"), "put a variable into the environment",
	                                                       "Exec.Environment", K_VARIABLES },
	{ "user",            'u', STR(user, "USER"),           "run as USER of the tree", "Exec.User", K_KEEP },
	{ "uid",              0,  STR(user, "USER"),           "another name of --user" },
	{ NULL,               0,  KEY(NULL),                   NULL, "Exec.Parameters", K_START | K_COMMAND },
	{ "kill-signal",      0,  STR(kill_signal, "SIGNAL"),  "what asks the payload to end", "Exec.KillSignal" },
	{ "notify-ready",     0,  BOOL(notify_ready),          "ready when the payload's init says so",
	                                                       "Exec.NotifyReady" },

	{ "Identity", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "machine",         'M', STR(machine, "NAME"),        "name of the machine, and of its image without -D" },
	{ "hostname",         0,  STR(hostname, "NAME"),       "host name inside", "Exec.Hostname" },
	{ "uuid",             0,  STR(uuid, "UUID"),           "machine id, for a tree that has none",
	                                                       "Exec.MachineID", K_TRUST },
	{ "slice",           'S', STR(slice, "SLICE"),         "parent of the machine's control group" },
	{ "register",         0,  BOOL(registered),            "mark the machine as one for lists" },
	{ "keep-unit",        0,  FLAG(keep_unit),             "stay below our own control group; end at a reboot" },

	{ "Life", 0, O_TITLE, 0, NULL, NULL, NULL },
#if WITH_MACHINES
	{ "wait-for",         0,  LIST(wait_for, "PATH|interface:IF|machine:NAME"), "start once this is there, and give up after a while" },
#endif
	{ "restart",          0,  CHOICE(restart, "no|on-failure|always"), "begin again when it has ended, after a pause that grows" },
	{ "notify-fd",        0,  STR(notify_fd, "N"),         "write a line to this fd when it is ready" },

	{ "Network", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "private-network",  0,  FLAG(private_network),       "a network of its own, with a loopback",
	                                                       "Network.Private", K_NETWORK | K_TRUST },
	{ "network-veth",    'n', FLAG(network_veth),          "a link to the host, called host0 inside, with an address",
	                                                       "Network.VirtualEthernet", K_NETWORK | K_TRUST },
	{ "network-bridge",   0,  STR(network_bridge, "BRIDGE"), "the same as a port of a bridge, which is the network's own affair",
	                                                       "Network.Bridge", K_NETWORK | K_TRUST },
	{ "network-zone",     0,  STR(network_zone, "ZONE"),   "the same on a bridge that all machines of the zone share",
	                                                       "Network.Zone", K_NETWORK | K_TRUST },
	{ "network-veth-extra", 0, LIST(network_veth_extra, "HOST[:GUEST]"), "a further link to the host, by these names",
	                                                       "Network.VirtualEthernetExtra", K_NETWORK | K_TRUST },
	{ "network-interface", 0, LIST(network_interface, "HOST[:GUEST]"), "hand over a network interface; it comes back at the end",
	                                                       "Network.Interface", K_NETWORK | K_WORDS | K_TRUST },
	{ "network-macvlan",  0,  LIST(network_macvlan, "HOST[:GUEST]"), "a link on the network of an interface, with a MAC of its own",
	                                                       "Network.MACVLAN", K_NETWORK | K_WORDS | K_TRUST },
	{ "network-ipvlan",   0,  LIST(network_ipvlan, "HOST[:GUEST]"), "the same with the interface's MAC",
	                                                       "Network.IPVLAN", K_NETWORK | K_WORDS | K_TRUST },
	{ "network-namespace-path", 0, STR(network_namespace_path, "PATH"), "join a network that is there: /run/netns/NAME",
	                                                       "Network.NamespacePath", K_NETWORK | K_TRUST },
	{ "network-veth-name", 0, STR(network_veth_name, "NAME"), "what host0 is called inside" },
	{ "network-mac",      0,  STR(network_mac, "MAC"),     "its MAC address" },
	{ "network-address",  0,  LIST(network_address, "ADDR[/N]|auto|none"), "the address of its first link; auto is for -n and zones" },
	{ "network-gateway",  0,  LIST(network_gateway, "ADDR|none"), "where its default route leads" },
	{ "network-dns",      0,  LIST(network_dns, "ADDR|none"), "a name server for it" },
	{ "port",            'p', LIST(port, "[tcp:|udp:][ADDR:]HOST[:GUEST]"), "a port, or FIRST-LAST, of the host that leads to it",
	                                                       "Network.Port", K_PORTS | K_TRUST },

	{ "Rights", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "capability",       0,  LIST(capability, "CAP,..."), "keep these capabilities too",
	                                                       "Exec.Capability", K_CAPS | K_BLANKS | K_TRUST },
	{ "drop-capability",  0,  LIST(drop_capability, "CAP,..."), "drop these capabilities",
	                                                       "Exec.DropCapability", K_CAPS | K_BLANKS | K_KEEP },
	{ "ambient-capability", 0, LIST(ambient_capability, "CAP,..."), "give these to a payload that is not root",
	                                                       "Exec.AmbientCapability", K_CAPS | K_BLANKS | K_TRUST },
	{ "no-new-privileges", 0, BOOL(no_new_privileges),     "set-user-ID and the like gain nothing",
	                                                       "Exec.NoNewPrivileges", K_KEEP },
	{ "system-call-filter", 0, LIST(system_call_filter, "[~]CALL|@GROUP ..."), "allow these system calls too; ~: refuse these",
	                                                       "Exec.SystemCallFilter", K_KEEP | K_GRANT },
	{ "restrict-address-families", 0, LIST(restrict_address_families, "[~]AF_..."), "sockets of these families only; ~: not these",
	                                                       "Exec.RestrictAddressFamilies", K_KEEP },
	{ "suppress-sync",    0,  BOOL(suppress_sync),         "sync and the like do nothing", "Exec.SuppressSync" },
	{ "nesting",          0,  BOOL(nesting),               "let container runtimes run inside" },
	{ "selinux-context", 'Z', STR(selinux_context, "LABEL"), "SELinux label of the payload" },
	{ "selinux-apifs-context", 'L', STR(selinux_apifs_context, "LABEL"), "SELinux label of what is mounted for it" },

	{ "Limits", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "property",         0,  LIST(property, "NAME=VALUE"), "a limit of its control group: MemoryMax=64M, CPUQuota=20%, ..." },
	{ "device",           0,  LIST(device, "PATH|CLASS[:rwm]"), "let it use a device of the host, or all of a class" },
	{ "rlimit",           0,  LIST(rlimit, "NAME=SOFT[:HARD]"), "set a resource limit",
	                                                       "Exec.Limit", K_LIMITS | K_NAMED | K_TRUST },
	{ "oom-score-adjust", 0,  STR(oom_score_adjust, "N"),  "how gladly the OOM killer takes it: -1000 to 1000",
	                                                       "Exec.OOMScoreAdjust", K_TRUST },
	{ "cpu-affinity",     0,  LIST(cpu_affinity, "CPUS"),  "run on these CPUs only: 0-3,5",
	                                                       "Exec.CPUAffinity", K_TRUST },
	{ "personality",      0,  STR(personality, "ARCH"),    "what uname says of the machine", "Exec.Personality" },

	{ "Integration", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "resolv-conf",      0,  CHOICE(resolv_conf,
		"off|copy-host|copy-static|copy-uplink|copy-stub|replace-host|replace-static|replace-uplink|"
		"replace-stub|bind-host|bind-static|bind-uplink|bind-stub|delete|auto"),
	                                                       "what becomes of /etc/resolv.conf", "Exec.ResolvConf" },
	{ "timezone",         0,  CHOICE(timezone, "off|copy|bind|symlink|delete|auto"),
	                                                       "what becomes of /etc/localtime", "Exec.Timezone" },
	{ "link-journal",     0,  CHOICE(link_journal, "no|host|try-host|guest|try-guest|auto"),
	                                                       "where the machine's journal lives",
	                                                       "Exec.LinkJournal", K_TRUST },
	{ NULL,              'j', MEANS("--link-journal=try-guest"), "" },
	{ "forward-journal",  0,  IGNORED("SOCKET"),           "accepted, without effect" },

	{ "Terminal", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "console",          0,  CHOICE(console, "interactive|read-only|passive|pipe|autopipe"),
	                                                       "what the payload's terminal is" },
	{ "pipe",            'P', MEANS("--console=pipe"),     "our own input and output, no terminal" },
#if WITH_MACHINES
	{ "log",              0,  LIST(log, "PATH|syslog|no"),  "where its console is kept, too, besides the last of it in memory" },
#endif
	{ "background",       0,  IGNORED("COLOUR"),           "accepted: terminals are never tinted" },

	{ "Credentials", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "set-credential",   0,  LIST(set_credential, "ID:VALUE"), "a credential and its value" },
	{ "load-credential",  0,  LIST(load_credential, "ID:PATH"), "a credential from a file or a socket" },

	{ "Taken from the environment by the original", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "tmpfs-tmp",        0,  BOOL(tmpfs_tmp),             "/tmp in memory (yes)" },
	{ "api-vfs-writable", 0,  CHOICE(api_vfs_writable, "no|yes|network"), "/proc/sys and /sys writable" },
	{ "share-ipc",        0,  BOOL(share_ipc),             "no IPC namespace of its own" },
	{ "share-pid",        0,  BOOL(share_pid),             "no PID namespace of its own" },
	{ "share-uts",        0,  BOOL(share_uts),             "no UTS namespace of its own" },
	{ "cgroup-namespace", 0,  BOOL(cgroup_namespace),      "a control group namespace (yes)" },
	{ "unified-hierarchy", 0, BOOL(unified),               "show cgroup2 inside (yes, where the host has it)" },
	{ "container-service", 0, STR(container_service, "NAME"), "value of $container" },
	{ "lock",             0,  BOOL(lock),                  "one run of a tree at a time (yes)" },
	{ "check-os-release", 0,  BOOL(check_os_release),      "warn when the tree has no os-release (yes)" },
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
	{ "directory", 0, "image", 0, "--directory= and --image= may not be combined." },
	{ "template", 0, "image", 0, "--template= and --image= may not be combined." },
	{ "boot", 0, "as-pid2", 0, "--boot and --as-pid2 may not be combined." },
	{ "boot", 0, "share-pid", YES, "--boot may not be combined with a shared PID namespace." },
	{ "boot", 0, "share-uts", YES, "--boot may not be combined with a shared UTS namespace." },
	{ "as-pid2", 0, "share-pid", YES, "--as-pid2 may not be combined with a shared PID namespace." },
	{ "boot", 0, "ambient-capability", 0, "AmbientCapability= setting is not useful for boot mode." },
	{ "private-users", 0, "api-vfs-writable", VFS_YES, "Cannot combine --private-users with read-write mounts." },
	{ "read-only", 0, "private-users-ownership", OWNERSHIP_CHOWN,
		"--read-only and --private-users-ownership=chown may not be combined." },
	{ "volatile", VOLATILE_YES, "private-users-ownership", OWNERSHIP_CHOWN,
		"--volatile= and --private-users-ownership=chown may not be combined." },
	{ "volatile", VOLATILE_STATE, "private-users-ownership", OWNERSHIP_CHOWN,
		"--volatile= and --private-users-ownership=chown may not be combined." },
	{ "volatile", VOLATILE_OVERLAY, "private-users-ownership", OWNERSHIP_CHOWN,
		"--volatile= and --private-users-ownership=chown may not be combined." },
	{ "network-bridge", 0, "network-zone", 0, "--network-bridge= and --network-zone= may not be combined." },
	{ "network-namespace-path", 0, "network-veth", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-bridge", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-zone", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-veth-extra", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-interface", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-macvlan", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "network-namespace-path", 0, "network-ipvlan", 0, "--network-namespace-path= cannot be combined with other network options." },
	{ "ephemeral", 0, "link-journal", JOURNAL_HOST, "--ephemeral and --link-journal={host,guest} may not be combined." },
	{ "ephemeral", 0, "link-journal", JOURNAL_GUEST, "--ephemeral and --link-journal={host,guest} may not be combined." },
};

static const char *const defaults[] = { DEFAULTS, NULL };
static const struct { const char *machine; const char *options[12]; bool enabled; } machines[] = { MACHINES };

/* .nspawn files that were there when this was made: make NSPAWN=DIR */
static const struct { const char *machine; const char *const *words; } compiled[] = {
#ifdef NSPAWN
#include NSPAWN
#endif
	{ NULL, NULL },
};

static void *
field(const struct plan *p, const struct option *o)
{
	return (char *)(uintptr_t)p + o->field;
}

/* the row of a long option, or of an unambiguous beginning of one */
static const struct option *
find(const char *name, size_t len)
{
	const struct option *found = NULL;
	char *others = NULL;
	size_t i;

	for (i = 0; i < LEN(options); i++) {
		if (options[i].kind == O_TITLE || !options[i].name || strncmp(options[i].name, name, len) != 0)
			continue;
		if (strlen(options[i].name) == len)
			return &options[i];
		if (found)
			others = fmt("%s '--%s'", others ? others : fmt("'--%s'", found->name), options[i].name);
		else
			found = &options[i];
	}
	if (others)
		verb_misuse(fmt("option '--%.*s' is ambiguous; possibilities: %s", (int)len, name, others));
	return found;
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
	int i = word_index(o->words, value), yes = parse_bool(value);

	if (i < 0 && yes >= 0)  /* any spelling of yes and no */
		i = word_index(o->words, yes ? "yes" : "no");
	if (i < 0 && streq(value, "help")) {
		p->show = SHOW_WORDS;
		p->show_option = o->name;
		return;
	}
	if (i < 0) {
		char *list = xstrdup(o->words);
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
		if (streq(value, "help") && o->arg && (streq(o->name, "kill-signal"))) {
			p->show = SHOW_WORDS;
			p->show_option = o->name;
			break;
		}
		*(char **)field(p, o) = *value ? (char *)(uintptr_t)value : NULL;
		if (!*value && !streq(o->name, "machine"))  /* -M "" takes the name back */
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
		*(char **)field(p, o) = (char *)(uintptr_t)(value && *value ? value : o->words);
		break;
	case O_REFUSED:
		if (!streq(value, o->words))
			die("--%s: %s", o->name, o->help);
		break;
	case O_BARE:
	case O_CHOICE:
		set_choice(p, o, value ? value : "yes");
		break;
	case O_LIST:
		if (streq(value, "help") && (strstr(o->name, "capability") || streq(o->name, "rlimit")
		    || streq(o->name, "system-call-filter") || streq(o->name, "restrict-address-families"))) {
			p->show = SHOW_WORDS;
			p->show_option = o->name;
			break;
		}
		grow((char ***)field(p, o), value);
		break;
	case O_MEANS:
		set_word(p, o->words);
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
		die("%s: no such option", word);
	set(p, o, word[2 + len] ? word + 2 + len + 1 : NULL);
}

static const struct option *
must_find(const char *name, size_t len)
{
	const struct option *o = len ? find(name, len) : NULL;

	if (o)
		return o;
	verb_misuse(fmt("unrecognized option '--%s'", name));
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
	verb_misuse(fmt("invalid option -- '%c'", c));
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
	const char *value;
	size_t i;

	for (i = 0; i < LEN(environment); i++) {
		value = getenv(environment[i].variable);
		if (value && *value)
			set(p, find(environment[i].option, strlen(environment[i].option)), value);
	}
	value = getenv("SYSTEMD_NSPAWN_SHARE_SYSTEM");
	if (value && parse_bool(value) == 1)
		p->share_ipc = p->share_pid = p->share_uts = YES;
	if (streq(getenv("SYSTEMD_LOG_LEVEL"), "debug"))
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

	for (o = options; o < options + LEN(options); o++)
		if (o->key && (streq(name, o->key) ? (o->how & K_FORM) != K_NAMED
		                                   : (o->how & K_FORM) == K_NAMED && after(name, o->key)))
			return (struct key){ o->key, o->name, o->kind == O_KEY ? o->words : NULL, o->kind == O_LIST, o->how };
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

	if (!group || group == K_LIMITS)
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
		settings_take(&s, &k);
	}
	words = settings_words(&s);
	return words ? words : xalloc(sizeof(*words));
}

/* maybe for another machine, whose rooms know other system calls */
char **
plan_settings(const char *path)
{
	return words_of_file(path, true, true, check_form);
}

/* what the file of this machine says, or one that was compiled in; NULL: nothing */
static char **
find_settings(const struct plan *line, int mode, bool *trusted)
{
	char real[PATH_MAX], **words = NULL, *path;
	const char *tree, *name;
	size_t i, n;

	if (mode == SETTINGS_NO || (!mode && LEN(compiled) == 1))
		return NULL;
	tree = line->directory ? line->directory : line->image ? line->image : line->machine ? image_search(line, line->machine) : ".";
	if (tree && realpath(tree, real))
		tree = real;
	name = line->machine ? line->machine : store_derive_name(tree);
	if (!name)
		return NULL;
	path = mode ? settings_find(name, tree == real ? tree : NULL, trusted) : NULL;
	if (path && *trusted)
		return words_of_file(path, true, true, check_value);
	for (i = 0; compiled[i].machine && !line->no_defaults; i++)
		if (streq(compiled[i].machine, name)) {
			for (n = 0; compiled[i].words[n]; n++)
				grow(&words, xstrdup(compiled[i].words[n]));
			*trusted = true;
			return words;
		}
	*trusted = mode == SETTINGS_TRUSTED;
	return path ? words_of_file(path, false, *trusted, check_value) : NULL;
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
 * The command line is read twice: once to learn the name, then again behind what config.h has
 * for all machines and for those of this name. A file of settings stands between the two, or
 * with --settings=override behind them. Reading has no side effects.
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
	if (line.show == SHOW_NOTHING) {
		mode = line.settings ? line.settings : p->settings;
		file = find_settings(&line, mode, &trusted);
	}
	if (file && mode && mode != SETTINGS_OVERRIDE)
		merge(p, file, &line, trusted);
	parse(p, words);
	if (file && (!mode || mode == SETTINGS_OVERRIDE))
		merge(p, file, NULL, trusted);
	if (file && mode)  /* all is said now */
		p->settings = SETTINGS_NO;
}

void
plan_parse_start(struct plan *p, const char *name, const struct ask *a)
{
	/* as systemd-nspawn@.service has them */
	static char *const start[] = {
		"--boot", "--network-veth", "--private-users=auto", "--private-users-ownership=try-map", "--link-journal=try-guest", NULL,
	};
	bool claimed[LEN(options)] = { false };
	char **words = NULL;
	struct plan by;

	grow(&words, "--quiet");
	grow(&words, fmt("--machine=%s", name));
	if (a->image_root)
		grow(&words, fmt("--image-root=%s", a->image_root));
	p->claimed = claimed;
	plan_parse(p, words);
	by = *p;
	p->claimed = NULL;
	merge(p, (char **)(uintptr_t)start, &by, true);
	plan_check(p);
}

char **
plan_enabled(void)
{
	char **list = NULL;
	size_t i;

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
		a = find(conflicts[i].a, strlen(conflicts[i].a));
		b = find(conflicts[i].b, strlen(conflicts[i].b));
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
	userns_check(p);
	user_check(p);
	net_check(p);
	move_check(p);
	address_check(p);
	port_check(p);
	cgroup_check(p);
	limit_check(p);
	device_check(p);
	seccomp_check(p);
	if (WITH_MACHINES)
		attach_check(p);
}

static char *
choice_word(const struct option *o, int value)
{
	const char *w = o->words;

	while (--value > 0)
		w += strcspn(w, "|") + 1;
	return fmt("%.*s", (int)strcspn(w, "|"), w);
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
		return fmt("[=%s]", o->words);
	if (o->kind == O_OPT)
		return fmt("[=%s]", o->arg);
	if (!takes_argument(o))
		return xstrdup("");
	if (o->kind == O_CHOICE && !o->arg)
		return fmt("=%s", strlen(o->words) > 44 ? "MODE" : o->words);
	return fmt("=%s", o->arg);
}

void
plan_help(void)
{
	const struct option *o;
	char *left;
	size_t i;

	for (i = 0; i < LEN(options); i++) {
		o = &options[i];
		if (o->kind == O_TITLE) {
			print(1, "\n%s:\n", o->name);
			continue;
		}
		if (o->kind == O_KEY)
			continue;
		left = o->letter ? fmt("-%c", o->letter) : xstrdup("  ");
		left = fmt("  %s %s%s%s", left, o->name ? "--" : "", o->name ? o->name : "", argument(o));
		if (!o->name)
			print(1, "%-34s %s\n", left, o->words);
		else if (strlen(left) > 34)
			print(1, "%s\n%-34s %s\n", left, "", o->help);
		else
			print(1, "%-34s %s\n", left, o->help);
	}
}

void
plan_words_of(const char *option)
{
	const struct option *o = find(option, strlen(option));
	const char *w;
	size_t n;

	if (o->kind != O_CHOICE && o->kind != O_BARE && o->kind != O_OPT) {
		if (o->field == FIELD(char **, system_call_filter) || o->field == FIELD(char **, restrict_address_families))
			seccomp_list(option);
		else
			user_list(option);
		return;
	}
	for (w = o->kind == O_OPT ? o->arg : o->words; *w; w += n + (w[n] == '|')) {
		n = strcspn(w, "|");
		print(1, "%.*s\n", (int)n, w);
	}
}

void
plan_completion(void)
{
	const struct option *o;
	size_t i;

	for (i = 0; i < LEN(options); i++) {
		o = &options[i];
		if (o->kind == O_TITLE)
			continue;
		if (o->letter)
			print(1, "-%c\n", o->letter);
		if (o->name)
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
			print(1, " Fl %c%s", o->letter, o->name ? " ," : "");
		if (o->name)
			print(1, " Fl \\-%s", o->name);
		if (o->kind == O_OPT)
			print(1, " Ns Op = Ns Ar %s", o->arg);
		else if (o->arg)
			print(1, " Ns = Ns Ar %s", o->arg);
		else if (o->kind == O_CHOICE)
			print(1, " Ns = Ns Ar MODE");
		else if (o->kind == O_BARE)
			print(1, " Ns Op = Ns Ar MODE");
		print(1, "\n%s.\n", o->name ? o->help : o->words);
		if (!o->words || o->words == bools || !o->name || o->kind == O_MEANS || o->kind == O_OPT || o->kind == O_REFUSED)
			continue;
		print(1, "One of");
		for (w = o->words; *w; w += n + (w[n] == '|')) {
			n = strcspn(w, "|");
			print(1, "\n.Cm %.*s%s", (int)n, w, w[n] ? " ," : " .");
		}
		print(1, "\n");
	}
	print(1, ".El\n");
}
