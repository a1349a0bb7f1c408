#!/bin/sh
# The papers say what the program does: the manual's option list is the table's,
# no paper names an option that is not there, and README's examples run.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
top=$(cd "${0%/*}/.." && pwd)
tmp=$(scratch)
nl=$(cd "$(dirname "$NL")" && pwd)/$(basename "$NL")
page=$top/nspawn-lite.8
readme=$top/README

# lacking FILE : the words of standard input that are not lines of it
lacking() { sort -u | grep -vxF -f "$1"; }
# unsaid : the words of standard input that the manual does not have
unsaid() {
	while read -r word; do
		grep -qF -e "$word" "$page" || echo "$word"
	done
}

# ---- the table, and what is made from it -----------------------------------------

"$nl" manual | sed -n 's/^\.It //p' | grep -o 'Fl [^ ]*' | sed 's/^Fl \\-/--/; s/^Fl /-/' | sort -u >"$tmp/table"
"$nl" help | sed -n 's/^  \(-[A-Za-z]\|  \) \(--[a-z0-9-]*\)\{0,1\}.*/\1 \2/p' | tr -s ' ' '\n' |
	grep '^-' | sort -u >"$tmp/help"
"$nl" completion >"$tmp/completion"
sed -n "/local options='/,/^'/s/^\\(--*[A-Za-z0-9-]*\\)=\\{0,1\\}\$/\\1/p" "$tmp/completion" | sort -u >"$tmp/completed"
sed -n "s/.*local verbs='\\([^']*\\)'.*/\\1/p" "$tmp/completion" | tr ' ' '\n' >"$tmp/verbs"

is 'there is a table' yes "$(grep -qx -e --boot "$tmp/table" && grep -qx -e -b "$tmp/table" && echo yes)"
is 'every option is in the help, and no other' '' "$(diff "$tmp/table" "$tmp/help")"
is 'every option is in the completion, and no other' '' "$(diff "$tmp/table" "$tmp/completed")"
is "the manual's option list is the table's: test/manual makes it so" '' \
	"$("$top/test/manual" -n "$nl" 2>&1 | diff - "$page" | head -n 12)"
if command -v bash >/dev/null; then
	is 'the completion is a script for bash' '' "$(bash -n "$tmp/completion" 2>&1)"
	# shellcheck disable=SC2016 # for that bash
	is '--private-n is completed' --private-network "$(bash -c '. "$1"
		COMP_WORDS=(nspawn-lite --private-n) COMP_CWORD=1
		_nspawn_lite nspawn-lite
		echo "${COMPREPLY[*]}"' bash "$tmp/completion" 2>&1)"
	# shellcheck disable=SC2016
	is 'a verb is completed' plan "$(bash -c '. "$1"
		COMP_WORDS=(nspawn-lite pl) COMP_CWORD=1
		_nspawn_lite nspawn-lite
		echo "${COMPREPLY[*]}"' bash "$tmp/completion" 2>&1)"
	# as compgen -d and ls see it
	mkdir -p "$tmp/store/web" "$tmp/store/dns.overlay" "$tmp/store/sd.raw"
	touch "$tmp/store/sd.raw/x" "$tmp/store/web.nspawn"
	mkdir "$tmp/state" "$tmp/state/.logs"
	touch "$tmp/state/runs"
	sed "s,ls /etc/machines ,ls $tmp/store ,; s,ls /run/nspawn-lite ,ls $tmp/state ," "$tmp/completion" >"$tmp/completion-here"
	# completed LINE : what it may go on with; a blank at its end begins a word
	completed() {
		# shellcheck disable=SC2016
		bash -c 'compopt() { :; }; . "$1"
			read -r -a COMP_WORDS <<<"$2"
			[[ $2 != *" " ]] || COMP_WORDS+=("")
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			_nspawn_lite "${COMP_WORDS[0]}"
			echo "${COMPREPLY[*]}"' bash "$tmp/completion-here" "$1" 2>&1 | tr ' ' '\n' | sort | paste -sd ,
	}
	while read -r want line; do
		is "'$line' is completed with what its name has" "$want" "$(completed "$line")"
	done <<-'END'
	--forward-journal= systemd-nspawn --fo
	--forward-journal= nspawn-lite --fo
	--forward-journal= nspawn-lite run --fo
	--follow,--force,--foreground,--format= machinectl --fo
	--follow,--force,--foreground,--format= nspawn-lite start --fo
	END
	while read -r want line; do
		is "after '$line' come" "${want#-}" "$(completed "$line ")"
	done <<-'END'
	dns,sd,web nspawn-lite clone
	dns,sd,web machinectl --quiet export-tar
	dns,sd,web systemd-nspawn -M
	dns,sd,web machinectl start
	dns,sd,web machinectl enable --now
	runs machinectl stop
	runs nspawn-lite exec
	runs machinectl copy-to
	- nspawn-lite -D tree clone
	END
else
	skip 'the completion for bash' 'no bash'
fi

# ---- the manual ---------------------------------------------------------------------

if command -v mandoc >/dev/null; then
	# Whether the manuals it refers to are installed is another matter
	is 'mandoc finds no fault' '' "$(cd "$top" && mandoc -T lint -W style nspawn-lite.8 2>&1 |
		grep '^mandoc: nspawn-lite\.8:' | grep -v 'referenced manual not found')"
