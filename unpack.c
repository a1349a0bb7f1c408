/* SPDX-License-Identifier: 0BSD */
/* An archive becomes a tree */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

/*
 * Directories that we are in stay open, the outer ones of them and the last: names are looked up there, step by step and
 * through no link. So most files need no step at all
 */
enum { OPEN_MOST = 32 };
struct chain {
	char *path;              /* of the last: without slashes at its ends; "" is the top */
	size_t len, room;
	int fd[OPEN_MOST];       /* of the first n; those of more than one step are ours to close */
	size_t end[OPEN_MOST];   /* where in path each ends */
	int n, last;             /* last: of all of path, when it is deeper than these; else -1 */
};

/* what is left for the end: metadata of directories, as bytes; the first of them in memory, more in a file of no name */
enum { LATER_ROOM = 1 << 16 };
struct later { uint32_t len, mode, uid, gid, nsec, nxattr; int64_t sec; };

/* names that this archive made, when it may not hide those itself: hashes, at most half of the slots are used */
struct seen { uint64_t *slot; size_t slots, used; };

struct unpack {
	struct tar *t;
	int top, flags;
	const char *why;
	struct chain in, target;
	char *led[2];            /* names of the last entry and its target, where links led elsewhere */
	bool learnt;             /* of the directory that we are in: what files made there belong to */
	uid_t uid;
	gid_t gid;
	uint64_t room, written;  /* free space as last seen, less what was written since; bytes since */
	bool no_devices, no_xattrs, no_types;  /* said already */
	uint8_t *later;
	size_t nlater;
	int spill;
	struct seen seen;
	uint8_t key[16];
};

static int
fail(struct unpack *u, const char *name, const char *why)
{
	if (!u->why)
		u->why = fmt("%.300s%s: %s", name, strlen(name) > 300 ? "..." : "", why);
	return -1;
}

/* by errno; of a full file system say what is missing */
static int
fail_errno(struct unpack *u, const char *name)
{
	struct statfs v;
	const char *why = strerror(errno);

	if (errno == EINTR && halted)
		why = "interrupted";
	else if (errno == ENOSPC && fstatfs(u->top, &v) == 0 && v.f_files > 0 && v.f_ffree == 0)
		why = "the file system has no inodes left";
	else if (errno == ENOSPC)
		why = "no room left";
	else if (errno == EDQUOT)
		why = "no room left: the quota is used up";
	return fail(u, name, why);
}

/* ---- where we are -------------------------------------------------------------------------- */

static void
chain_end(struct chain *c, size_t len)
{
	if (c->last >= 0 && len < c->len) {
		close(c->last);
		c->last = -1;
	}
	while (c->n > 0 && c->end[c->n - 1] > len)
		close(c->fd[--c->n]);
}

static void
chain_reset(struct unpack *u)
{
	chain_end(&u->in, 0);
	chain_end(&u->target, 0);
	u->in.len = u->target.len = 0;
	u->learnt = false;
}

/* the fd of where it is */
static int
here(const struct unpack *u, const struct chain *c)
{
	return c->last >= 0 ? c->last : c->n > 0 ? c->fd[c->n - 1] : u->top;
}

/*
 * Left out are what an overlay writes for itself, trusted.overlay.*: with those a layer would hide, or lead to, what is
 * elsewhere when the tree becomes one; and what is of no known kind
 */
static bool
wanted(const char *name)
{
	return after(name, "user.") || after(name, "security.") || streq(name, "system.posix_acl_access")
	    || streq(name, "system.posix_acl_default") || (after(name, "trusted.") && !after(name, "trusted.overlay."));
}

/* labels of another machine mean little here, and ours may not let them be set */
static bool
is_label(const char *name)
{
	return after(name, "security.") && !streq(name, "security.capability");
}

/*
 * What a directory has from a layer below, or has handed down to what is made in it: a right of another layer. The mode
 * is next
 */
