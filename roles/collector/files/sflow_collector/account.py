# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet account: what every agent sent, what was lost, and with which settings it samples and polls.

    Agent    one (agent address, sub-agent); holds its streams and data sources
    stream   one source address speaking for an agent: sequence, loss, last seen (a row of Account.streams)
    point    one data source of an agent: sampling rate, pool, polling interval (a row of Account.points)

The figures live in columns (columns.py), so that the batch decoder can update thousands of rows at once; the
methods here are the reference for what it must do. Everything is bounded: agents, streams per agent, points per
agent and in all, names, kept counter samples. What does not fit is counted, and an agent that is known stays.
All times are whole milliseconds since the epoch.
"""

import struct
from typing import Any, Dict, List, Optional, Tuple

from . import counters, kept, packet, sequence, wire
from .columns import Table

MAX_AGENTS = 65536
MAX_STREAMS = 4  # source addresses per agent
MAX_POINTS = 2048  # data sources per agent
MAX_IDENTITIES = 4  # host names or UUIDs per agent
KEEP_EVERY_MS = 1000  # a data source's counter sample is kept at most this often
IDENTIFY_ONE_IN = 8  # counter samples of a host of which one is asked for the host's name
IDENTITY_MS = 60000  # who a host says it is, when it says the same again, is written down this often
IDENTITY_BYTES = 128  # the longest record about it that the batch decoder compares by itself
DESCRIBE_MS = 60000  # how long the name and speed of a data source are taken as read
FORGET_MS = 30 * 24 * 3600 * 1000  # an agent that is silent for so long is forgotten
SHARED_MS = 300000  # two sources that interleave within this time share the agent address
INTERVALS = 8  # polling intervals remembered per data source
MIN_INTERVAL_MS = 100  # closer counter samples belong to the same poll
MARK_MS = 300000  # how far apart the marks are from which the recent figures are counted
SAMPLE_WINDOW = 64  # a sample whose number is so far back is out of order; further back, the numbers begin anew
RATES = 4  # earlier sampling rates remembered per data source

#: Kinds of samples that have numbers of their own, with the column that counts them.
ORDERED = {"flow": "flows", "counter": "counters", "discard": "discards"}

STREAM_COLUMNS = (sequence.COLUMNS + " source_high:Q source_low:Q high:Q low:Q sub_agent:I agent:I life:I several:B "
                  "first:q since:q last_flow:q last_counter:q datagrams:q bytes:q flows:q counters:q discards:q "
                  "datagrams_marked:q lost_marked:q datagrams_before:q lost_before:q")
#: Of the data source of a host: the record that said who it is, where it stood in the sample, and when.
IDENTITY_COLUMNS = "said:Q*%d said_size:H said_at:H said_when:q " % (IDENTITY_BYTES // 8)
POINT_COLUMNS = ("agent:I source:Q rate:I rates:I*%d rate_changes:I pool:I drops:I flows:q counters:q discards:q "
                 "last_flow:q last_counter:q intervals:q*%d polls:q " % (RATES, INTERVALS)
                 + "".join("%s_base:I %s_top:I %s_late:I %s_twice:I " % ((kind,) * 4) for kind in ORDERED)
                 + IDENTITY_COLUMNS + kept.COLUMNS)
SUMS = ("lost", "out_of_order", "duplicates", "restarts", "datagrams", "bytes", "flows", "counters", "discards")


NOBODY = (1 << 64) - 1  # the source of a stream that is gone
_HALVES = struct.Struct(">QQ")
_NAMELESS = (None, None, 0)


class Agent:
    """One agent address and sub-agent."""

    __slots__ = ("number", "address", "sub_agent", "streams", "points", "identities", "host_record", "host_times",
                 "retired", "first", "apart", "polled")

    def __init__(self, number: int, address: bytes, sub_agent: int, now: int) -> None:
        self.number = number
        self.address = address
        self.sub_agent = sub_agent
        self.first = now
        self.streams: List[Tuple[bytes, int]] = []  # [(source, row of Account.streams)]
        self.points: Dict[int, int] = {}  # data source -> row of Account.points
        self.polled: List[int] = []  # rows of them of which something is known of the polling interval, for Account.renew()
        self.identities: Optional[Dict[Tuple[str, str], List[int]]] = None  # {(host name, uuid): [first, last]}
        self.host_record: Optional[bytes] = None  # the newest of them as it came, and its times
        self.host_times: List[int] = []
        self.apart = False  # its sources have shown to be different hosts
        self.retired: Optional[Dict[str, int]] = None  # sums of streams whose row was given to another source


class Account:
    """All agents. now is given with every call: the clock in service, the capture's time in a replay."""

    def __init__(self, max_agents: int = MAX_AGENTS, forget_ms: int = FORGET_MS) -> None:
        self.max_agents = max_agents
        self.forget_ms = forget_ms
        self._forgotten: List[Agent] = []  # by the last roll(); an answer on its way may still hold them
        self.agents: Dict[Tuple[bytes, int], Agent] = {}  # (address, sub-agent) -> Agent
        self.by_number: List[Agent] = []
        self.restarted: Optional[Agent] = None  # the agent that advance() found to have restarted, for renew()
        self.marked = [0, 0]  # when the mark before the last one was made, and the last one
        self.moves = 0  # how often a row went from one source to another
        self.stream_rows: Dict[Tuple[bytes, bytes, int], int] = {}  # (source, address, sub-agent) -> row
        self.streams = Table(max_agents + max_agents // 2 + MAX_STREAMS, STREAM_COLUMNS)
        self._sum_columns = [(name, getattr(self.streams, name)) for name in SUMS]
        self.points = Table(4 * max_agents + MAX_POINTS, POINT_COLUMNS)
        self._said_bytes = memoryview(self.points.buffers["said"])
        self._orders = {kind: [getattr(self.points, name) for name in (
            seen, kind + "_base", kind + "_top", kind + "_late", kind + "_twice")] for kind, seen in ORDERED.items()}
        self._counter_columns = [getattr(self.points, name) for name in (
            "counters", "counter_top", "last_counter", "polls", "intervals", "kept", "kept_at", "source")]
        self.kept = kept.KeptSamples(self.points)
        self.names: Dict[int, Tuple[Optional[str], Optional[int], int]] = {}  # row of points -> (name, speed, time of the counter sample that said so)
        self.datagrams = self.bytes = 0
        self.refused = self.truncated = 0
        self.overflow = {"datagrams": 0, "sources": 0, "data_sources": 0, "counter_samples": 0}
        self.errors: Dict[Any, int] = {}
        self.error_sources: Dict[Any, int] = {}
        self.unknown: Dict[Optional[int], int] = {}
        self.unknown_samples: Dict[Optional[int], int] = {}

    # What a decoder calls.

    def apply(self, datagram: "wire.Datagram", source: bytes, length: int, now: int) -> Optional[int]:
        """Account for a decoded datagram; the stream row, or None when its samples must not count."""
        self.datagrams += 1
        self.bytes += length
        if datagram.agent is None:
            self.error(datagram.errors[0], source)
            return None
        row = self.stream(source, datagram.agent, datagram.sub_agent, now)
        if row is None:
            return None
        fresh = self.advance(row, datagram.sequence, datagram.uptime, now)
        self.touch(row, length, now)
        if self.restarted is not None:
            self.renew(self.restarted)
        if not fresh:
            return None
        for reason in datagram.errors:
            self.error(reason, source)
        for tag in datagram.unknown:
            count(self.unknown, tag)
        for tag in datagram.unknown_samples:
            count(self.unknown_samples, tag)
        return row

    def samples(self, row: int, samples: List["wire.Sample"], data: packet.Bytes, now: int) -> None:
        """Account for the samples of a datagram that apply() took."""
        streams = self.streams
        agent = self.by_number[streams.agent[row]]
        for sample in samples:
            words = sample.words
            point = None if sample.kind == wire.COUNTERS else self.point(agent, sample.source)
            if sample.kind == wire.FLOW:
                streams.flows[row] += 1
                streams.last_flow[row] = now
                if point is not None:
                    self.flow(point, words["sequence"], words["rate"], words["pool"], words["drops"], now)
            elif sample.kind == wire.COUNTERS:
                self.counter_sample(row, agent, sample.source, words["sequence"], data, sample.start - 4, sample.end,
                                    now)
            else:
                streams.discards[row] += 1
                if point is not None:
                    self.discard(point, words["sequence"])

    def counter_sample(self, row: int, agent: "Agent", source: int, number: int, data: packet.Bytes, start: int, end: int,
                       now: int) -> None:
        """A counter sample of a data source; from start, the number of its records, to end."""
        self.streams.counters[row] += 1
        self.streams.last_counter[row] = now
        point = agent.points.get(source)
        if point is None:
            point = self.point(agent, source)
            if point is None:
                return
        self.counted(agent, point, number, data, start, end, now)

    def error(self, reason: str, source: bytes) -> None:
        """Count something that was wrong with a datagram, by reason and by source."""
        count(self.errors, reason)
        count(self.error_sources, (source, reason), limit=256)

    def stream(self, source: bytes, address: bytes, sub_agent: int, now: int) -> Optional[int]:
        """The row of a stream, made when it is new; None when there is no room for it."""
        row = self.stream_rows.get((source, address, sub_agent))
        return self._new_stream(source, address, sub_agent, now) if row is None else row

    def advance(self, row: int, number: int, uptime: int, now: int) -> bool:
        """Take note of the number of a datagram; False when it was seen before. An agent that has restarted is left in
        `restarted`: renew() is due before the samples of this datagram.
        """
        streams = self.streams
        agent = self.by_number[streams.agent[row]]
        rows = [each for _source, each in agent.streams]
        restarts = sum([streams.restarts[each] for each in rows])
        fresh = (self._advance_together(agent, rows, row, number, uptime, now) if streams.several[row]
                 else sequence.advance(streams, row, number, uptime, now))
        if sum([streams.restarts[each] for each in rows]) > restarts:
            self.restarted = agent
        return fresh

    def _advance_together(self, agent: "Agent", rows: List[int], row: int, number: int, uptime: int, now: int) -> bool:
        """advance() of an agent that speaks from several sources.

        An agent that speaks from one address has its sequence in the row of that stream. When it speaks from several,
        what comes from one may go on with the sequence of another: one host with two ways to here, which loses
        nothing and shares nothing. Two hosts that use one agent address have sequences that do not go together.
        """
        streams = self.streams
        self.wake(agent)
        of = streams.life[row]
        if of != row and now - streams.last[of] > SHARED_MS:  # whose sequence this was is gone
            sequence.move(streams, of, row)
            for each in rows:
                if streams.life[each] == of:
                    streams.life[each] = row
            streams.life[of] = of
            of = row
        if all(each == row or now - streams.last[each] > SHARED_MS for each in rows):
            streams.several[row] = 0
            return sequence.advance(streams, row, number, uptime, now)
        joint = of != row or any(streams.life[each] == row for each in rows if each != row)
        fits = sequence.belongs(streams, of, number, uptime, now, joint)
        if fits is False and joint:
            self._separate(agent)
            of = row
        elif not fits:
            other = [each for each in {streams.life[each] for each in rows} if each != of
                     and sequence.belongs(streams, each, number, uptime, now)]
            if other:
                if of == row and streams.running[row]:
                    restarted = abs(now - uptime - sequence.booted(streams, row)) > sequence.BOOT_TOLERANCE_MS
                    streams.restarts[row] += restarted
                    streams.running[row] = 0
                of = streams.life[row] = min(other)
                streams.check_top[of], streams.check_uptime[of] = streams.top[of], streams.uptime[of]
            elif of != row:
                of = streams.life[row] = row
        fresh = sequence.advance(streams, of, number, uptime, now)
        if of != row or joint:
            sequence.check(streams, of)
        if of != row:
            streams.heard[of] = now
        return fresh

    def wake(self, agent: "Agent") -> None:
        """Look at the sequences of all sources of an agent together from now on."""
        for _source, row in agent.streams:
            self.streams.several[row] = not agent.apart

    def _separate(self, agent: "Agent") -> None:
        """The sources of an agent are two hosts: each has a sequence of its own, which begins anew, for good."""
        streams = self.streams
        agent.apart = True
        for _source, row in agent.streams:
            streams.several[row] = streams.running[row] = 0
            streams.life[row] = row

    def renew(self, agent: "Agent") -> None:
        """The agent has restarted, perhaps with another polling interval: what was seen of the earlier one is void.

        Only of the data sources that were polled since the last time, so that what an agent may send can cost no more: forged
        datagrams restart an agent with thousands of data sources as often as they like.
        """
        self.restarted = None
        for point in agent.polled:
            self.points.polls[point] = self.points.last_counter[point] = 0
        agent.polled = []

    def touch(self, row: int, length: int, now: int) -> None:
        """A datagram of this stream arrived."""
        streams = self.streams
        if now - streams.last[row] > SHARED_MS:
            streams.since[row] = now
        streams.last[row] = now
        streams.datagrams[row] += 1
        streams.bytes[row] += length

    def point(self, agent: "Agent", source: int) -> Optional[int]:
        """The row of an agent's data source, made when it is new; None when there is no room for it."""
        row = agent.points.get(source)
        if row is not None:
            return row
        row = self.points.add() if len(agent.points) < MAX_POINTS else None
        if row is None:
            self.overflow["data_sources"] += 1
            return None
        agent.points[source] = row
        self.points.agent[row] = agent.number
        self.points.source[row] = source
        return row

    def flow(self, point: int, number: int, rate: int, pool: int, drops: int, now: int) -> None:
        """A flow sample of a data source."""
        points = self.points
        if not points.flows[point]:
            points.rate[point] = rate
        self.order("flow", point, number)
        if points.rate[point] != rate:
            self.change_rate(point, rate)
        points.flows[point] += 1
        points.pool[point] = pool
        points.drops[point] = drops
        points.last_flow[point] = now

    def discard(self, point: int, number: int) -> None:
        """A discarded-packet sample of a data source."""
        self.order("discard", point, number)
        self.points.discards[point] += 1

    def order(self, kind: str, point: int, number: int) -> None:
        """Where the number of a sample stands among those before it; to be called before the sample is counted.

        From base to top are the numbers that should have been seen. When they begin anew, base moves along, so that
        the distance, and what sample_order() makes of it, stays.
        """
        seen, base, top, late, twice = self._orders[kind]
        if not seen[point]:
            base[point] = top[point] = number
            return
        before = top[point]
        if number == before + 1:
            top[point] = number
            return
        step = (number - before) & sequence.MASK
        behind = (before - number) & sequence.MASK
        if 0 < step <= sequence.MAX_GAP:
            top[point] = number
        elif not step:
            twice[point] = (twice[point] + 1) & sequence.MASK
        elif behind < SAMPLE_WINDOW:
            late[point] = (late[point] + 1) & sequence.MASK
            if behind > (before - base[point]) & sequence.MASK:
                base[point] = number
        else:
            base[point] = (base[point] + number - before - 1) & sequence.MASK
            top[point] = number

    def interrupted(self, point: int) -> None:
        """What was sent in between was not to be seen: the numbers of a data source's samples begin anew."""
        for _seen, base, top, _late, _twice in self._orders.values():
            base[point] = (base[point] + (1 << 31)) & sequence.MASK
            top[point] = (top[point] + (1 << 31)) & sequence.MASK

    def change_rate(self, point: int, rate: int) -> None:
        """Note a new sampling rate and remember the one before."""
        points = self.points
        points.rates[point * RATES + points.rate_changes[point] % RATES] = points.rate[point]
        points.rate_changes[point] = (points.rate_changes[point] + 1) & sequence.MASK
        points.rate[point] = rate

    def counted(self, agent: "Agent", point: int, number: int, data: packet.Bytes, start: int, end: int, now: int) -> None:
        """A counter sample of a data source: its place among the others, the polling interval; it is kept, from start, the
        number of its records, on to end, for whoever asks for its values.
        """
        counted, tops, last, polls, intervals, kept_slot, kept_at, sources = self._counter_columns
        count = counted[point]
        if count and number == tops[point] + 1:  # as order() would, which is a call more
            tops[point] = number
        else:
            self.order("counter", point, number)
        before = last[point]
        if not before:
            agent.polled.append(point)
        elif now - before >= MIN_INTERVAL_MS:
            poll = polls[point]
            intervals[point * INTERVALS + poll % INTERVALS] = now - before
            polls[point] = poll + 1
        counted[point] = count + 1
        last[point] = now
        if kept_slot[point] and now - kept_at[point] < KEEP_EVERY_MS:
            return
        body = data[start:end]
        if not self.kept.put(point, body, now):
            self.overflow["counter_samples"] += 1
        if sources[point] == counters.HOST and asks_for_name(count + 1):
            self.identify(agent, point, bytes(body), now)

    def identify(self, agent: "Agent", point: int, body: bytes, now: int) -> None:
        """Note who a host says it is; its record as it came makes the next look short."""
        record, points = agent.host_record, self.points
        if record is not None and now - agent.host_times[1] <= SHARED_MS:
            at = points.said_at[point]
            at = at if body.startswith(record, at) else body.find(record)
            if at >= 0:
                if now - agent.host_times[1] >= IDENTITY_MS:
                    agent.host_times[1] = now
                    self._said(point, record, at, now)
                return
        at, record, identity = counters.identity(body)
        if identity is None:
            return
        if agent.identities is None:
            agent.identities = {}
        identities = agent.identities
        times = identities.get(identity)
        if times is None:
            if len(identities) >= MAX_IDENTITIES:
                del identities[min(identities, key=lambda item: identities[item][1])]
            times = identities[identity] = [now, now]
        elif now - times[1] > SHARED_MS:
            times[0] = now
        times[1] = now
        agent.host_record, agent.host_times = record, times
        self._said(point, record, at, now)

    def _said(self, point: int, record: bytes, at: int, now: int) -> None:
        """Note the record of a host and where in its counter sample it stands."""
        points, place, size = self.points, point * IDENTITY_BYTES, len(record)
        if size > IDENTITY_BYTES:
            size = 0
        points.said_when[point], points.said_at[point], points.said_size[point] = now, at, size
        self._said_bytes[place:place + size] = record[:size]

    # What the account does on its own.

    def _new_stream(self, source: bytes, address: bytes, sub_agent: int, now: int) -> Optional[int]:
        agent, room = self.agents.get((address, sub_agent)), self.max_agents - len(self.agents)
        if agent is None:
            row = self.streams.add() if room > 0 else None
            if row is None:
                self.overflow["datagrams"] += 1
                return None
            agent = Agent(len(self.by_number), address, sub_agent, now)
            self.agents[address, sub_agent] = agent
            self.by_number.append(agent)
        else:  # further sources leave a row for every agent that may still come
            row = self.streams.add() if len(agent.streams) < MAX_STREAMS and self.streams.left() > room else None
            if row is None:
                row = self._retire(agent, now)
            if row is None:
                self.overflow["sources"] += 1
                return None
        agent.streams.append((source, row))
        self.stream_rows[source, address, sub_agent] = row
        streams = self.streams
        streams.source_high[row], streams.source_low[row] = _HALVES.unpack(source)
        streams.high[row], streams.low[row] = _HALVES.unpack(address)
        streams.sub_agent[row] = sub_agent
        streams.agent[row] = agent.number
        streams.life[row] = row  # the row that has its sequence
        if len(agent.streams) > 1:
            self.wake(agent)
        streams.first[row] = streams.since[row] = streams.last[row] = now
        return row

    def _retire(self, agent: "Agent", now: int) -> Optional[int]:
        """Free the row of a source of this agent that is silent for long; its sums stay with the agent."""
        streams = self.streams
        silent = [item for item in agent.streams if now - streams.last[item[1]] > SHARED_MS]
        if not silent:
            return None
        source, row = min(silent, key=lambda item: streams.last[item[1]])
        values = streams.row(row)
        if agent.retired is None:
            agent.retired = dict.fromkeys(SUMS, 0)
        for name in SUMS:
            agent.retired[name] += values[name]
        agent.streams.remove((source, row))
        for _source, each in agent.streams:
            if streams.life[each] == row:
                streams.life[each] = each
        self.moves += 1
        del self.stream_rows[source, agent.address, agent.sub_agent]
        for name, value in values.items():
            if not isinstance(value, list):
                getattr(streams, name)[row] = 0
        return row

    def mark(self, now: int) -> None:
        """Remember how many datagrams came and were lost up to now; recent() counts from the mark before."""
        streams, used = self.streams, self.streams.used
        for name in "datagrams", "lost":
            value, marked, before = (getattr(streams, each)[:used] for each in (name, name + "_marked", name + "_before"))
            before[:] = marked
            marked[:] = value
        self.marked = [self.marked[1], now]

    def roll(self, now: int) -> None:
        """Make a mark and forget who is gone when it is time for it; to be called now and then, between datagrams."""
        if now - self.marked[1] >= MARK_MS:
            self.mark(now)
            self._clear_rows()
            last = self.streams.last
            for agent in [agent for agent in self.by_number
                          if all(now - last[row] > self.forget_ms for _source, row in agent.streams)]:
                self._forget(agent)

    def _forget(self, agent: "Agent") -> None:
        """Take an agent out of the account. Nobody finds its rows any more; they are cleared with the next roll()."""
        streams, points = self.streams, self.points
        del self.agents[agent.address, agent.sub_agent]
        for source, row in agent.streams:
            del self.stream_rows[source, agent.address, agent.sub_agent]
            streams.source_high[row] = streams.source_low[row] = NOBODY
        for point in agent.points.values():
            points.agent[point] = NOBODY & sequence.MASK
        last = self.by_number.pop()
        if last is not agent:  # the numbers stay without gaps
            last.number = agent.number
            self.by_number[last.number] = last
            for _source, row in last.streams:
                streams.agent[row] = last.number
            for point in last.points.values():
                points.agent[point] = last.number
        self.moves += 1
        self._forgotten.append(agent)

    def _clear_rows(self) -> None:
        for agent in self._forgotten:
            for _source, row in agent.streams:
                self.streams.give_back(row)
            for point in agent.points.values():
                self.kept.drop(point)
                self.names.pop(point, None)
                self.points.give_back(point)
                self.points.agent[point] = NOBODY & sequence.MASK  # all zero would be data source 0 of agent 0
        self._forgotten = []

    # What a view asks.

    def recent(self, agent: "Agent", now: int) -> Tuple[int, int, int]:
        """(milliseconds, datagrams, lost) since the mark before the last one, or since the agent was first seen."""
        streams, datagrams, lost = self.streams, 0, 0
        for _source, row in agent.streams:
            datagrams += streams.datagrams[row] - streams.datagrams_before[row]
            lost += streams.lost[row] - streams.lost_before[row]
        return now - max(agent.first, self.marked[0]), datagrams, max(0, lost)

    def sums(self, agent: "Agent") -> Dict[str, int]:
        """The counts of an agent over all its streams."""
        columns = self._sum_columns
        if len(agent.streams) == 1 and not agent.retired:
            row = agent.streams[0][1]
            return {name: column[row] for name, column in columns}
        out = dict(agent.retired) if agent.retired else dict.fromkeys(SUMS, 0)
        for _source, row in agent.streams:
            for name, column in columns:
                out[name] += column[row]
        return out

    def shared(self, agent: "Agent", now: int) -> bool:
        """Whether two hosts speak for this agent: sources, identities or lives that interleave, not follow each other."""
        streams = self.streams
        for _source, row in agent.streams:
            if sequence.takes_turns(streams, row, now):
                return True
        if len(agent.streams) > 1:
            spans = [(streams.since[row], streams.last[row], streams.life[row]) for _source, row in agent.streams]
            if any(one[2] != other[2] for one, other in _interleaving(spans, now)):
                return True
        identities = agent.identities or {}
        return len(identities) > 1 and any(_interleaving([tuple(times) for times in identities.values()], now))

    def polling_interval(self, point: int) -> Optional[float]:
        """The median of the last intervals between counter samples in milliseconds, None before the second."""
        polls = self.points.polls[point]
        if not polls:
            return None
        first = point * INTERVALS
        if polls == 1:
            return self.points.intervals[first]
        seen = sorted(self.points.intervals[first:first + min(polls, INTERVALS)].tolist())
        middle = len(seen) // 2
        return seen[middle] if len(seen) % 2 else (seen[middle - 1] + seen[middle]) / 2.0

    def sample_order(self, kind: str, point: int) -> Tuple[int, int, int]:
        """(lost, duplicate, out of order): what the numbers of a data source's samples of a kind say."""
        seen, base, top, late, twice = [column[point] for column in self._orders[kind]]
        if not seen:
            return 0, 0, 0
        expected = ((top - base) & sequence.MASK) + 1
        return max(0, expected - (seen - twice)) if expected < 1 << 31 else 0, twice, late

    def previous_rates(self, point: int) -> List[int]:
        """Earlier sampling rates of a data source, newest first."""
        changes = self.points.rate_changes[point]
        if not changes:
            return []
        return [self.points.rates[point * RATES + (changes - 1 - back) % RATES]
                for back in range(min(changes, RATES))]

    def describe(self, point: int, now: int) -> Tuple[Optional[str], Optional[int]]:
        """(name, speed in bit/s) of a data source as its counter samples say, None where they do not."""
        name, speed, said = self.names.get(point, _NAMELESS)
        if (not said or now - said > DESCRIBE_MS) and self.points.kept[point] and not self.points.source[point] >> 32:
            found = counters.describe(self.kept.newest(point))
            name, speed = found[0] or name, speed if found[1] is None else found[1]
            self.names[point] = name, speed, now - point * 7919 % DESCRIBE_MS // 2  # not all are due at one time
        return name, speed

    def host_name(self, agent: "Agent") -> Optional[str]:
        """The newest host name an agent told, None before it did."""
        if not agent.identities:
            return None
        if len(agent.identities) == 1:
            return next(iter(agent.identities))[0]
        return max(agent.identities.items(), key=lambda item: item[1][1])[0][0]


def asks_for_name(counted: Any) -> Any:
    """Whether the counter sample that makes it so many is asked for the host's name: the first ones, then some in no
    rhythm, so that of two hosts that take turns both are heard."""
    return (counted < 3) | ((counted * 0x9E3779B1 >> 16) % IDENTIFY_ONE_IN == 0)


def count(counts: Dict[Any, int], key: Any, limit: int = 1024, by: int = 1) -> None:
    """Add to a dict of counts that never has more than limit keys; the rest is counted as None."""
    if key not in counts and len(counts) >= limit:
        key = None
    counts[key] = counts.get(key, 0) + by


def _interleaving(spans: List[Tuple[Any, ...]], now: int) -> List[Tuple[Tuple[Any, ...], Tuple[Any, ...]]]:
    """Neighbours among the recent (first, last, ...) spans that overlap in time."""
    recent = sorted(span for span in spans if now - span[1] <= SHARED_MS)
    return [(one, other) for one, other in zip(recent, recent[1:]) if other[0] < one[1]]
