/* SPDX-License-Identifier: 0BSD */
/* netlink(7): messages, and what rtnetlink(7) says of links, addresses and routes */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <net/if.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_addr.h>
#include <linux/sockios.h>

#include "util.h"

/* what comes with headers of Linux 4.12 and later */
enum { EXT_ACK = 11, STRICT_CHECK = 12, ACK_CAPPED = 0x100, ACK_TLVS = 0x200, ACK_TEXT = 1 };

int
nl_open(struct nl *nl, int protocol)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int on = 1;

	nl->seq = 0;
	nl->why[0] = 0;
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (nl->fd < 0)
		return -1;
	/* connected to the kernel: a guest, root in the network that it may be of, cannot fill it with messages of its own */
	if (connect(nl->fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return nl->fd = drop(nl->fd);
	setsockopt(nl->fd, SOL_NETLINK, EXT_ACK, &on, sizeof(on));  /* 4.12: reasons in words */
	return 0;
}

int
nl_open_route(struct nl *nl)
{
	return nl_open(nl, NETLINK_ROUTE);
}

void
nl_close(struct nl *nl)
{
	drop(nl->fd);
	nl->fd = -1;
}

/* ---- building ----------------------------------------------------------------------- */

static void *
room(struct nl_msg *m, size_t len)
{
	char *at = m->buf + m->len;

	if (m->over || NLMSG_ALIGN(len) > sizeof(m->buf) - m->len) {
		m->over = true;
		return NULL;
	}
	memset(at, 0, NLMSG_ALIGN(len));
	m->len += NLMSG_ALIGN(len);
	return at;
}

void
nl_begin(struct nl_msg *m, int type, int flags, const void *head, size_t len)
{
	struct nlmsghdr *h;
	char *at;

	m->len = m->depth = 0;
	m->over = false;
	h = room(m, sizeof(*h));
	h->nlmsg_type = (uint16_t)type;
	h->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
	at = room(m, len);
	if (at && len)
		memcpy(at, head, len);
}

void
nl_raw(struct nl_msg *m, int type, const void *data, size_t len)
{
	struct nlattr *a = room(m, sizeof(*a) + len);

	if (!a)
		return;
	a->nla_type = (uint16_t)type;
	a->nla_len = (uint16_t)(sizeof(*a) + len);
	if (len)
		memcpy(a + 1, data, len);
}

void
nl_u8(struct nl_msg *m, int type, uint8_t n)
{
	nl_raw(m, type, &n, sizeof(n));
}

void
nl_u16(struct nl_msg *m, int type, uint16_t n)
{
	nl_raw(m, type, &n, sizeof(n));
}

void
nl_u32(struct nl_msg *m, int type, uint32_t n)
{
	nl_raw(m, type, &n, sizeof(n));
}

void
nl_str(struct nl_msg *m, int type, const char *s)
{
	nl_raw(m, type, s, strlen(s) + 1);
}

void
nl_nest(struct nl_msg *m, int type)
{
	size_t at = m->len;

	nl_raw(m, type, NULL, 0);
	if (m->depth < LEN(m->nest))
		m->nest[m->depth] = at;
	else
		m->over = true;
	m->depth++;
}

/* what follows the attribute's own header without one: a message within, as VETH_INFO_PEER has it */
void
nl_bare(struct nl_msg *m, const void *data, size_t len)
{
	char *at = room(m, len);

	if (at)
		memcpy(at, data, len);
}

void
nl_end(struct nl_msg *m)
{
	struct nlattr *a;

	m->depth--;
	if (m->over)
		return;
	a = (struct nlattr *)(void *)(m->buf + m->nest[m->depth]);
	a->nla_len = (uint16_t)(m->len - m->nest[m->depth]);
}

/* ---- reading ------------------------------------------------------------------------ */

const struct nlattr *
nl_next(const void *at, const void *end, const struct nlattr *a)
{
	size_t left;

	if (a)
		at = (const char *)a + NLMSG_ALIGN(a->nla_len);
	if ((const char *)at >= (const char *)end)
		return NULL;
	left = (size_t)((const char *)end - (const char *)at);
	a = at;
	if (left < sizeof(*a) || a->nla_len < sizeof(*a) || a->nla_len > left)
		return NULL;
	return a;
}

const void *
nl_data(const struct nlattr *a, size_t *len)
{
	*len = a->nla_len - sizeof(*a);
	return a + 1;
}

const struct nlattr *
nl_find_in(const void *at, const void *end, int type)
{
	const struct nlattr *a = NULL;

	while ((a = nl_next(at, end, a)))
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
	return NULL;
}

const struct nlattr *
nl_find(const struct nlmsghdr *h, size_t head, int type)
{
	const char *at = (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(head), *end = (const char *)h + h->nlmsg_len;

	return at > end ? NULL : nl_find_in(at, end, type);
}

const struct nlattr *
nl_find_nested(const struct nlattr *a, int type)
{
	return a ? nl_find_in(a + 1, (const char *)a + a->nla_len, type) : NULL;
}

uint32_t
nl_get_u32(const struct nlattr *a)
{
	uint32_t n = 0;

	if (a && a->nla_len >= sizeof(*a) + sizeof(n))
		memcpy(&n, a + 1, sizeof(n));
	return n;
}

const void *
nl_get(const struct nlattr *a, size_t len)
{
	return a && a->nla_len == sizeof(*a) + len ? a + 1 : NULL;
}

void
nl_get_str(const struct nlattr *a, char *out, size_t size)
{
	size_t n = a ? a->nla_len - sizeof(*a) : 0;

	n = n < size - 1 ? n : size - 1;
	if (n)
		memcpy(out, a + 1, n);
	out[n] = 0;
}

/* ---- talking ------------------------------------------------------------------------ */

/* of what a message says went wrong */
static int
errno_of(int error)
{
	return error < 0 && error >= -4095 ? -error : EPROTO;
}

/* 1: go on; 0: the answer is complete; -1: with errno and words */
static int
take_ack(struct nl *nl, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);
	const struct nlattr *a;
	size_t skip = sizeof(*e);

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e))) {
		errno = EPROTO;
		return -1;
	}
	if (e->error == 0)
		return 0;
	if (!(h->nlmsg_flags & ACK_CAPPED) && e->msg.nlmsg_len > sizeof(e->msg) && e->msg.nlmsg_len < h->nlmsg_len)
		skip += e->msg.nlmsg_len - sizeof(e->msg);
	a = h->nlmsg_flags & ACK_TLVS ? nl_find(h, skip, ACK_TEXT) : NULL;
	nl_get_str(a, nl->why, sizeof(nl->why));
	errno = errno_of(e->error);
	return -1;
}

