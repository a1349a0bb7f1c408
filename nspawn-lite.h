/* SPDX-License-Identifier: 0BSD */
/* layers 2 and 3: the plan, the run, and the doors of the rooms */

#include "util.h"
#include CONFIG

/* nobody asks for it without its option */
#define say(...) (WITH_HELP ? (say)(__VA_ARGS__) : (void)0)

#include <poll.h>
#include <sys/resource.h>

enum { SHOW_NOTHING, SHOW_HELP, SHOW_VERSION, SHOW_WORDS };

/* one more than the place in the words of the option's row; 0 is "not said" */
enum { YES = 1, NO };
enum { SETTINGS_NO = 1, SETTINGS_YES, SETTINGS_OVERRIDE, SETTINGS_TRUSTED };
enum { VOLATILE_NO = 1, VOLATILE_YES, VOLATILE_STATE, VOLATILE_OVERLAY };
enum { CONSOLE_INTERACTIVE = 1, CONSOLE_READ_ONLY, CONSOLE_PASSIVE, CONSOLE_PIPE, CONSOLE_AUTOPIPE };
enum {
	RESOLV_OFF = 1, RESOLV_COPY_HOST, RESOLV_COPY_STATIC, RESOLV_COPY_UPLINK, RESOLV_COPY_STUB,
	RESOLV_REPLACE_HOST, RESOLV_REPLACE_STATIC, RESOLV_REPLACE_UPLINK, RESOLV_REPLACE_STUB,
	RESOLV_BIND_HOST, RESOLV_BIND_STATIC, RESOLV_BIND_UPLINK, RESOLV_BIND_STUB, RESOLV_DELETE, RESOLV_AUTO,
};
enum { ZONE_OFF = 1, ZONE_COPY, ZONE_BIND, ZONE_SYMLINK, ZONE_DELETE, ZONE_AUTO };
enum { JOURNAL_NO = 1, JOURNAL_HOST, JOURNAL_TRY_HOST, JOURNAL_GUEST, JOURNAL_TRY_GUEST, JOURNAL_AUTO };
enum { RESTART_NO = 1, RESTART_ON_FAILURE, RESTART_ALWAYS };
enum { VFS_NO = 1, VFS_YES, VFS_NETWORK };
enum { OWNERSHIP_OFF = 1, OWNERSHIP_CHOWN, OWNERSHIP_MAP, OWNERSHIP_AUTO, OWNERSHIP_TRY_MAP };

/*
 * What was asked for: filled by plan.c from words, constant afterwards. It holds words; one with
 * a grammar is parsed by the room that owns it, once in plan_check and again at use.
 */
struct plan {
	/* how to speak, what to read */
	bool quiet, verbose, no_defaults, cleanup;
	int show, settings;
	bool *claimed;        /* of each option, while reading: it was said */
	const char *show_option;
	/* image */
	char *directory, *image, *template, *machine, *image_root, *partition, *oci_bundle;
	char *pivot_root;
	bool ephemeral, read_only;
	int volat;
	/* mounts */
	char **bind, **bind_ro, **tmpfs, **overlay, **overlay_ro, **inaccessible;
	/* user namespace */
	char *private_users;
	int private_users_ownership;
	/* payload */
	bool boot, as_pid2;
	char *chdir, *user, *kill_signal;
	char **setenv, **cmd;
	int notify_ready;
	/* identity */
	char *hostname, *uuid, *slice;
	bool keep_unit;
	int registered;
	/* network */
	bool private_network, network_veth;
	char **network_veth_extra, **network_interface, **network_macvlan, **network_ipvlan;
	char *network_bridge, *network_zone, *network_namespace_path;
	char *network_veth_name, *network_mac;
	char **network_address, **network_gateway, **network_dns;
	char **port;
	/* rights */
	char **capability, **drop_capability, **ambient_capability;
	char **system_call_filter, **restrict_address_families, **sysctl, *oci_seccomp;
	char *selinux_context, *selinux_apifs_context;
	int no_new_privileges, suppress_sync, nesting;
	bool rescue;
	/* limits */
	char **property, **device;
	char **rlimit, **cpu_affinity, *oom_score_adjust, *personality;
	/* integration */
	int resolv_conf, timezone, link_journal;
	char **set_credential, **load_credential;
	/* terminal */
	int console;
	char **log;
	/* its life */
	char **wait_for, *notify_fd;
	int restart;
	/* what the original takes from its environment */
	int tmpfs_tmp, share_ipc, share_pid, share_uts, cgroup_namespace, unified, lock, check_os_release;
	int api_vfs_writable;
	char *container_service;
};

/* something that machines share while one of them lives: see share.c */
struct shared {
	int fd;               /* -1: we are not in */
	char *name, *path;
	bool first;           /* nobody else was in when we came */
};

/* it asks for no isolation, as config.h may forbid */
static inline bool
rescue(const struct plan *p)
{
	return WITH_RESCUE && p->rescue;
}

