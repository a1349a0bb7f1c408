/* SPDX-License-Identifier: 0BSD */
/* Names for guests: whom they ask */
#include <stddef.h>

#include "nspawn-lite.h"

void
resolver_look(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}

void
resolver_begin(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}
