/* SPDX-License-Identifier: 0BSD */
/* Trees at rest: shifting their owners */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

#define JOURNAL "trusted.nspawn-lite.shift"  /* of the tree's root; no guest in a user namespace can write it */
#define JOURNAL_FILE ".nspawn-lite-shift"    /* the same where the file system has no such attributes */
#define CAPS "security.capability"

enum { WINDOW = 16, BATCH = 4096, ATTRIBUTE = 65536, KEPT = 16 };

/* of the kernel */
struct entry {
	uint64_t ino;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};

/* a directory on the way down: where it is read on, and who it must be when we come back */
struct level {
	uint64_t dev, ino;
	int64_t next;
};

/* the innermost of them are open; those above are found again by ".." */
struct open {
	int fd;
	size_t at, end;
	uint64_t batch[BATCH / sizeof(uint64_t)];
};

/*
 * A change of owners takes the setuid and setgid bits and the capabilities of a file away. So they
 * are written down before, and who finds a file that one before us was ended at sets it right.
 */
struct kept {
	uint64_t ino, size;
	int64_t sec;
	uint32_t nsec, mode, ncaps;
	uint8_t caps[28];
};

struct shift {
	int root;
	uint32_t base;
	struct look top;
	int fd;                   /* what is shifted now, by O_PATH */
	char self[32];            /* and its path, for what cannot be done by such an fd */
	struct level *level;
	size_t depth, room;
	struct open open[WINDOW];
	struct kept kept[KEPT];   /* those that were left, and behind them the one of now */
	size_t nkept;             /* how many were left */
	bool journal, by_file;    /* there is one; it is a file */
	bool unsure;              /* one before us was ended, perhaps on its way to another base */
	char *mounted;
	char attribute[ATTRIBUTE];
};

static uint32_t
shifted(const struct shift *s, uint32_t id)
{
	return s->base | (id & 0xffff);
}

/* ---- what is written down -------------------------------------------------- */

/* only one that is as we make it, and whose owner we are: not what a user of the tree has put there */
static ssize_t
journal_file(struct shift *s)
{
	int fd = openat(s->root, JOURNAL_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 07777) == 0600
	    && st.st_nlink == 1)
		n = read(fd, s->kept, sizeof(s->kept));
	close(fd);
	return n;
}

/*
 * The journal may have come with the tree, by who packed it and could as well have packed the files
 * with these bits; who only lives in the tree can write neither the attribute nor such a file.
 */
static void
journal_read(struct shift *s)
{
	ssize_t n = fgetxattr(s->root, JOURNAL, s->kept, sizeof(s->kept));
	size_t i;

	unlinkat(s->root, JOURNAL_FILE ".new", 0);
	if (n < 0) {
		n = journal_file(s);
		if (n < 0)
			return;
		s->by_file = true;
	}
	s->journal = s->unsure = true;
	if ((size_t)n % sizeof(struct kept) != 0)
		return;
	s->nkept = (size_t)n / sizeof(struct kept);
	for (i = 0; i < s->nkept; i++)  /* of a file, no capabilities: not every way to unpack one keeps these */
		if (s->by_file || s->kept[i].ncaps > sizeof(s->kept[i].caps))
			s->kept[i].ncaps = 0;
	if (s->nkept == KEPT)
		memmove(s->kept, s->kept + 1, --s->nkept * sizeof(struct kept));
}

