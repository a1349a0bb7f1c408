#!/bin/sh
# What the payload may call: the list, capability by capability, through every
# ABI of the machine; the options that change it; and no machine without a
# filter when one was asked for
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
need_root
t=$(tree busybox) || exit
cp "$(program calls)" "$t/bin/calls" || skip_all 'no program to make calls'
case ${0##*/}:$(uname -m) in *:x86_64) x86=y ;; *) x86='' ;; esac
unset SYSTEMD_SECCOMP

program filter | while read -r p; do
	"$p" >"$T/filter" 2>&1
	echo $? >"$T/filter.rc"
done
is 'the filters of all ABIs do what they shall (filter)' 0 "$(cat "$T/filter.rc")" ||
	note "$(grep -v '^ok' "$T/filter")"

# answer OPTION... -- CALL... : what each call says; those that this ABI does not have are left out
answer() {
	options=''
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # options without blanks
	"$NL" -q --console=pipe -D "$t" $options calls "$@" 2>&1 | grep -v ' none$'
}

# all RESULT : each line of standard input says so, and there are some; what does not is printed
all() {
	grep . >"$T/answer" || echo nothing
	grep -v " $1\$" "$T/answer"
}

# may : the filter let each pass; a kernel that has no such call may say so
may() {
	grep . >"$T/answer" || echo nothing
	grep ' EPERM$' "$T/answer"
}

# ---- the list, with the capabilities that everybody has -------------------------------------

refused='add_key keyctl request_key bpf open_by_handle_at perf_event_open fanotify_init fanotify_mark quotactl
quotactl_fd swapon swapoff kexec_load kexec_file_load pidfd_getfd lookup_dcookie pkey_alloc pkey_free pkey_mprotect
modify_ldt vm86 uselib ustat sysfs _sysctl create_module memfd_secret process_mrelease
mlock mlock2 mlockall munlock munlockall init_module finit_module delete_module ioperm iopl
adjtimex clock_adjtime clock_settime settimeofday acct syslog'
allowed='getpid read openat mount umount2 unshare setns clone3 pivot_root chroot fsopen open_tree move_mount
ptrace process_vm_readv io_setup io_uring_setup socket socketpair connect sched_setaffinity setuid setgroups
kcmp name_to_handle_at personality userfaultfd seccomp splice sethostname reboot vhangup
landlock_create_ruleset cachestat futex_wake futex_wait mseal listmount statmount rseq futex_waitv'
newer='463 464 465 466 467 468 469 470 471 512 559 560 1000 lsm_list_modules'

# shellcheck disable=SC2086 # words
{
is 'what is not for guests is refused' '' "$(answer -- $refused | all EPERM)"
answer -- $allowed >"$T/inside"
"$(program calls)" $allowed | grep -v ' none$' >"$T/outside"
is 'what is allowed is what the kernel makes of it' "$(sed 's/ .*//' "$T/outside" | tr '\n' ' ')" \
	"$(while read -r c r <&8; do
		# it may want something else of us than of them, but not EPERM or ENOSYS
		case $r in EPERM|ENOSYS) grep -qx "$c $r" "$T/outside" || continue ;; esac
		printf '%s ' "$c"
	done 8<"$T/inside")"
is 'calls that are newer than the list are not there' '' "$(answer -- $newer | all ENOSYS)"
}
is 'a call that is none (-1) may be skipped by a tracer' '0xffffffff ENOSYS' "$(answer -- 0xffffffff)"
is "audit's netlink is not there; others are" 'EAFNOSUPPORT ok ok' \
	"$(answer -- socket,16,3,9 socket,16,3,0 socket,2,2,0 | sed 's/.* //' | tr '\n' ' ' | sed 's/ $//')"

# ---- capabilities --------------------------------------------------------------------------

while read -r cap calls <&8; do
	# shellcheck disable=SC2086
	is "$cap: $calls" '' "$(answer --capability="CAP_$cap" -- $calls | may)"
