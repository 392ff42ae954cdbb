# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: inventory_group_addresses
short_description: Addresses of the hosts of inventory groups
version_added: 1.0.0
author:
  - netviz.sflow contributors (@netviz)
description:
  - Turns a mapping of names to inventory groups into a mapping of names to the addresses of the hosts in these groups,
    which is what M(netviz.sflow.vizceral_groups) takes as C(inventory_groups).
  - The address of a host is its C(sflow_rt_member_addresses) (a list) or C(sflow_rt_member_address), else
    C(ansible_host), else its inventory name. Whether that is an address is for the module to judge.
positional: groups, hostvars
options:
  _input:
    description: Mapping of names to an inventory group or a list of inventory groups.
    type: dict
    required: true
  groups:
    description: The groups of the inventory, the variable C(groups).
    type: dict
    required: true
  hostvars:
    description: The variables of all hosts, the variable C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the groups with the addresses of all databases
  netviz.sflow.vizceral_groups:
    path: /etc/sflow-rt/groups.json
    inventory_groups: "{{ {'Databases': ['db_primary', 'db_replica']}
      | netviz.sflow.inventory_group_addresses(groups, hostvars) }}"
"""

RETURN = r"""
_value:
  description: Mapping of the names to lists of addresses, each address once.
  type: dict
"""


def addresses_of(host: str, variables: Mapping[str, Any]) -> list[Any]:
    several = variables.get("sflow_rt_member_addresses")
    if several:
        if not isinstance(several, (list, tuple)):
            raise AnsibleFilterError(f"{host}: sflow_rt_member_addresses is {several!r} and must be a list of addresses.")
        return list(several)
    for name in ("sflow_rt_member_address", "ansible_host"):
        if variables.get(name):
            return [variables[name]]
    return [host]


def inventory_group_addresses(wanted: Any, groups: Mapping[str, list[str]], hostvars: Any) -> dict[str, list[Any]]:
    if not isinstance(wanted, Mapping):
        raise AnsibleFilterError("inventory_group_addresses wants a mapping of names to inventory groups.")
    result: dict[str, list[Any]] = {}
    for name, members in wanted.items():
        found: dict[Any, None] = {}
        inventory_groups = [members] if isinstance(members, str) else members
        if not isinstance(inventory_groups, (list, tuple)) or not all(isinstance(group, str) for group in inventory_groups):
            raise AnsibleFilterError(
                f"Group {name!r}: write the name of an inventory group or a list of them, not {members!r}."
            )
        for group in inventory_groups:
            if group not in groups:
                raise AnsibleFilterError(f"Group {name!r}: the inventory has no group {group!r}.")
            for host in groups[group]:
                found.update(dict.fromkeys(addresses_of(host, hostvars[host])))
        result[name] = list(found)
    return result


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"inventory_group_addresses": inventory_group_addresses}