/* one datagram of answers; as take_ack */
static int
take(struct nl *nl, const char *buf, size_t n, nl_reader *fn, void *arg, bool *torn)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;
	int rc;

	for (; n >= sizeof(*h) && h->nlmsg_len >= sizeof(*h) && h->nlmsg_len <= n;
	     n -= NLMSG_ALIGN(h->nlmsg_len) < n ? NLMSG_ALIGN(h->nlmsg_len) : n,
	     h = (const struct nlmsghdr *)(const void *)((const char *)h + NLMSG_ALIGN(h->nlmsg_len))) {
		if (h->nlmsg_seq != nl->seq)
			continue;  /* of an earlier one that we gave up */
		*torn |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return take_ack(nl, h);
		if (h->nlmsg_type == NLMSG_DONE) {
			/* a dump that failed half-way says so here */
			rc = h->nlmsg_len >= NLMSG_LENGTH(sizeof(int)) ? *(const int *)NLMSG_DATA(h) : 0;
			errno = rc < 0 ? errno_of(rc) : 0;
			return rc < 0 ? -1 : 0;
		}
		if (h->nlmsg_type >= NLMSG_MIN_TYPE && fn)
			fn(arg, h);
	}
	return 1;
}

static int
listen_for(struct nl *nl, nl_reader *fn, void *arg, bool *torn)
{
	enum { ROOM = 16384 };
	struct sockaddr_nl from;
	struct iovec v = { .iov_len = ROOM };
	struct msghdr msg = { .msg_name = &from, .msg_iov = &v, .msg_iovlen = 1 };
	_Alignas(8) char buf[ROOM];
	ssize_t n;
	int rc;

	v.iov_base = buf;
	for (;;) {
		msg.msg_namelen = sizeof(from);
		n = recvmsg(nl->fd, &msg, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (from.nl_pid != 0)
			continue;  /* only the kernel is believed */
		if (msg.msg_flags & MSG_TRUNC) {
			errno = EMSGSIZE;
			return -1;
		}
		rc = take(nl, buf, (size_t)n, fn, arg, torn);
		if (rc <= 0)
			return rc;
	}
}

int
nl_talk(struct nl *nl, struct nl_msg *m, nl_reader *fn, void *arg)
{
	enum { AGAIN = 16 };
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)m->buf;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	bool dump = (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP, torn;
	int rc, i;

	nl->why[0] = 0;
	errno = EMSGSIZE;
	for (i = 0; !m->over && i < AGAIN; i++) {
		h->nlmsg_len = (uint32_t)m->len;
		h->nlmsg_seq = ++nl->seq;
		if (!dump)
			h->nlmsg_flags |= NLM_F_ACK;
		torn = false;
		if (sendto(nl->fd, h, m->len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
			break;
		rc = listen_for(nl, fn, arg, &torn);
		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0)
			break;
		if (!torn)
			return 0;
		errno = EBUSY;  /* it changes faster than it can be read */
	}
	if (!nl->why[0])
		snprintf(nl->why, sizeof(nl->why), "%s", strerror(errno));
	return -1;
}

/* ---- links, addresses, routes --------------------------------------------------------- */

void
nl_begin_link(struct nl_msg *m, int type, int flags, int index, unsigned int set, unsigned int mask)
{
	struct ifinfomsg i = { .ifi_index = index, .ifi_flags = set, .ifi_change = mask };

	nl_begin(m, type, flags, &i, sizeof(i));
}

int
nl_raise(struct nl *nl, int index)
{
	struct nl_msg m;

	nl_begin_link(&m, RTM_NEWLINK, 0, index, IFF_UP, IFF_UP);
	return nl_talk(nl, &m, NULL, NULL);
}

bool
nl_permanent_mac(const char *name, uint8_t mac[6])
{
	static const uint8_t none[6];
	struct { uint32_t cmd, size; uint8_t data[32]; } a = { .cmd = ETHTOOL_GPERMADDR, .size = sizeof(a.data) };
	struct ifreq q = { 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);  /* any will do */
	bool yes;

	snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", name);
	q.ifr_data = (void *)&a;
	yes = fd >= 0 && ioctl(fd, SIOCETHTOOL, &q) == 0 && a.size == 6 && memcmp(a.data, none, 6) != 0;
	if (yes)
		memcpy(mac, a.data, 6);
	drop(fd);
	return yes;
}

void
nl_read_link(const struct nlmsghdr *h, struct nl_link *l)
{
	const struct ifinfomsg *i = NLMSG_DATA(h);
	const void *mac;

	memset(l, 0, sizeof(*l));
	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*i)))
		return;
	l->index = i->ifi_index;
	l->flags = i->ifi_flags;
	l->type = i->ifi_type;
	l->master = (int)nl_get_u32(nl_find(h, sizeof(*i), IFLA_MASTER));
	l->parent = (int)nl_get_u32(nl_find(h, sizeof(*i), IFLA_LINK));
	l->mtu = nl_get_u32(nl_find(h, sizeof(*i), IFLA_MTU));
	nl_get_str(nl_find(h, sizeof(*i), IFLA_IFNAME), l->name, sizeof(l->name));
	nl_get_str(nl_find(h, sizeof(*i), IFLA_IFALIAS), l->alias, sizeof(l->alias));
	nl_get_str(nl_find_nested(nl_find(h, sizeof(*i), IFLA_LINKINFO), IFLA_INFO_KIND), l->kind, sizeof(l->kind));
	mac = nl_get(nl_find(h, sizeof(*i), IFLA_ADDRESS), sizeof(l->mac));
	if (mac)
		memcpy(l->mac, mac, sizeof(l->mac));
}

