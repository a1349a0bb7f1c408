/* SPDX-License-Identifier: 0BSD */
/*
 * What the machine sees as /. All of it is built by a child in a mount namespace of its own, and
 * nearly all after the tree has become its root: from then on no path leads to the host, whatever
 * links the tree holds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nspawn-lite.h"

#define NOTHING_SPECIAL (MS_NOSUID | MS_NOEXEC | MS_NODEV)
#define RUN_FLAGS (MS_NOSUID | MS_NODEV | MS_STRICTATIME)
#define FDS "/proc/self/fd/"

const struct root_node root_nodes[ROOT_NODES + 1] = {
	{ "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
	{ "net/tun", 10, 200 },
};
const struct root_link root_links[ROOT_LINKS + 1] = {
	{ "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" }, { "core", "/proc/kcore" },
	{ "console", "pts/0" },  /* last: not without a terminal */
};
static const char *const mount_points[] = { "proc", "sys", "dev", "run", "tmp" };

/* ---- words -------------------------------------------------------------------- */

static bool
clean_absolute(const char *path)
{
	return *path == '/' && !strstr(path, "/../") && strlen(path) < PATH_MAX
	    && !(strlen(path) >= 3 && streq(path + strlen(path) - 3, "/.."));
}

/* ID:VALUE; the id is a file name */
static const char *
credential_value(const char *word)
{
	const char *colon = strchr(word, ':');
	size_t n = colon ? (size_t)(colon - word) : 0;

	if (!colon || n == 0 || n > NAME_MAX || memchr(word, '/', n) || (n <= 2 && strncmp(word, "..", n) == 0))
		return NULL;
	return colon + 1;
}

static const char *apifs_label;  /* SELinux's, of what is mounted for the machine */

static void
check_pivot(const struct plan *p)
{
	const char *colon = strchr(p->pivot_root, ':');
	char *new = xstrndup(p->pivot_root, strcspn(p->pivot_root, ":"));

	if (!clean_absolute(new) || !new[strspn(new, "/")])
		die("--pivot-root=%.200s: NEW is no absolute path without \"..\", or it is /", p->pivot_root);
	if (colon && (!clean_absolute(colon + 1) || !colon[1 + strspn(colon + 1, "/")] || strchr(colon + 1, ':')))
		die("--pivot-root=%.200s: OLD is no absolute path without \"..\", or it is /", p->pivot_root);
	if (colon && (p->ephemeral || p->volat == VOLATILE_YES || p->volat == VOLATILE_OVERLAY))
		die("--pivot-root=%.200s: with --ephemeral or --volatile=yes|overlay changes of OLD would be kept; leave OLD out",
		    p->pivot_root);
}

/* NAME=VALUE of --sysctl as a path: the first of . and / divides the parts, and the other one stands for itself; NULL: none */
static char *
sysctl_path(const char *word)
{
	size_t i, n = strcspn(word, "=");
	char *path = fmt("sys/%.*s", (int)n, word), *s = path + 4;
	bool dots = s[strcspn(s, "./")] == '.';

	for (i = 0; dots && s[i]; i++)
		s[i] = s[i] == '.' ? '/' : s[i] == '/' ? '.' : s[i];
	return word[n] && n > 0 && *s != '/' && !strstr(s, "..") && !strstr(s, "//") && !strstr(s, "/./") ? path : NULL;
}

/* only what is the machine's own: in its namespaces a write can mean no other */
static void
check_sysctl(const struct plan *p, const char *word)
{
	static const char *const ipc[] = { "sys/kernel/shm", "sys/kernel/msg", "sys/kernel/sem", "sys/fs/mqueue/" };
	const char *path = sysctl_path(word);
	size_t i;
	bool own;

	if (!path)
		die("--sysctl=%.80s: not NAME=VALUE", word);
	own = (after(path, "sys/net/") && net_rules(p)) || (streq(path, "sys/kernel/domainname") && p->share_uts != YES);
	for (i = 0; i < LEN(ipc); i++)
		own |= after(path, ipc[i]) && p->share_ipc != YES;
	if (!own || rescue(p))
		die("--sysctl=%.80s: not a parameter of the network, IPC or domain name that is the machine's own", word);
}

void
root_check(const struct plan *p)
{
	char **w;

	if (p->chdir && !clean_absolute(p->chdir))
		die("--chdir=%s: not an absolute path without \"..\"", p->chdir);
	if (WITH_OVERLAY && p->pivot_root)
		check_pivot(p);
	for (w = p->sysctl; WITH_OCI && w && *w; w++)
		check_sysctl(p, *w);
	if (p->container_service && (!name_valid(p->container_service)))
		die("--container-service=%.60s: not a name of at most %d letters, digits, dots, _ and -", p->container_service,
		    NAME_LONGEST);
	if (rescue(p) && net_private(p))
		die("--rescue goes with the host's network: leave the network options out");
	for (w = p->set_credential; WITH_INTEGRATION && w && *w; w++)
		if (!credential_value(*w))
			die("--set-credential=%s: not ID:VALUE with a file name as ID", *w);
	for (w = p->load_credential; WITH_INTEGRATION && w && *w; w++)
		if (!credential_value(*w) || !*credential_value(*w))
			die("--load-credential=%s: not ID:PATH with a file name as ID", *w);
}

/* ---- the host's side, before ----------------------------------------------------- */

static char *
host_file(const char *const *paths)
{
	enum { SIZE = 16384 };
	static void *at;
	char *text = scratch_room(&at, SIZE);

	for (; *paths; paths++)
		if (read_at(AT_FDCWD, *paths, text, SIZE) > 0)
			return xstrdup(text);
	return NULL;
}

static int
resolv_mode(const struct plan *p, const struct run *r)
{
	if (p->resolv_conf && p->resolv_conf != RESOLV_AUTO)
		return p->resolv_conf;
	if (net_private(p) && !p->network_namespace_path && !r->resolver_text)
		return RESOLV_OFF;
	return r->read_only || rescue(p) ? RESOLV_BIND_HOST : RESOLV_COPY_HOST;
}

static void
look_at_resolv(const struct plan *p, struct run *r)
{
	static const char *const ours[] = { "/etc/resolv.conf", NULL };
	static const char *const fixed[] = { "/usr/lib/systemd/resolv.conf", "/etc/resolv.conf", NULL };
	static const char *const uplink[] = { "/run/systemd/resolve/resolv.conf", "/etc/resolv.conf", NULL };
	static const char *const stub[] = { "/run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf", NULL };
	static const char *const *const sources[] = { ours, fixed, uplink, stub };
	int mode = resolv_mode(p, r);

	if (r->resolver_text && (!p->resolv_conf || p->resolv_conf == RESOLV_AUTO))
		r->host_resolv = r->resolver_text;
	else if (mode != RESOLV_OFF && mode != RESOLV_DELETE)
		r->host_resolv = host_file(sources[(mode - RESOLV_COPY_HOST) % 4]);
}

