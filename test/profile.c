/* SPDX-License-Identifier: 0BSD */
/*
 * Filters of linux.seccomp, run here by a small BPF machine and held against a reading of the same JSON that knows
 * nothing of BPF. With a file: its filter as it is, or how long it takes, or what becomes of calls. Prints TAP
 */
#define ALL_ABIS
#include "seccomp.c"

#include <time.h>
#include <unistd.h>

#include "bpf.h"

/* ---- the profile as it reads ------------------------------------------------------------------ */

enum { ABI_COUNT = 10 };
static const struct { const char *scmp; uint32_t arch, base; } kernel[ABI_COUNT] = {
	{ "SCMP_ARCH_X86_64", 0xc000003e, 0 }, { "SCMP_ARCH_X32", 0xc000003e, 0x40000000 }, { "SCMP_ARCH_X86", 0x40000003, 0 },
	{ "SCMP_ARCH_AARCH64", 0xc00000b7, 0 }, { "SCMP_ARCH_ARM", 0x40000028, 0 }, { "SCMP_ARCH_MIPSEL", 0x40000008, 4000 },
	{ "SCMP_ARCH_MIPSEL64N32", 0xe0000008, 6000 }, { "SCMP_ARCH_MIPSEL64", 0xc0000008, 5000 },
	{ "SCMP_ARCH_PPC", 0x40000014, 0 }, { "SCMP_ARCH_PPC64LE", 0xc0000015, 0 },
};

#define CALL(name, set, ...) { #name, { __VA_ARGS__ } },
static const struct call { const char *name; uint16_t nr[ABI_COUNT]; } rows[] = {
#include "calls.h"
};
#undef CALL

static bool
names_call(const struct json *rule, const char *name)
{
	const struct json *n;

	for (n = json_first(rule, "names"); n; n = n->next)
		if (streq(n->text, name) || (streq(n->text, "arm_sync_file_range") && streq(name, "sync_file_range2")))
			return true;
	return false;
}

/* of calls that socketcall and ipc lead to: their number there; 0: none */
static unsigned int
number_behind(const char *by, const struct json *name)
{
	static const struct { const char *by, *name; unsigned int n; } known[] = {
		{ "socketcall", "socket", 1 }, { "socketcall", "bind", 2 }, { "socketcall", "connect", 3 }, { "socketcall", "listen", 4 },
		{ "socketcall", "accept", 5 }, { "socketcall", "getsockname", 6 }, { "socketcall", "getpeername", 7 },
		{ "socketcall", "socketpair", 8 }, { "socketcall", "send", 9 }, { "socketcall", "recv", 10 }, { "socketcall", "sendto", 11 },
		{ "socketcall", "recvfrom", 12 }, { "socketcall", "shutdown", 13 }, { "socketcall", "setsockopt", 14 },
		{ "socketcall", "getsockopt", 15 }, { "socketcall", "sendmsg", 16 }, { "socketcall", "recvmsg", 17 },
		{ "socketcall", "accept4", 18 }, { "socketcall", "recvmmsg", 19 }, { "socketcall", "sendmmsg", 20 },
		{ "ipc", "semop", 1 }, { "ipc", "semget", 2 }, { "ipc", "semctl", 3 }, { "ipc", "semtimedop", 4 }, { "ipc", "msgsnd", 11 },
		{ "ipc", "msgrcv", 12 }, { "ipc", "msgget", 13 }, { "ipc", "msgctl", 14 }, { "ipc", "shmat", 21 }, { "ipc", "shmdt", 22 },
		{ "ipc", "shmget", 23 }, { "ipc", "shmctl", 24 },
	};
	size_t i;

	for (i = 0; i < LEN(known); i++)
		if (streq(known[i].by, by) && name->text && streq(known[i].name, name->text))
			return known[i].n;
	return 0;
}

/* a rule without arguments names one of them; arg: which, or -1: any */
static bool
names_behind(const struct json *rule, const char *by, int arg)
{
	const struct json *n;
	unsigned int number;

	for (n = json_first(rule, "args") ? NULL : json_first(rule, "names"); n; n = n->next)
		if ((number = number_behind(by, n)) && (arg < 0 || (unsigned int)arg == number))
			return true;
	return false;
}

