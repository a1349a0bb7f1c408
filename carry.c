/* SPDX-License-Identifier: 0BSD */
/*
 * Files and mounts, into a running machine and out.
 *
 * The machine is its leader's root, as an fd: what is below is found by the kernel in the machine's own mounts, and no link
 * leads out. Nobody inside is needed for it, nor can anybody there make us wait: a child does the work, and who started it
 * can always end it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

/* what is to be carried, and where to */
struct load {
	const char *verb, *src, *dst;
	bool in, force, read_only, mkdir;
	struct known k;
	int root;  /* of the machine */
	pid_t parent;
};

/* ---- the machine ------------------------------------------------------------------ */

/* what was opened by the number of its leader is the machine's, if it still leads afterwards */
static void
check_leader(const struct load *l)
{
	if (!known_leads(&l->k))
		die("%s: machine %s ends, or begins again", l->verb, l->k.name);
	if (!known_users(&l->k, -1))
		die("%s: the first process of machine %s has gone to users of its own making: nothing goes there", l->verb, l->k.name);
}

static void
reach(struct load *l, const char *name, const char *what)
{
	if (getauxval(AT_EUID) != 0)
		die("Need to be root.");
	if (!known_read(name, &l->k))
		known_no(what, name);
	l->root = enter_root(&l->k);
	check_leader(l);
}

static void
check_inside(const struct load *l, const char *path)
{
	if (*path != '/')
		die("%s: \"%s\" is no absolute path, as inside the machine it must be", l->verb, path);
}

/* a child that goes with us, and its status: whatever it waits for, a signal ends it */
static int
work(struct load *l, void (*fn)(struct load *))
{
	enum { PATIENCE = 200, PAUSE_MS = 10 };
	int status = 0, tries;
	pid_t pid, got;

	l->parent = getpid();
	pid = fork();
	if (pid < 0)
		die("fork:");
	if (pid == 0) {
		fn(l);
		_exit(0);
	}
	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR && !halted);
	if (got < 0)
		kill(pid, SIGTERM);
	for (tries = 0; got <= 0 && tries < PATIENCE; tries++) {
		got = waitpid(pid, &status, WNOHANG);
		if (got == 0)
			poll(NULL, 0, PAUSE_MS);
	}
	if (got != pid) {
		kill(pid, SIGKILL);
		die("%s: stopped", l->verb);
	}
	if (WIFSIGNALED(status))
		die("%s: ended by signal %d", l->verb, WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void
go_with_parent(const struct load *l)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		die("bind our life to that of who started us:");
	if (getppid() != l->parent)
		_exit(FAIL);
}

/* ---- copies ------------------------------------------------------------------------- */

/* whoever makes a file makes it as root of the machine, and has all rights of the host to do so */
static void
become_maker(uint32_t base)
{
	enum { NO_SETUID_FIXUP = 1 << 2 };  /* SECBIT_NO_SETUID_FIXUP: capabilities(7) */

	if (prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP) < 0)
		die("keep capabilities:");
	setfsgid(base);
	setfsuid(base);
}

/* the last part of a path, and the directory that it is in; of what has none "." */
static const char *
split(const char *path, char **above)
{
	char *whole = xstrdup(path), *end = whole + strlen(whole), *slash;

	while (end > whole + 1 && end[-1] == '/')
		*--end = 0;
	slash = strrchr(whole, '/');
	*above = !slash ? "." : slash == whole ? "/" : xstrndup(whole, (size_t)(slash - whole));
	slash = slash ? slash + 1 : whole;
	if (*slash && !streq(slash, ".") && !streq(slash, ".."))
		return slash;
	*above = whole;
	return ".";
}

static _Noreturn void
copy_trouble(const struct load *l, const char *where)
{
	const char *at = streq(where, ".") ? l->dst : fmt("%s/%s", l->dst, where);

	if (errno == EINTR)
		die("%s: stopped", l->verb);
	if (errno == EEXIST)
		die("%s: %s: File exists%s", l->verb, at, l->force ? "" : " (--force puts the new one in its place)");
	if (errno == EISDIR)
		die("%s: %s: %s", l->verb, at, streq(where, ".") ? "it is a directory: say what the file is to be called there"
		    : "a directory is in the place of what is none");
	if (errno == ENOTDIR)
		die("%s: %s: what is no directory is in the place of one", l->verb, at);
	if (errno == EDEADLK)
		die("%s: %s and %s are the same", l->verb, l->src, l->dst);
	die("%s: copy to %s:", l->verb, at);
}

