# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sFlow datagrams out of a capture file: pcap and pcapng, Ethernet, Linux cooked and raw IP, UDP to one port."""

import struct
from typing import Any, Dict, Iterator, List, Optional, Tuple

from . import wire
from .packet import TAGS

MAX_FRAME = 1 << 20
PIECE = 1 << 18  # bytes read at a time
PART = 1 << 16  # the same where frames are taken one by one; not less than the head of one and PAD
PAD = bytes(8)  # stands behind every frame: a decoder may look so far ahead
MAGICS = {b"\xd4\xc3\xb2\xa1": ("<", 1000000), b"\xa1\xb2\xc3\xd4": (">", 1000000),
          b"\x4d\x3c\xb2\xa1": ("<", 1000000000), b"\xa1\xb2\x3c\x4d": (">", 1000000000)}
PCAPNG = b"\x0a\x0d\x0d\x0a"
#: Link type -> (where the protocol number stands, where the packet begins); None: raw IP.
LINKS: Dict[int, Optional[Tuple[int, int]]] = {1: (12, 14), 113: (14, 16), 276: (0, 20), 12: None, 14: None, 101: None, 228: None, 229: None}
#: Ethernet type and first byte of IP; total length; fragment, time to live and protocol; source; target port and length of UDP.
_IPV4_BEHIND_ETHERNET = struct.Struct(">12x3sxH2xI2x4s6xI")
_UNFRAGMENTED_UDP = 0x3FFF00FF, 17  # what counts of the third, and what it must be
#: Length behind the header, next header; source; target port and length of UDP.
_IPV6_BEHIND_ETHERNET = struct.Struct(">18xHBx16s18xI")
Located = Tuple[int, bytes, bytes, int, int]


class CaptureError(ValueError):
    """The file is not a capture that can be read."""


def datagrams(stream: Any, port: int = wire.PORT) -> Iterator[Tuple[int, bytes, bytes]]:
    """Yield (milliseconds, source address of 16 bytes, payload) of every datagram to the port."""
    for time_ms, source, data, begin, end in located(stream, port):
        yield time_ms, source, data[begin:end]


def located(stream: Any, port: int = wire.PORT) -> Iterator[Located]:
    """Yield (milliseconds, source address of 16 bytes, data, begin, end) of every datagram to the port.

    The payload lies in data between begin and end, and at least len(PAD) bytes follow it: what is decoded where it
    lies need not be copied.
    """
    magic = stream.read(4)
    if magic == PCAPNG:
        return _pcapng(stream, port)
    if magic in MAGICS:
        return _pcap(stream, port, *MAGICS[magic])
    raise CaptureError("neither pcap nor pcapng")


def _copied(time_ms: int, link: int, frame: bytes, port: int) -> Iterator[Located]:
    """The datagram of any frame."""
    found = payload(link, frame, port)
    if found is not None:
        yield time_ms, found[0], found[1] + PAD, 0, len(found[1])


def _exactly(stream: Any, size: int) -> Optional[bytes]:
    data = stream.read(size)
    return data if len(data) == size else None


def _filled(stream: Any, data: bytes, size: int) -> bytes:
    """data and what follows it, size bytes or all that is left."""
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            break
        data += more
    return data


