# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The batch decoder: many datagrams in one piece of memory, decoded together with numpy.

The idea in twenty lines. A Python loop over datagrams costs tens of microseconds each, most of it the interpreter.
So the loop is turned inside out: every step of the decoding is done for all datagrams at once.

 1. Headers. One gather takes ten words at the start of every datagram; comparisons on columns find the bad ones.
 2. Streams. A hash over (source, agent, sub-agent) leads to a row of the account; unknown keys take the way through
    the account's dict. Sorted by row, the difference to the sequence number before is +1 nearly always; only streams
    with another step go through Account.advance, datagram by datagram.
 3. Samples, in lockstep: step k looks at the k-th sample of every datagram that has one, checks that it ends inside
    the datagram, and moves on by its length. What comes out is one position per sample, in order of arrival.
 4. Sample headers: one gather for all of them; plain and expanded formats differ only in which word is which.
 5. Records, in lockstep again: known or unknown, and where the sampled packet begins.
 6. Packets: the Ethernet type says where IP begins, a gather there yields addresses and protocol. What is rare
    (IPv6 extension headers) is handed to the functions of packet.py, one by one.
 7. The account: figures that only count are summed per stream and per data source; a data source that does anything
    unusual (new, another rate, samples out of order) goes through the account's own methods, in order.
 8. Traffic: addresses to groups (vectors.Prefixes), pairs to small numbers, bincount.

