/* SPDX-License-Identifier: 0BSD */
/* Bytes in and out, packed or not */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"
#include CONFIG
#if WITH_ZLIB
#include <zlib.h>
#endif

const char *const pack_names[PACK_KINDS] = { "uncompressed", "gzip", "xz", "bzip2", "zstd" };
const char *const pack_suffixes[PACK_KINDS] = { "", ".gz", ".xz", ".bz2", ".zst" };

enum { ROOM = 1 << 17 };

struct stream {
	struct source *from;
	int packing;
	const char *why;
	uint8_t in[ROOM], out[ROOM];
	size_t in_at, in_end, out_at, out_end;
	bool in_over, over;
#if WITH_ZLIB
	z_stream z;
#endif
};

int
pack_by_magic(const void *data, size_t len)
{
	static const struct { const char *magic; size_t len; int pack; } kinds[] = {
		{ "\x1f\x8b", 2, PACK_GZIP }, { "\xfd" "7zXZ", 6, PACK_XZ }, { "BZh", 3, PACK_BZIP2 }, { "\x28\xb5\x2f\xfd", 4, PACK_ZSTD },
	};
	size_t i;

	for (i = 0; i < LEN(kinds); i++)
		if (len >= kinds[i].len && memcmp(data, kinds[i].magic, kinds[i].len) == 0)
			return kinds[i].pack;
	return PACK_NONE;
}

int
pack_by_name(const char *path)
{
	static const struct { const char *end; int pack; } ends[] = {
		{ ".gz", PACK_GZIP }, { ".tgz", PACK_GZIP }, { ".xz", PACK_XZ }, { ".txz", PACK_XZ }, { ".bz2", PACK_BZIP2 },
		{ ".tbz2", PACK_BZIP2 }, { ".zst", PACK_ZSTD },
	};
	size_t i, n = strlen(path), end;

	for (i = 0; i < LEN(ends); i++) {
		end = strlen(ends[i].end);
		if (n > end && streq(path + n - end, ends[i].end))
			return ends[i].pack;
	}
	return PACK_NONE;
}

static ssize_t
read_fd(struct source *s, void *buf, size_t size)
{
	ssize_t n;

	do
		n = read(s->fd, buf, size);
	while (n < 0 && errno == EINTR && !halted);
	if (n > 0)
		s->taken += (uint64_t)n;
	return n;
}

struct source
source_fd(int fd)
{
	return (struct source){ .read = read_fd, .fd = fd };
}

static bool
fill(struct stream *s)
{
	ssize_t n = s->from->read(s->from, s->in, sizeof(s->in));

	if (n < 0)
		s->why = s->from->why ? s->from->why : fmt("%s", strerror(errno));
	s->in_at = 0;
	s->in_end = n > 0 ? (size_t)n : 0;
	s->in_over = n <= 0;
	return n >= 0;
}

struct stream *
stream_open(struct source *from)
{
	struct stream *s = xalloc(sizeof(*s));

	s->from = from;
	fill(s);
	s->packing = pack_by_magic(s->in, s->in_end);
#if WITH_ZLIB
	if (s->packing == PACK_GZIP && inflateInit2(&s->z, 31) != Z_OK)
		die("unpack: out of memory");
#endif
	return s;
}

int
stream_packing(struct stream *s)
{
	return s->packing;
}

static bool
more(struct stream *s)
{
	s->out_at = s->out_end = 0;
	if (s->packing == PACK_NONE) {
		if (s->in_at == s->in_end && !s->in_over && !fill(s))
			return false;
		memcpy(s->out, s->in + s->in_at, s->in_end - s->in_at);
		s->out_end = s->in_end - s->in_at;
		s->in_at = s->in_end;
		return true;
	}
#if WITH_ZLIB
	while (s->out_end < sizeof(s->out) && !s->over) {
		int ret;

		if (s->in_at == s->in_end && !s->in_over && !fill(s))
			return false;
		s->z.next_in = s->in + s->in_at;
		s->z.avail_in = (uInt)(s->in_end - s->in_at);
		s->z.next_out = s->out + s->out_end;
		s->z.avail_out = (uInt)(sizeof(s->out) - s->out_end);
		ret = inflate(&s->z, Z_NO_FLUSH);
		s->in_at = s->in_end - s->z.avail_in;
		s->out_end = sizeof(s->out) - s->z.avail_out;
		if (ret == Z_STREAM_END)
			s->over = true;
		else if (ret != Z_OK || (s->in_over && s->in_at == s->in_end)) {
			s->why = "its gzip data is damaged, or ends too early";
			return false;
		}
	}
	return true;
#else
	s->why = "not built in";
	return false;
#endif
}

ssize_t
stream_get(struct stream *s, const uint8_t **at, size_t most)
{
	size_t n;

	if (s->why || (s->out_at == s->out_end && !more(s)))
		return -1;
	n = s->out_end - s->out_at < most ? s->out_end - s->out_at : most;
	*at = s->out + s->out_at;
	s->out_at += n;
	return (ssize_t)n;
}

ssize_t
stream_peek(struct stream *s, const uint8_t **at)
{
	if (s->why || (s->out_at == s->out_end && !more(s)))
		return -1;
	*at = s->out + s->out_at;
	return (ssize_t)(s->out_end - s->out_at);
}

ssize_t
stream_read(struct stream *s, void *buf, size_t n)
{
	const uint8_t *at;
	size_t got = 0;
	ssize_t len;

	while (got < n) {
		len = stream_get(s, &at, n - got);
		if (len < 0)
			return -1;
		if (len == 0)
			break;
		memcpy((char *)buf + got, at, (size_t)len);
		got += (size_t)len;
	}
	return (ssize_t)got;
}

const char *
stream_why(const struct stream *s)
{
	return s->why ? s->why : "";
}

void
stream_close(struct stream *s)
{
	(void)s;
}

/* ---- out ------------------------------------------------------------------------ */

struct sink {
	int fd, pack;
	const char *why;
	uint64_t written;
};

struct sink *
sink_open(int fd, int pack, int level)
{
	struct sink *s = xalloc(sizeof(*s));

	(void)level;
	s->fd = fd;
	s->pack = pack;
	return s;
}

int
sink_put(struct sink *s, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(s->fd, p, len);
		if (n < 0 && errno == EINTR && !halted)
			continue;
		if (n < 0) {
			s->why = fmt("%s", strerror(errno));
			return -1;
		}
		p += n;
		len -= (size_t)n;
		s->written += (uint64_t)n;
	}
	return 0;
}

int
sink_zeros(struct sink *s, uint64_t len)
{
	static const char zeros[4096];

	for (; len > sizeof(zeros); len -= sizeof(zeros))
		if (sink_put(s, zeros, sizeof(zeros)) < 0)
			return -1;
	return sink_put(s, zeros, (size_t)len);
}

int
sink_close(struct sink *s)
{
	return s->why ? -1 : 0;
}

const char *
sink_why(const struct sink *s)
{
	return s->why ? s->why : "";
}

uint64_t
sink_written(const struct sink *s)
{
	return s->written;
}
