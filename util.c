/* SPDX-License-Identifier: 0BSD */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

const char *speaker = "nspawn-lite: ";
const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec", days[] = "SunMonTueWedThuFriSat";
bool verbose, mute;
int wirefd = -1;
bool (*overheard)(int kind, const char *text);

static void
put(int fd, const char *s, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, s, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			mute = true;
			return;
		}
		s += n;
		len -= (size_t)n;
	}
}

/* names and values of others stand in it: nothing that a terminal obeys gets out */
void
tame(char *s)
{
	bool valid = utf8_valid(s, true);  /* else one byte alone may be such, to terminals that are old */
	unsigned char *c;

	for (c = (unsigned char *)s; *c; c++)
		if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			*c = c[1] = '?';
		else if (*c < 0x20 || *c == 0x7f || (!valid && *c >= 0x80 && *c < 0xa0))
			*c = '?';
}

const char *
error_text(int error)
{
	const char *text = strerror(error);

	/* a child that speaks by the wire is not who was called: the payload's user need not be root */
	return wirefd < 0 && (error == EACCES || error == EPERM) && geteuid() != 0 ? fmt("%s (we are not root)", text) : text;
}

/* One line, at once, whoever speaks. A child hands it to the supervisor: the terminal is not its own */
void
vsay(int kind, int status, const char *text, va_list ap)
{
	char line[NOTE_MAX];
	size_t len, head;
	int saved = errno;
	size_t end = strlen(text);
	bool reason = end > 0 && text[end - 1] == ':';

	head = 0;
	if (wirefd >= 0) {
		line[head++] = (char)kind;
		line[head++] = (char)status;
	} else {
		snprintf(line, sizeof(line) / 2, "%s", speaker);
		head = strlen(line);
	}
	vsnprintf(line + head, sizeof(line) - head - 2, text, ap);
	len = head + strlen(line + head);
	if (reason)
		snprintf(line + len, sizeof(line) - len - 2, " %s", error_text(saved));
	len += strlen(line + len);
	tame(line + head);
	if (wirefd >= 0) {
		/* a filter of system calls may leave us only the second, in the last moments before exec */
		if (send(wirefd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && (errno == EPERM || errno == ENOSYS))
			(void)!write(wirefd, line, len);
	} else {
		if (!overheard || !overheard(kind, line + head)) {
			line[len++] = '\n';
			put(2, line, len);
		}
	}
	errno = saved;
}

static _Noreturn void
leave(int status)
{
	if (wirefd >= 0)
		_exit(status);  /* the undo list is the supervisor's */
	exit(status);
}

void
die(const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	vsay(NOTE_DEATH, FAIL, text, ap);
	va_end(ap);
	leave(FAIL);
}

void
die_with(int status, const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	vsay(NOTE_DEATH, status, text, ap);
	va_end(ap);
	leave(status);
}

char *
lacks(const char *what, const char *option)
{
	return fmt("this kernel has no %s (CONFIG_%s)", what, option);
}

void
warn(const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	vsay(NOTE_WARN, 0, text, ap);
	va_end(ap);
}

void
say(const char *text, ...)
{
	va_list ap;

	if (!verbose)
		return;
	va_start(ap, text);
	vsay(NOTE_SAY, 0, text, ap);
	va_end(ap);
}

void
print(int fd, const char *text, ...)
{
	va_list ap;
	char small[512], *s = small;
	int n;

	va_start(ap, text);
	n = vsnprintf(small, sizeof(small), text, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(small)) {
		s = xalloc((size_t)n + 1);
		va_start(ap, text);
		vsnprintf(s, (size_t)n + 1, text, ap);
		va_end(ap);
	}
	put(fd, s, (size_t)n);
}

/* who reads for a stream may ask from a thread of its own */
static void *
take(char *from, size_t room, size_t *used, size_t size)
{
	size_t at;

	if (size > room || __atomic_load_n(used, __ATOMIC_RELAXED) > room - size)
		return NULL;
	at = __atomic_fetch_add(used, size, __ATOMIC_RELAXED);
	return at <= room - size ? from + at : NULL;
}

/*
 * From rooms that cost no system call: a start needs some kilobytes. What is small lies close together; of what is large
 * a part may never be touched, and takes no memory
 */
void *
xalloc(size_t size)
{
	enum { LARGE = 8192 };
	static char pool[20480] __attribute__((aligned(4096))), large[192 << 10] __attribute__((aligned(4096)));
	static size_t used, large_used;
	void *p;

	size = (size + 15) & ~(size_t)15;
	p = size < LARGE ? take(pool, sizeof(pool), &used, size) : take(large, sizeof(large), &large_used, size);
	if (!p)
		p = calloc(1, size);
	if (!p)
		die("out of memory");
	return p;
}

static char scratch[1 << 20] __attribute__((aligned(4096)));
static size_t scratched;

void *
scratch_room(void **place, size_t size)
{
	if (!*place)
		*place = take(scratch, sizeof(scratch), &scratched, (size + 63) & ~(size_t)63);
	return *place ? *place : (*place = xalloc(size));
}

void
scratch_empty(void)
{
	uintptr_t page = getauxval(AT_PAGESZ), from = ((uintptr_t)scratch + page - 1) & ~(page - 1);
	uintptr_t to = (uintptr_t)(scratch + sizeof(scratch)) & ~(page - 1);

	if (to > from)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

char *
xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xalloc(n), s, n);
}

