# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of viewer, collector and agent that cannot work are refused with a sentence, as playbooks/site.yml has them checked first.

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

pytest.importorskip("ansible", reason="no ansible-core is installed for this Python")
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret


class Encrypted(str):
    """A text that the inventory has encrypted by ansible-vault."""


def encrypt(dumper, text):
    return dumper.represent_scalar("!vault", VaultLib([("default", VaultSecret(b"of the test"))]).encrypt(text).decode(), style="|")


yaml.SafeDumper.add_representer(Encrypted, encrypt)
ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"
CASES = {
    "licence": ({"sflow_rt_accept_license": False}, "forbids use on production networks"),
    "heap": ({"sflow_rt_heap": "1 GB"}, "sflow_rt_heap is 1 GB; Java takes"),
    "heap 0": ({"sflow_rt_heap": "0"}, "needs at least 32M"),
    "port": ({"sflow_rt_udp_port": 70000}, "sflow_rt_udp_port is 70000; expected a whole number from 1 to 65535"),
    "port text": ({"sflow_rt_http_port": "6_343"}, 'sflow_rt_http_port is "6_343"; expected a whole number'),
    "port taken": (
        {"sflow_rt_proxy": True, "sflow_rt_proxy_allow": ["192.0.2.0/24"], "sflow_rt_proxy_port": 8008},
        "sflow_rt_proxy_port is 8008, on which the page itself is",
    ),
    "watch": ({"sflow_rt_watch_failures": 0}, "sflow_rt_watch_failures is 0; expected a whole number from 1"),
    "switch": ({"sflow_rt_proxy_tls": "y"}, 'sflow_rt_proxy_tls is "y"; expected true or false'),
    "policy": ({"sflow_rt_restart_policy": False}, "sflow_rt_restart_policy is false; expected always, unless-stopped, on-failure or no, in quotes"),
    "address": ({"sflow_rt_http_address": "300.1.2.3"}, 'sflow_rt_http_address is "300.1.2.3"; expected an address of the host'),
    "image": ({"sflow_rt_image": "sflow / vizceral"}, 'sflow_rt_image is "sflow / vizceral"; expected the name of an image'),
    "container": ({"sflow_rt_container_name": "viewer one"}, 'sflow_rt_container_name is "viewer one"; expected letters, digits and _.-'),
    "engine": ({"sflow_rt_docker_host": "unix:///run/a socket"}, 'sflow_rt_docker_host is "unix:///run/a socket"; expected an address such as'),
    "directory": ({"sflow_rt_config_dir": "/"}, "expected an absolute path below the root"),
    "server": ({"sflow_rt_proxy_server_name": 'a; return 200 "x"'}, "expected names such as watch.example.net"),
    "list": ({"sflow_rt_proxy_allow": "192.0.2.0/24,198.51.100.0/24"}, "expected a list, such as"),
    "host bits": ({"sflow_rt_proxy_allow": ["192.0.2.1/24"]}, "without host bits, not 192.0.2.1/24"),
    "group host bits": ({"sflow_rt_groups": {"A": ["192.0.2.1/24"]}}, "sflow_rt_groups: Group 'A': '192.0.2.1/24' is no network"),
    "user number": ({"sflow_rt_proxy_users": {1001: "b", "bob": "c"}}, "The name 1001 in sflow_rt_proxy_users is no text; write it in quotes."),
    "password line": ({"sflow_rt_proxy_users": {"a": "b\n"}}, "has a line end"),
    "null": ({"sflow_rt_image_digest": None}, "sflow_rt_image_digest is null; expected text"),
    "undefined": ({"sflow_rt_heap": "{{ no_such }}"}, "sflow_rt_heap cannot be worked out: "),
    "memory": ({"sflow_rt_heap": "1G", "sflow_rt_memory_limit": "1100M"}, "about 300 MB more than that"),
    "limit": ({"sflow_rt_memory_limit": "much"}, "sflow_rt_memory_limit is much; the engine takes"),
    "space": ({"sflow_rt_viz": {"agents": "a b"}}, "change these: viz.agents."),
    "glob": ({"sflow_rt_properties": {"a.b": "x*"}}, "change these: a.b."),
    "name": ({"sflow_rt_properties": {"a b": "x"}}, "change these: a b."),
    "argument": ({"sflow_rt_arguments": ["-Da=b c"]}, "change these: -Da=b c."),
    "digest": ({"sflow_rt_image_digest": "latest"}, "sflow_rt_image_digest is \"latest\"; expected sha256: and 64 hexadecimal digits"),
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
    "user": ({"sflow_rt_proxy_users": {"a:b": "c"}}, "have no colon"),
    "empty": ({"sflow_rt_proxy_users": {"a": "b", "c": ""}}, "are no texts or empty: c."),
    "users": ({"sflow_rt_proxy_users": "a=0123456789abcdef"}, "sflow_rt_proxy_users is (not shown); expected a mapping"),
    "number": ({"sflow_rt_proxy_users": {"a": 12345678}}, "are no texts or empty: a."),
    "nothing": ({"sflow_rt_proxy_users": {"a": None}}, "are no texts or empty: a."),
    "allow": ({"sflow_rt_proxy_allow": ["192.0.2.0/24; deny"]}, "without host bits, not 192.0.2.0/24; deny."),
    "group": ({"sflow_rt_inventory_groups": {"Web": "no_such_group"}}, "do not exist: no_such_group."),
    "boolean": (
        {"sflow_rt_groups": {"SE": ["10.1.0.0/16"], False: ["10.2.0.0/16"], "false": ["10.3.0.0/16"]}},
        "sflow_rt_groups: Group name false in groups is no text.",
    ),
    "octal": ({"sflow_rt_inventory_groups": {64: "all"}}, "The group name 64 of sflow_rt_inventory_groups is no text"),
    "mode": ({"sflow_rt_network_mode": "none"}, 'sflow_rt_network_mode is "none"; expected bridge or host'),
    "state": ({"sflow_rt_state": "gone"}, 'sflow_rt_state is "gone"; expected present or absent'),
    "several": ({"sflow_rt_heap": "x", "sflow_rt_image_digest": "y"}, "x; Java takes a number"),
}
COLLECTOR_CASES = {
    "collector boolean": ({"collector_groups": {False: ["10.2.0.0/16"]}}, "collector_groups: Group name false in groups is no text"),
    "collector number": ({"collector_inventory_groups": {64: "all"}}, "The group name 64 of collector_inventory_groups is no text"),
    "collector port": ({"collector_udp_port": 161}, "collector_udp_port is 161; expected a whole number from 1024 to 65535"),
    "collector token": ({"collector_token": "0123456789abcdef\n"}, "collector_token must be 16 to 512 letters"),
    "collector digits": ({"collector_token": 12345678901234567890}, "collector_token is (not shown); expected text in quotes"),
    "collector names": ({"collector_http_names": 5}, "collector_http_names is 5; expected a list, such as"),
    "collector name": ({"collector_http_names": ["watch.example.net:8008"]}, 'collector_http_names has "watch.example.net:8008"; expected names'),
    "collector networks": ({"collector_allow": ["192.0.2.0/24", "192.0.2.1/24"]}, 'collector_allow has "192.0.2.1/24"; expected networks'),
    "collector chain": ({"collector_nftables_chain": "inet filter input; drop"}, "expected family, table and chain"),
    "collector relative": ({"collector_python": "python3"}, 'collector_python is "python3"; expected an absolute path'),
    "collector spaces": ({"collector_python": "/opt/my python"}, "expected an absolute path without spaces"),
    "collector python": ({"collector_python": "/home/a/python"}, "not in a home directory"),
    "collector viewer": ({"sflow_rt_groups": {None: ["10.2.0.0/16"]}}, "collector_groups: Group name null in groups is no text"),
}


