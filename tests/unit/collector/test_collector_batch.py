# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast decoders against the reference: the same datagrams must give the same account.

The reference is core.Collector; the fast ones are the batch decoder and, without numpy, learned layouts.
"""

import importlib
import io
import json
import random

import pytest
import sflow_generator as gen
from sflow_collector import account as accounts
from sflow_collector import capture, core, learned, state, traffic, views
from test_collector_hostile import mutate, seeds

np = pytest.importorskip("numpy")
hypothesis = pytest.importorskip("hypothesis")
batch = importlib.import_module("sflow_collector.batch")  # it needs numpy
st = hypothesis.strategies

SOURCES = [views.parse_address(text) for text in ("192.0.2.1", "192.0.2.2", "2001:db8::1")]
T0 = 1700000000000


def both(datagrams, mapping=None, tmp_path=None, batches=(), **options):
    """Reference, batch and learned collectors that took (data, source, time); batches: where a batch ends."""
    if mapping is not None:
        (tmp_path / "groups.json").write_text(json.dumps(mapping))
        options["groups_path"] = str(tmp_path / "groups.json")
    now = [T0]
    trio = [core.Collector(clock=lambda: now[0], **options)]
    trio += [core.create(name, clock=lambda: now[0], **options) for name in ("batch", "scalar")]
    for number, (data, source, time) in enumerate(datagrams):
        now[0] = max(now[0], time)
        for collector in trio:
            collector.take(data, len(data), source, now[0])
        if number in batches:
            trio[1].flush()
    for collector in trio:
        collector.flush()
    return trio


def picture(collector):
    """Everything an account says, in a form that can be compared."""
    account = collector.account
    plain = state.to_plain(account)
    for agent in plain["agents"]:
        agent["streams"].sort(key=lambda item: item[0])
        agent["points"].sort(key=lambda item: item["source"])
    plain["agents"].sort(key=lambda item: (item["address"], item["sub_agent"]))
    plain.update(errors=account.errors, error_sources=account.error_sources, unknown=account.unknown,
                 unknown_samples=account.unknown_samples, not_ip=collector.traffic.not_ip,
                 kept={(account.points.agent[row], account.points.source[row]): account.kept.get(row)
                       for row in range(account.points.used)})
    # The order in which agents appear may differ within a batch; their numbers are not part of the account.
    names = [(agent.address, agent.sub_agent) for agent in account.by_number]
    plain["kept"] = {(names[key[0]], key[1]): value for key, value in plain["kept"].items()}
    for agent in plain["agents"]:
        for _source, values in agent["streams"]:
            del values["agent"]
        for values in agent["points"]:
            del values["agent"]
    plain["traffic"] = {second: {key: tuple(entry) for key, entry in table.items()}
                        for second, table in collector.traffic.seconds.items() if table}
    return plain


def assert_equal(pair):
    pictures = [picture(each) for each in pair]
    for name in pictures[0]:
        assert pictures[1][name] == pictures[0][name], "batch: " + name
        assert pictures[2][name] == pictures[0][name], "learned: " + name


@pytest.mark.parametrize("seed", range(4))
def test_fleet(seed, tmp_path):
    fleet, choice = gen.Fleet(60, seed=seed), random.Random(seed)
    datagrams = [(fleet.send(choice.randrange(60)), SOURCES[number % 2 if seed else 0], T0 + number * 7)
                 for number in range(3000)]
    pair = both(datagrams, fleet.mapping, tmp_path, batches={100, 110, 1500})
    assert_equal(pair)
    assert any(pair[1].account.kept.used) and len(picture(pair[1])["traffic"]) > 1
    assert views.pairs(pair[0]) == views.pairs(pair[1])


def test_loss_order_duplicates_and_restarts():
    fleet, choice = gen.Fleet(30, seed=9), random.Random(9)
    sent = []
    for _number in range(6000):
        agent = choice.randrange(30)
        if choice.random() < 0.002:
            fleet.sequence[agent] = 1
            sent.append(fleet.send(agent, uptime=choice.randrange(1000)))
        else:
            sent.append(fleet.send(agent))
    for place in range(0, len(sent) - 40, 7):
        if choice.random() < 0.3:
            other = place + choice.randrange(1, 40)
            sent[place], sent[other] = sent[other], sent[place]
    sent = [data for data in sent if choice.random() > 0.05]
    sent += [choice.choice(sent[-500:]) for _unused in range(200)]
    pair = both([(data, SOURCES[0], T0 + number * 3) for number, data in enumerate(sent)],
                batches=set(range(0, 6000, 777)))
    assert_equal(pair)
    sums = [pair[1].account.sums(agent) for agent in pair[1].account.by_number]
    assert all(sum(each[name] for each in sums) for name in ("lost", "out_of_order", "duplicates", "restarts"))


@pytest.mark.parametrize("seed", range(6))
def test_loss_in_large_steps(seed):
    """Steps around the size of the window and of what is believed, some at the same uptime, and what comes late after them."""
    choice, now, datagrams = random.Random(seed), T0, []
    sequence, booted = [(1 << 32) - 3000] * 20, [T0 - 1000] * 20
    for _number in range(6000):
        now += choice.choice((0, 1, 1, 5))
        agent = min(choice.randrange(40), 19)
        if choice.random() < 0.002:
            booted[agent] = now
        if choice.random() < 0.1:
            sequence[agent] += choice.choice((1, 1, 2, 5, 61, 62, 63, 64, 65, 1000, (1 << 20) - 2, (1 << 20) - 1, 1 << 20))
        sequence[agent] += 1
        back = choice.choice((1, 2, 60, 63, 64, 65)) if choice.random() < 0.02 else 0
        datagrams.append((gen.datagram("192.0.2.%d" % agent, sequence[agent] - back & 0xFFFFFFFF, [],
                                       uptime=now - booted[agent]), SOURCES[0], now))
    trio = both(datagrams, batches=set(choice.sample(range(6000), 40)))
    assert_equal(trio)
    account = trio[1].account
    assert all(account.sums(agent)["lost"] > 60 for agent in account.by_number)


@pytest.mark.parametrize("seed", range(6))
def test_polling_intervals_of_agents_that_restart(seed):
    """Restarts fall into the middle of a batch, with counter samples of the same data sources around them."""
    choice, now, datagrams = random.Random(seed), T0, []
    sequence, booted = [0] * 12, [T0] * 12
    for _number in range(4000):
        now += choice.choice((0, 1, 90))
        agent = choice.randrange(12)
        if choice.random() < 0.01:
            sequence[agent], booted[agent] = 0, now
        sequence[agent] += 1
        samples = [gen.counter_sample([gen.interface_counters(index)], sequence[agent], (0, index))
                   for index in range(1, 3) if choice.random() < 0.4]
        datagrams.append((gen.datagram("192.0.2.%d" % agent, sequence[agent], samples, uptime=now - booted[agent]),
                          choice.choice(SOURCES[:1 + (agent > 8)]), now))
    trio = both(datagrams, batches=set(choice.sample(range(4000), 40)))
    assert_equal(trio)
    account = trio[1].account
    assert sum(account.sums(agent)["restarts"] for agent in account.by_number) > 10
    assert any(account.points.polls[:account.points.used])


@pytest.mark.parametrize("seed", range(8))
def test_agents_that_speak_from_several_sources(seed):
    """Agents take turns between sources, two hosts share an agent address, sources fall silent and come back."""
    choice, now, datagrams = random.Random(seed), T0, []
    hosts = [[choice.randrange(6), choice.randrange(300), T0 - choice.choice((0, 500, 100000)), choice.sample(SOURCES, 2)]
             for _unused in range(12)]
    for number in range(4000):
        now += choice.choice((1, 20, 200) if choice.random() < 0.999 else (100000, 400000))
        host = choice.choice(hosts)
        host[1] += choice.choice((1, 1, 1, 1, 1, 2, 0, -3, 90) if choice.random() < 0.1 else (1,))
        if choice.random() < 0.002:
            host[1], host[2] = 1, now
        late = choice.choice((0, 0, 0, 400))
        uptime = max(0, now - host[2] - late)
        sample = gen.flow_sample([], number)
        datagrams.append((gen.datagram("192.0.2.%d" % host[0], max(0, host[1]), [sample], uptime=uptime),
                          host[3][choice.random() < 0.3], now))
    trio = both(datagrams, batches=set(choice.sample(range(4000), 40)))
    assert_equal(trio)
    assert any(trio[1].account.shared(agent, now) for agent in trio[1].account.by_number)
    assert [trio[1].account.shared(agent, now) for agent in trio[1].account.agents.values()]


@pytest.mark.parametrize("seed", range(12))
def test_sources_that_fall_silent_make_room_in_the_midst_of_a_batch(seed):
    """More sources than an agent may have, some of them silent for longer than the account waits, in batches of any length."""
    choice, now, datagrams = random.Random(seed), T0, []
    many = [views.parse_address("2001:db8::%x" % number) for number in range(1, 8)]
    sequence, booted = [0] * 8, [T0 - 1000] * 8
    for _number in range(3000):
        now += choice.choice((0, 1, 100, 100, 2000, accounts.SHARED_MS + 1 if choice.random() < 0.05 else 500))
        agent = choice.randrange(8)
        host = agent if choice.random() < 0.8 else choice.randrange(8)  # some addresses are those of several hosts
        if choice.random() < 0.002:
            sequence[host], booted[host] = 0, now
        sequence[host] += choice.choice((1, 1, 1, 1, 2))
        source = choice.choice(many[:choice.choice((1, 2, 5, 7))])
        datagrams.append((gen.datagram("192.0.2.%d" % agent, sequence[host], [gen.flow_sample([gen.timestamp()], sequence[host], (0, 3), 400)],
                                       uptime=now - booted[host]), source, now))
    trio = both(datagrams, batches=set(choice.sample(range(3000), choice.choice((0, 5, 40)))))
    assert_equal(trio)
    assert [each.account.overflow for each in trio[1:]] == [trio[0].account.overflow] * 2
    assert trio[0].account.moves and trio[0].account.overflow["sources"] and trio[1].account.datagrams == 3000


def test_new_sources_cut_a_batch_into_few_parts(monkeypatch):
    """Each part costs as much as a batch, and whoever has two addresses could ask for thousands."""
    parts, run = [], batch._Batch.run
    monkeypatch.setattr(batch._Batch, "run", lambda self: parts.append(len(self.lengths)) or run(self))
    agents = ["192.0.2.%d" % number for number in range(1, 101)]
    many = [views.parse_address("2001:db8::%x" % number) for number in range(4)]
    datagrams = [(gen.datagram(agent, 1 + source), many[source], T0) for source in range(2) for agent in agents]
    later = T0 + accounts.SHARED_MS + 1000
    datagrams += [(gen.datagram(agent, 1 + source), many[source], later) for agent in agents for source in (2, 3)]
    assert_equal(both(datagrams, batches={199}))
    assert len(parts) == 1 + batch.MOST_PARTS and parts[:3] == [200, 200, 199]


def test_a_second_without_packets_ends_none():
    """Between samples of packets there are seconds with nothing but counters, in the same batch."""
    packets, counts = [gen.flow_sample([gen.raw_header(gen.frame("192.0.2.7", "198.51.100.7"))])], [gen.counter_sample([])]
    datagrams = [(gen.datagram("192.0.2.%d" % agent, 1, samples, uptime=1000), SOURCES[0], T0 + seconds * 1000)
                 for agent, (seconds, samples) in enumerate([(0, packets)] * 30 + [(90, counts)] * 30, 1)]
    trio = both(datagrams)
    assert_equal(trio)
    assert trio[1].traffic.seconds


@pytest.mark.parametrize("seed", range(6))
def test_mutated(seed, tmp_path):
    choice = random.Random(seed)
    datagrams = [(mutate(choice, choice.choice(seeds())) if choice.random() < 0.7 else choice.choice(seeds()),
                  choice.choice(SOURCES), T0 + number) for number in range(3000)]
    assert_equal(both(datagrams, gen.Fleet(1).mapping, tmp_path, max_agents=200, batches={1000}))


@pytest.mark.parametrize("seed, link", [(1, 1), (2, 1), (3, 113), (4, 12)])
def test_frames_of_a_capture(seed, link, monkeypatch):
    """Where the datagrams of frames lie, whole and damaged: found in a block as they are found one by one."""
    pick, fleet, frames = random.Random(seed), gen.Fleet(20, seed), []
    for number in range(2000):
        frame = bytearray(gen.udp_frame(fleet.address(number % 20), fleet.send(number % 20)))
        damage = pick.randrange(7)
        if damage == 0:
            frame[pick.randrange(62)] = pick.randrange(256)
        elif damage == 1:  # what decides where IP and UDP stand and end
            frame[pick.choice((12, 13, 14, 16, 17, 20, 21, 23, 36, 37, 38, 39, 56, 57, 58, 59))] = pick.choice((0, 5, 8, 17, 32, 64, 69, 134, 221))
        elif damage == 2:
            frame[16:18] = b"\0\0"
        elif damage == 3:
            frame = frame[:pick.randrange(90)]
        elif damage == 4:
            frame += bytes(pick.randrange(1, 40))
        frames.append((number / 100.0, bytes(frame)))
    file = gen.pcap(frames, link)
    expected = [(time, source, data[begin:end]) for time, source, data, begin, end in capture.located(io.BytesIO(file), 6343)]
    collector, found = core.create("batch"), []

    def decode(memory, starts, lengths, sources, times):
        for start, length, source, time in zip(starts.tolist(), lengths.tolist(), sources.astype(">u8"), times.tolist()):
            assert not start % 4
            found.append((time, source.tobytes(), bytes(memory.view[start:start + length])))
    monkeypatch.setattr(collector.batch, "decode", decode)
    list(collector.replay(capture.Blocks(io.BytesIO(file)), 6343, lambda _now: None))
    assert found == expected
    assert (len(found) > 1000) == (link == 1)


def test_datagrams_that_lie_one_behind_another():
    """What follows a datagram is not part of it, whatever its lengths say."""
    choice = random.Random(4)
    datagrams = [mutate(choice, choice.choice(seeds())) if choice.random() < 0.7 else choice.choice(seeds())
                 for _number in range(4000)]
    reference, fast = core.Collector(max_agents=200), core.create("scalar", max_agents=200)
    data, begin = b"".join(datagrams) + bytes(8), 0
    for number, each in enumerate(datagrams):
        reference.receive(each, len(each), SOURCES[0], T0 + number)
        fast.take_all([(T0 + number, SOURCES[0], data, begin, begin + len(each))])
        begin += len(each)
    fast.flush()
    assert picture(fast) == picture(reference)
    assert reference.account.errors["samples"] > 100
    assert {classes is None for *_others, classes, _next in fast._first.values()} == {True, False}  # counter and flow samples


def test_an_ipv4_agent_that_is_spelled_as_ipv6():
    """Both spellings of the agent address are one agent, and one stream."""
    choice, numbers = random.Random(8), iter(range(1, 2000))
    sample = gen.flow_sample([gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))])
    datagrams = [(gen.datagram(choice.choice(("192.0.2.1", "::ffff:192.0.2.1")), number, [sample[:8] + gen.words(
        number) + sample[12:]], uptime=10 * number), SOURCES[0], T0 + 10 * number) for number in numbers]
    trio = both(datagrams)
    assert_equal(trio)
    assert len(trio[2].account.agents) == 1


def test_learning_is_bounded(monkeypatch):
    """Who sends other forms again and again costs no more memory, and no more learning than its datagrams allow."""
    monkeypatch.setattr(learned, "MAX_HEADS", 50)
    record = gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))
    datagrams = [(gen.datagram("192.0.2.1", number, [gen.flow_sample([
        gen.tagged(5000 + number // 90, b"\0" * 4 * (number % 90)), record], number)]), SOURCES[0], T0 + number)
        for number in range(1, 1500)]
    trio = both(datagrams)
    assert_equal(trio)
    assert trio[2]._learned == learned.BUDGET + 14 and 0 < len(trio[2]._first) <= 50
    assert max(map(len, trio[2]._forms.values())) <= learned.MAX_FORMS


def test_known_and_new_forms_in_turn():
    """What came last counts, whether its form was known or not."""
    known, new = [gen.interface_counters(2)], [gen.interface_counters(2), gen.port_name("eth0")]
    datagrams = [(gen.datagram("192.0.2.1", number, [gen.counter_sample(records, number, (0, 2))], uptime=10000 * number),
                  SOURCES[0], T0 + 10000 * number) for number, records in enumerate((known, known, new), 1)]
    trio = both(datagrams)
    assert_equal(trio)
    assert trio[2].account.streams.last_counter[0] == T0 + 30000


@pytest.mark.parametrize("room", [dict(MAX_RATES=3), dict(CACHE=20), dict(MAX_HELD=2000), dict(MAX_RATES=3, CACHE=20, MAX_HELD=2000)])
def test_lengths_held_back_within_bounds(room, monkeypatch, tmp_path):
    """Sampling rates, pairs of addresses and bytes of datagrams, each more than there is room for."""
    for name, most in room.items():
        monkeypatch.setattr(learned, name, most)
    choice = random.Random(5)
    datagrams = []
    for number in range(1, 1500):
        samples = [gen.flow_sample([gen.raw_header(gen.frame("10.0.%d.1" % choice.randrange(9), "10.0.%d.2" % choice.randrange(9)))],
                                   number * 3 + place, rate=choice.choice((0, 1, 400, 400, 400, 1000, 2000, 1 << 30)))
                   for place in range(choice.randrange(1, 4))]
        datagrams.append((gen.datagram("192.0.2.%d" % (number % 5), number // 5, samples), SOURCES[0], T0 + number * 9))
    mapping = {"INTERNET": ["0.0.0.0/0"], "A": ["10.0.1.0/24"], "B": ["10.0.2.0/23"]}
    trio = both(datagrams, mapping, tmp_path)
    assert_equal(trio)
    assert len(trio[2].traffic.seconds) > 10 and len(trio[2]._lengths._pairs) <= learned.MAX_RATES


def test_packets_held_back_for_the_talkers(monkeypatch):
    """The newest go into the ring, in order, each for all since the one before; what waits for that is bounded."""
    monkeypatch.setattr(traffic, "RING", 32)
    collector = core.create("scalar")
    for number in range(1, 801):
        sample = gen.flow_sample([gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"), 1000 + number)], number)
        data = gen.datagram("192.0.2.1", number, [sample], uptime=number)
        collector.take(data, len(data), SOURCES[0], T0 + number)
        assert len(collector._remembered._rows) < 2 * 32 * learned._REMEMBERED.size
    collector.flush()
    ring, newest = collector.traffic.ring, collector.traffic.position
    assert 32 <= newest <= 64 and not collector._remembered._rows
    rows = [ring.row(place % 32) for place in range(newest - 32, newest)]
    lengths = [row["bytes"] // row["frames"] for row in rows]
    assert lengths == list(range(lengths[0], lengths[0] + 32 * learned.REMEMBER_ONE_IN, learned.REMEMBER_ONE_IN))
    assert lengths[-1] > 1800 - learned.REMEMBER_ONE_IN and {row["frames"] for row in rows} == {400 * learned.REMEMBER_ONE_IN}
    assert bytes(rows[0]["target"][:5]) == b"\x0a\0\0\x02\0"


def test_how_many_packets_the_ring_is_given():
    """Where the ring would not hold the window that is shown, every second packet of those before is left out, and back."""
    held, row = learned.Remembered(), (T0, 400, 64, 6, b"\x0a\0\0\1\x0a\0\0\2")
    assert learned.REMEMBER_A_SECOND * traffic.WINDOW_S <= traffic.RING
    seen, most = [], learned.REMEMBER_A_SECOND
    for many, taken in ((most + 1, 0), (most + 1, 1), (most, 1), (most // 4, 0), (most // 4 - 1, 0), (0, 0), (0, 0), (most + 1, 0)):
        for number in range(many):
            held.add(*row)
            if taken and number % 1000 == 500:  # as somebody asks
                list(held.take())
        held.turn()
        seen.append(held.one_in // learned.REMEMBER_ONE_IN)
    assert seen == [2, 4, 4, 4, 2, 1, 1, 2]
    held = learned.Remembered()
    for many in 2 * traffic.RING - 100, most // 2:  # the older half is dropped during the second turn
        for _number in range(many):
            held.add(*row)
        held.turn()
    assert held.one_in == 2 * learned.REMEMBER_ONE_IN


def test_fault_in_a_sample(monkeypatch):
    """A run that was opened and got no sample, because of a fault, is no run."""
    collector = core.create("scalar")
    data = [gen.datagram("192.0.2.1", number, [gen.flow_sample([gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))], number)])
            for number in (1, 2, 3)]
    collector.take(data[0], len(data[0]), SOURCES[0], T0)
    with monkeypatch.context() as patch:
        patch.setattr(learned.Lengths, "add", lambda *_arguments: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            collector.take(data[1], len(data[1]), SOURCES[0], T0 + 1)
    collector.flush()
    collector.take(data[2], len(data[2]), SOURCES[0], T0 + 2)
    collector.flush()
    assert collector.account.sums(collector.account.by_number[0])["flows"] == 2


def test_rates_and_data_sources_that_change():
    choice = random.Random(2)
    datagrams = []
    for number in range(1, 2000):
        samples = [gen.flow_sample([gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))], choice.randrange(1 << 32)
                                   if choice.random() < 0.02 else number * 4 + place,
                                   (0, choice.randrange(1, 4)), 400 if choice.random() < 0.97 else 1000, number,
                                   place) for place in range(choice.randrange(5))]
        datagrams.append((gen.datagram("192.0.2.%d" % (number % 5), number // 5, samples), SOURCES[0], T0 + number))
    assert_equal(both(datagrams))


def test_samples_out_of_order():
    choice = random.Random(3)
    datagrams = []
    for number in range(1, 1500):
        samples = []
        for place in range(choice.randrange(5)):
            sent = number * 4 + place - choice.choice((0, 0, 0, 0, 1, 4, 30, 200))
            if choice.random() < 0.01:
                sent = choice.randrange(1 << 32)
            source = (0, choice.randrange(1, 4))
            samples.append(choice.choice((
                gen.flow_sample([], sent, source), gen.counter_sample([gen.port_name("x")], sent, source),
                gen.counter_sample([gen.port_name("x")], sent, source, expanded=False),
                gen.discard_sample([], sent, source))))
        datagrams.append((gen.datagram("192.0.2.%d" % (number % 5), number // 5, samples), SOURCES[0], T0 + number))
    trio = both(datagrams, batches={3, 500, 501})
    assert_equal(trio)
    account = trio[1].account
    for kind in accounts.ORDERED:
        assert all(map(sum, zip(*[account.sample_order(kind, point) for point in range(account.points.used)]))), kind


def test_what_real_agents_send():
    """The forms that captures of hsflowd, Open vSwitch and sfprobe showed, sample by sample and with every decoder."""
    frame = gen.frame("10.0.0.1", "198.51.100.7")
    own_export = gen.udp_frame("192.0.2.1", gen.datagram("192.0.2.1", 7))  # it samples its own export too
    host = gen.counter_sample(gen.host_counters("web-1"))
    port = gen.counter_sample([gen.port_name("eth0"), gen.interface_counters(3, 10 ** 10)], 1, (0, 3))
    forms = {
        "hsflowd": [gen.flow_sample([gen.timestamp(), gen.raw_header(frame)], ports=(3, 0x3FFFFFFF))],
        "hsflowd with tcp": [gen.flow_sample([gen.tcp_info(), gen.timestamp(), gen.raw_header(frame)])],
        "a switch": [gen.flow_sample([gen.raw_header(frame), gen.tagged(1001, gen.words(5, 0, 5, 0))])],
        "a switch with more": [gen.flow_sample([gen.tagged(1001, gen.words(5, 0, 5, 0)), gen.raw_header(frame), gen.timestamp(), gen.tcp_info()])],
        "its own export": [gen.flow_sample([gen.timestamp(), gen.raw_header(own_export, captured=128)])],
        "host counters": [host], "interface counters": [port],
        "application": [gen.flow_sample([gen.tagged(2202, gen.string("shop") + gen.words(0) * 12)], source=(3, 1)),
                        gen.counter_sample([gen.tagged(2202, gen.string("shop") + gen.words(*range(13)))], 1, (3, 1))],
        "Open vSwitch": [gen.flow_sample([gen.tagged(1001, gen.words(0, 0, 0, 0)), gen.raw_header(frame)],
                                         expanded=False), gen.counter_sample([gen.interface_counters(2)],
                                                                             source=(0, 2), expanded=False)],
    }
    for name, samples in sorted(forms.items()):
        datagrams = [(gen.datagram("192.0.2.1", number, samples, 0 if name == "Open vSwitch" else 100000),
                      SOURCES[0], T0 + number) for number in range(1, 41)]
        if "counters" in name:  # counters only: the next sub-agent, beside the one with packets
            datagrams += [(gen.datagram("192.0.2.1", number, samples, 100001), SOURCES[0], T0 + 40 + number)
                          for number in range(1, 41)]
        trio = both(datagrams)
        assert_equal(trio)
        for collector in trio:
            assert not collector.account.errors and not collector.account.unknown, name
            row, = json.loads(b"".join(views.agents(collector, ())).decode("ascii")).values()
            assert row["sFlowDatagramsReceived"] == len(datagrams) and row["sFlowDatagramsLost"] == 0
            packets = sum(entry[0] for second in collector.traffic.seconds.values() for entry in second.values())
            assert packets == (40 * 400 if "counters" not in name and name != "application" else 0), name
            agent, now = collector.account.by_number[0], T0 + 100
            assert collector.account.host_name(agent) == ("web-1" if name == "host counters" else None)
            if name == "interface counters":
                assert collector.account.describe(agent.points[3], now) == ("eth0", 10 ** 10)
            assert len(collector.account.agents) == len(collector.account.by_number) == 1 + ("counters" in name)


def test_many_samples_and_records():
    empty = gen.tagged(3, gen.words(1, 0, 2, 400, 1, 0, 0, 0, 0, 0, 0))
    record = gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))
    many = [gen.datagram("192.0.2.1", 1, [empty] * 170), gen.datagram("192.0.2.1", 2, [gen.tagged(7, b"")] * 250),
            gen.datagram("192.0.2.1", 3, [gen.flow_sample([gen.timestamp()] * 40 + [record])]),
            gen.datagram("192.0.2.1", 4, [gen.counter_sample([gen.port_name("x")] * 50)], count=9),
            gen.datagram("192.0.2.1", 5, [gen.flow_sample([gen.tagged(5000, b"")] * 60, count=61)] * 3)]
    fleet = gen.Fleet(40)
    few = [fleet.send(number % 40) for number in range(100)]
    assert_equal(both([(data, SOURCES[0], T0 + number) for number, data in enumerate(many + few)]))
    lots = [gen.datagram("192.0.2.%d" % number, 1, [empty] * (30 + number)) for number in range(60)]
    lots += [gen.datagram("192.0.2.%d" % number, 2, [gen.flow_sample([gen.timestamp()] * (20 + number) + [record])])
             for number in range(60)]
    assert_equal(both([(data, SOURCES[0], T0 + number) for number, data in enumerate(lots)]))


def test_sources_and_agents_beyond_the_limit():
    choice = random.Random(7)
    datagrams = [(gen.datagram("10.9.%d.%d" % (choice.randrange(3), choice.randrange(100)), number,
                               [gen.flow_sample([], source=(choice.randrange(3), choice.randrange(400)))] * 3),
                  choice.choice(SOURCES), T0 + number) for number in range(4000)]
    pair = both(datagrams, max_agents=50, batches={500, 2500})
    assert_equal(pair)
    assert pair[1].account.overflow["datagrams"] > 1000


@hypothesis.given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20) | st.integers(0, 2 ** 32 - 1),
                                     st.integers(0, 5000) | st.integers(0, 2 ** 32 - 1), st.integers(0, 1) |
                                     st.integers(0, 10 ** 6), st.integers(0, 2)), max_size=80))
def test_any_sequence(steps):
    now, datagrams = T0, []
    for agent, sequence, uptime, after, samples in steps + [(5, n, n, 0, 0) for n in range(30)]:
        now += after
        datagrams.append((gen.datagram("192.0.2.%d" % agent, sequence, [
            gen.flow_sample([], sequence, rate=uptime % 7, pool=sequence)] * samples + [
            gen.counter_sample([gen.port_name("x")])] * (samples % 2), uptime=uptime), SOURCES[0], now))
    assert_equal(both(datagrams))


@hypothesis.given(st.lists(st.binary(max_size=120), min_size=30, max_size=60))
def test_random_bodies(bodies):
    datagrams = []
    for number, body in enumerate(bodies):
        samples = [
            gen.flow_sample([gen.raw_header(body)]), gen.flow_sample([gen.tagged(1, body)]), gen.tagged(3, body),
            gen.flow_sample([gen.tagged(3, body), gen.tagged(4, body)]), gen.counter_sample([gen.tagged(2000, body)]),
        ]
        datagrams.append((gen.datagram("192.0.2.1", number, samples), SOURCES[0], T0 + number))
        datagrams.append((b"\0\0\0\5\0\0\0\2" + body, SOURCES[1], T0 + number))
    assert_equal(both(datagrams))


def test_talkers_represent_all(tmp_path):
    choice, datagrams = random.Random(5), []
    for number in range(4000):
        samples = [gen.flow_sample([gen.raw_header(gen.frame("10.0.0.%d" % choice.choice((1, 1, 1, 2)), "10.1.0.9"))])
                   for _each in range(4)]
        datagrams.append((gen.datagram("192.0.2.%d" % (number % 9), 1 + number // 9, samples), SOURCES[0], T0 + number))
    for collector in both(datagrams, gen.Fleet(1).mapping, tmp_path):
        found = {each["source"]: each["frames"] for each in views.talkers(collector, "Site0", "Site1")["talkers"]}
        assert found["10.0.0.1"] == pytest.approx(3 * 400 * 1000, rel=0.2)
        assert found["10.0.0.2"] == pytest.approx(400 * 1000, rel=0.2)


def test_prefixes_against_groups():
    from sflow_collector import groups, vectors
    choice = random.Random(8)
    for _unused in range(20):
        mapping = {"INTERNET": []}
        for number in range(40):
            if number % 2:
                cidr = "%s/%d" % (".".join(str(choice.randrange(4)) for _byte in range(4)), choice.randrange(33))
            else:
                cidr = "2001:db8::%x:%x:%x:%x/%d" % (choice.randrange(3), choice.randrange(3), choice.randrange(3),
                                                     choice.randrange(3), choice.choice((0, 3, 32, 64, 65, 80, 126, 128)))
            mapping["g%d" % number] = [cidr]
        plain = groups.Groups(mapping)
        fast = vectors.Prefixes(plain)
        four = np.array([choice.getrandbits(32) & 0x07070707 for _each in range(500)], "u4")
        assert fast.find4(four >> np.uint32(16), four.take).tolist() == [plain.find(value.to_bytes(4, "big")) for value in four.tolist()]
        six = [0x20010db8 << 96 | choice.getrandbits(64) & 0x0003000300030003 for _each in range(300)] + [0, 2**128 - 1]
        high = np.array([value >> 64 for value in six], "u8")
        low = np.array([value & 2 ** 64 - 1 for value in six], "u8")
        assert fast.find6(high, low.take).tolist() == [plain.find(value.to_bytes(16, "big")) for value in six]
