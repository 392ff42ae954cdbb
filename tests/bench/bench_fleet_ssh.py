# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of bench_fleet.py that needs a Docker engine: real systemd, real ssh, and the agent that HSFLOWD_DEB names, else the stand-in."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "agent"))

import packages

ROOT = Path(__file__).resolve().parents[2]
IMAGE, NETWORK, GATEWAY = "netviz-sflow/bench:local", "netviz-bench", "10.216.0.1"
VERSION = "2.0.53-1"
DOCKERFILE = """
FROM netviz-sflow/debian12:local
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \\
      openssh-server libpcap0.8 libnfnetlink0 >/dev/null && rm -rf /var/lib/apt/lists/*
COPY key.pub /root/.ssh/authorized_keys
RUN chmod 700 /root/.ssh && chmod 600 /root/.ssh/authorized_keys
"""


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True)
    if check and done.returncode:
        sys.exit(f"docker {' '.join(arguments)} failed: {done.stderr[-2000:]}")
    return done.stdout


def fleet(hosts: int, rounds: int, run, environment: dict[str, str]) -> None:
    directory = Path(tempfile.mkdtemp(prefix="bench-fleet-"))
    names = [f"bench-{n}" for n in range(1, hosts + 1)]
    try:
        up(directory, names)
        Bench(directory, names, run, environment).measure(rounds)
    finally:
        docker("rm", "-f", *names, check=False)
        docker("network", "rm", NETWORK, check=False)
        shutil.rmtree(directory)


def up(directory: Path, names: list[str]) -> None:
    for script in (["engine.sh"], ["build.sh", "debian12"]):
        subprocess.run([str(ROOT / "tests/images" / script[0]), *script[1:]], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "key")], check=True)
    (directory / "Dockerfile").write_text(DOCKERFILE)
    docker("build", "-q", "-t", IMAGE, str(directory))
    docker("network", "create", "--subnet", "10.216.0.0/24", "--gateway", GATEWAY, NETWORK)
    for n, name in enumerate(names, 11):
        docker(
            "run", "-d", "--name", name, "--hostname", name, "--network", NETWORK, "--ip", f"10.216.0.{n}", "--cgroupns", "host",
            "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--security-opt", "seccomp=unconfined",
            "--security-opt", "apparmor=unconfined", "--tmpfs", "/run", "--tmpfs", "/tmp",
            "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "--stop-signal", "SIGRTMIN+3", IMAGE, "/lib/systemd/systemd",
        )  # fmt: skip
    end = time.time() + 120
    for name in names:
        while docker("exec", name, "systemctl", "is-active", "ssh", check=False).strip() != "active":
            if time.time() > end:
                sys.exit(f"{name} has no sshd after two minutes")
            time.sleep(0.5)


def release(directory: Path) -> tuple[str, Path]:
    """The version of the agent, and its package, laid out below directory as upstream's releases are."""
    real = packages.from_environment().get("debian12")
    print(f"agent: {real or f'the stand-in for {VERSION}'}", flush=True)
    if real:
        version = packages.release_of(real)
        (directory / f"v{version}").mkdir(parents=True)
        return version, Path(shutil.copy(real, directory / f"v{version}" / f"hsflowd-debian12_{version}_amd64.deb"))
    builder = [sys.executable, str(ROOT / "tests/agent/build.py"), "--version", VERSION, "--platform", "debian12", "--arch", "amd64"]
    built = subprocess.run([*builder, "--out", str(directory / "v{version}")], check=True, capture_output=True, text=True)
    return VERSION, Path(built.stdout.split()[-1])


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


AGENTS, CHANGES = "See what is due on the agents", "Change the agents, batch by batch"
WIPE = (
    "systemctl disable -q --now hsflowd; dpkg --purge hsflowd;"
    " rm -rf /etc/hsflowd* /etc/systemd/system/hsflowd.service.d /var/lib/netviz-sflow/hsflowd* /etc/rc?.d/*hsflowd /tmp/hsflowd.deb"
)


