# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector as a service on its hosts, seen by testinfra."""

from __future__ import annotations

import json
import re
import time

import pytest

SETTINGS = {
    "collector-debian12": {
        "url": "http://127.0.0.1:8008",
        "udp": 6343,
        "token": None,
        "python": "3.11",
        "decoder": "batch",
    },
    "collector-ubuntu1804": {
        "url": "http://127.0.0.1:8018",
        "udp": 6350,
        "token": "molecule-0123456789abcdef",
        "python": "3.6",
        "decoder": "scalar",
    },
}

# One datagram of sFlow 5 from the agent 192.0.2.9 with one empty counter sample. Arguments: port, sequence number.
SEND = """
import socket, struct, sys
sample = struct.pack("!3I", 1, 0x02000001, 0)
datagram = struct.pack("!2I4s4I", 5, 1, bytes([192, 0, 2, 9]), 0, int(sys.argv[2]), 60000, 1)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
    datagram + struct.pack("!2I", 2, len(sample)) + sample, ("127.0.0.1", int(sys.argv[1])))
"""

GET = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1])
if sys.argv[2]:
    request.add_header("Authorization", "Bearer " + sys.argv[2])
try:
    with urllib.request.urlopen(request, timeout=5) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture
def settings(host):
    return SETTINGS[host.backend.get_hostname()]


def get(host, settings, path, token="own"):
    token = settings["token"] if token == "own" else token
    answer = host.run("python-of-host -c %s %s %s", GET, settings["url"] + path, token or "")
    assert answer.rc == 0, answer.stderr
    status, _blank, body = answer.stdout.partition(" ")
    return int(status), body


def datagrams(host, settings):
    rows = json.loads(get(host, settings, "/fleet/json?agent=192.0.2.9")[1])["agents"]
    return rows[0]["datagrams"] if rows else 0


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.3)
    return False


def test_service_is_enabled_and_runs(host):
    service = host.service("sflow-collector")
    assert service.is_enabled
    assert service.is_running, host.run("journalctl -u sflow-collector --no-pager -n 50").stdout


def test_unit_says_what_is_in_effect(host):
    shown = dict(
        line.split("=", 1)
        for line in host.run(
            "systemctl show sflow-collector -p DynamicUser -p WatchdogUSec -p Restart -p MemoryMax -p NoNewPrivileges"
            " -p ProtectSystem -p NeedDaemonReload"
        ).stdout.splitlines()
    )
    assert shown == {
        "DynamicUser": "yes",
        "WatchdogUSec": "30s",
        "Restart": "always",
        "MemoryMax": "536870912",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "NeedDaemonReload": "no",
    }


def test_sandbox_is_tight(host):
    version = int(host.run("systemctl --version").stdout.split()[1])
    if version < 240:
        pytest.skip(f"systemd {version} has no systemd-analyze security, which came with 240")
    answer = host.run("systemd-analyze security --no-pager sflow-collector")
    assert float(re.search(r"exposure level .*: ([\d.]+)", answer.stdout).group(1)) <= 2.0


def test_process_is_not_root_and_has_the_right_python(host, settings):
    pid = host.run("systemctl show -p MainPID --value sflow-collector").stdout.strip()
    assert host.run("stat -c %%u /proc/%s", pid).stdout.strip() != "0"
    interpreter = host.run("cat /proc/%s/cmdline", pid).stdout.split("\0")[0]
    assert host.run("%s --version", interpreter).stdout.startswith(f"Python {settings['python']}.")
    capabilities = re.search(r"CapEff:\s*(\w+)", host.run("cat /proc/%s/status", pid).stdout).group(1)
    # CAP_NET_ADMIN (bit 12) only where a buffer above the kernel's limit is asked for
    assert int(capabilities, 16) in ((0, 1 << 12) if settings["udp"] == 6343 else (0,))


def test_listens_only_where_asked(host, settings):
    sockets = host.run("ss -Hltn").stdout
    port = settings["url"].rsplit(":", 1)[1]
    local = [line.split()[3] for line in sockets.splitlines() if line.split()[3].endswith(":" + port)]
    assert local in ([f"127.0.0.1:{port}"], [f"*:{port}"], [f"[::]:{port}"])
    assert local == [f"127.0.0.1:{port}"] or settings["token"]
    assert f":{settings['udp']} " in host.run("ss -Hlun").stdout


def test_it_says_its_decoder_and_why(host, settings):
    collector = json.loads(get(host, settings, "/fleet/json")[1])["collector"]
    assert collector["decoder"] == settings["decoder"]
    assert collector["decoder"] == "batch" or "numpy" in collector["decoder_reason"]


def test_token_is_asked_for(host, settings):
    if settings["token"] is None:
        assert get(host, settings, "/fleet/json")[0] == 200
        assert not host.file("/etc/sflow-collector.token").exists
        return
    assert get(host, settings, "/fleet/json", token=None)[0] == 401
    assert get(host, settings, "/agents/json", token="wrong-0123456789abcdef")[0] == 401
    token = host.file("/etc/sflow-collector.token")
    assert (token.user, token.mode) == ("root", 0o600)
    assert settings["token"] not in host.run("journalctl -u sflow-collector --no-pager").stdout


def test_groups_are_known(host, settings):
    groups = json.loads(host.file("/etc/sflow-collector.groups.json").content_string)
    assert "INTERNET" in groups
    assert set(json.loads(get(host, settings, "/traffic/json")[1])["groups"]) == set(groups)


def test_account_counts_and_outlives_the_service(host, settings):
    before = datagrams(host, settings)
    for sequence in (before + 1, before + 2):
        host.check_output("python-of-host -c %s %s %s", SEND, str(settings["udp"]), str(sequence))
    assert until(lambda: datagrams(host, settings) == before + 2)
    host.check_output("systemctl restart sflow-collector")
    assert until(lambda: get(host, settings, "/healthz")[0] == 200)
    assert datagrams(host, settings) == before + 2


def test_it_comes_back_after_a_crash(host, settings):
    state = "systemctl show -p NRestarts -p ActiveState --value sflow-collector"
    restarts = int(host.check_output("systemctl show -p NRestarts --value sflow-collector"))
    host.check_output("systemctl kill --signal KILL --kill-who main sflow-collector")
    assert until(lambda: set(host.check_output(state).split()) == {"active", str(restarts + 1)}, 30), host.run(state).stdout


def test_command_line_works(host):
    answer = host.run("sflow-collector --help")
    assert answer.rc == 0, answer.stderr
    assert "replay" in answer.stdout
    assert json.loads(host.check_output("sflow-collector status --json"))["collector"]["name"] == "netviz.sflow"


def test_nothing_is_left_over(host):
    assert host.run("find / -xdev -name '.ansible_tmp*'").stdout == ""
