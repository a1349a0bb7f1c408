/* SPDX-License-Identifier: 0BSD */
/* What is in a disk image: its table of partitions, what file system a part holds; and loop devices for parts */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/loop.h>

#include "util.h"

static uint16_t
le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t
le32(const uint8_t *p)
{
	return le16(p) | (uint32_t)le16(p + 2) << 16;
}

static uint64_t
le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* all of it, or not: false */
static bool
read_part(int fd, void *buf, size_t len, uint64_t at)
{
	size_t got = 0;
	ssize_t n;

	if (at > (uint64_t)INT64_MAX - len)
		return false;
	while (got < len) {
		n = pread(fd, (char *)buf + got, len - got, (off_t)(at + got));
		if (n < 0 && errno == EINTR && !halted)
			continue;
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

/* ---- file systems --------------------------------------------------------------- */

/* what holds others comes first: a disk of an array may well begin as a file system; weak signs of two bytes last */
static const struct { uint32_t at; uint8_t len; char magic[16]; const char *name; } kinds[] = {
	{ 0,     6, "LUKS\xba\xbe",         "crypto_LUKS" },
	{ 0,     8, "verity\0",             "DM_verity_hash" },
	{ 536,   8, "LVM2 001",             "LVM2_member" },
	{ 0,     4, "\xfc\x4e\x2b\xa9",     "linux_raid_member" },
	{ 4096,  4, "\xfc\x4e\x2b\xa9",     "linux_raid_member" },
	{ 0,     4, "hsqs",                 "squashfs" },
	{ 1024,  4, "\xe2\xe1\xf5\xe0",     "erofs" },
	{ 65600, 8, "_BHRfS_M",             "btrfs" },
	{ 0,     4, "XFSB",                 "xfs" },
	{ 1024,  4, "\x10\x20\xf5\xf2",     "f2fs" },
	{ 4120, 16, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "bcachefs" },
	{ 4120, 16, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef", "bcachefs" },
	{ 3,     8, "EXFAT   ",             "exfat" },
	{ 3,     8, "NTFS    ",             "ntfs" },
	{ 3,     8, "-FVE-FS-",             "BitLocker" },
	{ 82,    8, "FAT32   ",             "vfat" },
	{ 54,    8, "FAT16   ",             "vfat" },
	{ 54,    8, "FAT12   ",             "vfat" },
	{ 0,     8, "-rom1fs-",             "romfs" },
	{ 0,     4, "\x45\x3d\xcd\x28",     "cramfs" },
	{ 0,     4, "\x28\xcd\x3d\x45",     "cramfs" },
	{ 512,   4, "\x45\x3d\xcd\x28",     "cramfs" },
	{ 32768, 4, "JFS1",                 "jfs" },
	{ 65588, 6, "ReIsEr",               "reiserfs" },
	{ 32769, 5, "BEA01",                "udf" },
	{ 32769, 5, "CD001",                "iso9660" },
	{ 4086, 10, "SWAPSPACE2",           "swap" },
	{ 8182, 10, "SWAPSPACE2",           "swap" },
	{ 16374, 10, "SWAPSPACE2",          "swap" },
	{ 65526, 10, "SWAPSPACE2",          "swap" },
	{ 1080,  2, "\x53\xef",             "ext2" },
	{ 1030,  2, "\x34\x34",             "nilfs2" },
	{ 1040,  2, "\x7f\x13",             "minix" },
	{ 1040,  2, "\x8f\x13",             "minix" },
	{ 1040,  2, "\x68\x24",             "minix" },
	{ 1040,  2, "\x78\x24",             "minix" },
	{ 1048,  2, "\x5a\x4d",             "minix" },
};

/* they differ in what they can; see fs/ext4/ext4.h */
static const char *
which_ext(int fd, uint64_t offset)
{
	enum { JOURNAL = 4, JOURNAL_DEVICE = 8, INCOMPAT_3 = 0x2 | 0x4 | 0x10, RO_COMPAT_3 = 0x1 | 0x2 | 0x4 };
	uint8_t features[12];

	if (!read_part(fd, features, sizeof(features), offset + 1024 + 92))
		return NULL;
	if (le32(features + 4) & JOURNAL_DEVICE)
		return "jbd";
	if ((le32(features + 4) & ~(uint32_t)INCOMPAT_3) || (le32(features + 8) & ~(uint32_t)RO_COMPAT_3))
		return "ext4";
	return le32(features) & JOURNAL ? "ext3" : "ext2";
}

/* arrays that keep what they are at their end: a member of a mirror looks like the file system on it */
static bool
is_raid(int fd, uint64_t offset, uint64_t size)
{
	static const char magic[] = "\xfc\x4e\x2b\xa9";
	const uint64_t at[] = { (size & ~65535ULL) - 65536, ((size & ~511ULL) - 8192) & ~4095ULL };
	char found[4];
	size_t i;

	for (i = 0; i < LEN(at) && size >= 131072; i++)
		if (read_part(fd, found, sizeof(found), offset + at[i]) && memcmp(found, magic, sizeof(found)) == 0)
			return true;
	return false;
}

const char *
disk_fs(int fd, uint64_t offset, uint64_t size)
{
	char found[16];
	size_t i;

	if (offset > INT64_MAX || size > INT64_MAX - offset)
		return NULL;
	if (is_raid(fd, offset, size))
		return "linux_raid_member";
	for (i = 0; i < LEN(kinds); i++) {
		if (size < (uint64_t)kinds[i].at + kinds[i].len || !read_part(fd, found, kinds[i].len, offset + kinds[i].at)
		    || memcmp(found, kinds[i].magic, kinds[i].len) != 0)
			continue;
		return streq(kinds[i].name, "ext2") ? which_ext(fd, offset) : kinds[i].name;
	}
	return NULL;
}

/* what people take for an image or an archive: weak signs last */
static const struct { uint16_t at; uint8_t len, kind; const char *magic, *what; } aliens[] = {
	{ 257, 5, IS_TAR,     "ustar",              "a tar archive: import-tar and pull-tar take those" },
	{ 0,   4, IS_QCOW2,   "QFI\xfb",            "a qcow2 image: import-raw and pull-raw take those" },
	{ 0,   6, IS_PACKED,  "\xfd""7zXZ",         "packed with xz: import-raw unpacks it" },
	{ 0,   4, IS_PACKED,  "\x28\xb5\x2f\xfd",   "packed with zstd: import-raw unpacks it" },
	{ 0,   3, IS_PACKED,  "BZh",                "packed with bzip2: import-raw unpacks it" },
	{ 0,   3, IS_PACKED,  "\x1f\x8b\x08",       "packed with gzip: import-raw unpacks it" },
	{ 0,   4, IS_NOTHING, "\x04\x22\x4d\x18",   "packed with lz4: unpack it first" },
	{ 0,   4, IS_NOTHING, "\x89LZO",            "packed with lzop: unpack it first" },
	{ 0,   4, IS_NOTHING, "LZIP",               "packed with lzip: unpack it first" },
	{ 0,   3, IS_NOTHING, "\x5d\0\0",           "packed with lzma: unpack it first" },
	{ 0,   4, IS_NOTHING, "PK\3\4",             "a zip archive: unpack it first" },
	{ 0,   4, IS_NOTHING, "7z\xbc\xaf",         "a 7z archive: unpack it first" },
	{ 0,   4, IS_NOTHING, "Rar!",               "a rar archive: unpack it first" },
	{ 0,   5, IS_NOTHING, "07070",              "a cpio archive: unpack it first" },
	{ 0,   8, IS_NOTHING, "!<arch>\n",          "a package, not a tree: debootstrap and the like make one of packages" },
	{ 0,   4, IS_NOTHING, "\xed\xab\xee\xdb",   "a package, not a tree: dnf --installroot makes one of packages" },
	{ 0,   4, IS_NOTHING, "KDMV",               "a VMDK disk: make a raw image of it with qemu-img convert" },
	{ 64,  4, IS_NOTHING, "\x7f\x10\xda\xbe",   "a VDI disk: make a raw image of it with qemu-img convert" },
	{ 0,   8, IS_NOTHING, "conectix",           "a VHD disk: make a raw image of it with qemu-img convert" },
	{ 0,   8, IS_NOTHING, "vhdxfile",           "a VHDX disk: make a raw image of it with qemu-img convert" },
	{ 0,   4, IS_NOTHING, "\x3a\xff\x26\xed",   "a sparse image of Android: make a raw image of it with simg2img" },
	{ 0,   4, IS_NOTHING, "UBI#",               "an image for raw flash: write it there with ubiformat" },
	{ 0,   4, IS_NOTHING, "\x27\x05\x19\x56",   "a boot image for U-Boot, not a file system" },
	{ 0,   8, IS_NOTHING, "Salted__",           "encrypted by openssl" },
	{ 0,  11, IS_NOTHING, "-----BEGIN ",        "a signed or encrypted text" },
	{ 510, 2, IS_DISK,    "\x55\xaa",           "a disk image: import-raw and pull-raw take those" },
};

const char *
disk_alien(const uint8_t *head, size_t len, int taken)
{
	size_t i;

	for (i = 0; i < LEN(aliens); i++)
		if (len >= (size_t)aliens[i].at + aliens[i].len && memcmp(head + aliens[i].at, aliens[i].magic, aliens[i].len) == 0)
			return aliens[i].kind & taken ? NULL : aliens[i].what;
	for (i = 0; i < LEN(kinds) && !(taken & IS_DISK); i++)
		if (len >= (size_t)kinds[i].at + kinds[i].len && memcmp(head + kinds[i].at, kinds[i].magic, kinds[i].len) == 0
		    && (kinds[i].len > 2 || streq(kinds[i].name, "ext2")))
			return "a disk image: import-raw and pull-raw take those";
	for (i = 0; i < len && (memchr(" \n\r\t\xef\xbb\xbf", head[i], 7)); i++)
		;
	if (len - i > 5 && (strncasecmp((const char *)head + i, "<html", 5) == 0 || strncasecmp((const char *)head + i, "<!doc", 5) == 0))
		return "a web page, such as one that asks for a login: look at it in a browser";
	return NULL;
}

/* ---- tables --------------------------------------------------------------------- */

/* whose parts a table gives */
struct table {
	int fd;
	uint64_t size;     /* bytes */
	uint32_t sector;
	struct partition *p;
	size_t n, most;
	const char *note;  /* the first thing that is odd */
};

/* first and count in sectors */
static struct partition *
add(struct table *t, int number, uint64_t first, uint64_t count)
{
	uint64_t sectors = t->size / t->sector;
	struct partition *p;
	size_t i;

	if (count == 0) {
		t->note = t->note ? t->note : fmt("partition %d is empty, and left out", number);
		return NULL;
	}
	if (first > sectors || count > sectors - first) {
		t->note = t->note ? t->note : fmt("partition %d goes beyond the end, and is left out: is all of it there?", number);
		return NULL;
	}
	if (t->n == t->most) {
		t->note = t->note ? t->note : fmt("there are more than %zu partitions; the others are left out", t->most);
		return NULL;
	}
	p = &t->p[t->n];
	*p = (struct partition){ .number = number, .use = PART_OTHER, .offset = first * t->sector, .size = count * t->sector };
	for (i = 0; i < t->n; i++)
		if (p->offset < t->p[i].offset + t->p[i].size && t->p[i].offset < p->offset + p->size)
			t->note = t->note ? t->note : fmt("partitions %d and %d overlap", t->p[i].number, number);
	t->n++;
	return p;
}

enum { MBR_ENTRIES = 446, MBR_ENTRY = 16, MBR_END = 510, LOGICAL_MOST = 256 };

static bool
is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static void
add_mbr(struct table *t, int number, const uint8_t *e, uint64_t base)
{
	struct partition *p = add(t, number, base + le32(e + 8), le32(e + 12));

	if (!p)
		return;
	p->active = e[0] == 0x80;
	p->type = e[4];
	p->use = e[4] == 0x83 ? PART_LINUX : e[4] == 0xef ? PART_ESP : e[4] == 0xea ? PART_XBOOTLDR : PART_OTHER;
}

/* logical ones are a chain of tables, each with one of them and where the next is, counted from where all begin */
static bool
add_logical(struct table *t, const uint8_t *extended, const char **why)
{
	uint64_t begin = le32(extended + 8), count = le32(extended + 12), at = begin;
	uint8_t sector[512];
	const uint8_t *e = sector + MBR_ENTRIES;
	int number = 5, i, next;

	for (; number < LOGICAL_MOST; number++) {
		if (!read_part(t->fd, sector, sizeof(sector), at * t->sector) || le16(sector + MBR_END) != 0xaa55) {
			t->note = t->note ? t->note : "the chain of logical partitions is broken; those behind are left out";
			return true;
		}
		next = -1;
		for (i = 0; i < 2; i++) {
			if (is_extended(e[i * MBR_ENTRY + 4]))
				next = i;
			else if (e[i * MBR_ENTRY + 4])
				add_mbr(t, number, e + i * MBR_ENTRY, at);
		}
		if (next < 0 || le32(e + next * MBR_ENTRY + 8) >= count)
			return true;
		at = begin + le32(e + next * MBR_ENTRY + 8);
	}
	*why = "its chain of logical partitions has no end";
	return false;
}

/* the boot sector of a file system has the same end, and code where a table would be */
static bool
is_mbr(const uint8_t *sector)
{
	int i, used = 0;

	if (le16(sector + MBR_END) != 0xaa55)
		return false;
	for (i = 0; i < 4; i++) {
		const uint8_t *e = sector + MBR_ENTRIES + i * MBR_ENTRY;

		if (e[0] & 0x7f)
			return false;
		used += e[4] != 0;
	}
	return used > 0;
}

static uint32_t
crc32(uint32_t crc, const uint8_t *p, size_t len)
{
	int bit;

	for (; len > 0; len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return crc;
}

/* UTF-16 of the little end; to has room for 3 bytes each */
static void
utf16(const uint8_t *from, size_t units, char *to)
{
	size_t i;
	uint32_t c, low;

	for (i = 0; i < units && (c = le16(from + 2 * i)) != 0; i++) {
		low = i + 1 < units ? le16(from + 2 * i + 2) : 0;
		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
			i++;
			*to++ = (char)(0xf0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3f));
			*to++ = (char)(0x80 | (c >> 6 & 0x3f));
			*to++ = (char)(0x80 | (c & 0x3f));
			continue;
		}
		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000))
			c = '?';
		if (c < 0x80) {
			*to++ = (char)c;
		} else if (c < 0x800) {
			*to++ = (char)(0xc0 | c >> 6);
			*to++ = (char)(0x80 | (c & 0x3f));
		} else {
			*to++ = (char)(0xe0 | c >> 12);
			*to++ = (char)(0x80 | (c >> 6 & 0x3f));
			*to++ = (char)(0x80 | (c & 0x3f));
		}
	}
	*to = 0;
}

