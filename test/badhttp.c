/* SPDX-License-Identifier: 0BSD */
/*
 * badhttp DIR LOG : a server of http on a port of 127.0.0.1, which it prints, that does what the path says:
 * /cut/N/FILE		a file of DIR, with ETag and ranges; each connection ends after N bytes
 * /once/N/FILE		only the first connection does, and ranges are not known
 * /dumb/N/FILE		the same without an ETag
 * /changed/N/FILE	after the first connection the ETag is another
 * /shift/N/FILE	asked for a range it sends one that begins elsewhere
 * /slice/N/FILE	asked for a range it sends no more than N bytes of it, and says so
 * /other/N/FILE	asked for a range it says that the whole is longer
 * /fail/N/FILE		asked for a range it says 503, once, and is like /cut then
 * /chunked/0/FILE	in chunks, with extensions and a trailer
 * /late/0/FILE		a good beginning, and then nothing, until the other side is gone
 * and those in the table below, which are none that a client should take. Heads of requests go to LOG. It is a proxy
 * that is asked to CONNECT, too.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const struct { const char *path, *head, *again; } bad[] = {
	{ "/loop",       "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n", NULL },
	{ "/endless",    "HTTP/1.1 200 OK\r\n", "X-More: and more, and more\r\n" },
	{ "/line",       "HTTP/1.1 200 OK\r\nX-Long: ", "and more, and more" },
	{ "/continue",   "", "HTTP/1.1 100 Continue\r\n\r\n" },
	{ "/fold",       "HTTP/1.1 200 OK\r\nETag: \"a\"\r\n \"b\"\r\nContent-Length: 0\r\n\r\n", NULL },
	{ "/colon",      "HTTP/1.1 200 OK\r\nwhatever\r\n\r\n", NULL },
	{ "/control",    "HTTP/1.1 200 OK\r\nETag: \"\033[2J\"\r\n\r\n", NULL },
	{ "/ssh",        "SSH-2.0-OpenSSH_9.2\r\n", NULL },
	{ "/nothing",    "", NULL },
	{ "/negative",   "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", NULL },
	{ "/over",       "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\nhello", NULL },
	{ "/two",        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", NULL },
	{ "/encoded",    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", NULL },
	{ "/short",      "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello", NULL },
	{ "/chunk-huge", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello", NULL },
	{ "/chunk-none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", NULL },
	{ "/chunk-long", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n", NULL },
	{ "/chunk-cut",  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", NULL },
	{ "/trailers",   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "X-More: and more\r\n" },
	{ "/part",       "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nhello", NULL },
	{ "/file",       "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", NULL },
	{ "/page",       "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n\r\n<!DOCTYPE html><p>Log in!\n", NULL },
	{ "/back",       "HTTP/1.1 302 Found\r\nLocation: /cut/0/guest.tar.gz\r\n\r\n", NULL },
	{ "/odd",        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/a b\r\n\r\n", NULL },
};

static bool
put(int fd, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	for (; len > 0; at += n, len -= (size_t)n) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

/* what comes on one side goes to the other, until one has ended */
static void
tunnel(int fd, const char *request)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .events = POLLIN } };
	char host[64] = "", buf[8192];
	int port = 0, i;
	ssize_t n;

	sscanf(request, "CONNECT %60[0-9.]:%d", host, &port);
	a.sin_port = htons((unsigned short)port);
	p[1].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1 || connect(p[1].fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		_exit(1);
	put(fd, "HTTP/1.1 200 Connection established\r\n\r\n", 39);
	while (poll(p, 2, 20000) > 0)
		for (i = 0; i < 2; i++)
			if (p[i].revents) {
				n = recv(p[i].fd, buf, sizeof(buf), 0);
				if (n > 0 && put(p[!i].fd, buf, (size_t)n))
					continue;
				_exit(0);
			}
	_exit(0);
}

