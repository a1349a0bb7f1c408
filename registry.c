/* SPDX-License-Identifier: 0BSD */
/* Verbs that pull from registries, as the OCI distribution-spec has them, and the token flow of docker's */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nspawn-lite.h"

enum {
	NAME_MOST = 255, TAG_MOST = 128,
	TOKEN_MOST = 1 << 15, ERROR_MOST = 1 << 12, LOGINS_MOST = 1 << 18,
	PLACES_MOST = 8,
	BREAKS = 100,  /* so often a blob is gone on with that fetch.c has given up */
	BUSY_TRIES = 4, BUSY_SECONDS = 300,  /* of one question; of all: so long who is busy is waited for */
};

#define ACCEPT \
	"Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " \
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"

static const struct { const char *name, *places[PLACES_MOST + 1]; } registries[] = { REGISTRIES };

/* a server that has it */
struct place {
	const char *server;   /* "registry.lan:5000" */
	char *base;           /* "http://registry.lan:5000/v2/" and what stands in front of names there */
	const char *url;      /* its beginning, up to there: "http://registry.lan:5000" */
	const char *login;    /* "name:password" as a URL has it; NULL: what the files of logins say */
	char *authorization;  /* the header that it has taken, or takes next; NULL: none yet */
};

/* there is one pull at a time */
static struct {
	struct transfer transfer;
	struct oci_from from;
	const char *registry, *path;  /* "docker.io", "library/redis" */
	const char *what;     /* a tag, or a digest */
	char *ref;            /* all of it, for messages */
	struct place place[PLACES_MOST];
	size_t nplaces, at;   /* at: the one that is asked */
	bool others;          /* there are more to be asked */
	int64_t waited;       /* seconds, for those that were busy */
} pull;

struct blob { const char *path; char *headers[3]; uint64_t broke; int breaks; struct fetch fetch; };

static _Noreturn void
fail(const char *why)
{
	transfer_fail(pull.ref, why);
}

/* ---- REF --------------------------------------------------------------------------------- */

/* nothing but small letters, digits and these; A stands for capitals */
static bool
fits(const char *s, const char *more, size_t most)
{
	const char *c;

	for (c = s; *c && ((*c >= '0' && *c <= '9') || strchr(more, *c >= 'A' && *c <= 'Z' ? 'A' : *c) || (*c >= 'a' && *c <= 'z')); c++)
		;
	return c > s && !*c && (size_t)(c - s) <= most;
}

static bool
path_valid(const char *path)
{
	static const char separators[] = "._-/";
	const char *c;

	if (!fits(path, separators, NAME_MOST) || strchr(separators, *path) || strchr(separators, path[strlen(path) - 1]))
		return false;
	/* at both ends of each part stand letters or digits */
	for (c = path; (c = strchr(c, '/')); c++)
		if (strchr(separators, c[-1]) || strchr(separators, c[1]))
			return false;
	return true;
}

/* its server is this machine */
static bool
is_here(const char *server)
{
	size_t n = strspn(server, "0123456789.");

	return (after(server, "127.") && (!server[n] || server[n] == ':')) || after(server, "[::1]") || streq(server, "localhost")
	    || after(server, "localhost:");
}

/* what stands before an @, which goes; NULL: nothing does */
static const char *
cut_login(const char **at, size_t *n)
{
	const char *c = *at + *n, *begin = *at;

	while (c > begin && c[-1] != '@')
		c--;
	*n -= (size_t)(c - begin);
	*at = c;
	return c > begin ? xstrndup(begin, (size_t)((c - begin) - 1)) : NULL;
}

static void
add_place(const char *url)
{
	struct place *p = &pull.place[pull.nplaces++];
	const char *rest = strstr(url, "://");
	size_t n, len;

	if (!fetch_valid(url) || !after(url, "http") || strpbrk(url, "?#"))
		die("REGISTRIES of config.h: %s: no URL of http or https", url);
	rest += 3;
	n = strcspn(rest, "/");
	p->login = cut_login(&rest, &n);
	p->server = xstrndup(rest, n);
	for (len = strlen(rest); len > n && rest[len - 1] == '/'; len--)
		;
	p->url = fmt("%.*s%s", (int)(strstr(url, "://") + 3 - url), url, p->server);
	p->base = fmt("%s/v2%.*s/", p->url, (int)(len - n), rest + n);
}

