# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account: loss, order, restarts, sharing, rates, polling, bounds."""

import json
import os
import random
import signal
import struct

import pytest
import sflow_generator as gen
from sflow_collector import account as accounts
from sflow_collector import core, counters, prometheus, state, views
from sflow_collector import sequence as sequences

SOURCE = views.parse_address("192.0.2.1")
OTHER = views.parse_address("192.0.2.99")
T0 = 1700000000000


class Bench:
    """A collector with a clock that the test moves."""

    def __init__(self, **options):
        self.now = T0
        self.core = core.Collector(clock=lambda: self.now, **options)

    def send(self, sequence, samples=(), agent="192.0.2.1", source=SOURCE, uptime=None, after=100, **options):
        self.now += after
        uptime = self.now - T0 if uptime is None else uptime
        data = gen.datagram(agent, sequence, samples, uptime=uptime, **options)
        self.core.receive(data, len(data), source, self.now)

    def row(self, number=0):
        account = self.core.account
        return json.loads(views.FleetRows(account, self.now).row(account.by_number[number]))

    def figures(self):
        row = self.row()
        return tuple(row[name] for name in ("datagrams", "lost", "out_of_order", "duplicates", "restarts"))


@pytest.mark.parametrize("order, expected", [
    ([1, 2, 3, 4], (4, 0, 0, 0, 0)),
    ([1, 2, 5, 6], (4, 2, 0, 0, 0)),
    ([1, 2, 5, 3, 6], (5, 1, 1, 0, 0)),
    ([1, 2, 5, 3, 4, 6], (6, 0, 2, 0, 0)),
    ([1, 2, 2, 3, 3, 3, 4], (7, 0, 0, 3, 0)),
    ([1, 3, 2, 2, 4], (5, 0, 1, 1, 0)),
    ([7, 5, 6, 8], (4, 0, 2, 0, 0)),
    ([2 ** 32 - 2, 2 ** 32 - 1, 0, 1], (4, 0, 0, 0, 0)),
    ([2 ** 32 - 2, 1, 2 ** 32 - 1, 2], (4, 1, 1, 0, 0)),
    ([1, 101, 102], (3, 99, 0, 0, 0)),
])
def test_sequences(order, expected):
    bench = Bench()
    for sequence in order:
        bench.send(sequence, after=1, uptime=sequence + 10 & 2 ** 32 - 1)
    assert bench.figures() == expected


def test_loss_is_exact_when_datagrams_are_removed():
    choice = random.Random(4)
    for _unused in range(20):
        bench, kept = Bench(), sorted(choice.sample(range(2, 2000), 1500))
        order = [1] + kept + [2000]
        for sequence in order:
            bench.send(sequence)
        assert bench.figures() == (len(order), 2000 - len(order), 0, 0, 0)


def test_shuffled_within_the_window_loses_nothing():
    choice = random.Random(5)
    order = list(range(1, 1001))
    for start in range(0, 1000, 20):
        part = order[start:start + 20]
        choice.shuffle(part)
        order[start:start + 20] = part
    bench = Bench()
    for sequence in order:
        bench.send(sequence, after=1, uptime=sequence)
    row = bench.row()
    assert (row["lost"], row["duplicates"], row["restarts"]) == (0, 0, 0) and row["out_of_order"] > 100


@pytest.mark.parametrize("life", [5, 50, 500])
def test_restart_is_not_loss(life):
    bench = Bench()
    for sequence in range(1, life + 1):
        bench.send(sequence, after=1000)
    for sequence in range(1, 10):
        bench.send(sequence, after=1000, uptime=sequence * 1000)
    assert bench.figures() == (life + 9, 0, 0, 0, 1)


def test_restart_that_passed_the_old_sequence_unseen():
    bench = Bench()
    bench.send(1, after=50000)
    bench.send(2, after=50000)
    bench.send(500, after=600000, uptime=1000)
    bench.send(501)
    assert bench.figures()[1] == 0 and bench.figures()[4] == 1


def test_loss_after_a_restart_that_ends_where_the_life_before_did():
    bench = Bench()
    for sequence in range(1, 101):
        bench.send(sequence, after=1000)
    for sequence in [*range(1, 91), 110, 111]:
        bench.send(sequence, after=1000, uptime=sequence * 1000)
    assert bench.figures() == (192, 19, 0, 0, 1)


def test_wrap_of_uptime_is_not_a_restart():
    bench = Bench()
    bench.send(1, uptime=2 ** 32 - 50)
    bench.send(2, uptime=50)
    bench.send(4, uptime=150)
    assert bench.figures() == (3, 1, 0, 0, 0)


def test_one_stray_old_datagram_is_not_a_restart():
    bench = Bench()
    for sequence in range(1, 1001):
        bench.send(sequence)
    bench.send(400, uptime=40000)
    for sequence in range(1001, 1011):
        bench.send(sequence)
    assert bench.figures() == (1011, 0, 1, 0, 0)


def test_implausible_jump_is_not_loss():
    bench = Bench()
    bench.send(1)
    bench.send(2 ** 31)
    assert bench.figures() == (2, 0, 0, 0, 1)


