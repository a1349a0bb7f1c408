/* SPDX-License-Identifier: 0BSD */
/* with: util.c sys.c sha256.c -lz */
/* What is to be unpacked: any bytes end, in words or not; those after a first one choose how they come and are taken */
#define WITH_ZLIB 1
#include "../../stream.c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes { const uint8_t *at; size_t left, step; };

static ssize_t
read_bytes(struct source *s, void *buf, size_t size)
{
	struct bytes *b = s->arg;
	size_t n = b->left < size ? b->left : size;

	n = b->step && n > b->step ? b->step : n;
	memcpy(buf, b->at, n);
	b->at += n;
	b->left -= n;
	return (ssize_t)n;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const texts[] = { "", "machine", "a machine and another machine and a third machine" };
	char *seeds = getenv("SEEDS");
	size_t i;
	int fd;

	(void)argc;
	(void)argv;
	/* programs are no part of it; and one input is unpacked by the thread, the next by us: see below */
	setenv("PATH", "/nowhere", 1);
	wirefd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (i = 0; seeds && i < LEN(texts); i++) {
		struct sink *s;

		fd = open(fmt("%s/text%zu", seeds, i), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, "\0", 1) != 1)
			abort();
		s = sink_open(fd, PACK_GZIP, 9);
		if (sink_put(s, texts[i], strlen(texts[i])) < 0 || sink_close(s) < 0)
			abort();
		drop(fd);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data + 1, size - 1, 0 };
	struct source from = { .read = read_bytes, .arg = &b };
	struct stream *s;
	const uint8_t *at;
	uint64_t sum = 0, taken = 0;
	size_t most;
	ssize_t n;

	if (!size)
		return 0;
	b.step = *data & 15;
	most = *data & 16 ? 512 : SIZE_MAX;
	s = stream_open(&from);
	while ((n = stream_get(s, &at, most)) > 0) {
		if ((uintptr_t)at % 16 && taken % 512 == 0)
			abort();
		taken += (uint64_t)n;
		while (n > 0)
			sum += at[--n];
		if (*data & 32 && taken > 1000)
			break;
	}
	if (n < 0 && !*stream_why(s))
		abort();
	stream_close(s);
	return sum == UINT64_MAX;
}
