/* SPDX-License-Identifier: 0BSD */
/* Words in, words out: the parts that need no machine. Prints TAP */
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../nspawn-lite.h"

static int number, bad;

static void
ok(bool yes, const char *what)
{
	print(1, "%sok %d - %s\n", yes ? "" : "not ", ++number, what);
	bad += !yes;
}

static void
is(const char *want, const char *got, const char *what)
{
	ok(got ? streq(want, got) : !*want, what);
	if (got ? !streq(want, got) : *want)
		print(1, "# want \"%s\", got \"%s\"\n", want, got ? got : "(null)");
}

static int compared;

static int
by_number(const void *a, const void *b)
{
	compared++;
	return *(const int *)a - *(const int *)b;
}

static void
test_print(void)
{
	char text[8] = "", big[64];
	int list[] = { 3, -1, 2, 2, 0 }, n, i;
	static int many[4096];

	is("[   42][42   ][00042][+42][-0042]", fmt("[%5d][%-5d][%05d][%+d][%05d]", 42, 42, 42, 42, -42), "widths and signs");
	is("ff FF 0xff 0ff 17 0 ", fmt("%x %X %#x %.3x %o %d %.0d", 255, 255, 255, 255, 15, 0, 0), "bases and digits");
	is("-9223372036854775808 18446744073709551615", fmt("%lld %llu", (long long)INT64_MIN, (unsigned long long)UINT64_MAX),
	   "the least and the most");
	is("[ab][   ab][ab   ][  x]100%", fmt("[%.*s][%5.2s][%-*s][%3c]100%%", 2, "abc", "abc", 5, "ab", 'x'), "words and letters");
	n = snprintf(text, sizeof(text), "%s", fmt("%s and more", "a word"));
	is("a word ", text, "what is too long is cut");
	ok(n == 15 && snprintf(NULL, 0, "%d", 12345) == 5, "and its length told");
	ok(snprintf(big, sizeof(big), "%hhu %zu %hd", (unsigned char)200, (size_t)7, (short)-5) == 8, "sizes");
	is("200 7 -5", big, "and what they hold");
	qsort(list, LEN(list), sizeof(*list), by_number);
	ok(list[0] == -1 && list[1] == 0 && list[2] == 2 && list[3] == 2 && list[4] == 3, "a list is sorted");
	/* each half in places that halves of its length never bring together */
	for (i = 0; i < 4096; i++)
		many[i] = i % 2 ? 2048 + i / 2 : i / 2;
	compared = 0;
	qsort(many, LEN(many), sizeof(*many), by_number);
	for (i = 1; i < 4096 && many[i - 1] < many[i]; i++)
		;
	ok(i == 4096 && compared < 40 * 4096, fmt("a long one that is laid out against that, too: %d", compared));
}

/* what of libc is ours, see instead.c */
static void
test_numbers(void)
{
	char *end;

	ok(strtol(" \t-42x", &end, 10) == -42 && *end == 'x', "a number behind blanks, up to a letter");
	ok(strtol("none", &end, 10) == 0 && *end == 'n', "no number at all");
	ok(strtoul("ffFFg", &end, 16) == 0xffff && *end == 'g' && strtoul("0x1F", NULL, 16) == 31, "hexadecimal ones");
	ok(strtoul("0xg", &end, 16) == 0 && *end == 'x' && strtol("755 ", &end, 8) == 493 && *end == ' ', "and octal ones");
	ok(strtoul("0x10", NULL, 0) == 16 && strtoul("010", NULL, 0) == 8 && strtoul("10", NULL, 0) == 10, "and what says itself what it is");
	errno = 0;
	ok(strtoll("-9223372036854775808", NULL, 10) == INT64_MIN && strtoull("18446744073709551615", NULL, 10) == UINT64_MAX && !errno,
	   "the least and the most are read");
	ok(strtoll("-9223372036854775809", NULL, 10) == INT64_MIN && errno == ERANGE, "one less is told");
	errno = 0;
	ok(strtoll("9223372036854775808", NULL, 10) == INT64_MAX && errno == ERANGE, "one more, too");
	errno = 0;
	ok(strtoull("18446744073709551616", &end, 10) == UINT64_MAX && errno == ERANGE && !*end, "and without a sign");
	errno = 0;
	ok(strtoull("184467440737095516150", NULL, 10) == UINT64_MAX && errno == ERANGE, "and ten times as much");
	ok(strtoul("-1", NULL, 10) == ULONG_MAX, "what is negative wraps around where there is no sign");
	ok(streq(strstr("abcabd", "abd"), "abd") && !strstr("abc", "abcd") && streq(strstr("ab", ""), "ab") && !strstr("", "a"),
	   "a text is found in another");
}

