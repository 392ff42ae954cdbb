# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of bench_fleet.py that needs a Docker engine: real systemd, real ssh, the stand-in agent."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

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


def fleet(hosts: int, run) -> None:
    directory = Path(tempfile.mkdtemp(prefix="bench-fleet-"))
    names = [f"bench-{n}" for n in range(1, hosts + 1)]
    try:
        up(directory, names)
        measure(directory, names, run)
    finally:
        docker("rm", "-f", *names, check=False)
        docker("network", "rm", NETWORK, check=False)
        shutil.rmtree(directory)


def up(directory: Path, names: list[str]) -> None:
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


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def measure(directory: Path, names: list[str], run) -> None:
    builder = [sys.executable, str(ROOT / "tests/agent/build.py"), "--version", VERSION, "--platform", "debian12", "--arch", "amd64"]
    package = subprocess.run([*builder, "--out", str(directory)], check=True, capture_output=True, text=True).stdout.split()[-1]
    files = functools.partial(Files, directory=str(directory))
    files_server = http.server.ThreadingHTTPServer((GATEWAY, 0), files)
    threading.Thread(target=files_server.serve_forever, daemon=True).start()
    address = {name: f"10.216.0.{n}" for n, name in enumerate(names, 11)}
    members = {name: {"ansible_host": address[name]} for name in names}
    variables = {
        "ansible_user": "root", "ansible_ssh_private_key_file": str(directory / "key"), "ansible_python_interpreter": "/usr/bin/python3",
        "sflow_proof_max_loss_percent": 100,  # a busy machine loses datagrams, which is not what is measured
        "hsflowd_version": VERSION, "hsflowd_deb_file": package, "hsflowd_polling": 5, "sflow_rollout_batches": ["100%"],
        "collector_numpy": False, "collector_address": address[names[-1]],
        "plain_url": f"http://{GATEWAY}:{files_server.server_address[1]}/{Path(package).name}", "plain_polling": 20,
        "plain_collector": address[names[-1]],
    }  # fmt: skip
    inventory = directory / "hosts.yml"
    groups = {"sflow_agents": {"hosts": members}, "sflow_collector": {"hosts": {names[-1]: {}}}}
    inventory.write_text(json.dumps({"all": {"vars": variables, "children": groups}}))

    def ping() -> float:
        return run("ansible", "-i", str(inventory), "all", "-m", "ping", "-o")[0]

    def play(book: str, *more: str) -> tuple[float, str]:
        wall, _cpu, _rss, text = run("ansible-playbook", "-i", str(inventory), book, *more)
        return wall, text

    site, plain = "playbooks/site.yml", str(ROOT / "tests/bench/plain.yml")
    ping()  # opens the connections
    rows: list[tuple[str, float, float]] = []

    def note(what: str, seconds: float) -> None:
        beside = ping()
        rows.append((what, seconds, beside))
        print(f"{what:44} {seconds:6.1f} s   ping beside it {beside:4.1f} s   ratio {seconds / beside:5.2f}", flush=True)

    note("plain role, first time", play(plain)[0])
    note("plain role, nothing to do", play(plain)[0])
    wipe = "systemctl disable -q --now hsflowd; dpkg --purge hsflowd; rm -rf /etc/hsflowd* /etc/systemd/system/hsflowd.service.d"
    run("ansible", "-i", str(inventory), "all", "-m", "shell", "-a", wipe, "-o")
    run("ansible-playbook", "-i", str(inventory), site, "--limit", names[-1])  # the collector; its agent goes again
    run("ansible", "-i", str(inventory), "all", "-m", "shell", "-a", wipe, "-o")
    first, text = play(site)
    note("site.yml, first time, proof included", first)
    proof = took("Ask the collector about every agent", text)
    for _again in range(2):
        seconds, text = play(site)
        note("site.yml, nothing to do", seconds)
        rows.append(("agents", took("Observe the host", text), rows[-1][2]))
    assert re.search(r"changed=0 ", text) and not re.search(r"changed=[1-9]", text), text[-2000:]
    note("site.yml, one variable changed, proof included", play(site, "-e", "hsflowd_sampling=200")[0])

    def best(what: str) -> float:
        return min(seconds / beside for name, seconds, beside in rows if name == what)

    print(f"nothing to do: site.yml / ping {best('site.yml, nothing to do'):.2f} (bar 2.5), its play of the agents / ping {best('agents'):.2f} (bar 1.5)")
    print(f"first time / plain role's first time: {(first - proof) / rows[0][1]:.2f} without the proof (bar 0.5), which took {proof:.1f} s")


def took(task: str, text: str) -> float:
    """Seconds by the callback profile_tasks."""
    return sum(float(seconds) for seconds in re.findall(rf"{task} -+ ([0-9.]+)s", text))
