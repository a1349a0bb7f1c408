/* SPDX-License-Identifier: 0BSD */
/*
 * disk table FILE: its partitions, a line each. disk fs FILE [OFFSET]. disk loop FILE OFFSET SIZE ro|rw [COMMAND...]: its
 * device and size, while the command runs. disk raw FILE: standard input into it. disk qcow2 FILE OUT
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

#include "../util.h"

static int
table(int fd, uint64_t size)
{
	static const char *const uses[] = { "-", "root", "usr", "home", "srv", "var", "tmp", "esp", "xbootldr", "linux", "other" };
	struct partition p[64];
	const char *why;
	size_t n, i;

	if (disk_table(fd, size, p, LEN(p), &n, &why) < 0)
		die("%s", why);
	for (i = 0; i < n; i++)
		print(1, "%d %s %llu %llu %02x%s%s%s%s%s\n", p[i].number, uses[p[i].use], (unsigned long long)p[i].offset,
		      (unsigned long long)p[i].size, p[i].type, p[i].active ? " active" : "", p[i].read_only ? " ro" : "",
		      p[i].growable ? " grow" : "", *p[i].name ? " " : "", p[i].name);
	if (why)
		print(1, "# %s\n", why);
	return 0;
}

static int
loop(int fd, char **argv)
{
	char *path;
	uint64_t size = 0;
	int ro = 0, status = 0, dev = disk_loop(fd, strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0), streq(argv[5], "ro"), &path);
	pid_t pid;

	if (dev < 0)
		die("loop:");
	if (ioctl(dev, BLKGETSIZE64, &size) < 0 || ioctl(dev, BLKROGET, &ro) < 0)
		die("size:");
	print(1, "%s %llu %s\n", path, (unsigned long long)size, ro ? "ro" : "rw");
	if (!argv[6])
		return 0;
	setenv("LOOP", fmt("/proc/%d/fd/%d", (int)getpid(), dev), 1);
	pid = fork();
	if (pid == 0) {
		execvp(argv[6], argv + 6);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

int
main(int argc, char **argv)
{
	const char *word = argc > 2 ? argv[1] : "", *name, *why = NULL;
	struct source from = source_fd(0);
	uint64_t size, at;
	int fd, out;

	sys_deny(getenv("NSPAWN_LITE_DENY"));
	halt_by_signal();
	if (!*word)
		die("see the source");
	if (streq(word, "raw")) {
		fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0)
			die("open %s:", argv[2]);
		if (raw_write(stream_open(&from), fd, &why) < 0)
			die("%s", why);
		return 0;
	}
	fd = open(argv[2], (argc > 5 && streq(argv[5], "rw") ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		die("open %s:", argv[2]);
	size = (uint64_t)lseek(fd, 0, SEEK_END);
	if (streq(word, "table"))
		return table(fd, size);
	if (streq(word, "fs")) {
		at = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
		name = disk_fs(fd, at, size - at);
		print(1, "%s\n", name ? name : "unknown");
		return 0;
	}
	if (streq(word, "loop") && argc > 5)
		return loop(fd, argv);
	if (streq(word, "qcow2") && argc > 3) {
		out = open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (out < 0)
			die("open %s:", argv[3]);
		if (qcow2_unpack(fd, out, &why) < 0)
			die("%s", why);
		return 0;
	}
	die("see the source");
}
