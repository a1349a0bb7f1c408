/* SPDX-License-Identifier: 0BSD */
/* Lists and properties, for people and for programs */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nspawn-lite.h"

char *
table_json(const char *text)
{
	char *out = xalloc(strlen(text) * 6 + 3), *to = out;

	*to++ = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\') {
			*to++ = '\\';
			*to++ = *text;
		} else if ((unsigned char)*text < ' ' || *text == 0x7f) {
			memcpy(to, fmt("\\u%04x", (unsigned char)*text), 6);
			to += 6;
		} else {
			*to++ = *text;
		}
	}
	*to++ = '"';
	*to = 0;
	return out;
}

/* columns on a terminal: one for each code point */
static size_t
width(const char *s)
{
	size_t n = 0;

	for (; s && *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static void
print_json(const struct column *c, size_t columns, const struct cell *cells, size_t rows, bool pretty)
{
	const struct cell *x = cells;
	size_t i, j;

	print(1, "[");
	for (i = 0; i < rows; i++) {
		print(1, "%s", i ? "," : "");
		print(1, pretty ? "\n\t{" : "{");
		for (j = 0; j < columns; j++, x++)
			print(1, pretty ? "%s\n\t\t\"%s\" : %s" : "%s\"%s\":%s", j ? "," : "", c[j].key,
			      x->json ? x->json : x->text ? table_json(x->text) : "null");
		print(1, pretty ? "\n\t}" : "}");
	}
	print(1, pretty && rows ? "\n]\n" : "]\n");
}

static void
print_row(const struct column *c, size_t columns, const struct cell *row, const size_t *widths)
{
	char *line = xstrdup("");
	size_t i, pad;

	for (i = 0; i < columns; i++) {
		const char *text = row ? row[i].text ? row[i].text : "" : c[i].head;

		pad = widths[i] - width(text);
		line = fmt("%s%s%*s%s%*s", line, i ? " " : "", c[i].right ? (int)pad : 0, "", text, c[i].right ? 0 : (int)pad, "");
	}
	for (i = strlen(line); i > 0 && line[i - 1] == ' '; i--)
		line[i - 1] = 0;
	print(1, "%s\n", line);
}

void
table_print(const struct ask *a, const struct column *c, size_t columns, const struct cell *cells, size_t rows, const char *nouns)
{
	size_t widths[16] = { 0 }, i, j, w;

	if (ask_output(a) != OUT_TABLE) {
		print_json(c, columns, cells, rows, ask_output(a) == OUT_JSON_PRETTY);
		return;
	}
	if (!rows) {
		if (!a->no_legend)
			print(1, "No %s.\n", nouns);
		return;
	}
	for (j = 0; j < columns; j++) {
		widths[j] = a->no_legend ? 0 : width(c[j].head);
		for (i = 0; i < rows; i++) {
			w = width(cells[i * columns + j].text);
			widths[j] = w > widths[j] ? w : widths[j];
		}
	}
	if (!a->no_legend)
		print_row(c, columns, NULL, widths);
	for (i = 0; i < rows; i++)
		print_row(c, columns, cells + i * columns, widths);
	if (!a->no_legend)
		print(1, "\n%zu %s listed.\n", rows, nouns);
}

void
table_property(const struct ask *a, const char *name, const char *value)
{
	char **w;

	for (w = a->property; w && *w; w++)
		if (streq(*w, name))
			break;
	if (a->property && !(w && *w))
		return;
	if ((!value || !*value) && !a->all && !a->property)
		return;
	if (a->value)
		print(1, "%s\n", value ? value : "");
	else
		print(1, "%s=%s\n", name, value ? value : "");
}

/* one decimal, cut and not rounded, as the original has it */
char *
table_size(uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t unit = 1024;
	size_t i = 0;

	if (bytes < 1024)
		return fmt("%lluB", (unsigned long long)bytes);
	while (i + 2 < sizeof(units) && bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	return fmt("%llu.%llu%c", (unsigned long long)(bytes / unit), (unsigned long long)(bytes % unit * 10 / unit), units[i]);
}

char *
table_time(int64_t us)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;
	char text[64];

	if (us <= 0 || !localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M:%S %Z", &tm))
		return xstrdup("-");
	return xstrdup(text);
}

char *
table_ago(int64_t us)
{
	static const struct { const char *one, *many; int64_t seconds, next; } units[] = {
		{ " year", " years", 31557600, 2629800 }, { " month", " months", 2629800, 86400 },
		{ " week", " weeks", 604800, 86400 }, { " day", " days", 86400, 3600 },
		{ "h", "h", 3600, 60 }, { "min", "min", 60, 1 }, { "s", "s", 1, 1 },
	};
	struct timespec now;
	int64_t s, n, rest;
	const char *when = "ago";
	size_t i;

	clock_gettime(CLOCK_REALTIME, &now);
	s = now.tv_sec - us / 1000000;
	if (s < 0) {
		s = -s;
		when = "left";
	}
	for (i = 0; i < LEN(units); i++) {
		if (s < units[i].seconds)
			continue;
		n = s / units[i].seconds;
		rest = i + 1 < LEN(units) ? s % units[i].seconds : 0;
		if (i >= 5 || !rest || rest < units[i].next)
			return i == 5 && rest ? fmt("%lld%s %llds %s", (long long)n, "min", (long long)rest, when)
			                      : fmt("%lld%s %s", (long long)n, n == 1 ? units[i].one : units[i].many, when);
		rest /= units[i].next;
		return fmt("%lld%s %lld%s %s", (long long)n, n == 1 ? units[i].one : units[i].many, (long long)rest,
		           i == 0 ? rest == 1 ? " month" : " months" : i < 3 ? rest == 1 ? " day" : " days" : i == 3 ? "h" : "min", when);
	}
	return xstrdup("now");
}
