/* SPDX-License-Identifier: 0BSD */
/* Machines that run, as their register says: read by any process of root's, at any moment, without a lock */
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
#include <time.h>
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

/* who writes it is at it just now: tries before we give up, and before one without a sum is an old one */
enum { TRIES = 200, TRIES_OLD = TRIES / 2 + 3 };

/* of a supervisor that was begun by a program from before there were sums and states: all that it will ever say */
static bool
is_old(const char *text)
{
	return after(text, "NAME=") && strstr(text, "\nLEADER=") && !strstr(text, "\nSTATE=") && !strstr(text, "\nSUM=")
	    && text[strlen(text) - 1] == '\n';
}

/* all of it, or NULL: it is written just now, or empty yet. appended: lines behind its sum, or NULL */
static char *
whole(int fd, int tries, size_t *room, char **text, char **appended)
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
	*appended = NULL;
	if (tries >= TRIES_OLD && is_old(*text))
		return *text;
	for (sum = *text; sum && !after(sum, "SUM="); sum = strchr(sum, '\n') ? strchr(sum, '\n') + 1 : NULL)
		;
	if (!sum || strtoull(sum + 4, NULL, 16) != siphash24(*text, (size_t)(sum - *text), key))
		return NULL;
	*sum = 0;
	more = strchr(sum + 1, '\n');
	*appended = more ? more + 1 : NULL;
	return *text;
}

static void
wait_a_little(int tries)
{
	if (tries < TRIES / 2)
		sched_yield();
	else
		poll(NULL, 0, 1);
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
take_line(struct known *k, const char *line, bool words)
{
	const struct { const char *key; char **to; } strings[] = {
		{ "ROOT=", &k->root }, { "ID=", &k->id }, { "OS=", &k->os },
		{ "VERSION=", &k->version }, { "PRETTY=", &k->pretty }, { "IFACE=", &k->link }, { "STATE=", &k->state },
		{ "REASON=", &k->reason },
	};
	const char *value;
	char *end;
	long long n;
	size_t i;

	for (i = 0; i < LEN(strings); i++)
		if (*line == *strings[i].key && !*strings[i].to && (value = after(line, strings[i].key))) {
			*strings[i].to = unescaped(value);
			return;
		}
	if ((value = after(line, "CGROUP=")) && *value) {
		grow(&k->groups, xstrdup(value));
		k->group = k->groups[0];
	} else if ((value = after(line, "WORD="))) {
		k->boot |= streq(value, "--boot");
		if (words)
			grow(&k->words, unescaped(value));
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
	} else if ((value = after(line, "NETWORK="))) {
		k->network = *value == '1';
	} else if ((value = after(line, "IMAGE="))) {
		k->image = *value == '1';
	} else if ((value = after(line, "HIDDEN="))) {
		k->hidden = *value == '1';
	}
}

/* a box without a battery begins in 1970, and learns the time when machines run already */
static void
correct_since(struct known *k)
{
	const int64_t y2020 = INT64_C(1577836800000000);
	struct timespec now, tick;

	if (!k->since || k->since >= y2020 || !k->since_monotonic)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_MONOTONIC, &tick);
	if (now.tv_sec > y2020 / 1000000)
		k->since = (now.tv_sec - tick.tv_sec) * INT64_C(1000000) + (now.tv_nsec - tick.tv_nsec) / 1000 + k->since_monotonic;
}

/* what stands there, while it is held by its supervisor: false, it is not. text is room to read into */
static bool
take(int fd, struct known *k, bool words, char **text, size_t *room)
{
	char *rest, *line, *appended = NULL;
	int tries;

	for (tries = 0; owned(fd); tries++) {
		rest = whole(fd, tries, room, text, &appended);
		if (!rest && tries < TRIES) {  /* it is claimed, and nothing stands there yet: soon */
			wait_a_little(tries);
			continue;
		}
		k->old = rest && tries >= TRIES_OLD && is_old(rest);
		while ((line = next_line(&rest)))
			take_line(k, line, words);
		while ((line = next_line(&appended)))
			if (after(line, "CGROUP="))
				take_line(k, line, words);
		if (!k->state)
			k->state = xstrdup(k->leader > 0 ? "running" : "opening");
		correct_since(k);
		return true;
	}
	return false;
}

/* one that ended while it was opened may have been followed by another */
static bool
read_one(int dir, const char *name, struct known *k, bool words, char **text, size_t *room)
{
	enum { AGAIN = 8 };
	struct stat st;
	int tries;

	memset(k, 0, sizeof(*k));
	for (tries = 0; tries < AGAIN; tries++) {
		k->fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (k->fd < 0 && errno == EACCES)
			die("Need to be root.");
		if (k->fd < 0)
			return false;
		if (take(k->fd, k, words, text, room)) {
			k->name = xstrdup(name);
			return true;
		}
		st.st_nlink = 1;
		fstat(k->fd, &st);
		known_close(k);
		if (st.st_nlink > 0)
			break;
	}
	return false;
}

bool
known_read(const char *name, struct known *k)
{
	char *text = NULL;
	size_t room = 0;
	bool known;

	memset(k, 0, sizeof(*k));
	k->fd = -1;
	known = name_valid(name) && read_one(AT_FDCWD, fmt("%s/%s", run_state_dir(), name), k, true, &text, &room);
	if (known)
		k->name = xstrdup(name);
	free(text);
	return known;
}

