/* SPDX-License-Identifier: 0BSD */
/* What the payload may call: one filter in BPF for every ABI that the kernel could run */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "nspawn-lite.h"
#include CONFIG

/* ---- the table of calls ----------------------------------------------------------------- */

/* AUDIT_ARCH_*: the ELF machine and what else tells one ABI from another; older headers lack some */
enum { IS_64 = (int)0x80000000, IS_N32 = 0x20000000, IS_X32 = 0x40000000 };
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { OURS = 0x40000000, LOW = 0 };  /* where the low half of a 64-bit argument is */
#else
enum { OURS = 0, LOW = 4 };
#endif

/*
 * The columns of calls.h that the target's kernels could run, a 64-bit kernel below a 32-bit
 * program of ours among them; those of one arch stand together, and what runs us first.
 */
#if defined(ALL_ABIS)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) \
	{ x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64 }
#define ABIS \
	{ 62 | IS_64 | OURS, 0 }, { 62 | IS_64 | OURS, IS_X32 }, { 3 | OURS, 0 }, { 183 | IS_64 | OURS, 0 }, \
	{ 40 | OURS, 0 }, { 8 | OURS, 4000 }, { 8 | IS_64 | IS_N32 | OURS, 6000 }, { 8 | IS_64 | OURS, 5000 }, \
	{ 20 | OURS, 0 }, { 21 | IS_64 | OURS, 0 }
#elif defined(__x86_64__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { x86_64, x32, i386 }
#define ABIS { 62 | IS_64 | OURS, 0 }, { 62 | IS_64 | OURS, IS_X32 }, { 3 | OURS, 0 }
#elif defined(__i386__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { i386, x86_64, x32 }
#define ABIS { 3 | OURS, 0 }, { 62 | IS_64 | OURS, 0 }, { 62 | IS_64 | OURS, IS_X32 }
#elif defined(__aarch64__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { arm64, arm }
#define ABIS { 183 | IS_64 | 0x40000000, 0 }, { 40 | OURS, 0 }
#elif defined(__arm__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { arm, arm64 }
#define ABIS { 40 | OURS, 0 }, { 183 | IS_64 | 0x40000000, 0 }
#elif defined(__mips__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { o32, n32, n64 }
#define ABIS { 8 | OURS, 4000 }, { 8 | IS_64 | IS_N32 | OURS, 6000 }, { 8 | IS_64 | OURS, 5000 }
#elif defined(__powerpc__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { ppc, ppc64 }
#define ABIS { 20 | OURS, 0 }, { 21 | IS_64 | OURS, 0 }
#elif defined(__riscv) && __riscv_xlen == 64
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { arm64 }
#define ABIS { 243 | IS_64 | OURS, 0 }
#elif defined(__loongarch64)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { arm64 }
#define ABIS { 258 | IS_64 | OURS, 0 }
#else
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { na }
#define ABIS { 0, 0 }
#define NO_TABLE
#endif

static const struct abi { int arch, base; } abis[] = { ABIS };

/* numbers as in the table: what no ABI reaches, ARM's own calls, and none */
enum { MOST = 560, ARM_OWN = 0xf000, ARM_OWNS = 16, na = 0xffff };

#define CALL(name, set, ...) PICK(__VA_ARGS__),
static const uint16_t numbers[][LEN(abis)] = {
#include "calls.h"
};
#undef CALL

#define CALL(name, ...) #name "\0"
static const char names[] =
#include "calls.h"
;
#undef CALL

#define CALL(name, ...) CALL_##name,
enum {
#include "calls.h"
	CALLS
};
#undef CALL

enum {
	DEFAULT, AIO, BASIC_IO, CHOWN, CLOCK, CPU_EMULATION, DEBUG, FILE_SYSTEM, IO_EVENT, IPC, KEYRING, MEMLOCK, MODULE,
	MOUNT, NETWORK_IO, OBSOLETE, PKEY, PROCESS, RAW_IO, REBOOT, RESOURCES, SANDBOX, SETUID, SIGNAL, SWAP, SYNC, TIMER,
	PTRACE, RESTART,  /* one call each, of the sets above, but for who has the capability */
	ACCT, SYSLOG, VHANGUP, ONE, REFUSED, ABSENT,
};

#define CALL(name, set, ...) set,
static const uint8_t set_of[] = {
#include "calls.h"
};
#undef CALL

