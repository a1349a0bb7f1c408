/* SPDX-License-Identifier: 0BSD */
/* layers 0 and 1 in plain types: words, files, system calls, netlink */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* of what most commands, and those that stay, never touch: it lies apart, see own_ldflags */
#define APART __attribute__((aligned(64)))
#define ALONE __attribute__((noinline))  /* it is larger where gcc puts it into who calls it */
#define LEN(a)    (sizeof(a) / sizeof((a)[0]))
#define VERSION   "0.1"
extern const char months[], days[];  /* "JanFeb...", "SunMon...": three letters each */
#define PRINTF(n) __attribute__((format(printf, n, n + 1)))
/* rows of a table that stand there if a switch of config.h is 1, or 0 */
#define IF(with, ...)     IF_IS(with, __VA_ARGS__)
#define IF_NOT(with, ...) IF_NOT_IS(with, __VA_ARGS__)
#define IF_IS(with, ...)     IF_##with(__VA_ARGS__)
#define IF_NOT_IS(with, ...) IF_NOT_##with(__VA_ARGS__)
#define IF_0(...)
#define IF_1(...) __VA_ARGS__
#define IF_NOT_0(...) __VA_ARGS__
#define IF_NOT_1(...)

/* exit statuses of our own; see env(1) for the last two */
enum { FAIL = 1, CANNOT_EXEC = 126, NOT_FOUND = 127 };

/* ---- util.c: words, lists, files, and how we speak ------------------- */

/* what stands before a message: "nspawn-lite: ", or "" under the names of the originals */
extern const char *speaker;
extern bool mute;     /* something could not be printed */
extern bool verbose;  /* -v: say each step */

/* SIGINT, SIGTERM or SIGHUP came, after halt_by_signal: who works long looks at it, and dies; calls that wait say EINTR */
extern volatile int halted;
void halt_by_signal(void);

/* where die and warn go when set: a socket to the supervisor, which speaks for all; else -1 */
extern int wirefd;

/* notes on the wire: the first byte says which, the text follows (for DEATH after a status byte) */
enum {
	NOTE_WARN = 'w', NOTE_SAY = 'v', NOTE_DEATH = 'd', NOTE_FOREIGN = 'f',
	NOTE_CONSOLE = 'c', NOTE_MOUNTS = 'm', NOTE_NETWORK = 'n', NOTE_FOUND = 'i', NOTE_MAX = 2048,
};

/* say it and end: status FAIL, or the one given; a trailing colon adds the text of errno */
const char *error_text(int error);  /* strerror, and if that is why, that we are not root */
_Noreturn void die(const char *fmt, ...) PRINTF(1);
_Noreturn void die_with(int status, const char *fmt, ...) PRINTF(2);
void warn(const char *fmt, ...) PRINTF(1);  /* say it and go on; quiet does not hush it */
void say(const char *fmt, ...) PRINTF(1);   /* only with -v */
void print(int fd, const char *fmt, ...) PRINTF(2);  /* whole, or not at all */
void tame(char *s);  /* no control characters, in place */
char *lacks(const char *what, const char *option);  /* fresh: "this kernel has no WHAT (CONFIG_OPTION)" */
void vsay(int kind, int status, const char *fmt, va_list ap);
extern bool (*overheard)(int kind, const char *text);  /* who is told what is said here; true: that was enough */

/* memory is never freed: planning ends with exec or exit; both die when there is none */
void *xalloc(size_t size);  /* zeroed */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
/*
 * Room to work in until a machine runs, the same for each call with a place, which is NULL at first: zeroed, and 0 again
 * after sys_slim, where it takes no memory until it is written to again
 */
