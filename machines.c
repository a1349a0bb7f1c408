/* SPDX-License-Identifier: 0BSD */
/* Verbs that look at machines: by their registers, the kernel's tables, and nothing that a guest could hold up */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "nspawn-lite.h"

/* ---- addresses ---------------------------------------------------------------------- */

enum { ADDRESSES_MOST = 1024, ATTRIBUTE_FLAGS = 8 };  /* IFA_FLAGS, Linux 3.14 */

/* in the order of lists */
struct address {
	uint8_t scope, six;
	uint32_t index;
	uint8_t at[16];
};

/* those of one network */
struct addresses {
	struct address *list;
	size_t n, room;
	struct nl nl;
};

static void
take_address(void *arg, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	struct addresses *all = arg;
	struct address *a;
	const void *at;
	uint32_t flags;
	size_t len;

	if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) || m->ifa_scope >= RT_SCOPE_HOST
	    || (m->ifa_family != AF_INET && m->ifa_family != AF_INET6))
		return;
	len = m->ifa_family == AF_INET ? 4 : 16;
	flags = nl_get_u32(nl_find(h, sizeof(*m), ATTRIBUTE_FLAGS));
	at = nl_get(nl_find(h, sizeof(*m), IFA_LOCAL), len);
	if (!at)
		at = nl_get(nl_find(h, sizeof(*m), IFA_ADDRESS), len);
	if (!at || (flags | m->ifa_flags) & IFA_F_DEPRECATED)
		return;
	if (all->n == ADDRESSES_MOST) {  /* that one has a million is no reason to read them all */
		nl_close(&all->nl);
		return;
	}
	if (all->n == all->room) {
		all->room = all->room * 2 + 8;
		all->list = realloc(all->list, all->room * sizeof(*all->list));
		if (!all->list)
			die("no memory for so many addresses");
	}
	a = &all->list[all->n++];
	memset(a, 0, sizeof(*a));
	a->scope = m->ifa_scope;
	a->six = m->ifa_family == AF_INET6;
	a->index = htonl(m->ifa_index);  /* so that memcmp(3) sorts by it */
	memcpy(a->at, at, len);
}

static int
by_scope(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct address));
}

/* of the network that we are in */
static void
ask_addresses(struct addresses *all)
{
	/* one by one: of all at once the kernel tells only when nobody changes any network of the host, not even one that is going */
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct ifaddrmsg any = { 0 };
	struct nl_msg m;
	size_t i, n = 0;

	if (nl_open_route(&all->nl) < 0)
		return;
	for (i = 0; i < LEN(families) && all->nl.fd >= 0; i++) {
		any.ifa_family = families[i];
		nl_begin(&m, RTM_GETADDR, NLM_F_DUMP, &any, sizeof(any));
		nl_talk(&all->nl, &m, take_address, all);
	}
	nl_close(&all->nl);
	if (all->n)
		qsort(all->list, all->n, sizeof(*all->list), by_scope);
	for (i = 0; i < all->n; i++)  /* a torn answer began again */
		if (!i || by_scope(&all->list[i], &all->list[i - 1]) != 0)
			all->list[n++] = all->list[i];
	all->n = n;
}

static int own_network = -1;
static bool away;  /* we are in another */

/* into k->more, while it is open */
static void
look_at_addresses(struct known *k)
{
	int pidfd, ns;

	k->more = xalloc(sizeof(struct addresses));
	if (!k->network || !k->leader)
		return;
	pidfd = sys_pidfd_open(k->leader);
	/* too: from 5.3 on there are such fds, and only from 5.8 on do they lead there */
	ns = openat(AT_FDCWD, fmt("/proc/%d/ns", (int)k->leader), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (own_network < 0)
		own_network = openat(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own_network >= 0 && known_leads(k) && sys_join(pidfd, ns, CLONE_NEWNET) == 0) {
		away = true;
		ask_addresses(k->more);
	}
	drop(pidfd);
	drop(ns);
}

/* to the host's network */
static void
come_back(void)
{
	if (away && setns(own_network, CLONE_NEWNET) < 0)
		die("come back from the network of a machine:");
	away = false;
	own_network = drop(own_network);
}

static char *
address_text(const struct address *a, bool index)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(a->six ? AF_INET6 : AF_INET, a->at, text, sizeof(text));
	if (index && a->six && a->scope == RT_SCOPE_LINK)
		return fmt("%s%%%u", text, (unsigned int)ntohl(a->index));
	return xstrdup(text);
}

