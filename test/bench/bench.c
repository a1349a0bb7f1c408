/*
 * Interleaved measuring: one run of every command a round, in an order that each round shuffles, so that whatever else
 * the machine does, and what one run leaves to the next, meets them all alike. Only ratios are judged.
 *
 *	bench [-n ROUNDS] [-w ROUNDS] [-p PAUSE] [-t] FILE
 *
 * -n rounds (100), -w rounds before them that do not count (3), -p microseconds of rest before every run (0), -t no
 * real-time class. The file has one line each:
 *
 *	say TEXT
 *	run NAME [@FILE] COMMAND [ARGUMENT]...	from start to end, standard files on /dev/null; @FILE: in that mount namespace
 *	pty NAME [@FILE] COMMAND [ARGUMENT]...	on a terminal of its own, to the first byte on it; then it is told to exit
 *	cmp NAME OTHER [LIMIT [OF CPU]]		the ratio of the two, and whether it is within the limit, 0 is none; the same of
 *						processor time
 *	dif NAME OTHER				what NAME takes more than OTHER
 *
 * Words are parted by blanks. A comparison with a name that no line has is passed over. A ratio is over its limit when
 * the ratio of the medians and the ratio of the 10th percentiles both are. Status 1 then, 2 when a command fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MAXROWS 64
#define MAXWORDS 96
#define LINE 4096
#define PATIENCE 20000

struct figures {
	double *values, median, low;
};

struct row {
	char *name;
	char **argv;
	int terminal, space;
	struct figures wall, cpu;
};

struct check {
	char *name, *other;
	double limit, cpu_limit;
	int difference;
};

static struct row rows[MAXROWS];
static struct check checks[MAXROWS];
static size_t row_count, check_count;
static size_t rounds = 100, warm = 3;
static unsigned rest;
static int null;
static volatile sig_atomic_t current;

static _Noreturn void
die(const char *format, ...)
{
	int kept = errno;
	va_list list;

	va_start(list, format);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, format, list);
	va_end(list);
	if (format[strlen(format) - 1] == ':')
		fprintf(stderr, " %s", strerror(kept));
	fputc('\n', stderr);
	exit(2);
}

static void *
need(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

/* The table */

static char **
split(char *words)
{
	char **list = need(calloc(MAXWORDS + 1, sizeof *list));
	size_t n = 0;

	for (char *w = strtok(words, " \t"); w && n < MAXWORDS; w = strtok(NULL, " \t"))
		list[n++] = w;
	return list;
}

static void
add_row(char **words, int terminal)
{
	struct row *r = &rows[row_count++];
	int inside = words[0] && words[1] && words[1][0] == '@';

	if (row_count == MAXROWS || !words[0] || !words[1 + inside])
		die("a line of the table has no command, or there are too many");
	r->name = words[0];
	r->argv = words + 1 + inside;
	r->terminal = terminal;
	r->space = inside ? open(words[1] + 1, O_RDONLY | O_CLOEXEC) : -1;
	if (inside && r->space < 0)
		die("%s:", words[1] + 1);
	r->wall.values = need(calloc(rounds, sizeof(double)));
	r->cpu.values = need(calloc(rounds, sizeof(double)));
}

static void
add_check(char **words, int difference)
{
	struct check *c = &checks[check_count++];

	if (check_count == MAXROWS || !words[0] || !words[1])
		die("a comparison needs two names");
	c->name = words[0];
	c->other = words[1];
	c->limit = words[2] ? strtod(words[2], NULL) : 0;
	c->cpu_limit = words[2] && words[3] ? strtod(words[3], NULL) : 0;
	c->difference = difference;
}

static void
take_line(char *line)
{
	char *rest_of_it = line + strcspn(line, " \t");

	if (*rest_of_it)
		*rest_of_it++ = '\0';
	if (strcmp(line, "say") == 0)
		printf("%s\n", rest_of_it);
	else if (strcmp(line, "run") == 0 || strcmp(line, "pty") == 0)
		add_row(split(rest_of_it), line[0] == 'p');
	else if (strcmp(line, "cmp") == 0 || strcmp(line, "dif") == 0)
		add_check(split(rest_of_it), line[0] == 'd');
	else if (*line)
		die("%s: not a line of a table", line);
}

static void
read_table(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char line[LINE];

	if (!f)
		die("%s:", path);
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '#')
			take_line(need(strdup(line)));
	}
	fclose(f);
}

/* One run */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
micros(struct timeval t)
{
	return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static _Noreturn void
become(const struct row *r, int terminal)
{
	if (r->space >= 0 && setns(r->space, CLONE_NEWNS) < 0)
		_exit(125);
	if (terminal >= 0) {
		setsid();
		ioctl(terminal, TIOCSCTTY, 0);
	}
	for (int i = 0; i < 3; i++)
		dup2(terminal >= 0 ? terminal : null, i);
	execvp(r->argv[0], r->argv);
	_exit(127);
}

static void
end_run(const struct row *r, pid_t pid, size_t round, double start)
{
	struct rusage use;
	int status;

	while (wait4(pid, &status, 0, &use) < 0)
		if (errno != EINTR)
			die("wait4:");
	current = 0;
	if (!r->terminal)
		r->wall.values[round] = now() - start;
	r->cpu.values[round] = micros(use.ru_utime) + micros(use.ru_stime);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("%s: ended with status %#x; run it by hand: %s ...", r->name, (unsigned)status, r->argv[0]);
}

static void
run_command(const struct row *r, size_t round)
{
	double start = now();
	pid_t pid = vfork();

	if (pid < 0)
		die("vfork:");
	if (pid == 0)
		become(r, -1);
	current = pid;
	end_run(r, pid, round, start);
}

static int
open_terminal(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		die("a terminal:");
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0)
		die("a terminal:");
	return master;
}

