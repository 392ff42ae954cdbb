# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the running demo fleet (tests/acceptance.sh brings it up): what the README promises, asked from outside."""

from __future__ import annotations

import collections
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
INVENTORY = REPO / "tests/demo/inventory.yml"
COLLECTOR = "http://10.213.2.2:8008"
VIEWER = "http://127.0.0.1:8008"
POLLING_SECONDS = 5


def run(*command: str, check: bool = True, **options) -> subprocess.CompletedProcess:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # the tools beside this Python
    env = dict(os.environ, PATH=path, ANSIBLE_FORCE_COLOR="0", ANSIBLE_NOCOLOR="1", **options.pop("env", {}))
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=env, cwd=options.pop("cwd", REPO), **options
    )
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}")
    return done


def playbook(name: str, *arguments: str, check: bool = True, **options) -> str:
    done = run("ansible-playbook", "-i", str(INVENTORY), name, *arguments, check=check, **options)
    return done.stdout if check else f"exit status {done.returncode}\n{done.stdout}"


def recap(output: str) -> dict[str, dict[str, int]]:
    """The PLAY RECAP as host -> counter -> number."""
    rows = re.findall(r"^(\S+)\s+: (ok=.*)$", output[output.index("PLAY RECAP") :], re.M)
    return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", row)} for host, row in rows}


def get(url: str):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture(scope="session")
def agents() -> dict[str, str]:
    """Host name -> agent address, of the hosts that are up."""
    inventory = json.loads(run("ansible-inventory", "-i", str(INVENTORY), "--list").stdout)
    up = run("docker", "ps", "--format", "{{.Names}}").stdout.split()
    addresses = {
        host: settings["demo_address"]
        for host, settings in inventory["_meta"]["hostvars"].items()
        if "demo_address" in settings
    }
    return {host: address for host, address in addresses.items() if f"netviz-{host}" in up}


@pytest.mark.parametrize("server", [COLLECTOR, VIEWER], ids=["collector", "viewer"])
def test_every_agent_reports_counters_and_flows(server, agents):
    deadline = time.time() + 30
    while True:
        seen = get(f"{server}/agents/json")
        rows = {host: seen.get(address) for host, address in agents.items()}
        good = all(
            row
            and row["lastSeen"] < 2000 * POLLING_SECONDS
            and row["sFlowCounterSamples"] > 0
            and row["sFlowFlowSamples"] > 0
            for row in rows.values()
        )
        if good or time.time() > deadline:
            break
        time.sleep(1)
    assert len(agents) >= 3
    assert good, json.dumps(rows, indent=1)


def test_pages_answer():
    for url in (f"{COLLECTOR}/", f"{VIEWER}/app/vizceral/html/"):
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
            assert "text/html" in answer.headers["Content-Type"]


def test_picture_shows_the_sites(agents):
    picture = get(f"{COLLECTOR}/app/vizceral/scripts/traffic.js/data/json")["data"]
    names = {node["name"] for node in picture["nodes"]}
    assert {"INTERNET", "SiteAlpha", "SiteBeta"} <= names


def test_second_run_changes_nothing(agents):
    counters = recap(playbook("playbooks/site.yml", "--limit", ":".join([*agents, "viewer"])))
    assert set(agents) <= set(counters)
    assert {host: row["changed"] for host, row in counters.items()} == dict.fromkeys(counters, 0)


def test_check_run_of_a_deployed_fleet_predicts_nothing(agents):
    counters = recap(playbook("playbooks/site.yml", "--check", "--limit", ":".join([*agents, "viewer"])))
    assert {host: row["changed"] for host, row in counters.items()} == dict.fromkeys(counters, 0)


def test_verify_names_the_silent_host(agents):
    limit = ("--limit", ":".join(agents))
    assert "reporting" in playbook("playbooks/verify.yml", *limit)
    run("docker", "exec", "netviz-alpha-2", "systemctl", "stop", "hsflowd")
    try:
        output = playbook("playbooks/verify.yml", *limit, check=False)
    finally:
        run("docker", "exec", "netviz-alpha-2", "systemctl", "start", "hsflowd")
    assert "exit status 0" not in output
    table = {
        host: row
        for host, row in re.findall(r"^\W*(\S+)\s+(.*(?:reporting|silent).*)$", output, re.M)
        if host in agents
    }
    assert set(table) == set(agents), output
    assert "silent" in table.pop("alpha-2")
    assert all("reporting" in row for row in table.values()), output
    assert "reporting" in playbook("playbooks/verify.yml", *limit)


@pytest.fixture(scope="session")
def capture(tmp_path_factory) -> Path:
    """Twenty seconds of what every agent sends to the viewer; to the collector beta-2 sends without leaving its host."""
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed, and we are not root on Debian or Ubuntu to install it")
    network = run("docker", "network", "inspect", "-f", "{{.Id}}", "netviz-demo").stdout.strip()
    # Not below pytest's private directory: dumpcap gives up root before it opens the file.
    path = Path("/tmp") / f"netviz-acceptance-{os.getpid()}.pcap"
    run(
        "tshark",
        "-q",
        "-F",
        "pcap",
        "-i",
        f"br-{network[:12]}",
        "-a",
        "duration:20",
        "-f",
        "udp dst port 6343 and dst host 10.213.0.1",
        "-w",
        str(path),
    )
    yield path
    path.unlink()


