# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host looks like, and what the template writes."""


def interface(name, index=2, kind="physical", speed=None, up=True, addresses=(), default_route=False, lower=()):
    return {
        "name": name,
        "ifindex": index,
        "kind": kind,
        "speed_mbps": speed,
        "up": up,
        "addresses": list(addresses),
        "default_route": default_route,
        "lower": list(lower),
    }


def host(platform="debian12", interfaces=None, **more):
    """What hsflowd_info says of a host where nothing is installed."""
    interfaces = interfaces or [
        interface("lo", 1, "loopback", addresses=["127.0.0.1/8"]),
        interface("eth0", 2, addresses=["192.0.2.20/24"], default_route=True),
    ]
    seen = {
        "platform": platform,
        "distribution": platform.rstrip("0123456789"),
        "distribution_version": platform.lstrip("abcdefghijklmnopqrstuvwxyz"),
        "architecture": "amd64",
        "package": {"name": "hsflowd", "installed": False, "version": None, "status": None},
        "config": {"path": "/etc/hsflowd.conf", "exists": False, "sha256": None},
        "drop_ins": {},
        "unit": {"active_state": "inactive", "unit_file_state": None, "stale": []},
        "auto": {"exists": False, "complete": False, "agent_ip": None, "collectors": []},
        "collector_names": {},
        "modules": {"available": [], "broken": {}, "mapped": []},
        "libraries": ["libpcap.so.0.8"],
        "interfaces": interfaces,
        "uplinks": ["eth0"],
        "uplink_address": "192.0.2.20",
        "pending": False,
        "pending_version": None,
        "leftovers": [],
    }
    seen.update(more)
    return seen


def render(statements):
    """The text that templates/hsflowd.conf.j2 makes of them; a test compares the two."""
    lines = ["# Written by Ansible (netviz.sflow); a change made here is lost at the next run.", "sflow {"]
    for one in statements:
        if "block" in one:
            lines.append(
                "  %s {%s }" % (one["name"], "".join(" %s=%s" % (i["name"], i["value"]) for i in one["block"]))
            )
        else:
            lines.append("  %s = %s" % (one["name"], one["value"]))
    return "\n".join(lines + ["}", ""])
