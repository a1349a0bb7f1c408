/* SPDX-License-Identifier: 0BSD */
/* Machines that nobody sits at: start, enable, disable */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nspawn-lite.h"

/*
 * Who starts a machine holds the read end of a pipe, and its supervisor has the other one as standard error: reasons go
 * there, and at last one of these bytes. The environment says that it is so, or, of a life after the first, that it was
 */
#define TOLD "NSPAWN_LITE_START"
#define NOTIFIED "NSPAWN_LITE_NOTIFIED"  /* and this, that --notify-fd has had its line */
#define BOUNDED "NSPAWN_LITE_BOUNDED"    /* and this, without the first, that it was start all the same */
enum { IS_READY = 0, HAS_FAILED = 1, WAITS = 2 };  /* HAS_FAILED: and it goes on, to try again. WAITS: more comes */

/* ---- in the supervisor --------------------------------------------------------- */

static bool notified;       /* in a life before this one */
static bool waited_for;     /* somebody reads our standard error, until it is ready */
static int words[2] = { -1, -1 };  /* a pipe: what we say, on its way to the log */
static int64_t born;

static void
put_in_place(int fd)
{
	if (dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		die("let go of standard error:");
}

/* a line at a time, but for one that is too long */
static void
heard(struct run *r, int fd, short revents)
{
	char text[512], *rest = text, *line;
	ssize_t n = read(fd, text, sizeof(text) - 1);

	(void)revents;
	if (n <= 0)
		return;
	text[n] = 0;
	while ((line = next_line(&rest)))
		if (*line)
			attach_say(r, line);
}

static void
last_words(struct run *r)
{
	struct pollfd in = { words[0], POLLIN, 0 };

	while (poll(&in, 1, 0) > 0 && in.revents & POLLIN)
		heard(r, words[0], in.revents);
}

void
start_begin(const struct plan *p, struct run *r)
{
	const char *told = WITH_MACHINES ? getenv(TOLD) : NULL;
	long long n;

	notified = getenv(NOTIFIED);
	r->bounded = WITH_LIMITS && WITH_MACHINES && START_TASKS > 0 && (told || getenv(BOUNDED));
	if (told) {
		r->started = true;
		waited_for = streq(told, "1");
		if (pipe2(words, O_CLOEXEC | O_NONBLOCK) < 0)
			die("make a pipe:");
		if (!waited_for)
			put_in_place(words[1]);
	}
	/* programs that we call are not meant */
	unsetenv(TOLD);
	unsetenv(NOTIFIED);
	unsetenv(BOUNDED);
	if (!p->notify_fd || notified)
		return;
	if (!parse_number(p->notify_fd, 3, INT_MAX, &n) || fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
		die("--notify-fd=%s: no such fd is open", p->notify_fd);
	r->notify_fd = (int)n;
}

void
start_log(const struct plan *p, struct run *r)
{
	(void)p;
	if (WITH_MACHINES && r->started)
		undo(r, last_words);
}

bool
start_settled(struct run *r)
{
	enum { LONGEST_MS = 200 };
	char path[32], text[512], *state;

	if (!WITH_MACHINES || !r->started || r->ready || !waited_for)
		return true;
	if (!born)
		born = now_ms();
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)r->pid);
	state = read_at(AT_FDCWD, path, text, sizeof(text)) > 0 ? strrchr(text, ')') : NULL;
	return !state || after(state, ") S") || now_ms() - born > LONGEST_MS;
}

static void
tell(char what)
{
	if (waited_for)
		(void)!write(2, &what, 1);
	waited_for &= what == WAITS;
}

void
start_waits(const struct plan *p, struct run *r)
{
	(void)r;
	if (p->wait_for)
		tell(WAITS);
}

int
start_patience(const struct plan *p, struct run *r)
{
	int64_t left = r->began + START_SECONDS * INT64_C(1000) - now_ms();

	if (!WITH_MACHINES || !waited_for || r->ready || p->notify_ready != YES)
		return -1;
	if (left > 0)
		return (int)left;
	warn("machine %s has not said READY=1 in %d s; it goes on", r->name, START_SECONDS);
	tell(HAS_FAILED);
	put_in_place(words[1]);
	watch(r, words[0], POLLIN, heard);
	return -1;
}

