/* SPDX-License-Identifier: 0BSD */
/*
 * Into a running machine: exec, shell, login. We stay on the host. A child of ours executes a sealed copy of our program,
 * whose memory has nothing of the host's; it joins the machine, sheds all rights that the payload has not, and only then makes
 * the process that is born inside, as a child of ours. What the machine can see of that one is its own already.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

#define NO_MACHINE "Could not get path to machine"

/* ---- the way in ------------------------------------------------------------------- */

/* of its leader; each is that process's, or nobody's */
struct gate { int pidfd, ns, root; };

static _Noreturn void
die_of_state(const struct known *k)
{
	if (streq(k->state, "waiting"))
		die("machine %s waits for what it needs, and has not started yet", k->name);
	if (streq(k->state, "opening"))
		die("machine %s is only just starting", k->name);
	die("machine %s is just ending", k->name);
}

/* its leader's pid is that process's as long as the register says so: look again once all is open */
static void
open_gate(const struct known *k, struct gate *g)
{
	char *proc = fmt("/proc/%d", (int)k->leader);
	struct known now;

	if (k->leader <= 0)
		die_of_state(k);
	g->pidfd = sys_pidfd_open(k->leader);
	g->ns = openat(AT_FDCWD, fmt("%s/ns", proc), O_PATH | O_DIRECTORY | O_CLOEXEC);
	g->root = openat(AT_FDCWD, fmt("%s/root", proc), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!known_lives(k) || !known_read(k->name, &now))
		die("machine %s has ended", k->name);
	known_close(&now);
	if (now.leader != k->leader || now.since != k->since)
		die_of_state(&now);
	if (g->ns < 0 || g->root < 0)
		die(errno == EACCES || errno == EPERM ? "look at machine %s:" : "machine %s is just ending:", k->name);
}

/* all at once (5.8), else one by one: the users last, for they take away what the others need */
static int
join(const struct gate *g, int namespaces)
{
	static const struct { const char *name; int flag; } kinds[] = {
		{ "cgroup", CLONE_NEWCGROUP }, { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS }, { "net", CLONE_NEWNET },
		{ "pid", CLONE_NEWPID }, { "mnt", CLONE_NEWNS }, { "user", CLONE_NEWUSER },
	};
	size_t i;
	int fd;

	if (g->pidfd >= 0 && !sys_denied("setns-pidfd") && setns(g->pidfd, namespaces) == 0)
		return 0;
	for (i = 0; i < LEN(kinds); i++) {
		if (!(namespaces & kinds[i].flag))
			continue;
		fd = openat(g->ns, kinds[i].name, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)  /* this kernel has none of that kind */
			continue;
		if (fd < 0 || setns(fd, kinds[i].flag) < 0)
			return drop(fd);
		close(fd);
	}
	return 0;
}

/* where the leader's root is no mount of its own, that of the namespace is another */
static int
join_root(const struct gate *g)
{
	return fchdir(g->root) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -1 : 0;
}

int
enter_root(const struct known *k)
{
	struct gate g;

	open_gate(k, &g);
	drop(g.pidfd);
	drop(g.ns);
	return g.root;
}

int
enter_mounts(const struct known *k, const int *keep, size_t nkeep, int (*fn)(void *), void *arg)
{
	int status = 0, *fds = xalloc((nkeep + 3) * sizeof(*fds));
	struct gate g;
	pid_t pid, own = getpid();

	open_gate(k, &g);
	memcpy(fds, keep, nkeep * sizeof(*fds));
	fds[nkeep] = g.pidfd;
	fds[nkeep + 1] = g.ns;
	fds[nkeep + 2] = g.root;
	pid = fork();
	if (pid < 0)
		die("make a process:");
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != own)
			_exit(FAIL);
		sys_close_but(3, fds, nkeep + 3);
		if (join(&g, CLONE_NEWNS) < 0 || join_root(&g) < 0)
			die("enter the mounts of machine %s:", k->name);
		close(g.root);
		close(g.ns);
		drop(g.pidfd);
		_exit(fn(arg));
	}
	close(g.root);
	close(g.ns);
	drop(g.pidfd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("wait for a process in machine %s:", k->name);
	return status;
}

int
enter_exec(struct ask *a)
{
	(void)a;
	die("not built yet");
}

int
enter_shell(struct ask *a)
{
	return enter_exec(a);
}

int
enter_login(struct ask *a)
{
	return enter_exec(a);
}
