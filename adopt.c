/* SPDX-License-Identifier: 0BSD */
/*
 * Bundles of the OCI runtime-spec as machines: each member becomes a word of ours. The API file systems, and what is
 * hidden of them, are those of a machine. What is known and cannot be said so is refused by its name
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "nspawn-lite.h"

struct adopted {
	struct bundle b;
	char **words;
};

static _Noreturn void PRINTF(1)
refuse(const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	die("config.json: %s", vfmt(text, ap));
}

static void PRINTF(2)
add(struct adopted *a, const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	grow(&a->words, vfmt(text, ap));
	va_end(ap);
}

/*
 * Members that become words of ours with their value behind, in pairs: but in the first a number that is none, or less than
 * one, says nothing
 */
static const char plain[] =
	"process.oomScoreAdj\0oom-score-adjust\0"
	"hostname\0hostname\0"
	"process.cwd\0chdir\0"
	"process.selinuxLabel\0selinux-context\0"
	"linux.mountLabel\0selinux-apifs-context\0";
static const char limits[] =
	"cpu.shares\0CPUShares\0"
	"cpu.cpus\0AllowedCPUs\0"
	"cpu.mems\0AllowedMemoryNodes\0"
	"blockIO.weight\0BlockIOWeight\0"
	"memory.limit\0MemoryMax\0"
	"memory.reservation\0MemoryLow\0"
	"pids.limit\0TasksMax\0";
static const char rates[] =
	"throttleReadBpsDevice\0IOReadBandwidthMax\0"
	"throttleWriteBpsDevice\0IOWriteBandwidthMax\0"
	"throttleReadIOPSDevice\0IOReadIOPSMax\0"
	"throttleWriteIOPSDevice\0IOWriteIOPSMax\0";

static void
take_plain(struct adopted *a, const struct json *in, const char *pairs, const char *option)
{
	const struct json *v;
	const char *at;

	for (at = pairs; *at; at = behind(behind(at))) {
		v = json_get(in, at);
		if (v && *v->text && (v->kind == JSON_STRING || at == plain || (*v->text != '0' && *v->text != '-')))
			add(a, "--%s%s=%s", option, behind(at), v->text);
	}
}

/* as it stands there, or 0 */
static const char *
number(const struct json *in, const char *path)
{
	in = json_get(in, path);
	return in ? in->text : "0";
}

/* what a bundle says of its process */
static void
take_process(struct adopted *a)
{
	const struct json *v, *process = a->b.process, *user = json_get(process, "user"), *caps = json_get(process, "capabilities");
	const char *uid = number(user, "uid");
	char *text = fmt("%s:%s", uid, number(user, "gid"));

	for (v = json_first(user, "additionalGids"); v; v = v->next)
		text = fmt("%s,%s", text, v->text);
	if (!streq(text, "0:0"))
		add(a, "--user=%s", text);
	for (v = json_first(process, "env"); v; v = v->next) {
		if (!strchr(v->text, '='))
			refuse("process.env: \"%.60s\" is not NAME=VALUE", v->text);
		add(a, "--setenv=%s", v->text);
	}
	add(a, "--console=%s", json_true(process, "terminal") ? "interactive" : "pipe");
	if (json_true(process, "noNewPrivileges"))
		add(a, "--no-new-privileges=yes");
	for (v = json_first(process, "rlimits"); v; v = v->next)
		add(a, "--rlimit=%s=%s:%s", json_string(v, "type"), number(v, "soft"), number(v, "hard"));
	if (!caps)
		return;
	/* who execs has what is in the bounding set, or in the ambient one, whatever else is said */
	text = xstrdup("");
	for (v = json_first(caps, "bounding"); v; v = v->next)
		text = fmt("%s%s%s", text, *text ? "," : "", v->text);
	if (*text)
		add(a, "--capability=%s", text);
	add(a, "--drop-capability=%s", user_caps_but(text));
	for (v = streq(uid, "0") ? NULL : json_first(caps, "ambient"); v; v = v->next)
		add(a, "--ambient-capability=%s", v->text);
}

/* ---- mounts ----------------------------------------------------------------------------- */

