# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sflow_hosts
short_description: The hosts that a play of the rollout is about
version_added: 1.0.0
description:
  - Picks hosts by what was registered on them. A play that has only these hosts costs nothing on all others, where a condition
    would cost a process per host.
options:
  _input:
    description: The C(hostvars) of the play.
    type: dict
    required: true
  hosts:
    description: The hosts to pick from, in their order.
    type: list
    elements: str
    required: true
  which:
    description:
      - V(refused), those whose settings are refused, V(due), those that need a change, V(unreachable), those that could not be
        observed for want of a connection, V(dropped), those without which the rollout goes on, because they could not be reached,
        changed or proved, V(failed), those whose change or proof failed at the end, V(wanted), those that are to have an agent,
        V(leaving), the others, or V(met), those that a play of this run was about. The first three by what M(netviz.sflow.hsflowd_plan) found.
    type: str
    choices: [refused, due, unreachable, dropped, failed, wanted, leaving, met]
    required: true
author:
  - netviz.sflow contributors (@netviz)
"""

EXAMPLES = r"""
- name: Look at the hosts that need a change
  hosts: "{{ hostvars | netviz.sflow.sflow_hosts(groups['sflow_agents'], 'due') }}"
  gather_facts: false
  tasks:
    - name: Say why
      ansible.builtin.debug:
        msg: "{{ __hsflowd_info.due }}"
"""

RETURN = r"""
_value:
  description: Their names.
  type: list
  elements: str
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.netviz.sflow.plugins.plugin_utils import _proof


def sflow_hosts(hostvars: Mapping[str, Any], hosts: Iterable[str], which: str) -> list[str]:
    if which not in _proof.PICKS:
        raise AnsibleFilterError(f"sflow_hosts: {which!r} is none of {', '.join(_proof.PICKS)}.")
    # A check of the syntax knows no variables of hosts.
    known = _proof.variables_of(hostvars, hosts)
    return [name for name, variables in known.items() if _proof.PICKS[which](name, variables)]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sflow_hosts": sflow_hosts}
