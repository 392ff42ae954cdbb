#!/usr/bin/env bash
# Makes sure of a Chromium, where one can be installed. The names are those that browser.py looks for.
set -euo pipefail
cd "$(dirname "$0")/../.."

for name in ${CHROMIUM:-} chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$name" >/dev/null; then exit; fi
done
tests/install.sh --no-install-recommends chromium || true # make web says that it is skipped
