import threading

import pytest
from ansible_collections.netviz.sflow.plugins.module_utils import _agents_api as api
from ansible_collections.netviz.sflow.plugins.module_utils import _verdicts as v


def row(agent="192.0.2.1", **values):
    base = {
        "server": "http://c", "age": 3.0, "counter_age": 3.0, "flow_age": 4.0, "uptime": 500.0, "restarts": 0, "datagrams": 100, "lost": 0,
        "flow_samples": 5, "counter_samples": 50, "sources": [agent], "host_name": "web1", "shared": False,
        "data_sources": [{"name": "eth0", "sampling_rate": 400, "polling": 20.0, "flow_age": 4.0}],
    }
    base.update(values)
    return api.Row(agent=agent, **base)


def host(name="web1", **values):
    base = {"name": name, "address": "192.0.2.1", "polling": 20, "sampling": [400], "daemon": "running", "running_seconds": 1000.0}
    base.update(values)
    return v.Expected(base)


def judge(expected, rows, elapsed=0.0, others=(), **settings):
    expected = expected if isinstance(expected, list) else [expected]
    return v.judge_all(expected, v.Observation(rows), v.Settings(**settings), elapsed, others)


def one(expected, rows, elapsed=0.0, **settings):
    return judge(expected, rows, elapsed, **settings)[0]


CASES = [
    # word, words of the sentence, host, row
    ("reporting", "", {}, {}),
    ("reporting", "", {"daemon": "unknown", "running_seconds": None}, {}),
    ("silent", "has arrived", {}, None),
    ("silent", "not running on it (inactive/dead). Its last datagram came 3 s ago",
     {"daemon": "stopped", "daemon_detail": "inactive/dead", "running_seconds": None}, {}),
    ("silent", "hsflowd is not running on it.", {"daemon": "stopped"}, None),
    ("silent", "masked on it, so nothing can start it. Its last datagram came 3 s ago", {"daemon": "masked", "running_seconds": None}, {}),
    ("silent", "failed on it (result exit-code)", {"daemon": "failed", "daemon_detail": "result exit-code"}, {}),
    ("silent", "not installed", {"daemon": "absent"}, None),
    ("silent", "has no collector", {"collectors": []}, None),
    ("silent", "sends to 192.0.2.99:6343 and not to this collector (192.0.2.2:6343)", {"collectors": ["192.0.2.99:6343"]}, None),
    ("silent", "ever arrived", {"daemon": "unknown"}, None),
    ("stale", "Seen 51 s ago, allowed are 50 s; its hsflowd runs", {}, {"age": 51.0}),
    ("stale", "does its hsflowd still run", {"daemon": "unknown", "running_seconds": None}, {"age": 51.0}),
    ("stale", "now its hsflowd sends to 192.0.2.99:6343", {"collectors": ["192.0.2.99:6343"]}, {"age": 51.0}),
    ("stale", "at an unknown time", {}, {"age": None}),
    ("stale", "Seen 119 minutes ago", {}, {"age": 7140.0}),
    ("stale", "Seen 3 hours ago", {}, {"age": 10800.0}),
    ("restarting", "was started 2 s ago; the last datagram is from before", {"running_seconds": 2.0}, {}),
    ("restarting", "keeps starting hsflowd again", {"daemon": "starting"}, {}),
    ("restarting", "4 times again", {"crashes": 4, "running_seconds": 10.0}, {}),
    ("reporting", "", {"crashes": 4}, {}),
    ("no_counters", "no counters", {}, {"counter_samples": 0, "counter_age": None}),
    ("no_counters", "no counters within 50 s", {}, {"counter_age": 51.0}),
    ("no_flows", "mod_pcap finds no libpcap.so.0.8", {"missing_libraries": {"pcap": ["libpcap.so.0.8"]}}, {}),
    ("no_flows", "Packet samples arrive, not those of nflog: mod_nflog finds no libnfnetlink.so.0",
     {"missing_libraries": {"nflog": ["libnfnetlink.so.0"]}}, {"flow_age": 4.0}),
    ("no_flows", "Counters arrive, packet samples cannot: mod_pcap finds no libpcap.so.0.8",
     {"missing_libraries": {"pcap": ["libpcap.so.0.8"]}}, {"flow_samples": 0, "flow_age": None}),
    ("no_flows", "Counters arrive, packet samples cannot",
     {"missing_libraries": {"pcap": ["libpcap.so.0.8"]}}, {"flow_age": 51.0}),
    ("no_flows", "Counters arrive, packet samples cannot",
     {"missing_libraries": {"pcap": ["libpcap.so.0.8"]}}, {"flow_age": None}),
    ("no_flows", "no interface matches", {"no_tap": "no interface matches pcap { speed=1- }"}, {"flow_samples": 0}),
    ("reporting", "", {}, {"flow_samples": 0, "flow_age": None}),
    ("wrong_rate", "eth0 samples 1 in 10000, configured is 1 in 400",
     {}, {"data_sources": [{"name": "eth0", "sampling_rate": 10000, "polling": 20.0, "flow_age": 4.0}]}),
    ("wrong_rate", "Counters come every 30 s, configured is every 20 s",
     {}, {"data_sources": [{"name": "eth0", "sampling_rate": None, "polling": 30.0, "flow_age": None}]}),
    ("reporting", "", {"sampling": [100, 10000]}, {"data_sources": [{"name": "eth0", "sampling_rate": 10000, "polling": 20.4, "flow_age": 4.0}]}),
    ("losing", "10 of 110 datagrams since it was first seen are lost (9.1 %, allowed are 1 %)", {}, {"lost": 10}),
    ("losing", "5 of 105 datagrams since", {}, {"lost": 5}),
    ("losing", "10 of 60 datagrams of the last 7 minutes are lost (16.7 %", {}, {"recent": (420.0, 50, 10)}),
    ("reporting", "", {}, {"lost": 1000, "recent": (420.0, 50, 4)}),  # it lost them long ago
    ("reporting", "", {}, {"lost": 1000, "recent": (420.0, 0, 0)}),
    ("reporting", "", {}, {"lost": 4}),  # a few at a restart are no lossy path
    ("reporting", "", {}, {"lost": 10, "datagrams": 100000}),
    ("shared_address", "Several hosts send as 192.0.2.1", {}, {"shared": True, "sources": ["192.0.2.1", "192.0.2.2"]}),
]


