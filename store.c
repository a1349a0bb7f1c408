/* SPDX-License-Identifier: 0BSD */
/* Images at rest: where they are, what they are, and how they come and go in one piece */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include "nspawn-lite.h"

/* FS_IMMUTABLE_FL, RENAME_EXCHANGE; inode of each subvolume's root */
enum { IMMUTABLE = 0x10, EXCHANGE = 2, SUBVOLUME_INO = 256 };

const char *const image_kinds[IMAGE_KINDS] = {
	"directory", "subvolume", "overlay", "raw", "squashfs", "erofs", "block",
};
static const char *const ends[IMAGE_KINDS] = { "", "", ".overlay", ".raw", ".squashfs", ".erofs", "" };

/* files that belong to NAME; from BORN_WITH on to what has it, and not to what gets it next */
enum { BORN_WITH = 4 };
static const char *const auxiliary[] = { ".nspawn", ".roothash", ".roothash.p7s", ".verity", STORE_CONFIG, STORE_LAYERS };

/*
 * What is not an image yet, or no more: ".#FILE", one of these, 16 hex digits. All but FOLLOW are locked while somebody
 * is at them, so one that is not is to be swept. FOLLOW is a link to another name: when FILE is there, the files of
 * that one are to be its own. WITH is a file that belongs to an image, and its digits say to which: once that has its
 * name, it gets its own. STUCK is a link to another name, and digits say which directory, of either, is to be immutable
 */
enum { NEW, GONE, ASIDE, FOLLOW, WITH, STUCK, MARKED = 200 };  /* MARKED: so much of FILE at most */
static const char *const marks[] = { ".nl-new", ".nl-gone", ".nl-aside", ".nl-follow", ".nl-with", ".nl-stuck" };

/* FILE or NAME without what tells the kind */
static char *
stem(const char *file, size_t len)
{
	size_t i, n;

	for (i = 0; i < IMAGE_KINDS; i++) {
		n = strlen(ends[i]);
		if (n && len > n && memcmp(file + len - n, ends[i], n) == 0)
			return xstrndup(file, (size_t)(len - n));
	}
	return xstrndup(file, len);
}

static char *
marked(const char *file, int mark, uint64_t digits)
{
	return fmt(".#%.*s%s%016llx", MARKED, file, marks[mark], (unsigned long long)digits);
}

static char *
beside(const char *file, int mark)
{
	uint64_t random;

	random_bytes(&random, sizeof(random));
	return marked(file, mark, random);
}

