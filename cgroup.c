/* SPDX-License-Identifier: 0BSD */
/*
 * The machine's share: a directory in each hierarchy of control groups that it takes. The first is
 * what it sees: cgroup2 where there is one, else the v1 hierarchy of systemd. Others are taken only for
 * a limit, the device policy or the freezer. In each the guest has "payload" below, and that is
 * all it sees: what is set on the directory above is out of its reach. See wants_payload for who has none.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "nspawn-lite.h"

#define V2      "cgroup2"
#define SYSTEMD "name=systemd"
#define PAYLOAD "payload"
#define ASIDE   "supervisor"  /* where we go when what we are in gets controllers: no process may be beside a group */

#define BARE    ", CAP_MKNOD and device nodes of the tree"  /* for without it there is no device policy */

static const char *
slice_name(const char *word)
{
	size_t n = strlen(word);

	return n > 6 && streq(word + n - 6, ".slice") ? word : fmt("%s.slice", word);
}

void
cgroup_check(const struct plan *p)
{
	const char *name = p->slice ? slice_name(p->slice) : "a.slice";

	if (!WITH_LIMITS)
		return;
	if (!name_valid(name) || *name == '.' || *name == '-' || strstr(name, "--") || strstr(name, "-.slice"))
		die("--slice=%s: not the name of a slice, like machine or a-b.slice", p->slice);
}

bool
cgroup_is_v2(const struct share *s)
{
	return streq(s->kind, V2);
}

static bool
has_word(const char *list, const char *word)
{
	size_t n = strlen(word), len;

	for (;; list += len + 1) {
		len = strcspn(list, ", \n");
		if (len == n && memcmp(list, word, n) == 0)
			return true;
		if (!list[len])
			return false;
	}
}

bool
cgroup_has(const struct share *s, const char *v1)
{
	return has_word(s->kind, v1);
}

/* ---- what the host has ------------------------------------------------------------ */

static bool
is_mounted(const char *path, long magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (long)fs.f_type == magic;
}

/* where a process is in the hierarchy that a word names, "" being cgroup2; list is what that has. Until this is asked again */
static char *
find_path(const char *process, const char *word, char **list)
{
	enum { SIZE = 8192 };
	static void *at;
	char *text = scratch_room(&at, SIZE), *rest = text, *line, *path, file[64];

	snprintf(file, sizeof(file), "/proc/%.16s/cgroup", process);
	if (read_at(AT_FDCWD, file, text, SIZE) < 0)
		return NULL;
	while ((line = next_line(&rest))) {
		*list = strchr(line, ':');
		path = *list ? strchr(++*list, ':') : NULL;
		if (!path)
			continue;
		*path++ = 0;
		if (has_word(*list, word))
			return path;
	}
	return NULL;
}

/* the same for good, and the kind of the hierarchy */
static char *
path_of(const char *process, const char *word, const char **kind)
{
	char *list, *path = find_path(process, word, &list);

	if (path && kind)
		*kind = *word ? xstrdup(list) : V2;
	return path ? xstrdup(path) : NULL;
}

/* all of a file of /proc, which comes in pieces; room is as for scratch_room */
static char *
read_proc(const char *path, void **room)
{
	enum { FIRST = 1 << 15 };
	size_t size = FIRST;
	char *text = scratch_room(room, FIRST);
	ssize_t n;
	int fd;

	for (;; size *= 2, text = xalloc(size)) {
		fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read_all(fd, text, size);
		drop(fd);
		if (n < 0)
			return NULL;
		if ((size_t)n < size - 1)
			return text;
	}
}

/* what a line of mountinfo says of control groups; one with strange letters is none of those that are meant for us */
struct mounted { char *options, *part, *place; };

static bool
parse_mount(char *line, const char *type, struct mounted *m)
{
	char *fs = strstr(line, " - "), *field[5];
	int i;

	if (!fs || strncmp(fs + 3, type, strlen(type)) != 0 || fs[3 + strlen(type)] != ' ')
		return false;
	m->options = strrchr(fs, ' ') + 1;
	for (i = 0; i < 5 && line < fs; i++) {
		field[i] = line;
		line += strcspn(line, " ");
		*line++ = 0;
	}
	if (i < 5)
		return false;
	m->part = streq(field[3], "/") ? "" : field[3];
	m->place = field[4];
	return !strchr(m->place, '\\') && strncmp(m->part, "/..", 3) != 0;
}

/* where the host has mounted a hierarchy, and how much of it: mountinfo of proc(5). NULL: nowhere */
static char *
mount_of(const char *type, const char *word, char **part)
{
	static void *room;
	char *rest = read_proc("/proc/self/mountinfo", &room), *line;
	struct mounted m;

	while ((line = next_line(&rest)))
		if (parse_mount(line, type, &m) && (!*word || has_word(m.options, word))
		    && is_mounted(m.place, *word ? CGROUP_SUPER_MAGIC : CGROUP2_SUPER_MAGIC)) {
			*part = xstrdup(m.part);
			return xstrdup(m.place);
		}
	return NULL;
}

/* ---- where it will be -------------------------------------------------------------- */

/* a-b.slice is a.slice/a-b.slice: systemd.slice(5) */
char *
cgroup_slice_path(const char *slice)
{
	char *path = xstrdup("");
	const char *dash;

	for (dash = strchr(slice, '-'); dash; dash = strchr(dash + 1, '-'))
		path = fmt("%s/%.*s.slice", path, (int)(dash - slice), slice);
	return fmt("%s/%s", path, slice);
}

/* a namespace that we are in, if it is not the first of its kind: their numbers are those of proc_ns.h in the kernel */
static unsigned long long
inside(const char *kind, unsigned long long first)
{
	struct stat st;

	return stat(fmt("/proc/self/ns/%s", kind), &st) == 0 && st.st_ino != first ? (unsigned long long)st.st_ino : 0;
}

/*
 * The hierarchy's root may be that of other machines, too, in which machines have the same names: then those around us
 * are told apart by their processes. 0: it is the host's, or ours alone
 */
