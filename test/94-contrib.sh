#!/bin/sh
# shellcheck disable=SC2016 # scripts
# What contrib/ says for inits that cannot run here: to procd by way of rc.common, and to systemd.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "${0%/*}/lib.sh"
mkdir -p "$T/marks" "$T/bin"
ln -s /nowhere/web "$T/marks/web"
ln -s /nowhere/db "$T/marks/db"
sed -e "s|/var/lib/machines/.enabled|$T/marks|; s|/usr/bin/nspawn-lite wait|echo wait|" "$TOP/contrib/procd" >"$T/machines"
# as OpenWrt's rc.common calls it
cat >"$T/rc.common" <<'END'
enabled() { echo "the command of rc.common"; }
stop_service() { :; }
procd_open_instance() { echo "open $1"; }
procd_set_param() { echo "$*"; }
procd_close_instance() { echo close; }
initscript=$1 action=$2
shift 2
. "$initscript"
start() { start_service "$@"; }
stop() {
	stop_service "$@"
	echo "kill $1"
	if eval 'type service_stopped' 2>/dev/null >/dev/null; then service_stopped; fi
}
$action "$@"
END
rc() { sh "$T/rc.common" "$T/machines" "$@" 2>&1 | tr '\n' ';'; }
instance() {
	printf '%s' "open $1;command /usr/bin/nspawn-lite start --foreground $1;respawn 3600 5 0;term_timeout 100;stderr 1;close;"
}
is 'procd: each enabled machine is an instance' "$(instance db)$(instance web)" "$(rc start)"
is 'procd: or the one that is named' "$(instance web)" "$(rc start web)"
is 'procd: stop waits for all of them' 'kill ;wait db stopped;wait web stopped;' "$(rc stop)"
is 'procd: or for that one' 'kill web;wait web stopped;' "$(rc stop web)"
is 'procd: the commands of rc.common stay its own' 'the command of rc.common;' "$(rc enabled)"
rm "$T"/marks/*
is 'procd: none is enabled' '' "$(rc start)"
if command -v systemd-analyze >/dev/null; then
	sed "s|/usr/bin/nspawn-lite|$NL|; /^Documentation/d" "$TOP/contrib/nspawn-lite@.service" >"$T/nspawn-lite@.service"
	is 'systemd: the unit is one' '' "$(timeout 60 systemd-analyze verify "$T/nspawn-lite@.service" 2>&1)"
else
	skip 'systemd: the unit is one' 'no systemd-analyze'
fi
done_testing
