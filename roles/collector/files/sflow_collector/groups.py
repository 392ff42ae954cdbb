# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of addresses: a file of names and CIDRs, and the group of an address by its longest prefix.

The file is the groups.json of the Vizceral view: {"INTERNET": ["0.0.0.0/0"], "SiteA": ["192.0.2.0/24"]}.
INTERNET is the rest: every address that no other prefix covers, IPv4 and IPv6. A file that cannot be used leaves
the groups as they are, and the reason is shown.
"""

import json
import os
import socket
from typing import Any, Dict, List, Optional, Tuple

REST = "INTERNET"
DEFAULT = {REST: ["0.0.0.0/0", "::/0"],
           "Private": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]}
MAX_FILE_BYTES = 64 << 20
MAX_GROUPS = 4096
CACHE = 65536  # addresses whose group is remembered


class GroupsError(ValueError):
    """The file cannot be used; the message says why."""


def parse_cidr(text: str) -> Tuple[int, int, int]:
    """(family bits, network as int, prefix length) of a CIDR or a bare address."""
    address, slash, length = text.strip().partition("/")
    family, bits = (socket.AF_INET6, 128) if ":" in address else (socket.AF_INET, 32)
    try:
        value = int.from_bytes(socket.inet_pton(family, address), "big")
        size = int(length) if slash else bits
    except (OSError, ValueError):
        raise GroupsError("%r is not a CIDR such as 192.0.2.0/24" % text) from None
    if not 0 <= size <= bits:
        raise GroupsError("%r: the prefix length must be 0 to %d" % (text, bits))
    return bits, value >> (bits - size) << (bits - size), size


class Groups:
    """Group names by number (0 is INTERNET) and the prefixes that lead to them."""

    def __init__(self, mapping: Dict[str, List[str]]) -> None:
        if not isinstance(mapping, dict):
            raise GroupsError("expected an object of group names, found %s" % type(mapping).__name__)
        if len(mapping) > MAX_GROUPS:
            raise GroupsError("%d groups, at most %d are possible" % (len(mapping), MAX_GROUPS))
        self.mapping = mapping
        self.names = [REST] + sorted(name for name in mapping if name != REST)
        self.prefixes: Dict[int, Dict[int, Dict[int, int]]] = {32: {}, 128: {}}  # bits -> {prefix length: {network >> shift: group number}}
        for number, name in enumerate(self.names):
            cidrs = mapping.get(name, [])
            if not isinstance(cidrs, list) or not all(isinstance(cidr, str) for cidr in cidrs):
                raise GroupsError("group %r: expected a list of CIDRs" % name)
            for cidr in cidrs:
                bits, network, size = parse_cidr(cidr)
                self.prefixes[bits].setdefault(size, {})[network >> (bits - size)] = number
        self._order = {bits: [(bits - size, table) for size, table in sorted(lengths.items(), reverse=True)]
                       for bits, lengths in self.prefixes.items()}
        self.known: Dict[bytes, int] = {}  # address -> group number, for those asked for lately

    def find(self, address: bytes) -> int:
        """The number of the group of an address of 4 or 16 bytes."""
        number = self.known.get(address)
        if number is None:
            if len(self.known) >= CACHE:
                self.known.clear()
            number = self.known[address] = self._search(address)
        return number

    def _search(self, address: bytes) -> int:
        value = int.from_bytes(address, "big")
        for shift, table in self._order[8 * len(address)]:
            number = table.get(value >> shift)
            if number is not None:
                return number
        return 0


def load(path: str) -> "Groups":
    """The groups of a file; GroupsError when it cannot be used."""
    try:
        with open(path, "rb") as stream:
            text = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise GroupsError("cannot read it: %s" % error.strerror) from None
    if len(text) > MAX_FILE_BYTES:
        raise GroupsError("larger than %d bytes" % MAX_FILE_BYTES)
    try:
        return Groups(json.loads(text.decode("utf-8")))
    except (UnicodeDecodeError, RecursionError) as error:
        raise GroupsError("not JSON: %s" % error) from None
    except GroupsError:
        raise
    except ValueError as error:
        raise GroupsError("not JSON: %s" % error) from None


class GroupsFile:
    """Groups that follow a file: read again when it changes, kept when the new content is bad."""

    def __init__(self, path: Optional[str] = None) -> None:
        self.path = path
        self.groups: Groups = Groups(DEFAULT)
        self.problem: Optional[str] = None
        self._seen: Any = None
        self.poll()

    def poll(self) -> bool:
        """Look at the file; True when the groups have changed."""
        if not self.path:
            return False
        try:
            status = os.stat(self.path)
            seen: Any = (status.st_ino, status.st_size, status.st_mtime_ns)
        except OSError:
            seen = "absent"
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self.groups = load(self.path)
        except GroupsError as error:
            self.problem = "%s: %s" % (self.path, error)
            return False
        self.problem = None
        return True
