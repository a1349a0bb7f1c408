/* SPDX-License-Identifier: 0BSD */
/* Bytes in and out, packed or not */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util.h"
#include CONFIG
#if WITH_ZLIB
#include <zlib.h>
#endif
#if WITH_ISAL
#include <isa-l/igzip_lib.h>
#endif

const char *const pack_names[PACK_KINDS] = { "uncompressed", "gzip", "xz", "bzip2", "zstd" };
const char *const pack_suffixes[PACK_KINDS] = { "", ".gz", ".xz", ".bz2", ".zst" };

enum {
	ROOM = 128 << 10,  /* of a buffer: a multiple of 512 */
	BUFFERS = 4,       /* between two threads */
	IN = 64 << 10,     /* of what is packed */
	WORDS = 200,
};

int
pack_by_magic(const void *data, size_t len)
{
	static const struct { const char *magic; size_t len; int pack; } kinds[] = {
		{ "\x1f\x8b", 2, PACK_GZIP }, { "\xfd" "7zXZ", 6, PACK_XZ }, { "BZh", 3, PACK_BZIP2 },
		{ "\x28\xb5\x2f\xfd", 4, PACK_ZSTD },
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
		{ ".gz", PACK_GZIP }, { ".tgz", PACK_GZIP }, { ".taz", PACK_GZIP }, { ".xz", PACK_XZ }, { ".txz", PACK_XZ },
		{ ".bz2", PACK_BZIP2 }, { ".tbz2", PACK_BZIP2 }, { ".tbz", PACK_BZIP2 }, { ".zst", PACK_ZSTD },
		{ ".tzst", PACK_ZSTD },
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

static void *
room_for(size_t size)
{
	void *p = malloc(size);

	if (!p)
		die("out of memory");
	return p;
}

/* signals are the first thread's affair: there a call that waits shall end by them */
static bool
start_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
	sigset_t all, was;
	bool up;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	up = pthread_create(t, NULL, fn, arg) == 0;
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return up;
}

/* no words for an errno of ours, and none of a thread's are to be fresh ones */
static const char *
reason(void)
{
	return errno == EINTR ? "interrupted" : strerror(errno);
}

/* ---- programs ------------------------------------------------------------------- */

struct start { const char *path; char *const *argv; int fds[3]; pid_t parent; };

static int
become(void *arg)
{
	struct start *s = arg;
	sigset_t none;
	int i;

	/* first out of the way of one another: any of them may be 0 to 2 */
	for (i = 0; i < 3; i++) {
		s->fds[i] = s->fds[i] < 0 ? open("/dev/null", O_RDWR) : s->fds[i];
		s->fds[i] = fcntl(s->fds[i], F_DUPFD, 3);
	}
	for (i = 0; i < 3; i++)
		if (dup2(s->fds[i], i) < 0)
			_exit(CANNOT_EXEC);
	sys_close_but(3, NULL, 0);
	for (i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != s->parent)
		_exit(CANNOT_EXEC);
	execv(s->path, s->argv);
	_exit(errno == ENOENT ? NOT_FOUND : CANNOT_EXEC);
}

char *
program_find(const char *name)
{
	const char *at = getenv("PATH");
	char *path;
	size_t n;

	for (at = at ? at : "/usr/sbin:/usr/bin:/sbin:/bin"; ; at += n + 1) {
		n = strcspn(at, ":");
		path = fmt("%.*s/%s", (int)n, at, name);
		if (n > 0 && access(path, X_OK) == 0)
			return path;
		if (!at[n])
			return NULL;
	}
}

pid_t
program_start(char *const argv[], int in, int out, int err)
{
	struct start s = { .argv = argv, .fds = { in, out, err }, .parent = getpid(), .path = program_find(argv[0]) };
	pid_t pid;

	if (!s.path) {
		errno = ENOENT;
		return -1;
	}
	pid = fork();
	if (pid == 0)
		become(&s);
	return pid;
}

int
program_end(pid_t pid, const char *name, char *words, size_t size)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			snprintf(words, size, "%s: %s", name, strerror(errno));
			return -1;
		}
		if (halted)
			kill(pid, SIGKILL);
	}
	if (WIFSIGNALED(status))
		snprintf(words, size, "%s was killed by signal %d", name, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		snprintf(words, size, "%s ended with status %d", name, WEXITSTATUS(status));
	return WIFSIGNALED(status) ? -1 : WEXITSTATUS(status);
}

