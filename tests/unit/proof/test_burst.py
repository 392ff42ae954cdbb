"""The packets of the flow proof: bounded in number and time, and spread."""

import pytest

pytest.importorskip("ansible.module_utils.basic", reason="no ansible-core is installed for this Python")

from ansible_collections.netviz.sflow.plugins.modules.sflow_burst import burst


def run(clock, packets, seconds, cost=0.0):
    times = []

    def send():
        times.append(clock.time)
        clock.time += cost

    sent = burst(send, packets, seconds, clock.now, clock.sleep)
    assert sent == len(times)
    return times, clock.time - 1000.0


def test_all_packets_are_sent_in_time(clock):
    times, elapsed = run(clock, 4000, 5.0)
    assert len(times) == 4000 and 3.5 < elapsed <= 5.0


def test_they_are_spread(clock):
    times, _elapsed = run(clock, 4000, 5.0)
    per_second = [sum(1 for t in times if second <= t - 1000 < second + 1) for second in range(4)]
    assert max(per_second) < 1.2 * min(per_second)


def test_the_time_is_a_bound_even_where_sending_is_slow(clock):
    times, elapsed = run(clock, 50000, 2.0, cost=0.01)
    assert elapsed < 2.05 and len(times) <= 200


def test_one_packet(clock):
    times, _elapsed = run(clock, 1, 5.0)
    assert len(times) == 1
