/* SPDX-License-Identifier: 0BSD */
/* What runs in the machine: its environment, and the exec */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "nspawn-lite.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define STUB_NAME    "(sd-stubinit)"

/* ---- environment ----------------------------------------------------------------- */

/* NAME=VALUE; a later one of the same name takes the place of the earlier */
static void
put_env(char ***env, const char *word)
{
	size_t i, n = strcspn(word, "=") + 1;

	for (i = 0; *env && (*env)[i]; i++)
		if (strncmp((*env)[i], word, n) == 0) {
			(*env)[i] = (char *)(uintptr_t)word;
			return;
		}
	grow(env, word);
}

/* the value of a key in os-release(5) form, or NULL */
char *
payload_release_value(const char *text, const char *key)
{
	size_t n = strlen(key), len;
	const char *p;

	for (p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		if (strncmp(p, key, n) != 0 || p[n] != '=')
			continue;
		p += n + 1;
		if (*p == '"' || *p == '\'')
			return xstrndup(p + 1, strcspn(p + 1, *p == '"' ? "\"\n" : "'\n"));
		len = strcspn(p, " \t\n");
		return len ? xstrndup(p, len) : NULL;
	}
	return NULL;
}

static char **
environment(const struct plan *p, struct run *r)
{
	static const struct { const char *key, *name; } host[] = {
		{ "VERSION_ID", "container_host_version_id" }, { "ID", "container_host_id" },
		{ "BUILD_ID", "container_host_build_id" }, { "VARIANT_ID", "container_host_variant_id" },
	};
	char **env = NULL, **w, *value, uuid[37];
	size_t i;

	grow(&env, "PATH=" PATH_DEFAULT);
	if (!rescue(p))  /* see cgroup_enter */
		grow(&env, fmt("container=%s", r->container));
	if ((value = getenv("TERM")))
		grow(&env, fmt("TERM=%s", value));
	grow(&env, fmt("HOME=%s", r->home));
	grow(&env, fmt("USER=%s", r->user));
	grow(&env, fmt("LOGNAME=%s", r->user));
	format_uuid(r->uuid, uuid);
	grow(&env, fmt("container_uuid=%s", uuid));
	if (!p->boot)
		grow(&env, "LANG=C.UTF-8");
	if (r->credential)
		grow(&env, "CREDENTIALS_DIRECTORY=/run/host/credentials");
	if (r->notify >= 0)
		grow(&env, "NOTIFY_SOCKET=/run/host/notify");
	for (i = 0; i < LEN(host); i++)
		if ((value = payload_release_value(r->host_release, host[i].key)))
			grow(&env, fmt("%s=%s", host[i].name, value));
	if (r->listen_fds) {
		grow(&env, fmt("LISTEN_FDS=%d", r->listen_fds));
		grow(&env, "LISTEN_PID=1");
	}
	/* routers keep their zone in words */
	if (r->host_tz)
		grow(&env, fmt("TZ=%s", r->host_tz));
	for (w = r->preset ? r->preset->env : NULL; w && *w; w++)
		put_env(&env, *w);
	for (w = p->setenv; w && *w; w++) {
		if (strchr(*w, '='))
			put_env(&env, *w);
		else if ((value = getenv(*w)))
			put_env(&env, fmt("%s=%s", *w, value));
	}
	return env;
}

