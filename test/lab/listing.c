/*
 * listing DIR : all that a tree is, a line for each name in it, in one order: what it is, its owners, times, data,
 * attributes and ACLs, and the first name of the same file. The same on every machine, byte order and file system.
 */
#define _FILE_OFFSET_BITS 64
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { BLOCK = 4096, SEEN_MOST = 1000 };
static struct { dev_t dev; ino_t ino; char *name; } seen[SEEN_MOST];
static size_t nseen;

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
by_word(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* FNV-1a over the blocks that hold something, and where they are */
static uint64_t
sum(const char *path)
{
	static unsigned char buf[BLOCK];
	uint64_t h = 0xcbf29ce484222325;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t at = 0, data;
	ssize_t n, i;

	while (fd >= 0) {
		data = lseek(fd, at, SEEK_DATA);
		if (data < 0)
			break;
		at = data - data % BLOCK;
		n = pread(fd, buf, BLOCK, at);
		if (n <= 0)
			break;
		for (i = 0; i < n && !buf[i]; i++)
			;
		for (h = i < n ? (h ^ (uint64_t)at) * 0x100000001b3 : h; i < n; i++)
			h = (h ^ buf[i]) * 0x100000001b3 + (uint64_t)i;
		at += n;
	}
	if (fd >= 0)
		close(fd);
	return h;
}

static void
attributes(const char *path)
{
	static char names[8192], value[8192];
	char *list[100], *p;
	ssize_t n = llistxattr(path, names, sizeof(names)), len, i;
	size_t k = 0, j;

	for (p = names; n > 0 && p < names + n && k < 100; p += strlen(p) + 1)
		if (strcmp(p, "security.selinux") != 0)
			list[k++] = p;
	qsort(list, k, sizeof(*list), by_word);
	for (j = 0; j < k; j++) {
		len = lgetxattr(path, list[j], value, sizeof(value));
		printf(" %s=", list[j]);
		for (i = 0; i < len; i++)
			printf("%02x", (unsigned char)value[i]);
	}
}

static void
tell(const char *path)
{
	char link[4096], *first = NULL, *below;
	struct dirent **e;
	struct stat st;
	ssize_t len;
	size_t i;
	int n, k;

	if (lstat(path, &st) < 0) {
		printf("%s: %s\n", path, strerror(errno));
		return;
	}
	printf("%s %o %u:%u %lld.%09ld", path, (unsigned)st.st_mode, (unsigned)st.st_uid, (unsigned)st.st_gid,
	       (long long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
	if (S_ISREG(st.st_mode))
		printf(" %lld %016llx", (long long)st.st_size, (unsigned long long)sum(path));
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		printf(" %u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (S_ISLNK(st.st_mode) && (len = readlink(path, link, sizeof(link) - 1)) >= 0)
		printf(" > %.*s", (int)len, link);
	for (i = 0; i < nseen; i++)
		if (seen[i].dev == st.st_dev && seen[i].ino == st.st_ino)
			first = seen[i].name;
	if (first)
		printf(" = %s", first);
	else if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && nseen < SEEN_MOST) {
		seen[nseen].dev = st.st_dev;
		seen[nseen].ino = st.st_ino;
		seen[nseen++].name = strdup(path);
	}
	attributes(path);
	putchar('\n');
	n = S_ISDIR(st.st_mode) ? scandir(path, &e, NULL, by_name) : 0;
	for (k = 0; k < n; k++) {
		if (strcmp(e[k]->d_name, ".") != 0 && strcmp(e[k]->d_name, "..") != 0
		    && asprintf(&below, "%s/%s", path, e[k]->d_name) > 0)
			tell(below);
	}
}

int
main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1]) < 0) {
		perror(argc == 2 ? argv[1] : "usage: listing DIR");
		return 1;
	}
	tell(".");
	return fflush(stdout) == 0 ? 0 : 1;
}
