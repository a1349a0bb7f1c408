/* SPDX-License-Identifier: 0BSD */
/* The way on from a machine: which links of the host lead packets on, while it needs them */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "nspawn-lite.h"

/* sockios.h of Linux 4.10 */
#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

enum { V4 = 1, V6 = 2 };  /* families, as a set */
enum { WAYS = 32, LEARNERS = 64, AGAIN_MS = 200 };

static struct {
	const struct plan *p;
	/* links of the host: of its default routes, and with ports those that it has addresses on */
	struct way {
		struct shared flags;
		char name[IFNAMSIZ];
		int index;
		unsigned int want, has;  /* families that it is to lead on, and does */
	} way[WAYS];
	size_t nways;
	struct shared all6;            /* where IPv6 can only be led on by all links or none: before Linux 6.17 */
	unsigned int families, up;     /* that the machine has a route of, and the host a default one */
	struct { int link; uint64_t rank; } best[2];  /* where the host's own packets go */
	int events, timer;
	bool link_set, warned, foreign_told;
} its;

/* ---- sysctls ------------------------------------------------------------------------------- */

static int
open_sysctl(void)
{
	return openat(AT_FDCWD, "/proc/sys/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
is_set(int dir, const char *path, char value)
{
	char text[16] = "";

	return read_at(dir, path, text, sizeof(text)) > 0 && *text == value && (text[1] == '\n' || !text[1]);
}

/* "ipv4/conf/eth0/forwarding 0" */
bool
forward_sweep(const char *note, int held)
{
	const char *value = strrchr(note, ' ');
	char *path = value ? xstrndup(note, (size_t)(value - note)) : NULL;
	int dir = open_sysctl();
	bool done = true;

	(void)held;
	/* switched on for all since then, by somebody else */
	if (path && !strstr(path, "/../") && !(after(path, "ipv4/") && is_set(dir, "ipv4/ip_forward", '1')))
		done = dir >= 0 && (is_set(dir, path, value[1]) || put_at(dir, path, value + 1) == 0 || errno == ENOENT);
	drop(dir);
	return done;
}

static bool
put_back(struct shared *s)
{
	char *text = share_peek(s), *line;
	const char *note;
	bool all = text != NULL;

	while ((line = next_line(&text)))
		if ((note = after(line, "FORWARD=")))
			all &= forward_sweep(note, -1);
	return all;
}

static void
leave_flags(struct shared *s)
{
	bool last;

	if (s->fd < 0)
		return;
	last = share_last(s);
	share_leave(s, last && put_back(s));
}

static void
leave_ways(struct run *r)
{
	size_t i;

	(void)r;
	for (i = 0; i < its.nways; i++)
		leave_flags(&its.way[i].flags);
	leave_flags(&its.all6);
}

static void
warn_once(const char *path)
{
	if (!its.warned)
		warn("net/%s cannot be set (%s): packets of the machine are not led on, it reaches only the host", path,
		     strerror(errno));
	its.warned = true;
}

/*
 * What stands at 0 (or, of accept_ra, at 1) is noted, then set to one more, from the last on; the last machine that
 * needs it puts it back, from the first on. *all: everything could be set. false: others hold the note just now
 */
static bool
turn_on(int dir, struct shared *s, const char *name, char **paths, bool wait, bool *all)
{
	size_t i = count(paths);
	char *text, *line, old;

	*all = true;
	if (!share_enter(s, fmt("forward.%s", name), wait)) {
		if (errno == EAGAIN || errno == EACCES)
			return false;
		warn_once(*paths);
		return true;
	}
	text = share_peek(s);
	if (!text) {
		warn_once(*paths);
		share_leave(s, false);
		return *all = false;
	}
	if (s->first && *text) {
		put_back(s);  /* as one that was killed left it */
		text = "";
	}
	/* for all, by somebody else, who has seen to the rest */
	if (strstr(*paths, "/all/") && !is_set(dir, *paths, '0') && !*text)
		i = 0;
	while (i-- > 0) {
		old = strstr(paths[i], "/accept_ra") ? '1' : '0';
		if (!is_set(dir, paths[i], old))
			continue;
		line = fmt("FORWARD=%s %c\n", paths[i], old);
		if (!strstr(text, line))
			text = fmt("%s%s", line, text);
		if (!share_put(s, text) || put_at(dir, paths[i], old == '1' ? "2" : "1") < 0) {
			warn_once(paths[i]);
			*all = false;
		}
	}
	if (!*text && s->first)
		leave_flags(s);
	else
		share_open(s);
	s->first = false;
	return true;
}

/* before Linux 6.17 IPv6 is led on by all links or none */
static bool
has_own6(int dir)
{
	return !sys_denied("force_forwarding") && sys_access(dir, "ipv6/conf/all/force_forwarding", F_OK) == 0;
}

/* who leads packets on learns no routes unless told to: as now it shall be, with links that come, too */
static bool
turn_on_all6(int dir)
{
	DIR *conf = fdopendir(openat(dir, "ipv6/conf", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	char **paths = NULL, *path;
	struct dirent *e;
	bool all = true;

	grow(&paths, xstrdup("ipv6/conf/all/forwarding"));
	while (conf && (e = readdir(conf)) && count(paths) < LEARNERS) {
		path = fmt("ipv6/conf/%s/accept_ra", e->d_name);
		/* ports of a bridge learn nothing themselves */
		if (*e->d_name != '.' && !streq(e->d_name, "all") && !streq(e->d_name, "lo") && is_set(dir, path, '1')
		    && access(fmt("/sys/class/net/%s/master", e->d_name), F_OK) < 0)
			grow(&paths, path);
	}
	if (conf)
		closedir(conf);
	turn_on(dir, &its.all6, "all", paths, true, &all);
	return all;
}

static void
turn_on_ways(bool wait)
{
	struct itimerspec soon = { .it_value = { .tv_nsec = AGAIN_MS * 1000000 } };
	unsigned int missing;
	bool later = false, all;
	int dir = open_sysctl();
	struct way *w;
	char **paths;

	for (w = its.way; w < its.way + its.nways; w++) {
		paths = NULL;
		missing = w->want & its.families & ~w->has;
		if (missing & V4)
			grow(&paths, fmt("ipv4/conf/%s/forwarding", w->name));
		if (missing & V6 && has_own6(dir) && !is_set(dir, "ipv6/conf/all/forwarding", '1'))
			grow(&paths, fmt("ipv6/conf/%s/force_forwarding", w->name));
		if (dir < 0)
			warn_once("ipv4/ip_forward");
		else if (paths && !turn_on(dir, &w->flags, w->name, paths, wait, &all))
			later = true;
		else
			w->has |= missing;
	}
	drop(dir);
	if (later)
		timerfd_settime(its.timer, 0, &soon, NULL);
}

/*
 * A host's end of a link, which goes with all that is set there: the guest shall not tell the host by advertisements or
 * redirects where the world is, nor reach its loopback, nor send in the name of others
 */
static void
shield(int dir, const char *link)
{
	static const struct { char family; const char *name, *value; } flags[] = {
		{ '6', "accept_ra",           "0" },
		{ '6', "accept_redirects",    "0" },
		{ '4', "accept_redirects",    "0" },
		{ '4', "accept_source_route", "0" },
		{ '4', "route_localnet",      "0" },
		{ '4', "rp_filter",           "1" },
	};
	size_t i;

	for (i = 0; i < LEN(flags); i++)
		put_at(dir, fmt("ipv%c/conf/%s/%s", flags[i].family, link, flags[i].name), flags[i].value);
}

static void
lead_on(int dir, const char *link)
{
	char *v4 = fmt("ipv4/conf/%s/forwarding", link);

	if (its.families & V4 && is_set(dir, v4, '0') && put_at(dir, v4, "1") < 0)
		warn_once(v4);
	if (its.families & V6)  /* where there is none all links do it */
		put_at(dir, fmt("ipv6/conf/%s/force_forwarding", link), "1");
}

/* all that are no ports of a bridge */
static void
set_links(const struct run *r, int dir)
{
	const struct link *l;

	for (l = r->link; l < r->link + r->nlinks; l++) {
		if (l->kind != LINK_EXTRA && (l->kind != LINK_VETH || r->bridge))
			continue;
		shield(dir, l->host);
		if (l == r->lent && address_lends(its.p))
			lead_on(dir, l->host);
	}
	its.link_set = dir >= 0;
}

/* ---- links concerned -------------------------------------------------------------------------- */

static void
want(int index, unsigned int families, bool uplink)
{
	struct way *w, *gone = NULL;
	char name[IFNAMSIZ];

	if (index <= 1 || !if_indextoname((unsigned int)index, name))  /* 1 is the loopback */
		return;
	/* those of machines see to themselves */
	if (!uplink && (after(name, "ve-") || after(name, "vb-") || after(name, "vz-")))
		return;
	for (w = its.way; w < its.way + its.nways && !streq(w->name, name); w++)
		if (its.nways == WAYS && !if_nametoindex(w->name))
			gone = w;
	if (w == its.way + WAYS && gone) {
		w = gone;
		share_leave(&w->flags, false);  /* who sweeps removes it */
		*w->name = 0;
	}
	if (w == its.way + WAYS)
		return;
	if (!*w->name) {
		*w = (struct way){ .flags.fd = -1 };
		memcpy(w->name, name, sizeof(name));
		its.nways += w == its.way + its.nways;
	}
	if (w->index != index)
		w->has = 0;  /* a new one of that name */
	w->index = index;
	w->want |= families;
}

/* a route that takes packets anywhere, as IPv4 and IPv6 have it; NULL: it is none */
static const struct rtmsg *
read_route(const struct nlmsghdr *h, const uint8_t **to)
{
	static const uint8_t nowhere[16];
	const struct rtmsg *t = NLMSG_DATA(h);

	if ((h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_DELROUTE) || h->nlmsg_len < NLMSG_LENGTH(sizeof(*t)))
		return NULL;
	if ((t->rtm_family != AF_INET && t->rtm_family != AF_INET6) || t->rtm_flags & RTM_F_CLONED
	    || (t->rtm_type != RTN_UNICAST && t->rtm_type != RTN_LOCAL && t->rtm_type != RTN_ANYCAST))
		return NULL;
	*to = nl_get(nl_find(h, sizeof(*t), RTA_DST), t->rtm_family == AF_INET ? 4 : 16);
	if (!*to && t->rtm_dst_len)
		return NULL;
	if (!*to)
		*to = nowhere;
	return t;
}

/* or as good as one: VPNs like to say it in two halves, and some networks for IPv6 as 2000::/3 */
static bool
is_default(const struct rtmsg *t, const uint8_t *to)
{
	return t->rtm_type == RTN_UNICAST && t->rtm_dst_len <= (t->rtm_family == AF_INET ? 1 : 3) && *to != 0xff;
}

static void
add_uplink(const struct rtmsg *t, int link, uint32_t metric)
{
	unsigned int family = t->rtm_family == AF_INET ? V4 : V6;
	uint64_t rank = t->rtm_dst_len ? 0 : (uint64_t)metric + 1;

	if (link <= 1)
		return;
	its.up |= family;
	want(link, V4 | V6, true);
	if (t->rtm_table != RT_TABLE_MAIN || rank >= its.best[family - V4].rank)
		return;
	its.best[family - V4].rank = rank;
	its.best[family - V4].link = link;
}

static void
got_route(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *several;
	const struct rtnexthop *hop;
	const struct rtmsg *t;
	const uint8_t *to;
	uint32_t metric;
	size_t len;

	(void)arg;
	t = read_route(h, &to);
	if (!t || !is_default(t, to))
		return;
	metric = nl_get_u32(nl_find(h, sizeof(*t), RTA_PRIORITY));
	add_uplink(t, (int)nl_get_u32(nl_find(h, sizeof(*t), RTA_OIF)), metric);
	several = nl_find(h, sizeof(*t), RTA_MULTIPATH);
	for (hop = several ? nl_data(several, &len) : NULL; hop && RTNH_OK(hop, (int)len); hop = RTNH_NEXT(hop)) {
		add_uplink(t, hop->rtnh_ifindex, metric);
		len -= (size_t)RTNH_ALIGN(hop->rtnh_len) < len ? (size_t)RTNH_ALIGN(hop->rtnh_len) : len;
	}
}

/* where the host is reached: its ports are, too */
static void
got_address(void *arg, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *a = NLMSG_DATA(h);

	(void)arg;
	if (its.p->port && h->nlmsg_type == RTM_NEWADDR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*a))
	    && a->ifa_scope == RT_SCOPE_UNIVERSE && (a->ifa_family == AF_INET || a->ifa_family == AF_INET6))
		want((int)a->ifa_index, a->ifa_family == AF_INET ? V4 : V6, false);
}

static int
look(struct run *r)
{
	static const struct rtmsg all;
	struct nl_msg m;

	its.up = 0;
	its.best[0].rank = its.best[1].rank = UINT64_MAX;
	nl_begin(&m, RTM_GETROUTE, NLM_F_DUMP, &all, sizeof(all));
	if (nl_talk(&r->host_net, &m, got_route, NULL) < 0)
		return -1;
	if (!its.p->port)
		return 0;
	nl_begin(&m, RTM_GETADDR, NLM_F_DUMP, &all, sizeof(struct ifaddrmsg));
	return nl_talk(&r->host_net, &m, got_address, NULL);
}

/* what changes from here on is told: before it is read, so that nothing is missed */
static void
follow(const struct plan *p)
{
	static const int groups[] = {
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK, /* with ports: */ RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
	};
	struct nl nl;
	size_t i;

	if (nl_open_route(&nl) < 0)
		return;
	its.events = nl.fd;
	for (i = 0; i < (p->port ? LEN(groups) : 3); i++)
		setsockopt(nl.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i]));
}