/* what became of it: owned by the supervisor, copied into the child; every fd is -1 until open */
struct run {
	/* the tree, once found */
	char *root;           /* canonical, absolute, no slash at its end */
	int tree;             /* its fd, which holds its lock */
	int image;            /* or this one does: the file or device that the tree is in; else -1 */
	int image_mounts;     /* the mount namespace where that is mounted, until the machine is built */
	bool image_read_only; /* it says of itself that it must not be written to */
	struct image *layers; /* it is an overlay clone; else NULL */
	struct preset *preset;  /* what the image says of how it is run, if that counts; else NULL */
	bool read_only;       /* the tree itself must not be written to */
	bool root_fixed;      /* nor what stands in for it */
	int mounts;           /* a small mount namespace to be born in */
	bool mounts_empty;    /* nothing is in it that would have to be pivoted away */
	int offer;            /* such a one that we hold for others */
	int life_before;      /* mount namespace of the life before a reboot, whose changes are kept */
	bool mirrored;        /* the root is one in memory, to be made read-only last if that was asked for */
	bool chrooted;        /* we are: our root is not that of our mount namespace */
	bool bare_root;       /* the host's root is an initramfs: nothing to pivot */
	/* who it is */
	char *name, *hostname, *container;
	uint8_t uuid[16], boot_id[16];
	bool uuid_known;      /* from the tree or from our caller: it will be the same the next time */
	char *host_release;   /* the host's os-release, or NULL */
	char *host_resolv, *host_zone, *host_zone_data, *host_tz;
	size_t host_zone_size;
	bool has_tun;
	bool nested;          /* our own users are not all of the host's: some things can only be had as copies */
	int node[7];          /* those of devices */
	int proc, sys;        /* file systems made before it was too late */
	char *journal_path;   /* the host's journal directory of this machine, to be seen inside */
	struct credential { char *id, *data; size_t size; } *credential;
	size_t ncredential;
	int claim;            /* our file in the run directory, locked */
	char *claim_path;
	size_t claim_size;
	bool hidden;          /* not in lists */
	bool network;         /* it has one of its own */
	bool extensible;      /* others may add control groups to what the register says */
	char **words;         /* the plan as words, without secrets: who comes in later has the same rights */
	char *os, *os_version, *os_pretty;  /* ID, VERSION_ID, PRETTY_NAME of its os-release; NULL */
	int64_t since, since_monotonic;     /* when it began, as struct known has it */
	pid_t supervisor;     /* we, as it says */
	const char *state, *reason;  /* as the register says it: "opening", "running", "closing", "waiting"; why */
	/* who the payload is, once looked up in the tree */
	uid_t uid;
	gid_t gid, groups[64];
	size_t ngroups;
	char *user, *home;
	char *program;        /* the file that the command's words are for; NULL: their first says */
	uint64_t keep;        /* capabilities */
	struct rlimit nproc, sigpending;  /* those of the host's PID 1 */
	/* its user namespace: see userns.c */
	bool userns;          /* it has one */
	uint32_t id_base, id_count;  /* the host's ids that stand for its 0, 1, ...; 0 and all without one */
	int ownership;        /* how the tree's owners become those: OWNERSHIP_OFF, _CHOWN or _MAP */
	bool range_picked;    /* by us: to be told */
	int userns_fd;        /* the namespace, for idmapped mounts */
	bool tree_mapped;     /* and shows them already */
	int tree_mount;       /* a copy of the tree's mount that is one; not attached anywhere */
	int hand[2];          /* from who builds the mounts to init, which waits for them */
	bool network_joined;  /* the builder is in its network */
	int init_pidfd, init_ns;  /* init's, and the directory of its namespaces in the host's /proc */
	int top;              /* the tree's root, once it is one */
	int procfs, run_host; /* the guest's /proc and /run/host, whatever is called that in its tree */
	int init_namespaces;  /* CLONE_NEW*: those that init is born in */
	int namespaces;       /* those of them that a builder joins */
	struct { uint32_t base; int fd; } ids[64];  /* the locks that hold the range, 65536 ids each */
	size_t nids;
	/* what was asked for to be mounted, its sources open: see mount.c */
	struct mount **mount;
	size_t nmounts, nsources;
	int sources[2];       /* they wait in this socket */
	bool works;           /* some overlay has a work directory */
	bool gather;          /* they do not: they must be gathered by who mounts (Linux before 5.2) */
	char **notes;         /* what kill -9 of us would leave behind: "KEY=value" for the sweepers of machine.c */
	size_t nnotes_noted;  /* so many of them stand in the register */
	int gathered;
	/* devices, and the policy that keeps others away: see device.c */
	struct device *device;
	size_t ndevices;
	struct rule *rule;    /* what is let through */
	size_t nrules;
	int device_policy;    /* the program for cgroup2 */
	bool device_free;     /* no policy was asked for */
	bool device_bare;     /* the kernel has none: nodes do not work but in /dev */
	bool device_strict;   /* it was asked for by name, and is not given up */
	bool no_tmpfs;        /* ramfs is in its place */
	int terminal;         /* its number in /dev/pts */
	/* the filter of system calls: see seccomp.c */
	struct filter *filter;
	const struct sock_fprog *profile;  /* one more, of oci_seccomp: see profile.c */
	const struct json *profile_words;
	/* its network: see net.c */
	struct nl host_net;   /* the host's: opened before birth */
	struct nl net;        /* the machine's own, in the supervisor, from net_hand_over on; fd is -1 where nobody needs it */
	int netns, netns_kept;  /* of --network-namespace-path; our own, while we are in that */
	int spare, spare_index;  /* netns is one that was kept ready: who kept it waits for this to close; its link on the host */
	int move_wire;        /* to the mover of links, which stays in the host's namespaces until they have moved: see move.c */
	struct link {
		enum { LINK_VETH, LINK_EXTRA, LINK_MACVLAN, LINK_IPVLAN, LINK_MOVED } kind;
		char *host;           /* the end on the host; of macvlan and ipvlan the parent; the old name of one that moves */
		char *full;           /* its full name, where that was too long; else NULL */
		char *guest;          /* its name inside */
		uint8_t host_mac[6], mac[6];
		bool has_mac;         /* else the kernel's choice */
		int index, guest_index;  /* on the host, and inside; 0 until it is there */
		bool made;            /* by us: it is to be unmade */
		bool taken;           /* its name on the host, by somebody else's */
	} *link;
	size_t nlinks;
	char *bridge;         /* that the first veth is a port of, or NULL */
	int bridge_index;
	struct shared zone;   /* held for life by the machines of a zone; its text begins with "ZONE=vz-NAME" */
	/* what we lend the guest on its first link: see address.c */
	struct lease lease;
	struct link *lent;    /* that link; NULL: nothing is given */
	struct given *given;
	struct shared subnets;
	char *resolver_text;  /* what its resolv.conf says; NULL: as the host's */
	int lend_socket;      /* packet(7), on the host's end of that link: see lend.c */
	/* its ports: see port.c */
	struct port *port;
	size_t nports;
	/* its share: one directory in each hierarchy that it takes. The first is the one that it sees */
	struct share {
		const char *kind;     /* "cgroup2", "name=systemd", or what a v1 hierarchy has: "cpu,cpuacct" */
		int root;             /* AT_FDCWD, or the root of a mount of our own: the host has none */
		char *path;           /* the machine's directory, from there */
		size_t base;          /* as much of it is the mount point */
		int dir, payload;     /* once made; below payload all is the guest's. Without such a directory it is dir again */
	} share[24];
	size_t nshares, nnoted;  /* and so many stand in the register */
	char **controllers;   /* of cgroup2, to be enabled for it */
	int cgroup;           /* the payload's directory in the first */
	bool cgroup_v1;       /* which is name=systemd: nobody can be born in there */
	bool placed;          /* the child was born in it */
	bool cgroup_stays;    /* it could not be removed, or a link is not back: the register stays, too */
	bool cgroup_shown;    /* in the child: it has a view of its own to mount */
	char *slice;          /* path of what it goes below; NULL: where we are ourselves */
	char *aside, *aside_words;  /* where we made way for controllers, and what takes them back */
	/* its life */
	pid_t pid;
	int status;           /* of wait(2), once it has ended */
	int wire[2], notify;
	int stub;             /* the program that PID 1 of -a is */
	bool started, ready, bounded;  /* by start: nobody sits there; START_TASKS is for it */
	int notify_fd;        /* of --notify-fd, until it is ready */
	int halting;          /* how often it was asked to end */
	const char *asked;    /* what it was asked to do: "poweroff" or "reboot" */
	int64_t asked_at, ask_next;  /* when that was; when it is asked again. Of now_ms, as those below */
	int times_asked;
	bool deaf;            /* it handles nothing that it could be asked by, when last looked */
	int64_t began;        /* its payload */
	bool ending;          /* it is to end: a reboot is no new beginning */
	bool again;           /* it was asked to reboot: so it begins again, however it ended */
	bool carry;           /* its claim outlives what is unmade: the next life has it */
	bool reborn;          /* this is such a life */
	bool claimed;         /* machine_claim was called */
	int restarts;         /* so many lives before this one were short, and failed */
	const char *want;     /* "reboot" or "poweroff", by the escape keys */
	/* its terminal */
	int mode, master, slave;
	pid_t guard;          /* sets the terminal right if we are killed */
	int guard_wire;
	int relay[3];         /* the payload's ends of relayed fds */
	bool quiet, console_lost, draining, no_more;  /* no_more: its input, no terminal, has ended: that is typed till it ends */
	bool held;            /* what it says is not read, until those who sit at it from elsewhere have caught up */
	void (*heard)(struct run *r, const char *data, size_t len);  /* the console said this; NULL: nobody else wants it */
	struct lane {
		int from, to;         /* to is -1 when nobody wants it */
		bool keys, close_to, ended;
		size_t start, len;
		char buf[4096];
	} *lane;
	size_t nlane;
	/* what is alive */
	struct undo { void (*fn)(struct run *); } undo[32];
	size_t nundo;
	struct watch { int fd; short events; void (*fn)(struct run *, int fd, short revents); } watch[32];
	size_t nwatch;
	int listen_fds;
};

/* ---- run.c: what is alive --------------------------------------------- */

char *run_path(const char *path);                    /* below NSPAWN_LITE_ROOT, if that is set */
const char *run_state_dir(void);
int run_make_dirs(const char *path, mode_t mode);    /* with those above it; -1 with errno */
int run_open_state(const char *path);                /* a file of the state directory, made with it; -1 with errno */
void undo(struct run *r, void (*fn)(struct run *));  /* who makes a thing says here how it is unmade */
void run_unwind(void);                               /* backwards, once; also by exit */
void run_unwind_last(struct run *r);                 /* only what was said last */
void run_begin(struct run *r);                       /* all fds -1, unwinding at exit */
void watch(struct run *r, int fd, short events, void (*fn)(struct run *, int, short));
void unwatch(struct run *r, int fd, void (*fn)(struct run *, int, short));
void run_signals(void);                              /* blocked but in run_wait; SIGPIPE harmless */
void run_signal_too(int sig);                         /* take this one too */
void run_signals_wait(void);                         /* the same, but SIGINT and SIGUSR2 wait without a handler */
/* these two end us, and nothing is unmade: what we wait for may never come. Off: as after run_signals */
void run_signals_kill(bool on);
void run_signals_look(void);                         /* those that wait and want an end have come now */
void run_signals_open(bool open);                    /* let them interrupt what we do, or not */
void run_signals_as_found(void);                     /* before we exec ourselves */
void run_signals_child(int procfs);                  /* all as a new program expects them */
bool run_signalled(int sig);                         /* did it come since we last asked */
bool run_told_to_end(void);                          /* by a signal, since we last asked; then r->ending is set, too */
int run_wait(struct run *r, int ms);                 /* one round: signals and watched fds; 0: time is up */
/* until a child of ours has ended: its status, of wait(2); -1: we were told to end, and so it was killed. After run_signals */
int run_child(struct run *r, pid_t pid);
/* the wire: notes of the child, until it has exec'd or ended */
void run_listen(struct run *r, void (*got)(struct run *, char kind, int fd, const char *text));

/* ---- share.c: what machines share while one of them lives -------------------- */

#define SHARED_PREFIX ".shared."  /* of files in the state directory */
/*
 * Be in. Until share_open nobody else can come or go; s->first: nobody is in but us, and what it stands for is to be
 * made, or is as a killed machine left it. The process ends: so do its locks. Dies when there can be no file.
 */
void share_join(struct shared *s, const char *name);
/* the same, or close it again if we are in: false with errno; EAGAIN or EACCES is for who does not wait */
bool share_enter(struct shared *s, const char *name, bool wait);
void share_open(struct shared *s);
void share_close(struct shared *s);                    /* again, for a while */
/* numbers from 0 on, ours as long as we live, or shared by all who claim them together; false: others have one */
bool share_claim(struct shared *s, off_t number, off_t count);
bool share_claim_together(struct shared *s, off_t number, off_t count);
char *share_text(const struct shared *s);              /* what the first one wrote: "KEY=value" lines for who sweeps */
char *share_peek(const struct shared *s);              /* the same; NULL with errno */
void share_write(struct shared *s, const char *text);
bool share_put(struct shared *s, const char *text);    /* does not die: false with errno */
bool share_last(struct shared *s);                     /* closes it; true: nobody else is in, unmake what it stands for */
void share_leave(struct shared *s, bool gone);         /* gone: and the file too. Does nothing if we are not in */
void share_sweep(int dir, const char *file, bool (*unmake)(char *text));  /* if nobody is in */

/* ---- move.c: links that belong to the host -------------------------------------- */

void move_check(const struct plan *p);                   /* --network-interface */
void move_look(const struct plan *p, struct run *r);     /* they are there; append them to r->link */
void move_prepare(const struct plan *p, struct run *r);  /* the last to be done in the host's world: who moves them */
void move_into(const struct plan *p, struct run *r);     /* builder: into the machine, under their new names */
void move_begin(const struct plan *p, struct run *r);    /* supervisor, before it is registered: what they are inside */
bool move_sweep(const char *note, int held);             /* "MOVED=..." of a killed machine; true: all are back */

/* ---- net.c: its links -------------------------------------------------------------- */

