/* SPDX-License-Identifier: 0BSD */
/* Ports of the host, served by the supervisor itself: what comes in is passed on to the guest */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "nspawn-lite.h"

/*
 * Bounds of one turn: the machine's console and its end wait meanwhile. CHUNK is what a pipe holds, too. An
 * open talk takes two sockets, and two pipes at worst
 */
enum { EVENTS = 32, SOME = 16, ROUNDS = 4, CHUNK = 128 << 10, SPARE_PIPES = 4, TALK_FDS = 6, TICK_SECONDS = 5 };
/* in6.h of Linux 4.15 */
enum { V6_FREEBIND = 78 };

/* what an event is about: kind, number, and which side of it */
enum { EARS, TALK, FLOW, TICK };

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* a socket of the host, and the guest's port behind it */
struct ear { int fd; bool udp; uint16_t port; };

/* a TCP connection. Lane i leads from fd[i] to the other one: 0 is the client, 1 the guest */
struct talk {
	int fd[2];                /* fd[0] is -1: the place is free */
	struct lane_of {
		int pipe[2];          /* only as long as something is in it */
		size_t held;
		bool ended, shut;     /* nothing more comes in; and that was passed on */
	} lane[2];
	uint32_t events[2];
	bool known[2];            /* to epoll */
	bool connecting, six;     /* six: the client came by IPv6 */
	uint16_t port;
	size_t tried;
};

/* what one client sends to one UDP port, and the answers */
struct flow {
	int fd;                   /* connected to the guest; -1: free */
	size_t ear, tried;        /* ways to the guest */
	time_t seen;
	union address peer;
	union { struct in6_pktinfo six; struct in_pktinfo four; } local;  /* that it asked */
};

static struct {
	int epoll, ears, tick;    /* ears is an epoll of its own: one call makes us deaf */
	bool deaf;
	int ours, theirs;         /* network namespaces */
	struct ear *ear;
	size_t nears;
	size_t ntalks, nflows, talking, flowing;
	size_t used_talks, used_flows;  /* the places before these were used at some time */
	int spare[SPARE_PIPES][2];
	size_t nspare;
	struct relay_aim aim[2];
	size_t naims;
	struct rlimit limit;      /* as it was */
} its = { .epoll = -1, .ears = -1, .tick = -1, .ours = -1, .theirs = -1 };

/* places that were never used take no memory */
static struct talk *talks;
static struct flow *flows;

/* ---- sockets ------------------------------------------------------------------------------ */

static socklen_t
set_address(union address *a, int family, const void *address, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		a->in.sin_port = htons(port);
		if (address)
			memcpy(&a->in.sin_addr, address, sizeof(a->in.sin_addr));
		return sizeof(a->in);
	}
	a->in6.sin6_port = htons(port);
	if (address)
		memcpy(&a->in6.sin6_addr, address, sizeof(a->in6.sin6_addr));
	return sizeof(a->in6);
}

static int
listen_on(bool udp, int family, const void *address, uint16_t port)
{
	int fd = socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, off = 0;
	union address a;
	socklen_t len = set_address(&a, family, address, port);

	if (fd < 0)
		return -1;
	if (family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, address ? &on : &off, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, V6_FREEBIND, &on, sizeof(on));
		if (udp)
			setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	} else {
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));  /* the address may come later */
		if (udp)
			setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	}
	/* connections of a life before may linger; it takes nothing from one that listens, and with UDP it would */
	if (!udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &a.sa, len) < 0 || (!udp && listen(fd, SOMAXCONN) < 0))
		return drop(fd);
	return fd;
}

int
relay_listen(int proto, int family, const void *address, uint16_t port)
{
	bool udp = proto == IPPROTO_UDP;
	int fd;

	if (family != AF_UNSPEC)
		return listen_on(udp, family, address, port);
	fd = listen_on(udp, AF_INET6, NULL, port);  /* IPv4 as well */
	if (fd < 0 && errno != EADDRINUSE && errno != EACCES && errno != EMFILE)
		fd = listen_on(udp, AF_INET, NULL, port);
	return fd;
}

void
relay_port(int fd, int proto, uint16_t port)
{
	/* before there is a machine: without these it would be ended again */
	if (!its.nears) {
		its.epoll = epoll_create1(EPOLL_CLOEXEC);
		its.ears = epoll_create1(EPOLL_CLOEXEC);
		its.tick = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (its.epoll < 0 || its.ears < 0 || its.tick < 0)
			die("--port (CONFIG_EPOLL, CONFIG_TIMERFD):");
	}
	its.ear = room_for_one(its.ear, its.nears, sizeof(*its.ear));
	its.ear[its.nears++] = (struct ear){ fd, proto == IPPROTO_UDP, port };
}