static void
find_places(const char *scheme, const char *server, const char *login)
{
	const char *const *url;
	size_t i;

	for (i = 0; i < LEN(registries) && !streq(scheme, "http"); i++)
		for (url = registries[i].places; streq(registries[i].name, server) && *url; url++)
			add_place(*url);
	if (!pull.nplaces)
		add_place(fmt("%s://%s", scheme ? scheme : is_here(server) ? "http" : "https", server));
	if (login)
		pull.place[pull.nplaces - 1].login = login;
}

/* index: --dkr-index-url, or NULL */
static ALONE void
take_ref(const char *word, const char *index)
{
	const char *rest = strstr(word, "://"), *scheme = rest ? xstrndup(word, (size_t)(rest - word)) : NULL, *login, *c, *digest, *tag;
	size_t n;

	if (scheme && word_index("http|https|docker", scheme) < 0)
		scheme = NULL;
	rest = scheme ? rest + 3 : word;
	n = strcspn(rest, "/");
	login = rest[n] ? cut_login(&rest, &n) : NULL;
	if (login)
		word = rest;  /* no message has it */
	if (rest[n] && (scheme || login || memchr(rest, '.', n) || memchr(rest, ':', n) || after(rest, "localhost/")))
		pull.registry = xstrndup(rest, n);
	if (index && pull.registry)
		die("--dkr-index-url: '%s' names its registry itself", word);
	if (index && !after(index, "http://") && !after(index, "https://"))
		die("--dkr-index-url: no URL of http or https");
	if (index) {
		take_ref(fmt("%s%s%s", index, index[strlen(index) - 1] == '/' ? "" : "/", word), NULL);
		return;
	}
	rest += pull.registry ? n + 1 : 0;
	n = strcspn(rest, ":@");
	pull.path = xstrndup(rest, n);
	c = rest + n;
	digest = strchr(c, '@');
	tag = *c == ':' ? xstrndup(c + 1, strcspn(c + 1, "@")) : digest ? NULL : "latest";
	if (!path_valid(pull.path) || (tag && (!fits(tag, "A._-", TAG_MOST) || strchr(".-", *tag)))
	    || (digest && !oci_is_digest(digest + 1))
	    || (scheme && !pull.registry) || (pull.registry && !fetch_valid(fmt("http://%s", pull.registry))))
		die("'%s' is no image of a registry: say [REGISTRY/]NAME[:TAG][@sha256:DIGEST], NAME in small letters", word);
	if (!pull.registry)
		pull.registry = REGISTRY;
	if (streq(pull.registry, "index.docker.io"))
		pull.registry = "docker.io";
	find_places(streq(scheme, "docker") ? NULL : scheme, pull.registry, login);
	if (streq(pull.registry, "docker.io") && !strchr(pull.path, '/'))
		pull.path = fmt("library/%s", pull.path);
	pull.ref = fmt("%s/%s%s%s%s", pull.registry, pull.path, tag ? ":" : "", tag ? tag : "", digest ? digest : "");
	pull.what = digest ? digest + 1 : tag;
}

/* ---- logins and tokens ------------------------------------------------------------------------- */

static const char *helped;  /* what a file of logins has in place of one that is of use */

/* how much of "registry.lan/team/app" a key of such a file speaks of, if there is one; docker's are URLs, and speak of all of a registry */
static size_t
covers(const char *key, const char *what)
{
	const char *url = key ? strstr(key, "://") : NULL;
	size_t n = url ? strcspn(url + 3, "/") : key ? strlen(key) : 0;

	return n && strncmp(url ? url + 3 : key, what, n) == 0 && (!what[n] || what[n] == '/') ? n : 0;
}

