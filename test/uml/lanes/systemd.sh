# systemd.sh: upcalld's units under a real systemd: started by the first upcall,
# healthy, restarted, and a helper started by a socket in a network namespace.
set -eu
export PATH=/host/bin:$PATH
. /host/referral-lib.sh
. /host/upcalld-lib.sh

make_network
start_name_servers
cp -a /host/root/. /
systemd-sysusers
systemd-tmpfiles --create --prefix=/run/upcalld --prefix=/var/lib/upcalld
systemctl daemon-reload
step installed

property() { systemctl show --value -p "$2" "$1"; }
active() { systemctl is-active "$1" || true; }
net_of() { echo "net:[$(stat -L -c %i /run/netns/"$1")]"; }
units() { (cd /host/root/usr/lib/systemd/system && echo *); }
register() { upcallctl register "$1" --netns /run/netns/"$1"; }

# shellcheck disable=SC2046 # one word per unit
check 'the units are well formed' '' systemd-analyze verify --man=no $(units)

systemctl start upcalld.socket
upcallctl hook enable --takeover --stub /usr/libexec/upcalld/request-key
check 'upcalld waits for the first upcall' inactive active upcalld.service
check 'the upcall that starts it is answered' 10.9.0.10 guest ask srv.example.test
check 'upcalld runs' active active upcalld.service
first=$(property upcalld.service MainPID)
step started

# asks WHEN: each namespace, and the host, has its own answer.
asks() {
	check "cli1 $1" 10.9.0.11 in_net cli1 guest ask srv.example.test
	check "cli2 $1" 10.9.0.12 in_net cli2 guest ask srv.example.test
	check "the host $1" 10.9.0.10 guest ask srv.example.test
}
register cli1
register cli2
asks 'after registration'
check 'it is still the same upcalld' "$first" property upcalld.service MainPID
check 'its state is healthy' running property upcalld.service SubState
check 'it never had to be started again' 0 property upcalld.service NRestarts
systemctl --no-pager --full status upcalld.socket upcalld.service >/host/out/status.txt || true

# What was registered and is not again must not be answered by the host.
lost() {
	check "cli1 $1, not registered again" '!ENOTCONN' in_net cli1 guest ask srv.example.test
	register cli1
	check "cli2 $1, the other registered again" '!ENOTCONN' in_net cli2 guest ask srv.example.test
	register cli2
	asks "$1, registered again"
}
systemctl restart upcalld.service
lost 'after a restart'

systemctl kill --signal=KILL --kill-whom=main upcalld.service
check 'an upcall that finds upcalld killed is answered' 10.9.0.10 guest ask srv.example.test
check 'systemd has started it again' 1 property upcalld.service NRestarts
lost 'after a kill'
step restarted

# The helper by its own socket, without upcalld: what it answers, and where.
socket=$(systemctl show --value -p Listen dns-resolve@cli1.socket | cut -d' ' -f1)
systemctl start dns-resolve@cli1.socket
check 'the helper waits for the first question' inactive active dns-resolve@cli1.service
check 'it answers in its network namespace' "10.9.0.11 $(net_of cli1)" \
	guest question "$socket" etc/netns/cli1 srv.example.test
check 'it runs as a service' active active dns-resolve@cli1.service
check 'its process is in that network namespace' "$(net_of cli1)" \
	readlink /proc/"$(property dns-resolve@cli1.service MainPID)"/ns/net

# A fresh upcalld, with no helper of its own yet, finds that one.
systemctl restart upcalld.service
register cli1
check 'upcalld has it answer' 10.9.0.11 in_net cli1 guest ask srv.example.test
check 'and starts none beside it' "$(property dns-resolve@cli1.service MainPID)" pgrep -x dns-resolve
systemctl --no-pager --full status 'dns-resolve@*' >>/host/out/status.txt || true

check 'nothing has failed' '' systemctl list-units --failed --no-legend 'upcalld*' 'dns-resolve*'
journalctl --no-pager -o short-monotonic -u 'upcalld*' -u 'dns-resolve*' >/host/out/journal.txt
systemd-analyze security --no-pager upcalld.service dns-resolve@cli1.service >/host/out/security.txt || true
step end
