"""The control node's part: whom to ask about whom, and the table."""

import pytest
import yaml
from ansible_collections.netviz.sflow.plugins.filter.sflow_hosts import sflow_hosts
from ansible_collections.netviz.sflow.plugins.filter.sflow_questions import sflow_questions
from ansible_collections.netviz.sflow.plugins.module_utils import _agents_api, _verdicts
from ansible_collections.netviz.sflow.plugins.modules import sflow_agents_info
from ansible_collections.netviz.sflow.plugins.plugin_utils import _proof, _report
from proof_servers import fleet, fleet_row, serving, sflow_rt

RUNNING = {
    "hostname": "web1", "package": {"installed": True, "version": "2.0.53-1"},
    "unit": {"active_state": "active", "sub_state": "running", "running_seconds": 50.0},
    "auto": {"complete": True, "agent_ip": "192.0.2.1", "sampling": 400, "polling": 20, "collectors": [{"ip": "192.0.2.2", "udpport": 6343}]},
    "modules": {"available": ["pcap"], "broken": {}, "mapped": ["pcap"]}, "interfaces": [],
}
FLEET = {
    "web1": {"ansible_host": "192.0.2.1", "__hsflowd_info": RUNNING},
    "web2": {"ansible_host": "192.0.2.3"},
    "watch": {"ansible_host": "192.0.2.2"},
    "view": {"ansible_host": "192.0.2.4"},
}


def ask(groups, hosts=("web1", "web2"), fleet=None, **options):
    return sflow_questions(dict(FLEET, **(fleet or {})), list(hosts), groups, **options)


def test_the_collector_is_asked_on_its_own_host():
    (question,) = ask({"sflow_collector": ["watch"], "sflow_rt": ["view"]})
    assert (question["host"], question["url"]) == ("watch", ["http://127.0.0.1:8008"])
    assert question["collector_addresses"] == ["192.0.2.2:6343"]
    assert [agent["name"] for agent in question["agents"]] == ["web1", "web2"]


def test_beside_the_viewer_the_collector_has_other_ports():
    (question,) = ask({"sflow_collector": ["watch"], "sflow_rt": ["watch"]})
    assert question["url"] == ["http://127.0.0.1:8009"] and question["collector_addresses"] == ["192.0.2.2:6344"]


def test_the_variables_of_the_role_are_followed():
    fleet = {"watch": {"ansible_host": "watch.example.net", "collector_http_address": "::", "collector_http_port": 9000,
                       "collector_udp_port": 7000, "collector_address": "2001:db8:0::2"}}
    (question,) = ask({"sflow_collector": ["watch"]}, fleet=fleet)
    assert question["url"] == ["http://[::1]:9000"] and question["collector_addresses"] == ["2001:db8::2:7000"]


@pytest.mark.parametrize("groups, fleet", [
    ({"sflow_rt": ["view"]}, {}),
    ({"sflow_rt": ["view"], "sflow_collector": []}, {}),
    ({"sflow_rt": ["view"], "sflow_collector": ["watch"]}, {"watch": {"collector_state": "absent"}}),
])
def test_the_viewer_is_asked_where_there_is_no_collector(groups, fleet):
    (question,) = ask(groups, fleet=fleet)
    assert question["host"] == "view"


def test_nobody_to_ask_and_nobody_to_ask_about():
    assert ask({}) == []
    assert ask({"sflow_collector": ["watch"]}, hosts=[]) == []
    assert ask({"sflow_collector": ["watch"]}, hosts=["web1"], fleet={"web1": {"hsflowd_state": "absent"}}) == []


def test_a_given_url_is_asked_from_the_control_node():
    (question,) = ask({"sflow_collector": ["watch"]}, url="https://watch.example.net")
    assert (question["host"], question["url"]) == ("localhost", ["https://watch.example.net"])


def test_each_host_is_asked_about_at_the_collector_it_sends_to():
    other = dict(RUNNING, auto=dict(RUNNING["auto"], agent_ip="192.0.2.9", collectors=[{"ip": "192.0.2.20", "udpport": 6343}]))
    fleet = {"web9": {"__hsflowd_info": other}, "watch2": {"ansible_host": "192.0.2.20"}}
    questions = ask({"sflow_collector": ["watch", "watch2"]}, hosts=["web1", "web2", "web9"], fleet=fleet)
    assert [(q["host"], [a["name"] for a in q["agents"]]) for q in questions] == [("watch", ["web1", "web2"]), ("watch2", ["web2", "web9"])]


