/* SPDX-License-Identifier: 0BSD */
/* What we lend is asked for: a socket on the host's end of the link */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "nspawn-lite.h"

enum { IGNORE_OUTGOING = 23, VLAN_PRESENT = 48 };  /* if_packet.h of Linux 4.20, filter.h of 3.8 */
enum { FRAME_MOST = 1600 };
/*
 * A guest costs us so much: frames that are read in a turn of the loop; in a second; and at once after a quiet time.
 * What comes beyond waits in the kernel, where there is little room.
 */
enum { TURN = 16, PER_SECOND = 20, BURST = 50, QUEUE = 16384 };
/* milliseconds between advertisements nobody asked for: three at first, unless it asks; then as few as RFC 4861 lets us */
enum { HASTY = 3, HASTY_LEAST = 1000, HASTY_MOST = 4000, IDLE_LEAST = 400000, IDLE_MOST = 600000 };

static struct {
	int timer;
	int tokens, hasty;
	int64_t counted, advertise, thaw;  /* when; 0: never */
} lend;

static bool
served(const struct plan *p, const struct run *r)
{
	/* on a bridge of the host's own somebody else may serve */
	return r->lent && r->lent->kind == LINK_VETH && !p->network_bridge && (r->lease.prefix || r->lease.prefix6);
}

/* what the kernel shows us of all that comes over the link: what the guest itself sends to the ports that we serve */
static int
filter(int fd, const uint8_t mac[6])
{
	enum { REFUSE = 0xff, OURS = 0xfe, IP6_AT = 8, OURS_AT = 15 };
	const uint32_t high = (uint32_t)mac[0] << 24 | (uint32_t)mac[1] << 16 | (uint32_t)mac[2] << 8 | mac[3];
	const uint32_t low = (uint32_t)mac[4] << 8 | mac[5];
	/* it runs for each packet of the guest: what most of them are leaves it first */
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, IP6_AT - 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, REFUSE),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, REFUSE),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, OURS, REFUSE),
		/* IP6_AT */
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 2),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 56),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 547, OURS, REFUSE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, REFUSE),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 133, OURS, REFUSE),
		/* OURS_AT */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, REFUSE, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + VLAN_PRESENT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, REFUSE),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 6),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, REFUSE),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 10),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, REFUSE),
		BPF_STMT(BPF_RET | BPF_K, FRAME_MOST),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { LEN(f), f };
	const size_t last = LEN(f) - 1;
	size_t i;

	for (i = 0; i < last; i++) {
		if (BPF_CLASS(f[i].code) != BPF_JMP)
			continue;
		if (f[i].jt >= OURS)
			f[i].jt = (uint8_t)((f[i].jt == OURS ? OURS_AT : last) - i - 1);
		if (f[i].jf == REFUSE)
			f[i].jf = (uint8_t)(last - i - 1);
	}
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

void
lend_open(const struct plan *p, struct run *r)
{
	int on = 1, size = QUEUE;

	if (!served(p, r))
		return;
	/* protocol 0: nothing comes until lend_bind */
	r->lend_socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->lend_socket < 0 || filter(r->lend_socket, r->lease.mac) < 0) {
		warn("it is not answered when it asks for an address by DHCP (CONFIG_PACKET):");
		r->lend_socket = drop(r->lend_socket);
		return;
	}
	setsockopt(r->lend_socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(r->lend_socket, SOL_PACKET, IGNORE_OUTGOING, &on, sizeof(on));  /* else each is copied for the filter */
}

