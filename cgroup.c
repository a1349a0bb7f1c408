/* SPDX-License-Identifier: 0BSD */
/* The machine's share: its control group, cgroup2 where there is one, else the v1 hierarchy of systemd */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "nspawn-lite.h"

#define PAYLOAD "payload"  /* an init's part: what is above is not its own */

void
cgroup_check(const struct plan *p)
{
	if (p->slice && (!name_valid(p->slice) || strlen(p->slice) < 7
	                 || !streq(p->slice + strlen(p->slice) - 6, ".slice")))
		die("--slice=%s: not a name that ends in .slice, as machine.slice does", p->slice);
}

static bool
is_mounted(const char *path, long magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (long)fs.f_type == magic;
}

/* where we are ourselves, below the mount point */
static char *
own_path(bool v1)
{
	char text[4096], *rest = text, *line;
	const char *path;

	if (read_at(-1, "/proc/self/cgroup", text, sizeof(text)) < 0)
		return NULL;
	while ((line = next_line(&rest))) {
		path = v1 ? strstr(line, ":name=systemd:") : strncmp(line, "0::", 3) == 0 ? line + 2 : NULL;
		if (path)
			return fmt("%s", strchr(path + 1, v1 ? ':' : '/') + v1);
	}
	return NULL;
}

/* a-b.slice is a.slice/a-b.slice: systemd.slice(5) */
static char *
slice_path(const char *slice)
{
	char *path = xstrdup("");
	const char *dash;

	for (dash = strchr(slice, '-'); dash; dash = strchr(dash + 1, '-'))
		path = fmt("%s/%.*s.slice", path, (int)(dash - slice), slice);
	return fmt("%s/%s", path, slice);
}

/* in a unit's name a dash stands for a slash, so that a dash needs another face: systemd.unit(5) */
static char *
scope_name(const char *machine)
{
	char *name = xstrdup("machine-");
	const char *c;

	for (c = machine; *c; c++)
		name = *c == '-' ? fmt("%s\\x2d", name) : fmt("%s%c", name, *c);
	return fmt("%s.scope", name);
}

