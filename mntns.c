/* SPDX-License-Identifier: 0BSD */
/*
 * A mount namespace to be born in that does not hold all of the host's mounts: copying those, and
 * pivot_root's walk over all the host's threads, make a start slower the more the host does. Two
 * are to be had without leaving anything behind:
 *
 * - the one of the kernel's own thread kdevtmpfs, which holds a root and a devtmpfs and lives as
 *   long as the kernel (drivers/base/devtmpfs.c; CONFIG_DEVTMPFS). It has to be pivoted away.
 * - an empty one that a supervisor which lives for a while made and holds open for the others.
 *   There is nothing to pivot away: the tree is laid over it.
 *
 * Both are only a way, from Linux 5.2 on; without them all goes by the host's own namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>

#include "nspawn-lite.h"

enum { KTHREAD = 0x00200000 };  /* PF_KTHREAD of /proc/PID/stat: only the kernel can give it */

/* what we know, as the text of a symbolic link: read and replaced in one call each */
struct learnt {
	int kernel_pid, pid, fd;
	unsigned long long kernel_ino, ino;  /* 0: there is none */
	unsigned long long since;            /* when pid began: another may have it by now */
};

static const char *
record(void)
{
	static char *path;

	return path ? path : (path = fmt("%s/.mounts", run_state_dir()));
}

static bool
recall(struct learnt *k)
{
	char text[128];
	ssize_t n = readlink(record(), text, sizeof(text) - 1);
	char *at = text;

	memset(k, 0, sizeof(*k));
	if (n < 0)
		return false;
	text[n] = 0;
	k->kernel_pid = (int)strtol(at, &at, 10);
	k->kernel_ino = strtoull(at, &at, 10);
	k->pid = (int)strtol(at, &at, 10);
	k->fd = (int)strtol(at, &at, 10);
	k->ino = strtoull(at, &at, 10);
	k->since = strtoull(at, &at, 10);
	return true;
}

static void
remember(const struct learnt *k)
{
	char text[128], *beside = fmt("%s.new", record());  /* one name for all: what a killed one left is the next one's */

	snprintf(text, sizeof(text), "%d %llu %d %d %llu %llu", k->kernel_pid, k->kernel_ino, k->pid, k->fd, k->ino, k->since);
	unlink(beside);
	if (symlink(text, beside) < 0 || rename(beside, record()) < 0)
		unlink(beside);
}

int
mntns_open_if(const char *path, unsigned long long ino)
{
	struct statfs fs;
	struct stat st;
	int fd;

	if (!ino || stat(path, &st) < 0 || st.st_ino != ino || !S_ISREG(st.st_mode))
		return -1;
	fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_ino != ino || fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC))
		return drop(fd);
	return fd;
}

