# nm -A OBJECT... | awk -v order="ROOM..." -f test/layers.awk
# The rooms are named from bottom to top. Says which of them uses what a room
# above it defines, and fails if one does.
BEGIN {
	n = split(order, room, " ")
	for (i = 1; i <= n; i++)
		rank[room[i]] = i
}

{
	file = $1
	sub(/:[0-9a-f]*$/, "", file)
	sub(/.*\//, "", file)
	sub(/\.o$/, "", file)
	if (!(file in rank)) {
		print file " is in no layer"
		bad = rank[file] = n + 1
	}
	name = $NF
	kind = $(NF - 1)
}

# C: common; R, S, G: constants and small data; V, W: weak
kind ~ /^[TDBRCSGVW]$/ { home[name] = file }
kind == "U" { use[file SUBSEP name] }

END {
	for (u in use) {
		split(u, p, SUBSEP)
		if (p[2] in home && rank[home[p[2]]] > rank[p[1]]) {
			print p[1] " calls up into " home[p[2]] " (" p[2] ")"
			bad = 1
		}
	}
	exit bad != 0
}
