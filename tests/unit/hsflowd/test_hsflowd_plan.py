# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of hsflowd_plan: what it refuses before a host is reached, when it observes, what it makes of that."""

import json
import time
import types
from unittest import mock

import jinja2
import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import filter_loader
from hsflowd_hosts import host, render

with mock.patch.object(filter_loader, "get"):  # it has Ansible prepare filters, which needs a running Ansible
    from ansible_collections.netviz.sflow.plugins.action import hsflowd_plan

COLLECTORS = [{"ip": "192.0.2.10"}]


class Templar:
    """Works out texts with the means of Jinja alone; the playbooks' tests have Ansible itself do it."""

    def __init__(self, variables):
        self.variables = variables

    def template(self, value):
        if not isinstance(value, str):
            return value
        try:
            environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
            environment.filters["to_json"] = json.dumps
            return environment.from_string(value).render(self.variables)
        except jinja2.UndefinedError as error:
            raise AnsibleError(str(error)) from error


@pytest.fixture
def plan(monkeypatch):
    """A function that runs the action for some variables; observed is what the module is going to say, asked counts how often it did."""
    role = {}
    for part in "defaults", "vars":
        role.update(yaml.safe_load((hsflowd_plan.ROLE / part / "main.yml").read_text(encoding="utf-8")))

    def execute(_self, module_name, module_args, task_vars):
        assert (module_name, module_args) == ("netviz.sflow.hsflowd_info", {})
        run.asked += 1
        return dict(run.observed)

    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    monkeypatch.setattr(hsflowd_plan.ActionModule, "_execute_module", execute)

    def run(max_age=None, strategy="linear", **settings):
        variables = {**role, "hsflowd_collectors": COLLECTORS, "hsflowd_cache_dir": "/var/cache/x", "inventory_hostname": "web1",
                     "groups": {"sflow_agents": ["web1"]}, **settings}
        variables["hostvars"] = {"web1": variables}
        action = object.__new__(hsflowd_plan.ActionModule)
        action._task = types.SimpleNamespace(args={} if max_age is None else {"max_age": max_age}, get_play=lambda: types.SimpleNamespace(strategy=strategy))
        action._templar = Templar(variables)
        return action.run(task_vars=variables)

    run.asked, run.observed = 0, {**host(), "changed": False}
    return run


def test_a_host_that_is_new(plan):
    told = plan()
    assert plan.asked == 1 and told["refused"] == [] and told["changed"] is False and told["warnings"] == []
    assert abs(told["observed_at"] - time.time()) < 100 and told["uplink_address"] == "192.0.2.20"
    assert "statements" not in told["plan"] and told["plan"]["config"].startswith("# Written by Ansible (netviz.sflow)")
    assert "collector { ip=192.0.2.10" in told["plan"]["config"] and told["plan"]["problems"] == []
    assert any("hsflowd" in each for each in told["due"])
    assert set(told["plan"]["drop_ins"]) == {"netviz-log.conf", "netviz-restart.conf", "netviz-network.conf"}
    assert all(text.startswith("# Written by Ansible (netviz.sflow).\n[") for text in told["plan"]["drop_ins"].values())


@pytest.mark.parametrize("strategy, alone", [
    ("linear", False), ("ansible.builtin.linear", False), ("debug", False), ("free", True), ("ansible.builtin.host_pinned", True),
    ("{{ how }}", True)])
def test_a_host_is_alone_when_none_waits_for_another(plan, strategy, alone):
    told = plan(strategy=strategy, how="ansible.builtin.free")
    assert told["alone"] is alone
    assert plan(60, strategy=strategy, how="free", __hsflowd_info=told)["alone"] is alone and plan.asked == 1
    assert plan(strategy=strategy, how="free", hsflowd_polling="often")["alone"] is alone


def test_the_configuration_is_what_the_settings_say(plan):
    told = plan(hsflowd_polling=30, hsflowd_sampling=100)["plan"]["config"]
    settings = {"hsflowd_collectors": COLLECTORS, "hsflowd_polling": 30, "hsflowd_sampling": 100, "hsflowd_pcap": "auto",
                "hsflowd_tcp": True, "hsflowd_agent": "auto"}
    assert told == render(hsflowd_plan.filters.hsflowd_settings(settings, host=plan.observed)["statements"])


def test_drop_ins_are_those_that_are_switched_on(plan):
    told = plan(hsflowd_restart_on_failure=False, hsflowd_wait_for_network="no", hsflowd_hardening=True, hsflowd_limits={"MemoryMax": "64M"})
    assert set(told["plan"]["drop_ins"]) == {"netviz-log.conf", "netviz-hardening.conf", "netviz-limits.conf"}
    assert "\nMemoryMax=64M\n" in told["plan"]["drop_ins"]["netviz-limits.conf"]


@pytest.mark.parametrize("settings, sentence", [
    ({"hsflowd_collectors": []}, "hsflowd_collectors"), ({"hsflowd_collectors": [{"ip": "nowhere in particular"}]}, "hsflowd_collectors[0]"),
    ({"hsflowd_polling": "often"}, "hsflowd_polling"), ({"hsflowd_throttle": "two"}, 'hsflowd_throttle is "two"; expected a whole number'),
    ({"hsflowd_state": "gone"}, 'hsflowd_state is "gone"; expected present or absent'), ({"hsflowd_install": "n"}, 'hsflowd_install is "n"; expected'),
    ({"hsflowd_environment": "{{ no_such }}"}, "hsflowd_environment cannot be worked out: "),
    ({"hsflowd_polling": "{{ no_such }}"}, "hsflowd_polling cannot be worked out: "),
    ({"hsflowd_state": "{{ no_such }}"}, "hsflowd_state cannot be worked out: "),
])
def test_what_is_refused_and_no_host_is_reached(plan, settings, sentence):
    told = plan(**settings)
    assert plan.asked == 0 and told["changed"] is False and told["refused"] == told["due"] and sentence in told["refused"][0]
    assert "plan" not in told


