# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How property tests search, and how a module is run in the process of a test.

By default the examples follow from the test alone, so that a red run is due to the change it was run for.
HYPOTHESIS_PROFILE=search looks at new ones every time, and at many more.
"""

import json
import os

import pytest
from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # the machines of CI are slow and noisy
settings.register_profile("repeatable", derandomize=True, **_COMMON)
settings.register_profile("search", derandomize=False, max_examples=5000, print_blob=True, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture
def run_module(monkeypatch, capsys, tmp_path):
    """A function that runs main() of a module of Ansible; its result, with what it warned of as `warned`."""
    from ansible.module_utils import basic
    (tmp_path / "tmp").mkdir(mode=0o700)

    def run(module, arguments, check=False, diff=False):
        said = []
        given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": str(tmp_path / "tmp")}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)  # ansible-core 2.19 and newer asks for it
        monkeypatch.setattr(module.AnsibleModule, "warn", lambda _self, text: said.append(text))
        with pytest.raises(SystemExit):
            module.main()
        return {"failed": False, **json.loads(capsys.readouterr().out), "warned": said}
    return run
