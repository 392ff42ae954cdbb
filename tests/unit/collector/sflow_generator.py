# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes sFlow version 5 datagrams, frames and captures; written apart from the decoder, from the specification.

The functions build the parts; Fleet sends what a fleet of hsflowd, Open vSwitch and sfprobe agents sends (which
records in which order is taken from captures of these programs).
"""

import random
import socket
import struct


def words(*values):
    """32-bit words."""
    return struct.pack(">%dI" % len(values), *[value & 0xFFFFFFFF for value in values])


def pack_address(text):
    """The bytes of an IPv4 or IPv6 address."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def tagged(tag, body):
    """A sample or record: tag, length, body padded to words."""
    return words(tag, len(body)) + body + b"\0" * (-len(body) % 4)


def datagram(agent, sequence, samples=(), sub_agent=100000, uptime=1000, count=None, version=5):
    """A datagram of tagged samples."""
    address = pack_address(agent)
    return (words(version, 1 if len(address) == 4 else 2) + address
            + words(sub_agent, sequence, uptime, len(samples) if count is None else count) + b"".join(samples))


def flow_sample(records, sequence=1, source=(0, 2), rate=400, pool=400, drops=0, ports=(2, 0), expanded=True,
                count=None):
    """A flow sample, plain (1) or expanded (3)."""
    count = len(records) if count is None else count
    if expanded:
        head = words(sequence, source[0], source[1], rate, pool, drops, 0, ports[0], 0, ports[1], count)
    else:
        head = words(sequence, source[0] << 24 | source[1], rate, pool, drops, ports[0], ports[1], count)
    return tagged(3 if expanded else 1, head + b"".join(records))


def counter_sample(records, sequence=1, source=(2, 1), expanded=True, count=None):
    """A counter sample, plain (2) or expanded (4)."""
    count = len(records) if count is None else count
    head = words(sequence, source[0], source[1], count) if expanded else words(sequence, source[0] << 24 | source[1], count)
    return tagged(4 if expanded else 2, head + b"".join(records))


def discard_sample(records, sequence=1, source=(0, 2), drops=0, ports=(2, 0), reason=1):
    """A sample of a discarded packet (5)."""
    return tagged(5, words(sequence, source[0], source[1], drops, ports[0], ports[1], reason, len(records))
                  + b"".join(records))


# Flow records.

def raw_header(frame, frame_length=None, protocol=1, captured=128):
    """The first bytes of a sampled frame (0:1)."""
    head = frame[:captured]
    length = len(frame) + 4 if frame_length is None else frame_length
    return tagged(1, words(protocol, length, 4, len(head)) + head + b"\0" * (-len(head) % 4))  # opaque data is padded


def sampled_ip(source, target, protocol=6, length=100, ports=(1024, 443)):
    """Sampled IPv4 (0:3) or IPv6 (0:4)."""
    addresses = pack_address(source) + pack_address(target)
    return tagged(3 if len(addresses) == 8 else 4,
                  words(length, protocol) + addresses + words(ports[0], ports[1], 0x10, 0))


def timestamp(value=1):
    """1043, as recent hsflowd releases send it in front of the header."""
    return tagged(1043, words(value >> 32, value))


def tcp_info():
    """2209, as hsflowd sends it for a local socket."""
    return tagged(2209, words(1, 1448, 1448, 0, 0, 0, 1500, 300, 100, 10, 0, 50))


# Frames.

def ethernet(payload, kind, vlans=(), tag=0x8100):
    """An Ethernet frame, tagged for every VLAN."""
    tags = b"".join(struct.pack(">HH", tag, vlan) for vlan in vlans)
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02" + tags + struct.pack(">H", kind) + payload


