#!/bin/sh
# JSON of strangers: what we take it for is what another reader takes it for,
# and what is none is told by its line.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
json=$(program json)

# why TEXT : what is said of it, or what was read
why() { printf '%b' "$1" | "$json" -v; }
is 'what is missing is told' 'no JSON: line 2: values without a comma between them' "$(why '{"a": 1\n "b": 2}')"
is 'a text that ends' 'no JSON: line 1: it ends in the middle' "$(why '{"a": [1,')"
is 'more behind it' 'no JSON: line 3: something behind its end' "$(why '[]\n\n[]')"
is 'a number alone' 'no JSON: line 1: neither an object nor an array' "$(why 7)"
is 'no text at all' 'no JSON: line 1: neither an object nor an array' "$(why ' ')"
is 'a string over lines' 'no JSON: line 1: a control character in a string' "$(why '["\n"]')"
is 'text in another code' 'no JSON: line 1: a string that is not UTF-8' "$(why '["\0344"]')"
is 'a 0 in a name' 'no JSON: line 1: a string with a 0 in it' "$(why '{"\\u0000": 1}')"
many() { awk -v n="$1" 'BEGIN { printf "["; for (i = 2; i < n; i++) printf "0,"; printf "0]" }'; }
is 'values up to a bound' 262144 "$(many 131072 | "$json" -v | wc -c | tr -d ' ')"
is 'and no more' 'no JSON: line 1: more than 131072 values' "$(many 131073 | "$json" -v)"
is 'deep brackets end in a sentence' 'no JSON: line 1: brackets within brackets, more than 64 deep' \
	"$(awk 'BEGIN { for (i = 0; i < 100000; i++) printf "[{\"a\":" }' | "$json" -v)"
get() { printf '%s' "$1" | "$json" "$2"; }
is 'a member of a member' '"c"' "$(get '{"a":{"b":"c"}}' a.b)"
is 'of two the last counts' 2 "$(get '{"a":1,"ab":3,"a":2}' a)"
is 'null is not there' - "$(get '{"a":null}' a)"
is 'nor is what a string would have' - "$(get '{"a":"b"}' a.b)"

need python3
python3 "$TESTDIR/json-peer.py" 30000 >"$T/texts" 2>"$T/want" || exit
"$json" <"$T/texts" >"$T/got"
ok 'of 30000 texts a stranger reads the same' cmp "$T/want" "$T/got" ||
	note "$(diff "$T/want" "$T/got" | head -n 10 | cut -c 1-300)"
ok 'many of which are JSON' [ "$(grep -vc '^-$' "$T/want")" -gt 3000 ]
done_testing
