/* SPDX-License-Identifier: 0BSD */
/* with: -lz */
/* Images that nobody has made on purpose: an end, and no more written than the file can hold */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define WITH_ZLIB 1
#include "../../raw.c"

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

void *
xalloc(size_t size)
{
	return calloc(1, size);
}

ssize_t
stream_get(struct stream *s, const uint8_t **at, size_t most)
{
	(void)s;
	(void)at;
	(void)most;
	return -1;
}

const char *
stream_why(const struct stream *s)
{
	(void)s;
	return "";
}

static void
put(uint8_t *p, uint64_t n, int bytes)
{
	for (; bytes > 0; bytes--, n >>= 8)
		p[bytes - 1] = (uint8_t)n;
}

/* a small one of each version: two clusters of data, one of zeros, one that is packed */
static void
seed(const char *dir, uint32_t version)
{
	static uint8_t f[2048];
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/version-%u", dir, version);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	memcpy(f, "QFI\xfb", 4);
	put(f + 4, version, 4);
	put(f + 20, 9, 4);
	put(f + 24, 5 * 512 - 100, 8);
	put(f + 36, 1, 4);
	put(f + 40, 512, 8);
	put(f + 96, 4, 4);
	put(f + 100, 104, 4);
	put(f + 512, 1ULL << 63 | 1024, 8);
	put(f + 1024, 1ULL << 63 | 1536, 8);
	put(f + 1032, version == 3, 8);
	put(f + 1040, 1ULL << 62 | 1600, 8);
	memset(f + 1536, 'x', 64);
	memcpy(f + 1600, "\xab\xa8\x18\x05\x23\x19\x00\x00", 8);
	if (fd < 0 || write(fd, f, sizeof(f)) < 0)
		return;
	close(fd);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (getenv("SEEDS")) {
		seed(getenv("SEEDS"), 2);
		seed(getenv("SEEDS"), 3);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int in = -1, out = -1;
	struct stat st;
	struct qcow2 q = { 0 };

	if (in < 0) {
		in = memfd_create("in", MFD_CLOEXEC);
		out = memfd_create("out", MFD_CLOEXEC);
	}
	if (ftruncate(in, 0) < 0 || ftruncate(out, 0) < 0 || pwrite(in, data, size, 0) != (ssize_t)size)
		return 0;
	/* as qcow2_unpack does it, without memory that stays */
	q.fd = in;
	q.out.fd = out;
	q.file = size;
	if (read_header(&q) == 0 && ftruncate(out, (off_t)q.size) == 0)
		all_tables(&q);
	if (fstat(out, &st) < 0 || (uint64_t)st.st_blocks * 512 > (size + (1 << 21)) * 1040 || q.out.wrote > (size + (1 << 21)) * 1040)
		abort();
	return 0;
}
