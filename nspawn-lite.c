/* SPDX-License-Identifier: 0BSD */
/* main, the verbs, and the chart of how a machine is born */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

static bool lived;  /* a machine ran: what is returned is its status */

static int verb_help(char **words), verb_version(char **words);
#if WITH_HELP
static int verb_completion(char **words);
#endif

/* ---- birth: small steps that belong to no room ------------------------------------- */

static void
open_wire(const struct plan *p, struct run *r)
{
	(void)p;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, r->wire) < 0
	    || (r->userns && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, r->hand) < 0))
		die("make the wire to the machine (CONFIG_UNIX):");
}

/* not before: the work on a tree may take its time, and be ended like that of any program */
static void
take_signals(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
	run_signals_wait();
}

static void
open_notify(const struct plan *p, struct run *r)
{
	int on = 1;

	(void)p;
	r->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->notify < 0 || setsockopt(r->notify, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		die("make the notify socket (CONFIG_UNIX):");
}

/* sd_listen_fds(3): sockets that the caller opened for the machine */
static void
count_listen_fds(const struct plan *p, struct run *r)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	long long n;

	(void)p;
	if (!pid || !fds || !parse_number(pid, 1, INT32_MAX, &n) || n != getpid() || !parse_number(fds, 1, 1024, &n))
		return;
	while (r->listen_fds < n && fcntl(3 + r->listen_fds, F_GETFD) >= 0 && !seal_has(3 + r->listen_fds))
		r->listen_fds++;
}

static void
claim_first(const struct plan *p, struct run *r)
{
	if (!p->machine || (!p->wait_for && !r->started))
		return;
	r->name = p->machine;
	if (!p->ephemeral && !p->template)  /* nothing here takes its time, so who is told to end does it in order */
		run_signals();
	machine_claim(p, r);
}

static void
say_spawning(const struct plan *p, struct run *r)
{
	r->quiet = p->quiet || p->console == CONSOLE_PIPE;
	if (rescue(p))
		warn("--rescue: what runs in there has the host's devices, its network and all rights: only for a tree that you trust");
	if (!r->quiet)
		print(2, "Spawning container %s on %s.\nPress ^] three times within 1s to kill container.\n", r->name, r->root);
	if (!r->quiet && r->range_picked)
		print(2, "Selected user namespace base %u and range %u.\n", (unsigned int)r->id_base, (unsigned int)r->id_count);
}

/*
 * A link of the tree may lead to /proc/self/fd: nothing must be open then that leads to the host,
 * neither of ours nor of our caller's. What is kept for a few steps is closed by who needs it.
 */
static void
shed_fds(const struct plan *p, struct run *r)
{
	const int some[] = {
		wirefd, r->notify, r->relay[0], r->relay[1], r->relay[2], r->tree, r->image_mounts, r->mounts, r->life_before,
		r->hand[0], r->hand[1], r->host_net.fd, r->move_wire, r->lend_socket, r->userns_fd,
		r->tree_mount, r->init_pidfd, r->init_ns,
		r->node[0], r->node[1], r->node[2], r->node[3], r->node[4], r->node[5], r->node[6],
		r->sources[0], r->sources[1],
	};
	int *keep = xalloc(sizeof(some) + (LEN(r->share) + r->ndevices) * sizeof(*keep));
	size_t n = LEN(some), i;

	(void)p;
	memcpy(keep, some, sizeof(some));
	n += device_fds(r, keep + n);
	for (i = 0; i < r->nshares; i++)
		keep[n++] = r->share[i].payload;
	sys_close_but(3 + r->listen_fds, keep, n);
	if (setsid() < 0)
		die("lead a session:");
}

static void
die_with_supervisor(const struct plan *p, struct run *r)
{
	struct pollfd wire = { wirefd, 0, 0 };

	(void)p;
	(void)r;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		die("bind the machine's life to ours:");
	/* it may have gone before that: then nobody holds the other end of the wire any more */
	if (poll(&wire, 1, 0) > 0 && wire.revents & (POLLHUP | POLLERR))
		_exit(FAIL);
}

/* a program expects signals as nobody has touched them */
static void
clean_up(const struct plan *p, struct run *r)
{
	(void)p;
	run_signals_child(r->procfs);
}

/* a change of user took the binding away */
static void
die_with_supervisor_again(const struct plan *p, struct run *r)
{
	if (r->uid || r->gid || r->userns)
		die_with_supervisor(p, r);
}

static void
raise_loopback(const struct plan *p, struct run *r)
{
	if (net_private(p) && r->netns < 0 && sys_raise_loopback() < 0)
		warn("raise the loopback:");
}

#if WITH_OVERLAY
/*
 * What an ephemeral machine has changed outlives a reboot; from 5.2 on there is a way to fetch it.
 * The child hands over its namespace: once it is a zombie it has none.
 */
static void
keep_life(const struct plan *p, struct run *r)
{
	static const char note[2] = { NOTE_MOUNTS, 0 };
	int fd;

	if (!p->ephemeral || p->keep_unit)
		return;
	fd = sys_open_tree(AT_FDCWD, "/", O_CLOEXEC);
	if (fd < 0) {
		/* only an init means to reboot */
		(p->boot ? warn : say)("changes will be lost at a reboot of the machine (open_tree(2) needs Linux 5.2)");
		return;
	}
	close(fd);
	fd = openat(r->procfs, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || sys_send(wirefd, note, sizeof(note), fd) < 0)
		warn("changes will be lost at a reboot:");
	drop(fd);
}
#endif

/* ---- the birth chart: when is what done, before and after what ---------------------- */

/*
 * Who takes it: the supervisor has a chart of its own. With a user namespace two processes are the
 * child: init, which is in all of its namespaces and waits, and a builder with the host's
 * privileges, which joins it there, makes the mounts and hands them over. Else init is both.
 */
