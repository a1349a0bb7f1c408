/* SPDX-License-Identifier: 0BSD */
/*
 * Devices a guest may use, and a policy that keeps all others away: on cgroup2 a program that the
 * kernel asks at each mknod(2) and open(2), on v1 a list of its own; with neither, no node works but those in /dev.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "nspawn-lite.h"

enum { MAKE = 1, READ = 2, WRITE = 4, ALL = 7 };  /* BPF_DEVCG_ACC_* */
enum { BLOCK = 1, CHAR = 2 };                     /* BPF_DEVCG_DEV_* */
enum { MAJOR_MOST = 2047, MINOR_BITS = 20, RULES_MOST = 1000, DEVICES_MOST = 2000, ANY = -1 };

struct rule { int type, major, minor, access; bool terminal; };
struct device { char *path; mode_t mode; gid_t gid; dev_t dev; int tree; };  /* path is below /dev */

/* what every guest may use: the nodes of its /dev, its terminals, and whiteouts */
static const struct rule usual[] = {
	{ CHAR, 1, 3, ALL, false }, { CHAR, 1, 5, ALL, false }, { CHAR, 1, 7, ALL, false }, { CHAR, 1, 8, ALL, false },
	{ CHAR, 1, 9, ALL, false }, { CHAR, 5, 0, ALL, true }, { CHAR, 5, 2, ALL, true },
	{ CHAR, 136, ANY, READ | WRITE, true }, { CHAR, 0, 0, ALL, false }, { BLOCK, 0, 0, ALL, false },
};

/* ---- words ------------------------------------------------------------------------ */

static int
parse_access(const char *s)
{
	static const char letters[] = "mrw";
	const char *at;
	int access = 0;

	for (; *s; s++) {
		at = strchr(letters, *s);
		if (!at || access & 1 << (at - letters))
			return 0;
		access |= 1 << (at - letters);
	}
	return access;
}

static bool
name_of_class(const char *s)
{
	return *s != '/' && *s != '.' && *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./")] == 0
	    && !strstr(s, "..");
}

/* PATH|CLASS[:ACCESS]; a path may have colons, and what is behind the last is access only if it looks so */
static char *
parse_device(const char *word, int *access)
{
	const char *colon = strrchr(word, ':');
	char *name;

	*access = colon ? parse_access(colon + 1) : 0;
	name = *access ? fmt("%.*s", (int)(colon - word), word) : xstrdup(word);
	if (!*access)
		*access = ALL;
	if (after(name, "/dev/") ? strlen(name) > 5 && strlen(name) < 256 && !strstr(name, "/..") && !strstr(name, "//")
	                             && name[strlen(name) - 1] != '/' : name_of_class(name))
		return name;
	die("--device=%s: neither a node below /dev nor the name of a class, with :r, :rw or :rwm behind it", word);
}

/* DeviceAllow=SPEC [ACCESS]: NULL when the value takes all back */
static char *
parse_allow(const char *value, int *access)
{
	size_t n = strcspn(value, " \t");
	const char *rest = value + n + strspn(value + n, " \t");
	char *spec = fmt("%.*s", (int)n, value);

	*access = *rest ? parse_access(rest) : ALL;
	if (!*spec)
		return NULL;
	if (!*access || (*spec != '/' && !after(spec, "char-") && !after(spec, "block-")))
		die("--property=DeviceAllow=%s: not a node, char-NAME or block-NAME, and then letters of rwm", value);
	return spec;
}

void
device_check(const struct plan *p)
{
	const char *value;
	char **w;
	int access;

	for (w = p->device; w && *w; w++)
		parse_device(*w, &access);
	for (w = p->property; w && *w; w++) {
		if ((value = after(*w, "DeviceAllow=")))
			parse_allow(value, &access);
		else if ((value = after(*w, "DevicePolicy=")) && *value && word_index("auto|closed|strict", value) < 0)
			die("--property=DevicePolicy=%s: not one of: auto closed strict", value);
	}
}

/* ---- what they are on the host ------------------------------------------------------ */

static void
add_rule(struct run *r, int type, unsigned int major, int minor, int access)
{
	static void *rules;
	size_t i;

	if (major > MAJOR_MOST)
		die("device numbers %u:*: no policy can be made for so large ones", major);
	for (i = 0; i < r->nrules; i++)
		if (r->rule[i].type == type && r->rule[i].major == (int)major && r->rule[i].minor == minor) {
			r->rule[i].access |= access;
			return;
		}
	r->rule = scratch_room(&rules, RULES_MOST * sizeof(*r->rule));
	if (r->nrules == RULES_MOST)
		die("more than %d devices are let through", RULES_MOST);
	r->rule[r->nrules++] = (struct rule){ type, (int)major, minor, access, false };
}

