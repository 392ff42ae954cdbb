#!/usr/bin/env bash
# ansible-test sanity over what git would ship, on the Python of the virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."

tree=$PWD/.cache/sanity/ansible_collections/netviz/sflow
rm -rf "$tree" && mkdir -p "$tree"
# shellcheck disable=SC2016  # $f is the inner shell's
git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' _ |
  tar --null -T - -cf - | tar -C "$tree" -xf -
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
cd "$tree"
git init -q . && git add -A  # ansible-test asks git which files there are

# ansible-test downloads a get-pip.py to start its own virtual environment; where that is out of reach, the pip that
# Python itself carries does the same.
export HOME=$tree/../../../home
mkdir -p "$HOME/.ansible/test/cache"
bootstrap() { printf 'import ensurepip\nensurepip.bootstrap(upgrade=True)\n' >"$HOME/.ansible/test/cache/$1"; }
for name in $(grep -rhoE 'get_pip_[0-9_]+\.py' "$(python -c 'import ansible_test; print(ansible_test.__path__[0])')" | sort -u) get_pip_23_1_2.py; do
  bootstrap "$name"
done
ansible-test sanity --requirements --python "$version" --color no "$@" 2>&1 |
  grep -vE 'is ignored: it is neither a file nor a directory|^(Collecting|Requirement already|Using cached|  Downloading)'
