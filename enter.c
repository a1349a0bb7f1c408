/* SPDX-License-Identifier: 0BSD */
/*
 * Into a running machine: exec, shell, login. We stay on the host. A child of ours executes a sealed copy of our program,
 * whose memory has nothing of the host's; it joins the machine, sheds all rights that the payload has not, and only then makes
 * the process that is born inside, as a child of ours. What the machine can see of that one is its own already.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

#define NO_MACHINE "Could not get path to machine"

/* ---- the way in ------------------------------------------------------------------- */

/* of its leader; each is that process's, or nobody's */
struct gate { int pidfd, ns, root; };

static _Noreturn void
die_of_state(const struct known *k)
{
	if (streq(k->state, "waiting"))
		die("machine %s waits for what it needs, and has not started yet", k->name);
	if (streq(k->state, "opening"))
		die("machine %s is only just starting", k->name);
	die("machine %s is just ending", k->name);
}

/* its leader's pid is that process's as long as the register says so: look again once all is open */
static void
open_gate(const struct known *k, struct gate *g)
{
	char *proc = fmt("/proc/%d", (int)k->leader);
	int error;

	if (k->leader <= 0)
		die_of_state(k);
	if (k->old)
		die("machine %s was begun by an older nspawn-lite, and nobody knows what may go in there: stop it, and start it again",
		    k->name);
	g->pidfd = sys_pidfd_open(k->leader);
	g->ns = openat(AT_FDCWD, fmt("%s/ns", proc), O_PATH | O_DIRECTORY | O_CLOEXEC);
	g->root = openat(AT_FDCWD, fmt("%s/root", proc), O_PATH | O_DIRECTORY | O_CLOEXEC);
	error = errno;
	if (!known_leads(k))
		die("machine %s has ended, or begins again", k->name);
	if (g->ns >= 0 && g->root >= 0)
		return;
	if (access("/proc/self", F_OK) < 0)
		die("look at machine %s: /proc is not mounted", k->name);
	errno = error;
	die(errno == EACCES || errno == EPERM ? "look at machine %s:" : "machine %s is just ending:", k->name);
}

const struct enter_kind enter_kinds[BUNDLE_KINDS] = {
	{ "cgroup", CLONE_NEWCGROUP }, { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS }, { "net", CLONE_NEWNET },
	{ "pid", CLONE_NEWPID }, { "mnt", CLONE_NEWNS }, { "user", CLONE_NEWUSER }, { "time", NEWTIME },
};

/* all at once (5.8), else one by one: the users last, for they take away what the others need */
int
enter_join(int pidfd, int ns, int namespaces)
{
	size_t i;
	int fd;

	if (pidfd >= 0 && !sys_denied("setns-pidfd") && setns(pidfd, namespaces) == 0)
		return 0;
	for (i = 0; i < BUNDLE_KINDS; i++) {
		if (!(namespaces & enter_kinds[i].flag))
			continue;
		fd = openat(ns, enter_kinds[i].file, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)  /* this kernel has none of that kind */
			continue;
		if (fd < 0 || setns(fd, enter_kinds[i].flag) < 0)
			return drop(fd);
		close(fd);
	}
	return 0;
}

/* where the leader's root is no mount of its own, that of the namespace is another */
static int
join_root(const struct gate *g)
{
	return fchdir(g->root) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -1 : 0;
}

int
enter_root(const struct known *k)
{
	struct gate g;

	open_gate(k, &g);
	drop(g.pidfd);
	drop(g.ns);
	return g.root;
}

/* ---- what goes in ------------------------------------------------------------------- */

#define CALLED "(enter)"
enum { NOTE_BORN = 'p', EXEC = 0, SHELL, LOGIN };
enum { PATIENCE_MS = 30000, BEGIN_MS = 5000, LAST_WORDS = 512 };

/* for our copy: numbers only, so that its memory has nothing to be read out from inside */
struct facts {
	uint64_t keep;
	struct rlimit nproc, sigpending;
	uint32_t id_base, id_count;
	int pidfd, ns, root, proc;
	unsigned short rows, columns;
	uint8_t uuid[16];
	uint8_t what, tty, filter;
};

