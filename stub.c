/* SPDX-License-Identifier: 0BSD */
/*
 * PID 1 of -a: it takes what others leave behind, passes signals on, and ends as the payload does. The machine has it for
 * ever, and so it is neither a file of the host nor as large as we are, but one section of ours in a frame of elf(5).
 * Nothing in there may need anything outside of it, of libc neither. It is loaded where it lies in us: some code says
 * where it jumps.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

/*
 * Of each CPU: how stub_main gets what the kernel has put on the stack; what calls the kernel, with the result where the
 * first word was; the registers of the call's number and of four words
 */
#define WITHOUT_SHORT
#if defined __x86_64__
#define BEGIN  "xor %rbp, %rbp\n mov %rsp, %rdi\n and $-16, %rsp\n call stub_main\n"
#define KERNEL "syscall\n mov %%rax, %%rdi"
#define NUMBER "rax"
#define FIRST  "rdi"
#define SECOND "rsi"
#define THIRD  "rdx"
#define FOURTH "r10"
#define LOST   "rcx", "r11"
#elif defined __i386__
#define BEGIN  ".intel_syntax noprefix\n xor ebp, ebp\n mov eax, esp\n and esp, -16\n sub esp, 12\n push eax\n call stub_main\n.att_syntax\n"
#define KERNEL "int $0x80\n mov %%eax, %%ebx"
#define NUMBER "eax"
#define FIRST  "ebx"
#define SECOND "ecx"
#define THIRD  "edx"
#define FOURTH "esi"
#define LOST   "cc"
#elif defined __aarch64__
#define BEGIN  "mov x29, #0\n mov x30, #0\n mov x0, sp\n bl stub_main\n"
#define KERNEL "svc 0"
#define NUMBER "x8"
#define FIRST  "x0"
#define SECOND "x1"
#define THIRD  "x2"
#define FOURTH "x3"
#define LOST   "cc"
#elif defined __arm__
#undef WITHOUT_SHORT
#define WITHOUT_SHORT , target("arm")
#define BEGIN  ".arm\n mov fp, #0\n mov r0, sp\n bic sp, sp, #7\n bl stub_main\n"
#define KERNEL "svc 0"
#define NUMBER "r7"
#define FIRST  "r0"
#define SECOND "r1"
#define THIRD  "r2"
#define FOURTH "r3"
#define LOST   "cc"
#elif defined __riscv
#define BEGIN  "mv a0, sp\n andi sp, sp, -16\n call stub_main\n"
#define KERNEL "ecall"
#define NUMBER "a7"
#define FIRST  "a0"
#define SECOND "a1"
#define THIRD  "a2"
#define FOURTH "a3"
#define LOST   "a4"
#elif defined __mips__ && _MIPS_SIM == _ABIO32
#ifdef __mips16
#undef WITHOUT_SHORT
#define WITHOUT_SHORT , nomips16
#endif
#define BEGIN  ".set push\n.set nomips16\n.set noreorder\n move $4, $sp\n addiu $sp, $sp, -16\n bal stub_main\n nop\n.set pop\n"
#define KERNEL "syscall\n beqz $7, 1f\n subu $2, $0, $2\n1: move $4, $2"
#define NUMBER "$2"
#define FIRST  "$4"
#define SECOND "$5"
#define THIRD  "$6"
#define FOURTH "$7"
#define LOST   "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi", "lo"
#elif defined __powerpc__ && !defined __powerpc64__
#define BEGIN  "mr 3, 1\n clrrwi 1, 1, 4\n li 0, 0\n stwu 0, -16(1)\n bl stub_main\n"
#define KERNEL "sc\n bns+ 1f\n neg 3, 3\n1:"
#define NUMBER "r0"
#define FIRST  "r3"
#define SECOND "r4"
#define THIRD  "r5"
#define FOURTH "r6"
#define LOST   "r7", "r8", "r9", "r10", "r11", "r12", "cr0", "ctr"
#endif

#ifdef KERNEL
#define IN_STUB __attribute__((section("stub_text"), used WITHOUT_SHORT))
#define CALL(n, a, b, c, d) __extension__ ({ \
	register long n_ __asm__(NUMBER) = (n), a_ __asm__(FIRST) = (long)(a), b_ __asm__(SECOND) = (long)(b); \
	register long c_ __asm__(THIRD) = (long)(c), d_ __asm__(FOURTH) = (long)(d); \
	__asm__ volatile(KERNEL : "+r"(n_), "+r"(a_), "+r"(b_), "+r"(c_), "+r"(d_) : : LOST, "memory"); \
	a_; \
})

/* where time has 32 bits in libc's own number of it, there is another call since 5.1, and that may be the only one */
#ifdef SYS_rt_sigtimedwait_time32
#define SIGTIMEDWAIT SYS_rt_sigtimedwait_time32
#else
#define SIGTIMEDWAIT SYS_rt_sigtimedwait
#endif
enum { RT = 34 };  /* SIGRTMIN as guests count; see user.c */

__asm__(".pushsection stub_text, \"ax\"\n.balign 16\n.globl stub_start\n.hidden stub_start\nstub_start:\n" BEGIN
        ".popsection");
