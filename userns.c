/* SPDX-License-Identifier: 0BSD */
/*
 * Which ids of the host stand for those inside, and how the two processes that a machine with a
 * user namespace is born from work together: user_namespaces(7).
 *
 * init is made first, in all of the machine's namespaces but the one for mounts, and waits. The
 * builder, with the host's privileges, joins it there, makes the mounts, and at last turns into
 * the guest's root itself: its copy of the mounts, which belongs to the guest and cannot be taken
 * apart by it, is what init then enters.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

enum { RANGE = 65536 };
enum { USERS_NO, USERS_YES, USERS_PICK, USERS_AUTO, USERS_IDENTITY, USERS_BASE };
/* where pick looks: beyond what systems give to people, below what a signed number holds */
#define PICK_MIN 0x00080000U
#define PICK_MAX 0x6fff0000U

/* ---- the word ------------------------------------------------------------------ */

/* -1 if it is none. Digits are a base, never yes or no */
static int
parse(const char *word, uint32_t *base, uint32_t *n)
{
	static const char *const names[] = { "no", "yes", "pick", "auto", "identity" };
	const char *colon;
	long long number;
	size_t i;

	*base = 0;
	*n = RANGE;
	if (!word)
		return USERS_NO;
	for (i = 0; i < LEN(names); i++)
		if (streq(word, names[i]))
			return (int)i;
	if (streq(word, "managed"))  /* who hands out ranges is us */
		return USERS_PICK;
	if (*word < '0' || *word > '9')
		return parse_bool(word) < 0 ? -1 : parse_bool(word) ? USERS_YES : USERS_NO;
	colon = strchr(word, ':');
	if (colon && (!parse_number(colon + 1, 1, UINT32_MAX, &number)))
		return -1;
	if (colon)
		*n = (uint32_t)number;
	if (!parse_number(colon ? xstrndup(word, (size_t)(colon - word)) : word, 0, UINT32_MAX, &number))
		return -1;
	*base = (uint32_t)number;
	return (uint64_t)*base + *n > UINT32_MAX ? -1 : USERS_BASE;  /* the last id means none: chown(2) */
}

void
userns_check(const struct plan *p)
{
	uint32_t base, n;
	int mode = parse(p->private_users, &base, &n);

	if (mode < 0)
		die("--private-users=%s: not no, yes, pick, auto, identity or BASE[:N] with ids below 4294967295", p->private_users);
	if (mode != USERS_NO && p->api_vfs_writable == VFS_YES)
		die("Cannot combine --private-users with read-write mounts.");
	if (mode == USERS_BASE && p->private_users_ownership == OWNERSHIP_CHOWN && base % RANGE)
		die("--private-users=%s: to chown the tree the base must be a multiple of %d", p->private_users, RANGE);
}

/* ---- the range ------------------------------------------------------------------- */

/* how many ids from base on are ours to give? Inside another machine not all are */
static uint64_t
mapped(uint32_t base)
{
	char text[4096], *rest = text, *line, *at;
	unsigned long long first, len;

	if (read_at(AT_FDCWD, "/proc/self/uid_map", text, sizeof(text)) <= 0)
		return UINT32_MAX - base;
	while ((line = next_line(&rest))) {
		first = strtoull(line, &at, 10);
		strtoull(at, &at, 10);
		len = strtoull(at, &at, 10);
		if (base >= first && base < first + len)
			return first + len - base;
	}
	return 0;
}

/* a line of passwd(5), group(5) or subuid(5) that names an id, or the start of some, of the range */
static bool
named_in(const char *path, int field, uint32_t base)
{
	enum { SIZE = 65536 };
	static void *room;
	char *text = scratch_room(&room, SIZE), *rest = text, *line, *at;
	unsigned long long id;
	int i;

	if (read_at(AT_FDCWD, path, text, SIZE) <= 0)
		return false;
	while ((line = next_line(&rest))) {
		for (i = 0, at = line; at && i < field; i++)
			at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL;
		if (!at || *at < '0' || *at > '9')
			continue;
		id = strtoull(at, NULL, 10);
		if (id >= base && id < (uint64_t)base + RANGE)
			return true;
	}
	return false;
}

static bool
known_to_host(uint32_t base)
{
	static const struct { const char *path; int field; } lists[] = {
		{ "/etc/passwd", 2 }, { "/etc/group", 2 }, { "/etc/subuid", 1 }, { "/etc/subgid", 1 },
	};
	size_t i;

	for (i = 0; i < LEN(lists); i++)
		if (named_in(lists[i].path, lists[i].field, base))
			return true;
	return false;
}

