/* SPDX-License-Identifier: 0BSD */
/* JSON that the runtime writes: by formats, values that were read, and the texts of features and spec */
#include <string.h>

#include "nspawn-lite.h"

void
spec_put(struct out *o, const char *text, ...)
{
	va_list ap;
	char *s, *more;
	size_t n;

	va_start(ap, text);
	s = vfmt(text, ap);
	va_end(ap);
	n = strlen(s);
	if (o->len + n >= o->room) {
		o->room = 2 * (o->len + n) + 1024;
		more = xalloc(o->room);
		if (o->len)
			memcpy(more, o->text, o->len);
		o->text = more;
	}
	memcpy(o->text + o->len, s, n + 1);
	o->len += n;
}

/* depth -1: all in one line */
void
spec_put_json(struct out *o, const struct json *v, int depth)
{
	static const char *const words[] = { "null", "false", "true" };
	const bool list = v->kind == JSON_ARRAY, scalar = !list && v->kind != JSON_OBJECT;
	const struct json *in;

	if (scalar)
		spec_put(o, "%s", v->kind == JSON_STRING ? table_json(v->text) : v->kind == JSON_NUMBER ? v->text
		                  : words[v->kind]);
	else
		spec_put(o, list ? "[" : "{");
	for (in = scalar ? NULL : v->first; in; in = in->next) {
		if (depth >= 0)
			spec_put(o, "\n%*s", 2 * depth + 2, "");
		if (in->name)
			spec_put(o, depth < 0 ? "%s:" : "%s: ", table_json(in->name));
		spec_put_json(o, in, depth < 0 ? -1 : depth + 1);
		if (in->next)
			spec_put(o, ",");
		else if (depth >= 0)
			spec_put(o, "\n%*s", 2 * depth, "");
	}
	if (!scalar)
		spec_put(o, list ? "]" : "}");
}

/* members of an object, "a|b", that are there, each with a comma before it */
char *
spec_members(const struct json *from, const char *names)
{
	const struct json *v;
	struct out o = { 0 };

	spec_put(&o, "%s", "");
	for (v = from->first; v; v = v->next)
		if (word_index(names, v->name) >= 0) {
			spec_put(&o, ",\"%s\":", v->name);
			spec_put_json(&o, v, -1);
		}
	return o.text;
}

const struct json *
spec_parse(char *text, const char *name)
{
	const char *why;
	const struct json *v = json_parse(text, strlen(text), &why);

	if (!v)
		die("%s: %s", name, why);
	return v;
}

char *
spec_pretty(char *text)
{
	struct out o = { 0 };

	spec_put_json(&o, spec_parse(text, "JSON"), 0);
	spec_put(&o, "\n");
	return o.text;
}

/* JSON of a short form: ' is a quotation mark, and <P*Q*R|a b|c d> is PaQbR,PcQdR */
static char *
expand(const char *form)
{
	char *text = xstrdup(form), *pattern, *word, *at;
	struct out o = { 0 };
	int n;

	for (at = text; (at = strchr(at, '\'')); )
		*at = '"';
	for (; *text; text = word + (*word == '>')) {
		word = strchrnul(text, '<');
		spec_put(&o, "%.*s", (int)(word - text), text);
		if (!*word)
			break;
		pattern = word + 1;
		for (word = pattern + strcspn(pattern, "|"); *word == '|'; ) {
			for (at = pattern, word++; ; at++) {
				n = (int)strcspn(at, "*|");
				spec_put(&o, "%.*s", n, at);
				at += n;
				if (*at == '|')
					break;
				n = (int)strcspn(word, " |>");
				spec_put(&o, "%.*s", n, word);
				word += n + (word[n] == ' ');
			}
			spec_put(&o, "%s", *word == '|' ? "," : "");
		}
	}
	return spec_pretty(o.text);
}

/* ---- texts ------------------------------------------------------------------------------------- */

char *
spec_features(void)
{
	struct out caps = { 0 }, flags = { 0 };
	const char *name;
	int n;

	for (n = 0; (name = user_capability_name(n)); n++)
		spec_put(&caps, "|%s", name);
	for (n = 0; (name = mount_flag_name(n)); n++)
		spec_put(&flags, "|%s", name);
	return expand(fmt("{'ociVersionMin':'1.0.0','ociVersionMax':'" SPEC_VERSION "',"
		"'hooks':[<'*'|prestart|createRuntime|createContainer|startContainer|poststart|poststop>],"
		"'linux':{'namespaces':[<'*'|" BUNDLE_NAMESPACES ">],"
		"'cgroup':{'v1':true,'v2':true,'systemd':false,'systemdUser':false},"
		"<'*':{'enabled':true}|apparmor|selinux>,"
		"'intelRdt':{'enabled':false},'mountExtensions':{'idmap':{'enabled':true}},'seccomp':{'enabled':true,"
		"'actions':[<'SCMP_ACT_*'|ALLOW|ERRNO|KILL|KILL_PROCESS|KILL_THREAD|LOG|NOTIFY|TRACE|TRAP>],"
		"'operators':[<'SCMP_CMP_*'|EQ|GE|GT|LE|LT|MASKED_EQ|NE>]},'capabilities':[<'CAP_*'%s>]},"
		"'potentiallyUnsafeConfigAnnotations':['run.oci.keep_original_groups'],"
		"'mountOptions':[<'*'|bind|rbind|rro|tmpcopyup|" BUNDLE_PROPAGATIONS "%s>]}", caps.text, flags.text));
}

char *
spec_config(void)
{
	return expand("{'ociVersion':'" SPEC_VERSION "','process':{'terminal':true,'user':{'uid':0,'gid':0},"
		"'args':['sh'],"
		"'env':['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin','TERM=xterm'],'cwd':'/',"
		"'capabilities':{"
		"<'*':['CAP_AUDIT_WRITE','CAP_KILL','CAP_NET_BIND_SERVICE']|bounding|effective|permitted>},"
		"'rlimits':[{'type':'RLIMIT_NOFILE','hard':1024,'soft':1024}],'noNewPrivileges':true},"
		"'root':{'path':'rootfs','readonly':true},'hostname':'container','mounts':["
		"<{'destination':'/*','type':'*','source':'*','options':[*]}|proc proc proc |"
		"dev tmpfs tmpfs 'nosuid','strictatime','mode=755','size=65536k'|"
		"dev/pts devpts devpts 'nosuid','noexec','newinstance','ptmxmode=0666','mode=0620','gid=5'|"
		"dev/shm tmpfs shm 'nosuid','noexec','nodev','mode=1777','size=65536k'|"
		"dev/mqueue mqueue mqueue 'nosuid','noexec','nodev'|"
		"sys sysfs sysfs 'nosuid','noexec','nodev','ro'|"
		"sys/fs/cgroup cgroup cgroup 'nosuid','noexec','nodev','relatime','ro'>],"
		"'linux':{'resources':{'devices':[{'allow':false,'access':'rwm'}]},"
		"'namespaces':[<{'type':'*'}|pid|network|ipc|uts|mount|cgroup>],'maskedPaths':['/sys/firmware',"
		"<'/proc/*'|acpi|asound|kcore|keys|latency_stats|timer_list|timer_stats|sched_debug|scsi>],"
		"'readonlyPaths':[<'/proc/*'|bus|fs|irq|sys|sysrq-trigger>]}}");
}
