/* SPDX-License-Identifier: 0BSD */
/* System calls that libc lacks. One wrapper, one call, one fallback: the caller cannot tell */
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
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <net/if.h>
#include <linux/capability.h>
#include <linux/keyctl.h>

#include "util.h"

/* From 424 on calls have one number everywhere, plus a base on MIPS; headers of older SDKs lack them */
#if defined(_MIPS_SIM) && _MIPS_SIM == _ABIO32
#define CALL(n) (4000 + (n))
#elif defined(_MIPS_SIM) && _MIPS_SIM == _ABI64
#define CALL(n) (5000 + (n))
#elif defined(_MIPS_SIM)
#define CALL(n) (6000 + (n))
#else
#define CALL(n) (n)
#endif
enum {
	NR_pidfd_send_signal = CALL(424),
	NR_open_tree = CALL(428), NR_move_mount = CALL(429), NR_fsopen = CALL(430), NR_fsconfig = CALL(431),
	NR_fsmount = CALL(432), NR_pidfd_open = CALL(434), NR_clone3 = CALL(435), NR_close_range = CALL(436),
	NR_openat2 = CALL(437), NR_mount_setattr = CALL(442),
};

static const char *denied = "";

void
sys_deny(const char *names)
{
	denied = names ? names : "";
}

bool
sys_denied(const char *name)
{
	const char *p = denied;
	size_t n, len = strlen(name);

	for (; *p; p += n + (p[n] == ',')) {
		n = strcspn(p, ",");
		if (n == len && memcmp(p, name, n) == 0) {
			errno = ENOSYS;
			return true;
		}
	}
	return false;
}

/* of the calls that came since 5.0 */
static bool
missing(const char *call)
{
	return sys_denied(call) || sys_denied("new");
}

bool
sys_has(const char *call)
{
	static const struct { const char *name; int nr; } calls[] = {
		{ "statx", SYS_statx }, { "open_tree", NR_open_tree }, { "openat2", NR_openat2 }, { "close_range", NR_close_range },
		{ "mount_setattr", NR_mount_setattr }, { "fsopen", NR_fsopen },
	};
	size_t i = 0;

	while (!streq(calls[i].name, call))
		i++;
	return !missing(call) && (syscall(calls[i].nr, -1, -1, -1, -1, -1) >= 0 || errno != ENOSYS);
}

bool
sys_has_threads(void)
{
	cpu_set_t set;
	int nobody = 0;

	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 1
	       && syscall(SYS_futex, &nobody, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0) == 0;
}

/* ---- opening below a tree that we do not trust ------------------------ */

static int
openat2_in(int dir, const char *path, int flags)
{
	struct { uint64_t flags, mode, resolve; } how = {
		.flags = (uint64_t)(unsigned int)flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? 0644 : 0,
		.resolve = 0x10 | 0x02,  /* RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS: openat2(2) */
	};

	return missing("openat2") ? -1 : (int)syscall(NR_openat2, dir, path, &how, sizeof(how));
}

/* The walk by hand: every step by fd and without following, ".." by our own memory of the way down */
struct way {
	int fd[40];
	int depth, links;
	char rest[PATH_MAX];
};

static void
walk_back(struct way *w, int depth)
{
	while (w->depth > depth)
		close(w->fd[w->depth--]);
}

static int
walk_link(struct way *w, const char *name, const char *tail)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(w->fd[w->depth], name, target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	target[n] = 0;
	if (++w->links > 40 || (size_t)n + strlen(tail) + 2 > sizeof(w->rest)) {
		errno = ELOOP;
		return -1;
	}
	memmove(w->rest + n + 1, tail, strlen(tail) + 1);
	memcpy(w->rest, target, (size_t)n);
	w->rest[n] = '/';
	if (target[0] == '/')
		walk_back(w, 0);
	return 0;
}