void
device_allow(struct run *r, mode_t type, int major, int minor, const char *access)
{
	add_rule(r, S_ISBLK(type) ? BLOCK : CHAR, (unsigned int)major, minor, parse_access(access));
}

static void
add_device(struct run *r, const char *name, const struct stat *st, int access, bool by_bind)
{
	static void *devices;
	struct device *d;

	if (r->ndevices == DEVICES_MOST)
		die("more than %d devices are to be made", DEVICES_MOST);
	r->device = scratch_room(&devices, DEVICES_MOST * sizeof(*r->device));
	d = &r->device[r->ndevices];
	*d = (struct device){ xstrdup(name), st->st_mode, st->st_gid < 65536 ? st->st_gid : 0, st->st_rdev, -1 };
	if (by_bind || (!r->userns && !(access & MAKE))) {
		d->tree = sys_open_tree(AT_FDCWD, fmt("/dev/%s", name), 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
		if (d->tree < 0 && by_bind)
			die("show device /dev/%s, which cannot be made here (open_tree(2), Linux 5.2):", name);
		if (d->tree < 0)
			die("--device=/dev/%s:%s%s: a node that may be used and not made is a mount (open_tree(2), Linux 5.2); "
			    "with rwm it can be had:", name, access & READ ? "r" : "", access & WRITE ? "w" : "");
	}
	r->ndevices++;
}

/* one of sysfs: MAJOR, MINOR and DEVNAME of its uevent */
static bool
add_from_sysfs(struct run *r, const char *dir, const char *name, int access, bool by_bind)
{
	char text[2048], *rest = text, *line, link[256];
	const char *value, *node = NULL;
	long long major = -1, minor = -1, mode = 0600;
	struct stat st = { 0 };
	ssize_t n;
	bool block;

	if (read_at(AT_FDCWD, fmt("%s/%s/uevent", dir, name), text, sizeof(text)) <= 0)
		return false;
	while ((line = next_line(&rest))) {
		if ((value = after(line, "MAJOR=")))
			parse_number(value, 0, MAJOR_MOST, &major);
		else if ((value = after(line, "MINOR=")))
			parse_number(value, 0, (1 << MINOR_BITS) - 1, &minor);
		else if ((value = after(line, "DEVNAME=")))
			node = value;
		else if ((value = after(line, "DEVMODE=0")))
			mode = strtol(value, NULL, 8) & 0777;
	}
	if (major < 0 || minor < 0 || !node || strstr(node, ".."))
		return false;
	n = readlink(fmt("%s/%s/subsystem", dir, name), link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = 0;
	block = n > 6 && streq(link + n - 6, "/block");
	if (stat(fmt("/dev/%s", node), &st) < 0 || st.st_rdev != makedev((unsigned int)major, (unsigned int)minor)) {
		st.st_mode = (mode_t)mode | (block ? S_IFBLK : S_IFCHR);
		st.st_gid = 0;
		st.st_rdev = makedev((unsigned int)major, (unsigned int)minor);
		by_bind = false;
	}
	/* the numbers of "mem" and "misc" are many things that have nothing to do with each other */
	add_rule(r, block ? BLOCK : CHAR, (unsigned int)major, major == 1 || major == 10 ? (int)minor : ANY, access);
	add_device(r, node, &st, access, by_bind);
	return true;
}

/* a pattern of letters and "*"; fnmatch(3) knows more, and brings all of Unicode for that */
static bool
matches(const char *pattern, const char *s)
{
	for (; *pattern && *pattern != '*'; pattern++, s++)
		if (*pattern != *s)
			return false;
	if (!*pattern)
		return !*s;
	for (pattern++; ; s++) {
		if (matches(pattern, s))
			return true;
		if (!*s)
			return false;
	}
}

static size_t
add_all_in(struct run *r, const char *dir, const char *pattern, int access, bool by_bind)
{
	struct dirent *e;
	size_t n = 0;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d)))
		if (*e->d_name != '.' && matches(pattern, e->d_name))
			n += add_from_sysfs(r, dir, e->d_name, access, by_bind);
	if (d)
		closedir(d);
	return n;
}

