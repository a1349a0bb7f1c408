/* SPDX-License-Identifier: 0BSD */
/* What is alive: the undo list, the watch list, signals, the wire */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

static struct run *current;
static volatile sig_atomic_t came[65];
static sigset_t outside, inside;  /* the mask we came with, and ours */

char *
run_path(const char *path)
{
	const char *above = getenv("NSPAWN_LITE_ROOT");

	if (above && *above && *above != '/')
		die("NSPAWN_LITE_ROOT=%s: it must be a whole path, from / on", above);
	return above && *above ? fmt("%s%s", above, path) : xstrdup(path);
}

const char *
run_state_dir(void)
{
	static char *dir;

	return dir ? dir : (dir = run_path(STATE_DIR));
}

int
run_make_dirs(const char *path, mode_t mode)
{
	char *step = xstrdup(path);
	char *slash;

	for (slash = strchr(step + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(step, 0755) < 0 && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return mkdir(step, mode) < 0 && errno != EEXIST ? -1 : 0;
}

/* root's alone: who could open it could hold its lock, too, and so say that what stands there is true */
int
run_open_state(const char *path)
{
	enum { FLAGS = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC };
	int fd = openat(AT_FDCWD, path, FLAGS, 0600);

	if (fd < 0 && errno == ENOENT && run_make_dirs(run_state_dir(), 0755) == 0)
		fd = openat(AT_FDCWD, path, FLAGS, 0600);
	return fd;
}

void
undo(struct run *r, void (*fn)(struct run *))
{
	if (r->nundo == LEN(r->undo))
		die("too many things to undo");
	r->undo[r->nundo++].fn = fn;
}

void
run_unwind(void)
{
	struct run *r = current;

	while (r && r->nundo > 0)
		r->undo[--r->nundo].fn(r);
}

void
run_unwind_last(struct run *r)
{
	r->undo[--r->nundo].fn(r);
}

void
run_begin(struct run *r)
{
	int *const fds[] = {
		&r->tree, &r->image, &r->image_mounts,
		&r->claim, &r->cgroup, &r->notify, &r->stub, &r->master, &r->slave, &r->life_before,
		&r->mounts, &r->offer, &r->userns_fd, &r->tree_mount, &r->top, &r->procfs, &r->run_host, &r->init_pidfd, &r->init_ns,
		&r->proc, &r->sys, &r->device_policy, &r->gathered, &r->host_net.fd, &r->net.fd,
		&r->netns, &r->netns_kept, &r->spare, &r->move_wire, &r->notify_fd, &r->zone.fd, &r->subnets.fd, &r->lend_socket,
	};
	size_t i;

	current = r;
	for (i = 0; i < LEN(fds); i++)
		*fds[i] = -1;
	memset(r->hand, 0xff, sizeof(r->hand));
	memset(r->sources, 0xff, sizeof(r->sources));
	memset(r->node, 0xff, sizeof(r->node));
	memset(r->wire, 0xff, sizeof(r->wire));
	memset(r->relay, 0xff, sizeof(r->relay));
	atexit(run_unwind);
}

void
watch(struct run *r, int fd, short events, void (*fn)(struct run *, int, short))
{
	size_t i;

	for (i = 0; i < r->nwatch; i++)
		if (r->watch[i].fd == fd && r->watch[i].fn == fn)
			break;
	if (i == LEN(r->watch))
		die("too many things to watch");
	if (i == r->nwatch)
		r->nwatch++;
	r->watch[i].fd = fd;
	r->watch[i].events = events;
	r->watch[i].fn = fn;
}

void
unwatch(struct run *r, int fd, void (*fn)(struct run *, int, short))
{
	size_t i;

	for (i = 0; i < r->nwatch; i++)
		if (r->watch[i].fd == fd && r->watch[i].fn == fn)
			r->watch[i].fd = -1;  /* poll(2) skips it; run_wait closes the gap */
}

static void
note(int sig)
{
	came[sig] = 1;
}

/* the last ones, ^C and terminate, are for those who cannot wait */
static const int handled[] = { SIGTERM, SIGCHLD, SIGPIPE, SIGHUP, SIGQUIT, SIGUSR1, SIGPWR, SIGINT, SIGUSR2 };
enum { CALM = LEN(handled) - 2 };
static size_t nhandled;

/* a handler, not SIG_IGN: exec turns the one into the default and would keep the other */
static void
handle(size_t most)
{
	struct sigaction act = { .sa_handler = note }, old;

	for (; nhandled < most; nhandled++)
		if (sigaction(handled[nhandled], &act, &old) < 0)
			die("handle signals:");
		else if (old.sa_handler == SIG_IGN && (handled[nhandled] == SIGHUP || handled[nhandled] == SIGQUIT))
			sigaction(handled[nhandled], &old, NULL);  /* nohup(1) */
}

void
run_signals_wait(void)
{
	static bool done;
	size_t i;

	if (!done) {
		done = true;
		sigfillset(&inside);
		/* in the background of a terminal we stop at it, as all do */
		sigdelset(&inside, SIGTTIN);
		sigdelset(&inside, SIGTTOU);
		sigdelset(&inside, SIGTSTP);
		if (sigprocmask(SIG_SETMASK, &inside, &outside) < 0)
			die("block signals:");
		for (i = 0; i < LEN(handled); i++)
			sigdelset(&outside, handled[i]);
	}
	handle(CALM);
}

void
run_signals(void)
{
	run_signals_wait();
	handle(LEN(handled));
}

void
run_signals_kill(bool on)
{
	sigset_t urgent;
	size_t i;

	sigemptyset(&urgent);
	sigaddset(&urgent, SIGINT);
	sigaddset(&urgent, SIGUSR2);
	/* also where they were never handled: what a shell starts in the background ignores one, and would lose it */
	if (on)
		for (i = nhandled = CALM; i < LEN(handled); i++)
			signal(handled[i], SIG_DFL);
	sigprocmask(on ? SIG_UNBLOCK : SIG_BLOCK, &urgent, NULL);
	if (!on)
		handle(LEN(handled));
}

void
run_signal_too(int sig)
{
	struct sigaction act = { .sa_handler = note };

	sigaction(sig, &act, NULL);
	sigdelset(&outside, sig);
}

void
run_signals_open(bool open)
{
	sigprocmask(SIG_SETMASK, open ? &outside : &inside, NULL);
}

void
run_signals_as_found(void)
{
	sigset_t mask = outside;
	size_t i;

	/* none is lost, and none ends us while the claim is nobody's: they wait for the handlers of the life that follows */
	for (i = 0; i < LEN(handled); i++)
		sigaddset(&mask, handled[i]);
	signal(SIGUSR1, SIG_IGN);  /* it is begun anew already */
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* what our caller ignores (nohup, a shell's background) would be ignored for ever in the machine */
void
run_signals_child(int procfs)
{
	unsigned long long ignored = ~0ULL;
	char status[2048], *at;
	sigset_t none;
	int sig;

	if (read_at(procfs, "self/status", status, sizeof(status)) > 0 && (at = strstr(status, "\nSigIgn:")))
		ignored = strtoull(at + 8, NULL, 16);
	for (sig = 1; ignored && sig <= 64; sig++)
		if (ignored >> (sig - 1) & 1)
			sys_default_signal(sig);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

bool
run_signalled(int sig)
{
	bool yes = came[sig];

	came[sig] = 0;
	return yes;
}

static const int told[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR2, SIGPWR };

void
run_signals_look(void)
{
	sigset_t waiting;
	size_t i;

	if (sigpending(&waiting) < 0)
		return;
	for (i = 0; i < LEN(told); i++)
		if (sigismember(&waiting, told[i]) > 0) {
			handle(LEN(handled));
			run_signals_open(true);
			run_signals_open(false);
			break;
		}
}

bool
run_told_to_end(void)
{
	bool yes = false;
	size_t i;

	for (i = 0; i < LEN(told); i++)
		yes |= run_signalled(told[i]);
	if (yes && current)
		current->ending = true;
	return yes;
}

int
run_wait(struct run *r, int ms)
{
	struct pollfd fds[LEN(r->watch)];
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
	size_t i, n = 0;
	int ready;

	for (i = 0; i < r->nwatch; i++)
		if (r->watch[i].fd >= 0)
			r->watch[n++] = r->watch[i];
	r->nwatch = n;
	for (i = 0; i < n; i++)
		fds[i] = (struct pollfd){ r->watch[i].fd, r->watch[i].events, 0 };
	ready = ppoll(fds, (nfds_t)n, ms < 0 ? NULL : &t, &outside);
	if (ready < 0) {
		if (errno != EINTR)
			die("poll:");
		return 1;
	}
	for (i = 0; i < n; i++) {
		if (!fds[i].revents || r->watch[i].fd != fds[i].fd)
			continue;
		if (fds[i].revents & POLLNVAL)  /* a mistake of ours: it must not become a spin */
			r->watch[i].fd = -1;
		else
			r->watch[i].fn(r, fds[i].fd, fds[i].revents);
	}
	return ready;
}

int
run_child(struct run *r, pid_t pid)
{
	bool stop = false;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		run_wait(r, -1);
		if (!run_told_to_end())
			continue;
		kill(pid, SIGKILL);
		stop = true;
	}
	return stop ? -1 : status;
}

void
run_listen(struct run *r, void (*got)(struct run *, char, int, const char *))
{
	char note_text[NOTE_MAX];
	ssize_t n;
	int fd;

	for (;;) {
		n = sys_recv(r->wire[0], note_text, sizeof(note_text) - 1, &fd, NULL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("listen to the machine:");
		if (n < 2)
			return;
		note_text[n] = 0;
		switch (note_text[0]) {
		case NOTE_DEATH:
			print(2, "%s%s\n", speaker, note_text + 2);
			exit(note_text[1]);
		case NOTE_WARN:
		case NOTE_SAY:
			print(2, "%s%s\n", speaker, note_text + 2);
			break;
		default:
			got(r, note_text[0], fd, note_text + 2);
		}
	}
}
