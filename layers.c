/* SPDX-License-Identifier: 0BSD */
/* Layers of images, unpacked once, by the digests of all up to there */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "nspawn-lite.h"

/*
 * In LAYERS_DIR: HEX is what one layer has changed, as overlayfs wants it; HEX.tree is a subvolume with all up to there. A
 * digest tells what is in the layers below, too, as that makes a difference: to whiteouts, links, owners of directories.
 * HEX.new is one that is being made, and spool-HEX for what an archive holds; both are locked by who is at it. Who uses
 * one has a shared lock of it until an image says that it needs it. store.c sweeps: all that has no lock, and no image
 */

static struct layers *unfinished[2];

static _Noreturn void
fail(const char *what, const char *store, const char *name)
{
	die("%s %s/" LAYERS_DIR "/%s:", what, store, name);
}

/* HEX.new, or a spool. A subvolume first, by its name: kernels before 5.8 would take it for a mount */
static int
erase_half(const struct layers *l)
{
	char *where;

	store_erase(l->lock, "upper", &where);
	return store_erase(l->dir, l->half, &where);
}

static void
drop_halves(void)
{
	size_t i;

	for (i = 0; i < LEN(unfinished) && unfinished[i]; i++) {
		if (!unfinished[i]->half)
			continue;
		unfinished[i]->tree = drop(unfinished[i]->tree);
		unfinished[i]->mounts = drop(unfinished[i]->mounts);
		halted = 0;  /* as store.c has it */
		erase_half(unfinished[i]);
	}
}

static void
clean_up_at_exit(struct layers *l)
{
	if (!unfinished[0])
		atexit(drop_halves);
	unfinished[unfinished[0] && unfinished[0] != l] = l;
}

static bool
is_snapshots(const struct layers *l)
{
	return l->m.kind == IMAGE_SUBVOLUME;
}

