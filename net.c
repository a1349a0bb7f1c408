/* SPDX-License-Identifier: 0BSD */
/* The links of a machine: veth, bridge, zone, macvlan, ipvlan; and a network that is there already */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <net/if.h>
#include <net/if_arp.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include "nspawn-lite.h"

/* of if_link.h and rtnetlink.h: Linux 5.5 and 5.6; of nsfs.h: 4.11; of if_link.h: 6.7 */
enum { PROP_LIST = 52, ALT_IFNAME = 53, PERM_ADDRESS = 54, NEWLINKPROP = 108, GET_NSTYPE = 0xb703, MOST_LEARNED = 49 };
/* that guests can make a zone's bridge remember at once: else as many as there is memory for */
enum { ZONE_MACS = 8192 };

bool
net_private(const struct plan *p)
{
	return p->private_network
	    || (WITH_NETWORK && (p->network_veth || p->network_bridge || p->network_zone || p->network_veth_extra
	                         || p->network_interface || p->network_macvlan || p->network_ipvlan || p->network_namespace_path));
}

bool
net_rules(const struct plan *p)
{
	return net_private(p) && (!p->network_namespace_path || p->private_network);
}

static bool
has_veth(const struct plan *p)
{
	return p->network_veth || p->network_bridge || p->network_zone;
}

/* ---- words -------------------------------------------------------------------------- */

/* options that say HOST[:GUEST], and what a link is called inside by default: this and HOST */
static const struct pairs { int kind; size_t field; const char *option, *prefix, *link; } pairs[] = {
	{ LINK_EXTRA,   offsetof(struct plan, network_veth_extra), "network-veth-extra", "",    "veth" },
	{ LINK_MACVLAN, offsetof(struct plan, network_macvlan),    "network-macvlan",    "mv-", "macvlan" },
	{ LINK_IPVLAN,  offsetof(struct plan, network_ipvlan),     "network-ipvlan",     "iv-", "ipvlan" },
	{ LINK_MOVED,   offsetof(struct plan, network_interface),  "network-interface",  "",    NULL },
};

static char **
words_of(const struct plan *p, const struct pairs *k)
{
	return *(char ***)((char *)(uintptr_t)p + k->field);
}

static bool
link_name_valid(const char *s)
{
	const char *c;

	for (c = s; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr("/:%", *c))  /* the kernel would count at a % */
			return false;
	return c > s && c - s < IFNAMSIZ && *s != '-' && !streq(s, ".") && !streq(s, "..");
}

static void
check_name(const char *option, const char *word, const char *name)
{
	/* these would be what all links have in common, in /proc/sys/net */
	if (streq(name, "all") || streq(name, "default"))
		die("--%s=%s: no link can be called %s", option, word, name);
	if (!link_name_valid(name))
		die("--%s=%s: %s is no name of a link: that has 1 to 15 of the printable ASCII characters, without / : %%, and does not begin with -",
		    option, word, *name ? name : "\"\"");
}

/* *full: what the guest's name was made of, if that was too long, else NULL */
static void
parse_pair(const struct pairs *k, const char *word, char **host, char **guest, char **full)
{
	size_t n = strcspn(word, ":");

	*full = NULL;
	*host = xstrndup(word, n);
	check_name(k->option, word, *host);
	*guest = word[n] ? xstrdup(word + n + 1) : fmt("%s%s", k->prefix, *host);
	if (!word[n] && strlen(*guest) >= IFNAMSIZ) {
		*full = *guest;
		*guest = net_name(*full);
	}
	check_name(k->option, word, *guest);
}

static bool
parse_mac(const char *s, uint8_t mac[6])
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;
	int i, any = 0;

	for (i = 0; i < 6; i++, s += 2) {
		if (i > 0 && *s != ':' && *s != '-')
			return false;
		s += i > 0;
		high = *s ? strchr(digits, s[0] | 0x20) : NULL;
		low = high && s[1] ? strchr(digits, s[1] | 0x20) : NULL;
		if (!low || !*low || !*high)
			return false;
		mac[i] = (uint8_t)((high - digits) << 4 | (low - digits));
		any |= mac[i];
	}
	return !*s && any && !(mac[0] & 1);
}

/* all names that are to be inside, each once; those of links that move are parsed by their own room */
static void
check_inside(const struct plan *p)
{
	char **inside = NULL, **hosts = NULL, **w, **other, *host, *guest, *full;
	const struct pairs *k;

	grow(&inside, "lo");
	if (has_veth(p))
		grow(&inside, p->network_veth_name ? p->network_veth_name : "host0");
	for (k = pairs; k < pairs + LEN(pairs); k++)
		for (w = words_of(p, k); w && *w; w++) {
			if (k->kind == LINK_MOVED) {
				host = *w;
				guest = strchr(*w, ':') ? strchr(*w, ':') + 1 : *w;
			} else {
				parse_pair(k, *w, &host, &guest, &full);
			}
			for (other = inside; *other; other++)
				if (streq(*other, guest) && streq(guest, "lo"))
					die("--%s=%s: every network has its own lo, which stays", k->option, *w);
				else if (streq(*other, guest))
					die("--%s=%s: another link of the machine is called %s inside; name this one, as HOST:NAME",
					    k->option, *w, guest);
			grow(&inside, guest);
			for (other = hosts; k->kind == LINK_EXTRA && other && *other; other++)
				if (streq(*other, host))
					die("--%s=%s: another link is called %s on the host", k->option, *w, host);
			if (k->kind == LINK_EXTRA)
				grow(&hosts, host);
		}
}

