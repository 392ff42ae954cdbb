# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked as of sFlow-RT: values brought together over agents, chosen by patterns, addresses in its spelling."""

import json
import statistics

import pytest
import sflow_generator as gen
from sflow_collector import core, views

CPUS = {"192.0.2.1": ("web-1", 1), "192.0.2.2": ("web-2", 10), "2001:db8::9": ("db-1", 4), "192.0.2.4": ("db-2", 2)}


@pytest.fixture(scope="module")
def collector():
    """Four hosts that have told their numbers of processors, 1 s apart; the last one just now."""
    def clock():
        return clock.now
    clock.now = 1700000000000
    out = core.Collector(clock=clock)
    for agent, (name, cpus) in CPUS.items():
        clock.now += 1000
        records = [gen.host_id(name), gen.tagged(2003, gen.words(0, 0, 0, 1, 2, cpus))]
        data = gen.datagram(agent, 1, [gen.counter_sample(records)])
        out.receive(data, len(data), views.parse_address(agent), clock.now)
    return out


def rows(collector, *asked, **filters):
    return json.loads(b"".join(views.metric_rows(collector, ["ALL"], list(asked), filters)).decode("ascii"))


@pytest.mark.parametrize("how, value", [
    ("sum", 17), ("avg", statistics.mean([1, 2, 4, 10])), ("var", statistics.pvariance([1, 2, 4, 10])),
    ("sdev", statistics.pstdev([1, 2, 4, 10])), ("med", statistics.median([1, 2, 4, 10])), ("q1", 1.75), ("q2", 3), ("q3", 5.5), ("iqr", 3.75),
])
def test_values_are_brought_together(collector, how, value):
    row, = rows(collector, how + ":cpu_num")
    assert row.pop("metricValue") == pytest.approx(value)
    assert row == {"metricName": how + ":cpu_num", "metricN": 4, "lastUpdate": 0, "lastUpdateMin": 0, "lastUpdateMax": 3000}


@pytest.mark.parametrize("asked, agent, value, age", [
    ("min:cpu_num", "192.0.2.1", 1, 3000), ("max:cpu_num", "192.0.2.2", 10, 2000), ("cpu_num", "192.0.2.2", 10, 2000),
    ("any:cpu_num", "192.0.2.1", 1, 3000), ("any:host_name", "192.0.2.1", "web-1", 3000),
])
def test_one_value_says_whose_it_is(collector, asked, agent, value, age):
    row, = rows(collector, asked)
    assert (row["metricN"], row["agent"], row["dataSource"], row["metricValue"], row["lastUpdate"]) == (4, agent, "2.1", value, age)


def test_what_has_no_value_is_told_as_that(collector):
    asked = ["sum:nothing", "max:host_name", "cpu_num", "avg:host_name"]
    assert [(row["metricName"], row["metricN"], "metricValue" in row) for row in rows(collector, *asked)] == [
        ("sum:nothing", 0, False), ("max:host_name", 0, False), ("cpu_num", 4, True), ("avg:host_name", 0, False)]
    assert rows(collector, "sum:cpu_num", host_name=["web-*"])[0]["metricValue"] == 11
    assert rows(collector, "sum:cpu_num", host_name=["web-*"], cpu_num=["1", "4"])[0]["metricValue"] == 1


def test_the_age_of_a_metric_is_that_of_its_newest_value(collector):
    found = json.loads(b"".join(views.metrics(collector)).decode("ascii"))
    assert found["cpu_num"] == found["host_name"] == 0


@pytest.mark.parametrize("value, pattern, fitting", [
    ("web-1", "web-1", True), ("web-1", "web", False), ("web-1", "*", True), ("web-1", ".*", True), ("web-1", "web*", True),
    ("web-1", "*-1", True), ("web-1", "*b*", True), ("web-1", "*x*", False), ("web-1", "w*b*1", True), ("web-1", "w*1*b", False),
    ("aa", "a*a", True), ("a", "a*a", False), ("aba", "*b*b*", False), ("web-1", "eb*", False), ("web-1", "*web", False), ("", "*", True),
    (4, "4", True), (4, "4.0", True), (4, "5", False), (4, "*", False), (0.5, "0.5", True),
])
def test_patterns(value, pattern, fitting):
    assert views.fits(value, pattern) == fitting


@pytest.mark.parametrize("text, java, short", [
    ("192.0.2.1", "192.0.2.1", "192.0.2.1"), ("2001:db8::9", "2001:db8:0:0:0:0:0:9", "2001:db8::9"),
    ("fe80::1:0203", "fe80:0:0:0:0:0:1:203", "fe80::1:203"), ("2001:DB8:0::9", "2001:db8:0:0:0:0:0:9", "2001:db8::9"),
])
def test_spellings_of_addresses(text, java, short):
    address = views.parse_address(text)
    assert (views.java_text(address), views.address_text(address)) == (java, short)


@pytest.mark.parametrize("text", ["", "web-1", "192.0.2", "192.0.2.1.1", "2001:db8::g", "1::2::3", "192.0.2.1\0"])
def test_what_is_no_address(text):
    assert views.parse_address(text) is None


def fleet(collector, offset, limit):
    answer = json.loads(b"".join(views.fleet(collector, (), "", offset, limit)).decode("ascii"))
    assert (answer["total"], answer["offset"], answer["limit"]) == (4, offset, limit)
    return [row["agent"] for row in answer["agents"]]


def test_an_answer_in_pieces_is_one(collector, monkeypatch):
    whole = json.loads(b"".join(views.dump(collector, ["ALL"], ["ALL"])).decode("ascii"))
    assert {(row["agent"], row["metricValue"], row["lastUpdate"]) for row in whole if row["metricName"] == "cpu_num"} == {
        ("192.0.2.1", 1, 3000), ("192.0.2.2", 10, 2000), ("2001:db8:0:0:0:0:0:9", 4, 1000), ("192.0.2.4", 2, 0)}
    everybody = fleet(collector, 0, 9)
    assert sorted(everybody) == sorted(CPUS)
    for size in (1, 2, 3, len(whole)):
        monkeypatch.setattr(views, "PIECE", size)
        assert json.loads(b"".join(views.dump(collector, ["ALL"], ["ALL"])).decode("ascii")) == whole
        assert fleet(collector, 1, 2) == everybody[1:3] and fleet(collector, 4, 2) == []
