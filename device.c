/* SPDX-License-Identifier: 0BSD */
/*
 * Devices a guest may use, and a policy that keeps all others away: on cgroup2 a program that the
 * kernel asks at each mknod(2) and open(2), on v1 a list of its own; with neither, no node works but those in /dev.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "nspawn-lite.h"

enum { MAKE = 1, READ = 2, WRITE = 4, ALL = 7 };  /* BPF_DEVCG_ACC_* */
enum { BLOCK = 1, CHAR = 2 };                     /* BPF_DEVCG_DEV_* */
enum { MAJOR_MOST = 2047, MINOR_BITS = 20, RULES_MOST = 1000, DEVICES_MOST = 2000, ANY = -1 };

/* both types: for all. What: one of its terminal's, or refused */
enum { TERMINAL = 1, REFUSED };
struct rule { int type, major, minor, access, what; };
struct device { char *path; mode_t mode; gid_t gid; dev_t dev; int tree; };  /* path is below /dev */

/* what every guest may use: the nodes of its /dev, its terminals, and whiteouts */
static const struct rule usual[] = {
	{ CHAR, 1, 3, ALL, 0 }, { CHAR, 1, 5, ALL, 0 }, { CHAR, 1, 7, ALL, 0 }, { CHAR, 1, 8, ALL, 0 },
	{ CHAR, 1, 9, ALL, 0 }, { CHAR, 5, 0, ALL, TERMINAL }, { CHAR, 5, 2, ALL, TERMINAL },
	{ CHAR, 136, ANY, READ | WRITE, TERMINAL }, { CHAR, 0, 0, ALL, 0 }, { BLOCK, 0, 0, ALL, 0 },
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
	name = *access ? xstrndup(word, (size_t)(colon - word)) : xstrdup(word);
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
	char *spec = xstrndup(value, n);

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

	if (!WITH_LIMITS)
		return;
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
	r->rule[r->nrules++] = (struct rule){ .type = type, .major = (int)major, .minor = minor, .access = access };
}

