#!/usr/bin/env bash
# Makes sure of the programs that the collector is compared with: exporters (Open vSwitch, pmacct) and a decoder (tshark).
# Where they cannot be installed it says so; the tests that need them are skipped, each with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

wanted=()
want() { # PROGRAM PACKAGE [UNIT ...]: the tests start it themselves; as a service it is in the way (sfacctd takes the collector's port)
  if command -v "$1" >/dev/null; then return; fi
  wanted+=("$2")
  for unit in "${@:3}"; do wanted+=(--mask "$unit.service"); done
}
want tshark tshark
want ovs-vswitchd openvswitch-switch openvswitch-switch ovs-vswitchd ovsdb-server
want pmacctd pmacct nfacctd pmacctd sfacctd uacctd
[ ${#wanted[@]} = 0 ] || tests/install.sh --no-install-recommends "${wanted[@]}" ||
  echo "skipped: the tests that compare the collector with Open vSwitch, pmacct and tshark where they are not installed"