def flow(rate=400, number=1, pool=400, drops=0, source=(0, 2), ends=("10.0.0.1", "198.51.100.7"), protocol=6):
    return gen.flow_sample([gen.raw_header(gen.frame(ends[0], ends[1], protocol))], number, source, rate, pool, drops)


def test_samples_of_a_duplicate_do_not_count():
    bench = Bench()
    bench.send(1, [flow()], uptime=1)
    bench.send(1, [flow()], uptime=1)
    assert bench.row()["flow_samples"] == 1
    assert sum(entry[0] for second in bench.core.traffic.seconds.values() for entry in second.values()) == 400


def test_samples_of_a_late_datagram_count():
    bench = Bench()
    for sequence in (5, 7, 6, 4):  # one that was given up for lost, and one from before the first
        bench.send(sequence, [flow(number=sequence)], uptime=sequence)
    assert bench.figures() == (4, 0, 2, 0, 0) and bench.row()["flow_samples"] == 4


KINDS = {"Flow": lambda number: flow(number=number),
         "Counter": lambda number: gen.counter_sample([gen.interface_counters(2)], number, (0, 2)),
         "Notification": lambda number: gen.discard_sample([], number)}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("order, lost, duplicate, late", [
    ([1, 2, 3, 4], 0, 0, 0),
    ([1, 2, 5, 6], 2, 0, 0),
    ([1, 2, 5, 3, 6], 1, 0, 1),
    ([1, 2, 2, 3, 3, 4], 0, 2, 0),
    ([1, 4, 4, 5], 2, 1, 0),
    ([7, 5, 6, 8], 0, 0, 2),
    ([500, 502, 1, 2, 4], 2, 0, 0),  # a restart: what was lost before stays lost
    ([2 ** 32 - 2, 0, 1], 1, 0, 0),
    ([1, 2 ** 31, 2 ** 31 + 2], 1, 0, 0),
])
def test_sample_numbers(kind, order, lost, duplicate, late, tmp_path):
    bench = Bench()
    for sequence, number in enumerate(order, 1):
        bench.send(sequence, [KINDS[kind](number)])

    def found(collector):
        row, = json.loads(b"".join(views.agents(collector, ())).decode("ascii")).values()
        return [row["sFlow%s%sSamples" % (kind, name)] for name in ("", "Lost", "Duplicate", "OutOfOrder")]
    assert found(bench.core) == [len(order), lost, duplicate, late]
    state.save(bench.core.account, str(tmp_path), bench.now)
    again = Bench()
    state.load(again.core.account, str(tmp_path), again.now)
    for sequence, number in enumerate([order[-1] + 5000, order[-1] + 5002], 1):  # the time between is not known
        again.send(sequence, [KINDS[kind](number)])
    assert found(again.core) == [len(order) + 2, lost + 1, duplicate, late]


def test_sub_agents_are_one_row_of_agents_json():
    bench = Bench()
    for sequence in (1, 2, 4):
        bench.send(sequence, [KINDS["Flow"](sequence), KINDS["Counter"](sequence)], uptime=10 ** 6 + sequence)
    for sequence in (1, 3):
        bench.send(sequence, [KINDS["Flow"](sequence)], sub_agent=7, source=OTHER, uptime=10 ** 6 + sequence)
    rows = json.loads(b"".join(views.agents(bench.core, ())).decode("ascii"))
    row = rows.pop("192.0.2.1")
    assert not rows and row["sFlowDatagramSource"] == ["192.0.2.1", "192.0.2.99"]
    assert (row["sFlowDatagramsReceived"], row["sFlowDatagramsLost"]) == (5, 2)
    assert (row["sFlowFlowSamples"], row["sFlowFlowLostSamples"], row["sFlowFlowDatasources"]) == (5, 2, 1)
    assert (row["sFlowCounterSamples"], row["sFlowCounterLostSamples"], row["sFlowCounterDatasources"]) == (3, 1, 1)


def test_two_hosts_with_one_agent_address():
    bench = Bench()
    for sequence in range(1, 20):
        bench.send(sequence)
        bench.send(sequence + 5000, source=OTHER, uptime=999999 + sequence)
    row = bench.row()
    assert row["shared"] and sorted(row["sources"]) == ["192.0.2.1", "192.0.2.99"]
    assert (row["lost"], row["restarts"], row["datagrams"]) == (0, 0, 38)


def test_an_agent_that_moves_to_another_source_is_not_shared():
    bench = Bench()
    for sequence in range(1, 20):
        bench.send(sequence)
    for sequence in range(20, 40):
        bench.send(sequence, source=OTHER)
    assert not bench.row()["shared"] and bench.row()["lost"] == 0


def test_an_agent_that_sends_twice_over_two_ways_is_not_shared():
    bench = Bench()
    for sequence in range(1, 20):
        bench.send(sequence, [flow(number=sequence)])
        bench.send(sequence, [flow(number=sequence)], source=OTHER, after=0)
    row = bench.row()
    assert not row["shared"] and len(row["sources"]) == 2
    assert bench.figures() == (38, 0, 0, 19, 0) and row["flow_samples"] == 19


