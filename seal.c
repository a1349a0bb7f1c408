/* SPDX-License-Identifier: 0BSD */
/*
 * Our own program, as guests get to see it. It is a file of the host, and whoever writes to it has the host.
 *
 * Who: root in a machine or container, with every capability and call that it was given, who writes to its tree and to
 * what others have mounted, too, changes names there at any moment, and hands fds to such others. What: an fd of our file
 * that can be opened for writing, now or when none of our processes runs any more. ETXTBSY keeps nobody away: it ends
 * with them, an fd of O_PATH does not, and Linux 6.11 has none. How, and what is against it:
 *  - We are about to execute a program of the guest, and what its name, its first line or its loader lead to is
 *    /proc/self/exe: we become the guest's program. To look first is to lose a race. So who makes machines and containers
 *    runs from a mount of its own, which became noexec and read-only once we ran: the kernel executes us nowhere by way
 *    of our processes. It belongs to no mount namespace, where flags could be taken back, or a bind mount made of it.
 *  - One of our processes is among the guest's, for a moment or for ever: such a mount leads to the host's file system
 *    all the same, which may be frozen by FIFREEZE, watched by fanotify(7), or read by handles of files. So who goes in is
 *    a sealed copy in memory, and PID 1 of -a is a program of its own: stub.c.
 * Nobody is kept away who has our processes in sight by --share-pid, or the host's devices: they have the host already.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

#define MARK "NSPAWN_LITE_SEAL"  /* in our environment: "TREE FILE WIRE PID NAME", or COPY */
#define COPY "copy"

enum { NOEXEC = 8 };  /* MOUNT_ATTR_NOEXEC */

/* the mount that we run from, until it is settled, and our program for a reboot, as the host has it; or -1 */
static int tree = -1, file = -1;
static bool holds, tried, copied;
static const char *name;  /* of our program */

static void
execute(int fd, int wire, pid_t pid, char **argv)
{
	char path[32], mark[PATH_MAX + 64], *env[count(environ) + 2];
	size_t n = count(environ);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(mark, sizeof(mark), MARK "=%d %d %d %d %s", tree, file, wire, (int)pid, name);
	memcpy(env, environ, n * sizeof(*env));
	env[n] = mark;
	env[n + 1] = NULL;
	execve(path, argv, env);
}

/* ---- a mount of our own ------------------------------------------------------------------------- */

static bool
is_at(int fd, const struct stat *is)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == is->st_dev && st.st_ino == is->st_ino;
}

/* of the host's root, or else of what is next to our program, so that its name stays: sets tree, is our program there */
static int
copy_mount(const char *exe, const struct stat *is)
{
	const char *at;
	int fd = -1;

	for (at = exe; *at; at += 1 + strcspn(at + 1, "/")) {
		tree = sys_open_tree(AT_FDCWD, at == exe ? "/" : fmt("%.*s", (int)(at - exe), exe), CLONE_TREE);
		fd = tree < 0 ? -1 : openat(tree, at + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (tree < 0 || is_at(fd, is))
			break;
		drop(fd);
		close(tree);
	}
	/* it has no name any more, or is a mount itself */
	if (!*at)
		fd = tree = sys_open_tree(AT_FDCWD, "/proc/self/exe", CLONE_TREE);
	if (fd >= 0 && sys_mount_apart(tree) == 0)
		return fd;
	if (fd != tree)
		drop(fd);
	tree = drop(tree);
	return -1;
}

/* a mount namespace that lasts until we run */
static _Noreturn void
keep_mount(int wire, const char *exe, const struct stat *is)
{
	char c;
	int fd;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || unshare(CLONE_NEWNS) < 0
	    || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(exe, exe, NULL, MS_BIND, NULL) < 0
	    || place_read_only(exe, place_flags(exe)) < 0)
		_exit(FAIL);
	fd = openat(AT_FDCWD, exe, O_PATH | O_CLOEXEC);
	if (!is_at(fd, is) || sys_send(wire, "m", 1, fd) < 0 || sys_recv(wire, &c, 1, NULL, NULL) != 1
	    || place_read_only(exe, place_flags(exe) | MS_NOEXEC) < 0)
		_exit(FAIL);
	sys_send(wire, "x", 1, -1);
	_exit(0);
}

/* the same before Linux 5.12, where only who is in its namespace changes a mount */
static int
bind_elsewhere(const char *exe, const struct stat *is, int *wire, pid_t *pid)
{
	int ends[2], fd = -1;
	char c;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	*wire = ends[0];
	*pid = fork();
	if (*pid == 0) {
		close(ends[0]);
		keep_mount(ends[1], exe, is);
	}
	close(ends[1]);
	if (*pid > 0)
		sys_recv(*wire, &c, 1, &fd, NULL);
	fcntl(*wire, F_SETFD, 0);
	return fd;
}