static int
walk_step(struct way *w, int flags, bool *last)
{
	char *name = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(name, "/");
	char *tail = name + n + strspn(name + n, "/");
	char step[NAME_MAX + 1];
	struct stat st;
	int fd;

	*last = !*tail;
	if (n > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(step, name, n);
	step[n] = 0;
	if (n == 0 || streq(step, ".") || streq(step, "..")) {
		if (n == 2 && w->depth > 0)
			walk_back(w, w->depth - 1);
		memmove(w->rest, tail, strlen(tail) + 1);
		return *last ? openat(w->fd[w->depth], ".", flags | O_CLOEXEC) : -2;
	}
	if (fstatat(w->fd[w->depth], step, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)
	    && !(*last && flags & O_NOFOLLOW))
		return walk_link(w, step, tail) < 0 ? -1 : (*last = false, -2);
	fd = openat(w->fd[w->depth], step, (*last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || *last)
		return fd;
	if (w->depth + 1 == (int)LEN(w->fd)) {
		close(fd);
		errno = ENAMETOOLONG;
		return -1;
	}
	w->fd[++w->depth] = fd;
	memmove(w->rest, tail, strlen(tail) + 1);
	return -2;
}

static int
walk_in(int dir, const char *path, int flags)
{
	struct way w = { .fd = { dir } };
	bool last;
	int fd;

	if (strlen(path) >= sizeof(w.rest)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(w.rest, path);
	do
		fd = walk_step(&w, flags, &last);
	while (fd == -2);
	{
		int saved = errno;

		walk_back(&w, 0);
		errno = saved;
	}
	return fd;
}

static int
open_in(int dir, const char *path, int flags)
{
	int fd, tries = 0;

	do
		fd = openat2_in(dir, path, flags);
	while (fd < 0 && errno == EAGAIN && ++tries < 100);  /* somebody moves what the path goes through */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EAGAIN))
		return walk_in(dir, path, flags);
	return fd;
}

int
sys_open_dir(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
sys_open_in(int dir, const char *path, int flags, int kind)
{
	char self[32];
	struct stat st, now;
	int fd, again;

	if (kind != IN_REGULAR || flags & (O_PATH | O_CREAT))
		return open_in(dir, path, flags | (kind == IN_DIR ? O_DIRECTORY : 0) | (flags & O_PATH ? 0 : O_NOCTTY));
	/* look before opening: it may be a device, and opening one does things */
	fd = open_in(dir, path, O_PATH);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return drop(fd);
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return -1;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	again = openat(AT_FDCWD, self, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (again >= 0 && (fstat(again, &now) < 0 || now.st_dev != st.st_dev || now.st_ino != st.st_ino)) {
		close(again);  /* what is called /proc here is none */
		again = -1;
		errno = ENOENT;
	}
	if (again < 0 && errno == ENOENT)  /* no /proc here */
		again = open_in(dir, path, flags | O_NONBLOCK | O_NOCTTY);
	drop(fd);
	return again;
}

/* the id of the mount that a name is on, which file systems without handles do not say */
static uint64_t
mount_of(int dir, const char *name)
{
	struct { unsigned int bytes; int type; } handle = { 0, 0 };
	int id, flags = *name ? 0 : AT_EMPTY_PATH;

	if (syscall(SYS_name_to_handle_at, dir, name, &handle, &id, flags) < 0 && errno == EOVERFLOW)
		return (uint64_t)id;
	return 0;
}

/* struct statx of the kernel, as much of it as we want */
struct statx_words {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, spare;
	uint64_t ino, size, blocks, attributes_mask;
	struct { int64_t sec; uint32_t nsec; int32_t spare; } atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mount;
	uint64_t later[13];
};

int
sys_look(int dir, const char *name, struct look *l)
{
	/* STATX_BASIC_STATS, _BTIME, _MNT_ID, and STATX_ATTR_MOUNT_ROOT */
	enum { BASIC = 0x7ff, BORN = 0x800, MOUNT = 0x1000, NO_AUTOMOUNT = 0x800, ATTR_TOP = 0x2000 };
	int flags = AT_SYMLINK_NOFOLLOW | NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);
	struct statx_words x = { 0 };
	struct stat st;

	if (!missing("statx") && syscall(SYS_statx, dir, name, flags, BASIC | BORN | MOUNT, &x) == 0) {
		*l = (struct look){ .dev = (uint64_t)x.dev_major << 32 | x.dev_minor, .ino = x.ino, .size = x.size,
			.blocks = x.blocks, .rdev = makedev(x.rdev_major, x.rdev_minor), .nlink = x.nlink,
			.sec = x.mtime.sec, .nsec = x.mtime.nsec, .read_sec = x.atime.sec, .read_nsec = x.atime.nsec,
			.mode = x.mode, .uid = x.uid, .gid = x.gid, .below = x.attributes_mask & ~x.attributes & ATTR_TOP };
		l->born = x.mask & BORN ? x.btime.sec * 1000000 + x.btime.nsec / 1000 : 0;
		l->mount = x.mask & MOUNT ? x.mount : mount_of(dir, name);
		return 0;
	}
	if (errno != ENOSYS && errno != EPERM)
		return -1;
	if (fstatat(dir, name, &st, flags) < 0)
		return -1;
	*l = (struct look){ .dev = st.st_dev, .ino = st.st_ino, .size = (uint64_t)st.st_size, .mount = mount_of(dir, name),
		.blocks = (uint64_t)st.st_blocks, .rdev = st.st_rdev, .nlink = (uint32_t)st.st_nlink,
		.sec = st.st_mtim.tv_sec, .nsec = (uint32_t)st.st_mtim.tv_nsec,
		.read_sec = st.st_atim.tv_sec, .read_nsec = (uint32_t)st.st_atim.tv_nsec,
		.mode = st.st_mode, .uid = st.st_uid, .gid = st.st_gid };
	return 0;
}

/* ---- fds -------------------------------------------------------------- */

static bool
in(int fd, const int *list, size_t n)
{
	while (n > 0)
		if (list[--n] == fd)
			return true;
	return false;
}

static bool
close_ranges(int low, const int *keep, size_t n)
{
	int next;
	size_t i;

	for (;; low = next + 1) {
		for (next = INT_MAX, i = 0; i < n; i++)
			if (keep[i] >= low && keep[i] < next)
				next = keep[i];
		if (next == INT_MAX)
			return syscall(NR_close_range, low, ~0U, 0) == 0;
		if (next > low && syscall(NR_close_range, low, next - 1, 0) < 0)
			return false;
	}
}

void
sys_close_but(int low, const int *keep, size_t n)
{
	struct rlimit most = { 1024, 0 };
	struct dirent *e;
	long fd;
	DIR *d;

	if (!missing("close_range") && close_ranges(low, keep, n))
		return;
	d = opendir("/proc/self/fd");
	if (d) {
		while ((e = readdir(d))) {
			fd = *e->d_name == '.' ? -1 : strtol(e->d_name, NULL, 10);
			if (fd >= low && fd != dirfd(d) && !in((int)fd, keep, n))
				close((int)fd);
		}
		closedir(d);
		return;
	}
	prlimit(0, RLIMIT_NOFILE, NULL, &most);
	for (fd = low; fd < INT_MAX && (rlim_t)fd < most.rlim_cur; fd++)
		if (!in((int)fd, keep, n))
			close((int)fd);
}

int
sys_named_socket(int type, const char *path, bool make)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int dir = openat(AT_FDCWD, slash ? fmt("%.*s/", (int)(slash - path), path) : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : socket(AF_UNIX, type | SOCK_CLOEXEC, 0), ret = -1;

	if (snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir, name) >= (int)sizeof(a.sun_path))
		errno = ENAMETOOLONG;
	else if (fd >= 0)
		ret = (make ? bind : connect)(fd, (struct sockaddr *)&a, sizeof(a));
	drop(dir);
	return ret < 0 ? drop(fd) : fd;
}

ssize_t
sys_send(int sock, const void *data, size_t len, int fd)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } c = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		m.msg_control = &c;
		m.msg_controllen = sizeof(c.room);
		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		c.h.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.h), &fd, sizeof(int));
	}
	n = sendmsg(sock, &m, MSG_NOSIGNAL);
	/* as in vsay: a filter may be in the way */
	return n < 0 && fd < 0 && (errno == EPERM || errno == ENOSYS) ? write(sock, data, len) : n;
}

