# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collector knows, as the JSON shapes of its interface.

/fleet/json and /traffic/json are its own; the others have the shapes of sFlow-RT and of its Vizceral app, so that
programs and pages made for those can be pointed here. Long answers are generators of pieces: between two pieces
the service goes on receiving.
"""

import functools
import itertools
import json
import os
import socket
from typing import Any, Dict, Generator, Iterator, List, Optional, Sequence, Set, Tuple, Union

from . import VERSION, counters, packet, sequence, traffic, wire

PIECE = 100  # rows in a piece of a long answer
LOOKED_AT = 4000  # sub-agents and data sources that are looked at in one go
REST = 0  # the group number of INTERNET


def dumps(value: Union[Dict[str, Any], List[Dict[str, Any]]]) -> bytes:
    """Compact JSON as bytes."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


json_text = functools.lru_cache(1 << 14)(json.dumps)  # names of hosts and interfaces, which come again and again


@functools.lru_cache(1 << 15)
def address_text(address: bytes) -> str:
    """An address of 16 bytes as text: 192.0.2.1 or 2001:db8::9."""
    if address.startswith(wire.MAPPED):
        return "%d.%d.%d.%d" % tuple(address[12:])
    return socket.inet_ntop(socket.AF_INET6, address)


@functools.lru_cache(1 << 15)
def java_text(address: bytes) -> str:
    """An address as sFlow-RT spells it: IPv6 without compression, 2001:db8:0:0:0:0:0:9."""
    if address.startswith(wire.MAPPED):
        return socket.inet_ntop(socket.AF_INET, address[12:])
    return ":".join("%x" % int.from_bytes(address[place:place + 2], "big") for place in range(0, 16, 2))


def parse_address(text: str) -> Optional[bytes]:
    """The 16 bytes of an address in any spelling, None when it is none."""
    try:
        if ":" in text:
            return socket.inet_pton(socket.AF_INET6, text)
        return wire.MAPPED + socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        return None


def select(account: Any, texts: Sequence[str] = (), search: str = "") -> List[Any]:
    """Agents by address and by a text in address or host name, ordered by address and sub-agent."""
    if texts:
        wanted = {parse_address(text) for text in texts}
        agents = [agent for agent in account.by_number if agent.address in wanted]
    else:
        agents = account.by_number
    if search:
        search = search.lower()
        agents = [agent for agent in agents if search in address_text(agent.address)
                  or search in (account.host_name(agent) or "").lower()]
    return sorted(agents, key=lambda agent: (agent.address, agent.sub_agent))


def given_up(account: Any) -> "Generator[bytes, None, Set[Any]]":
    """The sub-agents that their agent has given up, as the value of a generator that gives an empty piece now and then.

    hsflowd is sub-agent 100001 as long as no module of it samples packets and 100000 with one, so a new configuration can
    leave a sub-agent behind that is silent for good. It is given up when another one of its address speaks for one of its
    data sources, and began its life after the last word of it; never the one that was heard last.

    Anybody can forge tens of thousands of sub-agents of one address, so they are not compared in pairs: per data source the two
    latest beginnings are enough for all of them.
    """
    streams, looked_at = account.streams, 0
    by_address: Dict[bytes, List[Any]] = {}
    for agent in account.by_number:
        by_address.setdefault(agent.address, []).append(agent)
    several = [members for members in by_address.values() if len(members) > 1]
    yield b""
    left: Set[Any] = set()
    for members in several:
        latest: Dict[int, Tuple[int, Any, int]] = {}  # data source -> (latest beginning, whose, the latest one of the others)
        for agent in members:
            began = _began(streams, agent)
            for source in agent.points:
                first, whose, second = latest.get(source, (0, None, 0))
                if began > first:
                    latest[source] = began, agent, first
                elif began > second:
                    latest[source] = first, whose, began
            looked_at += 1 + len(agent.points)
            if looked_at >= LOOKED_AT:
                looked_at = 0
                yield b""
        newest = max(streams.last[row] for agent in members for _source, row in agent.streams)
        for agent in members:
            said = max(streams.last[row] for _source, row in agent.streams)
            for source in agent.points if said < newest else ():
                first, whose, second = latest.get(source, (0, None, 0))  # a data source may be new since
                if (second if whose is agent else first) > said:
                    left.add(agent)
                    break
            looked_at += 1 + len(agent.points)
            if looked_at >= LOOKED_AT:
                looked_at = 0
                yield b""
    return left