/*
 * Types of UAPI.2, the Discoverable Partitions Specification. A root for another kind of processor is a Linux
 * partition like others: it may run by binfmt_misc
 */
#if defined(__x86_64__)
#define ROOT "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#define USR  "8484680c-9521-48c6-9c11-b0720656f69e"
#elif defined(__i386__)
#define ROOT "44479540-f297-41b2-9af7-d131d5f0458a"
#define USR  "75250d76-8cc6-458e-bd66-bd47cc81a812"
#elif defined(__aarch64__)
#define ROOT "b921b045-1df0-41c3-af44-4c6f280d3fae"
#define USR  "b0e01050-ee5f-4390-949a-9101b17104e9"
#elif defined(__arm__)
#define ROOT "69dad710-2ce4-4e3c-b16c-21a1d49abed3"
#define USR  "7d0359a3-02b3-4f0a-865c-654403e70625"
#elif defined(__riscv) && __riscv_xlen == 64
#define ROOT "72ec70a6-cf74-40e6-bd49-4bda08e8f224"
#define USR  "beaec34b-8442-439b-a40b-984381ed097d"
#elif defined(__riscv)
#define ROOT "60d5a7fe-8e7d-435c-b714-3dd8162144e1"
#define USR  "b933fb22-5c3f-4f91-af90-e2bb0fa50702"
#elif defined(__mips__) && defined(__MIPSEL__) && _MIPS_SIM == _ABIO32
#define ROOT "37c58c8a-d913-4156-a25f-48b1b64e07f0"
#define USR  "0f4868e9-9952-4706-979f-3ed3a473e947"
#elif defined(__mips__) && defined(__MIPSEL__)
#define ROOT "700bda43-7a34-4507-b179-eeb93d7a7ca3"
#define USR  "c97c1f32-ba06-40b4-9f22-236061b08aa8"
#elif defined(__mips__) && _MIPS_SIM == _ABIO32
#define ROOT "e9434544-6e2c-47cc-bae2-12d6deafb44c"
#define USR  "773b2abc-2a99-4398-8bf5-03baac40d02b"
#elif defined(__mips__)
#define ROOT "d113af76-80ef-41b4-bdb6-0cff4d3d4a25"
#define USR  "57e13958-7331-4365-8e6e-35eeee17c61b"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ROOT "c31c45e6-3f39-412e-80fb-4809c4980599"
#define USR  "15bb03af-77e7-4d4a-b12b-c0d084f7491c"
#elif defined(__powerpc64__)
#define ROOT "912ade1d-a839-4913-8964-a10eee08fbd2"
#define USR  "2c9739e2-f068-46b3-9fd0-01c5a9afbcca"
#elif defined(__powerpc__)
#define ROOT "1de3f1ef-fa98-47b5-8dcd-4a860a654d78"
#define USR  "7d14fec5-cc71-415d-9d6c-06bf0b3c3eaf"
#elif defined(__s390x__)
#define ROOT "5eead9a9-fe09-4a1e-a1d7-520d00531306"
#define USR  "8a4f5770-50aa-4ed3-874a-99b710db6fea"
#elif defined(__loongarch64)
#define ROOT "77055800-792c-4f94-b39a-98c91b762bb6"
#define USR  "e611c702-575c-4cbe-9a46-434fa0bf7e3f"
#else
#define ROOT "none"
#define USR  "none"
#endif

