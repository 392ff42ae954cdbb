# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running service: receiving, the web interface with its limits, state, signals, and the command line."""

import base64
import http.client
import importlib.util
import json
import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest
import sflow_generator as gen
from sflow_collector import udp
from sflow_collector.core import create

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "roles", "collector", "files")
DECODERS = ["scalar", "batch"] if importlib.util.find_spec("numpy") else ["scalar"]


class Service:
    """A collector in a process of its own on free ports."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sflow_collector", "serve", "--udp-address", "127.0.0.1", "--udp-port", "0",
             "--http-port", "0"] + list(options), cwd=FILES, stderr=subprocess.PIPE, universal_newlines=True)
        self.first, found = "", None  # what it said until it was there
        while found is None:
            line = self.process.stderr.readline()
            assert line, self.first
            found = re.search(r"\]:(\d+) .*web on http://127.0.0.1:(\d+)/", line)
            self.first += line
        self.udp, self.http = int(found.group(1)), int(found.group(2))
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, *datagrams):
        for data in datagrams:
            self.sock.sendto(data, ("127.0.0.1", self.udp))

    def get(self, path, method="GET", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=20)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def json(self, path):
        answer, body = self.get(path)
        assert answer.status == 200, body
        return json.loads(body.decode("utf-8"))

    def until(self, datagrams):
        """The fleet once so many datagrams were accounted for."""
        for _unused in range(200):
            fleet = self.json("/fleet/json")
            if fleet["collector"]["udp"]["datagrams"] + fleet["collector"]["udp"]["refused"] >= datagrams:
                return fleet
            time.sleep(0.05)
        raise AssertionError("%d datagrams expected, found %r" % (datagrams, fleet["collector"]))

    def stop(self):
        """End it; the exit status and what it said on the way."""
        if not self.process.stderr.closed:
            self.process.send_signal(signal.SIGTERM)
            self.said = self.process.stderr.read()
            self.process.wait(20)
            self.process.stderr.close()
            self.sock.close()
        return self.process.returncode, self.said


@pytest.fixture
def serve(request):
    """Start services; they end with the test, without a word on stderr."""
    started = []

    def start(*options):
        started.append(Service(*options))
        return started[-1]
    yield start
    for service in started:
        assert service.stop() == (0, "")


@pytest.mark.parametrize("decoder", DECODERS)
def test_datagrams_become_an_account(serve, decoder):
    service, fleet = serve("--decoder", decoder), gen.Fleet(30)
    for _unused in range(10):
        service.send(*[fleet.send(number) for number in range(30)])
        time.sleep(0.01)
    answer = service.until(300)
    assert answer["total"] == 30 and answer["collector"]["decoder"] == decoder
    assert {row["datagrams"] for row in answer["agents"]} == {10}
    assert {row["lost"] for row in answer["agents"]} == {0}
    assert all(row["sources"] == ["127.0.0.1"] and row["last_seen_ms"] < 30000 for row in answer["agents"])
    agents = service.json("/agents/json")
    assert len(agents) == 30 and agents["10.200.0.1"]["sFlowDatagramsReceived"] == 10
    assert "2001:db8:ffff:0:0:0:0:a" in agents
    assert list(service.json("/agents/json?agent=10.200.0.1")) == ["10.200.0.1"]
    assert service.json("/fleet/json?agent=2001:db8:ffff::a&agent=10.200.0.1")["total"] == 2
    assert [row["agent"] for row in service.json("/fleet/json?offset=2&limit=1")["agents"]] == ["10.200.0.2"]
    assert service.json("/fleet/json?q=10.200.0.2")["total"] == 10


@pytest.mark.parametrize("decoder", DECODERS)
def test_long_datagrams_are_whole_and_in_order(serve, decoder):
    service = serve("--decoder", decoder)
    sample = gen.flow_sample([gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))])
    for number in range(1, 41):
        service.send(gen.datagram("192.0.2.1", number, [sample] * (200 if number % 4 == 0 else 2)))
    row, = service.until(40)["agents"]
    assert (row["flow_samples"], row["lost"], row["out_of_order"]) == (10 * 200 + 30 * 2, 0, 0)
    assert row["restarts"] == 0


@pytest.mark.parametrize("decoder", DECODERS)
def test_sources_that_are_not_allowed(serve, decoder):
    service = serve("--decoder", decoder, "--allow", "192.0.2.0/24", "--allow", "127.0.0.2/32")
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind(("127.0.0.2", 0))
    service.send(gen.datagram("192.0.2.1", 1))
    other.sendto(gen.datagram("192.0.2.2", 1), ("127.0.0.1", service.udp))
    other.close()
    answer = service.until(2)
    assert [row["agent"] for row in answer["agents"]] == ["192.0.2.2"] and answer["collector"]["udp"]["refused"] == 1


def test_agents_are_chosen_by_their_metrics(serve):
    service = serve()
    for number, (name, cpus) in enumerate([("web-1", 2), ("web-2", 4), ("db-1", 4)], 1):
        service.send(gen.datagram("192.0.2.%d" % number, 1, [gen.counter_sample([
            gen.host_id(name), gen.tagged(2003, gen.words(0, 0, 0, 1, 2, cpus))])]))
    service.until(3)

    def chosen(query):
        found = {row["agent"] for row in service.json("/dump/ALL/cpu_num/json?" + query)}
        row, = service.json("/metric/ALL/sum:cpu_num/json?" + query)
        assert row["metricN"] == len(found)
        return sorted(int(address[-1]) for address in found)
    for query, numbers in [
            ("", [1, 2, 3]), ("host_name=web-1", [1]), ("host_name=web-1&host_name=db-1", [1, 3]), ("cpu_num=4", [2, 3]),
            ("host_name=web*&cpu_num=4", [2]), ("host_name=*b.*", [1, 2, 3]), ("host_name=.*-1", [1, 3]),
            ("host_name=web-1*web-1", []), ("host_name=w*-*1", [1]), ("host_name=web", []), ("nothing=1", []),
            ("os_name=linux", [1, 2, 3]), ("os_name=windows", []), ("cpu_num=many", [])]:
        assert chosen(query) == numbers, query


def test_every_address_answers(serve):
    service, fleet = serve(), gen.Fleet(20)
    for _unused in range(2):
        service.send(*[fleet.send(number) for number in range(20)])
    service.until(40)
    for path in ("/analyzer/json", "/metrics/json", "/metric/ALL/sum:ifinoctets,max:load_one/json", "/scripts/json",
                 "/metric/10.200.0.1/json", "/dump/ALL/ALL/json", "/dump/10.200.0.1;10.200.0.2/load_one/json",
                 "/apps/json", "/traffic/json", "/traffic/talkers/json?source=INTERNET&target=Private",
                 "/app/vizceral/scripts/traffic.js/data/json", "/app/vizceral/scripts/traffic.js/groups/json"):
        service.json(path)
    for path, text in (("/version", b"1."), ("/healthz", b"OK"), ("/app/vizceral/status", b"OK")):
        answer, body = service.get(path)
        assert answer.status == 200 and body.startswith(text)
    for path in ("/nothing", "/../cli.py", "/%2e%2e/cli.py", "//etc/passwd", "/traffic/talkers/json?source=x&target=y"):
        assert service.get(path)[0].status == 404
    assert service.get("/fleet/json?limit=x")[0].status == 400


def test_metrics_are_prometheus_text(serve):
    service, fleet = serve(), gen.Fleet(20)
    service.send(*[fleet.send(number) for number in range(20)])
    service.until(20)
    answer, body = service.get("/metrics")
    assert answer.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    lines = body.decode("ascii").splitlines()
    sample = re.compile(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+]+$')
    assert all(line.startswith("# ") or sample.match(line) for line in lines)
    assert any(line.startswith('sflow_agent_sampling_rate{agent="10.200.0.0"') and line.endswith(" 400")
               for line in lines)
    assert "sflow_collector_datagrams_total 20" in lines


def test_only_reading_and_with_headers(serve):
    service = serve()
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert service.get("/version", method)[0].status == 405
    answer, body = service.get("/version", "HEAD")
    assert answer.status == 200 and body == b""
    policy = answer.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("token", ["s3cret", "s3cr\xe9t"])
def test_token(serve, tmp_path, token):
    (tmp_path / "token").write_bytes(token.encode("utf-8") + b"\nnot this\n")
    service = serve("--token-file", str(tmp_path / "token"))
    assert service.get("/fleet/json")[0].status == 401
    assert service.get("/fleet/json", headers={"Authorization": "Bearer wrong"})[0].status == 401
    assert service.get("/fleet/json", headers={"Authorization": b"Bearer " + token.encode("utf-8")})[0].status == 200
    basic = {"Authorization": b"Basic " + base64.b64encode(b"user:" + token.encode("utf-8"))}
    assert service.get("/fleet/json", headers=basic)[0].status == 200
    assert service.get("/healthz")[0].status == 200
    url = "http://127.0.0.1:%d" % service.http
    run = [sys.executable, "-m", "sflow_collector", "status", "--url", url]
    assert subprocess.call(run, cwd=FILES, stderr=subprocess.DEVNULL) == 1
    out = subprocess.check_output(run + ["--token-file", str(tmp_path / "token")], cwd=FILES)
    assert b"0 agents" in out


def test_slow_and_many_clients_do_not_stop_it(serve):
    service, fleet = serve(), gen.Fleet(10)
    waiting = [socket.create_connection(("127.0.0.1", service.http)) for _unused in range(150)]
    for number, sock in enumerate(waiting):
        sock.sendall(b"GET /fleet/json HTTP/1.1\r\nX: y"[:number % 30])
    service.send(*[fleet.send(number) for number in range(10)])
    assert service.until(10)["total"] == 10
    for sock in waiting:
        sock.close()


@pytest.mark.parametrize("head, status", [
    (b"\r\n\r\n", 400), (b"GET\r\n\r\n", 400), (b"GET x HTTP/1.1\r\n\r\n", 400), (b"GET / SMTP\r\n\r\n", 400),
    (b"GET /%ff%00%zz HTTP/1.1\r\n\r\n", 404), (b"GET /?%ff=%00&&=&a;b HTTP/1.0\r\nbad\r\n\r\n", None),
    (b"GET /" + b"a" * 9000, 431), (b"\xff\xfe\r\n\r\n", 400),
])
def test_bad_requests(serve, head, status):
    service = serve()
    with socket.create_connection(("127.0.0.1", service.http), timeout=20) as sock:
        sock.sendall(head)
        answer = sock.recv(65536)
    found = int(answer.split()[1])
    assert found == status if status else found in (200, 404)
    assert service.get("/healthz")[0].status == 200


@pytest.mark.parametrize("decoder", DECODERS)
def test_state_survives_a_restart(serve, tmp_path, decoder):
    options = ("--state-dir", str(tmp_path), "--decoder", decoder)
    service = serve(*options)
    service.send(*[gen.datagram("192.0.2.1", number) for number in (1, 2, 3, 7)])
    service.until(4)
    assert service.stop() == (0, "")
    again = serve(*options)
    again.send(*[gen.datagram("192.0.2.1", number, [gen.flow_sample([])]) for number in range(100, 150)])
    row, = again.until(54)["agents"]
    assert (row["datagrams"], row["lost"], row["restarts"], row["flow_samples"]) == (54, 3, 0, 50)
    assert again.json("/fleet/json")["collector"]["restored"]


def alike(answer):
    """An answer without what depends on the moment it was asked."""
    if isinstance(answer, dict):
        return {key: alike(value) for key, value in answer.items() if not key.endswith("_ms") and key not in (
            "firstSeen", "lastSeen", "lastUpdate", "lastUpdateMin", "lastUpdateMax", "seconds")}
    return sorted(map(alike, answer), key=repr) if isinstance(answer, list) else answer


@pytest.mark.parametrize("decoder", DECODERS)
def test_workers_answer_like_one(serve, tmp_path, decoder):
    options = ("--decoder", decoder, "--state-dir")
    services = []
    for workers in "1", "3":
        (tmp_path / workers).mkdir()
        services.append(serve("--workers", workers, *(options + (str(tmp_path / workers),))))
    assert len({service.first.partition("decoder")[2] for service in services}) == 1

    def send(*datagrams):
        for service in services:
            service.send(*datagrams)
            for place, sender in enumerate(senders[service.udp]):  # every datagram from another port
                sender.sendto(gen.datagram("198.51.100.1", sequence + place, uptime=10 * place), ("127.0.0.1", service.udp))
    senders = {service.udp: [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _unused in range(5)]
               for service in services}
    fleet, sequence = gen.Fleet(40), 1
    for number in range(10):
        send(*[fleet.send(number) for number in range(40)])
        sequence += 5
        if not number % 4:
            for service in services:
                service.until(45 * (number + 1))
            time.sleep(1.1)  # so that counters have values before them
    send(b"\0" * 40, b"\0\0\0\5", gen.datagram("192.0.2.1", 1, [gen.tagged(99, b""), gen.flow_sample([
        gen.tagged(4095, b"")])]))
    asked = ["/fleet/json", "/agents/json", "/metrics/json", "/metric/ALL/sum:ifspeed,max:load_one,any:host_name/json",
             "/metric/10.200.0.1/json", "/metric/2001:db8:ffff::a/json", "/dump/ALL/ALL/json", "/scripts/json",
             "/dump/10.200.0.1;10.200.0.2/load_one/json", "/app/vizceral/scripts/traffic.js/groups/json"]
    answers = []
    for service in services:
        service.until(458)
        answers.append({path: alike(service.json(path)) for path in asked})
    for path in asked[1:-3]:
        assert answers[0][path] and answers[0][path].__class__ is answers[1][path].__class__
    assert len(answers[1]["/dump/ALL/ALL/json"]) == len(answers[0]["/dump/ALL/ALL/json"]) > 1000
    assert set(answers[1]["/metrics/json"]) == set(answers[0]["/metrics/json"])
    assert set(answers[1]["/metric/10.200.0.1/json"]) == set(answers[0]["/metric/10.200.0.1/json"])
    for path in "/agents/json", "/app/vizceral/scripts/traffic.js/groups/json":
        assert answers[1][path] == answers[0][path]
    for name in "errors", "error_sources", "unknown_records", "unknown_samples", "agents", "max_agents", "overflow":
        assert answers[1]["/fleet/json"]["collector"][name] == answers[0]["/fleet/json"]["collector"][name]
    rows = [[{name: row[name] for name in row if name != "data_sources"} for row in answer["/fleet/json"]["agents"]]
            for answer in answers]
    assert rows[1] == rows[0]
    pairs = [service.json("/traffic/json")["pairs"] for service in services]
    assert [pair["source"] for pair in pairs[1]] == [pair["source"] for pair in pairs[0]] != []
    assert all(service.json("/traffic/talkers/json?source=INTERNET&target=Private")["talkers"] for service in services)
    counts = [{line.split()[0]: line.split()[1] for line in service.get("/metrics")[1].decode().splitlines()
               if "_total" in line and not line.startswith(("#", "process_"))} for service in services]
    assert counts[1] == counts[0]
    assert service.json("/analyzer/json")["memTotal"] > 3 * 5 << 20
    for each in senders.values():
        for sender in each:
            sender.close()


@pytest.mark.parametrize("decoder", DECODERS)
def test_workers_begin_where_they_ended(serve, tmp_path, decoder):
    options = ("--workers", "3", "--state-dir", str(tmp_path), "--decoder", decoder)
    service, fleet = serve(*options), gen.Fleet(30)
    for _unused in range(10):
        service.send(*[fleet.send(number) for number in range(30)])
    answer = service.until(300)
    assert answer["total"] == 30 and {row["datagrams"] for row in answer["agents"]} == {10}
    assert service.stop() == (0, "")
    for turn in 1, 2:
        again = serve(*options)
        for number in range(30):
            fleet.sequence[number] += 5
            again.send(fleet.send(number))
        answer = again.until(300 + 30 * turn)
        assert {row["datagrams"] for row in answer["agents"]} == {10 + turn}
        assert {(row["lost"], row["restarts"]) for row in answer["agents"]} == {(0, 0)}
        assert answer["collector"]["restored"] and again.stop() == (0, "")


def waiting(port):
    """Bytes that lie in the receive buffers of a UDP port."""
    with open("/proc/net/udp", encoding="ascii") as stream:
        rows = [line.split() for line in list(stream)[1:]]
    return sum(int(row[4].partition(":")[2], 16) for row in rows if int(row[1].partition(":")[2], 16) == port)


@pytest.mark.parametrize("options", [("--decoder", each) for each in DECODERS] + [("--workers", "2")])
def test_datagrams_are_taken_when_nobody_asks(serve, options):
    """What comes after a first datagram, while the socket is left alone, does not lie there until somebody wants an answer."""
    service = serve(*options)
    for number in range(1, 21):
        service.send(gen.datagram("192.0.2.1", number))
        if number in (1, 10):
            time.sleep(0.3)
    deadline = time.monotonic() + 10
    while waiting(service.udp):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    row, = service.until(20)["agents"]
    assert (row["datagrams"], row["lost"]) == (20, 0)


def children(pid):
    """{pid of a child: its state}"""
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as stream:
        found = [int(text) for text in stream.read().split()]
    out = {}
    for each in found:
        with open("/proc/%d/stat" % each, encoding="ascii", errors="replace") as stream:
            out[each] = stream.read().rpartition(")")[2].split()[0]
    return out


def test_pictures_of_workers_leave_nothing_behind(serve):
    service = serve("--workers", "2", "--receive-buffer-bytes", "300000")
    service.send(gen.datagram("192.0.2.1", 1))
    assert service.until(1)["collector"]["udp"]["receive_buffer_bytes"] >= 300000
    for _unused in range(2):
        time.sleep(2.1)  # a picture is good for two seconds
        service.json("/fleet/json")
    mine, deadline = children(service.process.pid), time.monotonic() + 10
    assert len(mine) == 2 and "Z" not in mine.values()
    while any(children(worker) for worker in mine):  # the last ones are about to end
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_worker_that_ends_while_nobody_asks_ends_the_service():
    """systemd starts all of them anew; nobody has to look for that to happen."""
    service = Service("--workers", "2")
    os.kill(next(iter(children(service.process.pid))), signal.SIGKILL)
    assert service.process.wait(20) == 1
    said = service.stop()[1]
    assert said.startswith("a worker has ended or does not answer; ending, so that all are started anew\n") and "Traceback" not in said


def test_what_workers_restored_is_not_recent(serve, tmp_path):
    options = ("--workers", "2", "--state-dir", str(tmp_path), "--decoder", "scalar")
    service = serve(*options)
    for number in 1, 2, 9:
        service.send(gen.datagram("192.0.2.1", number))
    row, = service.until(3)["agents"]
    assert (row["recent"]["datagrams"], row["recent"]["lost"]) == (3, 6)
    assert service.stop() == (0, "")
    head, agent = (tmp_path / "account.json").read_text().splitlines(True)
    plain = json.loads(agent)
    plain["first"] -= 3600000
    (tmp_path / "account.json").write_text(head + json.dumps(plain) + "\n")
    row, = serve(*options).json("/fleet/json")["agents"]
    assert (row["datagrams"], row["lost"], row["recent"]["datagrams"], row["recent"]["lost"]) == (3, 6, 0, 0)
    assert row["recent"]["seconds"] < 600


def test_when_workers_are_asked_again(monkeypatch):
    """A picture is good for two seconds, and with counter samples for who wants none too."""
    from sflow_collector import workers
    clock, asked = [100.0], []
    every = workers.Workers.__new__(workers.Workers)
    every._taken, every._with_samples = -workers.PICTURE_SECONDS, False
    monkeypatch.setattr(workers.time, "monotonic", lambda: clock[0])
    core = create("scalar")
    plain = dict(workers.picture(core, True), usage=(1.5, 10))
    monkeypatch.setattr(every, "_pictures", lambda kind: asked.append((kind, clock[0])) or [plain, plain])
    for later, options in ((0, {}), (1.9, {}), (0, {"with_samples": True}), (1.9, {}), (0.2, {}), (1.0, {"force": True}),
                           (1.5, {}), (0.5, {"with_samples": True}), (1.0, {"with_samples": True})):
        clock[0] += later
        every.refresh(core, **options)
    assert [(kind, round(when, 1)) for kind, when in asked] == [
        (b"p", 100.0), (b"s", 101.9), (b"p", 104.0), (b"p", 105.0), (b"s", 107.0)]
    assert core.others_usage == (3.0, 20)


def test_the_kernel_chooses_the_worker_by_agent():
    from sflow_collector import udp, views
    sockets, port, workers = [], 0, 3
    for _unused in range(workers):
        sockets.append(udp.open_socket("127.0.0.1", port, 1 << 20, share=True))
        port = sockets[0].getsockname()[1]
    assert udp.steer(sockets[0], workers)
    seen = set()
    for number in range(60):
        address = ("2001:db8:%x::1" % number, "10.0.%d.%d" % (number % 5, number), "2001:db8::%x" % number)[number % 3]
        expected = udp.worker_of(views.parse_address(address), workers)
        seen.add(expected)
        for data in gen.datagram(address, 1), gen.datagram(address, 2):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(data, ("127.0.0.1", port))
            assert sockets[expected].recv(2000) == data
    assert seen == {0, 1, 2}
    alike = [udp.worker_of(views.parse_address("2001:db8:%x::1" % number), workers) for number in range(300)]
    assert min(alike.count(worker) for worker in range(workers)) > 80
    for sock in sockets:
        sock.close()


def test_groups_are_followed(serve, tmp_path):
    path = tmp_path / "groups.json"
    path.write_text('{"INTERNET": [], "A": ["10.0.0.0/8"]}')
    service = serve("--groups", str(path))
    assert service.json("/traffic/json")["groups"] == ["INTERNET", "A"]
    (tmp_path / "new").write_text('{"INTERNET": [], "B": ["10.0.0.0/8"]}')
    os.rename(str(tmp_path / "new"), str(path))
    for _unused in range(100):
        if service.json("/traffic/json")["groups"] == ["INTERNET", "B"]:
            return
        time.sleep(0.05)
    raise AssertionError("the groups were not read again")


def test_groups_that_cannot_be_used(tmp_path):
    """Whoever reads the journal learns of it, at the start and later, and once each time."""
    path = tmp_path / "groups.json"
    path.write_text('{"INTERNET": [], "A": ["10.0.0.0/99"]}')
    service = Service("--groups", str(path))
    first = service.first.splitlines()
    assert len(first) == 2 and first[0].startswith("groups: ") and "10.0.0.0/99" in first[0]
    for text, right in ('{"INTERNET": [], "B": ["10.0.0.0/8"]}', True), ("{", False):
        (tmp_path / "new").write_text(text)
        os.rename(str(tmp_path / "new"), str(path))
        for _unused in range(200):
            if (service.json("/fleet/json")["collector"]["groups_problem"] is None) is right:
                break
            time.sleep(0.05)
        assert service.json("/traffic/json")["groups"] == ["INTERNET", "B"]
    time.sleep(1.5)  # it looks once a second
    status, said = service.stop()
    assert status == 0 and said.startswith("groups: ") and said.endswith("; keeping the groups there were\n") and said.count("\n") == 1


def test_settings_file_and_readiness(tmp_path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(20)
    for name, text in (("c.json", '{"udp_port": 0, "http_port": 0, "allow": ["192.0.2.0/24"]}'),
                       ("c.ini", "[collector]\nudp-port = 0\nhttp_port = 0\nallow = 192.0.2.0/24, ::1\n")):
        (tmp_path / name).write_text(text)
        process = subprocess.Popen([sys.executable, "-m", "sflow_collector", "serve", "--config",
                                    str(tmp_path / name)], cwd=FILES, stderr=subprocess.DEVNULL,
                                   env=dict(os.environ, NOTIFY_SOCKET=str(tmp_path / "notify"),
                                            WATCHDOG_USEC="2000000"))
        said = b""
        while b"READY=1" not in said or b"WATCHDOG=1" not in said:
            said += listener.recv(1000) + b"\n"
        process.terminate()
        assert process.wait(20) == 0
        while b"STOPPING=1" not in said:
            said += listener.recv(1000) + b"\n"
    listener.close()


def test_bad_settings(tmp_path):
    (tmp_path / "c").write_text('{"udp_prt": 1}')
    process = subprocess.Popen([sys.executable, "-m", "sflow_collector", "serve", "--config", str(tmp_path / "c")],
                               cwd=FILES, stderr=subprocess.PIPE, universal_newlines=True)
    assert process.communicate()[1] == "sflow-collector: %s: unknown setting udp_prt\n" % (tmp_path / "c") and process.returncode == 1


def test_port_in_use():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        process = subprocess.Popen([sys.executable, "-m", "sflow_collector", "serve", "--udp-address", "127.0.0.1",
                                    "--udp-port", str(port), "--http-port", "0"], cwd=FILES, stderr=subprocess.PIPE,
                                   universal_newlines=True)
        said = process.communicate()[1]
    assert process.returncode == 1 and "UDP port %d of 127.0.0.1" % port in said


def replay(path, *options):
    return json.loads(subprocess.check_output(
        [sys.executable, "-m", "sflow_collector", "replay", str(path), "--json"] + list(options), cwd=FILES).decode())


@pytest.mark.parametrize("decoder", DECODERS)
def test_replay(tmp_path, decoder):
    fleet = gen.Fleet(20)
    packets = [(1700000000 + number / 50.0, gen.udp_frame(
        "2001:db8::1" if number % 20 < 7 else "192.0.2.1", fleet.send(number % 20))) for number in range(600)]
    packets[100:100] = [(1700000002, gen.frame("10.0.0.1", "10.0.0.2")), (1700000002, b"\0" * 14)]
    vlan = gen.ethernet(gen.ipv4("192.0.2.1", "192.0.2.254", 17, gen.transport(17)[:0] + b"\x9c\x40\x18\xc7" + bytes(
        bytearray([(8 + 28) >> 8, 8 + 28])) + b"\0\0" + gen.datagram("192.0.2.77", 1)), 0x0800, [5])
    packets.append((1700000012, vlan))
    (tmp_path / "a.pcap").write_bytes(gen.pcap(packets))
    (tmp_path / "a.pcapng").write_bytes(gen.pcapng(packets))
    answers = [replay(tmp_path / name, "--decoder", decoder) for name in ("a.pcap", "a.pcapng")]
    assert answers[0]["agents"] == answers[1]["agents"] and answers[0]["total"] == 21
    assert sum(row["datagrams"] for row in answers[0]["agents"]) == 601
    assert sum(row["lost"] for row in answers[0]["agents"]) == 0
    del packets[::9]
    (tmp_path / "less.pcap").write_bytes(gen.pcap(packets))
    less = replay(tmp_path / "less.pcap", "--decoder", decoder)
    assert 50 < sum(row["lost"] for row in less["agents"]) <= 67


@pytest.mark.parametrize("decoder", DECODERS)
def test_replay_of_frames_that_were_to_be_cut_later(tmp_path, decoder):
    """A capture on the sender has frames without a length, which the network card fills in."""
    frames = [bytearray(gen.udp_frame("192.0.2.1", gen.datagram("192.0.2.7", number))) for number in range(1, 65)]
    for frame in frames[::2]:
        frame[16:18] = b"\0\0"
    (tmp_path / "a.pcap").write_bytes(gen.pcap([(1700000000 + number, bytes(frame)) for number, frame in enumerate(frames)]))
    row, = replay(tmp_path / "a.pcap", "--decoder", decoder)["agents"]
    assert (row["datagrams"], row["lost"]) == (64, 0)


def test_a_host_name_that_the_locale_has_no_letters_for(tmp_path):
    packets = [(1700000000, gen.udp_frame("192.0.2.1", gen.datagram("192.0.2.7", 1, [gen.counter_sample([gen.host_id("b\xfcro-1")])])))]
    (tmp_path / "a.pcap").write_bytes(gen.pcap(packets))
    environment = dict(os.environ, LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    said = subprocess.check_output([sys.executable, "-m", "sflow_collector", "replay", str(tmp_path / "a.pcap")], cwd=FILES, env=environment)
    assert b"b\\xfcro-1" in said and b"1 agents, 1 datagrams" in said


def test_replay_of_what_is_no_capture(tmp_path):
    (tmp_path / "x").write_bytes(b"hello world, this is no capture")
    process = subprocess.Popen([sys.executable, "-m", "sflow_collector", "replay", str(tmp_path / "x")], cwd=FILES,
                               stderr=subprocess.PIPE, universal_newlines=True)
    assert "neither pcap nor pcapng" in process.communicate()[1] and process.returncode == 1


def test_decode_prints_every_sample(tmp_path):
    fleet = gen.Fleet(10)
    (tmp_path / "a.pcap").write_bytes(gen.pcap([(1700000000, gen.udp_frame("192.0.2.1", fleet.send(number)))
                                                for number in range(10)]))
    run = [sys.executable, "-m", "sflow_collector", "decode", str(tmp_path / "a.pcap")]
    rows = [json.loads(line) for line in subprocess.check_output(run + ["--json"], cwd=FILES).decode().splitlines()]
    assert {row["agent"] for row in rows} == {fleet.address(number) for number in range(10)}
    assert {row["rate"] for row in rows if row["sample"] == "flow"} == {400}
    assert len(subprocess.check_output(run, cwd=FILES).decode().splitlines()) == len(rows)


def decoded(tmp_path, *samples):
    """What `decode` says of samples: as JSON, as lines."""
    packet = gen.udp_frame("192.0.2.1", gen.datagram("192.0.2.1", 1, samples))
    (tmp_path / "a.pcap").write_bytes(gen.pcap([(1700000000, packet)]))
    run = [sys.executable, "-m", "sflow_collector", "decode", str(tmp_path / "a.pcap")]
    answers = [subprocess.check_output(run + more, cwd=FILES).decode("ascii").splitlines() for more in (["--json"], [])]
    return [json.loads(line, parse_constant=pytest.fail) for line in answers[0]], answers[1]


def test_decode_prints_the_fields_of_records(tmp_path):
    bytes64 = struct.pack(">QQ", 512, 1 << 40)
    context = gen.string("shop") + gen.string("pay") + gen.string("currency=EUR")
    request = b"".join(gen.string(text) for text in ("/a b", "h.example", "", "Mozilla/5.0 (X11)", "", "", "text/html"))
    records = [
        gen.tcp_info(),
        gen.tagged(2202, context + gen.string("") + bytes64 + gen.words(1500, 9)),
        gen.tagged(2203, gen.string("web") + gen.string("GET") + gen.string("")),
        gen.tagged(2204, gen.string("alice")), gen.tagged(2205, gen.string("b\u00f6b")),
        gen.tagged(2206, gen.words(2, 1001) + request + bytes64 + gen.words(80, 404)),
    ]
    rows, lines = decoded(tmp_path, gen.flow_sample(records))
    expected = dict(
        tcp_direction="received", tcp_snd_mss=1448, tcp_rcv_mss=1448, tcp_unacked=0, tcp_lost=0, tcp_retrans=0,
        tcp_pmtu=1500, tcp_rtt_us=300, tcp_rttvar_us=100, tcp_snd_cwnd=10, tcp_reordering=0, tcp_min_rtt_us=50,
        app_name="shop", app_operation="pay", app_attributes="currency=EUR", app_status_text="", app_req_bytes=512,
        app_resp_bytes=1 << 40, app_duration_us=1500, app_status="unavailable", app_parent_name="web",
        app_parent_operation="GET", app_parent_attributes="", app_initiator="alice", app_target="b\u00f6b",
        http_method="get", http_protocol=1001, http_uri="/a b", http_host="h.example", http_referer="",
        http_useragent="Mozilla/5.0 (X11)", http_xff="", http_authuser="", http_mimetype="text/html", http_req_bytes=512,
        http_resp_bytes=1 << 40, http_duration_us=80, http_status=404)
    assert {name: value for name, value in rows[0].items() if name[:4] in ("tcp_", "app_", "http")} == expected
    assert ' tcp_direction=received tcp_snd_mss=1448 ' in lines[0] and ' http_useragent="Mozilla/5.0 (X11)" ' in lines[0]
    assert ' app_target="b\\u00f6b" ' in lines[0]


def test_decode_prints_the_fields_of_counters(tmp_path):
    rows, lines = decoded(tmp_path, gen.counter_sample([
        gen.tagged(2202, gen.string("shop") + gen.words(*range(11))),
        gen.tagged(2203, gen.words(7, 8) + struct.pack(">QQ", 1 << 33, 1 << 34) + gen.words(3, 4, 5, 6)),
        gen.tagged(2206, gen.words(1, 2, 3, 4, 5)), gen.tagged(2201, gen.words(*range(15)))]),
        gen.counter_sample([gen.tagged(2003, b"\x7f\xc0\0\0" + struct.pack(">f", 0.5))]),  # not a number, and cut
        gen.flow_sample([gen.tagged(2209, gen.words(9, 1448)), gen.tagged(2204, gen.words(500) + b"cut!")]))
    application, host, flow = rows
    assert (application["app_name"], application["app_success"], application["app_unauthorized"]) == ("shop", 0, 10)
    assert (application["app_user_time"], application["app_mem_max"], application["app_conn_max"]) == (7, 1 << 34, 6)
    assert (application["workers_active"], application["req_dropped"]) == (1, 5)
    assert (application["http_method_option"], application["http_status_other"]) == (0, 14)
    assert "load_one" not in host and host["load_five"] == 0.5 and "load_fifteen" not in host
    assert (flow["tcp_direction"], flow["tcp_snd_mss"]) == (9, 1448) and "app_initiator" not in flow
    assert " app_name=shop app_success=0 " in lines[0]


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1:{port}", 200), ("[::1]:8008", 200), ("[2001:db8::1]", 200), ("203.0.113.7", 200), ("localhost:{port}", 200),
    ("LocalHost.:80", 200), ("{own}:{port}", 200), ("watch.example.net", 200), ("watch.example.net:443", 200), ("", 200),
    ("evil.example.com", 421), ("evil.example.com:{port}", 421), ("127.0.0.1.example.com", 421), ("localhost.example.com", 421),
    ("[evil]:80", 421), ("1.2.3", 421), ("watch.example.net.evil.com", 421),
])
def test_only_names_of_this_host_are_answered(serve, host, status):
    """A page from elsewhere whose name was made to lead here (DNS rebinding) reads nothing."""
    service = serve("--http-names", "Watch.example.net")
    host = host.format(port=service.http, own=socket.gethostname())
    for path in "/fleet/json", "/":
        answer, body = service.get(path, headers={"Host": host})
        assert answer.status == status, body
    assert status == 200 or (b"http_names" in body and body.count(b"\n") == 1)


def test_watching_survives_the_service(serve):
    """What --watch says while nobody answers, and that it goes on with the next service."""
    service = serve()
    watch = subprocess.Popen([sys.executable, "-u", "-m", "sflow_collector", "status", "--watch", "--url",
                              "http://127.0.0.1:%d" % service.http], cwd=FILES, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, universal_newlines=True)
    try:
        assert "0 agents, 0 datagrams, 0 dropped by the kernel, 0 refused, 0 truncated" in watch.stdout.readline()
        assert service.stop() == (0, "")
        assert "127.0.0.1" in watch.stderr.readline()
        again = serve("--http-port", str(service.http))
        again.send(gen.datagram("192.0.2.1", 1))
        again.until(1)
        for line in iter(watch.stdout.readline, ""):
            if line.startswith("1 agents, 1 datagrams"):
                break
        else:
            raise AssertionError("it ended")
    finally:
        watch.kill()
        watch.communicate()


def test_status_repeats_what_the_service_refuses(serve, tmp_path):
    (tmp_path / "token").write_text("s3cret\n")
    service = serve("--token-file", str(tmp_path / "token"))
    said = subprocess.run([sys.executable, "-m", "sflow_collector", "status", "--url", "http://127.0.0.1:%d" % service.http],
                          cwd=FILES, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, check=False)
    assert said.returncode == 1 and "a token is needed" in said.stderr and "Traceback" not in said.stderr


def test_a_worker_that_fails_during_a_save_ends_the_service_in_order(tmp_path, monkeypatch, capfd):
    """The account that there is gets saved, and the log says what happened; systemd starts all of it anew."""
    from sflow_collector import service, settings
    monkeypatch.setattr(service, "SAVE_SECONDS", 0)
    monkeypatch.setattr(service.signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(service.signal, "set_wakeup_fd", lambda fd: None)
    running = service.Service(settings.Settings(udp_address="127.0.0.1", udp_port=0, http_port=0, workers=2,
                                                decoder="scalar", state_dir=str(tmp_path)))
    alive, killed = running.workers.alive, []

    def kill_after_the_look():
        if alive() and not killed:
            killed.append(running.workers.children[0])
            os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.1)
            return True
        return alive()
    running.workers.alive = kill_after_the_look
    running.workers._taken = 0
    assert running.run() == 1 and killed
    said = capfd.readouterr().err
    assert "workers: a worker does not answer" in said and "started anew" in said and "Traceback" not in said
    assert (tmp_path / "account.json").exists()


def test_a_save_under_way_does_not_hold_up_the_end(tmp_path):
    """systemd waits 15 seconds: enough for one save of everything, not for the rest of another one before it."""
    from sflow_collector import service, settings
    running = service.Service(settings.Settings(udp_address="127.0.0.1", udp_port=0, http_port=0, decoder="scalar",
                                                state_dir=str(tmp_path)))
    running._child = os.fork()
    if not running._child:
        time.sleep(10)
        os._exit(0)
    begun = time.monotonic()
    running.close()
    assert time.monotonic() - begun < 5 and (tmp_path / "account.json").exists()


@pytest.mark.parametrize("decoder", DECODERS)
def test_fault_of_its_own(decoder, monkeypatch, capsys):
    """A datagram that the decoder stumbles over costs what arrived with it; whoever comes later is heard."""
    core = create(decoder)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    schedule = udp.Schedule(selectors.DefaultSelector(), sock, udp.receiver(sock, core, udp.AllowList()))
    with sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        with monkeypatch.context() as patch:
            patch.setattr(core.account, "stream", lambda *_arguments: 1 // 0)
            sender.sendto(gen.datagram("192.0.2.1", 1, []), sock.getsockname())
            schedule.now()
        sender.sendto(gen.datagram("192.0.2.2", 1, []), sock.getsockname())
        schedule.now()
    core.flush()
    assert core.account.errors == {"fault": 1}
    assert [agent.address[12:] for agent in core.account.by_number] == [bytes((192, 0, 2, 2))]
    assert "ZeroDivisionError" in capsys.readouterr().err
