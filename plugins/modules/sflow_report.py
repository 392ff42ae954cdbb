#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: sflow_report
short_description: Show the verdicts on a fleet as a table, and write them as a page
version_added: 1.0.0
description:
  - Merges the answers of M(netviz.sflow.sflow_agents_info), called in a loop over the questions of
    P(netviz.sflow.sflow_questions#filter), and prints a row per host.
  - The failing hosts come first, each of them followed by the likely cause and the next command.
  - A question that could not be asked gives the verdict V(unknown) to its hosts.
  - An action plugin of the same name does the work on the control node. Nothing runs on a host.
author:
  - netviz.sflow contributors (@netviz)
attributes:
  check_mode:
    support: full
    description: It changes nothing on any host, in check mode or otherwise.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  results:
    description: The C(results) of the registered loop.
    type: list
    elements: dict
    required: true
  hosts:
    description: Hosts that have a row even if nobody was asked about them.
    type: list
    elements: str
    default: []
  path:
    description:
      - Where to write the account as well, as JSON and as one HTML page that needs no network. The two get the suffixes C(.json) and C(.html).
      - The files are written on the control node, and are no change in the sense of Ansible.
    type: path
  max_rows:
    description: Up to how many hosts every one has a row. Of a larger fleet those that report are summed up in one line.
    type: int
    default: 40
seealso:
  - module: netviz.sflow.sflow_agents_info
"""

EXAMPLES = r"""
- name: Ask the collector
  netviz.sflow.sflow_agents_info:
    url: "{{ item.url }}"
    agents: "{{ item.agents }}"
    fail_unless_proved: false
  loop: "{{ hostvars | netviz.sflow.sflow_questions(hosts=ansible_play_hosts_all, groups=groups) }}"
  delegate_to: "{{ item.host }}"
  run_once: true
  register: proof

- name: Show the verdicts
  netviz.sflow.sflow_report:
    results: "{{ proof.results }}"
  run_once: true
  register: report

- name: Fail where telemetry does not arrive
  ansible.builtin.fail:
    msg: "{{ report.failing[inventory_hostname] }}"
  when: inventory_hostname in report.failing
"""

RETURN = r"""
failing:
  description: The hosts that do not report, each with its verdict and the likely cause.
  returned: always
  type: dict
  sample: {web2: "silent: hsflowd is not running on it (inactive/dead)."}
unproved:
  description: Those of RV(failing) for which a change made just now can be the reason. Losses are of the last minutes, so they are not.
  returned: always
  type: dict
  sample: {web2: "silent: hsflowd is not running on it (inactive/dead)."}
files:
  description: The files that were written.
  returned: always
  type: list
  elements: str
  sample: [/var/tmp/fleet.json, /var/tmp/fleet.html]
verdict_counts:
  description: How many hosts have which verdict.
  returned: always
  type: dict
  sample: {reporting: 1, silent: 1}
"""
