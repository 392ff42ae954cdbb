# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scalar decoder where numpy is not: it learns how samples look and recognises them by their constants.

An agent sends samples of a few forms over and over: the same records of the same lengths, Ethernet with the same
types inside. A form is learned from a sample that the generic decoder of wire.py has read. It consists of two structs:
one unpacks what must be constant (numbers, tags and lengths of records, protocols, the first byte of IP), one what is
wanted. A sample whose tag and length are known and whose constants are those of a form needs no walk.

What is wanted is taken in pieces that need no further look: data source and rate are one value, which only has to be
the same as in the sample before; source and target address are one value, which leads to the pair of groups by one
look-up; the tag and length of the next sample come with the fields of this one. Flow samples of one data source that
follow each other (a run) are summed up and reach the account together.

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
_PLAIN_COUNTER, _EXPANDED_COUNTER = struct.Struct(">II"), struct.Struct(">IQ")  # number and data source
#: What a protocol adds to a pair key, by IP version; None: the protocol is behind extension headers.
_CLASSES = {4: [packet.CLASS_OF.get(number, packet.OTHER) << 1 for number in range(256)],
            6: [None if number in packet.EXTENSIONS else packet.CLASS_OF.get(number, packet.OTHER) << 1 | 1
                for number in range(256)]}
_ETHERNET = packet.ETHERNET.to_bytes(4, "big")
_NO_FORMS = (1 << 32, ())


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


def learn(data: bytes, sample: "wire.Sample", start: int, size: Any) -> Any:
    """The form of a sample of size bytes from start on that the generic decoder read without an error.

    (check, constants, wanted), wanted of a flow sample: (fields, what protocols add to the pair key, unknown records),
    of a counter sample: (fields, where the number of records stands, unknown records). None when it has no usual form.
    """
    begin = sample.start - start  # places are relative to the first byte behind tag and length
    constants = [(begin - 4, 4)]
    for _tag, first, _last in sample.records:
        constants.append((first - start - 8, 8))
    known = wire.KNOWN_COUNTER_RECORDS if sample.kind == wire.COUNTERS else wire.KNOWN_FLOW_RECORDS
    unknown = tuple(tag for tag, _first, _last in sample.records if tag not in known)
    if sample.kind == wire.FLOW:
        carrier = next((record for record in sample.records if record[0] in wire.PACKETS), None)
        if carrier is None or carrier[0] != 1 or sample.packet is None or not sample.packet.version:
            return None
        fields, extra = _flow_fields(data, sample, start, carrier[1] - start, constants, size), _CLASSES[sample.packet.version]
    else:
        fields, extra = (_EXPANDED_COUNTER if sample.tag == 4 else _PLAIN_COUNTER).unpack_from, begin - 4
    check = picker([place + ("s",) for place in joined(constants)])
    return check, check(data, start), (fields, extra, unknown)


def _flow_fields(data: Any, sample: Any, start: Any, header: Any, constants: Any, size: Any) -> Any:
    """The fields of a flow sample whose raw header stands at a place; what is constant in the header is added."""
    constants += [(header, 4), (header + 12, 4)]
    place = header + 16
    if data[start + header:start + header + 4] == _ETHERNET:
        place += 12
        while int.from_bytes(data[start + place:start + place + 2], "big") in packet.TAGS:
            constants.append((place, 2))
            place += 4
        constants.append((place, 2))
        place += 2
    constants.append((place, 1))
    name = 8 if sample.tag == 3 else 4  # bytes of the data source
    fields = [(0, 4, "I"), (4, name + 4, "s"), (name + 8, 8, "s"), (header + 4, 4, "I")]
    if sample.packet.version == 4:
        fields += [(place + 9, 1, "B"), (place + 12, 8, "s")]
    else:
        fields += [(place + 6, 1, "B"), (place + 8, 32, "s")]
    return picker(fields + [(size, 8, "s")])