static void
disinherit(const struct unpack *u, int fd)
{
	char names[1 << 16];
	ssize_t n = u->flags & UNPACK_WHITEOUTS ? flistxattr(fd, names, sizeof(names)) : 0, at;

	for (at = 0; at < n; at += (ssize_t)strlen(names + at) + 1)
		if (wanted(names + at) && !is_label(names + at))
			fremovexattr(fd, names + at);
}

/* one step down, into what is a directory; it is made, when make */
static int
step(const struct unpack *u, int at, const char *name, bool make)
{
	int fd = sys_open_dir(at, name);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd;
	/* one that has no entry of its own */
	if (mkdirat(at, name, 0755) < 0)
		return -1;
	fd = sys_open_dir(at, name);
	if (fd < 0)
		return -1;
	disinherit(u, fd);
	return fchmod(fd, 0755) < 0 ? drop(fd) : fd;
}

/* go to a directory, a clean path of len bytes. -1 with errno, and c is somewhere above */
static int
chain_go(struct unpack *u, struct chain *c, const char *path, size_t len, bool make)
{
	size_t same = 0, i, end;
	int fd, at;
	char *room;

	if (c->len == len && (len == 0 || memcmp(c->path, path, len) == 0))
		return here(u, c);
	if (c == &u->in)
		u->learnt = false;
	if (len + 1 > c->room) {
		room = realloc(c->path, len + 1);
		if (!room)
			return -1;
		c->path = room;
		c->room = len + 1;
	}
	/* the last common end of a name */
	for (i = 0; i < len && i < c->len && path[i] == c->path[i]; i++)
		if (path[i] == '/')
			same = i;
	if ((i == len && i < c->len && c->path[i] == '/') || (i == c->len && i < len && path[i] == '/'))
		same = i;
	if (c->last >= 0 && c->len == same) {
		/* further down from the last */
	} else {
		chain_end(c, same);
		same = c->n > 0 ? c->end[c->n - 1] : 0;
	}
	c->len = same;
	memcpy(c->path, path, len);
	for (i = same; i < len; i = end) {
		i += path[i] == '/';
		for (end = i; end < len && path[end] != '/'; end++)
			;
		c->path[end] = 0;
		at = here(u, c);
		fd = step(u, at, c->path + i, make);
		if (end < len)
			c->path[end] = '/';
		if (fd < 0)
			return -1;
		if (c->n < OPEN_MOST && c->last < 0) {
			c->fd[c->n] = fd;
			c->end[c->n++] = end;
		} else {
			drop(c->last);
			c->last = fd;
		}
		c->len = end;
	}
	return here(u, c);
}

/* no empty names, no "." in a path, in place; the end of its directory, or -1: *why */
static ssize_t
clean(char *path, const char **why)
{
	char *to = path, *from = path, *dir = path;
	size_t len;

	for (; *from; from += len) {
		from += strspn(from, "/");
		len = strcspn(from, "/");
		if (len == 0 || (len == 1 && *from == '.'))
			continue;
		if (len == 2 && from[0] == '.' && from[1] == '.') {
			*why = "its name has \"..\", which might lead out";
			return -1;
		}
		if (to > path) {
			dir = to;
			*to++ = '/';
		}
		memmove(to, from, len);
		to += len;
	}
	*to = 0;
	return dir - path;
}

/*
 * What is in a layer may be named by links of those below, which others follow inside of the tree: the same without them.
 * The end of its directory, as clean has it
 */
static size_t
follow(struct unpack *u, struct chain *c, char **path, size_t dirlen)
{
	char top[PATH_MAX], to[PATH_MAX], **led = &u->led[c == &u->target], *rest, *whole, self[32];
	int times, fd;
	ssize_t n, base;

	for (times = 0; times < 40 && u->flags & UNPACK_WHITEOUTS && chain_go(u, c, *path, dirlen, false) < 0
	    && (errno == ENOTDIR || errno == ELOOP); times++) {
		rest = *path + c->len + 1;  /* behind the first sign of what is none */
		rest += strcspn(rest, "/");
		n = *rest;
		*rest = 0;
		fd = sys_open_in(u->top, *path, O_PATH, IN_DIR);
		*rest = (char)n;
		if (fd < 0)
			break;
		snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
		n = readlink(self, to, sizeof(to));
		snprintf(self, sizeof(self), "/proc/self/fd/%d", u->top);
		base = readlink(self, top, sizeof(top));
		close(fd);
		if (base < 1 || n < base || n == sizeof(to) || memcmp(top, to, (size_t)base) != 0)
			break;
		base += n > base && to[base] == '/';
		n -= base;
		rest += n == 0 && *rest;
		whole = malloc((size_t)n + strlen(rest) + 1);
		if (!whole)
			break;
		memcpy(whole, to + base, (size_t)n);
		strcpy(whole + n, rest);
		dirlen = *path + dirlen > rest ? (size_t)(n + (*path + dirlen - rest)) : (size_t)n;
		free(*led);
		*path = *led = whole;
	}
	return dirlen;
}

