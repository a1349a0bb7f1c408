/* SPDX-License-Identifier: 0BSD */
/* A relay for names: questions of guests, passed on to servers that only the host reaches */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <net/if.h>

#include "nspawn-lite.h"

/* asm-generic/socket.h of Linux 3.9; a few architectures have another number, and musl knows it */
#ifndef SO_REUSEPORT
#define SO_REUSEPORT 15
#endif

enum {
	PORT = 53, HEADER = 12, NAME_MOST = 255, LABEL_MOST = 63,
	TYPE_A = 1, TYPE_AAAA = 28, CLASS_IN = 1,
	FORMERR = 1, SERVFAIL = 2, NOTIMP = 4, TRUNCATED = 2,
	QUERY_MOST = 512, ANSWER_MOST = 4096,  /* what is longer comes by TCP */
	TICK_MS = 250, WAIT_MS = 3000, PATIENCE_MS = 5000, NEXT_MS = 1500, IDLE_MS = 10000,
	A_TURN = 16,           /* so much is done before others have theirs */
	NAME_TTL = 5,
};

/* a question that waits for an answer */
struct query {
	int fd;                /* connected to the server that was asked; -1: a free place; so is 0: what was never used takes no memory */
	struct sockaddr_in6 from;
	socklen_t fromlen;
	uint16_t id;           /* the guest's, which ours stands for */
	uint64_t since, asked;
	size_t server, tries;
	size_t len, question;  /* of all, and as far as the question reaches */
	uint8_t text[QUERY_MOST];
};

/* a connection of a guest and ours to a server: what comes by one goes out by the other */
struct pair {
	int fd[2];             /* the guest's is -1: a free place */
	uint64_t active;
	size_t server, tries;
	bool talked, ended[2];
	size_t at[2], len[2];
	uint8_t buf[2][2048];
};

/* what an event of epoll(7) is about: a kind, and a number below 256 of that */
enum { ON_TIMER = 0x100, ON_UDP = 0x200, ON_TCP = 0x300, ON_QUERY = 0x400, ON_PAIR = 0x500 };

static struct {
	void (*follow)(struct run *);  /* before a question is passed on: it may be that others are to be asked now */
	const struct server *server;
	size_t n, good;                /* good: the one that answered last */
	struct server at;              /* where it is asked */
	const char *link;              /* of the host, by which guests come */
	bool open;
	int epoll, timer, udp, tcp;
	int ticking;
	bool held, waiting;            /* for tokens; for a resolver of the host to come up */
	unsigned int tokens;
	uint64_t streams;              /* when somebody last had a reason to come by TCP */
	struct query *query;           /* DNS_QUERIES; what was never used takes no memory, nor do pairs, of DNS_CONNECTIONS */
	struct pair *pair;
} relay;

bool
dns_is_link_local(const struct server *s)
{
	return s->family == AF_INET6 && s->address[0] == 0xfe && (s->address[1] & 0xc0) == 0x80;
}

/* 0.0.0.0 and :: too: to the host itself they are its loopback */
bool
dns_is_far(const struct server *s)
{
	static const uint8_t none[16], one[16] = { [15] = 1 };

	if (s->family == AF_INET)
		return s->address[0] != 127 && s->address[0] != 0;
	return memcmp(s->address, one, 16) != 0 && memcmp(s->address, none, 16) != 0 && !dns_is_link_local(s);
}

static size_t
size_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* ---- messages (RFC 1035): pure ------------------------------------------------------- */

/* where the only question of a query, or of the answer to one, ends; 0: it is none */
static size_t
find_end(const uint8_t *m, size_t len, bool answer)
{
	size_t at = HEADER;

	if (len < HEADER || m[2] >> 7 != answer || m[2] & 0x78 || m[4] || m[5] != 1)
		return 0;
	if (!answer && (m[6] || m[7] || m[8] || m[9]))
		return 0;
	while (at < len && m[at]) {
		if (m[at] > LABEL_MOST)
			return 0;
		at += 1u + m[at];
	}
	at += 5;  /* the root, type, class */
	return at > len || at - HEADER > NAME_MOST + 4 ? 0 : at;
}

