/* SPDX-License-Identifier: 0BSD */
/* Control groups of the runtime: linux.cgroupsPath and linux.resources of the OCI runtime-spec, on v1, v2 and both */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nspawn-lite.h"

/* ---- where it is ------------------------------------------------------------------------ */

/* SLICE:PREFIX:NAME as systemd would have it: SLICE is system.slice if it is not said, and NAME may be a slice itself */
static const char *
systemd_path(const char *words, const char *id)
{
	const char *colon = words ? strchr(words, ':') : NULL, *second = colon ? strchr(colon + 1, ':') : NULL;
	const char *slice = "system.slice", *name = id, *end = ".scope";
	size_t n;

	if (words && !second)
		die("linux.cgroupsPath: %s: not SLICE:PREFIX:NAME, as with --systemd-cgroup", words);
	if (second) {
		if (colon > words)
			slice = xstrndup(words, (size_t)(colon - words));
		name = second + 1;
	}
	n = strlen(slice);
	if (!streq(slice, "-.slice") && (n < 7 || !streq(slice + n - 6, ".slice") || *slice == '-' || strstr(slice, "--")
	                                 || strstr(slice, "-.slice") || strchr(slice, '/')))
		die("linux.cgroupsPath: %s: not the name of a slice, like a-b.slice", slice);
	n = strlen(name);
	if (!*name || strchr(name, '/'))
		die("linux.cgroupsPath: %s: not the name of a scope", name);
	if (n > 6 && streq(name + n - 6, ".slice"))
		end = "";
	else if (second && second - colon > 1)
		name = fmt("%.*s-%s", (int)(second - colon - 1), colon + 1, name);
	return fmt("%s/%s%s", streq(slice, "-.slice") ? "" : cgroup_slice_path(slice), name, end);
}

/* one slash between names, none at its end; NULL: it has "..", or is of nothing */
static char *
clean(const char *path)
{
	char *out = xstrdup("");
	size_t n;

	for (; *path; path += n) {
		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 2 && memcmp(path, "..", 2) == 0)
			return NULL;
		if (n > 0 && !(n == 1 && *path == '.'))
			out = fmt("%s/%.*s", out, (int)n, path);
	}
	return *out ? out : NULL;
}

void
resource_choose(struct cgroups *g, const char *path, const char *id, bool systemd)
{
	const char *own[LEN(g->share)], *wanted, *up, *user;
	bool relative;
	size_t i;

	*g = (struct cgroups){ 0 };
	if (path && !*path)
		path = NULL;
	wanted = systemd ? systemd_path(path, id) : path ? path : id;
	relative = *wanted != '/';
	wanted = utf8_clean(wanted) ? clean(wanted) : NULL;
	if (!wanted)
		die("linux.cgroupsPath: %s: not the path of a control group", path ? path : id);
	g->n = cgroup_mounted(g->share, own, LEN(g->share));
	for (i = 0; i < g->n; i++) {
		/* on cgroup2 nothing may be beside processes, and where we are there are some */
		up = strrchr(own[i], '/');
		up = relative && up ? xstrndup(own[i], (size_t)(cgroup_is_v2(&g->share[i]) ? up - own[i] : (ssize_t)strlen(own[i]))) : "";
		/* slices of a user's own systemd begin where the host's has handed on to it */
		user = systemd && sys_within_users() ? strstr(own[i], "/user@") : NULL;
		if (user)
			up = fmt("%.*s/%.*s", (int)(user - own[i]), own[i], (int)strcspn(user + 1, "/"), user + 1);
		g->share[i].path = fmt("%s%s%s", g->share[i].path, streq(up, "/") ? "" : up, wanted);
	}
}

char *
resource_text(const struct cgroups *g)
{
	char *text = xstrdup("");
	size_t i;

	for (i = 0; i < g->n; i++)
		text = fmt("%s%s\n", text, cgroup_place(&g->share[i]));
	return text;
}

/* as much of its path is the mount point */
static size_t
base_of(const struct share *s)
{
	const char *slash = s->path;
	struct stat st, up;

	if (s->dir < 0 || fstat(s->dir, &st) < 0)
		return 0;
	while ((slash = strchr(slash + 1, '/')))
		if (stat(xstrndup(s->path, (size_t)(slash - s->path)), &up) == 0 && up.st_dev == st.st_dev)
			return (size_t)(slash - s->path);
	return strlen(s->path);
}

