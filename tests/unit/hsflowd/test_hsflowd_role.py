# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role does on the control node before it reaches a host, in one run of Ansible."""

import base64
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
import yaml

pytest.importorskip("ansible", reason="no ansible-core is installed for this Python")

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "hsflowd"
NAMES = ("page", "package", "cut", "secret", "barred")
OPEN = NAMES[:3]
PACKAGE = b"!<arch>\n%-16s%-12d%-6d%-6d%-8s%-10d`\n2.0\n" % (b"debian-binary", 0, 0, 0, b"100644", 4)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """What is below /asked/ is given to who says the password. The first answer about cut.deb ends halfway."""

    cut = False

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        if self.path == "/cut.deb" and not Quiet.cut:
            Quiet.cut = True
            self.send_response(200)
            self.send_header("Content-Length", str(len(PACKAGE)))
            self.end_headers()
            self.wfile.write(PACKAGE[:40])
            return
        right = base64.b64encode(b"us+er:s3cret/@: %").decode()
        if not self.path.startswith("/asked/") or self.headers.get("Authorization") == "Basic " + right:
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header("Content-Length", "0")
            self.end_headers()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(results by task and host, the directory of the cache)"""
    directory = tmp_path_factory.mktemp("role")
    mirror, cache = directory / "mirror", directory / "cache"
    mirror.mkdir()
    cache.mkdir()
    (mirror / "page.deb").write_text("<html>please log in</html>")
    (mirror / "package.deb").write_bytes(PACKAGE)
    (mirror / "cut.deb").write_bytes(PACKAGE)
    (mirror / "asked").mkdir()
    for name in NAMES[3:]:
        (mirror / "asked" / (name + ".deb")).write_bytes(PACKAGE)
    for name in NAMES[:2]:  # the server will say that these are not modified
        shutil.copy2(str(mirror / (name + ".deb")), str(cache))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(mirror)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = "127.0.0.1:%d" % server.server_port
    downloads = {
        name: {
            "url": "http://%s/%s%s.deb" % (address, "" if name in OPEN else "asked/", name),
            "dest": str(cache / (name + ".deb")),
            "sha256": None,
        }
        for name in NAMES
    }
    role = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    login = {name: role[name] for name in ("__hsflowd_login", "__hsflowd_user", "__hsflowd_password")}
    download = {
        "hosts": ",".join(NAMES),
        "gather_facts": False,
        "vars": {"__hsflowd_mine": ["{{ downloads[inventory_hostname] }}"], "downloads": downloads, "hsflowd_environment": {}}
        | login
        | {"hsflowd_download_%s" % name: number for name, number in (("timeout_seconds", 5), ("retries", 1), ("delay_seconds", 0))},
        # The tests look at what each host says; one that fails must not fail the run.
        "tasks": [{"ansible.builtin.include_tasks": str(ROLE / "tasks" / "download.yml"), "ignore_errors": True}],
    }
    # With a wrong sum, so that nothing is installed wherever this runs.
    by_the_host = {
        "hosts": ",".join(NAMES[3:]),
        "gather_facts": False,
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "downloads": downloads} | login,
        "tasks": [
            {
                "name": "Download by the host",
                "netviz.sflow.hsflowd_apply": {
                    "config": "sflow { }",
                    "package_url": "{{ downloads[inventory_hostname].url }}",
                    "url_username": "{{ __hsflowd_user }}",
                    "url_password": "{{ __hsflowd_password }}",
                    "package_version": "0.0.0-1",
                    "package_sha256": "0" * 64,
                    "download_retries": 0,
                },
                "ignore_errors": True,
            }
        ],
    }
    observe = {
        "hosts": "web1",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "netviz.sflow.hsflowd", "tasks_from": "preflight"}}],
    }
    info = {"alone": True, "refused": [], "due": ["package"], "installed": None, "pending": None}
    source = {"url": "http://%s/package.deb" % address, "asset": "package.deb", "sha256": None, "kind": "url", "file": None}
    plan = {"problems": [], "source": source, "version": "0.0.0-1", "config": "sflow { }", "drop_ins": {}, "libraries": [], "collectors": [],
            "modules": [], "warnings": [], "agent_address": None, "dns_sd": None}  # fmt: skip
    free = {
        "hosts": "free1,free2",
        "gather_facts": False,
        "strategy": "free",
        "check_mode": True,  # downloads in earnest, and changes no host
        "vars": {"hsflowd_cache_dir": str(directory / "free"), "hsflowd_environment": {},
                 "ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        "tasks": [{"ansible.builtin.import_role": {"name": "netviz.sflow.hsflowd", "tasks_from": "alone", "rolespec_validate": False},
                   "ignore_errors": True}],  # who is not root is refused at the end, and what comes before is what is looked at
    }  # fmt: skip
    inventory = {
        "all": {
            "hosts": {
                "free1": {"__hsflowd_info": {**info, "plan": plan}},
                "free2": {"__hsflowd_info": {**info, "plan": plan}},
                "web1": {"ansible_connection": "ssh", "ansible_port": 1},
                "page": {},
                "package": {},
                "cut": {},
                "secret": {"hsflowd_deb_url": "http://us+er:s3cret%%2F%%40:%%20%%25@%s/asked/secret.deb" % address},
                "barred": {"hsflowd_deb_url": "http://user:wr0ng@%s/asked/barred.deb" % address},
            },
            "vars": {"hsflowd_release_url": "https://example.com", "hsflowd_deb_url": ""},
        },
        "sflow_collector": {"hosts": {"watch1": {"ansible_host": "127.0.0.1"}}},
    }
    (directory / "hosts.json").write_text(json.dumps(inventory))
    (directory / "play.json").write_text(json.dumps([observe, by_the_host, download, free]))
    playbook = shutil.which("ansible-playbook") or os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    done = subprocess.run(
        [playbook, "-vvv", "-i", str(directory / "hosts.json"), str(directory / "play.json")],
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
    return found, cache, out + done.stderr.decode()


def test_a_collector_on_the_loopback_is_refused_before_a_host_is_reached(run):
    result = run[0]["Observe the host", "web1"]
    assert result["refused"] == [
        "the collector watch1 has the address 127.0.0.1, which is each agent itself; set collector_address to the one that the agents reach"
    ]
    assert "unit" not in result


def test_a_page_in_the_cache_is_deleted_and_named(run):
    found, cache, _said = run
    message = found["Say what to do without the package", "page"]["msg"]
    assert "/page.deb could not be downloaded: what came is no whole Debian package, and %s was deleted. Nothing was changed." % (cache / "page.deb") in message
    assert "hsflowd_deb_url to the package of another platform" in message
    assert sorted(path.name for path in cache.iterdir()) == ["cut.deb", "package.deb", "secret.deb"]
    assert found["Download the package", "package"]["status_code"] == 304


def test_a_download_that_was_cut_short_is_tried_again(run):
    found, cache, _said = run
    tried = found["Download the package", "cut"]
    assert not tried.get("failed") and tried["attempts"] == 2 and (cache / "cut.deb").read_bytes() == PACKAGE


def test_where_no_host_waits_for_another_each_has_its_package(run):
    found, cache, _said = run
    for host in "free1", "free2":
        assert not found["Download the package", host].get("failed")
        assert ("Bring package, configuration and service into effect", host) in found
    assert [path.name for path in (cache.parent / "free").rglob("*.deb")] == ["package.deb"]


def test_a_password_opens_the_place_and_is_not_shown(run):
    found, _cache, said = run
    assert not found["Download the package", "secret"].get("failed")
    message = found["Say what to do without the package", "barred"]["msg"]
    assert "/asked/barred.deb could not be downloaded: " in message and "401" in message
    said_by_the_host = [found["Download by the host", name]["msg"] for name in ("secret", "barred")]
    if os.geteuid() == 0:
        assert "has the sha256" in said_by_the_host[0] and "401" in said_by_the_host[1]
    else:
        assert all("set ansible_become: true" in sentence for sentence in said_by_the_host)
    assert "wr0ng" not in said and "s3cret" not in said