void *scratch_room(void **place, size_t size);
void scratch_empty(void);
char *vfmt(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
char *fmt(const char *fmt, ...) PRINTF(1);
void *room_for_one(void *array, size_t n, size_t size);  /* where an array of n is that gets one more; it gets no other way */
void grow(char ***list, const char *word);  /* append to a NULL-ended list; word is not copied */
size_t count(char *const *list);

bool streq(const char *a, const char *b);
const char *behind(const char *word);  /* the next, where there is a 0 between them */
const char *after(const char *s, const char *prefix);  /* rest of s behind prefix, or NULL */
int parse_bool(const char *s);  /* 1, 0, or -1 */
bool parse_number(const char *s, long long min, long long max, long long *out);  /* decimal, all of s */
bool parse_size(const char *s, uint64_t *out);  /* 1.5G: K M G T P E of 1024; "infinity" is UINT64_MAX */
int unescape(const char **s);  /* behind a backslash, as in C: the byte meant, s at the last of its signs; -1 if none */
int word_index(const char *words, const char *s);  /* place of s in "a|b|c", or -1 */
enum { NAME_LONGEST = 64 };
bool name_char(char c);         /* letters, digits, "-" and "_" */
bool name_valid(const char *name);  /* of a machine: labels as of host names, "_" too, at most 64 */
bool utf8_valid(const char *s, bool controls);
bool utf8_clean(const char *s);  /* valid UTF-8 without control characters */

/* close and say -1, keeping errno */
int drop(int fd);
/* bytes read until the end or size - 1, ended with 0; -1 with errno */
ssize_t read_all(int fd, char *buf, size_t size);
char *read_whole(int fd, size_t most, size_t *len);  /* ended with 0; NULL with errno, EFBIG: it has more bytes */
ssize_t read_at(int dir, const char *path, char *buf, size_t size);  /* a small file: in one read */
/* write a whole file; made with mode if missing, never through a symlink; -1 with errno */
int write_at(int dir, const char *path, mode_t mode, const char *text);
int write_all(int fd, const void *data, size_t len);  /* however many calls it takes; -1 with errno, EINTR: halted */
int write_open(int dir, const char *path, mode_t mode, const char *text);  /* the same, and exec will close it */
/* put one value into a file of /proc or a cgroup: one write; -1 with errno */
int put_at(int dir, const char *path, const char *text);
/* each line of text in turn, cut out with 0; NULL at the end */
char *next_line(char **text);
int64_t now_ms(void);  /* of a clock that nobody sets */
void random_bytes(void *buf, size_t size);
uint64_t siphash24(const void *data, size_t len, const uint8_t key[16]);
int hex_digit(char c);  /* -1: it is none */
/* 32 hex digits, dashes allowed, to 16 bytes; false if it is not that */
bool parse_id128(const char *s, uint8_t id[16]);
void format_uuid(const uint8_t id[16], char out[37]);
void format_id128(const uint8_t id[16], char out[33]);

/* ---- sys.c: what libc lacks, with its ways on old kernels ------------ */

/* calls to take for missing, by name, comma separated: tests set it from NSPAWN_LITE_DENY */
void sys_deny(const char *names);
bool sys_denied(const char *name);  /* one of those by its own name? errno is ENOSYS then */
bool sys_has(const char *call);  /* those that check names */

int sys_open_dir(int dir, const char *name);  /* to read, if it is one, and no link */
enum { IN_DIR = 1, IN_REGULAR = 2 };
/* open below dir as if dir were /: no link leads out, no FIFO blocks; kind is checked. 5.6, else by hand */
int sys_open_in(int dir, const char *path, int flags, int kind);
/* close all fds from low on but those of keep (-1 is none). 5.9, else through /proc/self/fd, else one by one */
void sys_close_but(int low, const int *keep, size_t n);
int sys_access(int dir, const char *path, int mode);  /* faccessat(2) without flags, for which libc makes processes */
int sys_pivot_root(const char *new_root, const char *put_old);
/*
 * An empty tmpfs; options begin with mode=. Where there is none, ramfs, which every kernel has, and which knows of no
 * other option: then 1. -1 with errno
 */
int sys_mount_memory(const char *place, unsigned long flags, const char *options);
int sys_set_groups(size_t n, const gid_t *groups);  /* of a process without threads, as the two below */
int sys_set_group(gid_t gid);  /* real, effective and saved */
int sys_set_user(uid_t uid);
enum { SYS_PTRACE = 19, SYS_ADMIN = 21, MKNOD = 27 };  /* capabilities that more than one room names */
int sys_capget(uint64_t *permitted);
int sys_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int sys_join_session_keyring(void);
/*
 * Filter the calls of this process and what it becomes; EINVAL: the kernel cannot. 3.5, with most flags 3.17 or later;
 * before 5.16 one without SPEC_ALLOW, which is done without before 4.17, would switch the CPU's speculation off. The
 * listener, if that is asked for
 */
enum { SECCOMP_TSYNC = 1, SECCOMP_LOG = 2, SECCOMP_SPEC_ALLOW = 4, SECCOMP_LISTENER = 8, SECCOMP_WAIT_KILLABLE = 32 };
struct sock_fprog;
int sys_seccomp(const struct sock_fprog *filter, unsigned int flags);
bool sys_seccomp_knows(uint32_t action);  /* SECCOMP_RET_*, newer than 4.13 */
void sys_default_signal(int sig);  /* any, those too that libc keeps for itself */
/* what a name in dir is, or dir itself when it is ""; no link is followed and nothing mounted for it. 4.11, else by other calls */
struct look {
	uint64_t dev, ino, size, mount;  /* mount is 0 where the kernel does not say */
	uint64_t blocks;  /* of 512 bytes */
	int64_t born;     /* microseconds since 1970; 0: nobody knows */
	dev_t rdev;
	int64_t sec, read_sec;  /* last modified, last read */
	uint32_t nsec, read_nsec, mode, uid, gid, nlink;
	bool below;       /* it is not the top of its mount, for sure (5.8) */
};
int sys_look(int dir, const char *name, struct look *l);
/*
 * Flags of the four below, whose own names come with newer headers: OPEN_TREE_CLONE and AT_RECURSIVE of
 * open_tree(2), MOVE_MOUNT_F_EMPTY_PATH and _T_ of move_mount(2), MOUNT_ATTR_RDONLY of mount_setattr(2)
 */
enum { CLONE_TREE = 1, RECURSIVE = 0x8000, FROM_FD = 4, TO_FD = 0x40, ATTR_RDONLY = 1 };
/* a copy of a mount, not attached anywhere, as an fd. 5.2 */
int sys_open_tree(int dir, const char *path, unsigned int flags);
int sys_move_mount(int from, const char *fromname, int to, const char *toname, unsigned int flags);
/*
 * A mount of a new file system, not attached anywhere, as an fd. Options are those of mount(2); attributes are
 * MOUNT_ATTR_* of mount_setattr(2). 5.2
 */
int sys_fsmount(int fs, const char *options, unsigned int attributes);  /* fs is closed */
int sys_fsopen(const char *type);  /* proc is that of who calls this, whatever process mounts it */
/* set or clear MOUNT_ATTR_* below path with all under it. 5.12 */
int sys_mount_setattr(int dir, const char *path, uint64_t set, uint64_t clear);
int sys_mount_apart(int fd);  /* what sys_open_tree gave: read-only, and no mount of others' comes or goes there. 5.12 */
/*
 * A child in new namespaces (CLONE_NEW*), in cgroup (fd, or -1), running fn, which must not return.
 * It may share our memory, and we then sleep until it has exec'd or ended: so it tells us all it
 * has to say over a socket, and we let it see nothing half-made. *placed: it is in the cgroup.
 */
pid_t sys_spawn(int namespaces, int cgroup, int (*fn)(void *), void *arg, bool *placed);
/* the same as a copy of ours, which goes its own way at once */
pid_t sys_fork(int namespaces, int cgroup, int (*fn)(void *), void *arg, bool *placed);
/*
 * Enter these namespaces (CLONE_NEW*) of a process, told by a pidfd (5.8; or -1) or its directory ns in /proc: both
 * opened by who knows which process its number means. -1 with errno
 */
int sys_join(int pidfd, int ns, int namespaces);
int sys_pidfd_open(pid_t pid);  /* 5.3 */
int sys_pidfd_signal(int pidfd, int sig);
/*
 * A file system mounted where nobody sees it, as an fd of its root: it goes with the last fd. Options are as those
 * of mount(2). 5.2; else by a process with mounts of its own. -1 with errno
 */
int sys_mount_private(const char *type, const char *options);
/* a BPF program of n instructions that decides on devices, as an fd; attach it to a group of cgroup2. 4.15 */
int sys_device_program(const void *code, size_t n);
int sys_device_attach(int group, int program);
/*
 * A second thread gains something: there is another processor, and a wait that sleeps. libc's spin for ever where there
 * is no futex: without CONFIG_FUTEX, and on 32 bits without CONFIG_COMPAT_32BIT_TIME
 */
bool sys_has_threads(void);
int sys_raise_loopback(void);  /* of our network namespace; -1 with errno */
/* give back what a waiting supervisor does not need */
void sys_slim(void);
/* a new socket of AF_UNIX, connected to a path, or bound to it, however long that is. -1 with errno */
int sys_named_socket(int type, const char *path, bool make);
/* send data with an fd (or -1); receive the same. -1 with errno */
ssize_t sys_send(int sock, const void *data, size_t len, int fd);
ssize_t sys_recv(int sock, void *data, size_t len, int *fd, pid_t *sender);

/*
 * A user namespace with these maps, in the words of uid_map (user_namespaces(7)), as an fd; it
 * lives as long as the fd, a process in it, or a mount that is idmapped by it. -1 with errno.
 */
int sys_userns(const char *uid_map, const char *gid_map);
bool sys_within_users(void);  /* our own is not the first one: no node of a device can be made */
/* show a copy of a mount (sys_open_tree) with the ids of a user namespace. 5.12, and the file system must agree */
int sys_mount_idmap(int tree, int userns, bool recursive);

/* ---- sha256.c: SHA-256, FIPS 180-4 --------------------------------------- */

struct sha256 { uint32_t state[8]; uint64_t length; uint8_t block[64]; };
void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);
void sha256_end(struct sha256 *s, uint8_t digest[32]);
void sha256_name(struct sha256 *s, char name[72]);  /* the same as "sha256:" and hex digits */
void sha256_text(const void *data, size_t len, char name[72]);  /* of all of it */

