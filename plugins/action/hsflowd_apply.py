# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries the package to the host within the arguments of the module that installs it: to copy it takes four more round trips.

That a change stands is the removal of one file, which needs no Python on the host: a module takes ten times the CPU there.
"""

from __future__ import annotations

import base64
import shlex
import time
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_host import PENDING, STATE


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("state") == "proved":
            return self.let_stand()
        local = arguments.get("package_file")
        if local and not arguments.get("package_remote") and not self._task.check_mode:
            try:
                arguments["package_data"] = base64.b64encode(Path(local).expanduser().read_bytes()).decode("ascii")
            except OSError as error:
                why = f"The package {local} cannot be read on the controller ({error.strerror}): it was not downloaded, or hsflowd_deb_file or "
                why += "hsflowd_release_url leads to where it is not. Nothing was changed"
                return {"failed": True, "msg": why}
            del arguments["package_file"]
        result: dict[str, Any] = self._execute_module(
            module_name="netviz.sflow.hsflowd_apply",
            module_args=arguments,
            task_vars=task_vars,
            wrap_async=self._task.async_val,
        )
        if "observed" in result:
            result["observed"]["observed_at"] = time.time()  # by the clock of the control node, as hsflowd_plan has it
        return result

    def let_stand(self) -> dict[str, Any]:
        """Removes the record of the state before, and its directory if it is empty then."""
        result: dict[str, Any] = {"changed": False, "changes": []}
        if not self._task.check_mode:
            done = self._low_level_execute_command(f"rm -f -- {shlex.quote(PENDING)} && {{ rmdir -- {shlex.quote(STATE)} 2>/dev/null || true; }}")
            if done["rc"] != 0:
                said = " ".join(f"{done['stderr']} {done['stdout']}".split())
                result.update(failed=True, msg=f"{PENDING} could not be removed: {said}")
        return result
