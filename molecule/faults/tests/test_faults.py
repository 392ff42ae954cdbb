# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After all the faults the agent runs as it did before them, and nothing of them is left."""


def test_the_agent_runs(host):
    assert host.service("hsflowd").is_running, host.run("journalctl -u hsflowd --no-pager -n 50").stdout
    assert host.service("hsflowd").is_enabled
    assert "polling=5" in host.file("/etc/hsflowd.auto").content_string.splitlines()


def test_dpkg_is_content(host):
    assert host.check_output("dpkg --audit") == ""


def test_nothing_is_left(host):
    version = host.check_output("dpkg-query -W -f '${Version}' hsflowd")
    assert host.file("/var/lib/netviz-sflow").listdir() == [f"hsflowd_{version}.deb"]
    assert host.run(r"ls -A /etc | grep -E '^\.hsflowd|hsflowd.*dpkg'").stdout == ""
    assert not host.file("/var/run/hsflowd.pid").exists


def test_systemd_starts_a_crashed_daemon_again(host):
    pid = host.check_output("systemctl show -p MainPID --value hsflowd")
    host.check_output("kill -9 %s && sleep 7", pid)
    assert host.service("hsflowd").is_running
    assert host.check_output("systemctl show -p MainPID --value hsflowd") != pid
