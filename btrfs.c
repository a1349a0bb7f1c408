/* SPDX-License-Identifier: 0BSD */
/* Subvolumes of btrfs, by libbtrfsutil; what that lacks, quotas, by ioctl */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util.h"

#if WITH_BTRFS

#include <btrfsutil.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>

static bool
is_btrfs(int fd)
{
	enum { MAGIC = 0x9123683e };
	struct statfs fs;

	if (sys_denied("btrfs") || fstatfs(fd, &fs) < 0)
		return false;
	errno = ENOTTY;
	return (uint32_t)fs.f_type == (uint32_t)MAGIC;
}

/* the library has errors of its own, some of them without errno */
static int
said(enum btrfs_util_error error)
{
	if (error == BTRFS_UTIL_ERROR_NOT_BTRFS)
		errno = ENOTTY;
	else if (error == BTRFS_UTIL_ERROR_NOT_SUBVOLUME || (error && !errno))
		errno = EINVAL;
	return error ? -1 : 0;
}

bool
btrfs_is_subvolume(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_ino == BTRFS_FIRST_FREE_OBJECTID && is_btrfs(fd);
}

int
btrfs_create(int dir, const char *name)
{
	return is_btrfs(dir) ? said(btrfs_util_create_subvolume_fd(dir, name, 0, NULL, NULL)) : -1;
}

int
btrfs_snapshot(int from, int dir, const char *name, bool read_only)
{
	int flags = read_only ? BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY : 0;

	if (!is_btrfs(from) || !is_btrfs(dir))
		return -1;
	return said(btrfs_util_create_snapshot_fd2(from, dir, name, flags, NULL, NULL));
}

/* in a subvolume that is read-only nothing can be deleted */
static int
delete_below(int top, char *path)
{
	char *name = strrchr(path, '/');
	int dir, ret;

	if (name)
		*name++ = 0;
	dir = sys_open_in(top, name ? path : ".", O_RDONLY | O_CLOEXEC, IN_DIR);
	if (dir < 0)
		return -1;
	ret = said(btrfs_util_delete_subvolume_fd(dir, name ? name : path, 0));
	return ret < 0 ? drop(dir) : (close(dir), 0);
}

static int
delete_all_below(int top)
{
	struct btrfs_util_subvolume_iterator *all;
	enum btrfs_util_error error;
	char *path;
	int ret;

	if (btrfs_get_read_only(top) == 1)
		btrfs_set_read_only(top, false);
	ret = said(btrfs_util_create_subvolume_iterator_fd(top, 0, BTRFS_UTIL_SUBVOLUME_ITERATOR_POST_ORDER, &all));
	if (ret < 0)
		return -1;
	while (ret == 0 && (error = btrfs_util_subvolume_iterator_next(all, &path, NULL)) != BTRFS_UTIL_ERROR_STOP_ITERATION) {
		ret = said(error);
		if (ret == 0) {
			ret = delete_below(top, path);
			free(path);
		}
	}
	btrfs_util_destroy_subvolume_iterator(all);
	return ret;
}

/* the library's own way to those below follows links, which whoever wrote the tree may have put there */
int
btrfs_delete(int dir, const char *name)
{
	int fd = is_btrfs(dir) ? sys_open_dir(dir, name) : -1, ret;

	if (fd < 0)
		return -1;
	if (!btrfs_is_subvolume(fd)) {
		errno = EINVAL;
		return drop(fd);
	}
	ret = said(btrfs_util_delete_subvolume_fd(dir, name, 0));
	if (ret < 0 && errno == ENOTEMPTY) {
		ret = delete_all_below(fd);
		if (ret == 0)
			ret = said(btrfs_util_delete_subvolume_fd(dir, name, 0));
	}
	drop(fd);
	return ret;
}

int
btrfs_get_read_only(int fd)
{
	bool on;

	if (!is_btrfs(fd) || said(btrfs_util_get_subvolume_read_only_fd(fd, &on)) < 0)
		return -1;
	return on;
}

