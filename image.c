/* SPDX-License-Identifier: 0BSD */
/* What a machine starts from: finding it, its lock, its name, the tree in it, what that says of itself */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/blkpg.h>
#include <linux/fs.h>
#include <linux/loop.h>

#include "nspawn-lite.h"

#define FDS "/proc/self/fd/"

enum { MOST_PARTITIONS = 128, MOST_LAYERS = 8 };

/* ---- mounted where nobody sees it ------------------------------------------------ */

/*
 * A disk, or layers, are mounted by a process of their own, in a copy of our mounts that lives as long as an fd: kill -9
 * leaves nothing behind, and who builds the machine enters that copy. So it is one way for all kernels.
 */
enum { NOTE_TREE = 'T', NOTE_COPY = 'C', NOTE_SPACE = 'S', NOTE_MAPPED = 'M' };

/* a machine's ids, as a clone in layers is to be seen with them */
struct owners {
	uint32_t base;
	int userns;
	bool mapped;  /* it is */
};

/* all -1 until they are there */
struct attached {
	int tree;     /* its root */
	int copy;     /* a copy of the mount, not attached anywhere (5.2) */
	int mounts;   /* the mount namespace */
	bool mapped;
};

/* the same file, directory or device as i->fd, seen in the mounts that are ours now */
static int
reopen(const struct image *i, int flags)
{
	int fd = openat(AT_FDCWD, i->path, flags | O_NONBLOCK | O_CLOEXEC);
	struct stat now, then;

	if (fd < 0 && errno == EBUSY)
		die("%s is in use already: mounted, or part of something else; say -D and where it is mounted", i->path);
	if (fd < 0)
		die("open %s:", i->path);
	if (fstat(fd, &now) < 0 || fstat(i->fd, &then) < 0 || now.st_dev != then.st_dev || now.st_ino != then.st_ino)
		die("%s has been replaced just now; try again", i->path);
	return fd;
}

/* ---- a disk ------------------------------------------------------------------------ */

struct disk {
	const struct image *image;
	int fd;
	bool write;
	uint64_t size;
	struct partition part[MOST_PARTITIONS];
	size_t n;
};

static const struct filesystem {
	const char *name, *config;
	const char *options;
	const char *unplayed;   /* a journal that may not be played back is left alone */
} filesystems[] = {
	{ "ext4",     "EXT4_FS",    "errors=remount-ro", "noload" },
	{ "ext3",     "EXT4_FS",    "errors=remount-ro", "noload" },
	{ "ext2",     "EXT4_FS",    "errors=remount-ro", NULL },
	{ "xfs",      "XFS_FS",     "nouuid",            "nouuid,norecovery" },
	{ "btrfs",    "BTRFS_FS",   NULL,                "rescue=nologreplay" },
	{ "f2fs",     "F2FS_FS",    NULL,                "norecovery" },
	{ "squashfs", "SQUASHFS",   NULL,                NULL },
	{ "erofs",    "EROFS_FS",   NULL,                NULL },
	{ "iso9660",  "ISO9660_FS", NULL,                NULL },
	{ "vfat",     "VFAT_FS",    "umask=0022",        NULL },
};

/* what stands in the way of a mount, and what to do */
static const struct { const char *name, *advice; } containers[] = {
	{ "crypto_LUKS",       "is encrypted: open it first with cryptsetup, and say -i /dev/mapper/NAME" },
	{ "LVM2_member",       "belongs to LVM: activate it first with vgchange, and say -i /dev/VOLUME-GROUP/NAME" },
	{ "linux_raid_member", "belongs to a RAID: assemble it first with mdadm, and say -i /dev/mdN" },
};

static const struct filesystem *
filesystem(const char *name)
{
	const struct filesystem *f;

	for (f = filesystems; name && f < filesystems + LEN(filesystems); f++)
		if (streq(name, f->name))
			return f;
	return NULL;
}

static char *
part_name(const struct disk *d, const struct partition *part)
{
	return part->number ? fmt("partition %d of %s", part->number, d->image->path) : xstrdup(d->image->path);
}

/* by its number, size and what is in it */
static char *
list_partitions(const struct disk *d)
{
	const struct partition *p;
	const char *fs;
	char *list = NULL;

	for (p = d->part; p < d->part + d->n; p++) {
		fs = disk_fs(d->fd, p->offset, p->size);
		list = fmt("%s%s%d (%s, %s%s%s)", list ? list : "", list ? ", " : "", p->number, table_size(p->size),
		           fs ? fs : "unknown", *p->name ? ", " : "", p->name);
	}
	return list ? list : xstrdup("none");
}

/* the only one of this kind, or NULL; *n of them there are */
static const struct partition *
only(const struct disk *d, int use, bool active, size_t *n)
{
	const struct partition *p, *found = NULL;

	*n = 0;
	for (p = d->part; p < d->part + d->n; p++)
		if (p->use == use && (!active || p->active)) {
			found = p;
			++*n;
		}
	return *n == 1 ? found : NULL;
}

/* what is in the way of mounting this, and what to do, or NULL */
static const char *
advice(const struct disk *d, const char *fs)
{
	size_t i;

	for (i = 0; fs && i < LEN(containers); i++)
		if (streq(fs, containers[i].name))
			return fmt("%s%s", containers[i].advice, d->image->kind == IMAGE_BLOCK ? "" : "; losetup -fP makes disks of files");
	return NULL;
}

static const struct partition *
choose_root(const struct disk *d, const char *number)
{
	const struct partition *p, *other;
	const char *why;
	size_t n;

	for (p = d->part; number && p < d->part + d->n; p++)
		if (streq(number, fmt("%d", p->number)))
			return p;
	if (number)
		die("%s has no partition %s; it has: %s", d->image->path, number, list_partitions(d));
	p = only(d, PART_ROOT, false, &n);
	if (!p && !n)
		p = only(d, PART_LINUX, true, &n);
	if (!p && !n)
		p = only(d, PART_LINUX, false, &n);
	for (other = d->part; !n && other < d->part + d->n; other++)
		if ((why = advice(d, disk_fs(d->fd, other->offset, other->size))))
			die("%s %s", part_name(d, other), why);
	if (!p)
		die("%s: %s; say --partition=N with one of: %s", d->image->path,
		    n ? "more than one partition could be the root" : "no partition looks like a root for this machine", list_partitions(d));
	return p;
}

