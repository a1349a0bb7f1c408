/* SPDX-License-Identifier: 0BSD */
/* with: util.c */
/* Archives: any bytes are one, or are none; what was read of them is written, and read again as it was */
#include <fcntl.h>
#include <unistd.h>

#include "../../tar.c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_options(void);

/* sentences are never freed; that the rest is, the end of memory would tell */
const char *
__lsan_default_options(void)
{
	return "detect_leaks=0";
}

/* stand in for other rooms: bytes in memory, in pieces that end in odd places */
struct stream { const uint8_t *at; size_t left; };
struct sink { struct text out; };

ssize_t
stream_get(struct stream *s, const uint8_t **at, size_t most)
{
	size_t n = s->left < most ? s->left : most;

	n = n > 1024 ? 1024 : n;
	*at = s->at;
	s->at += n;
	s->left -= n;
	return (ssize_t)n;
}

ssize_t
stream_read(struct stream *s, void *buf, size_t n)
{
	n = s->left < n ? s->left : n;
	if (n > 0)
		memcpy(buf, s->at, n);
	s->at += n;
	s->left -= n;
	return (ssize_t)n;
}

const char *
stream_why(const struct stream *s)
{
	(void)s;
	return "";
}

int
sink_put(struct sink *s, const void *data, size_t len)
{
	return add(&s->out, data, len) ? 0 : -1;
}

int
sink_zeros(struct sink *s, uint64_t len)
{
	for (; len > 0; len--)
		if (sink_put(s, "", 1) < 0)
			return -1;
	return 0;
}

static void
check(bool good)
{
	if (!good)
		abort();
}

static void
seed(const char *name, struct sink *s)
{
	char *path = fmt("%s/%s", getenv("SEEDS"), name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd >= 0 && write(fd, s->out.at, s->out.len) < 0)
		abort();
	drop(fd);
	s->out.len = 0;
}

static void
raw(struct sink *s, char type, const char *name, const char *data, size_t len)
{
	uint8_t head[BLOCK] = { 0 };

	memcpy(head, name, strlen(name));
	octal(head, MODE, 0644);
	octal(head, SIZE, len);
	if (type == 'S') {
		octal(head, OLD_MAP, 12, 512);
		octal(head, OLD_MAP + 12, 12, len);
		octal(head, REALSIZE, 4096);
	}
	put_header(s, head, type);
	sink_put(s, data, len);
	tar_put_end(s, len);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static uint8_t value[] = "value";
	static const char map[] = "60 GNU.sparse.map=0,1,100,2\n30 mtime=-1.5\n";
	struct tar_xattr x[] = { { "user.a=b", value, 5 } };
	struct tar_piece piece = { 512, 5 };
	struct tar_entry e = { .type = '0', .path = "a/b", .mode = 0644, .size = 5, .nsec = 5, .xattr = x, .nxattr = 1 };
	struct sink s = { { NULL, 0, 0 } };

	(void)argc;
	(void)argv;
	wirefd = open("/dev/null", O_WRONLY | O_CLOEXEC);  /* it need not say what it leaves out */
	if (!getenv("SEEDS"))
		return 0;
	tar_put(&s, &e);
	sink_put(&s, "hello", 5);
	tar_put_end(&s, 5);
	seed("file", &s);
	e.piece = &piece;
	e.npieces = 1;
	e.size = 4096;
	tar_put(&s, &e);
	sink_put(&s, "hello", 5);
	tar_put_end(&s, 5);
	seed("sparse", &s);
	raw(&s, 'L', "l", "a/long/name", 12);
	raw(&s, 'S', "s", "data", 4);
	seed("old", &s);
	raw(&s, 'g', "g", "18 comment=global\n", 18);
	raw(&s, 'x', "x", map, sizeof(map) - 1);
	raw(&s, '0', "0", "abc", 3);
	seed("pax", &s);
	raw(&s, 'x', "x", "41 SCHILY.acl.access=user:1:rwx,other::r\n", 41);
	raw(&s, '0', "0", "", 0);
	seed("acl", &s);
	raw(&s, 'x', "x", "32 LIBARCHIVE.xattr.user.a=YWJj\n", 32);
	raw(&s, '5', "0/", "", 0);
	seed("xattr", &s);
	free(s.out.at);
	return 0;
}

static uint64_t
data_of(const struct tar_entry *e)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < e->npieces; i++)
		n += e->piece[i].size;
	return e->piece ? n : e->type == '0' ? e->size : 0;
}

/* what was read of it is written, and read again */
static void
around(const struct tar_entry *e)
{
	struct sink out = { { NULL, 0, 0 } };
	struct stream in;
	struct tar *t = calloc(1, sizeof(*t));
	struct tar_entry *f;
	size_t len = strlen(e->path), i;

	check(t);
	if (e->type < '0' || e->type > '6' || len == 0 || e->path[len - 1] == '/' || e->sec > 1LL << 60 || e->sec < -(1LL << 60)
	    || e->major > 07777777 || e->minor > 07777777 || tar_put(&out, e) < 0)
		goto out;
	in = (struct stream){ (const uint8_t *)out.out.at, out.out.len };
	t->s = &in;
	/* both together may be longer than we read */
	if (tar_next(t, &f) != 1 && out.out.len > 60000)
		goto out;
	check(!t->why);
	check(f->type == e->type && f->mode == e->mode && f->uid == e->uid && f->gid == e->gid);
	check(f->sec == e->sec && f->nsec == e->nsec && data_of(f) == data_of(e));
	check(strncmp(f->path, e->path, len) == 0 && (f->path[len] == 0 || (e->type == '5' && streq(f->path + len, "/"))));
	check((e->type != '1' && e->type != '2') || streq(f->link, e->link));
	check(e->type != '0' || (f->size == e->size && !f->piece == !e->piece));
	for (i = 0; i < e->nxattr; i++)
		if (!after(e->xattr[i].name, "system.") && strlen(e->xattr[i].name) < 200) {
			size_t j;

			for (j = 0; j < f->nxattr && !streq(f->xattr[j].name, e->xattr[i].name); j++)
				;
			check(j < f->nxattr && f->xattr[j].size == e->xattr[i].size
			    && memcmp(f->xattr[j].value, e->xattr[i].value, f->xattr[j].size) == 0);
		}
out:
	tar_close(t);
	free(t);
	free(out.out.at);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	struct stream s = { copy, size };
	struct tar *t = calloc(1, sizeof(*t));
	struct tar_entry *e;
	const uint8_t *at;
	size_t i;
	volatile uint8_t sum = 0;
	ssize_t n;

	check(copy && t);
	memcpy(copy, data, size);
	/* sums that nobody guesses */
	for (i = 0; i + BLOCK <= size; i += BLOCK)
		if (copy[i + MAGIC] == 'u') {
			unsigned int all = 0;
			size_t j;

			memset(copy + i + 148, ' ', 8);
			for (j = 0; j < BLOCK; j++)
				all += copy[i + j];
			octal(copy + i, 148, 7, all);
		}
	t->s = &s;
	while (tar_next(t, &e) == 1) {
		for (i = 0; i < e->nxattr; i++)
			sum ^= e->xattr[i].size ? e->xattr[i].value[e->xattr[i].size - 1] : 0;
		around(e);
		if (sum & 1)
			while ((n = tar_data(t, &at)) > 0)
				sum ^= at[n - 1];
	}
	tar_close(t);
	free(t);
	free(copy);
	return 0;
}
