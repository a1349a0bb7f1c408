/* SPDX-License-Identifier: 0BSD */
/* The way through a tree, however deep, with few fds */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

struct walk_open *
walk_at(struct walk *w, size_t depth)
{
	return &w->open[depth % WALK_WINDOW];
}

struct walk *
walk_begin(void)
{
	struct walk *w = calloc(1, sizeof(*w));
	int i;

	for (i = 0; w && i < WALK_WINDOW; i++)
		w->open[i].fd = -1;
	return w;
}

void
walk_end(struct walk *w)
{
	int i;

	for (i = 0; w && i < WALK_WINDOW; i++)
		drop(w->open[i].fd);
	if (w)
		free(w->level);
	free(w);
}

int
walk_down(struct walk *w, int fd, const struct look *l, const char *name)
{
	struct walk_open *o = walk_at(w, w->depth);
	size_t n = strlen(name);
	struct walk_level *more;

	if (w->depth == w->room) {
		more = realloc(w->level, (w->room + 64) * 2 * sizeof(*more));
		if (!more)
			return drop(fd);
		w->level = more;
		w->room = (w->room + 64) * 2;
	}
	if (w->depth == 0)
		w->top = *l;
	if (w->beyond || w->len + n + 2 > sizeof(w->path))
		w->beyond++;
	else if (w->depth)
		w->len += (size_t)snprintf(w->path + w->len, sizeof(w->path) - w->len, "%s%s", w->len ? "/" : "", name);
	w->level[w->depth++] = (struct walk_level){ l->dev, l->ino, 0, 0, false };
	drop(o->fd);
	o->fd = fd;
	o->own = NULL;
	o->last = o->at = o->end = 0;
	return 0;
}

int
walk_source(int dir, const char *name, int flags)
{
	enum { FLAGS = O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC };
	int fd = openat(dir, name, flags | FLAGS | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(dir, name, flags | FLAGS) : fd;
}

int
walk_above(int fd, uint64_t dev, uint64_t ino)
{
	int above = walk_source(fd, "..", O_DIRECTORY);
	struct look l;

	if (above < 0 || sys_look(above, "", &l) < 0)
		return drop(above);
	if (l.ino != ino || (dev != WALK_ANY && l.dev != dev)) {  /* somebody moves what we walk in */
		errno = ESTALE;
		return drop(above);
	}
	return above;
}

int
walk_up(struct walk *w, int *left)
{
	struct walk_open *o = walk_at(w, --w->depth);
	const struct walk_level *v;

	*left = o->fd;
	o->fd = -1;
	if (w->beyond)
		w->beyond--;
	else
		while (w->len > 0 && w->path[--w->len] != '/')
			;
	w->path[w->len] = 0;
	if (w->depth == 0)
		return 0;
	v = &w->level[w->depth - 1];
	o = walk_at(w, w->depth - 1);
	if (o->fd >= 0)
		return 0;
	o->fd = walk_above(*left, v->dev, v->ino);
	o->last = o->at = o->end = 0;
	return o->fd < 0 || lseek(o->fd, v->next, SEEK_SET) < 0 ? -1 : 0;
}

const struct walk_entry *
walk_next(struct walk *w, bool *failed)
{
	struct walk_open *o = walk_at(w, w->depth - 1);
	const struct walk_entry *e;
	long n;

	do {
		if (o->at == o->end) {
			n = syscall(SYS_getdents64, o->fd, o->batch, sizeof(o->batch));
			*failed = n < 0 && errno != ENOENT;  /* removed while we read */
			o->at = 0;
			o->end = n > 0 ? (size_t)n : 0;
			if (n <= 0)
				return NULL;
		}
		e = (const struct walk_entry *)(const void *)((char *)o->batch + o->at);
		o->last = o->at;
		o->at += e->size;
		w->level[w->depth - 1].next = e->next;
	} while (streq(e->name, ".") || streq(e->name, ".."));
	return e;
}

bool
walk_is_mount(const struct walk *w, const struct look *l)
{
	enum { SUBVOLUME = 256 };

	if (l->mount && w->top.mount)
		return l->mount != w->top.mount;
	/* of what is no directory, an overlay says where it has it from; a subvolume of btrfs has a number of its own */
	return S_ISDIR(l->mode) && w->depth && l->dev != w->level[w->depth - 1].dev && l->ino != SUBVOLUME;
}

bool
walk_mounted(const char *path, bool below)
{
	enum { WHERE = 4 };  /* the field of mountinfo in proc(5): spaces and the like are \040 there */
	int fd = openat(AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), field = 0, octal = 0, byte = 0;
	const char *same = path;  /* as much as is the same; NULL: another path */
	char buf[4096], *c;
	bool found = false;
	ssize_t n;

	while (!found && (n = read(fd, buf, sizeof(buf))) > 0)
		for (c = buf; c < buf + n && !found; c++) {
			if (*c == '\n') {
				field = 0;
				same = path;
			} else if (*c == ' ') {
				found = field++ == WHERE && same && !*same;
			} else if (field != WHERE || !same) {
				continue;
			} else if (*c == '\\') {
				octal = 3;
				byte = 0;
			} else {
				byte = octal ? byte * 8 + *c - '0' : (unsigned char)*c;
				if (octal && --octal)
					continue;
				found = below && !*same && byte == '/';
				same = (unsigned char)*same == byte ? same + 1 : NULL;
			}
		}
	drop(fd);
	return found;
}

char *
walk_place(const char *path, bool beyond, const char *name)
{
	size_t room = strlen(path) + strlen(name) + sizeof(".../.");
	char *s = malloc(room);

	if (s)
		snprintf(s, room, "%s%s%s", beyond ? "..." : path, (*path || beyond) && *name ? "/" : "",
		         *name || *path || beyond ? name : ".");
	return s;
}
