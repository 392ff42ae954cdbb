# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scalar decoder where numpy is not: it learns how samples look and recognises them by their constants.

An agent sends samples of a few forms over and over: the same records of the same lengths, Ethernet with the same
types inside. A form is learned from a sample that the generic decoder of wire.py has read: a struct that unpacks what must
be constant (numbers, tags and lengths of records, protocols, the first byte of IP) and one that unpacks what is wanted. A
sample whose tag and length are known and whose constants are those of a form needs no walk.

What is wanted is taken in pieces that need no further look: data source and rate are one value, which only has to be
the same as in the sample before; source and target address are one value, which leads to the pair of groups by one
look-up; the tag and length of the next sample come with the fields of this one.

What a datagram brings is held back, and reaches the account before anything that reads it there, at the latest with
flush(): of datagrams that follow each other the newest number and time, and how many they were; of flow samples of one
data source that follow each other (a run) the same; of sampled packets their lengths, in arrays by pair of groups, class
and sampling rate, which are summed up once a second. What lies about for long is packed: objects would leave the cache meanwhile.

Everything else takes the generic way, sample by sample; it is the reference, and tests compare the two. Learning is
bounded by the number of forms and by a budget that grows with the datagrams, so that nobody can keep us learning.
"""

import array
import struct
from typing import Any, Dict, Iterable, List, Optional, Tuple

from . import account as accounts
from . import packet, sequence, traffic, wire
from .capture import PAD, Located
from .core import Collector
from .groups import CACHE

MAX_HEADS = 1024  # tags and lengths of which forms are known
MAX_FORMS = 6  # forms with the same tag and length
BUDGET = 256  # forms learned at the start, and one more with every 100 datagrams
MAX_RATES = 64  # sampling rates for which lengths are held back
MAX_HELD = 4 << 20  # bytes of datagrams of which the lengths of packets are held back
REMEMBER_ONE_IN = 8  # packets of which at most one goes into the ring of the traffic, for all of them
REMEMBER_A_SECOND = traffic.RING // traffic.WINDOW_S  # so that the ring holds what is shown
EXPANDED_FLOW, EXPANDED_COUNTERS = 3, 4  # tags
MASK, MAX_GAP = sequence.MASK, sequence.MAX_GAP
MAX_RATE = traffic.MAX_RATE

# Version and address type; address and sub-agent; sequence, uptime, number of samples; tag and length of the first one.
_IPV4_AGENT, _IPV6_AGENT = b"\0\0\0\5\0\0\0\1", b"\0\0\0\5\0\0\0\2"
_IPV4_HEAD = struct.Struct(">8s8sIII8s")
_IPV6_HEAD = struct.Struct(">8s20sIII8s")
_PAIR = struct.Struct(">II")
_SUB_AGENT = struct.Struct(">I")
_PLAIN, _EXPANDED = struct.Struct(">II"), struct.Struct(">QI")  # data source and rate
#: The class of a protocol by IP version; BEHIND, which is none: the protocol is behind extension headers.
BEHIND = len(packet.CLASSES)
_CLASSES = {4: [packet.CLASS_OF.get(number, packet.OTHER) for number in range(256)],
            6: [BEHIND if number in packet.EXTENSIONS else packet.CLASS_OF.get(number, packet.OTHER)
                for number in range(256)]}
_REMEMBERED = struct.Struct("<qQHBB32s")  # see Remembered.add()
_ETHERNET = packet.ETHERNET.to_bytes(4, "big")


def picker(places: Any) -> Any:
    """What unpacks the values at [(place, size, code)], places rising, and skips all between; code "s" for bytes."""
    parts, end = [], 0
    for place, size, code in places:
        parts.append("%dx%s" % (place - end, "%ds" % size if code == "s" else code))
        end = place + size
    return struct.Struct(">" + "".join(parts)).unpack_from


def constant(place: int, size: int) -> Tuple[int, int, str]:
    """How picker() takes a constant: four bytes as a number, since small numbers are there already."""
    return place, size, "I" if size == 4 else "s"


def joined(places: Any) -> Any:
    """[(place, size)] in order, those that touch made one."""
    out: List[Any] = []
    for place, size in sorted(places):
        if out and sum(out[-1]) == place:
            out[-1] = out[-1][0], out[-1][1] + size
        else:
            out.append((place, size))
    return out


def _places(sample: "wire.Sample", position: int) -> Tuple[List[Tuple[int, int]], Tuple[int, ...]]:
    """[(place, size)] of what must be constant in the head and the records of a sample, and the unknown records.

    Places are relative to the tag of the sample.
    """
    places = [(sample.start - position - 4, 4)]
    places += [(first - position - 8, 8) for _tag, first, _last in sample.records]
    known = wire.KNOWN_COUNTER_RECORDS if sample.kind == wire.COUNTERS else wire.KNOWN_FLOW_RECORDS
    return places, tuple(tag for tag, _first, _last in sample.records if tag not in known)


def _form(data: bytes, position: int, size: int, places: Any, unknown: Any, wanted: Any, classes: Any) -> Any:
    """The form of a sample, size bytes from its tag at position on: how it is recognised, then what is taken from it.

    (size, check, constants, unknown records, fields, classes of protocols). check and fields unpack from the tag on; the last
    of the fields is the tag and length of the next sample.
    """
    check = picker([constant(*each) for each in joined(places)])
    return size, check, check(data, position), unknown, picker(wanted + [(size, 8, "s")]), classes


def learn_counters(data: bytes, sample: "wire.Sample", position: int, size: int) -> Any:
    """(how unusual it is, form) of a counter sample that the generic decoder read without an error; it has no classes.

    Its fields are number and data source.
    """
    places, unknown = _places(sample, position)
    wanted = [(8, 4, "I"), (12, 8, "Q") if sample.tag == EXPANDED_COUNTERS else (12, 4, "I")]
    return (0, 0), _form(data, position, size, places, unknown, wanted, None)


def learn_flow(data: bytes, sample: "wire.Sample", position: int, size: int) -> Any:
    """(how unusual it is, form) of a flow sample that the generic decoder read without an error; None when it has no usual form.

    Its fields are number, data source and rate in one, length of the frame, protocol, source and target address in one. A
    frame is shorter than 64 KiB: the upper half of its length is a constant.
    """
    places, unknown = _places(sample, position)
    carrier = next((record for record in sample.records if record[0] in wire.PACKETS), None)
    if carrier is None or carrier[0] != 1 or sample.packet is None or not sample.packet.version:
        return None
    header = carrier[1] - position
    if any(data[position + header + 4:position + header + 6]):
        return None
    places += [(header, 6), (header + 12, 4)]
    place = header + 16
    if data[position + header:position + header + 4] == _ETHERNET:
        place += 12
        while int.from_bytes(data[position + place:position + place + 2], "big") in packet.TAGS:
            places.append((place, 2))
            place += 4
        places.append((place, 2))
        place += 2
    places.append((place, 1))
    name = 8 if sample.tag == EXPANDED_FLOW else 4  # bytes of the data source
    version = sample.packet.version
    protocol, addresses = ((9, 1, "B"), (12, 8, "s")) if version == 4 else ((6, 1, "B"), (8, 32, "s"))
    wanted = [(8, 4, "I"), (12, name + 4, "s"), (header + 6, 2, "H")]
    wanted += [(place + begin, width, code) for begin, width, code in (protocol, addresses)]
    return (place, version), _form(data, position, size, places, unknown, wanted, _CLASSES[version])


class Stream:
    """One source address that speaks for an agent, and what of it the account does not know yet."""

    __slots__ = ("row", "agent", "who", "alone", "expected", "written", "last", "uptime", "bytes",
                 "counters", "counted", "setting", "point", "rate", "pairs", "first", "following", "newest", "time")

    def __init__(self, row: int, agent: "accounts.Agent", who: bytes) -> None:
        self.row = row
        self.agent = agent
        self.who = who  # agent address and sub-agent as they stand in the datagram
        self.alone = True  # nobody else speaks for the agent
        # The number of the next datagram, -1 when that is not all there is to say; the same when the account was told last:
        # the datagrams in between are held back, with the bytes of all of them and the uptime of the last one.
        self.expected = self.written = -1
        self.last = self.uptime = self.bytes = 0
        self.counters = self.counted = 0  # counter samples held back, and the time of the last one
        # The run: data source and rate as they stand in the sample, nothing without a run; where its packets are counted;
        # the number of its first sample and of the next one; pool and drops, and time, of the newest.
        self.setting = b""
        self.point: Optional[int] = None
        self.pairs: Dict[bytes, Any] = {}
        self.rate = self.first = self.following = self.time = 0
        self.newest = b""

    def hold(self, following: int, data: bytes, newest: int, now: int) -> None:
        """Take note of how far the run goes; the newest sample stands in data."""
        self.following, self.time = following, now
        place = newest + len(self.setting) + 12
        self.newest = data[place:place + 8]


class Lengths:
    """The lengths of sampled packets of this second, held back in arrays by pair of groups, sampling rate and class."""

    def __init__(self, traffic: "traffic.Traffic") -> None:
        self.traffic = traffic
        self.until = 0  # when the second ends
        self._pairs: Dict[int, Dict[bytes, Any]] = {}  # rate -> {source and target address in one: what adds to the lists}
        self._known = 0  # pairs of addresses in all of them
        self._lists: Dict[Tuple[int, int], Tuple[List[Any], Any]] = {}  # (pair key, rate) -> (arrays, what adds to them)

    def of_rate(self, rate: int) -> Dict[bytes, Any]:
        """{source and target address in one: one append() by class}, filled by add(); not to be kept beyond full()."""
        pairs = self._pairs.get(rate)
        if pairs is None:
            pairs = {}
            if not self.full():
                self._pairs[rate] = pairs
        return pairs

    def full(self) -> bool:
        """Whether there is no room for more sampling rates or pairs of groups: theirs are counted one by one."""
        return len(self._pairs) >= MAX_RATES or len(self._lists) * BEHIND >= traffic.MAX_PAIRS

    def key(self, pair: bytes) -> int:
        """The pair key, without the class, of a source and a target address."""
        half, find = len(pair) // 2, self.traffic.groups.find
        return traffic.pair_key(find(pair[:half]), find(pair[half:]), 0, half > 4)

    def add(self, pair: bytes, kind: int, rate: int, length: int, now: int) -> None:
        """Count a packet of addresses that of_rate() does not know, and have it know them if there is room."""
        key, second, pairs = self.key(pair), self.traffic.second(now), self._pairs.get(rate)
        if pairs is None or self.full() and (key, rate) not in self._lists:
            self.traffic.tally(second, key | kind << 1, rate, rate * length)
            return
        if self._known >= CACHE:
            self.forget()
        if (key, rate) not in self._lists:
            lists = [array.array("I") for _class in packet.CLASSES]
            self._lists[key, rate] = lists, tuple([each.append for each in lists])
        pairs[pair] = self._lists[key, rate][1]
        pairs[pair][kind](length)
        self._known += 1

    def settle(self) -> None:
        """Bring what is held back into the traffic."""
        for (key, rate), (lists, _appends) in self._lists.items():
            for kind, lengths in enumerate(lists):
                if lengths:
                    self.traffic.tally(self.traffic.second(self.until - 1), key | kind << 1, rate * len(lengths),
                                       rate * sum(lengths))
                    del lengths[:]

    def forget(self) -> None:
        """Settle, and begin anew with the pairs."""
        self.settle()
        self._lists.clear()
        self._known = 0
        for pairs in self._pairs.values():
            pairs.clear()

    def turn(self, now: int) -> None:
        """Begin another second."""
        self.settle()
        self.until = now - now % 1000 + 1000


class Remembered:
    """Packets that are to go into the ring of the traffic, packed."""

    def __init__(self) -> None:
        self.one_in = REMEMBER_ONE_IN  # packets of which one is to be added
        self._rows = bytearray()
        self._mark = 0  # how many bytes there were when the second began, less those that were taken since

    def add(self, now: int, frames: int, length: int, protocol: int, pair: bytes) -> None:
        """A packet that stands for so many frames; pair is its source and target address in one."""
        self._rows += _REMEMBERED.pack(now, frames, length, protocol, len(pair), pair)
        if len(self._rows) >= 2 * traffic.RING * _REMEMBERED.size:
            self._mark -= traffic.RING * _REMEMBERED.size
            del self._rows[:traffic.RING * _REMEMBERED.size]

    def take(self) -> Iterable[Any]:
        """(now, frames, length, protocol, size of the pair, pair with padding) of the newest, which are forgotten."""
        self._mark -= len(self._rows)
        rows, self._rows = self._rows[-traffic.RING * _REMEMBERED.size:], bytearray()
        return _REMEMBERED.iter_unpack(rows)

    def turn(self) -> None:
        """Begin another second, in which fewer or more are to be added when those of the last one were too many or few."""
        added = (len(self._rows) - self._mark) // _REMEMBERED.size
        self._mark = len(self._rows)
        if added > REMEMBER_A_SECOND:
            self.one_in *= 2
        elif added < REMEMBER_A_SECOND // 4:
            self.one_in = max(REMEMBER_ONE_IN, self.one_in // 2)


class LearnedCollector(Collector):
    """A collector that decodes one at a time, by learned forms."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Tag and length as they stand in the datagram -> [(how unusual it is, form)], and -> the first form, that ends in the
        # second one and so on.
        self._forms: Dict[bytes, List[Any]] = {}
        self._first: Dict[bytes, Any] = {}
        self._learned = 0
        self._streams: Dict[bytes, Stream] = {}  # by source + address + sub-agent
        self._moves = 0
        self._lengths = Lengths(self.traffic)
        self._held = 0  # bytes of datagrams since the lengths were settled
        self._passed = 0  # packets since one was remembered
        self._remembered = Remembered()  # what flush() writes into the ring of the traffic

    def flush(self) -> None:
        for stream in self._streams.values():
            self._write(stream)
            self._settle(stream)
        self._lengths.settle()
        for now, frames, length, protocol, size, padded in self._remembered.take():
            pair, half = padded[:size], size // 2
            self.traffic.remember(now, self._lengths.key(pair), protocol, 6 if half > 4 else 4, frames, frames * length, pair[:half],
                                  pair[half:])

    def forget(self) -> None:
        super().forget()
        self._streams.clear()

    def regroup(self) -> None:
        self.flush()
        super().regroup()
        self._lengths = Lengths(self.traffic)

    def receive(self, data: packet.Bytes, length: int, source: bytes, now: int) -> None:
        self.take_all([(now, source, bytes(data[:length]) + PAD, 0, length)])

    def take_all(self, located: Iterable[Located], now: int = 0) -> int:
        account, streams, known = self.account, self._streams, self._first.get
        lengths, passed, until = self._lengths, self._passed, self._lengths.until
        remember, one_in = self._remembered.add, self._remembered.one_in
        ipv4_head, ipv6_head, ipv4_agent = _IPV4_HEAD.unpack_from, _IPV6_HEAD.unpack_from, _IPV4_AGENT
        shared_ms = accounts.SHARED_MS
        datagrams = octets = 0
        if self._moves != account.moves:
            self._forget_streams()
        try:
            for time, source, data, begin, end in located:
                if time > now:
                    now = time
                size = end - begin
                if size < 28:
                    super().receive(data[begin:end], size, source, now)
                    continue
                kind, who, number, uptime, count, head = ipv4_head(data, begin)
                position = begin + 28
                if kind != ipv4_agent:
                    if kind != _IPV6_AGENT or size < 40:
                        super().receive(data[begin:end], size, source, now)
                        continue
                    kind, who, number, uptime, count, head = ipv6_head(data, begin)
                    position = begin + 40
                    if who.startswith(wire.MAPPED):  # an IPv4 address all the same: one stream, however it is spelled
                        who = who[len(wire.MAPPED):]
                datagrams += 1
                octets += size
                stream = streams.get(source + who)
                if stream is None:
                    stream = self._find(source, who, now)
                    if stream is None:
                        continue
                if number == stream.expected and now - stream.last <= shared_ms:
                    stream.expected = number + 1
                    stream.uptime = uptime
                    stream.last = now
                    stream.bytes += size
                elif not self._advance(stream, number, uptime, size, now):
                    continue
                if now >= until:
                    lengths = self._turn(now)
                    until, one_in = lengths.until, self._remembered.one_in
                # The samples: those of known forms are read here, all others by _generic().
                run, following, pairs, pair = stream.setting, stream.following, stream.pairs, None
                since, newest = following, position
                for _unused in range(count):
                    form = known(head)
                    while form is not None:
                        size, check, constants, unknown, fields, classes, form = form
                        behind = position + size
                        if behind > end:
                            form = None
                        elif check(data, position) == constants:
                            break
                    else:
                        if following != since:
                            passed += following - since
                            since = following
                            stream.hold(following, data, newest, now)
                        self._settle(stream)
                        reached = self._generic(data, position, end, stream.row, source, now)
                        if reached is None:
                            break
                        position, head = reached, data[reached:reached + 8]
                        run, pair = stream.setting, None
                        continue
                    if unknown:
                        for tag in unknown:
                            accounts.count(account.unknown, tag)
                    if classes is None:
                        number, name, following_head = fields(data, position)
                        self._counter(stream, number, name, head, data, position, behind, now)
                        position, head = behind, following_head
                        continue
                    number, setting, length, protocol, pair, head = fields(data, position)
                    if number != following or setting != run:
                        if following != since:
                            passed += following - since
                            stream.hold(following, data, newest, now)
                        self._settle(stream)
                        self._open(stream, setting, number)
                        run, since, pairs = setting, number, stream.pairs
                    following = number + 1
                    newest = position
                    try:
                        pairs[pair][classes[protocol]](length)
                    except LookupError:
                        if classes[protocol] == BEHIND:
                            self.traffic.add(_packet(data, position + 8, behind, len(run)), stream.rate, now)
                            passed, pair = passed - 1, None
                        else:
                            lengths.add(pair, classes[protocol], min(stream.rate, MAX_RATE), length, now)
                    position = behind
                if following != since:
                    passed += following - since
                    stream.following, stream.time = following, now  # as hold(), which is a call more
                    place = newest + len(run) + 12
                    stream.newest = data[place:place + 8]
                    if passed >= one_in and pair is not None:
                        remember(now, passed * min(stream.rate, MAX_RATE), length, protocol, pair)
                        passed = 0
                if not stream.alone:
                    self._settle(stream)
        finally:
            account.datagrams += datagrams
            account.bytes += octets
            self._passed = passed
            self._held += octets
            if self._held >= MAX_HELD:
                lengths.settle()
                self._held = 0
        return now

    def _find(self, source: bytes, who: bytes, now: int) -> Optional[Stream]:
        """A stream as the account knows it, remembered as long as no row changes hands."""
        account = self.account
        if len(self._streams) > 2 * account.max_agents:
            self._forget_streams()
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
            self._forget_streams()
        if row is None:
            return None
        agent = account.by_number[account.streams.agent[row]]
        stream = self._streams[source + who] = Stream(row, agent, who)
        for each in others + [stream]:
            each.alone = len(agent.streams) == 1
            self._read(each)
        return stream

    def _forget_streams(self) -> None:
        """Begin anew with the streams: their rows may have changed hands."""
        self.flush()
        self._streams.clear()
        self._moves = self.account.moves

    def _others(self, agent: "accounts.Agent", who: bytes) -> List[Stream]:
        """The streams of an agent."""
        found = [self._streams.get(source + who) for source, _row in agent.streams]
        return [stream for stream in found if stream is not None]

    def _read(self, stream: Stream) -> None:
        """Take the state of a stream from the account."""
        streams, row = self.account.streams, stream.row
        stream.expected = stream.written = streams.top[row] + 1 if streams.running[row] > streams.several[row] else -1
        stream.last = streams.last[row]

    def _write(self, stream: Stream) -> None:
        """Bring the datagrams and the number of counter samples of a stream into the account."""
        if stream.expected != stream.written:
            streams, row = self.account.streams, stream.row
            streams.top[row] = stream.expected - 1
            streams.uptime[row] = stream.uptime
            streams.last[row] = stream.last
            streams.datagrams[row] += stream.expected - stream.written
            streams.bytes[row] += stream.bytes
            stream.written, stream.bytes = stream.expected, 0
        if stream.counters:
            streams, row = self.account.streams, stream.row
            streams.counters[row] += stream.counters
            streams.last_counter[row] = max(stream.counted, streams.last_counter[row])  # or the generic way was later
            stream.counters = 0

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

    def _turn(self, now: int) -> "Lengths":
        """Begin another second; the lengths of it."""
        if self._lengths.full():  # which stops runs from being open
            self.flush()
            self._lengths = Lengths(self.traffic)
        self._lengths.turn(now)
        self._remembered.turn()
        return self._lengths

    def _open(self, stream: Stream, setting: bytes, number: int) -> None:
        """Begin a run with a flow sample."""
        source, stream.rate = (_EXPANDED if len(setting) == 12 else _PLAIN).unpack(setting)
        if len(setting) == 8:
            source = _spelled_out(source)
        stream.point = self.account.point(stream.agent, source)
        stream.pairs = self._lengths.of_rate(min(stream.rate, MAX_RATE))
        stream.setting, stream.first, stream.following = setting, number, number

    def _settle(self, stream: Stream) -> None:
        """End the run of a stream and bring it into the account."""
        if not stream.setting:
            return
        stream.setting = b""
        account, point, first, now = self.account, stream.point, stream.first, stream.time
        streams, table, count = account.streams, account.points, stream.following - first
        if not count:  # the first sample was not to be counted after all
            return
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

    def _counter(self, stream: Stream, number: int, name: int, head: bytes, data: bytes, position: int, end: int,
                 now: int) -> None:
        """Keep a counter sample of a known form."""
        stream.counters += 1  # as Account.counter_sample(), but for what is held back
        stream.counted = now
        account, agent, start = self.account, stream.agent, position + 20
        if head[3] != EXPANDED_COUNTERS:
            start, name = position + 16, _spelled_out(name)
        point = agent.points.get(name)
        if point is None:
            point = account.point(agent, name)
            if point is None:
                return
        account.counted(agent, point, number, data, start, end, now)

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
        form = (learn_flow if sample.kind == wire.FLOW else learn_counters)(data, sample, position, size)
        if form is None:
            return
        if len(self._forms) >= MAX_HEADS:
            self._forms.clear()
            self._first.clear()
        head = data[position:position + 8]
        forms = self._forms.setdefault(head, [])
        if len(forms) < MAX_FORMS:
            forms.append(form)
            forms.sort(key=lambda each: each[0])  # no tags and IPv4 first: of most samples the first form is the right one
            self._first[head] = None
            for _rank, form in reversed(forms):
                self._first[head] = form + (self._first[head],)


def _spelled_out(source: int) -> int:
    """A plain data source as the expanded formats spell it."""
    return source >> 24 << 32 | source & 0xFFFFFF


def _packet(data: bytes, start: int, end: int, setting: int) -> Any:
    """The packet of a recognised flow sample, by the generic reader; setting: bytes of data source and rate."""
    found = wire.Datagram()
    wire.read_sample(found, data, EXPANDED_FLOW if setting == 12 else 1, start, end)
    return found.samples[0].packet
