#!/usr/bin/env bash
# The unit tests, twice: on the control node's Python, and on Python 3.6, the oldest that managed hosts have.
# Usage: unit.sh [PYTHON]    PYTHON: an interpreter to run the tests of the code for managed hosts on, and nothing else
set -euo pipefail
cd "$(dirname "$0")/.."

managed() { # INTERPRETER, in a virtual environment of its own
  local version venv
  version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  venv=.cache/unit/$version
  if ! cmp -s tests/unit/requirements.txt "$venv/installed"; then
    rm -rf "$venv" && "$1" -m venv "$venv"
    # The pip of Python 3.6 does not know today's wheels.
    [ "$version" != 3.6 ] || "$venv/bin/pip" install --quiet --upgrade "pip==21.3.1" 2> >(grep -v 'You are using pip\|You should consider' >&2)
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/unit/requirements.txt \
      2> >(grep -v 'is ignored: it is\|DEPRECATION\|SELinux' >&2)
    cp tests/unit/requirements.txt "$venv/installed"
  fi
  echo "==> unit tests of the code for managed hosts on Python $version"
  "$venv/bin/python" -m pytest -q -n auto -p no:cacheprovider tests/unit
}

tests/peers.sh
if [ $# != 0 ]; then
  managed "$1"
  exit
fi
echo "==> unit tests on $(python --version)"
python -m pytest -q -n auto -p no:cacheprovider tests/unit
if python36=$(tests/images/python36.sh); then
  managed "$python36/bin/python3.6"
else
  echo "skipped: unit tests on Python 3.6: this machine has none (python3.6 on PATH, or one of pyenv)"
fi
