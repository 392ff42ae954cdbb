# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings, observation and plan of a host in one task, because each task of each host costs the control node a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import filter_loader
from ansible_collections.netviz.sflow.plugins.filter import hsflowd_settings as filters
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd import is_true
from ansible_collections.netviz.sflow.plugins.plugin_utils import _settings
from ansible_collections.netviz.sflow.plugins.plugin_utils._python import python_fault
from ansible_collections.netviz.sflow.plugins.plugin_utils._settings import Refused

# The main process loads this plugin before it forks one process per host, so what is prepared here is prepared once.
ROLE = Path(__file__).parents[2] / "roles" / "hsflowd"
TEMPLATE = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False).from_string(  # noqa: S701 - no HTML
    (ROLE / "templates" / "hsflowd.conf.j2").read_text(encoding="utf-8")
)
OPTIONS = _settings.options_of(ROLE)
RANGES = {
    "hsflowd_download_retries": (0, 100),
    "hsflowd_download_delay_seconds": (0, 3600),
    "hsflowd_download_timeout_seconds": (1, 3600),
    "hsflowd_ready_timeout_seconds": (1, 3600),
    "hsflowd_throttle": (0, 100000),
}
SWITCHES = ("hsflowd_install", "hsflowd_install_libraries", "hsflowd_sampling_exact")
for name in ("ansible.builtin.bool", "ansible.builtin.combine", "netviz.sflow.hsflowd_group_collectors"):
    filter_loader.get(name)


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        self.variables = task_vars or {}
        warnings = _settings.misspelt(self.variables, ("hsflowd_",), OPTIONS)
        common = {"changed": False, "alone": self.alone()}
        try:
            decide = self.decision()
        except Refused as error:
            return {**common, "refused": error.args[0], "due": error.args[0], "warnings": warnings}
        known = self.recent(float(self._task.args.get("max_age") or 0))
        if known:
            return {**known, **common, "refused": [], **decide(known)}
        info = self._execute_module(module_name="netviz.sflow.hsflowd_info", module_args={}, task_vars=task_vars)
        if info.get("failed"):
            said = " ".join(str(info.get(key) or "") for key in ("msg", "module_stderr", "module_stdout")).strip()
            return {**info, "msg": f"{self.variables['inventory_hostname']}: {python_fault(info) or said[:2000]}"}
        warnings += info.get("warnings") or []
        return {**info, **common, "observed_at": time.time(), "refused": [], **decide(info), "warnings": warnings}

    def recent(self, max_age: float) -> dict[str, Any] | None:
        """What was registered about a host that was not changed since, at most so many seconds ago, if anything was."""
        known = None if self.variables.get("__hsflowd_change") else self.variables.get("__hsflowd_info")
        if not isinstance(known, Mapping) or not 0 <= time.time() - float(known.get("observed_at") or 0) < max_age:
            return None
        said = ("warnings", "deprecations")  # when it was observed, and once is enough
        return {name: filters.plain(value) for name, value in known.items() if name not in said}

    def decision(self) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """What makes a plan of an observation. Everything that needs no host is worked out here, before one is reached."""
        state = self.value("hsflowd_state")
        # What the plan is made of is checked with it, switches excepted, in the words of hsflowd's grammar.
        planned = [name for name in self.value("__hsflowd_settings") if name not in SWITCHES]
        problems = _settings.problems({name: OPTIONS[name] for name in OPTIONS if name not in planned}, self.value, RANGES)
        if problems:
            raise Refused(problems)
        if state == "absent":
            manage, keep = self.value("hsflowd_install"), self.value("hsflowd_keep_config")
            return lambda info: {"due": filters.hsflowd_remains(info, manage, keep)}
        settings = {name: self.value(name) for name in self.value("__hsflowd_settings")}
        problems, warnings = filters.loopback_collectors(
            self.variables["hostvars"], self.variables["groups"], self.variables["inventory_hostname"], settings["hsflowd_collectors"]
        )
        problems += filters.hsflowd_settings(settings)["problems"]
        if problems:
            raise Refused(problems)
        drop_ins = {
            f"netviz-{name}.conf": self.value(f"__hsflowd_drop_in_{name}")
            for name, switch in self.value("__hsflowd_drop_ins").items()
            if is_true(self.value(switch))
        }
        enabled = is_true(self.value("hsflowd_service_enabled"))

        def decide(info: Mapping[str, Any]) -> dict[str, Any]:
            plan = filters.hsflowd_settings(settings, host=info)
            plan["warnings"] += warnings
            # As text only: the control node keeps and copies this for every host of the fleet.
            plan.update(config=TEMPLATE.render(__hsflowd_statements=plan.pop("statements")), drop_ins=drop_ins)
            due = filters.hsflowd_due(info, plan, plan["config"], drop_ins, enabled)
            return {"plan": plan, "due": plan["problems"] + due}

        return decide

    def alone(self) -> bool:
        """Whether each host goes through the tasks by itself, so that none can do what others wait for."""
        return str(self._templar.template(self._task.get_play().strategy)).endswith(("free", "host_pinned"))

    def value(self, name: str) -> Any:
        """One variable of the role."""
        return _settings.variable(self._templar, self.variables, name)
