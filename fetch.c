/* SPDX-License-Identifier: 0BSD */
/* Fetching: http (RFC 9110, 9112) is spoken here, for https another program is called */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util.h"
#include CONFIG

enum { ROOM = 1 << 15, HEAD_MOST = 1 << 16, HOPS = 10, STEADY = 1 << 14, SLICE = 500, TURN = 10000, BREAKS = 1000 };

struct fetch_state {
	int fd, errfd;        /* socket, file or the fetcher's output; what it says */
	pid_t pid;            /* the fetcher; 0: none */
	const char *program;
	bool headless;        /* it does not pass on the answer's head */
	bool chunked, in_chunk, over, ranges;
	uint64_t left;        /* of the body, or of a chunk; UINT64_MAX: until the end */
	uint64_t at, steady;  /* the place of the next byte in the whole; where the last break was */
	uint64_t total;       /* of the whole; UINT64_MAX: unknown */
	uint64_t range;       /* begin of what is sent, as Content-Range says it; UINT64_MAX: not said */
	int tries, breaks;    /* in a row; of all. Each takes a little memory for good */
	size_t head;          /* bytes of heads so far */
	size_t begin, end;    /* what of in is not taken */
	size_t nsaid;
	int64_t waited;       /* ms for what came since: it has to be STEADY bytes in FETCH_SECONDS */
	uint64_t came;
	char said[STEADY];    /* by the fetcher */
	char line[ROOM];
	uint8_t in[ROOM];
};

/* ---- URLs --------------------------------------------------------------------- */

struct url {
	const char *scheme, *user, *host, *port, *path;  /* user: NULL, or "name:password" as it stands there; path has the query */
	bool bracket;         /* the host is an IPv6 address */
};

