/* SPDX-License-Identifier: 0BSD */
/* Trees at rest: shifting their owners */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

#define JOURNAL "trusted.nspawn-lite.shift"  /* of the tree's root; no guest in a user namespace can write it */
#define JOURNAL_FILE ".nspawn-lite-shift"    /* the same where the file system has no such attributes */
#define CAPS "security.capability"

enum { ATTRIBUTE = 65536, KEPT = 16 };

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
	struct walk *walk;
	int fd;                   /* what is shifted now, by O_PATH */
	char self[32];            /* and its path, for what cannot be done by such an fd */
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
	struct timespec as_it_was[2] = { { 0, UTIME_OMIT }, { s->walk->top.sec, s->walk->top.nsec } };

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

/* of a name where we are */
static char *
path_of(const struct shift *s, const char *name)
{
	int saved = errno;
	char *path = walk_place(s->walk->path, s->walk->beyond, name);

	errno = saved;
	return path;
}

static int
shift_entry(struct shift *s, int dir, const char *name)
{
	struct look l;
	int fd;

	/* ours as long as it is there: the next of us would not know it by another owner */
	if (s->by_file && s->walk->depth == 1 && streq(name, JOURNAL_FILE))
		return 0;
	if (sys_look(dir, name, &l) < 0)
		return errno == ENOENT ? 0 : -1;
	if (walk_is_mount(s->walk, &l)) {
		if (!s->mounted)
			s->mounted = path_of(s, name);
		return 0;
	}
	if (!S_ISDIR(l.mode) && is_done(s, &l))
		return 0;
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (sys_look(fd, "", &l) < 0 || (!walk_is_mount(s->walk, &l) && !is_done(s, &l) && shift_fd(s, fd, &l) < 0))
		return drop(fd);
	if (!S_ISDIR(l.mode) || walk_is_mount(s->walk, &l))
		return drop(fd), 0;
	dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	drop(fd);
	return dir < 0 ? -1 : walk_down(s->walk, dir, &l, name);
}

/* all but the root: depth first, a batch of names at a time */
static int
walk(struct shift *s, char **where)
{
	struct walk *w = s->walk;
	const struct walk_entry *e;
	bool failed;
	int left, ret;

	while (w->depth) {
		e = walk_next(w, &failed);
		if (e) {
			ret = shift_entry(s, walk_at(w, w->depth - 1)->fd, e->name);
		} else if (!failed) {
			ret = walk_up(w, &left);
			drop(left);
		} else {
			ret = -1;
		}
		if (ret < 0) {
			*where = path_of(s, e ? e->name : "");
			return -1;
		}
	}
	return 0;
}

static int
shift_all(struct shift *s, char **where)
{
	int fd = openat(s->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct look top;

	if (fd < 0 || sys_look(fd, "", &top) < 0)
		return drop(fd);
	journal_read(s);
	if (walk_down(s->walk, fd, &top, "") < 0 || walk(s, where) < 0)
		return -1;
	/* the root is last: when it is right, all is */
	if (journal_end(s) < 0 || shift_fd(s, s->root, &top) < 0)
		return -1;
	*where = s->mounted;
	return 0;
}

int
tree_shift(int dir, uint32_t base, char **where)
{
	struct shift *s;
	int ret;

	*where = NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -1;
	s->base = base;
	s->walk = walk_begin();
	s->root = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base & 0xffff || base == 0xffff0000) {  /* an id of all ones is none */
		errno = EINVAL;
		ret = -1;
	} else {
		ret = s->walk ? shift_all(s, where) : -1;
	}
	if (ret < 0 && !*where)
		*where = xstrdup(".");
	walk_end(s->walk);
	drop(s->root);
	free(s);
	return ret;
}
