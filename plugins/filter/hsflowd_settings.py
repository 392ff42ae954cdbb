# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions of the role hsflowd, made on the control node."""

from __future__ import annotations

import contextlib
import hashlib
import io
import ipaddress
import os
import re
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd

# What reading a package that is damaged or cut short may end in.
DAMAGE: tuple[type[Exception], ...] = (OSError, ValueError, EOFError, tarfile.TarError, zlib.error)
with contextlib.suppress(ImportError):  # a Python may be built without it
    from lzma import LZMAError

    DAMAGE += (LZMAError,)

Hostvars = Mapping[str, Mapping[str, Any]]


def plain(value: Any) -> Any:
    """Ansible's own kinds of str, int, dict and list as plain ones, so that messages show what was written."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value)


def package_version(path: str) -> tuple[str | None, str | None]:
    """(version, problem) of a package file on the control node: by its control file, else by its name."""
    path = os.path.expanduser(path)
    if not os.path.isfile(path):
        return None, "%s is not there on the controller" % path
    try:
        control = _control(path)
    except DAMAGE as error:
        return None, "%s cannot be read as a Debian package: %s" % (path, error)
    if control is None:
        return _hsflowd.asset_version(path), None
    name = re.search(r"^Package:\s*(\S+)", control, re.M)
    version = re.search(r"^Version:\s*(\S+)", control, re.M)
    if not name or name.group(1) != "hsflowd" or not version:
        return None, "%s is the package %s, not hsflowd" % (path, name.group(1) if name else "without a name")
    return version.group(1), None


def _control(path: str) -> str | None:
    """The text of a package's control file; None where its compression is unknown to this Python and there is no dpkg-deb."""
    length = os.path.getsize(path)
    with open(path, "rb") as stream:
        if stream.read(8) != b"!<arch>\n":
            raise ValueError("it is no archive of the Debian kind")
        while True:
            head = stream.read(60)
            if len(head) < 60:
                raise ValueError("it has no control part")
            name, size = head[:16].decode("ascii", "replace").strip().rstrip("/"), int(head[48:58])
            if not 0 <= size <= length - stream.tell():
                raise ValueError("it is damaged or cut short")
            if not name.startswith("control.tar"):
                stream.seek(size + size % 2, 1)
                continue
            data = stream.read(size)
            break
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                found = archive.extractfile(member) if member.isfile() and member.name.lstrip("./") == "control" else None
                if found:
                    return found.read().decode("utf-8", "replace")
    except tarfile.ReadError:
        if shutil.which("dpkg-deb") is None:
            return None
        done = subprocess.run(["dpkg-deb", "--field", path], check=False, capture_output=True)
        if done.returncode != 0:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise ValueError(said or "dpkg-deb ended with %d" % done.returncode) from None
        return done.stdout.decode("utf-8", "replace")
    raise ValueError("it has no control file")


def hsflowd_settings(
    variables: Mapping[str, Any], host: Mapping[str, Any] | None = None, version: str | None = None
) -> dict[str, Any]:
    """The role's variables -> its plan: ordered statements of hsflowd.conf, or problems."""
    if not hasattr(variables, "items"):
        raise AnsibleFilterError("hsflowd_settings takes a mapping of the role's variables, not %r" % (variables,))
    return _hsflowd.settle(plain(variables), plain(host) if host else None, package_version, version)


def hsflowd_due(
    host: Mapping[str, Any],
    plan: Mapping[str, Any],
    config: str,
    drop_ins: Mapping[str, str] | None = None,
    enabled: bool = True,
) -> list[str]:
    """What the host differs in from the plan, each in a few words."""

    def digest(text: object) -> str:
        return hashlib.sha256(str(text).encode("utf-8")).hexdigest()

    return _hsflowd.due(host, plan, digest(config), {k: digest(v) for k, v in (drop_ins or {}).items()}, enabled)


def _group_collectors(hostvars: Hostvars, groups: Mapping[str, list[str]]) -> list[tuple[str, str, dict[str, Any]]]:
    """(host, variable of its address, collector) by the groups sflow_collector and sflow_rt, without those that are to go."""
    found = []
    for group, prefix in (("sflow_collector", "collector"), ("sflow_rt", "sflow_rt")):
        for name in groups.get(group, []):
            values = hostvars[name]
            if values.get(prefix + "_state") == "absent":
                continue
            address = values.get(prefix + "_address") or values.get("ansible_host") or name
            shared = prefix == "collector" and name in groups.get("sflow_rt", [])
            port = values.get(prefix + "_udp_port") or (6344 if shared else 6343)
            found.append((str(name), prefix + "_address", {"ip": str(address), "udpport": int(port)}))
    return found