void
net_check(const struct plan *p)
{
	uint8_t mac[6];

	if (p->network_bridge)
		check_name("network-bridge", p->network_bridge, p->network_bridge);
	if (p->network_zone && (!*p->network_zone || *p->network_zone == '-' || !link_name_valid(fmt("vz-%s", p->network_zone))))
		die("--network-zone=%s: a zone's name has 1 to 12 of the printable ASCII characters, without / : %%: "
		    "its bridge is called vz- and that", p->network_zone);
	if (p->network_veth_name)
		check_name("network-veth-name", p->network_veth_name, p->network_veth_name);
	if (p->network_veth_name && streq(p->network_veth_name, "lo"))
		die("--network-veth-name=lo: that is the machine's loopback");
	if (p->network_mac && !parse_mac(p->network_mac, mac))
		die("--network-mac=%s: not the MAC address of one host: six bytes in hex with colons, the first one even, not all 0",
		    p->network_mac);
	if (p->network_namespace_path && !*p->network_namespace_path)
		die("--network-namespace-path=: say which, as /run/netns/NAME");
	check_inside(p);
}

/* ---- names and addresses that stay the same ------------------------------------------- */

/* features.md 6.1: too long a name keeps 11 characters, and 4 of its hash follow */
char *
net_name(const char *full)
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

/* features.md 6.2 */
void
net_mac(const uint8_t host[16], int which, const char *name, uint64_t index, uint8_t mac[6])
{
	static const uint8_t keys[][16] = {
		[MAC_HOST] =        { 0x1a, 0x37, 0x6f, 0xc7, 0x46, 0xec, 0x45, 0x0b, 0xad, 0xa3, 0xd5, 0x31, 0x06, 0x60, 0x5d, 0xb1 },
		[MAC_GUEST] =       { 0xc3, 0xc4, 0xf9, 0x19, 0xb5, 0x57, 0xb2, 0x1c, 0xe6, 0xcf, 0x14, 0x27, 0x03, 0x9c, 0xee, 0xa2 },
		[MAC_EXTRA_HOST] =  { 0x48, 0xc7, 0xf6, 0xb7, 0xea, 0x9d, 0x4c, 0x9e, 0xb7, 0x28, 0xd4, 0xde, 0x91, 0xd5, 0xbf, 0x66 },
		[MAC_EXTRA_GUEST] = { 0xaf, 0x50, 0x17, 0x61, 0xce, 0xf9, 0x4d, 0x35, 0x84, 0x0d, 0x2b, 0x20, 0x54, 0xbe, 0xce, 0x59 },
		[MAC_MACVLAN] =     { 0x00, 0x13, 0x6d, 0xbc, 0x66, 0x83, 0x44, 0x81, 0xbb, 0x0c, 0xf9, 0x51, 0x1f, 0x24, 0xa6, 0x6f },
	};
	uint8_t data[16 + NAME_LONGEST + 8];
	size_t len = strlen(name), i;
	uint64_t h;

	len = len > NAME_LONGEST ? NAME_LONGEST : len;
	memcpy(data, host, 16);
	memcpy(data + 16, name, len);
	len += 16;
	for (i = 0; index && i < 8; i++)
		data[len++] = (uint8_t)(index >> (8 * i));
	h = siphash24(data, len, keys[which]);
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)(h >> (8 * i));
	mac[0] = (uint8_t)((mac[0] & 0xfe) | 2);
}

/* of the hardware's own addresses the one with the lowest index */
struct hardware { int index; uint8_t mac[6]; };

static void
got_hardware(void *arg, const struct nlmsghdr *h)
{
	struct hardware *best = arg;
	struct nl_link l;
	const uint8_t *own;

	nl_read_link(h, &l);
	if (l.index <= 0 || *l.kind || l.type != ARPHRD_ETHER || (best->index && best->index < l.index))
		return;
	own = nl_get(nl_find(h, sizeof(struct ifinfomsg), PERM_ADDRESS), 6);
	if (!own && !nl_permanent_mac(l.name, l.mac))  /* before 5.6 */
		return;
	best->index = l.index;
	memcpy(best->mac, own ? own : l.mac, 6);
}

/* the text of the stable things of a host that has no machine id: what its maker gave it */
static char *
stable_things(void)
{
	static const char *const files[] = {
		"/proc/device-tree/serial-number", "/proc/device-tree/model",
		"/sys/class/dmi/id/product_uuid", "/sys/class/dmi/id/board_serial", "/sys/class/dmi/id/board_name",
	};
	struct hardware best = { 0 };
	struct nl_msg m;
	struct nl nl;
	char text[128], *all = xstrdup("");
	size_t i;

	nl_begin_link(&m, RTM_GETLINK, NLM_F_DUMP, 0, 0, 0);
	if (nl_open_route(&nl) == 0) {
		nl_talk(&nl, &m, got_hardware, &best);
		nl_close(&nl);
	}
	if (best.index)
		all = fmt("%02x%02x%02x%02x%02x%02x", best.mac[0], best.mac[1], best.mac[2], best.mac[3], best.mac[4], best.mac[5]);
	for (i = 0; i < LEN(files); i++)
		if (read_at(AT_FDCWD, files[i], text, sizeof(text)) > 0)
			all = fmt("%s %s", all, text);
	/* nothing at all: it stays the same until the next boot at least */
	if (!*all && read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, sizeof(text)) > 0)
		all = xstrdup(text);
	return all;
}

