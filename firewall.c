/* SPDX-License-Identifier: 0BSD */
/* Whose rules are in the way of what is forwarded: nf_tables, and iptables before that */
#include <errno.h>
#include <fcntl.h>
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

/* of headers that come later than 4.14, or that clash with libc's: a hook, how nft(8) calls the type of links, verdicts */
enum { INET = 1, FORWARD = 2, TYPE_IFNAME = 41, DROP = 0, ACCEPT = 1 };
enum { BASES = 16, JUMPS = 4, NAME = 256 };
enum { ENDS_WITHOUT, ENDS_OPEN, ENDS_CLOSED, ENDS_ELSEWHERE };

struct base {
	uint8_t family;
	bool closed;
	char table[NAME], chain[NAME];
};

struct search {
	char link[IFNAMSIZ];     /* padded with 0 */
	uint32_t index;
	struct base base[BASES];
	size_t nbases;
	/* of the table that is looked at */
	const struct base *at;
	char chain[NAME], target[NAME];  /* how chain ends, and where it goes on */
	int end;
	bool mentioned;
	char sets[2048];         /* those of links: '*' (intervals) or '=', and the name, one after another */
	size_t nsets;            /* bytes */
	bool wild;
};

static uint32_t
number(const struct nlattr *a)
{
	return ntohl(nl_get_u32(a));
}

static bool
is_message(const struct nlmsghdr *h, int type)
{
	return h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | type) && h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nfgenmsg));
}

static const struct nlattr *
attribute(const struct nlmsghdr *h, int type)
{
	return nl_find(h, sizeof(struct nfgenmsg), type);
}

/* of the table that is looked at */
static bool
is_ours(const struct search *s, const struct nlmsghdr *h)
{
	char table[NAME];

	nl_get_str(attribute(h, NFTA_TABLE_NAME), table, sizeof(table));
	return ((const struct nfgenmsg *)NLMSG_DATA(h))->nfgen_family == s->at->family && streq(table, s->at->table);
}

static void
read_chain(void *arg, const struct nlmsghdr *h)
{
	struct search *s = arg;
	struct base *b = &s->base[s->nbases];
	const struct nlattr *hook, *policy;
	size_t i;

	if (!is_message(h, NFT_MSG_NEWCHAIN) || s->nbases == BASES)
		return;
	hook = nl_find_nested(attribute(h, NFTA_CHAIN_HOOK), NFTA_HOOK_HOOKNUM);
	policy = attribute(h, NFTA_CHAIN_POLICY);
	b->family = ((const struct nfgenmsg *)NLMSG_DATA(h))->nfgen_family;
	if (!hook || number(hook) != FORWARD || (b->family != AF_INET && b->family != AF_INET6 && b->family != INET))
		return;
	nl_get_str(attribute(h, NFTA_CHAIN_TABLE), b->table, sizeof(b->table));
	nl_get_str(attribute(h, NFTA_CHAIN_NAME), b->chain, sizeof(b->chain));
	b->closed = policy && number(policy) == DROP;
	for (i = 0; i < s->nbases; i++)
		if (s->base[i].family == b->family && streq(s->base[i].table, b->table) && streq(s->base[i].chain, b->chain))
			return;  /* seen before a dump was torn */
	s->nbases += !after(b->table, "nspawn-lite-");
}

/* what is compared with the name of a link: the whole of it, or how it begins, which is shorter */
static bool
is_name(const struct search *s, const void *data, size_t len)
{
	return len > 0 && len <= sizeof(s->link) && memcmp(data, s->link, len) == 0;
}

