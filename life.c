/* SPDX-License-Identifier: 0BSD */
/* Verbs that end machines, or wait for it */
#include "nspawn-lite.h"

bool
life_wait_end(const struct known *k, int seconds)
{
	(void)k;
	(void)seconds;
	return true;
}

int
life_stop(struct ask *a)
{
	(void)a;
	die("not built yet");
}

int
life_reboot(struct ask *a)
{
	return life_stop(a);
}

int
life_terminate(struct ask *a)
{
	return life_stop(a);
}

int
life_kill(struct ask *a)
{
	return life_stop(a);
}

int
life_wait(struct ask *a)
{
	return life_stop(a);
}

int
life_monitor(struct ask *a)
{
	return life_stop(a);
}