bool
resource_find(struct cgroups *g, const char *text)
{
	char *rest = xstrdup(text), *line, *path;
	struct share *s;

	*g = (struct cgroups){ 0 };
	while ((line = next_line(&rest)) && g->n < LEN(g->share)) {
		path = strchr(line, ':');
		if (!path || path[1] != '/')
			continue;
		*path++ = 0;
		s = &g->share[g->n];
		*s = (struct share){ .kind = line, .root = AT_FDCWD, .path = path, .payload = -1 };
		s->dir = sys_open_dir(AT_FDCWD, path);
		s->base = base_of(s);
		g->n += s->dir >= 0;
	}
	return g->n > 0;
}

/* ---- making it ---------------------------------------------------------------------------- */

static bool
has(const char *list, const char *word, size_t n)
{
	size_t len;

	for (; *list; list += len, list += *list != 0) {
		len = strcspn(list, " \n");
		if (len == n && memcmp(list, word, n) == 0)
			return true;
	}
	return false;
}

/*
 * What can be had of controllers, or this one, all the way down: that one cannot is told to who asks for a limit of it. Beside
 * v1 none is taken before it is needed: there are those who do nothing more where cgroup2 has any
 */
static void
enable(const struct share *s, const char *only)
{
	char there[512], on[512], one_process[16], *dir, *file, *all;
	const char *slash = s->path + s->base, *word;
	size_t n;

	for (; slash; slash = strchr(slash + 1, '/')) {
		dir = xstrndup(s->path, (size_t)(slash - s->path));
		file = fmt("%s/cgroup.subtree_control", dir);
		if (read_at(AT_FDCWD, fmt("%s/cgroup.controllers", dir), there, sizeof(there)) <= 0
		    || read_at(AT_FDCWD, file, on, sizeof(on)) < 0)
			continue;
		/* where there are processes some could still be had, for threads, and nobody could enter what is below */
		if (access(fmt("%s/cgroup.type", dir), F_OK) == 0
		    && read_at(AT_FDCWD, fmt("%s/cgroup.procs", dir), one_process, sizeof(one_process)) != 0)
			continue;
		/* all at once, or else one by one */
		for (all = xstrdup(""), word = only ? only : there; *word; word += n, word += *word != 0) {
			n = strcspn(word, " \n");
			if (n && !has(on, word, n))
				all = fmt("%s+%.*s ", all, (int)n, word);
		}
		if (!*all || put_at(AT_FDCWD, file, all) == 0)
			continue;
		for (; *all; all += n + 1) {
			n = strcspn(all, " ");
			if (put_at(AT_FDCWD, file, xstrndup(all, n)) < 0)
				say("no %.*s controller below %s: %s", (int)n - 1, all + 1, dir, strerror(errno));
		}
	}
}

static int
make(struct share *s)
{
	int tries;

	/* one that is left of before is taken away, so that no old limits stay; another may take away what is above us just now */
	for (tries = 0; cgroup_make_dirs(s) < 0; tries++) {
		if (tries == 20 || (errno != EEXIST && errno != ENOENT))
			return -1;
		if (errno == EEXIST && unlinkat(AT_FDCWD, s->path, AT_REMOVEDIR) < 0 && errno == EBUSY)
			die("linux.cgroupsPath: control group %s is in use by others", s->path);
	}
	s->dir = sys_open_dir(AT_FDCWD, s->path);
	return s->dir;
}

void
resource_make(struct cgroups *g, const char *path, const char *id, bool systemd)
{
	struct share *s;
	size_t n;

	if (!g->n)
		resource_choose(g, path, id, systemd);
	n = g->n;
	g->n = 0;
	g->fresh = true;
	for (s = g->share; s < g->share + n; s++) {
		if (make(s) < 0) {
			if (errno != EROFS && errno != EACCES && errno != EPERM && errno != ENOENT)
				die("make control group %s:", s->path);
			say("no control group %s: %s", s->path, strerror(errno));
			continue;
		}
		if (cgroup_has(s, "memory"))
			put_at(s->dir, "memory.use_hierarchy", "1");  /* from 5.11 on it always does */
		if (cgroup_is_v2(s) && n == 1)
			enable(s, NULL);
		g->share[g->n++] = *s;
	}
}

bool
resource_remove(struct cgroups *g)
{
	bool gone = true;
	struct share *s;

	for (s = g->share + g->n; s-- > g->share;)
		if (cgroup_take_away(s))
			s->dir = drop(s->dir);
		else
			gone = false;
	return gone;
}

/* ---- who is in it ------------------------------------------------------------------------- */

static const struct share *
v2_of(const struct cgroups *g)
{
	size_t i;

	for (i = 0; i < g->n; i++)
		if (cgroup_is_v2(&g->share[i]))
			return &g->share[i];
	return NULL;
}

int
resource_enter_fd(const struct cgroups *g)
{
	const struct share *s = v2_of(g);

	return s ? s->dir : -1;
}

