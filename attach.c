/* SPDX-License-Identifier: 0BSD */
/* What the console says: kept for those who come later, and told to those who sit at it from elsewhere */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "nspawn-lite.h"

/*
 * Who sits there follows the ring, so that it costs us nothing how many they are. Its socket takes a packet each of
 * what is typed ('d', bytes), of the size of its window ('w', struct winsize), and of how far it has come ('a', an offset
 * in the ring): while one is half a ring behind, the guest has to wait, but not for long.
 */
enum { CLIENTS = 8, PACKET = 512, HOLD_MS = 3000, AT_LISTENER = CLIENTS, AT_MASTER, A_TURN = 8 };

static struct {
	bool kept;
	struct ring ring;
	/* --log */
	const char *path, *older, *dev_log;
	int file, log;
	uint64_t size;
	size_t len;
	/* who sits there */
	int epoll, listener;
	int64_t since;        /* ms: the guest waits from then on */
	size_t typed;         /* that the guest has not read yet: who types more waits */
} its = { .ring.fd = -1, .file = -1, .log = -1, .epoll = -1, .listener = -1 };
/* apart: they begin as zeros, and take no room in the program */
static struct client { int fd; bool late, waits; uint64_t read; } client[CLIENTS];
static char log_line[960], keys[PACKET];

/* the last one counts, of each kind; no forgets those before it */
static bool
choose(const struct plan *p, const char **path, bool *syslog)
{
	bool keep = LOG_SIZE > 0;
	char **w;

	*path = NULL;
	*syslog = false;
	for (w = p->log; w && *w; w++) {
		keep = !streq(*w, "no") && LOG_SIZE > 0;
		*syslog = streq(*w, "syslog") || (*syslog && !streq(*w, "no"));
		if (**w == '/')
			*path = *w;
		else if (streq(*w, "no"))
			*path = NULL;
		else if (!streq(*w, "syslog"))
			die("--log=%s: neither an absolute path, nor syslog or no", *w);
	}
	return keep;
}

void
attach_check(const struct plan *p)
{
	const char *path;
	bool syslog;

	choose(p, &path, &syslog);
}

/* ---- where it is kept ------------------------------------------------------------- */

static int
open_file(void)
{
	struct stat st;

	its.file = openat(AT_FDCWD, its.path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);
	if (its.file < 0)
		return -1;
	if (fstat(its.file, &st) == 0 && S_ISREG(st.st_mode)) {
		its.size = (uint64_t)st.st_size;
		return 0;
	}
	errno = EINVAL;
	its.file = drop(its.file);
	return -1;
}

/* a disk that is full loses it, and a file that cannot be made now may be later */
static void
to_file(const char *data, size_t len)
{
	char buf[1024];
	ssize_t written;
	size_t n;

	if (its.file >= 0 && its.size > 0 && its.size + len > LOG_FILE_SIZE) {
		/* one that is mounted there, say, cannot be moved */
		if (rename(its.path, its.older) == 0 || errno == ENOENT)
			its.file = drop(its.file);
		else if (ftruncate(its.file, 0) == 0)
			its.size = 0;
	}
	if (its.file < 0 && open_file() < 0)
		return;
	while (len > 0) {
		for (n = 0; len > 0 && n < sizeof(buf); data++, len--)
			if (*data != '\r')
				buf[n++] = *data;
		written = write(its.file, buf, n);
		if (written > 0)
			its.size += (uint64_t)written;
	}
}