static const struct { const char *type; int use; } uses[] = {
	{ ROOT, PART_ROOT },
	{ USR,  PART_USR },
	{ "933ac7e1-2eb4-4f13-b844-0e14e2aef915", PART_HOME },
	{ "3b8f8425-20e0-4f3b-907f-1a25a76f98e8", PART_SRV },
	{ "4d21b016-b534-45c2-a9fb-5c16e091fd2d", PART_VAR },
	{ "7ec6f557-3bc5-4aca-b293-16ef5df639d1", PART_TMP },
	{ "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", PART_ESP },
	{ "bc13c2ff-59e6-4262-a352-b275fd6f7172", PART_XBOOTLDR },
	{ "0fc63daf-8483-4772-8e79-3d69d8477de4", PART_LINUX },
	{ "44479540-f297-41b2-9af7-d131d5f0458a", PART_LINUX },  /* x86 */
	{ "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", PART_LINUX },  /* x86-64 */
	{ "69dad710-2ce4-4e3c-b16c-21a1d49abed3", PART_LINUX },  /* ARM, 32 bits */
	{ "b921b045-1df0-41c3-af44-4c6f280d3fae", PART_LINUX },  /* and 64 */
	{ "77055800-792c-4f94-b39a-98c91b762bb6", PART_LINUX },  /* LoongArch, 64 bits */
	{ "e9434544-6e2c-47cc-bae2-12d6deafb44c", PART_LINUX },  /* MIPS */
	{ "37c58c8a-d913-4156-a25f-48b1b64e07f0", PART_LINUX },  /* of the little end */
	{ "d113af76-80ef-41b4-bdb6-0cff4d3d4a25", PART_LINUX },  /* 64 bits */
	{ "700bda43-7a34-4507-b179-eeb93d7a7ca3", PART_LINUX },  /* of the little end */
	{ "1de3f1ef-fa98-47b5-8dcd-4a860a654d78", PART_LINUX },  /* PowerPC */
	{ "912ade1d-a839-4913-8964-a10eee08fbd2", PART_LINUX },  /* 64 bits */
	{ "c31c45e6-3f39-412e-80fb-4809c4980599", PART_LINUX },  /* of the little end */
	{ "60d5a7fe-8e7d-435c-b714-3dd8162144e1", PART_LINUX },  /* RISC-V, 32 bits */
	{ "72ec70a6-cf74-40e6-bd49-4bda08e8f224", PART_LINUX },  /* and 64 */
	{ "5eead9a9-fe09-4a1e-a1d7-520d00531306", PART_LINUX },  /* S/390, 64 bits */
};

