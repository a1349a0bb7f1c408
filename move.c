/* SPDX-License-Identifier: 0BSD */
/*
 * Links of the host that move into a machine, and back.
 *
 * The kernel destroys what is not hardware when the network namespace that it is in ends, and gives hardware to the
 * initial one, under the name that it has then. So the machine's namespace is kept by a mount in the state directory,
 * and the register says what is in there: whoever comes by can fetch it, whatever ended the machine.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <net/if.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/nl80211.h>
#include <linux/rtnetlink.h>

#include "nspawn-lite.h"

/* one of them, as it was on the host; for text that is not there "/", which no link is called */
struct moved {
	long long index, guest_index, phy, wdev, up, mtu;  /* phy: of the radio that it is on, or -1 */
	char *old, *name, *kind, *mac, *master, *device;
};

static struct moved *moved;
static size_t nmoved, first;  /* so many, and where they begin among the links of the run */
static const char *pin;  /* where the machine's network is kept */
static pid_t mover;
static unsigned long long home_number;  /* of the network that they come from */

/* ---- words ------------------------------------------------------------------------------ */

static bool
link_valid(const char *name)
{
	return *name && strlen(name) < IFNAMSIZ && !streq(name, ".") && !streq(name, "..")
	    && !name[strcspn(name, "/:% \t\n\v\f\r\240")];
}

/* "HOST[:GUEST]" */
static void
split(const char *word, char **host, char **guest)
{
	size_t len = strcspn(word, ":");

	*host = xstrndup(word, len);
	*guest = word[len] ? xstrdup(word + len + 1) : *host;
	if (!link_valid(*host) || !link_valid(*guest))
		die("--network-interface=%s: no link can be called %s (1 to 15 characters, without space, / : and %%)", word,
		    link_valid(*host) ? *guest : *host);
	if (streq(*host, "lo") || streq(*guest, "lo"))
		die("--network-interface=%s: every network has its own lo, which stays", word);
}

void
move_check(const struct plan *p)
{
	char **w, **v, *host, *guest, *other, *inside;

	for (w = p->network_interface; w && *w; w++) {
		split(*w, &host, &guest);
		for (v = p->network_interface; v < w; v++) {
			split(*v, &other, &inside);
			if (streq(host, other))
				die("--network-interface=%s: it is handed over already", *w);
			if (streq(guest, inside))
				die("--network-interface=%s: %s is called %s inside already; give another name: %s:NAME", *w, other, guest, host);
		}
	}
}

/* ---- Wi-Fi: generic netlink to nl80211 ------------------------------------------------------ */

struct wifi { struct nl nl; int family; };

struct station { int64_t phy, wdev; int index; };

static void
begin_wifi(struct nl_msg *m, const struct wifi *w, int cmd, int flags)
{
	struct genlmsghdr g = { .cmd = (uint8_t)cmd };

	nl_begin(m, w->family, flags, &g, sizeof(g));
}

static void
got_family(void *arg, const struct nlmsghdr *h)
{
	const uint16_t *id;
	const struct nlattr *a = nl_find(h, sizeof(struct genlmsghdr), CTRL_ATTR_FAMILY_ID);

	id = a ? nl_get(a, sizeof(*id)) : NULL;
	if (id)
		*(int *)arg = *id;
}

/* of the network that we are in; false: there is no Wi-Fi */
static bool
open_wifi(struct wifi *w)
{
	struct nl_msg m;

	w->family = GENL_ID_CTRL;
	if (nl_open(&w->nl, NETLINK_GENERIC) < 0)
		return false;
	begin_wifi(&m, w, CTRL_CMD_GETFAMILY, 0);
	nl_str(&m, CTRL_ATTR_FAMILY_NAME, "nl80211");
	if (nl_talk(&w->nl, &m, got_family, &w->family) == 0 && w->family != GENL_ID_CTRL)
		return true;
	nl_close(&w->nl);
	return false;
}

/* arg: by index, or if that is 0 by wdev */
static void
got_station(void *arg, const struct nlmsghdr *h)
{
	enum { HEAD = sizeof(struct genlmsghdr) };
	const struct nlattr *a = nl_find(h, HEAD, NL80211_ATTR_WDEV);
	const void *at = a ? nl_get(a, sizeof(uint64_t)) : NULL;
	struct station *s = arg;
	uint64_t wdev = 0;
	int index = (int)nl_get_u32(nl_find(h, HEAD, NL80211_ATTR_IFINDEX));

	if (at)
		memcpy(&wdev, at, sizeof(wdev));
	if (s->index ? s->index != index : !wdev || s->wdev != (int64_t)wdev)
		return;
	s->index = index;
	s->wdev = (int64_t)wdev;
	s->phy = nl_get_u32(nl_find(h, HEAD, NL80211_ATTR_WIPHY));
}

