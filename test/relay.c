/* SPDX-License-Identifier: 0BSD */
/* relay LINK ADDRESS GUEST PREFIX [HOST] : asked for names on a link that others made, as a supervisor is, at ADDRESS. Says
   what it decided */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../nspawn-lite.h"

static uint8_t host[16], relay[16];
static int family;

/* these stand in for address.c */
const uint8_t *
address_of_host(const struct run *r, int which)
{
	(void)r;
	return which == family ? host : NULL;
}

const uint8_t *
address_of_relay(const struct run *r, int which)
{
	(void)r;
	return which == family ? relay : NULL;
}

int
address_parse(const char *word, size_t len, uint8_t at[16])
{
	char *text = fmt("%.*s", (int)len, word);

	memset(at, 0, 16);
	return inet_pton(AF_INET, text, at) == 1 ? AF_INET : inet_pton(AF_INET6, text, at) == 1 ? AF_INET6 : 0;
}

int
main(int argc, char **argv)
{
	static struct link link;
	static struct plan p;
	static struct run r;
	bool six;

	if (argc < 5)
		die("relay LINK ADDRESS GUEST PREFIX");
	speaker = "relay: ";
	verbose = true;
	six = strchr(argv[2], ':');
	run_begin(&r);
	run_signals();
	link.host = argv[1];
	link.guest = xstrdup("host0");
	r.lent = &link;
	family = six ? AF_INET6 : AF_INET;
	if (inet_pton(family, argv[2], relay) != 1 || inet_pton(family, argv[argc > 5 ? 5 : 2], host) != 1
	    || inet_pton(family, argv[3], six ? r.lease.address6 : r.lease.address) != 1)
		die("%s, %s: no addresses", argv[2], argv[3]);
	*(six ? &r.lease.prefix6 : &r.lease.prefix) = atoi(argv[4]);
	*(six ? &r.lease.route6 : &r.lease.route) = true;
	resolver_look(&p, &r);
	dns_begin(&p, &r);
	print(1, "%s", r.resolver_text ? r.resolver_text : "none\n");  /* from here on it answers */
	while (!run_told_to_end())
		run_wait(&r, -1);
	return 0;
}
