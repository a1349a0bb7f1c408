/* SPDX-License-Identifier: 0BSD */
/* Bundles of the OCI runtime-spec: config.json, checked before anything is done */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nspawn-lite.h"

/* ---- what there may be ------------------------------------------------------------ */

/*
 * A letter, and members of objects: "name:kind", with a ~ before those that only the runtime does something about, and a !
 * behind those that must be there. Kinds: * anything, f flag, s string, p absolute path, w strings, m an object of strings,
 * - what we do not do; i and U whole numbers of 64 bits, with a sign and without, u of 32; e a word of a list. { an object,
 * [ an array of objects and % an object of them have the letter behind of what their members are, as e the digit of its list
 */
static const char kinds[] =
	"a" "ociVersion:s! process:{b root:{r hostname:s domainname:s mounts:[m hooks:{h annotations:m linux:{l"
	" vm:- windows:- solaris:- zos:- freebsd:-\0"
	"b" "args:w! cwd:p! env:w terminal:f consoleSize:{c user:{u capabilities:{p rlimits:[q noNewPrivileges:f oomScoreAdj:i"
	" ~apparmorProfile:s selinuxLabel:s ~scheduler:{s ~ioPriority:{o execCPUAffinity:-\0"
	"c" "height:u width:u\0"
	"u" "uid:u gid:u ~umask:u additionalGids:*\0"
	"p" "bounding:w effective:w inheritable:w permitted:w ambient:w\0"
	"q" "type:s! soft:U! hard:U!\0"
	"s" "policy:e0! nice:i priority:i flags:w runtime:U deadline:U period:U\0"
	"0" BUNDLE_POLICIES "\0"
	"o" "class:e1! priority:i\0"
	"1" BUNDLE_IO_CLASSES "\0"
	"r" "path:s! readonly:f\0"
	"m" "destination:s! type:s source:s options:w ~uidMappings:[i ~gidMappings:[i\0"
	"i" "containerID:u! hostID:u! size:u!\0"
	"h" "~prestart:[k ~createRuntime:[k ~createContainer:[k ~startContainer:[k ~poststart:[k ~poststop:[k\0"
	"k" "path:p! args:w env:w timeout:u\0"
	"l" "namespaces:[n uidMappings:[i gidMappings:[i devices:[d cgroupsPath:s resources:{R intelRdt:- sysctl:m seccomp:{S"
	" rootfsPropagation:e2 maskedPaths:w readonlyPaths:w mountLabel:s personality:{y ~timeOffsets:{t memoryPolicy:-"
	" netDevices:-\0"
	"2" BUNDLE_PROPAGATIONS "\0"
	"n" "type:e3! path:p\0"
	"3" BUNDLE_NAMESPACES "\0"
	"d" "path:p! type:e4! major:i minor:i fileMode:u uid:u gid:u\0"
	"4" "b|c|u|p\0"
	"y" "domain:e5! ~flags:w\0"
	"5" "LINUX|LINUX32\0"
	"t" "boottime:{f monotonic:{f\0"
	"f" "secs:i nanosecs:u\0"
	"S" "defaultAction:s! defaultErrnoRet:u architectures:w flags:w listenerPath:p listenerMetadata:s syscalls:[C\0"
	"C" "names:w! action:s! errnoRet:u args:[A\0"
	"A" "index:u! value:U! valueTwo:U op:s!\0"
	"R" "devices:[D memory:{M cpu:{U pids:{P blockIO:{B ~hugepageLimits:[H ~network:{N ~rdma:%X ~unified:m\0"
	"D" "allow:f! type:e6 major:i minor:i access:s\0"
	"6" "a|b|c|u|p\0"
	"M" "limit:i reservation:i swap:i ~kernel:i ~kernelTCP:i ~swappiness:U ~disableOOMKiller:f useHierarchy:f"
	" checkBeforeUpdate:f\0"
	"U" "shares:U quota:i ~burst:U period:U ~realtimeRuntime:i ~realtimePeriod:U cpus:s mems:s ~idle:i\0"
	"P" "limit:i!\0"
	"B" "weight:u ~leafWeight:u ~weightDevice:[E throttleReadBpsDevice:[E throttleWriteBpsDevice:[E"
	" throttleReadIOPSDevice:[E throttleWriteIOPSDevice:[E\0"
	"E" "major:i! minor:i! rate:U weight:u leafWeight:u\0"
	"H" "pageSize:s! limit:U!\0"
	"N" "classID:u priorities:[F\0"
	"F" "name:s! priority:u!\0"
	"X" "hcaHandles:u hcaObjects:u\0";
