/* SPDX-License-Identifier: 0BSD */
/* The life of a machine once it is born, its end, and the life after that */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

enum { REBOOT_STATUS = 133, PAUSE_MS = 100, ASK_FIRST_MS = 250, ASK_MS = 2000, ASK_MOST = 10, ASK_LATER_MS = 10000 };

static const char *const handed[] = { "NSPAWN_LITE_MOUNTS", "NSPAWN_LITE_CLAIM" };
static struct run *again;  /* what begins again even if we die */
static pid_t ourselves;
char **live_argv;

static int
take_over(const char *variable)
{
	const char *text = getenv(variable);
	long long fd;

	return text && parse_number(text, 3, INT32_MAX, &fd) && fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0 ? (int)fd : -1;
}

static void
hand_over(const char *variable, int fd)
{
	if (fd >= 0 && fcntl(fd, F_SETFD, 0) == 0)
		setenv(variable, fmt("%d", fd), 1);
}

/* the other half of keep_life and of begin_again, in the process image that follows */
static void
find(struct run *r)
{
	const char *name = getenv("NSPAWN_LITE_NAME"), *restarts = getenv("NSPAWN_LITE_RESTARTS");
	long long n = 0;
	int claim;

	if (name && name_valid(name)) {
		r->life_before = take_over(handed[0]);
		claim = take_over(handed[1]);
		r->reborn = claim >= 0 && machine_carried(r, name, claim);
		if (r->reborn || r->life_before >= 0)
			r->name = xstrdup(name);
		if (r->reborn && restarts && parse_number(restarts, 0, INT32_MAX, &n))
			r->restarts = (int)n;
	}
	unsetenv(handed[0]);
	unsetenv(handed[1]);
	unsetenv("NSPAWN_LITE_NAME");
	unsetenv("NSPAWN_LITE_RESTARTS");
}

/* seconds until it begins again after a failure; it grows while lives are short */
static int
back_off(struct run *r)
{
	int seconds = RESTART_FIRST, i;

	for (i = 0; i < r->restarts && seconds < RESTART_MOST; i++)
		seconds *= 2;
	if (seconds > RESTART_MOST)
		seconds = RESTART_MOST;
	if (r->restarts < INT32_MAX)
		r->restarts++;
	warn("machine %s: restarting in %d s", r->name, seconds);
	return seconds;
}

/* all of the life before is unmade but its claim: nobody else can have the name */
static _Noreturn void
begin_again(struct run *r, int seconds)
{
	int64_t until = now_ms() + (seconds ? seconds * INT64_C(1000) : PAUSE_MS), left;
	int keep[] = { r->claim, r->life_before, r->notify_fd, seal_file() };

	again = NULL;
	start_again(r, seconds != 0);
	sys_close_but(3 + r->listen_fds, keep, LEN(keep));  /* nor its tree, which may be exchanged while we wait */
	while (waitpid(-1, NULL, WNOHANG) > 0)  /* what had no time to end: the life that follows does not know them */
		;
	run_signals();
	run_signals_open(false);  /* it may have died while they were to kill it */
	machine_carry(r, seconds ? "waiting" : "opening", seconds ? fmt("%s, restarting in %d s", r->reason ? r->reason : "could not begin", seconds)
	                                                           : "rebooting");
	r->nwatch = 0;
	/* one that reboots as soon as it is up shall not eat the machine */
	for (run_told_to_end(); (left = until - now_ms()) > 0 && !r->ending && !(run_signalled(SIGUSR1) && seconds); run_told_to_end())
		run_wait(r, (int)left);
	if (!r->ending) {
		setenv("NSPAWN_LITE_NAME", r->name, 1);
		setenv("NSPAWN_LITE_RESTARTS", fmt("%d", r->restarts), 1);
		if (!seconds)
			hand_over(handed[0], r->life_before);
		hand_over(handed[1], r->claim);
		if (r->notify_fd >= 0)  /* nothing was said yet, and the words say its number */
			fcntl(r->notify_fd, F_SETFD, 0);
		run_signals_as_found();
		seal_again(live_argv);
		warn("start again:");
	}
	run_unwind();
	_exit(r->ending ? 0 : FAIL);
}

/* at exit, when it could not be made once more: its tree may be back after a while */
static void
begin_anyway(void)
{
	if (again && getpid() == ourselves && !again->ending)
		begin_again(again, back_off(again));
}

/* whether it begins again, and in how many seconds; -1: it does not */
static int
pause_after(const struct plan *p, struct run *r, int status)
{
	if (r->ending)
		return -1;
	if (now_ms() - r->began >= RESTART_RESET * INT64_C(1000))
		r->restarts = 0;
	if (status < 0)
		return 0;
	if (p->restart == RESTART_ALWAYS || (p->restart == RESTART_ON_FAILURE && status))
		return back_off(r);
	return -1;
}

void
live_tell(const char *state, int pass)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (len < 2 || len >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, len);
	if (*path == '@')
		a.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		sys_send(fd, state, strlen(state), pass);
	drop(fd);
}