/* the original, where it runs too, holds its ranges by locks like ours */
static bool
held_by_original(uint32_t base)
{
	int fd = openat(AT_FDCWD, fmt("/run/systemd/nspawn-uid/%u", base), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool held;

	if (fd < 0)
		return false;
	held = flock(fd, LOCK_SH | LOCK_NB) < 0;
	close(fd);
	return held;
}

static char *
lock_path(uint32_t base)
{
	return fmt("%s/" IDS_PREFIX "%u", run_state_dir(), (unsigned int)base);
}

static void
release(struct run *r)
{
	while (r->nids-- > 0) {
		unlink(lock_path(r->ids[r->nids].base));
		close(r->ids[r->nids].fd);
	}
}

/* a range is ours until we end: the lock of a file beside those of machines */
static bool
claim(struct run *r, uint32_t base)
{
	off_t size;
	int fd = r->nids < LEN(r->ids) ? machine_lock(lock_path(base), &size) : -1;

	if (fd < 0)
		return false;
	if (r->nids == 0)
		undo(r, release);
	r->ids[r->nids].base = base;
	r->ids[r->nids++].fd = fd;
	return true;
}

/* one that was told may be shared, on purpose; but pick shall keep off all that it touches */
static void
claim_told(struct run *r)
{
	uint64_t base = r->id_base & ~(uint32_t)(RANGE - 1), end = (uint64_t)r->id_base + r->id_count;

	for (; base < end && base < PICK_MAX && r->nids < LEN(r->ids); base += RANGE)
		if (base >= RANGE)
			claim(r, (uint32_t)base);
	if (r->nids == LEN(r->ids) && base < end)
		warn("--private-users: only %zu ids of that range are kept from what pick gives to others", LEN(r->ids) * RANGE);
}

static bool
take(struct run *r, uint32_t base)
{
	return mapped(base) >= RANGE && !held_by_original(base) && claim(r, base);
}

static bool
pick(struct run *r, const struct stat *tree)
{
	static const uint8_t key[16] = {
		0xe1, 0x56, 0xe0, 0xf0, 0x4a, 0xf0, 0x41, 0xaf, 0x96, 0x41, 0xcf, 0x41, 0x33, 0x94, 0xff, 0x72,
	};
	enum { TRIES = 100 };
	uint32_t base = tree->st_uid & ~(uint32_t)(RANGE - 1), min = PICK_MIN, max = PICK_MAX;
	uint64_t ours = mapped(0);
	int tries;

	if (ours < PICK_MAX) {  /* what another machine has left to give, and 0 is its own */
		min = RANGE;
		max = (uint32_t)ours & ~(uint32_t)(RANGE - 1);
		if (max <= min)
			return false;
	}

	/* a tree that has owners of such a range already had it before */
	if (base >= min && base < max && (tree->st_gid & ~(uint32_t)(RANGE - 1)) == base && take(r, base)) {
		r->id_base = base;
		return true;
	}
	base = (uint32_t)siphash24(r->name, strlen(r->name), key);
	for (tries = 0; tries < TRIES; tries++) {
		base = (base % (max - min) + min) & ~(uint32_t)(RANGE - 1);
		if (!known_to_host(base) && take(r, base)) {
			r->id_base = base;
			return true;
		}
		random_bytes(&base, sizeof(base));
	}
	return false;
}

/* CONFIG_USER_NS, and not turned off */
static bool
supported(void)
{
	char most[32];

	if (sys_denied("userns") || access("/proc/self/ns/user", F_OK) < 0)
		return false;
	return read_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", most, sizeof(most)) <= 0 || strtoul(most, NULL, 10) > 0;
}

/* its owners are those of the range: nothing is to be done to them */
static bool
owned(const struct run *r, const struct stat *tree)
{
	return tree->st_uid >= r->id_base && tree->st_uid - r->id_base < r->id_count
	    && tree->st_gid >= r->id_base && tree->st_gid - r->id_base < r->id_count;
}

/* root inside has the host's root's id, then, which is all that much of /proc asks for */
static void
mind_host_root(const struct plan *p, int mode)
{
	static const char why[] = "with ids from 0 on, which are the host's own: root inside would";

	if (p->nesting == YES)
		die("--nesting=yes %s write the host's settings; take other ids, as -U does", why);
	if (p->share_pid == YES)
		die("--share-pid=yes %s rule the host's processes; take other ids, as -U does", why);
	if (p->api_vfs_writable == VFS_NETWORK && !net_private(p))
		die("--api-vfs-writable=network %s write the host's settings; add --private-network", why);
	if (mode == USERS_YES)
		warn("--private-users=yes: the tree belongs to the host's root, so ids are the same on both sides; -U takes others");
}

/* a copy of the tree's mount, with what is mounted in it, that shows owners as they are to be. false: with errno */
static bool
map_tree(struct run *r, bool loud)
{
	int tree = r->tree_mount;  /* of an image there is one */

	if (tree < 0)
		tree = sys_open_tree(r->tree, "", CLONE_TREE | RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC);
	if (tree < 0)
		return false;
	r->tree_mount = -1;
	if (sys_mount_idmap(tree, r->userns_fd, true) < 0) {
		if (sys_mount_idmap(tree, r->userns_fd, false) < 0) {
			drop(tree);
			return false;
		}
		if (loud)
			warn("what is mounted in the tree belongs to nobody inside: its file system takes no idmapped mount");
	}
	r->tree_mount = tree;
	r->ownership = OWNERSHIP_MAP;
	return true;
}

static const char *
why_unmapped(const struct run *r)
{
	return errno == ENOSYS ? "Linux 5.12 is needed" : errno == EPERM ? "only who owns the file system may"
	    : fmt("%s does not take them", place_type(r->tree));
}

/*
 * try-map: a tree on flash is not to be written to for this. Decided before birth, by a namespace with the same ids as the
 * machine's: a disk image's mount is shown with them for good, of a tree it is a copy that goes again
 */
static void
try_map(struct run *r)
{
	char *map = fmt("0 %u %u\n", (unsigned int)r->id_base, (unsigned int)r->id_count);
	bool own = r->tree_mount >= 0, done;

	r->userns_fd = sys_userns(map, map);
	done = r->userns_fd >= 0 && map_tree(r, own);
	if (!done)
		warn("no users of its own for %s: no idmapped mount (%s)", r->name, why_unmapped(r));
	r->userns_fd = drop(r->userns_fd);
	if (!done) {
		r->userns = r->range_picked = false;
		r->id_base = r->id_count = 0;
	} else if (own) {
		r->tree_mapped = true;
	} else {
		r->tree_mount = drop(r->tree_mount);
	}
}

static void
choose(const struct plan *p, struct run *r)
{
	uint32_t base, n;
	int mode = parse(p->private_users, &base, &n);
	struct stat tree;

	if (mode == USERS_NO)
		return;
	if (!supported()) {
		if (mode != USERS_AUTO)
			die("--private-users: the kernel has no user namespaces (CONFIG_USER_NS, sysctl user.max_user_namespaces)");
		warn("no user namespace: the kernel has none (CONFIG_USER_NS, sysctl user.max_user_namespaces)");
		return;
	}
	if (fstat(r->tree, &tree) < 0)
		die("look at the tree:");
	r->id_base = base;
	r->id_count = n;
	if (mode == USERS_YES) {
		r->id_base = tree.st_uid & ~(uint32_t)(RANGE - 1);
		if ((tree.st_gid & ~(uint32_t)(RANGE - 1)) != r->id_base)
			die("UID and GID base of %s don't match.", r->root);
	}
	if ((mode == USERS_PICK || mode == USERS_AUTO) && !pick(r, &tree)) {
		if (mode == USERS_PICK)
			die("--private-users=pick: no range of %d ids is free%s", RANGE,
			    mapped(PICK_MIN) >= RANGE ? "" : "; the machine around this one has too few: give that more, with --private-users=BASE:N");
		warn("no user namespace: no range of %d ids is free here", RANGE);
		r->id_base = r->id_count = 0;
		return;
	}
	if (mapped(r->id_base) < r->id_count)
		die("--private-users=%s: ids %u to %u are not ours to give: the machine around this one lacks them", p->private_users,
		    (unsigned int)r->id_base, (unsigned int)(r->id_base + r->id_count - 1));
	if (mode == USERS_YES || mode == USERS_BASE)
		claim_told(r);
	if (r->id_base == 0)
		mind_host_root(p, mode);
	r->userns = true;
	r->ownership = p->private_users_ownership ? p->private_users_ownership
	             : mode == USERS_PICK || mode == USERS_AUTO ? OWNERSHIP_AUTO : OWNERSHIP_OFF;
	if (owned(r, &tree) || (r->id_base == 0 && r->ownership != OWNERSHIP_CHOWN))
		r->ownership = OWNERSHIP_OFF;
	if (r->ownership == OWNERSHIP_CHOWN && (r->read_only || p->volat > VOLATILE_NO || p->ephemeral))
		die("%s and --private-users-ownership=chown may not be combined.",
		    p->volat > VOLATILE_NO ? "--volatile=" : p->ephemeral ? "--ephemeral" : "--read-only");
	r->range_picked = mode == USERS_PICK || mode == USERS_AUTO;
	if (r->ownership == OWNERSHIP_TRY_MAP && !r->layers)
		try_map(r);
}

void
userns_choose(const struct plan *p, struct run *r)
{
	choose(p, r);
	if (!r->userns && p->nesting == YES)
		warn("--nesting without users of its own (-U): root inside may use bpf(2), and read the kernel's memory");
}

/* ---- the supervisor's part, once init waits ------------------------------------------ */

static _Noreturn void
shift_and_exit(struct run *r)
{
	char *where = NULL;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || tree_shift(r->tree, r->id_base, &where) < 0) {
		warn("give %s/%s to its new owner; what is done stays, and the next start goes on:", r->root, where ? where : "");
		_exit(FAIL);
	}
	if (where)
		warn("what is mounted at %s of the tree keeps its owners", where);
	_exit(0);
}