def _pcap(stream: Any, port: int, order: str, unit: int) -> Iterator[Located]:
    """The datagrams of a pcap file. Usual frames, UDP behind IPv4 or IPv6 behind Ethernet and nothing else, are recognised here."""
    head = _exactly(stream, 20)
    if head is None:
        return
    link = struct.unpack(order + "HHiIII", head)[5] & 0xFFFF
    unpack, usual = struct.Struct(order + "III").unpack_from, _IPV4_BEHIND_ETHERNET.unpack_from
    shortest, per_unit = 42 if link == 1 else MAX_FRAME + 1, unit // 1000
    usual6, (mask, unfragmented_udp) = _IPV6_BEHIND_ETHERNET.unpack_from, _UNFRAGMENTED_UDP
    mapped, port_and_rest, port_and_rest6 = wire.MAPPED, (port << 16) - 34, (port << 16) - 54
    seekable = stream.seekable()
    if seekable:  # what is left of a piece is read again, straight into the next one
        begin = stream.tell()
        stream = getattr(stream, "raw", stream)
        stream.seek(begin)
    data, position, part, ended = b"", 0, PART, False
    while not ended:
        if seekable:
            stream.seek(position - len(data), 1)
            data = _filled(stream, b"", part)
        else:
            data = _filled(stream, data[position:], part)
        ended = len(data) < part
        if ended:
            data += PAD  # nothing follows the last frame
        position, limit, part = 0, len(data) - len(PAD), PART
        while True:
            begin = position + 16
            if begin > limit:
                break
            seconds, fraction, size = unpack(data, position)
            end = begin + size
            if end > limit:
                if size > MAX_FRAME:
                    raise CaptureError("a frame of %d bytes" % size)
                part = max(PART, end + len(PAD) - position)
                break
            position = end
            if size >= shortest:
                kind, total, protocol, address, port_and_length = usual(data, begin)
                if (kind == b"\x08\x00\x45" and protocol & mask == unfragmented_udp and total == size - 14
                        and port_and_length == port_and_rest + size):
                    yield seconds * 1000 + fraction // per_unit, mapped + address, data, begin + 42, end
                    continue
                if kind == b"\x86\xdd\x60" and size >= 62:
                    total, protocol, address, port_and_length = usual6(data, begin)
                    if protocol == 17 and total == size - 54 and port_and_length == port_and_rest6 + size:
                        yield seconds * 1000 + fraction // per_unit, address, data, begin + 62, end
                        continue
            yield from _copied(seconds * 1000 + fraction // per_unit, link, data[begin:end], port)


def _pcapng(stream: Any, port: int) -> Iterator[Located]:
    order = "<"
    interfaces: List[Tuple[int, int]] = []
    kind = PCAPNG
    while True:
        size_bytes = _exactly(stream, 4)
        if size_bytes is None:
            return
        body = b""
        if kind == PCAPNG:
            body = _exactly(stream, 4) or b""
            order = ">" if body == b"\x1a\x2b\x3c\x4d" else "<"
            interfaces = []
        size, = struct.unpack(order + "I", size_bytes)
        if size < 12 or size % 4 or size > MAX_FRAME:
            raise CaptureError("a block of %d bytes" % size)
        rest = _exactly(stream, size - 8 - len(body))
        if rest is None:
            return
        body += rest[:-4]
        block, = struct.unpack(order + "I", kind)
        if block == 1 and len(body) >= 8:
            interfaces.append((struct.unpack_from(order + "H", body)[0], _resolution(body, order)))
        elif block == 6 and len(body) >= 20:
            number, high, low, captured = struct.unpack_from(order + "IIII", body)
            if number < len(interfaces) and captured <= len(body) - 20:
                link, per_second = interfaces[number]
                yield from _copied((high << 32 | low) * 1000 // per_second, link, body[20:20 + captured], port)
        following = _exactly(stream, 4)
        if following is None:
            return
        kind = following


def _resolution(body: bytes, order: str) -> int:
    """Ticks per second of an interface: option 9, microseconds without it."""
    position = 8
    while position + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, position)
        if code == 9 and size == 1 and position + 5 <= len(body):
            value = body[position + 4]
            return 2 ** (value & 127) if value & 128 else 10 ** value
        if not code:
            break
        position += 4 + (size + 3 & ~3)
    return 1000000


class Blocks:
    """Large pieces of a pcap file for the batch decoder: the places of its frames, found by their lengths alone."""

    def __init__(self, stream: Any) -> None:
        head = stream.read(24)
        if head[:4] not in MAGICS or len(head) < 24:
            raise CaptureError("not a pcap file")
        begin = stream.tell()
        self.stream = getattr(stream, "raw", stream)  # its own buffer would only be another copy
        self.stream.seek(begin)
        self.order, self.unit = MAGICS[head[:4]]
        self.link = struct.unpack_from(self.order + "I", head, 20)[0] & 0xFFFF

    def read(self, view: memoryview, most: int) -> List[int]:
        """Fill a memoryview and say where its frames begin, the 16 bytes of their heads first; [] at the end."""
        places: List[int] = []
        position = filled = 0
        unpack, append = struct.Struct(self.order + "8xI").unpack_from, places.append
        while len(places) < most:  # in pieces that are still in the cache when their frames are looked for
            read = self.stream.readinto(view[filled:filled + PIECE])
            if not read:
                break
            filled += read
            limit = filled - 16
            while position <= limit:
                append(position)
                size, = unpack(view, position)
                position += 16 + size
        if len(places) > most:
            position = places[most]
            del places[most:]
        elif position > filled:  # the last frame is cut: it is read again with the next piece
            size, position = position - places[-1] - 16, places.pop()
            if size > MAX_FRAME:
                raise CaptureError("a frame of %d bytes" % size)
        self.stream.seek(position - filled, 1)
        return places


def payload(link: int, frame: bytes, port: int) -> Optional[Tuple[bytes, bytes]]:
    """(source address, payload) of an unfragmented UDP packet to the port, else None."""
    if link not in LINKS:
        return None
    start, kind = 0, 0
    behind = LINKS[link]
    if behind is not None:
        place, start = behind
        while len(frame) >= start + 4:
            kind, = struct.unpack_from(">H", frame, place)
            if kind not in TAGS:
                break
            place, start = place + 4, start + 4
    if len(frame) < start + 20:
        return None
    version = frame[start] >> 4
    if version == 4 and kind in (0, 0x0800):
        return _udp4(frame, start, port)
    if version == 6 and kind in (0, 0x86DD):
        return _udp6(frame, start, port)
    return None


def _udp4(frame: bytes, start: int, port: int) -> Optional[Tuple[bytes, bytes]]:
    length, _identity, fragment = struct.unpack_from(">HHH", frame, start + 2)
    begin, end = start + 4 * (frame[start] & 15), min(len(frame), start + (length or len(frame)))
    if frame[start + 9] != 17 or fragment & 0x3FFF:
        return None
    return _udp(frame, begin, end, port, wire.MAPPED + frame[start + 12:start + 16])


def _udp6(frame: bytes, start: int, port: int) -> Optional[Tuple[bytes, bytes]]:
    if len(frame) < start + 48 or frame[start + 6] != 17:
        return None
    return _udp(frame, start + 40, len(frame), port, frame[start + 8:start + 24])


def _udp(frame: bytes, begin: int, end: int, port: int, source: bytes) -> Optional[Tuple[bytes, bytes]]:
    if begin + 8 > end:
        return None
    _from, to, length = struct.unpack_from(">HHH", frame, begin)
    if to != port or length < 8:
        return None
    return source, frame[begin + 8:min(end, begin + length)]