/* the guest may say this a million times: no memory is taken for it */
static void
tell_status(const char *text)
{
	char status[256];

	snprintf(status, sizeof(status), "STATUS=Container running: %.200s", text);
	live_tell(status, -1);
}

static void
tell_ready(struct run *r)
{
	if (r->ready)
		return;
	live_tell(fmt("READY=1\nSTATUS=Container running.\nX_NSPAWN_LEADER_PID=%d", (int)r->pid), -1);
	start_ready(r);
	r->ready = true;
}

/* sd_notify(3) from inside: only PID 1 may speak */
static void
got_notify(struct run *r, int fd, short revents)
{
	char text[4096], *rest = text, *line;
	pid_t sender;
	ssize_t n;

	(void)revents;
	/* a guest may pass an fd whose closing takes its time; a signal must end that wait */
	run_signals_open(true);
	n = sys_recv(fd, text, sizeof(text) - 1, NULL, &sender);
	run_signals_open(false);
	if (n <= 0 || sender != r->pid)
		return;
	text[n] = 0;
	while ((line = next_line(&rest))) {
		if (streq(line, "READY=1"))
			tell_ready(r);
		else if (after(line, "STATUS=") && utf8_clean(line))
			tell_status(line + 7);
	}
}

/* others see that it does not run any more, though all else holds: who starts it waits for its end */
static void
end_for_good(struct run *r)
{
	if (!r->ending)
		machine_tell(r, "closing", NULL);
	r->ending = true;
}

static void
ask_to_end(const struct plan *p, struct run *r, const char *what)
{
	bool reboot = streq(what, "reboot");

	if (reboot && (r->asked || r->ending))
		return;  /* it is about it */
	r->again |= reboot;
	if (!reboot)
		end_for_good(r);
	machine_thaw(r);
	if ((reboot || r->halting++ == 0) && halt_ask(p, r, what)) {
		r->asked = what;
		r->asked_at = now_ms();
		r->ask_next = r->asked_at + ASK_FIRST_MS;
		r->times_asked = 1;
		if (!r->quiet)
			print(2, "Trying to halt container. Send SIGTERM again to trigger immediate termination.\n");
		return;
	}
	machine_kill(r);
}

/* once: a machine that lives for a while has something for those that begin */
static void
offer(const struct plan *p, struct run *r)
{
	static bool before;

	if (before)
		return;
	before = true;
	if (WITH_MNTNS)
		mntns_offer(r);
	if (WITH_NETWORK)
		spare_offer(p, r);
}

/*
 * An init that has just begun may not have heard: a signal without a handler is lost on PID 1. So it is asked again, until
 * its time is up. Milliseconds until there is more to do; -1: for ever
 */
static int
press(const struct plan *p, struct run *r)
{
	int patience = r->deaf ? DEAF_SECONDS : STOP_SECONDS;
	int64_t now, end = r->asked_at + patience * INT64_C(1000);

	if (!r->asked)
		return -1;
	now = now_ms();
	if (now >= end) {
		warn("machine %s has not ended in %d s: it is killed", r->name, patience);
		r->asked = NULL;
		machine_kill(r);
		return -1;
	}
	if (now >= r->ask_next) {
		halt_ask(p, r, r->asked);
		r->ask_next = now + (r->times_asked < 3 ? ASK_FIRST_MS << r->times_asked : r->times_asked < ASK_MOST ? ASK_MS : ASK_LATER_MS);
		r->times_asked++;
	}
	return (int)((r->ask_next < end ? r->ask_next : end) - now);
}

static void
kill_now(struct run *r)
{
	end_for_good(r);
	machine_kill(r);
}

/* what signals and keys want of it */
static void
heed(const struct plan *p, struct run *r)
{
	if (run_signalled(SIGWINCH))
		console_resize(r);
	if (run_signalled(SIGUSR1))
		ask_to_end(p, r, "reboot");
	if (run_signalled(SIGUSR2))
		kill_now(r);
	if (run_signalled(SIGPWR) && r->halting == 0)
		ask_to_end(p, r, "poweroff");
	if (run_told_to_end())
		ask_to_end(p, r, "poweroff");
	if (r->want && streq(r->want, "kill"))
		kill_now(r);
	else if (r->want)
		ask_to_end(p, r, r->want);
	r->want = NULL;
}

/* it has, and is not reaped: nobody else can get its number yet */
static bool
has_ended(struct run *r)
{
	siginfo_t info;

	info.si_pid = 0;
	if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		die("ask whether the machine has ended:");  /* nobody would tell us again */
	if (info.si_pid != r->pid)
		return false;
	r->status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status;  /* as wait(2) has it */
	return true;
}