/* a system that is repaired keeps what it says of itself */
static int
zone_mode(const struct plan *p)
{
	return p->timezone ? p->timezone : rescue(p) ? ZONE_OFF : ZONE_AUTO;
}

/* the host's zone: a name below zoneinfo, or the file itself */
static void
look_at_zone(const struct plan *p, struct run *r)
{
	char link[PATH_MAX], *at;
	ssize_t n;
	int fd;

	if (zone_mode(p) == ZONE_OFF || p->timezone == ZONE_DELETE)
		return;
	n = readlink("/etc/localtime", link, sizeof(link) - 1);
	if (n < 0 && errno == ENOENT && read_at(AT_FDCWD, "/etc/TZ", link, sizeof(link)) > 0) {
		link[strcspn(link, "\n")] = 0;  /* as routers keep it */
		r->host_tz = xstrdup(link);
		return;
	}
	if (n > 0) {
		link[n] = 0;
		at = strstr(link, "/zoneinfo/");
		if (at)
			r->host_zone = xstrdup(at + strlen("/zoneinfo/"));
	}
	/* UTC is what a guest without the zone's file has anyway */
	if ((n < 0 && errno != EINVAL) || p->timezone == ZONE_SYMLINK
	    || (r->host_zone && (!p->timezone || p->timezone == ZONE_AUTO) && strstr(r->host_zone, "UTC")))
		return;
	fd = openat(AT_FDCWD, "/etc/localtime", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	r->host_zone_data = xalloc(65536);
	n = read_all(fd, r->host_zone_data, 65536);
	r->host_zone_size = n > 0 ? (size_t)n : 0;
	close(fd);
}

static void
look_at_journal(const struct plan *p, struct run *r)
{
	int mode = p->link_journal ? p->link_journal : rescue(p) ? JOURNAL_NO : JOURNAL_AUTO;
	char id[33], host_text[64];
	uint8_t host_id[16];
	char *path;

	/* a journal by an id of chance is one that nobody finds again */
	if (mode == JOURNAL_NO || (!r->uuid_known && mode != JOURNAL_HOST && mode != JOURNAL_GUEST))
		return;
	format_id128(r->uuid, id);
	path = run_path(fmt("/var/log/journal/%s", id));
	r->journal_path = path;
	if (mode == JOURNAL_AUTO && access(path, F_OK) < 0) {
		r->journal_path = NULL;
		return;
	}
	if (read_at(AT_FDCWD, "/etc/machine-id", host_text, sizeof(host_text)) >= 32) {
		host_text[strcspn(host_text, "\n")] = 0;
		if (parse_id128(host_text, host_id) && memcmp(host_id, r->uuid, sizeof(host_id)) == 0) {
			/* a copy of the host's own tree: its journal is nothing for a guest */
			if (mode == JOURNAL_HOST || mode == JOURNAL_GUEST)
				die("Host and machine ids are equal (%s): refusing to link journals", id);
			r->journal_path = NULL;
			return;
		}
	}
	if (mode == JOURNAL_TRY_HOST || mode == JOURNAL_TRY_GUEST)
		if (p->ephemeral || access(run_path("/var/log/journal"), F_OK) < 0) {
			r->journal_path = NULL;
			return;
		}
	if (mode == JOURNAL_GUEST || mode == JOURNAL_TRY_GUEST) {
		/* the host sees the guest's own directory under its usual name */
		char *guest = fmt("%s/var/log/journal/%s", r->root, id);
		char now[PATH_MAX];
		ssize_t n = readlink(path, now, sizeof(now) - 1);

		r->journal_path = NULL;
		if (n > 0 && (now[n] = 0, streq(now, guest)))
			return;
		mkdir(run_path("/var/log/journal"), 0755);
		unlink(path);
		if (symlink(guest, path) < 0)
			mode == JOURNAL_GUEST ? die("link the journal %s:", path) : say("no journal link %s", path);
		return;
	}
	mkdir(run_path("/var/log/journal"), 0755);
	if (mkdir(path, 0755) < 0 && errno != EEXIST && mode != JOURNAL_AUTO)
		die("make the journal directory %s:", path);
}

/* a service manager gives file names relative to its own credentials */
static char *
load_credential(const char *path, size_t *size)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	enum { SIZE = 1 << 20 };
	static char *data;
	struct stat st;
	ssize_t n;
	int fd;

	if (!data && !(data = malloc(SIZE)))
		die("out of memory");
	if (*path != '/') {
		if (!dir)
			die("--load-credential: %s is relative, and CREDENTIALS_DIRECTORY is not set", path);
		path = fmt("%s/%s", dir, path);
	}
	if (stat(path, &st) < 0)
		die("read credential %s:", path);
	if (S_ISSOCK(st.st_mode)) {
		fd = sys_named_socket(SOCK_STREAM, path, false);
		if (fd < 0)
			die("connect to credential %s:", path);
	} else {
		fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd < 0 || (n = read_all(fd, data, SIZE)) < 0)
		die("read credential %s:", path);
	close(fd);
	if (n == SIZE - 1)
		die("credential %s is larger than a megabyte", path);
	*size = (size_t)n;
	return memcpy(xalloc((size_t)n + 1), data, (size_t)n + 1);
}

/* C escapes of a value from the command line */
static char *
unescape_all(const char *s)
{
	char *out = xstrdup(s), *to = out;
	const char *at;
	int byte;

	for (; *s; s++) {
		if (*s != '\\') {
			*to++ = *s;
			continue;
		}
		at = ++s;
		byte = unescape(&s);
		if (byte < 0)
			die("--set-credential: \\%.3s is no escape", at);
		*to++ = (char)byte;
	}
	*to = 0;
	return out;
}

static void
look_at_credentials(const struct plan *p, struct run *r)
{
	struct credential *c;
	char **w;

	if (!p->set_credential && !p->load_credential)
		return;
	c = r->credential = xalloc((count(p->set_credential) + count(p->load_credential)) * sizeof(*c));
	for (w = p->set_credential; w && *w; w++, c++) {
		c->id = xstrndup(*w, strcspn(*w, ":"));
		c->data = unescape_all(credential_value(*w));
		c->size = strlen(c->data);
	}
	for (w = p->load_credential; w && *w; w++, c++) {
		c->id = xstrndup(*w, strcspn(*w, ":"));
		c->data = load_credential(credential_value(*w), &c->size);
	}
	r->ncredential = (size_t)(c - r->credential);
}

/* inside another machine that has users of its own: copies of what we cannot make */
static void
look_at_nodes(struct run *r)
{
	size_t i;

	if (!WITH_USERNS || !sys_within_users())
		return;
	r->nested = true;
	for (i = 0; i < LEN(root_nodes); i++)
		r->node[i] = sys_open_tree(AT_FDCWD, fmt("/dev/%s", root_nodes[i].name), CLONE_TREE | O_CLOEXEC);
}