/* colons and backslashes of a path in a word of mounts */
static char *
escape(const char *path)
{
	char *out = xalloc(strlen(path) * 2 + 1), *to = out;

	for (; *path; path++) {
		if (*path == ':' || *path == '\\')
			*to++ = '\\';
		*to++ = *path;
	}
	return out;
}

/* relative to the bundle */
static char *
source_of(const struct adopted *a, const char *path)
{
	return escape(*path == '/' ? path : fmt("%s/%s", a->b.path, path));
}

static _Noreturn void
refuse_mount(const char *dst, const char *why)
{
	refuse("mounts: %.80s: %s", dst, why);
}

static void
take_overlay(struct adopted *a, const struct json *m, const char *dst, bool read_only)
{
	const struct json *o;
	const char *lower = NULL, *upper = NULL, *v;
	char *list = xstrdup("");
	size_t n;

	for (o = json_first(m, "options"); o; o = o->next) {
		if ((v = after(o->text, "lowerdir=")))
			lower = v;
		else if ((v = after(o->text, "upperdir=")))
			upper = v;
		/* we make a work directory ourselves */
		else if (!after(o->text, "workdir=") && word_index("ro|rw|private|rprivate|slave|rslave", o->text) < 0)
			refuse_mount(dst, fmt("overlay: \"%.60s\" cannot be said here", o->text));
	}
	if (!lower)
		refuse_mount(dst, "an overlay without lowerdir=");
	/* of the kernel's the first lies on top, of ours the last */
	for (; *lower; lower += n + (lower[n] == ':')) {
		n = strcspn(lower, ":");
		list = fmt("%s:%s", source_of(a, xstrndup(lower, n)), list);
	}
	add(a, "--overlay%s=%s%s%s%s", upper && !read_only ? "" : "-ro", list, upper ? source_of(a, upper) : "", upper ? ":" : "", escape(dst));
}

static void
take_mount(struct adopted *a, const struct json *m)
{
	/* those of a machine; of what is mounted below /dev and on /run it has its own */
	static const char own[] = "proc/proc|sysfs/sys|devpts/dev/pts|mqueue/dev/mqueue|cgroup/sys/fs/cgroup|cgroup2/sys/fs/cgroup"
		"|tmpfs/dev|devtmpfs/dev|tmpfs/dev/shm|tmpfs/run";
	const char *dst = json_string(m, "destination"), *type = json_string(m, "type"), *src = json_string(m, "source");
	bool bind = streq(type, "bind"), read_only = false, deep = true, data;
	char *options = xstrdup("");
	const struct json *o;

	type = type ? type : "";
	if (word_index(own, fmt("%s%s", type, dst)) >= 0)
		return;
	dst = *dst == '/' ? dst : fmt("/%s", dst);
	for (o = json_first(m, "options"); o; o = o->next)
		if (streq(o->text, "rbind") || streq(o->text, "bind")) {
			bind = true;
			deep = *o->text == 'r';
		}
	for (o = json_first(m, "options"); o; o = o->next) {
		data = !bind && streq(type, "tmpfs");
		if (streq(o->text, "ro"))
			read_only = true;
		else if (word_index("rw|bind|rbind|private|rprivate|slave|rslave|suid|dev|exec", o->text) >= 0)
			continue;
		else if (data || word_index("nosuid|nodev|noexec", o->text) >= 0)
			options = fmt("%s,%s", options, o->text);
		else if (bind)
			refuse_mount(dst, fmt("\"%.60s\" cannot be said of a bind here", o->text));
	}
	if (bind && !src)
		refuse_mount(dst, "a bind without source");
	if (bind)
		add(a, "--bind%s=%s:%s:%s%s", read_only ? "-ro" : "", source_of(a, src), escape(dst), deep ? "rbind" : "norbind", options);
	else if (streq(type, "overlay"))
		take_overlay(a, m, dst, read_only);
	else if (streq(type, "tmpfs"))
		add(a, "--tmpfs=%s:%s%s", escape(dst), read_only ? "ro" : "rw", options);
	else
		refuse_mount(dst, fmt("of kind \"%.40s\", which machines mount elsewhere, or not at all", type));
}

