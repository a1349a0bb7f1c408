/* SPDX-License-Identifier: 0BSD */
/* The links of a machine: veth, bridge, zone, macvlan, ipvlan */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net/if.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "nspawn-lite.h"

/* if_link.h of Linux 5.5 */
enum { PROP_LIST = 52, ALT_IFNAME = 53, NEWLINKPROP = 108 };

bool
net_private(const struct plan *p)
{
	return p->private_network || p->network_veth || p->network_bridge || p->network_zone || p->network_veth_extra
	    || p->network_interface || p->network_macvlan || p->network_ipvlan || p->network_namespace_path;
}

static bool
has_veth(const struct plan *p)
{
	return p->network_veth || p->network_bridge || p->network_zone;
}

void
net_check(const struct plan *p)
{
	(void)p;
}

void
net_host_id(uint8_t id[16])
{
	char text[64] = "";

	if (read_at(AT_FDCWD, "/etc/machine-id", text, sizeof(text)) < 32)
		return;
	text[32] = 0;
	parse_id128(text, id);
}

/* features.md 6.1: too long a name keeps 11 characters, and 4 of its hash follow */
static char *
shorten(const char *full)
{
	static const uint8_t key[16] = {
		0xe1, 0x90, 0xa4, 0x04, 0xa8, 0xef, 0x4b, 0x51, 0x8c, 0xcc, 0xc3, 0x3a, 0x9f, 0x11, 0xfc, 0xa2,
	};
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint64_t h;

	if (strlen(full) < IFNAMSIZ)
		return xstrdup(full);
	h = siphash24(full, strlen(full), key);
	return fmt("%.11s%c%c%c%c", full, digits[h >> 18 & 63], digits[h >> 12 & 63], digits[h >> 6 & 63], digits[h & 63]);
}

/* features.md 6.2: what stays the same for a name on a host */
static void
make_mac(const char *name, const uint8_t key[16], uint64_t index, uint8_t mac[6])
{
	uint8_t data[16 + NAME_LONGEST + 8] = { 0 };
	size_t len = strlen(name), i;
	uint64_t h;

	net_host_id(data);
	memcpy(data + 16, name, len);
	len += 16;
	for (i = 0; index && i < 8; i++)
		data[len++] = (uint8_t)(index >> (8 * i));
	h = siphash24(data, len, key);
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)(h >> (8 * i));
	mac[0] = (uint8_t)((mac[0] & 0xfe) | 2);
}

static struct link *
add_link(struct run *r, int kind, char *host, char *guest)
{
	struct link *l;

	r->link = realloc(r->link, (r->nlinks + 1) * sizeof(*r->link));
	if (!r->link)
		die("out of memory");
	l = &r->link[r->nlinks++];
	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->host = host;
	l->guest = guest;
	return l;
}

static void
unmake(struct run *r)
{
	struct nl_link now;
	size_t i;

	for (i = 0; i < r->nlinks; i++)
		if (r->link[i].made && nl_find_link(&r->host_net, NULL, r->link[i].index, &now) == 0)
			nl_delete_link(&r->host_net, r->link[i].index);
}

void
net_look(const struct plan *p, struct run *r)
{
	static const uint8_t host_key[16] = {
		0x1a, 0x37, 0x6f, 0xc7, 0x46, 0xec, 0x45, 0x0b, 0xad, 0xa3, 0xd5, 0x31, 0x06, 0x60, 0x5d, 0xb1,
	}, guest_key[16] = {
		0xc3, 0xc4, 0xf9, 0x19, 0xb5, 0x57, 0xb2, 0x1c, 0xe6, 0xcf, 0x14, 0x27, 0x03, 0x9c, 0xee, 0xa2,
	};
	struct nl_link bridge;
	struct link *l;
	char *full;

	if (!net_private(p))
		return;
	if (nl_open_route(&r->host_net) < 0)
		die("open rtnetlink (CONFIG_NET):");
	if (!has_veth(p))
		return;
	if (p->network_bridge)
		r->bridge = p->network_bridge;
	if (p->network_zone) {
		r->bridge = fmt("vz-%s", p->network_zone);
		share_join(&r->zone, fmt("zone.%s", p->network_zone));
		share_open(&r->zone);
	}
	if (r->bridge && !p->network_zone) {
		if (nl_find_link(&r->host_net, r->bridge, 0, &bridge) < 0)
			die("--network-bridge=%s: %s", r->bridge, r->host_net.why);
		r->bridge_index = bridge.index;
	}
	full = fmt("%s-%s", r->bridge ? "vb" : "ve", r->name);
	l = add_link(r, LINK_VETH, shorten(full), xstrdup(p->network_veth_name ? p->network_veth_name : "host0"));
	if (!streq(l->host, full))
		l->full = full;
	make_mac(r->name, host_key, 0, l->host_mac);
	make_mac(r->name, guest_key, 0, l->mac);
	l->has_mac = true;
	grow(&r->notes, fmt("LINK=%s", l->host));
	undo(r, unmake);
}

