/* SPDX-License-Identifier: 0BSD */
/* What a console said last: a file of bounded size, one writer, any number of readers, no lock between them */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nspawn-lite.h"

/*
 * The file is a head, and size bytes of records, in a circle: a byte's place is its offset since the beginning of time,
 * modulo size. One write touches no more than CHUNK bytes behind the end that the head tells, and what is so near to being
 * overwritten counts as gone: so a reader who copied a record, and then finds it still in the head's range, has it whole.
 */
struct head {
	char magic[8];
	uint32_t order;       /* of the bytes of a number: the file is its host's */
	uint32_t version;
	uint64_t size, head, tail;
	uint64_t born;        /* where it began: behind all that was written before it was begun anew */
	uint64_t sum;         /* of all above: it is not read while it is written */
};

/* of a record, before its bytes; copied, since it may lie anywhere */
struct mark { uint32_t what, low, high; };  /* kind << 24 | len; microseconds of 1970 */

enum { START = 128, ORDER = 0x01020304, FORMAT = 1, CHUNK = 4096, MARK = sizeof(struct mark), LENGTH = 0xffffff, TRIES = 1000, ALL_AT_ONCE = 64 };

static uint64_t
sum_of(const struct head *h)
{
	static const uint8_t key[16] = "a console's ring";

	return siphash24(h, offsetof(struct head, sum), key);
}

static bool
valid(const struct head *h)
{
	return memcmp(h->magic, "nspawnlg", 8) == 0 && h->order == ORDER && h->version == FORMAT && h->sum == sum_of(h)
	       && h->size >= 4096 && h->born <= h->tail && h->tail <= h->head && h->head - h->tail <= h->size;
}

/* the most that one write adds, with its mark */
static uint64_t
chunk(const struct ring *g)
{
	return g->size / 4 < CHUNK + MARK ? g->size / 4 : CHUNK + MARK;
}

static int
write_head(const struct ring *g, uint64_t head, uint64_t tail)
{
	struct head h = { "nspawnlg", ORDER, FORMAT, g->size, head, tail, g->born, 0 };

	h.sum = sum_of(&h);
	__sync_synchronize();
	return pwrite(g->fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) ? 0 : -1;
}

/* all of it, or -1; with a hole where nothing is yet */
static int
get(const struct ring *g, uint64_t at, void *buf, size_t len)
{
	uint64_t place = at % g->size, first = g->size - place < len ? g->size - place : len;

	if (pread(g->fd, buf, (size_t)first, (off_t)(START + place)) != (ssize_t)first)
		return -1;
	len -= (size_t)first;
	return len && pread(g->fd, (char *)buf + first, len, START) != (ssize_t)len ? -1 : 0;
}

static int
put(const struct ring *g, uint64_t at, const void *data, size_t len)
{
	uint64_t place = at % g->size, first = g->size - place < len ? g->size - place : len;

	if (pwrite(g->fd, data, (size_t)first, (off_t)(START + place)) != (ssize_t)first)
		return -1;
	len -= (size_t)first;
	return len && pwrite(g->fd, (const char *)data + first, len, START) != (ssize_t)len ? -1 : 0;
}

/* ---- writing ------------------------------------------------------------------ */

/* the first record that stays when the end is there */
static uint64_t
tail_for(const struct ring *g, uint64_t head)
{
	uint64_t tail = g->tail;
	uint32_t what;

	while (tail < g->head && head + chunk(g) > tail + g->size) {
		if (get(g, tail, &what, sizeof(what)) < 0 || (what & LENGTH) > chunk(g) - MARK || !what)
			return g->head;  /* somebody else wrote into it */
		tail += MARK + (what & LENGTH);
	}
	return tail < g->head ? tail : g->head;
}

static int
write_one(struct ring *g, int kind, int64_t us, const char *data, size_t len)
{
	struct mark m = { (uint32_t)kind << 24 | (uint32_t)len, (uint32_t)us, (uint32_t)((uint64_t)us >> 32) };
	char buf[MARK + CHUNK];
	uint64_t head, tail;

	memcpy(buf, &m, MARK);
	if (len)
		memcpy(buf + MARK, data, len);
	head = g->head + MARK + len;
	/* what failed half-way is behind the end still, and written again */
	if (put(g, g->head, buf, MARK + len) < 0)
		return -1;
	tail = tail_for(g, head);
	if (write_head(g, head, tail) < 0)
		return -1;
	g->head = head;
	g->tail = tail;
	return 0;
}

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int
ring_write(struct ring *g, int kind, const void *data, size_t len)
{
	size_t most = (size_t)chunk(g) - MARK, n;
	int64_t us = now_us();

	do {
		n = len < most ? len : most;
		if (write_one(g, kind, us, data, n) < 0)
			return -1;
		data = (const char *)data + n;
		len -= n;
	} while (len > 0);
	return 0;
}

/*
 * Of machines that ended, the last LOGS_KEPT stay. A writer holds the lock of its file; one that opened the file a moment
 * ago, and has not, sees that it lost its name
 */