#define HIDDEN __attribute__((visibility("hidden")))
extern const char stub_start[] HIDDEN, __start_stub_text[] HIDDEN, __stop_stub_text[] HIDDEN;
extern const ElfW(Ehdr) __ehdr_start HIDDEN;
_Noreturn void stub_main(long *at) IN_STUB;

/* at: argc, and then our words: a name, the payload's PID, the seconds that others have to end. All signals are blocked */
IN_STUB void
stub_main(long *at)
{
	const char *const *argv = (const char *const *)(at + 1), *c;
	volatile unsigned long set[128 / 8 / sizeof(long)];  /* MIPS has as many */
	volatile long words[2], alarm[4];
#ifdef SYS_rt_sigtimedwait_time64
	volatile int64_t wide[2];
#endif
	volatile int status;
	long sig, pid = 0, payload = 0, seconds = 0, how = 0;
	size_t i;

	for (c = argv[1]; *c; c++)
		payload = payload * 10 + *c - '0';
	for (c = argv[2]; *c; c++)
		seconds = seconds * 10 + *c - '0';
	for (i = 0; i < LEN(set); i++)
		set[i] = ~0UL;
	words[0] = alarm[2] = seconds;
	words[1] = alarm[0] = alarm[1] = alarm[3] = 0;
	(void)CALL(SYS_prctl, PR_SET_NAME, argv[0], 0, 0);
	do {
#ifdef SYS_rt_sigtimedwait_time64
		wide[0] = seconds;
		wide[1] = 0;
		sig = CALL(SYS_rt_sigtimedwait_time64, set, 0, how ? wide : NULL, _NSIG / 8);
		if (sig == -ENOSYS)
#endif
			sig = CALL(SIGTIMEDWAIT, set, 0, how ? words : NULL, _NSIG / 8);
		do {
			pid = CALL(SYS_wait4, -1, &status, WNOHANG, 0);
			if (pid == payload && !how)
				(void)CALL(SYS_exit_group, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), 0, 0, 0);
		} while (pid > 0);
		if (how || sig <= 0)
			continue;
		if (sig == SIGINT || sig == RT + 5 || sig == RT + 6 || sig == RT + 15 || sig == RT + 16)
			how = RB_AUTOBOOT;
		else if (sig == RT + 3 || sig == RT + 4 || sig == RT + 13 || sig == RT + 14)
			how = RB_POWER_OFF;
		else if (sig != SIGCHLD && sig != SIGTTIN && sig != SIGTTOU && sig != SIGTSTP && sig != SIGPIPE)
			(void)CALL(SYS_kill, payload, sig, 0, 0);
		if (!how)
			continue;
		(void)CALL(SYS_kill, -1, SIGTERM, 0, 0);
		(void)CALL(SYS_kill, -1, SIGCONT, 0, 0);
		(void)CALL(SYS_kill, -1, SIGHUP, 0, 0);
		/* whoever goes on to leave children behind would have a new time with each, and has one in all */
		(void)CALL(SYS_setitimer, ITIMER_REAL, alarm, 0, 0);
		for (i = 0; i < LEN(set); i++)
			set[i] = i ? 0 : 1UL << (SIGCHLD - 1) | 1UL << (SIGALRM - 1);
	} while (!how || (pid != -ECHILD && sig != -EAGAIN && sig != SIGALRM));
	(void)CALL(SYS_kill, -1, SIGKILL, 0, 0);
	(void)CALL(SYS_reboot, 0xfee1dead, 672274793, how, 0);
	for (;;)
		(void)CALL(SYS_exit_group, 0, 0, 0, 0);
}

int
stub_write(int fd)
{
	enum { LARGEST_PAGE = 1 << 16 };
	struct { ElfW(Ehdr) e; ElfW(Phdr) p[2]; } head = { .e = __ehdr_start };
	const size_t len = (size_t)((uintptr_t)__stop_stub_text - (uintptr_t)__start_stub_text);
	const uintptr_t start = (uintptr_t)__start_stub_text;
	off_t at = (off_t)(start % LARGEST_PAGE);

	if ((size_t)at < sizeof(head))
		at += LARGEST_PAGE;  /* a hole, mostly */
	head.e.e_type = ET_EXEC;
	head.e.e_entry = (uintptr_t)stub_start;
	head.e.e_phoff = sizeof(head.e);
	head.e.e_phnum = LEN(head.p);
	head.e.e_shoff = head.e.e_shnum = head.e.e_shstrndx = 0;
	head.p[0].p_type = PT_LOAD;
	head.p[0].p_flags = PF_R | PF_X;
	head.p[0].p_offset = (uintptr_t)at;
	head.p[0].p_vaddr = head.p[0].p_paddr = start;
	head.p[0].p_filesz = head.p[0].p_memsz = len;
	head.p[0].p_align = LARGEST_PAGE;
	head.p[1].p_type = PT_GNU_STACK;
	head.p[1].p_flags = PF_R | PF_W;
	return pwrite(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head)
	       && pwrite(fd, __start_stub_text, len, at) == (ssize_t)len ? 0 : -1;
}
#else
int
stub_write(int fd)
{
	(void)fd;
	errno = ENOSYS;
	return -1;
}
#endif
