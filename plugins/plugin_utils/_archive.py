# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installed collection back into the tarball that `ansible-galaxy collection install` takes.

The bytes depend on nothing but names and contents: no time, no owner, no order of a file system.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import json
import os
import tarfile
from typing import Any

# What may be missing: the bundle `ansible` installs collections without their tests and settings of development tools.
NEEDED = ("plugins/", "roles/", "playbooks/", "meta/")


class ArchiveError(Exception):
    """Why a collection cannot be packed, in a sentence."""


def locate(name: str) -> str:
    """The directory of a collection, as Ansible's own search finds it."""
    try:
        return str(list(importlib.import_module(f"ansible_collections.{name}").__path__)[0])
    except ImportError as error:
        raise ArchiveError(f"The collection {name} is not installed on the control node.") from error


def read(directory: str, name: str) -> bytes:
    with open(os.path.join(directory, name), "rb") as handle:
        return handle.read()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def about(directory: str) -> dict[str, Any]:
    """What MANIFEST.json says about the collection."""
    try:
        found: dict[str, Any] = json.loads(read(directory, "MANIFEST.json"))["collection_info"]
        return found
    except FileNotFoundError as error:
        raise ArchiveError(
            f"{directory} is no installed collection: it has no MANIFEST.json. Build and install the collection first."
        ) from error


def listing(directory: str, ordered: bool = False) -> tuple[bytes, bytes, list[dict[str, Any]]]:
    """MANIFEST.json, FILES.json and the entries of the latter that are there, each compared with its checksum."""
    about(directory)
    manifest, files = read(directory, "MANIFEST.json"), read(directory, "FILES.json")
    if digest(files) != json.loads(manifest)["file_manifest_file"]["chksum_sha256"]:
        raise ArchiveError(f"{directory}/FILES.json is not what MANIFEST.json says. Install the collection anew.")
    everything = json.loads(files)
    entries = []
    for entry in everything["files"]:
        path = os.path.join(directory, entry["name"])
        if not os.path.exists(path):
            if (entry["name"] + "/").startswith(NEEDED):
                raise ArchiveError(f"{path} is missing. Install the collection anew.")
            continue
        if entry["ftype"] == "file" and digest(read(directory, entry["name"])) != entry["chksum_sha256"]:
            raise ArchiveError(f"{path} was changed after it was installed. Install the collection anew.")
        entries.append(entry)
    if ordered:
        entries.sort(key=lambda entry: entry["name"])
    if entries != everything["files"]:
        files = json.dumps(dict(everything, files=entries), indent=1).encode("utf-8")
        head = json.loads(manifest)
        head["file_manifest_file"]["chksum_sha256"] = digest(files)
        manifest = json.dumps(head, indent=1).encode("utf-8")
    return manifest, files, entries


def pack(directory: str, ordered: bool = False, mtime: int = 0) -> bytes:
    """The tarball; ordered sorts the list of files, which ansible-galaxy leaves in the order of the file system."""
    manifest, files, entries = listing(directory, ordered)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def add(name: str, data: bytes | None, mode: int) -> None:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            member.mode, member.mtime, member.size = mode, mtime, len(data or b"")
            archive.addfile(member, None if data is None else io.BytesIO(data))

        add("MANIFEST.json", manifest, 0o644)
        add("FILES.json", files, 0o644)
        for entry in entries:
            path = os.path.join(directory, entry["name"])
            if entry["ftype"] == "dir":
                if entry["name"] != ".":
                    add(entry["name"], None, 0o755)
            else:
                add(entry["name"], read(directory, entry["name"]), 0o755 if os.access(path, os.X_OK) else 0o644)
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=mtime) as stream:
        stream.write(raw.getvalue())
    return out.getvalue()


def needed(names: list[str]) -> dict[str, str]:
    """Name -> directory of these collections and of all that they depend on."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = locate(name)
            waiting += sorted(about(found[name])["dependencies"] or {})
    return dict(sorted(found.items()))