/* an answer to this query, of those whom we asked; answers that say no more than that something failed have no question */
static bool
answers(const struct query *q, const uint8_t *m, size_t len)
{
	size_t i;

	if (len < HEADER || memcmp(m, q->text, 2) != 0 || !(m[2] & 0x80))
		return false;
	if (!m[4] && !m[5] && m[3] & 15)
		return true;
	if (find_end(m, len, true) != q->question)
		return false;
	for (i = HEADER; i < q->question; i++)
		if (tolower(m[i]) != tolower(q->text[i]))
			return false;
	return true;
}

/* make a query, as far as it is kept, the answer that something failed; its length */
static size_t
refuse(uint8_t *m, size_t end, int why)
{
	m[2] = (uint8_t)(0x80 | (m[2] & 0x79));
	m[3] = (uint8_t)(0x80 | why);
	memset(m + 4, 0, HEADER - 4);
	m[5] = end > HEADER;
	return end < HEADER ? HEADER : end;
}

static bool
is_in(const uint8_t *a, const uint8_t *b, int bits)
{
	size_t whole = (size_t)bits / 8;

	return bits > 0 && memcmp(a, b, whole) == 0 && (bits % 8 == 0 || (a[whole] ^ b[whole]) >> (8 - bits % 8) == 0);
}

/* those of the same network know each other by name. The length of the answer, 0: it is not for us to say */
static size_t
answer_here(const struct lease *l, uint8_t *m, size_t end, size_t room)
{
	char name[NAME_LONGEST + 1], path[256], file[1024], *rest = file, *line;
	size_t len = m[HEADER], size, at = end;
	struct server s;

	if (!len || len >= sizeof(name) || HEADER + len + 6 != end || m[end - 2] || m[end - 1] != CLASS_IN)
		return 0;
	memcpy(name, m + HEADER + 1, len);
	name[len] = 0;
	if (strlen(name) != len || !name_valid(name)
	    || snprintf(path, sizeof(path), "%s/" HOSTS_DIR "/%s", run_state_dir(), name) >= (int)sizeof(path)
	    || read_at(AT_FDCWD, path, file, sizeof(file)) < 0)
		return 0;
	memset(m + 6, 0, 6);
	while ((line = next_line(&rest))) {
		s.family = address_parse(line, strcspn(line, " \t"), s.address);
		if (!s.family || !is_in(s.address, s.family == AF_INET ? l->address : l->address6,
		                                       s.family == AF_INET ? l->prefix : l->prefix6))
			continue;
		m[7] |= 0x80;  /* it is one of us */
		size = size_of(s.family);
		if (m[end - 4] || m[end - 3] != (s.family == AF_INET ? TYPE_A : TYPE_AAAA) || at + 12 + size > room || m[7] == 0x88)
			continue;
		memcpy(m + at, (const uint8_t[]){ 0xc0, HEADER, 0, m[end - 3], 0, CLASS_IN, 0, 0, 0, NAME_TTL, 0, (uint8_t)size }, 12);
		memcpy(m + at + 12, s.address, size);
		at += 12 + size;
		m[7]++;
	}
	if (!m[7])
		return 0;
	m[7] &= 0x7f;
	m[2] = (uint8_t)(0x84 | (m[2] & 1));
	m[3] = 0x80;
	return at;
}

/* ---- questions by UDP ---------------------------------------------------------------------- */

static void
look_for(int fd, int op, uint32_t events, uint64_t what)
{
	struct epoll_event e = { .events = events, .data.u64 = what };

	epoll_ctl(relay.epoll, op, fd, &e);
}

/* while something has an end, or others were told to wait */
static void
tick(int ms)
{
	struct itimerspec t = { .it_interval = { ms / 1000, ms % 1000 * 1000000L } };

	t.it_value = t.it_interval;
	if (ms != relay.ticking)
		timerfd_settime(relay.timer, 0, &t, NULL);
	relay.ticking = ms;
}

static void
hear(uint32_t events)
{
	if (relay.udp >= 0)
		look_for(relay.udp, EPOLL_CTL_MOD, events, ON_UDP);
	if (relay.tcp >= 0)
		look_for(relay.tcp, EPOLL_CTL_MOD, events, ON_TCP);
	relay.held = !events;
}