/* ---- walk.c: the way through a tree ---------------------------------------- */

enum { WALK_WINDOW = 16, WALK_BATCH = 8192, WALK_PATH = 4096 };
#define WALK_ANY UINT64_MAX
struct walk_entry { uint64_t ino; int64_t next; uint16_t size; uint8_t type; char name[]; };  /* of the kernel */
/* a directory on the way down: who it must be when we come back, where it is read on; keep and made are the walker's */
struct walk_level { uint64_t dev, ino, keep; int64_t next; bool made; };
/* the innermost of them are open; those above are found again by "..". own is the walker's, NULL when it is opened */
struct walk_open { int fd; void *own; size_t last, at, end; uint64_t batch[WALK_BATCH / sizeof(uint64_t)]; };
struct walk {
	struct look top;
	struct walk_level *level;
	size_t depth, room;
	char path[WALK_PATH];  /* of where we are; what is longer is not told */
	size_t len, beyond;    /* so many levels have not found room in it */
	struct walk_open open[WALK_WINDOW];
};
struct walk *walk_begin(void);  /* NULL with errno */
void walk_end(struct walk *w);
/* into a directory: the first is the top. fd is its own, whatever happens. -1 with errno */
int walk_down(struct walk *w, int fd, const struct look *l, const char *name);
/* out of it, and left is the caller's, if it is not -1. -1 with errno; ESTALE: what is above now is another */
int walk_up(struct walk *w, int *left);
const struct walk_entry *walk_next(struct walk *w, bool *failed);  /* NULL at the end of where we are, or failed with errno */
struct walk_open *walk_at(struct walk *w, size_t depth);  /* depth - 1: where we are; the same place for each WALK_WINDOW */
bool walk_is_mount(const struct walk *w, const struct look *l);  /* of what is where we are; of a file, any thread may ask */
bool walk_mounted(const char *path, bool below);  /* is a mount at a path without links, or below it */
char *walk_place(const char *path, bool beyond, const char *name);  /* fresh, for people: ".", "a/b", of what is deep ".../b" */
int walk_source(int dir, const char *name, int flags);  /* to read; that does not change when it was read, where we may have it so */
int walk_above(int fd, uint64_t dev, uint64_t ino);  /* the directory above, which must be this; dev may be WALK_ANY */