static bool
find_station(struct wifi *w, struct station *s)
{
	struct nl_msg m;

	s->phy = -1;
	begin_wifi(&m, w, NL80211_CMD_GET_INTERFACE, NLM_F_DUMP);
	return nl_talk(&w->nl, &m, got_station, s) == 0 && s->phy >= 0 && s->index > 0;
}

/* a radio, with all links on it, to the network that we are in */
static int
fetch_radio(struct wifi *w, long long phy)
{
	struct nl_msg m;

	begin_wifi(&m, w, NL80211_CMD_SET_WIPHY_NETNS, 0);
	nl_u32(&m, NL80211_ATTR_WIPHY, (uint32_t)phy);
	nl_u32(&m, NL80211_ATTR_PID, (uint32_t)getpid());
	return nl_talk(&w->nl, &m, NULL, NULL);
}

/* ---- links --------------------------------------------------------------------------------- */

/* to the network that we are in, under a name. It goes down by that */
static int
fetch(struct nl *from, int index, const char *name)
{
	struct nl_msg m;

	nl_begin_link(&m, RTM_NEWLINK, 0, index, 0, 0);
	nl_u32(&m, IFLA_NET_NS_PID, (uint32_t)getpid());
	nl_str(&m, IFLA_IFNAME, name);
	return nl_talk(from, &m, NULL, NULL);
}

/* one that is down */
static int
rename_link(struct nl *nl, int index, const char *name)
{
	struct nl_msg m;

	nl_begin_link(&m, RTM_NEWLINK, 0, index, 0, IFF_UP);
	nl_talk(nl, &m, NULL, NULL);
	nl_begin_link(&m, RTM_NEWLINK, 0, index, 0, 0);
	nl_str(&m, IFLA_IFNAME, name);
	return nl_talk(nl, &m, NULL, NULL);
}