static void
await(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void
seal_enter(char **argv, bool again)
{
	static char exe[PATH_MAX];
	struct stat is;
	ssize_t n;
	pid_t pid = -1;
	int fd, wire = -1;

	if (holds || tried || getauxval(AT_EUID) != 0)
		return;
	tried = true;
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n <= 0 || *exe != '/' || stat("/proc/self/exe", &is) < 0)
		return;
	name = exe;
	fd = copy_mount(exe, &is);
	if (fd < 0)
		fd = bind_elsewhere(exe, &is, &wire, &pid);
	if (fd >= 0) {
		file = again ? openat(AT_FDCWD, "/proc/self/exe", O_PATH) : -1;
		execute(fd, wire, pid, argv);
		file = drop(file);
		if (fd != tree)
			drop(fd);
	}
	seal_settle();
	drop(wire);
	await(pid);
}

void
seal_begin(const char *called)
{
	char *at = getenv(MARK), c;
	int wire;
	pid_t pid;

	if (!at)
		return;
	tried = true;
	unsetenv(MARK);
	prctl(PR_SET_NAME, strrchr(called, '/') ? strrchr(called, '/') + 1 : called);  /* it was the number of an fd */
	copied = streq(at, COPY);
	if (copied)
		return;
	tree = (int)strtol(at, &at, 10);
	file = (int)strtol(at, &at, 10);
	wire = (int)strtol(at, &at, 10);
	pid = (pid_t)strtol(at, &at, 10);
	name = xstrdup(at + (*at == ' '));
	if (file >= 0)
		fcntl(file, F_SETFD, FD_CLOEXEC);
	if (wire < 0) {
		holds = fcntl(tree, F_SETFD, FD_CLOEXEC) == 0 && sys_mount_setattr(tree, "", NOEXEC, 0) == 0;
	} else {
		holds = sys_send(wire, "x", 1, -1) == 1 && sys_recv(wire, &c, 1, NULL, NULL) == 1;
		close(wire);
		await(pid);
	}
}

void
seal_settle(void)
{
	tree = drop(tree);
}

bool
seal_holds(void)
{
	return holds;
}

int
seal_file(void)
{
	return file;
}

bool
seal_has(int fd)
{
	return fd == tree || fd == file;
}

void
seal_again(char **argv)
{
	if (!holds)
		seal_enter(argv, true);
	execv(file < 0 ? "/proc/self/exe" : fmt("/proc/self/fd/%d", file), argv);
	execv(name ? name : (const char *)getauxval(AT_EXECFN), argv);
}

/* ---- a copy ------------------------------------------------------------------------------------- */

static int
copy_ourselves(int to)
{
	int exe = openat(AT_FDCWD, "/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	while (exe >= 0 && (n = sendfile(to, exe, NULL, 1 << 20)) > 0)
		;
	drop(exe);
	return exe < 0 || n < 0 ? -1 : 0;
}

/* where vm.memfd_noexec has it that nothing of the other kind is executed; 5.12 */
static int
copy_to_tmpfs(void)
{
	int fs = sys_fsmount(sys_fsopen("tmpfs"), "mode=700", 2 | 4 /* MOUNT_ATTR_NOSUID, _NODEV */), fd = -1, done = -1;

	if (fs >= 0)
		fd = openat(fs, COPY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500);
	if (fd >= 0)
		done = copy_ourselves(fd);
	drop(fd);
	fd = done == 0 && sys_mount_apart(fs) == 0 ? openat(fs, COPY, O_RDONLY | O_CLOEXEC) : -1;
	drop(fs);
	return fd;
}

int
seal_copy(void)
{
	enum { ALLOW_SEALING = 2, EXECUTABLE = 0x10 };  /* MFD_*; the latter 6.3 */
	enum { ADD_SEALS = 1033, ALL_SEALS = 1 | 2 | 4 | 8 };  /* F_* of fcntl(2) */
	int fd = sys_denied("memfd_create") ? -1 : (int)syscall(SYS_memfd_create, "nspawn-lite", 1 | ALLOW_SEALING | EXECUTABLE);

	if (fd < 0 && errno == EINVAL)
		fd = (int)syscall(SYS_memfd_create, "nspawn-lite", 1 | ALLOW_SEALING);
	if (fd < 0)
		return copy_to_tmpfs();
	return copy_ourselves(fd) == 0 && fcntl(fd, ADD_SEALS, ALL_SEALS) == 0 ? fd : drop(fd);
}

int
seal_hidden_copy(void)
{
	char *path = fmt("%s/copy", run_state_dir());
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0
	    || sys_mount_memory(run_state_dir(), MS_NOSUID | MS_NODEV, "mode=700") < 0)
		return -1;
	fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500);
	if (fd < 0 || copy_ourselves(fd) < 0)
		return drop(fd);
	close(fd);
	return openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

void
seal_enter_copy(char **argv)
{
	int fd;

	if (copied)
		return;
	fd = seal_copy();
	if (fd < 0)
		die("make a copy of our program (needs Linux 3.17):");
	setenv(MARK, COPY, 1);
	execve(fmt("/proc/self/fd/%d", fd), argv, environ);
	die("execute a copy of our program:");
}
