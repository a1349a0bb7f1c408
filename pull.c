/* SPDX-License-Identifier: 0BSD */
/* Verbs that pull: an image from a server, checked before it is there */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "nspawn-lite.h"

enum {
	SMALL_MOST = 1 << 20,  /* bytes of lists, signatures and what belongs to an image */
	NAME_LONG = 240,       /* bytes of a path that are too many for a URL in it: as in the original */
	URL_MOST = 8192,
};

#define XATTR_ETAG     "user.source_etag"
#define XATTR_URL      "user.source_url"
#define XATTR_VERIFIED "user.source_verified"  /* ours: how it was checked when it came */

/* a file that belongs to an image */
struct beside { const char *suffix; char *data; size_t len; };

/* there is one pull at a time; what is called back, and at the end, finds it here */
static struct {
	struct transfer transfer;
	struct making copy, local;
	struct fetch fetch;
	struct source body;   /* what passes is added to sum */
	struct sha256 sum;
	const struct ask *ask;
	const char *url, *name;  /* name: NULL: only the hidden copy */
	bool raw, keep, own_list, drained;
	int verify;
	char *list;           /* of sums; NULL: none is needed */
	uint8_t digest[32];
	struct beside beside[4];
	size_t nbeside;
} pull;

static _Noreturn void
fail(const char *url, const char *why)
{
	transfer_fail(url, why ? why : "it failed");
}

/* URL without what is behind its last file's name, and with the name changed: up to its end, or all of it */
static char *
change_url(const char *url, const char *name, const char *suffix)
{
	size_t n = strcspn(url, "?#"), dir = n;

	while (dir > 0 && url[dir - 1] != '/')
		dir--;
	if (name)
		return fmt("%.*s%s%s", (int)dir, url, name, suffix);
	return fmt("%.*s%s", (int)n, url, suffix);
}

static char *
last_name(const char *url)
{
	return change_url(url, NULL, "") + strlen(change_url(url, "", ""));
}

/* a small file, or NULL if there is none; *len may be NULL */
static char *
get(const char *url, size_t *len)
{
	const char *why;
	int status;
	char *buf = malloc(SMALL_MOST + 1);
	ssize_t n;

	if (!buf)
		die("%s: out of memory", url);
	n = fetch_small(url, buf, SMALL_MOST + 1, &status, &why);
	if (halted || (n < 0 && (status < 400 || status >= 500 || status == 408 || status == 429)))
		fail(url, why);
	if (n < 0 || disk_alien((uint8_t *)buf, (size_t)n, ~0)) {
		if (n >= 0 && !len)
			warn("%s: left out, for what came is a web page", url);
		free(buf);
		return NULL;
	}
	if (len)
		*len = (size_t)n;
	else if (memchr(buf, 0, (size_t)n))
		fail(url, "it is no text");
	return buf;
}

static char *
find_keyring(void)
{
	static const char *const paths[] = { KEYRINGS };
	char *path;
	size_t i;

	for (i = 0; i < LEN(paths); i++) {
		path = run_path(paths[i]);
		if (access(path, R_OK) == 0)
			return path;
	}
	die("--verify=signature: there are no keys in %s; put some there, or say --verify=checksum, which trusts the server",
	    run_path(paths[0]));
}

/* false: there is no signature of this list */
static bool
check_signature(const char *url, char *list)
{
	static const char *const ends[] = { ".gpg", ".asc" };
	const char *why = NULL;
	char *said = NULL, *signature = NULL, *keyring = find_keyring(), *line;
	size_t len = 0, i;
	int ret;

	for (i = 0; i < LEN(ends) && !signature && !sums_signed(list); i++)
		signature = get(fmt("%s%s", url, ends[i]), &len);
	if (!signature && !sums_signed(list))
		return false;
	ret = sums_verify(list, signature, len, keyring, &why, &said);
	free(signature);
	if (halted)
		fail(url, NULL);
	if (ret < 0)
		die("--verify=signature: %s: %s; --verify=checksum goes on without, and trusts the server", url, why);
	while (ret && said && (line = next_line(&said)))
		if (*line)
			warn("%s", line);
	if (ret)
		die("DOWNLOAD INVALID: Signature verification failed.");
	return true;
}