int
relay_socket_inside(int family, int type, int protocol)
{
	int fd, e, tries = 0;

	if (setns(its.theirs, CLONE_NEWNET) < 0)
		return -1;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	e = errno;
	/* from there nothing of the host could be unmade: one that has no memory for it now may have in a moment */
	while (setns(its.ours, CLONE_NEWNET) < 0) {
		if (tries++ == 100)
			die("come back from the machine's network:");
		poll(NULL, 0, 10);
	}
	errno = e;
	return fd;
}

/* a socket that connects, or is connected, to the guest, by the nth way of naims * 2; -1: not by that one */
static int
reach(size_t nth, bool six, int type, uint16_t port)
{
	const struct relay_aim *aim = &its.aim[nth % its.naims];
	int fd, room = CHUNK;
	union address a;
	socklen_t len;

	if ((nth < its.naims) != ((aim->family == AF_INET6) == six))
		return -1;
	type |= SOCK_NONBLOCK;
	fd = aim->inside ? relay_socket_inside(aim->family, type, 0) : socket(aim->family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (aim->inside) {  /* how far buffers grow is the guest's to say in there */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	}
	len = set_address(&a, aim->family, aim->address, port);
	if (connect(fd, &a.sa, len) < 0 && errno != EINPROGRESS)
		return drop(fd);
	return fd;
}

static bool
from_six(const union address *peer)
{
	return peer->sa.sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&peer->in6.sin6_addr);
}

