/* SPDX-License-Identifier: 0BSD */
/* Lists and properties, for people and for programs */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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
		} else if (*text == '\n') {
			*to++ = '\\';
			*to++ = 'n';
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

/* columns on a terminal, of the widest line: one for each code point */
static size_t
width(const char *s)
{
	size_t n = 0, widest = 0;

	for (; s && *s; s++) {
		n = *s == '\n' ? 0 : n + ((*s & 0xc0) != 0x80);
		widest = n > widest ? n : widest;
	}
	return widest;
}

size_t
table_width(const struct ask *a)
{
	struct winsize w;

	if (a->full || ioctl(1, TIOCGWINSZ, &w) < 0)
		return 0;
	return w.ws_col ? w.ws_col : 80;  /* a serial line has nobody who sets it */
}

/* where so many columns end */
static size_t
length_of(const char *s, size_t columns)
{
	const char *at = s;

	for (; *at; at++)
		if ((*at & 0xc0) != 0x80 && columns-- == 0)
			break;
	return (size_t)(at - s);
}

char *
table_cut(const char *text, size_t columns)
{
	if (!columns || width(text) <= columns)
		return xstrdup(text);
	return fmt("%.*s…", (int)length_of(text, columns - 1), text);
}

char *
table_plain(const char *text, size_t len)
{
	char *out = xalloc(len * 4 + 1), *to = out, *copy = xstrndup(text, len);
	bool valid = utf8_valid(copy, true);

	for (; len > 0; len--, text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f || (!valid && *text & 0x80)
		    || (*text == (char)0xc2 && len > 1 && (unsigned char)text[1] < 0xa0)) {
			memcpy(to, fmt("\\x%02x", (unsigned char)*text), 4);
			to += 4;
			valid &= (*text & 0x80) == 0;
		} else {
			*to++ = *text;
		}
	return out;
}

/* all of it is one write: a list may be long */
struct text { char *s; size_t n, room; };

static void
add(struct text *t, const char *s, size_t pad, bool before)
{
	size_t len = strlen(s), room;
	char *more;

	if (t->n + len + pad >= t->room) {
		room = (t->n + len + pad) * 2 + 4096;
		more = realloc(t->s, room);
		if (!more)
			die("no memory for a list of so many lines");
		t->s = more;
		t->room = room;
	}
	memset(t->s + t->n, ' ', pad);
	memcpy(t->s + t->n + (before ? pad : 0), s, len);
	if (!before)
		memset(t->s + t->n + len, ' ', pad);
	t->n += len + pad;
	t->s[t->n] = 0;
}

static void
add_json(struct text *t, const struct column *c, size_t columns, const struct cell *cells, size_t rows, bool pretty)
{
	const struct cell *x = cells;
	size_t i, j;

	add(t, "[", 0, false);
	for (i = 0; i < rows; i++) {
		add(t, i ? "," : "", 0, false);
		add(t, pretty ? "\n\t{" : "{", 0, false);
		for (j = 0; j < columns; j++, x++) {
			add(t, j ? "," : "", 0, false);
			add(t, pretty ? "\n\t\t\"" : "\"", 0, false);
			add(t, c[j].key, 0, false);
			add(t, pretty ? "\" : " : "\":", 0, false);
			add(t, x->json ? x->json : x->text ? table_json(x->text) : "null", 0, false);
		}
		add(t, pretty ? "\n\t}" : "}", 0, false);
	}
	add(t, pretty && rows ? "\n]\n" : "]\n", 0, false);
}

/* the line of a cell that is told; more: others follow */
static const char *
line_of(const char *text, size_t line, bool *more)
{
	const char *end = text ? strchr(text, '\n') : NULL;

	for (; end && line > 0; line--, end = strchr(text, '\n'))
		text = end + 1;
	if (!text || line > 0)
		return "";
	*more |= end != NULL;
	return end ? xstrndup(text, (size_t)(end - text)) : text;
}

/* cut: so many columns there are; 0: it stays whole */
static void
add_row(struct text *t, const struct column *c, size_t columns, const struct cell *row, const size_t *widths, size_t cut)
{
	size_t i, line = 0, start;
	const char *text;
	bool more;

	do {
		more = false;
		start = t->n;
		for (i = 0; i < columns; i++) {
			text = line_of(row ? row[i].text : c[i].head, line, &more);
			add(t, i ? " " : "", 0, false);
			add(t, text, widths[i] - width(text), c[i].right);
		}
		while (t->n > start && t->s[t->n - 1] == ' ')
			t->s[--t->n] = 0;
		if (cut && width(t->s + start) > cut) {
			t->n = start + length_of(t->s + start, cut - 1);
			add(t, "…", 0, false);
		}
		add(t, "\n", 0, false);
		line++;
	} while (more);
}

void
table_print(const struct ask *a, const struct column *c, size_t columns, const struct cell *cells, size_t rows,
            const char *nouns)
{
	size_t widths[16] = { 0 }, i, j, w, cut = table_width(a);
	struct text t = { NULL, 0, 0 };

	if (ask_output(a) != OUT_TABLE) {
		add_json(&t, c, columns, cells, rows, ask_output(a) == OUT_JSON_PRETTY);
	} else if (rows) {
		for (j = 0; j < columns; j++) {
			widths[j] = a->no_legend ? 0 : width(c[j].head);
			for (i = 0; i < rows; i++) {
				w = width(cells[i * columns + j].text);
				widths[j] = w > widths[j] ? w : widths[j];
			}
		}
		if (!a->no_legend)
			add_row(&t, c, columns, NULL, widths, cut);
		for (i = 0; i < rows; i++)
			add_row(&t, c, columns, cells + i * columns, widths, cut);
		if (!a->no_legend)
			add(&t, fmt("\n%zu %s listed.\n", rows, nouns), 0, false);
	} else if (!a->no_legend) {
		add(&t, fmt("No %s.\n", nouns), 0, false);
	}
	if (t.n)
		print(1, "%s", t.s);
	free(t.s);
}

/* what programs read comes at the end */
static struct {
	struct column *c;
	struct cell *cells;
	size_t columns, n, rows;
} told;

void
table_object(const struct ask *a)
{
	if (told.rows++ && ask_output(a) == OUT_TABLE)
		print(1, "\n");
}

void
table_objects_end(const struct ask *a, const char *nouns)
{
	if (ask_output(a) != OUT_TABLE)
		table_print(a, told.c, told.columns, told.cells, told.rows, nouns);
}

void
table_property(const struct ask *a, const char *name, const char *value, const char *json)
{
	char **w;

	for (w = a->property; w && *w; w++)
		if (streq(*w, name))
			break;
	if (a->property && !(w && *w))
		return;
	if (ask_output(a) != OUT_TABLE) {
		if (told.rows == 1) {
			told.c = room_for_one(told.c, told.columns, sizeof(*told.c));
			told.c[told.columns++] = (struct column){ name, name, false };
		}
		told.cells = room_for_one(told.cells, told.n, sizeof(*told.cells));
		told.cells[told.n++] = (struct cell){ value, value ? json : NULL };
		return;
	}
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
	return fmt("%llu.%llu%c", (unsigned long long)(bytes / unit), (unsigned long long)(bytes % unit * 10 / unit),
	           units[i]);
}

char *
table_time(int64_t us)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	if (us <= 0 || !localtime_r(&t, &tm))
		return xstrdup("-");
	return fmt("%.3s %d-%02d-%02d %02d:%02d:%02d %s", days + 3 * tm.tm_wday, 1900 + tm.tm_year, 1 + tm.tm_mon, tm.tm_mday,
	           tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_zone);
}

