/* SPDX-License-Identifier: 0BSD */
/*
 * test-nft set NAME [WORD...] : puts rules in force, says "set owned|left ip|- ip6|- WHY", and keeps them until its
 * input ends. A line of words from there replaces them. Words: link=L net=A/N guest=A port=[ADDR,]PROTO:FIRST-LAST:GUEST
 * test-nft remove NAME | blocker LINK | move LINK PID
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "../util.h"

static int
address(const char *s, void *out)
{
	if (inet_pton(AF_INET, s, out) == 1)
		return AF_INET;
	if (inet_pton(AF_INET6, s, out) == 1)
		return AF_INET6;
	die("no address: %s", s);
}

static void
read_port(char *w, struct nft_port *p)
{
	char *proto = strchr(w, ',');
	unsigned int first, last, guest;

	memset(p, 0, sizeof(*p));
	if (proto) {
		*proto++ = 0;
		p->family = (uint8_t)address(w, p->address);
	} else {
		proto = w;
	}
	p->proto = strncmp(proto, "udp:", 4) == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	if (sscanf(proto + 4, "%u-%u:%u", &first, &last, &guest) != 3) {
		if (sscanf(proto + 4, "%u:%u", &first, &guest) != 2)
			die("no port: %s", proto);
		last = first;
	}
	p->first = (uint16_t)first;
	p->last = (uint16_t)last;
	p->guest = (uint16_t)guest;
}

static void
read_word(char *w, struct nft_rules *r, struct nft_port *ports)
{
	uint8_t a[16];
	char *s;

	if ((s = strchr(w, '=')))
		*s++ = 0;
	else
		die("no word: %s", w);
	if (streq(w, "link")) {
		r->link = s;
	} else if (streq(w, "port")) {
		if (r->nports == 64)
			die("too many ports");
		read_port(s, &ports[r->nports++]);
	} else if (streq(w, "net")) {
		char *slash = strchr(s, '/');

		if (!slash)
			die("no prefix: %s", s);
		*slash = 0;
		if (address(s, a) == AF_INET) {
			memcpy(r->net, a, 4);
			r->prefix = atoi(slash + 1);
		} else {
			memcpy(r->net6, a, 16);
			r->prefix6 = atoi(slash + 1);
		}
	} else if (streq(w, "guest")) {
		if (address(s, a) == AF_INET) {
			memcpy(r->guest, a, 4);
			r->has_guest = true;
		} else {
			memcpy(r->guest6, a, 16);
			r->has_guest6 = true;
		}
	} else {
		die("no word: %s", w);
	}
}

static void
put(struct nft *n, const char *name, char **words)
{
	static struct nft_port ports[64];
	struct nft_rules r = { .link = "lo", .port = ports };

	for (; words && *words; words++)
		read_word(*words, &r, ports);
	if (nft_set(n, name, &r) < 0)
		print(1, "failed %s\n", n->nl.why);
	else
		print(1, "set %s %s %s %s\n", n->owned ? "owned" : "left", n->ip ? "ip" : "-", n->ip6 ? "ip6" : "-", n->nl.why);
}

/* busybox of 2018 cannot */
static int
move(const char *link, const char *pid)
{
	struct nl_msg m;
	struct nl nl;

	if (nl_open_route(&nl) < 0)
		die("rtnetlink:");
	nl_begin_link(&m, RTM_NEWLINK, 0, (int)if_nametoindex(link), 0, 0);
	nl_u32(&m, IFLA_NET_NS_PID, (uint32_t)atoi(pid));
	if (nl_talk(&nl, &m, NULL, NULL) < 0)
		die("move %s: %s", link, nl.why);
	return 0;
}

int
main(int argc, char **argv)
{
	struct nft n = { .nl.fd = -1 };
	char line[4096], text[400], **words, *w, *rest;

	if (argc < 3)
		die("what?");
	if (streq(argv[1], "remove")) {
		if (nft_remove(argv[2]) < 0)
			die("remove:");
		return 0;
	}
	if (streq(argv[1], "blocker")) {
		if (!firewall_blocker(argv[2], text, sizeof(text)))
			return 1;
		print(1, "%s\n", text);
		return 0;
	}
	if (streq(argv[1], "move") && argc == 4)
		return move(argv[2], argv[3]);
	put(&n, argv[2], argv + 3);
	while (fgets(line, sizeof(line), stdin)) {
		words = NULL;
		for (w = strtok_r(line, " \n", &rest); w; w = strtok_r(NULL, " \n", &rest))
			grow(&words, xstrdup(w));
		put(&n, argv[2], words);
	}
	nft_close(&n);
	return 0;
}