static void
serve(int fd, const char *dir, const char *request)
{
	static int times;
	static char data[1 << 20], path[512], last[512], head[512];
	char how[32] = "", name[256] = "", *range;
	long most = 0, from = 0, n, len, whole, i;
	FILE *f;

	if (strncmp(request, "CONNECT ", 8) == 0) {
		if (fork() == 0)
			tunnel(fd, request);
		return;
	}
	sscanf(request, "GET %500s", path);
	for (i = 0; i < (long)(sizeof(bad) / sizeof(*bad)); i++)
		if (strncmp(path, bad[i].path, strlen(bad[i].path)) == 0 && strchr(".?", path[strlen(bad[i].path)])) {
			if (put(fd, bad[i].head, strlen(bad[i].head)))
				while (bad[i].again && put(fd, bad[i].again, strlen(bad[i].again)))
					;
			return;
		}
	sscanf(path, "/%30[^/]/%ld/%250[^/?]", how, &most, name);
	snprintf(head, sizeof(head), "%s/%s", dir, name);
	f = *name ? fopen(head, "re") : NULL;
	if (!f) {
		put(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nno!\n", 48);
		return;
	}
	len = (long)fread(data, 1, sizeof(data), f);
	fclose(f);
	if (strcmp(how, "frail") == 0)
		len = 1 << 26;
	times = strcmp(last, path) == 0 ? times + 1 : 0;
	strcpy(last, path);
	range = strstr(request, "\r\nRange: bytes=");
	if (range && strcmp(how, "once") != 0 && strcmp(how, "dumb") != 0)
		from = atol(range + 15) + (strcmp(how, "shift") == 0);
	if (strcmp(how, "fail") == 0 && times == 1) {
		put(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 40);
		return;
	}
	n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n", from ? "206 Partial Content" : "200 OK");
	if (strcmp(how, "dumb") != 0)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "ETag: \"%d\"\r\n", strcmp(how, "changed") == 0 && times > 0);
	whole = len + (from && strcmp(how, "other") == 0);
	if (from && strcmp(how, "slice") == 0 && len > from + most)
		len = from + most;
	if (from)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Range: bytes %ld-%ld/%ld\r\n", from, len - 1, whole);
	if (strcmp(how, "chunked") == 0)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "transfer-encoding: Chunked\r\n\r\n");
	else
		n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Length: %ld\r\n\r\n", len - from);
	put(fd, head, (size_t)n);
	if (strcmp(how, "chunked") == 0) {
		for (i = 0; i < len; i += most) {
			most = len - i < 1000 + i % 777 ? len - i : 1000 + i % 777;
			n = snprintf(head, sizeof(head), "%lX;name=\"value\"\r\n", most);
			put(fd, head, (size_t)n);
			put(fd, data + i, (size_t)most);
			put(fd, "\r\n", 2);
		}
		put(fd, "0\r\nX-After: all\r\n\r\n", 19);
		return;
	}
	if ((strcmp(how, "once") == 0 || strcmp(how, "dumb") == 0) && times > 0)
		most = 0;
	if (!most || most > len - from)
		most = len - from;
	put(fd, data + (strcmp(how, "frail") == 0 ? 0 : from), strcmp(how, "late") == 0 ? 100 : (size_t)most);
	if (strcmp(how, "late") == 0)
		while (recv(fd, head, sizeof(head), 0) > 0)
			;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 10 };
	static char request[32768];
	socklen_t size = sizeof(a);
	int s, fd;
	ssize_t n, got;
	FILE *log;

	if (argc != 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 64) < 0 || getsockname(s, (struct sockaddr *)&a, &size) < 0)
		return 1;
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	for (;;) {
		fd = accept4(s, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		for (n = 0; n < (ssize_t)sizeof(request) - 1; n += got) {
			got = recv(fd, request + n, sizeof(request) - 1 - (size_t)n, 0);
			if (got <= 0)
				break;
			request[n + got] = 0;
			if (strstr(request, "\r\n\r\n"))
				break;
		}
		log = fopen(argv[2], "ae");
		if (log) {
			fputs(request, log);
			fclose(log);
		}
		serve(fd, argv[1], request);
		if (strncmp(request, "CONNECT ", 8) != 0)
			shutdown(fd, SHUT_WR);
		close(fd);
	}
}