static bool as_machine;  /* it is not for the runtime */

static const char *
kind_of(char key)
{
	const char *at = kinds;

	while (*at != key)
		at += strlen(at) + 1;
	return at + 1;
}

/* it says nothing: 0, "", false, or a list of none; nor does a profile that confines nobody */
static bool
is_empty(const struct json *v)
{
	return v->kind == JSON_FALSE || (v->kind >= JSON_ARRAY && !v->first)
	    || (v->kind == JSON_STRING && (!*v->text || streq(v->text, "unconfined")))
	    || (v->kind == JSON_NUMBER && (streq(v->text, "0") || streq(v->text, "-1")));
}

/* ---- is it so ---------------------------------------------------------------------- */

static _Noreturn void
wrong(const char *where, const char *why)
{
	die("%.300s: %s", where, why);
}

static void check_object(const struct json *in, char key, const char *where);

static void
check_many(const struct json *value, const char *kind, const char *where)
{
	const struct json *each;
	bool words = *kind == 'w' || *kind == 'm', list = *kind == 'w' || *kind == '[';
	size_t i = 0;
	char *at;

	if (value->kind != (list ? JSON_ARRAY : JSON_OBJECT))
		wrong(where, list ? "not an array" : "not an object");
	for (each = value->first; each; each = each->next, i++) {
		if (words && each->kind == JSON_STRING)
			continue;
		at = list ? fmt("%s[%zu]", where, i) : fmt("%s.%s", where, each->name);
		if (words)
			wrong(at, "not a string");
		check_object(each, kind[1], at);
	}
}

static void
check_value(const struct json *value, const char *kind, const char *where)
{
	const char *words;
	long long n;
	uint64_t u;

	if (strchr("spe", *kind) && value->kind != JSON_STRING)
		wrong(where, "not a string");
	if (*kind == 'f' && value->kind != JSON_TRUE && value->kind != JSON_FALSE)
		wrong(where, "neither true nor false");
	if (*kind == 'p' && *value->text != '/')
		wrong(where, fmt("\"%.100s\" is not an absolute path", value->text));
	if (*kind == 'e' && word_index(words = kind_of(kind[1]), value->text) < 0)
		wrong(where, fmt("\"%.60s\" is none of %s", value->text, words));
	if (*kind == 'i' ? !json_number(value, "", INT64_MIN, INT64_MAX, &n) : *kind == 'U' && !json_u64(value, "", &u))
		wrong(where, "not a whole number of 64 bits");
	if (*kind == 'u' && !json_number(value, "", 0, UINT32_MAX, &n))
		wrong(where, "not a whole number from 0 to 4294967295");
	if (*kind == '{')
		check_object(value, kind[1], where);
	if (strchr("wm[%", *kind))
		check_many(value, kind, where);
	if (*kind == '-')
		wrong(where, "not supported; nothing is done without what it asks for");
}

static void
check_object(const struct json *in, char key, const char *where)
{
	const struct json *value;
	const char *at, *kind;
	char *name;
	bool apart;
	size_t n;

	if (in->kind != JSON_OBJECT)
		wrong(where, "not an object");
	for (at = kind_of(key); *at; at += n + (at[n] == ' ')) {
		apart = *at == '~';
		at += apart;
		n = strcspn(at, " ");
		kind = strchr(at, ':') + 1;
		name = xstrndup(at, (size_t)(kind - at - 1));
		value = json_member(in, name);
		if (!value && at[n - 1] == '!')
			wrong(where, fmt("it has no \"%s\"", name));
		if (!value)
			continue;
		name = fmt("%s%s%s", where, strchr(where, ' ') ? "." : ": ", name);
		check_value(value, kind, name);
		if (apart && as_machine && !is_empty(value))
			wrong(name, "machines do nothing about it; \"oci run\" runs such bundles");
	}
}

/* ---- the doors ------------------------------------------------------------------------ */

const struct json *
bundle_read(const char *path)
{
	enum { MOST = 8 << 20 };
	const struct json *read;
	const char *why;
	char *text;
	size_t n;
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		die("open %s:", path);
	text = read_whole(fd, MOST, &n);
	if (!text)
		die("read %s:", path);
	close(fd);
	read = json_parse(text, n, &why);
	if (!read)
		die("%s: %s", path, why);
	return read;
}

