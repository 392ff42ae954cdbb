# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in as a running daemon: what it says, writes, sends, and how it ends."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import hsflowd_standin
import pytest

PROGRAM = os.path.abspath(hsflowd_standin.__file__)
START = 4  # seconds that the first datagram may take


class Agent:
    """A running stand-in that sends to a socket of this test."""

    def __init__(self, directory, config, version, arguments=(), environment=None):
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind(("127.0.0.1", 0))
        self.auto = directory / "hsflowd.auto"
        text = directory / "hsflowd.conf"
        text.write_text(config.replace("COLLECTOR", "ip=127.0.0.1 udpport=%d" % self.receiver.getsockname()[1]))
        command = [sys.executable, with_version(directory, version), "-d", "-P", "-m", "0123456789abcdef" * 2]
        command += ["-f", str(text), "-o", str(self.auto), "-p", str(directory / "no.pid"), *arguments]
        self.log = directory / "log"
        self.began = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)

    def receive(self, seconds=START):
        self.receiver.settimeout(seconds)
        return self.receiver.recv(65536)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(5)
        finally:
            self.receiver.close()
            with contextlib.suppress(OSError):
                self.process.kill()

    def settings(self):
        lines = [line for line in self.auto.read_text().splitlines() if not line.startswith("#")]
        return [tuple(line.split("=", 1)) for line in lines]


