/* SPDX-License-Identifier: 0BSD */
/* Lists of sums, and their signatures */
#include <errno.h>
#include <stdlib.h>

#include "util.h"

bool
sums_find(const char *list, const char *file, uint8_t digest[32])
{
	(void)list;
	(void)file;
	(void)digest;
	return false;
}

int
sums_verify(const char *text, size_t len, const char *signature, size_t siglen, const char **why)
{
	(void)text;
	(void)len;
	(void)signature;
	(void)siglen;
	(void)why;
	return -1;
}
