#!/usr/bin/env bash
# make test: every part by its own make target. Three lanes run side by side, as much of a scenario's time is waiting:
# what needs no containers and then the demo fleet; the scenarios with a network of their own; the others, which share one.
# The whole log of a part is .cache/test/PART.log.
set -euo pipefail
cd "$(dirname "$0")/.."
logs=.cache/test
rm -rf $logs && mkdir -p $logs

part() { # NAME TARGET [VARIABLE=VALUE ...]
  local name=$1 begun=$SECONDS outcome=passed shown='^==>|^skipped|^SKIPPED|[0-9] (passed|failed)|: ok=|^    passed'
  shift
  make --no-print-directory "$@" >$logs/"$name".log 2>&1 || outcome=failed
  echo "$outcome" >$logs/"$name".outcome
  {
    printf '\n======== %s: %s in %d s [%d s]\n' "$name" $outcome $((SECONDS - begun)) $SECONDS
    if [ $outcome = passed ]; then grep -E "$shown" $logs/"$name".log || true; else tail -n 200 $logs/"$name".log; fi
  } >$logs/"$name".said
  cat $logs/"$name".said
}

# The viewer's scenario and the demo both use this machine's own ports.
alone() { (flock 9; part "$@") 9>$logs/ports.lock; }

quick() {
  for name in lint sanity unit web docs; do part $name $name; done
  alone acceptance acceptance
}

apart() {
  alone viewer molecule SCENARIO=viewer
  for name in rollout firewall; do part $name molecule SCENARIO=$name; done
  for name in remove upgrade; do part $name molecule SCENARIO=$name NETVIZ_SUBNET=3; done
}

together() {
  local file name
  for file in molecule/*/molecule.yml; do
    name=$(basename "$(dirname "$file")")
    [[ $name =~ ^(viewer|rollout|firewall|remove|upgrade)$ ]] || part "$name" molecule SCENARIO="$name"
  done
  part platforms molecule SCENARIO=platforms
}

part images images
trap 'kill 0' INT TERM
lanes=0
for lane in quick apart together; do $lane & done
for lane in $(jobs -p); do wait "$lane" || lanes=1; done

passed=$(cat $logs/*.outcome | grep -c passed || true)
failed=$(cat $logs/*.outcome | grep -c failed || true)
printf '\n======== make test: all parts in %d s\n' $SECONDS
if [ "$failed" != 0 ]; then echo "failed: $(grep -l failed $logs/*.outcome | xargs -n1 basename -s .outcome | tr '\n' ' ')"; fi
echo "parts: $passed passed, $failed failed"
[ $lanes = 0 ] || echo "a lane ended before its last part"
[ "$failed$lanes" = 00 ]
