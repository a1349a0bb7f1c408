/* SPDX-License-Identifier: 0BSD */
/* nf_tables, by nfnetlink: the rules of one machine */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include "util.h"

/*
 * Of headers that come later than 4.14 (owner of a table: 5.12), or that clash with libc's: hooks, what a tracked
 * connection has been through, and how nft(8) calls the types of ports and of links
 */
enum { OWNER = 2, INET = 1, PREROUTING = 0, FORWARD = 2, OUTPUT = 3, POSTROUTING = 4, DST_NAT = 1 << 5,
       TYPE_SERVICE = 13, TYPE_IFNAME = 41, DROP = 0, ACCEPT = 1 };
enum { PORTS_AT_ONCE = 60, BATCH_FIRST = 1 << 16, BATCH_MOST = 1 << 20 };

/* messages that take effect together, or not at all */
struct batch {
	struct nl_msg m;         /* the one that is being built */
	char *buf;
	size_t len, at;          /* at: of the last */
	uint32_t seq;
	int over;  /* errno of why it cannot be sent, or 0 */
	uint8_t family;
	const char *table;
	const char *failed;      /* after a failure: what the kernel refused */
	int failed_type, failed_family;
};

/* ---- building ----------------------------------------------------------------------- */

/* the first attribute of all messages about tables and what is in them is the table's name */
static void
begin(struct batch *b, int type, int flags)
{
	struct nfgenmsg g = { .nfgen_family = b->family, .version = NFNETLINK_V0 };

	nl_begin(&b->m, NFNL_SUBSYS_NFTABLES << 8 | type, flags, &g, sizeof(g));
	nl_str(&b->m, NFTA_TABLE_NAME, b->table);
}

/* of all of them: there is one at a time */
static struct { char *buf; size_t size; } batches;

static bool
enlarge(struct batch *b)
{
	size_t size = batches.size ? 2 * batches.size : BATCH_FIRST;
	void *fresh = NULL;

	if (size > BATCH_MOST)
		return false;
	scratch_room(&fresh, size);
	batches.buf = b->len ? memcpy(fresh, b->buf, b->len) : fresh;
	batches.size = size;
	b->buf = batches.buf;
	return true;
}

static void
add(struct batch *b)
{
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)b->m.buf;

	if (b->m.over || (batches.size - b->len < b->m.len && !enlarge(b)))
		b->over = EMSGSIZE;
	if (b->over)
		return;
	h->nlmsg_len = (uint32_t)b->m.len;
	h->nlmsg_seq = b->seq++;
	b->at = b->len;
	memcpy(b->buf + b->len, h, b->m.len);
	b->len += b->m.len;
}

static void
add_edge(struct batch *b, int type)
{
	struct nfgenmsg g = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nl_begin(&b->m, type, 0, &g, sizeof(g));
	add(b);
}

static void
nest(struct nl_msg *m, int type)
{
	nl_nest(m, type | NLA_F_NESTED);
}

/* numbers go in the order of the wire: pairs of type and number, ended by 0 */
static void
numbers(struct nl_msg *m, va_list ap)
{
	int type;

	while ((type = va_arg(ap, int)))
		nl_u32(m, type, htonl(va_arg(ap, uint32_t)));
}

static void
put_numbers(struct nl_msg *m, ...)
{
	va_list ap;

	va_start(ap, m);
	numbers(m, ap);
	va_end(ap);
}

static void
open_expr(struct nl_msg *m, const char *name, ...)
{
	va_list ap;

	nest(m, NFTA_LIST_ELEM);
	nl_str(m, NFTA_EXPR_NAME, name);
	nest(m, NFTA_EXPR_DATA);
	va_start(ap, name);
	numbers(m, ap);
	va_end(ap);
}

static void
end_expr(struct nl_msg *m)
{
	nl_end(m);
	nl_end(m);
}

static void
value(struct nl_msg *m, int type, const void *data, size_t len)
{
	nest(m, type);
	nl_raw(m, NFTA_DATA_VALUE, data, len);
	nl_end(m);
}