static const char *
env_value(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

/* ---- why an exec failed ------------------------------------------------------------- */

static const struct { unsigned int machine; const char *name; } machines_of_elf[] = {
	{ EM_386, "i386" }, { EM_X86_64, "x86_64" }, { EM_ARM, "arm" }, { EM_AARCH64, "aarch64" },
	{ EM_MIPS, "mips" }, { EM_PPC, "ppc" }, { EM_PPC64, "ppc64" }, { EM_S390, "s390x" },
	{ 243, "riscv" }, { 258, "loongarch64" }, { EM_SPARC, "sparc" }, { EM_SPARCV9, "sparc64" },
	{ EM_68K, "m68k" }, { EM_SH, "sh4" }, { EM_PARISC, "hppa" }, { 0x9026, "alpha" },
};

/* as qemu and binfmt_misc call it; NULL if head is no ELF */
static char *
elf_arch(const unsigned char *head)
{
	bool big = head[EI_DATA] == ELFDATA2MSB, wide = head[EI_CLASS] == ELFCLASS64;
	unsigned int machine = big ? (unsigned int)head[18] << 8 | head[19] : (unsigned int)head[19] << 8 | head[18];
	size_t i;

	if (memcmp(head, ELFMAG, SELFMAG) != 0)
		return NULL;
	for (i = 0; i < LEN(machines_of_elf); i++)
		if (machines_of_elf[i].machine == machine)
			break;
	if (i == LEN(machines_of_elf))
		return fmt("machine %u", machine);
	if (machine == EM_MIPS)  /* EF_MIPS_ABI2: 64 bits with small words */
		return fmt("mips%s%s", wide ? "64" : head[big ? 39 : 36] & 0x20 ? "n32" : "", big ? "" : "el");
	if (machine == EM_ARM && big)
		return xstrdup("armeb");
	if (machine == EM_PPC64 && !big)
		return xstrdup("ppc64le");
	if (machine == 243)
		return xstrdup(wide ? "riscv64" : "riscv32");
	return xstrdup(machines_of_elf[i].name);
}

/* n bytes at a place of a file whose first bytes are head: mostly they are among those */
static bool
bytes_at(int fd, const char *head, size_t len, uint64_t at, void *to, size_t n)
{
	if (at < len && n <= len - at) {
		memcpy(to, head + at, n);
		return true;
	}
	return at < INT64_MAX && pread(fd, to, n, (off_t)at) == (ssize_t)n;
}

/* what runs the file, as the kernel finds it: execve(2), of a script, and elf(5). "" if it is nothing */
static void
interpreter(int fd, const char *head, size_t len, char name[PATH_MAX])
{
	union { Elf64_Ehdr wide; Elf32_Ehdr small; } e;
	union { Elf64_Phdr wide; Elf32_Phdr small; } h;
	bool wide = head[EI_CLASS] == ELFCLASS64;
	size_t each = wide ? sizeof(h.wide) : sizeof(h.small), n, i;
	uint64_t at, size;

	*name = 0;
	if (len > 2 && head[0] == '#' && head[1] == '!') {
		head += 2 + strspn(head + 2, " \t");
		snprintf(name, PATH_MAX, "%.*s", (int)strcspn(head, " \t\n"), head);
		return;
	}
	if (len < sizeof(e) || memcmp(head, ELFMAG, SELFMAG) != 0)
		return;
	memcpy(&e, head, sizeof(e));
	at = wide ? e.wide.e_phoff : e.small.e_phoff;
	n = wide ? e.wide.e_phnum : e.small.e_phnum;
	for (i = 0; i < n && bytes_at(fd, head, len, at + i * each, &h, each); i++) {
		if ((wide ? h.wide.p_type : h.small.p_type) != PT_INTERP)
			continue;
		size = wide ? h.wide.p_filesz : h.small.p_filesz;
		if (size >= PATH_MAX || !bytes_at(fd, head, len, wide ? h.wide.p_offset : h.small.p_offset, name, (size_t)size))
			size = 0;  /* the kernel takes no such file either */
		name[size] = 0;
		return;
	}
}

/* what path is, and what runs that: through scripts to a program. The bytes read, or -1; needs: what that wants, or "" */
static ssize_t
look_through(char path[PATH_MAX], char head[1024], char needs[PATH_MAX])
{
	enum { DEEPEST = 6 };  /* the kernel goes no further: BINPRM_MAX_RECURSION */
	int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd, depth;
	ssize_t n = -1;

	*needs = 0;
	for (depth = 0; depth < DEEPEST; depth++) {
		fd = sys_open_in(root, path, O_RDONLY, IN_REGULAR);
		n = fd < 0 ? -1 : read_all(fd, head, 1024);
		if (n > 0)
			interpreter(fd, head, (size_t)n, needs);
		drop(fd);
		if (n < 2 || head[0] != '#' || access(needs, F_OK) < 0)
			break;
		strcpy(path, needs);
	}
	drop(root);
	return n;
}

/* the sentence for an exec that failed; ends us */
static _Noreturn void
explain(const char *path, int err)
{
	char head[1024] = "", needs[PATH_MAX], last[PATH_MAX], note[NOTE_MAX], *arch = NULL;
	struct stat st;

	if (err == ENOENT && lstat(path, &st) < 0)
		die_with(NOT_FOUND, "%s: not found in the tree", path);
	snprintf(last, sizeof(last), "%s", path);
	if (look_through(last, head, needs) >= 20 && WITH_HELP)
		arch = elf_arch((unsigned char *)head);
	/* all that the file names is there: then it is an emulator that is not */
	if (arch && (err == ENOEXEC || (err == ENOENT && (!*needs || access(needs, F_OK) == 0)))
	    && strlen(arch) + strlen(last) + 4 < sizeof(note)) {
		note[0] = NOTE_FOREIGN;
		note[1] = 0;
		strcpy(note + 2, arch);
		strcpy(note + 2 + strlen(arch) + 1, last);
		sys_send(wirefd, note, strlen(arch) + strlen(last) + 4, -1);
		_exit(CANNOT_EXEC);
	}
	if (err == ENOENT)
		die_with(NOT_FOUND, *needs ? "%s: needs %s, which is not in the tree" : "%s: it, or what runs it, is not in the tree",
		         path, needs);
	if (err == EACCES && stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			die_with(CANNOT_EXEC, "%s: is a directory", path);
		if (S_ISREG(st.st_mode) && !(st.st_mode & 0111))
			die_with(CANNOT_EXEC, "%s: not executable (mode %03o)", path, st.st_mode & 0777);
	}
	errno = err;
	die_with(CANNOT_EXEC, "execute %s:", path);
}

/* programs of the same CPU with smaller words: the kernel itself runs those, if it was built to */
#if defined(__x86_64__)
#define COMPAT "i386", "CONFIG_IA32_EMULATION"
#elif defined(__aarch64__)
#define COMPAT "arm", "CONFIG_COMPAT"
#else
#define COMPAT "", ""
#endif

char *
payload_foreign(const char *note)
{
	static const char dir[] = "/proc/sys/fs/binfmt_misc";
	static const char *const compat[] = { COMPAT };
	const char *path = note + strlen(note) + 1, *flags;
	char text[512], *why;

	if (read_at(AT_FDCWD, fmt("%s/status", dir), text, sizeof(text)) <= 0)
		why = fmt("binfmt_misc is not mounted on %s (CONFIG_BINFMT_MISC, module binfmt_misc)", dir);
	else if (after(text, "disabled"))
		why = fmt("binfmt_misc is off: echo 1 >%s/status", dir);
	else if (read_at(AT_FDCWD, fmt("%s/qemu-%s", dir, note), text, sizeof(text)) <= 0)
		why = fmt("binfmt_misc knows no qemu-%s: register one with flag F", note);
	else if (after(text, "disabled"))
		why = fmt("qemu-%s of binfmt_misc is off: echo 1 >%s/qemu-%s", note, dir, note);
	else if ((flags = strstr(text, "\nflags:")) && !memchr(flags + 7, 'F', strcspn(flags + 7, "\n")))
		why = fmt("qemu-%s of binfmt_misc, without flag F, is looked for in the tree: register it with that flag", note);
	else
		why = fmt("what binfmt_misc has as qemu-%s does not run in there", note);
	if (streq(note, compat[0]))
		return fmt("%s: is for %s, which this kernel does not run (%s)", path, note, compat[1]);
	return fmt("%s: is for %s, which this machine is not, and %s", path, note, why);
}

/* ---- exec --------------------------------------------------------------------------- */

static int procfs = -1;  /* the real one, while we are still what the host executed */
static struct stat own;  /* what it executed; st_ino 0: not known yet */

void
payload_know_ourselves(int fs)
{
	if (fstatat(fs, fs < 0 ? "/proc/self/exe" : "self/exe", &own, 0) < 0)
		own.st_ino = 0;
}

/*
 * A script may name /proc/self/exe as what runs it, a program as its loader, and a link may lead
 * there: our own binary, the host's, would become the guest's program. It is told by its inode.
 */
static bool
is_ourselves(const char *path)
{
	enum { DEEPEST = 6 };  /* the kernel goes no further: BINPRM_MAX_RECURSION */
	char head[1024], next[PATH_MAX];
	struct stat st;
	ssize_t n;
	int depth, fd;

	if (!own.st_ino)
		payload_know_ourselves(procfs);
	if (!own.st_ino)
		return false;
	for (depth = 0; *path && depth < DEEPEST; depth++) {
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
			return false;
		if (st.st_dev == own.st_dev && st.st_ino == own.st_ino)
			return true;
		fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, head, sizeof(head) - 1);
		*next = 0;
		if (n > 3) {
			head[n] = 0;
			interpreter(fd, head, (size_t)n, next);
		}
		drop(fd);
		path = next;
	}
	return false;
}

