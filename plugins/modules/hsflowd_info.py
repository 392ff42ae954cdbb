#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


DOCUMENTATION = r"""
module: hsflowd_info
short_description: Observe the Host sFlow agent and its host
version_added: 1.0.0
description:
  - Returns in one round trip what there is to know about hsflowd on a host.
  - That is the platform in upstream's words, the package, the configuration, the service, what the running daemon says is in effect,
    its modules, and the network interfaces with those that lead to a network.
  - Nothing is changed, and no facts need to be gathered before.
author:
  - netviz.sflow contributors (@netviz)
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: none
    details:
      - This module changes nothing.
  platform:
    description: Target OS or families that can be operated against.
    support: full
    platforms: debian
requirements:
  - Python 3.6 or later on the host
notes:
  - Without root the modules that the daemon has loaded and the program that it runs cannot be seen.
seealso:
  - module: netviz.sflow.sflow_agents_info
    description: Asks the collector whether the telemetry arrives.
"""

EXAMPLES = r"""
- name: Look at the agent
  netviz.sflow.hsflowd_info:
  become: true
  register: agent

- name: Say what is in effect
  ansible.builtin.debug:
    msg: >-
      hsflowd {{ agent.package.version }} is {{ agent.unit.active_state }} and reports as {{ agent.auto.agent_ip }}
      to {{ agent.auto.collectors | map(attribute='ip') | join(', ') }}
"""

RETURN = r"""
platform:
  description: The platform as upstream names its packages, or V(none).
  returned: always
  type: str
  sample: ubuntu18
distribution:
  description: C(ID) of os-release.
  returned: always
  type: str
  sample: ubuntu
distribution_version:
  description: C(VERSION_ID) of os-release.
  returned: always
  type: str
  sample: "18.04"
codename:
  description: C(VERSION_CODENAME) of os-release.
  returned: always
  type: str
  sample: bionic
architecture:
  description: The architecture of dpkg.
  returned: always
  type: str
  sample: amd64
python_version:
  description: The Python that ran the module.
  returned: always
  type: str
  sample: 3.6.15
hostname:
  description: The host's own name.
  returned: always
  type: str
  sample: web1
package:
  description: The package hsflowd as dpkg knows it.
  returned: always
  type: dict
  sample: {name: hsflowd, installed: true, version: 2.0.53-1, status: install ok installed}
config:
  description: Path, presence and sha256 of the configuration.
  returned: always
  type: dict
  sample: {path: /etc/hsflowd.conf, exists: true, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}
drop_ins:
  description: The drop-ins of the service, file name to sha256.
  returned: always
  type: dict
  sample: {netviz-restart.conf: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}
unit:
  description:
    - The service as systemd sees it.
    - C(stale) names what is newer than the running daemon, that is, what a restart would bring into effect.
  returned: always
  type: dict
  sample:
    load_state: loaded
    active_state: active
    sub_state: running
    unit_file_state: enabled
    n_restarts: 0
    result: success
    main_pid: 311
    running_seconds: 86400.5
    stale: []
collector_names:
  description: The collectors that C(/etc/hsflowd.conf) has by name, each with its addresses as the host finds them now. The daemon asks at its start only.
  returned: always
  type: dict
  sample: {collector.example.net: [192.0.2.10]}
auto:
  description:
    - What C(/etc/hsflowd.auto) says, which the daemon writes about four seconds after its start.
    - C(complete) is true when the file is whole. Other keys of the file are returned as they are.
  returned: always
  type: dict
  sample:
    exists: true
    complete: true
    agent_ip: 192.0.2.20
    agent_device: eth0
    collectors: [{ip: 192.0.2.10, udpport: 6343}]
    sampling: 400
    polling: 20
modules:
  description: The modules that are installed, those whose shared libraries are missing, and those that the daemon has loaded.
  returned: always
  type: dict
  sample: {available: [docker, json, pcap, tcp], broken: {pcap: [libpcap.so.0.8]}, mapped: [tcp]}
libraries:
  description: Shared libraries of this host that a module of hsflowd may need.
  returned: always
  type: list
  elements: str
  sample: [libpcap.so.0.8]
interfaces:
  description:
    - The network interfaces, in the order of their index.
    - C(type) is the kernel's number of the link layer, 1 for Ethernet, 512 for PPP (C(ARPHRD_) in C(linux/if_arp.h)).
  returned: always
  type: list
  elements: dict
  sample:
    - name: eth0
      ifindex: 2
      type: 1
      speed_mbps: 1000
      kind: physical
      up: true
      addresses: [192.0.2.20/24]
      default_route: true
      lower: []
uplinks:
  description: The NICs under the interfaces that lead to a network.
  returned: always
  type: list
  elements: str
  sample: [eth0]
uplink_address:
  description: The address that the host is known by, or V(none).
  returned: always
  type: str
  sample: 192.0.2.20
pending:
  description: Whether a run of the role was interrupted between a change and its proof.
  returned: always
  type: bool
  sample: false
pending_version:
  description:
    - The version of the package before that run, empty if there was none. V(none) where no run was interrupted, or its record
      cannot be read.
  returned: always
  type: str
  sample: 2.0.53-1
leftovers:
  description: Files of the role besides the configuration and the drop-ins.
  returned: always
  type: list
  elements: str
  sample: [/etc/hsflowd.conf.previous]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_host import observe


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    module.exit_json(changed=False, **observe())


if __name__ == "__main__":
    main()
