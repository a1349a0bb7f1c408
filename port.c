/* SPDX-License-Identifier: 0BSD */
/* Ports of the host that lead to the machine, and its way out */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <net/if.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "nspawn-lite.h"

/* sockios.h of Linux 4.9; if_addr.h of 3.14; of an option whose header clashes with libc's; rtnetlink.h of 4.1 */
enum { GET_NAMESPACE = 0x894c, ADDR_FLAGS = 8, NL_GROUP = 1, ROUTE_VIA = 18 };
/* so many addresses of a family are looked at; as often; and for such a part of our time */
enum { CANDIDATES = 8, PAUSE_MS = 500, PART = 16, DRAIN = 4096 };

struct port {
	const char *word;
	struct nft_port to;
	bool heard;           /* it is relayed where nft does not lead it: its sockets are open */
};

/* an address of the guest */
struct candidate { uint8_t family, address[16]; int index; bool lent; };

static struct {
	struct nft nft;
	struct nft_port *port;      /* those that nft leads */
	size_t nports;
	bool masquerade, leads;     /* what was put in force */
	int change, pause;          /* a socket: news of the machine's network; a timer */
	int64_t next;               /* not before this we look again, in ms */
	bool told;                  /* of what went wrong, once */
	int ours, theirs;
	struct candidate seen[2 * CANDIDATES];
	size_t nseen;
	struct shared numbers, tables;
} its = { .nft.nl.fd = -1, .change = -1, .pause = -1, .ours = -1, .theirs = -1, .numbers.fd = -1, .tables.fd = -1 };

/* ---- words ----------------------------------------------------------------------------------- */

/* FIRST or FIRST-LAST, up to end */
static bool
parse_range(const char *s, const char *end, uint16_t *first, uint16_t *last)
{
	char *word = xstrndup(s, (size_t)(end - s)), *dash = strchr(word, '-');
	long long a, b;

	if (dash)
		*dash = 0;
	if (!parse_number(word, 1, UINT16_MAX, &a) || !parse_number(dash ? dash + 1 : word, 1, UINT16_MAX, &b))
		return false;
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return true;
}

/* what is wrong with it, or NULL */
static const char *
parse(const char *word, struct port *p)
{
	const char *s = word, *end;
	uint16_t last;
	char *address;

	memset(p, 0, sizeof(*p));
	p->word = word;
	p->to.proto = IPPROTO_TCP;
	if (after(s, "tcp:") || after(s, "udp:")) {
		p->to.proto = *s == 'u' ? IPPROTO_UDP : IPPROTO_TCP;
		s += 4;
	}
	if (*s == '[') {
		end = strchr(s, ']');
		address = fmt("%.*s", end ? (int)(end - s - 1) : 0, s + 1);
		if (!end || end[1] != ':' || inet_pton(AF_INET6, address, p->to.address) != 1)
			return "in brackets stands an IPv6 address, and a colon behind them";
		p->to.family = AF_INET6;
		s = end + 2;
	} else if (memchr(s, '.', strcspn(s, ":"))) {
		end = s + strcspn(s, ":");
		address = xstrndup(s, (size_t)(end - s));
		if (!*end || inet_pton(AF_INET, address, p->to.address) != 1)
			return "what has a dot is an IPv4 address, and a colon and a port follow it";
		p->to.family = AF_INET;
		s = end + 1;
	}
	end = s + strcspn(s, ":");
	if (s == word && *end && ((*s | 32) >= 'a' && (*s | 32) <= 'z'))
		return "the protocol is tcp or udp, in small letters";
	if (!parse_range(s, end, &p->to.first, &p->to.last))
		return "a port is a decimal number from 1 to 65535";
	if (p->to.last < p->to.first)
		return "the first port of a range is not above its last";
	if (p->to.last - p->to.first >= PORT_RANGE)
		return fmt("a range has at most %d ports", PORT_RANGE);
	p->to.guest = p->to.first;
	if (!*end)
		return NULL;
	s = end + 1;
	if (!parse_range(s, s + strlen(s), &p->to.guest, &last))
		return "a port of the guest is a decimal number from 1 to 65535";
	if (strchr(s, '-') && last - p->to.guest != p->to.last - p->to.first)
		return "the guest's range has as many ports as the host's";
	if (p->to.guest + (p->to.last - p->to.first) > UINT16_MAX)
		return "the guest's last port is above 65535";
	return NULL;
}

