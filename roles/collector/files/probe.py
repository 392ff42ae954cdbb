# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says in one line of JSON what the role has to know about the host. Run by the collector's Python; changes nothing.

Arguments: paths (files or directories) that the running service depends on, "--", networks that may send.
"""

import importlib.util
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import time


def systemd():
    """The version of systemd, or None where it does not run."""
    if not os.path.isdir("/run/systemd/system"):
        return None
    answer = subprocess.check_output(["systemctl", "--version"]).decode("ascii", "replace")
    return int("".join(c if c.isdigit() else " " for c in answer.split()[1]).split()[0])


def service():
    """The properties of the service; a service that is not there has LoadState=not-found."""
    names = "LoadState,ActiveState,UnitFileState,ExecMainStartTimestampMonotonic"
    answer = subprocess.check_output(["systemctl", "show", "sflow-collector.service", "--property", names])
    return dict(line.split("=", 1) for line in answer.decode("utf-8", "replace").splitlines() if "=" in line)


def newest(paths):
    """When the newest of the files was written; a time in the future is none."""
    times = [0]
    for path in paths:
        found = [path]
        for where, directories, names in os.walk(path):
            directories[:] = [name for name in directories if name != "__pycache__"]
            found.extend(os.path.join(where, name) for name in names)
        times.extend(os.lstat(name).st_mtime for name in found if os.path.lexists(name))
    return max(value for value in times if value <= time.time())


def ask(*command):
    """What a command of a firewall says; nothing where it is not there or not in use."""
    if not shutil.which(command[0]):
        return []
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return answer.stdout.decode("utf-8", "replace").splitlines()


def ufw_rules():
    """Our rules as ufw takes them, such as "allow 6343/udp"."""
    found = (re.match(r"ufw (.+) comment 'sflow-collector'$", line) for line in ask("ufw", "show", "added"))
    return [rule.group(1) for rule in found if rule]


def nftables_rules():
    """Our rules as nft names them, such as "inet filter input handle 4"."""
    rules, table, chain = [], "", ""
    for line in ask("nft", "-a", "list", "ruleset"):
        words = line.split()
        if words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif re.search(r' comment "sflow-collector" # handle \d+$', line):
            rules.append("%s %s handle %s" % (table, chain, words[-1]))
    return rules


def ufw_source(network):
    """A network as ufw spells it: an address alone without its length, all addresses as nothing."""
    network = ipaddress.ip_network(network)
    if not network.prefixlen:
        return ""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def main(paths, networks):
    facts = {
        "root": os.geteuid() == 0,
        "python": "%d.%d.%d" % sys.version_info[:3],
        "distribution_python": os.path.realpath(sys.executable).startswith("/usr/bin/"),
        "numpy": importlib.util.find_spec("numpy") is not None,
        "token": os.path.exists("/etc/sflow-collector.token"),
        "unproved": os.path.exists("/var/lib/sflow-collector.previous"),
        "firewalls": [name for name in ("ufw", "nft") if shutil.which(name)],
        "ufw": ufw_rules(),
        "ufw_sources": [ufw_source(network) for network in networks],
        "nftables": nftables_rules(),
        "systemd": systemd(),
        "unit": False,
        "active": False,
        "enabled": False,
        "outdated": False,
    }
    if facts["systemd"]:
        state = service()
        # An interrupted run leaves new files and an old process: it is outdated until it was restarted.
        started = time.time() - time.monotonic() + int(state.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
        facts["unit"] = state.get("LoadState") not in (None, "not-found")
        facts["active"] = state.get("ActiveState") in ("active", "reloading")
        facts["enabled"] = state.get("UnitFileState") == "enabled"
        facts["outdated"] = facts["active"] and newest(paths) > started
    print(json.dumps(facts, sort_keys=True))


split = sys.argv.index("--")
main(sys.argv[1:split], sys.argv[split + 1:])
