/* SPDX-License-Identifier: 0BSD */
/* A tree becomes an archive */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

enum {
	ROOM = 1 << 17,                /* data at a time */
	PIECES_MOST = 32768,           /* of a sparse file: what follows is taken as data */
	ATTRIBUTE_MOST = 65536,
};

/* a file of several names: the first of them, until all were met */
struct twin {
	uint64_t dev, ino;
	char *path;         /* NULL: free, or all were met */
	uint64_t left;
};

struct pack {
	struct sink *to;
	void (*on)(uint64_t bytes);
	const char *why;
	uint64_t bytes, changed;
	struct walk *walk;       /* keep of its levels: where their path ends */
	struct twin *twin;       /* a hash table, at most three quarters full */
	size_t ntwins, twins;    /* used, and all: a power of 2 */
	char *path;              /* of what is packed now: "./..." */
	size_t path_room;
	struct tar_entry e;
	struct tar_xattr *xattr;
	size_t xattrs;           /* room */
	uint8_t *attributes;     /* their names and values */
	size_t attributes_room;
	struct tar_piece *piece;
	size_t pieces;           /* room */
	char first_changed[256];
	char target[PATH_MAX];
	char buf[ROOM];
};

/* once: what is said first is why */
static int
fail(struct pack *p, const char *what)
{
	if (!p->why)
		p->why = fmt("%s %.2000s: %s", what, p->path, strerror(errno));
	return -1;
}

static int
fail_sink(struct pack *p)
{
	if (!p->why)
		p->why = sink_why(p->to);
	return -1;
}

/* false: out of memory. Twice as much each time, so that few are needed */
static bool
grow_to(void *at, size_t *room, size_t need, size_t size)
{
	size_t more = need + need / 2 + 16;
	void *old, *grown;

	if (need <= *room)
		return true;
	if (more > SIZE_MAX / size) {
		errno = ENOMEM;
		return false;
	}
	memcpy(&old, at, sizeof(old));
	grown = realloc(old, more * size);
	if (!grown)
		return false;
	memcpy(at, &grown, sizeof(grown));
	*room = more;
	return true;
}

/* ---- files of several names ------------------------------------------------------ */

static struct twin *
twin_slot(struct twin *table, size_t size, uint64_t dev, uint64_t ino)
{
	size_t i = (size_t)((ino ^ dev << 7) * 0x9e3779b97f4a7c15 >> 32) & (size - 1);

	while (table[i].ino && (table[i].ino != ino || table[i].dev != dev))
		i = (i + 1) & (size - 1);
	return &table[i];
}

static bool
twins_grow(struct pack *p)
{
	size_t size = 64, n = 0, i;
	struct twin *table;

	for (i = 0; i < p->twins; i++)
		n += p->twin[i].path != NULL;  /* those that are done need no place */
	while (size / 2 <= n)
		size *= 2;
	table = calloc(size, sizeof(*table));
	if (!table)
		return false;
	for (i = 0; i < p->twins; i++)
		if (p->twin[i].path)
			*twin_slot(table, size, p->twin[i].dev, p->twin[i].ino) = p->twin[i];
	free(p->twin);
	p->twin = table;
	p->twins = size;
	p->ntwins = n;
	return true;
}

/* the path under which it is in the archive already, or NULL: it is now; -1: out of memory */
static int
twin_find(struct pack *p, const struct stat *st, const char **path)
{
	struct twin *t;

	*path = NULL;
	if (st->st_nlink < 2 || !st->st_ino)
		return 0;
	if (p->ntwins >= p->twins / 4 * 3 && !twins_grow(p))
		return -1;
	t = twin_slot(p->twin, p->twins, st->st_dev, st->st_ino);
	if (!t->ino) {
		*t = (struct twin){ st->st_dev, st->st_ino, strdup(p->path), st->st_nlink - 1 };
		p->ntwins++;
		return t->path ? 0 : -1;
	}
	*path = t->path;
	return 0;
}

/* it was met once more, and path is no longer used */
static void
twin_met(struct pack *p, const struct stat *st)
{
	struct twin *t = twin_slot(p->twin, p->twins, st->st_dev, st->st_ino);

	if (t->left && --t->left == 0) {
		free(t->path);
		t->path = NULL;
	}
}

/* ---- what a file has beside its data --------------------------------------------------- */

static bool
is_packed(const char *name)
{
	return !after(name, "system.") || streq(name, "system.posix_acl_access") || streq(name, "system.posix_acl_default");
}

