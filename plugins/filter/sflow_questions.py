# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sflow_questions
short_description: What to ask which collector about which hosts
version_added: 1.0.0
description:
  - Turns the inventory, and what M(netviz.sflow.hsflowd_info) found on the hosts, into questions for M(netviz.sflow.sflow_agents_info).
  - A host is asked about at each collector of the group C(sflow_collector) to which its daemon sends, or which C(hsflowd_collectors) of
    the host names, and at the first one where neither is known. The viewer of the group C(sflow_rt) is asked only where there is no collector.
  - A host from which nothing is known is recognised by what its name, or C(ansible_host), means on the control node, and by the name
    itself. The other hosts of the group C(sflow_agents) go along in short, so that it is known whose address was seen.
options:
  _input:
    description: The C(hostvars) of the play. The filter reads the registered C(__hsflowd_info) of each host and the variables of the roles.
    type: dict
    required: true
  hosts:
    description: The hosts to prove.
    type: list
    elements: str
    required: true
  groups:
    description: The C(groups) of the inventory.
    type: dict
    required: true
  url:
    description: URLs to ask instead of those of the hosts in the two groups.
    type: raw
  ask_from:
    description: The host from which O(url) is asked.
    type: str
    default: localhost
author:
  - netviz.sflow contributors (@netviz)
"""

EXAMPLES = r"""
- name: Show who would be asked about whom
  ansible.builtin.debug:
    msg: "{{ hostvars | netviz.sflow.sflow_questions(hosts=ansible_play_hosts_all, groups=groups) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - A list of questions. Each has C(host) (to delegate to), C(url), C(collector_addresses), C(agents) and C(others), the last four
      as M(netviz.sflow.sflow_agents_info) takes them, and C(asked_at), the time on the control node in seconds since 1970.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.netviz.sflow.plugins.plugin_utils import _proof


def sflow_questions(
    hostvars: Mapping[str, Any],
    hosts: list[str],
    groups: Mapping[str, list[str]],
    url: str | list[str] | None = None,
    ask_from: str = "localhost",
) -> list[dict[str, Any]]:
    unknown = [name for name in hosts if name not in hostvars]
    if unknown:
        raise AnsibleFilterError(f"sflow_questions: the inventory has no host {', '.join(unknown[:5])}.")
    collectors, viewers, fleet = (list(groups.get(name, [])) for name in ("sflow_collector", "sflow_rt", "sflow_agents"))
    return _proof.questions(hostvars, hosts, collectors, viewers, url, ask_from, fleet)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sflow_questions": sflow_questions}
