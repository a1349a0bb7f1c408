/* SPDX-License-Identifier: 0BSD */
/* Disk images: zeros become holes; qcow2, as docs/interop/qcow2.txt of QEMU has it, becomes raw */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util.h"
#if WITH_ZLIB
#include <zlib.h>
#endif

enum { BLOCK = 4096, LOOK_EVERY = 4 << 20 };

/* where the data goes */
struct out {
	int fd;
	uint64_t wrote, looked;  /* bytes that are no holes; so many of them when room was looked for */
	const char *why;
};

static int
fail(struct out *o, const char *why)
{
	if (!o->why)
		o->why = why;
	return -1;
}

static int
fail_by_errno(struct out *o, uint64_t size)
{
	if (halted)
		return fail(o, "interrupted");
	if (errno == ENOSPC || errno == EDQUOT)
		return fail(o, "there is not enough room for it");
	if (errno == EFBIG || errno == EOVERFLOW)
		return fail(o, fmt("its %llu bytes are more than a file may have there", (unsigned long long)size));
	return fail(o, fmt("it cannot be written: %s", strerror(errno)));
}

struct word { uint64_t all; } __attribute__((may_alias));

static bool
is_zero(const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len;
	const struct word *w;

	for (; p < end && ((uintptr_t)p & 7); p++)
		if (*p)
			return false;
	for (w = (const void *)p; end - (const uint8_t *)w >= 32; w += 4)
		if (w[0].all | w[1].all | w[2].all | w[3].all)
			return false;
	for (p = (const void *)w; p < end; p++)
		if (*p)
			return false;
	return true;
}

/* what root may take beyond this is kept for others */
static int
look_for_room(struct out *o)
{
	struct statfs v;

	if (o->wrote - o->looked < LOOK_EVERY && o->wrote > 0)
		return 0;
	o->looked = o->wrote;
	if (fstatfs(o->fd, &v) < 0 || v.f_blocks == 0 || v.f_bavail > 0)
		return 0;
	errno = ENOSPC;
	return fail_by_errno(o, 0);
}

static int
put_data(struct out *o, const uint8_t *data, size_t len, uint64_t at)
{
	ssize_t n;

	if (at > (uint64_t)INT64_MAX - len) {
		errno = EFBIG;
		return fail_by_errno(o, at + len);
	}
	while (len > 0) {
		if (look_for_room(o) < 0)
			return -1;
		n = halted ? -1 : pwrite(o->fd, data, len < LOOK_EVERY ? len : LOOK_EVERY, (off_t)at);
		if (n < 0 && errno == EINTR && !halted)
			continue;
		if (n < 0)
			return fail_by_errno(o, at + len);
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
		o->wrote += (uint64_t)n;
	}
	return 0;
}

/* blocks of zeros stay out: the file is one hole before. *zero: there was nothing else */
static int
put_sparse(struct out *o, const uint8_t *data, size_t len, uint64_t at, bool *zero)
{
	size_t from = 0, to = 0, n;

	*zero = true;
	for (; to < len; to += n) {
		n = BLOCK - (size_t)((at + to) % BLOCK);
		n = n < len - to ? n : len - to;
		if (!is_zero(data + to, n))
			continue;
		*zero = *zero && from == to;
		if (to > from && put_data(o, data + from, to - from, at + from) < 0)
			return -1;
		from = to + n;
	}
	*zero = *zero && from == to;
	return to > from ? put_data(o, data + from, to - from, at + from) : 0;
}

int
raw_write(struct stream *from, int to, const char **why)
{
	struct out o = { .fd = to };
	const uint8_t *data;
	uint64_t at = 0;
	ssize_t n;
	bool zero;

	for (; (n = stream_get(from, &data, 1 << 20)) > 0; at += (uint64_t)n)
		if (put_sparse(&o, data, (size_t)n, at, &zero) < 0)
			break;
	if (n < 0)
		fail(&o, halted ? "interrupted" : stream_why(from));
	else if (n == 0 && ftruncate(to, (off_t)at) < 0)
		fail_by_errno(&o, at);
	*why = o.why;
	return o.why ? -1 : 0;
}

/* ---- qcow2 ------------------------------------------------------------------------ */

