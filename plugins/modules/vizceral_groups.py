#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: vizceral_groups
short_description: Write the groups file of the Vizceral application
version_added: 1.0.0
author:
  - netviz.sflow contributors (@netviz)
description:
  - Writes the file that tells the Vizceral application of sFlow-RT, and the collector of this collection, which
    addresses belong to which group of the picture.
  - Every mistake is refused before the file is touched, because the application does not report them. It stops for good
    when it cannot read the file, draws nothing without a group C(INTERNET), and shows a group whose name has a comma
    without traffic.
  - The text depends only on what the groups contain, not on the order in which they are given.
  - The application reads the file once, when it starts. Restart the container when this module reports a change.
options:
  path:
    description:
      - File to write. Its directory must exist.
      - It is replaced in one step, so a reader sees the old or the new groups and never a part of them.
    type: path
    required: true
  groups:
    description:
      - Mapping of group names to lists of CIDRs or addresses, IPv4 and IPv6.
      - An address that lies in several networks belongs to the group of the longest prefix.
      - A name must not be empty, must not begin or end with a space, and must not contain a comma or a control
        character.
    type: raw
  inventory_groups:
    description:
      - More groups in the same form, for groups made from the addresses of inventory hosts.
      - A group that is in O(groups) too gets the networks of both.
    type: raw
  internet:
    description:
      - Whether to add a group V(INTERNET) with V(0.0.0.0/0) unless O(groups) or O(inventory_groups) have that group.
      - With V(false) the group must be given. The application draws only traffic between C(INTERNET) and the others.
    type: bool
    default: true
  internet_ipv6:
    description:
      - Whether to put V(::/0) into the group V(INTERNET) as well.
      - The Vizceral application never draws IPv6. The collector of this collection does.
    type: bool
    default: false
  collapse:
    description:
      - Whether to replace networks of a group by fewer larger ones where no address changes its group.
    type: bool
    default: false
  max_flows:
    description:
      - The value of C(viz.maxFlows) that the application runs with. It shows that many rows of groups and protocols for
        each direction, and a warning is given when there are more groups than that can hold.
      - No warning is given when this is not set.
    type: int
  draws_ipv6:
    description:
      - Whether the reader of the file draws IPv6, as the collector of this collection does.
      - With V(false) a warning is given when there are IPv6 networks.
    type: bool
    default: false
  backup:
    description:
      - Whether to keep a copy of the old file, with the time in its name, when the file changes.
    type: bool
    default: false
  mode:
    description:
      - Permissions of the file. The default is V(0644), because the application stops for good when its user cannot
        read the file.
extends_documentation_fragment:
  - ansible.builtin.files
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    support: full
    platforms: posix
seealso:
  - name: sFlow-RT Vizceral
    description: The application that draws the groups.
    link: https://github.com/sflow-rt/vizceral
"""

EXAMPLES = r"""
- name: Write the groups of two sites
  netviz.sflow.vizceral_groups:
    path: /etc/sflow-rt/groups.json
    groups:
      SiteA:
        - 10.0.0.0/16
        - 2001:db8:a::/48
      SiteB:
        - 192.0.2.0/24
  notify: Restart the viewer

- name: Add a group with the addresses of the hosts of an inventory group
  netviz.sflow.vizceral_groups:
    path: /etc/sflow-rt/groups.json
    groups:
      SiteA: [10.0.0.0/16]
    inventory_groups:
      Databases: "{{ groups['databases'] | map('extract', hostvars, 'ansible_host') | list }}"

- name: Count only the traffic with one provider as Internet traffic
  netviz.sflow.vizceral_groups:
    path: /etc/sflow-rt/groups.json
    internet: false
    groups:
      INTERNET: [198.51.100.0/24]
      SiteA: [10.0.0.0/16]
    collapse: true
    backup: true
"""

RETURN = r"""
groups:
  description: The groups as they stand in the file, networks in canonical form and sorted.
  returned: success
  type: dict
  sample:
    INTERNET: [0.0.0.0/0]
    SiteA: [10.0.0.0/16]
counts:
  description: Numbers of what is in the file.
  returned: success
  type: dict
  contains:
    groups:
      description: Groups, C(INTERNET) included.
      type: int
    cidrs:
      description: Networks of all groups.
      type: int
    ipv4:
      description: IPv4 networks.
      type: int
    ipv6:
      description: IPv6 networks.
      type: int
    collapsed:
      description: How many networks fewer there are than were given, because O(collapse) joined them.
      type: int
    nested:
      description: Networks that lie inside a network of another group other than C(INTERNET).
      type: int
  sample: {groups: 2, cidrs: 2, ipv4: 2, ipv6: 0, collapsed: 0, nested: 0}