/* "Nov 26 14:03:59"; fill stands before days of one digit */
static void
time_text(time_t t, char fill, char *out, size_t size)
{
	struct tm tm;

	if (localtime_r(&t, &tm))
		snprintf(out, size, "%.3s %c%d %02d:%02d:%02d", months + 3 * tm.tm_mon, tm.tm_mday < 10 ? fill : '0' + tm.tm_mday / 10,
		         tm.tm_mday % 10, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* a datagram as of syslog(3), to a daemon that may begin again at any time: 3 is daemon, 6 is info */
static void
send_line(struct run *r)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char head[128], when[32] = "";
	struct iovec iov[2] = { { head, 0 }, { log_line, its.len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	int tries;

	if (its.len > 0)
		time_text(time(NULL), ' ', when, sizeof(when));
	iov[0].iov_len = (size_t)snprintf(head, sizeof(head), "<%d>%s %s[%d]: ", 3 << 3 | 6, when, r->name, (int)r->pid);
	strncpy(a.sun_path, its.dev_log, sizeof(a.sun_path) - 1);
	for (tries = 0; its.len > 0 && tries < 2; tries++) {
		if (its.log < 0) {
			its.log = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
			if (its.log >= 0 && connect(its.log, (struct sockaddr *)&a, sizeof(a)) < 0)
				its.log = drop(its.log);
		}
		if (its.log < 0 || sendmsg(its.log, &m, MSG_NOSIGNAL) >= 0 || errno == EAGAIN || errno == ENOBUFS)
			break;
		its.log = drop(its.log);
	}
	its.len = 0;
}

static void
to_syslog(struct run *r, const char *data, size_t len)
{
	for (; len > 0; data++, len--) {
		if (*data == '\n' || its.len == sizeof(log_line))
			send_line(r);
		if (*data && *data != '\n' && *data != '\r')
			log_line[its.len++] = *data;
	}
}

/* memory that is full loses it, too: the next that finds room is whole again */
static void
keep(struct run *r, int kind, const char *data, size_t len)
{
	if (its.kept)
		ring_write(&its.ring, kind, data, len);
	if (kind != RING_CONSOLE && kind != RING_SUPERVISOR)
		return;
	if (its.path)
		to_file(data, len);
	if (its.dev_log)
		to_syslog(r, data, len);
	if (kind == RING_CONSOLE)
		return;
	if (its.path)
		to_file("\n", 1);
	if (its.dev_log)
		to_syslog(r, "\n", 1);
}

void
attach_say(struct run *r, const char *text)
{
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0)
		keep(r, RING_SUPERVISOR, text, len);
}

/* ---- who sits there ---------------------------------------------------------------- */

static bool
is_behind(const struct client *c)
{
	return c->fd >= 0 && !c->late && !c->waits && its.ring.head - c->read > its.ring.size / 2;
}

static bool
somebody_behind(void)
{
	size_t i;

	for (i = 0; its.listener >= 0 && i < CLIENTS; i++)
		if (is_behind(&client[i]))
			return true;
	return false;
}

void
attach_again(struct run *r)
{
	size_t i;

	if (!WITH_MACHINES || !r->held)
		return;
	for (i = 0; now_ms() - its.since > HOLD_MS && i < CLIENTS; i++)
		if (is_behind(&client[i]))
			client[i].late = true;
	if (!somebody_behind())
		console_hold(r, false);
}

static void
attach_heard(struct run *r, const char *data, size_t len)
{
	keep(r, RING_CONSOLE, data, len);
	if (r->held || r->draining || !somebody_behind())
		return;
	its.since = now_ms();
	console_hold(r, true);
}

static void
poll_for(int op, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event e = { .events = events, .data.u64 = what };

	epoll_ctl(its.epoll, op, fd, &e);
}

static void
dismiss(struct run *r, struct client *c)
{
	c->fd = drop(c->fd);
	attach_again(r);
}

static void
take_clients(void)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	struct client *c;
	int fd;

	while ((fd = accept4(its.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		for (c = client; c < client + CLIENTS && c->fd >= 0; c++)
			;
		if (c == client + CLIENTS || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid != geteuid()) {
			send(fd, "f", 1, MSG_NOSIGNAL);
			close(fd);
			continue;
		}
		*c = (struct client){ .fd = fd, .read = its.ring.head };
		poll_for(EPOLL_CTL_ADD, fd, EPOLLIN, (uint64_t)(c - client));
	}
}

/* to the guest, as much as it takes */
static void
type(struct run *r)
{
	ssize_t n = write(r->master, keys, its.typed);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		n = (ssize_t)its.typed;  /* there is nobody to read it */
	if (n <= 0)
		return;
	its.typed -= (size_t)n;
	memmove(keys, keys + n, its.typed);
}

static void
type_on(struct run *r, uint32_t events)
{
	size_t i;

	type(r);
	if (its.typed && events & (EPOLLHUP | EPOLLERR))
		its.typed = 0;
	if (its.typed)
		return;
	poll_for(EPOLL_CTL_DEL, r->master, 0, AT_MASTER);
	for (i = 0; i < CLIENTS; i++) {
		if (client[i].fd >= 0 && client[i].waits)
			poll_for(EPOLL_CTL_MOD, client[i].fd, EPOLLIN, i);
		client[i].waits = false;
	}
}

/* a packet; false: it is none of ours */
static bool
take_packet(struct run *r, struct client *c, const char *packet, size_t len)
{
	struct winsize size;
	uint64_t read;

	if (*packet == 'd') {
		memcpy(keys, packet + 1, len - 1);
		its.typed = len - 1;
		type(r);
		if (its.typed)
			poll_for(EPOLL_CTL_ADD, r->master, EPOLLOUT, AT_MASTER);
		return true;
	}
	if (*packet == 'w' && len == 1 + sizeof(size)) {
		memcpy(&size, packet + 1, sizeof(size));
		ioctl(r->master, TIOCSWINSZ, &size);
		return true;
	}
	if (*packet != 'a' || len != 1 + sizeof(read))
		return false;
	memcpy(&read, packet + 1, sizeof(read));
	if (read > its.ring.head)
		return false;
	c->read = read;
	c->late &= its.ring.head - read > its.ring.size / 2;
	attach_again(r);
	return true;
}

static void
hear(struct run *r, struct client *c)
{
	char packet[1 + PACKET];
	ssize_t n = recv(c->fd, packet, sizeof(packet), MSG_TRUNC | (its.typed ? MSG_PEEK : 0));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && its.typed && *packet == 'd') {  /* it stays where it is, and who typed it waits */
		c->waits = true;
		poll_for(EPOLL_CTL_MOD, c->fd, 0, (uint64_t)(c - client));
		attach_again(r);
		return;
	}
	if (n > 0 && its.typed)
		n = recv(c->fd, packet, sizeof(packet), MSG_TRUNC);
	if (n <= 0 || (size_t)n > sizeof(packet) || !take_packet(r, c, packet, (size_t)n))
		dismiss(r, c);
}

static void
on_events(struct run *r, int fd, short revents)
{
	struct epoll_event e[A_TURN];
	int n = epoll_wait(fd, e, A_TURN, 0), i;

	(void)revents;
	for (i = 0; i < n; i++) {
		if (e[i].data.u64 == AT_LISTENER)
			take_clients();
		else if (e[i].data.u64 == AT_MASTER)
			type_on(r, e[i].events);
		else if (client[e[i].data.u64].fd >= 0 && client[e[i].data.u64].waits)
			dismiss(r, &client[e[i].data.u64]);  /* it has hung up */
		else if (client[e[i].data.u64].fd >= 0)
			hear(r, &client[e[i].data.u64]);
	}
}

/* ---- its life ------------------------------------------------------------------------ */

static char *
socket_path(const char *name)
{
	return fmt("%s/" CONSOLES_DIR "/%s", run_state_dir(), name);
}

static void
end(struct run *r)
{
	if (its.listener >= 0)
		unlink(socket_path(r->name));
	if (its.kept && its.since)
		keep(r, RING_END, r->reason ? r->reason : "", r->reason ? strlen(r->reason) : 0);
	if (its.len)
		send_line(r);
}

void
attach_open(const struct plan *p, struct run *r)
{
	bool ring, syslog;

	if (!WITH_MACHINES)
		return;
	ring = choose(p, &its.path, &syslog);
	if (r->mode == CONSOLE_PIPE || !(p->boot || r->started || p->log)) {
		if (its.path || syslog)
			warn("--log: standard input and output are the payload's own: there is no console to be kept");
		its.path = NULL;
		return;
	}
	if (syslog)
		its.dev_log = run_path("/dev/log");
	if (its.path) {
		its.older = fmt("%s.1", its.path);
		if (open_file() < 0)
			die(errno == EINVAL ? "--log=%s: it is no file" : "--log=%s:", its.path);
	}
	if (ring && ring_make(&its.ring, r->name, LOG_SIZE) < 0)
		warn("keep what the console of %s says, for logs and console:", r->name);
	its.kept = its.ring.fd >= 0;
	if (!its.kept && !its.path && !its.dev_log)
		return;
	r->heard = attach_heard;
	if (its.kept)
		grow(&r->notes, fmt("CONSOLE=%s", r->name));
	undo(r, end);
}

void
attach_begin(const struct plan *p, struct run *r)
{
	const char *pid;
	size_t i;

	(void)p;
	if (!WITH_MACHINES || !its.kept)
		return;
	pid = fmt("%d", (int)r->pid);
	keep(r, RING_START, pid, strlen(pid));
	its.since = now_ms();
	for (i = 0; i < CLIENTS; i++)
		client[i].fd = -1;
	if (run_make_dirs(fmt("%s/" CONSOLES_DIR, run_state_dir()), 0700) == 0) {
		unlink(socket_path(r->name));
		its.listener = sys_named_socket(SOCK_SEQPACKET | SOCK_NONBLOCK, socket_path(r->name), true);
		its.epoll = its.listener < 0 ? -1 : epoll_create1(EPOLL_CLOEXEC);
	}
	if (its.epoll < 0 || listen(its.listener, CLIENTS) < 0) {
		warn("let others sit at the console of %s%s:", r->name, errno == ENOSYS ? " (CONFIG_EPOLL)" : "");
		its.listener = drop(its.listener);
		unlink(socket_path(r->name));
		return;
	}
	poll_for(EPOLL_CTL_ADD, its.listener, EPOLLIN | EPOLLET, AT_LISTENER);
	watch(r, its.epoll, POLLIN, on_events);
}

/* ---- reading what was kept ----------------------------------------------------------- */

enum { PLAIN, SHORT, RAW, JSON };

/* how it is shown: as one went through it, so that a sequence or a line may come in pieces */
static struct view {
	int mode;
	bool clean;           /* for a terminal: nothing in it may drive that */
	bool colours;         /* but for those */
	const char *tag, *host;
	int leader;
	uint64_t lines, skip; /* seen; of those not shown */
	bool count;           /* show none */
	bool text_only;       /* no lines that are empty, nor ours of when it began and ended */
	bool midline;
	int64_t us;           /* of the line that we are in */
	int state;
	size_t nseq, nout;
	char seq[64], out[4096];
} view APART;

static void
flush(struct view *v)
{
	if (v->nout && write_all(1, v->out, v->nout) < 0)
		exit(errno == EPIPE ? 0 : FAIL);
	v->nout = 0;
}

static void
put(struct view *v, const char *data, size_t len)
{
	if (v->count || v->lines < v->skip)
		return;
	for (; len > 0; data++, len--) {
		if (v->nout == sizeof(v->out))
			flush(v);
		v->out[v->nout++] = *data;
	}
}

static void
puts_to(struct view *v, const char *text)
{
	put(v, text, strlen(text));
}

/* what stands before the text of a line; of a record of ours, too */
static void
begin_line(struct view *v, int kind)
{
	static const char *const kinds[] = { "console", "supervisor", "start", "end" };
	char text[160], when[32] = "";

	if (v->mode == SHORT) {
		time_text((time_t)(v->us / 1000000), '0', when, sizeof(when));
		if (v->leader)
			snprintf(text, sizeof(text), "%s %s %s[%d]: ", when, v->host, v->tag, v->leader);
		else
			snprintf(text, sizeof(text), "%s %s %s: ", when, v->host, v->tag);
		puts_to(v, text);
	} else if (v->mode == JSON) {
		snprintf(text, sizeof(text), "{\"time\":%lld,\"kind\":\"%s\",\"text\":\"", (long long)v->us,
		         kinds[kind == RING_CONSOLE ? 0 : kind == RING_SUPERVISOR ? 1 : kind == RING_START ? 2 : 3]);
		puts_to(v, text);
	}
	v->midline = true;
}

static void
end_line(struct view *v)
{
	puts_to(v, v->mode == JSON ? "\"}\n" : "\n");
	v->lines++;
	v->midline = false;
}

static void
put_escaped(struct view *v, unsigned char c)
{
	char text[8];

	if (v->mode == JSON && c >= 0x80)
		snprintf(text, sizeof(text), "\\ufffd");
	else if (v->mode == JSON && (c == '"' || c == '\\'))
		snprintf(text, sizeof(text), "\\%c", c);
	else
		snprintf(text, sizeof(text), v->mode == JSON ? "\\u%04x" : "\\x%02x", c);
	puts_to(v, text);
}

enum { GROUND, ESCAPED, BETWEEN, SEQUENCE, STRING, LETTERS };

/* a sequence of a terminal's: ECMA-48; false: c is no part of it */
static bool
in_sequence(struct view *v, unsigned char c)
{
	if (v->state == GROUND && c != 0x1b)
		return false;
	if (c == 0x1b || v->state == GROUND) {
		v->state = v->state == STRING ? LETTERS : ESCAPED;
		v->nseq = 0;
	} else if (v->state == ESCAPED) {
		v->state = c == '[' ? SEQUENCE : strchr("]PX^_", c) ? STRING : c < 0x30 ? BETWEEN : GROUND;
	} else if (v->state == LETTERS || (v->state == STRING && c == 7)) {
		v->state = GROUND;
	} else if (v->state == SEQUENCE && c >= 0x40) {
		v->state = GROUND;
		if (c == 'm' && v->colours && v->nseq < sizeof(v->seq) - 2) {
			puts_to(v, "\033");
			put(v, v->seq, v->nseq);
			puts_to(v, "m");
		}
		v->nseq = 0;
	} else if (v->state == BETWEEN && c >= 0x30) {
		v->state = GROUND;
	}
	if (v->state == SEQUENCE && !(c == '[' && !v->nseq) && !strchr("0123456789;:", c ? c : ' '))
		v->nseq = sizeof(v->seq);  /* what asks the terminal for something ends in m, too */
	else if (v->state == SEQUENCE && v->nseq < sizeof(v->seq) - 2)
		v->seq[v->nseq++] = (char)c;
	return true;
}

/* letters beyond ASCII, whole and no control characters, or else escaped */
static void
put_letter(struct view *v, unsigned char c)
{
	static const unsigned char leads[] = { 0xc0, 0xe0, 0xf0, 0xf8 };
	size_t i, len = 0;

	if (v->nseq && (c & 0xc0) == 0x80) {
		v->seq[v->nseq++] = (char)c;
		for (i = 0; i < 3; i++)
			if ((unsigned char)v->seq[0] >= leads[i] && (unsigned char)v->seq[0] < leads[i + 1])
				len = i + 2;
		v->seq[v->nseq] = 0;
		if (v->nseq < len)
			return;
		if (v->nseq == len && utf8_valid(v->seq, false)) {
			put(v, v->seq, len);
			v->nseq = 0;
			return;
		}
		c = 0;
	}
	for (i = 0; i < v->nseq; i++)
		put_escaped(v, (unsigned char)v->seq[i]);
	v->nseq = 0;
	if (c >= 0xc0 && c < 0xf8)
		v->seq[v->nseq++] = (char)c;
	else if (c >= 0x80)
		put_escaped(v, c);
	else if (c >= ' ' && c != 0x7f && !(v->mode == JSON && (c == '"' || c == '\\')))
		put(v, (const char *)&c, 1);
	else if (c == '\t' && v->mode != JSON)
		put(v, "\t", 1);
	else if (c)
		put_escaped(v, c);
}

static void
show_bytes(struct view *v, int kind, const char *data, size_t len)
{
	unsigned char c;

	for (; len > 0; data++, len--) {
		c = (unsigned char)*data;
		if (!v->midline && v->text_only && (c == '\n' || c == '\r'))
			continue;
		if (!v->midline)
			begin_line(v, kind);
		if (c == '\n') {
			if (v->state != GROUND)  /* a sequence that does not end */
				v->nseq = 0;
			else if (v->clean || v->mode == JSON)
				put_letter(v, 0);
			v->state = GROUND;
			if (v->colours)
				puts_to(v, "\033[m\r");
			end_line(v);
		} else if (v->mode == RAW || (v->colours && (c == '\r' || c == '\b'))) {
			put(v, data, 1);
		} else if (c == '\r') {
			continue;
		} else if (v->clean || v->mode == JSON) {
			if (!v->clean || !in_sequence(v, c))
				put_letter(v, c);
		} else {
			put(v, data, 1);
		}
	}
}

static void
show_record(struct view *v, const struct record *rec, const char *data)
{
	char text[64] = "";
	bool turn = rec->kind == RING_START || rec->kind == RING_END;

	if (rec->kind == RING_START && !v->text_only)
		v->leader = (int)strtol(memcpy(text, data, rec->len < 16 ? rec->len : 16), NULL, 10);
	if (rec->kind == RING_CONSOLE) {
		v->us = rec->us;
		show_bytes(v, rec->kind, data, rec->len);
		return;
	}
	if (v->mode == RAW || (turn && v->mode == PLAIN))
		return;
	if (v->midline)
		end_line(v);
	v->state = GROUND;  /* what the guest did not end hides nothing of ours */
	v->nseq = 0;
	if (turn && v->text_only)
		return;
	v->us = rec->us;
	begin_line(v, rec->kind);
	if (turn && v->mode == SHORT) {
		snprintf(text, sizeof(text), rec->kind == RING_START ? "-- it began" : rec->len ? "-- it ended: " : "-- it ended");
		puts_to(v, text);
	}
	if (rec->kind != RING_START || v->mode != SHORT)
		show_bytes(v, rec->kind, data, rec->len);
	if (v->midline)
		end_line(v);
}

static void
show_lost(struct view *v, uint64_t lost)
{
	char text[80];

	if (v->midline)
		end_line(v);
	v->state = GROUND;
	v->nseq = 0;
	begin_line(v, RING_SUPERVISOR);
	snprintf(text, sizeof(text), "[%llu bytes are lost]", (unsigned long long)lost);
	puts_to(v, text);
	end_line(v);
}

/* all from *at on; what was lost before the first is not told */
static void
show_all(struct view *v, struct ring *g, uint64_t *at, bool tell)
{
	static char data[4096] APART;
	struct record rec;
	uint64_t lost;

	while (ring_next(g, at, &rec, data, sizeof(data), &lost) > 0) {
		if (lost && tell && v->mode != RAW)
			show_lost(v, lost);
		tell = true;
		show_record(v, &rec, data);
	}
	flush(v);
}

/* so that the last n lines are shown: their number is known when one has been through all. false: there are none */
static bool
skip_to(struct view *v, struct ring *g, const char *word)
{
	long long most = 0;
	uint64_t at = 0, seen;
	struct view fresh = *v;

	if (!word || streq(word, "all"))
		return true;
	if (!parse_number(word, 0, INT32_MAX, &most))
		die("--lines=%s: neither a number nor all", word);
	v->count = true;
	show_all(v, g, &at, false);
	seen = v->lines + v->midline;
	*v = fresh;
	v->skip = seen > (uint64_t)most ? seen - (uint64_t)most : 0;
	return seen > 0;
}

static const char *
our_host(void)
{
	static char name[64];

	if (gethostname(name, sizeof(name) - 1) < 0)
		strcpy(name, "localhost");
	return name;
}

void
attach_print_lines(const struct known *k, size_t n, bool plain)
{
	struct ring g;
	uint64_t at = 0;

	if (!n || ring_open(&g, k->name) < 0)
		return;
	view = (struct view){ .mode = plain ? PLAIN : SHORT, .clean = isatty(1), .text_only = true, .host = our_host(),
	                      .tag = *speaker ? k->name : "systemd-nspawn", .leader = *speaker ? k->leader : k->supervisor };
	if (skip_to(&view, &g, fmt("%zu", n)))
		print(1, "\n");
	show_all(&view, &g, &at, false);
	if (view.midline)
		end_line(&view);
	flush(&view);
	close(g.fd);
}

static void
open_ring(struct ring *g, const char *what, const char *name)
{
	struct known k;

	if (!name_valid(name))
		die("%s: not a name that a machine can have", name);
	if (ring_open(g, name) == 0)
		return;
	if (errno != ENOENT)
		die("%s %s:", what, name);
	if (!known_read(name, &k))
		die("%s: no machine %s is known, nor was one lately", what, name);
	die("%s: machine %s has no console that is kept (those of -b and of start have one, without --log=no and --console=pipe)",
	    what, name);
}

/* ---- as it comes ------------------------------------------------------------------------ */

enum { PAUSE_MS = 50, LOOK_MS = 1000, AGAIN_MS = 100, ESCAPE = 0x1d, ESCAPES = 3, ESCAPE_WITHIN_MS = 1000, KEPT_BACK_MS = 300 };

static struct {
	struct ring ring;
	uint64_t at, told;    /* come so far; so much of it was said to the supervisor */
	struct known k;
	bool gone;            /* the machine was not there when we looked last */
	int watch;            /* inotify(7) of the ring; -1: we look every now and then */
	/* of a console */
	int sock, out;        /* sock is -1 while it reboots */
	bool ended, in_ends, left, full;
	size_t in_len, out_start, out_len, escapes, kept_back;
	int64_t first_escape;
} seat APART;
static char seat_in[1 + PACKET] APART, seat_data[4096 + 128] APART;  /* to be typed, and to be shown */

static void
on_change(struct run *r, int fd, short revents)
{
	char events[1024];

	(void)r;
	(void)revents;
	while (read(fd, events, sizeof(events)) > 0)
		;
}

static void
follow(struct run *r, const char *name)
{
	seat.watch = sys_denied("inotify_init1") ? -1 : inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (seat.watch >= 0 && inotify_add_watch(seat.watch, ring_path(name), IN_MODIFY) < 0)
		seat.watch = drop(seat.watch);
	if (seat.watch >= 0)
		watch(r, seat.watch, POLLIN, on_change);
}

/*
 * It has ended: nobody holds its name, and nobody has taken it a moment later, which is when it was started again. The
 * first time it is not there is no more than a hint: what it said last is to be read after that
 */
static bool
has_ended(const char *name)
{
	if (seat.k.fd >= 0 && known_lives(&seat.k))
		return false;
	known_close(&seat.k);
	if (known_read(name, &seat.k)) {
		seat.gone = false;
		return false;
	}
	if (seat.gone)
		return true;
	seat.gone = true;
	return false;
}

static int
patience(void)
{
	if (seat.k.fd < 0 || seat.gone)
		return AGAIN_MS;
	return seat.watch < 0 ? PAUSE_MS : LOOK_MS;
}

static int
follow_logs(const char *name)
{
	static struct run r APART;

	seat.sock = -1;
	run_begin(&r);
	run_signals();
	follow(&r, name);
	known_read(name, &seat.k);
	for (;;) {
		show_all(&view, &seat.ring, &seat.at, true);
		if (run_told_to_end())
			break;
		if (run_wait(&r, patience()) == 0 && has_ended(name)) {
			show_all(&view, &seat.ring, &seat.at, true);
			break;
		}
	}
	return 0;
}

int
attach_logs(struct ask *a)
{
	static const char *const modes[] = { [PLAIN] = "plain", [SHORT] = "short", [RAW] = "cat", [JSON] = "json" };
	const char *name = a->words[0];
	size_t i = 0;
	int rc = 0;

	open_ring(&seat.ring, "logs", name);
	view = (struct view){ .clean = isatty(1), .host = our_host(), .tag = name };
	while (a->output && i < LEN(modes) && !streq(a->output, modes[i]))
		i++;
	if (i == LEN(modes))
		die("--output=%s: not one of: short, cat, json", a->output);
	view.mode = a->json || a->json_mode > 1 ? JSON : (int)i;
	skip_to(&view, &seat.ring, a->lines);
	show_all(&view, &seat.ring, &seat.at, false);
	if (a->follow)
		rc = follow_logs(name);
	if (view.midline && view.mode != RAW)
		end_line(&view);
	flush(&view);
	return rc;
}

/* ---- to sit there -------------------------------------------------------------------------- */

/* one packet, which waits for room; the connection breaks when the machine reboots or ends */
static bool
send_packet(const void *packet, size_t len)
{
	return seat.sock >= 0 && (send(seat.sock, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno != EAGAIN);
}

static void
tell_size(void)
{
	char packet[1 + sizeof(struct winsize)] = "w";
	struct winsize size;

	if (ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_row) {
		memcpy(packet + 1, &size, sizeof(size));
		send_packet(packet, sizeof(packet));
	}
}

/* how far we have come: that is what the guest waits for */
static void
tell_place(void)
{
	char packet[1 + sizeof(seat.at)] = "a";

	memcpy(packet + 1, &seat.at, sizeof(seat.at));
	if (send_packet(packet, sizeof(packet)))
		seat.told = seat.at;
}

static void on_socket(struct run *r, int fd, short revents);

static bool
sit_down(struct run *r, const char *name)
{
	seat.sock = sys_named_socket(SOCK_SEQPACKET | SOCK_NONBLOCK, socket_path(name), false);
	if (seat.sock < 0)
		return false;
	seat.told = seat.at - 1;
	watch(r, seat.sock, POLLIN, on_socket);
	tell_size();
	return true;
}

/* the supervisor says nothing, but that so many sit there already: it reads, or it is gone */
static void
on_socket(struct run *r, int fd, short revents)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	if (revents & POLLOUT && seat.in_len && send_packet(seat_in, seat.in_len))
		seat.in_len = 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	seat.full = n > 0;
	seat.left |= seat.full;
	unwatch(r, fd, on_socket);
	seat.sock = drop(fd);
	known_close(&seat.k);  /* soon gone, or there again */
}

/*
 * ^] three times within a second leaves. What is for the guest goes to out: a ^] only when something else follows, or
 * nothing for a while, so that who leaves does not leave them in a line of its shell
 */
static size_t
look_for_escape(const char *data, size_t len, char *out)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (seat.escapes && now_ms() - seat.first_escape > ESCAPE_WITHIN_MS)
			seat.escapes = 0;
		if (data[i] == ESCAPE) {
			if (seat.escapes++ == 0)
				seat.first_escape = now_ms();
			seat.kept_back++;
			seat.left = seat.escapes == ESCAPES;
			if (seat.left)
				return n;
			if (seat.kept_back < ESCAPES)
				continue;
			seat.kept_back--;
		} else {
			seat.escapes = 0;
			for (; seat.kept_back > 0; seat.kept_back--)
				out[n++] = ESCAPE;
		}
		out[n++] = data[i];
	}
	return n;
}

