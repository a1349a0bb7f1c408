/* SPDX-License-Identifier: 0BSD */
/* Addresses: chosen, claimed, given; and the way on from there */
#include <stddef.h>

#include "nspawn-lite.h"

void
address_check(const struct plan *p)
{
	(void)p;
}

void
address_choose(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}

void
address_host(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}

void
address_forward(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}

void
address_begin(const struct plan *p, struct run *r)
{
	(void)p;
	(void)r;
}

bool
address_sweep_forward(const char *note, int held)
{
	(void)note;
	(void)held;
	return true;
}

bool
address_sweep_hosts(const char *note, int held)
{
	(void)note;
	(void)held;
	return true;
}