static void
add_gpt(struct table *t, int number, const uint8_t *e)
{
	enum { ACTIVE = 1 << 2 };
	/* the first three numbers of a type have their low bytes first */
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	uint64_t first = le64(e + 32), last = le64(e + 40), flags = le64(e + 48);
	struct partition *p;
	uint8_t type[16];
	char text[37];
	size_t i;

	for (i = 0; i < sizeof(type); i++)
		type[i] = e[order[i]];
	format_uuid(type, text);
	if (streq(text, "00000000-0000-0000-0000-000000000000"))
		return;
	p = add(t, number, first, last < first ? 0 : last - first == UINT64_MAX ? UINT64_MAX : last - first + 1);
	if (!p)
		return;
	p->active = flags & ACTIVE;
	p->read_only = flags >> 60 & 1;
	p->growable = flags >> 59 & 1;
	utf16(e + 56, 36, p->name);
	for (i = 0; i < LEN(uses) && !streq(uses[i].type, text); i++)
		;
	if (i < LEN(uses) && !(flags >> 63))  /* nobody wants it mounted by itself */
		p->use = uses[i].use;
}

enum { GPT_HEADER = 92, GPT_ENTRY = 128, GPT_ENTRIES_MOST = 4096 };

/* one copy of the table; false if it is none, or damaged. *other is where it says that the other copy is */
static bool
read_gpt(struct table *t, uint64_t lba, uint64_t *other)
{
	uint8_t sector[4096], piece[4096];
	uint32_t header, crc, entries, entry, i;
	uint64_t at;

	if (lba > t->size / t->sector || !read_part(t->fd, sector, t->sector, lba * t->sector) || memcmp(sector, "EFI PART", 8) != 0)
		return false;
	header = le32(sector + 12);
	crc = le32(sector + 16);
	memset(sector + 16, 0, 4);
	if (header < GPT_HEADER || header > t->sector ||
	    (crc32(UINT32_MAX, sector, header) ^ UINT32_MAX) != crc || le64(sector + 24) != lba)
		return false;
	*other = le64(sector + 32);
	at = le64(sector + 72);
	entries = le32(sector + 80);
	entry = le32(sector + 84);
	if (entry < GPT_ENTRY || entry > sizeof(piece) || entries > GPT_ENTRIES_MOST || at > t->size / t->sector)
		return false;
	at *= t->sector;
	for (crc = UINT32_MAX, i = 0; i < entries; i++) {
		if (!read_part(t->fd, piece, entry, at + (uint64_t)i * entry))
			return false;
		crc = crc32(crc, piece, entry);
	}
	if ((crc ^ UINT32_MAX) != le32(sector + 88))
		return false;
	for (i = 0; i < entries; i++) {
		if (!read_part(t->fd, piece, GPT_ENTRY, at + (uint64_t)i * entry))
			return false;
		add_gpt(t, (int)i + 1, piece);
	}
	return true;
}