/* path MTU discovery fails in so many networks that a guest is better told what its packets meet further on */
static void
find_mtu(struct run *r)
{
	enum { USUAL = 1500, LEAST = 1280 };
	struct nl_link l;
	size_t i;

	for (i = 0; i < LEN(its.best); i++)
		if (its.best[i].rank != UINT64_MAX && nl_find_link(&r->host_net, NULL, its.best[i].link, &l) == 0
		    && l.mtu < (r->lease.mtu ? r->lease.mtu : USUAL))
			r->lease.mtu = l.mtu < LEAST ? LEAST : l.mtu;
}

/* on a bridge of the host only ports concern us, and what is behind it is reached as others reach it */
static bool
concerns(const struct plan *p, const struct run *r)
{
	return address_lends(p) ? r->lent != NULL : p->network_bridge && p->port;
}

void
forward_open(const struct plan *p, struct run *r)
{
	int dir;

	its.p = p;
	its.all6.fd = its.events = its.timer = -1;
	if (p->network_zone) {
		dir = open_sysctl();
		shield(dir, r->bridge);
		drop(dir);
	}
	if (!concerns(p, r))
		return;
	if (address_lends(p))
		its.families = (r->lease.route ? V4 : 0) | (r->lease.route6 ? V6 : 0);
	else
		its.families = V4 | V6;
	follow(p);
	if (look(r) < 0)
		die("read the host's routes: %s", r->host_net.why);
	if (its.families)
		undo(r, leave_ways);
	dir = open_sysctl();
	if (!address_lends(p)) {
		if (!has_own6(dir))
			its.families = V4;
	} else if (its.families) {
		find_mtu(r);
		if (dir >= 0 && its.families & V6 && !has_own6(dir) && !turn_on_all6(dir)) {
			r->lease.route6 = false;
			its.families &= V4;
		}
	}
	turn_on_ways(true);
	if (p->network_zone && address_lends(p))
		lead_on(dir, r->bridge);
	drop(dir);
}