ssize_t
sys_recv(int sock, void *data, size_t len, int *fd, pid_t *sender)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 8)];
	} c;
	struct iovec iov = { data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c.room) };
	struct cmsghdr *h;
	struct ucred who;
	ssize_t n;
	size_t i, fds;
	int got;

	if (fd)
		*fd = -1;
	if (sender)
		*sender = 0;
	if (!fd)  /* who wants none does not get them, and so has none to close */
		m.msg_controllen = sender ? CMSG_SPACE(sizeof(who)) : 0;
	n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -1;
	for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level != SOL_SOCKET)
			continue;
		if (h->cmsg_type == SCM_CREDENTIALS && sender && h->cmsg_len >= CMSG_LEN(sizeof(who))) {
			memcpy(&who, CMSG_DATA(h), sizeof(who));
			*sender = who.pid;
		}
		if (h->cmsg_type != SCM_RIGHTS)
			continue;
		fds = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < fds; i++) {  /* more than asked for is an attack: close it */
			memcpy(&got, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (fd && *fd < 0)
				*fd = got;
			else
				close(got);
		}
	}
	return n;
}

/* ---- mounts ----------------------------------------------------------- */

int
sys_access(int dir, const char *path, int mode)
{
	return (int)syscall(SYS_faccessat, dir, path, mode);
}