/* the kernel does not execute us either, if it can be told that: see seal.c */
void
payload_program(const char *path, char **argv, char **env)
{
	int err;

	if (seal_holds() || !is_ourselves(path)) {
		execve(path, argv, env);
		err = errno;
		if (err != EACCES || !is_ourselves(path)) {
			errno = err;
			return;
		}
	}
	die_with(CANNOT_EXEC, "%s: leads to our own program, which nobody inside may execute; a copy of it would do", path);
}

static void
run(const char *path, char **argv, char **env)
{
	char head[4] = "", **again = NULL;
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	payload_program(path, argv, env);
	if (errno != ENOEXEC)
		return;
	/* a script without a first line is for the shell, as execvp(3) has it */
	if (read_at(AT_FDCWD, path, head, sizeof(head)) > 0 && memcmp(head, ELFMAG, 3) != 0 && !after(head, "#!")) {
		grow(&again, "/bin/sh");
		grow(&again, path);
		while (*++argv)
			grow(&again, *argv);
		payload_program("/bin/sh", again, env);
	}
	errno = ENOEXEC;
}

/* who puts options before a verb has asked for a command of that name, wherever he is */
static const char *which_tree = "";

static _Noreturn void
run_in_path(char **argv, char **env)
{
	const char *path = env_value(env, "PATH"), *dir;
	char *file, *found = NULL, **tried = NULL;
	size_t n;
	int err = ENOENT;

	if (!*argv[0])
		die_with(NOT_FOUND, "the command is an empty word");
	if (strchr(argv[0], '/')) {
		run(argv[0], argv, env);
		explain(argv[0], errno);
	}
	for (dir = path ? path : PATH_DEFAULT; *dir; dir += n + (dir[n] == ':')) {
		n = strcspn(dir, ":");
		file = n ? fmt("%.*s/%s", (int)n, dir, argv[0]) : fmt("./%s", argv[0]);
		run(file, argv, env);
		if (errno != ENOENT && errno != ENOTDIR && !found) {
			found = file;
			err = errno;
		}
		grow(&tried, file);
	}
	/* one that is there, and still "not found", lacks what runs it */
	for (; !found && tried && *tried; tried++)
		if (access(*tried, F_OK) == 0)
			found = *tried;
	if (found)
		explain(found, err);
	die_with(NOT_FOUND, "%s: not found in the tree (PATH is %s)%s", argv[0], path ? path : PATH_DEFAULT, which_tree);
}