/* what the image must be: before any of it is fetched, so that nothing is fetched in vain */
static void
get_sums(void)
{
	const char *name = last_name(pull.url);
	char *urls[] = { change_url(pull.url, NULL, ".sha256"), change_url(pull.url, "SHA256SUMS", "") }, *list;
	bool any = false;
	int i;

	for (i = 0; i < 2; i++) {
		list = get(urls[i], NULL);
		if (!list)
			continue;
		any = true;
		if (pull.verify == VERIFY_SIGNATURE && !check_signature(urls[i], list)) {
			free(list);
			continue;
		}
		if (!sums_find(list, name, pull.digest) && (i > 0 || !sums_find(list, NULL, pull.digest)))
			die("DOWNLOAD INVALID: %s has no SHA256 checksum of %s.", urls[i], name);
		pull.list = list;
		return;
	}
	if (any)
		die("Failed to retrieve signature of SHA256 checksum, cannot verify. (Try --verify=checksum?)");
	die("Failed to retrieve SHA256 checksum, cannot verify. (Try --verify=no?)");
}

static bool
sum_is(const char *data, size_t len, const uint8_t want[32])
{
	struct sha256 s;
	uint8_t digest[32];

	sha256_begin(&s);
	sha256_add(&s, data, len);
	sha256_end(&s, digest);
	return memcmp(digest, want, 32) == 0;
}

/* what lies beside the image there; nothing is fine */
static void
get_beside(void)
{
	static const char *const suffixes[] = { ".nspawn", ".roothash", ".roothash.p7s", ".verity" };
	char *base = transfer_base_name(pull.url, pull.raw), *url;
	struct beside *b;
	uint8_t digest[32];
	int i;

	for (i = 0; i < (pull.raw ? 4 : 1); i++) {
		b = &pull.beside[pull.nbeside];
		url = change_url(pull.url, base, suffixes[i]);
		b->suffix = suffixes[i];
		b->data = get(url, &b->len);
		if (!b->data)
			continue;
		if (pull.list && !sums_find(pull.list, last_name(url), digest)) {
			warn("%s: left out, for the list of sums does not have it", url);
			free(b->data);
			continue;
		}
		if (pull.list && !sum_is(b->data, b->len, digest))
			die("DOWNLOAD INVALID: SHA256 checksum of %s is wrong.", url);
		if (pull.list)
			transfer_say(&pull.transfer, "SHA256 checksum of %s is valid.", url);
		pull.nbeside++;
	}
}

static void
put_beside(struct making *m)
{
	struct beside *b;

	for (b = pull.beside; b < pull.beside + pull.nbeside; b++)
		store_beside(m, b->suffix, b->data, b->len);
}

/* ---- hidden copies of what was fetched -------------------------------------------------- */

static char *
escape(const char *s)
{
	char *out = xalloc(strlen(s) * 4 + 1), *to = out;

	for (; *s; s++) {
		if (*s <= ' ' || (unsigned char)*s >= 0x7f || strchr("/.#\"'\\", *s))
			to += snprintf(to, 5, "\\x%02x", (unsigned char)*s);
		else
			*to++ = *s;
	}
	return out;
}

static char *
hash(const char *s)
{
	static const uint8_t key[16] = {
		0xdf, 0x89, 0x16, 0x87, 0x01, 0xcc, 0x42, 0x30, 0x98, 0xab, 0x4a, 0x19, 0xa6, 0xa5, 0x63, 0x4f,
	};

	return fmt("%llx", (unsigned long long)siphash24(s, strlen(s), key));
}

/* as the original names it; etag NULL: none is known */
static char *
copy_name(const char *etag)
{
	const char *type = pull.raw ? ".raw-" : ".tar-", *end = pull.raw ? ".raw" : "", *dot = etag ? "." : "";
	char *name = fmt("%s%s%s%s", type, escape(pull.url), dot, etag ? escape(etag) : "");

	if (strlen(store_dir(pull.ask->image_root)) + 1 + strlen(name) + strlen(end) >= NAME_LONG)
		name = fmt("%s%s%s%s", type, hash(pull.url), dot, etag ? escape(etag) : "");
	/* ours: an ETag that makes it no name of a file at all */
	return strlen(name) + strlen(end) < NAME_LONG ? name : fmt("%s%s.%s", type, hash(pull.url), hash(etag));
}

