/* SPDX-License-Identifier: 0BSD */
/* Machines that run, as their register says: read by anybody, at any moment, without a lock */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nspawn-lite.h"

/* owners hold its lock; to try for it does no harm, for they try again: see machine_lock */
static bool
owned(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK;
	flock(fd, LOCK_UN);
	return false;
}

bool
known_lives(const struct known *k)
{
	return k->fd >= 0 && owned(k->fd);
}

/* all of it, or NULL: it is written just now, or empty yet */
static char *
whole(int fd, size_t *room, char **text)
{
	static const uint8_t key[16] = REGISTER_KEY;
	struct stat st;
	char *sum, *more;
	ssize_t n;

	if (fstat(fd, &st) < 0 || st.st_size > 1 << 22)
		return NULL;
	if ((size_t)st.st_size >= *room) {
		more = realloc(*text, (size_t)st.st_size + 4096);
		if (!more)
			die("no memory for the register of machines");
		*text = more;
		*room = (size_t)st.st_size + 4096;
	}
	n = pread(fd, *text, *room - 1, 0);
	if (n <= 0)
		return NULL;
	(*text)[n] = 0;
	for (sum = *text; sum && !after(sum, "SUM="); sum = strchr(sum, '\n') ? strchr(sum, '\n') + 1 : NULL)
		;
	if (!sum || strtoull(sum + 4, NULL, 16) != siphash24(*text, (size_t)(sum - *text), key))
		return NULL;
	*sum = 0;
	return *text;
}

static char *
unescaped(const char *value)
{
	char *out = xstrdup(value), *to = out;

	for (; *value; value++) {
		if (*value == '\\' && value[1])
			value++;
		else {
			*to++ = *value;
			continue;
		}
		*to++ = *value == 'n' ? '\n' : *value;
	}
	*to = 0;
	return out;
}

static void
take_line(struct known *k, const char *line)
{
	const struct { const char *key; char **to; } strings[] = {
		{ "NAME=", &k->name }, { "ROOT=", &k->root }, { "CGROUP=", &k->group }, { "ID=", &k->id }, { "OS=", &k->os },
		{ "VERSION=", &k->version }, { "PRETTY=", &k->pretty }, { "IFACE=", &k->link }, { "STATE=", &k->state },
		{ "REASON=", &k->reason },
	};
	const char *value;
	char *word, *end;
	long long n;
	size_t i;

	for (i = 0; i < LEN(strings); i++)
		if (!*strings[i].to && (value = after(line, strings[i].key))) {
			*strings[i].to = unescaped(value);
			return;
		}
	if ((value = after(line, "WORD="))) {
		word = unescaped(value);
		grow(&k->words, word);
		k->boot |= streq(word, "--boot");
	} else if ((value = after(line, "IDS="))) {
		k->id_base = (uint32_t)strtoull(value, &end, 10);
		k->id_count = *end ? (uint32_t)strtoull(end + 1, NULL, 10) : 0;
	} else if ((value = after(line, "REALTIME="))) {
		k->since = strtoll(value, NULL, 10);
	} else if ((value = after(line, "MONOTONIC="))) {
		k->since_monotonic = strtoll(value, NULL, 10);
	} else if ((value = after(line, "LEADER=")) && parse_number(value, 1, INT32_MAX, &n)) {
		k->leader = (pid_t)n;
	} else if ((value = after(line, "SUPERVISOR=")) && parse_number(value, 1, INT32_MAX, &n)) {
		k->supervisor = (pid_t)n;
	} else if ((value = after(line, "HIDDEN="))) {
		k->hidden = *value == '1';
	}
}

/* of a directory and a name in it; text is room to read into. false: there is none */
static bool
read_one(int dir, const char *name, struct known *k, char **text, size_t *room)
{
	enum { TRIES = 200 };
	char *rest, *line;
	int tries;

	memset(k, 0, sizeof(*k));
	k->fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (k->fd < 0)
		return false;
	for (tries = 0; tries < TRIES; tries++) {
		if (!owned(k->fd)) {
			k->fd = drop(k->fd);
			return false;
		}
		rest = whole(k->fd, room, text);
		if (!rest) {  /* it is claimed, and nothing stands there yet: soon */
			tries < TRIES / 2 ? (void)sched_yield() : (void)poll(NULL, 0, 1);
			continue;
		}
		while ((line = next_line(&rest)))
			take_line(k, line);
		break;
	}
	if (!k->name)
		k->name = xstrdup(name);
	if (!k->state)
		k->state = xstrdup("opening");
	return true;
}

