/* SPDX-License-Identifier: 0BSD */
/* Names for guests: whom they ask, and a relay where the host's own resolver is out of their reach */
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
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <net/if.h>

#include "nspawn-lite.h"
#include CONFIG

/* asm-generic/socket.h of Linux 3.9; a few architectures have another number, and musl knows it */
#ifndef SO_REUSEPORT
#define SO_REUSEPORT 15
#endif

enum {
	PORT = 53, HEADER = 12, NAME_MOST = 255, LABEL_MOST = 63,
	TYPE_A = 1, TYPE_AAAA = 28, CLASS_IN = 1,
	FORMERR = 1, SERVFAIL = 2, NOTIMP = 4,
	QUERY_MOST = 512, ANSWER_MOST = 4096,  /* what is longer comes by TCP */
	SERVERS = 3,           /* as many as resolv.conf(5) takes */
	TICK_MS = 250, WAIT_MS = 3000, PATIENCE_MS = 5000, NEXT_MS = 1500, IDLE_MS = 10000, LOOK_MS = 1000,
	A_TURN = 16,           /* so much is done before others have theirs */
	NAME_TTL = 5,
};

struct server {
	int family;
	uint8_t address[16];
	unsigned int scope;    /* of a link-local one: its interface */
};

/* what a resolv.conf says */
struct names {
	struct server server[SERVERS];
	size_t n;
	bool stub;             /* one of them is systemd-resolved's, which knows those behind it */
	char search[NAME_MOST + 1];
};

/* a question that waits for an answer */
struct query {
	int fd;                /* connected to the server that was asked; -1: a free place */
	int socket;            /* which one it came by */
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

enum { LISTEN_UDP = 0, LISTEN_TCP = 2, LISTENERS = 4 };

/* what an event of epoll(7) is about: a kind, and a number below 256 of that */
enum { ON_TIMER = 0x100, ON_LISTENER = 0x200, ON_QUERY = 0x300, ON_PAIR = 0x400 };

static struct {
	const struct plan *plan;
	struct stat seen[2];           /* of the host's files */
	uint64_t looked;
	struct names names;
	struct server own[2];          /* where it is asked: addresses of the host on the guest's link */
	size_t nown;
	bool needed, open;
	int epoll, timer, listener[LISTENERS];
	int ticking;
	bool held, waiting;            /* for tokens; for a resolver of the host to come up */
	unsigned int tokens;
	size_t good;                   /* the server that answered last */
	struct query query[DNS_QUERIES];
	struct pair pair[DNS_CONNECTIONS];
} relay;

static const char *const files[] = { "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf" };

/* ---- what resolv.conf says ------------------------------------------------------- */

static bool
read_address(const char *word, struct server *s)
{
	char plain[INET6_ADDRSTRLEN] = "";
	size_t len = strcspn(word, "%");
	bool yes = true;

	if (len < sizeof(plain))
		memcpy(plain, word, len);
	memset(s, 0, sizeof(*s));
	s->family = AF_INET;
	if (inet_pton(AF_INET, word, s->address) != 1) {
		s->family = AF_INET6;
		yes = inet_pton(AF_INET6, plain, s->address) == 1;
		if (yes && strchr(word, '%'))
			yes = (s->scope = if_nametoindex(strchr(word, '%') + 1)) != 0;
	}
	return yes;
}

static bool
is_link_local(const struct server *s)
{
	return s->family == AF_INET6 && s->address[0] == 0xfe && (s->address[1] & 0xc0) == 0x80;
}

/* 0.0.0.0 and :: too: to the host itself they are the same */
static bool
is_loopback(const struct server *s)
{
	static const uint8_t none[16], one[16] = { [15] = 1 };

	if (s->family == AF_INET)
		return s->address[0] == 127 || s->address[0] == 0;
	return !memcmp(s->address, one, 16) || !memcmp(s->address, none, 16);
}

/* a guest reaches it, too */
static bool
is_far(const struct server *s)
{
	return !is_loopback(s) && !is_link_local(s);
}

/* what follows a keyword, up to a comment; "" if the line has another */
static char *
value_of(char *line, const char *key)
{
	size_t len = strlen(key);
	char *v = line + len;

	if (strncmp(line, key, len) != 0 || (*v != ' ' && *v != '\t'))
		return line + strlen(line);
	v += strspn(v, " \t");
	v[strcspn(v, "#;\r")] = 0;
	return v;
}

static void
read_search(struct names *n, const char *v)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_. ";
	size_t len = strlen(v);

