/* SPDX-License-Identifier: 0BSD */
/* What a machine waits for before it starts: paths, interfaces, other machines */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "nspawn-lite.h"

enum { FOR_PATH, FOR_MOUNT, FOR_LINK, FOR_MACHINE, KINDS };
/* what is not there, in a sentence */
static const struct { const char *prefix, *missing; } kinds[KINDS] = {
	[FOR_PATH]    = { "",           "%s is not there" },
	[FOR_MOUNT]   = { "mount:",     "nothing is mounted on %s" },
	[FOR_LINK]    = { "interface:", "interface %s is not up" },
	[FOR_MACHINE] = { "machine:",   "machine %s does not run" },
};

/* the kind of a word, and what it names */
static int
parse(const char *word, const char **what)
{
	int kind;

	for (kind = KINDS - 1; kind > FOR_PATH && !after(word, kinds[kind].prefix); kind--)
		;
	*what = word + strlen(kinds[kind].prefix);
	return kind;
}

static bool
valid_link(const char *name)
{
	return *name && strlen(name) < IFNAMSIZ && !streq(name, ".") && !streq(name, "..") && !strpbrk(name, "/: \t\n");
}

void
depend_check(const struct plan *p)
{
	const char *what;
	char **w;
	int kind;

	for (w = p->wait_for; w && *w; w++) {
		kind = parse(*w, &what);
		if (!utf8_clean(*w))
			die("--wait-for: the value is not clean UTF-8 text");
		if (kind == FOR_LINK && !valid_link(what))
			die("--wait-for=%s: not the name of an interface", *w);
		if (kind == FOR_MACHINE && !name_valid(what))
			die("--wait-for=%s: not a name that a machine can have", *w);
		if (kind == FOR_MACHINE && streq(what, p->machine))
			die("--wait-for=%s: a machine cannot wait for itself", *w);
		if (kind <= FOR_MOUNT && *what != '/')
			die("--wait-for=%s: not an absolute path, mount:PATH, interface:IF or machine:NAME", *w);
	}
}

/* by who looks, and has nothing to unmake */
#define give_up(...) (warn(__VA_ARGS__), _exit(FAIL))

/* ---- is it there ------------------------------------------------------------------ */

static bool
is_mounted(const char *path)
{
	char real[PATH_MAX];

	return realpath(path, real) && walk_mounted(real, false);
}

/* a bridge without ports has no carrier, and is there all the same for who becomes one */
static bool
is_up(struct nl *nl, const char *name)
{
	struct nl_link l;

	if (nl->fd < 0 && nl_open_route(nl) < 0)
		return false;
	return nl_find_link(nl, name, 0, &l) == 0 && l.flags & IFF_UP && (l.flags & IFF_RUNNING || streq(l.kind, "bridge"));
}

/* who is waited for may itself wait: for us, at last? */
static void
look_for_circle(const struct run *r, const struct known *first, const char *way, int depth)
{
	enum { DEEPEST = 64 };
	const char *next;
	struct known k;
	char **w;

	for (w = first->words; w && *w && depth < DEEPEST; w++) {
		next = after(*w, "--wait-for=machine:");
		if (!next)
			continue;
		if (streq(next, r->name))
			give_up("machines wait for each other: %s -> %s", way, next);
		if (known_read(next, &k) && streq(k.state, "waiting"))
			look_for_circle(r, &k, fmt("%s -> %s", way, next), depth + 1);
		known_close(&k);
	}
}

static bool
runs(const struct run *r, const char *name)
{
	struct known k;
	bool yes = known_read(name, &k);

	if (yes && streq(k.state, "waiting") && r && r->name)
		look_for_circle(r, &k, fmt("%s -> %s", r->name, name), 0);
	yes = yes && streq(k.state, "running");
	known_close(&k);
	return yes;
}

static bool
is_there(const struct run *r, struct nl *nl, const char *word)
{
	const char *what;

	switch (parse(word, &what)) {
	case FOR_LINK:
		return is_up(nl, what);
	case FOR_MACHINE:
		return runs(r, what);
	case FOR_MOUNT:
		return is_mounted(what);
	default:
		return access(what, F_OK) == 0;
	}
}

/* ---- until it may be ---------------------------------------------------------------- */

/* where news come from; -1: from nowhere */
struct news { int paths, mounts, links, machines; };

/* whatever they say: all is looked at again */
static void
heard(struct run *r, int fd, short revents)
{
	char events[4096];

	(void)r;
	if (revents & POLLIN)
		while (read(fd, events, sizeof(events)) > 0)
			;
}

static void
mounts_changed(struct run *r, int fd, short revents)
{
	(void)r;
	(void)fd;
	(void)revents;
}

