# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many datagrams by one system call: recvmmsg through ctypes, straight into the memory the batch decoder reads.

Every datagram has a slot of 1600 bytes (not a power of two, whose multiples would fall into the same cache sets) and
a spill area for the rest of a longer one, which is mapped but not touched as long as nothing long arrives. The kernel
writes the time of arrival beside it, so that datagrams may wait in the socket without growing younger; where many
arrive, beside every sixteenth, and those in between take its time. The arrays of the kernel interface (struct mmsghdr,
struct iovec, control messages) are numpy arrays.
"""

import ctypes
import errno
import mmap
import os
import socket
import struct
import sys
import time
from typing import Any, List, Optional

import numpy

from .udp import MAX_DATAGRAM, Pace, buffer_size
from .vectors import Memory

np: Any = numpy  # the types of its arrays differ from version to version

SLOTS = 2048  # a batch that is decoded before the smallest usual receive buffer (4 MiB asked for) fills at full speed,
MANY_SLOTS = 8192  # and one for buffers of this size, which costs less per datagram
LARGE_BUFFER = 32 << 20
SLOT = 1600
SPILL = MAX_DATAGRAM - SLOT
STAMPED, STAMPED_EVERY = 512, 16  # slots at the beginning that all have a time of arrival, and how many of the others do
NAME, CONTROL = 28, 64  # bytes for a sockaddr_in6, and for the time of arrival
SO_TIMESTAMPNS = 35
MADV_DONTNEED = 4

_HEADER = np.dtype({  # struct mmsghdr where pointers have eight bytes
    "names": ["name", "name_size", "vectors", "vector_count", "control", "control_size", "flags", "length"],
    "formats": ["u8", "u4", "u8", "u8", "u8", "u8", "i4", "u4"],
    "offsets": [0, 8, 16, 24, 32, 40, 48, 56], "itemsize": 64})


def available() -> Any:
    """None where this receiver works, else why it does not."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
        return "needs Linux with 64-bit pointers"
    if not hasattr(ctypes.CDLL(None), "recvmmsg"):
        return "the C library has no recvmmsg"
    return None


