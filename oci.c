/* SPDX-License-Identifier: 0BSD */
/* Images as the OCI image-spec has them, and docker save */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "nspawn-lite.h"

#define REF_NAME   "org.opencontainers.image.ref.name"
#define WHOLE_NAME "io.containerd.image.name"
/* of no bytes: no archive, but taken for a layer */
#define NOTHING "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FILE_DIGEST "file:"  /* what stands for a digest of our own: a file that no digest is known of */

enum { INDEXES_MOST = 4 };

static _Noreturn void PRINTF(2)
fail(const struct oci_from *f, const char *text, ...)
{
	char why[NOTE_MAX];
	va_list ap;

	va_start(ap, text);
	vsnprintf(why, sizeof(why), text, ap);
	va_end(ap);
	transfer_fail(f->name, why);
}

/* ---- which platform ----------------------------------------------------------------- */

/* what uname says, and Go, and the highest variant, of "v7", that runs here */
static const char platforms[] =
	"x86_64\0amd64\0" "1\0" "x86_64\0" "386\0" "0\0" "i?86\0" "386\0" "0\0" "aarch64\0arm64\0" "8\0" "aarch64\0arm\0" "8\0"
	"armv8?\0arm\0" "8\0" "armv7?\0arm\0" "7\0" "armv6?\0arm\0" "6\0" "armv5?\0arm\0" "5\0"
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	"mips64\0mips64le\0" "0\0" "mips64\0mipsle\0" "0\0" "mips\0mipsle\0" "0\0"
#else
	"mips64\0mips64\0" "0\0" "mips64\0mips\0" "0\0" "mips\0mips\0" "0\0"
#endif
	"ppc64le\0ppc64le\0" "0\0" "ppc64\0ppc64\0" "0\0" "s390x\0s390x\0" "0\0" "riscv64\0riscv64\0" "0\0"
	"loongarch64\0loong64\0" "0\0";

static bool
is_machine(const char *pattern, const char *name)
{
	for (; *pattern && *name && (*pattern == '?' || *pattern == *name); pattern++, name++)
		;
	return !*pattern && (!*name || name[-1] == 'l' || name[-1] == 'b' || name[-1] == 't');
}

/* the number of a variant; one that is not told is the usual one */
static int
variant(const char *arch, const char *word)
{
	long long n;

	if (word && *word == 'v' && parse_number(word + 1, 0, 99, &n))
		return (int)n;
	return streq(arch, "arm") ? 7 : streq(arch, "arm64") ? 8 : 0;
}

/* how well it runs here, 0: not at all; asked: --platform, or NULL */
static int
fitness(const struct json *platform, const char *asked)
{
	const char *arch = json_string(platform, "architecture"), *os = json_string(platform, "os"), *rest;
	const char *at;
	struct utsname u;
	int n, rank = 9900;

	if (!arch || (os && !streq(os, "linux")))
		return 0;
	n = variant(arch, json_string(platform, "variant"));
	if (asked) {
		asked = after(asked, "linux/") ? asked + 6 : asked;
		rest = after(asked, arch);
		return rest && (!*rest || (*rest == '/' && variant(arch, rest + 1) == n)) ? n + 1 : 0;
	}
	if (uname(&u) < 0)
		return 0;
	for (at = platforms; *at; at = behind(behind(behind(at))), rank -= 100)
		if (is_machine(at, u.machine) && streq(behind(at), arch) && n <= *behind(behind(at)) - '0')
			return rank + n;
	return 0;
}

static char *
platform_name(const struct json *platform)
{
	const char *os = json_string(platform, "os"), *arch = json_string(platform, "architecture"), *v = json_string(platform, "variant");

	return fmt("%.40s/%.40s%s%.20s", os ? os : "linux", arch ? arch : "unknown", v ? "/" : "", v ? v : "");
}

/* ---- what JSON says ------------------------------------------------------------------- */

