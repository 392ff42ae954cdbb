# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the collector: file, command line, defaults, and a sentence for what cannot be used."""

import argparse

import pytest
from sflow_collector import settings


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser)
    return settings.from_arguments(parser.parse_args(arguments))


def values(found):
    return {name: getattr(found, name) for name in settings.OPTIONS}


DEFAULTS = {name: default for name, (_kind, default, _help) in settings.OPTIONS.items()}


def test_defaults():
    assert values(settings.Settings()) == values(parsed()) == DEFAULTS
    assert DEFAULTS["http_address"] == "127.0.0.1" and DEFAULTS["udp_port"] == 6343 and DEFAULTS["forget_days"] == 30


@pytest.mark.parametrize("text", [
    '{"udp_port": 7000, "allow": ["192.0.2.0/24", "::1/128"], "decoder": "scalar", "groups": "/g", "workers": null, "http_port": ""}',
    '\n {"udp-port": "7000", "allow": "192.0.2.0/24 ::1/128", "decoder": "scalar", "groups": "/g"}',
    "udp_port = 7000\nallow = 192.0.2.0/24, ::1/128\ndecoder = scalar\ngroups = /g\nworkers =\n",
    "# of Ansible\n[serve]\nudp-port = 7000\nallow = 192.0.2.0/24 ::1/128\ndecoder: scalar\n[more]\ngroups = /g\n"])
def test_files(text, tmp_path):
    (tmp_path / "c").write_text(text)
    expected = dict(DEFAULTS, udp_port=7000, allow=["192.0.2.0/24", "::1/128"], decoder="scalar", groups="/g")
    assert values(parsed("--config", str(tmp_path / "c"))) == expected
    # The command line is about what the file is not asked for.
    assert values(parsed("--config", str(tmp_path / "c"), "--udp-port", "0", "--allow", "10.0.0.0/8", "--allow", "10.1.0.1",
                         "--workers", "2")) == dict(expected, udp_port=0, allow=["10.0.0.0/8", "10.1.0.1"], workers=2)


def test_a_percent_sign_is_one(tmp_path):
    (tmp_path / "c").write_text("groups = /var/%s\n")
    assert parsed("--config", str(tmp_path / "c")).groups == "/var/%s"


@pytest.mark.parametrize("text, words", [
    ('{"udp_prt": 1}', "c: unknown setting udp_prt"), ("{", "c: Expecting"), ("[serve]\n[serve]\n", "already exists"),
    ("nonsense\n", "c: "), ('{"udp_port": "x"}', "udp_port: expected a whole number, found 'x'"),
    ('{"udp_port": 6343.5}', "whole number, found 6343.5"), ('{"udp_port": true}', "whole number, found True"),
    ('{"udp_port": [6343]}', "whole number, found [6343]"), ('{"allow": 5}', "allow: expected a list of texts, found 5"),
    ('{"http_names": [5]}', "http_names: expected a list of texts, found [5]"),
    ('{"groups": {}}', "groups: expected a text, found {}"),
    ('{"decoder": "fast"}', "decoder: expected one of auto, scalar, batch, found 'fast'"),
    ('{"decoder": ["batch"]}', "found ['batch']"), ("udp_address = \udcff", "c is not text in UTF-8"),
])
def test_files_that_cannot_be_used(text, words, tmp_path):
    (tmp_path / "c").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(settings.SettingsError) as error:
        parsed("--config", str(tmp_path / "c"))
    assert str(tmp_path / "c") in str(error.value) and words in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(settings.SettingsError, match="nothing: No such file"):
        parsed("--config", str(tmp_path / "nothing"))


@pytest.mark.parametrize("name", sorted(settings.RANGES))
def test_ranges(name):
    low, high = settings.RANGES[name]
    assert low <= DEFAULTS[name] <= high
    for value in low, high:
        assert getattr(settings.Settings(**{name: value}), name) == value
    for value in low - 1, high + 1:
        with pytest.raises(settings.SettingsError) as error:
            parsed("--" + name.replace("_", "-"), str(value))
        assert str(error.value) == "%s: expected %d to %d, found %d" % (name, low, high, value)


def test_values_that_cannot_be_used(capsys):
    for network in "192.0.2.0/33", "example.net", "192.0.2", "":
        with pytest.raises(settings.SettingsError, match="allow: "):
            settings.Settings(allow=["10.0.0.0/8", network])
    assert settings.Settings(allow=["192.0.2.7/24"]).allow  # what is behind the prefix does not matter
    with pytest.raises(settings.SettingsError, match="unknown settings: a, b"):
        settings.Settings(b=1, a=2, udp_port=5)
    with pytest.raises(AttributeError):
        settings.Settings().udp_prt  # noqa: B018  that it cannot be read is what is tested
    for arguments in ["--decoder", "fast"], ["--udp-port", "x"]:
        with pytest.raises(SystemExit):
            parsed(*arguments)
    assert "invalid choice: 'fast'" in capsys.readouterr().err


def test_help(capsys):
    with pytest.raises(SystemExit):
        parsed("--help")
    said = " ".join(capsys.readouterr().out.split())
    for name, (_kind, default, text) in settings.OPTIONS.items():
        assert "--%s " % name.replace("_", "-") in said and text in said
        assert default in (None, ()) or "%s (default: %s)" % (text, default) in said
    for shown in "--allow CIDR", "--http-names NAME", "--udp-port N", "--udp-address ADDRESS", "--token-file FILE", "--groups GROUPS":
        assert shown in said


def test_the_token(tmp_path):
    path = tmp_path / "token"
    assert settings.Settings().token() is None
    for data, token in (b"s3cret", "s3cret"), (b"  s3cret \nmore\n", "s3cret"), (b"s3cr\xc3\xa9t\n", "s3cr\xe9t"):
        path.write_bytes(data)
        assert settings.Settings(token_file=str(path)).token() == token
    for data, words in (b"", "is empty"), (b"\ns3cret", "is empty"), (b"\xff", "is not text in UTF-8"):
        path.write_bytes(data)
        with pytest.raises(settings.SettingsError) as error:
            settings.Settings(token_file=str(path)).token()
        assert str(error.value) == "token_file: %s %s" % (path, words)
    with pytest.raises(settings.SettingsError, match="token_file: /nowhere: No such file"):
        settings.Settings(token_file="/nowhere").token()