/*
 * With the host's network, /sys inside is the very file system that the host has: an init that ends
 * makes all it sees read-only, and root without users of its own may.
 */
static void
give_back_sys(struct run *r)
{
	struct statfs fs;

	(void)r;
	if (statfs("/sys", &fs) == 0 && fs.f_flags & ST_RDONLY
	    && mount(NULL, "/sys", NULL, MS_REMOUNT | place_flags("/sys"), NULL) < 0)
		warn("the machine made the host's /sys read-only, and it stays so:");
}

static void
look_at_sys(const struct plan *p, struct run *r)
{
	struct statfs fs;

	if (p->boot && !net_private(p) && !p->private_users && statfs("/sys", &fs) == 0 && !(fs.f_flags & ST_RDONLY))
		undo(r, give_back_sys);
}

void
root_look(const struct plan *p, struct run *r)
{
	static const char *const release[] = { "/etc/os-release", "/usr/lib/os-release", NULL };
	struct look first, ours;
	struct statfs fs;

	/* what this run may not write to, whoever says so */
	r->root_fixed = p->read_only;
	r->read_only = p->read_only || p->volat == VOLATILE_STATE
	    || (!p->ephemeral && p->volat <= VOLATILE_NO &&
		(r->image_read_only || (fstatfs(r->tree, &fs) == 0 && fs.f_flags & ST_RDONLY)));
	r->host_release = host_file(release);
	/* of init's root and ours: the very same mount, if the kernel tells, or the same directory; or it was chrooted, too */
	r->chrooted = sys_look(AT_FDCWD, "/proc/1/root/.", &first) < 0 || sys_look(AT_FDCWD, "/", &ours) < 0
	    || first.dev != ours.dev || first.ino != ours.ino || first.mount != ours.mount || ours.below;
	r->has_tun = access("/dev/net/tun", F_OK) == 0;
	look_at_nodes(r);
	look_at_sys(p, r);
	apifs_label = p->selinux_apifs_context;
	if (!WITH_INTEGRATION)
		return;
	look_at_resolv(p, r);
	look_at_zone(p, r);
	look_at_journal(p, r);
	look_at_credentials(p, r);
}

/* ---- mounting ---------------------------------------------------------------------- */

/* mount at path of the tree, which is made if it is not there */
/* the tree's root, for as long as we build */
static int
top(struct run *r)
{
	if (r->top < 0)
		r->top = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->top < 0)
		die("open the root:");
	return r->top;
}

/*
 * Go into a directory of the tree, made if it is not there. No link leads out: in its /proc there may be processes
 * whose root is still the host's, and links of that kind are not followed.
 */
static bool
enter(struct run *r, const char *path)
{
	int dir = sys_open_in(top(r), path, O_PATH, IN_DIR);
	bool in;

	if (dir < 0 && errno == ENOENT)
		dir = place_make(top(r), path, S_IFDIR, NULL);
	in = dir >= 0 && fchdir(dir) == 0;
	drop(dir);
	return in;
}

/* mount at path, which is below where we stand or, from the root on, a directory of the tree; we stand below it then */
static int
attach(struct run *r, const char *source, const char *path, const char *type, unsigned long flags, const char *data)
{
	if (apifs_label && (streq(type, "tmpfs") || streq(type, "devpts") || streq(type, "mqueue")))
		data = fmt("%s%scontext=\"%s\"", data ? data : "", data ? "," : "", apifs_label);
	if (*path == '/' && !enter(r, path))
		return -1;
	if (streq(type, "tmpfs"))
		return sys_mount_memory(*path == '/' ? "." : path, flags, data);
	return mount(source, *path == '/' ? "." : path, type, flags, data);
}

static int
must_attach(struct run *r, const char *type, const char *path, unsigned long flags, const char *data)
{
	int way = attach(r, type, path, type, flags, data);

	if (way < 0)
		die("mount %s on %s:", type, path);
	return way;
}

/* mount what root_enter made before the mounts around us went */
static void
attach_early(struct run *r, int mount_fd, const char *path)
{
	if (!enter(r, path) || sys_move_mount(mount_fd, "", AT_FDCWD, ".", FROM_FD) < 0)
		die("mount %s:", path);
	close(mount_fd);
}

/* ---- the tree becomes / --------------------------------------------------------------- */

static void
lay_tmpfs(const char *stage)
{
	if (sys_mount_memory(stage, MS_STRICTATIME, "mode=755," SIZE_ROOT) < 0)
		die("mount a tmpfs as the root:");
	if (chdir(stage) < 0)
		die("enter %s:", stage);
}

/* the tree lacks a mount point and cannot be given one: a root in memory that shows what it has */
static void
lay_mirror(const char *stage, int tree)
{
	int above;

	lay_tmpfs(stage);
	above = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (above < 0)
		die("open the root in memory:");
	place_mirror_all(FDS, tree, above);
	close(above);
}