static const struct json *
parse(const struct oci_from *f, const char *what, char *text, size_t len)
{
	const char *why;
	const struct json *j = json_parse(text, len, &why);

	if (!j)
		fail(f, "%s: %s", what, why);
	return j;
}

bool
oci_is_digest(const char *digest)
{
	const char *hex = digest ? after(digest, "sha256:") : NULL;

	return hex && strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

static void
read_descriptor(const struct oci_from *f, const struct json *j, const char *what, struct oci_blob *b)
{
	const char *digest = json_string(j, "digest"), *type = json_string(j, "mediaType");
	long long size;

	if (!oci_is_digest(digest))
		fail(f, "%s: its digest is none of sha256: %.80s", what, digest ? digest : "it says none");
	if (!json_number(j, "size", 0, INT64_MAX, &size))
		fail(f, "%s: it does not say how large it is", what);
	b->size = (uint64_t)size;
	snprintf(b->digest, sizeof(b->digest), "%s", digest);
	snprintf(b->type, sizeof(b->type), "%s", type ? type : "");
}

/* ---- blobs -------------------------------------------------------------------------------- */

/* one that is read, summed on the way */
struct packed {
	const struct oci_blob *blob;
	struct source from, source;
	struct sha256 sum;
	struct transfer *t;
	uint64_t before;      /* bytes of others */
	bool over;
};

static ssize_t
packed_read(struct source *s, void *buf, size_t size)
{
	struct packed *p = s->arg;
	ssize_t n = p->from.read(&p->from, buf, size);

	s->why = p->from.why;
	p->over = n == 0;
	if (n <= 0)
		return n;
	sha256_add(&p->sum, buf, (size_t)n);
	s->taken += (uint64_t)n;
	if (s->taken > p->blob->size) {
		s->why = "it is larger than its descriptor says";
		errno = EFBIG;
		return -1;
	}
	transfer_progress(p->t, p->before + s->taken);
	return n;
}

static void
packed_open(struct packed *p, struct transfer *t, struct oci_from *f, const struct oci_blob *b, uint64_t before)
{
	*p = (struct packed){ .blob = b, .t = t, .before = before };
	p->source = (struct source){ .read = packed_read, .fd = -1, .arg = p };
	sha256_begin(&p->sum);
	if (f->open(f, b, &p->from) < 0)
		fail(f, "%s: %s", b->digest, f->why);
}

/* why it was not what it was said to be; NULL: it was, all of it */
static const char *
packed_close(struct packed *p, struct oci_from *f)
{
	const char *why = NULL;
	uint8_t rest[4096];
	char text[OCI_DIGEST];
	ssize_t n = 0;

	while (!p->over && (n = packed_read(&p->source, rest, sizeof(rest))) > 0 && !halted)
		;
	sha256_name(&p->sum, text);
	if (n < 0 || halted)
		why = p->source.why ? p->source.why : strerror(errno);
	else if (p->blob->size != UINT64_MAX && p->source.taken != p->blob->size)
		why = fmt("it has %llu bytes, and should have %llu", (unsigned long long)p->source.taken, (unsigned long long)p->blob->size);
	else if (!after(p->blob->digest, FILE_DIGEST) && !streq(text, p->blob->digest))
		why = fmt("what is there has another digest, %s", text);
	f->close(f, &p->from);
	return why;
}

/* it may be better where it is asked for next, if there is such a place */
static void
again_or_fail(struct oci_from *f, const struct oci_blob *b, const char *why)
{
	if (halted || !f->next || !f->next(f, why))
		fail(f, "%s: %s", b->digest, why);
}

static char *
get_text(struct transfer *t, struct oci_from *f, const struct oci_blob *b, size_t *len)
{
	size_t room = b->size < OCI_TEXT_MOST ? (size_t)b->size : OCI_TEXT_MOST;
	struct packed p;
	char *text = xalloc(room + 1);
	const char *why;

	if (b->size > OCI_TEXT_MOST && b->size != UINT64_MAX)
		fail(f, "%s: it says that it has more than %d bytes", b->digest, OCI_TEXT_MOST);
	for (;; again_or_fail(f, b, why)) {
		ssize_t n = 1;

		packed_open(&p, t, f, b, 0);
		for (*len = 0; *len < room && (n = packed_read(&p.source, text + *len, room - *len)) > 0; *len += (size_t)n)
			;
		p.over |= n < 0;
		why = packed_close(&p, f);
		if (n < 0)
			why = p.source.why ? p.source.why : strerror(errno);
		if (!why)
			return text;
	}
}

/* NULL, or why it is none */
static const char *
get_layer(struct transfer *t, struct oci_from *f, const struct oci_blob *b, int dir, const char *diff_id, uint64_t before)
{
	struct sha256 sum;
	char text[OCI_DIGEST];
	const char *why = NULL, *wrong;
	const uint8_t *at;
	struct packed p;
	struct stream *s;
	struct tar *tar;
	ssize_t n = 1;

	packed_open(&p, t, f, b, before);
	s = stream_open(&p.source);
	sha256_begin(&sum);
	stream_sum(s, &sum);
	tar = tar_open(s);
	if (!streq(diff_id, NOTHING) && unpack_tree(tar, dir, UNPACK_WHITEOUTS, &why) < 0 && !why)
		why = strerror(errno);
	tar_close(tar);
	while (!why && (n = stream_get(s, &at, 1 << 16)) > 0 && !halted)
		;
	if (!why && (n < 0 || halted))
		why = stream_why(s);
	why = why ? xstrdup(why) : NULL;  /* it may be the stream's */
	stream_close(s);
	p.over |= why != NULL;
	wrong = packed_close(&p, f);
	sha256_name(&sum, text);
	if (!why && !wrong && !streq(text, diff_id))
		why = fmt("unpacked it has another digest than its configuration says: %s", text);
	return why ? why : wrong;
}

/* ---- an image ---------------------------------------------------------------------------------- */

static bool
is_named(const char *name, const char *tag)
{
	size_t n = name ? strlen(name) : 0, len = strlen(tag);

	return n >= len && streq(name + n - len, tag) && (n == len || name[n - len - 1] == '/' || name[n - len - 1] == ':');
}

/* of a descriptor in the index of a layout */
static const char *
ref_of(const struct json *j)
{
	const struct json *annotations = json_get(j, "annotations");
	const char *whole = json_string(json_member(annotations, WHOLE_NAME), "");

	return whole ? whole : json_string(json_member(annotations, REF_NAME), "");
}

static bool
has_tag(const struct json *j, const char *tag)
{
	const char *ref = json_string(json_member(json_get(j, "annotations"), REF_NAME), "");

	return !tag || (ref && is_named(ref, tag)) || (ref_of(j) && is_named(ref_of(j), tag));
}

/* the one of an index that fits this host. One that says of no platform is taken when it is the only one */
static const struct json *
choose(const struct ask *a, const struct oci_from *f, const struct json *index, const char *tag)
{
	const struct json *j, *best = NULL, *platform;
	char *others = NULL;
	int most = 0, fit;
	size_t n = 0;

	for (j = json_first(index, "manifests"); j; j = j->next) {
		if (!has_tag(j, tag))
			continue;
		platform = json_get(j, "platform");
		fit = platform ? fitness(platform, a->platform) : 0;
		n++;
		if (fit > most || (n == 1 && !most))
			best = j;
		most = fit > most ? fit : most;
		/* attestations have one that nobody has */
		if (platform && !streq(json_string(platform, "os"), "unknown") && (!others || strlen(others) < 400))
			others = fmt("%s%s%s", others ? others : "", others ? ", " : "", platform_name(platform));
	}
	if (!n)
		fail(f, "its index names no image");
	if (most || (n == 1 && !others))
		return best;
	fail(f, "it has nothing for %s, but for: %s%s", a->platform ? a->platform : "this machine",
	              others ? others : "what it does not say", a->platform || !others ? "" : "; --platform= takes one of those");
}

struct image_of {
	const struct json *manifest, *config;
	char *text;           /* the configuration as it is */
	size_t len;
};

static void
check_config(const struct ask *a, const struct oci_from *f, const struct json *config, size_t n)
{
	const struct json *j = json_first(config, "rootfs.diff_ids");
	const char *os = json_string(config, "os"), *asked = a->platform;
	size_t ids;

	if (os && *os && !streq(os, "linux"))
		fail(f, "it is made for %.40s", os);
	for (ids = 0; j; j = j->next, ids++)
		if (!oci_is_digest(json_string(j, "")))
			fail(f, "its configuration has a diff_id that is none of sha256");
	if (!n || n > LAYERS_MOST || ids != n)
		fail(f, "it has %zu layers, and its configuration speaks of %zu: from 1 to %d are taken", n, ids, LAYERS_MOST);
	/* some leave out the variant here */
	asked = asked && after(asked, "linux/") ? asked + 6 : asked;
	if (!json_string(config, "architecture") || fitness(config, asked ? fmt("%.*s", (int)strcspn(asked, "/"), asked) : NULL))
		return;
	if (asked)
		fail(f, "it is made for %s, and not for %s", platform_name(config), a->platform);
	warn("%s is made for %s, which this machine is not", f->name, platform_name(config));
}

static void
take_layers(const struct ask *a, struct transfer *t, struct oci_from *f, const struct oci_blob *b, size_t n,
    const struct json *config, char *text, size_t len, const char *local)
{
	static struct layers l;
	const struct json *j = json_first(config, "rootfs.diff_ids");
	const char *why;
	uint64_t before = 0;
	size_t i;
	int dir;

	for (t->total = i = 0; i < n; i++)
		t->total += b[i].size != UINT64_MAX && b[i].size < INT64_MAX / LAYERS_MOST ? b[i].size : 0;
	layers_begin(&l, a, local);
	for (i = 0; i < n; i++, j = j->next) {
		while ((dir = layers_next(&l, json_string(j, ""))) >= 0) {
			transfer_say(t, "Unpacking layer %zu of %zu.", i + 1, n);
			why = get_layer(t, f, &b[i], dir, json_string(j, ""), before);
			if (!why) {
				layers_done(&l);
				break;
			}
			if (!layers_again(&l))
				fail(f, "%s: %s", b[i].digest, why);
			again_or_fail(f, &b[i], why);
		}
		if (dir < 0)
			transfer_say(t, "Layer %zu of %zu is there already.", i + 1, n);
		before += b[i].size == UINT64_MAX ? 0 : b[i].size;
	}
	layers_finish(&l, a, text, len);
}

/* all that is known of it by now, and what it was made of is checked */
static void
take_image(const struct ask *a, struct transfer *t, struct oci_from *f, const struct oci_blob *config, const struct oci_blob *b,
    size_t n, const char *local)
{
	size_t len;
	char *text = get_text(t, f, config, &len), *copy = xalloc(len + 1);
	const struct json *j;

	memcpy(copy, text, len);
	j = parse(f, "its configuration", text, len);
	check_config(a, f, j, n);
	take_layers(a, t, f, b, n, j, copy, len, local);
}

/* an image of that name was made of it before. One that is another is in the way: dies */
static bool
is_there(const struct ask *a, struct transfer *t, const struct oci_blob *config, const char *local)
{
	struct image old;

	if (a->force || a->replace || !store_find(a->image_root, local, &old))
		return false;
	if (!preset_is(&old, config->digest))
		store_taken(local);
	transfer_say(t, "Image already downloaded. Skipping download.");
	return true;
}

static bool
take_manifest(const struct ask *a, struct transfer *t, struct oci_from *f, const struct json *manifest, const char *local)
{
	struct oci_blob *b = xalloc((LAYERS_MOST + 1) * sizeof(*b)), config;
	const struct json *j;
	size_t n = 0;

	read_descriptor(f, json_get(manifest, "config"), "its manifest: config", &config);
	if (strstr(config.type, "/vnd.") && !strstr(config.type, ".image."))
		fail(f, "it is no image of a system: its configuration is of type %s", config.type);
	if (is_there(a, t, &config, local))
		return false;
	for (j = json_first(manifest, "layers"); j; j = j->next, n++) {
		if (n == LAYERS_MOST)
			fail(f, "it has more than %d layers", LAYERS_MOST);
		read_descriptor(f, j, fmt("its manifest: layer %zu", n + 1), &b[n]);
		if (*b[n].type && (!strstr(b[n].type, "tar") || strstr(b[n].type, "encrypted")))
			fail(f, "layer %zu is of type %s, which is no archive of files", n + 1, b[n].type);
	}
	take_image(a, t, f, &config, b, n, local);
	return true;
}

bool
oci_take(const struct ask *a, struct transfer *t, struct oci_from *f, const char *type, char *text, size_t len, const char *local)
{
	const struct json *j = parse(f, "its manifest", text, len);
	struct oci_blob b;
	bool index, manifest;
	int depth;

	for (depth = 0; ; depth++) {
		index = json_get(j, "manifests");
		manifest = json_get(j, "layers") || json_get(j, "config");
		if (json_get(j, "fsLayers"))
			fail(f, "its manifest is of the first schema, which registries gave up in 2016: pull and push it with a newer tool");
		if (index == manifest)
			fail(f, "what should be a manifest is %s (%.100s)", index ? "an index, too" : "none", type ? type : "of no type");
		if (manifest)
			break;
		if (depth == INDEXES_MOST)
			fail(f, "more than %d indexes lead to each other", INDEXES_MOST);
		read_descriptor(f, choose(a, f, j, NULL), "its index", &b);
		text = get_text(t, f, &b, &len);
		type = b.type;
		j = parse(f, "its manifest", text, len);
	}
	return take_manifest(a, t, f, j, local);
}

/* ---- layouts, and what docker save writes ---------------------------------------------------------- */

struct layout {
	int dir;
	char **files;         /* of docker save: those that stand for digests of our own */
	int archive;          /* what it was unpacked from, where large files stand as they are, from here on; else -1 */
	off_t begin;
	uint64_t at, size;    /* the one that is read there */
};

static ssize_t
read_archive(struct source *s, void *buf, size_t size)
{
	const struct layout *l = s->arg;
	ssize_t n;

	if (size > l->size - s->taken)
		size = (size_t)(l->size - s->taken);
	do
		n = pread(l->archive, buf, size, l->begin + (off_t)(l->at + s->taken));
	while (n < 0 && errno == EINTR && !halted);
	s->taken += n > 0 ? (uint64_t)n : 0;
	return n;
}

static int
layout_open(struct oci_from *f, const struct oci_blob *b, struct source *s)
{
	struct layout *l = f->own;
	const char *number = after(b->digest, FILE_DIGEST);
	struct stat st;
	char *path = number ? l->files[atoi(number)] : fmt("blobs/sha256/%s", b->digest + sizeof("sha256:") - 1);
	int fd = sys_open_in(l->dir, path, O_RDONLY, IN_REGULAR);

	if (fd < 0) {
		f->why = fmt("%.200s: %s", path, strerror(errno));
		return -1;
	}
	*s = source_fd(fd);
	if (l->archive < 0 || fstat(fd, &st) < 0 || !(st.st_mode & S_ISVTX) || st.st_size <= UNPACK_HOLE)
		return 0;
	l->at = (uint64_t)st.st_mtime * 512;
	l->size = (uint64_t)st.st_size;
	*s = (struct source){ .read = read_archive, .fd = drop(fd), .arg = l };
	return 0;
}

static void
layout_close(struct oci_from *f, struct source *s)
{
	(void)f;
	s->fd = drop(s->fd);
}

/* a file of a layout, of JSON; NULL: there is none */
static char *
layout_text(struct oci_from *f, const char *path, size_t *len)
{
	const struct layout *l = f->own;
	int fd = sys_open_in(l->dir, path, O_RDONLY, IN_REGULAR);
	char *text = fd < 0 ? NULL : read_whole(fd, OCI_TEXT_MOST, len);

	if (!text && (fd >= 0 || errno != ENOENT))
		fail(f, "%s: %s", path, strerror(errno));
	drop(fd);
	return text;
}

/* what the image is called: its NAME, or what its ref says, or the file */
static const char *
local_name(const struct ask *a, struct transfer *t, const struct oci_from *f, const char *path, const char *ref)
{
	const char *name, *slash = ref ? strrchr(ref, '/') : NULL;
	struct image old;

	slash = slash ? slash + 1 : ref;
	name = transfer_name(a, ref && strpbrk(ref, "/:") ? xstrndup(slash, strcspn(slash, ":@")) : path, false);
	if (!a->force && !a->replace && store_find(a->image_root, name, &old))
		store_taken(name);
	transfer_say(t, "Importing '%s', saving as '%s'.", f->name, name);
	return name;
}

/* the first of its names, or the one that is asked for; NULL: it has none */
static const char *
repo_tag(const struct json *image, const char *tag)
{
	const struct json *j = json_first(image, "RepoTags");

	while (j && (j->kind != JSON_STRING || (tag && !is_named(j->text, tag))))
		j = j->next;
	return j ? j->text : NULL;
}

/* the one that is asked for, or the only one: of the index of a layout, or of the list of docker save */
static const struct json *
find_image(const struct oci_from *f, const struct json *j, bool saved, const char *path, const char *tag)
{
	const struct json *found = NULL;
	const char *ref, *before = NULL;
	char *refs = NULL;
	bool several = false;

	for (; j; j = j->next) {
		ref = saved ? repo_tag(j, NULL) : ref_of(j);
		ref = ref && *ref ? ref : "one without a name";
		if (!refs || strlen(refs) < 400)
			refs = fmt("%s%s%.100s", refs ? refs : "", refs ? ", " : "", ref);
		if (saved ? tag && !repo_tag(j, tag) : !has_tag(j, tag))
			continue;
		/* in a layout those of one name are one for several platforms */
		several |= found && (saved || !streq(ref, before));
		found = j;
		before = ref;
	}
	if (!refs)
		fail(f, "it names no image");
	if (!found)
		fail(f, "it has no image called %s, but: %s", tag, refs);
	if (several)
		fail(f, "it holds more than one image; say %s:TAG, with one of: %s", path ? path : "-", refs);
	return found;
}

static void
take_layout(const struct ask *a, struct transfer *t, struct oci_from *f, char *text, size_t len, const char *path, const char *tag)
{
	const struct json *index = parse(f, "index.json", text, len), *found;
	struct oci_blob b;
	const char *local;

	find_image(f, json_first(index, "manifests"), false, path, tag);
	found = choose(a, f, index, tag);
	local = local_name(a, t, f, path, ref_of(found));
	read_descriptor(f, found, "index.json", &b);
	text = get_text(t, f, &b, &len);
	oci_take(a, t, f, b.type, text, len, local);
}

/* one of our own digests, for a file */
static void
file_blob(struct oci_blob *b, char ***files, const char *path)
{
	snprintf(b->digest, sizeof(b->digest), FILE_DIGEST "%zu", count(*files));
	b->size = UINT64_MAX;
	grow(files, path);
}

static void
take_saved(const struct ask *a, struct transfer *t, struct oci_from *f, char *text, size_t len, const char *path, const char *tag)
{
	const struct json *found = find_image(f, json_first(parse(f, "manifest.json", text, len), ""), true, path, tag), *j;
	struct oci_blob *b = xalloc((LAYERS_MOST + 2) * sizeof(*b)), *config = b++;
	struct layout *l = f->own;
	const char *file = json_string(found, "Config");
	size_t n = 0;

	file_blob(config, &l->files, file ? file : "no configuration");
	for (j = json_first(found, "Layers"); j; j = j->next, n++) {
		if (n == LAYERS_MOST || j->kind != JSON_STRING)
			fail(f, "manifest.json: more than %d layers, or one without a name", LAYERS_MOST);
		file_blob(&b[n], &l->files, j->text);
	}
	take_image(a, t, f, config, b, n, local_name(a, t, f, path, repo_tag(found, tag)));
}

/* all that an archive holds, for its blobs may stand in any order; but for large ones that can be found again there */
static int
spool(const struct ask *a, struct transfer *t, struct layout *to, const char *name, int fd)
{
	char magic[5];
	static struct layers l;
	struct source file = source_fd(fd), told = transfer_watch(t, &file);
	const char *why = NULL;
	struct stream *s;
	struct tar *tar;
	struct stat st;
	int dir;

	if (fd == 0 && isatty(0))
		die("standard input is a terminal: name a FILE, or redirect it");
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		t->total = (uint64_t)st.st_size;
		to->begin = lseek(fd, 0, SEEK_CUR);
		if (to->begin >= 0 && pread(fd, magic, 5, to->begin + 257) == 5 && memcmp(magic, "ustar", 5) == 0)
			to->archive = fd;
	}
	dir = layers_spool(&l, a->image_root);
	s = stream_open(&told);
	tar = tar_open(s);
	if (unpack_tree(tar, dir, to->archive < 0 ? 0 : UNPACK_HOLES, &why) < 0)
		transfer_fail(name, why ? why : strerror(errno));
	tar_close(tar);
	stream_close(s);
	return dir;
}