static unsigned long long
around_us(const char *kind)
{
	static unsigned long long around = UINT64_MAX;

	if (around == UINT64_MAX)
		around = inside("pid", 0xeffffffc);
	return around && (streq(kind, V2) || streq(kind, SYSTEMD)) && inside("cgroup", 0xeffffffb) ? 0 : around;
}

/* in a unit's name a dash stands for a slash, so that a dash needs another face: systemd.unit(5) */
static char *
scope_name(const char *machine, unsigned long long around)
{
	static const uint8_t key[16] = "nspawn-lite root";
	const char *c, *other = getenv("NSPAWN_LITE_ROOT");
	char *name = xstrdup("machine-");

	for (c = machine; *c; c++)
		name = *c == '-' ? fmt("%s\\x2d", name) : fmt("%s%c", name, *c);
	if (!other && !around)
		return fmt("%s.scope", name);
	/* machines of another root may have the same names */
	if (around)
		other = fmt("%s%llu", other ? other : "", around);
	return fmt("%08x-%s.scope", (unsigned int)siphash24(other, strlen(other), key), name);
}

/* mount is NULL where root is a mount of our own; above: a path from the hierarchy's root */
static struct share *
add(struct run *r, const char *kind, int root, const char *mount, const char *above)
{
	struct share *s = &r->share[r->nshares];
	const char *path = fmt("%s/%s", streq(above, "/") ? "" : above, scope_name(r->name, around_us(kind)));

	if (r->nshares == LEN(r->share))
		die("too many hierarchies of control groups");
	r->nshares++;
	*s = (struct share){ .kind = kind, .root = root, .dir = -1, .payload = -1 };
	s->base = mount ? strlen(mount) : 0;
	s->path = mount ? fmt("%s%s", mount, path) : xstrdup(path + 1);
	return s;
}

/* behind the part of a hierarchy that is mounted */
static const char *
below(const char *path, const char *part)
{
	const char *rest = after(path, part);

	return rest && (*rest == '/' || !*rest) ? rest : path;
}