static bool
overlap(const struct nft_port *a, const struct nft_port *b)
{
	if (a->proto != b->proto || a->last < b->first || b->last < a->first)
		return false;
	return !a->family || !b->family
	       || (a->family == b->family && memcmp(a->address, b->address, a->family == AF_INET ? 4 : 16) == 0);
}

void
port_check(const struct plan *p)
{
	struct port *all = xalloc((count(p->port) + 1) * sizeof(*all));
	const char *reason;
	size_t n, i;

	if (p->port && !net_private(p))
		die("Cannot use --port= without private networking.");
	for (n = 0; p->port && p->port[n]; n++) {
		reason = parse(p->port[n], &all[n]);
		if (reason)
			die("--port=%s: %s", p->port[n], reason);
		for (i = 0; i < n; i++)
			if (overlap(&all[i].to, &all[n].to))
				die("Duplicate port specification: %s", p->port[n]);
	}
}

/* ---- who has it -------------------------------------------------------------------------------- */

static const char *
proto_name(const struct nft_port *t)
{
	return t->proto == IPPROTO_UDP ? "udp" : "tcp";
}

/* the file of a machine that lives, and says so */
static bool
has_port(int dir, const char *name, const struct nft_port *one)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	enum { SIZE = 65536 };
	static void *at;
	char *text = scratch_room(&at, SIZE), *rest = text, *line;
	const char *word;
	struct port other;
	bool yes = false;
	ssize_t n;

	if (fd < 0)
		return false;
	n = flock(fd, LOCK_SH | LOCK_NB) < 0 ? pread(fd, text, SIZE - 1, 0) : 0;
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	while (!yes && (line = next_line(&rest)))
		yes = (word = after(line, "PORT=")) && !parse(word, &other) && overlap(&other.to, one);
	return yes;
}

static _Noreturn void
die_of_taken(const struct run *r, const struct port *p, unsigned int number)
{
	struct nft_port one = p->to;
	DIR *dir = opendir(run_state_dir());
	const char *who = "a program of the host, or a machine that is just starting,";
	struct dirent *e;

	one.first = one.last = (uint16_t)number;
	while (dir && (e = readdir(dir)))
		if (*e->d_name != '.' && !streq(e->d_name, r->name) && has_port(dirfd(dir), e->d_name, &one)) {
			who = fmt("machine %s", e->d_name);
			break;
		}
	die("--port=%s: %s has %s port %u of the host: take another%s", p->word, who, proto_name(&one), number,
	    p->to.family ? "" : ", or name an address of the host before it");
}

/*
 * The lock of a port is our own socket on it: no program and no machine can have it too, and what nft does not
 * lead to the guest, as loopback, comes there. Of ranges that are too many only locks of numbers are kept.
 */
static void
take_port(struct run *r, struct port *p)
{
	const struct nft_port *t = &p->to;
	off_t place = t->proto == IPPROTO_UDP ? 65536 : 0;
	unsigned int n;
	int fd;

	if (!(p->heard ? share_claim_together : share_claim)(&its.numbers, place + t->first, t->last - t->first + 1))
		die_of_taken(r, p, t->first);
	for (n = t->first; n <= t->last; n++) {
		fd = relay_listen(t->proto, t->family, t->family ? t->address : NULL, (uint16_t)n);
		if (fd < 0 && errno == EADDRINUSE)
			die_of_taken(r, p, n);
		if (fd < 0)
			die(errno == EADDRNOTAVAIL ? "--port=%s: the host has no such address:" : "--port=%s: listen on it:", p->word);
		if (p->heard)
			relay_port(fd, t->proto, (uint16_t)(t->guest + (n - t->first)));
		else
			close(fd);
	}
}