@pytest.mark.parametrize("word, words, host_values, row_values", CASES)
def test_verdicts(word, words, host_values, row_values):
    verdict = one(host(**host_values), [] if row_values is None else [row(**row_values)], collector_addresses=["192.0.2.2:6343"])
    assert (verdict.word, words in verdict.reason) == (word, True), verdict.reason
    assert bool(verdict.next_command) == (word != "reporting")
    assert bool(verdict.reason) == (word != "reporting")


def test_every_verdict_has_its_case():
    assert set(v.VERDICTS) - {case[0] for case in CASES} == {"wrong_source", "unknown"}  # tested below


def test_a_datagram_after_the_restart_is_the_proof():
    expected = host(running_seconds=2.0)
    assert one(expected, [row(age=2.1)], elapsed=0).word == "restarting"
    assert one(expected, [row(age=1.9, counter_age=1.9)], elapsed=0).word == "reporting"
    # the daemon gets older while we wait, and a datagram that stays the last one gets older with it
    assert one(expected, [row(age=12.1)], elapsed=10).word == "restarting"
    assert one(expected, [row(age=11.0, counter_age=11.0)], elapsed=10).word == "reporting"


def test_counters_from_before_the_restart_do_not_count():
    assert one(host(running_seconds=2.0), [row(age=1.0, counter_age=8.0)]).word == "no_counters"


def test_after_the_age_limit_a_restarted_agent_is_stale():
    assert one(host(running_seconds=2.0), [row(age=70.0)], elapsed=60).word == "stale"


def test_rates_from_before_the_restart_do_not_count():
    def old(age):
        return {"name": "eth0", "sampling_rate": 10000, "polling": 60.0, "flow_age": age}

    assert one(host(running_seconds=10.0), [row(data_sources=[old(30.0)])]).word == "reporting"
    assert one(host(running_seconds=10.0), [row(data_sources=[old(None)])]).word == "reporting"
    assert one(host(running_seconds=10.0), [row(data_sources=[old(3.0)])]).word == "wrong_rate"
    assert one(host(running_seconds=10.0), [row(data_sources=[old(30.0)])], elapsed=25).word == "wrong_rate"
    both = [old(60.0), {"name": "eth1", "sampling_rate": 400, "polling": 20.0, "flow_age": 2.0}]
    verdict = one(host(running_seconds=50.0), [row(data_sources=both, flow_age=2.0)])
    assert verdict.word == "reporting" and verdict.as_dict()["sampling"] == [400]


def test_where_the_host_cannot_say_since_when_it_runs_the_agent_does():
    def quiet():
        return [{"name": "eth0", "sampling_rate": 10000, "polling": 20.0, "flow_age": 3600.0}]

    unknown = {"daemon": "unknown", "running_seconds": None}
    assert one(host(**unknown), [row(uptime=500.0, data_sources=quiet())]).word == "reporting"
    assert one(host(**unknown), [row(uptime=5000.0, data_sources=quiet())]).word == "wrong_rate"
    assert one(host(**unknown), [row(uptime=None, data_sources=quiet())]).word == "wrong_rate"
    seldom = [{"name": "eth0", "sampling_rate": 400, "polling": 60.0, "flow_age": 4.0}]
    assert one(host(**unknown), [row(uptime=36.0, data_sources=seldom)]).word == "reporting"  # the interval may span the start
    assert one(host(**unknown), [row(uptime=None, data_sources=seldom)]).word == "wrong_rate"


def test_max_age_follows_polling_unless_given():
    assert one(host(polling=60), [row(age=100.0, counter_age=100.0, data_sources=[])]).word == "reporting"
    assert one(host(polling=60), [row(age=100.0, data_sources=[])], max_age=99).word == "stale"
    assert one(host(polling=None, running_seconds=None), [row(age=74.0, counter_age=74.0)]).word == "reporting"


