# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sflow_rollout
short_description: The variables of rollout and proof, checked
version_added: 1.0.0
description:
  - Checks the variables C(sflow_rollout_*) and C(sflow_proof_*), which no role has, before a host is touched, and warns of a name that
    hardly differs from one of them.
  - They are for all hosts alike, so those of the first agent are taken.
options:
  _input:
    description: The C(hostvars) of the play.
    type: dict
    required: true
  agents:
    description: The hosts of the group C(sflow_agents).
    type: list
    elements: str
    required: true
author:
  - netviz.sflow contributors (@netviz)
"""

EXAMPLES = r"""
- name: Refuse what cannot be meant
  ansible.builtin.assert:
    that: (hostvars | netviz.sflow.sflow_rollout(groups['sflow_agents'])).problems | length == 0
"""

RETURN = r"""
_value:
  description:
    - C(problems), a sentence per variable that is not what it can be, and C(batches), the sizes of the batches as C(serial) takes them.
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.utils.display import Display
from ansible_collections.netviz.sflow.plugins.plugin_utils import _proof, _rollout, _settings


def sflow_rollout(hostvars: Mapping[str, Any], agents: Iterable[str]) -> dict[str, Any]:
    first: Mapping[str, Any] = next(iter(_proof.variables_of(hostvars, agents).values()), {})
    for sentence in _settings.misspelt(first, _rollout.PREFIXES, _rollout.NAMES):
        Display().warning(sentence)
    sizes = first.get("sflow_rollout_batches")
    return {
        "problems": _settings.refused(_rollout.RULES, first, _rollout.SECRETS),
        "batches": _settings.listed(_rollout.BATCHES if sizes is None else sizes),
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sflow_rollout": sflow_rollout}
