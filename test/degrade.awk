# The table of what kernels lack, in mdoc, of degrade.rows: test/manual puts it
# into nspawn-lite.8. A sentence begins a line there.

function put(text, words, n, i, line) {
	n = split(text, words, " ")
	line = ""
	for (i = 1; i <= n; i++) {
		if (length(line) + length(words[i]) > 76) {
			print line
			line = ""
		}
		if (line == "" && words[i] ~ /^[.']/)
			words[i] = "\\&" words[i]
		line = line (line == "" ? "" : " ") words[i]
		if (words[i] ~ /[a-z0-9)]\.$/) {
			print line
			line = ""
		}
	}
	if (line != "")
		print line
}

# as it is printed
function literal(s) {
	gsub(/\$dir/, "DIR", s)
	gsub(/\*/, "...", s)
	gsub(/-/, "\\-", s)
	return s
}

# those that stand before the command
function options(s, words, n, i, out) {
	n = split(s, words, " ")
	out = ""
	for (i = 2; i <= n && words[i] ~ /^-/; i++)
		if (words[i] != "-q")
			out = out (out == "" ? "" : " ") words[i] (words[i] == "-p" ? " " words[++i] : "")
	return out
}

# what was typed, for people: its options, or the last verb but those that look after it
function typed(s, o, verb, words, n, i) {
	n = split(s, words, " ")
	for (i = 1; i < n; i++)
		if (words[i] == "nl" && words[i + 1] ~ /^[a-z]/ && words[i + 1] !~ /^(stop|exec|wait|remove)$/)
			verb = words[i + 1]
	o = options(s)
	return verb != "" ? ".Cm " verb " :" : o == "" ? "Any start:" : ".Li " literal(o) " :"
}

function flush(i, any) {
	if (missing != "" && loses != "") {
		print ".It " missing
		put(loses)
		for (i = 1; i <= n; i++) {
			if (says[i] == "" || (says[i] == "*" && !status[i]))
				continue
			if (!any++)
				print ".Bl -dash -compact"
			print ".It"
			print typed(types[i])
			if (says[i] == "*") {
				print "refused"
				continue
			}
			print ".Do"
			put(literal(says[i]))
			print status[i] ? ".Dc , refused" : ".Dc"
		}
		if (any)
			print ".El"
	}
	missing = loses = ""
	n = 0
}

BEGIN { print ".Bl -tag -width Ds" }
/^missing / { flush(); missing = substr($0, 9) }
/^loses / { loses = substr($0, 7) }
/^types / { n++; types[n] = substr($0, 7); says[n] = ""; status[n] = 0 }
/^says / { says[n] = substr($0, 6) }
/^status / { status[n] = $2 }
END { flush(); print ".El" }