def checksum(data):
    """The Internet checksum."""
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ipv4(source, target, protocol=6, payload=None, options=b"", fragment=0):
    """An IPv4 packet."""
    payload = transport(protocol) if payload is None else payload
    head = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 1, fragment, 64,
                       protocol, 0) + pack_address(source) + pack_address(target) + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(source, target, protocol=6, payload=None, extensions=()):
    """An IPv6 packet; extensions are (next-header number, body from its length byte on)."""
    payload = transport(protocol) if payload is None else payload
    chain = [number for number, _body in extensions] + [protocol]
    inner = b"".join(struct.pack(">B", following) + body
                     for following, (_number, body) in zip(chain[1:], extensions)) + payload
    return (struct.pack(">IHBB", 6 << 28, len(inner), chain[0], 64) + pack_address(source) + pack_address(target)
            + inner)


def transport(protocol, ports=(1024, 443), size=64):
    """The beginning of a TCP, UDP or other payload."""
    if protocol == 6:
        return struct.pack(">HHIIHHHH", ports[0], ports[1], 1, 1, 0x5010, 512, 0, 0) + b"\0" * size
    if protocol == 17:
        return struct.pack(">HHHH", ports[0], ports[1], 8 + size, 0) + b"\0" * size
    return b"\x08\0\0\0\0\x01\0\x01" + b"\0" * size


def frame(source, target, protocol=6, vlans=(), size=64):
    """An Ethernet frame with an IP packet."""
    version6 = ":" in source
    packet = (ipv6 if version6 else ipv4)(source, target, protocol, transport(protocol, size=size))
    return ethernet(packet, 0x86DD if version6 else 0x0800, vlans)


# Counter records.

def string(text):
    """A counted string."""
    data = text.encode("utf-8")
    return words(len(data)) + data + b"\0" * (-len(data) % 4)


def interface_counters(index, speed=1000000000, octets=(1000, 2000), packets=(10, 20), status=3):
    """0:1"""
    return tagged(1, struct.pack(">IIQIIQ6IQ6I", index, 6, speed, 1, status, octets[0], packets[0], 0, 0, 0, 0, 0,
                                 octets[1], packets[1], 0, 0, 0, 0, 0))


def port_name(name):
    """1005"""
    return tagged(1005, string(name))


def host_id(name, uuid=b"\x11" * 16):
    """2000"""
    return tagged(2000, string(name) + uuid + words(3, 2) + string("6.1.0"))


def host_counters(name="host", uuid=b"\x11" * 16, load=0.5, busy=100):
    """What hsflowd says of its host, in its order."""
    return [
        tagged(2001, words(0)), tagged(2010, words(1, 2, 3, 4, 5, 6, 7)), tagged(2009, words(*range(15))),
        tagged(2008, words(*range(25))), tagged(2007, words(*range(19))),
        tagged(2005, struct.pack(">QQIIQIIQI", 1 << 40, 1 << 39, 5000, 10, 4096, 5, 20, 8192, 7)),
        tagged(2004, struct.pack(">7Q4I", 8 << 30, 4 << 30, 0, 1 << 30, 1 << 30, 0, 0, 1, 2, 0, 0)),
        tagged(2003, struct.pack(">3f17I", load, load / 2, load / 4, 2, 300, 4, 2400, 100000, busy, 0, busy, 10 * busy,
                                 0, 0, 0, 5000, 9000, 0, 0, 0)),
        tagged(2006, struct.pack(">QIIIQIII", 1000, 10, 0, 0, 2000, 20, 0, 0)),
        host_id(name, uuid),
    ]


# Captures.

def udp_frame(source, payload, target="192.0.2.254", port=6343, source_port=40000):
    """An Ethernet frame that carries an sFlow datagram."""
    udp = struct.pack(">HHHH", source_port, port, 8 + len(payload), 0) + payload
    if ":" in source:
        return ethernet(ipv6(source, "2001:db8::254", 17, udp), 0x86DD)
    return ethernet(ipv4(source, target, 17, udp), 0x0800)