/* register 1 is of 16 bytes, and all is compared there */
static void
compare(struct nl_msg *m, int op, const void *data, size_t len)
{
	open_expr(m, "cmp", NFTA_CMP_SREG, NFT_REG_1, NFTA_CMP_OP, op, 0);
	value(m, NFTA_CMP_DATA, data, len);
	end_expr(m);
}

static void
mask(struct nl_msg *m, const void *bits, size_t len)
{
	static const uint8_t none[16];

	open_expr(m, "bitwise", NFTA_BITWISE_SREG, NFT_REG_1, NFTA_BITWISE_DREG, NFT_REG_1,
	          NFTA_BITWISE_LEN, (uint32_t)len, 0);
	value(m, NFTA_BITWISE_MASK, bits, len);
	value(m, NFTA_BITWISE_XOR, none, len);
	end_expr(m);
}

static void
load_meta(struct nl_msg *m, int key)
{
	open_expr(m, "meta", NFTA_META_KEY, key, NFTA_META_DREG, NFT_REG_1, 0);
	end_expr(m);
}

static void
load_packet(struct nl_msg *m, int base, int offset, size_t len)
{
	open_expr(m, "payload", NFTA_PAYLOAD_DREG, NFT_REG_1, NFTA_PAYLOAD_BASE, base, NFTA_PAYLOAD_OFFSET, offset,
	          NFTA_PAYLOAD_LEN, (uint32_t)len, 0);
	end_expr(m);
}

static void
set_register(struct nl_msg *m, int reg, const void *data, size_t len)
{
	open_expr(m, "immediate", NFTA_IMMEDIATE_DREG, reg, 0);
	value(m, NFTA_IMMEDIATE_DATA, data, len);
	end_expr(m);
}

