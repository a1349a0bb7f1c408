/* SPDX-License-Identifier: 0BSD */
/* The registry: one file per running machine, held by a lock, and nothing that outlives it */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nspawn-lite.h"

/* what a killed supervisor left, by the key of its line. They say true once it is gone; held: a tree whose lock we have, or -1 */
static bool
sweep_work(const char *note, int held)
{
	work_sweep(note, held);
	return true;
}

/* a larger build of this program has made it, and takes it away, too */
static bool
leave(const char *note, int held)
{
	(void)note;
	(void)held;
	return false;
}

static bool
sweep_console(const char *note, int held)
{
	(void)held;
	if (name_valid(note))
		unlink(fmt("%s/" CONSOLES_DIR "/%s", run_state_dir(), note));
	return true;
}

static const struct { const char *key; bool (*fn)(const char *note, int held); } sweepers[] = {
	{ "WORK=", WITH_OVERLAY ? sweep_work : leave },
	{ "LINK=", WITH_NETWORK ? net_sweep_link : leave },
	{ "MOVED=", WITH_MOVE ? move_sweep : leave },
	{ "TABLE=", WITH_NETWORK ? port_sweep : leave },
	{ "HOSTS=", WITH_NETWORK ? address_sweep_hosts : leave },
	{ "CONSOLE=", sweep_console },
	/* and in files of what they share */
	{ "ZONE=", WITH_NETWORK ? net_sweep_zone : leave },
	{ "FORWARD=", WITH_NETWORK ? forward_sweep : leave },
	{ "IPTABLES=", WITH_PORTS ? port_sweep_rules : leave },
};

static bool
sweep_line(const char *line, int held)
{
	const char *note;
	size_t i;

	for (i = 0; i < LEN(sweepers); i++)
		if ((note = after(line, sweepers[i].key)))
			return sweepers[i].fn(note, held);
	return true;
}

static bool
unmake_shared(char *text)
{
	bool all = true;
	char *line;

	while ((line = next_line(&text)))
		all &= sweep_line(line, -1);
	return all;
}

/* the text of the file, until the next call */
static char *
facts_of(int fd)
{
	enum { SIZE = 65536, MOST = 1 << 22 };
	static void *at;
	static char *large;  /* what a user said may be long, and what is to be swept stands behind it */
	char *text = scratch_room(&at, SIZE);
	size_t size = SIZE;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == 0 && st.st_size >= SIZE && st.st_size < MOST) {
		size = (size_t)st.st_size + 1;
		text = realloc(large, size);
		if (!text)
			die("no memory for the register of machines");
		large = text;
	}
	n = pread(fd, text, size - 1, 0);
	text[n < 0 ? 0 : n] = 0;
	return n < 0 ? NULL : text;
}

/* do something with each control group that the file has; true: it could be done to all */
static bool
each_group(int fd, bool (*fn)(const char *place))
{
	char *rest = facts_of(fd), *line;
	const char *place;
	bool all = rest != NULL;

	while ((line = next_line(&rest)))
		if ((place = after(line, "CGROUP=")) && *place)
			all &= fn(place);
	return all;
}

static bool
thaw(const char *place)
{
	struct share s;

	if (!cgroup_find(place, &s))
		return true;
	cgroup_thaw(&s);
	cgroup_let_go(&s);
	return true;
}

/* what a killed supervisor's file says is still there. true: it is gone. held: a tree whose lock we have, or -1 */
static bool
sweep_leftovers(int fd, int held)
{
	bool all = each_group(fd, thaw) && each_group(fd, cgroup_remove);  /* first: who lives on might still use the rest */
	char *rest = facts_of(fd), *line;

	while ((line = next_line(&rest)))
		all &= sweep_line(line, held);
	return all;
}

/* lines of the register, put together in room that is given back: it is written several times, and the supervisor stays */
struct text { char *at; size_t len, most; };

static void
add(struct text *t, const char *text, size_t len)
{
	char *more;

	if (len > t->most - t->len) {
		t->most = 2 * (t->most + len);
		more = xalloc(t->most);
		t->at = memcpy(more, t->at, t->len);
	}
	memcpy(t->at + t->len, text, len);
	t->len += len;
}

