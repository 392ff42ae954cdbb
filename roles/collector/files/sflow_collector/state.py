# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account on disk, so that a restart of the service does not begin from nothing.

A line of JSON for what is counted for all, and one for every agent; so neither who writes nor who reads ever has more than one
agent besides the account. Written by a forked child while the service goes on receiving, put in place by rename. The child has
its own copy of which agents there are, but shares the columns of figures with the service, so a figure may be a moment
newer than the one beside it. What comes back is counts and settings; the time the collector
was away is not counted as loss, since every restored stream begins at the next sequence number it sees.
"""

import contextlib
import itertools
import json
import os
from typing import Any, Dict, Iterator, List

from . import account as accounts
from . import kept

FORMAT = 2
FILE = "account.json"
MAX_BYTES = 512 << 20  # of a file of format 1, which is one document and has to be read whole
MAX_LINE = 16 << 20  # characters of a line: an agent with all data sources that it may have takes a tenth of it
#: What the newest counter samples said is not saved: the next ones say it again.
VOLATILE = frozenset(column.partition(":")[0] for column in (accounts.IDENTITY_COLUMNS + kept.COLUMNS).split())
MARKS = ("datagrams_marked", "lost_marked", "datagrams_before", "lost_before")
#: What a stream is given when its row is made.
IDENTITY = frozenset(["agent", "life", "several", "source_high", "source_low", "high", "low", "sub_agent"])

#: Columns with times of the clock; 0 is never.
TIMES = frozenset(["first", "since", "last", "heard", "turned", "before_boot", "last_flow", "last_counter"])


def to_plain(account: "accounts.Account") -> Dict[str, Any]:
    """The account as plain values."""
    return dict(_header(account), agents=list(_agents(account)))


def _header(account: "accounts.Account") -> Dict[str, Any]:
    """What is counted for all agents together."""
    return {"format": FORMAT, "marked": account.marked, "datagrams": account.datagrams, "bytes": account.bytes,
            "refused": account.refused, "truncated": account.truncated, "overflow": account.overflow}


def _agents(account: "accounts.Account") -> Iterator[Dict[str, Any]]:
    """Every agent as plain values."""
    for agent in account.by_number:
        streams: List[Any] = [[source.hex(), account.streams.row(row)] for source, row in agent.streams]
        places = {row: place for place, (_source, row) in enumerate(agent.streams)}
        for _source, values in streams:
            values["life"] = places[values["life"]]
        yield {
            "address": agent.address.hex(), "sub_agent": agent.sub_agent, "first": agent.first,
            "retired": agent.retired,
            "identities": [list(name) + times for name, times in (agent.identities or {}).items()],
            "streams": streams,
            "points": [_point(account, row) for row in agent.points.values()],
        }


def _point(account: "accounts.Account", row: int) -> Dict[str, Any]:
    values = account.points.row(row, VOLATILE)
    values["name"], values["speed"] = account.describe(row, values["last_counter"])
    return values


def from_plain(plain: Any, account: "accounts.Account", add: bool = False) -> None:
    """Add plain values, whose agents may be any iterable, to an account; ValueError or KeyError when they are not what to_plain
    makes.

    add: what the account has of the same stream or data source is summed up, as for several workers; without it the
    streams begin anew with the next datagram, and the recent figures with the next two marks.
    """
    if plain["format"] != FORMAT:
        raise ValueError("format %r, expected %d" % (plain["format"], FORMAT))
    for each in plain["agents"]:
        _restore_agent(each, account, add)
    if add:  # the recent figures of several workers together begin where the first of them begin
        account.marked = [min(filter(None, times), default=0) for times in zip(account.marked, plain["marked"])]
    for name in "datagrams", "bytes", "refused", "truncated":
        setattr(account, name, getattr(account, name) + int(plain[name]))
    for name in account.overflow:
        account.overflow[name] += int(plain["overflow"].get(name, 0))


def _restore_agent(each: Dict[str, Any], account: "accounts.Account", add: bool) -> None:
    address, sub_agent = bytes.fromhex(each["address"]), int(each["sub_agent"])
    streams, points = account.streams, account.points
    rows = []
    for source, values in each["streams"]:
        row = account.stream(bytes.fromhex(source), address, sub_agent, int(values["first"]))
        rows.append(row)
        if row is None:
            continue
        values = {name: values[name] for name in values if name not in IDENTITY}
        if add and streams.running[row]:
            values = _together(streams.row(row), values, accounts.SUMS + MARKS, "last")
        streams.fill(row, values)
        streams.running[row] = 1 if add else 0
        if not add:
            streams.has_before[row] = 0
    for row, (_source, values) in zip(rows, each["streams"]):
        life = rows[values.get("life", 0)]
        if row is not None and life is not None:
            streams.life[row] = life
    agent = account.agents.get((address, sub_agent))
    if agent is None:
        return
    agent.first = min(agent.first, int(each["first"]))
    if each["retired"]:
        before = agent.retired or {}
        agent.retired = {name: before.get(name, 0) + int(each["retired"][name]) for name in accounts.SUMS}
    for host, uuid, first, last in each["identities"][:accounts.MAX_IDENTITIES]:
        agent.identities = agent.identities or {}
        times = agent.identities.setdefault((host, uuid), [first, last])
        times[:] = min(times[0], first), max(times[1], last)
    for values in each["points"]:
        known = int(values["source"]) in agent.points
        row = account.point(agent, int(values["source"]))
        if row is None:
            continue
        name, speed = values.get("name"), values.get("speed")
        if add and known:
            values = _together(points.row(row), values, ("flows", "counters", "discards"), "last_counter")
        points.fill(row, dict(values, agent=agent.number))
        if not add:
            account.interrupted(row)
            points.last_counter[row] = 0  # the time the collector was away is no polling interval
            if points.polls[row]:
                agent.polled.append(row)
        if name is not None or speed is not None:
            account.names[row] = name, speed, 0


def _together(one: Any, other: Any, sums: Any, newest: Any) -> Any:
    """Two rows as one: sums of what counts, the rest of the newer."""
    out = dict(one, **other) if other[newest] >= one[newest] else dict(other, **one)
    for name in sums:
        out[name] = one[name] + other[name]
    return out


def save(account: "accounts.Account", folder: str, now: int) -> None:
    """Write the account as of now; the old file stays until the new one is complete."""
    path = os.path.join(folder, FILE)
    temporary = path + ".new"  # of one name, so that a save that is killed leaves one file, which the next one replaces
    try:
        with open(temporary, "w", encoding="utf-8") as stream:
            head = dict(_header(account), saved=now, agents=len(account.by_number))
            for line in itertools.chain([head], _agents(account)):
                stream.write(json.dumps(line, separators=(",", ":")) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def load(account: "accounts.Account", folder: str, now: int) -> bool:
    """Fill an empty account from the folder: True when there was a file; ValueError when it cannot be used.

    Where the clock was fast in the former life, so that the account was saved after now, its times are moved back: an agent
    that was heard in the future would look alive for as long.
    """
    try:
        with open(os.path.join(folder, FILE), encoding="utf-8") as stream:
            plain = _plain(stream)
            ahead = max(0, int(plain["saved"]) - now)
            if ahead:
                plain["agents"] = (_earlier(each, ahead) for each in plain["agents"])
            from_plain(plain, account)
    except FileNotFoundError:
        return False
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError("not a saved account: %s: %s" % (type(error).__name__, error)) from None
    return True


def tidy(folder: str) -> None:
    """Remove what saves that were killed have left, those of the first release too, whose names had a number."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(FILE + ".") and name.endswith(".new"):
                os.unlink(os.path.join(folder, name))