done 8<<END
IPC_LOCK munlockall munlock,0,0
SYS_TIME clock_settime adjtimex settimeofday
SYS_MODULE delete_module
SYS_PACCT acct
SYSLOG syslog
END
[ -z "$x86" ] || is 'SYS_RAWIO: ioperm' '' "$(answer --capability=CAP_SYS_RAWIO -- ioperm iopl | may)"
for cap in SYS_PTRACE:ptrace SYS_BOOT:reboot SYS_TTY_CONFIG:vhangup; do
	is "${cap#*:} is gone with $cap" "${cap#*:} EPERM" "$(answer "--drop-capability=CAP_${cap%:*}" -- "${cap#*:}")"
done
is 'a capability opens what it is for, and no more' '' \
	"$(answer --capability=all --drop-capability=CAP_SYS_TIME -- clock_settime add_key bpf swapon | all EPERM)"

# ---- other ABIs -----------------------------------------------------------------------------

if [ -z "$x86" ]; then
	skip 'the other ABIs' 'not x86_64'
elif ! "$(program calls)" i386/getpid | grep -q ' ok$'; then
	skip 'the other ABIs' 'the kernel runs no 32-bit programs'
else
	is 'int 0x80: i386 programs run' 'i386/getpid ok' "$(answer -- i386/getpid)"
	# shellcheck disable=SC2046,SC2086
	is 'int 0x80: no way around the list' '' \
		"$(answer -- $(printf 'i386/%s ' $refused) | all EPERM)"
	# shellcheck disable=SC2046,SC2086
	is 'int 0x80: newer calls are not there' '' "$(answer -- $(printf 'i386/%s ' $newer) | all ENOSYS)"
	# shellcheck disable=SC2046,SC2086
	is "x32's numbers: no way around the list" '' \
		"$(answer -- $(printf 'x32/%s ' $refused | sed 's#x32/\(_sysctl\|uselib\|create_module\) ##g') | all EPERM)"
	is "x32's own numbers without its bit" '' "$(answer -- 520 521 528 534 544 545 547 | all ENOSYS)"
	is "native numbers with x32's bit" '' "$(answer -- 0x4000003b 0x40000065 0x400000f6 0x4000009c | all ENOSYS)"
	is "audit's netlink through int 0x80" 'i386/socket,16,3,9 EAFNOSUPPORT' "$(answer -- i386/socket,16,3,9)"
fi

# ---- lists -----------------------------------------------------------------------------------

q() { "$NL" -q --console=pipe -D "$t" "$@" 2>&1; }
says() {	# says NAME WANT OPTION... CALL : the last word is the call
	name=$1
	want=$2
	shift 2
	for last; do :; done
	is "$name" "$want" "$(q "$@" | sed -n "s|^$last ||p")"
}
says 'a name is allowed too' EINVAL --system-call-filter=add_key calls add_key
says 'a group is' EINVAL '--system-call-filter=@swap @keyring' calls add_key
says 'of names in one list' 'EINVAL' '--system-call-filter=bpf  add_key' calls add_key
says 'a name with ~ is refused' EPERM '--system-call-filter=~ mount umount2' calls mount
says 'a group with ~ is' EPERM --system-call-filter=~@mount calls mount
says 'what no capability gives is refused with ~' EPERM --system-call-filter=~mseal calls mseal
says 'refusal wins over an earlier allowance' EPERM --system-call-filter=add_key --system-call-filter=~@keyring calls add_key
says 'refusal wins over a later allowance' EPERM --system-call-filter=~@keyring --system-call-filter=add_key calls add_key
says '@known: all there is' EINVAL --system-call-filter=@known calls add_key
says '@known does not make a newer call known' ENOSYS --system-call-filter=@known calls 471
says 'a newer one by name' EPERM --system-call-filter=~lsm_list_modules calls lsm_list_modules
says 'names of other machines are accepted' EPERM \
	'--system-call-filter=s390_runtime_instr rtas cacheflush riscv_hwprobe sync_file_range2' calls add_key
says '~@privileged, which has what we need ourselves' EPERM --system-call-filter=~@privileged calls setuid
says 'the same for another user' EPERM --system-call-filter=~@privileged -u user calls capset
says '~@setuid below our init' EPERM -a '--system-call-filter=~@setuid' calls setuid
is "--nesting: what runtimes call" '' "$(answer --nesting=yes -- add_key keyctl request_key pidfd_getfd | may)"
is '--nesting: no more than that' 'swapon EPERM' "$(answer --nesting=yes -- swapon | grep -v '^nspawn-lite: --nesting without users')"
if [ -n "$x86" ] && "$(program calls)" i386/getpid | grep -q ' ok$'; then
	says 'a list holds for int 0x80 too' EPERM --system-call-filter=~getpid calls i386/getpid
fi
is 'help lists groups and names' '@known @swap bpf pidfd_getfd' "$("$NL" --system-call-filter=help |
	grep -x -e @known -e @swap -e bpf -e pidfd_getfd | tr '\n' ' ' | sed 's/ $//')"