static bool
read_id(const char *path, uint8_t id[16])
{
	static const uint8_t none[16];
	char text[64];
	ssize_t n = read_at(AT_FDCWD, path, text, sizeof(text));

	if (n < 32)
		return false;
	text[strcspn(text, " \n")] = 0;
	return parse_id128(text, id) && memcmp(id, none, sizeof(none)) != 0;
}

/* what it was made of may change while the host runs: the first answer is kept. Who is first writes it, whole or not at all */
static void
derive_id(uint8_t id[16])
{
	static const uint8_t keys[2][16] = { { 'h', 'o', 's', 't', 1 }, { 'h', 'o', 's', 't', 2 } };
	char *path = fmt("%s/.host-id", run_state_dir()), *fresh = fmt("%s.%d", path, (int)getpid()), *things, text[33];
	uint64_t h;
	int fd;
	size_t i;

	if (read_id(path, id))
		return;
	things = stable_things();
	for (i = 0; i < 16; i++) {
		h = siphash24(things, strlen(things), keys[i / 8]);
		id[i] = (uint8_t)(h >> (8 * (i % 8)));
	}
	format_id128(id, text);
	text[32] = '\n';
	fd = run_open_state(fresh);
	if (fd < 0 || write(fd, text, 33) != 33 || link(fresh, path) < 0)
		read_id(path, id);
	unlink(fresh);
	drop(fd);
}

void
net_host_id(uint8_t id[16])
{
	static uint8_t known[16];
	static bool is_known;

	if (!is_known && !read_id(run_path("/etc/machine-id"), known))
		derive_id(known);
	is_known = true;
	memcpy(id, known, 16);
}

/* ---- before birth ----------------------------------------------------------------------- */

static bool
is_pair(const struct link *l)
{
	return l->kind == LINK_VETH || l->kind == LINK_EXTRA;
}

static struct link *
add_link(const struct plan *p, struct run *r, int kind, char *host, char *guest, char *full)
{
	struct link *l;
	size_t i;

	for (i = 0; i < r->nlinks; i++)
		if (kind == LINK_EXTRA && streq(r->link[i].host, host))
			die("--network-veth-extra=%s: that is the name of the machine's first link", host);
	r->link = room_for_one(r->link, r->nlinks, sizeof(*r->link));
	l = &r->link[r->nlinks++];
	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->host = host;
	l->guest = guest;
	l->full = full;
	if (full && !p->quiet)
		warn("Network interface name '%s' has been changed to '%s' to fit length constraints.",
		     full, is_pair(l) ? host : guest);
	return l;
}

