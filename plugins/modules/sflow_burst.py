#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: sflow_burst
short_description: Send so many packets that packet sampling must show some of them
version_added: 1.0.0
description:
  - Sends small UDP datagrams from the host, so that its agent, which samples one packet in O(sampling), takes samples even where there
    is no traffic. A proof that asks for packet samples needs that on a quiet network.
  - It sends ten times O(sampling) packets, so that the chance of no sample at all is below one in twenty thousand, but never more
    than O(max_packets) and never for longer than O(seconds).
  - Nothing has to listen at the other end. By default the packets go to the discard port.
author:
  - netviz.sflow contributors (@netviz)
attributes:
  check_mode:
    support: full
    description: In check mode nothing is sent.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  address:
    description: Where the packets go. They must leave through an interface that the agent samples, so this is another host.
    type: str
    required: true
  port:
    description: The UDP port, 1 to 65535.
    type: int
    default: 9
  sampling:
    description: The sampling rate of the agent, 1 in so many; 1 or more.
    type: int
    required: true
  max_packets:
    description: How many packets are sent at most; 1 or more.
    type: int
    default: 50000
  seconds:
    description: For how long packets are sent at most, 0.1 to 60. They are spread over this time.
    type: float
    default: 5.0
"""

EXAMPLES = r"""
- name: Make the agents take samples
  netviz.sflow.sflow_burst:
    address: 192.0.2.100
    sampling: 400
"""

RETURN = r"""
packets:
  description: How many packets were sent.
  returned: always
  type: int
  sample: 4000
enough:
  description: Whether these are so many that samples must be seen.
  returned: always
  type: bool
  sample: true
"""

import socket
import time
from typing import Any, Callable, List

from ansible.module_utils.basic import AnsibleModule

FACTOR = 10
#: The least and the greatest value of an option.
RANGES = {"port": (1, 65535), "sampling": (1, 2**32 - 1), "max_packets": (1, 2**32 - 1), "seconds": (0.1, 60)}


def burst(send: Callable[..., Any], packets: int, seconds: float, now: Callable[..., Any] = time.monotonic,
          sleep: Callable[..., Any] = time.sleep) -> int:
    """Sends the packets evenly over the time, a few at once; returns how many there were in time."""
    start, sent = now(), 0
    while sent < packets:
        elapsed = now() - start
        if elapsed >= seconds:
            break
        due = min(packets, int(packets * elapsed / (0.8 * seconds)) + 1)
        while sent < due and now() - start < seconds:
            send()
            sent += 1
        sleep(0.005)
    return sent


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 9},
            "sampling": {"type": "int", "required": True},
            "max_packets": {"type": "int", "default": 50000},
            "seconds": {"type": "float", "default": 5.0},
        },
        supports_check_mode=True,
    )
    p = module.params
    for name, (low, high) in RANGES.items():
        if not low <= p[name] <= high:
            module.fail_json(msg="%s is %s; expected %s to %s." % (name, p[name], low, high))
    wanted = FACTOR * p["sampling"]
    packets = min(wanted, p["max_packets"])
    if module.check_mode:
        module.exit_json(changed=False, packets=0, enough=False)
    try:
        family, kind, protocol, _name, target = socket.getaddrinfo(p["address"], p["port"], 0, socket.SOCK_DGRAM)[0]
        peer = socket.socket(family, kind, protocol)
    except OSError as error:
        module.fail_json(msg="There is no way to send to %s: %s." % (p["address"], error))
    refused: List[str] = []

    def send() -> None:
        try:
            peer.sendto(b"netviz.sflow flow proof", target)
        except OSError as error:  # a full queue or the other end's "port unreachable" is no reason to stop
            refused.append(str(error))

    try:
        sent = burst(send, packets, p["seconds"])
    finally:
        peer.close()
    if refused:
        sent -= len(refused)
        module.warn("Packets to %s that were not sent: %d. The last one: %s." % (p["address"], len(refused), refused[-1]))
    module.exit_json(changed=False, packets=sent, enough=sent >= wanted)


if __name__ == "__main__":
    main()