enum { BUILDER = 1, INIT = 2, BOTH = 3 };

struct step {
	void (*fn)(const struct plan *, struct run *);
	int who;
#if WITH_HELP
	const char *what;
#define STEP(who, what, fn) { fn, who, what }
#else
#define STEP(who, what, fn) { fn, who }
#endif
};

/* the supervisor, in the host's world. What is made here is unmade in reverse */
static const struct step before_birth[] = {
	STEP(BOTH, "count sockets handed in",            count_listen_fds),  /* before there are any of ours */
	STEP(BOTH, "claim a name that was told",         claim_first),  /* so that all see it wait */
	IF(WITH_MACHINES, STEP(BOTH, "say that it may have to wait",       start_waits),)
	IF(WITH_MACHINES, STEP(BOTH, "wait for what it needs",             depend_wait),)  /* a mount may bring the tree */
	STEP(BOTH, "find and lock the tree",             image_take),
	STEP(BOTH, "ask what it is",                     image_look),
	STEP(BOTH, "look for settings that are not read", settings_look),
	STEP(BOTH, "choose the control group",           cgroup_choose),
	STEP(BOTH, "take signals",                       take_signals),  /* which come from whoever reads its register */
	STEP(BOTH, "claim the name",                     machine_claim),
	STEP(BOTH, "call the program of pre-start",      hook_look),
	IF(WITH_NETWORK, STEP(BOTH, "look for its links",                 net_look),)
	IF(WITH_MOVE, STEP(BOTH, "look for links that move",           move_look),)
	IF(WITH_NETWORK, STEP(BOTH, "choose its addresses",               address_choose),)
	IF(WITH_PORTS, STEP(BOTH, "look at its ports",                  port_look),)
	IF(WITH_NETWORK, STEP(BOTH, "choose whom it asks for names",      resolver_look),)
	STEP(BOTH, "look at the host",                   root_look),
	IF(WITH_USERNS, STEP(BOTH, "choose its users",                   userns_choose),)
	IF(WITH_USERNS, STEP(BOTH, "show its layers to them",            image_map),)
	IF(WITH_USERNS, STEP(BOTH, "fence it in where it is root",       cgroup_fence),)
	STEP(BOTH, "open what is to be mounted",         mount_look),
	IF(WITH_LIMITS, STEP(BOTH, "look at its devices",                device_look),)
	IF(WITH_LIMITS, STEP(BOTH, "look at its limits",                 limit_look),)
	IF(WITH_MNTNS, STEP(BOTH, "find a small mount namespace",       mntns_find),)
	IF(WITH_NETWORK, STEP(BOTH, "find a network kept ready",          spare_find),)
	STEP(BOTH, "see what rights there are to give",  user_host),
	STEP(BOTH, "compose the filter of system calls", seccomp_prepare),
	IF(WITH_OCI, STEP(BOTH, "compose that of a bundle",           profile_look),)
	STEP(BOTH, "choose the terminal",                console_open),
	STEP(BOTH, "say where",                          say_spawning),
	STEP(BOTH, "open the notify socket",             open_notify),
	IF(WITH_MACHINES, STEP(BOTH, "keep what its console says",         attach_open),)
	IF(WITH_MACHINES, STEP(BOTH, "and what we say",                    start_log),)
	STEP(BOTH, "open the wire",                      open_wire),
	STEP(BOTH, "note what we might leave behind",    machine_note),
	IF(WITH_NETWORK, STEP(BOTH, "make the bridge of its zone",        net_make_zone),)
	IF(WITH_NETWORK, STEP(BOTH, "give that addresses",                address_bridge),)
	IF(WITH_NETWORK, STEP(BOTH, "lead packets on",                    forward_open),)
	IF(WITH_PORTS, STEP(BOTH, "open its ports",                     port_open),)
	IF(WITH_DHCP, STEP(BOTH, "listen to what it asks for",         lend_open),)
	STEP(BOTH, "make the control group",             cgroup_make),
	IF(WITH_LIMITS, STEP(BOTH, "set its limits",                     limit_set),)
	STEP(BOTH, "keep all other devices away",        device_enforce),
	IF(WITH_MOVE, STEP(BOTH, "wait for links to move",             move_prepare),)
};

/*
 * The child: with the host's privileges until user_become, or builder and init. After
 * root_enter no path leads to the host any more, and no fd.
 */
