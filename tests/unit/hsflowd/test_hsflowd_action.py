# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of hsflowd_apply: what it sends to the host. The connection is not there, only the call of the module is seen."""

import base64
import os
import subprocess
import time
import types

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.netviz.sflow.plugins.action import hsflowd_apply as actions
from ansible_collections.netviz.sflow.plugins.action.hsflowd_apply import ActionModule
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_apply import Failed
from ansible_collections.netviz.sflow.plugins.modules.hsflowd_apply import download


@pytest.fixture
def call(monkeypatch):
    """A function that runs the action with arguments and returns (its result, the arguments of the module or None)."""
    sent = []

    def execute(_self, module_name, module_args, task_vars, wrap_async):
        assert module_name == "netviz.sflow.hsflowd_apply"
        sent.append(module_args)
        return {"changed": True, "observed": {}}

    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    monkeypatch.setattr(ActionModule, "_execute_module", execute)

    def run(arguments, check_mode=False):
        action = object.__new__(ActionModule)
        action._task = types.SimpleNamespace(args=arguments, check_mode=check_mode, async_val=0)
        return action.run(task_vars={}), sent[-1] if sent else None

    return run


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "hsflowd.deb"
    path.write_bytes(b"!<arch>\n\0\xff")
    return path


def test_the_package_goes_with_the_arguments(call, package):
    result, sent = call({"config": "sflow { }", "package_file": str(package)})
    assert base64.b64decode(sent.pop("package_data")) == package.read_bytes()
    assert sent == {"config": "sflow { }"}
    assert result["observed"]["observed_at"] > 0


@pytest.mark.parametrize("path", ["/nowhere/hsflowd.deb", "~nobody-of-this-name/hsflowd.deb"])
def test_a_package_that_is_not_there_is_a_sentence_and_no_host_is_reached(call, path):
    result, sent = call({"config": "sflow { }", "package_file": path})
    assert sent is None
    assert result["failed"]
    assert result["msg"].startswith(f"The package {path} cannot be read on the controller (No such file or directory)")
    assert result["msg"].endswith("Nothing was changed")


@pytest.mark.parametrize("more, check_mode", [({"package_remote": True}, False), ({}, True)])
def test_a_package_of_the_host_and_a_prediction_carry_nothing(call, package, more, check_mode):
    arguments = {"config": "sflow { }", "package_file": str(package), **more}
    _result, sent = call(dict(arguments), check_mode)
    assert sent == arguments


AWAITED = {"collectors": [{"ip": "192.0.2.1", "udpport": 6343}], "agent_address": "192.0.2.7", "sampling": 400, "polling": 20, "seconds": 20}
SAID = "rev_start=1\nhostname=h\nsampling=400\npolling=20\nagentIP=192.0.2.7\ncollector={}\nrev_end=1\n"


@pytest.fixture
def commands(monkeypatch):
    """The commands that ran on the host; what the first of them says is in `said`."""
    ran = types.SimpleNamespace(said="", all=[])

    def execute(_self, command):
        ran.all.append(command)
        return {"rc": 0, "stdout": ran.said if "cat " in command else "", "stderr": ""}

    monkeypatch.setattr(ActionModule, "_low_level_execute_command", execute)
    return ran


def test_a_change_stands_when_the_daemon_says_what_is_awaited(call, commands):
    commands.said = SAID.format("192.0.2.1")
    result, sent = call({"state": "proved", "awaited": AWAITED})
    assert sent is None and not result["changed"] and "unproved" not in result
    assert commands.all[0].startswith("n=0;") and " rm -f " in commands.all[1] and len(commands.all) == 2
    assert result["observed"]["auto"]["collectors"] == [{"ip": "192.0.2.1", "udpport": 6343}]


@pytest.mark.parametrize(
    "said, why",
    [
        (SAID.format("192.0.2.9"), "the collector 192.0.2.1 port 6343 is not in effect"),
        (SAID.format("192.0.2.1 6344"), "the collector 192.0.2.1 port 6343 is not in effect"),
        (SAID.format("192.0.2.1").replace("400", "100"), "sampling is 100, not 400"),
        ("rev_start=1\n", "after 20 s /etc/hsflowd.auto is not complete"),
        ("", "after 20 s /etc/hsflowd.auto is not complete"),
    ],
)
def test_else_it_is_taken_back_or_with_no_way_back_it_is_said(call, commands, said, why):
    commands.said = said
    result, sent = call({"state": "proved", "awaited": AWAITED, "rollback": False, "new_host": "stop"})
    assert sent is None and result["unproved"] == why and not result["changed"]
    result, sent = call({"state": "proved", "awaited": AWAITED, "rollback": True, "new_host": "stop"})
    assert sent == {"state": "previous", "rollback": True, "new_host": "stop"}
    assert result["unproved"] == why and result["changed"]
    assert not any(c.startswith("rm") for c in commands.all)


