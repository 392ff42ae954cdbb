#!/usr/bin/env bash
# The unit tests, twice: on the control node's Python, and on Python 3.6, the oldest that managed hosts have.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "==> unit tests on $(python --version)"
python -m pytest -q -p no:cacheprovider tests/unit

python36=$(tests/images/python36.sh) || {
  echo "skipped: unit tests on Python 3.6: this machine has none (python3.6 on PATH, or one of pyenv)"
  exit 0
}
if [ ! -e .venv-3.6/.ready ]; then
  "$python36/bin/python3.6" -m venv .venv-3.6
  .venv-3.6/bin/pip install --quiet --upgrade "pip==21.3.1" 2>/dev/null  # the one it brings does not know today's wheels
  .venv-3.6/bin/pip install --quiet --disable-pip-version-check -r tests/unit/requirements-3.6.txt \
    2> >(grep -v 'is ignored: it is\|DEPRECATION\|SELinux' >&2)
  touch .venv-3.6/.ready
fi
echo "==> unit tests of the code for managed hosts on $(.venv-3.6/bin/python --version)"
.venv-3.6/bin/python -m pytest -q -p no:cacheprovider tests/unit
