# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes that receive on one port (SO_REUSEPORT): the kernel hands every agent to one of them.

Each worker is a collector of its own, restored from its part of the saved account, and answers nobody but the parent,
which takes no datagrams itself. When somebody asks the parent, and at most every two seconds, it takes a picture of
every worker: the worker forks, the child writes its account and traffic into a pipe, and the worker goes on receiving.
The pictures are put together. The newest counter samples are most of the bytes, so they are asked for only when
somebody wants values out of them.
"""

import contextlib
import gc
import os
import pickle
import selectors
import signal
import socket
import struct
import time
from typing import Any, Dict, List, Tuple

from . import core, state, udp
from .settings import DAY_MS

PICTURE_SECONDS = 2.0  # a picture is good for so long
ANSWER_SECONDS = 30
MAX_PICTURE = 1 << 30
TALKERS = 4096  # newest packets of a worker's ring that a picture holds
READY, PLAIN, WITH_SAMPLES = b"r", b"p", b"s"  # what goes through the pipe before a picture comes back
_LENGTH = struct.Struct(">Q")


class WorkerFailed(OSError):
    """A worker is gone or does not answer."""


def picture(collector: Any, with_samples: bool) -> Dict[str, Dict[str, Any]]:
    """What a worker knows, as plain values."""
    account = collector.account
    return {
        "account": state.to_plain(account), "errors": account.errors, "error_sources": account.error_sources,
        "unknown": account.unknown, "unknown_samples": account.unknown_samples, "udp": collector.udp,
        "decoder_reason": collector.decoder_reason, "traffic": collector.traffic.to_plain(TALKERS),
        "groups": collector.traffic.groups.names,
        "samples": [(agent.address, agent.sub_agent, source, account.kept.get(point)) for agent in account.by_number
                    for source, point in agent.points.items() if account.points.kept[point]] if with_samples else [],
    }


def run_worker(settings: Any, sock: "socket.socket", pipe: "socket.socket", plain: Dict[str, Any]) -> None:
    """The life of a worker: receive, and give pictures, until the pipe closes. plain is the account it begins with."""
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, signal.SIG_IGN)  # the parent says when to stop, by closing the pipe
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    collector = core.create(settings.decoder, max_agents=-(-settings.max_agents // settings.workers),
                            groups_path=settings.groups, window_s=settings.window_seconds,
                            forget_ms=settings.forget_days * DAY_MS)
    state.from_plain(plain, collector.account)
    for _mark in range(2):  # what is restored is not recent
        collector.account.mark(collector.clock())
    receiver = udp.receiver(sock, collector, udp.AllowList(settings.allow))
    collector.udp.update(receive_buffer_bytes=udp.buffer_size(sock))
    selector = selectors.DefaultSelector()
    selector.register(pipe, selectors.EVENT_READ)
    schedule = udp.Schedule(selector, sock, receiver)
    pipe.sendall(READY)
    gc.disable()  # as in Service.run
    groups_at = time.monotonic()
    while True:
        for key, _events in selector.select(min(1.0, schedule.timeout())):
            if key.data is not None:
                key.data()
                continue
            asked = pipe.recv(1)
            if not asked:
                return
            schedule.now()
            collector.flush()  # here, since the child shares the columns of figures
            collector.udp["kernel_drops"] = udp.kernel_drops(sock)
            usage = core.usage()
            if not os.fork():
                _send_picture(collector, pipe, asked == WITH_SAMPLES, usage)
        schedule.turn()
        if time.monotonic() - groups_at > 1:
            groups_at = time.monotonic()
            collector.poll_groups()
            collector.flush()
            collector.account.roll(collector.clock())
            gc.collect(1)


def _send_picture(collector: Any, pipe: "socket.socket", with_samples: bool, usage: Tuple[float, int]) -> None:
    """In the forked child: write the picture and end."""
    status = 1
    try:
        data = pickle.dumps(dict(picture(collector, with_samples), usage=usage), 4)
        pipe.sendall(_LENGTH.pack(len(data)) + data)
        status = 0
    finally:
        os._exit(status)


def _part(plain: Dict[str, Any], number: int, workers: int) -> Dict[str, Any]:
    """What a worker gets of a saved account: its agents; the first worker also the counts that belong to none."""
    agents = [each for each in plain["agents"]
              if udp.worker_of(bytes.fromhex(each["address"]), workers) == number]
    if number:
        plain = dict(plain, datagrams=0, bytes=0, refused=0, truncated=0, overflow={})
    return dict(plain, agents=agents)


class Workers:
    """The workers as the parent sees them."""

    def __init__(self, settings: Any, plain: Dict[str, Any]) -> None:
        self.pipes: List[socket.socket] = []
        self.children: List[int] = []
        self._taken, self._with_samples = -PICTURE_SECONDS, False
        self.failed = False
        sockets = self._open(settings)
        self.port = sockets[0].getsockname()[1]
        for number, sock in enumerate(sockets):
            ours, theirs = socket.socketpair()
            child = os.fork()
            if not child:
                for each in self.pipes + [ours] + [other for other in sockets if other is not sock]:
                    each.close()
                status = 1
                try:
                    run_worker(settings, sock, theirs, _part(plain, number, settings.workers))
                    status = 0
                finally:
                    os._exit(status)
            theirs.close()
            ours.settimeout(ANSWER_SECONDS)
            self.pipes.append(ours)
            self.children.append(child)
        for sock in sockets:
            sock.close()
        for pipe in self.pipes:
            if pipe.recv(1) != READY:
                raise WorkerFailed("a worker did not start")

    @staticmethod
    def _open(settings: Any) -> List["socket.socket"]:
        """A socket for every worker, all on one port: all there before the first datagram is handed to one of them."""
        sockets, port = [], settings.udp_port
        try:
            for _unused in range(settings.workers):
                sockets.append(udp.open_socket(settings.udp_address, port, settings.receive_buffer_bytes, share=True))
                port = sockets[0].getsockname()[1]
            udp.steer(sockets[0], settings.workers)
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        return sockets

    def alive(self) -> bool:
        """Whether every worker still runs and has answered so far."""
        return not self.failed and not any(os.waitpid(child, os.WNOHANG)[0] for child in self.children)

    def refresh(self, collector: "core.Collector", with_samples: bool = False, force: bool = False) -> None:
        """Put what all workers know into a collector, unless it has that already and it is fresh enough."""
        if (not force and time.monotonic() - self._taken < PICTURE_SECONDS
                and self._with_samples >= with_samples):
            return
        pictures = self._pictures(WITH_SAMPLES if with_samples else PLAIN)
        self._taken, self._with_samples = time.monotonic(), with_samples
        collector.forget()
        account = collector.account
        collector.traffic.clear()
        collector.udp["kernel_drops"] = sum(each["udp"]["kernel_drops"] for each in pictures)
        collector.udp["receive_buffer_bytes"] = pictures[0]["udp"]["receive_buffer_bytes"]
        collector.decoder_reason = pictures[0]["decoder_reason"]
        collector.others_usage = (sum(each["usage"][0] for each in pictures), sum(each["usage"][1] for each in pictures))
        for each in pictures:
            state.from_plain(each["account"], account, add=True)
            for name in "errors", "error_sources", "unknown", "unknown_samples":
                counts = getattr(account, name)
                for key, number in each[name].items():
                    counts[key] = counts.get(key, 0) + number
            for address, sub_agent, source, (newest, sample, before, sample_before) in each["samples"]:
                agent = account.agents.get((address, sub_agent))
                point = agent.points.get(source) if agent else None
                if point is not None and newest >= account.points.kept_at[point]:
                    if sample_before:
                        account.kept.put(point, sample_before, before)
                    account.kept.put(point, sample, newest)
            if each["groups"] == collector.traffic.groups.names:
                collector.traffic.from_plain(each["traffic"])

    def _pictures(self, asked: Any) -> Any:
        """What all workers answer. One that does not leaves the pipes out of step: there is no going on from that."""
        try:
            for pipe in self.pipes:
                pipe.sendall(asked)
            return [self._answer(pipe) for pipe in self.pipes]
        except OSError as error:
            self.failed = True
            raise WorkerFailed("a worker does not answer: %s" % error) from None

    @staticmethod
    def _answer(pipe: "socket.socket") -> Dict[str, Dict[Any, Any]]:
        def exactly(size: int) -> bytearray:
            out = bytearray()
            while len(out) < size:
                part = pipe.recv(min(1 << 20, size - len(out)))
                if not part:
                    raise WorkerFailed("a worker ended")
                out += part
            return out
        size, = _LENGTH.unpack(exactly(_LENGTH.size))
        if size > MAX_PICTURE:
            raise WorkerFailed("a picture of %d bytes" % size)
        return pickle.loads(bytes(exactly(size)))  # noqa: S301  it comes from our own child

    def close(self) -> None:
        """Let the workers end."""
        for pipe in self.pipes:
            pipe.close()
        for child in self.children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