enum {
	HEADER_2 = 72, HEADER_3 = 104, HEADER = 112, CLUSTER_LEAST = 9, CLUSTER_MOST = 21, NAME_MOST = 1023,
	L1_MOST = (32 << 20) / 8,  /* as QEMU has it */
	PIECE = 4096, ROOM = 65536,
	/* what a reader must know of, in version 3 */
	DIRTY = 1, CORRUPT = 2, EXTERNAL = 4, PACKING = 8, EXTENDED = 16,
	EXTENSION_EXTERNAL = 0x44415441,
};
#define OFFSET 0x00fffffffffffe00ULL
#define PACKED (1ULL << 62)

struct qcow2 {
	int fd;
	struct out out;
	uint64_t file, size;         /* bytes: of what we read, and of the disk in it */
	uint64_t spent;              /* so many bytes of the file were used */
	int bits;                    /* of a cluster's size */
	uint32_t version, packing;
	uint64_t l1, entries;        /* where it is, and how many of it matter */
	uint64_t host, guest, len;   /* clusters that follow each other, and are still to be copied */
	uint8_t l1_piece[PIECE], l2_piece[PIECE], in[PIECE], room[ROOM];
};

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t
be64(const uint8_t *p)
{
	return (uint64_t)be32(p) << 32 | be32(p + 4);
}

