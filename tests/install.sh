#!/usr/bin/env bash
# Installs packages of the distribution where that takes no question: as root, or by a sudo that asks for no password, on Debian and
# Ubuntu. Elsewhere it says what to do, and the exit status is 1.
# Usage: install.sh [--mask UNIT ...] [OPTION OF APT ...] PACKAGE ...      --mask: a service of a package that is not to run
set -euo pipefail
cd "$(dirname "$0")/.."

masked=() options=() packages=()
while [ $# -gt 0 ]; do
  case $1 in
    --mask) masked+=("$2"); shift ;;
    -*) options+=("$1") ;;
    *) packages+=("$1") ;;
  esac
  shift
done
if ! command -v apt-get >/dev/null; then
  echo "this is neither Debian nor Ubuntu: install what they call ${packages[*]}" >&2
  exit 1
fi
root=()
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || { echo "only root can install packages: sudo apt-get install ${packages[*]}" >&2; exit 1; }
  root=(sudo -n)
fi
apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }

mkdir -p .cache
log=$(mktemp .cache/install.XXXXXX)
trap 'rm -f "$log"' EXIT
exec 9>.cache/install.lock
flock 9 # the parts of make test run side by side
echo "==> installing ${packages[*]}" >&2
if [ ${#masked[@]} != 0 ] && command -v systemctl >/dev/null; then "${root[@]}" systemctl --quiet mask "${masked[@]}" 2>>"$log"; fi
apt update >>"$log" 2>&1 || true # what is known of the archive may do
apt install -y "${options[@]}" "${packages[@]}" >>"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
