/* SPDX-License-Identifier: 0BSD */
/*
 * Processes of a bundle are born: the init of a container, and those that come later. Who is born is a child of who
 * called, and speaks to it by the wire until it waits for its start, or has executed its program. It builds what it
 * sees as / by itself, and all by fds: no path in there is followed by name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define FD "/proc/self/fd/%d"
/* of a place among BUNDLE_PROPAGATIONS: MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE */
#define PROPAGATION(n) ((unsigned long)MS_SHARED >> (n) % 4 | ((n) / 4 ? MS_REC : 0))

/* notes on the wire, besides those of die and warn */
enum { NOTE_GO = 'g', NOTE_PID = 'p', NOTE_HOOKS = 'h', NOTE_READY = 'r', NOTE_LISTENER = 'l' };
enum { PATIENCE_MS = 30000, SIZE_MS = 20, RANGES_MOST = 340, DATA_MOST = 4096 };

/* what who is born has to know; copied with all our memory */
struct birth {
	struct container *c;
	const struct json *process, *of_linux;
	struct sock_fprog *program;
	int wire[2], proc;      /* the host's /proc */
	mode_t umask;           /* of who called */
	int listener;           /* of the start; -1: it is an exec */
	int flags;              /* CLONE_NEW*: namespaces that are new */
	unsigned int own;       /* bits of those of either that are not the host's */
	bool joins, users;      /* any of those; it has users of its own */
	bool within;            /* it or we have: they are not the host's */
	bool traced;            /* it enters where others may trace it: who makes it has settled all before */
	bool apart;             /* so does an init: it is built outside of its namespace of processes */
	bool beset;             /* and now others may hold it up */
	bool bare;              /* its stdin, stdout or stderr is the host's /dev/null */
	bool placed, entered;   /* it was born in its group of cgroup2; it is in all of its groups */
	int *source;            /* of each mount: a copy of what is bound, where who is born would not get at it; or -1 */
	size_t nsources;
	int root;
	char **env, *file;
	pid_t pid;              /* as the host counts */
	pid_t maker;            /* who makes it, if others may trace it: his word counts. -1: he has ended */
	int notifier;           /* a listener that is told of it, once its pid is known; or -1 */
	int join[BUNDLE_KINDS]; /* namespaces that are there; -1 */
};

static const struct json *
config(const struct birth *b, const char *path)
{
	return json_get(b->c->bundle.config, path);
}

/* whose range is checked already */
static long long
number(const struct json *in, const char *path, long long otherwise)
{
	json_number(in, path, INT64_MIN, INT64_MAX, &otherwise);
	return otherwise;
}

/* ---- the wire ------------------------------------------------------------------------ */

static void
tell(int wire, char kind, const char *text, int fd)
{
	char note[64];

	snprintf(note, sizeof(note), "%c%c%s", kind, '0', text);
	/* who made us has gone; who was made has said why, which is still to be heard */
	if (sys_send(wire, note, strlen(note), fd) < 0 && wirefd >= 0)
		_exit(FAIL);
}

/* of who is born: wait until we may go on; a number that is told */
static long
wait_for(int wire)
{
	char text[64];
	ssize_t n;

	do
		n = recv(wire, text, sizeof(text) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 2)
		_exit(FAIL);  /* nobody is there to hear why */
	text[n] = 0;
	return strtol(text + 2, NULL, 10);
}

/* on v1 that takes long: so we have done something meanwhile */
static void
enter_groups(struct birth *b)
{
	if (b->entered)
		return;
	wait_for(wirefd);
	if (b->flags & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
		die("make a namespace of control groups (needs Linux 4.6):");
	b->entered = true;
}

/* ---- hooks ---------------------------------------------------------------------------- */

static char **
words(const struct json *in, const char *path)
{
	const struct json *w;
	char **list = NULL;

	for (w = json_first(in, path); w; w = w->next)
		grow(&list, w->text);
	return list;
}

/* run one, which gets the state on its standard input: NULL, or what went wrong. inherit: without env, it has ours */
static char *
hook(const struct json *h, const char *state, const char *dir, bool inherit)
{
	static char *none[] = { NULL };
	const char *path = json_string(h, "path");
	char **argv = words(h, "args"), **env = words(h, "env");
	int64_t end = 0;
	size_t left = strlen(state);
	int in[2], status = 0, ms = 1;
	long long seconds;
	ssize_t n;
	pid_t pid, got;

	if (!argv)
		grow(&argv, path);
	if (json_number(h, "timeout", 0, INT32_MAX, &seconds))
		end = now_ms() + seconds * 1000;
	if (pipe2(in, O_CLOEXEC) < 0)
		die("make a pipe:");
	pid = fork();
	if (pid == 0) {
		/* when it is deleted, that may be gone */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || dup2(in[0], 0) < 0
		    || (dir && chdir(dir) < 0 && errno != ENOENT))
			_exit(CANNOT_EXEC);
		sys_close_but(3, NULL, 0);
		run_signals_child(-1);
		sys_default_signal(SIGPIPE);
		execve(path, argv, env ? env : inherit ? environ : none);
		print(2, "%s: %s\n", path, strerror(errno));
		_exit(errno == ENOENT ? NOT_FOUND : CANNOT_EXEC);
	}
	if (pid < 0)
		die("make a process:");
	close(in[0]);
	fcntl(in[1], F_SETFL, O_WRONLY | O_NONBLOCK);
	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && (!end || now_ms() < end)) {
		n = left ? write(in[1], state, left) : 0;
		state += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
		if (in[1] >= 0 && (!left || (n < 0 && errno != EAGAIN)))
			in[1] = drop(in[1]);
		poll(NULL, 0, ms);
		ms = ms < 20 ? ms * 2 : ms;
	}
	drop(in[1]);
	if (got == 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return fmt("%s: took longer than %lld s, and was killed", path, seconds);
	}
	if (WIFSIGNALED(status))
		return fmt("%s: was ended by signal %d", path, WTERMSIG(status));
	return WEXITSTATUS(status) ? fmt("%s: exited with status %d", path, WEXITSTATUS(status)) : NULL;
}

static char *
state_text(const struct container *c, const char *status, pid_t pid)
{
	return fmt("%s,\"status\":\"%s\",\"pid\":%d}", c->hooks_state, status, (int)pid);
}

static void
run_hooks(const struct container *c, const char *which, const char *status, pid_t pid)
{
	const struct json *h = json_first(c->bundle.config, fmt("hooks.%s", which));
	char *state = h ? state_text(c, status, pid) : NULL, *why;
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);

	for (; h; h = h->next) {
		/* those on the host begin in the bundle; it is not said anywhere, but what hooks are used to */
		why = hook(h, state, strstr(which, "Container") ? NULL : c->bundle.path, !streq(which, "startContainer"));
		if (why && after(which, "post"))
			warn("%s hook %s", which, why);
		else if (why)
			die("error running %s hook: %s", which, why);
	}
	signal(SIGPIPE, before);  /* or what is executed ignored it, too */
}

void
container_hooks(const struct container *c, const char *which, const char *status)
{
	run_hooks(c, which, status, streq(which, "poststop") ? 0 : c->pid);
}

/* ---- mounts ------------------------------------------------------------------------------ */

struct options {
	unsigned long flags, clear;  /* MS_*: to be set, and said not to be */
	unsigned long propagation;
	uint64_t set, unset;         /* of the mount and all below: MOUNT_ATTR_* */
	bool bind, rec, copy_up, like, map;
	char *data;
};

static void
parse_options(const struct json *m, struct options *o)
{
	/* each with its opposite behind it */
	static const char more[] = "mand|nomand|iversion|noiversion|silent|loud|nosymfollow|symfollow";
	static const unsigned int bits[] = { MS_MANDLOCK, MS_I_VERSION, MS_SILENT, 256 };  /* MS_NOSYMFOLLOW */
	static const char deep[] = "rrw|rro|rsuid|rnosuid|rdev|rnodev|rexec|rnoexec|rsymfollow|rnosymfollow";
	static const unsigned int attributes[] = { 1, 2, 4, 8, 0x200000 };
	const struct json *w;
	unsigned long set, clear;
	int n;

	*o = (struct options){ .bind = json_string(m, "type") && streq(json_string(m, "type"), "bind") };
	for (w = json_first(m, "options"); w; w = w->next) {
		if (mount_flag(w->text, &set, &clear)) {
			o->flags = (o->flags & ~clear) | set;
			o->clear = (o->clear & ~set) | clear;
			continue;
		}
		if ((n = word_index(more, w->text)) >= 0) {
			o->flags = n % 2 ? o->flags & ~(unsigned long)bits[n / 2] : o->flags | bits[n / 2];
		} else if (streq(w->text, "remount")) {
			o->flags |= MS_REMOUNT;
		} else if (streq(w->text, "bind") || streq(w->text, "rbind")) {
			o->bind = true;
			o->rec = *w->text == 'r';
		} else if ((n = word_index(BUNDLE_PROPAGATIONS, w->text)) >= 0) {
			o->propagation = PROPAGATION(n);
		} else if ((n = word_index(deep, w->text)) >= 0) {
			*(n % 2 ? &o->set : &o->unset) |= attributes[n / 2];
		} else if (streq(w->text, "tmpcopyup")) {
			o->copy_up = true;
		} else if (streq(w->text, "idmap") || streq(w->text, "ridmap")) {
			o->map = true;
		} else {
			o->data = o->data ? fmt("%s,%s", o->data, w->text) : xstrdup(w->text);
			if (strlen(o->data) >= DATA_MOST)
				die("mount %s: more options than a kernel takes", json_string(m, "destination"));
		}
	}
	o->map |= json_first(m, "uidMappings") != NULL;
}

