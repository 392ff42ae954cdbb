# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says in one line of JSON what the role has to know about the host. Run by the collector's Python; changes nothing.

Arguments: paths (files or directories) that the running service depends on.
"""

import importlib.util
import json
import os
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


def main(paths):
    facts = {
        "python": "%d.%d.%d" % sys.version_info[:3],
        "distribution_python": os.path.realpath(sys.executable).startswith("/usr/bin/"),
        "numpy": importlib.util.find_spec("numpy") is not None,
        "token": os.path.exists("/etc/sflow-collector.token"),
        "unproved": os.path.exists("/var/lib/sflow-collector.previous"),
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


main(sys.argv[1:])
