/* SPDX-License-Identifier: 0BSD */
/* with: util.c sys.c sums.c */
/* Lists of sums: what is found is there */
#include <stdlib.h>
#include <string.h>

#include "../../util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* memory is never freed */
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* nothing is started here */
pid_t
program_start(char *const argv[], int in, int out, int err)
{
	(void)argv;
	(void)in;
	(void)out;
	(void)err;
	return -1;
}

char *
program_find(const char *name)
{
	(void)name;
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *list = malloc(size + 1), hex[65];
	uint8_t digest[32];
	int i;

	if (!list)
		return 0;
	memcpy(list, data, size);
	list[size] = 0;
	if (sums_find(list, "a.tar", digest) || sums_find(list, NULL, digest)) {
		for (i = 0; i < 32; i++) {
			hex[i * 2] = "0123456789abcdef"[digest[i] >> 4];
			hex[i * 2 + 1] = "0123456789abcdef"[digest[i] & 15];
		}
		hex[64] = 0;
		if (!strcasestr(list, hex))
			abort();
	}
	sums_signed(list);
	free(list);
	return 0;
}