static ssize_t
get_value(int fd, const char *self, const char *name, void *value, size_t size)
{
	return fd >= 0 ? fgetxattr(fd, name, value, size) : lgetxattr(self, name, value, size);
}

/* of an fd, or else of a path that is no link to follow */
static int
take_attributes(struct pack *p, int fd, const char *self)
{
	size_t at, names, end, n = 0, i;
	char *name;
	ssize_t len;

	p->e.nxattr = 0;
	if (!grow_to(&p->attributes, &p->attributes_room, 2 * ATTRIBUTE_MOST, 1))
		return fail(p, "read attributes of");
	len = fd >= 0 ? flistxattr(fd, (char *)p->attributes, ATTRIBUTE_MOST) : llistxattr(self, (char *)p->attributes, ATTRIBUTE_MOST);
	if (len <= 0)  /* no file system that has none is alike in how it says so */
		return len < 0 && errno != ENOTSUP && errno != ENOENT && errno != ENOSYS && fd >= 0 ? fail(p, "read attributes of") : 0;
	names = end = (size_t)len;
	for (at = 0; at < names; at += strlen((char *)p->attributes + at) + 1) {
		if (!is_packed((char *)p->attributes + at))
			continue;
		if (!grow_to(&p->attributes, &p->attributes_room, end + ATTRIBUTE_MOST, 1) ||
		    !grow_to(&p->xattr, &p->xattrs, n + 1, sizeof(*p->xattr)))
			return fail(p, "read attributes of");
		name = (char *)p->attributes + at;
		len = get_value(fd, self, name, p->attributes + end, ATTRIBUTE_MOST);
		if (len < 0 && errno != ENODATA)
			return fail(p, "read attributes of");
		if (len >= 0) {
			/* they may move still: for now, where they are */
			p->xattr[n++] = (struct tar_xattr){ (char *)(uintptr_t)at, (uint8_t *)(uintptr_t)end, (size_t)len };
			end += (size_t)len;
		}
		if (end > TAR_ATTRIBUTES_MOST || n > TAR_XATTRS_MOST) {
			if (!p->why)
				p->why = fmt("%.2000s has more extended attributes than an archive can hold", p->path);
			return -1;
		}
	}
	for (i = 0; i < n; i++) {
		p->xattr[i].name = (char *)p->attributes + (uintptr_t)p->xattr[i].name;
		p->xattr[i].value = p->attributes + (uintptr_t)p->xattr[i].value;
	}
	p->e.xattr = p->xattr;
	p->e.nxattr = n;
	return 0;
}

static void
take_stat(struct tar_entry *e, char type, char *path, const struct stat *st)
{
	*e = (struct tar_entry){
		.type = type, .path = path, .mode = st->st_mode & 07777, .uid = st->st_uid, .gid = st->st_gid,
		.sec = st->st_mtim.tv_sec, .nsec = (uint32_t)st->st_mtim.tv_nsec,
	};
	if (type == '3' || type == '4') {
		e->major = major(st->st_rdev);
		e->minor = minor(st->st_rdev);
	}
}

/* ---- data ------------------------------------------------------------------------------ */

/* 0: it has no holes, or nobody knows; -1: they are too many, and together so large that their zeros had no end */
static int
find_pieces(struct pack *p, int fd, const struct stat *st)
{
	enum { TIMES = 16, ALWAYS = 1 << 30 };
	off_t at = 0, data, end, size = st->st_size;
	size_t n = 0;

	for (; at < size; at = end) {
		data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		end = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (data < at || end <= data || !grow_to(&p->piece, &p->pieces, n + 1, sizeof(*p->piece)))
			return 0;
		if (data >= size)
			break;
		if (n + 1 == PIECES_MOST && (uint64_t)(size - data) / TIMES > (uint64_t)st->st_blocks * 512 + ALWAYS / TIMES) {
			if (!p->why)
				p->why = fmt("%.2000s has more holes than an archive can tell of, and %llu bytes", p->path, (unsigned long long)size);
			return -1;
		}
		if (end > size || n + 1 == PIECES_MOST)
			end = size;
		if (n == 0 && data == 0 && end == size)
			return 0;
		p->piece[n++] = (struct tar_piece){ (uint64_t)data, (uint64_t)(end - data) };
	}
	if (!p->piece && !grow_to(&p->piece, &p->pieces, 1, sizeof(*p->piece)))
		return 0;
	p->e.piece = p->piece;
	p->e.npieces = n;
	return 1;
}