def tshark_account(capture: Path) -> dict[str, collections.Counter]:
    """Agent address -> datagrams, samples by kind and sampling rates, as tshark counts them."""
    fields = ("sflow_245.agent", "sflow_245.numsamples", "sflow_245.sampletype", "sflow.flow_sample.sampling_rate")
    arguments = [part for field in fields for part in ("-e", field)]
    # The agents sample their own export too; what is inside a sampled packet is not to be counted.
    outside = ("-o", "sflow.enable_dissection:FALSE")
    lines = run("tshark", "-r", str(capture), *outside, "-Y", "sflow", "-T", "fields", *arguments).stdout.splitlines()
    account: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for line in lines:
        agent, samples, kinds, rates = line.split("\t")
        counts = account[agent]
        counts["datagrams"] += 1
        counts["samples"] += int(samples)
        for kind in filter(None, kinds.split(",")):
            counts["flow_samples"] += int(kind) in (1, 3)
            counts["counter_samples"] += int(kind) in (2, 4)
        for rate in filter(None, rates.split(",")):
            counts[f"rate {rate}"] += 1
    return dict(account)


def our_account(capture: Path) -> dict[str, collections.Counter]:
    """The same, from the collector's own replay."""
    package = REPO / "roles/collector/files"
    replay = json.loads(
        run(
            sys.executable, "-m", "sflow_collector", "replay", "--json", str(capture), env={"PYTHONPATH": str(package)}
        ).stdout
    )
    account: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for row in replay["agents"]:
        counts = account[row["agent"]]
        counts["datagrams"] += row["datagrams"]
        counts["samples"] += row["flow_samples"] + row["counter_samples"] + row["discard_samples"]
        counts["flow_samples"] += row["flow_samples"]
        counts["counter_samples"] += row["counter_samples"]
        for source in row["data_sources"]:
            if source["flow_samples"]:
                assert not source["previous_sampling_rates"]
                counts[f"rate {source['sampling_rate']}"] += source["flow_samples"]
    return dict(account)


# The records that tshark 4.0 reads. It does not step over others, such as a host's counters or the time stamp of newer
# agents, but takes their bodies for further records and may call the datagram malformed.
TSHARK_READS = {"flow": {1, 2, 3, 4, 1001}, "counters": {1, 2, 3, 4, 5}}


def walk(datagram: bytes) -> set[tuple[str, int]]:
    """The records of a datagram, (kind of sample, format), by nothing but the lengths (sFlow v5, section 5).

    Fails unless samples fill the datagram, and records fill the samples, to the byte.
    """

    def word(offset: int) -> int:
        return int.from_bytes(datagram[offset : offset + 4], "big")

    assert (word(0), word(4)) == (5, 1)
    found, offset = set(), 28
    for _sample in range(word(24)):
        form, end = word(offset), offset + 8 + word(offset + 4)
        kind, header = {1: ("flow", 32), 2: ("counters", 12), 3: ("flow", 44), 4: ("counters", 16)}[form]
        records, offset = word(offset + 8 + header - 4), offset + 8 + header
        for _record in range(records):
            found.add((kind, word(offset)))
            offset += 8 + (word(offset + 4) + 3) // 4 * 4
        assert offset == end
    assert offset == len(datagram)
    return found


def test_no_datagram_is_malformed(capture, agents):
    outside = ("-o", "sflow.enable_dissection:FALSE")
    rows = run("tshark", "-r", str(capture), *outside, "-T", "fields", "-e", "frame.number", "-e", "udp.payload").stdout
    frames = dict(row.split("\t") for row in rows.splitlines())
    senders = {".".join(str(byte) for byte in bytes.fromhex(payload)[8:12]) for payload in frames.values()}
    assert senders == set(agents.values())
    readable = {
        frame
        for frame, payload in frames.items()
        if all(form in TSHARK_READS[kind] for kind, form in walk(bytes.fromhex(payload)))
    }
    shown = run(
        "tshark", "-r", str(capture), *outside, "-Y", "_ws.malformed || !sflow", "-T", "fields", "-e", "frame.number"
    )
    assert not readable & set(shown.stdout.split())
    print(f"{len(frames)} datagrams walked, {len(readable)} of them read by tshark to the end")


def test_tshark_and_the_collector_count_the_same(capture):
    readable = capture.with_suffix(".readable.pcap")
    run("tshark", "-r", str(capture), "-Y", "!_ws.malformed", "-F", "pcap", "-w", str(readable))
    try:
        independent = tshark_account(readable)
        # With a real agent whose every datagram has a record that tshark does not know, there is nothing to compare.
        assert len(independent) > 1
        assert our_account(readable) == independent
    finally:
        readable.unlink()


def test_collection_installs_and_runs_from_elsewhere(tmp_path, agents):
    run("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path))
    tarball = next(tmp_path.glob("netviz-sflow-*.tar.gz"))
    place = tmp_path / "place"
    env = {"ANSIBLE_COLLECTIONS_PATH": str(place), "ANSIBLE_INJECT_FACT_VARS": "false"}
    alone = dict(
        env, ANSIBLE_COLLECTIONS_SCAN_SYS_PATH="false"
    )  # do not see the working tree in the virtual environment
    run("ansible-galaxy", "collection", "install", "--no-deps", "-p", str(place), str(tarball), env=alone, cwd=tmp_path)
    run("ansible-galaxy", "collection", "verify", "--offline", "netviz.sflow", env=alone, cwd=tmp_path)
    done = run(
        "ansible-playbook",
        "-v",
        "-i",
        str(INVENTORY),
        "netviz.sflow.site",
        "--limit",
        ":".join([*agents, "viewer"]),
        env=env,
        cwd=tmp_path,
    )
    counters = recap(done.stdout)
    assert {host: row["changed"] for host, row in counters.items()} == dict.fromkeys(counters, 0)
    # It really was the installed copy that ran, not the working tree.
    source = run("ansible-doc", "--type", "module", "--json", "netviz.sflow.hsflowd_info", env=env, cwd=tmp_path).stdout
    assert str(place) in source