def _plain(stream: Any) -> Dict[str, Any]:
    """The plain values in a file, its agents one after the other as they are asked for."""
    head = stream.readline(MAX_LINE)
    if head.endswith("\n"):
        plain = json.loads(head)
        if isinstance(plain, dict) and isinstance(plain.get("agents"), int):
            return dict(plain, agents=_lines(stream, plain["agents"]))
    if os.fstat(stream.fileno()).st_size > MAX_BYTES:
        raise ValueError("larger than %d bytes" % MAX_BYTES)
    stream.seek(0)
    plain = json.load(stream)
    if plain["format"] != 1:
        raise ValueError("format %r, expected %d" % (plain["format"], FORMAT))
    # Which had the same values, but all in one document, and not when it was saved: soon after the newest of them.
    newest = max((int(values[name]) for each in plain["agents"] for values in _rows(each) for name in TIMES & set(values)), default=0)
    return dict(plain, format=FORMAT, saved=newest)


def _rows(each: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The rows of a saved agent in which times stand: its own, and those of its streams and data sources."""
    return [each] + [values for _source, values in each["streams"]] + each["points"]


def _earlier(each: Dict[str, Any], by: int) -> Dict[str, Any]:
    """A saved agent with all times so many milliseconds earlier."""
    for values in _rows(each):
        for name in TIMES & set(values):
            if values[name]:
                values[name] = max(1, values[name] - by)
    each["identities"] = [[host, uuid, first - by, last - by] for host, uuid, first, last in each["identities"]]
    return each


def _lines(stream: Any, number: int) -> Iterator[Any]:
    """The values in so many lines; ValueError when there are not so many."""
    for place in range(number):
        line = stream.readline(MAX_LINE)
        if not line.endswith("\n"):
            raise ValueError("cut off at agent %d of %d" % (place + 1, number))
        yield json.loads(line)


def save_in_child(account: Any, folder: Any, now: int) -> Any:
    """Fork a child that saves the account as of now; its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        save(account, folder, now)
        status = 0
    finally:
        os._exit(status)
