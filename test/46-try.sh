. "${0%/*}/lib.sh"
. "${0%/*}/net.sh"
mkdir -p "$T/etc"
echo 'nameserver 127.0.0.1' >"$T/etc/resolv.conf"
mount --bind "$T/etc/resolv.conf" /etc/resolv.conf
dnsmasq -k -C /dev/null -R -h --port=53 -u root -x "$T/x.pid" --listen-address=127.0.0.1 --bind-interfaces --host-record=here.lan,192.0.2.7,2001:db8::7 &
background_pids="$background_pids $!"
sleep 1
root=$(tree)
timeout 10 $NL -D $root -M one -n sh -c 'cat /etc/resolv.conf; ip addr; nslookup here.lan' 2>&1
timeout 10 $NL -D $root -M one -q -n --read-only sh -c 'cat /etc/resolv.conf;  nslookup one' 2>&1
cat $root/etc/resolv.conf
echo 'nameserver 198.51.100.7' >/etc/resolv.conf
timeout 10 $NL -D $root -M one -q --network-zone=z sh -c 'cat /etc/resolv.conf' 2>&1
timeout 10 $NL -D $root -M one -q --network-zone=z --network-dns=192.0.2.99 sh -c 'cat /etc/resolv.conf' 2>&1
timeout 10 $NL -D $root -M one -q --network-zone=z --network-dns=none sh -c 'cat /etc/resolv.conf' 2>&1
timeout 10 $NL -D $root -M one -q --network-zone=z --resolv-conf=replace-host sh -c 'cat /etc/resolv.conf' 2>&1
