/* SPDX-License-Identifier: 0BSD */
/* Trees at rest: copied by one thread or two, and removed */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/fs.h>

#include "util.h"
#include CONFIG

/* nobody copies into machines then: what is for that is left out */
#if !WITH_MACHINES
#define COPY_MERGE 0
#define COPY_REPLACE 0
#define COPY_PLAIN 0
#define COPY_TAME 0
#endif

#ifndef FICLONE
#define FICLONE _IOW(0x94, 9, int)  /* 4.5; btrfs before */
#endif

#define CAPABILITY "security.capability"

enum { BUFFER = 65536, NAMES = 1024, QUEUE = 4, SMALL = 4096, TWINS_MOST = 16 << 20 };

/* ---- data ---------------------------------------------------------------------- */

/* which ways are known not to work from here to there: the same for all files, whoever finds it out */
struct ways {
	_Atomic bool no_clone, no_range, no_send;
	bool all;  /* share even what is smaller than a block */
};

static bool
refused(void)
{
	return errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == ENOTTY || errno == EINVAL || errno == EPERM;
}

static int
clone_data(struct ways *w, int in, int out)
{
	if (w->no_clone)
		return -1;
	if (!sys_denied("FICLONE") && ioctl(out, FICLONE, in) == 0)
		return 0;
	/* others, as EINVAL, are about this file */
	if (errno == EXDEV || errno == EOPNOTSUPP || errno == ENOSYS || errno == ENOTTY)
		w->no_clone = true;
	return -1;
}

/* some of a range, by the shortest way that there is; 0: the file ends before */
static ssize_t
copy_some(struct ways *w, int in, int out, off_t at, size_t n, char *buf)
{
	int64_t from = at, to = at;
	ssize_t got, put, done;

#ifdef SYS_copy_file_range
	if (!w->no_range) {
		got = sys_denied("copy_file_range") ? -1 : syscall(SYS_copy_file_range, in, &from, out, &to, n, 0);
		if (got > 0 || (got < 0 && !refused()))
			return got;
		w->no_range = w->no_range || got < 0;  /* 0: some kernels say so for what they cannot read */
	}
#endif
	if (!w->no_send) {
		off_t start = at;

		if (lseek(out, at, SEEK_SET) < 0)
			return -1;
		got = sys_denied("sendfile") ? -1 : sendfile(out, in, &start, n);
		if (got >= 0 || !refused())
			return got;
		w->no_send = true;
	}
	got = pread(in, buf, n < BUFFER ? n : BUFFER, at);
	for (done = 0; done < got; done += put) {
		put = pwrite(out, buf + done, (size_t)(got - done), at + done);
		if (put < 0)
			return done ? done : -1;
	}
	return got;
}

static int
copy_range(struct ways *w, int in, int out, off_t at, off_t end, char *buf)
{
	enum { STEP = 1 << 20 };
	ssize_t n;

	while (at < end) {
		if (halted) {
			errno = EINTR;
			return -1;
		}
		n = copy_some(w, in, out, at, end - at < STEP ? (size_t)(end - at) : STEP, buf);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			at += n;
	}
	return 0;
}

