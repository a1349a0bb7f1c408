/* SPDX-License-Identifier: 0BSD */
/* the one program of a tree that has nothing else: says who it is, ends with its first word;
 * "leave": its first thread ends, another stays; "drop FILE": it may not trace any more, the other may, and it makes FILE;
 * "hold FILE...": makes one, kills who comes and does not let go, makes the next */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
stay(void *arg)
{
	for (;;)
		pause();
	return arg != NULL;
}

static void
hold(char **file)
{
	int pid = 1;

	for (; *file; file++) {
		close(open(*file, O_WRONLY | O_CREAT, 0600));
		while (file[1] && (pid == getpid() || ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 || kill(pid, SIGKILL) < 0))
			pid = pid % 999 + 1;
	}
	stay(NULL);
}

int
main(int argc, char **argv)
{
	static char stack[1 << 14] __attribute__((aligned(16)));

	const int thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

	printf("pid %d uid %d\n", (int)getpid(), (int)getuid());
	fflush(stdout);
	if (argc > 1 && strcmp(argv[1], "leave") == 0
	    && clone(stay, stack + sizeof(stack), thread, NULL) > 0)
		syscall(SYS_exit, 0);
	if (argc > 2 && strcmp(argv[1], "drop") == 0 && clone(stay, stack + sizeof(stack), thread, NULL) > 0
	    && prctl(PR_CAPBSET_DROP, 19 /* CAP_SYS_PTRACE */) == 0)
		hold(argv + 2);
	if (argc > 2 && strcmp(argv[1], "hold") == 0)
		hold(argv + 2);
	return argc > 1 ? atoi(argv[1]) : 0;
}
