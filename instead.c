/* SPDX-License-Identifier: 0BSD */
/*
 * What stands in for libc, whose own callers get it, too: the same for what is asked here, in less code. What suits a
 * build without threads and with little to remember is for that alone
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util.h"
#include CONFIG

#if WITH_MACHINES || WITH_IMAGES || WITH_IMPORT || WITH_DISK || WITH_NETWORK || WITH_USERNS || WITH_LIMITS || WITH_OVERLAY || WITH_CHECK
#define LEAST 0
#elif defined __SANITIZE_ADDRESS__ || defined __GLIBC__
#define LEAST 0
#else
#define LEAST 1
#endif

/* ---- printf -------------------------------------------------------------- */

/* what vsnprintf writes: all is counted, and as much is kept as there is room for */
struct text { char *out; size_t room, len; };

static void
add_text(struct text *t, const char *s, size_t n)
{
	size_t left = t->room > t->len ? t->room - t->len : 0;

	if (left)  /* else there may be nothing to write to */
		memcpy(t->out + t->len, s, n < left ? n : left);
	t->len += n;
}

static void
add_times(struct text *t, char c, int n)
{
	for (; n > 0; n--)
		add_text(t, &c, 1);
}

/* a width or a precision */
static int
amount(const char **text, va_list *ap)
{
	int n = 0;

	if (**text == '*') {
		++*text;
		return va_arg(*ap, int);
	}
	for (; **text >= '0' && **text <= '9'; ++*text)
		n = n * 10 + **text - '0';
	return n;
}

/* as many bytes as the letters before the kind say */
static unsigned long long
integer(size_t size, bool negative, va_list *ap)
{
	unsigned long long n = size > sizeof(int) ? size > sizeof(long) ? va_arg(*ap, unsigned long long) :
		va_arg(*ap, unsigned long) : va_arg(*ap, unsigned int);
	unsigned int unused = (unsigned int)(sizeof(n) - size) * CHAR_BIT;

	return negative ? (unsigned long long)((long long)(n << unused) >> unused) : n << unused >> unused;
}

/* behind a "%", which t gets; where its text ends */
static const char *
conversion(struct text *t, const char *text, va_list *ap)
{
	static const struct { char letters[3]; uint8_t size; } sizes[] = {
		{ "hh", 1 }, { "h", sizeof(short) }, { "ll", 8 }, { "l", sizeof(long) }, { "z", sizeof(size_t) }, { "j", 8 },
		{ "t", sizeof(ptrdiff_t) },
	};
	const char *flags = text, *s;
	char digits[24], *at = digits + sizeof(digits), sign[3] = "", c;
	size_t nflags = strspn(text, "-+ #0"), size = sizeof(int), i;
	int width, precision = -1, zeros = 0, len;
	unsigned long long n;
	unsigned int base;
	bool left = memchr(flags, '-', nflags);

	text += nflags;
	width = amount(&text, ap);
	if (width < 0) {
		left = true;
		width = -width;
	}
	if (*text == '.') {
		text++;
		precision = amount(&text, ap);
	}
	for (i = 0; i < LEN(sizes); i++)
		if (strncmp(text, sizes[i].letters, strlen(sizes[i].letters)) == 0) {
			size = sizes[i].size;
			text += strlen(sizes[i].letters);
			break;
		}
	c = *text;
	if (c == 's' || c == 'c' || c == '%') {
		*digits = c == 'c' ? (char)va_arg(*ap, int) : c;
		s = c == 's' ? va_arg(*ap, const char *) : digits;
		if (!s)
			s = "(null)";
		len = c != 's' ? 1 : (int)(precision < 0 ? strlen(s) : strnlen(s, (size_t)precision));
	} else {
		base = c == 'o' ? 8 : c == 'x' || c == 'X' ? 16 : 10;
		n = integer(size, c == 'd' || c == 'i', ap);
		if ((c == 'd' || c == 'i') && (long long)n < 0) {
			n = -n;
			*sign = '-';
		} else if (c == 'd' || c == 'i') {
			*sign = memchr(flags, '+', nflags) ? '+' : memchr(flags, ' ', nflags) ? ' ' : 0;
		} else if (n && base == 16 && memchr(flags, '#', nflags)) {
			sign[0] = '0';
			sign[1] = c;
		}
		for (; n; n /= base)
			*--at = (c == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[n % base];
		s = at;
		len = (int)(digits + sizeof(digits) - at);
		zeros = (precision < 0 ? 1 : precision) - len;
		if (precision < 0 && !left && memchr(flags, '0', nflags) && width - (int)strlen(sign) - len > zeros)
			zeros = width - (int)strlen(sign) - len;
	}
	width -= len + (int)strlen(sign) + (zeros > 0 ? zeros : 0);
	if (!left)
		add_times(t, ' ', width);
	add_text(t, sign, strlen(sign));
	add_times(t, '0', zeros);
	add_text(t, s, (size_t)len);
	if (left)
		add_times(t, ' ', width);
	return text + 1;
}

/*
 * libc's knows floating point, positions and wide letters: 7 KB, and 15 where the processor has no such numbers. Ours:
 * d i u x X o c s %, with all flags, widths and sizes of those
 */
int
vsnprintf(char *out, size_t room, const char *text, va_list ap)
{
	struct text t = { out, room ? room - 1 : 0, 0 };
	va_list args;
	size_t len;

	va_copy(args, ap);
	while (*text) {
		len = strcspn(text, "%");
		add_text(&t, text, len);
		text += len;
		if (*text)
			text = conversion(&t, text + 1, &args);
	}
	va_end(args);
	if (room)
		out[t.len < t.room ? t.len : t.room] = 0;
	return t.len > INT_MAX ? -1 : (int)t.len;
}

int
snprintf(char *out, size_t room, const char *text, ...)
{
	va_list ap;
	int n;

	va_start(ap, text);
	n = vsnprintf(out, room, text, ap);
	va_end(ap);
	return n;
}

#ifndef __GLIBC__
/* ---- numbers and texts ----------------------------------------------------- */

static int
digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
}