static void
leave_numbers(struct run *r)
{
	(void)r;
	relay_end(r);
	if (its.numbers.fd >= 0)
		share_leave(&its.numbers, share_last(&its.numbers));
}

/* a link of ours on the host leads to it */
static bool
has_way(const struct run *r)
{
	size_t i;

	for (i = 0; i < r->nlinks; i++)
		if (r->link[i].kind == LINK_VETH || r->link[i].kind == LINK_EXTRA)
			return true;
	return false;
}

static bool
is_loopback(const struct nft_port *t)
{
	static const uint8_t one[16] = { [15] = 1 };

	return t->family == AF_INET ? t->address[0] == 127 : t->family == AF_INET6 && memcmp(t->address, one, 16) == 0;
}

void
port_look(const struct plan *p, struct run *r)
{
	size_t relayed = 0, n;
	struct port *port;

	r->nports = count(p->port);
	r->port = xalloc((r->nports + 1) * sizeof(*r->port));
	its.port = xalloc((r->nports + 1) * sizeof(*its.port));
	if (r->nports) {
		share_join(&its.numbers, "ports");
		undo(r, leave_numbers);
	}
	for (port = r->port; port < r->port + r->nports; port++) {
		parse(p->port[port - r->port], port);
		n = (size_t)(port->to.last - port->to.first) + 1;
		port->heard = relayed + n <= RELAY_PORTS;
		relayed += port->heard ? n : 0;
		take_port(r, port);
		grow(&r->notes, fmt("PORT=%s", port->word));
		if (has_way(r) && !is_loopback(&port->to))
			its.port[its.nports++] = port->to;
	}
	if (r->nports)
		share_open(&its.numbers);
	its.masquerade = r->lent && ((r->lease.prefix && r->lease.route) || (r->lease.prefix6 && r->lease.route6));
	if (its.masquerade || its.nports)
		grow(&r->notes, fmt("TABLE=%s", r->name));
}

/* ---- rules ---------------------------------------------------------------------------------------- */

static const char *
host_link(const struct run *r)
{
	size_t i;

	for (i = 0; !r->bridge && i < r->nlinks; i++)
		if (r->link[i].kind == LINK_VETH || r->link[i].kind == LINK_EXTRA)
			return r->link[i].host;
	return r->bridge ? r->bridge : "";
}

static const struct candidate *
first_of(const struct candidate *c, size_t n, int family)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (c[i].family == family)
			return &c[i];
	return NULL;
}

static int
set_rules(struct run *r, const struct candidate *c, size_t n)
{
	const struct candidate *four = first_of(c, n, AF_INET), *six = first_of(c, n, AF_INET6);
	struct nft_rules rules = { .link = host_link(r), .port = its.port, .nports = its.nports };
	const uint8_t *keep = address_of_relay(r, AF_INET);

	if (keep && keep != address_of_host(r, AF_INET))
		memcpy(rules.keep, keep, sizeof(rules.keep));
	if (r->lent && r->lease.route) {
		memcpy(rules.net, r->lease.address, sizeof(rules.net));
		rules.prefix = r->lease.prefix;
	}
	if (r->lent && r->lease.route6) {
		memcpy(rules.net6, r->lease.address6, sizeof(rules.net6));
		rules.prefix6 = r->lease.prefix6;
	}
	if (four)
		memcpy(rules.guest, four->address, sizeof(rules.guest));
	if (six)
		memcpy(rules.guest6, six->address, sizeof(rules.guest6));
	rules.has_guest = four != NULL;
	rules.has_guest6 = six != NULL;
	return nft_set(&its.nft, r->name, &rules);
}