is 'every group and name of it is a word' 0 "$("$NL" plan -D "$t" \
	"--system-call-filter=$("$NL" --system-call-filter=help | tr '\n' ' ')" true >/dev/null; echo $?)"
run q --system-call-filter=~@network-io nosuchcommand
is 'what goes wrong is said even where sending is refused' '127 nspawn-lite: nosuchcommand: not found' \
	"$rc $(echo "$out" | cut -d' ' -f1-4)"

bad() {	# bad TEXT OPTION...
	want=$1
	shift
	run q "$@" touch /started
	like "$* is refused" "1 *$want*" "$rc $out"
	[ ! -e "$t/started" ] || is "$* starts nothing" '' started
}
bad 'nosuch is no system call' --system-call-filter=nosuch
bad 'nosuch is no system call' '--system-call-filter=~getpid nosuch'
bad '@nosuch is no group' --system-call-filter=@nosuch
bad '~getpid: ~ stands before' '--system-call-filter=bpf ~getpid'
bad 'names no system call' --system-call-filter=~
bad 'names no system call' '--system-call-filter=~  '
bad 'names no system call' '--system-call-filter= '
bad 'without execve' --system-call-filter=~execve
bad 'without execve' --system-call-filter=~@default
bad 'without execve' --system-call-filter=~@system-service
bad 'Read is no system call' --system-call-filter=Read
bad 'AF_NOSUCH is no address family' --restrict-address-families=AF_NOSUCH
bad 'unix is no address family' --restrict-address-families=unix
bad 'names no family' --restrict-address-families=~
bad 'none is no address family' --restrict-address-families=~none
bad 'not one of: yes no' --suppress-sync=maybe

if grep -q ' - selinuxfs ' /proc/self/mountinfo; then
	skip "SELinux's labels are refused" 'SELinux is here'
else
	bad 'has no SELinux' -Z system_u:system_r:container_t:s0
	bad 'has no SELinux' --selinux-apifs-context=system_u:object_r:container_file_t:s0
fi
bad 'not an SELinux label' '--selinux-context=a"b'
bad 'not an SELinux label' -L 'a b'

# ---- sockets ---------------------------------------------------------------------------------

families() { answer "$@" -- socket,1,1,0 socket,2,2,0 socket,10,2,0 socket,16,3,0 socket,17,3,0 | sed 's/.* //' | tr '\n' ' '; }
no=EAFNOSUPPORT
is 'only some families' "ok ok $no $no $no " "$(families --restrict-address-families=AF_UNIX --restrict-address-families=AF_INET)"
is 'all but some' "ok ok ok $no $no " "$(families --restrict-address-families=~AF_NETLINK --restrict-address-families=~AF_PACKET)"
is 'none' "$no $no $no $no $no " "$(families --restrict-address-families=none)"
is 'refusal wins' "ok $no $no $no $no " \
	"$(families --restrict-address-families=~AF_INET --restrict-address-families=AF_LOCAL --restrict-address-families=AF_INET)"
is 'pairs of AF_UNIX stay, of others not; io_uring, which makes sockets too, goes' \
	"socketpair EAFNOSUPPORT io_uring_setup EPERM" \
	"$(answer --restrict-address-families=none -- socketpair io_uring_setup | tr '\n' ' ' | sed 's/ $//')"
