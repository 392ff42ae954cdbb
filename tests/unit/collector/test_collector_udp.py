# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The UDP side of the collector: sockets and their buffers, who may send, when to look, and both ways to receive."""

import errno
import importlib.util
import os
import selectors
import socket
import time
import types

import pytest
import sflow_generator as gen
from sflow_collector import udp, views, wire
from sflow_collector.core import create

DECODERS = ["scalar", "batch"] if importlib.util.find_spec("numpy") else ["scalar"]
with_numpy = pytest.mark.skipif(DECODERS == ["scalar"], reason="numpy is not installed for this Python")


def address(text):
    return views.parse_address(text)


@pytest.mark.parametrize("networks, inside, outside", [
    ([], ["192.0.2.1", "2001:db8::1", "::"], []),
    (["192.0.2.0/24"], ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0", "2001:db8::1", "::c000:201"]),
    (["192.0.2.9/24"], ["192.0.2.1"], ["192.0.3.1"]), (["192.0.2.1"], ["192.0.2.1"], ["192.0.2.0", "192.0.2.2"]),
    (["0.0.0.0/0"], ["192.0.2.1", "255.255.255.255"], ["2001:db8::1", "::1"]),
    (["::/0"], ["2001:db8::1", "192.0.2.1"], []), (["::ffff:0:0/96"], ["192.0.2.1"], ["2001:db8::1"]),
    (["2001:db8::/33"], ["2001:db8:7fff::1"], ["2001:db8:8000::1", "192.0.2.1"]),
    (["10.0.0.0/8", "2001:db8::1"], ["10.255.0.1", "2001:db8::1"], ["11.0.0.0", "2001:db8::2"])])
def test_who_may_send(networks, inside, outside):
    allow = udp.AllowList(networks)
    assert bool(allow) is bool(networks)
    for _again in range(2):  # the second time it remembers
        assert [allow.allows(address(each)) for each in inside + outside] == [True] * len(inside) + [False] * len(outside)


def test_what_is_remembered_is_bounded():
    allow = udp.AllowList(["10.0.0.0/8"])
    for number in range(70000):
        assert allow.allows(address("10.0.0.0")[:12] + number.to_bytes(4, "big")) is False
        assert len(allow._known) <= 65536
    assert len(allow._known) == 70000 - 65536


@pytest.mark.parametrize("host, text", [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"),
                                        ("fe80::1%lo", "fe80::1")])
def test_addresses_of_senders(host, text):
    assert udp.source_bytes((host, 6343, 0, 0)) == address(text)


def test_sockets():
    with udp.open_socket("127.0.0.1", 0, 1 << 20) as one:
        assert one.getsockname()[0] == "127.0.0.1" and one.getsockname()[1]
        with pytest.raises(BlockingIOError):
            one.recv(1)
        with pytest.raises(OSError, match=r"\[Errno %d\]" % errno.EADDRINUSE):
            udp.open_socket("127.0.0.1", one.getsockname()[1], 1 << 20)
    with udp.open_socket("127.0.0.1", 0, 1 << 20, share=True) as one, udp.open_socket(
            "127.0.0.1", one.getsockname()[1], 1 << 20, share=True) as two:
        assert one.getsockname() == two.getsockname()
    with pytest.raises(OSError):
        udp.open_socket("192.0.2.1", 0, 1 << 20)  # which is no address of this host


def test_both_versions_on_one_socket():
    with udp.open_socket("::", 0, 1 << 20) as sock:
        for family, host in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                try:
                    sender.sendto(b"x", (host, sock.getsockname()[1]))
                except OSError:
                    continue  # a machine without IPv6
            data, peer = sock.recvfrom(10)
            assert data == b"x" and udp.source_bytes(peer) == address(host)


def test_where_there_is_no_ipv6(monkeypatch):
    made, make = [], socket.socket

    def without(family, *rest):
        made.append(family)
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "none")
        return make(family, *rest)
    monkeypatch.setattr(udp.socket, "socket", without)
    sock = udp.open_socket("::", 0, 1 << 20)
    monkeypatch.undo()
    with sock:
        assert sock.getsockname()[0] == "0.0.0.0" and made == [socket.AF_INET6, socket.AF_INET]


