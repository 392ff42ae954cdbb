#!/usr/bin/env bash
# Runs the molecule scenarios named, or all, one after the other. Usage: molecule.sh [SCENARIO ...]
# HSFLOWD_DEB, HSFLOWD_DEB_OLD and SFLOW_RT_IMAGE put real artefacts in the place of the stand-ins.
set -euo pipefail
cd "$(dirname "$0")/.."
export PY_COLORS=0 ANSIBLE_FORCE_COLOR=0

mkdir -p .cache
tests/images/engine.sh
tests/images/build.sh debian12 ubuntu1804 | tee .cache/images.log
tests/demo/artefacts.sh

scenarios=("$@")
if [ $# = 0 ]; then
  for file in molecule/*/molecule.yml; do scenarios+=("$(basename "$(dirname "$file")")"); done
fi
for scenario in "${scenarios[@]}"; do
  echo "==> molecule test: $scenario"
  begun=$SECONDS
  molecule test --scenario-name "$scenario" >".cache/molecule-$scenario.log" 2>&1 || {
    tail -n 120 ".cache/molecule-$scenario.log"
    echo "molecule scenario $scenario failed; the whole log: .cache/molecule-$scenario.log"
    exit 1
  }
  grep -E '^(PLAY RECAP|[^ ]+ +: ok=)|passed|failed' ".cache/molecule-$scenario.log" | tail -n 4
  echo "    passed in $((SECONDS - begun)) s"
done
