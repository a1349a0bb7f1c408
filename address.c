/* SPDX-License-Identifier: 0BSD */
/* Addresses: chosen, claimed, given; and the way on from there */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "nspawn-lite.h"
#include CONFIG

/* sockios.h of Linux 4.10 */
#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

enum { V4, V6 };                        /* places in what there is one of for each family */
enum { ULA_SUBNETS = 65536, WAYS = 8, HOST_METRIC = 1024 };
#define ULA_NUMBERS ((off_t)1 << 40)    /* in the file of subnets; below are those of IPv4, by 16 addresses */

struct net {
	int family, bits;  /* bits 0: there is none */
	uint8_t at[16];
};

/* what was asked for */
struct words {
	bool said, automatic, none;
	struct net own[8];
	size_t nown;
	bool gateway_none;
	struct net gateway[2];
};

/* a link of the host's default routes, with what we turned on there */
struct way {
	struct shared flags;
	char name[IFNAMSIZ];
	int index;
	bool v6;
};

struct given {
	struct words words;
	struct net host[2];            /* of the host's end */
	struct way way[WAYS];
	size_t nways;
	struct shared all6;            /* where IPv6 can only be led on by all links or none: before Linux 6.17 */
	bool link_set, warned;
	bool lost[2], foreign_told;    /* no default route any more; what overlaps was told */
	int events;
};

/* routes of the host: those that overlap what we choose from, and where the default ones lead */
struct routes {
	struct net *of;
	size_t nof;
	struct { struct net net; int link; } *route;
	size_t n, room;
	int up[2][WAYS];
	size_t nup[2];
};

/* ---- words ------------------------------------------------------------------------------ */

static int
place_of(const struct net *n)
{
	return n->family == AF_INET ? V4 : V6;
}

static int
all_bits(const struct net *n)
{
	return n->family == AF_INET ? 32 : 128;
}

static const char *
text_of(const struct net *n)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(n->family, n->at, text, sizeof(text));
	return fmt("%s", text);
}

int
address_parse(const char *word, size_t len, uint8_t at[16])
{
	char text[INET6_ADDRSTRLEN + 1];

	memset(at, 0, 16);
	if (len == 0 || len >= sizeof(text))
		return 0;
	memcpy(text, word, len);
	text[len] = 0;
	return inet_pton(AF_INET, text, at) == 1 ? AF_INET : inet_pton(AF_INET6, text, at) == 1 ? AF_INET6 : 0;
}

/* the bits behind the prefix: all 0, all 1, or of both kinds */
static bool
rest_is(const struct net *n, bool one)
{
	int i;

	for (i = n->bits; i < all_bits(n); i++)
		if ((n->at[i / 8] >> (7 - i % 8) & 1) != one)
			return false;
	return true;
}

static bool
within(const struct net *n, const uint8_t *at)
{
	int i = n->bits / 8, rest = n->bits % 8;

	return memcmp(n->at, at, (size_t)i) == 0 && (!rest || (n->at[i] ^ at[i]) >> (8 - rest) == 0);
}

static bool
overlap(const struct net *a, const struct net *b)
{
	return a->family == b->family && (a->bits <= b->bits ? within(a, b->at) : within(b, a->at));
}

/* why nobody can have it, or NULL */
static const char *
useless(const struct net *n)
{
	static const uint8_t none[16], loopback[16] = { [15] = 1 }, mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (n->family == AF_INET)
		return n->at[0] == 0 ? "0.0.0.0/8 stands for no machine" : n->at[0] == 127 ? "that is loopback"
		     : n->at[0] >= 240 ? "that is reserved or broadcast" : n->at[0] >= 224 ? "that is multicast" : NULL;
	return memcmp(n->at, none, 16) == 0 ? ":: stands for no machine" : memcmp(n->at, loopback, 16) == 0 ? "that is loopback"
	     : n->at[0] == 0xff ? "that is multicast" : memcmp(n->at, mapped, 12) == 0 ? "that is IPv4: say it as such" : NULL;
}

static bool
link_local(const struct net *n)
{
	return n->family == AF_INET6 && n->at[0] == 0xfe && (n->at[1] & 0xc0) == 0x80;
}

/* the host gives addresses of its own there; else they are the affair of a network that it only leads to */
static bool
lends(const struct plan *p)
{
	return p->network_zone || (p->network_veth && !p->network_bridge);
}

static void
take_address(const struct plan *p, const char *word, struct words *w)
{
	struct net *n = &w->own[w->nown];
	size_t len = strcspn(word, "/");
	const char *why;
	long long bits;

	if (w->nown == LEN(w->own))
		die("--network-address=%s: more than %d of them", word, (int)LEN(w->own));
	n->family = address_parse(word, len, n->at);
	if (!n->family)
		die("--network-address=%s: not an address: ADDR/N, as in 192.0.2.5/24 or 2001:db8::5/64, auto or none", word);
	why = useless(n);
	if (why || link_local(n))
		die("--network-address=%s: %s", word, why ? why : "link-local addresses come by themselves");
	if (word[len] && !parse_number(word + len + 1, 1, all_bits(n), &bits))
		die("--network-address=%s: behind the / is no number from 1 to %d", word, all_bits(n));
	if (!word[len] && !lends(p))
		die("--network-address=%s: how long is the prefix of its network? say %s/N", word, word);
	n->bits = word[len] ? (int)bits : 0;
	if (n->bits && lends(p) && n->bits > all_bits(n) - 2)
		die("--network-address=%s: no room for the host's end: a prefix of at most %d", word, all_bits(n) - 2);
	if (n->bits && n->bits < all_bits(n) - 1 && rest_is(n, false))
		die("--network-address=%s: that is the network itself, not an address in it", word);
	if (n->bits && n->family == AF_INET && n->bits < 31 && rest_is(n, true))
		die("--network-address=%s: that is the broadcast address of its network", word);
	w->nown++;
}

