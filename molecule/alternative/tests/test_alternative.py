# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nearly every variable was changed; what the daemon and systemd say is in effect is that."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def deployed(host):
    if not host.package("hsflowd").is_installed:
        pytest.skip("the package that was given is of a release before 2.0.51-16, which does not know all variables")


def auto(host) -> list[str]:
    return host.file("/etc/hsflowd.auto").content_string.splitlines()


def show(host, *names: str) -> dict[str, str]:
    out = host.check_output("systemctl show hsflowd " + " ".join(f"-p {name}" for name in names))
    return dict(line.split("=", 1) for line in out.splitlines())


def test_the_daemon_says_that_all_of_it_is_in_effect(host):
    lines = auto(host)
    for expected in (
        "sampling=33",
        "polling=7",
        "header=64",
        "datagram=1200",
        "sampling.10G=50",
        "sampling.http=60",
        "sampling.app.myapp=70",
        "sampling.bps_ratio=0",
        "collector=192.0.2.10 6350",
        "collector=2001:db8::10",
        "collector=198.51.100.10/6343/eth0/",
        f"agentIP={host.check_output('hostname -I').split()[0]}",
        "jsonPort=36343",
    ):
        assert expected in lines, lines


def test_the_configuration_is_what_was_asked_for(host):
    conf = host.file("/etc/hsflowd.conf").content_string
    for line in (
        "pcap { dev=eth0 sampling=25 promisc=on }",
        "tcp { tunnel=on udp=on }",
        "docker { hostname=on markTraffic=on }",
        "nflog { group=5 probability=0.03030303 }",
        "subAgentId = 7",
    ):
        assert line in conf


@pytest.mark.parametrize("module", ["pcap", "tcp", "dbus", "docker", "json", "nflog", "systemd"])
def test_every_module_is_loaded(host, module):
    if module == "systemd" and host.file("/etc/netviz-sflow-stand-in").exists:
        pytest.skip("the stand-in for Ubuntu 18.04 has not its libcrypto")
    pid = show(host, "MainPID")["MainPID"]
    assert f"mod_{module}.so" in host.check_output("cat /proc/%s/maps", pid)


@pytest.mark.parametrize("library", ["libpcap", "libnfnetlink", "libdbus-1"])
def test_the_libraries_that_the_package_does_not_declare_are_there(host, library):
    assert library in host.check_output("ldconfig -p")


def test_the_service_is_as_asked_for(host):
    found = show(
        host,
        "UnitFileState",
        "ActiveState",
        "Restart",
        "CPUQuotaPerSecUSec",
        "MemoryMax",
        "MemoryLimit",
        "Wants",
        "NRestarts",
    )
    assert found["UnitFileState"] == "disabled" and found["ActiveState"] == "active"
    assert found["Restart"] == "no" and found["NRestarts"] == "0"
    assert found["CPUQuotaPerSecUSec"] == "500ms"
    assert "67108864" in (found["MemoryMax"], found["MemoryLimit"])
    assert "network-online.target" not in found["Wants"]
    assert sorted(host.file("/etc/systemd/system/hsflowd.service.d").listdir()) == [
        "netviz-hardening.conf",
        "netviz-limits.conf",
    ]


def test_the_daemon_is_confined(host):
    found = show(host, "ProtectSystem", "ProtectHome", "NoNewPrivileges", "PrivateTmp")
    assert found == {"ProtectSystem": "full", "ProtectHome": "yes", "NoNewPrivileges": "yes", "PrivateTmp": "yes"}
    pid = show(host, "MainPID")["MainPID"]
    assert "NoNewPrivs:\t1" in host.check_output("cat /proc/%s/status", pid)


def test_no_backup_was_asked_for(host):
    assert not host.file("/etc/hsflowd.conf.previous").exists