int
sys_pivot_root(const char *new_root, const char *put_old)
{
	return sys_denied("pivot_root") ? -1 : (int)syscall(SYS_pivot_root, new_root, put_old);
}

int
sys_open_tree(int dir, const char *path, unsigned int flags)
{
	return missing("open_tree") ? -1 : (int)syscall(NR_open_tree, dir, path, flags);
}

int
sys_move_mount(int from, const char *fromname, int to, const char *toname, unsigned int flags)
{
	return missing("move_mount") ? -1 : (int)syscall(NR_move_mount, from, fromname, to, toname, flags);
}

static int
set_mount(int dir, const char *path, uint64_t set, uint64_t clear, uint64_t propagation)
{
	struct { uint64_t set, clr, propagation, userns; } attr = { set, clear, propagation, 0 };

	if (missing("mount_setattr"))
		return -1;
	return (int)syscall(NR_mount_setattr, dir, path, 0x8000 /* AT_RECURSIVE */ | AT_EMPTY_PATH, &attr, sizeof(attr));
}

int
sys_mount_setattr(int dir, const char *path, uint64_t set, uint64_t clear)
{
	return set_mount(dir, path, set, clear, 0);
}

int
sys_mount_apart(int fd)
{
	return set_mount(fd, "", ATTR_RDONLY, 0, MS_PRIVATE);
}

int
sys_fsopen(const char *type)
{
	return missing("fsopen") ? -1 : (int)syscall(NR_fsopen, type, 1 /* FSOPEN_CLOEXEC */);
}

int
sys_fsmount(int fs, const char *options, unsigned int attributes)
{
	enum { FLAG = 0, STRING = 1, CREATE = 6 };  /* FSCONFIG_* */
	char word[64], *value;
	size_t n;
	int fd;

	if (fs < 0)
		return -1;
	for (; *options; options += n + (options[n] == ',')) {
		n = strcspn(options, ",");
		snprintf(word, sizeof(word), "%.*s", (int)n, options);
		value = strchr(word, '=');
		if (value)
			*value++ = 0;
		if (syscall(NR_fsconfig, fs, value ? STRING : FLAG, word, value, 0) < 0)
			return drop(fs);
	}
	if (syscall(NR_fsconfig, fs, CREATE, NULL, NULL, 0) < 0)
		return drop(fs);
	fd = (int)syscall(NR_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, attributes);
	drop(fs);
	return fd;
}

int
sys_mount_idmap(int tree, int userns, bool recursive)
{
	struct { uint64_t set, clr, propagation, userns; } attr = { 0x00100000 /* MOUNT_ATTR_IDMAP */, 0, 0, (uint64_t)userns };

	if (missing("mount_setattr") || sys_denied("idmap"))
		return -1;
	return (int)syscall(NR_mount_setattr, tree, "", (recursive ? 0x8000 /* AT_RECURSIVE */ : 0) | AT_EMPTY_PATH,
	                    &attr, sizeof(attr));
}

