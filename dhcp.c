/* SPDX-License-Identifier: 0BSD */
/* DHCP (RFC 2131), DHCPv6 (RFC 8415), router advertisements (RFC 4861): frames in, frames out */
#include <stddef.h>
#include <string.h>

#include "util.h"

enum { ETHER = 14, IP4 = 20, IP6 = 40, UDP = 8, TYPE_IP4 = 0x0800, TYPE_IP6 = 0x86dd, PROTO_UDP = 17, PROTO_ICMP6 = 58 };
/* a client may ask for so long a time, and for as short a one */
enum { SECONDS_MOST = 12 * 3600, SECONDS_LEAST = 10 };

static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, nobody[16];

/* ---- bytes: nothing is aligned in a frame --------------------------------------------------- */

static unsigned int
get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* what is written. Nothing need be checked meanwhile: over says that it was too much */
struct pen {
	uint8_t *buf;
	size_t len, room;
	bool over;
};

static void
put(struct pen *o, const void *data, size_t n)
{
	if (o->over || n > o->room - o->len) {
		o->over = true;
		return;
	}
	memcpy(o->buf + o->len, data, n);
	o->len += n;
}

static void
put_zeros(struct pen *o, size_t n)
{
	if (o->over || n > o->room - o->len) {
		o->over = true;
		return;
	}
	memset(o->buf + o->len, 0, n);
	o->len += n;
}

static void
put8(struct pen *o, unsigned int n)
{
	uint8_t b = (uint8_t)n;

	put(o, &b, 1);
}

static void
put16(struct pen *o, unsigned int n)
{
	put8(o, n >> 8);
	put8(o, n);
}

static void
put32(struct pen *o, uint32_t n)
{
	put16(o, n >> 16);
	put16(o, n & 0xffff);
}

/* a length or a checksum that could not be known before */
static void
set16(struct pen *o, size_t at, size_t n)
{
	if (o->over)
		return;
	o->buf[at] = (uint8_t)(n >> 8);
	o->buf[at + 1] = (uint8_t)n;
}

static uint32_t
sum(uint32_t before, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		before += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return before;
}

static unsigned int
fold(uint32_t n)
{
	n = (n >> 16) + (n & 0xffff);
	n = (n >> 16) + (n & 0xffff);
	return ~n & 0xffff;
}

/* ---- DHCP: what is asked --------------------------------------------------------------------- */

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };
/* places in a message */
enum { FLAGS = 10, CIADDR = 12, GIADDR = 24, CHADDR = 28, SNAME = 44, FILENAME = 108, COOKIE = 236, OPTIONS = 240 };
enum {
	O_MASK = 1, O_ROUTER = 3, O_DNS = 6, O_HOSTNAME = 12, O_MTU = 26, O_BROADCAST = 28, O_WANTED = 50, O_SECONDS = 51,
	O_OVERLOAD = 52, O_TYPE = 53, O_SERVER = 54, O_T1 = 58, O_T2 = 59, O_CLIENT = 61, O_RAPID = 80, O_TIMEZONE = 101,
	O_END = 255,
};
static const uint8_t cookie[4] = { 99, 130, 83, 99 };

/* options that mean something to us, and how long they are; -1 is any length */
enum { TYPE, WANTED, SECONDS, OVERLOAD, SERVER, CLIENT, RAPID, NKNOWN };
static const struct {
	uint8_t code;
	int len;
} known[NKNOWN] = {
	[TYPE]     = { O_TYPE, 1 },
	[WANTED]   = { O_WANTED, 4 },
	[SECONDS]  = { O_SECONDS, 4 },
	[OVERLOAD] = { O_OVERLOAD, 1 },
	[SERVER]   = { O_SERVER, 4 },
	[CLIENT]   = { O_CLIENT, -1 },
	[RAPID]    = { O_RAPID, 0 },
};

/* where the octet of its length is, with the value behind it; or NULL */
struct asked {
	const uint8_t *at[NKNOWN];
};

/* false: it is not as it should be, and gets no answer */
static bool
read_options(struct asked *a, const uint8_t *at, size_t len)
{
	size_t i = 0, n, k;
	uint8_t code;

	while (i < len) {
		code = at[i++];
		if (code == O_END)
			return true;
		if (code == 0)
			continue;
		if (i == len || at[i] > len - i - 1)
			return false;
		n = at[i++];
		for (k = 0; k < NKNOWN; k++) {
			if (known[k].code != code)
				continue;
			if (a->at[k] || (known[k].len >= 0 && (size_t)known[k].len != n))
				return false;
			a->at[k] = at + i - 1;
		}
		i += n;
	}
	return true;
}

