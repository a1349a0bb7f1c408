/* SPDX-License-Identifier: 0BSD */
/*
 * Trees are copied and removed:
 *   copy tree FROM TO [FLAGS]  all in FROM into TO, which is empty
 *   copy file FROM TO [FLAGS]  the data of a file
 *   copy remove DIR NAME
 *   copy create|delete DIR NAME, copy snapshot|frozen FROM DIR NAME  subvolumes
 *   copy usage DIR, copy limit DIR BYTES
 *   copy deep DIR N            makes directories N deep in it, with a file in the last
 *   copy depth DIR             how many directories, how many files in them, and what is in the last
 *   copy many DIR N            makes N small files in it
 *   copy stamp FILE...         times of long ago, to the nanosecond
 *   copy list DIR              all that a copy must keep
 *   copy swap A B              exchanges two names, again and again, until killed
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../util.h"

static int
open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die("%s:", path);
	return fd;
}

static void
make_deep(int fd, long depth)
{
	int next;

	for (; depth > 0; depth--) {
		mkdirat(fd, "d", 0755);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
		if (depth % 100 == 0 && write_at(fd, "some", 0644, "some") < 0)
			die("some:");
	}
	if (fd < 0 || write_at(fd, "last", 0755, "last") < 0)
		die("last:");
}

static void
stamp(char **files)
{
	const struct timespec times[2] = { { 917931906, 1 }, { 981173106, 789012345 } };

	for (; *files; files++)
		if (utimensat(AT_FDCWD, *files, times, AT_SYMLINK_NOFOLLOW) < 0)
			die("%s:", *files);
}

static void
print_depth(int fd)
{
	char text[16] = "";
	long dirs = 0, files = 0;
	int next;

	while ((next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
		close(fd);
		fd = next;
		dirs++;
		files += faccessat(fd, "some", R_OK, 0) == 0;
	}
	read_at(fd, "last", text, sizeof(text));
	print(1, "%ld %ld %s\n", dirs, files, text);
}

static void
make_many(int fd, long n)
{
	char name[32];

	while (n-- > 0) {
		snprintf(name, sizeof(name), "file-%ld", n);
		if (write_at(fd, name, 0644, name) < 0)
			die("%s:", name);
	}
}

static uint64_t
sum(const void *data, size_t n)
{
	static const uint8_t key[16] = "canonical list";

	return siphash24(data, n, key);
}

static void
list_xattrs(const char *path)
{
	static char names[65536], value[65536];
	ssize_t n = llistxattr(path, names, sizeof(names)), len;
	const char *name, *best, *last = "";

	/* in order: file systems have their own */
	for (;;) {
		for (best = NULL, name = names; n > 0 && name < names + n; name += strlen(name) + 1)
			if (strcmp(name, last) > 0 && !after(name, "trusted.SGI_ACL_") && (!best || strcmp(name, best) < 0))
				best = name;
		if (!best)
			return;
		len = lgetxattr(path, best, value, sizeof(value));
		printf(" %s=%zd/%016llx", best, len, (unsigned long long)sum(value, len > 0 ? (size_t)len : 0));
		last = best;
	}
}

static void
list_data(const char *path)
{
	static char buf[1 << 20];
	int fd = open(path, O_RDONLY | O_NOATIME | O_CLOEXEC);
	uint64_t all = 0, zero = 0;
	ssize_t n;
	off_t at, hole;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		all = all * 31 + sum(buf, (size_t)n);
	printf(" data=%016llx", (unsigned long long)all);
	for (at = 0; (hole = lseek(fd, at, SEEK_HOLE)) >= 0 && (at = lseek(fd, hole, SEEK_DATA)) >= 0;)
		zero += (uint64_t)(at - hole);
	printf(" holes=%s", zero >= 65536 ? "y" : "n");
	close(fd);
}

/* each file by its first name in the order of the list */
static struct { dev_t dev; ino_t ino; char *path; } known[4096];
static size_t nknown;