static const struct net *
own_of(const struct words *w, int place)
{
	size_t i;

	for (i = 0; i < w->nown; i++)
		if (place_of(&w->own[i]) == place)
			return &w->own[i];
	return NULL;
}

static void
take_gateway(const struct plan *p, const char *word, struct words *w)
{
	struct net n = { .bits = 0 };
	const char *why;
	bool there = false, all = true;
	size_t i;

	n.family = address_parse(word, strlen(word), n.at);
	if (!n.family)
		die("--network-gateway=%s: not an address, nor none", word);
	why = useless(&n);
	if (why)
		die("--network-gateway=%s: %s", word, why);
	if (w->gateway[place_of(&n)].family)
		die("--network-gateway=%s: a second one for IPv%d", word, n.family == AF_INET ? 4 : 6);
	for (i = 0; i < w->nown; i++) {
		if (w->own[i].family != n.family)
			continue;
		if (memcmp(w->own[i].at, n.at, sizeof(n.at)) == 0)
			die("--network-gateway=%s: that is the machine's own address", word);
		all &= w->own[i].bits > 0;
		there |= link_local(&n) || (w->own[i].bits && within(&w->own[i], n.at));
	}
	/* what we choose is not known yet */
	if (w->none || (!own_of(w, place_of(&n)) && !w->automatic))
		die("--network-gateway=%s: the machine has no IPv%d address to reach it from: say --network-address=", word,
		    n.family == AF_INET ? 4 : 6);
	if (!there && all && own_of(w, place_of(&n)))
		die("--network-gateway=%s: not in the network of its address", word);
	if (!own_of(w, place_of(&n)) && !p->network_zone)
		die("--network-gateway=%s: only the host is on that link, so say --network-address=, too", word);
	w->gateway[place_of(&n)] = n;
}

static void
parse_words(const struct plan *p, struct words *w)
{
	static const struct words nothing;
	char **word;

	*w = nothing;
	for (word = p->network_address; word && *word; word++) {
		w->said = true;
		if (streq(*word, "none"))
			w->none = true;
		else if (streq(*word, "auto"))
			w->automatic = true;
		else
			take_address(p, *word, w);
	}
	if (w->none && (w->automatic || w->nown))
		die("--network-address=none: and others besides: say one or the other");
	if (w->automatic && !lends(p))
		die("--network-address=auto: only with --network-veth or --network-zone; elsewhere the network's own DHCP server "
		    "gives addresses");
	w->automatic |= !w->said && lends(p);
	for (word = p->network_gateway; word && *word; word++)
		if (streq(*word, "none"))
			w->gateway_none = true;
		else
			take_gateway(p, *word, w);
	if (w->gateway_none && (w->gateway[V4].family || w->gateway[V6].family))
		die("--network-gateway=none: and one besides: say one or the other");
}

void
address_check(const struct plan *p)
{
	const char *first = p->network_address ? *p->network_address : p->network_gateway ? *p->network_gateway : NULL;
	struct net n = { .bits = 0 };
	struct words w;
	char **word;
	int named[2] = { 0, 0 };

	parse_words(p, &w);
	if (first && !streq(first, "none") && !p->network_veth && !p->network_bridge && !p->network_zone && !p->network_macvlan
	    && !p->network_ipvlan && !p->network_interface && !p->network_veth_extra)
		die("--network-%s=%s: the machine has no link to have it on: add --network-veth or another",
		    p->network_address ? "address" : "gateway", first);
	for (word = p->network_dns; word && *word; word++) {
		if (streq(*word, "none")) {
			if (p->network_dns[1])
				die("--network-dns=none: and others besides: say one or the other");
			break;
		}
		n.family = address_parse(*word, strlen(*word), n.at);
		if (!n.family)
			die("--network-dns=%s: not an address, nor none", *word);
		if (useless(&n))
			die("--network-dns=%s: %s", *word, useless(&n));
		if (++named[place_of(&n)] > 3)
			die("--network-dns=%s: a resolver asks at most 3 servers", *word);
	}
	if (p->network_dns && !net_private(p))
		die("--network-dns=%s: the machine shares the host's network, and asks whom the host asks: add --network-veth or "
		    "another", *p->network_dns);
}

/* ---- the host's routes ---------------------------------------------------------------------- */

static void
add_up(struct routes *r, int place, int link)
{
	size_t i;

	for (i = 0; i < r->nup[place]; i++)
		if (r->up[place][i] == link)
			return;
	if (link > 1 && i < WAYS)  /* 1 is the loopback */
		r->up[place][r->nup[place]++] = link;
}

/* where it leads to and over what; false: it is none that takes packets anywhere. *link is 0 with several */
static bool
read_route(const struct nlmsghdr *h, struct net *to, int *link)
{
	const struct rtmsg *t = NLMSG_DATA(h);
	const void *at;

	if ((h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_DELROUTE) || h->nlmsg_len < NLMSG_LENGTH(sizeof(*t)))
		return false;
	if ((t->rtm_family != AF_INET && t->rtm_family != AF_INET6) || t->rtm_flags & RTM_F_CLONED
	    || (t->rtm_type != RTN_UNICAST && t->rtm_type != RTN_LOCAL && t->rtm_type != RTN_ANYCAST))
		return false;
	memset(to, 0, sizeof(*to));
	to->family = t->rtm_family;
	to->bits = t->rtm_dst_len;
	at = nl_get(nl_find(h, sizeof(*t), RTA_DST), to->family == AF_INET ? 4 : 16);
	if (at)
		memcpy(to->at, at, to->family == AF_INET ? 4 : 16);
	if (to->bits > all_bits(to) || (to->bits && !at))
		return false;
	*link = (int)nl_get_u32(nl_find(h, sizeof(*t), RTA_OIF));
	return true;
}