static void
add_line(struct text *t, const char *key, const char *value)
{
	add(t, key, strlen(key));
	add(t, value, strlen(value));
	add(t, "\n", 1);
}

/* nothing, where there is no value. It is one line, whatever it holds */
static void
add_fact(struct text *t, const char *key, const char *value)
{
	size_t n;

	if (!value)
		return;
	add(t, key, strlen(key));
	for (; *value; value += n) {
		n = strcspn(value, "\n\\");
		add(t, value, n);
		if (!value[n])
			break;
		add(t, value[n] == '\n' ? "\\n" : "\\\\", 2);
		n++;
	}
	add(t, "\n", 1);
}

static void
add_number(struct text *t, const char *key, long long n)
{
	char number[24];

	snprintf(number, sizeof(number), "%lld", n);
	add_fact(t, key, number);
}

static const char *
if_any(const char *value)
{
	return value && *value ? value : NULL;
}

/* what leads to it from the host: the bridge, or the other end of its first veth */
static const char *
link_of(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->nlinks && !r->bridge; i++)
		if (r->link[i].kind == LINK_VETH || r->link[i].kind == LINK_EXTRA)
			return r->link[i].host;
	return r->bridge;
}

/* while we run others may add control groups, see machine_extend: not just when we write */
static bool
lock_others(const struct run *r, short type)
{
	struct flock all = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(r->claim, F_SETLK, &all) == 0;
}

/* one that was stopped in the middle of it is not waited for long */
static bool
alone_with(const struct run *r)
{
	enum { TRIES = 50, MS = 2 };
	int i;

	if (!r->extensible)
		return false;
	for (i = 0; i < TRIES && !lock_others(r, F_WRLCK); i++)
		poll(NULL, 0, MS);
	return i < TRIES;
}

/* what they added stays behind our text; returned: the size of all that is there now */
static size_t
add_appended(const struct run *r, struct text *t)
{
	char *appended;
	struct stat st;
	size_t n;

	if (!r->extensible || fstat(r->claim, &st) < 0 || (size_t)st.st_size <= r->claim_size || st.st_size > 1 << 20)
		return r->claim_size;
	n = (size_t)st.st_size - r->claim_size;
	appended = xalloc(n);
	if (pread(r->claim, appended, n, (off_t)r->claim_size) != (ssize_t)n)
		die("read %s:", r->claim_path);
	add(t, appended, n);
	return (size_t)st.st_size;
}

/*
 * The whole file anew; what may be left behind by kill -9 stands in it before it is made. A sum tells who reads it while
 * it is written; what others append stands behind that
 */
static bool
write_facts(struct run *r)
{
	enum { ROOM = 16384 };
	static const uint8_t key[16] = REGISTER_KEY;
	static void *room;
	struct text t = { scratch_room(&room, ROOM), 0, ROOM };
	struct timespec now, tick;
	char id[33], line[64], **w;
	size_t i, size, before;
	bool held, ok;

	if (!r->since) {
		clock_gettime(CLOCK_REALTIME, &now);
		clock_gettime(CLOCK_MONOTONIC, &tick);
		r->since = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
		r->since_monotonic = tick.tv_sec * INT64_C(1000000) + tick.tv_nsec / 1000;
		r->supervisor = getpid();
	}
	add_fact(&t, "NAME=", r->name);
	for (i = 0; i < r->nshares; i++)  /* these, and notes, stand there as they are */
		add_line(&t, "CGROUP=", cgroup_place(&r->share[i]));
	r->nnoted = r->nshares;
	add_fact(&t, "ROOT=", if_any(r->root));  /* these two are not known while it waits */
	format_id128(r->uuid, id);
	add_fact(&t, "ID=", strspn(id, "0") < 32 ? id : NULL);
	add_fact(&t, "CLASS=", "container");
	add_number(&t, "REALTIME=", r->since);
	add_number(&t, "MONOTONIC=", r->since_monotonic);
	add_number(&t, "HIDDEN=", r->hidden);
	add_number(&t, "SUPERVISOR=", r->supervisor);
	add_number(&t, "LEADER=", r->pid);
	add_fact(&t, "STATE=", r->state ? r->state : "opening");
	add_fact(&t, "REASON=", if_any(r->reason));
	if (WITH_MACHINES) {
		add_fact(&t, "OS=", if_any(r->os));
		add_fact(&t, "VERSION=", if_any(r->os_version));
		add_fact(&t, "PRETTY=", if_any(r->os_pretty));
	}
	add_fact(&t, "NETWORK=", r->network ? "1" : NULL);
	add_fact(&t, "IMAGE=", r->image >= 0 && !r->layers ? "1" : NULL);
	if (WITH_NETWORK)
		add_fact(&t, "IFACE=", if_any(link_of(r)));
	if (WITH_USERNS && r->userns) {
		snprintf(line, sizeof(line), "%u:%u", (unsigned int)r->id_base, (unsigned int)r->id_count);
		add_fact(&t, "IDS=", line);
	}
	for (w = r->notes; w && *w; w++)
		add_line(&t, "", *w);
	r->nnotes_noted = count(r->notes);
	for (w = r->words; WITH_MACHINES && w && *w; w++)  /* last: as long as they are */
		add_fact(&t, "WORD=", *w);
	snprintf(line, sizeof(line), "SUM=%016llx\n", (unsigned long long)siphash24(t.at, t.len, key));
	add(&t, line, strlen(line));
	size = t.len;
	held = alone_with(r);
	before = add_appended(r, &t);
	ok = pwrite(r->claim, t.at, t.len, 0) == (ssize_t)t.len && (t.len >= before || ftruncate(r->claim, (off_t)t.len) == 0);
	r->claim_size = size;
	if (held)
		lock_others(r, F_UNLCK);
	return ok;
}

