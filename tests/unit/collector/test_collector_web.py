# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server of the collector: what it understands, whom it answers, and what slow or many clients cost it."""

import base64
import selectors
import socket
import types

import pytest
from sflow_collector import web

HELLO = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Bench:
    """A server in this process whose clock is set by hand; turn() gives everything that is ready its turn."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(web, "time", types.SimpleNamespace(monotonic=lambda: self.now))
        self.selector = selectors.DefaultSelector()
        self.said, self.asked, self.clients = [], [], []
        self.server = None
        self.answers = {"/hello": lambda: web.Response(200, b"hello\n")}

    def start(self, **options):
        self.server = web.Server(self.selector, self.answer, options.pop("address", "127.0.0.1"), 0, log=self.said.append, **options)
        return self

    def answer(self, request):
        self.asked.append(request)
        return self.answers[request.path]()

    def connect(self, data=b""):
        client = socket.create_connection(self.server.listener.getsockname()[:2], timeout=10)
        self.clients.append(client)
        self.turn()
        self.send(client, data)
        return client

    def send(self, client, data):
        client.sendall(data)
        self.turn()

    def turn(self, rounds=20):
        for _unused in range(rounds):
            for key, events in self.selector.select(0):
                key.data(events)

    def read(self, client):
        """(status, headers, body) of an answer that ends with the connection."""
        client.settimeout(0)
        data = b""
        for _unused in range(10000):
            self.turn(1)
            try:
                piece = client.recv(1 << 16)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                break
            if not piece:
                break
            data += piece
        head, _end, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        assert lines[0].startswith("HTTP/1.1 "), data[:100]
        return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:]), body

    def ask(self, data):
        return self.read(self.connect(data))

    def gone(self, client):
        """Whether the server has hung up on a client that got no answer."""
        client.settimeout(0)
        try:
            return client.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


@pytest.fixture
def bench(monkeypatch):
    made = Bench(monkeypatch)
    yield made
    for client in made.clients:
        client.close()
    if made.server is not None:
        made.server.close()
        assert not made.server.connections and not made.selector.get_map()
    made.selector.close()


@pytest.mark.parametrize("head, expected", [
    (b"GET / HTTP/1.1", ("GET", "/", {}, {})),
    (b"HEAD /a%20b%2Fc HTTP/1.0\r\nHost: x", ("HEAD", "/a b/c", {}, {"host": "x"})),
    (b"GET /a?b=1&b=2&c=%C3%A9&d= HTTP/1.1\r\nACCEPT :  text \r\nno header\r\nX: a: b",
     ("GET", "/a", {"b": ["1", "2"], "c": ["\xe9"]}, {"accept": "text", "x": "a: b"})),
    (b"GET /%ff?%ff=%ff HTTP/1.1", ("GET", "/\ufffd", {"\ufffd": ["\ufffd"]}, {})),
    (b"GET /a?b?c=d HTTP/1.1", ("GET", "/a", {"b?c": ["d"]}, {})),
    (b"", 400), (b"GET /", 400), (b"GET / HTTP/1.1 x", 400), (b"GET / HTTP/2", 400), (b"GET  / HTTP/1.1", 400),
    (b"GET x HTTP/1.1", 400), (b"GET http://x/ HTTP/1.1", 400), (b"POST / HTTP/1.1", 405), (b"get / HTTP/1.1", 405),
    (b"OPTIONS * HTTP/1.1", 405)])
def test_requests(head, expected):
    found = web.parse(head)
    assert (found.status if isinstance(expected, int) else tuple(found)) == expected
    if expected == 405:
        assert ("Allow", "GET, HEAD") in found.headers


def basic(text):
    return "Basic " + base64.b64encode(text.encode("utf-8")).decode("ascii")


@pytest.mark.parametrize("token, header, right", [
    ("s3cret", "Bearer s3cret", True), ("s3cret", "bearer  s3cret ", True), ("s3cret", "Bearer s3cre", False),
    ("s3cret", "Bearer s3cretx", False), ("s3cret", "Bearer", False), ("s3cret", "s3cret", False), ("s3cret", "", False),
    ("s3cret", "Digest s3cret", False), ("s3cret", basic("any:s3cret").replace("Basic", "Digest"), False),
    ("s3cret", basic("any:s3cret"), True), ("s3cret", basic(":s3cret"), True),
    ("s3cret", basic("s3cret"), False), ("s3cret", basic("s3cret:"), False), ("s3cret", basic("a:b:s3cret"), False),
    ("b:s3cret", basic("a:b:s3cret"), True), ("s3cret", "Basic !", False), ("s3cret", "Basic a", False),
    ("s3cret", "Bearer " + base64.b64encode(b"any:s3cret").decode("ascii"), False),
    ("s3cr\xe9t", basic("any:s3cr\xe9t"), True), ("s3cr\xe9t", "Bearer s3cr\xc3\xa9t", True), ("s3cr\xe9t", "Bearer s3cr\xe9t", False)])
def test_tokens(token, header, right):
    assert web.authorized(web.Request("GET", "/", {}, {"authorization": header}), token) is right
    assert web.authorized(web.Request("GET", "/", {}, {}), token) is False


@pytest.mark.parametrize("host, ours", [
    ("", True), ("127.0.0.1", True), ("127.0.0.1:8008", True), ("[::1]", True), ("[2001:db8::1]:8008", True), ("LocalHost:8008", True),
    ("localhost.", True), ("watch-1", True), ("Watch-1.", True), ("watch-1.example.net", False), ("localhost.example.net", False),
    ("example.net", False), ("127.0.0.1.example.net", False), ("[example.net]", False), ("1.2.3", False)])
def test_names(host, ours):
    names = {"localhost", "watch-1"}
    assert web.addressed(web.Request("GET", "/", {}, {"host": host}), names) is ours
    assert web.addressed(web.Request("GET", "/", {}, {}), names) is True


def test_own_names(monkeypatch):
    monkeypatch.setattr(web.socket, "gethostname", lambda: "Watch-1.Example.net")
    assert web.own_names() == {"localhost", "watch-1.example.net", "watch-1"}


def test_names_that_are_given(bench):
    bench.start(names=["Sflow.Example.net."])
    assert bench.ask(b"GET /hello HTTP/1.1\r\nHost: sflow.example.net:80\r\n\r\n")[0] == 200
    assert bench.ask(b"GET /hello HTTP/1.1\r\nHost: example.net\r\n\r\n")[0] == 421
    assert len(bench.asked) == 1


def test_an_answer(bench):
    bench.start()
    status, headers, body = bench.ask(HELLO + b"what follows is not looked at")
    assert (status, body, headers["Content-Length"], headers["Connection"]) == (200, b"hello\n", "6", "close")
    assert headers["Content-Type"] == "text/plain; charset=utf-8" and dict(web.HEADERS).items() <= headers.items()
    assert bench.ask(HELLO.replace(b"GET", b"HEAD")) == (200, headers, b"")
    assert not bench.server.connections and not bench.said


def test_a_request_in_pieces(bench):
    client = bench.start().connect()
    for place in range(len(HELLO)):
        assert not bench.asked
        bench.send(client, HELLO[place:place + 1])
    assert bench.read(client)[2] == b"hello\n" and len(bench.asked) == 1


def test_requests_that_are_too_long(bench):
    bench.start()
    long = b"GET /hello HTTP/1.1\r\nX: "
    assert bench.ask(long + b"x" * (web.MAX_REQUEST - len(long) - 4) + b"\r\n\r\n")[0] == 200
    client = bench.connect(long + b"x" * (web.MAX_REQUEST - len(long)))
    assert client in bench.clients and len(bench.server.connections) == 1  # as long as it may be, and not at its end
    bench.send(client, b"x")
    status, headers, _body = bench.read(client)
    assert status == 431 and dict(web.HEADERS).items() <= headers.items() and len(bench.asked) == 1


@pytest.mark.parametrize("address", ("127.0.0.1", "::1"))
def test_addresses(bench, address):
    try:
        bench.start(address=address)
    except OSError as error:
        pytest.skip("this machine has no %s: %s" % (address, error))
    assert bench.server.listener.getsockname()[:2] == (address, bench.server.port) and bench.server.port  # and no wider
    assert bench.ask(HELLO)[0] == 200


def test_with_a_token(bench):
    bench.answers["/healthz"] = lambda: web.Response(200, b"OK\n")
    bench.start(token="s3cret", public=lambda path: path == "/healthz")
    status, headers, body = bench.ask(HELLO)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="sflow-collector", charset="UTF-8"') and b"token" in body
    assert dict(web.HEADERS).items() <= headers.items() and not bench.asked
    assert bench.ask(b"GET /healthz HTTP/1.1\r\n\r\n")[0] == 200
    assert bench.ask(b"GET /hello HTTP/1.1\r\nAuthorization: Bearer s3cret\r\n\r\n")[0] == 200
    assert bench.ask(b"GET /healthz HTTP/1.1\r\nHost: elsewhere\r\n\r\n")[0] == 421


def test_an_answer_that_cannot_be_made(bench):
    def fail():
        raise KeyError("inner matters")
    bench.answers["/fail"] = fail
    bench.start()
    status, _headers, body = bench.ask(b"GET /fail HTTP/1.1\r\n\r\n")
    assert (status, body) == (500, b"internal error\n") and bench.said == ["http: /fail: KeyError: 'inner matters'"]
    assert bench.ask(HELLO)[0] == 200


class Pieces:
    """A long answer that counts what was taken of it, and knows whether it was closed."""

    def __init__(self, number, size, fail_at=None):
        self.taken, self.closed = 0, False
        self.iterator = self.pieces(number, size, fail_at)

    def pieces(self, number, size, fail_at):
        try:
            for place in range(number):
                if place == fail_at:
                    raise ValueError("half way")
                self.taken += 1
                yield b"%c" % (97 + place % 26) * size
        finally:
            self.closed = True


def test_a_long_answer(bench):
    made = []
    bench.answers["/long"] = lambda: made.append(Pieces(400, 50000)) or web.Response(200, made[-1].iterator, "application/json")
    bench.start()
    client = bench.connect(b"GET /long HTTP/1.1\r\n\r\n")
    bench.turn(1000)
    taken = made[0].taken
    assert 0 < taken < 300 and all(len(each.buffer) < web.BUFFER + 50000 for each in bench.server.connections)  # what the sockets take
    bench.turn(1000)
    assert made[0].taken == taken and not made[0].closed
    status, headers, body = bench.read(client)
    assert status == 200 and "Content-Length" not in headers and headers["Content-Type"] == "application/json"
    assert body == b"".join(b"%c" % (97 + place % 26) * 50000 for place in range(400)) and made[0].closed
    assert bench.ask(b"HEAD /long HTTP/1.1\r\n\r\n")[2] == b"" and made[1].taken == 0


def test_pieces_may_be_empty(bench):
    bench.answers["/gaps"] = lambda: web.Response(200, iter([b"", b"a", b"", b"", b"b", b""]))
    assert bench.start().ask(b"GET /gaps HTTP/1.1\r\n\r\n")[2] == b"ab"


def test_a_long_answer_that_fails(bench):
    made = []
    bench.answers["/long"] = lambda: made.append(Pieces(9, 50000, 4)) or web.Response(200, made[-1].iterator)
    bench.start()
    assert len(bench.ask(b"GET /long HTTP/1.1\r\n\r\n")[2]) < 9 * 50000
    assert bench.said == ["http: ValueError: half way"] and not bench.server.connections
    assert bench.ask(HELLO)[0] == 200


def test_clients_that_leave(bench):
    made = []
    bench.answers["/long"] = lambda: made.append(Pieces(400, 50000)) or web.Response(200, made[-1].iterator)
    bench.start()
    bench.connect().close()
    bench.connect(HELLO[:9]).close()
    client = bench.connect(b"GET /long HTTP/1.1\r\n\r\n")
    client.close()
    bench.turn(100)
    assert not bench.server.connections and made[0].closed and not bench.said


def test_a_slow_request(bench):
    client = bench.start().connect(HELLO[:9])
    bench.now += web.REQUEST_SECONDS
    bench.server.expire()
    assert not bench.gone(client)
    bench.send(client, HELLO[9:12])  # which is no reprieve
    bench.now += 0.1
    bench.server.expire()
    assert bench.gone(client) and not bench.server.connections


def test_a_slow_reader(bench):
    made, begun = [], bench.now
    bench.answers["/long"] = lambda: made.append(Pieces(4000, 50000)) or web.Response(200, made[-1].iterator)
    client = bench.start().connect(b"GET /long HTTP/1.1\r\n\r\n")
    while bench.now + web.STALL_SECONDS < begun + web.REQUEST_SECONDS + web.TOTAL_SECONDS:
        bench.turn(1000)
        bench.now += web.STALL_SECONDS
        bench.server.expire()
        assert bench.server.connections and not made[0].closed
        read = 0
        while read < 1 << 22:  # what it reads is a reprieve
            read += len(client.recv(1 << 16))
            bench.turn(2)
    assert bench.server.connections and not made[0].closed
    bench.now = begun + web.REQUEST_SECONDS + web.TOTAL_SECONDS + 0.1  # but not for ever
    bench.server.expire()
    assert not bench.server.connections and made[0].closed


def test_a_reader_that_stops(bench):
    made = []
    bench.answers["/long"] = lambda: made.append(Pieces(4000, 50000)) or web.Response(200, made[-1].iterator)
    bench.start().connect(b"GET /long HTTP/1.1\r\n\r\n")
    bench.turn(1000)
    bench.now += web.STALL_SECONDS
    bench.server.expire()
    assert bench.server.connections
    bench.now += 0.1
    bench.server.expire()
    assert not bench.server.connections and made[0].closed


def test_many_clients(bench):
    bench.start()
    waiting = []
    for _unused in range(web.MAX_CONNECTIONS):
        waiting.append(bench.connect())
        bench.now += 0.01
    assert len(bench.server.connections) == web.MAX_CONNECTIONS
    assert not any(bench.gone(client) for client in waiting)
    assert bench.ask(HELLO)[2] == b"hello\n"  # the one that has waited longest made room
    assert [bench.gone(client) for client in waiting[:3]] == [True, False, False]
    bench.clients += [socket.create_connection(bench.server.listener.getsockname()[:2], timeout=10) for _unused in range(100)]
    bench.turn()
    assert len(bench.server.connections) == web.MAX_CONNECTIONS


def test_the_end(bench):
    made = []
    bench.answers["/long"] = lambda: made.append(Pieces(4000, 50000)) or web.Response(200, made[-1].iterator)
    bench.start()
    clients = [bench.connect(), bench.connect(HELLO[:5]), bench.connect(b"GET /long HTTP/1.1\r\n\r\n")]
    bench.server.close()
    assert made[0].closed and all(bench.gone(client) for client in clients[:2])
    assert not bench.server.connections and not bench.selector.get_map()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", bench.server.port), timeout=1)
    bench.server = None
