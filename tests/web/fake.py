# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collector that says what a test wants it to say, with the page and the HTTP headers of the real one."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "roles/collector/files/sflow_collector"
sys.path.insert(0, str(PACKAGE.parent))
from sflow_collector.web import HEADERS  # noqa: E402 - found by the line above

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def agent(number, **changes):
    """A row of /fleet/json of an agent that does well."""
    chance = random.Random(number)
    site = "abc"[number % 3]
    datagrams = chance.randrange(2_000, 90_000)
    row = {
        "agent": f"10.{number % 3 + 1}.{number // 250 % 250}.{number % 250 + 1}",
        "sub_agent": 100000,
        "host_name": f"{chance.choice(['web', 'db', 'cache', 'queue', 'build'])}-{site}{number:04d}",
        "first_seen_ms": 86_400_000 + number,
        "last_seen_ms": chance.randrange(100, 900),
        "last_flow_ms": chance.randrange(900, 4000),
        "last_counter_ms": chance.randrange(900, 18_000),
        "uptime_ms": 86_500_000 + number,
        "shared": False,
        "restarts": 0,
        "datagrams": datagrams,
        "lost": 0,
        "out_of_order": 0,
        "duplicates": 0,
        "flow_samples": datagrams * 4,
        "counter_samples": datagrams // 5,
        "discard_samples": 0,
        "data_sources": [
            {
                "data_source": "2",
                "name": "eth0",
                "speed": 10_000_000_000,
                "sampling_rate": 400,
                "previous_sampling_rates": [],
                "sample_pool": datagrams * 1600,
                "drops": 0,
                "flow_samples": datagrams * 4,
                "counter_samples": datagrams // 5,
                "polling_interval_s": 20.0,
            }
        ],
    }
    row["sources"] = [row["agent"]]
    row.update(changes)
    return row


def pair(source, target, tcp_udp=0.0, icmp=0.0, other=0.0, ipv6=0.0, size=700):
    """A row of /traffic/json."""
    frames = {"tcp_udp": tcp_udp, "icmp": icmp, "other": other}
    return {
        "source": source,
        "target": target,
        "frames": frames,
        "bytes": {"tcp_udp": tcp_udp * size, "icmp": icmp * 98, "other": other * 300},
        "ipv6_frames": ipv6,
    }


class Fake:
    """Attributes may be changed while it runs."""

    def __init__(self, agents=(), pairs=(), groups=("INTERNET",), talkers=(), token=None):
        self.agents = list(agents)
        self.pairs = list(pairs)
        self.groups = list(groups)
        self.talkers = list(talkers)
        self.token = token
        self.down = False
        self.max_volume = 100_000
        self.drops = 0
        self.groups_problem = None
        self.overflow = 0
        self.asked = []
        self.started = time.time()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                fake.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def collector(self):
        now = time.time()
        return {
            "name": "netviz.sflow",
            "version": "1.0.0",
            "decoder": "batch",
            "decoder_reason": "",
            "now": now,
            "started": self.started,
            "uptime_ms": 86_400_000 + int((now - self.started) * 1000),
            "restored": False,
            "udp": {
                "address": "::",
                "port": 6343,
                "receive_buffer_bytes": 16_777_216,
                "datagrams": int((now - self.started) * 1240) + 5_000_000,
                "bytes": 1,
                "kernel_drops": self.drops,
                "truncated": 0,
                "refused": 0,
            },
            "errors": {},
            "unknown_records": {},
            "agents": len(self.agents),
            "max_agents": 65536,
            "overflow_datagrams": self.overflow,
            "groups_problem": self.groups_problem,
        }

    def body(self, path, query):
        if path == "/fleet/json":
            offset, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["1000"])[0])
            return {
                "collector": self.collector(),
                "total": len(self.agents),
                "offset": offset,
                "limit": limit,
                "agents": self.agents[offset : offset + limit],
            }
        if path == "/traffic/json":
            return {
                "updated": int(time.time() * 1000),
                "window_s": 10,
                "groups": self.groups,
                "pairs": self.pairs,
                "max_volume": self.max_volume,
            }
        if path == "/traffic/talkers/json":
            return {"talkers": self.talkers}
        return None

    def answer(self, handler):
        url = urllib.parse.urlsplit(handler.path)
        self.asked.append(handler.path)
        name = url.path.lstrip("/") or "index.html"
        if "/" not in name and (PACKAGE / "web" / name).is_file():
            return self.send(handler, 200, (PACKAGE / "web" / name).read_bytes(), TYPES[Path(name).suffix])
        if self.token and handler.headers.get("Authorization") != f"Bearer {self.token}":
            return self.send(handler, 401, b"a token is needed", "text/plain")
        if self.down:
            return self.send(handler, 503, b"down", "text/plain")
        body = self.body(url.path, urllib.parse.parse_qs(url.query))
        if body is None:
            return self.send(handler, 404, b"not found", "text/plain")
        return self.send(handler, 200, json.dumps(body).encode(), "application/json")

    @staticmethod
    def send(handler, status, body, kind):
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        for header in HEADERS:
            handler.send_header(*header)
        handler.end_headers()
        handler.wfile.write(body)


def showcase():
    """A fleet and traffic to look at: three sites, a few agents that do not do well."""
    agents = [agent(number) for number in range(240)]
    agents[17] = agent(17, last_seen_ms=1_260_000, last_counter_ms=1_260_000)
    agents[101] = agent(101, last_seen_ms=71_000)
    agents[33] = agent(33, sources=["10.1.0.34", "10.1.9.80"], shared=True)
    agents[58] = agent(58, lost=3112, datagrams=41_090)
    agents[140] = agent(140, lost=640, datagrams=30_120)
    agents[77] = agent(77, last_counter_ms=None, counter_samples=0)
    groups = ["INTERNET", "Berlin", "Osaka", "Denver", "Backup", "Branches", "Lab"]
    pairs = [
        pair("Berlin", "INTERNET", 21_400, 320, 40, 5_200),
        pair("INTERNET", "Berlin", 33_800, 410, 900, 9_800, 1100),
        pair("Osaka", "INTERNET", 11_900, 90, 0, 6_000),
        pair("INTERNET", "Osaka", 17_300, 120, 30, 8_800, 1050),
        pair("Denver", "INTERNET", 7_100, 1_900, 0, 0),
        pair("INTERNET", "Denver", 9_800, 2_100, 10, 0),
        pair("Branches", "INTERNET", 2_300, 25, 310, 0),
        pair("INTERNET", "Branches", 4_100, 25, 290, 0),
        pair("Berlin", "Osaka", 6_300, 40, 700, 900, 1200),
        pair("Osaka", "Berlin", 5_100, 40, 650, 700, 400),
        pair("Denver", "Backup", 8_200, 0, 0, 8_200, 1400),
        pair("Backup", "Denver", 1_900, 0, 0, 1_900, 90),
        pair("Berlin", "Backup", 4_400, 0, 0, 0, 1400),
        pair("Branches", "Berlin", 640, 15, 0, 0),
        pair("Lab", "Osaka", 85, 60, 0, 0),
        pair("INTERNET", "Backup", 40, 5, 1_700, 0),
    ]
    talkers = [
        {
            "source": f"10.1.4.{n}",
            "target": f"203.0.113.{n * 7 % 200 + 9}",
            "protocol": "tcp" if n % 4 else "udp",
            "frames": 5200 / n,
            "bytes": 5200 / n * 730,
        }
        for n in range(1, 11)
    ]
    return Fake(agents, pairs, groups, talkers)
