/* SPDX-License-Identifier: 0BSD */
/* with: util.c */
/* Questions of a guest, answers of a server: any bytes are a message, or are none */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../../dns.c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* stand in for other rooms */
const char *
run_state_dir(void)
{
	static char *dir;

	return dir ? dir : (dir = fmt("%s.state", getenv("SEEDS") ? getenv("SEEDS") : "/nonexistent"));
}

int
address_parse(const char *word, size_t len, uint8_t at[16])
{
	char text[INET6_ADDRSTRLEN + 1] = "";

	memset(at, 0, 16);
	if (len >= sizeof(text))
		return 0;
	memcpy(text, word, len);
	return inet_pton(AF_INET, text, at) == 1 ? AF_INET : inet_pton(AF_INET6, text, at) == 1 ? AF_INET6 : 0;
}

void
watch(struct run *r, int fd, short events, void (*fn)(struct run *, int, short))
{
	(void)r;
	(void)fd;
	(void)events;
	(void)fn;
}

static void
seed(const char *name, const void *data, size_t len)
{
	char *path = fmt("%s/%s", getenv("SEEDS"), name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd >= 0 && write(fd, data, len) < 0)
		abort();
	drop(fd);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char query[] = "\1\2\1\0\0\1\0\0\0\0\0\1\3web\0\0\1\0\1\0\0\51\20\0\0\0\0\0\0\0";
	static const char answer[] = "\1\2\201\200\0\1\0\1\0\0\0\0\3web\0\0\1\0\1\300\14\0\1\0\1\0\0\0\5\0\4\12\100\0\5";
	int dir;

	(void)argc;
	(void)argv;
	if (!getenv("SEEDS"))
		return 0;
	seed("query", query, sizeof(query) - 1);
	seed("answer", answer, sizeof(answer) - 1);
	mkdir(run_state_dir(), 0755);
	mkdir(fmt("%s/" HOSTS_DIR, run_state_dir()), 0755);
	dir = open(fmt("%s/" HOSTS_DIR, run_state_dir()), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || write_at(dir, "web", 0644, "10.64.0.5\tweb web.zone\nfd00::5\tweb\n10.64.0.6\tweb\n") < 0)
		abort();
	drop(dir);
	return 0;
}

static void
try_message(const uint8_t *data, size_t size)
{
	static const struct lease lease = { .address = { 10, 64, 0, 2 }, .prefix = 28, .address6 = { 0xfd }, .prefix6 = 64 };
	static const uint8_t q[] = "\1\2\1\0\0\1\0\0\0\0\0\1\3web\0\0\1\0\1";
	static struct query asked;
	uint8_t *m = malloc(size ? size : 1), *here = malloc(QUERY_MOST);
	size_t end, len;

	memcpy(m, data, size);
	memcpy(asked.text, q, sizeof(q) - 1);
	asked.question = sizeof(q) - 1;
	if (answers(&asked, m, size) && size < HEADER)
		abort();
	end = find_end(m, size, true);
	if (end > size || (end && end < HEADER + 5))
		abort();
	end = find_end(m, size, false);
	if (end > size || (end && end < HEADER + 5))
		abort();
	if (end && size <= QUERY_MOST) {
		memcpy(here, m, size);
		len = answer_here(&lease, here, end, QUERY_MOST);
		if (len > QUERY_MOST || (len && (len < end || !(here[2] & 0x80) || find_end(here, len, true) != end)))
			abort();
	}
	if (size >= HEADER && refuse(m, end, SERVFAIL) > size)
		abort();
	free(m);
	free(here);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_message(data, size);
	return 0;
}