	while (len && v[len - 1] == ' ')
		len--;
	if (len && len < sizeof(n->search) && strspn(v, good) >= len) {
		memcpy(n->search, v, len);
		n->search[len] = 0;
	}
}

static void
read_names(struct names *n, char *text)
{
	static const uint8_t stub[4] = { 127, 0, 0, 53 };
	struct server *s;
	char *line, *v;

	memset(n, 0, sizeof(*n));
	while ((line = next_line(&text))) {
		read_search(n, value_of(line, "domain"));
		read_search(n, value_of(line, "search"));
		v = value_of(line, "nameserver");
		v[strcspn(v, " \t")] = 0;
		s = &n->server[n->n];
		if (!*v || n->n == SERVERS || !read_address(v, s))
			continue;
		n->stub |= s->family == AF_INET && !memcmp(s->address, stub, 4);
		n->n++;
	}
}

static void
read_file(struct names *n, const char *path)
{
	static char text[4096];

	if (read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		*text = 0;
	read_names(n, text);
}

/* ---- whom the guest asks ------------------------------------------------------------ */

static bool
add(struct lease *l, const struct server *s)
{
	if (s->family == AF_INET && l->ndns < LEN(l->dns))
		memcpy(l->dns[l->ndns++], s->address, 4);
	else if (s->family == AF_INET6 && l->ndns6 < LEN(l->dns6))
		memcpy(l->dns6[l->ndns6++], s->address, 16);
	else
		return false;
	return true;
}

/* the host's file is read; what it means for this guest */
static void
decide(struct run *r)
{
	char **w = relay.plan->network_dns;
	struct lease *l = &r->lease;
	struct names uplinks;
	struct names *n = &relay.names;
	struct server s;
	size_t i;

	l->ndns = l->ndns6 = 0;
	relay.needed = false;
	for (; w && *w; w++)
		if (read_address(*w, &s))
			add(l, &s);
	if (relay.plan->network_dns)
		return;
	read_file(n, files[0]);
	if (n->stub) {
		read_file(&uplinks, files[1]);
		n = &uplinks;
	}
	for (i = 0; i < n->n; i++)
		if (is_far(&n->server[i]) && (n->server[i].family == AF_INET ? l->prefix && l->route : l->prefix6 && l->route6))
			add(l, &n->server[i]);
	if (l->ndns || l->ndns6)
		return;
	relay.needed = relay.nown > 0;
	for (i = 0; i < relay.nown; i++)
		add(l, &relay.own[i]);
	if (!relay.names.n)  /* resolv.conf(5): then it is the host itself */
		read_address("127.0.0.1", &relay.names.server[relay.names.n++]);
	relay.good = 0;
}

static char *
write_text(const struct run *r)
{
	const struct lease *l = &r->lease;
	char address[INET6_ADDRSTRLEN], *text;
	struct server s = { .family = AF_INET6 };
	size_t i;

	if (!l->ndns && !l->ndns6)
		return NULL;
	text = xstrdup(*relay.names.search ? fmt("search %s\n", relay.names.search) : "");
	for (i = 0; i < l->ndns; i++)
		text = fmt("%snameserver %s\n", text, inet_ntop(AF_INET, l->dns[i], address, sizeof(address)));
	for (i = 0; i < l->ndns6 && i + l->ndns < SERVERS; i++) {
		memcpy(s.address, l->dns6[i], 16);
		text = fmt("%snameserver %s%s%s\n", text, inet_ntop(AF_INET6, l->dns6[i], address, sizeof(address)),
		           is_link_local(&s) && r->lent ? "%" : "", is_link_local(&s) && r->lent ? r->lent->guest : "");
	}
	return text;
}

/* the host's files are as we saw them; remembers how they are */
static bool
is_unchanged(void)
{
	bool same = true;
	struct stat st;
	size_t i;

	for (i = 0; i < LEN(files); i++) {
		memset(&st, 0, sizeof(st));
		if (stat(files[i], &st) < 0)
			memset(&st, 0, sizeof(st));
		same &= st.st_ino == relay.seen[i].st_ino && st.st_dev == relay.seen[i].st_dev && st.st_size == relay.seen[i].st_size
		        && st.st_mtim.tv_sec == relay.seen[i].st_mtim.tv_sec && st.st_mtim.tv_nsec == relay.seen[i].st_mtim.tv_nsec;
		relay.seen[i] = st;
	}
	return same;
}

void
resolver_look(const struct plan *p, struct run *r)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const uint8_t *own;
	size_t i;

	relay.plan = p;
	if (!r->lent && !p->network_dns)
		return;
	for (i = 0; r->lent && i < LEN(families); i++) {
		own = address_of_host(r, families[i]);
		if (!own)
			continue;
		relay.own[relay.nown].family = families[i];
		memcpy(relay.own[relay.nown++].address, own, families[i] == AF_INET ? 4 : 16);
	}
	is_unchanged();
	decide(r);
	r->resolver_text = write_text(r);
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
		line[strcspn(line, " \t")] = 0;
		if (!read_address(line, &s) || !is_in(s.address, s.family == AF_INET ? l->address : l->address6,
		                                       s.family == AF_INET ? l->prefix : l->prefix6))
			continue;
		m[7] |= 0x80;  /* it is one of us */
		size = s.family == AF_INET ? 4 : 16;
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

/* ---- the relay --------------------------------------------------------------------------- */

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

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

/* all questions of a machine, or of a zone's that come to us, have so many in a second; the kernel drops what is beyond */
static bool
spend(void)
{
	size_t i;

	tick(TICK_MS);
	if (relay.tokens) {
		relay.tokens--;
		return true;
	}
	for (i = 0; i < LISTENERS; i++)
		if (relay.listener[i] >= 0)
			look_for(relay.listener[i], EPOLL_CTL_MOD, 0, ON_LISTENER | i);
	relay.held = true;
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
	const struct server *s = &relay.names.server[server % relay.names.n];
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
	                           : is_link_local(&s) || is_in(s.address, l->address6, l->prefix6);
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
reply(int socket, const struct sockaddr_in6 *to, socklen_t tolen, const uint8_t *m, size_t len)
{
	while (sendto(socket, m, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to, tolen) < 0 && errno == EINTR)
		;
}

static void
forget(struct query *q)
{
	if (q->fd >= 0)
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
		if (q->fd < 0)
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
		if (q->fd < 0)
			return q;
	forget(oldest);
	return oldest;
}

/* ask the next server, until there is none that was not asked */
static bool
ask(struct query *q)
{
	for (; q->tries < relay.names.n; q->server++) {
		q->tries++;
		forget(q);
		random_bytes(q->text, 2);
		q->asked = now_ms();
		q->fd = ask_socket(q->server, SOCK_DGRAM);
		if (q->fd < 0)
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

	for (i = 0; i < relay.names.n; i++) {
		if (is_far(&relay.names.server[i]))
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

	for (i = 0; i < LISTENERS; i++) {
		drop(relay.listener[i]);
		relay.listener[i] = -1;
	}
	for (i = 0; i < DNS_QUERIES; i++)
		forget(&relay.query[i]);
	relay.waiting = true;
	tick(WAIT_MS);
}

static void
give_up(struct query *q)
{
	memcpy(q->text, &q->id, 2);
	reply(relay.listener[q->socket], &q->from, q->fromlen, q->text, refuse(q->text, q->question, SERVFAIL));
	forget(q);
	if (!relay.waiting && !has_server())
		step_aside();
}

/* the lease and the servers as the host's files are now; one look in a while */
static void
follow(struct run *r)
{
	uint64_t now = now_ms();

	if (!relay.plan || !r->lent || relay.plan->network_dns || now - relay.looked < LOOK_MS)
		return;
	relay.looked = now;
	if (!is_unchanged())
		decide(r);
}

static void
got_question(struct run *r, int n)
{
	struct query in, *q;
	ssize_t len;
	int why, i;

	follow(r);
	for (i = 0; i < A_TURN && spend(); i++) {
		in.fromlen = sizeof(in.from);
		len = recvfrom(relay.listener[n], in.text, sizeof(in.text), MSG_TRUNC | MSG_DONTWAIT, (struct sockaddr *)&in.from,
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
			reply(relay.listener[n], &in.from, in.fromlen, in.text, refuse(in.text, 0, why));
			continue;
		}
		in.len = answer_here(&r->lease, in.text, in.question, sizeof(in.text));
		if (in.len) {
			reply(relay.listener[n], &in.from, in.fromlen, in.text, in.len);
			continue;
		}
		q = take_place(&in.from);
		*q = in;
		q->fd = -1;
		q->socket = n;
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
	static uint8_t m[ANSWER_MOST];
	ssize_t len = recv(q->fd, m, sizeof(m), MSG_TRUNC | MSG_DONTWAIT);
	bool last = q->tries >= relay.names.n;

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len >= 0 && ((size_t)len > sizeof(m) || !answers(q, m, (size_t)len)))
		return;
	if (len < 0 || ((m[3] & 15) == SERVFAIL && !last)) {
		q->server++;
		if (!ask(q))
			give_up(q);
		return;
	}
	relay.good = q->server % relay.names.n;
	memcpy(m, &q->id, 2);
	reply(relay.listener[q->socket], &q->from, q->fromlen, m, (size_t)len);
	forget(q);
}

/* ---- and of streams: bytes this way and that ------------------------------------------------- */

static void
part(struct pair *c)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (c->fd[i] >= 0)
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
	for (; c->tries < relay.names.n; c->server++) {
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
got_caller(struct run *r, int n)
{
	struct sockaddr_in6 from;
	struct pair *c, *best;
	socklen_t len;
	int i, fd;

	follow(r);
	for (i = 0; i < DNS_CONNECTIONS && spend(); i++) {
		len = sizeof(from);
		fd = accept4(relay.listener[n], (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
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
			if (best->fd[0] >= 0 && (c->fd[0] < 0 || c->active < best->active))
				best = c;
		c = best;
		part(c);
		c->fd[0] = fd;
		c->active = now_ms();
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

/*
 * All supervisors of a zone listen at the same address: SO_REUSEPORT lets in those who say so, too, and are the same
 * user. EADDRINUSE: the host's own resolver is there, which needs no relay
 */
static int
make_socket(size_t n)
{
	int type = n < LISTEN_TCP ? SOCK_DGRAM : SOCK_STREAM, on = 1;
	int fd = socket(relay.own[n % 2].family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		return drop(fd);
	/* what has just ended is in nobody's way, ours no more than others' */
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));  /* it may still be looked whether it is the only one */
	return fd;
}

/* 0, or errno */
static int
bind_socket(const struct run *r, int fd, size_t n)
{
	const char *link = r->bridge ? r->bridge : r->lent->host;
	struct server s = relay.own[n % 2];
	struct sockaddr_in6 at;
	socklen_t len;

	if (is_link_local(&s))
		s.scope = if_nametoindex(link);
	len = fill_address(&at, &s);
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link, (socklen_t)strlen(link) + 1) < 0
	       || bind(fd, (struct sockaddr *)&at, len) < 0
	       || (n >= LISTEN_TCP && listen(fd, DNS_CONNECTIONS) < 0) ? errno : 0;
}

/* it is ours, or closed */
static void
take_socket(int fd, size_t n, int failed)
{
	relay.listener[n] = failed ? -1 : fd;
	errno = failed;
	if (!failed) {
		look_for(fd, EPOLL_CTL_ADD, EPOLLIN, ON_LISTENER | n);
		return;
	}
	if (failed == EADDRINUSE)
		say("the host's own resolver is asked for names");
	else
		warn("listen for questions of names:");
	drop(fd);
}

/* not before there is somebody to ask: a resolver of the host that wants the port everywhere would find it taken */
static void
try_listen(struct run *r)
{
	size_t i;
	int fd;

	relay.waiting = !has_server();
	tick(relay.waiting ? WAIT_MS : 0);
	for (i = 0; !relay.waiting && i < LISTENERS; i++) {
		if (i % 2 >= relay.nown)
			continue;
		fd = make_socket(i);
		take_socket(fd, i, fd < 0 ? errno : bind_socket(r, fd, i));
	}
}

static void
got_tick(struct run *r)
{
	uint64_t ticks = 1, now = now_ms();
	bool busy = false;
	struct query *q;
	struct pair *c;
	size_t i;

	if (read(relay.timer, &ticks, sizeof(ticks)) < 0)
		return;
	if (relay.waiting) {
		follow(r);
		try_listen(r);
		return;
	}
	ticks = ticks > 1000 / TICK_MS ? 1000 / TICK_MS : ticks;
	relay.tokens += (unsigned int)ticks * (DNS_RATE * TICK_MS / 1000);
	if (relay.tokens >= DNS_RATE)
		relay.tokens = DNS_RATE;
	else
		busy = true;
	for (i = 0; relay.held && i < LISTENERS; i++)
		if (relay.listener[i] >= 0)
			look_for(relay.listener[i], EPOLL_CTL_MOD, EPOLLIN, ON_LISTENER | i);
	relay.held = false;
	for (q = relay.query; q < relay.query + DNS_QUERIES; q++) {
		if (q->fd < 0)
			continue;
		busy = true;
		if (now - q->asked < (q->tries < relay.names.n ? NEXT_MS : PATIENCE_MS))
			continue;
		q->server++;
		if (!ask(q))
			give_up(q);
	}
	for (c = relay.pair; c < relay.pair + DNS_CONNECTIONS; c++) {
		if (c->fd[0] >= 0 && now - c->active >= IDLE_MS)
			part(c);
		busy |= c->fd[0] >= 0;
	}
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
		case ON_LISTENER:
			which < LISTEN_TCP ? got_question(r, (int)which) : got_caller(r, (int)which);
			break;
		case ON_QUERY:
			if (relay.query[which].fd >= 0)
				got_answer(&relay.query[which]);
			break;
		default:
			if (relay.pair[which].fd[0] >= 0)
				got_stream(&relay.pair[which]);
		}
	}
}

static void
listen_all(struct run *r)
{
	size_t i;

	if (relay.open)
		return;
	relay.open = true;
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	relay.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (relay.epoll < 0 || relay.timer < 0) {
		warn("open the relay for names (CONFIG_EPOLL, CONFIG_TIMERFD):");
		return;
	}
	for (i = 0; i < DNS_QUERIES; i++)
		relay.query[i].fd = -1;
	for (i = 0; i < DNS_CONNECTIONS; i++)
		relay.pair[i].fd[0] = relay.pair[i].fd[1] = -1;
	memset(relay.listener, 0xff, sizeof(relay.listener));
	relay.tokens = DNS_RATE;
	look_for(relay.timer, EPOLL_CTL_ADD, EPOLLIN, ON_TIMER);
	watch(r, relay.epoll, POLLIN, got_events);
	for (i = 0; i < LISTENERS; i++)
		if (r->dns_socket[i] >= 0)
			take_socket(r->dns_socket[i], i, r->dns_failed[i]);
	if (r->dns_socket[0] < 0)
		try_listen(r);
}

/* they are bound before the guest begins, whose first question waits there */
void
resolver_open(const struct plan *p, struct run *r)
{
	size_t i;

	(void)p;
	for (i = 0; i < LISTENERS; i++)
		if (relay.needed && i % 2 < relay.nown && (i > 0 ? r->dns_socket[0] >= 0 : has_server()))
			r->dns_socket[i] = make_socket(i);
}

void
resolver_bind(const struct plan *p, struct run *r)
{
	size_t i;

	(void)p;
	for (i = 0; i < LISTENERS; i++)
		if (r->dns_socket[i] >= 0)
			r->dns_failed[i] = bind_socket(r, r->dns_socket[i], i);
}

void
resolver_follow(struct run *r)
{
	follow(r);
	if (relay.needed)
		listen_all(r);
}

void
resolver_begin(const struct plan *p, struct run *r)
{
	(void)p;
	if (relay.needed)
		listen_all(r);
}
