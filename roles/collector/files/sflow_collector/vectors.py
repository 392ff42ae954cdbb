# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools of the batch decoder: words at many places, a hash index, and prefixes as sorted intervals.

Needs numpy, from 1.13 (Ubuntu 18.04) to the newest.
"""

import os
import struct
import sys
from typing import Any, Callable, Dict, List, Tuple

import numpy

np: Any = numpy  # the types of its arrays differ from version to version

PROBES = 8
_TWO_LONGS = struct.Struct(">QQ")


class Memory:
    """A buffer of bytes that is read as big-endian numbers at many places at once.

    Everything in a datagram stands at a multiple of four bytes, so where the datagram does as well, its words are
    elements of an array, which take() collects several times faster than bytes at any offset. Places are counted in
    what is read there: bytes, halves (16 bits) or words (32 bits).
    """

    PAD = 2048  # what is read may lie behind the last datagram, never behind the buffer

    def __init__(self, size: int) -> None:
        self.bytes = np.zeros(size + self.PAD, "u1")
        self.view = memoryview(self.bytes)
        self._words, self._halves = self.bytes.view("u4"), self.bytes.view("u2")
        self._windows: Dict[str, Any] = {}

    def words(self, places: Any, ahead: int = 0) -> Any:
        """The words at these places or so many ahead of them, in the byte order of this machine."""
        out = self._words[ahead:].take(places, mode="clip")
        return out.byteswap(True) if sys.byteorder == "little" else out

    def halves(self, places: Any, ahead: int = 0) -> Any:
        """The halves at these places or so many ahead of them."""
        out = self._halves[ahead:].take(places, mode="clip")
        return out.byteswap(True) if sys.byteorder == "little" else out

    def addresses4(self, halves: Any) -> Any:
        """The IPv4 addresses that begin at these halves."""
        return self.halves(halves).astype("u4") << np.uint32(16) | self.halves(halves, 1)

    def longs(self, halves: Any) -> Any:
        """The numbers of 64 bits that begin at these halves."""
        return self.anywhere(">u8", 2 * halves)

    def anywhere(self, kind: str, places: Any) -> Any:
        """The numbers of this type, as it is on the wire or in a file, that begin at these bytes."""
        return self.windows(kind)[places].astype(kind[1:])

    def windows(self, kind: str) -> Any:
        """A view with a stride of one byte: it has a value of this type at every offset."""
        windows = self._windows.get(kind)
        if windows is None:
            size = np.dtype(kind).itemsize
            windows = self._windows[kind] = np.ndarray((len(self.bytes) - size + 1,), kind, self.bytes, strides=(1,))
        return windows


def hold_heap() -> None:
    """Have the C library keep what temporary arrays leave behind: faulting it in again costs more than decoding it.

    glibc raises the size from which it asks the kernel for every block when a large block is freed.
    """
    np.empty(31 << 20, "u1")


def pair(high: Any, low: Any) -> Any:
    """Two columns of 32-bit words as one of 64 bits."""
    return high.astype("u8") << np.uint64(32) | low


class Index:
    """Open addressing from keys of several 64-bit columns to row numbers; salted, so nobody can aim at it.

    It may forget (a crowded place, a row that got another key): whoever finds nothing asks the dict of the account
    and adds the row again. It never errs: same(rows, which) has the last word on every candidate.
    """

    def __init__(self, capacity: int, columns: int) -> None:
        bits = max(8, (2 * capacity).bit_length())
        salt = np.frombuffer(os.urandom(8 * (columns + 1)), "u8") | np.uint64(1)
        self.salt = [salt[place] for place in range(columns + 1)]
        self.shift = np.uint64(64 - bits)
        self.places = np.zeros((1 << bits) + PROBES, "i4")  # row + 1
        self._cells = memoryview(self.places)

    def hash(self, columns: Tuple[Any, ...]) -> Any:
        """Where to look first for every key."""
        total = columns[0] * self.salt[0]
        for column, salt in zip(columns[1:], self.salt[1:]):
            total += column * salt
        total ^= total >> np.uint64(31)
        total *= self.salt[-1]
        return (total >> self.shift).astype("i8")

    def find(self, places: Any, same: Callable[..., Any]) -> Any:
        """The row of every key, -1 where it is not known; an empty place has row -1, which is that of no key."""
        rows = self.places.take(places).astype("i8") - 1
        missing = (~same(rows, slice(None))).nonzero()[0]
        for step in range(1, PROBES):
            missing = missing[rows[missing] >= 0]
            if not len(missing):
                break
            rows[missing] = candidates = self.places[places[missing] + step].astype("i8") - 1
            missing = missing[~same(candidates, missing)]
        rows[missing] = -1
        return rows

    def add(self, place: int, row: int) -> None:
        """Remember a row; when its places are all taken, one of them is given up."""
        cells = self._cells
        for step in range(PROBES):
            if not cells[place + step]:
                break
        cells[place + step] = row + 1


def intervals(groups: Any, bits: int) -> List[Tuple[int, int]]:
    """The prefixes of one family as [(first address, group number)], nested ones cut out of their parents."""
    prefixes = sorted((network << (bits - size), size, number)
                      for size, table in groups.prefixes[bits].items() for network, number in table.items())
    bounds, stack = {0: 0}, [(1 << bits, 0)]
    for start, size, number in prefixes:
        while stack[-1][0] <= start:
            end = stack.pop()[0]
            bounds[end] = stack[-1][1]
        bounds[start] = number
        stack.append((start + (1 << (bits - size)), number))
    while len(stack) > 1:
        end = stack.pop()[0]
        bounds[end] = stack[-1][1]
    bounds.pop(1 << bits, None)
    return sorted(bounds.items())


class Prefixes:
    """The group of many addresses at once, the same answer as Groups.find.

    IPv4: a table of all /16; only where one is divided, a search among the intervals. IPv6: a search by the upper
    64 bits; only where these are divided, Groups.find.
    """

    MIXED = -1

    def __init__(self, groups: Any) -> None:
        self.groups = groups
        four = intervals(groups, 32)
        self.starts4 = np.array([start for start, _number in four], "u4")
        self.groups4 = np.array([number for _start, number in four], "i8")
        blocks = np.arange(1 << 16, dtype="u4") << np.uint32(16)
        first = np.searchsorted(self.starts4, blocks, "right") - 1
        last = np.searchsorted(self.starts4, blocks | np.uint32(0xFFFF), "right") - 1
        self.blocks = np.where(first == last, self.groups4[first], self.MIXED)
        upper, divided = {}, set()
        for start, number in intervals(groups, 128):
            upper[start >> 64] = number  # the last one of a divided place is what goes on behind it
            if start & ((1 << 64) - 1):
                divided.add(start >> 64)
        for place in divided:
            if place + 1 < 1 << 64:
                upper.setdefault(place + 1, upper[place])
        for place in divided:
            upper[place] = self.MIXED
        six = sorted(upper.items())
        self.starts6 = np.array([start for start, _number in six], "u8")
        self.groups6 = np.array([number for _start, number in six], "i8")

    def find4(self, upper: Any, whole: Callable[..., Any]) -> Any:
        """Groups of IPv4 addresses by their upper 16 bits; whole(which) gives some of the addresses as uint32."""
        out = self.blocks.take(upper)
        mixed = (out < 0).nonzero()[0]
        if len(mixed):
            out[mixed] = self.groups4[np.searchsorted(self.starts4, whole(mixed), "right") - 1]
        return out

    def find6(self, upper: Any, lower: Callable[..., Any]) -> Any:
        """Groups of IPv6 addresses by their upper 64 bits; lower(which) gives the others of some of them."""
        out = self.groups6.take(self.starts6.searchsorted(upper, "right") - 1)
        mixed = (out < 0).nonzero()[0]
        if len(mixed):
            out[mixed] = [self.groups.find(_TWO_LONGS.pack(*address))
                          for address in zip(upper[mixed].tolist(), lower(mixed).tolist())]
        return out