def with_version(directory, version):
    """The program as another release, and without the real daemon's wait before the first datagram."""
    with open(PROGRAM, encoding="utf-8") as handle:
        text = handle.read()
    for old, new in (
        ('VERSION = "%s"' % hsflowd_standin.VERSION, 'VERSION = "%s"' % version),
        ("SETTLE = (0.5, 4.3)", "SETTLE = (0.3, 0.4)"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = directory / "hsflowd"
    path.write_text(text)
    return str(path)


@pytest.fixture
def agent(tmp_path):
    running = []

    def start(config, version="2.1.25-4", **others):
        running.append(Agent(tmp_path, config, version, **others))
        return running[-1]

    yield start
    for one in running:
        one.stop(signal.SIGKILL)


def u32(data, position):
    return struct.unpack_from(">I", data, position)[0]


def samples(data):
    """[(sample format, numbers before the records, [(record format, body)])] of an IPv4 agent's datagram.

    The numbers of plain samples are brought into the order of the expanded ones.
    """
    position = 28
    found = []
    for _sample in range(u32(data, 24)):
        kind, length = u32(data, position), u32(data, position + 4)
        body = data[position + 8 : position + 8 + length]
        head = {1: 8, 2: 3, 3: 11, 4: 4}[kind]
        numbers = struct.unpack_from(">%dI" % head, body)
        if kind in (1, 2):
            numbers = (numbers[0], numbers[1] >> 24, numbers[1] & 0xFFFFFF, *numbers[2:])
        if kind == 1:
            numbers = (*numbers[:6], 0, numbers[6], 0, *numbers[7:])
        records, place = [], head * 4
        for _record in range(numbers[-1]):
            size = u32(body, place + 4)
            records.append((u32(body, place), body[place + 8 : place + 8 + size]))
            place += 8 + size
        assert place == len(body)
        found.append((kind, numbers, records))
        position += 8 + length
    assert position == len(data)
    return found


COUNTERS_ONLY = "sflow { polling=1 sampling=100 sampling.http=50 agentIP=192.0.2.77 collector { COLLECTOR } }"


def test_counters_only(agent):
    one = agent(COUNTERS_ONLY)
    first, second = one.receive(), one.receive()
    assert (u32(first, 0), u32(first, 4)) == (5, 1)
    assert first[8:12] == bytes([192, 0, 2, 77])
    assert u32(first, 12) == 100001  # one more than configured: no module takes packets
    assert (u32(first, 16), u32(second, 16)) == (1, 2)
    # Uptime is in milliseconds. A busy machine sends late, and never before the second is over.
    assert u32(first, 20) >= 300
    assert 1300 <= u32(second, 20) <= 1000 * (time.monotonic() - one.began)
    ((kind, numbers, records),) = samples(first)
    assert (kind, numbers[:3]) == (4, (1, 2, 1))
    assert [tag for tag, _body in records] == [2001, 2010, 2009, 2008, 2007, 2005, 2004, 2003, 2006, 2000]
    assert {tag: len(body) for tag, body in records[1:-1]} == {
        2010: 28,
        2009: 60,
        2008: 100,
        2007: 76,
        2005: 52,
        2004: 72,
        2003: 80,
        2006: 40,
    }
    name = os.uname().nodename.encode()[:64]
    assert records[-1][1][4 : 4 + len(name)] == name
    assert one.settings() == [
        *[("rev_start", "1"), ("hostname", os.uname().nodename), ("sampling", "100"), ("header", "128")],
        *[("datagram", "1400"), ("polling", "1"), ("sampling.http", "50"), ("agentIP", "192.0.2.77")],
        *[("collector", "127.0.0.1 %d" % one.receiver.getsockname()[1]), ("ds_index", "1"), ("rev_end", "1")],
    ]
    assert one.stop() == 0
    assert one.log.read_text().splitlines()[-3:-1] == ["Received SIGTERM", "stopped"]


@pytest.mark.parametrize(("version", "sub_agent"), [("2.0.25-3", 100000), ("2.0.56-1", 100000), ("2.1.03-1", 100001)])
def test_sub_agent_by_release(agent, version, sub_agent):
    assert u32(agent(COUNTERS_ONLY, version).receive(), 12) == sub_agent


def test_old_output_file(agent):
    one = agent(COUNTERS_ONLY, "2.0.25-3")
    one.receive()
    names = [name for name, _value in one.settings()]
    assert names[-5:] == ["sampling.http", "agentIP", "ds_index", "collector", "rev_end"]


def test_tshark_agrees(agent, tmp_path):
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("tshark is not here")
    data = agent(COUNTERS_ONLY).receive()
    path = tmp_path / "one.pcap"
    udp = struct.pack(">HHHH", 40000, 6343, 8 + len(data), 0)
    total = 28 + len(data)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 64, 17, 0, bytes(4), bytes(4))
    with path.open("wb") as handle:
        handle.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        handle.write(struct.pack("<IIII", 0, 0, total, total) + ip + udp + data)
    shown = subprocess.run(
        [tshark, "-r", str(path), "-V"],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    ).stdout
    # no more than the heads: tshark 4.0 does not step over the counter records that it does not know
    assert "Agent address: 192.0.2.77" in shown
    assert "Sub-agent ID: 100001" in shown
    assert "Expanded counters sample (4)" in shown
    assert "Counters records: 10" in shown


def test_output_waits_for_a_block_unless_stdbuf(agent, tmp_path):
    one = agent(COUNTERS_ONLY)
    one.receive()
    assert one.log.read_text() == ""
    one.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 3
    while "counter_samples=" not in one.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "counter_samples=1" in one.log.read_text()
    assert one.stop() == 0
    other = agent(COUNTERS_ONLY, environment=dict(os.environ, _STDBUF_O="L"))
    other.receive()
    assert "version 2.1.25 (stand-in" in other.log.read_text()


@pytest.mark.parametrize(("version", "status"), [("2.0.25-3", -signal.SIGHUP), ("2.0.46-1", 0)])
def test_hangup_kills_old_releases(agent, version, status):
    one = agent(COUNTERS_ONLY, version)
    one.receive()
    one.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert one.stop() == status


def test_interrupt(agent):
    one = agent(COUNTERS_ONLY)
    one.receive()
    assert one.stop(signal.SIGINT) == 2


def refused(agent, config, **others):
    one = agent(config, **others)
    status = one.process.wait(5)
    return status, one.log.read_text()


def test_bad_config(agent):
    status, log = refused(agent, "sflow { polling=often collector { COLLECTOR } }")
    assert status == 1
    assert "parse error at <polling><often> on line 1" in log
    assert log.endswith("failed to read config file\n")


def test_failed_start_empties_the_output_file(agent, tmp_path):
    (tmp_path / "hsflowd.auto").write_text("rev_start=1\nrev_end=1\n")
    assert refused(agent, "sflow { }")[0] == 1
    assert (tmp_path / "hsflowd.auto").read_text() == ""


def test_missing_config(agent):
    status, log = refused(agent, COUNTERS_ONLY, arguments=["-f", "/nonexistent"])
    assert status == 1
    assert "cannot open config file /nonexistent" in log


def test_stale_pid_file_blocks_the_start(agent, tmp_path):
    pid = tmp_path / "stale.pid"
    pid.write_text("1\n")
    status, log = refused(agent, COUNTERS_ONLY, arguments=["-p", str(pid)])
    assert status == 1
    assert "already running" in log


def test_missing_namespace_ends_it(agent):
    config = "sflow { agentIP=192.0.2.77 collector { COLLECTOR namespace=no-such-one } }"
    status, log = refused(agent, config)
    assert status == 1
    assert "no-such-one" in log


def test_missing_module_leaves_counters(agent, tmp_path):
    config = COUNTERS_ONLY.replace("sampling=100", "sampling=100 pcap { dev=lo } tcp { }")
    one = agent(config, arguments=["-l", str(tmp_path)])
    assert u32(one.receive(), 12) == 100001
    one.stop()
    assert "undefined symbol: mod_pcap" in one.log.read_text()


def test_unknown_option(agent):
    assert refused(agent, COUNTERS_ONLY, arguments=["-Z"])[0] == 1


def test_polling_0_sends_nothing(agent):
    one = agent(COUNTERS_ONLY.replace("polling=1", "polling=0"))
    with pytest.raises(socket.timeout):
        one.receive(START + 1)


# --- packets -------------------------------------------------------------------

CAN_SAMPLE = os.getuid() == 0 and shutil.which("unshare") is not None


@pytest.fixture
def own_loopback():
    """A network namespace of this test's own, so that nobody else's packets are sampled."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_network = 0x40000000  # CLONE_NEWNET
    with open("/proc/thread-self/ns/net") as before:
        if libc.unshare(new_network) != 0:
            pytest.skip("no network namespaces here: %s" % os.strerror(ctypes.get_errno()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
        yield
        assert libc.setns(before.fileno(), new_network) == 0


@pytest.mark.skipif(not CAN_SAMPLE, reason="needs root to open packet sockets")
@pytest.mark.parametrize(
    ("version", "tags", "forms"),
    [("2.0.30-1", [1], (1, 2)), ("2.0.53-1", [1], (1, 2)), ("2.1.03-1", [1], (3, 4)), ("2.1.25-4", [1043, 1], (3, 4))],
)
def test_samples_of_loopback(own_loopback, agent, built, version, tags, forms):
    """1 in N of the packets of lo: the speed of lo is not known, so the general rate counts."""
    rate = 10
    config = "sflow { polling=1 sampling=%d agentIP=192.0.2.77 collector { COLLECTOR } pcap { dev=lo } }" % rate
    modules = built(version) / "etc/hsflowd/modules"
    if not loadable(modules / "mod_pcap.so"):
        pytest.skip("libpcap is not here")
    one = agent(config, version, arguments=["-l", str(modules)])
    waiting = [one.receive()]
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    payload = os.urandom(100)
    for number in range(2000):
        sender.sendto(payload, sink.getsockname())
        if not number % 50:
            time.sleep(0.01)
    flows, ports, last = [], set(), 0
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        try:
            data = waiting.pop() if waiting else one.receive(1.5)
        except socket.timeout:
            break
        assert u32(data, 12) == 100000
        for kind, numbers, records in samples(data):
            assert kind in forms
            if kind == forms[0]:
                assert numbers[0] == last + 1
                last = numbers[0]
                assert numbers[1:4] == (0, 1, rate)
                assert numbers[4] == last * rate
                assert [tag for tag, _body in records] == tags
                body = records[-1][1]
                if payload in body or payload[:50] in body:
                    flows.append(struct.unpack_from(">4I", body))
                    ports.add(numbers[7])
            elif numbers[1] == 0:
                assert [tag for tag, _body in records] == [1005, 1]
                assert records[0][1] == b"\0\0\0\x02lo\0\0"
    # 2000 packets at 1 in 10: 200 expected, 5 standard deviations are 67
    assert 130 <= len(flows) <= 270, len(flows)
    assert set(flows) == {(1, 14 + 28 + 100 + 4, 4, 128)}


@pytest.mark.skipif(not CAN_SAMPLE or shutil.which("ip") is None, reason="needs root and ip to make an interface")
@pytest.mark.parametrize(("version", "status"), [("2.0.53-1", 6), ("2.1.25-4", 0)])
def test_tapped_interface_goes_away(tmp_path, built, version, status):
    """Old releases abort, new ones close the tap and go on."""
    modules = built(version) / "etc/hsflowd/modules"
    if not loadable(modules / "mod_pcap.so"):
        pytest.skip("libpcap is not here")
    config = tmp_path / "hsflowd.conf"
    config.write_text("sflow { agentIP=192.0.2.77 collector { ip=127.0.0.1 } pcap { dev=one } }")
    script = (
        "ip link set lo up && ip link add one type veth peer name two && ip link set one up && ip link set two up || exit 99\n"
        '"$0" "$1" -d -P -f "$2" -l "$3" -o /dev/null -p /nonexistent & sleep 1.5; ip link del one; sleep 1.5\n'
        "kill $! 2>/dev/null; wait $!"
    )
    command = ["unshare", "-n", "sh", "-c", script, sys.executable, with_version(tmp_path, version), config, modules]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, universal_newlines=True)
    if run.returncode == 99:
        pytest.skip("no veth interfaces here")
    assert run.returncode == status, run.stderr
    assert ("pcap_dispatch error" in run.stdout) == (status == 0)


@pytest.mark.parametrize(("version", "arrives"), [("2.0.53-1", False), ("2.1.25-4", True)])
def test_sample_that_does_not_fit(agent, version, arrives):
    """Old releases drop a sample that is larger than datagramBytes, and the host's counters are."""
    one = agent(COUNTERS_ONLY.replace("polling=1", "polling=1 datagramBytes=400"), version)
    if arrives:
        assert len(one.receive()) > 400
    else:
        with pytest.raises(socket.timeout):
            one.receive(3)
        one.stop()
        assert "too big for datagram" in one.log.read_text()


def loadable(path):
    code = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
    return (
        subprocess.run(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False
        ).returncode
        == 0
    )
