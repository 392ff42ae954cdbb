# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which path answers what, without a server around it: statuses, queries, what is asked for before an answer, files."""

import json

import pytest
import sflow_generator as gen
from sflow_collector import VERSION, api, core, views, web

AGENTS = 30
SCRIPT = "/app/vizceral/scripts/traffic.js/"


class Bench:
    def __init__(self):
        self.now, self.refreshed, self.problem = 1700000000000, [], None
        self.core = core.Collector(clock=lambda: self.now)
        fleet = gen.Fleet(AGENTS)
        for _unused in range(3):
            for number in range(AGENTS):
                data = fleet.send(number)
                self.core.receive(data, len(data), views.parse_address("192.0.2.1"), self.now)
            self.now += 1000
        self.api = api.Api(self.core, healthy=lambda: self.problem, refresh=self.refreshed.append)

    def ask(self, path, headers=None, **query):
        """(status, body, headers)"""
        answer = self.api(web.Request("GET", path, {name: value if isinstance(value, list) else [value] for name, value in query.items()},
                                      headers or {}))
        body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
        return answer.status, body, dict(answer.headers)

    def json(self, path, **query):
        status, body, headers = self.ask(path, **query)
        assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "application/json", "no-store")
        return json.loads(body.decode("utf-8"))


@pytest.fixture(scope="module")
def made():
    return Bench()


@pytest.fixture
def bench(made):
    del made.refreshed[:]
    made.problem = None
    return made


def test_paths_that_need_nothing_of_the_account(bench):
    assert bench.ask("/version") == (200, VERSION.encode("ascii"), {"Content-Type": "text/plain; charset=utf-8"})
    assert bench.ask("/app/vizceral/status")[:2] == (200, b"OK")
    assert bench.json("/apps/json") == {"vizceral": {"scripts": ["vizceral~traffic.js"], "entry": "/"}}
    assert bench.json(SCRIPT + "groups/json") == bench.core.traffic.groups.mapping
    assert not bench.refreshed


def test_health(bench):
    assert bench.ask("/healthz")[:2] == (200, b"OK\n")
    bench.problem = "not running"
    assert bench.ask("/healthz")[:2] == (503, b"not running\n") and not bench.refreshed


@pytest.mark.parametrize("path, with_samples, keys", [
    ("/agents/json", False, {"10.200.0.1", "2001:db8:ffff:0:0:0:0:a"}), ("/analyzer/json", False, {"sFlowAgents", "sFlowDatagramsReceived"}),
    ("/scripts/json", False, {"vizceral~traffic.js"}), ("/fleet/json", False, {"total", "agents", "collector"}),
    ("/traffic/json", False, {"pairs"}), (SCRIPT + "data/json", False, {"data", "definitions", "poll"}),
    ("/metrics/json", True, {"ifinoctets", "load_one"}), ("/metric/10.200.0.1/json", True, set()),
])
def test_paths(bench, path, with_samples, keys):
    assert keys <= set(bench.json(path)) and bench.refreshed == [with_samples]


def test_metrics(bench):
    status, body, headers = bench.ask("/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8") and bench.refreshed == [False]
    assert b"\nsflow_collector_datagrams_total %d\n" % (3 * AGENTS) in body


def test_one_metric_or_many(bench):
    names = ["load_one"] * 70
    assert len(bench.json("/metric/ALL/%s/json" % ",".join(names))) == 64  # no more at a time
    assert [row["metricName"] for row in bench.json("/metric/ALL/sum:ifinoctets;load_one,/json")] == ["sum:ifinoctets", "load_one"]
    everything = bench.json("/dump/ALL/ALL/json")
    assert {row["metricName"] for row in everything} >= {"load_one", "ifinoctets"}
    named = {row["agent"]: row["metricValue"] for row in everything if row["metricName"] == "host_name"}
    (one, name), (two, _name), *others = named.items()
    assert others and {row["agent"] for row in bench.json("/dump/%s;%s/load_one/json" % (one, two))} == {one, two}
    assert any(key.endswith(".host_name") for key in bench.json("/metric/%s/json" % one))
    assert len(bench.json("/dump/ALL/host_name/json", host_name=name)) == 1
    assert bench.json("/metric/ALL/sum:load_one/json", host_name=name)[0]["metricN"] == 1
    assert set(bench.refreshed) == {True}


@pytest.mark.parametrize("path", [
    "/metric", "/metric/json", "/metric/ALL", "/metric/ALL/load_one", "/metric/ALL/load_one/xml", "/metric/ALL/a/b/json", "/dump/json",
    "/dump/ALL/json", "/dump/ALL/ALL/ALL/json", "/dump/ALL/ALL", "/other/ALL/ALL/json", "/nothing", "/../api.py", "/web/index.html",
    "/./index.html", "/main.js/", "/index.html\0", "/agents", "/agents/json/", SCRIPT])