static void
got_link(void *arg, const struct nlmsghdr *h)
{
	nl_read_link(h, arg);
}

int
nl_find_link(struct nl *nl, const char *name, int index, struct nl_link *l)
{
	struct nl_msg m;

	memset(l, 0, sizeof(*l));
	nl_begin_link(&m, RTM_GETLINK, 0, name ? 0 : index, 0, 0);
	if (name)
		nl_str(&m, IFLA_IFNAME, name);
	if (nl_talk(nl, &m, got_link, l) < 0)
		return -1;
	if (l->index > 0)
		return 0;
	snprintf(nl->why, sizeof(nl->why), "%s", strerror(ENODEV));
	errno = ENODEV;
	return -1;
}

int
nl_delete_link(struct nl *nl, int index)
{
	struct nl_msg m;

	nl_begin_link(&m, RTM_DELLINK, 0, index, 0, 0);
	return nl_talk(nl, &m, NULL, NULL);
}

static size_t
address_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

int
nl_address(struct nl *nl, int type, int index, int family, const void *address, int prefix)
{
	struct ifaddrmsg a = {
		.ifa_family = (uint8_t)family, .ifa_prefixlen = (uint8_t)prefix, .ifa_index = (uint32_t)index,
		/* nobody else is on the link to have it: it can be used at once */
		.ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
	};
	const uint8_t *bytes = address;
	struct nl_msg m;
	uint32_t mask;
	uint8_t broadcast[4];
	int i;

	nl_begin(&m, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0, &a, sizeof(a));
	nl_raw(&m, IFA_LOCAL, address, address_size(family));
	nl_raw(&m, IFA_ADDRESS, address, address_size(family));
	if (family == AF_INET && type == RTM_NEWADDR && prefix < 31) {
		mask = prefix ? ~0U << (32 - prefix) : 0;
		for (i = 0; i < 4; i++)
			broadcast[i] = (uint8_t)(bytes[i] | (uint8_t)(~mask >> (24 - 8 * i)));
		nl_raw(&m, IFA_BROADCAST, broadcast, sizeof(broadcast));
	}
	return nl_talk(nl, &m, NULL, NULL);
}

int
nl_route(struct nl *nl, int type, int index, int family, const void *to, int prefix, const void *gateway, uint32_t metric)
{
	bool local = gateway == to;
	struct rtmsg t = {
		.rtm_family = (uint8_t)family, .rtm_dst_len = (uint8_t)prefix, .rtm_table = local ? RT_TABLE_LOCAL : RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC, .rtm_type = local ? RTN_LOCAL : RTN_UNICAST,
		.rtm_scope = local ? RT_SCOPE_HOST : gateway || family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
	};
	struct nl_msg m;

	nl_begin(&m, type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0, &t, sizeof(t));
	if (prefix)
		nl_raw(&m, RTA_DST, to, address_size(family));
	if (gateway && !local)
		nl_raw(&m, RTA_GATEWAY, gateway, address_size(family));
	nl_u32(&m, RTA_OIF, (uint32_t)index);
	if (metric)
		nl_u32(&m, RTA_PRIORITY, metric);
	return nl_talk(nl, &m, NULL, NULL);
}
