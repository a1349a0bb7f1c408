/* SPDX-License-Identifier: 0BSD */
/*
 * Root in a container tries to do to the host what a guest must not. All of it is harmless where it
 * succeeds: files are opened and not written to, calls have arguments that do nothing.
 *   hostile names             the attempts, one a line
 *   hostile facts PATH        on the host: words about it, for the next
 *   hostile try WORD...       each attempt as a line: NAME open|shut|none WHY; none: there was nothing to try
 *   hostile only NAME WORD... one of them
 *   hostile type TEXT         as if it had been typed on the terminal that is standard input
 *   hostile hold NAME PATH hostile-victim
 *                             an abstract socket, one at PATH that nobody reads, shared memory, a key,
 *                             terminals and a process to be found, until its input ends
 * The words are those of facts and hold: mark=PATH handle=HEX dev=MAJOR:MINOR disk=MAJOR:MINOR
 * rt=DEV:INO key=SERIAL shm=KEY socket=NAME pty=N; and control=y on the host itself, whose mounts are then left alone, caps=PATH of a file to be made there
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#ifdef __x86_64__
#include <sys/io.h>
#endif

#define TOKEN "hostile-victim"

enum { SHUT, OPEN, NONE };

/* calls of 5.14 have one number everywhere, plus a base on MIPS */
#ifdef __mips__
#define NR_QUOTACTL_FD 4443
#else
#define NR_QUOTACTL_FD 443
#endif

static char **facts;
static char why[256];

static const char *
fact(const char *name)
{
	size_t n = strlen(name);
	char **f;

	for (f = facts; f && *f; f++)
		if (strncmp(*f, name, n) == 0 && (*f)[n] == '=')
			return *f + n + 1;
	return NULL;
}

static int
none(const char *reason)
{
	snprintf(why, sizeof(why), "%s", reason);
	return NONE;
}

/* what a call said: it worked, or it did not */
static int
say(const char *what, long ret)
{
	if (ret < 0)
		snprintf(why, sizeof(why), "%s: %s", what, strerror(errno));
	else
		snprintf(why, sizeof(why), "%s", what);
	return ret < 0 ? SHUT : OPEN;
}

/* a call that is told nonsense: only who was let in is told that it is */
static int
let_in(const char *what, long ret)
{
	int got = errno;

	say(what, ret);
	return ret >= 0 || (got != EPERM && got != ENOSYS && got != EACCES) ? OPEN : SHUT;
}

static int
can_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	int ret = say(path, fd);

	/* over a file of the kernel something may lie that takes all */
	if (fd >= 0) {
		struct stat st;

		if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode)) {
			snprintf(why, sizeof(why), "%s: masked", path);
			ret = SHUT;
		}
		close(fd);
	}
	return ret;
}

static int
has_mark(const char *prefix)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s%s", prefix, fact("mark"));
	if (access(path, F_OK) < 0)
		return say(prefix, -1);
	return say(path, 0);
}

/* ---- files of the kernel, as they are and by ways around what hides them --------- */

static const char *const proc_files[] = {
	"sys/kernel/core_pattern", "sys/kernel/modprobe", "sys/kernel/hotplug", "sysrq-trigger", "sys/vm/drop_caches",
	"sys/kernel/panic", "sys/fs/binfmt_misc/register", NULL
};
static const char *const sys_files[] = {
	"kernel/uevent_helper", "power/state", "module/kernel/parameters/panic", "kernel/mm/transparent_hugepage/enabled",
	"class/mem/null/uevent", "devices/virtual/mem/null/uevent", "kernel/profiling", NULL
};

static int
any_below(const char *dir, const char *const *files)
{
	char path[128];

	for (; *files; files++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *files);
		if (can_write(path) == OPEN)
			return say(path, 0);
	}
	return SHUT;
}

static int try_proc(void) { return any_below("/proc", proc_files); }
static int try_sys(void) { return any_below("/sys", sys_files); }

static int
try_proc_remount(void)
{
	static const char *const at[] = { "/proc", "/proc/sys", "/proc/sysrq-trigger", NULL };
	int i;

	for (i = 0; at[i]; i++) {
		mount(NULL, at[i], NULL, MS_REMOUNT | MS_BIND, NULL);
		mount(NULL, at[i], NULL, MS_REMOUNT, NULL);
	}
	return try_proc();
}

