/* SPDX-License-Identifier: 0BSD */
/* Verbs for images */
#include <errno.h>
#include <stdlib.h>

#include "nspawn-lite.h"

int
images_list(struct ask *a)
{
	(void)a;
	return 1;
}

int
images_status(struct ask *a)
{
	(void)a;
	return 1;
}

int
images_show(struct ask *a)
{
	(void)a;
	return 1;
}

int
images_clone(struct ask *a)
{
	(void)a;
	return 1;
}

int
images_rename(struct ask *a)
{
	(void)a;
	return 1;
}

int
images_remove(struct ask *a)
{
	(void)a;
	return 1;
}

int
images_clean(struct ask *a)
{
	(void)a;
	return 1;
}

int
images_read_only(struct ask *a)
{
	(void)a;
	return 1;
}

int
images_set_limit(struct ask *a)
{
	(void)a;
	return 1;
}

int
images_pool(struct ask *a)
{
	(void)a;
	return 1;
}
