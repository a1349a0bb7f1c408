/* SPDX-License-Identifier: 0BSD */
/*
 * hang DIR : root in a guest mounts a file system on DIR in which each name is a file that can be looked at and opened, and
 * whose bytes never come. "mounted", and then until it is killed
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fuse.h>

enum { FILE_NODE = 2, ANSWER = 4096 };

static _Alignas(8) char in[1 << 18], out[ANSWER];

static void
describe(struct fuse_attr *a, uint64_t node)
{
	a->ino = node;
	a->mode = node == FILE_NODE ? S_IFREG | 0644 : S_IFDIR | 0755;
	a->nlink = 1;
	a->size = node == FILE_NODE ? 100000 : 0;
}

/* the bytes of the answer, 0: there is none */
static size_t
answer(const struct fuse_in_header *h, void *to)
{
	struct fuse_init_out *init = to;
	struct fuse_entry_out *entry = to;
	struct fuse_attr_out *attr = to;

	switch (h->opcode) {
	case FUSE_INIT:
		init->major = FUSE_KERNEL_VERSION;
		init->minor = 23;
		init->max_write = ANSWER;
		return sizeof(*init);
	case FUSE_LOOKUP:
		entry->nodeid = FILE_NODE;
		describe(&entry->attr, FILE_NODE);
		return sizeof(*entry);
	case FUSE_GETATTR:
		describe(&attr->attr, h->nodeid);
		return sizeof(*attr);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return sizeof(struct fuse_open_out);
	default:
		return 0;
	}
}

int
main(int argc, char **argv)
{
	const struct fuse_in_header *h = (const void *)in;
	struct fuse_out_header *r = (void *)out;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[96];
	ssize_t n;
	size_t len;

	snprintf(options, sizeof(options), "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fd);
	if (argc != 2 || fd < 0 || mount("hang", argv[1], "fuse.hang", 0, options) < 0) {
		perror("hang");
		return 1;
	}
	printf("mounted\n");
	fflush(stdout);
	while ((n = read(fd, in, sizeof(in))) > 0 || errno == EINTR || errno == ENOENT) {
		if (n <= 0)
			continue;
		memset(out, 0, sizeof(out));
		len = answer(h, r + 1);
		r->unique = h->unique;
		r->len = (uint32_t)(sizeof(*r) + len);
		if (len && write(fd, out, r->len) < 0 && errno != ENOENT)
			return 1;
	}
	return 0;
}
