/* SPDX-License-Identifier: 0BSD */
/* with: util.c sys.c run.c known.c */
/* The register of machines: what a supervisor wrote, torn, or not by one of ours. The first byte says whether its sum is right */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../nspawn-lite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* memory is never freed */
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char text[] = "\1NAME=a\nCGROUP=cgroup2:/sys/fs/cgroup/a\nROOT=/a\\nb\nID=6522fb1856ea42eaae91d7d0b6a1e23d\n"
	                           "CLASS=container\nREALTIME=1795670461418614\nMONOTONIC=39515700926\nHIDDEN=0\nSUPERVISOR=13\n"
	                           "LEADER=14\nSTATE=running\nREASON=a\nOS=b\nPRETTY=b c\nNETWORK=1\nIFACE=ve-a\nIDS=65536:65536\n"
	                           "WORD=--quiet\nWORD=--boot\nWORD=a\\\\b\\nc\nSUM=0000000000000000\nCGROUP=cpu:/sys/fs/cgroup/cpu/a\n";
	const char *dir = getenv("SEEDS");
	FILE *out = dir ? fopen(fmt("%s/one", dir), "w") : NULL;

	(void)argc;
	(void)argv;
	if (out) {
		fwrite(text, 1, sizeof(text) - 1, out);
		fclose(out);
	}
	return 0;
}

static int
file_of(const uint8_t *data, size_t size, bool *right)
{
	static const uint8_t key[16] = REGISTER_KEY;
	int fd = (int)syscall(SYS_memfd_create, "register", 1);
	const uint8_t *at = memmem(data, size, "SUM=", 4);
	char sum[32];

	*right = !memchr(data, 0, size);
	if (fd < 0 || write_all(fd, (const char *)data, size) < 0)
		abort();
	/* a right sum in the place of the first that stands at the beginning of a line */
	while (at && at > data && at[-1] != '\n')
		at = memmem(at + 1, size - (size_t)(at + 1 - data), "SUM=", 4);
	if (at && size - (size_t)(at - data) >= 21) {
		snprintf(sum, sizeof(sum), "SUM=%016llx\n", (unsigned long long)siphash24(data, (size_t)(at - data), key));
		if (pwrite(fd, sum, 21, at - data) != 21)
			abort();
	} else if (size && data[size - 1] == '\n') {
		snprintf(sum, sizeof(sum), "SUM=%016llx\n", (unsigned long long)siphash24(data, size, key));
		if (pwrite(fd, sum, 21, (off_t)size) != 21)
			abort();
	} else {
		*right = false;
	}
	return fd;
}

static bool
whole(int fd)
{
	struct brief b;

	known_look(fd, &b);
	if (memchr(b.state, 0, sizeof(b.state)) == NULL || memchr(b.reason, 0, sizeof(b.reason)) == NULL)
		abort();
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[32];
	struct known k;
	char **w;
	size_t len = 0;
	bool right;
	int fd, owner;

	if (size < 1)
		return 0;
	fd = file_of(data + 1, size - 1, &right);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	owner = open(path, O_RDWR | O_CLOEXEC);
	if (owner < 0)
		abort();
	/* one that is torn is waited for, as long as it is held */
	if (*data % 8 && right && flock(owner, LOCK_EX | LOCK_NB) < 0)
		abort();
	whole(fd);
	if (known_read_at(fd, &k)) {
		if (k.leader < 0 || k.supervisor < 0 || !k.state)
			abort();
		for (w = k.words; w && *w; w++)
			len += strlen(*w);
		for (w = k.groups; w && *w; w++)
			len += strlen(*w);
		if (len > size || (k.group && !*k.group))
			abort();
		known_leads(&k);
	}
	close(owner);
	close(fd);
	return 0;
}
