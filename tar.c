/* SPDX-License-Identifier: 0BSD */
/* Archives: POSIX pax(1) and ustar, GNU tar's and star's ways, v7 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/*
 * A hostile archive says how much of this we hold: names and extended headers are bounded, as is the map of a sparse
 * file, so that all together stays well below 4 MB
 */
enum { BLOCK = 512, NAME_MOST = TAR_NAME_MOST, TEXT_MOST = 1 << 20, GLOBAL_MOST = 4096, XATTRS_MOST = TAR_XATTRS_MOST,
	PIECES_MOST = 1 << 16, ACL_MOST = 8192 };

/* fields of a header: where, how long */
#define NAME     0, 100
#define MODE     100, 8
#define UID      108, 8
#define GID      116, 8
#define SIZE     124, 12
#define MTIME    136, 12
#define SUM      148, 8
#define LINKNAME 157, 100
#define MAJOR    329, 8
#define MINOR    337, 8
#define PREFIX   345, 155
#define REALSIZE 483, 12
enum { TYPE = 156, MAGIC = 257, STAR = 508, OLD_MAP = 386, OLD_MORE = 482, EXT_MORE = 504 };

/* bytes that came or go, whatever their number; given back at the end */
struct text { char *at; size_t len, room; };

enum { ACL_USER_OBJ = 1, ACL_USER = 2, ACL_GROUP_OBJ = 4, ACL_GROUP = 8, ACL_MASK = 16, ACL_OTHER = 32, ACL_VERSION = 2 };

struct tar {
	struct stream *s;
	const char *why;
	uint64_t at;             /* bytes taken of the archive */
	uint64_t left, pad;      /* data of this entry, and what fills its last block */
	bool begun, zeros;
	bool lost, told;         /* some of its ACL is left out; that was said */
	uint8_t head[BLOCK];
	struct text global, local, longname, longlink, map;
	uint8_t *acl[2];
	char name[257], link[101];  /* prefix, "/", name, and a 0 */
	struct tar_xattr xattr[XATTRS_MOST];
	struct tar_entry e;
	/* what extended headers say of a sparse file; map has the pieces */
	bool sparse, has_name, has_odd;
	uint64_t real, odd;      /* odd: an offset that waits for its size, of GNU.sparse 0.0 */
	uint64_t major;          /* 1: the map stands before the data */
};

static int
fail(struct tar *t, const char *why)
{
	if (!t->why)
		t->why = why;
	return -1;
}

static int
no_memory(struct tar *t)
{
	return fail(t, "there is no memory for its headers");
}

/* room for so many more bytes, and a 0 */
static bool
reserve(struct text *x, size_t more)
{
	size_t room = x->room ? x->room : 1024;
	char *at;

	while (room - x->len <= more)
		room *= 2;
	if (room == x->room)
		return true;
	at = realloc(x->at, room);
	if (!at)
		return false;
	x->at = at;
	x->room = room;
	return true;
}

static bool
add(struct text *x, const void *data, size_t len)
{
	if (!reserve(x, len))
		return false;
	if (len > 0)
		memcpy(x->at + x->len, data, len);
	x->len += len;
	x->at[x->len] = 0;
	return true;
}

/* ---- reading ------------------------------------------------------------------------- */

/* exactly so many bytes */
static int
take(struct tar *t, void *to, size_t n)
{
	ssize_t got = halted ? -1 : stream_read(t->s, to, n);

	if (got < 0)
		return fail(t, halted ? "interrupted" : stream_why(t->s));
	t->at += (uint64_t)got;
	return (size_t)got == n ? 0 : fail(t, "the archive ends too early");
}

static int
pass_over(struct tar *t)
{
	const uint8_t *at;
	uint64_t all = t->left + t->pad;
	ssize_t n;

	while (all > 0) {
		n = halted ? -1 : stream_get(t->s, &at, all < 1 << 20 ? (size_t)all : 1 << 20);
		if (n <= 0)
			return fail(t, halted ? "interrupted" : n < 0 ? stream_why(t->s) : "the archive ends too early");
		all -= (uint64_t)n;
		t->at += (uint64_t)n;
	}
	t->left = t->pad = 0;
	return 0;
}

/* octal, or base 256 when its first bit is set: then negative if all of the first byte are */
static bool
number(const uint8_t *head, size_t at, size_t len, int64_t *out)
{
	const uint8_t *p = head + at, *end = p + len;
	uint64_t n = 0;

	if (*p & 0x80) {
		bool minus = *p == 0xff;

		if (!minus && *p != 0x80)
			return false;
		n = minus ? UINT64_MAX : 0;
		for (p++; p < end; p++) {
			if (n >> 55 != (minus ? 0x1ff : 0))
				return false;
			n = n << 8 | *p;
		}
		*out = (int64_t)n;
		return true;
	}
	while (p < end && (*p == ' ' || *p == 0))
		p++;
	for (; p < end && *p >= '0' && *p <= '7'; p++)
		n = n << 3 | (uint64_t)(*p - '0');
	*out = (int64_t)n;
	return p == end || *p == ' ' || *p == 0;
}

