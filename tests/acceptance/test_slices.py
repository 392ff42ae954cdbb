# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo fleet deployed in parts at the same time, as docs/automation-platform.md says: the result is that of one run.

Two control nodes with the whole inventory and a --limit each; and two slices as AWX makes them, each with an inventory that has
only its own hosts, so that the collector is in one of them and the other knows nothing of it.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import test_demo
from test_demo import COLLECTOR, INVENTORY, REPO, playbook, recap, run

agents = test_demo.agents  # the fixture


def configuration(host: str) -> str:
    return run("docker", "exec", f"netviz-{host}", "cat", "/etc/hsflowd.conf").stdout


def together(*commands: tuple[str, ...]) -> list[dict[str, dict[str, int]]]:
    """The commands at the same time; their recaps."""
    with ThreadPoolExecutor(len(commands)) as pool:
        return [recap(done.stdout) for done in pool.map(lambda command: run(*command), commands)]


@pytest.fixture
def restored(agents):
    """Whatever a test changes, the fleet is as it was afterwards."""
    limit = ("--limit", ":".join([*agents, "viewer"]))
    before = {host: configuration(host) for host in agents}
    yield limit
    playbook("playbooks/site.yml", *limit)
    assert {host: configuration(host) for host in agents} == before


def sliced(inventory: dict, hosts: list[str]) -> dict:
    """The inventory as AWX hands it to one slice of a job: every group is there, with the hosts of the slice alone."""
    part = {name: dict(group) for name, group in inventory.items() if name != "_meta"}
    for group in part.values():
        if "hosts" in group:
            group["hosts"] = [host for host in group["hosts"] if host in hosts]
    kept = {host: values for host, values in inventory["_meta"]["hostvars"].items() if host in hosts}
    return dict(part, _meta={"hostvars": kept})


def test_two_control_nodes_with_a_limit_each(agents, restored):
    halves = [[host for host in agents if host.startswith(site)] for site in ("alpha", "beta")]
    setting = ("-e", "hsflowd_sampling=20")
    site = ("ansible-playbook", "-i", str(INVENTORY), "playbooks/site.yml", *setting, "--limit")
    first, second = together((*site, ":".join(halves[0])), (*site, ":".join(halves[1])))
    assert {host for host in first if first[host]["changed"]} == set(halves[0])
    assert {host for host in second if second[host]["changed"]} == set(halves[1])
    assert all("sampling = 20" in configuration(host) for host in agents)
    # One run over all of them has nothing to add, and proves them all.
    whole = playbook("playbooks/site.yml", *setting, *restored)
    assert {host: row["changed"] for host, row in recap(whole).items()} == dict.fromkeys(recap(whole), 0)
    assert f"{len(agents)} hosts: {len(agents)} reporting." in whole


def test_slices_as_awx_makes_them(agents, restored):
    inventory = json.loads(run("ansible-inventory", "-i", str(INVENTORY), "--list").stdout)
    hosts = sorted([*agents, "viewer"])
    place = REPO / ".cache/slices"  # as deep as the demo's own inventory, which looks for the packages from where it is
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    # What the page asks for: nothing may depend on who else is in the slice.
    settings = {
        "hsflowd_sampling": 20,
        "hsflowd_collectors": [{"ip": "10.213.2.2", "udpport": 6343}, {"ip": "10.213.0.1", "udpport": 6343}],
        "sflow_proof_url": COLLECTOR,
        "sflow_proof_host": "localhost",
    }
    commands = []
    for number in range(2):
        part = place / f"slice-{number}"
        part.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(sliced(inventory, hosts[number::2]))}\nEND\n")
        part.chmod(0o755)
        commands.append(("ansible-playbook", "-i", str(part), "playbooks/site.yml", "-e", json.dumps(settings)))
    first, second = together(*commands)
    assert set(first) - {"localhost"} == set(hosts[0::2])
    assert set(second) - {"localhost"} == set(hosts[1::2])
    whole = playbook("playbooks/site.yml", "-e", "hsflowd_sampling=20", *restored)
    assert {host: row["changed"] for host, row in recap(whole).items()} == dict.fromkeys(recap(whole), 0)
    assert f"{len(agents)} hosts: {len(agents)} reporting." in whole


def test_a_slice_without_a_collector_is_refused_before_a_host_is_touched(agents, tmp_path):
    """The default of hsflowd_collectors comes from groups, which a slice sees only a part of."""
    inventory = json.loads(run("ansible-inventory", "-i", str(INVENTORY), "--list").stdout)
    part = tmp_path / "slice"
    part.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(sliced(inventory, [list(agents)[0]]))}\nEND\n")
    part.chmod(0o755)
    before = configuration(list(agents)[0])
    done = run("ansible-playbook", "-i", str(part), "playbooks/site.yml", check=False)
    assert done.returncode and "hsflowd_collectors is empty" in " ".join(done.stdout.split())
    assert configuration(list(agents)[0]) == before