/* the message itself, of an IPv4 packet that is for us; NULL if it is none, or torn, or for others */
static const uint8_t *
find_message(const struct lease *l, const uint8_t *p, size_t *len)
{
	size_t head, all, udp;

	if (*len < IP4 || p[0] >> 4 != 4)
		return NULL;
	head = (p[0] & 15u) * 4;
	all = get16(p + 2);
	if (head < IP4 || all > *len || all < head + UDP || p[9] != PROTO_UDP || get16(p + 6) & 0x3fff
	    || fold(sum(0, p, head)))
		return NULL;
	if (memcmp(p + 16, everybody, 4) != 0 && memcmp(p + 16, l->router, 4) != 0)
		return NULL;
	/* the checksum of UDP may be left to hardware that a pair of links has not: it says nothing here */
	udp = get16(p + head + 4);
	if (get16(p + head + 2) != 67 || udp < UDP || udp > all - head)
		return NULL;
	p += head + UDP;
	*len = udp - UDP;
	if (*len < OPTIONS || p[0] != 1 || p[1] != 1 || p[2] != 6 || memcmp(p + CHADDR, l->mac, 6) != 0
	    || memcmp(p + GIADDR, nobody, 4) != 0 || memcmp(p + COOKIE, cookie, sizeof(cookie)) != 0)
		return NULL;
	return p;
}

/* the kind of the answer, or 0 */
static int
decide(const struct lease *l, const uint8_t *p, const struct asked *a)
{
	const uint8_t *address = a->at[WANTED] ? a->at[WANTED] + 1 : NULL;

	switch (a->at[TYPE][1]) {
	case DISCOVER:
		return a->at[RAPID] ? ACK : OFFER;
	case INFORM:
		return memcmp(p + CIADDR, nobody, 4) != 0 ? ACK : 0;
	case REQUEST:
		if (a->at[SERVER] && memcmp(a->at[SERVER] + 1, l->router, 4) != 0)
			return 0;  /* it chose another */
		if (!address && !a->at[SERVER] && memcmp(p + CIADDR, nobody, 4) != 0)
			address = p + CIADDR;
		if (!address)
			return 0;
		return memcmp(address, l->address, 4) == 0 ? ACK : NAK;
	}
	return 0;
}

/* ---- DHCP: what is answered -------------------------------------------------------------------- */

/* whole, or not at all: every client takes 576 bytes of IP, and what matters comes first */
static void
put_option(struct pen *o, int code, const void *data, size_t n)
{
	enum { MOST = ETHER + 576 };

	if (!n || n > 255 || o->len + 2 + n + 1 > MOST)
		return;
	put8(o, (unsigned int)code);
	put8(o, (unsigned int)n);
	put(o, data, n);
}

static void
put_option32(struct pen *o, int code, uint32_t n)
{
	put8(o, (unsigned int)code);
	put8(o, 4);
	put32(o, n);
}

static void
put_settings(struct pen *o, const struct lease *l)
{
	uint32_t mask = 0xffffffff << (32 - l->prefix);

	put_option32(o, O_MASK, mask);
	if (l->prefix < 31)
		put_option32(o, O_BROADCAST, get32(l->address) | ~mask);
	if (l->route)
		put_option(o, O_ROUTER, l->router, 4);
	put_option(o, O_DNS, l->dns, l->ndns * 4);
	if (l->mtu >= 68 && l->mtu <= 65535) {
		put8(o, O_MTU);
		put8(o, 2);
		put16(o, l->mtu);
	}
	if (l->hostname)
		put_option(o, O_HOSTNAME, l->hostname, strlen(l->hostname));
	if (l->timezone)
		put_option(o, O_TIMEZONE, l->timezone, strlen(l->timezone));
}

static uint32_t
lease_time(const struct lease *l, const uint8_t *asked)
{
	uint32_t n = asked ? get32(asked + 1) : l->seconds;

	if (asked && n > SECONDS_MOST)
		n = SECONDS_MOST;
	return n < SECONDS_LEAST ? SECONDS_LEAST : n;
}

