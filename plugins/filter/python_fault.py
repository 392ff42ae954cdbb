# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: python_fault
short_description: Say that Ansible cannot manage the Python of a host
version_added: 1.0.0
author:
  - netviz.sflow contributors (@netviz)
description:
  - Each ansible-core manages some releases of Python. What a module answers where the host has another one is a traceback, or names a
    cause that is none.
options:
  _input:
    description: The registered result of a task.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Stop where nothing can run
  ansible.builtin.fail:
    msg: "{{ result | netviz.sflow.python_fault }}"
  when: result | netviz.sflow.python_fault | length > 0
"""

RETURN = r"""
_value:
  description: A sentence, or nothing where that is not why the task failed, or where it did not fail.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.netviz.sflow.plugins.plugin_utils._python import python_fault


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"python_fault": python_fault}
