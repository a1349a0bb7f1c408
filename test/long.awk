# awk -f test/long.awk FILE... : functions of more than 100 lines, and files
# beyond what was planned for them. Places to look at, no verdict: a switch
# over many cases may well be long. A function's name begins a line, as its
# closing brace does.
BEGIN {
	plan = "instead 520 util 820 sys 1060 walk 200 tree 400 work 150 btrfs 300 copy 1520 stream 1200 netlink 600 nft 700 firewall 400 dhcp 750 tar 1150 unpack 980 pack 650 fetch 1280 sums 200 pull 520 raw 500 disk 710 transfer 1050 " \
		"run 370 mntns 330 root 1410 place 350 mount 1310 userns 600 limit 765 device 780 user 880 payload 620 halt 250 cgroup 1480 seccomp 730 console 540 ring 350 attach 1170 net 1100 move 860 address 1030 forward 700 resolver 1100 lend 300 port 1000 share 270 oci 730 preset 135 layers 340 registry 650 resource 950 " \
		"plan 1280 adopt 560 json 420 settings 450 image 1280 store 1690 images 650 table 340 verb 380 machine 700 start 600 depend 370 carry 450 enter 960 life 500 known 500 machines 820 hook 250 check 880 nspawn-lite 1130 live 470 spec 200 runtime 1680 util.h 695 nspawn-lite.h 1290 config.h 200"
	n = split(plan, p, " ")
	for (i = 1; i < n; i += 2)
		budget[p[i] (p[i] ~ /\.h$/ ? "" : ".c")] = p[i + 1]
}

FNR == 1 { name = "" }
{ lines[FILENAME] = FNR }

/^[A-Za-z_][A-Za-z0-9_]*\(/ {
	name = $0
	sub(/\(.*/, "", name)
	start = FNR
}
/^}/ {
	if (name != "" && FNR - start >= 100)
		printf "%s:%d: %s has %d lines\n", FILENAME, start, name, FNR - start + 1
	name = ""
}

END {
	for (f in lines)
		if (f in budget && lines[f] > budget[f])
			printf "%s has %d lines of %d\n", f, lines[f], budget[f]
}
