#!/usr/bin/env bash
# Puts what cannot be downloaded everywhere where the tests and the demo find it: .cache/releases (laid out as upstream's
# releases) holds the stand-in agent, netviz-sflow/viewer-standin:local is the stand-in viewer. Given real ones
# (HSFLOWD_DEB, SFLOW_RT_IMAGE) are named, and used.
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=$(dpkg --print-architecture)
if [ -n "${HSFLOWD_DEB:-}" ]; then
  echo "agent: $HSFLOWD_DEB"
else
  for version in 2.0.25-3 2.0.53-1 2.1.25-4; do
    for platform in ubuntu18 ubuntu20 ubuntu22 ubuntu24 debian11 debian12 debian13; do
      python3 tests/agent/build.py --version "$version" --platform "$platform" --arch "$arch" --out ".cache/releases/v$version" >/dev/null
    done
  done
  echo "agent: the stand-in of tests/agent (give HSFLOWD_DEB=FILE for a real one)"
fi
if [ -n "${SFLOW_RT_IMAGE:-}" ]; then
  echo "viewer: $SFLOW_RT_IMAGE"
else
  tests/viewer/build.sh
  echo "viewer: the stand-in of tests/viewer (give SFLOW_RT_IMAGE=NAME for a real one)"
fi
