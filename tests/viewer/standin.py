# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for sFlow-RT with the Vizceral application, for tests where the real image cannot be had.

It is not sFlow-RT and says so. Behind it runs the collector of this collection; in front of it this file keeps to the
contract that a deployer of the real image meets, its traps included: the groups are read once, a groups file that
cannot be used or a PUT that cannot be stored stops the application for good, and the version is served all the same.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

VERSION = "3.0-standin"
SCRIPT = "vizceral~traffic.js"
STORE = Path("/sflow-rt/store") / SCRIPT
DEFAULT_GROUPS = {"INTERNET": ["0.0.0.0/0"], "Private": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]}
HANG_SECONDS = 300
# What the collector has and sFlow-RT has not; who relies on it must not find it here.
EXTENSIONS = ("/fleet/json", "/traffic/json", "/traffic/talkers/json", "/metrics", "/healthz")
PAGE = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Stand-in viewer</title>
<p>This is the stand-in viewer of netviz.sflow, not sFlow-RT. The real image draws its picture here, from
<a href="/app/vizceral/scripts/traffic.js/data/json">this data</a>.</p></html>
"""


def log(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", flush=True)


def stop(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
    sys.exit(1)


def properties(arguments: list[str]) -> dict[str, str]:
    """Read the arguments as the Java launcher would; the last -D of a name counts."""
    found = {}
    for argument in arguments:
        if argument.startswith("-D"):
            name, unused, value = argument[2:].partition("=")
            found[name] = value
        elif not argument.startswith("-"):
            stop(f"Error: Could not find or load main class {argument}")
    return found


def parse_int(text: str) -> int | None:
    """JavaScript's parseInt; None is written as null, as JSON writes NaN."""
    match = re.match(r"\s*([+-]?\d+)", text)
    return int(match.group(1)) if match else None


def bad_networks(groups: dict[str, list[str]]) -> list[str]:
    bad = []
    for members in groups.values():
        for member in members if isinstance(members, list) else [members]:
            try:
                ipaddress.ip_network(member, strict=False)
            except ValueError:
                bad.append(str(member))
    return bad


