# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sflow_burst_address
short_description: Where a host sends packets so that its own agent sees them
version_added: 1.0.0
description:
  - The address of a collector or, on the host of the only collector, of another agent, since packets of a host to itself pass no interface.
options:
  _input:
    description: The C(hostvars) of the play.
    type: dict
    required: true
  name:
    description: The host that is to send.
    type: str
    required: true
  groups:
    description: The C(groups) of the inventory.
    type: dict
    required: true
author:
  - netviz.sflow contributors (@netviz)
"""

EXAMPLES = r"""
- name: Show where this host would send to
  ansible.builtin.debug:
    msg: "{{ hostvars | netviz.sflow.sflow_burst_address(inventory_hostname, groups) }}"
"""

RETURN = r"""
_value:
  description: An address or a host name; empty if there is none.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.netviz.sflow.plugins.plugin_utils import _proof


def sflow_burst_address(hostvars: Mapping[str, Any], name: str, groups: Mapping[str, list[str]]) -> str:
    collectors = [*groups.get("sflow_collector", []), *groups.get("sflow_rt", [])]
    return _proof.burst_address(hostvars, name, collectors, groups.get("sflow_agents", []))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sflow_burst_address": sflow_burst_address}