/* all questions of a machine, or of a zone's that come to us, have so many in a second; the kernel drops what is beyond */
static bool
spend(void)
{
	tick(TICK_MS);
	if (relay.tokens) {
		relay.tokens--;
		return true;
	}
	hear(0);
	return false;
}

static socklen_t
fill_address(struct sockaddr_in6 *out, const struct server *s)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;

	memset(out, 0, sizeof(*out));
	if (s->family == AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(PORT);
		memcpy(&v4->sin_addr, s->address, 4);
		return sizeof(*v4);
	}
	out->sin6_family = AF_INET6;
	out->sin6_port = htons(PORT);
	out->sin6_scope_id = s->scope;
	memcpy(&out->sin6_addr, s->address, 16);
	return sizeof(*out);
}

/* a socket to a server from a port that nobody guesses; a stream is not there yet */
static int
ask_socket(size_t server, int type)
{
	const struct server *s = &relay.server[server % relay.n];
	struct sockaddr_in6 to;
	socklen_t len = fill_address(&to, s);
	int fd = socket(s->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)
		return drop(fd);
	return fd;
}

static bool
is_guest(const struct lease *l, const struct sockaddr_in6 *from)
{
	struct server s = { .family = from->sin6_family };

	memcpy(s.address, s.family == AF_INET ? (const void *)&((const struct sockaddr_in *)(const void *)from)->sin_addr
	                                      : &from->sin6_addr, s.family == AF_INET ? 4 : 16);
	return s.family == AF_INET ? is_in(s.address, l->address, l->prefix)
	                           : dns_is_link_local(&s) || is_in(s.address, l->address6, l->prefix6);
}

static bool
same_host(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
	if (a->sin6_family != b->sin6_family)
		return false;
	if (a->sin6_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr
		       == ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return !memcmp(&a->sin6_addr, &b->sin6_addr, 16);
}

static void
reply(const struct sockaddr_in6 *to, socklen_t tolen, const uint8_t *m, size_t len)
{
	while (sendto(relay.udp, m, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to, tolen) < 0 && errno == EINTR)
		;
}

static void
forget(struct query *q)
{
	if (q->fd > 0)
		close(q->fd);
	q->fd = -1;
}

/* whoever has half of all places gives one of its own, the oldest; else the oldest of all goes */
static struct query *
take_place(const struct sockaddr_in6 *from)
{
	struct query *q, *oldest = NULL, *own = NULL;
	size_t mine = 0;

	for (q = relay.query; q < relay.query + DNS_QUERIES; q++) {
		if (q->fd <= 0)
			continue;
		if (!oldest || q->since < oldest->since)
			oldest = q;
		if (!same_host(&q->from, from))
			continue;
		mine++;
		if (!own || q->since < own->since)
			own = q;
	}
	if (mine >= DNS_QUERIES / 2)
		oldest = own;
	for (q = relay.query; mine < DNS_QUERIES / 2 && q < relay.query + DNS_QUERIES; q++)
		if (q->fd <= 0)
			return q;
	forget(oldest);
	return oldest;
}

/* ask the next server, until there is none that was not asked */
static bool
ask(struct query *q)
{
	for (; q->tries < relay.n; q->server++) {
		q->tries++;
		forget(q);
		random_bytes(q->text, 2);
		q->asked = now_ms();
		q->fd = ask_socket(q->server, SOCK_DGRAM);
		if (q->fd <= 0)
			continue;
		look_for(q->fd, EPOLL_CTL_ADD, EPOLLIN, ON_QUERY | (uint64_t)(q - relay.query));
		if (send(q->fd, q->text, q->len, MSG_NOSIGNAL) == (ssize_t)q->len)
			return true;
	}
	return false;
}

/* a stream to a server on the loopback is there at once, or is not */
static bool
has_server(void)
{
	socklen_t len = sizeof(int);
	int fd, failed;
	size_t i;

	for (i = 0; i < relay.n; i++) {
		if (dns_is_far(&relay.server[i]))
			return true;
		fd = ask_socket(i, SOCK_STREAM);
		failed = fd < 0;
		if (fd >= 0)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len);
		drop(fd);
		if (!failed)
			return true;
	}
	return false;
}

