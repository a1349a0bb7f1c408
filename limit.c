/* SPDX-License-Identifier: 0BSD */
/* Limits of a control group: one name, two kinds of hierarchy. Words and values are those of systemd.resource-control(5) */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "nspawn-lite.h"

enum kind {
	BYTES,      /* of memory, or a share of what there is */
	SWAP, QUOTA, PERIOD, WEIGHT, SHARES, CPUS, NODES, TASKS, IO_WEIGHT, BLOCK_WEIGHT,
	PER_DEVICE, /* a disk and a rate */
	DEVICES,    /* see device.c */
};

static const struct property {
	const char *name;
	enum kind kind;
	const char *v2, *v1;        /* controllers; on v1 NULL is: it cannot be had there */
	const char *file2, *file1;
	const char *needs;          /* when the file is not there */
} properties[] = {
	{ "MemoryMin",     BYTES, "memory", NULL, "memory.min", NULL, "Linux 4.18" },
	{ "MemoryLow",     BYTES, "memory", NULL, "memory.low", NULL, "CONFIG_MEMCG" },
	{ "MemoryHigh",    BYTES, "memory", NULL, "memory.high", NULL, "CONFIG_MEMCG" },
	{ "MemoryLimit",   BYTES, "memory", "memory", "memory.max", "memory.limit_in_bytes", "CONFIG_MEMCG" },
	{ "MemoryMax",     BYTES, "memory", "memory", "memory.max", "memory.limit_in_bytes", "CONFIG_MEMCG" },
	{ "MemorySwapMax", SWAP, "memory", "memory", "memory.swap.max", "memory.memsw.limit_in_bytes",
	  "swapaccount=1 on the kernel's command line, and CONFIG_SWAP with CONFIG_MEMCG" },
	{ "CPUQuotaPeriodSec", PERIOD, "cpu", "cpu", "", "", "" },
	{ "CPUQuota",      QUOTA, "cpu", "cpu", "cpu.max", "cpu.cfs_quota_us", "CONFIG_CFS_BANDWIDTH" },
	{ "CPUShares",     SHARES, "cpu", "cpu", "cpu.weight", "cpu.shares", "CONFIG_FAIR_GROUP_SCHED" },
	{ "CPUWeight",     WEIGHT, "cpu", "cpu", "cpu.weight", "cpu.shares", "CONFIG_FAIR_GROUP_SCHED; for idle Linux 5.15" },
	{ "AllowedCPUs",   CPUS, "cpuset", "cpuset", "cpuset.cpus", "cpuset.cpus", "CONFIG_CPUSETS" },
	{ "AllowedMemoryNodes", NODES, "cpuset", "cpuset", "cpuset.mems", "cpuset.mems", "CONFIG_CPUSETS" },
	{ "TasksMax",      TASKS, "pids", "pids", "pids.max", "pids.max", "CONFIG_CGROUP_PIDS" },
	{ "BlockIOWeight", BLOCK_WEIGHT, "io", "blkio", "io.weight", "blkio.weight",
	  "CONFIG_BLK_CGROUP_IOCOST or, with its scheduler in use, CONFIG_BFQ_GROUP_IOSCHED" },
	{ "IOWeight",      IO_WEIGHT, "io", "blkio", "io.weight", "blkio.weight",
	  "CONFIG_BLK_CGROUP_IOCOST or, with its scheduler in use, CONFIG_BFQ_GROUP_IOSCHED" },
	{ "IOReadBandwidthMax",  PER_DEVICE, "io", "blkio", "rbps", "blkio.throttle.read_bps_device", "CONFIG_BLK_DEV_THROTTLING" },
	{ "IOWriteBandwidthMax", PER_DEVICE, "io", "blkio", "wbps", "blkio.throttle.write_bps_device", "CONFIG_BLK_DEV_THROTTLING" },
	{ "IOReadIOPSMax",       PER_DEVICE, "io", "blkio", "riops", "blkio.throttle.read_iops_device", "CONFIG_BLK_DEV_THROTTLING" },
	{ "IOWriteIOPSMax",      PER_DEVICE, "io", "blkio", "wiops", "blkio.throttle.write_iops_device", "CONFIG_BLK_DEV_THROTTLING" },
	{ "DeviceAllow",   DEVICES, NULL, NULL, NULL, NULL, NULL },
	{ "DevicePolicy",  DEVICES, NULL, NULL, NULL, NULL, NULL },
};

