/* SPDX-License-Identifier: 0BSD */
/* What is in a disk image */
#include <errno.h>
#include <stdlib.h>

#include "util.h"

int
disk_table(int fd, uint64_t size, struct partition *p, size_t most, size_t *n, const char **why)
{
	(void)fd;
	(void)size;
	(void)p;
	(void)most;
	(void)n;
	(void)why;
	return -1;
}

const char *
disk_fs(int fd, uint64_t offset, uint64_t size)
{
	(void)fd;
	(void)offset;
	(void)size;
	return NULL;
}

int
disk_loop(int fd, uint64_t offset, uint64_t size, bool read_only, char **path)
{
	(void)fd;
	(void)offset;
	(void)size;
	(void)read_only;
	(void)path;
	return -1;
}
