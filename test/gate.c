/* SPDX-License-Identifier: 0BSD */
/* gate FILE: hold the gate of something that machines share (share.c) until standard input ends */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#ifndef F_OFD_SETLKW
#define F_OFD_SETLKW 38
#endif

int
main(int argc, char **argv)
{
	struct flock first = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	char c;

	if (fd < 0 || fcntl(fd, F_OFD_SETLKW, &first) < 0) {
		perror("gate");
		return 1;
	}
	puts("held");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