int
btrfs_set_read_only(int fd, bool on)
{
	return is_btrfs(fd) ? said(btrfs_util_set_subvolume_read_only_fd(fd, on)) : -1;
}

/* ---- quotas ------------------------------------------------------------------ */

/* an item of the quota tree for a subvolume, as it is on disk: so many words of 64 bits */
static int
quota_item(int fd, uint64_t id, uint32_t type, uint64_t *words, size_t n)
{
	struct btrfs_ioctl_search_args a = { .key = {
		.tree_id = BTRFS_QUOTA_TREE_OBJECTID, .min_type = type, .max_type = type,
		.min_offset = id, .max_offset = id, .max_transid = UINT64_MAX, .nr_items = 1,
	} };
	struct btrfs_ioctl_search_header h;
	size_t i;

	if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &a) < 0)
		return -1;
	memcpy(&h, a.buf, sizeof(h));
	if (a.key.nr_items == 0 || h.len < n * sizeof(*words)) {
		errno = ENOENT;
		return -1;
	}
	memcpy(words, a.buf + sizeof(h), n * sizeof(*words));
	for (i = 0; i < n; i++)
		words[i] = le64toh(words[i]);
	return 0;
}

int
btrfs_usage(int fd, uint64_t *used, uint64_t *limit, uint64_t *exclusive, uint64_t *exclusive_limit)
{
	uint64_t id, info[5], most[3];

	*used = *limit = *exclusive = *exclusive_limit = UINT64_MAX;
	if (!is_btrfs(fd) || said(btrfs_util_subvolume_id_fd(fd, &id)) < 0)
		return -1;
	if (quota_item(fd, id, BTRFS_QGROUP_INFO_KEY, info, LEN(info)) < 0)
		return -1;
	*used = info[1];
	*exclusive = info[3];
	if (quota_item(fd, id, BTRFS_QGROUP_LIMIT_KEY, most, LEN(most)) == 0) {
		if (most[0] & BTRFS_QGROUP_LIMIT_MAX_RFER)
			*limit = most[1];
		if (most[0] & BTRFS_QGROUP_LIMIT_MAX_EXCL)
			*exclusive_limit = most[2];
	}
	return 0;
}

/* UINT64_MAX is what the kernel, too, takes for none */
int
btrfs_set_limit(int fd, uint64_t limit)
{
	struct btrfs_ioctl_quota_ctl_args on = { .cmd = BTRFS_QUOTA_CTL_ENABLE };
	struct btrfs_ioctl_qgroup_limit_args a = { .lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = limit } };
	uint64_t id, info[5];

	if (!is_btrfs(fd) || said(btrfs_util_subvolume_id_fd(fd, &id)) < 0)
		return -1;
	a.qgroupid = id;
	if (quota_item(fd, id, BTRFS_QGROUP_INFO_KEY, info, LEN(info)) < 0) {
		if (limit == UINT64_MAX)
			return 0;
		if (ioctl(fd, BTRFS_IOC_QUOTA_CTL, &on) < 0)
			return -1;
		ioctl(fd, BTRFS_IOC_QUOTA_RESCAN_WAIT);
	}
	return ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &a);
}

#else

static int
none(void)
{
	errno = ENOSYS;
	return -1;
}

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
	return none();
}

int
btrfs_snapshot(int from, int dir, const char *name, bool read_only)
{
	(void)from;
	(void)read_only;
	return btrfs_create(dir, name);
}

int
btrfs_delete(int dir, const char *name)
{
	return btrfs_create(dir, name);
}

int
btrfs_get_read_only(int fd)
{
	(void)fd;
	return none();
}

int
btrfs_set_read_only(int fd, bool on)
{
	(void)on;
	return btrfs_get_read_only(fd);
}

int
btrfs_usage(int fd, uint64_t *used, uint64_t *limit, uint64_t *exclusive, uint64_t *exclusive_limit)
{
	*used = *limit = *exclusive = *exclusive_limit = UINT64_MAX;
	return btrfs_get_read_only(fd);
}

int
btrfs_set_limit(int fd, uint64_t limit)
{
	(void)limit;
	return btrfs_get_read_only(fd);
}

#endif
