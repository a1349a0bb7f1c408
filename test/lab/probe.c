/* Says what the running kernel offers a container runtime: one line a
 * feature, 'name yes' or 'name no (why)'. Each test runs in a child, so that
 * none changes what the next one sees. Wants root; see README.md. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/loop.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>

/* Numbers that are the same on every architecture but alpha (and mips, whose
 * numbers start at a base) */
#ifdef __mips__
#define N(n) (4000 + (n))
#else
#define N(n) (n)
#endif
enum {
	nr_pidfd_send_signal = N(424), nr_open_tree = N(428), nr_move_mount = N(429),
	nr_fsopen = N(430), nr_fsconfig = N(431), nr_fsmount = N(432),
	nr_pidfd_open = N(434), nr_clone3 = N(435), nr_close_range = N(436),
	nr_openat2 = N(437), nr_pidfd_getfd = N(438), nr_mount_setattr = N(442),
};

struct mount_attr_ { unsigned long long set, clr, propagation, userns; };
struct clone_args_ {
	unsigned long long flags, pidfd, child_tid, parent_tid, exit_signal,
		stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static char dir[] = "/tmp/probe-XXXXXX";
static const char *note;

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int r = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	int e = errno;
	close(fd);
	errno = e;
	return r;
}

static void report(const char *name, int (*test)(long), long arg)
{
	int p[2];
	char why[128] = "";

	if (pipe2(p, O_CLOEXEC) < 0)
		exit(1);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		close(p[0]);
		note = NULL;
		alarm(10);
		if (test(arg) < 0) {
			dprintf(p[1], "%s%s%s", note ? note : "", note ? ": " : "", strerror(errno));
			_exit(1);
		}
		_exit(0);
	}
	close(p[1]);
	ssize_t n = read(p[0], why, sizeof why - 1);
	close(p[0]);
	int status = 0;
	waitpid(pid, &status, 0);
	if (status == 0)
		printf("%s yes\n", name);
	else if (WIFSIGNALED(status))
		printf("%s no (signal %d)\n", name, WTERMSIG(status));
	else
		printf("%s no (%s)\n", name, n > 0 ? why : "?");
}

static int ns(long flag) { return unshare((int)flag); }

static pid_t userns_child(void)
{
	int a[2], b[2];
	char c;
	if (pipe(a) < 0 || pipe(b) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		close(a[0]); close(b[1]);
		c = (char)(unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? errno : 0);
		/* Lives until the parent kills it, or ends and so closes b */
		if (write(a[1], &c, 1) == 1 && read(b[0], &c, 1) == 1)
			pause();
		_exit(0);
	}
	close(a[1]); close(b[0]);
	if (read(a[0], &c, 1) != 1 || c) {
		errno = c;
		return -1;
	}
	return pid;
}

static int userns_map(long unused)
{
	char path[64];
	(void)unused;
	pid_t pid = userns_child();
	if (pid < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
	int r = put(path, "0 100000 65536\n");
	kill(pid, SIGKILL);
	return r;
}

static int call(long nr) { return (int)syscall(nr, -1, 0, 0, 0, 0, 0) < 0 && errno == ENOSYS ? -1 : 0; }

static int clone3_into(long unused)
{
	struct clone_args_ a = { .exit_signal = SIGCHLD };
	(void)unused;
	long pid = syscall(nr_clone3, &a, sizeof a);
	if (pid == 0)
		_exit(0);
	return (int)pid;
}

static int mnt(const char *type, const char *data)
{
	char to[64];
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	snprintf(to, sizeof to, "%s/m", dir);
	mkdir(to, 0755);
	return mount("none", to, type, 0, data);
}

static int cgroup2(long unused) { (void)unused; return mnt("cgroup2", NULL); }
static int tmpfs(long unused) { (void)unused; return mnt("tmpfs", NULL); }
static int mqueue(long unused) { (void)unused; return mnt("mqueue", NULL); }
static int devpts(long unused) { (void)unused; return mnt("devpts", "newinstance,ptmxmode=666"); }
static int binfmt(long unused) { (void)unused; return mnt("binfmt_misc", NULL); }
static int bpffs(long unused) { (void)unused; return mnt("bpf", NULL); }
static int cgroup1(long name) { return mnt("cgroup", (const char *)name); }
static int proc_in_pidns(long unused)
{
	(void)unused;
	if (unshare(CLONE_NEWPID) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		_exit(mnt("proc", NULL) < 0 ? errno : 0);
	int s = 0;
	waitpid(pid, &s, 0);
	errno = WEXITSTATUS(s);
	return s ? -1 : 0;
}
static int sysfs_in_netns(long unused) { (void)unused; return unshare(CLONE_NEWNET) < 0 ? -1 : mnt("sysfs", NULL); }

static int overlay(long user)
{
	char l[64], u[64], w[64], data[256];
	if (user) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return -1;
		put("/proc/self/setgroups", "deny");
		if (put("/proc/self/uid_map", "0 0 1\n") < 0 || put("/proc/self/gid_map", "0 0 1\n") < 0)
			return -1;
	} else if (unshare(CLONE_NEWNS) < 0)
		return -1;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("none", dir, "tmpfs", 0, NULL) < 0)
		return -1;
	snprintf(l, sizeof l, "%s/l", dir); snprintf(u, sizeof u, "%s/u", dir); snprintf(w, sizeof w, "%s/w", dir);
	mkdir(l, 0755); mkdir(u, 0755); mkdir(w, 0755);
	snprintf(data, sizeof data, "lowerdir=%s,upperdir=%s,workdir=%s", l, u, w);
	return mount("none", l, "overlay", 0, data);
}

