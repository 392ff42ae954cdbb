#!/usr/bin/env bash
# The demo: a fleet of containers on this machine, deployed, proved, its pages up. Usage: demo.sh up|down
# HSFLOWD_DEB and SFLOW_RT_IMAGE put real artefacts in the place of the stand-ins: see artefacts.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
inventory=tests/demo/inventory.yml
started=$SECONDS
export ANSIBLE_FORCE_COLOR=${ANSIBLE_FORCE_COLOR:-$([ -t 1 ] && echo true || echo false)}

step() { printf '\n==> [%3d s] %s\n' $((SECONDS - started)) "$*"; }

if [ "$1" = down ]; then
  if ! docker info >/dev/null 2>&1; then
    echo "No Docker engine answers, so no demo fleet is up."
    exit 0
  fi
  step "Taking the viewer away"
  ansible-playbook -i $inventory playbooks/remove.yml --limit viewer
  step "Taking the fleet away"
  ansible-playbook -i $inventory tests/demo/fleet.yml -e demo_state=absent
  exit
fi

step "Docker engine"
tests/images/engine.sh
docker version --format 'engine {{.Server.Version}}'

step "Images of the hosts"
images=$(tests/images/build.sh debian12 ubuntu1804)
echo "$images"

step "The agent's package and the viewer's image"
tests/demo/artefacts.sh

limit=all
if grep -q '^skipped ubuntu1804' <<<"$images"; then
  limit='all:!alpha-1'
elif [[ $(ansible --version) != *'core 2.16'* ]]; then
  limit='all:!alpha-1'
  echo "skipped alpha-1: this ansible-core cannot manage the Python 3.6 of Ubuntu 18.04; ansible-core 2.16 can (Python 3.10 to 3.12)"
fi

step "The fleet: containers with systemd, and traffic between its sites"
ansible-playbook -i $inventory tests/demo/fleet.yml --limit "$limit"

step "Deploy and prove: playbooks/site.yml"
ansible-playbook -i $inventory playbooks/site.yml --limit "$limit"

cat <<END

==> [$(printf '%3d' $((SECONDS - started))) s] The demo fleet is up.
    The fleet and its traffic     http://10.213.2.2:8008/
    The viewer (Vizceral)         http://127.0.0.1:8008/app/vizceral/html/
    Prove it again                make verify
    Log in to a host              docker exec -it netviz-alpha-1 bash
    Take it all away              make demo-down
END