/* what means nothing here and takes nothing away */
static const char *const harmless[] = { "MemoryPressure", "CPUAccounting", "MemoryAccounting", "IOAccounting",
	"IPAccounting", "BlockIOAccounting", "TasksAccounting", "Description", "Documentation", "Delegate", "CollectMode" };
/* what is named so would restrict a machine if we knew how: never ignored */
static const char *const restricting[] = {
	"AppArmor", "BPFProgram", "Bind", "BlockIO", "CPU", "Capability", "Device", "DisableControllers", "DynamicUser", "ExecPaths",
	"Group", "IO", "IP", "Inaccessible", "JoinsNamespace", "KeyringMode", "Limit", "Lock", "Memory", "NFTSet", "NUMA", "Network",
	"NoExec", "NoNewPrivileges", "OOMScore", "Private", "Proc", "Protect", "ReadOnly", "ReadWrite", "RemoveIPC", "Restrict",
	"Root", "RuntimeMaxSec", "SELinux", "SecureBits", "Smack", "SocketBind", "Startup", "SystemCall", "Tasks",
	"TemporaryFileSystem", "UMask", "User", "Allowed",
};

/* ---- words ------------------------------------------------------------------------ */

static const char *
shown(const char *word)
{
	return fmt("--property=%.200s", word);
}

static const struct property *
find(const char *word, const char **value)
{
	size_t i, n = strcspn(word, "=");

	if (!word[n] || n == 0)
		die("%s: not NAME=VALUE", shown(word));
	*value = word + n + 1;
	for (i = 0; i < LEN(properties); i++)
		if (strlen(properties[i].name) == n && memcmp(properties[i].name, word, n) == 0)
			return &properties[i];
	return NULL;
}

/* 20% or 0.5%: in hundredths of a percent */
static bool
parse_percent(const char *s, uint64_t most, uint64_t *out)
{
	uint64_t n = 0;
	int digits = -1;

	if (*s < '0' || *s > '9')
		return false;
	for (; (*s >= '0' && *s <= '9') || (*s == '.' && digits < 0); s++) {
		if (*s == '.') {
			digits = 0;
			continue;
		}
		if (digits == 2 || n > UINT64_MAX / 1000)
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
		digits += digits >= 0;
	}
	for (; digits < 2; digits = digits < 0 ? 1 : digits + 1)
		n *= 10;
	*out = n;
	return streq(s, "%") && n <= most;
}

/* a rate is counted in thousands */
static bool
parse_rate(const char *s, uint64_t *out)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	unsigned long long n;

	if (streq(s, "infinity")) {
		*out = UINT64_MAX;
		return true;
	}
	errno = 0;
	n = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || errno)
		return false;
	if (*end && (unit = strchr(units, *end))) {
		for (; unit >= units; unit--) {
			if (n > UINT64_MAX / 1000)
				return false;
			n *= 1000;
		}
		end++;
	}
	*out = n;
	return !*end && n > 0;
}

/* 10ms, 1s, or a number of seconds: in microseconds */
static bool
parse_time(const char *s, uint64_t *out)
{
	static const struct { const char *unit; uint64_t us; } units[] = {
		{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "sec", 1000000 }, { "min", 60000000 }, { "", 1000000 },
	};
	unsigned long n;
	char *end;
	size_t i;

	n = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || n > 1000000)
		return false;
	for (i = 0; i < LEN(units); i++)
		if (streq(end, units[i].unit)) {
			*out = n * units[i].us;
			return true;
		}
	return false;
}

/* 0-3,5 or with spaces: with commas, as the kernel has it; NULL: not that */
static char *
parse_list(const char *s)
{
	enum { MOST = 8191 };
	char *out = xstrdup(""), *end;
	unsigned long from, to;

	while (*(s += strspn(s, ", \t"))) {
		if (*s < '0' || *s > '9')
			return NULL;
		from = to = strtoul(s, &end, 10);
		if (*end == '-') {
			s = end + 1;
			if (*s < '0' || *s > '9')
				return NULL;
			to = strtoul(s, &end, 10);
		}
		if (from > to || to > MOST || (*end && !strchr(", \t", *end)))
			return NULL;
		out = fmt(from == to ? "%s%s%lu" : "%s%s%lu-%lu", out, *out ? "," : "", from, to);
		s = end;
	}
	return out;
}