/* who may: a capability, or one of these. What newer programs ask for and can do without is not there */
enum { ALWAYS = -1, NEVER = -2, NOT_YET = -3 };

static const struct { const char *name; int who; } sets[] = {
	[DEFAULT]       = { "@default",       ALWAYS },
	[AIO]           = { "@aio",           ALWAYS },
	[BASIC_IO]      = { "@basic-io",      ALWAYS },
	[CHOWN]         = { "@chown",         ALWAYS },
	[CLOCK]         = { "@clock",         25 },  /* CAP_SYS_TIME */
	[CPU_EMULATION] = { "@cpu-emulation", NEVER },
	[DEBUG]         = { "@debug",         NEVER },
	[FILE_SYSTEM]   = { "@file-system",   ALWAYS },
	[IO_EVENT]      = { "@io-event",      ALWAYS },
	[IPC]           = { "@ipc",           ALWAYS },
	[KEYRING]       = { "@keyring",       NEVER },
	[MEMLOCK]       = { "@memlock",       14 },  /* CAP_IPC_LOCK */
	[MODULE]        = { "@module",        16 },  /* CAP_SYS_MODULE */
	[MOUNT]         = { "@mount",         ALWAYS },
	[NETWORK_IO]    = { "@network-io",    ALWAYS },
	[OBSOLETE]      = { "@obsolete",      NEVER },
	[PKEY]          = { "@pkey",          NEVER },
	[PROCESS]       = { "@process",       ALWAYS },
	[RAW_IO]        = { "@raw-io",        17 },  /* CAP_SYS_RAWIO */
	[REBOOT]        = { "@reboot",        NEVER },
	[RESOURCES]     = { "@resources",     ALWAYS },
	[SANDBOX]       = { "@sandbox",       ALWAYS },
	[SETUID]        = { "@setuid",        ALWAYS },
	[SIGNAL]        = { "@signal",        ALWAYS },
	[SWAP]          = { "@swap",          NEVER },
	[SYNC]          = { "@sync",          ALWAYS },
	[TIMER]         = { "@timer",         ALWAYS },
	[PTRACE]        = { "@debug",         19 },  /* CAP_SYS_PTRACE */
	[RESTART]       = { "@reboot",        22 },  /* CAP_SYS_BOOT */
	[ACCT]          = { "",               20 },  /* CAP_SYS_PACCT */
	[SYSLOG]        = { "",               34 },  /* CAP_SYSLOG */
	[VHANGUP]       = { "",               26 },  /* CAP_SYS_TTY_CONFIG */
	[ONE]           = { "",               ALWAYS },
	[REFUSED]       = { "",               NEVER },
	[ABSENT]        = { "",               NOT_YET },
};

/* what else is in a set, and sets of sets */
static const struct { const char *name, *words; } groups[] = {
	{ "@file-system", "close" },
	{ "@timer", "times" },
	{ "@privileged", "@chown @clock @module @raw-io @reboot @swap _sysctl acct bpf capset chroot fanotify_init "
	  "fanotify_mark nfsservctl open_by_handle_at pivot_root quotactl quotactl_fd setdomainname setfsuid setfsuid32 "
	  "setgroups setgroups32 sethostname setresuid setresuid32 setreuid setreuid32 setuid setuid32 vhangup" },
	{ "@system-service", "@aio @basic-io @chown @default @file-system @io-event @ipc @keyring @memlock @network-io "
	  "@process @resources @setuid @signal @sync @timer arm_fadvise64_64 capget capset copy_file_range fadvise64 "
	  "fadvise64_64 flock get_mempolicy getcpu getpriority ioctl ioprio_get kcmp madvise mremap name_to_handle_at "
	  "oldolduname olduname personality readahead readdir remap_file_pages sched_get_priority_max "
	  "sched_get_priority_min sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
	  "sched_rr_get_interval_time64 sendfile sendfile64 setfsgid setfsgid32 setfsuid setfsuid32 setpgid setsid "
	  "splice sysinfo tee umask uname userfaultfd vmsplice" },
};

/* what container runtimes want: see the manual for what it costs */
#define NESTING "@keyring bpf pidfd_getfd"

/* ---- words ----------------------------------------------------------------------------- */

/* what becomes of a call: the first four are all there is to say, the others look at its arguments */
enum {
	ALLOW, REFUSE, NOT_THERE, NOTHING,
	SOCKET, SOCKETPAIR, SOCKETCALL, OPEN, OPENAT, ACTIONS
};