static void
copy(struct load *l)
{
	struct copied did = { .left = 0 };
	char *above, *where;
	const char *name = split(l->dst, &above);
	bool shifted = l->k.id_count > 0;
	int from, to, flags = (l->force ? COPY_REPLACE : 0) | (shifted ? COPY_PLAIN : 0) | (shifted && !l->in ? COPY_TAME : 0);
	struct stat st;

	halt_by_signal();
	if (shifted && l->in)
		become_maker(l->k.id_base);
	go_with_parent(l);
	from = l->in ? openat(AT_FDCWD, l->src, O_PATH | O_NOFOLLOW | O_CLOEXEC) : sys_open_in(l->root, l->src, O_PATH | O_NOFOLLOW, 0);
	if (from < 0 || fstat(from, &st) < 0)
		die("%s: look at %s%s:", l->verb, l->src, l->in ? "" : fmt(" of machine %s", l->k.name));
	to = l->in ? sys_open_in(l->root, above, O_PATH, IN_DIR) : openat(AT_FDCWD, above, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (to < 0)
		die("%s: open %s%s:", l->verb, above, l->in ? fmt(" of machine %s", l->k.name) : "");
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode) && !S_ISFIFO(st.st_mode))
		die("%s: %s: devices and sockets cannot be copied", l->verb, l->src);
	if (copy_into(from, to, name, flags, l->in ? l->k.id_base : 0, &did, &where) < 0)
		copy_trouble(l, where);
	if (did.left)
		warn("%s: devices, sockets and what is mounted below stay out: %u of them, the first is %s", l->verb,
		     (unsigned int)did.left, did.first_left);
	if (did.changed)
		warn("%s: %u files were changed while they were copied, the first is %s", l->verb, (unsigned int)did.changed,
		     did.first_changed);
}

static int
carry(struct ask *a, bool in)
{
	struct load l = { .verb = a->verb, .in = in, .force = a->force, .src = a->words[1] };

	l.dst = a->words[2] ? a->words[2] : l.src;
	check_inside(&l, in ? l.dst : l.src);
	reach(&l, a->words[0], "Failed to copy");
	halt_by_signal();
	return work(&l, copy);
}

int
carry_to(struct ask *a)
{
	return carry(a, true);
}

int
carry_from(struct ask *a)
{
	return carry(a, false);
}

/* ---- binds ---------------------------------------------------------------------------- */

static _Noreturn void
bind_trouble(const struct load *l, const char *what)
{
	die("bind %s on %s of machine %s: %s:", l->src, l->dst, l->k.name, what);
}

static _Noreturn void
bind_wrong(const struct load *l, const char *why)
{
	die("bind %s on %s of machine %s: %s", l->src, l->dst, l->k.name, why);
}

