# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the account of the fleet. The callbacks fold long lines, which no table survives: so it is printed here."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.path import makedirs_safe
from ansible_collections.netviz.sflow.plugins.plugin_utils import _files, _proof, _report

display = Display()

SPEC = {
    "results": {"type": "list", "elements": "dict", "required": True},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "path": {"type": "path"},
    "max_rows": {"type": "int", "default": _report.MAX_ROWS},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(SPEC)
        account = self.account(arguments, task_vars or {})
        for line, fine in _report.table(account, arguments["max_rows"]):
            display.display(line, color=None if fine is None else C.COLOR_OK if fine else C.COLOR_ERROR)
        return {
            "changed": False,  # a report of the state is no part of the state
            "failing": account["reasons"],
            "unproved": account["unproved"],
            "verdict_counts": account["counts"],
            "files": self.write(arguments["path"], account) if arguments["path"] else [],
        }

    def write(self, path: str, account: dict[str, Any]) -> list[str]:
        """Both files, each replaced in one step, next to where they go."""
        stem = re.sub(r"\.(json|html)$", "", path)
        when = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        files = {stem + ".json": _report.as_json(account, when), stem + ".html": _report.as_html(account, when)}
        for name, text in files.items():
            try:
                makedirs_safe(os.path.dirname(os.path.abspath(name)))
                _files.replace(name, text.encode("utf-8", "replace"))  # what a host said may be no UTF-8
            except OSError as error:
                raise AnsibleActionFail(f"The report {name} cannot be written: {error.strerror}.") from error
            display.display(f"Report: {name}")
        return list(files)

    @staticmethod
    def account(arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        groups = variables.get("groups") or {}
        asked = [
            agent["name"] for result in arguments["results"] for agent in (result.get("item") or {}).get("agents") or []
        ]
        agents = groups.get("sflow_agents", [])
        hostvars = _proof.variables_of(variables.get("hostvars") or {}, [*asked, *arguments["hosts"], *agents])
        alive = set(variables.get("ansible_play_hosts") or ())
        outcomes = {
            name: _proof.outcome_of(name, hostvars[name], name in alive)
            for name in {*asked, *arguments["hosts"]}
            if name in hostvars
        }
        account = _proof.merge(arguments["results"], arguments["hosts"], outcomes)
        if account["unexpected"]:
            fleet = ((name, hostvars[name]) for name in agents)
            account["unexpected"] = _proof.strangers(account["unexpected"], fleet)
        return account