/* it shares our memory and our fds, and must not outlive us for a moment */
static int
wait_to_die(void *parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0)
		while (getppid() == *(pid_t *)parent)
			pause();
	_exit(0);
}

int
sys_userns(const char *uid_map, const char *gid_map)
{
	enum { SIZE = 4096 };
	static void *at;
	char *small = scratch_room(&at, SIZE), path[64];
	int fd = -1, saved;
	pid_t pid, own = getpid();

	pid = sys_denied("userns") ? -1 : clone(wait_to_die, small + SIZE, CLONE_NEWUSER | CLONE_VM | CLONE_FILES | SIGCHLD, &own);
	if (pid > 0) {
		snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
		if (put_at(AT_FDCWD, path, uid_map) == 0) {
			snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
			if (put_at(AT_FDCWD, path, gid_map) == 0) {
				snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
				fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
			}
		}
		saved = errno;
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		errno = saved;
	}
	return fd;
}

bool
sys_within_users(void)
{
	enum { INITIAL = 0xeffffffd };  /* inode of the first user namespace, on every kernel: linux/proc_ns.h */
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && (uint32_t)st.st_ino != (uint32_t)INITIAL;
}

struct private_mount { const char *type, *options; int fd; };

/* our mounts are a copy that goes with us; the fd, in a table shared with who made us, stays */
static int
mount_and_open(void *arg)
{
	struct private_mount *m = arg;

	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0
	    && mount(m->type, "/proc", m->type, MS_NOSUID | MS_NODEV | MS_NOEXEC, m->options) == 0)
		m->fd = openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_exit(0);
}

int
sys_mount_private(const char *type, const char *options)
{
	enum { NODEV_NOSUID_NOEXEC = 0xe, SIZE = 8192 };  /* MOUNT_ATTR_* */
	static void *at;
	struct private_mount m = { type, options, sys_denied("private") ? -2 : sys_fsmount(sys_fsopen(type), options, NODEV_NOSUID_NOEXEC) };
	int saved;
	pid_t pid;

	if (m.fd == -2)
		return -1;
	if (m.fd >= 0 || (errno != ENOSYS && errno != EPERM))  /* filters of others refuse it with either */
		return m.fd;
	pid = clone(mount_and_open, (char *)scratch_room(&at, SIZE) + SIZE, CLONE_NEWNS | CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &m);
	if (pid < 0)
		return -1;
	saved = errno;  /* the child's: it is our memory */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = saved;
	return m.fd;
}

int
sys_mount_memory(const char *place, unsigned long flags, const char *options)
{
	char mode[16];

	if (mount("tmpfs", place, "tmpfs", flags, options) == 0)
		return 0;
	/* invalid: it is there, for the kernel's own use */
	if (errno != ENODEV && errno != EINVAL)
		return -1;
	snprintf(mode, sizeof(mode), "%.*s", (int)strcspn(options, ","), options);
	return mount("ramfs", place, "ramfs", flags, mode) < 0 ? -1 : 1;
}

/* ---- control groups ----------------------------------------------------- */

/* of linux/bpf.h, which may be older than what we mean */
enum { BPF_LOAD = 5, BPF_ATTACH = 8, BPF_CGROUP_DEVICE_PROGRAM = 15, BPF_CGROUP_DEVICE_HOOK = 6, BPF_MULTI = 2 };

int
sys_device_program(const void *code, size_t n)
{
	struct {
		uint32_t type, count;
		uint64_t code, license;
		uint32_t log[2];
		uint64_t log_buffer;
		uint32_t version, flags;
	} attr = {
		.type = BPF_CGROUP_DEVICE_PROGRAM, .count = (uint32_t)n, .code = (uintptr_t)code, .license = (uintptr_t)"0BSD",
	};
	int fd;

	if (sys_denied("bpf"))
		return -1;
	do  /* the verifier gives way to signals */
		fd = (int)syscall(SYS_bpf, BPF_LOAD, &attr, sizeof(attr));
	while (fd < 0 && errno == EAGAIN);
	return fd;
}

