/* SPDX-License-Identifier: 0BSD */
/* with: util.c */
/* What a socket of netlink gives us. Only the kernel is believed; this is for its mistakes and ours */
#include <stdio.h>
#include <stdlib.h>

#include "../../netlink.c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
keep(void *arg, const struct nlmsghdr *h)
{
	static int n;
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/answer-%d", (const char *)arg, n++);
	f = fopen(path, "w");
	if (!f)
		return;
	fwrite(h, h->nlmsg_len, 1, f);
	fclose(f);
}

/* real answers to begin with */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const int types[] = { RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE };
	char *dir = getenv("SEEDS");
	struct nl nl;
	struct nl_msg m;
	size_t i;

	(void)argc;
	(void)argv;
	if (!dir || nl_open_route(&nl) < 0)
		return 0;
	for (i = 0; i < LEN(types); i++) {
		nl_begin_link(&m, types[i], NLM_F_DUMP, 0, 0, 0);
		nl_talk(&nl, &m, keep, dir);
	}
	nl_begin_link(&m, RTM_GETLINK, 0, 1 << 30, 0, 0);
	nl_talk(&nl, &m, keep, dir);
	nl_close(&nl);
	return 0;
}

/* every byte of it is looked at: a sanitizer sees what is beyond */
static void
walk(const void *at, const void *end, int depth)
{
	const struct nlattr *a = NULL;
	volatile uint8_t all = 0;
	const uint8_t *p;
	size_t len, i;

	while ((a = nl_next(at, end, a))) {
		p = nl_data(a, &len);
		for (i = 0; i < len; i++)
			all ^= p[i];
		nl_get_u32(a);
		if (depth < 8)
			walk(p, p + len, depth + 1);
	}
}

static void
look(void *arg, const struct nlmsghdr *h)
{
	static const size_t heads[] = { 0, 4, sizeof(struct ifaddrmsg), sizeof(struct ifinfomsg) };
	char text[7];
	struct nl_link l;
	size_t i;

	(void)arg;
	nl_read_link(h, &l);
	if (strlen(l.name) >= sizeof(l.name) || strlen(l.kind) >= sizeof(l.kind))
		abort();
	for (i = 0; i < LEN(heads); i++) {
		nl_get_str(nl_find(h, heads[i], 3), text, sizeof(text));
		nl_get(nl_find_nested(nl_find(h, heads[i], 18), 1), 4);
		if (h->nlmsg_len >= NLMSG_LENGTH(heads[i]))
			walk((const char *)NLMSG_DATA(h) + heads[i], (const char *)h + h->nlmsg_len, 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nl nl = { .fd = -1 };
	char *buf = malloc(size ? size : 1);
	bool torn = false;

	if (!buf)
		return 0;
	memcpy(buf, data, size);
	if (size >= sizeof(struct nlmsghdr))
		memcpy(&nl.seq, buf + offsetof(struct nlmsghdr, nlmsg_seq), sizeof(nl.seq));
	take(&nl, buf, size, look, NULL, &torn);
	if (strlen(nl.why) >= sizeof(nl.why))
		abort();
	free(buf);
	return 0;
}
