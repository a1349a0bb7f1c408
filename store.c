/* SPDX-License-Identifier: 0BSD */
/* Images at rest: where they are, what they are, and how they come and go in one piece */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nspawn-lite.h"
#include CONFIG

const char *const image_kinds[IMAGE_KINDS] = { "directory", "subvolume", "overlay", "raw", "squashfs", "erofs", "block" };
static const char *const ends[IMAGE_KINDS] = { "", "", ".overlay", ".raw", ".squashfs", ".erofs", "" };

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
	if (end - base > 4 && memcmp(end - 4, ".raw", 4) == 0)
		end -= 4;
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

const char *
store_dir(const char *root)
{
	return root ? root : run_path(STORE_DIR);
}

bool
store_at(const char *path, struct image *i)
{
	struct stat st;

	*i = (struct image){ .path = xstrdup(path), .name = store_derive_name(path), .fd = -1 };
	if (stat(path, &st) < 0)
		return false;
	i->kind = S_ISDIR(st.st_mode) && strstr(path, ".overlay") ? IMAGE_OVERLAY : S_ISDIR(st.st_mode) ? IMAGE_DIRECTORY : S_ISBLK(st.st_mode) ? IMAGE_BLOCK : IMAGE_RAW;
	return true;
}

bool
store_find(const char *root, const char *name, struct image *i)
{
	int kind;

	for (kind = 0; kind < IMAGE_KINDS; kind++)
		if (store_at(fmt("%s/%s%s", store_dir(root), name, ends[kind]), i)) {
			i->name = xstrdup(name);
			return true;
		}
	return false;
}

struct image *
store_list(const char *root, bool hidden, size_t *n)
{
	(void)root;
	(void)hidden;
	*n = 0;
	return NULL;
}

void
store_lock(struct image *i, bool alone)
{
	i->fd = openat(AT_FDCWD, i->path, O_RDONLY | O_CLOEXEC);
	if (i->fd < 0)
		die("open %s:", i->path);
	if (flock(i->fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		die("Directory tree %s is currently busy.", i->path);
}

char **
store_clones(const struct image *i)
{
	(void)i;
	return NULL;
}

char *
store_base(const struct image *i)
{
	char text[PATH_MAX];

	if (read_at(AT_FDCWD, fmt("%s/lower", i->path), text, sizeof(text)) <= 0)
		return NULL;
	text[strcspn(text, "\n")] = 0;
	return xstrdup(text);
}

void
store_make(struct making *m, const char *root, const char *name, int kind, bool force)
{
	uint64_t random;
	struct image old;

	if (store_find(root, name, &old) && !force)
		die("Image '%s' already exists.", name);
	mkdir(store_dir(root), 0700);
	random_bytes(&random, sizeof(random));
	m->name = xstrdup(name);
	m->kind = kind;
	m->path = fmt("%s/%s%s", store_dir(root), name, ends[kind]);
	m->temporary = fmt("%s/.#%s%016llx", store_dir(root), name, (unsigned long long)random);
	if (kind == IMAGE_DIRECTORY && mkdir(m->temporary, 0755) < 0)
		die("make %s:", m->temporary);
	m->fd = openat(AT_FDCWD, m->temporary, kind == IMAGE_DIRECTORY ? O_RDONLY | O_DIRECTORY | O_CLOEXEC : O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (m->fd < 0 || flock(m->fd, LOCK_EX | LOCK_NB) < 0)
		die("make %s:", m->temporary);
}

void
store_commit(struct making *m, int how, bool read_only, bool sync)
{
	(void)how;
	(void)read_only;
	(void)sync;
	if (rename(m->temporary, m->path) < 0)
		die("name %s:", m->path);
	m->fd = drop(m->fd);
}

void
store_abandon(struct making *m)
{
	(void)m;
}

void
store_sweep(const char *root)
{
	(void)root;
}

void
store_clone(const struct image *from, struct making *m, bool copy)
{
	(void)from;
	(void)m;
	(void)copy;
	die("clone: not there yet");
}

void
store_remove(struct image *i, bool quiet)
{
	(void)i;
	(void)quiet;
	die("remove: not there yet");
}
