#!/usr/bin/env bash
# The front door, as a newcomer walks through it: make demo, then questions to the running fleet, then make demo-down.
# KEEP_DEMO=1 leaves the fleet up. Extra arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

tests/peers.sh
status=0
tests/demo/demo.sh up && python -m pytest -v -p no:cacheprovider tests/acceptance "$@" || status=$?
[ -n "${KEEP_DEMO:-}" ] || tests/demo/demo.sh down >.cache/demo-down.log 2>&1 || { cat .cache/demo-down.log; status=1; }
exit $status
