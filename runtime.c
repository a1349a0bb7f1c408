/* SPDX-License-Identifier: 0BSD */
/*
 * The commands of the OCI runtime interface, as runc(8) and crun(1) have them. Nobody of ours stays with a container: a
 * directory in the runtime's root, ROOT/ID, says which it is, and its init how it is. One that is being made, or
 * unmade, is called ROOT/ID~, ROOT/ID~~: whose lock nobody holds was left by a command that was killed, and goes with
 * the next command
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nspawn-lite.h"

#define OURS "nspawn-lite-oci"
#define START "/proc/self/fd/%d/start"
#define STATE "{\"ociVersion\":\"" SPEC_VERSION "\",\"id\":\"%s\""  /* how all that we say of one begins */

#if WITH_HELP
#define H(text) "\t" text
#else
#define H(text) "\t"
#endif

enum { PATIENCE_MS = 10000, SETTLE_MS = 500, STEP_MS = 10, LAST_WORDS = 512, ID_LONGEST = 200 };

/* options: places of their rows, and of what the words said: NULL, nothing; of one that has a list, in many */
enum {
	A_ROOT, A_LOG, A_LOG_FORMAT, A_DEBUG, A_SYSTEMD, A_MANAGER, A_ROOTLESS, A_CRIU, A_VERSION, A_HELP,
	A_BUNDLE, A_CONFIG, A_SOCKET, A_PID_FILE, A_PRESERVE, A_NO_PIVOT, A_NO_KEYRING, A_NO_SUBREAPER,
	A_DETACH, A_KEEP, A_PROCESS, A_CWD, A_ENV, A_TTY, A_USER, A_GIDS, A_CAPS, A_NO_NEW_PRIVS, A_APPARMOR,
	A_LABEL, A_CGROUP, A_IGNORE_PAUSED, A_ALL, A_FORCE, A_QUIET, A_FORMAT, A_STATS, A_INTERVAL,
	A_RESOURCES, A_UPDATE, A_COUNT = A_UPDATE + 14,
};
static char *said[A_COUNT], **many[A_COUNT];
static const char *called = "";  /* the command; "": none, options are global ones */

struct box {
	char *name;           /* of its directory; NULL: there is none */
	const struct json *state;
	unsigned long long start;  /* of its init, in ticks since boot: another process with that pid has another */
	bool creating, found; /* found: c.groups was looked for */
	struct container c;
};

static int root = -1;  /* the directory of all of them */
static struct run life APART;

/* ---- small things ------------------------------------------------------------------------ */

/* all of a file, which is closed; NULL with errno. A 0 would hide from JSON what is behind it */
static char *
read_file(int fd)
{
	enum { MOST = 8 << 20 };
	size_t n;
	char *text = fd < 0 ? NULL : read_whole(fd, MOST, &n);

	drop(fd);
	if (!text || strlen(text) == n)
		return text;
	errno = EILSEQ;
	return NULL;
}

static char *
time_now(bool fraction)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	return fmt("%d-%02d-%02dT%02d:%02d:%02d%sZ", 1900 + tm.tm_year, 1 + tm.tm_mon, tm.tm_mday, tm.tm_hour,
	           tm.tm_min, tm.tm_sec, fraction ? fmt(".%09d", (int)now.tv_nsec) : "");
}

static int log_fd = -1;

/* only what ends us is for stderr, too: that is the container's, and clients show it as such */
static bool
write_log(int kind, const char *text)
{
	const char *level = kind == NOTE_DEATH ? "error" : kind == NOTE_WARN ? "warning" : "debug";

	if (streq(said[A_LOG_FORMAT], "json"))
		print(log_fd, "{\"level\":\"%s\",\"msg\":%s,\"time\":\"%s\"}\n", level, table_json(text),
		      time_now(false));
	else
		print(log_fd, "time=\"%s\" level=%s msg=%s\n", time_now(false), level, table_json(text));
	return kind != NOTE_DEATH;
}

/* a process is told by when it began: false: it has ended, and its parent may not have heard of that yet */
static bool
lives(pid_t pid, unsigned long long *start)
{
	char text[1024], *at;
	unsigned long long began = 0;
	bool ended;
	int i;

	snprintf(text, sizeof(text), "/proc/%d/stat", (int)pid);
	if (pid <= 0 || read_at(AT_FDCWD, text, text, sizeof(text)) <= 0)
		return false;
	at = strrchr(text, ')');
	if (!at || at[1] != ' ')
		return false;
	ended = strchr("ZXx", at[2]);
	for (i = 3; i <= 22 && at; i++) {  /* fields as in proc(5) */
		at = strchr(at + 1, ' ');
		/* its first thread may have ended, and others go on */
		if (i == 20 && at && ended && strtol(at, NULL, 10) < 2)
			return false;
	}
	if (at)
		began = strtoull(at, NULL, 10);
	if (!*start)
		*start = began;
	return began == *start;
}

/* as kill(2), but to nobody else who may have got that pid */
static int
signal_process(pid_t pid, unsigned long long start, int sig)
{
	int fd = sys_pidfd_open(pid), ret;

	if (!lives(pid, &start)) {
		drop(fd);
		errno = ESRCH;
		return -1;
	}
	ret = fd >= 0 ? sys_pidfd_signal(fd, sig) : kill(pid, sig);
	drop(fd);
	return ret;
}

/* ---- the runtime's root --------------------------------------------------------------------- */

static void
check_id(const char *id)
{
	const char *c;

	for (c = id; name_char(*c) || (*c && strchr("+.", *c)); c++)
		;
	if (*c || c == id || c - id > ID_LONGEST || streq(id, ".") || streq(id, ".."))
		die("%s: invalid container ID: letters, digits and any of _+-. make one, at most %d", id, ID_LONGEST);
}

static void
open_root(bool make)
{
	char *dir = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (!said[A_ROOT]) {
		said[A_ROOT] = run_path("/run");
		/* root of a user namespace is a user on the host, whose own that is */
		if (dir && *dir == '/' && sys_within_users() && access(said[A_ROOT], W_OK) < 0)
			said[A_ROOT] = dir;
		said[A_ROOT] = fmt("%s/" OURS, said[A_ROOT]);
	}
	root = openat(AT_FDCWD, said[A_ROOT], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 && errno == ENOENT && make && run_make_dirs(said[A_ROOT], 0700) == 0)
		root = openat(AT_FDCWD, said[A_ROOT], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 && (errno != ENOENT || make))
		die("open --root %s:", said[A_ROOT]);
	/* whom we kill, and what we run as hooks, is written there */
	if (root >= 0 && (fstat(root, &st) < 0 || st.st_uid != geteuid() || st.st_mode & 022))
		die("--root=%s: others than we can write to it: chown root, and chmod go-w", said[A_ROOT]);
}

/* a root need not go with a boot, as pids and control groups do */
static const char *
boot_id(void)
{
	static char text[40];

	if (!*text && read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, sizeof(text)) > 0)
		text[strcspn(text, "\n")] = 0;
	return text;
}

