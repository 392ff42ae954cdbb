# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scalar decoder where numpy is not: it learns how samples look and recognises them by their constants.

An agent sends samples of a few forms over and over: the same records of the same lengths, Ethernet with the same
types inside. For every form seen a Layout is made: one struct that unpacks what must be constant (numbers, tags and
lengths of records, protocols, the first byte of IP), one that unpacks what is wanted. Two struct calls then replace
the walk; a sample whose constants differ from all layouts of its tag and length takes the generic way of core.py,
which remains the reference: tests compare the two.

Samples of one data source that follow each other are summed up before the account is touched. Learning is bounded by
the number of layouts and by a budget that grows with the datagrams, so that nobody can keep us learning.
"""

import struct

from . import account as accounts
from . import packet, sequence, traffic, wire
from .core import Collector

MAX_LAYOUTS = 1024
MAX_FORMS = 6  # layouts with the same tag and length
BUDGET = 256  # layouts learned at the start, and one more with every 100 datagrams
REMEMBER_ONE_IN = 8  # packets of which one goes into the ring of the traffic, for all of them
MASK, MAX_GAP = sequence.MASK, sequence.MAX_GAP

_FOUR = struct.Struct(">II4sIIII")
_SIX = struct.Struct(">II16sIIII")
_CLASS = [None if number in packet.EXTENSIONS else packet.CLASS_OF.get(number, packet.OTHER)
          for number in range(256)]


class Layout:
    """The form of a sample: check unpacks its constants, fields what is wanted (None for counter samples)."""

    __slots__ = ("check", "constants", "fields", "expanded", "version", "source_place", "unknown", "size")


class _Picker:
    """Builds a struct that unpacks some places of a sample and skips the rest."""

    def __init__(self):
        self.parts, self.end = [], 0

    def add(self, place, code):
        """Take what stands at a place; places must rise."""
        if place > self.end:
            self.parts.append("%dx" % (place - self.end))
        self.parts.append(code)
        self.end = place + struct.calcsize(">" + code)

    def struct(self):
        """The struct of what was added."""
        return struct.Struct(">" + "".join(self.parts))


def learn(data, sample, start):
    """The Layout of a sample that the generic decoder read without an error; None when it has no usual form."""
    begin = sample.start - start  # places are relative to the first byte behind tag and length
    out = Layout()
    out.expanded = sample.tag >= 3
    out.version = 0
    out.size = sample.end - start
    check = _Picker()
    check.add(begin - 4, "I")
    known = wire.KNOWN_COUNTER_RECORDS if sample.kind == wire.COUNTERS else wire.KNOWN_FLOW_RECORDS
    out.unknown = tuple(tag for tag, _first, _last in sample.records if tag not in known)
    carrier = None
    for tag, first, _last in sample.records:
        check.add(first - start - 8, "II")
        if sample.kind == wire.FLOW and carrier is None and tag in wire.PACKETS:
            if tag != 1 or not sample.packet.version:
                return None
            carrier = first - start
            link = int.from_bytes(data[first:first + 4], "big")
            check.add(carrier, "I")
            check.add(carrier + 12, "I")
            place = carrier + 16
            if link == packet.ETHERNET:
                place += 12
                while int.from_bytes(data[start + place:start + place + 2], "big") in packet.TAGS:
                    check.add(place, "H")
                    place += 4
                check.add(place, "H")
                place += 2
            check.add(place, "B")
            out.version = sample.packet.version
    out.check = check.struct()
    out.constants = out.check.unpack_from(data, start)
    if sample.kind != wire.FLOW:
        out.fields = None
        return out
    if carrier is None:
        return None
    fields = _Picker()
    fields.add(0, "IIIIII" if out.expanded else "IIIII")
    fields.add(carrier + 4, "I")
    if out.version == 4:
        fields.add(place + 9, "B")
        fields.add(place + 12, "4s4s")
    else:
        fields.add(place + 6, "B")
        fields.add(place + 8, "16s16s")
    out.fields = fields.struct()
    return out


class LearnedCollector(Collector):
    """A collector that decodes one at a time, by learned layouts."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._layouts = {}  # tag and length as they stand in the datagram -> [Layout]
        self._learned = 0
        self._rows = {}  # (source, address, sub-agent) -> (row, Agent)
        self._moves = 0
        self._skipped = 0

    def forget(self):
        super().forget()
        self._rows.clear()

    def receive(self, data, length, source, now):
        """Take one datagram."""
        data = bytes(data[:length])
        account = self.account
        if length < 40 or data[:4] != b"\0\0\0\5":
            return super().receive(data, length, source, now)
        if data[4:8] == b"\0\0\0\1":
            _version, _kind, address, sub_agent, number, uptime, count = _FOUR.unpack_from(data)
            position = 28
        elif data[4:8] == b"\0\0\0\2":
            _version, _kind, address, sub_agent, number, uptime, count = _SIX.unpack_from(data)
            position = 40
        else:
            return super().receive(data, length, source, now)
        account.datagrams += 1
        account.bytes += length
        found = self._rows.get((source, address, sub_agent))
        if found is None or self._moves != account.moves:
            found = self._find(source, address, sub_agent, now)
            if found is None:
                return None
        row, agent = found
        streams = account.streams
        before = streams.last[row]
        if number == streams.top[row] + 1 and now - before <= accounts.SHARED_MS and streams.running[row] > streams.several[row]:
            streams.top[row] = number
            streams.uptime[row] = uptime
            streams.last[row] = now
            streams.datagrams[row] += 1
            streams.bytes[row] += length
        else:
            fresh = account.advance(row, number, uptime, now)
            account.touch(row, length, now)
            if account.restarted is not None:
                account.renew(account.restarted)
            if not fresh:
                return None
        if count:
            self._samples(data, length, position, count, row, agent, source, now)
        return None

    def _find(self, source, address, sub_agent, now):
        """The stream by the account, remembered as long as no row changes hands."""
        account = self.account
        if self._moves != account.moves or len(self._rows) > 2 * account.max_agents:
            self._rows.clear()
            self._moves = account.moves
        whole = wire.MAPPED + address if len(address) == 4 else address
        row = account.stream(source, whole, sub_agent, now)
        if row is None:
            return None
        found = self._rows[source, address, sub_agent] = row, account.by_number[account.streams.agent[row]]
        self._moves = account.moves
        return found

    def _samples(self, data, length, position, count, row, agent, source, now):
        """All samples of a datagram; flow samples of one data source are summed up as long as they follow each other."""
        account, layouts, points = self.account, self._layouts, agent.points
        table = account.points
        cache, second = self.traffic.groups.known, None
        flows = run = top = 0
        point = run_rate = run_source = newest = None
        for _unused in range(count):
            start = position + 8
            forms = layouts.get(data[position:start])
            layout = None
            if forms is not None and start + forms[0].size <= length:
                for layout in forms:
                    if layout.check.unpack_from(data, start) == layout.constants:
                        break
                else:
                    layout = None
            if layout is None or layout.fields is None or layout.unknown:
                if run:
                    self._close_run(point, top, run, now, *newest)
                    run = 0
                point = run_source = None
                if layout is None:
                    position = self._generic(data, length, position, row, agent, source, now)
                    if position is None:
                        break
                    continue
            position = start + layout.size
            for tag in layout.unknown:
                accounts.count(account.unknown, tag)
            if layout.fields is None:
                account.counter_sample(row, agent, self._source(data, start, layout),
                                       int.from_bytes(data[start:start + 4], "big"), data, start + (12 if layout.expanded else 8), position, now)
                continue
            if layout.expanded:
                number, high, low, rate, pool, drops, size, protocol, one, other = layout.fields.unpack_from(data, start)
                name = high << 32 | low
            else:
                number, name, rate, pool, drops, size, protocol, one, other = layout.fields.unpack_from(data, start)
                name = (name >> 24) << 32 | name & 0xFFFFFF
            flows += 1
            if name == run_source and rate == run_rate and 0 < (number - top) & MASK <= MAX_GAP:
                run += 1
                top = number
            else:
                if run:
                    self._close_run(point, top, run, now, *newest)
                run, run_source = 0, None
                point = points.get(name)
                if point is None:
                    point = account.point(agent, name)
                if point is not None:
                    if rate == table.rate[point] and table.flows[point] and (
                            0 < (number - table.flow_top[point]) & MASK <= MAX_GAP):
                        run, top, run_source, run_rate = 1, number, name, rate
                    else:
                        account.flow(point, number, rate, pool, drops, now)
            newest = pool, drops
            kind = _CLASS[protocol]
            if kind is None:
                self.traffic.add(self._packet(data, start, layout), rate, now)
                continue
            frames = rate if rate < traffic.MAX_RATE else traffic.MAX_RATE
            size = frames * (size if size < packet.MAX_FRAME_LENGTH else packet.MAX_FRAME_LENGTH)
            one_group, other_group = cache.get(one), cache.get(other)
            if one_group is None or other_group is None:
                one_group, other_group = self.traffic.groups.find(one), self.traffic.groups.find(other)
            key = one_group << 20 | other_group << 4 | kind << 1 | (layout.version == 6)
            if second is None:
                second = self.traffic.second(now)
            entry = second.get(key)
            if entry is None:
                self.traffic.tally(second, key, frames, size)
            else:
                entry[0] += frames
                entry[1] += size
            self._skipped += 1
            if self._skipped >= REMEMBER_ONE_IN:
                self._skipped = 0
                self.traffic.remember(now, key, protocol, layout.version, frames * REMEMBER_ONE_IN,
                                      size * REMEMBER_ONE_IN, one, other)
        if run:
            self._close_run(point, top, run, now, *newest)
        if flows:
            account.streams.flows[row] += flows
            account.streams.last_flow[row] = now

    def _close_run(self, point, top, run, now, pool, drops):
        """Bring a run of flow samples of one data source into the account."""
        table = self.account.points
        table.flow_top[point] = top
        table.flows[point] += run
        table.pool[point] = pool
        table.drops[point] = drops
        table.last_flow[point] = now

    @staticmethod
    def _source(data, start, layout):
        if layout.expanded:
            return int.from_bytes(data[start + 4:start + 12], "big")
        return data[start + 4] << 32 | int.from_bytes(data[start + 5:start + 8], "big")

    @staticmethod
    def _packet(data, start, layout):
        """The packet of a recognised flow sample, by the generic reader."""
        found = wire.Datagram()
        wire.read_sample(found, data, 3 if layout.expanded else 1, start, start + layout.size)
        return found.samples[0].packet

    def _generic(self, data, length, position, row, agent, source, now):
        """One sample by the generic decoder, which may learn from it; the next position, None to stop."""
        account, found = self.account, wire.Datagram()
        start = position + 8
        following = length + 1
        if start <= length:
            tag, size = int.from_bytes(data[position:position + 4], "big"), int.from_bytes(data[position + 4:start], "big")
            following = start + (size + 3 & ~3)
        if following > length:
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
                self._learn(data, sample, position)
        return following

    def _learn(self, data, sample, position):
        """Remember the form of a sample, while there is room and budget."""
        if self._learned >= BUDGET + self.account.datagrams // 100:
            return
        self._learned += 1
        layout = learn(data, sample, position + 8)
        if layout is None:
            return
        if len(self._layouts) >= MAX_LAYOUTS:
            self._layouts.clear()
        forms = self._layouts.setdefault(data[position:position + 8], [])
        if len(forms) < MAX_FORMS:
            forms.append(layout)
