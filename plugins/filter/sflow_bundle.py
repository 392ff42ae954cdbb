# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What belongs into a bundle for a place without the Internet, and its bill of materials."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ansible.utils.display import Display
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_grammar import LIBRARY_PACKAGES, MODULE_LIBRARIES
from ansible_collections.netviz.sflow.plugins.plugin_utils import _bundle, _settings

# What the roles install from the distribution, beside the libraries of hsflowd's modules, and what for.
DISTRIBUTION_PACKAGES = {
    "python3-numpy": "collector_numpy",
    "python3-requests": "sflow_rt_install_requests",
    "docker.io": "sflow_rt_install_engine",
    "nginx": "sflow_rt_proxy",
    "openssl": "sflow_rt_proxy_tls",
}
UPSTREAM = "https://github.com/sflow/host-sflow"


def sflow_bundle_plan(variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the variables of a host, here localhost, ask for, and what is wrong with them."""
    for sentence in _settings.misspelt(variables, (_bundle.PREFIX,), _bundle.DEFAULTS):
        Display().warning(sentence)
    return _bundle.plan(variables)


def sflow_bundle_digests(directory: str, without: tuple[str, ...] = ()) -> dict[str, str]:
    """The sha256 of every file below a directory, by its path there: sorted, so that the same files give the same list."""
    found = {}
    for where, _directories, names in os.walk(os.path.expanduser(str(directory))):
        for name in names:
            path = os.path.join(where, name)
            short = os.path.relpath(path, os.path.expanduser(str(directory)))
            if short in without or short.endswith(".part"):
                continue
            digest = hashlib.sha256()
            with open(path, "rb") as handle:
                for chunk in iter(lambda: handle.read(1 << 20), b""):
                    digest.update(chunk)
            found[short] = digest.hexdigest()
    return dict(sorted(found.items()))


def sflow_bundle_bom(
    packages: list[dict[str, str]],
    collections: list[dict[str, Any]],
    digests: dict[str, str],
    image: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The bill of materials as CycloneDX 1.5: what the roles install, from where, and the checksum of each file."""
    components = [_package(one, digests) for one in packages]
    components += [_collection(one) for one in collections]
    if image:
        components.append(_image(image, digests))
    components += _from_distribution(sorted({one["platform"] for one in packages}))
    head = next((one for one in collections if one["name"] == "netviz.sflow"), {"name": "netviz.sflow", "version": "0"})
    identity = uuid.uuid5(
        uuid.NAMESPACE_URL, "netviz.sflow " + repr([(c["bom-ref"], c.get("hashes")) for c in components])
    )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{identity}",  # follows from the contents, as all of it
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "bundle",
                "name": "netviz-sflow-bundle",
                "version": str(head["version"]),
            }
        },
        "components": components,
        "dependencies": [{"ref": "bundle", "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _component(kind: str, name: str, version: str | None, purl: str, **more: Any) -> dict[str, Any]:
    told = {"version": str(version)} if version else {}
    return {"type": kind, "bom-ref": purl, "name": name, "purl": purl, **told, **more}


def _hashes(digest: str | None) -> dict[str, Any]:
    return {"hashes": [{"alg": "SHA-256", "content": digest}]} if digest else {}


def _file(path: str, **more: str) -> list[dict[str, str]]:
    return [{"name": f"netviz.sflow:{key}", "value": str(value)} for key, value in {"file": path, **more}.items()]


def _package(one: dict[str, str], digests: dict[str, str]) -> dict[str, Any]:
    purl = f"pkg:deb/sflow/hsflowd@{quote(one['version'], safe='')}?arch={one['architecture']}&distro={one['platform']}"
    url = dict(_hashes(digests.get(one["file"])), type="distribution", url=one["url"])
    return _component(
        "application",
        "hsflowd",
        one["version"],
        purl,
        **_hashes(digests.get(one["file"])),
        externalReferences=[url, {"type": "vcs", "url": UPSTREAM}],
        properties=_file(one["file"], platform=one["platform"], architecture=one["architecture"]),
    )


def _collection(one: dict[str, Any]) -> dict[str, Any]:
    # There is no type of package URL for collections of Ansible.
    purl = f"pkg:generic/{one['name']}@{quote(one['version'], safe='')}"
    more: dict[str, Any] = {}
    if one["license"]:
        more["licenses"] = [{"license": {"id": name}} for name in one["license"]]
    if one["source"]:
        more["externalReferences"] = [{"type": "vcs", "url": one["source"]}]
    return _component(
        "library",
        one["name"],
        one["version"],
        purl,
        **_hashes(one["sha256"]),
        **more,
        properties=_file("collections/" + one["file"]),
    )


def _image(one: dict[str, str], digests: dict[str, str]) -> dict[str, Any]:
    base, colon, tag = one["name"].rpartition(":")
    if not colon or "/" in tag:
        base, tag = one["name"], ""
    version = tag or "latest"
    return _component(
        "container",
        base,
        version,
        f"pkg:docker/{base}@{quote(version, safe='')}",
        **_hashes(digests.get(one["file"])),
        properties=_file(one["file"], id=one["id"]),
    )


def _from_distribution(platforms: list[str]) -> list[dict[str, Any]]:
    found = []
    for platform in platforms:
        vendor = platform.rstrip("0123456789")
        names = {
            package: "hsflowd_modules: "
            + ", ".join(sorted(m for m, needs in MODULE_LIBRARIES.items() if soname in needs))
            for soname, (usual, exceptions) in LIBRARY_PACKAGES.items()
            for package in [exceptions.get(platform, usual)]
        }
        for name, why in sorted({**names, **DISTRIBUTION_PACKAGES}.items()):
            found.append(
                _component(
                    "library" if name in names else "application",
                    name,
                    None,  # whichever the distribution's archive has
                    f"pkg:deb/{vendor}/{quote(name, safe='')}?distro={platform}",
                    scope="required" if "pcap" in name else "optional",
                    properties=[
                        {"name": "netviz.sflow:source", "value": "the distribution's archive"},
                        {"name": "netviz.sflow:wanted-by", "value": why},
                    ],
                )
            )
    return found


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {
            "sflow_bundle_plan": sflow_bundle_plan,
            "sflow_bundle_digests": sflow_bundle_digests,
            "sflow_bundle_bom": sflow_bundle_bom,
        }