/* where the kernel knows that partition of a block device itself, its node */
static char *
kernel_partition(const struct disk *d, const struct partition *part)
{
	char real[PATH_MAX], start[32];
	const char *sys;
	struct stat st;
	char *node;

	if (d->image->kind != IMAGE_BLOCK || !realpath(d->image->path, real))
		return NULL;
	if (!part->number)
		return xstrdup(real);
	node = fmt("%s%s%d", real, real[strlen(real) - 1] >= '0' && real[strlen(real) - 1] <= '9' ? "p" : "", part->number);
	if (stat(node, &st) < 0 || !S_ISBLK(st.st_mode))
		return NULL;
	sys = fmt("/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (read_at(AT_FDCWD, fmt("%s/start", sys), start, sizeof(start)) <= 0 || strtoull(start, NULL, 10) != part->offset / 512)
		return NULL;
	if (read_at(AT_FDCWD, fmt("%s/size", sys), start, sizeof(start)) <= 0 || strtoull(start, NULL, 10) != part->size / 512)
		return NULL;
	return node;
}

static _Noreturn void
die_unmounted(const struct disk *d, const struct partition *part, const struct filesystem *f)
{
	char *what = part_name(d, part);

	if (errno == ENODEV)
		die("mount %s: the kernel has no %s (CONFIG_%s, module %s)", what, f->name, f->config, f->name);
	if (errno == EPERM)
		die("mount %s: it takes the rights of the host's root, outside of any machine with users of its own", what);
	if (errno == EBUSY)
		die("%s is in use already: mounted, or part of something else; say -D and where it is mounted", what);
	if (errno == EACCES)
		die("mount %s: it is write-protected; say --read-only", what);
	if (errno == EEXIST)
		die("mount %s: the kernel takes it for another with the same UUID that is mounted already", what);
	if (errno == EIO || errno == EINVAL || errno == EUCLEAN)
		die("mount %s: its %s is damaged, or has what this kernel does not know (dmesg says more)", what, f->name);
	die("mount %s, %s:", what, f->name);
}

/* of what a loop device says of itself */
static bool
loop_says(const char *name, const char *what, const char *value)
{
	char text[PATH_MAX];

	if (read_at(AT_FDCWD, fmt("/sys/block/%s/%s", name, what), text, sizeof(text)) <= 0)
		return false;
	text[strcspn(text, "\n")] = 0;
	return streq(text, value);
}

/* the name of a loop device of this file: any, or one that shows this part of it and that nobody writes to; or NULL */
static char *
find_loop(const struct disk *d, const struct partition *part)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *e;
	char *found = NULL;

	while (!found && dir && (e = readdir(dir)))
		if (after(e->d_name, "loop") && loop_says(e->d_name, "loop/backing_file", d->image->path)
		    && (!part || (loop_says(e->d_name, "ro", "1")
		                  && loop_says(e->d_name, "loop/offset", fmt("%llu", (unsigned long long)part->offset))
		                  && loop_says(e->d_name, "loop/sizelimit", fmt("%llu", (unsigned long long)part->size)))))
			found = xstrdup(e->d_name);
	if (dir)
		closedir(dir);
	return found;
}

/*
 * Two that write to one file by loop devices of their own destroy it. Who was killed may need a moment until its device
 * has gone
 */
static void
find_others(const struct disk *d)
{
	enum { TRIES = 30, MS = 100 };
	char *user = find_loop(d, NULL);
	int tries;

	for (tries = 0; user && tries < TRIES; tries++) {
		poll(NULL, 0, MS);
		user = find_loop(d, NULL);
	}
	if (user)
		die("%s is in use already, by /dev/%s; say -x or --read-only, or detach that with losetup -d", d->image->path, user);
}

/* one after the other, so that the second finds what the first has made; no matter if that cannot be */
static int
take_turns(const struct disk *d)
{
	enum { TRIES = 100, MS = 10 };
	int fd = d->write ? -1 : openat(AT_FDCWD, "/dev/loop-control", O_RDONLY | O_CLOEXEC), tries;

	for (tries = 0; fd >= 0 && tries < TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; tries++)
		poll(NULL, 0, MS);
	return fd;
}