/* or as good as one: VPNs like to say it in two halves, and some networks for IPv6 as 2000::/3 */
static bool
is_default(const struct net *to)
{
	return to->bits <= (to->family == AF_INET ? 1 : 3) && to->at[0] != 0xff;
}

static void
got_route(void *arg, const struct nlmsghdr *h)
{
	const struct rtmsg *t = NLMSG_DATA(h);
	const struct nlattr *several;
	const struct rtnexthop *hop;
	struct routes *r = arg;
	struct net to;
	size_t i, len;
	int link;

	if (!read_route(h, &to, &link))
		return;
	if (is_default(&to)) {
		if (t->rtm_type != RTN_UNICAST)
			return;
		add_up(r, place_of(&to), link);
		several = nl_find(h, sizeof(*t), RTA_MULTIPATH);
		for (hop = several ? nl_data(several, &len) : NULL; hop && RTNH_OK(hop, (int)len); hop = RTNH_NEXT(hop)) {
			add_up(r, place_of(&to), hop->rtnh_ifindex);
			len -= (size_t)RTNH_ALIGN(hop->rtnh_len) < len ? (size_t)RTNH_ALIGN(hop->rtnh_len) : len;
		}
		return;
	}
	for (i = 0; i < r->nof && !overlap(&r->of[i], &to); i++)
		;
	if (i == r->nof)
		return;
	if (r->n == r->room) {
		r->room = r->room ? r->room * 2 : 64;
		r->route = realloc(r->route, r->room * sizeof(*r->route));
		if (!r->route)
			die("out of memory");
	}
	r->route[r->n].net = to;
	r->route[r->n++].link = link;
}

/* what changes from here on is told: before they are read, so that nothing is missed */
static void
follow_routes(struct given *g)
{
	static const int groups[] = { RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_LINK };
	struct nl nl;
	size_t i;

	if (nl_open_route(&nl) < 0)
		return;
	g->events = nl.fd;
	for (i = 0; i < LEN(groups); i++)
		setsockopt(nl.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i]));
}

static int
read_routes(struct nl *nl, struct routes *r)
{
	static const struct rtmsg all = { .rtm_family = AF_UNSPEC };
	struct nl_msg m;

	nl_begin(&m, RTM_GETROUTE, NLM_F_DUMP, &all, sizeof(all));
	return nl_talk(nl, &m, got_route, r);
}

/* a route that has some of it, over another link than ours; wide: one that covers so much as that does not count */
static const struct net *
in_the_way(const struct routes *r, const struct net *n, int ours, int wide)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (overlap(&r->route[i].net, n) && r->route[i].net.bits > wide && (!ours || r->route[i].link != ours))
			return &r->route[i].net;
	return NULL;
}

/* ---- choosing --------------------------------------------------------------------------------- */

static uint32_t
number_of(const struct net *n)
{
	return (uint32_t)n->at[0] << 24 | (uint32_t)n->at[1] << 16 | (uint32_t)n->at[2] << 8 | n->at[3];
}

static void
set_number(struct net *n, uint32_t number)
{
	int i;

	for (i = 0; i < 4; i++)
		n->at[i] = (uint8_t)(number >> (24 - 8 * i));
}

/* the network that it is in */
static struct net
network_of(const struct net *n)
{
	struct net whole = *n;
	int i;

	for (i = n->bits; i < 128; i++)
		whole.at[i / 8] &= (uint8_t)~(0x80 >> i % 8);
	return whole;
}

static uint64_t
hash(const char *what, const char *name)
{
	static const uint8_t key[16] = {
		0x6b, 0x41, 0x9c, 0x02, 0xd7, 0x5e, 0x48, 0x13, 0x8a, 0xf0, 0x3d, 0x77, 0x25, 0xb9, 0xce, 0x64,
	};
	const char *text = fmt("%s %s", what, name);

	return siphash24(text, strlen(text), key);
}

/* for us alone, or, of a zone, for all that are in it: the first of them sees that nobody else has it */
static bool
claim(struct run *r, const struct net *n, bool alone)
{
	off_t number = (off_t)(number_of(n) >> 4), span = n->bits < 28 ? (off_t)1 << (28 - n->bits) : 1;

	if (n->family == AF_INET6) {
		number = ULA_NUMBERS + (n->at[6] << 8 | n->at[7]);
		span = 1;
	}
	return alone ? share_claim(&r->subnets, number, span) : share_claim_together(&r->subnets, number, span);
}

static bool
take_net(const char *word, struct net *n)
{
	size_t len = strcspn(word, "/");
	long long bits = 0;

	n->family = address_parse(word, len, n->at);
	if (!n->family || !word[len] || !parse_number(word + len + 1, 1, all_bits(n), &bits))
		return false;
	n->bits = (int)bits;
	return true;
}

static void
pick4(struct run *r, const struct routes *routes, int ours, const char *who, int bits, struct net *n)
{
	static const char *const pools[] = { ADDRESS_POOLS };
	struct net pool;
	uint32_t size, i, base;
	uint64_t start = hash(r->zone.fd >= 0 ? "zone" : "machine", who);
	size_t k, last;

	/* at last those, too, that a route covers: ours is longer, and goes before it */
	for (last = 0; last < 2; last++)
		for (k = 0; k < LEN(pools); k++) {
			if (!take_net(pools[k], &pool) || pool.bits > bits)
				die("ADDRESS_POOLS of config.h: %s: not a network of at least /%d", pools[k], bits);
			base = number_of(&pool);
			size = (uint32_t)1 << (bits - pool.bits);
			*n = (struct net){ .family = AF_INET, .bits = bits };
			for (i = 0; i < size; i++) {
				set_number(n, base + (((uint32_t)(start % size) + i) % size << (32 - bits)));
				if (!in_the_way(routes, n, ours, last ? pool.bits : 1) && claim(r, n, true)) {
					if (last)
						warn("every pool of addresses is covered by a route of the host: %s/%d is taken all the same, "
						     "and what that route has there cannot be reached", text_of(n), bits);
					return;
				}
			}
		}
	die("no network of addresses is free: the host has routes into all of ADDRESS_POOLS of config.h; say one by "
	    "--network-address=ADDR/N");
}

