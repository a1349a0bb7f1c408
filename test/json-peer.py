# SPDX-License-Identifier: 0BSD
# json-peer.py N : N texts that are JSON, or nearly, to standard output, and to standard error what Python makes of each, as
# test-json writes it
import json
import random
import sys

seeds = [
    '{"schemaVersion":2,"manifests":[{"size":7143,"digest":"sha256:e692","platform":{"os":"linux","os.version":null}}]}',
    '{ "process": { "args": ["sh", "\\u0041\\ud83d\\ude00\\n\\t\\\\\\/\\""], "terminal": true },\n "a": {}, "b": [ ] } \r\n',
    '[0,-0,1,-12,0.5,1.25e10,1E-3,1e+2,123456789012345678901234567890,true,false,null,"",{},[[]]]',
    '["\u00e4\u20ac\U0001f600\x7f", "\\ud83d\\ude00\\u00e4\\u20ac", "\\b\\f"]',
]
marks = ['"', '\\', '\\u', '\\ud800', '\\udc00', '\\u0000', '{', '}', '[', ']', ',', ':', '0', '-', '.', 'e', '1', 'true', 'nul', 'NaN',
         '-Infinity', ' ', '\n', '\t', '\x01', '\x0b', '\x7f', '\x80', '\xff', '\xc3', '\xa4', '\xed\xa0\x80', '\xf4\x90\x80\x80', '\xc0\x80',
         '//', "'", '\u00a0', '\ufeff']


def no(word):
    raise ValueError(word)


def text(s):
    s = s.encode('utf-8')  # half of a pair is an error
    if 0 in s:
        raise ValueError
    return '"%s"' % ''.join(chr(c) if 32 < c < 127 and c not in b'"\\' else '\\%02x' % c for c in s)


def show(v, depth=0):
    if depth >= 64 and isinstance(v, (list, Members)):
        raise ValueError
    if isinstance(v, Number):
        return v.text
    if isinstance(v, str):
        return text(v)
    if isinstance(v, Members):
        return '{%s}' % ','.join(text(a) + ':' + show(b, depth + 1) for a, b in v.pairs)
    if isinstance(v, list):
        return '[%s]' % ','.join(show(w, depth + 1) for w in v)
    return {None: 'null', True: 'true', False: 'false'}[v]


class Number:
    def __init__(self, s):
        self.text = s


class Members:
    def __init__(self, pairs):
        self.pairs = pairs


def answer(raw):
    try:
        v = json.loads(raw.decode('utf-8'), parse_int=Number, parse_float=Number, parse_constant=no, object_pairs_hook=Members)
        if not isinstance(v, (list, Members)):
            return '-'
        return show(v)
    except (ValueError, RecursionError):
        return '-'


def mark(r):
    m = r.choice(marks)
    return m.encode('utf-8') if max(m) > '\xff' or r.random() < 0.3 else m.encode('latin-1')


r = random.Random(1)
for i in range(int(sys.argv[1])):
    raw = seeds[i % len(seeds)].encode('utf-8')
    if i >= len(seeds):
        for _ in range(r.choice([1, 1, 1, 2, 3])):
            at = r.randrange(len(raw) + 1)
            to = min(len(raw), at + r.choice([0, 0, 1, 1, 2, 5]))
            put = mark(r) if r.random() < 0.7 else raw[r.randrange(len(raw)):][:r.randrange(20)] if raw else b''
            raw = raw[:at] + put + raw[to:]
    if i % 500 == 499:
        n = r.choice([62, 63, 64, 65, 66])
        raw = b'[' * n + b']' * n
    raw = raw.replace(b'\0', b'') or b' '
    sys.stdout.buffer.write(raw + b'\0')
    print(answer(raw), file=sys.stderr)
