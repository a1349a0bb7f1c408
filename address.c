/* SPDX-License-Identifier: 0BSD */
/* Addresses: chosen, claimed, given */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "nspawn-lite.h"

enum { V4, V6 };                        /* places in what there is one of for each family */
enum { ULA_SUBNETS = 65536, HOST_METRIC = 1024, RELAY_NUMBER = 2 };
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

struct given {
	struct words words;
	struct net host[2];            /* of the host's end */
	struct net relay;              /* where it is asked for names: bits 0: as host */
};

/* routes of the host that overlap what we choose from */
struct routes {
	struct net *of;
	size_t nof;
	struct { struct net net; int link; } *route;
	size_t n, room;
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
bool
address_lends(const struct plan *p)
{
	return p->network_zone || (p->network_veth && !p->network_bridge);
}

static const char besides[] = "and one besides: say one or the other";

static _Noreturn void
refuse(const char *option, const char *word, const char *why)
{
	die("--network-%s=%s: %s", option, word, why);
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
		refuse("address", word, "not an address: ADDR/N, as in 192.0.2.5/24 or 2001:db8::5/64, auto or none");
	why = useless(n);
	if (why || link_local(n))
		refuse("address", word, why ? why : "link-local addresses come by themselves");
	if (word[len] && !parse_number(word + len + 1, 1, all_bits(n), &bits))
		die("--network-address=%s: behind the / is no number from 1 to %d", word, all_bits(n));
	if (!word[len] && !address_lends(p))
		die("--network-address=%s: how long is the prefix of its network? say %s/N", word, word);
	n->bits = word[len] ? (int)bits : 0;
	if (n->bits && address_lends(p) && n->bits > all_bits(n) - 2)
		die("--network-address=%s: no room for the host's end: a prefix of at most %d", word, all_bits(n) - 2);
	if (n->bits && n->bits < all_bits(n) - 1 && rest_is(n, false))
		refuse("address", word, "that is the network itself, not an address in it");
	if (n->bits && n->family == AF_INET && n->bits < 31 && rest_is(n, true))
		refuse("address", word, "that is the broadcast address of its network");
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
		refuse("gateway", word, "not an address, nor none");
	why = useless(&n);
	if (why)
		refuse("gateway", word, why);
	if (w->gateway[place_of(&n)].family)
		die("--network-gateway=%s: a second one for IPv%d", word, n.family == AF_INET ? 4 : 6);
	for (i = 0; i < w->nown; i++) {
		if (w->own[i].family != n.family)
			continue;
		if (memcmp(w->own[i].at, n.at, sizeof(n.at)) == 0)
			refuse("gateway", word, "that is the machine's own address");
		all &= w->own[i].bits > 0;
		there |= link_local(&n) || (w->own[i].bits && within(&w->own[i], n.at));
	}
	/* what we choose is not known yet */
	if (w->none || (!own_of(w, place_of(&n)) && !w->automatic))
		die("--network-gateway=%s: the machine has no IPv%d address to reach it from: say --network-address=", word,
		    n.family == AF_INET ? 4 : 6);
	if (!there && all && own_of(w, place_of(&n)))
		refuse("gateway", word, "not in the network of its address");
	if (!own_of(w, place_of(&n)) && !p->network_zone)
		refuse("gateway", word, "only the host is on that link, so say --network-address=, too");
	w->gateway[place_of(&n)] = n;
}

static void
parse_words(const struct plan *p, struct words *w)
{
	char **word;

	memset(w, 0, sizeof(*w));
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
		refuse("address", "none", besides);
	if (w->automatic && !address_lends(p))
		die("--network-address=auto: only with --network-veth or --network-zone; elsewhere the network's own DHCP server "
		    "gives addresses");
	w->automatic |= !w->said && address_lends(p);
	for (word = p->network_gateway; word && *word; word++)
		if (streq(*word, "none"))
			w->gateway_none = true;
		else
			take_gateway(p, *word, w);
	if (w->gateway_none && (w->gateway[V4].family || w->gateway[V6].family))
		refuse("gateway", "none", besides);
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
				refuse("dns", "none", besides);
			break;
		}
		n.family = address_parse(*word, strlen(*word), n.at);
		if (!n.family)
			refuse("dns", *word, "not an address, nor none");
		if (useless(&n))
			refuse("dns", *word, useless(&n));
		if (++named[place_of(&n)] > 3)
			refuse("dns", *word, "a resolver asks at most 3 servers");
	}
	if (p->network_dns && !net_private(p))
		die("--network-dns=%s: the machine shares the host's network, and asks whom the host asks: add --network-veth or "
		    "another", *p->network_dns);
}