def pcap(packets, link=1):
    """A capture of (seconds, frame)."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)]
    for time, data in packets:
        out.append(struct.pack("<IIII", int(time), int(round(time % 1 * 1e6)), len(data), len(data)) + data)
    return b"".join(out)


def pcapng(packets, link=1):
    """The same as pcapng with microseconds."""
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    out = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), block(1, struct.pack("<HHI", link, 0, 0))]
    for time, data in packets:
        ticks = int(round(time * 1e6))
        out.append(block(6, struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)) + data))
    return b"".join(out)


MAX_DATAGRAM = 1400  # agents fill datagrams up to this size


class Fleet:
    """A fleet of agents that sends a realistic mix, seeded: the same fleet sends the same datagrams.

    One in ten agents has an IPv6 address; seven in ten are hsflowd hosts (expanded samples, 1043 or 2209 in front of
    the header), the others Open vSwitch and sfprobe (plain samples). One sample in five is IPv6.
    """

    def __init__(self, agents=100, seed=1, groups=8, host="host-%d"):
        self.host = host
        self.random = random.Random(seed)
        self.groups = groups
        self.size = agents
        self.sequence = [1] * agents
        self.flows = [1] * agents
        self.pools = [0] * agents
        self.frames = [self._frame() for _unused in range(512)]
        self.mapping = {"INTERNET": ["0.0.0.0/0"]}
        for group in range(groups):
            self.mapping["Site%d" % group] = ["10.%d.0.0/16" % group, "2001:db8:%x::/48" % group]

    def _host(self, version6):
        pick = self.random.randrange
        if pick(3) == 0:
            return "2001:4860::%x" % pick(1, 60000) if version6 else "198.51.100.%d" % pick(1, 255)
        group = pick(self.groups)
        if version6:
            return "2001:db8:%x::%x" % (group, pick(1, 60000))
        return "10.%d.%d.%d" % (group, pick(4), pick(1, 255))

    def _frame(self):
        version6 = self.random.random() < 0.2
        protocol = self.random.choice([6, 6, 6, 6, 17, 17, 58 if version6 else 1, 47])
        vlans = [100] if self.random.random() < 0.1 else []
        return frame(self._host(version6), self._host(version6), protocol, vlans, self.random.choice([20, 200, 1400]))

    def address(self, number):
        """The agent address of a number."""
        if number % 10 == 9:
            return "2001:db8:ffff::%x" % (number + 1)
        return "10.%d.%d.%d" % (200 + (number >> 16), number >> 8 & 255, number & 255)

    def send(self, number, uptime=None):
        """The next datagram of an agent."""
        pick, kind = self.random, number % 10
        sequence = self.sequence[number]
        self.sequence[number] += 1
        expanded = kind < 7 or kind == 9
        counters = []
        chance = pick.random()
        if chance < 0.15:
            counters.append(counter_sample([interface_counters(2, octets=(sequence * 1000, sequence * 500))]
                                           + ([port_name("eth0")] if expanded else []), sequence, (0, 2), expanded))
        if chance < 0.15 or chance > 0.85:
            counters.append(counter_sample(host_counters(
                self.host % number if "%" in self.host else self.host,
                struct.pack(">QQ", 1, number if "%" in self.host else 0)), sequence, (2, 1), expanded))
        samples, room = [], MAX_DATAGRAM - 40 - sum(len(each) for each in counters)
        for _unused in range(pick.choice((3, 4, 5, 5, 6, 6))):
            records = [raw_header(pick.choice(self.frames))]
            if expanded:
                records.insert(0, timestamp(sequence))
                if kind < 2:
                    records.insert(0, tcp_info())
            sample = flow_sample(records, self.flows[number] + 1, (0, 2), 400, self.pools[number] + 400,
                                 expanded=expanded)
            room -= len(sample)
            if room < 0:
                break
            self.flows[number] += 1
            self.pools[number] += 400
            samples.append(sample)
        samples += counters
        return datagram(self.address(number), sequence, samples, 100000 if expanded else 0,
                        sequence * 1000 if uptime is None else uptime)