def test_flows_on_request():
    assert one(host(), [row(flow_samples=0)], require=["flows"]).word == "no_flows"
    assert one(host(running_seconds=2.0), [row(age=1.0, flow_age=30.0)], require=["flows"]).word == "no_flows"
    for sampling, rate in (([400], "400"), ([100, 400], "100/400"), ([], "N")):
        verdict = one(host(sampling=sampling), [row(flow_samples=0)], require=["flows"])
        assert f"no packet sample for 50 s: too little traffic for 1 in {rate}, or" in verdict.reason
    assert one(host(), [row(counter_samples=0)], require=["flows"]).word == "reporting"


def test_sampling_switched_off_needs_no_library():
    missing = {"missing_libraries": {"pcap": ["libpcap.so.0.8"]}}
    assert one(host(sampling=[0], **missing), [row(data_sources=[])]).word == "reporting"
    assert "mod_pcap finds no" in one(host(sampling=[0], **missing), [row(data_sources=[])], require=["flows"]).reason
    assert one(host(sampling=[], **missing), [row(data_sources=[])]).word == "no_flows"  # its rates follow the speed of each interface


def test_a_host_that_taps_nothing():
    silent = {"flow_samples": 0, "flow_age": None}
    nothing = {"no_tap": "no interface matches pcap { speed=1- }"}
    verdict = one(host(**nothing), [row(**silent)])
    assert verdict.word == "no_flows" and verdict.reason.endswith("samples cannot: no interface matches pcap { speed=1- }.") and verdict.final
    assert one(host(**nothing), [row()]).word == "reporting"  # what it does counts more than what it should
    on_purpose = dict(nothing, sampling=[0])
    assert one(host(**on_purpose), [row(**silent)]).word == "reporting"
    assert "no interface matches" in one(host(**on_purpose), [row(**silent)], require=["flows"]).reason


def test_names_and_spellings_of_collectors(monkeypatch):
    monkeypatch.setattr(v, "addresses_of", lambda host: {"flow.example.net": ["192.0.2.2", "2001:db8::2"]}.get(host, []))
    for target in ("192.0.2.2:6343", "[2001:DB8::2]:6343", "flow.example.net"):
        assert "sends to" not in one(host(collectors=[target]), [], collector_addresses=["flow.example.net:6343"]).reason
    other = one(host(collectors=["192.0.2.99:6343"]), [], collector_addresses=["flow.example.net:6343"])
    assert "sends to 192.0.2.99:6343 and not to this collector (flow.example.net:6343)" in other.reason
    # Nobody can say where a name leads that has no address here.
    assert "sends to" not in one(host(collectors=["192.0.2.99:6343"]), [], collector_addresses=["nowhere.example.net:6343"]).reason


def test_the_figures_that_are_handed_on():
    assert one(host(hsflowd_version="2.0.53-1"), [row(lost=3, recent=(420.0, 57, 3))]).as_dict() == {
        "name": "web1", "address": "192.0.2.1", "verdict": "reporting", "reason": "", "next_command": "", "hsflowd_version": "2.0.53-1",
        "seen_as": "192.0.2.1", "host_name": "web1", "age_seconds": 3.0, "datagrams": 100, "lost": 3, "loss_percent": 5.0, "loss_seconds": 420.0,
        "flow_samples": 5, "counter_samples": 50, "sampling": [400], "polling_seconds": 20.0, "sources": ["192.0.2.1"], "server": "http://c",
    }
    unseen = one(host(), []).as_dict()
    assert {name for name, value in unseen.items() if value not in (None, [])} == {"name", "address", "verdict", "reason", "next_command"}


@pytest.mark.parametrize("host_values, row_values, final", [
    ({"daemon": "absent"}, {}, True),
    ({"daemon": "stopped"}, {}, True),
    ({"daemon": "failed"}, {}, True),
    ({"daemon": "starting"}, {}, True),
    ({"collectors": []}, None, True),
    ({}, None, False),
    ({"collectors": ["192.0.2.99:6343"]}, None, False),
    ({}, {"age": 51.0}, False),
    ({"running_seconds": 2.0}, {}, False),
    ({}, {"counter_samples": 0}, False),
    ({"missing_libraries": {"pcap": ["libpcap.so.0.8"]}}, {}, True),
    ({"no_tap": "none"}, {"flow_samples": 0}, True),
    ({"sampling": [100]}, {}, False),
    ({"polling": 60}, {}, False),
    ({}, {"lost": 10}, True),
    ({}, {"shared": True}, False),
    ({"address": "192.0.2.9", "other_addresses": ["192.0.2.1"]}, {}, False),
])
def test_which_verdicts_a_wait_may_change(host_values, row_values, final):
    verdict = one(host(**host_values), [] if row_values is None else [row(**row_values)], collector_addresses=["192.0.2.2:6343"])
    assert (verdict.word != "reporting", verdict.final) == (True, final), verdict.word


@pytest.mark.parametrize("observed, word", [(13.9, "wrong_rate"), (14.0, "reporting"), (26.0, "reporting"), (26.1, "wrong_rate"), (None, "reporting")])
def test_a_polling_interval_may_be_a_quarter_and_a_second_off(observed, word):
    assert one(host(), [row(data_sources=[{"name": "eth0", "sampling_rate": 400, "polling": observed, "flow_age": 4.0}])]).word == word