/* ---- the host's routes ---------------------------------------------------------------------- */

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

static void
got_route(void *arg, const struct nlmsghdr *h)
{
	struct routes *r = arg;
	void *fresh = NULL, *more;
	struct net to;
	size_t i;
	int link;

	if (!read_route(h, &to, &link))
		return;
	for (i = 0; i < r->nof && !overlap(&r->of[i], &to); i++)
		;
	if (i == r->nof)
		return;
	if (r->n == r->room) {
		r->room = r->room ? r->room * 2 : 64;
		more = scratch_room(&fresh, r->room * sizeof(*r->route));
		r->route = r->n ? memcpy(more, r->route, r->n * sizeof(*r->route)) : more;
	}
	r->route[r->n].net = to;
	r->route[r->n++].link = link;
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

/* what the machine has of a family, and to say so */
static struct net
lent(const struct run *r, int place)
{
	struct net n = { .family = AF_INET, .bits = r->lease.prefix };

	memcpy(n.at, r->lease.address, 4);
	if (place == V4)
		return n;
	n = (struct net){ .family = AF_INET6, .bits = r->lease.prefix6 };
	memcpy(n.at, r->lease.address6, 16);
	return n;
}

static void
lend(struct run *r, const struct net *n)
{
	bool four = n->family == AF_INET;

	memcpy(four ? r->lease.address : r->lease.address6, n->at, four ? 4 : 16);
	*(four ? &r->lease.prefix : &r->lease.prefix6) = n->bits;
}

static int
usual_bits(const struct plan *p, int place)
{
	if (place == V6)
		return 64;
	return p->network_zone ? ZONE_PREFIX : VETH_PREFIX;
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
	int ours = 0, i;

	/* left by a machine that was killed, or by the administrator: what leads there is no other network */
	if (p->network_zone && nl_find_link(&r->host_net, r->bridge, 0, &bridge) == 0)
		ours = bridge.index;
	for (i = V4; i <= V6 && (i == V4 || has_ipv6()); i++)
		if (own_of(w, i))
			take_said(r, routes, ours, own_of(w, i), usual_bits(p, i), &subnet[i]);
		else if ((w->automatic || p->network_zone) && i == V4)
			pick4(r, routes, ours, who, usual_bits(p, i), &subnet[i]);
		else if (w->automatic || p->network_zone)
			pick6(r, routes, ours, who, &subnet[i]);
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

static bool
is_taken(const struct given *g, const struct net *n)
{
	size_t i;

	for (i = 0; i < g->words.nown && memcmp(g->words.own[i].at, n->at, sizeof(n->at)) != 0; i++)
		;
	return i < g->words.nown || memcmp(g->host[V4].at, n->at, sizeof(n->at)) == 0;
}

static bool
has_room_for_relay(const struct net *subnet)
{
	return subnet->bits < 30;
}

/*
 * The relay for names listens at an address of its own, which is that of no link: else a resolver of the host that
 * listens at each address of each link could not be started while we do. In a zone, where it is all machines', its number
 * is 2; elsewhere the next that is free
 */
static void
choose_relay(const struct plan *p, struct run *r, const struct net *subnet)
{
	struct given *g = r->given;

	if (!has_room_for_relay(subnet))
		return;
	g->relay = *subnet;
	set_number(&g->relay, number_of(subnet) + RELAY_NUMBER);
	while (is_taken(g, &g->relay)) {
		if (p->network_zone)
			die("--network-address=%s: there the host answers for names of zone %s: take another", text_of(&g->relay),
			    p->network_zone);
		set_number(&g->relay, number_of(&g->relay) + 1);
	}
	if (rest_is(&g->relay, true))
		g->relay.bits = 0;
}

/* of a machine in a zone: where its name's hash says, or the next that is free. The host has the first two */
static void
choose_in_zone(const struct plan *p, struct run *r, const struct net *subnet, struct net *own)
{
	uint32_t first = has_room_for_relay(subnet) ? RELAY_NUMBER + 1 : RELAY_NUMBER;
	uint32_t size = ((uint32_t)1 << (32 - subnet->bits)) - 1 - first, start = (uint32_t)(hash("address", r->name) % size), i;

	*own = *subnet;
	for (i = 0; i < size; i++) {
		set_number(own, number_of(subnet) + first + (start + i) % size);
		if (share_claim(&r->zone, first + (start + i) % size, 1))
			return;
	}
	die("zone %s is full: %s/%d has no address left (ZONE_PREFIX of config.h)", p->network_zone, text_of(subnet),
	    subnet->bits);
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
		if (said && !subnet[i].bits)
			die("--network-address=%s: %s has no network of IPv6 (CONFIG_IPV6; sysctl net.ipv6.conf.default.disable_ipv6)",
			    text_of(said), p->network_zone ? "the zone" : "the host");
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
			own.at[3] |= RELAY_NUMBER + 1;
		if (memcmp(own.at, g->host[i].at, sizeof(own.at)) == 0)
			refuse("address", text_of(&own), "that is the host's end of the link");
		if (rest_is(&own, false) || (i == V4 && rest_is(&own, true)))
			die("--network-address=%s: in a network with /%d that is no machine's address", text_of(&own), own.bits);
		if (said && p->network_zone && i == V4 && !share_claim(&r->zone, (off_t)(number_of(&own) - number_of(&subnet[i])), 1))
			die("--network-address=%s: another machine of zone %s has it", text_of(&own), p->network_zone);
		if (g->words.gateway[i].family && p->network_zone && !link_local(&g->words.gateway[i])
		    && !within(&subnet[i], g->words.gateway[i].at))
			die("--network-gateway=%s: not in the network of zone %s, which is %s/%d", text_of(&g->words.gateway[i]),
			    p->network_zone, text_of(&subnet[i]), subnet[i].bits);
		if (i == V4)
			choose_relay(p, r, &subnet[i]);
		lend(r, &own);
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

/* as the words say, or the host, which has fe80::1 on all links that it lends on */
static void
choose_routers(const struct plan *p, struct run *r)
{
	static const uint8_t host_end[16] = { 0xfe, 0x80, [15] = 1 };
	struct given *g = r->given;
	struct net *gateway = g->words.gateway;
	bool by_host = address_lends(p) && !g->words.gateway_none;

	memcpy(r->lease.router, gateway[V4].family ? gateway[V4].at : g->host[V4].at, 4);
	memcpy(r->lease.router6, gateway[V6].family ? gateway[V6].at : host_end, 16);
	r->lease.route = r->lease.prefix && (gateway[V4].family || by_host);
	r->lease.route6 = r->lease.prefix6 && (gateway[V6].family || by_host);
}

void
address_choose(const struct plan *p, struct run *r)
{
	static const char *const pools[] = { ADDRESS_POOLS };
	struct net of[LEN(pools) + 3], subnet[2] = { { .bits = 0 }, { .bits = 0 } };
	struct routes routes = { .of = of };
	static const struct rtmsg all = { .rtm_family = AF_UNSPEC };
	struct given *g = r->given = xalloc(sizeof(*g));
	const struct net *own;
	struct nl_msg m;
	size_t i;

	parse_words(p, &g->words);
	r->lent = g->words.automatic || g->words.nown ? first_link(r) : NULL;
	if (!r->lent)
		return;
	memcpy(r->lease.mac, r->lent->mac, sizeof(r->lease.mac));
	memcpy(r->lease.host_mac, r->lent->host_mac, sizeof(r->lease.host_mac));
	r->lease.seconds = LEASE_SECONDS;
	r->lease.hostname = r->hostname;
	grow(&r->notes, fmt("HOSTS=%s", r->name));
	if (!address_lends(p)) {
		for (i = V4; i <= V6; i++)
			if ((own = own_of(&g->words, (int)i)))
				lend(r, own);
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
			if (!own->bits)
				of[routes.nof].bits = usual_bits(p, (int)i);
			routes.nof++;
		}
	nl_begin(&m, RTM_GETROUTE, NLM_F_DUMP, &all, sizeof(all));
	if (nl_talk(&r->host_net, &m, got_route, &routes) < 0)
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
}

/* ---- setting ------------------------------------------------------------------------------------- */

/* an ipvlan that was killed with its supervisor has the same one until the kernel has seen to it: wait for that */
static bool
set_addresses(struct nl *nl, int index, const struct net *n)
{
	enum { TRIES = 300, EACH_MS = 10 };
	int i;

	for (i = 0; i < TRIES; i++) {
		if (nl_address(nl, RTM_NEWADDR, index, n->family, n->at, n->bits) == 0)
			return true;
		if (errno != EADDRINUSE)
			return false;
		poll(NULL, 0, EACH_MS);
	}
	return false;
}

/* no loss, unless it was asked for */
static void
go_without_6(struct run *r, const char *link, const char *why)
{
	const struct net *said = own_of(&r->given->words, V6);

	if (said)
		die("--network-address=%s: no IPv6 on link %s (CONFIG_IPV6; sysctl net.ipv6.conf.*.disable_ipv6): %s", text_of(said),
		    link, why);
	say("no IPv6 on link %s: %s", link, why);
	r->lease.prefix6 = 0;
	r->lease.route6 = false;
}

static void
set_host_end(struct run *r, int index, const char *link)
{
	struct net *host = r->given->host, own = { .family = AF_INET6, .bits = 64 };

	if (host[V4].bits && !set_addresses(&r->host_net, index, &host[V4]))
		die("give link %s the address %s/%d: %s", link, text_of(&host[V4]), host[V4].bits, r->host_net.why);
	if (r->given->relay.bits && nl_route(&r->host_net, RTM_NEWROUTE, index, AF_INET, r->given->relay.at, 32,
	                                     r->given->relay.at, 0) < 0)
		warn("make %s an address of the host, where it is asked for names: %s", text_of(&r->given->relay), r->host_net.why);
	memcpy(own.at, r->lease.router6, sizeof(own.at));
	if (r->given->words.gateway[V6].family)
		memset(own.at, 0, sizeof(own.at));
	if (host[V6].bits && (!set_addresses(&r->host_net, index, &host[V6])
	                      || (link_local(&own) && !set_addresses(&r->host_net, index, &own))))
		go_without_6(r, link, r->host_net.why);
}

void
address_bridge(const struct plan *p, struct run *r)
{
	if (r->lent && p->network_zone)
		set_host_end(r, r->bridge_index, r->bridge);
}

/*
 * A machine before may have had it, and whoever knows its MAC would send there until that has timed out. The others hear
 * of the new one (RFC 5227, 2.3), as soon as the kernel has seen to its carrier: its bridge takes nothing before that. The
 * host forgets, for it might not listen so soon. Where packet(7) is missing, it takes half a minute
 */
static void
announce(struct run *r, const uint8_t address[4])
{
	enum { PATIENCE_MS = 1000 };
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = r->lent->guest_index };
	struct ndmsg n = { .ndm_family = AF_INET, .ndm_ifindex = r->bridge_index };
	struct { struct ether_header head; struct ether_arp arp; uint8_t fill[18]; } f = {
		.head.ether_type = htons(ETHERTYPE_ARP),
		.arp = { .ea_hdr = { htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), 6, 4, htons(ARPOP_REQUEST) } },
	};
	struct nl_link port;
	struct nl_msg m;
	int fd, ms;

	for (ms = 0; ms < PATIENCE_MS && nl_find_link(&r->host_net, NULL, r->lent->index, &port) == 0
	     && !(port.flags & IFF_RUNNING); ms++)
		poll(NULL, 0, 1);
	memset(f.head.ether_dhost, 0xff, 6);
	memcpy(f.head.ether_shost, r->lease.mac, 6);
	memcpy(f.arp.arp_sha, r->lease.mac, 6);
	memcpy(f.arp.arp_spa, address, 4);
	memcpy(f.arp.arp_tpa, address, 4);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, &f, sizeof(f), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		say("tell the others its address:");
	drop(fd);
	nl_begin(&m, RTM_DELNEIGH, 0, &n, sizeof(n));
	nl_raw(&m, NDA_DST, address, 4);
	nl_talk(&r->host_net, &m, NULL, NULL);
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

	own[0] = lent(r, V4);
	own[1] = lent(r, V6);
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
			if (own[i].family == AF_INET)
				die("give link %s inside the address %s/%d: %s", r->lent->guest, text_of(&own[i]), own[i].bits, nl.why);
			go_without_6(r, r->lent->guest, nl.why);
		}
	if ((r->lease.route && nl_route(&nl, RTM_NEWROUTE, index, AF_INET, none, 0, r->lease.router, HOST_METRIC) < 0)
	    || (r->lease.route6 && nl_route(&nl, RTM_NEWROUTE, index, AF_INET6, none, 0, r->lease.router6, HOST_METRIC) < 0))
		die("route by way of the gateway inside: %s", nl.why);
	nl_close(&nl);
	if (r->bridge && own[V4].bits)
		announce(r, own[V4].at);
}

