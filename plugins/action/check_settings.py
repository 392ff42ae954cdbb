# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the variables of a role by its argument specification, on the control node."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.netviz.sflow.plugins.filter.hsflowd_settings import plain
from ansible_collections.netviz.sflow.plugins.module_utils import _groups
from ansible_collections.netviz.sflow.plugins.plugin_utils import _settings


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("role", "ranges", "groups", "secrets"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        role = Path(self._task.args["role"])
        options = _settings.options_of(role)
        for name in self._task.args.get("secrets") or []:
            options[name] = {**options[name], "no_log": True}
        ranges = {name: (bounds[0], bounds[1]) for name, bounds in (self._task.args.get("ranges") or {}).items()}
        found = _settings.problems(options, partial(_settings.variable, self._templar, variables), ranges)
        if not found:
            for name in self._task.args.get("groups") or []:
                try:
                    groups = self._templar.template(variables[name])
                    # Names stay as they are, since false is no text; what ansible-vault encrypted is one only before ansible-core 2.19.
                    _groups.plan({key: plain(networks) for key, networks in groups.items()})
                except _groups.GroupsError as error:
                    found.append(f"{name}: {error}")
        result["warnings"] = _settings.misspelt(variables, (role.name + "_",), options)
        if found:
            result.update(failed=True, msg=f"{variables['inventory_hostname']}: {'. '.join(found)}")
        result["changed"] = False
        return result
