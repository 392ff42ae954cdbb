# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collector of sFlow version 5: it receives, keeps account of every agent, and says what it saw.

The way of a datagram: udp (receive) -> wire (decode) -> account (per agent) and traffic (between groups)
-> views (JSON, Prometheus text) -> web (HTTP). Every module is one step of that way.
"""

VERSION = "1.0.0"