def test_a_host_is_asked_about_at_every_collector_that_it_sends_to(names):
    both = [{"ip": "192.0.2.2", "udpport": 6343}, {"ip": "192.0.2.20", "udpport": 6343}]
    fleet = {"web5": {"__hsflowd_info": dict(RUNNING, auto=dict(RUNNING["auto"], collectors=both))}, "watch2": {"ansible_host": "192.0.2.20"},
             "web6": {"hsflowd_collectors": [{"ip": "flow1.example.net"}, {"ip": "192.0.2.20"}]},
             "web7": {"hsflowd_collectors": [{"ip": "198.51.100.1"}]}, "web8": {"hsflowd_dns_sd": True}}
    questions = ask({"sflow_collector": ["watch", "watch2"]}, hosts=["web1", "web5", "web6", "web7", "web8"], fleet=fleet)
    assert [[agent["name"] for agent in question["agents"]] for question in questions] == [["web1", "web5", "web6", "web7", "web8"], ["web5", "web6"]]


def test_a_host_that_cannot_be_asked_is_asked_about_at_the_collector_of_its_inventory(names):
    fleet = {"watch2": {"ansible_host": "192.0.2.20"},
             "web8": {"hsflowd_collectors": [{"ip": "flow2.example.net"}]}, "web9": {"hsflowd_collectors": [{"ip": "192.0.2.20", "udpport": 7000}]},
             # What the daemon says comes first, if anybody is there.
             "web6": {"hsflowd_collectors": [{"ip": "192.0.2.20"}], "__hsflowd_info": RUNNING},
             "web7": {"hsflowd_collectors": [{"ip": "192.0.2.20"}], "__hsflowd_info": sends_to("198.51.100.1")}}
    questions = ask({"sflow_collector": ["watch", "watch2"]}, hosts=["web1", "web6", "web7", "web8", "web9"], fleet=fleet)
    assert [[agent["name"] for agent in question["agents"]] for question in questions] == [["web1", "web6", "web9"], ["web7", "web8"]]


def test_a_host_from_which_nothing_is_known_may_be_found_by_its_name(names):
    fleet = {"web8": {"ansible_host": "flow2.example.net"}, "192.0.2.9": {}, "web9": {"__hsflowd_info": dict(RUNNING, interfaces=[])}}
    (question,) = ask({"sflow_collector": ["watch"]}, hosts=["web8", "192.0.2.9", "web9"], fleet=fleet)
    found = {agent["name"]: (agent.get("host_name"), agent["other_addresses"]) for agent in question["agents"]}
    assert found == {"web8": ("web8", ["192.0.2.20", "2001:db8::20"]), "192.0.2.9": (None, ["192.0.2.9"]), "web9": ("web1", [])}


def test_what_is_known_of_the_other_hosts_goes_along():
    groups = {"sflow_collector": ["watch"], "sflow_agents": ["web1", "web2", "web3"]}
    (question,) = ask(groups, hosts=["web2"], fleet={"web1": {"__hsflowd_change": {"observed": RUNNING}}, "web3": {"hsflowd_agent_ip": "192.0.2.30"}})
    other, unchanged = question["others"]
    assert {key: other[key] for key in ("name", "address", "host_name", "polling", "running_seconds")} == {
        "name": "web1", "address": "192.0.2.1", "host_name": "web1", "polling": 20, "running_seconds": 50.0}
    assert unchanged == {"name": "web3", "address": "192.0.2.30", "other_addresses": []}
    assert set(other) <= set(OPTIONS["others"]["suboptions"]) == set(sflow_agents_info.OTHER_OPTIONS)
    assert ask({**groups, "sflow_agents": ["web1", "web2"]})[0]["others"] == []  # all are asked about


@pytest.fixture
def names(monkeypatch):
    """A DNS."""
    known = {"flow1.example.net": ["192.0.2.2"], "flow2.example.net": ["192.0.2.20", "2001:db8::20"]}
    monkeypatch.setattr(_proof, "addresses_of", lambda host: known.get(host) or list(filter(None, [_agents_api.canonical_address(host)])))
    _proof._resolved.cache_clear()
    yield
    _proof._resolved.cache_clear()


def sends_to(address):
    return dict(RUNNING, auto=dict(RUNNING["auto"], collectors=[{"ip": address, "udpport": 6343}]))


