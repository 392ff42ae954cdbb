#!/usr/bin/env bash
# Makes sure that a Docker engine answers: uses the running one, else installs (as root, on Debian and Ubuntu) and starts one.
set -euo pipefail

docker info >/dev/null 2>&1 && exit 0
if [ "$(id -u)" != 0 ]; then
  echo "No Docker engine answers, and only root can start one: start it (sudo systemctl start docker), or run make as root." >&2
  exit 1
fi
command -v dockerd >/dev/null || "$(dirname "$0")/../install.sh" docker.io iptables
docker info >/dev/null 2>&1 && exit 0
echo "==> starting the Docker engine"
if [ -d /run/systemd/system ]; then
  systemctl start docker
else
  setsid nohup dockerd >/var/log/dockerd.log 2>&1 </dev/null &
fi
for _ in $(seq 60); do
  docker info >/dev/null 2>&1 && exit 0
  sleep 0.5
done
echo "The Docker engine did not answer within 30 s; its last words:" >&2
tail -n 5 /var/log/dockerd.log >&2 2>/dev/null || journalctl -u docker -n 5 --no-pager >&2 || true
exit 1
