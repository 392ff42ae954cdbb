# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow of the repository runs make targets that exist, actions that cannot change, and the packages of the role."""

from __future__ import annotations

import re

import yaml
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_grammar
from doc_blocks import REPO

TEXT = (REPO / ".github/workflows/ci.yml").read_text()
STEPS = [step for job in yaml.safe_load(TEXT)["jobs"].values() for step in job["steps"]]


def test_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.M))
    asked = {target for step in STEPS for target in re.findall(r"make ([a-z-]+)", step.get("run", ""))}
    assert {"test", "matrix", "unit", "molecule", "acceptance", "dist"} == asked <= targets


def test_actions_are_commits():
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in STEPS if "uses" in step)


def test_packages_are_those_that_the_role_takes():
    (listed,) = re.findall(r"for package in (.*)", TEXT)
    taken = {f"{name}_{default}" for name, (default, _first) in _hsflowd_grammar.PLATFORM_VERSIONS.items()}
    assert set(listed.split()) == {
        one for one in taken if not one.startswith("debian10")
    }  # no host of the tests has it


def test_the_image_is_built_as_its_readme_says():
    (block,) = re.findall(r"```console\n(.*?)```", (REPO / "meta/ee/README.md").read_text(), re.S)
    (step,) = [step for step in STEPS if "ansible-builder" in step.get("run", "")]
    assert set(block.splitlines()) <= set(step["run"].splitlines())
