/* SPDX-License-Identifier: 0BSD */
/* with: util.c */
/* The host's resolv.conf: any bytes are one */
#include <stdlib.h>
#include <unistd.h>

#include <net/if.h>

#include "../../resolver.c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* stand in for other rooms */
const uint8_t *
address_of_host(const struct run *r, int family)
{
	(void)r;
	(void)family;
	return NULL;
}

const uint8_t *
address_of_relay(const struct run *r, int family)
{
	return address_of_host(r, family);
}

int
address_parse(const char *word, size_t len, uint8_t at[16])
{
	char text[INET6_ADDRSTRLEN + 1] = "";

	memset(at, 0, 16);
	if (len >= sizeof(text))
		return 0;
	memcpy(text, word, len);
	return inet_pton(AF_INET, text, at) == 1 ? AF_INET : inet_pton(AF_INET6, text, at) == 1 ? AF_INET6 : 0;
}

bool
dns_is_far(const struct server *s)
{
	return s->family == AF_INET;
}

bool
dns_is_link_local(const struct server *s)
{
	return s->family == AF_INET6;
}

void
dns_ask(const struct server *servers, size_t n)
{
	(void)servers;
	(void)n;
}

int
dns_open(struct run *r, const struct server *at, void (*follow)(struct run *))
{
	(void)r;
	(void)at;
	(void)follow;
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char file[] = "search lan\nnameserver 127.0.0.53\nnameserver fe80::1%lo\nnameserver 2001:db8::1\n";
	int fd;

	(void)argc;
	(void)argv;
	if (!getenv("SEEDS"))
		return 0;
	fd = open(fmt("%s/file", getenv("SEEDS")), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && write(fd, file, sizeof(file) - 1) < 0)
		abort();
	drop(fd);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct names n;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = 0;
	read_names(&n, text);
	if (n.n > SERVERS || strlen(n.search) >= sizeof(n.search))
		abort();
	free(text);
	return 0;
}