int
sys_device_attach(int group, int program)
{
	struct { uint32_t group, program, hook, flags; } attr = {
		(uint32_t)group, (uint32_t)program, BPF_CGROUP_DEVICE_HOOK, BPF_MULTI,
	};

	return (int)syscall(SYS_bpf, BPF_ATTACH, &attr, sizeof(attr));
}

/* ---- credentials ------------------------------------------------------ */

/* the calls themselves: libc's would first stop threads that there are not. Those for 32 bits where there are others */
#ifndef SYS_setresuid32
#define SYS_setresuid32 SYS_setresuid
#define SYS_setresgid32 SYS_setresgid
#define SYS_setgroups32 SYS_setgroups
#endif

int
sys_set_groups(size_t n, const gid_t *groups)
{
	return (int)syscall(SYS_setgroups32, n, groups);
}

int
sys_set_group(gid_t gid)
{
	return (int)syscall(SYS_setresgid32, gid, gid, gid);
}

int
sys_set_user(uid_t uid)
{
	return (int)syscall(SYS_setresuid32, uid, uid, uid);
}

int
sys_capget(uint64_t *permitted)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capget, &head, data) < 0)
		return -1;
	*permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	return 0;
}

int
sys_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32) },
	};

	return (int)syscall(SYS_capset, &head, data);
}

int
sys_join_session_keyring(void)
{
	return (int)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

int
sys_seccomp(const struct sock_fprog *filter, unsigned int flags)
{
	enum { SET_FILTER = 1 };
	int ret;

	if (sys_denied("seccomp-filter")) {
		errno = EINVAL;
		return -1;
	}
	ret = missing("seccomp") ? -1 : (int)syscall(SYS_seccomp, SET_FILTER, flags, filter);
	if (ret >= 0 || flags & ~SECCOMP_SPEC_ALLOW)
		return ret;
	return prctl(PR_SET_SECCOMP, 2, filter, 0, 0);  /* SECCOMP_MODE_FILTER */
}

bool
sys_seccomp_knows(uint32_t action)
{
	enum { ACTION_AVAIL = 2 };

	return !missing("seccomp") && syscall(SYS_seccomp, ACTION_AVAIL, 0, &action) == 0;
}

void
sys_default_signal(int sig)
{
	static const unsigned long act[16];  /* the kernel's struct sigaction: all zero is SIG_DFL, on every machine */
#ifdef __mips__
	enum { SET_SIZE = 16 };
#else
	enum { SET_SIZE = 8 };
#endif

	syscall(SYS_rt_sigaction, sig, act, NULL, SET_SIZE);
}

/* ---- a child in new namespaces ---------------------------------------- */

#define INTO_CGROUP 0x200000000ULL  /* CLONE_INTO_CGROUP, 5.7 */

struct clone_words {  /* clone3(2), up to and with cgroup */
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

/*
 * clone3 with our memory shared and a stack of its own: a C function cannot return from that
 * call twice, so the child goes straight on into fn. Where it is not written out, the child is
 * a copy instead: slower by a tenth of a start, else the same.
 */
static long
clone3_shared(struct clone_words *words, int (*fn)(void *), void *arg)
{
#if defined(__x86_64__) && !defined(__ILP32__)
	register long ret __asm__("rax") = NR_clone3;
	register int (*f)(void *) __asm__("r12") = fn;
	register void *a __asm__("r13") = arg;

	__asm__ volatile(
		"syscall\n\t"
		"test %%rax, %%rax\n\t"
		"jnz 1f\n\t"
		"xor %%ebp, %%ebp\n\t"
		"mov %%r13, %%rdi\n\t"
		"call *%%r12\n\t"
		"ud2\n"
		"1:"
		: "+r"(ret)
		: "D"(words), "S"(sizeof(*words)), "r"(f), "r"(a)
		: "rcx", "r11", "memory");
	if (ret < 0) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = NR_clone3;
	register long x0 __asm__("x0") = (long)words;
	register long x1 __asm__("x1") = sizeof(*words);
	register int (*f)(void *) __asm__("x19") = fn;
	register void *a __asm__("x20") = arg;

	__asm__ volatile(
		"svc 0\n\t"
		"cbnz x0, 1f\n\t"
		"mov x29, xzr\n\t"
		"mov x0, x20\n\t"
		"blr x19\n\t"
		"brk 1\n"
		"1:"
		: "+r"(x0)
		: "r"(x8), "r"(x1), "r"(f), "r"(a)
		: "memory", "x30");
	if (x0 < 0) {
		errno = (int)-x0;
		return -1;
	}
	return x0;
#else
	long pid;

	words->flags &= ~(uint64_t)(CLONE_VM | CLONE_VFORK);
	words->stack = words->stack_size = 0;
	pid = syscall(NR_clone3, words, sizeof(*words));
	if (pid == 0)
		_exit(fn(arg));
	return pid;
#endif
}

/* links are asked for by any socket */
int
sys_raise_loopback(void)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &up);

	drop(fd);
	return ret;
}