/* what it is given is there before it can look */
static size_t
lent_addresses(const struct run *r, struct candidate c[2])
{
	size_t n = 0;

	if (r->lent && r->lease.prefix) {
		c[n].family = AF_INET;
		memcpy(c[n++].address, r->lease.address, 4);
	}
	if (r->lent && r->lease.prefix6) {
		c[n].family = AF_INET6;
		memcpy(c[n++].address, r->lease.address6, 16);
	}
	return n;
}

/* ---- the way out by a program, where the kernel has iptables alone ----------------------------------- */

/* of IPv4 and IPv6 */
static const char *const programs[] = { IPTABLES };

/* the status of a program, -1: it has none. Who looks into lock finds it held as long as that runs, whatever becomes of us */
static int
call(char **argv, int lock)
{
	enum { PATIENCE_MS = 10000, STEP_MS = 4 };
	int64_t end = now_ms() + PATIENCE_MS;
	static bool stuck;  /* one was: as others would be, which wait for the same lock */
	pid_t pid = stuck ? -1 : program_start(argv, lock, -1, verbose ? 2 : -1), got;
	int status;

	if (pid < 0)
		return -1;
	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && now_ms() < end)
		poll(NULL, 0, STEP_MS);
	if (got == 0) {
		stuck = true;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

enum { OUT, ON, BACK, RULES };

/* how, as iptables has it, with a rule of the note: "4 10.64.0.0/24 vz-web". What a program says to it: 0 is good, 1 bad */
static int
change(const char *note, char how, int rule, int lock)
{
	static const char *const rules[RULES] = {
		"%s -w -t nat -%c POSTROUTING -s %s ! -o %s -m comment --comment nspawn-lite -j MASQUERADE",
		"%s -w -%c FORWARD -s %s -i %s -m comment --comment nspawn-lite -j ACCEPT",
		"%s -w -%c FORWARD -d %s -o %s -m comment --comment nspawn-lite -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
	};
	char *net = strtok(xstrdup(note), " ") ? strtok(NULL, " ") : NULL, *link = strtok(NULL, "\n"), **argv = NULL, *word;

	if (!net || !link)
		return 1;
	word = fmt(rules[rule], programs[*note == '6'], how, net, link);
	for (word = strtok(word, " "); word; word = strtok(NULL, " "))
		grow(&argv, word);
	return call(argv, lock);
}

/* true: they are gone, or never were */
bool
port_sweep_rules(const char *note, int held)
{
	enum { RESOURCES = 4 };  /* as a lock that others have; what is above is not its own: it was not executed */
	bool all = true;
	int rule, rc;

	(void)held;
	for (rule = 0; rule < RULES; rule++) {
		rc = change(note, 'D', rule, its.tables.fd);
		all &= rc >= 0 && rc < RESOURCES;
	}
	return all;
}

static bool
take_rules_away(void)
{
	char *text = share_peek(&its.tables), *line;
	bool all = text != NULL;
	const char *note;

	while ((line = next_line(&text)))
		if ((note = after(line, "IPTABLES=")))
			all &= port_sweep_rules(note, -1);
	return all;
}

static bool
add_rule(const char *note, char how, int rule)
{
	return (!its.tables.first && change(note, 'C', rule, its.tables.fd) == 0) || change(note, how, rule, its.tables.fd) == 0;
}

static void
leave_rules(void)
{
	bool last;

	if (its.tables.fd < 0)
		return;
	last = share_last(&its.tables);
	share_leave(&its.tables, last && take_rules_away());
}

/* once for all on a link. Where FORWARD drops, and nothing in it names the link, two rules let through what we masquerade */
static bool
go_by_program(const struct run *r)
{
	const uint8_t *at[] = { r->lease.route ? address_of_host(r, AF_INET) : NULL,
	                        r->lease.route6 ? address_of_host(r, AF_INET6) : NULL };
	const char *link = host_link(r);
	char address[INET6_ADDRSTRLEN], text[256], *all, *note;
	bool blocked, out = false;
	size_t i, failed = LEN(at);

	if (sys_denied("iptables") || (!program_find(programs[0]) && !program_find(programs[1])))
		return false;
	share_join(&its.tables, fmt("iptables.%s", link));
	all = share_text(&its.tables);
	if (its.tables.first && *all) {
		take_rules_away();  /* as one that was killed left them */
		all = "";
	}
	blocked = firewall_blocker(link, text, sizeof(text));
	for (i = 0; i < LEN(at); i++) {
		if (!at[i])
			continue;
		inet_ntop(i ? AF_INET6 : AF_INET, at[i], address, sizeof(address));
		note = fmt("IPTABLES=%c %s/%d %s\n", i ? '6' : '4', address, i ? r->lease.prefix6 : r->lease.prefix, link);
		if (program_find(programs[i]) && !strstr(all, note))
			share_write(&its.tables, all = fmt("%s%s", all, note));
		note += strlen("IPTABLES=");
		if (!program_find(programs[i]) || !add_rule(note, 'A', OUT)) {
			failed = i;
			continue;
		}
		out = true;
		if (blocked && (!add_rule(note, 'I', ON) || !add_rule(note, 'I', BACK)))
			warn("%s cannot let through what is forwarded from and to %s", programs[i], link);
	}
	share_open(&its.tables);
	if (!out)
		leave_rules();
	else if (failed < LEN(at))
		warn("%s is not masqueraded: there is no program %s, or no nat of that in the kernel (%s)", failed ? "IPv6" : "IPv4",
		     programs[failed], failed ? "CONFIG_IP6_NF_TARGET_MASQUERADE" : "CONFIG_IP_NF_TARGET_MASQUERADE");
	return out;
}

static void
remove_rules(struct run *r)
{
	(void)r;
	nft_close(&its.nft);
	leave_rules();
}

/* without nft: what cannot be relayed either shall not look as if it worked */
static void
do_without(const struct run *r, const char *why)
{
	size_t i;

	for (i = 0; i < r->nports; i++)
		if (!r->port[i].heard)
			die("--port=%s: more than %d ports need nf_tables with nat in the kernel "
			    "(CONFIG_NF_TABLES, NFT_NAT, NFT_FIB_IPV4; modules nft_chain_nat, nft_nat, nft_fib_ipv4): %s",
			    r->port[i].word, RELAY_PORTS, why);
}

static const char *
reason(void)
{
	return xstrdup(its.nft.nl.why[0] ? its.nft.nl.why : strerror(errno));
}

/* the way out does not need all that ports need */
static bool
masquerade_only(struct run *r)
{
	size_t n = its.nports;
	bool is;

	its.nports = 0;
	is = n && !sys_denied("nft") && set_rules(r, NULL, 0) == 0;
	its.nports = n;
	return is;
}

void
port_open(const struct plan *p, struct run *r)
{
	struct candidate c[2] = { 0 };
	const char *why;
	char text[256];
	size_t i;

	(void)p;
	for (i = 0; !has_way(r) && i < r->nports; i++)
		if (!r->port[i].heard)
			die("--port=%s: no link of the host leads to machine %s, and no more than %d ports can be relayed",
			    r->port[i].word, r->name, RELAY_PORTS);
	if (!its.masquerade && !its.nports)
		return;
	undo(r, remove_rules);
	its.leads = !sys_denied("nft") && set_rules(r, c, lent_addresses(r, c)) == 0;
	if (!its.leads) {
		why = reason();
		do_without(r, why);
		if (its.masquerade && !masquerade_only(r)) {
			nft_close(&its.nft);
			its.nft.nl.why[0] = 0;
			if (!go_by_program(r)) {
				warn("machine %s has no way out of its own network%s: masquerading needs nf_tables "
				     "(CONFIG_NFT_MASQ; modules nft_chain_nat, nft_masq) or iptables: %s", r->name,
				     its.nports ? ", and its ports are relayed" : "", why);
				return;
			}
		}
		if (its.nports)
			warn("the kernel's nf_tables cannot lead ports: %s; they are relayed by ourselves", why);
		if (!its.masquerade) {
			nft_close(&its.nft);
			return;
		}
	}
	if (its.nft.nl.why[0])
		warn("IPv6 is neither masqueraded nor led by nf_tables (CONFIG_NF_TABLES_IPV6; Linux 5.8): %s", its.nft.nl.why);
	if (firewall_blocker(host_link(r), text, sizeof(text))) {
		warn("%s, keeps packets from machine %s: let it accept what is forwarded from and to %s", text, r->name,
		     host_link(r));
	}
}

/* ---- the guest's addresses --------------------------------------------------------------------------- */

struct search { const struct run *r; struct candidate *c; size_t n; };

/* the host's way to an address, as the kernel tells it */
struct way { int index; uint8_t type; bool far; };

static void
got_way(void *arg, const struct nlmsghdr *h)
{
	const struct rtmsg *t = NLMSG_DATA(h);
	struct way *w = arg;

	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof(*t)))
		return;
	w->type = t->rtm_type;
	w->index = (int)nl_get_u32(nl_find(h, sizeof(*t), RTA_OIF));
	w->far = nl_find(h, sizeof(*t), RTA_GATEWAY) || nl_find(h, sizeof(*t), ROUTE_VIA);
}