static void
begin_ether(struct pen *o, const struct lease *l, const uint8_t *to, unsigned int type)
{
	put(o, to, 6);
	put(o, l->host_mac, 6);
	put16(o, type);
}

static void
begin_dhcp(struct pen *o, const struct lease *l, const uint8_t *mac, const uint8_t *ip)
{
	begin_ether(o, l, mac, TYPE_IP4);
	put16(o, 0x4500);
	put_zeros(o, 6);
	put16(o, 64 << 8 | PROTO_UDP);
	put16(o, 0);
	put(o, l->router, 4);
	put(o, ip, 4);
	put16(o, 67);
	put16(o, 68);
	put32(o, 0);
}

static void
end_dhcp(struct pen *o)
{
	enum { LEAST = ETHER + IP4 + UDP + 300, IP = ETHER, AT = ETHER + IP4 };
	unsigned int n;

	put8(o, O_END);
	if (o->len < LEAST)
		put_zeros(o, LEAST - o->len);
	if (o->over)
		return;
	set16(o, IP + 2, o->len - IP);
	set16(o, IP + 10, fold(sum(0, o->buf + IP, IP4)));
	set16(o, AT + 4, o->len - AT);
	n = fold(sum((uint32_t)(PROTO_UDP + o->len - AT), o->buf + IP + 12, o->len - IP - 12));
	set16(o, AT + 6, n ? n : 0xffff);
}

static void
answer_dhcp(const struct lease *l, const uint8_t *p, size_t len, struct pen *o)
{
	struct asked a = { { NULL } };
	const uint8_t *to = l->address, *mac = l->mac;
	int overload, kind;
	uint32_t t;
	bool lent;

	p = find_message(l, p, &len);
	if (!p || l->prefix < 1 || l->prefix > 32 || !read_options(&a, p + OPTIONS, len - OPTIONS))
		return;
	overload = a.at[OVERLOAD] ? a.at[OVERLOAD][1] : 0;
	if ((overload & 1 && !read_options(&a, p + FILENAME, COOKIE - FILENAME))
	    || (overload & 2 && !read_options(&a, p + SNAME, FILENAME - SNAME)) || !a.at[TYPE])
		return;
	kind = decide(l, p, &a);
	if (!kind)
		return;
	lent = kind != NAK && a.at[TYPE][1] != INFORM;
	if (kind != NAK && memcmp(p + CIADDR, nobody, 4) != 0)
		to = p + CIADDR;
	else if (kind == NAK || p[FLAGS] & 0x80)
		to = mac = everybody;
	begin_dhcp(o, l, mac, to);
	put32(o, 0x02010600);
	put(o, p + 4, 4);
	put16(o, 0);
	put16(o, p[FLAGS] & 0x80 ? 0x8000 : 0);
	put(o, kind == NAK ? nobody : p + CIADDR, 4);
	put(o, lent ? l->address : nobody, 4);
	put_zeros(o, 8);
	put(o, p + CHADDR, 16);
	put_zeros(o, COOKIE - SNAME);
	put(o, cookie, sizeof(cookie));
	put8(o, O_TYPE);
	put8(o, 1);
	put8(o, (unsigned int)kind);
	put_option(o, O_SERVER, l->router, 4);
	if (lent) {
		t = lease_time(l, a.at[SECONDS]);
		put_option32(o, O_SECONDS, t);
		put_option32(o, O_T1, t / 2);
		put_option32(o, O_T2, t - t / 8);
	}
	if (a.at[TYPE][1] == DISCOVER && a.at[RAPID])
		put16(o, O_RAPID << 8);
	if (a.at[CLIENT])
		put_option(o, O_CLIENT, a.at[CLIENT] + 1, *a.at[CLIENT]);
	if (kind != NAK)
		put_settings(o, l);
	end_dhcp(o);
}

/* ---- IPv6 ---------------------------------------------------------------------------------------- */

static void
begin_ip6(struct pen *o, const struct lease *l, const uint8_t *mac, const uint8_t *ip, unsigned int proto)
{
	begin_ether(o, l, mac, TYPE_IP6);
	put32(o, 0x60000000);
	put16(o, 0);
	put16(o, proto << 8 | 255);
	put(o, l->router6, 16);
	put(o, ip, 16);
}

