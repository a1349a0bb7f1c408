# shellcheck shell=sh disable=SC2034 # variables for the tests
# For tests that stop a command at its system calls (step.c), to be sourced behind lib.sh. CRASH=all takes each call,
# else some, and CRASH_OFFSET others.
# step			the program; stepping		true where it works
# prepare, check	of the test: done before each case, and after it; what they print was wrong. check knows $how, and
#			of the command $status, $T/out and $T/err; prepare by itself does nothing
# each HOW STRIDE WORD...	a case at every STRIDEth call of this command, from $first on; prints what was wrong, and
#			writes their number into $T/cases. $on, if there is any, is what it is run on
# what_is		of the test: prints all that a case could leave
# same			prints how that differs from what it was, once: the kernel takes its time
# stepped SENTENCE STRIDE WORD...	is a test: killed at each

step=$(program step)
stepping() { "$step" works 2>/dev/null; }
first=1
on=''
prepare() { :; }

each() {
	how=$1
	stride=$2
	shift 2
	k=$((first + ${CRASH_OFFSET:-0}))
	[ "${CRASH:-}" != all ] || k=1 stride=1
	cases=0
	most=5
	# shellcheck disable=SC2086 # words are words
	while
		wrong=$(prepare)
		timeout 100 $on "$step" "$how" $k "$T/hit" "$@" </dev/null >"$T/out" 2>"$T/err"
		status=$?
		read -r hit call who remark <"$T/hit" && [ "$hit" != end ]
	do
		wrong="$wrong$(check)"
		[ "$remark" != hangs ] || wrong="$wrong hangs"
		if [ -n "$wrong" ]; then
			echo "$how at call $k, $call of the $who: $wrong $(cat "$T/out" "$T/err" | head -n 3)" | tr '\n' ' '
			most=$((most - 1))
			[ $most -gt 0 ] || break
		fi
		cases=$((cases + 1))
		k=$((k + stride))
	done
	check
	echo $cases >"$T/cases"
}
# shellcheck disable=SC2317 # called by wait_for
is_same() {
	what_is >"$T/now"
	cmp -s "$T/before" "$T/now"
}
same() {
	TRIES=100 wait_for is_same && return
	diff "$T/before" "$T/now" | grep '^[<>]' | head -n 3
	cp "$T/now" "$T/before"
}
stepped() {
	what=$1
	shift
	what_is >"$T/before"
	wrong=$(each kill "$@")
	is "$what ($(cat "$T/cases") calls)" '' "$(printf %.900s "$wrong")"
}
