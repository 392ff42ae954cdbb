# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle is to hold, by the variables of the playbook that makes it. Control node only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd
from ansible_collections.netviz.sflow.plugins.plugin_utils._settings import Rule, listed, refused

DEFAULTS: dict[str, Any] = {
    "sflow_bundle_path": "netviz-sflow-bundle",
    "sflow_bundle_platforms": ["ubuntu18", "ubuntu20", "ubuntu22", "ubuntu24", "debian11", "debian12", "debian13"],
    "sflow_bundle_architectures": ["amd64"],
    "sflow_bundle_version": "auto",
    "sflow_bundle_release_url": _hsflowd.RELEASE_URL,
    "sflow_bundle_sha256": {},
    "sflow_bundle_collections": ["netviz.sflow"],
    "sflow_bundle_image": "",
    "sflow_bundle_image_pull": "missing",
}
PREFIX = "sflow_bundle_"


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _all_match(pattern: str) -> Callable[[Any], bool]:
    return lambda value: all(re.fullmatch(pattern, name) for name in listed(value))


def _are_sums(value: Any) -> bool:
    right = re.compile(r"\s*(sha256:)?[0-9a-fA-F]{64}\s*|")
    return isinstance(value, Mapping) and all(right.fullmatch(str(one or "")) for one in value.values())


RULES: dict[str, Rule] = {
    "sflow_bundle_path": (_matches(r"[^\0]+"), "the path of a directory"),
    "sflow_bundle_platforms": (_all_match("[a-z]+[0-9]+"), "a list of platforms by upstream's names, such as [ubuntu18, debian12]"),
    "sflow_bundle_architectures": (_all_match("[a-z0-9]+(-[a-z0-9]+)*"), "a list of architectures by dpkg's names, such as [amd64]"),
    "sflow_bundle_release_url": (_matches(_hsflowd.URL), "a URL of http, https, ftp or file, in which a / of a password is written %2F"),
    "sflow_bundle_sha256": (_are_sums, "a mapping of file names to 64 hexadecimal digits, or to nothing for no check"),
    "sflow_bundle_collections": (_all_match(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*"), "a list of collections, such as [netviz.sflow]"),
    # An engine gives no image away by its digest, and knows none of an image that it loaded from an archive.
    "sflow_bundle_image": (
        _matches(r"[A-Za-z0-9][\w./:-]*"),
        "the name of an image with a tag, such as sflow/vizceral:latest. A digest does not come along; SHA256SUMS has a sum of the archive",
    ),
    "sflow_bundle_image_pull": (lambda value: value in ("missing", "always", "never"), "missing, always or never"),
}


def plan(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What to make of the variables: each without its prefix, packages as `packages_of` gives them, and problems, a list of sentences."""
    asked = {name: variables.get(name) for name in DEFAULTS}
    given = {name: value for name, value in asked.items() if value not in (None, "")}
    problems = refused(RULES, given)
    found = {name[len(PREFIX):]: value for name, value in {**DEFAULTS, **given}.items()}
    packages: list[dict[str, Any]] = []
    if not problems:
        for name in ("platforms", "architectures", "collections"):
            found[name] = listed(found[name])
        packages, problems = packages_of(found)
    return {**found, "packages": packages, "problems": problems}


def packages_of(bundle: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """The packages of hsflowd, [{platform, architecture, version, asset, url, sha256, file}], and what is wrong: a list of sentences.

    The rules for versions and names are those of the role.
    """
    sums: Mapping[str, Any] = bundle["sha256"]
    packages: list[dict[str, Any]] = []
    problems: list[str] = []
    for platform in bundle["platforms"]:
        for architecture in bundle["architectures"]:
            source, release, wrong = _hsflowd.package_source(
                {"hsflowd_version": bundle["version"], "hsflowd_release_url": bundle["release_url"], "hsflowd_deb_sha256": sums},
                {"platform": platform, "architecture": architecture},
                None,
            )
            problems += map(_of_the_bundle, wrong)
            if source["url"]:
                packages.append(
                    {
                        "platform": platform,
                        "architecture": architecture,
                        "version": release,
                        "asset": source["asset"],
                        "url": source["url"],
                        "sha256": source["sha256"] or "",
                        "file": f"packages/v{release}/{source['asset']}",
                    }
                )
    if sums and not problems:
        assets = {one["asset"] for one in packages}
        without, beside = sorted(assets - set(sums)), sorted(map(str, set(sums) - assets))
        if without:
            problems.append(f"sflow_bundle_sha256 has no sum for {', '.join(without)}; add it, or the name without a sum for no check")
        if beside:
            problems.append(f"sflow_bundle_sha256 has a sum for {', '.join(beside)}, which does not come into the bundle")
    return packages, list(dict.fromkeys(problems))


def _of_the_bundle(sentence: str) -> str:
    """What the role says of its variables, with those of the bundle, which has no others for a package."""
    sentence = re.sub(r"(\. Otherwise|;) give the package by .*|\. Change hsflowd_version, or give .*", "", sentence)
    return re.sub("hsflowd_(version|release_url)", r"sflow_bundle_\1", sentence).replace("hsflowd_deb_sha256", "sflow_bundle_sha256")