static int
try_proc_umount(void)
{
	static const char *const at[] = {
		"/proc/sys", "/proc/sysrq-trigger", "/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/sys", "/proc", NULL
	};
	int i, ret = SHUT;

	for (i = 0; at[i]; i++) {
		umount2(at[i], MNT_DETACH);
		ret = try_proc();
		if (ret == OPEN)
			return ret;
	}
	return ret;
}

static int
try_proc_new(void)
{
	mkdir("/tmp/hostile", 0755);
	if (mount("proc", "/tmp/hostile", "proc", 0, NULL) < 0)
		return say("mount proc", -1);
	return any_below("/tmp/hostile", proc_files);
}

static int
try_proc_bind(void)
{
	mkdir("/tmp/hostile", 0755);
	/* without what is mounted in it */
	if (mount("/proc", "/tmp/hostile", NULL, MS_BIND, NULL) < 0)
		return say("bind /proc", -1);
	mount(NULL, "/tmp/hostile", NULL, MS_REMOUNT | MS_BIND, NULL);
	return any_below("/tmp/hostile", proc_files);
}

static int
try_sys_remount(void)
{
	mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL);
	mount(NULL, "/sys", NULL, MS_REMOUNT, NULL);
	umount2("/sys/class", MNT_DETACH);
	mount(NULL, "/sys/kernel", NULL, MS_REMOUNT | MS_BIND, NULL);
	mount(NULL, "/sys/devices", NULL, MS_REMOUNT | MS_BIND, NULL);
	return try_sys();
}

static int
try_sys_new(void)
{
	mkdir("/tmp/hostile", 0755);
	if (mount("sysfs", "/tmp/hostile", "sysfs", 0, NULL) < 0)
		return say("mount sysfs", -1);
	return any_below("/tmp/hostile", sys_files);
}

static int
try_debugfs(void)
{
	static const char *const types[] = { "debugfs", "tracefs", "securityfs", "pstore", "efivarfs", "configfs", NULL };
	int i;

	mkdir("/tmp/hostile", 0755);
	for (i = 0; types[i]; i++)
		if (mount(types[i], "/tmp/hostile", types[i], 0, NULL) == 0) {
			int fd = open("/tmp/hostile", O_RDONLY | O_DIRECTORY);

			if (faccessat(fd, ".", W_OK, AT_EACCESS) == 0)
				return say(types[i], 0);
		}
	return say("mount", -1);
}

/* ---- a user namespace of one's own --------------------------------------------------- */

static int
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

static int
nest(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -1;
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", "0 0 1");
	write_text("/proc/self/gid_map", "0 0 1");
	return 0;
}

static int
try_nested(void)
{
	static int (*const ways[])(void) = {
		try_proc, try_proc_remount, try_proc_umount, try_proc_bind, try_proc_new, try_sys_remount, try_sys_new
	};
	size_t i;

	if (nest() < 0)
		return say("unshare", -1);
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (ways[i]() == OPEN)
			return OPEN;
	return SHUT;
}

/* ---- control groups -------------------------------------------------------------------- */

/* hierarchies that the host has: mounting one that it does not have would make it */
static char *groups[32];

static void
find_groups(void)
{
	char line[512], *name, *end;
	FILE *f = fopen("/proc/self/cgroup", "re");
	int n = 0;

	while (f && n < 31 && fgets(line, sizeof(line), f)) {
		name = strchr(line, ':');
		end = name ? strchr(name + 1, ':') : NULL;
		if (!end || end == name + 1)
			continue;
		*end = 0;
		if (asprintf(&groups[n], "%s%s", strncmp(name + 1, "name=", 5) == 0 ? "none," : "", name + 1) > 0)
			n++;
	}
}

/* the same words again: harmless, and only who may is let */
static int
try_release_agent(void)
{
	char text[256] = "\n";
	int i, fd;

	find_groups();
	if (!groups[0])
		return none("no such hierarchy");
	mkdir("/tmp/hostile", 0755);
	for (i = 0; groups[i]; i++) {
		if (mount("cgroup", "/tmp/hostile", "cgroup", 0, groups[i]) < 0) {
			say(groups[i], -1);
			continue;
		}
		fd = open("/tmp/hostile/release_agent", O_RDWR | O_CLOEXEC);
		if (fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0 && write(fd, text, strlen(text)) >= 0)
			return say(groups[i], 0);
		say("/tmp/hostile/release_agent", -1);
		if (fd >= 0)
			close(fd);
		umount2("/tmp/hostile", MNT_DETACH);
	}
	return SHUT;
}

