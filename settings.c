/* SPDX-License-Identifier: 0BSD */
/* Files of settings as systemd.nspawn(5) has them: found, read, and said in words of the command line */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "nspawn-lite.h"

enum { LARGEST = 65536, WARNINGS = 20 };

static const char blanks[] = " \t\r";

/* a part of the file for a message: short, and nothing that a terminal obeys */
static char *
shown(const char *text)
{
	char *s = fmt("%.40s", text), *c;

	for (c = s; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return s;
}

/* who can write the file is not to fill our screen */
static void
skip(struct settings *s, const char *what)
{
	if (s->skipped++ < WARNINGS)
		warn("%s:%d: %s; skipped", s->path, s->line, what);
	else if (s->skipped == WARNINGS + 1)
		warn("%s:%d: more of it is skipped", s->path, s->line);
}

/* ---- finding and reading ------------------------------------------------------ */

static bool
absent(int got)
{
	return got < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES);  /* the last in another machine */
}

char *
settings_find(const char *name, const char *tree, bool *trusted)
{
	static const char *const dirs[] = { "/etc/systemd/nspawn", "/run/systemd/nspawn" };
	const char *slash = tree ? strrchr(tree, '/') : NULL;
	struct stat st;
	char *path;
	size_t i;

	if (!name_valid(name))
		return NULL;
	for (i = 0; i < LEN(dirs); i++) {
		path = run_path(fmt("%s/%s.nspawn", dirs[i], name));
		*trusted = true;
		if (!absent(access(path, F_OK)))
			return path;
	}
	*trusted = false;
	if (!slash)
		return NULL;
	path = fmt("%.*s/%s.nspawn", (int)(slash - tree), tree, name);
	return absent(fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW)) ? NULL : path;
}

