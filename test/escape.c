/* SPDX-License-Identifier: 0BSD */
/*
 * Run inside a container as root: tries to get out, and to do what a container must not. MARK is a
 * file that only the host has.
 *   escape MARK         each way that finds MARK is printed, then how many there were
 *   escape reboot       the calls of reboot(2) that are for the whole machine
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *mark;

static int
seen(void)
{
	return access(mark, F_OK) == 0 || access(mark + 1, F_OK) == 0;
}

static void
climb(void)
{
	int i;

	for (i = 0; i < 64; i++)
		if (chdir("..") < 0)
			break;
}

/* the old trick: a working directory above the root */
static int
by_chroot(void)
{
	mkdir("/tmp/below", 0755);
	if (chroot("/tmp/below") < 0)
		return 0;
	climb();
	return chroot(".") == 0 && seen();
}

static int
by_fd(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY);

	mkdir("/tmp/below", 0755);
	if (fd < 0 || chroot("/tmp/below") < 0 || fchdir(fd) < 0)
		return 0;
	climb();
	return chroot(".") == 0 && seen();
}

/* what is below the mount that is / */
static int
by_umount(void)
{
	int i, found = 0;

	for (i = 0; i < 8 && !found; i++) {
		if (umount2("/", MNT_DETACH) < 0)
			break;
		found = seen() || (chdir("/") == 0 && seen());
	}
	return found || by_chroot();
}

static int
by_umount_dot(void)
{
	return chdir("/") == 0 && umount2(".", MNT_DETACH) == 0 && (seen() || (chdir("..") == 0 && seen()));
}

/* setns makes the bottom of the mount namespace the root */
static int
by_setns(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY);

	return fd >= 0 && setns(fd, CLONE_NEWNS) == 0 && (seen() || (chdir("/") == 0 && seen()));
}

static int
by_umount_and_setns(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY);

	umount2("/", MNT_DETACH);
	return fd >= 0 && setns(fd, CLONE_NEWNS) == 0 && (seen() || (chdir("/") == 0 && seen()));
}

static int
by_new_namespace(void)
{
	return unshare(CLONE_NEWNS) == 0 && (by_umount() || by_setns());
}

static int
by_pivot(void)
{
	mkdir("/tmp/new", 0755);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0
	    || mount("/tmp/new", "/tmp/new", NULL, MS_BIND, NULL) < 0 || chdir("/tmp/new") < 0
	    || syscall(SYS_pivot_root, ".", ".") < 0)
		return 0;
	/* what was / is on top; below it would be what was there before */
	return umount2(".", MNT_DETACH) == 0 && (seen() || (chdir("/") == 0 && seen()));
}

/* links of /proc that lead to other processes' roots and files */
static int
by_proc(void)
{
	char path[512];
	int i;

	for (i = 1; i < 64; i++) {
		snprintf(path, sizeof(path), "/proc/%d/root%s", i, mark);
		if (access(path, F_OK) == 0)
			return 1;
		snprintf(path, sizeof(path), "/proc/%d/cwd%s", i, mark);
		if (access(path, F_OK) == 0)
			return 1;
		snprintf(path, sizeof(path), "/proc/self/fd/%d/..%s", i, mark);
		if (access(path, F_OK) == 0)
			return 1;
	}
	return 0;
}

/* the way for a root that cannot be pivoted */
static int
by_move(void)
{
	mkdir("/tmp/move", 0755);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0
	    || mount("tmpfs", "/tmp/move", "tmpfs", 0, NULL) < 0 || chdir("/tmp/move") < 0
	    || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return 0;
	climb();
	return seen() || (umount2("/", MNT_DETACH) == 0 && seen());
}

static const struct { const char *name; int (*fn)(void); } ways[] = {
	{ "chroot and a directory above it", by_chroot }, { "chroot and an open directory", by_fd },
	/* once / is unmounted it is so for those that follow, and /proc with it */
	{ "entering its own mount namespace", by_setns }, { "unmounting / and entering", by_umount_and_setns },
	{ "unmounting /", by_umount }, { "unmounting .", by_umount_dot },
	{ "a new mount namespace", by_new_namespace }, { "pivot_root", by_pivot }, { "/proc", by_proc },
	{ "moving a mount over /", by_move },
};

static int
try_reboot(void)
{
	static const struct { const char *name; int how; } calls[] = {
		{ "RB_ENABLE_CAD", RB_ENABLE_CAD }, { "RB_DISABLE_CAD", RB_DISABLE_CAD },
		{ "RB_KEXEC", RB_KEXEC }, { "RB_SW_SUSPEND", RB_SW_SUSPEND },
	};
	size_t i;
	int done = 0;

	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (reboot(calls[i].how) == 0) {
			printf("allowed: %s\n", calls[i].name);
			done++;
		}
	printf("%d allowed\n", done);
	return 0;
}

int
main(int argc, char **argv)
{
	int status, found = 0;
	size_t i;
	pid_t pid;

	if (argc < 2)
		return 99;
	if (strcmp(argv[1], "reboot") == 0)
		return try_reboot();
	mark = argv[1];
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		pid = fork();
		if (pid == 0)
			_exit(ways[i].fn() ? 1 : 0);
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			return 98;
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			printf("out by %s (%d)\n", ways[i].name, status);
			found++;
		}
	}
	printf("%d ways out of %zu\n", found, i);
	return 0;
}
