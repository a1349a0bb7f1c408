/* SPDX-License-Identifier: 0BSD */
/* the one program of a tree that has nothing else: says who it is, ends with its first word; "leave": its first thread ends, another stays */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
stay(void *arg)
{
	for (;;)
		pause();
	return arg != NULL;
}

int
main(int argc, char **argv)
{
	static char stack[1 << 14] __attribute__((aligned(16)));

	printf("pid %d uid %d\n", (int)getpid(), (int)getuid());
	fflush(stdout);
	if (argc > 1 && strcmp(argv[1], "leave") == 0
	    && clone(stay, stack + sizeof(stack), CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL) > 0)
		syscall(SYS_exit, 0);
	return argc > 1 ? atoi(argv[1]) : 0;
}
