/* SPDX-License-Identifier: 0BSD */
/* What the kernel and the host have of what machines take: each is tried, by a child with mounts of its own */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "nspawn-lite.h"

/* of what a probe says instead of an errno: it was not come to; there is another way, and it does */
enum { UNTRIED = -3, OTHERWISE = -2 };
/*
 * Without it no machine runs, or nothing is lost but time; the probe writes to "." or mounts; no
 * machine runs if there are as many as may be, or at a terminal */
enum { NEEDED = 1, EASY = 2, TMP = 4, COUNTED = 8, TERMINAL = 16 };

/* what a probe leaves, in memory that both see */
static struct result { int error; char more[160]; } *result;
static struct utsname kernel;

static int
fail(int error)
{
	errno = error;
	return -1;
}

/* ---- probes: -1 with errno. "." is an empty tmpfs, names are the host's ------------------------ */

/* it was there for the child to be born in */
static int
born(const char *arg)
{
	(void)arg;
	return 0;
}

static int
has_call(const char *call)
{
	return sys_has(call) ? 0 : -1;
}

static int
is_root(const char *arg)
{
	(void)arg;
	if (geteuid() == 0)
		return 0;
	strcpy(result->more, "run it as root");
	return fail(ESRCH);
}

static int
make_users(const char *arg)
{
	(void)arg;
	return sys_userns("0 65536 65536\n", "0 65536 65536\n");
}

static int
mount_it(const char *type)
{
	const char *options = type + strlen(type) + 1;

	mkdir("x", 0755);
	if (mount(type, "x", type, MS_NOSUID | MS_NOEXEC, options) == 0)
		return 0;
	/* in another machine, as root_sys does */
	if (errno == EPERM && streq(type, "sysfs"))
		return sys_open_tree(AT_FDCWD, "/sys", CLONE_TREE | RECURSIVE | O_CLOEXEC);
	return -1;
}

/* without a disk all of them fail, but those that are not there do so first */
static int
knows_type(const char *type)
{
	int fd = sys_fsmount(sys_fsopen(type), "", 0);

	mkdir("x", 0755);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM) && mount(".", "x", type, MS_RDONLY, NULL) == 0)
		return 0;
	return fd >= 0 || (errno != ENODEV && errno != EPERM) ? 0 : -1;
}

static int
attach_loop(const char *arg)
{
	char *path;
	int fd = openat(AT_FDCWD, "x", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)arg;
	return fd < 0 || ftruncate(fd, 1 << 20) < 0 ? -1 : disk_loop(fd, 0, 0, true, &path);
}

static int
lay_overlay(const char *below)
{
	if (mkdir("a", 0755) < 0 || mkdir("b", 0755) < 0 || mkdir("c", 0755) < 0 || mkdir("x", 0755) < 0)
		return -1;
	return mount("overlay", "x", "overlay", 0,
	             *below == '/' ? fmt("lowerdir=%s:a", below) : "lowerdir=a,upperdir=b,workdir=c");
}

