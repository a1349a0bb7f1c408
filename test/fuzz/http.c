/* SPDX-License-Identifier: 0BSD */
/* with: util.c sys.c */
/* What a server sends: a head and a body, taken to the end, or a sentence */
#include "../../fetch.c"

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
	static struct fetch_state s;
	struct fetch f = { .url = "http://a.example/b", .state = &s };
	char buf[300], url[200];
	struct url u;
	int p[2];
	ssize_t n;

	if (size < 2 || size > 60000 || pipe2(p, O_CLOEXEC) < 0)
		return 0;
	snprintf(url, sizeof(url), "%.*s", (int)(size < 150 ? size : 150), (const char *)data);
	if (fetch_valid(url) && parse_url(url, &u) && !streq(u.scheme, "file") && !fetch_valid(resolve(&u, "a/b?c")) && strlen(url) < 100)
		abort();
	f.from = data[0] & 1 ? 5 : 0;
	s = (struct fetch_state){ .fd = p[0], .errfd = -1 };
	if (data[0] & 2)
		s.program = "curl";
	if (write(p[1], data + 1, size - 1) != (ssize_t)(size - 1))
		abort();
	close(p[1]);
	if (take_head(&f) == 0) {
		while ((n = read_once(&f, buf, sizeof(buf))) > 0)
			;
		if (n < 0 && !f.why)
			abort();
		fetch_again(&f);
	} else if (!f.why) {
		abort();
	}
	hang_up(&s);
	forget(&f);
	return 0;
}