@pytest.mark.parametrize("name, least, most", [
    ("hsflowd_download_retries", 0, 100), ("hsflowd_download_delay_seconds", 0, 3600), ("hsflowd_download_timeout_seconds", 1, 3600),
    ("hsflowd_ready_timeout_seconds", 1, 3600), ("hsflowd_throttle", 0, 100000)])
def test_ranges(plan, name, least, most):
    for value in least, str(most):
        assert plan(**{name: value})["refused"] == []
    for value in least - 1, most + 1:
        (sentence,) = plan(**{name: value})["refused"]
        assert sentence.startswith(f"{name} is {value}; expected a ") and sentence.endswith(f"number from {least} to {most}")


def test_a_name_that_is_misspelt(plan):
    for settings in {}, {"hsflowd_polling": "often"}:
        (warning,) = plan(hsflowd_samplign=100, **settings)["warnings"]
        assert "hsflowd_samplign" in warning


def test_warnings_of_ansible_are_passed_on_and_said_once(plan):
    """Such as how it found the Python of the host, which newer releases of it say by an object, not by a text."""
    first = object()
    plan.observed = {**plan.observed, "warnings": [first], "deprecations": [object()]}
    told = plan(hsflowd_samplign=100)
    assert told["warnings"][1:] == [first] and "hsflowd_samplign" in told["warnings"][0] and told["deprecations"]
    again = plan(max_age=60, __hsflowd_info=told)
    assert plan.asked == 1 and "warnings" not in again and "deprecations" not in again


def test_what_is_known_of_a_host_need_not_be_asked(plan):
    known = {**plan.observed, "observed_at": time.time() - 50, "uplink_address": "192.0.2.21", "refused": ["old"], "changed": True}
    told = plan(max_age=60, __hsflowd_info=known)
    assert plan.asked == 0 and (told["uplink_address"], told["refused"], told["changed"]) == ("192.0.2.21", [], False)
    assert told["plan"]["config"] and told["observed_at"] == known["observed_at"]
    # Asked again where that was long ago, of a clock that was set, followed by a change, or nothing.
    for max_age, registered in ((40, {"__hsflowd_info": known}), (None, {"__hsflowd_info": known}), (0, {"__hsflowd_info": known}), (60, {}),
                                (60, {"__hsflowd_info": {**known, "observed_at": time.time() + 1000}}),
                                (60, {"__hsflowd_info": {"failed": True}}), (60, {"__hsflowd_info": "nothing"}),
                                (60, {"__hsflowd_info": known, "__hsflowd_change": {"changed": True}})):
        plan.asked = 0
        assert plan(max_age=max_age, **registered)["uplink_address"] == "192.0.2.20" and plan.asked == 1, (max_age, registered)


@pytest.mark.parametrize("said, words", [
    ({"msg": "No space left on device"}, "web1: No space left on device"),
    ({"msg": "MODULE FAILURE", "module_stderr": "  File x\nSyntaxError: invalid syntax"}, "web1: the Python of this host is too old for ansible-core "),
    ({"msg": "ansible-core requires a minimum of Python 3.8"}, "web1: the Python of this host is too old for ansible-core "),
    ({"msg": "x" * 5000}, "web1: " + "x" * 2000)])
def test_a_host_that_cannot_be_observed(plan, said, words):
    plan.observed = {**said, "failed": True}
    told = plan()
    assert told["failed"] and told["msg"].startswith(words) and len(told["msg"]) <= 2006 and "plan" not in told


def test_removal(plan):
    assert plan(hsflowd_state="absent")["due"] == []
    plan.observed["package"] = {"name": "hsflowd", "installed": True, "version": "2.0.53-1", "status": "install ok installed"}
    plan.observed["config"] = {"path": "/etc/hsflowd.conf", "exists": True, "sha256": "0" * 64}
    due = plan(hsflowd_state="absent")["due"]
    assert due and "plan" not in plan(hsflowd_state="absent")
    assert plan(hsflowd_state="absent", hsflowd_keep_config=True)["due"] != due
    assert plan(hsflowd_state="absent", hsflowd_install=False)["due"] != due


def test_a_collector_that_is_each_agent_itself(plan):
    told = plan(hsflowd_collectors=[{"ip": "127.0.0.1"}])
    assert told["plan"]["warnings"][-1] == "hsflowd_collectors[0] is 127.0.0.1, which is each agent itself" and told["refused"] == []


def test_problems_of_the_plan_are_due(plan):
    plan.observed = {**host(platform="debian7"), "changed": False}
    told = plan()
    assert told["plan"]["problems"] and told["due"][: len(told["plan"]["problems"])] == told["plan"]["problems"]


def test_a_service_that_is_not_to_be_enabled(plan):
    plan.observed["unit"] = {"active_state": "inactive", "unit_file_state": "disabled", "stale": []}
    wanted, unwanted = plan()["due"], plan(hsflowd_service_enabled="no")["due"]
    assert [each for each in wanted if each not in unwanted]