void
start_ready(struct run *r)
{
	if (r->notify_fd >= 0) {
		(void)!write(r->notify_fd, "\n", 1);
		close(r->notify_fd);
		r->notify_fd = -1;
		notified = true;
	}
	if (!WITH_MACHINES || !r->started)
		return;
	if (waited_for) {
		tell(IS_READY);
		put_in_place(words[1]);
	}
	words[1] = drop(words[1]);
	watch(r, words[0], POLLIN, heard);
}

void
start_again(struct run *r, bool failed)
{
	int null;

	if (notified)
		setenv(NOTIFIED, "1", 1);
	if (r->bounded)
		setenv(BOUNDED, "1", 1);
	if (!WITH_MACHINES || !r->started)
		return;
	tell(failed ? HAS_FAILED : IS_READY);
	setenv(TOLD, "again", 1);
	null = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		put_in_place(null);
}

/* ---- before it is one ------------------------------------------------------------- */

/* until something changes; fd is of known_watch */
static void
pause_for_change(int fd)
{
	enum { LOOK_MS = 100, AT_LEAST_MS = 2000 };
	struct pollfd in = { fd, POLLIN, 0 };
	char events[4096];

	if (poll(&in, fd >= 0, fd < 0 ? LOOK_MS : AT_LEAST_MS) > 0)
		while (read(fd, events, sizeof(events)) > 0)
			;
}

/* is there nothing more to do for it? Who is about to run is waited for, and so is the end of one that ends */
static bool
is_running(const char *name, bool foreground)
{
	int64_t end = now_ms() + START_SECONDS * INT64_C(1000);
	int fd = known_watch();
	struct known k;
	bool running = false, ends;

	while (!running && known_read(name, &k)) {
		ends = streq(k.state, "closing") || known_doomed(&k);
		if (!ends && foreground)
			die("Machine '%s' already exists.", name);
		/* it may fail again and again, for years: who starts it each minute shall not be many */
		if (streq(k.state, "waiting") && k.reason && now_ms() >= end)
			die("machine %s has not begun in %d s: %s", name, START_SECONDS, k.reason);
		running = !ends && streq(k.state, "running");
		if (ends && life_wait_end(&k, 1))  /* not for ever: it may reboot, and live on */
			poll(NULL, 0, 1);
		else if (!running)
			pause_for_change(fd);
		known_close(&k);
	}
	drop(fd);
	return running;
}

/* config.h may say that machines wait for each other: told before any of them does */
static void
look_for_circle(const char *name, const struct plan *p, const struct ask *a, const char *way, int depth)
{
	enum { DEEPEST = 64 };
	const char *next, *first = way ? xstrndup(way, strcspn(way, " ")) : name;
	struct plan other;
	char **w;

	way = way ? fmt("%s -> %s", way, name) : name;
	for (w = p->wait_for; w && *w; w++) {
		next = after(*w, "machine:");
		if (!next)
			continue;
		if (streq(next, first))
			die("machines wait for each other: %s -> %s", way, next);
		if (depth == DEEPEST)
			return;
		memset(&other, 0, sizeof(other));
		plan_parse_start(&other, next, a);
		look_for_circle(next, &other, a, way, depth + 1);
	}
}

static _Noreturn void
become_supervisor(const char *name, struct ask *a)
{
	struct plan p = { 0 };
	struct image i;
	char **argv = NULL, **w;

	if (!name_valid(name))
		die("Invalid machine name %s.", name);
	if (is_running(name, a->foreground))
		exit(0);
	plan_parse_start(&p, name, a);
	look_for_circle(name, &p, a, NULL, 0);
	/* what it waits for may bring the image */
	if (!p.directory && !p.image && !p.template && !p.wait_for && !store_find(p.image_root, name, &i))
		die("Machine image '%s' does not exist.", name);
	p.no_defaults = true;
	if (p.settings)
		p.settings = SETTINGS_NO;  /* they were read just now */
	p.notify_fd = a->foreground ? a->notify_fd ? a->notify_fd : p.notify_fd : NULL;
	grow(&argv, *speaker ? "nspawn-lite" : "machinectl");
	grow(&argv, "run");
	for (w = plan_words(&p); w && *w; w++)
		grow(&argv, *w);
	if (a->foreground)
		setenv(BOUNDED, "1", 1);
	seal_again(argv);
	die("start ourselves anew:");
}

/* ---- those who wait ----------------------------------------------------------------- */

struct job {
	const char *name;
	pid_t pid;
	int fd;               /* -1: all is said */
	bool said, failed;    /* its reason; it will not run */
	bool begins;          /* it is one of those that are born just now */
	bool waits;           /* for something else, as far as we know */
};