/* the mark, and FILE; -1: it is none of ours */
static int
read_mark(const char *entry, char **file)
{
	size_t len = strlen(entry), n;
	int i;

	if (len < 19 || !after(entry, ".#") || strspn(entry + len - 16, "0123456789abcdef") != 16)
		return -1;
	for (i = 0; i < (int)LEN(marks); i++) {
		n = strlen(marks[i]);
		if (len <= 18 + n || memcmp(entry + len - 16 - n, marks[i], n) != 0)
			continue;
		*file = xstrndup(entry + 2, (size_t)(len - 18 - n));
		return i;
	}
	return -1;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

_Noreturn void
store_taken(const char *name)
{
	die(*speaker ? "Image '%s' already exists. --force puts this in its place, --replace keeps that as %s.old, too" :
	    "Image '%s' already exists.", name, name);
}

const char *
store_called(const char *root, const char *name)
{
	const char *called = stem(name, strlen(name));
	struct image i;

	return !streq(called, name) && store_find(root, called, &i) ? fmt("; it is called '%s'", called) : "";
}

static char *
dir_name(const char *path)
{
	size_t n = (size_t)(base_name(path) - path);

	if (!n)
		return xstrdup(".");
	while (n > 1 && path[n - 1] == '/')
		n--;
	return xstrndup(path, n);
}

static char *
host_name(void)
{
	char name[256];

	return gethostname(name, sizeof(name)) == 0 && name_valid(name) ? xstrdup(name) : NULL;
}

char *
store_derive_name(const char *path)
{
	char real[PATH_MAX], name[NAME_LONGEST + 1];
	const char *base, *end, *c;
	size_t n = 0;

	end = path + strlen(path);
	while (end > path && end[-1] == '/')
		end--;
	for (base = end; base > path && base[-1] != '/'; base--)
		;
	if (base == end)
		return *path ? host_name() : NULL;
	if (((end - base == 1 && *base == '.') || (end - base == 2 && base[0] == '.' && base[1] == '.')))
		return realpath(path, real) && real[1] ? store_derive_name(real) : host_name();
	end = base + strlen(stem(base, (size_t)(end - base)));
	for (c = base; c < end && n < NAME_LONGEST; c++) {
		if (!name_char(*c) && *c != '.')
			continue;
		if ((*c == '.' || *c == '-') && (n == 0 || name[n - 1] == '.'))
			continue;
		if (*c == '.' && name[n - 1] == '-')
			n--;
		name[n++] = *c;
	}
	while (n > 0 && (name[n - 1] == '.' || name[n - 1] == '-'))
		n--;
	name[n] = 0;
	return n && name_valid(name) ? xstrdup(name) : NULL;
}

/* in the words that the originals use, whatever libc says */
const char *
store_reason(void)
{
	return errno == EBUSY ? "Device or resource busy" : errno == EOPNOTSUPP ? "Operation not supported"
	    : errno == E2BIG ? "it has more extended attributes than can be listed" : error_text(errno);
}

const char *
store_dir(const char *root)
{
	size_t n = root ? strlen(root) : 0;

	while (n > 1 && root[n - 1] == '/')
		n--;
	return root ? xstrndup(root, n) : run_path(STORE_DIR);
}

/* ---- what is there ---------------------------------------------------------- */

static void
examine_device(int dir, const char *file, struct image *i)
{
	int fd = openat(dir, file, O_RDONLY | O_NONBLOCK | O_CLOEXEC), on = 0;
	uint64_t size;

	if (fd < 0)
		return;
	i->read_only |= ioctl(fd, BLKROGET, &on) == 0 && on;
	if (ioctl(fd, BLKGETSIZE64, &size) == 0)
		i->usage = i->limit = i->exclusive = i->exclusive_limit = size;
	close(fd);
}

static void
examine_directory(int dir, const char *file, uint64_t ino, struct image *i)
{
	size_t len = strlen(file), n = strlen(ends[IMAGE_OVERLAY]);
	int fd;

	if (len > n && streq(file + len - n, ends[IMAGE_OVERLAY]) && sys_access(dir, fmt("%s/lower", file), F_OK) == 0) {
		i->kind = IMAGE_OVERLAY;
		i->read_only |= sys_access(dir, fmt("%s/ro", file), F_OK) == 0;
		return;
	}
	if (ino != SUBVOLUME_INO)
		return;
	fd = openat(dir, file, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && btrfs_is_subvolume(fd)) {
		i->kind = IMAGE_SUBVOLUME;
		i->read_only |= btrfs_get_read_only(fd) == 1;
		if (btrfs_usage(fd, &i->usage, &i->limit, &i->exclusive, &i->exclusive_limit) < 0)
			i->usage = i->limit = i->exclusive = i->exclusive_limit = UINT64_MAX;
	}
	drop(fd);
}

/* two calls for a directory or a file: there may be many of them */
static bool
examine(int dir, const char *file, const char *path, struct image *i)
{
	struct look l;
	int fd, kind;

	*i = (struct image){ .path = xstrdup(path), .fd = -1, .usage = UINT64_MAX, .limit = UINT64_MAX,
		.exclusive = UINT64_MAX, .exclusive_limit = UINT64_MAX };
	if (sys_look(dir, file, &l) < 0)
		return false;
	if (S_ISLNK(l.mode)) {
		fd = openat(dir, file, O_PATH | O_CLOEXEC);
		if (fd < 0 || sys_look(fd, "", &l) < 0)
			return drop(fd) == 0;
		close(fd);
	}
	i->created = l.born;
	i->vendor = after(path, run_path("/usr/"));
	/* root may write all but what the file system, the subvolume or the immutable flag keeps from it */
	i->read_only = i->vendor || (sys_access(dir, file, W_OK) < 0 && (errno == EROFS || errno == EPERM));
	i->name = stem(base_name(path), strlen(base_name(path)));
	if (S_ISDIR(l.mode)) {
		i->kind = IMAGE_DIRECTORY;
		examine_directory(dir, file, l.ino, i);
		if (i->kind != IMAGE_OVERLAY)
			i->name = xstrdup(base_name(path));
		return true;
	}
	if (!WITH_IMAGES && !WITH_DISK) {
		errno = ENOTDIR;
		return false;
	}
	if (S_ISBLK(l.mode)) {
		i->kind = IMAGE_BLOCK;
		i->name = xstrdup(base_name(path));
		examine_device(dir, file, i);
		return true;
	}
	if (!S_ISREG(l.mode)) {
		errno = EINVAL;
		return false;
	}
	i->kind = IMAGE_RAW;
	for (kind = IMAGE_SQUASHFS; kind <= IMAGE_EROFS; kind++)
		if (streq(base_name(path) + strlen(i->name), ends[kind]))
			i->kind = kind;
	i->read_only |= !(l.mode & 0222) || i->kind != IMAGE_RAW;
	i->modified = l.sec * 1000000 + l.nsec / 1000;
	i->usage = i->exclusive = l.blocks * 512;
	i->limit = i->exclusive_limit = l.size;
	return true;
}

bool
store_at(const char *path, struct image *i)
{
	return examine(AT_FDCWD, path, path, i);
}

/* in this order: an overlay or a directory hides a file of its name */
static bool
find_in(const char *dir, const char *name, struct image *i)
{
	int kind;

	if (!*name || strchr(name, '/') || streq(name, ".") || streq(name, "..") || after(name, ".#")) {
		errno = ENOENT;
		return false;
	}
	if (access(dir, F_OK) < 0)  /* most places of the search path */
		return false;
	for (kind = IMAGE_SUBVOLUME; kind < IMAGE_BLOCK; kind++) {
		if (!store_at(fmt("%s/%s%s", dir, name, ends[kind]), i) || !streq(i->name, name))
			continue;
		if (i->kind == kind || (kind == IMAGE_SUBVOLUME && (i->kind == IMAGE_DIRECTORY || i->kind == IMAGE_BLOCK)))
			return true;
	}
	return false;
}

static char **
search_path(const char *root)
{
	static const char *const path[] = { IMAGE_PATH };
	char **dirs = NULL;
	size_t i;

	if (root)
		grow(&dirs, store_dir(root));
	for (i = 0; !root && i < LEN(path); i++)
		grow(&dirs, run_path(path[i]));
	return dirs;
}

bool
store_find(const char *root, const char *name, struct image *i)
{
	char **dirs = search_path(root);

	for (; *dirs; dirs++)
		if (find_in(*dirs, name, i))
			return true;
	errno = ENOENT;
	return false;
}

struct listing { struct image *image; size_t n, room; bool hidden; };

static void
list_in(struct listing *l, const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	struct image i, *more;
	const char *end;

	while (d && (e = readdir(d))) {
		/* nor what is no image, though it looks like one */
		if (after(e->d_name, ".#") || streq(e->d_name, ".") || streq(e->d_name, "..") || streq(e->d_name, ".enabled")
		    || streq(e->d_name, "lost+found") || (*e->d_name == '.' && !l->hidden) || !utf8_clean(e->d_name))
			continue;
		end = e->d_name + strlen(stem(e->d_name, strlen(e->d_name)));
		if (e->d_type == DT_REG && !*end)
			continue;
		if (!examine(dirfd(d), e->d_name, fmt("%s/%s", path, e->d_name), &i))
			continue;
		if (i.kind == IMAGE_RAW && !streq(end, ends[IMAGE_RAW]))
			continue;
		if (l->n == l->room) {
			l->room = l->room ? l->room * 2 : 64;
			more = xalloc(l->room * sizeof(*more));
			if (l->n)
				memcpy(more, l->image, l->n * sizeof(*more));
			l->image = more;
		}
		l->image[l->n++] = i;
	}
	if (d)
		closedir(d);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct image *)a)->name, ((const struct image *)b)->name);
}

struct image *
store_list(const char *root, bool hidden, size_t *n)
{
	struct listing l = { .hidden = hidden };
	char **dirs = search_path(root), **d;
	struct image first;
	size_t i;

	for (d = dirs; *d; d++)
		list_in(&l, *d);
	if (l.n)
		qsort(l.image, l.n, sizeof(*l.image), by_name);
	for (i = *n = 0; i < l.n; i++) {
		if (*n && streq(l.image[*n - 1].name, l.image[i].name)) {
			if (store_find(root, l.image[i].name, &first))
				l.image[*n - 1] = first;  /* the one that all others mean by it */
		} else {
			l.image[(*n)++] = l.image[i];
		}
	}
	return l.image;
}

/* ---- locks --------------------------------------------------------------------- */