static void
must_write_facts(struct run *r)
{
	if (!write_facts(r))
		die("write %s:", r->claim_path);
}

void
machine_tell(struct run *r, const char *state, const char *reason)
{
	char **words = r->words;
	pid_t pid = r->pid;

	if (r->claim < 0)
		return;
	r->state = state ? state : r->state;
	r->reason = reason;
	/* shorter than before: there is room for it, and its pid is nobody's. But without a reason it lives yet, asked to end */
	if (r->state && streq(r->state, "closing") && reason) {
		r->words = NULL;
		r->pid = 0;
	}
	write_facts(r);
	r->words = words;
	r->pid = pid;
}

/* others may have added control groups, see machine_extend */
static bool
was_extended(const struct run *r)
{
	struct stat st;

	return r->claim >= 0 && fstat(r->claim, &st) == 0 && (size_t)st.st_size > r->claim_size;
}

static void
release(struct run *r)
{
	if (r->claim < 0)
		return;
	if (!r->cgroup_stays && was_extended(r))
		r->cgroup_stays = !sweep_leftovers(r->claim, -1);
	if (r->carry)
		return;
	if (r->state && !streq(r->state, "closing"))
		machine_tell(r, "closing", r->ending ? "told to end" : "could not begin");
	if (!r->cgroup_stays)  /* else the file is what leads the next command to it */
		unlink(r->claim_path);
	drop(r->claim);
	r->claim = -1;
}

/* Owners lock it for themselves, sweepers share it, and only for a moment: wait for those */
static bool
lock(int fd)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || flock(fd, LOCK_SH | LOCK_NB) < 0)
			return false;
		sched_yield();
	}
	return true;
}

/*
 * It is ours while we hold the lock of its file. The file goes with what it stands for; whoever
 * waited for the lock of one that went meanwhile sees that it has no name any more.
 */
int
machine_lock(const char *path, off_t *size)
{
	struct stat st;
	int fd;

	for (;;) {
		fd = run_open_state(path);
		if (fd < 0 && errno == EROFS)
			die("make %s: it is read-only there; mount a tmpfs on %s, or name another place by NSPAWN_LITE_ROOT", path, run_state_dir());
		if (fd < 0)
			die("make %s:", path);
		if (!lock(fd))
			return drop(fd);
		if (fstat(fd, &st) < 0)
			die("look at %s:", path);
		*size = st.st_size;
		if (st.st_nlink > 0)
			return fd;
		close(fd);
	}
}

