/* SPDX-License-Identifier: 0BSD */
/* DHCP (RFC 2131), DHCPv6 (RFC 8415), router advertisements (RFC 4861): frames in, frames out */
#include <stddef.h>

#include "util.h"

size_t
dhcp_answer(const struct lease *l, const uint8_t *frame, size_t len, uint8_t *out, size_t room)
{
	(void)l;
	(void)frame;
	(void)len;
	(void)out;
	(void)room;
	return 0;
}

size_t
dhcp_advertise(const struct lease *l, uint8_t *out, size_t room)
{
	(void)l;
	(void)out;
	(void)room;
	return 0;
}