static void
type_in(size_t len)
{
	*seat_in = 'd';
	seat.in_len = len ? 1 + len : 0;
	if (len && send_packet(seat_in, seat.in_len))
		seat.in_len = 0;
}

static void
on_keys(struct run *r, int fd, short revents)
{
	char data[PACKET - ESCAPES], lost[PACKET];
	ssize_t n = read(fd, data, sizeof(data));

	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		unwatch(r, fd, on_keys);
		seat.in_ends = true;
		seat.left |= isatty(fd);  /* it is hung up */
	} else if (!isatty(fd)) {
		memcpy(seat_in + 1, data, (size_t)n);
		type_in((size_t)n);
	} else if (seat.in_len) {  /* what is typed while the guest does not read is lost, but not what is for us */
		look_for_escape(data, (size_t)n, lost);
	} else {
		type_in(look_for_escape(data, (size_t)n, seat_in + 1));
	}
}

/* a ^] that nothing followed */
static void
give_back(void)
{
	memset(seat_in + 1, ESCAPE, seat.kept_back);
	type_in(seat.kept_back);
	seat.kept_back = 0;
}

static void
on_out(struct run *r, int fd, short revents)
{
	ssize_t n = write(fd, seat_data + seat.out_start, seat.out_len);

	(void)r;
	(void)revents;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		seat.left = true;
	if (n <= 0)
		return;
	seat.out_start += (size_t)n;
	seat.out_len -= (size_t)n;
}