Scalar code stays the reference: tests/unit/collector compares the two on generated, mutated and captured datagrams.
"""

import numpy as np

from . import account as accounts
from . import capture, counters, kept, packet, sequence, traffic, wire
from .core import Collector
from .vectors import Index, Memory, Prefixes, pair

LOCKSTEP = 32  # lockstep over samples or records ends after so many steps,
FEW = 16  # or when fewer datagrams than this are left; the rest is walked one by one
SMALL = 24  # so few datagrams are decoded one by one: numpy's calls would cost more
GATHER = 8192  # datagrams in one batch where they do not come in slots of their own,
GATHER_BYTES = 6 << 20  # and their bytes
MAX_DENSE = 1 << 22  # largest table from pair of groups to its small number

_UNKNOWN, _KNOWN, _PACKET = 0, 1, 2
# By sample tag, 0 and 6 for what is none: length of the header, place of the number of records (behind tag and length).
_HEADER_BYTES = np.array([4 * len(wire.SAMPLES[tag][1].split()) if tag in wire.SAMPLES else 0 for tag in range(7)], "i8")
_COUNT_WORD = _HEADER_BYTES // 4 + 1
_KEPT_SIZES = np.array(kept.SIZES)
_CLASS = np.full(256, packet.OTHER, "i8")
for _number, _kind in packet.CLASS_OF.items():
    _CLASS[_number] = _kind
_EXTENDED = np.zeros(256, bool)
_EXTENDED[list(packet.EXTENSIONS)] = True


def _record_kinds(known, packets):
    """What a record tag below 4096 means; the last entry stands for every tag above."""
    table = np.zeros(4097, "u1")
    table[[tag for tag in known if tag < 4096]] = _KNOWN
    table[list(packets)] = _PACKET
    return table


_FLOW_KINDS = _record_kinds(wire.KNOWN_FLOW_RECORDS, wire.PACKETS)
_COUNTER_KINDS = _record_kinds(wire.KNOWN_COUNTER_RECORDS, ())


def columns_of(table):
    """The columns of a Table as numpy arrays over the same memory."""
    return type("Columns", (), {name: np.frombuffer(table.buffers[name], code.replace("Q", "u8").replace("q", "i8")
                                                    .replace("I", "u4").replace("H", "u2").replace("B", "u1"))
                                for name, code, _width in table.layout})


class BatchDecoder:
    """Decodes batches for one collector."""

    def __init__(self, core):
        self.core = core
        self.account = account = core.account
        self.streams = columns_of(account.streams)
        self.points = columns_of(account.points)
        self.stream_index = Index(account.streams.capacity, 5)
        self.point_index = Index(account.points.capacity, 2)
        self.pairs = Pairs(core.traffic)

    def flush(self):
        """Bring what is still in arrays to where the views look for it."""
        self.pairs.flush()

    def decode(self, memory, starts, lengths, sources, times):
        """Account for datagrams of a Memory: offsets, lengths, sources (n, 2) uint64, times that never go back."""
        if len(starts) < SMALL:
            self.flush()
            for start, length, source, now in zip(starts.tolist(), lengths.tolist(), sources.astype(">u8"),
                                                  times.tolist()):
                self.core.receive(memory.view[start:start + length], length, source.tobytes(), now)
            return
        _Batch(self, memory, starts, lengths, sources, times).run()


class _Batch:
    """One batch on its way through the steps."""

    def __init__(self, decoder, memory, starts, lengths, sources, times):
        self.decoder = decoder
        self.account = decoder.account
        self.memory = memory
        self.starts = starts.astype("i8")
        self.lengths = lengths.astype("i8")
        self.sources = sources
        self.times = times

    def run(self):
        """All steps in order."""
        self.account.datagrams += len(self.starts)
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

    def _source(self, place):
        return self.sources[place].astype(">u8").tobytes()

    def _error(self, reason, places):
        for place in places.tolist():
            self.account.error(reason, self._source(place))

    # 1. Headers.

    def _headers(self):
        """Read the headers; the numbers of the datagrams whose header is good."""
        words = self.memory.words(self.starts, 10)
        lengths, kind = self.lengths, words[:, 1]
        six = kind == 2
        fixed = np.where(six, 40, 28)
        bad = np.zeros(len(lengths), "u1")
        bad[lengths < fixed] = 1
        bad[(kind != 1) & ~six] = 2
        bad[words[:, 0] != 5] = 3
        bad[lengths < 8] = 1
        good = np.flatnonzero(bad == 0)
        if len(good) < len(bad):
            for number, reason in (1, "too_short"), (2, "address_type"), (3, "version"):
                self._error(reason, np.flatnonzero(bad == number))
        if six.any():
            tail = np.where(six[:, None], words[:, 6:10], words[:, 3:7])
            self.high = np.where(six, pair(words[:, 2], words[:, 3]), np.uint64(0))
            self.low = np.where(six, pair(words[:, 4], words[:, 5]),
                                words[:, 2].astype("u8") | np.uint64(0xFFFF << 32))
        else:
            tail = words[:, 3:7]
            self.high = np.zeros(len(lengths), "u8")
            self.low = words[:, 2].astype("u8") | np.uint64(0xFFFF << 32)
        self.sub_agent, self.sequence, self.uptime, self.count = (tail[:, place] for place in range(4))
        self.first_sample = self.starts + fixed
        return good

    # 2. Streams and sequences.

    def _find_streams(self, good):
        """The row of every good datagram's stream; valid are those that have one."""
        decoder, streams = self.decoder, self.decoder.streams
        keys = (self.sources[good, 0], self.sources[good, 1], self.high[good], self.low[good],
                self.sub_agent[good].astype("u8"))

        def same(rows, which):
            return ((streams.low[rows] == keys[3][which]) & (streams.source_low[rows] == keys[1][which])
                    & (streams.high[rows] == keys[2][which]) & (streams.source_high[rows] == keys[0][which])
                    & (streams.sub_agent[rows] == keys[4][which]))
        places = decoder.stream_index.hash(keys)
        rows = decoder.stream_index.find(places, same)
        for missing in np.flatnonzero(rows < 0).tolist():
            number = good[missing]
            address = np.array([self.high[number], self.low[number]], ">u8").tobytes()
            row = self.account.stream(self._source(number), address, int(self.sub_agent[number]),
                                      int(self.times[number]))
            if row is not None:
                rows[missing] = row
                decoder.stream_index.add(int(places[missing]), row)
        known = rows >= 0
        self.valid, self.rows = (good, rows) if known.all() else (good[known], rows[known])

    def _sequences(self):
        """Loss, order and last seen of every stream; accepted are the datagrams that were not seen before."""
        streams, valid = self.decoder.streams, self.valid
        order = np.argsort(self.rows, kind="mergesort")
        rows, numbers = self.rows[order], valid[order]
        seen, times, uptimes = self.sequence[numbers], self.times[numbers], self.uptime[numbers]
        new = np.ones(len(rows), bool)
        new[1:] = rows[1:] != rows[:-1]
        starts = np.flatnonzero(new)
        ends = np.append(starts[1:], len(rows)) - 1
        before, before_time = np.empty_like(seen), np.empty_like(times)
        before[1:], before_time[1:] = seen[:-1], times[:-1]
        before[starts], before_time[starts] = streams.top[rows[starts]], streams.last[rows[starts]]
        odd = (seen - before != 1) | (times - before_time > accounts.SHARED_MS)
        first = rows[starts]
        for row in first[streams.several[first] != 0].tolist():
            self.account.wake(self.account.by_number[streams.agent[row]])
        odd[starts] |= (streams.running[first] == 0) | (streams.several[first] != 0)
        accepted = np.ones(len(self.starts), bool)
        usual = np.ones(len(starts), bool)
        if odd.any():
            usual = ~np.logical_or.reduceat(odd, starts)
            self._advance(np.flatnonzero(np.repeat(~usual, ends - starts + 1)), rows, numbers, accepted)
        which, last = rows[ends[usual]], ends[usual]
        streams.top[which], streams.uptime[which], streams.last[which] = seen[last], uptimes[last], times[last]
        streams.datagrams[which] += last - starts[usual] + 1
        streams.bytes[which] += np.add.reduceat(self.lengths[numbers], starts)[usual]
        self.by_stream = order, starts, rows[starts]
        keep = accepted[valid]
        self.accepted, self.accepted_rows = (valid, self.rows) if keep.all() else (valid[keep], self.rows[keep])

    def _advance(self, places, rows, numbers, accepted):
        """Datagrams of streams that did something unusual, one by one."""
        account = self.account
        places = places[np.argsort(numbers[places], kind="mergesort")]  # in order of arrival
        numbers = numbers[places]
        for row, number, number_sent, uptime, length, now in zip(
                rows[places].tolist(), numbers.tolist(), self.sequence[numbers].tolist(),
                self.uptime[numbers].tolist(), self.lengths[numbers].tolist(), self.times[numbers].tolist()):
            accepted[number] = account.advance(row, number_sent, uptime, now)
            account.touch(row, length, now)

    # 3. Samples.

    def _walk_samples(self):
        """at: the position of every sample; of: the number of its datagram. Both in order of arrival."""
        numbers = self.accepted
        count = self.count[numbers].astype("i8")
        deepest = int(min(count.max() if len(count) else 0, LOCKSTEP))
        found = np.full((len(self.starts), max(deepest, 1)), -1, "i8")
        depth = np.minimum(count, LOCKSTEP + 1)
        order = np.argsort(-depth, kind="mergesort")  # those with most samples first
        numbers, count, depth = numbers[order], count[order], depth[order]
        position, end = self.first_sample[numbers], (self.starts + self.lengths)[numbers]
        rest = []
        for step in range(deepest):
            active = len(depth) - int(np.searchsorted(depth[::-1], step, "right"))
            if active < len(depth):
                numbers, count, depth, position, end = (each[:active] for each in (
                    numbers, count, depth, position, end))
            if active < FEW:
                if active:
                    rest = self._walk_one_by_one(numbers, count - step, position, end)
                break
            size = self.memory.words(position, 2)[:, 1].astype("i8")
            following = (size + 11 & ~3) + position
            bad = following > end
            if bad.any():
                self._error("samples", numbers[bad])
                bad = ~bad
                numbers, count, depth, end = numbers[bad], count[bad], depth[bad], end[bad]
                position, following = position[bad], following[bad]
            found[numbers, step] = position
            position = following
        else:
            more = count > deepest
            if more.any():
                rest = self._walk_one_by_one(numbers[more], count[more] - deepest, position[more], end[more])
        flat = found.ravel()
        taken = np.flatnonzero(flat >= 0)
        self.at, self.of = flat[taken], taken // found.shape[1]
        if rest:
            at = np.concatenate([self.at, np.array([item[0] for item in rest], "i8")])
            of = np.concatenate([self.of, np.array([item[1] for item in rest], "i8")])
            order = np.lexsort((at, of))
            self.at, self.of = at[order], of[order]

    def _walk_one_by_one(self, numbers, count, position, end):
        """The samples of few datagrams that have many of them: [(position, datagram)]."""
        out, view = [], self.memory.view
        for number, left, place, last in zip(numbers.tolist(), count.tolist(), position.tolist(), end.tolist()):
            while left:
                following = last + 1
                if place + 8 <= last:
                    following = place + 8 + (int.from_bytes(view[place + 4:place + 8], "big") + 3 & ~3)
                if following > last:
                    self.account.error("samples", self._source(number))
                    break
                out.append((place, number))
                place, left = following, left - 1
        return out

    # 4. Sample headers.

    def _sample_headers(self):
        """Sort the samples by kind and read their words."""
        words = self.memory.words(self.at, 13)
        tag = np.minimum(words[:, 0], 6)
        end = self.at + 8 + (words[:, 1].astype("i8") + 3 & ~3)
        fixed = _HEADER_BYTES[tag]
        short = self.at + 8 + fixed > end
        unknown = (tag == 6) | (tag == 0)
        if unknown.any():
            for value, number in zip(*np.unique(words[unknown, 0], return_counts=True)):
                accounts.count(self.account.unknown_samples, int(value), by=int(number))
            short &= ~unknown
        if short.any():
            self._error("sample_header", self.of[short])
        usable = ~(unknown | short)
        expanded = tag >= 3
        if not usable.all():
            tag, expanded = np.where(usable, tag, 0), expanded & usable
        plain = words[:, 3]
        short_form = pair(plain >> np.uint32(24), plain & np.uint32(0xFFFFFF))
        source = np.where(expanded, pair(words[:, 3], words[:, 4]), short_form)
        stream_of = np.full(len(self.starts), -1, "i8")
        stream_of[self.accepted] = self.accepted_rows
        self.stream = stream_of[self.of]
        self.words, self.end, self.body = words, end, self.at + 8 + fixed
        self.flows = np.flatnonzero((tag == 1) | (tag == 3))
        self.counters = np.flatnonzero((tag == 2) | (tag == 4))
        self.discards = np.flatnonzero(tag == 5)
        self.tag = tag
        self.point = self._find_points(source, np.flatnonzero(tag > 0))

    def _find_points(self, source, which):
        """The row of every sample's data source, -1 without; looked up once per run of samples of one source."""
        decoder, points = self.decoder, self.decoder.points
        out = np.full(len(source), -1, "i8")
        if not len(which):
            return out
        stream, source = self.stream[which], source[which]
        new = np.ones(len(which), bool)
        new[1:] = (source[1:] != source[:-1]) | (stream[1:] != stream[:-1])
        begin = np.flatnonzero(new)
        source, agent = source[begin], decoder.streams.agent[stream[begin]]

        def same(rows, these):
            return (points.source[rows] == source[these]) & (points.agent[rows] == agent[these])
        places = decoder.point_index.hash((agent.astype("u8"), source))
        rows = decoder.point_index.find(places, same)
        length = np.diff(np.append(begin, len(which)))
        by_number = self.account.by_number
        for missing in np.flatnonzero(rows < 0).tolist():
            for _each in range(int(length[missing])):  # every sample without a row is counted
                row = self.account.point(by_number[agent[missing]], int(source[missing]))
            if row is not None:
                rows[missing] = row
                decoder.point_index.add(int(places[missing]), row)
        out[which] = np.repeat(rows, length)
        return out

    # 5. Records.

    def _walk_records(self, which, kinds):
        """Walk the records of samples; (position, end, tag) of the first packet record, position -1 without."""
        place_of_count = np.where(self.tag[which] >= 3, 4, 3) if kinds is _COUNTER_KINDS else None
        place_of_count = np.array([0, 9, 0, 12, 0, 9])[self.tag[which]] if place_of_count is None else place_of_count + 1
        count = self.words[which, place_of_count].astype("i8")
        packet_at = np.full(len(which), -1, "i8")
        packet_end, packet_tag = np.zeros(len(which), "i8"), np.zeros(len(which), "i8")
        left, position, end = np.arange(len(which)), self.body[which], self.end[which]
        unknown = []
        step = 0
        while True:
            more = count > step
            if not more.all():
                left, position, end, count = left[more], position[more], end[more], count[more]
            if len(left) < FEW or step >= LOCKSTEP:
                break
            words = self.memory.words(position, 2)
            tag, size = words[:, 0], words[:, 1].astype("i8")
            following = (size + 11 & ~3) + position
            bad = following > end
            if bad.any():
                self._error("records", self.of[which[left[bad]]])
                bad = ~bad
                left, end, count, tag, size = left[bad], end[bad], count[bad], tag[bad], size[bad]
                position, following = position[bad], following[bad]
            kind = kinds.take(tag, mode="clip")
            if not kind.all():
                unknown.append(tag[kind == _UNKNOWN])
            if kinds is _FLOW_KINDS:
                hit = np.flatnonzero(kind == _PACKET)
                hit = hit[packet_at[left[hit]] < 0]
                samples = left[hit]
                packet_at[samples] = position[hit] + 8
                packet_end[samples] = position[hit] + 8 + size[hit]
                packet_tag[samples] = tag[hit]
            position = following
            step += 1
        for place, at, last, number in zip(left.tolist(), position.tolist(), end.tolist(), (count - step).tolist()):
            for tag, first, stop in wire.records(self.memory.view, at, last, number):
                if tag is None:
                    self.account.error("records", self._source(self.of[which[place]]))
                    break
                if kinds[min(tag, 4096)] == _UNKNOWN:
                    unknown.append(np.array([tag], "u4"))
                elif kinds[min(tag, 4096)] == _PACKET and packet_at[place] < 0:
                    packet_at[place], packet_end[place], packet_tag[place] = first, stop, tag
        if unknown:
            known = wire.KNOWN_COUNTER_RECORDS if kinds is _COUNTER_KINDS else wire.KNOWN_FLOW_RECORDS
            for value, number in zip(*np.unique(np.concatenate(unknown), return_counts=True)):
                if int(value) not in known:
                    accounts.count(self.account.unknown, int(value), by=int(number))
        return packet_at, packet_end, packet_tag

    # 6. Packets.

    def _packets(self, at, end, tag):
        """Add the sampled packets of the flow samples that have one to the traffic."""
        have = np.flatnonzero(at >= 0)
        if len(have) < len(at):
            at, end, tag = at[have], end[have], tag[have]
        if not len(have):
            return
        samples = self.flows[have]
        words = self.memory.words(at, 8)
        # Where IP begins, the end of what was captured, 4 or 6; of raw headers first, then of 0:3 and 0:4.
        raw = tag == 1
        whole = raw & (at + 16 <= end)
        stop = np.where(whole, np.minimum(end, at + 16 + words[:, 3]), end)
        length = np.where(whole, words[:, 1], 0)
        link = np.where(whole, words[:, 0], 0)
        kind = np.where((link == packet.ETHERNET) & (at + 30 <= stop), words[:, 7] >> np.uint32(16), 0)
        place = at + 28
        tagged = np.flatnonzero((kind == 0x8100) | (kind == 0x88A8) | (kind == 0x9100))
        for _unused in range(packet.MAX_TAGS):
            if not len(tagged):
                break
            place[tagged] += 4
            fits = place[tagged] + 2 <= stop[tagged]
            kind[tagged] = np.where(fits, self.memory.words(np.minimum(place[tagged], stop[tagged]), 1)[:, 0]
                                    >> np.uint32(16), 0)
            inner = kind[tagged]
            tagged = tagged[(inner == 0x8100) | (inner == 0x88A8) | (inner == 0x9100)]
        ip = np.where(link == packet.ETHERNET, place + 2, at + 16)
        four = (kind == 0x0800) | (link == packet.IPV4)
        six = (kind == 0x86DD) | (link == packet.IPV6)
        found = [self._ipv4(np.flatnonzero(four & (ip + 20 <= stop)), ip),
                 self._ipv6(np.flatnonzero(six & (ip + 40 <= stop)), ip, stop)]
        if not raw.all():
            found.append(self._sampled4(np.flatnonzero((tag == 3) & (at + 24 <= end)), at, length))
            found.append(self._sampled6(np.flatnonzero((tag == 4) & (at + 48 <= end)), at, length))
        self._traffic(samples, np.minimum(length, packet.MAX_FRAME_LENGTH), [part for part in found if part is not None])

    def _ipv4(self, which, ip):
        """(which, 4, protocol, source, target) of IPv4 headers."""
        if not len(which):
            return None
        words = self.memory.words(ip[which], 5)
        first = words[:, 0] >> np.uint32(24)
        good = (first >> np.uint32(4) == 4) & (first & np.uint32(15) >= 5)
        if not good.all():
            which, words = which[good], words[good]
        return which, 4, words[:, 2] >> np.uint32(16) & np.uint32(0xFF), words[:, 3], words[:, 4]

    def _ipv6(self, which, ip, stop):
        """The same of IPv6 headers; an address is a column of two uint64."""
        if not len(which):
            return None
        words = self.memory.words(ip[which], 10)
        good = words[:, 0] >> np.uint32(28) == 6
        if not good.all():
            which, words = which[good], words[good]
        protocol = words[:, 1] >> np.uint32(8) & np.uint32(0xFF)
        for place in np.flatnonzero(_EXTENDED[protocol]).tolist():
            protocol[place] = packet.follow_extensions(self.memory.view, int(protocol[place]),
                                                       int(ip[which[place]]) + 40, int(stop[which[place]]))[0]
        return which, 6, protocol, _halves(words, 2), _halves(words, 6)

    def _sampled4(self, which, at, length):
        """The same of sampled IPv4 records."""
        if not len(which):
            return None
        words = self.memory.words(at[which], 4)
        length[which] = words[:, 0]
        return which, 4, words[:, 1] & np.uint32(0xFF), words[:, 2], words[:, 3]

    def _sampled6(self, which, at, length):
        """The same of sampled IPv6 records."""
        if not len(which):
            return None
        words = self.memory.words(at[which], 10)
        length[which] = words[:, 0]
        return which, 6, words[:, 1] & np.uint32(0xFF), _halves(words, 2), _halves(words, 6)

    # 7. The account.

    def _apply(self):
        account = self.account
        number = len(self.starts)
        for which, counts, last in ((self.flows, "flows", "last_flow"), (self.counters, "counters", "last_counter"),
                                    (self.discards, "discards", None)):
            if len(which):
                self._count_per_stream(np.bincount(self.of[which], minlength=number), counts, last)
        if len(self.flows):
            self._flow_points()
            self._packets(*self._walk_records(self.flows, _FLOW_KINDS))
        if len(self.counters):
            self._walk_records(self.counters, _COUNTER_KINDS)
            self._counter_points()
        if len(self.discards):
            self._walk_records(self.discards, _FLOW_KINDS)
            for point, sent in zip(self.point[self.discards].tolist(), self.words[self.discards, 2].tolist()):
                if point >= 0:
                    account.discard(point, sent)

    def _count_per_stream(self, per_datagram, counts, last):
        """Add the samples of every datagram to its stream, and note when the stream last had one."""
        order, starts, rows = self.by_stream
        numbers = self.valid[order]
        of_streams = per_datagram[numbers]
        column = getattr(self.decoder.streams, counts)
        column[rows] += np.add.reduceat(of_streams, starts)
        if last is not None:
            newest = np.maximum.reduceat(np.where(of_streams > 0, self.times[numbers], 0), starts)
            column = getattr(self.decoder.streams, last)
            column[rows] = np.maximum(column[rows], newest)

    def _flow_points(self):
        """Sampling rate, pool, drops and sequence of the data sources of flow samples."""
        account, points = self.account, self.decoder.points
        which, point = self.flows, self.point[self.flows]
        expanded = self.tag[which] == 3
        words = self.words[which]
        number = words[:, 2]
        rate, pool, drops = (np.where(expanded, words[:, place + 1], words[:, place]) for place in (4, 5, 6))
        self.rate = rate
        known = point >= 0
        if not known.all():
            point, number, rate, pool, drops = (each[known] for each in (point, number, rate, pool, drops))
            if not len(point):
                return
        # Runs of samples of one data source, then the runs sorted by data source: nearly every datagram is one run.
        new = np.ones(len(point), bool)
        new[1:] = point[1:] != point[:-1]
        begin = np.flatnonzero(new)
        end = np.append(begin[1:], len(point))
        order = np.argsort(point[begin], kind="mergesort")
        begin, end = begin[order], end[order]
        run_point = point[begin]
        first = np.ones(len(begin), bool)
        first[1:] = run_point[1:] != run_point[:-1]
        starts = np.flatnonzero(first)
        ends = np.append(starts[1:], len(begin)) - 1
        rows = run_point[starts]
        before = np.empty_like(number)
        before[1:] = number[:-1]
        before[begin[1:]] = number[end[:-1] - 1]
        before[begin[starts]] = points.flow_top[rows]
        odd = (number - before - np.uint32(1) >= np.uint32(sequence.MAX_GAP)) | (rate != points.rate[point])
        odd[begin[starts]] |= points.flows[rows] == 0
        usual = np.ones(len(starts), bool)
        if odd.any():
            odd_runs = np.logical_or.reduceat(odd, np.flatnonzero(new))[order]
            usual = ~np.logical_or.reduceat(odd_runs, starts)
            for run in np.flatnonzero(np.repeat(~usual, ends - starts + 1)).tolist():
                part = slice(int(begin[run]), int(end[run]))
                for values in zip(number[part].tolist(), rate[part].tolist(), pool[part].tolist(),
                                  drops[part].tolist()):
                    account.flow(int(run_point[run]), *values)
        rows, last = rows[usual], end[ends[usual]] - 1
        points.flow_top[rows], points.pool[rows], points.drops[rows] = number[last], pool[last], drops[last]
        points.flows[rows] += np.add.reduceat(end - begin, starts)[usual]

    def _counter_points(self):
        """Polling intervals of the data sources of counter samples; the samples that shall be kept."""
        points = self.decoder.points
        which = self.counters[self.point[self.counters] >= 0]
        point = self.point[which]
        number = self.words[which, 2]
        order = np.argsort(point, kind="mergesort")
        first = points.counters[point] == 0
        odd = ~first & (number - points.counter_top[point] - np.uint32(1) >= np.uint32(sequence.MAX_GAP))
        same = point[order[1:]] == point[order[:-1]]
        if same.any():
            odd[order[1:]] |= same
            odd[order[:-1]] |= same
        if odd.any():
            for place in which[odd].tolist():
                self._counter_sample(place)
            which, point, number, first = (each[~odd] for each in (which, point, number, first))
        points.counter_top[point] = number
        points.counter_base[point[first]] = number[first]
        now = self.times[self.of[which]]
        passed = now - points.last_counter[point]
        counted = (points.counters[point] > 0) & (passed >= accounts.MIN_INTERVAL_MS)
        some = point[counted]
        points.intervals[some * accounts.INTERVALS + points.polls[some] % accounts.INTERVALS] = passed[counted]
        points.polls[some] += 1
        points.counters[point] += 1
        points.last_counter[point] = now
        due = (points.kept[point] == 0) | (now - points.kept_at[point] >= accounts.KEEP_EVERY_MS)
        if due.any():
            self._keep(which[due], point[due], now[due])

    def _counter_sample(self, place):
        """One counter sample by the account's own methods."""
        account, point = self.account, int(self.point[place])
        now = int(self.times[self.of[place]])
        account.poll(point, int(self.words[place, 2]), now)
        account.keep(account.by_number[account.points.agent[point]], point, self.memory.view,
                     int(self.body[place]) - 4, int(self.end[place]), now)

    def _keep(self, which, point, now):
        """Keep counter samples of different data sources: copy them into their slots, a size at a time."""
        account, points, store = self.account, self.decoder.points, self.account.kept
        begin, end = self.body[which] - 4, self.end[which]
        where = points.kept[point]
        kind = (where >> np.uint32(kept.CLASS_SHIFT)).astype("i8")
        fits = (where > 0) & (end - begin <= _KEPT_SIZES[kind])
        for place in np.flatnonzero(~fits).tolist():
            if not store.put(int(point[place]), self.memory.view[begin[place]:end[place]], int(now[place])):
                account.overflow["counter_samples"] += 1
        rows = point[fits]
        half = points.kept_half[rows] ^ 1
        points.kept_half[rows] = half
        points.kept_before[rows], points.kept_before_at[rows] = points.kept_size[rows], points.kept_at[rows]
        points.kept_size[rows], points.kept_at[rows] = (end - begin)[fits], now[fits]
        slots = ((where[fits] & np.uint32(kept.SLOT)).astype("i8") - 1) * 2 + half
        for number, size in enumerate(kept.SIZES):
            chosen = np.flatnonzero(kind[fits] == number)
            if len(chosen):
                arena = np.frombuffer(store.arenas[number], "V%d" % size)
                arena[slots[chosen]] = self.memory.windows(size)[begin[fits][chosen]]
        asked = np.flatnonzero((points.source[point] == np.uint64(counters.HOST))
                               & accounts.asks_for_name(points.counters[point]))
        for agent, first, last, time in zip(points.agent[point[asked]].tolist(), begin[asked].tolist(),
                                            end[asked].tolist(), now[asked].tolist()):
            account.identify(account.by_number[agent], bytes(self.memory.view[first:last]), time)

    # 8. Traffic.

    def _traffic(self, samples, length, found):
        """Count packets between groups: found has (which of the samples, version, protocol, source, target)."""
        rate = np.empty(len(self.at), "u4")
        rate[self.flows] = self.rate
        frames = np.minimum(rate[samples], traffic.MAX_RATE).astype("i8")
        self.decoder.pairs.add(self.times[self.of[samples]], frames, frames * length.astype("i8"), found)
        self.decoder.core.traffic.not_ip += len(samples) - sum(len(part[0]) for part in found)