bool net_private(const struct plan *p);                  /* it has a network of its own */
bool net_rules(const struct plan *p);                    /* and its root may do there what it likes */
void net_check(const struct plan *p);
char *net_name(const char *full);                        /* a link's: of too long a one the beginning, and a hash */
/* what stays the same for a machine on a host, and its nth link of a kind */
enum { MAC_HOST, MAC_GUEST, MAC_EXTRA_HOST, MAC_EXTRA_GUEST, MAC_MACVLAN };
void net_mac(const uint8_t host[16], int which, const char *name, uint64_t index, uint8_t mac[6]);
/* of the host: /etc/machine-id, or one that we derive from what stays the same */
void net_host_id(uint8_t id[16]);
void net_look(const struct plan *p, struct run *r);      /* what they are called; is there what they need; join the zone */
void net_make_zone(const struct plan *p, struct run *r); /* its bridge, if we are first */
void net_enter(struct run *r);                           /* be in a network that is there, for a child to be born in */
void net_return(struct run *r);
void net_make(const struct plan *p, struct run *r);      /* builder, in the machine's network */
void net_guard_port(struct run *r, const struct link *l);  /* on a bridge of the host: it takes no BPDUs from there */
void net_name_whole(struct nl *nl, const struct link *l, int index);  /* an alternative name: the one that was too long */
void net_hand_over(const struct plan *p, struct run *r); /* builder: what it found; r->net, where it is needed */
void net_found(struct run *r, const char *note);         /* supervisor: the same */
void net_begin(const struct plan *p, struct run *r);     /* supervisor: tell of links that go */
bool net_sweep_link(const char *note, int held);         /* "LINK=..." */
bool net_sweep_zone(const char *note, int held);         /* "ZONE=..." */

/* ---- address.c: what they are given ------------------------------------------------- */

#define HOSTS_DIR ".hosts"  /* in the state directory, where no machine is called that: a file of each, as hosts(5) */
void address_check(const struct plan *p);
int address_parse(const char *word, size_t len, uint8_t at[16]);  /* AF_INET or AF_INET6, at filled up with 0; 0: none */
void address_choose(const struct plan *p, struct run *r);  /* r->lease, claimed; nothing is set */
bool address_lends(const struct plan *p);                  /* the host gives addresses of its own on r->lent */
void address_bridge(const struct plan *p, struct run *r);  /* on the bridge of its zone */
void address_host(const struct plan *p, struct run *r);    /* builder: on the host's end; routes; inside, too */
const uint8_t *address_of_host(const struct run *r, int family);  /* of its end of r->lent; NULL: it has none of ours */
const uint8_t *address_of_relay(const struct run *r, int family);  /* where names are asked; the same if there is no room */
void address_begin(const struct plan *p, struct run *r);   /* supervisor: the hosts file */
bool address_sweep_hosts(const char *note, int held);      /* "HOSTS=..." */

/* ---- forward.c: the way on from it --------------------------------------------------- */

void forward_open(const struct plan *p, struct run *r);    /* sysctls of the links concerned; r->lease.mtu */
void forward_link(const struct plan *p, struct run *r);    /* builder: of the host's end of r->lent */
void forward_begin(const struct plan *p, struct run *r);   /* supervisor: follow the host's links */
bool forward_sweep(const char *note, int held);            /* "FORWARD=..." */

/* ---- dns.c: a relay for names, to servers that only the host reaches ------------------------ */

/* of names */
struct server {
	int family;
	uint8_t address[16];
	unsigned int scope;    /* of a link-local one: its interface */
};
bool dns_is_link_local(const struct server *s);
bool dns_is_far(const struct server *s);                   /* a guest reaches it, too */
void dns_ask(const struct server *servers, size_t n);      /* these, in turn; n > 0, and they stay there */
/*
 * Answer who asks there and is in r->lease's network; follow is called now and then, and may call dns_ask. 0 again if it
 * does so already; -1: it cannot, for the most part since a resolver of the host listens everywhere
 */
int dns_open(struct run *r, const struct server *at, void (*follow)(struct run *));
void dns_begin(const struct plan *p, struct run *r);       /* the link is there: by no other */

/* ---- resolver.c: names for guests -------------------------------------------------------- */

void resolver_look(const struct plan *p, struct run *r);   /* whom they ask: r->lease.dns, r->resolver_text */
void resolver_follow(struct run *r);                       /* before an answer: r->lease as the host's resolv.conf is now */

/* ---- lend.c: for guests that ask by DHCP and router solicitations --------------------------- */

void lend_open(const struct plan *p, struct run *r);       /* r->lend_socket */
void lend_bind(const struct plan *p, struct run *r);       /* builder: the link is there */
void lend_begin(const struct plan *p, struct run *r);      /* supervisor: answer */

/* ---- relay.c: ports of the host, served by ourselves ------------------------------------------ */

/* an address of the guest, and whether to connect from inside its network */
struct relay_aim { uint8_t family, address[16]; bool inside; };
int relay_listen(int proto, int family, const void *address, uint16_t port);  /* AF_UNSPEC: on all; -1 with errno */
void relay_port(int fd, int proto, uint16_t port);         /* what comes to it goes to this port of the guest */
void relay_inside(int ours, int theirs);                   /* network namespaces: ours, and the machine's */
int relay_socket_inside(int family, int type, int protocol);  /* -1 with errno */
void relay_aim(const struct relay_aim *aim, size_t n);     /* one of each family at most */
void relay_begin(struct run *r);
void relay_end(struct run *r);

/* ---- port.c: ports of the host that lead to the machine -------------------------------------- */

void port_check(const struct plan *p);
void port_look(const struct plan *p, struct run *r);       /* nobody else has them; r->port */
void port_open(const struct plan *p, struct run *r);       /* masquerade and rules */
void port_begin(const struct plan *p, struct run *r);      /* supervisor: relays; follow the guest's address */
bool port_sweep_rules(const char *note, int held);         /* "IPTABLES=..." of what machines of a link share */
bool port_sweep(const char *note, int held);               /* "TABLE=..." of kernels without owners of tables */

/* ---- verb.c: options of verbs ---------------------------------------------- */

extern const char *verb_called;  /* for messages like getopt's */
_Noreturn void verb_misuse(const char *text);  /* getopt's sentences, as the original prints them: the name comes first */
enum { VERIFY_NO = 1, VERIFY_CHECKSUM, VERIFY_SIGNATURE };
enum { OUT_TABLE, OUT_JSON, OUT_JSON_PRETTY };
/* what was asked of a verb: its words, and options that may stand anywhere among them */
struct ask {
	const char *verb;
	char **words;         /* NULL-ended */
	bool help, version, all, full, no_legend, value, quiet, force, read_only, mkdir, now, copy, replace, no_sync;
	bool foreground, no_block, follow, tty, no_download;
	bool json;
	int json_mode;        /* off, short, pretty */
	int show;             /* SHOW_... */
	char **property, **setenv;
	char *only;           /* -P: one property, its value */
	char *output, *format, *image_root, *uid, *signal, *kill_whom, *index_url, *level, *lines, *max_addresses, *platform, *class, *progress, *chdir, *timeout, *notify_fd;
	char *settings;
	int runner;
	int verify, keep_download;  /* YES, NO; 0: not said */
};
/* rows begin with a name; ", NAME is one" of that which is at most two letters from what was typed, or "" */
const char *verb_near(const char *dashes, const char *typed, const void *rows, size_t n, size_t size);
void verb_help_row(const char *left, const char *help);
/* dies as getopt does; front: options end at the first word that is none */
void ask_parse(struct ask *a, char **words, bool front);
int ask_output(const struct ask *a);                     /* OUT_... */
void ask_help(void);
void ask_completion(void);
void ask_manual(void);

/* ---- table.c: lists, for people and for programs -------------------------------- */

struct column { const char *head, *key; bool right; };
struct cell {
	const char *text;     /* what people read, may have several lines; NULL: nothing */
	const char *json;     /* what programs read: a number, true, null, ...; NULL: text as a string, or null */
};
/* cells row by row, already sorted; "N nouns listed." below */
void table_print(const struct ask *a, const struct column *c, size_t columns, const struct cell *cells, size_t rows, const char *nouns);
char *table_json(const char *text);                      /* as a JSON string */
size_t table_width(const struct ask *a);                 /* of the terminal that lines are to be cut for; 0: they stay whole */
char *table_cut(const char *text, size_t columns);       /* "beginn…"; 0: all of it */
char *table_plain(const char *text, size_t len);         /* what nobody vouches for, in one line: others than text as \xNN */
/*
 * NAME=VALUE lines of one thing, as -p, --value and --all say, or a JSON object: json is what programs read, if that is not
 * the value as a string. All objects have the same names. NULL and "" only with -a, -p or in JSON
 */
void table_object(const struct ask *a);
void table_property(const struct ask *a, const char *name, const char *value, const char *json);
void table_objects_end(const struct ask *a, const char *nouns);
char *table_size(uint64_t bytes);                        /* "1.4M" */
char *table_time(int64_t us);                            /* of 1970: "Sun 2026-11-22 04:14:53 UTC"; "-" for 0 */
char *table_ago(int64_t us);                             /* "29min ago", "2 weeks 1 day ago" */

/* ---- check.c: what the kernel and the host have of what machines take ------------- */

int check_check(struct ask *a);
void check_manual(void);

/* ---- store.c: images at rest ------------------------------------------------------ */

