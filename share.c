/* SPDX-License-Identifier: 0BSD */
/* What machines share while one of them lives: files whose locks say who is in, and which numbers they have */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nspawn-lite.h"

/* places in the file: its text ends before them, or may reach below them: locks do not care */
enum { GATE, MEMBERS, NUMBERS = 16 };

/* fcntl(2) of Linux 3.15: the lock belongs to the open file, not to the process */
#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

static char **ours;  /* names that this process is in: without F_OFD_SETLK a second fd would end their locks */

static bool
set_lock(int fd, int type, off_t at, off_t len, bool wait)
{
	static const int commands[2][2] = { { F_OFD_SETLK, F_OFD_SETLKW }, { F_SETLK, F_SETLKW } };
	struct flock l = { .l_type = (short)type, .l_whence = SEEK_SET, .l_start = at, .l_len = len };
	int rc, old = sys_denied("ofd");

	do {
		rc = fcntl(fd, commands[old][wait], &l);
	} while (rc < 0 && (errno == EINTR || (errno == EINVAL && !old++)));
	return rc == 0;
}

static bool
has_name(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

bool
share_enter(struct shared *s, const char *name, bool wait)
{
	if (s->fd >= 0)
		return set_lock(s->fd, F_WRLCK, GATE, 1, wait);
	s->name = xstrdup(name);
	s->path = fmt("%s/" SHARED_PREFIX "%s", run_state_dir(), name);
	for (;;) {
		s->fd = run_open_state(s->path);
		if (s->fd < 0)
			return false;
		if (!set_lock(s->fd, F_WRLCK, GATE, 1, wait)) {
			s->fd = drop(s->fd);
			return false;
		}
		if (has_name(s->fd))
			break;
		close(s->fd);  /* the last one left while we waited */
	}
	s->first = set_lock(s->fd, F_WRLCK, MEMBERS, 1, false);
	if (!set_lock(s->fd, F_RDLCK, MEMBERS, 1, false)) {
		s->fd = drop(s->fd);
		return false;
	}
	grow(&ours, s->name);
	return true;
}

void
share_join(struct shared *s, const char *name)
{
	s->fd = -1;
	if (!share_enter(s, name, true))
		die("make %s:", s->path);
}

void
share_open(struct shared *s)
{
	set_lock(s->fd, F_UNLCK, GATE, 1, false);
}

void
share_close(struct shared *s)
{
	set_lock(s->fd, F_WRLCK, GATE, 1, true);
}

bool
share_claim(struct shared *s, off_t number, off_t count)
{
	return set_lock(s->fd, F_WRLCK, NUMBERS + number, count, false);
}

bool
share_claim_together(struct shared *s, off_t number, off_t count)
{
	return set_lock(s->fd, F_RDLCK, NUMBERS + number, count, false);
}

char *
share_peek(const struct shared *s)
{
	char text[4096];
	ssize_t n = pread(s->fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return NULL;
	text[n] = 0;
	return xstrdup(text);
}

char *
share_text(const struct shared *s)
{
	char *text = share_peek(s);

	if (!text)
		die("read %s:", s->path);
	return text;
}

bool
share_put(struct shared *s, const char *text)
{
	size_t len = strlen(text);

	/* in this order: one that is killed between them, or has no room, leaves what was noted before */
	return pwrite(s->fd, text, len, 0) == (ssize_t)len && ftruncate(s->fd, (off_t)len) == 0;
}

void
share_write(struct shared *s, const char *text)
{
	if (!share_put(s, text))
		die("write %s:", s->path);
}

bool
share_last(struct shared *s)
{
	share_close(s);
	return set_lock(s->fd, F_WRLCK, MEMBERS, 1, false);
}

void
share_leave(struct shared *s, bool gone)
{
	char **w;

	if (s->fd < 0 || !s->name)
		return;
	if (gone)
		unlink(s->path);
	close(s->fd);
	s->fd = -1;
	for (w = ours; w && *w; w++)
		if (streq(*w, s->name))
			*w = xstrdup("");
	s->name = NULL;
}

void
share_sweep(int dir, const char *file, bool (*unmake)(char *text))
{
	char *text;
	const char *name = after(file, SHARED_PREFIX);
	struct shared s = { .path = fmt("%s/%s", run_state_dir(), file) };
	char **w;

	for (w = ours; name && w && *w; w++)
		if (streq(*w, name))
			return;
	s.fd = openat(dir, file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (s.fd < 0)
		return;
	if (set_lock(s.fd, F_WRLCK, GATE, 1, false) && has_name(s.fd) && set_lock(s.fd, F_WRLCK, MEMBERS, 1, false)
	    && (text = share_peek(&s)) && unmake(text))
		unlinkat(dir, file, 0);
	close(s.fd);
}
