# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries the package to the host within the arguments of the module that installs it: to copy it takes four more round trips.

That a change stands is one look at a file and the removal of another, which need no Python on the host: a module takes ten times the CPU
there.
"""

from __future__ import annotations

import base64
import os
import shlex
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_apply import not_in_effect
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_host import AUTO, PENDING, STATE, parse_auto

ANOTHER = 79  # exit status where the record is that of another run


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("state") == "proved":
            return self.let_stand(arguments, task_vars)
        local = arguments.get("package_file")
        if local and not arguments.get("package_remote") and not self._task.check_mode:
            try:
                arguments["package_data"] = base64.b64encode(Path(os.path.expanduser(local)).read_bytes()).decode("ascii")
            except OSError as error:
                why = f"The package {local} cannot be read on the controller ({error.strerror}): it was not downloaded, or hsflowd_deb_file or "
                why += "hsflowd_release_url leads to where it is not. Nothing was changed"
                return {"failed": True, "msg": why}
            del arguments["package_file"]
        return self.by_the_module(arguments, task_vars)

    def by_the_module(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="netviz.sflow.hsflowd_apply", module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val
        )
        if "observed" in result:
            result["observed"]["observed_at"] = time.time()  # by the clock of the control node, as hsflowd_plan has it
        return result

    def let_stand(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Removes the record of the state before, and its directory if it is empty then; first it looks for what is awaited."""
        result: dict[str, Any] = {"changed": False, "changes": []}
        if self._task.check_mode:
            return result
        awaited = arguments.pop("awaited", None)
        if awaited:
            auto = parse_auto(self.said(int(awaited["seconds"])))
            result["observed"] = {"auto": auto}
            silent = "" if auto["complete"] else f"after {awaited['seconds']} s {AUTO} is not complete"
            why = silent or not_in_effect(awaited, auto)
            if why and boolean(arguments.get("rollback", True)):
                arguments["state"] = "previous"
                return {**self.by_the_module(arguments, task_vars), "unproved": why}
            if why:
                return {**result, "unproved": why}
        pending, change = shlex.quote(PENDING), shlex.quote(str(arguments.get("record") or ""))
        other = f"[ -e {pending} ] && ! grep -qF -- {change} {pending} && exit {ANOTHER}"
        done = self._low_level_execute_command(f"{other}; rm -f -- {pending} && {{ rmdir -- {shlex.quote(STATE)} 2>/dev/null || true; }}")
        if done["rc"] == ANOTHER:
            result["warnings"] = ["another run has changed this host since; the proof of that run decides"]
        elif done["rc"] != 0:
            said = " ".join(f"{done['stderr']} {done['stdout']}".split())
            result.update(failed=True, msg=f"{PENDING} could not be removed: {said}")
        return result

    def said(self, seconds: int) -> str:
        """What the daemon says is in effect since the change, waited for so many seconds; what there is of it by then."""
        there = f"[ {shlex.quote(AUTO)} -nt {shlex.quote(PENDING)} ] && grep -q ^rev_end= {shlex.quote(AUTO)}"
        wait = f"n=0; until {there}; do [ $n -lt {seconds} ] || break; n=$((n+1)); sleep 1; done"
        return str(self._low_level_execute_command(f"{wait}; cat {shlex.quote(AUTO)}")["stdout"])