def _halves(words, place):
    """The two 64-bit halves of the IPv6 addresses at a word, shape (2, n)."""
    return np.array([pair(words[:, place], words[:, place + 1]), pair(words[:, place + 2], words[:, place + 3])])


class Pairs:
    """Sums per pair of groups for the second that is running; Traffic gets them when it ends or is asked."""

    TALKERS = 512  # packets of one call that go into the ring of Traffic; the others are represented by them

    def __init__(self, core_traffic):
        self.traffic = core_traffic
        self.ring = columns_of(core_traffic.ring)
        self.regroup()

    def regroup(self):
        """Take the groups of the traffic anew."""
        self.prefixes = Prefixes(self.traffic.groups)
        self.names = len(self.traffic.groups.names)
        dense = self.names * self.names * 8
        self.small = np.full(dense, -1, "i4") if dense <= MAX_DENSE else None  # dense pair number -> small number
        self.keys = []  # small number -> pair key
        self.frames = np.zeros(0)
        self.bytes = np.zeros(0)
        self.second = None

    def flush(self):
        """Hand the sums of the running second to the traffic."""
        if self.second is None:
            return
        into = self.traffic.second(self.second * 1000)
        for place in np.flatnonzero(self.frames).tolist():
            self.traffic.tally(into, self.keys[place], int(self.frames[place]), int(self.bytes[place]))
        self.frames[:] = 0
        self.bytes[:] = 0
        self.second = None

    def add(self, times, frames, size, found):
        """Count packets; found has parts of (which of them, IP version, protocol, source, target)."""
        taken, dense = [], []
        for which, version, protocol, source, target in found:
            if not len(which):
                continue
            ends = (self.prefixes.find4(source), self.prefixes.find4(target)) if version == 4 else (self.prefixes.find6(*source), self.prefixes.find6(*target))
            pair_numbers = ends[0].astype("i8") * self.names + ends[1]
            taken.append(which)
            dense.append(pair_numbers << 3 | _CLASS[protocol] << 1 | (version == 6))
            self._remember(times[which], version, protocol, source, target, frames[which], size[which], pair_numbers)
        if not taken:
            return
        taken, numbers = np.concatenate(taken), self._numbers(np.concatenate(dense))
        seconds, frames, size = times[taken] // 1000, frames[taken], size[taken]
        earliest, latest = int(seconds.min()), int(seconds.max())
        if earliest == latest:
            self._sum(latest, numbers, frames, size)
            return
        for second in np.unique(seconds).tolist():
            which = seconds == second
            self._sum(second, numbers[which], frames[which], size[which])

    def _numbers(self, dense):
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
        out = self.small[dense]
        fresh = np.flatnonzero(out < 0)
        if len(fresh):
            for value in np.unique(dense[fresh]).tolist():
                self.small[value] = len(self.keys)
                self.keys.append(self._key(value))
            self._grow()
            out = self.small[dense]
        return out

    def _key(self, value):
        groups, rest = value >> 3, value & 7
        return traffic.pair_key(groups // self.names, groups % self.names, rest >> 1, rest & 1)

    def _grow(self):
        add = len(self.keys) - len(self.frames)
        if add > 0:
            self.frames = np.append(self.frames, np.zeros(add))
            self.bytes = np.append(self.bytes, np.zeros(add))

    def _sum(self, second, numbers, frames, size):
        if self.second is not None and second > self.second:
            self.flush()
        if self.second is None:
            self.second = second
        self.frames += np.bincount(numbers, frames, len(self.keys))
        self.bytes += np.bincount(numbers, size, len(self.keys))

    def _remember(self, times, version, protocol, source, target, frames, size, pair_numbers):
        """Put packets into the ring for the talkers."""
        core, ring = self.traffic, self.ring
        step = -(-len(times) // self.TALKERS)
        which = slice(core.position % step, None, step)
        chosen = times[which]
        places = (core.position + np.arange(len(chosen))) % traffic.RING
        groups = pair_numbers[which]
        ring.time[places] = chosen
        ring.pair[places] = groups // self.names << traffic.GROUP_BITS | groups % self.names
        ring.protocol[places] = protocol[which]
        ring.version[places] = version
        ring.frames[places] = frames[which] * step
        ring.bytes[places] = size[which] * step
        for column, values in (ring.source, source), (ring.target, target):
            if version == 4:
                column.view(">u4").reshape(-1, 4)[places, 0] = values[which]
            else:
                column.view(">u8").reshape(-1, 2)[places] = values[:, which].T
        core.position += len(chosen)


def locate(memory, link, starts, sizes, port):
    """The datagrams in frames: (which frames, starts, lengths, sources). The usual frame, IP in plain Ethernet with
    UDP behind a header of the usual length, is recognised here; for every other capture.payload is asked.
    """
    words = memory.words(starts, 16)
    kind = words[:, 3] >> np.uint32(16)
    usual = sizes >= 62
    usual &= link == 1
    udp4 = usual & (kind == 0x0800) & (words[:, 3] & np.uint32(0xFF00) == 0x4500) & (
        words[:, 5] & np.uint32(0x3FFF00FF) == 17)
    udp6 = usual & (kind == 0x86DD) & (words[:, 3] >> np.uint32(12) & np.uint32(15) == 6) & (
        words[:, 5] >> np.uint32(24) == 17)
    to = np.where(udp4, words[:, 9] >> np.uint32(16), words[:, 14] >> np.uint32(16))
    length = np.where(udp4, words[:, 9], words[:, 14]) & np.uint32(0xFFFF)
    begin = np.where(udp4, starts + 42, starts + 62)
    end = starts + sizes
    end = np.where(udp4, np.minimum(end, starts + 14 + (words[:, 4] >> np.uint32(16))), end)
    end = np.minimum(end, begin - 8 + length)
    good = (udp4 | udp6) & (to == port) & (length >= 8) & (begin <= end)
    sources = np.empty((len(starts), 2), "u8")
    shifted = [words[:, place] << np.uint32(16) | words[:, place + 1] >> np.uint32(16) for place in range(5, 9)]
    sources[:, 0] = np.where(udp4, np.uint64(0), pair(shifted[0], shifted[1]))
    sources[:, 1] = np.where(udp4, (words[:, 6] << np.uint32(16) | words[:, 7] >> np.uint32(16)).astype("u8")
                             | np.uint64(0xFFFF << 32), pair(shifted[2], shifted[3]))
    for place in np.flatnonzero(~(udp4 | udp6)).tolist():
        first, last = int(starts[place]), int(starts[place] + sizes[place])
        frame = bytes(memory.view[first:last])
        found = capture.payload(link, frame, port)
        if found is not None:
            good[place] = True
            offset = frame.index(found[1]) if found[1] else len(frame)
            begin[place], end[place] = first + offset, first + offset + len(found[1])
            sources[place] = np.frombuffer(found[0], ">u8")
    which = np.flatnonzero(good)
    return which, begin[which], (end - begin)[which], sources[which]


class BatchCollector(Collector):
    """A collector that decodes in batches: take() gathers datagrams until there are enough of them."""

    decoder = "batch"

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.batch = BatchDecoder(self)
        self._memory = None
        self._begin()

    def _begin(self):
        self._starts, self._lengths, self._sources, self._times, self._filled = [], [], [], [], 0

    def take(self, data, length, source, now):
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
        self._filled += length

    def drain(self):
        """Decode what has been gathered."""
        if self._starts:
            sources = np.frombuffer(b"".join(self._sources), ">u8").astype("u8").reshape(-1, 2)
            self.batch.decode(self._memory, np.array(self._starts, "i8"), np.array(self._lengths, "i8"), sources,
                              np.array(self._times, "i8"))
            self._begin()

    def replay(self, blocks, port, set_clock):
        """Account for a whole capture, block by block; yields the number of datagrams so far."""
        number, newest = 0, 0
        if self._memory is None:
            self._memory = Memory(GATHER_BYTES)
        memory = self._memory
        while True:
            heads = np.array(blocks.read(memory.view[:GATHER_BYTES], GATHER), "i8")
            if not len(heads):
                return
            seconds, fraction, sizes = memory.words(heads, 3).astype(">u4").view(blocks.order + "u4").astype("i8").T
            times = np.maximum(np.maximum.accumulate(seconds * 1000 + fraction * 1000 // blocks.unit), newest)
            newest = int(times[-1])
            which, starts, lengths, sources = locate(memory, blocks.link, heads + 16, sizes, port)
            set_clock(newest)
            self.batch.decode(memory, starts, lengths, sources, times[which])
            number += len(starts)
            yield number

    def flush(self):
        """Account for everything taken so far."""
        self.drain()
        self.batch.flush()

    def regroup(self):
        self.batch.flush()
        super().regroup()
        self.batch.pairs.regroup()

    def forget(self):
        super().forget()
        self.batch = BatchDecoder(self)
