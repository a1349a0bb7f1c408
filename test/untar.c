/* SPDX-License-Identifier: 0BSD */
/* untar [-w] DIR : the archive on standard input becomes a tree in DIR, as of unpack_tree; -w: of an OCI layer */
#include <fcntl.h>
#include <sys/resource.h>

#include "../util.h"

int
main(int argc, char **argv)
{
	struct source from = source_fd(0);
	const bool layer = argc > 1 && streq(argv[1], "-w");
	const char *why;
	struct rusage ru;
	int dir;

	speaker = "untar: ";
	if (argc < 2 + layer)
		die("a directory is missing");
	dir = open(argv[1 + layer], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		die("%s:", argv[1 + layer]);
	if (unpack_tree(tar_open(stream_open(&from)), dir, layer ? UNPACK_WHITEOUTS : 0, &why) < 0)
		die("%s", why);
	if (argc > 2 + layer && getrusage(RUSAGE_SELF, &ru) == 0)
		print(1, "%ld\n", ru.ru_maxrss);
	return 0;
}
