/* SPDX-License-Identifier: 0BSD */
/* Lists of sums, and their signatures */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

enum { PATIENCE = 60000, SLICE = 500 };  /* ms for gpgv, and until a signal is seen */

/* 64 hex digits; what is behind them, or NULL */
static const char *
parse_digest(const char *s, uint8_t digest[32])
{
	int i, high, low;

	for (i = 0; i < 32; i++, s += 2) {
		high = hex_digit(s[0]);
		low = high < 0 ? -1 : hex_digit(s[1]);
		if (low < 0)
			return NULL;
		digest[i] = (uint8_t)(high << 4 | low);
	}
	return s;
}

bool
sums_find(const char *list, const char *file, uint8_t digest[32])
{
	const char *line, *c, *name;
	size_t len = file ? strlen(file) : 0, n;

	for (line = list; file && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		c = parse_digest(line, digest);
		if (!c || c[0] != ' ' || (c[1] != ' ' && c[1] != '*'))
			continue;
		name = after(c + 2, "./") ? c + 4 : c + 2;
		n = strcspn(name, "\r\n");
		if (n == len && memcmp(name, file, len) == 0)
			return true;
	}
	c = file ? NULL : parse_digest(list, digest);
	return c && !c[strspn(c, " \t\r\n")];
}

bool
sums_signed(const char *list)
{
	return after(list, "-----BEGIN PGP SIGNED MESSAGE-----");
}

/* a directory for gpgv: its home, and what it reads */
static int
make_home(char *path, size_t size)
{
	static const char *const places[] = { "/tmp", "/run", "/dev/shm" };
	size_t i;

	for (i = 0; i < LEN(places); i++)
		if (snprintf(path, size, "%s/.nspawn-lite.XXXXXX", places[i]) < (int)size && mkdtemp(path))
			return openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return -1;
}

/* run it, and keep what it says; 0: it is content, 1: it is not, -1: it did not run, or to no end */
static int
judge(char *const *argv, char *out, size_t size)
{
	int64_t until = now_ms() + PATIENCE;
	int err[2], status = -1, error = EIO;
	struct pollfd p;
	char spill[512];
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(err, O_CLOEXEC) < 0)
		return -1;
	pid = program_start(argv, -1, -1, err[1]);
	drop(err[1]);
	if (pid < 0)
		error = errno;
	p = (struct pollfd){ .fd = err[0], .events = POLLIN };
	while (pid > 0 && !halted && now_ms() < until) {
		if (poll(&p, 1, SLICE) <= 0)
			continue;
		got = n + 1 < size ? read(err[0], out + n, size - 1 - n) : read(err[0], spill, sizeof(spill));
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		n += got > 0 && n + 1 < size ? (size_t)got : 0;
	}
	if (pid > 0 && (halted || now_ms() >= until)) {
		kill(pid, SIGKILL);
		error = ETIMEDOUT;
	}
	out[n] = 0;
	drop(err[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) != CANNOT_EXEC)
		return WEXITSTATUS(status) != 0;
	errno = error;
	return -1;
}

static int
ask_gpgv(int home, const char *path, char *list, const char *signature, const char *keyring, char **said)
{
	static char words[2048] APART;
	char *name = fmt("%s/list", path), *sig = fmt("%s/signature", path), *clear = fmt("%s/clear", path);
	char *detached[] = { "gpgv", "--homedir", (char *)path, "--keyring", (char *)keyring, sig, name, NULL };
	char *inside[] = { "gpgv", "--homedir", (char *)path, "--keyring", (char *)keyring, "--output", clear, name, NULL };
	ssize_t n;
	int ret;

	setenv("LC_ALL", "C", 1);
	ret = judge(signature ? detached : inside, words, sizeof(words));
	if (*words)
		*said = words;
	if (ret == 0 && !signature) {
		/* nothing but what was signed; it is never more than there was */
		n = read_at(home, "clear", list, strlen(list) + 1);
		if (n < 0)
			return -1;
		list[n] = 0;
	}
	return ret;
}

static bool
put(int dir, const char *name, const char *data, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool done = fd >= 0 && write_all(fd, data, len) == 0;

	drop(fd);
	return done;
}

int
sums_verify(char *list, const char *signature, size_t len, const char *keyring, const char **why, char **said)
{
	static const char *const files[] = { "list", "signature", "clear" };
	char path[256];
	int home, ret = -1;
	size_t i;

	*said = NULL;
	*why = "there is no gpgv in PATH";
	if (!program_find("gpgv"))
		return -1;
	home = make_home(path, sizeof(path));
	*why = fmt("make a directory for gpgv: %s", strerror(errno));
	if (home < 0)
		return -1;
	if (put(home, "list", list, strlen(list)) && (!signature || put(home, "signature", signature, len)))
		ret = ask_gpgv(home, path, list, signature, keyring, said);
	*why = fmt("let gpgv look at it: %s", strerror(errno));
	for (i = 0; i < LEN(files); i++)
		unlinkat(home, files[i], 0);
	drop(home);
	rmdir(path);
	return ret;
}
