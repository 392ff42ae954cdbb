# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few lines of sd_notify that a service needs: ready, status, alive, stopping."""

import os
import socket
from typing import Any, Optional


def notify(*lines: Any) -> None:
    """Tell systemd something; without NOTIFY_SOCKET nothing happens."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    if path.startswith("@"):
        path = "\0" + path[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto("\n".join(lines).encode("utf-8"), path)
    except OSError:
        pass  # systemd notices a service that stays silent by itself


def watchdog_seconds() -> Optional[float]:
    """How often to say that we are alive: half of what systemd allows; None when it does not watch."""
    try:
        return int(os.environ["WATCHDOG_USEC"]) / 2000000.0
    except (KeyError, ValueError):
        return None