def test_wrong_source_by_a_second_address_by_source_and_by_name():
    for expected, seen in [
        (host(other_addresses=["10.0.0.1"]), row("10.0.0.1", host_name=None, sources=[])),
        (host(other_addresses=["10.0.0.1"]), row("172.17.0.1", host_name=None, sources=["10.0.0.1"])),
        (host(host_name="web1"), row("172.17.0.1", sources=[])),
    ]:
        verdict = one(expected, [seen])
        assert verdict.word == "wrong_source"
        assert f"reports as {seen.agent}, expected was 192.0.2.1" in verdict.reason


def test_a_host_that_is_to_have_an_address_of_its_own():
    verdict = one(host(address=None, other_addresses=["10.0.0.1"]), [row("172.17.0.1", host_name=None, sources=["10.0.0.1"])])
    assert (verdict.word, "expected was an address of its own." in verdict.reason) == ("wrong_source", True), verdict.reason


def test_a_nat_gateway_as_source_names_nobody():
    rows = [row("192.0.2.8", sources=["172.17.0.1"], host_name=None), row("192.0.2.9", sources=["172.17.0.1"], host_name=None)]
    assert one(host(other_addresses=["172.17.0.1"]), rows).word == "silent"


@pytest.mark.parametrize("name, daemon, sources, word", [
    ("localhost", "unknown", ["192.0.2.2"], "silent"),  # that is nobody's name
    ("ubuntu", "running", ["192.0.2.2"], "silent"),  # another host of that name, which sends from its own address
    ("ubuntu", "running", ["192.0.2.1"], "wrong_source"),
    ("ubuntu", "unknown", ["192.0.2.2"], "wrong_source"),  # nobody knows which addresses the host has
])
def test_a_host_name_may_be_that_of_another_host(name, daemon, sources, word):
    other = row("192.0.2.2", host_name=name, sources=sources)
    assert one(host(host_name=name, daemon=daemon), [other]).word == word


def test_two_hosts_that_expect_one_address():
    seen = [row(sources=["192.0.2.1", "198.51.100.1"]), row("192.0.2.3", host_name="web3")]
    verdicts = judge([host("web1"), host("web2"), host("web3", address="192.0.2.3")], seen)
    assert [x.word for x in verdicts] == ["shared_address", "shared_address", "reporting"]
    assert "also the agent address of web2" in verdicts[0].reason


def test_a_host_that_uses_the_address_of_another():
    rows = [row("192.0.2.1", sources=["192.0.2.1", "192.0.2.2"])]
    verdicts = judge([host("web1"), host("web2", address="192.0.2.2")], rows)
    assert [x.word for x in verdicts] == ["shared_address", "shared_address"]
    assert "web2" in verdicts[0].reason and "web1" in verdicts[1].reason


@pytest.mark.parametrize("shared", [False, True])  # sFlow-RT, and the collector for minutes after the last datagram
def test_a_host_that_went_home_again_shares_no_longer(shared):
    rows = [row("192.0.2.1", sources=["192.0.2.1", "192.0.2.2"], shared=shared), row("192.0.2.2", host_name="web2")]
    hosts = [host("web1"), host("web2", address="192.0.2.2", running_seconds=8.0)]
    assert [x.word for x in judge(hosts, rows)] == ["reporting", "reporting"]
    rows[1].age = 9.0  # that one is from before the restart with the wrong address
    assert judge(hosts, rows)[0].word == "shared_address"


@pytest.mark.parametrize("known", [{"address": "192.0.2.2", "running_seconds": 8.0}, {"address": None, "other_addresses": ["192.0.2.2"]}])
def test_a_host_that_another_batch_brought_home_shares_no_longer(known):
    rows = [row("192.0.2.1", sources=["192.0.2.1", "192.0.2.2"], shared=True), row("192.0.2.2", host_name="web2")]
    other = v.Expected({"name": "web2", "polling": 20, **known})
    assert judge(host(), rows)[0].word == "shared_address"  # nobody says whose the second source is
    assert judge(host(), rows, others=[other])[0].word == "reporting"
    rows[1].age = 60.0
    verdict = judge(host(), rows, others=[other])[0]
    assert verdict.word == "shared_address" and "web2" in verdict.reason


def test_a_host_that_uses_the_address_of_one_that_is_not_asked_about():
    verdict = judge(host("web2", address="192.0.2.2"), [row(sources=["192.0.2.2"])], others=[v.Expected({"name": "web1", "address": "192.0.2.1"})])[0]
    assert (verdict.word, "192.0.2.1, which is the agent address of web1" in verdict.reason) == ("shared_address", True)


@pytest.mark.parametrize("age, running, word", [(3.0, 1000.0, "wrong_source"), (3.0, 2.0, "silent"), (51.0, 1000.0, "silent"), (None, None, "silent")])
def test_an_agent_that_is_gone_is_nobody_elsewhere(age, running, word):
    verdict = one(host(address="192.0.2.9", other_addresses=["172.17.0.1"], running_seconds=running), [row("172.17.0.1", age=age)])
    assert verdict.word == word, verdict.reason
    assert word != "silent" or age is None or f"Under 172.17.0.1 it was last heard {age:.0f} s ago" in verdict.reason