static void
test_siphash(void)
{
	/* the key 00..0f and messages 00..: the paper's own vector, and the empty one of its code */
	uint8_t key[16], message[15];
	size_t i;

	for (i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (i = 0; i < 15; i++)
		message[i] = (uint8_t)i;
	ok(siphash24(message, 15, key) == 0xa129ca6149be45e5ULL, "siphash of fifteen bytes is the paper's");
	ok(siphash24(message, 0, key) == 0x726fdb47dd0e0e31ULL, "siphash of nothing");
	ok(siphash24(message, 8, key) == 0x93f5f5799a932462ULL, "siphash of a whole word");
}

static void
test_tables(void)
{
	static const struct { int64_t seconds; const char *want; } ages[] = {
		{ 1, "1s ago" }, { 59, "59s ago" }, { 61, "1min 1s ago" }, { 299, "4min 59s ago" }, { 300, "5min ago" },
		{ 29 * 60 + 7, "29min ago" }, { 3600, "1h 0min ago" }, { 6 * 3600 - 1, "5h 59min ago" }, { 6 * 3600, "6h ago" },
		{ 24 * 3600 + 59, "24h ago" }, { 25 * 3600, "1 day 1h ago" }, { 2 * 86400, "2 days ago" }, { 7 * 86400, "1 week 0 days ago" },
		{ 15 * 86400, "2 weeks 1 day ago" }, { 2629800 + 86400, "1 month 1 day ago" }, { 2 * 31557600, "2 years 0 months ago" },
	};
	static const struct { uint64_t bytes; const char *want; } sizes[] = {
		{ 0, "0B" }, { 512, "512B" }, { 1023, "1023B" }, { 1024, "1.0K" }, { 1536000, "1.4M" }, { 3 << 20, "3.0M" },
		{ UINT64_C(1) << 60, "1.0E" }, { UINT64_MAX, "15.9E" },
	};
	struct timespec now;
	size_t i;

	for (i = 0; i < LEN(sizes); i++)
		is(sizes[i].want, table_size(sizes[i].bytes), sizes[i].want);
	for (i = 0; i < LEN(ages); i++) {
		clock_gettime(CLOCK_REALTIME, &now);
		is(ages[i].want, table_ago((now.tv_sec - ages[i].seconds) * INT64_C(1000000) + now.tv_nsec / 1000), ages[i].want);
	}
	is("-", table_time(0), "a time that nobody knows");
	is("\"a\\\"\\\\\\n\\u000b\"", table_json("a\"\\\n\v"), "text for programs");
}

static void
test_escapes(void)
{
	static const struct { const char *in; int byte; size_t used; } escapes[] = {
		{ "n", '\n', 0 }, { "s", ' ', 0 }, { "\\x", '\\', 0 }, { "x41B", 'A', 2 }, { "xfF", 255, 2 }, { "1012", 'A', 2 },
		{ "377", 255, 2 }, { "", -1, 0 }, { "x4", -1, 0 }, { "x 4", -1, 0 }, { "x+4", -1, 0 }, { "x00", -1, 0 },
		{ "000", -1, 0 }, { "400", -1, 0 }, { "18", -1, 0 }, { "q", -1, 0 }, { "8", -1, 0 }, { "X41", -1, 0 },
	};
	const char *s;
	size_t i;
	int byte;

	for (i = 0; i < LEN(escapes); i++) {
		s = escapes[i].in;
		byte = unescape(&s);
		ok(byte == escapes[i].byte && (byte < 0 || s == escapes[i].in + escapes[i].used),
		   fmt("the escape \\%s", escapes[i].in));
	}
}

static void
test_words(void)
{
	long long n;
	uint64_t size;
	char **list = NULL, *text, lines[] = "a\n\nlast";
	size_t i;
	bool all = true;

	ok(parse_bool("YES") == 1 && parse_bool("t") == 1 && parse_bool("on") == 1 && parse_bool("1") == 1, "yes in its spellings");
	ok(parse_bool("no") == 0 && parse_bool("F") == 0 && parse_bool("off") == 0 && parse_bool("0") == 0, "no in its spellings");
	ok(parse_bool("") < 0 && parse_bool("yep") < 0 && parse_bool("2") < 0, "what is neither");
	ok(parse_number("-1000", -1000, 1000, &n) && n == -1000, "a number at its lower bound");
	ok(!parse_number("1001", -1000, 1000, &n) && !parse_number("", 0, 9, &n) && !parse_number("1x", 0, 9, &n)
	   && !parse_number(" 1", 0, 9, &n) && !parse_number("+1", 0, 9, &n) && !parse_number("0x1", 0, 9, &n)
	   && !parse_number("99999999999999999999", 0, INT64_MAX, &n), "what is no number, or out of bounds");
	ok(parse_size("1K", &size) && size == 1024, "a size in K");
	ok(parse_size("15E", &size) && size == 15ULL << 60, "a size in E");
	ok(parse_size("1.5G", &size) && size == 3ULL << 29 && parse_size("0.0009765625M", &size) && size == 1023
	   && parse_size("15.999999999E", &size) && size >> 60 == 15 && size > 15ULL << 60, "parts of a size");
	ok(parse_size("2.25K", &size) && size == 2304 && parse_size("1.9", &size) && size == 1 && parse_size("10.M", &size)
	   && size == 10 << 20 && !parse_size(".5G", &size) && !parse_size("1.5.5G", &size) && !parse_size("1.-5G", &size),
	   "as the original has them");
	ok(parse_size("infinity", &size) && size == UINT64_MAX, "an infinite size");
	ok(!parse_size("16E", &size) && !parse_size("-1", &size) && !parse_size("1KK", &size) && !parse_size("K", &size),
	   "what is no size, or too large for one");
	ok(word_index("no|yes|state", "state") == 2 && word_index("no|yes|state", "sta") < 0 && word_index("a|b", "a|b") < 0,
	   "words of a choice are whole words");
	ok(utf8_clean("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), "clean UTF-8 of one to four bytes");
	ok(!utf8_clean("\xc0\xaf") && !utf8_clean("\xed\xa0\x80") && !utf8_clean("\xf4\x90\x80\x80") && !utf8_clean("\xff")
	   && !utf8_clean("a\x1b[m") && !utf8_clean("\xc2\x9b" "m") && !utf8_clean("\xe2\x82"),
	   "overlong, surrogate, beyond the last, cut short, controls");
	for (i = 0; i < 100; i++)
		grow(&list, fmt("%zu", i));
	for (i = 0; i < 100; i++)
		all &= streq(list[i], fmt("%zu", i));
	ok(all && count(list) == 100 && !list[100], "a list grows and ends with NULL");
	text = lines;
	ok(streq(next_line(&text), "a") && streq(next_line(&text), "") && streq(next_line(&text), "last") && !next_line(&text),
	   "lines, an empty one, and one without its end");
}

static void
test_names(void)
{
	static const char *const good[] = { "a", "a-b", "test_container", "debian_buildd-vim", "a.b-c.d", "_x", "1" };
	static const char *const wrong[] = { "", ".a", "a.", "a..b", "-a", "a-", "a.-b", "a-.b", "a/b", "a b", "\xc3\xa4" };
	size_t i;

	for (i = 0; i < LEN(good); i++)
		ok(name_valid(good[i]), fmt("%s is a name", good[i]));
	for (i = 0; i < LEN(wrong); i++)
		ok(!name_valid(wrong[i]), fmt("\"%s\" is none", wrong[i]));
	ok(name_valid(fmt("%064d", 1)) && !name_valid(fmt("%065d", 1)), "64 bytes are a name, 65 are not");
	is("container1", store_derive_name("/var/lib/machines/container1/"), "a name from a directory with a slash");
	is("debian_buildd-vim", store_derive_name("debian_buildd-vim"), "an underscore stays");
	is("disk", store_derive_name("/x/disk.raw"), "an image's suffix goes");
	is("a.b", store_derive_name("/x/..a..b."), "leading, doubled and last dots go");
	is("xy", store_derive_name("/x/x y!"), "other characters go");
	is("", store_derive_name("/x/\xc3\xa4"), "nothing may be left");
	ok(strlen(store_derive_name(fmt("/x/%0200d", 7))) == 64, "64 bytes at most");
}

static void
test_signals(void)
{
	ok(user_signal("TERM") == SIGTERM && user_signal("SIGTERM") == SIGTERM && user_signal("15") == 15, "signals by name and number");
	ok(user_signal("RTMIN+3") == 37 && user_signal("SIGRTMIN+3") == 37, "real-time signals as guests count them");
	ok(!user_signal("") && !user_signal("FOO") && !user_signal("65") && !user_signal("0") && !user_signal("RTMIN+31"), "what is no signal");
	is("KILL", user_signal_name(9), "a signal's name");
	is("RTMIN+3", user_signal_name(37), "a real-time signal's name");
}

static void
test_ids(void)
{
	uint8_t id[16];
	char out[37];

	ok(parse_id128("0123456789abcdef0123456789ABCDEF", id), "an id of 32 digits");
	format_uuid(id, out);
	is("01234567-89ab-cdef-0123-456789abcdef", out, "and as a UUID");
	ok(parse_id128("01234567-89ab-cdef-0123-456789abcdef", id), "an id with dashes");
	ok(!parse_id128("", id) && !parse_id128("0123456789abcdef0123456789abcdeg", id)
	   && !parse_id128("0123456-789ab-cdef-0123-456789abcdef0", id) && !parse_id128("0123456789abcdef0123456789abcde", id), "what is no id");
}

static char *
content(int dir, const char *path)
{
	static char buf[64];
	int fd = sys_open_in(dir, path, O_RDONLY, IN_REGULAR);

	if (fd < 0 || read_all(fd, buf, sizeof(buf)) < 0)
		strcpy(buf, errno == ENOENT ? "ENOENT" : errno == ELOOP ? "ELOOP" : errno == EINVAL ? "EINVAL" : "?");
	drop(fd);
	return buf;
}

/* once by the kernel's walk, once by our own: no link leads out of the tree */
static void
test_open_in(const char *how)
{
	char dir[] = "/tmp/unit.XXXXXX", *tree;
	int fd;

	if (!mkdtemp(dir))
		die("make a directory:");
	tree = fmt("%s/tree", dir);
	mkdir(tree, 0755);
	mkdir(fmt("%s/etc", tree), 0755);
	mkdir(fmt("%s/a", tree), 0755);
	write_at(AT_FDCWD, fmt("%s/secret", dir), 0644, "outside");
	write_at(AT_FDCWD, fmt("%s/etc/file", tree), 0644, "inside");
	(void)!symlink("/etc/file", fmt("%s/a/absolute", tree));
	(void)!symlink("../../../../../etc/file", fmt("%s/a/up", tree));
	(void)!symlink("../secret", fmt("%s/out", tree));
	(void)!symlink("loop", fmt("%s/loop", tree));
	(void)!symlink("/a/../etc", fmt("%s/dir", tree));
	mkfifo(fmt("%s/fifo", tree), 0644);
	sys_deny(streq(how, "by hand") ? "openat2" : "");
	fd = openat(AT_FDCWD, tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is("inside", content(fd, "etc/file"), fmt("a plain path (%s)", how));
	is("inside", content(fd, "/etc//./file"), fmt("an absolute path with odd slashes (%s)", how));
	is("inside", content(fd, "a/absolute"), fmt("an absolute link starts at the tree (%s)", how));
	is("inside", content(fd, "a/up"), fmt("too many \"..\" end at the tree (%s)", how));
	is("inside", content(fd, "dir/file"), fmt("a link to a directory (%s)", how));
	is("ENOENT", content(fd, "out"), fmt("a link out leads nowhere (%s)", how));
	is("ENOENT", content(fd, "../secret"), fmt("a path out leads nowhere (%s)", how));
	is("ELOOP", content(fd, "loop"), fmt("a loop ends (%s)", how));
	is("EINVAL", content(fd, "fifo"), fmt("a FIFO is refused, and does not hold us (%s)", how));
	close(fd);
	sys_deny("");
	if (fork() == 0)
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
	wait(NULL);
}

/* what a property puts into which files; the kernel's own ranges are in cgroup-v2.rst and cgroup-v1/ */
static void
test_limits(void)
{
	static const struct { const char *word, *v2, *v1; } table[] = {
		{ "MemoryMax=64M", "memory.max 67108864\n", "memory.limit_in_bytes 67108864\n" },
		{ "MemoryLimit=1G", "memory.max 1073741824\n", "memory.limit_in_bytes 1073741824\n" },
		{ "MemoryMax=infinity", "memory.max max\n", "memory.limit_in_bytes -1\n" },
		{ "MemoryMax=", "memory.max max\n", "memory.limit_in_bytes -1\n" },
		{ "MemoryHigh=8388608", "memory.high 8388608\n", "" },
		{ "MemoryLow=0", "memory.low 0\n", "" },
		{ "MemoryMin=", "memory.min 0\n", "" },
		{ "MemorySwapMax=0", "memory.swap.max 0\n", "memory.memsw.limit_in_bytes 0\n" },
		{ "TasksMax=512", "pids.max 512\n", "pids.max 512\n" },
		{ "TasksMax=infinity", "pids.max max\n", "pids.max max\n" },
		{ "CPUWeight=100", "cpu.weight 100\n", "cpu.shares 1024\n" },
		{ "CPUWeight=1", "cpu.weight 1\n", "cpu.shares 10\n" },
		{ "CPUWeight=10000", "cpu.weight 10000\n", "cpu.shares 102400\n" },
		{ "CPUWeight=", "cpu.weight 100\n", "cpu.shares 1024\n" },
		{ "CPUWeight=idle", "cpu.idle 1\n", "cpu.idle 1\n" },
		{ "CPUShares=1024", "cpu.weight 100\n", "cpu.shares 1024\n" },
		{ "CPUShares=2", "cpu.weight 1\n", "cpu.shares 2\n" },
		{ "CPUShares=262144", "cpu.weight 10000\n", "cpu.shares 262144\n" },
		{ "CPUQuota=20%", "cpu.max 20000 100000\n", "cpu.cfs_period_us 100000\ncpu.cfs_quota_us 20000\n" },
		{ "CPUQuota=150%", "cpu.max 150000 100000\n", "cpu.cfs_period_us 100000\ncpu.cfs_quota_us 150000\n" },
		{ "CPUQuota=12.5%", "cpu.max 12500 100000\n", "cpu.cfs_period_us 100000\ncpu.cfs_quota_us 12500\n" },
		{ "CPUQuota=0.5%", "cpu.max 1000 200000\n", "cpu.cfs_period_us 200000\ncpu.cfs_quota_us 1000\n" },
		{ "CPUQuota=0.01%", "cpu.max 1000 1000000\n", "cpu.cfs_period_us 1000000\ncpu.cfs_quota_us 1000\n" },
		{ "CPUQuota=", "cpu.max max 100000\n", "cpu.cfs_quota_us -1\n" },
		{ "CPUQuotaPeriodSec=10ms", "", "" },
		{ "AllowedCPUs=0-3,5", "cpuset.cpus 0-3,5\n", "cpuset.cpus 0-3,5\n" },
		{ "AllowedCPUs=7 0 1-2", "cpuset.cpus 7,0,1-2\n", "cpuset.cpus 7,0,1-2\n" },
		{ "AllowedMemoryNodes=0", "cpuset.mems 0\n", "cpuset.mems 0\n" },
		{ "IOWeight=100", "io.weight|io.bfq.weight 100|100\n", "blkio.weight|blkio.bfq.weight 500\n" },
		{ "IOWeight=1", "io.weight|io.bfq.weight 1|1\n", "blkio.weight|blkio.bfq.weight 10\n" },
		{ "IOWeight=10000", "io.weight|io.bfq.weight 10000|1000\n", "blkio.weight|blkio.bfq.weight 1000\n" },
		{ "BlockIOWeight=500", "io.weight|io.bfq.weight 100|100\n", "blkio.weight|blkio.bfq.weight 500\n" },
		{ "IOReadBandwidthMax=/dev/sda 5M", "io.max /dev/sda rbps=5000000\n", "blkio.throttle.read_bps_device /dev/sda 5000000\n" },
		{ "IOWriteBandwidthMax=/a b 1K", "io.max /a b wbps=1000\n", "blkio.throttle.write_bps_device /a b 1000\n" },
		{ "IOReadIOPSMax=/dev/sda infinity", "io.max /dev/sda riops=max\n", "blkio.throttle.read_iops_device /dev/sda 0\n" },
		{ "IOWriteIOPSMax=/dev/sda 100", "io.max /dev/sda wiops=100\n", "blkio.throttle.write_iops_device /dev/sda 100\n" },
		{ "DevicePolicy=closed", "", "" },
		{ "Description=anything", "", "" },
	};
	size_t i;

	for (i = 0; i < LEN(table); i++) {
		is(table[i].v2, limit_text(table[i].word, false), fmt("%s on cgroup2", table[i].word));
		is(table[i].v1, limit_text(table[i].word, true), fmt("%s on v1", table[i].word));
	}
}

static const char *
mac(const uint8_t host[16], int which, const char *name, uint64_t index)
{
	uint8_t m[6];

	net_mac(host, which, name, index, m);
	return fmt("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* as systemd-nspawn calls links, and their addresses on a host of this id */
static void
test_links(void)
{
	static const struct { const char *full, *name; } names[] = {
		{ "ve-archcontainer", "ve-archcontNDEc" }, { "mv-archcontainer", "mv-archcontMbxM" },
		{ "ve-test_container", "ve-test_conLPFJ" }, { "vb-test_container", "vb-test_conh9qz" },
		{ "ve-trusty-server-cloudimg-amd64-root", "ve-trusty-sLGPW" },
		{ "vb-trusty-server-cloudimg-amd64-root", "vb-trusty-shI3o" },
		{ "ve-guest", "ve-guest" }, { "ve-123456789012", "ve-123456789012" },
	};
	static const struct { const char *name, *host, *guest; } macs[] = {
		{ "guest", "a2:0e:78:9f:de:73", "82:8f:f0:36:41:ea" },
		{ "test_container", "d6:f2:b1:e5:3b:67", "de:7a:8e:8c:a3:03" },
		{ "archcontainer", "3e:04:98:e8:fe:b5", "3a:94:62:d5:61:dc" },
		{ "foo", "da:0e:c4:c5:3b:9e", "0a:24:37:f2:a9:ca" },
	};
	uint8_t id[16], m[6];
	const char *all = "";
	bool differ = true;
	size_t i;

	for (i = 0; i < LEN(names); i++)
		is(names[i].name, net_name(names[i].full), fmt("a link %s", names[i].full));
	parse_id128("53990921e36c49bf8682de9bb3c5f5ae", id);
	for (i = 0; i < LEN(macs); i++) {
		is(macs[i].host, mac(id, MAC_HOST, macs[i].name, 0), fmt("the MAC address of %s on the host", macs[i].name));
		is(macs[i].guest, mac(id, MAC_GUEST, macs[i].name, 0), fmt("the MAC address of %s inside", macs[i].name));
	}
	for (i = 0; i < 15; i++) {
		differ &= !strstr(all, mac(id, (int)(i % 5), "guest", i / 5));
		all = fmt("%s %s", all, mac(id, (int)(i % 5), "guest", i / 5));
		net_mac(id, (int)(i % 5), "guest", i / 5, m);
		differ &= (m[0] & 3) == 2;
	}
	ok(differ, "each kind and number of a link has another address, of one host and locally administered");
	ok(strlen(mac(id, MAC_HOST, fmt("%064d", 1), UINT64_MAX)) == 17, "the longest name with the highest number");
}

/* all of it from at on, without marks between records; lost bytes are counted */
static char *
told(struct ring *g, uint64_t at, uint64_t *lost)
{
	char *all = xstrdup(""), data[64];
	struct record rec;
	uint64_t more;

	for (*lost = 0; ring_next(g, &at, &rec, data, sizeof(data), &more) > 0; *lost += more)
		all = fmt("%s%.*s", all, (int)rec.len, data);
	return all;
}

/* one writes as fast as it can, another reads: each record is whole, and the next is the one after */
static void
test_ring_race(void)
{
	enum { ROUNDS = 20000 };
	struct ring w, g;
	struct record rec;
	uint64_t at = 0, lost;
	char text[200], data[200], want[200];
	int i, status = 1, last = -1, n = 0;
	bool whole = true;
	pid_t pid;

	ok(ring_make(&w, "race", 4096) == 0 && ring_open(&g, "race") == 0, "a small ring");
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < ROUNDS; i++) {
			memset(text, 'a' + i % 26, sizeof(text));
			snprintf(text, sizeof(text), "%d", i);
			if (ring_write(&w, RING_CONSOLE, text, 20 + (size_t)i % 180) < 0)
				_exit(1);
		}
		_exit(0);
	}
	while (last < ROUNDS - 1 && whole) {
		i = ring_next(&g, &at, &rec, data, sizeof(data), &lost);
		if (i < 0 || (i == 0 && waitpid(pid, &status, WNOHANG) == pid && status))
			break;
		if (i == 0)
			continue;
		i = atoi(data);
		memset(want, 'a' + i % 26, sizeof(want));
		snprintf(want, sizeof(want), "%d", i);
		whole = i > last && (lost > 0 || i == last + 1) && rec.len == 20 + (size_t)i % 180 && memcmp(data, want, rec.len) == 0;
		last = i;
		n++;
	}
	ok(whole && last == ROUNDS - 1, "while one writes, what another reads is whole, and nothing is missing that was not told");
	ok(n > 0, fmt("%d records read", n));
	waitpid(pid, NULL, 0);
	close(w.fd);
	close(g.fd);
}

static void
test_ring(void)
{
	char dir[] = "/tmp/nl-unit.XXXXXX", *all, big[9000];
	struct ring w, g, other;
	uint64_t lost, at = 0;
	struct record rec;
	int i, fd;

	if (!mkdtemp(dir)) {
		ok(false, "make a directory");
		return;
	}
	setenv("NSPAWN_LITE_ROOT", dir, 1);
	ok(ring_open(&g, "m") < 0 && errno == ENOENT, "no ring of a machine that never was");
	ok(ring_make(&w, "m", 8192) == 0 && w.head == w.tail && ring_open(&g, "m") == 0, "a ring is made");
	is("", told(&g, 0, &lost), "nothing is in it");
	ok(ring_make(&other, "m", 8192) < 0, "it has one writer");
	for (i = 0; i < 3; i++)
		ring_write(&w, RING_CONSOLE, fmt("%d ", i), 2);
	is("0 1 2 ", told(&g, 0, &lost), "what was written is read");
	ok(ring_next(&g, &at, &rec, big, 1, &lost) == 1 && rec.len == 1 && *big == '0' && at == rec.next && rec.kind == RING_CONSOLE
	   && rec.us > INT64_C(1500000000000000), "a record has its kind and time, and may be cut");
	close(w.fd);
	ok(ring_make(&w, "m", 8192) == 0, "the next writer");
	ring_write(&w, RING_CONSOLE, "3 ", 2);
	is("0 1 2 3 ", told(&g, 0, &lost), "goes on behind it");
	for (i = 4; i < 5000; i++)
		ring_write(&w, RING_CONSOLE, fmt("%d ", i), strlen(fmt("%d ", i)));
	all = told(&g, at, &lost);
	ok(strlen(all) > 1000 && lost && strstr(all, " 4998 4999 ") && (size_t)atoi(all) + 1 == (size_t)atoi(strchr(all, ' ')),
	   "of many the last are there, and that others are lost is told");
	memset(big, 'x', sizeof(big));
	ok(ring_write(&w, RING_CONSOLE, big, sizeof(big)) == 0 && g.size == 8192 && strspn(told(&g, w.tail, &lost), "x") > 64 && !lost,
	   "more than fits at once is cut into records");
	close(w.fd);
	ok(ring_make(&w, "m", 16384) == 0 && w.head == w.tail, "another size begins it anew");
	ring_write(&w, RING_CONSOLE, "new", 3);
	is("new", told(&g, at, &lost), "and who reads it finds what is there now");
	fd = openat(AT_FDCWD, ring_path("m"), O_WRONLY);
	ok(pwrite(fd, big, 40, (off_t)(128 + w.tail % w.size)) == 40 && ring_write(&w, RING_CONSOLE, "y", 1) == 0 && !*told(&g, 0, &lost), "what somebody else wrote into it is skipped");
	ok(pwrite(fd, big, 40, 0) == 40, "a head that was overwritten");
	close(fd);
	ok(ring_open(&other, "m") < 0, "is no ring");
	close(w.fd);
	ok(ring_make(&w, "m", 16384) == 0 && w.head == w.tail, "and is begun anew");
	close(w.fd);
	close(g.fd);
	test_ring_race();
	unlink(ring_path("m"));
	unlink(ring_path("race"));
	for (all = xstrdup(ring_path("m")); strlen(all) > strlen(dir); rmdir(all))
		*strrchr(all, '/') = 0;
}

int
main(void)
{
	test_print();
	test_numbers();
	test_siphash();
	test_tables();
	test_escapes();
	test_limits();
	test_words();
	test_names();
	test_signals();
	test_ids();
	test_links();
	test_ring();
	test_open_in("by the kernel");
	test_open_in("by hand");
	print(1, "1..%d\n", number);
	return bad != 0;
}
