/* SPDX-License-Identifier: 0BSD */
/*
 * The filters for every ABI of every target, run here by a small BPF machine and held against the
 * contract: each number there is, each argument that counts. Prints TAP
 */
#define ALL_ABIS
#include "seccomp.c"

#include "bpf.h"

/* ---- the contract ------------------------------------------------------------------------------ */

enum { ABI_COUNT = 10 };
static const struct { const char *name; uint32_t arch, base; } kernel[ABI_COUNT] = {
	{ "x86_64", 0xc000003e, 0 }, { "x32", 0xc000003e, 0x40000000 }, { "i386", 0x40000003, 0 }, { "arm64", 0xc00000b7, 0 },
	{ "arm", 0x40000028, 0 }, { "mips o32", 0x40000008, 4000 }, { "mips n32", 0xe0000008, 6000 },
	{ "mips n64", 0xc0000008, 5000 }, { "ppc", 0x40000014, 0 }, { "ppc64", 0xc0000015, 0 },
};

#define CALL(name, set, ...) { #name, #set, { __VA_ARGS__ } },
static const struct row { const char *name, *set; uint16_t nr[ABI_COUNT]; } rows[] = {
#include "calls.h"
};
#undef CALL

static const struct { const char *set; int cap; } contract[] = {
	{ "DEFAULT", -1 }, { "AIO", -1 }, { "BASIC_IO", -1 }, { "CHOWN", -1 }, { "FILE_SYSTEM", -1 }, { "IO_EVENT", -1 },
	{ "IPC", -1 }, { "MOUNT", -1 }, { "NETWORK_IO", -1 }, { "PROCESS", -1 }, { "RESOURCES", -1 }, { "SETUID", -1 },
	{ "SIGNAL", -1 }, { "SYNC", -1 }, { "TIMER", -1 }, { "SANDBOX", -1 }, { "ONE", -1 },
	{ "CLOCK", 25 }, { "MODULE", 16 }, { "RAW_IO", 17 }, { "MEMLOCK", 14 }, { "ACCT", 20 }, { "PTRACE", 19 },
	{ "RESTART", 22 }, { "SYSLOG", 34 }, { "VHANGUP", 26 },
};

enum { EPERM_ = SECCOMP_RET_ERRNO | EPERM, ENOSYS_ = SECCOMP_RET_ERRNO | ENOSYS, YES_ = SECCOMP_RET_ALLOW };

/* in the default list, of whoever keeps these */
static uint32_t
by_default(const struct row *row, uint64_t keep)
{
	size_t i;

	if (streq(row->set, "ABSENT"))
		return ENOSYS_;
	for (i = 0; i < LEN(contract); i++)
		if (streq(contract[i].set, row->set) && (contract[i].cap < 0 || keep >> contract[i].cap & 1))
			return YES_;
	return EPERM_;
}

static uint32_t want[ABI_COUNT][1024];  /* ARM's own from 1008 on */

static void
expect(uint32_t others, uint32_t (*fn)(const struct row *, uint64_t), uint64_t keep)
{
	size_t i, abi;
	uint32_t value;

	for (abi = 0; abi < ABI_COUNT; abi++)
		for (i = 0; i < 1024; i++)
			want[abi][i] = others;
	for (i = 0; i < LEN(rows); i++) {
		value = fn(&rows[i], keep);
		for (abi = 0; abi < ABI_COUNT; abi++)
			if (rows[i].nr[abi] != 0xffff)
				want[abi][rows[i].nr[abi] < 1008 ? rows[i].nr[abi] : 1008 + (rows[i].nr[abi] & 15)] = value;
	}
}

