/* SPDX-License-Identifier: 0BSD */
/* Trees at rest: copying them */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

/* a directory on the way down, and the one that it becomes */
struct level {
	DIR *from;
	int to;
	char *path;      /* from the top, "" or with a slash at its end */
	struct stat st;
	struct level *above;
};

/* a file of several names that has one already */
struct twin { ino_t ino; char *path; struct twin *next; };

/* it may be many of them, so they are given back: not from our pool */
static char *
joined(const char *a, const char *b, const char *c)
{
	size_t n = strlen(a) + strlen(b) + strlen(c) + 1;
	char *s = malloc(n);

	if (s)
		snprintf(s, n, "%s%s%s", a, b, c);
	return s;
}

static int
copy_data(int from, int to, off_t size)
{
	off_t at = 0, end;
	ssize_t n;

	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			break;
		if (data >= 0)
			at = data;
		end = data < 0 ? size : lseek(from, at, SEEK_HOLE);
		if (end < at)
			end = size;
		if (lseek(to, at, SEEK_SET) < 0)
			return -1;
		while (at < end) {
			n = sendfile(to, from, &at, (size_t)(end - at < 1 << 20 ? end - at : 1 << 20));
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -1;
			if (n == 0)
				size = end = at;  /* it was cut meanwhile */
		}
	}
	return ftruncate(to, size);
}

/* what the new file system does not know of stays behind */
static int
copy_xattrs(int from, int to)
{
	char *names, *name, *value;
	ssize_t n, len;
	int ret;

	n = flistxattr(from, NULL, 0);
	if (n <= 0)
		return 0;
	names = calloc(1, (size_t)n + 1);
	value = malloc(65536);
	n = names && value ? flistxattr(from, names, (size_t)n) : -1;
	ret = n < 0 ? -1 : 0;
	for (name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		len = fgetxattr(from, name, value, 65536);
		if (len >= 0 && fsetxattr(to, name, value, (size_t)len, 0) < 0 && errno != EOPNOTSUPP)
			ret = -1;
	}
	free(names);
	free(value);
	return ret;
}

/* the owner first: a change of it takes set-user-ID and capabilities away */
static int
copy_attributes(int from, int to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	return fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0
	    || copy_xattrs(from, to) < 0 || futimens(to, times) < 0 ? -1 : 0;
}

static int
copy_file(int from, int to, const char *name, const struct stat *st)
{
	struct stat now;
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), out, ret;

	if (in < 0)
		return -1;
	if (fstat(in, &now) < 0 || now.st_ino != st->st_ino || now.st_dev != st->st_dev) {
		errno = ESTALE;
		return drop(in);
	}
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ret = out < 0 || copy_data(in, out, st->st_size) < 0 ? -1 : copy_attributes(in, out, st);
	drop(out);
	drop(in);
	return ret;
}

/* all but directories */
static int
copy_leaf(const struct level *l, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char target[PATH_MAX];
	int from = dirfd(l->from);
	ssize_t n;

	if (S_ISREG(st->st_mode))
		return copy_file(from, l->to, name, st);
	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(from, name, target, sizeof(target) - 1);
		if (n < 0)
			return -1;
		target[n] = 0;
		if (symlinkat(target, l->to, name) < 0)
			return -1;
	} else if (mknodat(l->to, name, st->st_mode, st->st_rdev) < 0) {
		return -1;
	}
	if (fchownat(l->to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISLNK(st->st_mode) && fchmodat(l->to, name, st->st_mode & 07777, 0) < 0)
		return -1;
	return utimensat(l->to, name, times, AT_SYMLINK_NOFOLLOW);
}

static struct level *
descend(int from, int to, const char *name, char *path, struct level *above)
{
	struct level *l = calloc(1, sizeof(*l));
	int in;

	if (!l || !path) {
		free(l);
		return NULL;
	}
	in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	l->to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	l->from = in < 0 ? NULL : fdopendir(in);
	l->path = path;
	l->above = above;
	if (l->to < 0 || !l->from || fstat(in, &l->st) < 0) {
		if (l->from)
			closedir(l->from);
		else
			drop(in);
		drop(l->to);
		free(l);
		return NULL;
	}
	return l;
}

static struct level *
ascend(struct level *l, int *ret)
{
	struct level *above = l->above;

	if (*ret == 0)
		*ret = copy_attributes(dirfd(l->from), l->to, &l->st);
	drop(l->to);
	{
		int saved = errno;

		closedir(l->from);
		errno = saved;
	}
	free(l->path);
	free(l);
	return above;
}

static bool
is_twin(int top, const struct level *l, const char *name, const struct stat *st, struct twin **twins)
{
	struct twin *t;

	if (st->st_nlink < 2)
		return false;
	for (t = *twins; t; t = t->next)
		if (t->ino == st->st_ino && t->path)
			return linkat(top, t->path, l->to, name, 0) == 0;
	t = malloc(sizeof(*t));
	if (t) {
		*t = (struct twin){ st->st_ino, joined(l->path, name, ""), *twins };
		*twins = t;
	}
	return false;
}

int
copy_tree(int from, int to, char **where)
{
	struct level *l = descend(from, to, ".", strdup(""), NULL), *below;
	struct twin *twins = NULL, *t;
	struct dirent *e;
	dev_t dev = l ? l->st.st_dev : 0;
	struct stat st;
	int ret = l ? 0 : -1;

	*where = xstrdup(".");
	while (l) {
		e = ret == 0 ? readdir(l->from) : NULL;
		if (!e) {
			l = ascend(l, &ret);
			continue;
		}
		if (streq(e->d_name, ".") || streq(e->d_name, ".."))
			continue;
		if (fstatat(dirfd(l->from), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			ret = -1;
		} else if (S_ISDIR(st.st_mode)) {
			ret = mkdirat(l->to, e->d_name, 0700);
			if (ret == 0 && st.st_dev == dev) {  /* what is mounted there is not of the tree */
				char *path = joined(l->path, e->d_name, "/");

				below = descend(dirfd(l->from), l->to, e->d_name, path, l);
				ret = below ? 0 : -1;
				l = below ? below : l;
			}
		} else if (!is_twin(to, l, e->d_name, &st, &twins)) {
			ret = copy_leaf(l, e->d_name, &st);
		}
		if (ret < 0) {
			int saved = errno;

			*where = fmt("%s%s", l->path, e->d_name);
			errno = saved;
		}
	}
	for (; twins; twins = t) {
		t = twins->next;
		free(twins->path);
		free(twins);
	}
	return ret;
}