/* what covers most of it; NULL: there is none */
static const char *
find_auth(const struct json *all, const char *what, const char *file)
{
	const struct json *j;
	const char *auth, *best = NULL;
	size_t most = 0, n;

	for (j = json_first(all, "auths"); j; j = j->next) {
		n = covers(j->name, what);
		auth = json_string(j, "auth");
		if (n && json_string(j, "identitytoken"))
			helped = fmt("%s has a token of identity for it, which is not taken", file);
		else if (n > most && auth && *auth && fits(auth, "A+/=", TOKEN_MOST)) {
			best = auth;
			most = n;
		}
	}
	for (j = json_first(all, "credHelpers"); j; j = j->next)
		if (covers(j->name, what))
			break;
	if (j || json_get(all, "credsStore"))
		helped = fmt("%s leaves it to a helper, which is not called", file);
	return best;
}

/* a header out of the files of logins; NULL: they know of none */
static char *
look_up_login(const struct place *p)
{
	static const char *const files[] = { REGISTRY_LOGINS };
	/* mirrors have logins of their own */
	bool itself = p == &pull.place[pull.nplaces - 1];
	const char *const whats[] = {
		itself ? fmt("%s/%s", pull.registry, pull.path) : "",
		itself && streq(pull.registry, "docker.io") ? "index.docker.io" : "",
		fmt("%s/%s%s", p->server, p->base + strlen(p->url) + sizeof("/v2/") - 1, pull.path),
	};
	const struct json *all;
	const char *auth, *why, *file;
	char *text;
	ssize_t len;
	size_t i, j;

	for (i = 0; i < LEN(files); i++) {
		file = run_path(files[i]);
		text = malloc(LOGINS_MOST);
		len = text ? read_at(AT_FDCWD, file, text, LOGINS_MOST) : -1;
		if (len < 0) {
			free(text);
			continue;
		}
		all = json_parse(text, (size_t)len, &why);
		if (!all)
			warn("%s: %s", file, why);
		for (j = 0; j < LEN(whats); j++)
			if ((auth = find_auth(all, whats[j], file)))
				return fmt("Authorization: Basic %s", auth);
	}
	return NULL;
}

/* what a challenge of a scheme says under a name, "" of the scheme itself; NULL: nothing */
static const char *
challenge(const char *s, const char *scheme, const char *name)
{
	char *value = xalloc(strlen(s) + 1), *to;
	const char *word;
	bool ours = false;
	size_t n;

	while (*(s += strspn(s, ", \t"))) {
		word = s;
		n = strcspn(s, "=, \t");
		s += n;
		if (*s != '=') {
			ours = n == strlen(scheme) && strncasecmp(word, scheme, n) == 0;
			if (ours && !*name)
				return "";
			continue;
		}
		to = value;
		if (*++s == '"') {
			for (s++; *s && *s != '"'; *to++ = *s++)
				s += *s == '\\' && s[1];
			s += *s == '"';
		} else {
			while (*s && !strchr(", \t", *s))
				*to++ = *s++;
		}
		*to = 0;
		if (ours && n == strlen(name) && strncasecmp(word, name, n) == 0)
			return value;
	}
	return NULL;
}

/* for a query */
static char *
encode(const char *s)
{
	char *out = xalloc(strlen(s) * 3 + 1), *to = out;

	for (; *s; s++)
		if (name_char(*s) || strchr(".~:/", *s)) {
			*to++ = *s;
		} else {
			to += sprintf(to, "%%%02X", (unsigned char)*s);
		}
	return out;
}

/* fetch_open; a server that is too busy is asked again when it wants to be, if there is no other */
static int
ask(struct fetch *f)
{
	int64_t seconds;
	int tries;

	for (tries = 0; ; tries++) {
		if (fetch_open(f) < 0)
			return -1;
		seconds = fetch_again(f);
		if (seconds <= 0)
			seconds = 1 << tries;
		if ((f->status != 429 && f->status != 503) || pull.others || tries == BUSY_TRIES || seconds > BUSY_SECONDS - pull.waited)
			return 0;
		pull.waited += seconds;
		/* behind ? there may be a secret */
		transfer_say(&pull.transfer, "%.*s says %d: it is asked again in %d seconds.", (int)strcspn(f->url, "?"), f->url, f->status,
		             (int)seconds);
		fetch_close(f);
		fetch_pause(seconds);
	}
}