/* images for disks with larger sectors are made too: what they are of, only the table's place says */
static bool
find_gpt(struct table *t)
{
	const uint32_t sectors[] = { t->sector, 512, 4096 };
	uint64_t other = 0, last;
	size_t i;

	for (i = 0; i < LEN(sectors); i++) {
		t->sector = sectors[i];
		t->n = 0;
		if (read_gpt(t, 1, &other))
			return true;
	}
	for (i = 0; i < LEN(sectors); i++) {
		t->sector = sectors[i];
		t->n = 0;
		last = t->size / t->sector - 1;
		if (t->size >= 3 * (uint64_t)t->sector && (read_gpt(t, last, &other) || (other > 1 && read_gpt(t, other, &other)))) {
			t->note = t->note ? t->note : "the first copy of its partition table is damaged; the one at its end is used";
			return true;
		}
	}
	return false;
}

int
disk_table(int fd, uint64_t size, struct partition *p, size_t most, size_t *n, const char **why)
{
	struct table t = { .fd = fd, .size = size, .sector = 512, .p = p, .most = most };
	const uint8_t *e;
	uint8_t sector[512];
	struct stat st;
	bool extended = false;
	int i;

	*n = 0;
	*why = NULL;
	if (size > INT64_MAX || size < sizeof(sector))
		return 0;
	if (!read_part(fd, sector, sizeof(sector), 0)) {
		*why = fmt("it cannot be read: %s", strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) && ioctl(fd, BLKSSZGET, &i) == 0 && i >= 512 && i <= 4096)
		t.sector = (uint32_t)i;
	if (!is_mbr(sector))
		return 0;
	for (i = 0, e = sector + MBR_ENTRIES; i < 4; i++, e += MBR_ENTRY) {
		if (e[4] != 0xee)
			continue;
		if (!find_gpt(&t)) {
			*why = "both copies of its partition table (GPT) are damaged; see sgdisk(8), or fdisk(8)";
			return -1;
		}
		*n = t.n;
		*why = t.note;
		return 0;
	}
	for (i = 0, e = sector + MBR_ENTRIES; i < 4; i++, e += MBR_ENTRY) {
		if (e[4] && !is_extended(e[4]))
			add_mbr(&t, i + 1, e, 0);
	}
	for (i = 0, e = sector + MBR_ENTRIES; i < 4; i++, e += MBR_ENTRY) {
		if (!extended && is_extended(e[4]) && !add_logical(&t, e, why))
			return -1;
		extended = extended || is_extended(e[4]);
	}
	*n = t.n;
	*why = t.note;
	return 0;
}

