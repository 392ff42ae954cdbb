# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role says of a regular expression, beside regcomp and regexec, which the daemon calls (regcomp with the same flags)."""

import ctypes
import sys

import pytest
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd as settings
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_regex import CLASSES, Unusable, posix
from hsflowd_hosts import host, interface
from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
NAMES = ["lo", "ens3", "ens10f0", "ensd", "eth0.100", "br-0a1b2c", "wg0", "veth@x", "docker0", "en]s", "E_N", "a", "^a", "a\\d", "-", "[x", "d"]
GOOD = [
    "^ens[[:digit:]]+$", "^ens[0-9]+$", "^[[:alpha:]]+[0-9]$", "^e[^[:space:]]+$", "^ens3|", "en[]s]", "[^]a]", "[[:alpha:][:digit:]_-]+$",
    "eth0[.]100", "eth0\\.100", "(ens|eth)[0-9]", "(^ens|0$)", "()", "a|b|", "^[-a]$", "[a-]", "[+--]", "[%--z]", "[--a]", "[[]x", "[[x]",
    "(e(n)s)+", "(a*)*b", "\\^a", "\\[x", "[$^.*+?|()]", "^$", "$", "a\\|b", "x\\\\d", "[^-]", "[.]", "[[:punct:]]", "[[:upper:]]_", "e[:n]s",
]  # fmt: skip
# What Python takes and the daemon does not, or reads as something else; and what both refuse.
BAD = [
    "^ens\\d+$", "^ens[\\d]+$", "ens3\\Z", "\\w", "\\bens", "\\<ens", "a\\>", "\\`a", "a\\'", "(a)\\1", "\\Aa", "^[[:alpha:]+$", "[[:alpha:", "[[:nope:]]",
    "[:digit:]", "[[:digit:]-z]", "[a-[:digit:]]", "[a-c-e]", "[z-a]", "[[.a.]]", "[[=a=]]", "[\\.]", "[a", "[]", "[^]", "[", "(?:a)", "(?i)a", "a*?",
    "a+?", "a??", "a**", "a++", "*a", "+", "(*a)", "a|*b", "^*", "a$+", "(a", "a)", "a\\", "a{2}", "[a-",
]  # fmt: skip


def truth(pattern, name):
    """What glibc says; None where it does not take the pattern."""
    compiled = ctypes.create_string_buffer(256)
    if LIBC.regcomp(compiled, pattern.encode(), 1 | 4) != 0:  # REG_EXTENDED, REG_NEWLINE
        return None
    try:
        return LIBC.regexec(compiled, name.encode(), 0, None, 0) == 0
    finally:
        LIBC.regfree(compiled)


@pytest.mark.skipif(LIBC is None, reason="regcomp is asked of glibc")
@pytest.mark.parametrize("pattern", GOOD)
def test_what_is_accepted_matches_what_the_daemon_matches(pattern):
    assert [bool(posix(pattern).search(name)) for name in NAMES] == [truth(pattern, name) for name in NAMES]


@pytest.mark.skipif(LIBC is None, reason="regcomp is asked of glibc")
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_classes(name):
    chars = [chr(number) for number in range(1, 128)]
    for pattern in ("[[:%s:]]" % name, "[^[:%s:]x]" % name):
        # A line break, which no name has, is left out by REG_NEWLINE alone.
        assert [c for c in chars if posix(pattern).search(c) and c != "\n"] == [c for c in chars if truth(pattern, c) and c != "\n"]


@pytest.mark.parametrize("pattern", BAD)
def test_what_is_refused(pattern):
    with pytest.raises(Unusable) as refused:
        posix(pattern)
    assert len(str(refused.value)) > 10


@pytest.mark.skipif(LIBC is None, reason="regcomp is asked of glibc")
@given(st.text("abd0.*+?|()[]^$\\-:", max_size=10) | st.lists(st.sampled_from(["[[:digit:]]", "[", "]", "[:alpha:]", "a-", "^", "-", "$", "*"])).map("".join),
       st.text("abd0.-[]:^", min_size=1, max_size=5))
@hypothesis_settings(max_examples=2000, deadline=None)
def test_no_expression_means_another_thing_to_the_daemon(pattern, name):
    try:
        found = posix(pattern)
    except Unusable:
        event("refused")
        return
    event("accepted")
    assert bool(found.search(name)) == truth(pattern, name)


@pytest.mark.parametrize("pattern, taps", [("^ens[[:digit:]]+$", ["ens3"]), ("^[[:alnum:]]+3$", ["ens3"])])
def test_a_class_taps_what_it_names(variables, pattern, taps):
    seen = host(interfaces=[interface("lo", 1, "loopback"), interface("ens3", 2)])
    plan = settings.settle(dict(variables, hsflowd_pcap=[{"dev.pattern": pattern}]), seen, version="2.1.25-4")
    assert (plan["problems"], plan["taps"]) == ([], taps)
    seen["package"] = {"version": "2.1.25-4"}
    assert settings.nothing_tapped([{"dev.pattern": pattern}], seen) is None


@pytest.mark.parametrize(
    "pattern, sentence",
    [
        ("^ens\\d+$", "where \\d is none of POSIX extended expressions, which hsflowd takes; a digit is [0-9]"),
        ("^ens[\\d]+$", "where a backslash stands in brackets"),
        ("ens3\\Z", "where \\Z is none of POSIX"),
        ("^[[:alpha:]+$", "a [ has no ]"),
        ("^ens(?:3)", "where (? stands; hsflowd takes POSIX extended expressions, which have none"),
        ("^ens.+?$", "where + is repeated itself"),
        ("^ens[:digit:]$", "the class is [[:digit:]]"),
    ],
)
def test_a_pattern_that_taps_nothing_is_refused_with_the_reason(variables, pattern, sentence):
    problems = settings.settle(dict(variables, hsflowd_pcap=[{"dev.pattern": pattern}]), version="2.1.25-4")["problems"]
    assert len(problems) == 1 and problems[0].startswith("hsflowd_pcap[0].dev.pattern is %r, " % pattern)
    assert sentence in problems[0]
