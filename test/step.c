/* SPDX-License-Identifier: 0BSD */
/*
 * Something happens to a supervisor, or to its machine, at the Kth system call of theirs:
 *   step HOW K LOG WORD...
 * runs the words and counts the calls of their process and of its children, until each executes a
 * program of the guest. HOW is
 *   kill        the first process is killed
 *   child       its child that is PID 1 of the machine is
 *   a number    the call is not made, and fails with this errno
 * A guest's program, one of another PID namespace, waits until the first process has come to poll for events: so the order of
 * calls is the same each time. With STEP=late in the environment the first such poll ends at once,
 * as if nothing had happened for a while, and the program waits for the second. With STEP=free
 * programs are never kept waiting: a verb has no guests, only filters. With STEP=leave, too, and
 * what goes on when the first process has ended is left alone.
 * We wait until all descendants have ended, and end with the status of the first process as a
 * shell says it, or with 99 if we had to end something that would not end.
 * LOG becomes one line:
 *   end COUNT            there was no Kth call
 *   K CALL WHO [REMARK]  WHO is supervisor, child or other; REMARK is:
 *     nobody             there was no child that could be killed
 *     outlived           the machine went on without its supervisor
 *     hangs              something did not end within half a minute
 * And
 *   step deaf            is a PID 1 that does not die with its supervisor: says "up", and stays
 *   step works           ends with 0 if such stepping works here
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__) && !defined(__ILP32__) && defined(PTRACE_GET_SYSCALL_INFO)

enum { HUNG = 99, PATIENCE = 30, MOST = 64 };
enum { ENTRY = 1 };  /* PTRACE_SYSCALL_INFO_ENTRY */

#define C(name) [SYS_##name] = #name
static const char *const names[] = {
	C(access), C(arch_prctl), C(brk), C(chdir), C(chroot), C(clock_gettime), C(clone), C(clone3), C(close),
	C(close_range), C(dup2), C(execve), C(fchdir), C(exit), C(exit_group), C(fchown), C(fcntl), C(flock), C(fork),
	C(fstat), C(ftruncate), C(getcwd), C(getdents64), C(getpid), C(getrandom), C(getrlimit), C(capget), C(capset), C(ioctl),
	C(keyctl), C(kill), C(lseek), C(madvise), C(mkdir), C(mknod), C(mmap), C(mount), C(mount_setattr), C(mprotect),
	C(move_mount), C(munmap), C(rename), C(newfstatat), C(open), C(open_tree), C(openat), C(openat2), C(pipe2), C(pivot_root),
	C(poll), C(ppoll), C(prctl), C(prlimit64), C(pwrite64), C(read), C(readlink), C(readlinkat), C(reboot), C(recvfrom),
	C(recvmsg), C(rmdir), C(rt_sigaction), C(rt_sigprocmask), C(rt_sigreturn), C(rt_sigtimedwait), C(sched_yield),
	C(sendmsg), C(sendto), C(set_tid_address), C(setgroups), C(sethostname), C(setns), C(setrlimit), C(setsid),
	C(setsockopt), C(socket), C(socketpair), C(bind), C(stat), C(lstat), C(statfs), C(fstatfs), C(symlink), C(umask),
	C(umount2), C(uname), C(unlink), C(unlinkat), C(unshare), C(vfork), C(wait4), C(write), C(writev), C(gettid),
	C(ioprio_set), C(personality), C(sched_setaffinity), C(setresuid), C(setresgid), C(faccessat),
};

static const char *how;
static FILE *report;
static int injected;  /* an errno, or 0 */
static long aim, calls, aimed = -1;
static pid_t supervisor, child, held, failing, known[MOST], frozen[MOST];
static int nknown, nfrozen, status = -1, child_status = -1;
static int started, released, hung, early, skipping, unheld, leave;
static int dying;  /* the supervisor is to die, and nothing moves until it has */
static int over;   /* it has happened, and nothing is traced from here on */
static int free_before;  /* the guest's program ran already */
static char call[32];
static const char *who, *remark = "";

static void
late(int sig)
{
	(void)sig;
}

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "step: %s: %s\n", what, strerror(errno));
	exit(HUNG);
}