static void
begin_rule(struct batch *b, const char *chain)
{
	begin(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nl_str(&b->m, NFTA_RULE_CHAIN, chain);
	nest(&b->m, NFTA_RULE_EXPRESSIONS);
}

static void
end_rule(struct batch *b)
{
	nl_end(&b->m);
	add(b);
}

/* ---- what the rules say ------------------------------------------------------------- */

static size_t
address_size(const struct batch *b)
{
	return b->family == AF_INET ? 4 : 16;
}

static void
match_network(struct batch *b, bool source, const uint8_t *net, int prefix)
{
	uint8_t bits[16] = { 0 }, masked[16];
	size_t len = address_size(b), i;
	int at = b->family == AF_INET ? 12 : 8;

	for (i = 0; i < len; i++) {
		if (prefix >= (int)(8 * i + 8))
			bits[i] = 0xff;
		else if (prefix > (int)(8 * i))
			bits[i] = (uint8_t)(0xff << (8 * i + 8 - (size_t)prefix));
		masked[i] = net[i] & bits[i];
	}
	load_packet(&b->m, NFT_PAYLOAD_NETWORK_HEADER, source ? at : at + (int)len, len);
	if (prefix < (int)(8 * len))
		mask(&b->m, bits, len);
	compare(&b->m, NFT_CMP_EQ, masked, len);
}

static void
match_link(struct batch *b, int key, int op, const char *link)
{
	char name[IFNAMSIZ] = "";

	memcpy(name, link, strnlen(link, sizeof(name) - 1));
	load_meta(&b->m, key);
	compare(&b->m, op, name, sizeof(name));
}

static void
match_dnat(struct batch *b)
{
	uint32_t bits = DST_NAT, none = 0;

	open_expr(&b->m, "ct", NFTA_CT_KEY, NFT_CT_STATUS, NFTA_CT_DREG, NFT_REG_1, 0);
	end_expr(&b->m);
	mask(&b->m, &bits, sizeof(bits));
	compare(&b->m, NFT_CMP_NEQ, &none, sizeof(none));
}

static void
masquerade(struct batch *b)
{
	open_expr(&b->m, "masq", 0);
	end_expr(&b->m);
	end_rule(b);
}

static void
add_chain(struct batch *b, const char *name, int hook, int priority)
{
	begin(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nl_str(&b->m, NFTA_CHAIN_NAME, name);
	nest(&b->m, NFTA_CHAIN_HOOK);
		put_numbers(&b->m, NFTA_HOOK_HOOKNUM, hook, NFTA_HOOK_PRIORITY, priority, 0);
	nl_end(&b->m);
	nl_str(&b->m, NFTA_CHAIN_TYPE, "nat");
	add(b);
}

/* what goes to one of these stays: loopback, which a machine is never reached by, and addresses of one link */
static void
spare(struct batch *b, const char *chain, const uint8_t *net, int prefix)
{
	begin_rule(b, chain);
	match_network(b, false, net, prefix);
	open_expr(&b->m, "immediate", NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT, 0);
		nest(&b->m, NFTA_IMMEDIATE_DATA);
			nest(&b->m, NFTA_DATA_VERDICT);
				put_numbers(&b->m, NFTA_VERDICT_CODE, NFT_RETURN, 0);
			nl_end(&b->m);
		nl_end(&b->m);
	end_expr(&b->m);
	end_rule(b);
}

/* where each port of a range leads, when that is another number: nothing adds in nf_tables */
static void
add_map(struct batch *b, const char *name, uint32_t id, const struct nft_port *p)
{
	uint32_t port = p->first, n;
	uint16_t from, to;

	begin(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	nl_str(&b->m, NFTA_SET_NAME, name);
	put_numbers(&b->m, NFTA_SET_FLAGS, NFT_SET_MAP, NFTA_SET_KEY_TYPE, TYPE_SERVICE, NFTA_SET_KEY_LEN, sizeof(from),
	            NFTA_SET_DATA_TYPE, TYPE_SERVICE, NFTA_SET_DATA_LEN, sizeof(to), NFTA_SET_ID, id, 0);
	add(b);
	while (port <= p->last) {
		begin(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
		nl_str(&b->m, NFTA_SET_ELEM_LIST_SET, name);
		put_numbers(&b->m, NFTA_SET_ELEM_LIST_SET_ID, id, 0);
		nest(&b->m, NFTA_SET_ELEM_LIST_ELEMENTS);
		for (n = 0; n < PORTS_AT_ONCE && port <= p->last; n++, port++) {
			from = htons((uint16_t)port);
			to = htons((uint16_t)(p->guest + (port - p->first)));
			nest(&b->m, NFTA_LIST_ELEM);
				value(&b->m, NFTA_SET_ELEM_KEY, &from, sizeof(from));
				value(&b->m, NFTA_SET_ELEM_DATA, &to, sizeof(to));
			nl_end(&b->m);
		}
		nl_end(&b->m);
		add(b);
	}
}

/* load is the port in the packet into register 1; what is there becomes register 2 */
static void
load_port(struct batch *b)
{
	load_packet(&b->m, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(uint16_t));
}

static void
add_port(struct batch *b, const char *chain, const struct nft_port *p, const char *map, uint32_t id, const uint8_t *guest)
{
	uint16_t first = htons(p->first), last = htons(p->last), to = htons(p->guest);
	uint32_t local = RTN_LOCAL;
	bool moves = p->guest != p->first;

	begin_rule(b, chain);
	load_meta(&b->m, NFT_META_L4PROTO);
	compare(&b->m, NFT_CMP_EQ, &p->proto, sizeof(p->proto));
	load_port(b);
	compare(&b->m, first == last ? NFT_CMP_EQ : NFT_CMP_GTE, &first, sizeof(first));
	if (first != last)
		compare(&b->m, NFT_CMP_LTE, &last, sizeof(last));
	if (p->family != AF_UNSPEC) {
		match_network(b, false, p->address, (int)(8 * address_size(b)));
	} else {
		open_expr(&b->m, "fib", NFTA_FIB_DREG, NFT_REG_1, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE,
		          NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR, 0);
		end_expr(&b->m);
		compare(&b->m, NFT_CMP_EQ, &local, sizeof(local));
	}
	if (moves && first == last) {
		set_register(&b->m, NFT_REG_2, &to, sizeof(to));
	} else if (moves) {
		load_port(b);
		open_expr(&b->m, "lookup", NFTA_LOOKUP_SREG, NFT_REG_1, NFTA_LOOKUP_DREG, NFT_REG_2, NFTA_LOOKUP_SET_ID, id, 0);
		nl_str(&b->m, NFTA_LOOKUP_SET, map);
		end_expr(&b->m);
	}
	set_register(&b->m, NFT_REG_1, guest, address_size(b));
	open_expr(&b->m, "nat", NFTA_NAT_TYPE, NFT_NAT_DNAT, NFTA_NAT_FAMILY, b->family, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1,
	          moves ? NFTA_NAT_REG_PROTO_MIN : 0, NFT_REG_2, 0);
	end_expr(&b->m);
	end_rule(b);
}

static bool
concerns(const struct nft_port *p, int family)
{
	return p->family == AF_UNSPEC || p->family == family;
}

static void
add_ports(struct batch *b, const struct nft_rules *r, const uint8_t *guest)
{
	static const struct { const char *name; int hook; } chains[] = {
		{ "prerouting", PREROUTING }, { "output", OUTPUT },
	};
	static const uint8_t loopback[4] = { 127 }, loopback6[16] = { [15] = 1 }, link_local[16] = { 0xfe, 0x80 };
	const struct nft_port *p;
	char map[32];
	size_t i, c;

	for (c = 0; c < LEN(chains); c++) {
		add_chain(b, chains[c].name, chains[c].hook, -100);
		spare(b, chains[c].name, b->family == AF_INET ? loopback : loopback6, b->family == AF_INET ? 8 : 128);
		if (b->family == AF_INET6)
			spare(b, chains[c].name, link_local, 10);
		else if (r->keep[0])
			spare(b, chains[c].name, r->keep, 32);
	}
	for (i = 0; i < r->nports; i++) {
		p = &r->port[i];
		if (!concerns(p, b->family))
			continue;
		snprintf(map, sizeof(map), "%s-%u", p->proto == IPPROTO_UDP ? "udp" : "tcp", (unsigned int)i);
		if (p->first != p->last && p->first != p->guest)
			add_map(b, map, (uint32_t)i + 1, p);
		for (c = 0; c < LEN(chains); c++)
			add_port(b, chains[c].name, p, map, (uint32_t)i + 1, guest);
	}
}

static bool
has_ports(const struct nft_rules *r, int family)
{
	size_t i;

	for (i = 0; i < r->nports; i++)
		if (concerns(&r->port[i], family))
			return family == AF_INET ? r->has_guest : r->has_guest6;
	return false;
}

static void
add_table(struct batch *b, const struct nft_rules *r, bool owned)
{
	static const char chain[] = "postrouting";
	bool ip = b->family == AF_INET, ports = has_ports(r, b->family);
	const uint8_t *net = ip ? r->net : r->net6;
	int prefix = ip ? r->prefix : r->prefix6;

	begin(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	put_numbers(&b->m, NFTA_TABLE_FLAGS, owned ? OWNER : 0, 0);
	add(b);
	if (ports)
		add_ports(b, r, ip ? r->guest : r->guest6);
	add_chain(b, chain, POSTROUTING, 100);
	if (prefix) {
		begin_rule(b, chain);
		match_network(b, true, net, prefix);
		match_link(b, NFT_META_OIFNAME, NFT_CMP_NEQ, r->link);
		masquerade(b);
	}
	if (!ports)
		return;
	/* one beside the guest, or itself, that asked the host: the answer must come back through us */
	begin_rule(b, chain);
	if (prefix)
		match_network(b, true, net, prefix);
	else
		match_link(b, NFT_META_IIFNAME, NFT_CMP_EQ, r->link);  /* 5.7 */
	match_link(b, NFT_META_OIFNAME, NFT_CMP_EQ, r->link);
	match_dnat(b);
	masquerade(b);
}

/* ---- putting it in force ------------------------------------------------------------ */

static const char *
need(int type, const char *chain, bool ip, bool ct)
{
	switch (type) {
	case NFT_MSG_NEWTABLE: return ip ? "CONFIG_NF_TABLES_IPV4" : "CONFIG_NF_TABLES_IPV6";
	case NFT_MSG_NEWCHAIN: return "CONFIG_NFT_NAT";
	case NFT_MSG_NEWRULE:
		if (streq(chain, "postrouting"))
			return ct ? "CONFIG_NFT_CT, CONFIG_NFT_MASQ" : "CONFIG_NFT_MASQ";
		return ip ? "CONFIG_NFT_FIB_IPV4" : "CONFIG_NFT_FIB_IPV6";
	default: return "CONFIG_NF_TABLES";
	}
}

/* which message of ours it was that failed */
static void
tell_failed(struct batch *b, uint32_t seq)
{
	const struct nlmsghdr *h;
	char chain[16];
	size_t at;

	b->failed = "CONFIG_NF_TABLES";
	b->failed_type = b->failed_family = -1;
	for (at = 0; at < b->len; at += h->nlmsg_len) {
		h = (const struct nlmsghdr *)(const void *)(b->buf + at);
		if (h->nlmsg_seq != seq || h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
			continue;
		b->failed_type = h->nlmsg_type & 0xff;
		b->failed_family = ((const struct nfgenmsg *)NLMSG_DATA(h))->nfgen_family;
		nl_get_str(nl_find(h, sizeof(struct nfgenmsg), NFTA_RULE_CHAIN), chain, sizeof(chain));
		b->failed = need(b->failed_type, chain, b->failed_family == AF_INET, memmem(h, h->nlmsg_len, "ct", sizeof("ct")));
	}
}

/* all that the kernel has to say it has said when send comes back: the first error, or the last's acknowledgement */
static int
hear(struct nl *nl, struct batch *b, uint32_t last)
{
	_Alignas(8) char buf[8192];
	const struct nlmsghdr *h;
	const struct nlmsgerr *e;
	bool done = false;
	int error = 0;
	ssize_t n;

	for (;;) {
		n = recv(nl->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;  /* more errors than there is room for */
		if (n < 0)
			break;
		h = (const struct nlmsghdr *)(const void *)buf;
		e = NLMSG_DATA(h);
		if ((size_t)n < NLMSG_LENGTH(sizeof(*e)) || h->nlmsg_type != NLMSG_ERROR)
			continue;
		if (e->error && !error) {
			error = -e->error;
			tell_failed(b, h->nlmsg_seq);
		}
		done |= !e->error && h->nlmsg_seq == last;
	}
	if (!error && !done) {
		error = EPROTO;
		tell_failed(b, last);
	}
	errno = error;
	return error ? -1 : 0;
}

static int
commit(struct nl *nl, struct batch *b)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlmsghdr *h;
	uint32_t last = 0;
	int room;

	if (!b->over) {
		h = (struct nlmsghdr *)(void *)(b->buf + b->at);
		h->nlmsg_flags |= NLM_F_ACK;
		last = h->nlmsg_seq;
		add_edge(b, NFNL_MSG_BATCH_END);
		nl->seq = b->seq;
	}
	if (b->over) {
		b->failed = "too many ports";
		errno = b->over;
		return -1;
	}
	room = (int)b->len;
	setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (sendto(nl->fd, b->buf, b->len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		b->failed = "CONFIG_NF_TABLES";
		return -1;
	}
	return hear(nl, b, last);
}

static void
start(struct batch *b, const struct nl *nl, const char *table)
{
	b->buf = batches.buf;
	b->len = b->at = 0;
	b->over = 0;
	b->seq = nl->seq + 1;
	b->table = table;
	b->failed = NULL;
	b->failed_type = b->failed_family = -1;
	add_edge(b, NFNL_MSG_BATCH_BEGIN);
}

static void
add_removal(struct batch *b, uint8_t family)
{
	b->family = family;
	begin(b, NFT_MSG_DELTABLE, 0);
	add(b);
}

static int
attempt(struct nft *n, struct batch *b, const struct nft_rules *r, bool ip, bool ip6, bool owned)
{
	start(b, &n->nl, n->table);
	if (n->ip)
		add_removal(b, AF_INET);
	if (n->ip6)
		add_removal(b, AF_INET6);
	b->family = AF_INET;
	if (ip)
		add_table(b, r, owned);
	b->family = AF_INET6;
	if (ip6)
		add_table(b, r, owned);
	return commit(&n->nl, b);
}

int
nft_set(struct nft *n, const char *name, const struct nft_rules *r)
{
	bool ip = r->prefix || has_ports(r, AF_INET), ip6 = r->prefix6 || has_ports(r, AF_INET6);
	bool first = !n->ip && !n->ip6, owned = first || n->owned, swept = false;
	char missing[sizeof(n->nl.why)] = "";
	struct batch b = { .buf = NULL };
	int rc = 0, saved;

	if (!ip && !ip6 && first)
		return 0;
	snprintf(n->table, sizeof(n->table), "nspawn-lite-%s", name);
	if (n->nl.fd < 0 && nl_open(&n->nl, NETLINK_NETFILTER) < 0) {
		snprintf(n->nl.why, sizeof(n->nl.why), "%s (CONFIG_NETFILTER_NETLINK)", strerror(errno));
		return -1;
	}
	while ((rc = attempt(n, &b, r, ip, ip6, owned)) < 0) {
		saved = errno;
		snprintf(n->nl.why, sizeof(n->nl.why), "%s (%s)", strerror(saved), b.failed);
		if (b.failed_type == NFT_MSG_NEWTABLE && first && owned && (saved == EINVAL || saved == EOPNOTSUPP)) {
			owned = false;
		} else if (b.failed_type == NFT_MSG_NEWTABLE && saved == EEXIST && !swept && nft_remove(name) == 0) {
			swept = true;
		} else if (b.failed_family == AF_INET6 && ip && ip6) {
			ip6 = false;
			memcpy(missing, n->nl.why, sizeof(missing));
		} else {
			break;
		}
	}
	saved = errno;
	if (rc < 0) {
		if (first)
			nl_close(&n->nl);
		errno = saved;
		return -1;
	}
	memcpy(n->nl.why, missing, sizeof(missing));
	n->ip = ip;
	n->ip6 = ip6;
	n->owned = owned;
	return 0;
}

static int
remove_table(struct nl *nl, const char *table, uint8_t family)
{
	struct batch b = { .buf = NULL };
	int rc;

	start(&b, nl, table);
	add_removal(&b, family);
	rc = commit(nl, &b);
	/* no such table, no such family, or no nf_tables at all */
	return rc < 0 && errno != ENOENT && errno != EAFNOSUPPORT && errno != EOPNOTSUPP && errno != EINVAL ? -1 : 0;
}

void
nft_close(struct nft *n)
{
	if (n->nl.fd < 0)
		return;
	if (n->ip && !n->owned)
		remove_table(&n->nl, n->table, AF_INET);
	if (n->ip6 && !n->owned)
		remove_table(&n->nl, n->table, AF_INET6);
	nl_close(&n->nl);
	n->ip = n->ip6 = false;
}

int
nft_remove(const char *name)
{
	char table[sizeof(((struct nft *)0)->table)];
	struct nl nl;
	int rc;

	if (nl_open(&nl, NETLINK_NETFILTER) < 0)
		return errno == EPROTONOSUPPORT ? 0 : -1;
	snprintf(table, sizeof(table), "nspawn-lite-%s", name);
	rc = remove_table(&nl, table, AF_INET) | remove_table(&nl, table, AF_INET6);
	nl_close(&nl);
	return rc;
}
