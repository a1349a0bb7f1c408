/* SPDX-License-Identifier: 0BSD */
/* How each init is asked to power off or to reboot */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

enum { RT = 34 };  /* SIGRTMIN as guests count; see user.c */

static bool to_initctl(int root, bool again);
static bool to_openrc(int root, bool again);
static bool to_runit(int root, bool again);

/* the end of /proc/PID/exe and, where that is not enough, the name of the process; first match counts */
static const struct init {
	const char *exe, *comm;
	int poweroff, reboot;                  /* signals to PID 1 */
	bool (*other)(int root, bool again);   /* or this, at the guest's root; false: use the signal */
} inits[] = {
	/* exe            comm            power off  reboot   other */
	{ "/systemd",     NULL,           RT + 3,    SIGINT,  NULL },
	{ "/busybox",     NULL,           SIGUSR2,   SIGTERM, NULL },
	{ "/procd",       NULL,           SIGUSR2,   SIGTERM, NULL },
	{ "/finit",       NULL,           SIGUSR2,   SIGTERM, NULL },
	{ "/openrc-init", NULL,           SIGTERM,   SIGINT,  to_openrc },
	{ "/runit-init",  NULL,           SIGCONT,   SIGCONT, to_runit },
	{ "/runit",       NULL,           SIGCONT,   SIGCONT, to_runit },
	{ "/s6-svscan",   NULL,           SIGUSR2,   SIGINT,  NULL },
	{ "/dinit",       NULL,           SIGTERM,   SIGINT,  NULL },
	{ "",             "(sd-stubinit)", SIGTERM,  RT + 5,  NULL },
	{ "/init",        "init",         SIGPWR,    SIGINT,  to_initctl },
	{ "",             NULL,           SIGTERM,   SIGINT,  NULL },
};

