# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent runs on hosts that never saw the Internet."""

AGENTS = {"airgap-debian12": "10.214.0.12", "airgap-ubuntu1804": "10.214.0.18"}


def test_the_host_is_cut_off(host):
    assert host.check_output("ip route show default") == ""


def test_the_agent_runs(host):
    assert host.service("hsflowd").is_running
    assert host.service("hsflowd").is_enabled
    assert f"agentIP={AGENTS[host.backend.get_hostname()]}" in host.file("/etc/hsflowd.auto").content_string
    assert "pcap { dev=eth0 }" in host.file("/etc/hsflowd.conf").content_string


def test_the_collector_of_the_bundle_runs(host):
    assert host.service("sflow-collector").is_running == (host.backend.get_hostname() == "airgap-debian12")


def test_nothing_of_the_transfer_is_left(host):
    assert host.run("find /root /tmp /var/tmp -name '*.deb'").stdout == ""