def test_a_stranger_at_the_address_of_a_host():
    rows = [row("192.0.2.1", sources=["192.0.2.1", "198.51.100.1"], shared=True)]
    assert "198.51.100.1" in one(host(), rows).reason and one(host(), rows).word == "shared_address"


def test_a_gateway_that_forwards_for_others_shares_nothing():
    rows = [row("192.0.2.1", sources=["192.0.2.254"]), row("192.0.2.254", sources=["192.0.2.254"], host_name="gw")]
    verdicts = judge([host("web1"), host("gw", address="192.0.2.254")], rows)
    assert [x.word for x in verdicts] == ["reporting", "reporting"]


def test_a_host_without_known_address_is_found_by_name():
    assert one(host(address=None, host_name="web1"), [row("10.0.0.7")]).word == "reporting"
    assert one(host(address=None, host_name="web1"), [row("10.0.0.7"), row("10.0.0.8")]).word in ("wrong_source", "silent")
    assert one(host(address=None), []).word == "silent"


@pytest.mark.parametrize("name, sent, others, word", [
    ("web1.example.test", "web1.example.test", [], "reporting"),
    ("web1.example.test", "WEB1", [], "reporting"),
    ("web1", "web1.example.test", [], "reporting"),
    ("web1.a.example.test", "web1.b.example.test", [], "silent"),
    ("web1.a", "web1", [{"name": "web1.b", "host_name": "web1.b"}], "silent"),  # which of the two is it?
    ("web1.a", "web1.a", [{"name": "web1.b", "host_name": "web1.b"}], "reporting"),
    ("web1", "web1", [{"name": "db1", "other_addresses": ["10.0.0.7"]}], "wrong_source"),  # it has the address of another host
    ("localhost", "localhost", [], "silent"),
])
def test_a_host_about_which_nothing_is_known_is_found_by_a_name_that_is_its_own(name, sent, others, word):
    unseen = v.Expected({"name": name, "host_name": name, "polling": 20})
    assert judge(unseen, [row("10.0.0.7", host_name=sent)], others=[v.Expected(other) for other in others])[0].word == word


def test_a_host_without_an_agent_address_is_found_by_any_of_its_addresses():
    for seen in ("10.0.0.1", "10.0.0.2"):
        assert one(host(address=None, other_addresses=["10.0.0.1", "10.0.0.2"]), [row(seen, host_name=None)]).word == "reporting"


def test_an_address_that_other_hosts_have_too_proves_nothing():
    """Such as that of a gateway which forwards a port to a host that is down: what arrives from it is its own."""
    gateway = host("gateway", address="10.0.0.1")
    dark = host("behind", address=None, other_addresses=["10.0.0.1"], daemon="unknown", running_seconds=None, host_name=None)
    assert judge([dark], [row("10.0.0.1", host_name="gateway")], others=[gateway])[0].word == "shared_address"
    assert [verdict.word for verdict in judge([dark, gateway], [row("10.0.0.1", host_name="gateway")])][1] == "reporting"


def test_a_slow_server_does_not_make_an_old_datagram_a_new_one(clock):
    """The answer is from before the other server was waited for."""
    class Slow:
        def observe(self, limit):
            clock.time += 10
            raise api.ApiError("no answer")

    class Quick:
        def observe(self, limit):
            return {"url": "http://c", "dropped_at_socket": 0, "parse_errors": 0}, [row(age=4.0, counter_age=4.0)]

    result = v.prove([Quick(), Slow()], [host(running_seconds=1.0)], v.Settings(), 5, clock=clock)
    assert result["verdicts"][0].word == "restarting"


def test_samples_of_unknown_age_are_recent_where_their_number_grows(clock):
    """As sFlow-RT tells them."""
    numbers = [9, 9, 10]

    class Viewer:
        def observe(self, limit):
            number = numbers.pop(0) if len(numbers) > 1 else numbers[0]
            return {"url": "http://c", "dropped_at_socket": 0, "parse_errors": 0}, [row(flow_age=None, flow_samples=number, data_sources=[])]

    def proved(timeout):
        result = v.prove([Viewer()], [host()], v.Settings(require=["flows"]), timeout, clock=clock)
        return result["verdicts"][0].word, result["attempts"]

    assert proved(60) == ("reporting", 3)
    assert proved(20)[0] == "no_flows"  # ten for ever
    assert proved(0) == ("reporting", 1)  # who does not wait cannot know


def test_the_freshest_of_several_servers_counts():
    verdict = one(host(), [row(age=500.0, server="http://a"), row(age=2.0, server="http://b")])
    assert verdict.word == "reporting" and verdict.as_dict()["server"] == "http://b"