static int
open_image(const char *path)
{
	return openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int
store_try_lock(struct image *i, bool alone)
{
	struct stat a, b;

	i->fd = open_image(i->path);
	if (i->fd < 0)
		return -1;
	/* where there are no locks nobody has one */
	if (flock(i->fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		i->fd = drop(i->fd);
		errno = EBUSY;
		return -1;
	}
	/* it may have got another name before we had the lock */
	if (fstat(i->fd, &a) == 0 && stat(i->path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev)
		return 0;
	i->fd = drop(i->fd);
	errno = ENOENT;
	return -1;
}

void
store_lock(struct image *i, bool alone)
{
	if (store_try_lock(i, alone) == 0)
		return;
	if (errno == EBUSY)
		die("Directory tree %s is currently busy.", i->path);
	die("open %s:", i->path);
}

/* ---- clones and what they need ---------------------------------------------------- */

/* what a clone says: the first line of a file, and nothing else is opened. Its length; -1 with errno */
static ssize_t
read_lower(const char *clone, char text[PATH_MAX])
{
	char *path = fmt("%s/lower", clone);
	struct stat st;

	if (lstat(path, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || read_at(AT_FDCWD, path, text, PATH_MAX) < 0) {
		errno = EINVAL;
		return -1;
	}
	text[strcspn(text, "\n")] = 0;
	return (ssize_t)strlen(text);
}

/* names in LAYERS_DIR, one a line, of a file that begins with that: next_line takes them, until the next call; NULL: errno is 0 if it was read, and is none */
static char *
read_layers(int dir, const char *file)
{
	static char text[LAYERS_MOST * LAYER_NAME + sizeof(LAYERS_DIR)];
	int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read_all(fd, text, sizeof(text));

	if (n >= 0)
		errno = 0;
	drop(fd);
	return n > 0 && after(text, LAYERS_DIR "\n") ? text + sizeof(LAYERS_DIR) : NULL;
}

char **
store_layers(const struct image *i)
{
	char *text = WITH_OCI && i->kind == IMAGE_OVERLAY ? read_layers(AT_FDCWD, fmt("%s/lower", i->path)) : NULL, *line, **list = NULL;

	while (text && (line = next_line(&text)))
		if (*line && !strchr(line, '/') && *line != '.')
			grow(&list, fmt("%s/" LAYERS_DIR "/%s", dir_name(i->path), line));
	return list;
}

char *
store_base(const struct image *i)
{
	char text[PATH_MAX];

	if (read_lower(i->path, text) < 0 || streq(text, LAYERS_DIR))
		return NULL;
	if (*text == '/')
		return xstrdup(text);
	if (!*text || strchr(text, '/') || streq(text, "..") || streq(text, ".")) {
		errno = EINVAL;
		return NULL;
	}
	return fmt("%s/%s", dir_name(i->path), text);
}

static char *
real_path(const char *path)
{
	char real[PATH_MAX];

	return xstrdup(realpath(path, real) ? real : path);
}

/* the directory with a link to each clone: with what is cloned, wherever a link to that may be */
static char *
pins(const char *base)
{
	base = real_path(base);
	return fmt("%s/.#%s.clones", dir_name(base), base_name(base));
}

/* does the clone that a pin leads to lie on file? */
static bool
pin_holds(const char *dir, const char *pin, const char *file)
{
	char text[PATH_MAX];

	if (read_lower(fmt("%s/%s", dir, pin), text) < 0)
		return errno != ENOENT && errno != ENOTDIR;
	return streq(base_name(text), file);
}

char **
store_clones(const struct image *i)
{
	char *path = pins(i->path), **names = NULL, to[PATH_MAX], *here;
	const char *file;
	DIR *d = opendir(path);
	struct dirent *e;
	ssize_t n;

	if (!d)
		return NULL;
	here = real_path(dir_name(i->path));
	file = base_name(real_path(i->path));
	while ((e = readdir(d)))
		if (!streq(e->d_name, ".") && !streq(e->d_name, "..") && pin_holds(path, e->d_name, file)) {
			n = readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1);
			to[n > 0 ? n : 0] = 0;
			if (*to == '/' && !streq(dir_name(to), here))
				grow(&names, xstrdup(to));
			else
				grow(&names, stem(base_name(to), strlen(base_name(to))));
		}
	closedir(d);
	return names;
}

char *
store_needed(const struct image *i)
{
	char **names = store_clones(i), *text;

	if (!names)
		return NULL;
	for (text = *names; *++names; )
		text = fmt("%s, %s", text, *names);
	return fmt("%s must stay as it is for its overlay clones: %s", i->name, text);
}

static int
put_on_disk(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), ret = fd < 0 ? -1 : fsync(fd);

	drop(fd);
	return ret;
}

/* in dir, of the clone at path; one in another store may have the name of one in this, and *store is where that is, or ".." */
static char *
pin_path(const char *dir, const char *path, char **store)
{
	static const uint8_t key[16];
	char *name = stem(base_name(path), strlen(base_name(path)));

	*store = real_path(dir_name(path));
	if (!streq(dir_name(dir), *store))
		return fmt("%s/%s@%016llx", dir, name, (unsigned long long)siphash24(*store, strlen(*store), key));
	*store = "..";
	return fmt("%s/%s", dir, name);
}

/* before the clone is there; nothing that could be changed needs none */
static int
pin(const char *base, const char *path, bool sync)
{
	char *dir = pins(base), *store, *name = pin_path(dir, path, &store), *link = fmt("%s/%s", store, base_name(path));
	int tries, ret = -1;

	for (tries = 0; ret < 0 && tries < 100; tries++) {  /* who takes another one out takes the directory, too */
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return errno == EROFS ? 0 : -1;
		unlink(name);
		ret = symlink(link, name);
		if (ret < 0 && errno != ENOENT)
			break;
	}
	return ret == 0 && sync ? put_on_disk(AT_FDCWD, dir) : ret;
}

static void
unpin(const char *base, const char *path)
{
	char *dir = pins(base), *store;

	unlink(pin_path(dir, path, &store));
	rmdir(dir);
}

/* ---- the files that belong to an image -------------------------------------------------- */

static bool
is_usual(const char *dir)
{
	char **d;

	for (d = search_path(NULL); *d; d++)
		if (streq(*d, dir))
			return true;
	return false;
}

/* at any moment the whole file is there or none; again after one that was stopped. One that is there stays */
static bool
copy_beside(const char *from, const char *to)
{
	char *half = fmt("%s/.#%s.nl-copy", dir_name(to), base_name(to));
	int in, out = -1;
	struct stat st;
	bool done;

	unlink(half);
	if (access(to, F_OK) == 0)
		return true;
	in = openat(AT_FDCWD, from, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (in < 0 && (errno == ENOENT || errno == ENOTDIR))
		return true;
	if (in >= 0 && fstat(in, &st) == 0 && !S_ISREG(st.st_mode)) {
		warn("%s is no file, and not copied", from);
		drop(in);
		return true;
	}
	if (in >= 0 && fstat(in, &st) == 0)
		out = openat(AT_FDCWD, half, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
	done = out >= 0 && copy_contents(in, out, 0) == 0 && fsync(out) == 0 && rename(half, to) == 0;
	if (!done) {
		warn("copy %s to %s:", from, to);
		unlink(half);
	}
	drop(out);
	drop(in);
	return done;
}

/* ---- those that are to run whenever the host does -------------------------------------------- */

const char *
store_marks(void)
{
	return fmt("%s/.enabled", store_dir(NULL));
}

/* durable, and there all at once */
int
store_mark(const char *name, const char *path)
{
	char *mark = fmt("%s/%s", store_marks(), name), *half = fmt("%s/.#%s", store_marks(), name), old[PATH_MAX];
	ssize_t n = readlink(mark, old, sizeof(old) - 1);
	int dir, done;

	old[n < 0 ? 0 : n] = 0;
	if (path ? streq(path, old) : n < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (path && run_make_dirs(store_marks(), 0755) < 0)
		return -1;
	if (path && unlink(half) < 0 && errno != ENOENT)
		return -1;
	done = !path ? unlink(mark) : symlink(path, half) < 0 ? -1 : rename(half, mark);
	if (done < 0)
		return -1;
	dir = openat(AT_FDCWD, store_marks(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || (fsync(dir) < 0 && errno != EINVAL))
		return drop(dir);
	close(dir);
	return 1;
}

/* that of an image which gets another name, or goes: path and name without what tells its kind */
static bool
follow_mark(const char *from, const char *to)
{
	char old[PATH_MAX];
	ssize_t n = readlink(fmt("%s/%s", store_marks(), base_name(from)), old, sizeof(old) - 1);
	const char *end;

	old[n < 0 ? 0 : n] = 0;
	end = after(old, from);
	if (n < 0 || !end || (*end && *end != '.'))  /* there is none, or it is of another image of that name */
		return true;
	/* first the new one: were it lost between, the machine would be off unasked */
	return (!to || store_mark(base_name(to), fmt("%s%s", to, end)) >= 0) && store_mark(base_name(from), NULL) >= 0;
}

/* give those of from to to, which exists: a copy when from stays. to NULL: they are to go. Both are with a directory */
static bool
follow(const char *from, const char *to, bool stays)
{
	const char *dirs[] = { NULL, run_path("/etc/systemd/nspawn"), run_path("/run/systemd/nspawn") };
	char *old, *new;
	bool done = true;
	size_t d, i;

	for (d = 0; d < (is_usual(dir_name(from)) ? LEN(dirs) : 1); d++)
		for (i = 0; i < (d ? 1 : LEN(auxiliary)); i++) {
			old = fmt("%s/%s%s", d ? dirs[d] : dir_name(from), base_name(from), auxiliary[i]);
			new = to ? fmt("%s/%s%s", d ? dirs[d] : dir_name(to), base_name(to), auxiliary[i]) : NULL;
			if (to && stays) {
				done &= copy_beside(old, new);
			} else if ((to ? rename(old, new) : unlink(old)) < 0 && errno != ENOENT && errno != ENOTDIR
			           && errno != ENAMETOOLONG) {
				warn("%s %s:", to ? "rename" : "remove", old);
				done = false;
			}
		}
	if (!stays && !follow_mark(from, to)) {
		warn("%s the mark of %s in %s:", to ? "rename" : "remove", base_name(from), store_marks());
		done = false;
	}
	return done;
}

/* say that it is to be done, so that it will be if we are stopped; the mark is a fresh string */
static char *
intend(int dir, const char *store, const char *from, const char *name)
{
	char *mark = beside(name, FOLLOW);

	if (symlinkat(streq(dir_name(from), store) ? base_name(from) : from, dir, mark) < 0)
		die("write in %s:", store);
	return mark;
}

/* ---- one at a time ------------------------------------------------------------------------ */

static int
set_immutable(int fd, bool on)
{
	int flags, want;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -1;
	want = on ? flags | IMMUTABLE : flags & ~IMMUTABLE;
	return want == flags ? 0 : ioctl(fd, FS_IOC_SETFLAGS, &want);
}

/* which one it is, under any name */
static uint64_t
identity(int dir, const char *path)
{
	struct look l;

	return sys_look(dir, path, &l) < 0 ? 0 : (uint64_t)l.ino ^ (uint64_t)l.born << 20;
}

/* an immutable directory keeps its name. Say that this one shall be, here or by its other name, however we end */
static char *
will_stick(int dir, int fd, const char *file, const char *other)
{
	char *mark = marked(file, STUCK, identity(fd, ""));

	if (symlinkat(other, dir, mark) < 0 && errno != EEXIST)
		die("make %s:", mark);
	return mark;
}

/* so that it can get another name; NULL: it could already */
static char *
loosen(int dir, const struct image *i, const char *other)
{
	int flags;
	char *mark;

	if (i->kind != IMAGE_DIRECTORY || ioctl(i->fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & IMMUTABLE))
		return NULL;
	mark = will_stick(dir, i->fd, base_name(i->path), other);
	if (set_immutable(i->fd, false) < 0)
		die("make %s writable, for it to get another name:", i->path);
	return mark;
}

static void
stick(int dir, int fd, const char *mark)
{
	char *file;

	if (mark && set_immutable(fd, true) == 0)
		unlinkat(dir, mark, 0);
	else if (mark && read_mark(mark, &file) == STUCK)
		warn("%s cannot be made read-only; the next verb that changes images tries again:", file);
}

static void
sweep_stuck(int dir, const char *entry, const char *file)
{
	char target[PATH_MAX];
	const char *names[] = { file, target };
	ssize_t n = readlinkat(dir, entry, target, sizeof(target) - 1);
	int i, fd;

	target[n > 0 ? n : 0] = 0;
	for (i = 0; i < 2; i++) {
		fd = sys_open_dir(dir, names[i]);
		if (fd >= 0 && streq(entry, marked(file, STUCK, identity(fd, ""))))
			set_immutable(fd, true);
		drop(fd);
	}
	unlinkat(dir, entry, 0);
}

int
store_erase(int dir, const char *name, char **where)
{
	int fd;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	*where = ".";
	fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	set_immutable(fd, false);
	if (btrfs_is_subvolume(fd)) {
		btrfs_set_read_only(fd, false);
		if (btrfs_delete(dir, name) == 0) {
			close(fd);
			return 0;
		}
	}
	close(fd);
	return remove_tree(dir, name, where);
}

/* who makes a clone holds its base; who starts one would find it busy, so it is locked only when there is something to do */
static void
sweep_pins(int dir, const char *path, const char *entry, const char *file)
{
	char *sub = fmt("%s/%s", path, entry);
	int base = -1;
	bool alone = false;
	struct dirent *e;
	DIR *d = opendir(sub);

	while (d && (e = readdir(d))) {
		if (streq(e->d_name, ".") || streq(e->d_name, "..") || pin_holds(sub, e->d_name, file))
			continue;
		if (base < 0 && !alone) {
			base = openat(dir, file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
			alone = base < 0 ? errno == ENOENT : flock(base, LOCK_EX | LOCK_NB) == 0;
		}
		if (!alone)
			break;
		if (!pin_holds(sub, e->d_name, file))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
	rmdir(sub);
	drop(base);
}

/* one that belongs to an image: to the one that has the name? */
static void
sweep_with(int dir, const char *path, const char *entry, const char *file)
{
	size_t len = strlen(file), n, i;
	struct image of;

	for (i = 0; i < LEN(auxiliary); i++) {
		n = strlen(auxiliary[i]);
		if (len > n && streq(file + len - n, auxiliary[i]) && find_in(path, xstrndup(file, (size_t)(len - n)), &of)
		    && streq(entry, marked(file, WITH, identity(AT_FDCWD, of.path))) && renameat(dir, entry, dir, file) == 0)
			return;
	}
	unlinkat(dir, entry, 0);
}

static void
sweep_mark(int dir, const char *path, const char *entry, int mark, const char *file)
{
	char *name = stem(file, strlen(file)), target[PATH_MAX], *where, *was;
	int fd = openat(dir, entry, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	struct image i, from;
	struct stat st;
	ssize_t n;

	if (mark == FOLLOW) {
		n = readlinkat(dir, entry, target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = 0;
			was = strchr(target, '/') ? target : fmt("%s/%s", path, target);
			if (!find_in(path, file, &i)
			    || follow(was, fmt("%s/%s", path, file), find_in(dir_name(was), base_name(was), &from)))
				unlinkat(dir, entry, 0);
		}
	} else if (mark == STUCK) {
		sweep_stuck(dir, entry, file);
	} else if (fd >= 0 ? flock(fd, LOCK_EX | LOCK_NB) == 0 : errno == ELOOP || errno == ENXIO) {
		if (mark == WITH) {
			sweep_with(dir, path, entry, file);
		} else if (mark == ASIDE && fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
			renameat(dir, entry, dir, file);
		} else {
			if (mark == GONE && strlen(file) < MARKED && !find_in(path, name, &i))
				(void)follow(fmt("%s/%s", path, name), NULL, false);  /* it was said before */
			store_erase(dir, entry, &where);
		}
	}
	drop(fd);
}

/* ---- layers that images lie on, or were made of ------------------------------------------------ */

struct used { char name[LAYER_NAME]; bool used; };

/* false: nobody can say */
static bool
mark_used(struct used *u, size_t n, int dir, const char *file)
{
	char *text = read_layers(dir, file), *line;
	size_t i;

	if (!text && errno && errno != ENOENT && errno != ENOTDIR)
		return false;
	while (text && (line = next_line(&text)))
		for (i = 0; i < n; i++)
			u[i].used |= streq(u[i].name, line);
	return true;
}

/* a whole one that no image names waits a while for who tries again, what failed behind it */
static bool
is_fresh(int fd)
{
	enum { SECONDS = 3600 };
	time_t now = time(NULL);
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_ctime <= now && now - st.st_ctime < SECONDS;
}

/* those that no image names, and nobody holds: half-made ones, too, which none does. Whole ones when they are old, or all */
static void
sweep_layers(int dir, bool all_of_them)
{
	int layers = !WITH_OCI ? -1 : sys_open_dir(dir, LAYERS_DIR), fd;
	DIR *d = layers < 0 ? NULL : fdopendir(layers), *all;
	size_t n = 0, i, len, end;
	struct used *u = NULL, *more;
	struct dirent *e;
	bool known = true;
	char *where;

	while (d && (e = readdir(d))) {
		if (strlen(e->d_name) >= sizeof(u->name))
			continue;
		more = realloc(u, (n + 1) * sizeof(*u));
		if (!more)
			die("sweep " LAYERS_DIR ":");
		u = more;
		u[n].used = *e->d_name == '.';
		strcpy(u[n++].name, e->d_name);
	}
	fd = n ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	all = fd < 0 ? NULL : fdopendir(fd);
	while (all && known && (errno = 0, e = readdir(all))) {
		len = strlen(e->d_name);
		end = strlen(ends[IMAGE_OVERLAY]);
		if (len > end && streq(e->d_name + len - end, ends[IMAGE_OVERLAY]))
			known = mark_used(u, n, dir, fmt("%s/lower", e->d_name));
		end = strlen(STORE_LAYERS);
		if (len > end && streq(e->d_name + len - end, STORE_LAYERS))
			known = mark_used(u, n, dir, e->d_name);
	}
	known &= all && !errno;
	for (i = 0; known && i < n && !halted; i++) {
		len = strlen(u[i].name);
		fd = u[i].used ? -1 : openat(layers, u[i].name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		/* where there are no locks nobody has one */
		if (fd >= 0 && (all_of_them || (len != 64 && len != 64 + strlen(".tree")) || !is_fresh(fd))
		    && (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)) {
			/* a subvolume in a half-made one by its name: before 5.8 it would be taken for a mount */
			store_erase(fd, "upper", &where);
			store_erase(layers, u[i].name, &where);
		}
		drop(fd);
	}
	if (all)
		closedir(all);
	if (n == 2 && flock(layers, LOCK_EX | LOCK_NB) == 0)
		unlinkat(dir, LAYERS_DIR, AT_REMOVEDIR);
	if (d)
		closedir(d);
	free(u);
}

/* under the store's lock */
static void
sweep(int dir, const char *path)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), mark;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	char *file;
	size_t len;

	while (d && !halted && (e = readdir(d))) {
		if (!after(e->d_name, ".#"))
			continue;
		len = strlen(e->d_name);
		mark = read_mark(e->d_name, &file);
		if (mark >= 0)
			sweep_mark(dir, path, e->d_name, mark, file);
		else if (len > 9 && streq(e->d_name + len - 7, ".clones"))
			sweep_pins(dir, path, e->d_name, xstrndup(e->d_name + 2, (size_t)(len - 9)));
	}
	if (d)
		closedir(d);
	sweep_layers(dir, false);
}

/* where there are no locks nobody has one */
void
store_turn(int dir)
{
	while (!halted && flock(dir, LOCK_EX) < 0 && errno == EINTR)
		;
	if (halted)
		die("interrupted while waiting for a turn in the store");
}

/* names come and go one at a time: an fd of the store, with its lock; -1 with errno */
static int
enter(const char *path)
{
	int dir = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -1;
	store_turn(dir);
	sweep(dir, path);
	return dir;
}

void
store_check_pool(const char *root)
{
	char *path = run_path(STORE_DIR), *file = fmt("%s.raw", path);
	struct stat a, b;

	if (root || stat(file, &a) < 0 || !S_ISREG(a.st_mode) || stat(dir_name(path), &a) < 0)
		return;
	if (stat(path, &b) < 0 || a.st_dev == b.st_dev)
		warn("the pool %s is not mounted on %s: the verb pool does it", file, path);
}

void
store_sweep(const char *root, bool layers)
{
	int dir = enter(store_dir(root));

	if (dir >= 0 && layers)
		sweep_layers(dir, true);
	drop(dir);
}

/* ---- made beside, and named at once ---------------------------------------------------------- */

static struct making *unfinished;

static void
abandon_at_exit(void)
{
	halted = 0;  /* what ends us shall not end this; a second time it does */
	if (unfinished)
		store_abandon(unfinished);
}

static const char *
half(const struct making *m)
{
	return base_name(m->temporary);
}

/* the temporary, of a kind: what was there goes. In one step for who sweeps */
static void
begin(struct making *m, int kind, const struct image *snapshot)
{
	static const char *const inner[] = { "upper", "work" };
	bool dir = kind <= IMAGE_OVERLAY;
	char *where;
	int made = -1;
	size_t i;

	store_turn(m->dir);
	m->fd = drop(m->fd);
	store_erase(m->dir, half(m), &where);
	if (snapshot && btrfs_snapshot(snapshot->fd, m->dir, half(m), false) < 0)
		goto out;
	m->kind = kind;
	m->path = fmt("%s/%s%s", m->store, m->name, ends[kind]);
	if (kind == IMAGE_DIRECTORY && !snapshot)
		made = btrfs_create(m->dir, half(m));
	if (made == 0 || snapshot)
		m->kind = IMAGE_SUBVOLUME;
	else if (dir && mkdirat(m->dir, half(m), 0755) < 0)
		die("make an image in %s:", m->store);
	m->fd = openat(m->dir, half(m), dir ? O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC :
	               O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (m->fd < 0)
		die("make an image in %s:", m->store);
	flock(m->fd, LOCK_EX | LOCK_NB);
	for (i = 0; kind == IMAGE_OVERLAY && i < LEN(inner); i++)
		if (mkdirat(m->fd, inner[i], 0755) < 0)
			die("make an image in %s:", m->store);
out:
	flock(m->dir, LOCK_UN);
}

/*
 * What is in a directory that ends in .overlay says what else is mounted: only who makes clones writes that, and no
 * archive. The other ends would make it two images of one name, or a file that goes with another one
 */
static void
check_name(const char *name)
{
	size_t i, end, n = strlen(name);
	const char *base = stem(name, n);

	for (i = 0; i < LEN(auxiliary); i++) {
		end = strlen(auxiliary[i]);
		if (n > end && streq(name + n - end, auxiliary[i]))
			die("Image name '%s' is invalid: '%s' is of a file that belongs to '%.*s'", name, auxiliary[i], (int)(n - end), name);
	}
	if (!streq(base, name))
		die("Image name '%s' is invalid: '%s' says what kind of image it is; say '%s'", name, name + strlen(base), base);
}

void
store_make(struct making *m, const char *root, const char *name, int kind, bool force)
{
	static bool once;
	struct image old;

	check_name(name);
	*m = (struct making){ .name = xstrdup(name), .store = xstrdup(store_dir(root)), .fd = -1 };
	if (!force && store_find(root, name, &old))
		store_taken(name);
	halt_by_signal();
	store_check_pool(root);
	if (run_make_dirs(m->store, 0700) < 0)
		die("make %s:", m->store);
	m->dir = enter(m->store);
	if (m->dir < 0)
		die("open %s:", m->store);
	flock(m->dir, LOCK_UN);
	m->temporary = fmt("%s/%s", m->store, beside(name, NEW));
	unfinished = m;
	if (!once)
		atexit(abandon_at_exit);
	once = true;
	begin(m, kind, NULL);
}

void
store_beside(struct making *m, const char *suffix, const char *data, size_t len)
{
	char *name = marked(fmt("%s%s", m->name, suffix), WITH, identity(m->fd, ""));
	int fd;

	/* in one step for who sweeps */
	store_turn(m->dir);
	fd = openat(m->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd >= 0)
		flock(fd, LOCK_EX | LOCK_NB);
	flock(m->dir, LOCK_UN);
	if (fd < 0)
		die("make %s/%s:", m->store, name);
	grow(&m->with, name);
	if (write_all(fd, data, len) < 0 || fsync(fd) < 0)
		die("write %s/%s%s:", m->store, m->name, suffix);
	/* it stays open, for its lock, until we end */
}

/* what was there may have files that were born with it: no others come in their place, but an empty one hides each */
static void
hide_born_with(struct making *m)
{
	char **w, *file;
	size_t i;
	bool has;

	for (i = BORN_WITH; i < LEN(auxiliary); i++) {
		for (has = false, w = m->with; w && *w; w++)
			has |= read_mark(*w, &file) == WITH && streq(file + strlen(m->name), auxiliary[i]);
		if (!has && sys_access(m->dir, fmt("%s%s", m->name, auxiliary[i]), F_OK) == 0)
			store_beside(m, auxiliary[i], "", 0);
	}
}

/* under the store's lock: what is kept keeps them */
static void
keep_born_with(const struct making *m)
{
	char *name;
	size_t i;

	for (i = BORN_WITH; i < LEN(auxiliary); i++) {
		name = fmt("%s.old%s", m->name, auxiliary[i]);
		unlinkat(m->dir, name, 0);
		if (linkat(m->dir, fmt("%s%s", m->name, auxiliary[i]), m->dir, name, 0) < 0 && errno != ENOENT)
			die("name %s/%s:", m->store, name);
	}
}

/* under the store's lock, once the image has its name */
static void
put_beside(const struct making *m)
{
	char **w, *file;
	struct stat st;

	for (w = m->with; w && *w; w++) {
		if (read_mark(*w, &file) != WITH)
			continue;
		if (renameat(m->dir, *w, m->dir, file) < 0)
			die("name %s/%s:", m->store, file);
		if (fstatat(m->dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 0)
			unlinkat(m->dir, file, 0);
	}
}

void
store_abandon(struct making *m)
{
	int was = halted;
	char *where, **w;

	if (unfinished != m)
		return;
	unfinished = NULL;
	for (w = m->with; w && *w; w++)
		unlinkat(m->dir, *w, 0);
	/* it is for the signal that came that this is done; another one ends it */
	halted = 0;
	store_erase(m->dir, half(m), &where);
	halted = halted ? halted : was;
	m->fd = drop(m->fd);
	m->dir = drop(m->dir);
}

int
store_set_read_only(const struct image *i, bool on)
{
	int value = on, fd;
	struct stat st;

	switch (i->kind) {
	case IMAGE_SUBVOLUME:
		return btrfs_set_read_only(i->fd, on);
	case IMAGE_DIRECTORY:
		return set_immutable(i->fd, on);
	case IMAGE_OVERLAY:
		if (!on)
			return unlinkat(i->fd, "ro", 0) < 0 && errno != ENOENT ? -1 : 0;
		fd = openat(i->fd, "ro", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0444);
		return fd < 0 ? -1 : close(fd);
	case IMAGE_BLOCK:
		return ioctl(i->fd, BLKROSET, &value);
	default:
		return fstat(i->fd, &st) < 0 ? -1 : fchmod(i->fd, (st.st_mode & 07777 & ~0222) | (on ? 0 : 0200));
	}
}

/* two names at once; false: the kernel or the file system cannot */
static bool
exchange(int dir, const char *a, const char *b)
{
	if (sys_denied("renameat2"))
		return false;
	if (syscall(SYS_renameat2, dir, a, dir, b, EXCHANGE) == 0)
		return true;
	if (errno != ENOSYS && errno != EINVAL)
		die("name %s:", b);
	return false;
}

static void
rename_or_die(int dir, const char *from, const char *to)
{
	if (renameat(dir, from, dir, to) < 0)
		die("name %s:", to);
}

/* the old one's lock is ours. What becomes of it: kept is its name, NULL: it goes. At each step nothing is lost */
static void
replace(const struct making *m, const struct image *old, const char *kept)
{
	const char *file = base_name(m->path), *was = base_name(old->path);
	char *where, *aside;

	if (kept && streq(file, was)) {
		rename_or_die(m->dir, half(m), kept);
		if (exchange(m->dir, kept, file))
			return;
		rename_or_die(m->dir, kept, half(m));
	}
	aside = beside(was, streq(file, was) ? ASIDE : GONE);
	if (!streq(file, was)) {
		rename_or_die(m->dir, half(m), file);
		rename_or_die(m->dir, was, kept ? kept : aside);
	} else if (exchange(m->dir, half(m), file)) {
		aside = xstrdup(half(m));
	} else {
		rename_or_die(m->dir, was, aside);
		rename_or_die(m->dir, half(m), file);
		if (kept)
			rename_or_die(m->dir, aside, kept);
	}
	fsync(m->dir);
	if (!kept && store_erase(m->dir, aside, &where) < 0)
		warn("remove what %s was before: %s:", m->path, where);
}

/* make way: *old is what has the name, locked, or has no name itself; the answer is the name to keep it by */
static char *
take_place(struct making *m, int how, struct image *old, char **loose)
{
	struct image kept;
	char *name = fmt("%s.old", m->name), *why;

	if (!find_in(m->store, m->name, old)) {
		old->name = NULL;
		return NULL;
	}
	if (how == STORE_NEW)
		store_taken(m->name);
	store_lock(old, true);
	why = store_needed(old);
	if (why)
		die("%s", why);
	*loose = loosen(m->dir, old, how == STORE_REPLACE ? name : base_name(old->path));
	if (how != STORE_REPLACE)
		return NULL;
	while (find_in(m->store, name, &kept)) {  /* another may come meanwhile */
		flock(m->dir, LOCK_UN);
		store_remove(&kept, false);
		store_turn(m->dir);
	}
	return fmt("%s%s", name, ends[old->kind]);
}

void
store_commit(struct making *m, int how, bool read_only, bool sync)
{
	struct image i = { .kind = m->kind, .fd = m->fd }, old;
	char *kept, *below, *base = NULL, *mark = NULL, *from = NULL, *loose = NULL, *stuck = NULL, **lower;
	bool all = true;

	if (halted)
		die("%s: interrupted, nothing has changed", m->name);
	if (read_only && (store_set_read_only(&i, true) < 0 || (i.kind == IMAGE_DIRECTORY && set_immutable(m->fd, false) < 0)))
		die("%s cannot be made read-only on %s:", m->name, place_type(m->fd));
	if (sync && !m->synced && (m->kind > IMAGE_OVERLAY ? fsync(m->fd) : syncfs(m->dir)) < 0)
		die("write %s:", m->path);
	if (WITH_OCI)
		hide_born_with(m);
	store_turn(m->dir);
	kept = take_place(m, how, &old, &loose);
	if (m->kind == IMAGE_OVERLAY) {
		i.path = m->temporary;
		base = store_base(&i);
		lower = store_layers(&i);
		if (base)
			grow(&lower, base);
		/* it may have gone with what this is a clone of, which was in use, and which nobody held when it was not */
		for (; lower && *lower; lower++)
			if (access(*lower, F_OK) < 0)
				die("%s lies on %s, which is gone", m->name, *lower);
		if (base && pin(base, m->path, sync) < 0)
			die("pin %s:", base);
	}
	below = kept && old.kind == IMAGE_OVERLAY ? store_base(&old) : NULL;
	if (below && pin(below, fmt("%s/%s", m->store, kept), sync) < 0)
		die("pin %s:", below);
	if (m->from.name) {
		from = fmt("%s/%s", dir_name(m->from.path), m->from.name);
		mark = intend(m->dir, m->store, from, m->name);
	}
	if (read_only && m->kind == IMAGE_DIRECTORY)
		stuck = will_stick(m->dir, m->fd, base_name(m->path), base_name(m->path));
	if (WITH_OCI && kept)
		keep_born_with(m);
	if (old.name)
		replace(m, &old, kept);
	else
		rename_or_die(m->dir, half(m), base_name(m->path));
	unfinished = NULL;
	put_beside(m);
	stick(m->dir, m->fd, stuck);
	if (kept)
		stick(m->dir, old.fd, loose);
	else if (loose)
		unlinkat(m->dir, loose, 0);
	if (sync)
		fsync(m->dir);
	if (mark) {
		all = follow(from, fmt("%s/%s", m->store, m->name), true);
		if (all)
			unlinkat(m->dir, mark, 0);
	}
	drop(old.name ? old.fd : -1);
	m->from.fd = m->from.name ? drop(m->from.fd) : -1;
	if (old.name && (old.kind == IMAGE_OVERLAY || m->with))
		sweep(m->dir, m->store), sweep_layers(m->dir, true);  /* its pin, and its layers */
	m->fd = drop(m->fd);
	m->dir = drop(m->dir);
	if (!all)
		die("%s is there, but not all files that belong to it: the next command tries again", m->path);
}

/* ---- clones ------------------------------------------------------------------------------------ */

/* can files there share their data? The new tree may be a subvolume, with a device number of its own */
static bool
can_reflink(const struct making *m, const struct image *from)
{
	static const char *const names[] = { "a", "b" };
	struct stat a, b;
	int fd[2], i;
	bool can;

	if (fstat(m->dir, &a) < 0 || fstat(from->fd, &b) < 0 || (a.st_dev != b.st_dev && from->kind != IMAGE_SUBVOLUME))
		return false;
	for (i = 0; i < 2; i++)
		fd[i] = openat(m->fd, names[i], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	can = ioctl(fd[1], FICLONE, fd[0]) == 0;
	for (i = 0; i < 2; i++) {
		unlinkat(m->fd, names[i], 0);
		drop(fd[i]);
	}
	return can;
}

/* overlayfs says by itself whether it works there */
static bool
can_overlay(const struct making *m, const struct image *from)
{
	static const char SIGNS[] = ":,\\";
	bool dir = from->kind <= IMAGE_SUBVOLUME;
	const char *name;
	int upper, work, lower, fd = -1;

	if (!dir && mkdirat(m->fd, "probe", 0700) < 0)
		return false;
	upper = openat(m->fd, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
	work = openat(m->fd, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
	lower = dir ? from->fd : openat(m->fd, "probe", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (upper >= 0 && work >= 0 && lower >= 0)
		fd = sys_mount_private("overlay", fmt("lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d",
		                       lower, upper, work));
	/* before 5.2 it is mounted in another namespace, where only names lead; and these have signs for what stands between */
	name = dir ? from->path : fmt("%s/probe", m->temporary);
	if (fd < 0 && errno == EINVAL && !name[strcspn(name, SIGNS)] && !m->temporary[strcspn(m->temporary, SIGNS)])
		fd = sys_mount_private("overlay", fmt("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", name, m->temporary, m->temporary));
	if (!dir)
		drop(lower);
	drop(upper);
	drop(work);
	if (!dir)
		unlinkat(m->fd, "probe", AT_REMOVEDIR);
	return drop(fd) < 0 && fd >= 0;
}

static _Noreturn void
cannot(const char *where)
{
	if (halted)
		die("Could not clone image: interrupted");
	die("Could not clone image: %s%s%s", where ? where : "", where ? ": " : "", store_reason());
}

static bool
overlay(struct making *m, const struct image *from)
{
	char *real = real_path(from->path);
	const char *lower = streq(dir_name(real), real_path(m->store)) ? base_name(real) : real;
	int upper;

	begin(m, IMAGE_OVERLAY, NULL);
	if (!can_overlay(m, from))
		return false;
	upper = sys_open_dir(m->fd, "upper");
	if (upper < 0 || (from->kind <= IMAGE_SUBVOLUME && copy_attributes(from->fd, upper) < 0)
	    || write_at(m->fd, "lower", 0644, fmt("%s\n", lower)) < 0)
		cannot(NULL);
	m->synced = fsync(upper) == 0 && put_on_disk(m->fd, "lower") == 0 && fsync(m->fd) == 0;
	drop(upper);
	return true;
}

static void
copy_to(const struct making *m, int from, bool apart)
{
	char *where = NULL;

	if (copy_tree(from, m->fd, apart ? COPY_APART : 0, &where) < 0)
		cannot(where);
}

/* what the other clone has written, on what it lies on */
static void
clone_overlay(struct making *m, const struct image *from)
{
	char *base = WITH_OCI ? read_layers(from->fd, "lower") : NULL, *where = NULL;
	int old, new;

	begin(m, IMAGE_OVERLAY, NULL);
	if (base)  /* it is in the same store */
		base = fmt(LAYERS_DIR "\n%.*s", (int)strlen(base) - 1, base);
	else
		base = store_base(from);
	if (base && streq(dir_name(base), m->store))
		base = xstrdup(base_name(base));
	old = sys_open_dir(from->fd, "upper");
	new = sys_open_dir(m->fd, "upper");
	if (!base)
		die("Could not clone image: %s is no overlay clone: its file \"lower\" does not say what it lies on", from->path);
	if (old < 0 || new < 0 || write_at(m->fd, "lower", 0644, fmt("%s\n", base)) < 0)
		cannot(from->path);
	if (copy_tree(old, new, COPY_LAYER, &where) < 0)
		cannot(where);
	drop(old);
	drop(new);
}

void
store_clone(const struct image *from, struct making *m, int how)
{
	struct image *f = &m->from;
	bool in_use = false, copy = how == STORE_COPY;

	*f = *from;
	if (f->kind == IMAGE_BLOCK) {
		errno = EOPNOTSUPP;
		cannot(NULL);
	}
	if (f->fd >= 0)
		f->fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
	else if (store_try_lock(f, false) < 0) {
		in_use = errno == EBUSY;
		f->fd = in_use ? open_image(f->path) : -1;
	}
	if (f->fd < 0)
		cannot(f->path);
	if (f->kind == IMAGE_SUBVOLUME && !copy) {
		begin(m, IMAGE_DIRECTORY, f);
		m->synced = m->fd >= 0;
		if (m->synced)
			return;
	}
	if (f->kind <= IMAGE_SUBVOLUME)
		begin(m, IMAGE_DIRECTORY, NULL);
	if (f->kind != IMAGE_OVERLAY && how == STORE_ANY && !in_use && f->kind != IMAGE_RAW
	    && !(f->kind <= IMAGE_SUBVOLUME && can_reflink(m, f)) && overlay(m, f))
		return;
	if (in_use)
		warn("%s is in use: what is written there meanwhile may be half of it in the copy", f->path);
	if (f->kind == IMAGE_OVERLAY) {
		clone_overlay(m, f);
		return;
	}
	if (m->kind > IMAGE_SUBVOLUME || f->kind > IMAGE_OVERLAY)
		begin(m, f->kind <= IMAGE_SUBVOLUME ? IMAGE_DIRECTORY : f->kind, NULL);
	if (f->kind <= IMAGE_SUBVOLUME)
		copy_to(m, f->fd, copy);
	else if (copy_contents(f->fd, m->fd, copy ? COPY_APART : 0) < 0)
		cannot(f->path);
}

/* ---- they go, or get another name ---------------------------------------------------------------- */

static const char *
take_away(struct image *i)
{
	char *path = dir_name(i->path), *base, *gone, *where, *loose;
	const char *file = base_name(i->path), *why, *needed;
	int dir;

	if (i->vendor)
		return strerror(EROFS);
	dir = enter(path);
	if (dir < 0 || (i->fd < 0 && i->kind != IMAGE_BLOCK && store_try_lock(i, true) < 0)) {
		why = store_reason();
		needed = errno == EBUSY ? store_needed(i) : NULL;  /* clones that run hold it */
		drop(dir);
		return needed ? needed : why;
	}
	why = store_needed(i);
	if (why)
		goto out;
	base = i->kind == IMAGE_OVERLAY ? store_base(i) : NULL;
	gone = beside(file, GONE);
	loose = loosen(dir, i, file);
	if (renameat(dir, file, dir, gone) < 0) {
		why = store_reason();
		goto out;
	}
	if (loose)
		unlinkat(dir, loose, 0);
	if (base)
		unpin(base, i->path);
	if (!follow(fmt("%s/%s", path, i->name), NULL, false)) {
		why = "not all files that belong to it are gone: the next command tries again";
		goto out;
	}
	sweep_layers(dir, true);
	fsync(dir);
	flock(dir, LOCK_UN);
	if (store_erase(dir, gone, &where) < 0)
		why = halted ? fmt("%s: interrupted; the next verb that changes images goes on", i->name)
		             : fmt("%s/%s/%s: %s", path, gone, where, strerror(errno));
out:
	i->fd = drop(i->fd);
	drop(dir);
	return why;
}

bool
store_remove(struct image *i, bool quiet)
{
	const char *why = take_away(i);

	if (why && !quiet)
		die("Could not remove image: %s", why);
	return !why;
}

void
store_rename(struct image *i, const char *name)
{
	char *path = dir_name(i->path), *why, *base, *mark, *new = fmt("%s/%s%s", path, name, ends[i->kind]);
	char *loose;
	bool all;
	struct image there;
	int dir;

	check_name(name);
	dir = i->vendor ? -1 : enter(path);
	if (dir < 0 || (i->kind != IMAGE_BLOCK && store_try_lock(i, true) < 0))
		die("Could not rename image: %s", i->vendor ? strerror(EROFS) : store_reason());
	if (find_in(path, name, &there))
		die("Could not rename image: %s", strerror(EEXIST));
	why = store_needed(i);
	if (why)
		die("Could not rename image: %s", why);
	base = i->kind == IMAGE_OVERLAY ? store_base(i) : NULL;
	mark = intend(dir, path, fmt("%s/%s", path, i->name), name);
	if (base && pin(base, new, true) < 0)
		die("Could not rename image: %s", store_reason());
	loose = loosen(dir, i, base_name(new));
	if (renameat(dir, base_name(i->path), dir, base_name(new)) < 0) {
		unlinkat(dir, mark, 0);
		die("Could not rename image: %s", store_reason());
	}
	stick(dir, i->fd, loose);
	fsync(dir);
	all = follow(fmt("%s/%s", path, i->name), fmt("%s/%s", path, name), false);
	if (all)
		unlinkat(dir, mark, 0);
	if (base)
		unpin(base, i->path);
	i->fd = drop(i->fd);
	drop(dir);
	if (!all)
		die("%s is there, but not all files that belong to it: the next command tries again", new);
}