is 'a pair of AF_UNIX' EFAULT "$(answer --restrict-address-families=none -- socketpair,1,1,0,1 | sed 's/.* //')"
if [ -n "$x86" ] && "$(program calls)" i386/getpid | grep -q ' ok$'; then
	is 'i386: socketcall makes none, and serves those there are' 'ENOSYS ENOSYS EFAULT EAFNOSUPPORT ' \
		"$(answer --restrict-address-families=AF_UNIX -- i386/socketcall,1,0 i386/socketcall,8,0 i386/socketcall,2,1 \
		i386/socket,2,1,0 | sed 's/.* //' | tr '\n' ' ')"
	is 'i386: what a list refuses is refused behind socketcall and ipc, too' 'EPERM EFAULT EPERM EPERM ENOSYS ' \
		"$(answer --system-call-filter=~bind --system-call-filter=~shmdt -- i386/socketcall,2,1 i386/socketcall,3,1 i386/ipc,22 i386/ipc,0x10016 i386/ipc,99 |
		sed 's/.* //' | tr '\n' ' ')"
	is 'i386: without limits socketcall is as ever' 'EFAULT' "$(answer -- i386/socketcall,1,1 | sed 's/.* //')"
fi

# ---- sync ------------------------------------------------------------------------------------

is 'sync and the like do nothing, and say they did' '' \
	"$(answer --suppress-sync=yes -- fsync fdatasync msync,1 syncfs sync_file_range sync_file_range2 sync | all ok)"
o_sync=0x101000
o_dsync=0x1000
case $(uname -m) in mips*) o_sync=0x4010 o_dsync=0x10 ;; esac
is 'files opened for synchronous writing are not' 'ok EINVAL EINVAL ENOSYS ' "$(answer --suppress-sync=yes -- \
	openat,-100,@/etc/passwd,0 openat,-100,@/etc/passwd,$o_sync openat,-100,@/etc/passwd,$o_dsync openat2 |
	sed 's/.* //' | tr '\n' ' ')"
is 'open(2) the same' '' "$(answer --suppress-sync=yes -- open,@/etc/passwd,$o_dsync | grep -v ' EINVAL')"
is 'a refused one stays refused' 'fsync EPERM sync ok ' \
	"$(answer --suppress-sync=yes --system-call-filter=~fsync -- fsync sync | tr '\n' ' ')"
is 'and without it they are what they were' 'fsync EBADF' "$(answer -- fsync)"

# ---- who it is for ----------------------------------------------------------------------------

# caps OPTION... : effective and bounding set, and the mode of seccomp
caps() { q "$@" grep -E '^(Cap(Prm|Eff|Amb)|Seccomp):' /proc/self/status | tr -s '\t\n' '  '; }
root=$(caps | sed -n 's/.*CapEff: \([0-9a-f]*\).*/\1/p')
is 'root keeps what it should' "CapPrm: $root CapEff: $root CapAmb: 0000000000000000 Seccomp: 2 " "$(caps)"
none=0000000000000000
for o in '-u user' '-u 4711' '--no-new-privileges=yes -u user' '-a -u user' '--drop-capability=CAP_SYS_ADMIN -u user'; do
	# shellcheck disable=SC2086
	is "$o: what loads the filter is gone" "CapPrm: $none CapEff: $none CapAmb: $none Seccomp: 2 " "$(caps $o)"
done
less=$(printf '%016x' $((0x$root & ~(1 << 21))))
is 'root without SYS_ADMIN has it no more' "CapPrm: $less CapEff: $less CapAmb: $none Seccomp: 2 " \
	"$(caps --drop-capability=CAP_SYS_ADMIN)"
is 'an ambient capability is all that a user has' \
	"CapPrm: 0000000000002000 CapEff: 0000000000002000 CapAmb: 0000000000002000 Seccomp: 2 " \
	"$(caps -u user --ambient-capability=CAP_NET_RAW)"
is "PID 1 of -a is filtered, and serves" 'Seccomp: 2 7' "$(q -a sh -c 'grep Seccomp: /proc/1/status; exit 7' | tr '\t\n' '  ')$(
	q -a sh -c 'exit 7' >/dev/null; echo $?)"