void
net_make_zone(const struct plan *p, struct run *r)
{
	struct nl_link bridge;
	struct nl_msg m;

	if (!p->network_zone)
		return;
	share_close(&r->zone);
	if (nl_find_link(&r->host_net, r->bridge, 0, &bridge) < 0) {
		nl_begin_link(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, IFF_UP, IFF_UP);
		nl_str(&m, IFLA_IFNAME, r->bridge);
		nl_nest(&m, IFLA_LINKINFO);
			nl_str(&m, IFLA_INFO_KIND, "bridge");
		nl_end(&m);
		if (nl_talk(&r->host_net, &m, NULL, NULL) < 0 || nl_find_link(&r->host_net, r->bridge, 0, &bridge) < 0)
			die("make bridge %s (CONFIG_BRIDGE): %s", r->bridge, r->host_net.why);
	}
	r->bridge_index = bridge.index;
	share_open(&r->zone);
}

/* one message makes the pair, and puts each end where it belongs: moving one later would wait for every CPU */
static void
make_veth(struct run *r, struct link *l, int master)
{
	static const struct ifinfomsg none;
	struct nl_link made;
	struct nl_msg m;

	nl_begin_link(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, IFF_UP, IFF_UP);
	nl_str(&m, IFLA_IFNAME, l->host);
	nl_raw(&m, IFLA_ADDRESS, l->host_mac, sizeof(l->host_mac));
	if (master)
		nl_u32(&m, IFLA_MASTER, (uint32_t)master);
	nl_nest(&m, IFLA_LINKINFO);
		nl_str(&m, IFLA_INFO_KIND, "veth");
		nl_nest(&m, IFLA_INFO_DATA);
			nl_nest(&m, VETH_INFO_PEER);
				nl_bare(&m, &none, sizeof(none));
				nl_str(&m, IFLA_IFNAME, l->guest);
				nl_raw(&m, IFLA_ADDRESS, l->mac, sizeof(l->mac));
				nl_u32(&m, IFLA_NET_NS_PID, (uint32_t)getpid());
			nl_end(&m);
		nl_end(&m);
	nl_end(&m);
	if (nl_talk(&r->host_net, &m, NULL, NULL) < 0 || nl_find_link(&r->host_net, l->host, 0, &made) < 0)
		die("make link %s (CONFIG_VETH): %s", l->host, r->host_net.why);
	l->index = made.index;
	l->made = true;
}

void
net_make(const struct plan *p, struct run *r)
{
	struct nl_link inner;
	struct nl own;
	size_t i;

	(void)p;
	if (!r->nlinks)
		return;
	if (nl_open_route(&own) < 0)
		die("open rtnetlink inside:");
	for (i = 0; i < r->nlinks; i++) {
		if (r->link[i].kind == LINK_VETH)
			make_veth(r, &r->link[i], r->bridge_index);
		if (r->link[i].kind == LINK_MOVED)
			continue;
		if (nl_find_link(&own, r->link[i].guest, 0, &inner) < 0)
			die("find link %s inside: %s", r->link[i].guest, own.why);
		r->link[i].guest_index = inner.index;
	}
	nl_close(&own);
}

void
net_hand_over(const struct plan *p, struct run *r)
{
	static const char note[2] = { NOTE_NETWORK, 0 };
	struct nl own;

	(void)r;
	if (!p->port)
		return;
	if (nl_open_route(&own) < 0 || sys_send(wirefd, note, sizeof(note), own.fd) < 0)
		die("hand the network over:");
	nl_close(&own);
}

void
net_begin(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}

bool
net_sweep_link(const char *note, int held)
{
	(void)note;
	(void)held;
	return true;
}

bool
net_sweep_zone(const char *note, int held)
{
	(void)note;
	(void)held;
	return true;
}
