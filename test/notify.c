/* SPDX-License-Identifier: 0BSD */
/*
 * Both ends of sd_notify(3):
 *   notify send TEXT [hold]           sends TEXT to $NOTIFY_SOCKET; hold: then reads stdin to its end
 *   notify listen PATH UNTIL WORD...  runs the words with NOTIFY_SOCKET=PATH and prints what comes,
 *                                     a line each; when UNTIL has come, or the command has ended, stdin
 *                                     of the command ends. Ends with its status
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_un address = { .sun_family = AF_UNIX };

static socklen_t
address_of(const char *path)
{
	size_t n = strlen(path);

	if (n >= sizeof(address.sun_path))
		exit(99);
	memcpy(address.sun_path, path, n + 1);
	if (*path == '@')
		address.sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path != '@'));
}

static int
send_text(const char *text, int hold)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char c;

	if (!path || fd < 0)
		return 98;
	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, address_of(path)) < 0) {
		perror(path);
		return 97;
	}
	while (hold && read(0, &c, 1) > 0)
		;
	return 0;
}

static int
hear(int fd, const char *until)
{
	char text[8192];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n <= 0)
		return -1;
	text[n] = 0;
	printf("%s\n", text);
	fflush(stdout);
	return strstr(text, until) != NULL;
}

static int
listen_for(const char *path, const char *until, char **argv)
{
	struct pollfd fds[2] = { { -1, POLLIN, 0 }, { -1, POLLIN, 0 } };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), in[2], alive[2], status, said;
	pid_t pid;

	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, address_of(path)) < 0 || pipe(in) < 0 || pipe(alive) < 0)
		return 96;
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		close(in[0]);
		close(in[1]);
		close(alive[0]);
		setenv("NOTIFY_SOCKET", path, 1);
		execvp(argv[0], argv);
		_exit(95);
	}
	close(in[0]);
	close(alive[1]);
	fds[0].fd = fd;
	fds[1].fd = alive[0];
	while (poll(fds, 2, -1) > 0 || errno == EINTR) {
		if (fds[0].revents & POLLIN) {
			said = hear(fd, until);
			if (said > 0 && in[1] >= 0) {
				close(in[1]);
				in[1] = -1;
			}
		} else if (fds[1].revents) {
			break;
		}
	}
	waitpid(pid, &status, 0);
	while (hear(fd, until) >= 0)
		;
	unlink(path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "send") == 0)
		return send_text(argv[2], argc > 3);
	if (argc >= 5 && strcmp(argv[1], "listen") == 0)
		return listen_for(argv[2], argv[3], argv + 4);
	fprintf(stderr, "usage: notify send TEXT [hold] | notify listen PATH UNTIL WORD...\n");
	return 99;
}
