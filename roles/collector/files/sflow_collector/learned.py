# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scalar decoder where numpy is not: it learns how samples look and recognises them by their constants.

An agent sends samples of a few forms over and over: the same records of the same lengths, Ethernet with the same
types inside. A form is learned from a sample that the generic decoder of wire.py has read: structs that unpack what is
wanted and what must be constant (numbers, tags and lengths of records, protocols, the first byte of IP). A sample whose
tag and length are known and whose constants are those of a form needs no walk.

What is wanted is taken in pieces that need no further look: data source and rate are one value, which only has to be
the same as in the sample before; source and target address are one value, which leads to the pair of groups by one
look-up; the tag and length of the next sample come with the fields of this one.

What a datagram brings is held back, and reaches the account before anything that reads it there, at the latest with
flush(): of datagrams that follow each other the newest number and time, and how many they were; of flow samples of one
data source that follow each other (a run) the same.

Everything else takes the generic way, sample by sample; it is the reference, and tests compare the two. Learning is
bounded by the number of forms and by a budget that grows with the datagrams, so that nobody can keep us learning.
"""

import collections
import struct
from typing import Any, Dict, List, Optional, Tuple

from . import account as accounts
from . import packet, sequence, traffic, wire
from .capture import PAD
from .core import Collector
from .groups import CACHE

MAX_HEADS = 1024  # tags and lengths of which forms are known
MAX_FORMS = 6  # forms with the same tag and length
BUDGET = 256  # forms learned at the start, and one more with every 100 datagrams
REMEMBER_ONE_IN = 8  # packets of which one goes into the ring of the traffic, for all of them
MASK, MAX_GAP = sequence.MASK, sequence.MAX_GAP
MAX_RATE, MAX_FRAME_LENGTH = traffic.MAX_RATE, packet.MAX_FRAME_LENGTH

# Version and address type; address and sub-agent; sequence, uptime, number of samples; tag and length of the first one.
_IPV4_AGENT, _IPV6_AGENT = b"\0\0\0\5\0\0\0\1", b"\0\0\0\5\0\0\0\2"
_IPV4_HEAD = struct.Struct(">8s8sIII8s")
_IPV6_HEAD = struct.Struct(">8s20sIII8s")
_PAIR = struct.Struct(">II")
_SUB_AGENT = struct.Struct(">I")
_PLAIN, _EXPANDED = struct.Struct(">II"), struct.Struct(">QI")  # data source and rate
_PLAIN_COUNTER, _EXPANDED_COUNTER = struct.Struct(">8xII"), struct.Struct(">8xIQ")  # number and data source
#: The class of a protocol by IP version; BEHIND: the protocol is behind extension headers.
BEHIND = len(packet.CLASSES)
_CLASSES = {4: [packet.CLASS_OF.get(number, packet.OTHER) for number in range(256)],
            6: [BEHIND if number in packet.EXTENSIONS else packet.CLASS_OF.get(number, packet.OTHER)
                for number in range(256)]}
_ETHERNET = packet.ETHERNET.to_bytes(4, "big")


def picker(places: Any) -> Any:
    """What unpacks the values at [(place, size, code)], places rising, and skips all between; code "s" for bytes."""
    parts, end = [], 0
    for place, size, code in places:
        parts.append("%dx%s" % (place - end, "%ds" % size if code == "s" else code))
        end = place + size
    return struct.Struct(">" + "".join(parts)).unpack_from


def joined(places: Any) -> Any:
    """[(place, size)] in order, those that touch made one."""
    out: List[Any] = []
    for place, size in sorted(places):
        if out and sum(out[-1]) == place:
            out[-1] = out[-1][0], out[-1][1] + size
        else:
            out.append((place, size))
    return out


def _places(data: bytes, sample: "wire.Sample", position: int) -> Tuple[List[Tuple[int, int]], Tuple[int, ...]]:
    """[(place, size)] of what must be constant in the head and the records of a sample, and the unknown records.

    Places are relative to the tag of the sample.
    """
    places = [(sample.start - position - 4, 4)]
    places += [(first - position - 8, 8) for _tag, first, _last in sample.records]
    known = wire.KNOWN_COUNTER_RECORDS if sample.kind == wire.COUNTERS else wire.KNOWN_FLOW_RECORDS
    return places, tuple(tag for tag, _first, _last in sample.records if tag not in known)


def _check(data: bytes, position: int, places: List[Tuple[int, int]]) -> Tuple[Any, Tuple[bytes, ...]]:
    """(what unpacks the bytes at some places, these bytes)."""
    check = picker([place + ("s",) for place in places])
    return check, check(data, position)


def learn_counters(data: bytes, sample: "wire.Sample", position: int, size: int) -> Any:
    """The form of a counter sample, size bytes from its tag at position on, that the generic decoder read without an error.

    (size, check, constants, fields, where the number of records stands, unknown records)
    """
    places, unknown = _places(data, sample, position)
    fields = (_EXPANDED_COUNTER if sample.tag == 4 else _PLAIN_COUNTER).unpack_from
    return (size,) + _check(data, position, joined(places)) + (fields, places[0][0], unknown)


def learn_flow(data: bytes, sample: "wire.Sample", position: int, size: int) -> Any:
    """The form of a flow sample, size bytes from its tag at position on, that the generic decoder read without an error.

    (size, fields, four constants that come with the fields, (check, constants) of any others or None, classes of
    protocols, unknown records); None when it has no usual form.
    """
    places, unknown = _places(data, sample, position)
    carrier = next((record for record in sample.records if record[0] in wire.PACKETS), None)
    if carrier is None or carrier[0] != 1 or sample.packet is None or not sample.packet.version:
        return None
    header = carrier[1] - position
    places += [(header, 4), (header + 12, 4)]
    place = header + 16
    if data[position + header:position + header + 4] == _ETHERNET:
        place += 12
        while int.from_bytes(data[position + place:position + place + 2], "big") in packet.TAGS:
            places.append((place, 2))
            place += 4
        places.append((place, 2))
        place += 2
    places.append((place, 1))
    places = joined(places)
    # Of those before and behind the length of the frame, up to the packet, the first and the last one come with the fields.
    before = [each for each in places if each[0] < header + 4]
    behind = [each for each in places[len(before):] if each[0] <= place]
    one, two, three, four = [each + ("s",) for part in (before, behind)
                             for each in (part[0], part[-1] if len(part) > 1 else (sum(part[0]), 0))]
    others = before[1:-1] + behind[1:-1] + places[len(before) + len(behind):]
    name = 8 if sample.tag == 3 else 4  # bytes of the data source
    protocol, addresses = ((9, 1, "B"), (12, 8, "s")) if sample.packet.version == 4 else ((6, 1, "B"), (8, 32, "s"))
    fields = picker([(8, 4, "I"), (12, name + 4, "s"), one, two, (header + 4, 4, "I"), three, four]
                    + [(place + begin, width, code) for begin, width, code in (protocol, addresses)] + [(size, 8, "s")])
    found = fields(data, position)
    return (size, fields, found[2], found[3], found[5], found[6], _check(data, position, others) if others else None,
            _CLASSES[sample.packet.version], unknown)


class Stream:
    """One source address that speaks for an agent, and what of it the account does not know yet."""

    __slots__ = ("row", "agent", "who", "alone", "expected", "last", "uptime", "datagrams", "bytes",
                 "setting", "point", "rate", "frames", "first", "following", "newest", "time")

    def __init__(self, row: int, agent: "accounts.Agent", who: bytes) -> None:
        self.row = row
        self.agent = agent
        self.who = who  # agent address and sub-agent as they stand in the datagram
        self.alone = True  # nobody else speaks for the agent
        # The number of the next datagram, -1 when that is not all there is to say; those held back, and the last one.
        self.expected = -1
        self.last = self.uptime = self.datagrams = self.bytes = 0
        # The run: data source and rate as they stand in the sample, nothing without a run; the number of its first sample
        # and of the next one; pool and drops, and time, of the newest.
        self.setting = b""
        self.point: Optional[int] = None
        self.rate = self.frames = self.first = self.following = self.time = 0
        self.newest = b""

    def hold(self, following: int, data: bytes, newest: int, now: int) -> None:
        """Take note of how far the run goes; the newest sample stands in data."""
        self.following, self.time = following, now
        place = newest + len(self.setting) + 12
        self.newest = data[place:place + 8]


class Entries:
    """What was counted in this second, by source and target address in one and by class.

    That is the [frames, bytes] of Traffic.seconds, None where there are none yet and for the class BEHIND; the pair key
    without the class stands at the end.
    """

    def __init__(self, traffic: "traffic.Traffic") -> None:
        self.traffic = traffic
        self.known: Dict[bytes, List[Any]] = {}  # those asked for lately
        self.until = 0  # when the second ends
        self._by_key: Dict[int, List[Any]] = {}
        self._begun: List[List[Any]] = []  # those with anything of this second

    def of(self, pair: bytes) -> List[Any]:
        """The entries of a source and a target address."""
        if pair in self.known:
            return self.known[pair]
        if len(self.known) >= CACHE:
            self.known.clear()
            self._by_key.clear()
            self._begun.clear()
        half, find = len(pair) // 2, self.traffic.groups.find
        key = traffic.pair_key(find(pair[:half]), find(pair[half:]), 0, half > 4)
        entries = self._by_key.get(key)
        if entries is None:
            entries = self._by_key[key] = [None] * (BEHIND + 1) + [key]
        self.known[pair] = entries
        return entries

    def turn(self, now: int) -> None:
        """Begin another second."""
        for entries in self._begun:
            entries[:BEHIND] = [None] * BEHIND
        self._begun.clear()
        self.until = now - now % 1000 + 1000

    def begin(self, pair: bytes, kind: int, frames: int, size: int, now: int) -> None:
        """Count what has no entry in this second yet."""
        entries, second = self.of(pair), self.traffic.second(now)
        key = entries[-1] | kind << 1
        self.traffic.tally(second, key, frames, size)
        entries[kind] = second.get(key)
        if entries[kind] is not None:
            self._begun.append(entries)


class LearnedCollector(Collector):
    """A collector that decodes one at a time, by learned forms."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Tag and length as they stand in the datagram -> forms; of flow samples also the first form, that ends in the
        # second one and so on.
        self._counters: Dict[bytes, List[Any]] = {}
        self._flow_forms: Dict[bytes, List[Any]] = {}
        self._flows: Dict[bytes, Any] = {}
        self._learned = 0
        self._streams: Dict[bytes, Stream] = {}  # by source + address + sub-agent
        self._moves = 0
        self._entries = Entries(self.traffic)
        self._passed = 0  # packets since one was remembered
        self._remembered: Any = collections.deque(maxlen=traffic.RING)  # what flush() writes into the ring of the traffic

    def flush(self) -> None:
        for stream in self._streams.values():
            self._write(stream)
            self._settle(stream)
        for now, pair, protocol, frames, volume in self._remembered:
            half = len(pair) // 2
            self.traffic.remember(now, self._entries.of(pair)[-1], protocol, 6 if half > 4 else 4, frames, volume, pair[:half],
                                  pair[half:])
        self._remembered.clear()

    def forget(self) -> None:
        super().forget()
        self._streams.clear()

    def regroup(self) -> None:
        super().regroup()
        self._remembered.clear()
        self._entries = Entries(self.traffic)

    def receive(self, data: packet.Bytes, length: int, source: bytes, now: int) -> None:
        self.receive_at(bytes(data[:length]) + PAD, 0, length, source, now)

    def receive_at(self, data: Any, begin: int, end: int, source: bytes, now: int) -> None:
        if end - begin < 28:
            return super().receive(data[begin:end], end - begin, source, now)
        kind, who, number, uptime, count, head = _IPV4_HEAD.unpack_from(data, begin)
        position = begin + 28
        if kind != _IPV4_AGENT:
            if kind != _IPV6_AGENT or end - begin < 40:
                return super().receive(data[begin:end], end - begin, source, now)
            kind, who, number, uptime, count, head = _IPV6_HEAD.unpack_from(data, begin)
            position = begin + 40
            if who.startswith(wire.MAPPED):  # an IPv4 address all the same: one stream, however it is spelled
                who = who[len(wire.MAPPED):]
        account = self.account
        account.datagrams += 1
        account.bytes += end - begin
        stream = self._streams.get(source + who)
        if stream is None or self._moves != account.moves:
            stream = self._find(source, who, now)
            if stream is None:
                return None
        if number == stream.expected and now - stream.last <= accounts.SHARED_MS:
            stream.expected = number + 1
            stream.uptime = uptime
            stream.last = now
            stream.datagrams += 1
            stream.bytes += end - begin
        elif not self._advance(stream, number, uptime, end - begin, now):
            return None
        if count:
            self._samples(data, position, end, count, head, stream, source, now)
        return None

    def _find(self, source: bytes, who: bytes, now: int) -> Optional[Stream]:
        """A stream as the account knows it, remembered as long as no row changes hands."""
        account = self.account
        if self._moves != account.moves or len(self._streams) > 2 * account.max_agents:
            self.flush()
            self._streams.clear()
        address, sub_agent = who[:-4], _SUB_AGENT.unpack_from(who, len(who) - 4)[0]
        address = wire.MAPPED + address if len(address) == 4 else address
        agent = account.agents.get((address, sub_agent))
        others = self._others(agent, who) if agent is not None else []
        for other in others:  # the account looks at all of them when a source is new
            self._write(other)
            self._settle(other)
        moves = account.moves
        row = account.stream(source, address, sub_agent, now)
        if account.moves != moves:
            self.flush()
            self._streams.clear()
        self._moves = account.moves
        if row is None:
            return None
        agent = account.by_number[account.streams.agent[row]]
        stream = self._streams[source + who] = Stream(row, agent, who)
        for each in others + [stream]:
            each.alone = len(agent.streams) == 1
            self._read(each)
        return stream

    def _others(self, agent: "accounts.Agent", who: bytes) -> List[Stream]:
        """The streams of an agent."""
        found = [self._streams.get(source + who) for source, _row in agent.streams]
        return [stream for stream in found if stream is not None]

    def _read(self, stream: Stream) -> None:
        """Take the state of a stream from the account."""
        streams, row = self.account.streams, stream.row
        stream.expected = streams.top[row] + 1 if streams.running[row] > streams.several[row] else -1
        stream.last = streams.last[row]

    def _write(self, stream: Stream) -> None:
        """Bring the datagrams of a stream into the account."""
        if stream.datagrams:
            streams, row = self.account.streams, stream.row
            streams.top[row] = stream.expected - 1
            streams.uptime[row] = stream.uptime
            streams.last[row] = stream.last
            streams.datagrams[row] += stream.datagrams
            streams.bytes[row] += stream.bytes
            stream.datagrams = stream.bytes = 0

    def _advance(self, stream: Stream, number: int, uptime: int, length: int, now: int) -> bool:
        """A datagram that is not the successor of the one before; False when its samples must not count."""
        account = self.account
        streams = [stream] if stream.alone else self._others(stream.agent, stream.who)
        for each in streams:
            self._write(each)
        fresh = account.advance(stream.row, number, uptime, now)
        account.touch(stream.row, length, now)
        if account.restarted is not None:
            account.renew(account.restarted)
        for each in streams:
            self._read(each)
        return fresh

    def _samples(self, data: bytes, position: int, end: int, count: int, head: bytes, stream: Stream, source: bytes,
                 now: int) -> None:
        """All samples of a datagram; flow samples of known forms are read here, everything else by _other()."""
        known, entries = self._flows, self._entries
        if now >= entries.until:
            entries.turn(now)
        pairs = entries.known
        run, following, frames = stream.setting, stream.following, stream.frames
        begin, newest, flows, latest = following, 0, 0, None
        for _unused in range(count):
            form = known.get(head)
            while form is not None:
                size, fields, one, two, three, four, others, classes, unknown, form = form
                behind = position + size
                if behind > end:
                    form = None
                    continue
                number, setting, a, b, length, c, d, protocol, pair, following_head = fields(data, position)
                if (a == one and b == two and c == three and d == four
                        and (others is None or others[0](data, position) == others[1])):
                    break
            else:
                if following != begin:
                    flows += following - begin
                    begin = following
                    stream.hold(following, data, newest, now)
                reached = self._other(data, position, end, stream, source, now)
                if reached is None:
                    break
                position, run, head = reached, stream.setting, data[reached:reached + 8]
                continue
            if number != following or setting != run:
                if following != begin:
                    flows += following - begin
                    stream.hold(following, data, newest, now)
                self._settle(stream)
                self._open(stream, setting, number)
                run, begin, frames = setting, number, stream.frames
            following, newest = number + 1, position
            if unknown:
                for tag in unknown:
                    accounts.count(self.account.unknown, tag)
            if length > MAX_FRAME_LENGTH:
                length = MAX_FRAME_LENGTH
            latest, latest_protocol, volume = pair, protocol, frames * length
            try:
                entry = pairs[pair][classes[protocol]]
            except KeyError:
                entry = entries.of(pair)[classes[protocol]]
            if entry is not None:
                entry[0] += frames
                entry[1] += volume
            elif classes[protocol] != BEHIND:
                entries.begin(pair, classes[protocol], frames, volume, now)
            else:
                self.traffic.add(_packet(data, position + 8, behind, len(setting)), frames, now)
                flows, latest = flows - 1, None
            position, head = behind, following_head
        if following != begin:
            flows += following - begin
            stream.hold(following, data, newest, now)
        if not stream.alone:
            self._settle(stream)
        self._passed += flows
        if self._passed >= REMEMBER_ONE_IN and latest is not None:
            self._remembered.append((now, latest, latest_protocol, frames * self._passed, volume * self._passed))
            self._passed = 0

    def _open(self, stream: Stream, setting: bytes, number: int) -> None:
        """Begin a run with a flow sample."""
        source, stream.rate = (_EXPANDED if len(setting) == 12 else _PLAIN).unpack(setting)
        if len(setting) == 8:
            source = _spelled_out(source)
        stream.point = self.account.point(stream.agent, source)
        stream.frames = min(stream.rate, MAX_RATE)
        stream.setting, stream.first = setting, number

    def _settle(self, stream: Stream) -> None:
        """End the run of a stream and bring it into the account."""
        if not stream.setting:
            return
        stream.setting = b""
        account, point, first, now = self.account, stream.point, stream.first, stream.time
        streams, table, count = account.streams, account.points, stream.following - first
        streams.flows[stream.row] += count
        streams.last_flow[stream.row] = now
        if point is None:
            account.overflow["data_sources"] += count - 1  # the first was counted by point()
            return
        pool, drops = _PAIR.unpack(stream.newest)
        while count:
            if (table.rate[point] == stream.rate and table.flows[point]
                    and 0 < (first - table.flow_top[point]) & MASK <= MAX_GAP):
                table.flow_top[point] = first + count - 1
                table.flows[point] += count
                table.pool[point], table.drops[point], table.last_flow[point] = pool, drops, now
                return
            account.flow(point, first, stream.rate, pool, drops, now)
            first, count = first + 1, count - 1

    def _other(self, data: Any, position: int, end: int, stream: Stream, source: bytes,
               now: int) -> Optional[int]:
        """A sample that is no flow sample of a known form; the next position, None to stop."""
        for size, check, constants, fields, begin, unknown in self._counters.get(data[position:position + 8], ()):
            behind = position + size
            if behind <= end and check(data, position) == constants:
                number, name = fields(data, position)
                if begin == 16:
                    name = _spelled_out(name)
                for tag in unknown:
                    accounts.count(self.account.unknown, tag)
                self.account.counter_sample(stream.row, stream.agent, name, number, data, position + begin, behind, now)
                return behind
        self._settle(stream)
        return self._generic(data, position, end, stream.row, source, now)

    def _generic(self, data: bytes, position: int, end: Any, row: int, source: bytes, now: int) -> Optional[int]:
        """One sample by the generic decoder, which may learn from it; the next position, None to stop."""
        account, found = self.account, wire.Datagram()
        start = position + 8
        following = end + 1
        if start <= end:
            tag, size = _PAIR.unpack_from(data, position)
            following = start + (size + 3 & ~3)
        if following > end:
            account.error("samples", source)
            return None
        if tag not in wire.SAMPLES:
            accounts.count(account.unknown_samples, tag)
            return following
        wire.read_sample(found, data, tag, start, following)
        for reason in found.errors:
            account.error(reason, source)
        for each in found.unknown:
            accounts.count(account.unknown, each)
        account.samples(row, found.samples, data, now)
        for sample in found.samples:
            if sample.packet is not None:
                self.traffic.add(sample.packet, sample.words["rate"], now)
            if not found.errors and sample.kind != wire.DISCARD and size == following - start:
                self._learn(data, sample, position, size + 8)
        return following

    def _learn(self, data: bytes, sample: "wire.Sample", position: int, size: Any) -> None:
        """Remember the form of a sample, while there is room and budget."""
        if self._learned >= BUDGET + self.account.datagrams // 100:
            return
        self._learned += 1
        head, flow = data[position:position + 8], sample.kind == wire.FLOW
        form = learn_flow(data, sample, position, size) if flow else learn_counters(data, sample, position, size)
        known = self._flow_forms if flow else self._counters
        if len(known) >= MAX_HEADS:
            known.clear()
            self._flows.clear()
        forms = known.setdefault(head, [])
        if form is not None and len(forms) < MAX_FORMS:
            forms.append(form)
        if flow:
            self._flows[head] = None
            for form in reversed(forms):
                self._flows[head] = form + (self._flows[head],)


def _spelled_out(source: int) -> int:
    """A plain data source as the expanded formats spell it."""
    return source >> 24 << 32 | source & 0xFFFFFF


def _packet(data: bytes, start: int, end: int, setting: int) -> Any:
    """The packet of a recognised flow sample, by the generic reader; setting: bytes of data source and rate."""
    found = wire.Datagram()
    wire.read_sample(found, data, 3 if setting == 12 else 1, start, end)
    return found.samples[0].packet