size_t
cgroup_mounted(struct share *share, const char **own, size_t room)
{
	static void *groups, *mounts;
	char *rest = read_proc("/proc/self/cgroup", &groups), *line, *path;
	struct mounted m;
	size_t n = 0, found = 0, i;
	bool v2;

	while (n < room && (line = next_line(&rest))) {
		line = strchr(line, ':');
		path = line ? strchr(line + 1, ':') : NULL;
		if (!path)
			continue;
		*path = 0;
		own[n] = path + 1;
		share[n++] = (struct share){ .kind = line[1] ? line + 1 : V2, .root = AT_FDCWD, .dir = -1, .payload = -1 };
	}
	for (rest = read_proc("/proc/self/mountinfo", &mounts); (line = next_line(&rest));)
		for (v2 = parse_mount(line, "cgroup2", &m), i = v2 || parse_mount(line, "cgroup", &m) ? 0 : n; i < n; i++) {
			if (share[i].path || cgroup_is_v2(&share[i]) != v2
			    || (!v2 && !has_word(m.options, xstrndup(share[i].kind, strcspn(share[i].kind, ","))))
			    || !is_mounted(m.place, v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
				continue;
			share[i].path = xstrdup(m.place);
			share[i].base = strlen(m.place);
			own[i] = xstrdup(below(own[i], m.part));
			break;
		}
	for (i = 0; i < n; i++)
		if (share[i].path) {
			share[i].kind = xstrdup(share[i].kind);
			own[found] = own[i];
			share[found++] = share[i];
		}
	return found;
}

static const char *
mount_options(const char *kind)
{
	return streq(kind, V2) ? "" : strchr(kind, '=') ? fmt("none,%s", kind) : kind;
}

enum { AS_USUAL, ANYWHERE, PRIVATELY, WAYS };

/* the share that it sees, if the host has such a hierarchy to be had in that way */
static bool
add_first(struct run *r, const char *kind, int way)
{
	static const char *const usual[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd" };
	bool v2 = streq(kind, V2);
	const char *mount = NULL;
	char *part = "", *own;
	int root = AT_FDCWD;

	if (way == AS_USUAL && v2)
		mount = is_mounted(usual[0], CGROUP2_SUPER_MAGIC) ? usual[0]
		      : is_mounted(usual[1], CGROUP2_SUPER_MAGIC) ? usual[1] : NULL;
	else if (way == AS_USUAL)
		mount = is_mounted(usual[2], CGROUP_SUPER_MAGIC) ? usual[2] : NULL;
	else if (way == ANYWHERE)
		mount = mount_of(v2 ? "cgroup2" : "cgroup", v2 ? "" : SYSTEMD, &part);
	else
		root = sys_mount_private(v2 ? "cgroup2" : "cgroup", mount_options(kind));
	if (!mount && (way != PRIVATELY || root < 0))
		return false;
	own = r->slice ? NULL : path_of("self", v2 ? "" : SYSTEMD, NULL);
	if (own && strlen(own) > strlen(ASIDE) && streq(strrchr(own, '/') + 1, ASIDE))
		*strrchr(own, '/') = 0;  /* a life ago we went there */
	add(r, kind, root, mount, own ? below(own, part) : r->slice ? r->slice : cgroup_slice_path("machine.slice"));
	r->cgroup_v1 = !v2;
	return true;
}

/* a systemd of before 230 knows cgroup2 not at all; by 228 that program had gone */
static bool
is_old(const struct run *r)
{
	static const char *const paths[] = { "usr/lib/systemd/systemd-shutdownd", "lib/systemd/systemd-shutdownd" };
	size_t i;
	int fd;

	for (i = 0; i < LEN(paths); i++) {
		fd = sys_open_in(r->tree, paths[i], O_PATH, 0);
		drop(fd);
		if (fd >= 0)
			return true;
	}
	return false;
}

void
cgroup_choose(const struct plan *p, struct run *r)
{
	int want = p->unified, way;

	/* below a systemd that manages the host, only what it gave to us is ours to divide */
	r->slice = p->keep_unit || access("/run/systemd/system", F_OK) == 0 ? NULL
	    : cgroup_slice_path(WITH_LIMITS && p->slice ? slice_name(p->slice) : "machine.slice");
	if (!want && p->boot && is_old(r)) {
		say("the tree's systemd is older than cgroup2");
		want = NO;
	}
	for (way = 0; way < WAYS && r->nshares == 0; way++)
		if ((want == NO || !add_first(r, V2, way)) && want != YES && (way != PRIVATELY || p->boot || want == NO))
			add_first(r, SYSTEMD, way);
	if (r->nshares == 0 && p->unified == YES)
		die("--unified-hierarchy=yes: no cgroup2 is to be had here (Linux 4.5, CONFIG_CGROUPS)");
}

/* a controller may be had there: it is none that v1 has taken */
static bool
offers(const struct share *s, const char *controller)
{
	char text[512];

	return read_at(s->root, fmt("%.*s/cgroup.controllers", (int)(s->base ? s->base : 1), s->base ? s->path : "."), text,
	               sizeof(text)) > 0 && has_word(text, controller);
}

static struct share *
share_v2(struct run *r, const char *controller)
{
	const char *mount;
	char *part = "";
	struct share *s;
	char **c;
	int root = AT_FDCWD;

	for (s = r->share; s < r->share + r->nshares; s++)
		if (cgroup_is_v2(s))
			break;
	if (s == r->share + r->nshares) {
		mount = mount_of("cgroup2", "", &part);
		if (!mount && (root = sys_mount_private("cgroup2", "")) < 0)
			return NULL;
		s = add(r, V2, root, mount, r->slice ? r->slice : "");
		if (!offers(s, controller)) {
			r->nshares--;
			if (root != AT_FDCWD)
				drop(root);
			return NULL;
		}
	}
	if (!offers(s, controller))
		return NULL;
	for (c = r->controllers; c && *c; c++)
		if (streq(*c, controller))
			return s;
	grow(&r->controllers, controller);
	return s;
}

struct share *
cgroup_share(struct run *r, const char *v2, const char *v1)
{
	char *part = "", *mount, *above, pid[16] = "self";
	struct share *s = v2 ? share_v2(r, v2) : NULL;
	const char *kind = v1;
	int root = AT_FDCWD;

	if (!WITH_LIMITS && !WITH_USERNS)
		return NULL;
	if (s || !v1)
		return s;
	if (r->nested) {  /* it belongs to the host around us */
		errno = EPERM;
		return NULL;
	}
	for (s = r->share; s < r->share + r->nshares; s++)
		if (!cgroup_is_v2(s) && has_word(s->kind, v1))
			return s;
	if (r->pid > 0)
		strcpy(pid, fmt("%d", (int)r->pid));
	/* what limits us limits the machine too: on v1 groups may be beside processes */
	above = path_of(pid, v1, &kind);
	mount = mount_of("cgroup", v1, &part);
	if (!mount && (root = sys_mount_private("cgroup", mount_options(kind))) < 0)
		return NULL;
	above = fmt("%s%s", !above || streq(above, "/") ? "" : below(above, part), r->slice && r->pid <= 0 ? r->slice : "");
	return add(r, kind, root, mount, above);
}

/*
 * Root inside who has users of its own may mount v1 hierarchies, and sees them from where it is. Where it is root of
 * the host by its number, all from there on would be its own: so it gets a directory everywhere, though that
 * makes its start slower by far. Without users of its own it is root of the host anyway
 */
void
cgroup_fence(const struct plan *p, struct run *r)
{
	static void *room;
	char *rest, *line, *list;

	if (!WITH_LIMITS && !WITH_USERNS)
		return;
	(void)p;
	if (!r->userns || r->id_base || r->nested)
		return;
	r->cgroup_v1 |= r->nshares == 0;
	for (rest = read_proc("/proc/self/cgroup", &room); (line = next_line(&rest));) {
		list = strchr(line, ':');
		if (!list || !list[1] || list[1] == ':')
			continue;
		list++;
		list[strcspn(list, ",:")] = 0;
		if (!cgroup_share(r, NULL, list))
			warn("take a share of control groups %s, root inside can change groups of the host there:", list);
	}
}

/* ---- in the register's words ---------------------------------------------------------- */

char *
cgroup_place(const struct share *s)
{
	return fmt("%s:%s%s", s->kind, s->root == AT_FDCWD ? "" : ":", s->path);
}

/* kind, root and path of a place; false: it cannot be reached */
static bool
locate(const char *place, struct share *s)
{
	size_t n = strcspn(place, ":");

	*s = (struct share){ .root = AT_FDCWD, .dir = -1, .payload = -1 };
	if (!place[n] || n == 0) {
		errno = EINVAL;
		return false;
	}
	s->kind = xstrndup(place, n);
	s->path = xstrdup(place + n + 1);
	if (*s->path != ':') {
		errno = EINVAL;
		return *s->path == '/';
	}
	s->path++;
	s->root = sys_mount_private(cgroup_is_v2(s) ? "cgroup2" : "cgroup", mount_options(s->kind));
	return s->root >= 0;
}

void
cgroup_let_go(struct share *s)
{
	drop(s->root);
	drop(s->dir);
	drop(s->payload);
	s->dir = s->payload = -1;
}

static int
open_dirs(struct share *s)
{
	s->dir = sys_open_dir(s->root, s->path);
	s->payload = s->dir < 0 ? -1 : sys_open_dir(s->dir, PAYLOAD);
	if (s->dir >= 0 && s->payload < 0 && errno == ENOENT)
		s->payload = fcntl(s->dir, F_DUPFD_CLOEXEC, 3);
	return s->payload;
}

bool
cgroup_find(const char *place, struct share *s)
{
	struct stat st, up;
	const char *slash;

	if (!locate(place, s))
		return false;
	if (open_dirs(s) < 0 || fstat(s->dir, &st) < 0) {
		cgroup_let_go(s);
		return false;
	}
	for (slash = strchr(s->path + 1, '/'); slash && s->root == AT_FDCWD; slash = strchr(slash + 1, '/'))
		if (stat(xstrndup(s->path, (size_t)(slash - s->path)), &up) == 0 && up.st_dev == st.st_dev) {
			s->base = (size_t)(slash - s->path);
			break;
		}
	return true;
}

/* ---- its processes ------------------------------------------------------------------- */

/*
 * How a machine's processes are known: by their namespace, and by their group in one hierarchy. Where the leader lives
 * that group is a path from the top: root inside may give a group of its own any name.
 */
struct mark { char pidns[64], *word, *group; bool whole; };

static bool
link_of(const char *process, char link[64])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.16s/ns/pid", process);
	n = readlink(path, link, 63);
	link[n < 0 ? 0 : n] = 0;
	return n > 0;
}

static const char *
end_of_group(const char *path, const char *group)
{
	const char *at = path, *end;

	for (; (at = strstr(at, group)); at = end) {
		end = at + strlen(group);
		if (*end == '/' || !*end)
			return end;
	}
	return NULL;
}

/* as /proc/PID/cgroup has it: other groups may have the same last name, or the same below another. NULL: nobody knows */
static char *
whole_group(const struct share *s)
{
	static void *room;
	char *rest, *line, *group = NULL;
	struct mounted m;
	size_t n, most = 0;

	if (s->root != AT_FDCWD)
		return fmt("/%s", s->path);
	for (rest = read_proc("/proc/self/mountinfo", &room); (line = next_line(&rest));)
		if (parse_mount(line, cgroup_is_v2(s) ? "cgroup2" : "cgroup", &m) && (n = strlen(m.place)) >= most
		    && strncmp(s->path, m.place, n) == 0 && s->path[n] == '/') {
			most = n;
			group = fmt("%s%s", m.part, s->path + n);
		}
	return group;
}

/* leader: 0 if it is not known */
static struct mark
mark_of(pid_t leader, const struct share *s)
{
	struct mark m = { "", NULL, NULL, false };
	char ours[64], pid[16], *path;

	snprintf(pid, sizeof(pid), "%d", (int)leader);
	if (leader > 0 && link_of(pid, m.pidns) && link_of("self", ours) && streq(m.pidns, ours))
		*m.pidns = 0;  /* it shares that of the host */
	if (!s)
		return m;
	m.word = cgroup_is_v2(s) ? xstrdup("") : xstrndup(s->kind, strcspn(s->kind, ","));
	m.group = whole_group(s);
	m.whole = m.group;
	if (m.whole)
		return m;
	m.group = strrchr(s->path, '/');
	path = leader > 0 ? path_of(pid, m.word, NULL) : NULL;
	if (path && end_of_group(path, m.group)) {
		path[end_of_group(path, m.group) - path] = 0;
		m.group = path;
		m.whole = true;
	}
	return m;
}

static bool
belongs(const char *process, const struct mark *m)
{
	char link[64], *path, *list;
	const char *end = NULL;

	if (*m->pidns && link_of(process, link) && streq(link, m->pidns))
		return true;
	path = m->group ? find_path(process, m->word, &list) : NULL;
	if (path)
		end = m->whole ? after(path, m->group) : end_of_group(path, m->group);
	return end && (*end == '/' || !*end);
}

/* do something with each process of the machine; how many were there, and were to be done something with */
static int
each_process(const struct mark *m, bool (*fn)(const char *process, void *arg), void *arg)
{
	struct dirent *e;
	int n = 0;
	DIR *d = opendir("/proc");

	while (d && (e = readdir(d)))
		if (*e->d_name >= '1' && *e->d_name <= '9' && belongs(e->d_name, m))
			n += fn(e->d_name, arg);
	if (d)
		closedir(d);
	return n;
}

struct signalling { const struct mark *mark; int sig; pid_t *seen; size_t nseen, room; };

/* one that ended meanwhile, and whose number another has now, is left alone; those that had it already do not count */
static bool
signal_one(const char *process, void *arg)
{
	struct signalling *s = arg;
	pid_t pid = (pid_t)atoi(process);
	bool done;
	size_t i;
	int fd;

	for (i = 0; i < s->nseen; i++)
		if (s->seen[i] == pid)
			return false;
	fd = sys_pidfd_open(pid);
	done = fd < 0 ? errno != ESRCH && kill(pid, s->sig) == 0 : belongs(process, s->mark) && sys_pidfd_signal(fd, s->sig) == 0;
	drop(fd);
	if (done && s->nseen == s->room) {
		s->room = s->room * 2 + 64;
		s->seen = realloc(s->seen, s->room * sizeof(*s->seen));
		if (!s->seen)
			die("no memory for so many processes");
	}
	if (done)
		s->seen[s->nseen++] = pid;
	return done;
}

int
cgroup_signal(const struct run *r, int sig)
{
	enum { ROUNDS = 50 };
	char path[64];
	struct mark m;
	struct signalling s = { .mark = &m, .sig = sig };
	int ns, rounds = 0;

	if (!WITH_MACHINES)
		return -1;
	/* held, so that no other namespace is called the same before we are done */
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)r->pid);
	ns = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	m = mark_of(r->pid, r->nshares ? r->share : NULL);
	if (ns < 0)
		*m.pidns = 0;
	if ((!*m.pidns && !m.group) || (r->init_pidfd >= 0 && sys_pidfd_signal(r->init_pidfd, 0) < 0)) {
		drop(ns);
		errno = !*m.pidns && !m.group ? ENOENT : ESRCH;
		return -1;
	}
	if (sig == SIGKILL && m.group)
		put_at(r->share->payload, "cgroup.kill", "1");  /* 5.14 */
	while (each_process(&m, signal_one, &s) > 0 && sig == SIGKILL && ++rounds < ROUNDS)
		;
	free(s.seen);
	drop(ns);
	return 0;
}