static uint32_t
action_of(const struct json *in, const char *member, const char *error)
{
	static const struct { const char *name; uint32_t value; } known[] = {
		{ "SCMP_ACT_KILL", 0 }, { "SCMP_ACT_KILL_THREAD", 0 }, { "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
		{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP }, { "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO }, { "SCMP_ACT_TRACE", SECCOMP_RET_TRACE },
		{ "SCMP_ACT_LOG", SECCOMP_RET_LOG }, { "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW },
	};
	long long e = EPERM;
	size_t i;

	json_number(in, error, 0, 65535, &e);
	for (i = 0; i < LEN(known); i++)
		if (streq(known[i].name, json_string(in, member)))
			return known[i].value | (i == 4 || i == 5 ? (uint32_t)e : 0);
	return 4;
}

static bool
holds(const struct json *a, const uint64_t *args, bool wide)
{
	const char *op = json_string(a, "op");
	uint64_t v = 0, two = 0, x;
	long long i;

	json_number(a, "index", 0, 5, &i);
	json_u64(a, "value", &v);
	json_u64(a, "valueTwo", &two);
	x = args[i];
	if (!wide) {
		x &= UINT32_MAX;
		v &= UINT32_MAX;
		two &= UINT32_MAX;
	}
	return streq(op, "SCMP_CMP_EQ") ? x == v : streq(op, "SCMP_CMP_NE") ? x != v : streq(op, "SCMP_CMP_LT") ? x < v
	     : streq(op, "SCMP_CMP_LE") ? x <= v : streq(op, "SCMP_CMP_GT") ? x > v : streq(op, "SCMP_CMP_GE") ? x >= v : (x & v) == two;
}

static bool
matches(const struct json *rule, const uint64_t *args, bool wide)
{
	const struct json *a, *b;
	bool all = true, any = false, twice = false;
	long long i, j;

	for (a = json_first(rule, "args"); a; a = a->next) {
		all &= holds(a, args, wide);
		any |= holds(a, args, wide);
		for (b = a->next; b; b = b->next)
			twice |= json_number(a, "index", 0, 5, &i) && json_number(b, "index", 0, 5, &j) && i == j;
	}
	return twice ? any : all;
}

static bool
permits(uint32_t value)
{
	return value == SECCOMP_RET_ALLOW || value == SECCOMP_RET_LOG || (value & 0xffff0000) == SECCOMP_RET_TRACE;
}

static uint32_t
expected(const struct json *profile, size_t abi, const struct call *call, uint32_t nr, uint32_t top, const uint64_t *args)
{
	uint32_t usual = action_of(profile, "defaultAction", "defaultErrnoRet"), value, strictest = 0;
	const struct json *rule;
	bool named = json_get(profile, "architectures") == NULL && abi == 0, told = false, found = false, own;

	for (rule = json_first(profile, "architectures"); rule; rule = rule->next)
		named |= streq(rule->text, kernel[abi].scmp);
	if (!named)
		return 0;
	for (rule = call ? json_first(profile, "syscalls") : NULL; rule; rule = rule->next) {
		value = action_of(rule, "action", "errnoRet");
		own = names_call(rule, call->name);
		if (value == usual || (!own && !names_behind(rule, call->name, -1)))
			continue;
		told = true;
		/* what is said of all arguments ends it; what is refused to all is not allowed to some before it */
		if (own && !json_first(rule, "args"))
			return found && permits(value) ? strictest : value;
		if (!(own ? matches(rule, args, kernel[abi].arch >> 31) : names_behind(rule, call->name, args[0] & 0xffff))
		    || (found && (int32_t)(value & 0xffff0000) >= (int32_t)(strictest & 0xffff0000)))
			continue;
		strictest = value;
		found = true;
	}
	if (found)
		return strictest;
	return nr >= top && !told && !permits(usual) ? (uint32_t)(SECCOMP_RET_ERRNO | ENOSYS) : usual;
}

/* behind the last number that a rule of it names, with an action of its own */
static uint32_t
top_of(const struct json *profile, size_t abi)
{
	uint32_t usual = action_of(profile, "defaultAction", "defaultErrnoRet"), top = 0;
	const struct json *rule;
	size_t i;

	for (i = 0; i < LEN(rows); i++)
		for (rule = json_first(profile, "syscalls"); rule; rule = rule->next)
			if (rows[i].nr[abi] < 0xf000 && action_of(rule, "action", "errnoRet") != usual
			    && (names_call(rule, rows[i].name) || names_behind(rule, rows[i].name, -1)) && rows[i].nr[abi] >= top)
				top = rows[i].nr[abi] + 1u;
	return top;
}

static bool
agrees(const struct json *profile, size_t abi, const struct call *call, uint32_t nr, uint32_t top, const uint64_t *args)
{
	uint32_t want = expected(profile, abi, call, nr, top, args), full, got;

	full = nr >= 0xf000 ? 0xf0000 + (nr & 15) : kernel[abi].base + nr;
	got = run_filter(kernel[abi].arch, full, args);
	if (got == want)
		return true;
	print(1, "# %s, call %u, %s(%#llx, %#llx): want %#x, got %#x\n", kernel[abi].scmp, full, call ? call->name : "",
	      (unsigned long long)args[0], (unsigned long long)args[1], want, got);
	return false;
}

/* ---- profiles of chance ------------------------------------------------------------------------- */

static uint64_t seed = 1;

static unsigned int
chance(unsigned int n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(seed >> 33) % n;
}

static uint64_t
value(void)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 9, 16, 40, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x100000001, 0x1ffffffff, 0x7e020000,
		0x7fffffffffffffff, 0x8000000000000000, 0xffffffff00000000, UINT64_MAX,
	};

	return values[chance(LEN(values))];
}

static char *
profile_of_chance(void)
{
	static const char *const actions[] = { "KILL", "KILL_PROCESS", "TRAP", "ERRNO", "TRACE", "LOG", "ALLOW" };
	static const char *const ops[] = { "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };
	char *text = fmt("{\"defaultAction\":\"SCMP_ACT_%s\"", actions[chance(LEN(actions))]);
	unsigned int rules = 1 + chance(chance(8) ? 6 : 20), left, args, i;
	bool arch = chance(8);

	if (chance(2))
		text = fmt("%s,\"defaultErrnoRet\":%u", text, chance(200));
	if (arch) {
		text = fmt("%s,\"architectures\":[\"SCMP_ARCH_S390\"", text);
		for (i = 0; i < ABI_COUNT; i++)
			if (i == 0 || chance(2))
				text = fmt("%s,\"%s\"", text, kernel[i].scmp);
		text = fmt("%s]", text);
	}
	text = fmt("%s,\"syscalls\":[", text);
	while (rules-- > 0) {
		args = chance(2) ? chance(4) : 0;
		text = fmt("%s{\"action\":\"SCMP_ACT_%s\",\"names\":[\"no_such_call\"", text, actions[chance(LEN(actions))]);
		for (left = 1 + chance(args || chance(3) ? 5 : 300); left > 0; left--)
			text = fmt("%s,\"%s\"", text, chance(4) ? rows[chance(LEN(rows))].name : rows[chance(12)].name);
		text = fmt("%s]%s", text, chance(3) ? "" : fmt(",\"errnoRet\":%u", chance(200)));
		for (i = 0; i < args; i++)
			text = fmt("%s%s{\"index\":%u,\"value\":%llu,\"valueTwo\":%llu,\"op\":\"SCMP_CMP_%s\"}%s", text, i ? "," : ",\"args\":[",
			           chance(chance(4) ? 2 : 6), (unsigned long long)value(), (unsigned long long)(chance(2) ? value() & value() : value()),
			           ops[chance(LEN(ops))], i + 1 == args ? "]" : "");
		text = fmt("%s}%s", text, rules ? "," : "");
	}
	return fmt("%s]}", text);
}

static const struct json *
parse(char *text)
{
	const char *why;
	const struct json *j = json_parse(text, strlen(text), &why);

	if (!j)
		die("%s", why);
	return j;
}

static bool
check(const struct json *profile)
{
	uint64_t args[6];
	bool all = true;
	size_t abi, i, k;
	unsigned int n;
	uint32_t top, nr;

	loaded = profile_compile(profile);
	for (abi = 0; abi < ABI_COUNT && all; abi++) {
		top = top_of(profile, abi);
		for (i = 0; i < LEN(rows) && all; i++)
			for (n = 0; n < 6 && all && rows[i].nr[abi] != 0xffff; n++) {
				for (k = 0; k < 6; k++)
					args[k] = chance(2) ? value() : value() + chance(3) - 1;
				if (!(kernel[abi].arch >> 31))
					for (k = 0; k < 6; k++)
						args[k] &= UINT32_MAX;
				all = agrees(profile, abi, &rows[i], rows[i].nr[abi], top, args);
			}
		for (nr = 0; nr < 700 && all; nr++) {
			for (i = 0; i < LEN(rows) && rows[i].nr[abi] != nr; i++)
				;
			if (i == LEN(rows))
				all = agrees(profile, abi, NULL, nr, top, args);
		}
		all &= run_filter(0x16, 1, args) == 0 && run_filter(0, 0, args) == 0 && sound();
	}
	return all;
}

static char *
read_file(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read_all(fd, text, sizeof(text));

	if (n < 0)
		die("%s:", path);
	return text;
}

int
main(int argc, char **argv)
{
	const struct json *profile;
	struct timespec t[2];
	unsigned int i, rounds = argc > 2 ? (unsigned int)atoi(argv[2]) : 300;
	char *text;

	if (argc > 1 && *argv[1]) {
		profile = parse(read_file(argv[1]));
		if (argc > 3) {
			loaded = profile_compile(profile);
			(void)!write(1, loaded->filter, loaded->len * sizeof(*loaded->filter));
			return 0;
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t[0]);
		for (i = 0; i < rounds; i++)
			loaded = profile_compile(profile);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t[1]);
		print(1, "%u instructions, %lld ns\n", loaded->len,
		      ((t[1].tv_sec - t[0].tv_sec) * 1000000000LL + t[1].tv_nsec - t[0].tv_nsec) / rounds);
		return !check(profile);
	}
	if (LOW != 0)  /* the numbers above are those of little-endian machines */
		ok(true, "filters # SKIP made for a big-endian machine");
	for (i = 0; i < rounds && LOW == 0; i++) {
		seed = i;
		text = profile_of_chance();
		if (check(parse(xstrdup(text))))
			continue;
		print(1, "# %s\n", text);
		break;
	}
	ok(i == rounds || LOW != 0, "profiles of chance do what they say, for all calls of all ABIs");
	print(1, "1..%d\n", number_of_test);
	return bad > 0;
}