@pytest.mark.parametrize("lost", [0, 30])
@pytest.mark.parametrize("stretch", [1, 7, 63])
def test_one_agent_that_speaks_from_two_sources(lost, stretch):
    """It takes turns between them, or keeps to one for a while: nothing is lost but what is."""
    bench, choice = Bench(), random.Random(3)
    missing = set(choice.sample(range(2, 1000), lost))
    for sequence in range(1, 1001):
        bench.now += 100
        if sequence not in missing:
            bench.send(sequence, source=OTHER if sequence // stretch % 2 else SOURCE, after=0)
    assert bench.figures() == (1000 - lost, lost, 0, 0, 0) and not bench.row()["shared"]
    start = bench.now
    for sequence in range(1, 201):
        bench.now += 100
        bench.send(sequence, source=SOURCE if sequence // stretch % 2 else OTHER, after=0, uptime=bench.now - start)
    assert bench.figures() == (1200 - lost, lost, 0, 0, 1) and not bench.row()["shared"]


@pytest.mark.parametrize("rates", [(1, 1), (1, 3), (2, 5)])
@pytest.mark.parametrize("booted", [1, 300, 1900, 60000])
@pytest.mark.parametrize("ahead", [0, 1, 40, 5000])
def test_hosts_alike_with_one_agent_address(rates, booted, ahead):
    """Clones that were booted together: an alarm, and next to no loss until their numbers contradict each other."""
    bench, sequences = Bench(), [0, ahead]
    for turn in range(1, 2000):
        for host, source in enumerate((SOURCE, OTHER)):
            bench.now += 7
            if turn % rates[host] == 0:
                sequences[host] += 1
                bench.send(sequences[host], source=source, after=0, uptime=100000 + bench.now - T0 + host * booted)
    row = bench.row()
    assert row["shared"] and row["lost"] <= 64 and row["restarts"] == 0
    assert row["duplicates"] <= 128 and row["datagrams"] == sum(sequences) - ahead


def test_a_source_that_goes_on_alone_keeps_the_sequence():
    bench = Bench()
    for sequence in range(1, 21):
        bench.send(sequence, source=OTHER if sequence % 2 else SOURCE)
    for sequence in range(21, 1021):
        bench.send(sequence + sequence // 500, source=OTHER, after=1000)
    assert bench.figures() == (1020, 2, 0, 0, 0)
    streams = bench.core.account.streams
    assert sum(streams.several[row] for row in range(streams.used)) == 1  # the one that is heard is usual again
    for sequence in range(1023, 1033):
        bench.send(sequence, source=OTHER if sequence % 2 else SOURCE)
    assert bench.figures() == (1030, 2, 0, 0, 0) and not bench.row()["shared"]


def test_two_ways_survive_in_the_state(tmp_path):
    bench = Bench()
    for sequence in range(1, 21):
        bench.send(sequence, source=OTHER if sequence % 2 else SOURCE)
    state.save(bench.core.account, str(tmp_path), bench.now)
    again = Bench()
    again.now = bench.now
    assert state.load(again.core.account, str(tmp_path), again.now)
    assert not again.row()["shared"]
    for sequence in range(51, 71):
        again.send(sequence, source=OTHER if sequence % 2 else SOURCE)
    assert again.figures() == (40, 0, 0, 0, 0) and not again.row()["shared"]


def test_two_hosts_behind_one_source():
    bench = Bench()
    for sequence in range(1, 20):
        for name in "one", "two":
            bench.send(sequence, [gen.counter_sample(gen.host_counters(name, name.encode("ascii").ljust(16)))],
                       after=10000)
    assert bench.row()["shared"]


def test_a_renamed_host_is_not_shared():
    bench = Bench()
    for sequence in range(1, 40):
        name = "old" if sequence < 20 else "new"
        bench.send(sequence, [gen.counter_sample(gen.host_counters(name))], after=10000)
    assert not bench.row()["shared"] and bench.row()["host_name"] == "new"


def test_data_source():
    bench = Bench()
    for number, rate in enumerate([1000, 1000, 400, 400], 1):
        bench.send(number, [
            flow(rate, number, number * rate, number),
            gen.counter_sample([gen.interface_counters(2, 10 ** 10), gen.port_name("eth0")], number, (0, 2))],
            after=[500, 20000, 20200, 19000][number - 1])
    source, = bench.row()["data_sources"]
    assert source == {"data_source": "2", "name": "eth0", "speed": 10 ** 10, "sampling_rate": 400,
                      "previous_sampling_rates": [1000], "sample_pool": 1600, "drops": 4, "flow_samples": 4,
                      "last_flow_ms": 0, "counter_samples": 4, "polling_interval_s": 20.0}


def test_polling_interval_is_a_median():
    bench = Bench()
    for number, after in enumerate([1, 20000, 20000, 3600000, 20000, 20000], 1):
        bench.send(number, [gen.counter_sample([gen.interface_counters(2)], number, (0, 2))], after=after)
    assert bench.row()["data_sources"][0]["polling_interval_s"] == 20.0


def test_a_restart_begins_the_polling_interval_anew():
    bench = Bench()
    seen = []
    for number, (sequence, after) in enumerate([(1, 1), (2, 20000), (3, 20000), (1, 7000), (2, 60000), (3, 60000)]):
        bench.send(sequence, [gen.counter_sample([gen.interface_counters(2)], sequence, (0, 2))], after=after,
                   uptime=sequence * 20000 if number < 3 else sequence * 60000 - 59000)
        seen.append(bench.row()["data_sources"][0]["polling_interval_s"])
    assert seen == [None, 20.0, 20.0, None, 60.0, 60.0] and bench.row()["restarts"] == 1


def test_recent_figures_forget_old_loss():
    bench = Bench()
    for sequence in [1, 2, 11, 12]:
        bench.send(sequence, after=1000)
    assert bench.row()["recent"] == {"seconds": 3.0, "datagrams": 4, "lost": 8}
    account = bench.core.account
    for sequence in 13, 14, 16, 17:
        account.roll(bench.now)
        bench.send(sequence, after=accounts.MARK_MS)
    assert bench.row()["lost"] == 9
    assert bench.row()["recent"] == {"seconds": 600.0, "datagrams": 2, "lost": 1}
    account.roll(bench.now)
    bench.now += 5000
    assert bench.row()["recent"] == {"seconds": 305.0, "datagrams": 1, "lost": 0}


def metric(bench, agent="192.0.2.1"):
    return json.loads(b"".join(views.metric(bench.core, agent)).decode("ascii"))


def test_metrics_are_rates():
    bench = Bench()
    for number in range(3):
        bench.send(number + 1, [gen.counter_sample(
            [gen.interface_counters(2, octets=(number * 20000, number * 40000))], number, (0, 2))], after=20000)
    assert metric(bench)["2.ifinoctets"] == 1000.0
    assert metric(bench)["2.ifoutoctets"] == 2000.0
    assert metric(bench)["2.ifoperstatus"] == "up"


def test_agents_are_bounded_and_known_ones_stay():
    bench = Bench(max_agents=50)
    bench.send(1, agent="192.0.2.1")
    for number in range(500):
        bench.send(1, agent="198.51.100.%d" % (number % 250), sub_agent=number)
    bench.send(2, agent="192.0.2.1")
    account = bench.core.account
    assert len(account.agents) == 50 and bench.row()["datagrams"] == 2
    assert account.overflow["datagrams"] == 451


def test_further_sources_take_no_agent_its_room():
    bench = Bench(max_agents=50)
    for source in SOURCE, OTHER:
        for number in range(49):
            bench.send(1, agent="192.0.2.%d" % number, source=source)
    bench.send(1, agent="198.51.100.1")
    bench.send(1, agent="198.51.100.2")
    account = bench.core.account
    assert len(account.agents) == 50 and all(agent.streams for agent in account.by_number)
    assert (account.overflow["datagrams"], account.overflow["sources"]) == (1, 49 - 25 - accounts.MAX_STREAMS)
    fleet = json.loads(b"".join(views.fleet(bench.core, (), "", 0, 100)).decode("utf-8"))
    assert fleet["agents"][-1]["agent"] == "198.51.100.1" and len(fleet["agents"]) == 50


@pytest.mark.parametrize("decoder", ["reference", "scalar", "batch"])
def test_a_data_source_0_that_was_forgotten_is_not_counted_into(decoder):
    if decoder == "batch":
        pytest.importorskip("numpy")
    now, day = [T0], 24 * 3600 * 1000
    options = dict(clock=lambda: now[0], forget_ms=day)
    collector = core.Collector(**options) if decoder == "reference" else core.create(decoder, **options)

    def send(*agents):
        for agent in agents:
            data = gen.datagram(agent, sequences[agent], [flow(number=sequences[agent], source=(0, 0))], uptime=now[0] - T0)
            sequences[agent] += 1
            collector.take(data, len(data), SOURCE, now[0])
        collector.flush()
        collector.account.roll(now[0])

    rest = ["198.51.100.%d" % number for number in range(40)]
    sequences = dict.fromkeys(rest + ["192.0.2.1", "192.0.2.2"], 1)
    send("192.0.2.1")
    for _turn in range(8):
        send(*rest, "192.0.2.2")  # it takes the number of the one that is forgotten
        now[0] += day // 3
    found = collector.account.agents[views.parse_address("192.0.2.2"), 100000]
    assert [collector.account.points.flows[point] for point in found.points.values()] == [8]


def test_a_slot_that_has_become_too_small_is_given_back():
    bench = Bench()
    for number in 1, 2:
        for agent in range(20):
            bench.send(number, [gen.counter_sample([gen.host_id("h" * (100 * number - 80))], number)], agent="192.0.2.%d" % agent, after=1000)
    kept = bench.core.account.kept
    assert [used - len(free) for used, free in zip(kept.used, kept.free)] == [0, 20, 0]


@pytest.mark.parametrize("decoder", ["reference", "scalar", "batch"])
def test_agents_that_are_gone_are_forgotten_and_their_rows_used_again(decoder):
    if decoder == "batch":
        pytest.importorskip("numpy")
    now, day = [T0], 24 * 3600 * 1000
    options = dict(clock=lambda: now[0], max_agents=60, forget_ms=2 * day)
    collector = core.Collector(**options) if decoder == "reference" else core.create(decoder, **options)
    account = collector.account

    def send(agents, sequence):
        for number in agents:
            data = gen.datagram("192.0.2.%d" % number, sequence, [
                flow(source=(0, 7)), gen.counter_sample(gen.host_counters("host-%d" % number), sequence)])
            collector.take(data, len(data), SOURCE, now[0])
        collector.flush()
        account.roll(now[0])

    for sequence in range(1, 30):  # a third of the fleet is replaced every day, and one host stays
        send([0] + list(range(sequence * 10, sequence * 10 + 20)) if sequence < 20 else [0], sequence)
        now[0] += day
    for _twice in range(2):
        now[0] += accounts.MARK_MS
        send([0], 30 + _twice)
    rows = [json.loads(views.FleetRows(account, now[0]).row(agent)) for agent in account.by_number]
    assert [(row["agent"], row["host_name"], row["datagrams"], row["lost"]) for row in rows] == [
        ("192.0.2.0", "host-0", 31, 0)]
    assert not sum(account.overflow.values()) and len(account.stream_rows) == 1
    assert account.streams.used - len(account.streams.free) == 1 and account.streams.used <= 80  # of 201 agents
    assert account.points.used - len(account.points.free) == 2
    assert sum(account.kept.used) - sum(map(len, account.kept.free)) == 1
    assert [agent.number for agent in account.by_number] == [0]
    with pytest.raises(KeyError):
        account.agents[views.parse_address("192.0.2.15"), 100000]


def test_two_hosts_of_one_name_behind_one_source():
    bench = Bench()
    for number in range(1, 6):
        bench.send(number, uptime=500000 + 20000 * number, after=10000)
        assert bench.row()["shared"] == (number > 4)
        bench.send(5000 + number, uptime=90000000 + 20000 * number, after=10000)
    assert bench.row()["shared"]
    for number in range(6, 40):  # the other one is gone
        bench.send(number, uptime=500000 + 20000 * number, after=20000)
    assert not bench.row()["shared"]


def test_stray_datagrams_are_no_second_host():
    bench = Bench()
    for number in range(1, 2001):
        bench.send(number, after=1000)
        if number in (500, 1000, 1500):
            bench.send(number - 400, uptime=(number - 400) * 1000)
        assert not bench.row()["shared"]
    assert bench.figures()[1:] == (0, 3, 0, 0) and not bench.row()["shared"]


def fleet_rows(bench):
    return json.loads(b"".join(views.fleet(bench.core, (), "", 0, 100)))["agents"]


@pytest.mark.parametrize("source, first, left", [
    ((2, 1), 10, [100000]),  # hsflowd that was given a tap, and so another number
    ((2, 2), 10, [100000, 100001]),  # a part of a larger device, of which nothing is known
    ((2, 1), 900000, [100000, 100001]),  # it ran before the other one fell silent
])
def test_a_sub_agent_that_was_given_up_is_in_no_answer(source, first, left):
    bench = Bench()
    for number in range(1, 4):
        bench.send(number, [gen.counter_sample([], source=(2, 1))], sub_agent=100001, after=10000)
    bench.send(1, [gen.counter_sample([], source=source)], sub_agent=100000, after=600000, uptime=first)
    assert [row["sub_agent"] for row in fleet_rows(bench)] == left
    text = b"".join(prometheus.render(bench.core)).decode()
    assert (',sub_agent="100001",' in text) == (100001 in left)
    assert json.loads(b"".join(views.agents(bench.core, ())))["192.0.2.1"]["sFlowDatagramsReceived"] == 4


def test_sources_and_points_of_an_agent_are_bounded():
    bench = Bench()
    for number in range(1, 40):
        bench.send(number, source=views.parse_address("198.51.100.%d" % number))
    assert len(bench.row()["sources"]) == accounts.MAX_STREAMS
    assert bench.core.account.overflow["sources"] == 39 - accounts.MAX_STREAMS
    for number in range(100, 150):
        bench.send(number, [flow(source=(0, index)) for index in range(50 * number, 50 * number + 50)], source=views.parse_address("198.51.100.1"))
    assert len(bench.row()["data_sources"]) == accounts.MAX_POINTS
    assert bench.core.account.overflow["data_sources"] == 2500 - accounts.MAX_POINTS


def test_a_source_that_fell_silent_makes_room_and_its_counts_stay():
    bench = Bench()
    for number in range(1, 5):
        bench.send(number, [flow(number=number)], source=views.parse_address("198.51.100.%d" % number))
    bench.send(5, source=OTHER, after=accounts.SHARED_MS + 1000)
    row = bench.row()
    assert "192.0.2.99" in row["sources"] and len(row["sources"]) == 4
    assert (row["datagrams"], row["flow_samples"]) == (5, 4)


def test_errors_are_counted_by_reason_and_source():
    bench = Bench()
    bench.core.receive(b"\0" * 40, 40, OTHER, bench.now)
    bench.core.receive(b"", 0, OTHER, bench.now)
    assert bench.core.account.errors == {"version": 1, "too_short": 1}
    assert bench.core.account.error_sources == {(OTHER, "version"): 1, (OTHER, "too_short"): 1}


def test_state_survives(tmp_path):
    bench = Bench()
    for sequence in (1, 2, 5):
        bench.send(sequence, [flow(1000 if sequence == 1 else 400, sequence),
                              gen.counter_sample(gen.host_counters("alpha"))], after=20000)
    state.save(bench.core.account, str(tmp_path), bench.now)
    again = Bench()
    again.now = bench.now
    assert state.load(again.core.account, str(tmp_path), again.now)
    before, after = bench.row(), again.row()
    assert after == before and after["host_name"] == "alpha"
    again.send(50, [flow(400, 50)], after=60000)
    again.send(51)
    assert again.row()["lost"] == before["lost"] and again.row()["restarts"] == 0
    assert again.row()["datagrams"] == before["datagrams"] + 2


@pytest.mark.parametrize("text", ["", "{}", "[]", "[" * 100000, '{"format": 1, "agents": [{}]}', '{"format": 9}', "null"])
def test_bad_state_is_refused(tmp_path, text):
    (tmp_path / state.FILE).write_text(text)
    with pytest.raises(ValueError):
        state.load(Bench().core.account, str(tmp_path), T0)


def lines_of(folder):
    return (folder / state.FILE).read_text().splitlines(True)


def test_the_state_of_another_format_is_not_taken_for_ours(tmp_path):
    bench = Bench()
    bench.send(1)
    state.save(bench.core.account, str(tmp_path), bench.now)
    head, agent = lines_of(tmp_path)
    (tmp_path / state.FILE).write_text(head.replace('"format":2,', '"format":3,') + agent)
    with pytest.raises(ValueError, match="format 3, expected 2"):
        state.load(Bench().core.account, str(tmp_path), T0)


def busy(agents=3):
    """Agents with two sources, flow and counter samples and a name."""
    bench = Bench()
    for number in range(1, 5):
        for agent in range(agents):
            bench.send(number * (1 + (number > 2)), [flow(1000 * (1 + number % 2), number), gen.counter_sample(gen.host_counters("web-%d" % agent))],
                       agent="192.0.2.%d" % (agent + 1), source=OTHER if number == 2 else SOURCE)
    return bench


def test_the_state_of_the_former_format_is_taken(tmp_path):
    """The first release wrote one document: who upgrades must not lose the account."""
    bench = busy()
    plain = dict(state.to_plain(bench.core.account), format=1)
    (tmp_path / state.FILE).write_text(json.dumps(plain, separators=(",", ":")))
    again = Bench()
    again.now = bench.now
    assert state.load(again.core.account, str(tmp_path), again.now)
    assert fleet_rows(again) == fleet_rows(bench) and len(fleet_rows(bench)) == 3


@pytest.mark.parametrize("former", [False, True])
def test_what_was_heard_while_the_clock_was_fast_is_not_heard_in_the_future(former, tmp_path):
    """An agent that is dead by now would look alive for hours."""
    bench = busy(2)
    bench.send(30, agent="192.0.2.1", uptime=5)  # restarted
    bench.now += 0 if former else 7000
    state.save(bench.core.account, str(tmp_path), bench.now)
    if former:
        (tmp_path / state.FILE).write_text(json.dumps(dict(state.to_plain(bench.core.account), format=1)))
    before = fleet_rows(bench)
    again = Bench()
    again.now = bench.now - 7200000
    state.load(again.core.account, str(tmp_path), again.now)
    assert fleet_rows(again) == before and all(row["first_seen_ms"] >= row["last_seen_ms"] >= 0 for row in before)
    one, other = [state.to_plain(each.core.account)["agents"] for each in (bench, again)]
    for was, became in zip(one, other):
        assert [[first, last] for _host, _uuid, first, last in became["identities"]] == [
            [first - 7200000, last - 7200000] for _host, _uuid, first, last in was["identities"]]
        for name in "since", "heard", "first":
            assert [values[name] for _source, values in became["streams"]] == [
                max(0, values[name] - 7200000) for _source, values in was["streams"]]
    later = Bench()  # when the clock was right nothing is moved
    later.now = bench.now + 60000
    state.load(later.core.account, str(tmp_path), later.now)
    assert [row["last_seen_ms"] for row in fleet_rows(later)] == [row["last_seen_ms"] + 60000 for row in before]


def test_what_killed_saves_left_is_removed(tmp_path):
    for name in "account.json.4711.new", "account.json.new", "account.json", "other.new":
        (tmp_path / name).write_text("x")
    state.tidy(str(tmp_path))
    state.tidy(str(tmp_path / "missing"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["account.json", "other.new"]
    for _unused in range(2):
        child = state.save_in_child(Bench().core.account, str(tmp_path), T0)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert {each.name for each in tmp_path.iterdir()} <= {"account.json", "account.json.new", "other.new"}


def test_a_state_that_was_cut_off_is_refused(tmp_path):
    bench = busy()
    state.save(bench.core.account, str(tmp_path), bench.now)
    whole = b"".join(line.encode() for line in lines_of(tmp_path))
    for end in list(range(0, len(whole), 97)) + [len(whole) - 1]:
        (tmp_path / state.FILE).write_bytes(whole[:end])
        with pytest.raises(ValueError):
            state.load(Bench().core.account, str(tmp_path), T0)


def test_the_state_is_written_and_read_agent_by_agent(tmp_path):
    """All agents at once as plain values would take several times the memory of the account."""
    tracemalloc = pytest.importorskip("tracemalloc")
    bench, peaks = busy(200), []
    path = str(tmp_path)
    for work in (lambda: state.save(bench.core.account, path, bench.now), lambda: state.load(Bench().core.account, path, T0)):
        tracemalloc.start()
        work()
        peaks.append(tracemalloc.get_traced_memory()[1] - tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert [len(lines_of(tmp_path)), max(len(line) for line in lines_of(tmp_path)) < 10000] == [201, True]
    assert peaks[0] < 200000, peaks


@pytest.mark.parametrize("turned", [False, True])
def test_what_several_workers_heard_of_one_agent_is_added_up(turned):
    """Each hears one of its two sources, which report about the same interface. Of what has no sum the newest counts."""
    workers, whole = [Bench(), Bench()], Bench()
    for number, (worker, source) in enumerate(zip(workers, (SOURCE, OTHER))):
        for sequence in range(1, 4 + number):
            samples = [flow(400 + number, sequence), gen.counter_sample([gen.interface_counters(2)], sequence, (0, 2))]
            worker.send(sequence, samples, source=source, after=20000)
    whole.now = max(worker.now for worker in workers)
    for worker in reversed(workers) if turned else workers:
        state.from_plain(state.to_plain(worker.core.account), whole.core.account, add=True)
    row, = fleet_rows(whole)
    assert (row["datagrams"], row["flow_samples"], row["counter_samples"]) == (7, 7, 7)
    assert sorted(row["sources"]) == ["192.0.2.1", "192.0.2.99"] and row["last_seen_ms"] == 0
    point, = row["data_sources"]
    assert (point["flow_samples"], point["counter_samples"], point["polling_interval_s"]) == (7, 7, 20.0)
    assert point["sampling_rate"] == 401


def test_who_a_host_says_it_is():
    """Its record is read whole or not at all; one that is longer than the column for it leaves the neighbours alone."""
    parts = gen.host_counters("web-1")  # the host's record is the last one
    body = gen.words(len(parts)) + b"".join(parts)
    at, record, who = counters.identity(body)
    assert body[at:] == record == parts[-1] and who == ("web-1", "11" * 16)
    assert {counters.identity(body[:end]) for end in range(4, len(body))} == {(0, b"", None)}
    account = accounts.Account()
    for number, name in enumerate(("web-1", "w" * 200, "web-3")):
        row = account.stream(bytes(15) + bytes([number]), bytes(15) + bytes([number]), 0, 1000)
        agent = account.by_number[account.streams.agent[row]]
        parts = gen.host_counters(name)
        account.identify(agent, account.point(agent, counters.HOST), gen.words(len(parts)) + b"".join(parts), 1000)
        assert list(agent.identities) == [(name, "11" * 16)]
    assert account.points.said_size[:3].tolist() == [len(record), 0, len(record)]
    said = [account.points.said[16 * number:16 * number + 16].tolist() for number in range(4)]
    assert any(said[0]) and any(said[2]) and not any(said[1] + said[3])


def drained(pieces):
    """The value of a generator, and how many pieces it gave before."""
    number = 0
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value, number
        number += 1


def replaced_by_pairs(account):
    """views.given_up() as it is defined: every two sub-agents of an address are looked at."""
    streams = account.streams

    def replaces(new, old):
        latest = max((row for _source, row in new.streams), key=lambda row: streams.last[row])
        began = sequences.booted(streams, streams.life[latest]) + sequences.BOOT_TOLERANCE_MS
        return (new is not old and new.address == old.address and not new.points.keys().isdisjoint(old.points)
                and began > said(old) < max(said(each) for each in account.by_number if each.address == old.address))

    def said(agent):
        return max(streams.last[row] for _source, row in agent.streams)
    return {old for old in account.by_number for new in account.by_number if replaces(new, old)}


@pytest.mark.parametrize("seed", range(60))
def test_who_was_given_up_is_what_looking_at_all_pairs_finds(seed, monkeypatch):
    monkeypatch.setattr(views, "LOOKED_AT", 3)
    choice, bench = random.Random(seed), Bench()
    for _unused in range(60):
        samples = [gen.counter_sample([], source=(0, choice.randrange(6))) for _sample in range(choice.randrange(3))]
        bench.send(choice.randrange(50), samples, agent="192.0.2.%d" % choice.randrange(3), sub_agent=choice.randrange(6),
                   source=choice.choice([SOURCE, OTHER]), uptime=choice.randrange(60000), after=choice.choice([0, 100, 5000]))
    left, pieces = drained(views.given_up(bench.core.account))
    assert left == replaced_by_pairs(bench.core.account) and pieces > 3


def test_many_sub_agents_of_one_address_do_not_hold_up_the_loop(monkeypatch):
    """Anybody can forge them: what they cost grows with their number, not with its square, and comes in pieces."""
    calls = []
    monkeypatch.setattr(sequences, "booted", lambda streams, row, booted=sequences.booted: calls.append(row) or booted(streams, row))
    bench = Bench()
    for number in range(1500):
        bench.send(1, [gen.counter_sample([], source=(2, 1))], sub_agent=number, uptime=10 ** 6, after=1)
    del calls[:]
    monkeypatch.setattr(views, "LOOKED_AT", 100)
    for answer in (lambda: views.fleet(bench.core, (), "", 0, 1), lambda: prometheus.render(bench.core)):
        del calls[:]
        pieces = list(answer())
        assert len(calls) <= 1500 and pieces[:40] == [b""] * 40


def load(value):
    return gen.counter_sample([gen.tagged(2003, struct.pack(">3f", value, value, value) + gen.words(*[0] * 14))], source=(2, 1))


def loads(bench):
    dumped = json.loads(b"".join(views.dump(bench.core, ["ALL"], ["load_one"])).decode("ascii"))
    rows = json.loads(b"".join(views.metric_rows(bench.core, ["ALL"], ["max:load_one", "sum:load_one"])).decode("ascii"))
    row = json.loads(b"".join(views.agents(bench.core, ())).decode("ascii"))["192.0.2.1"]
    return ([metric(bench)["2.1.load_one"]] + [each["metricValue"] for each in dumped + rows], [each["metricN"] for each in rows],
            row["sFlowCounterDatasources"])


def test_values_of_a_sub_agent_that_was_given_up_are_in_no_answer():
    """hsflowd that was given a tap and so another number: what it said as the old one is not what it says."""
    bench = Bench()
    for number in range(1, 4):
        bench.send(number, [load(99.0)], sub_agent=100001, after=20000)
    bench.send(1, [load(1.0)], sub_agent=100000, after=600000, uptime=10)
    assert loads(bench) == ([1.0] * 4, [1, 1], 1)
    seen = json.loads(b"".join(views.metrics(bench.core)).decode("ascii"))
    assert seen["load_one"] == 0


@pytest.mark.parametrize("newest", [100000, 100001])
def test_a_data_source_of_two_sub_agents_has_one_value(newest):
    bench = Bench()
    for sub_agent in 100000, 100001, newest:
        bench.send(1 + (bench.now > T0 + 30000), [load(1.0 if bench.now > T0 + 30000 else 99.0)], sub_agent=sub_agent, after=20000,
                   uptime=10 ** 7 + bench.now - T0)
    assert loads(bench) == ([1.0] * 4, [1, 1], 1)


def test_all_agents_are_no_agent():
    bench = Bench()
    bench.send(1, [load(1.0)])
    assert metric(bench, "ALL") == metric(bench, "nobody") == metric(bench, "192.0.2.2") == {} and metric(bench)


@pytest.mark.parametrize("answer", [
    lambda collector: views.dump(collector, ["ALL"], ["nothing"]), lambda collector: views.metric(collector, "192.0.2.1"),
    lambda collector: views.dump(collector, ["ALL"], ["ALL"], {"host_name": ["nobody"]}), views.metrics,
    lambda collector: views.metric_rows(collector, ["ALL"], ["nothing"]), lambda collector: views.agents(collector, ()),
])
def test_who_asks_for_what_is_rare_holds_up_nobody(answer, monkeypatch):
    """Between two pieces the service goes on receiving, so they are cut by what is looked at, not by what is found."""
    bench, read = Bench(), []
    monkeypatch.setattr(views, "LOOKED_AT", views.PIECE)
    monkeypatch.setattr(counters, "metrics", lambda *args, metrics=counters.metrics: read.append(1) or metrics(*args))
    for number in range(1, 41):
        samples = [gen.counter_sample([gen.interface_counters(10 * number + each)], 1, (0, 10 * number + each)) for each in range(10)]
        bench.send(number, samples, sub_agent=number % 2)
    pieces, most = answer(bench.core), 0
    while True:
        before = len(read)
        if next(pieces, None) is None:
            break
        most = max(most, len(read) - before)
    assert most <= 100 and len(list(answer(bench.core))) > 4


def test_a_restart_costs_no_more_than_what_was_polled_since(tmp_path):
    """Forged datagrams restart an agent as often as they like, and it may have thousands of data sources."""
    bench = Bench()
    samples = [gen.counter_sample([], 1, (0, index)) for index in range(30)]
    for number in 1, 2:
        bench.send(number, samples, uptime=10 ** 6 * number, after=20000)
    state.save(bench.core.account, str(tmp_path), bench.now)
    again = Bench()
    again.now = bench.now
    state.load(again.core.account, str(tmp_path), again.now)
    for each in bench, again:
        agent, = each.core.account.by_number
        points = each.core.account.points
        assert len(agent.polled) == 30 and any(points.polls[:30])
        each.send(1, uptime=5, after=20000)
        each.send(900, uptime=4, after=20000)  # once more; after a load the first one only begins
        assert not agent.polled and not any(points.polls[:30]) and not any(points.last_counter[:30])
        points.polls[29] = 7  # which nobody polled, and so nobody looks at
        each.send(900, uptime=3, after=20000)
        assert points.polls[29] == 7
        points.polls[29] = 0
        each.send(901, samples[:1], uptime=6, after=20000)
        assert len(agent.polled) == 1
