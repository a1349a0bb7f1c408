/* SPDX-License-Identifier: 0BSD */
/* What an image says of how it is run: the configuration of the OCI image-spec that is kept beside it */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nspawn-lite.h"

enum { WORDS_MOST = 4096, BYTES_MOST = 1 << 18 };  /* the register has them, too */

static char *
preset_path(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return fmt("%.*s%s" STORE_CONFIG, slash ? (int)(slash - path) + 1 : 0, path, name);
}

bool
preset_has(const struct image *i)
{
	return WITH_OCI && i->name && access(preset_path(i->path, i->name), F_OK) == 0;
}

/* strings; of others nobody speaks. more of them than anything needs: *why */
static char **
strings(const struct json *j, const char *path, bool names, const char **why)
{
	char **list = NULL;
	size_t n = 0, bytes = 0;

	for (j = json_first(j, path); j; j = j->next) {
		if (names ? !j->name : j->kind != JSON_STRING)
			continue;
		bytes += strlen(names ? j->name : j->text);
		if (++n > WORDS_MOST || bytes > BYTES_MOST) {
			*why = "more words in a list than anything needs";
			break;
		}
		grow(&list, names ? j->name : j->text);
	}
	return list;
}

/* of a string that says something */
static const char *
word(const struct json *j, const char *path)
{
	const char *s = json_string(j, path);

	return s && *s ? s : NULL;
}

/* its text; NULL: there is none, and path is NULL, or it cannot be read */
static char *
read_config(const struct image *i, char **path, size_t *len)
{
	char *text;
	int fd;

	*path = i->name ? preset_path(i->path, i->name) : NULL;
	fd = !WITH_OCI || !*path ? -1 : openat(AT_FDCWD, *path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	text = fd < 0 ? NULL : read_whole(fd, OCI_TEXT_MOST, len);
	if (fd < 0)
		*path = NULL;
	drop(fd);
	return text;
}

bool
preset_is(const struct image *i, const char *digest)
{
	char *path, *text, name[OCI_DIGEST];
	size_t n;

	text = read_config(i, &path, &n);
	if (text)
		sha256_text(text, n, name);
	return text && streq(name, digest);
}

bool
preset_read(const struct image *i, struct preset *s, const char **why)
{
	size_t n;
	char *path, *text = read_config(i, &path, &n), **w;
	const struct json *j, *config;

	*why = text ? NULL : strerror(errno);
	if (!path)
		*why = NULL;
	j = text ? json_parse(text, n, why) : NULL;
	config = json_get(j, "config");
	*s = (struct preset){
		.entrypoint = strings(config, "Entrypoint", false, why), .cmd = strings(config, "Cmd", false, why),
		.env = strings(config, "Env", false, why), .ports = strings(config, "ExposedPorts", true, why),
		.user = word(config, "User"), .chdir = word(config, "WorkingDir"), .signal = word(config, "StopSignal"),
	};
	if (path && *why)
		*why = fmt("%s: %s", path, *why);
	if (!j || *why)
		return false;
	for (w = s->env; w && *w; w++)
		if (**w == '=' || !strchr(*w, '='))
			*w = xstrdup("_=");
	if (s->chdir && *s->chdir != '/')
		s->chdir = fmt("/%s", s->chdir);
	/* of its two parts each may be missing */
	if (s->user)
		s->user = fmt("%s%.*s", *s->user == ':' ? "0" : "", (int)strlen(s->user) - (s->user[strlen(s->user) - 1] == ':'), s->user);
	return true;
}

char **
preset_command(const struct preset *s, char **words)
{
	char **list = NULL, **w = s->entrypoint;

	if (w && *w && !**w && !w[1])  /* as ENTRYPOINT [""] of a Dockerfile takes that of the base away */
		w++;
	for (; w && *w; w++)
		grow(&list, *w);
	for (w = words ? words : s->cmd; w && *w; w++)
		grow(&list, *w);
	return list;
}
