# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of README and docs is valid as written; those that need no fleet are run as written.

commands.yml beside this file says of each command what runs it, or why it is only checked.
"""

from __future__ import annotations

import os
import platform as machine
import re
import shlex
import shutil
import socket
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
import yaml
from ansible_collections.netviz.sflow.plugins.filter.hsflowd_settings import hsflowd_settings
from doc_blocks import REPO, Block, blocks

COMMANDS = [(block, command) for block in blocks() if block.language == "console" for command in block.commands()]
PLATFORMS = ("ubuntu18", "ubuntu20", "ubuntu22", "ubuntu24", "debian11", "debian12", "debian13")
PROGRAMS = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


HOST = {
    "package": {"installed": False},
    "uplinks": ["eth0"],
    "uplink_address": "192.0.2.20",
    "interfaces": [{"name": "eth0", "ifindex": 2, "kind": "physical", "up": True, "addresses": ["192.0.2.20/24"], "default_route": True}],
}


def run(*command, check=True, **options) -> subprocess.CompletedProcess:
    env = dict(os.environ, PATH=PROGRAMS, ANSIBLE_NOCOLOR="1", **options.pop("env", {}))
    done = subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, text=True, env=env, **options
    )
    if check and done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


@lru_cache
def help_of(*program: str) -> str:
    done = run(*program, "--help", check=False)
    return done.stdout + done.stderr


def test_there_are_commands_to_test():
    assert len(COMMANDS) > 20
    assert {block.page for block, _command in COMMANDS} >= {"README.md", "docs/operations.md", "docs/bundle.md"}


def test_of_every_command_it_is_said_what_runs_it():
    told = yaml.safe_load((Path(__file__).parent / "commands.yml").read_text())
    assert sorted({command for _block, command in COMMANDS}) == sorted(told)
    for command, how in told.items():
        assert list(how) in (["run"], ["checked"]), command
        for word in re.findall(r"tests/[\w/.]+", how.get("run", "")):
            assert (REPO / word).exists(), command
        for scenario in re.findall(r"SCENARIO=(\w+)", how.get("run", "")):
            assert (REPO / "molecule" / scenario).is_dir(), command


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=[f"{b}: {c[:60]}" for b, c in COMMANDS])
def test_command_is_valid(block: Block, command: str, fleet):
    words = shlex.split(command)
    while re.match(r"[A-Z_]+=", words[0]):
        name = words.pop(0).split("=")[0]
        assert name in (REPO / "tests/demo/artefacts.sh").read_text(), f"nothing reads {name}"
    program, *rest = words
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.M)
        assert rest[0] in targets
        for setting in rest[1:]:
            assert (
                f"$({setting.split('=')[0]})" in (REPO / "Makefile").read_text()
                or "$(or $(ARGS)" in (REPO / "Makefile").read_text()
            )
        return
    if program in ("cd", "cp"):
        version = yaml.safe_load((REPO / "galaxy.yml").read_text())["version"]
        assert all(version in word for word in re.findall(r"netviz-sflow-[0-9]\S+", command))
        return
    subcommands = {"ansible-galaxy": 2, "docker": 1, "ansible-builder": 1}.get(program, 0)
    if program == "docker" and not shutil.which("docker"):
        pytest.skip("docker is not installed")
    manual = help_of(program, *rest[:subcommands])
    for word in rest[subcommands:]:
        if word.startswith("-"):
            assert re.search(rf"(^|[\s,\[]){re.escape(word.split('=')[0])}\b", manual), f"{program} has no {word}"
    if program == "ansible-playbook":
        (name,) = [word for word in rest if word.startswith("netviz.sflow.")]
        assert (REPO / "playbooks" / f"{name.rsplit('.', 1)[1]}.yml").exists()
        for word in re.findall(r"-e (\w+)=", command):
            assert f"| `{word}` |" in (REPO / "docs/variables.md").read_text()
        # As written, but for the file of settings, which a bundle brings.
        plain = re.sub(r"-e @\S+", "", command).replace("$PWD", str(fleet))
        done = run(*shlex.split(plain), "--syntax-check", cwd=fleet)
        assert "WARNING" not in done.stderr


@pytest.fixture(scope="module")
def fleet(tmp_path_factory) -> Path:
    """A directory with the inventory of the README, as a newcomer writes it."""
    place = tmp_path_factory.mktemp("newcomer")
    (block,) = [one for one in blocks() if one.page == "README.md" and one.text.startswith("# inventory/hosts.yml")]
    (place / "inventory").mkdir()
    (place / "inventory/hosts.yml").write_text(block.text)
    return place


def test_the_inventory_of_the_readme_has_the_hosts_that_it_shows(fleet):
    shown = run("ansible-playbook", "-i", "inventory/hosts.yml", "netviz.sflow.site", "--list-hosts", cwd=fleet).stdout
    for host in ("ams-web-1", "lon-web-1", "watch-1"):
        assert host in shown


def test_the_example_inventory_is_accepted():
    shown = run(
        "ansible-playbook", "-i", REPO / "inventory.example/hosts.yml", "netviz.sflow.site", "--list-hosts"
    ).stdout
    for host in ("ams-web-1", "lon-web-3", "tyo-web-1", "watch-1", "view-1"):
        assert host in shown


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_settings_of_the_example_inventory_are_right_on_every_platform(platform):
    settings = yaml.safe_load((REPO / "inventory.example/group_vars/sflow_agents.yml").read_text())
    found = hsflowd_settings({**settings, "hsflowd_collectors": [{"ip": "192.0.2.100"}]}, {"platform": platform, "architecture": "amd64", **HOST})
    assert found["problems"] == []


def test_the_settings_of_the_readme_pass_the_checks_before_a_host_is_touched(fleet):
    """Settings are checked before a connection is made: with no host there, the run gets as far as the connections and no further."""
    done = run(
        "ansible-playbook", "-i", "inventory/hosts.yml", "netviz.sflow.site", "-e", "ansible_ssh_common_args='-o ConnectTimeout=1'",
        "-e", "ansible_connection=ssh", "--check", "-T", "1", cwd=fleet, check=False,
    )  # fmt: skip
    assert "See what is due on the agents" in done.stdout
    assert "FAILED" not in done.stdout and "Refuse the settings" not in done.stdout and "UNREACHABLE" in done.stdout


def test_build_and_install_as_the_readme_says(tmp_path):
    """Both commands as written, in a copy of the repository, into a home of its own."""
    (block,) = [one for one in blocks() if one.page == "README.md" and "ansible-galaxy collection build" in one.text]
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=REPO).stdout
    clone = tmp_path / "clone"
    for name in filter(None, listed.split("\0")):
        if (REPO / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, clone / name)
    env = {
        "HOME": str(tmp_path / "home"),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",  # the working tree in the virtual environment would do
        "ANSIBLE_GALAXY_SERVER_LIST": "",
    }
    build, install = block.commands()
    run(*shlex.split(build), cwd=clone, env=env)
    # What it depends on would come from Galaxy.
    run(*shlex.split(install), "--no-deps", cwd=clone, env=env)
    place = tmp_path / "home/.ansible/collections/ansible_collections/netviz/sflow"
    assert (place / "playbooks/site.yml").exists() and not (place / "tests").exists()


def test_a_host_pulls(tmp_path):
    """docs/automation-platform.md, as written but for the address and in check mode: this machine deploys itself."""
    if os.geteuid() != 0:
        pytest.skip("only root deploys itself")
    (command,) = [command for _block, command in COMMANDS if command.startswith("ansible-pull")]
    packages = tmp_path / "packages"
    layout = [sys.executable, REPO / "tests/agent/packages.py", "--version", "2.1.25-4", "--out", packages, "--platforms", *PLATFORMS]
    run(*layout)
    repository = tmp_path / "sflow-inventory"
    (repository / "inventory").mkdir(parents=True)
    settings = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "hsflowd_collectors": [{"ip": "192.0.2.100"}],
        "hsflowd_deb_file": f"{packages}/hsflowd-{{platform}}.deb",
        "sflow_proof_url": "http://192.0.2.100:8008",
        "sflow_proof_host": "localhost",
    }
    agents = {"sflow_agents": {"hosts": {socket.gethostname(): {}}}}
    (repository / "inventory/hosts.yml").write_text(yaml.safe_dump({"all": {"vars": settings, "children": agents}}))
    (repository / "site.yml").write_text("- import_playbook: netviz.sflow.site\n")
    who = ["-c", "user.name=newcomer", "-c", "user.email=newcomer@example.net"]
    for arguments in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "Inventory"]):
        run("git", *arguments, cwd=repository)
    system = machine.freedesktop_os_release()
    here = system["ID"] + system.get("VERSION_ID", "").split(".")[0]
    if here not in PLATFORMS:
        pytest.skip(f"this machine, {here}, is no platform of upstream's packages")
    command = command.replace("https://git.example.net/sflow-inventory.git", str(repository))
    home = {"HOME": str(tmp_path / "home")}
    if not os.path.isdir("/run/systemd/system"):  # the role refuses such a host, and a container of CI is one
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/systemctl").write_text("#!/bin/sh\necho LoadState=not-found; echo ActiveState=inactive\n")
        (tmp_path / "bin/systemctl").chmod(0o755)
        command = f"PATH={tmp_path / 'bin'}:$PATH; export PATH; {command}"
    done = run("sh", "-c", f"{command} --check", cwd=tmp_path, check=False, env=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Bring package, configuration and service into effect\] \*+\nchanged", done.stdout)