static int
wait_for_byte(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char buffer[4096];

	if (poll(&p, 1, PATIENCE) <= 0)
		die("nothing came on the terminal");
	return read(fd, buffer, sizeof buffer) > 0;
}

static void
run_on_terminal(const struct row *r, size_t round)
{
	int slave, master = open_terminal(&slave);
	double start = now();
	pid_t pid = vfork();

	if (pid < 0)
		die("vfork:");
	if (pid == 0)
		become(r, slave);
	current = pid;
	close(slave);
	if (!wait_for_byte(master))
		die("%s: ended without a prompt", r->name);
	r->wall.values[round] = now() - start;
	if (write(master, "exit\n", 5) != 5)
		die("the terminal:");
	while (wait_for_byte(master))
		;
	end_run(r, pid, round, start);
	close(master);
}

static void
run_row(const struct row *r, size_t round)
{
	if (rest)
		usleep(rest);
	if (r->terminal)
		run_on_terminal(r, round);
	else
		run_command(r, round);
}

static void
shuffle(size_t *list)
{
	static unsigned state = 2463534242U;

	for (size_t i = row_count; i > 1; i--) {
		size_t other, kept = list[i - 1];

		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		other = state % i;
		list[i - 1] = list[other];
		list[other] = kept;
	}
}

static void
run_rounds(void)
{
	size_t list[MAXROWS];

	for (size_t i = 0; i < row_count; i++)
		list[i] = i;
	for (size_t i = 0; i < warm * row_count; i++)
		run_row(&rows[i % row_count], 0);
	for (size_t round = 0; round < rounds; round++) {
		shuffle(list);
		for (size_t i = 0; i < row_count; i++)
			run_row(&rows[list[i]], round);
	}
}

/* What came of it */

static int
order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
sum_up(struct figures *f)
{
	qsort(f->values, rounds, sizeof(double), order);
	f->median = f->values[rounds / 2];
	f->low = f->values[rounds / 10];
}

static void
print_rows(void)
{
	printf("%-22s %10s %10s %10s %10s\n", "", "wall us", "10th", "cpu us", "10th");
	for (size_t i = 0; i < row_count; i++) {
		struct row *r = &rows[i];

		sum_up(&r->wall);
		sum_up(&r->cpu);
		printf("%-22s %10.0f %10.0f %10.0f %10.0f\n", r->name, r->wall.median, r->wall.low, r->cpu.median, r->cpu.low);
	}
}

static const struct row *
find_row(const char *name)
{
	for (size_t i = 0; i < row_count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static int
print_ratio(const struct check *c, const struct row *a, const struct row *b)
{
	double middle = a->wall.median / b->wall.median, low = a->wall.low / b->wall.low;
	int over = c->limit > 0 && middle > c->limit && low > c->limit;
	char pair[64];

	snprintf(pair, sizeof pair, "%s : %s", a->name, b->name);
	printf("%-34s %8.3f %8.3f %8.3f", pair, middle, low, a->cpu.median / b->cpu.median);
	if (c->limit > 0)
		printf(" %8.3f  %s", c->limit, over ? "OVER" : "ok");
	if (c->cpu_limit > 0) {
		int much = a->cpu.median / b->cpu.median > c->cpu_limit && a->cpu.low / b->cpu.low > c->cpu_limit;

		printf("  cpu %.3f  %s", c->cpu_limit, much ? "OVER" : "ok");
		over |= much;
	}
	putchar('\n');
	return over;
}

static void
print_difference(const struct row *a, const struct row *b)
{
	char pair[64];

	snprintf(pair, sizeof pair, "%s - %s", a->name, b->name);
	printf("%-34s %8.0f %8.0f %8.0f\n", pair, a->wall.median - b->wall.median, a->wall.low - b->wall.low,
		a->cpu.median - b->cpu.median);
}

static int
print_checks(void)
{
	int over = 0;

	if (check_count)
		printf("%-34s %8s %8s %8s %8s\n", "", "wall", "10th", "cpu", "limit");
	for (size_t i = 0; i < check_count; i++) {
		const struct check *c = &checks[i];
		const struct row *a = find_row(c->name), *b = find_row(c->other);

		if (!a || !b)
			continue;
		if (c->difference)
			print_difference(a, b);
		else
			over |= print_ratio(c, a, b);
	}
	return over;
}

static void
stop(int sig)
{
	if (current > 0)
		kill((pid_t)current, SIGTERM);
	signal(sig, SIG_DFL);
	raise(sig);
}

/* By number: one C library has no more than a stub of it. */
static void
be_quick(void)
{
	struct sched_param p = { .sched_priority = 5 };

	if (syscall(SYS_sched_setscheduler, 0, SCHED_RR, &p) < 0)
		fprintf(stderr, "bench: no real-time class (%s), going on without\n", strerror(errno));
}

int
main(int argc, char **argv)
{
	int c, quick = 1;

	while ((c = getopt(argc, argv, "n:w:p:t")) != -1) {
		if (c == 'n')
			rounds = strtoul(optarg, NULL, 10);
		else if (c == 'w')
			warm = strtoul(optarg, NULL, 10);
		else if (c == 'p')
			rest = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 't')
			quick = 0;
		else
			return 2;
	}
	if (optind + 1 != argc || rounds < 1)
		die("usage: bench [-n ROUNDS] [-w ROUNDS] [-p PAUSE] [-t] FILE");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	read_table(argv[optind]);
	fflush(stdout);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (quick)
		be_quick();
	run_rounds();
	print_rows();
	return print_checks();
}
