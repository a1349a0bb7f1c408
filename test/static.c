/* SPDX-License-Identifier: 0BSD */
/* the one program of a tree that has nothing else: says who it is, ends with its first word */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	printf("pid %d uid %d\n", (int)getpid(), (int)getuid());
	return argc > 1 ? atoi(argv[1]) : 0;
}
