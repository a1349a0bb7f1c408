/* SPDX-License-Identifier: 0BSD */
/* Which ids of the host stand for those inside */
#include "nspawn-lite.h"

void
userns_check(const struct plan *p)
{
	(void)p;
}

void
userns_choose(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}