/* what became of PID 1, in the original's words; the status to leave with, or -1 to begin again */
static int
closing(const struct plan *p, struct run *r, const char **text)
{
	int status, sig = WIFSIGNALED(r->status) ? WTERMSIG(r->status) : 0;
	bool own = p->share_pid != YES;  /* then reboot(2) is told by a signal, see "behavior inside PID namespaces" there */

	/* in a rescue, who has mended a system says so out of habit, as the last thing */
	if (!r->ending && (r->again || (own && sig == SIGHUP && !rescue(p)))) {
		status = p->keep_unit ? REBOOT_STATUS : -1;
		r->reason = "rebooting";
		*text = fmt("Container %s is being rebooted.", r->name);
	} else if (WIFEXITED(r->status)) {
		status = WEXITSTATUS(r->status);
		r->reason = fmt("exited with status %d", status);
		*text = status ? fmt("Container %s failed with error code %d.", r->name, status)
		               : fmt("Container %s exited successfully.", r->name);
	} else if (own && (sig == SIGINT || sig == SIGHUP)) {  /* or it was asked to end, and did it in that way */
		status = 0;
		r->reason = "powered off";
		*text = fmt("Container %s has been shut down.", r->name);
	} else {
		status = 128 + sig;
		r->reason = fmt("killed by %s", user_signal_name(sig));
		*text = fmt("Container %s terminated by signal %s.", r->name, user_signal_name(sig));
	}
	return status;
}

/* 137 may be its shell's word about another process */
static void
tell_of_want(struct run *r)
{
	const char *what = cgroup_starved(r);

	if (!what)
		return;
	warn("%smachine %s was killed for want of memory (%s)", WIFSIGNALED(r->status) ? "" : "a process of ", r->name, what);
	if (WIFSIGNALED(r->status))
		r->reason = "oom-kill";  /* as systemd calls it */
}

/* its number may be another's from then on: told is whether the register says so already */
static void
reap(struct run *r, bool told)
{
	pid_t pid = r->pid;

	r->pid = 0;
	if (!told)
		machine_tell(r, NULL, NULL);
	while (waitpid(pid, &r->status, 0) < 0 && errno == EINTR)
		;
}

static int
stay(const struct plan *p, struct run *r)
{
	const char *text;
	bool slim = false, settling, doubt;
	int ms, pressing, patience, status;

	watch(r, r->notify, POLLIN, got_notify);
	console_begin(r);
	r->began = now_ms();
	do {
		settling = !start_settled(r);
		if (p->notify_ready != YES && !settling)
			tell_ready(r);
		pressing = press(p, r);
		patience = start_patience(p, r);
		if (patience >= 0 && (pressing < 0 || patience < pressing))
			pressing = patience;
		/* a payload that outlives its first second may stay for years, on a box with little memory */
		ms = settling ? 1 : r->console_lost || r->held ? 100 : slim ? -1 : 1000;
		if (run_wait(r, pressing >= 0 && (ms < 0 || pressing < ms) ? pressing : ms) == 0) {
			console_again(r);
			if (!settling && !slim && !r->asked) {
				offer(p, r);
				sys_slim();
				slim = true;
			}
		} else {
			slim = false;  /* what it did then took memory */
		}
		attach_again(r);
		heed(p, r);
	} while (!run_signalled(SIGCHLD) || !has_ended(r));
	/* before Linux 5.17 it seems to be that until it is reaped, when reboot(2) has ended it */
	doubt = WIFSIGNALED(r->status) && WTERMSIG(r->status) == SIGKILL;
	if (doubt)
		reap(r, false);
	status = closing(p, r, &text);
	if (status == 128 + SIGKILL && !r->ending)
		tell_of_want(r);
	machine_tell(r, "closing", r->reason);
	if (!doubt)
		reap(r, true);
	unwatch(r, r->notify, got_notify);
	console_drain(r);
	if (r->started && !r->ready)
		print(2, "%s \"%s logs %s\" has its last words.\n", text, *speaker ? "nspawn-lite" : "machinectl", r->name);
	else if (!r->quiet)
		print(2, "%s\n", text);
	return status == 0 && r->started && !r->ready && !r->ending ? FAIL : status;
}

/* ---- what main calls ------------------------------------------------------------------------- */

void
live_begin(struct run *r)
{
	ourselves = getpid();
	atexit(begin_anyway);  /* behind what unmakes the life before */
	run_begin(r);
}

/* from here on it begins again whatever happens, if that was asked for. The first birth is another matter: who waits is told */
void
live_outlive(const struct plan *p, struct run *r)
{
	if (p->restart != RESTART_ON_FAILURE && p->restart != RESTART_ALWAYS)
		return;
	again = r;
	r->carry = true;
}

void
live_find(const struct plan *p, struct run *r)
{
	find(r);
	if (r->reborn)
		live_outlive(p, r);
}

int
live(const struct plan *p, struct run *r)
{
	int status = stay(p, r), seconds;

	again = NULL;
	seconds = pause_after(p, r, status);
	r->carry = seconds >= 0;
	run_unwind();
	if (seconds < 0)
		return status < 0 ? 0 : status;
	begin_again(r, seconds);  /* the same words make it anew */
}