class LearnedCollector(Collector):
    """A collector that decodes one at a time, by learned forms."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Tag and length as they stand in the datagram -> (length, [form]).
        self._flows: Dict[bytes, Any] = {}
        self._counters: Dict[bytes, Any] = {}
        self._learned = 0
        self._rows: Dict[Any, Any] = {}  # source + address + sub-agent -> (row, Agent)
        self._moves = 0
        self._passed = 0  # packets since one was remembered
        self._remembered: Any = collections.deque(maxlen=traffic.RING)  # what flush() writes into the ring of the traffic

    def flush(self) -> None:
        for now, key, protocol, frames, volume, pair in self._remembered:
            half = len(pair) // 2
            self.traffic.remember(now, key, protocol, 6 if key & 1 else 4, frames, volume, pair[:half], pair[half:])
        self._remembered.clear()

    def forget(self) -> None:
        super().forget()
        self._rows.clear()

    def regroup(self) -> None:
        super().regroup()
        self._remembered.clear()

    def receive(self, data: packet.Bytes, length: int, source: bytes, now: int) -> None:
        self.receive_at(bytes(data[:length]) + PAD, 0, length, source, now)

    def receive_at(self, data: Any, begin: int, end: int, source: bytes, now: int) -> None:
        account = self.account
        if end - begin < 40:
            return super().receive(data[begin:end], end - begin, source, now)
        kind, who, number, uptime, count, head = _IPV4_HEAD.unpack_from(data, begin)
        position = begin + 28
        if kind != _IPV4_AGENT:
            if kind != _IPV6_AGENT:
                return super().receive(data[begin:end], end - begin, source, now)
            kind, who, number, uptime, count, head = _IPV6_HEAD.unpack_from(data, begin)
            position = begin + 40
        account.datagrams += 1
        account.bytes += end - begin
        found = self._rows.get(source + who)
        if found is None or self._moves != account.moves:
            found = self._find(source, who, now)
            if found is None:
                return None
        row, streams = found[0], account.streams
        if (number == streams.top[row] + 1 and now - streams.last[row] <= accounts.SHARED_MS
                and streams.running[row] > streams.several[row]):
            streams.top[row] = number
            streams.uptime[row] = uptime
            streams.last[row] = now
            streams.datagrams[row] += 1
            streams.bytes[row] += end - begin
        elif not self._advance(row, number, uptime, end - begin, now):
            return None
        if count:
            self._samples(data, position, end, count, head, found, source, now)
        return None

    def _find(self, source: bytes, who: Any, now: int) -> Optional[Tuple[int, "accounts.Agent"]]:
        """The (row, Agent) of a stream by the account, remembered as long as no row changes hands."""
        account = self.account
        if self._moves != account.moves or len(self._rows) > 2 * account.max_agents:
            self._rows.clear()
            self._moves = account.moves
        address = who[:-4]
        row = account.stream(source, wire.MAPPED + address if len(address) == 4 else address,
                             _SUB_AGENT.unpack_from(who, len(address))[0], now)
        if row is None:
            return None
        found = self._rows[source + who] = row, account.by_number[account.streams.agent[row]]
        self._moves = account.moves
        return found

    def _advance(self, row: int, number: int, uptime: int, length: int, now: int) -> bool:
        """A datagram that is not the successor of the one before; False when its samples must not count."""
        account = self.account
        fresh = account.advance(row, number, uptime, now)
        account.touch(row, length, now)
        if account.restarted is not None:
            account.renew(account.restarted)
        return fresh

    def _samples(self, data: bytes, position: int, end: int, count: int, head: bytes, stream: Any, source: bytes,
                 now: int) -> None:
        """All samples of a datagram; flow samples of known forms are read here, everything else by _other()."""
        known, pairs = self._flows, self.traffic.pairs
        second: Any = None
        run: Any = None
        newest = key = None  # data source and rate of the run, its newest pool and drops; the newest pair key
        first = following = flows = 0
        for _unused in range(count):
            start, wanted = position + 8, None
            size, forms = known.get(head, _NO_FORMS)
            if start + size <= end:
                for check, constants, form in forms:
                    if check(data, start) == constants:
                        wanted = form
                        break
            if wanted is None:
                if run is not None:
                    flows += self._settle(stream, run, first, following - first, newest, now)
                    run = None
                behind = self._other(data, position, end, stream, source, now)
                if behind is None:
                    break
                position = behind
                head = data[position:position + 8]
                continue
            fields, classes, unknown = wanted
            number, setting, newer, length, protocol, pair, head = fields(data, start)
            if setting != run or number != following:
                if run is not None:
                    flows += self._settle(stream, run, first, following - first, newest, now)
                run, first = setting, number
                frames = min(int.from_bytes(setting[-4:], "big"), MAX_RATE)
                second = self.traffic.second(now)
            following, newest = number + 1, newer
            if unknown:
                for tag in unknown:
                    accounts.count(self.account.unknown, tag)
            kind = classes[protocol]
            if kind is None:
                self.traffic.add(_packet(data, start, size, len(setting)), frames, now)
                position, key, flows = start + size, None, flows - 1
                continue
            position = start + size
            volume = frames * (length if length < MAX_FRAME_LENGTH else MAX_FRAME_LENGTH)
            key = pairs.get(pair)
            if key is None:
                key = self.traffic.pair(pair)
            key |= kind
            entry = second.get(key)
            if entry is None:
                self.traffic.tally(second, key, frames, volume)
            else:
                entry[0] += frames
                entry[1] += volume
        if run is not None:
            flows += self._settle(stream, run, first, following - first, newest, now)
        self._passed += flows
        if self._passed >= REMEMBER_ONE_IN and key is not None:
            self._remembered.append((now, key, protocol, frames * self._passed, volume * self._passed, pair))
            self._passed = 0

    def _settle(self, stream: Any, setting: bytes, first: int, count: int, newest: Any, now: int) -> int:
        """Bring a run into the account: count flow samples, numbered from first on; count."""
        account, (row, agent) = self.account, stream
        streams, table = account.streams, account.points
        streams.flows[row] += count
        streams.last_flow[row] = now
        source, rate = (_EXPANDED if len(setting) == 12 else _PLAIN).unpack(setting)
        if len(setting) == 8:
            source = _spelled_out(source)
        point, (pool, drops) = agent.points.get(source), _PAIR.unpack(newest)
        if (point is not None and table.rate[point] == rate and table.flows[point]
                and 0 < (first - table.flow_top[point]) & MASK <= MAX_GAP):
            table.flow_top[point] = first + count - 1
            table.flows[point] += count
            table.pool[point], table.drops[point], table.last_flow[point] = pool, drops, now
            return count
        for number in range(first, first + count):
            point = account.point(agent, source)
            if point is not None:
                account.flow(point, number, rate, pool, drops, now)
        return count

    def _other(self, data: Any, position: int, end: int, stream: Any, source: bytes,
               now: int) -> Optional[int]:
        """A sample that is no flow sample of a known form; the next position, None to stop."""
        start = position + 8
        size, forms = self._counters.get(data[position:start], _NO_FORMS)
        if start + size <= end:
            for check, constants, (fields, begin, unknown) in forms:
                if check(data, start) == constants:
                    number, name = fields(data, start)
                    if begin == 8:
                        name = _spelled_out(name)
                    for tag in unknown:
                        accounts.count(self.account.unknown, tag)
                    row, agent = stream
                    self.account.counter_sample(row, agent, name, number, data, start + begin, start + size, now)
                    return start + size
        return self._generic(data, position, end, stream[0], source, now)

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
                self._learn(data, sample, position, size)
        return following

    def _learn(self, data: bytes, sample: "wire.Sample", position: int, size: Any) -> None:
        """Remember the form of a sample, while there is room and budget."""
        if self._learned >= BUDGET + self.account.datagrams // 100:
            return
        self._learned += 1
        form = learn(data, sample, position + 8, size)
        if form is None:
            return
        known = self._flows if sample.kind == wire.FLOW else self._counters
        if len(known) >= MAX_HEADS:
            known.clear()
        _size, forms = known.setdefault(data[position:position + 8], (size, []))
        if len(forms) < MAX_FORMS:
            forms.append(form)


def _spelled_out(source: int) -> int:
    """A plain data source as the expanded formats spell it."""
    return source >> 24 << 32 | source & 0xFFFFFF


def _packet(data: bytes, start: int, size: int, setting: int) -> Any:
    """The packet of a recognised flow sample, by the generic reader; setting: bytes of data source and rate."""
    found = wire.Datagram()
    wire.read_sample(found, data, 3 if setting == 12 else 1, start, start + size)
    return found.samples[0].packet
