/* SPDX-License-Identifier: 0BSD */
/* Everything the user can say is a word, every word is a row, every row fills one field */
#include <errno.h>
#include <fnmatch.h>
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

enum kind {
	O_TITLE, O_FLAG, O_STR, O_CHOICE,
	O_BARE,     /* a choice whose argument may be missing: "yes", then */
	O_LIST,
	O_MEANS,    /* short for another word */
	O_SHOW,
	O_NOTHING,  /* accepted, without effect */
	O_IGNORED,  /* the same, with an argument */
	O_OPT,      /* a string that may be missing: that of the words column, then */
	O_REFUSED,  /* known, and not to be had: its help says why */
};

static const char bools[] = "yes|no";

static const struct option {
	const char *name;
	char letter;
	enum kind kind;
	size_t field;
	const char *words, *arg, *help;
} options[] = {
	{ "General", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "help",            'h', SHOW(SHOW_HELP),             "show this text" },
	{ "version",          0,  SHOW(SHOW_VERSION),          "show the version" },
	{ "quiet",           'q', FLAG(quiet),                 "say nothing about our own doings" },
	{ "verbose",         'v', FLAG(verbose),               "say each step as it is taken" },
	{ "settings",         0,  CHOICE(settings, "no|yes|override|trusted"),
	                                                       "no: do not mention a .nspawn file that is not read" },
	{ "no-defaults",      0,  FLAG(no_defaults),           "leave out what config.h says for all machines" },
	{ "no-pager",         0,  NOTHING,                     "accepted: nothing is ever paged" },
	{ "no-ask-password",  0,  NOTHING,                     "accepted: nothing is ever asked" },
	{ "system",           0,  NOTHING,                     "accepted: there is one manager only" },

	{ "Image", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "directory",       'D', STR(directory, "DIR"),       "the tree that becomes /" },
	{ "image-root",       0,  STR(image_root, "DIR"),      "look for images of -M in DIR only" },
	{ "ephemeral",       'x', FLAG(ephemeral),             "forget all changes at the end" },
	{ "read-only",        0,  FLAG(read_only),             "mount the tree read-only" },
	{ "volatile",         0,  BARE(volat, "no|yes|state|overlay"),
	                                                       "yes: only /usr is kept; state: /var is not; overlay: nothing" },
	{ "pivot-root",       0,  STR(pivot_root, "NEW[:OLD]"), "make NEW of the tree the root, and show the tree at OLD" },

	{ "Mounts", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "bind",             0,  LIST(bind, "SRC[:DST[:OPT,...]]"), "show a file or directory of the host inside" },
	{ "bind-ro",          0,  LIST(bind_ro, "SRC[:DST[:OPT,...]]"), "the same, read-only" },
	{ "tmpfs",            0,  LIST(tmpfs, "PATH[:OPT,...]"), "an empty directory in memory" },
	{ "overlay",          0,  LIST(overlay, "LOWER[:...]:UPPER:DST"), "directories in layers; changes go to UPPER" },
	{ "overlay-ro",       0,  LIST(overlay_ro, "LOWER:...:DST"), "directories in layers, read-only" },
	{ "inaccessible",     0,  LIST(inaccessible, "PATH"),  "cover PATH with a node that nobody can use" },

	{ "User namespace", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "private-users",    0,  OPT(private_users, "no|yes|pick|auto|identity|BASE[:N]"),
	                                                       "users and groups of its own, from BASE on; yes: as the tree's owner" },
	{ NULL,              'U', MEANS("--private-users=auto"), "" },
	{ "private-users-ownership", 0, CHOICE(private_users_ownership, "off|chown|map|auto"),
	                                                       "how the tree's owners become those" },
	{ "private-users-chown", 0, MEANS("--private-users-ownership=chown"), "short for --private-users-ownership=chown" },
	{ "private-users-delegate", 0, REFUSED("N"),           "no ranges are handed on: give one larger range, BASE:N" },
	{ "bind-user",        0,  REFUSED("NAME"),             "users of the host are not recorded inside: bind the home with owneridmap" },
	{ "bind-user-shell",  0,  REFUSED("SHELL"),            "users of the host are not recorded inside" },
	{ "bind-user-group",  0,  REFUSED("GROUP"),            "users of the host are not recorded inside" },

	{ "Payload", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "boot",            'b', FLAG(boot),                  "start the tree's own init" },
	{ "as-pid2",         'a', FLAG(as_pid2),               "run the command below a small init of ours" },
	{ "chdir",            0,  STR(chdir, "PATH"),          "start in PATH" },
	{ "setenv",          'E', LIST(setenv, "NAME[=VALUE]"), "put a variable into the environment" },
	{ "user",            'u', STR(user, "USER"),           "run as USER of the tree" },
	{ "uid",              0,  STR(user, "USER"),           "another name of --user" },
	{ "kill-signal",      0,  STR(kill_signal, "SIGNAL"),  "what asks the payload to end" },
	{ "notify-ready",     0,  BOOL(notify_ready),          "ready when the payload's init says so" },

	{ "Identity", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "machine",         'M', STR(machine, "NAME"),        "name of the machine, and of its image without -D" },
	{ "hostname",         0,  STR(hostname, "NAME"),       "host name inside" },
	{ "uuid",             0,  STR(uuid, "UUID"),           "machine id, for a tree that has none" },
	{ "slice",           'S', STR(slice, "SLICE"),         "parent of the machine's control group" },
	{ "register",         0,  BOOL(registered),            "mark the machine as one for lists" },
	{ "keep-unit",        0,  FLAG(keep_unit),             "stay below our own control group; end at a reboot" },

	{ "Network", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "private-network",  0,  FLAG(private_network),       "a network of its own, with a loopback" },

	{ "Rights", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "capability",       0,  LIST(capability, "CAP,..."), "keep these capabilities too" },
	{ "drop-capability",  0,  LIST(drop_capability, "CAP,..."), "drop these capabilities" },
	{ "ambient-capability", 0, LIST(ambient_capability, "CAP,..."), "give these to a payload that is not root" },
	{ "no-new-privileges", 0, BOOL(no_new_privileges),     "set-user-ID and the like gain nothing" },
	{ "system-call-filter", 0, LIST(system_call_filter, "[~]CALL|@GROUP ..."), "allow these system calls too; ~: refuse these" },
	{ "restrict-address-families", 0, LIST(restrict_address_families, "[~]AF_..."), "sockets of these families only; ~: not these" },
	{ "suppress-sync",    0,  BOOL(suppress_sync),         "sync and the like do nothing" },
	{ "nesting",          0,  BOOL(nesting),               "let container runtimes run inside" },
	{ "selinux-context", 'Z', STR(selinux_context, "LABEL"), "SELinux label of the payload" },
	{ "selinux-apifs-context", 'L', STR(selinux_apifs_context, "LABEL"), "SELinux label of what is mounted for it" },

	{ "Limits", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "property",         0,  LIST(property, "NAME=VALUE"), "a limit of its control group: MemoryMax=64M, CPUQuota=20%, ..." },
	{ "device",           0,  LIST(device, "PATH|CLASS[:rwm]"), "let it use a device of the host, or all of a class" },
	{ "rlimit",           0,  LIST(rlimit, "NAME=SOFT[:HARD]"), "set a resource limit" },
	{ "oom-score-adjust", 0,  STR(oom_score_adjust, "N"),  "how gladly the OOM killer takes it: -1000 to 1000" },
	{ "cpu-affinity",     0,  LIST(cpu_affinity, "CPUS"),  "run on these CPUs only: 0-3,5" },
	{ "personality",      0,  STR(personality, "ARCH"),    "what uname says of the machine" },

	{ "Integration", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "resolv-conf",      0,  CHOICE(resolv_conf,
		"off|copy-host|copy-static|copy-uplink|copy-stub|replace-host|replace-static|replace-uplink|"
		"replace-stub|bind-host|bind-static|bind-uplink|bind-stub|delete|auto"),
	                                                       "what becomes of /etc/resolv.conf" },
	{ "timezone",         0,  CHOICE(timezone, "off|copy|bind|symlink|delete|auto"),
	                                                       "what becomes of /etc/localtime" },
	{ "link-journal",     0,  CHOICE(link_journal, "no|host|try-host|guest|try-guest|auto"),
	                                                       "where the machine's journal lives" },
	{ NULL,              'j', MEANS("--link-journal=try-guest"), "" },
	{ "forward-journal",  0,  IGNORED("SOCKET"),           "accepted, without effect" },

	{ "Terminal", 0, O_TITLE, 0, NULL, NULL, NULL },
	{ "console",          0,  CHOICE(console, "interactive|read-only|passive|pipe|autopipe"),
	                                                       "what the payload's terminal is" },
	{ "pipe",            'P', MEANS("--console=pipe"),     "our own input and output, no terminal" },
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
};