/* a raw image may hold anything; the others are told by their names' ends: .squashfs, .erofs; .overlay is a directory */
enum { IMAGE_DIRECTORY, IMAGE_SUBVOLUME, IMAGE_OVERLAY, IMAGE_RAW, IMAGE_SQUASHFS, IMAGE_EROFS, IMAGE_BLOCK, IMAGE_KINDS };
extern const char *const image_kinds[IMAGE_KINDS];       /* "directory", ... */
struct image {
	char *name, *path;
	int kind;
	bool read_only, vendor;   /* vendor: below /usr */
	bool whole;               /* its partitions are to be the kernel's, with nodes in /dev */
	int fd;                   /* of the directory, file or device; -1: not open. It holds the lock */
	int64_t created, modified;  /* microseconds since 1970; 0: unknown */
	uint64_t usage, limit, exclusive, exclusive_limit;  /* bytes; UINT64_MAX: unknown, none */
	struct image *base;   /* of an overlay clone, while image.c has it open: what it lies on */
	char **layers;        /* or these: see store_layers */
};
char *store_derive_name(const char *path);  /* a machine's name from a path; NULL if none is left */
const char *store_reason(void);                         /* of errno, in the originals' words */
const char *store_dir(const char *root);                 /* root, if any, is of --image-root */
bool store_find(const char *root, const char *name, struct image *i);  /* in config.h's path, not opened; false: not there */
_Noreturn void store_taken(const char *name);            /* says so */
const char *store_called(const char *root, const char *name);  /* "; it is called 'x'", for who says x.raw; or "" */
bool store_at(const char *path, struct image *i);        /* what is at a path; false: no image, with errno */
struct image *store_list(const char *root, bool hidden, size_t *n);  /* sorted by name */
/* open and lock it: alone, or with others. Dies, "Directory tree %s is currently busy."; wait: no */
void store_lock(struct image *i, bool alone);
int store_try_lock(struct image *i, bool alone);         /* -1 with errno; EBUSY: somebody else has it */
char **store_clones(const struct image *i);              /* overlay clones that need it as it is, by name, or path; NULL: none */
char *store_needed(const struct image *i);               /* the same as a sentence */
const char *store_marks(void);                           /* the directory of those that start --all starts */
int store_mark(const char *name, const char *path);      /* path NULL: no longer. 1: something changed, 0; -1 with errno */
char *store_base(const struct image *i);                 /* path of what an IMAGE_OVERLAY lies on; NULL: it does not say */
#define LAYERS_DIR ".#layers"  /* in a store: see layers.c */
enum { LAYERS_MOST = 128, LAYER_NAME = 72 };
char **store_layers(const struct image *i);              /* paths of the layers that it lies on, the top first; NULL: it does not */
/* beside an image, and gone with it: its configuration, of OCI; the layers that a subvolume was made of */
#define STORE_CONFIG ".oci-config"
#define STORE_LAYERS ".oci-layers"
void store_turn(int dir);                                /* the lock of a store, for a step: names come and go one at a time */
int store_erase(int dir, const char *name, char **where);  /* whatever it is. -1 with errno, and *where as of remove_tree */

/* something that is made beside its place, and is there all at once or not at all */
struct making {
	char *name, *path, *temporary;
	int kind, dir;        /* dir: the store. kind and path may change until it is committed */
	int fd;               /* the new directory, or file, open for writing; its lock says that somebody is at it */
	char *store;
	bool synced;          /* it is on the disk */
	struct image from;    /* what it is a clone of; its name is NULL: of nothing */
	char **with;          /* of store_beside */
};
/*
 * Dies if there is one already and force is not said; kind IMAGE_DIRECTORY becomes a subvolume where that can be, and
 * IMAGE_OVERLAY a directory with upper and work
 */
void store_make(struct making *m, const char *root, const char *name, int kind, bool force);
enum { STORE_NEW, STORE_FORCE, STORE_REPLACE };          /* what was there: is none; goes; is kept as NAME.old */
/* a file that comes with it, NAME and suffix: in place of the one that is there. Dies */
void store_beside(struct making *m, const char *suffix, const char *data, size_t len);
void store_commit(struct making *m, int how, bool read_only, bool sync);
void store_abandon(struct making *m);                    /* also at exit */
void store_check_pool(const char *root);                 /* say if there is one that is not mounted */
void store_sweep(const char *root, bool layers);         /* what was left half-made; layers: whole ones, too, that no image needs */
/* snapshot, reflink, overlay, copy: what goes first; all but an overlay; a copy that shares nothing */
enum { STORE_ANY, STORE_COPY, STORE_NO_OVERLAY };
/*
 * m was just made, of any kind, and becomes of the one that the way needs. from->fd may be open already: a tree to be
 * copied, or an image that is locked
 */
void store_clone(const struct image *from, struct making *m, int how);
bool store_remove(struct image *i, bool quiet);
void store_rename(struct image *i, const char *name);    /* the same; in its directory. Dies */
int store_set_read_only(const struct image *i, bool on); /* which is open; -1 with errno */

/* ---- images.c: verbs for them ------------------------------------------------------- */

int images_list(struct ask *a), images_status(struct ask *a), images_show(struct ask *a);
int images_clone(struct ask *a), images_rename(struct ask *a), images_remove(struct ask *a), images_clean(struct ask *a);
int images_read_only(struct ask *a), images_set_limit(struct ask *a), images_pool(struct ask *a);

/* ---- transfer.c: import and export ----------------------------------------------------- */

/* one that runs, for list-transfers and cancel-transfer, and its progress for a person; static, for it is needed at exit */
struct transfer {
	const char *verb;     /* "Imported", "Exported", "Got": set these before transfer_begin */
	const char *of;       /* " of URL", or NULL: lines of progress tell the rate, too */
	uint64_t total, first;  /* bytes; 0: unknown; those that were there before. Both may be set later */
	void (*check)(struct making *m);  /* all is unpacked, and not yet committed: it may die */
	/* its own */
	struct source *from;
	int fd, id, shows;
	bool quiet, shown;    /* a line stands on the terminal that is written again */
	char *path;
	int64_t begun, told;  /* ms */
};
/*
 * It is on the list from now on, and signals only set halted. "Enqueued transfer job N." for all but exports. A host
 * without a writable state directory has no list
 */
void transfer_begin(struct transfer *t, const struct ask *a, const char *type, const char *local, const char *remote);
void transfer_progress(struct transfer *t, uint64_t done);  /* as often as one likes */
struct source transfer_watch(struct transfer *t, struct source *from);  /* from, which must stay, and tells t how far it is */
void transfer_say(struct transfer *t, const char *fmt, ...) PRINTF(2);  /* a line on stderr, as -q does not want it */
void transfer_end(struct transfer *t);  /* "Operation completed successfully.", "Exiting."; it is off the list */
/* die of why, or of the signal that came: "NAME: WHY" */
_Noreturn void transfer_fail(const char *name, const char *why);
/*
 * Unpack a stream as an image, all of it, and commit it; name is for messages. What a raw one holds may change m's kind
 * and path: IMAGE_SQUASHFS and IMAGE_EROFS are told by their first bytes; qcow2 is unpacked
 */
void transfer_unpack_tar(const struct ask *a, struct stream *s, struct making *m, const char *name);
void transfer_unpack_raw(const struct ask *a, struct stream *s, struct making *m, const char *name);
char *transfer_base_name(const char *remote, bool raw);   /* of a URL or a path, without its ends */
void transfer_check_name(const char *name);                  /* dies */
const char *transfer_name(const struct ask *a, const char *remote, bool raw);  /* the second word, or of remote; NULL: stdin */
char *transfer_local_name(const char *remote, bool raw);  /* from a URL or a path; dies if it gives no valid one */
int transfer_import_tar(struct ask *a), transfer_import_raw(struct ask *a), transfer_import_fs(struct ask *a);
int transfer_export_tar(struct ask *a), transfer_export_raw(struct ask *a);
int transfer_list(struct ask *a), transfer_cancel(struct ask *a);

/* ---- pull.c ------------------------------------------------------------------------------ */

int pull_tar(struct ask *a), pull_raw(struct ask *a);

/* ---- preset.c: what an image says of how it is run ----------------------------------------------- */

/* each is NULL where nothing is said */
struct preset { char **entrypoint, **cmd, **env, **ports; const char *user, *chdir, *signal; };
bool preset_has(const struct image *i);
bool preset_is(const struct image *i, const char *digest);  /* its configuration has this one */
bool preset_read(const struct image *i, struct preset *s, const char **why);  /* false: there is none, or it cannot be read: *why, or NULL */
char **preset_command(const struct preset *s, char **words);  /* words take the place of Cmd; NULL: nothing to run */

/* ---- layers.c: layers of images, unpacked once, by the digests of all up to there ---------------- */

/* an image that is being made of layers, from the lowest on */
struct layers {
	struct making m;
	int dir;              /* LAYERS_DIR */
	bool sync;
	size_t n;
	char name[LAYERS_MOST][LAYER_NAME];
	char chain[LAYER_NAME], below[LAYER_NAME];  /* the spec's chain ID of the last, and of the one before */
	/* the one that is being unpacked */
	char *half;
	int lock, tree, mounts, last;
};
/* snapshots of btrfs; else an overlay; else, or when it is to share nothing, one tree. Dies, as all of these */
void layers_begin(struct layers *l, const struct ask *a, const char *name);
/* the next: an fd to unpack to, by UNPACK_WHITEOUTS, and then layers_done; -1: it is there already */
int layers_next(struct layers *l, const char *diff_id);
void layers_done(struct layers *l);
bool layers_again(struct layers *l);                     /* or what was unpacked is wrong, and goes. false: there is but one tree */
void layers_finish(struct layers *l, const struct ask *a, const char *config, size_t len);  /* the image is there */
int layers_spool(struct layers *l, const char *root);    /* an empty directory beside them, for who ends before us. It goes with us */

/* ---- oci.c: images as the OCI image-spec has them, and docker save ------------------------------ */

enum { OCI_DIGEST = 72, OCI_TEXT_MOST = 4 << 20 };  /* "sha256:" and 64 hex digits; bytes of a manifest, index or config */
struct oci_blob { char digest[OCI_DIGEST], type[100]; uint64_t size; };  /* type: its media type, cut; size UINT64_MAX: not said */
/* where blobs come from: a directory, an archive, a registry */
struct oci_from {
	const char *name;        /* for messages: "redis.tar", "registry.lan/redis:7" */
	/* a stream of one, packed as it is. Who reads sums it and is to see that digest and size are right. -1: why */
	int (*open)(struct oci_from *f, const struct oci_blob *b, struct source *s);
	void (*close)(struct oci_from *f, struct source *s);
	/* what came was wrong, because: from now on another is asked; false: there is none. May be NULL */
	bool (*next)(struct oci_from *f, const char *why);
	const char *why;         /* a sentence without the name */
	void *own;
};
/*
 * A manifest or an index, which says of itself what it is, or of type, becomes the image that m was made for, and is
 * committed with its configuration beside it. text is changed. false: it was there. Dies
 */
