# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rate, which interfaces, which agent address: as seen on real daemons of the releases named."""

import socket
import struct

import hsflowd_standin as standin
import pytest

OLD, MIDDLE, REGRESSION, NEW = "2.0.25-3", "2.0.53-1", "2.1.18-1", "2.1.25-4"


def config(body, version=NEW):
    return standin.parse_config("sflow { collector { ip=192.0.2.1 } %s }" % body, version)


def address(text):
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return standin.Address(family, socket.inet_pton(family, text))


def interface(name, index, addresses=(), speed=0, driver="", flags=standin.IFF_UP, vlan=False, automatic=False):
    made = standin.Interface(name, index)
    made.flags, made.speed, made.driver, made.vlan = flags, speed, driver, vlan
    made.addresses = [(address(text), automatic) for text in addresses]
    return made


def host(*interfaces):
    return {one.name: one for one in interfaces}


@pytest.mark.parametrize(
    ("version", "body", "rate"),
    [
        (NEW, "sampling=400", 10000),
        (NEW, "sampling=400 sampling.bps_ratio=0", 400),
        (NEW, "sampling=400 sampling.10G=400", 400),
        (NEW, "sampling=400 sampling.10g=400", 10000),
        (NEW, "sampling=400 sampling.10000M=400", 10000),
        (NEW, "sampling=400 sampling.bps_ratio=10M", 1000),
        (NEW, "sampling=0", 10000),
        (NEW, "sampling=0 sampling.bps_ratio=0", 0),
        (NEW, "sampling=400 polling.10G=5", 400),
        (OLD, "sampling=400", 10000),
        (OLD, "sampling=400 sampling.bps_ratio=0", 10000),
        (OLD, "sampling=400 sampling.10G=400", 400),
        ("2.0.47-1", "sampling=400 sampling.bps_ratio=0", 10000),
        ("2.0.48-1", "sampling=400 sampling.bps_ratio=0", 400),
    ],
)
def test_rate_at_10_gigabit(version, body, rate):
    assert standin.sampling_rate(config(body, version), interface("eth0", 2, speed=10**10), version) == rate


@pytest.mark.parametrize(
    ("megabits", "name", "rate"),
    [(10, "10M", 100), (100, "100M", 100), (1000, "1G", 1000), (2500, "2G", 2500), (25000, "25G", 25000)]
    + [(400000, "400G", 400000), (1000000, "1T", 1000000)],
)
def test_speed_names_and_default_rates(megabits, name, rate):
    speed = megabits * 10**6
    assert standin.speed_name(speed) == name
    assert standin.sampling_rate(config("sampling=7"), interface("eth0", 2, speed=speed), NEW) == rate


def test_unknown_speed_takes_the_general_rate():
    assert standin.sampling_rate(config("sampling=7"), interface("eth0", 2), NEW) == 7


def test_interface_that_is_down_has_no_rate():
    assert standin.sampling_rate(config("sampling=7"), interface("eth0", 2, flags=0), NEW) == 0


KINDS = host(
    interface("lo", 1, flags=standin.IFF_UP | standin.IFF_LOOPBACK),
    interface("eth0", 2, speed=10**9, driver="e1000e"),
    interface("ens3", 3, driver="virtio_net"),
    interface("br0", 4, speed=10**10, driver="bridge"),
    interface("veth1", 5, speed=10**10, driver="veth"),
    interface("bond0", 6, speed=2 * 10**9, driver="bonding", flags=standin.IFF_UP | standin.IFF_MASTER),
    interface("eth0.7", 7, speed=10**9, driver="802.1Q VLAN Support", vlan=True),
)


