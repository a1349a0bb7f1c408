/* SPDX-License-Identifier: 0BSD */
/* Places in a tree: what is mounted where, how it becomes read-only, and where something can be mounted */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "nspawn-lite.h"

enum { MOST_LINKS = 40 };

/* ---- what is mounted already ------------------------------------------------------------ */

struct line { int id, parent; bool writable; char *path; };

/* mountinfo's lines; octal escapes undone. The last one has no path */
static struct line *
read_mountinfo(const char *mountinfo)
{
	size_t size = 1 << 16, most = 1, i;
	char *text, *rest, *at, *to;
	struct line *lines, *l;
	void *fresh = NULL;
	ssize_t n;

	for (;; size *= 2, fresh = NULL) {
		int fd = openat(AT_FDCWD, mountinfo, O_RDONLY | O_CLOEXEC);

		text = scratch_room(&fresh, size);
		n = fd >= 0 ? read_all(fd, text, size) : -1;  /* it comes in pieces of a page */
		drop(fd);
		if (n < 0 || (size_t)n < size - 1)
			break;
	}
	for (at = n > 0 ? text : NULL; at && *at; at++)
		most += *at == '\n';
	fresh = NULL;
	lines = l = scratch_room(&fresh, (most + 1) * sizeof(*lines));
	rest = n > 0 ? text : NULL;
	while ((at = next_line(&rest))) {
		l->id = (int)strtol(at, &at, 10);
		l->parent = (int)strtol(at, &at, 10);
		for (i = 0; i < 3; i++) {
			at += strcspn(at, " ");
			at += *at == ' ';
		}
		to = at + strcspn(at, " ");
		l->writable = !*to || (!after(to + 1, "ro,") && !after(to + 1, "ro "));
		*to = 0;
		for (l->path = to = at; *at; at++, to++) {
			*to = *at;
			if (*at == '\\' && at[1] && at[2] && at[3]) {
				*to = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
				at += 3;
			}
		}
		*to = 0;
		l++;
	}
	return lines;
}

char **
place_mounts(const char *mountinfo)
{
	struct line *l;
	char **list = NULL;

	for (l = read_mountinfo(mountinfo); l->path; l++)
		grow(&list, l->path);
	return list;
}

/* the mount at path that lies above all others there, and those in it that can be written to */
static char **
writable_at(const char *mountinfo, const char *path)
{
	struct line *lines = read_mountinfo(mountinfo), *l, *k, *top = NULL;
	char **list = NULL;
	bool more = true;

	while (more)  /* they need not stand in their order */
		for (more = false, l = lines; l->path; l++)
			if (l != top && streq(l->path, path) && (!top || l->parent == top->id)) {
				top = l;
				more = true;
			}
	if (!top)
		return NULL;
	/* those in it are marked by a negative id of their parent */
	top->parent = -1;
	for (more = true; more;)
		for (more = false, l = lines; l->path; l++)
			for (k = lines; l->parent >= 0 && k->path; k++)
				if (k->parent < 0 && k->id == l->parent) {
					l->parent = -1;
					more = true;
				}
	for (l = lines; l->path; l++)
		if (l->parent < 0 && l->writable)
			grow(&list, l->path);
	return list;
}

unsigned long
place_flags(const char *path)
{
	static const struct { unsigned long have, set; } flags[] = {
		{ ST_NOSUID, MS_NOSUID }, { ST_NODEV, MS_NODEV }, { ST_NOEXEC, MS_NOEXEC }, { ST_NOATIME, MS_NOATIME },
		{ ST_NODIRATIME, MS_NODIRATIME }, { ST_RELATIME, MS_RELATIME },
	};
	struct statfs fs;
	unsigned long set = 0;
	size_t i;

	if (statfs(path, &fs) < 0)
		return 0;
	for (i = 0; i < LEN(flags); i++)
		if (fs.f_flags & flags[i].have)
			set |= flags[i].set;
	return set;
}

const char *
place_type(int fd)
{
	static const struct { const char *name; unsigned long magic; } types[] = {
		{ "ext4", 0xef53 }, { "xfs", 0x58465342 }, { "btrfs", 0x9123683e }, { "f2fs", 0xf2f52010 },
		{ "tmpfs", 0x01021994 }, { "ramfs", 0x858458f6 }, { "overlayfs", 0x794c7630 }, { "vfat", 0x4d44 },
		{ "exfat", 0x2011bab0 }, { "ntfs3", 0x7366746e }, { "nfs", 0x6969 }, { "cifs", 0xff534d42 },
		{ "smb2", 0xfe534d42 }, { "fuse", 0x65735546 }, { "9p", 0x01021997 }, { "squashfs", 0x73717368 },
		{ "erofs", 0xe0f5e1e2 }, { "isofs", 0x9660 }, { "ubifs", 0x24051905 }, { "jffs2", 0x72b6 },
		{ "proc", 0x9fa0 }, { "sysfs", 0x62656572 }, { "ecryptfs", 0xf15f },
	};
	struct statfs fs;
	size_t i;

	if (fstatfs(fd, &fs) < 0)
		return "an unknown kind";
	for (i = 0; i < LEN(types); i++)
		if (types[i].magic == ((unsigned long)fs.f_type & 0xffffffff))
			return types[i].name;
	return fmt("kind 0x%lx", (unsigned long)fs.f_type & 0xffffffff);
}