/* the child's stack and other room to work in, and the pages of our text: what is needed again comes back by itself */
void
sys_slim(void)
{
	enum { BELOW = 256 << 10, OURS = 1024 };
	extern const char __executable_start, etext;
	uintptr_t page = getauxval(AT_PAGESZ), from = (uintptr_t)&__executable_start & ~(page - 1), here;

	here = ((uintptr_t)__builtin_frame_address(0) - OURS) & ~(page - 1);
	scratch_empty();
	/* what was deeper on ours, where messages of the kernel were read; some is left for the calls from here */
	madvise((void *)(here - BELOW), BELOW, MADV_DONTNEED);
	madvise((void *)from, ((uintptr_t)&etext & ~(page - 1)) - from, MADV_DONTNEED);
}

enum { STACK = 65536 };

static char *
child_stack(void)
{
	static void *stack;

	return scratch_room(&stack, STACK);
}

pid_t
sys_fork(int namespaces, int cgroup, int (*fn)(void *), void *arg, bool *placed)
{
	struct clone_words words = {
		.flags = (uint64_t)(unsigned int)namespaces | INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup,
	};
	long pid;

	*placed = true;
	if (cgroup >= 0 && !missing("clone3")) {
		pid = syscall(NR_clone3, &words, sizeof(words));
		if (pid == 0)
			_exit(fn(arg));
		if (pid > 0)
			return (pid_t)pid;
	}
	*placed = cgroup < 0;
	return (pid_t)clone(fn, child_stack() + STACK, namespaces | SIGCHLD, arg);
}

int
sys_pidfd_open(pid_t pid)
{
	return missing("pidfd") ? -1 : (int)syscall(NR_pidfd_open, pid, 0);
}

int
sys_pidfd_signal(int pidfd, int sig)
{
	return (int)syscall(NR_pidfd_send_signal, pidfd, sig, NULL, 0);
}

int
sys_join(int pidfd, int ns, int namespaces)
{
	static const struct { const char *name; int flag; } kinds[] = {
		{ "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS }, { "net", CLONE_NEWNET }, { "cgroup", CLONE_NEWCGROUP },
		{ "pid", CLONE_NEWPID },
	};
	size_t i;
	int fd;

	if (!namespaces || (pidfd >= 0 && !sys_denied("setns-pidfd") && setns(pidfd, namespaces) == 0))
		return 0;
	for (i = 0; i < LEN(kinds); i++) {
		if (!(namespaces & kinds[i].flag))
			continue;
		fd = openat(ns, kinds[i].name, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, kinds[i].flag) < 0)
			return drop(fd);
		close(fd);
	}
	return 0;
}

