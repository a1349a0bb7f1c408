/* SPDX-License-Identifier: 0BSD */
/* All that other programs read at run time. make CONFIG=mine.h takes another file */

/* options every machine starts with, as if typed first: "--private-network", ...; "--settings=override" reads .nspawn files */
#define DEFAULTS NULL

/* and those for machines of a certain name: a pattern as in the shell, and words */
#define MACHINES \
	/* { "router*", { "--read-only", "--private-network" } }, */ \
	/* { "web", { "--network-zone=web", "--port=80" }, true },  true: start --all starts it */ \
	{ NULL, { NULL }, false }

/* where things are; NSPAWN_LITE_ROOT in the environment goes before each */
#define STATE_DIR "/run/nspawn-lite"  /* all of it may vanish while no machine runs */
#define STORE_DIR "/var/lib/machines"
/* where -M looks, in this order */
#define IMAGE_PATH \
	"/etc/machines", "/run/machines", "/var/lib/machines", "/var/lib/container", \
	"/usr/local/lib/machines", "/usr/lib/machines"

/* programs that unpack and pack what zlib does not, from standard input to standard output; the ending is that of their files */
#define FILTERS \
	{ ".gz",  { "gzip", "-dc" },  { "gzip", "-c" } }, \
	{ ".xz",  { "xz", "-dc" },    { "xz", "-c" } }, \
	{ ".bz2", { "bzip2", "-dc" }, { "bzip2", "-c" } }, \
	{ ".zst", { "zstd", "-dc" },  { "zstd", "-c" } }
/* of gzip, from 1, the fastest, to 9; --level takes another */
#define GZIP_LEVEL 6
/* programs for https, the first that is there: curl, wget, uclient-fetch are known */
#define FETCHERS "curl", "wget", "uclient-fetch"
/* seconds in which a server must say something; how often in a row a connection that broke is made again */
#define FETCH_SECONDS 60
#define FETCH_TRIES 8
/* keys of --verify=signature, the first that is there */
#define KEYRINGS \
	"/etc/systemd/import-pubring.gpg", "/etc/systemd/import-pubring.pgp", \
	"/usr/lib/systemd/import-pubring.gpg", "/usr/lib/systemd/import-pubring.pgp"
/* 1: pulls keep what they fetched, read-only and hidden, beside the image, as --keep-download=yes does; it takes twice the room */
#define KEEP_DOWNLOAD 0
/* what makes the file system of pool SIZE */
#define POOL_MKFS "mkfs.btrfs", "-q"

/* what -b starts: the first of these that the tree has */
#define INIT_PATH \
	"/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/sbin/init", \
	"/init", "/etc/init", "/bin/init", "/sbin/procd", "/bin/sh"

/* sizes of what is mounted inside, as tmpfs(5) takes them */
#define SIZE_TMP  "size=10%,nr_inodes=400k"
#define SIZE_RUN  "size=20%,nr_inodes=800k"
#define SIZE_SHM  "size=10%,nr_inodes=400k"
#define SIZE_ROOT "size=25%,nr_inodes=1m"

/* networks of -n and of zones are taken out of these, the first that the host has no route into */
#define ADDRESS_POOLS "10.64.0.0/10", "172.24.0.0/14", "192.168.128.0/17"
#define ZONE_PREFIX 24  /* of each zone: 252 machines */
#define VETH_PREFIX 28  /* of each -n */
#define LEASE_SECONDS 3600
/* of the relay for names: questions in a second, and at once; streams at once */
#define DNS_RATE 500
#define DNS_QUERIES 64
#define DNS_CONNECTIONS 8

/*
 * Network namespaces kept ready for machines without users of their own, at most 16: so many for each bridge of
 * --network-bridge, with a link on it, and for all other kinds together. Machines that run make them. Each saves a start
 * half a millisecond, and a full one with a link; 200 KB of the kernel's memory each. 0 leaves it out: 3 KB
 */
#define SPARE_NETWORKS 0

/* --port: most ports of a range; most that are relayed by the supervisor where nf_tables does not lead them: a socket each */
#define PORT_RANGE 1024
#define RELAY_PORTS 128
/* of a machine: connections, and clients of UDP ports, at once; fds for them; seconds after which such a client is forgotten */
#define RELAY_MOST 256
#define RELAY_FDS 4096
#define RELAY_IDLE 30

/* of each console the last so many bytes are kept in STATE_DIR, which is memory */
#define LOG_SIZE (64 << 10)
/* so many of them stay when their machines have ended; the oldest goes when a new one is made */
#define LOGS_KEPT 32
/* --log=PATH: a file that grew so large becomes PATH.1 */
#define LOG_FILE_SIZE (1 << 20)
/* seconds until a machine that was asked to power off is killed */
#define STOP_SECONDS 90
/* --restart: the first pause before it begins again, and the longest, in seconds; one that ran so long begins with the first again */
#define RESTART_FIRST 1
#define RESTART_MOST 60
#define RESTART_RESET 60
/* start: so many machines are born at once; seconds that it waits for one with --notify-ready=yes to say so */
#define STARTS_AT_ONCE 8
#define START_SECONDS 90
/* --wait-for: seconds until it gives up */
#define WAIT_SECONDS 60
/* a program that is called with pre-start, up, down and post-stop, and with NAME, PID, IF and ADDR in its environment; NULL: none */
#define HOOK NULL
#define HOOK_SECONDS 30

/* seconds that the stub of -a gives the other processes when it is told to end */
#define STUB_PATIENCE 10

/* 0 leaves the filters of system calls out of the program: 15 KB */
#define WITH_SECCOMP 1
/* 0: without --system-call-filter a machine may make any system call, and with ~ all but those */
#define WITH_DEFAULT_FILTER 1

/*
 * 0 leaves out, and on x86_64 saves: looking after machines: the verbs from list to cat, what a console said, --log and
 * --wait-for: 60 KB. stop is a SIGTERM to the supervisor then
 */
#define WITH_MACHINES 1
/* import and export, and with them pulls: 94 KB, with zlib */
#define WITH_IMPORT 1
/* disk images: 12 KB */
#define WITH_DISK 1
/* pulls: 37 KB */
#define WITH_PULL 1