/* most is the largest that is no error, of a negative one without its sign; then it is that */
static unsigned long long
number(const char *s, char **end, int base, unsigned long long most, bool is_signed)
{
	const char *start = s;
	unsigned long long n = 0;
	bool negative, beyond = false;
	int digit;

	s += strspn(s, " \t\n\v\f\r");
	negative = *s == '-';
	s += *s == '-' || *s == '+';
	if ((base == 0 || base == 16) && *s == '0' && (s[1] | 32) == 'x' && digit_of(s[2]) < 16) {
		s += 2;
		base = 16;
	}
	if (base == 0)
		base = *s == '0' ? 8 : 10;
	for (; (digit = digit_of(*s)) < base; s++) {
		start = NULL;
		beyond |= n > (ULLONG_MAX - (unsigned int)digit) / (unsigned int)base;
		n = n * (unsigned int)base + (unsigned int)digit;
	}
	if (end)
		*end = (char *)(uintptr_t)(start ? start : s);
	most += is_signed && negative;
	if (beyond || n > most) {
		errno = ERANGE;
		n = most;
		negative &= is_signed;
	}
	return negative ? -n : n;
}

long
strtol(const char *s, char **end, int base)
{
	return (long)number(s, end, base, LONG_MAX, true);
}

unsigned long
strtoul(const char *s, char **end, int base)
{
	return (unsigned long)number(s, end, base, ULONG_MAX, false);
}

long long
strtoll(const char *s, char **end, int base)
{
	return (long long)number(s, end, base, LLONG_MAX, true);
}

unsigned long long
strtoull(const char *s, char **end, int base)
{
	return number(s, end, base, ULLONG_MAX, false);
}

/* for lists that are short; libc's, for long ones, is 1.5 KB */
void
qsort(void *array, size_t n, size_t size, int (*order)(const void *, const void *))
{
	char *a, *b, *end = (char *)array + n * size, c;
	size_t step, gap, i;

	/* halves of halves would be slow for what is laid out against them, as by a guest that chooses names */
	for (step = n / 2; step; step = step == 2 ? 1 : step * 5 / 11)
		for (gap = step * size, b = (char *)array + gap; b < end; b += size)
			for (a = b; a - (char *)array >= (ptrdiff_t)gap && order(a - gap, a) > 0; a -= gap)
				for (i = 0; i < size; i++) {
					c = a[i];
					a[i] = a[i - gap];
					a[i - gap] = c;
				}
}

/* one that a short text is looked for with */
char *
strstr(const char *s, const char *part)
{
	size_t n = strlen(part);

	for (; strncmp(s, part, n) != 0; s++)
		if (!*s)
			return NULL;
	return (char *)(uintptr_t)s;
}

#endif
#if LEAST
/* ---- the least build ------------------------------------------------------- */

/*
 * Memory in pieces of powers of two, each behind its head. What is given back waits for the next of its size, and is
 * zeroed then
 */
struct piece {
	struct piece *next;
	size_t power;
} __attribute__((aligned(16)));
static struct piece *spare[sizeof(size_t) * CHAR_BIT];