def test_sub_agents_of_one_host_are_one():
    counters = row(age=2.0, flow_samples=0, flow_age=None, sub_agent=100001, data_sources=[])
    counters.recent = (400.0, 40, 0)
    verdict = one(host(), [row(age=60.0, sub_agent=100000, datagrams=7, recent=(300.0, 0, 4)), counters], require=["counters", "flows"])
    assert verdict.word == "reporting" and verdict.as_dict()["datagrams"] == 107
    assert (verdict.as_dict()["loss_seconds"], verdict.as_dict()["loss_percent"]) == (400.0, 9.09)


@pytest.mark.parametrize("recent", [(None, (400.0, 40, 0)), ((400.0, 40, 0), None), (None, None)])
def test_the_latest_sample_of_any_sub_agent_counts(recent):
    first = row(age=1.0, sub_agent=1, counter_age=None, flow_age=30.0, recent=recent[0])
    second = row(age=2.0, sub_agent=2, counter_age=4.0, flow_age=3.0, recent=recent[1])
    verdict = one(host(), [first, second], require=["counters", "flows"], max_age=10)
    assert verdict.word == "reporting", verdict.reason


def unexpected(*rows, **settings):
    observation, expected, settings = v.Observation([row(), *rows]), [host()], v.Settings(**settings)
    return v.unexpected_agents(expected, observation, v.judge_all(expected, observation, settings, 0), settings)


def test_unexpected_agents_are_named():
    assert unexpected(row("198.51.100.7", host_name="old")) == [{"address": "198.51.100.7", "host_name": "old", "age_seconds": 3.0}]


def test_an_agent_that_is_gone_is_not_unexpected():
    def slow(age):
        return row("198.51.100.7", age=age, data_sources=[{"name": "eth0", "sampling_rate": 400, "polling": 60.0, "flow_age": None}])

    assert unexpected(row("198.51.100.7", age=None)) == unexpected(row("198.51.100.7", age=51.0)) == unexpected(slow(151.0)) == []
    assert unexpected(slow(149.0)) and unexpected(row("198.51.100.7", age=51.0), max_age=60)
    assert unexpected(row("198.51.100.7", age=74.0, data_sources=[])) and not unexpected(row("198.51.100.7", age=76.0, data_sources=[]))


# -- waiting ----------------------------------------------------------------------------------------------------------

SERVER = {"url": "http://c", "dropped_at_socket": 0, "parse_errors": 0, "refused": 0, "overflow": 0}


class Script:
    """A server whose answers follow a script of (time, rows or exception)."""

    def __init__(self, clock, steps):
        self.clock, self.steps, self.start, self.timeouts = clock, steps, clock.now(), []

    def observe(self, timeout):
        self.timeouts.append(timeout)
        answer = [step for at, step in self.steps if at <= self.clock.now() - self.start][-1]
        if isinstance(answer, Exception):
            raise answer
        return SERVER, answer() if callable(answer) else answer


def prove(clock, steps, expected=None, timeout=60, **settings):
    script = Script(clock, steps)
    result = v.prove([script], expected or [host()], v.Settings(**settings), timeout, clock=clock)
    return result, [x.word for x in result["verdicts"]], script


def test_nobody_waits_when_all_report(clock):
    result, words, _script = prove(clock, [(0, [row()])])
    assert words == ["reporting"] and clock.slept == [] and result["attempts"] == 1


def test_the_wait_ends_when_the_last_one_reports(clock):
    result, words, _script = prove(clock, [(0, []), (17, [row()])])
    assert words == ["reporting"]
    assert 17 <= result["waited_seconds"] <= 22


def test_the_pause_grows_up_to_a_cap_and_the_timeout_is_global(clock):
    result, words, script = prove(clock, [(0, [])], timeout=60)
    assert words == ["silent"] and result["waited_seconds"] == 60.0
    assert clock.slept == sorted(clock.slept[:-1]) + clock.slept[-1:] and max(clock.slept) == 5.0
    assert all(timeout <= 10.0 for timeout in script.timeouts) and script.timeouts[-1] == 1.0


def test_no_wait_for_what_waiting_cannot_change(clock):
    expected = [host(), host("web2", address="192.0.2.2", daemon="stopped")]
    _result, words, _script = prove(clock, [(0, [row(), row("192.0.2.2", host_name="web2")])], expected)
    assert words == ["reporting", "silent"] and clock.slept == []


def test_samples_do_not_get_too_old_while_another_host_is_waited_for(clock):
    """Two quiet hosts: one showed a sample just before the question, the other one too long ago."""
    began = clock.now()

    def rows():
        passed = clock.now() - began
        return [row(flow_age=4.0 + passed), row("192.0.2.2", host_name="web2", flow_age=51.0 + passed)]

    expected = [host(), host("web2", address="192.0.2.2"), host("web3", address="192.0.2.3")]
    result, words, _script = prove(clock, [(0, rows)], expected, require=["counters", "flows"])
    assert words == ["reporting", "no_flows", "silent"] and result["waited_seconds"] == 60.0


def test_timeout_zero_looks_once(clock):
    result, words, _script = prove(clock, [(0, [])], timeout=0)
    assert words == ["silent"] and result["attempts"] == 1 and clock.slept == []


