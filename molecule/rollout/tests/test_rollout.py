# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts of playbooks/site.yml over five hosts that go well, go wrong and are killed. The tests follow one another."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

REPO = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
HOSTS = [f"rollout-{number}" for number in range(1, 6)]
ADDRESS = {host: f"10.214.1.3{host[-1]}" for host in HOSTS}
NOWHERE = json.dumps({"hsflowd_collectors": [{"ip": "10.214.1.99"}]})
OTHER_RELEASE = f"hsflowd_deb_file={REPO}/.cache/packages/older/hsflowd-debian12.deb"

testinfra_hosts = ["rollout-1"]  # the tests look at all hosts themselves


def command(name: str, *arguments: str) -> list[str]:
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    return ["ansible-playbook", "-i", str(Path(inventory).parent), f"netviz.sflow.{name}", *arguments]


ENVIRONMENT = dict(os.environ, ANSIBLE_CONFIG=str(REPO / "ansible.cfg"), ANSIBLE_FORCE_COLOR="0", ANSIBLE_NOCOLOR="1")


def play(name: str, *arguments: str) -> tuple[int, str, dict[str, dict]]:
    """Exit status, output, and the rows of the report by host."""
    path = EPHEMERAL / "report.json"
    path.unlink(missing_ok=True)
    whole = command(name, "-e", f"sflow_report_path={EPHEMERAL}/report", *arguments)
    done = subprocess.run(whole, check=False, capture_output=True, text=True, env=ENVIRONMENT, cwd=REPO)
    rows = {row["name"]: row for row in json.loads(path.read_text())["hosts"]} if path.exists() else {}
    return done.returncode, done.stdout + done.stderr, rows


def inside(host: str, script: str) -> str:
    return subprocess.run(
        ["docker", "exec", host, "sh", "-c", script], check=True, capture_output=True, text=True
    ).stdout.strip()


def state(host: str) -> str:
    """What a rollout must not touch on a host that it does not reach."""
    return inside(
        host,
        "dpkg-query -W hsflowd; sha256sum /etc/hsflowd.conf /etc/systemd/system/hsflowd.service.d/*;"
        " systemctl show -p ExecMainStartTimestampMonotonic -p UnitFileState hsflowd",
    )


def files(host: str) -> str:
    """The same without the time of the start."""
    return re.sub(r"ExecMainStart.*", "", state(host))


def installations(host: str) -> int:
    """How often dpkg has installed or replaced the package."""
    return int(inside(host, "grep -cE ' (install|upgrade) hsflowd' /var/log/dpkg.log"))


def modules_run(host: str) -> bool:
    """Whether a module of Ansible is at work there: with pipelining an interpreter without arguments."""
    return bool(inside(host, "pgrep -f '^/usr/local/bin/python-of-host *$' || true"))


def verdicts(rows: dict[str, dict]) -> dict[str, str]:
    return {host: row["verdict"] for host, row in rows.items()}


ALL_REPORT = dict.fromkeys(HOSTS, "reporting")


def test_the_first_rollout_brought_everyone_in(host):
    report = json.loads((EPHEMERAL / "converge.json").read_text())
    assert report["proved"] and report["verdicts"] == {"reporting": 5}
    assert {row["name"]: row["seen_as"] for row in report["hosts"]} == ADDRESS
    page = (EPHEMERAL / "converge.html").read_text()
    assert all(f"<td>{name}</td>" in page for name in HOSTS)


def test_hosts_that_need_nothing_take_part_in_no_batch(host):
    before = {name: state(name) for name in HOSTS}
    status, output, rows = play("site")
    assert status == 0, output
    assert verdicts(rows) == ALL_REPORT and not any(row["outcome"] for row in rows.values())
    assert "changed=0" in output and not re.search(r"changed=[1-9]", output)
    assert "Bring package, configuration" not in output
    assert {name: state(name) for name in HOSTS} == before


def test_a_wrong_collector_stops_at_the_canary_which_goes_back(host):
    before = {name: state(name) for name in HOSTS}
    canary_before = files("rollout-1")
    status, output, rows = play("site", "-e", NOWHERE)
    assert status != 0
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "rollout-1": "rolled back",
        **dict.fromkeys(HOSTS[1:], "not reached"),
    }
    assert "sends to 10.214.1.99:6343 and not to this collector" in rows["rollout-1"]["reason"]
    assert [name for name, row in rows.items() if row["failed"]] == ["rollout-1"]
    assert re.search(r"^rollout-1 .*failed=1", output, re.M) and not re.search(r"^rollout-[2-5] .*failed=[1-9]", output, re.M)
    assert {name: state(name) for name in HOSTS[1:]} == {name: before[name] for name in HOSTS[1:]}
    assert files("rollout-1") == canary_before
    (EPHEMERAL / "report.html").rename(EPHEMERAL / "canary.html")  # for test_rollout_page.py
    assert verdicts(rows) == ALL_REPORT  # the canary too, as before


