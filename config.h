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
/* pull-oci: the registry of a REF that names none */
#define REGISTRY "docker.io"
/*
 * Where images of a registry are fetched, in this order: its name, and URLs; the last of them is itself, those before it
 * are mirrors. One that stands in no row is asked by https
 */
#define REGISTRIES \
	/* { "registry.lan:5000", { "http://registry.lan:5000" } }, */ \
	/* { "docker.io", { "http://mirror.lan:5000", "https://registry-1.docker.io" } }, */ \
	{ "docker.io", { "https://registry-1.docker.io" } }
/* names and passwords, as docker login, podman login and skopeo login leave them */
#define REGISTRY_LOGINS "/run/containers/0/auth.json", "/root/.config/containers/auth.json", "/root/.docker/config.json"
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

/* what masquerades IPv4 and IPv6 where the kernel has no nf_tables */
#define IPTABLES "iptables", "ip6tables"

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
/* and one of an image of OCI whose command handles no signal that would ask it to */
#define DEAF_SECONDS 10
/* --restart: the first pause before it begins again, and the longest, in seconds; one that ran so long begins with the first again */
#define RESTART_FIRST 1
#define RESTART_MOST 60
#define RESTART_RESET 60
/* start: so many machines are born at once; seconds that it waits for one with --notify-ready=yes to say so */
#define STARTS_AT_ONCE 8
#define START_SECONDS 90
/* start: so many processes and threads at most, where nobody says it by --property=TasksMax= and the kernel can; 0: any */
#define START_TASKS 16384
/* --wait-for: seconds until it gives up */
#define WAIT_SECONDS 60
/* a program that is called with pre-start, up, down and post-stop, and with NAME, PID, IF and ADDR in its environment; NULL: none */
#define HOOK NULL
#define HOOK_SECONDS 30

/* seconds that the stub of -a gives the other processes when it is told to end */
#define STUB_PATIENCE 10

/*
 * What the program is made of. 0 leaves a part out, with its options and verbs, which are refused then; KB are what that
 * saves on x86_64 ("make size" measures it). One that names another goes with that. Without any 97 KB are left,
 * with ZLIB=n BTRFS=n: a program that runs and boots trees
 */
/* filters of system calls, --system-call-filter, --restrict-address-families, --suppress-sync: 15 KB */
#define WITH_SECCOMP 1
/* 0: without --system-call-filter a machine may make any system call, and with ~ all but those */
#define WITH_DEFAULT_FILTER 1
/* looking after machines: the verbs from list to monitor, what a console said, --log and --wait-for: 60 KB. stop is a SIGTERM then */
#define WITH_MACHINES 1
/* images: the verbs from list-images on, --template, and clones in layers: 28 KB. -M finds directories all the same */
#define WITH_IMAGES 1
/* import and export: 84 KB, with zlib */
#define WITH_IMPORT WITH_IMAGES
/* pulls: 36 KB */
#define WITH_PULL WITH_IMPORT
/* images of the OCI and of docker: import-oci, pull-oci, and --oci-bundle: 48 KB */
#define WITH_OCI WITH_PULL
/* the verb oci, and what runc and crun do under their names: 61 KB */
#define WITH_RUNTIME WITH_OCI
/* disk images and block devices, -i: 11 KB */
#define WITH_DISK 1
/* networks, all that begins with --network, and -p: 81 KB. --private-network, with a loopback alone, is there all the same */
#define WITH_NETWORK 1
/* answers to guests that ask by DHCP and for routers: 8 KB. Without, addresses are set inside before the payload begins, as with it */
#define WITH_DHCP WITH_NETWORK
/* the relay for names, where only the host reaches the servers: 6 KB. Without, guests ask a resolver of the host's then */
#define WITH_DNS WITH_NETWORK
/* -p: 19 KB */
#define WITH_PORTS WITH_NETWORK
/* --network-interface: 11 KB */
#define WITH_MOVE WITH_NETWORK
/* users of its own, -U, --private-users, --nesting: 17 KB. start runs machines without them then */
#define WITH_USERNS 1
/*
 * --property, --slice, --device, --rlimit and the like; the verbs freeze, thaw and set-property: 26 KB. Without, no device
 * node works but those in /dev, and root inside has no CAP_MKNOD
 */
#define WITH_LIMITS 1
/* --bind, --bind-ro, --tmpfs, --inaccessible, --overlay: 17 KB */
#define WITH_MOUNTS 1
/* --overlay, -x, --volatile and --pivot-root: 10 KB */
#define WITH_OVERLAY 1
/* .nspawn files, --settings and the verb settings: 7 KB. Without, one that is there is still warned of */
#define WITH_SETTINGS 1
/* /etc/resolv.conf, time zone and journal as the host has them, and credentials: 5 KB. Without, the tree's own files stay */
#define WITH_INTEGRATION 1
/* --rescue: 2 KB */
#define WITH_RESCUE 1
/* small mount namespaces to be born in: 1 KB. Without, starts take longer on hosts with many mounts */
#define WITH_MNTNS 1
/* texts: what help says of options, -v, the verbs plan, completion and manual: 14 KB */
#define WITH_HELP 1
/* the verb check: 12 KB */
#define WITH_CHECK 1