/* the host's resolver has ended: who comes up in its place finds the port free */
static void
step_aside(void)
{
	size_t i;

	for (i = 0; i < DNS_QUERIES; i++)
		forget(&relay.query[i]);
	relay.udp = drop(relay.udp);
	relay.tcp = drop(relay.tcp);
	relay.waiting = true;
	tick(WAIT_MS);
}

static void
give_up(struct query *q)
{
	memcpy(q->text, &q->id, 2);
	reply(&q->from, q->fromlen, q->text, refuse(q->text, q->question, SERVFAIL));
	forget(q);
	if (!relay.waiting && !has_server())
		step_aside();
}

/* ---- where it is asked ------------------------------------------------------------------- */

static void
keep_to_link(int fd)
{
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, relay.link, (socklen_t)strlen(relay.link) + 1);
}

/*
 * All supervisors of a zone listen at the same address: SO_REUSEPORT lets in those who say so, too, and are the same
 * user. With SO_REUSEADDR on both sides a UDP socket is in nobody's way, and goes before one that listens everywhere;
 * not so TCP. shy: not beside such a one. The address may not be there yet. -1: errno says why
 */
static int
listen_at(int type, bool shy)
{
	struct sockaddr_in6 at;
	socklen_t len = fill_address(&at, &relay.at);
	int fd = socket(relay.at.family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, e;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	keep_to_link(fd);
	if (!shy)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 || bind(fd, (struct sockaddr *)&at, len) < 0
	    || (type == SOCK_STREAM && listen(fd, DNS_CONNECTIONS) < 0)) {
		e = errno;
		fd = drop(fd);
		errno = e;
		return fd;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	look_for(fd, EPOLL_CTL_ADD, EPOLLIN, type == SOCK_STREAM ? ON_TCP : ON_UDP);
	return fd;
}

/* a resolver that comes up and listens everywhere does not start beside this: it is there only while it has to be */
static void
open_streams(void)
{
	relay.streams = now_ms();
	if (relay.tcp < 0)
		relay.tcp = listen_at(SOCK_STREAM, false);
	tick(TICK_MS);
}

/* not before there is somebody to ask: a resolver of the host that wants the port everywhere might find it taken */
static int
try_listen(bool shy)
{
	relay.waiting = !has_server();
	if (!relay.waiting) {
		relay.udp = listen_at(SOCK_DGRAM, shy);
		if (relay.udp < 0 && errno == EADDRINUSE)
			say("the host's own resolver is asked for names");
		else if (relay.udp < 0)
			warn("listen for questions of names:");
	}
	tick(relay.waiting ? WAIT_MS : 0);
	return relay.waiting || relay.udp >= 0 ? 0 : -1;
}

/* ---- and what comes ---------------------------------------------------------------------------- */

static void
got_question(struct run *r)
{
	struct query in, *q;
	ssize_t len;
	int why, i;

	relay.follow(r);
	for (i = 0; i < A_TURN && spend(); i++) {
		in.fromlen = sizeof(in.from);
		len = recvfrom(relay.udp, in.text, sizeof(in.text), MSG_TRUNC | MSG_DONTWAIT, (struct sockaddr *)&in.from,
		               &in.fromlen);
		if (len < 0) {
			relay.tokens++;
			return;
		}
		if (len < HEADER || in.text[2] & 0x80 || !is_guest(&r->lease, &in.from))
			continue;
		in.question = (size_t)len > sizeof(in.text) ? 0 : find_end(in.text, (size_t)len, false);
		if (!in.question) {
			why = in.text[2] & 0x78 ? NOTIMP : FORMERR;
			reply(&in.from, in.fromlen, in.text, refuse(in.text, 0, why));
			continue;
		}
		in.len = answer_here(&r->lease, in.text, in.question, sizeof(in.text));
		if (in.len) {
			reply(&in.from, in.fromlen, in.text, in.len);
			continue;
		}
		q = take_place(&in.from);
		*q = in;
		q->fd = -1;
		q->len = (size_t)len;
		q->since = now_ms();
		q->server = relay.good;
		q->tries = 0;
		memcpy(&q->id, q->text, 2);
		if (!ask(q))
			give_up(q);
	}
}

static void
got_answer(struct query *q)
{
	static void *at;
	uint8_t *m = scratch_room(&at, ANSWER_MOST);
	ssize_t len = recv(q->fd, m, ANSWER_MOST, MSG_TRUNC | MSG_DONTWAIT);
	bool last = q->tries >= relay.n, whole;

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	whole = len < 0 || (size_t)len <= ANSWER_MOST;
	if (!whole)
		len = ANSWER_MOST;
	if (len >= 0 && !answers(q, m, (size_t)len))
		return;
	if (len < 0 || ((m[3] & 15) == SERVFAIL && !last)) {
		q->server++;
		if (!ask(q))
			give_up(q);
		return;
	}
	relay.good = q->server % relay.n;
	memcpy(m, &q->id, 2);
	if (!whole) {
		len = (ssize_t)refuse(m, q->question, 0);
		m[2] |= TRUNCATED;
	}
	if (m[2] & TRUNCATED)
		open_streams();
	reply(&q->from, q->fromlen, m, (size_t)len);
	forget(q);
}

/* ---- and of streams: bytes this way and that ------------------------------------------------- */

static void
part(struct pair *c)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (c->fd[i] > 0)
			close(c->fd[i]);
		c->fd[i] = -1;
	}
}