AGENT_CASES = {
    "agent switch": ({"hsflowd_install": "n"}, 'hsflowd_install is "n"; expected true or false'),
    "agent throttle": ({"hsflowd_throttle": "two"}, 'hsflowd_throttle is "two"; expected a whole number from 0'),
    "agent choice": ({"hsflowd_download_on": "hosts"}, 'hsflowd_download_on is "hosts"; expected controller or host'),
    "agent state": ({"hsflowd_state": "gone"}, 'hsflowd_state is "gone"; expected present or absent'),
    "agent absent": ({"hsflowd_state": "absent", "hsflowd_keep_config": "t"}, 'hsflowd_keep_config is "t"'),
    "agent file": ({"hsflowd_deb_file": "/nope.deb"}, "hsflowd_deb_file: /nope.deb is not there"),
    "agent mirror": ({"hsflowd_release_url": "mirror.example.net"}, "hsflowd_release_url is 'mirror.example.net', not a URL"),
    "agent speed": ({"hsflowd_sampling_rates": {"1GB": 100}}, "would take this for the name of an application"),
    "agent undefined": ({"hsflowd_environment": "{{ no_such }}"}, "hsflowd_environment cannot be worked out: "),
}
FINE = {
    "fine users": {"sflow_rt_proxy_users": {"operations": "s3cret\\s"}, "sflow_rt_heap": "512m", "sflow_rt_memory_limit": "2G",
                   "sflow_rt_proxy_server_name": "watch.example.net sflow.example.net"},
    "fine addresses": {"sflow_rt_udp_address": "192.0.2.1", "sflow_rt_http_address": "::1"},
    "fine host network": {"sflow_rt_network_mode": "host", "sflow_rt_http_address": ""},
    "fine page for all": {"sflow_rt_http_address": "0.0.0.0"},
    "fine networks": {"sflow_rt_proxy": True, "sflow_rt_proxy_allow": ["192.0.2.0/24"]},
    "fine passwords": {"sflow_rt_proxy": True, "sflow_rt_proxy_users": {"a": "b"}},
    "fine certificate of the host": {"sflow_rt_proxy": True, "sflow_rt_proxy_users": {"a": "b"}, "sflow_rt_proxy_certificate": "/no/viewer.pem",
                                     "sflow_rt_proxy_certificate_key": "/no/viewer.key", "sflow_rt_proxy_certificate_on": "host"},
    "fine certificate of no proxy": {"sflow_rt_proxy_certificate": "no/viewer.pem", "sflow_rt_proxy_certificate_key": "no/viewer.key"},
    "fine port of no proxy": {"sflow_rt_proxy_port": 8008},
    "fine port elsewhere": {"sflow_rt_proxy": True, "sflow_rt_proxy_allow": ["192.0.2.0/24"], "sflow_rt_proxy_port": 8008,
                            "sflow_rt_proxy_address": "192.0.2.1"},
    "fine least": {"sflow_rt_heap": "32M", "sflow_rt_memory_limit": "333554432"},
    "fine most": {"sflow_rt_heap": "1024G"},
    "collector fine": {"collector_token": "0123456789abcdef", "collector_http_names": ["watch.example.net"], "collector_workers": "2",
                       "collector_allow": ["192.0.2.0/24", "2001:db8::/32"], "collector_nftables_chain": "inet filter input"},
    "collector-plain": {},
    "agent fine": {"hsflowd_state": "absent", "hsflowd_keep_config": "yes"},
    "fine encrypted": {"sflow_rt_proxy": True, "sflow_rt_proxy_users": {"a": Encrypted("b")},
                       "sflow_rt_groups": {"A": [Encrypted("192.0.2.0/24")]}, "sflow_rt_heap": Encrypted("1G")},
    "collector-encrypted": {"collector_token": Encrypted("0123456789abcdef"), "collector_allow": [Encrypted("192.0.2.0/24")],
                            "collector_groups": {"A": [Encrypted("192.0.2.0/24")]}},
    "agent encrypted": {"hsflowd_collectors": [{"ip": Encrypted("192.0.2.1")}], "hsflowd_pcap": [{"dev": Encrypted("eth0")}],
                        "hsflowd_state": Encrypted("present")},
}
ALL_CASES = {**CASES, **COLLECTOR_CASES, **AGENT_CASES}


