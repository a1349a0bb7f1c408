#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""profile.py PROFILE FILTER: where our filter says something else than libseccomp's; for the ABI of this machine"""
import json, random, struct, sys, tempfile
import seccomp as S

profile = json.load(open(sys.argv[1]))
ops = {'NE': S.NE, 'LT': S.LT, 'LE': S.LE, 'EQ': S.EQ, 'GE': S.GE, 'GT': S.GT, 'MASKED_EQ': S.MASKED_EQ}


def action(name, errno):
    known = {'ALLOW': S.ALLOW, 'KILL': S.KILL, 'KILL_PROCESS': S.KILL_PROCESS, 'TRAP': S.TRAP, 'LOG': S.LOG}
    return known[name[9:]] if name[9:] in known else S.ERRNO(errno)


def run(code, data):
    a = pc = 0
    while True:
        op, jt, jf, k = code[pc]
        pc += 1
        if op == 0x20:
            a = struct.unpack_from('=I', data, k)[0]
        elif op == 0x06:
            return k
        elif op == 0x05:
            pc += k
        elif op == 0x54:
            a &= k
        else:
            yes = {0x15: a == k, 0x25: a > k, 0x35: a >= k, 0x45: bool(a & k)}[op]
            pc += jt if yes else jf


def program(data):
    return [struct.unpack_from('=HBBI', data, i) for i in range(0, len(data), 8)]


usual = action(profile['defaultAction'], profile.get('defaultErrnoRet', 1))
f = S.SyscallFilter(usual)
names, values = set(), {0, 1, 2, 9, 16, 40, 1 << 32, (1 << 64) - 1}
for rule in profile['syscalls']:
    act = action(rule['action'], rule.get('errnoRet', 1))
    if act == usual:
        continue
    args = [S.Arg(a['index'], ops[a['op'][9:]], *([a['value'], a['valueTwo']] if 'MASKED' in a['op'] else [a['value']]))
            for a in rule.get('args') or []]
    values |= {v for a in rule.get('args') or [] for v in (a['value'], a['value'] + 1, a['value'] ^ 1 << 32) if v < 1 << 64}
    for name in rule['names']:
        try:
            f.add_rule(act, name, *args)
            names.add(name)
        except (ValueError, RuntimeError):
            pass
with tempfile.TemporaryFile() as t:
    f.export_bpf(t)
    t.seek(0)
    theirs = program(t.read())
ours = program(open(sys.argv[2], 'rb').read())
arch = S.system_arch()
random.seed(1)
pool = sorted(values)
for nr in range(0, 470):
    for _ in range(20):
        args = [random.choice(pool) for _ in range(6)]
        data = struct.pack('=iIQ6Q', nr, arch, 0, *args)
        a, b = run(ours, data), run(theirs, data)
        if a != b:
            print('call %d %s: %#x, libseccomp %#x' % (nr, args, a, b))
            break
