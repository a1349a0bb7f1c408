/* SPDX-License-Identifier: 0BSD */
/* Options of verbs: as machinectl and importctl have them, they may stand anywhere among the words */
#include <stdlib.h>
#include <string.h>

#include "nspawn-lite.h"

#define FLAG(f)   A_FLAG, offsetof(struct ask, f), NULL
#define STR(f, arg)  A_STR, offsetof(struct ask, f), arg
#define LIST(f, arg) A_LIST, offsetof(struct ask, f), arg
#define WORD(f, words) A_WORD, offsetof(struct ask, f), words
#define IGNORED(arg) A_IGNORED, 0, arg
#define REFUSED(arg) A_REFUSED, 0, arg

enum { ASKED = WITH_MACHINES || WITH_IMAGES || WITH_LIMITS };  /* there are verbs with options */

#if WITH_HELP
#define H(text) text
#else
#define H(text) NULL
#endif

static const struct option {
	const char *name;
	char letter;
	enum { A_FLAG, A_STR, A_LIST, A_WORD, A_IGNORED, A_REFUSED } kind;
	size_t field;
	const char *arg;  /* what its argument is; of A_WORD its words */
	const char *help; /* NULL: not told */
} options[] = {
	{ "help",            'h', FLAG(help),                H("show this text") },
	{ "version",          0,  FLAG(version),             H("show the version") },
	{ "quiet",           'q', FLAG(quiet),               H("say nothing about our own doings") },
	{ "all",             'a', FLAG(all),                 H("hidden and empty too; start, stop, clean: all") },
	{ "full",            'l', FLAG(full),                H("shorten nothing") },
	{ "no-legend",        0,  FLAG(no_legend),           H("no header and no footer") },
	{ "output",          'o', STR(output, "MODE"),       H("table, json or json-pretty") },
	{ "json",             0,  WORD(json_mode, "off|short|pretty"), H("the same: off, short or pretty") },
	{ NULL,              'j', FLAG(json),                H("short for --output=json") },
	{ "property",        'p', LIST(property, "NAME"),    H("show only this one") },
	{ NULL,              'P', STR(only, "NAME"),         H("show only its value") },
	{ "value",            0,  FLAG(value),               H("values without NAME=") },
	{ "image-root",       0,  STR(image_root, "DIR"),    H("the images of DIR only") },
	{ "force",            0,  FLAG(force),               H("in place of what is there") },
	{ "replace",          0,  FLAG(replace),             H("the same, and keep that as NAME.old") },
	{ "read-only",        0,  FLAG(read_only),           H("make it read-only") },
	{ "copy",             0,  FLAG(copy),                H("clone: a copy that shares nothing") },
#if WITH_IMPORT
	{ "format",           0,  STR(format, "FORMAT"),     H("export: uncompressed, gzip, xz, bzip2 or zstd") },
	{ "level",            0,  STR(level, "N"),           H("export: of gzip, 1 (fast) to 9 (small)") },
#if WITH_PULL
	{ "verify",           0,  WORD(verify, "no|checksum|signature"), H("pull: what is checked (signature)") },
	{ "keep-download",    0,  WORD(keep_download, "yes|no"), H("pull: keep what was fetched, hidden, too") },
	{ NULL,              'N', FLAG(no_download),         H("--keep-download=no") },
#if WITH_OCI
	{ "platform",         0,  STR(platform, "ARCH"),     H("import-oci, pull-oci: such as arm/v7 (the host's)") },
	{ "dkr-index-url",    0,  STR(index_url, "URL"),     H("pull-oci: the registry of a REF that names none") },
#endif
#endif
	{ "progress",         0,  STR(progress, "yes|no|auto"), H("progress on stderr; auto: at a terminal") },
#endif
	{ "no-sync",          0,  FLAG(no_sync),             H("do not wait until all is on the disk") },
#if WITH_MACHINES
	{ "max-addresses",    0,  STR(max_addresses, "N|all"), H("list, status: at most so many addresses") },
	{ "lines",           'n', STR(lines, "N"),           H("the last N lines (status: 10)") },
	{ "follow",          'f', FLAG(follow),              H("logs: go on with what comes") },
	{ "signal",          's', STR(signal, "SIGNAL"),     H("kill: this one (TERM)") },
	{ "kill-whom",        0,  STR(kill_whom, "leader|all"), H("kill: PID 1, or all processes (all)") },
	{ "kill-who",         0,  STR(kill_whom, "leader|all"), NULL },
	{ "uid",              0,  STR(uid, "USER"),          H("shell, exec: as this user (root)") },
	{ "user",            'u', STR(uid, "USER"),          NULL },
	{ "setenv",          'E', LIST(setenv, "NAME[=VALUE]"), H("shell, exec: set a variable") },
	{ "chdir",            0,  STR(chdir, "PATH"),        H("exec: start in PATH") },
	{ "tty",             't', FLAG(tty),                 H("exec: with a terminal of the machine's own") },
	{ "mkdir",            0,  FLAG(mkdir),               H("bind: make the place") },
	{ "now",              0,  FLAG(now),                 H("enable, disable: start or stop it, too") },
#if WITH_SETTINGS
	{ "settings",         0,  STR(settings, "MODE"),     H("start: read .nspawn files") },
#endif
	{ "foreground",      'F', FLAG(foreground),          H("start: stay until it has ended") },
	{ "notify-fd",        0,  STR(notify_fd, "N"),       H("start -F: write a line to it when it is ready") },
	{ "no-block",         0,  FLAG(no_block),            H("stop: do not wait until it has ended") },
	{ "timeout",          0,  STR(timeout, "SECONDS"),   H("stop, wait: at most so long") },
#endif
	{ "runner",           0,  WORD(runner, "nspawn"),    NULL },
	{ "class",            0,  STR(class, "machine"),     H("machine is the only class there is") },
	{ NULL,              'm', IGNORED(NULL),             NULL },
	{ "no-pager",         0,  IGNORED(NULL),             NULL },
	{ "no-ask-password",  0,  IGNORED(NULL),             NULL },
	{ "system",           0,  IGNORED(NULL),             NULL },
	{ NULL,              'V', REFUSED(NULL),             "nspawn is the only runner" },
	{ "host",            'H', REFUSED("HOST"),           "log in there, and call it there" },
	{ "machine",         'M', REFUSED("NAME"),           "there is no manager inside to ask" },
};

