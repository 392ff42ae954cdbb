# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a tiny shared object: one function that returns at once, and the names of the libraries it needs.

It is a real ELF file: dlopen() refuses it when a needed library is missing,
ldd lists them, and it shows in /proc/PID/maps. No compiler is needed, so the
same bytes come out on every machine.
"""

import struct

MACHINES = {
    "amd64": (62, b"\xc3"),  # ret
    "arm64": (183, b"\xc0\x03\x5f\xd6"),  # ret
}
PAGE = 0x10000  # the largest page of the two architectures

_EHDR, _PHDR, _SYM = 64, 56, 24
_LOAD, _DYNAMIC, _GNU_STACK = 1, 2, 0x6474E551
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SYMENT, _SONAME = 1, 4, 5, 6, 10, 11, 14


def shared_object(soname, function, needed, arch="amd64"):
    """Return the bytes of the shared object."""
    machine, code = MACHINES[arch]

    strings = bytearray(b"\0")
    offsets = {}
    for text in [function, soname] + list(needed):
        offsets[text] = len(strings)
        strings += text.encode("ascii") + b"\0"

    headers = _EHDR + 4 * _PHDR
    hash_at = headers
    hash_table = struct.pack("<6I", 1, 2, 1, 0, 0, 0)  # one bucket: the function; two symbols in all
    symbols_at = _align(hash_at + len(hash_table), 8)
    strings_at = symbols_at + 2 * _SYM
    code_at = _align(strings_at + len(strings), 16)
    text_end = code_at + len(code)
    dynamic_at = _align(text_end, 16)

    symbols = b"\0" * _SYM
    # global function, in a section that need not exist: the loader only asks for a number that is not 0
    symbols += struct.pack("<IBBHQQ", offsets[function], 0x12, 0, 1, code_at, len(code))

    entries = [(_NEEDED, offsets[name]) for name in needed]
    entries += [
        (_SONAME, offsets[soname]),
        (_HASH, hash_at),
        (_STRTAB, strings_at),
        (_SYMTAB, symbols_at),
        (_STRSZ, len(strings)),
        (_SYMENT, _SYM),
        (0, 0),
    ]
    dynamic = b"".join(struct.pack("<QQ", tag, value) for tag, value in entries)
    # the loader writes into this table, so it gets a page of its own in memory
    dynamic_va = dynamic_at + PAGE

    programs = [
        _program(_LOAD, 5, 0, 0, text_end, PAGE),
        _program(_LOAD, 6, dynamic_at, dynamic_va, len(dynamic), PAGE),
        _program(_DYNAMIC, 6, dynamic_at, dynamic_va, len(dynamic), 8),
        _program(_GNU_STACK, 6, 0, 0, 0, 16),
    ]
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + b"\0" * 8
    header = ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, _EHDR, 0, 0, _EHDR, _PHDR, 4, 64, 0, 0)

    image = bytearray(dynamic_at)
    for position, part in (
        (0, header + b"".join(programs)),
        (hash_at, hash_table),
        (symbols_at, symbols),
        (strings_at, strings),
        (code_at, code),
    ):
        image[position : position + len(part)] = part
    return bytes(image) + dynamic


def _program(kind, flags, offset, address, size, alignment):
    return struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, size, size, alignment)


def _align(number, to):
    return (number + to - 1) // to * to
