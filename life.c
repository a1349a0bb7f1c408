/* SPDX-License-Identifier: 0BSD */
/* Verbs that end machines, or wait for it */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nspawn-lite.h"

enum { LOOK_MS = 500 };  /* where the kernel does not tell */

/* an fd of each of many machines */
static void
raise_files(void)
{
	struct rlimit files;

	if (prlimit(0, RLIMIT_NOFILE, NULL, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		prlimit(0, RLIMIT_NOFILE, &files, NULL);
	}
}

/* of now_ms; -1: for ever */
static int64_t
deadline(int seconds)
{
	return seconds < 0 ? -1 : now_ms() + seconds * INT64_C(1000);
}

/* for poll(2): at most most, if that is not -1 */
static int
left_until(int64_t end, int most)
{
	int64_t left = end < 0 ? INT_MAX : end - now_ms();

	if (left < 0)
		left = 0;
	if (most >= 0 && left > most)
		return most;
	return left >= INT_MAX ? end < 0 ? -1 : INT_MAX : (int)left;
}

/* ---- to wait for the end of one ----------------------------------------------- */

/* a process, by what the kernel tells of its end; else by its lock, and its number for a moment */
struct end { struct known k; int pidfd; bool missed; };

static void
open_end(struct end *e)
{
	e->pidfd = e->k.supervisor > 0 ? sys_pidfd_open(e->k.supervisor) : -1;
	if (!known_lives(&e->k))  /* the number may be another's already */
		e->pidfd = drop(e->pidfd);
}

static bool
wait_for_end(const struct end *e, int64_t end)
{
	enum { MOMENT_MS = 20, MOMENTS = 10 };
	struct pollfd p = { e->pidfd, POLLIN, 0 };
	int tries = 0;

	if (e->pidfd >= 0) {
		while (poll(&p, 1, left_until(end, -1)) <= 0)
			if (end >= 0 && now_ms() >= end)
				return false;
		return true;
	}
	p.fd = known_watch();
	while (known_lives(&e->k)) {
		if (end >= 0 && now_ms() >= end) {
			drop(p.fd);
			return false;
		}
		if (poll(&p, 1, left_until(end, p.fd < 0 ? MOMENT_MS : LOOK_MS)) > 0) {
			char events[4096];

			(void)!read(p.fd, events, sizeof(events));
		}
	}
	drop(p.fd);
	/* what it held besides goes just after that */
	while (e->k.supervisor > 0 && kill(e->k.supervisor, 0) == 0 && tries++ < MOMENTS)
		poll(NULL, 0, 1);
	return true;
}

bool
life_wait_end(const struct known *k, int seconds)
{
	struct end e = { .k = *k };
	bool ended;

	open_end(&e);
	ended = wait_for_end(&e, deadline(seconds));
	drop(e.pidfd);
	return ended;
}

/* ---- to end them ------------------------------------------------------------------ */

static int
timeout_of(const struct ask *a)
{
	long long n;

	if (!a->timeout)
		return -1;
	if (!parse_number(a->timeout, 0, INT32_MAX / 1000, &n))
		die("--timeout=%s: not a number of seconds", a->timeout);
	return (int)n;
}

/* false: there is none */
static bool
send_one(const char *name, int sig, const char *what, struct end *e)
{
	enum { TRIES = 25, PAUSE_MS = 100 };  /* to read each takes that long, too */
	int tries;

	e->pidfd = -1;
	e->missed = false;
	if (!known_read(name, &e->k))
		return false;
	/* its name is taken, but it has not said yet by whom: it may sweep first */
	for (tries = 0; e->k.supervisor <= 0; tries++) {
		if (tries == TRIES) {
			warn("Could not %s machine %s: it is only just starting; try again", what, name);
			e->missed = true;
			return true;
		}
		known_close(&e->k);
		poll(NULL, 0, PAUSE_MS);
		if (!known_read(name, &e->k))
			return true;
	}
	if (e->k.old && sig == SIGUSR1)
		die("Could not reboot machine %s: an older nspawn-lite runs it, which knows no way; stop and start it", name);
	if (e->k.old && sig == SIGPWR)
		sig = SIGTERM;
	open_end(e);
	if (known_signal(&e->k, e->k.supervisor, sig) < 0 && errno != ESRCH)
		die("Could not %s machine %s:", what, name);
	return true;
}

/* signal the supervisors of all first, and wait then */
static int
end_all(struct ask *a, int sig, const char *what, bool wait)
{
	const char *unknown = NULL;
	struct known *list = NULL;
	size_t n = count(a->words), known = 0, i;
	int seconds = timeout_of(a), status = 0;
	int64_t end = deadline(seconds);
	struct end *e;

	if (a->all && n > 0)
		die("%s: --all, or names", a->verb);
	if (!a->all && n == 0)
		die(*speaker ? "%s: say which, or --all" : "Too few arguments.", a->verb);
	if (a->all)
		list = known_list(true, NULL, &n);
	raise_files();
	e = xalloc((n + 1) * sizeof(*e));
	for (i = 0; i < n && !unknown; i++) {
		if (send_one(list ? list[i].name : a->words[i], sig, what, &e[known]))
			known++;
		else if (!list)
			unknown = a->words[i];
	}
	for (i = 0; i < known; i++)
		if (e[i].missed)
			status = FAIL;
		else if (wait && !wait_for_end(&e[i], end))
			die("machine %s has not ended in %d s", e[i].k.name, seconds);
	machine_sweep_all();
	if (unknown)
		known_no(fmt("Could not %s machine", what), unknown);
	return status;
}

int
life_stop(struct ask *a)
{
	return end_all(a, SIGPWR, "kill", !a->no_block);
}

int
life_reboot(struct ask *a)
{
	return end_all(a, SIGUSR1, "kill", false);
}

int
life_terminate(struct ask *a)
{
	return end_all(a, SIGUSR2, "terminate", !a->no_block);
}

/* ---- signals ------------------------------------------------------------------------ */

/* false: it has ended */
static bool
kill_processes(const struct known *k, int sig)
{
	struct run r = { .pid = k->leader, .init_pidfd = sys_pidfd_open(k->leader) };
	struct known now;
	int rc = -1, error = ESRCH;

	/* read again: now it is certain whom that number means */
	if (known_read(k->name, &now) && now.leader == k->leader) {
		if (k->group && cgroup_find(k->group, r.share))
			r.nshares = 1;
		rc = cgroup_signal(&r, sig);
		error = errno;
		if (r.nshares)
			cgroup_let_go(r.share);
	}
	known_close(&now);
	drop(r.init_pidfd);
	if (rc < 0 && error == ENOENT)
		die("Could not kill machine %s: it has neither processes nor a control group of its own; "
		    "--kill-whom=leader signals PID 1", k->name);
	return rc == 0;
}

int
life_kill(struct ask *a)
{
	int whom = a->kill_whom ? word_index("leader|all", a->kill_whom) : 1, sig;
	struct known k;
	char **w;

	if (a->signal && streq(a->signal, "help")) {
		user_list("kill-signal");
		return 0;
	}
	sig = a->signal ? user_signal(a->signal) : SIGTERM;
	if (sig <= 0)
		die("--signal=%s: no such signal; --signal=help lists them", a->signal);
	if (!*a->words)
		die(*speaker ? "kill: say which" : "Too few arguments.");
	if (whom < 0)
		die("--kill-whom=%s: not one of: leader all", a->kill_whom);
	for (w = a->words; *w; w++) {
		if (!known_read(*w, &k))
			known_no("Could not kill machine", *w);
		if (k.leader <= 0)
			die("Could not kill machine %s: it is %s", *w, k.state);
		if (whom == 0 && known_signal(&k, k.leader, sig) < 0 && errno != ESRCH)
			die("Could not kill machine %s:", *w);
		if (whom == 1 && !kill_processes(&k, sig))
			known_no("Could not kill machine", *w);
		known_close(&k);
	}
	return 0;
}

/* ---- changes ---------------------------------------------------------------------------- */

/* one that lived when we looked last: its fd says what it said last, whatever became of its file */
struct seen { char name[NAME_LONGEST + 1]; int fd; struct brief said; };

struct monitor {
	struct ask *a;
	char **names;                  /* NULL: all */
	const char *until;             /* of wait: no word before this state */
	bool reached;
	struct seen *seen;
	size_t n, room;
	int watch, looks;              /* looks: so often we look again, of LOOKS */
};

/* in a JSON string, without memory of its own */
static const char *
quoted(const char *text)
{
	static char out[sizeof(((struct brief *)0)->reason) * 6 + 1];
	char *to = out;

	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == '"' || *text == '\\')
			to += snprintf(to, 7, "\\u%04x", (unsigned char)*text);
		else
			*to++ = *text;
	*to = 0;
	return out;
}

