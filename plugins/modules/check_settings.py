#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: check_settings
short_description: Check the variables of a role by its argument specification
version_added: 1.0.0
description:
  - Fails with one sentence for each variable that cannot be used, which names the variable, its value, and what is accepted.
  - Unlike M(ansible.builtin.validate_argument_spec) it accepts only what means the same wherever a role reads it. So C(y) and C(n) are
    no booleans, and a text is no list.
  - Warns of a variable that has the prefix of the role and is none of its options, but hardly differs from one.
  - This is a part of the roles of this collection, whose variables it reads. Nothing is changed, and the host is not connected to.
  - An action plugin of the same name does the work on the control node.
options:
  role:
    description: The directory of the role. Its name is the prefix of the variables.
    type: path
    required: true
  ranges:
    description: The least and the greatest value of options that are numbers, by their names.
    type: dict
    default: {}
  groups:
    description: Names of options that are groups of addresses as M(netviz.sflow.vizceral_groups) takes them.
    type: list
    elements: str
    default: []
  secrets:
    description: Names of options whose values are not shown.
    type: list
    elements: str
    default: []
author:
  - netviz.sflow contributors (@netviz)
attributes:
  check_mode:
    support: full
    description: It changes nothing, in check mode or otherwise.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: ansible.builtin.validate_argument_spec
"""

EXAMPLES = r"""
- name: Check the settings
  netviz.sflow.check_settings:
    role: "{{ role_path }}"
    ranges:
      collector_workers: [1, 64]
    groups: [collector_groups]
    secrets: [collector_token]
"""

RETURN = r""" # """
