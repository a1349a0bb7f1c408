/* deny WHAT[=ERRNO][,WHAT...] -- COMMAND... : runs COMMAND with system calls
 * that fail as on a kernel that lacks them (ENOSYS), or with namespaces that
 * fail as when they are not built in (EINVAL). WHAT is a call's name or
 * userns, pidns, netns, ipcns, utsns, cgroupns, timens, seccomp; packet, inet6,
 * unix, netlink (sockets: EAFNOSUPPORT); time32 (the calls of 32 bits for time); 'new'
 * for all calls since Linux 4.9, 'old' for all calls and flags since 3.10; fs:TYPE, a file
 * system that the kernel does not have (ENODEV), and fs:TYPE:OPTION, an option of one
 * (EINVAL); it takes Linux 5.5. See README.md. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <poll.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#ifdef __mips__
#define N(n) (4000 + (n))
#else
#define N(n) (n)
#endif
/* The low half of one of a call's arguments */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ARG(n) ((unsigned)offsetof(struct seccomp_data, args[0]) + 8 * (n) + 4)
#else
#define ARG(n) ((unsigned)offsetof(struct seccomp_data, args[0]) + 8 * (n))
#endif
enum { MASK = 1, EQUAL };

static const struct { const char *name; long nr; int fresh; } calls[] = {
	{ "pidfd_send_signal", N(424), 1 }, { "open_tree", N(428), 1 },
	{ "move_mount", N(429), 1 }, { "fsopen", N(430), 1 },
	{ "fsconfig", N(431), 1 }, { "fsmount", N(432), 1 }, { "fspick", N(433), 1 },
	{ "pidfd_open", N(434), 1 }, { "clone3", N(435), 1 },
	{ "close_range", N(436), 1 }, { "openat2", N(437), 1 },
	{ "pidfd_getfd", N(438), 1 }, { "faccessat2", N(439), 1 },
	{ "mount_setattr", N(442), 1 }, { "landlock_create_ruleset", N(444), 1 },
	{ "statx", SYS_statx, 1 }, { "copy_file_range", SYS_copy_file_range, 0 },
	{ "memfd_create", SYS_memfd_create, 0 }, { "getrandom", SYS_getrandom, 0 },
	{ "bpf", SYS_bpf, 0 }, { "setns", SYS_setns, 0 }, { "pivot_root", SYS_pivot_root, 0 },
	{ "keyctl", SYS_keyctl, 0 }, { "name_to_handle_at", SYS_name_to_handle_at, 0 },
	{ "mknodat", SYS_mknodat, 0 }, { "mount", SYS_mount, 0 }, { "chroot", SYS_chroot, 0 },
	{ "sethostname", SYS_sethostname, 0 },
#ifdef SYS_renameat
	{ "renameat2", SYS_renameat2, 0 },
#endif
	{ "flock", SYS_flock, 0 }, { "futex", SYS_futex, 0 }, { "epoll_create1", SYS_epoll_create1, 0 },
	{ "timerfd_create", SYS_timerfd_create, 0 }, { "signalfd4", SYS_signalfd4, 0 },
	{ "eventfd2", SYS_eventfd2, 0 }, { "inotify_init1", SYS_inotify_init1, 0 },
};
/* What came between 3.11 and 5.0; from 403 on all is newer */
static const long young[] = {
#ifdef SYS_renameat
	SYS_renameat2,
#endif
	SYS_sched_setattr, SYS_sched_getattr, SYS_seccomp, SYS_getrandom, SYS_memfd_create, SYS_bpf,
	SYS_execveat, SYS_userfaultfd, SYS_membarrier, SYS_mlock2, SYS_copy_file_range, SYS_preadv2, SYS_pwritev2,
	SYS_pkey_mprotect, SYS_pkey_alloc, SYS_pkey_free, SYS_statx, SYS_io_pgetevents, SYS_rseq,
};
/* And what older calls have learned since: what an argument is, or has among its bits */
static const struct { long nr; unsigned arg; int how; unsigned value; int error; } learned[] = {
	{ SYS_unshare, 0, MASK, CLONE_NEWCGROUP, EINVAL }, { SYS_unshare, 0, MASK, CLONE_NEWTIME, EINVAL },
	{ SYS_clone, 0, MASK, CLONE_NEWCGROUP, EINVAL }, { SYS_openat, 2, MASK, 020000000, EISDIR },  /* O_TMPFILE */
#ifndef SYS_renameat
	{ SYS_renameat2, 4, MASK, 7, EINVAL },  /* riscv has no other: an old one is this without flags */
#endif
	{ SYS_prctl, 0, EQUAL, PR_CAP_AMBIENT, EINVAL }, { SYS_prctl, 0, EQUAL, 50, EINVAL },
	{ SYS_ioctl, 1, EQUAL, 0x4c0a, EINVAL },     /* LOOP_CONFIGURE */
	{ SYS_ioctl, 1, EQUAL, _IO('T', 0x41), ENOTTY },  /* TIOCGPTPEER */
	{ SYS_ioctl, 1, EQUAL, _IO(0xb7, 1), ENOTTY }, { SYS_ioctl, 1, EQUAL, _IO(0xb7, 2), ENOTTY },
	{ SYS_ioctl, 1, EQUAL, _IO(0xb7, 3), ENOTTY }, { SYS_ioctl, 1, EQUAL, _IO(0xb7, 4), ENOTTY },
#ifdef SYS_fcntl64
	{ SYS_fcntl64, 1, EQUAL, 37, EINVAL }, { SYS_fcntl64, 1, EQUAL, 38, EINVAL },
#else
	{ SYS_fcntl, 1, EQUAL, 37, EINVAL }, { SYS_fcntl, 1, EQUAL, 38, EINVAL },  /* F_OFD_SETLK, F_OFD_SETLKW */
#endif
};
static const struct { const char *name; unsigned family; } sockets[] = {
	{ "packet", AF_PACKET }, { "inet6", AF_INET6 }, { "unix", AF_UNIX }, { "netlink", AF_NETLINK },
};
/* What a kernel of 32 bits has not without CONFIG_COMPAT_32BIT_TIME */
static const long time32[] = {
#if defined SYS_ppoll_time64 && defined SYS_timerfd_settime32
	SYS_ppoll, SYS_pselect6, SYS_futex, SYS_utimensat, SYS_rt_sigtimedwait, SYS_recvmmsg, SYS_nanosleep,
	SYS_clock_gettime32, SYS_clock_nanosleep_time32, SYS_gettimeofday_time32, SYS_timerfd_gettime32, SYS_timerfd_settime32,
#endif
	-1
};
static const struct { const char *name; unsigned flag; } spaces[] = {
	{ "userns", CLONE_NEWUSER }, { "pidns", CLONE_NEWPID }, { "netns", CLONE_NEWNET },
	{ "ipcns", CLONE_NEWIPC }, { "utsns", CLONE_NEWUTS }, { "cgroupns", CLONE_NEWCGROUP },
	{ "timens", CLONE_NEWTIME },
};
static const struct { const char *name; int value; } errnos[] = {
	{ "ENOSYS", ENOSYS }, { "EPERM", EPERM }, { "EINVAL", EINVAL }, { "ENOSPC", ENOSPC },
	{ "EACCES", EACCES }, { "ENODEV", ENODEV }, { "ENOMEM", ENOMEM }, { "EOPNOTSUPP", EOPNOTSUPP },
};