/* the place of the checksum is counted from the end of IP's header */
static void
end_ip6(struct pen *o, size_t checksum)
{
	enum { IP = ETHER, AT = ETHER + IP6 };
	unsigned int n;

	if (o->over)
		return;
	set16(o, IP + 4, o->len - AT);
	n = fold(sum((uint32_t)(o->buf[IP + 6] + o->len - AT), o->buf + IP + 8, o->len - IP - 8));
	set16(o, AT + checksum, n ? n : 0xffff);
}

/* ---- router advertisements ------------------------------------------------------------------------ */

static void
advertise(const struct lease *l, struct pen *o)
{
	/* valid and preferred are RFC 4861's own: the link goes with us, and nothing outlives it */
	enum { VALID = 30 * 86400, PREFERRED = 7 * 86400, LIFETIME = 1800, OTHER = 0x40, ON_LINK = 0x80, AUTONOMOUS = 0x40 };
	static const uint8_t all_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 }, all[16] = { 0xff, 2, [15] = 1 };
	uint8_t prefix[16];

	if (l->prefix6 < 1 || l->prefix6 > 128)
		return;
	begin_ip6(o, l, all_mac, all, PROTO_ICMP6);
	put16(o, 134 << 8);
	put16(o, 0);
	put8(o, 64);
	/* no M: it would make clients ask DHCPv6 for the very address that they make of the prefix */
	put8(o, l->ndns6 ? OTHER : 0);
	put16(o, l->route6 ? LIFETIME : 0);
	put_zeros(o, 8);
	put16(o, 1 << 8 | 1);
	put(o, l->host_mac, 6);
	if (l->mtu >= 1280) {
		put32(o, 5 << 24 | 1 << 16);
		put32(o, l->mtu);
	}
	if (l->prefix6 <= 64) {
		memset(prefix, 0, sizeof(prefix));
		memcpy(prefix, l->address6, 8);
		put16(o, 3 << 8 | 4);
		put8(o, (unsigned int)l->prefix6);
		put8(o, l->prefix6 == 64 ? ON_LINK | AUTONOMOUS : ON_LINK);
		put32(o, VALID);
		put32(o, PREFERRED);
		put32(o, 0);
		put(o, prefix, sizeof(prefix));
	}
	if (l->ndns6) {
		put8(o, 25);
		put8(o, (unsigned int)(1 + 2 * l->ndns6));
		put16(o, 0);
		put32(o, LIFETIME);
		put(o, l->dns6, l->ndns6 * 16);
	}
	end_ip6(o, 2);
}

/* a router solicitation as RFC 4861, 6.1.1 wants it; p is the packet, whose length is right */
static bool
is_solicitation(const uint8_t *p, size_t len)
{
	size_t i, n;

	if (len < IP6 + 8 || p[7] != 255 || p[IP6] != 133 || p[IP6 + 1] != 0
	    || fold(sum((uint32_t)(PROTO_ICMP6 + len - IP6), p + 8, len - 8)))
		return false;
	for (i = IP6 + 8; i < len; i += n) {
		n = len - i < 8 ? 0 : p[i + 1] * 8u;
		if (n == 0 || n > len - i || (p[i] == 1 && memcmp(p + 8, nobody, 16) == 0))
			return false;
	}
	return true;
}

/* ---- DHCPv6 ------------------------------------------------------------------------------------------ */

enum { SOLICIT6 = 1, ADVERTISE6, REQUEST6, CONFIRM6, RENEW6, REBIND6, REPLY6, RELEASE6, DECLINE6, INFORMATION6 = 11 };
enum {
	P_CLIENT = 1, P_SERVER, P_IA_NA, P_IAADDR = 5, P_PREFERENCE = 7, P_STATUS = 13, P_RAPID, P_DNS = 23, P_IA_PD = 25,
};
enum { SUCCESS, NO_ADDRESS = 2, NOT_ON_LINK = 4, NO_PREFIX = 6 };

/* what each may and must have, and whether addresses belong into the answer */
enum { NEVER, MAYBE, MUST };
static const struct {
	uint8_t type, client, server;
	bool lends;
} kinds[] = {
	{ SOLICIT6,     MUST,  NEVER, true },
	{ REQUEST6,     MUST,  MUST,  true },
	{ CONFIRM6,     MUST,  NEVER, false },
	{ RENEW6,       MUST,  MUST,  true },
	{ REBIND6,      MUST,  NEVER, true },
	{ RELEASE6,     MUST,  MUST,  false },
	{ DECLINE6,     MUST,  MUST,  false },
	{ INFORMATION6, MAYBE, MAYBE, false },
};