else
	skip 'mandoc finds no fault' 'no mandoc'
fi
if command -v man >/dev/null && command -v troff >/dev/null; then
	# What a table has no room for stands far beyond its edge, a word a line
	is 'the manual fits into a terminal' '' "$(LC_ALL=C.UTF-8 MANWIDTH=80 man -l "$page" 2>&1 >/dev/null | grep "can't break")"
else
	skip 'the manual fits into a terminal' 'no man'
fi
# Those of the verb oci are its own
"$nl" oci help | grep -oE -e '--[a-z-]+' >>"$tmp/table"
is 'the manual names no option that is not there' '' "$(grep -v '^\.\\"' "$page" |
	sed 's/Fl \\-/--/g; s/Fl \([A-Za-z]\) *$/-\1/; s/Fl \([A-Za-z]\) /-\1 /g' |
	grep -oE '(^|[^A-Za-z0-9-])-(-[a-z][a-z0-9-]*|[A-Za-z]\>)' | sed 's/^[^-]*//' | lacking "$tmp/table")"
is 'every verb is in the manual, and no other' "$(sort "$tmp/verbs")" \
	"$(sed -n '/^\.Sh VERBS/,/^\.Sh TERMINAL/s/^\.It Cm \([a-z-]*\).*/\1/p' "$page" | sort)"
if [ -e "$top/config.h" ]; then
	is 'the manual has the paths of config.h' '' \
		"$(sed -n '/define IMAGE_PATH/,/define SIZE/p' "$top/config.h" | grep -o '"/[^"]*"' | tr -d '"' | unsaid)"
	# What is ours alone: for tests, and from one life of a machine to the next
	is 'the manual has every variable that is read' '' \
		"$(cat "$top"/*.c | grep -oE 'getenv\("[A-Z_]+"|\{ "[A-Z_]+", "[a-z-]+" \}' | cut -d '"' -f 2 |
			grep -vx -e NSPAWN_LITE_DENY -e NSPAWN_LITE_NAME -e NSPAWN_LITE_MOUNTS -e NSPAWN_LITE_CLAIM -e NSPAWN_LITE_RESTARTS | unsaid)"
fi

# ---- README ------------------------------------------------------------------------

is 'README is two screens at most' '' "$(sed -n '121,$p' "$readme")"
is 'README has no line wider than a terminal' '' "$(awk 'length($0) > 80' "$readme")"
is 'README names no option that is not there' '' \
	"$(grep -oE '(^|[^A-Za-z0-9-])--[a-z][a-z0-9-]*' "$readme" | sed 's/^[^-]*//' | lacking "$tmp/table")"
is 'README names no target that make does not have' '' "$(grep -oE 'make [a-z]+' "$readme" | sort -u |
	while read -r _ target; do
		grep -qE "^([a-z-]+ )*$target( [a-z-]+)*:" "$top/Makefile" || echo "$target"
	done)"

# Its examples are lines that begin with a prompt; what is printed stands below
mkdir "$tmp/examples"
awk -v dir="$tmp/examples" '
	/^    \$ / {
		n++
		print substr($0, 7) >(dir "/" n)
		printf "" >(dir "/" n ".prints")
		on = 1
		next
	}
	!/^    / { on = 0 }
	/^    / && on { print substr($0, 5) >(dir "/" n ".prints"); next }
	/^Differences/ { exit }' "$readme"
count=$(find "$tmp/examples" -name '*.prints' | wc -l)
is 'README has fourteen examples' 14 "$((count))"

if [ "$(id -u)" != 0 ]; then
	skip "README's examples run" 'needs root'
elif ! "$top/test/guest" -n "$tmp/build" >"$tmp/log" 2>&1; then
	skip "README's examples run" "no guest: $(tail -n 1 "$tmp/log")"
else
	ln -s "$nl" "$tmp/build/nspawn-lite"
	cd "$tmp" || exit
	i=0
	while [ "$i" -lt "$count" ]; do
		i=$((i + 1))
		command=$(cat "$tmp/examples/$i")
		case $command in
		*' -x '*)
			if ! grep -qw overlay /proc/filesystems && ! modprobe overlay 2>/dev/null; then
				skip "README: $command" 'no overlayfs'
				continue
			fi ;;
		esac
		# a verb may have nothing to say
		if [ -s "$tmp/examples/$i.prints" ] || [ "${command#build/nspawn-lite [a-z]}" != "$command" ]; then
			is "README: $command" "$(cat "$tmp/examples/$i.prints")" \
				"$(timeout 60 sh -c "$command" </dev/null 2>&1)"
		elif [ -x "${nl%/*}/pty" ]; then
			# A prompt, and the keys that README names
			is "README: $command" 'Container guest terminated by signal KILL.' \
				"$("${nl%/*}/pty" -t 60 -e 'wait # ' -e 'send \x1d\x1d\x1d' -e 'exit 137' -- sh -c "$command" 2>&1 |
					tr -d '\r' | grep '^Container ')"
		else
			skip "README: $command" 'no program pty'
		fi
	done
fi
finish
