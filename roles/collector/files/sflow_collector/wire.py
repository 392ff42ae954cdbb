# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sFlow version 5 as it stands on the wire, and the scalar decoder: the reference for every faster one.

A datagram is a header and a list of samples; a sample is a header of 32-bit words and a list of records;
samples and records start with a tag (enterprise << 12 | format) and a length. The tables below describe the
headers, the walk is the same for all of them. Nothing here raises on hostile input: what cannot be read is
named in Datagram.errors, and everything before the fault counts:

    too_short      shorter than an sFlow header
    version        not sFlow version 5
    address_type   the agent address is neither IPv4 nor IPv6
    samples        a sample reaches past the end of the datagram, or there are fewer than announced
    sample_header  a sample is shorter than its own header
    records        a record reaches past the end of its sample, or there are fewer than announced

Whoever receives datagrams adds truncated (longer than the receive slot) and fault (of this collector itself).
"""

import struct
from typing import Dict, Iterator, List, Optional, Tuple

from . import packet

PORT = 6343
MAPPED = b"\x00" * 10 + b"\xff\xff"  # IPv4 addresses are kept as IPv4-mapped IPv6, so every address has 16 bytes

FLOW, COUNTERS, DISCARD = "flow", "counters", "discard"

#: Sample headers by tag: (kind, names of its 32-bit words). "source" is the plain data source (class << 24 | index);
#: expanded formats spell it in two words. The last word is always the number of records.
SAMPLES = {
    1: (FLOW, "sequence source rate pool drops input output records"),
    2: (COUNTERS, "sequence source records"),
    3: (FLOW, "sequence class index rate pool drops input_format input output_format output records"),
    4: (COUNTERS, "sequence class index records"),
    5: (DISCARD, "sequence class index drops input output reason records"),
}

#: Records that carry the sampled packet: tag -> (reader in packet.py, length of the fixed part).
PACKETS = {1: packet.read_raw_header, 3: packet.read_sampled_ipv4, 4: packet.read_sampled_ipv6}

#: Tags of records that have a meaning to sFlow; every other is skipped by its length and counted.
KNOWN_FLOW_RECORDS = frozenset(
    list(range(1, 5)) + list(range(1001, 1017)) + list(range(1020, 1031)) + [1031, 1033, 1034, 1035]
    + list(range(1036, 1044)) + list(range(2100, 2104)) + list(range(2200, 2211))
)
KNOWN_COUNTER_RECORDS = frozenset(
    list(range(1, 8)) + [10, 11] + list(range(1001, 1006)) + list(range(2000, 2011)) + list(range(2100, 2107))
    + list(range(2200, 2208)) + [3000, (5703 << 12) + 1, (4413 << 12) + 3]
)

_PAIR = struct.Struct(">II")
_TAIL = struct.Struct(">IIII")  # sub-agent, sequence, uptime, number of samples
_HEADERS = {tag: (kind, names.split(), struct.Struct(">%dI" % len(names.split())))
            for tag, (kind, names) in SAMPLES.items()}


class Datagram:
    """One decoded datagram. agent is None when the header itself could not be read."""

    __slots__ = ("agent", "sub_agent", "sequence", "uptime", "samples", "unknown", "unknown_samples", "errors")

    def __init__(self) -> None:
        self.agent: Optional[bytes] = None  # 16 bytes
        self.sub_agent = self.sequence = self.uptime = 0
        self.samples: List[Sample] = []
        self.unknown: List[int] = []  # tags of unknown records
        self.unknown_samples: List[int] = []  # tags of unknown samples
        self.errors: List[str] = []  # reasons, see the module


class Sample:
    """One sample. words holds the named header fields; source is (class << 32 | index) for both formats."""

    __slots__ = ("kind", "tag", "words", "source", "start", "end", "records", "packet")
    kind: str
    tag: int
    words: Dict[str, int]
    source: int
    start: int
    end: int
    records: List[Tuple[int, int, int]]  # (tag, first byte, end)
    packet: Optional[packet.Packet]


def decode(data: packet.Bytes, length: Optional[int] = None) -> "Datagram":
    """Decode the first length bytes of data (bytes, bytearray or memoryview)."""
    end = len(data) if length is None else length
    out = Datagram()
    if end < 8:
        out.errors.append("too_short")
        return out
    version, address_type = _PAIR.unpack_from(data, 0)
    if version != 5:
        out.errors.append("version")
        return out
    if address_type not in (1, 2):
        out.errors.append("address_type")
        return out
    position = 12 if address_type == 1 else 24
    if end < position + 16:
        out.errors.append("too_short")
        return out
    address = bytes(data[8:position])
    out.agent = MAPPED + address if address_type == 1 else address
    out.sub_agent, out.sequence, out.uptime, samples = _TAIL.unpack_from(data, position)
    position += 16
    for _unused in range(samples):
        if position + 8 > end:
            out.errors.append("samples")
            break
        tag, size = _PAIR.unpack_from(data, position)
        start = position + 8
        position = start + ((size + 3) & ~3)
        if position > end:
            out.errors.append("samples")
            break
        if tag in _HEADERS:
            read_sample(out, data, tag, start, position)
        else:
            out.unknown_samples.append(tag)
    return out


def read_sample(out: "Datagram", data: packet.Bytes, tag: int, start: int, end: int) -> None:
    """Read the header of a sample at start and walk its records."""
    kind, names, layout = _HEADERS[tag]
    if start + layout.size > end:
        out.errors.append("sample_header")
        return
    sample = Sample()
    sample.kind = kind
    sample.tag = tag
    sample.words = words = dict(zip(names, layout.unpack_from(data, start)))
    if "source" in words:
        sample.source = (words["source"] >> 24) << 32 | words["source"] & 0xFFFFFF
    else:
        sample.source = words["class"] << 32 | words["index"]
    sample.start = start + layout.size
    sample.end = end
    sample.packet = None
    sample.records = []
    known = KNOWN_COUNTER_RECORDS if kind == COUNTERS else KNOWN_FLOW_RECORDS
    out.samples.append(sample)
    complete = True
    for record, first, last in records(data, sample.start, end, words["records"]):
        if record is None:
            complete = False
            break
        sample.records.append((record, first, last))
        if record not in known:
            out.unknown.append(record)
        elif kind == FLOW and sample.packet is None and record in PACKETS:
            sample.packet = PACKETS[record](data, first, last)
    if not complete:
        out.errors.append("records")


def records(data: packet.Bytes, position: int, end: int, count: int) -> Iterator[Tuple[Optional[int], int, int]]:
    """Yield (tag, first byte, end) for count records; (None, 0, 0) and stop where one does not fit."""
    for _unused in range(count):
        if position + 8 > end:
            yield None, 0, 0
            return
        tag, size = _PAIR.unpack_from(data, position)
        first = position + 8
        position = first + ((size + 3) & ~3)
        if position > end:
            yield None, 0, 0
            return
        yield tag, first, min(first + size, end)


def tag_name(tag: int) -> str:
    """The usual spelling of a tag: enterprise:format."""
    return "%d:%d" % (tag >> 12, tag & 0xFFF)


def source_name(source: int) -> str:
    """The spelling sFlow-RT uses for a data source: "3" for interface 3, "2.1" for class 2 index 1."""
    kind, index = source >> 32, source & 0xFFFFFFFF
    return "%d.%d" % (kind, index) if kind else "%d" % index