bool oci_take(const struct ask *a, struct transfer *t, struct oci_from *f, const char *type, char *text, size_t len, const char *local);
bool oci_is_digest(const char *digest);  /* "sha256:" and 64 digits; NULL is none */
int oci_import(struct ask *a);

/* ---- registry.c: pulls, as the OCI distribution-spec has them -------------------------------------- */

int registry_pull(struct ask *a);

/* ---- image.c: which tree ---------------------------------------------- */

/* the tree in an image, whatever kind it is, mounted where nobody sees it: an fd of its root. Dies */
int image_open_tree(const struct image *i, bool write);
char *image_search(const struct plan *p, const char *name);  /* in config.h's path; NULL if not there */
void image_map(const struct plan *p, struct run *r);         /* an overlay clone's owners, once its users are chosen */
void image_take(const struct plan *p, struct run *r);        /* open, lock, name */
/* the same of layers below a new one, to be written: mounted until the fd of the namespace is closed, too. Dies */
int image_open_layer(const struct image *i, int *mounts);
void image_look(const struct plan *p, struct run *r);        /* ids, os-release: what the tree says */

/* ---- seal.c: our own program, as guests get to see it ---------------------- */

void seal_begin(const char *called);  /* main does it first thing, and says argv[0] */
/* execute us anew, so that no guest can; again: seal_again may follow. Back if we were, or if that cannot be */
void seal_enter(char **argv, bool again);
bool seal_holds(void);             /* the kernel will not execute us by way of our /proc/PID/exe */
void seal_settle(void);            /* that is for ever now. It takes its time: to be done while others are at work */
void seal_again(char **argv);      /* execute us once more. Back with errno */
int seal_file(void);               /* what that is done by; or -1 */
bool seal_has(int fd);             /* is it one of ours? */
void seal_enter_copy(char **argv);  /* execute a sealed copy, or do nothing: we are that. Dies */
int seal_copy(void);               /* our program, sealed, as an fd; -1 with errno: the kernel has none (3.17), or it may not be executed */
int seal_hidden_copy(void);        /* the same in a file system that only we see, and which goes with us: we get mounts of our own */

/* ---- mntns.c: small mount namespaces to be born in ------------------------ */

void mntns_find(const struct plan *p, struct run *r);
void mntns_learn(void);            /* after a birth: what the next one can use */
/*
 * To the root of our mount namespace: a chroot could be pivoted, or moved to, but who enters the namespace anew would
 * stand outside of it. What stands before the host's paths from there on
 */
const char *mntns_top(void);
void mntns_offer(struct run *r);   /* in a quiet moment: the same, for those beside us */
bool mntns_enter(struct run *r);   /* in the child; false: it has a copy of the host's */
/* a namespace of whatever kind at that path of /proc, if it is still the one we mean; nothing else is opened */
int mntns_open_if(const char *path, unsigned long long ino);

/* ---- spare.c: network namespaces kept ready ------------------------------ */

void spare_find(const struct plan *p, struct run *r);    /* r->netns, and what its first link is, if one fits */
void spare_enter(const struct plan *p, struct run *r);   /* builder: the link's inner end becomes the machine's */
void spare_settle(const struct plan *p, struct run *r);  /* supervisor: and the host's */
void spare_offer(const struct plan *p, struct run *r);   /* in a quiet moment: make some for the next */

/* ---- place.c: places in a tree, and what is mounted there ------------------- */

/*
 * Open path of the tree, or make it: a directory (S_IFDIR), or an empty file in one (S_IFREG). No link leads
 * out. -1 with errno; on EROFS *where, if not NULL, is the directory where it cannot be made, or -1.
 */
int place_make(int tree, const char *path, mode_t type, int *where);
char **place_mounts(const char *mountinfo);  /* all mount points, deepest last, NULL-ended; NULL without /proc */
unsigned long place_flags(const char *path);                 /* MS_*: how it is mounted, but not whether read-only */
const char *place_type(int fd);                              /* of the file system: its name, or its number in words */
int place_read_only(const char *path, unsigned long flags);  /* and what else flags say; -1 with errno */
void place_tree_read_only(const char *path);                 /* with all that is mounted in it */
void place_all_read_only(const char *mountinfo, const char *path);  /* the same, on Linux before 5.12 */
/* show one entry of a directory, or all, in another that can be written to; fds is what /proc/self/fd/ is called */
void place_mirror(const char *fds, int from, int to, const char *name);
void place_mirror_all(const char *fds, int from, int to);

/* ---- mount.c: what was asked for to be mounted ------------------------------ */

void mount_check(const struct plan *p);
void mount_look(const struct plan *p, struct run *r);    /* open sources, while the host is there */
void mount_make(const struct plan *p, struct run *r);    /* all of them; "/" is the tree */
void mount_forget(struct run *r);                        /* the supervisor has no part in them any more */
bool mount_on(const struct run *r, const char *path);    /* something was asked for exactly there */
bool mount_flag(const char *word, unsigned long *set, unsigned long *clear);  /* MS_* that a word of mount(8) sets and clears */
const char *mount_flag_name(int n);                      /* such a word; NULL: there are no more */
/* for root_enter, in this order; "." is the tree from the second on, and stage is where it is mounted */
const char *mount_gather(struct run *r, const char *host, const char *stage);  /* where the tree goes: stage, or a directory there */
void mount_root(struct run *r, const char *stage);           /* mounts on the root itself; "." is it, then */
bool mount_lacks(const struct run *r, int tree);             /* it has no entry of the root that is mounted on */
void mount_hide(struct run *r);                              /* what was gathered waits without an fd */

/* ---- root.c: what the machine sees as / -------------------------------- */

void root_look(const struct plan *p, struct run *r);     /* what is needed of the host, before */
void root_check(const struct plan *p);
void root_enter(const struct plan *p, struct run *r);    /* private mounts, tree, pivot: "/" is the tree */
void root_volatile(const struct plan *p, struct run *r);
void root_proc(const struct plan *p, struct run *r);
void root_sys(const struct plan *p, struct run *r);
void root_dev(const struct plan *p, struct run *r);
void root_run(const struct plan *p, struct run *r);
void root_preset(const struct plan *p, struct run *r);
void root_masks(const struct plan *p, struct run *r);
void root_credentials(const struct plan *p, struct run *r);
void root_files(const struct plan *p, struct run *r);    /* resolv.conf, localtime, journal */
void root_lock(const struct plan *p, struct run *r);     /* where the host's root could not be pivoted away */
/* of each /dev; behind them one more, that not all have: net/tun, console */
enum { ROOT_NODES = 6, ROOT_LINKS = 6 };
extern const struct root_node { const char *name; unsigned int major, minor; } root_nodes[ROOT_NODES + 1];
extern const struct root_link { const char *name, *target; } root_links[ROOT_LINKS + 1];
void root_move(const char *stage);                       /* there: all other mounts go, and "." at stage becomes / */
void root_lock_mounts(void);                             /* and later, in a proc that shows us: nobody inside unmounts that again */

/* ---- userns.c: which ids of the host stand for those inside ----------------- */

void userns_check(const struct plan *p);
void userns_choose(const struct plan *p, struct run *r); /* the range, claimed */
void userns_map(const struct plan *p, struct run *r);    /* once init waits: its maps, and the tree's owners */
void userns_let_go(struct run *r);                       /* the supervisor needs no more of it */
void userns_join(const struct plan *p, struct run *r);   /* builder: into init's namespaces */
void userns_join_network(const struct plan *p, struct run *r);  /* which init makes meanwhile */
void userns_hand_over(const struct plan *p, struct run *r);
void userns_receive(const struct plan *p, struct run *r); /* init: wait for the mounts, enter them */

/* ---- device.c: devices, and a policy for all others -------------------------- */

void device_check(const struct plan *p);
void device_look(const struct plan *p, struct run *r);   /* what they are on the host; compose the policy */
/* one that the guest gets in another way: type as of mknod(2); -1 is any minor; access of "rwm" */
void device_allow(struct run *r, mode_t type, int major, int minor, const char *access);
void device_enforce(const struct plan *p, struct run *r); /* on its control group, before anyone is in it */
void device_lock(const struct plan *p, struct run *r);   /* or else: no node of the tree can be used */
bool device_shut(const struct run *r, const char *path); /* nor any of this mount; false: but those mounted in it may (5.12) */
void device_make(const struct plan *p, struct run *r);   /* nodes in the guest's /dev */
size_t device_fds(const struct run *r, int *fds);        /* what device_make needs, at most ndevices */
/* linux.resources.devices of the runtime-spec, and what it allows to all: on the one of these that can. Dies if none can */
void device_set(const struct share *share, size_t n, const struct json *devices);

/* ---- limit.c: --property and set-property: one name, two kinds of cgroup ------ */

void limit_check(const struct plan *p);
void limit_look(const struct plan *p, struct run *r);    /* which hierarchies they take */
void limit_set(const struct plan *p, struct run *r);     /* on the machine's directories; dies where one cannot hold */
char *limit_text(const char *word, bool v1);             /* what a word puts into which files: "FILE VALUE" in lines */
const char *limit_reason(const char *v2, const char *v1); /* why there is no such controller; v1 NULL: it must be cgroup2's */

/* ---- seccomp.c: what it may call ----------------------------------------------- */