/*
 * The guest says itself what its addresses are, and must not send our clients to the host or into another network
 * by that: only what the host would look for on the machine's own link counts. In a zone, where others
 * are on that link, it is only the one that we lent it; on a bridge of the host, whose addresses are another's to
 * give, any that is on it and not behind a router there.
 */
static bool
is_reachable(struct run *r, const struct candidate *c)
{
	struct rtmsg t = { .rtm_family = c->family, .rtm_dst_len = c->family == AF_INET ? 32 : 128 };
	struct way w = { 0 };
	struct nl_msg m;
	size_t i;

	if (r->lent && r->zone.fd >= 0 && !c->lent)
		return false;
	nl_begin(&m, RTM_GETROUTE, 0, &t, sizeof(t));
	nl_raw(&m, RTA_DST, c->address, c->family == AF_INET ? 4 : 16);
	if (nl_talk(&r->host_net, &m, got_way, &w) < 0 || w.type != RTN_UNICAST || w.index <= 0)
		return false;
	if (r->bridge)
		return w.index == r->bridge_index && !w.far;
	for (i = 0; i < r->nlinks; i++)
		if ((r->link[i].kind == LINK_VETH || r->link[i].kind == LINK_EXTRA) && r->link[i].index == w.index)
			return true;
	return false;
}