static void
forget(pid_t pid)
{
	int i;

	for (i = 0; i < nknown; i++)
		if (known[i] == pid)
			known[i] = known[--nknown];
}

static void
detach(pid_t pid, int sig)
{
	ptrace(PTRACE_DETACH, pid, NULL, (void *)(long)sig);
	if (leave)
		forget(pid);
}

static void
go_on(pid_t pid, int sig)
{
	if (dying && nfrozen < MOST)
		frozen[nfrozen++] = pid;
	else if (over)
		detach(pid, sig);
	else
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
}

static void
release(void)
{
	if (held)
		detach(held, 0);
	held = 0;
	released = 1;
}

static void
is_over(void)
{
	over = 1;
	dying = 0;
	while (nfrozen)
		detach(frozen[--nfrozen], 0);
	release();
}

/* of a call: it is none, or this is what it says */
static void
put_result(pid_t pid, int entry, int error)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return;
	if (entry)
		regs.orig_rax = (unsigned long)-1;
	else
		regs.rax = (unsigned long)-(long)error;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

static void
strike(pid_t pid, unsigned long nr)
{
	aimed = aim;
	who = pid == supervisor ? "supervisor" : pid == child ? "child" : "other";
	if (nr < sizeof(names) / sizeof(names[0]) && names[nr])
		snprintf(call, sizeof(call), "%s", names[nr]);
	else
		snprintf(call, sizeof(call), "call-%lu", nr);
	if (injected) {
		/* these do not come back, or are libc's before there is a main, or fail on no kernel */
		if (nr == SYS_exit || nr == SYS_exit_group || nr == SYS_rt_sigreturn || nr == SYS_arch_prctl
		    || nr == SYS_set_tid_address || nr == SYS_futex || nr == SYS_rt_sigaction || nr == SYS_rt_sigprocmask || nr == SYS_wait4) {
			remark = " nobody";
			is_over();
		} else {
			failing = pid;
			if (nr != SYS_close)  /* which fails after it has closed */
				put_result(pid, 1, 0);
		}
		return;
	}
	if (strcmp(how, "kill") == 0) {
		free_before = released;
		dying = 1;
		kill(supervisor, SIGKILL);
		return;
	}
	if (!child || child_status >= 0)
		remark = " nobody";
	else
		kill(child, SIGKILL);
	is_over();
}

static void
at_call(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) > 0) {
		if (failing == pid && info.op != ENTRY) {
			put_result(pid, 0, injected);
			failing = 0;
			is_over();
		} else if (skipping && pid == supervisor && info.op != ENTRY) {
			put_result(pid, 0, 0);
			skipping = 0;
		} else if (started && !dying && !over && !failing && info.op == ENTRY) {
			if (++calls == aim) {
				strike(pid, info.entry.nr);
			} else if (pid == supervisor && info.entry.nr == SYS_ppoll && early) {
				early = 0;
				skipping = 1;
				put_result(pid, 1, 0);
			} else if (pid == supervisor && info.entry.nr == SYS_ppoll) {
				release();
			}
		}
	}
	if (failing == pid)
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	else
		go_on(pid, 0);
}

/* our own init for -a is not a program of the guest's */
static int
is_ours(pid_t pid)
{
	char path[32], words[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fread(words, 1, sizeof(words) - 1, f) == 0)
		*words = 0;
	fclose(f);
	return strcmp(words, "(sd-stubinit)") == 0;
}

/* of a PID namespace: a helper of the supervisor is none */
static int
is_first(pid_t pid)
{
	char path[32];
	struct stat own, its;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return stat("/proc/self/ns/pid", &own) == 0 && stat(path, &its) == 0 && own.st_ino != its.st_ino;
}

static void
at_exec(pid_t pid)
{
	if (pid == supervisor || dying || over || is_ours(pid)) {
		started = 1;
		go_on(pid, 0);
	} else if (released || failing || unheld || !is_first(pid)) {
		detach(pid, 0);
	} else {
		held = pid;
	}
}

