# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs a directory of the control node into one argument of the module netviz.sflow.tree."""

from __future__ import annotations

import base64
import json
import os
import zlib
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase


def pack(directory: str) -> str:
    """The files of a directory in one string that depends on nothing but their names and contents."""
    files = {}
    for where, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if name != "__pycache__")
        for name in names:
            if name.endswith(".pyc"):
                continue
            path = os.path.join(where, name)
            with open(path, "rb") as handle:
                files[os.path.relpath(path, directory)] = handle.read().decode("latin-1")  # any byte, still JSON
    text = json.dumps(files, sort_keys=True).encode("utf-8")
    return base64.b64encode(zlib.compress(text, 9)).decode("ascii")


class ActionModule(ActionBase):
    """Finds `src` as ansible.builtin.copy does and hands its content to the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        source = arguments.get("src")
        if source:
            try:
                directory = self._find_needle("files", source)
            except AnsibleError as error:
                raise AnsibleActionFail(f"src: {error}") from error
            if not os.path.isdir(directory):
                raise AnsibleActionFail(f"src: {directory} is not a directory.")
            arguments["archive"] = pack(directory)
        result.update(self._execute_module(module_name="netviz.sflow.tree", module_args=arguments, task_vars=task_vars))
        return result