/* why it did not give what was asked for: its own words, if it has any */
static const char *
refusal(struct fetch *f)
{
	static char text[ERROR_MOST];
	ssize_t len = fetch_text(f, text, sizeof(text), &f->why);
	const char *said = json_string(json_first(len < 0 ? NULL : json_parse(text, (size_t)len, &f->why), "errors"), "message");
	long long seconds = fetch_again(f);

	return fmt("the server says %d%s%s%s", f->status, said && *said ? ": " : "", said ? table_plain(said, strlen(said)) : "",
	           seconds > 0 ? fmt("; it wants to be asked again in %lld seconds", seconds) : "");
}

static bool
same_host(const char *a, const char *b)
{
	size_t n = *a == '[' ? strcspn(a, "]") + 1 : strcspn(a, ":/?#");

	return strncasecmp(a, b, n) == 0 && (!b[n] || strchr(":/?#", b[n]));
}

/* from the server that the registry trusts; NULL: *why */
static char *
get_token(const struct place *p, const char *asks, char *login, const char **why)
{
	const char *realm = challenge(asks, "Bearer", "realm"), *service = challenge(asks, "Bearer", "service");
	const char *scope = challenge(asks, "Bearer", "scope"), *rest = realm ? strstr(realm, "://") : NULL, *token = NULL;
	bool safe = realm && strncasecmp(realm, "https:", 6) == 0;
	static char text[TOKEN_MOST + 1];
	char *header = NULL;
	struct fetch f = { .headers = (char *[]){ login, NULL } };
	const struct json *all;
	ssize_t len = -1;

	if (!rest || !fetch_valid(realm) || strncasecmp(realm, "http", 4) != 0 || memchr(rest, '@', strcspn(rest + 3, "/?#") + 3))
		*why = "it names no server that gives the token it wants";
	else if (!safe && (after(p->base, "https:") || (login && !same_host(rest + 3, p->server))))
		*why = fmt("it leads to another server for a token, by http, which nobody protects: %s", realm);
	if (*why)
		return NULL;
	f.url = fmt("%.*s%c%sscope=%s", (int)strcspn(realm, "#"), realm, strchr(realm, '?') ? '&' : '?',
	            service ? fmt("service=%s&", encode(service)) : "", encode(scope ? scope : fmt("repository:%s:pull", pull.path)));
	say("%s: a token from %s", pull.ref, realm);
	if (ask(&f) < 0)
		*why = f.why;
	else if (f.status != 200)
		*why = fmt("%s%s", refusal(&f), f.status == 401 && login ? "; the name or the password is wrong" : "");
	else
		len = fetch_text(&f, text, sizeof(text), why);
	if (len >= 0 && (all = json_parse(text, (size_t)len, why))) {
		token = json_string(all, "token");
		if (!token)
			token = json_string(all, "access_token");
		if (token && *token && utf8_clean(token) && !strpbrk(token, " \t"))
			header = fmt("Authorization: Bearer %s", token);
		else
			*why = "there is no token in its answer";
	}
	if (!header)
		*why = fmt("%s: %s", realm, *why);
	fetch_close(&f);
	return header;
}

/* where it was asked last, and not where that leads to */
static bool
is_at(const struct place *p, const char *url)
{
	const char *rest = after(url, p->url);

	return rest && (!*rest || strchr("/?#", *rest));
}

/* it said 401: the header that makes it say something else; NULL: *why. away: it is another server, which gets no login */
static ALONE char *
authorize(const struct place *p, const struct fetch *f, bool away, bool again, const char **why)
{
	char *login = away ? NULL : p->login ? fetch_basic(p->login) : look_up_login(p);
	const char *asks = f->authenticate;

	if (!asks || !*asks || strlen(asks) > ERROR_MOST)
		*why = asks && !*asks ? "it wants a login: only curl and GNU wget tell what kind of" : "it does not say what kind of login it wants";
	else if (challenge(asks, "Bearer", "") && again)
		*why = "it does not take the token that it wanted";
	else if (challenge(asks, "Bearer", ""))
		return get_token(p, asks, login, why);
	else if (!challenge(asks, "Basic", ""))
		*why = "it wants a login that is neither Basic nor Bearer";
	else if (away)
		*why = fmt("it leads to %.*s, which wants a login", (int)strcspn(f->final_url, "?"), f->final_url);
	else if (!login)
		*why = fmt("it wants a login: say NAME:PASSWORD@%s/..., or log in by podman, skopeo or docker%s", p->server,
		           helped ? fmt("; %s", helped) : "");
	else if (again)
		*why = "the name or the password is wrong";
	return *why ? NULL : login;
}