/* two that exclude each other, and the original's sentence; a value stands for one word of a choice */
static const struct { const char *a; int avalue; const char *b; int bvalue; const char *text; } conflicts[] = {
	{ "boot", 0, "as-pid2", 0, "--boot and --as-pid2 may not be combined." },
	{ "boot", 0, "share-pid", YES, "--boot may not be combined with a shared PID namespace." },
	{ "boot", 0, "share-uts", YES, "--boot may not be combined with a shared UTS namespace." },
	{ "as-pid2", 0, "share-pid", YES, "--as-pid2 may not be combined with a shared PID namespace." },
	{ "boot", 0, "ambient-capability", 0, "AmbientCapability= setting is not useful for boot mode." },
	{ "read-only", 0, "private-users-ownership", OWNERSHIP_CHOWN,
		"--read-only and --private-users-ownership=chown may not be combined." },
	{ "volatile", VOLATILE_YES, "private-users-ownership", OWNERSHIP_CHOWN,
		"--volatile= and --private-users-ownership=chown may not be combined." },
	{ "volatile", VOLATILE_STATE, "private-users-ownership", OWNERSHIP_CHOWN,
		"--volatile= and --private-users-ownership=chown may not be combined." },
	{ "volatile", VOLATILE_OVERLAY, "private-users-ownership", OWNERSHIP_CHOWN,
		"--volatile= and --private-users-ownership=chown may not be combined." },
	{ "ephemeral", 0, "link-journal", JOURNAL_HOST, "--ephemeral and --link-journal={host,guest} may not be combined." },
	{ "ephemeral", 0, "link-journal", JOURNAL_GUEST, "--ephemeral and --link-journal={host,guest} may not be combined." },
};

