# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.netviz.sflow.plugins.plugin_utils import _proof

display = Display()


class ActionModule(ActionBase):
    """Shows the account of the fleet. A table does not survive the callbacks, which fold long lines: so it is printed here."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            {
                "results": {"type": "list", "elements": "dict", "required": True},
                "max_rows": {"type": "int", "default": _proof.MAX_ROWS},
            }
        )
        results = arguments["results"]
        variables = task_vars or {}
        hostvars = variables.get("hostvars") or {}
        names = [agent["name"] for result in results for agent in (result.get("item") or {}).get("agents") or []]
        outcomes = {name: _proof.outcome_of(hostvars[name]) for name in names if name in hostvars}
        account = _proof.merge(results, outcomes)
        if account["unexpected"]:
            fleet = ((name, hostvars[name]) for name in variables.get("groups", {}).get("sflow_agents", []))
            account["unexpected"] = _proof.strangers(account["unexpected"], fleet)
        for line, fine in _proof.table(account, arguments["max_rows"]):
            display.display(line, color=None if fine is None else C.COLOR_OK if fine else C.COLOR_ERROR)
        return {"changed": False, "failing": account["reasons"], "verdict_counts": account["counts"]}
