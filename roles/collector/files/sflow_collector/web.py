# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP server for one event loop: GET and HEAD, one request per connection, nothing blocks.

Slow clients cost a slot and a deadline, not a thread; when all slots are taken the connection that has waited
longest makes room. Long answers are generators, pulled piece by piece as the client reads.
"""

import base64
import collections
import contextlib
import hmac
import ipaddress
import selectors
import socket
import time
import urllib.parse
from typing import Any, Callable, Iterator, List, Optional, Set, Tuple, Union

MAX_CONNECTIONS = 64
MAX_REQUEST = 8192
REQUEST_SECONDS = 10  # to send the request
STALL_SECONDS = 20  # without reading anything of the answer
TOTAL_SECONDS = 300  # for the whole answer
BUFFER = 1 << 16

REASONS = {200: "OK", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
           405: "Method Not Allowed", 421: "Misdirected Request", 431: "Request Header Fields Too Large",
           500: "Internal Server Error", 503: "Service Unavailable"}

#: The page may load what this server gives, and nothing else; no other page may frame it.
HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                                "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
                                "form-action 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)

Request = collections.namedtuple("Request", "method path query headers")


class Response:
    """status, body (bytes or an iterable of bytes) and headers of an answer."""

    def __init__(self, status: int, body: Union[bytes, Iterator[Any]] = b"",
                 content_type: str = "text/plain; charset=utf-8",
                 headers: Union[Tuple[Any, ...], List[Tuple[str, str]]] = ()) -> None:
        self.status = status
        self.body = body
        self.headers = [("Content-Type", content_type)] + list(headers)


def parse(head: bytes) -> Any:
    """The Request of the bytes up to the empty line, or a Response that says what is wrong with it."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return Response(400, b"not an HTTP request\n")
    method, target, _version = words
    if method not in ("GET", "HEAD"):
        return Response(405, b"only GET and HEAD\n", headers=[("Allow", "GET, HEAD")])
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    path, _mark, query = target.partition("?")
    if not path.startswith("/"):
        return Response(400, b"the path must begin with a slash\n")
    try:
        fields = urllib.parse.parse_qs(query, errors="replace")
    except ValueError:
        return Response(400, b"the query cannot be read\n")
    return Request(method, urllib.parse.unquote(path, errors="replace"), fields, headers)


def authorized(request: Any, token: str) -> bool:
    """Whether the request carries the token: as a bearer token, or as the password of Basic (browsers ask for it)."""
    kind, _space, value = request.headers.get("authorization", "").partition(" ")
    given = b""
    if kind.lower() == "bearer":
        given = value.strip().encode("latin-1")
    elif kind.lower() == "basic":
        try:
            given = base64.b64decode(value.strip()).partition(b":")[2]
        except ValueError:
            given = b""
    return hmac.compare_digest(given, token.encode("utf-8"))


def own_names() -> Set[str]:
    """Names by which a browser may call this host besides its addresses."""
    name = socket.gethostname().lower()
    return {"localhost", name, name.partition(".")[0]}


def addressed(request: Any, names: Set[str]) -> bool:
    """Whether the Host header, where there is one, is an address or one of the names. A page from elsewhere whose name
    was made to lead here (DNS rebinding) sends the name of its own."""
    host = request.headers.get("host", "").lower()
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if not host or host.rstrip(".") in names:
        return True
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


class Connection:
    """One client: first its request is read, then the answer is written."""

    __slots__ = ("sock", "received", "pieces", "buffer", "deadline", "end", "head_only")

    def __init__(self, sock: "socket.socket", now: float) -> None:
        self.sock = sock
        self.received = b""
        self.pieces: Any = None  # iterator of the rest of the answer once there is one
        self.buffer = b""
        self.deadline = now + REQUEST_SECONDS
        self.end = now + REQUEST_SECONDS + TOTAL_SECONDS
        self.head_only = False