/* does overlayfs take the file system? It needs attributes of its own there, for directories that hide what is below */
static bool
can_overlay(const struct layers *l)
{
	int upper = openat(l->m.fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC), work = openat(l->m.fd, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *at = l->m.temporary;
	int fd = -1;

	if (upper >= 0 && work >= 0 && fsetxattr(upper, "trusted.overlay.opaque", "y", 1, 0) == 0) {
		fremovexattr(upper, "trusted.overlay.opaque");
		fd = sys_mount_private("overlay", fmt("lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d",
		                       l->dir, upper, work));
		/* before 5.2 it is mounted in another namespace, where only names lead */
		if (fd < 0 && errno == EINVAL && !strpbrk(at, ":,\\"))
			fd = sys_mount_private("overlay", fmt("lowerdir=%s/" LAYERS_DIR ",upperdir=%s/upper,workdir=%s/work", l->m.store, at, at));
	}
	drop(upper);
	drop(work);
	return drop(fd) < 0 && fd >= 0;
}

/* LAYERS_DIR, which goes when it is empty and nobody has it locked */
static int
open_dir(int store, const char *path)
{
	int dir;

	store_turn(store);
	if (mkdirat(store, LAYERS_DIR, 0700) < 0 && errno != EEXIST)
		fail("make", path, "");
	dir = sys_open_dir(store, LAYERS_DIR);
	if (dir < 0)
		fail("open", path, "");
	flock(dir, LOCK_SH | LOCK_NB);
	flock(store, LOCK_UN);
	return dir;
}

void
layers_begin(struct layers *l, const struct ask *a, const char *name)
{
	bool force = a->force || a->replace;

	*l = (struct layers){ .dir = -1, .lock = -1, .tree = -1, .mounts = -1, .last = -1, .sync = !a->no_sync };
	store_make(&l->m, a->image_root, name, IMAGE_DIRECTORY, force);
	if (a->copy)
		return;
	l->dir = open_dir(l->m.dir, l->m.store);
	if (is_snapshots(l))
		return;
	store_abandon(&l->m);
	store_make(&l->m, a->image_root, name, IMAGE_OVERLAY, force);
	if (can_overlay(l))
		return;
	store_abandon(&l->m);
	store_make(&l->m, a->image_root, name, IMAGE_DIRECTORY, force);
	l->dir = drop(l->dir);
}

/* its directory in the store, locked against sweeping; -1: it is not there */
static int
open_ready(const struct layers *l, const char *name)
{
	int fd = sys_open_dir(l->dir, name);

	if (fd >= 0)
		flock(fd, LOCK_SH);
	return fd;
}

/* HEX.new, empty and locked; false: somebody else was at it, and it may be there now. Under the store's lock */
static bool
take_half(struct layers *l)
{
	l->lock = sys_open_dir(l->dir, l->half);
	if (l->lock >= 0) {
		/* where there are no locks nobody has one */
		if (flock(l->lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
			flock(l->m.dir, LOCK_UN);
			say("waiting for who unpacks %s", l->half);
			while (flock(l->lock, LOCK_EX) < 0 && !halted)
				;
			l->lock = drop(l->lock);
			return false;
		}
		if (erase_half(l) < 0)
			fail("remove", l->m.store, l->half);
		drop(l->lock);
	}
	if (mkdirat(l->dir, l->half, 0700) < 0
	    || (l->lock = sys_open_dir(l->dir, l->half)) < 0)
		fail("make", l->m.store, l->half);
	flock(l->lock, LOCK_EX | LOCK_NB);
	return true;
}

/* in HEX.new, on those below */
static void
make_place(struct layers *l)
{
	struct image i = { .kind = IMAGE_OVERLAY, .fd = l->lock, .path = fmt("%s/" LAYERS_DIR "/%s", l->m.store, l->half) };
	int upper;
	size_t n;

	if (is_snapshots(l)) {
		if ((l->n ? btrfs_snapshot(l->last, l->lock, "upper", false) : btrfs_create(l->lock, "upper")) < 0)
			fail("make a subvolume in", l->m.store, l->half);
	} else if (mkdirat(l->lock, "upper", 0755) < 0 || mkdirat(l->lock, "work", 0755) < 0) {
		fail("make a layer in", l->m.store, l->half);
	}
	upper = sys_open_dir(l->lock, "upper");
	if (upper < 0)
		fail("open upper in", l->m.store, l->half);
	l->tree = upper;
	if (is_snapshots(l) || !l->n)
		return;
	if (copy_attributes(l->last, upper) < 0)
		fail("make a layer in", l->m.store, l->half);
	close(upper);
	for (n = l->n; n > 0; n--)
		grow(&i.layers, fmt("%s/" LAYERS_DIR "/%s", l->m.store, l->name[n - 1]));
	l->tree = image_open_layer(&i, &l->mounts);
}

int
layers_next(struct layers *l, const char *diff_id)
{
	const char *text = l->n ? fmt("%s %s", l->chain, diff_id) : NULL;
	int fd;

	if (l->n == LAYERS_MOST)
		die("%s: more than %d layers", l->m.name, LAYERS_MOST);
	memcpy(l->below, l->chain, sizeof(l->below));
	if (text)
		sha256_text(text, strlen(text), l->chain);
	else
		snprintf(l->chain, sizeof(l->chain), "%s", diff_id);
	text = strchr(l->chain, ':') + 1;
	snprintf(l->name[l->n], LAYER_NAME, "%s%s", text, is_snapshots(l) ? ".tree" : "");
	if (l->dir < 0) {
		l->n++;
		return l->m.fd;
	}
	l->half = NULL;
	clean_up_at_exit(l);
	for (;;) {
		store_turn(l->m.dir);
		fd = open_ready(l, l->name[l->n]);
		if (fd >= 0)
			break;
		l->half = fmt("%s.new", text);
		if (take_half(l))
			break;
		l->half = NULL;  /* it is another's */
		if (halted)
			die("%s: interrupted", l->m.name);
	}
	flock(l->m.dir, LOCK_UN);
	if (fd >= 0) {
		l->half = NULL;
		l->last = fd;
		l->n++;
		return -1;
	}
	make_place(l);
	return l->tree;
}

bool
layers_again(struct layers *l)
{
	if (l->dir < 0)
		return false;
	l->tree = drop(l->tree);
	l->mounts = drop(l->mounts);
	erase_half(l);
	l->half = NULL;
	l->lock = drop(l->lock);
	memcpy(l->chain, l->below, sizeof(l->chain));
	return true;
}

void
layers_done(struct layers *l)
{
	const char *name;

	if (l->dir < 0)
		return;
	name = l->name[l->n];
	l->tree = drop(l->tree);
	l->mounts = drop(l->mounts);
	/* what has the name is whole, also when the power fails */
	if (l->sync && syncfs(l->dir) < 0)
		fail("write", l->m.store, name);
	store_turn(l->m.dir);
	if (renameat(l->lock, "upper", l->dir, name) < 0)
		fail("name", l->m.store, name);
	l->last = open_ready(l, name);
	if (is_snapshots(l))
		btrfs_set_read_only(l->last, true);
	erase_half(l);
	l->half = NULL;
	l->lock = drop(l->lock);
	flock(l->m.dir, LOCK_UN);
	if (l->last < 0)
		fail("open", l->m.store, name);
	l->n++;
}

void
layers_finish(struct layers *l, const struct ask *a, const char *config, size_t len)
{
	struct image from = { .kind = IMAGE_SUBVOLUME, .fd = l->last };
	char *list = xstrdup(LAYERS_DIR "\n");
	size_t n;
	int upper;

	for (n = l->n; n > 0; n--)
		list = fmt("%s%s\n", list, l->name[n - 1]);
	if (l->m.kind == IMAGE_OVERLAY) {
		upper = sys_open_dir(l->m.fd, "upper");
		if (upper < 0 || copy_attributes(l->last, upper) < 0 || write_at(l->m.fd, "lower", 0644, list) < 0)
			die("write %s:", l->m.path);
		drop(upper);
	} else if (l->dir >= 0) {
		from.path = fmt("%s/" LAYERS_DIR "/%s", l->m.store, l->name[l->n - 1]);
		store_clone(&from, &l->m, STORE_NO_OVERLAY);
		store_beside(&l->m, STORE_LAYERS, list, strlen(list));
	}
	store_beside(&l->m, STORE_CONFIG, config, len);
	store_commit(&l->m, a->replace ? STORE_REPLACE : a->force ? STORE_FORCE : STORE_NEW, a->read_only, l->sync);
}

int
layers_spool(struct layers *l, const char *root)
{
	uint64_t random;
	int store;

	*l = (struct layers){ .dir = -1, .lock = -1, .tree = -1, .mounts = -1, .last = -1 };
	halt_by_signal();
	store_check_pool(root);
	if (run_make_dirs(store_dir(root), 0700) < 0)
		die("make %s:", store_dir(root));
	store_sweep(root, false);
	store = openat(AT_FDCWD, store_dir(root), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store < 0)
		die("open %s:", store_dir(root));
	l->dir = open_dir(store, store_dir(root));
	random_bytes(&random, sizeof(random));
	store_turn(store);
	l->half = fmt("spool-%016llx", (unsigned long long)random);
	clean_up_at_exit(l);
	if (mkdirat(l->dir, l->half, 0700) < 0
	    || (l->lock = sys_open_dir(l->dir, l->half)) < 0)
		fail("make", store_dir(root), l->half);
	flock(l->lock, LOCK_EX | LOCK_NB);
	drop(store);
	return l->lock;
}