void
machine_claim(const struct plan *p, struct run *r)
{
	off_t size;
	bool carry;

	r->hidden = p->registered == NO;
	r->network = net_private(p);
	if (r->claimed) {  /* it waited, and has a tree now */
		must_write_facts(r);
		return;
	}
	if (r->claim < 0 || !streq(strrchr(r->claim_path, '/') + 1, r->name)) {
		carry = r->carry;
		r->carry = false;
		release(r);
		r->carry = carry;
		r->claim_path = fmt("%s/%s", run_state_dir(), r->name);
		r->claim = machine_lock(r->claim_path, &size);
		undo(r, release);
	} else {
		size = (off_t)r->claim_size;
	}
	if (r->claim < 0 && errno == EWOULDBLOCK && r->started)
		_exit(CLAIMED);
	if (r->claim < 0 && errno == ENOSYS) {
		unlink(r->claim_path);
		die("%s", lacks("file locks", "FILE_LOCKING"));
	}
	if (r->claim < 0)
		die(errno == EWOULDBLOCK ? "Machine '%s' already exists." : "lock the name of machine %s:", r->name);
	if (size > 0) {
		/* what stands there is of one that is gone, whose pids may be others' now, and our lock would make it true */
		if (r->claim_size == 0 && pwrite(r->claim, (char[]){ REGISTER_SPOILED }, 1, 0) != 1)
			die("write %s:", r->claim_path);
		r->cgroup_stays = !sweep_leftovers(r->claim, r->tree);
		if (r->cgroup_stays)
			die("what is left of a machine %s that was killed does not go away: see %s", r->name, r->claim_path);
		if (r->claim_size == 0 && ftruncate(r->claim, 0) < 0)
			die("empty %s:", r->claim_path);
	}
	r->claimed = true;
	must_write_facts(r);
}

bool
machine_carried(struct run *r, const char *name, int fd)
{
	char *path = fmt("%s/%s", run_state_dir(), name);
	struct stat st, there;

	/* whatever our caller's environment says: it is that file, and its lock is ours, as it is of nobody else then */
	if (fstat(fd, &st) < 0 || lstat(path, &there) < 0 || st.st_dev != there.st_dev || st.st_ino != there.st_ino
	    || !S_ISREG(st.st_mode) || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	r->claim = fd;
	r->claim_path = path;
	r->claim_size = (size_t)st.st_size;
	undo(r, release);
	return true;
}

void
machine_carry(struct run *r, const char *state, const char *reason)
{
	if (r->claim < 0)
		return;
	r->carry = false;
	undo(r, release);
	if (r->cgroup_stays)  /* it leads to what is left */
		return;
	r->nshares = r->nlinks = 0;
	r->notes = r->words = NULL;
	r->bridge = NULL;
	r->userns = false;
	r->since = 0;
	machine_tell(r, state, reason);
}

void
machine_register(const struct plan *p, struct run *r)
{
	(void)p;
	r->state = "running";
	r->reason = NULL;
	must_write_facts(r);
	r->extensible = true;
}

void
machine_note(const struct plan *p, struct run *r)
{
	(void)p;
	if (r->nshares != r->nnoted || count(r->notes) != r->nnotes_noted)
		must_write_facts(r);
}

/* no owner holds the file, and none can come while we share its lock */
static void
sweep_one(int dir, const char *name)
{
	struct stat st;
	int fd;

	if (after(name, SHARED_PREFIX)) {
		if (WITH_NETWORK)
			share_sweep(dir, name, unmake_shared);
		return;
	}
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0 && sweep_leftovers(fd, -1))
		unlinkat(dir, name, 0);
	close(fd);
}

