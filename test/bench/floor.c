/*
 * The floor: what a container start costs when a program does all of the set-up and nothing else. No options are
 * parsed, no files are read, nothing is freed; each step is the fewest system calls known for it.
 *
 *	floor SPEC DIR COMMAND [ARGUMENT]...
 *	floor template FILE
 *
 * SPEC is a preset, then letters added and taken away: min, full+n, full-MK, full+cn-H. The presets are "plain" (chroot
 * and exec, no namespace), "min" (namespaces, proc, /dev, sysfs, pivot_root, capabilities) and "full" (everything that
 * a guest of the container interface is promised). The letters are those of the tables below. FILE (the environment's
 * FLOOR_TEMPLATE for the letter Z) pins a mount namespace with nothing in it.
 *
 * A failing step is named on standard error; only steps that a host may lack are passed over in silence.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* From clone3's neighbours on, numbers are the same everywhere but for an offset. */
#ifdef SYS_pidfd_open
#define NR_BASE (SYS_pidfd_open - 434)
#else
#define NR_BASE 0
#endif
#define NR_OPEN_TREE (428 + NR_BASE)
#define NR_MOVE_MOUNT (429 + NR_BASE)
#define NR_CLONE3 (435 + NR_BASE)

#define INTO_CGROUP 0x200000000ULL
#define TREE_CLONE 1U
#define MOVE_F_EMPTY 4U
#define TERMINAL_PEER 0x5441
#define KEYCTL_JOIN 1L
#define HIDDEN_FLAGS (MS_NOSUID | MS_NOEXEC | MS_NODEV)
#define N(array) (sizeof(array) / sizeof((array)[0]))