/* every number of every ABI; audit's socket and the like are not in the arguments */
static bool
as_expected(uint32_t others)
{
	static const uint64_t args[6];
	static const uint32_t odd[] = {
		1024, 4999, 7000, 0xeffff, 0xf0010, 0x0fffffff, 0x3fffffff, 0x40000400, 0x41000000, 0x7fffffff, 0x80000000,
		0x800000a9, 0xc0000000, 0xfffffffe,
	};
	size_t abi, i;
	uint32_t nr, got;

	for (abi = 0; abi < ABI_COUNT; abi++) {
		for (i = 0; i < 1024; i++) {
			if (i >= 1008 && !streq(kernel[abi].name, "arm"))
				break;
			nr = i >= 1008 ? 0xf0000 + (uint32_t)i - 1008 : kernel[abi].base + (uint32_t)i;
			got = run_filter(kernel[abi].arch, nr, args);
			if (got == want[abi][i])
				continue;
			print(1, "# %s, call %u: want %#x, got %#x\n", kernel[abi].name, nr, want[abi][i], got);
			return false;
		}
		for (i = 0; i < LEN(odd); i++)
			if (run_filter(kernel[abi].arch, odd[i], args) != others)
				return false;
		for (i = 0; kernel[abi].base > 100 && i < 4000 && !streq(kernel[abi].name, "x32"); i++)
			if (run_filter(kernel[abi].arch, (uint32_t)i, args) != others)
				return false;
		if (run_filter(kernel[abi].arch, UINT32_MAX, args) != SECCOMP_RET_ALLOW)
			return false;
	}
	return sound();
}

/* ---- cases -------------------------------------------------------------------------------------- */

static void
compose_for(struct plan *p, uint64_t keep)
{
	struct run r = { .keep = keep };

	seccomp_check(p);
	seccomp_prepare(p, &r);
	loaded = &r.filter->program;
}

#define KEPT 0xfdecafffULL

static void
test_default(void)
{
	/* not from the table: what would be a way around it, in each ABI */
	static const struct { uint32_t arch, nr, value; } known[] = {
		{ 0xc000003e, 0, YES_ }, { 0xc000003e, 59, YES_ }, { 0xc000003e, 248, EPERM_ }, { 0xc000003e, 304, EPERM_ },
		{ 0xc000003e, 321, EPERM_ },
		{ 0xc000003e, 149, EPERM_ }, { 0xc000003e, 103, EPERM_ }, { 0xc000003e, 101, YES_ },
		{ 0xc000003e, 444, YES_ }, { 0xc000003e, 451, YES_ }, { 0xc000003e, 456, YES_ }, { 0xc000003e, 463, ENOSYS_ },
		{ 0xc000003e, 334, YES_ }, { 0xc000003e, 459, ENOSYS_ }, { 0xc000003e, 447, EPERM_ },
		/* before 5.4 those of x32 were there without its bit, too */
		{ 0xc000003e, 520, ENOSYS_ }, { 0xc000003e, 528, ENOSYS_ }, { 0xc000003e, 0x40000000 | 520, YES_ },
		{ 0xc000003e, 0x40000000 | 528, EPERM_ }, { 0xc000003e, 0x40000000 | 248, EPERM_ },
		{ 0xc000003e, 0x40000000 | 59, ENOSYS_ }, { 0xc000003e, 0x40000000 | 321, EPERM_ },
		{ 0x40000003, 11, YES_ }, { 0x40000003, 286, EPERM_ }, { 0x40000003, 342, EPERM_ }, { 0x40000003, 357, EPERM_ },
		{ 0x40000003, 283, EPERM_ }, { 0x40000003, 102, YES_ }, { 0x40000003, 123, EPERM_ }, { 0x40000003, 403, YES_ },
		{ 0xc00000b7, 221, YES_ }, { 0xc00000b7, 217, EPERM_ }, { 0xc00000b7, 280, EPERM_ }, { 0xc00000b7, 265, EPERM_ },
		{ 0x40000028, 11, YES_ }, { 0x40000028, 309, EPERM_ }, { 0x40000028, 0xf0002, YES_ },
		{ 0x40000028, 0xf0005, YES_ }, { 0x40000028, 0xf0004, ENOSYS_ }, { 0x40000028, 0xf0009, ENOSYS_ },
		{ 0x40000008, 4011, YES_ }, { 0x40000008, 4280, EPERM_ }, { 0x40000008, 4000, EPERM_ },
		{ 0x40000008, 11, ENOSYS_ },
		{ 0x40000008, 5057, ENOSYS_ }, { 0xc0000008, 5057, YES_ }, { 0xc0000008, 5239, EPERM_ },
		{ 0xc0000008, 6057, ENOSYS_ },
		{ 0xe0000008, 6057, YES_ }, { 0xe0000008, 6243, EPERM_ }, { 0x40000014, 11, YES_ }, { 0x40000014, 269, EPERM_ },
		{ 0xc0000015, 11, YES_ }, { 0xc0000015, 361, EPERM_ },
		/* s390, riscv32, sparc: none of ours */
		{ 0x00000016, 1, ENOSYS_ }, { 0x400000f3, 93, ENOSYS_ }, { 0x00000002, 1, ENOSYS_ }, { 0, 0, ENOSYS_ },
	};
	static const uint64_t caps[] = {
		KEPT, 0, ~0ULL, 1 << 14, 1 << 16, 1 << 17, 1 << 19, 1 << 20, 1 << 22, 1 << 25, 1 << 26, 1ULL << 34,
	};
	static const uint64_t args[6];
	struct plan p = { 0 };
	size_t i;
	bool all = true;

	compose_for(&p, KEPT);
	for (i = 0; i < LEN(known); i++)
		if (run_filter(known[i].arch, known[i].nr, args) != known[i].value) {
			print(1, "# arch %#x, call %u\n", known[i].arch, known[i].nr);
			all = false;
		}
	ok(all, "what is known of each ABI is so");
	for (i = 0; i < LEN(caps); i++) {
		compose_for(&p, caps[i]);
		expect(ENOSYS_, by_default, caps[i]);
		ok(as_expected(ENOSYS_), fmt("every number of every ABI, with capabilities %#llx", (unsigned long long)caps[i]));
	}
	compose_for(&p, KEPT);
	most_steps = 0;
	for (i = 0; i < MOST; i++)
		run_filter(kernel[0].arch, (uint32_t)i, args);
	print(1, "# %u instructions for %zu ABIs, %u at most for a call of the first\n", loaded->len, LEN(abis), most_steps);
	ok(most_steps <= 16 && loaded->len < 1200, "the programs are small and the way through them is short");
}