const char *verb_called = "nspawn-lite";

_Noreturn void
verb_misuse(const char *text)
{
	if (*speaker)
		die("%s; %s --help lists all options", text, verb_called);
	die("%s: %s", verb_called, text);
}

const char *
verb_near(const char *dashes, const char *typed, const void *rows, size_t n, size_t size)
{
	const char *row = rows, *name, *near = NULL;
	size_t i, w, len, least = 3;

	/* what is between the letters at both ends that are the same */
	for (; WITH_HELP && *speaker && n--; row += size) {
		name = *(const char *const *)(const void *)row;
		w = strcspn(typed, "=");
		if (!name || *name < 'a' || w < 3)
			continue;
		for (i = 0; name[i] && typed[i] == name[i]; i++)
			;
		len = strlen(name);
		for (; w > i && len > i && typed[w - 1] == name[len - 1]; w--)
			len--;
		w = (w > len ? w : len) - i;
		if (w < least) {
			least = w;
			near = name;
		}
	}
	return near ? fmt(", %s%s is one", dashes, near) : "";
}

static const struct option *
find(const char *name, size_t len)
{
	const struct option *found = NULL;
	size_t i;

	for (i = 0; i < LEN(options); i++) {
		if (!options[i].name || strncmp(options[i].name, name, len) != 0)
			continue;
		if (strlen(options[i].name) == len)
			return &options[i];
		if (found)
			verb_misuse(fmt("option '--%.*s' is ambiguous; possibilities: '--%s' '--%s'", (int)len, name, found->name,
			           options[i].name));
		found = &options[i];
	}
	if (!found)
		verb_misuse(fmt("unrecognized option '--%s'%s", name, verb_near("--", name, options, LEN(options), sizeof(*options))));
	return found;
}

static const struct option *
find_letter(char c)
{
	size_t i;

	for (i = 0; i < LEN(options); i++)
		if (options[i].letter == c)
			return &options[i];
	verb_misuse(fmt("invalid option -- '%c'", c));
}

static bool
takes_argument(const struct option *o)
{
	return o->kind != A_FLAG && o->arg;
}

static void
set(struct ask *a, const struct option *o, char *value)
{
	char *field = (char *)a + o->field;
	int i;

	switch (o->kind) {
	case A_FLAG:
		*(bool *)field = true;
		break;
	case A_STR:
		*(char **)(void *)field = value;
		break;
	case A_LIST:
		grow((char ***)(void *)field, value);
		break;
	case A_WORD:
		i = word_index(o->arg, value);
		if (i < 0 && parse_bool(value) >= 0)
			i = word_index(o->arg, parse_bool(value) ? "yes" : "no");
		if (i < 0)
			die("--%s=%s: not one of: %s", o->name, value, o->arg);
		*(int *)(void *)field = i + 1;
		break;
	case A_IGNORED:
		break;
	case A_REFUSED:
		die("%s%s: %s", o->name ? "--" : "-", o->name ? o->name : (char[]){ o->letter, 0 }, o->help);
	}
}

static void
parse_long(struct ask *a, char ***words)
{
	char *word = **words + 2, *value;
	size_t len = strcspn(word, "=");
	const struct option *o = find(word, len);

	value = word[len] ? word + len + 1 : NULL;
	if (!*speaker && !value && streq(o->name, "user"))  /* as the original has it since 259; --uid is the other */
		die("--user: there is one manager only, the system's");
	if (value && !takes_argument(o))
		verb_misuse(fmt("option '--%s' doesn't allow an argument", o->name));
	if (!value && takes_argument(o)) {
		value = *++*words;
		if (!value)
			verb_misuse(fmt("option '--%s' requires an argument", o->name));
	}
	set(a, o, value);
}

