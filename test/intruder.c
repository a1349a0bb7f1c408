/* SPDX-License-Identifier: 0BSD */
/*
 * intruder DEV:INO SECRET : root in a guest waits for processes that come in from the host, and looks what of the host they
 * bring along before they execute something of the guest's. DEV:INO is the host's program, as of stat(1) %D:%i; SECRET stands
 * in the environment and the memory of who calls it. Until there is a file /stop. Lines "bad: ...", and at the end "caught N"
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[256], text[1 << 14];
static const char *host, *secret;
static unsigned long long own_caps, own_bound;

static const char *
of(int pid, const char *name)
{
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return path;
}

static ssize_t
get(int pid, const char *name)
{
	int fd = open(of(pid, name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = 0;
	return n;
}

static void
caps(unsigned long long *permitted, unsigned long long *bound)
{
	char *p = strstr(text, "\nCapPrm:"), *b = strstr(text, "\nCapBnd:");

	*permitted = p ? strtoull(p + 8, NULL, 16) : 0;
	*bound = b ? strtoull(b + 8, NULL, 16) : 0;
}

static void
bad(int pid, const char *what)
{
	printf("bad: %d: %s\n", pid, what);
	fflush(stdout);
}

static void
look_at_memory(int pid)
{
	static char maps[1 << 14], mem[1 << 20];
	unsigned long from, to;
	char *line, mode[8];
	ssize_t n = get(pid, "maps");
	int fd = open(of(pid, "mem"), O_RDONLY | O_CLOEXEC);

	if (n > 0 && fd >= 0) {
		snprintf(maps, sizeof(maps), "%s", text);
		for (line = strtok(maps, "\n"); line; line = strtok(NULL, "\n")) {
			if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[1] != 'w')
				continue;
			n = pread(fd, mem, to - from < sizeof(mem) ? to - from : sizeof(mem), (off_t)from);
			if (n > 0 && memmem(mem, (size_t)n, secret, strlen(secret)))
				bad(pid, "the secret is in its memory");
		}
	}
	if (fd >= 0)
		close(fd);
}

static void
look_at_fds(int pid)
{
	struct stat st, root;
	struct dirent *e;
	char name[300];
	DIR *d = opendir(of(pid, "fd"));

	stat("/", &root);
	while (d && (e = readdir(d))) {
		snprintf(name, sizeof(name), "/proc/%d/fd/%.16s", pid, e->d_name);
		if (*e->d_name != '.' && stat(name, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_dev != root.st_dev || st.st_ino != root.st_ino))
			bad(pid, "it has a directory open");
	}
	if (d)
		closedir(d);
}

/* true: it was not yet what the guest has */
static int
look(int pid)
{
	unsigned long long permitted, bound;
	char link[256] = "", id[64];
	struct stat st, root;
	int fd, ours;
	ssize_t n;

	n = readlink(of(pid, "exe"), link, sizeof(link) - 1);
	ours = n > 0 && strstr(link, "nspawn-lite") != NULL;
	if (stat(path, &st) == 0) {
		snprintf(id, sizeof(id), "%lx:%lu", (unsigned long)st.st_dev, (unsigned long)st.st_ino);
		if (strcmp(id, host) == 0)
			bad(pid, "it is the host's program");
	}
	if (ours && (fd = open(of(pid, "exe"), O_WRONLY | O_CLOEXEC)) >= 0) {
		if (write(fd, "x", 1) == 1)
			bad(pid, "its program can be written to");
		close(fd);
	}
	if (stat("/", &root) == 0 && stat(of(pid, "root"), &st) == 0 && (st.st_dev != root.st_dev || st.st_ino != root.st_ino))
		bad(pid, "its root is another");
	look_at_fds(pid);
	if (get(pid, "status") > 0) {
		caps(&permitted, &bound);
		if (permitted & ~own_caps || bound & ~own_bound)
			bad(pid, "it has capabilities that we have not");
		/* to stop it where it is; or it has ended, and is to be let go */
		if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0) {
			ptrace(PTRACE_INTERRUPT, pid, 0, 0);
			waitpid(pid, NULL, __WALL);
			look_at_memory(pid);
			look_at_fds(pid);
			ptrace(PTRACE_DETACH, pid, 0, 0);
		}
	}
	look_at_memory(pid);
	if ((n = get(pid, "environ")) > 0 && memmem(text, (size_t)n, secret, strlen(secret)))
		bad(pid, "the secret is in its environment");
	if ((n = get(pid, "cmdline")) > 0 && memmem(text, (size_t)n, secret, strlen(secret)))
		bad(pid, "the secret is in its command line");
	return ours;
}

int
main(int argc, char **argv)
{
	int next = getpid() + 1, i, caught = 0, turns = 0;

	if (argc != 3)
		return 2;
	host = argv[1];
	secret = argv[2];
	get(getpid(), "status");
	caps(&own_caps, &own_bound);
	printf("waiting\n");
	fflush(stdout);
	while (++turns % 1024 || access("/stop", F_OK) < 0)
		for (i = 0; i < 4; i++)
			if (access(of(next + i, ""), F_OK) == 0) {
				next += i;
				caught += look(next++);
				i = -1;
			}
	printf("caught %d\n", caught);
	return 0;
}