/* the host's root group has no cgroup.events, and a release_agent with v1 */
static int
try_cgroup_root(void)
{
	int i, fd;

	find_groups();
	mkdir("/tmp/hostile", 0755);
	for (i = -1; i < 0 || groups[i]; i++) {
		if (mount("cgroup", "/tmp/hostile", i < 0 ? "cgroup2" : "cgroup", 0, i < 0 ? NULL : groups[i]) < 0) {
			say(i < 0 ? "cgroup2" : groups[i], -1);
			continue;
		}
		fd = open("/tmp/hostile/cgroup.procs", O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && (i < 0 ? access("/tmp/hostile/cgroup.events", F_OK) < 0
		                      : access("/tmp/hostile/release_agent", F_OK) == 0))
			return say(i < 0 ? "cgroup2" : groups[i], 0);
		if (fd >= 0)
			close(fd);
		umount2("/tmp/hostile", MNT_DETACH);
		snprintf(why, sizeof(why), "sees its own only");
	}
	return SHUT;
}

/* ---- the host's files ------------------------------------------------------------------- */

static int
try_by_handle(void)
{
	union { struct { unsigned int bytes; int type; unsigned char data[64]; } h; char room[128]; } u = { .h = { 0, 0, { 0 } } };
	const char *hex = fact("handle"), *p;
	int fd, dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int byte;

	if (!hex || sscanf(hex, "%d:", &u.h.type) != 1)
		return none("no handle");
	for (p = strchr(hex, ':') + 1; sscanf(p, "%2x", &byte) == 1 && u.h.bytes < 64; p += 2)
		u.h.data[u.h.bytes++] = (unsigned char)byte;
	fd = (int)syscall(SYS_open_by_handle_at, dir, &u, O_RDONLY);
	return say("open_by_handle_at", fd);
}

static int
try_node(int type, unsigned int maj, unsigned int min, int flags)
{
	static const char *const at[] = { "/tmp/hostile-node", "/dev/hostile-node", "/hostile-node", "/run/hostile-node", NULL };
	int i, fd = -1;

	for (i = 0; at[i] && fd < 0; i++) {
		unlink(at[i]);
		if (mknod(at[i], (mode_t)type | 0600, makedev(maj, min)) < 0) {
			say("mknod", -1);
			continue;
		}
		fd = open(at[i], flags | O_CLOEXEC | O_NONBLOCK);
		say(at[i], fd);
		unlink(at[i]);
	}
	if (fd < 0)
		return SHUT;
	close(fd);
	return OPEN;
}

static int
try_disk(void)
{
	unsigned int maj, min;

	if (!fact("disk") || sscanf(fact("disk"), "%u:%u", &maj, &min) != 2)
		return none("the host has none that can be opened");
	return try_node(S_IFBLK, maj, min, O_RDONLY);
}

static int try_terminal(void) { return try_node(S_IFCHR, 4, 0, O_RDWR | O_NOCTTY); }
static int try_mem(void) { return try_node(S_IFCHR, 1, 1, O_RDONLY); }
static int try_port(void) { return try_node(S_IFCHR, 1, 4, O_RDONLY); }
static int try_kmsg(void) { return try_node(S_IFCHR, 1, 11, O_WRONLY); }
static int try_loop_control(void) { return try_node(S_IFCHR, 10, 237, O_RDWR); }

static int
try_mount_disk(void)
{
	static const char *const types[] = { "ext4", "xfs", "btrfs", "squashfs", NULL };
	unsigned int maj, min;
	int i;

	if (!fact("dev") || sscanf(fact("dev"), "%u:%u", &maj, &min) != 2 || !maj)
		return none("the host's root is on no device");
	mkdir("/tmp/hostile", 0755);
	if (mknod("/tmp/hostile-disk", S_IFBLK | 0600, makedev(maj, min)) < 0 && errno != EEXIST)
		return say("mknod", -1);
	for (i = 0; types[i]; i++)
		/* busy: it is there, and mounted in another way */
		if (mount("/tmp/hostile-disk", "/tmp/hostile", types[i], MS_RDONLY, NULL) == 0 || errno == EBUSY) {
			umount2("/tmp/hostile", MNT_DETACH);
			unlink("/tmp/hostile-disk");
			return say(types[i], 0);
		}
	say("mount", -1);
	unlink("/tmp/hostile-disk");
	return SHUT;
}

