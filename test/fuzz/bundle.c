/* SPDX-License-Identifier: 0BSD */
/* with: -Wl,--allow-multiple-definition -fno-inline util.c json.c bundle.c adopt.c */
/*
 * Bundles: a config.json is refused in a sentence, or becomes words of ours. What is defined here takes the place of what
 * the rooms have by that name
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../nspawn-lite.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HELD (1 << 20)
#include "held.h"

static jmp_buf over;
static int config = -1;
static char dir[] = "/tmp/nl-fuzz-XXXXXX";

/* a death that is none */
void
die(const char *text, ...)
{
	va_list ap;
	char *said;

	va_start(ap, text);
	said = vfmt(text, ap);
	va_end(ap);
	if (strlen(said) > 3000)
		abort();
	longjmp(over, 1);
}

/* stand in for other rooms */
char *
user_caps_but(const char *list)
{
	return *list ? "0" : "0,1";
}

const char *
user_sibling(void)
{
	return "x86";
}

int
user_limit(const char *name)
{
	return streq(name, "NOFILE") ? 7 : -1;
}

char *
store_derive_name(const char *path)
{
	return path[1] ? "b" : NULL;
}

int
sys_open_in(int dir, const char *path, int flags, int kind)
{
	(void)dir;
	(void)flags;
	(void)kind;
	return strlen(path) % 2 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
}

static void
clean_up(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/config.json", dir);
	unlink(path);
	rmdir(dir);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const seeds[] = {
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\",\"env\":[\"A=b\"],\"terminal\":true,\"user\":{\"uid\":1,\"gid\":2,"
		"\"additionalGids\":[3]},\"capabilities\":{\"bounding\":[\"CAP_KILL\"]},\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":2}],"
		"\"oomScoreAdj\":1},\"root\":{\"path\":\"/\",\"readonly\":true},\"hostname\":\"h\",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		"{\"type\":\"uts\"},{\"type\":\"network\",\"path\":\"/n\"}],\"maskedPaths\":[\"/proc/kcore\",\"/x\"],\"readonlyPaths\":[\"/proc/sys\",\"/y\"]}}",
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},\"root\":{\"path\":\"/\"},\"mounts\":[{\"destination\":\"/d\","
		"\"type\":\"bind\",\"source\":\"s\",\"options\":[\"rbind\",\"ro\",\"nosuid\"]},{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"size=1m\"]},"
		"{\"destination\":\"/o\",\"type\":\"overlay\",\"options\":[\"lowerdir=/a:/b\",\"upperdir=u\",\"workdir=w\"]}],\"linux\":{\"namespaces\":[{\"type\":"
		"\"mount\"},{\"type\":\"user\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":9,\"size\":5}],\"gidMappings\":[{\"containerID\":0,\"hostID\":9,"
		"\"size\":5}],\"sysctl\":{\"a\":\"b\"},\"cgroupsPath\":\"a.slice:b:c\"}}",
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},\"root\":{\"path\":\"/\"},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}],"
		"\"devices\":[{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3}],\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"}],\"memory\":{\"limit\":9,\"swap\":10,\"reservation\":1},\"cpu\":"
		"{\"shares\":2,\"quota\":1000,\"period\":10000,\"cpus\":\"0\"},\"pids\":{\"limit\":4},\"blockIO\":{\"weight\":9,\"throttleReadBpsDevice\":"
		"[{\"major\":8,\"minor\":0,\"rate\":5}]}},\"personality\":{\"domain\":\"LINUX32\"}}}",
	};
	char path[4096], target[64];
	size_t i;

	(void)argc;
	(void)argv;
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/config.json", dir);
	config = memfd_create("config", MFD_CLOEXEC);
	snprintf(target, sizeof(target), "/proc/self/fd/%d", config);
	if (symlink(target, path) < 0 || atexit(clean_up) != 0)
		return 1;
	for (i = 0; i < LEN(seeds) && getenv("SEEDS"); i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%zu", getenv("SEEDS"), i);
		f = fopen(path, "we");
		if (f && fputs(seeds[i], f) >= 0)
			fclose(f);
	}
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char **volatile words = NULL;
	char **w;

	if (ftruncate(config, 0) < 0 || pwrite(config, data, size, 0) != (ssize_t)size)
		return 0;
	if (setjmp(over) == 0)
		words = adopt_words(dir);
	for (w = words; w && *w && !streq(*w, "--"); w++)
		if (!after(*w, "--") || strlen(*w) > 100000)
			abort();
	if (words && !*w)
		abort();
	let_go();
	return 0;
}
