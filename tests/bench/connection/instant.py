# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to a host that answers at once, so that what is measured is the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instant
short_description: Answer every module with one prepared result
description: For tests/bench/bench_fleet.py.
author: netviz.sflow contributors
options:
  address:
    description: The agent address of the host.
    vars: [{name: instant_address}]
  answer:
    description: A JSON file with the result of hsflowd_info.
    vars: [{name: instant_answer}]
"""

import json  # noqa: E402 - as below
import re  # noqa: E402 - as below

from ansible.errors import AnsibleConnectionFailure  # noqa: E402 - Ansible puts DOCUMENTATION before the imports
from ansible.plugins.connection import ConnectionBase  # noqa: E402 - as above


class Connection(ConnectionBase):
    transport = "instant"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        asked = re.search(r"ansible-tmp-[0-9.-]+", cmd)
        if asked and not in_data:  # the directory for temporary files is the one thing that Ansible reads from an answer
            return 0, f"{asked.group()}=/nonexistent/{asked.group()}\n".encode(), b""
        try:
            with open(self.get_option("answer"), encoding="utf-8") as answer:
                text = answer.read().replace("192.0.2.1", self.get_option("address"))
        except FileNotFoundError:
            # Newer releases of ansible-core would add the cause to the message.
            raise AnsibleConnectionFailure("a host without an answer is away") from None
        if in_data:
            return 0, text.encode(), b""
        said = json.loads(text)  # a plain command works where modules do
        return int(bool(said.get("failed"))), b"", said.get("msg", "").encode()

    def put_file(self, in_path, out_path):
        raise NotImplementedError("an instant host takes no files: it needs no change")

    def fetch_file(self, in_path, out_path):
        raise NotImplementedError("an instant host has no files")

    def close(self):
        self._connected = False