/* at most so many of them, in lines; NULL: none */
static char *
addresses_text(const struct known *k, size_t most, const char *between, bool index)
{
	const struct addresses *all = k->more;
	char *text = NULL;
	size_t i;

	for (i = 0; all && i < all->n && i < most; i++)
		text = fmt("%s%s%s", text ? text : "", text ? between : "", address_text(&all->list[i], index));
	return text && i < all->n ? fmt("%s…", text) : text;
}

static size_t
max_addresses(const struct ask *a, size_t usual)
{
	long long n;

	if (a->max_addresses && streq(a->max_addresses, "all"))
		return SIZE_MAX;
	if (!a->max_addresses)
		return a->full ? SIZE_MAX : usual;
	if (!parse_number(a->max_addresses, 0, INT32_MAX, &n))
		die("Invalid number of addresses: %s", a->max_addresses);
	return (size_t)n;
}

/* ---- the host, as if it were one ----------------------------------------------------------- */

#define HOST ".host"

static void
look_at_host(struct known *k)
{
	struct timespec now, up;
	char text[4096];

	memset(k, 0, sizeof(*k));
	k->fd = -1;
	k->name = HOST;
	k->root = "/";
	k->state = "running";
	k->leader = 1;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	k->since = (now.tv_sec - up.tv_sec) * INT64_C(1000000) + (now.tv_nsec - up.tv_nsec) / 1000;
	if (read_at(AT_FDCWD, "/etc/machine-id", text, sizeof(text)) >= 32)
		k->id = fmt("%.32s", text);
	if (read_at(AT_FDCWD, "/etc/os-release", text, sizeof(text)) > 0
	    || read_at(AT_FDCWD, "/usr/lib/os-release", text, sizeof(text)) > 0) {
		k->os = payload_release_value(text, "ID");
		k->version = payload_release_value(text, "VERSION_ID");
		k->pretty = payload_release_value(text, "PRETTY_NAME");
	}
	k->more = xalloc(sizeof(struct addresses));
	ask_addresses(k->more);
}

static bool
is_host(const struct known *k)
{
	return streq(k->name, HOST);
}

static const char *
class_of(const struct known *k)
{
	return is_host(k) ? "host" : "container";
}

static const char *
service_of(const struct known *k)
{
	return is_host(k) ? NULL : *speaker ? "nspawn-lite" : "systemd-nspawn";
}

/* under the originals' names what scripts make a name of again; else its control group */
static const char *
unit_of(const struct known *k)
{
	const char *group = k->group ? strchr(k->group, ':') : NULL;

	if (is_host(k))
		return "-.slice";
	if (!*speaker)
		return known_unit(k);
	return group ? group + 1 + (group[1] == ':') : NULL;
}

/* ---- list ---------------------------------------------------------------------------------- */

static struct cell
cell_of(const char *text)
{
	return text && *text ? (struct cell){ text, NULL } : (struct cell){ "-", "null" };
}