struct visit {
	struct run *r;
	struct facts f;
	struct known k;
	char **argv, **env;
	int copy, group_above;
	char *group;          /* one that was made for us below the payload's; or NULL */
	pid_t first, pid;     /* our copy, until it has ended; who was born inside */
	int status;
	bool ended, closed, quiet;
};

/* of the machine's plan: what says which rights its processes have, and nothing that names a thing of the host */
static bool
is_right(const char *word)
{
	static const char *const rights[] = {
		"--capability=", "--drop-capability=", "--ambient-capability=", "--system-call-filter=", "--restrict-address-families=",
		"--no-new-privileges=", "--suppress-sync=", "--nesting=", "--rlimit=", "--cpu-affinity=", "--oom-score-adjust=",
		"--personality=", "--selinux-context=", "--setenv=", "--container-service=", "--rescue", "--oci-seccomp=",
	};
	size_t i;

	for (i = 0; i < LEN(rights); i++)
		if (after(word, rights[i]))
			return true;
	return false;
}

/* still what the host executed, and still on the host */
static int
first_main(void *arg)
{
	struct visit *v = arg;
	const int keep[] = { v->r->wire[1], v->f.pidfd, v->f.ns, v->f.root, v->f.proc, v->copy };
	size_t i;
	int fd;

	wirefd = v->r->wire[1];
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		die("bind a process's life to ours:");
	for (fd = 0; fd < 3; fd++)
		if (v->r->relay[fd] >= 0 && dup2(v->r->relay[fd], fd) < 0)
			die("take a pipe:");
	sys_close_but(3, keep, LEN(keep));
	fd = v->copy >= 0 ? v->copy : seal_hidden_copy();
	if (fd < 0)
		die("make a copy of our program:");
	for (i = 0; i < LEN(keep) - 1; i++)
		if (keep[i] >= 0)
			fcntl(keep[i], F_SETFD, 0);
	execve(fmt("/proc/self/fd/%d", fd), v->argv, v->env);
	die("execute a copy of our program:");
}

/* ---- our copy, on its way in ----------------------------------------------------------- */

struct inside { struct plan p; struct run r; struct facts f; };

static void
open_terminal(struct run *r, const struct facts *f)
{
	static const char note[2] = { NOTE_CONSOLE, 0 };
	struct winsize size = { .ws_row = f->rows, .ws_col = f->columns };
	int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC), master, slave, i;

	console_pty(root, f->rows ? &size : NULL, &master, &slave);
	if (r->uid && fchown(slave, r->uid, (gid_t)-1) < 0)
		die("give the terminal to %s:", r->user);
	if (sys_send(wirefd, note, sizeof(note), master) < 0)
		die("hand over the machine's terminal:");
	for (i = 0; i < 3; i++)
		if (dup2(slave, i) < 0)
			die("take the terminal:");
	close(root);
	close(master);
	close(slave);
}

/* what asks for a name and a password; of util-linux, of busybox, and what both call then */
static void
choose_login(struct plan *p, struct run *r)
{
	static const char *const dirs[] = { "/sbin", "/usr/sbin", "/bin", "/usr/bin" };
	static const struct { const char *name, *words[6]; } programs[] = {
		{ "agetty", { "agetty", "--noclear", "--keep-baud", "-", "115200,38400,9600", NULL } },
		{ "getty",  { "getty", "115200", "-", NULL } },
		{ "login",  { "login", NULL } },
	};
	const char *const *w;
	size_t i, j;

	for (i = 0; i < LEN(programs); i++)
		for (j = 0; j < LEN(dirs); j++) {
			r->program = fmt("%s/%s", dirs[j], programs[i].name);
			if (access(r->program, X_OK) < 0)
				continue;
			for (w = programs[i].words; *w; w++)
				grow(&p->cmd, *w);
			if (i < 2)
				grow(&p->cmd, getenv("TERM") ? getenv("TERM") : "vt220");
			return;
		}
	die_with(NOT_FOUND, "the machine has none of agetty, getty and login; a shell needs none of them: %s shell NAME", verb_called);
}