/* ---- loop devices ---------------------------------------------------------------- */

enum { LOOP_MAJOR_NUMBER = 7, CONTROL_MAJOR = 10, CONTROL_MINOR = 237, CONFIGURE = 0x4c0a, TRIES = 200 };

struct loop_setup { uint32_t fd, block_size; struct loop_info64 info; uint64_t reserved[8]; };

/* where /dev has no such node: one of our own, which is gone again at once */
static int
open_node(const char *path, mode_t kind, dev_t device, int flags)
{
	static const char *const places[] = { "/dev", "/run", "" };
	int fd = open(path, flags | O_CLOEXEC), tries;
	struct stat st;
	size_t i;

	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind && st.st_rdev == device)
		return fd;
	if (fd < 0 && errno != ENOENT)
		return -1;
	drop(fd);
	for (i = 0; i < LEN(places); i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s/.nspawn-lite-%u-%u", places[i], major(device), minor(device));
		for (tries = 0, fd = -1; fd < 0 && tries < 100; tries++) {  /* others do the same, and take it away */
			if (mknod(name, kind | 0600, device) < 0 && errno != EEXIST)
				break;
			fd = open(name, flags | O_NOFOLLOW | O_CLOEXEC);
			if (fd < 0 && errno != ENOENT)
				break;
		}
		if (fd >= 0 || tries < 100) {
			int saved = errno;

			unlink(name);
			errno = saved;
		}
		if (fd >= 0 && (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != kind || st.st_rdev != device)) {
			errno = ENODEV;
			return drop(fd);
		}
		if (fd >= 0 || (errno != EACCES && errno != EROFS && errno != ENOENT))
			return fd;
	}
	return -1;
}