static int
try_dev(void)
{
	/* devices that do nothing: null, zero, full, random, urandom, tty, console, ptmx */
	DIR *d = opendir("/dev");
	struct dirent *e;
	struct stat st;
	char path[300];
	int fd;

	snprintf(why, sizeof(why), "nothing in /dev");
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		if (lstat(path, &st) < 0 || !(S_ISBLK(st.st_mode) || (S_ISCHR(st.st_mode) && major(st.st_rdev) == 1
		    && (minor(st.st_rdev) < 3 || minor(st.st_rdev) == 4 || minor(st.st_rdev) == 11))))
			continue;
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		say(path, fd);
		if (fd >= 0)
			return OPEN;
	}
	return SHUT;
}

/* fds that we were given, and those of others that we see */
static int
try_fds(void)
{
	char path[64];
	struct stat st;
	int fd;

	for (fd = 0; fd < 1024; fd++) {
		if (fstat(fd, &st) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fd > 2 && fcntl(fd, F_GETFD) >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			return say(path, 0);
		if (S_ISDIR(st.st_mode) && has_mark(path) == OPEN)
			return OPEN;
	}
	snprintf(why, sizeof(why), "none but 0, 1 and 2");
	return SHUT;
}

static int
each_process(int (*fn)(const char *pid))
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (*e->d_name >= '1' && *e->d_name <= '9' && fn(e->d_name) == OPEN)
			return OPEN;
	return SHUT;
}

static int
leads_out(const char *pid)
{
	static const char *const names[] = { "root", "cwd", NULL };
	char path[128];
	int i;

	for (i = 0; names[i]; i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", pid, names[i]);
		if (has_mark(path) == OPEN)
			return OPEN;
	}
	for (i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%d/../../../../../../../..", pid, i);
		if (has_mark(path) == OPEN)
			return OPEN;
	}
	return SHUT;
}

static int try_proc_links(void) { return each_process(leads_out); }

static int
is_runtime(const char *pid)
{
	char path[64], id[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	if (stat(path, &st) < 0)
		return say(path, -1);
	snprintf(id, sizeof(id), "%llx:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return fact("rt") && strcmp(id, fact("rt")) == 0 ? say(path, 0) : SHUT;
}

static int
try_exe(void)
{
	snprintf(why, sizeof(why), "no process runs from it");
	return fact("rt") ? each_process(is_runtime) : none("unknown");
}

/* ---- the host's processes and what they share ------------------------------------------ */

static int
is_victim(const char *pid)
{
	char path[64], text[256] = "";
	int fd, yes;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	yes = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && memmem(text, sizeof(text), TOKEN, sizeof(TOKEN)) != NULL;
	if (fd >= 0)
		close(fd);
	if (!yes)
		return SHUT;
	return kill(atoi(pid), 0) == 0 && ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL) == 0 ? say(path, 0) : say("ptrace", -1);
}

static int
try_process(void)
{
	snprintf(why, sizeof(why), "not seen");
	return each_process(is_victim);
}

/* who made the machine must be gone before anything of it runs */
static int
is_company(const char *pid)
{
	char path[64], text[256] = "";
	int fd, parent, ours = getpid();
	char *end;

	for (parent = ours; parent > 0 && parent != atoi(pid);) {
		snprintf(path, sizeof(path), "/proc/%d/stat", parent);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || !(end = strrchr(text, ')')) || sscanf(end, ") %*c %d", &parent) != 1)
			parent = 0;
		if (fd >= 0)
			close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	return parent > 0 ? SHUT : say(path, access(path, F_OK));
}

static int
try_company(void)
{
	int ret = each_process(is_company);

	if (ret != OPEN)
		snprintf(why, sizeof(why), "only ours");
	return ret;
}

static int
try_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n;

	if (!fact("socket"))
		return none("unknown");
	n = (size_t)snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "%s", fact("socket"));
	return say("connect", connect(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)));
}

static int
try_shm(void)
{
	return fact("shm") ? say("shmget", shmget(atoi(fact("shm")), 0, 0)) : none("unknown");
}

static int
try_key(void)
{
	enum { READ = 11 };
	char text[16];

	if (!fact("key") || atoi(fact("key")) <= 0)
		return none("unknown");
	return say("keyctl", syscall(SYS_keyctl, READ, atoi(fact("key")), text, sizeof(text)));
}