void
bundle_check_process(const struct json *p, const char *where)
{
	static const struct { const char *path; int min, max; } ranges[] = {
		{ "oomScoreAdj", -1000, 1000 }, { "scheduler.nice", -20, 19 }, { "scheduler.priority", 0, 99 },
		{ "ioPriority.priority", 0, 7 },
	};
	const struct json *gid = json_first(p, "user.additionalGids"), *args, *limit;
	unsigned int seen = 0;
	long long n;
	int i;

	check_object(p, 'b', where);
	args = json_first(p, "args");
	if (!args)
		wrong(where, "args is empty: there is no program");
	for (limit = json_first(p, "rlimits"); limit; limit = limit->next) {
		i = user_limit(json_string(limit, "type"));
		if (i < 0)
			wrong(where, fmt("rlimits: %.40s is no limit", json_string(limit, "type")));
		else if (seen >> i & 1)
			wrong(where, fmt("rlimits: %s stands there twice", json_string(limit, "type")));
		seen |= 1U << i;
	}
	/* for the kernel that is who we are already */
	for (i = 0; i < 2; i++)
		if (json_number(p, i ? "user.gid" : "user.uid", UINT32_MAX, UINT32_MAX, &n))
			wrong(where, fmt("user.%cid: %lld is nobody", "ug"[i], n));
	for (; gid; gid = gid->next)
		if (!json_number(gid, "", 0, UINT32_MAX - 1, &n))
			wrong(where, "user.additionalGids: not numbers of groups");
	for (i = 0; i < (int)LEN(ranges); i++)
		if (json_get(p, ranges[i].path) && !json_number(p, ranges[i].path, ranges[i].min, ranges[i].max, &n))
			wrong(where, fmt("%s: not a number from %d to %d", ranges[i].path, ranges[i].min, ranges[i].max));
}

void
bundle_check_resources(const struct json *r, const char *where)
{
	check_object(r, 'R', where);
}

static void
check_linux(const struct json *config_json)
{
	const struct json *ns;
	unsigned int seen = 0, fresh = 0;
	bool maps;
	int kind;

	for (ns = json_first(config_json, "linux.namespaces"); ns; ns = ns->next) {
		kind = word_index(BUNDLE_NAMESPACES, json_string(ns, "type"));
		if (seen >> kind & 1)
			wrong("config.json: linux.namespaces", fmt("%s stands there twice", json_string(ns, "type")));
		seen |= 1U << kind;
		fresh |= json_string(ns, "path") ? 0 : 1U << kind;
	}
	if (!(seen >> BUNDLE_MOUNT & 1))
		wrong("config.json: linux.namespaces", "without one of mounts there is no container");
	maps = json_first(config_json, "linux.uidMappings") && json_first(config_json, "linux.gidMappings");
	if (fresh >> BUNDLE_USER & 1 ? !maps : maps && !(seen >> BUNDLE_USER & 1))
		wrong("config.json: linux", "a new namespace of users goes with uidMappings and gidMappings, and they with it");
	if (!(seen >> BUNDLE_UTS & 1) && (json_get(config_json, "hostname") || json_get(config_json, "domainname")))
		wrong("config.json: hostname", "without a namespace uts of its own it would be the host's");
}

void
bundle_open(struct bundle *b, const char *path, bool machine)
{
	char real[PATH_MAX];
	const char *version, *at;

	if (!realpath(path, real))
		die("open bundle %s:", path);
	as_machine = machine;
	b->path = xstrdup(real);
	b->config = bundle_read(fmt("%s/config.json", real));
	version = json_string(b->config, "ociVersion");
	if (version && !after(version, "1."))
		wrong("config.json: ociVersion", fmt("%.40s is not supported, but 1.x is", version));
	check_object(b->config, 'a', "config.json");
	b->process = json_get(b->config, "process");
	if (b->process)
		bundle_check_process(b->process, "config.json: process");
	check_linux(b->config);
	at = json_string(b->config, "root.path");
	b->rootfs = !at ? NULL : *at == '/' ? xstrdup(at) : fmt("%s/%s", real, at);
	b->read_only = json_true(b->config, "root.readonly");
}