def _began(streams: Any, agent: Any) -> int:
    """When an agent began its life, in milliseconds and as late as it may be."""
    latest = max((row for _source, row in agent.streams), key=lambda row: streams.last[row])
    return sequence.booted(streams, streams.life[latest]) + sequence.BOOT_TOLERANCE_MS


def fleet(core: Any, texts: Tuple[Any, ...], search: str, offset: int, limit: int) -> Iterator[bytes]:
    """/fleet/json in pieces."""
    account = core.account  # with workers another request may put a new one in its place between two pieces
    left = yield from given_up(account)
    now, agents = core.clock(), [agent for agent in select(account, texts, search) if agent not in left]
    row, last = FleetRows(account, now).row, min(offset + limit, len(agents))
    yield b'{"collector":%s,"total":%d,"offset":%d,"limit":%d,"agents":[' % (
        dumps(collector(core, now)), len(agents), offset, limit)
    for start in range(offset, last, PIECE):
        rows = [row(agent) for agent in agents[start:min(start + PIECE, last)]]
        yield (("," if start > offset else "") + ",".join(rows)).encode("ascii")
    yield b"]}"


def _pieces(parts: Iterator[Any]) -> Iterator[bytes]:
    """Parts of one list or dict, which may be empty, as JSON with commas between them; a piece ends where a part is b""."""
    piece, comma = [], b""
    for part in parts:
        if part:
            piece.append(dumps(part)[1:-1])
        elif part == b"":
            yield comma + b",".join(piece) if piece else b""
            piece, comma = [], b"," if piece or comma else b""
    if piece:
        yield comma + b",".join(piece)


def collector(core: Any, now: int) -> Dict[str, Any]:
    """What the collector says of itself."""
    account = core.account
    udp = dict(core.udp)
    udp.update(datagrams=account.datagrams, bytes=account.bytes, truncated=account.truncated,
               refused=account.refused)
    return {
        "name": "netviz.sflow", "version": VERSION, "decoder": core.decoder, "decoder_reason": core.decoder_reason,
        "now": core.absolute(now) / 1000.0, "started": core.absolute(core.started) / 1000.0, "uptime_ms": now - core.started,
        "restored": core.restored, "udp": udp, "errors": dict(account.errors),
        "error_sources": [{"source": address_text(key[0]), "reason": key[1], "count": number}
                          for key, number in account.error_sources.items() if key is not None],
        "unknown_records": _by_tag(account.unknown), "unknown_samples": _by_tag(account.unknown_samples),
        "agents": len(account.agents), "max_agents": account.max_agents,
        "overflow_datagrams": account.overflow["datagrams"], "overflow": dict(account.overflow),
        "groups_problem": core.groups_file.problem,
    }


def _by_tag(counts: Dict[Any, Any]) -> Dict[Any, Any]:
    return {"other" if tag is None else wire.tag_name(tag): number for tag, number in counts.items()}


