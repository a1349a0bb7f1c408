/* SPDX-License-Identifier: 0BSD */
/* What the payload may call: one filter in BPF for every ABI that the kernel could run */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "nspawn-lite.h"

/* ---- the table of calls ----------------------------------------------------------------- */

/* AUDIT_ARCH_*: the ELF machine and what else tells one ABI from another; older headers lack some */
enum { IS_64 = (int)0x80000000, IS_N32 = 0x20000000, IS_X32 = 0x40000000 };
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { OURS = 0x40000000, LOW = 0 };  /* where the low half of a 64-bit argument is */
#define MIPS(end) "MIPSEL" end
#define PPC64 "PPC64LE"
#else
enum { OURS = 0, LOW = 4 };
#define MIPS(end) "MIPS" end
#define PPC64 "PPC64"
#endif

/*
 * The columns of calls.h that the target's kernels could run, a 64-bit kernel below a 32-bit
 * program of ours among them; those of one arch stand together, and what runs us first.
 */
#if defined(ALL_ABIS)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) \
	{ x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64 }
#define ABIS \
	{ 62 | IS_64 | OURS, 0, "X86_64" }, { 62 | IS_64 | OURS, IS_X32, "X32" }, { 3 | OURS, 0, "X86" }, \
	{ 183 | IS_64 | OURS, 0, "AARCH64" }, { 40 | OURS, 0, "ARM" }, { 8 | OURS, 4000, MIPS("") }, \
	{ 8 | IS_64 | IS_N32 | OURS, 6000, MIPS("64N32") }, { 8 | IS_64 | OURS, 5000, MIPS("64") }, \
	{ 20 | OURS, 0, "PPC" }, { 21 | IS_64 | OURS, 0, PPC64 }
#elif defined(__x86_64__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { x86_64, x32, i386 }
#define ABIS { 62 | IS_64 | OURS, 0, "X86_64" }, { 62 | IS_64 | OURS, IS_X32, "X32" }, { 3 | OURS, 0, "X86" }
#elif defined(__i386__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { i386, x86_64, x32 }
#define ABIS { 3 | OURS, 0, "X86" }, { 62 | IS_64 | OURS, 0, "X86_64" }, { 62 | IS_64 | OURS, IS_X32, "X32" }
#elif defined(__aarch64__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { arm64, arm }
#define ABIS { 183 | IS_64 | 0x40000000, 0, "AARCH64" }, { 40 | OURS, 0, "ARM" }
#elif defined(__arm__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { arm, arm64 }
#define ABIS { 40 | OURS, 0, "ARM" }, { 183 | IS_64 | 0x40000000, 0, "AARCH64" }
#elif defined(__mips__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { o32, n32, n64 }
#define ABIS { 8 | OURS, 4000, MIPS("") }, { 8 | IS_64 | IS_N32 | OURS, 6000, MIPS("64N32") }, { 8 | IS_64 | OURS, 5000, MIPS("64") }
#elif defined(__powerpc__)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { ppc, ppc64 }
#define ABIS { 20 | OURS, 0, "PPC" }, { 21 | IS_64 | OURS, 0, PPC64 }
#elif defined(__riscv) && __riscv_xlen == 64
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { arm64 }
#define ABIS { 243 | IS_64 | OURS, 0, "RISCV64" }
#elif defined(__loongarch64)
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { arm64 }
#define ABIS { 258 | IS_64 | OURS, 0, "LOONGARCH64" }
#else
#define PICK(x86_64, x32, i386, arm64, arm, o32, n32, n64, ppc, ppc64) { na }
#define ABIS { 0, 0, "" }
#define NO_TABLE
#endif

/* scmp is what libseccomp calls it, behind SCMP_ARCH_ */
static const struct abi { int arch, base; const char *scmp; } abis[] = { ABIS };

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

const struct multiplexer seccomp_gates[] = {
	{ "socketcall", "socket|bind|connect|listen|accept|getsockname|getpeername|socketpair|send|recv|sendto|recvfrom|shutdown|"
	                "setsockopt|getsockopt|sendmsg|recvmsg|accept4|recvmmsg|sendmmsg" },
	{ "ipc",        "semop|semget|semctl|semtimedop|||||||msgsnd|msgrcv|msgget|msgctl|||||||shmat|shmdt|shmget|shmctl" },
};

/* what container runtimes want: see the manual for what it costs */
#define NESTING "@keyring bpf pidfd_getfd"

/* ---- words ----------------------------------------------------------------------------- */

