"""The packets of the flow proof: bounded in number and time, and spread."""

import socket

import pytest

pytest.importorskip("ansible.module_utils.basic", reason="no ansible-core is installed for this Python")

from ansible_collections.netviz.sflow.plugins.modules import sflow_burst
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


@pytest.fixture
def module(run_module, monkeypatch):
    monkeypatch.setattr(sflow_burst, "burst", lambda send, packets, _seconds: sum(send() is None for _number in range(packets)))
    return lambda check=False, **arguments: run_module(sflow_burst, {"address": "127.0.0.1", **arguments}, check)


@pytest.fixture
def listener():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def heard(sock):
    count = 0
    while True:
        try:
            assert sock.recv(100)
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("options, packets, enough", [
    ({"sampling": 5}, 50, True), ({"sampling": 1}, 10, True), ({"sampling": 5, "max_packets": 50}, 50, True),
    ({"sampling": 5, "max_packets": 49}, 49, False)])
def test_what_is_sent(module, listener, options, packets, enough):
    told = module(port=listener.getsockname()[1], **options)
    assert (told["packets"], told["enough"], told["changed"]) == (packets, enough, False) and heard(listener) == packets


def test_a_check_sends_nothing(module, listener):
    told = module(port=listener.getsockname()[1], sampling=5, check=True)
    assert (told["packets"], told["enough"], told["changed"]) == (0, False, False) and heard(listener) == 0


@pytest.mark.parametrize("options, message", [
    ({"sampling": 0}, "sampling is 0; expected 1 to 4294967295."), ({"sampling": 5, "max_packets": 0}, "max_packets is 0; expected 1 to 4294967295."),
    ({"sampling": 5, "seconds": 0}, "seconds is 0.0; expected 0.1 to 60."), ({"sampling": 5, "seconds": 60.1}, "seconds is 60.1; expected 0.1 to 60."),
    ({"sampling": 5, "port": 0}, "port is 0; expected 1 to 65535."), ({"sampling": 5, "port": 65536}, "port is 65536; expected 1 to 65535.")])
def test_what_is_refused(module, options, message):
    assert module(**options)["msg"] == message


def test_an_address_that_is_none(module):
    assert module(address="192.0.2.1.1", sampling=5)["msg"].startswith("There is no way to send to 192.0.2.1.1: ")


def test_packets_that_cannot_be_sent(module, monkeypatch):
    """The other end refuses every second one; those are not counted, and it goes on."""
    class Peer:
        sent, closed = 0, False

        def sendto(self, _data, _target):
            self.sent += 1
            if self.sent % 2:
                raise ConnectionRefusedError(111, "Connection refused")

        def close(self):
            self.closed = True
    peer = Peer()
    monkeypatch.setattr(sflow_burst.socket, "socket", lambda *_arguments: peer)
    told = module(sampling=5)
    assert (told["packets"], told["enough"]) == (25, False) and peer.closed
    assert told["warned"] == ["Packets to 127.0.0.1 that were not sent: 25. The last one: [Errno 111] Connection refused."]
