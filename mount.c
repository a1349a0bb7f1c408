/* SPDX-License-Identifier: 0BSD */
/*
 * Mounts that were asked for: binds, tmpfs, overlays, covers.
 *
 * What is bound is opened by the supervisor, on the host's side. From 5.2 on it becomes a copy of that
 * mount which is attached nowhere; before, the child looks it up anew and gathers all of it on a tmpfs
 * that will lie below the root, where no path leads. Either way it waits in a socket: while the tree
 * becomes the root and file systems are mounted into it, no fd is open that a link of the tree could
 * lead to. Where it is to be seen is looked up in the tree by fd.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "nspawn-lite.h"

#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif

enum { PROC_MAGIC = 0x9fa0, MOST_PAIRS = 64, MOST_LAYERS = 64, MOST_MOUNTS = 200, MOST_DEEP = 128 };
#define MOUNTINFO "../mountinfo"  /* from our directory's fd, where mounts are made */
enum { BIND, TMPFS, OVERLAY, COVER };
enum { NO_MAP, MAP, MAP_ROOT, MAP_OWNER, MAP_PAIRS };

struct binding {
	char *path;     /* of the host, or of the tree; NULL: the upper one is in memory */
	bool inside;    /* of the tree */
	char *name;     /* of one of the host: what it is called where they are gathered */
	int fd;         /* until it is gathered */
};

struct mount {
	int kind;
	const char *option, *word;  /* as it was said */
	char *dst;
	bool read_only, alone;      /* alone: without what is mounted below */
	int map;
	struct pair {
		bool group;
		uint32_t host, inside;
	} pair[MOST_PAIRS];
	size_t npair;
	/* of a tmpfs */
	unsigned long flags;
	char *data;
	long long uid, gid;         /* inside; -1: nothing was said */
	/* of an overlay the lowest first, and last the directory that the upper one is in */
	struct binding *source;
	size_t nsource;
	bool upper;
	char *upper_name;           /* NULL: in memory */
	char *work;                 /* its work directory, as work_sweep has it */
	/* of an upper one of the host: its lock, and what is to be found there inside */
	int lock;
	struct stat upper_is, work_is;
};

/* ---- words -------------------------------------------------------------------- */

static _Noreturn void
wrong(const struct mount *m, const char *why)
{
	die("--%s=%.200s: %s", m->option, m->word, why);
}

static _Noreturn void
fail(const struct mount *m, const char *what)
{
	die("--%s=%.200s: %s:", m->option, m->word, what);
}

/* up to the next colon; \: and \\ stand for themselves. *at is behind it, or NULL at the end */
static char *
field(const char **at)
{
	const char *s = *at;
	char *out = xalloc(strlen(s) + 1), *to = out;

	for (; *s && *s != ':'; s++) {
		if (*s == '\\' && (s[1] == ':' || s[1] == '\\'))
			s++;
		*to++ = *s;
	}
	*at = *s ? s + 1 : NULL;
	return out;
}

/* an absolute path without empty parts and dots; one that goes up is refused */
static char *
clean(const struct mount *m, const char *path)
{
	char *out, *to;
	size_t n;

	if (*path != '/')
		wrong(m, fmt("\"%.80s\" is no absolute path, as inside the machine it must be", path));
	if (strlen(path) >= PATH_MAX)
		wrong(m, "the path is too long");
	for (n = 0, to = strchr(path, '/'); to; to = strchr(to + 1, '/'))
		if (++n > MOST_DEEP)
			wrong(m, fmt("the path has more than %d parts", MOST_DEEP));
	out = to = xalloc(strlen(path) + 2);
	for (; *path; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 2 && strncmp(path, "..", 2) == 0)
			wrong(m, "the path goes up by \"..\"; write where it leads to");
		if (n == 0 || (n == 1 && *path == '.'))
			continue;
		*to++ = '/';
		memcpy(to, path, n);
		to += n;
	}
	if (to == out)
		*to = '/';
	return out;
}

static void
add_source(struct mount *m, char *path)
{
	struct binding *s = &m->source[m->nsource];

	if (m->nsource == MOST_LAYERS)
		wrong(m, "too many directories");
	m->nsource++;
	s->inside = *path == '+';
	path += s->inside;
	if (s->inside && *path != '/')
		wrong(m, "behind + stands an absolute path of the tree");
	if (strlen(path) >= PATH_MAX)
		wrong(m, "the path is too long");
	s->path = *path ? path : NULL;
}

/* what is between commas; NULL at the end */
static char *
next_option(char **rest)
{
	char *option = *rest;
	size_t n;

	if (!option || !*option)
		return NULL;
	n = strcspn(option, ",");
	*rest = option + n + (option[n] == ',');
	option[n] = 0;
	return option;
}

/* uid=HOST-INSIDE, gid=HOST-INSIDE */
static bool
parse_pair(struct mount *m, const char *option)
{
	const char *uid = after(option, "uid="), *gid = after(option, "gid="), *value = uid ? uid : gid;
	struct pair *new = &m->pair[m->npair];
	const char *dash = value ? strchr(value, '-') : NULL;
	long long host, inside;
	size_t i;

	if (!value)
		return false;
	if (!dash || !parse_number(xstrndup(value, (size_t)(dash - value)), 0, UINT32_MAX - 1, &host)
	    || !parse_number(dash + 1, 0, UINT32_MAX - 1, &inside))
		wrong(m, fmt("\"%.60s\" is not %cid=HOST-INSIDE with two numbers", option, uid ? 'u' : 'g'));
	if (m->npair == MOST_PAIRS)
		wrong(m, "too many pairs of ids");
	*new = (struct pair){ gid != NULL, (uint32_t)host, (uint32_t)inside };
	for (i = 0; i < m->npair; i++)
		if (m->pair[i].group == new->group
		    && (m->pair[i].host == new->host || m->pair[i].inside == new->inside))
			wrong(m, fmt("\"%.60s\": an id has one partner", option));
	m->npair++;
	return true;
}