static bool
is_lent(const struct run *r, int family, const void *address)
{
	if (!r->lent)
		return false;
	if (family == AF_INET)
		return r->lease.prefix && memcmp(address, r->lease.address, 4) == 0;
	return r->lease.prefix6 && memcmp(address, r->lease.address6, 16) == 0;
}

/* keep the best few: what we lent it, then by link, then as they stand there */
static void
add_candidate(struct search *s, const struct candidate *new)
{
	size_t at = 0, of = 0, i;

	for (i = 0; i < s->n; i++) {
		if (s->c[i].family != new->family)
			continue;
		if (memcmp(s->c[i].address, new->address, sizeof(new->address)) == 0)
			return;
		of++;
	}
	while (at < s->n && (s->c[at].lent > new->lent || (s->c[at].lent == new->lent && s->c[at].index <= new->index)))
		at++;
	if (of == CANDIDATES) {
		for (i = s->n; s->c[i - 1].family != new->family; i--)
			;
		if (i - 1 < at)
			return;
		memmove(&s->c[i - 1], &s->c[i], (s->n - i) * sizeof(*s->c));
		s->n--;
	}
	memmove(&s->c[at + 1], &s->c[at], (s->n - at) * sizeof(*s->c));
	s->c[at] = *new;
	s->n++;
}