/* what is in a directory of the root; false: nothing yet, or nothing more */
static bool
load_from(struct box *b, int dir, const char *name)
{
	int fd = openat(dir, "state", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const char *start, *why;
	char *text;
	long long pid = 0;

	b->c = (struct container){ .state = dir, .console_socket = -1, .master = -1 };
	b->name = xstrdup(name);
	b->c.id = fmt("%.*s", (int)strcspn(name, "~"), name);
	if (fd < 0 && errno != ENOENT)
		die("open %s/%s/state:", said[A_ROOT], name);
	/* after a loss of power it may be empty, or anything: that is none */
	text = read_file(fd);
	b->state = text ? json_parse(text, strlen(text), &why) : NULL;
	if (!b->state)
		return false;
	json_number(b->state, "pid", 1, INT32_MAX, &pid);
	b->found = !streq(json_string(b->state, "boot"), boot_id());
	b->c.pid = b->found ? 0 : (pid_t)pid;
	start = json_string(b->state, "start");
	b->start = start ? strtoull(start, NULL, 10) : 0;
	b->c.hooks_state = fmt(STATE "%s", b->c.id, spec_members(b->state, "bundle|annotations"));
	return true;
}

static _Noreturn void
trouble(const char *what, const struct box *b, const char *file)
{
	die("%s %s/%s%s:", what, said[A_ROOT], b->name, file);
}

static bool
lock(int dir, int ms)
{
	while (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			die("lock a container:");
		if (ms <= 0)
			return false;
		ms -= STEP_MS;
		poll(NULL, 0, STEP_MS);
	}
	return true;
}

static int
open_box(const char *name)
{
	return root < 0 ? -1 : openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* false: there is none */
static bool
load(struct box *b, const char *id)
{
	int dir = open_box(id);

	memset(b, 0, sizeof(*b));
	if (dir >= 0 && load_from(b, dir, id))
		return true;
	drop(dir);
	dir = open_box(fmt("%s~", id));
	b->creating = dir >= 0 && load_from(b, dir, fmt("%s~", id));
	if (!b->creating)
		drop(dir);
	return b->creating;
}

static struct cgroups *
groups(struct box *b)
{
	const char *text = b->found || !b->state ? NULL : json_string(b->state, "groups");

	b->found = true;
	if (text && *text)
		resource_find(&b->c.groups, text);
	return &b->c.groups;
}

/* one that listens for another kind of connection says so, and hears nothing of it */
static bool
waits(const struct box *b)
{
	int fd = sys_named_socket(SOCK_STREAM, fmt(START, b->c.state), false);
	bool yes = fd < 0 && errno == EPROTOTYPE;

	drop(fd);
	return yes;
}

static const char *
status(struct box *b)
{
	if (b->creating)
		return "creating";
	if (!lives(b->c.pid, &b->start))
		return "stopped";
	return resource_frozen(groups(b)) ? "paused" : waits(b) ? "created" : "running";
}

/* whatever is in its control groups ends, and they are removed */
static bool
clear(struct box *b)
{
	struct cgroups *g = groups(b);
	int64_t begin = now_ms(), now;

	for (now = begin; now < begin + PATIENCE_MS; now = now_ms()) {
		if (g->n > 0)
			resource_signal(g, b->c.pid, SIGKILL);
		if (g->n > 0 && resource_frozen(g))
			resource_freeze(g, false);
		/* who hides too deep in groups for us holds up init: those are found by their removal */
		if ((!lives(b->c.pid, &b->start) || now > begin + SETTLE_MS) && (!g->n || resource_remove(g))
		    && !lives(b->c.pid, &b->start))
			return true;
		signal_process(b->c.pid, b->start, SIGKILL);
		poll(NULL, 0, STEP_MS);
	}
	return false;
}

/* the directory that is open is still called so */
static bool
is_called(const struct box *b)
{
	struct stat st, now;

	return fstat(b->c.state, &st) == 0 && fstatat(root, b->name, &now, AT_SYMLINK_NOFOLLOW) == 0
	       && st.st_ino == now.st_ino;
}

/* it is not there any more, all at once; then all of it goes. What does not goes with the next command. False with errno */
static bool
forget(struct box *b)
{
	const char *mark = strchr(b->name, '~');
	char *where, *gone = b->name;
	uint32_t random;

	if (!mark || !mark[1]) {
		random_bytes(&random, sizeof(random));
		gone = fmt("%s~%08x", b->c.id, random);
		if (renameat(root, b->name, root, gone) < 0 && errno != ENOENT)
			return false;
	}
	remove_tree(root, gone, &where);
	b->name = NULL;
	return true;
}

/* what a loss of power has left of one, whose state says nothing, is none: it goes */
static bool
forget_ruin(const char *id)
{
	struct box b = { .c.state = open_box(id) };
	bool gone = b.c.state >= 0 && !load_from(&b, b.c.state, id) && lock(b.c.state, 0) && forget(&b);

	drop(b.c.state);
	return gone;
}

/* of what is in the root, in no order; half: of what is being made or unmade */
static char **
list(bool half)
{
	DIR *d = root < 0 ? NULL : fdopendir(openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	char **names = xalloc(4 * sizeof(*names));
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (half == (strchr(e->d_name, '~') != NULL) && !streq(e->d_name, ".") && !streq(e->d_name, ".."))
			grow(&names, xstrdup(e->d_name));
	if (d)
		closedir(d);
	return names;
}

/* what killed commands left half-made */
static void
sweep(void)
{
	char **n;
	struct box b;

	for (n = list(true); *n; n++) {
		memset(&b, 0, sizeof(b));
		b.c.state = open_box(b.name = *n);
		if (b.c.state >= 0 && lock(b.c.state, 0) && is_called(&b)) {
			load_from(&b, b.c.state, *n);
			if (clear(&b))
				forget(&b);
		}
		drop(b.c.state);
	}
}

static _Noreturn void
die_missing(const char *id)
{
	die("%s: container does not exist", id);
}

static void
find(struct box *b, const char *id)
{
	check_id(id);
	if (!load(b, id))
		die_missing(id);
}

/* the same, that is one of these */
static void
find_one(struct box *b, const char *id, const char *states)
{
	const char *now;

	find(b, id);
	now = status(b);
	if (word_index(states, now) < 0)
		die("%s %s: container not %.*s: it is %s", called, id, (int)strcspn(states, "|"), states, now);
}

/* for who needs its bundle: that was checked when it was created, and is our copy */
static void
open_bundle(struct box *b)
{
	char *text = read_file(openat(b->c.state, "config.json", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
	struct bundle *u = &b->c.bundle;

	if (!text)
		trouble("open", b, "/config.json");
	u->config = spec_parse(text, "config.json");
	u->process = json_get(u->config, "process");
	u->path = xstrdup(json_string(b->state, "bundle"));
	u->rootfs = xstrdup(json_string(b->state, "rootfs"));
	u->read_only = json_true(u->config, "root.readonly");
}

/* alone: until we end, or forget it. False: it went meanwhile */
static bool
hold(struct box *b)
{
	if (!lock(b->c.state, PATIENCE_MS))
		die("container %s: another command is at it, and does not end", b->c.id);
	return is_called(b);
}

/* its init may have a copy of the fd, and the lock with it */
static int
release(struct box *b)
{
	return flock(b->c.state, LOCK_UN);
}

/* as load, but who creates it may be about to end: it is waited for */
static bool
load_made(struct box *b, const char *id)
{
	check_id(id);
	if (!load(b, id))
		return false;
	if (!b->creating || !lock(b->c.state, PATIENCE_MS) || is_called(b))
		return true;
	release(b);
	return load(b, id);
}

/* ---- made and unmade ---------------------------------------------------------------------------- */

static struct box *half;  /* to be unmade, should we end */

static void
unmake(struct run *r)
{
	struct box *b = half;

	(void)r;
	half = NULL;
	if (b && b->name && clear(b))
		forget(b);
}

static void
write_state(struct box *b, const char *since)
{
	const char *rootfs = b->c.bundle.rootfs ? b->c.bundle.rootfs : "";
	char *text = fmt("%s,\"rootfs\":%s,\"created\":\"%s\",\"owner\":\"root\",\"pid\":%d,\"start\":\"%llu\","
	                 "\"boot\":\"%s\",\"groups\":%s}", b->c.hooks_state, table_json(rootfs), since, (int)b->c.pid, b->start, boot_id(),
	                 table_json(resource_text(&b->c.groups)));

	if (write_at(b->c.state, "state.new", 0600, text) < 0
	    || renameat(b->c.state, "state.new", b->c.state, "state") < 0)
		trouble("write", b, "/state");
	b->state = spec_parse(text, "state");
}

static void
write_pid_file(struct box *b, pid_t pid)
{
	char *text = fmt("%d", (int)pid), *name = fmt("pid.%d", (int)getpid());  /* two may exec at a time */

	if (!said[A_PID_FILE])
		return;
	if ((write_at(b->c.state, name, 0644, text) < 0 || renameat(b->c.state, name, AT_FDCWD, said[A_PID_FILE]) < 0)
	    && write_at(AT_FDCWD, said[A_PID_FILE], 0644, text) < 0) {
		kill(pid, SIGKILL);  /* nobody would know of it */
		die("write --pid-file=%s:", said[A_PID_FILE]);
	}
	unlinkat(b->c.state, name, 0);
}

static int preserve, listen_fds;

static void
choose_fds(struct box *b, const struct json *process, bool detach)
{
	b->c.preserve = preserve + listen_fds;
	b->c.listen_fds = listen_fds;
	if (said[A_SOCKET])
		b->c.console_socket = sys_named_socket(SOCK_STREAM, said[A_SOCKET], false);
	else if (detach && json_true(process, "terminal"))
		die("process.terminal: nobody would have the terminal: --console-socket says who");
	if (said[A_SOCKET] && b->c.console_socket < 0)
		die("connect to --console-socket=%s:", said[A_SOCKET]);
}

/* others may be about to sweep it, or whoever made it and was killed is gone in a moment */
static void
make_directory(struct box *b, const char *id)
{
	int ms;

	for (ms = SETTLE_MS; ; ms -= STEP_MS) {
		memset(b, 0, sizeof(*b));
		b->name = fmt("%s~", id);
		if (mkdirat(root, b->name, 0700) < 0 && errno != EEXIST)
			die("make a directory for container %s:", id);
		b->c = (struct container){ .id = id, .state = open_box(b->name), .console_socket = -1, .master = -1 };
		if (b->c.state >= 0 && lock(b->c.state, 0) && is_called(b)
		    && faccessat(b->c.state, "state", F_OK, 0) < 0)
			break;
		if (ms <= 0)
			die("container %s is being created", id);
		drop(b->c.state);
		poll(NULL, 0, STEP_MS);
		sweep();
	}
	half = b;
	undo(&life, unmake);
	if (faccessat(root, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && !forget_ruin(id))
		die("%s: container with given ID already exists", id);
}

/* ---- sd_notify(3) -------------------------------------------------------------------------------- */

#define NOTIFY_DIR "/run/notify"
#define NOTIFY     "/notify.sock"

static void put_list(struct out *o, const char *head, const struct json *first, char **words, bool numbers);

/* who called waits to hear from it: it gets a directory, where a socket is from its start on. NULL: nobody does */
static char *
offer_notify(const struct box *b)
{
	const struct bundle *u = &b->c.bundle;
	const struct json *env;
	char *here = getenv("NOTIFY_SOCKET"), *more[] = { NULL, NULL };
	struct out o = { 0 };

	/* who has its own way, as podman, says so */
	for (env = json_first(u->process, "env"); env; env = env->next)
		if (after(env->text, "NOTIFY_SOCKET="))
			return NULL;
	if (!here || !*here || !u->process)
		return NULL;
	here = realpath(fmt("%s/%s", said[A_ROOT], b->name), NULL);
	if (!here || mkdirat(b->c.state, "notify", 0755) < 0)
		trouble("make", b, "/notify");
	spec_put_json(&o, u->config, -1);
	o.len--;
	more[0] = fmt("{\"destination\":\"" NOTIFY_DIR "\",\"type\":\"bind\",\"source\":%s,\"options\":[\"bind\",\"ro\",\"nosuid\","
	              "\"nodev\",\"noexec\"]}", table_json(fmt("%s/notify", here)));
	put_list(&o, ",\"mounts\":[", json_first(u->config, "mounts"), more, true);
	spec_put(&o, ",\"process\":");
	spec_put_json(&o, u->process, -1);
	o.len--;
	more[0] = "NOTIFY_SOCKET=" NOTIFY_DIR NOTIFY;
	put_list(&o, ",\"env\":[", json_first(u->process, "env"), more, false);
	spec_put(&o, "}}");
	return o.text;
}

/* -1: it was not offered, or nobody hears */
static int
open_notify(const struct box *b)
{
	const char *path = getenv("NOTIFY_SOCKET");
	mode_t mask;
	int fd;

	if (!path || !*path || faccessat(b->c.state, "notify", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	mask = umask(0);  /* users of its own may write to it */
	unlinkat(b->c.state, "notify" NOTIFY, 0);
	fd = sys_named_socket(SOCK_DGRAM, fmt("/proc/self/fd/%d/notify" NOTIFY, b->c.state), true);
	if (fd < 0)
		trouble("make", b, "/notify" NOTIFY);
	umask(mask);
	return fd;
}

/* from inside, but for what names processes as they are counted there, or comes with fds; true: it is ready */
static bool
pass_on(int fd)
{
	char text[4096], out[sizeof(text) + 1], *rest = text, *line;
	ssize_t n = sys_recv(fd, text, sizeof(text) - 1, NULL, NULL);
	size_t len = 0;
	bool ready = false;

	if (n <= 0)
		return false;
	text[n] = 0;
	while ((line = next_line(&rest))) {
		if (after(line, "MAINPID") || after(line, "FD") || after(line, "BARRIER="))
			continue;
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s\n", line);
		ready |= streq(line, "READY=1");
	}
	if (len)
		live_tell(out, -1);
	return ready;
}

/* what is there, and no more than a queue holds: who sends without end holds up nobody */
static bool
pass_on_all(int fd)
{
	enum { QUEUE = 16 };
	struct pollfd p = { fd, POLLIN, 0 };
	bool ready = false;
	int i;

	for (i = 0; i < QUEUE && poll(&p, 1, 0) > 0; i++)
		ready |= pass_on(fd);
	return ready;
}

static void
got_notify(struct run *r, int fd, short revents)
{
	(void)r;
	(void)revents;
	/* as for a machine's: what is sent with it may take its time to be closed */
	run_signals_open(true);
	pass_on_all(fd);
	run_signals_open(false);
}

/* who called need not hear of us any more, but of its first process */
static void
await_ready(struct box *b, int fd)
{
	enum { BARRIER_MS = 5000 };
	struct pollfd p = { fd, POLLIN, 0 };
	bool alive, ready;
	int barrier[2];

	do {
		alive = lives(b->c.pid, &b->start);
		poll(&p, 1, alive ? 10 * STEP_MS : 0);
		ready = pass_on_all(fd);
	} while (alive && !ready);
	if (!ready)
		return;
	live_tell(fmt("MAINPID=%d", (int)b->c.pid), -1);
	/* it looks for who sent that: sd_notify_barrier(3) */
	if (pipe2(barrier, O_CLOEXEC) < 0)
		return;
	live_tell("BARRIER=1", barrier[1]);
	close(barrier[1]);
	p.fd = barrier[0];
	poll(&p, 1, BARRIER_MS);
}

static char *
read_config(char **path)
{
	const char *dir = said[A_BUNDLE] ? said[A_BUNDLE] : ".";
	const char *file = said[A_CONFIG] ? said[A_CONFIG] : "config.json";
	char *text;

	*path = realpath(dir, NULL);
	if (!*path)
		die("open --bundle=%s:", dir);
	file = *file == '/' ? file : fmt("%s/%s", *path, file);
	text = read_file(openat(AT_FDCWD, file, O_RDONLY | O_CLOEXEC));
	if (!text)
		die("open %s:", file);
	if (container_needs_copy(&(struct bundle){ .config = spec_parse(xstrdup(text), file) }))
		seal_enter_copy(live_argv);
	else
		seal_enter(live_argv, false);
	return text;
}

static void
take_bundle(struct box *b, char *path, const char *text)
{
	const char *at;

	/* what it says stays as it is now, for exec, hooks and update */
	for (; text; text = offer_notify(b)) {
		if (write_at(b->c.state, "config.json", 0600, text) < 0)
			trouble("write", b, "/config.json");
		bundle_open(&b->c.bundle, fmt("%s/%s", said[A_ROOT], b->name), false);
	}
	b->c.bundle.path = path;
	at = json_string(b->c.bundle.config, "root.path");
	b->c.bundle.rootfs = !at ? NULL : *at == '/' ? xstrdup(at) : fmt("%s/%s", path, at);
	b->c.hooks_state = fmt(STATE ",\"bundle\":%s%s", b->c.id, table_json(path),
	                       spec_members(b->c.bundle.config, "annotations"));
}

/* what is noted is emptied by who sweeps: nobody else is to be in there */
static void
check_groups(struct box *b)
{
	char *text = resource_text(&b->c.groups);
	struct cgroups there;
	pid_t *pids;

	text[strcspn(text, "\n") + (*text != 0)] = 0;
	if (!resource_find(&there, text) || !resource_processes(&there, &pids))
		return;
	b->c.groups.n = 0;  /* they are not ours to be unmade */
	die("linux.cgroupsPath: control group %s is in use by others", there.share[0].path);
}

static void
make(struct box *b, const char *id, bool detach)
{
	const bool systemd = said[A_SYSTEMD] || streq(said[A_MANAGER], "systemd");
	const struct json *config, *j;
	char *since, *path, *text;

	check_id(id);
	text = read_config(&path);
	since = time_now(true);
	if (root < 0)
		open_root(true);
	make_directory(b, id);
	take_bundle(b, path, text);
	config = b->c.bundle.config;
	choose_fds(b, b->c.bundle.process, detach);
	b->c.no_pivot = said[A_NO_PIVOT] != NULL;
	b->c.no_new_keyring = said[A_NO_KEYRING] != NULL;
	b->found = true;
	if (!streq(said[A_MANAGER], "disabled")) {
		resource_choose(&b->c.groups, json_string(config, "linux.cgroupsPath"), id, systemd);
		check_groups(b);
		write_state(b, since);
		resource_make(&b->c.groups, NULL, id, systemd);
		resource_set(&b->c.groups, json_get(config, "linux.resources"));
	} else
		for (j = json_first(config, "linux.resources"); j; j = j->next)
			if (!streq(j->name, "devices"))
				die("linux.resources.%s: --cgroup-manager=disabled leaves nothing to hold it", j->name);
	container_create(&b->c);
	if (!lives(b->c.pid, &b->start))
		die("container %s: its first process has ended already", id);
	write_state(b, since);
	write_pid_file(b, b->c.pid);
	if (renameat(root, b->name, root, id) < 0)
		trouble("rename", b, "");
	b->name = xstrdup(id);
}

/* it goes on until it is what it shall be, or says why not */
static void
begin(struct box *b)
{
	int fd = sys_named_socket(SOCK_SEQPACKET, fmt(START, b->c.state), false);
	char text[NOTE_MAX];
	ssize_t n;

	if (fd < 0)
		die("container %s: reach its first process:", b->c.id);
	do {
		n = sys_recv(fd, text, sizeof(text) - 1, NULL, NULL);
		if (n < 2)
			continue;
		text[n] = 0;
		if (*text == NOTE_DEATH) {
			/* dockerd asks at once to delete it, and is refused until its shim has heard of its end. Of run we are the parent */
			for (n = half ? 0 : SETTLE_MS; n > 0 && kill(b->c.pid, 0) == 0; n -= STEP_MS)
				poll(NULL, 0, STEP_MS);
			die_with((unsigned char)text[1], "%s", text + 2);
		}
		warn("%s", text + 2);
	} while (n > 0 || (n < 0 && errno == EINTR));
	close(fd);
	container_hooks(&b->c, "poststart", "running");
}

static void
destroy(struct box *b)
{
	if (!clear(b))
		die("container %s: some of its processes do not end", b->c.id);
	if (!b->c.bundle.config)
		open_bundle(b);
	container_hooks(&b->c, "poststop", "stopped");
	if (!forget(b))
		trouble("remove", b, "");
}

/* ---- who stays until it ends ------------------------------------------------------------------------ */

static const int passed[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPWR, SIGALRM, SIGCONT, SIGWINCH };

/* what comes from now on is for who runs in it, as soon as that is born */
static void
take_signals(void)
{
	size_t i;

	run_signals();
	for (i = 0; i < LEN(passed); i++)
		run_signal_too(passed[i]);
}

static int
stay(struct box *b, pid_t pid)
{
	struct run *r = &life;
	int result = 0, got;
	bool ended = false, held = false;
	pid_t who;
	size_t i;

	r->mode = b->c.master >= 0 ? CONSOLE_INTERACTIVE : CONSOLE_PIPE;
	r->master = b->c.master;
	console_begin(r);
	for (;;) {
		while ((who = waitpid(-1, &got, WNOHANG)) > 0) {
			if (who == r->guard)
				r->guard = 0;
			if (who != pid)
				continue;
			result = got;
			ended = true;
		}
		if (ended || held)
			break;
		if (run_wait(r, r->console_lost || r->no_more ? 100 : -1) == 0)
			console_again(r);
		for (i = 0; i < LEN(passed); i++) {
			if (!run_signalled(passed[i]))
				continue;
			if (passed[i] == SIGWINCH && r->master >= 0) {
				console_resize(r);
			} else if (lives(pid, &(unsigned long long){ 0 })) {
				kill(pid, passed[i]);
			} else {  /* it is ours to reap by now, or traced by another inside who does not let go */
				result = passed[i];
				held = true;
			}
		}
		if (streq(r->want, "kill"))
			kill(pid, SIGKILL);
		r->want = NULL;
	}
	console_drain_some(r, LAST_WORDS);
	return WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
}

/* ---- commands ------------------------------------------------------------------------------------------ */

static int
do_create(char **words)
{
	static struct box b;

	make(&b, words[0], true);
	half = NULL;
	return release(&b);
}

static int
do_run(char **words)
{
	static struct box b;
	int result, notify;

	if (!said[A_DETACH] && !said[A_NO_SUBREAPER])
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	make(&b, words[0], said[A_DETACH] != NULL);
	if (!said[A_DETACH])
		take_signals();
	life.mode = CONSOLE_INTERACTIVE;
	life.master = b.c.master;
	if (life.master >= 0)
		console_resize(&life);
	notify = open_notify(&b);
	begin(&b);
	half = NULL;
	release(&b);
	if (notify >= 0 && !said[A_DETACH])
		watch(&life, notify, POLLIN, got_notify);
	else if (notify >= 0)
		await_ready(&b, notify);
	if (said[A_DETACH])
		return 0;
	result = stay(&b, b.c.pid);
	if (notify >= 0)
		pass_on_all(notify);
	if (!said[A_KEEP] && hold(&b))
		destroy(&b);
	return result;
}

static int
do_start(char **words)
{
	struct box b;
	int notify, held;

	if (!load_made(&b, words[0]) || (!b.creating && !hold(&b)))
		die_missing(words[0]);
	held = b.c.state;
	find_one(&b, words[0], "created");
	open_bundle(&b);
	notify = open_notify(&b);
	begin(&b);
	if (notify >= 0) {
		flock(held, LOCK_UN);
		await_ready(&b, notify);
	}
	return 0;
}

static char *
describe(const struct box *b, const char *sort)
{
	return fmt(STATE ",\"pid\":%d,\"status\":\"%s\"%s}", b->c.id, streq(sort, "stopped") ? 0 : (int)b->c.pid, sort,
	           spec_members(b->state, "bundle|rootfs|created|annotations|owner"));
}

static int
do_state(char **words)
{
	struct box b;

	find(&b, words[0]);
	print(1, "%s", spec_pretty(describe(&b, status(&b))));
	return 0;
}

static int
do_kill(char **words)
{
	const char *word = words[1] ? words[1] : "TERM";
	char *upper = xstrdup(word), *c;
	struct box b;
	int sig, done;

	for (c = upper; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c -= 'a' - 'A';
	sig = user_signal(upper);
	if (!sig && !streq(word, "0"))
		die("%s: no such signal", word);
	find(&b, words[0]);
	if (said[A_ALL]) {
		done = groups(&b)->n ? resource_signal(&b.c.groups, b.c.pid, sig)
		     : signal_process(b.c.pid, b.start, sig);
		if (done < 0 && errno == ESRCH)
			return 0;
	} else {
		done = signal_process(b.c.pid, b.start, sig);
	}
	if (done < 0 && errno == ESRCH)
		die("kill %s: container not running", b.c.id);
	if (done < 0)
		die("kill %s:", b.c.id);
	if (sig == SIGKILL)
		resource_let_end(groups(&b));
	return 0;
}

static const char *
check_deletable(struct box *b)
{
	const char *now = status(b);

	if (b->creating)
		die("container %s is being created", b->c.id);
	if (!said[A_FORCE] && word_index("stopped|created", now) < 0)
		die("cannot delete container %s that is not stopped: it is %s", b->c.id, now);
	return now;
}

static int
do_delete(char **words)
{
	struct box b;
	const char *now;

	if (!load_made(&b, words[0])) {
		if (forget_ruin(words[0]) || said[A_FORCE])
			return 0;
		die_missing(words[0]);
	}
	now = check_deletable(&b);
	/* who waits for it while it is locked does so no longer */
	if (said[A_FORCE] && signal_process(b.c.pid, b.start, SIGKILL) == 0 && streq(now, "paused"))
		resource_freeze(groups(&b), false);
	if (!hold(&b)) {
		if (said[A_FORCE])
			return 0;
		die_missing(b.c.id);
	}
	check_deletable(&b);  /* whoever had the lock may have started it */
	destroy(&b);
	return 0;
}

/* a,b], where a is of the configuration and b of the words */
static void
put_list(struct out *o, const char *head, const struct json *first, char **words, bool numbers)
{
	const char *separator = "";

	spec_put(o, "%s", head);
	for (; first; first = first->next, separator = ",") {
		spec_put(o, "%s", separator);
		spec_put_json(o, first, -1);
	}
	for (; words && *words; words++, separator = ",")
		spec_put(o, "%s%s", separator, numbers ? *words : table_json(*words));
	spec_put(o, "]");
}

static void
put_user(struct out *o, const struct json *process)
{
	long long id[2] = { 0, 0 }, gid;
	const char *s = said[A_USER];
	char **w;
	size_t i;

	json_number(process, "user.uid", 0, UINT32_MAX, &id[0]);
	json_number(process, "user.gid", 0, UINT32_MAX, &id[1]);
	for (i = 0; i < 2 && s && *s; i++) {
		if (!parse_number(fmt("%.*s", (int)strcspn(s, ":"), s), 0, UINT32_MAX - 1, &id[i]))
			die("--user=%s: not UID or UID:GID, in numbers", said[A_USER]);
		s += strcspn(s, ":");
		s += *s == ':';
	}
	for (w = many[A_GIDS]; w && *w; w++)
		if (!parse_number(*w, 0, UINT32_MAX - 1, &gid))
			die("--additional-gids=%s: not a GID, in numbers", *w);
	spec_put(o, ",\"user\":{\"uid\":%lld,\"gid\":%lld", id[0], id[1]);
	put_list(o, ",\"additionalGids\":[", said[A_USER] ? NULL : json_first(process, "user.additionalGids"),
	         many[A_GIDS], true);
	spec_put(o, "}");
}

/* process of the configuration, or of a file, and what words change: of two members with one name the last counts */
static const struct json *
choose_process(struct box *b, char **words)
{
	static const char *const sets[] = { "bounding", "effective", "permitted", "ambient" };
	static const struct { const char *name; int option; } texts[] = {
		{ "cwd", A_CWD }, { "apparmorProfile", A_APPARMOR }, { "selinuxLabel", A_LABEL },
	};
	const char *file = said[A_PROCESS];
	const struct json *process = file ? bundle_read(file) : b->c.bundle.process;
	struct out o = { 0 };
	size_t i;

	if (file)
		bundle_check_process(process, file);
	if (!process)
		die("container %s has no process whose rights another could have: --process says them", b->c.id);
	if (!*words && !file)
		die("exec: say what to execute");
	spec_put_json(&o, process, -1);
	o.text[--o.len] = 0;
	if (*words)
		put_list(&o, ",\"args\":[", NULL, words, false);
	if (!file || said[A_TTY])
		spec_put(&o, ",\"terminal\":%s", said[A_TTY] ? "true" : "false");
	for (i = 0; i < LEN(texts); i++)
		if (said[texts[i].option])
			spec_put(&o, ",\"%s\":%s", texts[i].name, table_json(said[texts[i].option]));
	if (said[A_NO_NEW_PRIVS])
		spec_put(&o, ",\"noNewPrivileges\":true");
	if (many[A_ENV])
		put_list(&o, ",\"env\":[", json_first(process, "env"), many[A_ENV], false);
	if (said[A_USER] || many[A_GIDS])
		put_user(&o, process);
	for (i = 0; i < LEN(sets) && many[A_CAPS]; i++)
		put_list(&o, fmt("%s\"%s\":[", i ? "," : ",\"capabilities\":{", sets[i]),
		         json_first(process, fmt("capabilities.%s", sets[i])), many[A_CAPS], false);
	spec_put(&o, many[A_CAPS] ? "}}" : "}");
	process = spec_parse(o.text, "process");
	bundle_check_process(process, "exec");
	return process;
}

static bool
lives_still(const struct container *c)
{
	const struct box *b = (const struct box *)((const char *)c - offsetof(struct box, c));
	unsigned long long start = b->start;

	return lives(c->pid, &start);
}

static int
do_exec(char **words)
{
	const struct json *process;
	struct box b;
	pid_t pid;

	find_one(&b, words[0], said[A_IGNORE_PAUSED] ? "running|created|paused" : "running|created");
	if (said[A_CGROUP] && !streq(said[A_CGROUP], "/"))
		die("--cgroup=%s: a process of exec is where the container's own are", said[A_CGROUP]);
	seal_enter_copy(live_argv);
	open_bundle(&b);
	process = choose_process(&b, words + 1);
	choose_fds(&b, process, said[A_DETACH] != NULL);
	groups(&b);
	b.c.lives = lives_still;
	if (!said[A_DETACH])
		take_signals();
	pid = container_exec(&b.c, process);
	write_pid_file(&b, pid);
	return said[A_DETACH] ? 0 : stay(&b, pid);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
do_list(char **words)
{
	static const char row[] = "%-*s  %-9s %-9s %-30s  %-30s  %s\n";
	bool json = streq(said[A_FORMAT], "json"), first = true;
	char **names = list(false), **n;
	const char *now, *bundle;
	struct box b;
	int wide = 10;
	size_t i;

	(void)words;
	for (n = names; *n; n++)
		wide = (int)strlen(*n) > wide ? (int)strlen(*n) : wide;
	qsort(names, (size_t)(n - names), sizeof(*names), compare);
	if (json)
		print(1, "[");
	else if (!said[A_QUIET])
		print(1, row, wide, "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER");
	for (n = names; *n; n++) {
		if (!load(&b, *n) || b.creating)
			continue;
		now = status(&b);
		bundle = json_string(b.state, "bundle");
		if (said[A_QUIET] && !json)
			print(1, "%s\n", *n);
		else if (json)
			print(1, "%s%s", first ? "" : ",", describe(&b, now));
		else
			print(1, row, wide, *n, fmt("%d", streq(now, "stopped") ? 0 : (int)b.c.pid), now,
			      table_plain(bundle, strlen(bundle)), json_string(b.state, "created"), "root");
		first = false;
		close(b.c.state);
		for (i = 0; i < b.c.groups.n; i++)
			drop(b.c.groups.share[i].dir);
	}
	if (json)
		print(1, "]\n");
	return 0;
}

static int
do_freeze(char **words)
{
	bool on = *called == 'p';
	struct box b;

	find_one(&b, words[0], on ? "running|created" : "paused");
	if (!groups(&b)->n)
		die("pause %s: it has no control group, which could be frozen", words[0]);
	if (!resource_freeze(&b.c.groups, on))
		die("%s %s:", called, words[0]);
	return 0;
}

static int
do_ps(char **words)
{
	bool json = streq(said[A_FORMAT], "json");
	pid_t *pids = NULL;
	char text[256];
	struct box b;
	size_t i, n;

	find(&b, words[0]);
	n = resource_processes(groups(&b), &pids);
	print(1, json ? "[" : "PID      COMMAND\n");
	for (i = 0; i < n; i++) {
		if (json) {
			print(1, "%s%d", i ? "," : "", (int)pids[i]);
			continue;
		}
		if (read_at(AT_FDCWD, fmt("/proc/%d/comm", (int)pids[i]), text, sizeof(text)) <= 0)
			continue;
		text[strcspn(text, "\n")] = 0;
		print(1, "%-8d %s\n", (int)pids[i], table_plain(text, strlen(text)));
	}
	if (json)
		print(1, "]\n");
	return 0;
}

static int
do_events(char **words)
{
	struct timespec pause = { .tv_sec = 5 };
	const char *interval = said[A_INTERVAL];
	long long seconds;
	struct box b;
	int status = 0;
	pid_t pid;

	if (interval && parse_number(fmt("%.*s", (int)strcspn(interval, "s"), interval), 1, 86400, &seconds))
		pause.tv_sec = seconds;
	else if (interval)
		die("--interval=%s: not a number of seconds", interval);
	find_one(&b, words[0], "running|created|paused");
	groups(&b);
	do {
		/* by a child, with which all goes that it took */
		pid = said[A_STATS] ? 0 : fork();
		if (pid < 0)
			die("make a process:");
		if (pid == 0) {
			print(1, "{\"type\":\"stats\",\"id\":\"%s\",\"data\":%s}\n", b.c.id, resource_stats(&b.c.groups));
			return 0;
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (status)
			return FAIL;
		nanosleep(&pause, NULL);
	} while (lives(b.c.pid, &b.start));
	return 0;
}

static int
do_features(char **words)
{
	(void)words;
	print(1, "%s", spec_features());
	return 0;
}

static int
do_spec(char **words)
{
	char *path = fmt("%s/config.json", said[A_BUNDLE] ? said[A_BUNDLE] : "."), *all = spec_config();
	int fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	(void)words;
	if (fd < 0 && errno == EEXIST)
		die("%s exists: remove it first", path);
	if (fd < 0 || write_all(fd, all, strlen(all)) < 0 || close(fd) < 0)
		die("write %s:", path);
	return 0;
}

static int do_update(char **words), do_help(char **words), do_refuse(char **words);

/* ---- words ------------------------------------------------------------------------------------------------ */

/*
 * Of commands: its letter, where options name it; "-": it has none of its own, and so "0", which looks at no
 * container. Its name, what words it takes, and a text
 */
static const struct { int (*fn)(char **words); const char *row; } commands[] = {
	{ do_create,   "c - create ID" H("make a container of a bundle; its process waits for start") },
	{ do_start,    "- - start ID" H("let it go on") },
	{ do_run,      "r - run ID" H("both, and wait until it has ended; its status is ours") },
	{ do_exec,     "e - exec ID [COMMAND [WORD...]]" H("run a command in it") },
	{ do_state,    "- - state ID" H("print how it is, as JSON") },
	{ do_list,     "l - list" H("list all") },
	{ do_ps,       "p - ps ID [WORD...]" H("list its processes") },
	{ do_kill,     "k - kill ID [SIGNAL]" H("send its first process a signal (TERM)") },
	{ do_delete,   "d - delete ID" H("remove one that has ended") },
	{ do_freeze,   "- - pause ID" H("stop all its processes where they are") },
	{ do_freeze,   "- - resume ID" H("let them go on") },
	{ do_update,   "u - update ID" H("change its limits") },
	{ do_events,   "v - events ID" H("print what it takes, as JSON, every few seconds") },
	{ do_features, "0 - features" H("print what there is, as JSON") },
	{ do_spec,     "s - spec" H("write a config.json to begin with") },
	{ do_refuse,   "0 - checkpoint [WORD...]" H("refused") },
	{ do_refuse,   "0 - restore [WORD...]" H("refused") },
	{ do_help,     "0 - help [COMMAND]" H("print this text") },
};

/*
 * Commands that have it (".": before any; "*": all), its letter, its name; of a value "=", and what that is: "A|B" all
 * that it may be, "..." any number of them. Then a text, or the member of linux.resources that it is
 */
static const char *const options[A_COUNT] = {
	[A_ROOT]         = ". - root=DIR" H("where containers are kept (/run/" OURS ")"),
	[A_LOG]          = ". - log=FILE" H("write there, too, what goes wrong"),
	[A_LOG_FORMAT]   = ". - log-format=text|json" H("how (text)"),
	[A_DEBUG]        = ". - debug" H("say each step"),
	[A_SYSTEMD]      = ". - systemd-cgroup" H("cgroupsPath is SLICE:PREFIX:NAME"),
	[A_MANAGER]      = ". - cgroup-manager=cgroupfs|systemd|disabled" H("the same; or no control groups"),
	[A_ROOTLESS]     = ". - rootless=true|false|auto" H("ignored"),
	[A_CRIU]         = ". - criu=PATH" H("ignored"),
	[A_VERSION]      = ". v version" H("print the version"),
	[A_HELP]         = "* h help" H("print this text"),
	[A_BUNDLE]       = "crs b bundle=DIR" H("the bundle (.)"),
	[A_CONFIG]       = "cr f config=FILE" H("in place of its config.json"),
	[A_SOCKET]       = "cre - console-socket=SOCKET" H("who gets the terminal"),
	[A_PID_FILE]     = "cre - pid-file=FILE" H("write its pid there"),
	[A_PRESERVE]     = "cre - preserve-fds=N" H("hand in so many fds from 3 on"),
	[A_NO_PIVOT]     = "cr - no-pivot" H("the host's root is in memory: do not pivot"),
	[A_NO_KEYRING]   = "cr - no-new-keyring" H("keep the keyring of our session"),
	[A_NO_SUBREAPER] = "cr - no-subreaper" H("leave orphans to others"),
	[A_DETACH]       = "re d detach" H("do not wait until it has ended"),
	[A_KEEP]         = "r - keep" H("do not delete it then"),
	[A_PROCESS]      = "e p process=FILE" H("a process as config.json has them"),
	[A_CWD]          = "e - cwd=DIR" H("where it starts"),
	[A_ENV]          = "e e env=NAME=VALUE..." H("set a variable"),
	[A_TTY]          = "e t tty" H("with a terminal"),
	[A_USER]         = "e u user=UID[:GID]" H("as this user"),
	[A_GIDS]         = "e g additional-gids=GID..." H("in this group, too"),
	[A_CAPS]         = "e c cap=CAP..." H("with this capability, too"),
	[A_NO_NEW_PRIVS] = "e - no-new-privs" H("it gains none by exec"),
	[A_APPARMOR]     = "e - apparmor=PROFILE" H("its profile of AppArmor"),
	[A_LABEL]        = "e - process-label=LABEL" H("its label of SELinux"),
	[A_CGROUP]       = "e - cgroup=PATH" H("/: there is none but the container's own"),
	[A_IGNORE_PAUSED] = "e - ignore-paused" H("though it is paused"),
	[A_ALL]          = "k a all" H("all its processes"),
	[A_FORCE]        = "d f force" H("kill it first; one that is not there is fine"),
	[A_QUIET]        = "l q quiet" H("their IDs only"),
	[A_FORMAT]       = "lp f format=table|json" H("how (table)"),
	[A_STATS]        = "v - stats" H("once"),
	[A_INTERVAL]     = "v - interval=SECONDS" H("between two lines (5)"),
	[A_RESOURCES]    = "u r resources=FILE" H("linux.resources as config.json has them; - is stdin"),
	[A_UPDATE]       = "u - memory=VALUE\tmemory.limit",
	"u - memory-reservation=VALUE\tmemory.reservation",
	"u - memory-swap=VALUE\tmemory.swap",
	"u - kernel-memory=VALUE\tmemory.kernel",
	"u - kernel-memory-tcp=VALUE\tmemory.kernelTCP",
	"u - cpu-period=VALUE\tcpu.period",
	"u - cpu-quota=VALUE\tcpu.quota",
	"u - cpu-share=VALUE\tcpu.shares",
	"u - cpu-rt-period=VALUE\tcpu.realtimePeriod",
	"u - cpu-rt-runtime=VALUE\tcpu.realtimeRuntime",
	"u - cpuset-cpus=VALUE\tcpu.cpus",
	"u - cpuset-mems=VALUE\tcpu.mems",
	"u - pids-limit=VALUE\tpids.limit",
	"u - blkio-weight=VALUE\tblockIO.weight",
};

struct row { const char *name, *help; char *rest, letter; size_t len; };

static void
read_row(const char *row, struct row *r)
{
	r->name = strchr(row, ' ') + 3;
	r->letter = r->name[-2];
	r->len = strcspn(r->name, "= \t");
	r->help = strchr(r->name, '\t') + 1;
	r->rest = fmt("%.*s", (int)(r->help - 1 - r->name - r->len), r->name + r->len);
}

static bool
is_named(const struct row *r, const char *name, size_t len)
{
	return r->len == len && strncmp(r->name, name, len) == 0;
}

static char letter = '.';  /* of the command */

static bool
concerns(const char *row)
{
	return *row == '*' || memchr(row, letter, strcspn(row, " "));
}

static int
do_refuse(char **words)
{
	(void)words;
	die("%s: no process is written to disk here", called);
}

/* last: the object that is open; what is now */
static char *
add_update(struct out *o, char *last, int i)
{
	struct row row;
	char *value = said[i], *group, *member, *unit;
	bool text;
	long long n;
	uint64_t size;

	if (!value)
		return last;
	read_row(options[i], &row);
	member = strchr(row.help, '.');
	group = fmt("%.*s", (int)(member - row.help), row.help);
	text = after(++member, "cpus") || after(member, "mems");
	unit = value + strcspn(value, "kmg");  /* as runc, in either case */
	if (!text && *unit)
		*unit -= 'a' - 'A';
	if (!text && parse_number(value, -1, INT64_MAX, &n))
		value = fmt("%lld", n);
	else if (!text && streq(group, "memory") && parse_size(value, &size) && size <= INT64_MAX)
		value = fmt("%llu", (unsigned long long)size);
	else if (!text)
		die("--%.*s=%s: not a number", (int)row.len, row.name, value);
	if (streq(last, group))
		spec_put(o, ",");
	else
		spec_put(o, "%s\"%s\":{", last ? "}," : "", group);
	spec_put(o, "\"%s\":%s", member, text ? table_json(value) : value);
	return group;
}

static int
do_update(char **words)
{
	const char *name = said[A_RESOURCES] ? said[A_RESOURCES] : "update";
	char *group = NULL;
	const struct json *resources;
	struct out o = { 0 };
	struct box b;
	char *text;
	int i;

	find_one(&b, words[0], "running|created|paused");
	if (said[A_RESOURCES]) {
		text = read_file(streq(name, "-") ? dup(0) : openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC));
		if (!text)
			die("read --resources=%s:", name);
	} else {
		spec_put(&o, "{");
		for (i = A_UPDATE; i < A_COUNT; i++)
			group = add_update(&o, group, i);
		if (!group)
			die("update: say what to change: --resources=FILE, or options that update --help lists");
		spec_put(&o, "}}");
		text = o.text;
	}
	resources = spec_parse(text, name);
	bundle_check_resources(resources, name);
	resource_set(groups(&b), resources);
	return 0;
}

static int (*command)(char **words);

/* NULL: it is none. r: what there is to say of it */
static bool
choose_command(const char *name, struct row *r)
{
	size_t i;

	for (i = 0; i < LEN(commands); i++) {
		read_row(commands[i].row, r);
		if (!is_named(r, name, strlen(name)))
			continue;
		command = commands[i].fn;
		letter = *commands[i].row;
		called = name;
		return true;
	}
	return false;
}

static int
do_help(char **words)
{
	struct row r;
	size_t i;

	if (*words && choose_command(*words, &r)) {
		print(1, "%s %s [OPTION...]%s\n\n%s.\n", verb_called, called, r.rest, r.help);
	} else {
		letter = '.';
		print(1, "%s [OPTION...] COMMAND [WORD...]\n\nContainers as the runtime-spec of the OCI has them.\n\n"
		      "Commands:\n", verb_called);
		for (i = 0; i < LEN(commands); i++) {
			read_row(commands[i].row, &r);
			verb_help_row(fmt("  %.*s%s", (int)r.len, r.name, r.rest), r.help);
		}
	}
	print(1, "\nOptions:\n");
	for (i = 0; i < A_COUNT; i++) {
		read_row(options[i], &r);
		if (concerns(options[i]))
			verb_help_row(fmt("  %s--%.*s%s", r.letter == '-' ? "   " : fmt("-%c ", r.letter), (int)r.len, r.name,
			              r.rest), r.help);
	}
	return 0;
}

/* by its letter, or, where there are dashes, by its name */
static int
find_option(const char *dashes, const char *name, size_t len, struct row *r)
{
	int i;

	for (i = 0; i < A_COUNT; i++) {
		read_row(options[i], r);
		if (concerns(options[i]) && (dashes[1] ? is_named(r, name, len) : r->letter == *name && *name != '-'))
			return i;
	}
	die("%s%sunknown option %s%.*s; %s%s%s --help lists all", called, *called ? ": " : "", dashes, (int)len, name,
	    verb_called, *called ? " " : "", called);
}

static void
take(int i, const struct row *r, char *value)
{
	int yes;

	if (!*r->rest) {
		yes = value ? parse_bool(value) : 1;
		if (yes < 0)
			die("--%.*s=%s: neither yes nor no", (int)r->len, r->name, value);
		value = yes ? "yes" : NULL;
	} else if (strstr(r->rest, "...")) {
		grow(&many[i], value);
	} else if (strchr(r->rest, '|') && word_index(r->rest + 1, value) < 0) {
		die("--%.*s=%s: not one of: %s", (int)r->len, r->name, value, r->rest + 1);
	}
	said[i] = value;
}

/* options at the front, or all; what is left. Letters of flags may stand together */
static char **
take_options(char **words, bool front)
{
	char **left = xalloc(4 * sizeof(*left)), *word, *value;
	struct row r;
	size_t len;
	int i;

	for (; (word = *words); words++) {
		if (*word != '-' || !word[1]) {
			if (front)
				break;
			grow(&left, word);
			continue;
		}
		if (streq(word, "--")) {
			words++;
			break;
		}
		if (word[1] == '-') {
			len = strcspn(word + 2, "=");
			i = find_option("--", word + 2, len, &r);
			value = word[2 + len] ? word + 3 + len : NULL;
		} else {
			while (i = find_option("-", ++word, 1, &r), !*r.rest && word[1])
				take(i, &r, NULL);
			value = word[1] ? word + 1 + (word[1] == '=') : NULL;
		}
		if (!value && *r.rest && !(value = *++words))
			die("option --%.*s takes a value: %s", (int)r.len, r.name, r.rest + 1);
		take(i, &r, value);
	}
	for (; *words; words++)
		grow(&left, *words);
	return left;
}

static int
print_version(void)
{
	print(1, OURS " version " VERSION "\ncommit: " VERSION "\nspec: " SPEC_VERSION "\n"
	      "+CAP +SECCOMP +EBPF +APPARMOR +SELINUX\n");
	return 0;
}

static void
open_log(void)
{
	verbose = said[A_DEBUG] != NULL;
	if (!said[A_LOG] || !*said[A_LOG] || streq(said[A_LOG], "/dev/stderr"))
		return;
	log_fd = openat(AT_FDCWD, said[A_LOG], O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0644);
	if (log_fd < 0)
		die("open --log=%s:", said[A_LOG]);
	overheard = write_log;
}

/* before anything of ours is open */
static void
check_preserved(void)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	long long n = 0;
	int fd;

	if (said[A_PRESERVE] && !parse_number(said[A_PRESERVE], 0, 1024, &n))
		die("--preserve-fds=%s: not a number from 0 to 1024", said[A_PRESERVE]);
	preserve = (int)n;
	/* what is for somebody else, who has left it in our environment, is not ours to hand on: sd_listen_fds(3) */
	if (fds && pid && strchr("cre", letter) && parse_number(pid, getpid(), getpid(), &n)
	    && parse_number(fds, 0, 1024, &n))
		listen_fds = (int)n;
	for (fd = 3; fd < 3 + preserve + listen_fds; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			die("--preserve-fds=%d: fd %d is not open", preserve, fd);
}

int
runtime_main(char **words)
{
	size_t n, most = 0;
	struct row r;
	const char *c;
	char **all;

	signal(SIGCHLD, SIG_DFL);  /* who ignores it gets no status */
	if (word_index("runc|crun|nspawn-lite-oci", verb_called) < 0)
		verb_called = fmt("%s oci", verb_called);
	all = take_options(words, true);
	if (said[A_VERSION])
		return print_version();
	if (said[A_HELP] || !*all)
		return do_help(all), !said[A_HELP];
	if (!choose_command(*all, &r))
		die("%s is no command; %s --help lists them", *all, verb_called);
	/* whatever options it has elsewhere. Whether there is help for it tells podman and CRI-O whether there is checkpoint */
	if (command == do_refuse) {
		open_log();
		return do_refuse(NULL);
	}
	/* of what follows the first word of these, nothing is ours */
	words = take_options(all + 1, strchr("ep", letter) != NULL);
	if (said[A_HELP])
		return do_help(all);
	check_preserved();
	open_log();
	say("%s", called);
	n = count(words);
	for (c = r.rest; *c; c++)
		most += *c == ' ';
	if ((!n && after(r.rest, " ID")) || (n > most && !strstr(r.rest, "...")))
		die("%s: %s: %s %s%s", called, n ? "too many words" : "say more", verb_called, called, r.rest);
	if (strchr("0s", letter))
		return command(words);
	if (getauxval(AT_EUID) != 0)
		die("Need to be root, of a user namespace at least, as podman makes them.");
	run_begin(&life);
	open_root(false);
	sweep();
	return command(words);
}