static void
read_verdict(struct search *s, const struct nlattr *data)
{
	const struct nlattr *v = nl_find_nested(nl_find_nested(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
	const struct nlattr *code = nl_find_nested(v, NFTA_VERDICT_CODE);
	int32_t verdict = code ? (int32_t)number(code) : NFT_CONTINUE;

	if (verdict == DROP || verdict == ACCEPT)
		s->end = verdict == DROP ? ENDS_CLOSED : ENDS_OPEN;
	if (verdict == NFT_JUMP || verdict == NFT_GOTO) {
		s->end = ENDS_ELSEWHERE;
		nl_get_str(nl_find_nested(v, NFTA_VERDICT_CHAIN), s->target, sizeof(s->target));
	}
}

static void
read_rule(void *arg, const struct nlmsghdr *h)
{
	struct search *s = arg;
	const struct nlattr *list, *e = NULL, *data, *v;
	char name[32], chain[NAME], target[32];
	const void *compared;
	bool last, free_of_conditions = true;
	uint32_t key = 0;
	size_t len;

	list = attribute(h, NFTA_RULE_EXPRESSIONS);
	if (!is_message(h, NFT_MSG_NEWRULE) || !is_ours(s, h))
		return;
	nl_get_str(attribute(h, NFTA_RULE_CHAIN), chain, sizeof(chain));
	last = streq(chain, s->chain);  /* so far */
	if (last)
		s->end = ENDS_WITHOUT;
	while (list && (e = nl_next(list + 1, (const char *)list + list->nla_len, e))) {
		nl_get_str(nl_find_nested(e, NFTA_EXPR_NAME), name, sizeof(name));
		data = nl_find_nested(e, NFTA_EXPR_DATA);
		v = nl_find_nested(nl_find_nested(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
		if (streq(name, "cmp") && v) {
			compared = nl_data(v, &len);
			if (key == NFT_META_IIFNAME || key == NFT_META_OIFNAME)
				s->mentioned |= is_name(s, compared, len);
			if (key == NFT_META_IIF || key == NFT_META_OIF)
				s->mentioned |= len == sizeof(s->index) && memcmp(compared, &s->index, len) == 0;
		}
		key = streq(name, "meta") ? number(nl_find_nested(data, NFTA_META_KEY)) : 0;
		if (!last || !free_of_conditions || streq(name, "counter") || streq(name, "log"))
			continue;
		nl_get_str(nl_find_nested(data, NFTA_TARGET_NAME), target, sizeof(target));
		if (streq(name, "reject") || (streq(name, "target") && streq(target, "REJECT")))
			s->end = ENDS_CLOSED;  /* the latter is iptables' */
		else if (streq(name, "immediate"))
			read_verdict(s, data);
		free_of_conditions = false;
	}
}

static void
read_set(void *arg, const struct nlmsghdr *h)
{
	struct search *s = arg;
	uint32_t type = number(attribute(h, NFTA_SET_KEY_TYPE));
	char name[NAME];
	size_t len;

	if (!is_message(h, NFT_MSG_NEWSET) || !is_ours(s, h))
		return;
	/* types that are joined have six bits each */
	while (type && (type & 63) != TYPE_IFNAME)
		type >>= 6;
	nl_get_str(attribute(h, NFTA_SET_NAME), name, sizeof(name));
	len = strlen(name) + 2;
	if (!type || len > sizeof(s->sets) - s->nsets)
		return;
	s->sets[s->nsets] = number(attribute(h, NFTA_SET_FLAGS)) & NFT_SET_INTERVAL ? '*' : '=';
	memcpy(s->sets + s->nsets + 1, name, len - 1);
	s->nsets += len;
}

static void
read_elements(void *arg, const struct nlmsghdr *h)
{
	struct search *s = arg;
	const struct nlattr *list = attribute(h, NFTA_SET_ELEM_LIST_ELEMENTS), *e = NULL, *v;
	const char *key;
	size_t len, i;

	if (!is_message(h, NFT_MSG_NEWSETELEM) || !is_ours(s, h))
		return;
	while (list && (e = nl_next(list + 1, (const char *)list + list->nla_len, e))) {
		v = nl_find_nested(nl_find_nested(e, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
		if (!v || number(nl_find_nested(e, NFTA_SET_ELEM_FLAGS)) & NFT_SET_ELEM_INTERVAL_END)
			continue;
		key = nl_data(v, &len);
		for (i = 0; i + IFNAMSIZ <= len; i += 4)  /* joined keys are padded so */
			s->mentioned |= memcmp(key + i, s->link, IFNAMSIZ) == 0;
		/* a beginning is an interval, from itself with zeros on */
		if (len == IFNAMSIZ && s->wild)
			s->mentioned |= is_name(s, key, strnlen(key, len));
	}
}

static void
dump(struct search *s, struct nl *nl, int type, const char *set, nl_reader *fn)
{
	struct nfgenmsg g = { .nfgen_family = s->at ? s->at->family : AF_UNSPEC, .version = NFNETLINK_V0 };
	struct nl_msg m;

	nl_begin(&m, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_DUMP, &g, sizeof(g));
	if (s->at)
		nl_str(&m, NFTA_TABLE_NAME, s->at->table);
	if (set)
		nl_str(&m, NFTA_SET_ELEM_LIST_SET, set);
	nl_talk(nl, &m, fn, s);
}

/* does the chain drop or reject what it knows nothing of, and nothing in its table knows the link? */
static bool
blocks(struct search *s, struct nl *nl, struct base *b)
{
	size_t i;

	s->at = b;
	s->nsets = 0;
	s->mentioned = false;
	snprintf(s->chain, sizeof(s->chain), "%s", b->chain);
	for (i = 0; i < JUMPS; i++) {
		s->end = ENDS_WITHOUT;
		dump(s, nl, NFT_MSG_GETRULE, NULL, read_rule);
		if (s->end != ENDS_ELSEWHERE)
			break;
		memcpy(s->chain, s->target, sizeof(s->chain));
	}
	if (s->mentioned || s->end == ENDS_OPEN || (!b->closed && s->end != ENDS_CLOSED))
		return false;
	dump(s, nl, NFT_MSG_GETSET, NULL, read_set);
	for (i = 0; i < s->nsets && !s->mentioned; i += strlen(s->sets + i) + 1) {
		s->wild = s->sets[i] == '*';
		dump(s, nl, NFT_MSG_GETSETELEM, s->sets + i + 1, read_elements);
	}
	return !s->mentioned;
}

/* ---- the same of iptables before nf_tables -------------------------------------------- */

enum { GET_INFO = 64, GET_ENTRIES = 65, OPEN_HOOKS = 5, MOST = 1 << 22 };

struct info {
	char name[32];
	uint32_t hooks, entry[OPEN_HOOKS], policy[OPEN_HOOKS], n, size;
};

/* an entry begins with what it matches, of so many bytes: two names of links and their masks stand at the place told */
struct head4 { uint8_t match[84]; uint32_t seen; uint16_t target, next; uint32_t from; uint64_t counters[2]; };
struct head6 { uint8_t match[136]; uint32_t seen; uint16_t target, next; uint32_t from; uint64_t counters[2]; };

static const struct { int domain, level; const char *names, *tool; size_t match, links, head; } legacies[] = {
	{ AF_INET,  IPPROTO_IP,   "/proc/self/net/ip_tables_names",  "iptables",  84,  16, sizeof(struct head4) },
	{ AF_INET6, IPPROTO_IPV6, "/proc/self/net/ip6_tables_names", "ip6tables", 136, 64, sizeof(struct head6) },
};

static bool
fits(const uint8_t *name, const char *link)
{
	const uint8_t *bits = name + 2 * IFNAMSIZ;
	bool any = false;
	size_t i;

	for (i = 0; i < IFNAMSIZ; i++) {
		any |= bits[i] != 0;
		if (((uint8_t)link[i] ^ name[i]) & bits[i])
			return false;
	}
	return any;
}

/* a verdict of its own is -1 to drop; another target has a name */
static bool
drops(const uint8_t *target, size_t len)
{
	int32_t verdict;

	if (len < 36)
		return false;
	memcpy(&verdict, target + 32, sizeof(verdict));
	return target[2] ? strncmp((const char *)target + 2, "REJECT", 7) == 0 : verdict == -1;
}

/* the policy, or the last rule before it, drops what is forwarded, and no rule speaks of the link */
static bool
legacy_blocks(const uint8_t *at, size_t size, const struct info *in, size_t which, const char *link)
{
	const uint8_t *e;
	uint16_t target, next;
	bool closed = false;
	size_t off, i, match = legacies[which].match;

	for (off = 0; size - off >= legacies[which].head; off += next) {
		e = at + off;
		memcpy(&target, e + match + 4, sizeof(target));
		memcpy(&next, e + match + 6, sizeof(next));
		if (next > size - off || target > next || next < legacies[which].head)
			return false;
		if (fits(e + legacies[which].links, link) || fits(e + legacies[which].links + IFNAMSIZ, link))
			return false;
		if (off < in->entry[FORWARD] || off > in->policy[FORWARD] || target != legacies[which].head)
			continue;
		for (i = 0; i < match && !e[i]; i++)
			;
		if (i == match)
			closed |= drops(e + target, next - target);
	}
	return closed;
}

static bool
legacy_blocker(size_t which, const char *link)
{
	struct { char name[32]; uint32_t size; uint64_t entries[]; } *all = NULL;
	struct info in = { .name = "filter" };
	char names[512] = "";
	socklen_t len = sizeof(in);
	bool found = false;
	int fd;

	/* asked for otherwise, it would come to be */
	if (read_at(AT_FDCWD, legacies[which].names, names, sizeof(names)) <= 0 || !strstr(names, "filter\n"))
		return false;
	fd = socket(legacies[which].domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return false;
	if (getsockopt(fd, legacies[which].level, GET_INFO, &in, &len) == 0 && in.size <= MOST
	    && (all = calloc(1, sizeof(*all) + in.size))) {
		memcpy(all->name, in.name, sizeof(all->name));
		all->size = in.size;
		len = (socklen_t)(sizeof(*all) + in.size);
		if (getsockopt(fd, legacies[which].level, GET_ENTRIES, all, &len) == 0)
			found = legacy_blocks((const uint8_t *)all->entries, in.size, &in, which, link);
	}
	free(all);
	close(fd);
	return found;
}

bool
firewall_blocker(const char *link, char *text, size_t size)
{
	static const char families[][5] = { [INET] = "inet", [AF_INET] = "ip", [AF_INET6] = "ip6" };
	struct search s = { .index = if_nametoindex(link) };
	struct nl nl;
	size_t i;

	memcpy(s.link, link, strnlen(link, sizeof(s.link) - 1));
	if (nl_open(&nl, NETLINK_NETFILTER) == 0) {
		dump(&s, &nl, NFT_MSG_GETCHAIN, NULL, read_chain);
		for (i = 0; i < s.nbases; i++)
			if (blocks(&s, &nl, &s.base[i]))
				break;
		nl_close(&nl);
		if (i < s.nbases) {
			snprintf(text, size, "table %s %s, chain %s%s", families[s.base[i].family], s.base[i].table,
			         s.base[i].chain, s.base[i].closed ? " (policy drop)" : "");
			return true;
		}
	}
	for (i = 0; i < LEN(legacies); i++) {
		if (!legacy_blocker(i, s.link))
			continue;
		snprintf(text, size, "%s, table filter, chain FORWARD", legacies[i].tool);
		return true;
	}
	return false;
}