void
device_allow(struct run *r, mode_t type, int major, int minor, const char *access)
{
	if (!WITH_LIMITS)
		return;
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

/* registers: 2 what is asked for and not yet allowed, 3 its type, 4 both numbers, 6 scratch */
enum { PER_RULE = 8, AROUND = 16, TO_REFUSE = 0x7ffe, TO_ALLOW = 0x7fff };
struct code { size_t n; struct bpf_insn at[RULES_MOST * PER_RULE + AROUND]; };

static void
put(struct code *c, int op, unsigned int dst, unsigned int src, int off, int32_t imm)
{
	c->at[c->n++] = (struct bpf_insn){ .code = (uint8_t)op, .dst_reg = dst & 15u, .src_reg = src & 15u,
		.off = (int16_t)off, .imm = imm };
}

static void
put_return(struct code *c, int value)
{
	put(c, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value);
	put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* go on if it is so, else to a place that is not there yet: with what is not so first the verifier sees all but once */
static size_t
put_unless(struct code *c, unsigned int reg, int value)
{
	put(c, BPF_JMP | BPF_JEQ | BPF_K, reg, 0, 1, value);
	put(c, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	return c->n - 1;
}

static void
land(struct code *c, size_t jump)
{
	if (jump)
		c->at[jump].off = (int16_t)(c->n - jump - 1);
}

static bool
for_all(const struct rule *rule)
{
	return rule->type == (BLOCK | CHAR) && rule->major == ANY && rule->minor == ANY && rule->access == ALL;
}

/* its type has been asked for */
static void
put_rule(struct code *c, const struct rule *rule)
{
	bool any = rule->minor == ANY && rule->major == ANY;
	int target = rule->what == REFUSED ? TO_REFUSE : TO_ALLOW, key = any ? 0 : rule->minor;
	unsigned int reg = 4;
	size_t jump = 0;

	if (!any && (rule->minor == ANY || rule->major == ANY)) {
		reg = 6;
		key = rule->minor == ANY ? rule->major : rule->minor;
		put(c, BPF_ALU64 | BPF_MOV | BPF_X, 6, 4, 0, 0);
		put(c, BPF_ALU64 | (rule->minor == ANY ? BPF_RSH : BPF_AND) | BPF_K, 6, 0, 0,
		    rule->minor == ANY ? MINOR_BITS : (1 << MINOR_BITS) - 1);
	} else if (!any) {
		key |= rule->major << MINOR_BITS;
	}
	if (rule->access == ALL) {
		put(c, BPF_JMP | (any ? BPF_JA : BPF_JEQ) | BPF_K, any ? 0 : reg, 0, target, key);
		return;
	}
	if (!any)
		jump = put_unless(c, reg, key);
	if (rule->what == REFUSED) {
		put(c, BPF_ALU64 | BPF_MOV | BPF_X, 6, 2, 0, 0);
		put(c, BPF_ALU64 | BPF_AND | BPF_K, 6, 0, 0, rule->access);
		put(c, BPF_JMP | BPF_JNE | BPF_K, 6, 0, TO_REFUSE, 0);
	} else {
		put(c, BPF_ALU64 | BPF_AND | BPF_K, 2, 0, 0, ALL & ~rule->access);
		put(c, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, TO_ALLOW, 0);
	}
	land(c, jump);
}

/* struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor. For each kind of access the last rule of it counts */
static int
compile(const struct rule *rule, size_t n)
{
	static void *code;
	struct code *c = scratch_room(&code, sizeof(*c));
	int type = BLOCK | CHAR, usually = 0;
	size_t i, jump = 0, end;
	bool other = false;

	c->n = 0;
	put(c, BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
	put(c, BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
	put(c, BPF_LDX | BPF_MEM | BPF_W, 3, 1, 8, 0);
	put(c, BPF_ALU64 | BPF_LSH | BPF_K, 4, 0, 0, MINOR_BITS);
	put(c, BPF_ALU64 | BPF_OR | BPF_X, 4, 3, 0, 0);
	put(c, BPF_ALU64 | BPF_MOV | BPF_X, 3, 2, 0, 0);
	put(c, BPF_ALU64 | BPF_AND | BPF_K, 3, 0, 0, 0xffff);
	put(c, BPF_ALU64 | BPF_RSH | BPF_K, 2, 0, 0, 16);
	while (n-- > 0) {
		if (for_all(&rule[n])) {  /* the kernel takes no code that is never reached */
			usually = rule[n].what != REFUSED;
			break;
		}
		if (rule[n].type != type) {
			land(c, jump);
			type = rule[n].type;
			jump = type == (BLOCK | CHAR) ? 0 : put_unless(c, 3, type);
		}
		put_rule(c, &rule[n]);
		if (rule[n].access == ALL && rule[n].major == ANY && rule[n].minor == ANY)
			while (n > 0 && rule[n - 1].type == type)
				n--;
	}
	land(c, jump);
	end = c->n;
	put_return(c, usually);
	for (i = 0; i < end; i++)
		if (c->at[i].off >= TO_REFUSE) {
			bool same = (c->at[i].off == TO_ALLOW) == usually;

			c->at[i].off = (int16_t)(end - i - 1 + (same ? 0 : 2));
			other |= !same;
		}
	if (other)
		put_return(c, !usually);
	return sys_device_program(c->at, c->n);
}

void
device_look(const struct plan *p, struct run *r)
{
	const char *value, *usually = rescue(p) ? "auto" : "closed", *policy = usually;
	bool allows = false, by_bind = false, strict;
	char **w;
	size_t i;

	if (!WITH_LIMITS)
		return;
	for (w = p->property; w && *w; w++)
		if ((value = after(*w, "DevicePolicy=")))
			policy = *value ? value : usually;
		else if ((value = after(*w, "DeviceAllow=")))
			allows = *value;
	/* those of the host around us must do */
	if (p->device)
		by_bind = sys_within_users();
	/* strict: the nodes of /dev are made, and but for its terminal none of them works */
	r->device_strict = strict = streq(policy, "strict");
	for (i = 0; i < LEN(usual); i++)
		add_rule(r, usual[i].type, (unsigned int)usual[i].major, usual[i].minor,
		         strict && usual[i].what != TERMINAL ? MAKE : usual[i].access);
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
			r->device_policy = compile(r->rule, r->nrules);
			if (r->device_policy < 0)
				say("no device policy on cgroup2 (CONFIG_CGROUP_BPF): %s", strerror(errno));
			break;
		}
	if (r->device_policy < 0 && r->nshares > 0)
		cgroup_share(r, NULL, "devices");
}

/* ---- the policy, on its control group ---------------------------------------------------- */

/* before there is a directory in it: the kernel asks that. Not all need be ours to give: *refused is the last that is not */
static bool
enforce_v1(int dir, const struct rule *rule, size_t n, const struct rule **refused)
{
	char numbers[2][16];
	int type, i;

	if (put_at(dir, "devices.deny", "a") < 0)
		return false;
	for (; n > 0; n--, rule++) {
		for (i = 0; i < 2; i++)
			snprintf(numbers[i], sizeof(numbers[i]), (i ? rule->minor : rule->major) == ANY ? "*" : "%d",
			         i ? rule->minor : rule->major);
		for (type = BLOCK; type <= CHAR; type++) {
			if (!(rule->type & type) || (for_all(rule) && type == CHAR))
				continue;
			if (put_at(dir, rule->what == REFUSED ? "devices.deny" : "devices.allow",
			           fmt("%c %s:%s %s%s%s", for_all(rule) ? 'a' : type == BLOCK ? 'b' : 'c', numbers[0], numbers[1],
			               rule->access & READ ? "r" : "", rule->access & WRITE ? "w" : "",
			               rule->access & MAKE ? "m" : "")) == 0)
				continue;
			say("device %s:%s is not ours to give: %s", numbers[0], numbers[1], strerror(errno));
			*refused = rule;
		}
	}
	return true;
}

static bool
enforce(struct run *r)
{
	const struct rule *refused;
	struct share *s;

	for (s = r->share; s < r->share + r->nshares; s++) {
		if (s->dir < 0)
			continue;
		if (cgroup_is_v2(s) && r->device_policy >= 0) {
			if (sys_device_attach(s->dir, r->device_policy) == 0)
				return true;
			say("attach the device policy: %s", strerror(errno));
		} else if (s->payload < 0) {
			if (enforce_v1(s->dir, r->rule, r->nrules, &refused))
				return true;
			say("set the device policy of %s: %s", s->path, strerror(errno));
		}
	}
	return false;
}

/* of the runtime-spec: type, major, minor, access; what is not said is any */
static struct rule
parse_rule(const struct json *j)
{
	const char *type = json_string(j, "type"), *access = json_string(j, "access");
	struct rule rule = { .what = json_true(j, "allow") ? 0 : REFUSED };
	long long major = ANY, minor = ANY;

	rule.type = !type || *type == 'a' ? BLOCK | CHAR : *type == 'b' ? BLOCK : CHAR;
	if ((json_get(j, "major") && !json_number(j, "major", ANY, MAJOR_MOST, &major))
	    || (json_get(j, "minor") && !json_number(j, "minor", ANY, (1 << MINOR_BITS) - 1, &minor)))
		die("linux.resources.devices: no policy can be made for numbers below -1, or so large ones");
	rule.major = (int)major;
	rule.minor = (int)minor;
	rule.access = access && *access ? parse_access(access) : ALL;
	if (!rule.access)
		die("linux.resources.devices: access %s: not letters of rwm", access);
	return rule;
}

/* v1 takes back what was allowed only in the same words: a rule that refuses part of it would be lost */
static bool
takes_part_back(const struct rule *rule, size_t i)
{
	const struct rule *r = rule + i, *k;

	for (k = r; r->what == REFUSED && !for_all(r) && k-- > rule && !for_all(k);)
		if (k->what != REFUSED && k->type & r->type && k->access & r->access && (k->major != r->major || k->minor != r->minor)
		    && (k->major == r->major || k->major == ANY || r->major == ANY)
		    && (k->minor == r->minor || k->minor == ANY || r->minor == ANY))
			return true;
	return false;
}

void
device_set(const struct share *share, size_t n, const struct json *devices)
{
	/* pods that mount the host's /dev/net/tun count on what runc lets them: they have no way to ask for it */
	static const struct rule more[] = { { CHAR, 10, 200, ALL, 0 }, { BLOCK | CHAR, ANY, ANY, MAKE, 0 } };
	const struct json *j = json_first(devices, "");
	const struct rule *refused = NULL;
	const struct share *s;
	struct rule rule[RULES_MOST];
	size_t said = 0, all;
	bool free = false;
	int program;

	for (; j; j = j->next) {
		if (said + LEN(usual) + LEN(more) >= LEN(rule))
			die("linux.resources.devices: more than %d", RULES_MOST);
		rule[said] = parse_rule(j);
		free = for_all(&rule[said]) ? rule[said].what != REFUSED : free && rule[said].what != REFUSED;
		said++;
	}
	if (free)  /* of any policy */
		return;
	memcpy(rule + said, usual, sizeof(usual));
	memcpy(rule + said + LEN(usual), more, sizeof(more));
	all = said + LEN(usual) + LEN(more);
	for (s = share; s < share + n; s++) {
		if (!cgroup_is_v2(s) && cgroup_has(s, "devices")) {
			for (all = 0; all < said; all++)
				if (takes_part_back(rule, all))
					die("linux.resources.devices[%zu]: v1 cannot refuse a part of what a rule before it allows", all);
			all = said + LEN(usual) + LEN(more);
			if (!enforce_v1(s->dir, rule, all, &refused)) {
				if (sys_within_users())
					break;
				die("linux.resources.devices: set the policy of %s:", s->path);
			}
			if (refused && refused < rule + said)
				die("linux.resources.devices[%d]: not ours to give", (int)(refused - rule));
			return;
		}
	}
	for (s = share; s < share + n; s++) {
		if (!cgroup_is_v2(s))
			continue;
		program = compile(rule, all);
		if (program >= 0 && sys_device_attach(s->dir, program) == 0) {
			close(program);
			return;
		}
		if (sys_within_users())
			break;
		if (errno == EPERM)
			die("linux.resources.devices: on cgroup2 a policy takes bpf(2), which machines have with --nesting:");
		die("linux.resources.devices: %s:", lacks("device policy on cgroup2", "CGROUP_BPF"));
	}
	/* there no nodes but those that are shown from the host around us can come */
	if (sys_within_users()) {
		say("no device policy is to be had here, and none is needed");
		return;
	}
	if (!n)
		die("no control group is ours to make, and so nothing keeps the container from devices: mount -t cgroup2 cgroup2 /sys/fs/cgroup,"
		    " or say --cgroup-manager=disabled");
	die("linux.resources.devices: %s", lacks("device policy", "CGROUP_DEVICE, or on cgroup2 CONFIG_CGROUP_BPF"));
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
	bool held = WITH_LIMITS ? r->device_free || enforce(r) : rescue(p);
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
	if (r->device_strict)
		die("--property=DevicePolicy=strict: %s", lacks("device policy", "CGROUP_BPF, CONFIG_CGROUP_DEVICE"));
	r->keep &= ~((uint64_t)1 << MKNOD);
	if (r->device_bare)  /* and it was said */
		return;
	r->device_bare = true;
	if (!WITH_LIMITS)  /* as config.h says */
		return;
	/* in another machine there is none, and no way to make a node */
	(r->nested && !asks_for_policy(p) ? say : warn)("no %s, so root inside has no CAP_MKNOD, and no device node works but those in "
		"/dev", r->nshares ? "device policy is to be had (CONFIG_CGROUP_BPF or CONFIG_CGROUP_DEVICE)"
		                   : "control groups are to be had (CONFIG_CGROUPS): no limits and no device policy");
}

/* ---- in the child -------------------------------------------------------------------------- */

bool
device_shut(const struct run *r, const char *path)
{
	enum { ATTR_NODEV = 4 };  /* MOUNT_ATTR_NODEV of mount_setattr(2) */
	struct statfs fs;
	unsigned long flags = MS_NODEV;

	if (!r->device_bare || sys_mount_setattr(AT_FDCWD, path, ATTR_NODEV, 0) == 0)
		return true;
	if (statfs(path, &fs) == 0)
		flags |= (fs.f_flags & ST_RDONLY ? MS_RDONLY : 0) | (fs.f_flags & ST_NOSUID ? MS_NOSUID : 0)
		       | (fs.f_flags & ST_NOEXEC ? MS_NOEXEC : 0) | (fs.f_flags & ST_NOATIME ? MS_NOATIME : 0)
		       | (fs.f_flags & ST_RELATIME ? MS_RELATIME : 0);
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

	if (!WITH_LIMITS)
		return;
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

	for (i = 0; WITH_LIMITS && i < r->ndevices; i++)
		if (r->device[i].tree >= 0)
			fds[n++] = r->device[i].tree;
	return n;
}