/* many that only read share one device, and so what the kernel keeps in memory of it; -1: there is none to share */
static int
share_loop(const struct disk *d, const struct partition *part, char **path)
{
	char *name = d->write || d->image->kind == IMAGE_BLOCK ? NULL : find_loop(d, part);
	struct loop_info64 info;
	struct stat st;
	int fd;

	if (!name)
		return -1;
	*path = fmt("/dev/%s", name);
	fd = openat(AT_FDCWD, *path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	/* the name may be of another file, or of none any more: from here on it stays what it is */
	if (fd >= 0 && fstat(d->fd, &st) == 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == st.st_ino
	    && info.lo_offset == part->offset && info.lo_flags & LO_FLAGS_READ_ONLY)
		return fd;
	*path = NULL;
	return drop(fd);
}

static _Noreturn void
die_unknown(const struct disk *d, const struct partition *part, const char *name)
{
	uint8_t head[1088];
	ssize_t n = name || part->number ? 0 : pread(d->fd, head, sizeof(head), 0);
	const char *what = n > 0 ? disk_alien(head, (size_t)n, IS_DISK) : NULL;

	if (what || !d->size)
		die("%s is %s", d->image->path, what ? what : "empty");
	die("%s holds no file system that we mount, but %s", part_name(d, part), name ? name : "something unknown");
}

static _Noreturn void
die_unattached(const char *what)
{
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		die("attach %s: the kernel has no loop devices (CONFIG_BLK_DEV_LOOP, module loop)", what);
	die("attach %s to a loop device:", what);
}

static bool
is_tree(int dir, const char *path)
{
	static const char *const has[] = { "etc", "usr" };
	size_t i;
	int fd;

	for (i = 0; i < LEN(has); i++) {
		fd = sys_open_in(dir, fmt("%s/%s", path, has[i]), O_PATH, IN_DIR);
		drop(fd);
		if (fd >= 0)
			return true;
	}
	return false;
}

/* where the default is no tree, but the top of all: as Debian, Fedora and Arch call what they install into */
static void
enter_subvolume(const struct disk *d, const struct partition *part, const char *source, const char *at, unsigned long flags,
    const char *options)
{
	static const char names[][8] = { "@", "root", "@rootfs" };
	int top = openat(AT_FDCWD, at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t i = is_tree(top, ".") ? LEN(names) : 0;

	while (i < LEN(names) && !is_tree(top, names[i]))
		i++;
	drop(top);
	if (i == LEN(names))
		return;
	warn("the root in %s is its subvolume %s", part_name(d, part), names[i]);
	options = fmt("subvol=%s%s%s", names[i], options ? "," : "", options ? options : "");
	if (umount2(at, 0) < 0 || mount(source, at, "btrfs", flags, options) < 0)
		die("mount subvolume %s of %s:", names[i], part_name(d, part));
}

/* false: it is not mounted, for a reason that was told; only where it need not be */
static bool
mount_part(const struct disk *d, const struct partition *part, const char *at, unsigned long flags, bool must)
{
	const char *name = disk_fs(d->fd, part->offset, part->size), *options;
	const struct filesystem *f = filesystem(name);
	const char *why = advice(d, name);
	char *source;
	int loop = -1, gate, done;

	if (why && must)
		die("%s %s", part_name(d, part), why);
	if (!f && !must) {
		warn("%s is not mounted: it %s", part_name(d, part),
		     why ? why : fmt("holds no file system that we mount, but %s", name ? name : "something unknown"));
		return false;
	}
	if (!f)
		die_unknown(d, part, name);
	if (!d->write || part->read_only)
		flags |= MS_RDONLY;
	gate = take_turns(d);
	source = kernel_partition(d, part);
	if (!source)
		loop = share_loop(d, part, &source);
	if (!source)
		loop = disk_loop(d->fd, part->offset, part->size, !d->write, &source);
	if (!source || (loop < 0 && d->image->kind != IMAGE_BLOCK))
		die_unattached(part_name(d, part));
	drop(gate);
	options = f->options;
	done = mount(source, at, f->name, flags, options);
	if (done < 0 && errno == ENODEV && streq(f->config, "EXT4_FS"))
		done = mount(source, at, (f = filesystem("ext4"))->name, flags, options);
	if (done < 0 && f->unplayed && flags & MS_RDONLY && (errno == EROFS || errno == EIO || errno == EACCES)) {
		done = mount(source, at, f->name, flags, options = f->unplayed);
		if (done == 0)
			warn("%s was not unmounted cleanly: it is seen as it is, without what its journal still holds", part_name(d, part));
	}
	if (done < 0 && !must && (errno == ENODEV || flags & MS_NOEXEC)) {
		warn(errno == ENODEV ? "%s is not mounted: the kernel has no %s" : "%s is not mounted as %s:", part_name(d, part), f->name);
		drop(loop);
		return false;
	}
	if (done < 0)
		die_unmounted(d, part, f);
	if (must && streq(f->name, "btrfs"))
		enter_subvolume(d, part, source, at, flags, options);
	drop(loop);
	return true;
}

/* a directory of the tree to mount on: nothing is in it; -1: none. The tree is hostile: no link leads out of it */
static int
empty_directory(int tree, const char *path)
{
	int fd = sys_open_in(tree, path, O_RDONLY, IN_DIR), again = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	struct dirent *e;
	bool empty = dir;

	while (dir && (e = readdir(dir)))
		empty &= streq(e->d_name, ".") || streq(e->d_name, "..");
	if (dir)
		closedir(dir);
	else
		drop(again);
	if (empty)
		return fd;
	drop(fd);
	return -1;
}

enum { FSTAB_MOST = 8192 };

static void
read_fstab(int tree, char text[FSTAB_MOST])
{
	int fd = sys_open_in(tree, "etc/fstab", O_RDONLY, IN_REGULAR);

	memset(text, 0, FSTAB_MOST);
	if (fd < 0 || read_all(fd, text, FSTAB_MOST - 1) < 0)
		*text = 0;
	drop(fd);
}

/* the next device of a tree's fstab, where it says that is mounted, and what stands behind that; NULL: no more */
static char *
next_of_fstab(char **rest, char **where, char **more)
{
	char *line;

	while ((line = next_line(rest))) {
		line += strspn(line, " \t");
		*where = line + strcspn(line, " \t");
		if (**where)
			*(*where)++ = 0;
		*where += strspn(*where, " \t");
		*more = *where + strcspn(*where, " \t");
		if (**more)
			*(*more)++ = 0;
		if (*line != '#' && (strchr(line, '=') || after(line, "/dev/")))
			return line;
	}
	return NULL;
}

/* the tree's own /boot is of another kind: it is no place for an EFI partition */
static bool
has_boot(int tree)
{
	char text[FSTAB_MOST], *rest = text, *where, *more;

	read_fstab(tree, text);
	while (next_of_fstab(&rest, &where, &more))
		if (streq(where, "/boot") && !strstr(more, "fat"))
			return true;
	return false;
}

/* what the types say belongs below the root: Discoverable Partitions Specification */
static void
mount_others(const struct disk *d, const struct partition *root, int tree)
{
	enum { DATA = MS_NODEV, BOOT = MS_NODEV | MS_NOSUID | MS_NOEXEC };
	static const struct { int use; unsigned long flags; const char *path[3]; } places[] = {
		{ PART_USR, DATA, { "usr" } }, { PART_HOME, DATA | MS_NOSUID, { "home" } }, { PART_SRV, DATA | MS_NOSUID, { "srv" } },
		{ PART_VAR, DATA, { "var" } }, { PART_TMP, DATA | MS_NOSUID, { "var/tmp" } },
		{ PART_XBOOTLDR, BOOT, { "boot" } }, { PART_ESP, BOOT, { "efi", "boot/efi", "boot" } },
	};
	const struct partition *p;
	size_t i, j;
	int at;

	for (i = 0; i < LEN(places); i++) {
		for (p = d->part; p < d->part + d->n && (p->use != places[i].use || p == root); p++)
			;
		if (p == d->part + d->n)
			continue;
		if (places[i].flags == BOOT) {
			for (at = -1, j = 0; at < 0 && j < LEN(places[i].path) && places[i].path[j]; j++)
				at = j == 2 && has_boot(tree) ? -1 : empty_directory(tree, places[i].path[j]);
			if (at < 0)
				continue;
		} else {
			at = sys_open_in(tree, *places[i].path, O_PATH, IN_DIR);
			if (at < 0 && d->write)
				at = place_make(tree, *places[i].path, S_IFDIR, NULL);
			if (at < 0) {
				warn("%s is not mounted: there is no directory /%s for it", part_name(d, p), *places[i].path);
				continue;
			}
		}
		mount_part(d, p, fmt(FDS "%d", at), places[i].flags, false);
		close(at);
	}
}

/* the file becomes a disk of the kernel's, for as long as anything of it is mounted */
static void
make_device(struct disk *d)
{
	struct image *i = xalloc(sizeof(*i));
	int fd;

	*i = *d->image;
	i->kind = IMAGE_BLOCK;
	fd = disk_loop(d->fd, 0, UINT64_MAX, !d->write, &i->path);
	if (fd < 0)
		die_unattached(d->image->path);
	warn("%s is %s in there", d->image->path, i->path);
	close(d->fd);
	d->fd = fd;
	d->image = i;
}

/* those that it has not found by itself: its own eyes for tables may not be built in */
static void
add_partitions(const struct disk *d)
{
	const struct partition *p;

	for (p = d->part; p < d->part + d->n; p++) {
		struct blkpg_partition part = { .start = (long long)p->offset, .length = (long long)p->size, .pno = p->number };
		struct blkpg_ioctl_arg arg = { BLKPG_ADD_PARTITION, 0, sizeof(part), &part };

		ioctl(d->fd, BLKPG, &arg);
	}
}

static void
mount_disk(const struct image *i, const char *partition, bool write, const char *at)
{
	struct disk *d = xalloc(sizeof(*d));
	const struct partition *root;
	const char *why = NULL;
	struct stat st;
	int tree;

	if (!WITH_DISK)
		die("%s: this build runs no disk images (WITH_DISK)", i->path);
	d->image = i;
	/* of a device that something else has we would make two: O_EXCL asks the kernel */
	d->fd = reopen(i, (write ? O_RDWR : O_RDONLY) | (write && i->kind == IMAGE_BLOCK ? O_EXCL : 0));
	d->write = write;
	if (fstat(d->fd, &st) < 0)
		die("look at %s:", i->path);
	if (write && i->kind != IMAGE_BLOCK)
		find_others(d);
	d->size = (uint64_t)st.st_size;
	if (i->kind == IMAGE_BLOCK && ioctl(d->fd, BLKGETSIZE64, &d->size) < 0)
		die("ask for the size of %s:", i->path);
	if (disk_table(d->fd, d->size, d->part, LEN(d->part), &d->n, &why) < 0)
		die("%s: %s", i->path, why);
	if (why)
		warn("%s: %s", i->path, why);
	if (d->n == 0) {
		if (partition)
			die("--partition=%s: %s has no partitions", partition, i->path);
		d->part[0] = (struct partition){ .size = d->size };
		root = d->part;
	} else {
		root = choose_root(d, partition);
	}
	if (i->whole && i->kind != IMAGE_BLOCK)
		make_device(d);
	if (i->whole)
		add_partitions(d);
	if (write && i->kind == IMAGE_BLOCK) {  /* that was the question: the mount asks again, and would find us */
		close(d->fd);
		d->fd = reopen(i, O_RDWR);
	}
	mount_part(d, root, at, 0, true);
	tree = openat(AT_FDCWD, at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		die("open the tree in %s:", i->path);
	mount_others(d, root, tree);
	if (d->n > 1 && !partition && !is_tree(tree, "."))
		warn("%s has neither /etc nor /usr; --partition=N takes another of: %s", part_name(d, root), list_partitions(d));
	close(tree);
	close(d->fd);
}

/* ---- layers -------------------------------------------------------------------------- */

static void mount_image(const struct image *i, const char *partition, bool write, const char *at, struct owners *o);

/* what an overlay clone lies on; its lock is kept by an fd that is never closed */
static struct image *
base_of(const struct image *i)
{
	struct image *base = xalloc(sizeof(*base));
	char *path = store_base(i);

	if (!path)
		die("%s is no overlay clone: its file \"lower\" does not say what it lies on", i->path);
	if (!store_at(path, base))
		die("%s lies on %s, which is not there", i->path, path);
	return base;
}

/* a directory as it is with the ids of a user namespace, mounted at a place that is made; -1 with errno */
static int
show_mapped(int dir, const char *at, int userns)
{
	int tree = sys_open_tree(dir, "", CLONE_TREE | AT_EMPTY_PATH | O_CLOEXEC);

	if (tree < 0)
		return -1;
	if (sys_mount_idmap(tree, userns, false) < 0 || mkdir(at, 0755) < 0
	    || sys_move_mount(tree, "", AT_FDCWD, at, FROM_FD) < 0)
		return drop(tree);
	return tree;
}

/*
 * By fds: their names may hold what overlay takes for the end of one. A kernel may be made to tie the upper one to the
 * lower one that it saw first (4.13), and to keep data of a file in the layer below that one (4.19): what one such writes
 * others could not read
 */
static int
lay_layers(const int *lower, size_t n, int here, bool write, const char *at)
{
	static const char *const known[] = { ",index=off,metacopy=off", ",index=off", "" };
	char lowers[LAYERS_MOST * sizeof(":" FDS "1234567890")] = "", *options;
	size_t i, len = 0;

	/* through no link: it would be the host's that is written to */
	int upper = openat(here, "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), ret = -1;
	int work = write ? openat(here, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;

	for (i = 0; i < n; i++)
		len += (size_t)snprintf(lowers + len, sizeof(lowers) - len, ":" FDS "%d", lower[i]);
	if (write)
		options = fmt("lowerdir=%s,upperdir=" FDS "%d,workdir=" FDS "%d", lowers + 1, upper, work);
	else
		options = fmt("lowerdir=" FDS "%d%s", upper, lowers);
	for (i = 0; ret < 0 && upper >= 0 && (!write || work >= 0) && i < LEN(known) && (i == 0 || errno == EINVAL); i++)
		ret = mount("overlay", at, "overlay", write ? 0 : MS_RDONLY, fmt("%s%s", options, known[i]));
	drop(upper);
	drop(work);
	return ret;
}

/*
 * All layers as they are with the ids of the machine: Linux 5.19. Whoever mounts them must be one of its users, with the
 * host's rights: what the overlay does itself it does as that one
 */
static bool
lay_mapped(const int *lower, size_t n, int here, bool write, const char *at, const struct owners *o)
{
	enum { NO_SETUID_FIXUP = 1 << 2 };  /* SECBIT_NO_SETUID_FIXUP: capabilities(7) */
	int mapped[LAYERS_MOST];
	bool done;
	size_t i;

	here = show_mapped(here, fmt("%s.um", at), o->userns);
	for (i = 0; i < n && here >= 0 && (mapped[i] = show_mapped(lower[i], fmt("%s.lm%zu", at, i), o->userns)) >= 0; i++)
		;
	if (i < n || prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP) < 0)
		return false;
	setfsgid(o->base);
	setfsuid(o->base);
	done = lay_layers(mapped, n, here, write, at) == 0;
	setfsuid(0);
	setfsgid(0);
	return done && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0;
}

/* what it lies on; the number of fds */
static size_t
open_lower(const struct image *i, const char *at, int lower[LAYERS_MOST])
{
	char *below = fmt("%s.l", at);
	size_t n;

	for (n = 0; i->layers && i->layers[n]; n++) {
		lower[n] = sys_open_dir(AT_FDCWD, i->layers[n]);
		if (lower[n] < 0)
			die("open %s, which %s lies on:", i->layers[n], i->path);
	}
	if (n)
		return n;
	if (i->base->kind <= IMAGE_SUBVOLUME) {
		*lower = reopen(i->base, O_RDONLY | O_DIRECTORY);
		return 1;
	}
	if (mkdir(below, 0755) < 0)
		die("make %s:", below);
	mount_image(i->base, NULL, false, below, NULL);
	*lower = openat(AT_FDCWD, below, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*lower < 0)
		die("open the tree in %s:", i->base->path);
	return 1;
}

/* upper/ holds what was changed, work/ is for the kernel */
static void
mount_layers(const struct image *i, bool write, const char *at, struct owners *o)
{
	int here = reopen(i, O_RDONLY | O_DIRECTORY), lower[LAYERS_MOST];
	size_t n = open_lower(i, at, lower);

	if (o)
		o->mapped = lay_mapped(lower, n, here, write, at, o);
	if ((!o || !o->mapped) && lay_layers(lower, n, here, write, at) < 0) {
		if (errno == ENODEV)
			die("mount %s: the kernel has no overlays (CONFIG_OVERLAY_FS, module overlay)", i->path);
		if (errno == EINVAL || errno == ESTALE)
			die("mount %s: the file system of it, or of %s, cannot be part of an overlay; or that was changed since", i->path,
			    i->base ? i->base->path : *i->layers);
		die("mount %s over %s:", i->path, i->base ? i->base->path : *i->layers);
	}
	while (n > 0)
		close(lower[--n]);
	close(here);
}

static void
mount_image(const struct image *i, const char *partition, bool write, const char *at, struct owners *o)
{
	int fd;

	if (i->kind == IMAGE_OVERLAY) {
		if (!WITH_IMAGES)
			die("%s: this build runs no clones in layers (WITH_IMAGES)", i->path);
		mount_layers(i, write, at, o);
	} else if (i->kind <= IMAGE_SUBVOLUME) {
		fd = reopen(i, O_RDONLY | O_DIRECTORY);
		if (mount(fmt(FDS "%d", fd), at, NULL, MS_BIND | MS_REC, NULL) < 0)
			die("bind %s:", i->path);
		close(fd);
	} else {
		mount_disk(i, partition, write, at);
	}
}

static void
send_fd(char note, int fd)
{
	if (fd < 0 || sys_send(wirefd, (char[]){ note, 0 }, 2, fd) != 2)
		die("hand the image over:");
	close(fd);
}

static _Noreturn void
attach_and_exit(const struct image *i, const char *partition, bool write, bool copy, struct owners *o)
{
	const char *stage = run_state_dir(), *at = fmt("%s/i", stage);
	int tree, fd;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || unshare(CLONE_NEWNS) < 0
	    || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		die("make mounts of our own for %s:", i->path);
	if (access(stage, F_OK) < 0) {
		close(run_open_state(fmt("%s/.image", stage)));
		unlink(fmt("%s/.image", stage));
	}
	if (sys_mount_memory(stage, MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700,size=64k") < 0 || mkdir(at, 0755) < 0)
		die("make a place to mount %s on:", i->path);
	mount_image(i, partition, write, at, o);
	tree = openat(AT_FDCWD, at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		die("open the tree in %s:", i->path);
	if (o && o->mapped && sys_send(wirefd, (char[]){ NOTE_MAPPED, 0 }, 2, -1) != 2)
		die("tell whose the image is:");
	fd = copy ? sys_open_tree(tree, "", CLONE_TREE | RECURSIVE | AT_EMPTY_PATH | O_CLOEXEC) : -1;
	if (fd >= 0)
		send_fd(NOTE_COPY, fd);
	send_fd(NOTE_SPACE, openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
	send_fd(NOTE_TREE, tree);
	_exit(0);
}

static struct attached
attach(const struct image *i, const char *partition, bool write, bool copy, struct owners *o)
{
	struct attached a = { -1, -1, -1, false };
	char text[NOTE_MAX];
	int wire[2], fd, status = 0;
	ssize_t n;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wire) < 0 || (pid = fork()) < 0)
		die("fork:");
	if (pid == 0) {
		close(wire[0]);
		wirefd = wire[1];
		attach_and_exit(i, partition, write, copy, o);
	}
	close(wire[1]);
	while ((n = sys_recv(wire[0], text, sizeof(text) - 1, &fd, NULL)) > 1 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		text[n] = 0;
		if (*text == NOTE_DEATH) {
			waitpid(pid, NULL, 0);  /* it holds the lock, too */
			die("%s", text + 2);
		} else if (*text == NOTE_WARN) {
			warn("%s", text + 2);
		} else if (*text == NOTE_SAY) {
			say("%s", text + 2);
		} else if (*text == NOTE_MAPPED) {
			a.mapped = true;
		} else {
			*(*text == NOTE_TREE ? &a.tree : *text == NOTE_COPY ? &a.copy : &a.mounts) = fd;
		}
	}
	close(wire[0]);
	if (n < 0)
		die("listen to who mounts %s:", i->path);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (a.tree < 0)
		die("who mounted %s was killed by signal %d", i->path, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	return a;
}

/* all that lies below it, open and locked: nobody writes to it meanwhile */
static void
take_bases(struct image *i, bool lock, int depth)
{
	if (i->kind != IMAGE_OVERLAY)
		return;
	if (depth == MOST_LAYERS)
		die("%s lies on itself, or on more than %d others", i->path, MOST_LAYERS);
	i->layers = store_layers(i);  /* nobody writes to those, and they stay as long as it is there */
	if (i->layers && count(i->layers) > LAYERS_MOST)
		die("%s lies on more than %d layers", i->path, LAYERS_MOST);
	if (i->layers)
		return;
	i->base = base_of(i);
	if (lock)
		store_lock(i->base, false);
	else
		i->base->fd = openat(AT_FDCWD, i->base->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (i->base->fd < 0)
		die("open %s:", i->base->path);
	take_bases(i->base, lock, depth + 1);
}

int
image_open_tree(const struct image *from, bool write)
{
	struct image i = *from;
	int fd;

	if (i.kind <= IMAGE_SUBVOLUME) {
		fd = i.fd >= 0 ? openat(i.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
		               : openat(AT_FDCWD, i.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			die("open %s:", i.path);
		return fd;
	}
	if (i.fd < 0)
		i.fd = openat(AT_FDCWD, i.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (i.fd < 0)
		die("open %s:", i.path);
	take_bases(&i, true, 0);
	/* the namespace stays open: before 5.2 all that is mounted in the tree lives by it */
	return attach(&i, NULL, write && !i.read_only, false, NULL).tree;
}

int
image_open_layer(const struct image *i, int *mounts)
{
	struct attached a = attach(i, NULL, true, false, NULL);

	*mounts = a.mounts;
	return a.tree;
}

/* ---- which one -------------------------------------------------------------------------- */

char *
image_search(const struct plan *p, const char *name)
{
	struct image i;

	return store_find(p->image_root, name, &i) ? i.path : NULL;
}

static void
take_lock(const struct plan *p, struct run *r, int fd, bool shared)
{
	/* of a supervisor that ends, or was killed, the name is free a moment before its tree is */
	enum { TRIES = 10, TRIES_MOST = 50, MS = 20 };
	int tries = r->started ? TRIES_MOST : TRIES;

	if (p->lock == NO)
		return;
	while (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK) {
			say("%s cannot be locked, going on: %s", r->root, strerror(errno));
			return;
		}
		if (tries-- == 0)
			die("Directory tree %s is currently busy.", r->root);
		poll(NULL, 0, MS);
	}
}

static void
take_name(const struct plan *p, struct run *r)
{
	char *before = r->name;  /* in another life */
	uint64_t random;

	r->name = p->machine ? p->machine : store_derive_name(r->root);
	if (!r->name)
		die("%s gives no valid name for a machine; say one with -M", r->root);
	if (p->ephemeral && !p->machine && before) {
		r->name = before;
	} else if (p->ephemeral && !p->machine) {
		random_bytes(&random, sizeof(random));
		r->name = fmt("%.47s", r->name);
		while (strchr(".-", r->name[strlen(r->name) - 1]))
			r->name[strlen(r->name) - 1] = 0;
		r->name = fmt("%s-%016llx", r->name, (unsigned long long)random);
	}
	r->hostname = p->hostname ? p->hostname : r->name;
	r->container = p->container_service ? p->container_service : "systemd-nspawn";
}

/* --template: make the tree, if it is not there */
static void
populate(const struct plan *p, const char *path)
{
	struct making m = { 0 };
	struct image from;
	const char *slash;
	char *dir, *where;
	struct stat st;
	int tree;

	if (lstat(path, &st) == 0) {
		if (!p->quiet)
			print(2, "%sDirectory %s already exists, not populating from template %s.\n", speaker, path, p->template);
		return;
	}
	if (!store_at(p->template, &from))
		die("Failed to open template %s:", p->template);
	store_lock(&from, false);
	slash = strrchr(path, '/');
	dir = slash ? fmt("%.*s", slash == path ? 1 : (int)(slash - path), path) : xstrdup(".");
	store_make(&m, dir, slash ? slash + 1 : path, IMAGE_DIRECTORY, false);
	if (from.kind <= IMAGE_SUBVOLUME) {
		store_clone(&from, &m, STORE_NO_OVERLAY);
	} else {
		tree = image_open_tree(&from, false);
		if (copy_tree(tree, m.fd, 0, &where) < 0)
			die("copy %s of template %s:", where, p->template);
		close(tree);
	}
	store_commit(&m, STORE_NEW, false, true);
	drop(from.fd);
	if (!p->quiet)
		print(2, "%sPopulated %s from template %s.\n", speaker, path, p->template);
}

/* where it is, and what it is, as far as that is asked of a name */
static const char *
choose_path(const struct plan *p, struct image *i)
{
	const char *path = p->image ? p->image : p->directory;

	if (!path && p->template && p->ephemeral)
		return p->template;
	if (WITH_IMAGES && p->template) {
		path = path ? store_dir(path) : fmt("%s/%s", store_dir(p->image_root), p->machine);
		populate(p, path);
	}
	if (!path && p->machine) {
		if (!store_find(p->image_root, p->machine, i))
			die("No image for machine '%s'%s.", p->machine, store_called(p->image_root, p->machine));
		path = i->path;
	}
	return path ? path : ".";
}

/* one that is not a tree itself: mounted where nobody sees it */
static void
take_mounted(const struct plan *p, struct run *r, struct image *i, bool shared)
{
	struct attached a;

	if (!WITH_IMAGES && !WITH_DISK)
		die("%s: this build runs trees only (WITH_DISK, WITH_IMAGES)", i->path);
	if (WITH_IMAGES)
		take_bases(i, p->lock != NO, 0);
	a = attach(i, p->partition, !shared, p->private_users, NULL);
	r->image = i->fd;
	r->tree = a.tree;
	r->tree_mount = a.copy;
	r->image_mounts = a.mounts;
	if (i->kind == IMAGE_OVERLAY) {
		r->layers = xalloc(sizeof(*r->layers));
		*r->layers = *i;
		r->layers->read_only = shared;
	}
}

void
image_map(const struct plan *p, struct run *r)
{
	static const char why[] = "layers with other owners take Linux 5.19, and file systems that can be idmapped";
	char *map = fmt("0 %u %u\n", (unsigned int)r->id_base, (unsigned int)r->id_count);
	struct owners o = { r->id_base, -1, false };
	struct attached a;

	if (!r->layers || !r->userns || r->ownership == OWNERSHIP_OFF || r->ownership == OWNERSHIP_CHOWN)
		return;
	o.userns = sys_userns(map, map);
	if (o.userns >= 0) {
		/* there must not be two of it */
		drop(r->tree);
		drop(r->tree_mount);
		drop(r->image_mounts);
		a = attach(r->layers, NULL, !r->layers->read_only, false, &o);
		close(o.userns);
		r->tree = a.tree;
		r->tree_mount = -1;
		r->image_mounts = a.mounts;
		r->ownership = OWNERSHIP_OFF;
		if (a.mapped)
			return;
	}
	if (!streq(p->private_users, "auto") && p->private_users_ownership != OWNERSHIP_TRY_MAP)
		die("show %s with other owners: %s", r->root, why);
	warn("no user namespace: %s", why);
	r->userns = r->range_picked = false;
	r->id_base = r->id_count = 0;
}

/* the name is one of clones in layers */
static bool
has_end(const char *path)
{
	static const char end[] = ".overlay";
	size_t len = strlen(path);

	return len >= sizeof(end) && streq(path + len - strlen(end), end);
}

/* what it is. A tree that is told is what it is: nothing need be asked, but whether it is in layers */
static void
examine(struct image *i, const char *real, bool tree)
{
	int fd = i->fd;

	if (tree && !has_end(real))
		*i = (struct image){ .path = xstrdup(real), .kind = IMAGE_DIRECTORY };
	else if (!store_at(real, i))
		die("%s is no directory, disk image or block device", real);
	i->fd = fd;
}

/* an image that was taken by its name, and is not booted, is run as it says */
static void
take_preset(struct run *r, const struct image *i)
{
	struct preset s, *kept;
	char **words = NULL, **w;
	const char *why;

	if (!preset_read(i, &s, &why)) {
		if (why)
			die("%s", why);
		return;
	}
	kept = r->preset = xalloc(sizeof(*kept));
	*kept = s;
	/* for who comes in later; what was said by hand stands behind it */
	for (w = s.env; w && *w; w++)
		grow(&words, fmt("--setenv=%s", *w));
	for (w = r->words; words && w && *w; w++)
		grow(&words, *w);
	r->words = words && r->words ? words : r->words;
}

void
image_take(const struct plan *p, struct run *r)
{
	struct image i = { .fd = -1 };
	const char *path = choose_path(p, &i), *what = p->image ? "image" : "tree";
	bool named = i.path, searched = named || p->image, shared;
	char real[PATH_MAX], **clones;
	struct stat st, now;
	ssize_t n;

	i.fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | (p->directory ? O_DIRECTORY : 0));
	if (i.fd < 0 && errno == ENOTDIR && p->directory && access(path, F_OK) == 0)
		die("Failed to open tree %s: it is no directory; -i takes disk images", path);
	if (WITH_DISK && i.fd < 0 && errno == ENOENT && p->image && !strchr(path, '/') && store_find(p->image_root, path, &i))
		die("Failed to open image %s: there is no such file here; -M %s runs the image of that name", path, path);
	if (i.fd < 0 || fstat(i.fd, &st) < 0)
		die("Failed to open %s %s:", what, path);
	n = readlink(fmt(FDS "%d", i.fd), real, sizeof(real) - 1);
	if (n > 0)
		real[n] = 0;
	else if (!realpath(path, real))
		die("Failed to open %s %s:", what, path);
	r->root = xstrdup(real);
	if (!utf8_clean(real))
		die("the path of the %s holds control characters or is no UTF-8: rename it", what);
	if (streq(r->root, "/") && !p->ephemeral && p->volat != VOLATILE_YES && p->volat != VOLATILE_STATE)
		die("Spawning container on root directory is not supported. "
		    "Consider using --ephemeral, --volatile=yes or --volatile=state.");
	examine(&i, real, S_ISDIR(st.st_mode) && !searched);
	i.whole = rescue(p);
	/* who lives in it could make it one the next time, on whatever it likes */
	if (i.kind <= IMAGE_SUBVOLUME && (has_end(real) || has_end(path)))
		die("%s has the name of an overlay clone, and is none: rename it", path);
	if (WITH_DISK && p->image && i.kind <= IMAGE_SUBVOLUME)
		die("%s is a directory: say -D", p->image);
	if (WITH_DISK && p->partition && i.kind < IMAGE_RAW)
		die("--partition=%s: %s has no partitions", p->partition, real);
	/* what makes an image read-only is for those that are images: a tree that is told is what it is */
	r->image_read_only = searched && i.read_only;
	shared = p->read_only || p->ephemeral || p->volat > VOLATILE_NO || i.read_only;
	take_name(p, r);
	take_lock(p, r, i.fd, shared);
	/* what it lies under, and what lies on it, is known by its name */
	if (searched && (stat(real, &now) < 0 || now.st_ino != st.st_ino || now.st_dev != st.st_dev))
		die("%s was renamed, replaced or removed this moment", real);
	clones = shared ? NULL : store_clones(&i);
	if (clones)
		die("%s is what %s lies on, and must stay as it is: say -x or --read-only, or start that one", real, *clones);
	if (i.kind <= IMAGE_SUBVOLUME)
		r->tree = i.fd;
	else
		take_mounted(p, r, &i, shared);
	if (WITH_OCI && named && !p->boot)
		take_preset(r, &i);
}

static void
look_for_id(const struct plan *p, struct run *r, const uint8_t random[16])
{
	static const uint8_t zero[16];
	char text[64];
	int fd = sys_open_in(r->tree, "etc/machine-id", O_RDONLY, IN_REGULAR);

	if (fd >= 0) {
		if (read_all(fd, text, sizeof(text)) < 0)
			*text = 0;
		close(fd);
		text[strcspn(text, "\n")] = 0;
		if (parse_id128(text, r->uuid)) {
			if (memcmp(r->uuid, zero, sizeof(zero)) == 0)
				die("%s/etc/machine-id is all zero; empty it", r->root);
			r->uuid_known = true;
			return;
		}
	}
	if (p->uuid) {
		parse_id128(p->uuid, r->uuid);
		r->uuid_known = true;
		return;
	}
	memcpy(r->uuid, random, sizeof(r->uuid));
}

/* a value for lists: one that is no word for them, or too long, is none */
static char *
release_value(const char *text, const char *key, size_t most)
{
	char *value = payload_release_value(text, key);

	return value && *value && strlen(value) <= most && utf8_clean(value) ? value : NULL;
}

/* while nobody is in there to change it; -1: it has none that one could read */
static int
read_release(struct run *r)
{
	enum { SHORT = 64, LONG = 256 };
	char text[4096];
	int fd = sys_open_in(r->tree, "etc/os-release", O_RDONLY, IN_REGULAR);
	ssize_t n;

	if (fd < 0)
		fd = sys_open_in(r->tree, "usr/lib/os-release", O_RDONLY, IN_REGULAR);
	if (fd < 0)
		return -1;
	n = pread(fd, text, sizeof(text) - 1, 0);
	drop(fd);
	text[n < 0 ? 0 : n] = 0;
	if (!WITH_MACHINES)
		return 0;
	r->os = release_value(text, "ID", SHORT);
	r->os_version = release_value(text, "VERSION_ID", SHORT);
	r->os_pretty = release_value(text, "PRETTY_NAME", LONG);
	return 0;
}

/* what a tool for boot loaders would look for, and not find. The file is the tree's: it is told, and nothing done by it */
static void
look_at_fstab(struct run *r)
{
	static const char places[] = "/boot|/boot/efi|/boot/firmware|/efi|/usr|/var";
	char text[FSTAB_MOST], *rest = text, *line, *where, *more;
	struct stat above, st;
	int at;

	read_fstab(r->tree, text);
	while ((line = next_of_fstab(&rest, &where, &more))) {
		if (word_index(places, where) < 0)
			continue;
		at = sys_open_in(r->tree, where, O_PATH, IN_DIR);
		tame(line);
		if (at < 0 || (fstat(at, &st) == 0 && fstatat(at, "..", &above, 0) == 0 && st.st_dev == above.st_dev))
			warn("its /etc/fstab has %s on %.80s, which is not mounted: \"mount %s\" in there does that", where, line, where);
		drop(at);
	}
}

void
image_look(const struct plan *p, struct run *r)
{
	uint8_t random[2][16];
	int i;

	random_bytes(random, sizeof(random));
	for (i = 0; i < 2; i++) {  /* RFC 4122, version 4 */
		random[i][6] = (uint8_t)((random[i][6] & 0x0f) | 0x40);
		random[i][8] = (uint8_t)((random[i][8] & 0x3f) | 0x80);
	}
	if (rescue(p)) {
		look_at_fstab(r);
		if (access("/dev/disk/by-uuid", F_OK) < 0)
			warn("no udev runs here: tools in there may write down names such as /dev/sda1 where they should write UUIDs");
	}
	look_for_id(p, r, random[0]);
	memcpy(r->boot_id, random[1], sizeof(r->boot_id));
	if (read_release(r) < 0 && p->boot && p->check_os_release != NO)
		warn("Directory %s doesn't look like an OS root directory (os-release file is missing).", r->root);
}
