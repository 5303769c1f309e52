#!/bin/bash
# prepare.sh: makes the guest's kernel and root file system, once, and prints
# the directory that holds them:
#
#   kernel         the linux.uml program
#   root/          the root file system
#
# Usage: prepare.sh [--where]      --where only prints the directory's name
#
# The cache is $UPCALLD_CACHE, else $XDG_CACHE_HOME/upcalld-test, else
# /var/cache/upcalld-test. An entry is named after everything it is made from,
# so a changed package list makes a new one; it is built beside its place and
# renamed into it, so an entry that exists is whole.
set -euo pipefail
umask 022
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin

here=$(dirname "$(realpath "$0")")
suite=bookworm
cache=${UPCALLD_CACHE:-${XDG_CACHE_HOME:-/var/cache}/upcalld-test}/uml

die() { echo "prepare.sh: $*" >&2; exit 1; }

# key prints a name for the inputs: this script, what goes into the root,
# and which Debian it is.
key() {
	{
		echo "$suite $(dpkg --print-architecture)"
		cd "$here" && sha256sum prepare.sh rootfs/*
	} | sha256sum | cut -c1-16
}

entry=$cache/$(key)
if [ "${1:-}" = --where ]; then echo "$entry"; exit; fi
[ $# -eq 0 ] || die "unknown argument $1"

# complete is what a caller may rely on; the directory's rename makes it so.
complete() { [ -x "$entry/kernel" ] && [ -x "$entry/root/lane-init" ]; }

if complete; then echo "$entry"; exit; fi

[ "$(id -u)" = 0 ] || die "must be root: mmdebstrap makes device nodes and owners"
for tool in mmdebstrap dpkg apt-get flock; do
	command -v $tool >/dev/null || die "$tool is not installed"
done

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
# Another prepare may have finished while this one waited for the lock; what
# one that was killed left behind is ours to remove, since we hold the lock.
if complete; then echo "$entry"; exit; fi
rm -rf --one-file-system "$cache"/building.*
work=$(mktemp -d "$cache/building.XXXXXX")
chmod 755 "$work"
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# fetch_kernel unpacks the package rather than installing it: it depends on
# nothing but libc, and the machine is not ours to change.
fetch_kernel() {
	mkdir "$work/deb"
	( cd "$work/deb" && apt-get download -qq -o APT::Sandbox::User=root user-mode-linux >&2 ) ||
		die "apt-get download user-mode-linux failed (is apt-get update needed?)"
	dpkg -x "$work"/deb/user-mode-linux_*.deb "$work/deb/tree"
	cp "$work/deb/tree/usr/bin/linux.uml" "$work/kernel"
}

make_root() {
	local packages
	packages=$(paste -sd, "$here/rootfs/packages")
	mmdebstrap --quiet --variant=minbase --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		$suite "$work/root" >&2
	mkdir -p "$work/root/usr/lib/modules"
	cp -a "$work"/deb/tree/usr/lib/uml/modules/* "$work/root/usr/lib/modules/"
}

# configure_root turns off what a test machine has no use for: each unit and
# generator is a program to start, which is what the guest is slowest at.
configure_root() {
	local etc=$work/root/etc/systemd unit generator
	mkdir -p "$etc/system/multi-user.target.wants" "$etc/system-generators"
	for generator in "$work"/root/usr/lib/systemd/system-generators/*; do
		ln -s /dev/null "$etc/system-generators/${generator##*/}"
	done
	while read -r unit; do
		ln -sfn /dev/null "$etc/system/$unit"
	done <"$here/rootfs/masked"
	install -m 644 "$here/rootfs/lane.service" "$etc/system/lane.service"
	ln -s ../lane.service "$etc/system/multi-user.target.wants/lane.service"
	install -m 755 "$here/rootfs/init" "$work/root/lane-init"
	mkdir "$work/root/host"
}

fetch_kernel
make_root
configure_root
rm -rf "$work/deb"
mv -T "$work" "$entry"
trap - EXIT
echo "$entry"