static void
parse_bind(struct mount *m)
{
	static const char words[] = "rbind|norbind|noidmap|idmap|rootidmap|owneridmap", flags[] = "nosuid|nodev|noexec";
	const char *at = m->word;
	char *src = field(&at), *dst = at ? field(&at) : NULL, *options = at ? field(&at) : NULL, *option;
	int word;

	if (at)
		wrong(m, "more than SRC:DST:OPTIONS (a colon of a path is written \\:)");
	add_source(m, src);
	if (dst && !*dst)
		wrong(m, "no destination between the colons");
	if (!dst && !m->source->path)
		wrong(m, "an empty source is a fresh directory, which needs a destination");
	if (dst || *src == '+' || *src == '/')
		m->dst = clean(m, dst ? dst : m->source->path);
	while ((option = next_option(&options))) {
		word = word_index(flags, option);
		if (word >= 0) {
			m->flags |= (unsigned long)MS_NOSUID << word;  /* MS_NODEV, MS_NOEXEC follow */
			continue;
		}
		word = word_index(words, option);
		if (!WITH_USERNS && (word < 0 || word > 2))
			wrong(m, fmt("\"%.60s\" is none of: rbind norbind nosuid nodev noexec noidmap (WITH_USERNS)", option));
		if (word < 0 && !parse_pair(m, option))
			wrong(m, fmt("\"%.60s\" is none of: rbind norbind nosuid nodev noexec noidmap idmap rootidmap owneridmap "
			             "uid=HOST-INSIDE gid=HOST-INSIDE", option));
		if (word == 0 || word == 1)
			m->alone = word == 1;
		else if (word > 1)
			m->map = word - 2;
	}
	if (WITH_USERNS && m->npair && m->map)
		wrong(m, "pairs of ids, or a word that chooses them: not both");
	if (WITH_USERNS && m->npair)
		m->map = MAP_PAIRS;
	if (WITH_USERNS && m->map && (m->source->inside || !m->source->path))
		wrong(m, "what is of the tree has the tree's owners: nothing can be mapped");
	if (m->source->path)
		return;
	m->kind = TMPFS;
	m->flags |= MS_NODEV | (m->read_only ? MS_RDONLY : 0);
	m->data = xstrdup("mode=755," SIZE_ROOT);
	m->uid = m->gid = -1;
}