/* words behind -b are for init */
static _Noreturn void
run_init(const struct plan *p, char **env)
{
	static const char *const inits[] = { INIT_PATH };
	char **argv = NULL, **w, *list;
	size_t i;

	for (i = 0; i < LEN(inits); i++) {
		argv = NULL;
		grow(&argv, inits[i]);
		for (w = p->cmd; w && *w; w++)
			grow(&argv, *w);
		run(inits[i], argv, env);
		if (errno != ENOENT && errno != ENOTDIR)
			explain(inits[i], errno);
		if (access(inits[i], F_OK) == 0)
			explain(inits[i], ENOENT);
	}
	list = fmt("%s", inits[0]);
	for (i = 1; i < LEN(inits); i++)
		list = fmt("%s, %s", list, inits[i]);
	die_with(NOT_FOUND, "the tree has no init: none of %s is there", list);
}

static _Noreturn void
run_shell(char **env)
{
	char *bash[] = { "-bash", NULL }, *sh[] = { "-sh", NULL };

	run("/bin/bash", bash, env);
	if (errno != ENOENT && errno != ENOTDIR)
		explain("/bin/bash", errno);
	run("/bin/sh", sh, env);
	if (errno != ENOENT && errno != ENOTDIR)
		explain("/bin/sh", errno);
	if (access("/bin/sh", F_OK) == 0)
		explain("/bin/sh", ENOENT);
	die_with(NOT_FOUND, "the tree has no shell: neither /bin/bash nor /bin/sh is there");
}

