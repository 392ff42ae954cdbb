# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is accepted as a setting means the same to Ansible, to the filter bool and to the modules; what is misspelt is found."""

import pathlib

import pytest

pytest.importorskip("ansible", reason="no ansible-core is installed for this Python")
import yaml
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.filter.core import to_bool
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd import is_true
from ansible_collections.netviz.sflow.plugins.plugin_utils import _rollout, _settings

ROOT = pathlib.Path(__file__).resolve().parents[3]
SWITCHES = [True, False, 0, 1, "0", "1", *(way(word) for word in ("true", "false", "yes", "no", "on", "off") for way in (str.lower, str.title, str.upper))]


@pytest.mark.parametrize("value", SWITCHES, ids=repr)
def test_a_switch_means_the_same_to_everybody(value):
    assert _settings.is_switch(value)
    assert boolean(value) is bool(to_bool(value)) is is_true(value)


@pytest.mark.parametrize("value", ["y", "n", "t", "f", "Y", "fasle", "", None, 2, 1.5, [], {}], ids=repr)
def test_what_is_read_in_several_ways_is_no_switch(value):
    assert not _settings.is_switch(value)


@pytest.mark.parametrize(
    ("option", "right", "wrong"),
    [
        ({"type": "int"}, [0, -3, "12"], ["6_343", "+1", "1.0", 1.0, True, None, "٣", "1\n", ""]),
        ({"type": "float"}, [2, 0.5, "0.5"], ["1e3", "inf", "nan", True, None]),
        ({"type": "list"}, [[], ["a"]], ["a,b", {}, None]),
        ({"type": "dict"}, [{}, {"a": 1}], ["a=b", [], None]),
        ({"type": "str"}, ["", "a", 5, 1.5], [None, True, [], {}]),
        ({"type": "path"}, ["/a"], [None, []]),
        ({"type": "raw"}, [None, [], "a"], []),
        ({"no_log": True}, ["0123"], [123, None]),
        ({"choices": ["a", "no"]}, ["a", "no"], ["b", False, None, ["a"]]),
    ],
    ids=str,
)
def test_types(option, right, wrong):
    for value in right:
        assert _settings.problems({"it": option}, {"it": value}.get) == [], value
    for value in wrong:
        assert len(_settings.problems({"it": option}, {"it": value}.get)) == 1, value


def test_a_range_is_part_of_the_sentence():
    assert _settings.problems({"it": {"type": "int"}}, {"it": 9}.get, {"it": (1, 8)}) == ["it is 9; expected a whole number from 1 to 8"]
    assert not _settings.problems({"it": {"type": "int"}}, {"it": "8"}.get, {"it": (1, 8)})


def test_a_secret_is_not_shown_and_a_long_value_cut():
    assert "123456" not in _settings.problems({"it": {"no_log": True}}, {"it": 123456}.get)[0]
    assert len(_settings.problems({"it": {"type": "int"}}, {"it": "x" * 10000}.get)[0]) < 200


@pytest.mark.parametrize("role", ["hsflowd", "collector", "sflow_rt"])
def test_every_default_is_accepted_and_no_variable_of_ours_is_taken_for_a_slip(role):
    options = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text())
    plain = {name: value for name, value in defaults.items() if "{{" not in str(value)}
    assert not _settings.problems({name: options[name] for name in plain}, plain.get)
    ours = [*options, f"{role}_address", "hsflowd_polling_fast"]
    assert not _settings.misspelt(ours, (role + "_",), options)


def test_a_slip_of_the_pen_is_told():
    for name in _rollout.NAMES:
        slip = name[:-2] + name[-1]
        assert _settings.misspelt([slip, name], _rollout.PREFIXES, _rollout.NAMES) == [
            f"{slip} is no variable of netviz.sflow and changes nothing; {name} is one"
        ]
