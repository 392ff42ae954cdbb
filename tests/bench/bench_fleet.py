# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long playbooks/site.yml takes over a fleet, beside `ansible all -m ping` and a plain four-task role.

Usage: python tests/bench/bench_fleet.py scale [--hosts 100 300 1000]
       python tests/bench/bench_fleet.py fleet [--hosts 20] [--rounds 3]
`scale` needs nothing: its hosts answer at once (connection/instant.py), so what is measured is the control node.
`fleet` makes containers with systemd and sshd, and deploys to them over ssh. Both print the ratios.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENT = {
    **os.environ,
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection"),
    "ANSIBLE_PIPELINING": "1",
    "ANSIBLE_FORKS": "20",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_HOST_KEY_CHECKING": "0",
    "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=600s -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
}


def run(*command: str) -> tuple[float, float, int, str]:
    """Wall seconds, CPU seconds and largest resident KiB of one command with its children, and its output."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{text[-20000:]}")
    print("".join(line for line in text.splitlines(True) if "DEPRECATION WARNING" in line), end="")  # the matrix looks for it
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, text


# -- the control node alone ---------------------------------------------------------------------------------------------

FINISHED = {
    "changed": False, "platform": "debian12", "distribution": "debian", "distribution_version": "12", "codename": "bookworm",
    "architecture": "amd64", "python_version": "3.11.2", "hostname": "instant",
    "package": {"name": "hsflowd", "installed": True, "version": "2.0.53-1", "status": "install ok installed"},
    "config": {"path": "/etc/hsflowd.conf", "exists": True, "sha256": ""}, "drop_ins": {},
    "unit": {"load_state": "loaded", "active_state": "active", "sub_state": "running", "unit_file_state": "enabled", "n_restarts": 0,
             "result": "success", "main_pid": 311, "running_seconds": 86400.5, "stale": []},
    "auto": {"exists": True, "complete": True, "agent_ip": "192.0.2.1", "agent_device": "eth0", "sampling": 400, "polling": 20,
             "collectors": [{"ip": "198.51.100.10", "udpport": 6343}]},
    "modules": {"available": ["json", "pcap", "tcp"], "broken": {}, "mapped": ["pcap", "tcp"]},
    "libraries": ["libpcap.so.0.8", "libnfnetlink.so.0", "libdbus-1.so.3", "libuuid.so.1", "libcrypto.so.3"],
    "interfaces": [{"name": "eth0", "ifindex": 2, "speed_mbps": 1000, "kind": "physical", "up": True, "addresses": ["192.0.2.1/24"],
                    "default_route": True, "lower": []}],
    "uplinks": ["eth0"], "uplink_address": "192.0.2.1", "pending": False, "pending_version": None, "leftovers": [],
}  # fmt: skip


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def serve(hosts: int) -> http.server.ThreadingHTTPServer:
    """A collector that has heard every host just now."""
    rows = [
        {"agent": address(n), "sub_agent": 100000, "host_name": f"host{n}", "sources": [address(n)], "shared": False,
         "first_seen_ms": 9e6, "last_seen_ms": 900, "last_flow_ms": 5000, "last_counter_ms": 900, "uptime_ms": 8e7, "restarts": 0,
         "datagrams": 4000, "lost": 0, "flow_samples": 100, "counter_samples": 8000,
         "data_sources": [{"data_source": "2", "name": "eth0", "sampling_rate": 400, "polling_interval_s": 20.0}]}
        for n in range(hosts)
    ]  # fmt: skip

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            query = dict(part.split("=") for part in self.path.partition("?")[2].split("&") if part)
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", 1000))
            account = {"name": "netviz.sflow", "version": "1.0.0", "agents": hosts, "udp": {}, "errors": {}}
            page = {"collector": account, "total": hosts, "agents": rows[offset : offset + limit]}
            body = json.dumps(page).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def variables(answer: Path, url: str) -> dict:
    """Of all instant hosts."""
    return {
        "ansible_connection": "instant", "ansible_python_interpreter": "/usr/bin/python3", "instant_answer": str(answer),
        "hsflowd_version": "2.0.53-1", "hsflowd_agent": "none", "hsflowd_pcap": [{"dev": "eth0"}], "sflow_proof_url": url,
        # As the default does, which works it out from the inventory for each host.
        "hsflowd_collectors": "{{ hostvars | netviz.sflow.hsflowd_group_collectors({'sflow_collector': ['host0']}) }}",
        "collector_address": "198.51.100.10",
    }  # fmt: skip


def scale(sizes: list[int]) -> None:
    directory = Path(tempfile.mkdtemp(prefix="bench-fleet-"))
    answer = directory / "answer.json"

    def inventory(hosts: int, url: str = "") -> str:
        path = directory / f"hosts-{hosts}.yml"
        members = {f"host{n}": {"instant_address": address(n)} for n in range(hosts)}
        path.write_text(json.dumps({"sflow_agents": {"hosts": members, "vars": variables(answer, url)}}))
        return str(path)

    try:
        answer.write_text(json.dumps(FINISHED))
        run("ansible-playbook", "-i", inventory(1), str(HERE / "prepare_scale.yml"), "-e", "instant_address=192.0.2.1")
        print("        ------- ping -------  ------------------ site.yml -----------------")
        print("hosts   seconds  CPU ms/host  seconds  of ping's  CPU ms/host  largest process")
        figures = []
        for hosts in sizes:
            server = serve(hosts)
            path = inventory(hosts, f"http://127.0.0.1:{server.server_address[1]}")
            ping = run("ansible", "-i", path, "all", "-m", "ping")
            wall, cpu, rss, text = run("ansible-playbook", "-i", path, "playbooks/site.yml")
            server.shutdown()
            if f"{hosts} hosts: {hosts} reporting" not in text or "Bring package" in text:
                sys.exit(text[-8000:])
            figures.append((hosts, wall, cpu, rss))
            print(
                f"{hosts:5}  {ping[0]:8.1f}  {1000 * ping[1] / hosts:11.1f}  {wall:7.1f}  {wall / ping[0]:9.2f}"
                f"  {1000 * cpu / hosts:11.1f}  {rss / 1024:11.0f} MiB",
                flush=True,
            )
        if len(figures) > 1:
            (few, wall_few, cpu_few, rss_few), (many, wall_many, cpu_many, rss_many) = figures[0], figures[-1]
            more = many - few
            print(
                f"each further host: {1000 * (cpu_many - cpu_few) / more:.1f} ms of CPU (bar 60 ms),"
                f" {1000 * (wall_many - wall_few) / more:.1f} ms of time, {(rss_many - rss_few) / more:.0f} KiB"
            )
            print(f"from {few} to {many} hosts ({many / few:g} x): {wall_many / wall_few:.1f} x the time, {cpu_many / cpu_few:.1f} x the CPU")
    finally:
        shutil.rmtree(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("scale").add_argument("--hosts", type=int, nargs="+", default=[100, 300, 1000])
    over_ssh = kinds.add_parser("fleet")
    over_ssh.add_argument("--hosts", type=int, default=20)
    over_ssh.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if arguments.kind == "scale":
        scale(arguments.hosts)
    else:
        import bench_fleet_ssh

        bench_fleet_ssh.fleet(arguments.hosts, arguments.rounds, run, ENVIRONMENT)


if __name__ == "__main__":
    main()