class Server:
    """Answers requests by answer(request) -> Response, on the sockets of a selector."""

    def __init__(self, selector: Any, answer: Any, address: str, port: int, token: Optional[str] = None,
                 log: Optional[Callable[..., Any]] = None, public: Optional[Callable[..., Any]] = None,
                 names: Union[List[str], Tuple[Any, ...]] = ()) -> None:
        self.selector = selector
        self.answer = answer
        self.token = token
        self.public = public or (lambda path: False)  # whether a path is answered without the token
        self.log = log or (lambda text: None)
        self.names = own_names() | {name.lower().rstrip(".") for name in names}
        self.connections: Set[Any] = set()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setblocking(False)
        self.listener.bind((address, port))
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]
        selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Close the listener and every connection."""
        for connection in list(self.connections):
            self._drop(connection)
        self.selector.unregister(self.listener)
        self.listener.close()

    def expire(self) -> None:
        """Drop connections that are past their deadline."""
        now = time.monotonic()
        for connection in [each for each in self.connections if now > min(each.deadline, each.end)]:
            self._drop(connection)

    def _accept(self, _events: int) -> None:
        for _unused in range(16):
            try:
                sock, _peer = self.listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            if len(self.connections) >= MAX_CONNECTIONS:
                self._drop(min(self.connections, key=lambda each: each.deadline))
            connection = Connection(sock, time.monotonic())
            self.connections.add(connection)
            self.selector.register(sock, selectors.EVENT_READ, lambda events, c=connection: self._serve(c))

    def _drop(self, connection: "Connection") -> None:
        if connection in self.connections:
            self.connections.remove(connection)
            self.selector.unregister(connection.sock)
            connection.sock.close()
            close = getattr(connection.pieces, "close", None)
            if close:
                close()

    def _serve(self, connection: "Connection") -> None:
        try:
            if connection.pieces is None:
                self._read(connection)
            else:
                self._write(connection)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
        except Exception as error:  # an answer that cannot be made must not stop the collector
            self.log("http: %s: %s" % (type(error).__name__, error))
            self._drop(connection)

    def _read(self, connection: "Connection") -> None:
        data = connection.sock.recv(4096)
        if not data:
            self._drop(connection)
            return
        connection.received += data
        head, end, _body = connection.received.partition(b"\r\n\r\n")
        if end:
            request = parse(head)
        elif len(connection.received) > MAX_REQUEST:
            request = Response(431, b"the request is too long\n")
        else:
            return
        connection.received = b""
        self._begin(connection, request)

    def _begin(self, connection: "Connection", request: Any) -> None:
        if isinstance(request, Response):
            response = request
        else:
            connection.head_only = request.method == "HEAD"
            response = self._respond(request)
        head = ["HTTP/1.1 %d %s" % (response.status, REASONS.get(response.status, ""))]
        head += ["%s: %s" % item for item in response.headers + list(HEADERS)]
        if isinstance(response.body, bytes):
            head.append("Content-Length: %d" % len(response.body))
            pieces: Any = iter([response.body])
        else:
            pieces = response.body
        head.append("Connection: close")
        connection.buffer = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1", "replace")
        connection.pieces = iter(()) if connection.head_only else iter(pieces)
        connection.deadline = time.monotonic() + STALL_SECONDS
        self.selector.modify(connection.sock, selectors.EVENT_WRITE, lambda events: self._serve(connection))
        self._write(connection)

    def _respond(self, request: Any) -> "Response":
        if not addressed(request, self.names):
            return Response(421, b"the Host header is a name that this collector does not go by: use an address of this host, "
                                 b"or add the name to http_names (collector_http_names of the role)\n")
        if self.token and not self.public(request.path) and not authorized(request, self.token):
            return Response(401, b"a token is needed\n", headers=[
                ("WWW-Authenticate", 'Basic realm="sflow-collector", charset="UTF-8"')])
        try:
            return self.answer(request)
        except Exception as error:  # shown in the log, not to the client
            self.log("http: %s: %s: %s" % (request.path, type(error).__name__, error))
            return Response(500, b"internal error\n")

    def _write(self, connection: "Connection") -> None:
        """Send what is there; one more piece at most, so that the loop gets its turn."""
        if len(connection.buffer) < BUFFER:
            piece = next(connection.pieces, None)
            if piece is not None:
                connection.buffer += piece
            elif not connection.buffer:
                self._finish(connection)
                return
        if not connection.buffer:
            return
        sent = connection.sock.send(connection.buffer)
        if sent:
            connection.buffer = connection.buffer[sent:]
            connection.deadline = time.monotonic() + STALL_SECONDS

    def _finish(self, connection: "Connection") -> None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_WR)
        self._drop(connection)
