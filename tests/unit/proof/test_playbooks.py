# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks over hosts that answer at once (tests/bench/connection/instant.py) and a collector that has heard them all."""

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

REPO = pathlib.Path(__file__).resolve().parents[3]
BENCH = REPO / "tests" / "bench"
sys.path.insert(0, str(BENCH))
import bench_fleet  # noqa: E402 - it lies beside the connection plugin

PLAYBOOK = shutil.which("ansible-playbook") or os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
HOSTS = ["host0", "host1", "host2"]
Run = collections.namedtuple("Run", "status plays failed text")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Runs a playbook with more variables for some hosts."""
    directory = tmp_path_factory.mktemp("fleet")
    server = bench_fleet.serve(len(HOSTS))
    answer = directory / "answer.json"
    answer.write_text(json.dumps(bench_fleet.FINISHED))
    common = bench_fleet.variables(answer, f"http://127.0.0.1:{server.server_address[1]}")

    def run(book, hosts=None, *arguments, others=None, **settings):
        members = {
            name: {"instant_address": bench_fleet.address(n), "ansible_host": bench_fleet.address(n), **(hosts or {}).get(name, {})}
            for n, name in enumerate(HOSTS)
        }
        groups = {"sflow_agents": {"hosts": members, "vars": common}, **(others or {})}
        (directory / "hosts.json").write_text(json.dumps(groups))
        command = [PLAYBOOK, "-i", str(directory / "hosts.json"), str(book), *arguments]
        environment = {**bench_fleet.ENVIRONMENT, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"), **settings}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=REPO)
        report = json.loads(done.stdout[done.stdout.index("{\n") :])
        plays = collections.defaultdict(list)  # a play with batches comes several times
        for play in report["plays"]:
            plays[play["play"]["name"]] += [(task["task"]["name"], list(task["hosts"])) for task in play["tasks"]]
        failed = {
            host: result["msg"]
            for play in report["plays"]
            for task in play["tasks"]
            for host, result in task["hosts"].items()
            if result.get("failed") or result.get("unreachable")
        }
        return Run(done.returncode, plays, failed, done.stdout + done.stderr)

    assert run(BENCH / "prepare_scale.yml", None, "--limit", "host0", "-e", "instant_address=192.0.2.1").status == 0
    run.answer, run.port = answer, server.server_address[1]
    yield run
    server.shutdown()
    server.server_close()


def tasks_of(run, host):
    return [task for tasks in run.plays.values() for task, hosts in tasks if host in hosts]


def test_a_host_that_needs_nothing_costs_one_task(fleet):
    run = fleet("playbooks/site.yml")
    assert run.status == 0 and not run.failed, run.text
    assert "3 hosts: 3 reporting" in run.text
    # Every task of every host is a process on the control node. The first host has the two tasks of the whole fleet besides.
    assert tasks_of(run, "host1") == tasks_of(run, "host2") == ["netviz.sflow.hsflowd : Observe the host"]
    assert len(tasks_of(run, "host0")) == 4  # the last one is skipped


@pytest.mark.parametrize("book", ["site", "verify", "prove", "remove", "settings"])
def test_the_syntax_can_be_checked_without_a_run(book, tmp_path):
    (tmp_path / "hosts.json").write_text(json.dumps({"sflow_agents": {"hosts": dict.fromkeys(HOSTS, {})}}))
    for flag in ("--syntax-check", "--list-tasks"):
        command = [PLAYBOOK, "-i", str(tmp_path / "hosts.json"), f"playbooks/{book}.yml", flag]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=bench_fleet.ENVIRONMENT, cwd=REPO)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("variable, words", [
    ("sflow_rollout_batches=[0,many]", "sflow_rollout_batches is "),
    ("sflow_rollout_max_failures=10%", "sflow_rollout_max_failures is \"10%\"; expected a whole number of hosts"),
    ("sflow_rollout_new_hosts=keep", "expected remove or stop"),
    ('{"sflow_rollout_batches": []}', "sflow_rollout_batches is []; expected a list of numbers of hosts"),
    ("sflow_rollout_rollback=ture", 'sflow_rollout_rollback is "ture"; expected true or false'),
    ("sflow_proof_flows=1s", "expected true or false"),
    ("sflow_proof_timeout_seconds=60s", "expected a number of seconds"),
    ("sflow_proof_timeout_seconds=inf", "expected a number of seconds, less than a week"),
    ("sflow_proof_max_age_seconds=1000000", "less than a week"),
    ("sflow_proof_token='pa55 word'", "sflow_proof_token is (not shown); expected letters, digits"),
    ("sflow_proof_max_age_seconds=1m", "expected a number of seconds, at least 1"),
    ("sflow_proof_max_loss_percent=200", "expected a number from 0 to 100"),
    ("sflow_proof_require=counter", "expected a list of counters and flows"),
    ("sflow_proof_url=http://me:pa55@collector:8008", "sflow_proof_url is \"http://***@collector:8008\"; expected http://HOST:PORT"),
])
def test_refused_variables_of_the_rollout_stop_everything_before_a_host_is_touched(fleet, variable, words):
    run = fleet("playbooks/site.yml", {"host0": DUE}, "-e", variable)
    assert run.status == 2 and words in run.failed["host0"], run.text
    assert list(run.plays)[-1] == "Stop where the variables of rollout or proof are refused" and "pa55" not in run.text


@pytest.mark.parametrize("variables", [
    ["sflow_rollout_batches=1,50%", "sflow_proof_require=counters", "sflow_proof_max_loss_percent=2.5", "sflow_rollout_max_failures=1"],
    ['sflow_rollout_batches=[1,"100%"]'], ['{"sflow_rollout_batches": 2}'],
])
def test_variables_from_the_command_line_are_texts(fleet, variables):
    run = fleet("playbooks/site.yml", {"host0": DUE}, "--check", *(word for one in variables for word in ("-e", one)))
    assert run.status == 0 and changed_in_batches(run) == {"host0"}, run.text


@pytest.mark.parametrize("book", ["verify", "prove"])
def test_where_there_is_no_agent_nothing_is_proved(fleet, book):
    run = fleet(f"playbooks/{book}.yml", None, others={"sflow_agents": {"hosts": {}}})
    assert run.status == 2 and "No host is in the group sflow_agents" in run.failed["localhost"], run.text


def test_a_limit_without_an_agent_proves_nothing(fleet):
    for book in ("verify", "prove"):
        run = fleet(f"playbooks/{book}.yml", None, "--limit", "watch", others={"sflow_collector": {"hosts": {"watch": {}}}})
        assert run.status == 2 and run.failed == {"watch": "No host of the group sflow_agents is within the limit, so nothing is proved."}, run.text
    run = fleet("playbooks/verify.yml", None, "--limit", "host2", others={"sflow_collector": {"hosts": {"watch": {}}}})
    assert run.status == 0 and "1 host: 1 reporting" in run.text, run.text


@pytest.mark.parametrize("strategy, alone", [("linear", False), ("free", True), ("host_pinned", True)])
def test_a_host_that_waits_for_no_other_sees_to_its_own_package(fleet, tmp_path, strategy, alone):
    play = {"hosts": "sflow_agents", "gather_facts": False, "strategy": strategy, "roles": ["netviz.sflow.hsflowd"]}
    (tmp_path / "play.json").write_text(json.dumps([play]))
    run = fleet(tmp_path / "play.json", {"host0": DUE, "host1": DUE}, "--check")
    assert run.status == 0, run.text
    for host in "host0", "host1":
        tasks = {name.rpartition(" : ")[2] for name in tasks_of(run, host)}
        assert "Bring package, configuration and service into effect" in tasks, run.text
        assert ("Refuse the host, or download its package" in tasks) is alone, tasks
    assert ("Divide the downloads among the hosts" in run.text) is not alone
    run = fleet(tmp_path / "play.json", {name: {**DUE, "hsflowd_agent_ip": "203.0.113.9"} for name in ("host0", "host1")}, "--check")
    assert run.status == 2 and set(run.failed) == {"host0", "host1"}, run.text
    assert all("host0, host1 would all report as 203.0.113.9" in sentence for sentence in run.failed.values())


def test_a_host_whose_address_one_has_that_was_refused_is_refused_too(fleet, tmp_path):
    """With strategy free the first may have left the play by the time that the second one is compared with the others."""
    role = {"name": "netviz.sflow.hsflowd", "rolespec_validate": False}
    tasks = [{"import_role": {**role, "tasks_from": "preflight"}},
             {"fail": {"msg": "gone"}, "when": "inventory_hostname == 'host0'"},
             {"import_role": {**role, "tasks_from": "alone"}}]
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "sflow_agents", "gather_facts": False, "tasks": tasks}]))
    run = fleet(tmp_path / "play.json", {name: {**DUE, "hsflowd_agent_ip": "203.0.113.9"} for name in ("host0", "host1")}, "--check")
    assert run.status == 2 and run.failed["host0"] == "gone", run.text
    assert "host0, host1 would all report as 203.0.113.9" in run.failed["host1"]


def test_where_no_host_is_ours_nothing_is_deployed(fleet):
    words = "No host of the groups sflow_agents, sflow_collector and sflow_rt is in the inventory, or within the limit, so there is nothing to deploy."
    run = fleet("playbooks/site.yml", None, others={"sflow_agents": {"hosts": {}}, "sflow_agent": {"hosts": {"host0": {}}}})
    assert run.status == 2 and words in run.failed["host0"], run.text
    run = fleet("playbooks/site.yml", None, "--check", "--limit", "other", others={"databases": {"hosts": {"other": {}}}})
    assert run.status == 2 and words in run.failed["other"], run.text


def test_where_every_agent_is_to_be_absent_there_is_nothing_to_prove(fleet):
    run = fleet("playbooks/verify.yml", {"host1": {"hsflowd_state": "absent"}}, "--limit", "host1")
    assert run.status == 0 and "1 host: 1 not asked" in run.text, run.text


def test_a_host_whose_agent_goes_is_no_canary(fleet, changing):
    hosts = {"host0": {"hsflowd_state": "absent"}, "host1": {**DUE, "instant_answer": str(changing), "hsflowd_agent_ip": "203.0.113.9"}, "host2": DUE}
    run = fleet("playbooks/site.yml", hosts, "-e", "sflow_proof_timeout_seconds=0")
    assert run.status == 2 and changed_in_batches(run) == {"host1"}, run.text


def test_refused_settings_stop_everything_before_a_change(fleet):
    hosts = {
        "host0": {"hsflowd_polling": 60},  # would be changed
        "host1": {"hsflowd_sampling": "many"},
        "host2": {"hsflowd_collectors": "{{ no_such_variable }}"},
    }
    run = fleet("playbooks/site.yml", hosts)
    assert run.status == 2 and set(run.failed) == {"host1", "host2"}, run.text
    assert run.failed["host1"].startswith("host1: hsflowd_sampling")
    assert "hsflowd_collectors cannot be worked out: 'no_such_variable' is undefined" in run.failed["host2"]
    assert list(run.plays)[-1] == "Stop before anything is changed where settings are refused"


def test_a_refused_host_is_not_connected_to(fleet):
    run = fleet("playbooks/site.yml", {"host1": {"hsflowd_state": "gone", "instant_answer": "/nowhere"}})
    assert run.status == 2 and run.failed == {"host1": "host1: hsflowd_state is \"gone\"; expected present or absent"}


AWAY = {"instant_answer": "/nowhere"}
DUE = {"hsflowd_header_bytes": 100}
BATCHES = "Change the agents, batch by batch"
IN_BATCHES = f"ansible_play_name == '{BATCHES}'"


def lost(fleet, when, until=None):
    """Variables of a host that needs a change and is away as soon as something is true."""
    return {**DUE, "instant_answer": f"{{{{ '/nowhere' if {when} else '{until or fleet.answer}' }}}}"}


@pytest.fixture
def changing(tmp_path):
    """The answer of hosts on which something changed."""
    path = tmp_path / "changed.json"
    path.write_text(json.dumps({**bench_fleet.FINISHED, "changed": True, "changes": ["package"]}))
    return path


def changed_in_batches(run):
    return {host for _task, hosts in run.plays[BATCHES] for host in hosts}


def test_a_host_that_is_away_is_in_the_table_and_fails_the_run(fleet):
    run = fleet("playbooks/site.yml", {"host2": AWAY})
    assert run.status == 2 and set(run.failed) == {"host2"}, run.text
    assert "3 hosts: 3 reporting, 1 unreachable" in run.text  # the collector hears it all the same
    assert run.failed["host2"] == "unreachable: It could not be reached (a host without an answer is away)."
    assert run.text.index("host2  ") < run.text.index("host0  ")  # the failing one first


def test_the_table_comes_where_nobody_can_be_reached(fleet):
    run = fleet("playbooks/site.yml", dict.fromkeys(HOSTS, AWAY))
    assert run.status == 2 and set(run.failed) == set(HOSTS), run.text
    assert "3 hosts: 3 reporting, 3 unreachable" in run.text


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_host_that_is_away_counts_as_one_that_failed(fleet, changing, allowed):
    run = fleet("playbooks/site.yml", {"host0": AWAY, "host1": {**DUE, "instant_answer": str(changing)}}, "-e", f"sflow_rollout_max_failures={allowed}")
    assert run.status == 2 and "host0" in run.failed, run.text
    assert changed_in_batches(run) == ({"host1"} if allowed else set())
    assert f"3 hosts: 1 {'changed' if allowed else 'not reached'}, 3 reporting, 1 unreachable" in run.text


NOT_REACHED = "It could not be reached (a host without an answer is away)."
LOST = "The connection was lost during the change (a host without an answer is away); the next run takes it up."


@pytest.mark.parametrize("allowed, when, max_age, words", [
    (0, IN_BATCHES, 0, NOT_REACHED),  # a batch that comes late looks at its hosts again
    (0, IN_BATCHES, 60, LOST),  # another one goes by what was seen before the batches
    (0, "__hsflowd_downloads is defined", 60, LOST),
    (1, "__hsflowd_downloads is defined", 60, LOST),
])
def test_a_canary_that_is_lost_stops_the_rollout(fleet, allowed, when, max_age, words):
    hosts = {"host0": lost(fleet, when), "host1": DUE}
    more = (f"sflow_rollout_max_failures={allowed}", '{"sflow_rollout_batches": [1]}', f"__hsflowd_max_age={max_age}")
    run = fleet("playbooks/site.yml", hosts, *(word for one in more for word in ("-e", one)))
    assert run.status == 2 and "host0" in run.failed, run.text
    assert changed_in_batches(run) == ({"host0", "host1"} if allowed else {"host0"})
    assert run.failed == {"host0": f"unreachable: {words}"} and "1 unreachable" in run.text


def test_a_host_that_is_lost_after_its_proof_counts_too(fleet, changing):
    hosts = {"host0": lost(fleet, "__sflow_batch is defined", changing), "host1": DUE}
    run = fleet("playbooks/site.yml", hosts, "-e", '{"sflow_rollout_batches": [1]}')
    assert run.status == 2 and set(run.failed) == {"host0"}, run.text
    assert changed_in_batches(run) == {"host0"}
    assert "The connection was lost after the proof" in run.failed["host0"]


def test_a_host_that_another_run_has_changed_meanwhile_is_proved(fleet, tmp_path):
    before = tmp_path / "before.json"
    before.write_text(json.dumps({**json.loads(fleet.answer.read_text()), "pending": True}))
    answer = f"{{{{ '{fleet.answer}' if {IN_BATCHES} else '{before}' }}}}"
    run = fleet("playbooks/site.yml", {"host0": {"instant_answer": answer}}, "-e", "__hsflowd_max_age=0")  # its batch comes late
    assert run.status == 0 and not run.failed, run.text
    assert changed_in_batches(run) == {"host0"} and "3 hosts: 3 reporting." in run.text


def test_packets_are_made_before_the_question(fleet, changing):
    run = fleet("playbooks/site.yml", {"host0": {**DUE, "instant_answer": str(changing)}}, "-e", "sflow_proof_flows=true",
                "-e", '{"sflow_proof_require": ["counters"]}')
    assert run.status == 0 and not run.failed, run.text
    tasks = [task for task, _hosts in run.plays[BATCHES]]
    assert tasks.index("Send packets that sampling must show") < tasks.index("Ask the collector about every agent") < len(tasks) - 1


def said(tmp_path, **answer):
    path = tmp_path / "said.json"
    path.write_text(json.dumps(answer))
    return str(path)


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_host_that_cannot_be_observed_counts_as_one_that_failed(fleet, changing, tmp_path, allowed):
    hosts = {"host0": {"instant_answer": said(tmp_path, failed=True, msg="sudo: a password is required")},
             "host1": {**DUE, "instant_answer": str(changing)}}
    run = fleet("playbooks/site.yml", hosts, "-e", f"sflow_rollout_max_failures={allowed}")
    assert run.status == 2 and "sudo: a password is required" in run.failed["host0"], run.text
    assert changed_in_batches(run) == ({"host1"} if allowed else set())
    assert f"3 hosts: {'1 changed, 1 failed' if allowed else '1 failed, 1 not reached'}, 3 reporting" in run.text


def test_a_change_that_could_not_be_told_to_stand_counts(fleet, changing, tmp_path):
    full = said(tmp_path, failed=True, msg="No space left on device")
    hosts = {"host0": {**DUE, "instant_answer": f"{{{{ '{full}' if __sflow_batch is defined else '{changing}' }}}}"}, "host1": DUE}
    run = fleet("playbooks/site.yml", hosts, "-e", '{"sflow_rollout_batches": [1]}')
    assert run.status == 2 and set(run.failed) == {"host0"}, run.text
    assert changed_in_batches(run) == {"host0"}
    why = "/var/lib/netviz-sflow/hsflowd.pending could not be removed: No space left on device"
    assert f"could not be told so ({why}); the next run proves it again" in run.failed["host0"]


@pytest.mark.parametrize("back, outcome", [(True, "and was taken back: it is as it was. Now it reports."), (False, "and stays. Now it reports.")])
def test_a_change_that_is_not_in_effect_when_it_is_proved_is_taken_back(fleet, tmp_path, back, outcome):
    awaited = {"collectors": [{"ip": "192.0.2.9", "udpport": 6343}], "agent_address": None, "sampling": 400, "polling": 20, "seconds": 1}
    changed = said(tmp_path, **{**bench_fleet.FINISHED, "changed": True, "changes": ["config"], "left": "it is as it was", "awaited": awaited})
    hosts = {"host0": {**DUE, "instant_answer": changed}, "host1": DUE}
    run = fleet("playbooks/site.yml", hosts, "-e", '{"sflow_rollout_batches": [1]}', "-e", f"sflow_rollout_rollback={back}")
    assert run.status == 2 and set(run.failed) == {"host0"}, run.text
    assert changed_in_batches(run) == {"host0"}  # the rollout stops
    assert f"The change could not be proved (after 1 s /etc/hsflowd.auto is not complete) {outcome}" in run.failed["host0"]


@pytest.mark.parametrize("settings", [{"ANSIBLE_STRATEGY": "free"}, {"ANSIBLE_ANY_ERRORS_FATAL": "1"}])
def test_the_configuration_of_ansible_does_not_change_what_a_rollout_is(fleet, changing, settings):
    hosts = {"host0": AWAY, "host1": {**DUE, "instant_answer": str(changing)}, "host2": {**DUE, "instant_answer": str(changing)}}
    run = fleet("playbooks/site.yml", hosts, "-e", "sflow_rollout_max_failures=1", **settings)
    assert run.status == 2 and set(run.failed) == {"host0"}, run.text
    assert "3 hosts: 2 changed, 3 reporting, 1 unreachable" in run.text
    asked = [hosts for task, hosts in run.plays[BATCHES] if task == "Ask the collector about every agent"]
    assert [len(hosts) for hosts in asked] == [1, 1]  # once per batch


@pytest.mark.parametrize("book", ["site", "verify"])
def test_a_collector_that_cannot_be_reached_is_a_verdict(fleet, changing, book):
    collector = {"sflow_collector": {"hosts": {"watch": {"ansible_connection": "instant", "instant_address": "192.0.2.9", **AWAY}}}}
    hosts = {name: {"sflow_proof_url": ""} for name in HOSTS}
    hosts["host0"].update(DUE, instant_answer=str(changing))
    run = fleet(f"playbooks/{book}.yml", hosts, *(["--limit", "sflow_agents"] if book == "site" else []), others=collector)
    assert run.status == 2 and {"host1", "host2"} <= set(run.failed), run.text
    assert run.failed["host1"] == "unknown: The collector could not be asked from watch: a host without an answer is away."
    taken_back = "netviz.sflow.hsflowd_apply" in run.text or "Let the change stand or take it back" in [task for task, _hosts in run.plays[BATCHES]]
    assert taken_back or book == "verify"


def test_a_variable_that_cannot_be_worked_out_of_a_host_that_nobody_asked_about(fleet):
    run = fleet("playbooks/verify.yml", {"host2": {"hsflowd_agent_ip": "{{ ansible_facts.default_ipv4.address }}"}}, "--limit", "host0,host1")
    assert run.status == 0 and "2 hosts: 2 reporting" in run.text, run.text


def test_the_collector_of_a_host_that_is_away_may_be_unknown(fleet):
    """With several collectors the inventory says where it sends to, if that can be worked out."""
    python = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    ports = {"collector_http_port": fleet.port}
    collectors = {name: {**python, **ports, "collector_address": f"192.0.2.{number}"} for number, name in enumerate(("watch", "watch2"), 1)}
    hosts = dict.fromkeys(HOSTS, {"sflow_proof_url": "", **AWAY, "hsflowd_collectors": [{"ip": "{{ no_such_variable }}"}]})
    run = fleet("playbooks/verify.yml", hosts, others={"sflow_collector": {"hosts": collectors}})
    assert run.status == 0 and "3 hosts: 3 reporting" in run.text, run.text


def test_an_agent_that_is_taken_away_has_no_part_in_the_proof(fleet, changing):
    run = fleet("playbooks/site.yml", {"host0": {"hsflowd_state": "absent", "instant_answer": str(changing)}})
    assert run.status == 0 and not run.failed, run.text
    assert "netviz.sflow.hsflowd : Remove the agent" in [task for task, _hosts in run.plays[BATCHES]]
    assert "3 hosts: 1 changed, 1 not asked, 2 reporting" in run.text


def test_only_hosts_that_need_a_change_are_in_the_batches(fleet):
    at_once = ("--check", "-e", '{"sflow_rollout_batches": ["100%"]}')
    changed = {"hsflowd_polling": 60}
    run = fleet("playbooks/site.yml", {"host0": {"hsflowd_state": "absent"}, "host2": changed}, *at_once)
    assert changed_in_batches(run) == {"host0", "host2"}
    assert not [task for task in tasks_of(run, "host2") if "Validating" in task]  # hsflowd_plan has checked the same
    assert "Ask the collector" not in run.text  # what would be deployed cannot report yet
    limited = fleet("playbooks/site.yml", {"host1": changed, "host2": changed}, *at_once, "--limit", "host0,host1")
    assert changed_in_batches(limited) == {"host1"}


def test_the_role_alone_refuses_and_observes_alike(fleet, tmp_path):
    play = tmp_path / "play.json"
    play.write_text(json.dumps([{"name": "Role", "hosts": "all", "gather_facts": False, "roles": ["netviz.sflow.hsflowd"]}]))
    run = fleet(play, {"host1": {"hsflowd_polling": 999, "instant_answer": "/nowhere"}})
    assert run.status == 2 and set(run.failed) == {"host1"}, run.text
    assert run.failed["host1"].startswith("host1: hsflowd_polling")
    assert [task.split(" - ")[0] for task in tasks_of(run, "host0")] == [
        "netviz.sflow.hsflowd : Validating arguments against arg spec 'main'",
        "netviz.sflow.hsflowd : Observe the host",
        "netviz.sflow.hsflowd : Bring the host to its plan, or take the agent away",
    ]


def test_verify_looks_once_at_each_host(fleet):
    run = fleet("playbooks/verify.yml", {"host2": {"instant_answer": "/nowhere"}})
    assert run.status == 0, run.text  # its telemetry arrives
    assert tasks_of(run, "host1") == tasks_of(run, "host2") == ["Look at the agent"]


def test_the_proof_alone_reaches_no_agent(fleet):
    run = fleet("playbooks/prove.yml", dict.fromkeys(HOSTS, {"instant_answer": "/nowhere"}))
    assert run.status == 0 and "3 hosts: 3 reporting" in run.text, run.text


def test_hosts_that_do_not_report_are_named_one_by_one(fleet):
    run = fleet("playbooks/verify.yml", {"host1": {"hsflowd_agent_ip": "203.0.113.9"}}, "-e", "sflow_proof_timeout_seconds=0")
    assert run.status == 2 and set(run.failed) == {"host1"}, run.text
    assert run.failed["host1"].startswith("wrong_source: ")


def test_without_a_collector_nothing_is_proved(fleet):
    nobody = dict.fromkeys(HOSTS, {"sflow_proof_url": ""})
    verified = fleet("playbooks/verify.yml", nobody)
    assert verified.status == 2 and "Put a host into the group sflow_collector" in verified.text
    assert fleet("playbooks/site.yml", nobody).status == 0
