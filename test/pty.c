/* SPDX-License-Identifier: 0BSD */
/* drive a command on a pseudo terminal with a script of waits and sends */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof(*(a)))

enum verb { WAIT, SEND, SIZE, TEOF, HANGUP, KILL, EXIT };
enum { FAILED = 99 };

struct step {
	enum verb verb;
	const char *line;  /* as written */
	char *arg;         /* with its escapes replaced */
	size_t len;        /* of arg, which may hold a NUL byte */
};

static const struct {
	const char *name;
	bool arg;
} verbs[] = {
	[WAIT] = { "wait", true }, [SEND]   = { "send",   true  }, [SIZE] = { "size", true },
	[TEOF] = { "eof", false }, [HANGUP] = { "hangup", false }, [KILL] = { "kill", true },
	[EXIT] = { "exit", false },
};

static const struct {
	const char *name;
	int sig;
} signals[] = {
	{ "CONT", SIGCONT }, { "HUP",  SIGHUP  }, { "INT",  SIGINT  }, { "KILL",  SIGKILL  },
	{ "PWR",  SIGPWR  }, { "QUIT", SIGQUIT }, { "STOP", SIGSTOP }, { "TERM",  SIGTERM  },
	{ "TSTP", SIGTSTP }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "WINCH", SIGWINCH },
};

static const char usage[] =
	"usage: test-pty [-s ROWSxCOLS] [-t SECONDS] [-e STEP]... [SCRIPT] -- COMMAND [WORD]...\n"
	"steps: wait TEXT, send TEXT, size ROWS COLS, eof, hangup, kill SIGNAL, exit [STATUS]\n"
	"TEXT knows the escapes \\r \\n \\t \\e \\a \\\\ \\xHH and \\OOO\n";

static struct step steps[1024];
static size_t nsteps;
static int seconds = 60;
static int master = -1, slave = -1;
static pid_t child;
static int status;
static bool ended;

/* what was printed and not yet waited for; when it is full, the older half is forgotten */
static char seen[1 << 20];
static size_t nseen;

static _Noreturn void
die(const char *format, ...)
{
	va_list args;

	fputs("test-pty: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	putc('\n', stderr);
	if (child > 0 && !ended)
		kill(child, SIGKILL);
	exit(FAILED);
}

static void
wake(int sig)
{
	(void)sig;  /* only there to interrupt ppoll */
}

static long
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec;
}

static int
number(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (end == s || *end || n < 0 || n > 65535)
		die("not a number: %s", s);
	return (int)n;
}

/* replace the escapes in place; the length of what is left */
static size_t
unescape(char *s)
{
	static const char from[] = "rntea\\", to[] = "\r\n\t\033\a\\";
	const char *r = s, *e;
	unsigned int byte;
	char *w = s;
	int n;

	while (*r) {
		if (*r != '\\') {
			*w++ = *r++;
		} else if (sscanf(r, "\\x%2x%n", &byte, &n) == 1 || sscanf(r, "\\%3o%n", &byte, &n) == 1) {
			*w++ = (char)byte;
			r += n;
		} else if (r[1] && (e = strchr(from, r[1])) != NULL) {
			*w++ = to[e - from];
			r += 2;
		} else {
			die("unknown escape %s", r);
		}
	}
	*w = '\0';
	return (size_t)(w - s);
}

static void
add_step(const char *line)
{
	struct step *s = &steps[nsteps];
	size_t i, n;

	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return;
	if (nsteps++ == LEN(steps))
		die("too many steps");
	n = strcspn(line, " ");
	for (i = 0; i < LEN(verbs); i++)
		if (strlen(verbs[i].name) == n && strncmp(line, verbs[i].name, n) == 0)
			break;
	if (i == LEN(verbs))
		die("unknown step: %s", line);
	s->verb = (enum verb)i;
	s->line = strdup(line);
	s->arg = strdup(line + n + (line[n] == ' '));
	if (s->line == NULL || s->arg == NULL)
		die("out of memory");
	s->len = unescape(s->arg);
	if (verbs[i].arg && s->len == 0)
		die("%s what?", line);
}

static void
read_script(const char *path)
{
	char line[4096];
	FILE *f = fopen(path, "re");

	if (f == NULL)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		add_step(line);
	}
	fclose(f);
}

static int
signal_number(const char *name)
{
	size_t i;

	if (strncmp(name, "RTMIN+", 6) == 0)
		return 34 + number(name + 6);  /* as programs of glibc know it, whatever libc this is */
	for (i = 0; i < LEN(signals); i++)
		if (strcmp(name, signals[i].name) == 0)
			return signals[i].sig;
	return number(name);
}

static void
set_size(const char *words)
{
	struct winsize w = { 0 };

	if (sscanf(words, "%hu%*1[x ]%hu", &w.ws_row, &w.ws_col) != 2)
		die("not a size: %s", words);
	if (ioctl(master, TIOCSWINSZ, &w) < 0)
		die("set size %s: %s", words, strerror(errno));
}

