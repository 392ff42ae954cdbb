# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests for addresses, so that a role can refuse a wrong one before it touches a host."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable


def ip_address(value: object) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


def ip_network(value: object) -> bool:
    """Whether the text is an address or a network without host bits."""
    try:
        ipaddress.ip_network(str(value))
    except ValueError:
        return False
    return True


class TestModule:
    def tests(self) -> dict[str, Callable[[object], bool]]:
        return {"ip_address": ip_address, "ip_network": ip_network}