int
place_read_only(const char *path, unsigned long flags)
{
	return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL);
}

/* one by one, and then looked at again: a path may lead to another mount than was meant */
void
place_all_read_only(const char *mountinfo, const char *path)
{
	char **list;

	for (list = writable_at(mountinfo, path); list && *list; list++)
		if (place_read_only(*list, place_flags(*list)) < 0)
			die("make %s read-only:", *list);
	list = writable_at(mountinfo, path);
	if (list)
		die("make %s read-only: something is in the way", *list);
}

void
place_tree_read_only(const char *path)
{
	if (sys_mount_setattr(AT_FDCWD, path, ATTR_RDONLY, 0) == 0)
		return;
	place_all_read_only("/proc/self/mountinfo", path);
}

/* ---- where it is to be seen --------------------------------------------------------------- */

/* a link of the tree that leads to nothing yet: the path through it */
static char *
through(int parent, const char *above, const char *base, const char *rest)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(parent, base, target, sizeof(target) - 1);

	if (n <= 0)
		return NULL;
	target[n] = 0;
	return fmt("%s%s%s%s", *target == '/' ? "" : above, *target == '/' ? "" : "/", target, rest);
}

int
place_make(int tree, const char *path, mode_t type, int *where)
{
	const char *slash, *base, *rest;
	char *above, *upto, *now = xstrdup(path);
	int links = 0, fd, parent;
	bool last, made;

	if (where)
		*where = -1;
	for (slash = now;;) {
		slash = strchr(slash + strspn(slash, "/"), '/');
		last = !slash || !slash[strspn(slash, "/")];
		rest = slash ? slash : "";
		upto = slash ? xstrndup(now, (size_t)(slash - now)) : now;
		fd = sys_open_in(tree, upto, O_PATH, last && !S_ISDIR(type) ? 0 : IN_DIR);
		if (fd >= 0 && last)
			return fd;
		if (fd >= 0) {
			close(fd);
			continue;
		}
		if (errno != ENOENT || ++links > MOST_LINKS + PATH_MAX / 2 || strlen(now) >= PATH_MAX)
			return -1;
		base = strrchr(upto, '/');
		above = base ? xstrndup(upto, (size_t)(base - upto)) : xstrdup("");
		base = base ? base + 1 : upto;
		parent = sys_open_in(tree, *above ? above : ".", O_PATH, IN_DIR);
		if (parent < 0)
			return -1;
		made = (last && !S_ISDIR(type) ? mknodat(parent, base, S_IFREG | 0644, 0)
		                               : mkdirat(parent, base, 0755)) == 0;
		if (!made && errno == EEXIST) {
			char *other = through(parent, above, base, rest);

			if (other)
				slash = now = other;
			else
				slash = now;  /* it came just now */
			close(parent);
			continue;
		}
		if (!made && errno == EROFS && where) {
			*where = parent;
			errno = EROFS;
			return -1;
		}
		if (!made)
			return drop(parent);
		close(parent);
		slash = now;
	}
}

void
place_mirror(const char *fds, int from, int to, const char *name)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;
	int fd;

	fd = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		die("look at %s of the tree:", name);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(from, name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		if (n < 0 || symlinkat(target, to, name) < 0)
			die("make link %s:", name);
		close(fd);
		return;
	}
	if (S_ISDIR(st.st_mode) ? mkdirat(to, name, 0755) < 0 : mknodat(to, name, S_IFREG | 0644, 0) < 0)
		die("make %s:", name);
	if (mount(fmt("%s%d", fds, fd), fmt("%s%d/%s", fds, to, name), NULL, MS_BIND | MS_REC, NULL) < 0)
		die("bind %s of the tree:", name);
	close(fd);
}

void
place_mirror_all(const char *fds, int from, int to)
{
	int list = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = list < 0 ? NULL : fdopendir(list);
	struct dirent *e;

	if (!d)
		die("list the tree:");
	while ((e = readdir(d)))
		if (!streq(e->d_name, ".") && !streq(e->d_name, ".."))
			place_mirror(fds, from, to, e->d_name);
	closedir(d);
}
