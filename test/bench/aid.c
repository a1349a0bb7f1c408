/*
 * What the benchmarks need beside measuring.
 *
 *	aid hold N COMMAND...	starts N of the command, each when the one before has written a byte to its standard output,
 *				then prints their process ids and holds them until our own standard input ends;
 *				a % in a word stands for the number
 *	aid mounts N DIR	a mount namespace with N more mounts below DIR, held until our own standard input ends
 *	aid loop N COMMAND...	runs the command N times in a row; the first that fails ends it
 *	aid gen N		N bytes of noise to standard output
 *	aid check N		whether standard input is these N bytes
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 65536

struct verb {
	const char *name;
	int least;
	int (*run)(size_t count, char **words);
};

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "aid: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void
wait_for_end(void)
{
	char c;

	while (read(0, &c, 1) > 0)
		;
}

static pid_t
start(char **words, int in, int out)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	dup2(in, 0);
	dup2(out, 1);
	execvp(words[0], words);
	die(words[0]);
}

static char *
number_word(const char *word, size_t number)
{
	const char *sign = strchr(word, '%');
	char *text;

	if (!sign)
		return strdup(word);
	if (asprintf(&text, "%.*s%zu%s", (int)(sign - word), word, number, sign + 1) < 0)
		return NULL;
	return text;
}

static char **
number_words(char **words, size_t number)
{
	static char *list[128];
	size_t i;

	for (i = 0; words[i] && i < 127; i++) {
		free(list[i]);
		if (!(list[i] = number_word(words[i], number)))
			die("words");
	}
	return list;
}

/* All read from one pipe, so closing it ends them all, and so does our own death. */
static int
hold(size_t count, char **words)
{
	int in[2], out[2];
	pid_t *pids = calloc(count, sizeof *pids);
	char c;

	if (!pids || pipe2(in, O_CLOEXEC) < 0)
		die("hold");
	for (size_t i = 0; i < count; i++) {
		if (pipe2(out, O_CLOEXEC) < 0)
			die("pipe");
		pids[i] = start(number_words(words, i), in[0], out[1]);
		close(out[1]);
		if (read(out[0], &c, 1) != 1)
			die("a command ended before it wrote");
	}
	for (size_t i = 0; i < count; i++)
		printf("%d ", (int)pids[i]);
	putchar('\n');
	fflush(stdout);
	wait_for_end();
	close(in[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}

/* Half of them file systems of their own, half binds. */
static int
mounts(size_t count, char **words)
{
	char path[512];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("unshare");
	if (mount("tmpfs", words[0], "tmpfs", 0, NULL) < 0)
		die(words[0]);
	for (size_t i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%zu", words[0], i);
		if (mkdir(path, 0755) < 0)
			die(path);
		if (i % 2 ? mount("/etc", path, NULL, MS_BIND, NULL) : mount("tmpfs", path, "tmpfs", 0, "size=64k"))
			die(path);
	}
	printf("ready\n");
	fflush(stdout);
	wait_for_end();
	return 0;
}

static int
loop(size_t count, char **words)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), status;

	for (size_t i = 0; i < count; i++) {
		pid_t pid = start(words, null, 1);

		if (waitpid(pid, &status, 0) < 0)
			die("waitpid");
		if (status) {
			fprintf(stderr, "aid: run %zu ended with status %#x\n", i + 1, (unsigned)status);
			return 1;
		}
	}
	return 0;
}

static void
make_noise(uint64_t *block)
{
	static uint64_t state = 88172645463325252U;

	for (size_t i = 0; i < BLOCK / sizeof *block; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		block[i] = state;
	}
}

static int
gen(size_t count, char **words)
{
	static uint64_t block[BLOCK / sizeof(uint64_t)];

	(void)words;
	while (count) {
		size_t part = count < BLOCK ? count : BLOCK;
		size_t done = 0;

		make_noise(block);
		while (done < part) {
			ssize_t n = write(1, (char *)block + done, part - done);

			if (n <= 0)
				die("write");
			done += (size_t)n;
		}
		count -= part;
	}
	return 0;
}

static int
read_part(char *to, size_t part)
{
	size_t done = 0;

	while (done < part) {
		ssize_t n = read(0, to + done, part - done);

		if (n < 0)
			die("read");
		if (n == 0)
			return 0;
		done += (size_t)n;
	}
	return 1;
}

static int
check(size_t count, char **words)
{
	static uint64_t block[BLOCK / sizeof(uint64_t)], got[BLOCK / sizeof(uint64_t)];
	size_t part;
	char c;

	(void)words;
	for (size_t done = 0; done < count; done += part) {
		part = count - done < BLOCK ? count - done : BLOCK;
		make_noise(block);
		if (!read_part((char *)got, part)) {
			fprintf(stderr, "aid: the end came before byte %zu of %zu\n", done + part, count);
			return 1;
		}
		if (memcmp(block, got, part)) {
			fprintf(stderr, "aid: other bytes between %zu and %zu\n", done, done + part);
			return 1;
		}
	}
	if (read(0, &c, 1) != 0) {
		fprintf(stderr, "aid: more than %zu bytes\n", count);
		return 1;
	}
	return 0;
}

static const struct verb verbs[] = {
	{ "hold", 1, hold }, { "mounts", 1, mounts }, { "loop", 1, loop }, { "gen", 0, gen }, { "check", 0, check },
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[1], verbs[i].name) == 0 && argc - 3 >= verbs[i].least)
			return verbs[i].run(strtoul(argv[2], NULL, 10), argv + 3);
	fprintf(stderr, "usage: aid hold|mounts|loop|gen|check N [WORD]...\n");
	return 2;
}