static int
try_keys(void)
{
	char text[4096] = "";
	int fd = open("/proc/keys", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return say("/proc/keys", -1);
	return strstr(text, TOKEN) ? say("/proc/keys", 0) : (snprintf(why, sizeof(why), "not seen"), SHUT);
}

/* before 4.7 one that is mounted plainly is the host's */
static int
try_devpts(void)
{
	char path[64];

	if (!fact("pty"))
		return none("the host has no terminal now");
	mkdir("/tmp/hostile", 0755);
	if (mount("devpts", "/tmp/hostile", "devpts", 0, NULL) < 0)
		say("mount devpts", -1);
	snprintf(path, sizeof(path), "/tmp/hostile/%s", fact("pty"));
	if (access(path, F_OK) == 0)
		return say(path, 0);
	snprintf(path, sizeof(path), "/dev/pts/%s", fact("pty"));
	return say(path, access(path, F_OK));
}

/* what is sent to our supervisor must not stay open there */
static int
try_notify(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } c = { .room = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)"STATUS=x", 8 };
	struct msghdr m = { .msg_name = &a, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };
	int fds[2], fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .events = POLLIN };
	const char *path = getenv("NOTIFY_SOCKET");

	if (!path || strlen(path) >= sizeof(a.sun_path))
		path = "/run/host/notify";
	strcpy(a.sun_path, path);
	m.msg_namelen = sizeof(a);
	if (fd < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return say("pipe", -1);
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&c.h), &fds[1], sizeof(int));
	if (sendmsg(fd, &m, MSG_NOSIGNAL) < 0)
		return none("nobody listens");
	close(fds[1]);
	p.fd = fds[0];
	snprintf(why, sizeof(why), "closed");
	return poll(&p, 1, 5000) > 0 ? SHUT : say("kept", 0);
}

/* ---- calls for the whole machine --------------------------------------------------------- */

static int
try_module(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (let_in("init_module", syscall(SYS_init_module, "none", 4, "")) == OPEN)
		return OPEN;
	if (let_in("finit_module", syscall(SYS_finit_module, fd, "", 0)) == OPEN)
		return OPEN;
	return let_in("delete_module", syscall(SYS_delete_module, "hostile-none", O_NONBLOCK));
}

static int
try_bpf(void)
{
	/* r0 = 1; exit: for BPF_PROG_TYPE_CGROUP_DEVICE */
	static const uint64_t program[] = { 0x00000001000000b7ULL, 0x0000000000000095ULL };
	union {
		struct { uint32_t type, ninsns; uint64_t insns, license; uint32_t level, size; uint64_t buf; uint32_t version, flags; } load;
		char room[128];
	} a = { .room = { 0 } };

	a.load.type = 15;
	a.load.ninsns = 2;
	a.load.insns = (uintptr_t)program;
	a.load.license = (uintptr_t)"";
	return say("bpf", syscall(SYS_bpf, 5, &a, sizeof(a)));
}

