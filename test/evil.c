/* SPDX-License-Identifier: 0BSD */
/*
 * evil WORD... : an archive in which anything may stand, to standard output
 *
 *	file NAME DATA		link NAME TARGET	hard NAME TARGET
 *	dir NAME MODE		fifo NAME		dev NAME
 *	pax KEY VALUE		a record for the next entry; \0 in VALUE is a zero byte
 *	raw TYPE NAME SIZE DATA	SIZE stands in its field as it is; \XXX are bytes
 *	sum			the next header has a wrong sum
 *	zeros N, bytes N	so many of them
 *	long TYPE N PART	an L or K of N times PART
 *	times N WORD...		the next entry so often; "@" in its name is the number
 *	end			two empty blocks
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char head[512];
static char pax[1 << 18];
static size_t npax;
static int wrong;

static void
fill(size_t n)
{
	for (n = (512 - n % 512) % 512; n > 0; n--)
		putchar(0);
}

/* \XXX is a byte in octal */
static size_t
bytes(char *to, const char *s, size_t room)
{
	size_t n = 0;

	while (*s && n < room)
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			char octal[4] = { s[1], s[2], s[3], 0 };

			to[n++] = (char)strtol(octal, NULL, 8);
			s += 4;
		} else {
			to[n++] = *s++;
		}
	return n;
}

static void
put_head(int type, const char *name, const char *link, int mode, const char *size)
{
	unsigned int sum = 0, i;

	memset(head, 0, sizeof(head));
	bytes((char *)head, name, 100);
	sprintf((char *)head + 100, "%07o", mode);
	strcpy((char *)head + 108, "0000000");
	strcpy((char *)head + 116, "0000000");
	bytes((char *)head + 124, size, 12);
	strcpy((char *)head + 136, "00000000000");
	memset(head + 148, ' ', 8);
	head[156] = (unsigned char)type;
	strncpy((char *)head + 157, link, 100);
	memcpy(head + 257, "ustar\00000", 8);
	strcpy((char *)head + 329, "0000001");
	strcpy((char *)head + 337, "0000003");
	for (i = 0; i < 512; i++)
		sum += head[i];
	sprintf((char *)head + 148, "%06o", sum + wrong);
	wrong = 0;
	fwrite(head, 1, 512, stdout);
}

static void
entry(int type, const char *name, const char *link, int mode, const char *data, size_t len)
{
	char size[16];

	if (npax > 0) {
		sprintf(size, "%011o", (unsigned int)npax);
		put_head('x', "pax", "", 0644, size);
		fwrite(pax, 1, npax, stdout);
		fill(npax);
		npax = 0;
	}
	sprintf(size, "%011o", (unsigned int)len);
	put_head(type, name, link, mode, size);
	fwrite(data, 1, len, stdout);
	fill(len);
}

static void
record(const char *key, const char *value)
{
	static char out[1 << 15];
	size_t len = bytes(out, value, sizeof(out)), body = strlen(key) + len + 3, all = body + 1;
	char number[24];

	while ((size_t)sprintf(number, "%zu", all) + body != all)
		all = body + strlen(number);
	npax += (size_t)sprintf(pax + npax, "%s %s=", number, key);
	memcpy(pax + npax, out, len);
	npax += len;
	pax[npax++] = '\n';
}

static int
is(char **w, const char *word, int needs)
{
	int i;

	for (i = 0; i <= needs; i++)
		if (!w[i])
			return 0;
	return strcmp(*w, word) == 0;
}

/* how many words one took */
static int
one(char **w, const char *name)
{
	static char data[1 << 16];
	size_t n, i;

	name = name ? name : w[1];
	if (is(w, "file", 2)) {
		entry('0', name, "", 0644, w[2], strlen(w[2]));
		return 3;
	} else if (is(w, "link", 2)) {
		entry('2', name, w[2], 0777, "", 0);
		return 3;
	} else if (is(w, "hard", 2)) {
		entry('1', name, w[2], 0644, "", 0);
		return 3;
	} else if (is(w, "dir", 2)) {
		entry('5', name, "", (int)strtol(w[2], NULL, 8), "", 0);
		return 3;
	} else if (is(w, "fifo", 1)) {
		entry('6', name, "", 0644, "", 0);
		return 2;
	} else if (is(w, "dev", 1)) {
		entry('3', name, "", 0666, "", 0);
		return 2;
	} else if (is(w, "pax", 2)) {
		record(w[1], w[2]);
		return 3;
	} else if (is(w, "raw", 4)) {
		n = bytes(data, w[4], sizeof(data));
		put_head(w[1][0], w[2], "", 0644, w[3]);
		fwrite(data, 1, n, stdout);
		fill(n);
		return 5;
	} else if (is(w, "sum", 0)) {
		wrong = 1;
		return 1;
	} else if (is(w, "long", 3)) {
		char size[24];

		sprintf(size, "%011llo", (unsigned long long)(strtoul(w[2], NULL, 10) * strlen(w[3])));
		put_head(w[1][0], "long", "", 0644, size);
		for (i = 0, n = strtoul(w[2], NULL, 10); i < n; i++)
			fputs(w[3], stdout);
		fill(n * strlen(w[3]));
		return 4;
	} else if (is(w, "zeros", 1) || is(w, "bytes", 1)) {
		for (n = strtoul(w[1], NULL, 10); n > 0; n--)
			putchar(w[0][0] == 'z' ? 0 : 'A');
		return 2;
	} else if (is(w, "end", 0)) {
		for (n = 1024; n > 0; n--)
			putchar(0);
		return 1;
	}
	fprintf(stderr, "evil: %s?\n", w[0]);
	exit(2);
}

int
main(int argc, char **argv)
{
	char **w = argv + 1, name[256], *at;
	unsigned long i, n;
	int took = 0;

	(void)argc;
	while (*w) {
		if (!is(w, "times", 3)) {
			w += one(w, NULL);
			continue;
		}
		at = strchr(w[3], '@');
		for (i = 0, n = strtoul(w[1], NULL, 10); i < n; i++) {
			snprintf(name, sizeof(name), "%.*s%lu%s", at ? (int)(at - w[3]) : 0, at ? w[3] : "", i, at ? at + 1 : w[3]);
			took = one(w + 2, name);
		}
		w += 2 + took;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