static void
list(const char *path)
{
	char target[4096];
	struct dirent **e;
	struct stat st;
	size_t k;
	int i, n;

	if (lstat(path, &st) < 0)
		die("%s:", path);
	printf("%s %o %u:%u %lld.%09ld %lld.%09ld", path, st.st_mode, st.st_uid, st.st_gid, (long long)st.st_mtim.tv_sec,
	       st.st_mtim.tv_nsec, (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec);
	if (S_ISREG(st.st_mode))
		printf(" size=%lld", (long long)st.st_size);
	if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))
		printf(" rdev=%llx", (unsigned long long)st.st_rdev);
	if (S_ISLNK(st.st_mode) && (n = (int)readlink(path, target, sizeof(target))) > 0)
		printf(" -> %.*s", n, target);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		for (k = 0; k < nknown && (known[k].dev != st.st_dev || known[k].ino != st.st_ino); k++)
			;
		if (k == nknown && nknown < LEN(known)) {
			known[k].dev = st.st_dev;
			known[k].ino = st.st_ino;
			known[nknown++].path = xstrdup(path);
		}
		printf(" links=%ju of %s", (uintmax_t)st.st_nlink, known[k].path);
	}
	list_xattrs(path);
	if (S_ISREG(st.st_mode))
		list_data(path);
	printf("\n");
	if (!S_ISDIR(st.st_mode))
		return;
	n = scandir(path, &e, NULL, alphasort);
	for (i = 0; i < n; i++)
		if (!streq(e[i]->d_name, ".") && !streq(e[i]->d_name, ".."))
			list(fmt("%s/%s", path, e[i]->d_name));
}

static int
swap(const char *a, const char *b)
{
	enum { EXCHANGE = 2 };

	while (!halted && syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, EXCHANGE) == 0)
		;
	die("%s:", a);
}

static void
usage(int fd)
{
	uint64_t n[4];

	if (btrfs_usage(fd, n, n + 1, n + 2, n + 3) < 0)
		die("usage:");
	print(1, "%llu %llu %llu %llu\n", (unsigned long long)n[0], (unsigned long long)n[1], (unsigned long long)n[2],
	      (unsigned long long)n[3]);
}

int
main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	char *where = NULL;
	int flags = argc > 4 ? atoi(argv[4]) : 0, ret = 0;

	sys_deny(getenv("NSPAWN_LITE_DENY"));
	halt_by_signal();
	if (streq(verb, "list")) {
		if (chdir(argv[2]) < 0)
			die("%s:", argv[2]);
		list(".");
	} else if (streq(verb, "stamp")) {
		stamp(argv + 2);
	} else if (streq(verb, "depth")) {
		print_depth(open_dir(argv[2]));
	} else if (streq(verb, "usage")) {
		usage(open_dir(argv[2]));
	} else if (argc < 4) {
		die("usage: copy VERB WORD...");
	} else if (streq(verb, "tree")) {
		ret = copy_tree(open_dir(argv[2]), open_dir(argv[3]), flags, &where);
	} else if (streq(verb, "file")) {
		ret = copy_contents(open(argv[2], O_RDONLY | O_CLOEXEC), open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), flags);
	} else if (streq(verb, "remove")) {
		ret = remove_tree(open_dir(argv[2]), argv[3], &where);
	} else if (streq(verb, "create")) {
		ret = btrfs_create(open_dir(argv[2]), argv[3]);
	} else if (streq(verb, "delete")) {
		ret = btrfs_delete(open_dir(argv[2]), argv[3]);
	} else if (streq(verb, "limit")) {
		uint64_t n = UINT64_MAX;

		ret = parse_size(argv[3], &n) ? btrfs_set_limit(open_dir(argv[2]), n) : -1;
	} else if ((streq(verb, "snapshot") || streq(verb, "frozen")) && argc > 4) {
		ret = btrfs_snapshot(open_dir(argv[2]), open_dir(argv[3]), argv[4], streq(verb, "frozen"));
	} else if (streq(verb, "deep")) {
		make_deep(open_dir(argv[2]), atol(argv[3]));
	} else if (streq(verb, "many")) {
		make_many(open_dir(argv[2]), atol(argv[3]));
	} else if (streq(verb, "swap")) {
		swap(argv[2], argv[3]);
	} else {
		die("usage: copy VERB WORD...");
	}
	if (ret < 0)
		die("%s:", where ? where : argv[3]);
	return 0;
}