static int
try_userfaultfd(void)
{
	return say("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC));
}

static int
try_perf(void)
{
	struct { uint32_t type, size; uint64_t config; char rest[96]; } a = { .type = 1, .size = 112, .rest = { 0 } };

	return say("perf_event_open", syscall(SYS_perf_event_open, &a, -1, 0, -1, 8));
}

static int
try_fanotify(void)
{
	return say("fanotify_init", syscall(SYS_fanotify_init, 0, O_RDONLY));
}

static int try_swap(void) { return let_in("swapon", swapon("/nonexistent", 0)); }

static int
try_kexec(void)
{
#ifdef SYS_kexec_load
	return let_in("kexec_load", syscall(SYS_kexec_load, 0, 17, NULL, 0));
#else
	return none("no such call");
#endif
}

static int
try_clock(void)
{
#ifdef SYS_settimeofday
	return say("settimeofday", syscall(SYS_settimeofday, NULL, NULL));
#else
	return say("settimeofday", syscall(SYS_settimeofday_time32, NULL, NULL));
#endif
}

static int
try_ports(void)
{
#ifdef __x86_64__
	return say("ioperm", ioperm(0x80, 1, 1));
#else
	return none("no such call");
#endif
}

static int try_syslog(void) { return say("syslog", klogctl(9, NULL, 0)); }
static int try_acct(void) { return let_in("acct", acct("/nonexistent")); }

static int
try_quota(void)
{
	static const unsigned int next_of_user = 0x80000900U;
	char quota[128];
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Q_GETNEXTQUOTA: reads, and is only for the host's root */
	return let_in("quotactl_fd", syscall(NR_QUOTACTL_FD, dir, next_of_user, 0, quota));
}

static int
try_sniff(void)
{
	/* a network of its own has but one link */
	int fd = socket(17, SOCK_RAW | SOCK_CLOEXEC, 0);
	FILE *f = fopen("/proc/net/dev", "re");
	char line[512];
	int links = -2;

	while (f && fgets(line, sizeof(line), f))
		links++;
	if (fd >= 0 && links < 2) {
		snprintf(why, sizeof(why), "its own network");
		return SHUT;
	}
	return say("packet socket", fd);
}

static int
try_link(void)
{
	struct { char name[16]; short flags; char rest[22]; } r = { .name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), links = try_sniff();

	if (strcmp(why, "its own network") == 0)
		return SHUT;
	(void)links;
	if (ioctl(fd, 0x8913, &r) < 0)
		return say("SIOCGIFFLAGS", -1);
	return say("SIOCSIFFLAGS", ioctl(fd, 0x8914, &r));
}

static int
try_oom_score(void)
{
	char text[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return say("oom_score_adj", -1);
	snprintf(text, sizeof(text), "%d", atoi(text) - 1);
	return say("oom_score_adj", write(fd, text, strlen(text)));
}

static int
try_rlimit(void)
{
	struct rlimit l = { 0, 0 };

	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_max += 1;
	return say("setrlimit", setrlimit(RLIMIT_NOFILE, &l));
}

static int
try_realtime(void)
{
	struct sched_param s = { .sched_priority = 1 };

	return say("sched_setscheduler", syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &s));
}

/* ---- io_uring: calls that no filter sees ------------------------------------------------- */

struct ring {
	uint32_t sq_entries, cq_entries, flags, cpu, idle, features, wq, resv[3];
	struct { uint32_t head, tail, mask, entries, flags, dropped, array, resv; uint64_t addr; } sq;
	struct { uint32_t head, tail, mask, entries, overflow, cqes, flags, resv; uint64_t addr; } cq;
};

/* one call: IORING_OP_*, and its first words */
static long
ring_call(uint8_t op, int first, uint64_t off, uint64_t addr, uint32_t len, uint32_t flags)
{
#ifdef SYS_io_uring_setup
	struct ring r = { .flags = 0 };
	struct { uint8_t op, how; uint16_t prio; int32_t fd; uint64_t off, addr; uint32_t len, open_flags; uint64_t rest[4]; } *sqe;
	char *sq, *cq;
	int fd = (int)syscall(SYS_io_uring_setup, 1, &r);

	if (fd < 0)
		return -1;
	sq = mmap(NULL, r.sq.array + r.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cq = mmap(NULL, r.cq.cqes + r.cq_entries * 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0x8000000);
	sqe = mmap(NULL, sizeof(*sqe), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0x10000000);
	if (sq == MAP_FAILED || cq == MAP_FAILED || (void *)sqe == MAP_FAILED)
		return -1;
	memset(sqe, 0, sizeof(*sqe));
	sqe->op = op;
	sqe->fd = first;
	sqe->off = off;
	sqe->addr = addr;
	sqe->len = len;
	sqe->open_flags = flags;
	*(uint32_t *)(void *)(sq + r.sq.array) = 0;
	__atomic_store_n((uint32_t *)(void *)(sq + r.sq.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, fd, 1, 1, 1, NULL, 0) < 0)
		return -1;
	fd = *(int32_t *)(void *)(cq + r.cq.cqes + 8);
	errno = fd < 0 ? -fd : 0;
	return fd < 0 ? -1 : fd;
#else
	(void)op, (void)first, (void)off, (void)addr, (void)len, (void)flags;
	errno = ENOSYS;
	return -1;
#endif
}

static long
ring_open(const char *path, int flags)
{
	return ring_call(18 /* IORING_OP_OPENAT */, AT_FDCWD, 0, (uintptr_t)path, 0, (uint32_t)flags);
}

static int
try_ring(void)
{
	size_t i;
	char path[128];

	if (!fact("mark"))
		return none("unknown");
	if (ring_open(fact("mark"), O_RDONLY) >= 0)
		return say("io_uring, the mark", 0);
	say("io_uring", -1);
	for (i = 0; proc_files[i]; i++) {
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%s", proc_files[i]);
		if (stat(path, &st) == 0 && !S_ISCHR(st.st_mode) && ring_open(path, O_WRONLY) >= 0)
			return say(path, 0);
	}
	return SHUT;
}

/* the state of the host's audit: who may read it may end it */
static int
ask_audit(const char *what, int fd)
{
	struct { uint32_t len; uint16_t type, flags; uint32_t seq, pid; } ask = { 16, 1000 /* AUDIT_GET */, 1, 1, 0 };
	struct { uint32_t len; uint16_t type, flags; uint32_t seq, pid; int32_t error; char rest[256]; } got;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
		return say(what, -1);
	if (poll(&p, 1, 2000) <= 0 || recv(fd, &got, sizeof(got), 0) < (ssize_t)sizeof(ask))
		return say("no answer", -1);
	errno = got.type == 2 ? -got.error : 0;
	return say(what, errno ? -1 : 0);
}

static int try_audit(void) { return ask_audit("socket", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 9)); }

static int
try_audit_ring(void)
{
	/* IORING_OP_SOCKET */
	return ask_audit("io_uring", (int)ring_call(45, AF_NETLINK, SOCK_RAW, 0, 9, 0));
}

/* ---- what the host sees of it ------------------------------------------------------------- */

/* a namespace of its own may have a name of its own: the script looks at the host's */
static int try_hostname(void) { return say("sethostname", sethostname("hostile", 7)); }

static int
try_propagation(void)
{
	mkdir("/tmp/hostile", 0755);
	mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL);
	return say("mount", mount("hostile-mount", fact("propagate") ? fact("propagate") : "/tmp/hostile", "tmpfs", 0, NULL));
}

