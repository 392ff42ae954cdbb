# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the variables of a role by its argument specification, on the control node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.netviz.sflow.plugins.filter.hsflowd_settings import plain
from ansible_collections.netviz.sflow.plugins.module_utils import _groups
from ansible_collections.netviz.sflow.plugins.plugin_utils import _settings


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("argument_specs", "ranges", "groups"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        self.variables = task_vars or {}
        specs = yaml.safe_load(Path(self._task.args["argument_specs"]).read_text(encoding="utf-8"))["argument_specs"]
        options = specs["main"]["options"]
        ranges = {name: (bounds[0], bounds[1]) for name, bounds in (self._task.args.get("ranges") or {}).items()}
        found = _settings.problems(options, self.value, ranges)
        if not found:
            for name in self._task.args.get("groups") or []:
                try:
                    _groups.plan(self._templar.template(self.variables[name]))  # with names as they are: false is no text
                except _groups.GroupsError as error:
                    found.append(f"{name}: {error}")
        prefix = next(iter(options)).rpartition("_state")[0] + "_"
        result["warnings"] = _settings.misspelt(self.variables, (prefix,), options)
        if found:
            result.update(failed=True, msg=f"{self.variables['inventory_hostname']}: {'. '.join(found)}")
        result["changed"] = False
        return result

    def value(self, name: str) -> Any:
        """One variable of the role as plain Python."""
        try:
            return plain(self._templar.template(self.variables.get(name)))
        except AnsibleError as error:
            raise _settings.Refused([f"{name} cannot be worked out: {error.message}"]) from error
