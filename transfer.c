/* SPDX-License-Identifier: 0BSD */
/* Verbs that import and export */
#include <errno.h>
#include <stdlib.h>

#include "nspawn-lite.h"

void
transfer_begin(struct transfer *t, const struct ask *a, const char *type, const char *local, const char *remote)
{
	(void)t;
	(void)a;
	(void)type;
	(void)local;
	(void)remote;
}

void
transfer_progress(struct transfer *t, uint64_t done)
{
	(void)t;
	(void)done;
}

void
transfer_end(struct transfer *t)
{
	(void)t;
}

void
transfer_unpack_tar(const struct ask *a, struct stream *s, struct making *m, const char *name)
{
	(void)a;
	(void)s;
	(void)m;
	(void)name;
}

void
transfer_unpack_raw(const struct ask *a, struct stream *s, struct making *m, const char *name)
{
	(void)a;
	(void)s;
	(void)m;
	(void)name;
}

char *
transfer_local_name(const char *remote, bool raw)
{
	(void)remote;
	(void)raw;
	return NULL;
}

int
transfer_import_tar(struct ask *a)
{
	(void)a;
	return 1;
}

int
transfer_import_raw(struct ask *a)
{
	(void)a;
	return 1;
}

int
transfer_import_fs(struct ask *a)
{
	(void)a;
	return 1;
}

int
transfer_export_tar(struct ask *a)
{
	(void)a;
	return 1;
}

int
transfer_export_raw(struct ask *a)
{
	(void)a;
	return 1;
}

int
transfer_list(struct ask *a)
{
	(void)a;
	return 1;
}

int
transfer_cancel(struct ask *a)
{
	(void)a;
	return 1;
}