static bool
parse_weight(const char *s, long long min, long long max, long long usual, long long *out)
{
	*out = usual;
	return !*s || parse_number(s, min, max, out);
}

/* what there is of memory, and of tasks */
static uint64_t
all_memory(void)
{
	struct sysinfo info;

	return sysinfo(&info) < 0 ? 0 : (uint64_t)info.totalram * info.mem_unit;
}

static uint64_t
all_tasks(void)
{
	static const char *const files[] = { "/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max" };
	uint64_t least = UINT64_MAX, n;
	char text[32];
	size_t i;

	for (i = 0; i < LEN(files); i++)
		if (read_at(AT_FDCWD, files[i], text, sizeof(text)) > 0 && (n = strtoull(text, NULL, 10)) < least)
			least = n;
	return least;
}

/* in the words of a file: "max" is "-1" on v1 */
static char *
amount(uint64_t n, bool v1)
{
	return n == UINT64_MAX ? xstrdup(v1 ? "-1" : "max") : fmt("%llu", (unsigned long long)n);
}

static long long
clamp(long long n, long long min, long long max)
{
	return n < min ? min : n > max ? max : n;
}

static char *
memory_value(const struct property *pr, const char *word, const char *value, uint64_t *out)
{
	bool protects = streq(pr->name, "MemoryMin") || streq(pr->name, "MemoryLow"), soft = streq(pr->name, "MemoryHigh");
	uint64_t percent;

	if (!*value)
		*out = protects ? 0 : UINT64_MAX;
	else if (parse_percent(value, 10000, &percent))
		*out = all_memory() / 10000 * percent;
	else if (!parse_size(value, out))
		die("%s: not a size like 64M, a share like 10%%, or infinity", shown(word));
	/* not even the words that say so could be sent */
	if (*out < (soft ? 1 : 1 << 20) && *value && !protects && pr->kind != SWAP)
		die("%s: nothing runs in less than 1M of memory", shown(word));
	return amount(*out, false);
}

static char *
quota_value(const char *word, const char *value, bool v1, const char *period_word)
{
	enum { LEAST = 1000, MOST = 1000000 };  /* what the kernel takes of both, in microseconds */
	uint64_t period = 100000, percent, quota;

	if (period_word && *period_word && !parse_time(period_word, &period))
		die("--property=CPUQuotaPeriodSec=%.200s: not a time like 10ms", period_word);
	period = (uint64_t)clamp((long long)period, LEAST, MOST);
	if (!*value)
		return v1 ? xstrdup("cpu.cfs_quota_us -1\n") : fmt("cpu.max max %llu\n", (unsigned long long)period);
	if (!parse_percent(value, 100000000, &percent) || percent == 0)
		die("%s: not a share of one CPU's time like 20%% or 150%%", shown(word));
	if (period * percent / 10000 < LEAST)
		period = (uint64_t)clamp((long long)(LEAST * 10000 / percent), LEAST, MOST);
	quota = period * percent / 10000;
	if (quota < LEAST)
		quota = LEAST;
	return v1 ? fmt("cpu.cfs_period_us %llu\ncpu.cfs_quota_us %llu\n", (unsigned long long)period, (unsigned long long)quota) :
		fmt("cpu.max %llu %llu\n", (unsigned long long)quota, (unsigned long long)period);
}

/* bfq counts from 1 to 1000, and 100 is 100 */
static long long
bfq_weight(long long w)
{
	return w <= 100 ? w : clamp(100 + (w - 100) * 900 / 9900, 1, 1000);
}

static char *
weight_value(const struct property *pr, const char *word, const char *value, bool v1)
{
	long long w;

	switch ((int)pr->kind) {
	case WEIGHT:
		if (streq(value, "idle"))
			return xstrdup("cpu.idle 1\n");
		if (!parse_weight(value, 1, 10000, 100, &w))
			die("%s: not a number from 1 to 10000, or idle", shown(word));
		return v1 ? fmt("cpu.shares %lld\n", clamp(w * 1024 / 100, 2, 262144)) : fmt("cpu.weight %lld\n", w);
	case SHARES:
		if (!parse_weight(value, 2, 262144, 1024, &w))
			die("%s: not a number from 2 to 262144", shown(word));
		return v1 ? fmt("cpu.shares %lld\n", w) : fmt("cpu.weight %lld\n", clamp(w * 100 / 1024, 1, 10000));
	case IO_WEIGHT:
		if (!parse_weight(value, 1, 10000, 100, &w))
			die("%s: not a number from 1 to 10000", shown(word));
		return v1 ? fmt("blkio.weight|blkio.bfq.weight %lld\n", clamp(w * 5, 10, 1000))
		          : fmt("io.weight|io.bfq.weight %lld|%lld\n", w, bfq_weight(w));
	default:
		if (!parse_weight(value, 10, 1000, 500, &w))
			die("%s: not a number from 10 to 1000", shown(word));
		return v1 ? fmt("blkio.weight|blkio.bfq.weight %lld\n", w)
		          : fmt("io.weight|io.bfq.weight %lld|%lld\n", clamp(w / 5, 1, 10000), bfq_weight(w / 5));
	}
}

