# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batch decoder: many datagrams in one piece of memory, decoded together with numpy.

The idea in twenty lines. A Python loop over datagrams costs tens of microseconds each, most of it the interpreter.
So the loop is turned inside out: every step of the decoding is done for all datagrams at once.

 1. Headers. take() collects the words at the start of every datagram, one word of all of them at a time; comparisons on
    these columns find the bad ones. Datagrams start at multiples of four, so every place is a number of a word.
 2. Streams. A hash over (source, agent, sub-agent) leads to a row of the account; unknown keys take the way through
    the account's dict. Sorted by row, the difference to the sequence number before is +1 nearly always, more where
    datagrams were lost; only streams with another step go through Account.advance, datagram by datagram.
 3. Samples, in lockstep: step k looks at the k-th sample of every datagram that has one, checks that it ends inside
    the datagram, and moves on by its length. Datagrams stand sorted by their number of samples, so that those still in
    step are the first rows. What comes out is one position per sample, in order of arrival.
 4. Sample headers: plain and expanded formats differ only in which word is which. Neighbours of one data source are a
    run, for which it is looked up once.
 5. Records, in lockstep again: known or unknown, and where the sampled packet begins. Counter samples have many, but few
    forms: where the records of one that was walked stand, the same are looked for in all others of its length.
 6. Packets: the Ethernet type says where IP begins, in halves of a word. What is rare (IPv6 extension headers) is handed
    to the functions of packet.py, one by one.
 7. The account: figures that only count are summed per stream and per data source; a data source that does anything
    unusual (new, another rate, samples out of order) goes through the account's own methods, in order.
 8. Traffic: addresses to groups (vectors.Prefixes), mostly by their first half; pairs to small numbers, bincount.