/* what the console said next, once all before it is out; false: nothing yet */
static bool
fill(void)
{
	struct record rec;
	uint64_t lost;
	size_t len = 0;

	while (seat.out_len == 0) {
		if (ring_next(&seat.ring, &seat.at, &rec, seat_data + 128, sizeof(seat_data) - 128, &lost) <= 0)
			return false;
		seat.out_start = 128;
		if (lost) {
			len = (size_t)snprintf(seat_data, 128, "\r\n[%llu bytes are lost]\r\n", (unsigned long long)lost);
			memmove(seat_data + 128 - len, seat_data, len);
			seat.out_start -= len;
		}
		seat.out_len = len + (rec.kind == RING_CONSOLE ? rec.len : 0);
	}
	return true;
}

static void
sit(struct run *r, const char *name)
{
	bool more;
	int ms;

	while (!seat.left) {
		more = fill();
		if (!more && seat.ended)
			break;
		if (seat.at != seat.told && (!more || seat.at - seat.told > seat.ring.size / 8))
			tell_place();
		more ? watch(r, seat.out, POLLOUT, on_out) : unwatch(r, seat.out, on_out);
		if (seat.sock >= 0)
			watch(r, seat.sock, seat.in_len ? POLLIN | POLLOUT : POLLIN, on_socket);
		/* a terminal is read on, for ^]; what comes in a pipe waits there */
		if (!seat.in_ends)
			seat.in_len && !isatty(0) ? unwatch(r, 0, on_keys) : watch(r, 0, POLLIN, on_keys);
		ms = seat.sock < 0 ? AGAIN_MS : seat.watch < 0 ? PAUSE_MS : LOOK_MS;
		if (seat.kept_back && ms > KEPT_BACK_MS)
			ms = KEPT_BACK_MS;
		if (seat.kept_back && !seat.in_len && now_ms() - seat.first_escape > KEPT_BACK_MS)
			give_back();
		if (run_wait(r, ms) == 0 || seat.sock < 0)
			seat.ended = !more && seat.sock < 0 && has_ended(name);
		if (seat.sock < 0 && !seat.ended && seat.k.fd >= 0)
			sit_down(r, name);
		if (run_signalled(SIGWINCH))
			tell_size();
		if (run_told_to_end())
			break;
	}
}