char *
xstrndup(const char *s, size_t n)
{
	n = strnlen(s, n);
	return memcpy(xalloc(n + 1), s, n);
}

char *
vfmt(const char *text, va_list ap)
{
	va_list again;
	char *s;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, text, again);
	va_end(again);
	if (n < 0)
		die("format:");
	s = xalloc((size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, text, ap);
	return s;
}

char *
fmt(const char *text, ...)
{
	va_list ap;
	char *s;

	va_start(ap, text);
	s = vfmt(text, ap);
	va_end(ap);
	return s;
}

void *
room_for_one(void *array, size_t n, size_t size)
{
	void *more;

	if (n & (n - 1))
		return array;
	more = xalloc((n ? 2 * n : 1) * size);
	return n ? memcpy(more, array, n * size) : more;
}

size_t
count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* Room comes in powers of two; a full list is one whose length is such a power */
void
grow(char ***list, const char *word)
{
	size_t n = count(*list);
	char **more;

	if (!*list || ((n + 1) >= 4 && ((n + 1) & n) == 0)) {
		more = xalloc((n < 3 ? 4 : 2 * (n + 1)) * sizeof(*more));
		if (n)
			memcpy(more, *list, n * sizeof(*more));
		*list = more;
	}
	(*list)[n] = (char *)(uintptr_t)word;
	(*list)[n + 1] = NULL;
}

const char *
behind(const char *word)
{
	return word + strlen(word) + 1;
}

bool
streq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

const char *
after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

int
parse_bool(const char *s)
{
	static const char *const words[] = {
		"no", "yes", "n", "y", "false", "true", "f", "t", "0", "1", "off", "on",
	};
	size_t i;

	for (i = 0; i < LEN(words); i++)
		if (strcasecmp(s, words[i]) == 0)
			return (int)(i & 1);
	return -1;
}

bool
parse_number(const char *s, long long min, long long max, long long *out)
{
	char *end;
	long long n;

	if (*s != '-' && (*s < '0' || *s > '9'))
		return false;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (errno || end == s || *end || n < min || n > max)
		return false;
	*out = n;
	return true;
}

bool
parse_size(const char *s, uint64_t *out)
{
	static const char units[] = "KMGTPE";
	const char *unit;
	uint64_t n, part = 0, whole = 1;
	char *end;
	int shift = 0, low;

	if (streq(s, "infinity")) {
		*out = UINT64_MAX;
		return true;
	}
	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno)
		return false;
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++)
			if (whole < 1000000000) {
				part = part * 10 + (uint64_t)(*end - '0');
				whole *= 10;
			}
	if (*end && (unit = strchr(units, *end)) != NULL) {
		shift = 10 * (int)(unit - units + 1);
		end++;
	}
	if (*end == 'B')
		end++;
	if (*end || (shift && n > UINT64_MAX >> shift))
		return false;
	low = shift < 30 ? shift : 30;  /* or it would not fit */
	*out = (n << shift) + (((part << low) / whole) << (shift - low));
	return true;
}

