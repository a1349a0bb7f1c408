/* SPDX-License-Identifier: 0BSD */
/* A program of config.h at turns of a machine's life */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

/* one: NULL itself would be told to be none by compilers, where it is used */
static const char *const program[] = { HOOK };
static pid_t leader;  /* while it is up */

/* of its lease, or what stands for it */
static char *
address_of(const struct lease *l)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (l->prefix)
		inet_ntop(AF_INET, l->address, text, sizeof(text));
	else if (l->prefix6)
		inet_ntop(AF_INET6, l->address6, text, sizeof(text));
	return xstrdup(text);
}

static const char *
link_of(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->nlinks; i++)
		if (r->link[i].kind == LINK_VETH || r->link[i].kind == LINK_EXTRA)
			return r->link[i].host;
	return "";
}

static char **
environment(const struct run *r, const char *event)
{
	const char *above = getenv("NSPAWN_LITE_ROOT");
	char **env = NULL;

	grow(&env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	grow(&env, fmt("EVENT=%s", event));
	grow(&env, fmt("NAME=%s", r->name));
	grow(&env, leader ? fmt("PID=%d", (int)leader) : "PID=");
	grow(&env, fmt("IF=%s", link_of(r)));
	grow(&env, fmt("ADDR=%s", address_of(&r->lease)));
	if (above)
		grow(&env, fmt("NSPAWN_LITE_ROOT=%s", above));
	return env;
}

/* all that it starts can be killed with it, and ^C is not for it */
static _Noreturn void
become(char **argv, char **env, pid_t parent)
{
	sigset_t none;
	int null = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC), i;

	if (null < 0 || dup2(null, 0) < 0 || setsid() < 0)
		_exit(CANNOT_EXEC);
	sys_close_but(3, NULL, 0);
	for (i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
		_exit(CANNOT_EXEC);
	execve(argv[0], argv, env);
	_exit(errno == ENOENT ? NOT_FOUND : CANNOT_EXEC);
}

enum { WAIT, SERVE, HEED };  /* meanwhile: look at nothing, at what is watched, at who tells us to end */

/* NULL: it did well; else a sentence without a beginning */
static char *
call(struct run *r, const char *event, int meanwhile)
{
	enum { STEP = 20 };
	char *argv[] = { (char *)*program, (char *)event, NULL }, **env = environment(r, event);
	int64_t end = now_ms() + HOOK_SECONDS * 1000;
	pid_t own = getpid(), pid, got;
	int status = 0, ms = 1;
	bool told = false;

	say("%s %s", *program, event);
	pid = fork();
	if (pid == 0)
		become(argv, env, own);
	if (pid < 0)
		return fmt("cannot be started: %s", error_text(errno));
	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && now_ms() < end && !told) {
		if (meanwhile != WAIT)
			run_wait(r, ms);
		else
			poll(NULL, 0, ms);
		told = meanwhile == HEED && run_told_to_end();
		ms = ms < STEP ? ms * 2 : ms;
	}
	if (got == 0) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (told)
			return xstrdup("was interrupted: the machine is told to end");
		return fmt("took longer than %d s, and was killed", HOOK_SECONDS);
	}
	if (got < 0)
		return fmt("cannot be waited for: %s", strerror(errno));
	if (WIFSIGNALED(status))
		return fmt("was ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status) ? fmt("ended with status %d", WEXITSTATUS(status)) : NULL;
}

/* one that only tells of something: that goes on */
static void
tell(struct run *r, const char *event, int meanwhile)
{
	char *why = call(r, event, meanwhile);

	if (why)
		warn("%s %s of machine %s %s", *program, event, r->name, why);
}

static void
post_stop(struct run *r)
{
	tell(r, "post-stop", WAIT);
}

static void
down(struct run *r)
{
	tell(r, "down", WAIT);
	leader = 0;
}

void
hook_look(const struct plan *p, struct run *r)
{
	char *why;

	(void)p;
	if (!*program)
		return;
	if (access(*program, X_OK) < 0)
		die("machine %s is not started: %s:", r->name, *program);
	run_signals();  /* ^C would end us, and nothing be unmade */
	undo(r, post_stop);
	why = call(r, "pre-start", HEED);
	if (why)
		die("machine %s is not started: %s pre-start %s", r->name, *program, why);
}

void
hook_up(const struct plan *p, struct run *r)
{
	(void)p;
	if (!*program)
		return;
	leader = r->pid;
	undo(r, down);
	tell(r, "up", SERVE);
	raise(SIGCHLD);  /* what came meanwhile is looked at at once */
}