static void
parse_short(struct ask *a, char ***words)
{
	char *c = **words + 1, *value;
	const struct option *o;

	for (; *c; c++) {
		if (streq(verb_called, "importctl") && strchr("PSC", *c))
			die("--class=%s: there are images of machines only", (char[]){ *c, 0 });
		o = find_letter(*c);
		if (!takes_argument(o)) {
			set(a, o, NULL);
			continue;
		}
		value = c[1] ? c + 1 : *++*words;
		if (!value)
			verb_misuse(fmt("option requires an argument -- '%c'", *c));
		set(a, o, value);
		return;
	}
}

void
ask_parse(struct ask *a, char **words, bool front)
{
	if (!ASKED)
		return;
	a->words = xalloc(4 * sizeof(*a->words));  /* as grow begins one */
	for (; *words; words++) {
		if (front && (**words != '-' || !(*words)[1] || streq(*words, "--"))) {
			for (words += streq(*words, "--"); *words; words++)
				grow(&a->words, *words);
			break;
		}
		if (streq(*words, "--")) {
			while (*++words)
				grow(&a->words, *words);
			break;
		}
		if (**words != '-' || !(*words)[1] || (*words)[1] == ':')  /* -:TAG: standard input */
			grow(&a->words, *words);
		else if ((*words)[1] == '-')
			parse_long(a, &words);
		else
			parse_short(a, &words);
	}
	if (a->only) {
		grow(&a->property, a->only);
		a->value = true;
	}
	if (a->no_download)
		a->keep_download = NO;
	if (a->class && !streq(a->class, "machine"))
		die("--class=%s: there are images of machines only", a->class);
	if (a->image_root && !*a->image_root)
		die("--image-root=: an empty value says nothing; leave the option out");
	ask_output(a);
}

int
ask_output(const struct ask *a)
{
	if (!ASKED)
		return -1;
	/* and those of journalctl(1), which say nothing of a table */
	static const char modes[] = "table|json|json-pretty|short|short-full|short-iso|short-iso-precise|short-precise|"
	                            "short-monotonic|short-delta|short-unix|verbose|export|cat|with-unit|json-sse|json-seq";
	int mode = a->output ? word_index(modes, a->output) : OUT_TABLE;

	if (mode < 0 && streq(a->output, "help")) {
		print(1, "%s\n", modes);
		exit(0);
	}
	if (mode < 0)
		die("--output=%s: not one of: table json json-pretty", a->output);
	if (mode > OUT_JSON_PRETTY)
		mode = after(a->output, "json") ? OUT_JSON : OUT_TABLE;
	if (a->json || a->json_mode == 2)
		mode = OUT_JSON;
	return a->json_mode == 3 ? OUT_JSON_PRETTY : mode;
}

/* ---- what the table says of itself ------------------------------------- */

/* as many words in a line as a terminal of 80 columns has room for */
void
verb_help_row(const char *left, const char *help)
{
	int n;

	print(1, strlen(left) > 34 ? "%s\n%34s" : "%-34s%s", left, "");
	for (;; help += n + 1) {
		n = (int)strlen(help);
		while (WITH_HELP && n > 45)
			while (help[--n] != ' ') ;
		print(1, " %.*s\n", n, help);
		if (!help[n])
			break;
		print(1, "%34s", "");
	}
}

void
ask_help(void)
{
	const struct option *o;
	char *left;

	if (!ASKED)
		return;
	for (o = options; o < options + LEN(options); o++) {
		if (!o->help)
			continue;
		left = fmt("  %s%s%s%s", o->letter ? (char[]){ '-', o->letter, ' ', 0 } : "   ", o->name ? "--" : "",
		           o->name ? o->name : "", takes_argument(o) ? fmt("%s%s", o->name ? "=" : "", o->arg) : "");
		verb_help_row(left, o->kind == A_REFUSED ? fmt("refused: %s", o->help) : o->help);
	}
}

void
ask_completion(void)
{
	const struct option *o;

	if (!ASKED)
		return;
	for (o = options; o < options + LEN(options); o++)
		if (o->help) {
			if (o->letter)
				print(1, "-%c\n", o->letter);
			if (o->name)
				print(1, "--%s%s\n", o->name, takes_argument(o) ? "=" : "");
		}
}

/* the list of options of the manual, in mdoc(7) */
void
ask_manual(void)
{
	const struct option *o;

	if (!ASKED)
		return;
	print(1, ".Ss Options of verbs\n.Bl -tag -width indent\n");
	for (o = options; o < options + LEN(options); o++) {
		if (!o->help)
			continue;
		print(1, ".It");
		if (o->letter)
			print(1, " Fl %c%s", o->letter, o->name ? " ," : "");
		if (o->name)
			print(1, " Fl \\-%s", o->name);
		if (takes_argument(o))
			print(1, "%s Ar %s", o->name ? " Ns =" " Ns" : "", o->arg);
		print(1, "\n%s%s.\n", o->kind == A_REFUSED ? "refused: " : "", o->help);
	}
	print(1, ".El\n");
}