static void
format_mac(const uint8_t mac[6], char out[13])
{
	snprintf(out, 13, "%02x%02x%02x%02x%02x%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static bool
same_mac(const struct moved *v, const uint8_t its[6])
{
	char mac[13];

	format_mac(its, mac);
	return streq(mac, v->mac) && !streq(mac, "000000000000");
}

struct search { const struct moved *v; bool home; int score; struct nl_link best; };

/*
 * What a guest made cannot be taken for hardware: only that has no kind. One of the same kind could, but it can do no
 * more to the host than the link itself could, after all that the guest can do to that
 */
static void
got_candidate(void *arg, const struct nlmsghdr *h)
{
	enum { PERMANENT = 54 };  /* IFLA_PERM_ADDRESS: what the guest cannot change, of hardware on 5.6 */
	struct search *s = arg;
	const struct moved *v = s->v;
	const uint8_t *mac;
	struct nl_link l;
	int score = 0;

	nl_read_link(h, &l);
	if (l.index <= 0 || !streq(*l.kind ? l.kind : "/", v->kind) || l.flags & IFF_LOOPBACK)
		return;
	mac = nl_get(nl_find(h, sizeof(struct ifinfomsg), PERMANENT), sizeof(l.mac));
	if (!s->home && l.index == v->guest_index)
		score = 3;
	else if (streq(l.name, s->home ? v->old : v->name))
		score = 2;
	else if ((same_mac(v, l.mac) || (mac && same_mac(v, mac))) && (!s->home || !*l.kind))
		score = 1;
	if (score > s->score) {
		s->score = score;
		s->best = l;
	}
}

/* in the machine's network, or at home. false: it is not there; *whole: all of it was seen */
static bool
find(struct nl *nl, const struct moved *v, bool home, struct nl_link *l, bool *whole)
{
	struct search s = { .v = v, .home = home };
	struct nl_msg m;

	nl_begin_link(&m, RTM_GETLINK, NLM_F_DUMP, 0, 0, 0);
	*whole = nl_talk(nl, &m, got_candidate, &s) == 0;
	*l = s.best;
	return s.score > 0;
}

/* ---- there --------------------------------------------------------------------------------- */

/* where hardware is plugged in: a path that stays the same while it is */
static char *
find_device(const char *name)
{
	char text[512];
	const char *path = fmt("/sys/class/net/%s", name), *rest;
	ssize_t n = readlink(path, text, sizeof(text) - 1);
	char *end;

	text[n < 0 ? 0 : n] = 0;
	rest = after(text, "../..");
	end = strstr(text, "/net/");
	if (!rest || !end || strstr(text, "/virtual/net/") || strpbrk(text, " \n"))
		return xstrdup("/");
	*end = 0;
	return fmt("/sys%s", rest);
}

static char *
note_text(const char *name)
{
	char *text = fmt("%s %llu", name, home_number);
	size_t i;

	for (i = 0; i < nmoved; i++)
		text = fmt("%s %lld %lld %lld %lld %lld %lld %s %s %s %s %s %s", text, moved[i].index, moved[i].guest_index,
		           moved[i].phy, moved[i].wdev, moved[i].up, moved[i].mtu, moved[i].old, moved[i].name, moved[i].kind,
		           moved[i].mac, moved[i].master, moved[i].device);
	return text;
}

static void
look_at(struct run *r, const char *word, struct moved *v, struct wifi *wifi)
{
	struct station s = { 0 };
	struct nl_link l, master;
	char mac[13];
	size_t i;

	split(word, &v->old, &v->name);
	if (nl_find_link(&r->host_net, v->old, 0, &l) < 0)
		die(errno == ENODEV ? "--network-interface=%s: there is no link %s here, or another machine has it"
		                    : "--network-interface=%s: look for link %s:", word, v->old);
	if (l.flags & IFF_LOOPBACK)
		die("--network-interface=%s: every network has its own loopback, which stays", word);
	for (i = 0; i < r->nlinks; i++)
		if (streq(r->link[i].guest, v->name))
			die("--network-interface=%s: another link is called %s inside; give another name: %s:NAME", word, v->name, v->old);
	v->index = l.index;
	v->up = (l.flags & IFF_UP) != 0;
	v->mtu = l.mtu;
	v->kind = xstrdup(*l.kind ? l.kind : "/");
	format_mac(l.mac, mac);
	v->mac = xstrdup(mac);
	v->master = xstrdup("/");
	if (l.master && nl_find_link(&r->host_net, NULL, l.master, &master) == 0)
		v->master = xstrdup(master.name);
	v->device = *l.kind ? xstrdup("/") : find_device(v->old);
	v->phy = -1;
	s.index = l.index;
	if (wifi->nl.fd >= 0 && find_station(wifi, &s)) {
		v->phy = s.phy;
		v->wdev = s.wdev;
	}
	say("%s moves in as %s%s%s%s", v->old, v->name, v->phy >= 0 ? ", with its radio and all links of that" : "",
	    l.master ? ", away from " : "", l.master ? v->master : "");
	if (v->up)
		say("addresses and routes of %s are gone with that; who gave them has to give them again", v->old);
}

/* ---- the mover: a process that stays in the host's namespaces until the machine has a network ---- */

static int
keep_network(int ns)
{
	char from[32];
	int fd;

	while (umount2(pin, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	fd = run_open_state(pin);
	if (fd < 0)
		return -1;
	close(fd);
	snprintf(from, sizeof(from), "/proc/self/fd/%d", ns);
	return mount(from, pin, NULL, MS_BIND, NULL);
}

/* the reason, in words that fit all kernels */
static const char *
why_not(const struct nl *nl, const struct moved *v)
{
	if (errno == EINVAL && v->phy < 0)
		return "the kernel keeps links of this kind where they are (bridges, bonds and the like)";
	if ((errno == EINVAL || errno == EOPNOTSUPP) && v->phy >= 0)
		return "its driver does not let the radio go";
	return nl->why;
}

/* true, or what it failed at in text */
static bool
move_all(int ns, char *text, size_t size)
{
	struct wifi away = { .nl.fd = -1 }, here = { .nl.fd = -1 };
	struct nl host, own;
	struct moved *v;
	struct nl_link l;
	struct station s;
	bool radio;
	int rc;

	radio = open_wifi(&away);
	if (nl_open_route(&host) < 0 || setns(ns, CLONE_NEWNET) < 0 || nl_open_route(&own) < 0
	    || (radio && !open_wifi(&here))) {
		snprintf(text, size, "enter the machine's network: %s", strerror(errno));
		return false;
	}
	for (v = moved; v < moved + nmoved; v++) {
		if (v->phy < 0) {
			rc = fetch(&host, (int)v->index, v->name);
			if (rc < 0)
				snprintf(text, size, "--network-interface=%s: %s", v->old, why_not(&host, v));
		} else {
			s = (struct station){ .wdev = v->wdev };
			rc = find_station(&here, &s) ? 0 : fetch_radio(&away, v->phy);  /* it may have come with another link */
			if (rc < 0) {
				snprintf(text, size, "--network-interface=%s: %s", v->old, why_not(&away.nl, v));
			} else if (!find_station(&here, &s) || rename_link(&own, s.index, v->name) < 0) {
				snprintf(text, size, "--network-interface=%s: call it %s inside: %s", v->old, v->name, own.why);
				rc = -1;
			}
		}
		if (rc < 0)
			return false;
	}
	for (v = moved; v < moved + nmoved; v++)
		v->guest_index = nl_find_link(&own, v->name, 0, &l) == 0 ? l.index : 0;
	return true;
}

/* nothing here may die or exit: what would be undone then is our supervisor's */
static _Noreturn void
wait_and_move(int wire, pid_t supervisor)
{
	char text[NOTE_MAX] = "";
	sigset_t all;
	int ns, index;
	bool done;
	size_t i;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != supervisor)
		_exit(FAIL);
	sys_close_but(3, &wire, 1);
	if (sys_recv(wire, text, 1, &ns, NULL) <= 0 || ns < 0)
		_exit(0);
	if (keep_network(ns) < 0)
		warn("links of the host are lost if we are killed: cannot mount on %s:", pin);
	text[0] = 0;
	done = move_all(ns, text, sizeof(text));
	sys_send(wire, text, strlen(text) + 1, -1);  /* for the builder */
	for (i = 0; done && i < nmoved; i++) {       /* for the supervisor, which does not always share its memory */
		index = (int)moved[i].guest_index;
		sys_send(wire, &index, sizeof(index), -1);
	}
	_exit(0);
}

/* ---- and back ------------------------------------------------------------------------------- */

/* the network that they come from and the one that they are in, and their radios. Not open: fd is -1 */
struct way { struct nl out, in; struct wifi wifi_out, wifi_in; };

/* whether a name is free at home, the old one or the turn's like it: 1, or 0; -1 with errno: not known */
static int
free_name(struct nl *nl, const char *old, int turn, char name[IFNAMSIZ])
{
	struct nl_link l;

	snprintf(name, IFNAMSIZ, turn ? "%.12s-%d" : "%s", old, turn);
	if (nl_find_link(nl, name, 0, &l) == 0)
		return 0;
	return errno == ENODEV ? 1 : -1;
}

enum { NAMES = 10 };

static void
told_name(const struct moved *v, const char *name)
{
	if (!streq(name, v->old))
		warn("there is another %s by now: the one that was in the machine is called %s", v->old, name);
}

/* one that is at home under another name */
static void
give_name(struct nl *nl, const struct moved *v, struct nl_link *l)
{
	char name[IFNAMSIZ];
	int i;

	if (streq(l->name, v->old))
		return;
	for (i = 0; i < NAMES; i++)
		if (free_name(nl, v->old, i, name) > 0 && rename_link(nl, l->index, name) == 0) {
			told_name(v, name);
			return;
		}
	told_name(v, l->name);
}

static void
set_back(struct nl *nl, const struct moved *v, int index, int type, const void *data, size_t len, const char *what)
{
	struct nl_msg m;

	nl_begin_link(&m, RTM_NEWLINK, 0, index, 0, 0);
	nl_raw(&m, type, data, len);
	if (nl_talk(nl, &m, NULL, NULL) < 0)
		warn("%s is back, but %s is not as it was: %s", v->old, what, nl->why);
}

/* as it was on the host, whoever may have been interrupted in that */
static void
settle(struct nl *nl, const struct moved *v, int index)
{
	struct nl_link l, master;
	uint32_t n = (uint32_t)v->mtu;
	uint64_t bits = strtoull(v->mac, NULL, 16);
	uint8_t mac[6];
	int i;

	if (nl_find_link(nl, NULL, index, &l) < 0) {
		warn("%s is back, but cannot be looked at: %s", v->old, nl->why);
		return;
	}
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)(bits >> (40 - 8 * i));
	if (bits && !same_mac(v, l.mac))
		set_back(nl, v, index, IFLA_ADDRESS, mac, sizeof(mac), "its MAC address");
	if (l.mtu != n)
		set_back(nl, v, index, IFLA_MTU, &n, sizeof(n), "its MTU");
	if (!streq(v->master, "/")) {
		n = nl_find_link(nl, v->master, 0, &master) == 0 ? (uint32_t)master.index : UINT32_MAX;
		if (l.master != (int)n)
			set_back(nl, v, index, IFLA_MASTER, &n, sizeof(n), fmt("what it was a port of, %s,", v->master));
	}
	if (v->up && !(l.flags & IFF_UP) && nl_raise(nl, index) < 0)
		warn("%s is back, but not up: %s", v->old, nl->why);
}

/* a program of the guest's would go on to see all packets. Most have none, and some drivers cannot */
static void
remove_program(struct nl *nl, int index)
{
	struct nl_msg m;

	nl_begin_link(&m, RTM_NEWLINK, 0, index, 0, 0);
	nl_nest(&m, IFLA_XDP);
		nl_u32(&m, IFLA_XDP_FD, (uint32_t)-1);
	nl_end(&m);
	nl_talk(nl, &m, NULL, NULL);
}

/* from the machine's network; -1 with errno */
static int
fetch_home(struct way *w, const struct moved *v, int index)
{
	char name[IFNAMSIZ];
	struct nl_link l;
	int i, is_free;

	remove_program(&w->in, index);
	for (i = 0; i < NAMES; i++) {
		is_free = free_name(&w->out, v->old, i, name);
		if (is_free < 0)  /* not known: another name for that would be wrong */
			return -1;
		if (!is_free)
			continue;
		if (fetch(&w->in, index, name) == 0)
			break;
		if (errno != EEXIST)
			return -1;
	}
	if (i == NAMES) {
		errno = EEXIST;
		return -1;
	}
	told_name(v, name);
	if (nl_find_link(&w->out, name, 0, &l) < 0)
		return -1;
	settle(&w->out, v, l.index);
	return 0;
}

/* what the kernel gave back itself, or what never left. 1: it is here; 0: it is not; -1: who knows */
static int
found_home(struct way *w, const struct moved *v)
{
	struct nl_link l;
	bool whole;

	if (!find(&w->out, v, true, &l, &whole))
		return whole ? 0 : -1;
	give_name(&w->out, v, &l);
	settle(&w->out, v, l.index);
	return 1;
}

static int
radio_home(struct way *w, const struct moved *v)
{
	struct station s = { .wdev = v->wdev };
	struct nl_link l;
	struct nl_msg m;

	if (w->in.fd >= 0 && w->wifi_in.nl.fd < 0)
		return -1;
	if (w->in.fd >= 0)
		fetch_radio(&w->wifi_in, v->phy);
	if (w->wifi_out.nl.fd < 0 || fetch_radio(&w->wifi_out, v->phy) < 0)  /* where it is already */
		return 0;
	if (!find_station(&w->wifi_out, &s)) {
		begin_wifi(&m, &w->wifi_out, NL80211_CMD_NEW_INTERFACE, 0);
		nl_u32(&m, NL80211_ATTR_WIPHY, (uint32_t)v->phy);
		nl_str(&m, NL80211_ATTR_IFNAME, v->old);
		nl_u32(&m, NL80211_ATTR_IFTYPE, NL80211_IFTYPE_STATION);
		if (nl_talk(&w->wifi_out.nl, &m, NULL, NULL) < 0)
			warn("the radio of %s is back, but the link was removed, and there is no new one: %s", v->old, w->wifi_out.nl.why);
		else
			warn("%s was removed; there is a new one on its radio", v->old);
		return 1;
	}
	if (nl_find_link(&w->out, NULL, s.index, &l) < 0)
		return -1;
	remove_program(&w->out, s.index);
	give_name(&w->out, v, &l);
	settle(&w->out, v, l.index);
	return 1;
}

/* who looks: at the machine's end, or after one that was killed: in passing, or before the next of its name */
enum turn { END, PASSING, NEXT };

/* true: it is back, or there is nothing any more that could come */
static bool
link_home(struct way *w, const struct moved *v, enum turn turn)
{
	enum { TRIES = 20, PAUSE_MS = 100 };
	bool whole = true, hidden;
	struct nl_link l;
	int found, i;

	if (v->phy < 0 && w->in.fd >= 0 && find(&w->in, v, false, &l, &whole)) {
		if (fetch_home(w, v, l.index) == 0)
			return true;
		warn("fetch %s back:", v->old);
		return false;
	}
	for (i = 0;; i++) {
		found = v->phy < 0 ? found_home(w, v) : radio_home(w, v);
		if (found > 0)
			return true;
		/* hardware is, wherever it is, as long as it is plugged in; nobody can say that of what is plugged in nowhere */
		hidden = streq(v->kind, "/") && (streq(v->device, "/") || access(v->device, F_OK) == 0);
		/* the kernel takes its time to end what the guest has hidden it in */
		if (turn == PASSING || !hidden || i == TRIES)
			break;
		poll(NULL, 0, PAUSE_MS);
	}
	if (turn == NEXT && streq(v->device, "/"))  /* its driver may be gone: it does not keep the name of a machine for ever */
		hidden = false;
	if (found < 0 || !whole)
		warn("look for %s: %s", v->old, !whole ? w->in.why : v->phy < 0 ? w->out.why : w->wifi_out.nl.why);
	else if (hidden)
		warn("%s is not back: it is in a network that was made inside, and comes when that ends%s", v->old,
		    streq(v->device, "/") ? "; or its driver is gone" : "");
	else
		warn("%s does not come back: it was %s", v->old, streq(v->kind, "/") ? "unplugged" : "removed inside");
	return found == 0 && whole && !hidden;
}

static char *
next_word(char **rest)
{
	char *word = *rest;

	*rest += strcspn(word, " ");
	if (**rest)
		*(*rest)++ = 0;
	return word;
}

/* false: that is all */
static bool
read_moved(char **rest, struct moved *v)
{
	long long *const numbers[] = { &v->index, &v->guest_index, &v->phy, &v->wdev, &v->up, &v->mtu };
	char **const words[] = { &v->old, &v->name, &v->kind, &v->mac, &v->master, &v->device };
	size_t i;

	for (i = 0; i < LEN(numbers); i++)
		if (!parse_number(next_word(rest), INT64_MIN, INT64_MAX, numbers[i]))
			return false;
	for (i = 0; i < LEN(words); i++)
		if (!*(*words[i] = next_word(rest)))
			return false;
	return link_valid(v->old);
}

/* the network that this number means; own, if it is gone. -1 with errno */
static int
open_home(const char *number, int own)
{
	unsigned long long ino = strtoull(number, NULL, 10);
	struct dirent *e;
	struct stat st;
	int fd = -1;
	DIR *d;

	if (fstat(own, &st) == 0 && st.st_ino == ino)
		return own;
	d = opendir("/proc");
	while (fd < 0 && d && (e = readdir(d)))
		if (*e->d_name >= '1' && *e->d_name <= '9' && stat(fmt("/proc/%s/ns/net", e->d_name), &st) == 0 && st.st_ino == ino)
			fd = openat(AT_FDCWD, fmt("/proc/%s/ns/net", e->d_name), O_RDONLY | O_CLOEXEC);
	if (d)
		closedir(d);
	return fd < 0 ? own : fd;
}

static bool
enter(int ns)
{
	return setns(ns, CLONE_NEWNET) == 0;
}

/* all of a note, from the machine's network as it was kept, or else by this socket in there */
static bool
come_home(const char *note, const struct nl *inside, enum turn turn)
{
	struct way w = { .out.fd = -1, .in.fd = -1, .wifi_out.nl.fd = -1, .wifi_in.nl.fd = -1 };
	char *rest = xstrdup(note), *name = next_word(&rest), *number = next_word(&rest);
	int own = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC), home, kept;
	struct moved v;
	bool all, there;

	if (!name_valid(name))
		return true;
	if (own < 0)
		return false;
	home = open_home(number, own);
	pin = fmt("%s/.net.%s", run_state_dir(), name);
	kept = openat(AT_FDCWD, pin, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (kept >= 0 && enter(kept)) {
		nl_open_route(&w.in);
		open_wifi(&w.wifi_in);
		there = true;
	} else {
		there = errno != (kept < 0 ? ENOENT : EINVAL);  /* there may be one, then */
	}
	if (w.in.fd < 0 && inside)
		w.in = *inside;
	all = (w.in.fd >= 0 || !there) && enter(home) && nl_open_route(&w.out) == 0;
	if (!all)
		warn("look into the network of machine %s:", name);
	open_wifi(&w.wifi_out);
	while (all && read_moved(&rest, &v))
		all &= link_home(&w, &v, turn);
	if (home != own && !enter(own)) {
		warn("go back to our network:");
		_exit(FAIL);
	}
	nl_close(&w.out);
	nl_close(&w.wifi_out.nl);
	nl_close(&w.wifi_in.nl);
	if (!inside || w.in.fd != inside->fd)
		nl_close(&w.in);
	drop(kept);
	drop(own);
	if (home != own)
		drop(home);
	if (all) {
		umount2(pin, MNT_DETACH | UMOUNT_NOFOLLOW);
		all = unlink(pin) == 0 || errno == ENOENT;  /* else it is for the next one */
	}
	return all;
}

bool
move_sweep(const char *note, int held)
{
	return come_home(note, NULL, held < 0 ? PASSING : NEXT);
}

static void
forget_mover(struct run *r)
{
	drop(r->move_wire);
	r->move_wire = -1;
	if (mover > 0)
		while (waitpid(mover, NULL, 0) < 0 && errno == EINTR)
			;
	mover = 0;
}

static void
bring_home(struct run *r)
{
	forget_mover(r);
	if (!come_home(note_text(r->name), r->net.fd >= 0 ? &r->net : NULL, END))
		r->cgroup_stays = true;  /* the register is what leads the next command to them */
}

void
move_look(const struct plan *p, struct run *r)
{
	struct wifi wifi = { .nl.fd = -1 };
	struct stat st;
	char **w;
	size_t i;

	if (!p->network_interface)
		return;
	if (stat("/proc/self/ns/net", &st) < 0)
		die("look at our network (/proc, CONFIG_NET_NS):");
	home_number = st.st_ino;
	open_wifi(&wifi);
	moved = xalloc(count(p->network_interface) * sizeof(*moved));
	for (w = p->network_interface; *w; w++)
		look_at(r, *w, &moved[nmoved++], &wifi);
	nl_close(&wifi.nl);
	first = r->nlinks;
	for (i = 0; i < nmoved; i++, r->nlinks++) {
		r->link = room_for_one(r->link, r->nlinks, sizeof(*r->link));
		r->link[r->nlinks] = (struct link){ .kind = LINK_MOVED, .host = moved[i].old, .guest = moved[i].name };
	}
	pin = fmt("%s/.net.%s", run_state_dir(), r->name);
	grow(&r->notes, fmt("MOVED=%s", note_text(r->name)));
	undo(r, bring_home);
}

void
move_prepare(const struct plan *p, struct run *r)
{
	pid_t us = getpid();
	int wire[2];

	(void)p;
	if (!nmoved)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wire) < 0)
		die("make the wire to who moves links:");
	r->move_wire = wire[0];
	mover = fork();
	if (mover < 0)
		die("fork:");
	if (mover == 0)
		wait_and_move(wire[1], us);
	close(wire[1]);
}

/* ask the mover, which is where they are */
void
move_into(const struct plan *p, struct run *r)
{
	char text[NOTE_MAX] = "";
	int ns;

	(void)p;
	if (!nmoved)
		return;
	ns = openat(r->procfs, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		die("open the machine's network:");
	if (sys_send(r->move_wire, "m", 1, ns) < 0 || sys_recv(r->move_wire, text, sizeof(text) - 1, NULL, NULL) <= 0)
		die("move links: who does it was killed");
	close(ns);
	if (*text)
		die("%s", text);
}

/* what they are in there stands in the register from here on: the guest may give them other names */
void
move_begin(const struct plan *p, struct run *r)
{
	char **w;
	size_t i;
	int index;

	(void)p;
	if (nmoved)
		shutdown(r->move_wire, SHUT_WR);  /* a machine that was killed before it asked asks no more */
	for (i = 0; i < nmoved; i++)
		if (sys_recv(r->move_wire, &index, sizeof(index), NULL, NULL) == sizeof(index))
			moved[i].guest_index = r->link[first + i].guest_index = index;
	for (w = r->notes; w && *w; w++)
		if (after(*w, "MOVED="))
			*w = fmt("MOVED=%s", note_text(r->name));
	forget_mover(r);
}