/* ---- asking ------------------------------------------------------------------------------------ */

/* 0: its answer of 200 or 206 is open; -1: f->why */
static ALONE int
ask_place(struct place *p, struct fetch *f, char *headers[3], const char *path, uint64_t from)
{
	const char *why = NULL, *url = fmt("%s%s/%s", p->base, pull.path, path);
	bool manifest = after(path, "manifests/"), asked[2] = { false, false }, away;
	char *foreign = NULL, *header;

	for (;;) {
		header = foreign ? foreign : p->authorization;
		headers[0] = manifest ? ACCEPT : header;
		headers[1] = manifest ? header : NULL;
		*f = (struct fetch){ .url = url, .headers = headers, .from = from };
		if (ask(f) < 0)
			return -1;
		if (f->status == 200 || (f->status == 206 && from))
			return 0;
		away = !is_at(p, f->final_url);
		if (f->status != 401 || halted)
			why = refusal(f);
		else
			header = authorize(p, f, away, asked[away], &why);
		/* a registry may be nothing but a name of another one, which gives tokens to everybody */
		asked[away] = true;
		if (away) {
			foreign = header;
			url = f->final_url;
		} else {
			p->authorization = header;
		}
		fetch_close(f);
		if (why) {
			f->why = why;
			return -1;
		}
	}
}

/* the same of the first that can, from the one on that was asked last */
static int
ask_any(struct fetch *f, char *headers[3], const char *path, uint64_t from)
{
	size_t tried;

	for (tried = 1; ; tried++) {
		pull.others = tried < pull.nplaces;
		if (ask_place(&pull.place[pull.at], f, headers, path, from) == 0)
			return 0;
		if (halted || !pull.others)
			break;
		warn("%s: %s; the next is asked", pull.place[pull.at].base, f->why);
		pull.at = (pull.at + 1) % pull.nplaces;
	}
	return -1;
}

/* ---- blobs --------------------------------------------------------------------------------------- */

static int
open_at(struct blob *o, uint64_t from)
{
	struct fetch *f = &o->fetch;
	uint64_t left = from;
	char buf[4096];
	ssize_t n = 1;

	if (ask_any(f, o->headers, o->path, from) < 0)
		return -1;
	for (; f->status == 200 && left > 0 && n > 0 && !halted; left -= (uint64_t)n)
		n = f->body.read(&f->body, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf));
	f->why = n == 0 ? "it has less of it than came before" : f->body.why;
	return n <= 0 || halted ? -1 : 0;
}

static ssize_t
read_blob(struct source *s, void *buf, size_t size)
{
	struct blob *o = s->arg;
	struct fetch *f = &o->fetch;
	ssize_t n;

	for (;;) {
		n = f->body.read(&f->body, buf, size);
		if (n >= 0 || halted)
			break;
		/* a token has become too old, or it is another server's turn: the digest says whether it is the same */
		s->why = f->body.why;
		if (s->taken == o->broke || o->breaks++ == BREAKS)
			break;
		o->broke = s->taken;
		pull.at = (pull.at + 1) % pull.nplaces;
		say("%s: %s: %s: go on there", pull.ref, o->path, s->why);
		fetch_close(f);
		if (open_at(o, s->taken) < 0) {
			s->why = f->why;
			break;
		}
	}
	if (n < 0 && halted)
		s->why = "it was interrupted";
	if (n < 0) {
		errno = halted ? EINTR : EIO;
		return -1;
	}
	s->taken += (uint64_t)n;
	return n;
}

