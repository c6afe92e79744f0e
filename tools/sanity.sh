#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs ansible-test sanity on a copy of what the collection ships and of the integration targets, or with --whole of all files:
# it insists on a folder named ansible_collections/NAMESPACE/NAME.
# Usage: tools/sanity.sh ENVIRONMENT [--whole] [arguments of ansible-test sanity]
set -euo pipefail
cd "$(dirname "$0")/.."
environment=${1:?say which Python environment}
shift
# Files that galaxy.yml keeps out of the collection; those of tests/ that ansible-test reads are copied.
files=(':!molecule' ':!inventories' ':!requirements' ':!tools' ':!tests/*.py')
if [ "${1:-}" = --whole ]; then
    files=()
    shift
fi
cache=${SMALLFLEET_CACHE:-/var/cache/smallfleet}
work=$cache/sanity/$(basename "$environment")
tree=$work/ansible_collections/smallfleet/infra
# One run at a time: the next one, perhaps of another checkout, makes the tree anew.
mkdir -p "$work"
exec 9>"$work/lock"
flock 9
rm -rf "$tree" "${work:?}/bin"
mkdir -p "$tree/tests/output/.tmp" "$work/bin" "$work/delegation" "$work/home/.ansible/test/cache"
# The environment that ansible-test runs itself in; those of its tests are in the home folder.
ln -s "$work/delegation" "$tree/tests/output/.tmp/delegation"
git ls-files -z --cached --others --exclude-standard ':!collections' "${files[@]}" | tar -c --null --ignore-failed-read -T - | tar -x -C "$tree"
git -C "$tree" init -q
git -C "$tree" add -A
tools/pythons.sh | while read -r version path; do ln -sf "$path" "$work/bin/python$version"; done
# ansible-test would download a bootstrap script for the pip version that it names.
site=$("$environment/bin/python" -c 'import ansible_test, os; print(os.path.dirname(ansible_test.__file__))')
grep -ohE "pip='[0-9.]+'" "$site/_internal/python_requirements.py" | grep -oE '[0-9.]+' | while read -r version; do
    cp tools/get_pip.py "$work/home/.ansible/test/cache/get_pip_${version//./_}.py"
done
cd "$tree"
HOME=$work/home PATH=$environment/bin:$work/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin exec "$environment/bin/ansible-test" sanity --venv --requirements --color no "$@"