/* a program with capabilities that count on the host */
static int
try_file_caps(void)
{
	static const unsigned char caps[20] = { 1, 0, 0, 2, 0, 32, 0, 0 };
	int fd = open(fact("caps") ? fact("caps") : "/hostile-caps", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	int ret = fd < 0 ? -1 : fsetxattr(fd, "security.capability", caps, sizeof(caps), 0);

	return say("setxattr", ret);
}

static const struct { const char *name; int (*fn)(void); } attempts[] = {
	{ "proc", try_proc }, { "proc-remount", try_proc_remount }, { "proc-umount", try_proc_umount },
	{ "proc-bind", try_proc_bind }, { "proc-new", try_proc_new },
	{ "sys", try_sys }, { "sys-remount", try_sys_remount }, { "sys-new", try_sys_new }, { "kernel-fs", try_debugfs },
	{ "nested-userns", try_nested },
	{ "release-agent", try_release_agent }, { "cgroup-root", try_cgroup_root },
	{ "by-handle", try_by_handle }, { "disk", try_disk }, { "mount-disk", try_mount_disk },
	{ "mem", try_mem }, { "port", try_port }, { "kmsg", try_kmsg }, { "loop-control", try_loop_control },
	{ "terminal", try_terminal }, { "dev", try_dev },
	{ "fds", try_fds }, { "proc-links", try_proc_links }, { "exe", try_exe },
	{ "company", try_company }, { "process", try_process }, { "socket", try_socket }, { "shm", try_shm }, { "key", try_key }, { "keys", try_keys },
	{ "devpts", try_devpts }, { "notify", try_notify },
	{ "module", try_module }, { "bpf", try_bpf }, { "userfaultfd", try_userfaultfd }, { "perf", try_perf },
	{ "fanotify", try_fanotify }, { "io-uring", try_ring }, { "audit", try_audit },
	{ "audit-ring", try_audit_ring }, { "swap", try_swap }, { "kexec", try_kexec },
	{ "clock", try_clock }, { "ports", try_ports }, { "syslog", try_syslog }, { "acct", try_acct }, { "quota", try_quota },
	{ "sniff", try_sniff }, { "link", try_link },
	{ "oom-score", try_oom_score }, { "rlimit", try_rlimit }, { "realtime", try_realtime },
	{ "hostname", try_hostname }, { "propagation", try_propagation }, { "file-caps", try_file_caps },
};

/* each in a process of its own, with mounts of its own where it may have them */
static void
try_one(size_t i)
{
	static const char *const words[] = { "shut", "open", "none" };
	int ret, status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		if (strcmp(attempts[i].name, "propagation") != 0
		    && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0) && fact("control"))
			_exit(1);  /* this is the host */
		snprintf(why, sizeof(why), "-");
		ret = attempts[i].fn();
		printf("%s %s %s\n", attempts[i].name, words[ret], why);
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		printf("%s shut ended by signal %d\n", attempts[i].name, WTERMSIG(status));
}