static const struct step birth[] = {
	STEP(BOTH,    "keep no fd but a few, lead a session", shed_fds),
	STEP(BOTH,    "die with the supervisor",            die_with_supervisor),
	STEP(INIT,    "see only its own control group",     cgroup_enter),
	IF(WITH_USERNS, STEP(BUILDER, "join its namespaces",                userns_join),)
	IF(WITH_USERNS, STEP(BUILDER, "give it its control groups",         cgroup_give),)
	STEP(BUILDER, "make the tree the root",             root_enter),
	STEP(BUILDER, "let no node of the tree work",       device_lock),
	IF(WITH_OVERLAY, STEP(BUILDER, "keep no state",                      root_volatile),)
	STEP(BUILDER, "mount /proc",                        root_proc),
	IF(WITH_USERNS, STEP(BUILDER, "join its network",                   userns_join_network),)
	IF(WITH_NETWORK, STEP(BUILDER, "take a link that was kept ready",    spare_enter),)
	IF(WITH_NETWORK, STEP(BUILDER, "make its links",                     net_make),)
	IF(WITH_MOVE, STEP(BUILDER, "move links of the host in",          move_into),)
	IF(WITH_NETWORK, STEP(BUILDER, "give it addresses",                  address_host),)
	IF(WITH_NETWORK, STEP(BUILDER, "lead its packets on",                forward_link),)
	IF(WITH_DHCP, STEP(BUILDER, "bind what listens to its link",      lend_bind),)
	IF(WITH_NETWORK, STEP(BUILDER, "hand its network over",              net_hand_over),)
	STEP(BUILDER, "mount /sys",                         root_sys),
	STEP(BUILDER, "fill /dev",                          root_dev),
	IF(WITH_LIMITS, STEP(BUILDER, "make its devices",                   device_make),)
	STEP(BUILDER, "fill /run",                          root_run),
	STEP(BUILDER, "mount the control groups",           cgroup_mount),
	IF(WITH_INTEGRATION, STEP(BUILDER, "hand over credentials",              root_credentials),)
	STEP(BUILDER, "mask parts of /proc",                root_masks),
	STEP(BUILDER, "mount what was asked for",           mount_make),
	IF(WITH_OCI, STEP(BUILDER, "make the directory it begins in",   root_preset),)
	IF(WITH_INTEGRATION, STEP(BUILDER, "follow the host's resolver and zone", root_files),)
	STEP(BUILDER, "lock what is below an initramfs",    root_lock),
	IF(WITH_OVERLAY, STEP(BUILDER, "keep its mounts for a reboot",       keep_life),)
	IF(WITH_USERNS, STEP(BUILDER, "hand the mounts over",               userns_hand_over),)
	IF(WITH_USERNS, STEP(INIT,    "wait for the mounts",                userns_receive),)
	STEP(INIT,    "bind its life to the supervisor's again", die_with_supervisor_again),
	STEP(INIT,    "write our init",                     payload_prepare),
	STEP(INIT,    "raise the loopback",                 raise_loopback),
	STEP(INIT,    "find the user",                      user_look),
	STEP(INIT,    "open the terminal",                  console_make),
	STEP(INIT,    "take the terminal",                  console_take),
	STEP(INIT,    "set host name and scores",           user_settle),
	STEP(INIT,    "clean up",                           clean_up),
	STEP(INIT,    "become the payload's user",          user_become),  /* from here on it has no rights but its own */
	STEP(INIT,    "die with the supervisor all the same", die_with_supervisor_again),
	STEP(INIT,    "filter system calls",                seccomp_load),  /* what was to be done may be among those refused */
	IF(WITH_OCI, STEP(INIT,    "as its bundle says, too",            profile_enforce),)
};

/* the supervisor again, once the payload runs */
static const struct step after_birth[] = {
	IF(WITH_NETWORK, STEP(BOTH, "name a link that was kept ready",    spare_settle),)
	IF(WITH_MOVE, STEP(BOTH, "see what links that moved are there", move_begin),)
	STEP(BOTH, "register it",                        machine_register),
	IF(WITH_MACHINES, STEP(BOTH, "let others sit at its console",      attach_begin),)
	IF(WITH_NETWORK, STEP(BOTH, "look after its links",               net_begin),)
	IF(WITH_NETWORK, STEP(BOTH, "tell others its addresses",          address_begin),)
	IF(WITH_NETWORK, STEP(BOTH, "follow the host's uplinks",          forward_begin),)
	IF(WITH_DHCP, STEP(BOTH, "answer what it asks for",            lend_begin),)
	IF(WITH_DNS, STEP(BOTH, "answer its questions for names",     dns_begin),)
	IF(WITH_PORTS, STEP(BOTH, "follow its address",                 port_begin),)
	STEP(BOTH, "call the program of up",             hook_up),
};

struct child { const struct plan *p; struct run *r; };

static void
take_steps(const struct step *steps, size_t n, int who, const struct plan *p, struct run *r)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!(steps[i].who & who))
			continue;
#if WITH_HELP
		say("%s", steps[i].what);
#endif
		steps[i].fn(p, r);
	}
}

static int
child_main(void *arg)
{
	struct child *c = arg;

	take_steps(birth, LEN(birth), BOTH, c->p, c->r);
	payload_exec(c->p, c->r);
}

static int
init_main(void *arg)
{
	struct child *c = arg;

	take_steps(birth, LEN(birth), INIT, c->p, c->r);
	payload_exec(c->p, c->r);
}

static int
builder_main(void *arg)
{
	struct child *c = arg;

	take_steps(birth, LEN(birth), BUILDER, c->p, c->r);
	_exit(0);
}

/* ---- life ------------------------------------------------------------------------------ */

static void
kill_child(struct run *r)
{
	if (r->pid <= 0)
		return;
	machine_kill(r);
	machine_tell(r, "closing", r->ending ? "told to end" : "could not begin");
	while (waitpid(r->pid, &r->status, 0) < 0 && errno == EINTR)
		;
	r->pid = 0;
}

/* a note that only the supervisor can make something of */
static void
got_note(struct run *r, char kind, int fd, const char *text)
{
	if (kind == NOTE_CONSOLE && fd >= 0 && r->master < 0) {
		r->master = fd;
		return;
	}
	if (kind == NOTE_MOUNTS && fd >= 0) {
		if (r->life_before >= 0)
			close(r->life_before);
		r->life_before = fd;
		return;
	}
	if (kind == NOTE_NETWORK && fd >= 0 && r->net.fd < 0) {
		r->net.fd = fd;
		return;
	}
	drop(fd);
	if (WITH_NETWORK && kind == NOTE_FOUND)
		net_found(r, text);
	if (!WITH_HELP || kind != NOTE_FOREIGN)
		return;
	die_with(CANNOT_EXEC, "%s", payload_foreign(text));
}

/* all that speaks to us over the wire is the child now: listen until it has exec'd or ended */
static void
listen_to_child(struct run *r)
{
	close(r->wire[1]);
	run_listen(r, got_note);
}

static int
leave(void *unused)
{
	(void)unused;
	_exit(0);
}

