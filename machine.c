/* SPDX-License-Identifier: 0BSD */
/* The registry: one file per running machine, held by a lock, and nothing that outlives it */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "nspawn-lite.h"

static int
make_dirs(const char *path)
{
	char *step = xstrdup(path);
	char *slash;

	for (slash = strchr(step + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(step, 0755);
		*slash = '/';
	}
	return mkdir(step, 0755) < 0 && errno != EEXIST ? -1 : 0;
}

static int
open_state(const char *path)
{
	return openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
}

/* what a killed supervisor's file says is still there: only its control group can be. true: it is gone */
static bool
sweep_leftovers(int fd)
{
	char text[4096], *rest = text, *line;
	const char *path;

	if (read_all(fd, text, sizeof(text)) < 0)
		return false;
	while ((line = next_line(&rest)))
		if ((path = after(line, "CGROUP=")))
			return !after(path, "/sys/fs/cgroup/") || cgroup_remove(path);
	return true;
}

/* the whole file anew; what may be left behind by kill -9 stands in it before it is made */
static void
write_facts(struct run *r)
{
	struct timespec now;
	char id[33], *text;

	clock_gettime(CLOCK_REALTIME, &now);
	format_id128(r->uuid, id);
	text = fmt("NAME=%s\nCGROUP=%s\nROOT=%s\nID=%s\nCLASS=container\nREALTIME=%lld\nHIDDEN=%d\nSUPERVISOR=%d\nLEADER=%d\n",
	           r->name, r->cgroup_path ? r->cgroup_path : "", r->root, id,
	           (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000, r->hidden, (int)getpid(), (int)r->pid);
	if (pwrite(r->claim, text, strlen(text), 0) != (ssize_t)strlen(text))
		die("write %s:", r->claim_path);
	if (strlen(text) < r->claim_size && ftruncate(r->claim, (off_t)strlen(text)) < 0)
		die("cut %s:", r->claim_path);
	r->claim_size = strlen(text);
}

static void
release(struct run *r)
{
	if (!r->cgroup_stays)  /* else the file is what leads the next command to it */
		unlink(r->claim_path);
	drop(r->claim);
	r->claim = -1;
}

/* Owners lock it for themselves, sweepers share it, and only for a moment: wait for those */
static bool
lock(int fd)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || flock(fd, LOCK_SH | LOCK_NB) < 0)
			return false;
		sched_yield();
	}
	return true;
}

/*
 * It is ours while we hold the lock of its file. The file goes with what it stands for; whoever
 * waited for the lock of one that went meanwhile sees that it has no name any more.
 */
int
machine_lock(const char *path)
{
	struct stat st;
	int fd;

	for (;;) {
		fd = open_state(path);
		if (fd < 0 && errno == ENOENT && make_dirs(run_state_dir()) == 0)
			fd = open_state(path);
		if (fd < 0)
			die("make %s:", path);
		if (!lock(fd))
			return drop(fd);
		if (fstat(fd, &st) < 0)
			die("look at %s:", path);
		if (st.st_nlink > 0)
			return fd;
		close(fd);
	}
}

void
machine_claim(const struct plan *p, struct run *r)
{
	struct stat st;

	r->hidden = p->registered == NO;
	r->claim_path = fmt("%s/%s", run_state_dir(), r->name);
	r->claim = machine_lock(r->claim_path);
	if (r->claim < 0)
		die(errno == EWOULDBLOCK ? "Machine '%s' already exists." : "lock the name of machine %s:", r->name);
	undo(r, release);
	if (fstat(r->claim, &st) < 0)
		die("look at %s:", r->claim_path);
	if (st.st_size > 0) {
		if (!sweep_leftovers(r->claim))
			die("what is left of a machine %s that was killed does not go away: see %s", r->name, r->claim_path);
		if (ftruncate(r->claim, 0) < 0)
			die("empty %s:", r->claim_path);
	}
	write_facts(r);
}

void
machine_register(const struct plan *p, struct run *r)
{
	(void)p;
	write_facts(r);
}

/* no owner holds the file, and none can come while we share its lock */
static void
sweep_one(int dir, const char *name)
{
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0 && sweep_leftovers(fd))
		unlinkat(dir, name, 0);
	close(fd);
}

/*
 * Look at a few of the other files in passing, and take away what has no owner. A few, since a
 * start shall cost the same with a thousand machines: each begins at another place.
 */
void
machine_sweep(const struct run *r)
{
	enum { AT_MOST = 4 };
	static char names[4096];
	int dir = openat(AT_FDCWD, run_state_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), seen = 0;
	struct entry { uint64_t ino; int64_t off; uint16_t len; unsigned char type; char name[]; } *e;
	size_t turn = (size_t)r->pid % 8;
	long n, at;

	if (dir < 0)
		return;
	do {  /* getdents64(2); a short answer is the last one */
		n = syscall(SYS_getdents64, dir, names, sizeof(names));
		for (at = 0; at < n && seen < AT_MOST; at += e->len) {
			e = (struct entry *)(void *)(names + at);
			if (streq(e->name, ".mounts.new"))  /* mntns.c was killed while it wrote; if not, it is no loss */
				unlinkat(dir, e->name, 0);
			if ((*e->name == '.' && !after(e->name, IDS_PREFIX)) || streq(e->name, r->name) || (n > 1024 && turn++ % 8))
				continue;
			/* one sweeper at a time */
			if (seen++ == 0 && flock(dir, LOCK_EX | LOCK_NB) < 0)
				seen = AT_MOST;
			else
				sweep_one(dir, e->name);
		}
	} while (n > (long)sizeof(names) - 300 && seen < AT_MOST);
	close(dir);
}
