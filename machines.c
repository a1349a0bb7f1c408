/* SPDX-License-Identifier: 0BSD */
/* Verbs that look at machines */
#include "nspawn-lite.h"

int
machines_list(struct ask *a)
{
	(void)a;
	die("not built yet");
}

int
machines_status(struct ask *a)
{
	return machines_list(a);
}

int
machines_show(struct ask *a)
{
	return machines_list(a);
}

int
machines_cat(struct ask *a)
{
	return machines_list(a);
}