/*
 * Why there was no child: which kind of namespace is not to be had. Of those that keep nothing but a name and System V
 * IPC apart a machine can do without, unless the kernel has them and has given out all
 */
static void
go_without(const struct plan *p, struct run *r)
{
	static const struct { int flag; const char *name; } kinds[] = {
		{ CLONE_NEWPID, "pid" }, { CLONE_NEWNS, "mnt" }, { CLONE_NEWUSER, "user" }, { CLONE_NEWNET, "net" },
		{ CLONE_NEWUTS, "uts" }, { CLONE_NEWIPC, "ipc" },
	};
	int asked = r->init_namespaces | (r->userns ? CLONE_NEWUSER : 0) | (r->mounts < 0 ? CLONE_NEWNS : 0), why = errno, gone = 0;
	char *lack, *option, *c;
	bool placed;
	pid_t pid;
	size_t i;

	for (i = 0; i < LEN(kinds) && (why == EINVAL || why == ENOSPC); i++) {
		if (!(asked & kinds[i].flag))
			continue;
		pid = sys_spawn(kinds[i].flag, -1, leave, NULL, &placed);
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		if (pid > 0)
			continue;
		if (errno == ENOSPC)
			die("make namespaces: there are as many as sysctl user.max_%s_namespaces allows", kinds[i].name);
		for (c = option = fmt("%s_NS", kinds[i].name); *c != '_'; c++)
			*c -= 'a' - 'A';
		lack = lacks(fmt("%s namespaces", kinds[i].name), option);
		gone |= kinds[i].flag;
		if (kinds[i].flag == CLONE_NEWUTS && p->hostname)
			die("--hostname=%s: %s", p->hostname, lack);
		if (kinds[i].flag == CLONE_NEWUTS && p->share_uts != NO)
			warn("%s: the host's name is the machine's too", lack);
		else if (kinds[i].flag != CLONE_NEWIPC || p->share_ipc == NO)
			die("make namespaces: %s", lack);
		/* none either of what it would keep apart: nothing is lost */
		else if (access("/proc/sysvipc", F_OK) == 0 || access("/proc/sys/fs/mqueue", F_OK) == 0)
			warn("%s: System V IPC and message queues are the host's", lack);
	}
	errno = why;
	if (!gone)
		die("make namespaces:");
	r->namespaces &= ~gone;
	r->init_namespaces &= ~gone;
}

static pid_t
spawn_init(struct child *c)
{
	struct run *r = c->r;
	int group = r->cgroup_v1 ? -1 : r->cgroup;

	if (WITH_USERNS && r->userns)
		return sys_fork(r->init_namespaces | CLONE_NEWUSER, group, init_main, c, &r->placed);
	return sys_spawn(r->init_namespaces | (r->mounts < 0 ? CLONE_NEWNS : 0), group, child_main, c, &r->placed);
}

/* in pieces: the builder, which is to be in init's namespace for processes from its birth on */
static void
spawn_builder(struct child *c)
{
	struct run *r = c->r;
	int own = openat(AT_FDCWD, "/proc/self/ns/pid", O_RDONLY | O_CLOEXEC), status = 0;
	bool placed;
	int why;
	pid_t pid;

	if (own < 0 || (r->init_namespaces & CLONE_NEWPID && sys_join(r->init_pidfd, r->init_ns, CLONE_NEWPID) < 0))
		die("join the machine's processes:");
	wirefd = r->wire[1];
	pid = sys_spawn(r->mounts < 0 ? CLONE_NEWNS : 0, -1, builder_main, c, &placed);
	why = errno;
	wirefd = -1;
	/* first of all: a namespace for processes does not end while one in it waits for us */
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* whatever comes: another life may begin from here */
	if (setns(own, CLONE_NEWPID) < 0)
		die("leave the machine's processes:");
	errno = why;
	if (pid < 0)
		die("make the builder of the machine:");
	close(own);
	userns_let_go(r);
	prctl(PR_SET_DUMPABLE, 1);  /* it shared our memory, and changed who it was */
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		listen_to_child(r);  /* says why, and ends us */
		die("the builder of the machine was killed");
	}
}

static void
spawn(const struct plan *p, struct run *r)
{
	bool users = WITH_USERNS && r->userns;
	struct child c = { p, r };
	char note[3] = "";

	if (p->share_pid != YES)
		r->init_namespaces |= CLONE_NEWPID;
	/* tools of device mapper and udev wait for each other by semaphores */
	if (p->share_ipc ? p->share_ipc != YES : !rescue(p))
		r->namespaces |= CLONE_NEWIPC;
	if (p->share_uts != YES)
		r->namespaces |= CLONE_NEWUTS;
	r->init_namespaces |= r->namespaces;
	if (net_private(p) && r->netns < 0 && !users)  /* else init makes it by and by */
		r->init_namespaces |= CLONE_NEWNET;
	if (WITH_NETWORK)
		net_enter(r);
	run_signals_kill(true);  /* it may hang on a file system that does not answer, and we with it */
	wirefd = r->wire[1];  /* it may be our memory that the child speaks from: until it has left, so do we */
	r->pid = spawn_init(&c);
	wirefd = -1;
	if (r->pid < 0) {
		go_without(p, r);
		wirefd = r->wire[1];
		r->pid = spawn_init(&c);
		wirefd = -1;
	}
	if (r->pid < 0)
		die("make namespaces:");
	undo(r, kill_child);
	if (users) {
		close(r->hand[1]);
		r->hand[1] = -1;
		if (sys_recv(r->hand[0], note, sizeof(note) - 1, NULL, NULL) <= 0) {
			close(r->hand[0]);
			listen_to_child(r);  /* says why, if anybody knows */
			die("the machine ended before it had begun");
		}
		r->cgroup_shown = note[1] == '1';
		userns_map(p, r);
		user_give(p, r);
		spawn_builder(&c);
	}
	if (WITH_NETWORK)
		net_return(r);
	mount_forget(r);
	r->image_mounts = drop(r->image_mounts);
	listen_to_child(r);
	run_signals_kill(false);
}