/* holes stay holes. What is cut while we read is as long as it was, and zero at its end */
static int
copy_sparse(struct ways *w, int in, int out, off_t size, char *buf)
{
	off_t at = 0, data, end;

	while (at < size) {
		data = lseek(in, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		end = data < 0 ? size : lseek(in, data, SEEK_HOLE);
		at = data < 0 ? at : data;
		if (end <= at || end > size)
			end = size;
		if (copy_range(w, in, out, at, end, buf) < 0)
			return -1;
		at = end;
	}
	return ftruncate(out, size);
}

static int
copy_data(struct ways *w, int in, int out, const struct look *l, char *buf)
{
	off_t size = (off_t)l->size;
	ssize_t n;

	if (size == 0 || ((size >= SMALL || w->all) && clone_data(w, in, out) == 0))
		return 0;
	if (size > BUFFER || (size > SMALL && l->blocks < l->size / 512))
		return copy_sparse(w, in, out, size, buf);
	do
		n = read(in, buf, (size_t)size);
	while (n < 0 && errno == EINTR && !halted);
	if (n < 0 || write_all(out, buf, (size_t)n) < 0)
		return -1;
	/* cut meanwhile, or told in parts */
	return n < size ? copy_sparse(w, in, out, size, buf) : 0;
}

static struct ways
ways_to(int to, int flags)
{
	enum { BTRFS = 0x9123683e };
	struct ways w = { .no_clone = flags & COPY_APART, .no_range = flags & COPY_APART };
	struct statfs fs;

	w.all = fstatfs(to, &fs) == 0 && (uint32_t)fs.f_type == (uint32_t)BTRFS;
	return w;
}

int
copy_contents(int from, int to, int flags)
{
	struct ways w = ways_to(to, flags);
	char *buf = malloc(BUFFER);
	struct look l;
	int ret = buf ? sys_look(from, "", &l) : -1;

	if (ret == 0 && S_ISBLK(l.mode)) {
		l.size = (uint64_t)lseek(from, 0, SEEK_END);
		ret = lseek(from, 0, SEEK_SET) < 0 ? -1 : 0;
	}
	if (ret == 0)
		ret = copy_data(&w, from, to, &l, buf);
	free(buf);
	return ret;
}

/* ---- attributes ------------------------------------------------------------------- */

struct names;

/* a directory and its copy. Whoever lets go of it last sets the copy's attributes, if all that is in it is done */
struct dir {
	int from, to;
	int refs;
	bool done, beyond, made;  /* made: by us, so that its attributes are ours to set */
	struct look look;
	struct names *names;
	char path[];
};

/* some that are in it, each with its type before */
struct names {
	struct dir *dir;
	size_t len;
	char text[NAMES];
};

/* a file of several names that has one already */
struct twin {
	struct twin *next;
	uint64_t dev, ino;
	uint32_t left;   /* names that are still to come */
	char path[];
};

struct copy {
	int to, flags;
	uint32_t owner;        /* of all of it, with COPY_PLAIN */
	struct copied *did;
	uid_t uid;
	gid_t gid;
	struct look copy;      /* what we copy into */
	struct ways ways;
	struct walk *walk;
	char *buf;
	bool threads;
	pthread_mutex_t lock, twin_lock;
	pthread_cond_t change;
	struct names *queue[QUEUE];
	int queued, waiting;
	bool end;
	_Atomic int error;     /* of the first that failed, and what that was at */
	char *where;
	struct twin **twin;
	size_t ntwins, rooms;  /* the latter a power of two, or 0 */
	size_t twin_bytes;
};

static void
lock(struct copy *c)
{
	if (c->threads)
		pthread_mutex_lock(&c->lock);
}

static void
unlock(struct copy *c)
{
	if (c->threads)
		pthread_mutex_unlock(&c->lock);
}

static void
fail(struct copy *c, const char *path, bool beyond, const char *name)
{
	int error = errno;

	lock(c);
	if (!c->error) {
		c->error = error ? error : EIO;
		c->where = walk_place(path, beyond, name);
	}
	unlock(c);
}

static void
tell(struct copy *c, uint32_t *n, char **first, const struct dir *d, const char *name)
{
	lock(c);
	if ((*n)++ == 0)
		*first = walk_place(d->path, d->beyond, name);
	unlock(c);
}

static bool
stopped(struct copy *c)
{
	if (halted && !c->error) {
		errno = EINTR;
		fail(c, "", false, "");
	}
	return c->error;
}

/*
 * What an overlay wrote for itself means something else elsewhere, and xfs shows ACLs a second time. Labels are each
 * system's own, and names of users mean others there
 */
static bool
stays(const char *name, int flags)
{
	return (!(flags & COPY_LAYER) && after(name, "trusted.overlay.")) || after(name, "trusted.SGI_ACL_")
	    || (flags & COPY_MERGE && after(name, "security.") && (flags & COPY_PLAIN || !streq(name, CAPABILITY)))
	    || (flags & COPY_PLAIN && after(name, "system.posix_acl_"));
}

static int
copy_xattr(int in, int out, const char *from, const char *to, const char *name, int flags)
{
	char small[256], *value = small;
	ssize_t n;
	int ret;

	if (stays(name, flags))
		return 0;
	n = from ? lgetxattr(from, name, value, sizeof(small)) : fgetxattr(in, name, value, sizeof(small));
	if (n < 0 && errno == ERANGE) {
		value = malloc(XATTR_SIZE_MAX);
		if (!value)
			return -1;
		n = from ? lgetxattr(from, name, value, XATTR_SIZE_MAX) : fgetxattr(in, name, value, XATTR_SIZE_MAX);
	}
	ret = n < 0 ? 0 : from ? lsetxattr(to, name, value, (size_t)n, 0) : fsetxattr(out, name, value, (size_t)n, 0);
	if (ret < 0 && errno == EOPNOTSUPP)
		ret = 0;
	if (value != small)
		free(value);
	return ret;
}

/*
 * What the new file system does not know of stays behind. By paths for what cannot be opened. E2BIG: there are more than
 * the kernel lists
 */
static int
copy_xattrs(int in, int out, const char *from, const char *to, int flags)
{
	char small[1024], *names = small, *name;
	ssize_t n = from ? llistxattr(from, names, sizeof(small)) : flistxattr(in, names, sizeof(small));
	int ret = 0;

	if (n < 0 && errno == ERANGE) {
		names = malloc(XATTR_LIST_MAX);
		if (!names)
			return -1;
		n = from ? llistxattr(from, names, XATTR_LIST_MAX) : flistxattr(in, names, XATTR_LIST_MAX);
	}
	if (n < 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != ENOENT)
		ret = -1;
	for (name = names; ret == 0 && n > 0 && name < names + n; name += strlen(name) + 1)
		ret = copy_xattr(in, out, from, to, name, flags);
	if (names != small)
		free(names);
	return ret;
}

static bool
is_own(const struct copy *c, const struct look *l)
{
	return l->uid == c->uid && l->gid == c->gid;
}

/* what there is before owner and rights are right is nobody else's: no set-user-ID of ours for what is another's */
static mode_t
first_mode(const struct copy *c, const struct look *l)
{
	return is_own(c, l) && !(l->mode & (S_ISUID | S_ISGID)) ? l->mode & 07777 : l->mode & 0700;
}

static int
copy_rest(int in, int out, const struct look *l, int flags)
{
	const struct timespec times[2] = {
		{ .tv_sec = (time_t)l->read_sec, .tv_nsec = (long)l->read_nsec },
		{ .tv_sec = (time_t)l->sec, .tv_nsec = (long)l->nsec },
	};

	return copy_xattrs(in, out, NULL, NULL, flags) < 0 ? -1 : futimens(out, times);
}

/* for those whose root is owner: struct vfs_ns_cap_data, all little endian */
static int
copy_capability(int in, int out, uint32_t owner)
{
	uint8_t value[24];
	ssize_t n = fgetxattr(in, CAPABILITY, value, sizeof(value));
	int i;

	if (n < 20)
		return 0;
	value[3] = 3;  /* VFS_CAP_REVISION */
	for (i = 0; i < 4; i++)
		value[20 + i] = (uint8_t)(owner >> 8 * i);
	return fsetxattr(out, CAPABILITY, value, sizeof(value), 0) == 0 || errno == EOPNOTSUPP || errno == EINVAL ? 0 : -1;
}

/* whatever the directory, which is not ours, has handed down */
static int
set_attributes_anew(const struct copy *c, int in, int out, const struct look *l)
{
	bool plain = c->flags & COPY_PLAIN;

	fremovexattr(out, "system.posix_acl_access");
	if (S_ISDIR(l->mode))
		fremovexattr(out, "system.posix_acl_default");
	if (fchown(out, plain ? c->owner : l->uid, plain ? c->owner : l->gid) < 0
	    || fchmod(out, l->mode & (c->flags & COPY_TAME ? 01777 : 07777)) < 0
	    || (plain && !(c->flags & COPY_TAME) && S_ISREG(l->mode) && copy_capability(in, out, c->owner) < 0))
		return -1;
	return copy_rest(in, out, l, c->flags);
}

/* the owner first: a change of it takes set-user-ID and capabilities away */
static int
set_attributes(const struct copy *c, int in, int out, const struct look *l, mode_t mode)
{
	if (c->flags & COPY_MERGE)
		return set_attributes_anew(c, in, out, l);
	if ((!is_own(c, l) && fchown(out, l->uid, l->gid) < 0) || ((l->mode & 07777) != mode && fchmod(out, l->mode & 07777) < 0))
		return -1;
	return copy_rest(in, out, l, c->flags);
}

int
copy_attributes(int from, int to)
{
	struct look l;

	if (sys_look(from, "", &l) < 0 || fchown(to, l.uid, l.gid) < 0 || fchmod(to, l.mode & 07777) < 0)
		return -1;
	return copy_rest(from, to, &l, 0);
}

/* ---- what is in a directory ------------------------------------------------------- */

/* it went, or became another thing, since we read its name */
static bool
vanished(void)
{
	return errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == ENXIO || errno == ESTALE;
}

/* ---- beside what is there: whole, or not at all ------------------------------------- */

/* of a hidden file that is not yet what it is to be, where one must have a name */
static void
name_temporary(char name[32])
{
	uint64_t n;

	random_bytes(&n, sizeof(n));
	snprintf(name, 32, ".#%016llx", (unsigned long long)n);
}

static int
link_fd(int fd, int to, const char *name)
{
	char self[32];

	if (linkat(fd, "", to, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, to, name, AT_SYMLINK_FOLLOW);
}

/* from its temporary name, which it keeps if that fails; over what is no directory, if it may */
static int
settle_name(const struct copy *c, int to, const char *temporary, const char *name)
{
	if (c->flags & COPY_REPLACE)
		return renameat(to, temporary, to, name);
	if (linkat(to, temporary, to, name, 0) == 0)
		return unlinkat(to, temporary, 0);
	return errno == EPERM || errno == EOPNOTSUPP ? renameat(to, temporary, to, name) : -1;  /* vfat has no links */
}

/* an open file that has no name, or a temporary one, "" for none; that goes if this fails */
static int
publish(const struct copy *c, int fd, int to, char temporary[32], const char *name)
{
	int ret = -1, saved;

	if (!*temporary) {
		ret = link_fd(fd, to, name);
		if (ret == 0 || errno != EEXIST || !(c->flags & COPY_REPLACE))
			return ret;
		name_temporary(temporary);
		if (link_fd(fd, to, temporary) < 0)
			return -1;
	}
	ret = settle_name(c, to, temporary, name);
	saved = errno;
	if (ret < 0)
		unlinkat(to, temporary, 0);
	errno = saved;
	return ret;
}

/* before much is done: may it have this name? */
static int
free_name(const struct copy *c, int to, const char *name)
{
	struct look l;

	if (sys_look(to, name, &l) < 0)
		return errno == ENOENT ? 0 : -1;
	errno = S_ISDIR(l.mode) ? EISDIR : EEXIST;
	return S_ISDIR(l.mode) || !(c->flags & COPY_REPLACE) ? -1 : 0;
}

/* of /proc and the like, where nobody says how long a file is */
static int
copy_told(int in, int out, char *buf)
{
	enum { MOST = 1 << 20 };
	size_t total = 0;
	ssize_t n;

	while (total < MOST && !halted && (n = read(in, buf, BUFFER)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write_all(out, buf, (size_t)n) < 0)
			return -1;
		total += (size_t)n;
	}
	if (halted)
		errno = EINTR;
	return halted ? -1 : 0;
}

static bool
is_told(int in, const struct look *l)
{
	enum { PROC = 0x9fa0, SYSFS = 0x62656572, CGROUP2 = 0x63677270, CGROUP = 0x27e0eb };
	struct statfs fs;

	return l->blocks == 0 && fstatfs(in, &fs) == 0
	    && (fs.f_type == PROC || fs.f_type == SYSFS || fs.f_type == CGROUP2 || fs.f_type == CGROUP);
}

static int
copy_whole_file(struct copy *c, const struct dir *d, const char *name, int in, const struct look *l, char *buf)
{
	char temporary[32] = "";
	struct look now;
	int out, ret, saved;

	if (free_name(c, d->to, name) < 0)
		return -1;
	out = sys_denied("O_TMPFILE") ? -1 : openat(d->to, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (out < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT || errno == ENOSYS)) {
		name_temporary(temporary);
		out = openat(d->to, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	if (out < 0)
		return -1;
	ret = is_told(in, l) ? copy_told(in, out, buf) : copy_data(&c->ways, in, out, l, buf);
	if (ret == 0)
		ret = set_attributes(c, in, out, l, 0600);
	saved = errno;
	if (ret < 0 && *temporary)
		unlinkat(d->to, temporary, 0);
	errno = saved;
	if (ret == 0)
		ret = publish(c, out, d->to, temporary, name);
	if (ret == 0 && sys_look(in, "", &now) == 0 && (now.size != l->size || now.sec != l->sec || now.nsec != l->nsec))
		tell(c, &c->did->changed, &c->did->first_changed, d, name);
	if (ret < 0)
		return drop(out);
	return close(out);
}

/* the directory is found again by a path that somebody may change meanwhile */
static int
link_twin(struct copy *c, const char *path, int to, const char *name)
{
	char temporary[32] = "";
	int fd, ret;

	if (!(c->flags & COPY_MERGE))
		return linkat(c->to, path, to, name, 0);
	fd = sys_open_in(c->to, path, O_PATH | O_NOFOLLOW, 0);
	ret = fd < 0 ? -1 : publish(c, fd, to, temporary, name);
	if (fd < 0 && errno == ENOENT)
		errno = EXDEV;  /* it went: the next one is the first */
	drop(fd);
	return ret;
}

static int
copy_open_file(struct copy *c, const struct dir *d, const char *name, int in, const struct look *l, char *buf)
{
	mode_t mode = first_mode(c, l);
	int out;

	if (c->flags & COPY_MERGE)
		return copy_whole_file(c, d, name, in, l, buf);
	out = openat(d->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (out < 0)
		return -1;
	if (copy_data(&c->ways, in, out, l, buf) < 0 || set_attributes(c, in, out, l, mode) < 0)
		return drop(out);
	return close(out);
}

static struct twin **
find_twin(struct copy *c, const struct look *l)
{
	struct twin **t = &c->twin[(l->ino ^ l->dev * 31) & (c->rooms - 1)];

	while (*t && ((*t)->ino != l->ino || (*t)->dev != l->dev))
		t = &(*t)->next;
	return t;
}

/* as many lists as there are twins, nearly */
static int
more_rooms(struct copy *c)
{
	struct twin **old = c->twin, *t, *next, **to;
	size_t n = c->rooms, i;

	if (c->ntwins < n)
		return 0;
	c->twin = calloc(n ? n * 4 : 64, sizeof(struct twin *));
	if (!c->twin) {
		c->twin = old;
		return n ? 0 : -1;
	}
	c->rooms = n ? n * 4 : 64;
	for (i = 0; i < n; i++)
		for (t = old[i]; t; t = next) {
			next = t->next;
			to = find_twin(c, &(struct look){ .dev = t->dev, .ino = t->ino });
			t->next = *to;
			*to = t;
		}
	free(old);
	return 0;
}

/* the first of its names is a file, and the others are links to that */
static int
copy_twin(struct copy *c, const struct dir *d, const char *name, int in, const struct look *l, char *buf)
{
	char path[PATH_MAX];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s%s%s", d->path, *d->path ? "/" : "", name) + 1;
	struct twin **at, *t;

	if (more_rooms(c) < 0)
		return -1;
	at = find_twin(c, l);
	t = *at;
	if (t && link_twin(c, t->path, d->to, name) == 0) {
		if (--t->left == 0) {
			*at = t->next;
			c->ntwins--;
			c->twin_bytes -= sizeof(*t) + strlen(t->path) + 1;
			free(t);
		}
		return 0;
	}
	if (t && errno != EMLINK && errno != EXDEV && errno != EPERM)
		return -1;
	if (copy_open_file(c, d, name, in, l, buf) < 0)
		return -1;
	/* too deep for a path, or too many: it stays alone */
	if (t || d->beyond || n > sizeof(path) || (c->flags & COPY_MERGE && c->twin_bytes + n > TWINS_MOST))
		return 0;
	t = malloc(sizeof(*t) + n);
	if (!t)
		return -1;
	*t = (struct twin){ *at, l->dev, l->ino, l->nlink - 1 };
	memcpy(t->path, path, n);
	*at = t;
	c->ntwins++;
	c->twin_bytes += sizeof(*t) + n;
	return 0;
}

/* look before opening: it may have become a device, and opening one does things */
static int
open_regular(const struct copy *c, int dir, const char *name)
{
	int look, fd = -1;
	char self[32];
	struct look l;

	if (!(c->flags & COPY_MERGE))
		return walk_source(dir, name, O_NONBLOCK);
	look = *name ? openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : dir;
	if (look >= 0 && sys_look(look, "", &l) == 0) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", look);
		errno = ESTALE;
		if (S_ISREG(l.mode))
			fd = openat(AT_FDCWD, self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME);
		if (S_ISREG(l.mode) && fd < 0 && errno == EPERM)
			fd = openat(AT_FDCWD, self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	if (look != dir)
		drop(look);
	return fd;
}

static int
copy_regular(struct copy *c, const struct dir *d, const char *name, char *buf)
{
	int in = open_regular(c, d->from, name), ret = 0;
	struct look l;

	if (in < 0)
		return vanished() ? 0 : -1;
	if (sys_look(in, "", &l) < 0)
		return drop(in);
	if (!S_ISREG(l.mode) || (!(c->flags & COPY_MERGE) && walk_is_mount(c->walk, &l))) {
		ret = 0;
	} else if (l.nlink < 2) {
		ret = copy_open_file(c, d, name, in, &l, buf);
	} else {
		if (c->threads)
			pthread_mutex_lock(&c->twin_lock);
		ret = copy_twin(c, d, name, in, &l, buf);
		if (c->threads)
			pthread_mutex_unlock(&c->twin_lock);
	}
	drop(in);
	return ret;
}

static int
make_special(int to, const char *name, const struct look *l, const char *target)
{
	return S_ISLNK(l->mode) ? symlinkat(target, to, name) : mknodat(to, name, l->mode & (S_IFMT | 07777), 0);
}

/* a link or a FIFO: what has its name then may be another's, and no link there leads us on */
static int
merge_special(struct copy *c, const struct dir *d, int from, const char *source, const struct look *l, const char *name)
{
	const struct timespec times[2] = {
		{ .tv_sec = (time_t)l->read_sec, .tv_nsec = (long)l->read_nsec },
		{ .tv_sec = (time_t)l->sec, .tv_nsec = (long)l->nsec },
	};
	char target[PATH_MAX] = "", temporary[32];
	const char *at = name;
	ssize_t n = 0;
	int ret, saved;

	if (!S_ISLNK(l->mode) && !S_ISFIFO(l->mode)) {
		tell(c, &c->did->left, &c->did->first_left, d, name);
		return 0;
	}
	if (S_ISLNK(l->mode))
		n = readlinkat(from, source, target, sizeof(target) - 1);
	if (n < 0)
		return vanished() || errno == EINVAL ? 0 : -1;
	target[n] = 0;
	ret = make_special(d->to, at, l, target);
	if (ret < 0 && errno == EEXIST && free_name(c, d->to, name) == 0) {
		name_temporary(temporary);
		at = temporary;
		ret = make_special(d->to, at, l, target);
	}
	if (ret < 0)
		return -1;
	if ((!(c->flags & COPY_PLAIN) && fchownat(d->to, at, l->uid, l->gid, AT_SYMLINK_NOFOLLOW) < 0)
	    || utimensat(d->to, at, times, AT_SYMLINK_NOFOLLOW) < 0 || (at != name && renameat(d->to, at, d->to, name) < 0)) {
		saved = errno;
		unlinkat(d->to, at, 0);
		errno = saved;
		return -1;
	}
	return 0;
}

/* links, devices, FIFOs, sockets: by name, since to open one does things */
static int
copy_special(struct copy *c, const struct dir *d, const char *name)
{
	char target[PATH_MAX], from[64 + NAME_MAX], to[64 + NAME_MAX];
	struct timespec times[2];
	struct look l;
	ssize_t n;

	if (sys_look(d->from, name, &l) < 0)
		return vanished() ? 0 : -1;
	if (S_ISREG(l.mode) || S_ISDIR(l.mode))
		return 0;
	if (c->flags & COPY_MERGE)
		return merge_special(c, d, d->from, name, &l, name);
	if (walk_is_mount(c->walk, &l))
		return 0;
	if (S_ISLNK(l.mode)) {
		n = readlinkat(d->from, name, target, sizeof(target) - 1);
		if (n < 0)
			return vanished() || errno == EINVAL ? 0 : -1;
		target[n] = 0;
		if (symlinkat(target, d->to, name) < 0)
			return -1;
	} else if (mknodat(d->to, name, (l.mode & S_IFMT) | first_mode(c, &l), l.rdev) < 0) {
		return c->flags & COPY_ALLOWED && errno == EPERM && l.rdev ? 0 : -1;
	}
	if (!is_own(c, &l) && fchownat(d->to, name, l.uid, l.gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISLNK(l.mode) && first_mode(c, &l) != (l.mode & 07777) && fchmodat(d->to, name, l.mode & 07777, 0) < 0)
		return -1;
	snprintf(from, sizeof(from), "/proc/self/fd/%d/%s", d->from, name);
	snprintf(to, sizeof(to), "/proc/self/fd/%d/%s", d->to, name);
	if (copy_xattrs(-1, -1, from, to, c->flags) < 0)
		return -1;
	times[0] = (struct timespec){ .tv_sec = (time_t)l.read_sec, .tv_nsec = (long)l.read_nsec };
	times[1] = (struct timespec){ .tv_sec = (time_t)l.sec, .tv_nsec = (long)l.nsec };
	return utimensat(d->to, name, times, AT_SYMLINK_NOFOLLOW);
}

/* ---- who does it ---------------------------------------------------------------------- */

static void
let_go(struct copy *c, struct dir *d)
{
	bool last;

	lock(c);
	last = --d->refs == 0;
	if (c->waiting)
		pthread_cond_broadcast(&c->change);
	unlock(c);
	if (!last)
		return;
	if (d->done && d->made && !c->error && set_attributes(c, d->from, d->to, &d->look, 0700) < 0)
		fail(c, d->path, d->beyond, "");
	drop(d->from);
	drop(d->to);
	free(d->names);
	free(d);
}

static void
copy_names(struct copy *c, struct names *names, char *buf)
{
	struct dir *d = names->dir;
	const char *at;

	for (at = names->text; at < names->text + names->len && !stopped(c); at += strlen(at) + 1) {
		const char *name = at + 1;

		if ((*at == DT_REG ? copy_regular(c, d, name, buf) : copy_special(c, d, name)) < 0)
			fail(c, d->path, d->beyond, name);
	}
	free(names);
	let_go(c, d);
}

/* one of those that wait, or NULL. The lock is held */
static struct names *
take(struct copy *c)
{
	return c->queued ? c->queue[--c->queued] : NULL;
}

static void
wait_for_change(struct copy *c)
{
	c->waiting++;
	pthread_cond_wait(&c->change, &c->lock);
	c->waiting--;
}

static void *
work(void *arg)
{
	char *buf = malloc(BUFFER);
	struct copy *c = arg;
	struct names *names;

	/* without memory the other one does it all */
	lock(c);
	while (buf) {
		names = take(c);
		if (!names && c->end)
			break;
		if (!names) {
			wait_for_change(c);
			continue;
		}
		unlock(c);
		copy_names(c, names, buf);
		lock(c);
	}
	unlock(c);
	free(buf);
	return NULL;
}

/* give it to whoever has time: if nobody has, we do it ourselves */
static void
hand_out(struct copy *c, struct dir *d)
{
	struct names *names = d->names;

	d->names = NULL;
	if (!names)
		return;
	lock(c);
	d->refs++;
	if (c->threads && c->queued < QUEUE) {
		c->queue[c->queued++] = names;
		names = NULL;
		if (c->waiting)
			pthread_cond_signal(&c->change);
	}
	unlock(c);
	if (names)
		copy_names(c, names, c->buf);
}

static int
add_name(struct copy *c, struct dir *d, uint8_t type, const char *name)
{
	size_t n = strlen(name) + 2;

	if (d->names && d->names->len + n > sizeof(d->names->text))
		hand_out(c, d);
	if (!d->names) {
		d->names = malloc(sizeof(*d->names));
		if (!d->names)
			return -1;
		d->names->dir = d;
		d->names->len = 0;
	}
	d->names->text[d->names->len] = (char)type;
	memcpy(d->names->text + d->names->len + 1, name, n - 1);
	d->names->len += n;
	return 0;
}

/* all in it that was handed out is done, and only we still have it */
static void
settle(struct copy *c, struct dir *d)
{
	struct names *names;

	hand_out(c, d);
	lock(c);
	while (d->refs > 1) {
		names = take(c);
		if (!names) {
			wait_for_change(c);
			continue;
		}
		unlock(c);
		copy_names(c, names, c->buf);
		lock(c);
	}
	unlock(c);
}

/* ---- directories: all by the first thread ---------------------------------------------- */

/* to be where we are now; both fds are its own, whatever happens */
static int
dir_open(struct copy *c, int to, const struct look *l, bool made)
{
	struct walk *w = c->walk;
	struct walk_open *o = walk_at(w, w->depth - 1);
	size_t n = w->beyond ? 0 : w->len;
	struct dir *d = calloc(1, sizeof(*d) + n + 1);
	int from = d ? fcntl(o->fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (from < 0) {
		free(d);
		return drop(to);
	}
	d->from = from;
	d->to = to;
	d->refs = 1;
	d->look = *l;
	d->beyond = w->beyond > 0;
	d->made = made;
	memcpy(d->path, w->path, n);
	o->own = d;
	return 0;
}

/* it is to be left for its descendants, too many of them to keep it open */
static int
evict(struct copy *c)
{
	struct walk *w = c->walk;
	struct walk_open *o = walk_at(w, w->depth);
	struct dir *d = o->own;
	struct look l;

	if (!d)
		return 0;
	settle(c, d);
	if (sys_look(d->to, "", &l) < 0)
		return -1;
	w->level[w->depth - WALK_WINDOW].keep = l.ino;
	w->level[w->depth - WALK_WINDOW].made = d->made;
	o->own = NULL;
	let_go(c, d);
	return 0;
}

/* a directory to copy into, or the one that is there already */
static int
make_dir(const struct copy *c, int to, const char *name, bool *made)
{
	*made = mkdirat(to, name, 0700) == 0;
	if (!*made && (errno != EEXIST || !(c->flags & COPY_MERGE)))
		return -1;
	return sys_open_dir(to, name);
}

static int
enter(struct copy *c, const char *name)
{
	struct walk *w = c->walk;
	struct dir *above = w->depth ? walk_at(w, w->depth - 1)->own : NULL;
	int from, to;
	struct look l;
	bool made;

	if (sys_look(above->from, name, &l) < 0)
		return vanished() ? 0 : -1;
	if (walk_is_mount(w, &l)) {
		if (c->did)
			tell(c, &c->did->left, &c->did->first_left, above, name);
		return S_ISDIR(l.mode) && mkdirat(above->to, name, 0755) < 0 && !(c->did && errno == EEXIST) ? -1 : 0;
	}
	from = walk_source(above->from, name, O_DIRECTORY);
	if (from < 0)
		return vanished() ? 0 : -1;
	if (sys_look(from, "", &l) < 0)
		return drop(from);
	/* what we make is not to be copied, too */
	if (walk_is_mount(w, &l) || (l.dev == c->copy.dev && l.ino == c->copy.ino))
		return drop(from), 0;
	to = make_dir(c, above->to, name, &made);
	if (to < 0)
		return drop(from);
	if (evict(c) < 0) {
		drop(from);
		return drop(to);
	}
	if (walk_down(w, from, &l, name) < 0)
		return drop(to);
	return dir_open(c, to, &l, made);
}

static int
leave(struct copy *c)
{
	struct walk *w = c->walk;
	struct dir *d = walk_at(w, w->depth - 1)->own;
	int left, to, ret;
	struct walk_open *o;
	struct look l;

	hand_out(c, d);
	walk_at(w, w->depth - 1)->own = NULL;
	ret = walk_up(w, &left);
	drop(left);
	o = w->depth ? walk_at(w, w->depth - 1) : NULL;
	if (ret == 0 && o && !o->own) {
		to = walk_above(d->to, WALK_ANY, w->level[w->depth - 1].keep);
		ret = to < 0 || sys_look(o->fd, "", &l) < 0 ? drop(to)
		    : dir_open(c, to, &l, w->level[w->depth - 1].made);
	}
	d->done = true;
	let_go(c, d);
	return ret;
}

static int
copy_entry(struct copy *c, const struct walk_entry *e)
{
	struct dir *d = walk_at(c->walk, c->walk->depth - 1)->own;
	uint8_t type = e->type;
	struct look l;

	if (type == DT_UNKNOWN) {
		if (sys_look(d->from, e->name, &l) < 0)
			return vanished() ? 0 : -1;
		type = (uint8_t)((l.mode & S_IFMT) >> 12);
	}
	return type == DT_DIR ? enter(c, e->name) : add_name(c, d, type, e->name);
}

static void
copy_walk(struct copy *c)
{
	struct walk *w = c->walk;
	const struct walk_entry *e;
	bool failed;

	while (w->depth && !stopped(c)) {
		e = walk_next(w, &failed);
		if (e ? copy_entry(c, e) < 0 : failed || leave(c) < 0)
			fail(c, w->path, w->beyond, e ? e->name : "");
	}
	/* after an error */
	for (; w->depth > 0; w->depth--) {
		struct walk_open *o = walk_at(w, w->depth - 1);

		if (o->own)
			let_go(c, o->own);
		o->own = NULL;
	}
}

/* what it has by its place, or from who made it, is not to be handed down: its attributes come last */
static int
prepare(struct copy *c, int from, bool made)
{
	int top = walk_source(from, ".", O_DIRECTORY), to = openat(c->to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0 || to < 0 || sys_look(top, "", &c->walk->top) < 0 || sys_look(to, "", &c->copy) < 0) {
		drop(to);
		return drop(top);
	}
	if (!(c->flags & COPY_MERGE)) {
		fremovexattr(to, "system.posix_acl_default");
		if ((!is_own(c, &c->copy) && fchown(to, c->uid, c->gid) < 0) || fchmod(to, 0700) < 0) {
			drop(top);
			return drop(to);
		}
	} else if (c->copy.dev == c->walk->top.dev && c->copy.ino == c->walk->top.ino) {
		drop(top);
		errno = EDEADLK;
		return drop(to);
	}
	if (walk_down(c->walk, top, &c->walk->top, "") < 0)
		return drop(to);
	return dir_open(c, to, &c->walk->top, made);
}

/* a second thread, which takes no signals */
static bool
start_thread(struct copy *c, pthread_t *thread)
{
	sigset_t all, old;

	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->twin_lock, NULL);
	pthread_cond_init(&c->change, NULL);
	c->threads = true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(thread, NULL, work, c) != 0)
		c->threads = false;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return c->threads;
}

static void
end_thread(struct copy *c, pthread_t thread)
{
	struct names *names;

	lock(c);
	c->end = true;
	pthread_cond_broadcast(&c->change);
	while ((names = take(c))) {
		unlock(c);
		copy_names(c, names, c->buf);
		lock(c);
	}
	unlock(c);
	pthread_join(thread, NULL);
}

static void
forget_twins(struct copy *c)
{
	struct twin *t;

	for (; c->rooms > 0; c->rooms--)
		while ((t = c->twin[c->rooms - 1])) {
			c->twin[c->rooms - 1] = t->next;
			free(t);
		}
	free(c->twin);
}

static void
copy_dir(struct copy *c, int from, bool made)
{
	pthread_t thread;
	bool threads;

	if (prepare(c, from, made) < 0) {
		fail(c, "", false, "");
		return;
	}
	threads = !(c->flags & COPY_ALONE) && sys_has_threads() && start_thread(c, &thread);
	copy_walk(c);
	if (threads)
		end_thread(c, thread);
}

/* what is no directory */
static int
copy_alone(struct copy *c, int from, const struct look *l, int to, const char *name)
{
	struct dir *d = calloc(1, sizeof(*d) + 1);
	int in, ret = -1;

	if (!d)
		return -1;
	d->from = from;
	d->to = to;
	if (!S_ISREG(l->mode)) {
		ret = merge_special(c, d, from, "", l, name);
	} else {
		in = open_regular(c, from, "");
		ret = in < 0 ? -1 : copy_open_file(c, d, name, in, l, c->buf);
		drop(in);
	}
	free(d);
	return ret;
}

static int
begin_copy(struct copy *c)
{
	c->walk = walk_begin();
	c->buf = malloc(BUFFER);
	return c->walk && c->buf ? 0 : -1;
}

static int
end_copy(struct copy *c, mode_t mask, char **where)
{
	umask(mask);
	forget_twins(c);
	walk_end(c->walk);
	free(c->buf);
	*where = xstrdup(c->where ? c->where : ".");
	free(c->where);
	errno = c->error;
	return c->error ? -1 : 0;
}

int
copy_tree(int from, int to, int flags, char **where)
{
	struct copy c = { .to = to, .flags = flags, .uid = geteuid(), .gid = getegid(), .ways = ways_to(to, flags) };
	mode_t mask = umask(0);

	if (begin_copy(&c) < 0)
		fail(&c, "", false, "");
	else
		copy_dir(&c, from, true);
	return end_copy(&c, mask, where);
}

int
copy_into(int from, int to, const char *name, int flags, uint32_t owner, struct copied *did, char **where)
{
	struct copy c = { .flags = flags | COPY_MERGE, .owner = owner, .did = did, .to = -1, .ways = ways_to(to, flags) };
	mode_t mask = umask(0);
	struct look l;
	bool made;

	if (begin_copy(&c) < 0 || sys_look(from, "", &l) < 0) {
		fail(&c, "", false, "");
	} else if (!S_ISDIR(l.mode)) {
		if (copy_alone(&c, from, &l, to, name) < 0)
			fail(&c, "", false, "");
	} else {
		c.to = make_dir(&c, to, name, &made);
		if (c.to < 0)
			fail(&c, "", false, "");
		else
			copy_dir(&c, from, made);
		drop(c.to);
	}
	return end_copy(&c, mask, where);
}

/* ---- removing ------------------------------------------------------------------------------ */

/* chattr +i and +a: of a directory, and of what in it */
static bool
make_mutable(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), flags = 0;
	bool changed = false;

	if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) {
		flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
		changed = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
	}
	drop(fd);
	return changed;
}

/* unlinkat(2) of what may be protected; ENOENT is no error */
static int
unlink_at(int dir, const char *name, int flags)
{
	struct look l;
	bool changed;
	int saved;

	if (unlinkat(dir, name, flags) == 0 || errno == ENOENT)
		return 0;
	if (errno != EPERM)
		return -1;
	saved = errno;
	changed = make_mutable(dir, ".");
	if (sys_look(dir, name, &l) == 0 && (S_ISREG(l.mode) || S_ISDIR(l.mode)) && make_mutable(dir, name))
		changed = true;
	errno = saved;
	return changed && unlinkat(dir, name, flags) == 0 ? 0 : -1;
}

/* a directory that is empty, or a subvolume */
static int
remove_dir(int dir, const char *name)
{
	int saved;

	if (unlink_at(dir, name, AT_REMOVEDIR) == 0)
		return 0;
	saved = errno;
	if (errno == EPERM && btrfs_delete(dir, name) == 0)  /* before 4.18 that was the only way */
		return 0;
	errno = saved;
	return -1;
}

static int
descend(struct walk *w, int dir, const char *name)
{
	int fd = sys_open_dir(dir, name);
	struct look l;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (sys_look(fd, "", &l) < 0)
		return drop(fd);
	if (!w->depth)
		w->top = l;
	if (walk_is_mount(w, &l)) {
		errno = EBUSY;
		return drop(fd);
	}
	if (btrfs_is_subvolume(fd)) {
		if (btrfs_delete(dir, name) == 0)
			return drop(fd), 0;
		btrfs_set_read_only(fd, false);
	}
	return walk_down(w, fd, &l, name);
}

static int
remove_entry(struct walk *w, int dir, const char *name, uint8_t type)
{
	int tries;

	/* somebody may change what it is while we look */
	for (tries = 0; tries < 100; tries++) {
		if (type != DT_DIR && unlink_at(dir, name, 0) == 0)
			return 0;
		if (type != DT_DIR && errno != EISDIR)
			return -1;
		if (descend(w, dir, name) == 0)
			return 0;
		if (errno != ENOTDIR && errno != ELOOP)
			return -1;
		type = DT_UNKNOWN;
	}
	return -1;
}

/* where we are nothing is left: it goes. What we lost sight of, or what came meanwhile, we meet again */
static int
remove_left(struct walk *w, int *tries)
{
	struct walk_open *o;
	struct walk_entry *e;
	int left;

	w->level[w->depth - 1].next = 0;
	if (w->depth > 1)
		w->level[w->depth - 2].next = 0;
	if (walk_up(w, &left) < 0)
		return drop(left);
	drop(left);
	if (!w->depth)
		return 0;
	o = walk_at(w, w->depth - 1);
	if (o->end) {
		e = (struct walk_entry *)(void *)((char *)o->batch + o->last);
		if (remove_dir(o->fd, e->name) == 0)
			return 0;
		if ((errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) || ++*tries > 1000)
			return -1;
		o->at = o->end = 0;
	}
	return (int)lseek(o->fd, 0, SEEK_SET);
}

/* what is mounted below it for us, before anything is gone */
static bool
has_mounts(int dir, const char *name)
{
	char self[32], path[PATH_MAX];
	size_t n;
	ssize_t len;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", dir);
	len = dir == AT_FDCWD ? (getcwd(path, sizeof(path)) ? (ssize_t)strlen(path) : -1) : readlink(self, path, sizeof(path) - 1);
	if (len <= 0 || (size_t)len + strlen(name) + 2 > sizeof(path))
		return false;
	n = (size_t)len;
	snprintf(path + n, sizeof(path) - n, "%s%s", n == 1 ? "" : "/", name);
	return walk_mounted(path, true);
}

static int
remove_all(struct walk *w, int dir, const char *name, const struct walk_entry **e)
{
	int ret = remove_entry(w, dir, name, DT_DIR), tries = 0;
	bool failed;

	while (ret == 0 && w->depth) {
		*e = walk_next(w, &failed);
		if (halted)
			errno = EINTR;
		if (halted || (!*e && failed))
			ret = -1;
		else if (*e)
			ret = remove_entry(w, walk_at(w, w->depth - 1)->fd, (*e)->name, (*e)->type);
		else
			ret = remove_left(w, &tries);
	}
	return ret < 0 ? -1 : remove_dir(dir, name);
}

int
remove_tree(int dir, const char *name, char **where)
{
	const struct walk_entry *e = NULL;
	struct walk *w = NULL;
	char *s = NULL;
	int ret, saved;

	if (has_mounts(dir, name)) {
		errno = EBUSY;
		ret = -1;
	} else {
		ret = unlink_at(dir, name, 0);
		if (ret < 0 && errno == EISDIR) {
			w = walk_begin();
			ret = w ? remove_all(w, dir, name, &e) : -1;
		}
	}
	saved = errno;
	if (ret < 0) {
		s = w ? walk_place(w->path, w->beyond, e ? e->name : "") : NULL;
		*where = xstrdup(s ? s : ".");
	}
	free(s);
	walk_end(w);
	errno = saved;
	return ret;
}
