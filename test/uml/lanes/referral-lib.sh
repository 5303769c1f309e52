# referral-lib.sh: three clients, three NFS servers, one host name. Sourced.
#
#	client   address      srv.example.test is   which is the server
#	host     10.9.0.20    10.9.0.10             srv0
#	cli1     10.9.0.21    10.9.0.11             srv1
#	cli2     10.9.0.22    10.9.0.12             srv2
#
# All are on one network and every client may reach every server, so that a
# foreign answer leads to a foreign file, not to an error. Each client has a
# name server of its own, all at the same address, in files that are the same
# byte for byte: nothing but the network namespace tells the answers apart.
#
# On each server /ref refers to /data on srv.example.test, and /data/whoami says
# the server's name: a symbolic link, because a server that has just started
# makes whoever opens a file wait out its grace period. Each client has its own server's root at /mnt/CLIENT: the
# referral is what makes the kernel ask, mount(8) resolves names by itself.

step() { echo "[$(cut -d' ' -f1 /proc/uptime)] $*"; }

# in_net NAMESPACE COMMAND...: with the caller's mount namespace, which ip netns
# exec would replace by one that vanishes with the command and its mounts.
in_net() {
	local ns=$1; shift
	if [ "$ns" = host ]; then "$@"; else nsenter --net=/run/netns/"$ns" "$@"; fi
}

# plug NAMESPACE ADDRESS: connects it to the bridge in the namespace lan.
plug() {
	ip link add name "$1" type veth peer name "p-$1"
	ip link set dev "p-$1" netns lan
	ip -n lan link set dev "p-$1" master bridge up
	[ "$1" = host ] || ip link set dev "$1" netns "$1"
	in_net "$1" ip addr add "$2/24" dev "$1"
	in_net "$1" ip link set dev "$1" up
	in_net "$1" ip link set lo up
}

make_network() {
	local module
	for module in bridge veth nfsd nfsv4 dns_resolver; do modprobe $module; done
	ip netns add lan
	ip -n lan link add name bridge type bridge
	ip -n lan link set dev bridge up
	plug host 10.9.0.20
	local n
	for n in 0 1 2; do
		ip netns add srv$n
		plug srv$n 10.9.0.1$n
	done
	for n in 1 2; do
		ip netns add cli$n
		plug cli$n 10.9.0.2$n
	done
}

# start_name_servers writes the one resolv.conf to every place it is read from.
start_name_servers() {
	local n=0 client
	for client in host cli1 cli2; do
		mkdir -p /etc/netns/$client
		printf 'nameserver 127.0.0.53\noptions timeout:2 attempts:2\n' >/etc/netns/$client/resolv.conf
		in_net $client guest nameserver 127.0.0.53:53 srv.example.test=10.9.0.1$n &
		n=$((n + 1))
	done
	cp /etc/netns/host/resolv.conf /etc/resolv.conf
	rm -r /etc/netns/host
}

# start_nfs_server N: knfsd is one per network namespace, and its user space
# keeps state in fixed places, so each server has a mount namespace of its own.
start_nfs_server() {
	mkdir -p /etc/netns/srv$1
	cat >/etc/netns/srv$1/exports <<-EXPORTS
		/srv      *(ro,fsid=0,insecure,no_subtree_check,crossmnt)
		/srv/data *(ro,fsid=1$1,insecure,no_subtree_check)
		/srv/ref  *(ro,fsid=2$1,insecure,no_subtree_check,refer=/data@srv.example.test)
	EXPORTS
	ip netns exec srv$1 bash -eu -c '
		mount -t tmpfs tmpfs /srv
		mkdir /srv/data /srv/ref
		mount --bind /srv/ref /srv/ref
		mount --bind /srv/data /srv/data
		ln -s $0 /srv/data/whoami
		mount -t tmpfs tmpfs /var/lib/nfs
		mkdir /var/lib/nfs/v4recovery
		mount -t nfsd nfsd /proc/fs/nfsd
		exportfs -ra
		rpc.mountd --no-nfs-version 2 --no-nfs-version 3
		rpc.nfsd --no-nfs-version 3 --nfs-version 4.2 --host 10.9.0.1${0#srv} 1
	' srv$1
}

# mount_client CLIENT N: a client's identifier keeps the servers from taking
# three clients on one machine for one.
mount_client() {
	if [ "$1" = host ]; then
		echo host >/sys/fs/nfs/net/nfs_client/identifier
	else
		ip netns exec $1 sh -c "echo $1 >/sys/fs/nfs/net/nfs_client/identifier"
	fi
	mkdir -p /mnt/$1
	in_net $1 mount -t nfs4 -o vers=4.2,sec=sys,ro,retry=0 10.9.0.1$2:/ /mnt/$1
}

make_referrals() {
	local n=0 client
	make_network; step network
	start_name_servers; step name servers
	for n in 0 1 2; do start_nfs_server $n; done; step NFS servers
	n=0
	for client in host cli1 cli2; do
		mount_client $client $n
		n=$((n + 1))
	done
	step NFS clients
}

# scenario HANDLER NAME FLAG... CLIENT=SERVER...: from an empty cache; its result
# is named after both. With -retries a client that is refused asks again, which
# is counted: on a busy machine the stub may refuse one that nobody competes with,
# because the kernel takes too long to show it that it is alone.
scenario() {
	local handler=$1 name=$2; shift 2
	guest forget
	guest rounds -name "$handler/$name" -out "/host/out/$handler.$name.json" "$@"
}
