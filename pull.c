/* SPDX-License-Identifier: 0BSD */
/* Verbs that pull */
#include <errno.h>
#include <stdlib.h>

#include "nspawn-lite.h"

int
pull_tar(struct ask *a)
{
	(void)a;
	return 1;
}

int
pull_raw(struct ask *a)
{
	(void)a;
	return 1;
}
