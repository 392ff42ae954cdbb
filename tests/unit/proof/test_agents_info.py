"""The module that asks: what it refuses, and what it says of hosts that are proved and of hosts that are not."""

import pytest

pytest.importorskip("ansible.module_utils.basic", reason="no ansible-core is installed for this Python")

from ansible_collections.netviz.sflow.plugins.modules import sflow_agents_info
from proof_servers import fleet, fleet_row, serving

WEB1 = {"name": "web1", "address": "192.0.2.11"}


@pytest.fixture
def run(run_module):
    def call(check=False, **arguments):
        return run_module(sflow_agents_info, {"url": ["http://127.0.0.1:1"], "agents": [WEB1], "timeout": 0, **arguments}, check)
    return call


@pytest.fixture
def asked():
    """A collector that has heard web1, and has something to complain about."""
    rows = [fleet_row("192.0.2.11"), fleet_row("198.51.100.7")]
    udp = {"address": "::", "port": 6343, "datagrams": 100, "kernel_drops": 7, "truncated": 0, "refused": 0}
    with serving({"/fleet/json": fleet(rows, udp=udp)}) as server:
        yield server


@pytest.mark.parametrize("check", [False, True])
def test_a_host_that_is_proved(run, asked, check):
    told = run(url=[asked.url], check=check)
    assert (told["failed"], told["changed"], told["proved"], told["failing"]) == (False, False, True, []) and "msg" not in told
    assert [(agent["name"], agent["verdict"]) for agent in told["agents"]] == [("web1", "reporting")] and told["unexpected_count"] == 1
    assert told["warned"] == [f"{asked.url} dropped 7 datagrams at its socket; give it a larger receive buffer."]


def test_a_host_that_is_not(run, asked):
    agents = [WEB1, {"name": "web2", "address": "192.0.2.12"}]
    told = run(url=[asked.url], agents=agents)
    assert told["failed"] and not told["proved"] and told["failing"] == ["web2"] and told["verdict_counts"] == {"reporting": 1, "silent": 1}
    assert told["msg"] == f"1 of 2 hosts are not proved after {told['waited_seconds']:g} s: web2 (silent)."
    kept = run(url=[asked.url], agents=agents, fail_unless_proved=False)
    assert not kept["failed"] and not kept["proved"] and kept["msg"].endswith(" s: web2 (silent).")


@pytest.mark.parametrize("number, end", [(10, " web9 (silent)."), (11, " and 1 more."), (30, " and 20 more.")])
def test_many_hosts_that_are_not(run, asked, number, end):
    agents = [{"name": f"web{n}", "address": f"198.51.100.{100 + n}"} for n in range(1, number + 1)]
    result = run(url=[asked.url], agents=agents)
    told = result["msg"]
    assert told.startswith(f"{number} of {number} hosts are not proved after {result['waited_seconds']:g} s: web1 (silent), ")
    assert told.count("(silent)") == 10 and told.endswith(end)


def test_a_collector_that_does_not_answer(run):
    told = run()
    assert told["failed"] and told["msg"].startswith("No collector could be asked: http://127.0.0.1:1/") and told["servers"] == []
    assert told["verdict_counts"] == {"unknown": 1} and told["warned"] == []


@pytest.mark.parametrize("options, sentence", [
    ({"agents": [{"name": "web1", "address": "192.0.2"}]}, "The agent address 192.0.2 of web1 is no IP address."),
    ({"agents": [WEB1, {"name": "b"}, {"name": "c"}, {"name": "b"}, WEB1]}, "These hosts are named twice in agents: b, web1."),
    ({"url": []}, "url is empty; give at least one server to ask."),
    ({"url": ["ftp://127.0.0.1"]}, "ftp://127.0.0.1"), ({"token": "a b"}, "The token for the collector has a character that no header can carry"),
    ({"max_loss": -1}, "max_loss is -1; expected a number from 0 to 100."), ({"max_loss": 100.5}, "max_loss is 100.5; expected a number from 0 to 100."),
    ({"max_age": -0.1}, "max_age is -0.1; expected a number from 0 to 604800."), ({"timeout": 604801}, "timeout is 604801; expected a number"),
    ({"waited": -1}, "waited is -1; expected a number from 0 to 604800."),
    ({"request_timeout": 0}, "request_timeout is 0; expected a number from 0.1 to 3600.")])
def test_what_is_refused(run, options, sentence):
    told = run(**options)
    assert told["failed"] and sentence in told["msg"] and "verdict_counts" not in told


def test_limits_are_accepted(run, asked):
    assert run(url=[asked.url], max_loss=100, max_age=604800, waited=0, request_timeout=0.1)["proved"]
    assert run(url=[asked.url], max_loss=0, agents=[WEB1, {"name": "web2"}])["failing"] == ["web2"]  # whose address is not known


def test_without_a_timeout_it_waits_as_long_as_the_slowest_host_needs(run, asked, monkeypatch):
    waits = []
    prove = sflow_agents_info.verdicts.prove
    monkeypatch.setattr(sflow_agents_info.verdicts, "prove", lambda clients, hosts, settings, timeout, *rest: waits.append(timeout) or prove(
        clients, hosts, settings, 0, *rest))
    run(url=[asked.url], timeout=None, agents=[{**WEB1, "polling": 20}, {"name": "slow", "polling": 60}])
    run(url=[asked.url], timeout=None)
    run(url=[asked.url], timeout=3)
    assert waits[0] > 2 * 60 and waits[0] > waits[1] and waits[2] == 3


def test_the_token_reaches_the_collector(run, asked):
    assert run(url=[asked.url], token="s3cret")["proved"]
    assert asked.seen_headers[-1]["Authorization"] == "Bearer s3cret"