static bool mark(const char *list, uint8_t what[CALLS], uint8_t action, char **bad);

static bool
mark_word(const char *word, uint8_t what[CALLS], uint8_t action)
{
	static const char *const elsewhere[] = { "s390_", "osf_", "arc_" };
	bool found = streq(word, "@known");
	const char *name = names;
	char *bad;
	size_t i;

	for (i = 0; i < CALLS; i++, name += strlen(name) + 1)
		if (streq(word, "@known") || streq(word, name) || (*word == '@' && streq(word, sets[set_of[i]].name))) {
			what[i] = action;
			found = true;
		}
	for (i = 0; i < LEN(groups); i++)
		if (streq(word, groups[i].name))
			found = mark(groups[i].words, what, action, &bad);
	for (i = 0; i < LEN(elsewhere); i++)
		found |= after(word, elsewhere[i]) != NULL;
	return found;
}

/* all words of list; false with *bad at the first that is none */
static bool
mark(const char *list, uint8_t what[CALLS], uint8_t action, char **bad)
{
	size_t n;

	for (list += strspn(list, " \t\n"); *list; list += n, list += strspn(list, " \t\n")) {
		n = strcspn(list, " \t\n");
		*bad = fmt("%.*s", n > 64 ? 64 : (int)n, list);
		if (!mark_word(*bad, what, action))
			return false;
	}
	return true;
}

/* the allowing words first, then the refusing ones, whatever their order is */
static void
mark_lists(const struct plan *p, uint8_t what[CALLS])
{
	int refusing;
	char **w, *bad;

	for (refusing = 0; refusing <= 1; refusing++)
		for (w = p->system_call_filter; w && *w; w++) {
			if ((**w == '~') != refusing)
				continue;
			if (!(*w)[refusing + strspn(*w + refusing, " \t\n")])
				die("--system-call-filter=%.40s: names no system call", *w);
			if (mark(*w + refusing, what, refusing ? REFUSE : ALLOW, &bad))
				continue;
			if (*bad == '~')
				die("--system-call-filter: %s: ~ stands before a whole list: give refused calls in an option of their own", bad);
			die("--system-call-filter: %s is no %s; --system-call-filter=help lists them", bad,
			    *bad == '@' ? "group of system calls" : "system call");
		}
}

/* address_families(7), in the order of their numbers */
static const char families[] =
	"UNSPEC|UNIX|INET|AX25|IPX|APPLETALK|NETROM|BRIDGE|ATMPVC|X25|INET6|ROSE|DECnet|NETBEUI|SECURITY|KEY|NETLINK|"
	"PACKET|ASH|ECONET|ATMSVC|RDS|SNA|IRDA|PPPOX|WANPIPE|LLC|IB|MPLS|CAN|TIPC|BLUETOOTH|IUCV|RXRPC|ISDN|PHONET|"
	"IEEE802154|CAIF|ALG|NFC|VSOCK|KCM|QIPCRTR|SMC|XDP|MCTP";
enum { FAMILIES = 46 };

/* which sockets: if allowing, those of the mask and no others; else all but those */
struct sockets {
	bool limited, allowing;
	uint64_t mask;
};

static struct sockets
parse_families(const struct plan *p)
{
	struct sockets s = { 0 };
	uint64_t plain = 0, refused = 0, *mask;
	char **w, *word;
	const char *list, *name;
	size_t n;
	int i;

	for (w = p->restrict_address_families; w && *w; w++) {
		list = *w + (**w == '~');
		mask = **w == '~' ? &refused : &plain;
		s.limited = true;
		s.allowing |= **w != '~';
		if (!list[strspn(list, " \t\n")])
			die("--restrict-address-families=%.40s: names no family; none is a word for that", *w);
		for (list += strspn(list, " \t\n"); *list; list += n, list += strspn(list, " \t\n")) {
			n = strcspn(list, " \t\n");
			word = fmt("%.*s", n > 64 ? 64 : (int)n, list);
			if (streq(word, "none") && mask == &plain)
				continue;
			name = after(word, "AF_");
			i = !name ? -1 : streq(name, "LOCAL") ? 1 : streq(name, "ROUTE") ? 16 : word_index(families, name);
			if (i >= 0)
				*mask |= 1ULL << i;
			else
				die("--restrict-address-families: %s is no address family; --restrict-address-families=help lists them", word);
		}
	}
	s.mask = s.allowing ? plain & ~refused : refused;
	return s;
}