def test_a_collector_that_is_just_starting(clock):
    _result, words, _script = prove(clock, [(0, api.ApiError("refused.")), (4, []), (20, [row()])])
    assert words == ["reporting"]


def test_a_collector_that_never_answers(clock):
    result, words, _script = prove(clock, [(0, api.ApiError("It refuses."))])
    assert words == ["unknown"] and result["verdicts"][0].reason == "It refuses." and result["errors"] == ["It refuses."]


def test_one_of_two_collectors_is_away(clock):
    expected = [host(), host("web2", address="192.0.2.2")]
    clients = [Script(clock, [(0, [row()])]), Script(clock, [(0, api.ApiError("B is away."))])]
    result = v.prove(clients, expected, v.Settings(), 5, clock=clock)
    assert [x.word for x in result["verdicts"]] == ["reporting", "unknown"]
    # What the host says of its daemon needs no collector.
    stopped = [host(), host("web2", address="192.0.2.2", daemon="stopped")]
    assert [x.word for x in v.prove(clients, stopped, v.Settings(), 5, clock=clock)["verdicts"]] == ["reporting", "silent"]


def test_several_collectors_are_asked_at_the_same_time(clock):
    meeting = threading.Barrier(2)

    def meet():
        meeting.wait(timeout=20)  # broken when the other one is not asked until this one has answered
        return [row()]

    clients = [Script(clock, [(0, meet)]), Script(clock, [(0, meet)])]
    assert [x.word for x in v.prove(clients, [host()], v.Settings(), 5, clock=clock)["verdicts"]] == ["reporting"]


def test_the_time_that_was_waited_elsewhere_counts(clock):
    result = v.prove([Script(clock, [(0, [])])], [host()], v.Settings(), 60, waited=50.0, clock=clock)
    assert sum(clock.slept) == 10.0 and result["waited_seconds"] == 60.0
    # An agent that was started 5 s before it was looked at may have sent its datagram 30 s ago by now.
    started = [host(running_seconds=5.0)]
    script = Script(clock, [(0, [row(age=30.0)])])
    assert [x.word for x in v.prove([script], started, v.Settings(), 60, waited=50.0, clock=clock)["verdicts"]] == ["reporting"]
    script = Script(clock, [(0, [row(age=30.0)])])
    assert [x.word for x in v.prove([script], started, v.Settings(), 0, clock=clock)["verdicts"]] == ["restarting"]


def test_order_and_counts(clock):
    expected = [host("b"), host("a", address="192.0.2.2"), host("c", address="192.0.2.3")]
    result, _words, _script = prove(clock, [(0, [row()])], expected, timeout=0)
    assert [x.expected.name for x in v.in_order(result["verdicts"])] == ["a", "c", "b"]
    assert v.counts(result["verdicts"]) == {"silent": 2, "reporting": 1}


def test_the_default_timeout_gives_the_slowest_host_two_exports():
    assert v.default_timeout([host(), host("web2", polling=60)]) == 160
    assert v.default_timeout([]) == 85


def test_a_server_in_trouble_says_so():
    warnings = v.server_warnings(dict(SERVER, dropped_at_socket=5, parse_errors=2, refused=1, overflow=3))
    assert len(warnings) == 4 and all(w.startswith("http://c ") and w.endswith(".") for w in warnings)
    assert v.server_warnings(SERVER) == []


# -- from hsflowd_info --------------------------------------------------------------------------------------------------

INFO = {
    "hostname": "web1",
    "package": {"name": "hsflowd", "installed": True, "version": "2.0.53-1"},
    "unit": {"active_state": "active", "sub_state": "running", "n_restarts": 0, "running_seconds": 12.5},
    "auto": {"complete": True, "agent_ip": "192.0.2.1", "sampling": "400", "polling": "20",
             "collectors": [{"ip": "192.0.2.2", "udpport": 6343}, {"ip": "2001:db8:0::1", "udpport": None}]},
    "modules": {"available": ["pcap"], "broken": {"pcap": ["libpcap.so.0.8"], "kvm": ["libvirt.so.0"]}, "mapped": []},
    "interfaces": [{"name": "eth0", "addresses": ["192.0.2.1/24", "fe80::1/64"]}, {"name": "lo", "addresses": ["127.0.0.1/8", "::1/128"]}],
}


def test_expectation_from_info():
    found = v.expectation("web1", INFO)
    assert found == {
        "name": "web1", "address": "192.0.2.1", "other_addresses": ["192.0.2.1"], "host_name": "web1", "polling": 20, "sampling": [400],
        "hsflowd_version": "2.0.53-1",
        "daemon": "running", "daemon_detail": "active/running", "crashes": 0, "running_seconds": 12.5,
        "collectors": ["192.0.2.2:6343", "2001:db8::1:6343"], "missing_libraries": {"pcap": ["libpcap.so.0.8"]},
    }