class BatchReceiver:
    """Fills slots from a socket and has them decoded."""

    def __init__(self, sock: "socket.socket", core: Any, allow: Any, slots: int = 0) -> None:
        self.sock, self.core, self.allow = sock, core, allow
        slots = slots or (MANY_SLOTS if buffer_size(sock) >= LARGE_BUFFER else SLOTS)
        self.slots = slots
        self.pace = Pace(sock, 1.0)
        self.memory = Memory(slots * SLOT)
        self.starts = np.arange(slots, dtype="i8") * SLOT
        self._spill = mmap.mmap(-1, slots * SPILL, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        number = np.arange(slots, dtype="u8")
        stamped = (number < STAMPED) | (number % STAMPED_EVERY == 0)
        self._stamp_of = stamped.cumsum() - 1  # slot -> the row of control that has its time
        self._names = np.zeros((slots, NAME), "u1")
        self._control = np.zeros((int(stamped.sum()), CONTROL), "u1")
        self._control_sizes = np.where(stamped, CONTROL, 0).astype("u8")
        self._vectors = np.zeros((slots, 2, 2), "u8")
        self._headers = np.zeros(slots, _HEADER)
        spill = ctypes.addressof(ctypes.c_char.from_buffer(self._spill))
        self._vectors[:, 0, 0] = self.memory.bytes.ctypes.data + self.starts.astype("u8")
        self._vectors[:, 0, 1] = SLOT
        self._vectors[:, 1, 0] = spill + number * np.uint64(SPILL)
        self._vectors[:, 1, 1] = SPILL
        for name, array, size, row in (("name", self._names, NAME, number), ("vectors", self._vectors, 32, number),
                                       ("control", self._control, CONTROL, self._stamp_of.astype("u8"))):
            self._headers[name] = array.ctypes.data + row * np.uint64(size)
        self._headers["vector_count"] = 2
        libc = ctypes.CDLL(None, use_errno=True)
        self._recvmmsg, self._madvise = libc.recvmmsg, libc.madvise
        self._madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        self._spill_address = spill
        self._address = ctypes.c_void_p(self._headers.ctypes.data)
        self._six = sock.family == socket.AF_INET6
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def drain(self) -> Optional[float]:
        """Receive and decode what is there; seconds to leave the socket alone, None to wait for the next datagram."""
        count = self._receive()
        if count:
            self._decode(count)
        return self.pace.after(count, count == self.slots)

    def _receive(self) -> int:
        headers = self._headers
        headers["name_size"] = NAME
        headers["control_size"] = self._control_sizes
        while True:
            count = self._recvmmsg(self.sock.fileno(), self._address, self.slots, socket.MSG_DONTWAIT, None)
            if count >= 0:
                return count
            error = ctypes.get_errno()
            if error == errno.EAGAIN:
                return 0
            if error not in (errno.EINTR, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
                raise OSError(error, os.strerror(error))

    def _decode(self, count: int) -> None:
        headers = self._headers[:count]
        lengths, cut = headers["length"].astype("i8"), headers["flags"] & socket.MSG_TRUNC != 0
        sources, times = self._sources(count), self._times(count)
        if not self.allow and not cut.any() and lengths.max() <= SLOT:
            self.core.batch.decode(self.memory, self.starts[:count], lengths, sources, times)
            return
        good = np.ones(count, bool)
        if self.allow:
            for place, source in enumerate(sources.astype(">u8")):
                good[place] = self.allow.allows(source.tobytes())
            self.core.account.refused += int(count - good.sum())
        for place in np.flatnonzero(good & cut).tolist():
            good[place] = False
            self.core.account.truncated += 1
            self.core.account.error("truncated", sources[place].astype(">u8").tobytes())
        if (good & (lengths > SLOT)).any():
            self._decode_spilled(np.flatnonzero(good).tolist(), lengths.tolist(), sources.astype(">u8"), times.tolist())
            return
        which = np.flatnonzero(good)
        if len(which):
            self.core.batch.decode(self.memory, self.starts[which], lengths[which], sources[which], times[which])

    def _sources(self, count: int) -> Any:
        """The addresses of the senders."""
        names = self._names[:count]
        if self._six:
            return np.ascontiguousarray(names[:, 8:24]).view(">u8").astype("u8")
        sources = np.zeros((count, 2), "u8")
        sources[:, 1] = names.view(">u4")[:, 1] | np.uint64(0xFFFF << 32)
        return sources

    def _decode_spilled(self, places: List[int], lengths: List[int], sources: Any, times: List[int]) -> None:
        """Datagrams of which some did not fit into their slots: all are gathered, in order, and decoded from there."""
        view, spill, core = self.memory.view, memoryview(self._spill), self.core
        for place in places:
            first, length = place * SLOT, lengths[place]
            data: Any = view[first:first + min(length, SLOT)]
            if length > SLOT:
                data = bytes(data) + bytes(spill[place * SPILL:place * SPILL + length - SLOT])
            core.take(data, length, sources[place].tobytes(), times[place])
        core.drain()
        spill.release()
        self._madvise(self._spill_address, len(self._spill), MADV_DONTNEED)

    def _times(self, count: int) -> Any:
        """When the datagrams arrived, by our clock: it may differ from the kernel's after that was set."""
        now = self.core.clock()
        stamp_of = self._stamp_of[:count]
        control = self._control[:stamp_of[-1] + 1]
        words, there = control.view("i8"), control.view("i4")[:, 3] == SO_TIMESTAMPNS
        arrived = words[:, 2] * 1000 + words[:, 3] // 1000000 + (now - int(time.time() * 1000))
        if not there.all():
            arrived[~there] = now
        return np.maximum.accumulate(np.minimum(np.maximum(arrived, now - 60000), now)).take(stamp_of)