pid_t
sys_spawn(int namespaces, int cgroup, int (*fn)(void *), void *arg, bool *placed)
{
	struct clone_words words = {
		.flags = (uint64_t)(unsigned int)(namespaces | CLONE_VM | CLONE_VFORK) | INTO_CGROUP,
		.exit_signal = SIGCHLD, .stack = (uintptr_t)child_stack(), .stack_size = STACK,
		.cgroup = (uint64_t)cgroup,
	};
	long pid;

	*placed = true;
	if (cgroup >= 0 && !missing("clone3")) {
		pid = clone3_shared(&words, fn, arg);
		if (pid > 0)
			return (pid_t)pid;
	}
	*placed = cgroup < 0;
	pid = sys_denied("vfork") ? -1 : clone(fn, child_stack() + STACK, namespaces | CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
	/* before 3.13 a new pid namespace wanted a memory of its own */
	if (pid < 0 && (errno == EINVAL || errno == ENOSYS))
		pid = clone(fn, child_stack() + STACK, namespaces | SIGCHLD, arg);
	return (pid_t)pid;
}

#if defined SYS_ppoll_time64 && defined SYS_timerfd_settime32 && !defined __GLIBC__
/*
 * On 32 bits musl makes calls that a kernel without CONFIG_COMPAT_32BIT_TIME has not, wherever the time fits: it would
 * neither wait nor set a time. These take the place of its own, for who uses those of libc. Before musl 1.2 time has 32
 * bits, and the calls that we name have no such names.
 */
static bool
gone(long ret)
{
	return ret < 0 && errno == ENOSYS;
}

static bool
fits(const struct timespec *t)
{
	return t->tv_sec == (int32_t)t->tv_sec;
}

static long
nearest(const struct timespec *t)
{
	return fits(t) ? (long)t->tv_sec : t->tv_sec < 0 ? INT32_MIN : INT32_MAX;
}

int
ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *set)
{
	long ret = syscall(SYS_ppoll, fds, n, t ? (long[]){ (long)t->tv_sec, t->tv_nsec } : NULL, set, _NSIG / 8);

	if (gone(ret))
		ret = syscall(SYS_ppoll_time64, fds, n, t ? (int64_t[]){ t->tv_sec, t->tv_nsec } : NULL, set, _NSIG / 8);
	return (int)ret;
}

int
sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict t)
{
	long ret = syscall(SYS_rt_sigtimedwait, set, info, t ? (long[]){ (long)t->tv_sec, t->tv_nsec } : NULL, _NSIG / 8);

	if (gone(ret))
		ret = syscall(SYS_rt_sigtimedwait_time64, set, info, t ? (int64_t[]){ t->tv_sec, t->tv_nsec } : NULL,
		              _NSIG / 8);
	return (int)ret;
}

int
utimensat(int dir, const char *name, const struct timespec t[2], int flags)
{
	const bool fit = fits(&t[0]) && fits(&t[1]);
	long ret;
	int tries;

	/* before 5.1 there is no other than the first: then the nearest that it can say, as file systems do it */
	for (tries = 0; tries < 2; tries++) {
		if (fit == (tries == 0))
			ret = syscall(SYS_utimensat, dir, name,
			              (long[]){ nearest(&t[0]), t[0].tv_nsec, nearest(&t[1]), t[1].tv_nsec }, flags);
		else
			ret = syscall(SYS_utimensat_time64, dir, name,
			              (int64_t[]){ t[0].tv_sec, t[0].tv_nsec, t[1].tv_sec, t[1].tv_nsec }, flags);
		if (!gone(ret))
			break;
	}
	return (int)ret;
}

int
futimens(int fd, const struct timespec t[2])
{
	return utimensat(fd, NULL, t, 0);
}

/* in one file with the next one, which is all taken or not at all */
int
timerfd_create(int clock, int flags)
{
	return (int)syscall(SYS_timerfd_create, clock, flags);
}

int
timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	const struct timespec *every = &new->it_interval, *first = &new->it_value;
	long ret = syscall(SYS_timerfd_settime32, fd, flags,
	                   (long[]){ (long)every->tv_sec, every->tv_nsec, (long)first->tv_sec, first->tv_nsec }, old);

	if (gone(ret))
		ret = syscall(SYS_timerfd_settime64, fd, flags,
		              (int64_t[]){ every->tv_sec, every->tv_nsec, first->tv_sec, first->tv_nsec }, old);
	return (int)ret;
}
#endif