static struct sock_filter f[2048];
static unsigned n;
static const char *types[16];
static size_t ntypes;

static void op(unsigned short code, unsigned k, unsigned char t, unsigned char e)
{
	f[n++] = (struct sock_filter)BPF_JUMP(code, k, t, e);
}

/* The call number is in the accumulator before and after */
static void deny(long nr, unsigned arg, int how, unsigned value, int error)
{
	if (!how) {
		op(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1);
		op(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error, 0, 0);
		return;
	}
	op(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 4);
	op(BPF_LD | BPF_W | BPF_ABS, ARG(arg), 0, 0);
	op(BPF_JMP | (how == MASK ? BPF_JSET : BPF_JEQ) | BPF_K, value, 0, 1);
	op(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error, 0, 0);
	op(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

static int add(const char *what, int error)
{
	int found = 0;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!strcmp(what, calls[i].name) || (calls[i].fresh && !strcmp(what, "new"))) {
			deny(calls[i].nr, 0, 0, 0, error ? error : ENOSYS);
			found = 1;
		}
	for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
		if (!strcmp(what, spaces[i].name)) {
			deny(SYS_unshare, 0, MASK, spaces[i].flag, error ? error : EINVAL);
			deny(SYS_clone, 0, MASK, spaces[i].flag, error ? error : EINVAL);
			/* Its flags are in memory, out of a filter's sight */
			deny(N(435), 0, 0, 0, ENOSYS);
			found = 1;
		}
	for (size_t i = 0; !strcmp(what, "time32") && time32[i] >= 0; i++) {
		deny(time32[i], 0, 0, 0, error ? error : ENOSYS);
		found = 1;
	}
#ifndef SYS_renameat
	if (!strcmp(what, "renameat2")) {
		deny(SYS_renameat2, 4, MASK, 7, error ? error : EINVAL);
		found = 1;
	}
#endif
	if (!strcmp(what, "seccomp")) {
		deny(SYS_seccomp, 0, 0, 0, error ? error : ENOSYS);
		deny(SYS_prctl, 0, EQUAL, PR_SET_SECCOMP, error ? error : EINVAL);
		deny(SYS_prctl, 0, EQUAL, PR_GET_SECCOMP, error ? error : EINVAL);
		found = 1;
	}
	for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++)
		if (!strcmp(what, sockets[i].name)) {
			deny(SYS_socket, 0, EQUAL, sockets[i].family, error ? error : EAFNOSUPPORT);
			deny(SYS_socketpair, 0, EQUAL, sockets[i].family, error ? error : EAFNOSUPPORT);
			found = 1;
		}
	if (!strcmp(what, "old")) {
		op(BPF_JMP | BPF_JGE | BPF_K, N(403), 0, 1);
		op(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
		for (size_t i = 0; i < sizeof young / sizeof *young; i++)
			deny(young[i], 0, 0, 0, ENOSYS);
		for (size_t i = 0; i < sizeof learned / sizeof *learned; i++)
			deny(learned[i].nr, learned[i].arg, learned[i].how, learned[i].value, learned[i].error);
		found = 1;
	}
	if (!strncmp(what, "fs:", 3) && ntypes < sizeof types / sizeof *types) {
		if (ntypes == 0) {
			deny(N(430), 0, 0, 0, ENOSYS);
			op(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 0, 1);
			op(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
		}
		types[ntypes++] = what + 3;
		found = 1;
	}
	return found;
}

/* Answers for the kernel whether it has a file system, until all that might ask have gone: with the fds of who asks, which it learns of */
static void answer(int from)
{
	int fd;
	struct pollfd wait = { -1, POLLIN, 0 };
	struct seccomp_notif ask;
	struct seccomp_notif_resp say;
	char path[32], type[32], data[256];
	const char *option;
	int mem;

	if (read(from, &fd, sizeof fd) != sizeof fd || unshare(CLONE_FILES) < 0)
		return;
	for (int i = 0; i < 3; i++)
		close(i);
	for (wait.fd = fd; (poll(&wait, 1, -1) < 0 && errno == EINTR) || !(wait.revents & POLLHUP);) {
		if (!(wait.revents & POLLIN))
			continue;
		memset(&ask, 0, sizeof ask);
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &ask) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			return;
		}
		memset(&say, 0, sizeof say);
		say.id = ask.id;
		say.flags = 1;  /* SECCOMP_USER_NOTIF_FLAG_CONTINUE */
		memset(type, 0, sizeof type);
		snprintf(path, sizeof path, "/proc/%u/mem", ask.pid);
		mem = open(path, O_RDONLY | O_CLOEXEC);
		if (mem >= 0 && ask.data.args[2] && pread(mem, type, sizeof type - 1, (off_t)ask.data.args[2]) > 0
		    && !(ask.data.args[3] & (0x20 | 0x1000 | 0x2000)))  /* MS_REMOUNT, _BIND, _MOVE */
			for (size_t i = 0; i < ntypes; i++) {
				option = strchr(types[i], ':');
				if (strncmp(type, types[i], strlen(type)) || !strchr(":", types[i][strlen(type)]))
					continue;
				memset(data, 0, sizeof data);
				if (option && (!ask.data.args[4] || pread(mem, data, sizeof data - 1, (off_t)ask.data.args[4]) <= 0
				               || !strstr(data, option + 1)))
					continue;
				say.flags = 0;
				say.error = option ? -EINVAL : -ENODEV;
			}
		if (mem >= 0)
			close(mem);
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &say);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4 || strcmp(argv[2], "--")) {
		fputs("usage: deny WHAT[=ERRNO][,WHAT...] -- COMMAND...\n", stderr);
		return 125;
	}
	op(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	for (char *w = strtok(argv[1], ","); w; w = strtok(NULL, ",")) {
		char *e = strchr(w, '=');
		int error = 0;
		if (e)
			*e++ = '\0';
		for (size_t i = 0; e && i < sizeof errnos / sizeof *errnos; i++)
			if (!strcmp(e, errnos[i].name))
				error = errnos[i].value;
		if ((e && !error) || !add(w, error)) {
			fprintf(stderr, "deny: no %s\n", e && !error ? e : w);
			return 125;
		}
	}
	op(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	struct sock_fprog p = { (unsigned short)n, f };
	if (ntypes) {
		int fd, wire[2], status;

		/* Who answers is nobody's child, and free of the filter */
		if (pipe2(wire, O_CLOEXEC) < 0 || (status = (int)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0)) < 0) {
			perror("deny: answer");
			return 125;
		}
		if (status == 0) {
			if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0) {
				setsid();
				answer(wire[0]);
			}
			_exit(0);
		}
		waitpid(status, &status, 0);
		fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &p);
		if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || write(wire[1], &fd, sizeof fd) != sizeof fd) {
			perror("deny: seccomp");
			return 125;
		}
		execvp(argv[3], argv + 3);
		perror(argv[3]);
		return 127;
	}
	/* As root no_new_privs is not needed, and would be one more difference */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) < 0 &&
		(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) < 0)) {
		perror("deny: seccomp");
		return 125;
	}
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 127;
}