def hsflowd_group_collectors(hostvars: Hostvars, groups: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The collectors that the inventory names by its groups sflow_collector and sflow_rt."""
    return [collector for _name, _variable, collector in _group_collectors(hostvars, groups)]


def _is_loopback(address: object) -> bool:
    try:
        return ipaddress.ip_address(str(address)).is_loopback
    except ValueError:
        return str(address).lower() in ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


def loopback_collectors(
    hostvars: Hostvars, groups: Mapping[str, list[str]], name: str, collectors: Any
) -> tuple[list[str], list[str]]:
    """(problems, warnings) about collectors whose address is each agent itself, for the agent of this name."""
    entries = [entry for entry in collectors if isinstance(entry, Mapping)] if isinstance(collectors, list) else []
    if not any(_is_loopback(entry.get("ip")) for entry in entries):
        return [], []
    known = _group_collectors(hostvars, groups)
    if collectors != [collector for _host, _variable, collector in known]:
        where = ["hsflowd_collectors[%d] is %s" % (n, e.get("ip")) for n, e in enumerate(entries) if _is_loopback(e.get("ip"))]
        return [], ["%s, which is each agent itself" % one for one in where]

    def here(host: str) -> bool:
        return host == name or all(hostvars[n].get("ansible_connection") == "local" for n in (host, name))

    return [
        "the collector %s has the address %s, which is each agent itself; set %s to the one that the agents reach"
        % (host, collector["ip"], variable)
        for host, variable, collector in known
        if _is_loopback(collector["ip"]) and not here(host)
    ], []


def _agent_address(values: Mapping[str, Any]) -> Any:
    """The address that a host will report under: planned, or to be planned when a later batch comes to it."""
    info = values.get("__hsflowd_info") or {}
    plan = info.get("plan") or {}
    running = (info.get("auto") or {}).get("agent_ip")
    if plan:
        return plan.get("agent_address") or running
    if values.get("hsflowd_agent_ip"):
        return values["hsflowd_agent_ip"]
    if (values.get("hsflowd_agent") or "auto") == "auto" and not values.get("hsflowd_agent_cidr"):
        return info.get("uplink_address")
    return running


def hsflowd_shared_addresses(hostvars: Hostvars, hosts: Iterable[str]) -> list[dict[str, Any]]:
    """Those of the hosts that would report under one agent address: [{address, hosts}]."""
    by_address: dict[str, list[str]] = {}
    for name in hosts:
        address = _agent_address(hostvars[name])
        if address:
            by_address.setdefault(str(address).lower(), []).append(str(name))
    return [{"address": a, "hosts": sorted(n)} for a, n in sorted(by_address.items()) if len(n) > 1]


def hsflowd_cached(source: Mapping[str, str], directory: str) -> str:
    """Where the controller keeps the package of this source; a file:// address is the place itself."""
    url = source["url"]
    if url.startswith("file://"):
        return url[len("file://") :]
    # By address, because two mirrors may have different files of one name.
    path, _mark, query = url.partition("?")
    key = hashlib.sha256((path.rsplit("/", 1)[0] + query).encode("utf-8")).hexdigest()[:12]
    return os.path.join(os.path.expanduser(str(directory)), key, source["asset"])


def hsflowd_package_due(host: Mapping[str, Any], version: str | None) -> bool:
    """Whether a host needs the file of a package: another version is there, or an interrupted run may have left half of this one."""
    return _hsflowd.package_due(dict(host), version)


def hsflowd_downloads(hostvars: Hostvars, hosts: Iterable[str], directory: str) -> list[dict[str, str]]:
    """What the controller has to download for these hosts, each package once: [{url, dest, sha256, host}].

    The host is the one in whose name it is downloaded, the first that needs it and will not be refused.
    """
    found: dict[str, dict[str, str]] = {}
    for name in hosts:
        values = hostvars[name]
        info = values.get("__hsflowd_info") or {}
        plan = info.get("plan") or {}
        source = plan.get("source") or {}
        if plan.get("problems") or not source.get("url") or source["url"].startswith("file://"):
            continue
        if hsflowd_package_due(info, plan.get("version")):
            dest = hsflowd_cached(source, directory)
            one = {"url": source["url"], "dest": dest, "sha256": source["sha256"], "host": str(name)}
            found.setdefault(source["url"], one)
    return [found[url] for url in sorted(found)]


def hsflowd_remains(host: Mapping[str, Any], manage: object = True, keep_config: object = False) -> list[str]:
    """What of the agent is still on the host, each in a few words."""
    return _hsflowd.remains(host, _hsflowd.is_true(manage), _hsflowd.is_true(keep_config))


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "hsflowd_settings": hsflowd_settings,
            "hsflowd_due": hsflowd_due,
            "hsflowd_group_collectors": hsflowd_group_collectors,
            "hsflowd_shared_addresses": hsflowd_shared_addresses,
            "hsflowd_package_due": hsflowd_package_due,
            "hsflowd_downloads": hsflowd_downloads,
            "hsflowd_cached": hsflowd_cached,
            "hsflowd_remains": hsflowd_remains,
        }
