/* SPDX-License-Identifier: 0BSD */
/* with: util.c sys.c run.c known.c ring.c */
/*
 * What a console says: written to a ring and read again, by somebody who comes late, and after others wrote into its file;
 * then shown on a terminal, where nothing of it may be obeyed but colours, or as JSON, which each line must be
 */
#include <sys/syscall.h>

#include "../../attach.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* memory is never freed */
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

void
console_hold(struct run *r, bool on)
{
	(void)r;
	(void)on;
}

void
console_raw(struct run *r)
{
	(void)r;
}

int
console_unblocked(int fd)
{
	return fd;
}

/* a colour, as it is shown: the bytes of it, or 0 */
static size_t
colour(const char *s)
{
	size_t n = 0;

	if (s[0] == '\033' && s[1] == '[')
		n = 2 + strspn(s + 2, "0123456789;:");
	return n && s[n] == 'm' ? n + 1 : 0;
}

static void
check_shown(char *text, size_t len)
{
	size_t i, n;
	char *line;

	if (memchr(text, 0, len) || !utf8_valid(text, true))
		abort();
	if (view.mode == JSON) {
		while ((line = next_line(&text)))
			if (strncmp(line, "{\"time\":", 8) != 0 || !after(line + strlen(line) - 2, "\"}") || !utf8_valid(line, false))
				abort();
		return;
	}
	for (i = 0; i < len; i++) {
		n = view.colours ? colour(text + i) : 0;
		if (n)
			i += n - 1;
		else if (((unsigned char)text[i] < ' ' && !strchr(view.colours ? "\n\t\r\b" : "\n\t", text[i])) || text[i] == 0x7f
		         || (text[i] == (char)0xc2 && (unsigned char)text[i + 1] < 0xa0))
			abort();
	}
}

static int
file(void)
{
	int fd = (int)syscall(SYS_memfd_create, "file", 1);

	if (fd < 0)
		abort();
	return fd;
}

/* all that the ring has, by somebody whose place is at */
static void
show(struct ring *g, uint64_t at)
{
	struct stat st;
	char *text;

	view.state = GROUND;
	view.midline = false;
	view.nseq = view.nout = 0;
	if (ftruncate(1, 0) < 0 || lseek(1, 0, SEEK_SET) < 0)
		abort();
	show_all(&view, g, &at, true);
	if (view.midline)
		end_line(&view);
	flush(&view);
	if (fstat(1, &st) < 0)
		abort();
	text = calloc(1, (size_t)st.st_size + 2);
	if (!text || pread(1, text, (size_t)st.st_size, 0) != (ssize_t)st.st_size)
		abort();
	check_shown(text, (size_t)st.st_size);
	free(text);
}

/* what was written last is there, whole, as long as nobody else wrote */
static void
check_last(struct ring *g, uint64_t at, int kind, const uint8_t *data, size_t len)
{
	static char got[4096];
	struct record rec;
	uint64_t lost;

	if (ring_next(g, &at, &rec, got, sizeof(got), &lost) != 1 || lost || rec.kind != kind || rec.len != len || memcmp(got, data, len) != 0)
		abort();
}

/* bytes: how it is shown; and then, of each step: what, a length, that many */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	struct ring g, other;
	bool spoilt = false;
	uint64_t at;
	size_t len;
	int what;

	if (!begun && dup2(file(), 1) < 0)
		abort();
	begun = true;
	if (size < 2)
		return 0;
	view = (struct view){ .mode = *data & 1 ? JSON : *data & 2 ? SHORT : PLAIN, .clean = true, .colours = (*data & 3) == 0 && *data & 4,
	                      .host = "host", .tag = "name" };
	g = (struct ring){ .fd = file(), .size = 4096, .head = data[1], .tail = data[1], .born = data[1] };
	if (ftruncate(g.fd, 128 + 4096) < 0)
		abort();
	other.fd = g.fd;
	at = data[1];
	for (data += 2, size -= 2; size >= 2; data += len, size -= len) {
		what = data[0] % 8;
		len = data[1] * (what & 1 ? 8 : 1);
		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		if (what == 7) {  /* somebody else writes */
			spoilt = true;
			if (len > 2 && pwrite(g.fd, data + 2, len - 2, (data[0] << 8 | data[1]) % (4096 + 128)) < 0)
				abort();
			continue;
		}
		at = what == 6 ? g.tail : g.head;
		if (ring_write(&g, what == 5 ? RING_SUPERVISOR : what == 4 ? RING_START : what == 3 ? RING_END : RING_CONSOLE, data, len) < 0)
			break;
		if (!spoilt && what < 3 && len < 1000)
			check_last(&other, at, RING_CONSOLE, data, len);
	}
	if (g.head - g.tail > g.size || g.tail > g.head)
		abort();
	show(&other, 0);
	show(&other, at);
	close(g.fd);
	return 0;
}