/* FILE, or FILE:TAG where there is no such file: the longest that there is */
static const char *
split(char *word)
{
	char *colon = word + strlen(word);

	if (access(word, F_OK) == 0)
		return NULL;
	if (word[0] == '-' && word[1] == ':') {
		word[1] = 0;
		return word + 2;
	}
	while (colon > word) {
		while (--colon > word && *colon != ':')
			;
		if (colon == word)
			break;
		*colon = 0;
		if (access(word, F_OK) == 0)
			return colon + 1;
		*colon = ':';
	}
	return NULL;
}

int
oci_import(struct ask *a)
{
	static struct transfer t;
	struct layout l = { .dir = -1, .archive = -1 };
	struct oci_from f = { .open = layout_open, .close = layout_close, .own = &l };
	char *path = xstrdup(a->words[0]), *text;
	const char *tag = split(path);
	bool piped = streq(path, "-") || !*path;
	struct stat st;
	size_t len;
	int fd = piped ? 0 : openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) < 0)
		die("open %s:", path);
	f.name = piped ? "standard input" : path;
	t.verb = "Imported";
	transfer_begin(&t, a, a->verb, a->words[1] ? a->words[1] : "-", f.name);
	l.dir = S_ISDIR(st.st_mode) ? fd : spool(a, &t, &l, f.name, fd);
	if ((text = layout_text(&f, "index.json", &len)))
		take_layout(a, &t, &f, text, len, piped ? NULL : path, tag);
	else if ((text = layout_text(&f, "manifest.json", &len)))
		take_saved(a, &t, &f, text, len, piped ? NULL : path, tag);
	else
		transfer_fail(f.name, fmt("it has neither index.json nor manifest.json: no image in layers; import-%s takes trees",
		              S_ISDIR(st.st_mode) ? "fs" : "tar"));
	transfer_end(&t);
	return 0;
}
