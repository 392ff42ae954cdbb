# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the hosts after playbooks/site.yml, seen by testinfra: agents everywhere, the collector on one host or on both."""

from __future__ import annotations

import json
import os
import re

import pytest

COLLECTOR_HOST = "default-" + os.environ.get("NETVIZ_COLLECTOR_IMAGE", "debian12")
AGENT_HOST = "default-" + os.environ.get("NETVIZ_AGENT_IMAGE", "ubuntu1804")
COLLECTORS = {COLLECTOR_HOST, AGENT_HOST} if "NETVIZ_AGENT_GROUP" in os.environ else {COLLECTOR_HOST}
AGENTS = {COLLECTOR_HOST: "10.214.0.12", AGENT_HOST: "10.214.0.18"}


def name(host) -> str:
    return host.backend.get_hostname()


def test_package_is_installed(host):
    assert host.package("hsflowd").is_installed
    assert not host.run("dpkg --audit").stdout


def test_agent_is_enabled_and_runs(host):
    service = host.service("hsflowd")
    assert service.is_enabled
    assert service.is_running, host.run("journalctl -u hsflowd --no-pager -n 50").stdout


def test_agent_gave_up_root(host):
    pid = host.run("systemctl show -p MainPID --value hsflowd").stdout.strip()
    assert host.run("stat -c %%U /proc/%s", pid).stdout.strip() == "nobody"


def test_configuration_in_effect_is_the_one_written(host):
    written = host.file("/etc/hsflowd.conf").content_string
    assert "10.214.0.12" in written
    in_effect = host.file("/etc/hsflowd.auto").content_string
    for collector in COLLECTORS:
        assert re.search(rf"^collector={re.escape(AGENTS[collector])}\b", in_effect, re.M), in_effect
    assert re.search(rf"^agentIP={re.escape(AGENTS[name(host)])}$", in_effect, re.M), in_effect
    assert re.search(r"^polling=5$", in_effect, re.M)
    assert re.search(r"^sampling=10$", in_effect, re.M)


def test_agent_comes_back_after_a_crash(host):
    shown = host.run("systemctl show -p Restart -p After -p Wants hsflowd").stdout
    assert re.search(r"^Restart=(on-failure|always)$", shown, re.M)
    assert "network-online.target" in shown


def test_nothing_is_left_over(host):
    assert host.run(r"ls -A /etc | grep -E '^\.hsflowd|hsflowd.*dpkg'").stdout == ""


def test_collector_serves_only_where_asked(host):
    if name(host) not in COLLECTORS:
        assert not host.service("sflow-collector").is_running
        return
    assert host.service("sflow-collector").is_enabled
    assert host.service("sflow-collector").is_running, host.run("journalctl -u sflow-collector --no-pager -n 50").stdout
    listening = host.run("ss -Hlntu").stdout
    assert re.search(r"^udp .*:6343 ", listening, re.M), listening
    assert re.search(r"^tcp .*127\.0\.0\.1:8008 ", listening, re.M), listening
    assert not re.search(r"^tcp .*(0\.0\.0\.0|\*|\[::\]):8008 ", listening, re.M), listening


def test_collector_has_no_root(host):
    if name(host) not in COLLECTORS:
        pytest.skip(f"the collector is on {COLLECTOR_HOST}")
    pid = host.run("systemctl show -p MainPID --value sflow-collector").stdout.strip()
    assert host.run("stat -c %%u /proc/%s", pid).stdout.strip() != "0"


def test_every_agent_has_arrived(host):
    if name(host) not in COLLECTORS:
        pytest.skip(f"the collector is on {COLLECTOR_HOST}")
    fetch = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8008/agents/json', timeout=5).read().decode())"
    agents = json.loads(host.check_output("python3 -c %s", fetch))
    assert set(agents) == set(AGENTS.values())
    for row in agents.values():
        assert row["sFlowCounterSamples"] > 0
        assert row["lastSeen"] < 10_000