/* ---- tree.c: trees at rest ---------------------------------------------- */

/*
 * Give all below dir, which is the tree's root, owners in base ... base + 65535: the low 16 bits of an
 * id stay. ACLs are shifted with it, capabilities of files are kept, and nothing is changed that is
 * right already, so that one that was interrupted can be done again; until all is done the root
 * keeps its owner. What is mounted in the tree stays as it is. -1 with errno, and *where (a fresh
 * string, relative to the tree) is what it failed at; else *where is the first such mount, or NULL.
 */
int tree_shift(int dir, uint32_t base, char **where);

/* ---- work.c: where overlays work ------------------------------------------ */

#define ANY_OWNER ((uid_t)-1)
char *work_name(const char *upper);  /* what it is called beside an upper directory */
/* open it, if it is one of ours: of this owner, mode 0700; -1 with errno, EPERM if it is none */
int work_open(int above, const char *name, uid_t owner);
/*
 * Remove one that was left, "/ABOVE/NAME" or "/TREE//ABOVE/NAME", if nobody holds the lock of the upper one, or of the
 * tree, but we: held is its fd, or -1
 */
void work_sweep(const char *note, int held);

/* ---- btrfs.c: subvolumes, by libbtrfsutil; without it (make BTRFS=n) there are none --------------- */

/* -1 with errno; ENOSYS: not built in; ENOTTY, EINVAL: dir is of another file system */
bool btrfs_is_subvolume(int fd);
int btrfs_create(int dir, const char *name);
int btrfs_snapshot(int from, int dir, const char *name, bool read_only);
int btrfs_delete(int dir, const char *name);  /* and those below it */
int btrfs_get_read_only(int fd);              /* 1, 0 */
int btrfs_set_read_only(int fd, bool on);
int btrfs_usage(int fd, uint64_t *used, uint64_t *limit, uint64_t *exclusive, uint64_t *exclusive_limit);  /* quota; UINT64_MAX: unknown, none */
int btrfs_set_limit(int fd, uint64_t limit);  /* UINT64_MAX takes it away; quotas are turned on */

/* ---- copy.c: trees at rest: copied, removed ----------------------------- */

enum {
	COPY_ALONE = 1,  /* no thread of ours: memory is shared with another process, or a processor is to be left to others */
	COPY_APART = 2,  /* nothing is shared with what it is a copy of */
	COPY_LAYER = 4,  /* it stays a layer of an overlay, with what that wrote for itself */
	COPY_ALLOWED = 8,  /* devices that we may not make stay out */
	/* of copy_into */
	COPY_MERGE = 16,   /* which sets it */
	COPY_REPLACE = 32, /* what is no directory takes the place of what is none, at once */
	COPY_PLAIN = 64,   /* all belongs to owner, which our fsuid and fsgid are; ACLs stay behind */
	COPY_TAME = 128,   /* set-user-ID, set-group-ID and capabilities stay behind */
};
/*
 * Copy all below from, as it is, into the empty directory to; what is mounted there stays out. -1 with errno (EINTR:
 * halted), and *where (a fresh string) is what it failed at.
 */
int copy_tree(int from, int to, int flags, char **where);
/*
 * What from is (opened by O_PATH, no link followed) becomes name in the directory to, either of which may be somebody's who
 * changes both meanwhile. A directory is merged into one that is there, which keeps its attributes. A file is there once it
 * is whole. EEXIST, EISDIR, ENOTDIR: something is in the way; EDEADLK: they are the same
 */
struct copied {
	uint32_t left, changed;  /* how many stayed out: devices, sockets, mounts; were changed while they were read */
	char *first_left, *first_changed;
};
int copy_into(int from, int to, const char *name, int flags, uint32_t owner, struct copied *did, char **where);
/* the data of a file, shared where the file system can (FICLONE), else its holes kept; to is empty. -1 with errno */
int copy_contents(int from, int to, int flags);
int copy_attributes(int from, int to);  /* owner, mode, xattrs, times of a file or directory; -1 with errno */
/*
 * Remove name in dir, with all below it, however deep; nothing that is mounted there, nor what a link leads to. -1 with
 * errno, EBUSY: something is mounted in it, and *where as above, which else is left alone. No error: it was not there
 */
int remove_tree(int dir, const char *name, char **where);

/* ---- stream.c: bytes in and out, packed or not ----------------------------- */