/* ---- verbs ------------------------------------------------------------------------------------ */

static int
show(const struct plan *p)
{
	if (p->show == SHOW_WORDS)
		plan_words_of(p->show_option);
	else if (p->show == SHOW_VERSION)
		return verb_version(NULL);
	else
		return verb_help(NULL);
	return 0;
}

/* for who comes in later; not the secrets that it was given */
static char **
words_of(const struct plan *p)
{
	struct plan open = *p;

	open.set_credential = open.load_credential = NULL;
	return plan_words(&open);
}

static int
verb_run(char **words)
{
	static struct plan p;
	static struct run r;

	seal_enter(live_argv, true);
	plan_parse(&p, words);
	if (p.show)
		return show(&p);
	verbose = p.verbose;
	plan_check(&p);
	if (getauxval(AT_EUID) != 0)
		die("Need to be root.");
	if (access("/proc/self", F_OK) < 0)
		die("/proc is not mounted: mount it first (mount -t proc proc /proc)");
	if (p.cleanup) {
		if (!p.machine && !p.directory && !p.image)
			die("--cleanup needs -M, -D or -i");
		machine_sweep_all();
		return 0;
	}
	live_begin(&r);
	if (WITH_MACHINES)
		r.words = words_of(&p);
	start_begin(&p, &r);
	live_find(&p, &r);
	take_steps(before_birth, LEN(before_birth), BOTH, &p, &r);
	run_signals_look();
	if (run_told_to_end())
		die_with(128 + SIGTERM, "machine %s was told to end before it had begun", r.name);
	spawn(&p, &r);
	lived = true;
	live_outlive(&p, &r);
	take_steps(after_birth, LEN(after_birth), BOTH, &p, &r);
	machine_sweep(&r);
	if (WITH_MNTNS)
		mntns_learn();
	seal_settle();
	return live(&p, &r);
}

#if WITH_HELP || WITH_SETTINGS
/* a word as a shell reads it back */
static void
print_word(const char *word)
{
	const char *c;

	if (*word && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%^")] == 0) {
		print(1, "%s", word);
		return;
	}
	print(1, "'");
	for (c = word; *c; c++)
		*c == '\'' ? print(1, "'\\''") : print(1, "%c", *c);
	print(1, "'");
}

static void
print_words(char **words)
{
	for (; words && *words; words++) {
		print_word(*words);
		print(1, words[1] ? " " : "\n");
	}
}
#endif

#if WITH_HELP
static int
verb_plan(char **words)
{
	static struct plan p APART;

	plan_parse(&p, words);
	if (p.show)
		return show(&p);
	plan_check(&p);
	print_words(plan_words(&p));
	return 0;
}
#endif

#if WITH_SETTINGS
static void
print_c_string(const char *s)
{
	print(1, "\"");
	for (; *s; s++)
		print(1, strchr("\"\\?", *s) || *s < ' ' || *s > '~' ? "\\%03o" : "%c", (unsigned char)*s);  /* "??=" */
	print(1, "\", ");
}

/* a row of compiled[] in plan.c: what make NSPAWN=DIR asks for */
static void
print_row(const char *path, char **words)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t len = strlen(name), end = strlen(".nspawn");

	if (len <= end || !streq(name + len - end, ".nspawn") || !name_valid(xstrndup(name, (size_t)(len - end))))
		die("%s: not named NAME.nspawn, after a machine", path);
	print(1, "\t{ ");
	print_c_string(xstrndup(name, (size_t)(len - end)));
	print(1, "(const char *const []){ ");
	for (; *words; words++)
		print_c_string(*words);
	print(1, "NULL } },\n");
}

static int
verb_settings(char **words)
{
	bool rows = streq(*words, "--rows");
	char **w;

	words += rows;
	if (!*words && !rows)
		die("say which: %s settings FILE...", verb_called);
	for (; *words; words++) {
		w = plan_settings(*words);
		if (rows)
			print_row(*words, w);
		else if (*w)
			print_words(w);
		else
			print(1, "\n");
	}
	return 0;
}
#endif

#if WITH_HELP
static int
verb_manual(char **words)
{
	(void)words;
	plan_manual();
	ask_manual();
	if (WITH_CHECK)
		check_manual();
	return 0;
}
#endif

static int
verb_version(char **words)
{
	(void)words;
	if (*speaker)
		print(1, "nspawn-lite " VERSION "\n");
	else
		print(1, "systemd 252 (nspawn-lite " VERSION ")\n");
	return 0;
}

#if WITH_LIMITS
/* of a machine of another supervisor: what is new is in the register before it is made */
static void
extend(struct run *r)
{
	machine_extend(r);
	cgroup_extend(r);
}

static int
freeze_all(const struct ask *a, bool on)
{
	const char *verb = a->verb;
	struct share *s;
	struct run *r;
	char **names;

	for (names = a->words; *names; names++) {
		r = xalloc(sizeof(*r));
		machine_reach(*names, r);
		s = cgroup_freezer(r);
		extend(r);
		if (!s)
			die("%s %s: the kernel has no freezer to be had (cgroup2 of Linux 5.2, or CONFIG_CGROUP_FREEZER with v1)",
			    verb, *names);
		else if (!cgroup_freeze(s, on))
			die(errno == ETIMEDOUT ? "%s %s: some process is still in the middle of something:" : "%s %s:", verb, *names);
		close(r->claim);
	}
	return 0;
}

static int
verb_freeze(struct ask *a)
{
	return freeze_all(a, true);
}

