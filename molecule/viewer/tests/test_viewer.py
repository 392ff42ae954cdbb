# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The viewer as its host and as the network see it, after everything that side_effect.yml did to it."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import ssl
import struct
import time
import urllib.error
import urllib.request

import pytest
import testinfra

NAME = "molecule-sflow-rt"
PAGE = "http://127.0.0.1:18008"
PROXY = "https://127.0.0.1:18443"
GROUPS = "/app/vizceral/scripts/traffic.js/groups/json"
# The host of this scenario shares the network and the engine of the machine that runs the tests.
machine = testinfra.get_host("local://")


def ask(url: str, method: str = "GET", user: str | None = None, data: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, method=method, data=data)
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def inspected() -> dict:
    return json.loads(machine.check_output("docker inspect %s", NAME))[0]


def test_picture_names_every_group():
    status, body = ask(PAGE + "/app/vizceral/scripts/traffic.js/data/json")
    assert status == 200
    picture = json.loads(body)["data"]
    assert {node["name"] for node in picture["nodes"]} == {"INTERNET", "SiteA", "SiteB", "Viewers"}
    assert picture["maxVolume"] == 100000


def test_groups_are_those_of_the_inventory():
    assert json.loads(ask(PAGE + GROUPS)[1]) == {
        "INTERNET": ["0.0.0.0/0"],
        "SiteA": ["10.0.0.0/16", "2001:db8:a::/48"],
        "SiteB": ["10.1.0.0/16"],
        "Viewers": ["192.0.2.8/32"],
    }


def test_container_is_what_was_asked_for(inspected):
    host = inspected["HostConfig"]
    environment = dict(item.split("=", 1) for item in inspected["Config"]["Env"])
    assert environment["RTMEM"] == "256M"
    assert environment["RTPROP"].split() == ["-Dviz.maxFlows=500", "-Dviz.maxVolume=100000"]
    assert host["RestartPolicy"]["Name"] == "always"
    assert host["Memory"] == (256 + 512) * 2**20
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert not host["Privileged"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
    assert host["PortBindings"]["8008/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "18008"}]
    assert [binding["HostPort"] for binding in host["PortBindings"]["6343/udp"]] == ["16343"]


def test_no_process_in_the_container_is_root():
    listing = machine.check_output("docker top %s -eo pid,uid,args", NAME).splitlines()[1:]
    assert listing
    assert not [line for line in listing if line.split()[1] == "0"]


def test_groups_are_mounted_for_reading_only(inspected):
    mounts = {mount["Destination"]: mount for mount in inspected["Mounts"]}
    assert mounts["/sflow-rt/store/vizceral~traffic.js/groups"]["RW"] is False
    assert mounts["/sflow-rt/store/vizceral~traffic.js"]["RW"] is True


def test_scratch_directory_is_closed_to_other_users(host, inspected):
    source = next(m["Source"] for m in inspected["Mounts"] if m["Destination"].endswith("traffic.js"))
    assert host.file(source).mode == 0o777
    assert host.file(os.path.dirname(source)).mode == 0o700


def test_watch_asks_the_application_and_not_the_version(inspected):
    command = inspected["Config"]["Healthcheck"]["Test"][1]
    assert "/app/vizceral/status" in command
    assert "/version" not in command


def test_page_listens_on_the_host_only():
    listening = machine.check_output("ss -Hlnt")
    assert re.search(r"127\.0\.0\.1:18008\s", listening)
    assert not re.search(r"(0\.0\.0\.0|\*|\[::\]):18008\s", listening)


def test_datagrams_are_received_on_all_addresses():
    listening = machine.check_output("ss -Hlnu")
    assert re.search(r"(0\.0\.0\.0|\*):16343\s", listening), listening


def datagram(number: int) -> bytes:
    """Version 5 of agent 192.0.2.33 with one sample: the generic counters of its interface 1."""
    counters = struct.pack(">IIQII", 1, 6, 10**9, 1, 3) + struct.pack(">QIIIIII", 1000, 10, 0, 0, 0, 0, 0)
    counters += struct.pack(">QIIIIII", 1000, 10, 0, 0, 0, 0, 0)[:-4] + struct.pack(">I", 0)
    sample = struct.pack(">III", number, 1, 1) + struct.pack(">II", 1, len(counters)) + counters
    header = struct.pack(">II4sIIII", 5, 1, bytes([192, 0, 2, 33]), 0, number, 1000 * number, 1)
    return header + struct.pack(">II", 2, len(sample)) + sample


def test_a_datagram_arrives():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(1, 51):
            sender.sendto(datagram(number), ("127.0.0.1", 16343))
            agents = json.loads(ask(PAGE + "/agents/json")[1])
            if "192.0.2.33" in agents:
                return
            time.sleep(0.1)
    pytest.fail(f"the agent is not listed: {agents}")


class TestProxy:
    """Reading with the password, and nothing else."""

    def test_reads_with_the_password(self):
        status, body = ask(PROXY + GROUPS, user="reader:correct horse")
        assert status == 200
        assert "SiteA" in json.loads(body)

    @pytest.mark.parametrize("user", [None, "reader:wrong", "reader:", "nobody:correct horse", "reader"])
    @pytest.mark.parametrize("path", ["/", GROUPS, "/version", "/agents/json"])
    def test_refuses_wrong_passwords(self, user, path):
        assert ask(PROXY + path, user=user)[0] == 401

    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE"])
    @pytest.mark.parametrize("user", [None, "reader:correct horse"])
    def test_refuses_changes(self, method, user):
        before = ask(PAGE + GROUPS)[1]
        data = b'{"INTERNET": ["0.0.0.0/0"]}' if method in ("PUT", "POST", "PATCH") else None
        assert ask(PROXY + GROUPS, method, user, data)[0] == 405
        assert ask(PAGE + GROUPS)[1] == before

    def test_head_is_reading(self):
        assert ask(PROXY + GROUPS, "HEAD", "reader:correct horse")[0] == ask(PAGE + GROUPS, "HEAD")[0]

    def test_speaks_tls_only(self):
        with pytest.raises((urllib.error.URLError, ConnectionError, OSError)):
            status = ask(PROXY.replace("https", "http") + "/version")[0]
            assert status == 400  # what nginx says to plain HTTP on a TLS port
            raise OSError

    def test_old_tls_is_refused(self):
        ask_for = "openssl s_client -connect 127.0.0.1:18443 -cipher ALL:@SECLEVEL=0 %s </dev/null"
        assert "Cipher is (NONE)" in machine.run(ask_for, "-tls1_1").stdout
        assert "Cipher is (NONE)" not in machine.check_output(ask_for, "-tls1_2"), "the client itself can do it"

    def test_secrets_are_not_readable_by_all(self, host):
        for path in ("/etc/nginx/sflow-rt.htpasswd", "/etc/nginx/sflow-rt-selfsigned-viewer-debian12.key"):
            file = host.file(path)
            assert file.exists
            assert file.mode & 0o007 == 0, path
        assert "correct horse" not in host.file("/etc/nginx/sflow-rt.htpasswd").content_string

    def test_welcome_page_is_off(self, host):
        assert not host.file("/etc/nginx/sites-enabled/default").exists

    def test_nginx_comes_back_after_a_boot(self, host):
        assert host.service("nginx").is_enabled
        assert host.service("nginx").is_running