static const char *
mac_text(const uint8_t m[6])
{
	return fmt("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* the host's end of a veth, if it is still what we made: others may have come to its name */
static bool
find_ours(struct nl *nl, const char *name, const uint8_t mac[6], struct nl_link *l)
{
	return nl_find_link(nl, name, 0, l) == 0 && streq(l->kind, "veth") && memcmp(l->mac, mac, 6) == 0;
}

static bool marked;  /* they are known by what they say of themselves, see mark_of */

/*
 * The kernel takes away the links of a namespace that has ended, in its own time, and to do it ourselves is to wait for
 * every CPU. Who starts again at once looks for what is still there; only what others would see is worth the wait: a
 * port of a zone's bridge, a MAC that another macvlan has, an address that another ipvlan has.
 */
static void
unmake(struct run *r)
{
	struct nl_link now;
	struct link *l;
	bool gone;

	for (l = r->link; l < r->link + r->nlinks; l++) {
		if (!is_pair(l)) {
			if (l->kind != LINK_MOVED && l->guest_index && r->net.fd >= 0)
				nl_delete_link(&r->net, l->guest_index);
			continue;
		}
		if (l->taken || (marked && (l->kind != LINK_VETH || r->zone.fd < 0)))
			continue;
		gone = true;  /* a birth that went wrong may not have told its index */
		if (l->index && nl_find_link(&r->host_net, NULL, l->index, &now) < 0)
			gone = errno == ENODEV;
		else if (l->index ? streq(now.kind, "veth") : find_ours(&r->host_net, l->host, l->host_mac, &now))
			gone = nl_delete_link(&r->host_net, now.index) == 0 || errno == ENODEV;
		if (!gone) {
			warn("remove link %s: %s", l->host, r->host_net.why);
			r->cgroup_stays = true;  /* the register leads the next command to it: a zone's bridge stays as long as it */
		}
		l->index = 0;
	}
	nl_close(&r->net);
}

/* what our ends say of themselves: a machine of systemd-nspawn has links of the same name and address */
static const char *
mark_of(const struct run *r)
{
	return fmt("nspawn-lite %.100s", r->claim_path);
}

/* of our last life */
static void
remove_stale(struct run *r, struct link *l)
{
	struct nl_link now;
	bool ours = find_ours(&r->host_net, l->host, l->host_mac, &now) && streq(now.alias, mark_of(r));

	l->taken = !ours && now.index;
	if (ours && nl_delete_link(&r->host_net, now.index) < 0 && errno != ENODEV)
		die("remove link %s, which an earlier life of machine %s left: %s", l->host, r->name, r->host_net.why);
}

static bool killed_upon;  /* there was a macvlan or ipvlan that the kernel may not have taken away yet */

/* "NAME veth MAC", or "NAME macvlan" of one that was never on the host */
bool
net_sweep_link(const char *note, int held)
{
	struct nl_link l;
	uint8_t mac[6];
	struct nl nl;
	char *name = xstrndup(note, strcspn(note, " "));
	const char *rest = after(note + strlen(name), " veth ");
	bool gone = true;

	(void)held;
	killed_upon |= !rest;
	if (!rest || !link_name_valid(name) || !parse_mac(rest, mac))
		return true;
	if (nl_open_route(&nl) < 0)
		return false;
	if (find_ours(&nl, name, mac, &l))
		gone = nl_delete_link(&nl, l.index) == 0 || errno == ENODEV;
	nl_close(&nl);
	return gone;
}

static void
zone_mac(const char *bridge, uint8_t mac[6])
{
	uint8_t id[16];

	net_host_id(id);
	net_mac(id, MAC_HOST, fmt("%s/", bridge), 0, mac);  /* no machine can be called that */
}

struct ports { int master, n; };

static void
got_port(void *arg, const struct nlmsghdr *h)
{
	struct ports *p = arg;
	struct nl_link l;

	nl_read_link(h, &l);
	p->n += l.index > 0 && l.master == p->master;
}

/* true: it is gone, or none of ours, which its address tells */
static bool
remove_bridge(struct nl *nl, const char *name)
{
	struct ports ports = { 0 };
	struct nl_link l;
	struct nl_msg m;
	uint8_t mac[6];

	if (nl_find_link(nl, name, 0, &l) < 0)
		return errno == ENODEV;
	zone_mac(name, mac);
	if (!streq(l.kind, "bridge") || memcmp(l.mac, mac, 6) != 0)
		return true;
	ports.master = l.index;
	nl_begin_link(&m, RTM_GETLINK, NLM_F_DUMP, 0, 0, 0);
	nl_u32(&m, IFLA_MASTER, (uint32_t)l.index);  /* since 4.4 it is only told of those */
	if (nl_talk(nl, &m, got_port, &ports) < 0 || ports.n > 0)
		return false;
	return nl_delete_link(nl, l.index) == 0 || errno == ENODEV;
}

bool
net_sweep_zone(const char *note, int held)
{
	struct nl nl;
	bool gone;

	(void)held;
	if (!after(note, "vz-") || !link_name_valid(note))
		return true;
	if (nl_open_route(&nl) < 0)
		return false;
	gone = remove_bridge(&nl, note);
	nl_close(&nl);
	return gone;
}

/* the last one takes the bridge away, if we made it and nothing else is on it */
static void
leave_zone(struct run *r)
{
	share_leave(&r->zone, share_last(&r->zone) && remove_bridge(&r->host_net, r->bridge));
}

static void
look_at_bridge(struct run *r, const char *link)
{
	struct nl_link bridge;

	if (nl_find_link(&r->host_net, r->bridge, 0, &bridge) < 0)
		die("Failed to add interface %s to bridge %s: %s%s", link, r->bridge, r->host_net.why, errno != ENODEV ? ""
		    : fmt("; make it first, or say --network-zone= for a bridge of our own"));
	if (!streq(bridge.kind, "bridge"))
		die("Failed to add interface %s to bridge %s: it is %s, and no bridge", link, r->bridge,
		    *bridge.kind ? fmt("a %s", bridge.kind) : "a network card");
	r->bridge_index = bridge.index;
	/* a port with less would change the bridge's, and one with more send what others cannot take */
	r->lease.mtu = bridge.mtu;
}

static void
look_at_netns(const struct plan *p, struct run *r)
{
	const char *path = p->network_namespace_path;
	int type;

	r->netns = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (r->netns < 0)
		die("--network-namespace-path=%s:", path);
	/* every other file says ENOTTY; so did namespaces before 4.11, where setns(2) will find out */
	type = ioctl(r->netns, GET_NSTYPE);
	if (type < 0 && errno == ENOTTY) {
		r->netns_kept = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		if (r->netns_kept >= 0 && ioctl(r->netns_kept, GET_NSTYPE) < 0)
			type = CLONE_NEWNET;
		drop(r->netns_kept);
		r->netns_kept = -1;
	}
	if (type != CLONE_NEWNET)
		die("--network-namespace-path=%s: not a network namespace; those of ip-netns(8) are in /run/netns", path);
}

static void
look_at_veth(const struct plan *p, struct run *r)
{
	char *full = fmt("%s-%s", p->network_bridge || p->network_zone ? "vb" : "ve", r->name);
	char *name = net_name(full);
	struct link *l;
	uint8_t id[16];

	if (p->network_bridge) {
		r->bridge = p->network_bridge;
		look_at_bridge(r, name);
	}
	if (p->network_zone) {
		r->bridge = fmt("vz-%s", p->network_zone);
		share_join(&r->zone, fmt("zone.%s", p->network_zone));
		if (r->zone.first)  /* a killed one's bridge is still to be unmade, but addresses are chosen anew */
			share_write(&r->zone, after(share_text(&r->zone), "ZONE=") ? fmt("ZONE=%s\n", r->bridge) : "");
		undo(r, leave_zone);
		share_open(&r->zone);
	}
	l = add_link(p, r, LINK_VETH, name, xstrdup(p->network_veth_name ? p->network_veth_name : "host0"),
	             streq(full, name) ? NULL : full);
	net_host_id(id);
	net_mac(id, MAC_HOST, r->name, 0, l->host_mac);
	net_mac(id, MAC_GUEST, r->name, 0, l->mac);
	if (p->network_mac)
		parse_mac(p->network_mac, l->mac);
	l->has_mac = true;
}

static void
look_at_pairs(const struct plan *p, struct run *r, const struct pairs *k)
{
	char *host, *guest, *full, **w;
	struct nl_link parent;
	struct link *l;
	uint8_t id[16];
	uint64_t i = 0;

	for (w = words_of(p, k); w && *w; w++, i++) {
		parse_pair(k, *w, &host, &guest, &full);
		l = add_link(p, r, k->kind, host, guest, full);
		if (k->kind == LINK_IPVLAN || k->kind == LINK_MACVLAN) {
			if (nl_find_link(&r->host_net, host, 0, &parent) < 0)
				die("--%s=%s: the host's interface %s: %s", k->option, *w, host, r->host_net.why);
			l->index = parent.index;
		}
		if (k->kind == LINK_IPVLAN)  /* has its parent's */
			continue;
		net_host_id(id);
		net_mac(id, k->kind == LINK_MACVLAN ? MAC_MACVLAN : MAC_EXTRA_GUEST, r->name, i, l->mac);
		net_mac(id, MAC_EXTRA_HOST, r->name, i, l->host_mac);
		l->has_mac = true;
	}
}

void
net_look(const struct plan *p, struct run *r)
{
	const struct pairs *k;
	struct link *l;

	if (p->network_namespace_path)
		look_at_netns(p, r);
	if (!has_veth(p) && !p->network_veth_extra && !p->network_macvlan && !p->network_ipvlan && !p->network_interface)
		return;
	if (nl_open_route(&r->host_net) < 0)
		die("open rtnetlink (CONFIG_NET):");
	if (has_veth(p))
		look_at_veth(p, r);
	for (k = pairs; k < pairs + LEN(pairs); k++)
		if (k->kind != LINK_MOVED)
			look_at_pairs(p, r, k);
	for (l = r->link; l < r->link + r->nlinks; l++)
		if (is_pair(l)) {
			remove_stale(r, l);
			if (!l->taken)  /* else it will be found out when it is made */
				grow(&r->notes, fmt("LINK=%s veth %s", l->host, mac_text(l->host_mac)));
		} else if (l->kind == LINK_MACVLAN) {
			grow(&r->notes, fmt("LINK=%s macvlan", l->guest));
		}
	if (r->nlinks)
		undo(r, unmake);
}

/* ---- making ------------------------------------------------------------------------------- */

/* why a link could not be made, as a sentence. What: the kind of link; on: what it was to be made on, or NULL */
static _Noreturn void
die_of_link(struct run *r, const char *name, const char *what, const char *on)
{
	struct nl_link other;
	int error = errno;
	char *why = xstrdup(r->host_net.why), *c, *config = xstrdup(what);

	for (c = config; *c; c++)
		*c = (char)(*c & ~0x20);
	if (error == EEXIST && nl_find_link(&r->host_net, name, 0, &other) == 0)
		die("make link %s: the host has one of that name, %s, and it is not ours to remove", name,
		    *other.kind ? fmt("a %s", other.kind) : "a network card");
	if (error == EOPNOTSUPP)
		die("make link %s: no %s in this kernel (CONFIG_%s; module %s, OpenWrt's package kmod-%s): %s",
		    name, what, config, what, what, why);
	if (error == EPERM)
		die("make link %s: %s (it takes CAP_NET_ADMIN)", name, why);
	if (error == EBUSY && on)
		die("make link %s on %s: %s; that one may be a port of a bridge, or have macvlan links beside ipvlan ones",
		    name, on, why);
	if (on)
		die("make link %s on %s: %s", name, on, why);
	die("make link %s: %s", name, why);
}

void
net_make_zone(const struct plan *p, struct run *r)
{
	struct nl_link bridge;
	struct nl_msg m;
	uint8_t mac[6];

	if (!p->network_zone)
		return;
	share_close(&r->zone);
	if (nl_find_link(&r->host_net, r->bridge, 0, &bridge) < 0) {
		if (!after(share_text(&r->zone), "ZONE="))
			share_write(&r->zone, fmt("ZONE=%s\n%s", r->bridge, share_text(&r->zone)));
		/* of its own: else it would be that of a port, and change with them */
		zone_mac(r->bridge, mac);
		nl_begin_link(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, IFF_UP, IFF_UP);
		nl_str(&m, IFLA_IFNAME, r->bridge);
		nl_raw(&m, IFLA_ADDRESS, mac, sizeof(mac));
		nl_nest(&m, IFLA_LINKINFO);
			nl_str(&m, IFLA_INFO_KIND, "bridge");
			nl_nest(&m, IFLA_INFO_DATA);
				nl_u32(&m, MOST_LEARNED, ZONE_MACS);
			nl_end(&m);
		nl_end(&m);
		if (nl_talk(&r->host_net, &m, NULL, NULL) < 0 || nl_find_link(&r->host_net, r->bridge, 0, &bridge) < 0)
			die_of_link(r, r->bridge, "bridge", NULL);
	}
	if (!streq(bridge.kind, "bridge"))
		die("--network-zone=%s: the host has a link %s already, which is %s and no bridge", p->network_zone, r->bridge,
		    *bridge.kind ? fmt("a %s", bridge.kind) : "a network card");
	if (!(bridge.flags & IFF_UP) && nl_raise(&r->host_net, bridge.index) < 0)
		die("raise bridge %s: %s", r->bridge, r->host_net.why);
	r->bridge_index = bridge.index;
	share_open(&r->zone);
}

/* where the host's bridge speaks STP, a guest that does so too shall not be asked where the network's tree begins */
void
net_guard_port(struct run *r, const struct link *l)
{
	struct ifinfomsg port = { .ifi_family = AF_BRIDGE, .ifi_index = l->index };
	struct nl_msg m;

	nl_begin(&m, RTM_SETLINK, 0, &port, sizeof(port));
	nl_nest(&m, IFLA_PROTINFO | NLA_F_NESTED);
		nl_u8(&m, IFLA_BRPORT_GUARD, 1);
	nl_end(&m);
	if (nl_talk(&r->host_net, &m, NULL, NULL) < 0)
		say("bridge %s takes the guest's BPDUs from %s: %s", r->bridge, l->host, r->host_net.why);
}

/* one message makes the pair, and puts each end where it belongs: moving one later would wait for every CPU */
static void
make_veth(struct run *r, struct link *l, int master, uint32_t mtu)
{
	static const struct ifinfomsg none;
	struct nl_link made;
	struct nl_msg m;

	nl_begin_link(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, IFF_UP, IFF_UP);
	nl_str(&m, IFLA_IFNAME, l->host);
	nl_raw(&m, IFLA_ADDRESS, l->host_mac, sizeof(l->host_mac));
	if (mtu)
		nl_u32(&m, IFLA_MTU, mtu);
	if (master)
		nl_u32(&m, IFLA_MASTER, (uint32_t)master);
	nl_nest(&m, IFLA_LINKINFO);
		nl_str(&m, IFLA_INFO_KIND, "veth");
		nl_nest(&m, IFLA_INFO_DATA);
			nl_nest(&m, VETH_INFO_PEER);
				nl_bare(&m, &none, sizeof(none));
				nl_str(&m, IFLA_IFNAME, l->guest);
				nl_raw(&m, IFLA_ADDRESS, l->mac, sizeof(l->mac));
				if (mtu)
					nl_u32(&m, IFLA_MTU, mtu);
				nl_u32(&m, IFLA_NET_NS_PID, (uint32_t)getpid());
			nl_end(&m);
		nl_end(&m);
	nl_end(&m);
	if (nl_talk(&r->host_net, &m, NULL, NULL) < 0 || nl_find_link(&r->host_net, l->host, 0, &made) < 0) {
		if (master && errno != EEXIST && errno != EOPNOTSUPP && errno != EPERM)
			die("Failed to add interface %s to bridge %s: %s", l->host, r->bridge, r->host_net.why);
		die_of_link(r, l->host, "veth", NULL);
	}
	l->index = made.index;
	l->made = true;
	/* kernels that take no master with the rest */
	if (!master || made.master == master)
		return;
	nl_begin_link(&m, RTM_SETLINK, 0, made.index, 0, 0);
	nl_u32(&m, IFLA_MASTER, (uint32_t)master);
	if (nl_talk(&r->host_net, &m, NULL, NULL) < 0)
		die("Failed to add interface %s to bridge %s: %s", l->host, r->bridge, r->host_net.why);
}

/* it comes to be inside at once, by its name there: on the host that may be taken */
static void
make_upon(struct run *r, struct link *l)
{
	const char *kind = l->kind == LINK_MACVLAN ? "macvlan" : "ipvlan";
	struct nl_msg m;

	nl_begin_link(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0, 0, 0);
	nl_str(&m, IFLA_IFNAME, l->guest);
	nl_u32(&m, IFLA_LINK, (uint32_t)l->index);
	if (l->has_mac)
		nl_raw(&m, IFLA_ADDRESS, l->mac, sizeof(l->mac));
	nl_u32(&m, IFLA_NET_NS_PID, (uint32_t)getpid());
	nl_nest(&m, IFLA_LINKINFO);
		nl_str(&m, IFLA_INFO_KIND, kind);
		nl_nest(&m, IFLA_INFO_DATA);
			if (l->kind == LINK_MACVLAN)
				nl_u32(&m, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
			else
				nl_u16(&m, IFLA_IPVLAN_MODE, IPVLAN_MODE_L2);
		nl_end(&m);
	nl_end(&m);
	if (nl_talk(&r->host_net, &m, NULL, NULL) < 0)
		die_of_link(r, l->guest, kind, l->host);
	l->made = true;
}

/* one that was killed with its supervisor has the same address until the kernel has seen to it: wait for that */
static void
await_address(struct nl *nl, int index)
{
	enum { TRIES = 300, EACH_MS = 10 };
	struct nl_msg m;
	int i;

	for (i = 0; i < TRIES && nl_raise(nl, index) < 0 && errno == EADDRINUSE; i++)
		poll(NULL, 0, EACH_MS);
	nl_begin_link(&m, RTM_NEWLINK, 0, index, 0, IFF_UP);
	nl_talk(nl, &m, NULL, NULL);
}

/* its whole name as an alternative one: 5.5. The note has said what it is called, so it is no loss where that is unknown */
void
net_name_whole(struct nl *nl, const struct link *l, int index)
{
	struct nl_msg m;

	nl_begin_link(&m, NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, index, 0, 0);
	nl_nest(&m, PROP_LIST | NLA_F_NESTED);
		nl_str(&m, ALT_IFNAME, l->full);
	nl_end(&m);
	if (nl_talk(nl, &m, NULL, NULL) == 0)
		return;
	if (errno == EOPNOTSUPP)
		say("link %s has no alternative name (Linux 5.5)", l->full);
	else
		warn("give the alternative name %s: %s", l->full, nl->why);
}

/* inside nothing is raised: that is for who gives it addresses, and else for the guest */
void
net_make(const struct plan *p, struct run *r)
{
	struct nl_link inner;
	struct link *l;
	struct nl own;

	if (!r->nlinks || (r->nlinks == 1 && r->link->made))
		return;
	if (nl_open_route(&own) < 0)
		die("open rtnetlink inside:");
	for (l = r->link; l < r->link + r->nlinks; l++) {
		if (l->kind == LINK_MOVED || l->made)
			continue;
		if (is_pair(l))
			make_veth(r, l, l->kind == LINK_VETH ? r->bridge_index : 0, l->kind == LINK_VETH ? r->lease.mtu : 0);
		else
			make_upon(r, l);
		if (l->kind == LINK_VETH && p->network_bridge)
			net_guard_port(r, l);
		if (nl_find_link(&own, l->guest, 0, &inner) < 0)
			die("find link %s inside: %s", l->guest, own.why);
		l->guest_index = inner.index;
		if (killed_upon && l->kind == LINK_MACVLAN)
			await_address(&own, inner.index);
		if (l->full)
			net_name_whole(is_pair(l) ? &r->host_net : &own, l, is_pair(l) ? l->index : inner.index);
	}
	nl_close(&own);
}

/* what the builder finds and the supervisor needs: a builder that is a copy has told it to nobody yet */
struct found { char kind, none; bool prefix6, route6; struct { int host, guest; } index[64]; };

static void
tell_found(const struct run *r)
{
	struct found f = { NOTE_FOUND, 0, r->lease.prefix6 != 0, r->lease.route6, { { 0, 0 } } };
	size_t i;

	for (i = 0; i < r->nlinks && i < LEN(f.index); i++) {
		f.index[i].host = r->link[i].index;
		f.index[i].guest = r->link[i].guest_index;
	}
	if (sys_send(wirefd, &f, sizeof(f), -1) < 0)
		die("tell of the machine's links:");
}

void
net_found(struct run *r, const char *note)
{
	struct found f;
	size_t i;

	memcpy(&f.prefix6, note, sizeof(f) - offsetof(struct found, prefix6));
	if (!f.prefix6)
		r->lease.prefix6 = 0;
	r->lease.route6 = f.route6;
	for (i = 0; i < r->nlinks && i < LEN(f.index); i++) {
		r->link[i].index = f.index[i].host;
		r->link[i].guest_index = f.index[i].guest;
	}
}

/* for ports, which follow addresses; for links that go back; for those that would be in the way of the next start */
void
net_hand_over(const struct plan *p, struct run *r)
{
	static const char note[2] = { NOTE_NETWORK, 0 };
	struct nl own;

	if (r->nlinks)
		tell_found(r);
	if (!p->port && !p->network_interface && !p->network_macvlan && !p->network_ipvlan)
		return;
	if (nl_open_route(&own) < 0 || sys_send(wirefd, note, sizeof(note), own.fd) < 0)
		die("hand the machine's network over:");
	nl_close(&own);
}

/* children that are born meanwhile are in the network that is there already */
void
net_enter(struct run *r)
{
	if (r->netns < 0)
		return;
	undo(r, net_return);  /* should the birth fail: what is unmade is the host's, and another life may begin from here */
	r->netns_kept = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (r->netns_kept < 0 || setns(r->netns, CLONE_NEWNET) < 0)
		die("join the network namespace:");
}

void
net_return(struct run *r)
{
	if (r->netns_kept < 0)
		return;
	if (setns(r->netns_kept, CLONE_NEWNET) < 0)
		die("leave the network namespace:");
	close(r->netns_kept);
	close(r->netns);
	r->netns_kept = r->netns = -1;
}

/* ---- life --------------------------------------------------------------------------------- */

/* what we look after: once each is told that it is gone, that it is down, that its cable is out */
enum { GONE = 1, DOWN = 2, NO_CARRIER = 4, WATCHED_MOST = 64 };
static struct watched { int index, told; bool parent; const char *what, *name, *guest; } watched[WATCHED_MOST];
static size_t nwatched;

static void
look_after(int index, bool parent, const char *what, const char *name, const char *guest)
{
	size_t i;

	for (i = 0; i < nwatched; i++)
		if (watched[i].index == index)
			return;
	if (index > 0 && nwatched < LEN(watched))
		watched[nwatched++] = (struct watched){ index, 0, parent, what, name, guest };
}

/* its end takes its links with it, a moment before we can see that it has ended: it has no network any more */
static bool
has_ended(const struct run *r)
{
	siginfo_t info;
	char path[40], name[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)r->pid);
	info.si_pid = 0;
	return waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid
	    || (readlink(path, name, sizeof(name)) < 0 && access("/proc/self/ns/net", F_OK) == 0);
}

static void
tell(const struct run *r, struct watched *w, int what)
{
	if (w->told & what || w->told & GONE || has_ended(r))
		return;
	w->told |= what;
	if (what == GONE)
		warn("%s %s is gone: link %s of machine %s leads nowhere, until it is started again", w->what, w->name, w->guest, r->name);
	else
		warn("%s %s %s: link %s of machine %s leads nowhere meanwhile", w->what, w->name,
		     what == DOWN ? "is down" : "has no carrier", w->guest, r->name);
}

static void
judge(const struct run *r, int index, bool gone, unsigned int flags)
{
	struct watched *w;

	for (w = watched; w < watched + nwatched; w++) {
		if (w->index != index)
			continue;
		if (gone || !(flags & IFF_UP))
			tell(r, w, gone ? GONE : DOWN);
		else if (w->parent && !(flags & IFF_RUNNING))
			tell(r, w, NO_CARRIER);
	}
}

/* some was lost: ask again for each of ours */
static void
judge_all(struct run *r)
{
	struct nl_link now;
	size_t i;
	int rc;

	for (i = 0; i < nwatched; i++) {
		rc = nl_find_link(&r->host_net, NULL, watched[i].index, &now);
		if (rc == 0 || errno == ENODEV)
			judge(r, watched[i].index, rc < 0, now.flags);
	}
}

static void
got_change(struct run *r, int fd, short revents)
{
	enum { A_TURN = 32 };
	struct { struct nlmsghdr h; struct ifinfomsg i; } m;
	struct sockaddr_nl from;
	socklen_t len;
	ssize_t n;
	int i;

	(void)revents;
	for (i = 0; i < A_TURN; i++) {
		len = sizeof(from);
		n = recvfrom(fd, &m, sizeof(m), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		if (n < 0 && errno == ENOBUFS)
			judge_all(r);
		else if (n < 0 && errno != EINTR)
			return;
		else if (n == sizeof(m) && from.nl_pid == 0 && m.i.ifi_family == AF_UNSPEC)
			judge(r, m.i.ifi_index, m.h.nlmsg_type == RTM_DELLINK, m.i.ifi_flags);
	}
}

/*
 * There may be hundreds of links, each with a supervisor: no one shall wake for those of others. The kernel lets
 * through what tells that one of ours is gone, down, or without a carrier.
 */
static int
filter_changes(int fd)
{
	enum { INDEX_AT = NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_index), FLAGS_AT = NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_flags) };
	static const struct sock_filter begin[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNSPEC, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, INDEX_AT),
	};
	const struct sock_filter end[] = {
		BPF_STMT(BPF_RET | BPF_K, 0),
		/* gone, or not up */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 8, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS_AT),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htonl(IFF_UP), 5, 6),
		/* or without a carrier */
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 4, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FLAGS_AT),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htonl(IFF_UP), 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htonl(IFF_RUNNING), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_filter code[WATCHED_MOST + LEN(begin) + LEN(end)], *c = code;
	struct sock_fprog program = { .filter = code };
	size_t i;

	memcpy(c, begin, sizeof(begin));
	c += LEN(begin);
	for (i = 0; i < nwatched; i++)  /* a bridge or a veth without a carrier is nothing to tell of */
		*c++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl((uint32_t)watched[i].index),
		                                    (uint8_t)(nwatched - i + (watched[i].parent ? 4 : 0)), 0);
	memcpy(c, end, sizeof(end));
	c += LEN(end);
	program.len = (unsigned short)(c - code);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

void
net_begin(const struct plan *p, struct run *r)
{
	struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	struct link *l;
	struct nl_msg m;
	int fd;

	(void)p;
	for (l = r->link; l < r->link + r->nlinks; l++) {
		if (l->kind == LINK_MOVED)
			continue;
		look_after(l->index, !is_pair(l), is_pair(l) ? "link" : "interface", l->host, l->guest);
		if (l->kind == LINK_VETH)
			look_after(r->bridge_index, false, "bridge", r->bridge, l->guest);
	}
	for (l = r->link; l < r->link + r->nlinks; l++)
		if (is_pair(l) && l->index > 0) {
			nl_begin_link(&m, RTM_SETLINK, 0, l->index, 0, 0);
			nl_str(&m, IFLA_IFALIAS, mark_of(r));
			marked = nl_talk(&r->host_net, &m, NULL, NULL) == 0;
		}
	if (!nwatched)
		return;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0 || filter_changes(fd) < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0) {
		warn("look after the host's links:");
		drop(fd);
		return;
	}
	watch(r, fd, POLLIN, got_change);
}