/* it may take its time, and whoever waits may lose patience: by a process of its own, then */
static void
chown_tree(struct run *r)
{
	int status;
	pid_t pid;

	say("giving all of the tree to ids %u to %u", (unsigned int)r->id_base, (unsigned int)(r->id_base + RANGE - 1));
	pid = fork();
	if (pid < 0)
		die("fork:");
	if (pid == 0)
		shift_and_exit(r);
	status = run_child(r, pid);
	if (status < 0)
		die("stopped while the owners of the tree were changed; the next start goes on");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		exit(FAIL);  /* it has said why */
	r->ownership = OWNERSHIP_CHOWN;
}

static void
settle_owners(const struct plan *p, struct run *r)
{
	bool fixed = r->read_only || p->volat > VOLATILE_NO || p->ephemeral;
	const char *why;

	if (r->ownership == OWNERSHIP_OFF || r->tree_mapped)
		return;
	if (r->ownership != OWNERSHIP_CHOWN && map_tree(r, true))
		return;
	why = why_unmapped(r);
	if (r->ownership == OWNERSHIP_MAP || (r->ownership == OWNERSHIP_AUTO && fixed))
		die("show %s with other owners: no idmapped mount (%s)%s", r->root, why,
		    fixed ? "; give it these owners while it can be written to, with --private-users-ownership=chown, or leave out -U" : "");
	if (r->ownership == OWNERSHIP_AUTO)
		say("no idmapped mount (%s): owners are changed in the tree", why);
	chown_tree(r);
}