class Collector:
    """The child process that receives and counts; the place of the engine."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.udp_port = settings.get("sflow.port", "6343")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.http_port = probe.getsockname()[1]
        self.directory = tempfile.mkdtemp(prefix="standin-")
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.Lock()

    def start(self, groups: dict[str, list[str]] | None) -> None:
        with self.lock:
            if self.process:
                self.process.terminate()
                self.process.wait(10)
            command = [sys.executable, "-m", "sflow_collector", "serve", "--udp-port", self.udp_port]
            command += ["--http-address", "127.0.0.1", "--http-port", str(self.http_port)]
            if groups is not None:
                path = Path(self.directory) / "groups.json"
                path.write_text(json.dumps(groups))
                command += ["--groups", str(path)]
            environment = dict(os.environ, PYTHONPATH="/sflow-rt/lib")
            self.process = subprocess.Popen(command, env=environment, cwd=self.directory)

    def get(self, path: str) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type") or "text/plain", response.read()
        except OSError:
            return 503, "text/plain", b"the collector behind the stand-in does not answer\n"
        finally:
            connection.close()

    def watch(self) -> None:
        """Without its engine the stand-in has no right to live: leave, so that the restart policy shows itself."""
        while True:
            time.sleep(1)
            with self.lock:
                code = self.process.poll() if self.process else None
            if code is not None:
                log(f"ERROR: the collector ended with status {code}")
                os._exit(1)


class Application:
    """The Vizceral application: its groups, its data, and the ways it dies."""

    def __init__(self, settings: dict[str, str], collector: Collector) -> None:
        self.max_volume = parse_int(settings.get("viz.maxVolume", "10000"))
        self.collector = collector
        self.groups: dict[str, list[str]] = DEFAULT_GROUPS
        self.error: str | None = None
        self.requests = 0

    @property
    def alive(self) -> bool:
        return self.error is None

    def die(self, reason: str) -> None:
        self.error = reason
        log(f"WARNING: app/vizceral/scripts/traffic.js: {reason}")
        log("INFO: app/vizceral/scripts/traffic.js stopped")

    def start(self) -> None:
        path = STORE / "groups"
        try:
            groups = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(groups, dict):
                raise ValueError("not an object")
            self.groups = groups
        except FileNotFoundError:
            pass
        except OSError as error:
            self.die(f"read failed {path} ({error.strerror})")
        except ValueError as error:
            self.die(f"read failed {path} ({error})")
        if self.alive:
            bad = bad_networks(self.groups)
            for member in bad:
                log(f"WARNING: group contains bad address {member}")
            self.collector.start(None if bad else self.groups)
            log("INFO: app/vizceral/scripts/traffic.js started")
        else:
            self.collector.start(None)

    def put(self, body: bytes) -> int | None:
        """Set and store groups: an HTTP status, or None for the request that is never answered."""
        try:
            groups = json.loads(body)
        except ValueError:
            return 400
        if not isinstance(groups, dict) or bad_networks(groups):
            return 400
        self.groups = groups
        self.collector.start(groups)
        building = STORE / "groups.bld"
        try:
            STORE.mkdir(parents=True, exist_ok=True)
            building.write_text(json.dumps(groups, indent=1), encoding="utf-8")
        except OSError as error:
            self.die(f"IO error {building} ({error.strerror})")
            return None
        # A mounted file cannot be replaced, and the real one says nothing about it either.
        with contextlib.suppress(OSError):
            building.rename(STORE / "groups")
        return 204

    def data(self) -> dict[str, object]:
        status, unused, body = self.collector.get("/app/vizceral/scripts/traffic.js/data/json")
        try:
            live = json.loads(body)["data"] if status == 200 else {}
        except (ValueError, KeyError, TypeError):
            live = {}
        regions = {node.get("name"): node for node in live.get("nodes", [])}
        metrics = {(c.get("source"), c.get("target")): c.get("metrics") for c in live.get("connections", [])}
        nodes: list[dict[str, object]] = [{"renderer": "region", "name": "INTERNET", "class": "normal"}]
        connections = []
        for name in self.groups:
            if name == "INTERNET":
                continue
            region: dict[str, object] = {
                "renderer": "region",
                "name": name,
                "class": "normal",
                "nodes": [],
                "connections": [],
            }
            region.update({key: regions.get(name, {}).get(key, []) for key in ("nodes", "connections")})
            nodes.append(region)
            for source, target in (("INTERNET", name), (name, "INTERNET")):
                seen = metrics.get((source, target)) or {"normal": 0, "warning": 0, "danger": 0}
                connections.append(
                    {"source": source, "target": target, "metrics": seen, "metadata": {"streaming": True}}
                )
        picture = {
            "name": "vizceral",
            "renderer": "global",
            "maxVolume": self.max_volume,
            "updated": int(time.time() * 1000),
            "entryNode": "INTERNET",
            "nodes": nodes,
            "connections": connections,
        }
        return {"definitions": {}, "data": picture, "poll": 5}

    def row(self) -> dict[str, object]:
        row: dict[str, object] = {"alive": self.alive, "cpuMs": int(time.process_time() * 1000)}
        row.update({"requestsReceived": self.requests, "requestsLost": 0, "flowsReceived": 0, "flowsLost": 0})
        row.update({"eventsReceived": 0, "eventsLost": 0})
        if not self.alive:
            row.update({"gracefulExit": False, "error": self.error})
        return row


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "netviz-standin"
    application: Application
    settings: dict[str, str]

    def log_message(self, format: str, *arguments: object) -> None:
        if self.settings.get("http.log") == "yes":
            log("INFO: HTTP " + format % arguments)

    def answer(self, status: int, body: bytes = b"", kind: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)

    def answer_json(self, value: object) -> None:
        self.answer(200, json.dumps(value).encode(), "application/json")

    def hidden(self, path: str) -> bool:
        page = path == "/" or path.startswith(("/html/", "/api/"))
        if path.startswith("/app/"):
            return False
        return self.settings.get("http.html" if page else "http.rest") == "no"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        application = self.application
        if self.hidden(path):
            self.answer(404, b"not found\n")
        elif path == "/version":
            self.answer(200, VERSION.encode())
        elif path == "/license/json":
            self.answer_json({"license": {"type": "none needed: stand-in of netviz.sflow, not sFlow-RT"}})
        elif path == "/apps/json":
            self.answer_json({"vizceral": {"scripts": [SCRIPT], "entry": "/html/"}})
        elif path == "/scripts/json":
            # Beside it the script of another application, one that ran once.
            self.answer_json({SCRIPT: application.row(), "other~once.js": {"alive": False, "gracefulExit": True}})
        elif path == "/app/vizceral/status":
            self.answer(200, b"OK") if application.alive else self.answer(503, b"UNAVIALABLE")
        elif path.startswith("/app/vizceral/scripts/traffic.js/"):
            application.requests += 1
            if not application.alive:
                self.answer(503, b"UNAVIALABLE")
            elif path.endswith("/data/json"):
                self.answer_json(application.data())
            elif path.endswith("/groups/json"):
                self.answer_json(application.groups)
            else:
                self.answer(404, b"not found\n")
        elif path.startswith("/app/vizceral/html/") or path == "/html/index.html":
            self.answer(200, PAGE, "text/html")
        elif path == "/":
            self.answer(302, Location="./html/index.html")
        elif path.startswith("/app/") or path in EXTENSIONS:
            self.answer(404, b"not found\n")
        else:
            status, kind, body = application.collector.get(self.path)
            self.answer(status, body, kind)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path == "/app/vizceral/scripts/traffic.js/groups/json":
            # http.readonly does not cover the applications.
            status = self.application.put(body) if self.application.alive else 503
            if status is None:
                time.sleep(HANG_SECONDS)
                self.close_connection = True
            else:
                self.answer(status)
        elif self.settings.get("http.readonly") == "yes":
            self.answer(403)
        else:
            self.answer(404, b"the stand-in has nothing to change here\n")

    do_POST = do_PUT


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        if not host or ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host or "::", port), Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def leave(number: int, frame: object) -> None:
    log("INFO: stopping")
    os._exit(128 + number)  # what a Java program answers to SIGTERM: 143


def main() -> None:
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    memory = os.environ.get("RTMEM", "1G")
    if not re.fullmatch(r"[0-9]+[kKmMgG]?", memory):
        stop(f"Invalid initial heap size: -Xms{memory}\nError: Could not create the Java Virtual Machine.")
    settings = properties(sys.argv[1:])
    log(f"INFO: Starting the stand-in viewer of netviz.sflow {VERSION}; this is not sFlow-RT")
    collector = Collector(settings)
    application = Application(settings, collector)
    Handler.application = application
    Handler.settings = settings
    application.start()
    threading.Thread(target=collector.watch, daemon=True).start()
    port = int(settings.get("http.port", "8008"))
    try:
        server = Server(settings.get("http.hostname", ""), port)
    except OSError:
        server = Server("0.0.0.0", port)
    log(f"INFO: Listening, sFlow port {collector.udp_port}")
    log(f"INFO: Listening, HTTP port {port}")
    server.serve_forever()


if __name__ == "__main__":
    main()