/* RFC 4193: a prefix of the host's own, which is the same for good, and in it a network for each zone and each -n */
static void
ula(struct net *n)
{
	static const uint8_t key[16] = {
		0x1d, 0x88, 0x5f, 0xb4, 0x70, 0x2a, 0x4e, 0x9b, 0xb6, 0x03, 0xe8, 0x51, 0xca, 0x96, 0x3f, 0x20,
	};
	uint8_t id[16] = { 0 };
	uint64_t h;
	int i;

	net_host_id(id);
	h = siphash24(id, sizeof(id), key);
	*n = (struct net){ .family = AF_INET6, .bits = 48, .at = { 0xfd } };
	for (i = 0; i < 5; i++)
		n->at[1 + i] = (uint8_t)(h >> (8 * i));
}

static void
pick6(struct run *r, const struct routes *routes, int ours, const char *who, struct net *n)
{
	uint32_t start = (uint32_t)hash(r->zone.fd >= 0 ? "zone" : "machine", who), i;

	ula(n);
	n->bits = 64;
	for (i = 0; i < ULA_SUBNETS; i++) {
		n->at[6] = (uint8_t)((start + i) >> 8);
		n->at[7] = (uint8_t)(start + i);
		if (!in_the_way(routes, n, ours, 48) && claim(r, n, true))
			return;
	}
	n->bits = 0;
}

static bool
has_ipv6(void)
{
	char off[8] = "";

	if (access("/proc/sys/net/ipv6", F_OK) < 0) {
		say("the kernel has no IPv6: addresses are of IPv4 only");
		return false;
	}
	read_at(AT_FDCWD, "/proc/sys/net/ipv6/conf/default/disable_ipv6", off, sizeof(off));
	if (*off == '1')
		say("IPv6 is switched off (net.ipv6.conf.default.disable_ipv6): addresses are of IPv4 only");
	return *off != '1';
}

/* that of a zone which is there already, as its first machine wrote it */
static void
read_zone(struct run *r, struct net subnet[2])
{
	char *text = share_text(&r->zone), *line;
	const char *word;

	while ((line = next_line(&text)))
		if (((word = after(line, "SUBNET=")) && !take_net(word, &subnet[V4]))
		    || ((word = after(line, "SUBNET6=")) && !take_net(word, &subnet[V6])))
			die("%s: is damaged: %s", r->zone.path, line);
}

/* a network that was said must lie in none that the host knows */
static void
take_said(struct run *r, const struct routes *routes, int ours, const struct net *own, int bits, struct net *n)
{
	struct net whole = *own;
	const struct net *other;

	if (!whole.bits)
		whole.bits = bits;
	*n = network_of(&whole);
	other = in_the_way(routes, n, ours, 1);
	if (other)
		die("--network-address=%s/%d: overlaps with the host's route to %s/%d: take another, or a link into that network, "
		    "as by --network-bridge", text_of(own), n->bits, text_of(other), other->bits);
	if (n->family == AF_INET && !claim(r, n, true))
		die("--network-address=%s/%d: another machine has addresses there", text_of(own), n->bits);
}

static void
choose_subnets(const struct plan *p, struct run *r, const struct routes *routes, struct net subnet[2])
{
	const struct words *w = &r->given->words;
	const char *who = p->network_zone ? p->network_zone : r->name;
	struct nl_link bridge;
	int ours = 0;

	/* left by a machine that was killed, or by the administrator: what leads there is no other network */
	if (p->network_zone && nl_find_link(&r->host_net, r->bridge, 0, &bridge) == 0)
		ours = bridge.index;
	if (own_of(w, V4))
		take_said(r, routes, ours, own_of(w, V4), p->network_zone ? ZONE_PREFIX : VETH_PREFIX, &subnet[V4]);
	else if (w->automatic || p->network_zone)
		pick4(r, routes, ours, who, p->network_zone ? ZONE_PREFIX : VETH_PREFIX, &subnet[V4]);
	if (!has_ipv6())
		return;
	if (own_of(w, V6))
		take_said(r, routes, ours, own_of(w, V6), 64, &subnet[V6]);
	else if (w->automatic || p->network_zone)
		pick6(r, routes, ours, who, &subnet[V6]);
}

/* the networks of the zone: chosen by who finds none, and then for all until the last one leaves */
static void
choose_zone(const struct plan *p, struct run *r, const struct routes *routes, struct net subnet[2])
{
	const struct words *w = &r->given->words;
	const struct net *own;
	char *text;
	int i;

	share_close(&r->zone);
	read_zone(r, subnet);
	if (!subnet[V4].bits) {
		choose_subnets(p, r, routes, subnet);
		text = fmt("%sSUBNET=%s/%d\n", share_text(&r->zone), text_of(&subnet[V4]), subnet[V4].bits);
		if (subnet[V6].bits)
			text = fmt("%sSUBNET6=%s/%d\n", text, text_of(&subnet[V6]), subnet[V6].bits);
		share_write(&r->zone, text);
	}
	for (i = V4; i <= V6; i++) {
		own = own_of(w, i);
		if (own && subnet[i].bits && (!within(&subnet[i], own->at) || (own->bits && own->bits != subnet[i].bits)))
			die("--network-address=%s: zone %s has %s/%d: take one of those", text_of(own), p->network_zone, text_of(&subnet[i]),
			    subnet[i].bits);
		if (subnet[i].bits && (i == V4 || (subnet[i].at[0] & 0xfe) == 0xfc))
			claim(r, &subnet[i], false);
	}
	share_open(&r->zone);
}