/* where we are ourselves in a hierarchy of v1, or -1 */
static int
open_own(const char *word)
{
	const char *kind = word;
	char *part = "", *own = path_of("self", word, &kind), *mount = own ? mount_of("cgroup", word, &part) : NULL;
	int root, dir;

	if (!own)
		return -1;
	if (mount)
		return sys_open_dir(AT_FDCWD, fmt("%s%s", mount, below(own, part)));
	root = sys_mount_private("cgroup", mount_options(kind));
	dir = root < 0 ? -1 : sys_open_dir(root, own[1] ? own + 1 : ".");
	drop(root);
	return dir;
}

static bool
end_one(const char *process, void *ours)
{
	kill((pid_t)atoi(process), SIGKILL);
	put_at(*(int *)ours, "cgroup.procs", process);
	return true;
}

/*
 * What v1's freezer holds does not end, however it is killed, and a group that holds it need not be ours: root inside
 * may have made one. So its processes are taken out of it, to where nobody is frozen: where we are.
 */
static void
end_all(const struct mark *m)
{
	int ours = open_own("freezer");

	each_process(m, end_one, &ours);
	drop(ours);
}

void
cgroup_end(const struct run *r)
{
	struct mark m = mark_of(r->pid, r->nshares ? r->share : NULL);

	end_all(&m);
}