static int
listen_to_links(void)
{
	struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
		return drop(fd);
	return fd;
}

/* the nearest directory above that is there: something must change in it first */
static bool
watch_above(int fd, const char *path)
{
	char *above = xstrdup(path), *slash;
	struct stat st;

	while ((slash = strrchr(above, '/'))) {
		slash[slash == above] = 0;
		if (stat(above, &st) == 0)
			return inotify_add_watch(fd, above, IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) >= 0;
		if (slash == above)
			break;
	}
	return false;
}

/* open what tells of this kind of thing; false: nothing does */
static bool
open_news(struct run *r, struct news *n, int kind)
{
	bool denied = sys_denied("inotify_init1");

	if (kind <= FOR_MOUNT && n->mounts < 0) {
		n->mounts = openat(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
		if (n->mounts >= 0)
			watch(r, n->mounts, POLLPRI, mounts_changed);
	}
	if (kind == FOR_PATH && n->paths < 0 && !denied) {
		n->paths = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (n->paths >= 0)
			watch(r, n->paths, POLLIN, heard);
	}
	if (kind == FOR_LINK && n->links < 0) {
		n->links = listen_to_links();
		if (n->links >= 0)
			watch(r, n->links, POLLIN, heard);
	}
	if (kind == FOR_MACHINE && n->machines < 0) {
		n->machines = known_watch();
		if (n->machines >= 0)
			watch(r, n->machines, POLLIN, heard);
	}
	return (kind > FOR_MOUNT || n->mounts >= 0) && (kind != FOR_PATH || n->paths >= 0) && (kind != FOR_LINK || n->links >= 0)
	    && (kind != FOR_MACHINE || n->machines >= 0);
}

static _Noreturn void
tell_missing(const struct run *r, char *const *missing)
{
	char *text = NULL;
	const char *what;
	int kind;

	for (; *missing; missing++) {
		kind = parse(*missing, &what);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		text = fmt("%s%s%s", text ? text : "", text ? ", " : "", fmt(kinds[kind].missing, what));
#pragma GCC diagnostic pop
	}
	give_up("%s%swaited %d seconds in vain: %s", r->name ? r->name : "", r->name ? ": " : "", WAIT_SECONDS, text);
}

/* of what is to be there, what is not */
static char **
look(struct run *r, struct nl *nl, struct news *n, char **want, bool *told)
{
	char **missing = NULL, **w;
	const char *what;
	int kind;

	*told = true;
	for (w = want; *w; w++) {
		kind = parse(*w, &what);
		/* first: what comes meanwhile is news */
		*told &= open_news(r, n, kind) && (kind != FOR_PATH || watch_above(n->paths, what));
		if (!is_there(r, nl, *w))
			grow(&missing, *w);
	}
	return missing;
}

static _Noreturn void
look_and_exit(struct run *r, char **want, pid_t supervisor)
{
	/* what leads over a link, or is a network's file system, tells nobody: so look now and then all the same */
	enum { LOOK_MS = 500, SELDOM_MS = 2000 };
	int64_t end = now_ms() + WAIT_SECONDS * 1000, left;
	struct news n = { -1, -1, -1, -1 };
	struct nl nl = { .fd = -1 };
	char **missing;
	bool told;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		give_up("bind its life to ours:");
	if (getppid() != supervisor)
		_exit(FAIL);
	while ((missing = look(r, &nl, &n, want, &told))) {
		left = end - now_ms();
		if (left <= 0)
			tell_missing(r, missing);
		run_wait(r, (int)(left < (told ? SELDOM_MS : LOOK_MS) ? left : told ? SELDOM_MS : LOOK_MS));
	}
	_exit(0);
}

void
depend_wait(const struct plan *p, struct run *r)
{
	struct nl nl = { .fd = -1 };
	int status;
	char **w;
	pid_t supervisor = getpid(), pid;

	if (!WITH_MACHINES)
		return;
	for (w = p->wait_for; w && *w && is_there(NULL, &nl, *w); w++)
		;
	if (nl.fd >= 0)
		nl_close(&nl);
	if (!w || !*w)
		return;
	run_signals();
	machine_tell(r, "waiting", NULL);
	pid = fork();  /* each look takes memory, and we stay for years */
	if (pid < 0)
		die("fork:");
	if (pid == 0)
		look_and_exit(r, p->wait_for, supervisor);
	status = run_child(r, pid);
	if (status < 0)
		die("%s%stold to end while it waited", r->name ? r->name : "", r->name ? ": " : "");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		exit(FAIL);  /* it has said why */
	machine_tell(r, "opening", NULL);
}