struct birth {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

struct step {
	char letter;
	const char *name;
	void (*run)(void);
};

struct node {
	const char *path, *link;
	unsigned major, minor;
};

struct bpf {
	uint16_t code;
	uint8_t yes, no;
	uint32_t k;
};

struct program {
	unsigned short len;
	struct bpf *code;
};

static const char *tree;
static char **command;
static char wanted[128];
static const char *at;
static int master = -1;
static int slave = -1;
static int hostdir = -1;
static int cgroup = -1;
static char cgroupdir[64];
static char stack[65536] __attribute__((aligned(16)));

static const char minimum[] = "iupbdNltPYsvC";
static const char complete[] = "iupbdNlLthqrHmPYoMBKsvCRje";

static _Noreturn void
die(const char *what)
{
	dprintf(2, "floor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static int
want(char letter)
{
	return strchr(wanted, letter) != NULL;
}

static void
must(long result)
{
	if (result < 0)
		die(at);
}

/* For what a host, a kernel or a tree need not have. */
static void
may(long result)
{
	if (result < 0 && errno != ENOENT && errno != EPERM && errno != ENOSYS && errno != EOPNOTSUPP && errno != ENODEV)
		die(at);
}

static void
fill(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);

	must(fd);
	must(write(fd, text, strlen(text)));
	must(close(fd));
}

static void
bind_root(void)
{
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	must(mount(tree, tree, NULL, MS_BIND | MS_REC, NULL));
	must(chdir(tree));
}

/* The template way: the tree is taken along into an empty namespace, of which this is a copy. */
static void
enter_template(void)
{
	const char *file = getenv("FLOOR_TEMPLATE");
	int copy = (int)syscall(NR_OPEN_TREE, AT_FDCWD, tree, TREE_CLONE | (unsigned)O_CLOEXEC | (unsigned)AT_RECURSIVE);
	int space = open(file ? file : "", O_RDONLY | O_CLOEXEC);

	must(copy);
	must(space);
	must(setns(space, CLONE_NEWNS));
	must(unshare(CLONE_NEWNS));
	must(syscall(NR_MOVE_MOUNT, copy, "", AT_FDCWD, "/t", MOVE_F_EMPTY));
	must(chdir("/t"));
}

static void
take_root(void)
{
	if (want('Z'))
		enter_template();
	else
		bind_root();
}

static void
mount_dev(void)
{
	must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=4m,nr_inodes=64k"));
}

static void
make_nodes(void)
{
	static const struct node nodes[] = {
		{ "dev/null", NULL, 1, 3 }, { "dev/zero", NULL, 1, 5 }, { "dev/full", NULL, 1, 7 },
		{ "dev/random", NULL, 1, 8 }, { "dev/urandom", NULL, 1, 9 }, { "dev/tty", NULL, 5, 0 },
	};

	for (size_t i = 0; i < N(nodes); i++)
		must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
}

static void
make_links(void)
{
	static const struct node links[] = {
		{ "dev/fd", "/proc/self/fd", 0, 0 }, { "dev/stdin", "/proc/self/fd/0", 0, 0 },
		{ "dev/stdout", "/proc/self/fd/1", 0, 0 }, { "dev/stderr", "/proc/self/fd/2", 0, 0 },
		{ "dev/core", "/proc/kcore", 0, 0 }, { "dev/ptmx", "pts/ptmx", 0, 0 },
	};

	for (size_t i = 0; i < N(links); i++)
		must(symlink(links[i].link, links[i].path));
	if (want('y'))
		must(symlink("pts/0", "dev/console"));
}

static void
make_number_links(void)
{
	static const struct node links[] = {
		{ "dev/char/1:3", "../null", 0, 0 }, { "dev/char/1:5", "../zero", 0, 0 },
		{ "dev/char/1:7", "../full", 0, 0 }, { "dev/char/1:8", "../random", 0, 0 },
		{ "dev/char/1:9", "../urandom", 0, 0 }, { "dev/char/5:0", "../tty", 0, 0 },
	};

	must(mkdir("dev/char", 0755));
	for (size_t i = 0; i < N(links); i++)
		must(symlink(links[i].link, links[i].path));
}

static void
mount_terminals(void)
{
	must(mkdir("dev/pts", 0755));
	must(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5"));
}

static void
mount_shm(void)
{
	must(mkdir("dev/shm", 01777));
	must(mount("tmpfs", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=1777,size=10%,nr_inodes=400k"));
}

static void
mount_mqueue(void)
{
	must(mkdir("dev/mqueue", 0755));
	may(mount("mqueue", "dev/mqueue", "mqueue", HIDDEN_FLAGS, NULL));
}

static void
mount_run(void)
{
	must(mount("tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=755,size=20%,nr_inodes=800k"));
}

static void
make_inaccessible(void)
{
	must(mkdir("run/host/inaccessible", 0755));
	must(mknod("run/host/inaccessible/reg", S_IFREG, 0));
	must(mkdir("run/host/inaccessible/dir", 0));
	must(mknod("run/host/inaccessible/fifo", S_IFIFO, 0));
	must(mknod("run/host/inaccessible/sock", S_IFSOCK, 0));
	may(mknod("run/host/inaccessible/chr", S_IFCHR, 0));
	may(mknod("run/host/inaccessible/blk", S_IFBLK, 0));
}

static void
make_notify(void)
{
	static const struct sockaddr_un where = { AF_UNIX, "run/host/notify" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int on = 1;

	must(fd);
	must(bind(fd, (const struct sockaddr *)&where, sizeof where));
	must(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
}

/* Nodes for the masks and the two files below /proc are made here too; they are bound when /proc is there. */
static void
make_host(void)
{
	must(mkdir("run/host", 0755));
	make_inaccessible();
	must(mkdir("run/host/incoming", 0600));
	fill("run/host/container-manager", "systemd-nspawn\n");
	fill("run/host/container-uuid", "2f0c5a0e-5d0c-4b5e-9d61-0123456789ab\n");
	must(mknod("run/host/os-release", S_IFREG | 0444, 0));
	if (mount("/etc/os-release", "run/host/os-release", NULL, MS_BIND, NULL) == 0)
		must(mount(NULL, "run/host/os-release", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | HIDDEN_FLAGS, NULL));
	make_notify();
	must(hostdir = open("run/host", O_PATH | O_CLOEXEC));
}

/* A bind takes the flags of the mount it comes from, so everything bound from here later is read-only at once. */
static void
seal_host(void)
{
	must(mount("run/host", "run/host", NULL, MS_BIND | MS_REC, NULL));
	must(mount(NULL, "run/host", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | HIDDEN_FLAGS, NULL));
}

static void
mount_tmp(void)
{
	must(mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=1777,size=10%,nr_inodes=400k"));
}

static void
mount_proc(void)
{
	must(mount("proc", "proc", "proc", HIDDEN_FLAGS, NULL));
}

/* The same proc once more, read-only and over the host's, which goes away with the old root: binds need one call. */
static const char *
proc_source(void)
{
	return want('Z') ? "/p" : "/proc";
}

static void
bind_proc(const char *name)
{
	char from[64], to[64];

	snprintf(from, sizeof from, "%s/%s", proc_source(), name);
	snprintf(to, sizeof to, "proc/%s", name);
	may(mount(from, to, NULL, MS_BIND, NULL));
}

static void
guard_sysctl(void)
{
	must(mount("proc", proc_source(), "proc", HIDDEN_FLAGS | MS_RDONLY, NULL));
	bind_proc("sys");
	if (want('n'))
		must(mount("proc/sys/net", "proc/sys/net", NULL, MS_BIND, NULL));
	if (want('n'))
		must(mount(NULL, "proc/sys/net", NULL, MS_BIND | MS_REMOUNT | HIDDEN_FLAGS, NULL));
}

static void
guard_proc(void)
{
	static const char *const names[] = { "acpi", "apm", "asound", "bus", "fs", "irq", "scsi" };

	for (size_t i = 0; i < N(names); i++)
		bind_proc(names[i]);
}

static void
mask_proc(void)
{
	static const char *const names[] = {
		"proc/kallsyms", "proc/kcore", "proc/keys", "proc/sysrq-trigger", "proc/timer_list",
	};

	for (size_t i = 0; i < N(names); i++)
		may(mount("run/host/inaccessible/reg", names[i], NULL, MS_BIND, NULL));
}

static void
make_boot_id(void)
{
	fill("run/boot_id", "6c1f2a3b-4d5e-4f60-8a7b-0123456789ab\n");
	must(mount("run/boot_id", "proc/sys/kernel/random/boot_id", NULL, MS_BIND, NULL));
	must(mount(NULL, "proc/sys/kernel/random/boot_id", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | HIDDEN_FLAGS, NULL));
	must(unlink("run/boot_id"));
}

static void
make_kmsg(void)
{
	must(mknod("run/kmsg", S_IFIFO | 0600, 0));
	must(mount("run/kmsg", "proc/kmsg", NULL, MS_BIND, NULL));
	must(unlink("run/kmsg"));
}

static void
make_sys_skeleton(void)
{
	static const char *const names[] = { "block", "bus", "class", "dev", "devices", "kernel" };
	char from[64], to[64];

	must(mount("sysfs", want('Z') ? "/s" : "/sys", "sysfs", HIDDEN_FLAGS | MS_RDONLY, NULL));
	must(mount("tmpfs", "sys", "tmpfs", HIDDEN_FLAGS, "mode=555,size=4m,nr_inodes=1k"));
	for (size_t i = 0; i < N(names); i++) {
		snprintf(from, sizeof from, "%s/%s", want('Z') ? "/s" : "/sys", names[i]);
		snprintf(to, sizeof to, "sys/%s", names[i]);
		must(mkdir(to, 0755));
		must(mount(from, to, NULL, MS_BIND, NULL));
	}
	must(mkdir("sys/fs", 0755));
	must(mkdir("sys/fs/cgroup", 0755));
	must(mount(NULL, "sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | HIDDEN_FLAGS, NULL));
}

static void
mount_sys(void)
{
	if (want('n') && want('k'))
		make_sys_skeleton();
	else
		must(mount("sysfs", "sys", "sysfs", HIDDEN_FLAGS | MS_RDONLY, NULL));
	if (want('c') || want('w'))
		must(mount("cgroup2", "sys/fs/cgroup", "cgroup2", HIDDEN_FLAGS, NULL));
}

static void
bring_up_lo(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd);
	must(ioctl(fd, SIOCSIFFLAGS, &ifr));
	must(close(fd));
}

static void
set_names(void)
{
	must(sethostname("floor", 5));
}

static void
move_into_cgroup(void)
{
	int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	must(fd);
	must(write(fd, "0", 1));
	must(unshare(CLONE_NEWCGROUP));
}

/*
 * The guest's terminal. The table of open files is shared with the supervisor until here, so the master needs no
 * message; the supervisor closes its slave when the guest runs.
 */
static void
open_terminal(void)
{
	int zero = 0;

	must(master = open("dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
	must(ioctl(master, TIOCSPTLCK, &zero));
	must(slave = ioctl(master, TERMINAL_PEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	must(unshare(CLONE_FILES));
	must(setsid());
	must(ioctl(slave, TIOCSCTTY, 0));
	for (int i = 0; i < 3; i++)
		must(dup2(slave, i));
}

static void
take_pivot(void)
{
	if (want('Z')) {
		must(mount(".", "/", NULL, MS_MOVE, NULL));
		must(chroot("."));
		return;
	}
	must(syscall(SYS_pivot_root, ".", "."));
	must(umount2(".", MNT_DETACH));
}

static void
limit(int which, rlim_t soft, rlim_t hard)
{
	struct rlimit wished = { soft, hard };

	may(setrlimit(which, &wished));
}

static void
set_limits(void)
{
	static const int endless[] = {
		RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_LOCKS, RLIMIT_RSS, RLIMIT_RTTIME,
	};

	for (size_t i = 0; i < N(endless); i++)
		limit(endless[i], RLIM_INFINITY, RLIM_INFINITY);
	limit(RLIMIT_CORE, 0, RLIM_INFINITY);
	limit(RLIMIT_MEMLOCK, 8 << 20, 8 << 20);
	limit(RLIMIT_MSGQUEUE, 819200, 819200);
	limit(RLIMIT_NICE, 0, 0);
	limit(RLIMIT_RTPRIO, 0, 0);
	limit(RLIMIT_STACK, 8 << 20, RLIM_INFINITY);
	limit(RLIMIT_NOFILE, 1024, 524288);
}

static void
join_keyring(void)
{
	may(syscall(SYS_keyctl, KEYCTL_JOIN, NULL));
}

/* Everything that is one cheap call each: dies with us, a session of its own, clean ids and mask. */
static void
set_process(void)
{
	must(prctl(PR_SET_PDEATHSIG, SIGKILL));
	if (!want('y'))
		must(setsid());
	must(syscall(SYS_setgroups, 0, NULL));
	must(syscall(SYS_setresgid, 0, 0, 0));
	must(syscall(SYS_setresuid, 0, 0, 0));
}

static const int refused[] = {
#ifdef SYS__sysctl
	SYS__sysctl,
#endif
#ifdef SYS_uselib
	SYS_uselib, SYS_ustat, SYS_sysfs, SYS_modify_ldt, SYS_create_module, SYS_get_kernel_syms, SYS_query_module,
	SYS_nfsservctl, SYS_getpmsg, SYS_putpmsg, SYS_afs_syscall, SYS_tuxcall, SYS_security, SYS_vserver,
	SYS_iopl, SYS_ioperm,
#endif
	SYS_adjtimex, SYS_clock_adjtime, SYS_clock_settime, SYS_settimeofday, SYS_delete_module, SYS_finit_module,
	SYS_init_module, SYS_mlock, SYS_mlock2, SYS_mlockall, SYS_munlock, SYS_munlockall, SYS_acct, SYS_syslog,
	SYS_lookup_dcookie, SYS_perf_event_open, SYS_add_key, SYS_keyctl, SYS_request_key, SYS_pkey_alloc, SYS_pkey_free,
	SYS_pkey_mprotect, SYS_kexec_load, SYS_swapon, SYS_swapoff, SYS_bpf, SYS_fanotify_init, SYS_fanotify_mark,
	SYS_open_by_handle_at, SYS_quotactl,
};

static int
order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void
emit(struct program *p, unsigned code, unsigned yes, unsigned no, unsigned k)
{
	p->code[p->len++] = (struct bpf){ (uint16_t)code, (uint8_t)yes, (uint8_t)no, (uint32_t)k };
}

/* A search tree over sorted numbers: each leaf compares one and answers. */
static void
emit_tree(struct program *p, const int *list, size_t count)
{
	size_t half = count / 2, here;

	if (count == 1) {
		emit(p, 0x15, 0, 1, (unsigned)list[0]);
		emit(p, 0x06, 0, 0, 0x00050000U | EPERM);
		emit(p, 0x06, 0, 0, 0x7fff0000U);
		return;
	}
	here = p->len;
	emit(p, 0x35, 0, 0, (unsigned)list[half]);
	emit_tree(p, list, half);
	p->code[here].yes = (uint8_t)(p->len - here - 1);
	emit_tree(p, list + half, count - half);
}

static void
load_filter(void)
{
	static struct bpf code[4 * N(refused) + 4];
	struct program p = { 0, code };
	int list[N(refused)];

	memcpy(list, refused, sizeof list);
	qsort(list, N(list), sizeof list[0], order);
	emit(&p, 0x20, 0, 0, 0);
	emit_tree(&p, list, N(list));
	must(syscall(SYS_seccomp, 1, 0, &p));
}

static void
drop_capabilities(void)
{
	static const int dropped[] = { 12, 14, 16, 17, 20, 25, 32, 33, 34, 35, 36, 37, 38, 39, 40 };
	uint64_t kept = 0xfdecafffU;
	uint32_t head[2] = { 0x20080522, 0 };
	uint32_t data[6];

	for (size_t i = 0; i < N(dropped); i++) {
		if (want('n') && dropped[i] == 12)
			kept |= 1U << 12;
		else
			may(prctl(PR_CAPBSET_DROP, dropped[i], 0, 0, 0));
	}
	if (prctl(PR_CAPBSET_READ, 24, 0, 0, 0) == 0)
		kept &= ~(1ULL << 24);
	data[0] = data[1] = data[2] = (uint32_t)kept;
	data[3] = data[4] = data[5] = 0;
	must(syscall(SYS_capset, head, data));
}

/* In this order, those that are wanted. */
static const struct step steps[] = {
	{ 'b', "bind the root", take_root },
	{ 'n', "bring up lo", bring_up_lo },
	{ 'w', "move into the cgroup", move_into_cgroup },
	{ 'd', "mount /dev", mount_dev },
	{ 'N', "make nodes", make_nodes },
	{ 'l', "make links", make_links },
	{ 'L', "make /dev/char", make_number_links },
	{ 't', "mount /dev/pts", mount_terminals },
	{ 'h', "mount /dev/shm", mount_shm },
	{ 'q', "mount /dev/mqueue", mount_mqueue },
	{ 'r', "mount /run", mount_run },
	{ 'H', "make /run/host", make_host },
	{ 'm', "mount /tmp", mount_tmp },
	{ 'P', "mount /proc", mount_proc },
	{ 'Y', "read-only /proc/sys", guard_sysctl },
	{ 'o', "read-only parts of /proc", guard_proc },
	{ 'B', "make boot_id", make_boot_id },
	{ 'K', "make kmsg", make_kmsg },
	{ 'H', "seal /run/host", seal_host },
	{ 'M', "mask parts of /proc", mask_proc },
	{ 's', "mount /sys", mount_sys },
	{ 'y', "open the terminal", open_terminal },
	{ 'v', "change the root", take_pivot },
	{ 'u', "set the host name", set_names },
	{ 'e', "set up the process", set_process },
	{ 'R', "set limits", set_limits },
	{ 'j', "join a keyring", join_keyring },
	{ 'x', "load the filter", load_filter },
	{ 'C', "drop capabilities", drop_capabilities },
};

static int
is_plain(void)
{
	return wanted[0] == '\0';
}

static int
child(void *unused)
{
	static char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "container=systemd-nspawn", "TERM=dumb",
		"HOME=/root", "USER=root", "LOGNAME=root", "container_uuid=2f0c5a0e-5d0c-4b5e-9d61-0123456789ab",
		"NOTIFY_SOCKET=/run/host/notify", NULL,
	};

	(void)unused;
	umask(0);
	for (size_t i = 0; i < N(steps); i++) {
		at = steps[i].name;
		if (want(steps[i].letter))
			steps[i].run();
	}
	umask(022);
	if (is_plain() || !want('v'))
		must(chroot(is_plain() ? tree : "."));
	must(chdir("/"));
	execve(command[0], command, environment);
	die(command[0]);
}

static uint64_t
birth_flags(void)
{
	uint64_t flags = 0;

	if (!want('F'))
		flags |= CLONE_VM | CLONE_VFORK | CLONE_FILES;
	if (is_plain())
		return flags & ~(uint64_t)CLONE_FILES;
	if (!want('Z'))
		flags |= CLONE_NEWNS;
	if (want('p'))
		flags |= CLONE_NEWPID;
	if (want('i'))
		flags |= CLONE_NEWIPC;
	if (want('u'))
		flags |= CLONE_NEWUTS;
	if (want('n'))
		flags |= CLONE_NEWNET;
	if (want('c'))
		flags |= CLONE_NEWCGROUP | INTO_CGROUP;
	return flags;
}

#ifdef __x86_64__
/* The C library's clone() with clone3's call: a child in our memory, on a stack of its own. */
static long
clone3_shared(struct birth *b)
{
	register int (*fn)(void *) __asm__("r12") = child;
	long pid = NR_CLONE3;

	__asm__ volatile (
		"syscall\n\t"
		"test %%eax,%%eax\n\t"
		"jnz 1f\n\t"
		"xor %%ebp,%%ebp\n\t"
		"xor %%edi,%%edi\n\t"
		"call *%%r12\n\t"
		"ud2\n"
		"1:"
		: "+a"(pid) : "D"(b), "S"(sizeof *b), "r"(fn) : "rcx", "r11", "memory");
	return pid;
}
#endif

static long
clone3_child(uint64_t flags)
{
	struct birth b = { .flags = flags, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup };
	long pid;

#ifdef __x86_64__
	if (flags & CLONE_VM) {
		b.stack = (uint64_t)(uintptr_t)stack;
		b.stack_size = sizeof stack;
		pid = clone3_shared(&b);
		errno = pid < 0 ? (int)-pid : errno;
		return pid;
	}
#else
	b.flags &= ~(uint64_t)(CLONE_VM | CLONE_VFORK | CLONE_FILES);
#endif
	pid = syscall(NR_CLONE3, &b, sizeof b);
	if (pid == 0)
		child(NULL);
	return pid;
}

static pid_t
start(void)
{
	uint64_t flags = birth_flags();
	long pid;

	if (flags & INTO_CGROUP)
		pid = clone3_child(flags);
	else
		pid = clone(child, stack + sizeof stack, (int)(flags | SIGCHLD), NULL);
	if (pid < 0)
		die("clone");
	return (pid_t)pid;
}

static void
make_cgroup(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	const char *root = roots[access("/sys/fs/cgroup/cgroup.procs", F_OK) != 0];

	at = "make the cgroup";
	snprintf(cgroupdir, sizeof cgroupdir, "%s/floor-%d", root, (int)getpid());
	must(mkdir(cgroupdir, 0755));
	must(cgroup = open(cgroupdir, O_DIRECTORY | O_CLOEXEC));
}

static int
copy(int from, int to)
{
	static char buffer[4096];
	ssize_t n = read(from, buffer, sizeof buffer);

	return n > 0 && write(to, buffer, (size_t)n) == n;
}

/* Forwards both ways until the guest's last descriptor of the terminal is closed. */
static void
relay(void)
{
	struct pollfd fds[2] = { { master, POLLIN, 0 }, { 0, POLLIN, 0 } };
	struct termios kept, raw;
	int terminal = tcgetattr(0, &kept) == 0;

	close(slave);
	raw = kept;
	cfmakeraw(&raw);
	if (terminal)
		tcsetattr(0, TCSANOW, &raw);
	while (poll(fds, terminal ? 2 : 1, -1) >= 0) {
		if (fds[0].revents && !copy(master, 1))
			break;
		if (terminal && fds[1].revents && !copy(0, master))
			break;
	}
	if (terminal)
		tcsetattr(0, TCSANOW, &kept);
}

static int
finish(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	if (cgroupdir[0])
		rmdir(cgroupdir);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
choose(const char *spec)
{
	size_t len = strcspn(spec, "+-");
	const char *preset = strncmp(spec, "full", len) == 0 ? complete : strncmp(spec, "min", len) == 0 ? minimum : "";
	char sign = '+';
	char *end;

	strcpy(wanted, preset);
	for (spec += len; *spec; spec++) {
		if (*spec == '+' || *spec == '-') {
			sign = *spec;
		} else if (sign == '+' && !want(*spec) && strlen(wanted) < sizeof wanted - 1) {
			end = wanted + strlen(wanted);
			end[0] = *spec;
			end[1] = '\0';
		} else if (sign == '-' && (end = strchr(wanted, *spec))) {
			memmove(end, end + 1, strlen(end));
		}
	}
}

static void
empty_namespace(void)
{
	must(unshare(CLONE_NEWNS));
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	must(mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k"));
	must(chdir("/tmp"));
	must(mkdir("t", 0755));
	must(mkdir("p", 0755));
	must(mkdir("s", 0755));
	must(syscall(SYS_pivot_root, ".", "."));
	must(umount2(".", MNT_DETACH));
	must(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
}

static void
run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	must(sched_setaffinity(0, sizeof set, &set));
}

static pid_t
hold_empty_namespace(int cpu)
{
	int ends[2];
	pid_t pid;
	char c;

	must(pipe(ends));
	must(pid = fork());
	if (pid == 0) {
		run_on(cpu);
		empty_namespace();
		must(write(ends[1], "", 1));
		for (;;)
			pause();
	}
	must(close(ends[1]));
	must(read(ends[0], &c, 1) == 1 ? 0 : -1);
	must(close(ends[0]));
	return pid;
}

/*
 * A mount namespace may be bound only in an older one, and its number is its age; Linux 6.18 hands the numbers out in
 * batches to the processors, so that it may take another processor to get a higher one.
 */
static int
pin_namespace(const char *file, int cpu)
{
	pid_t pid = hold_empty_namespace(cpu);
	char path[64];
	int result;

	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)pid);
	result = mount(path, file, NULL, MS_BIND, NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return result;
}

static int
make_template(const char *file)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	at = "make the template";
	must(close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0444)));
	for (int cpu = 0; cpu < count; cpu++)
		if (pin_namespace(file, cpu) == 0)
			return 0;
	errno = EINVAL;
	die(at);
}

int
main(int argc, char **argv)
{
	pid_t pid;

	if (argc == 3 && strcmp(argv[1], "template") == 0)
		return make_template(argv[2]);
	if (argc < 4) {
		dprintf(2, "usage: floor plain|min|full[+LETTERS][-LETTERS] DIR COMMAND [ARGUMENT]...\n");
		return 2;
	}
	choose(argv[1]);
	tree = argv[2];
	command = argv + 3;
	if (want('y') && want('F')) {
		dprintf(2, "floor: y needs the shared descriptors that F takes away\n");
		return 2;
	}
	if (want('c') || want('w'))
		make_cgroup();
	pid = start();
	if (want('y'))
		relay();
	return finish(pid);
}