/* majors of a driver in /proc/devices; name is a pattern. What becomes of each is up to fn */
static size_t
each_major(const char *name, int type, void (*fn)(struct run *, int type, unsigned int major, int access), struct run *r, int access)
{
	char text[8192], *rest = text, *line, *driver;
	int now = 0;
	size_t n = 0;
	long major;

	if (read_at(AT_FDCWD, "/proc/devices", text, sizeof(text)) < 0)
		die("read /proc/devices:");
	while ((line = next_line(&rest))) {
		if (after(line, "Character"))
			now = CHAR;
		else if (after(line, "Block"))
			now = BLOCK;
		major = strtol(line, &driver, 10);
		driver += strspn(driver, " ");
		if (driver == line || !*driver || !(now & type) || major <= 0 || !matches(name, driver))
			continue;
		fn(r, now, (unsigned int)major, access);
		n++;
	}
	return n;
}

static void
allow_major(struct run *r, int type, unsigned int major, int access)
{
	add_rule(r, type, major, ANY, access);
}

static void
add_major(struct run *r, int type, unsigned int major, int access)
{
	allow_major(r, type, major, access);
	add_all_in(r, type == BLOCK ? "/sys/dev/block" : "/sys/dev/char", fmt("%u:*", major), access, false);
}

static void
look_at_device(struct run *r, const char *word, bool by_bind)
{
	struct stat st;
	int access;
	char *name = parse_device(word, &access);
	const char *node = after(name, "/dev/");

	if (!node && add_all_in(r, fmt("/sys/class/%s", name), "*", access, by_bind)
	            + add_all_in(r, fmt("/sys/bus/%s/devices", name), "*", access, by_bind) > 0)
		return;
	if (!node && !strchr(name, '*') && each_major(name, CHAR | BLOCK, add_major, r, access) > 0)
		return;
	if (!node)
		node = name;
	if (stat(fmt("/dev/%s", node), &st) < 0)
		die(*name == '/' ? "--device=%s:" : "--device=%s: no class of devices, driver or node of that name is here", word);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		die("--device=%s: /dev/%s is no device", word, node);
	add_rule(r, S_ISBLK(st.st_mode) ? BLOCK : CHAR, major(st.st_rdev), (int)minor(st.st_rdev), access);
	add_device(r, node, &st, access, by_bind);
}