/* the whole disk of a node or of a file's file system: MAJOR:MINOR; NULL with errno */
static char *
disk_of(const char *path)
{
	struct stat st;
	char text[32], *disk;
	dev_t dev;

	if (stat(path, &st) < 0)
		return NULL;
	dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	disk = fmt("%u:%u", major(dev), minor(dev));
	errno = ENOTBLK;
	if ((!S_ISBLK(st.st_mode) && S_ISCHR(st.st_mode)) || access(fmt("/sys/dev/block/%s", disk), F_OK) < 0)
		return NULL;
	if (access(fmt("/sys/dev/block/%s/partition", disk), F_OK) < 0
	    || read_at(AT_FDCWD, fmt("/sys/dev/block/%s/../dev", disk), text, sizeof(text)) <= 0)
		return disk;
	text[strcspn(text, "\n")] = 0;
	return xstrdup(text);
}

/* PATH RATE; system is false when only the words are looked at */
static char *
device_value(const struct property *pr, const char *word, const char *value, bool v1, bool look)
{
	const char *rest = strrchr(value, ' ');
	uint64_t rate;
	char *disk = NULL, *path;

	if (!*value)
		return xstrdup("");
	path = rest ? xstrndup(value, (size_t)(rest - value)) : NULL;
	while (path && *path && path[strlen(path) - 1] == ' ')
		path[strlen(path) - 1] = 0;
	if (!path || *path != '/' || !parse_rate(rest + 1, &rate))
		die("%s: not a path and a rate, like \"/dev/sda 5M\"", shown(word));
	if (look && !(disk = disk_of(path)))
		die(errno == ENOTBLK ? "%s: %s is on no disk whose rate could be limited" : "%s: look at %s:", shown(word), path);
	if (v1)
		return fmt("%s %s %llu\n", pr->file1, disk ? disk : path, rate == UINT64_MAX ? 0ULL : (unsigned long long)rate);
	return fmt("io.max %s %s=%s\n", disk ? disk : path, pr->file2, amount(rate, false));
}

/*
 * What a word puts into which files: lines of "FILE VALUE". Others of its list may matter. look: at the
 * system too, else only at the words
 */
static char *
text_of(const char *word, bool v1, char *const *list, bool look)
{
	const char *value, *period = NULL, *v, *file;
	const struct property *pr = find(word, &value);
	uint64_t n;
	char *s;

	for (; list && *list; list++)
		if ((v = after(*list, "CPUQuotaPeriodSec=")))
			period = v;
	if (!pr)
		return NULL;
	file = v1 ? pr->file1 : pr->file2;
	switch (pr->kind) {
	case BYTES:
	case SWAP:
		s = memory_value(pr, word, value, &n);
		return file ? fmt("%s %s\n", file, v1 ? amount(n, true) : s) : xstrdup("");
	case PERIOD:
		quota_value(word, "1%", v1, value);
		return xstrdup("");
	case QUOTA:
		return quota_value(word, value, v1, period);
	case CPUS:
	case NODES:
		s = parse_list(value);
		if (!s)
			die("%s: not a list of numbers like 0-3,5", shown(word));
		return fmt("%s %s\n", file, s);
	case TASKS:
		if (!*value || streq(value, "infinity"))
			n = UINT64_MAX;
		else if (parse_percent(value, 10000, &n))
			n = all_tasks() / 100 * n / 100 + 1;
		else if (strchr(value, '.') || !parse_size(value, &n) || n == 0)
			die("%s: not a number, a share like 10%%, or infinity", shown(word));
		return fmt("%s %s\n", file, amount(n, false));
	case PER_DEVICE:
		return device_value(pr, word, value, v1, look);
	case DEVICES:
		return xstrdup("");
	default:
		return weight_value(pr, word, value, v1);
	}
}

