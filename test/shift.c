/* SPDX-License-Identifier: 0BSD */
/*
 * Owners of a tree are shifted:
 *   shift TREE BASE    says what is mounted in it, if anything is
 *   shift deep TREE N  makes directories N deep in it, with a file in the last
 *   shift owner TREE   how many of these, one below the other, have the owner of the first
 *   shift swap A B     exchanges two names, again and again, until killed
 *   shift forge TREE FILE  a journal in TREE that gives FILE the set-user-ID bit
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../util.h"

static int
make_deep(const char *tree, long depth)
{
	int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;

	for (; fd >= 0 && depth > 0; depth--) {
		mkdirat(fd, "d", 0755);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	if (fd < 0 || write_at(fd, "last", 04755, "") < 0 || fchmodat(fd, "last", 04755, 0) < 0)
		die("%s:", tree);
	return 0;
}

static int
print_owner(const char *tree)
{
	int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;
	struct look first, l;
	long n = 0;

	if (fd < 0 || sys_look(fd, "", &first) < 0)
		die("%s:", tree);
	for (l = first; l.uid == first.uid && l.gid == first.gid; n++) {
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (next < 0)
			next = openat(fd, "last", O_RDONLY | O_CLOEXEC);
		if (next < 0 || sys_look(next, "", &l) < 0)
			break;
		close(fd);
		fd = next;
	}
	print(1, "%ld %u:%u %o\n", n, first.uid, first.gid, l.mode & 07777);
	return 0;
}

static int
swap(const char *a, const char *b)
{
	enum { EXCHANGE = 2 };

	while (syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, EXCHANGE) == 0)
		;
	die("%s:", a);
}

static int
forge(const char *tree, const char *file)
{
	struct {
		uint64_t ino, size;
		int64_t sec;
		uint32_t nsec, mode, ncaps;
		uint8_t caps[28];
	} entry = { 0 };
	int dir = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	struct look l;

	if (dir < 0 || sys_look(dir, file, &l) < 0)
		die("%s:", file);
	entry.ino = l.ino;
	entry.size = l.size;
	entry.sec = l.sec;
	entry.nsec = l.nsec;
	entry.mode = l.mode | 04000;
	fd = openat(dir, ".nspawn-lite-shift", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, &entry, sizeof(entry)) != sizeof(entry))
		die("%s:", tree);
	return 0;
}

int
main(int argc, char **argv)
{
	char *where;
	int dir;

	sys_deny(getenv("NSPAWN_LITE_DENY"));
	if (argc == 4 && streq(argv[1], "deep"))
		return make_deep(argv[2], atol(argv[3]));
	if (argc == 3 && streq(argv[1], "owner"))
		return print_owner(argv[2]);
	if (argc == 4 && streq(argv[1], "swap"))
		return swap(argv[2], argv[3]);
	if (argc == 4 && streq(argv[1], "forge"))
		return forge(argv[2], argv[3]);
	if (argc != 3)
		die("usage: shift TREE BASE");
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		die("%s:", argv[1]);
	if (tree_shift(dir, (uint32_t)strtoul(argv[2], NULL, 10), &where) < 0)
		die("%s:", where);
	if (where)
		print(1, "mounted: %s\n", where);
	return 0;
}
