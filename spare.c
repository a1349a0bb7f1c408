/* SPDX-License-Identifier: 0BSD */
/*
 * Network namespaces kept ready for the next start: to make one, and a veth on a bridge in it, takes as long as the
 * rest of a start. The supervisor of a machine that lives for a while makes them and holds them by its fds, so that
 * they go with it, however it ends; no guest has ever been in one.
 *
 * Each is told of by a FIFO in the state directory that has all there is to know in its name, and the holder as its
 * reader. Who removes the name has taken it: that can be only one. He holds the FIFO's other end until his machine is
 * in there; when that closes, which his death does as well, the holder lets go, and makes another.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <net/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "nspawn-lite.h"

#define FRESH "new"  /* one that is not ready */

/* the numbers of a name. Bridge: that its link is a port of; 0: it has no link but lo */
enum { USUAL_MTU = 1500 };  /* which theirs have */
enum { BRIDGE, HOST, PID, FD, INO, INDEX, GUEST_INDEX, FIELDS };

static struct held { int fifo, ns; char name[120]; } held[SPARE_NETWORKS < 16 ? SPARE_NETWORKS + 1 : 16];

static bool swept;  /* something: it may have been the last */

static unsigned long long
ino_of(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, *path ? 0 : AT_EMPTY_PATH) < 0 ? 0 : st.st_ino;
}

static bool
parse(const char *name, unsigned long long n[FIELDS])
{
	char *end;
	int i;

	for (i = 0; i < FIELDS; i++, name = end + 1) {
		n[i] = strtoull(name, &end, 10);
		if (end == name || *end != (i < FIELDS - 1 ? '.' : 0))
			return false;
	}
	return n[PID] > 1 && n[PID] <= INT32_MAX && n[FD] <= INT32_MAX && n[INDEX] <= INT32_MAX && n[GUEST_INDEX] <= INT32_MAX;
}