/* own: not this one. most: of those that have owners or had them, and each time others of many; 0: all */
static void
sweep(const char *own, size_t turn, int most)
{
	/* a network is told in half a dozen files that one killed machine may have had for itself; what does not go takes its time */
	enum { SHARED_MOST = 8, SIZE = 4096, LONGEST_MS = 5000 };
	static void *room;
	char *names = scratch_room(&room, SIZE);
	char *shared[SHARED_MOST];  /* after those who shared it: what they left may hold it */
	int dir = openat(AT_FDCWD, run_state_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), seen = 0, n_shared = 0;
	struct entry { uint64_t ino; int64_t off; uint16_t len; unsigned char type; char name[]; } *e;
	int64_t end = now_ms() + LONGEST_MS;
	long n, at;

	if (dir < 0)
		return;
	do {  /* getdents64(2); a short answer is the last one */
		n = syscall(SYS_getdents64, dir, names, SIZE);
		for (at = 0; at < n; at += e->len) {
			e = (struct entry *)(void *)(names + at);
			/* the host is changed as long as what was shared stays, and it may stand behind those of others who live */
			if (most && seen >= most && !after(e->name, SHARED_PREFIX))
				continue;
			if (streq(e->name, ".mounts.new"))  /* mntns.c was killed while it wrote; if not, it is no loss */
				unlinkat(dir, e->name, 0);
			if ((*e->name == '.' && !after(e->name, IDS_PREFIX) && !after(e->name, SHARED_PREFIX)) || (own && streq(e->name, own)) || (most && n > 1024 && turn++ % 8))
				continue;
			/* one sweeper at a time */
			if (seen + n_shared == 0 && flock(dir, LOCK_EX | LOCK_NB) < 0) {
				close(dir);
				return;
			} else if (!after(e->name, SHARED_PREFIX)) {
				seen++;
				sweep_one(dir, e->name);
			} else if (n_shared < SHARED_MOST) {
				shared[n_shared++] = xstrdup(e->name);
			}
		}
	} while (n > SIZE - 300 && (most ? seen < most : now_ms() < end));
	while (n_shared > 0)
		sweep_one(dir, shared[--n_shared]);
	close(dir);
}

/*
 * Look at a few of the other files in passing, and take away what has no owner. A few, since a
 * start shall cost the same with a thousand machines: each begins at another place.
 */
void
machine_sweep(const struct run *r)
{
	enum { AT_MOST = 4 };

	sweep(r->name, (size_t)r->pid % 8, AT_MOST);
}

void
machine_sweep_all(void)
{
	if (getauxval(AT_EUID) == 0)
		sweep(NULL, 0, 0);
}

/* ---- a machine of another supervisor ------------------------------------------- */

void
machine_reach(const char *name, struct run *r)
{
	struct flock alone = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct known k;
	char **place;

	if (!WITH_LIMITS)
		return;
	if (!name_valid(name))
		die("%s: not a name that a machine can have", name);
	r->name = xstrdup(name);
	r->claim_path = fmt("%s/%s", run_state_dir(), name);
	r->claim = openat(AT_FDCWD, r->claim_path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (r->claim < 0 && errno != ENOENT)
		die("open %s:", r->claim_path);
	/* its supervisor holds the lock as long as it lives */
	if (r->claim < 0 || flock(r->claim, LOCK_SH | LOCK_NB) == 0)
		die("machine %s is not running", name);
	while (fcntl(r->claim, F_SETLKW, &alone) < 0)  /* of those who change it from outside one at a time */
		if (errno != EINTR)
			die("lock %s:", r->claim_path);
	if (!known_read_at(r->claim, &k))
		die("machine %s is not running", name);
	r->pid = k.leader;
	for (place = k.groups; place && *place && r->nshares < LEN(r->share); place++)
		r->nshares += cgroup_find(*place, &r->share[r->nshares]);
	if (r->pid <= 0)
		die("machine %s is not running yet, or not any more", name);
	r->nnoted = r->nshares;
}

/* before they are made: the supervisor looks again at its end, and so does who sweeps after it */
void
machine_extend(struct run *r)
{
	char *line;

	if (!WITH_LIMITS)
		return;
	for (; r->nnoted < r->nshares; r->nnoted++) {
		line = fmt("CGROUP=%s\n", cgroup_place(&r->share[r->nnoted]));
		if (write(r->claim, line, strlen(line)) != (ssize_t)strlen(line))
			die("write %s:", r->claim_path);
	}
}

void
machine_thaw(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->nshares; i++)
		cgroup_thaw(&r->share[i]);
	if (was_extended(r))
		each_group(r->claim, thaw);
}

/* those that something in it has frozen are looked for only when it takes its time */
void
machine_kill(const struct run *r)
{
	enum { ROUNDS = 200, SOME = 20 };
	siginfo_t info;
	int i;

	kill(r->pid, SIGKILL);
	machine_thaw(r);
	for (i = 0; i < ROUNDS; i++) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid)
			return;
		if (i % SOME == SOME - 1)
			cgroup_end(r);
		poll(NULL, 0, i);
	}
}