/* the host's root, or another that can be opened here */
static void
print_disk(dev_t root)
{
	DIR *d = opendir("/dev");
	struct dirent *e;
	struct stat st;
	dev_t found = 0;
	int fd;

	while (d && (e = readdir(d)) && found != root) {
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISBLK(st.st_mode))
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0) {
			found = st.st_rdev;
			close(fd);
		}
	}
	if (found)
		printf("disk=%u:%u\n", major(found), minor(found));
}

static int
print_facts(const char *mark)
{
	union { struct { unsigned int bytes; int type; unsigned char data[64]; } h; char room[128]; } u = { .h = { 64, 0, { 0 } } };
	struct stat st;
	unsigned int i;
	int id;

	if (stat("/", &st) == 0) {
		printf("dev=%u:%u\n", major(st.st_dev), minor(st.st_dev));
		print_disk(st.st_dev);
	}
	if (syscall(SYS_name_to_handle_at, AT_FDCWD, mark, &u, &id, 0) == 0) {
		printf("handle=%d:", u.h.type);
		for (i = 0; i < u.h.bytes; i++)
			printf("%02x", u.h.data[i]);
		printf("\n");
	}
	printf("mark=%s\n", mark);
	return 0;
}

static int
hold(const char *name, const char *unread)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), id, key = 0x68000000 | (getpid() & 0xffffff);
	size_t n = (size_t)snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "%s", name);
	struct sockaddr_un u = { .sun_family = AF_UNIX };
	unsigned int pty = 0;
	long serial;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) < 0 || listen(fd, 64) < 0)
		return 1;
	id = shmget(key, 4096, IPC_CREAT | 0600);
	printf("socket=%s\nshm=%d\n", name, key);
	serial = syscall(SYS_add_key, "user", TOKEN, "secret", 6, -4 /* KEY_SPEC_USER_KEYRING */);
	printf("key=%ld\n", serial);
	/* of a number that a guest's own do not reach */
	for (n = 0; n < 8; n++)
		ioctl(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), TIOCGPTN, &pty);
	if (pty > 3)
		printf("pty=%u\n", pty);
	/* a socket that nobody reads */
	snprintf(u.sun_path, sizeof(u.sun_path), "%s", unread);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&u, sizeof(u)) < 0)
		return 1;
	fflush(stdout);
	close(1);
	/* until our input ends: whatever happens to who started us, the memory goes */
	while (read(0, why, sizeof(why)) > 0)
		;
	shmctl(id, IPC_RMID, NULL);
	syscall(SYS_keyctl, 9 /* KEYCTL_UNLINK */, serial, -4);
	return 0;
}

static int
type(const char *text)
{
	for (; *text; text++)
		if (ioctl(0, TIOCSTI, text) < 0)
			return 1;
	return ioctl(0, TIOCSTI, "\n") < 0;
}

int
main(int argc, char **argv)
{
	size_t i, n = sizeof(attempts) / sizeof(*attempts);

	if (argc == 2 && strcmp(argv[1], "names") == 0) {
		for (i = 0; i < n; i++)
			printf("%s\n", attempts[i].name);
	} else if (argc == 3 && strcmp(argv[1], "facts") == 0) {
		return print_facts(argv[2]);
	} else if (argc == 3 && strcmp(argv[1], "type") == 0) {
		return type(argv[2]);
	} else if (argc == 5 && strcmp(argv[1], "hold") == 0) {
		return hold(argv[2], argv[3]);
	} else if (argc >= 2 && strcmp(argv[1], "try") == 0) {
		facts = argv + 2;
		for (i = 0; i < n; i++)
			try_one(i);
	} else if (argc >= 3 && strcmp(argv[1], "only") == 0) {
		facts = argv + 3;
		for (i = 0; i < n; i++)
			if (strcmp(attempts[i].name, argv[2]) == 0)
				try_one(i);
	} else {
		return 99;
	}
	return 0;
}
