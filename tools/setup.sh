#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes this machine ready for the demo or the tests: Debian packages that are missing, and the locked Python tools in the cache.
# Usage: tools/setup.sh demo|test|oldest|newest|peers      prints the folder of the Python environment as its last line.
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:?say what for: demo, test, oldest or newest}
cache=${SMALLFLEET_CACHE:-/var/cache/smallfleet}
say() { printf '%s\n' "$*" >&2; }

# Programs the lab runs on the controller. tinyproxy-bin is the program alone, without a service.
packages=(python3-venv mmdebstrap systemd-container tinyproxy-bin netcat-openbsd openssh-client nftables e2fsprogs iproute2 zstd)
[ "$purpose" = demo ] || packages+=(git qemu-system-x86 shellcheck)

install_packages() {
    local missing=() name
    for name in "${packages[@]}"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing from Debian: ${missing[*]}"
    [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -print -quit)" ] || apt-get update -qq >&2
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}")
    # A second try with fresh lists: old ones may name versions that the mirror no longer has.
    "${install[@]}" >&2 || { apt-get update -qq >&2 && "${install[@]}" >&2; }
}

# DNS servers and their tools for tests on loopback, unpacked and not installed: their packages would start services.
unpack_servers() {
    local packages=(bind9 bind9-dnsutils knot knot-dnsutils) folder=$cache/dns-servers names program found=yes
    for program in named dnssec-signzone nsupdate knotd knotc kdig; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || found=no
    done
    if [ "$found" = yes ] || [ "$(cat "$folder/ready" 2>/dev/null)" = "${packages[*]}" ]; then return; fi
    say "unpacking DNS servers for the tests (once; kept in $cache)"
    rm -rf "$folder" && mkdir -p "$folder/packages"
    names=$(apt-get install --print-uris -qq --no-install-recommends "${packages[@]}" | sed -n "s/^'[^']*' \\([^_]*\\)_.*/\\1/p")
    # shellcheck disable=SC2086 # one word for each package
    (cd "$folder/packages" && apt-get download -qq $names >&2)
    find "$folder/packages" -name '*.deb' -exec dpkg -x {} "$folder" \;
    echo "${packages[*]}" >"$folder/ready"
}

environment() { # python, lock file
    local python=$1 lock=$2 version digest folder
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    digest=$(sha256sum "$lock" | cut -c1-12)
    folder=$cache/venv/$version-$digest
    if [ ! -e "$folder/ready" ]; then
        say "installing the locked Python tools for Python $version (once; kept in $cache)"
        rm -rf "$folder"
        "$python" -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$lock" >&2
        touch "$folder/ready"
    fi
    printf '%s\n' "$folder"
}

case $purpose in demo | test) install_packages ;; esac
mkdir -p "$cache"
case $purpose in
demo) environment /usr/bin/python3 requirements/lock.txt ;;
test) unpack_servers && environment /usr/bin/python3 requirements/lock.txt ;;
oldest) environment /usr/bin/python3 requirements/oldest.txt ;;
peers) environment /usr/bin/python3 requirements/peers.txt ;;
newest)
    python=$(tools/pythons.sh | sort -t. -k2 -n | tail -n 1 | cut -d' ' -f2)
    environment "$python" requirements/lock.txt
    ;;
*) say "unknown purpose: $purpose" && exit 2 ;;
esac