/* gzip (RFC 1952) by zlib; the others, and gzip without it (make ZLIB=n), by the programs of FILTERS in config.h */
enum { PACK_NONE, PACK_GZIP, PACK_XZ, PACK_BZIP2, PACK_ZSTD, PACK_KINDS };
extern const char *const pack_names[PACK_KINDS];  /* as --format says them: "uncompressed", "gzip", ... */
extern const char *const pack_suffixes[PACK_KINDS];  /* "", ".gz", ... */
int pack_by_magic(const void *data, size_t len);
int pack_by_name(const char *path);               /* from its end: ".tar.gz", ".tgz"; PACK_NONE for all others */

/* where bytes come from */
struct source {
	/* as read(2): 0 at the end, -1 with errno; EINTR only when halted. It may run in another thread, but only in one */
	ssize_t (*read)(struct source *s, void *buf, size_t size);
	int fd;
	void *arg;
	const char *why;   /* a sentence, when errno would not do; static, or fresh */
	uint64_t taken;    /* so many bytes were read: for progress */
};
struct source source_fd(int fd);  /* file, pipe, socket */

/*
 * What comes from a source, unpacked; by a second thread where there is a second CPU: then the source's read runs there,
 * and should end when it says so, for a thread that is not wanted is cancelled in it (pthread_cancel(3)). The packing is
 * told by the first bytes, which are waited for. Dies when there is no memory. The source must outlive it. SIGPIPE is
 * to be ignored, as after halt_by_signal.
 */
struct stream;
struct stream *stream_open(struct source *from);
/*
 * Some of what comes next, at most so many bytes, which stay until the next call; 0 at the end; -1: see stream_why, and
 * so it stays. It comes out of buffers that hold a multiple of 512 bytes, the last one aside: who has so far taken
 * whole blocks of 512 gets whole blocks, with most a multiple of 512 above 0, until the end of all. at is aligned to 16 then.
 */
ssize_t stream_get(struct stream *s, const uint8_t **at, size_t most);
ssize_t stream_peek(struct stream *s, const uint8_t **at);  /* the same, all that is there, and takes nothing */
ssize_t stream_read(struct stream *s, void *buf, size_t n);  /* n bytes, fewer only at the end */
const char *stream_why(const struct stream *s);   /* a sentence without a name: "it ends in the middle of ..." */
void stream_sum(struct stream *s, struct sha256 *sum);  /* just opened: add all that comes out, as it is taken */
void stream_close(struct stream *s);              /* ends its thread and filters, at any moment */

/* the other way: pack what is put, and write it to an fd that stays the caller's */
struct sink;
struct sink *sink_open(int fd, int pack, int level);  /* level 1 ... 9; 0: the usual. Trouble is said by what follows */
int sink_put(struct sink *s, const void *data, size_t len);  /* -1: see sink_why */
int sink_zeros(struct sink *s, uint64_t len);     /* unpacked, at the end of a file: a hole */
int sink_close(struct sink *s);                   /* -1: see sink_why, which stays until the next sink is opened */
const char *sink_why(const struct sink *s);
uint64_t sink_written(const struct sink *s);      /* bytes, packed, as far as they went out; after sink_close: all */

char *program_find(const char *name);  /* where it is in PATH; NULL: nowhere */
/*
 * A program of PATH, which gets these three fds (-1: /dev/null) and no others, and ends with our thread. argv stays
 * unchanged. Its pid, to be waited for; -1 with errno, ENOENT: there is none
 */
pid_t program_start(char *const argv[], int in, int out, int err);
/* wait for it: 0, or its status, -1 if it had none, and what became of it in words: "xz ended with status 1" */
int program_end(pid_t pid, const char *name, char *words, size_t size);

/* ---- tar.c: archives, as POSIX pax(1), ustar, GNU tar and OCI image layers have them --------------- */

/* what a reader takes of one entry: of names and values of attributes so many bytes, and who packs gives no more */
enum { TAR_NAME_MOST = 1 << 16, TAR_XATTRS_MOST = 4096, TAR_ATTRIBUTES_MOST = 3 << 18 };
struct tar_xattr { char *name; uint8_t *value; size_t size; };
/* of a sparse file: where data is; between are zeros. The data of all follow each other in the archive */
struct tar_piece { uint64_t offset, size; };
struct tar_entry {
	char type;               /* '0' file, '1' hard link, '2' symlink, '3' '4' devices, '5' directory, '6' FIFO */
	char *path, *link;       /* as they stand there: anything but 0 bytes; link of '1' and '2' */
	uint32_t mode, uid, gid; /* mode: the lower 12 bits */
	uint32_t major, minor;
	uint64_t size;           /* of the file, holes and all */
	int64_t sec; uint32_t nsec;  /* last modified */
	struct tar_xattr *xattr; size_t nxattr;  /* ACLs too, as system.posix_acl_access and _default, in the kernel's form */
	struct tar_piece *piece; size_t npieces; /* NULL: not sparse */
};
struct tar;
struct tar *tar_open(struct stream *s);
int tar_next(struct tar *t, struct tar_entry **e);  /* 1; 0 at the end; -1: see tar_why. The entry stays until the next call */
/* of the file's data, as it stands there (of a sparse one its pieces), until 0; what is not taken is passed over */
ssize_t tar_data(struct tar *t, const uint8_t **at);
uint64_t tar_at(const struct tar *t);               /* the data of an entry that is not sparse begin there, in multiples of 512 */
const char *tar_why(const struct tar *t);
void tar_close(struct tar *t);
int tar_put(struct sink *s, const struct tar_entry *e);  /* its header, pax where ustar does not do; size bytes of data (or of pieces) follow */
int tar_put_end(struct sink *s, uint64_t size);     /* fill up the last block of data */
int tar_finish(struct sink *s);                     /* the end of the archive */