/* The new mount interface and an id-mapped clone of a file system */
static int idmap(long type)
{
	char where[64];
	snprintf(where, sizeof where, "%s/m", dir);
	mkdir(where, 0755);
	if (type && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount((const char *)type, where, "none", MS_BIND, NULL) < 0))
		return -1;
	if (!type && mnt("tmpfs", NULL) < 0)
		return -1;
	note = "open_tree";
	int fd = (int)syscall(nr_open_tree, AT_FDCWD, where, 1 | O_CLOEXEC);
	if (fd < 0)
		return -1;
	pid_t pid = userns_child();
	note = "user namespace";
	if (pid < 0)
		return -1;
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
	put(path, "0 100000 65536\n");
	snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
	put(path, "0 100000 65536\n");
	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	struct mount_attr_ a = { .set = 0x100000, .userns = (unsigned long long)open(path, O_RDONLY | O_CLOEXEC) };
	note = "mount_setattr";
	int r = (int)syscall(nr_mount_setattr, fd, "", AT_EMPTY_PATH, &a, sizeof a);
	int e = errno;
	kill(pid, SIGKILL);
	errno = e;
	return r;
}

static int seccomp_filter(long arg)
{
	struct sock_filter f[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog p = { 1, f };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (arg)
		return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, arg, &p);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p);
}

static int seccomp_action(long action)
{
	unsigned a = (unsigned)action;
	return (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &a);
}

static int bpf_device(long unused)
{
	struct bpf_insn i[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr a;
	(void)unused;
	memset(&a, 0, sizeof a);
	a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	a.insns = (unsigned long long)(unsigned long)i;
	a.insn_cnt = 2;
	a.license = (unsigned long long)(unsigned long)"GPL";
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a);
}

static int sock(long what) { return socket((int)(what >> 16), (int)(what >> 8 & 255), (int)(what & 255)); }
static int path(long name) { return access((const char *)name, F_OK); }
static int loop(long unused) { (void)unused; int fd = open("/dev/loop-control", O_RDWR); return fd < 0 ? -1 : ioctl(fd, LOOP_CTL_GET_FREE); }
static int ambient(long unused) { (void)unused; return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); }
static int timens(long unused) { (void)unused; return unshare(0x80); }

/* filesystem : whether the kernel has the type now, with no module to load */
static int filesystem(long name)
{
	char line[128], want[64];
	FILE *f = fopen("/proc/filesystems", "r");
	snprintf(want, sizeof want, "\t%s\n", (const char *)name);
	while (f && fgets(line, sizeof line, f))
		if (strcmp(strchr(line, '\t') ? strchr(line, '\t') : line, want) == 0)
			return 0;
	errno = ENODEV;
	return -1;
}