static bool
parse_url(const char *s, struct url *u)
{
	static const char *const schemes[] = { "http", "https", "file" };
	const char *rest = NULL, *end, *host, *c;
	size_t i, n;
	long long port;

	for (c = s; *c; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return false;
	*u = (struct url){ 0 };
	for (i = 0; i < LEN(schemes) && !rest; i++)
		if (strncasecmp(s, schemes[i], strlen(schemes[i])) == 0) {
			u->scheme = schemes[i];
			rest = after(s + strlen(schemes[i]), "://");
		}
	if (!rest)
		return false;
	n = strcspn(rest, "/?#");
	end = rest + n;
	u->path = fmt("%s%.*s", *end == '/' ? "" : "/", (int)strcspn(end, "#"), end);
	if (streq(u->scheme, "file")) {
		u->host = u->port = "";
		return (n == 0 || (n == 9 && strncasecmp(rest, "localhost", 9) == 0)) && *end == '/';
	}
	for (host = end; host > rest && host[-1] != '@'; host--)
		;
	if (host > rest)
		u->user = xstrndup(rest, (size_t)(host - 1 - rest));
	u->bracket = *host == '[';
	c = u->bracket ? memchr(host, ']', (size_t)(end - host)) : host + strcspn(host, ":/?#");
	if (!c)
		return false;
	u->host = u->bracket ? xstrndup(host + 1, (size_t)(c - host - 1)) : xstrndup(host, (size_t)(c - host));
	c += u->bracket;
	u->port = streq(u->scheme, "https") ? "443" : "80";
	if (c < end && *c != ':')
		return false;
	if (c + 1 < end) {
		if (!parse_number(xstrndup(c + 1, (size_t)(end - c - 1)), 1, 65535, &port))
			return false;
		u->port = fmt("%lld", port);
	}
	n = strspn(u->host, u->bracket ? "0123456789abcdefABCDEF:." :
	    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.");
	return *u->host && !u->host[n] && n < 256;
}

bool
fetch_valid(const char *url)
{
	struct url u;

	return strlen(url) < 8192 && parse_url(url, &u);
}

/* the host as a URL has it, with its port if it is not the usual one */
static char *
authority(const struct url *u)
{
	bool usual = streq(u->port, streq(u->scheme, "https") ? "443" : "80");

	return fmt("%s%s%s%s%s", u->bracket ? "[" : "", u->host, u->bracket ? "]" : "", usual ? "" : ":", usual ? "" : u->port);
}

/* name and password for one server */
static struct { const char *user, *server; } login;

static char *
server_of(const struct url *u)
{
	return fmt("%s://%s", u->scheme, authority(u));
}

const char *
fetch_login(const char *url)
{
	struct url u;
	const char *rest = strstr(url, "://");

	if (!parse_url(url, &u) || (!u.user && rest[3 + strcspn(rest + 3, "/?#")] == '/'))
		return url;
	if (u.user)
		login.server = server_of(&u);
	if (u.user)
		login.user = u.user;
	return fmt("%s%s", server_of(&u), u.path);
}

/* where a Location leads that was found at u */
static char *
resolve(const struct url *u, const char *to)
{
	const char *base, *c;
	size_t n;

	for (c = to; name_char(*c) || *c == '+' || *c == '.'; c++)
		;
	if (*c == ':' && c > to)
		return xstrdup(to);
	if (to[0] == '/' && to[1] == '/')
		return fmt("%s:%s", u->scheme, to);
	base = server_of(u);
	if (*to == '/')
		return fmt("%s%s", base, to);
	n = strcspn(u->path, "?");
	if (*to != '?')
		while (u->path[n - 1] != '/')
			n--;
	return fmt("%s%.*s%s", base, (int)n, u->path, to);
}

static char *
decode(const char *s)
{
	char *out = xalloc(strlen(s) + 1), *to = out;
	int c;

	while (*s) {
		c = *s == '%' && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0 ? hex_digit(s[1]) << 4 | hex_digit(s[2]) : 0;
		*to++ = c ? (char)c : *s;
		s += c ? 3 : 1;
	}
	*to = 0;
	return out;
}

static char *
base64(const char *s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(s), i;
	char *out = xalloc(n * 4 / 3 + 5), *to = out;
	uint32_t x;

	for (i = 0; i < n; i += 3) {
		x = (uint32_t)(uint8_t)s[i] << 16;
		x |= i + 1 < n ? (uint32_t)(uint8_t)s[i + 1] << 8 : 0;
		x |= i + 2 < n ? (uint8_t)s[i + 2] : 0;
		*to++ = digits[x >> 18];
		*to++ = digits[x >> 12 & 63];
		*to++ = i + 1 < n ? digits[x >> 6 & 63] : '=';
		*to++ = i + 2 < n ? digits[x & 63] : '=';
	}
	return out;
}

char *
fetch_basic(const char *user)
{
	return fmt("Authorization: Basic %s", base64(decode(user)));
}

/* ---- bytes ------------------------------------------------------------------------- */

static int
fail(struct fetch *f, const char *why)
{
	f->why = why;
	return -1;
}

/* what a fetcher says is taken meanwhile, so that it does not wait for us */
static void
listen_to(struct fetch_state *s)
{
	ssize_t n;
	char spill[256];

	if (s->nsaid < sizeof(s->said) - 1)
		n = read(s->errfd, s->said + s->nsaid, sizeof(s->said) - 1 - s->nsaid);
	else
		n = read(s->errfd, spill, sizeof(spill));
	if (n > 0 && s->nsaid < sizeof(s->said) - 1)
		s->nsaid += (size_t)n;
	else if (n == 0)
		s->errfd = drop(s->errfd);
}

static int
await_for(struct fetch *f, int fd, short what, int64_t ms)
{
	struct fetch_state *s = f->state;
	int64_t until = now_ms() + ms;
	struct pollfd p[2] = { { .fd = fd, .events = what } };
	int64_t left;

	for (;;) {
		p[1] = (struct pollfd){ .fd = s->errfd, .events = POLLIN };
		left = until - now_ms();
		if (left <= 0)
			return fail(f, fmt("nothing came for %d seconds", FETCH_SECONDS));
		/* a signal may come just before, or be another thread's */
		if (poll(p, 2, left < SLICE ? (int)left : SLICE) < 0 && errno != EINTR)
			return fail(f, fmt("poll: %s", strerror(errno)));
		if (halted)
			return fail(f, "it was interrupted");
		if (p[1].revents)
			listen_to(s);
		if (p[0].revents)
			return 0;
	}
}

static int
await(struct fetch *f, int fd, short what)
{
	return await_for(f, fd, what, FETCH_SECONDS * 1000);
}

static ssize_t
receive(struct fetch *f, void *buf, size_t size)
{
	struct fetch_state *s = f->state;
	int64_t begun = now_ms();
	ssize_t n;

	do {
		if (await(f, s->fd, POLLIN) < 0)
			return -1;
		n = read(s->fd, buf, size);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return fail(f, fmt("the connection broke: %s", strerror(errno)));
	/* who sends a byte now and then would keep us for ever; the time that others take for it is not theirs */
	s->came += (uint64_t)n;
	s->waited += now_ms() - begun;
	if (n > 0 && s->waited > FETCH_SECONDS * 1000) {
		if (s->came < STEADY)
			return fail(f, fmt("less than %d KB came in %d seconds", STEADY >> 10, FETCH_SECONDS));
		s->came = 0;
		s->waited = 0;
	}
	return n;
}

/* at most size bytes; 0 at the end */
static ssize_t
take(struct fetch *f, void *buf, size_t size)
{
	struct fetch_state *s = f->state;
	ssize_t n;

	if (s->begin == s->end) {
		if (size >= ROOM)
			return receive(f, buf, size);
		n = receive(f, s->in, ROOM);
		if (n <= 0)
			return n;
		s->begin = 0;
		s->end = (size_t)n;
	}
	if (size > s->end - s->begin)
		size = s->end - s->begin;
	memcpy(buf, s->in + s->begin, size);
	s->begin += size;
	return (ssize_t)size;
}

/* the next line of a head, or around a chunk, into s->line */
static int
take_line(struct fetch *f)
{
	struct fetch_state *s = f->state;
	size_t n = 0;
	ssize_t got;
	char c;

	for (;;) {
		got = take(f, &c, 1);
		if (got < 0)
			return -1;
		if (got == 0)
			return fail(f, s->head || n ? "its answer ends too early" : "it ended the connection without an answer");
		if (c == '\n')
			break;
		if (n == sizeof(s->line) - 1 || ++s->head > HEAD_MOST)
			return fail(f, "the head of its answer does not end");
		if (!c || (c == '\r' && n && s->line[n - 1] == '\r'))
			return fail(f, "its answer is not HTTP");
		s->line[n++] = c;
	}
	s->head++;
	if (n && s->line[n - 1] == '\r')
		n--;
	s->line[n] = 0;
	return 0;
}

/* ---- heads ------------------------------------------------------------------------- */

/* of these those from etag on are kept as they are, as struct fetch has them */
#define HEADERS \
	"content-length|transfer-encoding|accept-ranges|content-range|" \
	"etag|last-modified|content-type|location|www-authenticate|docker-content-digest|retry-after|date"
enum { LENGTH, ENCODING, RANGES, RANGE, KEPT, LAST_MODIFIED = KEPT + 1, AUTHENTICATE = KEPT + 4 };

static void
forget(struct fetch *f)
{
	size_t i;

	for (i = 0; i < LEN(f->kept); i++) {
		free(f->kept[i]);
		f->kept[i] = NULL;
	}
	f->modified = -1;
	f->length = UINT64_MAX;
}

static bool
parse_length(const char *s, uint64_t *out)
{
	long long n;

	if (*s < '0' || *s > '9' || !parse_number(s, 0, LLONG_MAX / 2, &n))
		return false;
	*out = (uint64_t)n;
	return true;
}

/* "bytes 5-9/10" */
static bool
parse_range(const char *s, uint64_t *from, uint64_t *total)
{
	const char *dash, *slash;
	uint64_t last;

	s = after(s, "bytes ");
	dash = s ? strchr(s, '-') : NULL;
	slash = dash ? strchr(dash, '/') : NULL;
	if (!slash || !parse_length(xstrndup(s, (size_t)(dash - s)), from) ||
	    !parse_length(xstrndup(dash + 1, (size_t)(slash - dash - 1)), &last) || last < *from)
		return false;
	return streq(slash + 1, "*") || (parse_length(slash + 1, total) && *total > last);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", in seconds since 1970; -1: it is not that */
static int64_t
parse_date(const char *s)
{
	static const char form[] = "aaa, 00 aaa 0000 00:00:00 GMT";
	struct tm tm = { .tm_mon = 0 };
	const char *c;

	for (c = form; *c && (*c == 'a' || (*c == '0' ? s[c - form] >= '0' && s[c - form] <= '9' : s[c - form] == *c)); c++)
		if (!s[c - form])
			return -1;
	if (*c || s[c - form])
		return -1;
	while (strncmp(months + 3 * tm.tm_mon, s + 8, 3) != 0)
		if (++tm.tm_mon == 12)
			return -1;
	tm.tm_mday = atoi(s + 5);
	tm.tm_year = atoi(s + 12) - 1900;
	tm.tm_hour = atoi(s + 17);
	tm.tm_min = atoi(s + 20);
	tm.tm_sec = atoi(s + 23);
	return timegm(&tm);
}

static int
take_header(struct fetch *f, char *line)
{
	struct fetch_state *s = f->state;
	char *value, *end, **to;
	uint64_t length;
	size_t n = strcspn(line, ": \t");
	int which;

	if (*line == ' ' || *line == '\t')
		return fail(f, "it folds lines in the head of its answer");
	if (n == 0 || line[n] != ':')
		return fail(f, "the head of its answer is not HTTP");
	line[n] = 0;
	value = line + n + 1;
	value += strspn(value, " \t");
	for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	*end = 0;
	for (end = value; *end; end++)
		if (((unsigned char)*end < ' ' && *end != '\t') || *end == 0x7f)
			return fail(f, "there are control characters in the head of its answer");
	for (end = line; *end; end++)
		*end = (char)tolower((unsigned char)*end);
	which = word_index(HEADERS, line);
	switch (which) {
	case LENGTH:
		if (!parse_length(value, &length) || (f->length != UINT64_MAX && f->length != length))
			return fail(f, "it does not say clearly how long its answer is");
		f->length = length;
		break;
	case ENCODING:
		if (s->chunked || strcasecmp(value, "chunked") != 0)
			return fail(f, "it sends what nobody asked for: another Transfer-Encoding than chunked");
		s->chunked = true;
		break;
	case RANGES:
		s->ranges = strcasecmp(value, "bytes") == 0;
		break;
	case RANGE:
		if (!parse_range(value, &s->range, &s->total))
			s->range = UINT64_MAX;
		break;
	case LAST_MODIFIED:
		f->modified = parse_date(value);
	}
	if (which < KEPT)
		return 0;
	to = &f->kept[which - KEPT];
	if (!*to)
		*to = strdup(value);
	else if (which == AUTHENTICATE && (end = malloc(strlen(*to) + strlen(value) + 3))) {
		sprintf(end, "%s, %s", *to, value);
		free(*to);
		*to = end;
	}
	return 0;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200"; -1 if it is none */
static int
parse_status(const char *line)
{
	const char *c = after(line, "HTTP/");

	if (!c)
		return -1;
	c += strspn(c, "0123456789.");
	if (c[0] != ' ' || c[1] < '1' || c[1] > '9' || strspn(c + 1, "0123456789") != 3 || (c[4] && c[4] != ' '))
		return -1;
	return (c[1] - '0') * 100 + (c[2] - '0') * 10 + c[3] - '0';
}

static int
take_head(struct fetch *f)
{
	struct fetch_state *s = f->state;

	s->head = 0;
	do {
		forget(f);
		s->chunked = s->ranges = false;
		s->range = s->total = UINT64_MAX;
		if (take_line(f) < 0)
			return -1;
		f->status = parse_status(s->line);
		if (f->status < 0 || f->status == 101)
			return fail(f, "its answer is not HTTP");
		for (;;) {
			if (take_line(f) < 0)
				return -1;
			if (!*s->line)
				break;
			if (take_header(f, s->line) < 0)
				return -1;
		}
	} while (f->status < 200);
	/* a fetcher has undone it */
	if (s->program)
		s->chunked = false;
	if (s->chunked)
		f->length = UINT64_MAX;
	s->left = s->chunked ? 0 : f->length;
	if (f->status == 204 || f->status == 304)
		s->left = f->length = s->chunked = 0;
	s->at = 0;
	if (f->status == 206) {
		if (!f->from || s->range != f->from)
			return fail(f, "it sends another part than it was asked for");
		s->at = s->range;
	} else {
		s->total = f->length;
	}
	s->over = s->left == 0 && !s->chunked;
	return 0;
}

/* ---- connections --------------------------------------------------------------------- */

static void
hang_up(struct fetch_state *s)
{
	s->fd = drop(s->fd);
	s->errfd = drop(s->errfd);
	if (s->pid > 0) {
		kill(s->pid, SIGTERM);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	s->pid = 0;
}

static int
dial(struct fetch *f, const struct url *u)
{
	struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list = NULL, *a;
	int64_t until = now_ms() + FETCH_SECONDS * 1000, left;
	int ret, error;
	socklen_t len = sizeof(error);

	ret = getaddrinfo(u->host, u->port, &want, &list);
	if (ret == EAI_BADFLAGS || ret == EAI_NONAME || ret == EAI_NODATA) {
		/* where the loopback is all that is up */
		want.ai_flags = 0;
		ret = getaddrinfo(u->host, u->port, &want, &list);
	}
	if (ret != 0)
		return fail(f, fmt("look up %s: %s", u->host, ret == EAI_AGAIN ? "no name server has an answer" : gai_strerror(ret)));
	for (a = list; a && !halted; a = a->ai_next) {
		/* a server that has many addresses gets no more time for it */
		left = until - now_ms();
		error = 0;
		f->state->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (f->state->fd < 0 || (connect(f->state->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS))
			error = errno;
		else if (await_for(f, f->state->fd, POLLOUT, a->ai_next && left > TURN ? TURN : left) < 0)
			error = halted ? EINTR : ETIMEDOUT;
		else if (getsockopt(f->state->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			error = errno;
		if (!error)
			break;
		f->why = fmt("connect to %s port %s: %s", u->host, u->port, strerror(error));
		f->state->fd = drop(f->state->fd);
	}
	freeaddrinfo(list);
	return f->state->fd < 0 ? fail(f, halted ? "it was interrupted" : f->why) : 0;
}

static int
send_all(struct fetch *f, const char *data)
{
	size_t len = strlen(data);
	ssize_t n;

	while (len > 0) {
		if (await(f, f->state->fd, POLLOUT) < 0)
			return -1;
		n = send(f->state->fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail(f, fmt("the connection broke: %s", strerror(errno)));
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static bool
begins(const char *line, const char *name)
{
	return strncasecmp(line, name, strlen(name)) == 0;
}

/* such a line was given to us */
static bool
asks(const struct fetch *f, const char *name)
{
	char *const *h = f->headers;

	while (h && *h && !begins(*h, name))
		h++;
	return h && *h;
}

/* the lines of a request; known: the server is that of f->url */
static char **
lines_of(const struct fetch *f, const struct url *u, bool known)
{
	char *const *h, **lines = NULL;

	grow(&lines, "User-Agent: nspawn-lite/" VERSION);
	grow(&lines, "Accept-Encoding: identity");
	if (f->if_etag)
		grow(&lines, fmt("If-None-Match: %s", f->if_etag));
	if (f->from) {
		grow(&lines, fmt("Range: bytes=%llu-", (unsigned long long)f->from));
		if (f->same)
			grow(&lines, fmt("If-Range: %s", f->same));
	}
	if (u->user)
		grow(&lines, fetch_basic(u->user));
	for (h = f->headers; h && *h; h++)
		if (known || (!begins(*h, "Authorization:") && !begins(*h, "Cookie:")))
			grow(&lines, *h);
	return lines;
}

/* the environment says which way to a server; -1: what it says is of no use, and nobody is asked without it */
static int
find_proxy(const struct url *u, struct url *proxy)
{
	const char *way = getenv("http_proxy"), *no = getenv("no_proxy"), *name;
	size_t n, len = strlen(u->host);

	for (; no && *no; no += n + (no[n] != 0)) {
		no += strspn(no, " ");
		n = strcspn(no, ", ");
		name = *no == '.' ? no + 1 : no;
		if (n == 1 && *no == '*')
			return 0;
		n -= (size_t)(name - no);
		no = name;
		if (n && n <= len && strncasecmp(u->host + len - n, no, n) == 0 && (n == len || u->host[len - n - 1] == '.'))
			return 0;
	}
	if (!way || !*way)
		return 0;
	return parse_url(strstr(way, "://") ? way : fmt("http://%s", way), proxy) && streq(proxy->scheme, "http") ? 1 : -1;
}

static int
open_http(struct fetch *f, const struct url *u, bool known)
{
	struct url proxy = { 0 };
	int by = find_proxy(u, &proxy);
	char **line, *text;

	if (by < 0)
		return fail(f, "http_proxy in the environment names no proxy of http");
	if (dial(f, by ? &proxy : u) < 0)
		return -1;
	text = fmt("GET %s%s%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s", by ? "http://" : "", by ? authority(u) : "", u->path,
	           authority(u), asks(f, "Accept:") ? "" : "Accept: */*\r\n");
	if (by && proxy.user)
		text = fmt("%sProxy-Authorization: Basic %s\r\n", text, base64(decode(proxy.user)));
	for (line = lines_of(f, u, known); *line; line++)
		text = fmt("%s%s\r\n", text, *line);
	return send_all(f, fmt("%s\r\n", text)) < 0 ? -1 : take_head(f);
}

static int
open_file(struct fetch *f, const struct url *u)
{
	struct fetch_state *s = f->state;
	struct stat st;

	forget(f);
	s->fd = openat(AT_FDCWD, decode(u->path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	f->status = s->fd < 0 && (errno == ENOENT || errno == ENOTDIR) ? 404 : 200;
	s->left = 0;
	s->over = true;
	if (f->status == 404)
		return 0;
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return fail(f, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(f, "it is no file");
	if (f->from && (uint64_t)st.st_size > f->from && lseek(s->fd, (off_t)f->from, SEEK_SET) >= 0) {
		f->status = 206;
		s->at = f->from;
	}
	f->modified = st.st_mtime;
	f->length = s->left = (uint64_t)st.st_size - s->at;
	s->over = s->left == 0;
	return 0;
}

/* ---- https, by others -------------------------------------------------------------------- */

/* what it says in its own name, or else at last */
static const char *
last_words(struct fetch_state *s)
{
	char *at, *line, *c, *best = NULL;

	s->said[s->nsaid] = 0;
	at = xstrdup(s->said);
	while ((line = next_line(&at)) && !(best && after(best, s->program)))
		if (*line && *line != ' ')
			best = line;
	for (c = best; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	if (!best)
		return fmt("%s failed", s->program);
	return after(best, s->program) ? xstrdup(best) : fmt("%s: %s", s->program, best);
}

/* a status in the words of one that passes on no head; 0: none */
static int
status_in(const char *said)
{
	const char *c;

	for (c = said; (c = strstr(c, "HTTP")); c += 4) {
		if (parse_status(c) > 0)
			return parse_status(c);
		if (after(c, "HTTP error ") && strspn(c + 11, "0123456789") == 3)
			return atoi(c + 11);
	}
	return 0;
}

/* it has said all: did it go well? */
static int
part(struct fetch *f)
{
	struct fetch_state *s = f->state;
	int status = 0;

	/* that takes what it says */
	while (s->errfd >= 0)
		if (await(f, s->errfd, POLLIN) < 0)
			return -1;
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	s->pid = 0;
	return status == 0 ? 0 : fail(f, last_words(s));
}

static char *
quote(const char *s)
{
	char *out = xalloc(strlen(s) * 2 + 1), *to = out;

	while (*s) {
		if (*s == '"' || *s == '\\')
			*to++ = '\\';
		*to++ = *s++;
	}
	return out;
}

/* the words of curl's configuration, so that no secret stands among its arguments */
static char *
curl_words(const struct fetch *f, const struct url *u, bool known)
{
	char **line, *text = fmt("url = \"%s\"\n", quote(fmt("%s%s", server_of(u), u->path)));

	for (line = lines_of(f, u, known); *line; line++)
		text = fmt("%sheader = \"%s\"\n", text, quote(*line));
	return text;
}

/* whether a name leads to one of the small programs that are many in one */
static bool
is_small(const char *path, const char *name)
{
	char real[PATH_MAX];
	const char *base;

	if (!realpath(path, real))
		return false;
	base = strrchr(real, '/');
	return base && after(base + 1, name);
}

/* a file without a name that holds the settings wget would read, and these; it takes none from a pipe */
static int
wget_settings(const char *text)
{
	static const char *own;
	char path[] = "/tmp/.nspawn-lite.XXXXXX", had[4096] = "";
	int fd = mkostemp(path, O_CLOEXEC);

	if (!own)
		own = getenv("WGETRC") ? xstrdup(getenv("WGETRC")) : fmt("%s/.wgetrc", getenv("HOME") ? getenv("HOME") : "");
	if (fd < 0)
		return -1;
	unlink(path);
	if (read_at(AT_FDCWD, own, had, sizeof(had)) < 0)
		*had = 0;
	text = fmt("%s\n%s", had, text);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return drop(fd);
	setenv("WGETRC", "/proc/self/fd/0", 1);
	return fd;
}

static char **
wget_words(struct fetch *f, const char *path, const struct url *u, bool known, int *in)
{
	struct fetch_state *s = f->state;
	char **argv = NULL, *const *line, *text = xstrdup("");

	grow(&argv, xstrdup(s->program));
	s->headless = is_small(path, "busybox") || is_small(path, "toybox") || is_small(path, "uclient-fetch");
	grow(&argv, "-q");
	if (!s->headless) {
		/* it would follow to http, too, and go on itself where nobody asked whether it is still the same */
		grow(&argv, "-S");
		grow(&argv, "--save-headers");
		grow(&argv, "--max-redirect=0");
		grow(&argv, "--tries=1");
		grow(&argv, fmt("--timeout=%d", FETCH_SECONDS));
		for (line = lines_of(f, u, known); *line; line++)
			if (!after(*line, "Range:") && !after(*line, "If-Range:") && !after(*line, "User-Agent:"))
				text = fmt("%sheader = %s\n", text, *line);
		*in = wget_settings(text);
		if (*in < 0)
			return NULL;
	} else {
		if (u->user)
			warn("%s: the password is among its arguments, where all on this machine can see it", path);
		for (line = f->headers; line && *line; line++)
			grow(&argv, fmt("--header=%s", *line));
	}
	grow(&argv, "-O");
	grow(&argv, "-");
	grow(&argv, fmt("%s://%s%s%s%s", u->scheme, s->headless && u->user ? u->user : "", s->headless && u->user ? "@" : "", authority(u),
	                u->path));
	return argv;
}

/* the head of the answer that it tells of, each line behind two blanks */
static int
head_in_words(struct fetch *f)
{
	struct fetch_state *s = f->state;
	char *at = s->said, *line;

	forget(f);
	f->status = 0;
	while ((line = next_line(&at)))
		if (parse_status(line + strspn(line, " ")) > 0) {
			forget(f);
			f->status = parse_status(line + strspn(line, " "));
		} else if (f->status && line[0] == ' ' && line[1] == ' ' && take_header(f, line + 2) < 0) {
			return -1;
		}
	s->left = 0;
	s->over = true;
	return 0;
}

static int
take_fetched(struct fetch *f)
{
	struct fetch_state *s = f->state;
	const char *why;
	ssize_t n = receive(f, s->in, ROOM);

	if (n < 0)
		return -1;
	if (n > 0 && !s->headless) {
		s->begin = 0;
		s->end = (size_t)n;
		return take_head(f);
	}
	forget(f);
	s->left = UINT64_MAX;
	f->status = 200;
	if (n > 0) {
		s->begin = 0;
		s->end = (size_t)n;
		return 0;
	}
	s->over = true;
	if (part(f) == 0)
		return 0;
	why = f->why;
	s->said[s->nsaid] = 0;
	if (s->headless) {
		f->status = status_in(s->said);
		f->authenticate = strdup("");
	} else if (head_in_words(f) < 0)
		return -1;
	return f->status && f->status != 200 ? 0 : fail(f, why);
}

static int
open_by_program(struct fetch *f, const struct url *u, bool known)
{
	static const char *const names[] = { FETCHERS };
	static bool warned;
	struct fetch_state *s = f->state;
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
	char *path = NULL, **argv = NULL, *all = xstrdup(""), *text = NULL;
	size_t i;

	for (i = 0; i < LEN(names) && !path; i++) {
		path = program_find(names[i]);
		all = fmt("%s%s%s", all, i == 0 ? "" : i + 1 < LEN(names) ? ", " : " or ", names[i]);
		s->program = names[i];
	}
	if (!path)
		return fail(f, fmt("https is fetched by %s, and there is none in PATH", all));
	if (streq(s->program, "curl")) {
		text = curl_words(f, u, known);
		for (i = 0; i < 9; i++)
			grow(&argv, (char *[]){ "curl", "-s", "-S", "-i", "-g", "--suppress-connect-headers", "-K", "-", "--proto" }[i]);
		grow(&argv, "=https");
		grow(&argv, "--connect-timeout");
		grow(&argv, fmt("%d", FETCH_SECONDS));
	} else {
		argv = wget_words(f, path, u, known, &in[0]);
		if (!argv)
			return fail(f, fmt("write the settings of %s: %s", path, strerror(errno)));
	}
	if (s->headless && asks(f, "Authorization:"))
		return fail(f, fmt("%s takes a token or password only where all on this machine see it: curl and GNU wget do not", path));
	if (s->headless && !warned && is_small(path, "busybox"))
		warn("%s: it checks no certificates: only sums and signatures say whose this is", path);
	warned = warned || s->headless;
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 || (text && pipe2(in, O_CLOEXEC | O_NONBLOCK) < 0))
		return fail(f, fmt("make a pipe: %s", strerror(errno)));
	/* it fits: a pipe holds 64 KB */
	if (text && write(in[1], text, strlen(text)) != (ssize_t)strlen(text))
		return fail(f, "the request is too long");
	drop(in[1]);
	if (text)
		fcntl(in[0], F_SETFL, 0);
	s->pid = program_start(argv, in[0], out[1], err[1]);
	drop(in[0]);
	drop(out[1]);
	drop(err[1]);
	s->fd = out[0];
	s->errfd = err[0];
	if (s->pid < 0) {
		s->pid = 0;
		return fail(f, fmt("start %s: %s", path, strerror(errno)));
	}
	return take_fetched(f);
}

/* ---- the body --------------------------------------------------------------------------------- */

/* go to the next chunk; 0: there is none */
static int
next_chunk(struct fetch *f)
{
	struct fetch_state *s = f->state;
	size_t n;

	s->head = 0;
	if (s->in_chunk && (take_line(f) < 0 || *s->line))
		return fail(f, f->why ? f->why : "a chunk of its answer is longer than it says");
	if (take_line(f) < 0)
		return -1;
	n = strspn(s->line, "0123456789abcdefABCDEF");
	if (n == 0 || n > 15 || (s->line[n] && !strchr("; \t", s->line[n])))
		return fail(f, "a chunk of its answer has no length");
	s->left = strtoull(s->line, NULL, 16);
	s->in_chunk = true;
	if (s->left)
		return 1;
	do
		if (take_line(f) < 0)
			return -1;
	while (*s->line);
	s->over = true;
	return 0;
}

static ssize_t
read_once(struct fetch *f, void *buf, size_t size)
{
	struct fetch_state *s = f->state;
	ssize_t n;

	f->why = NULL;
	if (s->over && s->total != UINT64_MAX && s->at < s->total)
		return fail(f, fmt("it sent %llu bytes of %llu", (unsigned long long)s->at, (unsigned long long)s->total));
	if (s->over)
		return 0;
	if (s->chunked && !s->left) {
		n = next_chunk(f);
		if (n <= 0)
			return n;
	}
	n = take(f, buf, s->left < size ? (size_t)s->left : size);
	if (n < 0)
		return -1;
	if (n == 0 && s->left != UINT64_MAX)
		return fail(f, fmt("the connection ended after %llu bytes%s", (unsigned long long)s->at,
		                   s->total == UINT64_MAX ? "" : fmt(" of %llu", (unsigned long long)s->total)));
	if (n == 0) {
		s->over = true;
		return s->pid ? part(f) : 0;
	}
	s->at += (uint64_t)n;
	if (s->left != UINT64_MAX)
		s->left -= (uint64_t)n;
	s->over = !s->left && !s->chunked;
	if (s->over)
		hang_up(s);
	return n;
}

void
fetch_pause(int64_t seconds)
{
	int64_t until = now_ms() + seconds * 1000;

	while (!halted && now_ms() < until)
		poll(NULL, 0, SLICE);
}

/* g, which begins at the beginning, comes to where f was */
static bool
catch_up(struct fetch *g, uint64_t at)
{
	char buf[8192];
	uint64_t left;

	while (!halted && g->state->at < at) {
		left = at - g->state->at;
		if (read_once(g, buf, left < sizeof(buf) ? (size_t)left : sizeof(buf)) <= 0)
			return false;
	}
	return !halted;
}

/* what g answers belongs to what f began */
static bool
is_same(const struct fetch *f, const struct fetch *g, const char *same)
{
	const char *now = same && same == f->etag ? g->etag : g->last_modified;

	if (f->state->total != UINT64_MAX && g->state->total != UINT64_MAX && f->state->total != g->state->total)
		return false;
	if (same && now)
		return streq(same, now);
	return g->status == 206 && g->state->total == f->state->total && f->state->total != UINT64_MAX;
}

/* make the connection again, and go on where it broke */
static bool
resume(struct fetch *f)
{
	struct fetch_state *s = f->state, *other;
	const char *same = f->etag && !after(f->etag, "W/") ? f->etag : f->last_modified;
	struct fetch g;
	bool agrees;

	if ((!same && (!s->ranges || s->total == UINT64_MAX)) || !s->at)
		return false;
	if (s->breaks++ == BREAKS) {
		f->why = fmt("%s, and it broke %d times before", f->why, BREAKS);
		return false;
	}
	if (s->at - s->steady >= STEADY)
		s->tries = 0;
	s->steady = s->at;
	while (s->tries < FETCH_TRIES && !halted) {
		/* at once; then after 1, 2, 4, ... seconds */
		fetch_pause(s->tries > 0 ? 1 << (s->tries < 6 ? s->tries - 1 : 5) : 0);
		s->tries++;
		g = (struct fetch){ .url = f->url, .headers = f->headers, .from = s->at, .same = same };
		if (halted)
			break;
		say("%s: %s: go on there", f->url, f->why ? f->why : "it broke");
		if (fetch_open(&g) < 0) {
			f->why = g.why;
			continue;
		}
		agrees = is_same(f, &g, same);
		if (agrees && (g.status == 206 || (g.status == 200 && catch_up(&g, s->at)))) {
			other = g.state;
			other->steady = s->steady;
			other->tries = s->tries;
			other->breaks = s->breaks;
			g.state = s;
			fetch_close(&g);
			f->state = other;
			return true;
		}
		if (g.status < 500 && g.status != 429 && !(agrees && g.status == 200)) {
			f->why = g.status >= 400 ? fmt("%s, and then it said %d", f->why, g.status)
			                         : fmt("%s, and what is there is something else now", f->why);
			fetch_close(&g);
			return false;
		}
		fetch_close(&g);
	}
	return false;
}

static ssize_t
read_body(struct source *b, void *buf, size_t size)
{
	struct fetch *f = b->arg;
	ssize_t n;

	if (size > SSIZE_MAX)
		size = SSIZE_MAX;
	do
		n = read_once(f, buf, size);
	while (n < 0 && !halted && resume(f));
	if (n < 0) {
		b->why = halted ? "it was interrupted" : f->why;
		errno = halted ? EINTR : EIO;
		return -1;
	}
	b->taken += (uint64_t)n;
	return n;
}

/* ---- doors ---------------------------------------------------------------------------------------- */

static int
open_one(struct fetch *f, struct url *u, bool known)
{
	if (!f->state)
		f->state = calloc(1, sizeof(*f->state));
	if (!f->state)
		return fail(f, "out of memory");
	*f->state = (struct fetch_state){ .fd = -1, .errfd = -1, .total = UINT64_MAX };
	if (streq(u->scheme, "file"))
		return open_file(f, u);
	if (!u->user && login.user && strcasecmp(login.server, server_of(u)) == 0)
		u->user = login.user;
	return streq(u->scheme, "http") ? open_http(f, u, known) : open_by_program(f, u, known);
}

int
fetch_open(struct fetch *f)
{
	struct url first, u, next;
	char *url = xstrdup(f->url), *const *h;
	bool known;
	int hops;

	f->state = NULL;
	for (h = f->headers; h && *h; h++)
		if (!utf8_clean(*h))
			return fail(f, "a header of the request has control characters");
	if (!parse_url(url, &first))
		return fail(f, "it is no URL that we know");
	u = first;
	for (hops = 0; ; hops++) {
		known = streq(u.scheme, first.scheme) && strcasecmp(u.host, first.host) == 0 && streq(u.port, first.port);
		if (open_one(f, &u, known) < 0)
			break;
		/* there is nothing behind what we have, or the server has it no more: all of it says which */
		if (f->status == 416 && f->from) {
			f->from = 0;
			hang_up(f->state);
			continue;
		}
		if (f->stay || !f->location || (f->status / 100 != 3) || f->status == 300 || f->status == 304) {
			f->final_url = url;
			f->body = (struct source){ .read = read_body, .fd = -1, .arg = f };
			return 0;
		}
		url = resolve(&u, f->location);
		hang_up(f->state);
		f->why = NULL;
		if (hops == HOPS)
			f->why = fmt("it leads from one place to the next more than %d times", HOPS);
		else if (!fetch_valid(url) || !parse_url(url, &next) || streq(next.scheme, "file"))
			f->why = "it leads to what is no URL of http or https";
		else if (streq(u.scheme, "https") && streq(next.scheme, "http"))
			f->why = fmt("it leads from https to http, which nobody protects: %s%.*s", server_of(&next),
			             (int)strcspn(next.path, "?"), next.path);
		if (f->why)
			break;
		u = next;
	}
	fetch_close(f);
	return -1;
}

int64_t
fetch_again(const struct fetch *f)
{
	long long seconds;
	int64_t at;

	if (!f->retry_after || parse_number(f->retry_after, 0, INT_MAX, &seconds))
		return f->retry_after ? seconds : -1;
	at = parse_date(f->retry_after);
	/* by the server's own clock: ours may not be set yet */
	return at < 0 ? -1 : at - (f->date ? parse_date(f->date) : time(NULL));
}

void
fetch_close(struct fetch *f)
{
	if (f->state) {
		hang_up(f->state);
		free(f->state);
	}
	f->state = NULL;
	forget(f);
}

ssize_t
fetch_text(struct fetch *f, char *buf, size_t size, const char **why)
{
	size_t got = 0;
	ssize_t n;

	*why = NULL;
	while ((n = f->body.read(&f->body, buf + got, size - got)) > 0) {
		got += (size_t)n;
		if (got == size) {
			*why = fmt("it is longer than %zu bytes", size - 1);
			return -1;
		}
	}
	if (n < 0) {
		*why = f->body.why;
		return -1;
	}
	buf[got] = 0;
	return (ssize_t)got;
}

ssize_t
fetch_small(const char *url, char *buf, size_t size, int *status, const char **why)
{
	struct fetch f = { .url = url };
	ssize_t n = -1;

	*status = 0;
	if (fetch_open(&f) < 0) {
		*why = f.why;
		return -1;
	}
	*status = f.status;
	if (f.status == 200)
		n = fetch_text(&f, buf, size, why);
	else
		*why = fmt("the server says %d", f.status);
	fetch_close(&f);
	return n;
}