/* the sysctls of a link are those of the network that one is in: for a moment we are back in the host's (4.10) */
void
forward_link(const struct plan *p, struct run *r)
{
	int host, own, dir;

	if (!p->network_veth && !p->network_veth_extra)
		return;
	host = ioctl(r->host_net.fd, SIOCGSKNS);
	if (host < 0)
		return;
	own = openat(r->procfs, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own >= 0 && setns(host, CLONE_NEWNET) == 0) {
		dir = openat(r->procfs, "sys/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0)
			set_links(r, dir);
		drop(dir);
		if (setns(own, CLONE_NEWNET) < 0)
			die("go back into the machine's network:");
	}
	drop(own);
	close(host);
}

/* ---- following the host -------------------------------------------------------------------------- */

/* wake us only for default routes, those that may overlap our network, new addresses, and links concerned */
static void
set_filter(const struct run *r)
{
	enum { NET = 15, FIXED = 19, BIG_ENDIAN_HOST = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ };
	static const struct sock_filter fixed[FIXED] = {
		/* all types are below 256 */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type) + BIG_ENDIAN_HOST),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTM_NEWROUTE, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTM_DELROUTE, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTM_NEWADDR, 0, 14),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct ifaddrmsg, ifa_scope)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RT_SCOPE_UNIVERSE, 11, 10),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_dst_len)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 7, 0, 9),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_family)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 0, 6),
		BPF_STMT(BPF_LD | BPF_IMM, NLMSG_HDRLEN + sizeof(struct rtmsg)),
		BPF_STMT(BPF_LDX | BPF_IMM, RTA_DST),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, sizeof(struct nlattr)),
		[NET] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		/* indexes are in the host's order, and loads are big-endian */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_index)),
	};
	const uint8_t *net = address_of_host(r, AF_INET);
	struct sock_filter code[FIXED + WAYS + 2], *c = code + FIXED;
	struct sock_fprog filter = { .filter = code };
	size_t i;

	memcpy(code, fixed, sizeof(fixed));
	code[NET].k = net ? *net : 0;
	for (i = 0; i < its.nways; i++)
		*c++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)its.way[i].index),
		                                    (uint8_t)(its.nways - i), 0);
	*c++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	*c++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	filter.len = (unsigned short)(c - code);
	/* without it we would only wake more often */
	setsockopt(its.events, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

static void
tell_of_way(unsigned int family, char digit, bool is)
{
	if (is && !(its.up & family))
		warn("the host has lost its way out for IPv%c: no default route is left", digit);
	else if (!is && its.up & family)
		warn("the host has a way out again for IPv%c", digit);
}

/* the machine's network has its addresses for as long as it runs */
static void
tell_of_foreign(const struct run *r, const struct nlmsghdr *h, const struct rtmsg *t, const uint8_t *to)
{
	const uint8_t *net = address_of_host(r, AF_INET);
	int bits = t->rtm_dst_len < r->lease.prefix ? t->rtm_dst_len : r->lease.prefix;
	uint32_t a, b;
	char text[INET_ADDRSTRLEN];

	if (its.foreign_told || !net || t->rtm_family != AF_INET || h->nlmsg_type != RTM_NEWROUTE || bits < 1
	    || (int)nl_get_u32(nl_find(h, sizeof(*t), RTA_OIF)) == (r->bridge ? r->bridge_index : r->lent->index))
		return;
	memcpy(&a, net, sizeof(a));
	memcpy(&b, to, sizeof(b));
	if (ntohl(a ^ b) >> (32 - bits))
		return;
	its.foreign_told = true;
	inet_ntop(AF_INET, to, text, sizeof(text));
	warn("the host has a new route to %s/%d, which has the network of link %s in it: the machine gets another at its "
	     "next start", text, t->rtm_dst_len, r->bridge ? r->bridge : r->lent->host);
}

static void
got_event(struct run *r, int fd, short revents)
{
	enum { AT_MOST = 32 };
	_Alignas(8) char buf[8192];
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;
	unsigned int up = its.up;
	bool again = false, any = false;
	const struct rtmsg *t;
	const uint8_t *to;
	ssize_t n;
	int i;

	(void)revents;
	for (i = 0; i < AT_MOST; i++) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == ENOBUFS)
			again = true;  /* some were lost */
		else if (n < 0)
			break;
		if (n < (ssize_t)sizeof(*h) || h->nlmsg_len < sizeof(*h) || h->nlmsg_len > (size_t)n)
			continue;
		again |= h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK;
		any |= h->nlmsg_type == RTM_NEWADDR;
		got_address(NULL, h);
		t = read_route(h, &to);
		if (t && is_default(t, to))
			again = true;
		else if (t)
			tell_of_foreign(r, h, t, to);
	}
	if (!again && !any)
		return;
	if (again && look(r) < 0) {
		its.up = up;
		return;
	}
	/* on a bridge of the host it is not the machine's */
	if (address_lends(its.p) && r->lease.prefix)
		tell_of_way(V4, '4', up & V4);
	if (address_lends(its.p) && r->lease.prefix6)
		tell_of_way(V6, '6', up & V6);
	turn_on_ways(false);
	set_filter(r);
}

static void
got_time(struct run *r, int fd, short revents)
{
	uint64_t times;

	(void)r;
	(void)revents;
	if (read(fd, &times, sizeof(times)) > 0)
		turn_on_ways(false);
}

void
forward_begin(const struct plan *p, struct run *r)
{
	int dir;

	if (r->nlinks && !its.link_set) {
		dir = open_sysctl();
		set_links(r, dir);
		drop(dir);
	}
	if (!concerns(p, r))
		return;
	if (its.events < 0)
		return;
	set_filter(r);
	watch(r, its.events, POLLIN, got_event);
	its.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (its.timer >= 0)
		watch(r, its.timer, POLLIN, got_time);
}