@pytest.mark.parametrize("number", [errno.EADDRINUSE, errno.EACCES, errno.EMFILE])
def test_a_port_that_is_in_use_is_an_error_and_not_ipv4(number, monkeypatch):
    """Half of the senders would not be heard, and nobody told."""
    asked = []

    def fail(address, *_rest):
        asked.append(address)
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(udp, "_open", fail)
    with pytest.raises(OSError) as caught:
        udp.open_socket("::", 0, 1 << 20)
    assert caught.value.errno == number and asked == ["::"]


class Buffers:
    """A socket that is asked for buffers; with a limit, as the kernel has one for those without the capability."""

    def __init__(self, forced):
        self.forced, self.asked = forced, []

    def setsockopt(self, _level, option, value):
        if option == udp.SO_RCVBUFFORCE and not self.forced:
            raise PermissionError(errno.EPERM, "no")
        self.asked.append((option, value))


@pytest.mark.parametrize("forced, option", [(True, udp.SO_RCVBUFFORCE), (False, socket.SO_RCVBUF)])
def test_the_size_of_the_buffer(forced, option):
    sock = Buffers(forced)
    for wanted in 64 << 20, 1, 1 << 40:
        udp.grow_buffer(sock, wanted)
    assert sock.asked == [(option, 32 << 20), (option, 2048), (option, 1 << 29)]  # the kernel doubles it


def test_a_buffer_beyond_the_usual_limit():
    with udp.open_socket("127.0.0.1", 0, 64 << 20) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, 33, udp.buffer_size(sock) // 2)  # 33: SO_RCVBUFFORCE, which Python does not know
        except OSError as error:
            pytest.skip("not without CAP_NET_ADMIN: %s" % error)
        assert udp.buffer_size(sock) == 64 << 20


def test_what_the_kernel_drops_is_counted():
    with udp.open_socket("127.0.0.1", 0, 65536) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        assert udp.kernel_drops(sock) == udp.memory_info(sock)[0] == 0
        for _unused in range(500):
            sender.sendto(bytes(1000), sock.getsockname())
        assert udp.memory_info(sock)[0] > 16384
        taken = 0
        with pytest.raises(BlockingIOError):
            while True:
                sock.recv(2000)
                taken += 1
        assert 0 < taken < 500 and udp.kernel_drops(sock) == 500 - taken


@pytest.mark.parametrize("answer", [OSError(errno.ENOPROTOOPT, "old"), b"short"])
def test_where_the_kernel_does_not_tell(answer):
    class Old:
        def getsockopt(self, *_arguments):
            if isinstance(answer, OSError):
                raise answer
            return answer
    assert udp.kernel_drops(Old()) == 0 and udp.memory_info(Old())[0] >= 1 << 30  # as if it were full: it is looked at often


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(udp, "time", types.SimpleNamespace(monotonic=lambda: self.now))


def test_pace(monkeypatch):
    clock, waiting = Clock(monkeypatch), [0]
    monkeypatch.setattr(udp, "buffer_size", lambda _sock: 128 << 20)
    monkeypatch.setattr(udp, "memory_info", lambda _sock: (waiting[0],))
    pace = udp.Pace(None, 1.0)
    assert pace.step == 0.05 and pace.full == 32 << 20
    assert pace.after(0, False) is None and pace.after(5, True) == 0.0
    clock.now += 0.5
    assert pace.after(100, False) == 0.05  # little arrived
    assert not pace.ripe()
    clock.now += 0.999
    assert not pace.ripe()
    clock.now += 0.002
    assert pace.ripe()  # long enough
    clock.now += 0.001
    # 10,000 in about a second: a quarter of the buffer holds 7710 of the largest, and is to be looked at before that is full.
    assert pace.after(10000, False) == 0.05
    clock.now += 0.1
    assert abs(pace.after(20000, False) - 0.1 * (32 << 20) / (4352 * 20000.0)) < 1e-6
    clock.now += 0.001
    assert pace.after(100000, False) == 0.002  # never less
    waiting[0] = (32 << 20) - 1
    assert not pace.ripe()
    waiting[0] += 1
    assert pace.ripe()
    monkeypatch.setattr(udp, "buffer_size", lambda _sock: 425984)  # what there is without asking
    assert udp.Pace(None, 1.0).step == 0.002