/* where cgroup2 has a process, if that is below s */
static char *
group_of(const struct share *s, pid_t pid)
{
	char text[8192], *rest = text, *line, *top = fmt("%s/", s->path + s->base), *at;

	if (read_at(AT_FDCWD, fmt("/proc/%d/cgroup", (int)pid), text, sizeof(text)) <= 0)
		return NULL;
	while ((line = next_line(&rest)))
		if (after(line, "0::") && (at = strstr(line, top)))
			return xstrdup(at + strlen(top));
	return NULL;
}

void
resource_enter(const struct cgroups *g, pid_t pid, bool placed, pid_t beside)
{
	const struct share *s;
	char *text = fmt("%d", (int)pid), *below;

	for (s = g->share; s < g->share + g->n; s++) {
		if ((placed && cgroup_is_v2(s)) || put_at(s->dir, "cgroup.procs", text) == 0)
			continue;
		below = errno == EBUSY && beside && cgroup_is_v2(s) ? group_of(s, beside) : NULL;
		if (!below || put_at(s->dir, fmt("%s/cgroup.procs", below), text) < 0)
			die("enter control group %s:", s->path);
	}
}

struct list { pid_t *pid; size_t n; };

/* all in dir, which is closed, and below; who hides deeper is found by resource_remove */
static void
collect(struct list *l, int dir, int depth)
{
	enum { DEEPEST = 32 };
	char buf[4096], *at, *end;
	size_t have = 0;
	struct dirent *e;
	ssize_t n;
	long pid;
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	DIR *d;

	while (fd >= 0 && (n = read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		have += (size_t)n;
		buf[have] = 0;
		for (at = buf; (end = strchr(at, '\n')); at = end + 1) {
			pid = strtol(at, NULL, 10);
			if (pid <= 0)
				continue;
			l->pid = room_for_one(l->pid, l->n, sizeof(*l->pid));
			l->pid[l->n++] = (pid_t)pid;
		}
		have = strlen(at);
		memmove(buf, at, have);
	}
	drop(fd);
	d = fdopendir(dir);
	if (!d) {
		drop(dir);
		return;
	}
	while (depth < DEEPEST && (e = readdir(d)))
		if (e->d_type == DT_DIR && !streq(e->d_name, ".") && !streq(e->d_name, "..") && (fd = sys_open_dir(dir, e->d_name)) >= 0)
			collect(l, fd, depth + 1);
	closedir(d);
}

size_t
resource_processes(const struct cgroups *g, pid_t **pids)
{
	struct list l = { NULL, 0 };
	int dir = g->n ? sys_open_dir(AT_FDCWD, g->share->path) : -1;

	if (dir >= 0)
		collect(&l, dir, 0);
	*pids = l.pid;
	return l.n;
}

/* what freezes it */
static const struct share *
freezer(const struct cgroups *g)
{
	const struct share *s = v2_of(g);
	size_t i;

	if (s && faccessat(s->dir, "cgroup.freeze", F_OK, 0) == 0)  /* 5.2 */
		return s;
	for (i = 0; i < g->n; i++)
		if (cgroup_has(&g->share[i], "freezer"))
			return &g->share[i];
	return NULL;
}

bool
resource_freeze(const struct cgroups *g, bool on)
{
	const struct share *s = freezer(g);
	struct share copy;

	if (!s) {
		errno = EOPNOTSUPP;
		return false;
	}
	copy = *s;
	return cgroup_freeze(&copy, on);
}

bool
resource_frozen(const struct cgroups *g)
{
	const struct share *s = freezer(g);
	char text[16];

	return s && read_at(s->dir, cgroup_is_v2(s) ? "cgroup.freeze" : "freezer.state", text, sizeof(text)) > 0
	    && (*text == '1' || *text == 'F');
}

void
resource_let_end(const struct cgroups *g)
{
	const struct share *f = g->share;
	struct stat st;
	pid_t *pids;
	size_t n;

	while (f < g->share + g->n && (cgroup_is_v2(f) || !cgroup_has(f, "freezer")))
		f++;
	if (f == g->share + g->n)
		return;
	put_at(f->dir, "freezer.state", "THAWED");
	/* root inside may have groups of its own, and freeze those */
	if (fstat(f->dir, &st) == 0 && st.st_nlink > 2)
		for (n = resource_processes(g, &pids); n > 0;)
			put_at(f->dir, "cgroup.procs", fmt("%d", (int)pids[--n]));
}

int
resource_signal(const struct cgroups *g, pid_t init, int sig)
{
	enum { ROUNDS = 50, PAUSE_MS = 5 };
	const struct share *s = v2_of(g), *f = freezer(g);
	bool all = s && sig == SIGKILL && put_at(s->dir, "cgroup.kill", "1") == 0;  /* 5.14 */
	bool held = resource_frozen(g), v2 = f && cgroup_is_v2(f), hold = f && !held && !all;
	const char *file = v2 ? "cgroup.freeze" : "freezer.state";
	int rounds, done = 0, error = ESRCH;
	pid_t *pids;
	size_t n;

	(void)init;
	/* so that none is born meanwhile; but who is frozen does not end */
	for (rounds = 0; rounds < ROUNDS; rounds++) {
		if (hold)
			put_at(f->dir, file, v2 ? "1" : "FROZEN");
		n = resource_processes(g, &pids);
		done += n > 0;
		while (n > 0 && !all)  /* who is killed already may have given its number to another */
			if (kill(pids[--n], sig) < 0 && errno != ESRCH)
				error = errno;
		if (hold || (held && sig == SIGKILL))
			put_at(f->dir, file, v2 ? "0" : "THAWED");
		if (sig == SIGKILL)
			resource_let_end(g);
		if (sig != SIGKILL || all || done <= rounds)
			break;
		poll(NULL, 0, PAUSE_MS);
	}
	errno = error;
	return (done || all) && error == ESRCH ? 0 : -1;
}

/* ---- linux.resources ---------------------------------------------------------------------- */

/* what is to be written: "a|b" is the first of these files that is there, and its value of "x|y" */
struct want { const struct share *share; const char *name, *files, *values, *v1, *v2, *needs; };
struct wants { const struct cgroups *g; struct want *want; size_t n; };

static const struct share *
share_of(const struct cgroups *g, const char *v1)
{
	size_t i;

	for (i = 0; v1 && i < g->n; i++)
		if (!cgroup_is_v2(&g->share[i]) && cgroup_has(&g->share[i], v1))
			return &g->share[i];
	return v2_of(g);
}

static bool
is_none(const char *value)
{
	return streq(value, "-1") || streq(value, "max");
}

/* why there is no such file */
static const char *
missing(const struct want *w)
{
	const struct share *s = w->share;
	char text[512];

	if (!s || !cgroup_is_v2(s) || !w->v2)
		return w->needs && s ? fmt("this kernel has no %s (%s)", w->files, w->needs) : limit_reason(w->v2 ? w->v2 : w->v1, w->v1);
	if (read_at(s->dir, "cgroup.controllers", text, sizeof(text)) >= 0 && has(text, w->v2, strlen(w->v2)))
		return fmt("this kernel has no %s%s", w->files, w->needs ? fmt(" (%s)", w->needs) : "");
	if (read_at(AT_FDCWD, fmt("%.*s/cgroup.controllers", (int)s->base, s->path), text, sizeof(text)) > 0
	    && has(text, w->v2, strlen(w->v2)))
		return fmt("the control groups above %s do not hand on the %s controller (their cgroup.subtree_control)", s->path, w->v2);
	return limit_reason(w->v2, w->v1);
}

static void
add(struct wants *w, const struct want *want)
{
	struct want *new = w->want = room_for_one(w->want, w->n, sizeof(*want));

	new += w->n;
	*new = *want;
	new->share = share_of(w->g, want->v1);
	if (new->share)
		w->n++;
	else if (!is_none(want->values))
		die("linux.resources.%s: %s", want->name, w->g->n ? missing(new) : "no control group is ours to make here, to hold it");
}

static int
put_first(const struct want *w)
{
	const char *file = w->files, *value = w->values;
	size_t n, m;

	for (;; file += n + 1, value += value[m] ? m + 1 : 0) {
		n = strcspn(file, "|");
		m = strcspn(value, "|");
		if (put_at(w->share->dir, xstrndup(file, n), xstrndup(value, m)) == 0)
			return 0;
		if (errno != ENOENT || !file[n])
			return -1;
	}
}

static int
put_one(const struct want *w)
{
	int ret = put_first(w);

	if (ret == 0 || errno != ENOENT || !cgroup_is_v2(w->share) || !w->v2 || is_none(w->values))
		return ret;
	enable(w->share, w->v2);
	return put_first(w);
}

/* one may have to wait for another, as memory for what it is together with swap: so again, as long as any is taken */
static void
put_all(struct wants *w)
{
	const struct want *one = NULL;
	size_t i, left, before = w->n + 1;
	int error = 0;

	for (left = w->n; left && left < before;) {
		before = left;
		one = NULL;
		for (left = i = 0; i < before; i++) {
			if (put_one(&w->want[i]) == 0)
				continue;
			if (errno == ENOENT && is_none(w->want[i].values))
				continue;
			if (errno == ENOENT || errno == ENODEV)
				die(errno == ENOENT ? "linux.resources.%s: %s" : "linux.resources.%s: %s: no such device", w->want[i].name,
				    errno == ENOENT ? missing(&w->want[i]) : w->want[i].values);
			error = one ? error : errno;
			w->want[left++] = w->want[i];
			one = w->want;
		}
	}
	if (!one)
		return;
	errno = error;
	die("linux.resources.%s: set %s to %s:", one->name, one->files, one->values);
}

/*
 * Members of linux.resources in fours: their path, "FILES VALUES" of v1, the same of cgroup2, "" when it has no such thing and
 * nobody may believe that it had, and what they need. A + before a path: 0 is a value, too, and not as if it were not said; a
 * ?: only where the file is. In VALUES the value stands for $, or in a list that of a member for $ and its name. % and & make
 * of it a weight of cgroup2, ^ max of what is no limit, ! all of cpu.max; and @ is the name in an object of objects
 */
static const char rows[] =
	"+cpu.idle\0cpu.idle $\0cpu.idle $\0Linux 5.15\0"
	"cpu.shares\0cpu.shares $\0cpu.weight &\0CONFIG_FAIR_GROUP_SCHED\0"
	"cpu.period\0cpu.cfs_period_us $\0cpu.max !\0CONFIG_CFS_BANDWIDTH\0"
	"cpu.quota\0cpu.cfs_quota_us $\0cpu.max !\0CONFIG_CFS_BANDWIDTH\0"
	"+cpu.burst\0cpu.cfs_burst_us $\0cpu.max.burst $\0Linux 5.14, CONFIG_CFS_BANDWIDTH\0"
	"cpu.realtimePeriod\0cpu.rt_period_us $\0\0CONFIG_RT_GROUP_SCHED\0"
	"cpu.realtimeRuntime\0cpu.rt_runtime_us $\0\0CONFIG_RT_GROUP_SCHED\0"
	"cpu.cpus\0cpuset.cpus $\0cpuset.cpus $\0\0"
	"cpu.mems\0cpuset.mems $\0cpuset.mems $\0\0"
	"memory.reservation\0memory.soft_limit_in_bytes $\0memory.low $\0\0"
	"memory.limit\0memory.limit_in_bytes $\0memory.max $\0\0"
	"memory.kernelTCP\0memory.kmem.tcp.limit_in_bytes $\0\0CONFIG_MEMCG_KMEM, CONFIG_INET\0"
	"+memory.swappiness\0memory.swappiness $\0\0CONFIG_SWAP\0"
	"+memory.disableOOMKiller\0memory.oom_control $\0\0\0"
	"+pids.limit\0pids.max ^\0pids.max ^\0\0"
	"blockIO.weight\0blkio.weight|blkio.bfq.weight $\0io.bfq.weight|io.weight $|%\0"
	"CONFIG_BFQ_GROUP_IOSCHED with its scheduler in use, or CONFIG_BLK_CGROUP_IOCOST\0"
	"blockIO.leafWeight\0blkio.leaf_weight $\0\0Linux before 5.0, CONFIG_CFQ_GROUP_IOSCHED\0"
	"network.classID\0net_cls.classid $\0\0CONFIG_CGROUP_NET_CLASSID\0"
	"blockIO.weightDevice\0blkio.weight_device|blkio.bfq.weight_device $major:$minor $weight\0"
	"io.bfq.weight|io.weight $major:$minor $weight|$major:$minor %weight\0CONFIG_BFQ_GROUP_IOSCHED with its scheduler in use\0"
	"blockIO.weightDevice\0blkio.leaf_weight_device $major:$minor $leafWeight\0\0Linux before 5.0, CONFIG_CFQ_GROUP_IOSCHED\0"
#define THROTTLE(member, file, word) \
	"blockIO.throttle" member "Device\0blkio.throttle." file "_device $major:$minor $rate\0io.max $major:$minor " word "=^rate\0" \
	"CONFIG_BLK_DEV_THROTTLING\0"
	THROTTLE("ReadBps", "read_bps", "rbps") THROTTLE("WriteBps", "write_bps", "wbps")
	THROTTLE("ReadIOPS", "read_iops", "riops") THROTTLE("WriteIOPS", "write_iops", "wiops")
	"hugepageLimits\0hugetlb.$pageSize.limit_in_bytes $limit\0hugetlb.$pageSize.max $limit\0pages of that size\0"
	/* and what is reserved, where that is counted: 5.7 */
	"?hugepageLimits\0hugetlb.$pageSize.rsvd.limit_in_bytes $limit\0hugetlb.$pageSize.rsvd.max $limit\0\0"
	"network.priorities\0net_prio.ifpriomap $name $priority\0\0CONFIG_CGROUP_NET_PRIO\0"
	"rdma\0rdma.max @ hca_handle=$hcaHandles\0rdma.max @ hca_handle=$hcaHandles\0\0"
	"rdma\0rdma.max @ hca_object=$hcaObjects\0rdma.max @ hca_object=$hcaObjects\0\0";

/* as it stands there, -1 for no limit at all; NULL: there is none */
static const char *
number(const struct json *in, const char *path)
{
	in = json_get(in, path);
	if (!in || in->kind != JSON_NUMBER)
		return NULL;
	return *in->text == '-' || streq(in->text, "18446744073709551615") ? "-1" : in->text;
}

static bool
is_zero(const char *number)
{
	return !number || streq(number, "0");
}

/* as cgroup2 has it, from 1 to 10000 */
static char *
weight(const char *value, long long from, long long to)
{
	long long n = atoll(value);

	n = n < from ? from : n > to ? to : n;
	return fmt("%lld", 1 + (n - from) * 9999 / (to - from));
}

/* a small file of one word or line */
static const char *
line_of(const struct share *s, const char *file, char *buf, size_t size)
{
	if (!s || read_at(s->dir, file, buf, size) <= 0)
		return NULL;
	buf[strcspn(buf, "\n")] = 0;
	return buf;
}

/* cpu.max of cgroup2: what is not said stays */
static char *
cpu_max(const struct json *in, const struct share *s)
{
	const char *quota = number(in, "cpu.quota"), *period = number(in, "cpu.period"), *now;
	char buf[64];

	if (is_zero(quota)) {
		now = line_of(s, "cpu.max", buf, sizeof(buf));
		quota = now ? now : "max";
	}
	return fmt("%.*s%s%s", (int)strcspn(quota, " "), is_none(quota) ? "max" : quota, is_zero(period) ? "" : " ",
	           is_zero(period) ? "" : period);
}

/* of a row, for one value, or one in a list: NULL: it says nothing of that */
static char *
expand(const struct want *want, const char *text, const struct json *value, const struct json *in)
{
	bool v2 = want->share && cgroup_is_v2(want->share);
	char *out = xstrdup(""), sign;
	const struct json *v;
	const char *word;
	size_t n;

	for (;; text += n) {
		n = strcspn(text, "$%&^!@");
		out = fmt("%s%.*s", out, (int)n, text);
		text += n;
		if (!*text)
			return out;
		sign = *text++;
		n = strcspn(text, " .:|");
		v = json_get(value, xstrndup(text, n));
		word = sign == '@' ? value->name : json_string(v, "");
		if (word && (n || sign == '@') && strpbrk(word, " /|"))
			die("linux.resources.%s: %s: not a name", want->name, word);
		if (sign == '!')
			word = cpu_max(in, want->share);
		else if (!word)
			word = json_true(v, "") ? "1" : number(v, "");
		if (!word)
			return NULL;
		if (sign == '&' || sign == '%')
			word = sign == '&' ? weight(word, 2, 262144) : weight(word, 10, 1000);
		if (sign == '^' ? is_zero(word) || is_none(word) : v2 && is_none(word))
			word = "max";
		out = fmt("%s%s", out, word);
	}
}

static void
add_row(struct wants *w, const char *path, const struct json *value, const struct json *in)
{
	const char *v1 = behind(path), *v2 = behind(v1), *needs = behind(v2), *idle;
	struct want want = { .name = path + (*path == '+' || *path == '?'), .needs = *needs ? needs : NULL };
	char *text;

	want.v1 = xstrndup(v1, strcspn(v1, "."));
	if (*v2)
		want.v2 = streq(want.v1, "blkio") ? "io" : want.v1;
	want.share = share_of(w->g, want.v1);
	text = expand(&want, want.share && cgroup_is_v2(want.share) && *v2 ? v2 : v1, value, in);
	if (!text)
		return;
	if (want.share && cgroup_is_v2(want.share) && !*v2) {
		if (is_none(number(value, "")))
			return;
		die("linux.resources.%s: cgroup2 has no %.*s, and v1 no %s here", want.name, (int)strcspn(v1, "| "), v1, want.v1);
	}
	idle = after(want.name, "cpu.shares") ? number(in, "cpu.idle") : NULL;
	if (idle && streq(idle, "1"))
		return;  /* it has the least, and the kernel takes no other */
	want.files = text;
	text = strchr(text, ' ');
	*text++ = 0;
	want.values = text;
	if (*path != '?' || (want.share && faccessat(want.share->dir, want.files, F_OK, 0) == 0))
		add(w, &want);
}

static void
add_rows(struct wants *w, const struct json *in)
{
	const char *path;
	const struct json *v;

	for (path = rows; *path; path = behind(behind(behind(behind(path))))) {
		v = json_get(in, path + (*path == '+' || *path == '?'));
		if (v && v->kind >= JSON_ARRAY)
			for (v = v->first; v; v = v->next)
				add_row(w, path, v, in);
		else if (v && v->kind != JSON_FALSE && !(v->kind == JSON_STRING ? !*v->text : *path != '+' && is_zero(number(v, ""))))
			add_row(w, path, v, in);
	}
}

/* on v1 it is that with memory; on cgroup2 by itself */
static void
add_swap(struct wants *w, const struct json *in)
{
	struct want want = { NULL, "memory.swap", "memory.memsw.limit_in_bytes", NULL, "memory", "memory",
		"swapaccount=1 on the kernel's command line, CONFIG_SWAP" };
	const struct share *s = share_of(w->g, "memory");
	const char *swap = number(in, "memory.swap"), *limit = number(in, "memory.limit");
	char now[32];

	if (is_zero(swap) && (!limit || !is_none(limit)))
		return;
	want.values = is_zero(swap) ? "-1" : swap;
	if (s && cgroup_is_v2(s)) {
		want.files = "memory.swap.max";
		if (is_zero(limit))
			limit = line_of(s, "memory.max", now, sizeof(now));
		if (!limit)
			limit = "0";
		if (!is_none(want.values)) {
			if (is_none(limit) || atoll(swap) < atoll(limit))
				die("linux.resources.memory.swap: is that together with memory, and so not less than memory.limit");
			want.values = fmt("%lld", atoll(swap) - atoll(limit));
			if (is_zero(want.values) && faccessat(s->dir, want.files, F_OK, 0) < 0
			    && faccessat(s->dir, "memory.max", F_OK, 0) == 0)
				return;  /* there is no swap */
		} else {
			want.values = "max";
		}
	}
	add(w, &want);
}

static void
check_usage(const struct cgroups *g, const struct json *in)
{
	const struct share *s = share_of(g, "memory");
	const char *limit = number(in, "memory.limit"), *now = NULL;
	char buf[32];

	if (s && limit && !is_none(limit) && json_true(in, "memory.checkBeforeUpdate"))
		now = line_of(s, cgroup_is_v2(s) ? "memory.current" : "memory.usage_in_bytes", buf, sizeof(buf));
	if (now && strtoull(now, NULL, 10) > strtoull(limit, NULL, 10))
		die("linux.resources.memory.limit: %s bytes are in use now, which is more", now);
}

static void
add_unified(struct wants *w, const struct json *in)
{
	struct want want = { .name = "unified" };
	const struct json *j;

	for (j = json_first(in, want.name); j; j = j->next) {
		if (!v2_of(w->g))
			die("linux.resources.unified: there is no cgroup2 here");
		if (*j->name == '.' || strpbrk(j->name, "/|") || !strchr(j->name, '.') || after(j->name, "cgroup."))
			die("linux.resources.unified: %s: no file of a controller", j->name);
		want.files = j->name;
		want.values = j->text;
		want.v2 = xstrndup(j->name, strcspn(j->name, "."));
		add(w, &want);
	}
}

void
resource_set(struct cgroups *g, const struct json *resources)
{
	struct wants w = { .g = g };

	if (g->fresh)
		device_set(g->share, g->n, json_get(resources, "devices"));
	check_usage(g, resources);
	add_rows(&w, resources);
	add_swap(&w, resources);
	add_unified(&w, resources);
	put_all(&w);
}

/* ---- what it uses --------------------------------------------------------------------------- */

/*
 * What runc tells, with ' for quotes. <FILE WORD|FILE WORD> is a number behind a word in a file of v1, or of cgroup2, if that is another; +
 * adds that of another, and * is one of time in ticks, or in microseconds. For %s stands what are lists
 */
#define MEMORY(name, v1, limit, usage, max) "'" name "':{'limit':<" v1 ".limit_in_bytes|" limit ">,'usage':<" v1 ".usage_in_bytes|" \
	usage ">,'max':<" v1 ".max_usage_in_bytes|" max ">,'failcnt':<" v1 ".failcnt|>}"
static const char stats[] =
	"{'cpu':{'usage':{'total':<cpuacct.usage|cpu.stat usage_usec*>,'percpu':[%s],'kernel':<cpuacct.stat system*|cpu.stat system_usec*>,"
	"'user':<cpuacct.stat user*|cpu.stat user_usec*>},'throttling':{'periods':<cpu.stat nr_periods>,"
	"'throttledPeriods':<cpu.stat nr_throttled>,"
	"'throttledTime':<cpu.stat throttled_time|cpu.stat throttled_usec*>}},'memory':{'cache':<memory.stat cache|memory.stat file>,"
	MEMORY("usage", "memory", "memory.max", "memory.current", "memory.peak") ","
	MEMORY("swap", "memory.memsw", "memory.swap.max+memory.max", "memory.swap.current+memory.current", "") ","
	MEMORY("kernel", "memory.kmem", "", "", "") "," MEMORY("kernelTCP", "memory.kmem.tcp", "", "", "")
	",'raw':{%s}},'pids':{'current':<pids.current>,'limit':<pids.max>},'blkio':{'ioServiceBytesRecursive':[%s],"
	"'ioServicedRecursive':[%s]},'hugetlb':{},'intel_rdt':{},'network_interfaces':null}";

/* a number in a file, or behind a word there */
static uint64_t
used(const struct share *s, const char *file, const char *word)
{
	char text[8192], *rest = text, *line;
	const char *value;

	if (*file && read_at(s->dir, file, text, sizeof(text)) > 0)
		while ((line = next_line(&rest)))
			if ((value = after(line, word)) && (!*word || *value == ' '))
				return after(value, "max") ? UINT64_MAX : strtoull(value, NULL, 10);
	return 0;
}

/* what stands between < and > */
static uint64_t
number_of(const struct cgroups *g, char *text)
{
	const struct share *s = share_of(g, xstrndup(text, strcspn(text, ".")));
	bool v2 = s && cgroup_is_v2(s), pids = *text == 'p';
	char *other = strchr(text, '|'), *more, *word, *time;
	uint64_t n, sum = 0;

	if (other)
		*other++ = 0;
	for (text = v2 && other ? other : text; s && text; text = more) {
		more = strchr(text, '+');
		if (more)
			*more++ = 0;
		time = strchr(text, '*');
		if (time)
			*time = 0;
		word = strchr(text, ' ');
		if (word)
			*word++ = 0;
		n = used(s, text, word ? word : "");
		if (time)
			n *= v2 ? 1000 : 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);
		sum = n == UINT64_MAX || sum == UINT64_MAX ? UINT64_MAX : sum + n;
	}
	return pids && sum == UINT64_MAX ? 0 : sum;
}