int
machines_list(struct ask *a)
{
	static const struct column columns[] = {
		{ "MACHINE", "machine", false }, { "CLASS", "class", false }, { "SERVICE", "service", false }, { "OS", "os", false },
		{ "VERSION", "version", false }, { "ADDRESSES", "addresses", false },
	};
	size_t n, i, rows = 0, most = max_addresses(a, 1), ncolumns = LEN(columns) - !most;
	struct known host = { .name = NULL }, *list, *k;
	struct cell *cells, *c, addresses;
	bool json = ask_output(a) != OUT_TABLE;

	if (a->all)
		look_at_host(&host);  /* before we go elsewhere */
	list = known_list(a->all, look_at_addresses, &n);
	come_back();
	c = cells = xalloc((n + 1) * LEN(columns) * sizeof(*cells));
	for (i = !a->all; i <= n; i++) {
		k = i ? &list[i - 1] : &host;
		if (!k->leader && !a->all)
			continue;  /* it waits for something, or has ended but for what is being unmade */
		addresses = cell_of(addresses_text(k, most, "\n", false));
		if (!addresses.json && json)
			addresses.json = table_json(addresses_text(k, SIZE_MAX, "\n", false));
		memcpy(c, (struct cell[]){ cell_of(k->name), cell_of(class_of(k)), cell_of(service_of(k)), cell_of(k->os),
		                           cell_of(k->version), addresses }, ncolumns * sizeof(*c));
		c += ncolumns;
		rows++;
	}
	table_print(a, columns, ncolumns, cells, rows, "machines");
	return 0;
}

/* ---- its processes ---------------------------------------------------------------------------- */

/*
 * The guest gives them names, and may have any number: so all is bounded, and drawn by a process of its own. For a command
 * line is memory of its process, which may see to it that nobody ever gets it
 */
enum { PROCESSES_MOST = 512, GROUPS_MOST = 1024, DEPTH_MOST = 16, COMMAND_MOST = 2048, DRAW_SECONDS = 5, INDENT = 16 };

struct drawing {
	size_t width;            /* of the terminal; 0: lines stay whole */
	size_t drawn, beyond;    /* processes, and those that there was no more room for */
	size_t groups;           /* that were looked at */
};

static const char *const forks[] = { "├─", "└─" }, *const stems[] = { "│ ", "  " };

static void
draw_line(const struct drawing *d, const char *text)
{
	print(1, "\t\t%s\n", table_cut(text, d->width > INDENT ? d->width - INDENT : 0));
}

/* "[NAME]" where it has none: a zombie */
static char *
command_of(pid_t pid)
{
	char text[COMMAND_MOST], *c;
	ssize_t n = read_at(AT_FDCWD, fmt("/proc/%d/cmdline", (int)pid), text, sizeof(text));

	for (c = text; c < text + n; c++)
		if (!*c)
			*c = ' ';
	while (n > 0 && text[n - 1] == ' ')
		n--;
	if (n > 0)
		return table_plain(text, (size_t)n);
	n = read_at(AT_FDCWD, fmt("/proc/%d/comm", (int)pid), text, sizeof(text));
	return n > 1 ? fmt("[%s]", table_plain(text, (size_t)n - 1)) : xstrdup("[?]");
}

static int
by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static void
draw_processes(struct drawing *d, pid_t *pid, size_t n, const char *stem, bool more)
{
	size_t i;
	int wide;

	qsort(pid, n, sizeof(*pid), by_number);
	wide = n ? snprintf(NULL, 0, "%d", (int)pid[n - 1]) : 0;
	for (i = 0; i < n; i++)
		draw_line(d, fmt("%s%s%*d %s", stem, forks[i + 1 == n && !more], wide, (int)pid[i], command_of(pid[i])));
}

/* into pid, which has room for PROCESSES_MOST; all are counted */
static size_t
read_processes(struct drawing *d, int group, pid_t *pid)
{
	int fd = openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char buf[4096], *c;
	uint32_t one = 0;
	size_t n = 0;
	ssize_t len;

	while (fd >= 0 && (len = read(fd, buf, sizeof(buf))) > 0)
		for (c = buf; c < buf + len; c++)
			if (*c >= '0' && *c <= '9') {
				one = one * 10 + (uint32_t)(*c - '0');
			} else if (one > 0) {  /* 0: of a namespace that is not ours */
				if (d->drawn == PROCESSES_MOST) {
					d->beyond++;
				} else {
					d->drawn++;
					pid[n++] = (pid_t)one;
				}
				one = 0;
			}
	drop(fd);
	return n;
}

