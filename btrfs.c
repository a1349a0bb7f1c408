/* SPDX-License-Identifier: 0BSD */
/* Subvolumes of btrfs, by libbtrfsutil */
#include <errno.h>
#include <stdlib.h>

#include "util.h"

bool
btrfs_is_subvolume(int fd)
{
	(void)fd;
	return false;
}

int
btrfs_create(int dir, const char *name)
{
	(void)dir;
	(void)name;
	return -1;
}

int
btrfs_snapshot(int from, int dir, const char *name, bool read_only)
{
	(void)from;
	(void)dir;
	(void)name;
	(void)read_only;
	return -1;
}

int
btrfs_delete(int dir, const char *name)
{
	(void)dir;
	(void)name;
	return -1;
}

int
btrfs_get_read_only(int fd)
{
	(void)fd;
	return -1;
}

int
btrfs_set_read_only(int fd, bool on)
{
	(void)fd;
	(void)on;
	return -1;
}

int
btrfs_usage(int fd, uint64_t *used, uint64_t *limit, uint64_t *exclusive, uint64_t *exclusive_limit)
{
	(void)fd;
	(void)used;
	(void)limit;
	(void)exclusive;
	(void)exclusive_limit;
	return -1;
}

int
btrfs_set_limit(int fd, uint64_t limit)
{
	(void)fd;
	(void)limit;
	return -1;
}
