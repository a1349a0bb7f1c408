/* SPDX-License-Identifier: 0BSD */
/* JSON of strangers: what is read has its kinds and bounds, and written again is read as the same */
#include <stdio.h>
#include <stdlib.h>

#include "../../json.c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HELD 4096
#include "held.h"

/* stand in for other rooms */
char *
fmt(const char *text, ...)
{
	static char said[] = "why";

	(void)text;
	return said;
}

int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

bool
utf8_valid(const char *s, bool controls)
{
	return controls && s[strlen(s)] == 0;
}

bool
parse_number(const char *s, long long min, long long max, long long *out)
{
	char *end;

	errno = 0;
	*out = strtoll(s, &end, 10);
	return end != s && !*end && !errno && *out >= min && *out <= max;
}

static char out[65536];
static size_t len;

static void
put(const char *text, size_t n)
{
	if (n > sizeof(out) - len)
		abort();
	memcpy(out + len, text, n);
	len += n;
}

static void
put_string(const char *s)
{
	char escaped[7];

	put("\"", 1);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\' || (unsigned char)*s < ' ')
			put(escaped, (size_t)sprintf(escaped, "\\u%04x", (unsigned char)*s));
		else
			put(s, 1);
	}
	put("\"", 1);
}

static void
write_value(const struct json *v, int depth)
{
	static const char *const words[] = { "null", "false", "true" };
	const struct json *w;
	long long number;
	uint64_t big;

	if (depth > DEEPEST || v->kind > JSON_OBJECT || (v->kind < JSON_ARRAY && v->first))
		abort();
	if (json_u64(v, "", &big) && (v->kind != JSON_NUMBER || *v->text == '-'))
		abort();
	if (json_number(v, "", 1, 9, &number) && (number < 1 || number > 9))
		abort();
	if (v->kind <= JSON_TRUE)
		put(words[v->kind], strlen(words[v->kind]));
	else if (v->kind == JSON_NUMBER)
		put(v->text, strlen(v->text));
	else if (v->kind == JSON_STRING)
		put_string(v->text);
	if (v->kind < JSON_ARRAY)
		return;
	put(v->kind == JSON_ARRAY ? "[" : "{", 1);
	for (w = json_first(v, ""); w; w = w->next) {
		if (!w->name != (v->kind == JSON_ARRAY))
			abort();
		if (w->name) {
			const struct json *found = json_member(v, w->name);

			if (found && !streq(found->name, w->name))
				abort();
			put_string(w->name);
			put(":", 1);
		}
		write_value(w, depth + 1);
		if (w->next)
			put(",", 1);
	}
	put(v->kind == JSON_ARRAY ? "]" : "}", 1);
}

bool
streq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static void
keep(const char *name, const char *text)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", getenv("SEEDS"), name);
	f = fopen(path, "we");
	if (f && fputs(text, f) >= 0)
		fclose(f);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (!getenv("SEEDS"))
		return 0;
	keep("index", "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"size\":7143,"
		"\"digest\":\"sha256:e692418e\",\"platform\":{\"architecture\":\"ppc64le\",\"os\":\"linux\",\"os.version\":null}}]}");
	keep("config", "{ \"process\": { \"args\": [ \"sh\", \"\\u0041\\ud83d\\ude00\\n\\t\\\\\\/\\\"\" ], \"terminal\": true, \"noNewPrivileges\": false },\n"
		"\"linux\": { \"resources\": { \"memory\": { \"limit\": 536870912, \"swap\": -1, \"x\": 1.5e+3 } }, \"a\": {}, \"b\": [] } }\r\n");
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char first[65536];
	const struct json *v;
	const char *why;
	char *text = malloc(size + !size), *again;  /* of its very size: what is read or written behind it is seen */
	size_t n;

	if (!text)
		return 0;
	memcpy(text, data, size);
	v = json_parse(text, size, &why);
	if (!v != !!why)
		abort();
	if (v) {
		len = 0;
		write_value(v, 0);
		memcpy(first, out, len);
		n = len;
		again = malloc(n);
		memcpy(again, out, n);
		v = json_parse(again, n, &why);
		if (!v)
			abort();
		len = 0;
		write_value(v, 0);
		if (len != n || memcmp(first, out, n) != 0)
			abort();
		free(again);
	}
	free(text);
	let_go();
	return 0;
}