void seccomp_check(const struct plan *p);
void seccomp_list(const char *option);                    /* the words an option takes, one a line */
void seccomp_prepare(const struct plan *p, struct run *r); /* the program, for every ABI of the kernel */
void seccomp_load(const struct plan *p, struct run *r);    /* the last: it may refuse what we need ourselves */
/* calls that some ABIs of 32 bits have behind another, too, in the order of their numbers there, from 1 on */
struct multiplexer { const char *by, *calls; };
/* from now on nothing but to call fsopen, send what it gives, make a process, and end. -1: the kernel cannot */
int seccomp_fsopen(void);
extern const struct multiplexer seccomp_gates[2];
size_t seccomp_calls(const char **names);                 /* all that are known, sorted; how many. 0: of this machine none */
int seccomp_abi(const char *scmp);                        /* by libseccomp's name behind SCMP_ARCH_; -1; 0 is ours */
/* a program is made from its end to its beginning: all jumps lead forward. What these make begins where they say */
enum { FILTER_MOST = 4096 };                              /* BPF_MAXINSNS */
struct sock_filter;
struct program {
	struct sock_filter *code;
	size_t at, *block;                                /* where it begins so far; where what is done for each action was made */
	size_t (*make)(struct program *g, unsigned int action);
	int arch;                                         /* that is at work: AUDIT_ARCH_* */
	const char *option;                               /* whose fault it is when it is too large */
};
/* what[call] is an action; of calls nobody has named, those too that are newer than all that have been, of ABIs not in abis, and -1 */
struct choice { const uint16_t *what; unsigned int others, beyond, foreign, skip; uint32_t abis; };
void seccomp_compose(struct program *g, const struct choice *c, size_t actions);
size_t seccomp_put(struct program *g, unsigned int code, uint32_t k, size_t yes, size_t no);
size_t seccomp_give(struct program *g, uint32_t value);
size_t seccomp_arg(struct program *g, unsigned int n, bool high);  /* half of an argument */
size_t seccomp_branch(struct program *g, unsigned int op, uint32_t k, size_t yes, size_t no);

/* ---- user.c: who the payload is and what it may do ---------------------- */

void user_check(const struct plan *p);
char *user_caps_but(const char *list);                    /* numbers of all capabilities that are not in it: "0,3,..." */
const char *user_sibling(void);                          /* the 32-bit architecture that runs here, as --personality= has it */
void user_list(const char *option);                      /* the words an option takes, one a line */
int user_signal(const char *word);                       /* number of a signal, or 0 */
const char *user_capability_name(int n);                      /* "CHOWN"; NULL: we know of no more */
const char *user_signal_name(int sig);                   /* "KILL" */
void user_host(const struct plan *p, struct run *r);     /* what there is to give */
void user_look(const struct plan *p, struct run *r);     /* passwd and group of the tree */
char *user_shell(const struct run *r);                    /* of r->user, once looked up: in passwd, or /bin/sh */
void user_give(const struct plan *p, struct run *r);     /* what only the host can give, to a waiting init */
void user_settle(const struct plan *p, struct run *r);   /* host name, keyring, scores, affinity */
void user_become(const struct plan *p, struct run *r);   /* ids, capabilities, limits: the last */
/* loader: until exec, which gives no more than the bounding set, and to users only the ambient one */
struct rights {
	uid_t uid;
	gid_t gid, *groups;
	size_t ngroups;
	uint64_t bounding, effective, permitted, inheritable, ambient, loader;
	bool no_new_privileges, groups_matter, keep_groups;
};
void user_take(const struct rights *w);                  /* become that. Dies */
int user_capability(const char *name);                   /* number of "CAP_KILL", or -1 */
int user_limit(const char *name);                        /* "RLIMIT_NOFILE", or -1 */

/* ---- cgroup.c: its share ------------------------------------------------ */

void cgroup_check(const struct plan *p);
void cgroup_choose(const struct plan *p, struct run *r); /* where it will be; nothing is made yet */
/* the share that has a controller, by its names on cgroup2 and v1 (NULL: it is none of that); NULL with errno */
struct share *cgroup_share(struct run *r, const char *v2, const char *v1);
bool cgroup_is_v2(const struct share *s);
bool cgroup_has(const struct share *s, const char *v1);  /* it is of the hierarchy with this controller */
void cgroup_fence(const struct plan *p, struct run *r);  /* a share everywhere, where root inside owns what it sees */
void cgroup_make(const struct plan *p, struct run *r);
bool cgroup_fill(struct share *s);                       /* make the payload's directory; where devices are, not done yet */
void cgroup_enter(const struct plan *p, struct run *r);  /* in the child: be in it, and see only that */
void cgroup_give(const struct plan *p, struct run *r);   /* builder: to root inside, to divide it */
void cgroup_mount(const struct plan *p, struct run *r);
/* of a running machine, whose shares are known and whose leader is r->pid: make those that are new, and move it in */
void cgroup_extend(struct run *r);
struct share *cgroup_freezer(struct run *r);             /* what freezes it; NULL with errno */
bool cgroup_freeze(struct share *s, bool on);            /* and wait until it is so; false with errno */
/* as the register has it: "KIND:/PATH", or "KIND::PATH" where the host has no mount */
char *cgroup_place(const struct share *s);
bool cgroup_find(const char *place, struct share *s);    /* the other way, and open it; false with errno */
void cgroup_let_go(struct share *s);                     /* close it */
void cgroup_thaw(const struct share *s);                 /* if it is frozen */
/*
 * All processes of one that runs, and no other; with SIGKILL those too that come meanwhile. r has its leader, with a pidfd
 * (or -1), and a share. -1 with ESRCH, or ENOENT: there is nothing to tell them by
 */
int cgroup_signal(const struct run *r, int sig);
void cgroup_end(const struct run *r);                    /* kill all of its processes, those too that it froze itself */
/* the kernel has killed processes of it for want of memory: "MemoryMax=64M", or in words that it was the host's; NULL */
const char *cgroup_starved(const struct run *r);
bool cgroup_remove(const char *place);                   /* the machine's directory, with what is below */
/* all hierarchies that the host has mounted: path is where; own is where we are, from there on. How many */
size_t cgroup_mounted(struct share *share, const char **own, size_t room);
int cgroup_make_dirs(const struct share *s);             /* path, and those above it; -1 with errno, EEXIST: it is there */
bool cgroup_take_away(const struct share *s);            /* path, and all below it; who is in it is killed */
char *cgroup_slice_path(const char *slice);              /* of a-b.slice: "/a.slice/a-b.slice" */

/* ---- console.c: its terminal -------------------------------------------- */

void console_open(const struct plan *p, struct run *r);  /* choose the mode, make relays */
void console_make(const struct plan *p, struct run *r);  /* child: a pty of the guest's devpts, to us */
void console_take(const struct plan *p, struct run *r);  /* child: it is 0, 1 and 2 now */
/* a pty of the devpts at /dev/pts below root, which must be one; its number. size may be NULL. Dies */
struct winsize;
unsigned int console_pty(int root, const struct winsize *size, int *master, int *slave);
void console_begin(struct run *r);                       /* raw mode, forwarding */
void console_resize(struct run *r);                      /* after SIGWINCH */
void console_again(struct run *r);                       /* some time after console_lost or no_more */
void console_hold(struct run *r, bool on);               /* do not read what it says, or again */
void console_drain(struct run *r);                       /* the last words */
void console_drain_some(struct run *r, int rounds);      /* where others may go on for ever */
void console_raw(struct run *r);                         /* the terminal on 0; until run_unwind, and if we are killed */
void console_restore(struct run *r);
int console_unblocked(int fd);                           /* where a write does not wait; fd itself, if it is no terminal */

/* ---- stub.c: PID 1 of -a ------------------------------------------------- */

int stub_write(int fd);  /* it, as a program: its words are its name, PID of its child, seconds that others have to end. -1 with errno */

/* ---- payload.c: what runs as PID 1 -------------------------------------- */

char *payload_release_value(const char *text, const char *key);  /* of os-release(5), or NULL */
void payload_prepare(const struct plan *p, struct run *r);
void payload_exec(const struct plan *p, struct run *r) __attribute__((noreturn));
char *payload_foreign(const char *note);                 /* the sentence for NOTE_FOREIGN */
void payload_know_ourselves(int procfs);                 /* what our program is, while the host's /proc is at hand */
void payload_program(const char *path, char **argv, char **env);  /* execute it, unless that is it; back with errno */

/* ---- halt.c: how each init is asked to end ------------------------------- */

bool halt_ask(const struct plan *p, struct run *r, const char *what);  /* "poweroff", "reboot" */

/* ---- machine.c: the registry -------------------------------------------- */

/* of siphash24, over all of a register before its line SUM= */
#define REGISTER_KEY { 'n', 's', 'p', 'a', 'w', 'n', '-', 'l', 'i', 't', 'e', 0, 0, 0, 0, 1 }
#define REGISTER_SPOILED '#'  /* instead of its first letter: of one that was killed, and is being swept */
#define IDS_PREFIX ".ids."  /* files beside the machines' that hold a range of ids */
void machine_claim(const struct plan *p, struct run *r);     /* one name runs once */
/* a file, made if it is not there, held by its lock, and its size; -1 with EWOULDBLOCK: others hold it */
int machine_lock(const char *path, off_t *size);
void machine_register(const struct plan *p, struct run *r);
/* state is NULL: as it is. In "closing" nothing stands there that it needed to live */
void machine_tell(struct run *r, const char *state, const char *reason);
/* the claim of the life before, handed over exec; false: it is none */
bool machine_carried(struct run *r, const char *name, int fd);
void machine_carry(struct run *r, const char *state, const char *reason);  /* all but it is unmade: hold it, for the next */
void machine_note(const struct plan *p, struct run *r);      /* what has come to be left behind since the claim */
void machine_sweep(const struct run *r);                           /* what killed supervisors left, some of it */
void machine_sweep_all(void);                                      /* for a verb: all of it, if we may */
void machine_reach(const char *name, struct run *r);         /* a running one: its leader and shares; dies if it is none */
void machine_extend(struct run *r);                          /* it has got more control groups */
void machine_thaw(const struct run *r);                      /* our own: one that is frozen could not end */
void machine_kill(const struct run *r);                      /* and wait until it has ended, for some seconds */