void
settings_open(struct settings *s, const char *path, bool link, bool trusted, void (*check)(const char *word))
{
	struct stat st;
	ssize_t n;
	int fd;

	if (!WITH_SETTINGS)
		return;
	*s = (struct settings){ .path = path, .trusted = trusted, .check = check, .rest = "" };
	/* looked at before it is opened: opening a device does things */
	if (fstatat(AT_FDCWD, path, &st, link ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		die("read %s:", path);
	if (link && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
		return;  /* a link to /dev/null says: no settings */
	if (!S_ISREG(st.st_mode))
		die("%s: not a plain file, so no settings are read from it; remove it", path);
	fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (link ? 0 : O_NOFOLLOW));
	if (fd < 0 || fstat(fd, &st) < 0)
		die("read %s:", path);
	if (!S_ISREG(st.st_mode))
		die("%s: not a plain file any more", path);
	s->rest = xalloc(LARGEST + 2);
	n = read_all(fd, s->rest, LARGEST + 2);
	if (n < 0)
		die("read %s:", path);
	close(fd);
	if (n > LARGEST)
		die("%s: more than %d KB, which is no file of settings", path, LARGEST / 1024);
	if (memchr(s->rest, 0, (size_t)n))
		die("%s: has a byte 0, so it is no text", path);
	if (after(s->rest, "\xef\xbb\xbf"))
		s->rest += 3;
}

/* a line with those that continue it, put together where they are; comments between them do not count */
static char *
whole_line(struct settings *s)
{
	char *line, *whole = NULL, *end = NULL, *c;
	bool more;

	while ((line = next_line(&s->rest))) {
		s->next++;
		c = line + strspn(line, blanks);
		if (*c == '#' || *c == ';')
			continue;
		for (c = line + strlen(line); c > line && c[-1] == '\r'; )
			*--c = 0;
		more = false;
		while (c > line && c[-1] == '\\') {
			more = !more;
			c--;
		}
		if (!whole) {
			whole = end = line;
			s->line = s->next;
		}
		memmove(end, line, strlen(line) + 1);
		end += strlen(end);
		if (!more)
			return whole;
		end[-1] = ' ';
	}
	return whole;
}

/* what is between blanks, cut out of a line */
static char *
trimmed(char *text)
{
	char *end;

	text += strspn(text, blanks);
	for (end = text + strlen(text); end > text && strchr(blanks, end[-1]); )
		*--end = 0;
	return text;
}

static void
begin_section(struct settings *s, char *line)
{
	static const char *const known[] = { "Exec", "Files", "Network" };
	size_t i, n = strlen(line);

	if (line[n - 1] != ']')
		die("%s:%d: %s: a section is a word in brackets", s->path, s->line, shown(line));
	line[n - 1] = 0;
	s->section = "";
	for (i = 0; i < LEN(known); i++)
		if (streq(line + 1, known[i]))
			s->section = known[i];
	if (!*s->section && !after(line + 1, "X-"))
		skip(s, fmt("no section [%s] is known", shown(line + 1)));
}

bool
settings_next(struct settings *s)
{
	char *line, *equals, *name;

	if (!WITH_SETTINGS)
		return false;
	while ((line = whole_line(s))) {
		line = trimmed(line);
		if (!*line)
			continue;
		if (*line == '[') {
			begin_section(s, line);
			continue;
		}
		equals = strchr(line, '=');
		if (!equals) {
			skip(s, fmt("%s: neither a section nor KEY=VALUE", shown(line)));
			continue;
		}
		*equals = 0;
		name = trimmed(line);
		if (!s->section)
			skip(s, fmt("%s= stands before any section", shown(name)));
		if (!s->section || !*s->section || after(name, "X-"))
			continue;
		s->value = trimmed(equals + 1);
		s->key = fmt("%s.%s", s->section, name);
		s->name = s->key + strlen(s->section) + 1;
		return true;
	}
	return false;
}

/* ---- values to words ----------------------------------------------------------- */

static int
yes_or_no(const struct settings *s)
{
	int yes = parse_bool(s->value);

	if (yes < 0)
		die("%s:%d: %s=%s: not yes or no", s->path, s->line, s->name, shown(s->value));
	return yes;
}

/* words between blanks; quotes hold one together, and escapes are undone where there are any */
static char **
split(const struct settings *s, bool escapes)
{
	char **words = NULL, *to = xalloc(strlen(s->value) + 1), *word, quote;
	const char *c = s->value;
	int byte;

	for (;;) {
		c += strspn(c, blanks);
		if (!*c)
			return words;
		word = to;
		for (quote = 0; *c && (quote || !strchr(blanks, *c)); c++) {
			if (quote ? *c == quote : *c == '"' || *c == '\'') {
				quote = quote ? 0 : *c;
			} else if (escapes && *c == '\\') {
				c++;
				byte = unescape(&c);
				if (byte < 0)
					die("%s:%d: %s=: \\%s is no escape; a backslash itself is two", s->path, s->line, s->name,
					    shown(fmt("%.3s", c)));
				*to++ = (char)byte;
			} else {
				*to++ = *c;
			}
		}
		if (quote)
			die("%s:%d: %s=: a quote %c is not closed", s->path, s->line, s->name, quote);
		c += *c != 0;
		*to++ = 0;
		grow(&words, word);
	}
}

/* the parser of the command line speaks of options: so it is said which line that was */
static void
check_word(const struct settings *s, const char *word)
{
	const char *us = speaker;

	speaker = fmt("%s%.300s:%d: ", us, s->path, s->line);
	if (!utf8_valid(word, true))
		die("%s=: the value is not UTF-8 text", s->name);
	s->check(word);
	speaker = us;
}

/* an assignment: to be said by word, or NULL where its group says it */
static void
remember(struct settings *s, const struct key *k, char *word)
{
	struct setting *more;

	if (word)
		check_word(s, word);
	if (s->nsaid == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		more = xalloc(s->room * sizeof(*more));
		if (s->nsaid)
			memcpy(more, s->said, s->nsaid * sizeof(*more));
		s->said = more;
	}
	s->said[s->nsaid++] = (struct setting){ s->key, word, k->how };
}

static void
forget(struct settings *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->nsaid; i++)
		if (!streq(s->said[i].key, s->key))
			s->said[n++] = s->said[i];
	s->nsaid = n;
}

static void
add(struct settings *s, const struct key *k, const char *value)
{
	remember(s, k, fmt("--%s=%s", k->option, value));
}

/* Boot= and ProcessTwo= are one choice of three, and the first that chooses is believed */
static void
take_start(struct settings *s, int mine)
{
	int other = mine == START_BOOT ? START_PID2 : START_BOOT;

	if (yes_or_no(s) ? s->start == other : s->start == mine)
		skip(s, fmt("%s= contradicts what was said before of Boot= and ProcessTwo=", s->name));
	else if (yes_or_no(s))
		s->start = mine;
	else if (!s->start)
		s->start = START_PID1;
}

static void
take_value(struct settings *s, const struct key *k)
{
	char **words = NULL, *list;
	int yes = parse_bool(s->value);

	switch (k->how & K_FORM) {
	case K_BOOT:
		take_start(s, START_BOOT);
		break;
	case K_PID2:
		take_start(s, START_PID2);
		break;
	case K_COMMAND:
		s->command = split(s, false);
		break;
	case K_VARIABLES:
		for (words = split(s, true); words && *words; words++) {
			if (!strchr(*words, '='))  /* the option would take it from our own environment */
				die("%s:%d: %s=%s: not NAME=VALUE", s->path, s->line, s->name, shown(*words));
			add(s, k, *words);
		}
		break;
	case K_BLANKS:
		list = NULL;
		for (words = split(s, false); words && *words; words++)
			list = list ? fmt("%s,%s", list, *words) : *words;
		add(s, k, list ? list : "");
		break;
	case K_WORDS:
		for (words = split(s, false); words && *words; words++)
			add(s, k, *words);
		break;
	case K_YESNO:
		add(s, k, yes < 0 ? s->value : yes ? "yes" : "no");
		break;
	case K_CHOWN:
		remember(s, k, yes_or_no(s) ? "--private-users-ownership=chown" : "--private-users-ownership=off");
		break;
	case K_NAMED:
		add(s, k, fmt("%s=%s", after(s->key, k->name), s->value));
		break;
	default:
		if (k->option)
			add(s, k, s->value);
		else
			remember(s, k, NULL);
	}
}

void
settings_take(struct settings *s, const struct key *k)
{
	if (!WITH_SETTINGS)
		return;
	if (!k->name) {
		skip(s, fmt("no key %s= is known in [%s]", shown(s->name), s->section));
		return;
	}
	if (!s->trusted && (k->how & K_TRUST || (k->how & K_GRANT && *s->value != '~'))) {
		skip(s, fmt("%s= counts only in a file below /etc/systemd/nspawn or /run/systemd/nspawn, "
		            "or with --settings=trusted", s->name));
		return;
	}
	/* that nothing shall be restricted is not for such a file to say */
	if (!s->trusted && k->how & K_KEEP && (!*s->value || parse_bool(s->value) == 0))
		return;
	if (!k->list || (k->how & K_FORM) == K_NAMED || !*s->value)
		forget(s);
	if ((k->how & K_FORM) == K_COMMAND)
		s->command = NULL;
	if (*s->value)
		take_value(s, k);
}

char **
settings_words(struct settings *s)
{
	char **words = NULL, **w;
	bool users = false;
	const struct setting *a;
	size_t i;

	if (!WITH_SETTINGS)
		return NULL;
	for (i = 0; i < s->nsaid; i++) {
		a = &s->said[i];
		users |= streq(a->key, "Exec.PrivateUsers");
	}
	if (s->start == START_BOOT || s->start == START_PID2)
		grow(&words, s->start == START_BOOT ? "--boot" : "--as-pid2");
	else if (s->start)
		grow(&words, "--boot=no");
	for (i = 0; i < s->nsaid; i++) {
		a = &s->said[i];
		if ((a->how & K_GROUP) == K_USERNS && !users)
			warn("%s: %s= counts only together with PrivateUsers=; skipped", s->path, strchr(a->key, '.') + 1);
		else if (a->word)
			grow(&words, a->word);
	}
	if (s->command && !s->start) {
		warn("%s: Parameters= counts only together with Boot= or ProcessTwo=; skipped", s->path);
	} else if (s->command) {
		grow(&words, "--");
		for (w = s->command; *w; w++)
			grow(&words, *w);
	}
	return words;
}

/* ---- one that is not read ---------------------------------------------------------- */

/* what the original would read by itself is named, not ignored in silence */
void
settings_look(const struct plan *p, struct run *r)
{
	const char *name = p->machine ? p->machine : store_derive_name(r->root);
	bool trusted;
	char *path;

	if (p->settings || !name)
		return;
	path = settings_find(name, r->root, &trusted);
	if (path)
		warn(WITH_SETTINGS ? "%s is not read; say --settings=yes or =override, or =no, which hushes this"
		                   : "%s is not read: this build reads none (WITH_SETTINGS)", path);
}