static int pivot(long unused)
{
	char to[64];
	(void)unused;
	if (mnt("tmpfs", NULL) < 0)
		return -1;
	snprintf(to, sizeof to, "%s/m", dir);
	if (chdir(to) < 0)
		return -1;
	return (int)syscall(SYS_pivot_root, ".", ".");
}

int main(void)
{
	static const char *v1[] = { "devices", "memory", "pids", "cpu", "cpuset", "blkio", "freezer", "net_cls" };
	static const char *fs[] = { "overlay", "btrfs", "squashfs", "erofs", "ext4", "xfs", "f2fs", "ubifs", "jffs2", "fuse" };
	char name[64];

	if (!mkdtemp(dir))
		return 1;
	report("ns.mnt", ns, CLONE_NEWNS);
	report("ns.uts", ns, CLONE_NEWUTS);
	report("ns.ipc", ns, CLONE_NEWIPC);
	report("ns.pid", ns, CLONE_NEWPID);
	report("ns.net", ns, CLONE_NEWNET);
	report("ns.cgroup", ns, CLONE_NEWCGROUP);
	report("ns.user", ns, CLONE_NEWUSER);
	report("ns.user.map", userns_map, 0);
	report("ns.time", timens, 0);
	report("pivot_root", pivot, 0);
	report("mount.tmpfs", tmpfs, 0);
	report("mount.mqueue", mqueue, 0);
	report("mount.devpts", devpts, 0);
	report("mount.bpf", bpffs, 0);
	report("mount.binfmt_misc", binfmt, 0);
	report("mount.proc.pidns", proc_in_pidns, 0);
	report("mount.sysfs.netns", sysfs_in_netns, 0);
	report("mount.overlay", overlay, 0);
	report("mount.overlay.userns", overlay, 1);
	report("mount.idmap.tmpfs", idmap, 0);
	if (access("/idmap", F_OK) == 0)
		report("mount.idmap./idmap", idmap, (long)"/idmap");
	report("cgroup2", cgroup2, 0);
	for (size_t i = 0; i < sizeof v1 / sizeof *v1; i++) {
		snprintf(name, sizeof name, "cgroup1.%s", v1[i]);
		report(name, cgroup1, (long)v1[i]);
	}
	report("cgroup1.named", cgroup1, (long)"none,name=lab");
	report("cgroup.device.bpf", bpf_device, 0);
	report("seccomp.filter", seccomp_filter, 0);
	report("seccomp.tsync", seccomp_filter, SECCOMP_FILTER_FLAG_TSYNC);
	report("seccomp.log", seccomp_action, SECCOMP_RET_LOG);
	report("seccomp.kill_process", seccomp_action, (long)SECCOMP_RET_KILL_PROCESS);
	report("seccomp.notify", seccomp_action, (long)SECCOMP_RET_USER_NOTIF);
	report("cap.ambient", ambient, 0);
	report("clone3", clone3_into, 0);
	report("pidfd_open", call, nr_pidfd_open);
	report("pidfd_getfd", call, nr_pidfd_getfd);
	report("close_range", call, nr_close_range);
	report("openat2", call, nr_openat2);
	report("open_tree", call, nr_open_tree);
	report("fsopen", call, nr_fsopen);
	report("mount_setattr", call, nr_mount_setattr);
	report("keyctl", call, SYS_keyctl);
	report("loop", loop, 0);
	report("net.route", sock, AF_NETLINK << 16 | SOCK_RAW << 8 | NETLINK_ROUTE);
	report("net.netfilter", sock, AF_NETLINK << 16 | SOCK_RAW << 8 | NETLINK_NETFILTER);
	report("net.ipv6", sock, AF_INET6 << 16 | SOCK_DGRAM << 8);
	report("net.packet", sock, AF_PACKET << 16 | SOCK_RAW << 8);
	report("dev.tun", path, (long)"/dev/net/tun");
	report("dev.fuse", path, (long)"/dev/fuse");
	for (size_t i = 0; i < sizeof fs / sizeof *fs; i++) {
		snprintf(name, sizeof name, "fs.%s", fs[i]);
		report(name, filesystem, (long)fs[i]);
	}
	char m[64];
	snprintf(m, sizeof m, "%s/m", dir);
	rmdir(m);
	rmdir(dir);
	return 0;
}
