#!/usr/bin/env bash
# Builds netviz-sflow/viewer-standin:local, the stand-in for the image sflow/vizceral, unless it is up to date.
# It needs netviz-sflow/debian12:local (tests/images/build.sh makes it) and prints the name of the image.
set -euo pipefail
cd "$(dirname "$0")"
image=netviz-sflow/viewer-standin:local
base=netviz-sflow/debian12:local
collector=../../roles/collector/files/sflow_collector

docker image inspect "$base" >/dev/null 2>&1 || ../images/build.sh debian12 >&2
base_id=$(docker image inspect -f '{{.Id}}' "$base")
inputs=$( (echo "$base_id"; cat Dockerfile start.sh standin.py build.sh
           find "$collector" -type f ! -path '*/__pycache__/*' | LC_ALL=C sort | xargs cat) | sha256sum | cut -c1-16)

if [ "$(docker image inspect -f '{{index .Config.Labels "netviz.sflow.inputs"}}' "$image" 2>/dev/null)" != "$inputs" ]; then
  former=$(docker image inspect -f '{{.Id}}' "$image" 2>/dev/null || true)
  context=$(mktemp -d)
  trap 'rm -rf "$context"' EXIT
  printf 'log\n' >"$context/.dockerignore"
  cp Dockerfile start.sh standin.py "$context/"
  cp -R "$collector" "$context/"
  find "$context" -name __pycache__ -prune -exec rm -rf {} +
  # The output matters only when it fails; the client warns of its own builder otherwise.
  docker build --build-arg "BASE=$base" --build-arg "INPUTS=$inputs" --tag "$image" "$context" >"$context/log" 2>&1 ||
    { cat "$context/log" >&2; exit 1; }
  [ -z "$former" ] || docker image rm "$former" >/dev/null 2>&1 || true # unless a container still has it
fi
echo "$image"
