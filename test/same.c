/* SPDX-License-Identifier: 0BSD */
/*
 * same [-LETTERS] DIR : a tree in words, a line for each name in it, so that two of them can be compared: kind, mode,
 * owner, time, size, which name else is the same file, device, target, sum of the data, holes, extended attributes.
 * Letters leave out: t times, n their parts of a second, d times of directories, l times of links, o owners,
 * x extended attributes, a ACLs, h holes (of at least 64 KB), m modes, i which names are one file
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../util.h"

enum { HOLE = 65536 };
static const char *without = "";
static struct name { dev_t dev; ino_t ino; char *path; } *names;
static size_t nnames;

static bool
with(char letter)
{
	return !strchr(without, letter);
}

static int
by_word(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
show(const char *s)
{
	for (; *s; s++)
		if (*s > ' ' && *s < 127 && *s != '\\')
			putchar(*s);
		else
			printf("\\%03o", (unsigned char)*s);
}

static void
show_data(const char *path, const struct stat *st)
{
	static uint8_t buf[1 << 16];
	static const uint8_t key[16];
	uint64_t sum = 0;
	off_t at = 0, data, from, to;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		die("%s:", path);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sum = sum * 31 + siphash24(buf, (size_t)n, key);
	printf(" %016llx", (unsigned long long)sum);
	while (with('h') && at < st->st_size) {
		at = lseek(fd, at, SEEK_HOLE);
		if (at < 0 || at >= st->st_size)
			break;
		data = lseek(fd, at, SEEK_DATA);
		if (data < 0)
			data = st->st_size;
		/* file systems differ in how fine they are */
		from = (at + HOLE - 1) / HOLE * HOLE;
		to = data == st->st_size ? data : data / HOLE * HOLE;
		if (to - from >= HOLE)
			printf(" hole %lld-%lld", (long long)from, (long long)to);
		at = data;
	}
	close(fd);
}

static void
show_xattrs(const char *path)
{
	static char list[65536];
	static uint8_t value[65536];
	char *word[1024], *p;
	ssize_t n = llistxattr(path, list, sizeof(list)), len, i;
	size_t words = 0, w;

	for (p = list; n > 0 && p < list + n && words < LEN(word); p += strlen(p) + 1)
		if (!streq(p, "security.selinux") && (with('a') || !after(p, "system.posix_acl")))
			word[words++] = p;
	qsort(word, words, sizeof(*word), by_word);
	for (w = 0; w < words; w++) {
		len = lgetxattr(path, word[w], value, sizeof(value));
		printf(" ");
		show(word[w]);
		printf("=");
		for (i = 0; i < len; i++)
			printf("%02x", value[i]);
	}
}

static void
line(const char *path, const char *shown, const struct stat *st)
{
	static const char kinds[] = "?pc?d?b?-?l?s???";
	char target[4097];
	ssize_t n;
	size_t i;

	show(*shown ? shown : ".");
	printf(" %c", kinds[st->st_mode >> 12]);
	if (with('m') && !S_ISLNK(st->st_mode))
		printf(" %04o", (unsigned int)st->st_mode & 07777);
	if (with('o'))
		printf(" %u:%u", (unsigned int)st->st_uid, (unsigned int)st->st_gid);
	if (with('t') && (with('d') || !S_ISDIR(st->st_mode)) && (with('l') || !S_ISLNK(st->st_mode))) {
		printf(" %lld", (long long)st->st_mtim.tv_sec);
		if (with('n'))
			printf(".%09ld", st->st_mtim.tv_nsec);
	}
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		printf(" %u,%u", major(st->st_rdev), minor(st->st_rdev));
	if (S_ISLNK(st->st_mode)) {
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		printf(" -> ");
		show(target);
	}
	if (with('i') && !S_ISDIR(st->st_mode) && st->st_nlink > 1) {
		for (i = 0; i < nnames && (names[i].dev != st->st_dev || names[i].ino != st->st_ino); i++)
			;
		if (i == nnames) {
			names = realloc(names, ++nnames * sizeof(*names));
			names[i] = (struct name){ st->st_dev, st->st_ino, xstrdup(shown) };
		}
		printf(" = ");
		show(names[i].path);
	}
	if (S_ISREG(st->st_mode)) {
		printf(" %lld", (long long)st->st_size);
		show_data(path, st);
	}
	if (with('x'))
		show_xattrs(path);
	putchar('\n');
}

static void
walk(const char *path, const char *shown)
{
	struct dirent *e;
	char **list = NULL;
	struct stat st;
	size_t i, n = 0, room = 0;
	DIR *d;

	if (lstat(path, &st) < 0)
		die("%s:", path);
	line(path, shown, &st);
	if (!S_ISDIR(st.st_mode))
		return;
	d = opendir(path);
	if (!d)
		die("%s:", path);
	while ((e = readdir(d)))
		if (!streq(e->d_name, ".") && !streq(e->d_name, "..")) {
			if (n == room)
				list = realloc(list, (room = room * 2 + 64) * sizeof(*list));
			list[n++] = strdup(e->d_name);
		}
	closedir(d);
	if (n > 0)
		qsort(list, n, sizeof(*list), by_word);
	for (i = 0; i < n; i++) {
		char *below = fmt("%s/%s", path, list[i]), *s = fmt("%s%s%s", shown, *shown ? "/" : "", list[i]);

		walk(below, s);
		free(list[i]);
	}
	free(list);
}

int
main(int argc, char **argv)
{
	speaker = "same: ";
	if (argc > 2 && argv[1][0] == '-')
		without = argv[1] + 1;
	if (argc < 2)
		die("a directory is missing");
	walk(argv[argc - 1], "");
	return fflush(stdout) == 0 ? 0 : 1;
}