static uint32_t
nested(const struct row *row, uint64_t keep)
{
	return streq(row->set, "KEYRING") || streq(row->name, "bpf") || streq(row->name, "pidfd_getfd") ? YES_
	     : by_default(row, keep);
}

static uint32_t
listed(const struct row *row, uint64_t keep)
{
	if (streq(row->name, "mount") || streq(row->name, "bpf") || streq(row->set, "SETUID") || streq(row->name, "close"))
		return EPERM_;
	if (streq(row->name, "lsm_list_modules") || streq(row->set, "PKEY") || streq(row->name, "clock_settime"))
		return YES_;
	return by_default(row, keep);
}

static uint32_t
all_known(const struct row *row, uint64_t keep)
{
	(void)keep;
	return streq(row->set, "SWAP") ? EPERM_ : YES_;
}

static uint32_t
without_sync(const struct row *row, uint64_t keep)
{
	return streq(row->set, "SYNC") ? SECCOMP_RET_ERRNO : streq(row->name, "openat2") ? ENOSYS_ : by_default(row, keep);
}

static uint32_t
chosen(const struct row *row, uint64_t keep)
{
	/* a hash: every other one, about */
	uint64_t h = keep;
	const char *c;

	for (c = row->name; *c; c++)
		h = (h ^ (unsigned char)*c) * 0x100000001b3ULL;
	return h >> 40 & 1 && !streq(row->name, "execve") ? EPERM_ : by_default(row, KEPT);
}

