/* deny WHAT[=ERRNO][,WHAT...] -- COMMAND... : runs COMMAND with system calls
 * that fail as on a kernel that lacks them (ENOSYS), or with namespaces that
 * fail as when they are not built in (EINVAL). WHAT is a call's name or
 * userns, pidns, netns, ipcns, utsns, cgroupns, timens, seccomp, packet (sockets
 * of AF_PACKET: EAFNOSUPPORT), or 'new' for all calls since Linux 4.9. See README.md. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#ifdef __mips__
#define N(n) (4000 + (n))
#else
#define N(n) (n)
#endif
/* The low half of a call's first argument */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ARG0 (offsetof(struct seccomp_data, args[0]) + 4)
#else
#define ARG0 offsetof(struct seccomp_data, args[0])
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
	{ "sethostname", SYS_sethostname, 0 }, { "renameat2", SYS_renameat2, 0 },
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

static struct sock_filter f[1024];
static unsigned n;

static void op(unsigned short code, unsigned k, unsigned char t, unsigned char e)
{
	f[n++] = (struct sock_filter)BPF_JUMP(code, k, t, e);
}

/* The call number is in the accumulator before and after */
static void deny(long nr, int how, unsigned value, int error)
{
	if (!how) {
		op(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1);
		op(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error, 0, 0);
		return;
	}
	op(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 4);
	op(BPF_LD | BPF_W | BPF_ABS, ARG0, 0, 0);
	op(BPF_JMP | (how == MASK ? BPF_JSET : BPF_JEQ) | BPF_K, value, 0, 1);
	op(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error, 0, 0);
	op(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

static int add(const char *what, int error)
{
	int found = 0;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!strcmp(what, calls[i].name) || (calls[i].fresh && !strcmp(what, "new"))) {
			deny(calls[i].nr, 0, 0, error ? error : ENOSYS);
			found = 1;
		}
	for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
		if (!strcmp(what, spaces[i].name)) {
			deny(SYS_unshare, MASK, spaces[i].flag, error ? error : EINVAL);
			deny(SYS_clone, MASK, spaces[i].flag, error ? error : EINVAL);
			/* Its flags are in memory, out of a filter's sight */
			deny(N(435), 0, 0, ENOSYS);
			found = 1;
		}
	if (!strcmp(what, "seccomp")) {
		deny(SYS_seccomp, 0, 0, error ? error : ENOSYS);
		deny(SYS_prctl, EQUAL, PR_SET_SECCOMP, error ? error : EINVAL);
		deny(SYS_prctl, EQUAL, PR_GET_SECCOMP, error ? error : EINVAL);
		found = 1;
	}
	if (!strcmp(what, "packet")) {
		deny(SYS_socket, EQUAL, AF_PACKET, error ? error : EAFNOSUPPORT);
		found = 1;
	}
	return found;
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