def test_a_host_that_is_away_counts_and_is_in_the_table(host):
    """Nothing listens on its port of ssh; its telemetry goes on."""
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "hsflowd_agent_ip": ADDRESS["rollout-4"]}
    inventory = EPHEMERAL / "away.json"
    inventory.write_text(json.dumps({"sflow_agents": {"hosts": {"rollout-4": away}}}))
    before = {name: state(name) for name in HOSTS}
    status, output, rows = play("site", "-i", str(inventory), "-e", "hsflowd_polling=4")
    assert status != 0 and "Bring package" not in output
    assert {name: row["outcome"] for name, row in rows.items()} == {**dict.fromkeys(HOSTS, "not reached"), "rollout-4": "unreachable"}
    assert next(iter(rows)) == "rollout-4" and verdicts(rows) == ALL_REPORT
    assert re.search(r"^rollout-4 .* unreachable  reporting ", output, re.M), output
    assert {name: state(name) for name in HOSTS} == before


def test_the_package_goes_back_with_the_configuration(host):
    before, installed = files("rollout-1"), installations("rollout-1")
    status, _output, rows = play("site", "--limit", "rollout-1", "-e", OTHER_RELEASE, "-e", NOWHERE)
    assert status != 0 and rows["rollout-1"]["outcome"] == "rolled back"
    assert files("rollout-1") == before
    assert installations("rollout-1") == installed + 2, "there and back"
    assert set(rows) == {"rollout-1"}


def test_some_may_fail_if_the_variable_says_so(host):
    more = json.dumps({"sflow_rollout_max_failures": 1, "sflow_rollout_batches": [1, 1, "100%"], "sflow_proof_timeout_seconds": 8})
    status, _output, rows = play("site", "-e", NOWHERE, "-e", more)
    assert status != 0
    assert sorted(name for name, row in rows.items() if row["outcome"] == "rolled back") == ["rollout-1", "rollout-2"]
    assert verdicts(rows) == ALL_REPORT


def test_a_burst_shows_the_samples_of_a_quiet_network(host):
    # One packet in 500 of next to none: without packets of its own no host would show a sample within the proof.
    quiet = ("--limit", "rollout-4,rollout-5", "-e", "hsflowd_sampling=500")
    status, output, rows = play("site", *quiet, "-e", "sflow_proof_flows=true")
    assert status == 0, output
    assert "Send packets that sampling must show" in output
    assert {name: row["outcome"] for name, row in rows.items()} == {"rollout-4": "changed", "rollout-5": "changed"}
    assert all(row["verdict"] == "reporting" and row["flow_samples"] > 0 and row["sampling"] == [500] for row in rows.values())
    # Not rollout-5, where the datagrams of all the others arrive: among so many packets there can be a sample. Once in a while there is
    # one on rollout-4 too.
    once = ("-e", '{"sflow_proof_require": ["flows"]}', "-e", "sflow_proof_timeout_seconds=0")
    for _look in range(3):
        time.sleep(8)  # until the samples before are too old to count
        quiet_status, _output, quiet_rows = play("verify", "--limit", "rollout-4", "-e", "hsflowd_sampling=500", *once)
        if quiet_status:
            break
    status, output, _rows = play("site", "--limit", "rollout-4,rollout-5")
    assert status == 0, output
    assert quiet_status != 0 and verdicts(quiet_rows) == {"rollout-4": "no_flows"}


def test_a_host_that_reports_with_other_settings_goes_back(host):
    """Somebody's drop-in has the daemon read another file. Polling every 3 s passes for the 4 s that were to be; the daemon says what it is."""
    drop_ins = "/etc/systemd/system/hsflowd.service.d"
    other = "[Service]\\nExecStart=\\nExecStart=/usr/sbin/hsflowd -m %%m -d -f /etc/other.conf\\n"
    inside("rollout-3", f"cp /etc/hsflowd.conf /etc/other.conf; printf '{other}' > {drop_ins}/zz-other.conf; systemctl daemon-reload")
    before = files("rollout-3")
    try:
        status, output, rows = play("site", "--limit", "rollout-3", "-e", "hsflowd_polling=4")
    finally:
        inside("rollout-3", f"rm /etc/other.conf {drop_ins}/zz-other.conf; systemctl daemon-reload; systemctl restart hsflowd && sleep 5")
    assert status != 0 and rows["rollout-3"]["outcome"] == "rolled back", output
    assert rows["rollout-3"]["reason"].startswith(
        "The change could not be proved (polling is 3, not 4) and was taken back: the old configuration is back and the service is active."
    )
    assert files("rollout-3").replace("\n\n", "\n") == re.sub(r".*zz-other.conf\n", "", before).replace("\n\n", "\n")