/* ---- known.c: machines that run, as their register says --------------------------- */

/* all strings are fresh, or NULL; nothing of the guest was asked for them */
struct known {
	char *name, *root, *group, *id, *os, *version, *pretty, *link, *state, *reason;
	char **words;                    /* its plan: plan_parse takes them */
	char **groups;                   /* its control groups, as cgroup_find takes them; group is the first, which it sees */
	int64_t since, since_monotonic;  /* microseconds: of 1970, and of the clock that nobody sets */
	pid_t leader, supervisor;        /* leader is 0 before it is born and once it has ended */
	uint32_t id_base, id_count;      /* of its user namespace; 0: none */
	bool hidden, network, boot, image;  /* network: one of its own; image: root is a file or device */
	bool old;                        /* its supervisor is of a program that knew of signals SIGTERM only, and no words */
	int fd;                          /* of its register */
	void *more;                      /* of who looks: NULL */
};
/* one that runs or is about to. false: there is none; never waits, never shows one whose supervisor is gone */
bool known_read(const char *name, struct known *k);
bool known_read_at(int fd, struct known *k);  /* of a register that is open; k->name is not known, and k->fd not open */
void known_close(struct known *k);
bool known_lives(const struct known *k);  /* still: its supervisor holds the register */
/* but it was killed or told to end, and has not come to it: the register does not say so yet, or never will */
bool known_doomed(const struct known *k);
/* its leader is not in users of its own making, and mounts. There is no way back: ask when all is open. ns: /proc/PID/ns, or -1 */
bool known_users(const struct known *k, int ns);
bool known_leads(const struct known *k);  /* and k->leader has not been reaped, so that no other process has that pid */
/* sorted by name; closed, and without words. look, if it is not NULL, is called with each while it is open */
struct known *known_list(bool hidden, void (*look)(struct known *k), size_t *n);
_Noreturn void known_no(const char *what, const char *name);  /* "Could not get path to machine: No machine 'x' known" */
/* signal its supervisor, or its leader, and nobody else who may have got that pid meanwhile; -1 with errno */
int known_signal(const struct known *k, pid_t pid, int sig);
/*
 * What its supervisor understands: SIGTERM asks to power off, a second one kills; SIGPWR asks to power off, and says
 * nothing new when that is asked already; SIGUSR1 asks to reboot; SIGUSR2 kills at once. Each of those but SIGUSR1 ends it
 * for good, whatever --restart says. One that is old knows SIGTERM only, and dies of the others. When supervisors learn more,
 * let them say so in their register: those that run now outlive the program
 */
/* changes of the state directory, for poll(2): an fd to read and throw away; -1: the kernel has no inotify */
int known_watch(void);
/* for who looks for years: no memory is taken. An fd of the register of one that lives, or -1 */
int known_open(const char *name);
struct brief { char state[16], reason[128]; bool hidden, lives; };
void known_look(int fd, struct brief *b);  /* what it said last, if it does not live */
char *known_unit(const struct known *k);  /* "systemd-nspawn@x.service", as scripts of the original read it */

/* ---- hook.c: a program of config.h at turns of a machine's life ------------------------- */

void hook_look(const struct plan *p, struct run *r);     /* pre-start; dies if it fails. post-stop is undone with it */
void hook_up(const struct plan *p, struct run *r);       /* up, and down before anything is unmade */

/* ---- ring.c: what a console said last, in a file of bounded size, kept after the end -------- */

#define LOGS_DIR ".logs"  /* in the state directory, where no machine is called that: a file of each */
enum { RING_CONSOLE = 'c', RING_SUPERVISOR = 's', RING_START = 'b', RING_END = 'e' };
struct ring { int fd; uint64_t size, head, tail, born; };  /* offsets of bytes since the beginning of time; 0 is before it */
/* one writer, which never waits: the oldest is overwritten. Room for size bytes; what is there stays. -1 with errno */
int ring_make(struct ring *g, const char *name, uint64_t size);
char *ring_path(const char *name);
int ring_write(struct ring *g, int kind, const void *data, size_t len);
struct record { uint64_t at, next; int64_t us; int kind; size_t len; };  /* us of 1970 */
int ring_open(struct ring *g, const char *name);        /* to read, while it is written or after; -1 with errno */
/* the first record from *at on that is still there, cut to size; 0: none yet; -1 with errno. *lost: bytes that were not */
int ring_next(struct ring *g, uint64_t *at, struct record *rec, void *buf, size_t size, uint64_t *lost);

/* ---- attach.c: the console of a running machine, for those who come later --------------------- */

#define CONSOLES_DIR ".consoles"  /* in the state directory: a socket of each machine */
void attach_open(const struct plan *p, struct run *r);   /* the ring, and the socket, before its first word */
void attach_check(const struct plan *p);
void attach_begin(const struct plan *p, struct run *r);  /* supervisor: take who comes */
void attach_again(struct run *r);                        /* in each round of a machine that is held */
void attach_say(struct run *r, const char *text);        /* we say this, for the log */
int attach_console(struct ask *a), attach_logs(struct ask *a);
/* an empty line and the last n lines of its log, each as "Nov 22 04:33:43 host systemd-nspawn[1012]: text"; or nothing */
void attach_print_lines(const struct known *k, size_t n, bool plain);

/* ---- settings.c: .nspawn files, in words of the command line -------------- */

/* what the row of an option says of its key in a file */
enum {
	/* options of a group are taken together, of one source or of another; without one each by itself */
	K_START = 1, K_CAPS, K_USERNS, K_MOUNTS, K_NETWORK, K_PORTS, K_LIMITS, K_GROUP = 7,
	/* how a value becomes words; without: it is the option's value */
	K_BOOT = 1 << 4, K_PID2 = 2 << 4, K_COMMAND = 3 << 4, K_CHOWN = 5 << 4,
	K_VARIABLES = 6 << 4,  /* NAME=VALUE words, with quotes and escapes */
	K_BLANKS = 7 << 4,  /* a list with blanks where the option has commas */
	K_YESNO = 8 << 4,   /* yes and no in any spelling, or something else */
	K_WORDS = 10 << 4,  /* words with blanks between them, where the option is said once for each */
	K_NAMED = 9 << 4,   /* the key is the beginning of a name, whose rest is the value's: LimitNOFILE */
	K_FORM = 15 << 4,
	/* whom we believe */
	K_TRUST = 256,      /* only from a trusted file */
	K_GRANT = 512,      /* the same, but for a value that begins with ~, which takes away */
	K_KEEP = 1024,      /* a restriction: a file that is not trusted can add to it, and take nothing back */
};

enum { START_PID1 = 1, START_PID2, START_BOOT };

struct key {
	const char *name, *option;  /* no option: what it says is of words of a kind of its own */
	bool list;
	int how;
};

/* a file that is being read: the assignment it is at, and what was made of those before */
struct settings {
	const char *path;
	bool trusted;
	void (*check)(const char *word);
	int line;
	const char *section;
	char *key, *name, *value;   /* "Exec.Boot", "Boot", "yes" */
	char *rest;
	int next, skipped;
	int start;                  /* START_..., if any was said */
	char **command;
	struct setting { const char *key; char *word; int how; } *said;
	size_t nsaid, room;
};

/* the file of a machine's name, or NULL; below /etc, /run, or, not to be trusted, beside its tree */
char *settings_find(const char *name, const char *tree, bool *trusted);
/* link: it may be one. From here on it dies with a sentence that names the file; check dies where a word is no option's */
void settings_open(struct settings *s, const char *path, bool link, bool trusted, void (*check)(const char *word));
bool settings_next(struct settings *s);                         /* go to an assignment, while there are any */
void settings_take(struct settings *s, const struct key *k);    /* make words of it */
char **settings_words(struct settings *s);                      /* all of them, at the end; NULL if none */
void settings_look(const struct plan *p, struct run *r);        /* name the file that is not read */

/* ---- bundle.c: bundles of the OCI runtime-spec: a directory with config.json ------------------------ */

/* words of members, whose places are used */
#define BUNDLE_NAMESPACES "cgroup|ipc|uts|network|pid|mount|user|time"
enum { BUNDLE_CGROUP, BUNDLE_IPC, BUNDLE_UTS, BUNDLE_NETWORK, BUNDLE_PID, BUNDLE_MOUNT, BUNDLE_USER, BUNDLE_TIME, BUNDLE_KINDS };
#define BUNDLE_PROPAGATIONS "shared|slave|private|unbindable|rshared|rslave|rprivate|runbindable"
#define BUNDLE_POLICIES "SCHED_OTHER|SCHED_FIFO|SCHED_RR|SCHED_BATCH|SCHED_ISO|SCHED_IDLE|SCHED_DEADLINE"
#define BUNDLE_IO_CLASSES "IOPRIO_CLASS_NONE|IOPRIO_CLASS_RT|IOPRIO_CLASS_BE|IOPRIO_CLASS_IDLE"
struct bundle {
	char *path;                   /* of the directory, absolute */
	const struct json *config;    /* all of it; checked */
	const struct json *process;   /* NULL: it has none */
	char *rootfs;                 /* absolute, not looked at; NULL: it has none */
	bool read_only;
};
/*
 * Checked whole, so that who uses a member need not ask whether it has the right kind: what the spec forbids, and what we
 * do not do, is refused by its name: "config.json: process.cwd: not an absolute path". What the spec does not know is
 * passed over, as it demands. For a machine what only the runtime does is refused, too. Dies
 */
void bundle_open(struct bundle *b, const char *path, bool machine);
const struct json *bundle_read(const char *path);            /* a file of JSON, for messages as it is called. Dies */
void bundle_check_process(const struct json *process, const char *where);  /* where: "config.json: process" */
void bundle_check_resources(const struct json *resources, const char *where);

/* ---- adopt.c: bundles as machines ------------------------------------------------------------------ */

