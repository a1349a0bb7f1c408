/* SPDX-License-Identifier: 0BSD */
/*
 * flood LINK N [tagged] : asks N times for an address, as fast as can be, and prints the nanoseconds of processor time
 * that took. Tagged: with a VLAN's tag
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

int
main(int argc, char **argv)
{
	unsigned char f[346] = { 0 };
	size_t len = 342;
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	struct timespec t;
	struct ifreq link = { 0 };
	unsigned long sum = 0;
	long n;
	int fd = socket(AF_PACKET, SOCK_RAW, 0), i;

	if (argc < 3 || fd < 0)
		return 2;
	strncpy(link.ifr_name, argv[1], IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &link) < 0) {
		perror(argv[1]);
		return 1;
	}
	memset(f, 0xff, 6);
	memcpy(f + 6, link.ifr_hwaddr.sa_data, 6);
	memcpy(f + 12, "\x08\x00\x45\x00\x01\x48\0\0\0\0\x40\x11\0\0\0\0\0\0\xff\xff\xff\xff\0\x44\0\x43\x01\x34\0\0", 30);
	for (i = 14; i < 34; i += 2)
		sum += (unsigned long)(f[i] << 8 | f[i + 1]);
	sum = ~((sum >> 16) + (sum & 0xffff));
	f[24] = (unsigned char)(sum >> 8);
	f[25] = (unsigned char)sum;
	memcpy(f + 42, "\x01\x01\x06\0flod", 8);
	memcpy(f + 70, f + 6, 6);
	memcpy(f + 278, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
	if (argc > 3) {
		memmove(f + 16, f + 12, len - 12);
		memcpy(f + 12, "\x81\0\0\x05", 4);
		len += 4;
	}
	memcpy(to.sll_addr, f, 6);
	to.sll_protocol = htons(argc > 3 ? ETH_P_8021Q : ETH_P_IP);
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	for (n = atol(argv[2]); n > 0; n--)
		if (sendto(fd, f, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
			perror("send");
			return 1;
		}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	printf("%lld\n", (long long)t.tv_sec * 1000000000LL + t.tv_nsec);
	return 0;
}