static const char *
source_of(const struct birth *b, const struct json *m)
{
	const char *source = json_string(m, "source");

	return source && *source != '/' ? fmt("%s/%s", b->c->bundle.path, source) : source;
}

/* of one of two: the first that has any */
static char *
id_map(const struct json *in, const struct json *or, const char *kind)
{
	const struct json *maps = json_first(in, kind) ? json_first(in, kind) : json_first(or, kind);
	char *text = "";
	int n;

	for (n = 0; maps && n <= RANGES_MOST; maps = maps->next, n++)
		text = fmt("%s%lld %lld %lld\n", text, number(maps, "containerID", 0), number(maps, "hostID", 0),
		           number(maps, "size", 0));
	if (n > RANGES_MOST)
		die("config.json: %s: more than %d ranges, which no kernel takes", kind, RANGES_MOST);
	return text;
}

/* copies of what is bound: what users of its own cannot reach, what has other owners, what stays shared */
static void
copy_sources(struct birth *b)
{
	const struct json *m;
	struct options o;
	const char *source;
	size_t i = 0, most = 0;
	int users;

	for (m = json_first(b->c->bundle.config, "mounts"); m; m = m->next)
		most++;
	b->source = xalloc((most + 1) * sizeof(int));
	b->nsources = most;
	for (m = json_first(b->c->bundle.config, "mounts"); m; m = m->next, i++) {
		parse_options(m, &o);
		b->source[i] = -1;
		if (o.map && !o.bind)
			die("mount %s: only what is bound can be mapped", json_string(m, "destination"));
		if (!o.bind || (!b->users && !o.map && !(o.propagation & MS_SHARED)))
			continue;
		source = source_of(b, m);
		b->source[i] = source ? sys_open_tree(AT_FDCWD, source, CLONE_TREE | (o.rec ? RECURSIVE : 0) | O_CLOEXEC) : -1;
		if (b->source[i] < 0 && (errno != ENOSYS || o.map || o.propagation & MS_SHARED))
			die("mount source %s:", source ? source : "is missing");
		if (!o.map)
			continue;
		users = sys_userns(id_map(m, b->of_linux, "uidMappings"), id_map(m, b->of_linux, "gidMappings"));
		if (users < 0 || sys_mount_idmap(b->source[i], users, o.rec) < 0)
			die("show %s with other owners (needs Linux 5.12 and a file system that can):", source);
		close(users);
	}
}

static int
mount_at(int fd, const char *source, const char *type, unsigned long flags, const char *data)
{
	return mount(source, fmt(FD, fd), type, flags, data);
}

/* on Linux before 5.2: the mount that was just made there, not what was there before, and of the same as is, if told */
static int
reopen(const struct birth *b, const char *dest, int before, const struct stat *is)
{
	int fd = sys_open_in(b->root, dest, O_PATH, 0), i;
	char text[2][256] = { "", "" }, *at[2];
	struct stat st;

	for (i = 0; fd >= 0 && i < 2; i++) {
		read_at(b->proc, fmt("self/fdinfo/%d", i ? fd : before), text[i], sizeof(text[i]));
		at[i] = strstr(text[i], "mnt_id:");
	}
	if (fd < 0 || fstat(fd, &st) < 0 || (is && (st.st_dev != is->st_dev || st.st_ino != is->st_ino))
	    || (at[0] && at[1] && strtol(at[0] + 7, NULL, 10) == strtol(at[1] + 7, NULL, 10)))
		die("mount %s: somebody changes what leads there", dest);
	return fd;
}

/* tree, or what is at source, at target, which is dest: an fd of the mount there */
static int
bind_at(const struct birth *b, int tree, const char *source, int target, const char *dest, bool rec)
{
	struct stat st;

	if (tree < 0)
		tree = sys_open_tree(AT_FDCWD, source, CLONE_TREE | (rec ? RECURSIVE : 0) | O_CLOEXEC);
	if (tree >= 0 ? sys_move_mount(tree, "", target, "", FROM_FD | TO_FD) == 0
	    : (errno == ENOSYS || errno == EPERM)
	      && mount_at(target, source, NULL, MS_BIND | (rec ? MS_REC : 0), NULL) == 0)
		return tree >= 0 ? tree : stat(source, &st) < 0 ? -1 : reopen(b, dest, target, &st);
	die("bind %s on %s:", source, dest);
}

/* "/" is told by -1 */
static int
protect_at(int fd)
{
	const char *path = fd < 0 ? "/" : fmt(FD, fd);

	return place_read_only(path, place_flags(path));
}

/* flags of a bind: what its source is kept from stays so, unless the opposite is said */
static void
restrict_at(int fd, const struct options *o, const char *dest)
{
	char *path = fmt(FD, fd);
	struct statfs fs;
	unsigned long has = place_flags(path), flags;

	if (statfs(path, &fs) < 0)
		die("ask for the options of mount %s:", dest);
	if (o->flags & ~(unsigned long)MS_SILENT || o->clear & (has | MS_RDONLY)) {
		flags = o->flags | (has & ~o->clear);
		if (fs.f_flags & MS_RDONLY && !(o->clear & MS_RDONLY))
			flags |= MS_RDONLY;
		/* in users of its own what the host has locked cannot be taken away */
		if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0
		    && (errno != EPERM || mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | o->flags | has
		                                | (fs.f_flags & MS_RDONLY ? MS_RDONLY : 0), NULL) < 0))
			die("set the options of mount %s:", dest);
	}
}

static void
finish_mount(int fd, const struct options *o, const char *dest)
{
	if (o->propagation && mount_at(fd, NULL, NULL, o->propagation, NULL) < 0)
		die("set the propagation of mount %s:", dest);
	if (o->set | o->unset && sys_mount_setattr(fd, "", o->set, o->unset) < 0)
		die("set the options of all below mount %s (needs Linux 5.12):", dest);
}

/* after that nothing of the host is left in our mounts; it was refused, and the tree moved to the root: true */
static bool
leave_host(const struct birth *b)
{
	bool moved = b->c->no_pivot;

	if (!moved && sys_pivot_root(".", ".") < 0) {
		if (errno != EINVAL && errno != ENOSYS)
			die("pivot_root:");
		moved = true;
	}
	if (moved)
		root_move(b->c->bundle.rootfs);
	else if (umount2(".", MNT_DETACH) < 0)
		die("leave the host's root:");
	return moved;
}

/* what we make from now on is born there */
static void
join_processes(const struct birth *b)
{
	if (setns(b->join[BUNDLE_PID], CLONE_NEWPID) < 0)
		die("join namespace %s:", "pid");
}

struct proc_maker { const struct birth *b; int wire; };

static int
open_proc(void *arg)
{
	int fs = sys_fsopen("proc");
	char text[2] = { (char)errno, 0 };

	sys_send(((struct proc_maker *)arg)->wire, text, sizeof(text), fs);
	_exit(0);
}

/* who takes over the one that is born there can do nothing with it, and sees nothing but the container's tree */
static int
proc_main(void *arg)
{
	struct proc_maker *m = arg;
	bool placed;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (unshare(CLONE_NEWNS) < 0 || chdir(m->b->c->bundle.rootfs) < 0)
		die("make the mounts our own:");
	leave_host(m->b);
	join_processes(m->b);
	sys_close_but(3, &m->wire, 1);
	if (seccomp_fsopen() == 0)
		sys_fork(CLONE_PARENT, -1, open_proc, m, &placed);
	_exit(0);
}

/* proc shows the processes of who mounts it, and we are not among those of the container */
static int
mount_proc(const struct birth *b, int target, unsigned long flags, const char *data)
{
	char text[4] = { ENOSYS };
	int wire[2], fs = -1, fd, ms = 0;
	struct proc_maker m = { .b = b };
	bool placed;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wire) < 0)
		die("make a wire:");
	m.wire = wire[1];
	if (sys_fork(0, -1, proc_main, &m, &placed) < 0)
		die("make a process:");
	close(wire[1]);
	/* both are ours to reap; others may hold up the second */
	while (waitpid(-1, NULL, WNOHANG) >= 0 && ms++ < PATIENCE_MS)
		poll(NULL, 0, 1);
	fcntl(wire[0], F_SETFL, O_RDWR | O_NONBLOCK);
	sys_recv(wire[0], text, sizeof(text), &fs, NULL);
	close(wire[0]);
	errno = *text;
	fd = sys_fsmount(fs, data ? data : "", 0);
	if (fd < 0 || sys_move_mount(fd, "", target, "", FROM_FD | TO_FD) < 0
	    || (flags && mount_at(fd, NULL, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0))
		return drop(fd);
	return close(fd);
}

