/* SPDX-License-Identifier: 0BSD */
/*
 * stream cat [STEP]		standard input, unpacked, taken STEP bytes at a time (0: as they come)
 * stream drop N		the same, closed when N bytes were taken
 * stream open N		N times, all unpacked and thrown away: "OPEN fds, KB of memory"
 * stream drip			the same as cat, of a source that reads a byte at a time
 * stream fail			the same, of a source that fails after the first 100,000 bytes, in words of its own
 * stream pack KIND LEVEL [STEP]	standard input to standard output, by a sink
 * stream zeros KIND N		N zeros between "a" and "b"
 * stream kind NAME...		what their ends say
 * stream sum STEP		SHA-256 of standard input
 * stream peak PROGRAM...	at the end of standard error the KB of memory that it had at most; its status
 * stream FOLDER		nothing: the fuzz target of this name has its own seeds
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../util.h"

static uint8_t buf[1 << 20];

static ssize_t
read_some(size_t n)
{
	ssize_t got;

	do
		got = read(0, buf, n);
	while (got < 0 && errno == EINTR && !halted);
	return got;
}

static void
put_out(const uint8_t *at, size_t n)
{
	ssize_t done;

	for (; n > 0; at += done, n -= (size_t)done) {
		done = write(1, at, n);
		if (done < 0)
			die("write:");
	}
}

static ssize_t
read_byte(struct source *s, void *p, size_t size)
{
	return size ? read(s->fd, p, 1) : 0;
}

static ssize_t
read_failing(struct source *s, void *p, size_t size)
{
	size_t left = 100000 - (size_t)s->taken;
	ssize_t n = left ? read(s->fd, p, size < left ? size : left) : -1;

	if (n < 0)
		s->why = "the line broke";
	s->taken += n > 0 ? (uint64_t)n : 0;
	return n;
}

static size_t
fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static int
cat(struct source from, size_t step, uint64_t most, bool out)
{
	struct stream *s = stream_open(&from);
	const uint8_t *at;
	uint64_t taken = 0;
	ssize_t n;

	while ((n = stream_get(s, &at, step ? step : SIZE_MAX)) > 0) {
		if (out)
			put_out(at, (size_t)n);
		/* the promise: blocks of 512 are whole, and begin where they may be read as numbers */
		if (step && step % 512 == 0 && ((uintptr_t)at % 16 || (n % 512 && stream_peek(s, &at) > 0)))
			die("a block is torn at %llu", (unsigned long long)taken);
		taken += (uint64_t)n;
		if (taken >= most)
			break;
	}
	if (n < 0) {
		print(2, "%s\n", stream_why(s));
		if (stream_get(s, &at, 1) >= 0)
			die("it goes on after an error");
	} else if (n == 0 && stream_get(s, &at, 1) != 0) {
		die("it goes on after its end");
	}
	stream_close(s);
	return n < 0;
}

static int
pack(int kind, int level, size_t step)
{
	struct sink *s = sink_open(1, kind, level);
	ssize_t n;
	int ret = 0;

	while (ret == 0 && (n = read_some(step ? step : sizeof(buf))) > 0)
		ret = sink_put(s, buf, (size_t)n);
	if (sink_close(s) < 0) {
		print(2, "%s\n", sink_why(s));
		return 1;
	}
	print(2, "%llu\n", (unsigned long long)sink_written(s));
	return 0;
}

static int
zeros(int kind, uint64_t n)
{
	struct sink *s = sink_open(1, kind, 0);

	if (sink_put(s, "a", 1) < 0 || sink_zeros(s, n) < 0 || sink_put(s, "b", 1) < 0 || sink_zeros(s, n) < 0)
		print(2, "%s\n", sink_why(s));
	return sink_close(s) < 0;
}

static int
sum(size_t step)
{
	struct sha256 s;
	uint8_t digest[32];
	ssize_t n;
	int i;

	sha256_begin(&s);
	while ((n = read_some(step)) > 0)
		sha256_add(&s, buf, (size_t)n);
	sha256_end(&s, digest);
	for (i = 0; i < 32; i++)
		print(1, "%02x", digest[i]);
	print(1, "\n");
	return 0;
}

static int
kind_of(const char *word)
{
	int i;

	for (i = 0; i < PACK_KINDS; i++)
		if (streq(word, pack_names[i]))
			return i;
	die("no kind %s", word);
}

static int
peak(char **argv)
{
	struct rusage r;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(NOT_FOUND);
	}
	if (pid < 0 || wait4(pid, &status, 0, &r) < 0)
		die("run %s:", argv[0]);
	print(2, "%ld\n", r.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int
main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "", *word = argc > 2 ? argv[2] : "0";
	struct source in = source_fd(0);
	uint64_t n = strtoull(word, NULL, 10), i;
	struct rusage r;

	speaker = "stream: ";
	halt_by_signal();
	if (streq(verb, "cat"))
		return cat(in, (size_t)n, UINT64_MAX, true);
	if (streq(verb, "drop"))
		return cat(in, 512, n, true);
	if (streq(verb, "drip")) {
		in.read = read_byte;
		return cat(in, 512, UINT64_MAX, true);
	}
	if (streq(verb, "fail")) {
		in.read = read_failing;
		return cat(in, 0, UINT64_MAX, false);
	}
	if (streq(verb, "open")) {
		for (i = 0; i < n; i++) {
			if (lseek(0, 0, SEEK_SET) < 0)
				die("standard input is no file");
			cat(in, 0, i % 2 ? UINT64_MAX : 1, false);
		}
		getrusage(RUSAGE_SELF, &r);
		print(1, "%zu %ld\n", fds(), r.ru_maxrss);
		return 0;
	}
	if (streq(verb, "pack") && argc > 3)
		return pack(kind_of(word), atoi(argv[3]), argc > 4 ? (size_t)atol(argv[4]) : 0);
	if (streq(verb, "zeros") && argc > 3)
		return zeros(kind_of(word), strtoull(argv[3], NULL, 10));
	if (streq(verb, "sum"))
		return sum(n && n < sizeof(buf) ? (size_t)n : sizeof(buf));
	if (streq(verb, "peak"))
		return peak(argv + 2);
	if (streq(verb, "kind")) {
		for (i = 2; i < (uint64_t)argc; i++)
			print(1, "%s\n", pack_names[pack_by_name(argv[i])]);
		return 0;
	}
	if (argc == 2 && strchr(verb, '/'))
		return 0;
	die("see test/stream.c");
}
