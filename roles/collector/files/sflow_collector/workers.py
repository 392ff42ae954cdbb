# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes that receive on one port (SO_REUSEPORT): the kernel hands every sender to one of them.

Each worker is a collector of its own and answers nobody but the parent, which has no socket for datagrams. When
somebody asks the parent, and at most every two seconds, it takes a picture of every worker: the worker forks, the
child writes its account and traffic into a pipe, and the worker goes on receiving. The pictures are added up.
"""

import contextlib
import os
import pickle
import selectors
import signal
import socket
import struct
import time

from . import core, state, udp

PICTURE_SECONDS = 2.0  # a picture is good for so long
ANSWER_SECONDS = 30
MAX_PICTURE = 1 << 30
TALKERS = 4096  # newest packets of a worker's ring that a picture holds
_LENGTH = struct.Struct(">Q")


class WorkerFailed(OSError):
    """A worker is gone or does not answer."""


def picture(collector):
    """What a worker knows, as plain values."""
    collector.flush()
    account = collector.account
    return {
        "account": state.to_plain(account), "errors": account.errors, "error_sources": account.error_sources,
        "unknown": account.unknown, "unknown_samples": account.unknown_samples, "udp": collector.udp,
        "traffic": collector.traffic.to_plain(TALKERS), "groups": collector.traffic.groups.names,
    }


def run_worker(settings, pipe):
    """The life of a worker: receive, and give pictures, until the pipe closes."""
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, signal.SIG_IGN)  # the parent says when to stop, by closing the pipe
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    collector = core.create(settings.decoder, max_agents=settings.max_agents, groups_path=settings.groups,
                            window_s=settings.window_seconds)
    sock = udp.open_socket(settings.udp_address, settings.udp_port, settings.receive_buffer_bytes, share=True)
    receiver = udp.receiver(sock, collector, udp.AllowList(settings.allow))
    collector.udp.update(receive_buffer_bytes=udp.buffer_size(sock))
    selector = selectors.DefaultSelector()
    selector.register(pipe, selectors.EVENT_READ)
    schedule = udp.Schedule(selector, sock, receiver)
    pipe.sendall(b"r")
    groups_at = time.monotonic()
    while True:
        for key, _events in selector.select(min(1.0, schedule.timeout())):
            if key.data is not None:
                key.data()
            elif not pipe.recv(64):
                return
            else:
                schedule.now()
                collector.udp["kernel_drops"] = udp.kernel_drops(sock)
                if not os.fork():
                    _send_picture(collector, pipe)
        schedule.turn()
        if time.monotonic() - groups_at > 1:
            groups_at = time.monotonic()
            collector.poll_groups()


def _send_picture(collector, pipe):
    """In the forked child: write the picture and end."""
    status = 1
    try:
        data = pickle.dumps(picture(collector), 4)
        pipe.sendall(_LENGTH.pack(len(data)) + data)
        status = 0
    finally:
        os._exit(status)


class Workers:
    """The workers as the parent sees them."""

    def __init__(self, settings):
        self.settings = settings
        self.base = None  # the restored account as plain values: it is added to every sum
        self.pipes, self.children = [], []
        self._taken = 0.0
        for _unused in range(settings.workers):
            ours, theirs = socket.socketpair()
            child = os.fork()
            if not child:
                for pipe in self.pipes + [ours]:
                    pipe.close()
                status = 1
                try:
                    run_worker(settings, theirs)
                    status = 0
                finally:
                    os._exit(status)
            theirs.close()
            ours.settimeout(ANSWER_SECONDS)
            self.pipes.append(ours)
            self.children.append(child)
        for pipe in self.pipes:
            if pipe.recv(1) != b"r":
                raise WorkerFailed("a worker did not start")

    def alive(self):
        """Whether every worker still runs."""
        return not any(os.waitpid(child, os.WNOHANG)[0] for child in self.children)

    def refresh(self, collector, force=False):
        """Put the sum of all workers into a collector, unless the last one is fresh enough."""
        if not force and time.monotonic() - self._taken < PICTURE_SECONDS:
            return
        for pipe in self.pipes:
            pipe.sendall(b"p")
        pictures = [self._answer(pipe) for pipe in self.pipes]
        self._taken = time.monotonic()
        collector.forget()
        account = collector.account
        for plain in ([self.base] if self.base else []) + [each["account"] for each in pictures]:
            state.from_plain(plain, account, add=True)
        collector.traffic.clear()
        collector.udp["kernel_drops"] = sum(each["udp"]["kernel_drops"] for each in pictures)
        collector.udp["receive_buffer_bytes"] = pictures[0]["udp"]["receive_buffer_bytes"]
        for each in pictures:
            for name in "errors", "error_sources", "unknown", "unknown_samples":
                counts = getattr(account, name)
                for key, number in each[name].items():
                    counts[key] = counts.get(key, 0) + number
            if each["groups"] == collector.traffic.groups.names:
                collector.traffic.from_plain(each["traffic"])

    @staticmethod
    def _answer(pipe):
        def exactly(size):
            out = bytearray()
            while len(out) < size:
                part = pipe.recv(min(1 << 20, size - len(out)))
                if not part:
                    raise WorkerFailed("a worker ended")
                out += part
            return out
        try:
            size, = _LENGTH.unpack(exactly(_LENGTH.size))
            if size > MAX_PICTURE:
                raise WorkerFailed("a picture of %d bytes" % size)
            return pickle.loads(bytes(exactly(size)))  # noqa: S301  it comes from our own child
        except OSError as error:
            raise WorkerFailed("a worker does not answer: %s" % error) from None

    def close(self):
        """Let the workers end."""
        for pipe in self.pipes:
            pipe.close()
        for child in self.children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
