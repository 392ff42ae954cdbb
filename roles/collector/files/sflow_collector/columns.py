# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table of fixed-width columns in one piece of memory that scalar code indexes and numpy views.

Both decoders write the same account: the scalar one through memoryviews, the batch one through numpy arrays over
the very same bytes. The memory is mapped, not filled: rows that were never used cost nothing.
"""

import mmap

SIZES = {"Q": 8, "q": 8, "d": 8, "I": 4, "i": 4, "H": 2, "B": 1}


class Table:
    """capacity rows of the given columns; columns is "name:code[*width] ...", codes as in the struct module.

    Every column is an attribute: a memoryview of capacity * width values. add() hands out rows in order.
    """

    def __init__(self, capacity, columns):
        self.capacity = capacity
        self.used = 0
        self.layout = []
        self.buffers = {}
        for text in columns.split():
            name, _colon, code = text.partition(":")
            code, _star, width = code.partition("*")
            width = int(width or 1)
            buffer = mmap.mmap(-1, max(1, capacity * width * SIZES[code]))
            self.layout.append((name, code, width))
            self.buffers[name] = buffer
            setattr(self, name, memoryview(buffer).cast(code))

    def add(self):
        """The number of a fresh row, all zero; None when the table is full."""
        if self.used >= self.capacity:
            return None
        self.used += 1
        return self.used - 1

    def row(self, number):
        """The values of one row by name; columns wider than one are lists."""
        out = {}
        for name, _code, width in self.layout:
            column = getattr(self, name)
            out[name] = column[number] if width == 1 else column[number * width:(number + 1) * width].tolist()
        return out

    def fill(self, number, values):
        """Write named values into a row; names that are not columns are ignored."""
        for name, _code, width in self.layout:
            if name in values:
                column = getattr(self, name)
                if width == 1:
                    column[number] = values[name]
                else:
                    for place, value in enumerate(values[name][:width]):
                        column[number * width + place] = value