static void
look_at_allow(struct run *r, const char *value)
{
	struct stat st;
	int access;
	const char *spec = parse_allow(value, &access), *name;

	if (!spec)
		return;
	if (*spec != '/') {
		name = after(spec, "char-");
		if (each_major(name ? name : spec + 6, name ? CHAR : BLOCK, allow_major, r, access) == 0)
			say("DeviceAllow=%s: there is no such driver now", value);
		return;
	}
	if (stat(spec, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
		say("DeviceAllow=%s: there is no such device now", value);
	else
		add_rule(r, S_ISBLK(st.st_mode) ? BLOCK : CHAR, major(st.st_rdev), (int)minor(st.st_rdev), access);
}

/* ---- the policy, as a program ---------------------------------------------------------- */

/* registers: 2 what is asked for, 3 scratch, 4 both numbers */
struct code { struct bpf_insn at[RULES_MOST * 8 + 32]; size_t n; };

static void
put(struct code *c, int op, unsigned int dst, unsigned int src, int off, int32_t imm)
{
	c->at[c->n++] = (struct bpf_insn){ .code = (uint8_t)op, .dst_reg = dst & 15u, .src_reg = src & 15u,
		.off = (int16_t)off, .imm = imm };
}

enum { TO_ALLOW = 0x7fff };

static void
put_rule(struct code *c, const struct rule *rule)
{
	int key = rule->major << MINOR_BITS | rule->minor;
	bool any = rule->minor == ANY, all = rule->access == ALL;

	if (any) {
		put(c, BPF_ALU64 | BPF_MOV | BPF_X, 3, 4, 0, 0);
		put(c, BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, MINOR_BITS);
		key = rule->major;
	}
	if (all) {
		put(c, BPF_JMP | BPF_JEQ | BPF_K, any ? 3 : 4, 0, TO_ALLOW, key);
		return;
	}
	put(c, BPF_JMP | BPF_JNE | BPF_K, any ? 3 : 4, 0, 4, key);
	put(c, BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0);
	put(c, BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, 16);
	put(c, BPF_ALU64 | BPF_AND | BPF_K, 3, 0, 0, ALL & ~rule->access);
	put(c, BPF_JMP | BPF_JEQ | BPF_K, 3, 0, TO_ALLOW, 0);
}

static void
put_return(struct code *c, int value)
{
	put(c, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value);
	put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor */
static int
compile(const struct run *r)
{
	static void *code;
	struct code *c = scratch_room(&code, sizeof(*c));
	size_t i, skip, allow;

	c->n = 0;

	put(c, BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
	put(c, BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
	put(c, BPF_LDX | BPF_MEM | BPF_W, 3, 1, 8, 0);
	put(c, BPF_ALU64 | BPF_LSH | BPF_K, 4, 0, 0, MINOR_BITS);
	put(c, BPF_ALU64 | BPF_OR | BPF_X, 4, 3, 0, 0);
	put(c, BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0);
	put(c, BPF_ALU64 | BPF_AND | BPF_K, 3, 0, 0, 0xffff);
	skip = c->n;
	put(c, BPF_JMP | BPF_JNE | BPF_K, 3, 0, 0, CHAR);
	for (i = 0; i < r->nrules; i++)
		if (r->rule[i].type == CHAR)
			put_rule(c, &r->rule[i]);
	put_return(c, 0);
	c->at[skip].off = (int16_t)(c->n - skip - 1);
	for (i = 0; i < r->nrules; i++)
		if (r->rule[i].type == BLOCK)
			put_rule(c, &r->rule[i]);
	put_return(c, 0);
	allow = c->n;
	put_return(c, 1);
	for (i = 0; i < allow; i++)
		if (c->at[i].off == TO_ALLOW)
			c->at[i].off = (int16_t)(allow - i - 1);
	return sys_device_program(c->at, c->n);
}

void
device_look(const struct plan *p, struct run *r)
{
	const char *value, *policy = "closed";
	bool allows = false, by_bind = false, strict;
	char **w, map[64];
	size_t i;

	for (w = p->property; w && *w; w++)
		if ((value = after(*w, "DevicePolicy=")))
			policy = *value ? value : "closed";
		else if ((value = after(*w, "DeviceAllow=")))
			allows = *value;
	/* ourselves in a user namespace: no node can be made, those of the host around us must do */
	if (p->device)
		by_bind = read_at(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) > 0 && !strstr(map, "4294967295");
	/* strict: the nodes of /dev are made, and but for its terminal none of them works */
	strict = streq(policy, "strict");
	for (i = 0; i < LEN(usual); i++)
		add_rule(r, usual[i].type, (unsigned int)usual[i].major, usual[i].minor,
		         strict && !usual[i].terminal ? MAKE : usual[i].access);
	if (r->has_tun)
		add_rule(r, CHAR, 10, 200, strict ? MAKE : ALL);
	for (w = p->device; w && *w; w++)
		look_at_device(r, *w, by_bind);
	for (w = p->property; w && *w; w++)
		if ((value = after(*w, "DeviceAllow=")))
			look_at_allow(r, value);
	r->device_free = streq(policy, "auto") && !allows;
	if (r->device_free)
		return;
	for (i = 0; i < r->nshares; i++)
		if (cgroup_is_v2(&r->share[i])) {
			r->device_policy = compile(r);
			if (r->device_policy < 0)
				say("no device policy on cgroup2 (CONFIG_CGROUP_BPF): %s", strerror(errno));
			break;
		}
	if (r->device_policy < 0 && r->nshares > 0)
		cgroup_share(r, NULL, "devices");
}

/* ---- the policy, on its control group ---------------------------------------------------- */

/* before there is a directory in it: the kernel asks that */
static bool
enforce_v1(const struct run *r, struct share *s)
{
	const struct rule *rule;
	char minor[16];

	if (put_at(s->dir, "devices.deny", "a") < 0)
		return false;
	for (rule = r->rule; rule < r->rule + r->nrules; rule++) {
		strcpy(minor, "*");
		if (rule->minor != ANY)
			strcpy(minor, fmt("%d", rule->minor));
		if (put_at(s->dir, "devices.allow", fmt("%c %d:%s %s%s%s", rule->type == BLOCK ? 'b' : 'c', rule->major, minor,
		                                        rule->access & READ ? "r" : "", rule->access & WRITE ? "w" : "",
		                                        rule->access & MAKE ? "m" : "")) < 0)
			say("device %d:%s is not ours to give: %s", rule->major, minor, strerror(errno));
	}
	return true;
}

static bool
enforce(struct run *r)
{
	struct share *s;

	for (s = r->share; s < r->share + r->nshares; s++) {
		if (s->dir < 0)
			continue;
		if (cgroup_is_v2(s) && r->device_policy >= 0) {
			if (sys_device_attach(s->dir, r->device_policy) == 0)
				return true;
			say("attach the device policy: %s", strerror(errno));
		} else if (s->payload < 0) {
			if (enforce_v1(r, s))
				return true;
			say("set the device policy of %s: %s", s->path, strerror(errno));
		}
	}
	return false;
}

static bool
asks_for_policy(const struct plan *p)
{
	char **w;

	for (w = p->property; w && *w; w++)
		if (after(*w, "Device"))
			return true;
	return false;
}

void
device_enforce(const struct plan *p, struct run *r)
{
	enum { CAP_MKNOD = 27 };
	bool held = r->device_free || enforce(r);
	struct share *s;

	for (s = r->share; s < r->share + r->nshares; s++)
		if (s->dir >= 0 && s->payload < 0 && !cgroup_fill(s))
			die("make control group %s:", s->path);
	drop(r->device_policy);
	r->device_policy = -1;
	if (held) {
		r->device_bare = false;
		return;
	}
	r->keep &= ~((uint64_t)1 << CAP_MKNOD);
	if (r->device_bare)  /* and it was said */
		return;
	r->device_bare = true;
	/* in another machine there is none, and no way to make a node */
	(r->nested && !asks_for_policy(p) ? say : warn)("no device policy is to be had (CONFIG_CGROUP_BPF or CONFIG_CGROUP_DEVICE), "
	                                                "so root inside has no CAP_MKNOD, and no device node works but those in /dev");
}

/* ---- in the child -------------------------------------------------------------------------- */

bool
device_shut(const struct run *r, const char *path)
{
	enum { ATTR_NODEV = 4 };  /* MOUNT_ATTR_NODEV of mount_setattr(2) */
	struct statvfs fs;
	unsigned long flags = MS_NODEV;

	if (!r->device_bare || sys_mount_setattr(AT_FDCWD, path, ATTR_NODEV, 0) == 0)
		return true;
	if (statvfs(path, &fs) == 0)
		flags |= (fs.f_flag & ST_RDONLY ? MS_RDONLY : 0) | (fs.f_flag & ST_NOSUID ? MS_NOSUID : 0)
		       | (fs.f_flag & ST_NOEXEC ? MS_NOEXEC : 0) | (fs.f_flag & ST_NOATIME ? MS_NOATIME : 0)
		       | (fs.f_flag & ST_RELATIME ? MS_RELATIME : 0);
	if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
		die("keep device nodes from working that are mounted with it:");
	return false;
}

void
device_lock(const struct plan *p, struct run *r)
{
	(void)p;
	device_shut(r, "/");
}

static void
make(const struct run *r, const struct device *d)
{
	const char *slash;
	struct stat st;

	for (slash = strchr(d->path, '/'); slash; slash = strchr(slash + 1, '/'))
		if (mkdir(fmt("/dev/%.*s", (int)(slash - d->path), d->path), 0755) < 0 && errno != EEXIST)
			die("make a directory for /dev/%s:", d->path);
	if (lstat(fmt("/dev/%s", d->path), &st) == 0)
		return;  /* one that all have, or a name that stands for something of their own: console, ptmx */
	if (mknod(fmt("/dev/%s", d->path), d->tree >= 0 ? S_IFREG : d->mode & (S_IFMT | 0777), d->tree >= 0 ? 0 : d->dev) < 0)
		die("make device /dev/%s:", d->path);
	if (d->tree >= 0 && sys_move_mount(d->tree, "", AT_FDCWD, fmt("/dev/%s", d->path), FROM_FD) < 0)
		die("show device /dev/%s:", d->path);
	if (d->tree < 0 && d->gid && lchown(fmt("/dev/%s", d->path), r->id_base, r->id_base + d->gid) < 0)
		die("give device /dev/%s to its group:", d->path);
	(void)!symlink(fmt("../%s", d->path), fmt("/dev/%s/%u:%u", S_ISBLK(d->mode) ? "block" : "char", major(d->dev), minor(d->dev)));
}

void
device_make(const struct plan *p, struct run *r)
{
	size_t i;

	(void)p;
	for (i = 0; i < r->ndevices; i++) {
		if (S_ISBLK(r->device[i].mode))
			(void)!mkdir("/dev/block", 0755);
		make(r, &r->device[i]);
		drop(r->device[i].tree);
	}
}

size_t
device_fds(const struct run *r, int *fds)
{
	size_t i, n = 0;

	for (i = 0; i < r->ndevices; i++)
		if (r->device[i].tree >= 0)
			fds[n++] = r->device[i].tree;
	return n;
}