/* of a machine in a zone: where its name's hash says, or the next that is free. The host has the first one */
static void
choose_in_zone(const struct plan *p, struct run *r, const struct net *subnet, struct net *own)
{
	uint32_t size = ((uint32_t)1 << (32 - subnet->bits)) - 3, start = (uint32_t)(hash("address", r->name) % size), i;

	*own = *subnet;
	for (i = 0; i < size; i++) {
		set_number(own, number_of(subnet) + 2 + (start + i) % size);
		if (share_claim(&r->zone, 2 + (start + i) % size, 1))
			return;
	}
	die("zone %s is full: %s/%d has no address left (ZONE_PREFIX of config.h)", p->network_zone, text_of(subnet), subnet->bits);
}

static void
eui64(const uint8_t mac[6], uint8_t *out)
{
	const uint8_t middle[2] = { 0xff, 0xfe };

	memcpy(out, mac, 3);
	memcpy(out + 3, middle, 2);
	memcpy(out + 5, mac + 3, 3);
	out[0] ^= 2;
}

static void
choose_own(const struct plan *p, struct run *r, struct net subnet[2])
{
	struct given *g = r->given;
	const struct net *said;
	struct net own;
	int i;

	for (i = V4; i <= V6; i++) {
		said = own_of(&g->words, i);
		if (!subnet[i].bits || (!said && !g->words.automatic))
			continue;
		g->host[i] = subnet[i];
		g->host[i].at[i == V4 ? 3 : 15] |= 1;
		/* on a link with only the two of us on it, the gateway is the host */
		if (said && !p->network_zone && g->words.gateway[i].family && !link_local(&g->words.gateway[i]))
			memcpy(g->host[i].at, g->words.gateway[i].at, sizeof(own.at));
		own = subnet[i];
		if (said)
			memcpy(own.at, said->at, sizeof(own.at));
		else if (i == V6)
			eui64(r->lent->mac, own.at + 8);
		else if (p->network_zone)
			choose_in_zone(p, r, &subnet[i], &own);
		else
			own.at[3] |= 2;
		if (memcmp(own.at, g->host[i].at, sizeof(own.at)) == 0)
			die("--network-address=%s: that is the host's end of the link", text_of(&own));
		if (rest_is(&own, false) || (i == V4 && rest_is(&own, true)))
			die("--network-address=%s: in a network with /%d that is no machine's address", text_of(&own), own.bits);
		if (said && p->network_zone && i == V4 && !share_claim(&r->zone, (off_t)(number_of(&own) - number_of(&subnet[i])), 1))
			die("--network-address=%s: another machine of zone %s has it", text_of(&own), p->network_zone);
		if (g->words.gateway[i].family && p->network_zone && !link_local(&g->words.gateway[i])
		    && !within(&subnet[i], g->words.gateway[i].at))
			die("--network-gateway=%s: not in the network of zone %s, which is %s/%d", text_of(&g->words.gateway[i]),
			    p->network_zone, text_of(&subnet[i]), subnet[i].bits);
		memcpy(i == V4 ? r->lease.address : r->lease.address6, own.at, i == V4 ? 4 : 16);
		*(i == V4 ? &r->lease.prefix : &r->lease.prefix6) = own.bits;
	}
}

static struct link *
first_link(struct run *r)
{
	static const int order[] = { LINK_VETH, LINK_MACVLAN, LINK_IPVLAN, LINK_MOVED, LINK_EXTRA };
	size_t i, k;

	for (k = 0; k < LEN(order); k++)
		for (i = 0; i < r->nlinks; i++)
			if ((int)r->link[i].kind == order[k])
				return &r->link[i];
	return NULL;
}

static void
leave_subnets(struct run *r)
{
	share_leave(&r->subnets, share_last(&r->subnets));
}

/* what it leads to may be told by the gateway's words, or is the host, which has fe80::1 on all links that it lends on */
static void
choose_routers(const struct plan *p, struct run *r)
{
	static const uint8_t host_end[16] = { 0xfe, 0x80, [15] = 1 };
	struct given *g = r->given;
	struct net *gateway = g->words.gateway;

	if (gateway[V4].family)
		memcpy(r->lease.router, gateway[V4].at, 4);
	else if (lends(p) && !g->words.gateway_none)
		memcpy(r->lease.router, g->host[V4].at, 4);
	if (gateway[V6].family)
		memcpy(r->lease.router6, gateway[V6].at, 16);
	else if (lends(p))
		memcpy(r->lease.router6, host_end, 16);
	r->lease.route = r->lease.prefix && (gateway[V4].family || (lends(p) && !g->words.gateway_none));
	r->lease.route6 = r->lease.prefix6 && (gateway[V6].family || (lends(p) && !g->words.gateway_none));
}

static void
add_way(struct given *g, int index, bool v6)
{
	size_t i;

	for (i = 0; i < g->nways && g->way[i].index != index; i++)
		;
	if (i == WAYS)
		return;
	if (i == g->nways) {
		g->way[i].flags.fd = -1;
		g->way[i].index = index;
		g->nways++;
	}
	g->way[i].v6 |= v6;
}

static void
note_ways(struct given *g, const struct routes *routes)
{
	size_t i;
	int k;

	for (k = V4; k <= V6; k++)
		for (i = 0; i < routes->nup[k]; i++)
			add_way(g, routes->up[k][i], k == V6);
}

