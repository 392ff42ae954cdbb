# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role does on the control node before it reaches a host, in one run of Ansible."""

import functools
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest

pytest.importorskip("ansible", reason="ansible-core does not run on this Python")

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "hsflowd"
NAMES = ("page", "package")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(results by task and host, the directory of the cache)"""
    directory = tmp_path_factory.mktemp("role")
    mirror, cache = directory / "mirror", directory / "cache"
    mirror.mkdir()
    cache.mkdir()
    (mirror / "page.deb").write_text("<html>please log in</html>")
    (mirror / "package.deb").write_bytes(b"!<arch>\nand so on")
    for name in NAMES:  # the server will say that these are not modified
        shutil.copy2(str(mirror / (name + ".deb")), str(cache))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(mirror)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    downloads = {
        "page": {"url": "http://127.0.0.1:%d/page.deb" % server.server_port, "dest": str(cache / "page.deb"), "sha256": None},
        "package": {"url": "http://127.0.0.1:%d/package.deb" % server.server_port, "dest": str(cache / "package.deb"), "sha256": None},
    }
    download = {
        "hosts": ",".join(NAMES),
        "gather_facts": False,
        "vars": {"__hsflowd_mine": ["{{ downloads[inventory_hostname] }}"], "downloads": downloads, "hsflowd_environment": {}}
        | {"hsflowd_download_%s" % name: number for name, number in (("timeout_seconds", 5), ("retries", 0), ("delay_seconds", 0))},
        # The tests look at what each host says; one that fails must not fail the run.
        "tasks": [{"ansible.builtin.include_tasks": str(ROLE / "tasks" / "download.yml"), "ignore_errors": True}],
    }
    observe = {
        "hosts": "web1",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "netviz.sflow.hsflowd", "tasks_from": "preflight"}}],
    }
    inventory = {
        "all": {"hosts": {"web1": {"ansible_connection": "ssh", "ansible_port": 1}, "page": {}, "package": {}}},
        "sflow_collector": {"hosts": {"watch1": {"ansible_host": "127.0.0.1"}}},
    }
    (directory / "hosts.json").write_text(json.dumps(inventory))
    (directory / "play.json").write_text(json.dumps([observe, download]))
    playbook = shutil.which("ansible-playbook") or os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    done = subprocess.run(
        [playbook, "-i", str(directory / "hosts.json"), str(directory / "play.json")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json"), check=False,
    )  # fmt: skip
    server.shutdown()
    out = done.stdout.decode()
    report = json.loads(out[out.index("{\n") :])
    found = {}
    for play in report["plays"]:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                found[task["task"]["name"].rpartition(" : ")[2], host] = result
    return found, cache


def test_a_collector_on_the_loopback_is_refused_before_a_host_is_reached(run):
    result = run[0]["Observe the host", "web1"]
    assert result["refused"] == [
        "the collector watch1 has the address 127.0.0.1, which is each agent itself; set collector_address to the one that the agents reach"
    ]
    assert "unit" not in result


def test_a_page_in_the_cache_is_deleted_and_named(run):
    found, cache = run
    message = found["Say what to do without the package", "page"]["msg"]
    assert "/page.deb could not be downloaded: it is no Debian package, and %s was deleted" % (cache / "page.deb") in message
    assert "hsflowd_deb_url to the package of another platform" in message
    assert [path.name for path in cache.iterdir()] == ["package.deb"]
    assert found["Say what came instead of a package", "package"]["skipped"]