/* leave the host's root, or see that it is one that stays */
static int
pivot(const char *arg)
{
	(void)arg;
	if (sys_pivot_root(".", ".") == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	if (access("/proc/self/mountinfo", F_OK) < 0) {
		strcpy(result->more, "an initramfs: mount /proc first");
		return -1;
	}
	strcpy(result->more, "an initramfs: machines are moved over it");
	return OTHERWISE;
}

/* what is there of a path */
static int
open_above(const char *path)
{
	char *p = xstrdup(path);
	int fd;

	while ((fd = openat(AT_FDCWD, *p ? p : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 && errno == ENOENT && *p)
		*strrchr(p, '/') = 0;
	if (fd >= 0)
		snprintf(result->more, sizeof(result->more), "on %s", place_type(fd));
	return fd;
}

static int
open_store(void)
{
	return open_above(store_dir(NULL));
}

static int
writable(const char *arg)
{
	int fd = streq(arg, "store-directory") ? open_store() : open_above(run_state_dir());

	return fd < 0 ? -1 : sys_access(fd, ".", W_OK);
}

static int
share_data(const char *arg)
{
	int i, fd[2], store = open_store();

	(void)arg;
	if (store < 0)
		return -1;
	for (i = 0; i < 2; i++)
		fd[i] = openat(store, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd[1] < 0 || write_all(fd[0], "x", 1) < 0 || sys_denied("FICLONE"))
		return -1;
	return ioctl(fd[1], _IOW(0x94, 9, int) /* FICLONE */, fd[0]);
}

/* changes may go to it if it can lie below */
static int
overlay_store(const char *arg)
{
	int store = open_store();

	(void)arg;
	return sys_access(store, ".", W_OK) < 0 ? -1 : lay_overlay(fmt("/proc/self/fd/%d", store));
}

static int
map_store(const char *arg)
{
	int users = make_users(arg), store = open_store();
	int tree = sys_open_tree(store, "", CLONE_TREE | AT_EMPTY_PATH | O_CLOEXEC);

	return users < 0 ? UNTRIED : tree < 0 ? fail(ENOSYS) : sys_mount_idmap(tree, users, false);
}

static int
has_subvolumes(const char *arg)
{
	int store = open_store();

	(void)arg;
	return store < 0 ? -1 : WITH_BTRFS && streq(place_type(store), "btrfs") ? 0 : fail(EOPNOTSUPP);
}

static struct run *
choose_groups(int unified)
{
	struct plan *p = xalloc(sizeof(*p));
	struct run *r = xalloc(sizeof(*r));

	run_begin(r);
	r->name = "check";
	p->unified = unified;
	cgroup_choose(p, r);
	return r;
}

static int
has_groups(const char *arg)
{
	bool v2 = streq(arg, "cgroup2");
	struct run *r = choose_groups(v2 ? 0 : NO);

	if (r->nshares && cgroup_is_v2(r->share) == v2)
		return 0;
	return errno == EPERM ? -1 : fail(ENODEV);
}

static int
has_controller(const char *v2)
{
	struct run *r = choose_groups(0);
	struct share *s;

	/* the root of all has no such file to look at */
	if (streq(v2, "freezer") && r->nshares && cgroup_is_v2(r->share) && strverscmp(kernel.release, "5.2") >= 0)
		return 0;
	s = cgroup_share(r, v2, v2 + strlen(v2) + 1);
	if (!s)
		return fail(ENODEV);
	snprintf(result->more, sizeof(result->more), cgroup_is_v2(s) ? "cgroup2" : "v1: %s", s->kind);
	return 0;
}

static int
has_policy(const char *arg)
{
	struct run *r = choose_groups(0);
	static struct plan p APART;
	size_t i;

	(void)arg;
	device_look(&p, r);
	for (i = 0; i < r->nshares; i++)
		if (r->device_policy >= 0 || !cgroup_is_v2(&r->share[i]))
			return 0;
	return fail(ENODEV);
}

static int
end_here(void *arg)
{
	(void)arg;
	_exit(0);
}

static int
born_in_group(const char *arg)
{
	bool placed = false;
	int group = sys_mount_private("cgroup2", "");

	(void)arg;
	return group < 0 || sys_fork(0, group, end_here, NULL, &placed) < 0 || placed ? group : fail(ENOSYS);
}

static int
has_filter(const char *arg)
{
	struct sock_filter allow = { BPF_RET | BPF_K, 0, 0, 0x7fff0000 };  /* SECCOMP_RET_ALLOW */
	struct sock_fprog program = { 1, &allow };

	(void)arg;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return sys_seccomp(&program, SECCOMP_SPEC_ALLOW);
}

#if WITH_RUNTIME
static int
has_notify(const char *arg)
{
	(void)arg;
	return sys_seccomp_knows(0x7fc00000 /* SECCOMP_RET_USER_NOTIF */) ? 0 : -1;
}
#endif

static int
has_ambient(const char *arg)
{
	(void)arg;
	return prctl(47 /* PR_CAP_AMBIENT */, 4 /* PR_CAP_AMBIENT_CLEAR_ALL */, 0, 0, 0);
}

static int
has_keyring(const char *arg)
{
	(void)arg;
	return sys_join_session_keyring() < 0 ? -1 : 0;
}

static int
has_pidfd(const char *arg)
{
	int fd = sys_pidfd_open(getpid());

	(void)arg;
	return fd < 0 ? -1 : sys_pidfd_signal(fd, 0);
}

static int
has_events(const char *what)
{
	if (*what == 'e')
		return epoll_create1(EPOLL_CLOEXEC);
	if (*what == 't')
		return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	return sys_denied("inotify_init1") ? -1 : inotify_init1(IN_CLOEXEC);
}

static int
has_sockets(const char *arg)
{
	int pair[2];

	switch (*arg) {
	case 'u': return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
	case 'p': return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	case '6': return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	default: return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	}
}

/* some kinds want a link below and say so: that they can be asked for is enough */
static int
make_link(const char *kind)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct nl_msg m;
	struct nl nl;

	if (nl_open_route(&nl) < 0)
		return -1;
	nl_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	nl_nest(&m, IFLA_LINKINFO);
		nl_str(&m, IFLA_INFO_KIND, kind);
	nl_end(&m);
	return nl_talk(&nl, &m, NULL, NULL) < 0 && (errno == EOPNOTSUPP || errno == EPERM) ? -1 : 0;
}

/* rules of a machine, in a network of our own: m masquerades, p leads a port, o is owned, 6 is for IPv6 */
static int
set_rules(const char *what)
{
	static const struct nft_port port = { .proto = IPPROTO_TCP, .first = 80, .last = 80, .guest = 80 };
	struct nft_rules rules = { .link = "check", .net = { 10 }, .net6 = { 0xfd }, .guest = { 10, 0, 0, 2 } };
	struct nft n = { .nl.fd = -1 };

	rules.prefix = *what == 'p' ? 0 : 8;
	rules.prefix6 = *what == '6' ? 8 : 0;
	rules.port = &port;
	rules.nports = rules.has_guest = *what == 'p';
	if ((sys_denied("nft") || nft_set(&n, "check", &rules) < 0) && (*what == '6' || *what == 'o'))
		return UNTRIED;
	if (!n.ip && !n.ip6)
		return fail(EOPNOTSUPP);
	if (*what == '6' && !n.ip6)
		return fail(EAFNOSUPPORT);
	return *what == 'o' && !n.owned ? OTHERWISE : 0;
}

static int
open_node(const char *path)
{
	return openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC);
}

static int
is_there(const char *path)
{
	return access(path, F_OK);
}

/* which programs of other machines run in any tree: those whose interpreter is open already */
static int
has_formats(const char *arg)
{
	int fd = sys_mount_private("binfmt_misc", "");
	DIR *d = fd < 0 ? NULL : fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	char text[512], *flags;
	size_t n = 0, most = sizeof(result->more);
	struct dirent *e;

	(void)arg;
	if (!d)
		return -1;
	strcpy(result->more, "no flag F");
	while ((e = readdir(d)))
		if (read_at(fd, e->d_name, text, sizeof(text)) > 0 && (flags = strstr(text, "flags: ")) && n < most
		    && memchr(flags, 'F', strcspn(flags, "\n")))
			n += (size_t)snprintf(result->more + n, most - n, "%s%s", n ? "\n" : "", e->d_name);
	return 0;
}

static int
has_locks(const char *arg)
{
	(void)arg;
	/* that somebody has it locked, as who runs it with -x, is as good */
	return flock(openat(AT_FDCWD, "/", O_RDONLY | O_CLOEXEC), LOCK_SH | LOCK_NB) == 0 || errno == EWOULDBLOCK ? 0 : -1;
}

static int
is_seeded(const char *arg)
{
	char c;

	(void)arg;
	return getrandom(&c, 1, GRND_NONBLOCK) == 1 ? 0 : -1;
}

static int
is_set(const char *arg)
{
	enum { YEAR = 31557600 };

	(void)arg;
	return time(NULL) > 10 * YEAR ? 0 : fail(ERANGE);
}

/* ---- the table ---------------------------------------------------------------------------------- */

#define GROUP(name) { name, NULL, 0, 0 }
#define ROW(name, flags, spaces, probe, arg, config, module, since, lost) \
	{ name "\0" config "\0" module "\0" since "\0" lost "\0" arg "\0", probe, spaces, flags }

static const struct feature {
	const char *words;      /* name, option, module, since when, what is lost, and for the probe, else its name */
	int (*probe)(const char *arg);  /* NULL: the name of those that follow */
	int spaces;             /* CLONE_NEW*: the child is born in these */
	int flags;
} features[] = {
GROUP("host"),
ROW("root",              NEEDED,        0,               is_root,        "", "", "", "", ""),
ROW("state-directory",   NEEDED,        0,               writable,       "", "", "", "", ""),
ROW("leaving-the-root",  NEEDED | TMP,  0,               pivot,          "", "", "", "", ""),
ROW("proc-mounted",      NEEDED,        0,               is_there,       "/proc/self",
    "PROC_FS", "", "", "no -U, no overlays, no way out for -n"),
ROW("clock",             0,             0,               is_set,         "",
    "", "", "", "it is before 1980: https and signatures fail"),
ROW("random-seed",       0,             0,               is_seeded,      "",
    "", "", "", "keys and names drawn by chance can be guessed"),
ROW("binfmt-misc",       0,             0,               has_formats,    "",
    "BINFMT_MISC", "binfmt_misc", "4.8", "no trees of foreign architectures"),
ROW("tun",               0,             0,               open_node,      "/dev/net/tun",
    "TUN", "tun", "", "no VPN inside"),
ROW("fuse",              0,             0,               open_node,      "/dev/fuse",
    "FUSE_FS", "fuse", "", "no FUSE inside"),
GROUP("namespaces"),
ROW("mount-namespaces",  NEEDED,        0,               born,           "", "NAMESPACES", "", "", ""),
ROW("pid-namespaces",    NEEDED,        CLONE_NEWPID,    born,           "", "PID_NS", "", "", ""),
ROW("uts-namespaces",    COUNTED,       CLONE_NEWUTS,    born,           "",
    "UTS_NS", "", "", "the host's name is the machine's, too"),
ROW("ipc-namespaces",    COUNTED,       CLONE_NEWIPC,    born,           "",
    "IPC_NS", "", "", "System V IPC and message queues are the host's"),
ROW("net-namespaces",    0,             CLONE_NEWNET,    born,           "",
    "NET_NS", "", "", "no network of its own: -n, zones, ports"),
ROW("cgroup-namespaces", 0,             CLONE_NEWCGROUP, born,           "",
    "CGROUPS", "", "4.6", "/sys/fs/cgroup is empty inside"),
ROW("user-namespaces",   0,             0,               make_users,     "",
    "USER_NS", "", "", "no -U; on an initramfs root inside gets out"),
GROUP("filesystems"),
ROW("proc",              NEEDED | TMP,  CLONE_NEWPID,    mount_it,       "proc", "PROC_FS", "", "", ""),
ROW("sysfs",             TMP,           0,               mount_it,       "sysfs",
    "SYSFS", "", "", "/sys is empty inside"),
ROW("tmpfs",             TMP,           0,               mount_it,       "tmpfs\0mode=755,size=4m,nr_inodes=1k",
    "TMPFS", "", "", "what is in memory has no limit"),
ROW("devpts",            TERMINAL | TMP, 0,              mount_it,       "devpts\0mode=620,gid=5",
    "UNIX98_PTYS", "", "", "machines run with --console=pipe only"),
ROW("devpts-instances",  TMP,           0,               mount_it,       "devpts\0newinstance,mode=620,gid=5",
    "DEVPTS_MULTIPLE_INSTANCES", "", "4.7", "terminals are the host's, for root inside, too"),
ROW("mqueue",            TMP,           CLONE_NEWIPC,    mount_it,       "mqueue",
    "POSIX_MQUEUE", "", "", "no /dev/mqueue"),
ROW("overlay",           TMP,           0,               lay_overlay,    "",
    "OVERLAY_FS", "overlay", "4.0", "-x copies the tree into memory; no --overlay"),
GROUP("store"),
ROW("store-directory",   0,             0,               writable,       "",
    "", "", "", "no images are made, but with --image-root"),
ROW("reflink",           0,             0,               share_data,     "",
    "", "", "4.5", "no clones that share data as reflinks do"),
ROW("subvolumes",        0,             0,               has_subvolumes, "",
    "BTRFS_FS", "btrfs", "", "no snapshots and no set-limit"),
ROW("overlay-clones",    TMP,           0,               overlay_store,  "",
    "OVERLAY_FS", "overlay", "4.0", "clone copies where reflinks are not to be had"),
ROW("idmapped-mounts",   0,             0,               map_store,      "",
    "", "", "5.12", "-U changes owners in the tree; start has no -U"),
GROUP("images"),
ROW("loop",              TMP,           0,               attach_loop,    "",
    "BLK_DEV_LOOP", "loop", "", "no image files, only block devices"),
ROW("squashfs",          TMP,           0,               knows_type,     "",
    "SQUASHFS", "squashfs", "", "no squashfs images"),
ROW("erofs",             TMP,           0,               knows_type,     "",
    "EROFS_FS", "erofs", "5.4", "no erofs images"),
ROW("ext4",              TMP,           0,               knows_type,     "",
    "EXT4_FS", "ext4", "", "no disk images with ext2, ext3, ext4"),
ROW("btrfs",             TMP,           0,               knows_type,     "",
    "BTRFS_FS", "btrfs", "", "no disk images with btrfs, and no pool"),
ROW("xfs",               TMP,           0,               knows_type,     "",
    "XFS_FS", "xfs", "", "no disk images with xfs"),
ROW("vfat",              TMP,           0,               knows_type,     "",
    "VFAT_FS", "vfat", "", "boot partitions are not mounted"),
GROUP("cgroups"),
ROW("cgroup2",           TMP,           0,               has_groups,     "",
    "CGROUPS", "", "4.5", "control groups are those of v1"),
ROW("cgroup1",           TMP,           0,               has_groups,     "",
    "CGROUPS", "", "", "no systemd of before 230 inside"),
ROW("memory",            TMP,           0,               has_controller, "memory\0memory",
    "MEMCG", "", "", "no MemoryMax= and the like"),
ROW("cpu",               TMP,           0,               has_controller, "cpu\0cpu",
    "CGROUP_SCHED", "", "", "no CPUWeight=, CPUQuota="),
ROW("cpuset",            TMP,           0,               has_controller, "cpuset\0cpuset",
    "CPUSETS", "", "", "no AllowedCPUs="),
ROW("pids",              TMP,           0,               has_controller, "pids\0pids",
    "CGROUP_PIDS", "", "4.3", "no TasksMax="),
ROW("io",                TMP,           0,               has_controller, "io\0blkio",
    "BLK_CGROUP", "", "", "no IOWeight= and the like"),
ROW("freezer",           TMP,           0,               has_controller, "freezer\0freezer",
    "CGROUP_FREEZER", "", "", "no freeze"),
ROW("device-policy",     TMP,           0,               has_policy,     "",
    "CGROUP_BPF or CGROUP_DEVICE", "", "", "no device node works but those in /dev"),
ROW("birth-in-cgroup",   EASY | TMP,    0,               born_in_group,  "",
    "CGROUPS", "", "5.7", "nothing: it is moved there"),
GROUP("rights"),
ROW("seccomp",           0,             0,               has_filter,     "",
    "SECCOMP_FILTER", "", "", "a machine may make any system call"),
#if WITH_RUNTIME
ROW("seccomp-notify",    0,             0,               has_notify,     "",
    "SECCOMP_FILTER", "", "5.0", "oci: no SCMP_ACT_NOTIFY"),
ROW("time-namespaces",   0,             0,               is_there,       "/proc/self/ns/time",
    "TIME_NS", "", "5.6", "oci: no namespaces of time"),
#endif
ROW("ambient",           0,             0,               has_ambient,    "", "", "", "4.3", "no --ambient-capability"),
ROW("keyrings",          0,             0,               has_keyring,    "",
    "KEYS", "", "", "nothing: there are no keys to keep apart"),
GROUP("calls"),
ROW("unix-sockets",      NEEDED,        0,               has_sockets,    "u", "UNIX", "unix", "", ""),
ROW("file-locks",        NEEDED,        0,               has_locks,      "", "FILE_LOCKING", "", "", ""),
ROW("open_tree",         0,             0,               has_call,       "",
    "", "", "5.2", "no verb bind; changes of -x end at a reboot"),
ROW("mount_setattr",     EASY,          0,               has_call,       "",
    "", "", "5.12", "nothing: mounts are made read-only one by one"),
ROW("openat2",           EASY,          0,               has_call,       "",
    "", "", "5.6", "nothing: paths are walked by hand"),
ROW("close_range",       EASY,          0,               has_call,       "",
    "", "", "5.9", "nothing: fds are closed one by one"),
ROW("statx",             EASY,          0,               has_call,       "",
    "", "", "4.11", "nothing, but images have no date of birth"),
ROW("pidfd",             EASY,          0,               has_pidfd,      "",
    "", "", "5.3", "nothing: processes are found by /proc"),
ROW("inotify",           EASY,          0,               has_events,     "i",
    "INOTIFY_USER", "", "", "nothing: who waits looks again and again"),
ROW("epoll",             0,             0,               has_events,     "e",
    "EPOLL", "", "", "no verb console, no --port, no relay for names"),
ROW("timerfd",           0,             0,               has_events,     "t",
    "TIMERFD", "", "", "no DHCP for machines, no --port"),
GROUP("network"),
ROW("rtnetlink",         0,             0,               has_sockets,    "r", "NET", "", "", "no links"),
ROW("veth",              0,             CLONE_NEWNET,    make_link,      "",
    "VETH", "veth", "", "no -n, --network-bridge, zones"),
ROW("bridge",            0,             CLONE_NEWNET,    make_link,      "", "BRIDGE", "bridge", "", "no zones"),
ROW("macvlan",           0,             CLONE_NEWNET,    make_link,      "",
    "MACVLAN", "macvlan", "", "no --network-macvlan"),
ROW("ipvlan",            0,             CLONE_NEWNET,    make_link,      "",
    "IPVLAN", "ipvlan", "3.19", "no --network-ipvlan"),
ROW("ipv6",              0,             0,               has_sockets,    "6",
    "IPV6", "ipv6", "", "machines get no addresses of IPv6"),
ROW("packet",            0,             0,               has_sockets,    "p",
    "PACKET", "af_packet", "", "no DHCP for machines"),
ROW("forwarding",        0,             0,               is_there,       "/proc/sys/net/ipv4/ip_forward",
    "PROC_SYSCTL", "", "", "machines reach the host only"),
ROW("masquerade",        0,             CLONE_NEWNET,    set_rules,      "m",
    "NFT_MASQ", "nft_chain_nat, nft_masq", "3.18", "-n and zones get out by iptables only"),
ROW("masquerade6",       0,             CLONE_NEWNET,    set_rules,      "6",
    "NF_TABLES_IPV6", "nft_masq", "5.8", "machines do not get out by IPv6"),
ROW("port-rules",        0,             CLONE_NEWNET,    set_rules,      "p",
    "NFT_NAT, NFT_CT, NFT_FIB_IPV4", "nft_nat, nft_ct, nft_fib_ipv4", "3.18", "--port is relayed, 128 at most"),
ROW("owned-rules",       0,             CLONE_NEWNET,    set_rules,      "o",
    "NF_TABLES", "nf_tables", "5.12", "rules of a killed machine stay for a while"),
};

enum { NAME, OPTION, MODULE, SINCE, LOST, ARGUMENT };

static const char *
word(const struct feature *f, int i)
{
	const char *s = f->words;

	while (i-- > 0)
		s += strlen(s) + 1;
	return s;
}

/* for a run with the terminal that we have, if any: console_open */
static bool
is_needed(const struct feature *f)
{
	return f->flags & NEEDED || (f->flags & COUNTED && result->error == ENOSPC)
	    || (f->flags & TERMINAL && (result->error != ENODEV || (isatty(0) && isatty(1))));
}

static const char *
lost(const struct feature *f, int error)
{
	return f->flags & NEEDED || (f->flags & COUNTED && error == ENOSPC) ? "no machine runs" : word(f, LOST);
}

/* CONFIG_X, module x, and the kernel if it is newer than this release */
static char *
option(const struct feature *f, const char *release)
{
	const char *config = word(f, OPTION), *module = word(f, MODULE), *since = word(f, SINCE);

	if (*config && strverscmp(release, since) >= 0)
		since = "";
	return fmt("%s%s%s%s%s%s", *config ? "CONFIG_" : "", config,
	           !*module ? "" : strchr(module, ',') ? ",\nmodules " : ", module ", module,
	           !*since ? "" : *config ? ", Linux " : "Linux ", since);
}

/* ---- trying ------------------------------------------------------------------------------------------ */

static int
own_mounts(void)
{
	int rc = mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL);

	/* a chroot is no place to mount on: back to the root of all, which entering our own namespace leads to */
	if (rc < 0 && setns(openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), CLONE_NEWNS) == 0)
		rc = mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL);
	return rc;
}