class FleetRows:
    """Rows of /fleet/json as text. Ten thousand of them are asked for every few seconds, so they are written by two
    templates, which cost a third of making and dumping dicts."""

    ROW = ('{"agent":"%s","sub_agent":%d,"host_name":%s,"sources":[%s],"shared":%s,"first_seen_ms":%d,"last_seen_ms":%d,'
           '"last_flow_ms":%s,"last_counter_ms":%s,"uptime_ms":%d,"restarts":%d,"datagrams":%d,"lost":%d,'
           '"recent":{"seconds":%.3f,"datagrams":%d,"lost":%d},'
           '"out_of_order":%d,"duplicates":%d,"flow_samples":%d,"counter_samples":%d,"discard_samples":%d,'
           '"data_sources":[%s]}')
    SOURCE = ('{"data_source":"%s","name":%s,"speed":%s,"sampling_rate":%s,"previous_sampling_rates":%s,'
              '"sample_pool":%d,"drops":%d,"flow_samples":%d,"last_flow_ms":%s,"counter_samples":%d,'
              '"polling_interval_s":%s}')
    SUMS = ("restarts", "datagrams", "lost", "out_of_order", "duplicates", "flows", "counters", "discards")

    def __init__(self, account: Any, now: int) -> None:
        self.account, self.now = account, now
        streams, points = account.streams, account.points
        self.times = streams.last, streams.last_flow, streams.last_counter, streams.uptime
        self.sums = [getattr(streams, name) for name in self.SUMS]
        self.values = points.rate, points.pool, points.drops, points.flows, points.counters, points.rate_changes, points.last_flow

    def row(self, agent: Any) -> str:
        """One agent and sub-agent."""
        account, now = self.account, self.now
        last, last_flow, last_counter, uptime = self.times
        address = address_text(agent.address)
        if len(agent.streams) == 1 and not agent.retired:
            (source, row), = agent.streams
            seen, flow, counter, up = last[row], last_flow[row], last_counter[row], uptime[row]
            sources = '"%s"' % (address if source == agent.address else address_text(source))
            sums = [column[row] for column in self.sums]
        else:
            rows = [row for _source, row in agent.streams]
            seen, latest = max((last[row], row) for row in rows)
            up = uptime[account.streams.life[latest]]
            flow, counter = max(last_flow[row] for row in rows), max(last_counter[row] for row in rows)
            sources = ",".join('"%s"' % address_text(source) for source, _row in agent.streams)
            total = account.sums(agent)
            sums = [total[name] for name in self.SUMS]
        passed, recent, recently_lost = account.recent(agent, now)
        restarts, datagrams, lost, late, twice, flows, counters_seen, discards = sums
        return self.ROW % (
            address, agent.sub_agent, json_text(account.host_name(agent)), sources,
            "true" if account.shared(agent, now) else "false", now - agent.first, now - seen,
            now - flow if flow else "null", now - counter if counter else "null", up, restarts, datagrams,
            lost if lost > 0 else 0, passed / 1000.0, recent, recently_lost, late, twice, flows, counters_seen, discards,
            ",".join([self.source(source, agent.points[source]) for source in sorted(agent.points)]))

    def source(self, source: int, point: int) -> str:
        """One data source of an agent."""
        account = self.account
        rate, pool, drops, flows, counters_seen, changes, last_flow = self.values
        name, speed = account.describe(point, self.now)
        interval = account.polling_interval(point)
        return self.SOURCE % (
            wire.source_name(source), json_text(name), "null" if speed is None else speed,
            rate[point] if flows[point] else "null", account.previous_rates(point) if changes[point] else "[]",
            pool[point], drops[point], flows[point],
            self.now - last_flow[point] if last_flow[point] else "null", counters_seen[point],
            "null" if interval is None else interval / 1000.0)


# The shapes of sFlow-RT.

def agents(core: Any, texts: Tuple[Any, ...]) -> Iterator[bytes]:
    """/agents/json: one row per agent address, its sub-agents together."""
    account = core.account  # with workers another request may put a new one in its place between two pieces
    left = yield from given_up(account)
    by_address: Dict[Any, Any] = {}
    for agent in select(account, texts):
        by_address.setdefault(agent.address, []).append(agent)
    row, rows = AgentsRows(account, core.clock(), left).row, list(by_address.items())
    yield b"{"
    for start in range(0, len(rows), PIECE):
        piece = []
        for address, members in rows[start:start + PIECE]:
            piece.append((yield from row(address, members)))
        yield (("," if start else "") + ",".join(piece)).encode("ascii")
    yield b"}"


