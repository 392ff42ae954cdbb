# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: serve, replay a capture, decode a capture, show the status of a running collector."""

import argparse
import codecs
import contextlib
import gc
import io
import itertools
import json
import math
import os
import re
import sys
import time
from typing import Any, Dict, Iterator, List, Optional

from . import VERSION, account, capture, core, counters, packet, records, settings, views, wire

WATCH_SECONDS = 2
PAGE = 5000  # agents that are asked for at a time
PORTS = (1, 65535)


def main(arguments: Any = None) -> int:
    """Run a command; the exit status."""
    _take_any_name()
    parser = build_parser()
    options = parser.parse_args(arguments)
    if not getattr(options, "run", None):
        parser.print_help()
        return 2
    try:
        return options.run(options)
    except ValueError as error:  # settings, captures and decoders say what is wrong with them
        sys.stderr.write("sflow-collector: %s\n" % error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.stderr.write("sflow-collector: %s\n" % error)
    except KeyboardInterrupt:
        return 130
    return 1


def _take_any_name() -> None:
    """Host names come from datagrams: where the locale has no such letter, show its number instead of ending."""
    for name in "stdout", "stderr":
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            # Python 3.6 cannot reconfigure a stream.
            setattr(sys, name, io.TextIOWrapper(stream.detach(), stream.encoding, "backslashreplace",
                                                line_buffering=stream.line_buffering))


def build_parser() -> "argparse.ArgumentParser":
    """The parser of the command line."""
    parser = argparse.ArgumentParser(prog="sflow-collector", description="A collector of sFlow version 5.")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    serve = commands.add_parser("serve", help="receive datagrams and answer over HTTP",
                                description="Receive sFlow and answer over HTTP until told to stop.")
    settings.add_arguments(serve)
    serve.set_defaults(run=run_serve)

    replay = commands.add_parser("replay", help="the account of a capture file",
                                 description="Print the account of the sFlow datagrams in a capture (pcap, pcapng).")
    replay.add_argument("--json", action="store_true", help="print the document of /fleet/json")
    replay.add_argument("--quiet", action="store_true", help="print the totals, not the row of every agent")
    replay.add_argument("--groups", metavar="FILE", help="groups.json; the traffic between them is printed as well")
    replay.add_argument("--max-agents", type=int, default=account.MAX_AGENTS, metavar="N",
                        help="most agents in the account (default: %(default)s)")
    replay.add_argument("--decoder", choices=("auto", "scalar", "batch"), default="auto",
                        help="which decoder; auto takes the batch decoder where numpy is (default: %(default)s)")
    replay.set_defaults(run=run_replay)

    decode = commands.add_parser("decode", help="every sample of a capture file",
                                 description="Print one line, or one JSON document, per sample of a capture.")
    decode.add_argument("--json", action="store_true", help="print JSON")
    decode.set_defaults(run=run_decode)
    for each in replay, decode:
        each.add_argument("file", help="capture file, - for standard input")
        each.add_argument("--port", type=int, default=wire.PORT, metavar="N",
                          help="UDP port the datagrams go to (default: %(default)s)")

    status = commands.add_parser("status", help="the fleet as a running collector sees it",
                                 description="Ask a running collector over HTTP and print the fleet as a table.")
    status.add_argument("--url", default="http://127.0.0.1:8008", help="address of the collector (default: %(default)s)")
    status.add_argument("--token-file", metavar="FILE", help="file with the token of the collector")
    status.add_argument("--json", action="store_true", help="print the document of /fleet/json")
    status.add_argument("--watch", action="store_true", help="print it again every two seconds")
    status.set_defaults(run=run_status)
    return parser


def run_serve(options: "argparse.Namespace") -> int:
    """sflow-collector serve"""
    from . import service  # what only one command needs would be a tenth of a second to all of them
    return service.Service(settings.from_arguments(options)).run()


class Progress:
    """Tells on a terminal how far a long file has been read."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.size = 0
        with contextlib.suppress(OSError, ValueError):
            self.size = os.fstat(stream.fileno()).st_size
        self.shown = False
        self.next = time.monotonic() + 1 if sys.stderr.isatty() and self.size else None

    def step(self, number: int) -> None:
        """number datagrams have been read."""
        if self.next is not None and time.monotonic() >= self.next:
            self.next = time.monotonic() + 0.5
            self.shown = True
            sys.stderr.write("\r%3d %%  %d datagrams" % (100 * self.stream.tell() // self.size, number))
            sys.stderr.flush()

    def done(self) -> None:
        """Clear the line."""
        if self.shown:
            sys.stderr.write("\r\033[K")


def _open(name: str) -> Any:
    return sys.stdin.buffer if name == "-" else open(name, "rb", 1 << 20)


class CaptureClock:
    """The time in a capture: that of the newest datagram."""

    def __init__(self) -> None:
        self.now = 0
        self.first: Optional[int] = None

    def __call__(self) -> int:
        return self.now

    def set(self, time_ms: int) -> None:
        """Go on to a time; never back."""
        self.first = time_ms if self.first is None else self.first
        self.now = max(self.now, time_ms)


def replay(collector: Any, stream: Any, port: int, clock: "CaptureClock") -> Iterator[int]:
    """Feed a capture to a collector; yields the number of datagrams so far."""
    if hasattr(collector, "replay") and stream.seekable() and stream.peek(4)[:4] in capture.MAGICS:
        yield from collector.replay(capture.Blocks(stream), port, clock.set)
        return
    located, now = capture.located(stream, port), 0
    for first in located:
        if not now:
            clock.set(first[0])
        now = collector.take_all([first], now)
        now = collector.take_all(itertools.islice(located, 1023), now)
        clock.set(now)
        yield collector.account.datagrams


def run_replay(options: "argparse.Namespace") -> int:
    """sflow-collector replay"""
    settings.check_range("max-agents", options.max_agents, settings.RANGES["max_agents"])
    settings.check_range("port", options.port, PORTS)
    clock = CaptureClock()
    collector = core.create(options.decoder, max_agents=options.max_agents, groups_path=options.groups, clock=clock)
    if collector.groups_file.problem:
        raise settings.SettingsError("groups: %s" % collector.groups_file.problem)
    gc.disable()  # there are no cycles, and looking for them through all agents takes its time
    with _open(options.file) as stream:
        progress = Progress(stream)
        for number in replay(collector, stream, options.port, clock):
            progress.step(number)
        progress.done()
    collector.flush()
    if hasattr(gc, "freeze"):  # from Python 3.7 on
        gc.freeze()  # Python looks for cycles at its end even so
    collector.started = clock.first or 0
    if options.json:
        for piece in views.fleet(collector, (), "", 0, len(collector.account.agents)):
            sys.stdout.write(piece.decode("ascii"))
        sys.stdout.write("\n")
        return 0
    rows = 0 if options.quiet else len(collector.account.agents)
    document = json.loads(b"".join(views.fleet(collector, (), "", 0, rows)).decode("ascii"))
    print_fleet(document, sys.stdout)
    if options.groups:
        print_traffic(views.pairs(collector), sys.stdout)
    return 0


def run_decode(options: "argparse.Namespace") -> int:
    """sflow-collector decode"""
    settings.check_range("port", options.port, PORTS)
    with _open(options.file) as stream:
        for time_ms, source, data in capture.datagrams(stream, options.port):
            for row in sample_rows(time_ms, source, data):
                sys.stdout.write((json.dumps(row) if options.json else line_of(row)) + "\n")
    return 0


def sample_rows(time_ms: int, source: bytes, data: Any) -> List[Dict[str, Any]]:
    """One dict per sample of a datagram, or one that says why there is none."""
    datagram = wire.decode(data)
    base = {"time": time_ms / 1000.0, "from": views.address_text(source)}
    if datagram.agent is None:
        return [dict(base, error=datagram.errors[0])]
    base.update(agent=views.address_text(datagram.agent), sub_agent=datagram.sub_agent,
                sequence=datagram.sequence, uptime_ms=datagram.uptime)
    rows = []
    for sample in datagram.samples:
        row = dict(base, sample=sample.kind, data_source=wire.source_name(sample.source),
                   sample_sequence=sample.words["sequence"],
                   records=[wire.tag_name(tag) for tag, _first, _last in sample.records])
        for name in "rate", "pool", "drops", "input", "output", "reason":
            if name in sample.words:
                row[name] = sample.words[name]
        if sample.packet is not None:
            row.update(packet_fields(sample.packet))
        said = counters.values(data, sample.records) if sample.kind == wire.COUNTERS else records.flow(data, sample.records)
        row.update((name, value) for name, value in said.items()
                   if not isinstance(value, float) or math.isfinite(value))  # JSON has no others
        rows.append(row)
    if datagram.errors or not rows:
        rows.append(dict(base, error=datagram.errors[0] if datagram.errors else "no samples"))
    return rows


def packet_fields(sampled: "packet.Packet") -> Dict[str, Any]:
    """What is known of a sampled packet, for printing."""
    out: Dict[str, Any] = {"frame_length": sampled.frame_length}
    if sampled.vlan is not None:
        out["vlan"] = sampled.vlan
    if sampled.version:
        out.update(source=_address(sampled.source), target=_address(sampled.target),
                   protocol=packet.protocol_name(sampled.protocol))
        if sampled.ports is not None:
            out["source_port"], out["target_port"] = sampled.ports
    return out


def _address(value: bytes) -> str:
    return views.address_text(wire.MAPPED + value if len(value) == 4 else value)


def line_of(row: Dict[str, Any]) -> str:
    """A row as text: name=value, lists joined."""
    return " ".join("%s=%s" % (name, "/".join(value) if isinstance(value, list) else _quoted(value))
                    for name, value in row.items())


def _quoted(value: Any) -> Any:
    """A value that stays one word."""
    return value if not isinstance(value, str) or re.match('[!#-~]+$', value) else json.dumps(value)


def run_status(options: "argparse.Namespace") -> Any:
    """sflow-collector status"""
    if not options.url.startswith(("http://", "https://")):
        raise settings.SettingsError("%s: expected an http or https address" % options.url)
    headers = {}
    if options.token_file:
        token = settings.Settings(token_file=options.token_file).token() or ""
        headers["Authorization"] = b"Bearer " + token.encode("utf-8")
    if not options.watch:
        show_status(options.url, headers, options.json)
        return 0
    while True:
        try:
            show_status(options.url, headers, options.json, clear=sys.stdout.isatty())
        except settings.SettingsError as error:  # it may be about to start again
            sys.stderr.write("%s: %s\n" % (time.strftime("%H:%M:%S"), error))
        time.sleep(WATCH_SECONDS)


def show_status(url: str, headers: Dict[Any, Any], as_json: bool, clear: bool = False) -> None:
    """Ask a collector and print its /fleet/json, as it came or as the table of the fleet, on a screen that is cleared before;
    SettingsError says why not.
    """
    try:
        document = fetch_fleet(url, headers)
        if clear:
            sys.stdout.write("\033[2J\033[H")
        if as_json:
            sys.stdout.write(json.dumps(document) + "\n")
        else:
            print_fleet(document, sys.stdout)
        sys.stdout.flush()
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, settings.SettingsError):
            raise
        raise settings.SettingsError("%s: whoever answers there is not this collector (%s: %s)" % (
            url, type(error).__name__, error)) from None


def fetch_fleet(url: str, headers: Dict[Any, Any]) -> Any:
    """The whole /fleet/json of a collector, its pages joined; SettingsError says why there is none."""
    import http.client
    import urllib.request
    document, offset = None, 0
    while True:
        address = "%s/fleet/json?offset=%d&limit=%d" % (url.rstrip("/"), offset, PAGE)
        request = urllib.request.Request(address, headers=headers)  # noqa: S310  run_status checks the scheme
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  as above
                page = json.loads(answer.read().decode("utf-8"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise settings.SettingsError("%s: %s" % (url, refusal(error))) from None
        except RecursionError:  # which says different things from one Python to the next
            raise settings.SettingsError("%s: whoever answers there is not this collector (RecursionError)" % url) from None
        if not isinstance(page, dict) or not page.keys() >= {"agents", "total", "collector"}:
            raise settings.SettingsError("%s: whoever answers there is not this collector" % url)
        if document is None:
            document = page
        else:
            document["agents"].extend(page["agents"])
        offset += PAGE
        if offset >= page["total"] or not page["agents"]:
            return document


def refusal(error: Any) -> str:
    """Why there is no answer: the sentence that the collector sent with an error, else the error itself."""
    said = error.read(1000).decode("utf-8", "replace").strip() if hasattr(error, "read") else ""
    return "%s: %s" % (error, said) if said else str(error) or type(error).__name__


COLUMNS = (("AGENT", "agent"), ("SUB", "sub_agent"), ("HOST", "host_name"), ("SEEN", "last_seen_ms"),
           ("DATAGRAMS", "datagrams"), ("LOST", "lost"), ("REORDERED", "out_of_order"), ("DUPLICATE", "duplicates"),
           ("RESTARTS", "restarts"), ("FLOWS", "flow_samples"), ("COUNTERS", "counter_samples"), ("RATES", None),
           ("POLLING", None), ("NOTE", None))


def print_fleet(document: Dict[str, Any], stream: Any) -> None:
    """The fleet as a table, and a line about the collector."""
    rows = [[title for title, _key in COLUMNS]]
    for each in document["agents"]:
        sources = each["data_sources"]
        rates = sorted({str(item["sampling_rate"]) for item in sources if item["sampling_rate"] is not None})
        polling = sorted({"%.1fs" % item["polling_interval_s"] for item in sources
                          if item["polling_interval_s"] is not None})
        row = [each[key] if key else "" for _title, key in COLUMNS]
        row[2] = row[2] or "-"
        row[3] = "%.1fs" % (each["last_seen_ms"] / 1000.0)
        row[-3:] = [_few(rates), _few(polling), "shared address" if each["shared"] else ""]
        rows.append([str(cell) for cell in row])
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    for row in rows if len(rows) > 1 else ():
        stream.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n")
    own, udp = document["collector"], document["collector"]["udp"]
    stream.write("%d agents, %d datagrams, %d dropped by the kernel, %d refused, %d truncated, %d beyond the limit of "
                 "agents, errors: %s\n" % (
                     document["total"], udp["datagrams"], udp["kernel_drops"], udp["refused"], udp["truncated"],
                     own["overflow_datagrams"],
                     ", ".join("%s %d" % item for item in sorted(own["errors"].items())) or "none"))


def _few(values: Any) -> Any:
    return ",".join(values[:3]) + ("..." if len(values) > 3 else "") or "-"


def print_traffic(document: Any, stream: Any) -> None:
    """The traffic between groups at the end of a capture."""
    for pair in document["pairs"]:
        stream.write("%s -> %s: %s\n" % (pair["source"], pair["target"], ", ".join(
            "%s %.1f frames/s %.0f B/s" % (kind, pair["frames"][kind], pair["bytes"][kind])
            for kind in ("tcp_udp", "icmp", "other") if pair["frames"][kind])))