mkdir "$t/root/closed" "$t/home/user" 2>/dev/null
chmod 700 "$t/root"
cp "$t/bin/busybox" "$t/root/closed/true"
run q -u user /root/closed/true
like 'a user cannot start what is hidden from it' '126 *Permission denied' "$rc $out"
leftovers_before
# shellcheck disable=SC2016 # for the guest
printf '%s\n' 'wait login:' 'send root\n' 'wait #' 'send echo filter: $(grep -c Seccomp:.2 /proc/1/status)\n' \
	'wait filter: 1' 'send calls add_key mount\n' 'wait mount EFAULT' 'send reboot\n' 'wait is being rebooted' \
	'wait login:' 'send root\n' 'wait #' 'send poweroff\n' exit >"$T/script"
out=$("$PTY" -t 120 "$T/script" -- "$NL" -M filtered -b -D "$t" 2>"$T/err")
is 'a whole system boots behind it, reboots, and powers off' 0 $? || note "$out"
like 'and what is refused is refused there' '*add_key EPERM*' "$out"
leftovers_after 'nothing is left'

# ---- where there are no filters -----------------------------------------------------------------

run env NSPAWN_LITE_DENY=seccomp-filter "$NL" -q --console=pipe -D "$t" echo started
is 'a kernel without filters: one line, and it starts' '0 started 1' "$rc $out $(echo "$err" | grep -c CONFIG_SECCOMP_FILTER)"
for o in --system-call-filter=~mount --system-call-filter=add_key --restrict-address-families=AF_UNIX --suppress-sync=yes; do
	run env NSPAWN_LITE_DENY=seccomp-filter "$NL" -q --console=pipe -D "$t" "$o" echo started
	is "$o is refused there" "1  nspawn-lite: ${o%%=*}:" "$rc $out $(echo "$err" | cut -d' ' -f1-2)"
done
for deny in seccomp new; do
	is "without seccomp(2) but prctl(2) it holds the same (DENY=$deny)" 'add_key EPERM' "$(NSPAWN_LITE_DENY=$deny answer -- add_key 2>&1 |
		grep add_key)"
done
is 'SYSTEMD_SECCOMP=0, as the original: no filter' 'add_key EINVAL' "$(SYSTEMD_SECCOMP=0 answer -- add_key)"
run env SYSTEMD_SECCOMP=0 "$NL" -q -D "$t" --system-call-filter=~mount true
like 'but not when one is asked for' '1 *SYSTEMD_SECCOMP=0*' "$rc $err"

# ---- the original, where it is --------------------------------------------------------------------

if [ -z "$x86" ] || ! command -v systemd-nspawn >/dev/null; then
	skip 'every call is as in the original' 'no systemd-nspawn, or another machine'
else
	names=$(sed -n 's/^CALL(\([a-z0-9_]*\),.*/\1 i386\/\1/p' "$TOP/calls.h" | tr '\n' ' ')
	# EPERM, ENOSYS, or what else the kernel says
	sort_out() { sed -n -e '/ none$/d' -e '/ EPERM$/p' -e '/ ENOSYS$/p' -e '/ E\(PERM\|NOSYS\)$/!s/ [^ ]*$/ passed/p'; }
	# shellcheck disable=SC2086
	answer -- $names | sort_out >"$T/mine"
	mkdir -p "$T/x"
	# shellcheck disable=SC2086
	systemd-nspawn -q --console=pipe --register=no --keep-unit -M "calls$$" -D "$t" calls $names </dev/null 2>"$T/err" |
		sort_out >"$T/theirs"
	rmdir "/run/systemd/nspawn/propagate/calls$$" 2>/dev/null
	# Newer than it, and harmless
	is 'every call of x86_64 and i386 is as in the original, but for what programs since have learnt' '' \
		"$(diff "$T/theirs" "$T/mine" | sed -n 's/^[<>] \(i386\/\)\{0,1\}\([a-z0-9_]*\) .*/\2/p' | sort -u |
		grep -vxE 'cachestat|futex_(wait|wake|requeue)|landlock_.*|listmount|statmount|map_shadow_stack|mseal|uretprobe')"
	is 'and all were made' yes "$([ "$(wc -l <"$T/mine")" -gt 700 ] && echo yes)"
fi
done_testing
