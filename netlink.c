/* SPDX-License-Identifier: 0BSD */
/* rtnetlink(7): the links of a machine */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <net/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "util.h"

/* send one request on a fresh socket and wait for its acknowledgement; -1 with errno */
static int
talk(struct nlmsghdr *h)
{
	struct { struct nlmsghdr h; struct nlmsgerr e; char more[256]; } answer;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;
	int fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -1;
	h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (sendto(fd, h, h->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return drop(fd);
	n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		return drop(fd);
	close(fd);
	if ((size_t)n < sizeof(answer.h) + sizeof(answer.e) || answer.h.nlmsg_type != NLMSG_ERROR) {
		errno = EPROTO;
		return -1;
	}
	errno = -answer.e.error;
	return answer.e.error ? -1 : 0;
}

int
nl_raise_loopback(void)
{
	struct { struct nlmsghdr h; struct ifinfomsg i; } m = {
		.h = { .nlmsg_len = sizeof(m), .nlmsg_type = RTM_NEWLINK },
		/* the first link of every network namespace is its loopback, with index 1 */
		.i = { .ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
	};

	return talk(&m.h);
}
