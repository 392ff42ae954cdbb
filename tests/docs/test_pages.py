# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README and docs: links lead somewhere, variables exist, YAML is what the roles take, verdicts are those of the code."""

from __future__ import annotations

import re
import sys

import pytest
import yaml
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd, _verdicts
from doc_blocks import REPO, blocks, pages

sys.path.insert(0, str(REPO / "tests/unit/hsflowd"))
from hsflowd_hosts import host, interface, render

VARIABLE = re.compile(
    r"(?<![\w.@/-])((?:hsflowd|collector|sflow_rt|sflow_(?:rollout|proof|report|bundle))_\w+)\b(?![\w.]*\()"
)
PAGES = [page for page in pages() if page.parts[-2] != "fragments"]
YAML = [block for block in blocks() if block.language == "yaml"]
# Stripped from the tarball, so pages that are in it must not lead there.
UNSHIPPED = ("tests", "molecule", "Makefile", "requirements", "changelogs/fragments")


def anchors(text: str) -> set[str]:
    return {
        re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-") for line in re.findall(r"^#+ (.*)$", text, re.M)
    }


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPO)) for page in PAGES])
def test_links_lead_somewhere(page):
    shipped = not str(page.relative_to(REPO)).startswith(UNSHIPPED)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.S)):
        if target.startswith(("http://", "https://")):
            continue
        path, _hash, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page}: {target}"
        assert not (shipped and str(file.relative_to(REPO)).startswith(UNSHIPPED)), f"{target} is not in the tarball"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{page}: {target}"


def known() -> set[str]:
    names = set(re.findall(r"^\| `(\w+)`", (REPO / "docs/variables.md").read_text(), re.M))
    for kind in ("modules", "filter", "action"):
        names |= {path.stem for path in (REPO / "plugins" / kind).iterdir()}
    names |= {path.stem.lstrip("_") for path in (REPO / "plugins/module_utils").glob("*.py")}
    return names | {"hsflowd_standin"}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPO)) for page in PAGES])
def test_every_variable_that_is_named_exists(page):
    there = known()
    assert "hsflowd_version" in there and "sflow_bundle_path" in there and "collector_address" in there
    text = re.sub(r"\bvault_\w+", "", page.read_text())
    assert sorted(set(VARIABLE.findall(text)) - there) == []


@pytest.mark.parametrize("block", YAML, ids=str)
def test_yaml_can_be_read_and_the_agents_settings_are_accepted(block):
    found = yaml.safe_load(block.text)
    assert found

    def settings(node):
        if isinstance(node, dict):
            mine = {k: v for k, v in node.items() if str(k).startswith("hsflowd_") and "{{" not in str(v)}
            if mine:
                yield mine
            for value in node.values():
                yield from settings(value)
        elif isinstance(node, list):
            for value in node:
                yield from settings(value)

    for mine in settings(found):
        variables = yaml.safe_load((REPO / "roles/hsflowd/defaults/main.yml").read_text())
        variables.update({"hsflowd_collectors": [{"ip": "192.0.2.100"}]}, **mine)
        assert _hsflowd.settle(variables)["problems"] == []


def test_verdicts_are_those_of_the_code():
    for page in ("README.md", "docs/troubleshooting.md"):
        rows = re.findall(r"^\| (`.*?`) \|", (REPO / page).read_text(), re.M)
        named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
        assert sorted(name for name in named if name in _verdicts.VERDICTS) == sorted(_verdicts.VERDICTS), page


def test_the_migrated_variables_give_the_file_of_the_plain_role():
    """docs/migration.md shows a file and variables: these variables give that file, but for its first line."""
    here = [block for block in blocks() if block.page == "docs/migration.md"]
    (plain,) = [block.text for block in here if block.text.startswith("sflow {")]
    (given,) = [block.text for block in here if block.text.startswith("# group_vars")]
    variables = yaml.safe_load((REPO / "roles/hsflowd/defaults/main.yml").read_text())
    variables.update(yaml.safe_load(given))
    plan = _hsflowd.settle(variables, host(interfaces=[interface("eth0", speed=1000)]))
    assert plan["problems"] == []
    assert render(plan["statements"]).split("\n", 1)[1] == plain


def test_commands_within_a_sentence_are_targets():
    targets = re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.M)
    for page in PAGES:
        for target in re.findall(r"`make ([\w-]+)[^`]*`", page.read_text()):
            assert target in targets, f"{page}: make {target}"


def test_pages_name_no_place_that_is_not_there():
    """Paths of the repository in backticks."""
    for page in PAGES:
        for path in re.findall(r"`((?:roles|playbooks|plugins|docs|tests|meta|molecule)/[\w./-]+)`", page.read_text()):
            assert (REPO / path).exists() or list((REPO / path).parent.glob((REPO / path).name + "*")), (
                f"{page}: {path}"
            )