static int
try_here(void *arg)
{
	const struct feature *f = *(const struct feature **)arg;
	const char *what = word(f, ARGUMENT);
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* rooms may have something to say */
	rc = openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC);
	if (rc < 0 || dup2(rc, 2) < 0)
		_exit(1);
	umask(022);
	/*
	 * The host's names stay: what is laid over the root is found by ".." only. Who stands on a root that is covered
	 * can make no users, so others go without
	 */
	if (!(f->flags & TMP) || (own_mounts() == 0
	    && sys_mount_memory("/", 0, "mode=755") >= 0 && chdir("/..") == 0)) {
		result->error = EIO;  /* a room died of it */
		rc = f->probe(*what ? what : f->words);
		result->error = rc == -1 ? errno : rc < 0 ? rc : 0;
	}
	_exit(0);
}

static void
try(const struct feature *f)
{
	struct pollfd end = { -1, POLLIN, 0 };
	int ends[2];
	bool placed;
	pid_t pid;

	enum { PATIENCE = 3000 };

	*result->more = 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		die("make a pipe:");
	result->error = UNTRIED;
	pid = sys_fork(f->spaces && f->probe == born ? f->spaces : f->spaces | CLONE_NEWNS, -1, try_here, &f, &placed);
	if (pid < 0 && f->probe == born)
		result->error = errno;
	else if (pid < 0 && !(f->flags & TMP))
		pid = sys_fork(f->spaces, -1, try_here, &f, &placed);
	close(ends[1]);
	end.fd = ends[0];
	if (pid > 0 && poll(&end, 1, PATIENCE) == 0) {
		kill(pid, SIGKILL);  /* and it may never come to that */
		result->error = UNTRIED;
		strcpy(result->more, "it does not end");
	} else if (pid > 0) {
		waitpid(pid, NULL, 0);
	}
	close(ends[0]);
}