static void
has_changed(struct pack *p)
{
	if (!p->changed++)
		snprintf(p->first_changed, sizeof(p->first_changed), "%s", p->path);
}

/* size bytes of it, whatever it has now: the header has said so */
static int
put_data(struct pack *p, int fd, uint64_t size, bool to_its_end)
{
	uint64_t left = size;
	ssize_t n;

	while (left > 0) {
		/* one byte more tells, at no cost, whether it has grown */
		n = read(fd, p->buf, left < ROOM ? (size_t)left + to_its_end : ROOM);
		if (n < 0 && errno == EINTR && !halted)
			continue;
		if (n < 0)
			return fail(p, "read");
		if (n == 0 || (uint64_t)n > left)
			has_changed(p);
		if (n == 0)
			return sink_zeros(p->to, left) < 0 ? fail_sink(p) : 0;
		if ((uint64_t)n > left)
			n = (ssize_t)left;
		if (sink_put(p->to, p->buf, (size_t)n) < 0)
			return fail_sink(p);
		left -= (uint64_t)n;
		p->bytes += (uint64_t)n;
		p->on(p->bytes);
	}
	return 0;
}

static int
put_file(struct pack *p, int fd, const struct stat *st)
{
	const struct tar_entry *e = &p->e;
	uint64_t size = 0;
	size_t i;

	if (tar_put(p->to, e) < 0)
		return fail_sink(p);
	if (!e->piece) {
		if (put_data(p, fd, e->size, true) < 0)
			return -1;
		size = e->size;
	}
	for (i = 0; i < e->npieces; i++) {
		if (lseek(fd, (off_t)e->piece[i].offset, SEEK_SET) < 0)
			return fail(p, "read");
		if (put_data(p, fd, e->piece[i].size, e->piece[i].offset + e->piece[i].size == (uint64_t)st->st_size) < 0)
			return -1;
		size += e->piece[i].size;
	}
	return tar_put_end(p->to, size) < 0 ? fail_sink(p) : 0;
}

/* ---- one entry --------------------------------------------------------------------------- */

/* 1: it is another name of what is there already */
static int
put_twin(struct pack *p, const struct stat *st)
{
	const char *first;
	struct tar_entry e;

	if (twin_find(p, st, &first) < 0)
		return fail(p, "remember");
	if (!first)
		return 0;
	take_stat(&e, '1', p->path, st);
	e.link = (char *)first;
	if (tar_put(p->to, &e) < 0)
		return fail_sink(p);
	twin_met(p, st);
	return 1;
}

static int
pack_file(struct pack *p, int fd, const struct stat *st)
{
	int ret = put_twin(p, st);

	if (ret)
		return ret < 0 ? -1 : 0;
	take_stat(&p->e, '0', p->path, st);
	p->e.size = (uint64_t)st->st_size;
	if (take_attributes(p, fd, NULL) < 0)
		return -1;
	if (st->st_blocks < (st->st_size + 511) / 512) {
		ret = find_pieces(p, fd, st);
		if (ret < 0)
			return -1;
		if (ret == 0 && lseek(fd, 0, SEEK_SET) < 0)
			return fail(p, "read");
	}
	if (st->st_size > ROOM)
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return put_file(p, fd, st);
}

/* links, devices, FIFOs. Sockets are of those who listen on them */
static int
pack_special(struct pack *p, int dir, const char *name, const struct stat *st)
{
	static const struct { mode_t kind; char type; } types[] = {
		{ S_IFLNK, '2' }, { S_IFCHR, '3' }, { S_IFBLK, '4' }, { S_IFIFO, '6' },
	};
	char self[40 + NAME_MAX];
	ssize_t n;
	size_t i;
	int ret;

	for (i = 0; i < LEN(types) && types[i].kind != (st->st_mode & S_IFMT); i++)
		;
	if (i == LEN(types))
		return 0;
	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir, name, p->target, sizeof(p->target) - 1);
		if (n < 0 && (errno == ENOENT || errno == EINVAL))  /* it went, or became another thing */
			return has_changed(p), 0;
		if (n < 0)
			return fail(p, "read");
		p->target[n] = 0;
	}
	ret = put_twin(p, st);
	if (ret)
		return ret < 0 ? -1 : 0;
	take_stat(&p->e, types[i].type, p->path, st);
	if (S_ISLNK(st->st_mode))
		p->e.link = p->target;
	snprintf(self, sizeof(self), "/proc/self/fd/%d/%s", dir, name);
	if (take_attributes(p, -1, self) < 0)
		return -1;
	return tar_put(p->to, &p->e) < 0 ? fail_sink(p) : 0;
}

