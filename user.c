/* SPDX-License-Identifier: 0BSD */
/* Who the payload is and what it may do: users, capabilities, limits, and other marks of a process */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "nspawn-lite.h"

/* ---- signals: signal(7) ------------------------------------------------ */

static const struct { const char *name; int number; } signals[] = {
	{ "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "ILL", SIGILL }, { "TRAP", SIGTRAP },
	{ "ABRT", SIGABRT }, { "BUS", SIGBUS }, { "FPE", SIGFPE }, { "KILL", SIGKILL }, { "USR1", SIGUSR1 },
	{ "SEGV", SIGSEGV }, { "USR2", SIGUSR2 }, { "PIPE", SIGPIPE }, { "ALRM", SIGALRM }, { "TERM", SIGTERM },
	{ "CHLD", SIGCHLD }, { "CONT", SIGCONT }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP }, { "TTIN", SIGTTIN },
	{ "TTOU", SIGTTOU }, { "URG", SIGURG }, { "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF }, { "WINCH", SIGWINCH }, { "IO", SIGIO }, { "PWR", SIGPWR }, { "SYS", SIGSYS },
};

/* what most guests take for the first real-time signal: their libc keeps two of the kernel's */
enum { RTMIN = 34, RTMAX = 64 };

int
user_signal(const char *word)
{
	const char *s = after(word, "SIG");
	long long n;
	size_t i;

	if (parse_number(word, 1, RTMAX, &n))
		return (int)n;
	if (!s)
		s = word;
	for (i = 0; i < LEN(signals); i++)
		if (streq(signals[i].name, s))
			return signals[i].number;
	if (streq(s, "RTMIN"))
		return RTMIN;
	if (after(s, "RTMIN+") && parse_number(s + 6, 0, RTMAX - RTMIN, &n))
		return RTMIN + (int)n;
	if (streq(s, "RTMAX"))
		return RTMAX;
	if (after(s, "RTMAX-") && parse_number(s + 6, 0, RTMAX - RTMIN, &n))
		return RTMAX - (int)n;
	return 0;
}

const char *
user_signal_name(int sig)
{
	size_t i;

	for (i = 0; i < LEN(signals); i++)
		if (signals[i].number == sig)
			return signals[i].name;
	return sig >= RTMIN ? fmt("RTMIN+%d", sig - RTMIN) : fmt("%d", sig);
}

/* ---- capabilities: capabilities(7) --------------------------------------- */

static const char *const capabilities[] = {
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
};

const char *
user_capability_name(int n)
{
	return n >= 0 && n < (int)LEN(capabilities) ? capabilities[n] : NULL;
}

#define CAPS_DEFAULT   0xfdecafffULL
#define CAP_BIT(n)     (1ULL << (n))
enum { NET_BIND_SERVICE = 10, NET_ADMIN = 12 };

/* CAP,CAP,...: names with or without CAP_, numbers, all; false with *bad set at the first that is none */
static bool
parse_caps(const char *list, uint64_t *mask, char **bad)
{
	char *word;
	const char *name;
	long long n;
	size_t len, i;

	for (; *list; list += len + (list[len] == ',')) {
		len = strcspn(list, ",");
		word = xstrndup(list, len);
		name = strncasecmp(word, "CAP_", 4) == 0 ? word + 4 : word;
		*bad = word;
		if (strcasecmp(word, "all") == 0) {
			*mask = ~0ULL;
			continue;
		}
		if (parse_number(word, 0, 63, &n)) {
			*mask |= CAP_BIT(n);
			continue;
		}
		for (i = 0; i < LEN(capabilities) && strcasecmp(capabilities[i], name) != 0; i++)
			;
		if (i == LEN(capabilities))
			return false;
		*mask |= CAP_BIT(i);
	}
	return true;
}

char *
user_caps_but(const char *list)
{
	uint64_t mask = 0;
	char *bad, *out = xstrdup("");
	int i;

	if (!parse_caps(list, &mask, &bad))
		die("%s is no capability; --capability=help lists them", bad);
	for (i = 0; i < 64; i++)
		if (!(mask >> i & 1))
			out = fmt("%s%s%d", out, *out ? "," : "", i);
	return out;
}

static uint64_t
caps_of(char *const *words, const char *option)
{
	uint64_t mask = 0;
	char *bad;

	for (; words && *words; words++)
		if (!parse_caps(*words, &mask, &bad))
			die("--%s=%s: %s is no capability; --%s=help lists them", option, *words, bad, option);
	return mask;
}

static uint64_t
caps_kept(const struct plan *p)
{
	uint64_t keep = rescue(p) ? ~0ULL : CAPS_DEFAULT | (net_rules(p) ? CAP_BIT(NET_ADMIN) : 0);

	return (keep | caps_of(p->capability, "capability")) & ~caps_of(p->drop_capability, "drop-capability");
}

/* ---- limits: getrlimit(2) ------------------------------------------------ */

static const struct limit {
	const char *name;
	int resource;
	const char *proc;         /* its line in /proc/self/limits */
	enum { COUNT, BYTES, SECONDS, MICROSECONDS, NICENESS } unit;
	rlim_t soft, hard;        /* what a payload gets: never what our caller happens to have */
} limits[] = {
	{ "AS",         RLIMIT_AS,         "Max address space",     BYTES,        RLIM_INFINITY, RLIM_INFINITY },
	{ "CORE",       RLIMIT_CORE,       "Max core file size",    BYTES,        0,             RLIM_INFINITY },
	{ "CPU",        RLIMIT_CPU,        "Max cpu time",          SECONDS,      RLIM_INFINITY, RLIM_INFINITY },
	{ "DATA",       RLIMIT_DATA,       "Max data size",         BYTES,        RLIM_INFINITY, RLIM_INFINITY },
	{ "FSIZE",      RLIMIT_FSIZE,      "Max file size",         BYTES,        RLIM_INFINITY, RLIM_INFINITY },
	{ "LOCKS",      RLIMIT_LOCKS,      "Max file locks",        COUNT,        RLIM_INFINITY, RLIM_INFINITY },
	{ "MEMLOCK",    RLIMIT_MEMLOCK,    "Max locked memory",     BYTES,        8 << 20,       8 << 20 },
	{ "MSGQUEUE",   RLIMIT_MSGQUEUE,   "Max msgqueue size",     BYTES,        819200,        819200 },
	{ "NICE",       RLIMIT_NICE,       "Max nice priority",     NICENESS,     0,             0 },
	{ "NOFILE",     RLIMIT_NOFILE,     "Max open files",        COUNT,        1024,          524288 },
	{ "NPROC",      RLIMIT_NPROC,      "Max processes",         COUNT,        0,             0 },
	{ "RSS",        RLIMIT_RSS,        "Max resident set",      BYTES,        RLIM_INFINITY, RLIM_INFINITY },
	{ "RTPRIO",     RLIMIT_RTPRIO,     "Max realtime priority", COUNT,        0,             0 },
	{ "RTTIME",     RLIMIT_RTTIME,     "Max realtime timeout",  MICROSECONDS, RLIM_INFINITY, RLIM_INFINITY },
	{ "SIGPENDING", RLIMIT_SIGPENDING, "Max pending signals",   COUNT,        0,             0 },
	{ "STACK",      RLIMIT_STACK,      "Max stack size",        BYTES,        8 << 20,       RLIM_INFINITY },
};

static bool
parse_time(const char *s, unsigned long long unit, rlim_t *out)
{
	static const struct { const char *name; unsigned long long us; } units[] = {
		{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "min", 60000000ULL }, { "m", 60000000ULL },
		{ "h", 3600000000ULL }, { "d", 86400000000ULL }, { "w", 604800000000ULL },
	};
	unsigned long long n, us = unit;
	char *end;
	size_t i;

	if (streq(s, "infinity")) {
		*out = RLIM_INFINITY;
		return true;
	}
	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (*end) {
		for (i = 0; i < LEN(units) && !streq(units[i].name, end); i++)
			;
		if (i == LEN(units))
			return false;
		us = units[i].us;
	}
	if (errno || n > (UINT64_MAX - unit) / us)
		return false;
	*out = (n * us + unit - 1) / unit;
	return true;
}

static bool
parse_limit_value(const struct limit *l, const char *s, rlim_t *out)
{
	uint64_t size;
	long long n;

	switch (l->unit) {
	case SECONDS:
		return parse_time(s, 1000000, out);
	case MICROSECONDS:
		return parse_time(s, 1, out);
	case NICENESS:  /* +n and -n are nice values, a bare number is the limit itself */
		if (*s == '+' || *s == '-') {
			if (!parse_number(*s == '+' ? s + 1 : s, -20, 19, &n))
				return false;
			*out = (rlim_t)(20 - n);
			return true;
		}
		if (!parse_number(s, 0, 40, &n))
			return false;
		*out = (rlim_t)n;
		return true;
	default:
		if (!parse_size(s, &size))
			return false;
		*out = size == UINT64_MAX ? RLIM_INFINITY : (rlim_t)size;
		return true;
	}
}

static const struct limit *
parse_limit(const char *word, struct rlimit *value)
{
	const char *name = after(word, "RLIMIT_"), *eq, *colon;
	size_t i, len;

	if (!name)
		name = word;
	len = strcspn(name, "=");
	eq = name + len;
	if (!*eq)
		die("--rlimit=%s: not NAME=SOFT[:HARD]", word);
	for (i = 0; i < LEN(limits); i++)
		if (strlen(limits[i].name) == len && strncmp(limits[i].name, name, len) == 0)
			break;
	if (i == LEN(limits))
		die("--rlimit=%s: no such limit; --rlimit=help lists them", word);
	colon = strchr(eq, ':');
	if (!parse_limit_value(&limits[i], xstrndup(eq + 1, (size_t)(colon ? colon - eq - 1 : (long)strlen(eq + 1))),
	                       &value->rlim_cur)
	    || (colon && !parse_limit_value(&limits[i], colon + 1, &value->rlim_max)))
		die("--rlimit=%s: not a value for %s", word, limits[i].name);
	if (!colon)
		value->rlim_max = value->rlim_cur;
	if (value->rlim_cur > value->rlim_max)
		die("--rlimit=%s: the soft limit is above the hard one", word);
	return &limits[i];
}

/* what we have now, all at once where /proc can tell */
static void
read_limits(int procfs, struct rlimit now[LEN(limits)])
{
	char text[4096], *rest = text, *line, *end;
	size_t i;

	for (i = 0; i < LEN(limits); i++)
		now[i].rlim_cur = now[i].rlim_max = 1;
	if (read_at(procfs, procfs < 0 ? "/proc/self/limits" : "self/limits", text, sizeof(text)) < 0) {
		for (i = 0; i < LEN(limits); i++)
			prlimit(0, limits[i].resource, NULL, &now[i]);
		return;
	}
	while ((line = next_line(&rest)))
		for (i = 0; i < LEN(limits); i++) {
			if (!after(line, limits[i].proc))
				continue;
			line += strlen(limits[i].proc);
			line += strspn(line, " ");
			now[i].rlim_cur = *line == 'u' ? RLIM_INFINITY : strtoull(line, NULL, 10);
			end = line + strcspn(line, " ");
			end += strspn(end, " ");
			now[i].rlim_max = *end == 'u' ? RLIM_INFINITY : strtoull(end, NULL, 10);
			break;
		}
}

static struct rlimit
wanted_limit(const struct run *r, const struct limit *l)
{
	return l->resource == RLIMIT_NPROC ? r->nproc : l->resource == RLIMIT_SIGPENDING ? r->sigpending
	     : (struct rlimit){ l->soft, l->hard };
}

static void
set_limits(const struct plan *p, const struct run *r)
{
	struct rlimit now[LEN(limits)], want, asked;
	const struct limit *l;
	const char *told;
	char **w;
	size_t i;

	read_limits(r->procfs, now);
	for (i = 0; i < LEN(limits); i++) {
		l = &limits[i];
		want = wanted_limit(r, l);
		told = NULL;
		for (w = p->rlimit; WITH_LIMITS && w && *w; w++)
			if (parse_limit(*w, &asked) == l) {
				want = asked;
				told = *w;
			}
		if (want.rlim_cur == now[i].rlim_cur && want.rlim_max == now[i].rlim_max)
			continue;
		if (prlimit(0, l->resource, &want, NULL) == 0)
			continue;
		if (told)
			die("--rlimit=%s: our own limit is %llu:", told, (unsigned long long)now[i].rlim_max);
		/* a host that lacks CAP_SYS_RESOURCE, too: as near as it lets us */
		want.rlim_max = now[i].rlim_max;
		if (want.rlim_cur > want.rlim_max)
			want.rlim_cur = want.rlim_max;
		if (want.rlim_cur != now[i].rlim_cur)
			prlimit(0, l->resource, &want, NULL);
	}
}

/* ---- other marks of a process --------------------------------------------- */

/* 0-3,5 or with blanks; into set, if there is one */
static bool
parse_cpus(const char *list, cpu_set_t *set)
{
	long long from, to;
	const char *dash;
	char *word;
	size_t n;

	for (list += strspn(list, ", "); *list; list += n, list += strspn(list, ", ")) {
		n = strcspn(list, ", ");
		word = xstrndup(list, n);
		dash = strchr(word, '-');
		if (!parse_number(dash ? xstrndup(word, (size_t)(dash - word)) : word, 0, CPU_SETSIZE - 1, &from))
			return false;
		to = from;
		if (dash && !parse_number(dash + 1, from, CPU_SETSIZE - 1, &to))
			return false;
		for (; set && from <= to; from++)
			CPU_SET((size_t)from, set);
	}
	return true;
}

static const struct { const char *machine, *own, *sibling; } known[] = {
	{ "x86_64", "x86-64", "x86" }, { "aarch64", "arm64", "arm" }, { "ppc64", "ppc64", "ppc" },
	{ "ppc64le", "ppc64-le", "ppc-le" }, { "s390x", "s390x", "s390" }, { "mips64", "mips64", "mips" },
};

const char *
user_sibling(void)
{
	struct utsname u;
	size_t i;

	if (uname(&u) < 0)
		return "";
	for (i = 0; i < LEN(known); i++)
		if (streq(known[i].machine, u.machine))
			return known[i].sibling;
	return xstrdup(u.machine);
}

/* our own architecture or its 32-bit sibling, in the names of ConditionArchitecture= and of uname */
static bool
parse_personality(const char *word, unsigned long *out)
{
	struct utsname u;
	size_t i;

	*out = PER_LINUX;
	if (uname(&u) < 0 || streq(word, u.machine))
		return true;
	for (i = 0; i < LEN(known); i++)
		if (streq(known[i].machine, u.machine)) {
			if (streq(known[i].sibling, word))
				*out = PER_LINUX32;
			return streq(known[i].own, word) || streq(known[i].sibling, word);
		}
	if (u.machine[0] == 'i' && streq(u.machine + 2, "86"))
		return streq(word, "x86");
	return strncmp(u.machine, "arm", 3) == 0 && streq(word, "arm");
}

/* environ(7): a name that a shell can say; the value is clean text */
static bool
variable_valid(const char *word)
{
	size_t i, n = strcspn(word, "=");

	if (n == 0 || (*word >= '0' && *word <= '9') || !utf8_valid(word, true) || strlen(word) > 131071)  /* MAX_ARG_STRLEN of execve(2) */
		return false;
	for (i = 0; i < n; i++)
		if (!name_char(word[i]) || word[i] == '-')
			return false;
	return true;
}

/* SELinux's labels: they stand in quotes among mount options */
static void
check_label(const char *option, const char *text)
{
	if (text && strpbrk(text, "\"\\ "))
		die("--%s=%.80s: not an SELinux label", option, text);
}

/* whoever asks for a label shall not run without one */
static void
find_selinux(const struct plan *p)
{
	const char *option = p->selinux_context ? "selinux-context" : p->selinux_apifs_context ? "selinux-apifs-context" : NULL;
	struct statfs fs;

	if (option && (statfs("/sys/fs/selinux", &fs) < 0 || (uint32_t)fs.f_type != 0xf97cff8c))  /* SELINUX_MAGIC */
		die("--%s: this host has no SELinux, or has not mounted /sys/fs/selinux", option);
}

void
user_check(const struct plan *p)
{
	uint64_t ambient = caps_of(p->ambient_capability, "ambient-capability");
	struct rlimit limit;
	unsigned long persona;
	uint8_t id[16];
	long long n;
	char **w;
	size_t i;

	if (ambient == ~0ULL)
		die("AmbientCapability= does not support the value all.");
	if (ambient & ~caps_kept(p))
		die("AmbientCapability= setting is not fully covered by Capability= setting.");
	if (!WITH_LIMITS && !rescue(p) && (caps_of(p->capability, "capability") | ambient) & caps_kept(p) & CAP_BIT(MKNOD))
		die("--capability=CAP_MKNOD: nodes would be made past all rules for devices; off in this build: WITH_LIMITS; "
		    "--drop-capability=CAP_MKNOD goes without it");
	for (w = p->rlimit; WITH_LIMITS && w && *w; w++)
		parse_limit(*w, &limit);
	for (w = p->setenv; w && *w; w++)
		if (!variable_valid(*w))
				die("--setenv=%.60s: not NAME or NAME=VALUE of letters, digits and _, and of UTF-8 text", *w);
	if (p->kill_signal && !user_signal(p->kill_signal))
		die("--kill-signal=%s: no such signal; --kill-signal=help lists them", p->kill_signal);
	if (p->uuid) {
		if (!parse_id128(p->uuid, id))
			die("--uuid=%s: not 32 hexadecimal digits", p->uuid);
		for (i = 0; i < sizeof(id) && !id[i]; i++)
			;
		if (i == sizeof(id))
			die("Machine UUID may not be all zeroes.");
	}
	check_label("selinux-context", p->selinux_context);
	check_label("selinux-apifs-context", p->selinux_apifs_context);
	if (WITH_LIMITS && p->oom_score_adjust && !parse_number(p->oom_score_adjust, -1000, 1000, &n))
		die("--oom-score-adjust=%s: not a number from -1000 to 1000", p->oom_score_adjust);
	for (w = p->cpu_affinity; WITH_LIMITS && w && *w; w++)
		if (!parse_cpus(*w, NULL))
			die("--cpu-affinity=%s: not a list of CPUs like 0-3,5", *w);
	if (WITH_LIMITS && p->personality && !parse_personality(p->personality, &persona))
		die("--personality=%s: this machine cannot run that", p->personality);
	if (p->user && (*p->user == ':' || strchr(p->user, '/') || *p->user == '-' || strlen(p->user) > 1000
	    || strstr(p->user, ",,") || (strchr(p->user, ':') && strspn(strchr(p->user, ':'), ":,") != 1) || strrchr(p->user, ':') != strchr(p->user, ':')))
		die("--user=%.40s: no such name of a user can exist", p->user);
}

void
user_list(const char *option)
{
	size_t i;

	if (!WITH_HELP)
		return;
	if (streq(option, "kill-signal")) {
		for (i = 0; i < LEN(signals); i++)
			print(1, "SIG%s\n", signals[i].name);
		for (i = 0; i <= RTMAX - RTMIN; i++)
			print(1, "SIGRTMIN+%d\n", (int)i);
	} else if (streq(option, "rlimit")) {
		for (i = 0; i < LEN(limits); i++)
			print(1, "%s\n", limits[i].name);
	} else {
		for (i = 0; i < LEN(capabilities); i++)
			print(1, "CAP_%s\n", capabilities[i]);
	}
}

/* ---- the users of the tree -------------------------------------------------- */

/* a line at a time through one buffer, long ones cut; the file is the guest's: nothing in it may hurt */
struct lines {
	int fd;
	size_t start, end, total;
	char buf[8192];
};

static bool
lines_open(struct lines *l, const char *path)
{
	int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	l->fd = root < 0 ? -1 : sys_open_in(root, path, O_RDONLY, IN_REGULAR);
	l->start = l->end = l->total = 0;
	drop(root);
	return l->fd >= 0;
}

static char *
lines_next(struct lines *l)
{
	enum { MOST = 4 << 20 };  /* no list of users is that long; a hole of a terabyte is */
	char *nl, *line;
	ssize_t n;

	for (;;) {
		nl = memchr(l->buf + l->start, '\n', l->end - l->start);
		if (nl || l->end - l->start == sizeof(l->buf) - 1)
			break;
		memmove(l->buf, l->buf + l->start, l->end - l->start);
		l->end -= l->start;
		l->start = 0;
		n = l->total > MOST ? 0 : read(l->fd, l->buf + l->end, sizeof(l->buf) - 1 - l->end);
		l->total += n > 0 ? (size_t)n : 0;
		if (n <= 0) {
			if (l->end == 0)
				return NULL;
			break;
		}
		l->end += (size_t)n;
	}
	if (!nl)
		nl = l->buf + l->end;
	*nl = 0;
	line = l->buf + l->start;
	l->start = (size_t)(nl - l->buf) + (nl < l->buf + l->end);
	return line;
}

/* name:x:uid:... cut into its fields, in place */
static size_t
cut(char *line, char **fields, size_t max)
{
	size_t n = 0;

	while (n < max) {
		fields[n++] = line;
		line += strcspn(line, ":");
		if (!*line)
			break;
		*line++ = 0;
	}
	return n;
}

static bool
find_user(struct run *r, const char *name, long long number)
{
	struct lines l;
	char *f[7], *line;
	long long uid, gid;
	bool found = false;

	if (!lines_open(&l, "etc/passwd"))
		return false;
	while (!found && (line = lines_next(&l))) {
		if (cut(line, f, 7) < 6 || !parse_number(f[2], 0, 4294967294LL, &uid)
		    || !parse_number(f[3], 0, 4294967294LL, &gid))
			continue;
		if (!streq(f[0], name) && uid != number)
			continue;
		r->user = xstrdup(f[0]);
		r->uid = (uid_t)uid;
		r->gid = (gid_t)gid;
		r->home = *f[5] == '/' ? xstrdup(f[5]) : "/";
		found = true;
	}
	close(l.fd);
	return found;
}

static void
find_groups(struct run *r)
{
	struct lines l;
	char *f[4], *line, *member;
	long long gid;
	size_t n;

	if (!lines_open(&l, "etc/group"))
		return;
	while (r->ngroups < LEN(r->groups) && (line = lines_next(&l))) {
		if (cut(line, f, 4) < 4 || !parse_number(f[2], 0, 4294967294LL, &gid) || (gid_t)gid == r->gid)
			continue;
		for (member = f[3]; *member; member += n + (member[n] == ',')) {
			n = strcspn(member, ",");
			if (strlen(r->user) == n && strncmp(member, r->user, n) == 0) {
				r->groups[r->ngroups++] = (gid_t)gid;
				break;
			}
		}
	}
	close(l.fd);
}

static gid_t
find_group(const char *name)
{
	long long gid = -1;
	struct lines l;
	char *f[4], *line;

	if (parse_number(name, 0, 4294967294LL, &gid))
		return (gid_t)gid;
	if (lines_open(&l, "etc/group")) {
		while (gid < 0 && (line = lines_next(&l)))
			if (cut(line, f, 4) >= 3 && streq(f[0], name) && !parse_number(f[2], 0, 4294967294LL, &gid))
				gid = -1;
		close(l.fd);
	}
	if (gid < 0)
		die("no group %s in the tree's /etc/group", name);
	return (gid_t)gid;
}

void
user_look(const struct plan *p, struct run *r)
{
	const char *user = p->user ? p->user : r->preset && r->preset->user ? r->preset->user : "root", *groups = strchr(user, ':');
	char *name = xstrndup(user, strcspn(user, ":"));
	long long number = -1;
	size_t n, i;

	r->user = "root";
	r->home = "/root";
	if (!streq(name, "root") && !streq(name, "0")) {
		parse_number(name, 0, 4294967294LL, &number);
		if (!find_user(r, name, number)) {
			if (number < 0)
				die("no user %s in the tree's /etc/passwd", name);
			r->user = name;
			r->uid = (uid_t)number;
			r->gid = (gid_t)number;
			r->home = "/";
		}
	} else if (!groups) {
		return;
	}
	/* those that are told, or those that the tree says */
	for (; groups && *groups; groups += n) {
		groups++;
		n = strcspn(groups, ",");
		if (r->ngroups == LEN(r->groups))
			die("--user=%.40s...: more than %zu groups", user, LEN(r->groups));
		r->groups[r->ngroups++] = find_group(xstrndup(groups, n));
		r->gid = r->groups[0];
	}
	if (!r->ngroups) {
		r->groups[r->ngroups++] = r->gid;
		find_groups(r);
	}
	for (i = 0; WITH_USERNS && r->userns && i < r->ngroups; i++)
		if (r->uid >= r->id_count || (strchr(user, ':') ? r->groups[i] : r->gid) >= r->id_count)
			die("--user=%s: user %u and group %u: the machine's own end at %u", user, (unsigned int)r->uid,
			    (unsigned int)r->groups[i], (unsigned int)(r->id_count - 1));
}

char *
user_shell(const struct run *r)
{
	char *f[7], *line, *shell = NULL;
	struct lines l;

	if (!WITH_MACHINES)
		return NULL;
	if (!lines_open(&l, "etc/passwd"))
		return "/bin/sh";
	while (!shell && (line = lines_next(&l)))
		if (cut(line, f, 7) == 7 && streq(f[0], r->user))
			shell = xstrdup(*f[6] == '/' ? f[6] : "/bin/sh");
	close(l.fd);
	return shell ? shell : "/bin/sh";
}

void
user_host(const struct plan *p, struct run *r)
{
	uint64_t keep = caps_kept(p), have;

	find_selinux(p);
	if (prlimit(1, RLIMIT_NPROC, NULL, &r->nproc) < 0)
		prlimit(0, RLIMIT_NPROC, NULL, &r->nproc);
	if (prlimit(1, RLIMIT_SIGPENDING, NULL, &r->sigpending) < 0)
		prlimit(0, RLIMIT_SIGPENDING, NULL, &r->sigpending);
	if (sys_capget(&have) < 0)
		die("ask for our own capabilities:");
	/* ports below 1024 belong to who owns the network: the host, here */
	if (WITH_USERNS && r->userns && (!net_private(p) || p->network_namespace_path) && keep & ~caps_of(p->capability, "capability") & CAP_BIT(NET_BIND_SERVICE)) {
		keep &= ~CAP_BIT(NET_BIND_SERVICE);
		say("ports below 1024 cannot be bound: the network is the host's, and the machine's users are not");
	}
	r->keep = keep & have;
	if (caps_of(p->capability, "capability") & ~have & (CAP_BIT(LEN(capabilities)) - 1)
	    && caps_of(p->capability, "capability") != ~0ULL)
		warn("Some capabilities will not be set because they are not in the current bounding set.");
}

/* of a machine with users of its own, whose root has no such rights on the host */
void
user_give(const struct plan *p, struct run *r)
{
	struct rlimit now[LEN(limits)], want, asked;
	char **w;
	size_t i;

	if (!WITH_USERNS)
		return;
	if (p->oom_score_adjust && put_at(AT_FDCWD, fmt("/proc/%d/oom_score_adj", (int)r->pid), p->oom_score_adjust) < 0)
		die("set the OOM score adjustment to %s:", p->oom_score_adjust);
	read_limits(-1, now);
	for (i = 0; i < LEN(limits); i++) {
		want = wanted_limit(r, &limits[i]);
		for (w = p->rlimit; w && *w; w++)
			if (parse_limit(*w, &asked) == &limits[i])
				want = asked;
		/* the hard ones only: what it has to do before its first program is not to run into them */
		want.rlim_cur = now[i].rlim_cur;
		if (want.rlim_max > now[i].rlim_max && want.rlim_max >= want.rlim_cur)
			prlimit(r->pid, limits[i].resource, &want, NULL);
	}
}

void
user_settle(const struct plan *p, struct run *r)
{
	cpu_set_t cpus;
	unsigned long persona;
	char login[16], **w;

	if (r->namespaces & CLONE_NEWUTS && sethostname(r->hostname, strlen(r->hostname)) < 0)
		die("set the host name:");
	sys_join_session_keyring();  /* the host's keys stay behind; without CONFIG_KEYS there are none */
	if (WITH_LIMITS && p->oom_score_adjust && !r->userns && put_at(r->procfs, "self/oom_score_adj", p->oom_score_adjust) < 0)
		die("set the OOM score adjustment to %s:", p->oom_score_adjust);
	if (read_at(r->procfs, "self/loginuid", login, sizeof(login)) > 0 && !after(login, "4294967295"))
		put_at(r->procfs, "self/loginuid", "4294967295");
	if (WITH_LIMITS && p->cpu_affinity) {
		CPU_ZERO(&cpus);
		for (w = p->cpu_affinity; *w; w++)
			parse_cpus(*w, &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
			die("--cpu-affinity=%s: %s", p->cpu_affinity[0], errno == EINVAL ? "none of these is to be had here" : strerror(errno));
	}
	if (WITH_LIMITS && p->personality && parse_personality(p->personality, &persona) && personality(persona) < 0)
		die("set the personality %s:", p->personality);
}

static void
drop_bounding(uint64_t keep)
{
	int cap;

	for (cap = 0; cap < 64; cap++) {
		if (keep & CAP_BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EINVAL)  /* the kernel knows no more of them */
				return;
			die("drop capability %s:", cap < (int)LEN(capabilities) ? capabilities[cap] : fmt("%d", cap));
		}
	}
}

int
user_capability(const char *name)
{
	const char *rest = after(name, "CAP_");
	size_t i;

	for (i = 0; rest && i < LEN(capabilities); i++)
		if (streq(capabilities[i], rest))
			return (int)i;
	return -1;
}

int
user_limit(const char *name)
{
	const char *rest = after(name, "RLIMIT_");
	size_t i;

	for (i = 0; rest && i < LEN(limits); i++)
		if (streq(limits[i].name, rest))
			return limits[i].resource;
	return -1;
}

void
user_take(const struct rights *w)
{
	int cap;

	drop_bounding(w->bounding);
	if (w->uid != 0 || w->ngroups)
		prctl(PR_SET_KEEPCAPS, (w->permitted | w->inheritable | w->loader) != 0, 0, 0, 0);
	if (!w->keep_groups && sys_set_groups(w->ngroups, w->groups) < 0)
		if (errno != EPERM || w->groups_matter)  /* in a user namespace it may be denied */
			die("set the groups of user %u:", (unsigned int)w->uid);
	if ((w->gid || getauxval(AT_GID) || getauxval(AT_EGID)) && sys_set_group(w->gid) < 0)
		die("become group %u:", (unsigned int)w->gid);
	if ((w->uid || getauxval(AT_UID)) && sys_set_user(w->uid) < 0)
		die("become user %u:", (unsigned int)w->uid);
	if (sys_capset(w->effective | w->loader, w->permitted | w->loader, w->inheritable) < 0)
		die("set capabilities:");
	for (cap = 0; w->ambient >> cap && cap < 64; cap++)
		if (w->ambient >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			die("raise ambient capability %s (needs Linux 4.3):", capabilities[cap]);
	if (w->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("set no_new_privs (needs Linux 3.5):");
}

void
user_become(const struct plan *p, struct run *r)
{
	uint64_t ambient = caps_of(p->ambient_capability, "ambient-capability") & r->keep;
	uint64_t keep = r->uid ? ambient : r->keep;

	if (p->selinux_context && put_at(r->procfs, "self/attr/exec", p->selinux_context) < 0)
		die("set the SELinux label %s:", p->selinux_context);
	set_limits(p, r);
	user_take(&(struct rights){
		.uid = r->uid, .gid = r->gid, .groups = r->groups, .ngroups = r->ngroups,
		.bounding = r->keep, .effective = keep, .permitted = keep, .inheritable = keep, .ambient = ambient,
		.loader = (r->filter || r->profile) && p->no_new_privileges != YES ? CAP_BIT(SYS_ADMIN) : 0,
		.no_new_privileges = p->no_new_privileges == YES,
	});
}