void
lend_bind(const struct plan *p, struct run *r)
{
	/* of all protocols: a port of a bridge shows the others only after the bridge has taken them away */
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };

	(void)p;
	if (r->lend_socket < 0)
		return;
	a.sll_ifindex = r->lent->index;
	if (bind(r->lend_socket, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("listen on link %s:", r->lent->host);
	close(r->lend_socket);  /* the supervisor's own is the same socket, and bound now */
}

/* ---- in the supervisor's loop ------------------------------------------------------------ */

static void
arm(void)
{
	int64_t at = lend.advertise;
	struct itimerspec t = { .it_value = { 0, 0 } };

	if (lend.thaw && (!at || lend.thaw < at))
		at = lend.thaw;
	t.it_value.tv_sec = (time_t)(at / 1000);
	t.it_value.tv_nsec = (long)(at % 1000) * 1000000L;
	timerfd_settime(lend.timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void
advertise_later(int64_t now)
{
	bool hasty = lend.hasty > 0;
	uint32_t least = hasty ? HASTY_LEAST : IDLE_LEAST, most = hasty ? HASTY_MOST : IDLE_MOST, random;

	random_bytes(&random, sizeof(random));
	lend.advertise = now + least + random % (most - least + 1);
	lend.hasty -= hasty;
}

/* what cannot be sent now is asked for again */
static void
send_frame(struct run *r, const uint8_t *frame, size_t len)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_halen = ETH_ALEN };

	if (!len)
		return;
	a.sll_ifindex = r->lent->index;
	memcpy(&a.sll_protocol, frame + 12, 2);
	memcpy(a.sll_addr, frame, ETH_ALEN);
	(void)!sendto(r->lend_socket, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof(a));
}

static void
count_tokens(int64_t now)
{
	int64_t more = (now - lend.counted) * PER_SECOND / 1000;

	if (more <= 0)
		return;
	lend.counted = now;
	lend.tokens = more > BURST - lend.tokens ? BURST : lend.tokens + (int)more;
}

static void
got_frames(struct run *r, int fd, short revents)
{
	uint8_t in[FRAME_MOST], out[FRAME_MOST];
	int64_t now = now_ms();
	ssize_t n;
	size_t len;
	int i;

	(void)revents;
	count_tokens(now);
	for (i = 0; i < TURN && lend.tokens > 0; i++, lend.tokens--) {
		n = recv(fd, in, sizeof(in), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			continue;  /* the link went down: said once, and it may come up again */
		resolver_follow(r);
		len = dhcp_answer(&r->lease, in, (size_t)n, out, sizeof(out));
		send_frame(r, out, len);
		/* it asked for an advertisement, and has one */
		if (len && lend.advertise && out[12] == 0x86 && out[20] == IPPROTO_ICMPV6 && lend.hasty) {
			lend.hasty = 0;
			advertise_later(now);
			arm();
		}
	}
	if (lend.tokens > 0)
		return;
	unwatch(r, fd, got_frames);
	lend.thaw = now + 1000 * TURN / PER_SECOND;
	arm();
}

static void
got_time(struct run *r, int fd, short revents)
{
	uint8_t out[FRAME_MOST];
	int64_t now = now_ms();
	uint64_t times;
	size_t len;

	(void)revents;
	(void)!read(fd, &times, sizeof(times));
	if (lend.thaw && lend.thaw <= now) {
		lend.thaw = 0;
		watch(r, r->lend_socket, POLLIN, got_frames);
	}
	if (lend.advertise && lend.advertise <= now) {
		resolver_follow(r);
		len = dhcp_advertise(&r->lease, out, sizeof(out));
		send_frame(r, out, len);
		advertise_later(now);
	}
	arm();
}

/*
 * A client renews by UDP, from its address to ours: nobody listens there, and the kernel would say so to it. So
 * there is a socket that hears nothing. If somebody does listen, it is as well.
 */
static void
hold_port(const struct run *r)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { 1, &nothing };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(67) };
	const char *link = r->bridge ? r->bridge : r->lent->host;
	int on = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0
	    || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0
	    || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link, (socklen_t)strlen(link) + 1) < 0
	    || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		say("port 67 of %s is not held: %s", link, strerror(errno));
		drop(fd);
	}
}

void
lend_begin(const struct plan *p, struct run *r)
{
	struct nl_link bridge;

	(void)p;
	if (r->lend_socket < 0)
		return;
	/* in a zone it is the bridge that its router's addresses are on */
	if (r->bridge && nl_find_link(&r->host_net, NULL, r->bridge_index, &bridge) == 0)
		memcpy(r->lease.host_mac, bridge.mac, sizeof(bridge.mac));
	lend.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (lend.timer < 0) {
		warn("make a timer; it is not answered when it asks for an address by DHCP (CONFIG_TIMERFD):");
		return;
	}
	if (r->lease.prefix)
		hold_port(r);
	lend.counted = now_ms();
	lend.tokens = BURST;
	lend.hasty = HASTY;
	if (r->lease.prefix6)
		advertise_later(lend.counted);
	watch(r, lend.timer, POLLIN, got_time);
	watch(r, r->lend_socket, POLLIN, got_frames);
	arm();
}
