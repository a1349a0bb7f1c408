/* SPDX-License-Identifier: 0BSD */
/* Tables of partitions, and superblocks: what is told lies in the disk, and has an end */
#include <sys/mman.h>

#include "../../disk.c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* stand in for other rooms: without memory that stays */
volatile int halted;

char *
fmt(const char *text, ...)
{
	static char said[] = "why";

	(void)text;
	return said;
}

bool
streq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

void
format_uuid(const uint8_t id[16], char out[37])
{
	int i;

	for (i = 0; i < 16; i++)
		out += sprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
}

int
drop(int fd)
{
	(void)fd;
	return -1;
}

bool
sys_denied(const char *name)
{
	(void)name;
	return false;
}

ssize_t
read_at(int dir, const char *path, char *buf, size_t size)
{
	(void)dir;
	(void)path;
	(void)buf;
	(void)size;
	return -1;
}

void
random_bytes(void *buf, size_t size)
{
	memset(buf, 0, size);
}

char *
xstrdup(const char *s)
{
	return strdup(s);
}

static void
little(uint8_t *p, uint64_t n, int bytes)
{
	for (; bytes > 0; bytes--, n >>= 8)
		*p++ = (uint8_t)n;
}

/* sums that are wrong would hide all behind them: set them right, as who makes an image can */
static void
mend(uint8_t *disk, size_t size)
{
	size_t at, len, entries;

	for (at = 512; at + 512 <= size; at += 512) {
		if (memcmp(disk + at, "EFI PART", 8) != 0)
			continue;
		len = le32(disk + at + 12);
		entries = (size_t)le32(disk + at + 80) * le32(disk + at + 84);
		if (le64(disk + at + 72) < size / 512 && entries <= size - le64(disk + at + 72) * 512)
			little(disk + at + 88, crc32(UINT32_MAX, disk + le64(disk + at + 72) * 512, entries) ^ UINT32_MAX, 4);
		little(disk + at + 16, 0, 4);
		if (len <= size - at)
			little(disk + at + 16, crc32(UINT32_MAX, disk + at, len) ^ UINT32_MAX, 4);
	}
}

static void
keep(const char *name, const uint8_t *disk, size_t size)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", getenv("SEEDS"), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, disk, size) < 0)
		return;
	close(fd);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint8_t type[16] = { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 };
	static uint8_t d[2048], m[2048];
	uint8_t *e = m + MBR_ENTRIES;

	(void)argc;
	(void)argv;
	if (!getenv("SEEDS"))
		return 0;
	d[450] = 0xee;
	little(d + MBR_END, 0xaa55, 2);
	memcpy(d + 512, "EFI PART\0\0\1", 12);
	little(d + 524, 92, 4);
	little(d + 536, 1, 8);
	little(d + 544, 3, 8);
	little(d + 584, 2, 8);
	little(d + 592, 2, 4);
	little(d + 596, 128, 4);
	memcpy(d + 1024, type, 16);
	little(d + 1056, 3, 8);
	little(d + 1064, 3, 8);
	memcpy(d + 1080, "n\0a\0m\0e", 8);
	keep("gpt", d, sizeof(d));
	memmove(d + 1536, d + 512, 512);
	little(d + 1536 + 24, 3, 8);
	d[512] = 0;
	keep("gpt-backup", d, sizeof(d));
	little(m + MBR_END, 0xaa55, 2);
	e[0] = 0x80;
	e[4] = 0x83;
	little(e + 8, 1, 4);
	little(e + 12, 1, 4);
	e[16 + 4] = 5;
	little(e + 16 + 8, 2, 4);
	little(e + 16 + 12, 2, 4);
	little(m + 1024 + MBR_END, 0xaa55, 2);
	m[1024 + MBR_ENTRIES + 4] = 0x83;
	little(m + 1024 + MBR_ENTRIES + 8, 1, 4);
	little(m + 1024 + MBR_ENTRIES + 12, 1, 4);
	m[1024 + MBR_ENTRIES + 16 + 4] = 5;
	keep("mbr", m, sizeof(m));
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static uint8_t disk[65536];
	struct partition p[16];
	const char *why;
	size_t n, i;

	if (fd < 0)
		fd = memfd_create("disk", MFD_CLOEXEC);
	if (size > sizeof(disk) || ftruncate(fd, 0) < 0)
		return 0;
	memcpy(disk, data, size);
	mend(disk, size);
	if (pwrite(fd, disk, size, 0) != (ssize_t)size)
		return 0;
	disk_fs(fd, 0, size);
	if (disk_table(fd, size, p, LEN(p), &n, &why) < 0)
		return why ? 0 : abort(), 0;
	if (n > LEN(p))
		abort();
	for (i = 0; i < n; i++) {
		if (p[i].size == 0 || p[i].offset > size || p[i].size > size - p[i].offset
		    || strlen(p[i].name) >= sizeof(p[i].name) || p[i].use < PART_ROOT || p[i].use > PART_OTHER)
			abort();
		disk_fs(fd, p[i].offset, p[i].size);
	}
	return 0;
}