void
address_choose(const struct plan *p, struct run *r)
{
	static const char *const pools[] = { ADDRESS_POOLS };
	struct net of[LEN(pools) + 3], subnet[2] = { { .bits = 0 }, { .bits = 0 } };
	struct routes routes = { .of = of };
	struct given *g = r->given = xalloc(sizeof(*g));
	const struct net *own;
	size_t i;

	g->events = g->all6.fd = -1;
	parse_words(p, &g->words);
	r->lent = g->words.automatic || g->words.nown ? first_link(r) : NULL;
	if (!r->lent)
		return;
	memcpy(r->lease.mac, r->lent->mac, sizeof(r->lease.mac));
	memcpy(r->lease.host_mac, r->lent->host_mac, sizeof(r->lease.host_mac));
	r->lease.seconds = LEASE_SECONDS;
	r->lease.hostname = r->hostname;
	grow(&r->notes, fmt("HOSTS=%s", r->name));
	if (!lends(p)) {
		for (i = V4; i <= V6; i++)
			if ((own = own_of(&g->words, (int)i))) {
				memcpy(i == V4 ? r->lease.address : r->lease.address6, own->at, i == V4 ? 4 : 16);
				*(i == V4 ? &r->lease.prefix : &r->lease.prefix6) = own->bits;
			}
		choose_routers(p, r);
		return;
	}
	for (i = 0; i < LEN(pools); i++)
		if (take_net(pools[i], &of[routes.nof]))
			routes.nof++;
	ula(&of[routes.nof++]);
	for (i = V4; i <= V6; i++)
		if ((own = own_of(&g->words, (int)i))) {
			of[routes.nof] = *own;
			of[routes.nof].bits = own->bits ? own->bits : i == V6 ? 64 : p->network_zone ? ZONE_PREFIX : VETH_PREFIX;
			routes.nof++;
		}
	follow_routes(g);
	if (read_routes(&r->host_net, &routes) < 0)
		die("read the host's routes: %s", r->host_net.why);
	share_join(&r->subnets, "subnets");
	share_open(&r->subnets);
	undo(r, leave_subnets);
	if (p->network_zone)
		choose_zone(p, r, &routes, subnet);
	else
		choose_subnets(p, r, &routes, subnet);
	choose_own(p, r, subnet);
	choose_routers(p, r);
	note_ways(g, &routes);
	g->lost[V4] = routes.nup[V4] == 0;
	g->lost[V6] = routes.nup[V6] == 0;
	free(routes.route);
}

/* ---- leading packets on ------------------------------------------------------------------------ */

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
address_sweep_forward(const char *note, int held)
{
	const char *value = strrchr(note, ' ');
	char *path = value ? fmt("%.*s", (int)(value - note), note) : NULL;
	int dir = open_sysctl();
	bool done = true;

	(void)held;
	/* switched on for all since then, by somebody else */
	if (path && !strstr(path, "..") && !(after(path, "ipv4/") && is_set(dir, "ipv4/ip_forward", '1')))
		done = dir >= 0 && (is_set(dir, path, value[1]) || put_at(dir, path, value + 1) == 0 || errno == ENOENT);
	drop(dir);
	return done;
}

static bool
put_back(struct shared *s)
{
	char *text = share_text(s), *line;
	const char *note;
	bool all = true;

	while ((line = next_line(&text)))
		if ((note = after(line, "FORWARD=")))
			all &= address_sweep_forward(note, -1);
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

	for (i = 0; i < r->given->nways; i++)
		leave_flags(&r->given->way[i].flags);
	leave_flags(&r->given->all6);
}

static void
warn_forward(struct given *g, const char *path)
{
	if (!g->warned)
		warn("net/%s is 0 and cannot be set (%s): packets of the machine are not led on, it reaches only the host", path,
		     strerror(errno));
	g->warned = true;
}

/*
 * What stands at 0 (or, of accept_ra, at 1) is noted, then set to one more, from the last on; the last machine that
 * needs it puts it back, from the first on. false: something could not be set.
 */
static bool
turn_on(struct given *g, int dir, struct shared *s, const char *name, char **paths)
{
	size_t n = count(paths), i;
	bool all = true;
	char *text, old;

	share_join(s, fmt("forward.%s", name));
	if (s->first) {
		put_back(s);  /* as one that was killed left it */
		share_write(s, "");
	}
	text = share_text(s);
	if (streq(name, "all") && !is_set(dir, *paths, '0'))
		n = 0;
	for (i = n; i-- > 0;) {
		old = strstr(paths[i], "/accept_ra") ? '1' : '0';
		if (!is_set(dir, paths[i], old))
			continue;
		if (!strstr(text, paths[i])) {
			text = fmt("FORWARD=%s %c\n%s", paths[i], old, text);
			share_write(s, text);
		}
		if (put_at(dir, paths[i], fmt("%c", old + 1)) < 0) {
			warn_forward(g, paths[i]);
			all = false;
		}
	}
	if (s->first && !*text)
		leave_flags(s);
	else
		share_open(s);
	return all;
}

/*
 * A host's end of a link, which goes with all that is set there: the guest shall not tell the host by advertisements or
 * redirects where the world is, nor reach its loopback, nor send in the name of others
 */
static void
shield(int dir, const char *link)
{
	static const struct { int family; const char *name, *value; } flags[] = {
		{ 6, "accept_ra",           "0" },
		{ 6, "accept_redirects",    "0" },
		{ 4, "accept_redirects",    "0" },
		{ 4, "accept_source_route", "0" },
		{ 4, "route_localnet",      "0" },
		{ 4, "rp_filter",           "1" },
	};
	size_t i;

	for (i = 0; i < LEN(flags); i++)
		put_at(dir, fmt("ipv%d/conf/%s/%s", flags[i].family, link, flags[i].name), flags[i].value);
}

static void
lead_on(struct run *r, int dir, const char *link)
{
	char *v4 = fmt("ipv4/conf/%s/forwarding", link);

	if (r->lease.route && is_set(dir, v4, '0') && put_at(dir, v4, "1") < 0)
		warn_forward(r->given, v4);
	if (r->lease.route6)
		put_at(dir, fmt("ipv6/conf/%s/force_forwarding", link), "1");  /* where there is none all links do it */
}

/* all that are no ports of a bridge */
static void
set_links(struct run *r, int dir)
{
	const struct link *l;

	for (l = r->link; l < r->link + r->nlinks; l++) {
		if (l->kind != LINK_EXTRA && (l->kind != LINK_VETH || r->bridge))
			continue;
		shield(dir, l->host);
		if (l == r->lent && l->kind == LINK_VETH)
			lead_on(r, dir, l->host);
	}
	r->given->link_set = dir >= 0;
}

