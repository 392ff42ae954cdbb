# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command on a machine that is taken away now and then: all of its processes, or a part of them, are stopped for a while.

A test that leans on an idle machine fails here within minutes, not in every hundredth run of CI.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

EVERY = 0.7  # seconds from a pause to the next one, in the mean
PAUSE = 0.1, 0.9  # seconds that one takes


def descendants(root: int) -> list[int]:
    """A process and all below it, as far as they are there."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for each in found:
        found += children.get(each, [])
    return found


def send(number: signal.Signals, processes: list[int]) -> None:
    for each in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, number)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    run = subprocess.Popen(arguments.command)
    while run.poll() is None:
        time.sleep(chance.expovariate(1 / EVERY))
        chosen = descendants(run.pid)
        if chance.random() < 0.5:  # one processor of several
            chosen = [each for each in chosen if chance.random() < 0.5]
        send(signal.SIGSTOP, chosen)
        try:
            time.sleep(chance.uniform(*PAUSE))
        finally:
            send(signal.SIGCONT, chosen)
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
