/* SPDX-License-Identifier: 0BSD */
/* Archives */
#include <errno.h>
#include <stdlib.h>

#include "util.h"

struct tar *
tar_open(struct stream *s)
{
	(void)s;
	return NULL;
}

int
tar_next(struct tar *t, struct tar_entry **e)
{
	(void)t;
	(void)e;
	return -1;
}

ssize_t
tar_data(struct tar *t, const uint8_t **at)
{
	(void)t;
	(void)at;
	return -1;
}

const char *
tar_why(const struct tar *t)
{
	(void)t;
	return NULL;
}

void
tar_close(struct tar *t)
{
	(void)t;
}

int
tar_put(struct sink *s, const struct tar_entry *e)
{
	(void)s;
	(void)e;
	return -1;
}

int
tar_put_end(struct sink *s, uint64_t size)
{
	(void)s;
	(void)size;
	return -1;
}

int
tar_finish(struct sink *s)
{
	(void)s;
	return -1;
}