/* before Linux 6.17 IPv6 is led on by all links or none; and who leads packets on learns no routes unless told to */
static bool
turn_on_all6(struct given *g, int dir)
{
	char **words = NULL;
	size_t i;

	if (g->all6.fd >= 0)
		return true;
	grow(&words, xstrdup("ipv6/conf/all/forwarding"));
	for (i = 0; i < g->nways; i++)
		if (g->way[i].v6 && *g->way[i].name)
			grow(&words, fmt("ipv6/conf/%s/accept_ra", g->way[i].name));
	return turn_on(g, dir, &g->all6, "all", words);
}

static void
turn_on_way(struct run *r, int dir, struct way *w)
{
	struct nl_link link;
	char **words = NULL;

	if (w->flags.fd >= 0 || nl_find_link(&r->host_net, NULL, w->index, &link) < 0)
		return;
	memcpy(w->name, link.name, sizeof(w->name));
	if (r->lease.route)
		grow(&words, fmt("ipv4/conf/%s/forwarding", w->name));
	if (r->lease.route6 && !is_set(dir, "ipv6/conf/all/forwarding", '1'))
		grow(&words, fmt("ipv6/conf/%s/force_forwarding", w->name));
	turn_on(r->given, dir, &w->flags, w->name, words);
}

static void
turn_on_ways(struct run *r)
{
	struct given *g = r->given;
	int dir = open_sysctl();
	size_t i;

	if (dir < 0)
		warn_forward(g, "ipv4/ip_forward");
	for (i = 0; dir >= 0 && i < g->nways; i++)
		turn_on_way(r, dir, &g->way[i]);
	if (dir >= 0 && r->lease.route6 && faccessat(dir, "ipv6/conf/all/force_forwarding", F_OK, 0) < 0)
		r->lease.route6 = turn_on_all6(g, dir);
	drop(dir);
}

static bool
set_addresses(struct nl *nl, int index, const struct net *n)
{
	return nl_address(nl, RTM_NEWADDR, index, n->family, n->at, n->bits) == 0;
}

static void
set_host_end(struct run *r, int index, const char *link)
{
	struct net *host = r->given->host, own = { .family = AF_INET6, .bits = 64 };

	if (host[V4].bits && !set_addresses(&r->host_net, index, &host[V4]))
		die("give link %s the address %s/%d: %s", link, text_of(&host[V4]), host[V4].bits, r->host_net.why);
	memcpy(own.at, r->lease.router6, sizeof(own.at));
	if (r->given->words.gateway[V6].family)
		memset(own.at, 0, sizeof(own.at));
	if (host[V6].bits && (!set_addresses(&r->host_net, index, &host[V6])
	                      || (link_local(&own) && !set_addresses(&r->host_net, index, &own)))) {
		say("no IPv6 on link %s: %s", link, r->host_net.why);
		r->lease.prefix6 = 0;
		r->lease.route6 = false;
	}
}

void
address_forward(const struct plan *p, struct run *r)
{
	int dir;

	if (r->lent && lends(p) && (r->lease.route || r->lease.route6)) {
		undo(r, leave_ways);
		turn_on_ways(r);
	}
	if (!p->network_zone)
		return;
	dir = open_sysctl();
	shield(dir, r->bridge);
	if (r->lent) {
		set_host_end(r, r->bridge_index, r->bridge);
		lead_on(r, dir, r->bridge);
	}
	drop(dir);
}

/* ---- inside ------------------------------------------------------------------------------------- */

