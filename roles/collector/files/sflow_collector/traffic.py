# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic between groups: frames and bytes per second, by protocol, over a sliding window of whole seconds.

A sampled frame stands for as many frames as the sampling rate says. Every second has a dict from pair key to
[frames, bytes]; a rate is the sum over the window. The newest samples are kept in a ring, from which the talkers
of a pair are counted when somebody asks. Agents along one path all count: what two taps see is counted twice.
"""

import socket
from typing import Any, Dict, List, Optional, Tuple

from . import packet
from .columns import SIZES, Table, columns

WINDOW_S = 10
MAX_PAIRS = 16384  # pair keys in one second
MAX_RATE = 1 << 24  # a forged sampling rate must not blow up the sums
RING = 32768  # sampled packets remembered for the talkers
MAX_TALKERS = 100

RING_COLUMNS = "time:q pair:I protocol:B version:B frames:Q bytes:Q source:B*16 target:B*16"
_RING_SIZES = [(name, SIZES[code] * width) for name, code, width in columns(RING_COLUMNS)]

# A pair key: source group << 20 | target group << 4 | class << 1 | IPv6.
GROUP_BITS = 16


class Traffic:
    """What flowed between the groups. now is in milliseconds, as in the account."""

    def __init__(self, groups: Any, window_s: int = WINDOW_S) -> None:
        self.groups = groups
        self.window_s = window_s
        self.seconds: Dict[Any, Any] = {}  # second -> {pair key: [frames, bytes]}
        self.current: Optional[int] = None
        self.started: Optional[int] = None
        self.overflow = 0
        self.not_ip = 0
        self.ring = Table(RING, RING_COLUMNS)
        self.position = 0  # samples ever written to the ring

    def regroup(self, groups: Any) -> None:
        """Take other groups: what was counted under the old numbers is forgotten."""
        self.groups = groups
        self.clear()

    def clear(self) -> None:
        """Forget everything counted."""
        self.seconds.clear()
        self.current = self.started = None
        self.position = self.not_ip = self.overflow = 0

    def to_plain(self, newest: int) -> Dict[str, Any]:
        """What was counted, with so many of the newest packets of the ring, as plain values."""
        filled = min(self.position, RING)
        places = [place % RING for place in range(self.position - min(filled, newest), self.position)]
        columns = {name: bytes(self.ring.buffers[name]) for name, _code, _width in self.ring.layout}
        rows = [[columns[name][place * size:(place + 1) * size] for name, size in _RING_SIZES] for place in places]
        return {"seconds": self.seconds, "started": self.started, "not_ip": self.not_ip,
                "overflow": self.overflow, "ring": [b"".join(part) for part in zip(*rows)],
                "share": filled / float(max(1, len(places)))}

    def from_plain(self, plain: Dict[str, Any]) -> None:
        """Add what to_plain made of another traffic with the same groups."""
        for number, second in sorted(plain["seconds"].items()):
            into = self.seconds.setdefault(number, {})
            for key, (frames, size) in second.items():
                self.tally(into, key, frames, size)
        if self.seconds:
            self.current = max(self.seconds)
        starts = [each for each in (self.started, plain["started"]) if each is not None]
        self.started = min(starts) if starts else None
        self.not_ip += plain["not_ip"]
        self.overflow += plain["overflow"]
        for (name, size), data in zip(_RING_SIZES, plain["ring"]):
            first = self.position % RING
            count = min(len(data) // size, RING - first)
            self.ring.buffers[name][first * size:(first + count) * size] = data[:count * size]
        if plain["ring"]:
            for place in range(first, first + count):
                self.ring.frames[place] = int(self.ring.frames[place] * plain["share"])
                self.ring.bytes[place] = int(self.ring.bytes[place] * plain["share"])
            self.position += count

    def add(self, sampled: "packet.Packet", rate: int, now: int) -> None:
        """Count one sampled packet."""
        if not sampled.version:
            self.not_ip += 1
            return
        find = self.groups.find
        kind = packet.CLASS_OF.get(sampled.protocol, packet.OTHER)
        key = pair_key(find(sampled.source), find(sampled.target), kind, sampled.version == 6)
        rate = min(rate, MAX_RATE)
        self.tally(self.second(now), key, rate, rate * sampled.frame_length)
        self.remember(now, key, sampled.protocol, sampled.version, rate, rate * sampled.frame_length, sampled.source,
                      sampled.target)

    def remember(self, now: int, key: int, protocol: int, version: int, frames: int, size: int, source: bytes,
                 target: bytes) -> None:
        """Put a packet into the ring for the talkers."""
        ring, place = self.ring, self.position % RING
        ring.time[place] = now
        ring.pair[place] = key >> 4
        ring.protocol[place] = protocol
        ring.version[place] = version
        ring.frames[place] = frames
        ring.bytes[place] = size
        ring.source[place * 16:place * 16 + 16] = source.ljust(16, b"\0")
        ring.target[place * 16:place * 16 + 16] = target.ljust(16, b"\0")
        self.position += 1

    def second(self, now: int) -> Dict[int, List[int]]:
        """The dict of the second of now; a clock that went back counts into the newest."""
        number = now // 1000
        if self.current is None or number > self.current:
            self.current = number
            if self.started is None:
                self.started = now
            self.seconds[number] = {}
            for old in [old for old in self.seconds if old <= number - self.window_s - 1]:
                del self.seconds[old]
        return self.seconds[self.current]

    def tally(self, second: Dict[int, List[int]], key: int, frames: int, size: int) -> None:
        """Add to a pair key of a second; a sampling rate of 0 stands for no frames."""
        if not frames:
            return
        entry = second.get(key)
        if entry is None:
            if len(second) >= MAX_PAIRS:
                self.overflow += 1
                return
            second[key] = [frames, size]
        else:
            entry[0] += frames
            entry[1] += size

    def rates(self, now: int) -> Dict[int, Tuple[float, float]]:
        """{pair key: (frames/s, bytes/s)} over the window that ends now."""
        newest = now // 1000
        sums: Dict[Any, Any] = {}
        for number, second in self.seconds.items():
            if newest - self.window_s < number <= newest:
                for key, (frames, size) in second.items():
                    entry = sums.setdefault(key, [0, 0])
                    entry[0] += frames
                    entry[1] += size
        span = self.span(now)
        return {key: (frames / span, size / span) for key, (frames, size) in sums.items()}

    def span(self, now: int) -> float:
        """The length of the window in seconds: shorter at the start, its last second is partly there."""
        window = self.window_s - 1 + now % 1000 / 1000.0
        if self.started is not None:
            window = min(window, (now - self.started) / 1000.0)
        return max(window, 1.0)

    def talkers(self, source: int, target: int, now: int) -> List[Dict[str, Any]]:
        """The largest conversations of a pair of group numbers among the newest samples, bounded."""
        pair = source << GROUP_BITS | target
        ring = self.ring
        filled = min(self.position, RING)
        since = now - 1000 * self.window_s
        sums: Dict[Any, Any] = {}
        oldest = now
        pairs, times = ring.pair[:filled].tolist(), ring.time[:filled].tolist()
        for place in range(filled):
            if times[place] < since:
                continue
            oldest = min(oldest, times[place])
            if pairs[place] == pair:
                key = (bytes(ring.source[place * 16:place * 16 + 16]), bytes(ring.target[place * 16:place * 16 + 16]),
                       ring.protocol[place], ring.version[place])
                entry = sums.setdefault(key, [0, 0])
                entry[0] += ring.frames[place]
                entry[1] += ring.bytes[place]
        span = max(1.0, (now - oldest) / 1000.0)
        largest = sorted(sums.items(), key=lambda item: (-item[1][1], item[0]))[:MAX_TALKERS]
        return [{"source": address(key[0], key[3]), "target": address(key[1], key[3]),
                 "protocol": packet.protocol_name(key[2]), "frames": frames / span, "bytes": size / span}
                for key, (frames, size) in largest]


def pair_key(source: int, target: int, kind: int, ipv6: int) -> int:
    """The number under which a pair of groups is counted."""
    return source << 20 | target << 4 | kind << 1 | ipv6


def split_key(key: int) -> Tuple[int, int, int, int]:
    """(source group, target group, class, IPv6) of a pair key."""
    return key >> 20, key >> 4 & 0xFFFF, key >> 1 & 7, key & 1


def address(value: bytes, version: int) -> str:
    """The text of an address out of the ring."""
    return socket.inet_ntop(*((socket.AF_INET, value[:4]) if version == 4 else (socket.AF_INET6, value)))
