/* SPDX-License-Identifier: 0BSD */
/*
 * disk table FILE: its partitions, a line each. disk fs FILE [OFFSET]. disk loop FILE OFFSET SIZE ro|rw [COMMAND...]: its
 * device and size, while the command runs. disk raw FILE: standard input into it. disk qcow2 FILE OUT. disk flip FILE: the
 * same with each byte of FILE wrong in turn. disk gpt4k FILE: a table for sectors of 4 KB
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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

/* what one wrong byte makes of it: how often it was fine; 4 if it wrote more than the file could hold */
static int
flip_byte(int mem, uint8_t byte, off_t at, off_t len)
{
	static const uint8_t wrong[] = { 0x01, 0x80, 0xff };
	const char *why;
	struct stat st;
	int fine = 0;
	size_t w;

	alarm(20);
	for (w = 0; w < LEN(wrong); w++) {
		uint8_t other = byte ^ wrong[w];
		int out = memfd_create("out", MFD_CLOEXEC);

		if (out < 0 || pwrite(mem, &other, 1, at) != 1)
			die("flip:");
		fine += qcow2_unpack(mem, out, &why) == 0;
		if (fstat(out, &st) < 0 || st.st_blocks * 512 > len * 1032)
			return 4;
		close(out);
	}
	return fine;
}

/* each byte in a process of its own, with an end to its time */
static int
flip(const char *from)
{
	static uint8_t file[1 << 20];
	int in = open(from, O_RDONLY | O_CLOEXEC), mem = memfd_create("flip", MFD_CLOEXEC), status, fine = 0;
	ssize_t len = in < 0 || mem < 0 ? -1 : read(in, file, sizeof(file)), i;

	if (len <= 0 || write(mem, file, (size_t)len) != len)
		die("flip %s:", from);
	for (i = 0; i < len; i++) {
		if (fork() == 0)
			_exit(flip_byte(mem, file[i], i, len));
		wait(&status);
		if (!WIFEXITED(status) || WEXITSTATUS(status) > 3)
			die("byte %zd: status %x", i, status);
		fine += WEXITSTATUS(status);
		if (pwrite(mem, file + i, 1, i) != 1)
			die("flip:");
	}
	print(1, "%d of %zd fine\n", fine, 3 * len);
	return 0;
}

static void
little(uint8_t *p, uint64_t n, int bytes)
{
	for (; bytes > 0; bytes--, n >>= 8)
		*p++ = (uint8_t)n;
}

static uint32_t
crc(const uint8_t *p, size_t len)
{
	uint32_t c = UINT32_MAX;
	int bit;

	for (; len > 0; len--)
		for (c ^= *p++, bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
	return ~c;
}

static int
gpt4k(const char *to)
{
	static const uint8_t type[16] = { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 };
	static uint8_t disk[3 * 4096];
	uint8_t *h = disk + 4096, *e = h + 4096;
	int fd = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	disk[450] = 0xee;
	disk[510] = 0x55;
	disk[511] = 0xaa;
	memcpy(e, type, 16);
	e[16] = 1;
	little(e + 32, 256, 8);
	little(e + 40, 767, 8);
	memcpy(e + 56, "w\0i\0d\0e\0 \0\x3d\xd8\0\xde", 14);
	memcpy(h, "EFI PART\0\0\1", 12);
	little(h + 12, 92, 4);
	little(h + 24, 1, 8);
	little(h + 32, 1023, 8);
	little(h + 72, 2, 8);
	little(h + 80, 32, 4);
	little(h + 84, 128, 4);
	little(h + 88, crc(e, 4096), 4);
	little(h + 16, crc(h, 92), 4);
	return fd < 0 || write(fd, disk, sizeof(disk)) < 0 || ftruncate(fd, 4 << 20) < 0;
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
	if (streq(word, "flip"))
		return flip(argv[2]);
	if (streq(word, "gpt4k"))
		return gpt4k(argv[2]);
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