struct part {
	const uint8_t *at;
	size_t len;
};

/* the next option of some; false at the end, where something is left if they are not as they should be */
static bool
next_option(struct part *rest, unsigned int *code, struct part *body)
{
	if (rest->len < 4 || get16(rest->at + 2) > rest->len - 4)
		return false;
	*code = get16(rest->at);
	body->at = rest->at + 4;
	body->len = get16(rest->at + 2);
	rest->at += 4 + body->len;
	rest->len -= 4 + body->len;
	return true;
}

static void
put_part(struct pen *o, unsigned int code, const void *data, size_t n)
{
	put16(o, code);
	put16(o, (unsigned int)n);
	put(o, data, n);
}

static void
put_status(struct pen *o, unsigned int status)
{
	put16(o, P_STATUS);
	put16(o, 2);
	put16(o, status);
}

static void
put_iaaddr(struct pen *o, const uint8_t *address, uint32_t seconds)
{
	put16(o, P_IAADDR);
	put16(o, 24);
	put(o, address, 16);
	put32(o, seconds);
	put32(o, seconds);
}

/* an association of theirs, with our address if it is the first; what it names instead is taken from it */
static void
put_association(struct pen *o, const struct lease *l, unsigned int code, const struct part *theirs, bool first, bool take)
{
	enum { TAKEN_MOST = 8 };
	struct part rest = { theirs->at + 12, theirs->len - 12 }, body;
	bool lent = code == P_IA_NA && first;
	unsigned int inner;
	size_t start = o->len;
	int taken = 0;

	put16(o, code);
	put16(o, 0);
	put(o, theirs->at, 4);
	put32(o, lent ? l->seconds / 2 : 0);
	put32(o, lent ? l->seconds - l->seconds / 8 : 0);
	if (lent)
		put_iaaddr(o, l->address6, l->seconds);
	else
		put_status(o, code == P_IA_NA ? NO_ADDRESS : NO_PREFIX);
	while (next_option(&rest, &inner, &body))
		if (code == P_IA_NA && inner == P_IAADDR && body.len >= 24 && take && taken < TAKEN_MOST
		    && (!lent || memcmp(body.at, l->address6, 16) != 0)) {
			put_iaaddr(o, body.at, 0);
			taken++;
		}
	o->over |= rest.len != 0;
	set16(o, start + 2, o->len - start - 4);
}

static void
put_associations(struct pen *o, const struct lease *l, struct part rest, bool take)
{
	enum { MOST = 4 };
	unsigned int code;
	struct part body;
	int n = 0, addresses = 0;

	while (n < MOST && next_option(&rest, &code, &body)) {
		if (code != P_IA_NA && code != P_IA_PD)
			continue;
		if (body.len < 12) {
			o->over = true;
			return;
		}
		put_association(o, l, code, &body, code == P_IA_NA && addresses == 0, take);
		addresses += code == P_IA_NA;
		n++;
	}
}

/* is every address that it has the one it should have: 1, 0, or -1 if it named none */
static int
confirm(const struct lease *l, struct part rest)
{
	struct part body, inner, address;
	unsigned int code;
	int right = -1;

	while (next_option(&rest, &code, &body)) {
		if (code != P_IA_NA || body.len < 12)
			continue;
		inner.at = body.at + 12;
		inner.len = body.len - 12;
		while (next_option(&inner, &code, &address))
			if (code == P_IAADDR && address.len >= 24)
				right = right != 0 && memcmp(address.at, l->address6, 16) == 0;
	}
	return right;
}

/* who asks, and whom; which row of kinds it is, or -1: no answer */
static int
read_dhcp6(const struct part *message, const uint8_t id[10], struct part *client, bool *rapid)
{
	struct part rest = { message->at + 4, message->len - 4 }, body, server = { NULL, 0 };
	unsigned int code;
	int k;

	while (next_option(&rest, &code, &body)) {
		if (code == P_CLIENT && !client->at)
			*client = body;
		else if (code == P_SERVER && !server.at)
			server = body;
		else if (code == P_CLIENT || code == P_SERVER)
			return -1;
		*rapid |= code == P_RAPID;
	}
	if (rest.len != 0 || (client->at && (client->len < 3 || client->len > 130)))
		return -1;
	if (server.at && (server.len != 10 || memcmp(server.at, id, 10) != 0))
		return -1;
	for (k = 0; k < (int)LEN(kinds); k++)
		if (kinds[k].type == *message->at)
			break;
	if (k == (int)LEN(kinds) || (kinds[k].client == MUST && !client->at)
	    || (server.at ? kinds[k].server == NEVER : kinds[k].server == MUST))
		return -1;
	return k;
}