def options_of(role):
    return yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


@pytest.fixture
def messages(tmp_path):
    """What Ansible says of each host."""
    playbook = shutil.which("ansible-playbook") or os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
    hosts = {
        name: dict({"sflow_rt_accept_license": True, "ansible_connection": "local", "ansible_python_interpreter": sys.executable}, **settings)
        for name, settings in {**{name: case[0] for name, case in ALL_CASES.items()}, **FINE}.items()
    }
    # Only YAML has names that are no texts.
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (tmp_path / "password").write_text("of the test\n")
    # In one play, because Ansible ends when all hosts of a play have failed.
    tasks = [
        {"ansible.builtin.import_role": {"name": "netviz.sflow.sflow_rt", "tasks_from": "settings"},
         "when": "inventory_hostname is not match('collector|agent')"},
        {"ansible.builtin.import_role": {"name": "netviz.sflow.collector", "tasks_from": "settings"},
         "when": "inventory_hostname is match('collector')"},
        {"ansible.builtin.import_role": {"name": "netviz.sflow.hsflowd", "tasks_from": "preflight", "rolespec_validate": False},
         "when": "inventory_hostname is match('agent')"},
        # As Ansible does in front of a role.
        *({"ansible.builtin.validate_argument_spec": {"argument_spec": options_of(role)}, "when": f"inventory_hostname is match('{names}')"}
          for role, names in (("sflow_rt", "fine"), ("collector", "collector-|collector fine"), ("hsflowd", "agent (fine|encrypted)"))),
        {"name": "Refuse", "ansible.builtin.fail": {"msg": "{{ __hsflowd_info.refused | join('; ') }}"},
         "when": "__hsflowd_info.refused | default([]) | length > 0"},
    ]  # fmt: skip
    play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "play.json").write_text(json.dumps(play))
    run = subprocess.run(
        [playbook, "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.json"), "--forks", "2", "--vault-password-file", str(tmp_path / "password")],
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
                found[host] = str(result["msg"])
    return found


# All in one test: ansible-test runs every test in a process of its own, which would have a run of Ansible of its own.
def test_what_is_refused_and_how(messages):
    said = {name: " ".join(messages.get(name, "").split()) for name in ALL_CASES}
    assert {name: text for name, text in said.items() if ALL_CASES[name][1] not in text or len(text) >= 1000} == {}
    assert "expected sha256:" in messages["several"]  # several faults are told at once
    assert {name: messages[name] for name in FINE if name in messages} == {}
    for secret in "0123456789abcdef", "12345678901234567890":
        assert secret not in "".join(messages.values())


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
    pattern = yaml.safe_load((ROLES / "sflow_rt" / "vars" / "main.yml").read_text())["__sflow_rt_hash"]
    assert bool(re.match(pattern, text)) is hashed
