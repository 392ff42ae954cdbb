#!/usr/bin/env bash
# Tests the collector's web page in a real Chromium; skips, and says so, where there is none.
# Usage: run.sh [arguments of pytest]        run.sh --screenshot writes docs/images/collector.png
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
if [ ! -x "$python" ]; then python=python3; fi

found() { "$python" -c 'import sys; sys.path.insert(0, "tests/web"); import browser; sys.exit(browser.find() is None)'; }
if ! found && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "==> installing chromium"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null; } || true
fi
if ! found; then
  echo "skipped web: no Chromium on this machine (apt-get install chromium, or CHROMIUM=/path/to/it)"
  exit 0
fi
if ! "$python" -c 'import playwright, pytest' 2>/dev/null; then
  "$python" -m pip install --quiet --disable-pip-version-check pytest -r tests/web/requirements.txt || {
    echo "skipped web: playwright cannot be installed"
    exit 0
  }
fi
if [ "${1:-}" = --screenshot ]; then
  exec "$python" tests/web/screenshot.py docs/images/collector.png
fi
exec "$python" -m pytest -q -p no:cacheprovider tests/web "$@"