/* some took the bytes for signed ones */
static bool
sum_right(const uint8_t *head)
{
	int64_t want, plain = 0, as_signed = 0;
	size_t i;

	for (i = 0; i < BLOCK; i++) {
		int c = i >= 148 && i < 156 ? ' ' : head[i];

		plain += c;
		as_signed += c < 128 ? c : c - 256;
	}
	return number(head, SUM, &want) && (want == plain || want == as_signed);
}

/* 1: a header is there; 0: the end */
static int
header(struct tar *t)
{
	static const uint8_t zeros[BLOCK];
	ssize_t n;

	for (;;) {
		n = halted ? -1 : stream_read(t->s, t->head, BLOCK);
		if (n < 0)
			return fail(t, halted ? "interrupted" : stream_why(t->s));
		t->at += (uint64_t)n;
		if (n == 0 || (t->zeros && n < BLOCK && memcmp(t->head, zeros, (size_t)n) == 0))
			return t->begun || t->zeros ? 0 : fail(t, "it is empty");
		if (n < BLOCK)
			return fail(t, t->begun ? "the archive ends too early" : "it is no tar archive");
		if (memcmp(t->head, zeros, BLOCK) != 0)
			break;
		t->zeros = true;  /* more may follow: archives one behind the other */
	}
	if (!sum_right(t->head))
		return fail(t, t->begun ? fmt("its header at byte %llu is damaged", (unsigned long long)t->at - BLOCK)
		    : "it is no tar archive");
	t->begun = true;
	t->zeros = false;
	return 1;
}

static int
sizes(struct tar *t, uint64_t size)
{
	if (size > INT64_MAX - BLOCK)
		return fail(t, "it says a size that no file has");
	t->left = size;
	t->pad = -size % BLOCK;
	return 0;
}

/* all data of an entry behind what x holds */
static int
hold(struct tar *t, struct text *x, size_t most)
{
	int64_t size;

	if (!number(t->head, SIZE, &size) || size < 0 || (uint64_t)size + x->len > most)
		return fail(t, "a name or an extended header is longer than anything needs");
	if (sizes(t, (uint64_t)size) < 0)
		return -1;
	if (!reserve(x, (size_t)size))
		return no_memory(t);
	if (take(t, x->at + x->len, (size_t)size) < 0)
		return -1;
	x->len += (size_t)size;
	x->at[x->len] = 0;
	t->left = 0;
	return pass_over(t);
}

/* decimal digits; their end, or NULL */
static const char *
digits(const char *s, uint64_t *out)
{
	uint64_t n = 0;

	if (*s < '0' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (n > (INT64_MAX - 9) / 10)
			return NULL;
		n = n * 10 + (uint64_t)(*s - '0');
	}
	*out = n;
	return s;
}

static bool
whole_number(const char *s, uint64_t most, uint64_t *out)
{
	s = digits(s, out);
	return s && *s == 0 && *out <= most;
}

/* "-1.5" is half a second after -2 */
static bool
parse_time(const char *s, int64_t *sec, uint32_t *nsec)
{
	bool minus = *s == '-';
	uint32_t ns = 0, unit = 100000000;
	uint64_t n;

	s = digits(s + minus, &n);
	if (!s)
		return false;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			ns += (uint32_t)(*s - '0') * unit;
	*sec = minus ? -(int64_t)n - (ns > 0) : (int64_t)n;
	*nsec = minus && ns > 0 ? 1000000000 - ns : ns;
	return *s == 0;
}

static int
piece(struct tar *t, uint64_t offset, uint64_t size)
{
	const struct tar_piece p = { offset, size };

	if (t->map.len / sizeof(p) >= PIECES_MOST)
		return fail(t, fmt("a sparse file of more than %d pieces", PIECES_MOST));
	return add(&t->map, &p, sizeof(p)) ? 0 : no_memory(t);
}

