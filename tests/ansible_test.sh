#!/usr/bin/env bash
# ansible-test over what git would ship, with the Python and the ansible-core that come first on PATH.
# Usage: ansible_test.sh sanity|units [arguments of ansible-test]
set -euo pipefail
cd "$(dirname "$0")/.."
command=$1
shift

version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
place=$PWD/.cache/ansible-test/$version
tree=$place/$command/ansible_collections/netviz/sflow
rm -rf "$tree" && mkdir -p "$tree"
# shellcheck disable=SC2016  # $f is the inner shell's
git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'for f; do [ -e "$f" ] && printf "%s\0" "$f"; done' _ |
  tar --null -T - -cf - | tar -C "$tree" -xf -
cd "$tree"
git init -q . && git add -A  # ansible-test asks git which files there are

# ansible-test downloads a get-pip.py to start its own virtual environments; where that is out of reach, the pip that
# Python itself carries does the same.
export HOME=$place/home
mkdir -p "$HOME/.ansible/test/cache"
source=$(python -c 'import ansible_test; print(ansible_test.__path__[0])')/_internal/python_requirements.py
for pip in $(sed -nE "s/^ +pip='([0-9.]+)',.*/\1/p" "$source" | tr . _); do
  printf 'import ensurepip\nensurepip.bootstrap(upgrade=True)\n' >"$HOME/.ansible/test/cache/get_pip_$pip.py"
done
# ansible-test sees no collections but those beside this one. Some unit tests run a playbook, which needs others.
if [ "$command" = units ]; then
  others=$(python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/ansible_collections
  ln -sf "$others/ansible" "$others/community" ../..
fi
if [ "$command" = sanity ] && ! command -v shellcheck >/dev/null; then
  (cd "$OLDPWD" && tests/install.sh --no-install-recommends shellcheck) || echo "skipped: shellcheck cannot be installed here"
fi
case $command in
  sanity) arguments=(--requirements --python "$version") ;;
  units) arguments=(--requirements --venv --python "$version") ;;
esac
run() {
  ansible-test "$command" "$@" --color no 2>&1 |
    grep -vE 'is ignored: it is neither a file nor a directory|^(Collecting|Requirement already|Using cached|  Downloading)'
}
run "${arguments[@]}" "$@"
# The code for managed hosts on the oldest Python of these, as far as this ansible-test knows it.
if [ "$command" = sanity ] && [[ $(ansible-test sanity --help 2>&1) == *3.6* ]]; then
  if python36=$("$OLDPWD/tests/images/python36.sh"); then
    PATH=$python36/bin:$PATH run --requirements --test compile --test import --target-python "3.6@$python36/bin/python3.6"
  else
    echo "skipped: compile and import on Python 3.6: this machine has none"
  fi
fi