/* the number of a loop device: where it has partitions, it is not its index */
static dev_t
loop_device(int index)
{
	unsigned int maj = LOOP_MAJOR_NUMBER, min = (unsigned int)index;
	char path[64], text[32], *colon;

	snprintf(path, sizeof(path), "/sys/block/loop%d/dev", index);
	if (read_at(AT_FDCWD, path, text, sizeof(text)) > 0 && (colon = strchr(text, ':'))) {
		maj = (unsigned int)strtoul(text, NULL, 10);
		min = (unsigned int)strtoul(colon + 1, NULL, 10);
	}
	return makedev(maj, min);
}

/* 5.8; before, what is killed between the two calls leaves the device bound */
static int
bind_loop(int loop, int fd, const struct loop_info64 *info)
{
	struct loop_setup setup = { .fd = (uint32_t)fd, .info = *info };
	int tries;

	if (!sys_denied("loop_configure") && !sys_denied("new")) {
		if (ioctl(loop, CONFIGURE, &setup) == 0)
			return 0;
		if (errno != EINVAL && errno != ENOTTY && errno != ENOSYS)
			return -1;
	}
	if (ioctl(loop, LOOP_SET_FD, fd) < 0)
		return -1;
	for (tries = 0; ioctl(loop, LOOP_SET_STATUS64, info) < 0; tries++) {
		if (errno != EAGAIN || tries == TRIES) {
			int saved = errno;

			ioctl(loop, LOOP_CLR_FD, 0);
			errno = saved;
			return -1;
		}
		poll(NULL, 0, 1);  /* pages of it are in use */
	}
	return 0;
}

