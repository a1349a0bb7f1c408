/* SPDX-License-Identifier: 0BSD */
/* linux.seccomp of the OCI runtime-spec: a filter in BPF for every ABI that the profile names */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/filter.h>

#include "nspawn-lite.h"

#define WHERE "linux.seccomp"
/* SECCOMP_RET_*, of which older headers lack some */
enum { RET_ERRNO = 0x00050000, RET_NOTIFY = 0x7fc00000, RET_TRACE = 0x7ff00000, RET_LOG = 0x7ffc0000, RET_ALLOW = 0x7fff0000 };

/* SCMP_ACT_*, and the upper halves of what they are */
static const char acts[] = "KILL|KILL_THREAD|KILL_PROCESS|TRAP|ERRNO|NOTIFY|TRACE|LOG|ALLOW";
static const uint16_t values[] = { 0, 0, 0x8000, 3, RET_ERRNO >> 16, RET_NOTIFY >> 16, RET_TRACE >> 16, RET_LOG >> 16, RET_ALLOW >> 16 };

/*
 * What becomes of a call: prev was said before, and is asked first. Without args or first it is the end. Node 0 is nothing
 * said: the usual action. A list of nodes that several calls have is one. first is of a gate: the number of what is called
 * there, its first argument, which for ipc has a version above 16 bits
 */
struct node { uint16_t prev, first; const struct json *args; uint32_t value; };
struct profile {
	struct program g;
	struct node *node;
	size_t n;
	uint32_t usual;
	bool notifies;
	size_t block[FILTER_MOST];
	struct node nodes[FILTER_MOST];
	struct sock_filter code[FILTER_MOST];
};

static uint32_t
value_of(const struct json *in, const char *action, const char *error)
{
	const char *name = json_string(in, action), *word = name ? after(name, "SCMP_ACT_") : NULL;
	long long data = EPERM;
	int i = word ? word_index(acts, word) : -1;
	uint32_t value;

	if (i < 0)
		die(WHERE ": %s: no action that is known here", name ? name : action);
	json_number(in, error, 0, 0xffff, &data);
	value = (uint32_t)values[i] << 16;
	return value | (value == RET_ERRNO || value == RET_TRACE ? (uint32_t)data : 0);
}

static bool
refuses(uint32_t value)
{
	return value < RET_NOTIFY || value >> 31;
}

/* a kernel would take an action that it does not know for a reason to kill */
static void
check_action(uint32_t value, bool usual)
{
	bool notifies = value == RET_NOTIFY;

	if (usual && notifies)
		die(WHERE ": SCMP_ACT_NOTIFY as defaultAction would hold up ourselves");
	if ((notifies || value == RET_LOG) && !sys_seccomp_knows(value))
		die(WHERE ": SCMP_ACT_%s: this kernel has none (Linux %s)", notifies ? "NOTIFY" : "LOG", notifies ? "5.0" : "4.14");
}

/* ---- arguments ---------------------------------------------------------------------------- */