class AgentsRows:
    """Rows of /agents/json as text, by a template as in FleetRows."""

    KINDS = (("Flow", "flow", "flows"), ("Counter", "counter", "counters"), ("Notification", "discard", "discards"))
    ROW = ('"%s":{"sFlowDatagramSource":[%s],"firstSeen":%d,"lastSeen":%d,"uptime":%d,"sFlowDatagramsReceived":%d,'
           '"sFlowDatagramsLost":%d,"sFlowDatagramsOutOfOrder":%d,"sFlowDatagramsDuplicates":%d,' + ",".join(
               '"sFlow{0}Samples":%d,{1}"sFlow{0}LostSamples":%d,"sFlow{0}DuplicateSamples":%d,'
               '"sFlow{0}OutOfOrderSamples":%d,"sFlow{0}Datasources":%d'.format(
                   title, "" if kind == "counter" else '"sFlow%sDrops":%%d,' % title)
               for title, kind, _seen in KINDS) + "}")
    SUMS = ("datagrams", "lost", "out_of_order", "duplicates", "flows", "counters", "discards")

    def __init__(self, account: Any, now: int, left: Set[Any]) -> None:
        self.account, self.now, self.left = account, now, left
        self.sums = [getattr(account.streams, name) for name in self.SUMS]
        self.seen = [getattr(account.points, seen) for _title, _kind, seen in self.KINDS]

    def row(self, address: bytes, members: List[Any]) -> "Generator[bytes, None, str]":
        """One agent address, as the value of a generator that gives an empty piece now and then.

        What an address has sent stays counted when a sub-agent is given up; a data source counts once, whoever speaks for it.
        """
        streams, drops = self.account.streams, self.account.points.drops
        if len(members) == 1 and len(members[0].streams) == 1 and not members[0].retired:
            (source, latest), = members[0].streams
            sources, sums = {source}, [column[latest] for column in self.sums]
        else:
            sources, sums, latest = set(), [0] * len(self.SUMS), members[0].streams[0][1]
            for number, agent in enumerate(members):
                total = self.account.sums(agent)
                sums = [before + total[name] for before, name in zip(sums, self.SUMS)]
                for source, row in agent.streams:
                    sources.add(source)
                    latest = row if streams.last[row] > streams.last[latest] else latest
                if number % PIECE == PIECE - 1:
                    yield b""
        dropped, looked_at = 0, 0
        orders, sending = [[0, 0, 0] for _kind in self.KINDS], [set() for _kind in self.KINDS]  # type: Any, Any
        for agent in members:
            for source, point in agent.points.items():
                dropped += drops[point]
                for number, (_title, kind, _seen) in enumerate(self.KINDS):
                    if self.seen[number][point]:
                        orders[number] = [sum(pair) for pair in zip(orders[number], self.account.sample_order(kind, point))]
                        if agent not in self.left:
                            sending[number].add(source)
            looked_at += 1 + len(agent.points)
            if looked_at >= LOOKED_AT:
                looked_at = 0
                yield b""
        datagrams, lost, late, twice, flows, counters_seen, discards = sums
        flow, counter, discard = [(*order, len(each)) for order, each in zip(orders, sending)]
        return self.ROW % ((
            java_text(address), ",".join(sorted('"%s"' % java_text(source) for source in sources)),
            self.now - min([agent.first for agent in members]), self.now - streams.last[latest],
            streams.uptime[streams.life[latest]], datagrams, lost if lost > 0 else 0, late, twice,
            flows, dropped) + flow + (counters_seen,) + counter + (discards, 0) + discard)


