# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of fixed-width columns in one piece of memory that scalar code indexes and numpy views.

Both decoders write the same account: the scalar one through memoryviews, the batch one through numpy arrays over
the very same bytes. The memory is mapped, not filled: rows that were never used cost nothing.
"""

import mmap
from typing import TYPE_CHECKING, Any, Container, Dict, List, Optional, Tuple

SIZES = {"Q": 8, "q": 8, "d": 8, "I": 4, "i": 4, "H": 2, "B": 1}


def columns(text: str) -> List[Tuple[str, str, int]]:
    """[(name, code, width)] of the columns in a text such as "top:I rates:I*4"."""
    out = []
    for item in text.split():
        name, _colon, code = item.partition(":")
        code, _star, width = code.partition("*")
        out.append((name, code, int(width or 1)))
    return out


class Table:
    """capacity rows of the columns in a text: "name:code[*width] ...", codes as in the struct module.

    Every column is an attribute: a memoryview of capacity * width values. add() hands out rows in order.
    """

    def __init__(self, capacity: int, text: str) -> None:
        self.capacity = capacity
        self.used = 0
        self.free: List[int] = []  # rows that were given back
        self.layout = columns(text)
        self.buffers: Dict[str, mmap.mmap] = {}
        for name, code, width in self.layout:
            buffer = mmap.mmap(-1, max(1, capacity * width * SIZES[code]))
            self.buffers[name] = buffer
            view: Any = memoryview(buffer)
            setattr(self, name, view.cast(code))

    if TYPE_CHECKING:  # the columns are set by their names; at run time this would slow down every look at one
        def __getattr__(self, name: str) -> Any:
            ...

    def add(self) -> Optional[int]:
        """The number of a fresh row, all zero; None when the table is full."""
        if self.free:
            return self.free.pop()
        if self.used >= self.capacity:
            return None
        self.used += 1
        return self.used - 1

    def left(self) -> int:
        """How many rows add() can still hand out."""
        return self.capacity - self.used + len(self.free)

    def give_back(self, number: int) -> None:
        """Empty a row, so that add() may hand it out again."""
        for name, _code, width in self.layout:
            column = getattr(self, name)
            for place in range(number * width, (number + 1) * width):
                column[place] = 0
        self.free.append(number)

    def row(self, number: int, without: Container[str] = ()) -> Dict[str, Any]:
        """The values of one row by name, without some; columns wider than one are lists."""
        out: Dict[str, Any] = {}
        for name, _code, width in self.layout:
            if name in without:
                continue
            column = getattr(self, name)
            out[name] = column[number] if width == 1 else column[number * width:(number + 1) * width].tolist()
        return out

    def fill(self, number: int, values: Dict[str, Any]) -> None:
        """Write named values into a row; names that are not columns are ignored."""
        for name, _code, width in self.layout:
            if name in values:
                column = getattr(self, name)
                if width == 1:
                    column[number] = values[name]
                else:
                    for place, value in enumerate(values[name][:width]):
                        column[number * width + place] = value