int
attach_console(struct ask *a)
{
	static struct run r APART;
	const char *name = a->words[0];
	bool terminal = isatty(0) && isatty(1);

	if (!known_read(name, &seat.k))
		known_no("Could not open the console of a machine", name);
	if (seat.k.leader <= 0)
		die("machine %s is %s: it has no console now", name, seat.k.state);
	run_begin(&r);
	if (!sit_down(&r, name)) {
		if (errno == EACCES)
			die("Need to be root.");
		die("machine %s has no console: those of -b and of start have one, without --console=pipe and --log=no", name);
	}
	open_ring(&seat.ring, "console", name);
	seat.at = seat.ring.tail;
	tell_place();  /* from now on it does not go so far that what was there is lost */
	if (terminal)
		print(2, "Connected to the console of machine %s. Press ^] three times within 1s to leave it.\n", name);
	view = (struct view){ .mode = isatty(1) ? PLAIN : RAW, .clean = isatty(1), .colours = isatty(1) };
	skip_to(&view, &seat.ring, a->lines);
	show_all(&view, &seat.ring, &seat.at, false);
	tell_place();
	follow(&r, name);
	run_signals();
	if (terminal) {
		run_signal_too(SIGWINCH);
		console_raw(&r);
	}
	seat.out = console_unblocked(1);
	sit(&r, name);
	run_unwind();
	if (seat.full)
		die("%s%d sit at the console of machine %s already", terminal ? "\n" : "", CLIENTS, name);
	if (terminal)
		print(2, seat.ended ? "\nMachine %s has ended.\n" : "\nLeft the console of machine %s.\n", name);
	return 0;
}