static int
verb_thaw(struct ask *a)
{
	return freeze_all(a, false);
}

static int
verb_set_property(struct ask *a)
{
	static struct plan p APART;
	static struct run r APART;
	char **w;

	p.property = a->words + 1;
	limit_check(&p);
	for (w = p.property; *w; w++)
		if (after(*w, "Device"))
			die("%s: devices are let through when a machine starts, not later", *w);
	if (getauxval(AT_EUID) != 0)
		die("Need to be root.");
	machine_reach(a->words[0], &r);
	limit_look(&p, &r);
	extend(&r);
	limit_set(&p, &r);
	return 0;
}
#endif

enum { MANY = 1 << 10, AT_FRONT = 1 << 11 };
enum { ASKED = WITH_MACHINES || WITH_IMAGES || WITH_LIMITS };  /* there are verbs with options */
#define RAW(fn) fn, NULL, 0, MANY
#define ASK(fn, least, most) NULL, fn, least, most
#define FRONT(fn, least, most) NULL, fn, least, (most) | AT_FRONT  /* options stand before the name: what follows is the guest's */

static const struct verb {
	const char *name;
	int (*raw)(char **words);       /* with words of its own, or */
	int (*fn)(struct ask *a);       /* with options of verb.c, and so many words */
	int least, most;
	const char *arguments, *help;
} verbs[] = {
	{ "run",        RAW(verb_run),        "[OPTION...] [COMMAND [WORD...]]", "run or boot; the verb may be left out" },
#if WITH_HELP
	{ "plan",       RAW(verb_plan),       "[OPTION...] [COMMAND [WORD...]]", "print what would be run, as words" },
#endif
#if WITH_SETTINGS
	{ "settings",   RAW(verb_settings),   "FILE...",                         "print .nspawn files as words, each in a line" },
#endif
#if WITH_MACHINES
	{ "list",         ASK(machines_list, 0, 0),       "",               "list machines that run" },
	{ "status",       ASK(machines_status, 1, MANY),  "NAME...",        "show how they are, for people" },
	{ "show",         ASK(machines_show, 0, MANY),    "[NAME...]",      "the same for programs" },
	{ "start",        ASK(start_start, 0, MANY),      "NAME...",        "start them; with --all those that are enabled" },
	{ "stop",         ASK(life_stop, 0, MANY),        "NAME...",        "power them off, or with --all all" },
	{ "poweroff",     ASK(life_stop, 0, MANY),        "NAME...",        "the same" },
	{ "reboot",       ASK(life_reboot, 1, MANY),      "NAME...",        "reboot them" },
	{ "restart",      ASK(life_reboot, 1, MANY),      "NAME...",        "the same" },
	{ "terminate",    ASK(life_terminate, 1, MANY),   "NAME...",        "end them at once" },
	{ "kill",         ASK(life_kill, 0, MANY),        "NAME...",        "send a signal to their processes" },
	{ "enable",       ASK(start_enable, 1, MANY),     "NAME...",        "let start --all start them, at boot" },
	{ "disable",      ASK(start_disable, 1, MANY),    "NAME...",        "and no longer" },
	{ "exec",         FRONT(enter_exec, 2, MANY),     "NAME COMMAND [WORD...]", "run a command in it; its status is ours" },
	{ "shell",        FRONT(enter_shell, 0, MANY),    "[[USER@]NAME [PATH [WORD...]]]", "a shell, or a program, on a terminal inside" },
	{ "login",        ASK(enter_login, 0, 1),         "[NAME]",         "log in on such a terminal" },
	{ "console",      ASK(attach_console, 1, 1),      "NAME",           "sit at its console" },
	{ "logs",         ASK(attach_logs, 1, 1),         "NAME",           "print what its console said" },
	{ "copy-to",      ASK(carry_to, 2, 3),            "NAME SRC [DST]", "copy files into it" },
	{ "copy-from",    ASK(carry_from, 2, 3),          "NAME SRC [DST]", "copy files out of it" },
	{ "bind",         ASK(carry_bind, 2, 3),          "NAME SRC [DST]", "show a file or directory of the host inside" },
	{ "cat",          ASK(machines_cat, 1, MANY),     "NAME...",        "print its .nspawn file" },
	{ "edit",         ASK(machines_edit, 1, MANY),    "NAME...",        "edit it, or a new one below /etc" },
	{ "wait",         ASK(life_wait, 1, 2),           "NAME [STATE]",   "until it runs, or is stopped (stopped)" },
	{ "monitor",      ASK(life_monitor, 0, MANY),     "[NAME...]",      "print a line for each change of state" },
#endif
#if WITH_LIMITS
	{ "freeze",       ASK(verb_freeze, 1, MANY),      "NAME...",        "stop all their processes where they are" },
	{ "thaw",         ASK(verb_thaw, 1, MANY),        "NAME...",        "let them go on" },
	{ "set-property", ASK(verb_set_property, 2, MANY), "NAME PROPERTY=VALUE...", "set its limits, as --property does" },
#endif
#if WITH_IMAGES
	{ "list-images",  ASK(images_list, 0, 0),          "",                      "list images" },
	{ "image-status", ASK(images_status, 0, MANY),     "[NAME...]",             "show what an image is, for people" },
	{ "show-image",   ASK(images_show, 0, MANY),       "[NAME...]",             "the same for programs" },
	{ "clone",        ASK(images_clone, 2, 2),         "NAME NEW",              "another: snapshot, reflink, overlay or copy" },
	{ "rename",       ASK(images_rename, 2, 2),        "NAME NEW",              "give it another name" },
	{ "read-only",    ASK(images_read_only, 1, 2),     "NAME [BOOL]",           "make it read-only, or writable again" },
	{ "remove",       ASK(images_remove, 1, MANY),     "NAME...",               "remove images" },
	{ "set-limit",    ASK(images_set_limit, 1, 2),     "[NAME] SIZE",           "limit what it takes, of a subvolume of btrfs" },
	{ "clean",        ASK(images_clean, 0, 0),         "",                      "remove hidden images; with --all all of them" },
	{ "pool",         ASK(images_pool, 0, 1),          "[SIZE]",                "keep images in a btrfs file system in a file" },
#if WITH_IMPORT
	{ "import-tar",   ASK(transfer_import_tar, 1, 2),  "FILE [NAME]",           "make an image of an archive (- is stdin)" },
	{ "import-raw",   ASK(transfer_import_raw, 1, 2),  "FILE [NAME]",           "make an image of a disk image" },
	{ "import-fs",    ASK(transfer_import_fs, 1, 2),   "DIR [NAME]",            "make an image of a directory" },
	{ "export-tar",   ASK(transfer_export_tar, 1, 2),  "NAME [FILE]",           "write an image as an archive" },
	{ "export-raw",   ASK(transfer_export_raw, 1, 2),  "NAME [FILE]",           "write a disk image" },
#if WITH_PULL
	{ "pull-tar",     ASK(pull_tar, 1, 2),             "URL [NAME]",            "fetch an archive, and make an image of it" },
	{ "pull-raw",     ASK(pull_raw, 1, 2),             "URL [NAME]",            "fetch a disk image" },
#if WITH_OCI
	{ "pull-oci",     ASK(registry_pull, 1, 2),        "REF [NAME]",            "fetch an image from a registry" },
	{ "pull-dkr",     ASK(registry_pull, 1, 2),        "REF [NAME]",            "the same, by its old name" },
#endif
#endif
#if WITH_OCI
	{ "import-oci",   ASK(oci_import, 1, 2),           "FILE[:TAG] [NAME]",     "make an image of an OCI layout, or of docker save" },
#endif
	{ "list-transfers", ASK(transfer_list, 0, 0),      "",                      "list imports, exports and pulls that run" },
	{ "cancel-transfer", ASK(transfer_cancel, 1, MANY), "ID...",                "stop them" },
#endif
#endif
#if WITH_RUNTIME
	{ "oci",        RAW(runtime_main),    "[OPTION...] COMMAND [WORD...]",   "containers of the OCI, as runc(8) has them" },
#endif
#if WITH_CHECK
	{ "check",      ASK(check_check, 0, MANY), "[FEATURE...]",               "try what the kernel has, and say what is lost" },
#endif
#if WITH_HELP
	{ "completion", RAW(verb_completion), "",                                "print the completion for bash" },
	{ "manual",     RAW(verb_manual),     "",                                "print the option list of the manual, in mdoc" },
#endif
	{ "version",    RAW(verb_version),    "",                                "print the version" },
	{ "help",       RAW(verb_help),       "",                                "print this text" },
};

