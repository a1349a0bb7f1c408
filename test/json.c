/* SPDX-License-Identifier: 0BSD */
/*
 * json [PATH] : texts from standard input, with a 0 behind each. One line for each: - where it is no JSON for us, else what
 * was read, as another program can write it, too; -v: why. PATH: what is there
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../util.h"

static void
write_text(const char *s)
{
	print(1, "\"");
	for (; *s; s++)
		print(1, (unsigned char)*s > ' ' && *s != '"' && *s != '\\' && (unsigned char)*s < 0x7f ? "%c" : "\\%02x", (unsigned char)*s);
	print(1, "\"");
}

static void
write_value(const struct json *v)
{
	static const char *const words[] = { "null", "false", "true" };
	const struct json *w;

	if (v->kind <= JSON_TRUE)
		print(1, "%s", words[v->kind]);
	else if (v->kind == JSON_NUMBER)
		print(1, "%s", v->text);
	else if (v->kind == JSON_STRING)
		write_text(v->text);
	if (v->kind < JSON_ARRAY)
		return;
	print(1, v->kind == JSON_ARRAY ? "[" : "{");
	for (w = v->first; w; w = w->next) {
		if (w->name) {
			write_text(w->name);
			print(1, ":");
		}
		write_value(w);
		if (w->next)
			print(1, ",");
	}
	print(1, v->kind == JSON_ARRAY ? "]" : "}");
}

int
main(int argc, char **argv)
{
	const char *path = argc > 1 && !streq(argv[1], "-v") ? argv[1] : NULL, *why;
	const struct json *v;
	char *text = NULL, *one;
	size_t size = 0, n;
	ssize_t got;

	do {
		text = realloc(text, size + 65536);
		if (!text)
			die("out of memory");
		got = read(0, text + size, 65536);
		size += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	for (one = text; one < text + size; one += n + 1) {
		n = strnlen(one, (size_t)(text + size - one));
		v = json_parse(one, n, &why);
		if (v && path)
			v = json_get(v, path);
		if (v)
			write_value(v);
		print(1, "%s\n", v ? "" : argc > 1 && !path ? why : "-");
	}
	return 0;
}