/* %XX in place: of all bytes, or as GNU tar only of "%" and "=" */
static void
unpercent(char *s, bool all)
{
	char *to = s;

	while (*s) {
		int c = *s == '%' && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0 ? hex_digit(s[1]) * 16 + hex_digit(s[2]) : -1;

		if (c > 0 && (all || c == '%' || c == '=')) {
			*to++ = (char)c;
			s += 3;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

/* in place; what is no sign of base64 is passed over */
static size_t
unbase64(char *s, size_t len)
{
	static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	size_t i, n = 0, have = 0;

	for (i = 0; i < len && s[i] != '='; i++) {
		const char *p = s[i] ? strchr(signs, s[i]) : NULL;

		if (!p)
			continue;
		bits = bits << 6 | (uint32_t)(p - signs);
		have += 6;
		if (have >= 8) {
			have -= 8;
			s[n++] = (char)(bits >> have);
		}
	}
	return n;
}

static int
xattr(struct tar *t, char *name, char *value, size_t size)
{
	size_t i;

	for (i = 0; i < t->e.nxattr && !streq(t->xattr[i].name, name); i++)
		;
	if (i == XATTRS_MOST)
		return fail(t, "an entry has more extended attributes than a file can hold");
	if (after(name, "system.posix_acl_"))
		t->lost = false;  /* the kernel's form has numbers */
	t->xattr[i] = (struct tar_xattr){ name, (uint8_t *)value, size };
	if (i == t->e.nxattr)
		t->e.nxattr++;
	return 0;
}

static void
le(uint8_t *p, uint32_t n, size_t bytes)
{
	for (; bytes > 0; bytes--, n >>= 8)
		*p++ = (uint8_t)n;
}

/*
 * One entry of an ACL in words, cut out with 0: "user::rwx", "user:1000:r-x", "user:name:r-x:1000", "mask::rw-",
 * "other:r--". 0: none; -1: not understood; else its tag. *id is UINT32_MAX where it has none, *lost: only a name is known
 */
static int
acl_words(char *s, unsigned int *perm, uint32_t *id, bool *lost)
{
	static const uint8_t tags[] = { ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER };
	char *field[4] = { s, NULL, NULL, NULL }, *p;
	uint64_t n;
	int kind;
	size_t i;

	s += strspn(s, " \t");
	s = after(s, "default:") ? s + 8 : s;
	s[strcspn(s, "# \t")] = 0;
	if (*s == 0)
		return 0;
	field[0] = s;
	for (i = 1; i < LEN(field) && (p = strchr(field[i - 1], ':')); i++) {
		*p = 0;
		field[i] = p + 1;
	}
	kind = word_index("user|group|mask|other", field[0]);
	if (kind < 0 && field[0][0] && !field[0][1])
		kind = word_index("u|g|m|o", field[0]);
	if (kind < 0 || !field[1])
		return -1;
	if (kind > 1 && !field[2]) {
		field[2] = field[1];
		field[1] = field[0] + strlen(field[0]);
	}
	if (!field[2])
		return -1;
	for (p = field[2]; *p; p++) {
		int bit = word_index("x|w|r|-", (char[]){ *p, 0 });

		if (bit < 0)
			return -1;
		*perm |= bit < 3 ? 1U << bit : 0;
	}
	if (!*field[1])
		return tags[kind];
	if (whole_number(field[3] ? field[3] : field[1], UINT32_MAX - 1, &n))
		*id = (uint32_t)n;
	else
		*lost = true;
	return kind > 1 ? -1 : kind == 0 ? ACL_USER : ACL_GROUP;
}

/* from words, apart by commas or ends of lines, to the kernel's form, which wants an order of tags */
static int
acl(struct tar *t, bool of_default, char *s)
{
	uint8_t *to;
	size_t len = strlen(s), n = 0, i;
	char *next;
	bool some = t->lost;

	free(t->acl[of_default]);
	to = t->acl[of_default] = malloc(4 + (len / 4 + 1) * 8);
	if (!to)
		return no_memory(t);
	le(to, ACL_VERSION, 4);
	for (; s; s = next) {
		unsigned int perm = 0;
		uint32_t id = UINT32_MAX;
		bool lost = false;
		int tag;

		next = strpbrk(s, ",\n");
		if (next)
			*next++ = 0;
		tag = acl_words(s, &perm, &id, &lost);
		if (tag < 0)
			return fail(t, "an ACL that cannot be read");
		some = some || (tag > 0 && lost);
		if (tag == 0 || lost)
			continue;
		if (n == ACL_MOST)
			return fail(t, "an ACL that is longer than anything needs");
		for (i = 0; i < n && to[4 + i * 8] <= tag; i++)
			;
		memmove(to + 12 + i * 8, to + 4 + i * 8, (n++ - i) * 8);
		le(to + 4 + i * 8, (uint32_t)tag, 2);
		le(to + 6 + i * 8, perm, 2);
		le(to + 8 + i * 8, id, 4);
	}
	if (xattr(t, of_default ? "system.posix_acl_default" : "system.posix_acl_access", (char *)to, 4 + n * 8) < 0)
		return -1;
	t->lost = some;
	return 0;
}

static int
sparse_map(struct tar *t, const char *s)
{
	uint64_t offset, size;

	t->map.len = 0;
	while (*s) {
		s = digits(s, &offset);
		s = s && *s == ',' ? digits(s + 1, &size) : NULL;
		if (!s || (*s && *s != ','))
			return fail(t, "a map of a sparse file that cannot be read");
		if (piece(t, offset, size) < 0)
			return -1;
		s += *s == ',';
	}
	return 0;
}

static int
sparse_record(struct tar *t, const char *key, char *value)
{
	uint64_t n = 0;

	t->sparse = true;
	if (streq(key, "name")) {
		t->e.path = value;
		t->has_name = true;
	} else if (streq(key, "map")) {
		return sparse_map(t, value);
	} else if (!whole_number(value, INT64_MAX, &n)) {
		return fail(t, "a number in an extended header that cannot be read");
	} else if (streq(key, "size") || streq(key, "realsize")) {
		t->real = n;
	} else if (streq(key, "major")) {
		t->major = n;
	} else if (streq(key, "offset")) {
		t->odd = n;
		t->has_odd = true;
	} else if (streq(key, "numbytes") && t->has_odd) {
		t->has_odd = false;
		return piece(t, t->odd, n);
	}
	return 0;
}

/* the entry has what its header says already: an empty value leaves that */
static int
record(struct tar *t, char *key, char *value, size_t len)
{
	static const char words[] = "path|linkpath|size|uid|gid|mtime|SCHILY.acl.access|SCHILY.acl.default";
	int word = word_index(words, key);
	uint64_t n = 0;
	const char *rest;

	rest = after(key, "SCHILY.xattr.");
	if (rest) {
		unpercent(key, false);
		return xattr(t, (char *)rest, value, len);
	}
	rest = after(key, "LIBARCHIVE.xattr.");
	if (rest) {
		unpercent(key, true);
		return xattr(t, (char *)rest, value, unbase64(value, len));
	}
	rest = after(key, "GNU.sparse.");
	if ((word >= 0 || rest) && memchr(value, 0, len))
		return fail(t, "a zero byte in an extended header");
	if (rest)
		return sparse_record(t, rest, value);
	if (word >= 6)
		return acl(t, word == 7, value);
	if (len == 0 || word < 0)
		return 0;
	if (word == 0 && !t->has_name)
		t->e.path = value;
	if (word == 1)
		t->e.link = value;
	if (word == 5)
		return parse_time(value, &t->e.sec, &t->e.nsec) ? 0 : fail(t, "a time that cannot be read");
	if (word >= 2 && !whole_number(value, word == 2 ? INT64_MAX : UINT32_MAX - 1, &n))
		return fail(t, "a number in an extended header that cannot be read, or is too large");
	if (word == 2)
		return sizes(t, n);
	if (word == 3)
		t->e.uid = (uint32_t)n;
	if (word == 4)
		t->e.gid = (uint32_t)n;
	return 0;
}

/*
 * The records "LENGTH KEY=VALUE\n" of x from a byte on: taken, or, when keep is there, those of a global header that
 * have a meaning for all that follows added to it
 */
static int
records(struct tar *t, struct text *x, size_t from, struct text *keep)
{
	char *p = x->at + from, *end = x->at + x->len, *key, *value, *next;
	const char *behind;
	uint64_t len;

	for (; x->len > from && p < end; p = next) {
		behind = digits(p, &len);
		if (!behind || *behind != ' ' || len > (uint64_t)(end - p) || p + len < behind + 3 || p[len - 1] != '\n')
			return fail(t, "an extended header that cannot be read");
		next = p + len;
		key = (char *)behind + 1;
		value = memchr(key, '=', (size_t)(next - key));
		if (!value || memchr(key, 0, (size_t)(value - key)))
			return fail(t, "an extended header that cannot be read");
		*value++ = 0;
		if (!keep) {
			next[-1] = 0;
			if (record(t, key, value, (size_t)(next - 1 - value)) < 0)
				return -1;
		} else if (word_index("path|linkpath|size|uid|gid|mtime", key) >= 0) {
			value[-1] = '=';
			if (keep->len + len > GLOBAL_MOST)
				return fail(t, "its global headers are longer than anything needs");
			if (!add(keep, p, (size_t)len))
				return no_memory(t);
		}
	}
	return 0;
}

/* a text of a header that ends with its field, or a 0 before */
static char *
words(const uint8_t *head, size_t at, size_t len, char *to)
{
	len = strnlen((const char *)head + at, len);
	memcpy(to, head + at, len);
	to[len] = 0;
	return to + len;
}

/* pieces that a block has from a byte on: in octal, an empty one ends them */
static int
old_pieces(struct tar *t, const uint8_t *block, size_t at, int n)
{
	int64_t offset, size;

	for (; n-- > 0 && block[at + 12]; at += 24)
		if (!number(block, at, 12, &offset) || !number(block, at + 12, 12, &size) || offset < 0 || size < 0)
			return fail(t, "a map of a sparse file that cannot be read");
		else if (piece(t, (uint64_t)offset, (uint64_t)size) < 0)
			return -1;
	return 0;
}

static int
old_sparse(struct tar *t)
{
	uint8_t block[BLOCK];
	int64_t real;
	bool more = t->head[OLD_MORE];

	t->map.len = 0;
	if (!number(t->head, REALSIZE, &real) || real < 0)
		return fail(t, "a size that cannot be read");
	if (old_pieces(t, t->head, OLD_MAP, 4) < 0)
		return -1;
	while (more) {
		if (take(t, block, BLOCK) < 0 || old_pieces(t, block, 0, 21) < 0)
			return -1;
		more = block[EXT_MORE];
	}
	t->real = (uint64_t)real;
	t->sparse = true;
	return 0;
}

/* the map of GNU.sparse 1.0: lines of numbers before the data, the first says how many pieces follow */
static int
map_before_data(struct tar *t)
{
	char block[BLOCK + 1];
	uint64_t n = 0, offset = 0, lines = 0, all = 1;
	bool digit = false;
	size_t i;

	t->map.len = 0;
	while (lines < all) {
		if (t->left < BLOCK)
			return fail(t, "a map of a sparse file that ends too early");
		if (take(t, block, BLOCK) < 0)
			return -1;
		t->left -= BLOCK;
		for (i = 0; i < BLOCK && lines < all; i++) {
			if (block[i] >= '0' && block[i] <= '9' && n <= (INT64_MAX - 9) / 10) {
				n = n * 10 + (uint64_t)(block[i] - '0');
				digit = true;
				continue;
			}
			if (block[i] != '\n' || !digit || (lines == 0 && n > PIECES_MOST))
				return fail(t, "a map of a sparse file that cannot be read, or is too long");
			if (lines == 0)
				all = 1 + 2 * n;
			else if (lines % 2)
				offset = n;
			else if (piece(t, offset, n) < 0)
				return -1;
			lines++;
			n = 0;
			digit = false;
		}
	}
	return 0;
}

/* do pieces, file and data fit? */
static int
sparse(struct tar *t)
{
	const struct tar_piece *p;
	uint64_t end = 0, data = 0;
	size_t i;

	if (t->major > 1)
		return fail(t, "a sparse file of a form that is not known");
	if (t->major == 1 && map_before_data(t) < 0)
		return -1;
	t->e.npieces = t->map.len / sizeof(*p);
	if (!reserve(&t->map, 0))
		return no_memory(t);
	t->e.piece = (struct tar_piece *)(void *)t->map.at;
	t->e.size = t->real;
	for (i = 0; i < t->e.npieces; i++) {
		p = t->e.piece + i;
		if (p->offset < end || p->size > t->real || p->offset > t->real - p->size)
			return fail(t, "a map of a sparse file that contradicts itself");
		end = p->offset + p->size;
		data += p->size;
	}
	return data == t->left ? 0 : fail(t, "a map of a sparse file that does not fit its data");
}

/* what the header says, before extended ones have their word */
static int
plain(struct tar *t)
{
	struct tar_entry *e = &t->e;
	int64_t n[5];
	char *end = t->name;
	const bool posix = memcmp(t->head + MAGIC, "ustar", 6) == 0;

	e->type = (char)(t->head[TYPE] == 0 || t->head[TYPE] == '7' ? '0' : t->head[TYPE]);
	if (posix && t->head[345]) {
		/* star's have times behind a shorter one */
		end = memcmp(t->head + STAR, "tar", 4) == 0 ? words(t->head, 345, 131, end) : words(t->head, PREFIX, end);
		*end++ = '/';
	}
	words(t->head, NAME, end);
	words(t->head, LINKNAME, t->link);
	e->path = t->name;
	e->link = t->link;
	if (!number(t->head, MODE, n) || !number(t->head, UID, n + 1) || !number(t->head, GID, n + 2)
	    || !number(t->head, MTIME, n + 3) || !number(t->head, SIZE, n + 4))
		return fail(t, "a number in its header that cannot be read");
	if (n[1] < 0 || n[1] >= UINT32_MAX || n[2] < 0 || n[2] >= UINT32_MAX)
		return fail(t, "an owner that no file can have");
	e->mode = (uint32_t)n[0] & 07777;
	e->uid = (uint32_t)n[1];
	e->gid = (uint32_t)n[2];
	e->sec = n[3];
	if (e->type == '3' || e->type == '4') {
		if (!number(t->head, MAJOR, n) || !number(t->head, MINOR, n + 1)
		    || n[0] < 0 || n[0] > UINT32_MAX || n[1] < 0 || n[1] > UINT32_MAX)
			return fail(t, "a device number that cannot be read");
		e->major = (uint32_t)n[0];
		e->minor = (uint32_t)n[1];
	}
	return n[4] < 0 ? fail(t, "a size below zero") : sizes(t, (uint64_t)n[4]);
}

/* put it together: its header was read, and what stands before it */
static int
entry(struct tar *t)
{
	struct tar_entry *e = &t->e;
	size_t len;

	if (plain(t) < 0)
		return -1;
	if (t->longname.len > 0)
		e->path = t->longname.at;
	if (t->longlink.len > 0)
		e->link = t->longlink.at;
	if (records(t, &t->local, 0, NULL) < 0 || (e->type == 'S' && old_sparse(t) < 0))
		return -1;
	if (t->lost && !t->told)
		warn("ACLs in the archive name users or groups without their numbers: these are left out");
	t->told = t->told || t->lost;
	if (e->type == 'M')
		return fail(t, "it continues a file of an archive before it: archives in several volumes are not read");
	len = strlen(e->path);
	if (len > NAME_MOST || strlen(e->link) > NAME_MOST)
		return fail(t, "a name that is longer than anything needs");
	if (e->type == 'D' || (e->type == '0' && len > 0 && e->path[len - 1] == '/'))
		e->type = '5';
	else if (e->type == 'S')
		e->type = '0';
	/* of these a size is a hint, or that of the file that a link leads to */
	if (e->type >= '1' && e->type <= '6' && t->head[TYPE] == (uint8_t)e->type && sizes(t, 0) < 0)
		return -1;
	if (e->type == '0' && t->sparse)
		return sparse(t);
	e->size = t->left;
	return 0;
}

struct tar *
tar_open(struct stream *s)
{
	struct tar *t = xalloc(sizeof(*t));

	t->s = s;
	return t;
}

int
tar_next(struct tar *t, struct tar_entry **e)
{
	size_t from, had;
	int ret;

	if (t->why || pass_over(t) < 0)
		return -1;
	memset(&t->e, 0, sizeof(t->e));
	t->e.xattr = t->xattr;
	t->sparse = t->has_name = t->has_odd = t->lost = false;
	t->real = t->major = 0;
	t->longname.len = t->longlink.len = t->local.len = t->map.len = 0;
	if (!add(&t->local, t->global.at, t->global.len))
		return no_memory(t);
	for (;;) {
		ret = header(t);
		if (ret <= 0)
			return ret;
		from = t->local.len;
		switch (t->head[TYPE]) {
		case 'L':
			t->longname.len = 0;
			ret = hold(t, &t->longname, NAME_MOST);
			break;
		case 'K':
			t->longlink.len = 0;
			ret = hold(t, &t->longlink, NAME_MOST);
			break;
		case 'x':
		case 'X':
			ret = hold(t, &t->local, TEXT_MOST);
			break;
		case 'g':
			ret = hold(t, &t->local, TEXT_MOST);
			had = t->global.len;
			if (ret == 0)
				ret = records(t, &t->local, from, &t->global);
			t->local.len = from;
			if (ret == 0 && t->global.len > had && !add(&t->local, t->global.at + had, t->global.len - had))
				ret = no_memory(t);
			break;
		case 'V':
			ret = plain(t) < 0 ? -1 : pass_over(t);
			break;
		default:
			*e = &t->e;
			return entry(t) < 0 ? -1 : 1;
		}
		if (ret < 0)
			return -1;
	}
}

ssize_t
tar_data(struct tar *t, const uint8_t **at)
{
	uint64_t all = t->left + t->pad;
	ssize_t n;

	if (t->left == 0)
		return 0;
	/* whole blocks, so that pieces stay so */
	n = stream_get(t->s, at, all < 1 << 20 ? (size_t)all : 1 << 20);
	if (n <= 0)
		return fail(t, n < 0 ? stream_why(t->s) : "the archive ends too early");
	t->at += (uint64_t)n;
	if ((uint64_t)n > t->left) {
		t->pad -= (uint64_t)n - t->left;
		n = (ssize_t)t->left;
	}
	t->left -= (uint64_t)n;
	return n;
}

uint64_t
tar_at(const struct tar *t)
{
	return t->at;
}

const char *
tar_why(const struct tar *t)
{
	return t->why ? t->why : "";
}

void
tar_close(struct tar *t)
{
	free(t->global.at);
	free(t->local.at);
	free(t->longname.at);
	free(t->longlink.at);
	free(t->map.at);
	free(t->acl[0]);
	free(t->acl[1]);
	t->why = "closed";
}

/* ---- writing ----------------------------------------------------------------------------- */

/* a record; its length counts itself */
static bool
put_record(struct text *x, const char *key, const void *value, size_t len)
{
	const size_t body = strlen(key) + len + 3;
	size_t all = body + 1;
	char number[24];

	while ((size_t)snprintf(number, sizeof(number), "%zu", all) + body != all)
		all = body + strlen(number);
	return add(x, number, strlen(number)) && add(x, " ", 1) && add(x, key, strlen(key)) && add(x, "=", 1)
	    && add(x, value, len) && add(x, "\n", 1);
}

static bool
put_number(struct text *x, const char *key, uint64_t n)
{
	char number[24];

	return put_record(x, key, number, (size_t)snprintf(number, sizeof(number), "%llu", (unsigned long long)n));
}

static bool
put_time(struct text *x, int64_t sec, uint32_t nsec)
{
	char number[40];
	const bool minus = sec < 0;
	int n;

	if (minus && nsec > 0) {
		sec++;
		nsec = 1000000000 - nsec;
	}
	n = snprintf(number, sizeof(number), nsec ? "%s%llu.%09u" : "%s%llu", minus ? "-" : "",
	    (unsigned long long)(minus ? -(uint64_t)sec : (uint64_t)sec), (unsigned int)nsec);
	return put_record(x, "mtime", number, (size_t)n);
}

/* the kernel's form in words that GNU tar, bsdtar and star understand; false: no memory, or not understood */
static bool
put_acl(struct text *x, const char *key, const uint8_t *p, size_t size)
{
	static const char *const names[] = { "user", "user", "group", "group", "mask", "other" };
	struct text value = { NULL, 0, 0 };
	char word[64];
	size_t at, i;
	bool good = size >= 4 && size % 8 == 4;

	for (at = 4; good && at + 8 <= size; at += 8) {
		const unsigned int tag = p[at], perm = p[at + 2];
		const uint32_t id = p[at + 4] | (uint32_t)p[at + 5] << 8 | (uint32_t)p[at + 6] << 16 | (uint32_t)p[at + 7] << 24;

		for (i = 0; i < LEN(names) && tag != 1U << i; i++)
			;
		good = i < LEN(names);
		if (!good)
			break;
		snprintf(word, sizeof(word), "%s%s:", at > 4 ? "," : "", names[i]);
		if (tag == ACL_USER || tag == ACL_GROUP)
			snprintf(word + strlen(word), 12, "%u", (unsigned int)id);
		snprintf(word + strlen(word), 8, ":%c%c%c", perm & 4 ? 'r' : '-', perm & 2 ? 'w' : '-', perm & 1 ? 'x' : '-');
		good = add(&value, word, strlen(word));
	}
	good = good && put_record(x, key, value.at ? value.at : "", value.len);
	free(value.at);
	return good;
}

/* the name with "%" and "=" as %XX: a "=" would end it */
static bool
put_xattr(struct text *x, const struct tar_xattr *a)
{
	char key[16 + 3 * 256] = "SCHILY.xattr.", *to = key + strlen(key);
	const char *s;

	if (streq(a->name, "system.posix_acl_access"))
		return put_acl(x, "SCHILY.acl.access", a->value, a->size);
	if (streq(a->name, "system.posix_acl_default"))
		return put_acl(x, "SCHILY.acl.default", a->value, a->size);
	for (s = a->name; *s && to < key + sizeof(key) - 4; s++)
		if (*s == '%' || *s == '=')
			to += snprintf(to, 4, "%%%02X", (unsigned int)*s);
		else
			*to++ = *s;
	*to = 0;
	return put_record(x, key, a->value, a->size);
}

/* octal, ended with 0 or, where it needs that place, not; what does not fit is 0, and an extended header has it */
static bool
octal(uint8_t *head, size_t at, size_t len, uint64_t n)
{
	const bool fits = n >> 3 * (len - 1) == 0;
	size_t i;

	for (i = len - 1; i-- > 0; n >>= 3)
		head[at + i] = (uint8_t)('0' + (fits ? n & 7 : 0));
	head[at + len - 1] = 0;
	return fits;
}

static void
set(uint8_t *head, size_t at, size_t len, const char *s, size_t n)
{
	memcpy(head + at, s, n < len ? n : len);
}

/* name and prefix; false: it does not fit, and has its end only */
static bool
put_name(uint8_t *head, const char *s, size_t len)
{
	size_t cut;

	if (len <= 100) {
		set(head, NAME, s, len);
		return true;
	}
	for (cut = len - 101; cut < len - 1 && cut <= 155; cut++)
		if (s[cut] == '/' && cut > 0) {
			set(head, PREFIX, s, cut);
			set(head, NAME, s + cut + 1, len - cut - 1);
			return true;
		}
	set(head, NAME, s + len - 100, 100);
	return false;
}

static int
put_header(struct sink *s, uint8_t *head, char type)
{
	unsigned int sum = 0;
	size_t i;

	head[TYPE] = (uint8_t)type;
	memcpy(head + MAGIC, "ustar\00000", 8);
	memset(head + 148, ' ', 8);
	for (i = 0; i < BLOCK; i++)
		sum += head[i];
	octal(head, 148, 7, sum);
	return sink_put(s, head, BLOCK);
}

static int
put_text(struct sink *s, const struct text *x)
{
	return sink_put(s, x->at, x->len) < 0 ? -1 : tar_put_end(s, x->len);
}

/* the map of GNU.sparse 1.0; a hole at the end wants an empty piece behind it */
static bool
put_map(struct text *x, const struct tar_entry *e, uint64_t *data)
{
	const struct tar_piece last = { e->size, 0 };
	const bool hole = e->npieces == 0 || e->piece[e->npieces - 1].offset + e->piece[e->npieces - 1].size < e->size;
	const size_t n = e->npieces + hole;
	char line[48];
	bool good;
	size_t i;

	snprintf(line, sizeof(line), "%zu\n", n);
	good = add(x, line, strlen(line));
	for (i = 0, *data = 0; good && i < n; i++) {
		const struct tar_piece *p = i < e->npieces ? e->piece + i : &last;

		snprintf(line, sizeof(line), "%llu\n%llu\n", (unsigned long long)p->offset, (unsigned long long)p->size);
		good = add(x, line, strlen(line));
		*data += p->size;
	}
	return good;
}

/* the fields of a header; what does not fit goes to x. false: no memory */
static bool
compose(uint8_t *head, struct text *x, const struct tar_entry *e, uint64_t stored)
{
	const bool sparse = e->piece || e->npieces, is_link = e->type == '1' || e->type == '2';
	size_t len = strlen(e->path), i;
	struct text name = { NULL, 0, 0 };
	bool good = add(&name, sparse ? "GNUSparseFile.0/" : "", sparse ? 16 : 0) && add(&name, e->path, len);

	if (good && e->type == '5' && (len == 0 || e->path[len - 1] != '/'))
		good = add(&name, "/", 1);
	if (good && sparse)
		good = put_number(x, "GNU.sparse.major", 1) && put_number(x, "GNU.sparse.minor", 0)
		    && put_record(x, "GNU.sparse.name", e->path, len) && put_number(x, "GNU.sparse.realsize", e->size);
	if (good && !put_name(head, name.at, name.len)) {
		if (!utf8_valid(name.at, true))
			good = put_record(x, "hdrcharset", "BINARY", 6);
		good = good && put_record(x, "path", name.at, name.len);
	}
	free(name.at);
	if (good && is_link) {
		len = strlen(e->link);
		set(head, LINKNAME, e->link, len);
		good = len <= 100 || put_record(x, "linkpath", e->link, len);
	}
	octal(head, MODE, e->mode & 07777);
	if (good && !octal(head, UID, e->uid))
		good = put_number(x, "uid", e->uid);
	if (good && !octal(head, GID, e->gid))
		good = put_number(x, "gid", e->gid);
	if (good && !octal(head, SIZE, stored))
		good = put_number(x, "size", stored);
	if (good && (!octal(head, MTIME, e->sec < 0 ? UINT64_MAX : (uint64_t)e->sec) || e->nsec))
		good = put_time(x, e->sec, e->nsec);
	octal(head, MAJOR, e->type == '3' || e->type == '4' ? e->major : 0);
	octal(head, MINOR, e->type == '3' || e->type == '4' ? e->minor : 0);
	for (i = 0; good && i < e->nxattr; i++)
		good = put_xattr(x, e->xattr + i);
	return good;
}

int
tar_put(struct sink *s, const struct tar_entry *e)
{
	uint8_t head[BLOCK] = { 0 }, before[BLOCK] = { 0 };
	struct text x = { NULL, 0, 0 }, map = { NULL, 0, 0 };
	const char *base = strrchr(e->path, '/');
	uint64_t stored = e->type == '0' ? e->size : 0;
	int ret = -1;

	errno = ENOMEM;
	if (e->piece || e->npieces) {
		if (!put_map(&map, e, &stored))
			goto out;
		stored += map.len + -map.len % BLOCK;
	}
	if (!compose(head, &x, e, stored))
		goto out;
	if (x.len > 0) {
		base = base && base[1] ? base + 1 : "entry";
		snprintf((char *)before, 100, "PaxHeaders/%.80s", base);
		octal(before, MODE, 0644);
		octal(before, UID, 0);
		octal(before, GID, 0);
		octal(before, SIZE, x.len);
		octal(before, MTIME, 0);
		if (put_header(s, before, 'x') < 0 || put_text(s, &x) < 0)
			goto out;
	}
	ret = put_header(s, head, e->type) < 0 || (map.len > 0 && put_text(s, &map) < 0) ? -1 : 0;
out:
	free(x.at);
	free(map.at);
	return ret;
}

int
tar_put_end(struct sink *s, uint64_t size)
{
	return sink_zeros(s, -size % BLOCK);
}

int
tar_finish(struct sink *s)
{
	return sink_zeros(s, 2 * BLOCK);
}