/* strict about digits: sscanf(3) would take blanks and signs for some */
static int
unescape_number(const char *s, int base, int digits)
{
	int i, n = 0, d;

	for (i = 0; i < digits; i++) {
		d = s[i] >= '0' && s[i] <= '9' ? s[i] - '0' : s[i] >= 'a' && s[i] <= 'f' ? s[i] - 'a' + 10
		  : s[i] >= 'A' && s[i] <= 'F' ? s[i] - 'A' + 10 : 16;
		if (d >= base)
			return -1;
		n = n * base + d;
	}
	return n > 0 && n < 256 ? n : -1;
}

int
unescape(const char **s)
{
	static const char names[] = "abfnrtv\\\"'s", bytes[] = "\a\b\f\n\r\t\v\\\"' ";
	const char *at = **s ? strchr(names, **s) : NULL;
	int byte;

	if (at)
		return bytes[at - names];
	byte = **s == 'x' ? unescape_number(*s + 1, 16, 2) : unescape_number(*s, 8, 3);
	*s += byte > 0 ? 2 : 0;
	return byte;
}

int
word_index(const char *words, const char *s)
{
	size_t n, len = strlen(s);
	int i;

	for (i = 0; *words; i++) {
		n = strcspn(words, "|");
		if (n == len && memcmp(words, s, n) == 0)
			return i;
		words += n + (words[n] == '|');
	}
	return -1;
}

bool
utf8_valid(const char *s, bool controls)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c;
	int more;

	while (*p) {
		c = *p++;
		more = c < 0x80 ? 0 : (c & 0xe0) == 0xc0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : (c & 0xf8) == 0xf0 ? 3 : -1;
		if (more < 0 || (!controls && (c < 0x20 || c == 0x7f)))
			return false;
		if (more > 0) {
			static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
			int i;

			c &= 0x3fu >> more;
			for (i = 0; i < more; i++, p++) {
				if ((*p & 0xc0) != 0x80)
					return false;
				c = c << 6 | (*p & 0x3fu);
			}
			if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (!controls && c < 0xa0))
				return false;
		}
	}
	return true;
}

bool
name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* labels of a host name; "_" too, which the original's manual allows and its code does not */
bool
name_valid(const char *name)
{
	const char *c;

	if (!*name || strlen(name) > NAME_LONGEST)
		return false;
	for (c = name; *c; c++) {
		if (!name_char(*c) && *c != '.')
			return false;
		if ((*c == '-' || *c == '.') && (c == name || c[-1] == '.'))
			return false;
		if (*c == '-' && (!c[1] || c[1] == '.'))
			return false;
	}
	return c[-1] != '.';
}

bool
utf8_clean(const char *s)
{
	return utf8_valid(s, false);
}

int
drop(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return -1;
}

ssize_t
read_all(int fd, char *buf, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while (got < size - 1) {
		n = read(fd, buf + got, size - 1 - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	buf[got] = 0;
	return (ssize_t)got;
}

char *
read_whole(int fd, size_t most, size_t *len)
{
	size_t room = most + 2;
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return NULL;
	/* of pipes, which "-" and "/dev/stdin" may be, nobody knows it */
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size <= most)
		room = (size_t)st.st_size + 2;
	text = xalloc(room);
	n = read_all(fd, text, room);
	errno = n > (ssize_t)most ? EFBIG : errno;
	*len = (size_t)n;
	return n < 0 || n > (ssize_t)most ? NULL : text;
}

ssize_t
read_at(int dir, const char *path, char *buf, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -1;
	do
		n = read(fd, buf, size - 1);
	while (n < 0 && errno == EINTR);
	drop(fd);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

/* in one write: half a value is none */
static int
write_whole(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n = write(fd, text, len);

	if (n >= 0 && (size_t)n != len)
		errno = ENOSPC;
	return n == (ssize_t)len ? 0 : -1;
}

int
write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;
	ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR && !halted)
			n = 0;
		if (n < 0)
			return -1;
	}
	return 0;
}

static int
open_new(int dir, const char *path, mode_t mode)
{
	return openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
}

int
write_open(int dir, const char *path, mode_t mode, const char *text)
{
	int fd = open_new(dir, path, mode);

	return fd < 0 ? -1 : write_whole(fd, text);
}