/* each hierarchy in a tmpfs; what is above our groups is not seen */
static void
mount_cgroup(const struct birth *b, int target, const char *dest, struct options *o, int *later)
{
	bool own = b->flags & CLONE_NEWCGROUP || b->join[BUNDLE_CGROUP] >= 0;
	const struct share *s, *all = b->c->groups.share;
	size_t i, n, len;
	char *name, *at, *part;
	int top, sub, fd;

	/* with none of ours, those of the host are shown on cgroup2 alone: of v1 not all would be as read-only as it says */
	if (b->c->groups.n == 0 ? own || access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0
	    : b->c->groups.n == 1 && cgroup_is_v2(all) && strlen(all->path) >= all->base) {
		if (own ? mount_at(target, "cgroup", "cgroup2", o->flags, NULL) == 0 : false)
			return;
		if (b->c->groups.n == 0 && own)
			die("mount cgroup2 on %s:", dest);
		top = bind_at(b, -1, b->c->groups.n ? all->path : "/sys/fs/cgroup", target, dest, false);
		restrict_at(top, o, dest);
		close(top);
		return;
	}
	if (mount_at(target, "tmpfs", "tmpfs", o->flags & ~(unsigned long)MS_RDONLY, "mode=755") < 0)
		die("mount tmpfs on %s:", dest);
	top = reopen(b, dest, target, NULL);
	for (i = 0; i < b->c->groups.n; i++) {
		s = &all[i];
		/* the host does not show it, either; or it is the tree beside those of v1: systemd would take it for its own */
		if (s->root != AT_FDCWD || cgroup_is_v2(s))
			continue;
		part = fmt("%.*s", (int)s->base, s->path);
		for (len = strlen(part); len && part[len - 1] == '/'; )
			part[--len] = 0;
		name = strrchr(part, '/');
		if (!name || mkdirat(top, ++name, 0755) < 0)
			continue;
		sub = openat(top, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			die("make %s/%s:", dest, name);
		if (!own || mount_at(sub, "cgroup", "cgroup", o->flags,
		                  after(s->kind, "name=") ? fmt("none,%s", s->kind) : s->kind) < 0) {
			fd = bind_at(b, -1, s->path, sub, fmt("%s/%s", dest, name), false);
			restrict_at(fd, o, name);
			close(fd);
		}
		close(sub);
		for (at = strchr(name, ',') ? name : ""; *at; at += n + (at[n] == ',')) {
			n = strcspn(at, ",");
			(void)!symlinkat(name, top, fmt("%.*s", (int)n, at));
		}
	}
	if (o->flags & MS_RDONLY)
		*later = top;
	else
		close(top);
}

/* a new file system, or what stands for one where our users may not make it */
static void
mount_new(const struct birth *b, const struct json *m, int target, const char *dest, struct options *o, int *later)
{
	const char *type = json_string(m, "type"), *source = json_string(m, "source");
	const char *label = json_string(b->of_linux, "mountLabel");
	bool memory = streq(type, "tmpfs"), api = streq(type, "proc") || streq(type, "sysfs");
	int from = -1, fd;
	unsigned long flags = o->flags & ~(memory ? MS_RDONLY : 0UL);  /* mounts in it need their places */
	struct stat st;
	char *where;

	if (label && *label && (memory || streq(type, "devpts") || streq(type, "mqueue")))
		o->data = fmt("%s%scontext=\"%s\"", o->data ? o->data : "", o->data ? "," : "", label);
	if (o->copy_up && memory)
		from = sys_open_in(b->root, dest, O_RDONLY, IN_DIR);
	if (b->apart && streq(type, "proc") ? mount_proc(b, target, flags, o->data) < 0
	    : mount_at(target, source ? source : type, type, flags, o->data) < 0) {
		if (memory && errno == ENODEV
		    && sys_mount_memory(fmt(FD, target), flags, o->data && after(o->data, "mode=") ? o->data : "mode=755") >= 0)
			;
		else if (errno == EPERM && b->within && (api || streq(type, "mqueue"))
		         && (!streq(type, "proc") || !(b->own >> BUNDLE_PID & 1))) {  /* the host's shows processes of the host */
			fd = bind_at(b, -1, !api ? "/dev/mqueue" : streq(type, "proc") ? "/proc" : "/sys", target, dest, true);
			restrict_at(fd, o, dest);
			close(fd);
			return;
		} else {
			die("mount %s on %s%s:", type, dest, errno == ENODEV ? ": this kernel has no such file system"
			    : errno == EPERM && api && b->within ? ": what is around us hides parts of its own, and the kernel"
			      " lets nobody mount a whole one then (nspawn-lite --nesting=yes, podman --security-opt unmask=ALL)" : "");
		}
	}
	if (!o->propagation && !(o->set | o->unset) && from < 0 && flags == o->flags)
		return;
	fd = reopen(b, dest, target, NULL);
	finish_mount(fd, o, dest);
	if (from >= 0) {
		int to = openat(AT_FDCWD, fmt(FD, fd), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (to < 0 || fstat(to, &st) < 0 || copy_tree(from, to, COPY_ALONE | COPY_ALLOWED, &where) < 0 ||
				(o->like ? copy_attributes(from, to) : fchmod(to, st.st_mode)) < 0)
			die("copy what is at %s into memory:", dest);
		close(to);
		close(from);
	}
	if (flags != o->flags)
		*later = fd;
	else
		close(fd);
}

/* a tmpfs has the mode of the directory that it covers, as with other runtimes; where there was none, the kernel's */
static void
keep_mode(int target, const char *type, struct options *o)
{
	struct stat st;

	if (!type || !streq(type, "tmpfs") || (o->data && strstr(o->data, "mode=")) || fstat(target, &st) < 0)
		return;
	o->like = true;
	o->data = fmt("%s%smode=%o", o->data ? o->data : "", o->data ? "," : "", (unsigned)st.st_mode & 07777);
}

static void
mount_one(struct birth *b, const struct json *m, int tree, int *later)
{
	const char *dest = json_string(m, "destination"), *type = json_string(m, "type"), *source = source_of(b, m);
	bool api = type && (streq(type, "proc") || streq(type, "sysfs")), dir;
	struct options o;
	struct stat st;
	size_t n = strlen(dest);
	int target, fd;

	/* behind a slash even a last link would be followed */
	while (n > 1 && (dest[n - 1] == '/' || (dest[n - 1] == '.' && dest[n - 2] == '/')))
		n--;
	dest = fmt("%.*s", (int)n, dest);
	parse_options(m, &o);
	if (o.bind ? !source : !type)
		die("mount %s: it has no %s", dest, o.bind ? "source" : "type");
	if (!dest[strspn(dest, "/.")])
		die("mount %s: this is the root itself, which root.path says", dest);
	st.st_mode = S_IFDIR;
	if (o.bind && (tree >= 0 ? fstat(tree, &st) : stat(source, &st)) < 0)
		die("mount source %s:", source);
	dir = S_ISDIR(st.st_mode);
	target = sys_open_in(b->root, dest, O_PATH | (api ? O_NOFOLLOW : 0), 0);
	if (target >= 0)
		keep_mode(target, type, &o);
	else if (errno == ENOENT)
		target = place_make(b->root, dest, dir ? S_IFDIR : S_IFREG, NULL);
	if (target < 0)
		die("make mount point %s in the root:", dest);
	/*
	 * A link would lead what we and the guest write to /proc to another place. Of others move_mount(2) says EINVAL, as of
	 * much else; for these words Docker has advice
	 */
	if (fstat(target, &st) < 0 || ((api || !(o.flags & MS_REMOUNT)) && S_ISDIR(st.st_mode) != dir))
		die("mount %s on %s: one is not a directory", o.bind ? source : type, dest);
	if (o.flags & MS_REMOUNT) {
		if (mount_at(target, NULL, NULL, o.flags | (o.bind ? MS_BIND : 0), o.data) < 0)
			die("remount %s:", dest);
	} else if (o.bind) {
		fd = bind_at(b, tree, source, target, dest, o.rec);
		/* what was copied on the host is still shared with it */
		if (tree >= 0 && !(o.propagation & MS_SHARED) && mount(NULL, fmt(FD, fd), NULL, MS_SLAVE | MS_REC, NULL) < 0)
			die("set the propagation of mount %s:", dest);
		restrict_at(fd, &o, dest);
		finish_mount(fd, &o, dest);
		close(fd);
	} else if (streq(type, "cgroup") || streq(type, "cgroup2")) {
		enter_groups(b);
		mount_cgroup(b, target, dest, &o, later);
	} else {
		mount_new(b, m, target, dest, &o, later);
	}
	close(target);
}

/* ---- devices ------------------------------------------------------------------------------- */

static bool
is_null(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static bool
take_null(int i, int dir, const char *name)
{
	int fd = openat(dir, name, (fcntl(i, F_GETFL) & O_ACCMODE) | O_CLOEXEC);
	bool done = fd >= 0 && dup2(fd, i) == i;

	drop(fd);
	return done;
}

/* in place of the host's, whose mode and owner root inside could change by /proc/self/fd */
static void
own_nulls(struct birth *b)
{
	int fs = -1, i;

	for (i = 0; i < 3; i++) {
		if (!is_null(i))
			continue;
		if (fs < 0 && (fs = sys_fsmount(sys_fsopen("tmpfs"), "mode=755", 2 | 8 /* MOUNT_ATTR_NOSUID, _NOEXEC */)) >= 0
		    && (mknodat(fs, "null", S_IFCHR, makedev(1, 3)) < 0 || fchmodat(fs, "null", 0666, 0) < 0))
			fs = drop(fs);
		b->bare |= !take_null(i, fs, "null");
	}
	drop(fs);
}

/* before Linux 5.2 it is that of the container, if that is one: no other of its nodes is opened to see */
static void
inner_nulls(const struct birth *b, int root)
{
	int null = b->bare ? sys_open_in(root, "dev/null", O_PATH, 0) : -1, i;

	for (i = 0; i < 3 && is_null(null); i++)
		if (is_null(i))
			take_null(i, b->proc, fmt("self/fd/%d", null));
	drop(null);
}

/* what an fd leads to, shown at name in dir, at a file that is made for it */
static bool
show_at(int dir, const char *name, mode_t mode, int shown)
{
	int fd = mknodat(dir, name, S_IFREG | mode, 0) < 0 && errno != EEXIST ? -1
	       : openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool done = fd >= 0 && mount_at(fd, fmt(FD, shown), NULL, MS_BIND, NULL) == 0;

	drop(fd);
	return done;
}

/* at name in dir; in users of its own, who make none, the host's at path is shown there */
static void
make_node(int dir, const char *name, const char *path, mode_t mode, dev_t dev, uid_t uid, gid_t gid)
{
	struct stat st;
	int fd;

	if (mknodat(dir, name, mode, dev) < 0) {
		if (errno == EEXIST && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			if ((st.st_mode & S_IFMT) == (mode & S_IFMT) && st.st_rdev == dev)
				return;
			errno = unlinkat(dir, name, 0) < 0 || mknodat(dir, name, mode, dev) < 0 ? errno : 0;
		}
		if (errno == EPERM) {
			fd = openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
			if (fd < 0 || fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != (mode & S_IFMT) || st.st_rdev != dev)
				die("device %s: it cannot be made, and the host has no such one", path);
			if (!show_at(dir, name, 0644, fd))
				die("show device %s:", path);
			close(fd);
			return;
		}
		if (errno)
			die("make device %s:", path);
	}
	if ((uid || gid) && fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		die("give device %s to user %u:", path, (unsigned int)uid);
}

static void
make_device(const struct birth *b, const struct json *d)
{
	const char *path = json_string(d, "path"), *base = strrchr(path, '/') + 1, *type = json_string(d, "type");
	mode_t mode = (mode_t)number(d, "fileMode", 0666) & 07777;
	long long n[2] = { number(d, "major", 0), number(d, "minor", 0) };
	dev_t dev = *type == 'p' ? 0 : makedev((unsigned int)n[0], (unsigned int)n[1]);
	int dir = place_make(b->root, fmt("%.*s", (int)(base - path), path), S_IFDIR, NULL);

	if (*type != 'p' && (n[0] >> 12 || n[1] >> 20))
		die("device %s: %lld:%lld: the kernel has no such numbers", path, n[0], n[1]);
	if (dir < 0 || !*base || streq(base, ".."))
		die("make the directory of device %s:", path);
	make_node(dir, base, path, mode | (*type == 'b' ? S_IFBLK : *type == 'p' ? S_IFIFO : S_IFCHR), dev,
	          (uid_t)number(d, "uid", 0), (gid_t)number(d, "gid", 0));
	close(dir);
}

static void
make_devices(const struct birth *b)
{
	const struct root_node *n;
	const struct json *m, *d;
	struct options o;
	size_t i;
	int dev;

	for (m = json_first(b->c->bundle.config, "mounts"); m; m = m->next) {
		parse_options(m, &o);
		if (o.bind && (streq(json_string(m, "destination"), "/dev") || streq(json_string(m, "destination"), "/dev/")))
			return;  /* all of it is somebody's own */
	}
	dev = place_make(b->root, "dev", S_IFDIR, NULL);
	if (dev < 0)
		die("make /dev in the root:");
	for (d = json_first(b->of_linux, "devices"); d; d = d->next)
		make_device(b, d);
	for (n = root_nodes; n < root_nodes + ROOT_NODES; n++)
		if (!json_first(b->of_linux, "devices") || faccessat(dev, n->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			make_node(dev, n->name, fmt("/dev/%s", n->name), S_IFCHR | 0666, makedev(n->major, n->minor), 0, 0);
	for (i = 0; i < ROOT_LINKS; i++) {
		if (streq(root_links[i].name, "ptmx"))
			unlinkat(dev, "ptmx", 0);
		if (symlinkat(root_links[i].target, dev, root_links[i].name) < 0 && errno != EEXIST)
			die("make link /dev/%s:", root_links[i].name);
	}
	close(dev);
}

/* ---- what is hidden, what is set ----------------------------------------------------------------- */

static bool
cover(int fd, int null)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	if (S_ISDIR(st.st_mode))
		return mount_at(fd, "tmpfs", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0k") == 0;
	if (!is_null(null)) {
		errno = ENODEV;
		return false;
	}
	return mount_at(fd, fmt(FD, null), NULL, MS_BIND, NULL) == 0;
}

static void
hide(const struct birth *b)
{
	const struct json *p;
	int fd, null = sys_open_in(b->root, "dev/null", O_PATH, 0), tree, masked;

	/* its own: root inside may give the host's another mode, for all of the host */
	if (!is_null(null)) {
		drop(null);
		null = openat(AT_FDCWD, "/dev/null", O_PATH | O_CLOEXEC);
	}
	for (masked = 0; masked < 2; masked++)
		for (p = json_first(b->of_linux, masked ? "maskedPaths" : "readonlyPaths"); p; p = p->next) {
			fd = sys_open_in(b->root, p->text, O_PATH, 0);
			if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
				continue;
			tree = fd < 0 || masked ? -1 : bind_at(b, -1, fmt(FD, fd), fd, p->text, true);
			if (fd < 0 || (masked ? !cover(fd, null) : protect_at(tree) < 0))
				die(masked ? "hide %s:" : "make %s read-only:", p->text);
			drop(tree);
			close(fd);
		}
	drop(null);
}

/* of namespaces that it has for itself, and no others */
static void
set_sysctls(const struct birth *b)
{
	static const struct { const char *prefix; int kind; } known[] = {
		{ "net/", BUNDLE_NETWORK }, { "fs/mqueue/", BUNDLE_IPC }, { "kernel/msg", BUNDLE_IPC },
		{ "kernel/sem", BUNDLE_IPC }, { "kernel/shm", BUNDLE_IPC }, { "kernel/domainname", BUNDLE_UTS },
	};
	const struct json *s;
	char *path, *at;
	size_t i;

	for (s = json_first(b->of_linux, "sysctl"); s; s = s->next) {
		path = xstrdup(s->name);
		/* as sysctl(8): where a slash comes first, dots are dots of names */
		if (path[strcspn(path, "./")] == '.')
			for (at = path; *at; at++)
				*at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
		for (i = 0; i < LEN(known) && !after(path, known[i].prefix); i++)
			;
		if (i == LEN(known) || strstr(path, "..") || !(b->own >> known[i].kind & 1))
			die("sysctl %s: it is not of a namespace that the container has for itself", s->name);
		if (put_at(b->proc, fmt("sys/%s", path), s->text) < 0)
			die("set sysctl %s to %s:", s->name, s->text);
	}
}

static void
set_names(const struct birth *b)
{
	const char *host = json_string(b->c->bundle.config, "hostname");
	const char *domain = json_string(b->c->bundle.config, "domainname");

	if ((host || domain) && !(b->own >> BUNDLE_UTS & 1))
		die("config.json: hostname: its namespace uts is the host's");
	if (host && sethostname(host, strlen(host)) < 0)
		die("set the host name:");
	if (domain && setdomainname(domain, strlen(domain)) < 0)
		die("set the domain name:");
}

/* ---- the root ------------------------------------------------------------------------------------ */

static void
open_root(struct birth *b)
{
	const char *path = b->c->bundle.rootfs;
	int fd;

	/* what the host mounts may come in, and nothing goes out */
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		die("make the mounts our own:");
	if (b->root >= 0) {
		/* it was copied on the host, whose mounts hear of ours until then */
		if (sys_move_mount(b->root, "", AT_FDCWD, "/", FROM_FD) < 0
		    || mount(NULL, fmt(FD, b->root), NULL, MS_SLAVE | MS_REC, NULL) < 0)
			die("bind root %s:", path);
		return;
	}
	fd = openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die("open root %s:", path);
	b->root = sys_open_tree(fd, "", CLONE_TREE | RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC);
	if (b->root >= 0 ? sys_move_mount(b->root, "", fd, "", FROM_FD | TO_FD) < 0
	    : mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0
	      || (b->root = openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		die("bind root %s:", path);
	close(fd);
	/* a shared mount cannot become the root */
	if (mount_at(b->root, NULL, NULL, MS_PRIVATE, NULL) < 0)
		die("make root %s our own:", path);
}

static void
become_root(struct birth *b)
{
	const char *word = json_string(b->of_linux, "rootfsPropagation");
	bool moved;

	if (fchdir(b->root) < 0)
		die("enter the root:");
	moved = leave_host(b);
	if (chdir("/") < 0)
		die("enter the root:");
	/* else who may mount takes it off, and sees what was there before */
	if (moved) {
		(void)!fchdir(b->proc);
		root_lock_mounts();
	}
	if (word && mount(NULL, "/", NULL, PROPAGATION(word_index(BUNDLE_PROPAGATIONS, word) % 4), NULL) < 0)
		die("set the propagation of the root:");
	if (b->c->bundle.read_only && protect_at(-1) < 0)
		die("make the root read-only:");
}

/* ---- the terminal ----------------------------------------------------------------------------------- */

/* below b->root, which need not be the root yet; its slave is 0, 1 and 2 then */
static void
open_terminal(const struct birth *b)
{
	const uid_t uid = (uid_t)number(b->process, "user.uid", 0);
	struct winsize size;
	unsigned int terminal;
	int master, slave, dev, fd;

	if (!json_true(b->process, "terminal"))
		return;
	size = (struct winsize){
		.ws_row = (unsigned short)number(b->process, "consoleSize.height", 0),
		.ws_col = (unsigned short)number(b->process, "consoleSize.width", 0),
	};
	terminal = console_pty(b->root, size.ws_row && size.ws_col ? &size : NULL, &master, &slave);
	if (fchown(slave, uid, (gid_t)-1) < 0)
		die("give the terminal to user %u:", (unsigned int)uid);
	if (b->listener >= 0) {
		dev = sys_open_in(b->root, "dev", O_PATH, IN_DIR);
		if (dev < 0 || !show_at(dev, "console", 0620, slave))
			die("bind the terminal on /dev/console:");
		close(dev);
	}
	if (b->c->console_socket >= 0) {
		char *name = fmt("/dev/pts/%u", terminal);

		if (sys_send(b->c->console_socket, name, strlen(name), master) < 0)
			die("send the terminal to the console socket:");
		b->c->console_socket = drop(b->c->console_socket);
	} else {
		tell(wirefd, NOTE_CONSOLE, "", master);
	}
	for (fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			die("take the terminal:");
	close(slave);
	close(master);
}

/* and lead a session that has it */
static void
lead_session(const struct birth *b)
{
	if (setsid() < 0)
		die("lead a session:");
	if (json_true(b->process, "terminal") && ioctl(0, TIOCSCTTY, 0) < 0)
		die("take the terminal as our own:");
}

/* all that it sees */
static void
build(struct birth *b)
{
	const struct json *m;
	int *later;
	size_t i = 0;

	open_root(b);
	later = xalloc((b->nsources + 1) * sizeof(int));
	for (m = json_first(b->c->bundle.config, "mounts"); m; m = m->next, i++) {
		later[i] = -1;
		mount_one(b, m, b->source[i], &later[i]);
	}
	/* while there is one that can be written to: who cannot make it says so later */
	drop(place_make(b->root, json_string(b->process, "cwd"), S_IFDIR, NULL));
	make_devices(b);
	inner_nulls(b, b->root);
	set_names(b);
	set_sysctls(b);
	enter_groups(b);
	if (config(b, "hooks.prestart") || config(b, "hooks.createRuntime")) {
		tell(wirefd, NOTE_HOOKS, "", -1);
		wait_for(wirefd);
	}
	umask(b->umask);
	run_hooks(b->c, "createContainer", "creating", b->pid);
	umask(0);
	open_terminal(b);
	if (!b->apart)
		lead_session(b);
	for (i = 0; i < b->nsources; i++) {
		if (later[i] >= 0 && protect_at(later[i]) < 0)
			die("make a tmpfs read-only:");
		drop(later[i]);
	}
	hide(b);
}

/* ---- who it is --------------------------------------------------------------------------------------- */

static uint64_t
capabilities(const struct birth *b, const char *set, uint64_t have)
{
	const struct json *w;
	uint64_t mask = 0;
	int cap;

	for (w = json_first(b->process, fmt("capabilities.%s", set)); w; w = w->next) {
		cap = user_capability(w->text);
		if (cap >= 0 && have >> cap & 1)
			mask |= 1ULL << cap;
		else if (streq(set, "bounding"))  /* once is enough */
			warn("capability %s is unknown, or not ours to give: it is left out", w->text);
	}
	return mask;
}

/* a label of the kernel's for what we execute; who asks for one does not run without */
static void
set_label(const struct birth *b, const char *member, const char *there, const char *file, const char *format)
{
	const char *label = json_string(b->process, member);

	if (!label || !*label)
		return;
	if (access(there, F_OK) < 0 && streq(label, "unconfined"))
		return;
	if (access(there, F_OK) < 0)
		die("config.json: process.%s: this host has no such security module", member);
	if (put_at(b->proc, file, fmt(format, label)) < 0)
		die("set process.%s to %s:", member, label);
}

static void
set_labels(const struct birth *b)
{
	struct statfs fs;

	set_label(b, "apparmorProfile", "/sys/module/apparmor", "self/attr/exec", "exec %s");
	set_label(b, "selinuxLabel", "/sys/fs/selinux/enforce", "self/attr/exec", "%s");
	if (json_string(b->of_linux, "mountLabel") && *json_string(b->of_linux, "mountLabel")
	    && (statfs("/sys/fs/selinux", &fs) < 0 || (uint32_t)fs.f_type != 0xf97cff8c))  /* SELINUX_MAGIC */
		die("config.json: linux.mountLabel: this host has no SELinux");
}

static bool
has(char **env, const char *name)
{
	for (; env && *env; env++)
		if (after(*env, name))
			return true;
	return false;
}

static const char *
path_of(char **env)
{
	for (; env && *env; env++)
		if (after(*env, "PATH="))
			return after(*env, "PATH=");
	return PATH_DEFAULT;
}

static void
make_environment(struct birth *b, uid_t uid)
{
	struct plan p = { .user = fmt("%u", (unsigned int)uid) };
	const struct json *w, *later;
	struct run *r;
	size_t n;

	/* of two with one name the last counts: the program may take the first */
	for (w = json_first(b->process, "env"); w; w = w->next) {
		n = strcspn(w->text, "=");
		for (later = w->next; later && (strncmp(later->text, w->text, n) || later->text[n] != '='); )
			later = later->next;
		if (!later)
			grow(&b->env, w->text);
	}
	if (!has(b->env, "HOME=")) {
		r = xalloc(sizeof(*r));
		user_look(&p, r);
		grow(&b->env, fmt("HOME=%s", r->home));
	}
}

/* as who we are now: so what is not there is told before the start */
/* Docker and others look for these words, as Go has them */
static _Noreturn void
no_program(const char *name)
{
	if (errno == ENOENT || errno == ENOTDIR)
		die_with(NOT_FOUND, "exec %s: no such file or directory", name);
	if (errno == EACCES || errno == EISDIR)
		die_with(CANNOT_EXEC, "exec %s: permission denied", name);
	die_with(CANNOT_EXEC, "exec %s:", name);
}

static char *
find_program(const struct birth *b)
{
	const char *name = json_first(b->process, "args")->text, *dir;
	char *file;
	struct stat st;
	size_t n;
	int error = ENOENT;

	if (strchr(name, '/')) {
		if (stat(name, &st) < 0 || (S_ISDIR(st.st_mode) && (errno = EISDIR)) || access(name, X_OK) < 0)
			no_program(name);
		return xstrdup(name);
	}
	for (dir = path_of(b->env); *name && *dir; dir += n + (dir[n] == ':')) {
		n = strcspn(dir, ":");
		file = n ? fmt("%.*s/%s", (int)n, dir, name) : fmt("./%s", name);
		if (stat(file, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (access(file, X_OK) == 0)
			return file;
		error = errno;
	}
	if (error == ENOENT)
		die_with(NOT_FOUND, "exec %s: executable file not found in $PATH", name);
	errno = error;
	no_program(name);
}

static void
own_streams(uid_t uid)
{
	struct stat st;
	int fd;

	for (fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			die("fd %d is a directory, which would lead the container to the host", fd);
		/* so that it can open /dev/stdout; but what the host has a name for stays the host's */
		if (st.st_uid != uid && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
			(void)!fchown(fd, uid, (gid_t)-1);
	}
}

/* false: we may not, but who we shall be may, who tries it late */
static bool
enter_directory(const struct birth *b, bool late)
{
	const char *cwd = json_string(b->process, "cwd");
	int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int dir = sys_open_in(root, cwd, O_PATH, IN_DIR);  /* no link of /proc is followed, and so none of our fds */
	bool done = dir >= 0 && fchdir(dir) == 0;

	if (!done && (late || errno != EACCES))
		die("change to directory %s:", cwd);
	drop(dir);
	close(root);
	return done;
}

/* of users of its own, who may not raise any, by us: with pid; else 0. forks: that of processes is not to keep us from it */
static void
set_limits(const struct birth *b, pid_t pid, bool forks)
{
	const struct json *l;
	struct rlimit now;
	uint64_t soft = 0, hard = 0;
	int resource;

	for (l = json_first(b->process, "rlimits"); l; l = l->next) {
		resource = user_limit(json_string(l, "type"));
		json_u64(l, "soft", &soft);
		json_u64(l, "hard", &hard);
		if (forks && resource == RLIMIT_NPROC) {
			if (getrlimit(resource, &now) == 0 && now.rlim_max >= (rlim_t)hard)
				continue;
			soft = hard;
		}
		if (prlimit(pid, resource, &(struct rlimit){ (rlim_t)soft, (rlim_t)hard }, NULL) < 0)
			die("set %s:", json_string(l, "type"));
	}
}

/* the host's /proc leads to all of the host: no path of the guest's may go through it, nor who traces us */
static void
leave_proc(struct birth *b)
{
	if (b->proc < 0)
		return;
	run_signals_child(b->proc);
	payload_know_ourselves(b->proc);
	b->proc = drop(b->proc);
}

/* those of who called, in place of its own: podman's --group-add=keep-groups */
static bool
keeps_groups(const struct birth *b)
{
	const struct json *kept = json_member(config(b, "annotations"), "run.oci.keep_original_groups");

	return kept && streq(kept->text, "1");
}

/* who may load it without no_new_privs has a right that his program need not have, until it is executed */
static void
load_filter(const struct birth *b)
{
	int listener;

	if (!b->program)
		return;
	listener = profile_load(b->program, json_get(b->of_linux, "seccomp"));
	if (listener >= 0)
		tell(wirefd, NOTE_LISTENER, "", listener);
	drop(listener);
}

/* everything but the filter of calls, mostly; what follows is done with the rights of the program */
static void
become(struct birth *b)
{
	const struct json *w;
	struct rights r = {
		.no_new_privileges = json_true(b->process, "noNewPrivileges"),
		.keep_groups = keeps_groups(b),
	};
	uint64_t have;
	bool there;

	r.uid = (uid_t)number(b->process, "user.uid", 0);
	r.gid = (gid_t)number(b->process, "user.gid", 0);
	for (w = json_first(b->process, "user.additionalGids"); w; w = w->next)
		r.ngroups++;
	r.groups = xalloc((r.ngroups + 1) * sizeof(gid_t));
	for (r.ngroups = 0, w = json_first(b->process, "user.additionalGids"); w; w = w->next)
		r.groups[r.ngroups++] = (gid_t)number(w, "", 0);
	/* a user who is root of his own namespace by one id may not leave his own */
	r.groups_matter = r.ngroups || !b->within;
	if (json_get(b->of_linux, "personality")
	    && personality(streq(json_string(b->of_linux, "personality.domain"), "LINUX32") ? PER_LINUX32 : PER_LINUX) < 0)
		die("set the personality:");
	if (!b->c->no_new_keyring)
		/* the host's keys stay behind; without CONFIG_KEYS there are none, and a filter around us hides them */
		if (sys_join_session_keyring() < 0 && errno != ENOSYS && errno != EPERM)
			die("leave the keys of the host behind (kernel.keys.maxkeys?):");
	there = enter_directory(b, false);
	own_streams(r.uid);
	make_environment(b, r.uid);
	if (sys_capget(&have) < 0)
		die("ask for our own capabilities:");
	r.bounding = capabilities(b, "bounding", have);
	r.effective = capabilities(b, "effective", have);
	r.permitted = capabilities(b, "permitted", have);
	r.inheritable = capabilities(b, "inheritable", have);
	r.ambient = capabilities(b, "ambient", have) & r.permitted & r.inheritable;
	r.effective &= r.permitted;
	r.loader = b->program && !r.no_new_privileges ? 1ULL << SYS_ADMIN & have : 0;
	leave_proc(b);
	b->root = drop(b->root);
	if (!b->users)
		set_limits(b, 0, b->listener < 0 || b->apart);
	user_take(&r);
	if (!there)
		enter_directory(b, true);
	umask((mode_t)number(b->process, "user.umask", 022));
	b->file = find_program(b);
	if (b->traced) {
		load_filter(b);
		b->program = NULL;
		if (sys_capset(r.effective, r.permitted, r.inheritable) < 0)
			die("set capabilities:");
	}
	/* what we were may be looked at by nobody inside: ids that change make the kernel forget that */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static _Noreturn void
execute(struct birth *b)
{
	char **argv = words(b->process, "args");
	int fd;

	if (b->c->listen_fds) {
		grow(&b->env, fmt("LISTEN_FDS=%d", b->c->listen_fds));
		grow(&b->env, fmt("LISTEN_PID=%d", (int)getpid()));
	}
	for (fd = 3; fd < 3 + b->c->preserve; fd++)
		fcntl(fd, F_SETFD, 0);
	if (!json_get(b->of_linux, "seccomp.listenerPath"))
		load_filter(b);
	/* those are programs of the container, too: the filter is for them as well */
	if (b->listener >= 0)
		run_hooks(b->c, "startContainer", "created", b->pid);
	payload_program(b->file, argv, b->env);
	no_program(b->file);
}

/* all is done: who made us commits itself, and from now on we live without it */
static void
get_ready(const struct birth *b)
{
	if (json_get(b->of_linux, "seccomp.listenerPath"))
		load_filter(b);
	tell(wirefd, NOTE_READY, "", -1);
	wait_for(wirefd);
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
}

/* ---- birth --------------------------------------------------------------------------------------------- */

static void
begin(struct birth *b, bool namespaces)
{
	int keep[16 + BUNDLE_KINDS], *all, i = 0, j;

	wirefd = b->wire[1];
	/* our text is the host's, and fds lie open that it gave us */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		die("bind a process's life to ours:");
	keep[i++] = wirefd;
	keep[i++] = b->proc;
	keep[i++] = b->listener;
	keep[i++] = b->c->console_socket;
	keep[i++] = b->root;
	if (namespaces) {
		keep[i++] = b->c->pidfd;
		keep[i++] = b->c->ns;
		keep[i++] = b->c->root;
	}
	for (j = 0; j < BUNDLE_KINDS; j++)
		keep[i++] = b->join[j];
	all = xalloc(((size_t)i + b->nsources) * sizeof(int));
	memcpy(all, keep, (size_t)i * sizeof(int));
	if (b->nsources)
		memcpy(all + i, b->source, b->nsources * sizeof(int));
	sys_close_but(3 + b->c->preserve, all, (size_t)i + b->nsources);
}

static void
set_time(const struct birth *b)
{
	static const char *const clocks[] = { "monotonic", "boottime" };
	char *text = "";
	size_t i;
	int fd;

	if (unshare(NEWTIME) < 0)
		die("make a namespace of time (needs Linux 5.6, CONFIG_TIME_NS):");
	for (i = 0; i < LEN(clocks); i++)
		text = fmt("%s%s %lld %lld\n", text, clocks[i], number(b->of_linux, fmt("timeOffsets.%s.secs", clocks[i]), 0),
		           number(b->of_linux, fmt("timeOffsets.%s.nanosecs", clocks[i]), 0));
	if (put_at(b->proc, "self/timens_offsets", text) < 0)
		die("set the offsets of clocks:");
	fd = openat(b->proc, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, NEWTIME) < 0)
		die("enter the namespace of time:");
	close(fd);
}

static void
become_users_root(const struct birth *b)
{
	/* groups may be denied to them, and are those of who called, then */
	if ((!keeps_groups(b) && sys_set_groups(0, NULL) < 0 && errno != EPERM) || sys_set_group(0) < 0
	    || sys_set_user(0) < 0)
		die("become root of the container's users:");
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/* podman says it while it starts us, and conmon sets it in its own time: programs ask for it first thing */
static void
await_size(const struct birth *b)
{
	struct winsize size = { 0 };
	int ms;

	for (ms = 0; ms < SIZE_MS && json_true(b->process, "terminal"); ms++)
		if (ioctl(0, TIOCGWINSZ, &size) < 0 || size.ws_row || size.ws_col || poll(NULL, 0, 1) < 0)
			return;
}

static void
build_all(struct birth *b)
{
	b->pid = (pid_t)wait_for(wirefd);
	if (b->users)
		become_users_root(b);
	if (b->flags & NEWTIME)
		set_time(b);
	if (b->flags & CLONE_NEWNET)
		sys_raise_loopback();
	b->umask = umask(0);
	set_labels(b);
	build(b);
	become_root(b);
	/* not before: the hooks would have been among the others */
	if (b->apart)
		join_processes(b);
	become(b);
}

/* at the socket */
static _Noreturn void
await_start(struct birth *b)
{
	int conn;

	/* only then nobody hears why */
	if (b->apart && accept4(-1, NULL, NULL, SOCK_CLOEXEC) < 0 && errno != EBADF)
		die("the container's filter of system calls does not let it wait for its start");
	get_ready(b);
	close(wirefd);
	wirefd = -1;
	while ((conn = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
		if (errno != EINTR && errno != ECONNABORTED)
			_exit(FAIL);
	close(b->listener);
	wirefd = conn;
	await_size(b);
	execute(b);
}

/* PID 1 of the container, or one beside others where that namespace is shared */
static int
init_main(void *arg)
{
	begin(arg, false);
	build_all(arg);
	await_start(arg);
}

/* who may trace others inside may trace this one: it is born with no right that its program will not have */
static int
joined_main(void *arg)
{
	struct birth *b = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	b->pid = (pid_t)wait_for(wirefd);  /* or what we say would come before our PID, and be lost */
	if (!b->apart)
		wait_for(wirefd);
	lead_session(b);
	if (!b->users)
		set_limits(b, 0, false);
	if (b->apart)
		await_start(b);
	get_ready(b);
	execute(b);
}

/* into namespaces that are there: first those that we may enter as we are, then users, then the rest */
static void
join(struct birth *b)
{
	int turn, i, left = 0;

	for (turn = 0; turn < 2; turn++) {
		for (i = 0; i < BUNDLE_KINDS; i++) {
			if (b->join[i] < 0 || (left && !(left >> i & 1)) || i == BUNDLE_USER || (i == BUNDLE_PID && b->apart))
				continue;
			if (setns(b->join[i], enter_kinds[i].flag) < 0) {
				if (errno != EPERM || turn || b->join[BUNDLE_USER] < 0)
					die("join namespace %s:", enter_kinds[i].file);
				left |= 1 << i;
			}
		}
		if (turn || b->join[BUNDLE_USER] < 0)
			break;
		if (setns(b->join[BUNDLE_USER], CLONE_NEWUSER) < 0)
			die("join namespace user:");
		if (!left)
			break;
	}
}

/* a namespace that is not ours: at name in dir, or dir itself */
static bool
is_own(int dir, const char *name, const char *kind)
{
	struct stat ours, its;

	return stat(fmt("/proc/self/ns/%s", kind), &ours) == 0 && fstatat(dir, name, &its, AT_EMPTY_PATH) == 0
	       && ours.st_ino != its.st_ino;
}

/* between us and who is born, which is a child of ours all the same: it joins what is there. Its own memory is ours */
static int
between_main(void *arg)
{
	struct birth *b = arg;
	const struct container *c = b->c;
	bool placed, exec = b->listener < 0;
	int kind, flags = 0;
	pid_t pid;

	begin(b, exec);
	wait_for(wirefd);
	if (exec) {
		set_labels(b);  /* who comes after us has them */
		inner_nulls(b, c->root);
		leave_proc(b);
		/* of those that are ours as well some may be another user's, who lets nobody in */
		for (kind = 0; kind < BUNDLE_KINDS; kind++)
			if (is_own(c->ns, enter_kinds[kind].file, enter_kinds[kind].file))
				flags |= enter_kinds[kind].flag;
		if (enter_join(c->pidfd, c->ns, flags) < 0)
			die("join the container's namespaces:");
		if (fchdir(c->root) < 0 || chroot(".") < 0 || chdir("/") < 0)
			die("change to the container's root:");
		drop(c->pidfd);
		close(c->ns);
		close(c->root);
		if (b->users)
			become_users_root(b);
		b->root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (b->root < 0)
			die("open the root:");
		umask(0);
		open_terminal(b);
		become(b);
	} else {
		join(b);
		flags = b->flags & ~(CLONE_NEWCGROUP | NEWTIME);
	}
	if (b->apart) {
		if (unshare(flags) < 0)
			die("make a process in new namespaces:");
		tell(wirefd, NOTE_PID, fmt("%d", (int)getpid()), -1);
		build_all(b);
	}
	pid = sys_fork(CLONE_PARENT | (exec || b->apart ? 0 : flags), -1, exec || b->apart ? joined_main : init_main, b, &placed);
	if (pid < 0 && b->traced && (errno == EPERM || errno == ENOSYS))
		die("the container's filter of system calls lets nobody in it make a process");
	if (pid < 0)
		die("make a process in the namespaces:");
	tell(wirefd, NOTE_PID, fmt("%d", (int)pid), -1);
	_exit(0);
}

/* ---- on the host ------------------------------------------------------------------------------------------ */

static _Noreturn void
ended(const struct birth *b)
{
	enum { TRIES = 100, PAUSE_MS = 10 };
	int status = 0, tries;

	/* one of the container's who traces it may keep it from us for ever */
	for (tries = 0; b->pid > 0 && tries < TRIES && waitpid(b->pid, &status, WNOHANG) == 0; tries++)
		poll(NULL, 0, PAUSE_MS);
	if (WIFSIGNALED(status))
		die("container %s: its process was killed by signal %d; its memory may be full", b->c->id, WTERMSIG(status));
	die("container %s: its process has ended", b->c->id);
}

static void
tell_listener(struct birth *b)
{
	if (b->notifier >= 0)
		profile_tell(json_get(b->of_linux, "seccomp"), b->notifier, state_text(b->c, "creating", b->pid));
	b->notifier = drop(b->notifier);
}

/* what is said until that; what it dies of is said by us, and we die too. 0: until it needs us no more */
static pid_t
hear(struct birth *b, char until)
{
	char text[NOTE_MAX];
	struct pollfd heard[] = { { b->wire[0], POLLIN, 0 }, { -1, POLLIN, 0 } };
	pid_t sender;
	ssize_t n;
	int fd;

	for (;;) {
		heard[1].fd = b->notifier;
		if ((b->beset || b->notifier >= 0) && poll(heard, 2, b->beset ? PATIENCE_MS : -1) == 0)
			die("container %s: something in it holds up who is to enter it", b->c->id);
		/* a call of who makes it waits for an answer already */
		if (b->notifier >= 0 && heard[1].revents) {
			tell_listener(b);
			continue;
		}
		n = sys_recv(b->wire[0], text, sizeof(text) - 1, &fd, &sender);
		/* what it has not read before it ended is told but once, and before what it said */
		if (n < 0 && (errno == EINTR || errno == ECONNRESET))
			continue;
		if (n < 2 && !until)
			return 0;
		if (n < 2)
			ended(b);
		text[n] = 0;
		if (*text == NOTE_DEATH)
			die_with((unsigned char)text[1], "%s", text + 2);
		if (*text == NOTE_WARN)
			warn("%s", text + 2);
		/* who is born may be in the hands of others */
		if (b->maker && sender != b->maker && *text != NOTE_READY) {
			drop(fd);
			continue;
		}
		if (*text == NOTE_HOOKS && b->listener >= 0) {
			run_hooks(b->c, "prestart", "creating", b->pid);
			run_hooks(b->c, "createRuntime", "creating", b->pid);
			tell(b->wire[0], NOTE_GO, "", -1);
		}
		if (*text == NOTE_LISTENER) {
			drop(b->notifier);
			b->notifier = fd;
			fd = -1;
			/* who makes it is not yet whom that is to answer */
			if (!b->maker)
				tell_listener(b);
		}
		if (*text == NOTE_CONSOLE && b->c->master < 0) {
			b->c->master = fd;
			fd = -1;
		}
		drop(fd);
		if (*text == until)
			return (pid_t)strtol(text + 2, NULL, 10);
	}
}

/* the first thing there is of it: it waits until it has its users */
static void
spawn(struct birth *b, int (*fn)(void *), int flags)
{
	int group = b->c->groups.n ? resource_enter_fd(&b->c->groups) : -1, on = 1;

	own_nulls(b);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b->wire) < 0
	    || (b->traced && setsockopt(b->wire[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0))
		die("make a wire:");
	b->proc = openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (b->proc < 0)
		die("open /proc:");
	b->pid = sys_fork(flags, group, fn, b, &b->placed);
	b->placed &= group >= 0;
	if (b->pid < 0)
		die(errno == EINVAL ? "make namespaces: this kernel lacks one of them:" : "make a process in new namespaces:");
	close(b->wire[1]);
}

static void
give(const struct birth *b, const char *file, const char *text)
{
	if (put_at(b->proc, fmt("%d/%s", (int)b->pid, file), text) < 0)
		die("write %s of the container's process:", file);
}

/* what only the host can give, when all else is done */
static void
give_more(const struct birth *b)
{
	static const char flags[] =
		"RESET_ON_FORK|RECLAIM|DL_OVERRUN|KEEP_POLICY|KEEP_PARAMS|UTIL_CLAMP_MIN|UTIL_CLAMP_MAX";
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} sched = { .size = sizeof(sched) };
	const struct json *w;
	int flag;

	if (b->users)
		set_limits(b, b->pid, false);
	if (json_get(b->process, "scheduler")) {
		sched.policy = (uint32_t)word_index(BUNDLE_POLICIES, json_string(b->process, "scheduler.policy"));
		json_u64(b->process, "scheduler.runtime", &sched.runtime);
		json_u64(b->process, "scheduler.deadline", &sched.deadline);
		json_u64(b->process, "scheduler.period", &sched.period);
		sched.nice = (int32_t)number(b->process, "scheduler.nice", 0);
		sched.priority = (uint32_t)number(b->process, "scheduler.priority", 0);
		for (w = json_first(b->process, "scheduler.flags"); w; w = w->next) {
			flag = after(w->text, "SCHED_FLAG_") ? word_index(flags, after(w->text, "SCHED_FLAG_")) : -1;
			if (flag < 0)
				die("config.json: process.scheduler.flags: %.40s is unknown", w->text);
			sched.flags |= 1U << flag;
		}
		if (syscall(SYS_sched_setattr, b->pid, &sched, 0) < 0)
			die("set process.scheduler:");
	}
	if (json_get(b->process, "ioPriority")
	    && syscall(SYS_ioprio_set, 1, b->pid, word_index(BUNDLE_IO_CLASSES, json_string(b->process, "ioPriority.class")) << 13
	               | (int)(number(b->process, "ioPriority.priority", 0) & 7)) < 0)
		die("set process.ioPriority:");
}

/* by who makes it, who ends then */
static void
hear_born(struct birth *b, pid_t maker)
{
	b->pid = hear(b, NOTE_PID);
	tell_listener(b);
	while (waitpid(maker, NULL, 0) < 0 && errno == EINTR)
		;
	b->maker = b->traced ? -1 : 0;
}

/* from the first fork until it needs us no more */
static void
give_birth(struct birth *b, int (*fn)(void *), int flags)
{
	const pid_t beside = b->listener < 0 ? b->c->pid : 0;
	pid_t maker;
	long long n;

	b->notifier = -1;
	spawn(b, fn, flags);
	maker = b->pid;
	b->maker = b->traced ? maker : 0;
	if (b->joins) {
		tell(b->wire[0], NOTE_GO, "", -1);
		if (b->apart)
			hear(b, NOTE_PID);
		else
			hear_born(b, maker);
	}
	if (b->flags & CLONE_NEWUSER) {
		give(b, "uid_map", id_map(NULL, b->of_linux, "uidMappings"));
		give(b, "gid_map", id_map(NULL, b->of_linux, "gidMappings"));
	}
	if (json_number(b->process, "oomScoreAdj", -1000, 1000, &n))
		give(b, "oom_score_adj", fmt("%lld", n));
	tell(b->wire[0], NOTE_GO, fmt("%d", (int)b->pid), -1);
	if (b->c->groups.n)
		resource_enter(&b->c->groups, b->pid, b->placed, beside);
	tell(b->wire[0], NOTE_GO, "", -1);
	seal_settle();
	if (b->apart) {
		hear_born(b, maker);
		b->beset = true;
		tell(b->wire[0], NOTE_GO, fmt("%d", (int)b->pid), -1);
	}
	hear(b, NOTE_READY);
	give_more(b);
	tell(b->wire[0], NOTE_GO, "", -1);
	hear(b, 0);  /* it would die with us until then */
	close(b->wire[0]);
	close(b->proc);
}

static void
open_namespaces(struct birth *b)
{
	const struct json *ns;
	const char *path;
	int kind;

	for (kind = 0; kind < BUNDLE_KINDS; kind++)
		b->join[kind] = -1;
	for (ns = json_first(b->of_linux, "namespaces"); ns; ns = ns->next) {
		kind = word_index(BUNDLE_NAMESPACES, json_string(ns, "type"));
		path = json_string(ns, "path");
		if (path && *path) {
			b->join[kind] = openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
			if (b->join[kind] < 0)
				die("open namespace %s:", path);
			b->joins = true;
			b->own |= (unsigned int)is_own(b->join[kind], "", enter_kinds[kind].file) << kind;
		} else {
			b->own |= 1U << kind;
			b->flags |= enter_kinds[kind].flag;
		}
	}
	b->users = b->flags & CLONE_NEWUSER || b->join[BUNDLE_USER] >= 0;
}

/* of those in a namespace of processes somebody may trace whoever has our users: each thread by itself, and who hides it may */
static bool
has_tracer(int ns, const char *dir, bool threads)
{
	struct dirent *e;
	struct stat its, st;
	char text[4096], *path, *at;
	bool found = false;
	DIR *d = opendir(dir);

	while (d && !found && (e = readdir(d))) {
		path = fmt("%s/%s", dir, e->d_name);
		if (*e->d_name < '1' || *e->d_name > '9')
			continue;
		if (!threads)
			found = has_tracer(ns, fmt("%s/task", path), true);
		else
			found = fstat(ns, &its) == 0 && stat(fmt("%s/ns/pid", path), &st) == 0 && st.st_ino == its.st_ino
			        && !is_own(AT_FDCWD, fmt("%s/ns/user", path), "user")
			        && read_at(AT_FDCWD, fmt("%s/status", path), text, sizeof(text)) > 0
			        && (!(at = strstr(text, "\nCapBnd:")) || strtoull(at + 8, NULL, 16) >> SYS_PTRACE & 1);
	}
	if (d)
		closedir(d);
	return found;
}

/* of two ways in to others' processes the safe one, unless this kernel has it not and nobody is there to fear */
static bool
is_apart(const struct birth *b)
{
	const int ns = b->join[BUNDLE_PID];

	if (ns < 0 || !is_own(ns, "", "pid"))
		return false;
	if (!b->users && sys_has("fsopen") && seccomp_calls(NULL) && sys_seccomp_knows(0x00050000))  /* SECCOMP_RET_ERRNO */
		return true;
	/* the host's memory is closed to all that have not the host's users */
	if (has_tracer(ns, "/proc", false))
		die("join namespace pid: somebody in there has CAP_SYS_PTRACE, and would take the host's rights "
		    "(needs Linux 5.2, and no users of its own)");
	return false;
}

void
container_create(struct container *c)
{
	struct birth b = {
		.c = c, .process = c->bundle.process, .of_linux = json_get(c->bundle.config, "linux"), .root = -1,
	};
	char *real;

	if (!b.process)
		die("config.json: it has no \"process\", and there is nothing to start");
	if (!c->bundle.rootfs || !(real = realpath(c->bundle.rootfs, NULL)))
		die("open root %s:", c->bundle.rootfs ? c->bundle.rootfs : "path");
	c->bundle.rootfs = real;
	open_namespaces(&b);
	b.within = b.users || sys_within_users();
	b.apart = b.traced = is_apart(&b);
	b.program = profile_compile(json_get(b.of_linux, "seccomp"));
	b.listener = sys_named_socket(SOCK_SEQPACKET, fmt(FD "/start", c->state), true);
	if (b.listener < 0 || listen(b.listener, 1) < 0)
		die("make the socket of the start:");
	copy_sources(&b);
	/* the way to it may be closed to other users */
	if (b.users)
		b.root = sys_open_tree(AT_FDCWD, real, CLONE_TREE | RECURSIVE | O_CLOEXEC);
	give_birth(&b, b.joins ? between_main : init_main, b.joins ? 0 : b.flags & ~(CLONE_NEWCGROUP | NEWTIME));
	close(b.listener);
	c->pid = b.pid;
}

static bool
may_trace(const struct json *config)
{
	const struct json *cap = json_first(config, "process.capabilities.bounding");

	while (cap && !streq(cap->text, "CAP_SYS_PTRACE"))
		cap = cap->next;
	return cap != NULL;
}

pid_t
container_exec(struct container *c, const struct json *process)
{
	struct birth b = {
		.c = c, .process = process, .of_linux = json_get(c->bundle.config, "linux"), .root = -1, .listener = -1,
	};
	const pid_t init = c->pid;
	int i;

	for (i = 0; i < BUNDLE_KINDS; i++)
		b.join[i] = -1;
	c->pidfd = sys_pidfd_open(init);
	c->ns = openat(AT_FDCWD, fmt("/proc/%d/ns", (int)init), O_PATH | O_DIRECTORY | O_CLOEXEC);
	c->root = openat(AT_FDCWD, fmt("/proc/%d/root", (int)init), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->ns < 0 || c->root < 0 || !c->lives(c))
		die("container %s: it has just ended", c->id);
	b.users = is_own(c->ns, "user", "user");
	b.within = b.users || sys_within_users();
	b.traced = may_trace(c->bundle.config);
	b.beset = true;
	b.program = profile_compile(json_get(b.of_linux, "seccomp"));
	b.joins = true;
	give_birth(&b, between_main, 0);
	drop(c->pidfd);
	close(c->ns);
	close(c->root);
	return b.pid;
}

/* ---- our own program ----------------------------------------------------------------------------------------- */

/* others see its /proc: those of a namespace of processes that is there, or is the host's, and hooks from inside */
bool
container_needs_copy(const struct bundle *b)
{
	const struct json *ns;

	/* who may trace looks at it all the same, in an exec before the start */
	if (may_trace(b->config) || json_first(b->config, "hooks.startContainer"))
		return true;
	for (ns = json_first(b->config, "linux.namespaces"); ns; ns = ns->next)
		if (streq(json_string(ns, "type"), "pid"))
			return json_string(ns, "path") != NULL;
	return true;
}