def test_a_collector_that_is_named_is_known_by_its_addresses(names):
    fleet = {"watch": {"ansible_host": "flow1.example.net"}, "watch2": {"collector_address": "flow2.example.net", "ansible_host": "10.0.0.2"},
             "web8": {"__hsflowd_info": sends_to("192.0.2.20")}, "web9": {"__hsflowd_info": sends_to("2001:db8:0::20")}}
    questions = ask({"sflow_collector": ["watch", "watch2"]}, hosts=["web1", "web8", "web9"], fleet=fleet)
    assert [[agent["name"] for agent in question["agents"]] for question in questions] == [["web1"], ["web8", "web9"]]
    assert questions[1]["collector_addresses"] == ["10.0.0.2:6343", "192.0.2.20:6343", "2001:db8::20:6343"]


def test_a_collector_that_is_an_agent_says_its_own_addresses(names):
    interfaces = [{"name": "eth0", "addresses": ["10.0.0.2/24", "fe80::2/64"]}, {"name": "lo", "addresses": ["127.0.0.1/8"]}]
    (question,) = ask({"sflow_collector": ["watch"]}, fleet={"watch": {"ansible_host": "nat.example.net", "__hsflowd_info": {"interfaces": interfaces}}})
    assert question["collector_addresses"] == ["10.0.0.2:6343"]


@pytest.mark.parametrize("variables, rates", [
    ({}, [400]),  # what the daemon says
    ({"hsflowd_sampling": "100"}, [100]),
    ({"hsflowd_sampling": 100, "hsflowd_sampling_rates": {"10G": 5000}, "hsflowd_pcap": [{"dev": "eth1", "sampling": 10}]}, [10, 100, 5000]),
    ({"hsflowd_sampling": 100, "hsflowd_sampling_rates": {"bps_ratio": 1000}}, []),
    ({"hsflowd_sampling": 100, "hsflowd_sampling_exact": False}, []),
    ({"hsflowd_sampling": 100, "hsflowd_pcap": "auto"}, [100]),
    ({"hsflowd_sampling": "many"}, [400]),
    # The default of hsflowd_sampling is no variable of the host; the daemon says it.
    ({"hsflowd_sampling_rates": {"10G": 5000}}, [400, 5000]),
    ({"hsflowd_sampling_exact": False}, []),
    ({"hsflowd_modules": {"epcap": [{"dev": "eth0", "sampling": 50}]}}, [50, 400]),
    # The firewall takes one in 400, and hsflowd every third of these; then one in 3, and every 34th of these.
    ({"hsflowd_sampling": 1000, "hsflowd_modules": {"nflog": {"group": 5, "probability": 0.0025}}}, [1000, 1200]),
    ({"hsflowd_sampling": 100, "hsflowd_modules": {"nflog": {"group": 5, "probability": "0.3"}}}, [100, 102]),
    ({"hsflowd_modules": {"ulog": {"ulogProbability": 0.001}}}, [400, 1000]),
    ({"hsflowd_options": {"nflogGroup": 5, "nflogProbability": 0.001}}, [400, 1000]),
    ({"hsflowd_modules": {"nflog": {"group": 5, "probability": 0}}}, [400]),
    ({"hsflowd_modules": {"psample": {"group": 1}}}, []),  # the rate is that of the rule of tc
])
def test_the_rates_that_are_right(variables, rates):
    assert _proof.expected_of("web1", dict(FLEET["web1"], **variables))["sampling"] == rates


@pytest.mark.parametrize("version, variables, rates", [
    ("2.0.53-1", {}, [400]),  # the role's, in each tap, whatever the TXT record says
    ("2.0.53-1", {"hsflowd_sampling": 100, "hsflowd_pcap": [{"dev": "eth1", "sampling": 10}]}, [10, 100]),
    ("2.0.53-1", {"hsflowd_sampling": 100, "hsflowd_sampling_rates": {"http": 7}}, [100]),
    ("2.0.53-1", {"hsflowd_sampling_rates": {"10G": 5000}}, []),
    ("2.0.53-1", {"hsflowd_sampling_exact": False}, []),
    ("2.0.53-1", {"hsflowd_modules": {"nflog": {"group": 5, "probability": 1}}}, []),
    ("2.0.47-1", {}, []),
])
def test_with_dns_sd_the_daemon_says_the_interval_and_the_taps_have_the_rate(version, variables, rates):
    info = dict(RUNNING, package={"installed": True, "version": version}, auto=dict(RUNNING["auto"], polling=30, sampling=1000))
    found = _proof.expected_of("web1", {"hsflowd_dns_sd": True, "hsflowd_polling": 10, "__hsflowd_info": info, **variables})
    assert found["polling"] == 30 and found["sampling"] == rates