/* what becomes of a call: the first four are all there is to say, the others look at its arguments */
enum {
	ALLOW, REFUSE, NOT_THERE, NOTHING,
	SOCKET, SOCKETPAIR, SOCKETCALL, IPCCALL, OPEN, OPENAT, ACTIONS
};

static bool mark(const char *list, uint16_t what[CALLS], uint16_t action, char **bad);

static bool
mark_word(const char *word, uint16_t what[CALLS], uint16_t action)
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
mark(const char *list, uint16_t what[CALLS], uint16_t action, char **bad)
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
mark_lists(const struct plan *p, uint16_t what[CALLS])
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
decide(const struct plan *p, uint64_t keep, bool list, uint16_t what[CALLS])
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

/* what a list refuses of the calls behind another: a bit for each, by its number there */
static void
close_gates(uint16_t what[CALLS], uint32_t closed[LEN(seccomp_gates)])
{
	static const uint16_t by[] = { CALL_socketcall, CALL_ipc };
	const char *name = names;
	size_t i, g;
	int n;

	for (i = 0; i < CALLS; i++, name += strlen(name) + 1)
		for (g = 0; g < LEN(by) && what[i] != ALLOW; g++)
			if ((n = word_index(seccomp_gates[g].calls, name)) >= 0)
				closed[g] |= 2u << n;
	for (g = 0; g < LEN(by); g++)
		if (closed[g] && what[by[g]] == ALLOW)
			what[by[g]] = (uint16_t)(SOCKETCALL + g);
}