/* of a session and an environment of its own: nothing of ours is left but the pipe */
static void
detach(int out)
{
	static const char *const kept[] = { "PATH", "NSPAWN_LITE_ROOT", "NSPAWN_LITE_DENY", "SYSTEMD_SECCOMP" };
	char *values[LEN(kept)];
	sigset_t none;
	size_t i;
	int sig, null;

	for (i = 0; i < LEN(kept); i++)
		values[i] = getenv(kept[i]);
	clearenv();
	for (i = 0; i < LEN(kept); i++)
		if (values[i])
			setenv(kept[i], values[i], 1);
	if (!values[0])
		setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv(TOLD, "1", 1);
	for (sig = 1; sig <= 64; sig++)
		sys_default_signal(sig);
	signal(SIGPIPE, SIG_IGN);  /* who started it may go: it goes on */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	if (dup2(out, 2) < 0 || setsid() < 0 || chdir("/") < 0)
		_exit(FAIL);
	null = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		die("open /dev/null (which mknod /dev/null c 1 3 makes):");
	sys_close_but(3, NULL, 0);
}

/* false: there are no more fds now */
static bool
launch(struct job *j, struct ask *a)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0) {
		if (errno == EMFILE || errno == ENFILE)
			return false;
		die("make a pipe:");
	}
	j->pid = fork();
	if (j->pid < 0)
		die("fork:");
	if (j->pid == 0) {
		detach(ends[1]);
		become_supervisor(j->name, a);
	}
	close(ends[1]);
	j->fd = ends[0];
	j->begins = true;
	j->waits = false;
	return true;
}

/* its supervisor has ended without a word that it is ready. true: another one was faster, begin again */
static bool
has_ended(struct job *j)
{
	int status = 0;

	while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CLAIMED)
		return true;
	j->failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	if (WIFSIGNALED(status) && !j->said)
		warn("machine %s: its supervisor was killed by signal %s", j->name, user_signal_name(WTERMSIG(status)));
	else if (j->failed && !j->said)
		warn("machine %s: its supervisor ended with status %d", j->name, WEXITSTATUS(status));
	return false;
}

/* true: as has_ended */
static bool
listen_to(struct job *j)
{
	char text[1024];
	ssize_t n = read(j->fd, text, sizeof(text)), i;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	for (i = 0; i < n && text[i] != IS_READY && text[i] != HAS_FAILED && text[i] != WAITS; i++)
		;
	if (i > 0 && !j->failed) {
		(void)!write_all(2, text, (size_t)i);
		j->said = true;
	}
	if (n > 0 && i == n)
		return false;
	if (n > 0 && text[i] == WAITS) {  /* alone: nobody writes to it meanwhile */
		j->waits = true;
		j->begins = false;
		return false;
	}
	j->fd = drop(j->fd);
	j->begins = j->waits = false;
	if (n <= 0)
		return has_ended(j);
	j->failed = text[i] == HAS_FAILED;
	return false;
}

/* one that waits for a machine that will not run needs not wait any longer */
static void
end_in_vain(struct job *job, size_t n)
{
	const char *other;
	struct known k;
	char **w;
	size_t i, f;

	for (i = 0; i < n; i++) {
		if (!job[i].waits || job[i].failed || !known_read(job[i].name, &k))
			continue;
		for (w = k.words; w && *w; w++) {
			other = after(*w, "--wait-for=machine:");
			for (f = 0; other && f < n && !(job[f].failed && streq(job[f].name, other)); f++)
				;
			if (!other || f == n || k.leader > 0)
				continue;
			warn("%s: machine %s, which it waits for, has not started", job[i].name, other);
			job[i].failed = job[i].said = true;
			known_signal(&k, k.supervisor, SIGUSR2);
			break;
		}
		known_close(&k);
	}
}

static size_t
how_many_begin(const struct job *job, size_t n)
{
	size_t i, begin = 0;

	for (i = 0; i < n; i++)
		begin += job[i].begins;
	return begin;
}

