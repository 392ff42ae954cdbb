# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the package be run as `python3 -m sflow_collector`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