/* those of them whose arguments count */
static void
look_closer(const struct plan *p, const struct sockets *s, bool list, uint16_t what[CALLS])
{
	static const struct { uint16_t call; uint16_t action; } socket_calls[] = {
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

struct own_program {
	struct program g;
	size_t block[ACTIONS];
	struct sockets sockets;
	uint32_t closed[LEN(seccomp_gates)];
	struct sock_filter code[FILTER_MOST];
};

struct filter { struct sock_fprog program; };

/* numbers from here up to the next one's */
struct range { uint32_t from; uint16_t action; };
struct ranges { struct range r[FILTER_MOST / 2]; size_t n; const char *option; };

static _Noreturn void
too_large(const char *option)
{
	die("%s: the filter would be larger than the kernel takes", option);
}

size_t
seccomp_put(struct program *g, unsigned int code, uint32_t k, size_t yes, size_t no)
{
	if (g->at == 0)
		too_large(g->option);
	g->code[--g->at] = (struct sock_filter){ (uint16_t)code, (uint8_t)yes, (uint8_t)no, k };
	return g->at;
}

size_t
seccomp_give(struct program *g, uint32_t value)
{
	return seccomp_put(g, BPF_RET | BPF_K, value, 0, 0);
}

static size_t
load(struct program *g, size_t offset)
{
	return seccomp_put(g, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

size_t
seccomp_arg(struct program *g, unsigned int n, bool high)
{
	return load(g, offsetof(struct seccomp_data, args) + sizeof(uint64_t) * n + (high ? 4 - LOW : LOW));
}

/* a place within the 255 instructions that a comparison can jump; from afar by way of a jump of any length */
static size_t
reach(struct program *g, size_t place)
{
	return place - g->at > 250 ? seccomp_put(g, BPF_JMP | BPF_JA, (uint32_t)(place - g->at), 0, 0) : place;
}

size_t
seccomp_branch(struct program *g, unsigned int op, uint32_t k, size_t yes, size_t no)
{
	no = reach(g, no);
	yes = reach(g, yes);
	return seccomp_put(g, BPF_JMP | BPF_K | op, k, yes - g->at, no - g->at);
}

/* one block serves all that are near enough */
static size_t
near(struct program *g, unsigned int action)
{
	if (!g->block[action] || g->block[action] - g->at > 180)
		g->block[action] = g->make(g, action);
	return g->block[action];
}

/* socket(2): the families, and audit's protocol, which would be the host's */
static size_t
socket_block(struct program *g)
{
	const struct sockets *s = &((const struct own_program *)g)->sockets;
	size_t no = seccomp_give(g, SECCOMP_RET_ERRNO | EAFNOSUPPORT), yes = near(g, ALLOW), hit, next;
	int i;

	if (s->allowing && !s->mask)
		return no;
	seccomp_branch(g, BPF_JEQ, 9, no, yes);      /* NETLINK_AUDIT */
	next = seccomp_arg(g, 2, false);
	yes = seccomp_branch(g, BPF_JEQ, 16, next, yes);  /* AF_NETLINK */
	hit = s->allowing ? yes : no;
	next = s->allowing ? no : yes;
	for (i = FAMILIES - 1; i >= 0; i--)
		if (s->mask >> i & 1)
			next = seccomp_branch(g, BPF_JEQ, (uint32_t)i, hit, next);
	return seccomp_arg(g, 0, false);
}

static size_t
block(struct program *g, unsigned int action)
{
	const struct own_program *own = (const struct own_program *)g;
	size_t next, yes, no;
	uint32_t n;

	switch (action) {
	case ALLOW:
		return seccomp_give(g, SECCOMP_RET_ALLOW);
	case REFUSE:
		return seccomp_give(g, SECCOMP_RET_ERRNO | EPERM);
	case NOTHING:
		return seccomp_give(g, SECCOMP_RET_ERRNO);  /* no error: it has been done, it says */
	case SOCKET:
		return socket_block(g);
	case SOCKETPAIR:  /* of AF_UNIX both ends are ours; TIPC can do it too */
		next = near(g, SOCKET);
		yes = near(g, ALLOW);
		next = seccomp_put(g, BPF_JMP | BPF_JA, (uint32_t)(next - g->at), 0, 0);
		seccomp_branch(g, BPF_JEQ, 1, yes, next);
		return seccomp_arg(g, 0, false);
	case SOCKETCALL:
	case IPCCALL:
		next = near(g, ALLOW);
		/* the family is in memory, where no filter sees it: socket and socketpair are calls too */
		yes = near(g, NOT_THERE);
		no = near(g, REFUSE);
		if (action == SOCKETCALL && own->sockets.limited) {
			next = seccomp_branch(g, BPF_JEQ, 8, yes, next);
			next = seccomp_branch(g, BPF_JEQ, 1, yes, next);
		}
		for (n = 1; n < 32; n++)
			if (own->closed[action - SOCKETCALL] >> n & 1)
				next = seccomp_branch(g, BPF_JEQ, n, no, next);
		/* above that ipc has a version */
		seccomp_put(g, BPF_ALU | BPF_AND | BPF_K, 0xffff, 0, 0);
		return seccomp_arg(g, 0, false);
	case OPEN:
	case OPENAT:
		next = near(g, ALLOW);
		yes = seccomp_give(g, SECCOMP_RET_ERRNO | EINVAL);
		/* O_SYNC and O_DSYNC */
		seccomp_branch(g, BPF_JSET, (g->arch & 0xffff) == 8 ? 0x4010 : 0x101000, yes, next);
		return seccomp_arg(g, action == OPEN ? 1 : 2, false);
	default:
		return seccomp_give(g, SECCOMP_RET_ERRNO | ENOSYS);
	}
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
	return seccomp_branch(g, BPF_JGE, r[n / 2].from, high, low);
}

static void
add(struct ranges *r, uint32_t from, unsigned int action)
{
	if (r->n && r->r[r->n - 1].action == action)
		return;
	if (r->n == LEN(r->r))
		too_large(r->option);
	r->r[r->n++] = (struct range){ from, (uint16_t)action };
}

static void
add_abi(struct ranges *r, size_t abi, const struct choice *c)
{
	uint16_t act[MOST + ARM_OWNS];
	uint32_t i, base = (uint32_t)abis[abi].base, top = 0;
	unsigned int n;
	bool own = false;

	if (!(c->abis >> abi & 1)) {
		add(r, base, c->foreign);
		return;
	}
	for (i = 0; i < CALLS; i++)
		if (numbers[i][abi] < MOST && numbers[i][abi] >= top && c->what[i] != c->others)
			top = numbers[i][abi] + 1u;
	for (i = 0; i < LEN(act); i++)
		act[i] = (uint16_t)(i < top ? c->others : c->beyond);
	for (i = 0; i < CALLS; i++) {
		n = numbers[i][abi];
		if (n < top)
			act[n] = c->what[i];
		else if (n != na && n >= ARM_OWN)
			act[MOST + n - ARM_OWN] = (uint16_t)(c->what[i] == c->others ? c->beyond : c->what[i]);
		own |= n != na && n >= MOST;
	}
	for (i = 0; i < MOST; i++)
		add(r, base + i, act[i]);
	add(r, base + MOST, c->beyond);
	for (i = 0; own && i < ARM_OWNS; i++)
		add(r, 0xf0000 + i, act[MOST + i]);
	if (own)
		add(r, 0xf0000 + ARM_OWNS, c->beyond);
}

/* what is done for calls of each ABI, after its arch has been asked for */
void
seccomp_compose(struct program *g, const struct choice *c, size_t actions)
{
	static void *at;
	struct ranges *r = scratch_room(&at, sizeof(*r));
	size_t first, last, next = g->make(g, c->foreign), i;
	bool any;

	r->option = g->option;
	for (last = LEN(abis); last > 0; last = first) {
		any = c->abis >> (last - 1) & 1;
		for (first = last - 1; first > 0 && abis[first - 1].arch == abis[last - 1].arch; first--)
			any |= c->abis >> (first - 1) & 1;
		if (!any)
			continue;
		memset(g->block, 0, actions * sizeof(*g->block));
		g->arch = abis[first].arch;
		r->n = 0;
		add(r, 0, c->beyond);
		for (i = first; i < last; i++)
			add_abi(r, i, c);
		/* so that the choice of who traces a process, to skip a call, stays */
		add(r, UINT32_MAX, c->skip);
		tree(g, r->r, r->n);
		load(g, offsetof(struct seccomp_data, nr));
		seccomp_put(g, BPF_JMP | BPF_JA, (uint32_t)(next - g->at), 0, 0);
		next = seccomp_put(g, BPF_JMP | BPF_K | BPF_JEQ, (uint32_t)abis[first].arch, 1, 0);
	}
	load(g, offsetof(struct seccomp_data, arch));
}

/* ---- doors ------------------------------------------------------------------------------ */

#ifdef NO_TABLE
enum { TABLE_HERE = false };
#else
enum { TABLE_HERE = true };
#endif
enum { TABLE = TABLE_HERE && WITH_SECCOMP };

size_t
seccomp_calls(const char **list)
{
	const char *name = names;
	size_t i;

	for (i = 0; list && i < CALLS; i++, name += strlen(name) + 1)
		list[i] = name;
	return TABLE_HERE ? CALLS : 0;
}

int
seccomp_abi(const char *scmp)
{
	size_t i;

	for (i = 0; i < LEN(abis); i++)
		if (streq(abis[i].scmp, scmp))
			return (int)i;
	return -1;
}

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
	uint16_t what[CALLS];

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
	struct own_program *own = scratch_room(&at, sizeof(*own));
	static struct filter filter;
	struct choice c = { .abis = ~0u, .foreign = NOT_THERE, .skip = ALLOW };
	uint16_t what[CALLS];
	bool list = WITH_DEFAULT_FILTER && !rescue(p);

	/* the original's word for a start without any filter */
	if (parse_bool(getenv("SYSTEMD_SECCOMP") ? getenv("SYSTEMD_SECCOMP") : "") == 0) {
		if (asked(p))
			die("--%s: SYSTEMD_SECCOMP=%s in the environment forbids it", asked(p), getenv("SYSTEMD_SECCOMP"));
		return;
	}
	if (!TABLE || (!list && !asked(p)))
		return;
	own->g = (struct program){ own->code, FILTER_MOST, own->block, block, 0, "--system-call-filter: too many lists" };
	own->sockets = parse_families(p);
	decide(p, r->keep, list, what);
	memset(own->closed, 0, sizeof(own->closed));
	if (p->system_call_filter)
		close_gates(what, own->closed);
	look_closer(p, &own->sockets, list, what);
	c.what = what;
	c.others = c.beyond = list ? NOT_THERE : ALLOW;
	seccomp_compose(&own->g, &c, ACTIONS);
	filter.program = (struct sock_fprog){ (unsigned short)(FILTER_MOST - own->g.at), own->code + own->g.at };
	r->filter = &filter;
}

void
seccomp_load(const struct plan *p, struct run *r)
{
	if (!r->filter || sys_seccomp(&r->filter->program, SECCOMP_SPEC_ALLOW) == 0)
		return;
	if (errno != EINVAL)
		die("load the filter of system calls:");
	if (asked(p))
		die("--%s: this kernel cannot filter system calls (CONFIG_SECCOMP_FILTER)", asked(p));
	warn("this kernel cannot filter system calls (CONFIG_SECCOMP_FILTER): the machine may make any");
}

int
seccomp_fsopen(void)
{
	static const uint16_t calls[] = { CALL_fsopen, CALL_sendmsg, CALL_clone, CALL_exit_group };
	struct sock_filter code[LEN(calls) + 3] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };
	size_t i;

	/* of another ABI these are the numbers of calls as harmless */
	for (i = 0; i < LEN(calls); i++)
		code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[calls[i]][0] + (uint32_t)abis->base,
		                                           (uint8_t)(LEN(calls) - i), 0);
	code[i + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	code[i + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return sys_seccomp(&(struct sock_fprog){ LEN(code), code }, 0);
}
