#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Writes the lock files: the newest versions that requirements/*.in allow, for every supported Python, with their hashes.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${SMALLFLEET_CACHE:-/var/cache/smallfleet}
/usr/bin/python3 -m venv "$cache/uv"
"$cache/uv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
for name in tools:lock oldest:oldest peers:peers uv:uv; do
    "$cache/uv/bin/uv" pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade --quiet \
        --custom-compile-command 'make lock' "requirements/${name%:*}.in" -o "requirements/${name#*:}.txt"
done