/* ---- unpack.c: an archive becomes a tree --------------------------------------- */

/*
 * UNPACK_WHITEOUTS: it is a layer of an OCI image: .wh.NAME and .wh..wh..opq take away what is there, and default ACLs
 * there hand nothing down. UNPACK_HOLES: of files larger than UNPACK_HOLE nothing is written: each is a hole that is sticky,
 * and its mtime counts blocks of 512 bytes to where it begins in the archive
 */
enum { UNPACK_WHITEOUTS = 1, UNPACK_HOLES = 2, UNPACK_HOLE = 4 << 20 };
/*
 * All of it below dir, an open directory, from where nothing leads out whatever it says. -1: *why is a sentence that names
 * the entry. Free space and inodes are looked at on the way.
 */
int unpack_tree(struct tar *t, int dir, int flags, const char **why);

/* ---- pack.c: a tree becomes an archive -------------------------------------------- */

/*
 * All below dir, in the order of the directories, but what is mounted there and sockets; names begin with "./". on is
 * called with the bytes read so far. -1: *why is a sentence; 0: *why is NULL, or says that files changed meanwhile
 */
int pack_tree(int dir, struct sink *to, void (*on)(uint64_t bytes), const char **why);

/* ---- raw.c: disk images: zeros become holes, qcow2 becomes raw ---------------------- */

int raw_write(struct stream *from, int to, const char **why);  /* to: an empty file */
bool qcow2_is(const uint8_t *head, size_t len);                 /* "QFI\xfb" */
int qcow2_unpack(int from, int to, const char **why);           /* both are files; versions 2 and 3. -1: *why */

/* ---- disk.c: what is in a disk image ------------------------------------------------- */

enum { PART_ROOT = 1, PART_USR, PART_HOME, PART_SRV, PART_VAR, PART_TMP, PART_ESP, PART_XBOOTLDR, PART_LINUX, PART_OTHER };
struct partition {
	int number;              /* from 1; 0: the whole of it is a file system */
	int use;                 /* PART_... */
	bool read_only, growable;
	bool active;             /* the one to boot from */
	uint8_t type;            /* of MBR */
	uint64_t offset, size;   /* bytes */
	char name[109];          /* of GPT, as UTF-8 without control characters */
};
/*
 * MBR (with extended ones) or GPT, either copy; *n is at most most, 0: there is none. -1: *why; else *why is NULL, or what
 * is odd with it: to be told
 */
int disk_table(int fd, uint64_t size, struct partition *p, size_t most, size_t *n, const char **why);
const char *disk_fs(int fd, uint64_t offset, uint64_t size);   /* "ext4", "squashfs", "crypto_LUKS", ... as mount(2) says them; NULL: unknown */
/*
 * What begins so, if it is none of those taken: "a zip archive: unpack it first", for a sentence that names it; NULL: one of
 * them, or unknown
 */
enum { IS_TAR = 1, IS_DISK = 2, IS_QCOW2 = 4, IS_PACKED = 8, IS_NOTHING = 16 };
const char *disk_alien(const uint8_t *head, size_t len, int taken);
/*
 * A loop device for a part of a file or block device, which goes with its last user; an fd of it. *path is for mount(2): its
 * node, or /proc/self/fd/N where there is none. size 0: all; UINT64_MAX: as a disk with partitions. -1 with errno; ENODEV,
 * ENXIO: the kernel has no loop devices
 */
int disk_loop(int fd, uint64_t offset, uint64_t size, bool read_only, char **path);

/* ---- fetch.c: http (RFC 9110, 9112) by us, https by the programs of FETCHERS -------------------- */

struct fetch {
	/* asked for; what is not is 0 */
	const char *url;         /* http, https, file */
	char *const *headers;    /* further lines "Name: value"; Authorization and Cookie go to the server of url only */
	const char *if_etag;     /* answer 304 when it is one of these: "\"a\", \"b\"" */
	uint64_t from;           /* begin at this byte if it is still what same says, an ETag or a Last-Modified: status 206; else 200 */
	const char *same;
	bool stay;               /* follow no redirect: location says where to */
	/* answered; until fetch_close; NULL: not said */
	int status;              /* 200, 206, 304, 404, ... */
	int64_t modified;        /* seconds since 1970; -1: not said */
	uint64_t length;         /* of what follows; UINT64_MAX: not said */
	char *final_url;         /* after redirects */
	const char *why;         /* a sentence without the URL */
	struct fetch_state *state;
	/* what was sent. A connection that breaks is made again, and it goes on where it was, where the server can */
	struct source body;
	union {
		/* authenticate: all of them, with commas between; "": said by a program that tells of a status only */
		struct { char *etag, *last_modified, *type, *location, *authenticate, *docker_digest, *retry_after, *date; };
		char *kept[8];
	};
};
bool fetch_valid(const char *url);
/* a valid URL as it may be shown and kept: with a path, and without "name:password@", which its server gets from now on */
const char *fetch_login(const char *url);
char *fetch_basic(const char *login);  /* a header: login is "name:password" as a URL has it */
int fetch_open(struct fetch *f);     /* 0 once the answer's head is there, whatever status; -1: f->why */
void fetch_close(struct fetch *f);
int64_t fetch_again(const struct fetch *f);  /* in so many seconds the server wants to be asked again; < 0: it did not say */
void fetch_pause(int64_t seconds);           /* or until halted */
/* all of what was sent, ended with 0, of less than size bytes; -1: *why */
ssize_t fetch_text(struct fetch *f, char *buf, size_t size, const char **why);
/* a whole small file, ended with 0; -1: *why, status 0 or what it is. Nothing else than 200 is a success */
ssize_t fetch_small(const char *url, char *buf, size_t size, int *status, const char **why);

