# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables against the argument specification of their role: one sentence for each that cannot be used. Control node only.

Ansible's own check converts a copy and leaves the variable as it is, so its `y` becomes a true that the role reads as false, and a
text that it splits into a list stays a text. What is accepted here means the same wherever it is read.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible_collections.netviz.sflow.plugins.filter.hsflowd_settings import plain

# What the filter bool and the modules read in the same way; y, n, t and f they do not.
SWITCHES = ("true", "false", "yes", "no", "on", "off", "1", "0")
ALIKE = 0.9  # how much a name has to be like another one to be a slip of the pen

Option = Mapping[str, Any]
#: what is right, and what is accepted
Rule = tuple[Callable[[Any], bool], str]


class Refused(Exception):
    """Settings that cannot be used, whatever the host is like: a list of sentences."""


def options_of(role: Path) -> dict[str, Option]:
    """The options of a role by its argument specification; role is its directory."""
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options: dict[str, Option] = specs["argument_specs"]["main"]["options"]
    return options


def variable(templar: Any, variables: Mapping[str, Any], name: str) -> Any:
    """One variable, worked out, as plain Python. Raises Refused with a sentence that names it."""
    if name not in variables:
        raise Refused([f"{name} is not set; the defaults of the role set it, and this is a part of the role"])
    try:
        return plain(templar.template(variables[name]))
    except AnsibleError as error:
        raise Refused([f"{name} cannot be worked out: {error.message}"]) from error


def is_switch(value: Any) -> bool:
    return str(value).strip().lower() in SWITCHES


def listed(value: Any) -> list[str]:
    """The texts of a list; what `-e name=value` gives is a text itself: one,other or ["one", "other"]."""
    if isinstance(value, str):
        value = re.sub(r"[\[\]\"'\s]", "", value).split(",")
    return [str(one) for one in (value if isinstance(value, (list, tuple)) else [value])]


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and re.fullmatch(r"-?[0-9]+", str(value), re.ASCII) is not None


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", str(value), re.ASCII) is not None


def _is_text(value: Any, secret: bool) -> bool:
    # YAML reads a number before anybody can see its zeros in front.
    return isinstance(value, str) or not secret and isinstance(value, (int, float)) and not isinstance(value, bool)


#: type: (what is right, what is accepted)
KINDS: dict[str, Rule] = {
    "bool": (is_switch, "true or false"),
    "int": (_is_whole, "a whole number"),
    "float": (_is_number, "a number"),
    "list": (lambda value: isinstance(value, (list, tuple)), "a list, such as [one, other]"),
    "dict": (lambda value: isinstance(value, Mapping), "a mapping, such as {name: value}"),
}


def _accepted(option: Option, bounds: tuple[float, float] | None) -> str:
    choices = [str(choice) for choice in option.get("choices") or []]
    if choices:
        listed = ", ".join(choices[:-1]) + " or " + choices[-1]
        return listed + (", in quotes" if any(map(is_switch, choices)) else "")  # YAML reads no as false
    kind = option.get("type", "str")
    if kind in KINDS:
        return KINDS[kind][1] + (f" from {bounds[0]} to {bounds[1]}" if bounds else "")
    return "text in quotes" if option.get("no_log") else "text"


def _is_right(option: Option, value: Any, bounds: tuple[float, float] | None) -> bool:
    if option.get("choices"):
        return isinstance(value, str) and value in [str(choice) for choice in option["choices"]]
    kind = option.get("type", "str")
    if kind == "raw":
        return True
    if kind not in KINDS:
        return _is_text(value, bool(option.get("no_log")))
    return KINDS[kind][0](value) and (not bounds or bounds[0] <= float(value) <= bounds[1])


def problems(
    options: Mapping[str, Option],
    value_of: Callable[[str], Any],
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> list[str]:
    """A sentence for each option whose variable is not what it can be, or cannot be worked out (value_of raises Refused).

    ranges: name -> (least, most) of a number.
    """
    found = []
    for name, option in options.items():
        try:
            value = value_of(name)
        except Refused as error:
            found += error.args[0]
            continue
        bounds = (ranges or {}).get(name)
        if not _is_right(option, value, bounds):
            shown = "(not shown)" if option.get("no_log") else json.dumps(value, ensure_ascii=False, default=str)
            shown = shown if len(shown) <= 120 else shown[:117] + "..."
            found.append(f"{name} is {shown}; expected {_accepted(option, bounds)}")
    return found


def refused(rules: Mapping[str, Rule], variables: Mapping[str, Any], secrets: tuple[str, ...] = ()) -> list[str]:
    """A sentence for each variable of a playbook, which no role has, that is given and not what it can be."""
    found = []
    for name, (is_right, accepted) in rules.items():
        value = variables.get(name)
        if name in variables and not is_right(value):
            shown = "(not shown)" if name in secrets else re.sub(r'//[^\s"]*@', "//***@", json.dumps(value, default=str))
            found.append(f"{name} is {shown}; expected {accepted}")
    return found


def misspelt(names: Iterable[str], prefixes: tuple[str, ...], known: Iterable[str]) -> list[str]:
    """A sentence for each name with one of the prefixes that is none of the known ones, and hardly differs from one."""
    right = set(known)
    found = []
    for name in sorted(names):
        if name.startswith(prefixes) and name not in right:
            close = difflib.get_close_matches(name, right, 1, ALIKE)
            if close:
                found.append(f"{name} is no variable of netviz.sflow and changes nothing; {close[0]} is one")
    return found