static void
open_pty(void)
{
	const char *name;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		die("make a pty: %s", strerror(errno));
	/* kept open: the terminal, and what it still holds, outlive the command */
	name = ptsname(master);
	slave = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
	if (slave < 0)
		die("open the pty: %s", strerror(errno));
}

static void
start(char **argv, const sigset_t *mask)
{
	size_t i;

	child = fork();
	if (child < 0)
		die("fork: %s", strerror(errno));
	if (child > 0)
		return;
	/* a shell starts its background jobs with SIGINT and SIGQUIT ignored */
	for (i = 0; i < LEN(signals); i++)
		signal(signals[i].sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		_exit(FAILED);
	if (dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
		_exit(FAILED);
	execvp(*argv, argv);
	dprintf(2, "test-pty: run %s: %s\n", *argv, strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* pass on all output that is there */
static void
drain(void)
{
	ssize_t n;

	while (master >= 0) {
		if (nseen == sizeof(seen)) {
			nseen /= 2;
			memmove(seen, seen + nseen, nseen);
		}
		n = read(master, seen + nseen, sizeof(seen) - nseen);
		if (n <= 0)
			return;
		fwrite(seen + nseen, 1, (size_t)n, stdout);
		fflush(stdout);
		nseen += (size_t)n;
	}
}

/* one round: until output, room for input, or the end of the command; dies after the deadline */
static void
turn(const struct step *s, long deadline, short events)
{
	struct pollfd p = { .fd = master, .events = events };
	struct timespec t = { .tv_sec = deadline - now() };
	sigset_t none;

	if (t.tv_sec <= 0)
		die("not within %d s: %s", seconds, s->line);
	sigemptyset(&none);
	ppoll(&p, 1, &t, &none);
	ended = waitpid(child, &status, WNOHANG) == child;
	drain();
}

static bool
found(const struct step *s)
{
	const char *at = memmem(seen, nseen, s->arg, s->len);
	size_t used;

	if (at == NULL)
		return false;
	used = (size_t)(at - seen) + s->len;
	nseen -= used;
	memmove(seen, seen + used, nseen);
	return true;
}

static void
send_text(const struct step *s, const char *text, size_t len, long deadline)
{
	ssize_t n;

	while (len > 0) {
		n = write(master, text, len);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			die("%s: %s", s->line, strerror(errno));
		turn(s, deadline, POLLIN | POLLOUT);
		if (ended)
			die("the command ended before: %s", s->line);
	}
}

static int
outcome(void)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void
play(const struct step *s)
{
	long deadline = now() + seconds;

	if (s->verb != EXIT && s->verb != WAIT && (ended || master < 0))
		die("the command ended before: %s", s->line);
	switch (s->verb) {
	case WAIT:
		while (!found(s)) {
			if (ended)
				die("the command ended before: %s", s->line);
			turn(s, deadline, POLLIN);
		}
		break;
	case SEND:
		send_text(s, s->arg, s->len, deadline);
		break;
	case TEOF:
		send_text(s, "\004", 1, deadline);
		break;
	case SIZE:
		set_size(s->arg);
		break;
	case KILL:
		kill(child, signal_number(s->arg));
		break;
	case HANGUP:
		close(master);
		master = -1;
		break;
	case EXIT:
		while (!ended)
			turn(s, deadline, POLLIN);
		if (s->len > 0 && outcome() != number(s->arg))
			die("ended with %d: %s", outcome(), s->line);
		break;
	}
}

static bool
same(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag
		&& a->c_cflag == b->c_cflag && a->c_lflag == b->c_lflag
		&& memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

int
main(int argc, char **argv)
{
	const char *size = "24x80", *wish = getenv("TEST_PTY_SECONDS");
	struct sigaction act = { .sa_handler = wake };
	struct termios before, after;
	sigset_t chld, mask;
	size_t i;
	int c;

	if (wish)  /* slow machines */
		seconds = number(wish);
	while (c = getopt(argc, argv, "+s:t:e:"), c != -1) {
		switch (c) {
		case 's': size = optarg; break;
		case 't': seconds = number(optarg); break;
		case 'e': add_step(optarg); break;
		default: fputs(usage, stderr); return FAILED;
		}
	}
	/* a -- straight after the options was eaten: then there is no SCRIPT */
	if (strcmp(argv[optind - 1], "--") != 0 && optind + 1 < argc) {
		if (strcmp(argv[optind + 1], "--") == 0)
			read_script(argv[optind]);
		optind += 2;
	}
	if (optind >= argc || strcmp(argv[optind - 1], "--") != 0) {
		fputs(usage, stderr);
		return FAILED;
	}
	add_step("exit");
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &mask);
	sigaction(SIGCHLD, &act, NULL);
	open_pty();
	set_size(size);
	tcgetattr(slave, &before);
	start(argv + optind, &mask);
	for (i = 0; i < nsteps; i++)
		play(&steps[i]);
	if (master >= 0 && tcgetattr(slave, &after) == 0)
		fputs(same(&before, &after) ? "tty restored\n" : "tty changed\n", stderr);
	return outcome();
}
