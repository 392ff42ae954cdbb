# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sampled packet: which addresses and which protocol, from the first bytes of a frame.

Ethernet (with 802.1Q and QinQ tags), IPv4 and IPv6 (with extension headers) are followed; everything else is a
packet without addresses (version 0). Every read is checked against the end of what was captured.
"""

import struct
from typing import Optional, Tuple, Union

Bytes = Union[bytes, bytearray, memoryview]

ETHERNET, IPV4, IPV6 = 1, 11, 12  # header_protocol of the raw header record
TAGS = frozenset((0x8100, 0x88A8, 0x9100))
MAX_TAGS = 4
MAX_EXTENSIONS = 8
MAX_FRAME_LENGTH = 1 << 20  # a forged length must not blow up the sums

#: IPv6 extension headers that are stepped over: next header -> (unit of the length field, units to add).
EXTENSIONS = {0: (8, 1), 43: (8, 1), 60: (8, 1), 135: (8, 1), 139: (8, 1), 140: (8, 1), 44: (0, 8), 51: (4, 2)}

TCP, UDP, ICMP, OTHER = 0, 1, 2, 3
CLASSES = ("tcp", "udp", "icmp", "other")
CLASS_OF = {6: TCP, 17: UDP, 1: ICMP, 58: ICMP}
PROTOCOL_NAMES = {1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 17: "udp", 41: "ip6", 47: "gre", 50: "esp", 51: "ah",
                  58: "icmp6", 88: "eigrp", 89: "ospf", 103: "pim", 112: "vrrp", 132: "sctp"}

_RAW = struct.Struct(">IIII")  # header protocol, frame length, stripped bytes, header length
_TYPE = struct.Struct(">H")
_WORDS = struct.Struct(">II")


class Packet:
    """What is known of a sampled packet. source and target have 4 or 16 bytes; version is 0 without IP."""

    __slots__ = ("version", "source", "target", "protocol", "frame_length", "vlan", "ports")

    def __init__(self, frame_length: int) -> None:
        self.version = self.protocol = 0
        self.source = self.target = b""
        self.frame_length = min(frame_length, MAX_FRAME_LENGTH)
        self.vlan: Optional[int] = None
        self.ports: Optional[Tuple[int, int]] = None


def read_raw_header(data: Bytes, start: int, end: int) -> "Packet":
    """The packet of a raw header record (0:1) between start and end."""
    if start + 16 > end:
        return Packet(0)
    protocol, frame_length, _stripped, size = _RAW.unpack_from(data, start)
    out = Packet(frame_length)
    start += 16
    end = min(end, start + size)
    if protocol == ETHERNET:
        _read_ethernet(out, data, start, end)
    elif protocol == IPV4:
        _read_ipv4(out, data, start, end)
    elif protocol == IPV6:
        _read_ipv6(out, data, start, end)
    return out


def _read_ethernet(out: "Packet", data: Bytes, start: int, end: int) -> None:
    position = start + 12
    for _unused in range(MAX_TAGS + 1):
        if position + 2 > end:
            return
        kind, = _TYPE.unpack_from(data, position)
        if kind not in TAGS:
            break
        if out.vlan is None and position + 4 <= end:
            out.vlan = _TYPE.unpack_from(data, position + 2)[0] & 0xFFF
        position += 4
    if kind == 0x0800:
        _read_ipv4(out, data, position + 2, end)
    elif kind == 0x86DD:
        _read_ipv6(out, data, position + 2, end)


def _read_ipv4(out: "Packet", data: Bytes, start: int, end: int) -> None:
    if start + 20 > end or data[start] >> 4 != 4 or data[start] & 15 < 5:
        return
    out.version = 4
    out.protocol = data[start + 9]
    out.source = bytes(data[start + 12:start + 16])
    out.target = bytes(data[start + 16:start + 20])
    if not _TYPE.unpack_from(data, start + 6)[0] & 0x1FFF:  # not a later fragment
        _read_ports(out, data, start + 4 * (data[start] & 15), end)


def _read_ipv6(out: "Packet", data: Bytes, start: int, end: int) -> None:
    if start + 40 > end or data[start] >> 4 != 6:
        return
    out.version = 6
    out.source = bytes(data[start + 8:start + 24])
    out.target = bytes(data[start + 24:start + 40])
    out.protocol, position, first = follow_extensions(data, data[start + 6], start + 40, end)
    if first:
        _read_ports(out, data, position, end)


def follow_extensions(data: Bytes, following: int, position: int, end: int) -> Tuple[int, int, bool]:
    """Step over IPv6 extension headers: (protocol, its position, whether its header is there at all)."""
    for _unused in range(MAX_EXTENSIONS):
        if following not in EXTENSIONS or position + 8 > end:
            break
        unit, extra = EXTENSIONS[following]
        later = following == 44 and _TYPE.unpack_from(data, position + 2)[0] & 0xFFF8
        step = unit * (data[position + 1] + extra) if unit else extra
        following = data[position]
        position += step
        if later:  # what goes on here is the middle of something
            return following, position, False
    return following, position, True


def _read_ports(out: "Packet", data: Bytes, position: int, end: int) -> None:
    if out.protocol in (6, 17, 132) and position + 4 <= end:
        out.ports = (_TYPE.unpack_from(data, position)[0], _TYPE.unpack_from(data, position + 2)[0])


def read_sampled_ipv4(data: Bytes, start: int, end: int) -> "Packet":
    """The packet of a sampled IPv4 record (0:3): length, protocol, source, target, ports."""
    return _read_sampled(data, start, end, 4)


def read_sampled_ipv6(data: Bytes, start: int, end: int) -> "Packet":
    """The packet of a sampled IPv6 record (0:4)."""
    return _read_sampled(data, start, end, 16)


def _read_sampled(data: Bytes, start: int, end: int, size: int) -> "Packet":
    if start + 16 + 2 * size > end:
        return Packet(0)
    length, protocol = _WORDS.unpack_from(data, start)
    out = Packet(length)
    out.version = 4 if size == 4 else 6
    out.protocol = protocol & 0xFF
    out.source = bytes(data[start + 8:start + 8 + size])
    out.target = bytes(data[start + 8 + size:start + 8 + 2 * size])
    source_port, target_port = _WORDS.unpack_from(data, start + 8 + 2 * size)
    if out.protocol in (6, 17, 132):
        out.ports = (source_port & 0xFFFF, target_port & 0xFFFF)
    return out


def protocol_name(protocol: int) -> str:
    """A short name of an IP protocol number."""
    return PROTOCOL_NAMES.get(protocol, "ip-%d" % protocol)
