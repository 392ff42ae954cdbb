# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutated datagrams by the million through both decoders: no exception, the same account, no growth.

    python3 tests/bench/fuzz_collector.py [--count N] [--seed S] [--resume FILE]

A chunk of 5,000 datagrams depends on its number and the seed alone, so a finding can be repeated with --first. With
--resume the numbers of finished chunks are kept in a file. A collector that lives through all chunks shows growth.
"""

import argparse
import os
import random
import resource
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(HERE, "..", "unit", "collector")
sys.path[:0] = [TESTS, os.path.join(HERE, "..", "..", "roles", "collector", "files")]

import test_collector_batch as equal  # noqa: E402 - found by the line above, like the next two
from sflow_collector import core  # noqa: E402
from test_collector_hostile import ask_everything, mutate, seeds  # noqa: E402

CHUNK = 5000
MAX_AGENTS = 2000


def chunk(seed, number):
    """The datagrams of a chunk: (data, source, time)."""
    choice = random.Random(seed * 1000003 + number)
    pool, out, now = seeds(), [], equal.T0 + number * CHUNK
    for _unused in range(CHUNK):
        data = choice.choice(pool)
        if choice.random() < 0.8:
            data = mutate(choice, data)
        now += choice.choice((0, 0, 1, 1, 2, 50))
        out.append((data, choice.choice(equal.SOURCES), now))
    return out


def main():
    parser = argparse.ArgumentParser(description="Fuzz both decoders of the collector.")
    parser.add_argument("--count", type=int, default=1000000, help="datagrams")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first chunk")
    parser.add_argument("--resume", metavar="FILE", help="where the number of the next chunk is kept")
    options = parser.parse_args()
    first = options.first
    if options.resume and os.path.exists(options.resume):
        with open(options.resume) as stream:
            first = int(stream.read())
    clock = [0]
    survivor = core.create("batch", max_agents=MAX_AGENTS, clock=lambda: clock[0])
    began, grown = time.monotonic(), None
    last = first + -(-options.count // CHUNK)
    for number in range(first, last):
        datagrams = chunk(options.seed, number)
        try:
            pair = equal.both(datagrams, max_agents=MAX_AGENTS, batches={choice * 997 for choice in range(5)})
            equal.assert_equal(pair)
            for data, source, now in datagrams:
                clock[0] = now
                survivor.take(data, len(data), source, now)
            survivor.flush()
            if number % 20 == 0:
                ask_everything(survivor)
        except Exception:
            print("chunk %d of seed %d:" % (number, options.seed))
            raise
        if number == first + (last - first) // 2:  # by then what is bounded has filled
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if options.resume:
            with open(options.resume, "w") as stream:
                stream.write(str(number + 1))
        if number % 20 == 19 or number == last - 1:
            print("%d datagrams, %d agents, %d s, %d MiB" % (
                (number + 1 - first) * CHUNK, len(survivor.account.agents), time.monotonic() - began,
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024), flush=True)
    if grown is not None:
        growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown) / 1024.0
        print("growth in the second half: %.1f MiB" % growth)
        if growth > 32:
            sys.exit("memory grew")
    print("both decoders agree on %d datagrams; no exception" % ((last - first) * CHUNK))


if __name__ == "__main__":
    main()