int
write_at(int dir, const char *path, mode_t mode, const char *text)
{
	int fd = open_new(dir, path, mode);
	int ret = fd < 0 ? -1 : write_whole(fd, text);

	drop(fd);
	return ret;
}

int
put_at(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	int ret = fd < 0 ? -1 : write_whole(fd, text);

	drop(fd);
	return ret;
}

char *
next_line(char **text)
{
	char *line = *text;
	size_t n;

	if (!line || !*line)
		return NULL;
	n = strcspn(line, "\n");
	*text = line + n + (line[n] == '\n');
	line[n] = 0;
	return line;
}

volatile int halted;

static void
halt_now(int sig)
{
	halted = sig;
}

void
halt_by_signal(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction a = { .sa_handler = halt_now }, was;
	size_t i;

	for (i = 0; i < LEN(signals); i++)
		if (sigaction(signals[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
			sigaction(signals[i], &a, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
random_bytes(void *buf, size_t size)
{
	int fd;

	/* 3.17; a device that has just booted may have no seed yet, and shall not wait for one */
	if (getrandom(buf, size, GRND_NONBLOCK) == (ssize_t)size)
		return;
	fd = openat(AT_FDCWD, "/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, buf, size) == (ssize_t)size) {
		close(fd);
		return;
	}
	drop(fd);
	/* no seed, no /dev: an id that differs from the others is all that is left to want */
	{
		struct { struct timespec t; pid_t pid; } seed = { .pid = getpid() };
		static uint8_t key[16];
		uint64_t h;
		size_t i;

		clock_gettime(CLOCK_MONOTONIC, &seed.t);
		for (i = 0; i < size; i++) {
			h = siphash24(&seed, sizeof(seed), key);
			memcpy(key, &h, sizeof(h));
			((uint8_t *)buf)[i] = (uint8_t)h;
		}
	}
}

static uint64_t
rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static void
sipround(uint64_t v[4])
{
	v[0] += v[1]; v[1] = rotl(v[1], 13); v[1] ^= v[0]; v[0] = rotl(v[0], 32);
	v[2] += v[3]; v[3] = rotl(v[3], 16); v[3] ^= v[2];
	v[0] += v[3]; v[3] = rotl(v[3], 21); v[3] ^= v[0];
	v[2] += v[1]; v[1] = rotl(v[1], 17); v[1] ^= v[2]; v[2] = rotl(v[2], 32);
}

static uint64_t
little64(const uint8_t *p, size_t n)
{
	uint64_t x = 0;
	size_t i;

	for (i = 0; i < n; i++)
		x |= (uint64_t)p[i] << (8 * i);
	return x;
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012 */
uint64_t
siphash24(const void *data, size_t len, const uint8_t key[16])
{
	const uint8_t *p = data;
	uint64_t k0 = little64(key, 8), k1 = little64(key + 8, 8), m;
	uint64_t v[4] = {
		k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
		k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573,
	};
	size_t i;

	for (i = 0; i <= len; i += 8) {
		m = i + 8 <= len ? little64(p + i, 8) : little64(p + i, len - i) | (uint64_t)len << 56;
		v[3] ^= m;
		sipround(v);
		sipround(v);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sipround(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
	     : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
parse_id128(const char *s, uint8_t id[16])
{
	bool dashes = strlen(s) == 36;
	int i, hi, lo;

	if (!dashes && strlen(s) != 32)
		return false;
	for (i = 0; i < 16; i++) {
		if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) && *s++ != '-')
			return false;
		hi = hex_digit(*s++);
		lo = hi < 0 ? -1 : hex_digit(*s++);
		if (lo < 0)
			return false;
		id[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

static void
format_hex(const uint8_t id[16], char *out, bool dashes)
{
	static const char digits[] = "0123456789abcdef";
	int i;

	for (i = 0; i < 16; i++) {
		if (dashes && (i == 4 || i == 6 || i == 8 || i == 10))
			*out++ = '-';
		*out++ = digits[id[i] >> 4];
		*out++ = digits[id[i] & 15];
	}
	*out = 0;
}

void
format_uuid(const uint8_t id[16], char out[37])
{
	format_hex(id, out, true);
}

void
format_id128(const uint8_t id[16], char out[33])
{
	format_hex(id, out, false);
}
