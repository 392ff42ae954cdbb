# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs installed collections, on the control node."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.netviz.sflow.plugins.plugin_utils import _archive, _files

SPEC: dict[str, dict[str, Any]] = {
    "names": {"type": "list", "elements": "str", "required": True},
    "dest": {"type": "path", "required": True},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(SPEC)
        changed, archives = False, []
        try:
            for name, directory in _archive.needed(arguments["names"]).items():
                information = _archive.about(directory)
                data = _archive.pack(directory)
                file = f"{name.replace('.', '-')}-{information['version']}.tar.gz"
                changed |= self.write(os.path.join(arguments["dest"], file), data)
                archives.append(
                    {
                        "name": name,
                        "version": information["version"],
                        "source": information.get("repository") or "",
                        "license": information.get("license") or [],
                        "file": file,
                        "sha256": hashlib.sha256(data).hexdigest(),
                    }
                )
        except _archive.ArchiveError as error:
            raise AnsibleActionFail(str(error)) from error
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}.") from error
        return {"changed": changed, "archives": archives}

    def write(self, path: str, data: bytes) -> bool:
        """Whether the file differs; it is replaced in one step, and not in check mode."""
        if os.path.exists(path):
            with open(path, "rb") as handle:
                if handle.read() == data:
                    return False
        if not self._task.check_mode:
            _files.replace(path, data, 0o644)
        return True
