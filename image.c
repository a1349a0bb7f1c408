/* SPDX-License-Identifier: 0BSD */
/* Images at rest: finding one, its lock, its name, what it says of itself */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nspawn-lite.h"
#include CONFIG

char *
image_search(const struct plan *p, const char *name)
{
	static const char *const path[] = { IMAGE_PATH };
	char *dir;
	struct stat st;
	size_t i;

	if (p->image_root) {
		dir = fmt("%s/%s", p->image_root, name);
		return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) ? dir : NULL;
	}
	for (i = 0; i < LEN(path); i++) {
		dir = run_path(fmt("%s/%s", path[i], name));
		if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
			return dir;
	}
	return NULL;
}

static void
take_lock(const struct plan *p, struct run *r)
{
	bool shared = p->read_only || p->ephemeral || p->volat > VOLATILE_NO;

	if (p->lock == NO || flock(r->tree, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return;
	if (errno == EWOULDBLOCK)
		die("Directory tree %s is currently busy.", r->root);
	say("%s cannot be locked, going on: %s", r->root, strerror(errno));
}

static void
take_name(const struct plan *p, struct run *r)
{
	uint64_t random;

	r->name = p->machine ? p->machine : store_derive_name(r->root);
	if (!r->name)
		die("%s gives no valid name for a machine; say one with -M", r->root);
	if (p->ephemeral && !p->machine && r->life_before >= 0) {
		r->name = getenv("NSPAWN_LITE_NAME");
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

void
image_take(const struct plan *p, struct run *r)
{
	const char *path = p->directory;
	char real[PATH_MAX];
	ssize_t n;

	if (!path && p->machine) {
		path = image_search(p, p->machine);
		if (!path)
			die("No image for machine '%s'.", p->machine);
	}
	if (!path)
		path = ".";
	r->tree = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->tree < 0)
		die("Failed to open tree %s:", path);
	n = readlink(fmt("/proc/self/fd/%d", r->tree), real, sizeof(real) - 1);
	if (n > 0)
		real[n] = 0;
	else if (!realpath(path, real))
		die("Failed to open tree %s:", path);
	r->root = xstrdup(real);
	if (!utf8_clean(real))
		die("the path of the tree holds control characters or is no UTF-8: rename it");
	if (streq(r->root, "/") && !p->ephemeral && p->volat != VOLATILE_YES && p->volat != VOLATILE_STATE)
		die("Spawning container on root directory is not supported. "
		    "Consider using --ephemeral, --volatile=yes or --volatile=state.");
	take_name(p, r);
	take_lock(p, r);
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
	r->uuid[6] = (uint8_t)((r->uuid[6] & 0x0f) | 0x40);  /* RFC 4122, version 4 */
	r->uuid[8] = (uint8_t)((r->uuid[8] & 0x3f) | 0x80);
}

void
image_look(const struct plan *p, struct run *r)
{
	uint8_t random[2][16];
	int fd;

	random_bytes(random, sizeof(random));
	look_for_id(p, r, random[0]);
	memcpy(r->boot_id, random[1], sizeof(r->boot_id));
	r->boot_id[6] = (uint8_t)((r->boot_id[6] & 0x0f) | 0x40);
	r->boot_id[8] = (uint8_t)((r->boot_id[8] & 0x3f) | 0x80);
	if (!p->boot || p->check_os_release == NO)
		return;
	fd = sys_open_in(r->tree, "etc/os-release", O_PATH, 0);
	if (fd < 0)
		fd = sys_open_in(r->tree, "usr/lib/os-release", O_PATH, 0);
	if (fd < 0)
		warn("Directory %s doesn't look like an OS root directory (os-release file is missing).", r->root);
	drop(fd);
}