#if WITH_HELP
/* the verbs whose first word is a name: of an image, which are the last ones and a few, or of a machine that runs */
static void
print_verbs_of_names(bool images)
{
	const char *separator = "\t";
	bool image = false;
	size_t i;

	for (i = 0; i < LEN(verbs); i++) {
		image |= streq(verbs[i].name, "list-images");
		if (!strstr(verbs[i].arguments, "NAME") || after(verbs[i].arguments, "[OPTION") || after(verbs[i].name, "import")
		    || after(verbs[i].name, "pull") || (image || word_index("start|enable|disable|cat|edit", verbs[i].name) >= 0) != images)
			continue;
		print(1, "%s*:%s:*", separator, verbs[i].name);
		separator = "|";
	}
}

static int
verb_completion(char **words)
{
	static const char *const path[] = { IMAGE_PATH };
	size_t i;

	(void)words;
	print(1, "# bash completion for nspawn-lite, made from its own tables\n_nspawn_lite() {\n"
	         "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} images verb='' word\n\timages=$(ls");
	for (i = 0; i < LEN(path); i++)
		print(1, " %s", path[i]);
	print(1, " 2>/dev/null |\n\t\tsed '/:$/d; /\\.\\(nspawn\\|roothash\\|p7s\\|verity\\)$/d; s/\\.\\(overlay\\|raw\\|squashfs\\|erofs\\)$//')\n"
	         "\tcase $prev in\n"
	         "\t-D|--directory|--image-root) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\"); return ;;\n"
	         "\t-M|--machine) mapfile -t COMPREPLY < <(compgen -W \"$images\" -- \"$cur\"); return ;;\n"
	         "\tesac\n\tlocal verbs='");
	for (i = 0; i < LEN(verbs); i++)
		print(1, "%s%s", i ? " " : "", verbs[i].name);
	print(1, "'\n\tlocal options='\n");
	plan_completion();
	print(1, "'\n\tlocal run=$options\n\tlocal options='\n");
	ask_completion();
	print(1, "'\n\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	         "\t\t[[ \" $verbs \" != *\" $word \"* ]] || verb=$word\n"
	         "\t\t[[ -z $verb && $1 == *ctl ]] || break\n\tdone\n"
	         "\t[[ ${1##*/}:$verb != @(systemd-nspawn:*|*:run|*:plan|nspawn-lite:) ]] || options=$run\n"
	         "\tcase ${1##*/}:$verb:$cur in\n\t*:-*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
	         "\t\t[[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace ;;\n\tsystemd-nspawn:*) ;;\n"
	         "\t*::*) [[ $COMP_CWORD != 1 && $1 != *ctl ]] || mapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- \"$cur\") ;;\n");
	print_verbs_of_names(true);
	print(1, ") mapfile -t COMPREPLY < <(compgen -W \"$images\" -- \"$cur\") ;;\n");
	print_verbs_of_names(false);
	print(1, ") mapfile -t COMPREPLY < <(compgen -W \"$(ls " STATE_DIR " 2>/dev/null)\" -- \"$cur\") ;;\n\tesac\n}\n"
	         "complete -o default -F _nspawn_lite nspawn-lite systemd-nspawn machinectl importctl\n");
	return 0;
}
#endif

static int
verb_help(char **words)
{
	bool verbs_only = streq(verb_called, "machinectl") || streq(verb_called, "importctl");
	char *left;
	size_t i;

	(void)words;
	if (verbs_only)
		print(1, "%s [OPTION...] VERB [WORD...]\n\nLook after containers and their images.\n", verb_called);
	else
		print(1, "%s [OPTION...] [COMMAND [WORD...]]\n%s%s\n"
		         "Run a command, or boot an operating system, in a container.\n", verb_called,
		      *speaker ? verb_called : "", *speaker ? " VERB [OPTION...] [WORD...]\n" : "");
	if (*speaker || verbs_only) {
		print(1, "\nVerbs:\n");
		for (i = 0; i < LEN(verbs); i++) {
			left = fmt("  %s%s%s", verbs[i].name, *verbs[i].arguments ? " " : "", verbs[i].arguments);
			verb_help_row(left, verbs[i].help);
		}
		if (ASKED) {
			print(1, "\nOptions of verbs:\n");
			ask_help();
		}
	}
	if (!verbs_only)
		plan_help();
	return 0;
}

/* whoever called us without them: nothing that we open shall become standard output */
static void
fill_standard_fds(void)
{
	struct pollfd fds[3] = { { 0, 0, 0 }, { 1, 0, 0 }, { 2, 0, 0 } };
	int i;

	if (poll(fds, 3, 0) <= 0)
		return;
	for (i = 0; i < 3; i++)
		if (fds[i].revents & POLLNVAL && openat(AT_FDCWD, "/dev/null", O_RDWR) < 0)
			die("open /dev/null in place of a standard stream:");
}

static int
ask_verb(const struct verb *v, struct ask *a)
{
	size_t n;

	if (a->help)
		return verb_help(NULL);
	if (a->version)
		return verb_version(NULL);
	n = count(a->words);
	if (n < (size_t)v->least)
		die(*speaker ? "%s: say more: %s %s %s" : "Too few arguments.", v->name, verb_called, v->name, v->arguments);
	if (n > (size_t)(v->most & ~AT_FRONT))
		die(*speaker ? "%s: too many words: %s %s%s%s" : "Too many arguments.", v->name, verb_called, v->name,
		    *v->arguments ? " " : "", v->arguments);
	return v->fn(a);
}

static const struct verb *
find_verb(const char *name)
{
	static const struct { const char *importctl, *name; } others[] = {
		{ "list", "list-transfers" }, { "cancel", "cancel-transfer" },
	};
	size_t i;

	for (i = 0; i < LEN(others) && streq(verb_called, "importctl"); i++)
		if (streq(name, others[i].importctl))
			name = others[i].name;
	for (i = 0; i < LEN(verbs); i++)
		if (streq(verbs[i].name, name))
			return &verbs[i];
	if (!*speaker)
		die("Unknown command verb %s.", name);
	if (WITH_RUNTIME && word_index("create|state|delete|features|spec", name) >= 0)
		die("%s is for the verb oci: %s oci %s; a program that says it itself is to call us nspawn-lite-oci", name, verb_called, name);
	die("%s", plan_or_off(fmt("%s is no verb%s (%s help lists them); to run it in a container: %s -D DIR %s", name,
	                          verb_near("", name, verbs, LEN(verbs), sizeof(*verbs)), verb_called, verb_called, name)));
}

/* the verb is the first word, but for options */
static int
take_verb(char **words)
{
	static struct ask a;
	const struct verb *v;
	bool options = *words && **words == '-';

	if (ASKED && options) {
		ask_parse(&a, words, true);
		words = a.words;
		if (a.help || a.version)
			return a.help ? verb_help(NULL) : verb_version(NULL);
	}
	v = find_verb(*words ? *words : "list");
	words += *words != NULL;
	if (v->raw && options)
		die("%s: its options stand behind it", v->name);
	if (v->raw || !ASKED)
		return v->raw(words);
	ask_parse(&a, words, v->most & AT_FRONT);
	a.verb = v->name;
	return ask_verb(v, &a);
}

/* help that nobody got has failed; a machine's own status stands for itself */
static int
speak_status(int status)
{
	return status == 0 && mute && !lived ? FAIL : status;
}

int
main(int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "nspawn-lite";

	if (WITH_MACHINES && streq(name, "(enter)"))
		return enter_inside(argv);
	fill_standard_fds();
	sys_deny(getenv("NSPAWN_LITE_DENY"));
	seal_begin(name);
	live_argv = argv;
	if (strrchr(name, '/'))
		name = strrchr(name, '/') + 1;
	verb_called = name;
	if (word_index("runc|crun|nspawn-lite-oci", name) >= 0) {
		if (WITH_RUNTIME)
			return speak_status(runtime_main(argv + 1));
		/* start and kill would be of machines */
		die("%s", plan_or_off(fmt("%s: not a runtime of containers", name)));
	}
	if (streq(name, "systemd-nspawn")) {
		speaker = "";
		return speak_status(verb_run(argv + 1));
	}
	if (streq(name, "machinectl") || streq(name, "importctl"))
		speaker = "";
	else if (argc > 1 && argv[1][0] == '-')
		return speak_status(verb_run(argv + 1));
	if (argc < 2 && !*speaker)
		return speak_status(take_verb((char *[]){ "list", NULL }));
	if (argc < 2)
		die("say what to do: %s -D DIR [COMMAND], or a verb; %s help lists all", name, name);
	return speak_status(take_verb(argv + 1));
}