INTERFACES = [{"name": "eth0", "kind": "physical", "up": True, "speed_mbps": None, "addresses": ["192.0.2.1/24"]}]


@pytest.mark.parametrize("variables, uplinks, words", [
    ({}, ["eth0"], None),
    ({}, [], "hsflowd_pcap is auto, and no uplink was found"),
    ({"hsflowd_pcap": [{"dev": "eth7"}]}, ["eth0"], "this host has no eth7"),
    ({"hsflowd_pcap": [{"speed": "1-"}]}, ["eth0"], "its speed is unknown"),
    ({"hsflowd_pcap": [{"speed": "1-"}, {"dev": "eth0"}]}, ["eth0"], None),
    ({"hsflowd_pcap": [{"speed": "1-"}], "hsflowd_modules": {"nflog": {"group": 5}}}, ["eth0"], None),
    ({"hsflowd_pcap": "none"}, ["eth0"], "no module that samples packets is configured"),
    ({"hsflowd_pcap": "none", "hsflowd_modules": {"psample": {}}}, ["eth0"], None),
    ({"hsflowd_sampling": 0}, ["eth0"], "sampling is switched off"),
])
def test_why_a_host_samples_nothing(variables, uplinks, words):
    info = dict(RUNNING, interfaces=INTERFACES, uplinks=uplinks, modules={"available": ["pcap", "nflog", "psample"], "mapped": []})
    found = _proof.expected_of("web1", {"__hsflowd_info": info, **variables})
    assert words in found["no_tap"] if words else "no_tap" not in found


def test_a_host_that_cannot_be_reached_is_asked_about_all_the_same():
    info = {"unreachable": True, "msg": "Connection refused\nmore"}
    found = _proof.expected_of("web1", {"ansible_host": "192.0.2.1", "__hsflowd_info": info})
    assert found["not_asked"] == "Connection refused" and found["daemon"] == "unknown"
    assert found["other_addresses"] == ["192.0.2.1"]


# -- answers ------------------------------------------------------------------------------------------------------------

SERVER = {"url": "http://127.0.0.1:8008", "kind": "netviz.sflow", "version": "1.0.0"}


def answered(*rows, unexpected=()):
    base = {"verdict": "reporting", "address": "192.0.2.1", "age_seconds": 1.2, "loss_percent": 0.0, "sampling": [400], "flow_samples": 5,
            "counter_samples": 9, "polling_seconds": 20.0, "reason": "", "next_command": ""}
    agents = [dict(base, **row) for row in rows]
    return {"item": {"host": "watch", "agents": [{"name": row["name"]} for row in rows]}, "agents": agents, "servers": [SERVER],
            "unexpected": list(unexpected)}


def test_failing_hosts_come_first():
    silent = {"name": "z", "verdict": "silent", "reason": "It is not running.", "next_command": "systemctl start hsflowd"}
    account = _proof.merge([answered({"name": "a"}, silent)], outcomes={"a": {"version": "2.0.53-1"}})
    assert account["failing"] == ["z"] and account["counts"] == {"reporting": 1, "silent": 1}
    assert account["reasons"] == {"z": "silent: It is not running."}
    lines = [line for line, _fine in _report.table(account)]
    assert [line.split()[0] for line in lines] == ["host", "z", "It", "Next:", "a", "2"]
    assert lines[4].split() == ["a", "192.0.2.1", "2.0.53-1", "-", "reporting", "1", "s", "0.0", "%", "5", "1:400", "9,", "every", "20", "s"]
    assert lines[5] == "2 hosts: 1 reporting, 1 silent. Asked: http://127.0.0.1:8008 (netviz.sflow 1.0.0)."


def test_of_several_collectors_the_worst_answer_counts():
    stale = {"name": "a", "verdict": "stale", "reason": "Seen 2 minutes ago."}
    second = dict(answered(stale, {"name": "b"}), item={"host": "watch2", "agents": []}, server_errors=["It is slow."])
    account = _proof.merge([answered({"name": "a"}, {"name": "b"}), second, answered({"name": "a"})])
    assert account["counts"] == {"stale": 1, "reporting": 1} and account["failing"] == ["a"]
    assert account["reasons"] == {"a": "stale: By watch2: Seen 2 minutes ago."} and account["problems"] == ["watch2: It is slow."]
    assert _report.summary(account).endswith(
        "Asked: http://127.0.0.1:8008 on watch (netviz.sflow 1.0.0), http://127.0.0.1:8008 on watch2 (netviz.sflow 1.0.0), "
        "http://127.0.0.1:8008 on watch (netviz.sflow 1.0.0).")
    away = {"item": {"host": "watch2", "agents": [{"name": "a"}, {"name": "b"}]}, "unreachable": True, "msg": "No route to host"}
    assert _proof.merge([second, away])["reasons"]["b"] == "unknown: The collector could not be asked from watch2: No route to host."