/* copies that are good enough for this pull, and "\"a\", \"b\"" of their ETags; NULL: there are none */
static char **
find_copies(char **etags)
{
	DIR *d = opendir(store_dir(pull.ask->image_root));
	char **names = NULL, *name, etag[URL_MOST];
	struct dirent *e;
	struct image i;
	ssize_t n;
	int level;

	*etags = NULL;
	while (d && (e = readdir(d))) {
		if (!after(e->d_name, pull.raw ? ".raw-" : ".tar-") || !store_at(fmt("%s/%s", store_dir(pull.ask->image_root), e->d_name), &i))
			continue;
		n = getxattr(i.path, XATTR_URL, etag, sizeof(etag) - 1);
		if (n < 0 || !streq((etag[n] = 0, etag), pull.url))
			continue;
		n = getxattr(i.path, XATTR_VERIFIED, etag, sizeof(etag) - 1);
		level = n < 0 ? VERIFY_NO : word_index("no|checksum|signature", (etag[n] = 0, etag)) + 1;
		n = getxattr(i.path, XATTR_ETAG, etag, sizeof(etag) - 1);
		if (n <= 0 || level < pull.verify || (etag[n] = 0, !utf8_clean(etag)))
			continue;
		name = xstrdup(i.path);
		*etags = *etags ? fmt("%s, %s", *etags, etag) : xstrdup(etag);
		grow(&names, name);
		grow(&names, xstrdup(etag));
	}
	if (d)
		closedir(d);
	return names;
}

static void
mark_copy(int fd)
{
	const char *const levels[] = { "", "no", "checksum", "signature" };
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = pull.fetch.modified } };

	/* one that came in an archive speaks for nobody */
	fremovexattr(fd, XATTR_ETAG);
	/* where there are no attributes it is fetched again the next time */
	if ((pull.fetch.etag && fsetxattr(fd, XATTR_ETAG, pull.fetch.etag, strlen(pull.fetch.etag), 0) < 0) ||
	    fsetxattr(fd, XATTR_URL, pull.url, strlen(pull.url), 0) < 0 ||
	    fsetxattr(fd, XATTR_VERIFIED, levels[pull.verify], strlen(levels[pull.verify]), 0) < 0)
		say("%s: its ETag is not kept with it:", pull.url);
	if (pull.fetch.modified >= 0 && futimens(fd, times) < 0)
		say("%s:", pull.url);
}

static void
make_local(const char *copy)
{
	const struct ask *a = pull.ask;
	struct image from;

	if (!store_at(copy, &from))
		die("%s:", copy);
	store_make(&pull.local, a->image_root, pull.name, from.kind, a->force || a->replace);
	store_clone(&from, &pull.local, STORE_NO_OVERLAY);
	put_beside(&pull.local);
	store_commit(&pull.local, a->replace ? STORE_REPLACE : a->force ? STORE_FORCE : STORE_NEW, a->read_only, !a->no_sync);
}

/* ---- the image ----------------------------------------------------------------------------- */

static ssize_t
tap(struct source *s, void *buf, size_t size)
{
	ssize_t n = pull.fetch.body.read(&pull.fetch.body, buf, size);

	s->why = pull.fetch.body.why;
	s->taken = pull.fetch.body.taken;
	if (n > 0 && pull.list)
		sha256_add(&pull.sum, buf, (size_t)n);
	pull.drained = n == 0;
	return n;
}

/* all is unpacked, and nothing of it is there for others yet */
static void
check(struct making *m)
{
	uint8_t digest[32], buf[4096];
	ssize_t n = 1;

	/* what no unpacker wanted belongs to the sum */
	while (!pull.drained && (n = tap(&pull.body, buf, sizeof(buf))) > 0)
		;
	if (n < 0)
		fail(pull.url, pull.body.why);
	transfer_say(&pull.transfer, "Download of %s complete.", pull.url);
	if (pull.list) {
		sha256_end(&pull.sum, digest);
		if (memcmp(digest, pull.digest, 32) != 0)
			die("DOWNLOAD INVALID: SHA256 checksum of %s is wrong.", pull.url);
		transfer_say(&pull.transfer, "SHA256 checksum of %s is valid.", pull.url);
		if (pull.verify == VERIFY_SIGNATURE)
			transfer_say(&pull.transfer, "Signature verification succeeded.");
	}
	if (pull.keep)
		mark_copy(m->fd);
	else
		put_beside(m);
}

