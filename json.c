/* SPDX-License-Identifier: 0BSD */
/* JSON, RFC 8259, of strangers: read in place, within bounds */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

enum { DEEPEST = 64, VALUES_MOST = 1 << 17, CHUNK = 128 };

struct reader {
	char *at;
	const char *end, *why;
	size_t values, left, line;
	struct json *room;
};

static ALONE bool
fail(struct reader *r, const char *why)
{
	if (!r->why)
		r->why = why;
	return false;
}

static void
skip_blanks(struct reader *r)
{
	/* of lines, too: a string has none */
	for (; r->at < r->end && *r->at && strchr(" \t\n\r", *r->at); r->at++)
		r->line += *r->at == '\n';
}

/* the next sign that means something, or 0 at the end */
static char
next_sign(struct reader *r)
{
	skip_blanks(r);
	return r->at < r->end ? *r->at : 0;
}

static struct json *
new_value(struct reader *r)
{
	if (r->values++ >= VALUES_MOST)
		return NULL;
	if (!r->left) {
		r->left = CHUNK;
		r->room = xalloc(CHUNK * sizeof(*r->room));
	}
	r->left--;
	return r->room++;
}

/* four hex digits at s; -1: they are none */
static int
hex4(const char *s, const char *end)
{
	int i, n = 0;

	for (i = 0; i < 4; i++) {
		if (end - s <= i || hex_digit(s[i]) < 0)
			return -1;
		n = n << 4 | hex_digit(s[i]);
	}
	return n;
}