Scalar code stays the reference: tests/unit/collector compares the two on generated, mutated and captured datagrams.
"""

import struct
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Tuple, Union

import numpy

from . import account as accounts
from . import capture, counters, kept, packet, sequence, traffic, wire
from .core import Collector
from .vectors import Index, Memory, Prefixes, hold_heap, pair

np: Any = numpy  # the types of its arrays differ from version to version

LOCKSTEP = 32  # lockstep over samples or records ends after so many steps,
FEW = 16  # or when fewer datagrams than this are left; the rest is walked one by one
SMALL = 24  # so few datagrams are decoded one by one: numpy's calls would cost more
MOST_PARTS = 8  # into which new sources may cut a batch before the rest of it is decoded one by one; each costs as much as a batch
GATHER = 8192  # datagrams in one batch where they do not come in slots of their own,
GATHER_BYTES = 4 << 20  # and their bytes; what a batch costs by itself is as much as 600 datagrams
MAX_FORMS = 256  # forms of counter samples that are remembered
MAX_DENSE = 1 << 22  # largest table from pair of groups to its small number

_UNKNOWN, _KNOWN, _PACKET = 0, 1, 2
_MAPPED = np.uint64(0xFFFF << 32)  # what makes an IPv4 address the lower half of an IPv4-mapped one
_HALVES = struct.Struct(">QQ")
# By sample tag, 0 and 6 for what is none: the kind of sample; words of tag, length and header.
_FLOW, _COUNTER, _DISCARD = 1, 2, 3
_KINDS = np.array([0, _FLOW, _COUNTER, _FLOW, _COUNTER, _DISCARD, 0], "u1")
_HEADER_WORDS = np.array([2 + len(wire.SAMPLES[tag][1].split()) if tag in wire.SAMPLES else 2 for tag in range(7)], "i8")
_KEPT_SIZES = np.array(kept.SIZES)
_CLASS = np.full(256, packet.OTHER << 1, "i8")  # as it stands in a pair key
for _number, _kind in packet.CLASS_OF.items():
    _CLASS[_number] = _kind << 1
_EXTENDED = np.zeros(256, bool)
_EXTENDED[list(packet.EXTENSIONS)] = True


def _record_kinds(known: FrozenSet[int], packets: Union[Dict[int, Callable[..., Any]], Tuple[Any, ...]]) -> Any:
    """What a record tag below 4096 means; the last entry stands for every tag above."""
    table = np.zeros(4097, "u1")
    table[[tag for tag in known if tag < 4096]] = _KNOWN
    table[list(packets)] = _PACKET
    return table


_FLOW_KINDS = _record_kinds(wire.KNOWN_FLOW_RECORDS, wire.PACKETS)
_COUNTER_KINDS = _record_kinds(wire.KNOWN_COUNTER_RECORDS, ())


def columns_of(table: Any) -> Any:
    """The columns of a Table as numpy arrays over the same memory."""
    return type("Columns", (), {name: np.frombuffer(table.buffers[name], code.replace("Q", "u8").replace("q", "i8")
                                                    .replace("I", "u4").replace("H", "u2").replace("B", "u1"))
                                for name, code, _width in table.layout})


class BatchDecoder:
    """Decodes batches for one collector."""

    def __init__(self, core: "BatchCollector") -> None:
        self.core = core
        self.account = account = core.account
        self.streams = columns_of(account.streams)
        self.points = columns_of(account.points)
        self.stream_index = Index(account.streams.capacity, 5)
        self.point_index = Index(account.points.capacity, 2)
        self.stream_scratch = np.empty(account.streams.capacity, "i4")
        self.point_scratch = np.empty(account.points.capacity, "i4")
        self.pairs = Pairs(core.traffic)
        self.forms: Dict[int, Tuple[Any, Any, List[int]]] = {}  # by length and number of records, see _recognise

    def flush(self) -> None:
        """Bring what is still in arrays to where the views look for it."""
        self.pairs.flush()

    def decode(self, memory: "Memory", starts: Any, lengths: Any, sources: Any, times: Any) -> None:
        """Account for datagrams of a Memory: the bytes where they start, multiples of four, lengths, sources (n, 2)
        uint64, times that never go back."""
        for _part in range(MOST_PARTS):
            if len(starts) < SMALL:
                break
            rest = _Batch(self, memory, starts, lengths, sources, times).run()
            if not len(rest):
                return
            starts, lengths, sources, times = (each[rest] for each in (starts, lengths, sources, times))
        self.flush()
        for start, length, source, now in zip(starts.tolist(), lengths.tolist(), sources.astype(">u8"), times.tolist()):
            self.core.receive(memory.view[start:start + length], length, source.tobytes(), now)


class _Batch:
    """One batch on its way through the steps."""

    def __init__(self, decoder: "BatchDecoder", memory: "Memory", starts: Any, lengths: Any, sources: Any,
                 times: Any) -> None:
        self.decoder = decoder
        self.account = decoder.account
        self.memory = memory
        self.lengths = lengths.astype("i8")
        self.begin = starts >> 2  # all places are counted in words from here on
        self.stop = starts + self.lengths >> 2
        self.sources = sources
        self.times = times
        self.restarts: List[Tuple[int, accounts.Agent]] = []  # (number of the datagram, agent) of every restart
        self.rest = np.empty(0, "i8")  # numbers of the datagrams that are left to another batch

    def run(self) -> Any:
        """All steps in order; the numbers of the datagrams that are to come in a batch of their own, after this one."""
        self._steps()
        for _number, agent in self.restarts:  # those after which no counter sample came
            self.account.renew(agent)
        return self.rest

    def _steps(self) -> None:
        self.account.datagrams += len(self.begin)
        self.account.bytes += int(self.lengths.sum())
        good = self._headers()
        if not len(good):
            return
        self._find_streams(good)
        if not len(self.valid):
            return
        self._sequences()
        self._walk_samples()
        if len(self.at):
            self._sample_headers()
            self._apply()

    def _source(self, place: Any) -> bytes:
        return self.sources[place].astype(">u8").tobytes()

    def _error(self, reason: str, places: Any) -> None:
        for place in places.tolist():
            self.account.error(reason, self._source(place))

    # 1. Headers.

    def _headers(self) -> Any:
        """Read the headers; the numbers of the datagrams whose header is good."""
        words, begin, lengths = self.memory.words, self.begin, self.lengths
        version, kind, address = (words(begin, place) for place in range(3))
        six = kind == 2
        fixed = np.where(six, 10, 7)
        bad = (lengths < 4 * fixed) | (version != 5) | ((kind != 1) & ~six)
        good = (~bad).nonzero()[0]
        if len(good) < len(bad):
            why = np.where(lengths < 4 * fixed, 1, 0)
            why[(kind != 1) & ~six] = 2
            why[version != 5] = 3
            why[lengths < 8] = 1
            for number, reason in (1, "too_short"), (2, "address_type"), (3, "version"):
                self._error(reason, (why == number).nonzero()[0])
        self.first_sample = begin + fixed
        tail = self.first_sample - 4
        self.sub_agent, self.sequence, self.uptime, self.count = (words(tail, place) for place in range(4))
        self.high = np.zeros(len(lengths), "u8")
        self.low = address.astype("u8") | _MAPPED
        six = six.nonzero()[0]
        if len(six):
            place = 2 * begin[six] + 4
            self.high[six], self.low[six] = self.memory.longs(place), self.memory.longs(place + 4)
        return good

    # 2. Streams and sequences.

    def _find_streams(self, good: Any) -> None:
        """Find the row of every good datagram's stream; valid are those that have one."""
        decoder, streams, moves, failed = self.decoder, self.decoder.streams, self.account.moves, []
        keys = (self.sources[:, 0], self.sources[:, 1], self.high, self.low, self.sub_agent.astype("u8"))
        if len(good) < len(self.low):
            keys = tuple(each[good] for each in keys)

        def same(rows: Any, which: Any) -> Any:
            return ((streams.low.take(rows) == keys[3][which]) & (streams.source_low.take(rows) == keys[1][which])
                    & (streams.high.take(rows) == keys[2][which]) & (streams.source_high.take(rows) == keys[0][which])
                    & (streams.sub_agent.take(rows) == keys[4][which]))
        places = decoder.stream_index.hash(keys)
        rows = decoder.stream_index.find(places, same)
        missing = (rows < 0).nonzero()[0]
        if len(missing):
            numbers = good[missing]
            for which, place, source, high, low, sub_agent, now in zip(
                    missing.tolist(), places[missing].tolist(), self.sources[numbers].tolist(),
                    self.high[numbers].tolist(), self.low[numbers].tolist(), self.sub_agent[numbers].tolist(),
                    self.times[numbers].tolist()):
                if self._must_wait(good[:which], high, low, sub_agent, now):
                    self._leave(good[which:])
                    good, rows = good[:which], rows[:which]
                    break
                row = self.account.stream(_HALVES.pack(*source), _HALVES.pack(high, low), sub_agent, now)
                if row is None:
                    failed.append(which)
                else:
                    rows[which] = row
                    decoder.stream_index.add(place, row)
            if self.account.moves != moves:  # a row that was found may be that of another source by now
                self._find_streams(np.delete(good, failed))
                return
        known = rows >= 0
        self.valid, self.rows = (good, rows) if known.all() else (good[known], rows[known])

    def _must_wait(self, earlier: Any, high: int, low: int, sub_agent: int, now: int) -> bool:
        """Whether the account must have the earlier datagrams of an agent before a new source of it: they tell which of
        its sources are silent."""
        agent, last = self.account.agents.get((_HALVES.pack(high, low), sub_agent)), self.account.streams.last
        if agent is None or all(now - last[row] <= accounts.SHARED_MS for _source, row in agent.streams):
            return False
        return bool(((self.low[earlier] == low) & (self.high[earlier] == high) & (self.sub_agent[earlier] == sub_agent)).any())

    def _leave(self, numbers: Any) -> None:
        """Leave datagrams to another batch, which counts them."""
        self.rest = np.append(numbers, self.rest)
        self.account.datagrams -= len(numbers)
        self.account.bytes -= int(self.lengths[numbers].sum())

    def _sequences(self) -> None:
        """Loss, order and last seen of every stream; accepted are the datagrams that were not seen before."""
        streams, valid = self.decoder.streams, self.valid
        order = _order(self.rows, self.decoder.stream_scratch)
        rows, numbers = self.rows[order], valid[order]
        seen, times, uptimes = self.sequence[numbers], self.times[numbers], self.uptime[numbers]
        new = np.ones(len(rows), bool)
        new[1:] = rows[1:] != rows[:-1]
        starts = new.nonzero()[0]
        ends = np.append(starts[1:], len(rows)) - 1
        before, before_time = np.empty_like(seen), np.empty_like(times)
        before[1:], before_time[1:] = seen[:-1], times[:-1]
        firsts = rows[starts]
        fresh = streams.running[firsts] == 0
        before[starts] = np.where(fresh, seen[starts] - np.uint32(1), streams.top[firsts])
        before_time[starts] = streams.last[firsts]
        step = seen - before
        odd = step != 1
        ahead = self._ahead(odd, step, rows, starts, uptimes)
        odd[ahead] = False
        odd |= times - before_time > accounts.SHARED_MS
        for row in firsts[streams.several[firsts] != 0].tolist():
            self.account.wake(self.account.by_number[streams.agent[row]])
        odd[starts] |= streams.several[firsts] != 0
        accepted = np.ones(len(self.begin), bool)
        usual = np.ones(len(starts), bool)
        if odd.any():
            usual = ~np.logical_or.reduceat(odd, starts)
            unusual = np.repeat(~usual, ends - starts + 1)
            ahead = ahead[~unusual[ahead]]
            self._advance(unusual.nonzero()[0], rows, numbers, accepted)
        fresh = (fresh & usual).nonzero()[0]
        if len(fresh):
            which, first = firsts[fresh], seen[starts[fresh]]
            streams.running[which] = streams.window[which] = 1
            streams.first_sequence[which] = streams.window_top[which] = first
        if len(ahead):
            self._lose(rows[ahead], before[ahead], step[ahead])
        self.by_stream = numbers, starts, firsts
        which, last, size, count = firsts, ends, self._sums(self.lengths[numbers]), ends - starts + 1
        if not usual.all():
            which, last, size, count = (each[usual] for each in (which, last, size, count))
        streams.top[which], streams.uptime[which], streams.last[which] = seen[last], uptimes[last], times[last]
        streams.datagrams[which] += count
        streams.bytes[which] += size
        keep = accepted[valid]
        self.accepted, self.accepted_rows = (valid, self.rows) if keep.all() else (valid[keep], self.rows[keep])

    def _ahead(self, odd: Any, step: Any, rows: Any, starts: Any, uptimes: Any) -> Any:
        """Which of the odd datagrams only say that some before them were lost, as far as these are few in a stream."""
        which, streams = odd.nonzero()[0], self.decoder.streams
        if not len(which):
            return which
        before = np.empty_like(uptimes)
        before[1:] = uptimes[:-1]
        before[starts] = streams.uptime[rows[starts]]
        which = which[(step[which] - np.uint32(2) < sequence.MAX_GAP - 1) & (streams.has_before[rows[which]] == 0)
                      & (uptimes[which] - before[which] <= 1 << 31)]
        stream = starts.searchsorted(which, "right")
        return which[np.bincount(stream, minlength=len(starts) + 1)[stream] <= FEW]

    def _lose(self, rows: Any, before: Any, step: Any) -> None:
        """What sequence.advance() does for steps forward: sorted by stream, one step of every stream at a time."""
        streams = self.decoder.streams
        while len(rows):
            first = np.ones(len(rows), bool)
            first[1:] = rows[1:] != rows[:-1]
            row, forward = rows[first], step[first]
            window = _shifted(streams.window[row], before[first] - streams.window_top[row], 1)
            streams.window[row] = _shifted(window, forward, 0) | np.uint64(1)
            streams.window_top[row] = before[first] + forward
            streams.lost[row] += forward.astype("i8") - 1
            rows, before, step = rows[~first], before[~first], step[~first]

    def _sums(self, values: Any) -> Any:
        """The sums per stream of values that stand sorted by stream."""
        starts = self.by_stream[1]
        return values if len(starts) == len(values) else np.add.reduceat(values, starts)

    def _advance(self, places: Any, rows: Any, numbers: Any, accepted: Any) -> None:
        """Datagrams of streams that did something unusual, one by one."""
        account = self.account
        places = places[np.argsort(numbers[places], kind="mergesort")]  # in order of arrival
        numbers = numbers[places]
        for row, number, number_sent, uptime, length, now in zip(
                rows[places].tolist(), numbers.tolist(), self.sequence[numbers].tolist(),
                self.uptime[numbers].tolist(), self.lengths[numbers].tolist(), self.times[numbers].tolist()):
            accepted[number] = account.advance(row, number_sent, uptime, now)
            account.touch(row, length, now)
            if account.restarted is not None:
                self.restarts.append((number, account.restarted))
                account.restarted = None

    # 3. Samples.

    def _walk_samples(self) -> None:
        """at: the position of every sample; of: the number of its datagram. Both in order of arrival."""
        numbers = self.accepted
        position, end = self.first_sample[numbers], self.stop[numbers]
        count = np.minimum(self.count[numbers], (end - position >> 1) + 1)  # one more than fit is enough to fail
        place = count.cumsum() - count
        at, self.of = np.full(int(count.sum()), -1, "i8"), numbers.repeat(count)
        order = (LOCKSTEP + 1 - np.minimum(count, LOCKSTEP + 1)).astype("u1").argsort(kind="mergesort")
        numbers, count, place, position, end = (each[order] for each in (numbers, count, place, position, end))
        active, complete = _active(count), True
        for step in range(LOCKSTEP + 1):
            here = slice(active[step])
            position = position[here]
            if len(position) < FEW or step == LOCKSTEP:
                complete &= self._walk_one_by_one(at, step, numbers[here], count[here], place[here], position, end[here])
                break
            following = position + _words_of(self.memory.words(position, 1))
            bad = following > end[here]
            if bad.any():
                complete = False
                self._error("samples", numbers[here][bad])
                numbers, count, place, position, end, following = (each[here][~bad] for each in (
                    numbers, count, place, position, end, following))
                active = _active(count)
            at[place[:len(position)] + step] = position
            position = following
        self.at = at
        if not complete:
            found = at >= 0
            self.at, self.of = at[found], self.of[found]

    def _walk_one_by_one(self, at: Any, step: int, numbers: Any, count: Any, place: Any, position: Any,
                         end: Any) -> bool:
        """Go on with the samples of few datagrams that have many of them; False when some were not there."""
        complete, view = True, self.memory.view
        for number, left, first, where, last in zip(numbers.tolist(), (count - step).tolist(), (place + step).tolist(),
                                                    position.tolist(), end.tolist()):
            found = []
            while left:
                following = last + 1
                if where + 2 <= last:
                    following = where + (int.from_bytes(view[4 * where + 4:4 * where + 8], "big") + 11 >> 2)
                if following > last:
                    self.account.error("samples", self._source(number))
                    complete = False
                    break
                found.append(where)
                where, left = following, left - 1
            at[first:first + len(found)] = found
        return complete

    # 4. Sample headers.

    def _sample_headers(self) -> None:
        """Sort the samples by kind and by runs: neighbours of one kind, of one data source, in one datagram."""
        words, at = self.memory.words, self.at
        tags = words(at)
        kind = _KINDS.take(tags, mode="clip")
        end, body = at + _words_of(words(at, 1)), at + _HEADER_WORDS.take(tags, mode="clip")
        short = body > end
        if short.any() or not kind.all():
            unknown = kind == 0
            for value, number in zip(*np.unique(tags[unknown], return_counts=True)):
                accounts.count(self.account.unknown_samples, int(value), by=int(number))
            self._error("sample_header", self.of[short])
            kind[short] = 0
        self.end, self.body, self.sent, self.expanded = end, body, words(at, 2), tags >= 3
        first, second = words(at, 3), words(at, 4)
        new = np.ones(len(at), bool)
        new[1:] = ((first[1:] != first[:-1]) | (second[1:] != second[:-1]) | (self.of[1:] != self.of[:-1])
                   | (tags[1:] != tags[:-1]) | (kind[1:] != kind[:-1]))
        begin = new.nonzero()[0]
        first, second, expanded = first.take(begin), second.take(begin), self.expanded.take(begin)
        source = np.where(expanded, pair(first, second), pair(first >> np.uint32(24), first & np.uint32(0xFFFFFF)))
        self.run_kind, self.run_size = kind[begin], np.diff(np.append(begin, len(at)))
        self.run_point = self._find_points(self.of[begin], source)
        self.flows, self.counters, self.discards = ((kind == each).nonzero()[0] for each in (_FLOW, _COUNTER, _DISCARD))

    def _find_points(self, of: Any, source: Any) -> Any:
        """The row of the data source of every run of samples, -1 without; of: their datagrams."""
        decoder, points = self.decoder, self.decoder.points
        stream_of = np.zeros(len(self.begin), "i8")
        stream_of[self.accepted] = self.accepted_rows
        agent = decoder.streams.agent[stream_of[of]]

        def same(rows: Any, these: Any) -> Any:
            return (points.source.take(rows) == source[these]) & (points.agent.take(rows) == agent[these])
        places = decoder.point_index.hash((agent.astype("u8"), source))
        rows = decoder.point_index.find(places, same)
        rows[self.run_kind == 0] = -1
        missing = ((rows < 0) & (self.run_kind != 0)).nonzero()[0]
        if len(missing):
            account = self.account
            for run, place, number, key, samples in zip(missing.tolist(), places[missing].tolist(), agent[missing].tolist(),
                                                        source[missing].tolist(), self.run_size[missing].tolist()):
                row = account.point(account.by_number[number], key)
                if row is None:
                    account.overflow["data_sources"] += samples - 1  # every sample without a row is counted
                else:
                    rows[run] = row
                    decoder.point_index.add(place, row)
        return rows

    def _points_of(self, kind: int) -> Any:
        """The row of the data source of every sample of a kind."""
        runs = self.run_kind == kind
        return self.run_point[runs].repeat(self.run_size[runs])

    # 5. Records.

    def _walk_records(self, which: Any, kinds: Any) -> Any:
        """Walk the records of samples; where the first packet record of each is, -1 without."""
        words, position, end = self.memory.words, self.body.take(which), self.end.take(which)
        count, left = words(position - 1), np.arange(len(which))
        packet_at = np.full(len(which), -1, "i8")
        unknown = []
        for step in range(LOCKSTEP + 1):
            more = (count > step).nonzero()[0]
            if len(more) < len(left):
                left, count, position, end = (each.take(more) for each in (left, count, position, end))
            if len(left) < FEW or step == LOCKSTEP:
                break
            tag, following = words(position), position + _words_of(words(position, 1))
            bad = following > end
            if bad.any():
                self._error("records", self.of[which[left[bad]]])
                left, count, position, end, tag, following = (each[~bad] for each in (
                    left, count, position, end, tag, following))
            kind = kinds.take(tag, mode="clip")
            if not kind.all():
                unknown.append(tag[kind == _UNKNOWN])
            if kinds is _FLOW_KINDS:
                hit = (kind == _PACKET).nonzero()[0]
                samples = left.take(hit)
                if step:
                    first = packet_at[samples] < 0
                    hit, samples = hit[first], samples[first]
                packet_at[samples] = position.take(hit)
            position = following
        for place, at, last, number in zip(left.tolist(), position.tolist(), end.tolist(),
                                           (count - np.uint32(step)).tolist()):
            for tag, first, _last in wire.records(self.memory.view, 4 * at, 4 * last, number):
                if tag is None:
                    self.account.error("records", self._source(self.of[which[place]]))
                    break
                if kinds[min(tag, 4096)] == _UNKNOWN:
                    unknown.append([tag])
                elif kinds[min(tag, 4096)] == _PACKET and packet_at[place] < 0:
                    packet_at[place] = first // 4 - 2
        if unknown:
            known = wire.KNOWN_COUNTER_RECORDS if kinds is _COUNTER_KINDS else wire.KNOWN_FLOW_RECORDS
            for value, number in zip(*np.unique(np.concatenate(unknown), return_counts=True)):
                if int(value) not in known:
                    accounts.count(self.account.unknown, int(value), by=int(number))
        return packet_at

    # 6. Packets.

    def _packets(self, at: Any) -> None:
        """Add the sampled packets of the flow samples that have one to the traffic; at: where their records are."""
        memory, words, rate, of = self.memory, self.memory.words, self.rate, self.of.take(self.flows)
        have = (at >= 0).nonzero()[0]
        if len(have) < len(at):
            at, rate, of = at.take(have), rate.take(have), of.take(have)
        if not len(at):
            return
        # Raw headers first, then 0:3 and 0:4. The word in the middle of an Ethernet frame has its type and the first
        # half of what IP begins with. there: how many bytes were captured from there on; ip: the half where it is.
        tag, size, link, length = (words(at, place) for place in range(4))
        there = np.minimum(words(at, 5), size - np.uint32(16)).astype("i8") - 14
        middle, ip = words(at, 9), 2 * at + 19
        ethernet = (link == packet.ETHERNET) & (tag == 1) & (size >= 16)
        if not ethernet.all():
            raw = (tag == 1) & (size >= 16)
            length = np.where(raw, length, 0)
            middle[~ethernet] = 0
            for kind, number in (packet.IPV4, 0x0800), (packet.IPV6, 0x86DD):
                bare = (raw & (link == kind)).nonzero()[0]
                ip[bare] -= 7
                there[bare] += 14
                middle[bare] = np.uint32(number << 16) | memory.halves(ip[bare])
        tagged = _tagged(middle)
        for _unused in range(packet.MAX_TAGS):
            if not len(tagged):
                break
            ip[tagged] += 2
            there[tagged] -= 4
            inner = memory.addresses4(ip[tagged] - 1)
            middle[tagged] = inner
            tagged = tagged[_tagged(inner)]
        four = ((middle - np.uint32(0x08004500) < 0x0B00) & (there >= 20)).nonzero()[0]
        six = ((middle - np.uint32(0x86DD6000) < 0x1000) & (there >= 40)).nonzero()[0]
        ip4, ip6 = ip.take(four), ip.take(six)
        found = [(four, 4, memory.halves(ip4, 4) & np.uint16(0xFF), ip4 + 6, ip4 + 8),
                 (six, 6, self._protocols6(ip6, there[six]), ip6 + 4, ip6 + 12)]
        if not ethernet.all():
            for kind, version, wide in (3, 4, 2), (4, 6, 8):  # wide: halves of an address
                which = ((tag == kind) & (size >= 16 + 4 * wide)).nonzero()[0]
                begin = at[which] + 2
                length[which] = words(begin)
                found.append((which, version, words(begin, 1) & np.uint32(0xFF), 2 * begin + 4, 2 * begin + 4 + wide))
        frames = np.minimum(rate, traffic.MAX_RATE).astype("f8")
        self.decoder.pairs.add(memory, self.times, of, frames, frames * np.minimum(length, packet.MAX_FRAME_LENGTH),
                               [part for part in found if len(part[0])])
        self.decoder.core.traffic.not_ip += len(at) - sum(len(part[0]) for part in found)

    def _protocols6(self, ip: Any, there: Any) -> Any:
        """The protocols of IPv6 packets; there: how many bytes of each were captured."""
        protocol = self.memory.halves(ip, 3) >> np.uint16(8)
        for place in _EXTENDED[protocol].nonzero()[0].tolist():
            first = 2 * int(ip[place])
            protocol[place] = packet.follow_extensions(self.memory.view, int(protocol[place]), first + 40,
                                                       first + int(there[place]))[0]
        return protocol

    # 7. The account.

    def _apply(self) -> None:
        account = self.account
        number = len(self.begin)
        for which, counts, last in ((self.flows, "flows", "last_flow"), (self.counters, "counters", "last_counter"),
                                    (self.discards, "discards", None)):
            if len(which):
                self._count_per_stream(np.bincount(self.of[which], minlength=number), counts, last)
        if len(self.flows):
            self._flow_points()
            self._packets(self._walk_records(self.flows, _FLOW_KINDS))
        if len(self.counters):
            self._counter_points()
            others = self._recognise(self.counters)
            if len(others):
                self._walk_records(others, _COUNTER_KINDS)
        if len(self.discards):
            self._walk_records(self.discards, _FLOW_KINDS)
            for point, sent in zip(self._points_of(_DISCARD).tolist(), self.sent[self.discards].tolist()):
                if point >= 0:
                    account.discard(point, sent)

    def _count_per_stream(self, per_datagram: Any, counts: str, last: Optional[str]) -> None:
        """Add the samples of every datagram to its stream, and note when the stream last had one."""
        numbers, starts, rows = self.by_stream
        of_streams = per_datagram[numbers]
        column = getattr(self.decoder.streams, counts)
        if last is not None:
            newest = np.where(of_streams > 0, self.times[numbers], 0)
            if len(starts) < len(newest):
                newest = np.maximum.reduceat(newest, starts)
            some = newest.nonzero()[0]
            getattr(self.decoder.streams, last)[rows[some]] = newest[some]
        column[rows] += self._sums(of_streams)

    def _flow_points(self) -> None:
        """Sampling rate, pool, drops and sequence of the data sources of flow samples."""
        account, points, which = self.account, self.decoder.points, self.flows
        number, place = self.sent.take(which), (self.at + 4 + self.expanded).take(which)  # of rate, pool and drops
        self.rate = rate = self.memory.words(place)
        # What is unusual within a run of samples of one data source; how runs begin comes below.
        odd = np.zeros(len(which), bool)
        odd[1:] = (number[1:] - number[:-1] - np.uint32(1) >= np.uint32(sequence.MAX_GAP)) | (rate[1:] != rate[:-1])
        runs = self.run_kind == _FLOW
        point, size = self.run_point[runs], self.run_size[runs]
        end = size.cumsum()
        begin = end - size
        known = point >= 0
        if not known.all():
            point, begin, end = point[known], begin[known], end[known]
            if not len(point):
                return
        # The runs sorted by data source: nearly every datagram has one.
        order, run_begin = _order(point, self.decoder.point_scratch), begin
        point, begin, end = point[order], begin[order], end[order]
        first = np.ones(len(begin), bool)
        first[1:] = point[1:] != point[:-1]
        starts = first.nonzero()[0]
        ends = np.append(starts[1:], len(begin)) - 1
        rows = point[starts]
        before = np.empty(len(begin), "u4")
        before[1:] = number[end[:-1] - 1]
        fresh = (points.flows[rows] == 0).nonzero()[0]
        before[starts] = points.flow_top[rows]
        if len(fresh):
            first = begin[starts[fresh]]
            before[starts[fresh]] = number[first] - np.uint32(1)
            points.rate[rows[fresh]] = rate[first]
            points.flow_base[rows[fresh]] = number[first]
        odd[begin] = (number[begin] - before - np.uint32(1) >= np.uint32(sequence.MAX_GAP)) | (
            rate[begin] != points.rate[point])
        usual = np.ones(len(starts), bool)
        if odd.any():
            odd_runs = np.logical_or.reduceat(odd, run_begin)[order]
            usual = ~np.logical_or.reduceat(odd_runs, starts)
            for run in np.repeat(~usual, ends - starts + 1).nonzero()[0].tolist():
                part = slice(int(begin[run]), int(end[run]))
                for values in zip(number[part].tolist(), rate[part].tolist(), self.memory.words(place[part], 1).tolist(),
                                  self.memory.words(place[part], 2).tolist(), self.times[self.of[which[part]]].tolist()):
                    account.flow(int(point[run]), *values)
        rows, last = rows[usual], end[ends[usual]] - 1
        points.flow_top[rows], points.last_flow[rows] = number[last], self.times[self.of[which[last]]]
        points.pool[rows], points.drops[rows] = (self.memory.words(place[last], each) for each in (1, 2))
        points.flows[rows] += np.add.reduceat(end - begin, starts)[usual]

    def _counter_points(self) -> None:
        """Polling intervals of the data sources of counter samples; the samples that shall be kept."""
        points, which, point = self.decoder.points, self.counters, self._points_of(_COUNTER)
        apart = point < 0
        if self.restarts:
            apart |= np.isin(points.agent[point], [agent.number for _number, agent in self.restarts])
        if apart.any():
            for place, row in zip(which[apart].tolist(), point[apart].tolist()):
                if row >= 0:
                    self._counter_sample(place, row)
            which, point = which[~apart], point[~apart]
        # First the first sample of every data source, then the second ones, and so on: hardly any has a second.
        order = _order(point, self.decoder.point_scratch)
        which, point = which[order], point[order]
        for _unused in range(FEW):
            first = np.ones(len(point), bool)
            first[1:] = point[1:] != point[:-1]
            if first.all():
                self._count_samples(which, point)
                return
            self._count_samples(which[first], point[first])
            which, point = which[~first], point[~first]
        for place, row in zip(which.tolist(), point.tolist()):
            self._counter_sample(place, row)

    def _count_samples(self, which: Any, point: Any) -> None:
        """Counter samples of different data sources."""
        points = self.decoder.points
        number = self.sent[which]
        first = points.counters[point] == 0
        before = points.last_counter[point]
        odd = ~first & (number - points.counter_top[point] - np.uint32(1) >= np.uint32(sequence.MAX_GAP))
        if odd.any():
            for place, row in zip(which[odd].tolist(), point[odd].tolist()):
                self._counter_sample(place, row)
            which, point, number, first, before = (each[~odd] for each in (which, point, number, first, before))
        points.counter_top[point] = number
        points.counter_base[point[first]] = number[first]
        now = self.times[self.of[which]]
        passed = now - before
        known = before > 0
        if not known.all():
            for row in point[~known].tolist():
                self.account.by_number[points.agent[row]].polled.append(row)
        counted = known & (passed >= accounts.MIN_INTERVAL_MS)
        some = point[counted]
        points.intervals[some * accounts.INTERVALS + points.polls[some] % accounts.INTERVALS] = passed[counted]
        points.polls[some] += 1
        points.counters[point] += 1
        points.last_counter[point] = now
        due = (points.kept[point] == 0) | (now - points.kept_at[point] >= accounts.KEEP_EVERY_MS)
        if due.any():
            self._keep(which[due], point[due], now[due])

    def _counter_sample(self, place: int, point: int) -> None:
        """One counter sample by the account's own methods."""
        account, number = self.account, int(self.of[place])
        while self.restarts and self.restarts[0][0] <= number:
            account.renew(self.restarts.pop(0)[1])
        now = int(self.times[number])
        account.counted(account.by_number[account.points.agent[point]], point, int(self.sent[place]), self.memory.view,
                        4 * int(self.body[place]) - 4, 4 * int(self.end[place]), now)

    def _keep(self, which: Any, point: Any, now: Any) -> None:
        """Keep counter samples of different data sources: copy them into their slots, a size at a time."""
        account, points, store = self.account, self.decoder.points, self.account.kept
        begin, end = 4 * self.body[which] - 4, 4 * self.end[which]
        self._take_slots(point, end - begin)
        where = points.kept[point]
        kind = (where >> np.uint32(kept.CLASS_SHIFT)).astype("i8")
        fits = (where > 0) & (end - begin <= _KEPT_SIZES[kind])
        for place in (~fits).nonzero()[0].tolist():
            if not store.put(int(point[place]), self.memory.view[begin[place]:end[place]], int(now[place])):
                account.overflow["counter_samples"] += 1
        rows = point[fits]
        half = points.kept_half[rows] ^ 1
        points.kept_half[rows] = half
        points.kept_before[rows], points.kept_before_at[rows] = points.kept_size[rows], points.kept_at[rows]
        points.kept_size[rows], points.kept_at[rows] = (end - begin)[fits], now[fits]
        slots = ((where[fits] & np.uint32(kept.SLOT)).astype("i8") - 1) * 2 + half
        for number, size in enumerate(kept.SIZES):
            chosen = (kind[fits] == number).nonzero()[0]
            if len(chosen):
                arena = np.frombuffer(store.arenas[number], "V%d" % size)
                arena[slots[chosen]] = self.memory.windows("V%d" % size)[begin[fits][chosen]]
        asked = ((points.source[point] == np.uint64(counters.HOST))
                 & accounts.asks_for_name(points.counters[point])).nonzero()[0]
        asked = asked[~self._said_before(point[asked], begin[asked], end[asked], now[asked])]
        for row, first, last, time in zip(point[asked].tolist(), begin[asked].tolist(), end[asked].tolist(),
                                          now[asked].tolist()):
            account.identify(account.by_number[points.agent[row]], row, bytes(self.memory.view[first:last]), time)

    def _recognise(self, which: Any) -> Any:
        """Which of the counter samples do not have the same records at the same places as one that was walked before.

        An agent sends few forms, each with many records.
        """
        body = self.body[which]
        keys = self.end[which] - body << 32 | self.memory.words(body - 1)
        others = np.ones(len(which), bool)
        for key, first, many in zip(*(each.tolist() for each in np.unique(keys, return_index=True, return_counts=True))):
            if many < FEW:
                continue
            form = self.decoder.forms.get(key)
            if form is None:
                form = self._learn(int(body[first]), key)
                if form is None:
                    continue
                if len(self.decoder.forms) >= MAX_FORMS:
                    self.decoder.forms.clear()
                self.decoder.forms[key] = form
            places, heads, unknown = form
            some = (keys == key).nonzero()[0]
            same = some[(self.memory.words(body[some][:, np.newaxis] + places) == heads).all(axis=1)]
            others[same] = False
            for tag in unknown if len(same) else ():
                accounts.count(self.account.unknown, tag, by=len(same))
        return which[others]

    def _learn(self, body: int, key: int) -> Optional[Tuple[Any, Any, List[int]]]:
        """(where the tags and lengths of its records stand, these, tags of unknown records) of a counter sample without
        error, and without so many records that comparing all of them at once would take too much memory.
        """
        found: List[int] = []
        unknown: List[int] = []
        end, count = body + (key >> 32), key & 0xFFFFFFFF
        for tag, first, _last in wire.records(self.memory.view, 4 * body, 4 * end, count):
            if tag is None or len(found) >= 2 * LOCKSTEP:
                return None
            found += [first // 4 - 2 - body, first // 4 - 1 - body]
            if tag not in wire.KNOWN_COUNTER_RECORDS:
                unknown.append(tag)
        places = np.array(found, "i8")
        return places, self.memory.words(body + places), unknown

    def _said_before(self, point: Any, begin: Any, end: Any, now: Any) -> Any:
        """Which samples of hosts say who they are as they did a while ago, so that there is nothing to note."""
        points = self.decoder.points
        size, begin = points.said_size[point], begin + points.said_at[point]
        same = (size > 0) & (begin + size <= end) & (now - points.said_when[point] < accounts.IDENTITY_MS)
        here = self.memory.windows("V%d" % accounts.IDENTITY_BYTES)[np.where(same, begin, 0)].view("u4")
        there = points.said.reshape(-1, accounts.IDENTITY_BYTES // 8)[point].view("u4")
        words = accounts.IDENTITY_BYTES // 4
        differ = here.reshape(-1, words) != there.reshape(-1, words)
        return same & ~(differ & (np.arange(words) < size[:, np.newaxis] // 4)).any(axis=1)

    def _take_slots(self, point: Any, size: Any) -> None:
        """Free slots for the first counter samples of data sources, as far as there are any."""
        store = self.account.kept
        fresh = (self.decoder.points.kept[point] == 0).nonzero()[0]
        kinds = np.searchsorted(_KEPT_SIZES, size[fresh])
        for kind, slots in enumerate(store.slots):
            chosen = point[fresh[kinds == kind]]
            again = store.free[kind][:len(chosen)]  # slots that were given back
            del store.free[kind][:len(chosen)]
            self.decoder.points.kept[chosen[:len(again)]] = kind << kept.CLASS_SHIFT | np.array(again, "u4")
            chosen = chosen[len(again):][:slots - store.used[kind]]
            self.decoder.points.kept[chosen] = (kind << kept.CLASS_SHIFT | store.used[kind] + 1) + np.arange(len(chosen))
            store.used[kind] += len(chosen)


def _order(keys: Any, scratch: Any) -> Any:
    """A stable order by row number; as they are when none comes twice, which a column of that table tells quickly."""
    order = np.arange(len(keys))
    scratch[keys] = order
    if (scratch[keys] == order).all():
        return order
    if keys.max() < 1 << 16:
        keys = keys.astype("u2")  # which is sorted several times faster
    return keys.argsort(kind="mergesort")


def _shifted(bits: Any, by: Any, bit: int) -> Any:
    """64 bits shifted to the left, with such bits behind them."""
    fill = np.uint64(sequence.ALL * bit)
    by, gone = np.minimum(by, 63).astype("u8"), by > 63
    return np.where(gone, fill, bits << by | ~(np.uint64(sequence.ALL) << by) & fill)


def _active(count: Any) -> List[int]:
    """How many have more than 0, 1, 2 ... of what is counted."""
    return (len(count) - np.cumsum(np.bincount(np.minimum(count, LOCKSTEP + 1), minlength=LOCKSTEP + 1))).tolist()


def _tagged(middle: Any) -> Any:
    """Where a word begins with the Ethernet type of a VLAN tag."""
    kind = middle >> np.uint32(16)
    return ((kind == 0x8100) | (kind == 0x88A8) | (kind == 0x9100)).nonzero()[0]


def _words_of(length: Any) -> Any:
    """How many words a sample or a record has, its tag and length included, that says it has so many bytes."""
    return length.astype("i8") + 11 >> 2


class Pairs:
    """Sums per pair of groups for the second that is running; Traffic gets them when it ends or is asked."""

    TALKERS = 512  # packets of one call that go into the ring of Traffic; the others are represented by them

    def __init__(self, core_traffic: "traffic.Traffic") -> None:
        self.traffic = core_traffic
        self.ring = columns_of(core_traffic.ring)
        self.regroup()

    def regroup(self) -> None:
        """Take the groups of the traffic anew."""
        self.prefixes = Prefixes(self.traffic.groups)
        self.names = len(self.traffic.groups.names)
        dense = self.names * self.names * 8
        self.small = np.full(dense, -1, "i8") if dense <= MAX_DENSE else None  # dense pair number -> small number
        self.keys: List[int] = []  # small number -> pair key
        self.frames = np.zeros(0)
        self.bytes = np.zeros(0)
        self.second: Optional[int] = None

    def flush(self) -> None:
        """Hand the sums of the running second to the traffic."""
        if self.second is None:
            return
        into = self.traffic.second(self.second * 1000)
        for place in self.frames.nonzero()[0].tolist():
            self.traffic.tally(into, self.keys[place], int(self.frames[place]), int(self.bytes[place]))
        self.frames[:] = 0
        self.bytes[:] = 0
        self.second = None

    # 8. Traffic.

    def add(self, memory: "Memory", times: Any, of: Any, frames: Any, size: Any,
            found: List[Tuple[Any, int, Any, Any, Any]]) -> None:
        """Count packets of datagrams (times, and of which each is); found has parts of packets: (which, IP version,
        protocol, the halves of the memory where source and target address begin).
        """
        taken, dense = [], []
        for which, version, protocol, source, target in found:
            pair_numbers = self._find(memory, version, source) * self.names + self._find(memory, version, target)
            taken.append(which)
            dense.append(pair_numbers << 3 | _CLASS.take(protocol) | (version == 6))
            self._remember(memory, times, of, which, version, protocol, source, target, frames, size, pair_numbers)
        if not taken:
            return
        taken, numbers = np.concatenate(taken), self._numbers(np.concatenate(dense))
        frames, size = frames.take(taken), size.take(taken)
        earliest, latest = int(times[0]) // 1000, int(times[-1]) // 1000
        if earliest == latest:
            self._sum(latest, numbers, frames, size)
            return
        seconds = times // 1000
        ends = np.append(seconds[1:] != seconds[:-1], True).nonzero()[0] + 1  # times never go back
        of, begin = of[taken], 0
        for end in ends.tolist():
            which = ((of >= begin) & (of < end)).nonzero()[0]
            if len(which):
                self._sum(int(seconds[begin]), numbers[which], frames[which], size[which])
            begin = end

    def _find(self, memory: "Memory", version: int, halves: Any) -> Any:
        """Groups of addresses."""
        if version == 6:
            return self.prefixes.find6(memory.longs(halves), lambda which: memory.longs(halves[which] + 4))
        return self.prefixes.find4(memory.halves(halves), lambda which: memory.addresses4(halves[which]))

    def _numbers(self, dense: Any) -> Any:
        """Small numbers for pair numbers, handed out as pairs appear."""
        if self.small is None:
            values, numbers = np.unique(dense, return_inverse=True)
            known = {key: place for place, key in enumerate(self.keys)}
            small = np.empty(len(values), "i8")
            for place, value in enumerate(values.tolist()):
                key = self._key(value)
                if key not in known:
                    known[key] = len(self.keys)
                    self.keys.append(key)
                small[place] = known[key]
            self._grow()
            return small[numbers]
        out = self.small.take(dense)
        fresh = (out < 0).nonzero()[0]
        if len(fresh):
            for value in np.unique(dense[fresh]).tolist():
                self.small[value] = len(self.keys)
                self.keys.append(self._key(value))
            self._grow()
            out = self.small.take(dense)
        return out

    def _key(self, value: int) -> int:
        groups, rest = value >> 3, value & 7
        return traffic.pair_key(groups // self.names, groups % self.names, rest >> 1, rest & 1)

    def _grow(self) -> None:
        add = len(self.keys) - len(self.frames)
        if add > 0:
            self.frames = np.append(self.frames, np.zeros(add))
            self.bytes = np.append(self.bytes, np.zeros(add))

    def _sum(self, second: int, numbers: Any, frames: Any, size: Any) -> None:
        if self.second is not None and second > self.second:
            self.flush()
        if self.second is None:
            self.second = second
        self.frames += np.bincount(numbers, frames, len(self.keys))
        self.bytes += np.bincount(numbers, size, len(self.keys))

    def _remember(self, memory: "Memory", times: Any, of: Any, which: Any, version: int, protocol: Any, source: Any,
                  target: Any, frames: Any, size: Any, pair_numbers: Any) -> None:
        """Put packets into the ring for the talkers."""
        core, ring = self.traffic, self.ring
        step = -(-len(which) // self.TALKERS)
        part = slice(core.position % step, None, step)
        which = which[part]
        chosen = times[of[which]]
        places = (core.position + np.arange(len(chosen))) % traffic.RING
        groups = pair_numbers[part]
        ring.time[places] = chosen
        ring.pair[places] = groups // self.names << traffic.GROUP_BITS | groups % self.names
        ring.protocol[places] = protocol[part]
        ring.version[places] = version
        ring.frames[places] = frames[which] * step
        ring.bytes[places] = size[which] * step
        kind, wide = ("V4", 4) if version == 4 else ("V16", 1)
        for column, halves in (ring.source, source), (ring.target, target):
            column.view("V16")[places] = np.zeros((), "V16")
            column.view(kind)[places * wide] = memory.windows(kind)[2 * halves[part]]
        core.position += len(chosen)


def locate(memory: "Memory", link: int, starts: Any, sizes: Any, port: int) -> Tuple[Any, Any, Any, Any]:
    """The datagrams in frames: (which frames, starts, lengths, sources). The usual frame, IP in plain Ethernet with
    UDP behind a header of the usual length, is recognised here; for every other capture.payload is asked.
    """
    kind, protocol = memory.anywhere(">u4", starts + 12), memory.anywhere(">u4", starts + 20)
    usual = (sizes >= 62) & (link == 1)
    four = usual & (kind >> np.uint32(8) == 0x080045) & (protocol & np.uint32(0x3FFF00FF) == 17)
    six = usual & (kind >> np.uint32(12) == 0x86DD6) & (protocol >> np.uint32(24) == 17)
    good = four | six
    others, four, six = (~good).nonzero()[0], four.nonzero()[0], six.nonzero()[0]
    begin, end, sources = starts + 62, starts + sizes, np.zeros((len(starts), 2), "u8")
    first = starts[four]
    begin[four] = first + 42
    total = memory.anywhere(">u4", first + 16) >> np.uint32(16)  # 0 where the network card was to cut it
    end[four] = np.where(total, np.minimum(end[four], first + 14 + total), end[four])
    sources[four, 1] = memory.anywhere(">u4", first + 26).astype("u8") | _MAPPED
    for place in 0, 1:
        sources[six, place] = memory.anywhere(">u8", starts[six] + (22 + 8 * place))
    udp = memory.anywhere(">u4", begin - 6)
    end = np.minimum(end, begin - 8 + (udp & np.uint32(0xFFFF)))
    good &= (udp >> np.uint32(16) == port) & (begin <= end)  # a length below 8 ends before the beginning
    for place in others.tolist():
        first, last = int(starts[place]), int(starts[place] + sizes[place])
        frame = bytes(memory.view[first:last])
        found = capture.payload(link, frame, port)
        if found is not None:
            good[place] = True
            offset = frame.index(found[1]) if found[1] else len(frame)
            begin[place], end[place] = first + offset, first + offset + len(found[1])
            sources[place] = np.frombuffer(found[0], ">u8")
    length = end - begin
    if good.all():
        return np.arange(len(good)), begin, length, sources
    which = good.nonzero()[0]
    return which, begin[which], length[which], sources[which]


def _align(memory: "Memory", filled: int, starts: Any) -> Any:
    """Where datagrams in a block of so many bytes start at multiples of four: for every other remainder that there is,
    the block stands behind itself once more, as much further ahead.
    """
    shift = starts & 3
    for each in np.bincount(shift, minlength=4)[1:].nonzero()[0].tolist():
        first = (each + 1) * GATHER_BYTES
        memory.bytes[first:first + filled] = memory.bytes[each + 1:filled + each + 1]
    return starts - shift + shift * GATHER_BYTES


class BatchCollector(Collector):
    """A collector that decodes in batches: take() gathers datagrams until there are enough of them."""

    decoder = "batch"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        hold_heap()
        self.batch = BatchDecoder(self)
        self._memory: Optional[Memory] = None
        self._begin()

    def _begin(self) -> None:
        self._starts: List[int] = []
        self._lengths: List[int] = []
        self._sources: List[bytes] = []
        self._times: List[int] = []
        self._filled = 0

    def take(self, data: packet.Bytes, length: int, source: bytes, now: int) -> None:
        """Take one datagram into the batch that is being gathered."""
        if self._memory is None:
            self._memory = Memory(GATHER_BYTES)
        if self._filled + length > GATHER_BYTES or len(self._starts) >= GATHER:
            self.drain()
        self._memory.view[self._filled:self._filled + length] = data[:length]
        self._starts.append(self._filled)
        self._lengths.append(length)
        self._sources.append(source)
        self._times.append(max(now, self._times[-1]) if self._times else now)
        self._filled += length + 3 & ~3

    def drain(self) -> None:
        """Decode what has been gathered."""
        if self._starts and self._memory is not None:
            sources = np.frombuffer(b"".join(self._sources), ">u8").astype("u8").reshape(-1, 2)
            self.batch.decode(self._memory, np.array(self._starts, "i8"), np.array(self._lengths, "i8"), sources,
                              np.array(self._times, "i8"))
            self._begin()

    def replay(self, blocks: "capture.Blocks", port: int, set_clock: Callable[..., Any]) -> Iterator[int]:
        """Account for a whole capture, block by block; yields the number of datagrams so far."""
        number, newest = 0, 0
        memory = Memory(4 * GATHER_BYTES)  # the block, and behind it what _align makes
        while True:
            places = blocks.read(memory.view[:GATHER_BYTES], GATHER)
            if not places:
                return
            heads = np.fromiter(places, "i8", len(places))
            seconds, fraction, sizes = (memory.anywhere(blocks.order + "u4", heads + ahead).astype("i8") for ahead in (0, 4, 8))
            times = np.maximum(np.maximum.accumulate(seconds * 1000 + fraction * 1000 // blocks.unit), newest)
            newest = int(times[-1])
            which, starts, lengths, sources = locate(memory, blocks.link, heads + 16, sizes, port)
            set_clock(newest)
            filled = int(heads[-1] + 16 + sizes[-1])
            self.batch.decode(memory, _align(memory, filled, starts), lengths, sources, times[which])
            number += len(starts)
            yield number

    def flush(self) -> None:
        """Account for everything taken so far."""
        self.drain()
        self.batch.flush()

    def regroup(self) -> None:
        self.batch.flush()
        super().regroup()
        self.batch.pairs.regroup()

    def forget(self) -> None:
        super().forget()
        self.batch = BatchDecoder(self)