/* write both maps; from then on its ids mean something, and init may go on */
void
userns_map(const struct plan *p, struct run *r)
{
	char map[64];

	snprintf(map, sizeof(map), "0 %u %u\n", (unsigned int)r->id_base, (unsigned int)r->id_count);
	if (put_at(AT_FDCWD, fmt("/proc/%d/uid_map", (int)r->pid), map) < 0
	    || put_at(AT_FDCWD, fmt("/proc/%d/gid_map", (int)r->pid), map) < 0)
		die("map the machine's ids to %u and those above:", (unsigned int)r->id_base);
	r->userns_fd = openat(AT_FDCWD, fmt("/proc/%d/ns/user", (int)r->pid), O_RDONLY | O_CLOEXEC);
	if (r->userns_fd < 0)
		die("open the machine's user namespace:");
	r->init_pidfd = sys_pidfd_open(r->pid);
	r->init_ns = openat(AT_FDCWD, fmt("/proc/%d/ns", (int)r->pid), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->init_ns < 0)
		die("open the machine's namespaces:");
	settle_owners(p, r);
}

void
userns_let_go(struct run *r)
{
	int *const fds[] = { &r->init_pidfd, &r->init_ns, &r->userns_fd, &r->tree_mount, &r->hand[0] };
	size_t i;

	for (i = 0; i < LEN(fds); i++) {
		drop(*fds[i]);
		*fds[i] = -1;
	}
}