/* the namespace of that name if it is still there, and *fifo; only one can have it */
static int
take(int dir, const char *name, const unsigned long long n[FIELDS], int *fifo)
{
	struct pollfd alive = { .events = 0 };
	int ns;

	*fifo = openat(dir, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (*fifo < 0 && errno == ENXIO)  /* nobody holds it any more */
		swept |= unlinkat(dir, name, 0) == 0;
	if (*fifo < 0 || unlinkat(dir, name, 0) < 0)
		return *fifo = drop(*fifo);
	ns = mntns_open_if(fmt("/proc/%d/fd/%d", (int)n[PID], (int)n[FD]), n[INO]);
	/* the holder lived until now: so it was its own fd that we opened */
	alive.fd = *fifo;
	if (ns >= 0 && poll(&alive, 1, 0) == 0)
		return ns;
	*fifo = drop(*fifo);
	return drop(ns);
}

/*
 * Go through all there are, and close dir: how many fit, or, with r, take one that does: n has its numbers then. What is
 * left of a holder that was killed is swept
 */
static int
look_through(int dir, unsigned long long bridge, unsigned long long host, struct run *r, unsigned long long n[FIELDS])
{
	struct entry { uint64_t ino; int64_t off; uint16_t len; unsigned char type; char name[]; } *e;
	_Alignas(8) char names[4096];
	bool fits, done = false;
	int fit = 0;
	long got, at;

	while (!done && (got = syscall(SYS_getdents64, dir, names, sizeof(names))) > 0)
		for (at = 0; at < got && !done; at += e->len) {
			e = (struct entry *)(void *)(names + at);
			if (!parse(e->name, n))
				continue;
			fits = n[BRIDGE] == bridge && n[HOST] == host;
			if (fits && r)
				done = (r->netns = take(dir, e->name, n, &r->spare)) >= 0;
			else if (kill((pid_t)n[PID], 0) < 0 && errno == ESRCH)
				swept |= unlinkat(dir, e->name, 0) == 0;
			else
				fit += fits;
		}
	close(dir);
	return fit;
}

static const char *
shelf(void)
{
	static char *path;

	return path ? path : (path = fmt("%s/.spare", run_state_dir()));
}

static int
open_shelf(void)
{
	return sys_open_dir(AT_FDCWD, shelf());
}

void
spare_find(const struct plan *p, struct run *r)
{
	unsigned long long n[FIELDS], bridge;
	int dir;

	/* with users of its own they have to own its network */
	if (!SPARE_NETWORKS || !net_private(p) || p->network_namespace_path || r->userns || (dir = open_shelf()) < 0)
		return;
	/* the link gets its name when the payload runs; addresses are given before, and by it */
	bridge = p->network_bridge && !r->lent && !r->link->taken && r->lease.mtu == USUAL_MTU ? (unsigned long long)r->bridge_index : 0;
	look_through(dir, bridge, ino_of(AT_FDCWD, "/proc/self/ns/net"), r, n);
	if (r->netns < 0 || !bridge)
		return;
	r->spare_index = r->link->index = (int)n[INDEX];
	r->link->guest_index = (int)n[GUEST_INDEX];
	r->link->made = true;
}

static int
set_end(struct nl *nl, int index, const char *name, const uint8_t mac[6], int master, unsigned int up)
{
	struct nl_msg m;

	nl_begin_link(&m, RTM_SETLINK, 0, index, up, up);
	nl_str(&m, IFLA_IFNAME, name);
	nl_raw(&m, IFLA_ADDRESS, mac, 6);
	if (master)
		nl_u32(&m, IFLA_MASTER, (uint32_t)master);
	return nl_talk(nl, &m, NULL, NULL);
}

void
spare_enter(const struct plan *p, struct run *r)
{
	struct link *l = r->link;
	struct nl nl;

	(void)p;
	if (!SPARE_NETWORKS || !r->spare_index)
		return;
	if (nl_open_route(&nl) < 0)
		die("open rtnetlink inside:");
	if (set_end(&nl, l->guest_index, l->guest, l->mac, 0, 0) < 0) {
		if (errno != ENODEV)
			die("set link %s inside: %s", l->guest, nl.why);
		/* somebody took it away on the host */
		l->made = false;
		l->index = l->guest_index = 0;
	}
	nl_close(&nl);
}

void
spare_settle(const struct plan *p, struct run *r)
{
	unsigned long long n[FIELDS];
	struct link *l = r->link;
	int dir;

	(void)p;
	if (!SPARE_NETWORKS)
		return;
	if (r->spare < 0 && (dir = open_shelf()) >= 0)
		look_through(dir, 0, 0, NULL, n);
	if (swept)
		rmdir(shelf());
	/* else the builder had to make another */
	if (r->spare_index && l->index == r->spare_index) {
		net_guard_port(r, l);
		if (set_end(&r->host_net, l->index, l->host, l->host_mac, r->bridge_index, IFF_UP) == 0) {
			if (l->full)
				net_name_whole(&r->host_net, l, l->index);
		} else if (errno == ENODEV) {  /* the same, and its memory was not ours */
			l->index = 0;
		} else {
			die("call its link %s: %s", l->host, r->host_net.why);
		}
	}
	r->spare = drop(r->spare);
}

/* ---- making ---------------------------------------------------------------------------- */

/* its own end is down: so it can be renamed on any kernel. It has the highest address: a bridge takes the lowest for its own */
static bool
make_pair(struct nl *nl, int bridge)
{
	static const struct ifinfomsg none;
	uint8_t mac[6] = { 0xfe, 0xff, 0xff };
	struct nl_msg m;

	random_bytes(mac + 3, 3);
	nl_begin_link(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0, 0);
	nl_str(&m, IFLA_IFNAME, "vb+spare%d");  /* the kernel counts; no machine's link has a + */
	nl_raw(&m, IFLA_ADDRESS, mac, sizeof(mac));
	nl_u32(&m, IFLA_MASTER, (uint32_t)bridge);
	nl_nest(&m, IFLA_LINKINFO);
		nl_str(&m, IFLA_INFO_KIND, "veth");
		nl_nest(&m, IFLA_INFO_DATA);
			nl_nest(&m, VETH_INFO_PEER);
				nl_bare(&m, &none, sizeof(none));
				nl_str(&m, IFLA_IFNAME, "host0");
				nl_u32(&m, IFLA_NET_NS_PID, (uint32_t)getpid());
			nl_end(&m);
		nl_end(&m);
	nl_end(&m);
	return nl_talk(nl, &m, NULL, NULL) == 0;
}

/* we are in it meanwhile. -1: it cannot be done; no harm is done */
static int
make_namespace(struct run *r, unsigned long long n[FIELDS])
{
	int own = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC), ns;
	struct nl inside = { .fd = -1 };
	struct nl_link l = { .index = 0 };
	bool ok;

	if (own < 0 || unshare(CLONE_NEWNET) < 0)
		return drop(own);
	ns = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ok = ns >= 0 && nl_open_route(&inside) == 0 && nl_raise(&inside, 1) == 0
	     && (!n[BRIDGE] || (make_pair(&r->host_net, (int)n[BRIDGE]) && nl_find_link(&inside, "host0", 0, &l) == 0 && l.parent > 0));
	nl_close(&inside);
	if (setns(own, CLONE_NEWNET) < 0)
		die("leave a spare network:");
	close(own);
	if (!ok)
		return drop(ns);
	n[PID] = (unsigned long long)getpid();
	n[FD] = (unsigned long long)ns;
	n[INO] = ino_of(ns, "");
	n[INDEX] = (unsigned long long)l.parent;
	n[GUEST_INDEX] = (unsigned long long)l.index;
	return ns;
}

