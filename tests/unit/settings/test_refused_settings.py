# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the viewer, and groups of the collector, that cannot work end the run at its first task, with a sentence.

One run of Ansible for all of them: each case is a host of its own. No host is reached and no engine is asked.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("ansible", reason="ansible-core does not run on this Python")
import yaml

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "sflow_rt"
CASES = {
    "licence": ({"sflow_rt_accept_license": False}, "forbids use on production networks"),
    "heap": ({"sflow_rt_heap": "1 GB"}, "sflow_rt_heap is 1 GB; Java takes"),
    "memory": ({"sflow_rt_heap": "1G", "sflow_rt_memory_limit": "1100M"}, "about 300 MB more than that"),
    "limit": ({"sflow_rt_memory_limit": "much"}, "sflow_rt_memory_limit is much; the engine takes"),
    "space": ({"sflow_rt_viz": {"agents": "a b"}}, "change these: viz.agents."),
    "glob": ({"sflow_rt_properties": {"a.b": "x*"}}, "change these: a.b."),
    "name": ({"sflow_rt_properties": {"a b": "x"}}, "change these: a b."),
    "argument": ({"sflow_rt_arguments": ["-Da=b c"]}, "change these: -Da=b c."),
    "digest": ({"sflow_rt_image_digest": "latest"}, "a digest is sha256: and 64 hexadecimal digits"),
    "udp": ({"sflow_rt_network_mode": "host", "sflow_rt_udp_address": "192.0.2.1"}, "always receives on all addresses"),
    "open": ({"sflow_rt_proxy": True}, "would open the page to everybody"),
    "beside": (
        {"sflow_rt_proxy": True, "sflow_rt_proxy_users": {"a": "b"}, "sflow_rt_http_address": "0.0.0.0"},
        "opens the page on all addresses beside the proxy",
    ),
    "half": ({"sflow_rt_proxy_certificate": "viewer.pem"}, "or neither"),
    "certificate": (
        {
            "sflow_rt_proxy": True,
            "sflow_rt_proxy_users": {"a": "b"},
            "sflow_rt_proxy_certificate": "no/viewer.pem",
            "sflow_rt_proxy_certificate_key": "no/viewer.key",
        },
        "_key is no/viewer.key. The file of the certificate and that of the key cannot be read on the control node",
    ),
    "user": ({"sflow_rt_proxy_users": {"a:b": "c"}}, "cannot have a colon"),
    "empty": ({"sflow_rt_proxy_users": {"a": "b", "c": ""}}, "are no texts or empty: c."),
    "number": ({"sflow_rt_proxy_users": {"a": 12345678}}, "are no texts or empty: a."),
    "nothing": ({"sflow_rt_proxy_users": {"a": None}}, "are no texts or empty: a."),
    "allow": ({"sflow_rt_proxy_allow": ["192.0.2.0/24; deny"]}, "takes networks such as 192.0.2.0/24, not"),
    "group": ({"sflow_rt_inventory_groups": {"Web": "no_such_group"}}, "do not exist: no_such_group."),
    "boolean": (
        {"sflow_rt_groups": {"SE": ["10.1.0.0/16"], False: ["10.2.0.0/16"], "false": ["10.3.0.0/16"]}},
        "The group name false of sflow_rt_groups is no text; write it in quotes.",
    ),
    "octal": ({"sflow_rt_inventory_groups": {64: "all"}}, "The group name 64 of sflow_rt_inventory_groups is no text"),
    "mode": ({"sflow_rt_network_mode": "none"}, "value of sflow_rt_network_mode must be one of: bridge, host"),
    "state": ({"sflow_rt_state": "gone"}, "value of sflow_rt_state must be one of: present, absent"),
    "several": ({"sflow_rt_heap": "x", "sflow_rt_image_digest": "y"}, "x; Java takes a number"),
}
COLLECTOR_CASES = {
    "collector boolean": ({"collector_groups": {False: ["10.2.0.0/16"]}}, "The group name false of collector_groups is no text"),
    "collector number": ({"collector_inventory_groups": {64: "all"}}, "The group name 64 of collector_inventory_groups is no text"),
    "collector viewer": ({"sflow_rt_groups": {None: ["10.2.0.0/16"]}}, "The group name null of collector_groups is no text"),
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """What Ansible says of each host."""
    playbook = shutil.which("ansible-playbook") or os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    directory = tmp_path_factory.mktemp("refused")
    hosts = {
        name: dict({"sflow_rt_accept_license": True, "ansible_connection": "local"}, **settings)
        for name, (settings, _sentence) in {**CASES, **COLLECTOR_CASES}.items()
    }
    # Only YAML has names that are no texts.
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    # In one play, because Ansible ends when all hosts of a play have failed.
    roles = [
        {"role": "netviz.sflow.sflow_rt", "when": "inventory_hostname is not match('collector')"},
        {"role": "netviz.sflow.collector", "when": "inventory_hostname is match('collector')"},
    ]
    play = [{"hosts": "all", "gather_facts": False, "roles": roles}]
    (directory / "play.json").write_text(json.dumps(play))
    run = subprocess.run(
        [playbook, "-i", str(directory / "hosts.yml"), str(directory / "play.json"), "--forks", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json", ANSIBLE_INJECT_FACT_VARS="false"),
        check=False,
    )
    assert run.returncode == 2, run.stderr.decode()
    report = json.loads(run.stdout.decode())
    found = {}
    for task in report["plays"][0]["tasks"]:
        for host, result in task["hosts"].items():
            if result.get("failed"):
                found[host] = task["task"]["name"], str(result["msg"]) + str(result.get("argument_errors", ""))
    return found


@pytest.mark.parametrize("name", [*CASES, *COLLECTOR_CASES])
def test_setting_is_refused(messages, name):
    task, message = messages[name]
    assert "Refuse settings" in task or "Check the values" in task or "Validating arguments" in task
    assert {**CASES, **COLLECTOR_CASES}[name][1] in " ".join(message.split())


def test_several_faults_are_told_at_once(messages):
    assert "a digest is sha256:" in messages["several"][1]


@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        ("$6$saltstring$svn8UoSVapNtMuq1ukKS4t", True),
        ("$6$rounds=9000$salt$hash", True),
        ("$apr1$salt$hash", True),
        ("$2y$05$saltandhash", True),
        ("$y$j9T$salt$hash", True),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", True),
        ("{k9-secret", False),
        ("{PLAIN}secret", False),
        ("{SHA}not base64", False),
        ("$6$money", False),
        ("$abc$is$a$password", False),
    ],
)
def test_what_is_a_hash_and_what_a_password(text, hashed):
    pattern = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["__sflow_rt_hash"]
    assert bool(re.match(pattern, text)) is hashed
