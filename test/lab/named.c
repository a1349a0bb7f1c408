/* named [ADDRESS] : a resolver as small as can be, on UDP port 53 of ADDRESS
 * (127.0.0.1): every name's address is 192.0.2.53. For machines of the lab,
 * whose busybox has none. It listens on TCP too, as all do, but says nothing there. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>

int main(int argc, char **argv)
{
	static const unsigned char answer[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53 };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53) }, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int tcp = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	unsigned char m[512 + sizeof(answer)];
	socklen_t len;
	size_t end;
	ssize_t n;

	if (inet_pton(AF_INET, argc > 1 ? argv[1] : "127.0.0.1", &at.sin_addr) != 1 || fd < 0
	    || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0
	    || setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0
	    || bind(tcp, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(tcp, 1) < 0) {
		perror("named");
		return 1;
	}
	for (;;) {
		len = sizeof(from);
		n = recvfrom(fd, m, 512, 0, (struct sockaddr *)&from, &len);
		for (end = 12; n > 12 && end < (size_t)n && m[end]; end += m[end] + 1U)
			;
		end += 5;
		if (n < 17 || end > (size_t)n)
			continue;
		m[2] |= 0x80;
		memset(m + 6, 0, 6);
		m[7] = m[end - 3] == 1;  /* any other type has no answer */
		memcpy(m + end, answer, sizeof(answer));
		sendto(fd, m, end + (m[7] ? sizeof(answer) : 0), 0, (struct sockaddr *)&from, len);
	}
}