/* what was asked for that cannot be had without a filter; NULL if nothing */
static const char *
asked(const struct plan *p)
{
	return p->system_call_filter ? "system-call-filter" : p->restrict_address_families ? "restrict-address-families"
	     : p->suppress_sync == YES ? "suppress-sync" : NULL;
}

/* what is allowed, for who keeps these capabilities */
static void
decide(const struct plan *p, uint64_t keep, bool list, uint8_t what[CALLS])
{
	char *bad;
	size_t i;
	int who;

	for (i = 0; i < CALLS; i++) {
		who = list ? sets[set_of[i]].who : ALWAYS;
		what[i] = who == ALWAYS || (who >= 0 && keep >> who & 1) ? ALLOW : who == NOT_YET ? NOT_THERE : REFUSE;
	}
	if (p->nesting == YES)
		mark(NESTING, what, ALLOW, &bad);
	mark_lists(p, what);
}

/* those of them whose arguments count */
static void
look_closer(const struct plan *p, const struct sockets *s, bool list, uint8_t what[CALLS])
{
	static const struct { uint16_t call; uint8_t action; } socket_calls[] = {
		{ CALL_socket, SOCKET }, { CALL_socketpair, SOCKETPAIR }, { CALL_socketcall, SOCKETCALL },
		/* it makes sockets too, and no filter sees what is asked of it */
		{ CALL_io_uring_setup, REFUSE }, { CALL_io_uring_enter, REFUSE }, { CALL_io_uring_register, REFUSE },
	}, sync_calls[] = {
		{ CALL_open, OPEN }, { CALL_openat, OPENAT }, { CALL_open_by_handle_at, OPENAT }, { CALL_openat2, NOT_THERE },
	};
	size_t i;

	for (i = 0; s->limited && i < LEN(socket_calls); i++)
		if (what[socket_calls[i].call] == ALLOW)
			what[socket_calls[i].call] = socket_calls[i].action;
	if (list && what[CALL_socket] == ALLOW)
		what[CALL_socket] = SOCKET;
	if (p->suppress_sync != YES)
		return;
	for (i = 0; i < LEN(sync_calls); i++)
		if (what[sync_calls[i].call] == ALLOW)
			what[sync_calls[i].call] = sync_calls[i].action;
	for (i = 0; i < CALLS; i++)
		if (set_of[i] == SYNC && what[i] == ALLOW)
			what[i] = NOTHING;
}

/* ---- the program, made from its end to its beginning: all jumps lead forward --------------- */

enum { ROOM = 4096 };  /* BPF_MAXINSNS */

struct program {
	struct sock_filter code[ROOM];
	size_t at;               /* where it begins so far */
	size_t block[ACTIONS];   /* where what is done for an action is, if it is within reach */
	struct sockets sockets;
	uint32_t sync;           /* O_SYNC and O_DSYNC */
};

struct filter { struct sock_fprog program; };

/* numbers from here up to the next one's */
struct range { uint32_t from; uint8_t action; };
struct ranges { struct range r[ROOM / 2]; size_t n; };

static size_t
put(struct program *g, unsigned int code, uint32_t k, size_t yes, size_t no)
{
	if (g->at == 0)
		die("--system-call-filter: too many lists: the filter would be larger than the kernel takes");
	g->code[--g->at] = (struct sock_filter){ (uint16_t)code, (uint8_t)yes, (uint8_t)no, k };
	return g->at;
}

static size_t
give(struct program *g, uint32_t value)
{
	return put(g, BPF_RET | BPF_K, value, 0, 0);
}