char **adopt_words(const char *path);                        /* for --oci-bundle: words of ours. Dies */

/* ---- plan.c: words to plan, plan to words -------------------------------- */

void plan_parse(struct plan *p, char **words);               /* all of argv behind the name, and defaults */
void plan_check(const struct plan *p);
char **plan_words(const struct plan *p);                     /* the same plan again */
char **plan_settings(const char *path);                      /* words of a .nspawn file */
/* words of start, which give way to what config.h or a file of settings says of the same things, for this machine */
void plan_parse_start(struct plan *p, const char *name, const struct ask *a);
char **plan_enabled(void);                                   /* machines that config.h enables; NULL: none */
const char *plan_or_off(const char *text);                   /* behind it, switches of config.h that are off */
void plan_help(void);
void plan_words_of(const char *option);                      /* the words of a choice */
void plan_completion(void);
void plan_manual(void);

/* ---- machines.c: verbs that look at machines ------------------------------ */

int machines_list(struct ask *a), machines_status(struct ask *a), machines_show(struct ask *a);
int machines_cat(struct ask *a), machines_edit(struct ask *a);

/* ---- life.c: verbs that end machines, or wait for it ------------------------- */

int life_stop(struct ask *a), life_reboot(struct ask *a), life_terminate(struct ask *a), life_kill(struct ask *a);
int life_wait(struct ask *a), life_monitor(struct ask *a);
/* until it has ended, and its supervisor, if it is k that runs; false: seconds have gone. -1: for ever */
bool life_wait_end(const struct known *k, int seconds);

/* ---- depend.c: what a machine waits for before it starts ------------------------ */

void depend_check(const struct plan *p);
void depend_wait(const struct plan *p, struct run *r);   /* dies when it has not come in time */

/* ---- start.c: machines that nobody sits at ---------------------------------- */

int start_start(struct ask *a), start_enable(struct ask *a), start_disable(struct ask *a);
enum { CLAIMED = 75 };            /* status of a supervisor that start began: another has the name */
void start_begin(const struct plan *p, struct run *r);  /* supervisor: were we begun by start */
void start_log(const struct plan *p, struct run *r);    /* what we say goes to the log, once it is ready */
bool start_settled(struct run *r);  /* it does not end as soon as it has begun: its init waits for something, or lives on */
void start_waits(const struct plan *p, struct run *r);  /* supervisor: it may wait for something now, and is not in the way of others */
int start_patience(const struct plan *p, struct run *r);  /* milliseconds until who waits for its READY=1 is told that it has not come; -1: for ever */
void start_ready(struct run *r);  /* supervisor: tell who waits, and let go of its standard error */
void start_again(struct run *r, bool failed);  /* we exec ourselves now; failed: after a pause */

/* ---- live.c: one life after another ----------------------------------------------- */

extern char **live_argv;                 /* what main was called with: the next life is, too */
void live_begin(struct run *r);          /* run_begin, and what is done at exit after its unmaking */
void live_find(const struct plan *p, struct run *r);     /* what a life before this one has left in our environment */
void live_outlive(const struct plan *p, struct run *r);  /* from now on --restart begins it again, even if we die */
/* sd_notify(3), with an fd or -1: to NOTIFY_SOCKET, if there is one. No memory is taken for it */
void live_tell(const char *state, int pass);
int live(const struct plan *p, struct run *r);  /* until its end, and that of its next lives; unmade, the status to leave with */

/* ---- enter.c: into a running machine ------------------------------------------ */

int enter_inside(char **argv);          /* main of the copy of ours that goes in */
int enter_exec(struct ask *a), enter_shell(struct ask *a), enter_login(struct ask *a);
int enter_root(const struct known *k);  /* an fd of its root, from outside. Dies */
enum { NEWTIME = 0x80 };  /* CLONE_NEWTIME, 5.6 */
extern const struct enter_kind { const char *file; int flag; } enter_kinds[BUNDLE_KINDS];  /* in that order; the file in /proc/PID/ns */
int enter_join(int pidfd, int ns, int namespaces);  /* a process's, as sys_join, and all kinds; -1 with errno */

/* ---- carry.c: files and mounts, into a running machine and out ----------------------- */

int carry_to(struct ask *a), carry_from(struct ask *a), carry_bind(struct ask *a);

/* ---- resource.c: control groups of the runtime: linux.cgroupsPath, linux.resources ---------------------- */

/* its directory in each hierarchy; all is in the words of resource_text. fresh: made by us just now */
struct cgroups { struct share share[24]; size_t n; bool fresh; };
/*
 * Where they will be; nothing is made yet. path as the spec has it: absolute, below each hierarchy; relative, below where we
 * are; NULL: our choice, by id. systemd: it is "SLICE:PREFIX:NAME", whose directory is made without systemd. Dies
 */
void resource_choose(struct cgroups *g, const char *path, const char *id, bool systemd);
void resource_make(struct cgroups *g, const char *path, const char *id, bool systemd);  /* chosen, if not done yet; and made. Dies */
void resource_set(struct cgroups *g, const struct json *resources);  /* linux.resources; devices only if fresh. May be NULL. Dies */
int resource_enter_fd(const struct cgroups *g);                /* of cgroup2, to be born in, or -1 */
/*
 * placed: it was born there. On v1 the kernel waits for all its processors, once for all hierarchies: 10 to 30 ms, so let pid do
 * something meanwhile. beside: whose group of cgroup2 it gets where that has been divided; 0. Dies
 */
void resource_enter(const struct cgroups *g, pid_t pid, bool placed, pid_t beside);
char *resource_text(const struct cgroups *g);                  /* one line a hierarchy, for the state file */
bool resource_find(struct cgroups *g, const char *text);       /* the other way; false: it is gone */
int resource_signal(const struct cgroups *g, pid_t init, int sig);  /* all in it, and below; -1 with errno, ESRCH: there are none */
bool resource_freeze(const struct cgroups *g, bool on);        /* and wait until it is so; false with errno */
bool resource_frozen(const struct cgroups *g);
void resource_let_end(const struct cgroups *g);                /* v1 lets none that is frozen end, however it is killed */
size_t resource_processes(const struct cgroups *g, pid_t **pids);
bool resource_remove(struct cgroups *g);                       /* with what is below; who is in it is killed */
char *resource_stats(const struct cgroups *g);                 /* JSON, as events --stats of runc prints its "data" */

/* ---- profile.c: linux.seccomp -------------------------------------------------------------------------------- */

struct sock_fprog;
/* the program for it; NULL: it is NULL. Unknown calls of the profile are passed over, unknown actions refused. Dies */
struct sock_fprog *profile_compile(const struct json *seccomp);
/*
 * Flags and all. -1, or, where an action is SCMP_ACT_NOTIFY, the listener: an fd for who made us, to whom sendmsg(2) can still
 * send it, and who gives it to profile_tell with the container's state as JSON. Dies
 */
int profile_load(const struct sock_fprog *program, const struct json *seccomp);
void profile_tell(const struct json *seccomp, int listener, const char *state);  /* listenerPath. Dies */
void profile_look(const struct plan *p, struct run *r);      /* of a machine: --oci-seccomp */
void profile_enforce(const struct plan *p, struct run *r);

/* ---- container.c: processes of a bundle are born ------------------------------------------------------------- */

struct container {
	const char *id;
	int state;                    /* its directory in the runtime's root */
	int console_socket;           /* connected; -1: the terminal, if process.terminal, is ours to relay */
	int master;                   /* then: of that; else -1 */
	int preserve;                 /* so many fds from 3 on are handed in; who calls has seen that they are open */
	int listen_fds;               /* the first of those are LISTEN_FDS, to be told; 0: none */
	bool no_pivot, no_new_keyring;
	const char *hooks_state;      /* JSON of the state, but for status and pid and the last brace: `{"ociVersion":"1.0.2",...` */
	pid_t pid;                    /* of its init */
	bool (*lives)(const struct container *c);  /* for container_exec: pid is still its, asked when what is its has been opened */
	int pidfd, ns, root;          /* that */
	struct bundle bundle;
	struct cgroups groups;        /* made, and limits are set, before container_create; n is 0: there are to be none */
};
/*
 * Nobody inside gets the host's binary: before container_exec, and before container_create if container_needs_copy, this is
 * a sealed copy of ours, by seal_enter_copy
 */
bool container_needs_copy(const struct bundle *b);
/*
 * Its init, which waits at the socket "start" of the state directory; all hooks of before are called. It is our child, and
 * nobody's when we end. Dies, and nothing half-made stays but what who calls has made
 */
void container_create(struct container *c);
/*
 * Another process in the namespaces of c->pid and its groups: pid of a child of ours, which has exec'd. With the terminal
 * as container_create has it, by the terminal of process. Dies
 */
pid_t container_exec(struct container *c, const struct json *process);
/* those of a turn, in the runtime's namespaces: "poststart", "poststop", which warn only; "prestart", "createRuntime" die */
void container_hooks(const struct container *c, const char *which, const char *status);

/* ---- spec.c: JSON that the runtime writes --------------------------------------------------------------------- */

#define SPEC_VERSION "1.0.2"
struct out { char *text; size_t len, room; };
void spec_put(struct out *o, const char *text, ...) PRINTF(2);
void spec_put_json(struct out *o, const struct json *v, int depth);  /* depth -1: all in one line */
char *spec_members(const struct json *from, const char *names);  /* of an object: "a|b", if there, each with a comma before it */
const struct json *spec_parse(char *text, const char *name); /* in place. Dies */
char *spec_pretty(char *text);                         /* JSON in lines */
char *spec_features(void);                                   /* what there is */
char *spec_config(void);                                     /* a config.json to begin with */

/* ---- runtime.c: the commands of runc(8) and crun(1) ---------------------------------------------------------- */

int runtime_main(char **words);                           /* behind the name, or the verb oci */