def test_a_missing_library_is_told_from_a_quiet_network(host):
    library = inside("rollout-2", "readlink -f /usr/lib/*/libpcap.so.0.8")
    inside("rollout-2", f"mv {library} /root/pcap && systemctl restart hsflowd && sleep 5")
    try:
        # With a burst of every host, so that all others do show samples.
        status, output, rows = play("verify", "-e", "sflow_proof_flows=true")
    finally:
        inside("rollout-2", f"mv /root/pcap {library} && systemctl restart hsflowd && sleep 5")
    assert status != 0
    assert verdicts(rows) == {**ALL_REPORT, "rollout-2": "no_flows"}
    assert "mod_pcap finds no libpcap.so.0.8" in rows["rollout-2"]["reason"]
    assert "ldd /etc/hsflowd/modules/mod_pcap.so" in rows["rollout-2"]["next_command"]
    assert re.search(r"^rollout-2 .*failed=1", output, re.M)


def test_two_hosts_with_one_address_are_seen(host):
    inside("rollout-3", f"sed -i 's/agentIP = .*/agentIP = {ADDRESS['rollout-4']}/' /etc/hsflowd.conf")
    inside("rollout-3", "systemctl restart hsflowd && sleep 5")
    status, _output, rows = play("verify")
    assert status != 0
    assert verdicts(rows) == {**ALL_REPORT, "rollout-3": "shared_address", "rollout-4": "shared_address"}
    assert "rollout-4" in rows["rollout-3"]["reason"] and "rollout-3" in rows["rollout-4"]["reason"]


def test_the_next_rollout_repairs_what_was_edited_by_hand(host):
    status, output, rows = play("site")
    assert status == 0, output
    assert verdicts(rows) == ALL_REPORT
    assert {name: row["outcome"] for name, row in rows.items() if row["outcome"]} == {"rollout-3": "changed"}


def test_a_run_that_is_killed_in_the_middle_is_taken_up_by_the_next(host):
    change = ("-e", "hsflowd_polling=2", "-e", '{"sflow_rollout_batches": [2, "100%"]}')
    process = subprocess.Popen(
        command("site", *change), env=ENVIRONMENT, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline, pending = time.time() + 120, False
        while not pending and process.poll() is None and time.time() < deadline:
            # The record of the state before is there from the first change of a host to its proof.
            pending = any("pending" in inside(name, "ls /var/lib/netviz-sflow") for name in HOSTS[:2])
            time.sleep(0.2)
        alive = process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert pending and alive, "it was to be killed while a change was on its way"
    deadline = time.time() + 60  # what was started on the hosts ends by itself
    while any(modules_run(name) for name in HOSTS):
        assert time.time() < deadline
        time.sleep(0.5)
    polling = {name: inside(name, "grep -o 'polling *= *[0-9]*' /etc/hsflowd.conf")[-1] for name in HOSTS}
    assert {polling[name] for name in HOSTS[2:]} == {"3"}, "the first batch was to be killed, not a later one"
    status, output, rows = play("site", *change)
    assert status == 0, output
    assert verdicts(rows) == ALL_REPORT
    for name in HOSTS:
        assert "polling=2" in inside(name, "cat /etc/hsflowd.auto").splitlines()
        assert "pending" not in inside(name, "ls -A /var/lib/netviz-sflow")


def test_a_part_of_the_fleet_can_be_verified(host):
    status, output, rows = play("verify", "--limit", "rollout-2:rollout-3")
    assert status == 0, output
    assert set(rows) == {"rollout-2", "rollout-3"}
    assert "belong to none" not in output  # the others are of the inventory


def test_the_silent_host_is_named(host):
    inside("rollout-4", "systemctl stop hsflowd")
    try:
        began = time.time()
        status, output, rows = play("verify", "-e", "sflow_proof_timeout_seconds=120")
    finally:
        inside("rollout-4", "systemctl start hsflowd")
    assert status != 0 and verdicts(rows) == {**ALL_REPORT, "rollout-4": "silent"}
    assert time.time() - began < 60, "nobody has to wait for what the host itself says"
    assert re.search(r"^rollout-4 .* silent ", output, re.M)