static int closed[2];  /* a pipe, made before limits are set */

/* PID 1 of -a stays, and is no program of the host: who returns from here is a child of that, in its place */
static void
leave_stub(struct run *r, char **env)
{
	struct sigaction def = { .sa_handler = SIG_DFL };
	char *argv[] = { STUB_NAME, NULL, fmt("%d", STUB_PATIENCE), NULL }, c;
	sigset_t all, none;
	pid_t payload;

	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigaction(SIGCHLD, &def, NULL);
	payload = fork();
	if (payload < 0)
		die("fork:");
	if (payload > 0) {
		argv[1] = fmt("%d", (int)payload);
		execve(fmt("/proc/self/fd/%d", r->stub), argv, env);
		die("start our init:");
	}
	close(closed[1]);
	(void)!read(closed[0], &c, 1);  /* until it has become the stub, and the wire is ours alone */
	close(closed[0]);
	setsid();
	if (isatty(0))
		ioctl(0, TIOCSCTTY, 0);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void
payload_exec(const struct plan *p, struct run *r)
{
	char **env = environment(p, r), **cmd = WITH_OCI && r->preset ? preset_command(r->preset, p->cmd) : p->cmd;
	const char *dir = p->chdir || !r->preset ? p->chdir : r->preset->chdir;
	int fd;

	procfs = r->procfs;
	if (dir ? chdir(dir) < 0 : !cmd && !p->boot ? chdir(r->home) < 0 && chdir("/") < 0 : 0)
		die(dir ? "change to directory %s of the tree:" : "change to the home directory %s:", dir ? dir : r->home);
	for (fd = 3; fd < 3 + r->listen_fds; fd++)
		fcntl(fd, F_SETFD, 0);
	if (r->stub >= 0)
		leave_stub(r, env);
	umask(0022);
	if (r->program) {
		run(r->program, cmd, env);
		explain(r->program, errno);
	}
	if (p->boot)
		run_init(p, env);
	if (*speaker && !p->directory && !p->image && !p->machine)
		which_tree = ", which is where we are, for none was said; options of a verb stand behind it";
	if (cmd)
		run_in_path(cmd, env);
	run_shell(env);
}

/* it has no name any more */
void
payload_prepare(const struct plan *p, struct run *r)
{
	const char *path = rescue(p) ? "/run/.nspawn-lite" : "/dev/.nspawn-lite";
	int fd;

	if (!p->as_pid2)
		return;
	fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (fd < 0 || stub_write(fd) < 0)
		die(errno == ENOSYS ? "--as-pid2: stub.c does not know this CPU" : "make %s:", path);
	if (pipe2(closed, O_CLOEXEC) < 0)
		die("make a pipe:");
	close(fd);
	r->stub = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (r->stub < 0)
		die("open %s:", path);
	unlink(path);
}