class Planned:
    """A receiver that says what it is told to, and notes when it was asked."""

    def __init__(self, clock, pauses):
        self.clock, self.pauses, self.asked = clock, list(pauses), []
        self.pace = types.SimpleNamespace(step=0.02, ripe=lambda: self.is_ripe)
        self.is_ripe = False

    def drain(self):
        self.asked.append(self.clock.now)
        return self.pauses.pop(0)


def test_schedule(monkeypatch):
    clock, selector = Clock(monkeypatch), selectors.DefaultSelector()
    with selector, udp.open_socket("127.0.0.1", 0, 65536) as sock:
        def watched():
            return sock in {key.fileobj for key in selector.get_map().values()}
        receiver = Planned(clock, [0.05, 0.0, 0.02, None, None, 0.05])
        schedule = udp.Schedule(selector, sock, receiver)
        assert watched() and schedule.timeout() >= 3600
        schedule.turn()
        assert not receiver.asked  # nothing came
        schedule.now(selectors.EVENT_READ)
        assert not watched() and abs(schedule.timeout() - 0.05) < 1e-6
        clock.now += 0.04
        schedule.turn()
        assert len(receiver.asked) == 1 and abs(schedule.timeout() - 0.01) < 1e-6
        clock.now += 0.02
        assert schedule.timeout() == 0.0
        schedule.turn()  # it is time, but too little waits
        assert len(receiver.asked) == 1 and abs(schedule.timeout() - 0.02) < 1e-6
        clock.now += 0.03
        receiver.is_ripe = True
        schedule.turn()  # a burst: there is more
        assert len(receiver.asked) == 2 and schedule.timeout() == 0.0 and not watched()
        receiver.is_ripe = False
        schedule.turn()  # which is taken whether that is much or not
        assert len(receiver.asked) == 3 and abs(schedule.timeout() - 0.02) < 1e-6
        clock.now += 0.02
        receiver.is_ripe = True
        schedule.turn()
        assert watched() and schedule.timeout() >= 3600
        schedule.now()
        assert watched()
        schedule.now()
        assert not watched() and not receiver.pauses


def receiving(decoder, *options):
    """(collector, socket, receiver)"""
    core, sock = create(decoder), udp.open_socket("127.0.0.1", 0, 1 << 20)
    return core, sock, udp.receiver(sock, core, udp.AllowList(*options))


def receiving_with_times():
    """The same by the batch decoder. The kernel begins to note times of arrival a moment after it was asked to; until then it
    takes the time of reading."""
    made = receiving("batch")
    time.sleep(0.5)
    return made


def taken(core, receiver):
    """Drain until nothing is left; how many times."""
    for turn in range(1, 100):
        if receiver.drain() is None:
            core.flush()
            return turn
    raise AssertionError("it never ends")


@pytest.mark.parametrize("decoder", DECODERS)
def test_receiving(decoder):
    core, sock, receiver = receiving(decoder)
    with sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        assert receiver.drain() is None
        for number in range(1, 2 * udp.BURST + 10):
            sender.sendto(gen.datagram("192.0.2.1", number), sock.getsockname())
        if decoder == "scalar":
            assert receiver.drain() == receiver.drain() == 0.0  # bursts, behind which there may be more
        assert taken(core, receiver) == 2
        sender.sendto(b"", sock.getsockname())
        sender.sendto(b"hello", sock.getsockname())
        taken(core, receiver)
    agent, = core.account.by_number
    assert core.account.sums(agent)["datagrams"] == 2 * udp.BURST + 9 and core.account.sums(agent)["lost"] == 0
    assert [source for source, _row in agent.streams] == [address("127.0.0.1")]
    assert sum(core.account.errors.values()) == 2 and core.account.datagrams == 2 * udp.BURST + 11


@pytest.mark.parametrize("decoder", DECODERS)
def test_receiving_from_some_only(decoder):
    core, sock, receiver = receiving(decoder, ["127.0.0.2/32", "10.0.0.0/8"])
    with sock:
        for host in "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.2":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((host, 0))
                sender.sendto(gen.datagram("192.0.2." + host[-1], 1), sock.getsockname())
        taken(core, receiver)
    assert core.account.refused == 2 and core.account.datagrams == 2
    assert [agent.address for agent in core.account.by_number] == [address("192.0.2.2")]


