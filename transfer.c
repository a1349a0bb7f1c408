/* SPDX-License-Identifier: 0BSD */
/* Verbs that import and export; what runs of them */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "nspawn-lite.h"

#define TRANSFER_PREFIX ".transfer."  /* of files in the state directory: locked as long as it runs */

enum { TELL_NOTHING, TELL_LINES, TELL_ONE_LINE };
enum { PERCENT_AT = sizeof("PERCENT=") - 1, SECOND = 1000, TRANSFERS_MOST = 9999 };

static struct transfer *running;

/* ---- those that run ---------------------------------------------------------- */

static char *
transfer_path(int id)
{
	return fmt("%s/" TRANSFER_PREFIX "%d", run_state_dir(), id);
}

/* it is still the one of that name, and not one that was swept while we came for it */
static bool
is_named(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* the first number that is free, locked; -1: there is no place to write it */
static int
take_number(struct transfer *t)
{
	bool taken;
	int fd;

	/* where there are no locks there is no list */
	for (t->id = 1; t->id <= TRANSFERS_MOST; t->id++) {
		t->path = transfer_path(t->id);
		do {
			fd = run_open_state(t->path);
			if (fd < 0)
				return -1;
			taken = flock(fd, LOCK_EX | LOCK_NB) < 0;
			if (taken && errno != EWOULDBLOCK)
				return drop(fd);
			if (!taken && is_named(fd, t->path)) {
				if (lseek(fd, 0, SEEK_END) == 0)
					return fd;
				/* of one that was killed: whose number it says may be somebody else's now */
				unlink(t->path);
			}
			drop(fd);
		} while (!taken);
	}
	return -1;
}

/* for the list: on one line */
static char *
one_line(const char *s)
{
	char *copy = xstrdup(s), *c;

	for (c = copy; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return copy;
}

static void
clear_line(void)
{
	if (running && running->shown)
		print(2, "\r\033[K");
	if (running)
		running->shown = false;
}

static void
forget(void)
{
	clear_line();
	if (running && running->fd >= 0)
		unlink(running->path);
	if (running)
		running->fd = drop(running->fd);
}

void
transfer_begin(struct transfer *t, const struct ask *a, const char *type, const char *local, const char *remote)
{
	static bool registered;
	int progress = a->progress ? word_index("no|yes|auto", a->progress) : 2;
	char *text;

	if (progress < 0 && parse_bool(a->progress) < 0)
		die("--progress=%s: not one of: yes no auto", a->progress);
	if (progress < 0)
		progress = parse_bool(a->progress);
	t->shows = progress == 1 ? TELL_LINES : TELL_NOTHING;
	if (progress && isatty(2))
		t->shows = TELL_ONE_LINE;
	t->quiet = a->quiet;
	if (a->quiet)
		t->shows = TELL_NOTHING;
	halt_by_signal();
	t->begun = t->told = now_ms();
	t->fd = take_number(t);
	running = t;
	if (!registered)
		atexit(forget);
	registered = true;
	if (t->fd < 0) {
		say("%s: not on the list of transfers:", t->path);
		return;
	}
	text = fmt("PERCENT= -1\nPID=%d\nTYPE=%s\nLOCAL=%s\nREMOTE=%s\n", (int)getpid(), type, one_line(local), one_line(remote));
	if (ftruncate(t->fd, 0) < 0 || pwrite(t->fd, text, strlen(text), 0) < 0)
		say("%s:", t->path);
	if (!after(type, "export"))
		transfer_say(t, "Enqueued transfer job %d. Press C-c to stop it.", t->id);
}

void
transfer_say(struct transfer *t, const char *text, ...)
{
	char line[NOTE_MAX + PATH_MAX];
	va_list ap;

	if (t->quiet)
		return;
	clear_line();
	va_start(ap, text);
	vsnprintf(line, sizeof(line), text, ap);
	va_end(ap);
	print(2, "%s\n", line);
}

static void
format_left(char out[40], uint64_t seconds)
{
	const unsigned long long s = seconds;

	if (s < 60)
		snprintf(out, 40, "%llus", s);
	else if (s < 3600)
		snprintf(out, 40, "%llumin %llus", s / 60, s % 60);
	else
		snprintf(out, 40, "%lluh %llumin", s / 3600, s / 60 % 60);
}

static void
show(struct transfer *t, uint64_t done, int percent, int64_t now)
{
	uint64_t past = (uint64_t)(now - t->begun), rate = 0;
	char rest[120] = "", left[40] = "", line[PATH_MAX];
	struct winsize w = { .ws_col = 0 };
	int len;

	if (done > t->first && past)
		rate = (done - t->first) * SECOND / past;
	if (rate && (t->of || t->shows == TELL_ONE_LINE)) {
		if (percent >= 0 && done < t->total) {
			format_left(left, (t->total - done) / rate);
			strcat(left, " left at ");
		}
		snprintf(rest, sizeof(rest), " %s%s/s.", left, table_size(rate));
	}
	if (percent < 0)
		snprintf(left, sizeof(left), "%s", table_size(done));
	else
		snprintf(left, sizeof(left), "%d%%", percent);
	len = snprintf(line, sizeof(line), "%s %s%s.%s", t->verb, left, t->of ? t->of : "", rest);
	t->shown = t->shows == TELL_ONE_LINE;
	if (!t->shown) {
		print(2, "%s\n", line);
		return;
	}
	/* what goes on in a second line cannot be taken back */
	if (ioctl(2, TIOCGWINSZ, &w) < 0 || !w.ws_col)
		w.ws_col = 80;
	if (len >= w.ws_col)
		snprintf(line, sizeof(line), "%s %s.%s", t->verb, left, rest);
	print(2, "\r%.*s\033[K", w.ws_col - 1, line);
}

void
transfer_progress(struct transfer *t, uint64_t done)
{
	int64_t now = now_ms();
	char text[12];
	int percent = -1;

	if (now - t->told < SECOND)
		return;
	t->told = now;
	if (t->total)
		percent = done >= t->total ? 100 : (int)(t->total > UINT64_MAX / 100 ? done / (t->total / 100) : done * 100 / t->total);
	snprintf(text, sizeof(text), "%3d", percent);
	if (t->fd >= 0 && pwrite(t->fd, text, 3, PERCENT_AT) < 0)
		say("%s:", t->path);
	if (t->shows != TELL_NOTHING)
		show(t, done, percent, now);
}

static struct transfer *
watched(const struct source *s)
{
	return s->arg;
}

static ssize_t
watched_read(struct source *s, void *buf, size_t size)
{
	struct source *from = watched(s)->from;
	ssize_t n = from->read(from, buf, size);

	s->why = from->why;
	s->taken = from->taken;
	transfer_progress(watched(s), s->taken);
	return n;
}

struct source
transfer_watch(struct transfer *t, struct source *from)
{
	t->from = from;
	return (struct source){ .read = watched_read, .fd = from->fd, .arg = t };
}

void
transfer_end(struct transfer *t)
{
	transfer_say(t, "Operation completed successfully.");
	transfer_say(t, "Exiting.");
	forget();
}

_Noreturn void
transfer_fail(const char *name, const char *why)
{
	clear_line();
	if (halted)
		die("%s: stopped by %s; nothing of it stays", name, halted == SIGINT ? "C-c" : "a signal");
	die("%s: %s", name, why);
}

/* ---- the list ------------------------------------------------------------------- */

struct listed { int id, percent; pid_t pid; char *type, *local, *remote; };

/* an fd of one that runs, which is read into l; -1: there is none. What is left of one that was killed goes */
static int
look_at(int id, struct listed *l)
{
	char *path = transfer_path(id), text[2 * PATH_MAX], *at = text, *line;
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const char *v;
	long long n;

	*l = (struct listed){ id, -1, 0, "", "", "" };
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
		if (is_named(fd, path))
			unlink(path);
		return drop(fd);
	}
	if (read_all(fd, text, sizeof(text)) < 0)
		return drop(fd);
	while ((line = next_line(&at))) {
		if ((v = after(line, "PERCENT=")))
			l->percent = atoi(v);
		else if ((v = after(line, "PID=")) && parse_number(v, 1, INT_MAX, &n))
			l->pid = (pid_t)n;
		else if ((v = after(line, "TYPE=")))
			l->type = xstrdup(v);
		else if ((v = after(line, "LOCAL=")))
			l->local = xstrdup(v);
		else if ((v = after(line, "REMOTE=")))
			l->remote = xstrdup(v);
	}
	return l->pid ? fd : drop(fd);
}

static int
by_local(const void *a, const void *b)
{
	const struct listed *l = a, *m = b;
	int order = strcmp(l->local, m->local);

	return order ? order : l->id - m->id;
}

int
transfer_list(struct ask *a)
{
	static const struct column ours[] = {
		{ "ID", "id", true }, { "PERCENT", "percent", true }, { "TYPE", "type", false }, { "LOCAL", "local", false },
		{ "REMOTE", "remote", false },
	}, importctls[] = {
		{ "ID", "id", true }, { "PROGRESS", "progress", true }, { "TYPE", "type", false }, { "CLASS", "class", false },
		{ "LOCAL", "local", false }, { "REMOTE", "remote", false },
	};
	bool importctl = streq(verb_called, "importctl");
	struct listed *l = NULL;
	struct cell *cells, *c;
	struct dirent *e;
	const char *number;
	size_t n = 0, i;
	DIR *d = opendir(run_state_dir());
	long long id;
	int fd;

	while (d && (e = readdir(d))) {
		number = after(e->d_name, TRANSFER_PREFIX);
		if (!number || !parse_number(number, 1, TRANSFERS_MOST, &id))
			continue;
		l = realloc(l, (n + 1) * sizeof(*l));
		if (!l)
			die("list transfers:");
		fd = look_at((int)id, &l[n]);
		n += fd >= 0;
		drop(fd);
	}
	if (d)
		closedir(d);
	if (n)
		qsort(l, n, sizeof(*l), by_local);
	cells = c = xalloc((n * LEN(importctls) + 1) * sizeof(*cells));
	for (i = 0; i < n; i++) {
		*c++ = (struct cell){ fmt("%d", l[i].id), fmt("%d", l[i].id) };
		*c++ = l[i].percent < 0 ? (struct cell){ "-", "null" } : (struct cell){ fmt("%d%%", l[i].percent), fmt("%d", l[i].percent) };
		*c++ = (struct cell){ l[i].type, NULL };
		if (importctl)
			*c++ = (struct cell){ "machine", NULL };
		*c++ = (struct cell){ l[i].local, NULL };
		*c++ = (struct cell){ l[i].remote, NULL };
	}
	table_print(a, importctl ? importctls : ours, importctl ? LEN(importctls) : LEN(ours), cells, n, "transfers");
	return 0;
}

int
transfer_cancel(struct ask *a)
{
	struct listed l;
	char **w;
	long long id;
	int fd;

	halt_by_signal();
	for (w = a->words; *w; w++) {
		fd = parse_number(*w, 1, TRANSFERS_MOST, &id) ? look_at((int)id, &l) : -1;
		if (fd < 0)
			die("No transfer %s.", *w);
		/* as long as the lock is held, nobody else has the number */
		if (flock(fd, LOCK_SH | LOCK_NB) < 0 && kill(l.pid, SIGTERM) < 0)
			die("stop transfer %s:", *w);
		if (flock(fd, LOCK_SH) < 0)
			die("wait for transfer %s:", *w);
		drop(fd);
	}
	return 0;
}

/* ---- in --------------------------------------------------------------------------- */

/* takes the first of these off the end of a name */
static bool
cut_end(char *name, const char *const *ends)
{
	size_t n = strlen(name), len;

	for (; *ends; ends++) {
		len = strlen(*ends);
		if (n > len && streq(name + n - len, *ends)) {
			name[n - len] = 0;
			return true;
		}
	}
	return false;
}

char *
transfer_base_name(const char *remote, bool raw)
{
	static const char *const tars[] = { ".tar", ".tar.xz", ".tar.gz", ".tar.bz2", ".tgz", ".tar.zst", ".txz", ".tbz2", NULL };
	static const char *const raws[] = { ".xz", ".gz", ".bz2", ".zst", ".raw", ".qcow2", ".img", ".bin", ".squashfs", ".erofs", NULL };
	const char *host = strstr(remote, "://");
	size_t n, at;
	char *name;

	if (host)
		remote = host + 3 + strcspn(host + 3, "/?#");
	n = host ? strcspn(remote, "?#") : strlen(remote);
	while (n > 0 && remote[n - 1] == '/')
		n--;
	for (at = n; at > 0 && remote[at - 1] != '/'; at--)
		;
	name = xstrndup(remote + at, (size_t)(n - at));
	while (cut_end(name, raw ? raws : tars) && raw)
		;
	return name;
}

void
transfer_check_name(const char *name)
{
	if (!name_valid(name))
		die("Local name %s is not a suitable machine name.", name);
}

char *
transfer_local_name(const char *remote, bool raw)
{
	char *name = transfer_base_name(remote, raw);

	if (!*name)
		die("%s: it gives no name: say NAME, too", remote);
	transfer_check_name(name);
	return name;
}

const char *
transfer_name(const struct ask *a, const char *remote, bool raw)
{
	const char *name = a->words[1];

	if (name && *name && !streq(name, "-")) {
		transfer_check_name(name);
		return name;
	}
	if (!remote)
		die("%s: standard input gives no name: say NAME, too", a->verb);
	return transfer_local_name(remote, raw);
}

/* of one import there is only ever one at a time */
static struct transfer import;

static const char *
import_name(const struct ask *a, bool raw)
{
	const char *file = a->words[0];

	return transfer_name(a, streq(file, "-") || !*file ? NULL : file, raw);
}

static const char *
import_file(const struct ask *a)
{
	return streq(a->words[0], "-") || !*a->words[0] ? "standard input" : a->words[0];
}

static int
import_open(const struct ask *a)
{
	struct stat st;
	int fd = 0;

	if (!streq(import_file(a), a->words[0])) {
		if (isatty(0))
			die("standard input is a terminal: name a FILE, or redirect it");
	} else {
		fd = openat(AT_FDCWD, a->words[0], O_RDONLY | O_CLOEXEC | O_NOCTTY);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		die("open %s:", a->words[0]);
	if (S_ISDIR(st.st_mode))
		die("%s is a directory: import-fs takes those", a->words[0]);
	if (S_ISCHR(st.st_mode) && st.st_rdev != makedev(1, 3))
		die("%s is a character device: it would have no end", import_file(a));
	if (S_ISREG(st.st_mode)) {
		off_t at = lseek(fd, 0, SEEK_CUR);

		import.total = (uint64_t)(st.st_size > at && at > 0 ? st.st_size - at : st.st_size);
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	return fd;
}

static void
import_begin(const struct ask *a, const char *name)
{
	import.verb = "Imported";
	transfer_begin(&import, a, a->verb, name, import_file(a));
	transfer_say(&import, "Importing '%s', saving as '%s'.", import_file(a), name);
}

static void
commit(const struct ask *a, struct making *m)
{
	clear_line();
	if (halted)
		transfer_fail(m->name, NULL);
	if (running && running->check)
		running->check(m);
	store_commit(m, a->replace ? STORE_REPLACE : a->force ? STORE_FORCE : STORE_NEW, a->read_only, !a->no_sync);
}

/* how many names are in it, up to two; the last goes to name */
static int
look_into(int dir, char name[NAME_MAX + 1])
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -1;
	while (n < 2 && (e = readdir(d))) {
		if (streq(e->d_name, ".") || streq(e->d_name, ".."))
			continue;
		snprintf(name, NAME_MAX + 1, "%s", e->d_name);
		n++;
	}
	closedir(d);
	return n;
}

static bool
looks_like_os(int dir)
{
	static const char *const signs[] = { "etc/os-release", "usr/lib/os-release", "usr", "sbin/init", "bin/sh" };
	struct stat st;
	size_t i;

	for (i = 0; i < LEN(signs); i++)
		if (fstatat(dir, signs[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	return false;
}

/* all in the directory name goes up into dir; the directory gets a name first that cannot be in it */
static int
move_up(int dir, int below, const char *name)
{
	char one[NAME_MAX + 1], *own;
	struct stat st;
	uint64_t random;

	random_bytes(&random, sizeof(random));
	own = fmt(".#%016llx", (unsigned long long)random);
	if (fstat(below, &st) < 0 || renameat(dir, name, dir, own) < 0)
		return -1;
	while (look_into(below, one) > 0)
		if (renameat(below, one, dir, one) < 0)
			return -1;
	if (unlinkat(dir, own, AT_REMOVEDIR) < 0 || copy_attributes(below, dir) < 0)
		return -1;
	return futimens(dir, (struct timespec[]){ st.st_atim, st.st_mtim });
}

/* archives of a tree often hold it in a directory of its own */
static void
straighten(int dir, const char *name)
{
	char one[NAME_MAX + 1];
	int n = look_into(dir, one), below;

	if (n < 0)
		transfer_fail(name, strerror(errno));
	if (n == 0)
		transfer_fail(name, "it holds no files");
	if ((sys_access(dir, "oci-layout", F_OK) == 0 || sys_access(dir, "manifest.json", F_OK) == 0) && !looks_like_os(dir))
		transfer_fail(name, "it holds an image in layers: import-oci takes those");
	if (n != 1 || streq(one, "usr"))
		return;
	below = sys_open_dir(dir, one);
	if (below >= 0 && looks_like_os(below) && move_up(dir, below, one) < 0)
		transfer_fail(name, fmt("move what is in '%s' up: %s", one, strerror(errno)));
	drop(below);
}

void
transfer_unpack_tar(const struct ask *a, struct stream *s, struct making *m, const char *name)
{
	const uint8_t *at;
	ssize_t n = stream_peek(s, &at);
	const char *why = n > 0 ? disk_alien(at, (size_t)n, IS_TAR) : NULL;
	struct tar *t;

	if (why)
		transfer_fail(name, fmt("it is %s", why));
	t = tar_open(s);
	if (unpack_tree(t, m->fd, 0, &why) < 0)
		transfer_fail(name, why ? why : strerror(errno));
	tar_close(t);
	/* what follows is for nobody, but its sums are; and who writes to us is not cut off */
	while ((n = stream_get(s, &at, 1 << 16)) > 0 && !halted)
		;
	if (n < 0 || halted)
		transfer_fail(name, stream_why(s));
	stream_close(s);
	straighten(m->fd, name);
	commit(a, m);
}

/* its first bytes, which say what it is */
static size_t
read_head(int fd, uint8_t head[2048])
{
	ssize_t n = pread(fd, head, 2048, 0);

	return n > 0 ? (size_t)n : 0;
}

static void
commit_raw(const struct ask *a, struct making *m, const char *name)
{
	uint8_t head[2048];
	size_t n = read_head(m->fd, head);

	if (n == 0)
		transfer_fail(name, "it is empty");
	if (memcmp(head, "hsqs", 4) == 0)
		m->kind = IMAGE_SQUASHFS;
	else if (n > 1027 && memcmp(head + 1024, "\xe2\xe1\xf5\xe0", 4) == 0)
		m->kind = IMAGE_EROFS;
	if (m->kind != IMAGE_RAW)
		m->path = fmt("%.*s.%s", (int)(strlen(m->path) - strlen(".raw")), m->path, image_kinds[m->kind]);
	commit(a, m);
}

/* of qcow2 the tables may stand behind what they speak of: it has to be a file first, which has no name */
static int
open_spool(const struct making *m)
{
	int fd = sys_denied("O_TMPFILE") ? -1 : openat(m->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint64_t random;
	char *path;

	if (fd >= 0)
		return fd;
	/* one of its own names, so that it is swept */
	random_bytes(&random, sizeof(random));
	path = fmt("%.*s%016llx", (int)strlen(m->temporary) - 16, m->temporary, (unsigned long long)random);
	fd = openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || (unlink(path) < 0 && errno != ENOENT))
		die("make %s:", path);
	return fd;
}

void
transfer_unpack_raw(const struct ask *a, struct stream *s, struct making *m, const char *name)
{
	const char *why = NULL;
	const uint8_t *head;
	ssize_t n = stream_peek(s, &head);
	bool qcow2 = n > 0 && qcow2_is(head, (size_t)n);
	int to = qcow2 ? open_spool(m) : m->fd;

	if (n > 0 && (why = disk_alien(head, (size_t)n, IS_DISK | IS_QCOW2)))
		transfer_fail(name, fmt("it is %s", why));
	if (n < 0 || raw_write(s, to, &why) < 0 || halted)
		transfer_fail(name, why ? why : stream_why(s));
	stream_close(s);
	if (qcow2 && (qcow2_unpack(to, m->fd, &why) < 0 || halted))
		transfer_fail(name, why);
	if (qcow2)
		drop(to);
	commit_raw(a, m, name);
}

int
transfer_import_tar(struct ask *a)
{
	static struct making m;
	struct source file, told;
	const char *name = import_name(a, false);

	file = source_fd(import_open(a));
	store_make(&m, a->image_root, name, IMAGE_DIRECTORY, a->force || a->replace);
	import_begin(a, name);
	told = transfer_watch(&import, &file);
	transfer_unpack_tar(a, stream_open(&told), &m, import_file(a));
	transfer_end(&import);
	return 0;
}

int
transfer_import_raw(struct ask *a)
{
	static struct making m;
	struct source file, told;
	const char *name = import_name(a, true);
	const char *why = NULL;
	uint8_t head[2048];
	int fd = import_open(a);

	store_make(&m, a->image_root, name, IMAGE_RAW, a->force || a->replace);
	import_begin(a, name);
	if (lseek(fd, 0, SEEK_CUR) == 0 && qcow2_is(head, read_head(fd, head))) {
		if (qcow2_unpack(fd, m.fd, &why) < 0 || halted)
			transfer_fail(import_file(a), why);
		commit_raw(a, &m, import_file(a));
	} else {
		file = source_fd(fd);
		told = transfer_watch(&import, &file);
		transfer_unpack_raw(a, stream_open(&told), &m, import_file(a));
	}
	transfer_end(&import);
	return 0;
}

/* it would be copied into itself, until the disk is full */
static bool
is_within(int dir, const struct stat *top)
{
	struct stat st, above;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), up;

	while (fd >= 0 && fstat(fd, &st) == 0) {
		if (st.st_dev == top->st_dev && st.st_ino == top->st_ino)
			return drop(fd), true;
		up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		drop(fd);
		fd = up;
		if (fd < 0 || (fstat(fd, &above) == 0 && above.st_dev == st.st_dev && above.st_ino == st.st_ino))
			break;
	}
	drop(fd);
	return false;
}

int
transfer_import_fs(struct ask *a)
{
	static struct making m;
	struct image from;
	const char *name = import_name(a, false);
	char *where = NULL;
	struct stat st;
	int fd = openat(AT_FDCWD, a->words[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOTDIR)
		die("%s is no directory: import-tar takes archives, import-raw disk images", a->words[0]);
	if (fd < 0 || fstat(fd, &st) < 0 || !store_at(a->words[0], &from))
		die("open %s:", a->words[0]);
	store_make(&m, a->image_root, name, IMAGE_DIRECTORY, a->force || a->replace);
	if (is_within(m.fd, &st))
		die("%s holds %s, where the copy would go: --image-root=DIR takes another place", a->words[0], store_dir(a->image_root));
	import_begin(a, name);
	from.name = NULL;  /* nothing belongs to it */
	from.fd = fd;
	if (from.kind == IMAGE_OVERLAY)  /* what it shows, not what it is made of */
		fd = image_open_tree(&from, false);
	if (from.kind == IMAGE_SUBVOLUME)
		store_clone(&from, &m, STORE_NO_OVERLAY);
	else if (copy_tree(fd, m.fd, 0, &where) < 0 || halted)
		transfer_fail(a->words[0], fmt("copy %s: %s", where, store_reason()));
	commit(a, &m);
	transfer_end(&import);
	return 0;
}

/* ---- out ---------------------------------------------------------------------------- */

/* what is written beside its place, and is there all at once or not at all */
static struct {
	int fd;
	char *path, *temporary;  /* NULL: straight to where it goes */
} out = { .fd = -1 };

static struct transfer export;

static void
drop_output(void)
{
	if (out.temporary)
		unlink(out.temporary);
}

static int
export_format(const struct ask *a)
{
	int i;

	if (!a->format)
		return a->words[1] ? pack_by_name(a->words[1]) : PACK_NONE;
	for (i = 0; i < PACK_KINDS; i++)
		if (streq(a->format, pack_names[i]))
			return i;
	die("--format=%s: not one of: %s %s %s %s %s", a->format,
	    pack_names[0], pack_names[1], pack_names[2], pack_names[3], pack_names[4]);
}

static int
export_level(const struct ask *a)
{
	long long level = 0;

	if (a->level && !parse_number(a->level, 1, 9, &level))
		die("--level=%s: not a number from 1 to 9", a->level);
	return (int)level;
}

/* one that was left by an export that was killed is taken again */
static void
open_beside(void)
{
	char *slash = strrchr(out.path, '/');
	int dir = slash ? (int)(slash - out.path) + 1 : 0;
	char *path = fmt("%.*s.#%s.tmp", dir, out.path, out.path + dir);
	enum { FLAGS = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };
	bool again;
	struct stat st;

	halt_by_signal();
	out.fd = openat(AT_FDCWD, path, FLAGS | O_CREAT | O_EXCL, 0666);
	again = out.fd < 0 && errno == EEXIST;
	if (again)
		out.fd = openat(AT_FDCWD, path, FLAGS);
	if (out.fd < 0)
		die("write %s:", out.path);
	/* where there are no locks nobody has one */
	if ((flock(out.fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) || !is_named(out.fd, path))
		die("%s is being written by another export", out.path);
	/* where others may write, too, they may have put there what they want to read, or to see destroyed */
	if (again && (fstat(out.fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)) {
		drop(out.fd);
		if (unlink(path) < 0 || (out.fd = openat(AT_FDCWD, path, FLAGS | O_CREAT | O_EXCL, 0666)) < 0)
			die("make %s:", path);
		flock(out.fd, LOCK_EX | LOCK_NB);
	}
	out.temporary = path;
	atexit(drop_output);
	if (ftruncate(out.fd, 0) < 0)
		die("empty %s:", path);
}

static const char *
export_open(const struct ask *a)
{
	char real[PATH_MAX];
	struct stat st;

	out.path = a->words[1];
	if (!out.path || !*out.path || streq(out.path, "-")) {
		if (isatty(1))
			die("standard output is a terminal: name a FILE, or redirect it");
		out.fd = 1;
		return "standard output";
	}
	if (stat(out.path, &st) < 0 || S_ISREG(st.st_mode)) {
		if (realpath(out.path, real))  /* a link to it stays a link */
			out.path = xstrdup(real);
		open_beside();
		return a->words[1];
	}
	if (S_ISDIR(st.st_mode))
		die("%s is a directory: name a FILE in it", out.path);
	out.fd = openat(AT_FDCWD, out.path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (out.fd < 0)
		die("open %s:", out.path);
	return a->words[1];
}

static void
sync_above(const char *path)
{
	const char *slash = strrchr(path, '/');
	int fd = openat(AT_FDCWD, slash ? xstrndup(path, (size_t)((slash - path) + 1)) : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
		die("sync the directory of %s:", path);
	drop(fd);
}

static void
export_close(const struct ask *a, const char *name)
{
	clear_line();
	if (halted)
		transfer_fail(name, NULL);
	if (!a->no_sync && fsync(out.fd) < 0 && errno != EINVAL && errno != EROFS)
		transfer_fail(name, strerror(errno));
	if (!out.temporary)
		return;
	if (rename(out.temporary, out.path) < 0)
		die("name %s:", out.path);
	out.temporary = NULL;
	if (!a->no_sync)
		sync_above(out.path);
}

static void
exported(uint64_t bytes)
{
	transfer_progress(&export, bytes);
}

/* the image, and where it goes; the list knows it */
static struct sink *
export_begin(const struct ask *a, struct image *i, const char **to)
{
	int format = export_format(a), level = export_level(a);

	if (!store_find(a->image_root, a->words[0], i))
		die("No image '%s'%s.", a->words[0], store_called(a->image_root, a->words[0]));
	if (streq(a->verb, "export-raw") && (i->kind < IMAGE_RAW || i->kind >= IMAGE_KINDS))
		die("export-raw: image '%s' is of type %s: Operation not supported (export-tar takes it)", i->name, image_kinds[i->kind]);
	*to = export_open(a);
	export.verb = "Exported";
	transfer_begin(&export, a, a->verb, i->name, *to);
	transfer_say(&export, "Exporting '%s', saving to '%s' with compression '%s'.", i->path, *to, pack_names[format]);
	return sink_open(out.fd, format, level);
}

/* false: a machine runs on it, which has it for itself */
static bool
lock_shared(struct image *i)
{
	i->fd = openat(AT_FDCWD, i->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (i->fd < 0)
		die("open %s:", i->path);
	return flock(i->fd, LOCK_SH | LOCK_NB) == 0;
}

static void
warn_in_use(const struct image *i)
{
	warn("%s is in use: what changes meanwhile is taken as it is found", i->path);
}

/* its tree, as it is in one moment where that can be */
static int
export_tree(struct image *i, struct making *m)
{
	char *slash = strrchr(i->path, '/');

	if (lock_shared(i))
		return image_open_tree(i, false);
	if (i->kind != IMAGE_SUBVOLUME || !slash || access(xstrndup(i->path, (size_t)((slash - i->path) + 1)), W_OK) < 0) {
		warn_in_use(i);
		return image_open_tree(i, false);
	}
	store_make(m, xstrndup(i->path, (size_t)(slash - i->path)), i->name, IMAGE_DIRECTORY, true);
	store_clone(i, m, STORE_NO_OVERLAY);
	return m->fd;
}

int
transfer_export_tar(struct ask *a)
{
	static struct making m;
	struct image i;
	const char *to, *why = NULL;
	struct sink *s = export_begin(a, &i, &to);

	if (pack_tree(export_tree(&i, &m), s, exported, &why) < 0)
		transfer_fail(to, why);
	if (sink_close(s) < 0)
		transfer_fail(to, sink_why(s));
	store_abandon(&m);
	export_close(a, to);
	if (why)
		warn("%s: %s", i.path, why);
	transfer_end(&export);
	return 0;
}

static int
put_range(int fd, struct sink *s, off_t at, off_t end)
{
	enum { SIZE = 1 << 17 };
	static void *room;
	char *buf = scratch_room(&room, SIZE);
	ssize_t n;

	while (at < end && !halted) {
		n = pread(fd, buf, (size_t)(end - at < SIZE ? end - at : SIZE), at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : sink_zeros(s, (uint64_t)(end - at));  /* it was cut meanwhile */
		if (sink_put(s, buf, (size_t)n) < 0)
			return -1;
		at += n;
		exported((uint64_t)at);
	}
	return 0;
}

/* holes are not read */
static int
put_image(int fd, struct sink *s, off_t size)
{
	off_t at = 0, data, end;

	while (at < size && !halted) {
		data = lseek(fd, at, SEEK_DATA);
		if (data < 0)
			data = errno == ENXIO ? size : at;
		end = data < size ? lseek(fd, data, SEEK_HOLE) : size;
		if (end <= data || end > size)
			end = size;
		if (sink_zeros(s, (uint64_t)(data - at)) < 0 || put_range(fd, s, data, end) < 0)
			return -1;
		at = end;
	}
	return 0;
}

int
transfer_export_raw(struct ask *a)
{
	struct image i;
	const char *to;
	struct sink *s = export_begin(a, &i, &to);
	off_t size;
	bool plain;

	if (!lock_shared(&i))
		warn_in_use(&i);
	size = lseek(i.fd, 0, SEEK_END);
	if (size < 0 || lseek(i.fd, 0, SEEK_SET) < 0)
		transfer_fail(i.path, strerror(errno));
	export.total = (uint64_t)size;
	/* shared with the image, where that can be; the sink would cut it to what went through it */
	plain = out.temporary && export_format(a) == PACK_NONE;
	if ((plain ? copy_contents(i.fd, out.fd, 0) : put_image(i.fd, s, size)) < 0)
		transfer_fail(to, *sink_why(s) ? sink_why(s) : strerror(errno));
	if (!plain && sink_close(s) < 0)
		transfer_fail(to, sink_why(s));
	export_close(a, to);
	transfer_end(&export);
	return 0;
}