bool
known_read_at(int fd, struct known *k)
{
	char *text = NULL;
	size_t room = 0;
	bool known;

	memset(k, 0, sizeof(*k));
	k->fd = -1;
	known = take(fd, k, true, &text, &room);
	free(text);
	return known;
}

/* its supervisor writes before it reaps: that it is just about to changes nothing yet, and no sum is needed */
bool
known_leads(const struct known *k)
{
	char text[8192], line[32];
	struct known now;
	ssize_t n;

	if (k->leader <= 0 || !known_lives(k))
		return false;
	n = pread(k->fd, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = 0;
	snprintf(line, sizeof(line), "\nLEADER=%d\n", (int)k->leader);
	if (*text == REGISTER_SPOILED)
		return false;
	return strstr(text, line) || (n == sizeof(text) - 1 && known_read_at(k->fd, &now) && now.leader == k->leader);
}

/* one that was nobody's root would have whoever follows it find what it likes */
bool
known_users(const struct known *k, int ns)
{
	int fd = ns >= 0 ? ns : openat(AT_FDCWD, fmt("/proc/%d/ns", (int)k->leader), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat own, its;
	char text[128] = "", *at = text;
	bool same;

	if (k->id_count) {
		same = read_at(fd, "../uid_map", text, sizeof(text)) > 0 && strtoul(at, &at, 10) == 0
		    && strtoul(at, &at, 10) == k->id_base && strtoul(at, &at, 10) == k->id_count;
	} else {
		same = fstatat(fd, "../../self/ns/user", &own, 0) < 0  /* there are none */
		    || (fstatat(fd, "user", &its, 0) == 0 && own.st_ino == its.st_ino && own.st_dev == its.st_dev);
	}
	if (fd != ns)
		drop(fd);
	return same;
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
known_list(bool hidden, void (*look)(struct known *k), size_t *n)
{
	int fd = openat(AT_FDCWD, run_state_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct known *list = NULL, *more;
	char *text = NULL;
	size_t room = 0, most = 0, i;
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
		if (!read_one(fd, e->d_name, &list[*n], false, &text, &room))
			continue;
		if (!list[*n].hidden || hidden) {
			if (look)
				look(&list[*n]);
			(*n)++;
			known_close(&list[*n - 1]);
		} else {
			known_close(&list[*n]);
		}
	}
	if (d)
		closedir(d);
	free(text);
	if (*n)
		qsort(list, *n, sizeof(*list), by_name);
	for (i = 1; i < *n;)  /* a file that was made anew may be told twice */
		if (!streq(list[i].name, list[i - 1].name))
			i++;
		else if (i < --*n)
			memmove(&list[i], &list[i + 1], (*n - i) * sizeof(*list));
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
	if (fd < 0 && name_valid(name) && errno == EACCES)
		die("Need to be root.");
	return fd >= 0 && !owned(fd) ? drop(fd) : fd;
}

void
known_look(int fd, struct brief *b)
{
	static char *text;
	static size_t room;
	char *rest = NULL, *line, *appended;
	const char *value;
	int tries;

	memset(b, 0, sizeof(*b));
	for (tries = 0; tries < TRIES && !rest; tries++) {
		if (tries > 0)
			wait_a_little(tries);
		b->lives = owned(fd);  /* first: who is gone says no more */
		rest = whole(fd, tries, &room, &text, &appended);
		if (!b->lives)
			break;
	}
	snprintf(b->state, sizeof(b->state), "opening");
	while ((line = next_line(&rest)))
		if ((value = after(line, "STATE=")))
			snprintf(b->state, sizeof(b->state), "%s", value);
		else if ((value = after(line, "LEADER=")) && *value != '0')  /* an old one says no more; others do, below */
			snprintf(b->state, sizeof(b->state), "running");
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
	int fd = pid > 0 ? sys_pidfd_open(pid) : -1, rc;

	if (pid <= 0 || !(pid == k->leader ? known_leads(k) : known_lives(k))) {
		drop(fd);
		errno = ESRCH;
		return -1;
	}
	rc = fd < 0 ? kill(pid, sig) : sys_pidfd_signal(fd, sig);
	drop(fd);
	return rc;
}

bool
known_doomed(const struct known *k)
{
	enum { EXITING = 4 };  /* PF_EXITING, of the flags in proc(5)'s stat */
	static const char *const keys[] = { "\nSigPnd:", "\nShdPnd:" };
	static const int fatal[] = { SIGKILL, SIGTERM, SIGUSR2, SIGPWR };
	unsigned long long waiting = 0;
	char path[32], text[4096], *at;
	bool exits = false;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)k->supervisor);
	if (read_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return !known_lives(k);
	for (i = 0; i < LEN(keys); i++)
		if ((at = strstr(text, keys[i])))
			waiting |= strtoull(at + strlen(keys[i]), NULL, 16);
	for (i = 0; i < LEN(fatal); i++)
		if (waiting >> (fatal[i] - 1) & 1)
			return true;
	/* behind that: what does not wait any more is at work */
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)k->supervisor);
	at = read_at(AT_FDCWD, path, text, sizeof(text)) > 0 ? strrchr(text, ')') : NULL;
	for (i = 0; i < 7 && at; i++, at = strchr(at + 1, ' '))
		exits |= i == 1 && (at[1] == 'Z' || at[1] == 'X');
	return at ? exits || strtoul(at, NULL, 10) & EXITING : !known_lives(k);
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
