# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of hsflowd_apply: what it sends to the host. The connection is not there, only the call of the module is seen."""

import base64
import types

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.netviz.sflow.plugins.action.hsflowd_apply import ActionModule


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


def test_a_package_that_is_not_there_is_a_sentence_and_no_host_is_reached(call, package):
    package.unlink()
    result, sent = call({"config": "sflow { }", "package_file": str(package)})
    assert sent is None
    assert result["failed"]
    assert result["msg"].startswith(f"The package {package} cannot be read on the controller (No such file or directory)")
    assert result["msg"].endswith("Nothing was changed")


@pytest.mark.parametrize("more, check_mode", [({"package_remote": True}, False), ({}, True)])
def test_a_package_of_the_host_and_a_prediction_carry_nothing(call, package, more, check_mode):
    arguments = {"config": "sflow { }", "package_file": str(package), **more}
    _result, sent = call(dict(arguments), check_mode)
    assert sent == arguments