static int
open_namespace(const struct load *l, const char *kind)
{
	int fd = openat(AT_FDCWD, fmt("/proc/%d/ns/%s", (int)l->k.leader, kind), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		bind_trouble(l, fmt("open the machine's namespace (%s)", kind));
	return fd;
}

/* -1: it has our users */
static int
open_users(const struct load *l)
{
	int fd = open_namespace(l, "user");
	struct stat own, its;

	if (stat("/proc/self/ns/user", &own) < 0 || fstat(fd, &its) < 0)
		bind_trouble(l, "look at the machine's users");
	return own.st_ino == its.st_ino && own.st_dev == its.st_dev ? drop(fd) : fd;
}

static void
map_owners(const struct load *l, int tree, int users)
{
	if (sys_mount_idmap(tree, users, true) == 0)
		return;
	if (sys_mount_idmap(tree, users, false) == 0)
		warn("bind %s: what is mounted below it belongs to nobody inside: its file system takes no idmapped mount", l->src);
	else
		warn("bind %s: inside all of it belongs to nobody: %s", l->src, errno == ENOSYS ? "idmapped mounts need Linux 5.12"
		     : fmt("its file system (%s) takes no idmapped mount", place_type(tree)));
}

/* as --bind: where no policy keeps devices away, their nodes do not work in what is bound either */
static void
shut(const struct load *l, const char *at)
{
	static struct run r APART;
	struct statfs fs;
	const char *rest;
	char **list;

	r.device_bare = true;
	if (fstatfs(l->root, &fs) < 0 || !(fs.f_flags & ST_NODEV) || device_shut(&r, at))
		return;
	for (list = place_mounts("/proc/self/mountinfo"); list && *list; list++)
		if ((rest = after(*list, at)) && *rest == '/')
			device_shut(&r, *list);
}

/*
 * A copy of the source's mount with all that the machine shall not undo: in mounts of our own, which then become those of its
 * users, so that they are locked for them (mount_namespaces(7)). No mount on either side shows on the other later
 */
static int
make_source(const struct load *l, int users, mode_t *type)
{
	char here[PATH_MAX];
	const char *name;
	struct stat st;
	int fd = openat(AT_FDCWD, l->src, O_PATH | O_CLOEXEC), tree, top;

	if (fd < 0 || fstat(fd, &st) < 0)
		bind_trouble(l, fmt("look at %s", l->src));
	*type = S_ISDIR(st.st_mode) ? S_IFDIR : S_IFREG;
	name = S_ISDIR(st.st_mode) ? "d" : "f";
	tree = sys_open_tree(fd, "", CLONE_TREE | RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC);
	if (tree < 0 && errno == ENOSYS)
		bind_wrong(l, "mounts of a running machine need Linux 5.2; let it start with --bind=");
	if (tree < 0)
		bind_trouble(l, "copy the mount");
	if (users >= 0)
		map_owners(l, tree, users);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0
	    || chdir(run_state_dir()) < 0 || !getcwd(here, sizeof(here))
	    || sys_mount_memory(here, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k,nr_inodes=16") < 0 || chdir(here) < 0
	    || mkdir("d", 0755) < 0 || mknod("f", S_IFREG | 0644, 0) < 0)
		bind_trouble(l, "make mounts of our own");
	top = openat(AT_FDCWD, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0 || sys_move_mount(tree, "", top, "", FROM_FD | TO_FD) < 0
	    || mount(NULL, name, NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		bind_trouble(l, "mount it among our own");
	if (l->read_only)
		place_tree_read_only(fmt("%s/%s", here, name));
	shut(l, fmt("%s/%s", here, name));
	drop(top);
	drop(fd);
	drop(tree);
	/* of a machine that sees our processes, root could look into this one then, and all of the host is its root */
	if (users >= 0 && (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setns(users, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0))
		bind_trouble(l, "give the mount to the machine's users");
	tree = sys_open_tree(AT_FDCWD, name, CLONE_TREE | RECURSIVE | O_CLOEXEC);
	if (tree < 0)
		bind_trouble(l, "take the mount");
	return tree;
}

static int
open_place(const struct load *l, mode_t type)
{
	struct stat st, top;
	int to;

	umask(0);
	to = l->mkdir ? place_make(l->root, l->dst, type, NULL) : sys_open_in(l->root, l->dst, O_PATH, 0);
	if (to < 0 && errno == ENOENT)
		bind_wrong(l, "there is no such place inside; --mkdir makes it");
	if (to < 0 || fstat(to, &st) < 0 || fstat(l->root, &top) < 0)
		bind_trouble(l, l->mkdir ? "make the place" : "open the place");
	if (S_ISDIR(st.st_mode) != S_ISDIR(type))
		bind_wrong(l, S_ISDIR(type) ? "the source is a directory, and the place inside is none"
		                            : "the place inside is a directory, and the source is none");
	if (st.st_ino == top.st_ino && st.st_dev == top.st_dev)
		bind_wrong(l, "nothing can be mounted on the root of a running machine");
	return to;
}

static void
bind_mount(struct load *l)
{
	int mounts, users, tree;
	mode_t type;

	go_with_parent(l);
	mounts = open_namespace(l, "mnt");
	users = open_users(l);
	check_leader(l);
	tree = make_source(l, users, &type);
	if (users >= 0 && ((sys_set_groups(0, NULL) < 0 && errno != EPERM) || sys_set_group(0) < 0 || sys_set_user(0) < 0))
		bind_trouble(l, "become the machine's root");
	if (setns(mounts, CLONE_NEWNS) < 0)
		bind_trouble(l, "enter the machine's mounts");
	if (sys_move_mount(tree, "", open_place(l, type), "", FROM_FD | TO_FD) < 0)
		bind_trouble(l, "mount it there");
}

int
carry_bind(struct ask *a)
{
	struct load l = { .verb = a->verb, .read_only = a->read_only, .mkdir = a->mkdir, .src = a->words[1] };

	l.dst = a->words[2] ? a->words[2] : l.src;
	check_inside(&l, l.dst);
	reach(&l, a->words[0], "Failed to bind mount");
	return work(&l, bind_mount);
}