/* "NAME NUMBER" in lines, as an object */
static char *
raw(const struct cgroups *g)
{
	const struct share *s = share_of(g, "memory");
	char text[8192], *rest = text, *line, *out = xstrdup("");

	if (s && read_at(s->dir, "memory.stat", text, sizeof(text)) > 0)
		while ((line = next_line(&rest)))
			if (strchr(line, ' '))
				out = fmt("%s%s'%.*s':%s", out, *out ? "," : "", (int)strcspn(line, " "), line, strchr(line, ' ') + 1);
	return out;
}

/* "8:0 Read 4096" in lines, or on cgroup2 "8:0 rbytes=4096 wbytes=0 rios=1" */
static char *
block(const struct cgroups *g, const char *v1, const char *key)
{
	const struct share *s = share_of(g, "blkio");
	char text[8192], *rest = text, *line, *out = xstrdup(""), *minor, *op, *value, *end;
	const char *name;

	if (!s || read_at(s->dir, cgroup_is_v2(s) ? "io.stat" : v1, text, sizeof(text)) <= 0)
		return out;
	while ((line = next_line(&rest))) {
		minor = strchr(line, ':');
		op = minor ? strchr(minor, ' ') : NULL;
		if (!op)
			continue;
		*minor++ = *op++ = 0;
		for (; (value = strpbrk(op, " =")); op = end + (*end != 0)) {
			name = *value == ' ' ? xstrndup(op, (size_t)(value - op)) : *op == 'r' ? "Read" : *op == 'w' ? "Write" : "Discard";
			end = value + 1 + strcspn(value + 1, " ");
			if (*value == ' ' || after(op + 1, key) == value)
				out = fmt("%s%s{'major':%s,'minor':%s,'op':'%s','value':%.*s}", out, *out ? "," : "", line, minor, name,
				          (int)(end - value - 1), value + 1);
		}
	}
	return out;
}

char *
resource_stats(const struct cgroups *g)
{
	char percpu[8192], *c, *text, *out, *to;

	if (!line_of(share_of(g, "cpuacct"), "cpuacct.usage_percpu", percpu, sizeof(percpu)))
		*percpu = 0;
	for (c = percpu; (c = strchr(c, ' '));)
		*c = c[1] ? ',' : 0;
	text = fmt(stats, percpu, raw(g), block(g, "blkio.throttle.io_service_bytes", "bytes"), block(g, "blkio.throttle.io_serviced", "ios"));
	out = to = xalloc(2 * strlen(text) + 32);
	for (; *text; text++) {
		if (*text != '<') {
			*to++ = (char)(*text == '\'' ? '"' : *text);
			continue;
		}
		c = strchr(text, '>');
		*c = 0;
		to += sprintf(to, "%" PRIu64, number_of(g, text + 1));
		text = c;
	}
	return out;
}