/* ---- telling ------------------------------------------------------------------------------------------ */

static bool
loaded(const char *module)
{
	static char *list;
	char *at;

	if (!list) {
		list = xalloc(1 << 16);
		read_at(AT_FDCWD, "/proc/modules", list, 1 << 16);
	}
	for (at = list; *module && (at = strstr(at, module)); at++)
		if ((at == list || at[-1] == '\n') && at[strlen(module)] == ' ')
			return true;
	return false;
}

/* what is said of one that was tried; false: it is not there */
static bool
tell(const struct ask *a, const struct feature *f, struct cell *c)
{
	static const int usual[] = {
		0, ENOSYS, EINVAL, ENODEV, ENOENT, ENXIO, EOPNOTSUPP, EAFNOSUPPORT, EPROTONOSUPPORT, ENOTTY, ESRCH,
		ERANGE, EAGAIN,
	};
	int e = result->error;
	const char *how = option(f, kernel.release);
	bool untried = e == UNTRIED || ((e == EPERM || e == EACCES) && geteuid() != 0);
	bool there = e == 0, plain = untried || e == OTHERWISE;
	bool by_host = !there && e != ENODEV && e != ENOSYS;  /* it is not the kernel that lacks it */
	size_t i;

	for (i = 0; i < LEN(usual); i++)
		plain |= e == usual[i];
	c[0].text = word(f, NAME);
	c[1].text = there ? "yes" : untried ? "not tried" : e == OTHERWISE || f->flags & EASY ? "old way" : "no";
	c[1].json = table_json(c[1].text);
	if (there && (*result->more || loaded(word(f, MODULE))))
		c[1].text = fmt("yes, %s", *result->more ? result->more : "module");
	if (e == ENOSPC)
		how = "sysctl user.max_*_namespaces";
	else if (!there && !plain)
		how = error_text(e);
	else if (by_host && *result->more)
		how = xstrdup(result->more);
	if (!there || a->all)
		c[2].text = how;
	c[2].json = *word(f, OPTION) ? table_json(fmt("CONFIG_%s", word(f, OPTION))) : "null";
	if (a->all || !(there || (e == OTHERWISE && *result->more)))
		c[3].text = lost(f, e);
	c[3].json = table_json(lost(f, 0));
	c[4].json = *word(f, MODULE) ? table_json(word(f, MODULE)) : "null";
	c[5].json = *word(f, SINCE) ? table_json(word(f, SINCE)) : "null";
	c[6].json = e > 0 ? table_json(error_text(e)) : "null";
	return there || *c[1].text == 'o';
}