/* ---- taking it away ------------------------------------------------------------------- */

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
remove_below(int root, const char *path)
{
	char name[256], last[256], *inner = fmt("%s/" PAYLOAD, path);
	int dir, next, ret;

	for (;;) {
		unlinkat(root, inner, AT_REMOVEDIR);  /* mostly that is all there is */
		if (unlinkat(root, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		dir = sys_open_dir(root, path);
		if (dir < 0)
			return -1;
		for (*last = 0;;) {
			next = sys_open_dir(dir, ".");
			if (next < 0 || !first_below(next, name))
				break;
			memcpy(last, name, sizeof(last));
			next = sys_open_dir(dir, name);
			if (next < 0)
				break;
			close(dir);
			dir = next;
		}
		next = *last ? sys_open_dir(dir, "..") : -1;
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
kill_all(int root, const char *path)
{
	enum { SIZE = 4096 };
	static void *at;
	char *pids = scratch_room(&at, SIZE), *rest, *line;
	long long pid;

	if (put_at(root, fmt("%s/cgroup.kill", path), "1") == 0)
		return;
	if (read_at(root, fmt("%s/cgroup.procs", path), pids, SIZE) > 0)
		for (rest = pids; (line = next_line(&rest));)
			if (parse_number(line, 2, INT32_MAX, &pid))
				kill((pid_t)pid, SIGKILL);
}

/*
 * A guest's PID 1 can take back that it dies with its supervisor. So whoever finds processes in
 * a control group that has no owner any more ends them.
 */
bool
cgroup_take_away(const struct share *s)
{
	enum { TRIES = 200, PAUSE_MS = 10, SOME = 10 };
	const char *slash, *up, *path = s->path;
	char *inner = fmt("%s/" PAYLOAD, path);
	struct mark m;
	int tries, root = s->root;

	for (tries = 0; remove_below(root, path) < 0; tries++) {
		if (errno == ENOENT)
			return true;
		if (errno != EBUSY || tries == TRIES)
			return false;
		kill_all(root, inner);
		kill_all(root, path);
		if (tries % SOME == SOME - 1) {
			m = mark_of(0, s);
			end_all(&m);
		}
		poll(NULL, 0, PAUSE_MS);
	}
	/* slices that we may have made: a full one stays, and so does one that others made */
	for (slash = strrchr(path, '/'); slash; slash = up) {
		for (up = slash - 1; up > path && *up != '/'; up--)
			;
		if (slash - up < 6 || memcmp(slash - 6, ".slice", 6) != 0
		    || unlinkat(root, xstrndup(path, (size_t)(slash - path)), AT_REMOVEDIR) < 0)
			break;
		if (up <= path)
			break;
	}
	return true;
}

/*
 * A hierarchy of v1 that only we had mounted stays when its last mount goes before the kernel has
 * seen to what was in it. So wait, and mount it again to let it go
 */
static void
dissolve(struct share *s)
{
	enum { TRIES = 50, ROUND = 10, PAUSE_MS = 10 };
	char *word = xstrndup(s->kind, strcspn(s->kind, ","));
	int tries;

	if (s->root == AT_FDCWD || cgroup_is_v2(s))
		return;
	for (tries = 0; tries < TRIES; tries++) {
		if (tries && tries % ROUND == 0)  /* not too early: it would be a new one then */
			s->root = sys_mount_private("cgroup", mount_options(s->kind));
		drop(s->root);
		s->root = -1;
		if (!path_of("self", word, NULL))
			return;
		poll(NULL, 0, PAUSE_MS);
	}
}

bool
cgroup_remove(const char *place)
{
	struct statfs fs;
	struct share s;
	bool gone;

	if (!locate(place, &s))
		return false;
	s.dir = sys_open_dir(s.root, s.path);
	if (s.dir < 0)
		gone = errno == ENOENT;
	else if (fstatfs(s.dir, &fs) < 0 || (fs.f_type != CGROUP2_SUPER_MAGIC && fs.f_type != CGROUP_SUPER_MAGIC))
		gone = false;
	else
		gone = cgroup_take_away(&s);
	drop(s.dir);
	s.dir = -1;
	dissolve(&s);
	cgroup_let_go(&s);
	return gone;
}

static void
cgroup_undo(struct run *r)
{
	struct share *s;
	bool stays = r->cgroup_stays;  /* something else is still there */

	r->cgroup_stays = true;  /* until it is gone: we may die of this */
	r->cgroup = -1;
	for (s = r->share + r->nshares; s-- > r->share;) {
		if (!cgroup_take_away(s)) {
			stays = true;
			warn("remove control group %s, the next start will try again:", s->path);
		}
		drop(s->dir);
		drop(s->payload);
		s->dir = s->payload = -1;
		dissolve(s);
	}
	r->cgroup_stays = stays;
	if (!r->aside)
		return;
	/* back to where we were */
	if (r->aside_words)
		put_at(r->share->root, fmt("%s/cgroup.subtree_control", r->aside), r->aside_words);
	put_at(r->share->root, fmt("%s/cgroup.procs", r->aside), "0");
	unlinkat(r->share->root, fmt("%s/" ASIDE, r->aside), AT_REMOVEDIR);
}

/* ---- making it ---------------------------------------------------------------------------- */

/* on v1 a cpuset is empty until somebody fills it, and takes nobody in */
static void
fill_cpuset(int up, int dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char text[4096];
	size_t i;

	for (i = 0; i < LEN(files); i++)
		if (read_at(dir, files[i], text, sizeof(text)) >= 0 && (*text == '\n' || !*text)
		    && read_at(up, files[i], text, sizeof(text)) > 0)
			put_at(dir, files[i], text);
}

/* the directories from the mount point on down to the machine's, and what each needs before there are others in it */
int
cgroup_make_dirs(const struct share *s)
{
	const char *slash = s->path + s->base - (s->base > 0), *name;
	char *path;
	int up, dir, ret;

	if (!strchr(s->kind, ',') && !streq(s->kind, "cpuset") && mkdirat(s->root, s->path, 0755) == 0)
		return 0;
	up = sys_open_dir(s->root, s->base ? xstrndup(s->path, (size_t)s->base) : ".");
	name = s->path + s->base + (s->base > 0);
	for (;; name = slash + 1) {
		slash = strchr(name, '/');
		path = slash ? xstrndup(name, (size_t)(slash - name)) : xstrdup(name);
		ret = up < 0 ? -1 : mkdirat(up, path, 0755);
		if (ret < 0 && (errno != EEXIST || !slash))
			return drop(up);
		dir = sys_open_dir(up, path);
		if (dir < 0)
			return drop(up);
		if (has_word(s->kind, "cpuset"))
			fill_cpuset(up, dir);
		close(up);
		up = dir;
		if (!slash)
			break;
	}
	close(up);
	return 0;
}

static int
make_share(struct share *s)
{
	int tries = 0;

	/* another machine may end just now, and take away the slice that we both need */
	while (cgroup_make_dirs(s) < 0) {
		if (errno == EEXIST) {  /* an empty one may be left of one that was killed; a full one is not ours */
			if (remove_below(s->root, s->path) < 0)
				die("control group %s is in use by others:", s->path);
		} else if (errno != ENOENT) {
			return -1;
		}
		if (++tries > 20)
			return -1;
	}
	s->dir = sys_open_dir(s->root, s->path);
	if (s->dir < 0)
		return -1;
	if (has_word(s->kind, "memory"))
		put_at(s->dir, "memory.use_hierarchy", "1");  /* what is below counts; from 5.11 on it always does */
	return 0;
}

bool
cgroup_fill(struct share *s)
{
	if (mkdirat(s->dir, PAYLOAD, 0755) < 0)
		return false;
	s->payload = sys_open_dir(s->dir, PAYLOAD);
	if (s->payload >= 0 && has_word(s->kind, "cpuset"))
		fill_cpuset(s->dir, s->payload);
	return s->payload >= 0;
}

/* we are in dir ourselves, and in its way */
static bool
step_aside(struct run *r, const struct share *s, const char *dir)
{
	char *own = path_of("self", "", NULL);

	if (r->aside || s != r->share || r->slice || !own || !streq(dir + s->base, own))
		return false;
	if (mkdirat(s->root, fmt("%s/" ASIDE, dir), 0755) < 0 && errno != EEXIST)
		return false;
	if (put_at(s->root, fmt("%s/" ASIDE "/cgroup.procs", dir), "0") < 0)
		return false;
	r->aside = xstrdup(dir);
	return true;
}

/*
 * No process may be beside a group that gets controllers, but at the root. The kernel does not always
 * say so: some controllers it would give to threads, and what is below could not be entered
 */
static bool
is_free(struct run *r, const struct share *s, const char *dir)
{
	char *procs = fmt("%s/cgroup.procs", dir), text[64];
	struct stat st;

	if (fstatat(s->root, fmt("%s/cgroup.type", dir), &st, 0) < 0 || read_at(s->root, procs, text, sizeof(text)) == 0)
		return true;
	return step_aside(r, s, dir) && read_at(s->root, procs, text, sizeof(text)) == 0;
}

/* to say it again changes nothing, and the kernel goes through all groups below for it */
static bool
has_all(const struct share *s, const char *file, char *const *list)
{
	char text[512];

	if (read_at(s->root, file, text, sizeof(text)) <= 0)
		return false;
	while (*list && has_word(text, *list))
		list++;
	return !*list;
}

/* all at once, or else one by one: what must be and cannot is the end of it */
static void
enable_in(struct run *r, const struct share *s, const char *dir, char *const *list, bool must)
{
	char *file = fmt("%s/cgroup.subtree_control", dir), *all = xstrdup(""), *none = xstrdup("");
	bool ready;
	char *const *c;

	for (c = list; c && *c; c++) {
		all = fmt("%s%s+%s", all, *all ? " " : "", *c);
		none = fmt("%s%s-%s", none, *none ? " " : "", *c);
	}
	if (!*all || has_all(s, file, list))
		return;
	ready = is_free(r, s, dir);
	if (ready && streq(r->aside, dir))
		r->aside_words = fmt("%s %s", r->aside_words ? r->aside_words : "", none);
	if (ready && put_at(s->root, file, all) == 0)
		return;
	for (c = list; *c; c++) {
		if (ready && put_at(s->root, file, fmt("+%s", *c)) == 0)
			continue;
		if (!ready)
			errno = EBUSY;
		if (must && !(r->bounded && streq(*c, "pids")))
			die(ready ? "have the %s controller in control group %s:"
			          : "have the %s controller in control group %s, which has processes of its own:", *c, dir);
		say("no %s controller below %s: %s", *c, dir, strerror(errno));
	}
}

/* give what is asked for to the machine's directory, and all that there is to the payload's if it is to divide it */
static void
enable(struct run *r, const struct share *s, bool delegate)
{
	const char *slash = s->path + s->base, *dir;
	char text[512], **all = NULL, *word;

	if (delegate && read_at(s->root, s->base ? fmt("%.*s/cgroup.controllers", (int)s->base, s->path) : "cgroup.controllers",
	                        text, sizeof(text)) > 0)
		for (word = strtok(text, " \n"); word; word = strtok(NULL, " \n"))
			grow(&all, word);
	if (!r->controllers && !all)
		return;
	for (dir = s->base ? xstrndup(s->path, (size_t)s->base) : ".";;) {
		enable_in(r, s, dir, r->controllers, true);
		enable_in(r, s, dir, all, false);
		slash += *slash == '/';
		slash += strcspn(slash, "/");
		if (!*slash)
			break;
		dir = xstrndup(s->path, (size_t)(slash - s->path));
	}
	enable_in(r, s, s->path, all, false);
}

/*
 * A machine that divides nothing, that has no limits and could not touch its device policy anyway saves the twentieth
 * of a start that a directory costs
 */
static bool
wants_payload(const struct plan *p, const struct run *r)
{
	return p->boot || p->nesting == YES || p->property || p->system_call_filter || r->userns || r->bounded || !r->filter;
}

static bool
fill(const struct plan *p, const struct run *r, struct share *s)
{
	if (s > r->share || wants_payload(p, r))
		return cgroup_fill(s);
	s->payload = fcntl(s->dir, F_DUPFD_CLOEXEC, 3);
	return s->payload >= 0;
}

void
cgroup_make(const struct plan *p, struct run *r)
{
	struct share *s;

	if (r->nshares == 0)
		return;
	undo(r, cgroup_undo);
	for (s = r->share; s < r->share + r->nshares; s++) {
		/* the device policy of v1 must be there before there is anything below */
		if (make_share(s) == 0 && (has_word(s->kind, "devices") || fill(p, r, s))) {
			if (WITH_LIMITS && cgroup_is_v2(s))
				enable(r, s, s == r->share && (p->boot || p->nesting == YES));
			continue;
		}
		if (p->slice || p->property)
			die("make control group %s:", s->path);
		/* of devices, who would have set its policy says what that means */
		if (s > r->share && has_word(s->kind, "devices"))
			say("no control group %s: %s", s->path, strerror(errno));
		else
			warn("make control group %s, going on without%s:", s->path, s == r->share ? BARE : "");
		r->device_bare |= s == r->share;
		drop(s->dir);
		s->dir = -1;
		if (s > r->share)
			continue;
		run_unwind_last(r);
		r->nshares = 0;
		return;
	}
	r->cgroup = r->share->payload;
}

/* ---- of a machine that runs ------------------------------------------------------------------ */

struct move { const struct share *s; const struct mark *to; int err; };

static bool
move_one(const char *process, void *arg)
{
	struct move *m = arg;

	if (belongs(process, m->to))
		return false;
	if (put_at(m->s->payload, "cgroup.procs", process) == 0)
		return belongs(process, m->to);  /* one that has ended stays where it was */
	if (errno != ESRCH)
		m->err = errno;
	return false;
}

/* all of its processes into a new share: what is born meanwhile is born where its parent was, so look again */
static void
move_in(const struct run *r, const struct share *s)
{
	enum { ROUNDS = 100 };
	struct mark m = mark_of(r->pid, r->share), there = mark_of(0, s);
	struct move move = { s, &there, 0 };
	int rounds, moved;

	for (rounds = 0, moved = 1; moved && rounds < ROUNDS; rounds++)
		moved = each_process(&m, move_one, &move);
	errno = move.err;
	if (moved && !move.err)
		warn("%s makes processes faster than they are moved into control group %s", r->name, s->path);
	if (move.err)
		warn("move all processes of %s into control group %s:", r->name, s->path);
}

void
cgroup_extend(struct run *r)
{
	struct share *s;

	if (!WITH_LIMITS)
		return;
	for (s = r->share; s < r->share + r->nshares; s++) {
		if (s->dir < 0) {
			if (make_share(s) < 0 || !cgroup_fill(s) || kill(r->pid, 0) < 0) {
				int saved = errno;

				cgroup_take_away(s);
				errno = saved;
				die("make control group %s:", s->path);
			}
			move_in(r, s);
		}
		if (cgroup_is_v2(s))
			enable(r, s, false);
	}
}

struct share *
cgroup_freezer(struct run *r)
{
	struct share *s;
	struct stat st;

	if (!WITH_LIMITS)
		return NULL;
	for (s = r->share; s < r->share + r->nshares; s++)
		if (cgroup_is_v2(s) && fstatat(s->dir, "cgroup.freeze", &st, 0) == 0)  /* 5.2 */
			return s;
	return cgroup_share(r, NULL, "freezer");
}

bool
cgroup_freeze(struct share *s, bool on)
{
	enum { PATIENCE = 500, PAUSE_MS = 20 };
	bool v2 = cgroup_is_v2(s);
	const char *state = v2 ? "cgroup.events" : "freezer.state", *want;
	struct pollfd change;
	char text[256];
	int tries;

	if (!WITH_LIMITS && !WITH_RUNTIME)
		return false;
	want = v2 ? on ? "frozen 1" : "frozen 0" : on ? "FROZEN" : "THAWED";
	if (put_at(s->dir, v2 ? "cgroup.freeze" : state, v2 ? want + 7 : want) < 0)
		return false;
	change.fd = openat(s->dir, state, O_RDONLY | O_CLOEXEC);
	change.events = v2 ? POLLPRI : 0;  /* v1 says nothing by itself */
	for (tries = 0; tries < PATIENCE; tries++) {
		if (change.fd < 0 || lseek(change.fd, 0, SEEK_SET) < 0 || read_all(change.fd, text, sizeof(text)) < 0)
			break;
		if (strstr(text, want)) {
			close(change.fd);
			return true;
		}
		errno = ETIMEDOUT;
		poll(v2 ? &change : NULL, v2, PAUSE_MS);
	}
	drop(change.fd);
	return false;
}

void
cgroup_thaw(const struct share *s)
{
	if (cgroup_is_v2(s))
		put_at(s->root, fmt("%s/cgroup.freeze", s->path), "0");
	else if (has_word(s->kind, "freezer"))
		put_at(s->root, fmt("%s/freezer.state", s->path), "THAWED");
}

/* the number that stands behind a word, or 0 */
static uint64_t
number_of(int dir, const char *file, const char *name)
{
	char text[512], *rest = text, *line;
	const char *value;

	if (read_at(dir, file, text, sizeof(text)) > 0)
		while ((line = next_line(&rest)))
			if ((value = after(line, name)))
				return strtoull(value, NULL, 10);
	return 0;
}

const char *
cgroup_starved(const struct run *r)
{
	const struct share *s;
	uint64_t limit;
	bool v2, full;
	size_t unit;

	for (s = r->share; WITH_LIMITS && s < r->share + r->nshares; s++) {
		v2 = cgroup_is_v2(s);
		/* v1 counts only where the process was */
		if ((!v2 && !has_word(s->kind, "memory")) || !number_of(v2 ? s->dir : s->payload,
		                                                         v2 ? "memory.events" : "memory.oom_control", "oom_kill "))
			continue;
		if (v2)  /* local: 5.2. Root inside may have set limits below */
			full = number_of(s->dir, faccessat(s->dir, "memory.events.local", F_OK, 0) == 0 ? "memory.events.local"
			                                                                               : "memory.events", "oom ");
		else
			full = number_of(s->dir, "memory.failcnt", "");
		limit = number_of(s->dir, v2 ? "memory.max" : "memory.limit_in_bytes", "");
		if (!full || !limit || limit >> 62)
			return "the host had none left";
		for (unit = 0; limit % 1024 == 0 && unit < 4; unit++)
			limit /= 1024;
		return fmt("MemoryMax=%llu%.1s", (unsigned long long)limit, &"\0KMGT"[unit]);
	}
	return NULL;
}

/* ---- in the child ---------------------------------------------------------------------------- */

/* what shed_fds kept for us: no way back shall be open */
static void
close_shares(struct run *r)
{
	struct share *s;

	for (s = r->share; s < r->share + r->nshares; s++)
		if (s->payload >= 0)
			close(s->payload);
}

void
cgroup_enter(const struct plan *p, struct run *r)
{
	struct share *s;

	for (s = r->share; s < r->share + r->nshares; s++) {
		if (s->payload < 0 || (s == r->share && r->placed && !r->cgroup_v1)
		    || put_at(s->payload, "cgroup.procs", "0") == 0)
			continue;
		if (s > r->share || p->property || r->userns)
			die("enter control group %s:", s->path);
		warn("enter control group %s, going on without" BARE ":", s->path);
		r->device_bare = true;
		r->keep &= ~((uint64_t)1 << MKNOD);
		close_shares(r);
		return;
	}
	/* who is in one takes himself for contained, and leaves boot loaders alone: systemd-detect-virt(1) */
	r->cgroup_shown = r->nshares > 0 && (p->cgroup_namespace ? p->cgroup_namespace == YES : !rescue(p));
	if (r->cgroup_shown && unshare(CLONE_NEWCGROUP) < 0) {
		r->cgroup_shown = false;
		warn("make a control group namespace (Linux 4.6, CONFIG_CGROUPS), so /sys/fs/cgroup stays empty:");
	}
	close_shares(r);
}

/* what the kernel says may be given away, so that root inside can divide it */
static void
hand_over(struct run *r, int dir, bool v2)
{
	static const char *const usual[] = {
		"cgroup.procs", "cgroup.subtree_control", "cgroup.threads", "tasks", "cgroup.clone_children",
		"notify_on_release",
	};
	char text[1024], *rest = text, *line;
	size_t i;

	if (fchown(dir, r->id_base, r->id_base) < 0)
		warn("give a control group to root inside:");
	for (i = 0; i < LEN(usual); i++)
		if (fchownat(dir, usual[i], r->id_base, r->id_base, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			warn("give %s to root inside:", usual[i]);
	if (v2 && read_at(AT_FDCWD, "/sys/kernel/cgroup/delegate", text, sizeof(text)) > 0)  /* 4.15 */
		while ((line = next_line(&rest)))
			(void)!fchownat(dir, line, r->id_base, r->id_base, AT_SYMLINK_NOFOLLOW);
}

static bool
mount_v1(const char *kind, unsigned long flags)
{
	const char *name = streq(kind, SYSTEMD) ? "systemd" : kind, *path = fmt("/sys/fs/cgroup/%s", name);
	char *options = fmt("%s%s", mount_options(kind), streq(kind, SYSTEMD) ? ",xattr" : ""), *one;

	if (mkdir(path, 0755) < 0 || mount("cgroup", path, "cgroup", flags, options) < 0)
		return false;
	if (streq(kind, SYSTEMD))
		return true;
	for (one = strchr(name, ',') ? strtok(xstrdup(name), ",") : NULL; one; one = strtok(NULL, ","))
		(void)!symlink(name, fmt("/sys/fs/cgroup/%s", one));
	return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) == 0;
}

/* before the tree becomes the root: then no fd may lead out of it */
void
cgroup_give(const struct plan *p, struct run *r)
{
	(void)p;
	if (!r->userns)
		return;
	if (r->nshares > 0 && r->share->payload >= 0)
		hand_over(r, r->share->payload, !r->cgroup_v1);
	close_shares(r);
}

void
cgroup_mount(const struct plan *p, struct run *r)
{
	static const unsigned long flags = MS_NOSUID | MS_NOEXEC | MS_NODEV;
	struct share *s;

	(void)p;
	if (!r->cgroup_shown)
		return;
	if (!r->cgroup_v1) {
		if (mount("cgroup2", "/sys/fs/cgroup", "cgroup2", flags, NULL) == 0)
			return;
		/* busy: the /sys that we could have has that of the machine around us */
		if (errno != EBUSY || sys_mount_memory("/sys/fs/cgroup", flags, "mode=755,size=4m,nr_inodes=1k") < 0
		    || mount("cgroup2", "/sys/fs/cgroup", "cgroup2", flags, NULL) < 0)
			warn("mount /sys/fs/cgroup:");
		return;
	}
	if (sys_mount_memory("/sys/fs/cgroup", flags, "mode=755,size=4m,nr_inodes=1k") < 0) {
		warn("mount /sys/fs/cgroup:");
		return;
	}
	for (s = r->share; s < r->share + r->nshares; s++)
		if (!cgroup_is_v2(s) && s->payload >= 0 && !mount_v1(s->kind, flags))
			warn("mount /sys/fs/cgroup/%s:", s->kind);
	if (mount(NULL, "/sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
		warn("make /sys/fs/cgroup read-only:");
}
