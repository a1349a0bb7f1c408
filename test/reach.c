/* SPDX-License-Identifier: 0BSD */
/* reach PATH TARGET : root tries to write to a file that is open, or to execute it, by way of /proc; each way that works is printed */
#include <fcntl.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__mips__) && _MIPS_SIM == _ABIO32
#define NEW_CALL 4000
#else
#define NEW_CALL 0
#endif
enum { OPEN_TREE = NEW_CALL + 428, MOVE_MOUNT = NEW_CALL + 429, MOUNT_SETATTR = NEW_CALL + 442 };
enum { CLONE_IT = 1, FROM_EMPTY = 4, EMPTY = 0x1000 };

static void
says(const char *what, int works)
{
	if (works)
		printf("%s\n", what);
}

int
main(int argc, char **argv)
{
	struct { uint64_t set, clear, propagation, users; } attr = { 0, 1 | 8, 0, 0 };
	char *words[] = { "us", "--version", NULL };
	int fd, tree;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_PATH | O_CLOEXEC);
	says("open", open(argv[1], O_WRONLY | O_CLOEXEC) >= 0);
	says("truncate", truncate(argv[1], 0) == 0);
	says("remount", mount(NULL, argv[1], NULL, MS_REMOUNT | MS_BIND, NULL) == 0);
	says("mount_setattr", syscall(MOUNT_SETATTR, fd, "", EMPTY, &attr, sizeof(attr)) == 0);
	if (mount(argv[1], argv[2], NULL, MS_BIND, NULL) == 0) {
		printf("bind\n");
		says("bind and remount", mount(NULL, argv[2], NULL, MS_REMOUNT | MS_BIND, NULL) == 0);
		says("bind and open", open(argv[2], O_WRONLY | O_CLOEXEC) >= 0);
		umount2(argv[2], MNT_DETACH);
	}
	tree = (int)syscall(OPEN_TREE, fd, "", CLONE_IT | EMPTY | O_CLOEXEC);
	says("open_tree", tree >= 0);
	says("mount_setattr of that", tree >= 0 && syscall(MOUNT_SETATTR, tree, "", EMPTY, &attr, sizeof(attr)) == 0);
	says("move_mount", tree >= 0 && syscall(MOVE_MOUNT, tree, "", AT_FDCWD, argv[2], FROM_EMPTY) == 0);
	says("open by now", open(argv[1], O_WRONLY | O_CLOEXEC) >= 0);
	fflush(stdout);
	execv(argv[1], words);
	return 0;
}
