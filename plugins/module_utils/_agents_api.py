# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client for the two servers that know which agents report: the collector of this collection and sFlow-RT.

Both answers come out in one shape (see ``Row``). Every failure is an ``ApiError`` whose text is a whole sentence.
"""

import http.client
import ipaddress
import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

BUNDLED = "netviz.sflow"
SFLOW_RT = "sFlow-RT"

MAX_ANSWER_BYTES = 64 * 1024 * 1024
PAGE_ROWS = 1000
MAX_PAGES = 1000


class ApiError(Exception):
    """What is wrong with the server or its answer, as a sentence."""


class NotFound(ApiError):
    """The server is there and does not know the path."""


class Row:
    """What a server knows about one agent (one sub-agent of it); ages and times in seconds, unknown is None.

    ``flows_grow`` is whether packet samples came between two answers, where their age is not told.
    ``recent`` is (seconds, datagrams, lost) of the last minutes, None where the server counts over the agent's whole life only.
    ``data_sources`` are dicts: name, sampling_rate, polling (seconds), flow_age (of the sample that told the rate).
    """

    __slots__ = (
        "agent",
        "sub_agent",
        "host_name",
        "sources",
        "shared",
        "server",
        "first_seen",
        "age",
        "flow_age",
        "flows_grow",
        "counter_age",
        "uptime",
        "restarts",
        "datagrams",
        "lost",
        "recent",
        "out_of_order",
        "duplicates",
        "flow_samples",
        "counter_samples",
        "data_sources",
    )

    agent: str
    sub_agent: int
    sources: List[str]
    data_sources: List[Dict[str, Any]]

    def __init__(self, **values: Any) -> None:
        for name in self.__slots__:
            setattr(self, name, values.get(name))
        self.sources = values.get("sources") or []
        self.data_sources = values.get("data_sources") or []


def canonical_address(text: Any) -> Optional[str]:
    """The one spelling of an address, or None when the text is no address."""
    try:
        address = ipaddress.ip_address(str(text).strip().split("%", 1)[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def addresses_of(host: Any) -> Any:
    """The addresses of a host that is given by address or by name, canonical; empty when the name cannot be resolved.

    Loopback addresses of a name are left out: many hosts have one for their own name, and nobody else reaches them by it.
    """
    address = canonical_address(host)
    if address:
        return [address]
    try:
        found = socket.getaddrinfo(str(host).strip(), None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return []
    addresses = {canonical_address(entry[4][0]) for entry in found}
    return sorted(a for a in addresses if a and not ipaddress.ip_address(a).is_loopback)


def split_endpoint(text: str) -> Tuple[str, str]:
    """``(host, port)`` of ``host:port``; the port is 6343 if none is given, an IPv6 address may have brackets or not.

    Without brackets the last group of an IPv6 address is taken for the port, as in ``2001:db8::1:6343``.
    """
    text = str(text).strip()
    if text.startswith("["):
        host, _bracket, port = text[1:].partition("]")
        return host, port.lstrip(":") or "6343"
    host, colon, port = text.rpartition(":")
    return (host, port) if colon and port.isdigit() else (text, "6343")


def canonical_endpoint(text: str) -> str:
    """``address:port`` in the one spelling of the address; a name stays a name."""
    host, port = split_endpoint(text)
    return f"{canonical_address(host) or host}:{port}"


def base_url(text: str) -> str:
    """The URL without its trailing slash; refuses what cannot be the address of a collector."""
    try:
        parts = urllib.parse.urlsplit(str(text).strip())
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
    if not port_is_fine or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ApiError(f"{text} is not a URL of a collector; expected for example http://127.0.0.1:8008.")
    if parts.username is not None or parts.query or parts.fragment:
        raise ApiError(
            "The URL of a collector has neither a user name nor a query; expected for example http://127.0.0.1:8008."
        )
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


class Client:
    """Asks one server. It finds out which of the two it is at the first answer."""

    def __init__(self, url: str, token: Optional[str] = None, validate_certs: bool = True, ca_path: Any = None,
                 use_proxy: bool = False, clock: Callable[..., Any] = time.monotonic) -> None:
        self.url = base_url(url)
        self.kind: Optional[str] = None
        self._clock = clock
        self._headers = {"Accept": "application/json", "User-Agent": "netviz.sflow"}
        token = (token or "").strip()  # a text block of YAML ends with a newline
        if token and not re.match(r"[!-~]+\Z", token):
            # Said here, because the library would put the header itself into its message.
            raise ApiError("The token for the collector has a character that no header can carry; expected letters, digits and -._~+/=.")
        if token:
            self._headers["Authorization"] = "Bearer " + token
        handlers: List[Any] = [_NoRedirect()]
        if not use_proxy:
            handlers.append(urllib.request.ProxyHandler({}))
        if self.url.startswith("https:"):
            try:
                context = ssl.create_default_context(cafile=ca_path)
            except (OSError, ssl.SSLError) as exc:
                raise ApiError(f"The file of certificate authorities {ca_path} cannot be used: {exc}.") from exc
            if not validate_certs:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    # -- transport ---------------------------------------------------------------------------------------------------

    def get(self, path: str, timeout: float) -> bytes:
        """The body of the answer as bytes; ``timeout`` bounds the whole exchange."""
        url = self.url + path
        deadline = self._clock() + timeout
        request = urllib.request.Request(url, headers=self._headers)  # noqa: S310 - base_url() allows http and https only
        try:
            with self._opener.open(request, timeout=timeout) as response:
                return self._read(response, url, deadline, timeout)
        except urllib.error.HTTPError as exc:
            with exc:
                raise self._http_error(exc, url) from exc
        except urllib.error.URLError as exc:
            raise ApiError(self._transport_sentence(url, exc.reason, timeout)) from exc
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise ApiError(self._transport_sentence(url, exc, timeout)) from exc

    def _read(self, response: Any, url: str, deadline: float, timeout: float) -> bytes:
        chunks: List[bytes] = []
        size = 0
        while True:
            # read1 gives back what is there, so that a server that trickles its answer cannot outlive the deadline.
            chunk = response.read1(65536)
            if not chunk:
                missing = getattr(response, "length", None)
                if missing:
                    raise ApiError(f"{url} broke off its answer, {missing} bytes are missing.")
                return b"".join(chunks)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                raise ApiError(f"{url} answers with more than {MAX_ANSWER_BYTES >> 20} MiB; that is no fleet account.")
            if self._clock() > deadline:
                raise ApiError(f"{url} did not finish its answer within {timeout:.2g} s.")
            chunks.append(chunk)

    def _http_error(self, exc: Any, url: str) -> Union["NotFound", "ApiError"]:
        if exc.code == 404:
            return NotFound(
                f"{url} answers 404: neither the collector of netviz.sflow nor sFlow-RT 3.x serves this path."
            )
        if exc.code in (401, 403):
            return ApiError(f"{url} answers {exc.code}: it wants a token or password; give the right one.")
        if exc.code == 421:
            return ApiError(
                f"{url} does not go by this name: give its address, or add the name to collector_http_names of its role."
            )
        if 300 <= exc.code < 400:
            return ApiError(f"{url} redirects to {exc.headers.get('Location', 'nowhere')}; give that URL instead.")
        return ApiError(f"{url} answers HTTP status {exc.code} ({exc.reason}).")

    @staticmethod
    def _transport_sentence(url: str, reason: Any, timeout: float) -> str:
        if isinstance(reason, (socket.timeout, TimeoutError)):
            return f"{url} did not answer within {timeout:.2g} s; is a firewall in between, or the server overloaded?"
        if isinstance(reason, ConnectionRefusedError):
            return f"{url} refuses the connection: nothing listens there; does it run, is this its HTTP port?"
        if isinstance(reason, socket.gaierror):
            return f"The host name of {url} cannot be resolved ({reason.strerror or reason})."
        if isinstance(reason, (ssl.SSLError, ssl.CertificateError)):  # two things before Python 3.7
            return f"The TLS connection to {url} fails: {reason}."
        if isinstance(reason, http.client.HTTPException):
            return f"{url} does not answer in HTTP ({type(reason).__name__})."
        return f"{url} cannot be reached: {reason}."

    def get_json(self, path: str, timeout: float, expected: Any = dict) -> Any:
        body = self.get(path, timeout)
        try:
            value = json.loads(body.decode("utf-8"))
        except (ValueError, RecursionError):
            start = body[:40].decode("latin-1")
            raise ApiError(f"{self.url}{path} answers something that is not JSON, beginning with {start!r}.") from None
        if not isinstance(value, expected):
            raise ApiError(
                f"{self.url}{path} answers with JSON of another shape ({type(value).__name__}) than a collector does."
            )
        return value

    # -- the two servers ---------------------------------------------------------------------------------------------

    def observe(self, timeout: float) -> Tuple[Dict[str, Any], List["Row"]]:
        """``(server, rows)``: the health of the server and what it knows about every agent."""
        deadline = self._clock() + timeout

        def left() -> float:
            return max(deadline - self._clock(), 0.1)

        if self.kind != SFLOW_RT:
            try:
                answer = self._bundled(left, timeout)
                self.kind = BUNDLED
                return answer
            except NotFound:
                if self.kind == BUNDLED:
                    raise
        answer = self._sflow_rt(left)
        self.kind = SFLOW_RT
        return answer

    def _bundled(self, left: Callable[..., Any], timeout: float) -> Tuple[Dict[str, Any], List["Row"]]:
        found, totals, offset, again = {}, set(), 0, True
        for _dummy in range(MAX_PAGES):
            page = self.get_json(f"/fleet/json?offset={offset}&limit={PAGE_ROWS}", left())
            account = page.get("collector")
            agents = page.get("agents")
            if not isinstance(account, dict) or not isinstance(agents, list):
                raise ApiError(
                    f"{self.url}/fleet/json answers without collector or agents; it is no collector of netviz.sflow."
                )
            # An agent that comes or goes between two requests shifts the pages. A row that comes twice counts as it came last.
            for row in map(self._bundled_row, agents):
                found[row.agent, row.sub_agent] = row
            total = _count(page.get("total"))
            totals.add(total)
            offset += len(agents)
            if not agents or offset >= total:
                if not again or (len(totals) == 1 and len(found) >= total):
                    return self._bundled_server(account), list(found.values())
                offset, again = 0, False  # a second walk finds what was passed over
            if left() <= 0.1:
                raise ApiError(f"{self.url} did not hand over all of its agents within {timeout:.2g} s.")
        raise ApiError(f"{self.url}/fleet/json has more than {MAX_PAGES} pages; that is no fleet account.")

    def _bundled_server(self, account: Dict[str, Any]) -> Dict[str, Any]:
        udp, errors = _mapping(account.get("udp")), _mapping(account.get("errors"))
        return {
            "url": self.url,
            "kind": BUNDLED,
            "version": _text(account.get("version")),
            "uptime_seconds": _seconds(account.get("uptime_ms")),
            "agents": _count(account.get("agents")),
            "datagrams": _count(udp.get("datagrams")),
            "dropped_at_socket": _count(udp.get("kernel_drops")),
            "parse_errors": sum(_count(number) for number in errors.values()),
            "refused": _count(udp.get("refused")),
            "overflow": _count(account.get("overflow_datagrams")),
        }

    def _bundled_row(self, item: Any) -> "Row":
        if not isinstance(item, dict) or canonical_address(item.get("agent")) is None:
            raise ApiError(f"{self.url}/fleet/json lists an agent without an address: {str(item)[:60]!r}.")
        sources = item.get("data_sources")
        flow_age = _seconds(item.get("last_flow_ms"))
        return Row(
            agent=canonical_address(item["agent"]),
            sub_agent=_count(item.get("sub_agent")),
            host_name=_text(item.get("host_name")),
            sources=_addresses(item.get("sources")),
            shared=item.get("shared") is True,
            server=self.url,
            first_seen=_seconds(item.get("first_seen_ms")),
            age=_seconds(item.get("last_seen_ms")),
            flow_age=flow_age,
            counter_age=_seconds(item.get("last_counter_ms")),
            uptime=_seconds(item.get("uptime_ms")),
            restarts=_count(item.get("restarts")),
            datagrams=_count(item.get("datagrams")),
            lost=_count(item.get("lost")),
            recent=_recent(item.get("recent")),
            out_of_order=_count(item.get("out_of_order")),
            duplicates=_count(item.get("duplicates")),
            flow_samples=_count(item.get("flow_samples")),
            counter_samples=_count(item.get("counter_samples")),
            data_sources=[
                {
                    "name": _text(source.get("name")) or _text(source.get("data_source")) or "?",
                    "sampling_rate": _number(source.get("sampling_rate")),
                    "polling": _number(source.get("polling_interval_s")),
                    # Earlier collectors tell it for the whole agent only.
                    "flow_age": _seconds(source["last_flow_ms"]) if "last_flow_ms" in source else flow_age,
                }
                for source in (sources if isinstance(sources, list) else [])
                # Guests and applications that report through the agent have rates and intervals of their own.
                if isinstance(source, dict) and not str(source.get("data_source")).startswith("3.")
            ],
        )

    def _sflow_rt(self, left: Callable[..., Any]) -> Tuple[Dict[str, Any], List["Row"]]:
        agents = self.get_json("/agents/json", left())
        try:
            analyzer = self.get_json("/analyzer/json", left())
        except ApiError:
            analyzer = {}
        names = self._sflow_rt_names(left) if agents else {}
        counter_ages = self._sflow_rt_counter_ages(left) if agents else {}
        rows = []
        for key, item in agents.items():
            address = canonical_address(key)
            if address is None or not isinstance(item, dict):
                raise ApiError(f"{self.url}/agents/json lists an agent without an address: {key[:60]!r}.")
            rows.append(
                Row(
                    agent=address,
                    host_name=names.get(address),
                    sources=_addresses(item.get("sFlowDatagramSource")),
                    # sFlow-RT keeps every source it ever saw, so several of them prove no sharing.
                    shared=False,
                    server=self.url,
                    first_seen=_seconds(item.get("firstSeen")),
                    age=_seconds(item.get("lastSeen")),
                    counter_age=counter_ages.get(address),
                    uptime=_seconds(item.get("uptime")),
                    datagrams=_count(item.get("sFlowDatagramsReceived")),
                    lost=_count(item.get("sFlowDatagramsLost")),
                    out_of_order=_count(item.get("sFlowDatagramsOutOfOrder")),
                    duplicates=_count(item.get("sFlowDatagramsDuplicates")),
                    flow_samples=_count(item.get("sFlowFlowSamples")),
                    counter_samples=_count(item.get("sFlowCounterSamples")),
                )
            )
        server = {
            "url": self.url,
            "kind": SFLOW_RT,
            "version": _text(analyzer.get("version")),
            "uptime_seconds": _seconds(analyzer.get("uptime")),
            "agents": len(rows),
            "datagrams": _count(analyzer.get("sFlowDatagramsReceived")),
            "dropped_at_socket": _count(analyzer.get("sFlowDatagramsDiscarded")),
            "parse_errors": _count(analyzer.get("sFlowParseErrors")) + _count(analyzer.get("sFlowUnsupportedVersion")),
            "refused": 0,
            "overflow": 0,
        }
        return server, rows

    def _sflow_rt_dump(self, metric: str, left: Callable[..., Any]) -> List[Dict[str, Any]]:
        """What the hosts themselves say of a metric, no guests of theirs (data source 3.N); nothing when there is no answer.

        The proof works without: names and the ages of counters are more than it needs.
        """
        try:
            dump = self.get_json(f"/dump/ALL/{metric}/json", left(), list)
        except ApiError:
            return []
        return [item for item in dump if isinstance(item, dict) and not str(item.get("dataSource")).startswith("3.")]

    def _sflow_rt_names(self, left: Callable[..., Any]) -> Dict[Optional[str], Optional[str]]:
        """Agent address -> host name, where the agent says one."""
        return {canonical_address(item.get("agent")): _text(item.get("metricValue")) for item in self._sflow_rt_dump("host_name", left)}

    def _sflow_rt_counter_ages(self, left: Callable[..., Any]) -> Dict[Optional[str], float]:
        """Agent address -> seconds since its host counters came, of which every hsflowd sends the load."""
        ages: Dict[Optional[str], float] = {}
        for item in self._sflow_rt_dump("load_one", left):
            agent, age = canonical_address(item.get("agent")), _seconds(item.get("lastUpdate"))
            if age is not None:
                ages[agent] = min(age, ages.get(agent, age))
        return ages


# -- values of an answer: a server may be wrong, old or hostile -------------------------------------------------------


def _mapping(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> Optional[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # The bound keeps every later calculation within floats.
    return value if 0 <= value < 1e18 else None


def _count(value: Any) -> int:
    number = _number(value)
    return int(number) if number is not None else 0


def _seconds(milliseconds: Any) -> Optional[float]:
    number = _number(milliseconds)
    return number / 1000.0 if number is not None else None


def _recent(value: Any) -> Any:
    """(seconds, datagrams, lost), or None when the server does not tell them."""
    value = _mapping(value)
    seconds, datagrams, lost = (_number(value.get(name)) for name in ("seconds", "datagrams", "lost"))
    if seconds is None or datagrams is None or lost is None:
        return None
    return float(seconds), int(datagrams), int(lost)


def _text(value: Any) -> Optional[str]:
    if not isinstance(value, str):
        return None
    # Names come from datagrams that anybody can send: no control characters on the operator's terminal.
    return "".join(char if char.isprintable() else "?" for char in value[:255]) or None


def _addresses(value: Any) -> List[str]:
    found = (canonical_address(item) for item in (value if isinstance(value, list) else []))
    return [address for address in found if address is not None]