@pytest.mark.parametrize("modules, taps, missing", [
    ({"broken": {"pcap": ["libpcap.so.0.8"], "nflog": ["libnfnetlink.so.0"]}, "mapped": []}, ["pcap"], ["pcap"]),
    ({"broken": {"nflog": ["libnfnetlink.so.0"]}, "mapped": ["pcap"]}, ["pcap"], []),
    ({"broken": {"nflog": ["libnfnetlink.so.0"]}, "mapped": []}, ["pcap", "nflog"], ["nflog"]),
    ({"broken": {"pcap": ["libpcap.so.0.8"]}, "mapped": ["pcap"]}, ["pcap"], []),  # removed while it runs: it still samples
    ({"broken": {"kvm": ["libvirt.so.0"]}, "mapped": []}, ["pcap", "kvm"], []),
])
def test_only_configured_taps_count(modules, taps, missing):
    assert list(v.expectation("web1", dict(INFO, modules=modules), taps=taps)["missing_libraries"]) == missing


@pytest.mark.parametrize("modules, taps, words", [
    ({"available": ["pcap"], "broken": {}, "mapped": ["pcap", "tcp"]}, ["pcap"], None),
    ({"available": ["pcap"], "broken": {}, "mapped": ["tcp"]}, ["pcap"], "has not loaded mod_pcap"),
    ({"available": ["pcap"], "broken": {}, "mapped": []}, ["pcap"], None),  # seen without root
    ({"available": ["json", "pcap"], "broken": {}, "mapped": ["json"]}, ["pcap", "epcap"], "has not loaded mod_pcap nor mod_epcap"),
    ({"available": ["json"], "broken": {}, "mapped": ["json"]}, ["epcap"], "its package of hsflowd has no mod_epcap"),
    ({"available": ["json", "psample"], "broken": {}, "mapped": ["json"]}, ["ovs"], None),
    ({}, ["docker"], "no module that samples packets is configured"),
    ({}, ["pcap"], None),
])
def test_why_nothing_is_tapped(modules, taps, words):
    found = v.expectation("web1", dict(INFO, modules=modules), taps=taps)
    assert words in found["no_tap"] if words else "no_tap" not in found
    assert found["sampling"] == ([0] if taps == ["docker"] else [400])  # what is so on purpose is no fault


def test_what_is_known_of_the_interfaces_and_of_the_rate():
    fine = dict(INFO, modules={"available": ["pcap"], "mapped": ["pcap"]})
    assert v.expectation("web1", fine, no_tap="no eth7")["no_tap"] == "no eth7"
    assert v.expectation("web1", fine, sampling=[0])["no_tap"].startswith("sampling is switched off")
    for rates in ([], [0, 400]):  # by the speed of each interface; of two taps one
        assert "no_tap" not in v.expectation("web1", fine, sampling=rates)


def test_what_systemd_says_of_a_daemon_that_failed():
    def found(**unit):
        return v.expectation("web1", dict(INFO, unit={"active_state": "failed", "sub_state": "failed", **unit}))

    assert found(result="exit-code", n_restarts="3")["daemon_detail"] == "result exit-code"
    assert found()["daemon_detail"] == "failed/failed"
    assert [found(n_restarts=number)["crashes"] for number in ("3", 0, None, "")] == [3, 0, 0, 0]


@pytest.mark.parametrize("unit, daemon", [
    ({"active_state": "inactive", "sub_state": "dead"}, "stopped"),
    ({"active_state": "inactive", "sub_state": "dead", "load_state": "masked"}, "masked"),
    ({"active_state": "failed", "result": "exit-code"}, "failed"),
    ({"active_state": "activating", "sub_state": "auto-restart"}, "starting"),
    ({"active_state": "deactivating"}, "stopped"),
    ({"active_state": None}, "unknown"),
    ({}, "unknown"),
])
def test_expectation_of_a_daemon_that_does_not_run(unit, daemon):
    found = v.expectation("web1", dict(INFO, unit=unit))
    assert found["daemon"] == daemon and "collectors" not in found


def test_a_host_without_the_package():
    found = v.expectation("web1", dict(INFO, package={"installed": False}, unit={"active_state": "inactive"}))
    assert found["daemon"] == "absent"


def test_addresses_that_many_hosts_have_name_none():
    interfaces = [{"name": name, "addresses": [f"172.17.0.{n}/16"]} for n, name in enumerate(["docker0", "br-0123456789ab", "virbr0", "br0", "wg0"])]
    assert v.own_addresses({"interfaces": interfaces}) == ["172.17.0.3", "172.17.0.4"]


def test_a_loopback_agent_address_in_the_file_of_the_daemon_is_none():
    late = dict(INFO, auto=dict(INFO["auto"], agent_ip="127.0.0.1"))
    assert "address" not in v.expectation("web1", late)
    assert v.expectation("web1", late, address="192.0.2.7")["address"] == "192.0.2.7"


def test_the_inventory_wins():
    found = v.expectation("web1", INFO, address="192.0.2.7", polling=10, sampling=[100, "1000"])
    assert (found["address"], found["polling"], found["sampling"]) == ("192.0.2.7", 10, [100, 1000])


@pytest.mark.parametrize("info", [None, {}, "garbage", {"auto": None, "unit": None, "modules": 5, "interfaces": None}])
def test_a_host_that_could_not_be_asked(info):
    found = v.expectation("web1", info, address="192.0.2.1")
    assert found["address"] == "192.0.2.1" and found["daemon"] == "unknown"
