/* SPDX-License-Identifier: 0BSD */
/* Names for guests: whom they ask */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <net/if.h>

#include "nspawn-lite.h"

enum { SERVERS = 3, SEARCH_MOST = 255 };  /* as many as resolv.conf(5) takes */

/* what a resolv.conf says */
struct names {
	struct server server[SERVERS];
	size_t n;
	bool stub;             /* one of them is systemd-resolved's, which knows those behind it */
	char search[SEARCH_MOST + 1];
};

/* of this machine */
static struct {
	const struct plan *plan;
	struct stat seen[2];           /* of the host's files */
	time_t looked;
	struct names names;
} its;

static const char *const files[] = { "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf" };

/* ---- what resolv.conf says ------------------------------------------------------- */

static bool
read_address(const char *word, struct server *s)
{
	size_t len = strcspn(word, "%");

	memset(s, 0, sizeof(*s));
	s->family = address_parse(word, len, s->address);
	if (s->family && word[len])
		s->scope = if_nametoindex(word + len + 1);
	return s->family && (!word[len] || s->scope);
}

/* what follows a keyword, up to a comment; "" if the line has another */
static char *
value_of(char *line, const char *key)
{
	size_t len = strlen(key);
	char *v = line + len;

	if (strncmp(line, key, len) != 0 || (*v != ' ' && *v != '\t'))
		return line + strlen(line);
	v += strspn(v, " \t");
	v[strcspn(v, "#;\r")] = 0;
	return v;
}

static void
read_search(struct names *n, const char *v)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_. ";
	size_t len = strlen(v);

	while (len && v[len - 1] == ' ')
		len--;
	if (len && len < sizeof(n->search) && strspn(v, good) >= len) {
		memcpy(n->search, v, len);
		n->search[len] = 0;
	}
}

static void
read_names(struct names *n, char *text)
{
	static const uint8_t stub[4] = { 127, 0, 0, 53 };
	struct server *s;
	char *line, *v;

	memset(n, 0, sizeof(*n));
	while ((line = next_line(&text))) {
		read_search(n, value_of(line, "domain"));
		read_search(n, value_of(line, "search"));
		v = value_of(line, "nameserver");
		v[strcspn(v, " \t")] = 0;
		s = &n->server[n->n];
		if (!*v || n->n == SERVERS || !read_address(v, s))
			continue;
		n->stub |= s->family == AF_INET && !memcmp(s->address, stub, 4);
		n->n++;
	}
}

static void
read_file(struct names *n, const char *path)
{
	enum { SIZE = 4096 };
	static void *at;
	char *text = scratch_room(&at, SIZE);

	if (read_at(AT_FDCWD, path, text, SIZE) < 0)
		*text = 0;
	read_names(n, text);
}

/* ---- whom the guest asks ------------------------------------------------------------ */

static bool
add(struct lease *l, const struct server *s)
{
	if (s->family == AF_INET && l->ndns < LEN(l->dns))
		memcpy(l->dns[l->ndns++], s->address, 4);
	else if (s->family == AF_INET6 && l->ndns6 < LEN(l->dns6))
		memcpy(l->dns6[l->ndns6++], s->address, 16);
	else
		return false;
	return true;
}

/* nobody that it reaches: it asks the relay, or a resolver of the host's that is there for all */
static void
relay(struct run *r)
{
	int family = r->lease.prefix ? AF_INET : AF_INET6;
	struct server at = { .family = family };
	const uint8_t *own = address_of_relay(r, family);

	if (!own)
		return;
	memcpy(at.address, own, family == AF_INET ? 4 : 16);
	if (dns_open(r, &at, resolver_follow) < 0)
		memcpy(at.address, address_of_host(r, family), family == AF_INET ? 4 : 16);
	add(&r->lease, &at);
}

/* the host's file is read; what it means for this guest */
static void
decide(struct run *r)
{
	char **w = its.plan->network_dns;
	struct lease *l = &r->lease;
	struct names uplinks;
	struct names *n = &its.names;
	struct server s;
	size_t i;

	l->ndns = l->ndns6 = 0;
	for (; w && *w; w++)
		if (read_address(*w, &s))
			add(l, &s);
	if (its.plan->network_dns)
		return;
	read_file(n, files[0]);
	if (n->stub) {
		read_file(&uplinks, files[1]);
		n = &uplinks;
	}
	for (i = 0; i < n->n; i++)
		if (dns_is_far(&n->server[i])
		    && (n->server[i].family == AF_INET ? l->prefix && l->route : l->prefix6 && l->route6))
			add(l, &n->server[i]);
	if (!its.names.n)  /* resolv.conf(5): then it is the host itself */
		read_address("127.0.0.1", &its.names.server[its.names.n++]);
	dns_ask(its.names.server, its.names.n);
	if (!l->ndns && !l->ndns6)
		relay(r);
}

static char *
write_text(const struct run *r)
{
	const struct lease *l = &r->lease;
	char address[INET6_ADDRSTRLEN], *text;
	struct server s = { .family = AF_INET6 };
	size_t i;

	if (!l->ndns && !l->ndns6)
		return NULL;
	text = xstrdup(*its.names.search ? fmt("search %s\n", its.names.search) : "");
	for (i = 0; i < l->ndns; i++)
		text = fmt("%snameserver %s\n", text, inet_ntop(AF_INET, l->dns[i], address, sizeof(address)));
	for (i = 0; i < l->ndns6 && i + l->ndns < SERVERS; i++) {
		memcpy(s.address, l->dns6[i], 16);
		text = fmt("%snameserver %s%s%s\n", text, inet_ntop(AF_INET6, l->dns6[i], address, sizeof(address)),
		           dns_is_link_local(&s) && r->lent ? "%" : "", dns_is_link_local(&s) && r->lent ? r->lent->guest : "");
	}
	return text;
}

/* the host's files are as we saw them; remembers how they are */
static bool
is_unchanged(void)
{
	bool same = true;
	struct stat st;
	size_t i;

	for (i = 0; i < LEN(files); i++) {
		memset(&st, 0, sizeof(st));
		if (stat(files[i], &st) < 0)
			memset(&st, 0, sizeof(st));
		same &= st.st_ino == its.seen[i].st_ino && st.st_dev == its.seen[i].st_dev && st.st_size == its.seen[i].st_size
		        && st.st_mtim.tv_sec == its.seen[i].st_mtim.tv_sec && st.st_mtim.tv_nsec == its.seen[i].st_mtim.tv_nsec;
		its.seen[i] = st;
	}
	return same;
}

/* the lease and the servers as the host's files are now; one look in a while */
void
resolver_follow(struct run *r)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!r->lent || its.plan->network_dns || now.tv_sec == its.looked)
		return;
	its.looked = now.tv_sec;
	if (!is_unchanged())
		decide(r);
}

void
resolver_look(const struct plan *p, struct run *r)
{
	its.plan = p;
	if (!r->lent && !p->network_dns)
		return;
	is_unchanged();
	decide(r);
	r->resolver_text = write_text(r);
}