UNPROVED = {"unproved": {"a": "silent: No datagram."}}
PROVED: dict = {"unproved": {}}
AWAY = {"unreachable": True, "changed": False, "msg": "No route to host"}
CHANGE = {"changed": True, "changes": ["package", "config", "service"]}


@pytest.mark.parametrize("variables, due, alive, outcome, words", [
    ({}, False, True, None, ""),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": PROVED}, True, True, "changed", ""),
    ({"__hsflowd_change": {"changed": False, "changes": []}}, False, True, None, ""),
    ({"__hsflowd_change": {"skipped": True, "changed": False}}, True, True, "not reached", "stopped before it"),
    ({}, True, True, "not reached", "stopped before it"),
    ({}, True, False, "left out", "could not reach or prepare it"),
    ({"__sflow_error": "x", "__hsflowd_change": AWAY}, True, True, "unreachable", "lost during the change (No route to host); the next run"),
    ({"__sflow_error": "x", "__hsflowd_change": AWAY}, True, False, "unreachable", "lost during the change"),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": PROVED, "__sflow_end": AWAY}, True, True, "unreachable", "lost after the proof"),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": UNPROVED, "__sflow_end": AWAY}, True, True, "not taken back", "nor taken back: No route"),
    ({"__sflow_error": "dpkg: no space\nleft"}, True, True, "failed", "dpkg: no space left."),
    ({"__sflow_error": "dpkg: no space left."}, True, True, "failed", "dpkg: no space left."),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": UNPROVED, "__sflow_end": {"changed": True, "left": "it is as it was"}},
     True, True, "rolled back", "could not be proved (silent: No datagram) and was taken back: it is as it was."),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": UNPROVED, "__sflow_end": {"changed": False, "msg": "no record"}},
     True, True, "not taken back", "nor taken back: no record"),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": PROVED, "__sflow_end": {"changed": True, "left": "it is as it was", "unproved": "no such rate"}},
     True, True, "rolled back", "could not be proved (no such rate) and was taken back: it is as it was."),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": UNPROVED, "__sflow_end": {"changed": False, "skipped": True, "msg": "x"}},
     True, True, "unproved", "and stays"),
    ({"__hsflowd_change": {"changed": False, "changes": []}, "__sflow_batch": UNPROVED}, False, True, None, ""),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": PROVED, "__sflow_end": {"changed": False, "msg": "Read-only file system."}},
     True, True, "failed", "is proved, and the host could not be told so (Read-only file system); the next run proves it again."),
])
def test_what_the_run_did_to_a_host(variables, due, alive, outcome, words):
    info = {"due": ["hsflowd.conf differs"] if due else []}
    found = _proof.outcome_of("a", dict(variables, __hsflowd_info=info), alive)
    note = found.get("note", "")
    assert found.get("outcome") == outcome and words in note and ".." not in note
    account = _proof.merge([answered({"name": "a"})], outcomes={"a": found})
    assert account["failing"] == (["a"] if outcome in _proof.FAILURES else [])
    assert not account["failing"] or account["reasons"]["a"].startswith(outcome)


def test_what_a_host_is_now_is_told_beside_what_was_done_to_it():
    def told(outcome, **row):
        return _proof.merge([answered({"name": "a", **row})], outcomes={"a": {"outcome": outcome, "note": "It was."}})["rows"][0]["reason"]

    late = {"verdict": "stale", "reason": "Seen 60 s ago."}
    assert told("rolled back") == "It was. Now it reports." and told("rolled back", **late) == "It was. Now: Seen 60 s ago."
    assert told("failed") == "It was." and told("failed", **late) == "It was. Seen 60 s ago."


def test_the_worst_is_first_and_nobody_is_called_well_unasked():
    verdicts = ["stale", "reporting", "silent", "losing"]
    account = _proof.merge([answered(*({"name": word, "verdict": word} for word in verdicts))], ["left"], {"left": {"outcome": "left out", "note": "x"}})
    assert [row["name"] for row in account["rows"]] == ["left", "silent", "stale", "losing", "reporting"]
    assert account["reasons"]["left"] == "left out: x" and account["counts"]["not asked"] == 1