static void got_taken(struct run *r, int fd, short revents);

static bool
make(struct run *r, int dir, struct held *h, unsigned long long n[FIELDS])
{
	h->ns = make_namespace(r, n);
	if (h->ns < 0)
		return false;
	snprintf(h->name, sizeof(h->name), "%llu.%llu.%llu.%llu.%llu.%llu.%llu", n[0], n[1], n[2], n[3], n[4], n[5], n[6]);
	unlinkat(dir, FRESH, 0);
	h->fifo = -1;
	if (mkfifoat(dir, FRESH, 0600) < 0 || (h->fifo = openat(dir, FRESH, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)) < 0
	    || renameat(dir, FRESH, dir, h->name) < 0) {
		drop(h->fifo);
		h->ns = drop(h->ns);
		return false;
	}
	watch(r, h->fifo, 0, got_taken);
	return true;
}

static unsigned long long kind[FIELDS];  /* of those that we make */

/* one supervisor at a time, or there would be too many; who is at it is done in a moment, unless he was stopped */
static bool
have_turn(int dir)
{
	enum { TRIES = 20, EACH_MS = 5 };
	int i;

	for (i = 0; i < TRIES && flock(dir, LOCK_EX | LOCK_NB) < 0; i++)
		poll(NULL, 0, EACH_MS);
	return i < TRIES;
}

static void
fill(struct run *r)
{
	enum { OTHERS = 8 };  /* places to be left for what else is to be watched */
	unsigned long long n[FIELDS];
	int dir = open_shelf(), there;
	size_t i;

	if (dir < 0 && mkdirat(AT_FDCWD, shelf(), 0700) == 0)
		dir = open_shelf();
	if (dir < 0)
		return;
	if (have_turn(dir)) {
		there = look_through(open_shelf(), kind[BRIDGE], kind[HOST], NULL, n);
		for (i = 0; i < LEN(held) && there < SPARE_NETWORKS; i++) {
			if (held[i].ns >= 0)
				continue;
			if (r->nwatch + OTHERS >= LEN(r->watch))
				break;
			memcpy(n, kind, sizeof(n));
			if (!make(r, dir, &held[i], n))
				break;
			there++;
		}
	}
	close(dir);
}

static void
got_taken(struct run *r, int fd, short revents)
{
	int dir = open_shelf(), again;
	struct held *h;

	(void)revents;
	for (h = held; h < held + LEN(held) && (h->ns < 0 || h->fifo != fd); h++)
		;
	if (h == held + LEN(held)) {
		drop(dir);
		return;
	}
	again = dir < 0 ? -1 : openat(dir, h->name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	drop(dir);
	unwatch(r, fd, got_taken);
	close(fd);
	if (again >= 0) {  /* one who came too late for another's looked at it */
		h->fifo = again;
		watch(r, again, 0, got_taken);
		return;
	}
	h->ns = drop(h->ns);
	fill(r);
}

static void
withdraw(struct run *r)
{
	int dir = open_shelf();
	size_t i;

	(void)r;
	for (i = 0; dir >= 0 && i < LEN(held); i++)
		if (held[i].ns >= 0)
			unlinkat(dir, held[i].name, 0);
	drop(dir);
	rmdir(shelf());
}

void
spare_offer(const struct plan *p, struct run *r)
{
	size_t i;

	if (!SPARE_NETWORKS || !net_private(p) || p->network_namespace_path || r->userns)
		return;
	kind[BRIDGE] = p->network_bridge ? (unsigned long long)r->bridge_index : 0;
	kind[HOST] = ino_of(AT_FDCWD, "/proc/self/ns/net");
	for (i = 0; i < LEN(held); i++)
		held[i].ns = -1;
	undo(r, withdraw);
	fill(r);
}
