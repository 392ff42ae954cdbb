# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector without sockets: datagrams go in, the account and the traffic come out.

Both ways in (the service and the replay of a capture) and both decoders meet here.
"""

import os
import resource
import time
from typing import Any, Dict, Iterable, Optional, Set, Tuple

from . import account, capture, groups, packet, traffic, wire

STEP_MS = 1000  # a system clock that differs by less was not set


class Clock:
    """Milliseconds since the epoch that never go back: a stepped system clock must not look like a restart."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._behind = 0

    def __call__(self) -> int:
        return int((self._offset + time.monotonic()) * 1000)

    def behind(self) -> int:
        """Milliseconds that the system clock is ahead of this one, since it was set. It changes by STEP_MS at least, so that
        what is told of a moment stays the same from one time to the next."""
        behind = int(time.time() * 1000) - self()
        if abs(behind - self._behind) >= STEP_MS:
            self._behind = behind
        return self._behind


def usage() -> Tuple[float, int]:
    """(CPU seconds, largest resident memory in bytes) of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


class Collector:
    """Decodes datagrams one at a time and keeps what they say."""

    decoder = "scalar"
    decoder_reason = "asked for"

    def __init__(self, max_agents: int = account.MAX_AGENTS, groups_path: Optional[str] = None,
                 window_s: int = traffic.WINDOW_S, clock: Any = None, max_volume: int = 100000,
                 forget_ms: int = account.FORGET_MS) -> None:
        self.clock = clock or Clock()
        self.account = account.Account(max_agents, forget_ms)
        self.groups_file = groups.GroupsFile(groups_path)
        self.traffic = traffic.Traffic(self.groups_file.groups, window_s)
        self.max_volume = max_volume
        self.layers: Dict[str, Set[Tuple[str, str]]] = {}  # what the Vizceral page has been shown inside of every group
        self.started = self.clock()
        self.restored = False
        self.others_usage = (0.0, 0)  # usage() of the processes that receive for this one
        self.udp = {"address": None, "port": None, "receive_buffer_bytes": 0, "kernel_drops": 0}

    def receive(self, data: packet.Bytes, length: int, source: bytes, now: int) -> None:
        """Take one datagram: length bytes of data from a source address of 16 bytes."""
        datagram = wire.decode(data, length)
        row = self.account.apply(datagram, source, length, now)
        if row is None:
            return
        self.account.samples(row, datagram.samples, data, now)
        for sample in datagram.samples:
            if sample.packet is not None:
                self.traffic.add(sample.packet, sample.words["rate"], now)

    def take(self, data: packet.Bytes, length: int, source: bytes, now: int) -> None:
        """Take one datagram now or with the next batch; flush() makes sure that it is accounted for."""
        self.receive(data, length, source, now)

    def take_all(self, located: Iterable["capture.Located"], now: int = 0) -> int:
        """Take datagrams as capture.located() yields them, at their times but not before now; the newest time."""
        for arrived, source, data, begin, end in located:
            now = max(now, arrived)
            self.take(data[begin:end], end - begin, source, now)
        return now

    def flush(self) -> None:
        """Account for everything received so far that a decoder holds back."""

    def absolute(self, time_ms: int) -> int:
        """A time of the clock as the system clock has it by now, for whoever compares it with that. Of a clock that is not
        ours, as that of a capture, the time itself."""
        behind = getattr(self.clock, "behind", None)
        return time_ms if behind is None else time_ms + behind()

    def usage(self) -> Tuple[float, int]:
        """(CPU seconds, largest resident memory in bytes) of everything that works for this collector."""
        seconds, memory = usage()
        return seconds + self.others_usage[0], memory + self.others_usage[1]

    def forget(self) -> None:
        """Begin with an empty account."""
        self.account = account.Account(self.account.max_agents, self.account.forget_ms)

    def poll_groups(self) -> Any:
        """Follow the groups file; the problem when it has just become unusable, else None."""
        before = self.groups_file.problem
        if self.groups_file.poll():
            self.regroup()
        return self.groups_file.problem if self.groups_file.problem != before else None

    def regroup(self) -> None:
        """Use the groups of the file from now on."""
        self.traffic.regroup(self.groups_file.groups)


def create(decoder: str, **options: Any) -> Any:
    """A collector with the decoder asked for: "scalar", "batch", or "auto", which is batch where numpy is."""
    from .learned import LearnedCollector
    if decoder == "scalar":
        return LearnedCollector(**options)
    # Starting the threads of a library for linear algebra, which nobody uses here, would take longer than numpy itself.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from .batch import BatchCollector
    except Exception as error:  # not there, or it cannot live in this sandbox: the scalar decoder needs neither
        reason = "numpy cannot be used: %s: %s" % (type(error).__name__, error)
        if decoder == "batch":
            raise ValueError(reason) from None
        out: Collector = LearnedCollector(**options)
        out.decoder_reason = reason
        return out
    out = BatchCollector(**options)
    out.decoder_reason = "numpy is there" if decoder == "auto" else "asked for"
    return out