static void
test_lists(void)
{
	char *lists[] = {
		"~ mount @setuid", "bpf lsm_list_modules\t@pkey  clock_settime mount s390_sthyi", "~bpf close", NULL,
	}, *known[] = { "@known", "~@swap", NULL }, *one[2] = { NULL, NULL };
	struct plan p = { .nesting = YES }, q = { .system_call_filter = lists }, k = { .system_call_filter = known },
	            c = { .system_call_filter = one };
	uint64_t i;
	size_t j;
	bool all = true;

	compose_for(&p, KEPT);
	expect(ENOSYS_, nested, KEPT);
	ok(as_expected(ENOSYS_), "--nesting opens what runtimes need, and no more");
	compose_for(&q, KEPT);
	expect(ENOSYS_, listed, KEPT);
	ok(as_expected(ENOSYS_), "lists: words, sets, and refusal wins in any order");
	compose_for(&k, KEPT);
	expect(ENOSYS_, all_known, 0);
	ok(as_expected(ENOSYS_), "@known is all of the table");
	for (i = 0; i < 100 && all; i++) {
		char *list = "~";

		for (j = 0; j < LEN(rows); j++)
			if (chosen(&rows[j], i) == EPERM_ && by_default(&rows[j], KEPT) != EPERM_)
				list = fmt("%s %s", list, rows[j].name);
		one[0] = list;
		compose_for(&c, KEPT);
		expect(ENOSYS_, chosen, i);
		all = as_expected(ENOSYS_);
	}
	ok(all, "a hundred wild lists, with jumps beyond their reach");
	print(1, "# %u instructions\n", loaded->len);
}

static void
test_sync(void)
{
	struct plan p = { .suppress_sync = YES };
	uint64_t args[6] = { 0 };
	bool all = true;
	size_t abi, i;
	uint32_t o;

	compose_for(&p, KEPT);
	expect(ENOSYS_, without_sync, KEPT);
	ok(as_expected(ENOSYS_), "--suppress-sync: sync and the like do nothing, openat2 is not there");
	for (abi = 0; abi < ABI_COUNT; abi++)
		for (i = 0; i < LEN(rows); i++) {
			if (rows[i].nr[abi] == 0xffff || (!streq(rows[i].name, "open") && !streq(rows[i].name, "openat")))
				continue;
			for (o = 1; o; o <<= 1) {
				bool is_mips = !!after(kernel[abi].name, "mips");
				bool sync = o == (is_mips ? 0x10u : 0x1000u) || o == (is_mips ? 0x4000u : 0x100000u);

				memset(args, 0, sizeof(args));
				args[streq(rows[i].name, "open") ? 1 : 2] = 0xffffffff00000000ULL | o;
				all &= run_filter(kernel[abi].arch, kernel[abi].base + rows[i].nr[abi], args)
				       == (sync ? (uint32_t)(SECCOMP_RET_ERRNO | EINVAL) : YES_);
			}
		}
	ok(all, "every flag of open and openat: O_SYNC and O_DSYNC are refused, others are not");
}

static uint32_t
number_of(const char *name, size_t abi)
{
	size_t i;

	for (i = 0; i < LEN(rows); i++)
		if (streq(rows[i].name, name))
			return rows[i].nr[abi] == 0xffff ? UINT32_MAX : kernel[abi].base + rows[i].nr[abi];
	return UINT32_MAX;
}