void
address_host(const struct plan *p, struct run *r)
{
	if (!r->lent)
		return;
	if (address_lends(p) && !p->network_zone)
		set_host_end(r, r->lent->index, r->lent->host);
	set_inside(r);
}

/* ---- names for others --------------------------------------------------------------------------- */

static int
open_hosts(bool make)
{
	char *path = fmt("%s/" HOSTS_DIR, run_state_dir());

	if (make && mkdir(path, 0755) < 0 && errno != EEXIST)
		return -1;
	return sys_open_dir(AT_FDCWD, path);
}

bool
address_sweep_hosts(const char *note, int held)
{
	int dir = open_hosts(false);
	bool gone = dir >= 0 || errno == ENOENT;

	(void)held;
	if (dir >= 0 && name_valid(note)) {
		gone = unlinkat(dir, note, 0) == 0 || errno == ENOENT;
		gone &= unlinkat(dir, fmt(".%s", note), 0) == 0 || errno == ENOENT;
	}
	drop(dir);
	return gone;
}

const uint8_t *
address_of_host(const struct run *r, int family)
{
	const struct net *n = r->given ? &r->given->host[family == AF_INET ? V4 : V6] : NULL;

	return n && n->bits ? n->at : NULL;
}

const uint8_t *
address_of_relay(const struct run *r, int family)
{
	return family == AF_INET && r->given && r->given->relay.bits ? r->given->relay.at : address_of_host(r, family);
}

static void
forget_hosts(struct run *r)
{
	r->cgroup_stays |= !address_sweep_hosts(r->name, -1);  /* then the register leads the next command to it */
}

/* a file for each machine, which comes whole: nobody waits for another, however many start at once */
static void
write_hosts(const struct plan *p, struct run *r)
{
	struct net own;
	char *names = p->network_zone ? fmt("%s %s.%s", r->name, r->name, p->network_zone) : r->name, *text = xstrdup("");
	char *new = fmt(".%s", r->name);
	int dir, i;

	for (i = V4; i <= V6; i++) {
		own = lent(r, i);
		if (own.bits)
			text = fmt("%s%s\t%s\n", text, text_of(&own), names);
	}
	undo(r, forget_hosts);
	dir = open_hosts(true);
	/* dnsmasq passes over names that begin with a dot */
	if (dir < 0 || write_at(dir, new, 0644, text) < 0 || renameat(dir, new, dir, r->name) < 0)
		warn("write %s/" HOSTS_DIR "/%s:", run_state_dir(), r->name);
	drop(dir);
}

void
address_begin(const struct plan *p, struct run *r)
{
	if (!r->lent)
		return;
	r->lease.timezone = r->host_tz;
	write_hosts(p, r);
}