static size_t
load(struct program *g, size_t offset)
{
	return put(g, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* where the low half of an argument is: the kernel takes no more of an int */
static size_t
arg(int n)
{
	return offsetof(struct seccomp_data, args) + sizeof(uint64_t) * (size_t)n + LOW;
}

/* a place within the 255 instructions that a comparison can jump; from afar by way of a jump of any length */
static size_t
reach(struct program *g, size_t place)
{
	return place - g->at > 250 ? put(g, BPF_JMP | BPF_JA, (uint32_t)(place - g->at), 0, 0) : place;
}

static size_t
branch(struct program *g, unsigned int op, uint32_t k, size_t yes, size_t no)
{
	no = reach(g, no);
	yes = reach(g, yes);
	return put(g, BPF_JMP | BPF_K | op, k, yes - g->at, no - g->at);
}

static size_t near(struct program *g, uint8_t action);

/* socket(2): the families, and audit's protocol, which would be the host's */
static size_t
socket_block(struct program *g)
{
	size_t no = give(g, SECCOMP_RET_ERRNO | EAFNOSUPPORT), yes = near(g, ALLOW), hit, next;
	int i;

	if (g->sockets.allowing && !g->sockets.mask)
		return no;
	branch(g, BPF_JEQ, 9, no, yes);      /* NETLINK_AUDIT */
	next = load(g, arg(2));
	yes = branch(g, BPF_JEQ, 16, next, yes);  /* AF_NETLINK */
	hit = g->sockets.allowing ? yes : no;
	next = g->sockets.allowing ? no : yes;
	for (i = FAMILIES - 1; i >= 0; i--)
		if (g->sockets.mask >> i & 1)
			next = branch(g, BPF_JEQ, (uint32_t)i, hit, next);
	return load(g, arg(0));
}

static size_t
block(struct program *g, uint8_t action)
{
	size_t next, yes;

	switch (action) {
	case ALLOW:
		return give(g, SECCOMP_RET_ALLOW);
	case REFUSE:
		return give(g, SECCOMP_RET_ERRNO | EPERM);
	case NOTHING:
		return give(g, SECCOMP_RET_ERRNO);  /* no error: it has been done, it says */
	case SOCKET:
		return socket_block(g);
	case SOCKETPAIR:  /* of AF_UNIX both ends are ours; TIPC can do it too */
		next = near(g, SOCKET);
		yes = near(g, ALLOW);
		next = put(g, BPF_JMP | BPF_JA, (uint32_t)(next - g->at), 0, 0);
		branch(g, BPF_JEQ, 1, yes, next);
		return load(g, arg(0));
	case SOCKETCALL:  /* the family is in memory, where no filter sees it: socket and socketpair are calls too */
		next = near(g, ALLOW);
		yes = near(g, NOT_THERE);
		next = branch(g, BPF_JEQ, 8, yes, next);
		branch(g, BPF_JEQ, 1, yes, next);
		return load(g, arg(0));
	case OPEN:
	case OPENAT:
		next = near(g, ALLOW);
		yes = give(g, SECCOMP_RET_ERRNO | EINVAL);
		branch(g, BPF_JSET, g->sync, yes, next);
		return load(g, arg(action == OPEN ? 1 : 2));
	default:
		return give(g, SECCOMP_RET_ERRNO | ENOSYS);
	}
}

/* one block serves all that are near enough */
static size_t
near(struct program *g, uint8_t action)
{
	if (!g->block[action] || g->block[action] - g->at > 180)
		g->block[action] = block(g, action);
	return g->block[action];
}

/* a search by halves; the result is where it begins */
static size_t
tree(struct program *g, const struct range *r, size_t n)
{
	size_t low, high;

	if (n == 1)
		return near(g, r->action);
	high = tree(g, r + n / 2, n - n / 2);
	low = tree(g, r, n / 2);
	return branch(g, BPF_JGE, r[n / 2].from, high, low);
}

static void
add(struct ranges *r, uint32_t from, uint8_t action)
{
	if (r->n && r->r[r->n - 1].action == action)
		return;
	if (r->n == LEN(r->r))
		die("--system-call-filter: too many lists: the filter would be larger than the kernel takes");
	r->r[r->n++] = (struct range){ from, action };
}

static void
add_abi(struct ranges *r, size_t abi, const uint8_t what[CALLS], uint8_t others)
{
	uint8_t act[MOST + ARM_OWNS];
	uint32_t i, base = (uint32_t)abis[abi].base;
	unsigned int n;
	bool own = false;

	memset(act, others, sizeof(act));
	for (i = 0; i < CALLS; i++) {
		n = numbers[i][abi];
		if (n < MOST)
			act[n] = what[i];
		else if (n != na)
			act[MOST + n - ARM_OWN] = what[i];
		own |= n != na && n >= MOST;
	}
	for (i = 0; i < MOST; i++)
		add(r, base + i, act[i]);
	add(r, base + MOST, others);
	for (i = 0; own && i < ARM_OWNS; i++)
		add(r, 0xf0000 + i, act[MOST + i]);
	add(r, 0xf0000 + ARM_OWNS, others);
}

/* what is allowed of each ABI, after its arch has been asked for; of another arch nothing is */
static void
compose(struct program *g, const uint8_t what[CALLS], uint8_t others)
{
	static void *at;
	struct ranges *r = scratch_room(&at, sizeof(*r));
	size_t first, last, next = give(g, SECCOMP_RET_ERRNO | ENOSYS);

	for (last = LEN(abis); last > 0; last = first) {
		for (first = last - 1; first > 0 && abis[first - 1].arch == abis[last - 1].arch;)
			first--;
		memset(g->block, 0, sizeof(g->block));
		g->sync = (abis[first].arch & 0xffff) == 8 ? 0x4010 : 0x101000;
		r->n = 0;
		add(r, 0, others);
		for (size_t i = first; i < last; i++)
			add_abi(r, i, what, others);
		/* so that the choice of who traces a process, to skip a call, stays */
		add(r, UINT32_MAX, ALLOW);
		tree(g, r->r, r->n);
		load(g, offsetof(struct seccomp_data, nr));
		put(g, BPF_JMP | BPF_JA, (uint32_t)(next - g->at), 0, 0);
		next = put(g, BPF_JMP | BPF_K | BPF_JEQ, (uint32_t)abis[first].arch, 1, 0);
	}
	load(g, offsetof(struct seccomp_data, arch));
}

/* ---- doors ------------------------------------------------------------------------------ */

#ifdef NO_TABLE
enum { TABLE = false };
#else
enum { TABLE = WITH_SECCOMP };
#endif

void
seccomp_list(const char *option)
{
	const char *name;
	size_t i;

	if (!TABLE)
		return;
	if (streq(option, "restrict-address-families")) {
		print(1, "none\n");
		for (name = families; *name; name += i + (name[i] == '|')) {
			i = strcspn(name, "|");
			print(1, "AF_%.*s\n", (int)i, name);
		}
		return;
	}
	print(1, "@known\n");
	for (i = 0; i < LEN(sets); i++)
		if (*sets[i].name && i != PTRACE && i != RESTART)
			print(1, "%s\n", sets[i].name);
	for (i = 0; i < LEN(groups); i++)
		if (groups[i].words[0] == '@')
			print(1, "%s\n", groups[i].name);
	for (name = names; *name; name += strlen(name) + 1)
		print(1, "%s\n", name);
}

void
seccomp_check(const struct plan *p)
{
	uint8_t what[CALLS];

	if (!TABLE) {
		if (asked(p))
			die("--%s: this build filters no system calls%s", asked(p),
			    WITH_SECCOMP ? " on this kind of machine" : " (WITH_SECCOMP)");
		return;
	}
	parse_families(p);
	if (!p->system_call_filter)
		return;
	decide(p, 0, true, what);
	if (what[CALL_execve] != ALLOW)
		die("--system-call-filter=~...: without execve nothing can be started");
}

void
seccomp_prepare(const struct plan *p, struct run *r)
{
	static void *at;
	struct program *g = scratch_room(&at, sizeof(*g));
	static struct filter filter;
	uint8_t what[CALLS];
	bool list = WITH_DEFAULT_FILTER;

	/* the original's word for a start without any filter */
	if (parse_bool(getenv("SYSTEMD_SECCOMP") ? getenv("SYSTEMD_SECCOMP") : "") == 0) {
		if (asked(p))
			die("--%s: SYSTEMD_SECCOMP=%s in the environment forbids it", asked(p), getenv("SYSTEMD_SECCOMP"));
		return;
	}
	if (!TABLE || (!list && !asked(p)))
		return;
	g->at = ROOM;
	g->sockets = parse_families(p);
	decide(p, r->keep, list, what);
	look_closer(p, &g->sockets, list, what);
	compose(g, what, list ? NOT_THERE : ALLOW);
	filter.program = (struct sock_fprog){ (unsigned short)(ROOM - g->at), g->code + g->at };
	r->filter = &filter;
}

void
seccomp_load(const struct plan *p, struct run *r)
{
	if (!r->filter || sys_seccomp(&r->filter->program) == 0)
		return;
	if (errno != EINVAL)
		die("load the filter of system calls:");
	if (asked(p))
		die("--%s: this kernel cannot filter system calls (CONFIG_SECCOMP_FILTER)", asked(p));
	warn("this kernel cannot filter system calls (CONFIG_SECCOMP_FILTER): the machine may make any");
}