static void
tell(struct monitor *m, const char *name, const char *state, const char *reason)
{
	if (m->until)
		m->reached |= streq(m->until, state);
	else if (ask_output(m->a) == OUT_TABLE)
		print(1, "%s %s%s%s\n", name, state, *reason ? " " : "", reason);
	else
		print(1, *reason ? "{\"machine\":\"%s\",\"state\":\"%s\",\"reason\":\"%s\"}\n"
		                 : "{\"machine\":\"%s\",\"state\":\"%s\",\"reason\":null}\n", name, state, quoted(reason));
	if (mute)
		exit(FAIL);
}

static bool
wanted(const struct monitor *m, const char *name)
{
	char **w;

	for (w = m->names; w && *w; w++)
		if (streq(*w, name))
			return true;
	return !m->names;
}

/* tell what became of a machine since; true: it lives still */
static bool
look_again(struct monitor *m, struct seen *s)
{
	struct brief now;
	char name[sizeof(s->name)];

	known_look(s->fd, &now);
	if (now.lives) {
		if (!streq(now.state, s->said.state) || !streq(now.reason, s->said.reason))
			tell(m, s->name, now.state, now.reason);
		s->said = now;
		return true;
	}
	memcpy(name, s->name, sizeof(name));
	close(s->fd);
	*s = m->seen[--m->n];
	tell(m, name, "stopped", streq(now.state, "closing") ? now.reason : "supervisor killed");
	return false;
}