static const char *const defaults[] = { DEFAULTS, NULL };
static const struct { const char *machine; const char *options[12]; } machines[] = { MACHINES };

const char *plan_called = "nspawn-lite";

static void *
field(const struct plan *p, const struct option *o)
{
	return (char *)(uintptr_t)p + o->field;
}

/* getopt's sentences, as the original prints them: the name comes first whatever we are called */
static _Noreturn void
misuse(const char *text)
{
	if (*speaker)
		die("%s; %s --help lists all options", text, plan_called);
	die("%s: %s", plan_called, text);
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
		misuse(fmt("option '--%.*s' is ambiguous; possibilities: %s", (int)len, name, others));
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
		*(char **)field(p, o) = (char *)(uintptr_t)(value && *value ? value : o->words);
		break;
	case O_REFUSED:
		die("--%s: %s", o->name, o->help);
	case O_BARE:
	case O_CHOICE:
		set_choice(p, o, value ? value : "yes");
		break;
	case O_LIST:
		if (streq(value, "help") && (strstr(o->name, "capability") || streq(o->name, "rlimit"))) {
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
	misuse(fmt("unrecognized option '--%s'", name));
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
			misuse(fmt("option '--%s' requires an argument", o->name));
	}
	if (value && o->kind != O_FLAG && o->kind != O_BARE && o->kind != O_OPT && !takes_argument(o))
		misuse(fmt("option '--%s' doesn't allow an argument", o->name));
	set(p, o, value);
}

/* a cluster: -bD DIR, -bDDIR */
static void
parse_short(struct plan *p, char ***words)
{
	const char *c = **words + 1;
	const struct option *o;
	const char *value;

	for (; *c && p->show == SHOW_NOTHING; c++) {
		o = find_letter(*c);
		if (!o)
			misuse(fmt("invalid option -- '%c'", *c));
		value = NULL;
		if (takes_argument(o)) {
			value = c[1] ? c + 1 : *++*words;
			if (!value)
				misuse(fmt("option requires an argument -- '%c'", *c));
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
	p->cmd = *words ? words : NULL;
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

/*
 * The command line is read twice: once to learn the name, then again behind what config.h has
 * for all machines and for those of this name. Reading has no side effects.
 */
void
plan_parse(struct plan *p, char **words)
{
	struct plan first = { 0 };
	const char *name;
	size_t i;

	parse(&first, words);
	memset(p, 0, sizeof(*p));
	if (!first.no_defaults && first.show == SHOW_NOTHING) {
		parse_words(p, defaults, "DEFAULTS");
		name = first.machine ? first.machine : first.directory ? image_derive_name(first.directory) : NULL;
		for (i = 0; name && machines[i].machine; i++)
			if (fnmatch(machines[i].machine, name, 0) == 0)
				parse_words(p, machines[i].options, machines[i].machine);
	}
	parse_environment(p);
	parse(p, words);
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

void
plan_check(const struct plan *p)
{
	const struct option *a, *b;
	size_t i;

	for (i = 0; i < LEN(conflicts); i++) {
		a = find(conflicts[i].a, strlen(conflicts[i].a));
		b = find(conflicts[i].b, strlen(conflicts[i].b));
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
	if (p->machine && !name_valid(p->machine))
		die("Invalid machine name: %s", p->machine);
	if (p->hostname && !name_valid(p->hostname))
		die("Invalid hostname: %s", p->hostname);
	root_check(p);
	mount_check(p);
	userns_check(p);
	user_check(p);
	cgroup_check(p);
	limit_check(p);
	device_check(p);
	seccomp_check(p);
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

	if (o->kind != O_CHOICE && o->kind != O_BARE) {
		user_list(option);
		return;
	}
	for (w = o->words; *w; w += n + (w[n] == '|')) {
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
		if (!o->words || o->words == bools || !o->name || o->kind == O_MEANS || o->kind == O_OPT)
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