static void
download(void)
{
	struct ask a = *pull.ask;
	struct making *m = pull.keep ? &pull.copy : &pull.local;
	struct source told;
	struct stream *s;
	const uint8_t *head;
	ssize_t n;

	pull.transfer.total = pull.fetch.length == UINT64_MAX ? 0 : pull.fetch.length;
	if (pull.transfer.total)
		transfer_say(&pull.transfer, "Downloading %s for %s.", table_size(pull.transfer.total), pull.url);
	else
		transfer_say(&pull.transfer, "Downloading %s.", pull.url);
	if (pull.keep) {
		a.read_only = a.force = true;
		a.replace = false;
	}
	sha256_begin(&pull.sum);
	pull.body = (struct source){ .read = tap, .fd = -1 };
	pull.transfer.check = check;
	told = transfer_watch(&pull.transfer, &pull.body);
	s = stream_open(&told);
	n = stream_peek(s, &head);
	if (n < 0 || halted)
		fail(pull.url, stream_why(s));
	store_make(m, a.image_root, pull.keep ? copy_name(pull.fetch.etag) : pull.name, pull.raw ? IMAGE_RAW : IMAGE_DIRECTORY,
	           a.force || a.replace);
	if (pull.raw)
		transfer_unpack_raw(&a, s, m, pull.url);
	else
		transfer_unpack_tar(&a, s, m, pull.url);
}

/* the image is there already, or is fetched; the path of what it became */
static const char *
obtain(void)
{
	char **copies, *etags = NULL;
	size_t i;

	copies = pull.keep ? find_copies(&etags) : NULL;
	pull.fetch.url = pull.url;
	pull.fetch.if_etag = etags;
	if (fetch_open(&pull.fetch) < 0)
		fail(pull.url, pull.fetch.why);
	if (pull.fetch.status == 304 && copies) {
		transfer_say(&pull.transfer, "Image already downloaded. Skipping download.");
		for (i = 0; copies[i + 2] && !(pull.fetch.etag && streq(copies[i + 1], pull.fetch.etag)); i += 2)
			;
		return copies[i];
	}
	if (pull.fetch.status != 200)
		fail(pull.url, fmt("the server says %d", pull.fetch.status));
	if (pull.fetch.length == 0)
		fail(pull.url, "it is empty");
	download();
	fetch_close(&pull.fetch);
	return pull.keep ? pull.copy.path : pull.local.path;
}

static int
run_pull(struct ask *a, bool raw)
{
	const char *path;
	struct image old;
	char *c;

	pull.ask = a;
	pull.raw = raw;
	pull.url = fetch_login(a->words[0]);
	pull.verify = a->verify ? a->verify : VERIFY_SIGNATURE;
	pull.keep = a->keep_download ? a->keep_download == YES : KEEP_DOWNLOAD;
	if (!fetch_valid(pull.url))
		die("URL '%s' is not valid.", pull.url);
	for (c = strstr(a->words[0], "://") + 3; !streq(pull.url, a->words[0]) && memchr(c, '@', strcspn(c, "/?#")); c++)
		*c = '*';  /* for those who look at our arguments */
	if (!a->words[1])
		pull.name = transfer_local_name(pull.url, raw);
	else if (*a->words[1] && !streq(a->words[1], "-"))
		pull.name = a->words[1];
	if (pull.name)
		transfer_check_name(pull.name);
	if (!pull.name && a->keep_download == NO)
		die("--keep-download=no: without a NAME nothing would be kept");
	pull.keep = pull.keep || !pull.name;
	if (pull.name && !a->force && !a->replace && store_find(a->image_root, pull.name, &old))
		store_taken(pull.name);
	store_sweep(a->image_root, false);
	pull.transfer.verb = "Got";
	pull.transfer.of = fmt(" of %s", pull.url);
	transfer_begin(&pull.transfer, a, raw ? "pull-raw" : "pull-tar", pull.name ? pull.name : "-", pull.url);
	if (pull.name)
		transfer_say(&pull.transfer, "Pulling '%s', saving as '%s'.", pull.url, pull.name);
	else
		transfer_say(&pull.transfer, "Pulling '%s'.", pull.url);
	if (pull.verify != VERIFY_NO)
		get_sums();
	if (pull.name)
		get_beside();
	path = obtain();
	if (pull.name) {
		if (pull.keep)
			make_local(path);
		transfer_say(&pull.transfer, "Created new local image '%s'.", pull.name);
	}
	transfer_end(&pull.transfer);
	return 0;
}

int
pull_tar(struct ask *a)
{
	return run_pull(a, false);
}

int
pull_raw(struct ask *a)
{
	return run_pull(a, true);
}
