/* SPDX-License-Identifier: 0BSD */
/* What tests of filters share: a small BPF machine, and TAP. Included behind seccomp.c */

static int number_of_test, bad;
static const struct sock_fprog *loaded;

static void
ok(bool yes, const char *what)
{
	print(1, "%sok %d - %s\n", yes ? "" : "not ", ++number_of_test, what);
	bad += !yes;
}

/* ---- a BPF machine -------------------------------------------------------------------------- */

static unsigned int steps, most_steps;

static uint32_t
run_filter(uint32_t arch, uint32_t nr, const uint64_t *args)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };
	const struct sock_filter *f = loaded->filter;
	uint32_t a = 0, pc, k;
	bool yes;

	memcpy(d.args, args, sizeof(d.args));
	for (pc = 0, steps = 1; pc < loaded->len; pc++, steps++) {
		k = f[pc].k;
		switch (f[pc].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (k > sizeof(d) - 4 || k & 3)
				return 1;
			memcpy(&a, (char *)&d + k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= k;
			continue;
		case BPF_RET | BPF_K:
			if (steps > most_steps)
				most_steps = steps;
			return k;
		case BPF_JMP | BPF_JA:
			pc += k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:  yes = a == k; break;
		case BPF_JMP | BPF_JGT | BPF_K:  yes = a > k; break;
		case BPF_JMP | BPF_JGE | BPF_K:  yes = a >= k; break;
		case BPF_JMP | BPF_JSET | BPF_K: yes = a & k; break;
		default:
			return 2;
		}
		pc += yes ? f[pc].jt : f[pc].jf;
	}
	return 3;
}

/* what the kernel looks at before it takes a filter */
static bool
sound(void)
{
	const struct sock_filter *f = loaded->filter;
	uint32_t pc;

	for (pc = 0; pc < loaded->len; pc++)
		if (BPF_CLASS(f[pc].code) == BPF_JMP
		    && (f[pc].code == (BPF_JMP | BPF_JA) ? f[pc].k >= loaded->len - pc - 1u
		        : pc + 1u + f[pc].jt >= loaded->len || pc + 1u + f[pc].jf >= loaded->len))
			return false;
	return loaded->len > 0 && loaded->len <= 4096 && BPF_CLASS(f[loaded->len - 1].code) == BPF_RET;
}