static int
start_all(char **names, struct ask *a)
{
	size_t n = count(names), i, launched = 0, open = 0;
	struct job *job = xalloc((n + 1) * sizeof(*job));
	struct pollfd *in = xalloc((n + 1) * sizeof(*in));
	int status = 0;

	signal(SIGCHLD, SIG_DFL);  /* who ignores it gets no status */
	for (i = 0; i < n; i++)
		job[i] = (struct job){ .name = names[i], .fd = -1 };
	while (launched < n || open > 0) {
		/* all at once would be slower on a small machine, and take its memory */
		for (; launched < n && how_many_begin(job, launched) < STARTS_AT_ONCE && launch(&job[launched], a); launched++)
			open++;
		if (!open)
			die("start %s:", job[launched].name);
		for (i = 0; i < n; i++)
			in[i] = (struct pollfd){ job[i].fd, POLLIN, 0 };
		if (poll(in, (nfds_t)n, -1) < 0 && errno != EINTR)
			die("poll:");
		for (i = 0; i < n; i++) {
			if (job[i].fd < 0 || !in[i].revents)
				continue;
			if (listen_to(&job[i]) && !launch(&job[i], a)) {
				warn("start %s:", job[i].name);
				job[i].failed = true;
			}
			open -= job[i].fd < 0;
			if (job[i].fd < 0 && job[i].failed)
				status = FAIL;
		}
		end_in_vain(job, launched);
	}
	machine_sweep_all();
	return status;
}

/* ---- marks ------------------------------------------------------------------------ */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* those that are to run, each once */
static char **
enabled(void)
{
	char **list = NULL, **row = plan_enabled(), **all = NULL;
	DIR *d = opendir(store_marks());
	struct dirent *e;
	size_t i;

	for (; row && *row; row++)
		grow(&list, *row);
	while (d && (e = readdir(d)))
		if (name_valid(e->d_name))
			grow(&list, xstrdup(e->d_name));
	if (d)
		closedir(d);
	if (!list)
		return NULL;
	qsort(list, count(list), sizeof(*list), by_name);
	for (i = 0; list[i]; i++)
		if (!i || !streq(list[i], list[i - 1]))
			grow(&all, list[i]);
	return all;
}

int
start_start(struct ask *a)
{
	char **names = a->all ? enabled() : a->words, *here;
	int null;

	if (a->all && *a->words)
		die("start --all: it takes all that are enabled, and no names");
	if (a->all && a->foreground)
		die("start --all: --foreground is for one machine");
	if (a->notify_fd && !a->foreground)
		die("--notify-fd: only with --foreground; without, start itself returns when it is ready");
	if (!a->all && !*names)
		die(*speaker ? "start: say more: %s start NAME..." : "Too few arguments.", verb_called);
	if (!names)
		return 0;
	if (getauxval(AT_EUID) != 0)
		die("Need to be root.");
	if (a->image_root && *a->image_root != '/') {
		here = getcwd(NULL, 0);
		if (!here)
			die("--image-root=%s:", a->image_root);
		a->image_root = fmt("%s/%s", here, a->image_root);
	}
	if (!a->foreground)
		return start_all(names, a);
	if (names[1])
		die("start --foreground: one machine, not %zu", count(names));
	unsetenv(TOLD);
	unsetenv(NOTIFIED);
	/* what is typed here, at a terminal that may be the host's console, is not for the machine */
	null = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0)
		die("open /dev/null:");
	if (isatty(2) && !a->quiet)
		print(2, "Starting machine %s. ^C asks it to power off, a second one kills it.\n", *names);
	become_supervisor(*names, a);
}

static int
mark(struct ask *a, bool on)
{
	char **w, *path;
	struct image i;
	int changed;

	for (w = a->words; *w; w++) {
		if (!name_valid(*w))
			die("Invalid machine name %s.", *w);
		if (on && !store_find(a->image_root, *w, &i))
			die("Machine image '%s' does not exist.", *w);
		path = fmt("%s/%s", store_marks(), *w);
		changed = store_mark(*w, on ? i.path : NULL);
		if (changed < 0)
			die("%s %s:", a->verb, *w);
		if (changed && !a->quiet)
			print(2, on ? "Created symlink %s → %s.\n" : "Removed \"%s\".\n", path, on ? i.path : NULL);
	}
	return 0;
}

int
start_enable(struct ask *a)
{
	int status = mark(a, true);

	return a->now ? start_start(a) : status;
}

int
start_disable(struct ask *a)
{
	char **row, **w, **running = NULL;
	int status = mark(a, false);
	struct known k;

	for (row = plan_enabled(); row && *row; row++)
		for (w = a->words; *w; w++)
			if (streq(*w, *row))
				warn("%s stays enabled: config.h says so", *w);
	for (w = a->words; a->now && *w; w++)
		if (known_read(*w, &k)) {
			grow(&running, *w);
			known_close(&k);
		}
	if (!running)
		return status;
	a->words = running;
	return life_stop(a);
}