def test_without_anything_awaited_only_the_record_goes(call, commands):
    result, sent = call({"state": "proved"})
    assert sent is None and not result["changed"] and len(commands.all) == 1
    result, _sent = call({"state": "proved", "awaited": AWAITED}, check_mode=True)
    assert not result["changed"] and len(commands.all) == 1


def test_a_record_that_cannot_be_removed(call, monkeypatch):
    answer = {"rc": 1, "stdout": "", "stderr": "rm: cannot remove it:\n Read-only file system"}
    monkeypatch.setattr(ActionModule, "_low_level_execute_command", lambda _self, _command: answer)
    result, _sent = call({"state": "proved"})
    assert result["failed"] and result["msg"] == f"{actions.PENDING} could not be removed: rm: cannot remove it: Read-only file system"


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A host with a record of a change, whose daemon has said nothing since; the commands run there, in a shell, and are timed."""
    state = tmp_path / "it's here"
    state.mkdir()
    for name, path in ("STATE", state), ("PENDING", state / "pending"), ("AUTO", tmp_path / "hsflowd.auto"):
        monkeypatch.setattr(actions, name, str(path))

    def execute(_self, command):
        begun = time.monotonic()
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
        there.seconds.append(time.monotonic() - begun)
        return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    monkeypatch.setattr(ActionModule, "_low_level_execute_command", execute)
    there = types.SimpleNamespace(state=state, pending=state / "pending", auto=tmp_path / "hsflowd.auto", seconds=[])
    there.auto.write_text(SAID.format("192.0.2.1"))
    os.utime(there.auto, (1000, 1000))
    there.pending.write_text("{}")
    os.utime(there.pending, (2000, 2000))
    return there


def test_it_is_waited_for_what_the_daemon_says_since_the_change(call, place):
    """What it said before is no reason to stop waiting. It is what there is, should the clock have been set back meanwhile."""
    awaited = {**AWAITED, "seconds": 1}
    for said, why in ((SAID.format("192.0.2.9"), "the collector 192.0.2.1 port 6343 is not in effect"),
                      ("rev_start=1\n", f"after 1 s {place.auto} is not complete")):
        place.auto.write_text(said)
        os.utime(place.auto, (1000, 1000))
        result, _sent = call({"state": "proved", "awaited": awaited, "rollback": False})
        assert 1 <= place.seconds[-1] < 10 and result["unproved"] == why and place.pending.exists()
    place.auto.write_text("rev_start=1\n")  # newer, and not at its end
    result, _sent = call({"state": "proved", "awaited": awaited, "rollback": False})
    assert place.seconds[-1] >= 1 and result["unproved"] and place.pending.exists()
    place.auto.write_text(SAID.format("192.0.2.1"))
    os.utime(place.auto, (1000, 1000))
    result, _sent = call({"state": "proved", "awaited": awaited, "rollback": False})
    assert place.seconds[-2] >= 1 and "unproved" not in result and not place.pending.exists()


def test_what_it_says_since_is_taken_at_once_and_the_record_goes(call, place):
    os.utime(place.auto, (3000, 3000))
    result, _sent = call({"state": "proved", "awaited": {**AWAITED, "seconds": 20}})
    assert "unproved" not in result and place.seconds[0] < 10 and not place.state.exists()


def test_a_record_of_another_run_is_left_to_it(call, place):
    place.pending.write_text('{"version": null, "change": "0123456789ABCDEF"}')
    result, sent = call({"state": "proved", "record": "00000000000000AA"})
    assert sent is None and "failed" not in result and "unproved" not in result and place.pending.exists()
    assert result["warnings"] == ["another run has changed this host since; the proof of that run decides"]
    for _again in range(2):  # gone is gone
        result, _sent = call({"state": "proved", "record": "0123456789ABCDEF"})
        assert "warnings" not in result and "failed" not in result and not place.state.exists()


def test_what_else_lies_beside_the_record_stays(call, place):
    (place.state / "previous.deb").write_text("x")
    result, _sent = call({"state": "proved"})
    assert "failed" not in result and not place.pending.exists() and (place.state / "previous.deb").exists()


def test_a_password_in_an_address_is_not_said_by_the_host(monkeypatch):
    """Where somebody uses the module without the role, which takes it out of the address."""
    monkeypatch.setattr("ansible.module_utils.urls.fetch_url", lambda _module, url, timeout: (None, {"msg": "Request failed: %s" % url}))
    given = {"package_url": "http://user:s3cret@example.com/x.deb", "download_retries": 0, "download_timeout_seconds": 1}
    with pytest.raises(Failed) as failed:
        download(types.SimpleNamespace(params=given))
    assert "http://***@example.com/x.deb could not be downloaded" in str(failed.value) and "s3cret" not in str(failed.value)
