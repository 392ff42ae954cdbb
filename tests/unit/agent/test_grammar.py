# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in takes and refuses what the real daemon takes and refuses, row by row of grammar_cases.yml."""

import os

import hsflowd_standin
import packages
import pytest
import real
import yaml

RELEASES = ("2.0.25-3", "2.0.53-1", "2.1.25-4")
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "grammar_cases.yml"), encoding="utf-8") as handle:
    CASES = yaml.safe_load(handle)


def text_of(case):
    if "file" in case:
        return case["file"].encode()
    body = "agent=" + "a" * case["letters"] if "letters" in case else case["body"]
    return ("sflow { collector { ip=192.0.2.1 }%s %s\n}\n" % (" " * case.get("blanks", 0), body)).encode()


def expected(case, release):
    accept = case["accept"]
    if isinstance(accept, bool):
        return accept
    return hsflowd_standin.version_key(release) >= hsflowd_standin.version_key(str(accept))


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_parser(case, release):
    try:
        config = hsflowd_standin.parse_config(text_of(case), release)
    except hsflowd_standin.ConfigError as exc:
        assert not expected(case, release), str(exc)
        assert "parse error" in str(exc)
        return
    assert expected(case, release)
    for name, value in case.get("says", {}).items():
        assert config[name] == value


def test_case_names_are_unique():
    assert len({case["name"] for case in CASES}) == len(CASES)


def test_rows_that_start_with_a_release():
    """A row that starts with a release is refused by the one before it."""
    key = hsflowd_standin.version_key
    for case in CASES:
        if not isinstance(case["accept"], bool) and key(str(case["accept"])) > key("2.0.5"):
            first = str(case["accept"])
            hsflowd_standin.parse_config(text_of(case), first)
            with pytest.raises(hsflowd_standin.ConfigError):
                hsflowd_standin.parse_config(text_of(case), "2.0.5")


def _check_with_daemon(daemon, release, directory):
    wrong = []
    for number, case in enumerate(CASES):
        config = directory / ("%d.conf" % number)
        config.write_bytes(text_of(case))
        verdict, output = real.takes(daemon, config)
        if verdict != expected(case, release):
            wrong.append("%s: %s\n%s" % (case["name"], verdict, output))
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(not real.PACKAGES, reason=real.NONE_GIVEN)
@pytest.mark.skipif(not real.can_ask(), reason="needs the right to make a mount namespace")
def test_real_daemon(tmp_path):
    """Independent truth: the same table through the real binary."""
    package = packages.for_this_machine(real.PACKAGES)
    _check_with_daemon(real.unpack(package, tmp_path / "root"), real.release_of(package), tmp_path)


@pytest.mark.skipif(not real.can_ask(), reason="needs the right to make a mount namespace")
def test_validation_by_the_daemon_itself(built, tmp_path):
    """The role's way to validate: private empty /proc, words in the output."""
    daemon = str(built("2.0.53-1") / "usr/sbin/hsflowd")
    good = tmp_path / "good.conf"
    good.write_text("sflow { polling=20 collector { ip=192.0.2.1 } pcap { speed=1- } tcp { } }")
    bad = tmp_path / "bad.conf"
    bad.write_text("sflow { polling=20 collector { ip= } }")
    open_end = tmp_path / "open.conf"
    open_end.write_text("sflow { collector { ip=192.0.2.1 }")
    assert real.takes(daemon, good)[0] is True
    verdict, output = real.takes(daemon, bad)
    assert verdict is False
    assert "parse error" in output
    verdict, output = real.takes(daemon, open_end)
    assert verdict is True
    assert "parse error" in output
