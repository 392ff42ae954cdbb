#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: hsflowd_plan
short_description: Observe a host and say what differs from the settings of the role hsflowd
version_added: 1.0.0
description:
  - Checks the settings of the host, runs M(netviz.sflow.hsflowd_info) on it, and makes the plan of the role P(netviz.sflow.hsflowd#role)
    for it. Nothing is changed.
  - A host whose settings are refused is not connected to.
  - This is a part of the role, whose variables it reads. To use it elsewhere, import the entrance C(preflight) of the role.
  - An action plugin of the same name does the work on the control node.
options:
  max_age:
    description:
      - How many seconds old a registered C(__hsflowd_info) may be to be taken as it is. The plan is made anew from it, and the host
        is not connected to.
    type: float
    default: 0
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
  - module: netviz.sflow.hsflowd_info
"""

EXAMPLES = r"""
- name: See what is due
  ansible.builtin.import_role:
    name: netviz.sflow.hsflowd
    tasks_from: preflight

- name: Say it
  ansible.builtin.debug:
    msg: "{{ __hsflowd_info.due }}"
"""

RETURN = r"""
alone:
  description: Whether the strategy of the play has each host go through the tasks by itself, as C(free) and C(host_pinned) have.
  returned: success
  type: bool
  sample: false
due:
  description: What differs from the plan or stands against it, each in a few words; empty when nothing is to be done.
  returned: success
  type: list
  elements: str
  sample: [hsflowd.conf differs]
observed_at:
  description: When that was, by the clock of the control node, in seconds since 1970.
  returned: when the host was observed
  type: float
  sample: 1795392845.6
refused:
  description: What is wrong with the settings, whatever the host is like. If there is anything, the host was not observed.
  returned: success
  type: list
  elements: str
  sample: []
plan:
  description:
    - What P(netviz.sflow.hsflowd_settings#filter) returns, but with C(config), the text of C(hsflowd.conf), instead of its statements,
      and with C(drop_ins), the texts of the drop-ins of the service by their file names.
    - The other return values are those of M(netviz.sflow.hsflowd_info).
  returned: when the host was observed and is to have an agent
  type: dict
"""