def test_the_interval_that_was_asked_for_goes_before_that_of_the_daemon():
    assert _proof.expected_of("web1", {"hsflowd_polling": 7, "__hsflowd_info": RUNNING})["polling"] == 7
    assert _proof.expected_of("web1", {"__hsflowd_info": RUNNING})["polling"] == 20


def test_which_hosts_are_to_have_the_agent():
    fleet = {"a": {}, "b": {"hsflowd_state": "absent"}, "c": {"hsflowd_state": "present"}}
    assert [sflow_hosts(fleet, list(fleet), pick) for pick in ("wanted", "leaving")] == [["a", "c"], ["b"]]


def test_a_host_that_could_not_be_observed_fails_a_rollout_and_no_proof():
    away = {"__hsflowd_info": AWAY}
    assert "outcome" not in _proof.outcome_of("a", away, True)
    found = _proof.outcome_of("a", dict(away, __sflow_error="No route to host"), True)
    assert found["outcome"] == "unreachable" and found["note"] == "It could not be reached (No route to host)."
    assert _proof.merge([answered({"name": "a"})], outcomes={"a": found})["failing"] == ["a"]
    assert sflow_hosts({"a": away, "b": {"__hsflowd_info": RUNNING}}, ["a", "b"], "unreachable") == ["a"]


def test_a_change_is_not_blamed_for_losses():
    account = _proof.merge([answered({"name": "a", "verdict": "losing", "reason": "x"}, {"name": "b", "verdict": "stale", "reason": "y"})])
    assert sorted(account["failing"]) == ["a", "b"]
    assert account["unproved"] == {"b": "stale: y"}


@pytest.mark.parametrize("variables, dropped", [
    ({}, False),
    ({"__hsflowd_info": RUNNING, "__hsflowd_change": CHANGE, "__sflow_batch": PROVED, "__sflow_end": {"changed": False}}, False),
    ({"__hsflowd_info": AWAY}, True),
    ({"__hsflowd_change": AWAY}, True),
    ({"__sflow_error": "dpkg: no space left"}, True),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": UNPROVED}, True),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": PROVED, "__sflow_end": AWAY}, True),
    ({"__hsflowd_change": CHANGE, "__sflow_batch": PROVED, "__sflow_end": {"changed": False, "unproved": "no such rate"}}, True),
])
def test_which_hosts_a_rollout_goes_on_without(variables, dropped):
    assert sflow_hosts({"a": variables}, ["a"], "dropped") == (["a"] if dropped else [])


def test_no_secret_reaches_the_report():
    found = _proof.outcome_of("a", {"__sflow_error": "GET https://me:pa55@mirror/x failed, token=abc123 Password: hunter2"}, True)
    assert found["note"] == "GET https://***@mirror/x failed, token=*** Password: ***."
    assert "p/a" not in _proof.outcome_of("a", {"__sflow_error": "GET https://me:p/a55@mirror/x failed"}, True)["note"]


def test_the_version_before_and_after():
    outcome = _proof.outcome_of("a", {"__hsflowd_change": {**CHANGE, "version_before": "2.0.53-1"},
                                      "__hsflowd_info": {"unit": {}, "package": {"version": "2.1.11-1"}}}, True)
    row = _report.table(_proof.merge([answered({"name": "a"})], outcomes={"a": outcome}))[1][0]
    assert "2.0.53-1 -> 2.1.11-1  restarted  reporting" in row


def test_a_host_that_went_back_is_judged_by_its_last_observation():
    variables = {"__hsflowd_info": RUNNING, "__sflow_end": {"observed": {"unit": {"active_state": "inactive"}, "package": {"installed": False}}}}
    assert _proof.expected_of("web1", variables)["daemon"] == "absent"
    skipped = dict(variables, __sflow_end={"skipped": True, "changed": False})
    assert _proof.expected_of("web1", skipped)["daemon"] == "running"


def test_a_daemon_has_run_on_since_it_was_observed(monkeypatch):
    """So a datagram that proved it in its batch still does, and a sampling rate from before its start still says nothing."""
    monkeypatch.setattr(_proof.time, "time", lambda: 1030.0)
    observed = {"__hsflowd_info": dict(RUNNING, observed_at=1000.0), "__sflow_batch": PROVED}
    assert _proof.expected_of("web1", observed)["running_seconds"] == 80.0
    assert _proof.expected_of("web1", FLEET["web1"])["running_seconds"] == 50.0


