/* SPDX-License-Identifier: 0BSD */
/* What readers of nf_tables' dumps, and of iptables' entries, make of anything */
/* with: util.c netlink.c */
#include "../../firewall.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static nl_reader *const readers[] = { read_chain, read_rule, read_set, read_elements };
	static struct base base = { .family = AF_INET, .table = "fw" };
	struct search s = { .link = "vz-z", .index = 3, .at = &base, .chain = "forward", .wild = true };
	struct info in = { .entry = { [FORWARD] = 0 }, .policy = { [FORWARD] = 0xffffffff } };
	struct nlmsghdr *h;
	uint8_t *copy;
	size_t i;

	if (size < NLMSG_HDRLEN || size > 16384 || !(copy = malloc(size)))
		return 0;
	memcpy(copy, data, size);
	h = (struct nlmsghdr *)(void *)copy;
	h->nlmsg_len = (uint32_t)size;  /* netlink.c has seen to this */
	for (i = 0; i < LEN(readers); i++)
		readers[i](&s, h);
	legacy_blocks(copy, size, &in, 0, s.link);
	legacy_blocks(copy, size, &in, 1, s.link);
	free(copy);
	return 0;
}