static void
got_address(void *arg, const struct nlmsghdr *h)
{
	enum { BAD = IFA_F_DEPRECATED | IFA_F_DADFAILED };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct ifaddrmsg *a = NLMSG_DATA(h);
	struct search *s = arg;
	struct candidate c = { .family = 0 };
	const void *address, *local, *more;
	uint32_t flags;
	size_t len;

	if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*a)) || a->ifa_scope >= RT_SCOPE_LINK
	    || (a->ifa_family != AF_INET && a->ifa_family != AF_INET6) || a->ifa_index <= 1)
		return;
	len = a->ifa_family == AF_INET ? 4 : 16;
	local = nl_get(nl_find(h, sizeof(*a), IFA_LOCAL), len);
	address = local ? local : nl_get(nl_find(h, sizeof(*a), IFA_ADDRESS), len);
	more = nl_get(nl_find(h, sizeof(*a), ADDR_FLAGS), 4);
	flags = more ? nl_get_u32(nl_find(h, sizeof(*a), ADDR_FLAGS)) : a->ifa_flags;
	if (!address || flags & BAD || (flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC)))
		return;
	if (a->ifa_family == AF_INET6 && flags & IFA_F_TEMPORARY)
		return;  /* it changes every day */
	if (a->ifa_family == AF_INET6 && memcmp(address, mapped, sizeof(mapped)) == 0)
		return;  /* to connect there is to go by IPv4, and ::ffff:127.0.0.1 is the host's own */
	c.family = a->ifa_family;
	memcpy(c.address, address, len);
	c.index = (int)a->ifa_index;
	c.lent = is_lent(s->r, c.family, c.address);
	add_candidate(s, &c);
}

/* where the relay connects to: from here where there is a way, else from inside */
static void
aim_relay(struct run *r, const struct candidate *good, size_t n, const struct search *s)
{
	static const uint8_t loopback[16] = { 127, 0, 0, 1 }, loopback6[16] = { [15] = 1 };
	static const int families[] = { AF_INET, AF_INET6 };
	struct relay_aim aim[2] = { 0 };
	const struct candidate *c;
	size_t naims = 0, i;

	for (i = 0; i < LEN(families); i++) {
		c = first_of(good, n, families[i]);
		aim[naims].inside = !c;
		/* one that the host cannot look for itself, or that is not to be believed: the guest's own network is */
		if (!c)
			c = first_of(s->c, s->n, families[i]);
		if (!c && r->nlinks)
			continue;
		aim[naims].family = (uint8_t)families[i];
		memcpy(aim[naims++].address, c ? c->address : i == 0 ? loopback : loopback6, sizeof(loopback));
	}
	relay_aim(aim, naims);
}

/* look at the guest's addresses, and lead the ports there; false: look again */
static bool
follow(struct run *r)
{
	struct candidate all[2 * CANDIDATES + 1], good[2] = { 0 };
	struct search s = { r, all, 0 };
	struct ifaddrmsg a = { .ifa_family = AF_UNSPEC };
	static const int families[] = { AF_INET, AF_INET6 };
	struct nl_msg m;
	size_t n = 0, i, j;

	memset(all, 0, sizeof(all));
	nl_begin(&m, RTM_GETADDR, NLM_F_DUMP, &a, sizeof(a));
	if (nl_talk(&r->net, &m, got_address, &s) < 0) {
		if (!its.told)
			warn("look at the addresses of machine %s: %s", r->name, r->net.why);
		its.told = true;
		return false;
	}
	for (i = 0; i < LEN(families); i++)
		for (j = 0; j < s.n; j++)
			if (all[j].family == families[i] && has_way(r) && is_reachable(r, &all[j])) {
				good[n++] = all[j];
				break;
			}
	aim_relay(r, good, n, &s);
	if (!its.leads || !its.nports || (its.nseen == n && memcmp(its.seen, good, n * sizeof(*good)) == 0))
		return true;
	if (set_rules(r, good, n) < 0) {
		if (!its.told)
			warn("lead the ports of machine %s to its new address: %s", r->name, its.nft.nl.why);
		its.told = true;
		return false;
	}
	memcpy(its.seen, good, sizeof(good));
	its.nseen = n;
	its.told = false;
	return true;
}