static int
open_blob(struct oci_from *from, const struct oci_blob *b, struct source *s)
{
	struct blob *o = xalloc(sizeof(*o));
	bool manifest = strstr(b->type, ".manifest.") || strstr(b->type, ".index.");

	o->path = fmt("%s/%s", manifest ? "manifests" : "blobs", b->digest);
	if (open_at(o, 0) < 0) {
		from->why = o->fetch.why;
		fetch_close(&o->fetch);
		return -1;
	}
	*s = (struct source){ .read = read_blob, .fd = -1, .arg = o };
	return 0;
}

static void
close_blob(struct oci_from *from, struct source *s)
{
	struct blob *o = s->arg;

	(void)from;
	fetch_close(&o->fetch);
}

/* a place that has wrong bytes is not asked again, if there is a better one */
static bool
ask_next(struct oci_from *from, const char *why)
{
	static size_t wrong;

	(void)from;
	if (++wrong >= pull.nplaces)
		return false;
	warn("%s: %s; the next is asked", pull.place[pull.at].base, why);
	pull.at = (pull.at + 1) % pull.nplaces;
	return true;
}

/* ---- the image ------------------------------------------------------------------------------------- */

/* the manifest or index; its type, as its server says */
static char *
get_manifest(size_t *len, char **type)
{
	struct fetch f;
	const char *why;
	char *text = xalloc(OCI_TEXT_MOST + 1), digest[OCI_DIGEST], *headers[3];
	ssize_t n;

	for (;;) {
		if (ask_any(&f, headers, fmt("manifests/%s", pull.what), 0) < 0)
			fail(f.why);
		n = fetch_text(&f, text, OCI_TEXT_MOST + 1, &why);
		if (n < 0)
			fail(fmt("its manifest: %s", why));
		*len = (size_t)n;
		sha256_text(text, *len, digest);
		*type = f.type ? xstrndup(f.type, strcspn(f.type, "; ")) : NULL;
		if ((!strchr(pull.what, ':') || streq(pull.what, digest))
		    && (!f.docker_digest || !after(f.docker_digest, "sha256:") || streq(f.docker_digest, digest)))
			break;
		if (!ask_next(&pull.from, "SHA256 checksum of its manifest is wrong"))
			die("DOWNLOAD INVALID: %s: SHA256 checksum of its manifest is wrong.", pull.ref);
		fetch_close(&f);
	}
	fetch_close(&f);
	return text;
}

int
registry_pull(struct ask *a)
{
	char *text, *type, *c, *word = a->words[0];
	const char *name = a->words[1];
	struct image old;
	size_t len;

	take_ref(xstrdup(word), a->index_url ? xstrdup(a->index_url) : NULL);
	/* for those who look at our arguments */
	for (; word; word = word == a->words[0] ? a->index_url : NULL) {
		c = strstr(word, "://") ? strstr(word, "://") + 3 : word;
		for (len = strcspn(c, "/"); (c[len] || c > word) && memchr(c, '@', len); len--)
			*c++ = '*';
	}
	if (a->verify == VERIFY_SIGNATURE)
		die("--verify=signature: images of registries have none that we know; their digests are always checked");
	if (!name)
		name = strrchr(pull.path, '/') ? strrchr(pull.path, '/') + 1 : pull.path;
	transfer_check_name(name);
	/* one of the same is found out later */
	if (!a->force && !a->replace && store_find(a->image_root, name, &old) && !preset_has(&old))
		store_taken(name);
	store_sweep(a->image_root, false);
	pull.transfer.verb = "Got";
	pull.transfer.of = fmt(" of %s", pull.ref);
	transfer_begin(&pull.transfer, a, a->verb, name, pull.ref);
	transfer_say(&pull.transfer, "Pulling '%s', saving as '%s'.", pull.ref, name);
	text = get_manifest(&len, &type);
	pull.from = (struct oci_from){ .name = pull.ref, .open = open_blob, .close = close_blob, .next = ask_next };
	if (oci_take(a, &pull.transfer, &pull.from, type, text, len, name))
		transfer_say(&pull.transfer, "Created new local image '%s'.", name);
	transfer_end(&pull.transfer);
	return 0;
}