/* field n of /proc/PID/stat behind the name, as proc(5) counts: 9 flags, 22 starttime; 0 if it is not there */
static unsigned long long
stat_field(int pid, const char *name, int n)
{
	char stat[512], *at;
	int i;

	if (read_at(AT_FDCWD, fmt("/proc/%d/stat", pid), stat, sizeof(stat)) <= 0 || (name && !strstr(stat, name)))
		return 0;
	at = strrchr(stat, ')');
	for (i = 2; at && i < n; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

void
mntns_find(const struct plan *p, struct run *r)
{
	struct learnt k;
	struct statfs root;

	/* what is laid between the host and the tree needs the host's paths */
	if (r->image_mounts >= 0 || p->ephemeral || p->volat > VOLATILE_NO || r->read_only || r->journal_path ||
	    p->pivot_root || rescue(p) || mount_on(r, "/") || !recall(&k))
		return;
	if (k.ino && stat_field(k.pid, NULL, 22) == k.since)
		r->mounts = mntns_open_if(fmt("/proc/%d/fd/%d", k.pid, k.fd), k.ino);
	r->mounts_empty = r->mounts >= 0;
	if (r->mounts >= 0)
		return;
	/* below kdevtmpfs's root lies the initramfs: where that is the host's own root, it must not lie below a guest's */
	if (statfs("/", &root) < 0 || root.f_type == TMPFS_MAGIC || root.f_type == RAMFS_MAGIC)
		return;
	r->mounts = mntns_open_if(fmt("/proc/%d/ns/mnt", k.kernel_pid), k.kernel_ino);
}

/* once a boot: where is kdevtmpfs? Its id is small, for it is one of the first threads there are */
void
mntns_learn(void)
{
	enum { FAR = 1000 };
	struct learnt k;
	struct stat st;
	int pid, gone = 0;

	if (recall(&k))
		return;
	for (pid = 2; pid < FAR && gone < 200 && !k.kernel_ino; pid++) {
		char path[40];

		snprintf(path, sizeof(path), "/proc/%d", pid);
		if (access(path, F_OK) < 0) {
			gone++;
			continue;
		}
		if (stat_field(pid, "(kdevtmpfs)", 9) & KTHREAD && stat(fmt("/proc/%d/ns/mnt", pid), &st) == 0) {
			k.kernel_pid = pid;
			k.kernel_ino = st.st_ino;
		}
	}
	remember(&k);
}

static void
empty_namespace(int ready, int hold)
{
	char c = 0;

	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0
	    && sys_mount_memory(run_state_dir(), MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, "mode=555,size=4k") == 0
	    && chdir(run_state_dir()) == 0 && sys_pivot_root(".", ".") == 0 && umount2(".", MNT_DETACH) == 0)
		c = 1;
	if (write(ready, &c, 1) == 1)
		(void)!read(hold, &c, 1);
	_exit(0);
}

static void
withdraw(struct run *r)
{
	struct learnt k;

	(void)r;
	if (!recall(&k) || k.pid != (int)getpid())
		return;
	k.pid = k.fd = 0;
	k.ino = k.since = 0;
	remember(&k);
}

/* we shall be here for a while: hold an empty namespace for those that start meanwhile */
void
mntns_offer(struct run *r)
{
	struct learnt k;
	struct stat st;
	int ready[2], hold[2];
	pid_t pid;
	char c = 0;

	if (r->mounts_empty || r->bare_root || !recall(&k))
		return;
	if (pipe2(ready, O_CLOEXEC) < 0)
		return;
	if (pipe2(hold, O_CLOEXEC) < 0) {
		close(ready[0]);
		close(ready[1]);
		return;
	}
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		empty_namespace(ready[1], hold[0]);
	}
	close(ready[1]);
	close(hold[0]);
	if (pid > 0 && read(ready[0], &c, 1) == 1 && c) {
		r->offer = openat(AT_FDCWD, fmt("/proc/%d/ns/mnt", (int)pid), O_RDONLY | O_CLOEXEC);
		if (r->offer >= 0 && fstat(r->offer, &st) == 0) {
			k.pid = (int)getpid();
			k.fd = r->offer;
			k.ino = st.st_ino;
			k.since = stat_field(k.pid, NULL, 22);
			remember(&k);
			undo(r, withdraw);
		}
	}
	close(hold[1]);
	close(ready[0]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
}

/* in the child: the tree as root of a copy of that namespace. false: it must go the host's way */
bool
mntns_enter(struct run *r)
{
	int tree;

	if (r->mounts < 0)
		return false;
	/* by the fd that we locked: the name may mean another tree by now */
	tree = r->tree_mount;
	if (tree < 0)
		tree = sys_open_tree(r->tree, "", CLONE_TREE | RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC);
	if (tree < 0 || setns(r->mounts, CLONE_NEWNS) < 0) {
		r->mounts_empty = false;
		if (tree != r->tree_mount)
			drop(tree);
		if (unshare(CLONE_NEWNS) < 0)
			die("make a mount namespace:");
		return false;
	}
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		die("make a small mount namespace:");
	if (sys_move_mount(tree, "", AT_FDCWD, "/", FROM_FD) < 0 || fchdir(tree) < 0)
		die("lay the tree over it:");
	/* what the host unmounts from the tree goes here too, and nothing of ours goes there; a shared mount cannot be pivoted to */
	if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		die("make the mounts our own:");
	if (r->mounts_empty ? chroot(".") < 0 : sys_pivot_root(".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		die("make the tree the root:");
	close(tree);
	close(r->tree);
	close(r->mounts);
	return true;
}

const char *
mntns_top(void)
{
	int own = openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX] = "/";

	/* who may not do that, a guest may not, either */
	if (own >= 0 && root >= 0 && setns(own, CLONE_NEWNS) == 0 && (fchdir(root) < 0 || !getcwd(path, sizeof(path)) || *path != '/'))
		die("find the directory that is the root here:");
	drop(own);
	drop(root);
	return path[1] ? xstrdup(path) : "";
}