static void
choose_program(struct plan *p, struct run *r, const struct facts *f)
{
	char *shell = user_shell(r), **env = NULL, **w;

	grow(&env, fmt("SHELL=%s", shell));
	for (w = p->setenv; w && *w; w++)
		grow(&env, *w);
	p->setenv = env;
	if (f->what == LOGIN)
		choose_login(p, r);
	if (f->what != SHELL)
		return;
	if (!p->cmd) {
		r->program = shell;
		grow(&p->cmd, fmt("-%s", strrchr(shell, '/') + 1));
	}
	if (!p->chdir && access(r->home, X_OK) == 0)
		p->chdir = r->home;
}

/* born inside, with the rights of all others there, and not more */
static int
born(void *arg)
{
	struct inside *in = arg;
	struct pollfd wire = { wirefd, 0, 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (poll(&wire, 1, 0) > 0 && wire.revents & (POLLHUP | POLLERR))
		_exit(FAIL);
	setsid();
	if (in->f.tty)
		ioctl(0, TIOCSCTTY, 0);
	payload_exec(&in->p, &in->r);
}

static void
join_machine(struct plan *p, struct run *r, const struct facts *f)
{
	struct known k = { .id_base = f->id_base, .id_count = f->id_count };
	struct gate g = { f->pidfd, f->ns, f->root };
	int keep[2] = { wirefd, f->proc };
	int namespaces = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS;

	r->userns = f->id_count > 0;
	r->pid = getpid();
	if (r->userns)
		user_give(p, r);
	if (enter_join(g.pidfd, g.ns, namespaces | (r->userns ? CLONE_NEWUSER : 0)) < 0)
		die("join the machine's namespaces:");
	if (!known_users(&k, f->ns))
		die("the machine's first process has gone to users of its own making: nobody follows it there");
	if (join_root(&g) < 0)
		die("change to the machine's root:");
	sys_close_but(3, keep, LEN(keep));
	if (r->userns && (sys_set_groups(0, NULL) < 0 || sys_set_group(0) < 0 || sys_set_user(0) < 0))
		die("become the machine's root:");
}

/* argv: our name, the wire's fd, words of a plan */
int
enter_inside(char **argv)
{
	static struct inside in APART;
	struct run *r = &in.r;
	struct plan *p = &in.p;
	const struct facts *f = &in.f;
	char note[32];
	bool placed;
	pid_t pid;
	long long n;

	if (!argv[1] || !parse_number(argv[1], 3, INT32_MAX, &n) || fcntl((int)n, F_SETFD, FD_CLOEXEC) < 0)
		die("%s is a part of this program, and nothing to start by hand", CALLED);
	wirefd = (int)n;
	sys_deny(getenv("NSPAWN_LITE_DENY"));
	prctl(PR_SET_NAME, "nspawn-lite");
	run_begin(r);
	if (sys_recv(wirefd, &in.f, sizeof(in.f), NULL, NULL) != (ssize_t)sizeof(in.f))
		_exit(FAIL);
	plan_parse(p, argv + 2);
	r->procfs = f->proc;
	r->keep = f->keep;
	r->nproc = f->nproc;
	r->sigpending = f->sigpending;
	r->id_base = f->id_base;
	r->id_count = f->id_count;
	memcpy(r->uuid, f->uuid, sizeof(r->uuid));
	r->container = p->container_service ? p->container_service : "systemd-nspawn";
	if (f->filter)
		seccomp_prepare(p, r);
	if (WITH_OCI && p->oci_seccomp) {
		profile_look(p, r);
		memset(p->oci_seccomp, '-', strlen(p->oci_seccomp));  /* a path of the host, in our cmdline */
	}
	join_machine(p, r, f);
	if (setsid() < 0)
		die("lead a session:");
	user_look(p, r);
	choose_program(p, r, f);
	if (f->tty)
		open_terminal(r, f);
	p->share_uts = YES;  /* it has its host name */
	user_settle(p, r);
	run_signals_child(r->procfs);
	user_become(p, r);
	r->procfs = drop(r->procfs);
	seccomp_load(p, r);
	if (WITH_OCI)
		profile_enforce(p, r);
	pid = sys_fork(CLONE_PARENT, -1, born, &in, &placed);
	if (pid < 0 && r->filter && (errno == EPERM || errno == ENOSYS))
		die("the machine's filter of system calls lets nobody in it make a process");
	if (pid < 0)
		die(errno == EAGAIN ? "no process can be made in the machine, it has as many as it may have:" : "make a process in the machine:");
	note[0] = NOTE_BORN;
	note[1] = 0;
	strcpy(note + 2, fmt("%d", (int)pid));
	sys_send(wirefd, note, strlen(note + 2) + 2, -1);
	_exit(0);
}

/* ---- on the host ------------------------------------------------------------------------- */

static bool
is_frozen(const struct run *r)
{
	char text[512];
	size_t i;

	for (i = 0; i < r->nshares; i++)
		if ((read_at(r->share[i].payload, "cgroup.events", text, sizeof(text)) > 0 && strstr(text, "frozen 1"))
		    || (read_at(r->share[i].payload, "freezer.state", text, sizeof(text)) > 0 && after(text, "FR")))
			return true;
	return false;
}

static _Noreturn void
die_frozen(const struct known *k)
{
	die("machine %s is frozen: %s thaw %s lets it go on", k->name, verb_called, k->name);
}

static void
find_shares(const struct known *k, struct run *r)
{
	char **place;

	for (place = k->groups; place && *place && r->nshares < LEN(r->share); place++)
		if (!cgroup_find(*place, &r->share[r->nshares++]))
			die("open control group %s of machine %s:", *place, k->name);
}

/* no process may be in a group of cgroup2 that divides what it has: there we make one below, which goes with us */
static int
group_for(struct visit *v)
{
	struct share *s = v->r->share;
	unsigned int number;
	char text[256];
	int tries, fd;

	if (v->r->nshares == 0 || !cgroup_is_v2(s))
		return -1;
	if (read_at(s->payload, "cgroup.subtree_control", text, sizeof(text)) <= 0 || *text == '\n')
		return s->payload;
	for (tries = 0; tries < 8; tries++) {
		random_bytes(&number, sizeof(number));
		v->group = fmt("nspawn-lite-%08x", number);
		if (mkdirat(s->payload, v->group, 0755) == 0)
			break;
		v->group = NULL;
		if (errno != EEXIST)
			break;
	}
	fd = v->group ? sys_open_dir(s->payload, v->group) : -1;
	if (fd < 0)
		die("make a control group in machine %s:", v->k.name);
	v->group_above = s->payload;
	return fd;
}

static struct visit *current;

static void
remove_group(struct run *r)
{
	(void)r;
	if (current->group)  /* who stays behind is the machine's own affair, and goes with it */
		unlinkat(current->group_above, current->group, AT_REMOVEDIR);
	current->group = NULL;
}

/* it waits for the facts until it is where it belongs */
static void
spawn(struct visit *v)
{
	int group = group_for(v), on = 1;
	struct run *r = v->r;
	bool placed;
	char pid[16];
	size_t i;

	current = v;
	undo(r, remove_group);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, r->wire) < 0
	    || setsockopt(r->wire[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		die("make a wire:");
	v->argv[1] = fmt("%d", r->wire[1]);
	v->copy = seal_copy();
	v->first = sys_spawn(0, group, first_main, v, &placed);
	wirefd = -1;  /* it was set in our memory */
	if (v->first < 0)
		die("make a process:");
	strcpy(pid, fmt("%d", (int)v->first));
	for (i = 0; i < r->nshares; i++) {
		if (i == 0 && placed && group >= 0)
			continue;
		if (put_at(i == 0 && group >= 0 ? group : r->share[i].payload, "cgroup.procs", pid) < 0) {
			kill(v->first, SIGKILL);
			die("enter control group %s:", r->share[i].path);
		}
	}
	close(r->wire[1]);
	drop(v->copy);
	drop(v->f.pidfd);
	close(v->f.ns);
	close(v->f.root);
	close(v->f.proc);
	if (sys_send(r->wire[0], &v->f, sizeof(v->f), -1) < 0)
		die("enter machine %s:", v->k.name);
	fcntl(r->wire[0], F_SETFL, O_RDWR | O_NONBLOCK);
}

static _Noreturn void
leave(int status, const char *text)
{
	run_unwind();
	print(2, "%s%s\n", speaker, text);
	exit(status);
}

/* what our copy says is true; whoever is born inside may be in the hands of others there */
static void
heard(struct run *r, int fd, short revents)
{
	enum { AT_ONCE = 64 };
	struct visit *v = current;
	char text[NOTE_MAX];
	pid_t sender;
	long long n;
	ssize_t len = 0;
	int got, notes = 0;

	(void)revents;
	/* nobody knows how long it takes to close an fd of others: once our copy has ended none are taken */
	while (notes++ < AT_ONCE && (len = sys_recv(fd, text, sizeof(text) - 1, v->first ? &got : NULL, &sender)) >= 2) {
		text[len] = 0;
		if (text[0] == NOTE_CONSOLE && sender == v->first && r->master < 0) {
			r->master = got;
			continue;
		}
		if (v->first)
			drop(got);
		if (text[0] == NOTE_BORN && sender == v->first && parse_number(text + 2, 1, INT32_MAX, &n))
			v->pid = (pid_t)n;
		if (text[0] == NOTE_FOREIGN)
			text[1] = CANNOT_EXEC;
		if (text[0] == NOTE_FOREIGN && (size_t)len > strlen(text + 2) + 3)
			strcpy(text + 2, payload_foreign(text + 2));
		tame(text + 2);
		if (text[0] == NOTE_DEATH || text[0] == NOTE_FOREIGN)
			leave((unsigned char)text[1], text + 2);
		if (text[0] == NOTE_WARN || text[0] == NOTE_SAY)
			print(2, "%s%s\n", speaker, text + 2);
	}
	if (notes > AT_ONCE || (len < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	unwatch(r, fd, heard);
	v->closed = true;
}

static void
reap(struct visit *v)
{
	int status;
	pid_t pid;

	if (v->first > 0 && waitpid(v->first, &status, WNOHANG) == v->first) {
		heard(v->r, v->r->wire[0], POLLIN);  /* all that it has said is there */
		if (!v->pid && WIFSIGNALED(status))
			leave(FAIL, fmt("machine %s: who was to enter it was killed by SIG%s; its memory may be full, or it has ended",
			                v->k.name, user_signal_name(WTERMSIG(status))));
		if (!v->pid)
			leave(FAIL, fmt("machine %s: who was to enter it has ended", v->k.name));
		v->first = 0;
	}
	/* with CLONE_PARENT a process inside can make others children of ours */
	while (v->first == 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == v->r->guard)
			v->r->guard = 0;
		if (pid == v->pid) {
			v->status = status;
			v->ended = true;
		}
	}
}

/* who is traced by another inside that does not let go is never ours to reap */
static bool
is_dead(pid_t pid)
{
	char text[512], *end;

	return read_at(AT_FDCWD, fmt("/proc/%d/stat", (int)pid), text, sizeof(text)) <= 0
	    || ((end = strrchr(text, ')')) && end[1] == ' ' && end[2] == 'Z');
}

static void
pass_signals(struct visit *v)
{
	static const int passed[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
	bool mine;
	size_t i;

	for (i = 0; i < LEN(passed); i++) {
		if (!run_signalled(passed[i]))
			continue;
		mine = v->f.what != EXEC && (passed[i] == SIGTERM || passed[i] == SIGHUP);
		if (v->pid && !mine && !is_dead(v->pid)) {
			kill(v->pid, passed[i]);
			continue;
		}
		kill(v->pid ? v->pid : v->first, v->pid ? SIGHUP : SIGKILL);
		run_unwind();
		exit(128 + passed[i]);
	}
	if (run_signalled(SIGWINCH) && v->f.tty)
		console_resize(v->r);
}

static void
begin(struct visit *v)
{
	if (v->f.tty && v->f.what != EXEC && !v->quiet)
		print(2, "Connected to machine %s. Press ^] three times within 1s to exit session.\n", v->k.name);
	console_begin(v->r);
}

static void
stay(struct visit *v)
{
	int64_t since = now_ms();
	bool begun = false;
	int ms;

	watch(v->r, v->r->wire[0], POLLIN, heard);
	run_signal_too(SIGUSR1);
	run_signal_too(SIGUSR2);
	while (!v->ended) {
		ms = v->r->console_lost || v->r->no_more ? 100 : begun ? -1 : 1000;
		if (run_wait(v->r, ms) == 0)
			console_again(v->r);
		if (run_signalled(SIGCHLD))
			reap(v);
		if (v->ended)  /* its number is nobody's */
			break;
		if (!v->pid && now_ms() - since > 1000 && is_frozen(v->r)) {
			kill(v->first, SIGKILL);
			die_frozen(&v->k);
		}
		if (!v->pid && now_ms() - since > PATIENCE_MS) {
			kill(v->first, SIGKILL);
			die("machine %s: something in it holds up who is to enter it", v->k.name);
		}
		pass_signals(v);
		if (v->pid && !begun && (v->closed || (!v->f.tty && v->r->nlane > 0) || now_ms() - since > BEGIN_MS)) {
			begin(v);
			begun = true;
		}
		if (v->r->want && streq(v->r->want, "kill"))
			break;
		v->r->want = NULL;
	}
	if (!v->closed)
		heard(v->r, v->r->wire[0], POLLIN);
	if (v->ended && !begun && v->r->nlane + v->f.tty > 0)
		begin(v);
}

static void
look_at_leader(struct visit *v)
{
	char text[4096], *at;

	if (read_at(v->f.ns, "../status", text, sizeof(text)) < 0)
		die("look at machine %s:", v->k.name);
	at = strstr(text, "\nCapBnd:");
	if (at)
		v->r->keep &= strtoull(at + 8, NULL, 16);
	v->f.filter = strstr(text, "\nSeccomp:\t0") == NULL;
}

static char **
words_for(const struct ask *a, const struct known *k, const char *user, char **cmd)
{
	char **words = NULL, **w;
	const char *value;

	grow(&words, CALLED);
	grow(&words, "");
	grow(&words, "--no-defaults");
	grow(&words, "--settings=no");
	for (w = k->words; w && *w && !streq(*w, "--"); w++)
		if (is_right(*w))
			grow(&words, *w);
	for (w = a->setenv; w && *w; w++) {
		value = strchr(*w, '=') ? *w : getenv(*w) ? fmt("%s=%s", *w, getenv(*w)) : NULL;
		if (value)
			grow(&words, fmt("--setenv=%s", value));
	}
	if (user)
		grow(&words, fmt("--user=%s", user));
	if (a->chdir)
		grow(&words, fmt("--chdir=%s", a->chdir));
	if (cmd && *cmd)
		grow(&words, "--");
	for (; cmd && *cmd; cmd++)
		grow(&words, *cmd);
	return words;
}

/* what the machine was started in may have said other things in its environment than ours does now */
static void
clean_environment(void)
{
	char **e = environ;

	while (*e)
		if (after(*e, "SYSTEMD_") || after(*e, "UNIFIED_"))
			unsetenv(xstrndup(*e, strcspn(*e, "=")));
		else
			e++;
}

static void
choose_rights(struct visit *v)
{
	static struct plan p APART;
	char **words = NULL, **w;

	grow(&words, "--no-defaults");
	grow(&words, "--settings=no");
	for (w = v->k.words; w && *w; w++)
		grow(&words, *w);
	plan_parse(&p, words);
	v->r->userns = v->k.id_count > 0;
	user_host(&p, v->r);
	look_at_leader(v);
	v->f.keep = v->r->keep;
	v->f.nproc = v->r->nproc;
	v->f.sigpending = v->r->sigpending;
	v->f.id_base = v->k.id_base;
	v->f.id_count = v->k.id_count;
	if (v->k.id)
		parse_id128(v->k.id, v->f.uuid);
	memset(&p, 0, sizeof(p));
	plan_parse(&p, v->argv + 2);
	user_check(&p);
}

static void
choose_terminal(struct visit *v)
{
	struct plan p = { .console = CONSOLE_PIPE };
	struct winsize size;
	struct stat st;
	int fd;

	for (fd = 0; fd < 3; fd++)
		if (!v->f.tty && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			die("fd %d is a directory, which would lead the machine to the host", fd);
	if (!v->f.tty) {
		console_open(&p, v->r);
		return;
	}
	v->r->mode = CONSOLE_INTERACTIVE;
	if (ioctl(1, TIOCGWINSZ, &size) == 0 || ioctl(0, TIOCGWINSZ, &size) == 0) {
		v->f.rows = size.ws_row;
		v->f.columns = size.ws_col;
	}
}

static int
visit(struct ask *a, int what, const char *name, const char *user, char **cmd)
{
	static struct run r APART;
	static struct visit v APART;
	struct known now;
	struct gate g;
	bool lives;

	if (getauxval(AT_EUID) != 0)
		die("Need to be root.");
	run_begin(&r);
	v.r = &r;
	v.quiet = a->quiet;
	if (!known_read(name, &v.k))
		known_no(NO_MACHINE, name);
	v.f.what = (uint8_t)what;
	v.f.tty = what != EXEC || a->tty;
	v.argv = words_for(a, &v.k, user, cmd);
	if (v.f.tty && getenv("TERM"))
		grow(&v.env, fmt("TERM=%s", getenv("TERM")));
	if (getenv("NSPAWN_LITE_DENY"))
		grow(&v.env, fmt("NSPAWN_LITE_DENY=%s", getenv("NSPAWN_LITE_DENY")));
	if (!v.env)
		v.env = xalloc(sizeof(*v.env));
	clean_environment();
	open_gate(&v.k, &g);
	v.f.pidfd = g.pidfd;
	v.f.ns = g.ns;
	v.f.root = g.root;
	v.f.proc = openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (v.f.proc < 0)
		die("open /proc:");
	choose_rights(&v);
	find_shares(&v.k, &r);
	if (is_frozen(&r))
		die_frozen(&v.k);
	choose_terminal(&v);
	run_signals();
	spawn(&v);
	stay(&v);
	console_drain_some(&r, LAST_WORDS);
	if (what != EXEC && !v.quiet) {
		lives = known_read(name, &now) && now.leader == v.k.leader;
		print(2, lives ? "Connection to machine %s terminated.\n" : "Machine %s terminated.\n", name);
	}
	run_unwind();
	if (!v.ended)
		return 0;
	return WIFEXITED(v.status) ? WEXITSTATUS(v.status) : 128 + WTERMSIG(v.status);
}

/* on the terminal that we have */
static _Noreturn void
host_shell(const char *user, char **cmd)
{
	static struct plan p APART;
	static struct run r APART;
	char *shell;

	run_begin(&r);
	p.user = user ? xstrdup(user) : NULL;
	user_look(&p, &r);
	shell = user_shell(&r);
	if (sys_set_groups(r.ngroups ? r.ngroups : 1, r.groups) < 0 || sys_set_group(r.gid) < 0 || sys_set_user(r.uid) < 0)
		die("become user %s:", r.user);
	if (chdir(r.home) < 0 && chdir("/") < 0)
		die("change to directory %s:", r.home);
	setenv("HOME", r.home, 1);
	setenv("USER", r.user, 1);
	setenv("LOGNAME", r.user, 1);
	setenv("SHELL", shell, 1);
	if (cmd && *cmd)
		execv(*cmd, cmd);
	else
		execl(shell, fmt("-%s", strrchr(shell, '/') + 1), (char *)NULL);
	die_with(errno == ENOENT ? NOT_FOUND : CANNOT_EXEC, "execute %s:", cmd && *cmd ? *cmd : shell);
}

/* ---- verbs ---------------------------------------------------------------------------------- */

int
enter_exec(struct ask *a)
{
	return visit(a, EXEC, a->words[0], a->uid, a->words + 1);
}

int
enter_shell(struct ask *a)
{
	const char *name = a->words[0] ? a->words[0] : ".host", *user = a->uid, *at = strchr(name, '@');

	if (at) {
		if (!user && at > name)
			user = xstrndup(name, (size_t)(at - name));
		name = at + 1;
	}
	if (a->words[0] && a->words[1] && *a->words[1] != '/')
		die("shell: %s is no absolute path; %s exec %s %s looks for it in PATH", a->words[1], verb_called, name, a->words[1]);
	if (streq(name, ".host") || !*name)
		host_shell(user, a->words[0] ? a->words + 1 : NULL);
	return visit(a, SHELL, name, user, a->words + 1);
}

int
enter_login(struct ask *a)
{
	static char *login[] = { "login", NULL };

	if (a->words[0] && !streq(a->words[0], ".host"))
		return visit(a, LOGIN, a->words[0], NULL, NULL);
	execvp(*login, login);
	die("execute login:");
}