/* ---- the builder's part ----------------------------------------------------------------- */

/* which init makes meanwhile */
void
userns_join_network(const struct plan *p, struct run *r)
{
	char note = 0;

	if (!r->userns || !net_private(p) || r->netns >= 0 || r->network_joined)
		return;
	if (sys_recv(r->hand[0], &note, 1, NULL, NULL) != 1)
		_exit(FAIL);  /* it has said why */
	if (sys_join(r->init_pidfd, r->init_ns, CLONE_NEWNET) < 0)
		die("join the machine's network:");
	r->network_joined = true;
}

/* where init is, with the host's rights; what is made from here on belongs to the guest's root */
void
userns_join(const struct plan *p, struct run *r)
{
	enum { NO_SETUID_FIXUP = 1 << 2 };  /* SECBIT_NO_SETUID_FIXUP: capabilities(7) */

	int namespaces = r->namespaces | (r->cgroup_shown ? CLONE_NEWCGROUP : 0);

	if (!r->userns)
		return;
	close(r->hand[1]);
	/* the directory leads to the host: what needs it is done here. So is what must see the whole of that machine's /sys */
	if (r->init_pidfd < 0 || sys_denied("setns-pidfd") || !namespaces || setns(r->init_pidfd, namespaces) < 0) {
		if (sys_join(-1, r->init_ns, namespaces) < 0)
			die("join the machine's namespaces:");
		userns_join_network(p, r);
	}
	if (r->nested)
		userns_join_network(p, r);
	close(r->init_ns);
	if (prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP) < 0)
		die("keep capabilities:");
	setfsgid(r->id_base);
	setfsuid(r->id_base);
	/* that took away what binds us to the supervisor */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		die("bind the machine's life to ours:");
}

/*
 * Become the guest's root, and copy the mounts for it: that copy belongs to the guest, and what is
 * in it cannot be unmounted or changed by it (mount_namespaces(7)).
 */
void
userns_hand_over(const struct plan *p, struct run *r)
{
	int mounts;

	(void)p;
	if (!r->userns)
		return;
	if (setns(r->userns_fd, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0)
		die("give the mounts to the machine:");
	mounts = openat(r->procfs, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (mounts < 0 || sys_send(r->hand[0], "m", 1, mounts) < 0 || sys_send(r->hand[0], "p", 1, r->procfs) < 0)
		die("hand the mounts over:");
}

/* ---- init's part ---------------------------------------------------------------------------- */

/*
 * Wait for the mounts, and then until nobody holds the other end any more: the builder shares the
 * supervisor's memory, and must be gone before the guest's first program can look at it.
 */
void
userns_receive(const struct plan *p, struct run *r)
{
	char note[2] = { 'r', (char)('0' + r->cgroup_shown) };
	int mounts = -1;
	ssize_t got;

	/* a link of the tree may lead to any fd of ours: from here on none leads to the host */
	const int keep[] = { wirefd, r->notify, r->relay[0], r->relay[1], r->relay[2], r->hand[1] };

	if (!r->userns)
		return;
	sys_close_but(3 + r->listen_fds, keep, LEN(keep));
	if (sys_send(r->hand[1], note, sizeof(note), -1) < 0)
		die("tell that we wait for the mounts:");
	/* it takes longer than all the rest, and there may be a second CPU */
	if (net_private(p) && r->netns < 0 && (unshare(CLONE_NEWNET) < 0 || sys_send(r->hand[1], note, 1, -1) < 0))
		die("make a network namespace (CONFIG_NET_NS):");
	got = sys_recv(r->hand[1], note, 1, &mounts, NULL);
	if (got >= 0 && mounts < 0)
		_exit(FAIL);  /* whoever ended has said why */
	if (got < 0 || sys_recv(r->hand[1], note, 1, &r->procfs, NULL) != 1 || sys_recv(r->hand[1], note, 1, NULL, NULL) != 0)
		die("wait for the mounts:");
	close(r->hand[1]);
	if (sys_set_groups(0, NULL) < 0 || sys_set_group(0) < 0 || sys_set_user(0) < 0)
		die("become the machine's root:");
	if (setns(mounts, CLONE_NEWNS) < 0 || chdir("/") < 0)
		die("enter the mounts:");
	close(mounts);
	umask(0);
}