static bool
set_path(struct pack *p, size_t at, const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	if (at + n + m > TAR_NAME_MOST) {
		if (!p->why)
			p->why = fmt("%.200s... is deeper than an archive can tell", p->path);
		return false;
	}
	if (!grow_to(&p->path, &p->path_room, at + n + m + 1, 1))
		return false;
	memcpy(p->path + at, name, n);
	memcpy(p->path + at + n, end, m + 1);
	return true;
}

/* the directory itself, and it is gone into; takes the fd */
static int
pack_directory(struct pack *p, int fd, const struct stat *st)
{
	struct look l;

	take_stat(&p->e, '5', p->path, st);
	if (take_attributes(p, fd, NULL) < 0 || sys_look(fd, "", &l) < 0) {
		drop(fd);
		return fail(p, "read");
	}
	if (tar_put(p->to, &p->e) < 0) {
		drop(fd);
		return fail_sink(p);
	}
	if (p->walk->depth && walk_is_mount(p->walk, &l))
		return drop(fd), 0;
	if (walk_down(p->walk, fd, &l, "") < 0)
		return fail(p, "read");
	p->walk->level[p->walk->depth - 1].keep = strlen(p->path);
	return 0;
}

static int
pack_entry(struct pack *p, int dir, const struct walk_entry *e)
{
	size_t at = (size_t)p->walk->level[p->walk->depth - 1].keep;
	struct stat st = { .st_mode = DTTOIF(e->type) };
	int fd, ret;

	if (!set_path(p, at, e->name, ""))
		return fail(p, "read");
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		if (fstatat(dir, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : fail(p, "read");
		if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
			return pack_special(p, dir, e->name, &st);
	}
	/* a FIFO or device is not waited for, if it has become one */
	fd = walk_source(dir, e->name, O_NONBLOCK | (S_ISDIR(st.st_mode) ? O_DIRECTORY : 0));
	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == ENXIO))
		return has_changed(p), 0;
	if (fd < 0)
		return fail(p, "open");
	if (fstat(fd, &st) < 0) {
		drop(fd);
		return fail(p, "read");
	}
	if (S_ISDIR(st.st_mode)) {
		if (!set_path(p, at, e->name, "/")) {
			drop(fd);
			return fail(p, "read");
		}
		return pack_directory(p, fd, &st);
	}
	ret = S_ISREG(st.st_mode) ? pack_file(p, fd, &st) : 0;
	drop(fd);
	return ret;
}

static int
walk(struct pack *p)
{
	struct walk *w = p->walk;
	const struct walk_entry *e;
	bool failed;
	int left;

	while (w->depth) {
		if (halted) {
			errno = EINTR;
			return fail(p, "read");
		}
		e = walk_next(w, &failed);
		if (e) {
			if (pack_entry(p, walk_at(w, w->depth - 1)->fd, e) < 0)
				return -1;
			continue;
		}
		p->path[w->level[w->depth - 1].keep] = 0;
		if (failed)
			return fail(p, "read");
		if (walk_up(w, &left) < 0) {
			drop(left);
			return fail(p, "read");
		}
		drop(left);
	}
	return 0;
}

static int
pack_all(struct pack *p, int dir)
{
	struct stat st;
	int fd;

	if (!set_path(p, 0, "./", ""))
		return fail(p, "read");
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		drop(fd);
		return fail(p, "read");
	}
	if (pack_directory(p, fd, &st) < 0 || walk(p) < 0)
		return -1;
	return tar_finish(p->to) < 0 ? fail_sink(p) : 0;
}

int
pack_tree(int dir, struct sink *to, void (*on)(uint64_t bytes), const char **why)
{
	struct pack *p = calloc(1, sizeof(*p));
	struct walk *w = walk_begin();
	size_t i;
	int ret;

	*why = "out of memory";
	if (!p || !w) {
		walk_end(w);
		free(p);
		return -1;
	}
	p->to = to;
	p->on = on;
	p->walk = w;
	ret = pack_all(p, dir);
	*why = p->why;
	if (ret == 0 && p->changed)
		*why = fmt("%llu files changed while they were read, the first is %s", (unsigned long long)p->changed, p->first_changed);
	walk_end(w);
	for (i = 0; i < p->twins; i++)
		free(p->twin[i].path);
	free(p->twin);
	free(p->path);
	free(p->xattr);
	free(p->attributes);
	free(p->piece);
	free(p);
	return ret;
}