void *
malloc(size_t size)
{
	enum { CHUNK = 1 << 16 };
	static char *chunk;
	static size_t left;
	struct piece *p;
	size_t power = 5, all;

	if (size > PTRDIFF_MAX / 4) {
		errno = ENOMEM;
		return NULL;
	}
	while (((size_t)1 << power) < size + sizeof(*p))
		power++;
	all = (size_t)1 << power;
	p = spare[power];
	if (p) {
		spare[power] = p->next;
		return memset(p + 1, 0, all - sizeof(*p));
	}
	if (left < all) {
		left = all > CHUNK ? all : CHUNK;
		chunk = mmap(NULL, left, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (chunk == MAP_FAILED) {
			left = 0;
			return NULL;
		}
	}
	p = (struct piece *)(void *)chunk;
	chunk += all;
	left -= all;
	p->power = power;
	return p + 1;
}

void
free(void *at)
{
	struct piece *p = (struct piece *)at - 1;

	if (!at)
		return;
	p->next = spare[p->power];
	spare[p->power] = p;
}

void *
calloc(size_t n, size_t size)
{
	return malloc(size && n > SIZE_MAX / size ? SIZE_MAX : n * size);
}

void *
realloc(void *at, size_t size)
{
	size_t had = at ? ((size_t)1 << ((struct piece *)at - 1)->power) - sizeof(struct piece) : 0;
	void *more = at && size <= had ? at : malloc(size);

	if (at && more && more != at) {
		memcpy(more, at, had);
		free(at);
	}
	return more;
}

static void (*at_exit[8])(void);
static size_t exits;

int
atexit(void (*fn)(void))
{
	if (exits == LEN(at_exit))
		return -1;
	at_exit[exits++] = fn;
	return 0;
}

/* nothing of stdio is used, so nothing of it waits to be written */
void
exit(int status)
{
	while (exits)
		at_exit[--exits]();
	_exit(status);
}

/* no threads, so no locks that a child would have to find open */
pid_t
fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* those that a start may well meet */
char *
strerror(int error)
{
	static const short errors[] = {
		EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, ENOEXEC, EBADF, EAGAIN, ENOMEM, EACCES, EBUSY, EEXIST, EXDEV,
		ENODEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, ETXTBSY, EFBIG, ENOSPC, EROFS, EPIPE, ENAMETOOLONG,
		ENOSYS, ENOTEMPTY, ELOOP, EOVERFLOW, EOPNOTSUPP, ETIMEDOUT, EUSERS, ESTALE,
	};
	static const char texts[] = "Operation not permitted\0No such file or directory\0No such process\0Interrupted system call\0"
		"I/O error\0No such device or address\0Argument list too long\0Exec format error\0Bad file descriptor\0"
		"Resource temporarily unavailable\0Out of memory\0Permission denied\0Resource busy\0File exists\0Cross-device link\0"
		"No such device\0Not a directory\0Is a directory\0Invalid argument\0Too many open files in system\0"
		"No file descriptors available\0Not a tty\0Text file busy\0File too large\0No space left on device\0"
		"Read-only file system\0Broken pipe\0Filename too long\0Function not implemented\0Directory not empty\0"
		"Symbolic link loop\0Value too large for data type\0Not supported\0Operation timed out\0Too many users\0Stale file handle";
	static char other[24];
	const char *text = texts;
	size_t i;

	for (i = 0; i < LEN(errors); i++, text += strlen(text) + 1)
		if (errors[i] == error)
			return (char *)(uintptr_t)text;
	snprintf(other, sizeof(other), "error %d", error);
	return other;
}

/* a run wants /proc, which knows. Of what is gone it says so behind the name */
char *
realpath(const char *restrict path, char *restrict real)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	char link[32];
	ssize_t n;

	if (!real)
		real = malloc(PATH_MAX);
	if (fd < 0 || !real)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, real, PATH_MAX - 1);
	close(fd);
	if (n < 0)
		return NULL;
	real[n] = 0;
	return *real == '/' && access(real, F_OK) == 0 ? real : NULL;
}

/* where NAME= of the environment stands, or its end */
static char **
variable(const char *name)
{
	size_t n = strlen(name);
	char **e;

	for (e = environ; *e; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			break;
	return e;
}

char *
getenv(const char *name)
{
	char *found = *variable(name);

	return found ? found + strlen(name) + 1 : NULL;
}

int
unsetenv(const char *name)
{
	char **e;

	for (e = variable(name); *e; e++)
		*e = e[1];
	return 0;
}

/* in place of what it was. Few are set, and none of them often */
int
setenv(const char *name, const char *value, int replace)
{
	size_t len = strlen(name) + strlen(value) + 2, n;
	char **more, *word = malloc(len);

	(void)replace;
	unsetenv(name);
	for (n = 0; environ[n]; n++)
		;
	more = malloc((n + 2) * sizeof(*more));
	if (!word || !more)
		return -1;
	snprintf(word, len, "%s=%s", name, value);
	memcpy(more, environ, n * sizeof(*more));
	more[n] = word;
	environ = more;
	return 0;
}

#if __SIZEOF_LONG__ == 8
int
clock_gettime(clockid_t which, struct timespec *t)
{
	return (int)syscall(SYS_clock_gettime, which, t);
}
#endif

/*
 * Rooms that are not part of it name these, though nobody calls them. Without ours libc's would come along, and they bring
 * what its own calls have to say to threads. Where somebody does call one, the linker misses this
 */
int nobody_calls_it(void);
#define NOBODY(type, name, ...) type name(__VA_ARGS__) { return nobody_calls_it(); }
NOBODY(int, pthread_create, pthread_t *restrict, const pthread_attr_t *restrict, void *(*)(void *), void *restrict)
NOBODY(int, pthread_join, pthread_t, void **)
NOBODY(int, pthread_cancel, pthread_t)
NOBODY(int, pthread_cond_wait, pthread_cond_t *restrict, pthread_mutex_t *restrict)
NOBODY(int, sem_timedwait, sem_t *restrict, const struct timespec *restrict)
NOBODY(int, getaddrinfo, const char *restrict, const char *restrict, const struct addrinfo *restrict, struct addrinfo **restrict)
#endif