/* ---- what layers hide ------------------------------------------------------------------------- */

static bool
seen_add(struct unpack *u, uint64_t hash)
{
	struct seen *s = &u->seen;
	size_t i;

	if (s->used >= s->slots / 2) {
		struct seen more = { NULL, s->slots ? s->slots * 2 : 1024, 0 };
		const struct seen old = *s;

		more.slot = calloc(more.slots, sizeof(*more.slot));
		if (!more.slot)
			return false;
		*s = more;
		for (i = 0; i < old.slots; i++)
			if (old.slot[i])
				seen_add(u, old.slot[i]);
		free(old.slot);
	}
	for (i = (size_t)hash & (s->slots - 1); s->slot[i] && s->slot[i] != hash; i = (i + 1) & (s->slots - 1))
		;
	s->used += !s->slot[i];
	s->slot[i] = hash;
	return true;
}

static uint64_t
hashed(const struct unpack *u, const char *path, size_t len)
{
	return siphash24(path, len, u->key) | 1;
}

/* was it, or something below it, made by this archive? */
static bool
seen(const struct unpack *u, const char *path, size_t len)
{
	const struct seen *s = &u->seen;
	const uint64_t hash = hashed(u, path, len);
	size_t i;

	if (s->slots == 0)
		return false;
	for (i = (size_t)hash & (s->slots - 1); s->slot[i] && s->slot[i] != hash; i = (i + 1) & (s->slots - 1))
		;
	return s->slot[i] == hash;
}

/* it and the directories above */
static bool
see(struct unpack *u, const char *path)
{
	size_t len = strlen(path);

	while (len > 0 && !seen(u, path, len)) {
		if (!seen_add(u, hashed(u, path, len)))
			return false;
		while (len > 0 && path[--len] != '/')
			;
	}
	return true;
}

static int hide_below(struct unpack *u, int dir, const char *path);

/* what had this name before this archive, but not what came with it, nor what leads there; path is that of the whole */
static int
hide(struct unpack *u, int dir, const char *name, const char *path)
{
	char *where;
	int sub, ret;

	if (!seen(u, path, strlen(path)))
		return remove_tree(dir, name, &where);
	sub = sys_open_dir(dir, name);
	ret = sub >= 0 ? hide_below(u, sub, path) : errno == ENOTDIR || errno == ELOOP ? 0 : -1;
	drop(sub);
	return ret;
}

/* all that was in a directory before this archive; path is its own. -1 with errno */
static int
hide_below(struct unpack *u, int dir, const char *path)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	char *below;

	if (!d)
		return drop(fd);
	while (ret == 0 && (errno = 0, e = readdir(d))) {
		if (streq(e->d_name, ".") || streq(e->d_name, ".."))
			continue;
		below = walk_place(path, false, e->d_name);
		ret = below ? hide(u, dirfd(d), e->d_name, below) : -1;
		free(below);
	}
	if (ret == 0 && errno)
		ret = -1;
	fd = errno;
	closedir(d);
	errno = fd;
	return ret;
}