@pytest.mark.parametrize(
    ("version", "body", "names"),
    [
        (OLD, "pcap { }", ""),
        (MIDDLE, "pcap { }", ""),
        (NEW, "pcap { }", "lo eth0 ens3 br0"),
        (OLD, "pcap { speed=1- }", "eth0"),
        (NEW, "pcap { speed=1- }", "eth0 br0"),
        (REGRESSION, "pcap { speed=1- }", "eth0"),
        (NEW, "pcap { speed=0- }", "lo eth0 ens3 br0"),
        (NEW, "pcap { speed=1G }", "eth0"),
        (NEW, "pcap { speed=1T-1G }", ""),
        (MIDDLE, "pcap { dev=veth1 }", "veth1"),
        (REGRESSION, "pcap { dev=veth1 }", ""),
        (NEW, "pcap { dev=veth1 }", "veth1"),
        (REGRESSION, "pcap { dev=bond0 } pcap { dev=br0 } pcap { dev=eth0.7 }", ""),
        (NEW, "pcap { dev=bond0 } pcap { dev=br0 } pcap { dev=eth0.7 }", "br0 bond0 eth0.7"),
        (MIDDLE, "pcap { dev=eth0 speed=10G }", "eth0"),
        (NEW, "pcap { dev=eth0 speed=10G }", ""),
        (MIDDLE, "pcap { dev=eth0 } pcap { dev=eth0 }", "eth0 eth0"),
        (NEW, "pcap { dev=eth0 } pcap { dev=eth0 }", "eth0"),
        (NEW, "pcap { dev.pattern=^e }", "eth0 ens3"),
        (NEW, "pcap { dev.pattern=^v }", ""),
        (NEW, "pcap { dev=eth0 dynamic=on }", ""),
    ],
)
def test_taps(version, body, names):
    taps = standin.choose_taps(config(body, version), KINDS, version)
    assert " ".join(one.name for one, _block in taps) == names


def test_the_later_block_wins():
    taps = standin.choose_taps(config("pcap { dev=eth0 sampling=5 } pcap { dev=eth0 sampling=6 }"), KINDS, NEW)
    assert [block["sampling"] for _one, block in taps] == [6]


@pytest.mark.parametrize(("version", "told"), [("2.1.13-2", True), ("2.1.14-2", False)])
def test_missing_device_is_told_by_old_releases_only(version, told):
    lines = []
    assert standin.choose_taps(config("pcap { dev=nope9 }", version), KINDS, version, lines.append) == []
    assert bool(lines) == told


LO = interface("lo", 1, ["127.0.0.1", "::1"], flags=standin.IFF_UP | standin.IFF_LOOPBACK)


@pytest.mark.parametrize(
    ("version", "body", "interfaces", "chosen"),
    [
        # docker0 wins by the lower index, by an IPv6-only host, and in old releases even over a public address
        (NEW, "", [LO, interface("docker0", 2, ["172.17.0.1"]), interface("eth0", 3, ["10.9.0.1"])], "172.17.0.1"),
        (NEW, "", [LO, interface("docker0", 3, ["172.17.0.1"]), interface("eth0", 2, ["10.9.0.1"])], "10.9.0.1"),
        (NEW, "", [LO, interface("docker0", 3, ["172.17.0.1"]), interface("eth0", 2, ["2001:db8::1"])], "172.17.0.1"),
        (OLD, "", [LO, interface("docker0", 2, ["172.17.0.1"]), interface("eth0", 3, ["203.0.113.9"])], "172.17.0.1"),
        (NEW, "", [LO, interface("docker0", 2, ["172.17.0.1"]), interface("eth0", 3, ["203.0.113.9"])], "203.0.113.9"),
        # an address of carrier-grade NAT counts as public
        (NEW, "", [LO, interface("eth0", 2, ["10.9.0.1"]), interface("ts0", 3, ["100.64.0.1"])], "100.64.0.1"),
        (NEW, "", [LO, interface("eth0", 2, ["169.254.3.4"]), interface("d0", 3, ["fd00::1"])], "fd00::1"),
        (NEW, "", [LO, interface("eth0", 2, ["fe80::1"])], "fe80::1"),
        (NEW, "", [LO], "127.0.0.1"),
        (NEW, "", [LO, interface("v7", 2, ["10.7.0.1"], vlan=True), interface("d0", 3, ["fd00::1"])], "fd00::1"),
        (NEW, "", [LO, interface("eth0", 2, ["10.9.0.1"], flags=0)], "10.9.0.1"),
        # what the file says
        (NEW, "agent=eth1", [interface("eth0", 2, ["10.9.0.1"]), interface("eth1", 3, ["fe80::2"])], "fe80::2"),
        (NEW, "agent=eth1", [interface("eth0", 2, ["10.9.0.1"]), interface("eth1", 3, ["10.8.0.1"])], "10.8.0.1"),
        (NEW, "agent=nope9", [interface("eth0", 2, ["10.9.0.1"])], "10.9.0.1"),
        (NEW, "agentIP=198.51.100.7", [interface("eth0", 2, ["10.9.0.1"])], "198.51.100.7"),
        (
            NEW,
            "agent.cidr=10.0.0.0/8 agent.cidr=203.0.113.0/24",
            [interface("eth0", 2, ["203.0.113.9"]), interface("eth1", 3, ["10.8.0.1"])],
            "10.8.0.1",
        ),
        (
            NEW,
            "agent.cidr=!203.0.113.0/24",
            [interface("eth0", 2, ["203.0.113.9"]), interface("eth1", 3, ["10.8.0.1"])],
            "10.8.0.1",
        ),
    ],
)
def test_agent_address(version, body, interfaces, chosen):
    found, _device = standin.select_agent(config(body, version), host(*interfaces), version)
    assert str(found) == chosen


