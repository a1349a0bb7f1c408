/* SPDX-License-Identifier: 0BSD */
/* with: dhcp.c util.c */
/* What a guest sends: any bytes get an answer that is one, or none */
#include <stdlib.h>
#include <string.h>

#include "../../util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct lease leases[] = {
	{
		.mac = { 0x82, 0x8f, 0xf0, 0x36, 0x41, 0xea }, .host_mac = { 0xa2, 0x0e, 0x78, 0x9f, 0xde, 0x73 },
		.address = { 10, 64, 3, 17 }, .router = { 10, 64, 3, 1 }, .prefix = 24, .route = true,
		.address6 = { 0xfd, 1, 2, 3, 4, 5, 0, 6, 0x80, 0x8f, 0xf0, 0xff, 0xfe, 0x36, 0x41, 0xea },
		.router6 = { 0xfe, 0x80, [15] = 1 }, .prefix6 = 64, .dns = { { 10, 64, 3, 1 } }, .ndns = 3, .ndns6 = 3,
		.seconds = 3600, .mtu = 1400, .hostname = "guest", .timezone = "Europe/Berlin",
	},
	{ .mac = { 0x82, 0x8f, 0xf0, 0x36, 0x41, 0xea }, .address = { 10, 64, 3, 17 }, .router = { 10, 64, 3, 1 }, .prefix = 32 },
};

/* the checksum of what is behind a mutation would hide it: set IP's and ICMPv6's right, as a guest can */
static void
mend(uint8_t *f, size_t n)
{
	bool four = n >= 34 && f[12] == 8 && f[13] == 0, six = n >= 62 && f[12] == 0x86 && f[20] == 58;
	size_t from = four ? 14 : 22, i, end = four ? 14 + (f[14] & 15u) * 4 : n;
	uint8_t *at = f + (four ? 24 : 56);
	uint32_t s = six ? (uint32_t)(58 + n - 54) : 0;

	if ((!four && !six) || end > n)
		return;
	at[0] = at[1] = 0;
	for (i = from; i < end; i++)
		s += (i - from) & 1 ? f[i] : (uint32_t)f[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	at[0] = (uint8_t)(~s >> 8);
	at[1] = (uint8_t)~s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[1600];
	uint8_t *frame = malloc(size ? size : 1);
	size_t i, n, less;

	if (!frame)
		return 0;
	memcpy(frame, data, size);
	if (size && size <= 1600)
		mend(frame, size);
	for (i = 0; i < LEN(leases); i++) {
		n = dhcp_answer(&leases[i], frame, size, out, sizeof(out));
		if (n > sizeof(out) || (n && (memcmp(out + 6, leases[i].host_mac, 6) != 0 || n < 62)))
			abort();
		/* an answer of n bytes needs them all, and no more */
		less = n ? dhcp_answer(&leases[i], frame, size, out, n - 1) : 0;
		if (less || (n && dhcp_answer(&leases[i], frame, size, out, n) != n))
			abort();
	}
	free(frame);
	return 0;
}