/* ".wh.NAME": path is that of the whole, name its last part. 1: it was one, and is done; 0: it is none */
static int
whiteout(struct unpack *u, char *path, size_t dirlen, const char *name)
{
	const char *hidden = after(name, ".wh.");
	int dir, ret;

	if (!(u->flags & UNPACK_WHITEOUTS) || !hidden)
		return 0;
	dir = chain_go(u, &u->in, path, dirlen, false);
	/* others of these are notes of AUFS to itself */
	if ((after(hidden, ".wh.") && !streq(hidden, ".wh..opq")) || (dir < 0 && (errno == ENOENT || errno == ENOTDIR)))
		return 1;
	if (!*hidden || streq(hidden, ".") || streq(hidden, ".."))
		return fail(u, path, "a whiteout that names nothing");
	if (dir < 0)
		return fail_errno(u, path);
	path[dirlen] = 0;
	if (streq(hidden, ".wh..opq")) {
		ret = hide_below(u, dir, path);
	} else {
		char *whole = walk_place(path, false, hidden);

		if (!whole)
			return fail_errno(u, hidden);
		ret = hide(u, dir, hidden, whole);
		free(whole);
	}
	if (ret < 0 && errno != ENOENT)
		return fail_errno(u, hidden);
	chain_reset(u);
	return 1;
}

/* ---- room ---------------------------------------------------------------------------------------- */

/*
 * May so many bytes be written? What the file system keeps back for root stays; where it packs what it holds, they
 * might yet have fitted. One that knows no bounds has no blocks
 */
static int
has_room(struct unpack *u, const char *name, uint64_t size)
{
	struct statfs v;

	if (size < u->room && u->written < 64 << 20)
		return 0;
	if (fstatfs(u->top, &v) < 0)
		return fail_errno(u, name);
	u->written = 0;
	u->room = v.f_blocks == 0 ? UINT64_MAX : (uint64_t)v.f_bavail * (v.f_frsize ? v.f_frsize : v.f_bsize);
	if (v.f_files > 0 && v.f_ffree == 0)
		return fail(u, name, "the file system has no inodes left");
	if (size > u->room)
		return fail(u, name, fmt("no room for it: it has %llu bytes, %llu are free", (unsigned long long)size,
		    (unsigned long long)u->room));
	return 0;
}

static void
used(struct unpack *u, uint64_t size)
{
	/* with what a file system needs beside */
	size += 4096;
	u->written += size;
	u->room = u->room == UINT64_MAX ? u->room : u->room > size ? u->room - size : 0;
}

/* ---- extended attributes ---------------------------------------------------------------------------- */

/* of an fd, or, when it is -1, of a name in dir that is no file or directory */
static int
set_xattr(struct unpack *u, int fd, int dir, const char *name, const struct tar_xattr *a)
{
	char *path = NULL;
	int ret;

	if (!wanted(a->name))
		return 0;
	if (fd >= 0) {
		ret = fsetxattr(fd, a->name, a->value, a->size, 0);
	} else {
		size_t room = strlen(name) + 40;

		path = malloc(room);
		if (!path)
			return -1;
		snprintf(path, room, "/proc/self/fd/%d/%s", dir, name);
		ret = lsetxattr(path, a->name, a->value, a->size, 0);
		free(path);
	}
	if (ret == 0 || is_label(a->name))
		return 0;
	if (errno != EOPNOTSUPP && errno != EPERM && errno != ENOENT)
		return -1;
	if (!u->no_xattrs)
		warn("%.200s: the file system does not take its %.200s; what it does not take is left out", name, a->name);
	u->no_xattrs = true;
	return 0;
}

static int
set_xattrs(struct unpack *u, int fd, int dir, const char *name, const struct tar_xattr *a, size_t n)
{
	for (; n > 0; n--, a++)
		if (set_xattr(u, fd, dir, name, a) < 0)
			return fail_errno(u, fmt("%.200s: %.200s", name, a->name));
	return 0;
}

/* ---- directories, at the end -------------------------------------------------------------------------- */

/* a file that nobody else can name */
static int
nameless(int dir)
{
	static const char name[] = ".#nspawn-lite.directories";
	int fd = sys_denied("O_TMPFILE") ? -1 : openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* O_TMPFILE came with 3.11, and not to all file systems */
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && unlinkat(dir, name, 0) < 0)
		return drop(fd);
	return fd;
}