/* bytes read, fewer at the end of the file only; -1: the reason is said */
static ssize_t
take(struct qcow2 *q, uint8_t *buf, size_t len, uint64_t at)
{
	size_t got = 0;
	ssize_t n;

	while (got < len && at + got < q->file) {
		n = halted ? -1 : pread(q->fd, buf + got, len - got, (off_t)(at + got));
		if (n < 0 && errno == EINTR && !halted)
			continue;
		if (n < 0)
			return fail(&q->out, halted ? "interrupted" : fmt("it cannot be read: %s", strerror(errno)));
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static int
damaged(struct qcow2 *q, const char *how)
{
	return fail(&q->out, fmt("it is damaged: %s", how));
}

/* all of it must be there */
static int
take_all(struct qcow2 *q, uint8_t *buf, size_t len, uint64_t at)
{
	ssize_t n = at > q->file ? 0 : take(q, buf, len, at);

	return n < 0 ? -1 : n == (ssize_t)len ? 0 : damaged(q, "it ends too early; is all of it there?");
}

/* a part of the file is of one use: few bytes must not become a disk full of them */
static int
spend(struct qcow2 *q, uint64_t bytes)
{
	q->spent += bytes;
	return q->spent <= q->file + (1ULL << q->bits) ? 0 : damaged(q, "parts of it are used more than once");
}

static const char *
name_in(struct qcow2 *q, uint64_t at, uint32_t len)
{
	static uint8_t name[NAME_MOST + 1];
	ssize_t n = at > q->file || len > NAME_MOST ? 0 : take(q, name, len, at);

	name[n > 0 ? n : 0] = 0;
	return n > 0 ? (const char *)name : "?";
}

static const char *
external_name(struct qcow2 *q, uint64_t at)
{
	uint8_t e[8];
	uint32_t len;

	while (at < 1ULL << q->bits && take(q, e, sizeof(e), at) == sizeof(e) && be32(e)) {
		len = be32(e + 4);
		if (be32(e) == EXTENSION_EXTERNAL)
			return name_in(q, at + 8, len);
		at += 8 + (((uint64_t)len + 7) & ~7ULL);
	}
	return "?";
}

static int
read_features(struct qcow2 *q, const uint8_t *h)
{
	uint64_t needs = be64(h + 72);
	uint32_t len = be32(h + 100);

	if (len < HEADER_3 || len & 7 || len > 1u << q->bits)
		return damaged(q, "its header has no sane length");
	if (needs & CORRUPT)
		return fail(&q->out, "it is marked as corrupt; see qemu-img check -r");
	if (needs & EXTERNAL)
		return fail(&q->out, fmt("its data is in another file, '%s'; make one of both: qemu-img convert -O raw",
		    external_name(q, len)));
	if (needs & EXTENDED)
		return fail(&q->out, "it has subclusters (extended_l2); use qemu-img convert -O raw");
	if (needs & ~(uint64_t)(DIRTY | PACKING))
		return fail(&q->out, fmt("it needs what is not known here (features %#llx); use qemu-img convert -O raw",
		                         (unsigned long long)(needs & ~(uint64_t)(DIRTY | PACKING))));
	q->packing = needs & PACKING && len > HEADER_3 ? h[104] : 0;
	return 0;
}

static int
read_header(struct qcow2 *q)
{
	uint8_t h[HEADER] = { 0 };
	uint64_t reach;
	ssize_t n = take(q, h, sizeof(h), 0);

	if (n < 0)
		return -1;
	q->version = be32(h + 4);
	if (n < HEADER_2 || !qcow2_is(h, sizeof(h)))
		return damaged(q, "it ends too early; is all of it there?");
	if (q->version != 2 && q->version != 3)
		return fail(&q->out, fmt("it is of version %u of qcow2, and only 2 and 3 are known here; use qemu-img convert -O raw",
		    q->version));
	if (be32(h + 20) < CLUSTER_LEAST || be32(h + 20) > CLUSTER_MOST)
		return damaged(q, "its clusters have no sane size");
	q->bits = (int)be32(h + 20);
	q->size = be64(h + 24);
	if (be64(h + 8))
		return fail(&q->out, fmt("it is what differs from a backing file, '%s'; make one of both: qemu-img convert -O raw",
		                         name_in(q, be64(h + 8), be32(h + 16))));
	if (be32(h + 32))
		return fail(&q->out, fmt("it is encrypted (%s); use qemu-img convert -O raw, with its key",
		                         be32(h + 32) == 1 ? "AES" : be32(h + 32) == 2 ? "LUKS" : "by an unknown method"));
	if (q->version == 3 && read_features(q, h) < 0)
		return -1;
	/* a table of the second level is a cluster of 8 bytes for each cluster */
	reach = 1ULL << (2 * q->bits - 3);
	q->entries = q->size / reach + (q->size % reach != 0);
	q->l1 = be64(h + 40);
	if (q->size > INT64_MAX || q->entries > L1_MOST || q->entries > be32(h + 36))
		return damaged(q, "its first table does not reach its size");
	if (q->l1 & ((1ULL << q->bits) - 1) || q->l1 > q->file || q->entries * 8 > q->file - q->l1 || (q->entries && !q->l1))
		return damaged(q, "its first table is not in it");
	return spend(q, (1ULL << q->bits) + q->entries * 8);
}

/* copy the clusters that wait; what the file lacks at its end is zero */
static int
flush(struct qcow2 *q)
{
	uint64_t len = q->guest >= q->size ? 0 : q->len < q->size - q->guest ? q->len : q->size - q->guest;
	ssize_t n;
	off_t data;
	bool zero;

	for (q->len = 0; len > 0; len -= (uint64_t)n, q->host += (uint64_t)n, q->guest += (uint64_t)n) {
		n = take(q, q->room, len < ROOM ? (size_t)len : ROOM, q->host);
		if (n <= 0)
			return (int)n;
		if (put_sparse(&q->out, q->room, (size_t)n, q->guest, &zero) < 0)
			return -1;
		if (!zero || (uint64_t)n == len)
			continue;
		/* that may be the begin of a large hole, which need not be read */
		data = lseek(q->fd, (off_t)q->host + n, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		if (data > (off_t)q->host + n) {
			uint64_t skip = (uint64_t)data - q->host - (uint64_t)n;

			skip = skip < len - (uint64_t)n ? skip : len - (uint64_t)n;
			len -= skip;
			q->host += skip;
			q->guest += skip;
		}
	}
	return 0;
}

#if WITH_ZLIB
/* one cluster out of so many bytes at most, by pieces */
static int
unpack_cluster(struct qcow2 *q, uint64_t host, uint64_t bytes, uint64_t guest)
{
	z_stream z = { .next_in = NULL };
	uint64_t left = 1ULL << q->bits, used = 0;
	int ret = Z_OK;
	bool zero;

	/* QEMU packs with a window of 12 bits, and unpacks what others packed with larger ones */
	if (inflateInit2(&z, -15) != Z_OK)
		return fail(&q->out, "out of memory");
	while (left > 0 && ret == Z_OK && !q->out.why) {
		size_t want = left < ROOM ? (size_t)left : ROOM, n;

		z.next_out = q->room;
		z.avail_out = (uInt)want;
		while (z.avail_out > 0 && ret == Z_OK) {
			if (z.avail_in == 0) {
				ssize_t got = take(q, q->in, bytes - used < PIECE ? (size_t)(bytes - used) : PIECE, host + used);

				if (got <= 0)
					break;
				used += (uint64_t)got;
				z.next_in = q->in;
				z.avail_in = (uInt)got;
			}
			ret = inflate(&z, Z_NO_FLUSH);
		}
		n = want - z.avail_out;
		if (n < want)
			break;
		left -= n;
		if (guest < q->size)
			put_sparse(&q->out, q->room, n < q->size - guest ? n : (size_t)(q->size - guest), guest, &zero);
		guest += n;
	}
	used -= z.avail_in;
	inflateEnd(&z);
	if (q->out.why)
		return -1;
	return left > 0 ? damaged(q, "a packed cluster of it cannot be unpacked") : spend(q, used);
}
#endif

static int
unpack(struct qcow2 *q, uint64_t entry, uint64_t guest)
{
#if WITH_ZLIB
	int width = 62 - (q->bits - 8);
	uint64_t host = entry & ((1ULL << width) - 1), sectors = (entry & (PACKED - 1)) >> width;

	if (q->packing == 0 && host < q->file)
		return unpack_cluster(q, host, (sectors + 1) * 512 - host % 512, guest);
	if (q->packing == 0)
		return damaged(q, "a table of it leads out of it");
#else
	(void)entry;
	(void)guest;
#endif
	return fail(&q->out, fmt("its clusters are packed (%s); use qemu-img convert -O raw",
	                         q->packing == 0 ? "zlib" : q->packing == 1 ? "zstd" : "in an unknown way"));
}

static int
one_cluster(struct qcow2 *q, uint64_t entry, uint64_t guest)
{
	uint64_t cluster = 1ULL << q->bits, host = entry & OFFSET;

	if (entry & PACKED)
		return flush(q) < 0 ? -1 : unpack(q, entry, guest);
	if (entry & 1)
		return q->version >= 3 ? 0 : damaged(q, "a table of it is not of its version");
	if (!host)
		return 0;
	if (host & (cluster - 1) || host >= q->file)
		return damaged(q, "a table of it leads out of it");
	if (spend(q, cluster) < 0)
		return -1;
	if (q->len && q->host + q->len == host && q->guest + q->len == guest) {
		q->len += cluster;
		return 0;
	}
	if (flush(q) < 0)
		return -1;
	q->host = host;
	q->guest = guest;
	q->len = cluster;
	return 0;
}

static int
one_table(struct qcow2 *q, uint64_t at, uint64_t guest)
{
	uint64_t cluster = 1ULL << q->bits, i, entry;
	size_t piece = cluster < PIECE ? (size_t)cluster : PIECE;

	if (at & (cluster - 1) || !at || at >= q->file)
		return damaged(q, "a table of it leads out of it");
	if (spend(q, cluster) < 0)
		return -1;
	for (i = 0; i < cluster / 8 && guest < q->size; i++, guest += cluster) {
		if (i * 8 % piece == 0 && take_all(q, q->l2_piece, piece, at + i * 8) < 0)
			return -1;
		entry = be64(q->l2_piece + i * 8 % piece);
		if (entry && one_cluster(q, entry, guest) < 0)
			return -1;
	}
	return 0;
}

static int
all_tables(struct qcow2 *q)
{
	uint64_t i, entry;
	size_t n;

	for (i = 0; i < q->entries; i++) {
		n = (size_t)(q->entries - i < PIECE / 8 ? (q->entries - i) * 8 : PIECE);
		if (i * 8 % PIECE == 0 && take_all(q, q->l1_piece, n, q->l1 + i * 8) < 0)
			return -1;
		entry = be64(q->l1_piece + i * 8 % PIECE) & OFFSET;
		if (entry && one_table(q, entry, i << (2 * q->bits - 3)) < 0)
			return -1;
	}
	return flush(q);
}

bool
qcow2_is(const uint8_t *head, size_t len)
{
	return len >= 4 && memcmp(head, "QFI\xfb", 4) == 0;
}

int
qcow2_unpack(int from, int to, const char **why)
{
	struct qcow2 *q = xalloc(sizeof(*q));
	off_t end = lseek(from, 0, SEEK_END);

	q->fd = from;
	q->out.fd = to;
	q->file = end > 0 ? (uint64_t)end : 0;
	if (end < 0)
		fail(&q->out, fmt("it cannot be read: %s", strerror(errno)));
	else if (read_header(q) == 0 && ftruncate(to, (off_t)q->size) < 0)
		fail_by_errno(&q->out, q->size);
	else if (!q->out.why)
		all_tables(q);
	*why = q->out.why;
	return *why ? -1 : 0;
}