static DIR *
open_groups(int group)
{
	int fd = openat(group, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		drop(fd);
	return dir;
}

/* the next group below, opened; -1: that was the last. *name is its name until the next call */
static int
next_group(struct drawing *d, DIR *dir, const char **name)
{
	struct dirent *e;
	int fd;

	while (dir && d->groups < GROUPS_MOST && (e = readdir(dir))) {
		if (streq(e->d_name, ".") || streq(e->d_name, "..") || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
			continue;
		fd = sys_open_dir(dirfd(dir), e->d_name);
		if (fd < 0)
			continue;
		d->groups++;
		*name = e->d_name;
		return fd;
	}
	return -1;
}

/* somebody is in it, or below */
static bool
is_populated(struct drawing *d, int group, int depth)
{
	char text[2];
	const char *name;
	bool yes = read_at(group, "cgroup.procs", text, sizeof(text)) > 0;
	DIR *dir = yes || depth == DEPTH_MOST ? NULL : open_groups(group);
	int fd;

	while (!yes && (fd = next_group(d, dir, &name)) >= 0) {
		yes = is_populated(d, fd, depth + 1);
		close(fd);
	}
	if (dir)
		closedir(dir);
	return yes;
}

static int
by_word(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
draw_group(struct drawing *d, int group, const char *stem, int depth)
{
	DIR *dir = depth == DEPTH_MOST ? NULL : open_groups(group);
	pid_t pid[PROCESSES_MOST];
	size_t n = read_processes(d, group, pid), i, below;
	char **names = NULL;
	const char *name;
	int fd;

	while ((fd = next_group(d, dir, &name)) >= 0) {
		if (is_populated(d, fd, depth + 1))
			grow(&names, xstrdup(name));
		close(fd);
	}
	if (dir)
		closedir(dir);
	below = count(names);
	draw_processes(d, pid, n, stem, below > 0);
	if (below)
		qsort(names, below, sizeof(*names), by_word);
	for (i = 0; i < below; i++) {
		draw_line(d, fmt("%s%s%s", stem, forks[i + 1 == below], table_plain(names[i], strlen(names[i]))));
		fd = sys_open_dir(group, names[i]);
		if (fd >= 0)
			draw_group(d, fd, fmt("%s%s", stem, stems[i + 1 == below]), depth + 1);
		drop(fd);
	}
}

static char *
namespace_of(const char *process)
{
	char link[64];
	ssize_t n = readlink(fmt("/proc/%s/ns/pid", process), link, sizeof(link) - 1);

	return n > 0 ? xstrndup(link, n) : NULL;
}

/* of one without a control group: those of its namespace, if it has one */
static void
draw_namespace(struct drawing *d, pid_t leader)
{
	char *own = namespace_of("self"), *its = namespace_of(fmt("%d", (int)leader)), *link;
	pid_t pid[PROCESSES_MOST] = { leader };
	DIR *dir = its && own && !streq(its, own) ? opendir("/proc") : NULL;
	struct dirent *e;
	size_t n = 1;
	long long one;

	while (dir && (e = readdir(dir)))
		if (parse_number(e->d_name, 1, INT32_MAX, &one) && one != leader && (link = namespace_of(e->d_name))
		    && streq(link, its)) {
			if (n < PROCESSES_MOST)
				pid[n++] = (pid_t)one;
			else
				d->beyond++;
		}
	if (dir)
		closedir(dir);
	draw_processes(d, pid, n, "  ", false);
}

static _Noreturn void
draw(const struct known *k, size_t width)
{
	struct drawing d = { .width = width };
	struct share s;

	if (k->group && cgroup_find(k->group, &s))
		draw_group(&d, s.dir, "  ", 0);
	else if (known_leads(k))
		draw_namespace(&d, k->leader);
	if (d.beyond)
		draw_line(&d, fmt("  … and %zu more processes", d.beyond));
	if (d.groups == GROUPS_MOST)
		draw_line(&d, "  … and more groups");
	_exit(0);
}

/* its patience is with the guest, and not with who reads what we print */
static void
tell_processes(const struct known *k, size_t width)
{
	struct pollfd in = { .events = POLLIN };
	int64_t left = DRAW_SECONDS * 1000, before;
	char text[4096];
	ssize_t n = 1;
	int wire[2], got;
	pid_t pid;

	if (pipe2(wire, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		warn("look at the processes of machine %s:", k->name);
		return;
	}
	if (pid == 0 && dup2(wire[1], 1) < 0)
		_exit(FAIL);
	if (pid == 0)
		draw(k, width);
	close(wire[1]);
	in.fd = wire[0];
	while (n > 0) {
		before = now_ms();
		got = poll(&in, 1, left > 0 ? (int)left : 0);
		left -= now_ms() - before;
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		if (got > 0 && (n = read(wire[0], text, sizeof(text))) > 0)
			print(1, "%.*s", (int)n, text);
	}
	if (n > 0) {
		kill(pid, SIGKILL);
		warn("a process of machine %s does not let its command line be read", k->name);
	} else {
		waitpid(pid, NULL, 0);
	}
	close(wire[0]);
}

/* ---- status --------------------------------------------------------------------------------------- */

static void
must_know(const char *name, struct known *k)
{
	if (streq(name, HOST))
		look_at_host(k);
	else if (!known_read(name, k))
		known_no("Could not get path to machine", name);
	else
		look_at_addresses(k);
	come_back();
}

static void
tell_status(const struct ask *a, const struct known *k)
{
	const char *service = service_of(k), *unit = unit_of(k);
	size_t width = table_width(a);
	char comm[64], *addresses;
	ssize_t n;

	print(1, k->id ? "%s(%s)\n" : "%s\n", k->name, k->id);
	if (k->since)
		print(1, "\t   Since: %s; %s\n", table_time(k->since), table_ago(k->since));
	if (!k->leader || !streq(k->state, "running"))
		print(1, "\t   State: %s%s%s\n", k->state, k->reason ? "; " : "",
		      k->reason ? table_plain(k->reason, strlen(k->reason)) : "");
	if (k->leader) {
		n = read_at(AT_FDCWD, fmt("/proc/%d/comm", (int)k->leader), comm, sizeof(comm));
		print(1, n > 1 ? "\t  Leader: %d (%s)\n" : "\t  Leader: %d\n", (int)k->leader,
		      n > 1 ? table_plain(comm, (size_t)n - 1) : "");
	}
	if (service)
		print(1, "\t Service: %s; class %s\n", service, class_of(k));
	else
		print(1, "\t   Class: %s\n", class_of(k));
	if (k->root)
		print(1, k->image ? "\t   Image: %s\n" : "\t    Root: %s\n", table_plain(k->root, strlen(k->root)));
	if (k->link)
		print(1, "\t   Iface: %s\n", k->link);
	addresses = addresses_text(k, max_addresses(a, SIZE_MAX), "\n\t          ", true);
	if (addresses)
		print(1, "\t Address: %s\n", addresses);
	if (k->pretty)
		print(1, "\t      OS: %s\n", k->pretty);
	if (k->id_base)
		print(1, "  UID Shift: %u\n", (unsigned int)k->id_base);
	if (unit)
		print(1, "\t    Unit: %s\n", unit);
	if (!is_host(k) && k->leader)
		tell_processes(k, width);
}

int
machines_status(struct ask *a)
{
	long long lines = 10;
	struct known k;
	char **w;

	if (a->lines && !parse_number(a->lines, 0, INT32_MAX, &lines))
		die("Failed to parse lines '%s'", a->lines);
	max_addresses(a, 0);
	if (ask_output(a) != OUT_TABLE)
		return machines_show(a);
	if (a->output && word_index("table|short|cat", a->output) < 0)
		warn("--output=%s: shown as by short", a->output);
	for (w = a->words; *w; w++) {
		must_know(*w, &k);
		if (w > a->words)
			print(1, "\n");
		tell_status(a, &k);
		if (lines && !is_host(&k))
			attach_print_lines(&k, (size_t)lines, streq(a->output, "cat"));
		known_close(&k);
	}
	return 0;
}

/* ---- show -------------------------------------------------------------------------------------------- */

enum { PROPERTIES_MOST = 16 };

/* what one has to say: a name, what people read, and programs if that is not the same */
struct property { const char *name, *text, *json; };

static char *
number(int64_t n)
{
	return fmt("%lld", (long long)n);
}

static size_t
properties(const struct known *k, struct property *p)
{
	struct property all[] = {
		{ "Name", k->name, NULL },
		{ "Id", k->id, NULL },
		{ "Timestamp", k->since ? table_time(k->since) : NULL, number(k->since) },
		{ "TimestampMonotonic", k->since_monotonic ? number(k->since_monotonic) : NULL, number(k->since_monotonic) },
		{ "Service", service_of(k), NULL },
		{ "Unit", unit_of(k), NULL },
		{ "Leader", k->leader ? number(k->leader) : NULL, number(k->leader) },
		{ "Class", class_of(k), NULL },
		{ "RootDirectory", k->image ? NULL : k->root, NULL },
		{ "State", k->state, NULL },
	};

	memcpy(p, all, sizeof(all));
	return LEN(all);
}

int
machines_show(struct ask *a)
{
	struct property p[PROPERTIES_MOST];
	struct known k;
	size_t i, n;
	char **w;

	if (!*a->words)
		return images_show(a);  /* of the place where they are */
	for (w = a->words; *w; w++) {
		must_know(*w, &k);
		n = properties(&k, p);
		known_close(&k);
		table_object(a);
		for (i = 0; i < n; i++)
			table_property(a, p[i].name, p[i].text, p[i].json);
		if (ask_output(a) == OUT_TABLE && (a->all || a->property))
			table_property(a, "NetworkInterfaces", "[unprintable]", NULL);
	}
	table_objects_end(a, "machines");
	return 0;
}

/* ---- cat -------------------------------------------------------------------------------------------- */

static const char *
tree_of(const char *name)
{
	struct known k;
	struct image i;

	if (known_read(name, &k)) {
		known_close(&k);
		return k.root;
	}
	return store_find(NULL, name, &i) ? i.path : NULL;
}

/* looked at before it is opened: opening a device does things */
static bool
print_file(const char *path)
{
	char buf[4096];
	struct stat st;
	ssize_t n;
	int fd;

	if (stat(path, &st) < 0)
		return false;
	errno = EINVAL;
	if (!S_ISREG(st.st_mode))
		return false;
	fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	print(1, "# %s\n", path);
	while ((n = read(fd, buf, sizeof(buf))) > 0 && write_all(1, buf, (size_t)n) == 0)
		;
	close(fd);
	return true;
}

int
machines_cat(struct ask *a)
{
	int status = 0;
	char **w, *path;
	bool trusted, first = true;

	for (w = a->words; *w; w++) {
		path = name_valid(*w) ? settings_find(*w, tree_of(*w), &trusted) : NULL;
		if (path && !first)
			print(1, "\n");
		if (path && print_file(path)) {
			first = false;
			continue;
		}
		if (path)
			warn("read %s:", path);
		else
			warn("No settings file found for machine '%s'.", *w);
		status = FAIL;
	}
	return status;
}

int
machines_edit(struct ask *a)
{
	char **argv = NULL, **w, *path;
	bool trusted;

	grow(&argv, "sh");
	grow(&argv, "-c");
	grow(&argv, "exec ${SYSTEMD_EDITOR:-${EDITOR:-${VISUAL:-vi}}} \"$@\"");  /* each may have words of its own */
	grow(&argv, "edit");
	for (w = a->words; *w; w++) {
		if (!name_valid(*w))
			die("Invalid machine name %s.", *w);
		path = settings_find(*w, tree_of(*w), &trusted);
		if (!path) {
			path = run_path("/etc/systemd/nspawn");
			if (run_make_dirs(path, 0755) < 0)
				die("make %s:", path);
			path = fmt("%s/%s.nspawn", path, *w);
		}
		grow(&argv, path);
	}
	execvp(*argv, argv);
	die("execute sh:");
}