static int
spill(struct unpack *u)
{
	if (u->spill < 0)
		u->spill = nameless(u->top);
	if (u->spill < 0 || write_all(u->spill, u->later, u->nlater) < 0)
		return fail_errno(u, "directories");
	u->nlater = 0;
	return 0;
}

static int
keep(struct unpack *u, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		if (u->nlater == LATER_ROOM && spill(u) < 0)
			return -1;
		n = len < LATER_ROOM - u->nlater ? len : LATER_ROOM - u->nlater;
		memcpy(u->later + u->nlater, p, n);
		u->nlater += n;
	}
	return 0;
}

static int
put_off(struct unpack *u, const char *path, const struct tar_entry *e)
{
	const struct later l = { (uint32_t)strlen(path), e->mode, e->uid, e->gid, e->nsec, (uint32_t)e->nxattr, e->sec };
	uint32_t lens[2];
	size_t i;

	if (keep(u, &l, sizeof(l)) < 0 || keep(u, path, l.len) < 0)
		return -1;
	for (i = 0; i < e->nxattr; i++) {
		lens[0] = (uint32_t)strlen(e->xattr[i].name) + 1;
		lens[1] = (uint32_t)e->xattr[i].size;
		if (keep(u, lens, sizeof(lens)) < 0 || keep(u, e->xattr[i].name, lens[0]) < 0
		    || keep(u, e->xattr[i].value, lens[1]) < 0)
			return -1;
	}
	return 0;
}

/* what was kept, again from its beginning: the file's through the same memory */
struct reader { struct unpack *u; size_t at; };

static int
again(struct reader *r, void *to, size_t len)
{
	struct unpack *u = r->u;
	uint8_t *p = to;
	ssize_t got;
	size_t n;

	for (; len > 0; p += n, len -= n) {
		if (r->at == u->nlater) {
			got = u->spill < 0 ? 0 : read(u->spill, u->later, LATER_ROOM);
			if (got <= 0)
				return got < 0 ? fail_errno(u, "directories") : 0;
			r->at = 0;
			u->nlater = (size_t)got;
		}
		n = len < u->nlater - r->at ? len : u->nlater - r->at;
		memcpy(p, u->later + r->at, n);
		r->at += n;
	}
	return 1;
}

/* one directory; it may have gone meanwhile, for another entry */
static int
finish_one(struct unpack *u, struct reader *r, const struct later *l, char *path)
{
	const struct timespec times[2] = { { 0, UTIME_NOW }, { .tv_sec = (time_t)l->sec, .tv_nsec = (long)l->nsec } };
	struct tar_xattr a;
	uint32_t i, lens[2];
	int fd, ret = 0;

	fd = chain_go(u, &u->in, path, l->len, false);
	if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return fail_errno(u, path);
	if (fd >= 0) {
		disinherit(u, fd);
		if (fchown(fd, l->uid, l->gid) < 0 || fchmod(fd, l->mode) < 0)
			return fail_errno(u, path);
	}
	for (i = 0; ret == 0 && i < l->nxattr; i++) {
		if (again(r, lens, sizeof(lens)) != 1)
			return -1;
		a.name = malloc(lens[0]);
		a.value = malloc(lens[1] + 1);
		a.size = lens[1];
		if (!a.name || !a.value)
			ret = fail_errno(u, path);
		else if (again(r, a.name, lens[0]) != 1 || again(r, a.value, lens[1]) != 1)
			ret = -1;
		else if (fd >= 0)
			ret = set_xattrs(u, fd, -1, path, &a, 1);
		free(a.name);
		free(a.value);
	}
	if (ret == 0 && fd >= 0 && futimens(fd, times) < 0)
		return fail_errno(u, path);
	return ret;
}

static int
finish(struct unpack *u)
{
	struct reader r = { u, 0 };
	struct later l;
	char *path;
	int ret;

	if (u->spill >= 0 && (spill(u) < 0 || lseek(u->spill, 0, SEEK_SET) < 0))
		return fail_errno(u, "directories");
	for (;;) {
		ret = again(&r, &l, sizeof(l));
		if (ret <= 0)
			return ret;
		path = malloc(l.len + 1);
		if (!path)
			return fail_errno(u, "directories");
		path[l.len] = 0;
		ret = again(&r, path, l.len) != 1 ? -1 : halted ? fail(u, path, "interrupted") : finish_one(u, &r, &l, path);
		free(path);
		if (ret < 0)
			return -1;
	}
}

