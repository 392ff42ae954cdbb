# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile input: whatever arrives, nothing is raised and nothing grows past its bound."""

import io
import random

import pytest
import sflow_generator as gen
from sflow_collector import capture, core, views

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

SOURCE = views.parse_address("192.0.2.1")
SEEDS = None


def seeds():
    """Datagrams of every kind to start from."""
    global SEEDS
    if SEEDS is None:
        fleet = gen.Fleet(20, seed=3)
        SEEDS = [fleet.send(number) for number in range(20) for _unused in range(3)]
        SEEDS.append(gen.datagram("192.0.2.1", 1, [
            gen.discard_sample([gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))]),
            gen.flow_sample([gen.sampled_ip("10.0.0.1", "10.0.0.2"), gen.sampled_ip("2001:db8::1", "2001:db8::2")]),
            gen.flow_sample([gen.raw_header(gen.ethernet(gen.ipv6("2001:db8::1", "2001:db8::2", 6, extensions=[
                (0, b"\0" * 7), (44, b"\0" * 7)]), 0x86DD, [1, 2]))])]))
        frames = gen.frame("10.0.0.1", "10.0.0.2"), gen.ethernet(gen.ipv6("2001:db8::1", "2001:db8::2"), 0x86DD, [1])
        SEEDS += [gen.datagram("192.0.2.2", number, [  # records on both sides of the header
            gen.flow_sample([gen.timestamp()] * before + [gen.raw_header(frame)] + [gen.tagged(1001, gen.words(5, 0, 5, 0))] * behind,
                            expanded=expanded) for frame in frames for before in (0, 1, 2) for behind in (0, 1, 2)])
                  for number, expanded in enumerate((True, False), 1)]
    return SEEDS


def mutate(choice, data):
    """Change a datagram a little: words, bytes, lengths, cuts, doubled parts."""
    data = bytearray(data)
    for _unused in range(choice.randrange(1, 6)):
        if not data:
            break
        place = choice.randrange(len(data))
        kind = choice.randrange(6)
        if kind == 0:
            data[place] = choice.randrange(256)
        elif kind == 1:
            place &= ~3
            data[place:place + 4] = choice.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1", b"\x7f\xff\xff\xff",
                                                   b"\0\0\xff\xff", b"\0\0\0\4"))
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            del data[place:place + choice.randrange(1, 9)]
        elif kind == 4:
            data[place:place] = data[place:place + choice.randrange(1, 40)]
        else:
            data[place] ^= 1 << choice.randrange(8)
    return bytes(data[:9000])


def ask_everything(collector):
    """Every view must be able to say what is in the account."""
    for pieces in (views.fleet(collector, (), "", 0, 100), views.agents(collector, ()), views.metrics(collector),
                   views.dump(collector, ["ALL"], ["ALL"]), views.metric_rows(collector, ["ALL"], ["sum:ifinoctets"])):
        assert all(isinstance(piece, bytes) for piece in pieces)
    views.dumps([views.pairs(collector), views.vizceral(collector), views.analyzer(collector)])


def test_mutated_datagrams():
    choice = random.Random(11)
    collector = core.Collector(max_agents=200)
    for number in range(20000):
        data = mutate(choice, choice.choice(seeds()))
        collector.receive(data, len(data), SOURCE, 1700000000000 + number)
    account = collector.account
    assert account.datagrams == 20000 and len(account.agents) <= 200
    assert account.errors and account.points.used <= account.points.capacity
    ask_everything(collector)


@pytest.mark.parametrize("piece", (24, 1000, 1 << 16))
def test_mutated_frames(piece, monkeypatch):
    """Payloads found where they lie are those that every frame alone has, wherever the pieces end that are read."""
    monkeypatch.setattr(capture, "PART", piece)
    choice, packets = random.Random(12), []
    for number in range(400 if piece == 24 else 4000):
        frame = bytearray(gen.udp_frame(choice.choice(("192.0.2.1", "2001:db8::1")), choice.choice(seeds())[:choice.randrange(300)]))
        if choice.random() < 0.5:
            frame[choice.randrange(min(48, len(frame)))] ^= 1 << choice.randrange(8)
        packets.append((number, frame[:choice.randrange(len(frame))] if choice.random() < 0.2 else frame))
    alone = [(1000 * number, capture.payload(1, bytes(frame), 6343)) for number, frame in packets]
    expected = [(time_ms,) + found for time_ms, found in alone if found]
    for write in gen.pcap, gen.pcapng:
        assert list(capture.datagrams(io.BytesIO(write(packets)))) == expected
        for _time, _source, data, _begin, end in capture.located(io.BytesIO(write(packets))):
            assert len(data) >= end + len(capture.PAD)


@hypothesis.given(st.binary(max_size=300))
def test_random_bytes(data):
    collector = core.Collector(max_agents=4)
    for body in (data, b"\0\0\0\5\0\0\0\1" + data, gen.datagram("192.0.2.1", 1, [gen.tagged(3, data)]),
                 gen.datagram("192.0.2.1", 2, [gen.tagged(4, gen.words(1, 2, 1, 3) + data)]),
                 gen.datagram("192.0.2.1", 3, [gen.flow_sample([gen.tagged(1, data)])]),
                 gen.datagram("192.0.2.1", 4, [gen.flow_sample([gen.raw_header(data)])]),
                 gen.datagram("192.0.2.1", 5, [gen.counter_sample([gen.tagged(2000, data), gen.tagged(1, data)])])):
        collector.receive(body, len(body), SOURCE, 1700000000000)
    ask_everything(collector)


@hypothesis.given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2 ** 32 - 1), st.integers(0, 2 ** 32 - 1),
                                     st.integers(-5, 10 ** 7)), max_size=60))
def test_any_sequence(steps):
    collector, now = core.Collector(max_agents=3), 1700000000000
    for agent, sequence, uptime, after in steps:
        now += after
        data = gen.datagram("192.0.2.%d" % agent, sequence, [gen.flow_sample([], rate=uptime, pool=sequence)],
                            uptime=uptime)
        collector.receive(data, len(data), SOURCE, now)
    assert collector.account.datagrams == len(steps)
    ask_everything(collector)