/* a root in memory with only the tree's /usr in it, read-only */
static void
lay_usr(const char *stage, int tree)
{
	static const char *const links[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };
	struct stat st;
	size_t i;
	int here;

	if (fstatat(tree, "bin", &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode))
		die("--volatile=yes needs a tree whose /bin is a link into /usr");
	if (fstatat(tree, "usr", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		die("--volatile=yes needs a tree with a directory /usr");
	lay_tmpfs(stage);
	here = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (here < 0)
		die("open the root in memory:");
	place_mirror(FDS, tree, here, "usr");
	place_tree_read_only(fmt("%s/usr", stage));
	for (i = 0; i < LEN(links); i++)
		if (fstatat(tree, links[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
			place_mirror(FDS, tree, here, links[i]);
	close(here);
	mkdir("etc", 0755);
	mkdir("var", 0755);
	mkdir("root", 0700);
}

/* the tree as it is now, in memory */
static void
lay_copy(const char *stage, int tree, const char *why)
{
	char *where;
	int here;

	warn("no overlay can be laid over the tree (%s): it is copied into memory", why);
	lay_tmpfs(stage);
	here = openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (here < 0)
		die("open the root in memory:");
	if (copy_tree(tree, here, COPY_ALONE | COPY_ALLOWED, &where) < 0)
		die("copy %s of the tree into memory%s:", where,
		    errno == ENOSPC ? ", which may have no more than SIZE_ROOT of config.h says" : "");
	close(here);
}

/* the tree below, memory above */
static void
lay_overlay(const char *stage, int tree)
{
	struct stat st;
	int upper;

	lay_tmpfs(stage);
	upper = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* the root that is seen is the upper one: it is as the tree's own */
	if (upper < 0 || fstat(tree, &st) < 0 || mkdir("upper", 0755) < 0 || mkdir("work", 0755) < 0
	    || chown("upper", st.st_uid, st.st_gid) < 0 || chmod("upper", st.st_mode & 07777) < 0)
		die("make a place for changes:");
	if (mount("overlay", stage, "overlay", 0, fmt("lowerdir=" FDS "%d,upperdir=" FDS "%d/upper,workdir=" FDS "%d/work",
	                                              tree, upper, upper)) < 0) {
		const char *why = errno == ENODEV ? "the kernel has none: CONFIG_OVERLAY_FS, module overlay"
		                : errno == EINVAL ? "it is of a file system, or of overlays on each other, that cannot lie below one"
		                                  : strerror(errno);

		close(upper);
		umount2(stage, MNT_DETACH);
		lay_copy(stage, tree, why);
		return;
	}
	close(upper);
	if (chdir(stage) < 0)
		die("enter the overlay:");
}

/* after a reboot an ephemeral root is what it was: a copy of that mount, fetched from the namespace of then */
static void
lay_again(struct run *r, const char *stage)
{
	int here = openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), tree;

	if (here < 0 || setns(r->life_before, CLONE_NEWNS) < 0)
		die("enter the mounts of before the reboot:");
	tree = sys_open_tree(AT_FDCWD, "/", CLONE_TREE | O_CLOEXEC);
	if (tree < 0 || setns(here, CLONE_NEWNS) < 0 || sys_move_mount(tree, "", AT_FDCWD, stage, FROM_FD) < 0
	    || chdir(stage) < 0)
		die("keep the changes of before the reboot:");
	close(tree);
	close(here);
	close(r->life_before);
}

static bool
lacks_mount_points(int tree)
{
	struct stat st;
	size_t i;

	for (i = 0; i < LEN(mount_points); i++)
		if (fstatat(tree, mount_points[i], &st, 0) < 0 || !S_ISDIR(st.st_mode))
			return true;
	return false;
}

/* what becomes of the tree before it is entered; the way is chosen here, and said */
static void
lay(const struct plan *p, struct run *r, const char *stage)
{
	bool memory = WITH_OVERLAY && (p->ephemeral || p->volat > VOLATILE_NO);
	int tree;

	if (!memory && !r->read_only)
		return;
	tree = openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		die("open the tree:");
	if (memory && r->life_before >= 0) {
		lay_again(r, stage);
		r->mirrored = true;
	} else if (memory && p->volat == VOLATILE_YES) {
		lay_usr(stage, tree);
		r->mirrored = true;
	} else if (memory && p->volat != VOLATILE_STATE) {
		lay_overlay(stage, tree);
		r->mirrored = true;
	} else if (lacks_mount_points(tree) || mount_lacks(r, tree)) {
		say("the tree lacks mount points and is read-only: its root is made in memory");
		place_tree_read_only(stage);
		lay_mirror(stage, tree);
		r->mirrored = true;
	} else {
		place_tree_read_only(stage);
	}
	close(tree);
}

/*
 * The host's root is an initramfs, which cannot be pivoted away. All else that is mounted goes,
 * the tree is moved over it, and root_leave_host locks the door behind.
 */
void
root_move(const char *stage)
{
	char **list = place_mounts("/proc/self/mountinfo");
	size_t n, len = strlen(stage), above;

	if (!list)
		die("pivot_root is refused, as on an initramfs, and what is mounted cannot be read:");
	for (n = count(list); n-- > 0;) {
		above = strlen(list[n]);
		if (strncmp(list[n], stage, above) == 0 && stage[above] == '/')
			continue;  /* such as /run: with it the tree would go */
		if (list[n][1] && !(strncmp(list[n], stage, len) == 0 && (list[n][len] == '/' || !list[n][len])))
			umount2(list[n], MNT_DETACH);
		*list[n] = 0;
	}
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		die("move the tree to /:");
	/* our root is still the old one */
	for (n = count(list); n-- > 0;)
		if (*list[n] && list[n][1])
			umount2(list[n], MNT_DETACH);
	if (chroot(".") < 0)
		die("make the tree the root:");
}

static const char *host = "";  /* what stands before its paths, if we are in a chroot of it */

/* the host's directory for this machine's journal, inside under the same name */
static void
show_journal(struct run *r)
{
	int from, tree, inside;
	char id[33];

	if (!WITH_INTEGRATION || !r->journal_path)
		return;
	format_id128(r->uuid, id);
	from = openat(AT_FDCWD, fmt("%s%s", host, r->journal_path), O_PATH | O_DIRECTORY | O_CLOEXEC);
	tree = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	inside = tree < 0 ? -1 : place_make(tree, fmt("var/log/journal/%s", id), S_IFDIR, NULL);
	if (from < 0 || inside < 0
	    || mount(fmt("/proc/self/fd/%d", from), fmt("/proc/self/fd/%d", inside), NULL, MS_BIND, NULL) < 0)
		warn("show the machine %s:", r->journal_path);
	drop(from);
	drop(tree);
	drop(inside);
}

/*
 * --rescue: the host's devices, and of its /run what tells of them or keeps two from changing them at once. Nothing more
 * of /run: tools that see the host's service manager would talk to it
 */
static void
show_host(struct run *r)
{
	static const char *const shown[] = { "dev", "run/udev", "run/lvm", "run/cryptsetup", "run/mdadm", "run/lock" };
	int tree = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), from, to, way;
	size_t i;

	to = tree < 0 ? -1 : place_make(tree, "run", S_IFDIR, NULL);
	way = to < 0 ? -1 : sys_mount_memory(fmt(FDS "%d", to), RUN_FLAGS, "mode=755," SIZE_RUN);
	if (way < 0)
		die("mount tmpfs on /run:");
	r->no_tmpfs = way;
	close(to);
	for (i = 0; i < LEN(shown); i++) {
		from = openat(AT_FDCWD, fmt("%s/%s", host, shown[i]), O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (from < 0 && i > 0)
			continue;
		to = from < 0 ? -1 : place_make(tree, shown[i], S_IFDIR, NULL);
		if (to < 0 || mount(fmt(FDS "%d", from), fmt(FDS "%d", to), NULL, MS_BIND | MS_REC, NULL) < 0)
			die("show the host's /%s:", shown[i]);
		close(from);
		close(to);
	}
	close(tree);
}

/*
 * In the user namespace of another machine the kernel lets us mount a /proc and a /sys only while we
 * see whole ones, which is not so once the tree is the root: mount_namespaces(7).
 */
static void
make_early(struct run *r)
{
	enum { READ_ONLY = 1, NO_SUID = 2, NO_DEV = 4, NO_EXEC = 8 };  /* MOUNT_ATTR_* */

	r->proc = sys_fsmount(sys_fsopen("proc"), "", NO_SUID | NO_DEV | NO_EXEC);
	if (r->proc >= 0)
		r->sys = sys_fsmount(sys_fsopen("sysfs"), "", READ_ONLY | NO_SUID | NO_DEV | NO_EXEC);
	/* with a network that is not that machine's own, what it sees is all there is to see */
	if (r->proc >= 0 && r->sys < 0 && errno == EPERM)
		r->sys = sys_open_tree(AT_FDCWD, "/sys", CLONE_TREE | RECURSIVE | O_CLOEXEC);
	if (r->sys >= 0)
		return;
	if (errno == EPERM)
		die("mount %s: the machine around this one hides parts of its own; start that one with --nesting=yes",
		    r->proc < 0 ? "/proc" : "/sys");
	die("mount %s in the machine around this one (Linux 5.2):", r->proc < 0 ? "/proc" : "/sys");
}

/* NEW of the tree becomes the root, with the tree itself at OLD of it; both are found inside */
static void
pivot_inside(const struct plan *p, const char *stage)
{
	int tree, new, old;
	const char *colon;

	if (!WITH_OVERLAY || !p->pivot_root)
		return;
	colon = strchr(p->pivot_root, ':');
	tree = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		die("open the tree:");
	new = sys_open_in(tree, xstrndup(p->pivot_root, strcspn(p->pivot_root, ":")), O_PATH, IN_DIR);
	if (new < 0)
		die("--pivot-root=%s: find the new root in the tree:", p->pivot_root);
	/* the tree first: what is then stacked on it would be part of it */
	if (colon) {
		old = place_make(new, colon + 1, S_IFDIR, NULL);
		if (old < 0)
			die("--pivot-root=%s: make a place for the old root in the new one:", p->pivot_root);
		if (mount(fmt(FDS "%d", tree), fmt(FDS "%d", old), NULL, MS_BIND | MS_REC, NULL) < 0)
			die("--pivot-root=%s: bind the old root:", p->pivot_root);
		close(old);
	}
	if (mount(fmt(FDS "%d", new), stage, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(stage) < 0)
		die("--pivot-root=%s: bind the new root:", p->pivot_root);
	close(new);
	close(tree);
}

static void
leave_host(struct run *r, const char *stage)
{
	if (sys_pivot_root(".", ".") < 0) {
		if (errno != EINVAL && errno != ENOSYS)
			die("pivot_root into the tree:");
		root_move(stage);
		r->bare_root = true;
		return;
	}
	/* before any path of the tree is used: the old root is stacked on the new one, and what is topmost at "." goes */
	if (umount2(".", MNT_DETACH) < 0)
		die("detach the host's root:");
}

void
root_enter(const struct plan *p, struct run *r)
{
	const char *top, *stage;  /* any directory will do: nobody else sees it covered */

	umask(0);
	if (WITH_USERNS && r->nested)
		make_early(r);
	if (WITH_MNTNS && mntns_enter(r))
		return;
	if (r->chrooted)
		host = mntns_top();
	top = fmt("%s%s", host, run_state_dir());
	if (r->image_mounts >= 0 && (setns(r->image_mounts, CLONE_NEWNS) < 0 || fchdir(r->tree) < 0 || unshare(CLONE_NEWNS) < 0))
		die("enter where %s is mounted:", r->root);
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		die("make the mounts our own:");
	if (r->image_mounts < 0 && chdir(fmt("%s%s", host, r->root)) < 0)
		die("enter %s:", r->root);
	drop(r->image_mounts);
	stage = mount_gather(r, host, top);
	if (r->tree_mount >= 0 ? sys_move_mount(r->tree_mount, "", AT_FDCWD, stage, FROM_FD) < 0
	    : mount(".", stage, NULL, MS_BIND | MS_REC, NULL) < 0)
		die("bind %s:", r->root);
	drop(r->tree_mount);
	if (chdir(stage) < 0)
		die("enter the tree:");
	pivot_inside(p, stage);
	mount_root(r, stage);
	lay(p, r, stage);
	close(r->tree);
	show_journal(r);
	if (rescue(p))
		show_host(r);
	if (stage == top) {
		leave_host(r, stage);
		return;
	}
	/* the tree lies beside what was gathered: first that becomes the root, then the tree is laid over it */
	if (chdir(top) < 0)
		die("enter what was gathered:");
	leave_host(r, top);
	if (chdir("t") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		die("lay the tree over what was gathered:");
	mount_hide(r);
}

/*
 * Below the moved tree lies the initramfs still: with CAP_SYS_ADMIN a root inside could unmount
 * "/" and enter its own mount namespace anew, and would stand there. A namespace that belongs to
 * another user namespace has its mounts locked together (mount_namespaces(7)): a helper makes
 * one, we enter it, and keep all our rights but that of taking the tree away. "." is a proc that it
 * is seen in; that of the machine need not be.
 */
void
root_lock_mounts(void)
{
	int wire[2], fd;
	char c = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wire) < 0)
		die("make a wire:");
	pid = fork();
	if (pid < 0)
		die("fork:");
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0)
			sys_send(wire[1], &c, 1, open("self/ns/mnt", O_RDONLY | O_CLOEXEC));
		_exit(0);
	}
	close(wire[1]);
	if (sys_recv(wire[0], &c, 1, &fd, NULL) == 1) {
		if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
			die("enter the locked mounts:");
		close(fd);
	} else {
		warn("the root is an initramfs and the kernel has no user namespaces (CONFIG_USER_NS, sysctl user.max_user_namespaces): "
		     "root inside can reach it by unmounting /");
	}
	if (chdir("/") < 0)
		die("enter /:");
	close(wire[0]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void
root_lock(const struct plan *p, struct run *r)
{
	if (r->no_tmpfs)
		warn("%s: what the machine keeps in memory has no limit", lacks("tmpfs", "TMPFS"));
	/* all mount points are made by now: what was asked for holds for the root that stands in, too */
	if (r->root_fixed && r->mirrored && place_read_only("/", 0) < 0)
		die("make the root read-only:");
	if (r->bare_root && !rescue(p)) {
		(void)!chdir("/proc");
		root_lock_mounts();
	}
}

void
root_volatile(const struct plan *p, struct run *r)
{
	if (!WITH_OVERLAY)
		return;
	(void)r;
	if (p->volat == VOLATILE_STATE)
		must_attach(r, "tmpfs", "/var", MS_STRICTATIME, "mode=755," SIZE_ROOT);
}

/* ---- API file systems: features of the Container Interface ------------------------------ */

void
root_proc(const struct plan *p, struct run *r)
{
	(void)p;
	if (!WITH_USERNS || r->proc < 0)
		must_attach(r, "proc", "/proc", NOTHING_SPECIAL, NULL);
	else
		attach_early(r, r->proc, "/proc");
	/* links of the tree may make its name mean another place once more is mounted */
	if (!enter(r, "/proc") || (r->procfs = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		die("open /proc:");
}

/* of /sys only what says nothing of the host: from the one below to the one above, by fds */
static void
cut_sys(struct run *r)
{
	static const char *const shown[] = { "block", "bus", "class", "dev", "devices", "kernel" };
	int below, above;
	size_t i;

	if (!enter(r, "/sys") || (below = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		die("enter /sys:");
	must_attach(r, "tmpfs", "/sys", NOTHING_SPECIAL, "mode=555,size=4m,nr_inodes=1k");
	if (!enter(r, "/sys") || (above = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		die("enter /sys:");
	(void)!mkdir("fs", 0755);
	(void)!mkdir("fs/cgroup", 0755);
	for (i = 0; i < LEN(shown); i++)
		(void)!mkdir(shown[i], 0755);
	if (fchdir(r->procfs) < 0)
		die("enter /proc:");
	for (i = 0; i < LEN(shown); i++)
		if (mount(fmt("self/fd/%d/%s", below, shown[i]), fmt("self/fd/%d/%s", above, shown[i]), NULL, MS_BIND | MS_REC, NULL) < 0)
			say("no /sys/%s", shown[i]);
	if (fchdir(above) < 0 || place_read_only(".", NOTHING_SPECIAL) < 0)
		die("make /sys read-only:");
	close(below);
	close(above);
}

void
root_sys(const struct plan *p, struct run *r)
{
	bool writable = p->api_vfs_writable == VFS_YES;

	if (rescue(p)) {
		must_attach(r, "sysfs", "/sys", NOTHING_SPECIAL, NULL);
		if (enter(r, "/sys") && chdir("firmware/efi/efivars") == 0
		    && mount("efivarfs", ".", "efivarfs", NOTHING_SPECIAL, NULL) < 0)
			warn("show the firmware's variables (CONFIG_EFIVAR_FS, module efivarfs), which name what is to be booted:");
		return;
	}
	/* busy: the tree has the very same file system there already */
	if (WITH_USERNS && r->sys >= 0 && !writable)
		attach_early(r, r->sys, "/sys");
	else if (attach(r, "sysfs", "/sys", "sysfs", NOTHING_SPECIAL | (writable ? 0 : MS_RDONLY), NULL) < 0
	    && (errno != EBUSY || writable || !enter(r, "/sys") || place_read_only(".", NOTHING_SPECIAL) < 0)) {
		if (errno != ENODEV)
			die("mount sysfs on /sys:");
		warn("%s: /sys is empty", lacks("sysfs", "SYSFS"));
		cut_sys(r);
	} else if (net_private(p) && !writable)
		cut_sys(r);
}

/*
 * In a user namespace no device can be made: then it is a bind of ours, copied in root_look. The
 * mount that it comes from may itself be read-only, which is no matter to a device.
 */
static void
make_node(struct run *r, size_t i)
{
	const char *path = root_nodes[i].name;

	if (mknod(path, S_IFCHR | 0666, makedev(root_nodes[i].major, root_nodes[i].minor)) == 0)
		return;
	if (!WITH_USERNS || errno != EPERM || r->node[i] < 0 || mknod(path, S_IFREG | 0666, 0) < 0
	    || sys_move_mount(r->node[i], "", AT_FDCWD, path, FROM_FD) < 0)
		die("make device /dev/%s:", path);
	close(r->node[i]);
}

static void
mount_terminals(const struct plan *p, struct run *r, const char *gid)
{
	unsigned long flags = MS_NOSUID | MS_NOEXEC;

	if (attach(r, "devpts", "pts", "devpts", flags, fmt("newinstance,ptmxmode=0666,mode=620%s", gid)) == 0)
		return;
	if (errno == ENODEV && r->mode == CONSOLE_PIPE)
		warn("%s: none can be opened inside", lacks("terminals", "UNIX98_PTYS"));
	else if (errno == ENODEV)
		die("%s: only --console=pipe goes without", lacks("terminals", "UNIX98_PTYS"));
	/* one for all: there, the program that opens /dev/ptmx, as a node, has the next */
	else if (errno != EINVAL || attach(r, "devpts", "pts", "devpts", flags, fmt("mode=620%s", gid)) < 0
	    || (!rescue(p) && (unlink("ptmx") < 0 || mknod("ptmx", S_IFCHR | 0666, makedev(5, 2)) < 0 || chmod("ptmx", 0666) < 0)))
		die("mount devpts on /dev/pts:");
	else
		warn("%s: terminals are the host's, and root inside has all of them",
		     lacks("terminals for each machine", "DEVPTS_MULTIPLE_INSTANCES; Linux 4.7"));
}

void
root_dev(const struct plan *p, struct run *r)
{
	enum { TTY = 5, RAMFS = 0x858458f6 };  /* the group of nearly every tree; RAMFS_MAGIC */
	char *gid = !r->userns || r->id_count > TTY ? fmt(",gid=%u", (unsigned int)(r->id_base + TTY)) : "";
	struct statfs fs;
	size_t i;

	if (rescue(p)) {
		/* terminals of its own: the host's may not even be mounted */
		if (!enter(r, "/dev") || (mkdir("pts", 0755) < 0 && errno != EEXIST))
			die("make /dev/pts:");
		mount_terminals(p, r, gid);
		return;
	}
	r->no_tmpfs = must_attach(r, "tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=4m,nr_inodes=64k");
	if (!enter(r, "/dev") || mkdir("char", 0755) < 0)
		die("make /dev/char:");
	/* without CONFIG_SHMEM there is one that takes any option, and is ramfs by another name */
	r->no_tmpfs |= statfs(".", &fs) == 0 && (uint32_t)fs.f_type == RAMFS;
	for (i = 0; i < LEN(root_nodes); i++) {
		if (i == ROOT_NODES && (!r->has_tun || mkdir("net", 0755) < 0))
			continue;
		make_node(r, i);
		(void)!symlink(fmt("../%s", root_nodes[i].name), fmt("char/%u:%u", root_nodes[i].major, root_nodes[i].minor));
	}
	for (i = 0; i < LEN(root_links) - (r->mode == CONSOLE_PIPE); i++)
		if (symlink(root_links[i].target, root_links[i].name) < 0)
			die("make link /dev/%s:", root_links[i].name);
	if (mkdir("pts", 0755) < 0 || mkdir("shm", 01777) < 0 || mkdir("mqueue", 01777) < 0)
		die("make directories in /dev:");
	mount_terminals(p, r, gid);
	if (attach(r, "tmpfs", "shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=1777," SIZE_SHM) < 0)
		die("mount tmpfs on /dev/shm:");
	if (attach(r, "mqueue", "mqueue", "mqueue", NOTHING_SPECIAL, NULL) < 0) {
		say("no /dev/mqueue (CONFIG_POSIX_MQUEUE)");
		rmdir("mqueue");
	}
	/* made by the kernel, not by us: their roots would belong to nobody */
	if (r->userns && (lchown("pts", r->id_base, r->id_base) < 0
	                  || (lchown("mqueue", r->id_base, r->id_base) < 0 && errno != ENOENT)))
		say("the owner of /dev/pts or /dev/mqueue stays as it is");
}

static void
make_file(const char *path, mode_t mode, const char *text)
{
	if (write_open(AT_FDCWD, path, mode, text) < 0)
		die("write %s:", path);
}

static void
bind_notify(struct run *r)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "notify" };

	if (r->notify >= 0 && bind(r->notify, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("make /run/host/%s:", a.sun_path);
}

/*
 * Who has seen only parts of /proc and /sys may not mount new ones in a user namespace of its own
 * (mount_namespaces(7)): for machines in the machine, and for those of its users, whole ones, in a place apart. What is
 * hidden in /proc is kept from the guest by its users alone, then; without any, who may mount gets at it anyway.
 */
static void
show_whole(void)
{
	if (mkdir("nesting", 0700) < 0 || mkdir("nesting/proc", 0755) < 0 || mkdir("nesting/sys", 0755) < 0
	    || mount("proc", "nesting/proc", "proc", NOTHING_SPECIAL, NULL) < 0
	    || mount("sysfs", "nesting/sys", "sysfs", NOTHING_SPECIAL | MS_RDONLY, NULL) < 0)
		die("make /run/host/nesting:");
}

void
root_run(const struct plan *p, struct run *r)
{
	static const struct { const char *name; mode_t mode; } covers[] = {
		{ "inaccessible/reg", S_IFREG }, { "inaccessible/fifo", S_IFIFO }, { "inaccessible/sock", S_IFSOCK },
		{ "inaccessible/chr", S_IFCHR }, { "inaccessible/blk", S_IFBLK },
	};
	char uuid[37];
	size_t i;

	if (p->tmpfs_tmp ? p->tmpfs_tmp == YES : !rescue(p))
		must_attach(r, "tmpfs", "/tmp", MS_NOSUID | MS_NODEV | MS_STRICTATIME, "mode=1777," SIZE_TMP);
	if (!rescue(p))
		must_attach(r, "tmpfs", "/run", RUN_FLAGS, "mode=755," SIZE_RUN);
	if (!enter(r, "/run") || mkdir("host", 0755) < 0 || chdir("host") < 0 || mkdir("inaccessible", 0755) < 0
	    || mkdir("inaccessible/dir", 0) < 0 || mkdir("incoming", 0600) < 0 || mkdir("unix-export", 0755) < 0
	    || (r->credential && mkdir("credentials", 0500) < 0))
		die("make /run/host:");
	for (i = 0; i < LEN(covers); i++)
		if (mknod(covers[i].name, covers[i].mode, makedev(0, 0)) < 0)
			say("no /run/host/%s", covers[i].name);
	if (!rescue(p))
		make_file("container-manager", 0444, fmt("%s\n", r->container));
	format_uuid(r->uuid, uuid);
	make_file("container-uuid", 0444, fmt("%s\n", uuid));
	format_uuid(r->boot_id, uuid);
	make_file("boot-id", 0444, fmt("%s\n", uuid));
	if (r->host_release)
		make_file("os-release", 0444, r->host_release);
	bind_notify(r);
	if (WITH_USERNS && p->nesting == YES && (r->userns || r->keep >> SYS_ADMIN & 1))
		show_whole();
	if (chdir("..") < 0 || mount("host", "host", NULL, MS_BIND, NULL) < 0 || chdir("host") < 0
	    || place_read_only(".", NOTHING_SPECIAL) < 0)
		die("make /run/host read-only:");
	if (sys_mount_memory("unix-export", NOTHING_SPECIAL, "mode=755,size=4m,nr_inodes=64") < 0)
		say("no /run/host/unix-export");
	r->run_host = openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->run_host < 0)
		die("open /run/host:");
}

void
root_credentials(const struct plan *p, struct run *r)
{
	static const char dir[] = "/run/host/credentials";
	struct credential *c;
	int fd;

	if (!WITH_INTEGRATION)
		return;
	(void)p;
	if (!r->credential)
		return;
	/* ramfs: what is secret must not be swapped out */
	if (fchdir(r->run_host) < 0 || mount("ramfs", "credentials", "ramfs", NOTHING_SPECIAL, "mode=0500") < 0
	    || chdir("credentials") < 0)
		die("mount ramfs on %s:", dir);
	for (c = r->credential; c < r->credential + r->ncredential; c++) {
		fd = openat(AT_FDCWD, c->id, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0400);
		if (fd < 0 || write(fd, c->data, c->size) != (ssize_t)c->size)
			die("write credential %s:", c->id);
		close(fd);
	}
	if (place_read_only(".", NOTHING_SPECIAL) < 0 || chdir("/") < 0)
		die("make %s read-only:", dir);
}

/* from 5.19 on those of IPC are for who is root inside: a process that we need not be again */
static bool
set_as_root(const struct run *r, const char *path, const char *value)
{
	pid_t pid = WITH_USERNS && r->userns && errno == EACCES ? fork() : -1;
	int status = 0;

	if (pid == 0)
		_exit(sys_set_user(r->id_base) < 0 || put_at(r->procfs, path, value) < 0 ? errno : 0);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	if (pid > 0)
		errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
	return pid > 0 && !status;
}

static void
set_sysctls(const struct plan *p, struct run *r)
{
	const char *path, *value;
	char **w;

	for (w = p->sysctl; w && *w; w++) {
		path = sysctl_path(*w);
		value = *w + strcspn(*w, "=") + 1;
		if (put_at(r->procfs, path, value) < 0 && !set_as_root(r, path, value))
			die("--sysctl=%.80s:", *w);
	}
}

/* what of /proc a guest must not change, and what it must not see */
/* the directory that the image says it begins in, as docker makes it; who misses it says so */
void
root_preset(const struct plan *p, struct run *r)
{
	int fd;

	if (!r->preset || !r->preset->chdir || p->chdir)
		return;
	fd = sys_open_in(top(r), r->preset->chdir, O_PATH, IN_DIR);
	drop(fd < 0 && errno == ENOENT ? place_make(top(r), r->preset->chdir, S_IFDIR, NULL) : fd);
}

void
root_masks(const struct plan *p, struct run *r)
{
	static const char *const fixed[] = { "acpi", "apm", "asound", "bus", "fs", "irq", "scsi" };
	static const char *const hidden[] = { "kallsyms", "kcore", "keys", "sysrq-trigger", "timer_list" };
	char *covers;
	size_t i;

	if (rescue(p))
		return;
	/* by fds, both ends: their names may mean other places by now */
	if (fchdir(r->procfs) < 0)
		die("enter /proc:");
	covers = fmt("self/fd/%d", r->run_host);
	if (WITH_OCI)
		set_sysctls(p, r);
	if (p->api_vfs_writable != VFS_YES) {
		if (mount("sys", "sys", NULL, MS_BIND, NULL) < 0 ? errno != ENOENT : place_read_only("sys", NOTHING_SPECIAL) < 0)
			die("make /proc/sys read-only:");
		if ((p->api_vfs_writable == VFS_NETWORK || (net_rules(p) && !p->api_vfs_writable))
		    && (mount("sys/net", "sys/net", NULL, MS_BIND, NULL) < 0 ? errno != ENOENT
		        : mount(NULL, "sys/net", NULL, MS_REMOUNT | MS_BIND | NOTHING_SPECIAL, NULL) < 0))
			die("make /proc/sys/net writable:");
	}
	for (i = 0; i < LEN(fixed); i++)
		if (mount(fixed[i], fixed[i], NULL, MS_BIND, NULL) < 0 ? errno != ENOENT
		    : place_read_only(fixed[i], NOTHING_SPECIAL) < 0)
			die("make /proc/%s read-only:", fixed[i]);
	/* the nodes are read-only already, and so are these mounts of them */
	for (i = 0; i < LEN(hidden); i++)
		if (mount(fmt("%s/inaccessible/reg", covers), hidden[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			die("hide /proc/%s:", hidden[i]);
	if (mount(fmt("%s/inaccessible/fifo", covers), "kmsg", NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
		die("hide /proc/kmsg:");
	if (mount(fmt("%s/boot-id", covers), "sys/kernel/random/boot_id", NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
		die("set the boot id:");
	if (chdir("/") < 0)
		die("enter /:");
}

/* ---- files of the tree that follow the host ----------------------------------------------- */

/* a name of the tree, followed inside */
static int
open_inside(struct run *r, const char *path)
{
	return sys_open_in(top(r), path, O_PATH, 0);
}

/* a file of ours over one of the tree's /etc, which may be made */
static void
cover(const struct plan *p, struct run *r, int etc, const char *name, const char *text, size_t len)
{
	char *path = fmt("etc/%s", name), *ours = fmt(".%s", name), link[1];
	int run = open_inside(r, "run"), fd, at = open_inside(r, path);

	if (at < 0 && errno == ENOENT && rescue(p)) {
		/* one that leads to what a service would make in /run is made there */
		if (readlinkat(etc, name, link, sizeof(link)) > 0)
			at = place_make(top(r), path, S_IFREG, NULL);
	} else if (at < 0 && errno == ENOENT && mknodat(etc, name, S_IFREG | 0644, 0) == 0) {
		at = open_inside(r, path);
	}
	if (at < 0) {
		(rescue(p) ? warn : say)("the tree has no /etc/%s that could be covered", name);
		drop(run);
		return;
	}
	if (fchdir(r->procfs) < 0)
		die("enter /proc:");
	fd = openat(run, ours, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len
	    || mount(fmt("self/fd/%d/%s", run, ours), fmt("self/fd/%d", at), NULL, MS_BIND, NULL) < 0)
		warn("cover /etc/%s:", name);
	drop(fd);
	drop(at);
	at = open_inside(r, path);  /* what is on top now */
	if (at >= 0)
		place_read_only(fmt("self/fd/%d", at), NOTHING_SPECIAL);
	drop(at);
	unlinkat(run, ours, 0);
	drop(run);
	if (chdir("/") < 0)
		die("enter /:");
}

static void
set_resolv(const struct plan *p, struct run *r, int etc)
{
	static const char name[] = "resolv.conf";
	enum { SIZE = 16384 };
	static void *at;
	char *now = scratch_room(&at, SIZE);
	struct stat st;
	int mode = resolv_mode(p, r);

	if (mode == RESOLV_DELETE) {
		if (unlinkat(etc, name, 0) < 0 && errno != ENOENT)
			warn("delete /etc/%s:", name);
		return;
	}
	if (mode == RESOLV_OFF || !r->host_resolv)
		return;
	if (mode >= RESOLV_BIND_HOST) {
		cover(p, r, etc, name, r->host_resolv, strlen(r->host_resolv));
		return;
	}
	if (fstatat(etc, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISLNK(st.st_mode) && mode < RESOLV_REPLACE_HOST)
			return;
		if (S_ISREG(st.st_mode) && read_at(etc, name, now, SIZE) >= 0 && streq(now, r->host_resolv))
			return;  /* flash wears */
		if (!S_ISREG(st.st_mode) && unlinkat(etc, name, 0) < 0)
			return;
	}
	if (write_at(etc, name, 0644, r->host_resolv) < 0 && p->resolv_conf && p->resolv_conf != RESOLV_AUTO)
		warn("write /etc/%s:", name);
}

static bool
has_zone(struct run *r, const char *zone)
{
	int fd = zone ? open_inside(r, fmt("usr/share/zoneinfo/%s", zone)) : -1;

	drop(fd);
	return fd >= 0;
}

static void
set_zone(const struct plan *p, struct run *r, int etc)
{
	static const char name[] = "localtime";
	int mode = zone_mode(p), fd;
	char now[PATH_MAX], *want;
	ssize_t n;

	if (mode == ZONE_OFF)
		return;
	if (mode == ZONE_AUTO) {
		if (!r->host_zone && !r->host_zone_size)
			mode = r->read_only ? ZONE_OFF : ZONE_DELETE;
		else if (!r->host_zone && !r->read_only)
			mode = ZONE_COPY;
		else if (r->read_only || !has_zone(r, r->host_zone))
			mode = ZONE_BIND;
		else
			mode = ZONE_SYMLINK;
	}
	if (mode == ZONE_DELETE && unlinkat(etc, name, 0) < 0 && errno != ENOENT)
		warn("delete /etc/%s:", name);
	if (mode == ZONE_SYMLINK) {
		if (!has_zone(r, r->host_zone))
			return;
		want = fmt("../usr/share/zoneinfo/%s", r->host_zone);
		n = readlinkat(etc, name, now, sizeof(now) - 1);
		if (n > 0 && (now[n] = 0, streq(now, want)))
			return;
		unlinkat(etc, name, 0);
		if (symlinkat(want, etc, name) < 0)
			warn("link /etc/%s:", name);
	}
	if (!r->host_zone_size)
		return;
	if (mode == ZONE_BIND)
		cover(p, r, etc, name, r->host_zone_data, r->host_zone_size);
	if (mode == ZONE_COPY) {
		unlinkat(etc, name, 0);
		fd = openat(etc, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, r->host_zone_data, r->host_zone_size) != (ssize_t)r->host_zone_size)
			warn("write /etc/%s:", name);
		drop(fd);
	}
}

void
root_files(const struct plan *p, struct run *r)
{
	int etc = open_inside(r, "etc/.");

	if (!WITH_INTEGRATION)
		return;
	/* what was asked for to be there is not written to */
	if (etc >= 0 && !mount_on(r, "/etc/resolv.conf"))
		set_resolv(p, r, etc);
	if (etc >= 0 && !mount_on(r, "/etc/localtime"))
		set_zone(p, r, etc);
	drop(etc);
}