static uint64_t
name_of(const struct pair *c)
{
	return ON_PAIR | (uint64_t)(c - relay.pair);
}

/* what each side is waited for: room for what came from the other, and more of its own */
static void
look_at(struct pair *c)
{
	uint32_t events;
	int i;

	for (i = 0; i < 2; i++) {
		events = (c->len[!i] ? EPOLLOUT : 0u) | (c->len[i] || c->ended[i] ? 0u : EPOLLIN);
		look_for(c->fd[i], EPOLL_CTL_DEL, 0, 0);  /* else it would say that it was hung up, again and again */
		if (events)
			look_for(c->fd[i], EPOLL_CTL_ADD, events, name_of(c));
	}
}

static bool
call(struct pair *c)
{
	for (; c->tries < relay.n; c->server++) {
		c->tries++;
		drop(c->fd[1]);
		c->fd[1] = ask_socket(c->server, SOCK_STREAM);
		if (c->fd[1] < 0)
			continue;
		look_for(c->fd[1], EPOLL_CTL_ADD, EPOLLOUT, name_of(c));
		return true;
	}
	return false;
}

static void
got_caller(struct run *r)
{
	struct sockaddr_in6 from;
	struct pair *c, *best;
	socklen_t len;
	int i, fd;

	relay.follow(r);
	for (i = 0; i < DNS_CONNECTIONS && spend(); i++) {
		len = sizeof(from);
		fd = accept4(relay.tcp, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			relay.tokens++;
			return;
		}
		if (!is_guest(&r->lease, &from)) {
			close(fd);
			continue;
		}
		best = relay.pair;  /* a free place, or the one that was silent for longest */
		for (c = relay.pair; c < relay.pair + DNS_CONNECTIONS; c++)
			if (best->fd[0] > 0 && (c->fd[0] <= 0 || c->active < best->active))
				best = c;
		c = best;
		part(c);
		c->fd[0] = fd;
		c->active = relay.streams = now_ms();
		c->server = relay.good;
		c->tries = 0;
		c->talked = c->ended[0] = c->ended[1] = false;
		c->len[0] = c->len[1] = 0;
		if (!call(c))
			part(c);
	}
}

