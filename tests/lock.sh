#!/usr/bin/env bash
# Settles what requirements.in asks for, for every Python the control node may have, in requirements.txt.
# Without arguments, versions that still fit stay. Usage: lock.sh [--upgrade | --upgrade-package NAME]
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x .cache/lock/bin/uv ] || {
  python3 -m venv .cache/lock
  .cache/lock/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
}
.cache/lock/bin/uv --quiet --system-certs pip compile --universal --python-version 3.10 --no-python-downloads \
  --generate-hashes --no-annotate --no-emit-index-url --custom-compile-command "make lock" \
  --output-file requirements.txt "$@" requirements.in