/* the sysctls of a link are those of the network that one is in: for a moment we are back in the host's (4.10) */
static void
set_links_from_inside(struct run *r)
{
	int host = ioctl(r->host_net.fd, SIOCGSKNS), own, dir;

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

static void
set_inside(struct run *r)
{
	static const uint8_t none[16];
	struct given *g = r->given;
	int index = r->lent->guest_index;
	struct net own[2 + LEN(g->words.own)];
	struct nl nl;
	size_t n = 0, i;

	own[0] = (struct net){ .family = AF_INET, .bits = r->lease.prefix };
	memcpy(own[0].at, r->lease.address, 4);
	own[1] = (struct net){ .family = AF_INET6, .bits = r->lease.prefix6 };
	memcpy(own[1].at, r->lease.address6, 16);
	for (n = 2, i = 0; i < g->words.nown; i++)
		if (&g->words.own[i] != own_of(&g->words, place_of(&g->words.own[i]))) {
			own[n] = g->words.own[i];
			if (!own[n].bits)
				own[n].bits = own[place_of(&own[n])].bits;
			n++;
		}
	if (nl_open_route(&nl) < 0)
		die("open rtnetlink inside:");
	if (nl_raise(&nl, index) < 0)
		die("raise link %s inside: %s", r->lent->guest, nl.why);
	for (i = 0; i < n; i++)
		if (own[i].bits && !set_addresses(&nl, index, &own[i])) {
			if (own[i].family == AF_INET || g->words.said)
				die("give link %s inside the address %s/%d: %s", r->lent->guest, text_of(&own[i]), own[i].bits, nl.why);
			say("no IPv6 inside: %s", nl.why);
			r->lease.prefix6 = 0;
			r->lease.route6 = false;
		}
	if (r->lease.route && nl_route(&nl, RTM_NEWROUTE, index, AF_INET, none, 0, r->lease.router, HOST_METRIC) < 0)
		die("route by way of the gateway inside: %s", nl.why);
	if (r->lease.route6 && nl_route(&nl, RTM_NEWROUTE, index, AF_INET6, none, 0, r->lease.router6, HOST_METRIC) < 0)
		die("route IPv6 by way of the gateway inside: %s", nl.why);
	nl_close(&nl);
}

void
address_host(const struct plan *p, struct run *r)
{
	if (r->lent && lends(p) && !p->network_zone)
		set_host_end(r, r->lent->index, r->lent->host);
	if (p->network_veth || p->network_veth_extra)
		set_links_from_inside(r);
	if (r->lent)
		set_inside(r);
}

/* ---- names for others --------------------------------------------------------------------------- */

static int
open_hosts(bool make)
{
	char *path = fmt("%s/" HOSTS_DIR, run_state_dir());

	if (make && mkdir(path, 0755) < 0 && errno != EEXIST)
		return -1;
	return openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

bool
address_sweep_hosts(const char *note, int held)
{
	int dir = open_hosts(false);

	(void)held;
	if (dir >= 0 && name_valid(note)) {
		unlinkat(dir, note, 0);
		unlinkat(dir, fmt(".%s", note), 0);
	}
	drop(dir);
	return true;
}

const uint8_t *
address_of_host(const struct run *r, int family)
{
	const struct net *n = r->given ? &r->given->host[family == AF_INET ? V4 : V6] : NULL;

	return n && n->bits ? n->at : NULL;
}

static void
forget_hosts(struct run *r)
{
	address_sweep_hosts(r->name, -1);
}

/* a file for each machine, which comes whole: nobody waits for another, however many start at once */
static void
write_hosts(const struct plan *p, struct run *r)
{
	struct net own = { .family = AF_INET };
	char *names = p->network_zone ? fmt("%s %s.%s", r->name, r->name, p->network_zone) : r->name, *text = xstrdup("");
	char *new = fmt(".%s", r->name);
	int dir;

	memcpy(own.at, r->lease.address, 4);
	if (r->lease.prefix)
		text = fmt("%s\t%s\n", text_of(&own), names);
	own.family = AF_INET6;
	memcpy(own.at, r->lease.address6, 16);
	if (r->lease.prefix6)
		text = fmt("%s%s\t%s\n", text, text_of(&own), names);
	undo(r, forget_hosts);
	dir = open_hosts(true);
	/* dnsmasq passes over names that begin with a dot */
	if (dir < 0 || write_at(dir, new, 0644, text) < 0 || renameat(dir, new, dir, r->name) < 0)
		warn("write %s/" HOSTS_DIR "/%s:", run_state_dir(), r->name);
	drop(dir);
}

/* ---- following the host -------------------------------------------------------------------------- */

/* wake us only for default routes, for those that may overlap our network, and for links of the way out */
static void
set_filter(const struct run *r)
{
	struct given *g = r->given;
	struct sock_filter code[20 + WAYS];
	struct sock_fprog filter = { .filter = code };
	unsigned short n = 0;
	size_t i;

	/* loads are big-endian, and these fields are the host's */
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), (uint8_t)(g->nways + 4), 0);
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), (uint8_t)(g->nways + 3), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_index));
	for (i = 0; i < g->nways; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)g->way[i].index),
		                                         (uint8_t)(g->nways - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_dst_len));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 7, 0, 9);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_family));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 0, 6);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, NLMSG_HDRLEN + sizeof(struct rtmsg));
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, RTA_DST);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR));
	code[n++] = (struct sock_filter)BPF_STMT(BPF_MISC | BPF_TAX, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_IND, sizeof(struct nlattr));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, g->host[V4].at[0], 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	filter.len = n;
	/* without it we would only wake more often */
	setsockopt(g->events, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

static void
look_again(struct run *r)
{
	static const struct routes nothing;
	struct routes routes = nothing;
	struct given *g = r->given;
	size_t had = g->nways;
	int i;

	if (read_routes(&r->host_net, &routes) < 0)
		return;
	note_ways(g, &routes);
	if (g->nways != had) {
		turn_on_ways(r);
		set_filter(r);
	}
	for (i = V4; i <= V6; i++) {
		if (!g->host[i].bits || g->lost[i] == (routes.nup[i] == 0))
			continue;
		g->lost[i] = !g->lost[i];
		if (g->lost[i])
			warn("the host has lost its way out for IPv%d: no default route is left", i == V4 ? 4 : 6);
		else
			warn("the host has a way out again for IPv%d", i == V4 ? 4 : 6);
	}
}

static void
got_event(struct run *r, int fd, short revents)
{
	enum { AT_MOST = 32 };
	struct given *g = r->given;
	const char *link = r->bridge ? r->bridge : r->lent->host;
	_Alignas(8) char buf[8192];
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;
	bool again = false;
	struct net to;
	ssize_t n;
	int i, over;

	(void)revents;
	for (i = 0; i < AT_MOST; i++) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == ENOBUFS)
			again = true;  /* some were lost */
		else if (n < 0)
			break;
		if (n < (ssize_t)sizeof(*h) || h->nlmsg_len < sizeof(*h) || h->nlmsg_len > (size_t)n)
			continue;
		if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
			again = true;
		if (!read_route(h, &to, &over))
			continue;
		again |= is_default(&to);
		if (is_default(&to) || h->nlmsg_type != RTM_NEWROUTE || g->foreign_told || !g->host[V4].bits
		    || over == (r->bridge ? r->bridge_index : r->lent->index) || !overlap(&to, &g->host[V4]))
			continue;
		g->foreign_told = true;
		warn("the host has a new route to %s/%d, which has the network of link %s in it: the machine gets another at its "
		     "next start", text_of(&to), to.bits, link);
	}
	if (again)
		look_again(r);
}

void
address_begin(const struct plan *p, struct run *r)
{
	int dir;

	if (r->nlinks && !r->given->link_set) {
		dir = open_sysctl();
		set_links(r, dir);
		drop(dir);
	}
	if (!r->lent)
		return;
	r->lease.timezone = r->host_tz;
	write_hosts(p, r);
	if (!lends(p))
		return;
	set_filter(r);
	if (r->given->events >= 0)
		watch(r, r->given->events, POLLIN, got_event);
}