def test_without_anybody_to_ask_the_hosts_still_have_a_row():
    account = _proof.merge([], hosts=["a"], outcomes={"a": {"outcome": "changed", "changes": ["config"]}})
    assert account["failing"] == [] and account["rows"][0]["verdict"] == "not asked"


def test_a_terminal_is_safe_from_what_agents_say():
    account = _proof.merge([answered({"name": "a", "reason": "x\x1b[2Jy", "verdict": "stale"})])
    assert all("\x1b" not in line for line, _fine in _report.table(account))


def test_a_collector_that_cannot_be_asked():
    item = {"host": "watch", "agents": [{"name": "a", "address": "192.0.2.1"}, {"name": "b"}]}
    account = _proof.merge([{"item": item, "unreachable": True, "msg": "No route to host\nfoo"}])
    assert account["failing"] == ["a", "b"] and account["counts"] == {"unknown": 2}
    assert account["problems"] == ["The collector could not be asked from watch: No route to host."]


def test_a_collector_that_is_asked_from_here_and_does_not_answer():
    account = _proof.merge([{"item": {"agents": []}, "msg": "Task failed: Timeout."}])
    assert account["problems"] == ["The collector could not be asked: Timeout."]


def test_what_the_host_of_the_collector_says_is_told():
    said = {"msg": "MODULE FAILURE\nSee stdout/stderr for the exact error", "module_stderr": "Shared connection closed.\n/bin/sh: 1: python3: not found\n"}
    account = _proof.merge([{"item": {"host": "watch", "agents": []}, **said}])
    assert account["problems"] == ["The collector could not be asked from watch: MODULE FAILURE: /bin/sh: 1: python3: not found."]


def test_an_ansible_core_that_cannot_manage_the_collectors_host_is_told():
    said = {"msg": "Module result deserialization failed", "module_stderr": "SyntaxError: future feature annotations is not defined"}
    (problem,) = _proof.merge([{"item": {"host": "watch", "agents": []}, **said}])["problems"]
    assert problem.startswith("The collector could not be asked from watch: the Python of this host is too old for ansible-core ")
    assert problem.endswith("a newer Python of the host.")


def test_a_large_fleet_shows_only_what_fails():
    rows = [{"name": f"web{n:03}"} for n in range(1, 100)] + [{"name": "bad", "verdict": "stale", "reason": "Old.", "next_command": "x"}]
    lines = [line for line, _fine in _report.table(_proof.merge([answered(*rows)]))]
    assert len(lines) == 6 and lines[1].startswith("bad") and lines[4] == "and 99 hosts that did not fail"


def test_an_agent_known_to_another_question_is_no_stranger():
    first = answered({"name": "a"}, unexpected=[{"address": "192.0.2.9", "host_name": "b"}, {"address": "198.51.100.1", "host_name": None}])
    account = _proof.merge([first, answered({"name": "b", "address": "192.0.2.9"})])
    assert [agent["address"] for agent in account["unexpected"]] == ["198.51.100.1"]
    assert _report.table(account)[-1][0] == "Agents that belong to none of these hosts: 198.51.100.1."


def test_hosts_outside_of_the_limit_are_no_strangers():
    unexpected = [{"address": "192.0.2.3", "host_name": None}, {"address": "192.0.2.8", "host_name": "web8.example.net"},
                  {"address": "192.0.2.9", "host_name": "evil"}]
    found = _proof.strangers(unexpected, [("web3", {"ansible_host": "192.0.2.3"}), ("web8", {})])
    assert [agent["host_name"] for agent in found] == ["evil"]


def test_no_answer_at_all():
    assert [line for line, _fine in _report.table(_proof.merge([]))] == ["0 hosts: none. Asked: nobody."]


# -- files --------------------------------------------------------------------------------------------------------------

HOSTILE = '<script>alert(1)</script>"&\'`${x}'


def full_account():
    bad = {"name": HOSTILE, "verdict": "stale", "reason": HOSTILE, "next_command": HOSTILE, "host_name": HOSTILE}
    return _proof.merge(
        [answered({"name": "a"}, bad, unexpected=[{"address": "198.51.100.1", "host_name": HOSTILE}])],
        outcomes={"a": {"version": "2.0.53-1", "secret": "never"}},
    )


def test_the_page_escapes_everything_and_needs_no_network():
    page = _report.as_html(full_account(), "2026-01-01 00:00:00 UTC")
    assert page.count("<script") == 1 and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "http://" not in page.replace("http://127.0.0.1:8008", "") and "https://" not in page and " src=" not in page
    assert "default-src &#x27;none&#x27;" in page