static void
look_at(struct monitor *m, const char *name)
{
	struct seen *more, s;
	size_t i;

	if (!name_valid(name) || !wanted(m, name))
		return;
	for (i = 0; i < m->n; i++)
		if (streq(m->seen[i].name, name)) {
			if (look_again(m, &m->seen[i]))
				return;
			break;
		}
	s.fd = known_open(name);
	if (s.fd < 0)
		return;
	known_look(s.fd, &s.said);
	if (!s.said.lives || (s.said.hidden && !m->names && !m->a->all)) {
		close(s.fd);
		return;
	}
	if (m->n == m->room) {
		more = realloc(m->seen, (m->room * 2 + 16) * sizeof(s));
		if (!more)
			die("no memory for so many machines");
		m->seen = more;
		m->room = m->room * 2 + 16;
	}
	memcpy(s.name, name, strlen(name) + 1);
	m->seen[m->n++] = s;
	tell(m, name, s.said.state, s.said.reason);
}

static void
look_at_all(struct monitor *m)
{
	DIR *d = opendir(run_state_dir());
	struct dirent *e;
	size_t i;

	for (i = m->n; i-- > 0;)  /* backwards, for the last one takes the place of one that has ended */
		look_again(m, &m->seen[i]);
	while (d && (e = readdir(d)))
		look_at(m, e->d_name);
	if (d)
		closedir(d);
}

/* watch before looking, so that nothing is missed between the two */
static void
begin_monitor(struct monitor *m)
{
	char **w;
	size_t i;

	raise_files();
	m->watch = known_watch();
	look_at_all(m);
	for (w = m->names; w && *w; w++) {
		for (i = 0; i < m->n && !streq(m->seen[i].name, *w); i++)
			;
		if (i == m->n && !m->until)
			tell(m, *w, "stopped", "");
	}
}

static void
next_change(struct monitor *m, int64_t end)
{
	/* the kernel tells that a file is closed just before its lock goes */
	enum { LOOKS = 8, FIRST_MS = 10 };
	static char events[16384] APART;
	const struct inotify_event *e;
	struct pollfd p = { m->watch, POLLIN, 0 };
	ssize_t n, at;
	bool all = m->watch < 0;
	int ms = all ? LOOK_MS : m->looks ? FIRST_MS << (LOOKS - m->looks) : -1;

	if (poll(&p, 1, left_until(end, ms)) > 0) {
		m->looks = LOOKS;
		n = read(m->watch, events, sizeof(events));
		for (at = 0; at < n; at += (ssize_t)sizeof(*e) + e->len) {
			e = (const struct inotify_event *)(void *)(events + at);
			if (e->mask & IN_IGNORED) {  /* the directory has gone: watch the one that is there now */
				drop(m->watch);
				m->watch = known_watch();
				all = true;
				break;
			}
			all |= (e->mask & IN_Q_OVERFLOW) != 0;
			if (e->len)
				look_at(m, e->name);
		}
	} else if (m->looks) {
		m->looks--;
		all = true;
	}
	if (all)
		look_at_all(m);
}

int
life_monitor(struct ask *a)
{
	struct monitor m = { .a = a, .names = *a->words ? a->words : NULL };

	begin_monitor(&m);
	for (;;)
		next_change(&m, -1);
}

int
life_wait(struct ask *a)
{
	struct monitor m = { .a = a, .until = a->words[1] ? a->words[1] : "stopped" };
	int seconds = timeout_of(a);
	int64_t end = deadline(seconds);

	if (word_index("running|stopped", m.until) < 0)
		die("%s: not one of: running stopped", m.until);
	if (!name_valid(*a->words))
		die("Invalid machine name %s.", *a->words);
	a->words[1] = NULL;
	m.names = a->words;
	begin_monitor(&m);
	m.reached |= m.n == 0 && streq(m.until, "stopped");
	while (!m.reached) {
		if (end >= 0 && now_ms() >= end)
			die("machine %s is not %s after %d s", *a->words, m.until, seconds);
		next_change(&m, end);
	}
	return 0;
}