def analyzer(core: Any) -> Dict[str, Any]:
    """/analyzer/json: the statistics of the engine."""
    account, now = core.account, core.clock()
    seconds, memory = core.usage()
    bad = dict(account.errors)
    return {
        "version": VERSION, "uptime": now - core.started, "sFlowAgents": len({key[0] for key in account.agents}),
        "sFlowDatagramsReceived": account.datagrams,
        "sFlowDatagramsDiscarded": core.udp.get("kernel_drops", 0) + account.refused + account.overflow["datagrams"],
        "sFlowBytesReceived": account.bytes, "sFlowUnsupportedVersion": bad.pop("version", 0),
        "sFlowParseErrors": sum(bad.values()), "memTotal": memory, "cpuTimeProcess": int(seconds * 1000),
        "loadAverage": load_average(),
        "availableProcessors": os.cpu_count(),
    }


def load_average() -> Optional[float]:
    """None where the unit hides /proc/loadavg and the C library has no other way to know it (Debian 11)."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _samples(core: Any, texts: List[str], filters: Any = None) -> Iterator[Any]:
    """(agent, data source, time, values) of the newest kept counter sample of every data source of the agent addresses asked
    for; nothing of those that the filters leave out. Not the sub-agents that were given up, whose values are as old as they.

    b"" now and then, by what was looked at and not by what was found: who asks for a rare metric shall not hold up the rest.
    """
    account = core.account  # with workers another request may put a new one in its place between two pieces
    left = yield from given_up(account)
    agents = [agent for agent in select(account, () if texts == ["ALL"] else texts) if agent not in left]
    looked_at = 0
    for _address, members in itertools.groupby(agents, key=lambda agent: agent.address):
        newest: Dict[int, Tuple[int, Any, int]] = {}  # data source -> (time of the newest sample, agent, row)
        for agent in members:
            for source, point in agent.points.items():
                kept_at = account.points.kept_at[point]
                if account.points.kept[point] and (source not in newest or kept_at > newest[source][0]):
                    newest[source] = kept_at, agent, point
            looked_at += 1 + len(agent.points)
            if looked_at >= LOOKED_AT:
                looked_at = 0
                yield b""
        found = []
        for source, (_time, agent, point) in sorted(newest.items(), key=lambda item: item[0]):
            time, sample, before, sample_before = account.kept.get(point)
            if sample:
                found.append((agent, source, time, counters.metrics(sample, sample_before, (time - before) / 1000.0)))
            looked_at += LOOKED_AT // PIECE  # to read one takes longer than to look whether there is one
            if looked_at >= LOOKED_AT:
                looked_at = 0
                yield b""
        if not filters or _chosen(filters, [values for _agent, _source, _time, values in found]):
            yield from found


def _chosen(filters: Any, samples: Any) -> Any:
    """Whether for each metric that the filters name one of the samples has one of the values."""
    return all(any(name in values and fits(values[name], pattern) for values in samples for pattern in patterns)
               for name, patterns in filters.items())


def fits(value: Any, pattern: Any) -> Any:
    """Whether a value is a number or a text such as web-1, in which * and .* stand for anything. No regular expressions:
    some take for ever."""
    if not isinstance(value, str):
        try:
            return float(pattern) == value
        except ValueError:
            return False
    first, *parts = pattern.replace(".*", "*").split("*")
    if not parts:
        return value == first
    last, place = parts.pop(), len(first)
    for part in parts:
        found = value.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return value.startswith(first) and value.endswith(last) and place + len(last) <= len(value)


def metrics(core: Any) -> Iterator[bytes]:
    """/metrics/json: metric name -> milliseconds since it was last seen."""
    now = core.clock()
    out: Dict[str, int] = {}
    for found in _samples(core, ["ALL"]):
        if not found:
            yield b""
            continue
        _agent, _source, time, values = found
        for name in values:
            out[name] = min(out.get(name, now), now - time)
    yield dumps(out)


def metric(core: Any, agent: str) -> Iterator[bytes]:
    """/metric/{agent}/json: "data source.name" -> value, in pieces. Of one agent: ALL, which would bring the same names again
    and again, is none, as every other word that is no address.
    """
    texts = ["" if agent == "ALL" else agent]
    yield b"{"
    yield from _pieces(b"" if not found else {"%s.%s" % (wire.source_name(found[1]), name): value
                                              for name, value in found[3].items()} for found in _samples(core, texts))
    yield b"}"


def dump(core: Any, texts: List[str], names: List[str], filters: Any = None) -> Iterator[bytes]:
    """/dump/{agents}/{metrics}/json?{filters}: every single value, in pieces."""
    now = core.clock()

    def rows() -> Iterator[Any]:
        for found in _samples(core, texts, filters):
            if not found:
                yield b""
                continue
            agent, source, time, values = found
            yield [{"agent": java_text(agent.address), "dataSource": wire.source_name(source), "metricName": name,
                    "metricValue": value, "lastUpdate": now - time}
                   for name, value in values.items() if names == ["ALL"] or name in names]
    yield b"["
    yield from _pieces(rows())
    yield b"]"


def _middle(values: Any, part: Any) -> Any:
    """The value below which the given part of the sorted values lies, between neighbours by weight."""
    place = (len(values) - 1) * part
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def _variance(values: Any) -> Any:
    mean = sum(values) / float(len(values))
    return sum((value - mean) ** 2 for value in values) / len(values)


STATISTICS = {
    "sum": sum, "avg": lambda values: sum(values) / float(len(values)), "var": _variance,
    "sdev": lambda values: _variance(values) ** 0.5, "med": lambda values: _middle(values, 0.5),
    "q1": lambda values: _middle(values, 0.25), "q2": lambda values: _middle(values, 0.5),
    "q3": lambda values: _middle(values, 0.75),
    "iqr": lambda values: _middle(values, 0.75) - _middle(values, 0.25),
}


def metric_rows(core: Any, texts: List[str], wanted: List[str], filters: Any = None) -> Iterator[bytes]:
    """/metric/{agents}/{metrics}/json?{filters}: one row per metric, its values over all data sources brought together."""
    now = core.clock()
    plain = {asked: asked.rpartition(":")[2] for asked in wanted}
    found: Dict[str, Any] = {asked: [] for asked in wanted}
    for sample in _samples(core, texts, filters):
        if not sample:
            yield b""
            continue
        agent, source, time, values = sample
        for asked, name in plain.items():
            if name in values:
                found[asked].append((values[name], now - time, agent, source))
    yield dumps([_metric_row(asked, found[asked]) for asked in wanted])


def _metric_row(asked: str, found: List[Any]) -> Dict[str, Any]:
    how = asked.rpartition(":")[0] or "max"
    if how != "any":
        found = [item for item in found if isinstance(item[0], (int, float))]
    out = {"metricName": asked, "metricN": len(found)}
    if not found:
        return out
    ages = [item[1] for item in found]
    out.update(lastUpdateMin=min(ages), lastUpdateMax=max(ages), lastUpdate=min(ages))
    if how in STATISTICS:
        out["metricValue"] = STATISTICS[how](sorted(item[0] for item in found))
        return out
    value, age, agent, source = found[0] if how == "any" else (min if how == "min" else max)(
        found, key=lambda item: item[0])
    out.update(agent=java_text(agent.address), dataSource=wire.source_name(source), metricValue=value, lastUpdate=age)
    return out


# Traffic.

def _class_key(kind: int) -> str:
    return "tcp_udp" if kind in (packet.TCP, packet.UDP) else packet.CLASSES[kind]


def pairs(core: Any) -> Dict[str, Any]:
    """/traffic/json: frames and bytes per second of every pair of groups that has any."""
    now = core.clock()
    names = core.traffic.groups.names
    out: Dict[Any, Any] = {}
    for key, (frame_rate, byte_rate) in sorted(core.traffic.rates(now).items()):
        source, target, kind, ipv6 = traffic.split_key(key)
        pair = out.setdefault((source, target), {
            "source": names[source], "target": names[target], "frames": dict(tcp_udp=0.0, icmp=0.0, other=0.0),
            "bytes": dict(tcp_udp=0.0, icmp=0.0, other=0.0), "ipv6_frames": 0.0})
        pair["frames"][_class_key(kind)] += frame_rate
        pair["bytes"][_class_key(kind)] += byte_rate
        if ipv6:
            pair["ipv6_frames"] += frame_rate
    return {"updated": core.absolute(now), "window_s": core.traffic.window_s, "groups": names,
            "pairs": [out[pair] for pair in sorted(out)], "max_volume": core.max_volume}


def talkers(core: Any, source: str, target: str) -> Optional[Dict[str, List[Dict[str, Any]]]]:
    """/traffic/talkers/json; None when a group does not exist."""
    names = core.traffic.groups.names
    if source not in names or target not in names:
        return None
    return {"talkers": core.traffic.talkers(names.index(source), names.index(target), core.clock())}


SEVERITY = {packet.TCP: "normal", packet.UDP: "normal", packet.ICMP: "warning", packet.OTHER: "danger"}


def vizceral(core: Any) -> Dict[str, Any]:
    """The data of the Vizceral page: traffic between INTERNET and every other group, by severity."""
    now = core.clock()
    names = core.traffic.groups.names
    inwards = [dict(normal=0, warning=0, danger=0) for _name in names]
    outwards = [dict(normal=0, warning=0, danger=0) for _name in names]
    layers: Any = [{} for _name in names]
    for key, (frame_rate, _bytes) in sorted(core.traffic.rates(now).items()):
        source, target, kind, ipv6 = traffic.split_key(key)
        if (source == REST) == (target == REST):
            continue
        number, metrics_of = (target, inwards) if source == REST else (source, outwards)
        severity = SEVERITY[kind]
        metrics_of[number][severity] += frame_rate
        ends = ("ip6" if ipv6 else "ip", packet.CLASSES[kind])
        layer = layers[number].setdefault(ends if source == REST else ends[::-1], dict(normal=0, warning=0, danger=0))
        layer[severity] += frame_rate
    data = {"name": "vizceral", "renderer": "global", "maxVolume": core.max_volume, "updated": core.absolute(now),
            "entryNode": names[REST], "nodes": [{"renderer": "region", "name": names[REST], "class": "normal"}],
            "connections": []}
    core.layers = {name: core.layers.get(name, set()) for name in names}
    for number, name in enumerate(names):
        if number == REST:
            continue
        # A circle that is being looked into must not vanish with its traffic: Vizceral would stop drawing.
        core.layers[name].update(layers[number])
        for ends in core.layers[name]:
            layers[number].setdefault(ends, dict(normal=0, warning=0, danger=0))
        data["nodes"].append(_region(name, layers[number]))
        data["connections"].append(_connection(names[REST], name, inwards[number]))
        data["connections"].append(_connection(name, names[REST], outwards[number]))
    return {"definitions": {"detailedNode": {"volume": {
        "default": {"top": {"header": "PPS"}, "bottom": {"header": "ERROR RATE"}},
        "focused": {"top": {"header": "PPS"}}, "entry": {"top": {"header": "TOTAL PPS"}}}}}, "data": data, "poll": 5}


def _region(name: str, layers: Dict[Tuple[str, str], Dict[str, float]]) -> Dict[str, Any]:
    nodes = sorted({end for ends in layers for end in ends})
    return {"renderer": "region", "name": name, "class": "normal",
            "nodes": [{"renderer": "focusedChild", "name": node, "class": "normal"} for node in nodes],
            "connections": [_connection(source, target, layers[source, target])
                            for source, target in sorted(layers)]}


def _connection(source: str, target: str, values: Any) -> Dict[str, Any]:
    return {"source": source, "target": target, "metrics": values, "metadata": {"streaming": True}}