int
disk_loop(int fd, uint64_t offset, uint64_t size, bool read_only, char **path)
{
	const bool whole = size == UINT64_MAX;
	const struct loop_info64 info = {
		.lo_offset = offset, .lo_sizelimit = whole ? 0 : size,
		.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0) | (whole ? LO_FLAGS_PARTSCAN : 0),
	};
	int control, loop = -1, index, tries;
	struct stat st, node;
	char name[32];
	uint8_t random;

	control = open_node("/dev/loop-control", S_IFCHR, makedev(CONTROL_MAJOR, CONTROL_MINOR), O_RDWR);
	if (control < 0)
		return -1;
	for (tries = 0; tries < TRIES; tries++) {
		index = ioctl(control, LOOP_CTL_GET_FREE);
		if (index < 0)
			break;
		snprintf(name, sizeof(name), "/dev/loop%d", index);
		loop = open_node(name, S_IFBLK, loop_device(index), read_only ? O_RDONLY : O_RDWR);
		if (loop >= 0 && bind_loop(loop, fd, &info) == 0)
			break;
		loop = drop(loop);
		if (errno != EBUSY && errno != ENXIO && errno != ENOENT && errno != ENODEV)
			break;
		/* another has taken it meanwhile: not in step with all who try */
		random_bytes(&random, sizeof(random));
		poll(NULL, 0, random / 64);
	}
	drop(control);
	if (loop < 0)
		return -1;
	if (stat(name, &node) < 0 || fstat(loop, &st) < 0 || node.st_rdev != st.st_rdev)
		*path = fmt("/proc/self/fd/%d", loop);
	else
		*path = xstrdup(name);
	return loop;
}
