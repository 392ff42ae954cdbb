#!/usr/bin/env bash
# Tests the collector's web page in a real Chromium; skips, and says so, where there is none.
# Usage: run.sh [arguments of pytest]        run.sh --screenshot writes docs/images/collector.png
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/web/chromium.sh
if ! python -c 'import sys; sys.path.insert(0, "tests/web"); import browser; sys.exit(browser.find() is None)'; then
  echo "skipped web: no Chromium on this machine (apt-get install chromium, or CHROMIUM=/path/to/it)"
  exit 0
fi
if [ "${1:-}" = --screenshot ]; then
  exec python tests/web/screenshot.py docs/images/collector.png
fi
exec python -m pytest -q -p no:cacheprovider tests/web "$@"