char *
limit_text(const char *word, bool v1)
{
	return text_of(word, v1, NULL, false);
}

static bool
begins(const char *word, const char *const *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strncasecmp(word, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

/* none of ours: it must not look like one, nor like what would take something away */
static void
check_foreign(const char *word)
{
	size_t i, n = strcspn(word, "=");

	for (i = 0; i < LEN(properties); i++)
		if (strlen(properties[i].name) == n && strncasecmp(properties[i].name, word, n) == 0)
			die("%s: its name is written %s", shown(word), properties[i].name);
	if (!begins(word, harmless, LEN(harmless)) && begins(word, restricting, LEN(restricting)))
		die("%s: a restriction that is not known here, and none is ignored", shown(word));
}

void
limit_check(const struct plan *p)
{
	const char *value;
	char **w;

	for (w = p->property; w && *w; w++) {
		if (find(*w, &value))
			text_of(*w, false, p->property, false);
		else
			check_foreign(*w);
	}
}

/* ---- where it goes ---------------------------------------------------------------------- */

/* why a kernel has no such controller: in words for who could change that */
const char *
limit_reason(const char *v2, const char *v1)
{
	static const struct { const char *name, *config; } configs[] = {
		{ "memory", "CONFIG_MEMCG" }, { "cpu", "CONFIG_CGROUP_SCHED" }, { "cpuset", "CONFIG_CPUSETS" },
		{ "pids", "CONFIG_CGROUP_PIDS" }, { "io", "CONFIG_BLK_CGROUP" },
	};
	char text[4096], *rest = text, *line;
	const char *name = v1 ? v1 : v2, *config = "CONFIG_CGROUPS";
	size_t i, n = strlen(name);

	for (i = 0; i < LEN(configs); i++)
		if (streq(configs[i].name, v2))
			config = configs[i].config;
	if (read_at(AT_FDCWD, "/proc/cgroups", text, sizeof(text)) < 0)
		return "the kernel has no control groups (CONFIG_CGROUPS)";
	while ((line = next_line(&rest))) {
		if (strncmp(line, name, n) != 0 || line[n] != '\t')
			continue;
		if (line[strlen(line) - 1] == '0')
			return fmt("the %s controller is switched off: boot with cgroup_enable=%s, without cgroup_disable=%s", v2, name, name);
		if (!v1 || atoi(line + n) > 0)
			return v1 ? fmt("the %s controller is part of a v1 hierarchy that cannot be reached", v2)
			          : fmt("it needs the %s controller of cgroup2, and v1 has that", v2);
		return fmt("the %s controller is on neither cgroup2 nor v1 to be had (%s%s)", v2, config,
		           streq(v2, "memory") || streq(v2, "cpuset") ? fmt(", on v1 %s_V1", config) : "");
	}
	return fmt("the kernel has no %s controller (%s)", v2, config);
}

/* set again further on: only the last of each name counts, but for disks, where each is of its own */
static bool
is_last(char *const *w, const struct property *pr)
{
	const char *value;
	const struct property *other;

	if (pr->kind == PER_DEVICE)
		return true;
	while (*++w)
		if ((other = find(*w, &value)) == pr || (other && other->kind == pr->kind && streq(other->file2, pr->file2)))
			return false;
	return true;
}

static struct share *
share_of(struct run *r, const char *word, const struct property *pr)
{
	struct share *s = cgroup_share(r, pr->v2, pr->v1);

	if (!s)
		die("%s: %s", shown(word), limit_reason(pr->v2, pr->v1));
	return s;
}

void
limit_look(const struct plan *p, struct run *r)
{
	const struct property *pr;
	const char *value;
	char **w;

	for (w = p->property; w && *w; w++) {
		pr = find(*w, &value);
		r->bounded &= !pr || pr->kind != TASKS;
		if (!pr && begins(*w, harmless, LEN(harmless)))
			say("%s has no effect here", shown(*w));
		else if (!pr)
			warn("%s has no effect: %s", shown(*w), after(*w, "Slice=") ? "--slice has" : "no such property is known");
		else if (pr->kind != DEVICES)
			share_of(r, *w, pr);
	}
	/* nobody has asked for it */
	r->bounded = r->bounded && r->nshares && cgroup_share(r, "pids", "pids");
}

/* ---- setting it --------------------------------------------------------------------------- */

static uint64_t
number_in(int dir, const char *file)
{
	char text[64];

	if (read_at(dir, file, text, sizeof(text)) <= 0 || after(text, "max"))
		return UINT64_MAX;
	return strtoull(text, NULL, 10);
}

/* a v1 limit that is none: the largest number of pages */
static bool
is_unlimited(uint64_t n)
{
	return n >= (uint64_t)INT64_MAX - 65536;
}

/*
 * v1 counts memory and swap together, and never lets that be less than memory alone. So both are set
 * at once: what swap may be stays, unless that is what was asked for.
 */
static int
put_memory_v1(int dir, bool swap, const char *value, const char **why)
{
	static const char memory[] = "memory.limit_in_bytes", both[] = "memory.memsw.limit_in_bytes";
	uint64_t limit = number_in(dir, memory), sum = number_in(dir, both), more;

	if (access(fmt("/proc/self/fd/%d/%s", dir, both), F_OK) < 0) {
		if (!swap)
			return put_at(dir, memory, value);
		errno = ENOENT;
		return -1;
	}
	more = swap ? strtoull(value, NULL, 10) : sum - limit;
	if (swap ? streq(value, "-1") : is_unlimited(sum))
		more = UINT64_MAX;
	if (swap && more != UINT64_MAX && is_unlimited(limit)) {
		*why = "v1 counts swap together with memory: it goes with MemoryMax=";
		return -1;
	}
	if (put_at(dir, both, "-1") < 0)
		return -1;
	if (!swap && put_at(dir, memory, value) < 0)
		return -1;
	limit = number_in(dir, memory);
	if (more == UINT64_MAX || is_unlimited(limit))
		return 0;
	return put_at(dir, both, amount(limit + more, true));
}

/* all numbers of one list are in another; both are of the kernel's form */
static bool
list_within(const char *inner, const char *outer)
{
	unsigned long from, to, low, high;
	const char *o;
	char *end;
	bool found;

	for (; *inner; inner += strcspn(inner, ","), inner += *inner == ',') {
		from = to = strtoul(inner, &end, 10);
		if (*end == '-')
			to = strtoul(end + 1, NULL, 10);
		for (; from <= to; from++) {
			for (found = false, o = outer; *o && !found; o += strcspn(o, ","), o += *o == ',') {
				low = high = strtoul(o, &end, 10);
				if (*end == '-')
					high = strtoul(end + 1, NULL, 10);
				found = from >= low && from <= high;
			}
			if (!found)
				return false;
		}
	}
	return true;
}

/* the kernel may round down to pages, and say nothing of what it does not do */
static bool
holds(const struct property *pr, int dir, bool v2, const char *file, const char *value)
{
	uint64_t want, got, page = (uint64_t)getpagesize();
	char text[4096], *rest = text, *line, *list;
	size_t n;

	switch ((int)pr->kind) {
	case BYTES:
	case TASKS:
		if (streq(value, "max") || streq(value, "-1"))
			return true;
		want = strtoull(value, NULL, 10);
		got = number_in(dir, file);
		return got <= want && want - got < page;
	case CPUS:
	case NODES:  /* what does not exist is left out: when nothing is left the kernel takes all */
		list = parse_list(value);
		if (!*list || read_at(dir, v2 ? fmt("%s.effective", file) : file, text, sizeof(text)) <= 0)
			return true;
		text[strcspn(text, "\n")] = 0;
		return *text && list_within(text, list);
	case PER_DEVICE:
		n = strcspn(value, " ");
		if (read_at(dir, file, text, sizeof(text)) < 0)
			return false;
		while ((line = next_line(&rest)))
			if (strncmp(line, value, n) == 0 && line[n] == ' ')
				return strstr(line + n, value + n) != NULL;
		return strstr(value, "max") || streq(value + n, " 0");
	}
	return true;
}

/* one of "FILE|FILE VALUE|VALUE": the first that the kernel has */
static int
put_one(const struct property *pr, const struct share *s, const char *files, const char *values, const char **file,
        const char **value, const char **why)
{
	bool v1 = !cgroup_is_v2(s);
	int ret = -1;

	for (errno = ENOENT; *files && ret < 0 && errno == ENOENT;) {
		size_t n = strcspn(files, "|"), m = strcspn(values, "|");

		*file = xstrndup(files, n);
		*value = xstrndup(values, m);
		files += n + (files[n] == '|');
		values += values[m] == '|' ? m + 1 : 0;
		if (v1 && streq(pr->v1, "memory")) {
			ret = put_memory_v1(s->dir, pr->kind == SWAP, *value, why);
		} else if (v1 && (streq(pr->v1, "blkio") || streq(pr->v1, "cpuset"))) {
			/* throttling does not look above; and a cpuset must always be within the one above */
			put_at(s->payload, *file, *value);
			ret = put_at(s->dir, *file, *value);
			if (ret == 0)
				ret = put_at(s->payload, *file, *value);
		} else {
			ret = put_at(s->dir, *file, *value);
		}
	}
	return ret;
}

/* why the kernel refuses, in words for who asked for it */
static _Noreturn void
refused(const struct property *pr, const char *word, const char *file)
{
	bool cpus = pr->kind == CPUS;
	char online[512];

	if ((cpus || pr->kind == NODES) && (!errno || errno == ERANGE || errno == EINVAL || errno == ENOSPC)
	    && read_at(AT_FDCWD, fmt("/sys/devices/system/%s/online", cpus ? "cpu" : "node"), online, sizeof(online)) > 0) {
		online[strcspn(online, "\n")] = 0;
		die("%s: not all of these are ours to give; the host has %s %s", shown(word), cpus ? "CPUs" : "nodes", online);
	}
	if (errno == EBUSY && pr->kind == BYTES)
		die("%s: it uses more now, and the kernel cannot take that away", shown(word));
	die(errno == ENOENT ? "%s: this kernel has no %s (%s)" : "%s: set %s:", shown(word), file, pr->needs);
}

/* root inside is root outside by its number */
static bool
is_root_outside(const struct run *r)
{
	unsigned long long inside, outside;
	char text[256], *at;

	if (r->pid <= 0)
		return !r->userns || !r->id_base;
	if (read_at(AT_FDCWD, fmt("/proc/%d/uid_map", (int)r->pid), text, sizeof(text)) <= 0)
		return true;
	inside = strtoull(text, &at, 10);
	outside = strtoull(at, NULL, 10);
	return inside == outside;
}

static void
set(const struct run *r, const struct share *s, const char *word, const struct property *pr, char *text)
{
	const char *file = "", *value = "", *why = NULL;
	char *line;
	size_t n;

	if (s->dir < 0)
		die("%s: the machine has no control group", shown(word));
	if (cgroup_is_v2(s) && pr->kind == WEIGHT && !after(text, "cpu.idle"))
		put_at(s->dir, "cpu.idle", "0");
	while ((line = next_line(&text))) {
		n = strcspn(line, " ");
		if (put_one(pr, s, xstrndup(line, n), line + n + 1, &file, &value, &why) < 0) {
			if (why)
				die("%s: %s", shown(word), why);
			refused(pr, word, file);
		}
		if (holds(pr, s->dir, cgroup_is_v2(s), file, value))
			continue;
		if (pr->kind == CPUS || pr->kind == NODES) {
			errno = 0;
			refused(pr, word, file);
		}
		die("%s: the kernel did not take it: see %s of %s", shown(word), file, s->path);
	}
	/* v1 throttles who is in a group, not who is below: so it must be in the group that it sees */
	if (pr->kind == PER_DEVICE && !cgroup_is_v2(s) && is_root_outside(r))
		warn("%s: with control groups of v1 root inside can lift this; with users of its own (-U) it could not", shown(word));
}

void
limit_set(const struct plan *p, struct run *r)
{
	const struct property *pr, *now;
	const char *value;
	struct share *s;
	char **w;

	s = r->bounded ? cgroup_share(r, "pids", "pids") : NULL;
	if (s && s->dir >= 0 && put_at(s->dir, "pids.max", fmt("%d", START_TASKS)) < 0)
		say("it may have any number of processes: %s", strerror(errno));
	/* in the order of the table: what v1 says of swap depends on memory */
	for (now = properties; now < properties + LEN(properties); now++)
		for (w = p->property; w && *w; w++) {
			pr = find(*w, &value);
			if (pr != now || pr->kind == DEVICES || !is_last(w, pr))
				continue;
			s = share_of(r, *w, pr);
			set(r, s, *w, pr, text_of(*w, !cgroup_is_v2(s), p->property, true));
		}
}