static char *
two(int64_t a, const char *one, int64_t b, const char *two)
{
	return fmt("%lld %s%s %lld %s%s", (long long)a, one, a == 1 ? "" : "s", (long long)b, two, b == 1 ? "" : "s");
}

/* in the original's words */
char *
table_ago(int64_t us)
{
	enum { MINUTE = 60, HOUR = 3600, DAY = 86400, WEEK = 604800, MONTH = 2629800, YEAR = 31557600 };
	struct timespec now;
	const char *when = "ago", *text;
	int64_t s, d;

	clock_gettime(CLOCK_REALTIME, &now);
	d = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000 - us;
	if (d < 0) {
		d = -d;
		when = "left";
	}
	s = d / 1000000;
	if (s >= YEAR)
		text = two(s / YEAR, "year", s % YEAR / MONTH, "month");
	else if (s >= MONTH)
		text = two(s / MONTH, "month", s % MONTH / DAY, "day");
	else if (s >= WEEK)
		text = two(s / WEEK, "week", s % WEEK / DAY, "day");
	else if (s >= 2 * DAY)
		text = fmt("%lld days", (long long)(s / DAY));
	else if (s >= 25 * HOUR)
		text = fmt("1 day %lldh", (long long)((s - DAY) / HOUR));
	else if (s >= 6 * HOUR)
		text = fmt("%lldh", (long long)(s / HOUR));
	else if (s >= HOUR)
		text = fmt("%lldh %lldmin", (long long)(s / HOUR), (long long)(s % HOUR / MINUTE));
	else if (s >= 5 * MINUTE)
		text = fmt("%lldmin", (long long)(s / MINUTE));
	else if (s >= MINUTE)
		text = fmt("%lldmin %llds", (long long)(s / MINUTE), (long long)(s % MINUTE));
	else if (s)
		text = fmt("%llds", (long long)s);
	else if (d >= 1000)
		text = fmt("%lldms", (long long)(d / 1000));
	else
		return xstrdup("now");
	return fmt("%s %s", text, when);
}
