/* SPDX-License-Identifier: 0BSD */
/* The machine's terminal: a pty of the guest's own devpts, forwarding, escape keys; or pipes */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "nspawn-lite.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)  /* 4.13 */
#endif

enum { ESCAPE = 0x1d, ESCAPE_WITHIN_MS = 1000 };

static struct termios before;  /* of the terminal we were called on */
static bool raw, midline;  /* midline: what went out last was no end of a line */

/* ---- choosing -------------------------------------------------------------- */

static struct lane *
add_lane(struct run *r, int from, int to)
{
	struct lane *l;

	if (!r->lane)
		r->lane = xalloc(3 * sizeof(*l));
	l = &r->lane[r->nlane++];
	l->from = from;
	l->to = to;
	return l;
}

/*
 * A terminal handed in as it is could be written to (TIOCSTI) by a guest that is root, and any node of the host's, /dev/null
 * too, could get another mode and owner: it gets a pipe instead, and we carry what goes through.
 */
static bool
is_node(int fd, bool *null)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	*null = S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
	return S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
}

static void
relay(struct run *r, int fd, bool null)
{
	int ends[2];
	struct lane *l;

	if (pipe2(ends, O_CLOEXEC) < 0)
		die("make a pipe:");
	r->relay[fd] = ends[fd != 0];
	if (null && fd == 0) {  /* nothing will come */
		close(ends[1]);
		return;
	}
	l = fd == 0 ? add_lane(r, 0, ends[1]) : add_lane(r, ends[0], fd);
	l->close_to = fd == 0;
}

void
console_open(const struct plan *p, struct run *r)
{
	bool in = isatty(0), out = isatty(1);
	bool null;
	int fd;

	r->mode = p->console;
	if (r->started && r->mode != CONSOLE_PASSIVE)
		r->mode = CONSOLE_READ_ONLY;
	if (r->mode == CONSOLE_AUTOPIPE)
		r->mode = in && out ? CONSOLE_INTERACTIVE : CONSOLE_PIPE;
	if (!r->mode)
		/* the original would let a command without a terminal read for ever from nowhere */
		r->mode = in && out ? CONSOLE_INTERACTIVE : p->boot ? CONSOLE_READ_ONLY : CONSOLE_PIPE;
	if (r->mode == CONSOLE_INTERACTIVE && !in)
		die("--console=interactive: standard input is no terminal");
	if (r->mode != CONSOLE_PIPE)
		return;
	for (fd = 0; fd < 3; fd++)
		if (is_node(fd, &null))
			relay(r, fd, null);
}

/* ---- in the child ------------------------------------------------------------ */