/* half of an argument: are its bits of mask those of want */
static size_t
half(struct program *g, unsigned int index, bool high, uint32_t mask, uint32_t want, size_t yes, size_t no)
{
	if (want & ~mask)
		return no;
	if (!mask)
		return yes;
	seccomp_branch(g, BPF_JEQ, want, yes, no);
	if (mask != UINT32_MAX)
		seccomp_put(g, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	return seccomp_arg(g, index, high);
}

/* arguments have 64 bits, but for programs of 32 */
static size_t
compare(struct program *g, const struct json *arg, size_t yes, size_t no)
{
	static const char ops[] = "EQ|NE|GT|LE|GE|LT|MASKED_EQ";
	const char *op = json_string(arg, "op");
	int how = op && after(op, "SCMP_CMP_") ? word_index(ops, after(op, "SCMP_CMP_")) : -1;
	bool wide = g->arch < 0;  /* __AUDIT_ARCH_64BIT */
	uint64_t value = 0, want = 0, mask = UINT64_MAX;
	unsigned int jump, index;
	long long n = -1;
	size_t low;

	json_number(arg, "index", 0, 5, &n);
	if (how < 0 || n < 0 || !json_u64(arg, "value", &value))
		die(WHERE ": an argument %lld, value and op %s: not an index to 5, a number and an SCMP_CMP_ that is known here", n,
		    op ? op : "");
	index = (unsigned int)n;
	if (how & 1) {
		low = yes;
		yes = no;
		no = low;
	}
	if (how == 2 || how == 3 || how == 4 || how == 5) {
		jump = how < 4 ? BPF_JGT : BPF_JGE;
		seccomp_branch(g, jump, (uint32_t)value, yes, no);
		low = seccomp_arg(g, index, false);
		if (!wide)
			return low;
		low = seccomp_branch(g, BPF_JEQ, (uint32_t)(value >> 32), low, no);
		seccomp_branch(g, BPF_JGT, (uint32_t)(value >> 32), yes, low);
		return seccomp_arg(g, index, true);
	}
	want = value;
	if (how == 6) {
		mask = value;
		want = 0;
		json_u64(arg, "valueTwo", &want);
	}
	low = half(g, index, false, (uint32_t)mask, (uint32_t)want, yes, no);
	return wide ? half(g, index, true, (uint32_t)(mask >> 32), (uint32_t)(want >> 32), low, no) : low;
}

/* an argument of which more than one thing is said: each of all that is said is enough then, as for runc and crun */
static bool
is_enough(const struct json *args)
{
	const struct json *a, *b;
	long long i = -1, j = -1;

	for (a = args; a; a = a->next)
		for (b = a->next; b; b = b->next)
			if (json_number(a, "index", 0, 5, &i) && json_number(b, "index", 0, 5, &j) && i == j)
				return true;
	return false;
}

/* it is of all arguments */
static bool
is_end(const struct node *n)
{
	return !n->args && !n->first;
}

static size_t
make(struct program *g, unsigned int action)
{
	const struct profile *f = (const struct profile *)g;
	const struct node *n = &f->node[action];
	const struct json *arg;
	size_t next, yes;

	next = seccomp_give(g, action && is_end(n) ? n->value : f->usual);
	if (is_end(n))
		n = &f->node[n->prev];
	for (; n > f->node; n = &f->node[n->prev]) {
		yes = seccomp_give(g, n->value);
		if (n->first) {
			next = half(g, 0, false, 0xffff, n->first, yes, next);
			continue;
		}
		if (is_enough(n->args)) {
			for (arg = n->args; arg; arg = arg->next)
				next = compare(g, arg, yes, next);
			continue;
		}
		for (arg = n->args; arg; arg = arg->next)
			yes = compare(g, arg, yes, next);
		next = yes;
	}
	return next;
}

/* ---- rules -------------------------------------------------------------------------------- */

static uint16_t
node(struct profile *f, uint16_t prev, const struct node *n)
{
	const struct node *has;
	size_t i;

	for (i = f->n; i-- > 1;) {
		has = &f->node[i];
		if (has->prev == prev && has->args == n->args && has->first == n->first && has->value == n->value)
			return (uint16_t)i;
	}
	if (f->n == FILTER_MOST)
		die(WHERE ": too many rules: the filter would be larger than the kernel takes");
	f->node[f->n] = *n;
	f->node[f->n].prev = prev;
	return (uint16_t)f->n++;
}

/* where arguments meet more than one rule the strictest counts, as among filters of the kernel: it is asked first */
static uint16_t
insert(struct profile *f, uint16_t list, const struct node *n)
{
	const struct node *last = &f->node[list];

	if (!is_end(n) && list && (int32_t)(last->value & 0xffff0000) > (int32_t)(n->value & 0xffff0000))
		return node(f, insert(f, last->prev, n), last);
	return node(f, list, n);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

/* libseccomp's names for calls that have others in the kernel */
static const char *
called(const char *name)
{
	return streq(name, "arm_sync_file_range") ? "sync_file_range2" : name;
}

struct table { const char *const *names; uint16_t *what; size_t calls; };

/* for all arguments: that ends it. One that refuses takes back what was allowed to some, as for libseccomp */
static void
add_rule(struct profile *f, const struct table *t, const char *name, const struct node *rule)
{
	const bool all = is_end(rule);
	const char *const *found = bsearch(called(name), t->names, t->calls, sizeof(*t->names), by_name);
	uint16_t *node_of, list;
	size_t i;
	int n;

	if (!found)
		return;
	node_of = &t->what[found - t->names];
	if (!*node_of || !is_end(&f->node[*node_of])) {
		list = !all || !refuses(rule->value) ? *node_of : 0;
		/* what becomes of all need not be said of some */
		while (all && list && f->node[list].value == rule->value)
			list = f->node[list].prev;
		*node_of = insert(f, list, rule);
	}
	/* what is said of all arguments of one is true behind that as well, as for libseccomp; some lie in memory */
	for (i = 0; i < LEN(seccomp_gates) && all; i++)
		if ((n = word_index(seccomp_gates[i].calls, name)) >= 0)
			add_rule(f, t, seccomp_gates[i].by, &(struct node){ .first = (uint16_t)(n + 1), .value = rule->value });
}

static void
add_rules(struct profile *f, const struct json *seccomp, const struct table *t)
{
	const struct json *rule, *name;
	uint32_t value;

	for (rule = json_first(seccomp, "syscalls"); rule; rule = rule->next) {
		value = value_of(rule, "action", "errnoRet");
		check_action(value, false);
		if (value == f->usual)
			continue;
		f->notifies |= value == RET_NOTIFY;
		for (name = json_first(rule, "names"); name; name = name->next) {
			if (value == RET_NOTIFY && name->text && streq(name->text, "sendmsg"))
				die(WHERE ": SCMP_ACT_NOTIFY for sendmsg, which the listener is sent with");
			if (name->text)
				add_rule(f, t, name->text, &(struct node){ .args = json_first(rule, "args"), .value = value });
		}
	}
}

static uint32_t
abis_of(const struct json *seccomp)
{
	const struct json *a = json_first(seccomp, "architectures");
	uint32_t abis = 0;
	int abi;

	if (!a)
		return 1;
	for (; a; a = a->next)
		if (a->text && after(a->text, "SCMP_ARCH_") && (abi = seccomp_abi(after(a->text, "SCMP_ARCH_"))) >= 0)
			abis |= 1u << abi;
	if (!abis)
		die(WHERE ".architectures: none of them is of this machine");
	return abis;
}

struct sock_fprog *
profile_compile(const struct json *seccomp)
{
	size_t calls = seccomp_calls(NULL);
	struct choice c = { 0 };
	struct sock_fprog *program;
	struct profile *f;
	const char **names;
	uint16_t *what;

	if (!seccomp)
		return NULL;
	if (!calls)
		die(WHERE ": this build filters no system calls on this kind of machine");
	f = xalloc(sizeof(*f));
	names = xalloc(calls * sizeof(*names));
	what = xalloc(calls * sizeof(*what));
	seccomp_calls(names);
	f->g = (struct program){ f->code, FILTER_MOST, f->block, make, 0, WHERE };
	f->node = f->nodes;
	f->n = 1;
	f->usual = value_of(seccomp, "defaultAction", "defaultErrnoRet");
	check_action(f->usual, true);
	add_rules(f, seccomp, &(struct table){ names, what, calls });
	c.what = what;
	c.abis = abis_of(seccomp);
	/*
	 * Calls that are newer than all of the profile: as runc has it they are not there, so that programs do without them. What
	 * is allowed, is it there, too
	 */
	if (refuses(f->usual))
		c.beyond = node(f, 0, &(struct node){ .value = RET_ERRNO | ENOSYS });
	c.foreign = node(f, 0, &(struct node){ .value = 0 });
	c.skip = node(f, 0, &(struct node){ .value = RET_ALLOW });
	seccomp_compose(&f->g, &c, f->n);
	program = xalloc(sizeof(*program));
	*program = (struct sock_fprog){ (unsigned short)(FILTER_MOST - f->g.at), f->code + f->g.at };
	return program;
}

/* ---- in force ----------------------------------------------------------------------------- */

static bool
notifies(const struct json *seccomp)
{
	const struct json *rule = json_first(seccomp, "syscalls");

	while (rule && !streq(json_string(rule, "action"), "SCMP_ACT_NOTIFY"))
		rule = rule->next;
	return rule;
}

int
profile_load(const struct sock_fprog *program, const struct json *seccomp)
{
	static const uint8_t bits[] = { SECCOMP_TSYNC, SECCOMP_LOG, SECCOMP_SPEC_ALLOW, SECCOMP_WAIT_KILLABLE };
	const struct json *flag = json_get(seccomp, "flags");
	unsigned int flags = flag ? 0 : SECCOMP_SPEC_ALLOW;
	const char *word;
	int i, ret;

	for (flag = json_first(seccomp, "flags"); flag; flag = flag->next) {
		word = after(flag->text, "SECCOMP_FILTER_FLAG_");
		i = word ? word_index("TSYNC|LOG|SPEC_ALLOW|WAIT_KILLABLE_RECV", word) : -1;
		if (i < 0)
			die(WHERE ".flags: %s: not known here", flag->text);
		flags |= bits[i];
	}
	if (notifies(seccomp))
		flags = (flags & ~SECCOMP_TSYNC) | SECCOMP_LISTENER;
	ret = sys_seccomp(program, flags);
	if (ret >= 0)
		return flags & SECCOMP_LISTENER ? ret : -1;
	if (errno != EINVAL && errno != ENOSYS)
		die(WHERE ": load the filter of system calls:");
	die(WHERE ": this kernel cannot filter system calls%s (CONFIG_SECCOMP_FILTER)",
	    flags & ~SECCOMP_SPEC_ALLOW ? " with these flags and actions" : "");
}

void
profile_tell(const struct json *seccomp, int listener, const char *state)
{
	const char *path = json_string(seccomp, "listenerPath"), *metadata = json_string(seccomp, "listenerMetadata");
	const char *version, *why;
	const struct json *j;
	char *copy = xstrdup(state), *text;
	int sock;

	if (!path)
		die(WHERE ": SCMP_ACT_NOTIFY without a listenerPath");
	j = json_parse(copy, strlen(copy), &why);
	version = json_string(j, "ociVersion");
	text = fmt("{\"ociVersion\":%s,\"fds\":[\"seccompFd\"],\"pid\":%s,\"metadata\":%s,\"state\":%s}", table_json(version ? version : ""),
	           json_get(j, "pid") ? json_get(j, "pid")->text : "0", table_json(metadata ? metadata : ""), state);
	sock = sys_named_socket(SOCK_STREAM, path, false);
	if (sock < 0 || sys_send(sock, text, strlen(text), listener) < 0)
		die(WHERE ".listenerPath: %s:", path);
	close(sock);
}

/* ---- of machines ---------------------------------------------------------------------------- */

void
profile_look(const struct plan *p, struct run *r)
{
	struct bundle b;

	if (!p->oci_seccomp)
		return;
	bundle_open(&b, p->oci_seccomp, true);
	r->profile_words = json_get(b.config, WHERE);
	if (!r->profile_words)
		die("--oci-seccomp=%s: its config.json has no " WHERE, p->oci_seccomp);
	if (notifies(r->profile_words))
		die("config.json: " WHERE ": SCMP_ACT_NOTIFY: nobody listens to a machine; \"oci run\" runs such bundles");
	r->profile = profile_compile(r->profile_words);
}

void
profile_enforce(const struct plan *p, struct run *r)
{
	(void)p;
	if (r->profile)
		profile_load(r->profile, r->profile_words);
}
