# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/metrics: its format, its bound, what may fall and what not; the alert rules and the page that name its series."""

import json
import os
import re

import pytest
import sflow_generator as gen
from sflow_collector import core, prometheus, views

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "docs")
SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (-?[0-9.e+]+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


@pytest.fixture
def collector():
    def clock():
        return clock.now
    clock.now = 1700000000000
    out = core.Collector(clock=clock)

    def send(address, number, samples=(), source="192.0.2.1"):
        data = gen.datagram(address, number, list(samples))
        clock.now += 1000
        out.take(data, len(data), views.parse_address(source), clock.now)
    out.send = send
    return out


def scrape(collector):
    """({(name, labels): value}, {name: type}) of what Prometheus reads."""
    values, types = {}, {}
    for line in b"".join(prometheus.render(collector)).decode("utf-8").splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in types
            types[name] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.match(line).groups()
            labels = LABEL.findall(labels or "")
            assert (name, tuple(labels)) not in values and name in types
            values[name, tuple(labels)] = float(value)
    return values, types


def of(values, name, agent=None):
    found, = [value for (each, labels), value in values.items()
              if each == name and (agent is None or ("agent", agent) in labels)]
    return found


def test_names_follow_the_conventions(collector):
    collector.send("198.51.100.1", 1, [gen.flow_sample([])])
    values, types = scrape(collector)
    for name, kind in types.items():
        assert (kind == "counter") == name.endswith("_total"), name
        assert re.match(r"(sflow_collector|sflow_agent|process)_", name)
        assert not re.search(r"_(seen|time|since)_seconds$", name) or name == "process_start_time_seconds"
    assert of(values, "sflow_agent_last_seen_timestamp_seconds") == pytest.approx(1700000001)
    assert of(values, "sflow_agent_sampling_rate") == 400


def test_the_cpu_is_that_of_the_process_and_its_workers(collector):
    collector.others_usage = 1000.0, 0
    before = core.usage()[0]
    cpu = of(scrape(collector)[0], "process_cpu_seconds_total")
    assert before + 999.99 <= cpu <= core.usage()[0] + 1000.01  # two decimals


def test_counters_never_fall(collector):
    """A datagram that comes late is no longer lost, an agent that restarts begins anew: no counter follows them down."""
    before, _types = scrape(collector)
    lost = []
    for number in (10, 11, 15, 12, 13, 14, 1, 2, 16, 3):
        collector.send("198.51.100.1", number, [gen.flow_sample([])])
        after, types = scrape(collector)
        lost.append(of(after, "sflow_agent_lost_datagrams"))
        for (name, labels), value in before.items():
            if types[name] == "counter":
                assert after[name, labels] >= value, name
        before = after
    assert max(lost) > lost[5] == 0


def test_more_agents_than_the_bound(collector, monkeypatch):
    """The series stay with the agents first seen, whatever the addresses of later ones."""
    monkeypatch.setattr(prometheus, "MAX_AGENTS", 3)
    addresses = ["198.51.100.9", "203.0.113.7", "192.0.2.5", "192.0.2.1", "198.51.100.1"]
    for count, address in enumerate(addresses, 1):
        collector.send(address, 1)
        values, _types = scrape(collector)
        shown = {dict(labels)["agent"] for name, labels in values if name == "sflow_agent_datagrams_total"}
        assert shown == set(addresses[:min(count, 3)])
        assert of(values, "sflow_collector_agents_without_series") == max(0, count - 3)
        assert of(values, "sflow_collector_agents") == count


def test_an_answer_on_its_way_keeps_to_one_account(collector, monkeypatch):
    """With workers another request puts a new account in its place, in which the rows are those of other agents."""
    monkeypatch.setattr(views, "PIECE", 2)

    def fill(addresses):
        for address in addresses:
            for number in range(1, int(address.rpartition(".")[2]) + 1):
                collector.send(address, number)

    fill("192.0.2.%d" % number for number in range(1, 7))
    answers = [prometheus.render(collector), views.fleet(collector, (), "", 0, 100), views.agents(collector, ())]
    begun = [next(answer) for answer in answers]
    collector.forget()
    fill("192.0.2.%d" % number for number in range(9, 1, -1))
    metrics, fleet, agents = (first + b"".join(rest) for first, rest in zip(begun, answers))
    counted = re.findall(r'^sflow_agent_datagrams_total\{agent="192\.0\.2\.(\d)".*\} (\d)$', metrics.decode("utf-8"), re.M)
    assert counted == [(str(number), str(number)) for number in range(1, 7)]
    assert [row["datagrams"] for row in json.loads(fleet.decode("utf-8"))["agents"]] == list(range(1, 7))
    assert sorted(row["sFlowDatagramsReceived"] for row in json.loads(agents.decode("utf-8")).values()) == list(range(1, 7))


def test_host_names_cannot_break_the_text(collector):
    collector.send("198.51.100.1", 1, [gen.counter_sample([gen.host_id('a"b\\c\nd')])])
    values, _types = scrape(collector)
    assert {dict(labels)["host"] for _name, labels in values if labels and dict(labels).get("agent")} == {
        'a\\"b\\\\c?d'}


def rules():
    """{name of an alert: its text} of the rules file; read without a YAML parser, which Python 3.6 here has not."""
    with open(os.path.join(DOCS, "prometheus-alerts.yml")) as stream:
        parts = re.split(r"^ *- alert: (\w+)$", stream.read(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def test_alert_rules_use_what_is_served(collector):
    collector.send("198.51.100.1", 1, [gen.flow_sample([])])
    values, types = scrape(collector)
    labels = {name: {key for key, _value in found} for name, found in values}
    assert len(rules()) == 6
    for alert, text in rules().items():
        used = set(re.findall(r"\b(?:sflow|process)_\w+", text))
        assert used and used <= set(labels), alert
        for name in re.findall(r"\$labels\.(\w+)", text):
            assert all(name in labels[each] for each in used), alert
        for function, name in re.findall(r"\b(rate|increase|delta|deriv)\((\w+)", text):
            assert (types[name] == "counter") == (function in ("rate", "increase")), alert


def test_an_agent_that_polls_every_300_seconds_is_not_silent():
    limit, = re.findall(r"sflow_agent_last_seen_timestamp_seconds > (\d+)", rules()["SflowAgentSilent"])
    assert int(limit) > 2 * 300


def test_the_page_lists_what_is_served(collector):
    with open(os.path.join(DOCS, "monitoring.md"), encoding="utf-8") as stream:
        text = stream.read()
    _values, types = scrape(collector)
    listed = dict(re.findall(r"^\| `(\w+)(?:\{[^}]*\})?` \| (\w+) \|", text, re.M))
    assert listed == types
    assert set(re.findall(r"^\| `(Sflow\w+)`", text, re.M)) == set(rules())


def test_the_load_is_left_open_where_it_cannot_be_known(collector, monkeypatch):
    def refuse():
        raise OSError("no /proc/loadavg")

    assert isinstance(views.analyzer(collector)["loadAverage"], float)
    monkeypatch.setattr(os, "getloadavg", refuse)
    assert views.analyzer(collector)["loadAverage"] is None


def test_absolute_times_follow_the_system_clock(monkeypatch):
    """When it is set after the start, the alert on silent agents must not fire for the whole fleet."""
    offset, real = [-3600.0], core.time.time
    monkeypatch.setattr(core.time, "time", lambda: real() + offset[0])
    out = core.Collector()

    def told():
        text = b"".join(prometheus.render(out)).decode()
        found = {name: float(re.search("^%s[^ ]* (.*)$" % name, text, re.MULTILINE).group(1)) - real() for name in (
            "sflow_agent_last_seen_timestamp_seconds", "process_start_time_seconds")}
        found["now"] = views.collector(out, out.clock())["now"] - real()
        found["pairs"] = views.pairs(out)["updated"] / 1000 - real()
        found["vizceral"] = views.vizceral(out)["data"]["updated"] / 1000 - real()
        return found
    data = gen.datagram("192.0.2.1", 1, [])
    out.take(data, len(data), views.parse_address("192.0.2.1"), out.clock())
    for offset[0] in (-3600.0, 0.0, 7200.0, 0.4):
        assert told() == pytest.approx(dict.fromkeys(told(), offset[0]), abs=1.5)
    started = [views.collector(out, out.clock())["started"] for _unused in range(50)]
    assert len(set(started)) == 1 and out.clock.behind() != 0