class Bench:
    """The playbooks over a fleet that is up, in rounds; each play book is measured right after a ping."""

    def __init__(self, directory: Path, names: list[str], run, environment: dict[str, str]) -> None:
        self.names, self.run, self.inventory = names, run, directory / "hosts.yml"
        self.times = directory / "plays.json"
        environment.update(
            ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests/bench/callback"), ANSIBLE_CALLBACKS_ENABLED="play_times", PLAY_TIMES=str(self.times)
        )
        address = {name: f"10.216.0.{n}" for n, name in enumerate(names, 11)}
        releases = directory / "releases"
        version, package = release(releases)
        server = http.server.ThreadingHTTPServer((GATEWAY, 0), functools.partial(Files, directory=str(releases)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror, self.cache = f"http://{GATEWAY}:{server.server_address[1]}", directory / "cache"
        variables = {
            "ansible_user": "root", "ansible_ssh_private_key_file": str(directory / "key"), "ansible_python_interpreter": "/usr/bin/python3",
            "sflow_proof_max_loss_percent": 100,  # a busy machine loses datagrams, which is not what is measured
            "sflow_proof_timeout_seconds": 300,
            "hsflowd_version": version, "hsflowd_release_url": mirror, "hsflowd_cache_dir": str(self.cache), "hsflowd_polling": 5,
            "sflow_rollout_batches": ["100%"],
            "collector_numpy": False, "collector_address": address[names[-1]],
            "plain_url": f"{mirror}/{package.relative_to(releases)}", "plain_polling": 5, "plain_collector": address[names[-1]],
        }  # fmt: skip
        groups = {
            "sflow_agents": {"hosts": {name: {"ansible_host": address[name]} for name in names}},
            "sflow_collector": {"hosts": {names[-1]: {}}},
        }
        self.inventory.write_text(json.dumps({"all": {"vars": variables, "children": groups}}))
        self.figures: dict[str, list[float]] = {}

    def ping(self) -> float:
        return self.run("ansible", "-i", str(self.inventory), "all", "-m", "ping", "-o")[0]

    def wipe(self) -> None:
        self.run("ansible", "-i", str(self.inventory), "all", "-m", "shell", "-a", WIPE, "-o")
        shutil.rmtree(self.cache, ignore_errors=True)

    def play(self, what: str, book: str, *more: str) -> tuple[float, float, list[dict[str, Any]]]:
        """(seconds, those of the ping before it, its plays)"""
        beside = self.ping()
        wall, _cpu, _rss, text = self.run("ansible-playbook", "-i", str(self.inventory), book, *more)
        plays = json.loads(self.times.read_text())
        changed = sum(int(number) > 0 for number in re.findall(r" changed=([0-9]+)", text))
        if changed != (len(self.names) if "nothing to do" not in what else 0) and "plain, nothing" not in what:
            sys.exit(f"{what}: {changed} hosts were changed\n{text[-8000:]}")
        self.note(f"{what}, seconds", wall)
        self.note(f"{what} / ping", wall / beside)
        print(f"  {what:34} {wall:6.1f} s   ping before it {beside:5.1f} s   ratio {wall / beside:5.2f}", flush=True)
        return wall, beside, plays

    def note(self, what: str, figure: float) -> None:
        self.figures.setdefault(what, []).append(figure)

    def measure(self, rounds: int) -> None:
        site, plain = "playbooks/site.yml", str(ROOT / "tests/bench/plain.yml")
        self.ping()  # opens the connections
        self.run("ansible-playbook", "-i", str(self.inventory), site, "--limit", self.names[-1])  # the collector; its agent goes again
        for number in range(1, rounds + 1):
            print(f"round {number} of {rounds}, load average {os.getloadavg()[0]:.0f}")
            self.wipe()
            plain_first, _ping, plain_plays = self.play("plain, first time", plain)
            self.play("plain, nothing to do", plain)  # it restarts the daemon
            self.wipe()
            first, _ping, plays = self.play("site.yml, first time", site)
            self.note("site.yml, first time, proof, seconds", proof(plays))
            self.note("first time / plain's first time, proof not counted", (first - proof(plays)) / plain_first)
            ours = [play for play in plays if play["name"] in (AGENTS, CHANGES)]
            if len(ours) != 2:
                sys.exit(f"the plays are called {[play['name'] for play in plays]}")
            agents_first = sum(play["seconds"] for play in ours) - proof(ours)
            self.note("the same, plays of the agents alone", agents_first / sum(play["seconds"] for play in plain_plays))
            _wall, beside, plays = self.play("site.yml, nothing to do", site)
            agents = next(play for play in plays if play["name"] == AGENTS)
            self.note("agents' play, nothing to do, seconds", agents["seconds"])
            self.note("agents' play, nothing to do / ping", agents["seconds"] / beside)
            self.note("controller CPU of the agents' play, ms per host", 1000 * agents["cpu_seconds"] / len(self.names))
            self.note("tasks on a host that needs nothing", most_tasks(plays, self.names[:-1]))
            changed, _ping, plays = self.play("site.yml, one variable changed", site, "-e", "hsflowd_sampling=200")
            self.note("one variable changed / plain's first time, proof not counted", (changed - proof(plays)) / plain_first)
        self.show(rounds)

    def show(self, rounds: int) -> None:
        bars = {
            "first time / plain's first time, proof not counted": 0.5, "agents' play, nothing to do / ping": 1.5,
            "site.yml, nothing to do / ping": 2.5, "tasks on a host that needs nothing": 3,
            "controller CPU of the agents' play, ms per host": 60,
        }  # fmt: skip
        print(f"\n{len(self.names)} hosts, {rounds} rounds{'':40} median   lowest  highest   bar")
        for what, values in self.figures.items():
            verdict = f"{bars[what]:5g} {'met' if statistics.median(values) <= bars[what] else 'MISSED'}" if what in bars else ""
            print(f"{what:62} {statistics.median(values):8.2f} {min(values):8.2f} {max(values):8.2f} {verdict}")


def proof(plays: list[dict[str, Any]]) -> float:
    """Seconds in which the collector was asked and waited for."""
    return sum(task["seconds"] for play in plays for task in play["tasks"] if task["name"] == "Ask the collector about every agent")


def most_tasks(plays: list[dict[str, Any]], names: list[str]) -> int:
    """The largest number of tasks that ran for one of the hosts, whether they went there or stayed on the control node."""
    counts = Counter(host for play in plays for task in play["tasks"] for host in task["hosts"])
    return max(counts[name] for name in names)