/* ---- entries ------------------------------------------------------------------------------------------- */

/* take away what is there already: a later entry wins. 0: it is gone */
static int
make_way(struct unpack *u, int dir, const char *path, const char *name)
{
	char *where;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fail_errno(u, path);
	chain_end(&u->target, 0);  /* it might be one of these */
	u->target.len = 0;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return fail_errno(u, path);
	if (!(u->flags & UNPACK_WHITEOUTS) || seen(u, path, strlen(path)))
		return fail(u, path, "there is a directory with something in it already");
	return remove_tree(dir, name, &where) < 0 ? fail_errno(u, path) : 0;
}

static int
write_data(struct unpack *u, int fd, const struct tar_entry *e, const char *path)
{
	const struct tar_piece *p = e->piece;
	size_t i = 0;
	uint64_t in = 0;  /* of the piece */
	const uint8_t *data;
	ssize_t n;
	size_t part;

	while ((n = tar_data(u->t, &data)) > 0) {
		if (halted)
			return fail(u, path, "interrupted");
		for (; n > 0; n -= (ssize_t)part, data += part) {
			part = (size_t)n;
			if (p) {
				for (; i < e->npieces && in == p[i].size; i++)
					in = 0;
				if (i == e->npieces)
					return fail(u, path, "more data than its map has");
				part = p[i].size - in < part ? (size_t)(p[i].size - in) : part;
				if (in == 0 && lseek(fd, (off_t)p[i].offset, SEEK_SET) < 0)
					return fail_errno(u, path);
				in += part;
			}
			if (write_all(fd, data, part) < 0)
				return fail_errno(u, path);
		}
	}
	if (n < 0)
		return fail(u, path, tar_why(u->t));
	return p && ftruncate(fd, (off_t)e->size) < 0 ? fail_errno(u, path) : 0;
}

static uint64_t
stored(const struct tar_entry *e)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < e->npieces; i++)
		size += e->piece[i].size;
	return e->piece ? size : e->size;
}

static int
make_hole(int fd, uint64_t size, uint64_t at)
{
	const struct timespec times[2] = { { 0, UTIME_NOW }, { .tv_sec = (time_t)(at / 512) } };

	return ftruncate(fd, (off_t)size) < 0 || fchmod(fd, S_ISVTX | 0600) < 0 ? -1 : futimens(fd, times);
}

static int
make_file(struct unpack *u, int dir, const char *path, const char *name, const struct tar_entry *e)
{
	const struct timespec times[2] = { { 0, UTIME_NOW }, { .tv_sec = (time_t)e->sec, .tv_nsec = (long)e->nsec } };
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	const bool hole = u->flags & UNPACK_HOLES && !e->piece && e->size > UNPACK_HOLE;
	const uint64_t size = hole ? 0 : stored(e);
	struct stat st;
	int fd, ret;

	if (has_room(u, path, size) < 0)
		return -1;
	fd = openat(dir, name, flags, e->mode & 0777);
	if (fd < 0 && errno == EEXIST) {
		if (make_way(u, dir, path, name) < 0)
			return -1;
		fd = openat(dir, name, flags, e->mode & 0777);
	}
	if (fd < 0)
		return fail_errno(u, path);
	if (hole) {
		ret = make_hole(fd, e->size, tar_at(u->t));
		drop(fd);
		return ret < 0 ? fail_errno(u, path) : 0;
	}
	/* set-group-ID of the directory and options of the file system have a say in it */
	ret = u->learnt ? 0 : fstat(fd, &st);
	if (ret == 0 && !u->learnt) {
		u->uid = st.st_uid;
		u->gid = st.st_gid;
		u->learnt = true;
	}
	if (ret == 0 && write_data(u, fd, e, path) < 0)
		return drop(fd);
	used(u, size);
	/* the owner first: a change of it takes set-user-ID and capabilities away */
	if (ret == 0 && (e->uid != u->uid || e->gid != u->gid))
		ret = fchown(fd, e->uid, e->gid);
	disinherit(u, fd);
	if (ret == 0 && (e->mode & 07000 || u->flags & UNPACK_WHITEOUTS))
		ret = fchmod(fd, e->mode);
	if (ret == 0 && e->nxattr > 0 && set_xattrs(u, fd, -1, path, e->xattr, e->nxattr) < 0)
		return drop(fd);
	if (ret == 0)
		ret = futimens(fd, times);
	if (ret < 0) {
		drop(fd);
		return fail_errno(u, path);
	}
	return close(fd) < 0 && errno != EINTR ? fail_errno(u, path) : 0;
}