bool
known_read(const char *name, struct known *k)
{
	char *text = NULL;
	size_t room = 0;
	bool known;

	if (!name_valid(name))
		return false;
	known = read_one(AT_FDCWD, fmt("%s/%s", run_state_dir(), name), k, &text, &room);
	if (known && k->name && strchr(k->name, '/'))
		k->name = xstrdup(name);
	free(text);
	return known;
}

void
known_close(struct known *k)
{
	k->fd = drop(k->fd);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->name, ((const struct known *)b)->name);
}

struct known *
known_list(bool hidden, size_t *n)
{
	int fd = openat(AT_FDCWD, run_state_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct known *list = NULL, *more;
	char *text = NULL;
	size_t room = 0, most = 0;
	struct dirent *e;

	*n = 0;
	while (d && (e = readdir(d))) {
		if (*e->d_name == '.' || !name_valid(e->d_name))
			continue;
		if (*n == most) {
			most = most * 2 + 16;
			more = realloc(list, most * sizeof(*list));
			if (!more)
				die("no memory for a list of so many machines");
			list = more;
		}
		if (!read_one(fd, e->d_name, &list[*n], &text, &room))
			continue;
		known_close(&list[*n]);
		if (!list[*n].hidden || hidden)
			(*n)++;
	}
	if (d)
		closedir(d);
	free(text);
	if (*n)
		qsort(list, *n, sizeof(*list), by_name);
	return list;
}

void
known_no(const char *what, const char *name)
{
	die("%s: No machine '%s' known", what, name);
}

int
known_open(const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", run_state_dir(), name);
	fd = name_valid(name) ? openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
	return fd >= 0 && !owned(fd) ? drop(fd) : fd;
}

void
known_look(int fd, struct brief *b)
{
	enum { TRIES = 200 };
	static char *text;
	static size_t room;
	char *rest = NULL, *line;
	const char *value;
	int tries;

	memset(b, 0, sizeof(*b));
	for (tries = 0; tries < TRIES && !rest; tries++) {
		if (tries > 0)
			tries < TRIES / 2 ? (void)sched_yield() : (void)poll(NULL, 0, 1);
		b->lives = owned(fd);  /* first: who is gone says no more */
		rest = whole(fd, &room, &text);
		if (!b->lives)
			break;
	}
	snprintf(b->state, sizeof(b->state), "opening");
	while ((line = next_line(&rest)))
		if ((value = after(line, "STATE=")))
			snprintf(b->state, sizeof(b->state), "%s", value);
		else if ((value = after(line, "REASON=")))
			snprintf(b->reason, sizeof(b->reason), "%s", value);
		else if ((value = after(line, "HIDDEN=")))
			b->hidden = *value == '1';
}

char *
known_unit(const struct known *k)
{
	return fmt("systemd-nspawn@%s.service", k->name);
}

/*
 * The register says who has the pid, and it says so until that one is reaped: its supervisor writes before it reaps, and
 * nobody reaps the supervisor while its lock is held
 */
int
known_signal(const struct known *k, pid_t pid, int sig)
{
	int fd = sys_pidfd_open(pid), rc;

	if (pid <= 0 || !known_lives(k)) {
		drop(fd);
		errno = ESRCH;
		return -1;
	}
	rc = fd < 0 ? kill(pid, sig) : sys_pidfd_signal(fd, sig);
	drop(fd);
	return rc;
}

int
known_watch(void)
{
	int fd = sys_denied("inotify_init1") ? -1 : inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	/* a supervisor that is killed closes its file: that is all it can say then */
	if (fd >= 0 && (run_make_dirs(run_state_dir(), 0755) < 0
	                || inotify_add_watch(fd, run_state_dir(), IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_ONLYDIR) < 0))
		fd = drop(fd);
	return fd;
}