static void
attend(int fd, bool known, uint32_t events, int kind, size_t number, int side)
{
	struct epoll_event e = { .events = events };

	e.data.u64 = (uint64_t)kind << 40 | (uint64_t)number << 8 | (uint64_t)side;
	epoll_ctl(its.epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
}

static void
set_deaf(bool deaf)
{
	if (its.deaf != deaf)
		attend(its.ears, true, deaf ? 0 : EPOLLIN, EARS, 0, 0);
	its.deaf = deaf;
}

/* ---- TCP ---------------------------------------------------------------------------------- */

static bool
borrow_pipe(struct lane_of *l)
{
	if (l->pipe[0] >= 0)
		return true;
	if (its.nspare) {
		memcpy(l->pipe, its.spare[--its.nspare], sizeof(l->pipe));
		return true;
	}
	if (pipe2(l->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		l->pipe[0] = l->pipe[1] = -1;
		return false;
	}
	fcntl(l->pipe[0], F_SETPIPE_SZ, CHUNK);  /* else it is 64 KB */
	return true;
}

/* an empty one may serve another talk */
static void
return_pipe(struct lane_of *l)
{
	if (l->pipe[0] < 0)
		return;
	if (!l->held && its.nspare < SPARE_PIPES) {
		memcpy(its.spare[its.nspare++], l->pipe, sizeof(l->pipe));
	} else {
		close(l->pipe[0]);
		close(l->pipe[1]);
	}
	l->pipe[0] = l->pipe[1] = -1;
}

static void
end_talk(struct talk *t, bool reset)
{
	static const struct linger now = { 1, 0 };
	int i;

	for (i = 0; i < 2; i++) {
		return_pipe(&t->lane[i]);
		if (t->fd[i] < 0)
			continue;
		if (reset)
			setsockopt(t->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(t->fd[i]);
		t->fd[i] = -1;
	}
	its.talking--;
	set_deaf(false);
}

/* move what is there on lane i; false: one side has broken off */
static bool
pump(struct talk *t, int i)
{
	enum { HOW = SPLICE_F_MOVE | SPLICE_F_NONBLOCK };
	struct lane_of *l = &t->lane[i];
	ssize_t n;
	int round;

	for (round = 0; round < ROUNDS && !l->shut; round++) {
		if (!l->held && !l->ended) {
			if (!borrow_pipe(l))
				return false;
			n = splice(t->fd[i], NULL, l->pipe[1], NULL, CHUNK, HOW);
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				return false;
			if (n < 0)
				break;
			l->ended = n == 0;
			l->held = (size_t)n;
		}
		if (l->held) {
			n = splice(l->pipe[0], NULL, t->fd[!i], NULL, l->held, HOW);
			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
				return false;
			if (n < 0)
				break;
			l->held -= (size_t)n;
		}
		if (l->ended && !l->held) {
			shutdown(t->fd[!i], SHUT_WR);
			l->shut = true;
		}
	}
	if (!l->held)
		return_pipe(l);
	return true;
}

/* what can go on for side i. One that only waits for the other is not looked at: its end would be told without end */
static void
attend_side(struct talk *t, int i)
{
	const struct lane_of *in = &t->lane[i], *out = &t->lane[!i];
	uint32_t events = 0;
	bool look;

	if (t->connecting && i == 1)
		events = EPOLLOUT;
	if (!t->connecting && !in->ended && !in->held)
		events |= EPOLLIN;
	if (out->held)
		events |= EPOLLOUT;
	look = events || (!in->held && !out->shut);
	if (!look && t->known[i])
		epoll_ctl(its.epoll, EPOLL_CTL_DEL, t->fd[i], NULL);
	else if (look && (!t->known[i] || events != t->events[i]))
		attend(t->fd[i], t->known[i], events, TALK, (size_t)(t - talks), i);
	t->known[i] = look;
	t->events[i] = events;
}

static void
settle(struct talk *t)
{
	if (t->lane[0].shut && t->lane[1].shut) {
		end_talk(t, false);
		return;
	}
	attend_side(t, 0);
	attend_side(t, 1);
}

static void
set_stream(int fd)
{
	int on = 1, idle = 600;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
}

static void
call_guest(struct talk *t)
{
	drop(t->fd[1]);
	t->fd[1] = -1;
	t->known[1] = false;
	while (t->fd[1] < 0 && t->tried < 2 * its.naims)
		t->fd[1] = reach(t->tried++, t->six, SOCK_STREAM, t->port);
	if (t->fd[1] < 0) {
		end_talk(t, true);
		return;
	}
	set_stream(t->fd[1]);
	t->connecting = true;
	settle(t);
}

static void
on_talk(struct talk *t, int side, uint32_t events)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (t->fd[0] < 0)
		return;  /* it ended in this very turn */
	if (t->connecting && side == 1) {
		if (getsockopt(t->fd[1], SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
			call_guest(t);
			return;
		}
		t->connecting = false;
	} else if (events & EPOLLERR || (events & EPOLLHUP && !t->events[side])) {
		end_talk(t, true);
		return;
	} else if ((events & (EPOLLIN | EPOLLHUP) && !pump(t, side)) || (events & EPOLLOUT && !pump(t, !side))) {
		end_talk(t, true);
		return;
	}
	settle(t);
}

static void
accept_some(const struct ear *ear)
{
	union address peer;
	struct talk *t;
	socklen_t len;
	size_t i, at = 0;
	int fd;

	for (i = 0; i < SOME; i++) {
		if (its.talking == its.ntalks) {
			set_deaf(true);
			return;
		}
		len = sizeof(peer);
		fd = accept4(ear->fd, &peer.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				set_deaf(true);  /* until some talk ends, or the next tick */
			return;
		}
		while (at < its.used_talks && talks[at].fd[0] >= 0)
			at++;
		its.used_talks += at == its.used_talks;
		t = &talks[at];
		memset(t, 0, sizeof(*t));
		memset(t->lane[0].pipe, 0xff, sizeof(t->lane[0].pipe));
		memset(t->lane[1].pipe, 0xff, sizeof(t->lane[1].pipe));
		t->fd[0] = fd;
		t->fd[1] = -1;
		t->port = ear->port;
		t->six = from_six(&peer);
		its.talking++;
		set_stream(fd);
		call_guest(t);
	}
}

/* ---- UDP ---------------------------------------------------------------------------------- */

static time_t
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void
end_flow(struct flow *f)
{
	close(f->fd);
	f->fd = -1;
	its.flowing--;
}

static bool
call_flow(struct flow *f)
{
	while (f->fd < 0 && f->tried < 2 * its.naims)
		f->fd = reach(f->tried++, from_six(&f->peer), SOCK_DGRAM, its.ear[f->ear].port);
	if (f->fd < 0)
		return false;
	its.flowing++;
	attend(f->fd, false, EPOLLIN, FLOW, (size_t)(f - flows), 0);
	return true;
}

/* that of the same client, or a new one in the place that was used least lately; NULL: the guest cannot be reached */
static struct flow *
find_flow(const struct flow *like)
{
	struct flow *f, *oldest = NULL;
	size_t i;

	for (i = 0; i < its.used_flows; i++) {
		f = &flows[i];
		if (f->fd >= 0 && f->ear == like->ear && memcmp(&f->peer, &like->peer, sizeof(f->peer)) == 0
		    && memcmp(&f->local, &like->local, sizeof(f->local)) == 0)
			return f;
		if (!oldest || (oldest->fd >= 0 && (f->fd < 0 || f->seen < oldest->seen)))
			oldest = f;
	}
	f = oldest;
	if ((!f || f->fd >= 0) && its.used_flows < its.nflows)
		f = &flows[its.used_flows++];
	else if (f && f->fd >= 0)
		end_flow(f);
	if (!f)
		return NULL;
	*f = *like;
	f->fd = -1;
	return call_flow(f) ? f : NULL;
}

enum { PACKET = 65536 };

static char *
packet_room(void)
{
	static void *at;

	return scratch_room(&at, PACKET);
}

static void
take_packets(size_t ear)
{
	_Alignas(struct cmsghdr) char control[256];
	struct flow like, *f;
	char *packet = packet_room();
	struct iovec v = { packet, PACKET };
	struct msghdr m;
	struct cmsghdr *c;
	ssize_t n;
	int i;

	for (i = 0; i < SOME; i++) {
		memset(&like, 0, sizeof(like));
		m = (struct msghdr){ .msg_name = &like.peer, .msg_namelen = sizeof(like.peer), .msg_iov = &v, .msg_iovlen = 1,
		                     .msg_control = control, .msg_controllen = sizeof(control) };
		n = recvmsg(its.ear[ear].fd, &m, MSG_DONTWAIT);
		if (n < 0)
			return;
		like.ear = ear;
		like.seen = seconds();
		for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
				memcpy(&like.local.six, CMSG_DATA(c), sizeof(like.local.six));
				if (!IN6_IS_ADDR_LINKLOCAL(&like.local.six.ipi6_addr))
					like.local.six.ipi6_ifindex = 0;  /* the way back is the kernel's choice */
			} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO
			           && like.peer.sa.sa_family == AF_INET) {
				memcpy(&like.local.four, CMSG_DATA(c), sizeof(like.local.four));
				like.local.four.ipi_ifindex = 0;
			}
		}
		f = find_flow(&like);
		if (!f)
			continue;
		f->seen = like.seen;
		/* word may have come that nobody listens there: by the next way, if there is one */
		while (send(f->fd, packet, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED) {
			end_flow(f);
			if (!call_flow(f))
				break;
		}
	}
}

/* from the address that was asked */
static void
answer(struct flow *f)
{
	bool six = f->peer.sa.sa_family == AF_INET6;
	size_t size = six ? sizeof(f->local.six) : sizeof(f->local.four);
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(f->local))];
	char *packet = packet_room();
	struct iovec v = { packet, 0 };
	struct msghdr m = {
		.msg_name = &f->peer, .msg_namelen = six ? sizeof(f->peer.in6) : sizeof(f->peer.in), .msg_iov = &v, .msg_iovlen = 1,
		.msg_control = control,
	};
	struct cmsghdr *c;
	ssize_t n = 0;
	int i;

	memset(control, 0, sizeof(control));
	m.msg_controllen = (socklen_t)CMSG_SPACE(size);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO;
	c->cmsg_len = (socklen_t)CMSG_LEN(size);
	memcpy(CMSG_DATA(c), &f->local, size);
	for (i = 0; f->fd >= 0 && i < SOME; i++) {
		n = recv(f->fd, packet, PACKET, MSG_DONTWAIT);
		if (n < 0)
			break;
		f->seen = seconds();
		v.iov_len = (size_t)n;
		(void)!sendmsg(its.ear[f->ear].fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	if (n < 0 && errno == ECONNREFUSED) {  /* the client will ask again, and then by another way */
		end_flow(f);
		call_flow(f);
	}
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void
on_tick(void)
{
	uint64_t times;
	time_t now = seconds();
	size_t i;

	(void)!read(its.tick, &times, sizeof(times));
	for (i = 0; its.flowing && i < its.used_flows; i++)
		if (flows[i].fd >= 0 && now - flows[i].seen > RELAY_IDLE)
			end_flow(&flows[i]);
	if (its.talking < its.ntalks)
		set_deaf(false);
}

/* a machine that nobody talks to is not woken */
static void
set_tick(void)
{
	bool on = its.flowing || its.deaf;
	static bool was;
	struct itimerspec t = { .it_interval.tv_sec = TICK_SECONDS, .it_value.tv_sec = on ? TICK_SECONDS : 0 };

	if (on != was)
		timerfd_settime(its.tick, 0, &t, NULL);
	was = on;
}

static void
hear(void)
{
	struct epoll_event e[EVENTS];
	int n = epoll_wait(its.ears, e, EVENTS, 0), i;

	for (i = 0; i < n && !its.deaf; i++)
		if (its.ear[e[i].data.u32].udp)
			take_packets(e[i].data.u32);
		else
			accept_some(&its.ear[e[i].data.u32]);
}

static void
on_events(struct run *r, int fd, short revents)
{
	struct epoll_event e[EVENTS];
	int n = epoll_wait(fd, e, EVENTS, 0), i;
	bool ears = false;
	size_t number;

	(void)r;
	(void)revents;
	for (i = 0; i < n; i++) {
		number = (size_t)(e[i].data.u64 >> 8 & 0xffffffff);
		switch (e[i].data.u64 >> 40) {
		case EARS:
			ears = true;
			break;
		case TALK:
			on_talk(&talks[number], (int)(e[i].data.u64 & 1), e[i].events);
			break;
		case FLOW:
			if (flows[number].fd >= 0)
				answer(&flows[number]);
			break;
		case TICK:
			on_tick();
		}
	}
	if (ears)  /* last: a place that became free is not taken again while events speak of it */
		hear();
	set_tick();
}

/* as many at once as there can be fds for them */
static void
make_room(void)
{
	struct rlimit now;
	size_t free_fds;

	if (prlimit(0, RLIMIT_NOFILE, NULL, &its.limit) < 0)
		return;  /* then there is no place for anybody */
	now = its.limit;
	if (now.rlim_cur < RELAY_FDS)
		now.rlim_cur = now.rlim_max < RELAY_FDS ? now.rlim_max : RELAY_FDS;
	prlimit(0, RLIMIT_NOFILE, &now, NULL);
	free_fds = now.rlim_cur > its.nears + 128 ? (size_t)now.rlim_cur - its.nears - 128 : 0;
	talks = xalloc(RELAY_MOST * sizeof(*talks));
	flows = xalloc(RELAY_MOST * sizeof(*flows));
	its.ntalks = free_fds / 2 / TALK_FDS < RELAY_MOST ? free_fds / 2 / TALK_FDS : RELAY_MOST;
	its.nflows = free_fds / 4 < RELAY_MOST ? free_fds / 4 : RELAY_MOST;
}

void
relay_inside(int ours, int theirs)
{
	its.ours = ours;
	its.theirs = theirs;
}

void
relay_aim(const struct relay_aim *aim, size_t n)
{
	size_t i;

	if (n != its.naims || memcmp(aim, its.aim, n * sizeof(*aim)) != 0)
		for (i = 0; i < its.used_flows; i++)  /* connections end by themselves; these would go on to where it was */
			if (flows[i].fd >= 0)
				end_flow(&flows[i]);
	its.naims = n < LEN(its.aim) ? n : LEN(its.aim);
	memcpy(its.aim, aim, its.naims * sizeof(*aim));
}

void
relay_begin(struct run *r)
{
	struct epoll_event e = { .events = EPOLLIN };
	size_t i;

	if (!its.nears)
		return;
	make_room();
	for (i = 0; i < its.nears; i++) {
		e.data.u64 = 0;
		e.data.u32 = (uint32_t)i;
		epoll_ctl(its.ears, EPOLL_CTL_ADD, its.ear[i].fd, &e);
	}
	attend(its.ears, false, EPOLLIN, EARS, 0, 0);
	attend(its.tick, false, EPOLLIN, TICK, 0, 0);
	watch(r, its.epoll, POLLIN, on_events);
}

void
relay_end(struct run *r)
{
	size_t i;

	if (its.epoll >= 0)
		unwatch(r, its.epoll, on_events);
	for (i = 0; i < its.used_talks; i++)
		if (talks[i].fd[0] >= 0)
			end_talk(&talks[i], true);
	for (i = 0; i < its.nears; i++)
		close(its.ear[i].fd);
	its.nears = 0;
	if (its.limit.rlim_cur)
		prlimit(0, RLIMIT_NOFILE, &its.limit, NULL);  /* a next life begins as this one did */
}
