# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser, pages whose console is watched, and a real collector to which an agent has sent."""

from __future__ import annotations

import itertools
import socket
import struct
import subprocess
import sys
import threading
import urllib.request

import browser
import fake
import pytest
from playwright.sync_api import expect

expect.set_options(timeout=60_000)  # much, for a machine with other work


@pytest.fixture(scope="session")
def chromium():
    with browser.launch() as started:
        yield started


@pytest.fixture
def show(chromium):
    """Opens a page; the console must stay clean, but for what the test names."""
    pages, faults, allowed = [], [], []

    def start(url, width=1366, height=800, allow=(), **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        allowed.extend(allow)
        page.goto(url)
        pages.append(page)
        return page

    yield start
    for page in pages:
        page.context.close()
    assert [text for text in faults if not any(each in text for each in allowed)] == []


@pytest.fixture
def collector(tmp_path):
    """Starts a collector whose agent 192.0.2.9 sees packets go from the group SiteA out; gives its URL. Ask for it before show:
    a page asks on, and so has to end first."""
    processes, ended = [], threading.Event()

    def start(token=""):
        udp, http = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
        groups = tmp_path / "groups.json"
        groups.write_text('{"INTERNET": ["0.0.0.0/0"], "SiteA": ["10.1.0.0/16"]}')
        command = [sys.executable, "-m", "sflow_collector", "serve", "--udp-address", "127.0.0.1", "--udp-port", str(udp)]
        command += ["--http-port", str(http), "--groups", str(groups), "--state-dir", str(tmp_path)]
        if token:
            (tmp_path / "token").write_text(token)
            command += ["--token-file", str(tmp_path / "token")]
        processes.append(subprocess.Popen(command, cwd=fake.PACKAGE.parent))
        url = f"http://127.0.0.1:{http}/"
        assert browser.until(lambda: answers(url + "healthz"))
        threading.Thread(target=send, args=(udp, ended)).start()
        return url

    yield start
    ended.set()
    for process in processes:
        process.terminate()
        process.wait(10)


def send(port: int, ended: threading.Event) -> None:
    """Without an end, since the picture forgets traffic that has ended."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for sequence in itertools.count(1):
            sender.sendto(datagram(sequence), ("127.0.0.1", port))
            if ended.wait(0.05):
                return


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def answers(url: str) -> bool:
    try:
        return urllib.request.urlopen(url, timeout=1).status == 200
    except OSError:
        return False


def datagram(sequence: int) -> bytes:
    """An IPv4 TCP packet of 10.1.0.5 to 203.0.113.9 in an Ethernet frame, sampled 1 in 400, in a datagram of 192.0.2.9."""
    ip = struct.pack("!BBHHHBBH4s4s", 69, 0, 40, 0, 0, 64, 6, 0, bytes([10, 1, 0, 5]), bytes([203, 0, 113, 9]))
    checksum = sum(struct.unpack("!10H", ip))
    checksum = ~((checksum & 0xFFFF) + (checksum >> 16)) & 0xFFFF
    ip = ip[:10] + struct.pack("!H", checksum) + ip[12:]
    frame = bytes(12) + b"\x08\x00" + ip + struct.pack("!HHIIBBHHH", 1234, 443, 0, 0, 80, 16, 0, 0, 0)
    header = struct.pack("!4I", 1, 1000, 4, len(frame)) + frame + bytes(-len(frame) % 4)
    sample = struct.pack("!8I", sequence, 2, 400, sequence * 400, 0, 1, 2, 1) + struct.pack("!2I", 1, len(header)) + header
    head = struct.pack("!2I4s4I", 5, 1, bytes([192, 0, 2, 9]), 0, sequence, sequence * 1000, 1)
    return head + struct.pack("!2I", 1, len(sample)) + sample