def test_no_address_at_all():
    assert standin.select_agent(config(""), host(interface("eth0", 2)), NEW) == (None, None)


def test_an_address_made_by_the_kernel_loses_a_tie():
    automatic = interface("eth0", 2, ["2001:db8::a"], automatic=True)
    other = interface("eth1", 3, ["2001:db8::b"])
    assert str(standin.select_agent(config(""), host(automatic, other), NEW)[0]) == "2001:db8::b"
    assert str(standin.select_agent(config("", MIDDLE), host(automatic, other), MIDDLE)[0]) == "2001:db8::a"


def frame(kind, packet, tags=()):
    return bytes(12) + b"".join(struct.pack(">HH", 0x8100, tag) for tag in tags) + struct.pack(">H", kind) + packet


@pytest.mark.parametrize("tags", [(), (7,), (7, 8)])
def test_connection_of_a_frame(tags):
    ports = struct.pack(">HH", 40000, 443)
    four = bytes([0x46]) + bytes(8) + bytes([6]) + bytes(2) + bytes([10, 9, 0, 1]) + bytes([10, 9, 0, 2]) + bytes(4)
    found = standin.tcp_flow(frame(0x0800, four + ports, tags))
    assert found == (socket.AF_INET, (bytes([10, 9, 0, 1]), 40000), (bytes([10, 9, 0, 2]), 443))
    six = bytes([0x60]) + bytes(5) + bytes([6, 64]) + b"a" * 16 + b"b" * 16
    found = standin.tcp_flow(frame(0x86DD, six + ports, tags))
    assert found == (socket.AF_INET6, (b"a" * 16, 40000), (b"b" * 16, 443))
    assert standin.tcp_flow(frame(0x0800, four[:9] + bytes([17]) + four[10:] + ports, tags)) is None
    for length in range(60):
        standin.tcp_flow(frame(0x0800, four + ports, tags)[:length])


class Socket:
    """A packet socket that gives one frame whose VLAN tag the kernel took off."""

    def __init__(self, data, status, tci):
        self.answer = data, [(263, 8, struct.pack("=IIIHHHH", status, 90, 90, 0, 14, tci, 0x88A8))], 0, ("eth0", 0, 0)

    def recvmsg(self, _size, _ancillary):
        if self.answer is None:
            raise BlockingIOError
        answer, self.answer = self.answer, None
        return answer


@pytest.mark.parametrize(
    ("status", "inserted", "length"),
    [(0, b"", 90), (0x10, b"\x81\x00\x00\x07", 94), (0x50, b"\x88\xa8\x00\x07", 94)],
)
def test_vlan_tag_is_put_back(status, inserted, length):
    tap = standin.Tap(interface("eth0", 2), {}, 1, NEW)
    tap.socket = Socket(b"m" * 12 + b"\x08\x00" + b"p" * 50, status, 7)
    data, wire = tap.read(60)
    assert data == (b"m" * 12 + inserted + b"\x08\x00" + b"p" * 50)[:60] if inserted else len(data) == 64
    assert wire == length
    assert tap.read(60) is None
