#!/usr/bin/env bash
# Makes the virtual environment of the repository and lets it see the working tree as the collection netviz.sflow.
# Usage: venv.sh PYTHON DIRECTORY
set -euo pipefail
python=$1 venv=$2
cd "$(dirname "$0")/../.."

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
  echo "$python is $("$python" --version 2>&1); the control node needs Python 3.10 or newer (make PYTHON=python3.11 ...)" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  tests/install.sh python3-venv || { echo "$python has no venv module: install it and run make again" >&2; exit 1; }
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "==> installing the tools of requirements.txt into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt \
  2> >(grep -v 'is ignored: it is neither a file nor a directory' >&2)
# The `ansible` bundle keeps its collections in site-packages/ansible_collections: ours joins them there.
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
mkdir -p "$site/ansible_collections/netviz"
ln -sfn "$PWD" "$site/ansible_collections/netviz/sflow"
touch "$venv/.ready"
