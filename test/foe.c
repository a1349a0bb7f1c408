/* SPDX-License-Identifier: 0BSD */
/*
 * What an evil guest does in its own network:
 * foe talk SECONDS		messages to every rtnetlink socket of this network but our own
 * foe addresses LINK N		so many IPv4 addresses
 * foe churn LINK SECONDS	an address that comes and goes, as fast as can be
 * foe frame LINK HEX...	a frame, by bytes; {mac} stands for the link's own address
 * foe macs LINK N		a frame from each of so many MAC addresses
 * foe advertise LINK		a router advertisement: we are the way to everywhere
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

static int
usage(void)
{
	fprintf(stderr, "foe: talk SECONDS | addresses LINK N | churn LINK SECONDS | frame LINK HEX... | macs LINK N | advertise LINK\n");
	return 2;
}

static time_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static int
route_socket(uint32_t *own)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(a);
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
		perror("foe: netlink");
		exit(1);
	}
	*own = a.nl_pid;
	return fd;
}

static int
talk(int seconds)
{
	_Alignas(8) char message[2048] = { 0 };
	struct nlmsghdr *h = (struct nlmsghdr *)message;
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	uint32_t own, id[64];
	time_t end = now() + seconds;
	unsigned long sent = 0;
	char line[256];
	int fd = route_socket(&own), n = 0, i, protocol;
	FILE *f = fopen("/proc/self/net/netlink", "r");

	while (f && n < 64 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %d %u", &protocol, &id[n]) == 2 && protocol == NETLINK_ROUTE && id[n] && id[n] != own)
			n++;
	printf("%d sockets, ", n);  /* those that others open from here on are none of them */
	fflush(stdout);
	h->nlmsg_len = sizeof(message);
	h->nlmsg_type = NLMSG_NOOP;
	while (n && now() < end)
		for (i = 0; i < n; i++) {
			to.nl_pid = id[i];
			sent += sendto(fd, message, sizeof(message), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) > 0;
		}
	printf("%lu messages\n", sent);
	return 0;
}

static void
put_address(int fd, int type, int index, uint32_t number)
{
	struct { struct nlmsghdr h; struct ifaddrmsg a; struct rtattr attr; uint32_t number; } m = {
		.h = { .nlmsg_len = sizeof(m), .nlmsg_type = (uint16_t)type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE },
		.a = { .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = (uint32_t)index },
		.attr = { sizeof(m.attr) + 4, IFA_LOCAL }, .number = htonl(number),
	};
	char answer[512];

	while (send(fd, &m, sizeof(m), 0) < 0 && errno == ENOBUFS)
		;
	while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		;
}

static int
send_frame(const char *link, const uint8_t *frame, size_t len)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6, .sll_ifindex = (int)if_nametoindex(link) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	memcpy(to.sll_addr, frame, 6);
	if (sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) != (ssize_t)len) {
		perror("foe: send");
		return 1;
	}
	return 0;
}

static void
own_mac(const char *link, uint8_t *mac)
{
	struct ifreq q = { 0 };

	snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", link);
	ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCGIFHWADDR, &q);
	memcpy(mac, q.ifr_hwaddr.sa_data, 6);
}

static int
advertise(const char *link)
{
	uint8_t f[14 + 40 + 16] = {
		0x33, 0x33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x86, 0xdd,
		0x60, 0, 0, 0, 0, 16, 58, 255, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x66, 0x66,
		0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		134, 0, 0, 0, 64, 0x08, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	uint32_t sum = 16 + 58;
	size_t i;

	own_mac(link, f + 6);
	for (i = 22; i < sizeof(f); i += 2)
		sum += (uint32_t)f[i] << 8 | f[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	f[56] = (uint8_t)(~sum >> 8);
	f[57] = (uint8_t)~sum;
	return send_frame(link, f, sizeof(f));
}

static int
send_bytes(const char *link, char **words, int n)
{
	uint8_t f[1514] = { 0 };
	size_t len = 0;
	int i;

	for (i = 0; i < n && len + 6 <= sizeof(f); i++)
		if (strcmp(words[i], "{mac}") == 0) {
			own_mac(link, f + len);
			len += 6;
		} else {
			f[len++] = (uint8_t)strtoul(words[i], NULL, 16);
		}
	return send_frame(link, f, len < 60 ? 60 : len);
}

static int
macs(const char *link, uint32_t n)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6, .sll_ifindex = (int)if_nametoindex(link) };
	uint8_t f[60] = { 2, 1, 1, 1, 1, 1, 2, 2, [12] = 0x88, 0xb5 };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	while (n--) {
		memcpy(f + 8, &n, 4);
		while (sendto(fd, f, sizeof(f), 0, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == ENOBUFS)
			;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	uint32_t own, i;
	time_t end;
	int fd, index;

	if (argc == 3 && strcmp(argv[1], "talk") == 0)
		return talk(atoi(argv[2]));
	if (argc == 3 && strcmp(argv[1], "advertise") == 0)
		return advertise(argv[2]);
	if (argc < 4)
		return usage();
	index = (int)if_nametoindex(argv[2]);
	if (strcmp(argv[1], "frame") == 0)
		return send_bytes(argv[2], argv + 3, argc - 3);
	if (strcmp(argv[1], "macs") == 0)
		return macs(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
	fd = route_socket(&own);
	if (strcmp(argv[1], "addresses") == 0) {
		for (i = 0; i < strtoul(argv[3], NULL, 10); i++)
			put_address(fd, RTM_NEWADDR, index, 0x0b000001 + i);
		return 0;
	}
	if (strcmp(argv[1], "churn") != 0)
		return usage();
	for (end = now() + atoi(argv[3]); now() < end;)
		for (i = 0; i < 100; i++) {
			put_address(fd, RTM_NEWADDR, index, 0x0c000001);
			put_address(fd, RTM_DELADDR, index, 0x0c000001);
		}
	return 0;
}