def test_no_such_path(bench, path):
    assert bench.ask(path)[:2] == (404, b"not found\n")


def test_the_fleet_in_pages(bench):
    whole = bench.json("/fleet/json")
    assert whole["total"] == len(whole["agents"]) == AGENTS
    order = [row["agent"] for row in whole["agents"]]

    def page(**query):
        found = bench.json("/fleet/json", **query)
        assert found["total"] == AGENTS
        return [row["agent"] for row in found["agents"]]
    assert page(offset="5", limit="3") == order[5:8] and page(limit="0") == [] and page(offset="29") == order[29:]
    assert page(offset="-3", limit="2") == order[:2] and page(limit="-1") == [] and page(offset=str(1 << 70)) == []
    assert page(limit=str(1 << 70)) == order
    assert bench.json("/fleet/json", agent=["10.200.0.1", "2001:db8:ffff::a"])["total"] == 2
    assert bench.json("/fleet/json", q="10.200.0.2")["total"] == sum("10.200.0.2" in each for each in order)
    for query in {"offset": "x"}, {"limit": "1.5"}, {"limit": ""}:
        status, body, _headers = bench.ask("/fleet/json", **query)
        assert (status, json.loads(body.decode("ascii"))) == (400, {"error": "offset and limit must be whole numbers"})


def test_no_limit_is_a_thousand(bench, monkeypatch):
    asked = []
    monkeypatch.setattr(api.views, "fleet", lambda *arguments: asked.append(arguments[1:]) or iter([b"{}"]))
    bench.ask("/fleet/json")
    bench.ask("/fleet/json", limit="100001", q="x", agent="10.0.0.1")
    assert asked == [((), "", 0, 1000), (["10.0.0.1"], "x", 0, 100000)]


def test_talkers(bench):
    assert isinstance(bench.json("/traffic/talkers/json", source="INTERNET", target="Private"), dict)
    for query in {}, {"source": "INTERNET"}, {"source": "INTERNET", "target": "nobody"}:
        status, body, _headers = bench.ask("/traffic/talkers/json", **query)
        assert (status, json.loads(body.decode("ascii"))) == (404, {"error": "no such group"})


def test_requests_are_counted(bench):
    before = bench.json("/scripts/json")["vizceral~traffic.js"]
    bench.ask("/nothing")
    after = bench.json("/scripts/json")["vizceral~traffic.js"]
    assert after["requestsReceived"] == before["requestsReceived"] + 2 and after["alive"] is True
    assert 0 < after["cpuMs"] < 1000 * 3600


def test_files(bench):
    status, page, headers = bench.ask("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8") and page.startswith(b"<!doctype html>")
    assert bench.ask("/index.html") == (status, page, headers) and headers["Cache-Control"] == "no-cache"
    for name, kind in ("main.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml"):
        status, body, found = bench.ask("/" + name)
        assert status == 200 and body and found["Content-Type"].startswith(kind) and found["ETag"] != headers["ETag"]
    status, body, found = bench.ask("/", {"if-none-match": headers["ETag"]})
    assert (status, body, found["ETag"]) == (304, b"", headers["ETag"])
    assert bench.ask("/", {"if-none-match": '"other"'})[:2] == (200, page)
    assert not bench.refreshed


def test_what_needs_no_token(bench):
    assert all(bench.api.public(path) for path in ("/", "/index.html", "/main.js", "/healthz"))
    assert not any(bench.api.public(path) for path in (
        "/version", "/fleet/json", "/metrics", "/agents/json", "/nothing", "/healthz/", "/dump/ALL/ALL/json"))


def test_only_known_kinds_of_files(bench, tmp_path):
    (tmp_path / "more").mkdir()
    for name in "a.html", "a.py", "more/b.css", "index.html~":
        (tmp_path / name).write_text(name)
    bench = api.Api(bench.core, web_dir=str(tmp_path))
    for path, status in ("/a.html", 200), ("/more/b.css", 200), ("/a.py", 404), ("/more", 404), ("/index.html~", 404), ("/", 404):
        assert bench(web.Request("GET", path, {}, {})).status == status
    assert bench(web.Request("GET", "/healthz", {}, {})).status == 200


def test_by_default_it_brings_in_what_is_held_back(bench, monkeypatch):
    flushed = []
    monkeypatch.setattr(bench.core, "flush", lambda: flushed.append(1))
    api.Api(bench.core)(web.Request("GET", "/fleet/json", {}, {}))
    assert flushed == [1]
