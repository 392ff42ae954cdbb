# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest two counter samples of every data source, as they came: they are read when somebody asks.

They lie in slots of a few sizes, two halves to a slot, in memory that is mapped but not touched before it is used.
The batch decoder copies into the same slots. When a size has no slot left, its samples are counted, not kept.
"""

import mmap
from typing import Any, List, Tuple

from . import packet

SIZES = (128, 768, 1408)  # bytes of a half; a host with its interfaces fits the second, a whole datagram the third
BUDGETS = (24 << 20, 48 << 20, 24 << 20)

#: Columns of a data source: class << 28 | slot + 1, which half is the newest, and size and time of both.
COLUMNS = "kept:I kept_half:B kept_size:H kept_before:H kept_at:q kept_before_at:q"
CLASS_SHIFT = 28
SLOT = (1 << CLASS_SHIFT) - 1


class KeptSamples:
    """Slots for the data sources of a table of points."""

    def __init__(self, points: Any) -> None:
        self.points = points
        self._columns = [getattr(points, name) for name in (
            "kept", "kept_half", "kept_size", "kept_before", "kept_at", "kept_before_at")]
        self.slots = [budget // (2 * size) for size, budget in zip(SIZES, BUDGETS)]
        self.used = [0] * len(SIZES)
        self.free: List[List[int]] = [[] for _size in SIZES]  # slots that were given back
        self.arenas = [mmap.mmap(-1, slots * 2 * size) for slots, size in zip(self.slots, SIZES)]
        self.views = [memoryview(arena) for arena in self.arenas]

    def put(self, point: int, data: packet.Bytes, now: int) -> bool:
        """Keep a sample; False when there is no room."""
        slots, halves, sizes, sizes_before, times, times_before = self._columns
        where, size = slots[point], len(data)
        number = where >> CLASS_SHIFT
        if not where or size > SIZES[number]:
            where = self._take(size)
            if not where:
                return False
            self.drop(point)
            number = where >> CLASS_SHIFT
            slots[point] = where
            sizes[point] = 0
        half = halves[point] = halves[point] ^ 1
        sizes_before[point], times_before[point] = sizes[point], times[point]
        sizes[point], times[point] = size, now
        begin = (((where & SLOT) - 1) * 2 + half) * SIZES[number]
        self.arenas[number][begin:begin + size] = data
        return True

    def _take(self, size: int) -> int:
        """A free slot for samples of a size, 0 when there is none."""
        for number, fits in enumerate(SIZES):
            if size <= fits:
                if self.free[number]:
                    return number << CLASS_SHIFT | self.free[number].pop()
                if self.used[number] >= self.slots[number]:
                    return 0
                self.used[number] += 1
                return number << CLASS_SHIFT | self.used[number]
        return 0

    def drop(self, point: int) -> None:
        """Give back the slot of a data source."""
        where = self.points.kept[point]
        if where:
            self.free[where >> CLASS_SHIFT].append(where & SLOT)
            self.points.kept[point] = 0

    def _body(self, where: int, half: int, size: int) -> bytes:
        number = where >> CLASS_SHIFT
        begin = (((where & SLOT) - 1) * 2 + half) * SIZES[number]
        return bytes(self.views[number][begin:begin + size])

    def newest(self, point: int) -> bytes:
        """The newest sample of a data source of which one is kept."""
        points = self.points
        return self._body(points.kept[point], points.kept_half[point], points.kept_size[point])

    def get(self, point: int) -> Tuple[int, bytes, int, bytes]:
        """(time, sample, time before, sample before) of a data source; samples are b"" where there is none."""
        points = self.points
        where, half = points.kept[point], points.kept_half[point]
        if not where:
            return 0, b"", 0, b""
        return (points.kept_at[point], self._body(where, half, points.kept_size[point]),
                points.kept_before_at[point], self._body(where, half ^ 1, points.kept_before[point]))