/* which of those named, or all: NULL-ended */
static const struct feature **
choose(char **words)
{
	const struct feature **list = xalloc((LEN(features) + 1) * sizeof(*list)), *f, *group = NULL;
	bool *said = xalloc(count(words) + 1), take;
	size_t n = 0, i;

	for (f = features; f < features + LEN(features); f++) {
		take = !*words;
		if (!f->probe)
			group = f;
		for (i = 0; words[i]; i++)
			if (streq(words[i], f->words) || streq(words[i], group->words))
				take = said[i] = true;
		if (take && f->probe)
			list[n++] = f;
	}
	for (i = 0; words[i]; i++)
		if (!said[i])
			die("check %s: no such feature; %s check lists them", words[i], verb_called);
	return list;
}

int
check_check(struct ask *a)
{
	enum { WIDE = 110 };
	struct column columns[] = {
		{ "FEATURE", "feature", false }, { "STATE", "state", false }, { "REASON", "config", false },
		{ "WITHOUT IT", "lost", false }, { "", "module", false }, { "", "since", false },
		{ "", "error", false },
	};
	const struct feature **f = choose(a->words);
	struct cell *cells = xalloc(LEN(features) * LEN(columns) * sizeof(*cells)), *c;
	const char *lacking = NULL, *how;
	bool bad = false, narrow = table_width(a) && table_width(a) < WIDE, there;
	size_t n;

	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (result == MAP_FAILED)
		die("share memory:");
	uname(&kernel);
	if (narrow) {
		columns[2].head = columns[3].head;
		columns[3].head = "";
	}
	for (n = 0; f[n]; n++) {
		try(f[n]);
		c = cells + n * LEN(columns);
		there = tell(a, f[n], c);
		how = c[2].text ? c[2].text : "";
		if (narrow) {
			c[2].text = fmt("%s%s%s%s", c[3].text ? c[3].text : "", c[3].text && c[2].text ? "\n(" : "",
			                c[2].text ? c[2].text : "", c[3].text && c[2].text ? ")" : "");
			c[3].text = NULL;
		}
		if (there || !(*a->words || is_needed(f[n])))
			continue;
		bad = true;
		if (streq(c[1].text, "not tried") && geteuid() != 0)
			continue;
		lacking = fmt("%s%sno %s%s%s%s", lacking ? lacking : "", lacking ? ", " : "", word(f[n], NAME),
		              *how ? " (" : "", how, *how ? ")" : "");
	}
	table_print(a, columns, LEN(columns), cells, n, "features");
	if (!*a->words && ask_output(a) == OUT_TABLE && !a->no_legend)
		print(1, bad ? "A plain run does not work: %s.\n" : "A plain run works.\n", lacking);
	return bad;
}

void
check_manual(void)
{
	const struct feature *f;
	char *how;

	print(1, ".Ss Features of the kernel and the host\n.Bl -tag -width indent\n");
	for (f = features; f < features + LEN(features); f++) {
		if (!f->probe) {
			print(1, ".It Em %s\n", f->words);
			continue;
		}
		how = option(f, "0");
		print(1, ".It %s\n%s%sWithout it: %s.\n", word(f, NAME), how, *how ? ".\n" : "", lost(f, 0));
	}
	print(1, ".El\n");
}