static int
make_directory(struct unpack *u, int dir, const char *path, const char *name, const struct tar_entry *e)
{
	struct stat st;

	if (*path && mkdirat(dir, name, 0755) < 0) {
		if (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return fail_errno(u, path);
		/* what leads to a directory is none */
		if (!S_ISDIR(st.st_mode) && (make_way(u, dir, path, name) < 0
		    || (mkdirat(dir, name, 0755) < 0 && fail_errno(u, path) < 0)))
			return -1;
	}
	used(u, 0);
	return put_off(u, path, e);
}

/* the directory of a link's target, where it is len bytes of path */
static int
target_at(struct unpack *u, int dir, const char *path, size_t len)
{
	/* most are in the same directory */
	if (u->in.len == len && (len == 0 || memcmp(u->in.path, path, len) == 0))
		return dir;
	return chain_go(u, &u->target, path, len, false);
}

/* where a file may have no more names, the next is a file of its own */
static int
link_or_copy(int target, const char *base, int dir, const char *name)
{
	int in, out, ret;

	if (linkat(target, base, dir, name, 0) == 0)
		return 0;
	if (errno != EMLINK)
		return -1;
	in = openat(target, base, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	out = in < 0 ? -1 : openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ret = out < 0 || copy_contents(in, out, 0) < 0 || copy_attributes(in, out) < 0 ? -1 : 0;
	drop(out);
	drop(in);
	return ret;
}

static int
make_link(struct unpack *u, int dir, const char *path, const char *name, struct tar_entry *e)
{
	struct stat to, from;
	const char *why, *base;
	ssize_t len = clean(e->link, &why);
	int target;

	if (len < 0)
		return fail(u, path, fmt("a link to %.200s: %s", e->link, why));
	if (target_at(u, dir, e->link, (size_t)len) < 0)
		len = (ssize_t)follow(u, &u->target, &e->link, (size_t)len);
	base = e->link + len + (e->link[len] == '/');
	target = target_at(u, dir, e->link, (size_t)len);
	if (target < 0 || fstatat(target, base, &to, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(u, path, fmt("a link to %.200s, which is not in the archive before it", e->link));
	if (S_ISDIR(to.st_mode))
		return fail(u, path, fmt("a link to %.200s, a directory", e->link));
	if (link_or_copy(target, base, dir, name) == 0)
		return 0;
	if (errno != EEXIST || fstatat(dir, name, &from, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(u, path);
	if (from.st_ino == to.st_ino && from.st_dev == to.st_dev)
		return 0;
	if (make_way(u, dir, path, name) < 0)
		return -1;
	/* that may have closed it */
	target = target_at(u, dir, e->link, (size_t)len);
	return target < 0 || link_or_copy(target, base, dir, name) < 0 ? fail_errno(u, path) : 0;
}

static int
make_node(int dir, const char *name, const struct tar_entry *e)
{
	const mode_t kind = e->type == '3' ? S_IFCHR : e->type == '4' ? S_IFBLK : S_IFIFO;

	if (e->type == '2')
		return symlinkat(e->link, dir, name);
	return mknodat(dir, name, kind | (e->mode & 0777), kind == S_IFIFO ? 0 : makedev(e->major, e->minor));
}

/* symlinks, devices, FIFOs */
static int
make_other(struct unpack *u, int dir, const char *path, const char *name, const struct tar_entry *e)
{
	const struct timespec times[2] = { { 0, UTIME_NOW }, { .tv_sec = (time_t)e->sec, .tv_nsec = (long)e->nsec } };
	int ret = make_node(dir, name, e);

	if (ret < 0 && errno == EEXIST) {
		if (make_way(u, dir, path, name) < 0)
			return -1;
		ret = make_node(dir, name, e);
	}
	if (ret < 0 && errno == EPERM && (e->type == '3' || e->type == '4')) {
		if (!u->no_devices)
			warn("%.200s: we may not make devices here; they are left out", path);
		u->no_devices = true;
		return 0;
	}
	if (ret < 0)
		return fail_errno(u, path);
	used(u, 0);
	if (fchownat(dir, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0
	    || (e->type != '2' && e->mode & 07000 && fchmodat(dir, name, e->mode, 0) < 0))
		return fail_errno(u, path);
	if (set_xattrs(u, -1, dir, name, e->xattr, e->nxattr) < 0)
		return -1;
	return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? fail_errno(u, path) : 0;
}

static int
entry(struct unpack *u, struct tar_entry *e)
{
	const char *why, *name;
	char *path = e->path;
	ssize_t dirlen;
	int dir, ret;

	if (halted)
		return fail(u, path, "interrupted");
	if (e->type < '0' || e->type > '6') {
		if (!u->no_types)
			warn("%.200s: an entry of the unknown type '%c'; such ones are left out", path, e->type);
		u->no_types = true;
		return 0;
	}
	if (!*path)
		return fail(u, "an entry", "it has no name");
	dirlen = clean(path, &why);
	if (dirlen < 0)
		return fail(u, path, why);
	dirlen = (ssize_t)follow(u, &u->in, &path, (size_t)dirlen);
	name = path + dirlen + (path[dirlen] == '/');
	if (!*path && e->type != '5')
		return fail(u, "the tree itself", "it is no directory in the archive");
	ret = whiteout(u, path, (size_t)dirlen, name);
	if (ret != 0)
		return ret < 0 ? -1 : 0;
	dir = chain_go(u, &u->in, path, (size_t)dirlen, true);
	if (dir < 0) {
		if (errno == ENOTDIR || errno == ELOOP)
			return fail(u, path, "above it is something that is no directory, or a link: nothing goes through those");
		return fail_errno(u, path);
	}
	if (e->type != '0' && has_room(u, path, 0) < 0)
		return -1;
	ret = e->type == '0' ? make_file(u, dir, path, name, e) : e->type == '1' ? make_link(u, dir, path, name, e)
	    : e->type == '5' ? make_directory(u, dir, path, name, e) : make_other(u, dir, path, name, e);
	if (ret == 0 && u->flags & UNPACK_WHITEOUTS && !see(u, path))
		return fail_errno(u, path);
	return ret;
}

int
unpack_tree(struct tar *t, int dir, int flags, const char **why)
{
	struct unpack u = { .t = t, .top = dir, .flags = flags, .spill = -1, .in = { .last = -1 }, .target = { .last = -1 } };
	static void *later;
	const mode_t mask = umask(0);
	struct tar_entry *e;
	int ret;

	random_bytes(u.key, sizeof(u.key));
	u.later = scratch_room(&later, LATER_ROOM);
	/* of the directory it stands in, which means nothing to what was packed elsewhere; or of the layer before */
	if (!(flags & UNPACK_WHITEOUTS))
		fremovexattr(dir, "system.posix_acl_default");
	while ((ret = tar_next(t, &e)) > 0)
		if (entry(&u, e) < 0)
			break;
	if (ret < 0)
		u.why = tar_why(t);
	if (ret == 0)
		ret = finish(&u);
	chain_reset(&u);
	free(u.in.path);
	free(u.target.path);
	free(u.led[0]);
	free(u.led[1]);
	free(u.seen.slot);
	drop(u.spill);
	umask(mask);
	*why = u.why;
	return ret == 0 ? 0 : -1;
}
