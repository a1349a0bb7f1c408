/* SPDX-License-Identifier: 0BSD */
/* Work directories of overlays: each is beside the upper directory, and nothing in it is to be kept */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define PREFIX ".#"
#define SUFFIX ".nspawn-lite"

char *
work_name(const char *upper)
{
	return fmt(PREFIX "%s" SUFFIX, upper);
}

int
work_open(int above, const char *name, uid_t owner)
{
	int fd = sys_open_dir(above, name);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return drop(fd);
	if ((owner == ANY_OWNER || st.st_uid == owner) && (st.st_mode & ~S_IFMT & ~S_ISGID) == 0700)
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

/* the kernel leaves whiteouts there, or what it was making when it was stopped, and no more than a directory deep */
static void
empty(int above, const char *name, int depth)
{
	int fd = sys_open_dir(above, name), most = 10000;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return;
	while (most-- > 0 && (e = readdir(d))) {
		if (streq(e->d_name, ".") || streq(e->d_name, "..") || unlinkat(fd, e->d_name, 0) == 0)
			continue;
		if (depth > 0)
			empty(fd, e->d_name, depth - 1);
		unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

static void
remove_work(int above, const char *name, uid_t owner)
{
	int fd = work_open(above, name, owner);

	if (fd < 0)
		return;
	empty(fd, "work", 1);
	unlinkat(fd, "work", AT_REMOVEDIR);
	unlinkat(fd, "index", AT_REMOVEDIR);  /* one in use stands for hard links of the upper directory */
	unlinkat(above, name, AT_REMOVEDIR);
	close(fd);
}

/* the path had no links when it was written down, and must have none now */
static int
open_straight(char *path)
{
	int fd = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC), next;
	char *name;

	while (fd >= 0 && (name = strsep(&path, "/"))) {
		if (!*name)
			continue;
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		drop(fd);
		fd = next;
	}
	return fd;
}

static bool
same_directory(int a, int b)
{
	struct stat x, y;

	return b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* who uses it has a lock: on the upper directory, or, inside a tree, on that */
void
work_sweep(const char *note, int held)
{
	char *path = xstrdup(note), *name = strrchr(path, '/'), *inside;
	const char *upper = name ? after(name + 1, PREFIX) : NULL;
	size_t n = upper ? strlen(upper) : 0, end = strlen(SUFFIX);
	int above, lock, next;
	uid_t owner;

	if (n <= end || !streq(upper + n - end, SUFFIX))
		return;
	*name++ = 0;
	inside = strstr(path, "//");
	if (inside)
		*inside = 0;
	above = open_straight(path);
	if (above < 0)
		return;
	lock = openat(above, inside ? "." : xstrndup(upper, (size_t)(n - end)),
	              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0 && !same_directory(lock, held)) {
		close(above);
		above = -1;
	}
	for (owner = inside ? ANY_OWNER : geteuid(); above >= 0 && inside; above = next) {
		path = inside + 2;
		inside = strstr(path, "//");
		if (inside)
			*inside = 0;
		next = sys_open_in(above, *path ? path : ".", O_PATH, IN_DIR);
		close(above);
	}
	if (above >= 0)
		remove_work(above, name, owner);
	drop(above);
	drop(lock);
}