def test_the_policy_of_the_page_allows_its_own_script_and_style_only():
    import base64
    import hashlib
    import html
    import re

    page = _report.as_html(full_account(), "now")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1))
    for tag in ("style", "script"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.S).group(1)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_every_row_of_the_page_has_every_column():
    import re

    page = _report.as_html(full_account(), "now")
    heads = len(re.findall(r"<th ", page))
    rows = re.findall(r"<tr class=.*?</tr>", page, re.S)
    assert len(rows) == 2 and {len(re.findall(r"<td", row)) for row in rows} == {heads}


def test_the_file_for_programs():
    import json

    report = json.loads(_report.as_json(full_account(), "now"))
    assert report["proved"] is False and report["failing"] == [HOSTILE] and report["hosts"][1]["version"] == "2.0.53-1"
    assert "never" not in json.dumps(report)


@pytest.mark.parametrize("name, collectors, address", [
    ("web1", ["watch"], "192.0.2.2"),
    ("watch", ["watch"], "192.0.2.1"),  # its own packets to itself pass no interface
    ("watch", ["watch", "view"], "192.0.2.4"),
    ("web1", [], ""),
])
def test_where_the_packets_of_the_flow_proof_go(name, collectors, address):
    assert _proof.burst_address(FLEET, name, collectors, ["web1", "watch"]) == address


# -- what the module says of itself -------------------------------------------------------------------------------------

OPTIONS = yaml.safe_load(sflow_agents_info.DOCUMENTATION)["options"]
RETURNED = yaml.safe_load(sflow_agents_info.RETURN)


@pytest.mark.parametrize("answers", [
    {"/fleet/json": fleet([fleet_row("192.0.2.11", recent={"seconds": 420.0, "datagrams": 50, "lost": 0}), fleet_row("198.51.100.7")])},
    sflow_rt({"192.0.2.11": {}, "198.51.100.7": {}}),
])
def test_what_is_returned_is_documented_and_the_other_way_round(answers):
    hosts = [_verdicts.Expected({"name": "web1", "address": "192.0.2.11"}), _verdicts.Expected({"name": "web2", "address": "192.0.2.12"})]
    with serving(answers) as server:
        result = _verdicts.prove([_agents_api.Client(server.url)], hosts, _verdicts.Settings(), timeout=0)
    values = sflow_agents_info.answer(result, hosts)
    assert set(values) - {"changed"} == set(RETURNED)
    for name, documented in RETURNED.items():
        assert type(values[name]) is type(documented["sample"]) and documented["description"], name
        for item in [*values[name], *documented["sample"]] if "contains" in documented else []:
            assert list(item) == list(documented["contains"]), name
    assert len(values["agents"]) == 2 and len(values["unexpected"]) == 1


def test_the_sample_is_what_is_said_of_such_a_host():
    sample = RETURNED["agents"]["sample"][0]
    row = _agents_api.Row(agent=sample["seen_as"], recent=(sample["loss_seconds"], 20, 0), age=sample["age_seconds"], **{
        name: sample[name] for name in ("host_name", "datagrams", "lost", "flow_samples", "counter_samples", "sources", "server")
    }, data_sources=[{"name": "eth0", "sampling_rate": 400, "polling": 20.0, "flow_age": 31.0}])
    host = _verdicts.Expected({"name": "web2", "address": "192.0.2.12", "daemon": "stopped", "daemon_detail": "inactive/dead",
                               "hsflowd_version": "2.0.53-1"})
    (verdict,) = _verdicts.judge_all([host], _verdicts.Observation([row]), _verdicts.Settings(), 0)
    assert verdict.as_dict() == sample


def test_every_verdict_is_explained():
    notes = " ".join(yaml.safe_load(sflow_agents_info.DOCUMENTATION)["notes"])
    assert all(f"V({word})" in notes for word in _verdicts.VERDICTS)


def test_every_part_of_a_question_is_an_option():
    info = dict(RUNNING, uplinks=[], interfaces=INTERFACES, modules={"broken": {"pcap": ["libpcap.so.0.8"]}})
    found = _proof.expected_of("web1", {"__hsflowd_info": info, "hsflowd_agent_ip": "192.0.2.1"})
    assert set(found) <= set(OPTIONS["agents"]["suboptions"]) == set(sflow_agents_info.AGENT_OPTIONS)
