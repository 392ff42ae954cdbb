# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of addresses for the Vizceral application of sFlow-RT and for the bundled collector.

Pure functions: mappings in, a plan (groups, text, remarks) out. Nothing here touches a file.
Python 3.6 and newer; made to take 100,000 CIDRs in well under two seconds, hence the hand-written parsing:
ipaddress alone needs more than that.
"""

import ipaddress
import json
import socket
import unicodedata
from typing import Any, Dict, List, Optional, Set, Tuple, Union

INTERNET = "INTERNET"
EVERYTHING_V4 = "0.0.0.0/0"
EVERYTHING_V6 = "::/0"

# A list of a hundred thousand mistakes or remarks helps nobody; the counts are always exact.
MAX_ERRORS = 20
MAX_NESTED = 100

# Values of a prefix length, by its text: a look-up is quicker than int() and takes only ASCII without leading zeros.
_LENGTHS_V4 = {str(n): n for n in range(33)}
_LENGTHS_V6 = {str(n): n for n in range(129)}
_HOST_BITS_V4 = [(1 << (32 - n)) - 1 for n in range(33)]
_HOST_BITS_V6 = [(1 << (128 - n)) - 1 for n in range(129)]

# The sort key of a network is one number: version, address, length. A network sorts right before what it contains.
_V6_FLAG = 1 << 136
_LENGTH_BITS = 8


class GroupsError(ValueError):
    """The groups cannot be used; errors holds one sentence per fault."""

    def __init__(self, errors: List[str], total: Optional[int] = None) -> None:
        self.errors = list(errors)
        self.total = len(self.errors) if total is None else total
        text = " ".join(self.errors)
        if self.total > len(self.errors):
            text += f" (and {self.total - len(self.errors)} more)"
        super().__init__(text)


class _Faults:
    def __init__(self) -> None:
        self.sentences: List[Any] = []
        self.total = 0

    def add(self, sentence: str) -> None:
        self.total += 1
        if len(self.sentences) < MAX_ERRORS:
            self.sentences.append(sentence)

    def stop(self) -> None:
        if self.total:
            raise GroupsError(self.sentences, self.total)


def format_key(key: int) -> str:
    """The canonical text of a network: the inverse of parse()."""
    length = key & 0xFF
    value = key >> _LENGTH_BITS
    if key < _V6_FLAG:
        return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}/{length}"
    value &= (1 << 128) - 1
    if value >> 32 == 0xFFFF:
        # Python 3.13 began to write these as ::ffff:192.0.2.1; the file must not depend on the Python of the host.
        return f"::ffff:{value >> 16 & 0xFFFF:x}:{value & 0xFFFF:x}/{length}"
    return f"{ipaddress.IPv6Address(value)}/{length}"


def parse(value: Any) -> int:
    """Return the sort key of a CIDR or an address; raise ValueError with the reason, worded to follow "is"."""
    if not isinstance(value, str):
        raise ValueError("no text: write it in quotes, as an address or a CIDR such as '192.0.2.0/24'")
    text = value.strip()
    address, slash, length_text = text.partition("/")
    try:
        if ":" in address:
            number = int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
            length = _LENGTHS_V6[length_text] if slash else 128
            host_bits = number & _HOST_BITS_V6[length]
            flag = _V6_FLAG
        else:
            # inet_pton takes four plain decimal numbers and nothing else; inet_aton would read "010" as eight.
            number = int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")
            length = _LENGTHS_V4[length_text] if slash else 32
            host_bits = number & _HOST_BITS_V4[length]
            flag = 0
    except (OSError, ValueError, KeyError):
        raise ValueError("neither a CIDR nor an address") from None
    if host_bits:
        meant = format_key(flag | (number - host_bits) << _LENGTH_BITS | length)
        raise ValueError(f"no network, because it has host bits set; {meant} is the network meant")
    return flag | number << _LENGTH_BITS | length


def name_fault(name: Union[str, int]) -> Optional[str]:
    """Say why this cannot be the name of a group, as the end of a sentence; None if it can."""
    if not isinstance(name, str):
        return "is no text"
    if not name.strip():
        return "is empty"
    if name != name.strip():
        return "begins or ends with a space"
    if "," in name:
        return "contains a comma, and the Vizceral application would show it without traffic"
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        return "contains a control character"
    return None


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _collect(sources: Tuple[Tuple[str, Any], Tuple[str, Optional[Union[Dict[str, List[str]], List[Dict[str, Any]]]]]],
             faults: Any) -> Dict[str, Set[int]]:
    """Merge the mappings into {name: {sort keys}}, reporting every fault."""
    merged: Dict[Any, Any] = {}
    for option, mapping in sources:
        if mapping is None:
            continue
        if not isinstance(mapping, dict):
            faults.add(f"{option} must be a mapping of group names to lists of CIDRs, not {_kind(mapping)}.")
            continue
        for name, members in mapping.items():
            reason = name_fault(name)
            if reason:
                faults.add(f"Group name {_quote(name)} in {option} {reason}.")
                continue
            if not _is_list(members):
                faults.add(
                    f"Group {_quote(name)} must be a list of CIDRs, not {_kind(members)} {_quote(members)}; "
                    f"write {name}: [192.0.2.0/24]."
                )
                continue
            if not members:
                faults.add(f"Group {_quote(name)} is empty; give it a CIDR or leave it out.")
                continue
            keys = merged.setdefault(name, set())
            for value in members:
                try:
                    keys.add(parse(value))
                except ValueError as error:
                    faults.add(f"Group {_quote(name)}: {_quote(value)} is {error}.")
    return merged


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, dict):
        return "a mapping"
    return "a list"


def _quote(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _refuse_duplicates(merged: Dict[str, Set[int]], faults: Any) -> None:
    total = sum(len(keys) for keys in merged.values())
    owner = {}
    for name in merged:
        owner.update(dict.fromkeys(merged[name], name))
    if len(owner) == total:
        return
    first: Dict[Any, Any] = {}
    for name in sorted(merged, key=_name_order):
        for key in sorted(merged[name]):
            if key in first:
                faults.add(
                    f"{format_key(key)} is in group {_quote(first[key])} and in group {_quote(name)}; "
                    "a network can be in one group only."
                )
            else:
                first[key] = name


def _name_order(name: str) -> Tuple[bool, str]:
    """INTERNET first, as people read it; everything else by name."""
    return (name != INTERNET, name)


def _end(key: int) -> int:
    """One more than the greatest sort key a network inside this one can have."""
    size = 1 << ((32 if key < _V6_FLAG else 128) - (key & 0xFF))
    return ((key >> _LENGTH_BITS) + size) << _LENGTH_BITS


def find_nested(merged: Dict[str, Set[int]]) -> List[Tuple[str, int, str, int]]:
    """Return [(group, key, outer group, outer key)] for networks that lie in a network of another group.

    Only the nearest enclosing network counts. Everything lies in INTERNET, so that is not worth a word.
    """
    pairs: List[Any] = []
    for name in merged:
        pairs.extend((key, name) for key in merged[name])
    pairs.sort()
    nested = []
    stack: List[Any] = []
    for key, name in pairs:
        while stack and key >= stack[-1][2]:
            stack.pop()
        if stack and stack[-1][1] != name and stack[-1][1] != INTERNET:
            nested.append((name, key, stack[-1][1], stack[-1][0]))
        stack.append((key, name, _end(key)))
    return nested


def _join_halves(owner: Dict[int, str]) -> None:
    """Two halves of one group become their whole, from the longest prefixes up.

    The whole must be in no group: where it is in another one, that network is fully covered by the halves and has to
    stay out of the picture.
    """
    by_length: Dict[Any, Any] = {}
    for key in owner:
        by_length.setdefault((key >= _V6_FLAG, key & 0xFF), set()).add(key)
    for version in (False, True):
        for length in range(128 if version else 32, 0, -1):
            keys = by_length.get((version, length))
            if not keys:
                continue
            bit = 1 << ((128 if version else 32) - length + _LENGTH_BITS)
            for key in sorted(keys):
                if key & bit or key | bit not in keys or owner[key] != owner[key | bit]:
                    continue
                whole = key - 1
                if whole in owner:
                    if owner[whole] != owner[key]:
                        continue
                else:
                    owner[whole] = owner[key]
                    by_length.setdefault((version, length - 1), set()).add(whole)
                del owner[key], owner[key | bit]


def _drop_repeated(owner: Dict[int, str]) -> None:
    """What lies next inside a network of its own group says nothing new."""
    stack: List[Any] = []
    for key in sorted(owner):
        name = owner[key]
        while stack and key >= stack[-1][1]:
            stack.pop()
        if stack and stack[-1][0] == name:
            del owner[key]
        else:
            stack.append((name, _end(key)))


def collapse(merged: Dict[str, Set[int]]) -> Dict[str, Set[int]]:
    """Return the same groups with fewer networks; every address keeps the group that the longest prefix gave it.

    ipaddress.collapse_addresses cannot do this: it looks at one group alone, and dropping 10.1.1.0/24 of A because
    A has 10.0.0.0/8 would give that network to the group that has 10.1.0.0/16.
    """
    owner = {}
    for name in merged:
        for key in merged[name]:
            owner[key] = name
    # One step can make room for the other: a network of B that kept two halves of A apart goes when it lies in B.
    before = None
    while before != len(owner):
        before = len(owner)
        _join_halves(owner)
        _drop_repeated(owner)
    kept: Dict[Any, Any] = {}
    for key, name in owner.items():
        kept.setdefault(name, set()).add(key)
    # A group all of whose networks are covered by others keeps nothing only if it had nothing; merging never
    # removes the last network of a group, so every name is still here.
    return kept


def render(groups: Dict[str, List[str]]) -> str:
    """The text of the file: groups in the given order, one network per line, so that a diff shows what changed."""
    parts = []
    for name, cidrs in groups.items():
        # CIDRs are plain ASCII without anything to escape, and the encoder behind indent= is pure Python and slow.
        lines = '",\n    "'.join(cidrs)
        parts.append(f'  {json.dumps(name)}: [\n    "{lines}"\n  ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def plan(groups: Any = None, inventory_groups: Optional[Union[Dict[str, List[str]], List[Dict[str, Any]]]] = None,
         internet: bool = True, internet_ipv6: bool = False, collapse_networks: bool = False,
         max_flows: Optional[int] = None, draws_ipv6: bool = False) -> Dict[str, Any]:
    """Turn the options into what is written and what is said about it; raise GroupsError on bad input."""
    faults = _Faults()
    merged = _collect((("groups", groups), ("inventory_groups", inventory_groups)), faults)
    if INTERNET not in merged:
        if internet:
            merged[INTERNET] = {parse(EVERYTHING_V4)}
        elif not faults.total:
            faults.add(
                "Group 'INTERNET' is missing and internet is false: without it the Vizceral application draws nothing."
            )
    if internet_ipv6 and INTERNET in merged:
        merged[INTERNET].add(parse(EVERYTHING_V6))
    _refuse_duplicates(merged, faults)
    faults.stop()

    given = sum(len(keys) for keys in merged.values())
    nested = find_nested(merged)
    if collapse_networks:
        merged = collapse(merged)

    rendered = {}
    ipv4 = ipv6 = 0
    ipv6_groups = []
    ipv6_only = []
    for name in sorted(merged, key=_name_order):
        keys = sorted(merged[name])
        rendered[name] = [format_key(key) for key in keys]
        in_v6 = sum(1 for key in keys if key >= _V6_FLAG)
        ipv6 += in_v6
        ipv4 += len(keys) - in_v6
        if in_v6:
            ipv6_groups.append(name)
            if in_v6 == len(keys):
                ipv6_only.append(name)

    remarks = []
    if nested:
        name, key, outer, outer_key = nested[0]
        remarks.append(
            f"{len(nested)} network(s) lie inside a network of another group, where the longer prefix wins; the first "
            f"is {format_key(key)} of {_quote(name)} inside {format_key(outer_key)} of {_quote(outer)}."
        )
    if ipv6_groups and not draws_ipv6:
        only = f" Nothing will be drawn for {_enumerate(ipv6_only)}." if ipv6_only else ""
        remarks.append(
            f"{ipv6} network(s) are IPv6 (groups {_enumerate(ipv6_groups)}); the Vizceral application of sFlow-RT "
            f"never draws IPv6, the bundled collector does.{only}"
        )
    # A site usually talks TCP and UDP at least: two rows of the application's table per group and direction.
    rows = (len(rendered) - 1) * 2
    if max_flows is not None and rows > max_flows:
        remarks.append(
            f"{len(rendered) - 1} groups need about {rows} rows per direction, viz.maxFlows shows {max_flows}: "
            "some groups will be drawn without traffic; raise viz.maxFlows."
        )
    return {
        "groups": rendered,
        "text": render(rendered),
        "counts": {
            "groups": len(rendered),
            "cidrs": ipv4 + ipv6,
            "ipv4": ipv4,
            "ipv6": ipv6,
            "collapsed": given - ipv4 - ipv6,
            "nested": len(nested),
        },
        "nested": [
            {"group": name, "cidr": format_key(key), "inside_group": outer, "inside_cidr": format_key(outer_key)}
            for name, key, outer, outer_key in nested[:MAX_NESTED]
        ],
        "remarks": remarks,
    }


def _enumerate(names: List[str]) -> str:
    text = ", ".join(repr(name) for name in names[:5])
    return text + (f" and {len(names) - 5} more" if len(names) > 5 else "")