/* a FIFO of the guest's, by one of its names; nothing that a guest puts there can hold us */
static int
open_fifo(int root, const char *const *names)
{
	struct stat st;
	int fd, look;

	for (; *names; names++) {
		look = sys_open_in(root, *names, O_PATH, 0);
		if (look < 0)
			continue;
		if (fstat(look, &st) == 0 && S_ISFIFO(st.st_mode)) {
			close(look);
			fd = sys_open_in(root, *names, O_WRONLY | O_NONBLOCK, 0);
			if (fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
				return fd;
			drop(fd);
			continue;
		}
		close(look);
	}
	return -1;
}

/* sysvinit's request: initreq.h of its sources, the same in every release */
static bool
to_initctl(int root, bool again)
{
	static const char *const names[] = { "run/initctl", "dev/initctl", NULL };
	struct { int32_t magic, cmd, runlevel, sleep; char data[368]; } request = {
		.magic = 0x03091969, .cmd = 1, .runlevel = again ? '6' : '0', .sleep = 5,
	};
	int fd = open_fifo(root, names);
	bool done = fd >= 0 && write(fd, &request, sizeof(request)) == (ssize_t)sizeof(request);

	drop(fd);
	return done;
}

/*
 * It has its FIFO once it has booted, and reads it until it goes down. So where nobody reads it goes down already, and a
 * signal would have it do so once more, which kills those that are stopping
 */
static bool
to_openrc(int root, bool again)
{
	static const char *const names[] = { "run/openrc/init.ctl", NULL };
	int fd = open_fifo(root, names);
	const char *word = again ? "reboot" : "poweroff";
	bool done = fd < 0 ? errno == ENXIO : write(fd, word, strlen(word)) == (ssize_t)strlen(word);

	drop(fd);
	return done;
}

static bool
set_mode(int root, const char *path, mode_t mode, bool make)
{
	int fd = sys_open_in(root, path, O_WRONLY, IN_REGULAR);
	bool done;

	if (fd < 0 && errno == ENOENT && make)
		fd = sys_open_in(root, path, O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK, 0);
	done = fd >= 0 && fchmod(fd, mode) == 0;
	drop(fd);
	return done;
}

/*
 * runit(8): when SIGCONT comes it looks at the x bits of two files, which are in /etc/runit, and
 * with Debian in /run. false, for the signal is still to be sent
 */
static bool
to_runit(int root, bool again)
{
	if (set_mode(root, "run/runit.reboot", again ? 0100 : 0, false)) {
		set_mode(root, "run/runit.stopit", 0100, false);
		return false;
	}
	if (set_mode(root, "etc/runit/reboot", again ? 0100 : 0, true))
		set_mode(root, "etc/runit/stopit", 0100, true);
	return false;
}

/* a guest's file system may let us wait for ever: a child waits, and not for long */
static bool
with_patience(const struct init *i, int root, bool again)
{
	enum { TRIES = 100, PAUSE_MS = 10 };
	int tries, status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(i->other(root, again) ? 0 : 1);
	for (tries = 0; pid > 0 && tries < TRIES; tries++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		poll(NULL, 0, PAUSE_MS);
	}
	if (pid > 0)
		kill(pid, SIGKILL);  /* reaped by whoever comes after us, if it cannot die */
	return false;
}

static const struct init *
which(pid_t pid)
{
	char exe[512], comm[32] = "", *end;
	ssize_t n = readlink(fmt("/proc/%d/exe", (int)pid), exe, sizeof(exe) - 1);
	const struct init *i;
	size_t len;

	exe[n > 0 ? n : 0] = 0;
	end = strstr(exe, " (deleted)");
	if (end)
		*end = 0;
	read_at(AT_FDCWD, fmt("/proc/%d/comm", (int)pid), comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = 0;
	for (i = inits;; i++) {
		len = strlen(i->exe);
		if (strlen(exe) < len || !streq(exe + strlen(exe) - len, i->exe))
			continue;
		if (!i->comm || streq(i->comm, comm))
			return i;
	}
}

/* on PID 1 a signal is lost that is neither caught nor blocked, to be waited for */
static bool
hears(const char *status, int sig)
{
	static const char *const keys[] = { "\nSigBlk:", "\nSigCgt:" };
	unsigned long long set = 0;
	const char *at;
	size_t i;

	for (i = 0; i < LEN(keys); i++)
		if ((at = strstr(status, keys[i])))
			set |= strtoull(at + strlen(keys[i]), NULL, 16);
	return set >> (sig - 1) & 1;
}

/* what has the name of an init may be a script that a shell of the same program runs. Its words are not read: it may hold who does */
static int
one_that_is_heard(pid_t pid, int sig, bool *deaf)
{
	char status[4096];

	*deaf = false;
	if (read_at(AT_FDCWD, fmt("/proc/%d/status", (int)pid), status, sizeof(status)) <= 0 || hears(status, sig))
		return sig;
	*deaf = !hears(status, SIGTERM);
	return *deaf ? sig : SIGTERM;
}

/* false when there is nothing to ask: then it can only be killed */
bool
halt_ask(const struct plan *p, struct run *r, const char *what)
{
	bool again = streq(what, "reboot");
	const struct init *i;
	int sig, root;
	bool deaf;

	if (r->preset && !p->kill_signal && !p->as_pid2 && !again) {
		sig = r->preset->signal ? user_signal(r->preset->signal) : 0;
		sig = one_that_is_heard(r->pid, sig ? sig : SIGTERM, &r->deaf);
		say("sending SIG%s to PID 1", user_signal_name(sig));
		return kill(r->pid, sig) == 0;
	}
	if (p->kill_signal && !again) {
		say("sending SIG%s to PID 1", user_signal_name(user_signal(p->kill_signal)));
		return kill(r->pid, user_signal(p->kill_signal)) == 0;
	}
	if (!p->boot && !p->as_pid2)
		return false;
	i = which(r->pid);
	if (i->other) {
		root = openat(AT_FDCWD, fmt("/proc/%d/root", (int)r->pid), O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root >= 0 && with_patience(i, root, again)) {
			close(root);
			say("asked %s to %s", *i->exe ? i->exe + 1 : "init", what);
			return true;
		}
		drop(root);
	}
	sig = one_that_is_heard(r->pid, again ? i->reboot : i->poweroff, &deaf);
	say("sending SIG%s to %s", user_signal_name(sig), *i->exe ? i->exe + 1 : "PID 1");
	return kill(r->pid, sig) == 0;
}