void
console_make(const struct plan *p, struct run *r)
{
	static const char note[2] = { NOTE_CONSOLE, 0 };
	struct winsize size;
	int zero = 0, master;

	if (r->mode == CONSOLE_PIPE)
		return;
	/* of the machine's own instance, whatever /dev/ptmx leads to; where there is one for all, the node is in /dev only */
	master = openat(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 && errno == ENOENT)
		master = openat(AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		die("open a terminal of the machine's own:");
	if (ioctl(master, TIOCSPTLCK, &zero) < 0 || ioctl(master, TIOCGPTN, &r->terminal) < 0)
		die("unlock the machine's terminal:");
	/* where the host's are no others; and /dev may be the host's */
	if (r->terminal && !rescue(p) && (unlink("/dev/console") < 0 || symlink(fmt("pts/%d", r->terminal), "/dev/console") < 0))
		die("make link /dev/console:");
	if (r->mode == CONSOLE_INTERACTIVE && ioctl(0, TIOCGWINSZ, &size) == 0)
		ioctl(master, TIOCSWINSZ, &size);
	if (sys_send(wirefd, note, sizeof(note), master) < 0)
		die("hand over the machine's terminal:");
}

/* that something else may be mounted there does not help the guest */
unsigned int
console_pty(int root, const struct winsize *size, int *master, int *slave)
{
	enum { DEVPTS = 0x1cd1 };  /* DEVPTS_SUPER_MAGIC */
	int dir = sys_open_in(root, "dev/pts", O_PATH, IN_DIR), zero = 0;
	unsigned int number;
	struct statfs fs;
	struct stat st;

	if (dir < 0)
		die("open /dev/pts of the machine:");
	*master = fstatfs(dir, &fs) < 0 || (uint32_t)fs.f_type != DEVPTS ? -1
	        : openat(dir, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*master < 0 && (uint32_t)fs.f_type == DEVPTS && errno == ENOENT)
		die("%s: exec needs none", lacks("terminals for each machine", "DEVPTS_MULTIPLE_INSTANCES; Linux 4.7"));
	if (*master < 0 && (uint32_t)fs.f_type == DEVPTS)
		die("open a terminal of the machine's own:");
	if (*master < 0 || fstatfs(*master, &fs) < 0 || (uint32_t)fs.f_type != DEVPTS || fstat(*master, &st) < 0
	    || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		die("what the machine has at /dev/pts is no devpts: no terminal can be had there");
	if (ioctl(*master, TIOCSPTLCK, &zero) < 0 || ioctl(*master, TIOCGPTN, &number) < 0)
		die("unlock the machine's terminal:");
	if (size)
		ioctl(*master, TIOCSWINSZ, size);
	*slave = openat(dir, fmt("%u", number), O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*slave < 0 || fstatfs(*slave, &fs) < 0 || (uint32_t)fs.f_type != DEVPTS)
		die("open the machine's terminal %u:", number);
	fcntl(*master, F_SETFL, O_RDWR);
	fcntl(*slave, F_SETFL, O_RDWR);
	close(dir);
	return number;
}

static void
take(int fd, int as)
{
	if (dup2(fd, as) < 0)
		die("take the terminal:");
}

void
console_take(const struct plan *p, struct run *r)
{
	int fd, i;

	if (r->mode == CONSOLE_PIPE) {
		for (i = 0; i < 3; i++)
			if (r->relay[i] >= 0)
				take(r->relay[i], i);
		return;
	}
	fd = openat(AT_FDCWD, r->mode == CONSOLE_PASSIVE ? "/dev/null" : fmt("/dev/pts/%d", r->terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		die("open the machine's terminal:");
	for (i = 0; i < 3; i++)
		take(fd, i);
	if (r->mode == CONSOLE_PASSIVE)
		return;
	if (r->uid && fchown(0, r->uid, (gid_t)-1) < 0)
		die("give the terminal to %s:", r->user);
	/* an init hands it to a shell of its own: were it init's, that shell had no job control, and ^C hit init */
	if (!p->as_pid2 && !p->boot && ioctl(0, TIOCSCTTY, 0) < 0)
		die("take the terminal as our own:");
}

/* ---- in the supervisor: lanes --------------------------------------------------- */

static void lane_in(struct run *r, int fd, short revents);
static void lane_out(struct run *r, int fd, short revents);

static struct lane *
lane_of(struct run *r, int fd, bool reading)
{
	size_t i;

	for (i = 0; i < r->nlane; i++)
		if ((reading ? r->lane[i].from : r->lane[i].to) == fd && !r->lane[i].ended)
			return &r->lane[i];
	return NULL;
}

/* ^] three times within a second kills; after two of them r reboots and p powers off. What is for the guest */
static size_t
look_for_escape(struct run *r, const char *buf, size_t len)
{
	static int escapes;
	static long long first;
	size_t i;

	for (i = 0; i < len; i++) {
		if (escapes && now_ms() - first > ESCAPE_WITHIN_MS)
			escapes = 0;
		if (buf[i] == ESCAPE) {
			if (escapes++ == 0)
				first = now_ms();
			if (escapes == 3)
				r->want = "kill";
		} else if (escapes == 2 && (buf[i] == 'r' || buf[i] == 'p')) {
			r->want = buf[i] == 'r' ? "reboot" : "poweroff";
		} else {
			escapes = 0;
		}
		if (r->want) {
			escapes = 0;
			return i;
		}
	}
	return len;
}

/* read what comes next; of the console, if nobody wants it to wait */
static void
lane_on(struct run *r, struct lane *l)
{
	if (l->from != r->master || !r->held)
		watch(r, l->from, POLLIN, lane_in);
}

static void
lane_end(struct run *r, struct lane *l)
{
	unwatch(r, l->from, lane_in);
	l->ended = true;
	if (l->close_to) {
		close(l->to);
	} else if (l->from == 0 && !l->keys && !r->draining) {
		if (l->start && l->buf[l->start - 1] != '\n')
			(void)!write(l->to, "\r", 1);
		r->no_more = true;
	}
}

static void
lane_in(struct run *r, int fd, short revents)
{
	struct lane *l = lane_of(r, fd, true);
	ssize_t n;

	(void)revents;
	if (!l)
		return;
	if (l->keys && l->len) {  /* the guest does not read: what is typed is lost, but not what is typed to us */
		char lost[256];

		n = read(fd, lost, sizeof(lost));
		if (n > 0)
			look_for_escape(r, lost, (size_t)n);
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			lane_end(r, l);
		return;
	}
	n = read(fd, l->buf, sizeof(l->buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 && fd == r->master && !r->draining) {
		/* all ends inside are closed, or were hung up: hold one open, until somebody comes back */
		if (r->slave >= 0)
			close(r->slave);
		r->slave = ioctl(r->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (r->slave >= 0)
			return;
		unwatch(r, fd, lane_in);
		r->console_lost = true;  /* an old kernel: look again in a while */
		return;
	}
	if (n <= 0) {
		lane_end(r, l);
		return;
	}
	l->start = 0;
	l->len = (size_t)n;
	if (fd == r->master && r->heard)
		r->heard(r, l->buf, l->len);
	if (l->keys)
		l->len = look_for_escape(r, l->buf, l->len);
	if (l->to < 0)  /* nobody is there to read it */
		l->len = 0;
	if (!l->len)
		return;
	if (!l->keys)
		unwatch(r, fd, lane_in);
	watch(r, l->to, POLLOUT, lane_out);
}

static void
lane_out(struct run *r, int fd, short revents)
{
	struct lane *l = lane_of(r, fd, false);
	ssize_t n;

	(void)revents;
	if (!l || !l->len)
		return;
	n = write(fd, l->buf + l->start, l->len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		unwatch(r, fd, lane_out);
		l->len = 0;
		if (l->keys)  /* a terminal that is hung up for a moment: the next that is typed may arrive */
			return;
		if (l->from == 0) {  /* typed for nobody */
			lane_end(r, l);
			return;
		}
		if (l->from != r->master) {  /* the payload shall notice: EPIPE, SIGPIPE */
			lane_end(r, l);
			close(l->from);
			return;
		}
		l->to = -1;
		lane_on(r, l);
		return;
	}
	midline = l->buf[l->start + (size_t)n - 1] != '\n';
	l->start += (size_t)n;
	l->len -= (size_t)n;
	if (l->len)
		return;
	unwatch(r, fd, lane_out);
	lane_on(r, l);
}

/* ---- the terminal we were called on ---------------------------------------------- */

void
console_restore(struct run *r)
{
	/* twice: the second may succeed; and at once: a terminal that nobody reads never drains */
	if (raw && tcsetattr(0, TCSANOW, &before) < 0)
		tcsetattr(0, TCSANOW, &before);
	raw = false;
	if (r->guard > 0) {
		kill(r->guard, SIGKILL);
		close(r->guard_wire);
		while (waitpid(r->guard, NULL, 0) < 0 && errno == EINTR)
			;
	}
	r->guard = 0;
}

/* kill -9 gives us no time to set the terminal right: somebody else waits for our end, and does it */
static void
post_guard(struct run *r)
{
	int ends[2], fd;
	char c;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	r->guard = fork();
	if (r->guard != 0) {
		close(ends[0]);
		r->guard_wire = ends[1];
		return;
	}
	close(1);
	close(2);
	fd = ends[0];
	sys_close_but(3, &fd, 1);
	setsid();  /* no signal of the terminal's reaches us, and none stops us from setting it */
	sys_slim();
	while (read(ends[0], &c, 1) < 0)  /* nobody writes: the end of file is what we wait for */
		poll(NULL, 0, 100);
	tcsetattr(0, TCSANOW, &before);
	_exit(0);
}

void
console_raw(struct run *r)
{
	struct termios t;

	if (tcgetattr(0, &before) < 0)
		die("read the terminal's settings:");
	undo(r, console_restore);
	post_guard(r);
	t = before;
	cfmakeraw(&t);
	if (tcsetattr(0, TCSANOW, &t) < 0)
		die("set the terminal to raw mode:");
	raw = true;
}

void
console_resize(struct run *r)
{
	struct winsize size;

	if (r->mode == CONSOLE_INTERACTIVE && ioctl(1, TIOCGWINSZ, &size) == 0)
		ioctl(r->master, TIOCSWINSZ, &size);
}

/* poll(2) promises room for one byte on a terminal: to write more without waiting takes an opening of our own */
int
console_unblocked(int fd)
{
	int own = isatty(fd) ? openat(AT_FDCWD, fmt("/proc/self/fd/%d", fd), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;

	return own < 0 ? fd : own;
}

void
console_begin(struct run *r)
{
	size_t i;

	for (i = 0; i < 3; i++)
		if (r->relay[i] >= 0)
			close(r->relay[i]);
	if (r->master >= 0) {
		fcntl(r->master, F_SETFL, O_RDWR | O_NONBLOCK);
		if (r->mode == CONSOLE_INTERACTIVE && !isatty(0)) {
			add_lane(r, 0, r->master);
		} else if (r->mode == CONSOLE_INTERACTIVE) {
			run_signal_too(SIGWINCH);
			console_raw(r);
			console_resize(r);
			add_lane(r, 0, r->master)->keys = true;
		}
		add_lane(r, r->master, r->mode == CONSOLE_PASSIVE || r->started ? -1 : 1);
	}
	for (i = 0; i < r->nlane; i++) {
		if (r->lane[i].to >= 0 && r->lane[i].to != r->master && !r->lane[i].close_to)
			r->lane[i].to = console_unblocked(r->lane[i].to);
		watch(r, r->lane[i].from, POLLIN, lane_in);
	}
}

/*
 * What a terminal takes for the end of input, in a quiet moment: for one program only, and who changes the terminal's mode,
 * as a shell does for each line, finds a NUL there instead, which the ^U is for. So it is typed until it has an effect
 */
static void
type_end(struct run *r)
{
	struct termios t;

	if (tcgetattr(r->master, &t) < 0 || t.c_lflag & ICANON)
		(void)!write(r->master, "\4", 1);
	else
		(void)!write(r->master, "\25\4", 2);
}

void
console_again(struct run *r)
{
	if (r->console_lost && !r->held)
		watch(r, r->master, POLLIN, lane_in);
	r->console_lost = false;
	if (r->no_more && !r->draining)
		type_end(r);
}

void
console_hold(struct run *r, bool on)
{
	struct lane *l = r->master < 0 ? NULL : lane_of(r, r->master, true);

	r->held = on;
	if (l && on)
		unwatch(r, r->master, lane_in);
	else if (l && !l->len && !r->console_lost)
		watch(r, r->master, POLLIN, lane_in);
}

/* nothing in there lives any more: what it wrote last comes out, and its end of the line with it */
void
console_drain_some(struct run *r, int rounds)
{
	struct lane *l;
	bool more;
	size_t i;

	r->draining = true;
	if (r->slave >= 0)
		close(r->slave);
	r->slave = -1;
	console_again(r);
	if (r->held)
		console_hold(r, false);
	do {
		more = false;
		for (i = 0; i < r->nlane; i++) {
			l = &r->lane[i];
			if (l->from == 0 && !l->ended)
				lane_end(r, l);
			more |= !l->ended && (l->to >= 0 || l->from != r->master || r->heard);
		}
		if (run_signalled(SIGTERM)) {  /* it is for what follows, too */
			r->ending = true;
			break;
		}
	} while (more && --rounds > 0 && run_wait(r, 500) > 0);
	if (raw && midline)
		print(1, "\r\n");
	console_restore(r);
}

void
console_drain(struct run *r)
{
	console_drain_some(r, INT32_MAX);
}