/* ---- sums.c: lists of sums and their signatures ------------------------------------- */

/* of a file in SHA256SUMS, NAME.sha256; file NULL: of the one whose name the list has, when there is nothing but the sum */
bool sums_find(const char *list, const char *file, uint8_t digest[32]);
bool sums_signed(const char *list);  /* its signature is in it */
/*
 * By gpgv and the keys of a file. signature NULL: list is signed inline, and becomes what was signed. 0: it is good; 1:
 * it is not; -1: nobody can say, *why. said: gpgv's own words, or NULL
 */
int sums_verify(char *list, const char *signature, size_t len, const char *keyring, const char **why, char **said);

/* ---- json.c: JSON (RFC 8259), of strangers -------------------------------------------- */

enum { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
struct json {
	uint8_t kind;
	const char *name;        /* of a member of an object; else NULL */
	const char *text;        /* of a string: UTF-8 without 0; of a number: as it stands there */
	struct json *first, *next;  /* of what is in an array or object; what follows it there */
};
/*
 * An object or array, which must be all of text. That is changed, and stays the caller's, as long as there are values. At
 * most 64 deep and 131072 values. NULL: *why is a sentence without a name
 */
const struct json *json_parse(char *text, size_t len, const char **why);
/* all of these take NULL for what they look in, and take null for what is not there; a path is "linux.resources" */
const struct json *json_member(const struct json *in, const char *name);  /* whose name may have dots in it */
const struct json *json_get(const struct json *in, const char *path);     /* "": in itself */
const char *json_string(const struct json *in, const char *path);         /* NULL: no string */
bool json_true(const struct json *in, const char *path);
bool json_number(const struct json *in, const char *path, long long min, long long max, long long *out);  /* whole ones */
bool json_u64(const struct json *in, const char *path, uint64_t *out);
const struct json *json_first(const struct json *in, const char *path);   /* of an array or object; NULL: empty, or none */

/* ---- netlink.c: netlink(7), rtnetlink(7) -------------------------------------- */

struct nlmsghdr;
struct nlattr;

/* a socket, which belongs to the network namespace that it was opened in, whoever uses it */
struct nl {
	int fd;          /* -1: not open */
	uint32_t seq;
	char why[160];   /* after a failure the kernel's own words (extended ack, 4.12), else those of errno */
};
int nl_open(struct nl *nl, int protocol);  /* NETLINK_ROUTE, ...; -1 with errno */
int nl_open_route(struct nl *nl);
void nl_close(struct nl *nl);

/* a message. Nothing need be checked while it is built: nl_talk says when it was too much */
struct nl_msg {
	bool over;
	size_t len, depth, nest[8];
	_Alignas(8) char buf[2000];
};
/* head is the struct that follows the header: struct ifinfomsg and the like */
void nl_begin(struct nl_msg *m, int type, int flags, const void *head, size_t len);
void nl_raw(struct nl_msg *m, int type, const void *data, size_t len);
void nl_u8(struct nl_msg *m, int type, uint8_t n);    /* numbers in the order of the host: htonl first, if need be */
void nl_u16(struct nl_msg *m, int type, uint16_t n);
void nl_u32(struct nl_msg *m, int type, uint32_t n);
void nl_str(struct nl_msg *m, int type, const char *s);
void nl_nest(struct nl_msg *m, int type);  /* all until nl_end is within */
void nl_bare(struct nl_msg *m, const void *data, size_t len);  /* without a header of its own */
void nl_end(struct nl_msg *m);

typedef void nl_reader(void *arg, const struct nlmsghdr *h);
/*
 * Send it, and hand each message of the answer to fn (may be NULL) until all is said: by an acknowledgement, or by
 * the end of a dump (NLM_F_DUMP), which begins again when it was torn: fn may see things twice. -1 with errno and why.
 */
int nl_talk(struct nl *nl, struct nl_msg *m, nl_reader *fn, void *arg);

/* attributes of what was received; all say NULL, 0 or "" for one that is not there or has another size */
const struct nlattr *nl_find(const struct nlmsghdr *h, size_t head, int type);  /* behind a struct of so many bytes */
const struct nlattr *nl_find_nested(const struct nlattr *a, int type);
const struct nlattr *nl_find_in(const void *at, const void *end, int type);
const struct nlattr *nl_next(const void *at, const void *end, const struct nlattr *a);  /* a is NULL for the first */
const void *nl_data(const struct nlattr *a, size_t *len);  /* a is not NULL */
const void *nl_get(const struct nlattr *a, size_t len);
uint32_t nl_get_u32(const struct nlattr *a);
void nl_get_str(const struct nlattr *a, char *out, size_t size);

/* a link as the kernel tells it */
struct nl_link {
	int index, master, parent;  /* parent is a link of another namespace for a veth's end */
	unsigned int flags, type;   /* IFF_*, ARPHRD_* */
	uint32_t mtu;
	uint8_t mac[6];
	char name[16], kind[16];    /* kind is "" for hardware */
	char alias[128];            /* what it says of itself, cut */
};
void nl_begin_link(struct nl_msg *m, int type, int flags, int index, unsigned int set, unsigned int mask);  /* IFF_* */
void nl_read_link(const struct nlmsghdr *h, struct nl_link *l);  /* of RTM_NEWLINK; its index is 0 if it is none */
int nl_find_link(struct nl *nl, const char *name, int index, struct nl_link *l);  /* by name, or else index; ENODEV */
int nl_delete_link(struct nl *nl, int index);
int nl_raise(struct nl *nl, int index);
bool nl_permanent_mac(const char *name, uint8_t mac[6]);  /* that of the hardware, by ethtool */
/* RTM_NEWADDR (again: no error) or RTM_DELADDR; addresses in the order of the wire */
int nl_address(struct nl *nl, int type, int index, int family, const void *address, int prefix);
/*
 * RTM_NEWROUTE (again: no error) or RTM_DELROUTE in the main table; gateway may be NULL, metric 0. gateway == to: it is
 * an address of this host itself, though of none of its links
 */
int nl_route(struct nl *nl, int type, int index, int family, const void *to, int prefix, const void *gateway, uint32_t metric);

/* ---- dhcp.c: what a guest asks for on its link, and our answers: frames in, frames out ---------------- */

/* what one guest is lent on one link. Addresses are in the order of the wire */
struct lease {
	uint8_t mac[6], host_mac[6];     /* of the guest, and of us as it sees us */
	/* each family by itself; prefix 0: none */
	uint8_t address[4], router[4], address6[16], router6[16];  /* router6 is link-local */
	int prefix, prefix6;
	bool route, route6;              /* the router leads further */
	uint8_t dns[3][4], dns6[3][16];
	size_t ndns, ndns6;
	uint32_t seconds;                /* it is good for */
	uint32_t mtu;                    /* 0: not told */
	const char *hostname, *timezone; /* or NULL */
};
/* an Ethernet frame that came from the guest; the answer's length, 0 for none. DHCP, DHCPv6, router solicitations */
size_t dhcp_answer(const struct lease *l, const uint8_t *frame, size_t len, uint8_t *out, size_t room);
size_t dhcp_advertise(const struct lease *l, uint8_t *out, size_t room);  /* a router advertisement to all; 0: none to make */

/* ---- nft.c: nf_tables through nfnetlink ------------------------------------------------------------- */

/* a port of the host, or several, that lead to the machine. Numbers are in the order of the host */
struct nft_port {
	uint8_t proto;           /* IPPROTO_TCP, IPPROTO_UDP */
	uint8_t family;          /* AF_UNSPEC: at all local addresses of the host but loopback; else at address */
	uint8_t address[16];
	uint16_t first, last, guest;  /* first ... last lead to guest ... */
};

/* all rules of one machine */
struct nft_rules {
	const char *link;        /* of the host, that leads to the machine: ve-NAME, or a bridge */
	uint8_t net[4], net6[16];
	int prefix, prefix6;     /* what leaves the host from these networks is masqueraded; 0: nothing */
	uint8_t keep[4];         /* an address of the host that no port leads away from; 0.0.0.0: none */
	uint8_t guest[4], guest6[16];
	bool has_guest, has_guest6;  /* where ports lead; without, none of that family do */
	const struct nft_port *port;
	size_t nports;
};

/* what is in force: a table "nspawn-lite-NAME" for each family */
struct nft {
	struct nl nl;            /* fd is -1: not open. It owns the tables (5.12): they go with it, whatever ends us */
	char table[80];
	bool owned, ip, ip6;     /* else nft_close removes them; which of them are there */
};
/*
 * Put the rules in force, all at once, in place of those before; a family that has none has no table. -1 with errno and
 * n->nl.why, which names what the kernel lacks, and the rules before stay: without ports less is needed. 0 with words in
 * n->nl.why: IPv6 was left out, for that reason. name: of the machine; n->nl.fd is -1 before the first
 */
int nft_set(struct nft *n, const char *name, const struct nft_rules *rules);
void nft_close(struct nft *n);
/* tables of a machine that was killed, where the kernel knows no owners; -1 with errno, 0 if there are none */
int nft_remove(const char *name);

/* ---- firewall.c: whose rules are in the way ------------------------------------------------------------ */

/*
 * A base chain of somebody else that drops what is forwarded, unless its table speaks of link: "table inet fw4, chain
 * forward (policy drop)" into text, or iptables' own. false: none
 */
bool firewall_blocker(const char *link, char *text, size_t size);