/* families, as a mask, that socket(2) may have */
static bool
only(uint64_t mask, bool others, bool limited)
{
	uint64_t args[6] = { 0 };
	uint32_t nr, family, protocol, got;
	size_t abi;
	bool all = true, yes;

	for (abi = 0; abi < ABI_COUNT; abi++) {
		for (family = 0; family < 300; family++)
			for (protocol = 0; protocol < 12; protocol++) {
				yes = family < 64 ? mask >> family & 1 : others;
				args[0] = 0xdead00000000ULL | family;
				args[2] = 0xbeef00000000ULL | protocol;
				nr = number_of("socket", abi);
				got = run_filter(kernel[abi].arch, nr, args);
				all &= nr != UINT32_MAX && got == (yes && !(family == 16 && protocol == 9) ? YES_
				                                   : (uint32_t)(SECCOMP_RET_ERRNO | EAFNOSUPPORT));
				if (protocol)
					continue;
				got = run_filter(kernel[abi].arch, number_of("socketpair", abi), args);
				all &= got == (yes || family == 1 || !limited ? YES_ : (uint32_t)(SECCOMP_RET_ERRNO | EAFNOSUPPORT));
			}
		nr = number_of("socketcall", abi);
		for (protocol = 0; nr != UINT32_MAX && protocol < 24; protocol++) {
			args[0] = protocol;
			all &= run_filter(kernel[abi].arch, nr, args) == (limited && (protocol == 1 || protocol == 8) ? ENOSYS_ : YES_);
		}
		all &= run_filter(kernel[abi].arch, number_of("io_uring_setup", abi), args) == (limited ? EPERM_ : YES_);
	}
	return all && sound();
}

static void
test_families(void)
{
	char *two[] = { "AF_UNIX AF_INET", "AF_MCTP", NULL }, *without[] = { "~AF_PACKET\tAF_NETLINK", NULL };
	char *none[] = { "none", NULL }, *both[] = { "~AF_INET", "AF_LOCAL AF_INET AF_ROUTE", NULL };
	struct plan p = { 0 };

	compose_for(&p, KEPT);
	ok(only(~0ULL, true, false), "by default any socket but audit's");
	p.restrict_address_families = two;
	compose_for(&p, KEPT);
	ok(only(1ULL << 1 | 1ULL << 2 | 1ULL << 45, false, true), "a list of families: no other");
	p.restrict_address_families = without;
	compose_for(&p, KEPT);
	ok(only(~(1ULL << 16 | 1ULL << 17), true, true), "a list with ~: all but those");
	p.restrict_address_families = none;
	compose_for(&p, KEPT);
	ok(only(0, false, true), "none");
	p.restrict_address_families = both;
	compose_for(&p, KEPT);
	ok(only(1ULL << 1 | 1ULL << 16, false, true), "refusal wins over allowance; other names of families");
}

/* what is refused is refused behind socketcall and ipc, too, and there nothing else is */
static void
test_behind(void)
{
	char *list[] = { "~bind shmdt", NULL }, *none[] = { "none", NULL };
	struct plan p = { .system_call_filter = list };
	uint64_t args[6] = { 0 };
	uint32_t n, call, ipc, becomes;
	bool all = true;
	size_t abi;

	for (n = 0; n < 2; n++, p.restrict_address_families = none) {
		compose_for(&p, KEPT);
		for (abi = 0; abi < ABI_COUNT; abi++) {
			call = number_of("socketcall", abi);
			ipc = number_of("ipc", abi);
			for (args[0] = 0; call != UINT32_MAX && args[0] < 32; args[0]++) {
				becomes = args[0] == 2 ? EPERM_ : n && (args[0] == 1 || args[0] == 8) ? ENOSYS_ : YES_;
				all &= run_filter(kernel[abi].arch, call, args) == becomes;
			}
			for (args[0] = 0; ipc != UINT32_MAX && args[0] < 0x40000; args[0] += args[0] % 32 < 31 ? 1 : 0x10000 - 31)
				all &= run_filter(kernel[abi].arch, ipc, args) == ((args[0] & 0xffff) == 22 ? EPERM_ : YES_);
		}
		all &= sound();
	}
	ok(all, "what a list refuses is refused behind socketcall and ipc, whatever the version, and nothing else there");
}

int
main(void)
{
	unsetenv("SYSTEMD_SECCOMP");
	if (LOW != 0)  /* the numbers above are those of little-endian machines */
		ok(true, "filters # SKIP made for a big-endian machine");
	else {
		test_default();
		test_lists();
		test_sync();
		test_families();
		test_behind();
	}
	print(1, "1..%d\n", number_of_test);
	return bad > 0;
}
