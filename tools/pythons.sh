#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Lists the Pythons of this machine from 3.9 to 3.13, one of each version, as "VERSION PATH".
set -u
homes=()
if command -v pyenv >/dev/null; then
    for version in $(pyenv versions --bare 2>/dev/null); do homes+=("$(pyenv prefix "$version")/bin"); done
fi
for minor in 9 10 11 12 13; do
    for home in /usr/bin /usr/local/bin "${homes[@]}"; do
        if "$home/python3.$minor" -c 'import venv, ensurepip' 2>/dev/null; then
            printf '3.%s %s\n' "$minor" "$home/python3.$minor"
            break
        fi
    done
done