static void
answer_dhcp6(const struct lease *l, const uint8_t *p, size_t len, struct pen *o)
{
	static const uint8_t servers[16] = { 0xff, 2, [13] = 1, [15] = 2 };
	uint8_t id[10] = { 0, 3, 0, 1 };
	struct part message, client = { NULL, 0 };
	bool rapid = false;
	int k, right = 1;
	size_t udp;

	if (len < IP6 + UDP + 4 || memcmp(p + 24, servers, 16) != 0)
		return;
	udp = get16(p + IP6 + 4);
	if (get16(p + IP6 + 2) != 547 || udp < UDP + 4 || udp > len - IP6)
		return;
	message.at = p + IP6 + UDP;
	message.len = udp - UDP;
	memcpy(id + 4, l->host_mac, 6);
	k = read_dhcp6(&message, id, &client, &rapid);
	if (k < 0)
		return;
	rapid &= kinds[k].type == SOLICIT6;
	if (kinds[k].type == CONFIRM6 && (right = confirm(l, (struct part){ message.at + 4, message.len - 4 })) < 0)
		return;
	begin_ip6(o, l, l->mac, p + 8, PROTO_UDP);
	put16(o, 547);
	put16(o, 546);
	put32(o, 0);
	put8(o, kinds[k].type == SOLICIT6 && !rapid ? ADVERTISE6 : REPLY6);
	put(o, message.at + 1, 3);
	if (client.at)
		put_part(o, P_CLIENT, client.at, client.len);
	put_part(o, P_SERVER, id, sizeof(id));
	if (rapid)
		put_part(o, P_RAPID, nobody, 0);
	else if (kinds[k].type == SOLICIT6)
		put_part(o, P_PREFERENCE, everybody, 1);
	if (kinds[k].lends)
		put_associations(o, l, (struct part){ message.at + 4, message.len - 4 },
		                 kinds[k].type == RENEW6 || kinds[k].type == REBIND6);
	else if (kinds[k].type != INFORMATION6)
		put_status(o, right ? SUCCESS : NOT_ON_LINK);
	if (l->ndns6)
		put_part(o, P_DNS, l->dns6, l->ndns6 * 16);
	set16(o, ETHER + IP6 + 4, o->len - ETHER - IP6);
	end_ip6(o, 6);
}

static void
answer_ip6(const struct lease *l, const uint8_t *p, size_t len, struct pen *o)
{
	size_t all;

	if (len < IP6 || p[0] >> 4 != 6 || l->prefix6 < 1 || l->prefix6 > 128)
		return;
	all = IP6 + get16(p + 4);
	if (all > len)
		return;
	if (p[6] == PROTO_ICMP6 && is_solicitation(p, all))
		advertise(l, o);
	else if (p[6] == PROTO_UDP && p[8] == 0xfe && (p[9] & 0xc0) == 0x80)
		answer_dhcp6(l, p, all, o);
}

/* ---- doors ------------------------------------------------------------------------------------------------ */

size_t
dhcp_answer(const struct lease *l, const uint8_t *frame, size_t len, uint8_t *out, size_t room)
{
	struct pen o = { out, 0, room, false };
	unsigned int type;

	if (len < ETHER || memcmp(frame + 6, l->mac, 6) != 0)
		return 0;
	type = get16(frame + 12);
	if (type == TYPE_IP4)
		answer_dhcp(l, frame + ETHER, len - ETHER, &o);
	else if (type == TYPE_IP6)
		answer_ip6(l, frame + ETHER, len - ETHER, &o);
	return o.over ? 0 : o.len;
}

size_t
dhcp_advertise(const struct lease *l, uint8_t *out, size_t room)
{
	struct pen o = { out, 0, room, false };

	advertise(l, &o);
	return o.over ? 0 : o.len;
}
