#!/usr/bin/env bash
# Puts what cannot be downloaded everywhere where the tests and the demo find it: .cache/releases (laid out as upstream's releases)
# holds the stand-in agent, netviz-sflow/viewer-standin:local is the stand-in viewer. Real ones that are given (HSFLOWD_DEB,
# HSFLOWD_DEB_OLD, SFLOW_RT_IMAGE) are named, and used. .cache/packages/newer and older have one package for each platform.
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=$(dpkg --print-architecture)
platforms=(ubuntu18 ubuntu20 ubuntu22 ubuntu24 debian11 debian12 debian13)
python3 tests/agent/build.py --version 2.0.25-3 2.0.53-1 2.1.25-4 --platform "${platforms[@]}" --arch "$arch" \
  --out '.cache/releases/v{version}' >/dev/null
packages() { # WHERE NAME OPTION ...
  python3 tests/agent/packages.py --given "$1" --out ".cache/packages/$2" "${@:3}" --arch "$arch" --platforms "${platforms[@]}"
}
say() { echo "$1: ${2//$'\n'/$'\n'$1: }"; }
newer=$(packages "${HSFLOWD_DEB:-}" newer --version 2.1.25-4)
older=$(packages "${HSFLOWD_DEB_OLD:-}" older --version 2.0.50-3 2.0.21-7 --older-than .cache/packages/newer)
if [ -n "${HSFLOWD_DEB:-}" ]; then
  say agent "$newer"
else
  echo "agent: the stand-in of tests/agent (give real ones with HSFLOWD_DEB=, a file, a directory, or a pattern with {platform})"
fi
if [ -n "${HSFLOWD_DEB_OLD:-}" ]; then say "older agent" "$older"; fi
if [ -n "${SFLOW_RT_IMAGE:-}" ]; then
  docker image inspect "$SFLOW_RT_IMAGE" >/dev/null 2>&1 || docker pull --quiet "$SFLOW_RT_IMAGE" >/dev/null
  echo "viewer: $SFLOW_RT_IMAGE"
else
  tests/viewer/build.sh
  echo "viewer: the stand-in of tests/viewer (give a real one with SFLOW_RT_IMAGE=NAME)"
fi