static const struct { const char *word; unsigned long set, clear; } mount_flags[] = {
	{ "ro", MS_RDONLY, 0 }, { "rw", 0, MS_RDONLY }, { "nosuid", MS_NOSUID, 0 }, { "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 }, { "dev", 0, MS_NODEV }, { "noexec", MS_NOEXEC, 0 }, { "exec", 0, MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS, 0 }, { "async", 0, MS_SYNCHRONOUS }, { "dirsync", MS_DIRSYNC, 0 },
	{ "noatime", MS_NOATIME, MS_STRICTATIME | MS_RELATIME }, { "atime", 0, MS_NOATIME },
	{ "nodiratime", MS_NODIRATIME, 0 }, { "diratime", 0, MS_NODIRATIME },
	{ "relatime", MS_RELATIME, MS_STRICTATIME | MS_NOATIME },
	{ "norelatime", MS_STRICTATIME, MS_RELATIME },
	{ "strictatime", MS_STRICTATIME, MS_NOATIME | MS_RELATIME }, { "nostrictatime", 0, MS_STRICTATIME },
	{ "lazytime", MS_LAZYTIME, 0 }, { "nolazytime", 0, MS_LAZYTIME }, { "defaults", 0, 0 },
};

const char *
mount_flag_name(int n)
{
	return n < (int)LEN(mount_flags) ? mount_flags[n].word : NULL;
}

bool
mount_flag(const char *word, unsigned long *set, unsigned long *clear)
{
	size_t i;

	for (i = 0; i < LEN(mount_flags); i++)
		if (streq(mount_flags[i].word, word)) {
			*set = mount_flags[i].set;
			*clear = mount_flags[i].clear;
			return true;
		}
	return false;
}

static bool
parse_flag(struct mount *m, const char *option)
{
	unsigned long set, clear;

	if (!mount_flag(option, &set, &clear))
		return false;
	m->flags = (m->flags & ~clear) | set;
	return true;
}

/* of what is too much the kernel takes the lower bits, and 0 is no limit at all */
static bool
parse_amount(const char *value, bool bytes, bool share)
{
	static const char units[] = "kmgtpe";
	const long long pages = LONG_MAX < INT64_MAX / 4096 ? LONG_MAX : INT64_MAX / 4096;
	size_t n = strspn(value, "0123456789");
	const char *unit = value[n] ? strchr(units, value[n] | 0x20) : NULL;
	long long most = bytes ? pages * 4096 : LONG_MAX, number;

	if (share && streq(value + n, "%"))
		most = 1000;
	else if (value[n] && (!unit || value[n + 1]))
		return false;
	return parse_number(xstrndup(value, n), 0, unit ? most >> 10 * (unit - units + 1) : most, &number);
}

/* a word for tmpfs(5) itself; whether the kernel takes the value, it says */
static bool
parse_tmpfs_value(struct mount *m, char *option)
{
	static const char bytes[] = "size|usrquota_block_hardlimit|grpquota_block_hardlimit";
	static const char counts[] = "nr_blocks|nr_inodes|usrquota_inode_hardlimit|grpquota_inode_hardlimit";
	char *equals = strchr(option, '='), *name = xstrndup(option, strcspn(option, "="));
	const char *value = equals ? equals + 1 : "";
	bool right;

	if (streq(name, "uid") || streq(name, "gid"))
		return parse_number(value, 0, UINT32_MAX - 1, *name == 'u' ? &m->uid : &m->gid);
	if (word_index(bytes, name) >= 0 || word_index(counts, name) >= 0)
		right = parse_amount(value, word_index(bytes, name) >= 0, streq(name, "size"));
	else if (streq(name, "mode"))
		right = *value && strlen(value) <= 5 && strspn(value, "01234567") == strlen(value);
	else if (streq(name, "huge"))
		right = word_index("never|always|within_size|advise|deny|force", value) >= 0;
	else
		right = streq(name, "mpol") ? *value != 0
		      : !equals && word_index("inode32|inode64|noswap|quota|usrquota|grpquota", name) >= 0;
	if (right && streq(name, "mode"))  /* it stands first: ramfs takes no other */
		m->data = fmt("%s%s", option, m->data + strcspn(m->data, ","));
	else if (right)
		m->data = fmt("%s,%s", m->data, option);
	return right;
}

static void
parse_tmpfs(struct mount *m)
{
	const char *at = m->word;
	char *option, *options;

	m->dst = clean(m, field(&at));
	m->flags = MS_NODEV | MS_STRICTATIME;
	m->data = xstrdup(at && *at ? "mode=1777" : "mode=0755");  /* with options all else is as the kernel has it, as in the original */
	m->uid = m->gid = -1;
	options = at ? xstrdup(at) : NULL;
	while ((option = next_option(&options)))
		if (*option && !parse_flag(m, option) && !parse_tmpfs_value(m, option))
			wrong(m, fmt("\"%.60s\" is no option of tmpfs(5), or has no value that it can have", option));
	m->read_only = m->flags & MS_RDONLY;
}

static void
parse_overlay(struct mount *m)
{
	const char *at = m->word;
	char *last = NULL;

	while (at) {
		if (last)
			add_source(m, last);
		last = field(&at);
	}
	if (!m->nsource)
		wrong(m, "a directory below and one above it are needed: LOWER:UPPER:DST");
	m->dst = clean(m, m->nsource == 1 && *last == '+' ? last + 1 : last);
	if (m->nsource == 1)
		add_source(m, last);
	m->upper = !m->read_only;
	for (struct binding *s = m->source; s < m->source + m->nsource - m->upper; s++)
		if (!s->path)
			wrong(m, "only the upper directory may be empty");
}

static void
parse_cover(struct mount *m)
{
	m->dst = clean(m, m->word);
	if (streq(m->dst, "/"))
		wrong(m, "without its root it would be no machine");
}

/* by destination, parents first; else as they were said */
static bool
comes_before(const struct mount *a, const struct mount *b)
{
	const char *x = a->dst, *y = b->dst;

	for (; *x && *x == *y; x++, y++)
		;
	if (*x == *y)
		return false;
	return !*x || (*y && (*x == '/' || (*y != '/' && (unsigned char)*x < (unsigned char)*y)));
}

/* all that was asked for, or nothing */
static struct mount **
parse(const struct plan *p, size_t *n)
{
	const struct {
		char **words;
		const char *option;
		int kind;
		bool read_only;
		void (*parse)(struct mount *);
	} lists[] = {
		{ p->bind, "bind", BIND, false, parse_bind },
		{ p->bind_ro, "bind-ro", BIND, true, parse_bind },
		{ p->tmpfs, "tmpfs", TMPFS, false, parse_tmpfs },
		{ p->overlay, "overlay", OVERLAY, false, WITH_OVERLAY ? parse_overlay : NULL },
		{ p->overlay_ro, "overlay-ro", OVERLAY, true, WITH_OVERLAY ? parse_overlay : NULL },
		{ p->inaccessible, "inaccessible", COVER, true, parse_cover },
	};
	struct mount **list, *m;
	char **w;
	size_t i, most = 0;

	*n = 0;
	for (i = 0; i < LEN(lists); i++)
		most += count(lists[i].words);
	if (most > MOST_MOUNTS)
		die("more than %d mounts are asked for", MOST_MOUNTS);
	list = most ? xalloc(most * sizeof(struct mount *)) : NULL;
	for (i = 0; i < LEN(lists); i++)
		for (w = lists[i].words; w && *w; w++) {
			m = list[(*n)++] = xalloc(sizeof(*m));
			m->kind = lists[i].kind;
			m->option = lists[i].option;
			m->word = *w;
			m->read_only = lists[i].read_only;
			m->lock = -1;
			m->source = xalloc((m->kind == OVERLAY ? MOST_LAYERS : 1) * sizeof(*m->source));
			if (!utf8_clean(*w))
				wrong(m, "the path holds control characters or is no UTF-8");
			lists[i].parse(m);
		}
	return list;
}

static void
sort(struct mount **list, size_t n)
{
	struct mount *m;
	size_t i, j;

	for (i = 1; i < n; i++) {
		m = list[i];
		for (j = i; j > 0 && comes_before(m, list[j - 1]); j--)
			list[j] = list[j - 1];
		list[j] = m;
	}
}

void
mount_check(const struct plan *p)
{
	size_t n;

	if (WITH_MOUNTS)
		parse(p, &n);
}

/* ---- the host's side, before --------------------------------------------------------- */

/* fd, which is closed, is on its way into the machine */
static void
hand_over(struct run *r, const struct mount *m, int fd)
{
	if (sys_send(r->sources[1], "", 1, fd) != 1)
		fail(m, "keep its source");
	close(fd);
}

static void
offer(struct run *r, struct mount *m, struct binding *s, int fd)
{
	unsigned int deep = m->kind == BIND && !m->alone ? RECURSIVE : 0;
	int tree;

	if (r->sources[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, r->sources) < 0)
		fail(m, "make a socket");
	s->name = fmt("%zu", r->nsources++);
	tree = r->gather ? -1 : sys_open_tree(fd, "", CLONE_TREE | deep | AT_EMPTY_PATH | O_CLOEXEC);
	/* with the users of another machine what is mounted below cannot be left out; an overlay does not see it */
	if (tree < 0 && !r->gather && errno == EINVAL && m->kind == OVERLAY)
		tree = sys_open_tree(fd, "", CLONE_TREE | RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC);
	if (tree >= 0)
		hand_over(r, m, tree);
	else if (r->nsources == 1 && (errno == ENOSYS || errno == EPERM))
		r->gather = true;  /* Linux before 5.2 */
	else if (!r->gather)
		fail(m, m->alone && errno == EINVAL ? "leave out what is mounted below its source, and locked there"
		                                    : "copy the mount of its source");
	close(fd);
}

/* the maps of the namespace that shows one file system's owners as others: see user_namespaces(7) */
static void
offer_map(struct run *r, struct mount *m, const struct stat *owner)
{
	struct stat st = { .st_uid = 0 };
	char *map[2] = { xstrdup(""), xstrdup("") };
	bool groups = false;
	size_t i;
	int fd;

	if (!WITH_USERNS || m->map == NO_MAP || m->map == MAP)
		return;
	if (r->gather)
		wrong(m, "owners cannot be mapped: idmapped mounts need Linux 5.12");
	if (m->map == MAP_OWNER && (fd = sys_open_in(r->tree, m->dst, O_PATH, 0)) >= 0) {
		if (fstat(fd, &st) < 0)
			fail(m, "look at its destination");
		close(fd);
	}
	if (m->map != MAP_PAIRS) {
		/* the tree's owners are the host's, unless they are mapped to those of the machine */
		bool inside = m->map == MAP_ROOT || st.st_uid + st.st_gid == 0 || r->ownership == OWNERSHIP_MAP;
		uint32_t base = inside ? r->id_base : 0;

		map[0] = fmt("%u %u 1\n", (unsigned int)owner->st_uid, (unsigned int)(base + st.st_uid));
		map[1] = fmt("%u %u 1\n", (unsigned int)owner->st_gid, (unsigned int)(base + st.st_gid));
	}
	for (i = 0; i < m->npair; i++)
		groups |= m->pair[i].group;
	for (i = 0; i < m->npair; i++) {
		const struct pair *pair = &m->pair[i];
		char *line = fmt("%u %u 1\n", (unsigned int)pair->host, (unsigned int)(r->id_base + pair->inside));

		if (r->userns && pair->inside >= r->id_count)
			wrong(m, fmt("the machine has no id %u: its ids end at %u", (unsigned int)pair->inside,
			             (unsigned int)r->id_count - 1));
		map[pair->group] = fmt("%s%s", map[pair->group], line);
		if (!groups)  /* then those of users are meant for groups too */
			map[1] = fmt("%s%s", map[1], line);
	}
	if (groups && !*map[0])
		map[0] = fmt("0 %u 1\n", (unsigned int)r->id_base);
	fd = sys_userns(map[0], map[1]);
	if (fd < 0)
		fail(m, "make a user namespace that maps its owners (CONFIG_USER_NS, user.max_user_namespaces)");
	hand_over(r, m, fd);
}

static char *
absolute(const struct mount *m, char *path)
{
	char here[PATH_MAX];

	if (*path == '/')
		return path;
	if (!getcwd(here, sizeof(here)))
		fail(m, "find our directory");
	return fmt("%s/%s", streq(here, "/") ? "" : here, path);
}

static void
look_at_bind(struct run *r, struct mount *m)
{
	struct binding *s = m->source;
	struct stat st;
	int fd;

	if (s->inside)
		return;
	s->path = absolute(m, s->path);
	fd = openat(AT_FDCWD, s->path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		fail(m, fmt("look at %s", s->path));
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		device_allow(r, st.st_mode & S_IFMT, (int)major(st.st_rdev), (int)minor(st.st_rdev),
		             m->read_only ? "r" : "rw");
	offer(r, m, s, fd);
	offer_map(r, m, &st);
}

/* what was mounted on the root by a bind, or else the tree: where a path of the tree was on the host */
static char *
root_of(const struct plan *p, const struct run *r)
{
	const char *new = p->pivot_root;
	char *root = new ? fmt("%s/%.*s", r->root, (int)strcspn(new, ":"), new) : r->root;
	const struct binding *s;
	size_t i;

	for (i = 0; i < r->nmounts; i++) {
		s = r->mount[i]->source;
		if (r->mount[i]->kind == BIND && streq(r->mount[i]->dst, "/"))
			root = s->inside ? fmt("%s/%s", root, s->path) : realpath(s->path, NULL);
	}
	return root ? root : "";
}

/* an upper directory is reached by the one that it is in: its work directory must be of the same mount */
static void
split_upper(struct mount *m, struct binding *s, char *path)
{
	char *slash = strrchr(path, '/');

	m->upper_name = xstrdup(slash + 1);
	s->path = slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
	if (!*m->upper_name)
		wrong(m, "a root cannot be the upper directory");
	if (strlen(work_name(m->upper_name)) > NAME_MAX)
		wrong(m, "the name of the upper directory is too long for a hidden one beside it");
}

static void
remove_work(struct run *r)
{
	size_t i;

	for (i = 0; i < r->nmounts; i++)
		if (r->mount[i]->work)
			work_sweep(r->mount[i]->work, r->mount[i]->lock >= 0 ? r->mount[i]->lock : r->tree);
}

/* there will be a work directory in this one */
static void
note_work(const struct plan *p, struct run *r, struct mount *m, const char *above)
{
	if (!r->works)
		undo(r, remove_work);
	r->works = true;
	m->work = fmt("%s/%s", above, work_name(m->upper_name));
	grow(&r->notes, fmt("WORK=%s", m->work));
	machine_note(p, r);
}

/* make it, or take one that was left by a machine that was killed; nobody else's */
static int
make_work(const struct mount *m, int above, const char *upper, uid_t owner)
{
	char *name = work_name(upper);
	bool made = mkdirat(above, name, 0700) == 0;
	int fd;

	if (!made && errno != EEXIST)
		fail(m, fmt("make a work directory beside %s", upper));
	fd = work_open(above, name, owner);
	if (fd < 0 && made && errno == EPERM) {
		unlinkat(above, name, AT_REMOVEDIR);
		wrong(m, fmt("overlayfs refuses what keeps no owners and modes (%s above)", place_type(above)));
	}
	if (fd < 0)
		wrong(m, fmt("%s, beside the upper directory, is none that we have made: remove it", name));
	return fd;
}

static void
look_at_upper(const struct plan *p, struct run *r, struct mount *m, struct binding *s)
{
	char real[PATH_MAX];
	int above, fd;
	bool made;

	if (s->inside) {
		split_upper(m, s, clean(m, s->path));
		if (!r->read_only && !p->ephemeral && p->volat <= VOLATILE_NO)  /* else it is in memory */
			note_work(p, r, m, fmt("%s/%s", root_of(p, r), s->path));
		return;
	}
	s->path = absolute(m, s->path);
	made = mkdir(s->path, 0755) == 0;
	if (!made && errno != EEXIST)
		fail(m, fmt("make %s", s->path));
	if (!realpath(s->path, real))
		fail(m, fmt("look at %s", s->path));
	if (!utf8_clean(real))
		wrong(m, "the path of the upper directory holds control characters or is no UTF-8");
	split_upper(m, s, real);
	above = openat(AT_FDCWD, s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	m->lock = sys_open_dir(above, m->upper_name);
	if (m->lock < 0 || fstat(m->lock, &m->upper_is) < 0 || (made && fchown(m->lock, r->id_base, r->id_base) < 0))
		fail(m, fmt("look at %s", real));
	if (flock(m->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			wrong(m, fmt("%s is in use by another machine", real));
		fail(m, fmt("lock %s", real));
	}
	note_work(p, r, m, streq(s->path, "/") ? "" : s->path);
	fd = make_work(m, above, m->upper_name, geteuid());
	if (fstat(fd, &m->work_is) < 0)
		fail(m, "look at its work directory");
	close(fd);
	offer(r, m, s, above);
}

static void
look_at_overlay(const struct plan *p, struct run *r, struct mount *m)
{
	struct binding *s, *end = m->source + m->nsource;
	int fd;

	for (s = m->source; s < end; s++) {
		if (s->path && m->upper && s == end - 1) {
			look_at_upper(p, r, m, s);
		} else if (s->path && !s->inside) {
			s->path = absolute(m, s->path);
			fd = openat(AT_FDCWD, s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (fd < 0)
				fail(m, fmt("look at %s", s->path));
			offer(r, m, s, fd);
		}
	}
}

void
mount_look(const struct plan *p, struct run *r)
{
	struct mount *m;
	size_t i;

	if (!WITH_MOUNTS)
		return;
	r->mount = parse(p, &r->nmounts);
	for (i = 0; i < r->nmounts; i++)
		if (!r->mount[i]->dst)
			r->mount[i]->dst = clean(r->mount[i], absolute(r->mount[i], r->mount[i]->source->path));
	sort(r->mount, r->nmounts);
	for (i = 0; i < r->nmounts; i++) {
		m = r->mount[i];
		if (m->kind == BIND)
			look_at_bind(r, m);
		if (WITH_OVERLAY && m->kind == OVERLAY)
			look_at_overlay(p, r, m);
		if (streq(m->dst, "/") && m->read_only)
			r->read_only = r->root_fixed = true;
	}
}

bool
mount_on(const struct run *r, const char *path)
{
	size_t i;

	for (i = 0; WITH_MOUNTS && i < r->nmounts; i++)
		if (streq(r->mount[i]->dst, path))
			return true;
	return false;
}

bool
mount_lacks(const struct run *r, int tree)
{
	const char *first;
	struct stat st;
	size_t i;

	for (i = 0; WITH_MOUNTS && i < r->nmounts; i++) {
		first = r->mount[i]->dst + 1;
		if (*first && r->mount[i]->kind != COVER
		    && fstatat(tree, xstrndup(first, strcspn(first, "/")), &st, AT_SYMLINK_NOFOLLOW) < 0)
			return true;
	}
	return false;
}

void
mount_forget(struct run *r)
{
	drop(r->sources[0]);
	drop(r->sources[1]);
	r->sources[0] = r->sources[1] = -1;
}

/* ---- in the machine ---------------------------------------------------------------------------- */

/*
 * Where mounts are made. Our directory is /proc/self/fd meanwhile, and fds are called by their bare
 * numbers: whatever the tree makes of the name /proc, they mean what they mean.
 */
struct site {
	struct run *r;
	int root;           /* of the tree */
	int cover;          /* directory of the nodes that nobody can use */
	const char *place;  /* what scratch is mounted on */
	int scratch;        /* a tmpfs of ours, or -1: directories d and o, and a file f, to mount on first */
	bool whole;         /* the root itself is what is mounted on */
};

static char *
number(int fd)
{
	return fmt("%d", fd);
}

/* procfs: the machine's, or AT_FDCWD and the host's, as long as "/" is the host's */
static void
enter_site(int procfs)
{
	int fd = openat(procfs, procfs < 0 ? "/proc/self/fd" : "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != PROC_MAGIC || fchdir(fd) < 0)
		die("mount what was asked for: /proc is not what it must be");
	close(fd);
}

static int
scratch(struct site *s)
{
	int f;

	if (s->scratch >= 0)
		return s->scratch;
	if (sys_mount_memory(s->place, MS_NOSUID | MS_NOEXEC, "mode=700,size=1m,nr_inodes=64") < 0)
		die("mount a tmpfs to mount on:");
	s->scratch = openat(AT_FDCWD, s->place, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->scratch < 0 || mkdirat(s->scratch, "d", 0755) < 0 || mkdirat(s->scratch, "o", 0755) < 0
	    || (f = openat(s->scratch, "f", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		die("make a place to mount on:");
	close(f);
	return s->scratch;
}

/* a tmpfs on one of scratch's directories, as an fd */
static int
workshop(struct site *s, const struct mount *m, const char *name, const char *data)
{
	int fd;

	if (sys_mount_memory(fmt("%d/%s", scratch(s), name), 0, data) < 0)
		fail(m, "mount a tmpfs");
	fd = openat(s->scratch, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fail(m, "open a tmpfs");
	return fd;
}

static void
move(const struct mount *m, int from, int to)
{
	if (mount(number(from), number(to), NULL, MS_MOVE, NULL) < 0)
		fail(m, fmt("mount on %s", m->dst));
}

/* over a directory that nothing can be made in, one of memory that shows the same */
static int
mirror(struct site *s, const struct mount *m, int dir)
{
	struct stat st;
	int top;

	if (fstat(dir, &st) < 0)
		fail(m, "look at the tree");
	say("%s cannot be made in a read-only directory: that is shown through one in memory", m->dst);
	top = workshop(s, m, "d", fmt("mode=%o,size=4m", (unsigned int)st.st_mode & 07777));
	if (fchownat(top, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0)
		fail(m, "give away a tmpfs");
	place_mirror_all("", dir, top);
	move(m, top, dir);
	return top;
}

static int
point(struct site *s, const struct mount *m, mode_t type)
{
	struct stat st;
	int fd, where, top = -1;

	if (s->whole)
		return scratch(s);
	fd = place_make(s->root, m->dst, type, &where);
	if (fd < 0 && errno == EROFS && where >= 0) {
		top = mirror(s, m, where);
		close(where);
		fd = place_make(s->root, m->dst, type, NULL);
	}
	if (fd < 0 && errno == ENOTDIR)
		wrong(m, fmt("%s is no directory inside, or something above it is none", m->dst));
	if (fd < 0 || fstat(fd, &st) < 0)
		fail(m, fmt("make %s inside", m->dst));
	if (S_ISDIR(st.st_mode) && !S_ISDIR(type))
		wrong(m, fmt("%s is a directory inside, and the source is none", m->dst));
	if (top >= 0 && place_read_only(number(top), 0) < 0)
		fail(m, "make the directory in memory read-only");
	drop(top);
	return fd;
}

static void
leave(const struct site *s, int point_fd)
{
	if (point_fd != s->scratch)
		close(point_fd);
}

static int
receive(struct site *s, const struct mount *m)
{
	char c = 0;
	int fd;

	if (sys_recv(s->r->sources[0], &c, 1, &fd, NULL) != 1 || fd < 0)
		wrong(m, "its source is lost");
	return fd;
}

/* of the tree: found by its path there; of the host: a copy of its mount, or the place where it was gathered */
static int
take(struct site *s, const struct mount *m, const struct binding *source)
{
	int fd;

	if (!source->inside && !s->r->gather)
		return receive(s, m);
	if (source->inside)
		fd = sys_open_in(s->root, source->path, O_PATH, 0);
	else
		fd = openat(s->r->gathered, source->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fail(m, fmt("look at %s%s", source->path, source->inside ? " of the tree" : ""));
	return fd;
}

static void
map_owners(const struct mount *m, int tree, int userns)
{
	const char *type;

	if (sys_mount_idmap(tree, userns, m->kind == BIND && !m->alone) == 0)
		return;
	type = place_type(tree);
	if (errno == EINVAL && m->kind == BIND && !m->alone && sys_mount_idmap(tree, userns, false) == 0)
		wrong(m, "owners of something mounted below the source cannot be mapped: leave those out by the word "
		         "norbind");
	wrong(m, fmt("owners on %s cannot be mapped%s", type,
	             errno == ENOSYS ? ": idmapped mounts need Linux 5.12" :
	             " by this kernel (idmapped mounts: Linux 5.12 and later, by file system)"));
}

static char *
path_of(const struct mount *m, int fd)
{
	char path[PATH_MAX];
	ssize_t n = readlink(number(fd), path, sizeof(path) - 1);

	if (n <= 0)
		fail(m, "find where it is mounted");
	path[n] = 0;
	return xstrdup(path);
}

/* no node in it works where there is no device policy; Linux before 5.12: one by one */
static void
shut(const struct site *s, const struct mount *m, int top)
{
	const char *path, *rest;
	char **list;

	if (device_shut(s->r, number(top)))
		return;
	path = path_of(m, top);
	for (list = place_mounts(MOUNTINFO); list && *list; list++)
		if ((rest = after(*list, path)) && *rest == '/')
			device_shut(s->r, *list);
}

static void
make_bind(struct site *s, const struct mount *m)
{
	const struct binding *source = m->source;
	int fd, top, to, userns;
	bool deep = !m->alone;
	unsigned long events;
	struct stat st;

	top = fd = take(s, m, source);
	if (fstat(fd, &st) < 0)
		fail(m, "look at its source");
	userns = !WITH_USERNS ? -1 : m->map > MAP ? receive(s, m) : m->map == MAP && s->r->userns ? s->r->userns_fd : -1;
	if (WITH_USERNS && userns >= 0)
		map_owners(m, fd, userns);
	if (WITH_USERNS && m->map > MAP)
		close(userns);
	if (s->whole && !S_ISDIR(st.st_mode))
		wrong(m, "the root must be a directory");
	to = point(s, m, S_ISDIR(st.st_mode) ? S_IFDIR : S_IFREG);
	if (!source->inside && !s->r->gather) {
		if (sys_move_mount(fd, "", to, "", FROM_FD | TO_FD) < 0)
			fail(m, fmt("mount on %s", m->dst));
	} else {
		const char *name = S_ISDIR(st.st_mode) ? "d" : "f";

		if (mount(number(fd), fmt("%d/%s", scratch(s), name), NULL, MS_BIND | (deep ? MS_REC : 0), NULL) < 0)
			fail(m, "bind its source");
		top = openat(s->scratch, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (top < 0)
			fail(m, "open its source");
		close(fd);
		move(m, top, to);
	}
	/* what the host mounts there later comes too, but not past what was asked for */
	events = m->read_only || m->alone || m->map ? MS_PRIVATE : MS_SLAVE;
	if (mount(NULL, number(top), NULL, events | MS_REC, NULL) < 0)
		fail(m, "make the mount its own");
	if (m->read_only && sys_mount_setattr(top, "", ATTR_RDONLY, 0) < 0)
		place_all_read_only(MOUNTINFO, path_of(m, top));
	/* they are those of mount_setattr(2), too, which the kernel may not have: then one mount is all that can be had */
	if (m->flags && sys_mount_setattr(top, "", m->flags, 0) < 0) {
		if (deep && S_ISDIR(st.st_mode))
			fail(m, "nosuid, nodev and noexec of what is mounted below (mount_setattr(2), Linux 5.12; norbind goes)");
		if (mount(NULL, number(top), NULL, MS_REMOUNT | MS_BIND | m->flags | place_flags(number(top)) | (m->read_only ? MS_RDONLY : 0), NULL) < 0)
			fail(m, "set its flags");
	}
	if (S_ISDIR(st.st_mode))
		shut(s, m, top);
	close(top);
	leave(s, to);
}

static void
make_tmpfs(struct site *s, const struct mount *m)
{
	char *data = m->data;
	int to = point(s, m, S_IFDIR);

	if (WITH_USERNS && s->r->userns && (m->uid >= (long long)s->r->id_count || m->gid >= (long long)s->r->id_count))
		wrong(m, fmt("the machine's ids end at %u", (unsigned int)s->r->id_count - 1));
	if (m->uid >= 0)
		data = fmt("%s,uid=%lld", data, m->uid + s->r->id_base);
	if (m->gid >= 0)
		data = fmt("%s,gid=%lld", data, m->gid + s->r->id_base);
	if (s->r->no_tmpfs && strchr(data, ','))
		wrong(m, lacks("tmpfs", "TMPFS"));
	if ((s->r->no_tmpfs ? sys_mount_memory(number(to), m->flags, data)
	                    : mount("tmpfs", number(to), "tmpfs", m->flags, data)) < 0) {
		if (errno == EINVAL)
			wrong(m, "this kernel's tmpfs takes no such option or value");
		fail(m, "mount a tmpfs");
	}
	leave(s, to);
}

static _Noreturn void
overlay_trouble(const struct mount *m, int lower, int upper)
{
	if (errno == ENODEV)
		wrong(m, "the kernel has no overlayfs (CONFIG_OVERLAY_FS, module overlay)");
	if (errno == EBUSY)
		wrong(m, "the upper directory is in use by another overlay");
	if (errno == ESTALE)
		wrong(m, "the upper directory was used above another lower one");
	if (errno == EINVAL || errno == EOPNOTSUPP || errno == EPERM || errno == EROFS || errno == EREMOTE)
		wrong(m, fmt("overlayfs refuses these directories (%s below, %s above): not every file system can bear "
		             "one, two overlays on each other are the most, and above must be a writable one with "
		             "extended attributes, such as ext4, xfs, btrfs or tmpfs (an empty UPPER is one in memory)",
		             place_type(lower), upper < 0 ? "nothing" : place_type(upper)));
	fail(m, "mount an overlay");
}

/* a directory for the overlay to be made of, as an fd of a mount that is attached */
static int
take_layer(struct site *s, const struct mount *m, const struct binding *source, int shop, size_t i)
{
	char *name = fmt("%zu", i);
	int fd = take(s, m, source);

	if (source->inside || s->r->gather)
		return fd;
	if (mkdirat(shop, name, 0755) < 0 || sys_move_mount(fd, "", shop, name, FROM_FD) < 0)
		fail(m, fmt("mount %s", source->path));
	return fd;
}

static bool
is(int fd, const struct stat *what)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_ino == what->st_ino && st.st_dev == what->st_dev;
}

/*
 * The upper directory and its work directory. One of the host must be what the supervisor has seen; one in
 * memory is what is seen of the two: with the lower one's owner and mode.
 */
static void
take_upper(struct site *s, const struct mount *m, int shop, int lower, int *upper, int *work)
{
	const struct binding *source = &m->source[m->nsource - 1];
	const char *name = m->upper_name ? m->upper_name : "upper";
	int above = m->upper_name ? take_layer(s, m, source, shop, m->nsource - 1) : shop;
	bool host = m->upper_name && !source->inside;
	struct stat st;

	if (!host && mkdirat(above, name, 0755) < 0 && errno != EEXIST)
		fail(m, fmt("make %s", name));
	if (!m->upper_name && (fstat(lower, &st) < 0 || fchownat(above, name, st.st_uid, st.st_gid, 0) < 0
	                       || fchmodat(above, name, st.st_mode & 07777, 0) < 0))
		fail(m, fmt("make %s as what is below", name));
	*work = host ? work_open(above, work_name(name), geteuid()) : make_work(m, above, name, s->r->id_base);
	*upper = openat(above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*upper < 0 || *work < 0)
		fail(m, fmt("open %s", name));
	if (host && (!is(*upper, &m->upper_is) || !is(*work, &m->work_is)))
		wrong(m, "something is mounted on the upper directory, and its work directory must be of the same file "
		         "system: say a directory in it");
	if (above != shop)
		close(above);
}

static void
make_overlay(struct site *s, const struct mount *m)
{
	size_t i, n = m->nsource - m->upper;
	int layer[MOST_LAYERS], shop, upper = -1, work = -1, top, to;
	char *data = xstrdup("lowerdir=");

	shop = workshop(s, m, "o", "mode=755," SIZE_ROOT);
	for (i = 0; i < n; i++)
		layer[i] = take_layer(s, m, &m->source[i], shop, i);
	if (m->upper)
		take_upper(s, m, shop, layer[n - 1], &upper, &work);
	for (i = n; i-- > 0;)  /* the kernel wants the highest first */
		data = fmt("%s%d%s", data, layer[i], i ? ":" : "");
	if (m->upper)
		data = fmt("%s,upperdir=%d,workdir=%d", data, upper, work);
	if (mkdirat(shop, "m", 0755) < 0)
		fail(m, "make a place to mount on");
	if (mount("overlay", fmt("%d/m", shop), "overlay",
	          (m->read_only ? MS_RDONLY : 0) | (s->r->device_bare ? MS_NODEV : 0), data) < 0)
		overlay_trouble(m, layer[n - 1], upper);
	top = openat(shop, "m", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		fail(m, "open the overlay");
	/* it holds what it is made of by mounts of its own */
	for (i = 0; i < n; i++)
		close(layer[i]);
	drop(upper);
	drop(work);
	to = point(s, m, S_IFDIR);
	move(m, top, to);
	if (umount2(fmt("%d/o", s->scratch), MNT_DETACH) < 0)
		fail(m, "leave what the overlay is made of");
	leave(s, to);
	close(top);
	close(shop);
}

static void
make_cover(struct site *s, const struct mount *m)
{
	static const struct { mode_t type; const char *name; } nodes[] = {
		{ S_IFDIR, "dir" }, { S_IFREG, "reg" }, { S_IFIFO, "fifo" }, { S_IFSOCK, "sock" },
		{ S_IFCHR, "chr" }, { S_IFBLK, "blk" },
	};
	struct stat st;
	int to = sys_open_in(s->root, m->dst, O_PATH, 0), node = -1;
	size_t i;

	/* what of these is there, the kernel decides, and what else was asked for */
	if (to < 0 && errno == ENOENT && (after(m->dst, "/proc/") || after(m->dst, "/sys/")))
		return;
	if (to < 0 || fstat(to, &st) < 0)
		fail(m, "look at it inside");
	for (i = 0; i < LEN(nodes); i++)
		if (nodes[i].type == (st.st_mode & S_IFMT))
			node = openat(s->cover, nodes[i].name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0)
		node = openat(s->cover, "reg", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 || mount(number(node), number(to), NULL, MS_BIND, NULL) < 0)
		fail(m, "cover it");
	close(node);
	close(to);
}

static void
make(struct site *s)
{
	static void (*const ways[])(struct site *, const struct mount *) = {
		[BIND] = make_bind, [TMPFS] = make_tmpfs, [OVERLAY] = WITH_OVERLAY ? make_overlay : NULL, [COVER] = make_cover,
	};
	size_t i;

	for (i = 0; i < s->r->nmounts; i++)
		if (streq(s->r->mount[i]->dst, "/") == s->whole)
			ways[s->r->mount[i]->kind](s, s->r->mount[i]);
}

/* nothing of what was gathered is left below the root */
static void
empty_gathered(struct run *r)
{
	size_t i;

	if (r->gathered < 0)
		return;
	if (fchdir(r->gathered) < 0)
		die("enter what was gathered:");
	for (i = 0; i < r->nsources; i++)
		if (umount2(fmt("%zu", i), MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			die("leave what was gathered:");
	umount2("t", MNT_DETACH | UMOUNT_NOFOLLOW);  /* what an overlay of the root is made of */
	if (place_read_only(".", MS_NOSUID | MS_NODEV | MS_NOEXEC) < 0)
		die("make what was gathered read-only:");
	close(r->gathered);
	r->gathered = -1;
}

void
mount_make(const struct plan *p, struct run *r)
{
	struct site s = { .r = r, .scratch = -1 };
	char c = 0;

	(void)p;
	if (!WITH_MOUNTS || !r->nmounts) {
		close(r->run_host);
		return;
	}
	if (r->gather && r->nsources && (sys_recv(r->sources[0], &c, 1, &r->gathered, NULL) != 1 || r->gathered < 0))
		die("what was gathered is lost");
	s.root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	s.cover = openat(r->run_host, "inaccessible", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s.root < 0 || s.cover < 0)
		die("open /run/host:");
	s.place = fmt("%d/incoming", r->run_host);
	enter_site(r->procfs);
	make(&s);
	if (s.scratch >= 0 && umount2(s.place, MNT_DETACH) < 0)
		die("unmount what was mounted on:");
	drop(s.scratch);
	close(s.cover);
	close(r->run_host);
	close(s.root);
	empty_gathered(r);
	/* the supervisor, whose memory this may be, closes its own */
	close(r->sources[0]);
	close(r->sources[1]);
	if (chdir("/") < 0)
		die("enter /:");
}

/* ---- before there is a root -------------------------------------------------------------------- */

void
mount_root(struct run *r, const char *stage)
{
	struct site s = { .r = r, .scratch = -1, .cover = -1, .place = stage, .whole = true };

	if (!WITH_MOUNTS || !mount_on(r, "/"))
		return;
	s.root = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s.root < 0)
		die("open the tree:");
	enter_site(AT_FDCWD);
	make(&s);
	drop(s.scratch);
	close(s.root);
	if (chdir(stage) < 0)
		die("enter the root:");
}

/* one source of the host, as it is seen in our copy of its mounts: below a tmpfs that it could be covered by */
static void
gather(const struct mount *m, const struct binding *s, const char *stage)
{
	char *at = fmt("%s/%s", stage, s->name);
	struct stat st;

	if (fstat(s->fd, &st) < 0 || (S_ISDIR(st.st_mode) ? mkdir(at, 0755) : mknod(at, S_IFREG | 0600, 0)) < 0
	    || mount(fmt("/proc/self/fd/%d", s->fd), at, NULL, MS_BIND | MS_REC, NULL) < 0)
		fail(m, fmt("bind %s", s->path));
	close(s->fd);
}

const char *
mount_gather(struct run *r, const char *host, const char *stage)
{
	struct mount *const *m;
	struct binding *s;
	int root;

	if (!WITH_MOUNTS || !r->gather || !r->nsources)
		return stage;
	/* links in the paths of a chroot lead within it, too */
	root = *host ? openat(AT_FDCWD, host, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	for (m = r->mount; m < r->mount + r->nmounts; m++)
		for (s = (*m)->source; s < (*m)->source + (*m)->nsource; s++)
			if (s->name && (s->fd = *host ? sys_open_in(root, s->path, O_PATH, 0)
			                              : openat(AT_FDCWD, s->path, O_PATH | O_CLOEXEC)) < 0)
				fail(*m, fmt("look at %s", s->path));
	drop(root);
	if (sys_mount_memory(stage, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=1m,nr_inodes=1k") < 0
	    || mkdir(fmt("%s/t", stage), 0755) < 0)
		die("mount a tmpfs to gather on:");
	for (m = r->mount; m < r->mount + r->nmounts; m++)
		for (s = (*m)->source; s < (*m)->source + (*m)->nsource; s++)
			if (s->name)
				gather(*m, s, stage);
	r->gathered = openat(AT_FDCWD, stage, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->gathered < 0)
		die("open what was gathered:");
	return fmt("%s/t", stage);
}

/* until mount_make no fd leads there */
void
mount_hide(struct run *r)
{
	if (!WITH_MOUNTS || r->gathered < 0)
		return;
	if (sys_send(r->sources[1], "", 1, r->gathered) != 1)
		die("keep what was gathered:");
	close(r->gathered);
	r->gathered = -1;
}