static char *
put_utf8(char *to, unsigned int c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	if (c >= 0x80)
		*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

/* behind \u: what is written is never longer than what was read */
static bool
read_unicode(struct reader *r, char **to)
{
	int c = hex4(r->at, r->end), low;

	if (c < 0)
		return fail(r, "\\u without four hex digits");
	r->at += 4;
	if (c >= 0xd800 && c < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
		low = hex4(r->at + 2, r->end);
		if (low >= 0xdc00 && low < 0xe000) {
			r->at += 6;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	if (c == 0)
		return fail(r, "a string with a 0 in it");
	if (c >= 0xd800 && c < 0xe000)
		return fail(r, "half of a surrogate pair");
	*to = put_utf8(*to, (unsigned int)c);
	return true;
}

/* from behind its first quote: unescaped where it stands, and ended with 0 */
static const char *
read_string(struct reader *r)
{
	static const char signs[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	char *begin = r->at, *to = begin;
	const char *sign;

	for (;;) {
		if (r->at >= r->end || (unsigned char)*r->at < ' ') {
			fail(r, r->at >= r->end ? "a string does not end" : "a control character in a string");
			return NULL;
		}
		if (*r->at == '"')
			break;
		if (*r->at != '\\') {
			*to++ = *r->at++;
			continue;
		}
		if (++r->at >= r->end)
			continue;
		if (*r->at == 'u') {
			r->at++;
			if (!read_unicode(r, &to))
				return NULL;
			continue;
		}
		for (sign = signs; *sign && *sign != *r->at; sign += 2)
			;
		if (!*sign) {
			fail(r, "an escape that JSON does not know");
			return NULL;
		}
		*to++ = sign[1];
		r->at++;
	}
	r->at++;
	*to = 0;
	if (!utf8_valid(begin, true)) {
		fail(r, "a string that is not UTF-8");
		return NULL;
	}
	return begin;
}

static size_t
digits(const char *s, const char *end)
{
	size_t n = 0;

	while (s + n < end && s[n] >= '0' && s[n] <= '9')
		n++;
	return n;
}

/* moved by one, over the sign before it, which has been read: so there is room for its 0 */
static bool
read_number(struct reader *r, struct json *v)
{
	char *begin = r->at, *s = begin;
	size_t n;

	s += *s == '-';
	n = digits(s, r->end);
	if (n == 0 || (n > 1 && *s == '0'))
		return fail(r, "something that is no value");
	s += n;
	if (s < r->end && *s == '.') {
		n = digits(++s, r->end);
		s += n;
	}
	if (n && s < r->end && (*s == 'e' || *s == 'E')) {
		s++;
		s += s < r->end && (*s == '+' || *s == '-');
		n = digits(s, r->end);
		s += n;
	}
	if (!n)
		return fail(r, "a number that does not end");
	r->at = s;
	memmove(begin - 1, begin, (size_t)(s - begin));
	s[-1] = 0;
	v->text = begin - 1;
	v->kind = JSON_NUMBER;
	return true;
}

static bool
read_word(struct reader *r, struct json *v)
{
	static const char *const words[] = { [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true" };
	size_t i, n;

	for (i = 0; i < LEN(words); i++) {
		n = strlen(words[i]);
		if ((size_t)(r->end - r->at) >= n && memcmp(r->at, words[i], n) == 0) {
			r->at += n;
			v->kind = (uint8_t)i;
			return true;
		}
	}
	return read_number(r, v);
}

static bool read_value(struct reader *r, struct json *v, int depth);

/* what is in an array or an object, from behind its bracket on */
static bool
read_inside(struct reader *r, struct json *in, char end, int depth)
{
	struct json **last = &in->first, *v;
	const char *name = NULL;

	if (depth >= DEEPEST)
		return fail(r, "brackets within brackets, more than 64 deep");
	if (next_sign(r) == end) {
		r->at++;
		return true;
	}
	for (;;) {
		if (end == '}') {
			if (next_sign(r) != '"')
				return fail(r, "a member of an object without a name in quotes");
			r->at++;
			name = read_string(r);
			if (!name)
				return false;
			if (next_sign(r) != ':')
				return fail(r, "a name without a colon behind it");
			r->at++;
		}
		v = new_value(r);
		if (!v)
			return fail(r, "more than 131072 values");
		v->name = name;
		if (!read_value(r, v, depth + 1))
			return false;
		*last = v;
		last = &v->next;
		if (next_sign(r) == end) {
			r->at++;
			return true;
		}
		if (next_sign(r) != ',')
			return fail(r, r->at < r->end ? "values without a comma between them" : "it ends in the middle");
		r->at++;
	}
}

static bool
read_value(struct reader *r, struct json *v, int depth)
{
	switch (next_sign(r)) {
	case 0:
		return fail(r, r->at < r->end ? "a 0" : "it ends in the middle");
	case '{':
	case '[':
		v->kind = *r->at == '{' ? JSON_OBJECT : JSON_ARRAY;
		r->at++;
		return read_inside(r, v, v->kind == JSON_OBJECT ? '}' : ']', depth);
	case '"':
		r->at++;
		v->kind = JSON_STRING;
		v->text = read_string(r);
		return v->text;
	default:
		return read_word(r, v);
	}
}

const struct json *
json_parse(char *text, size_t len, const char **why)
{
	struct reader r = { .at = text, .end = text + len, .line = 1 };
	struct json *top = new_value(&r);

	if (next_sign(&r) != '{' && next_sign(&r) != '[')
		fail(&r, "neither an object nor an array");
	else if (read_value(&r, top, 0) && (skip_blanks(&r), r.at < r.end))
		fail(&r, "something behind its end");
	*why = r.why ? fmt("no JSON: line %zu: %s", r.line, r.why) : NULL;
	return r.why ? NULL : top;
}

/* of two with one name the last counts, as for most who read JSON */
static const struct json *
member(const struct json *in, const char *name, size_t n)
{
	const struct json *v, *found = NULL;

	for (v = in && in->kind == JSON_OBJECT ? in->first : NULL; v; v = v->next)
		if (strncmp(v->name, name, n) == 0 && !v->name[n])
			found = v;
	return found && found->kind != JSON_NULL ? found : NULL;
}

const struct json *
json_member(const struct json *in, const char *name)
{
	return member(in, name, strlen(name));
}

const struct json *
json_get(const struct json *in, const char *path)
{
	size_t n;

	for (; in && *path; path += n + (path[n] == '.')) {
		n = strcspn(path, ".");
		in = member(in, path, n);
	}
	return in;
}

const char *
json_string(const struct json *in, const char *path)
{
	in = json_get(in, path);
	return in && in->kind == JSON_STRING ? in->text : NULL;
}

bool
json_true(const struct json *in, const char *path)
{
	in = json_get(in, path);
	return in && in->kind == JSON_TRUE;
}

bool
json_number(const struct json *in, const char *path, long long min, long long max, long long *out)
{
	in = json_get(in, path);
	return in && in->kind == JSON_NUMBER && parse_number(in->text, min, max, out);
}

bool
json_u64(const struct json *in, const char *path, uint64_t *out)
{
	char *end;

	in = json_get(in, path);
	if (!in || in->kind != JSON_NUMBER || *in->text == '-')
		return false;
	errno = 0;
	*out = strtoull(in->text, &end, 10);
	return !errno && !*end;
}

const struct json *
json_first(const struct json *in, const char *path)
{
	in = json_get(in, path);
	return in && in->kind >= JSON_ARRAY ? in->first : NULL;
}