/* a guest that changes its addresses all the time, or has a million, takes no more than a part of our time */
static void
on_change(struct run *r, int fd, short revents)
{
	int64_t now = now_ms(), ms = its.next > now ? its.next - now : 1;
	struct itimerspec t = { .it_value = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000L } };

	(void)revents;
	unwatch(r, fd, on_change);
	timerfd_settime(its.pause, 0, &t, NULL);
}

static void
on_pause(struct run *r, int fd, short revents)
{
	int64_t began = now_ms(), took;
	uint64_t times;
	char one[16];
	bool done;
	int i;

	(void)!read(fd, &times, sizeof(times));
	for (i = 0; i < DRAIN; i++)  /* what they say is in the dump; ENOBUFS is one of them */
		if (recv(its.change, one, sizeof(one), MSG_DONTWAIT) < 0 && errno == EAGAIN)
			break;
	done = follow(r);
	took = now_ms() - began;
	its.next = began + took + (took * PART > PAUSE_MS ? took * PART : PAUSE_MS);
	if (done)
		watch(r, its.change, POLLIN, on_change);
	else
		on_change(r, its.change, revents);
}

/* a socket of the machine's network that hears of its addresses */
static bool
open_news(void)
{
	static const int groups[] = { RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR };
	struct sockaddr_nl own = { .nl_family = AF_NETLINK };
	int small = 16384;
	size_t i;

	its.change = relay_socket_inside(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (its.change < 0 || bind(its.change, (struct sockaddr *)&own, sizeof(own)) < 0
	    || connect(its.change, (struct sockaddr *)&own, sizeof(own)) < 0)
		return false;
	setsockopt(its.change, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (i = 0; i < LEN(groups); i++)
		if (setsockopt(its.change, SOL_NETLINK, NL_GROUP, &groups[i], sizeof(groups[i])) < 0 && i == 0)
			return false;
	its.pause = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return its.pause >= 0;
}

void
port_begin(const struct plan *p, struct run *r)
{
	(void)p;
	if (!r->nports)
		return;
	if (r->net.fd < 0)
		die("the network of machine %s was not handed over", r->name);
	its.ours = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	its.theirs = ioctl(r->net.fd, GET_NAMESPACE);
	if (its.theirs < 0)  /* before Linux 4.9 */
		its.theirs = openat(AT_FDCWD, fmt("/proc/%d/ns/net", (int)r->pid), O_RDONLY | O_CLOEXEC);
	if (its.ours < 0 || its.theirs < 0)
		die("find the network of machine %s:", r->name);
	fcntl(its.theirs, F_SETFD, FD_CLOEXEC);
	relay_inside(its.ours, its.theirs);
	if (!open_news())
		die("listen to the network of machine %s:", r->name);
	relay_begin(r);
	watch(r, its.pause, POLLIN, on_pause);
	if (follow(r))
		watch(r, its.change, POLLIN, on_change);
	else
		on_change(r, its.change, 0);
}

bool
port_sweep(const char *note, int held)
{
	(void)held;
	/* where the kernel has none, there is nothing to take away */
	return !name_valid(note) || nft_remove(note) == 0 || (errno != EBUSY && errno != ENOBUFS && errno != ENOMEM);
}