/* a program between us and the data */
struct filter {
	const char *name;
	pid_t pid;         /* 0: none */
	int in, out, err;  /* our ends: -1 is closed */
	char said[WORDS / 2];
	size_t nsaid;
};

static void
filter_close(struct filter *f)
{
	f->in = drop(f->in);
	f->out = drop(f->out);
	f->err = drop(f->err);
}

/* unpack, or pack to an fd. false: why */
static bool
filter_open(struct filter *f, int pack, int to, int level, char *why)
{
	static const struct { const char *suffix, *unpack[4], *pack[4]; } filters[] = { FILTERS };
	char *argv[6] = { NULL }, number[8];
	int p[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	size_t i, k = 0, n = 0;

	while (k < LEN(filters) && !streq(filters[k].suffix, pack_suffixes[pack]))
		k++;
	if (k == LEN(filters)) {
		snprintf(why, WORDS, "there is no program for %s here: see FILTERS in config.h", pack_names[pack]);
		return false;
	}
	for (i = 0; i < 4; i++) {
		const char *word = to < 0 ? filters[k].unpack[i] : filters[k].pack[i];

		if (!word)
			break;
		argv[n++] = (char *)(uintptr_t)word;
		if (i == 0 && to >= 0 && level > 0) {
			snprintf(number, sizeof(number), "-%d", level % 100);
			argv[n++] = number;
		}
	}
	f->name = argv[0];
	f->in = f->out = f->err = -1;
	if (pipe2(p[0], O_CLOEXEC) == 0 && pipe2(p[2], O_CLOEXEC) == 0 && (to >= 0 || pipe2(p[1], O_CLOEXEC) == 0)) {
		f->pid = program_start(argv, p[0][0], to < 0 ? p[1][1] : to, p[2][1]);
		f->in = p[0][1];
		f->out = p[1][0];
		f->err = p[2][0];
		fcntl(f->in, F_SETFL, O_NONBLOCK);
		fcntl(f->err, F_SETFL, O_NONBLOCK);
	} else {
		f->pid = -1;
		drop(p[0][1]);
		drop(p[2][0]);
	}
	drop(p[0][0]);
	drop(p[1][1]);
	drop(p[2][1]);
	if (f->pid > 0)
		return true;
	f->pid = 0;
	if (errno == ENOENT)
		snprintf(why, WORDS, "it is packed with %s, and there is no program %s in PATH", pack_names[pack], f->name);
	else
		snprintf(why, WORDS, "start %s: %s", f->name, strerror(errno));
	filter_close(f);
	return false;
}

/* its words; the first of them are kept */
static void
filter_hear(struct filter *f)
{
	char more[512];
	ssize_t n;

	while (f->err >= 0 && (n = read(f->err, more, sizeof(more))) != 0) {
		size_t room = sizeof(f->said) - 1 - f->nsaid;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		room = (size_t)n < room ? (size_t)n : room;
		memcpy(f->said + f->nsaid, more, room);
		f->nsaid += room;
	}
	f->err = drop(f->err);
}

/* wait until it takes of data, or has something: how much. -1 with errno: EINTR; in and out are -1 when it is through with them */
static int
filter_talk(struct filter *f, const uint8_t *data, size_t len, size_t *given, uint8_t *to, size_t room, size_t *got)
{
	struct pollfd p[] = {
		{ .fd = len ? f->in : -1, .events = POLLOUT }, { .fd = f->out, .events = POLLIN }, { .fd = f->err, .events = POLLIN },
	};
	ssize_t n;

	*given = *got = 0;
	/* a signal may come just before we wait, so it ends now and then */
	if (halted || (poll(p, LEN(p), 500) < 0 && errno != EINTR)) {
		errno = halted ? EINTR : errno;
		return -1;
	}
	if (p[2].revents)
		filter_hear(f);
	if (p[0].revents) {
		n = write(f->in, data, len);
		if (n > 0)
			*given = (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			f->in = drop(f->in);
	}
	if (p[1].revents) {
		n = read(f->out, to, room);
		if (n > 0)
			*got = (size_t)n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			f->out = drop(f->out);
	}
	return 0;
}

/* 0, or its status or -1: why. It ends with what it said first */
static int
filter_end(struct filter *f, char *why)
{
	char *line, *words = f->said;
	pid_t pid = f->pid;
	int ret;

	f->in = drop(f->in);
	f->out = drop(f->out);
	ret = pid ? program_end(pid, f->name, why, WORDS) : 0;
	f->pid = 0;
	filter_hear(f);
	f->err = drop(f->err);
	if (ret == 0)
		return 0;
	if (halted) {
		snprintf(why, WORDS, "interrupted");
		return -1;
	}
	f->said[f->nsaid] = 0;
	for (line = f->said; *line; line++)
		*line = *line == '\r' ? '\n' : *line;
	while ((line = next_line(&words)))
		if (*line) {
			snprintf(why + strlen(why), WORDS - strlen(why), ": %s", line);
			break;
		}
	return ret;
}

static void
filter_kill(struct filter *f)
{
	char words[WORDS];

	filter_close(f);
	if (f->pid)
		kill(f->pid, SIGKILL);
	if (f->pid)
		program_end(f->pid, f->name, words, sizeof(words));
	f->pid = 0;
}

/* ---- in ------------------------------------------------------------------------- */

struct stream {
	struct source *from;
	int packing;
	bool garbage;      /* something followed the last member */
	char why[WORDS];   /* of who fills: it may be the thread */

	/* what was read; of who fills, as all down to the buffers */
	uint8_t *in;
	size_t in_at, in_end;
	bool in_over;
	bool over;         /* nothing more comes out */
	bool fresh;        /* between two members */
	struct filter filter;
#if WITH_ISAL
	struct inflate_state *isal;
#elif WITH_ZLIB
	z_stream z;
#endif

	/* a ring: full and empty count; the one at take is read. Without a thread there is one */
	uint8_t *room;
	size_t n, len[BUFFERS];
	bool bad[BUFFERS];
	bool threaded;
	pthread_t thread;
	sem_t full, empty;
	size_t take, at;
	bool held, ended;
	struct sha256 *sum;   /* of all that comes out; or NULL */
	const char *trouble;  /* as the reader knows it */
};

/* more of the source behind what is left. false: why; nothing more: in_over */
static bool
refill(struct stream *s)
{
	ssize_t n;

	memmove(s->in, s->in + s->in_at, s->in_end - s->in_at);
	s->in_end -= s->in_at;
	s->in_at = 0;
	n = s->from->read(s->from, s->in + s->in_end, IN - s->in_end);
	if (n < 0) {
		snprintf(s->why, WORDS, "%s", s->from->why ? s->from->why : reason());
		return false;
	}
	s->in_end += (size_t)n;
	s->in_over = n == 0;
	return true;
}

/* straight into the buffer, but for what told that it is not packed */
static ssize_t
fill_plain(struct stream *s, uint8_t *to)
{
	size_t n = s->in_end - s->in_at;
	ssize_t more;

	memcpy(to, s->in + s->in_at, n);
	s->in_at = s->in_end;
	while (n < ROOM && !s->in_over) {
		more = s->from->read(s->from, to + n, ROOM - n);
		if (more < 0) {
			snprintf(s->why, WORDS, "%s", s->from->why ? s->from->why : reason());
			return -1;
		}
		n += (size_t)more;
		s->in_over = more == 0;
	}
	s->over = s->in_over;
	return (ssize_t)n;
}

static ssize_t
fill_filter(struct stream *s, uint8_t *to)
{
	struct filter *f = &s->filter;
	size_t n = 0, given, got;
	int ret;

	while (n < ROOM && f->out >= 0) {
		if (s->in_at == s->in_end && !s->in_over && f->in >= 0 && !refill(s))
			return -1;
		if (s->in_at == s->in_end && s->in_over)
			f->in = drop(f->in);
		if (filter_talk(f, s->in + s->in_at, s->in_end - s->in_at, &given, to + n, ROOM - n, &got) < 0) {
			snprintf(s->why, WORDS, "%s", reason());
			return -1;
		}
		s->in_at += given;
		n += got;
	}
	if (f->out < 0) {
		ret = filter_end(f, s->why);
		s->over = true;
		s->garbage = s->packing == PACK_GZIP && ret == 2;  /* a warning, of gzip(1) */
		if (ret && !s->garbage)
			return -1;
	}
	return (ssize_t)n;
}

/* begin a member: an error in words, or NULL. Then unpack some: 1 at its end, 0, or -1 with words */
#if WITH_ISAL
static void
member_begin(struct stream *s)
{
	isal_inflate_reset(s->isal);
	s->isal->crc_flag = ISAL_GZIP;
}

static int
member_run(struct stream *s, uint8_t *to, size_t *n, const char **words)
{
	struct inflate_state *z = s->isal;
	int ret;

	z->next_in = s->in + s->in_at;
	z->avail_in = (uint32_t)(s->in_end - s->in_at);
	z->next_out = to + *n;
	z->avail_out = (uint32_t)(ROOM - *n);
	ret = isal_inflate(z);
	s->in_at = s->in_end - z->avail_in;
	*n = ROOM - z->avail_out;
	*words = ret == ISAL_INCORRECT_CHECKSUM ? "incorrect data check" : ret == ISAL_INVALID_WRAPPER ? "incorrect header check"
	       : "invalid block";
	return ret != ISAL_DECOMP_OK ? -1 : z->block_state == ISAL_BLOCK_FINISH;
}

static bool
member_first(struct stream *s)
{
	s->isal = malloc(sizeof(*s->isal));
	if (s->isal)
		isal_inflate_init(s->isal);
	return s->isal;
}

static void
member_close(struct stream *s)
{
	free(s->isal);
}
#elif WITH_ZLIB
static void
member_begin(struct stream *s)
{
	inflateReset(&s->z);
}

static int
member_run(struct stream *s, uint8_t *to, size_t *n, const char **words)
{
	int ret;

	s->z.next_in = s->in + s->in_at;
	s->z.avail_in = (uInt)(s->in_end - s->in_at);
	s->z.next_out = to + *n;
	s->z.avail_out = (uInt)(ROOM - *n);
	ret = inflate(&s->z, Z_NO_FLUSH);
	s->in_at = s->in_end - s->z.avail_in;
	*n = ROOM - s->z.avail_out;
	*words = ret == Z_MEM_ERROR ? "out of memory" : s->z.msg ? s->z.msg : "invalid block";
	return ret == Z_STREAM_END ? 1 : ret == Z_OK || ret == Z_BUF_ERROR ? 0 : -1;
}

static bool
member_first(struct stream *s)
{
	return inflateInit2(&s->z, 15 + 16) == Z_OK;  /* + 16: with gzip's header */
}

static void
member_close(struct stream *s)
{
	if (s->packing == PACK_GZIP)
		inflateEnd(&s->z);
}
#endif

#if WITH_ZLIB || WITH_ISAL
/* as gzip(1): zeros, which fill up blocks of tapes, and other things that are no member end it. false: why */
static bool
look_for_member(struct stream *s)
{
	bool zeros = false;

	for (;;) {
		while (s->in_at < s->in_end && !s->in[s->in_at]) {
			s->in_at++;
			zeros = true;
		}
		if (s->in_over || s->in_end - s->in_at >= 2)
			break;
		if (!refill(s))
			return false;
	}
	s->over = zeros || pack_by_magic(s->in + s->in_at, s->in_end - s->in_at) != PACK_GZIP;
	s->garbage = s->over && s->in_at < s->in_end;
	member_begin(s);
	s->fresh = false;
	return true;
}

static ssize_t
fill_gzip(struct stream *s, uint8_t *to)
{
	const char *words;
	size_t n = 0, was;
	int ret;

	while (n < ROOM && !s->over) {
		if (s->in_at == s->in_end && !s->in_over && !refill(s))
			return -1;
		if (s->fresh) {
			if (!look_for_member(s))
				return -1;
			continue;
		}
		was = n;
		ret = member_run(s, to, &n, &words);
		if (ret < 0) {
			snprintf(s->why, WORDS, "its gzip data is damaged (%s)", words);
			return -1;
		}
		s->fresh = ret;
		if (!ret && n == was && s->in_at == s->in_end && s->in_over) {
			snprintf(s->why, WORDS, "it ends in the middle of gzip data");
			return -1;
		}
	}
	return (ssize_t)n;
}
#endif

/* the next buffer; it is full but at the end */
static void
fill(struct stream *s, size_t i)
{
	uint8_t *to = s->room + i * ROOM;
	ssize_t n;

	if (s->over)
		n = 0;
	else if (s->packing == PACK_NONE)
		n = fill_plain(s, to);
#if WITH_ZLIB || WITH_ISAL
	else if (s->packing == PACK_GZIP)
		n = fill_gzip(s, to);
#endif
	else
		n = fill_filter(s, to);
	s->bad[i] = n < 0;
	s->len[i] = n < 0 ? 0 : (size_t)n;
}

static void *
fill_all(void *arg)
{
	struct stream *s = arg;
	size_t i;

	for (i = 0; ; i = (i + 1) % s->n) {
		while (sem_wait(&s->empty) < 0)
			;
		fill(s, i);
		sem_post(&s->full);
		if (s->len[i] == 0)
			return NULL;
	}
}

struct stream *
stream_open(struct source *from)
{
	struct stream *s = room_for(sizeof(*s));
	bool fine = true;

	memset(s, 0, sizeof(*s));
	s->from = from;
	s->filter.in = s->filter.out = s->filter.err = -1;
	s->in = room_for(IN);
	while (fine && s->in_end < 6 && !s->in_over)
		fine = refill(s);
	s->packing = fine ? pack_by_magic(s->in, s->in_end) : PACK_NONE;
#if WITH_ZLIB || WITH_ISAL
	if (s->packing == PACK_GZIP) {
		if (!member_first(s))
			die("out of memory");
		member_begin(s);
	} else
#endif
	if (s->packing != PACK_NONE)
		fine = filter_open(&s->filter, s->packing, -1, 0, s->why);
	if (!fine) {
		s->trouble = s->why;
		return s;
	}
	s->n = sys_has_threads() ? BUFFERS : 1;
	s->room = room_for(s->n * ROOM);
	if (s->n > 1) {
		sem_init(&s->full, 0, 0);
		sem_init(&s->empty, 0, (unsigned int)s->n);
		s->threaded = start_thread(&s->thread, fill_all, s);
	}
	return s;
}

/* a look at halted now and then: a signal may come just before we wait */
static bool
await(sem_t *full)
{
	struct timespec t;

	for (;;) {
		if (sem_trywait(full) == 0)
			return true;
		if (halted)
			return false;
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += 250000000;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		if (sem_timedwait(full, &t) == 0)
			return true;
	}
}

/* see to it that something is there to take, if anything is to come */
static bool
more(struct stream *s)
{
	if (s->trouble)
		return false;
	if (s->ended || (s->held && s->at < s->len[s->take]))
		return true;
	if (s->threaded && s->held) {
		s->take = (s->take + 1) % s->n;
		sem_post(&s->empty);
	}
	s->held = false;
	if (!s->threaded) {
		fill(s, s->take);
	} else if (!await(&s->full)) {
		s->trouble = "interrupted";
		return false;
	}
	s->held = true;
	s->at = 0;
	s->ended = s->len[s->take] == 0;
	if (s->bad[s->take])
		s->trouble = s->why;
	else if (s->ended && s->garbage)
		warn("ignored what follows the gzip data: it is none");
	if (s->sum && !s->trouble)
		sha256_add(s->sum, s->room + s->take * ROOM, s->len[s->take]);
	return !s->trouble;
}

void
stream_sum(struct stream *s, struct sha256 *sum)
{
	s->sum = sum;
}

ssize_t
stream_peek(struct stream *s, const uint8_t **at)
{
	if (!more(s))
		return -1;
	*at = s->room + s->take * ROOM + s->at;
	return s->ended ? 0 : (ssize_t)(s->len[s->take] - s->at);
}

ssize_t
stream_get(struct stream *s, const uint8_t **at, size_t most)
{
	ssize_t n = stream_peek(s, at);

	if (n > 0 && (size_t)n > most)
		n = (ssize_t)most;
	s->at += n > 0 ? (size_t)n : 0;
	return n;
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
	return s->trouble ? s->trouble : "";
}

void
stream_close(struct stream *s)
{
	if (s->threaded) {
		pthread_cancel(s->thread);
		pthread_join(s->thread, NULL);
	}
	if (s->n > 1) {
		sem_destroy(&s->full);
		sem_destroy(&s->empty);
	}
	filter_kill(&s->filter);
#if WITH_ZLIB || WITH_ISAL
	member_close(s);
#endif
	free(s->room);
	free(s->in);
	free(s);
}

/* ---- out ------------------------------------------------------------------------ */

enum { DICTIONARY = 32 << 10, BLOCKS = 3, PACKED = ROOM + ROOM / 64 + 1024 };

/* of what is packed by two: room is behind the end of the one before, which deflate looks back into */
struct block {
	uint8_t *room, *packed;
	size_t len, npacked, back;
	enum { EMPTY, FULL, BUSY, DONE } state;
	bool last;
	unsigned long crc;
};

struct sink {
	int fd, pack;
	bool failed;
	char why[WORDS];
	uint64_t written;
	uint64_t length;    /* of what was put */
	bool holes;         /* all that follows in the file is ours: zeros need not be written */
	off_t start;        /* of a file; -1: it is none */
	size_t len;         /* waiting in the block that is filled */
	struct filter filter;
	struct block block[BLOCKS];
	size_t blocks, fill, flush;  /* how many; the one that is filled; the first that is not written yet */
#if WITH_ZLIB
	z_stream z[2];      /* ours, and the thread's */
	unsigned long crc;
	bool threaded, quit;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t turn;
#endif
};

static int
fail(struct sink *s, const char *why)
{
	if (!s->failed)
		snprintf(s->why, WORDS, "%s", why);
	s->failed = true;
	return -1;
}

static int
write_out(struct sink *s, const uint8_t *p, size_t len)
{
	struct filter *f = &s->filter;
	size_t given = 0, got;
	ssize_t n;

	for (; len > 0 && !s->failed; p += given, len -= given) {
		if (f->pid) {
			if (filter_talk(f, p, len, &given, NULL, 0, &got) < 0)
				return fail(s, reason());
			if (f->in < 0) {
				if (filter_end(f, s->why) == 0)
					return fail(s, "the program that packs it ended too early");
				s->failed = true;
			}
			continue;
		}
		/* one that was cut short by a signal says no EINTR */
		n = halted ? -1 : write(s->fd, p, len);
		if (halted)
			return fail(s, "interrupted");
		if (n < 0 && errno != EINTR)
			return fail(s, reason());
		given = n > 0 ? (size_t)n : 0;
		s->written += given;
	}
	return s->failed ? -1 : 0;
}

#if WITH_ZLIB
/* by itself, but for what it may point back to; the parts make one stream */
static void
pack_block(z_stream *z, struct block *b)
{
	const uint8_t *data = b->room + DICTIONARY;

	deflateReset(z);
	if (b->back)
		deflateSetDictionary(z, data - b->back, (uInt)b->back);
	z->next_in = (Bytef *)(uintptr_t)data;
	z->avail_in = (uInt)b->len;
	z->next_out = b->packed;
	z->avail_out = PACKED;
	deflate(z, b->last ? Z_FINISH : Z_SYNC_FLUSH);
	b->npacked = PACKED - z->avail_out;
	b->crc = crc32(0, data, (uInt)b->len);
}

/* the oldest that waits for it, or NULL; they are filled and written in turn. With the lock held */
static struct block *
oldest(struct sink *s, int state)
{
	size_t i;

	for (i = 0; i < s->blocks; i++) {
		struct block *b = &s->block[(s->flush + i) % s->blocks];

		if ((int)b->state == state)
			return b;
	}
	return NULL;
}

static void *
pack_all(void *arg)
{
	struct sink *s = arg;
	struct block *b;

	pthread_mutex_lock(&s->lock);
	while (!s->quit) {
		b = oldest(s, FULL);
		if (!b) {
			pthread_cond_wait(&s->turn, &s->lock);
			continue;
		}
		b->state = BUSY;
		pthread_mutex_unlock(&s->lock);
		pack_block(&s->z[1], b);
		pthread_mutex_lock(&s->lock);
		b->state = DONE;
		pthread_cond_signal(&s->turn);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* hand the block over, and come back with an empty one; at the end with all done. What waits too long we pack ourselves */
static int
turn_blocks(struct sink *s, bool last)
{
	struct block *b = &s->block[s->fill], *next = &s->block[(s->fill + 1) % BLOCKS], *old;

	pthread_mutex_lock(&s->lock);
	b->len = s->len;
	b->last = last;
	b->state = FULL;
	pthread_cond_signal(&s->turn);
	while (!s->failed && (last ? b->state != EMPTY : next->state != EMPTY)) {
		old = &s->block[s->flush];
		if (old->state != DONE) {
			old = oldest(s, FULL);
			if (!old) {
				pthread_cond_wait(&s->turn, &s->lock);
				continue;
			}
			old->state = BUSY;
			pthread_mutex_unlock(&s->lock);
			pack_block(&s->z[0], old);
			pthread_mutex_lock(&s->lock);
			old->state = DONE;
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		s->crc = crc32_combine(s->crc, old->crc, (z_off_t)old->len);
		write_out(s, old->packed, old->npacked);
		pthread_mutex_lock(&s->lock);
		old->state = EMPTY;
		s->flush = (s->flush + 1) % BLOCKS;
	}
	pthread_mutex_unlock(&s->lock);
	if (!last && !s->failed) {
		next->back = s->len < DICTIONARY ? s->len : DICTIONARY;
		memcpy(next->room + DICTIONARY - next->back, b->room + DICTIONARY + s->len - next->back, next->back);
		s->fill = (s->fill + 1) % BLOCKS;
	}
	return s->failed ? -1 : 0;
}

static int
deflate_block(struct sink *s, bool last)
{
	struct block *b = &s->block[0];
	z_stream *z = &s->z[0];

	if (s->threaded)
		return turn_blocks(s, last);
	z->next_in = b->room + DICTIONARY;
	z->avail_in = (uInt)s->len;
	s->crc = crc32(s->crc, z->next_in, z->avail_in);
	do {
		z->next_out = b->packed;
		z->avail_out = PACKED;
		deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
		if (write_out(s, b->packed, PACKED - z->avail_out) < 0)
			return -1;
	} while (z->avail_out == 0);
	return 0;
}

/* RFC 1952: no name, no time; then a block at a time */
static int
deflate_begin(struct sink *s, int level)
{
	const uint8_t head[10] = { 0x1f, 0x8b, 8, [8] = level == 9 ? 2 : level == 1 ? 4 : 0, 3 };
	size_t i;

	s->blocks = sys_has_threads() ? BLOCKS : 1;
	for (i = 0; i < (s->blocks > 1 ? 2 : 1); i++)
		if (deflateInit2(&s->z[i], level ? level : GZIP_LEVEL, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
			die("out of memory");
	for (i = 0; i < s->blocks; i++) {
		s->block[i].room = room_for(DICTIONARY + ROOM);
		s->block[i].packed = room_for(PACKED);
	}
	s->crc = crc32(0, NULL, 0);
	if (s->blocks > 1) {
		pthread_mutex_init(&s->lock, NULL);
		pthread_cond_init(&s->turn, NULL);
		s->threaded = start_thread(&s->thread, pack_all, s);
	}
	return write_out(s, head, sizeof(head));
}

static void
deflate_end(struct sink *s)
{
	uint8_t tail[8];
	int i;

	if (!s->failed && deflate_block(s, true) == 0) {
		for (i = 0; i < 8; i++)
			tail[i] = (uint8_t)((i < 4 ? s->crc : (unsigned long)s->length) >> i % 4 * 8);
		write_out(s, tail, sizeof(tail));
	}
	if (s->threaded) {
		pthread_mutex_lock(&s->lock);
		s->quit = true;
		pthread_cond_signal(&s->turn);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->thread, NULL);
	}
	deflateEnd(&s->z[0]);
	if (s->blocks > 1)
		deflateEnd(&s->z[1]);
}
#endif

struct sink *
sink_open(int fd, int pack, int level)
{
	struct sink *s = xalloc(sizeof(*s));
	struct stat st;

	s->fd = fd;
	s->pack = pack;
	s->blocks = 1;
	s->filter.in = s->filter.out = s->filter.err = -1;
	s->start = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
	s->holes = pack == PACK_NONE && s->start >= 0 && s->start == st.st_size && !(fcntl(fd, F_GETFL) & O_APPEND);
#if WITH_ZLIB
	if (pack == PACK_GZIP) {
		deflate_begin(s, level);
		return s;
	}
#endif
	s->block[0].room = room_for(DICTIONARY + ROOM);
	if (pack != PACK_NONE)
		s->failed = !filter_open(&s->filter, pack, fd, level, s->why);
	return s;
}

/* what waits; in full blocks but at the end */
static int
flush(struct sink *s)
{
	int ret;

#if WITH_ZLIB
	if (s->pack == PACK_GZIP)
		ret = deflate_block(s, false);
	else
#endif
		ret = write_out(s, s->block[0].room + DICTIONARY, s->len);
	s->len = 0;
	return ret;
}

/* data is NULL: zeros */
static int
put(struct sink *s, const uint8_t *data, uint64_t len)
{
	bool straight = data && !(WITH_ZLIB && s->pack == PACK_GZIP);
	size_t n;

	for (s->length += len; len > 0 && !s->failed; len -= n) {
		if (s->len == 0 && straight && len >= ROOM) {
			n = (size_t)len;
			write_out(s, data, n);
		} else {
			uint8_t *at = s->block[s->fill].room + DICTIONARY + s->len;

			n = len < ROOM - s->len ? (size_t)len : ROOM - s->len;
			if (data)
				memcpy(at, data, n);
			else
				memset(at, 0, n);
			s->len += n;
			if (s->len == ROOM)
				flush(s);
		}
		data = data ? data + n : NULL;
	}
	return s->failed ? -1 : 0;
}

int
sink_put(struct sink *s, const void *data, size_t len)
{
	return put(s, data, len);
}

int
sink_zeros(struct sink *s, uint64_t len)
{
	if (!s->holes || len < ROOM || s->failed)
		return put(s, NULL, len);
	if (flush(s) < 0)
		return -1;
	if (len > INT64_MAX || lseek(s->fd, (off_t)len, SEEK_CUR) < 0)
		return fail(s, len > INT64_MAX ? strerror(EFBIG) : reason());
	s->length += len;
	s->written += len;
	return 0;
}

int
sink_close(struct sink *s)
{
	off_t end;
	size_t i;

#if WITH_ZLIB
	if (s->pack == PACK_GZIP)
		deflate_end(s);
	else
#endif
	if (!s->failed)
		flush(s);
	if (s->filter.pid && s->failed)
		filter_kill(&s->filter);
	else if (s->filter.pid && filter_end(&s->filter, s->why))
		s->failed = true;
	end = s->start < 0 ? -1 : lseek(s->fd, 0, SEEK_CUR);
	/* the last may be a hole */
	if (!s->failed && s->holes && ftruncate(s->fd, end) < 0)
		fail(s, reason());
	if (s->pack != PACK_NONE && end >= s->start && s->start >= 0)
		s->written = (uint64_t)(end - s->start);
	for (i = 0; i < s->blocks; i++) {
		free(s->block[i].room);
		free(s->block[i].packed);
	}
	return s->failed ? -1 : 0;
}

const char *
sink_why(const struct sink *s)
{
	return s->why;
}

uint64_t
sink_written(const struct sink *s)
{
	return s->written;
}