static void
sweep(const char *dir)
{
	int fd = openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), file;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;
	char oldest[NAME_LONGEST + 1];
	time_t when = 0;
	size_t n, removed;

	for (removed = 0; d && removed < ALL_AT_ONCE; removed++) {
		rewinddir(d);
		for (n = 0, *oldest = 0; (e = readdir(d)); ) {
			if (!name_valid(e->d_name))
				continue;
			file = openat(fd, e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
			if (file >= 0 && flock(file, LOCK_SH | LOCK_NB) == 0 && fstat(file, &st) == 0) {
				n++;
				if (!*oldest || st.st_mtime < when) {
					when = st.st_mtime;
					strncpy(oldest, e->d_name, sizeof(oldest) - 1);
					oldest[sizeof(oldest) - 1] = 0;
				}
			}
			drop(file);
		}
		if (n <= LOGS_KEPT)
			break;
		file = openat(fd, oldest, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
			unlinkat(fd, oldest, 0);
		drop(file);
	}
	if (d)
		closedir(d);
	else
		drop(fd);
}

char *
ring_path(const char *name)
{
	return fmt("%s/" LOGS_DIR "/%s", run_state_dir(), name);
}

/* the file, with its lock; sweepers share that for a moment */
static int
open_alone(const char *name)
{
	enum { FLAGS = O_RDWR | O_NOFOLLOW | O_CLOEXEC };
	const char *path = ring_path(name), *dir = fmt("%s/" LOGS_DIR, run_state_dir());
	struct stat st;
	int fd, tries;

	for (tries = 0; tries < TRIES; tries++) {
		fd = openat(AT_FDCWD, path, FLAGS);
		if (fd < 0 && errno == ENOENT) {
			if (run_make_dirs(run_state_dir(), 0755) < 0 || run_make_dirs(dir, 0700) < 0)
				return -1;
			sweep(dir);
			fd = openat(AT_FDCWD, path, FLAGS | O_CREAT, 0600);
		}
		if (fd < 0)
			return -1;
		while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno != EWOULDBLOCK || ++tries == TRIES)
				return drop(fd);
			sched_yield();
		}
		if (fstat(fd, &st) < 0)
			return drop(fd);
		if (st.st_nlink > 0)
			return fd;
		close(fd);
	}
	errno = EBUSY;
	return -1;
}

int
ring_make(struct ring *g, const char *name, uint64_t size)
{
	struct stat st;
	struct head h;

	g->fd = open_alone(name);
	if (g->fd < 0)
		return -1;
	g->size = size < 4096 ? 4096 : size;
	g->head = g->tail = g->born = (uint64_t)now_us();
	if (fstat(g->fd, &st) == 0 && (uint64_t)st.st_size == START + g->size && pread(g->fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h)
	    && valid(&h) && h.size == g->size) {
		g->head = h.head;
		g->tail = h.tail;
		g->born = h.born;
		return 0;
	}
	if (ftruncate(g->fd, 0) < 0 || ftruncate(g->fd, (off_t)(START + g->size)) < 0 || write_head(g, g->head, g->tail) < 0)
		g->fd = drop(g->fd);
	return g->fd < 0 ? -1 : 0;
}

/* ---- reading -------------------------------------------------------------------- */

static int
read_head(struct ring *g)
{
	struct head h;
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		if (pread(g->fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) && valid(&h)) {
			g->size = h.size;
			g->head = h.head;
			g->tail = h.tail;
			g->born = h.born;
			__sync_synchronize();
			return 0;
		}
		sched_yield();
	}
	errno = EBADMSG;
	return -1;
}

int
ring_open(struct ring *g, const char *name)
{
	g->fd = openat(AT_FDCWD, ring_path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (g->fd < 0)
		return -1;
	if (read_head(g) < 0)
		g->fd = drop(g->fd);
	return g->fd < 0 ? -1 : 0;
}

int
ring_next(struct ring *g, uint64_t *at, struct record *rec, void *buf, size_t size, uint64_t *lost)
{
	struct mark m;
	size_t len;
	bool got;

	*lost = 0;
	if (read_head(g) < 0)
		return -1;
	for (;;) {
		if (*at > g->head || *at < g->born)  /* it was begun anew */
			*at = *at > g->head ? g->tail : g->born;
		if (*at < g->tail) {
			*lost += g->tail - *at;
			*at = g->tail;
		}
		if (*at == g->head)
			return 0;
		got = get(g, *at, &m, MARK) == 0;
		rec->at = *at;
		rec->kind = (int)(m.what >> 24);
		rec->us = (int64_t)((uint64_t)m.high << 32 | m.low);
		len = m.what & LENGTH;
		rec->next = *at + MARK + len;
		rec->len = len < size ? len : size;
		got = got && len <= CHUNK && rec->next <= g->head && (!rec->len || get(g, *at + MARK, buf, rec->len) == 0);
		__sync_synchronize();
		if (read_head(g) < 0)
			return -1;
		if (rec->at < g->tail || *at > g->head)
			continue;  /* it was overwritten meanwhile */
		if (got)
			break;
		*lost += g->head - *at;  /* somebody else wrote into it */
		*at = g->head;
	}
	*at = rec->next;
	return 1;
}
