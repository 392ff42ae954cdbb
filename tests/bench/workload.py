# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workload of the benches: many datagrams of many agents, made from a pool of realistic ones.

Fleet (tests/unit/collector/sflow_generator.py) makes the pool; here its datagrams get the agent address, sequence
numbers, uptime and sample numbers of ten thousand agents that each send in turn, as a capture would show them.
"""

import argparse
import collections
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unit", "collector"))

import sflow_generator as gen

POOL = 2000
SECONDS_PER_ROUND = 1.0  # every agent sends one datagram a second


class Template:
    """A datagram of the pool and the places of what has to be patched."""

    def __init__(self, data):
        self.data = data
        self.six = data[7] == 2
        self.tail = 24 if self.six else 12
        self.numbers = []  # places of the numbers of flow samples, and of their pools
        self.counters = []  # places of the numbers of counter samples, and their data sources
        position = self.tail + 16
        while position < len(data):
            tag, size = struct.unpack_from(">II", data, position)
            if tag in (1, 3):
                self.numbers.append((position + 8, position + 8 + (16 if tag == 3 else 12)))
            elif tag in (2, 4):
                self.counters.append((position + 8, data[position + 12:position + (20 if tag == 4 else 16)]))
            position += 8 + size


class Workload:
    """count datagrams of agents agents; iterate for (seconds, source address, payload)."""

    def __init__(self, agents=10000, count=1000000, seed=1):
        self.agents, self.count = agents, count
        fleet = gen.Fleet(POOL, seed, host="a-host.example.net")
        self.mapping = fleet.mapping
        self.pool = [Template(fleet.send(number)) for number in range(POOL)]
        self.fleet = fleet
        self.frames = 0  # that the flow samples written so far stand for

    def __iter__(self):
        flows, counters = [0] * self.agents, collections.Counter()
        head = struct.Struct(">II").pack_into
        word = struct.Struct(">I").pack_into
        addresses = [gen.pack_address(self.fleet.address(number)) for number in range(self.agents)]
        for number in range(self.count):
            agent, turn = number % self.agents, number // self.agents
            template = self.pool[(agent - agent % 10 + turn * 70) % POOL + agent % 10]
            data = bytearray(template.data)
            data[8:template.tail] = addresses[agent]
            head(data, template.tail + 4, turn + 1, 1000 * turn + 1000)
            flow = flows[agent]
            for place, pool in template.numbers:
                flow += 1
                word(data, place, flow)
                word(data, pool, flow * 400)
            flows[agent] = flow
            for place, source in template.counters:
                counters[agent, source] += 1
                word(data, place, counters[agent, source])
            self.frames += 400 * len(template.numbers)
            yield number * SECONDS_PER_ROUND / self.agents, addresses[agent], data

    def write(self, path):
        """A capture file of all datagrams, Ethernet and UDP, source address = agent address."""
        with open(path, "wb", 1 << 20) as stream:
            stream.write(gen.pcap([]))
            for seconds, address, data in self:
                text = socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address)
                frame = gen.udp_frame(text, bytes(data))
                now = 1700000000 + seconds
                stream.write(struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)) + frame)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a capture of a made-up fleet.")
    parser.add_argument("file")
    parser.add_argument("--agents", type=int, default=10000)
    parser.add_argument("--count", type=int, default=1000000)
    options = parser.parse_args()
    Workload(options.agents, options.count).write(options.file)