/* in the tree: what is not is passed over, as by the runtime. Of the file systems of a machine mount_make sees */
static bool
is_there(int tree, const char *path)
{
	int fd = sys_open_in(tree, path, O_PATH, 0);

	drop(fd);
	return fd >= 0 || after(path, "/proc/") || after(path, "/sys/");
}

/* what is hidden, and what cannot be changed: but for what is so in all machines */
static void
take_masks(struct adopted *a)
{
	static const char fixed[] = "/proc/acpi|/proc/apm|/proc/asound|/proc/bus|/proc/fs|/proc/irq|/proc/scsi|/proc/sysrq-trigger";
	static const char hidden[] = "/proc/kallsyms|/proc/kcore|/proc/keys|/proc/sysrq-trigger|/proc/timer_list|/proc/kmsg";
	const struct json *v;
	int tree = open(a->b.rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (tree < 0)
		die("open the root of the bundle, %s:", a->b.rootfs);
	for (v = json_first(a->b.config, "linux.maskedPaths"); v; v = v->next)
		if (word_index(hidden, v->text) < 0 && is_there(tree, v->text))
			add(a, "--inaccessible=%s", v->text);
	for (v = json_first(a->b.config, "linux.readonlyPaths"); v; v = v->next) {
		if (streq(v->text, "/proc/sys"))
			add(a, "--api-vfs-writable=no");
		else if (after(v->text, "/proc/") && word_index(fixed, v->text) < 0)
			refuse("linux.readonlyPaths: %.80s: cannot be said here; linux.maskedPaths can", v->text);
		if (after(v->text, "/proc/") || after(v->text, "/sys/"))
			continue;
		if (is_there(tree, v->text))
			add(a, "--bind-ro=+%s:%s", escape(v->text), escape(v->text));
	}
	close(tree);
}

/* ---- namespaces --------------------------------------------------------------------------- */

/* "0 100000:65536" */
static char *
range(const struct json *map)
{
	return fmt("%s %s:%s", number(map, "containerID"), number(map, "hostID"), number(map, "size"));
}

static void
take_users(struct adopted *a)
{
	const struct json *u = json_first(a->b.config, "linux.uidMappings"), *g = json_first(a->b.config, "linux.gidMappings");

	if (u->next || g->next || !after(range(u), "0 "))
		refuse("linux.uidMappings: not one range from 0 on, as a machine's are");
	if (!streq(range(u), range(g)))
		refuse("linux.gidMappings: not the same as uidMappings, as a machine's are");
	add(a, "--private-users=%s", after(range(u), "0 "));
	add(a, "--private-users-ownership=off");
}

static void
take_namespaces(struct adopted *a)
{
	static const char shared[] = "ipc\0uts\0pid\0";
	const char *kind, *path;
	const struct json *n;
	unsigned int seen = 0;
	int i;

	for (n = json_first(a->b.config, "linux.namespaces"); n; n = n->next) {
		kind = json_string(n, "type");
		path = json_string(n, "path");
		i = word_index(BUNDLE_NAMESPACES, kind);
		seen |= 1U << i;
		if (i == BUNDLE_NETWORK)
			add(a, "--%s%s", path ? "network-namespace-path=" : "private-network", path ? path : "");
		else if (path || i == BUNDLE_TIME)
			refuse("linux.namespaces: %s: only a network can be joined, and time is the host's", kind);
		else if (i == BUNDLE_USER)
			take_users(a);
	}
	if (!(seen >> BUNDLE_CGROUP & 1))
		add(a, "--cgroup-namespace=no");
	for (kind = shared; *kind; kind = behind(kind))
		if (!(seen >> word_index(BUNDLE_NAMESPACES, kind) & 1))
			add(a, "--share-%s=yes", kind);
}

/* ---- devices and limits ----------------------------------------------------------------------- */

/* of the host, by its numbers: "/dev/NAME"; NULL: it has none */
static char *
node_of(bool block, const char *numbers, struct stat *st)
{
	char text[1024], *rest = text, *line;
	const char *name;

	if (read_at(AT_FDCWD, fmt("/sys/dev/%s/%s/uevent", block ? "block" : "char", numbers), text, sizeof(text)) <= 0)
		return NULL;
	while ((line = next_line(&rest)))
		if ((name = after(line, "DEVNAME=")) && stat(fmt("/dev/%s", name), st) == 0
		    && streq(fmt("%u:%u", major(st->st_rdev), minor(st->st_rdev)), numbers))
			return fmt("/dev/%s", name);
	return NULL;
}

/* as in uevent(7); -1 is any */
static char *
numbers_of(const struct json *d)
{
	return fmt("%s:%s", json_get(d, "major") ? number(d, "major") : "-1", json_get(d, "minor") ? number(d, "minor") : "-1");
}

/* which all machines may use; terminals of any number */
static bool
is_usual(const struct json *d)
{
	const char *numbers = numbers_of(d);

	return streq(json_string(d, "type"), "c")
	    && (after(numbers, "136:") || word_index("1:3|1:5|1:7|1:8|1:9|5:0|5:1|5:2|10:200", numbers) >= 0);
}

static void
take_devices(struct adopted *a)
{
	const struct json *d, *rules = json_first(a->b.config, "linux.resources.devices"), *rule;
	const char *access, *type, *path, *letters;
	char *node, *numbers;
	struct stat st;

	for (d = json_first(a->b.config, "linux.devices"); d; d = d->next) {
		path = json_string(d, "path");
		type = json_string(d, "type");
		numbers = numbers_of(d);
		if (is_usual(d) && after(path, "/dev/"))
			continue;
		node = *type == 'p' ? NULL : node_of(*type == 'b', numbers, &st);
		if (!streq(node, path))
			refuse("linux.devices: %.80s: a machine's have the names of the host's, where these numbers have %s", path, node ? node : "none");
		if ((json_get(d, "fileMode") && (strtoul(number(d, "fileMode"), NULL, 10) ^ st.st_mode) & 0777)
		    || !streq(number(d, "uid"), "0") || (json_get(d, "gid") && strtoul(number(d, "gid"), NULL, 10) != st.st_gid))
			refuse("linux.devices: %.80s: a machine's have mode and group of the host's, and are root's: leave these out", path);
		letters = "rwm";
		for (rule = rules; rule; rule = rule->next)
			if (json_true(rule, "allow") && streq(json_string(rule, "type"), type) && streq(numbers_of(rule), numbers)
			    && (access = json_string(rule, "access")))
				letters = access;
		add(a, "--device=%s:%s", path, letters);
	}
	for (rule = rules; rule; rule = rule->next) {
		access = json_string(rule, "access");
		access = access ? access : "rwm";
		type = json_string(rule, "type");
		numbers = numbers_of(rule);
		if (!json_true(rule, "allow")) {
			/* of all of them, and before the others: as it is anyway, but must be now */
			if (rule != rules || (type && *type != 'a') || !strchr(numbers, '-')
			    || !strchr(access, 'r') || !strchr(access, 'w') || !strchr(access, 'm'))
				refuse("linux.resources.devices: a machine has only those that it is told: all can be refused, first, and no others");
			add(a, "--property=DevicePolicy=closed");
			continue;
		}
		/* that nodes may be made that do not work gives nothing */
		if (is_usual(rule) || (strchr(numbers, '-') && streq(access, "m")))
			continue;
		node = type ? node_of(*type == 'b', numbers, &st) : NULL;
		if (!node)
			refuse("linux.resources.devices: %s: the host has no such device; many are to be named by --device=",
			       strchr(numbers, '-') ? "any number" : numbers);
		add(a, "--property=DeviceAllow=%s %s", node, access);
	}
}

static long long
positive(const struct json *in, const char *path, long long otherwise)
{
	json_number(in, path, 1, INT64_MAX, &otherwise);
	return otherwise;
}

static void
take_limits(struct adopted *a)
{
	const struct json *in = json_get(a->b.config, "linux.resources"), *v;
	long long n, limit = positive(in, "memory.limit", 0), period = positive(in, "cpu.period", 100000);
	const char *rate;
	struct stat st;
	char *node;

	take_plain(a, in, limits, "property=");
	/* theirs counts memory, too */
	n = positive(in, "memory.swap", 0);
	if (n) {
		if (!limit || n < limit)
			refuse("linux.resources.memory.swap: less than memory.limit, which it counts, too, or without it");
		add(a, "--property=MemorySwapMax=%lld", n - limit);
	}
	n = positive(in, "cpu.quota", 0);
	if (n) {
		if (period < 1000 || period > 1000000 || n >> 40)
			refuse("linux.resources.cpu.period: not from 1000 to 1000000, or too much for it");
		add(a, "--property=CPUQuotaPeriodSec=%lldus", period);
		add(a, "--property=CPUQuota=%lld.%02lld%%", n * 100 / period, n * 10000 / period % 100);
	}
	for (rate = rates; *rate; rate = behind(behind(rate)))
		for (v = json_first(json_get(in, "blockIO"), rate); v; v = v->next) {
			node = node_of(true, numbers_of(v), &st);
			if (!node || !json_get(v, "rate"))
				refuse("linux.resources.blockIO: %s: no disk of the host, or no rate", rate);
			add(a, "--property=%s=%s %s", behind(rate), node, number(v, "rate"));
		}
}

/* "SLICE:PREFIX:NAME", or a path in a slice; NULL: it says nothing */
static char *
slice_of(const char *path)
{
	size_t n = strcspn(path, ":");
	const char *end, *at;

	if (!*path)
		return NULL;
	if (path[n])
		return n ? xstrndup(path, n) : NULL;
	end = strrchr(path, '/');
	for (at = end; at && at > path && at[-1] != '/'; at--)
		;
	if (!end || end - at < 6 || strncmp(end - 6, ".slice", 6) != 0)
		refuse("linux.cgroupsPath: in no slice, as machines are; see --slice=");
	return xstrndup(at, (size_t)(end - at));
}

static void
take_linux(struct adopted *a)
{
	const char *groups = json_string(a->b.config, "linux.cgroupsPath"), *domain = json_string(a->b.config, "linux.personality.domain");
	const char *events = json_string(a->b.config, "linux.rootfsPropagation");
	const struct json *v;

	if (events && *events && !strstr("rprivate rslave", events))
		refuse("linux.rootfsPropagation: \"%.40s\" cannot be said here", events);
	for (v = json_first(a->b.config, "linux.sysctl"); v; v = v->next)
		add(a, "--sysctl=%s=%s", v->name, v->text);
	if (groups && slice_of(groups))
		add(a, "--slice=%s", slice_of(groups));
	if (streq(domain, "LINUX32"))
		add(a, "--personality=%s", user_sibling());
	if (json_get(a->b.config, "linux.seccomp"))
		add(a, "--oci-seccomp=%s", a->b.path);
}

char **
adopt_words(const char *path)
{
	struct adopted a = { .words = NULL };
	const struct json *v;
	const char *name;

	bundle_open(&a.b, path, true);
	if (!a.b.process || !a.b.rootfs)
		refuse("%s: it is missing, and a machine has one", a.b.process ? "root" : "process");
	/* the group of what is started is said as a whole: see merge of plan.c */
	add(&a, "--boot=no");
	name = store_derive_name(a.b.path);
	if (name)
		add(&a, "--machine=%s", name);
	add(&a, "--directory=%s", a.b.rootfs);
	if (a.b.read_only)
		add(&a, "--read-only");
	add(&a, "--check-os-release=no");
	/* its files are as its maker wants them */
	if (WITH_INTEGRATION) {
		add(&a, "--resolv-conf=off");
		add(&a, "--timezone=off");
		add(&a, "--link-journal=no");
	}
	take_plain(&a, a.b.config, plain, "");
	name = json_string(a.b.config, "domainname");
	if (name && *name)
		add(&a, "--sysctl=kernel.domainname=%s", name);
	take_process(&a);
	for (v = json_first(a.b.config, "mounts"); v; v = v->next)
		take_mount(&a, v);
	take_masks(&a);
	take_namespaces(&a);
	take_devices(&a);
	take_limits(&a);
	take_linux(&a);
	add(&a, "--");
	for (v = json_first(a.b.process, "args"); v; v = v->next)
		grow(&a.words, v->text);
	return a.words;
}