@pytest.mark.parametrize("decoder", DECODERS)
def test_datagrams_that_are_cut(decoder):
    """None is longer than the room for it; should one be, it is counted as cut and not read."""
    core, sock, receiver = receiving(decoder, ["127.0.0.0/8"])
    if decoder == "batch":
        receiver._vectors[:, 1, 1] = 0
    else:
        receiver._slot = memoryview(bytearray(1600))
    with sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number, size in enumerate((1, 200, 1), 1):
            sender.sendto(gen.datagram("192.0.2.1", number, [gen.flow_sample([])] * size), sock.getsockname())
        taken(core, receiver)
    agent, = core.account.by_number
    assert core.account.sums(agent)["datagrams"] == 2 and core.account.sums(agent)["lost"] == 1
    assert core.account.truncated == 1 and core.account.errors == {"truncated": 1}
    assert [source for source, _reason in core.account.error_sources] == [address("127.0.0.1")]


@with_numpy
def test_the_time_of_arrival():
    """What waits in the socket does not grow younger."""
    core, sock, receiver = receiving_with_times()
    with sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        begun = core.clock()
        sender.sendto(gen.datagram("192.0.2.1", 1), sock.getsockname())
        time.sleep(0.3)
        sender.sendto(gen.datagram("192.0.2.2", 1), sock.getsockname())
        time.sleep(0.2)
        taken(core, receiver)
        first, second = [core.account.streams.last[agent.streams[0][1]] for agent in core.account.by_number]
        assert begun - 20 <= first <= second - 280 and second <= core.clock() - 180
        # By our clock, which is an hour behind the kernel's, or ahead of it.
        for ahead in -3600000, 3600000:
            core.clock = lambda ahead=ahead: int(time.time() * 1000) + ahead
            now = int(time.time() * 1000)
            sender.sendto(gen.datagram("192.0.2.%d" % (3 + (ahead > 0)), 1), sock.getsockname())
            taken(core, receiver)
            last = core.account.streams.last[core.account.by_number[-1].streams[0][1]]
            assert now + ahead - 20 <= last <= now + ahead + 10000


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("networks", [[], ["127.0.0.0/8", "::1"]])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_long_datagrams(decoder, networks, host):
    """Of any length, whole, in order, and none with the rest of another; the name of the host stands at the end of each."""
    try:
        sock = udp.open_socket(host, 0, 4 << 20)
    except OSError as error:
        pytest.skip("this machine has no %s: %s" % (host, error))
    core = create(decoder)
    receiver = udp.receiver(sock, core, udp.AllowList(networks))
    sizes = [1, 28, 29, 1, 1100, 1, 200, 1090]  # 1600 bytes are between 28 and 29
    with sock, socket.socket(sock.family, socket.SOCK_DGRAM) as sender:
        for turn in 1, 2:
            core.clock = lambda turn=turn: 1700000000000 + 60000 * turn
            for number, size in enumerate(sizes):
                size = size if turn == 1 else sizes[-number - 1]
                sender.sendto(gen.datagram("192.0.2.%d" % number, turn, [gen.flow_sample([])] * size + [
                    gen.counter_sample([gen.host_id("host-%d-%d" % (number, turn))])]), sock.getsockname())
            taken(core, receiver)
    assert [sorted(name for name, _uuid in agent.identities) for agent in core.account.by_number] == [
        ["host-%d-1" % number, "host-%d-2" % number] for number in range(len(sizes))]
    assert [core.account.sums(agent)["flows"] for agent in core.account.by_number] == [
        size + sizes[-number - 1] for number, size in enumerate(sizes)]
    assert {source for agent in core.account.by_number for source, _row in agent.streams} == {address(host)}
    assert core.account.datagrams == 2 * len(sizes) and not core.account.errors and not core.account.truncated


