# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""POSIX extended regular expressions, which hsflowd takes (regcomp with REG_EXTENDED), as expressions of Python's.

The two look alike and differ where it matters: to glibc \\d is the letter d, and Python knows no [[:digit:]]. What is accepted here
means the same to both; what POSIX leaves open is refused.
"""

import re
from typing import Any, Tuple

CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t\\n\\r\\f\\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class Unusable(ValueError):
    """Why hsflowd cannot use an expression, or this role cannot say what it does with it; the text goes on after the expression."""


def posix(text: str) -> Any:
    """The expression as Python's, compiled. Raises Unusable."""
    out = []
    depth = place = 0
    before = ""  # what stands before: "" where nothing is that could be repeated
    while place < len(text):
        char = text[place]
        place += 1
        if char == "[":
            word, place = _bracket(text, place)
            out.append(word)
        elif char == "\\":
            out.append(re.escape(_escaped(text[place : place + 1])))
            place += 1
        elif char in "*+?":
            if before == "(" and char == "?":
                raise Unusable("where (? stands; hsflowd takes POSIX extended expressions, which have none")
            if before in "(|^$":
                raise Unusable("where nothing stands before %s that could be repeated" % char)
            if before in "*+?":  # a+? is a shortest match to Python and (a+)? to POSIX
                raise Unusable("where %s is repeated itself; hsflowd takes POSIX extended expressions, write it simpler" % before)
            out.append(char)
        elif char in "(|)^$":
            depth += {"(": 1, ")": -1}.get(char, 0)
            if depth < 0:
                raise Unusable("not a regular expression: a ) has no (")
            out.append("(?:" if char == "(" else char)
        elif char in "{}":
            raise Unusable("where a brace stands, which hsflowd.conf cannot carry")
        else:
            out.append("." if char == "." else re.escape(char))
        before = char if char in "(|^$*+?" else "x"
    if depth:
        raise Unusable("not a regular expression: a ( has no )")
    try:
        return re.compile("".join(out))
    except (re.error, OverflowError, RecursionError) as error:
        raise Unusable("not a regular expression: %s" % error) from None


def _escaped(char: str) -> str:
    if not char:
        raise Unusable("not a regular expression: it ends in a backslash")
    if char.isalnum() or char in "<>`'":  # GNU has a few of these, among them no \d
        raise Unusable("where \\%s is none of POSIX extended expressions, which hsflowd takes; a digit is [0-9]" % char)
    return char


def _bracket(text: str, place: int) -> Tuple[str, int]:
    """(the set of Python's, the place behind) for a bracket expression whose [ stands before this place."""
    begin = place
    out = "["
    if text[place : place + 1] == "^":
        out += "^"
        place += 1
    first = place
    while text[place : place + 1] != "]" or place == first:
        char, following = text[place : place + 1], text[place + 1 : place + 2]
        if not char:
            raise Unusable("not a regular expression: a [ has no ]")
        if char == "[" and following == ":":
            name, end, _rest = text[place + 2 :].partition(":]")
            if not end:
                raise Unusable("not a regular expression: a [: has no :]")
            if name not in CLASSES:
                raise Unusable("where [:%s:] is no class of characters" % name)
            out += CLASSES[name]
            place += len(name) + 4
            continue
        _plain(char, following)
        if char == "-" and place != first and following != "]":
            raise Unusable("not a regular expression: in brackets a - that makes no range comes first or last")
        last = text[place + 2 : place + 3]
        if following == "-" and last not in ("", "]"):
            _plain(last, text[place + 3 : place + 4])
            if last < char or last == "[" and text[place + 3 : place + 4] == ":":
                raise Unusable("not a regular expression: %s-%s is no range" % (char, last))
            out += "%s-%s" % (re.escape(char), re.escape(last))
            place += 3
        else:
            out += re.escape(char)
            place += 1
    if text[begin] == ":" and text[place - 1] == ":" and place - begin > 1:
        raise Unusable("where [%s] is a set of letters; the class is [[%s]]" % (text[begin:place], text[begin:place]))
    return out + "]", place + 1


def _plain(char: str, following: str) -> None:
    """Refuses what in brackets means another thing to one of the two."""
    if char == "\\":
        raise Unusable("where a backslash stands in brackets: there it is one to POSIX, and escapes nothing")
    if char == "[" and following in (".", "="):
        raise Unusable("which is more than this role checks; write it simpler")