nested:
  description: The first 100 networks that lie inside a network of another group, with that network.
  returned: success
  type: list
  elements: dict
  sample:
    - group: SiteA
      cidr: 10.0.0.0/16
      inside_group: Corporation
      inside_cidr: 10.0.0.0/8
remarks:
  description: What is worth knowing about the groups and is no fault; the same sentences are given as warnings.
  returned: success
  type: list
  elements: str
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/sflow-rt/groups.json
backup_file:
  description: The copy of the old file.
  returned: when O(backup=true) and the content changed
  type: str
  sample: /etc/sflow-rt/groups.json.4211.2026-11-22@12:00:00~
errors:
  description: One sentence for each fault in the groups, at most 20.
  returned: when the groups are refused
  type: list
  elements: str
  sample: ["Group 'SiteA': '10.0.0.300' is neither a CIDR nor an address."]
"""

import json
import os
import tempfile
from typing import Any, Dict, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netviz.sflow.plugins.module_utils._groups import GroupsError, plan


def mapping(value: Any) -> Any:
    """Accept a mapping as JSON text as well, which is how it arrives from the command line."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def read(module: Any, path: str) -> Optional[str]:
    """Return the present text of the file, None when there is no file."""
    if os.path.isdir(path):
        module.fail_json(
            msg=f"{path} is a directory where the groups file is expected. Docker makes one when a container is "
            "started with a file mount before the file exists: remove the container and the empty directory, then "
            "run again."
        )
    try:
        with open(path, "rb") as handle:
            return handle.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        module.fail_json(msg=f"Cannot read {path}: {error.strerror}. Run as a user who may (become: true).")
        return None  # fail_json has ended the run


def write(module: Any, path: str, text: str) -> None:
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        module.fail_json(msg=f"The directory {directory} does not exist; create it before the groups are written.")
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".vizceral-groups-", dir=module.tmpdir)  # which ends with the module
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(text.encode("utf-8"))
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        module.fail_json(msg=f"Cannot write the new groups to a temporary file: {error}.")
        return  # fail_json has ended the run
    module.atomic_move(temporary, path, unsafe_writes=module.params["unsafe_writes"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "groups": {"type": "raw"},
            "inventory_groups": {"type": "raw"},
            "internet": {"type": "bool", "default": True},
            "internet_ipv6": {"type": "bool", "default": False},
            "collapse": {"type": "bool", "default": False},
            "max_flows": {"type": "int"},
            "draws_ipv6": {"type": "bool", "default": False},
            "backup": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
        add_file_common_args=True,
    )
    params = module.params
    if params["mode"] is None:
        params["mode"] = "0644"
    # The file behind a link is the one to change: replacing the link would leave its readers with the old groups.
    path = os.path.realpath(params["path"])

    try:
        result = plan(
            groups=mapping(params["groups"]),
            inventory_groups=mapping(params["inventory_groups"]),
            internet=params["internet"],
            internet_ipv6=params["internet_ipv6"],
            collapse_networks=params["collapse"],
            max_flows=params["max_flows"],
            draws_ipv6=params["draws_ipv6"],
        )
    except GroupsError as error:
        module.fail_json(msg=f"The groups for {path} are refused. {error}", errors=error.errors)

    text = result.pop("text")
    for remark in result["remarks"]:
        module.warn(remark)

    before = read(module, path)
    changed = before != text
    diff = [{"before_header": path, "after_header": path, "before": before or "", "after": text}] if changed else []
    result["path"] = params["path"]

    if changed and not module.check_mode:
        if params["backup"] and before is not None:
            result["backup_file"] = module.backup_local(path)
        write(module, path, text)

    if os.path.exists(path):
        attributes = dict(params, path=path)
        attributes_diff: Dict[Any, Any] = {}
        file_args = module.load_file_common_arguments(attributes)
        changed = module.set_fs_attributes_if_different(file_args, changed, diff=attributes_diff)
        if attributes_diff.get("before") != attributes_diff.get("after"):
            attributes_diff["before_header"] = attributes_diff["after_header"] = f"{path} (attributes)"
            diff.append(attributes_diff)

    if module._diff:
        result["diff"] = diff
    module.exit_json(changed=changed, **result)


if __name__ == "__main__":
    main()