/* from one side to the other as much as goes at once; false: it is over */
static bool
carry(struct pair *c, int from)
{
	ssize_t n;

	if (!c->len[from] && !c->ended[from]) {
		n = recv(c->fd[from], c->buf[from], sizeof(c->buf[from]), 0);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->at[from] = 0;
		c->len[from] = (size_t)n;
		c->ended[from] = n == 0;
		if (n == 0)
			shutdown(c->fd[!from], SHUT_WR);
		c->active = now_ms();
	}
	if (!c->len[from])
		return true;
	n = send(c->fd[!from], c->buf[from] + c->at[from], c->len[from], MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->at[from] += (size_t)n;
	c->len[from] -= (size_t)n;
	return true;
}

static void
got_stream(struct pair *c)
{
	socklen_t len = sizeof(int);
	int failed = 0;

	if (!c->talked) {
		getsockopt(c->fd[1], SOL_SOCKET, SO_ERROR, &failed, &len);
		if (failed) {
			c->server++;
			if (!call(c))
				part(c);
			return;
		}
		c->talked = true;
	}
	if (!carry(c, 0) || !carry(c, 1) || (c->ended[0] && c->ended[1]))
		part(c);
	else
		look_at(c);
}

/* ---- all of it in one fd ------------------------------------------------------------------------ */

static void
got_tick(struct run *r)
{
	uint64_t ticks = 1, now = now_ms();
	bool busy = false;
	struct query *q;
	struct pair *c;

	if (read(relay.timer, &ticks, sizeof(ticks)) < 0)
		return;
	if (relay.waiting) {
		relay.follow(r);
		try_listen(false);
		return;
	}
	ticks = ticks > 1000 / TICK_MS ? 1000 / TICK_MS : ticks;
	relay.tokens += (unsigned int)ticks * (DNS_RATE * TICK_MS / 1000);
	if (relay.tokens >= DNS_RATE)
		relay.tokens = DNS_RATE;
	else
		busy = true;
	if (relay.held)
		hear(EPOLLIN);
	for (q = relay.query; q < relay.query + DNS_QUERIES; q++) {
		if (q->fd <= 0)
			continue;
		busy = true;
		if (now - q->asked < (q->tries < relay.n ? NEXT_MS : PATIENCE_MS))
			continue;
		q->server++;
		if (!ask(q))
			give_up(q);
	}
	for (c = relay.pair; c < relay.pair + DNS_CONNECTIONS; c++) {
		if (c->fd[0] > 0 && now - c->active >= IDLE_MS)
			part(c);
		busy |= c->fd[0] > 0;
	}
	if (relay.tcp >= 0 && now - relay.streams >= IDLE_MS)
		relay.tcp = drop(relay.tcp);
	busy |= relay.tcp >= 0;
	tick(relay.waiting ? WAIT_MS : busy ? TICK_MS : 0);
}

static void
got_events(struct run *r, int fd, short revents)
{
	struct epoll_event e[A_TURN];
	int n = epoll_wait(fd, e, A_TURN, 0), i;
	unsigned int which;

	(void)revents;
	for (i = 0; i < n; i++) {
		which = (unsigned int)e[i].data.u64 & 0xff;
		switch (e[i].data.u64 & ~(uint64_t)0xff) {
		case ON_TIMER:
			got_tick(r);
			break;
		case ON_UDP:
			if (relay.udp >= 0)
				got_question(r);
			break;
		case ON_TCP:
			if (relay.tcp >= 0)
				got_caller(r);
			break;
		case ON_QUERY:
			if (relay.query[which].fd > 0)
				got_answer(&relay.query[which]);
			break;
		default:
			if (relay.pair[which].fd[0] > 0)
				got_stream(&relay.pair[which]);
		}
	}
}

/* once */
static bool
begin(struct run *r)
{
	relay.query = xalloc(DNS_QUERIES * sizeof(*relay.query));
	relay.pair = xalloc(DNS_CONNECTIONS * sizeof(*relay.pair));
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	relay.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (relay.epoll < 0 || relay.timer < 0) {
		warn("open the relay for names (CONFIG_EPOLL, CONFIG_TIMERFD):");
		return false;
	}
	relay.udp = relay.tcp = -1;
	relay.tokens = DNS_RATE;
	look_for(relay.timer, EPOLL_CTL_ADD, EPOLLIN, ON_TIMER);
	watch(r, relay.epoll, POLLIN, got_events);
	return true;
}

void
dns_ask(const struct server *servers, size_t n)
{
	relay.server = servers;
	relay.n = n;
	relay.good = 0;
}

int
dns_open(struct run *r, const struct server *at, void (*follow)(struct run *))
{
	if (!WITH_DNS)
		return -1;
	if (relay.open && (relay.waiting || relay.udp >= 0))
		return 0;
	relay.at = *at;
	relay.follow = follow;
	relay.link = r->bridge ? r->bridge : r->lent->host;
	relay.open = relay.open || begin(r);
	return relay.open ? try_listen(true) : -1;
}

void
dns_begin(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
	if (relay.open)
		keep_to_link(relay.udp);
}
