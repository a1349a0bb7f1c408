/* SPDX-License-Identifier: 0BSD */
/*
 * calls [ABI/]CALL[,ARG]... : makes each call in a process of its own and prints "WORD RESULT": the name of
 * the error, "ok", or "dead". CALL is a name of calls.h or a number. ABI: x86_64 has i386 (int 0x80) and
 * x32, too. An ARG is a number, or text after @; missing ones are -1, which no call takes for anything.
 * calls loop N : so many getppid(2)
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { na = 0xffff, BUF = 4096 };
enum { NATIVE, X32, I386 };
#if defined(__x86_64__)
#define PICK(x86_64, x32, i386, ...) { x86_64, x32, i386 }
#elif defined(__i386__)
#define PICK(x86_64, x32, i386, ...) { i386, na, na }
#elif defined(__arm__)
#define PICK(x86_64, x32, i386, arm64, arm, ...) { arm, na, na }
#elif defined(__mips__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, ...) { o32, na, na }
#elif defined(__powerpc__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ...) { ppc, na, na }
#else
#define PICK(x86_64, x32, i386, arm64, ...) { arm64, na, na }
#endif
#define CALL(name, set, ...) { #name, PICK(__VA_ARGS__, 0) },
static const struct { const char *name; uint16_t nr[3]; } calls[] = {
#include "calls.h"
};

static const struct { const char *name; int number; } errors[] = {
	{ "EPERM", EPERM }, { "ENOSYS", ENOSYS }, { "EINVAL", EINVAL }, { "EBADF", EBADF }, { "EFAULT", EFAULT },
	{ "EAFNOSUPPORT", EAFNOSUPPORT }, { "ENOENT", ENOENT }, { "ESRCH", ESRCH }, { "EPROTONOSUPPORT", EPROTONOSUPPORT },
};

static int
call(int abi, long nr, const long *a)
{
	long r;

#if defined(__x86_64__)
	if (abi == I386) {
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
		                 : "memory", "r8", "r9", "r10", "r11");
		return r < 0 && r > -4096 ? (int)-r : 0;
	}
	if (abi == X32)
		nr |= 0x40000000;
#else
	(void)abi;
#if defined(__mips__)
	nr += nr < 4000 ? 4000 : 0;
#endif
#endif
	r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	return r < 0 ? errno : 0;
}

static long
find(const char *name, size_t len, int abi)
{
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (strlen(calls[i].name) == len && strncmp(calls[i].name, name, len) == 0) {
			if (calls[i].nr[abi] == na)
				return -1;
			return calls[i].nr[abi] >= 0xf000 ? 0xf0000 + (calls[i].nr[abi] & 0xfff) : calls[i].nr[abi];
		}
	return *name >= '0' && *name <= '9' ? strtol(name, NULL, 0) : -1;
}

static void
try(const char *word, char *buf)
{
	const char *name = word, *p;
	long nr, args[6] = { -1, -1, -1, -1, -1, -1 };
	int abi = NATIVE, status, err;
	size_t i, n, used = 0;
	struct pollfd done = { -1, 0, 0 };
	int ends[2];
	pid_t pid;

	if (strncmp(word, "i386/", 5) == 0 || strncmp(word, "x32/", 4) == 0) {
		abi = *word == 'i' ? I386 : X32;
		name = strchr(word, '/') + 1;
	}
	nr = find(name, strcspn(name, ","), abi);
	p = name + strcspn(name, ",");
	for (i = 0; *p && i < 6; i++, p += n) {
		n = strcspn(++p, ",");
		if (*p != '@') {
			args[i] = (long)strtoll(p, NULL, 0);
			continue;
		}
		args[i] = (long)(intptr_t)memcpy(buf + used, p + 1, n - 1);
		buf[used + n - 1] = 0;
		used += n;
	}
	if (nr < 0) {
		printf("%s none\n", word);
		return;
	}
	fflush(stdout);
	if (pipe(ends) < 0 || (pid = fork()) < 0)
		exit(2);
	if (pid == 0)
		_exit(call(abi, nr, args) & 0xff);
	/* one that waits, waits forever */
	close(ends[1]);
	done.fd = ends[0];
	if (poll(&done, 1, 1000) <= 0)
		kill(pid, SIGKILL);
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	printf("%s ", word);
	err = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].number == err) {
			printf("%s\n", errors[i].name);
			return;
		}
	if (err > 0)
		printf("%d\n", err);
	else
		puts(err ? "dead" : "ok");
}

int
main(int argc, char **argv)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *buf;
	long i;

#ifdef MAP_32BIT
	flags |= MAP_32BIT;
#endif
	if (argc == 3 && strcmp(argv[1], "loop") == 0) {
		for (i = atol(argv[2]); i > 0; i--)
			syscall(SYS_getppid);
		return 0;
	}
	buf = mmap(NULL, BUF, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (buf == MAP_FAILED)
		return 2;
	for (i = 1; i < argc; i++)
		try(argv[i], buf);
	return 0;
}
