#!/usr/bin/env bash
# Runs the molecule scenarios named, or all, one after the other. Usage: molecule.sh [SCENARIO ...|platforms]
# MOLECULE_CREATE: where another molecule lies that makes and removes the containers: molecule-plugins cannot do that with
# community.docker 5, which comes with the newest ansible-core.
# HSFLOWD_DEB, HSFLOWD_DEB_OLD and SFLOW_RT_IMAGE put real artefacts in the place of the stand-ins: see tests/demo/artefacts.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
export PY_COLORS=0 ANSIBLE_FORCE_COLOR=0

if [ -z "${MOLECULE_CREATE:-}" ] && [[ $(ansible --version) != *'core 2.16'* ]]; then
  echo "The scenarios need ansible-core 2.16: no newer one manages the Python of Ubuntu 18.04. Python 3.10, 3.11 and 3.12 have it:" \
    "rm -rf .venv; make test PYTHON=python3.12"
  exit 1
fi
mkdir -p .cache
tests/images/engine.sh
tests/images/build.sh debian12 ubuntu1804
tests/demo/artefacts.sh

scenario() { # NAME
  if [ -z "${MOLECULE_CREATE:-}" ]; then
    molecule test --scenario-name "$1"
    return
  fi
  local action status=0
  docker ps --all --quiet --filter "name=^$1-" | xargs --no-run-if-empty docker rm --force  # destroy would run cleanup.yml, too
  for action in create prepare check converge idempotence side-effect verify; do
    case $action in
      create) PATH=$MOLECULE_CREATE:$PATH molecule create --scenario-name "$1" ;;
      *) molecule "$action" --scenario-name "$1" ;;
    esac || { status=1; break; }
  done
  PATH=$MOLECULE_CREATE:$PATH molecule destroy --scenario-name "$1" || status=1  # it has cleanup.yml judge, too
  return "$status"
}

run() { # SCENARIO [SUFFIX]
  local log=".cache/molecule-$1${2:-}.log" begun=$SECONDS
  echo "==> molecule test: $1${2:-}"
  scenario "$1" >"$log" 2>&1 || {
    tail -n 120 "$log"
    echo "molecule scenario $1${2:-} failed; the whole log: $log"
    exit 1
  }
  # molecule itself still hands purge_networks to the module of its containers.
  if grep 'DEPRECATION WARNING' "$log" | grep -v "Param 'purge_networks'"; then
    echo "molecule scenario $1${2:-} warns of a deprecation; the whole log: $log"
    exit 1
  fi
  grep -E '^(PLAY RECAP|[^ ]+ +: ok=)|SKIPPED|passed|failed' "$log" | tail -n 6
  echo "    passed in $((SECONDS - begun)) s"
}

# Scenario default on all other platforms, two at a time, each with the collector too; then what can go wrong there, as each
# release of dpkg and systemd has words of its own.
platforms() {
  local built
  built=$(tests/images/build.sh debian11 debian13 ubuntu2004 ubuntu2204 ubuntu2404)
  echo "$built"
  read -ra built <<<"$(sed -nE 's,^(present|built) netviz-sflow/([a-z0-9]+):local.*,\2,p' <<<"$built" | tr '\n' ' ')"
  if [ ${#built[@]} = 0 ]; then echo "no image of another platform could be built"; exit 1; fi
  [ $((${#built[@]} % 2)) = 0 ] || built+=(debian12)
  set -- "${built[@]}"
  while [ $# -gt 0 ]; do
    NETVIZ_COLLECTOR_IMAGE=$1 NETVIZ_AGENT_IMAGE=$2 NETVIZ_AGENT_GROUP=sflow_collector run default "-$1-$2"
    NETVIZ_COLLECTOR_IMAGE=$1 NETVIZ_AGENT_IMAGE=$2 run faults "-$1-$2"
    shift 2
  done
}

scenarios=("$@")
if [ $# = 0 ]; then
  for file in molecule/*/molecule.yml; do scenarios+=("$(basename "$(dirname "$file")")"); done
  scenarios+=(platforms)
fi
for scenario in "${scenarios[@]}"; do
  if [ "$scenario" = platforms ]; then platforms; else run "$scenario"; fi
done