@with_numpy
def test_many_at_once(monkeypatch):
    """What recvmmsg() answers: more than there are slots for, an error of an earlier datagram, an interruption, a fault."""
    import ctypes

    from sflow_collector import mmsg
    core, sock, receiver = receiving("batch")
    assert receiver.slots == mmsg.SLOTS
    monkeypatch.setattr(mmsg, "buffer_size", lambda _sock: mmsg.LARGE_BUFFER)
    assert mmsg.BatchReceiver(sock, core, udp.AllowList()).slots == mmsg.MANY_SLOTS
    receiver = mmsg.BatchReceiver(sock, core, udp.AllowList(), slots=10)
    receive, errors = receiver._recvmmsg, [errno.EINTR, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH]

    def failing(*arguments):
        if errors:
            ctypes.set_errno(errors.pop())
            return -1
        return receive(*arguments)
    receiver._recvmmsg = failing
    with sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(1, 26):
            sender.sendto(gen.datagram("192.0.2.1", number), sock.getsockname())
        assert receiver.drain() == receiver.drain() == 0.0  # there may be more
        assert receiver.drain() > 0 and receiver.drain() is None
        core.flush()
        assert core.account.datagrams == 25
        errors.append(errno.EBADF)
        with pytest.raises(OSError, match=r"\[Errno %d\]" % errno.EBADF):
            receiver.drain()


@with_numpy
def test_times_of_many():
    """Beyond the first slots only every sixteenth has a time of arrival, and lends it to those behind it."""
    from sflow_collector import mmsg
    core, sock, receiver = receiving_with_times()
    first, last_with_old_time = mmsg.STAMPED + 10, mmsg.STAMPED + mmsg.STAMPED_EVERY - 1
    with sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(first + 60):
            if number == first:
                before = core.clock()
                time.sleep(0.1)
                after = core.clock()
            sender.sendto(gen.datagram("10.0.%d.%d" % (number >> 8, number & 255), 1), sock.getsockname())
        taken(core, receiver)
    times = [core.account.streams.last[agent.streams[0][1]] for agent in core.account.by_number]
    assert len(times) == first + 60 and times == sorted(times)
    assert times[last_with_old_time] <= before + 20 and times[last_with_old_time + 1] >= after - 20


@with_numpy
@pytest.mark.parametrize("problem", ["recvmmsg", "ctypes"])
def test_one_by_one_where_many_at_once_cannot_be(problem, monkeypatch):
    from sflow_collector import mmsg
    core = create("batch")
    reason = core.decoder_reason
    if problem == "recvmmsg":
        monkeypatch.setattr(mmsg, "available", lambda: "the C library has no recvmmsg")
    else:
        monkeypatch.setattr(mmsg.ctypes, "CDLL", lambda *_arguments: os.stat("/nowhere"))
    with udp.open_socket("127.0.0.1", 0, 65536) as sock:
        receiver = udp.receiver(sock, core, udp.AllowList())
        assert isinstance(receiver, udp.Receiver)
        assert core.decoder_reason == reason + ", received one by one: " + (
            "the C library has no recvmmsg" if problem == "recvmmsg" else "ctypes cannot be used: [Errno 2] No such file or directory: '/nowhere'")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(gen.datagram("192.0.2.1", 1), sock.getsockname())
        taken(core, receiver)
    assert core.account.datagrams == 1


def test_what_is_remembered_of_senders_is_bounded():
    class Many:
        """A socket to which everybody sends once."""
        number = 0

        def recvmsg_into(self, _buffers):
            self.number += 1
            return 0, [], 0, ("10.%d.%d.%d" % (self.number >> 16, self.number >> 8 & 255, self.number & 255), 6343)
    core, sock, receiver = receiving("scalar", ["192.0.2.0/24"])
    with sock:
        receiver.sock = Many()
        for _unused in range(70000 // udp.BURST):
            receiver.drain()
            assert len(receiver._sources) <= 65536
    assert core.account.refused == 70000 // udp.BURST * udp.BURST and not core.account.by_number


def test_errors_of_the_network_do_not_stop_it():
    class Refused:
        """A socket that first says what became of a datagram of ours."""
        def __init__(self, sock):
            self.sock, self.errors = sock, [ConnectionRefusedError(), OSError(errno.EHOSTUNREACH, "no")]

        def recvmsg_into(self, buffers):
            if self.errors:
                raise self.errors.pop()
            return self.sock.recvmsg_into(buffers)
    core, sock, receiver = receiving("scalar")
    with sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(gen.datagram("192.0.2.1", 1), sock.getsockname())
        receiver.sock = Refused(sock)
        taken(core, receiver)
    assert core.account.datagrams == 1 and wire.MAPPED + bytes(4) not in {source for source, _reason in core.account.error_sources}
