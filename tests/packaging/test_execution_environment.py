# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment: ansible-builder takes the definition, and finds what the collection asks for. No image is built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[2]
DEFINITION = REPO / "meta/ee/execution-environment.yml"


def test_builder_takes_the_definition(run, tarball, tmp_path):
    shutil.copy(DEFINITION, tmp_path)
    shutil.copy(tarball, tmp_path)
    options = (
        "--file",
        tmp_path / DEFINITION.name,
        "--context",
        tmp_path / "context",
        "--output-filename",
        "Containerfile",
    )
    run("ansible-builder", "create", *options, cwd=tmp_path)
    recipe = (tmp_path / "context/Containerfile").read_text()
    assert "ansible-core==2.16." in recipe
    assert (tmp_path / "context/_build/dist" / tarball.name).exists()


def test_builder_finds_what_the_installed_collection_asks_for(run, installed):
    found = yaml.safe_load(run("ansible-builder", "introspect", installed["ANSIBLE_COLLECTIONS_PATH"]).stdout)
    assert [line.split("#")[0].strip() for line in found["python"]] == ["requests"]
    assert found["system"] == []


def test_versions_are_those_that_are_tested(run):
    """ansible-core is that of requirements.in; the collections are those that the bundle beside it brings."""
    definition = yaml.safe_load(DEFINITION.read_text())["dependencies"]
    assert definition["ansible_core"]["package_pip"] in (REPO / "requirements.txt").read_text()
    version = yaml.safe_load((REPO / "galaxy.yml").read_text())["version"]
    (own, *others) = definition["galaxy"]["collections"]
    assert own["name"] == f"dist/netviz-sflow-{version}.tar.gz"
    if "core 2.16." not in run("ansible", "--version").stdout:
        pytest.skip("this environment has another ansible-core, and other collections with it")
    listed = json.loads(run("ansible-galaxy", "collection", "list", "--format", "json").stdout)
    there = {name: row["version"] for names in listed.values() for name, row in names.items()}
    assert {one["name"]: one["version"] for one in others} == {one["name"]: there[one["name"]] for one in others}