static void
at_stop(pid_t pid, int stop)
{
	int sig = stop >> 8 & 0xff, event = stop >> 16, i;

	for (i = 0; i < nknown && known[i] != pid; i++)
		;
	if (i == nknown && nknown < MOST)
		known[nknown++] = pid;
	if (pid != supervisor && !child && is_first(pid))
		child = pid;
	if (sig == (SIGTRAP | 0x80))
		at_call(pid);
	else if (event == PTRACE_EVENT_EXEC)
		at_exec(pid);
	else
		go_on(pid, event ? 0 : sig);
}

static void
watch(void)
{
	int stop, i, told = 0;  /* those that run on: stop, to be let go */
	pid_t pid;

	alarm(PATIENCE);
	for (;;) {
		pid = waitpid(-1, &stop, __WALL);
		if (pid < 0 && errno == EINTR) {
			hung = 1;
			is_over();
			for (i = 0; i < nknown; i++)
				kill(known[i], SIGKILL);
			alarm(PATIENCE);
		} else if (pid < 0) {
			return;
		} else if (WIFSTOPPED(stop)) {
			at_stop(pid, stop);
		} else {
			if (pid == supervisor) {
				status = stop;
				if (dying)
					is_over();
			}
			if (pid == child)
				child_status = stop;
			forget(pid);
		}
		if (!leave || status < 0)
			continue;
		if (!over)
			is_over();
		for (i = 0; i < nknown && !told; i++)
			ptrace(PTRACE_INTERRUPT, known[i], NULL, NULL);
		told = 1;
		if (nknown == 0)
			return;
	}
}

static void
start(char **words)
{
	static const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK
	                          | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	struct sigaction act = { .sa_handler = late };
	int ready[2];
	char c;

	sigaction(SIGALRM, &act, NULL);
	if (prctl(PR_SET_CHILD_SUBREAPER, !leave, 0, 0, 0) < 0 || pipe(ready) < 0)
		fail("begin");
	supervisor = fork();
	if (supervisor < 0)
		fail("fork");
	if (supervisor == 0) {
		close(ready[1]);
		(void)!read(ready[0], &c, 1);
		close(ready[0]);
		execvp(words[0], words);
		fail(words[0]);
	}
	close(ready[0]);
	if (ptrace(PTRACE_SEIZE, supervisor, NULL, (void *)options) < 0
	    || ptrace(PTRACE_INTERRUPT, supervisor, NULL, NULL) < 0)
		fail("trace");
	close(ready[1]);
}

static int
step(char **argv)
{
	how = argv[1];
	injected = atoi(how);
	aim = atol(argv[2]);
	report = fopen(argv[3], "we");
	if (!report)
		fail(argv[3]);
	early = getenv("STEP") && strcmp(getenv("STEP"), "late") == 0;
	leave = getenv("STEP") && strcmp(getenv("STEP"), "leave") == 0;
	unheld = leave || (getenv("STEP") && strcmp(getenv("STEP"), "free") == 0);
	start(argv + 4);
	watch();
	if (hung)
		remark = " hangs";
	else if (strcmp(how, "kill") == 0 && aimed >= 0 && !free_before && child_status >= 0 && WIFEXITED(child_status)
	         && WEXITSTATUS(child_status) != 1)
		remark = " outlived";
	if (aimed < 0 && !hung)
		fprintf(report, "end %ld\n", calls);
	else
		fprintf(report, "%ld %s %s%s\n", aim, *call ? call : "none", who ? who : "none", remark);
	fclose(report);
	return hung ? HUNG : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
works(void)
{
	char *words[] = { "step", "0", "0", "/dev/null", "/proc/self/exe", NULL };

	return step(words) == 2 && calls > 0 ? 0 : 1;
}

#else

static int
step(char **argv)
{
	fprintf(stderr, "step: cannot do %s here\n", argv[1]);
	return 99;
}

static int
works(void)
{
	return 1;
}

#endif

static _Noreturn void
deaf(void)
{
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	(void)!write(1, "up\n", 3);
	for (;;)
		pause();
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "deaf") == 0)
		deaf();
	if (argc == 2 && strcmp(argv[1], "works") == 0)
		return works();
	if (argc < 5) {
		fprintf(stderr, "usage: step kill|child|ERRNO K LOG WORD...   or step deaf, step works\n");
		return 2;
	}
	return step(argv);
}
