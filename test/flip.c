/* SPDX-License-Identifier: 0BSD */
/* flip A B STOP : two names change what they mean, as fast as can be, until there is a file STOP */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	enum { EXCHANGE = 2 };  /* RENAME_EXCHANGE of renameat2(2) */
	unsigned long n = 0;

	if (argc != 4)
		return 2;
	while (access(argv[3], F_OK) < 0) {
		int i;

		for (i = 0; i < 100; i++, n++)
			if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], EXCHANGE) < 0) {
				perror("flip");
				return 1;
			}
	}
	printf("%lu\n", n);
	return 0;
}