static int
journal_write(struct shift *s)
{
	size_t size = (s->nkept + 1) * sizeof(struct kept);
	int fd;

	s->journal = true;
	if (!s->by_file && fsetxattr(s->root, JOURNAL, s->kept, size, 0) == 0)
		return 0;
	if (!s->by_file && errno != EOPNOTSUPP && errno != EPERM)
		return -1;
	s->by_file = true;
	fd = openat(s->root, JOURNAL_FILE ".new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (write(fd, s->kept, size) != (ssize_t)size || fdatasync(fd) < 0)
		return drop(fd);
	close(fd);
	return renameat(s->root, JOURNAL_FILE ".new", s->root, JOURNAL_FILE);
}

static int
journal_end(struct shift *s)
{
	struct timespec as_it_was[2] = { { 0, UTIME_OMIT }, { s->top.sec, s->top.nsec } };

	if (!s->journal)
		return 0;
	if (!s->by_file)
		return fremovexattr(s->root, JOURNAL);
	if (unlinkat(s->root, JOURNAL_FILE, 0) < 0 && errno != ENOENT)
		return -1;
	return futimens(s->root, as_it_was);
}

/* it is the file, and has all that it would still have if it was ended at */
static const struct kept *
was_left(const struct shift *s, const struct look *l)
{
	enum { SURE = S_IFMT | S_ISVTX | 0777 };
	size_t i;

	for (i = 0; i < s->nkept; i++)
		if (s->kept[i].ino == l->ino && s->kept[i].size == l->size && s->kept[i].sec == l->sec
		    && s->kept[i].nsec == l->nsec && (s->kept[i].mode & SURE) == (l->mode & SURE))
			return &s->kept[i];
	return NULL;
}

/* ---- one file --------------------------------------------------------------- */

/* nothing to be found, or nobody who would know */
static bool
has_none(void)
{
	return errno == ENODATA || errno == EOPNOTSUPP;
}

static int
shift_acl(struct shift *s, const char *name)
{
	struct { uint16_t tag, rights; uint32_t id; } e;
	ssize_t n = getxattr(s->self, name, s->attribute, sizeof(s->attribute)), at;
	bool changed = false;
	uint32_t id;

	if (n < 0)
		return has_none() ? 0 : -1;
	for (at = sizeof(uint32_t); at + (ssize_t)sizeof(e) <= n; at += (ssize_t)sizeof(e)) {
		memcpy(&e, s->attribute + at, sizeof(e));
		id = le32toh(e.id);
		/* named users and groups; the others have no id */
		if ((le16toh(e.tag) != 2 && le16toh(e.tag) != 8) || id == shifted(s, id))
			continue;
		e.id = htole32(shifted(s, id));
		memcpy(s->attribute + at, &e, sizeof(e));
		changed = true;
	}
	return changed ? setxattr(s->self, name, s->attribute, (size_t)n, 0) : 0;
}

/* Capabilities are either for everyone's root (revision 2) or for that of one user namespace, by its id (3) */
static int
put_caps(const struct shift *s, const struct kept *k)
{
	enum { TWO = 0x02000000, THREE = 0x03000000, REVISION = 0xff000000, SIZE = 20 };
	uint32_t head, id = 0;
	uint8_t caps[sizeof(k->caps)];

	memcpy(&head, k->caps, sizeof(head));
	head = le32toh(head);
	memcpy(caps, k->caps, sizeof(caps));
	if ((head & REVISION) == THREE)
		memcpy(&id, k->caps + SIZE, sizeof(id));
	id = shifted(s, le32toh(id));
	if (((head & REVISION) != TWO && (head & REVISION) != THREE) || k->ncaps < SIZE)
		return setxattr(s->self, CAPS, caps, k->ncaps, 0);
	head &= ~(uint32_t)REVISION;
	if (id) {
		memcpy(caps, &(uint32_t){ htole32(head | THREE) }, sizeof(head));
		memcpy(caps + SIZE, &(uint32_t){ htole32(id) }, sizeof(id));
		if (setxattr(s->self, CAPS, caps, SIZE + sizeof(id), 0) == 0)
			return 0;
		if (errno != EINVAL)
			return -1;
	}
	/* before 4.14 there was no other */
	memcpy(caps, &(uint32_t){ htole32(head | TWO) }, sizeof(head));
	return setxattr(s->self, CAPS, caps, SIZE, 0);
}

static bool
is_right(const struct shift *s, const struct look *l)
{
	return l->uid == shifted(s, l->uid) && l->gid == shifted(s, l->gid);
}

/* the owner comes last: where that is right all is, but where one was ended */
static bool
is_done(const struct shift *s, const struct look *l)
{
	return is_right(s, l) && !s->unsure;
}

static int
shift_owner(const struct shift *s, const struct look *l)
{
	if (is_right(s, l))
		return 0;
	return fchownat(s->fd, "", shifted(s, l->uid), shifted(s, l->gid), AT_EMPTY_PATH);
}

static int
shift_file(struct shift *s, const struct look *l)
{
	const struct kept *left = was_left(s, l);
	struct kept *k = &s->kept[s->nkept];
	ssize_t n;

	if (shift_acl(s, "system.posix_acl_access") < 0)
		return -1;
	if (!left && is_right(s, l))
		return 0;
	if (left) {
		*k = *left;
	} else {
		*k = (struct kept){ .ino = l->ino, .size = l->size, .sec = l->sec, .nsec = l->nsec, .mode = l->mode };
		n = getxattr(s->self, CAPS, k->caps, sizeof(k->caps));
		if (n < 0 && !has_none())
			return -1;
		k->ncaps = n > 0 ? (uint32_t)n : 0;
		if ((k->ncaps || k->mode & (S_ISUID | S_ISGID)) && journal_write(s) < 0)
			return -1;
	}
	if (shift_owner(s, l) < 0 || (k->mode & (S_ISUID | S_ISGID) && chmod(s->self, k->mode & 07777) < 0))
		return -1;
	return k->ncaps ? put_caps(s, k) : 0;
}

static int
shift_fd(struct shift *s, int fd, const struct look *l)
{
	if (!s->journal && fd != s->root) {
		s->kept[s->nkept] = (struct kept){ 0 };
		if (journal_write(s) < 0)
			return -1;
	}
	s->fd = fd;
	snprintf(s->self, sizeof(s->self), "/proc/self/fd/%d", fd);
	if (S_ISLNK(l->mode))
		return shift_owner(s, l);
	if (!S_ISDIR(l->mode))
		return shift_file(s, l);
	if (shift_acl(s, "system.posix_acl_access") < 0 || shift_acl(s, "system.posix_acl_default") < 0)
		return -1;
	return shift_owner(s, l);
}

/* ---- the walk ----------------------------------------------------------------- */

static ssize_t
path_of_fd(int fd, char path[4096])
{
	ssize_t n = readlink(fmt("/proc/self/fd/%d", fd), path, 4095);

	if (n >= 0)
		path[n] = 0;
	return n;
}

/* the path of a name in a directory; the kernel knows none above 4096 bytes */
static char *
path_of(const struct shift *s, int dir, const char *name)
{
	char path[4096], top[4096], *whole;
	const char *below = NULL;
	int saved = errno;

	if (path_of_fd(dir, path) > 0 && path_of_fd(s->root, top) > 0)
		below = after(path, streq(top, "/") ? "" : top);
	if (!below)
		whole = fmt(".../%s", name);
	else if (!*below || !below[1])
		whole = xstrdup(*name ? name : ".");
	else
		whole = fmt("%s%s%s", below + 1, *name ? "/" : "", name);
	errno = saved;
	return whole;
}

static bool
is_mount(const struct shift *s, const struct look *l)
{
	if (l->mount && s->top.mount)
		return l->mount != s->top.mount;
	/* of what is no directory, an overlay says where it has it from */
	return S_ISDIR(l->mode) && l->dev != s->top.dev;
}

static int
go_down(struct shift *s, int fd, const struct look *l)
{
	struct level *more;
	struct open *o;

	if (s->depth == s->room) {
		more = realloc(s->level, (s->room + 64) * 2 * sizeof(*more));
		if (!more)
			return drop(fd);
		s->level = more;
		s->room = (s->room + 64) * 2;
	}
	s->level[s->depth] = (struct level){ l->dev, l->ino, 0 };
	o = &s->open[s->depth++ % WINDOW];
	drop(o->fd);
	o->fd = fd;
	o->at = o->end = 0;
	return 0;
}

static int
go_up(struct shift *s)
{
	struct open *o = &s->open[--s->depth % WINDOW];
	int from = o->fd;
	struct level *v;
	struct look l;

	o->fd = -1;
	if (s->depth == 0)
		return drop(from), 0;
	v = &s->level[s->depth - 1];
	o = &s->open[(s->depth - 1) % WINDOW];
	if (o->fd < 0) {
		o->fd = openat(from, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		o->at = o->end = 0;
		if (o->fd < 0 || sys_look(o->fd, "", &l) < 0 || lseek(o->fd, v->next, SEEK_SET) < 0)
			return drop(from);
		if (l.dev != v->dev || l.ino != v->ino) {  /* somebody moves what we walk in */
			errno = ESTALE;
			return drop(from);
		}
	}
	drop(from);
	return 0;
}

static int
shift_entry(struct shift *s, int dir, const char *name)
{
	struct look l;
	int fd;

	/* ours as long as it is there: the next of us would not know it by another owner */
	if (s->by_file && s->depth == 1 && streq(name, JOURNAL_FILE))
		return 0;
	if (sys_look(dir, name, &l) < 0)
		return errno == ENOENT ? 0 : -1;
	if (is_mount(s, &l)) {
		if (!s->mounted)
			s->mounted = path_of(s, dir, name);
		return 0;
	}
	if (!S_ISDIR(l.mode) && is_done(s, &l))
		return 0;
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (sys_look(fd, "", &l) < 0 || (!is_mount(s, &l) && !is_done(s, &l) && shift_fd(s, fd, &l) < 0))
		return drop(fd);
	if (!S_ISDIR(l.mode) || is_mount(s, &l))
		return drop(fd), 0;
	dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	drop(fd);
	return dir < 0 ? -1 : go_down(s, dir, &l);
}

/* all but the root: depth first, a batch of names at a time */
static int
walk(struct shift *s, char **where)
{
	const struct entry *e;
	struct open *o;
	long n;

	while (s->depth) {
		o = &s->open[(s->depth - 1) % WINDOW];
		if (o->at == o->end) {
			n = syscall(SYS_getdents64, o->fd, o->batch, sizeof(o->batch));
			if (n < 0 && errno == ENOENT)  /* removed while we read */
				n = 0;
			o->at = 0;
			o->end = n > 0 ? (size_t)n : 0;
			if (n < 0 || (n == 0 && go_up(s) < 0)) {
				*where = path_of(s, o->fd, "");
				return -1;
			}
			continue;
		}
		e = (const struct entry *)(const void *)((char *)o->batch + o->at);
		o->at += e->size;
		s->level[s->depth - 1].next = e->next;
		if (streq(e->name, ".") || streq(e->name, ".."))
			continue;
		if (shift_entry(s, o->fd, e->name) < 0) {
			*where = path_of(s, o->fd, e->name);
			return -1;
		}
	}
	return 0;
}

static int
shift_all(struct shift *s, char **where)
{
	int fd = openat(s->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || sys_look(fd, "", &s->top) < 0)
		return drop(fd);
	journal_read(s);
	if (go_down(s, fd, &s->top) < 0 || walk(s, where) < 0)
		return -1;
	/* the root is last: when it is right, all is */
	if (journal_end(s) < 0 || shift_fd(s, s->root, &s->top) < 0)
		return -1;
	*where = s->mounted;
	return 0;
}

int
tree_shift(int dir, uint32_t base, char **where)
{
	struct shift *s;
	int ret, i;

	*where = NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -1;
	s->base = base;
	for (i = 0; i < WINDOW; i++)
		s->open[i].fd = -1;
	s->root = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	errno = EINVAL;
	ret = base & 0xffff || base == 0xffff0000 ? -1 : shift_all(s, where);  /* an id of all ones is none */
	if (ret < 0 && !*where)
		*where = xstrdup(".");
	for (i = 0; i < WINDOW; i++)
		drop(s->open[i].fd);
	drop(s->root);
	free(s->level);
	free(s);
	return ret;
}
