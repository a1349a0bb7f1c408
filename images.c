/* SPDX-License-Identifier: 0BSD */
/* Verbs for images */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/loop.h>

#include "nspawn-lite.h"

static void
find(const struct ask *a, const char *name, const char *what, struct image *i)
{
	store_check_pool(a->image_root);
	if (!store_find(a->image_root, name, i))
		die("%s: No image '%s' known%s", what, name, store_called(a->image_root, name));
}

static void
check_new(const struct ask *a, const char *name, const char *what)
{
	struct image i;

	if (!name_valid(name))
		die("%s: Image name '%s' is invalid.", what, name);
	if (!a->force && !a->replace && store_find(a->image_root, name, &i))
		die("%s: File exists", what);
}

static char *
number(uint64_t n)
{
	return fmt("%llu", (unsigned long long)n);
}

/* ---- lists ------------------------------------------------------------------- */

int
images_list(struct ask *a)
{
	static const struct column ours[] = {
		{ "NAME", "name", false }, { "TYPE", "type", false }, { "RO", "ro", false },
		{ "USAGE", "usage", true }, { "CREATED", "created", false }, { "MODIFIED", "modified", false },
	}, importctls[] = {
		{ "CLASS", "class", false }, { "NAME", "name", false }, { "TYPE", "type", false }, { "PATH", "path", false },
		{ "RO", "ro", false }, { "CRTIME", "crtime", false }, { "MTIME", "mtime", false },
		{ "USAGE", "usage", true }, { "LIMIT", "limit", true },
	};
	bool importctl = streq(verb_called, "importctl");
	size_t n, columns = importctl ? LEN(importctls) : LEN(ours);
	struct image *list, *i;
	struct cell *cells, *c;

	store_check_pool(a->image_root);
	list = store_list(a->image_root, a->all, &n);
	c = cells = xalloc(n * columns * sizeof(*cells));
	for (i = list; i < list + n; i++) {
		struct cell name = { i->name, NULL }, type = { image_kinds[i->kind], NULL }, path = { i->path, NULL },
			ro = { i->read_only ? "yes" : "no", i->read_only ? "true" : "false" },
			usage = { NULL, NULL }, limit = { NULL, NULL },
			created = { table_time(i->created), fmt("%lld", (long long)i->created) },
			modified = { table_time(i->modified), fmt("%lld", (long long)i->modified) };

		if (i->usage != UINT64_MAX)
			usage = (struct cell){ table_size(i->usage), number(i->usage) };
		if (i->limit != UINT64_MAX)
			limit = (struct cell){ table_size(i->limit), number(i->limit) };
		if (importctl) {
			ro.text = i->read_only ? "ro" : "rw";
			memcpy(c, (struct cell[]){ { "machine", NULL }, name, type, path, ro, created, modified, usage, limit },
			       sizeof(*c) * columns);
		} else {
			memcpy(c, (struct cell[]){ name, type, ro, usage, created, modified }, sizeof(*c) * columns);
		}
		c += columns;
	}
	table_print(a, importctl ? importctls : ours, columns, cells, n, "images");
	return 0;
}

/* ---- what one is --------------------------------------------------------------- */

/* of a tree that nobody vouches for: a small regular file, without control characters */
static bool
read_in(int tree, const char *path, char *buf, size_t size)
{
	int fd = sys_open_in(tree, path, O_RDONLY, IN_REGULAR);
	ssize_t n = fd < 0 ? -1 : read_all(fd, buf, size);

	drop(fd);
	return n > 0 && memchr(buf, 0, (size_t)n) == NULL;
}

static void
say_line(const char *head, const char *text)
{
	if (text && *text && utf8_clean(text))
		print(1, "%s %s\n", head, text);
}

static void
tell_tree(int tree)
{
	char text[4096];
	uint8_t id[16];
	char hex[33];

	if (read_in(tree, "etc/hostname", text, sizeof(text))) {
		text[strcspn(text, "\n")] = 0;
		say_line("\tHostname:", text);
	}
	if (read_in(tree, "etc/machine-id", text, sizeof(text))) {
		text[strcspn(text, "\n")] = 0;
		if (parse_id128(text, id)) {
			format_id128(id, hex);
			say_line("      Machine ID:", hex);
		}
	}
	if (read_in(tree, "etc/machine-info", text, sizeof(text)))
		say_line("\tDeployment:", payload_release_value(text, "DEPLOYMENT"));
	if (read_in(tree, "etc/os-release", text, sizeof(text)) || read_in(tree, "usr/lib/os-release", text, sizeof(text)))
		say_line("\t      OS:", payload_release_value(text, "PRETTY_NAME"));
}

