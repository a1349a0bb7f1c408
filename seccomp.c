/* SPDX-License-Identifier: 0BSD */
/* What the payload may call */
#include "nspawn-lite.h"

void
seccomp_check(const struct plan *p)
{
	(void)p;
}

void
seccomp_list(void)
{
}

void
seccomp_prepare(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}

void
seccomp_load(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}