void
cgroup_choose(const struct plan *p, struct run *r)
{
	const char *base = NULL;
	char *above = NULL;

	if (p->unified != NO) {
		if (is_mounted("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC))
			base = "/sys/fs/cgroup";
		else if (is_mounted("/sys/fs/cgroup/unified", CGROUP2_SUPER_MAGIC))
			base = "/sys/fs/cgroup/unified";
	}
	if (!base && is_mounted("/sys/fs/cgroup/systemd", CGROUP_SUPER_MAGIC)) {
		base = "/sys/fs/cgroup/systemd";
		r->cgroup_v1 = true;
	}
	if (!base) {
		if (p->boot)
			warn("no control group hierarchy is mounted on this host; an init that needs one will say so");
		return;
	}
	/* below a systemd that manages the host, only what it gave to us is ours to divide */
	if (p->keep_unit || access("/run/systemd/system", F_OK) == 0)
		above = own_path(r->cgroup_v1);
	if (!above)
		above = slice_path(p->slice ? p->slice : "machine.slice");
	if (streq(above, "/"))
		above = xstrdup("");
	r->cgroup_path = fmt("%s%s/%s", base, above, scope_name(r->name));
	/* machines of another root may have the same names */
	if (getenv("NSPAWN_LITE_ROOT")) {
		static const uint8_t key[16] = "nspawn-lite root";
		const char *root = getenv("NSPAWN_LITE_ROOT");

		r->cgroup_path = fmt("%s%s/%08x-%s", base, above, (unsigned int)siphash24(root, strlen(root), key),
		                     scope_name(r->name));
	}
}

/* the first directory in dir, by name; false if there is none */
static bool
first_below(int dir, char name[256])
{
	struct dirent *e;
	bool found = false;
	DIR *d = fdopendir(dir);

	if (!d) {
		drop(dir);
		return false;
	}
	while (!found && (e = readdir(d)))
		if (e->d_type == DT_DIR && !streq(e->d_name, ".") && !streq(e->d_name, "..")) {
			memcpy(name, e->d_name, strlen(e->d_name) + 1);
			found = true;
		}
	closedir(d);
	return found;
}

/*
 * The directory and all below it: directories only. A guest may have nested them as deep and as
 * many as it liked: down to the deepest, take that away, begin again, with two fds at a time.
 */
static int
remove_below(const char *path)
{
	enum { TREE = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	char name[256], last[256];
	int dir, next, ret;

	for (;;) {
		if (rmdir(path) == 0 || errno == ENOENT)
			return 0;
		if (rmdir(fmt("%s/" PAYLOAD, path)) == 0)  /* as it mostly is */
			continue;
		dir = openat(AT_FDCWD, path, TREE);
		if (dir < 0)
			return -1;
		for (*last = 0;;) {
			next = openat(dir, ".", TREE);
			if (next < 0 || !first_below(next, name))
				break;
			memcpy(last, name, sizeof(last));
			next = openat(dir, name, TREE);
			if (next < 0)
				break;
			close(dir);
			dir = next;
		}
		next = *last ? openat(dir, "..", TREE) : -1;
		ret = next < 0 ? -1 : unlinkat(next, last, AT_REMOVEDIR);
		if (!*last)
			errno = EBUSY;  /* nothing below: processes are in it */
		drop(next);
		drop(dir);
		if (ret < 0)
			return -1;
	}
}

/* 5.14 kills all below at once; before, one directory's processes at a time will do: they are gone but for a few */
static void
kill_all(const char *path)
{
	static char pids[4096];
	char *rest, *line;
	long long pid;

	if (put_at(AT_FDCWD, fmt("%s/cgroup.kill", path), "1") == 0)
		return;
	if (read_at(AT_FDCWD, fmt("%s/cgroup.procs", path), pids, sizeof(pids)) > 0)
		for (rest = pids; (line = next_line(&rest));)
			if (parse_number(line, 2, INT32_MAX, &pid))
				kill((pid_t)pid, SIGKILL);
}

/*
 * A guest's PID 1 can take back that it dies with its supervisor. So whoever finds processes in
 * a control group that has no owner any more ends them.
 */
bool
cgroup_remove(const char *path)
{
	enum { TRIES = 100, PAUSE_MS = 10 };
	const char *slash, *up;
	char *inner = fmt("%s/" PAYLOAD, path);
	int tries;

	for (tries = 0; remove_below(path) < 0; tries++) {
		if (errno == ENOENT)
			return true;
		if (errno != EBUSY || tries == TRIES)
			return false;
		kill_all(inner);
		kill_all(path);
		poll(NULL, 0, PAUSE_MS);
	}
	/* slices that we may have made: a full one stays, and so does one that others made */
	for (slash = strrchr(path, '/'); slash; slash = up) {
		for (up = slash - 1; up > path && *up != '/'; up--)
			;
		if (up <= path || slash - up < 7 || memcmp(slash - 6, ".slice", 6) != 0
		    || rmdir(fmt("%.*s", (int)(slash - path), path)) < 0)
			break;
	}
	return true;
}

static void
cgroup_undo(struct run *r)
{
	r->cgroup = -1;
	r->cgroup_stays = !cgroup_remove(r->cgroup_path);
	if (r->cgroup_stays)
		warn("remove control group %s, the next start will try again:", r->cgroup_path);
}

static int
make_with_parents(const char *path)
{
	const char *slash;

	if (mkdir(path, 0755) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	for (slash = strchr(path + strlen("/sys/fs/cgroup"), '/'); slash; slash = strchr(slash + 1, '/'))
		if (mkdir(fmt("%.*s", (int)(slash - path), path), 0755) < 0 && errno != EEXIST)
			return -1;
	return mkdir(path, 0755);
}

void
cgroup_make(const struct plan *p, struct run *r)
{
	const char *inner;
	int tries = 0;

	if (!r->cgroup_path)
		return;
	/* another machine may end just now, and take away the slice that we both need */
	while (make_with_parents(r->cgroup_path) < 0) {
		if (errno == EEXIST) {  /* an empty one may be left of one that was killed; a full one is not ours */
			if (remove_below(r->cgroup_path) < 0)
				die("control group %s is in use by others:", r->cgroup_path);
		} else if (errno != ENOENT) {
			break;
		}
		if (++tries > 20)
			break;
	}
	undo(r, cgroup_undo);
	inner = p->boot ? fmt("%s/" PAYLOAD, r->cgroup_path) : r->cgroup_path;
	if (!p->boot || mkdir(inner, 0755) == 0)
		r->cgroup = openat(AT_FDCWD, inner, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->cgroup >= 0)
		return;
	if (p->slice)
		die("make control group %s:", r->cgroup_path);
	warn("make control group %s, going on without:", r->cgroup_path);
	run_unwind_last(r);
	r->cgroup_path = NULL;
}

void
cgroup_enter(const struct plan *p, struct run *r)
{
	if (r->cgroup < 0)
		return;
	r->cgroup_shown = r->placed || put_at(r->cgroup, "cgroup.procs", "0") == 0;
	if (!r->cgroup_shown)
		warn("enter control group %s:", r->cgroup_path);
	else if (p->cgroup_namespace == NO || unshare(CLONE_NEWCGROUP) < 0) {
		r->cgroup_shown = false;
		if (p->cgroup_namespace != NO)
			warn("make a control group namespace (Linux 4.6, CONFIG_CGROUPS), so /sys/fs/cgroup stays empty:");
	}
	close(r->cgroup);
}

void
cgroup_mount(const struct plan *p, struct run *r)
{
	static const unsigned long flags = MS_NOSUID | MS_NOEXEC | MS_NODEV;

	(void)p;
	if (!r->cgroup_shown)
		return;
	if (!r->cgroup_v1) {
		if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", flags, NULL) < 0)
			warn("mount /sys/fs/cgroup:");
		return;
	}
	if (mount("tmpfs", "/sys/fs/cgroup", "tmpfs", flags, "mode=755,size=4m,nr_inodes=1k") < 0
	    || mkdir("/sys/fs/cgroup/systemd", 0755) < 0
	    || mount("cgroup", "/sys/fs/cgroup/systemd", "cgroup", flags, "none,name=systemd,xattr") < 0
	    || mount(NULL, "/sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
		warn("mount /sys/fs/cgroup/systemd:");
}