/* one that cannot be opened or mounted has nothing to say: that is no reason to end */
static void
tell_inside(struct image *i)
{
	int fd, null;
	pid_t pid;

	if (i->kind <= IMAGE_SUBVOLUME) {
		fd = openat(AT_FDCWD, i->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			tell_tree(fd);
		drop(fd);
		return;
	}
	pid = fork();
	if (pid == 0) {
		null = openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC);
		if (null >= 0)
			dup2(null, 2);
		i->fd = openat(AT_FDCWD, i->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (i->fd >= 0)
			tell_tree(image_open_tree(i, false));
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* NULL: of none */
static char *
one_line(char **words)
{
	size_t len = 1;
	char **w, *line, *to;

	for (w = words; w && *w; w++)
		len += strlen(*w) * 4 + 1;
	to = line = words ? xalloc(len) : NULL;
	for (w = words; w && *w; w++)
		to += sprintf(to, "%s%s", w > words ? " " : "", table_plain(*w, strlen(*w)));
	return line;
}

static char *
plain(const char *text)
{
	return text ? table_plain(text, strlen(text)) : NULL;
}

/* how one of OCI is run; a property where nothing is said is not told */
static void
tell_preset(const struct ask *a, const struct image *i)
{
	struct preset s;
	char *ports, *command;
	const char *why = NULL;

	if (!WITH_OCI)
		return;
	if (!preset_read(i, &s, &why)) {
		if (why)
			warn("%s", why);
		if (!a || ask_output(a) == OUT_TABLE)
			return;
		s = (struct preset){ .user = NULL };
	}
	command = one_line(preset_command(&s, NULL));
	ports = one_line(s.ports);
	if (a) {
		table_property(a, "Command", command, NULL);
		table_property(a, "ExposedPorts", ports, NULL);
		table_property(a, "User", plain(s.user), NULL);
		table_property(a, "WorkingDirectory", plain(s.chdir), NULL);
		table_property(a, "KillSignal", plain(s.signal), NULL);
		return;
	}
	say_line("\t Command:", command);
	say_line("\t   Ports:", ports);
}

static void
tell_bytes(const char *head, uint64_t all, uint64_t exclusive)
{
	if (all == UINT64_MAX)
		return;
	print(1, "%s %s", head, table_size(all));
	if (exclusive != all && exclusive != UINT64_MAX)
		print(1, " (exclusive: %s)", table_size(exclusive));
	print(1, "\n");
}

/* the store itself, as much as quotas tell */
static void
pool_usage(const char *root, uint64_t *usage, uint64_t *limit)
{
	uint64_t exclusive, exclusive_limit;
	int fd = openat(AT_FDCWD, store_dir(root), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || !btrfs_is_subvolume(fd) || btrfs_usage(fd, usage, limit, &exclusive, &exclusive_limit) < 0)
		*usage = *limit = UINT64_MAX;
	drop(fd);
}

int
images_status(struct ask *a)
{
	const char *store = store_dir(a->image_root);
	uint64_t usage, limit;
	struct image i;
	char **w;

	if (ask_output(a) != OUT_TABLE)
		return images_show(a);
	if (!a->words || !*a->words) {
		pool_usage(a->image_root, &usage, &limit);
		print(1, "\t    Path: %s\n", store);
		tell_bytes("\t   Usage:", usage, UINT64_MAX);
		tell_bytes("\t   Limit:", limit, UINT64_MAX);
		return 0;
	}
	for (w = a->words; *w; w++) {
		find(a, *w, "Could not get path to image", &i);
		print(1, "%s%s\n\t    Type: %s\n\t    Path: %s\n", w > a->words ? "\n" : "", i.name, image_kinds[i.kind], i.path);
		tell_inside(&i);
		tell_preset(NULL, &i);
		print(1, "\t      RO: %s\n", i.read_only ? "read-only" : "writable");
		if (i.created)
			print(1, "\t Created: %s; %s\n", table_time(i.created), table_ago(i.created));
		if (i.modified)
			print(1, "\tModified: %s; %s\n", table_time(i.modified), table_ago(i.modified));
		tell_bytes("\t   Usage:", i.usage, i.exclusive);
		tell_bytes("\t   Limit:", i.limit, i.exclusive_limit);
	}
	return 0;
}

/* for programs */
static char *
known(uint64_t bytes)
{
	return bytes == UINT64_MAX ? "null" : number(bytes);
}

int
images_show(struct ask *a)
{
	uint64_t usage, limit;
	struct image i;
	char **w;

	if (!a->words || !*a->words) {
		pool_usage(a->image_root, &usage, &limit);
		table_object(a);
		table_property(a, "PoolPath", store_dir(a->image_root), NULL);
		table_property(a, "PoolUsage", number(usage), number(usage));
		table_property(a, "PoolLimit", number(limit), number(limit));
		table_objects_end(a, "pools");
		return 0;
	}
	for (w = a->words; *w; w++) {
		find(a, *w, "Could not get path to image", &i);
		table_object(a);
		table_property(a, "Name", i.name, NULL);
		table_property(a, "Path", i.path, NULL);
		table_property(a, "Type", image_kinds[i.kind], NULL);
		table_property(a, "ReadOnly", i.read_only ? "yes" : "no", i.read_only ? "true" : "false");
		table_property(a, "CreationTimestamp", i.created ? table_time(i.created) : NULL, number((uint64_t)i.created));
		table_property(a, "ModificationTimestamp", i.modified ? table_time(i.modified) : NULL, number((uint64_t)i.modified));
		table_property(a, "Usage", number(i.usage), known(i.usage));
		table_property(a, "Limit", i.limit == UINT64_MAX ? "infinity" : number(i.limit), known(i.limit));
		table_property(a, "UsageExclusive", number(i.exclusive), known(i.exclusive));
		table_property(a, "LimitExclusive", i.exclusive_limit == UINT64_MAX ? "infinity" : number(i.exclusive_limit),
		               known(i.exclusive_limit));
		tell_preset(a, &i);
	}
	table_objects_end(a, "images");
	return 0;
}

/* ---- they change ------------------------------------------------------------------ */

int
images_clone(struct ask *a)
{
	static const char what[] = "Could not clone image";
	struct making m;
	struct image i;
	int upper, tree;

	find(a, a->words[0], what, &i);
	check_new(a, a->words[1], what);
	if (i.kind == IMAGE_OVERLAY && (a->copy || (store_layers(&i) && !streq(fmt("%s/%s.overlay", store_dir(a->image_root), i.name), i.path)))) {
		/* one that shares nothing is a copy of what it shows; layers belong to one store */
		if (store_try_lock(&i, false) < 0)
			die("%s: %s", what, store_reason());
		i.fd = image_open_tree(&i, false);
		i.kind = IMAGE_DIRECTORY;
	}
	store_make(&m, a->image_root, a->words[1], i.kind, a->force || a->replace);
	store_clone(&i, &m, a->copy ? STORE_COPY : STORE_ANY);
	if (m.kind == IMAGE_OVERLAY && i.kind > IMAGE_OVERLAY) {
		tree = image_open_tree(&m.from, false);
		upper = sys_open_dir(m.fd, "upper");
		if (copy_attributes(tree, upper) < 0)
			die("%s: %s", what, store_reason());
		drop(upper);
		drop(tree);
	}
	store_commit(&m, a->replace ? STORE_REPLACE : a->force ? STORE_FORCE : STORE_NEW, a->read_only, !a->no_sync);
	return 0;
}

int
images_rename(struct ask *a)
{
	static const char what[] = "Could not rename image";
	struct image i;

	find(a, a->words[0], what, &i);
	a->force = a->replace = false;
	check_new(a, a->words[1], what);
	store_rename(&i, a->words[1]);
	return 0;
}

int
images_remove(struct ask *a)
{
	struct image i;
	char **w;

	halt_by_signal();
	for (w = a->words; *w; w++) {
		find(a, *w, "Could not remove image", &i);
		store_remove(&i, false);
	}
	return 0;
}

/* in a directory of --image-root, which may be anything: one that is no tree of a system, nor what was pulled */
static bool
is_foreign(const struct image *i)
{
	return i->kind <= IMAGE_SUBVOLUME && !after(i->name, ".tar-") && access(fmt("%s/usr", i->path), F_OK) < 0;
}

int
images_clean(struct ask *a)
{
	uint64_t freed = 0;
	bool known = false;
	struct image *i;
	size_t n, removed = 0, before, foreign;

	halt_by_signal();
	store_check_pool(a->image_root);
	store_sweep(a->image_root, true);
	do {  /* again, for what clones needed, and for what another of its name hid */
		before = removed;
		foreign = 0;
		for (i = store_list(a->image_root, true, &n); n > 0 && !halted; n--, i++) {
			if (i->vendor || (*i->name != '.' && !a->all))
				continue;
			if (a->image_root && is_foreign(i)) {
				foreign++;
				continue;
			}
			if (!store_remove(i, true))
				continue;
			if (i->exclusive != UINT64_MAX) {
				known = true;
				freed += i->exclusive;
			}
			print(1, "Removed image '%s'\n", i->name);
			removed++;
		}
	} while (removed > before && !halted);
	if (foreign)
		warn("%zu directories of %s have no /usr, and stay: remove takes those that are named", foreign, a->image_root);
	print(1, "Removed %zu images in total.", removed);
	if (known)
		print(1, " Total freed exclusive disk space: %s.", table_size(freed));
	print(1, "\n");
	if (halted)
		die("interrupted; the next verb that changes images goes on with what was begun");
	return 0;
}

int
images_read_only(struct ask *a)
{
	static const char what[] = "Could not mark image read-only";
	int on = a->words[1] ? parse_bool(a->words[1]) : 1;
	struct image i;
	char *needed;

	if (on < 0)
		die("Failed to parse boolean argument: %s", a->words[1]);
	find(a, a->words[0], what, &i);
	store_sweep(a->image_root, false);
	if (i.vendor)
		die("%s: %s", what, strerror(EROFS));
	if (store_try_lock(&i, true) < 0)
		die("%s: %s", what, store_reason());
	needed = on ? NULL : store_needed(&i);
	if (needed)
		die("%s: %s", what, needed);
	if (store_set_read_only(&i, on) < 0) {
		if (errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSYS)
			die("%s: %s has no such flag for directories", what, place_type(i.fd));
		die("%s: %s", what, store_reason());
	}
	fsync(i.fd);
	return 0;
}

int
images_set_limit(struct ask *a)
{
	const char *name = a->words[1] ? a->words[0] : NULL, *size = a->words[name ? 1 : 0], *path;
	uint64_t limit = UINT64_MAX;
	struct image i = { .kind = IMAGE_SUBVOLUME };
	int fd;

	if (!streq(size, "-") && !streq(size, "none") && !parse_size(size, &limit))
		die("Failed to parse size: %s", size);
	if (!limit)
		die("Could not set limit: 0 leaves no room at all; '-' takes a limit away");
	path = store_dir(a->image_root);
	if (name) {
		find(a, name, "Could not set limit", &i);
		path = i.path;
	}
	fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("Could not set limit: %s: %s", path, strerror(errno));
	if (i.kind != IMAGE_SUBVOLUME || !btrfs_is_subvolume(fd))
		die(*speaker ? "set-limit: %s is no subvolume of btrfs, and only those have limits" : "Could not set limit: Operation not supported", path);
	if (btrfs_set_limit(fd, limit) < 0)
		die("Could not set limit: %s", store_reason());
	close(fd);
	return 0;
}

/* ---- a store of its own in a file ------------------------------------------------------- */

enum { BTRFS_MAGIC = 0x9123683e, NO_COW = 0x800000, SET_CAPACITY = 0x4c07 };  /* FS_NOCOW_FL, LOOP_SET_CAPACITY */

struct volume_words { int64_t fd; char name[4088]; };  /* struct btrfs_ioctl_vol_args */

static void
make_file_system(const char *path)
{
	static const char *const words[] = { POOL_MKFS };
	char **argv = NULL, said[256];
	size_t i;
	pid_t pid;

	for (i = 0; i < LEN(words); i++)
		grow(&argv, words[i]);
	grow(&argv, path);
	pid = program_start(argv, -1, -1, 2);
	if (pid > 0 && program_end(pid, argv[0], said, sizeof(said)) == 0)
		return;
	unlink(path);
	if (pid < 0 && errno == ENOENT)
		die("there is no %s here to make the pool's file system; it is in btrfs-progs", argv[0]);
	if (pid < 0)
		die("run %s:", argv[0]);
	die("make a file system in %s: %s", path, said);
}

static bool
is_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e = NULL;

	while (d && (e = readdir(d)) && (streq(e->d_name, ".") || streq(e->d_name, "..")))
		;
	if (d)
		closedir(d);
	return !e;
}

/* it is there whole or not at all */
static void
make_pool(const char *file, uint64_t size)
{
	char *half = fmt("%s.nl-new", file);
	int fd, flags = 0;

	unlink(half);
	fd = openat(AT_FDCWD, half, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		die("make %s:", half);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= NO_COW;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	if (ftruncate(fd, (off_t)size) < 0) {
		unlink(half);
		die("make %s of %s:", half, table_size(size));
	}
	make_file_system(half);
	if (fsync(fd) < 0 || rename(half, file) < 0)
		die("make %s:", file);
	close(fd);
}

static void
mount_pool(int fd, const char *file, const char *store)
{
	char *device;
	int loop;

	if (!is_empty(store))
		die("%s is not empty: move what is there away, then call pool again, and move it back", store);
	if (run_make_dirs(store, 0700) < 0)
		die("make %s:", store);
	loop = disk_loop(fd, 0, 0, false, &device);
	if (loop < 0)
		die("make a loop device of %s:", file);
	if (mount(device, store, "btrfs", MS_NOATIME, NULL) < 0)
		die("mount %s on %s:", file, store);
	if (chmod(store, 0700) < 0)
		warn("chmod %s:", store);
	close(loop);
}

/* the loop device of a file; -1 with errno */
static int
pool_device(const struct stat *file)
{
	struct loop_info64 info;
	int n, fd;

	for (n = 0; n < 256; n++) {
		fd = openat(AT_FDCWD, fmt("/dev/loop%d", n), O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == file->st_ino
		    && info.lo_device == file->st_dev)
			return fd;
		drop(fd);
	}
	errno = ENODEV;
	return -1;
}

static void
grow_pool(int fd, const char *file, const char *store, uint64_t size)
{
	struct volume_words words = { .name = "max" };
	int dir = openat(AT_FDCWD, store, O_RDONLY | O_DIRECTORY | O_CLOEXEC), loop;
	struct stat st;

	if (dir < 0 || fstat(fd, &st) < 0)
		die("open %s:", store);
	if (size < (uint64_t)st.st_size)
		die("%s is %s: it can be made larger, not smaller", file, table_size((uint64_t)st.st_size));
	if (ftruncate(fd, (off_t)size) < 0)
		die("make %s larger:", file);
	loop = pool_device(&st);
	if (loop < 0 || ioctl(loop, SET_CAPACITY, 0) < 0 || ioctl(dir, _IOW(0x94, 3, struct volume_words), &words) < 0)
		die("make the file system on %s larger:", store);
	close(loop);
	close(dir);
}

int
images_pool(struct ask *a)
{
	char *store = run_path(STORE_DIR), *file = fmt("%s.raw", store), *above = xstrdup(store);
	struct statfs fs;
	struct stat st, up;
	uint64_t size = 0;
	bool mounted;
	int fd;

	if (a->image_root)
		die("--image-root: the pool is for the images in %s", store);
	if (a->words && a->words[0] && (!parse_size(a->words[0], &size) || !size || size > INT64_MAX))
		die("%s: not a size; such as 20G", a->words[0]);
	*strrchr(above, '/') = 0;
	if (run_make_dirs(above, 0755) < 0)
		die("make %s:", above);
	/* one at a time; until we end */
	if ((fd = openat(AT_FDCWD, above, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || (flock(fd, LOCK_EX) < 0 && errno == EINTR))
		die("open %s:", above);
	mounted = stat(store, &st) == 0 && stat(above, &up) == 0 && st.st_dev != up.st_dev;
	if (access(file, F_OK) < 0) {
		if (mounted)
			die("%s is a file system of its own already", store);
		if (!size)
			die("there is no pool yet; say how large it may become, such as 20G");
		if (!is_empty(store))
			die("%s is not empty: move what is there away, then call pool again, and move it back", store);
		make_pool(file, size);
	}
	fd = openat(AT_FDCWD, file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		die("open %s:", file);
	if (!mounted)
		mount_pool(fd, file, store);
	if (statfs(store, &fs) < 0 || (uint32_t)fs.f_type != (uint32_t)BTRFS_MAGIC)
		die("what is mounted on %s is not the pool", store);
	if (size > (uint64_t)st.st_size || (size && size < (uint64_t)st.st_size))
		grow_pool(fd, file, store, size);
	if (!a->quiet && fstat(fd, &st) == 0)
		print(2, "%s%s is mounted on %s: %s\n", speaker, file, store, table_size((uint64_t)st.st_size));
	return 0;
}
