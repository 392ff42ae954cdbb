# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be seen of hsflowd on its host. Reads files and three programs (dpkg-query, systemctl, ldconfig), changes nothing."""

import fcntl
import glob
import hashlib
import ipaddress
import json
import os
import platform
import re
import socket
import struct
import subprocess
import time
from typing import Any, Dict, List, Optional, Set, Tuple

CONFIG = "/etc/hsflowd.conf"
AUTO = "/etc/hsflowd.auto"
BINARY = "/usr/sbin/hsflowd"
MODULES = "/etc/hsflowd/modules"
DROP_INS = "/etc/systemd/system/hsflowd.service.d"
STATE = "/var/lib/netviz-sflow"
PENDING = STATE + "/hsflowd.pending"
UNIT = "hsflowd.service"
WANTS = "/etc/systemd/system/multi-user.target.wants/hsflowd.service"

# VERSION_CODENAME of the distribution that a derivative is built on -> upstream's platform.
CODENAMES = {
    "bionic": "ubuntu18",
    "focal": "ubuntu20",
    "jammy": "ubuntu22",
    "noble": "ubuntu24",
    "buster": "debian10",
    "bullseye": "debian11",
    "bookworm": "debian12",
    "trixie": "debian13",
}


def read(path: str) -> Optional[bytes]:
    """The bytes of a file, or None."""
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except OSError:
        return None


def text(path: str) -> str:
    """A file as text without blanks around it; empty when there is none."""
    return (read(path) or b"").decode("utf-8", "replace").strip()


def digest(data: Any) -> Any:
    return None if data is None else hashlib.sha256(data).hexdigest()


def environment(**more: str) -> Dict[str, str]:
    """For the programs that are run. dpkg needs those of the administrator, which su leaves out of the PATH of a user on Debian."""
    path = (os.environ.get("PATH") or "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return dict(os.environ, PATH=path, LC_ALL="C", LANG="C", SYSTEMD_COLORS="0", SYSTEMD_PAGER="", **more)


def run(*command: Any) -> Tuple[int, str]:
    """(exit status, standard output) of a read-only program; 127 when it is not there."""
    try:
        # No module is at hand, and so no run_command.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment(), check=False
        )
    except OSError:
        return 127, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")


def parse_os_release(content: str) -> Dict[str, str]:
    """The assignments of os-release, without their quotes."""
    found = {}
    for line in content.splitlines():
        match = re.match(r"^([A-Z0-9_]+)=(?:\"(.*)\"|'(.*)'|(.*?))\s*$", line)
        if match:
            found[match.group(1)] = next(g for g in match.groups()[1:] if g is not None)
    return found


def platform_of(release: Dict[str, str]) -> Optional[str]:
    """Upstream's name of the platform (ubuntu18, debian12), from os-release; None when there is not enough to tell."""
    name = release.get("ID", "").lower()
    major = release.get("VERSION_ID", "").partition(".")[0]
    if name not in ("ubuntu", "debian") and name != "":
        like = release.get("ID_LIKE", "").lower().split()
        if "ubuntu" in like or "debian" in like:
            base = (
                release.get("UBUNTU_CODENAME") or release.get("DEBIAN_CODENAME") or release.get("VERSION_CODENAME", "")
            )
            return CODENAMES.get(base.lower())
    if name == "debian" and not major:
        return CODENAMES.get(release.get("VERSION_CODENAME", "").lower())
    return name + major if name and major else None


def parse_auto(content: str) -> Dict[str, Any]:
    """hsflowd.auto: what the running daemon says is in effect.

    A collector is `IP`, `IP PORT` or `IP/PORT/DEVICE/NAMESPACE`; the same revision at both ends says that the file is whole.
    """
    found: Dict[str, Any] = {
        "exists": True,
        "complete": False,
        "agent_ip": None,
        "agent_device": None,
        "collectors": [],
        "sampling": None,
        "polling": None,
    }
    ends = {}
    for line in content.splitlines():
        key, equals, value = line.strip().partition("=")
        if not equals or key.startswith("#"):
            continue
        value = value.strip()
        if key in ("rev_start", "rev_end"):
            ends[key] = value
        elif key == "collector":
            collector = _collector(value)
            if collector:
                found["collectors"].append(collector)
        elif key == "agentIP":
            found["agent_ip"] = value
        elif key == "agent":
            found["agent_device"] = value
        else:
            found[key] = int(value) if re.match(r"^[0-9]{1,10}$", value) else value
    # A start that failed leaves the file empty; one that waits for DNS-SD writes the revisions alone.
    found["complete"] = (
        bool(ends.get("rev_start")) and ends.get("rev_start") == ends.get("rev_end") and "hostname" in found
    )
    return found


def _collector(value: str) -> Optional[Dict[str, Any]]:
    if "/" in value:
        parts = value.split("/")
        address, port = parts[0], parts[1] if len(parts) > 1 else ""
        more = {k: v for k, v in zip(("dev", "namespace"), parts[2:]) if v}
    else:
        address, _space, port = value.partition(" ")
        more = {}
    port = port.strip()
    if port and not port.isdigit() or not address:
        return None
    return dict(more, ip=address, udpport=int(port or 6343))


def same_address(one: str, other: str) -> bool:
    """Whether two spellings are one address."""
    try:
        return ipaddress.ip_address(str(one).partition("%")[0]) == ipaddress.ip_address(str(other).partition("%")[0])
    except ValueError:
        return str(one).lower() == str(other).lower()


def needed_libraries(path: str) -> Optional[List[str]]:
    """DT_NEEDED of an ELF file, read here because ldd would start a program per module; None when it is no ELF file."""
    data = read(path) or b""
    if data[:4] != b"\x7fELF" or len(data) < 52:
        return None
    wide, order = data[4:5] == b"\x02", "<" if data[5:6] == b"\x01" else ">"
    try:
        offset = struct.unpack_from(order + ("Q" if wide else "I"), data, 32 if wide else 28)[0]
        size, count = struct.unpack_from(order + "HH", data, 54 if wide else 42)
        segments = []  # (type, offset in the file, address, bytes in the file)
        for at in range(offset, offset + size * count, size):
            fields = struct.unpack_from(order + ("IIQQQQ" if wide else "IIIII"), data, at)
            segments.append(
                (fields[0], fields[2], fields[3], fields[5]) if wide else (fields[0],) + fields[1:3] + fields[4:5]
            )
        entry = order + ("qQ" if wide else "iI")
        entries = [
            struct.unpack_from(entry, data, at)
            for segment in segments
            if segment[0] == 2  # PT_DYNAMIC
            for at in range(segment[1], segment[1] + segment[3], struct.calcsize(entry))
        ]
        strings = next(value for tag, value in entries if tag == 5)  # DT_STRTAB, an address
        start = next(s[1] + strings - s[2] for s in segments if s[0] == 1 and s[2] <= strings < s[2] + s[3])  # PT_LOAD
        names = [start + value for tag, value in entries if tag == 1]  # DT_NEEDED
        return [data[at : data.index(b"\0", at)].decode("ascii", "replace") for at in names]
    except (struct.error, IndexError, ValueError, OverflowError, StopIteration):
        return None


def libraries() -> Set[str]:
    """Names of the shared libraries that the linker finds."""
    status, out = run("ldconfig", "-p")
    if status == 0:
        lines = [line.partition(" => ") for line in out.splitlines()[1:]]
        # The cache may be older than the removal of a library.
        return {name.split()[0] for name, arrow, path in lines if arrow and os.path.exists(path.strip())}
    places = ("/lib", "/usr/lib", "/lib/*-linux-gnu", "/usr/lib/*-linux-gnu")
    return {os.path.basename(p) for d in places for p in glob.glob(d + "/*.so*")}


def modules(present: Set[str], pid: Any) -> Dict[str, Any]:
    """Modules of the package, those whose libraries are not there, and those that the daemon has loaded."""
    found: Dict[str, Any] = {"available": [], "broken": {}, "mapped": []}
    for path in sorted(glob.glob(MODULES + "/mod_*.so")):
        name = os.path.basename(path)[4:-3]
        found["available"].append(name)
        missing = [n for n in needed_libraries(path) or [] if n not in present and not n.startswith("ld-linux")]
        if missing:
            found["broken"][name] = missing
    if pid:
        found["mapped"] = mapped(pid)
    return found


def mapped(pid: Any) -> Any:
    maps = text("/proc/%s/maps" % pid)
    return sorted(set(re.findall(r"/mod_([A-Za-z0-9]+)\.so", maps)))


PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NRestarts",
    "Result",
    "MainPID",
    "NeedDaemonReload",
    "ExecMainStartTimestampMonotonic",
)


def unit() -> Any:
    """The service as systemd sees it."""
    status, out = run("systemctl", "show", UNIT, "--no-pager", *["--property=" + p for p in PROPERTIES])
    shown = dict(line.partition("=")[::2] for line in out.splitlines() if "=" in line) if status == 0 else {}
    pid = int(shown.get("MainPID") or 0)
    started = int(shown.get("ExecMainStartTimestampMonotonic") or 0)
    seconds = time.clock_gettime(time.CLOCK_MONOTONIC) - started / 1e6 if pid and started else None
    return {
        "load_state": shown.get("LoadState") or None,
        "active_state": shown.get("ActiveState") or None,
        "sub_state": shown.get("SubState") or None,
        "unit_file_state": shown.get("UnitFileState") or None,
        "n_restarts": int(shown.get("NRestarts") or 0),
        "result": shown.get("Result") or None,
        "main_pid": pid or None,
        "running_seconds": round(seconds, 1) if seconds is not None else None,
        "stale": stale(pid, seconds, shown.get("NeedDaemonReload") == "yes"),
    }


def enabled_as(state: Optional[str], wanted: bool) -> bool:
    """Whether the service is enabled or not as wanted. A unit that has nothing to install is as it is (systemctl(1), is-enabled)."""
    return state in ("static", "indirect", "generated", "alias") or (state == "enabled") == bool(wanted)


def stale(pid: int, seconds: Optional[float], reload_needed: bool) -> List[str]:
    """What is newer than the running daemon: a run that was killed before the restart, or a change made by hand."""
    found: List[Any] = ["the unit"] if reload_needed else []
    if not pid or seconds is None:
        return found
    # Not by /proc/PID/exe, which not even root may read in a container without CAP_SYS_PTRACE.
    if re.search(r"/(hsflowd|mod_[A-Za-z0-9]+\.so) \(deleted\)$", text("/proc/%s/maps" % pid), re.M):
        found.append("the program")
    now = time.time()
    for name, paths in (("hsflowd.conf", [CONFIG]), ("the drop-ins", sorted(glob.glob(DROP_INS + "/*.conf")))):
        for path in paths:
            try:
                age = now - os.stat(path).st_mtime
            except OSError:
                continue
            if 0 <= age < seconds - 1:
                found.append(name)
                break
    return found


def package() -> Any:
    """(the package's state, the architecture of dpkg) with one call of dpkg-query."""
    found = {"name": "hsflowd", "installed": False, "version": None, "status": None}
    architecture = None
    _status, out = run(
        "dpkg-query", "-W", "-f", "${Package}\t${Status}\t${Version}\t${Architecture}\n", "dpkg", "hsflowd"
    )
    for line in out.splitlines():
        fields = line.split("\t")
        if len(fields) != 4:
            continue
        if fields[0] == "dpkg":
            architecture = fields[3]
        else:
            found["status"] = fields[1]
            found["installed"] = fields[1].endswith(" ok installed")
            found["version"] = fields[2] or None
    return found, architecture


# Interfaces. Addresses come by netlink, the rest from /sys; neither needs the program ip.


def _netlink_addresses() -> Dict[int, List[Tuple[int, str, int, int, int]]]:
    """{ifindex: [(family, address, prefix length, scope, flags)]} as the kernel lists them."""
    found: Dict[Any, Any] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
        link.settimeout(2)
        link.bind((0, 0))
        # RTM_GETADDR with NLM_F_REQUEST | NLM_F_DUMP, and an empty ifaddrmsg
        link.send(struct.pack("=LHHLLBBBBL", 24, 22, 0x301, 1, 0, 0, 0, 0, 0, 0))
        while True:
            data = link.recv(65536)
            at = 0
            while at + 16 <= len(data):
                length, kind = struct.unpack_from("=LH", data, at)
                if kind in (2, 3) or length < 16:  # NLMSG_ERROR, NLMSG_DONE
                    return found
                if kind == 20:  # RTM_NEWADDR
                    _address_message(data[at + 16 : at + length], found)
                at += (length + 3) & ~3


def _address_message(data: bytes, found: Dict[int, List[Tuple[int, str, int, int, int]]]) -> None:
    family, prefix, flags, scope, index = struct.unpack_from("=BBBBL", data, 0)
    at, values = 8, {}
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        values[kind] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    raw = values.get(2) or values.get(1)  # IFA_LOCAL is the host's own end of a point-to-point link
    if 8 in values:  # IFA_FLAGS has the wider set
        flags = struct.unpack("=L", values[8][:4])[0]
    if raw and family in (socket.AF_INET, socket.AF_INET6):
        found.setdefault(index, []).append((family, socket.inet_ntop(family, raw), prefix, scope, flags))


def _driver(name: str) -> str:
    """The driver that ethtool tells, as hsflowd asks for it (readInterfaces.c, ethtool_get_GDRVINFO)."""
    import array

    info = array.array("B", struct.pack("=I", 3) + b"\0" * 192)  # ETHTOOL_GDRVINFO
    request = struct.pack("16sP", name.encode()[:15], info.buffer_info()[0]) + b"\0" * 16
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            fcntl.ioctl(handle.fileno(), 0x8946, request)  # SIOCETHTOOL
    except OSError:
        return ""
    return info.tobytes()[4:36].split(b"\0", 1)[0].decode("ascii", "replace")


def _kind(path: str, name: str, flags: int) -> str:
    if flags & 0x8:
        return "loopback"
    if os.path.isdir(path + "/bonding"):
        return "bond"
    if os.path.isdir(path + "/bridge"):
        return "bridge"
    described = dict(line.partition("=")[::2] for line in text(path + "/uevent").splitlines())
    if described.get("DEVTYPE") in ("vlan", "vxlan", "wlan", "wwan", "gre", "macvlan", "macvtap"):
        return described["DEVTYPE"]
    driver = _driver(name)
    for known, kind in (
        ("veth", "veth"),
        ("vif", "vif"),
        ("tun", "tun"),
        ("openvswitch", "ovs"),
        ("bridge", "bridge"),
        ("bonding", "bond"),
        ("team", "team"),
    ):
        if driver.lower().startswith(known):
            return kind
    return "physical" if os.path.exists(path + "/device") else "virtual"


def _number(path: str) -> Optional[int]:
    content = text(path)
    return int(content, 0) if re.match(r"^-?(0x[0-9a-f]+|[0-9]+)$", content) else None


def default_routes() -> Dict[str, int]:
    """{interface: lowest metric} of the main table's default routes, IPv4 first: IPv6 metrics are weighed behind all of them."""
    found: Dict[Any, Any] = {}
    for line in text("/proc/net/route").splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == "00000000" and fields[7] == "00000000" and int(fields[3], 16) & 1:
            found[fields[0]] = min(found.get(fields[0], 1 << 40), int(fields[6]))
    for line in text("/proc/net/ipv6_route").splitlines():
        fields = line.split()
        if (
            len(fields) > 9
            and fields[0] == "0" * 32
            and fields[1] == "00"
            and fields[9] != "lo"
            and int(fields[8], 16) & 1
            and not int(fields[8], 16) & 0x200
        ):
            found.setdefault(fields[9], (1 << 33) + int(fields[5], 16))
    return found


def interfaces() -> List[Dict[str, Any]]:
    """All network interfaces, in the order of their index."""
    routes = default_routes()
    try:
        addresses = _netlink_addresses()
    except OSError:
        addresses = {}
    found = []
    for path in glob.glob("/sys/class/net/*"):
        name = os.path.basename(path)
        index = _number(path + "/ifindex")
        if index is None:
            continue
        flags = _number(path + "/flags") or 0
        speed = _number(path + "/speed")
        kind = _kind(path, name, flags)
        listed = addresses.get(index, [])
        found.append(
            {
                "name": name,
                "ifindex": index,
                "type": _number(path + "/type"),
                "speed_mbps": speed if speed is not None and 0 < speed < 4294967295 else None,
                "kind": kind,
                "up": bool(flags & 1),
                "addresses": ["%s/%d" % (a[1], a[2]) for a in listed],
                "default_route": name in routes,
                "metric": routes.get(name),
                "lower": sorted(os.path.basename(p)[6:] for p in glob.glob(path + "/lower_*")),
                # global, not temporary (0x01 for IPv6 only), not deprecated (0x20), not tentative (0x40)
                "own_addresses": [
                    a[1] for a in listed if a[3] < 253 and not a[4] & (0x61 if a[0] == socket.AF_INET6 else 0x20)
                ],
            }
        )
    return sorted(found, key=lambda i: i["ifindex"])


# Bridges of container engines and hypervisors, by the names that these give them: they have an address and lead nowhere.
_INTERNAL = re.compile(
    r"^(docker|br-[0-9a-f]{12}$|virbr|cni|cbr|lxcbr|lxdbr|podman|flannel|cali|kube|nerdctl|tailscale|wg|vmnet|vboxnet)"
)


def _usable(interface: Dict[str, Any]) -> List[str]:
    """Addresses that tell this host from another, IPv4 first."""
    kept = []
    for address in interface.get("own_addresses", []):
        parsed = ipaddress.ip_address(address)
        if not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast):
            kept.append((parsed.version, address))
    return [a for _v, a in sorted(kept, key=lambda pair: pair[0])]


def leading(found: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Interfaces that lead to a network, best first: by default routes, else every one with an address of its own."""
    routed = sorted(
        (i for i in found if i["default_route"] and i["up"]), key=lambda i: (i["metric"] or 0, i["ifindex"])
    )
    others = [
        i
        for i in found
        if i not in routed and i["up"] and i["kind"] != "loopback" and _usable(i) and not _INTERNAL.match(i["name"])
    ]
    # Without a default route a veth is the way out of a container; beside one it is the end of somebody else's.
    kinds = (
        ("physical", "bond", "vlan", "team")
        if routed
        else ("physical", "bond", "vlan", "team", "veth", "bridge", "macvlan", "virtual")
    )
    return routed + [i for i in others if i["kind"] in kinds]


def uplinks(found: List[Dict[str, Any]]) -> List[str]:
    """Names of the interfaces to tap: the NICs under the interfaces that lead to a network.

    sFlow counts a packet at the physical port, so a bond, VLAN or bridge is followed down to its NICs; that is also where the
    frames of virtual machines pass. What has nothing below it (a veth in a container, a tunnel) is tapped itself.
    """
    by_name = {i["name"]: i for i in found}

    def below(interface: Dict[str, Any], depth: int) -> List[str]:
        lower = [by_name[n] for n in interface.get("lower", []) if n in by_name] if depth else []
        if interface["kind"] == "bridge":
            lower = [i for i in lower if i["kind"] in ("physical", "bond", "vlan", "team")]
        lower = [i for i in lower if i["up"]]
        if interface["kind"] in ("bond", "vlan", "bridge", "team") and lower:
            return [n for i in lower for n in below(i, depth - 1)]
        return [interface["name"]]

    names = []
    for interface in leading(found):
        for name in below(interface, 4):
            if name not in names:
                names.append(name)
    return names


def uplink_address(found: List[Dict[str, Any]]) -> Optional[str]:
    """The address that the host is known by: the source that the kernel takes for the way out."""
    own = {a: i["name"] for i in found for a in _usable(i)}
    first = leading(found)[:1]
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        if not (first and first[0]["default_route"]):
            break
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))  # sends nothing
                address = probe.getsockname()[0]
        except OSError:
            continue
        if own.get(address) == first[0]["name"]:
            return address
    for interface in leading(found):
        usable = _usable(interface)
        if usable:
            return usable[0]
    return None


def recorded() -> Optional[Dict[str, Any]]:
    """The record of an interrupted run: what was there before it; None without one that can be read."""
    data = read(PENDING)
    try:
        found = json.loads((data or b"").decode("utf-8"))
        return found if isinstance(found, dict) and "version" in found and "config" in found else None
    except ValueError:
        return None


def observe() -> Any:
    """Everything that the role decides by."""
    release = parse_os_release(text("/etc/os-release") or text("/usr/lib/os-release"))
    installed, architecture = package()
    service = unit()
    present = libraries()
    content = read(AUTO)
    auto = parse_auto(content.decode("utf-8", "replace")) if content is not None else dict(parse_auto(""), exists=False)
    config = read(CONFIG)
    found = interfaces()
    named = uplinks(found)
    address = uplink_address(found)
    for interface in found:
        del interface["own_addresses"], interface["metric"]
    drop_ins = {os.path.basename(p): digest(read(p)) for p in sorted(glob.glob(DROP_INS + "/*.conf"))}
    record = recorded()
    return {
        "platform": platform_of(release),
        "distribution": release.get("ID"),
        "distribution_version": release.get("VERSION_ID"),
        "codename": release.get("VERSION_CODENAME") or release.get("UBUNTU_CODENAME"),
        "architecture": architecture or {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname()[4], os.uname()[4]),
        "python_version": platform.python_version(),
        "hostname": socket.gethostname(),
        "package": installed,
        "config": {"path": CONFIG, "exists": config is not None, "sha256": digest(config)},
        "drop_ins": drop_ins,
        "unit": service,
        "auto": auto,
        "collector_names": collector_names((config or b"").decode("utf-8", "replace")),
        "modules": modules(present, service["main_pid"]),
        # Only those that some module may need: the whole cache would make every later task of the play slower.
        "libraries": sorted(
            n for n in present if re.match(r"^lib(pcap|nfnetlink|virt|xml2|dbus-1|uuid|crypto|bpf|elf|z)\.so\.", n)
        ),
        "interfaces": found,
        "uplinks": named,
        "uplink_address": address,
        "pending": os.path.exists(PENDING),
        "pending_version": (record["version"] or "") if record else None,
        "leftovers": leftovers(),
    }


def collector_names(config: str) -> Dict[str, List[str]]:
    """The collectors that a configuration has by name, each with what the name means on this host; nothing where that is not known.

    The daemon asks once, at its start, and never again (hsflowd: hsflowconfig.c).
    """
    found: Dict[str, List[str]] = {}
    for block in re.findall(r"\bcollector[\s=]*\{([^}]*)\}", re.sub(r"#.*", "", config), re.I):
        for name in re.findall(r"(?:^|[\s=;{])ip[\s=;]+([^\s=;]+)", block, re.I):
            if not re.match(r"[0-9.]+$|.*:", name):
                _status, out = run("timeout", "3", "getent", "ahosts", "--", name)
                found[name] = sorted({line.split()[0] for line in out.splitlines() if line.strip()})
    return found


def moved(collectors: Any, names: Any, auto: Any) -> Optional[Tuple[str, str]]:
    """(the addresses that the daemon sends to, a name) where a collector is given by name and none of them is what that means by now.

    names: what collector_names() found; auto: what parse_auto() found.
    """
    for collector in collectors:
        meant = names.get(collector["ip"])
        there = [one["ip"] for one in auto.get("collectors") or [] if int(one["udpport"]) == int(collector["udpport"])]
        if meant and there and auto.get("complete") and not any(same_address(one, other) for one in there for other in meant):
            return ", ".join(there), collector["ip"]
    return None


def candidates() -> List[str]:
    """Configurations that a run which was killed has left beside the one in effect. An editor's file is none."""
    pattern = re.compile(r"\.?\.hsflowd\.conf\.(candidate\.)?([a-z0-9_]{8}|candidate)$")
    return [path for path in glob.glob("/etc/.*hsflowd.conf.*") if pattern.match(os.path.basename(path))]


def leftovers() -> List[str]:
    """Files that the role put there besides the configuration and the drop-ins."""
    paths = (
        candidates()
        + glob.glob(CONFIG + ".previous")
        + glob.glob(CONFIG + ".dpkg-*")
        + glob.glob(STATE + "/hsflowd*")
    )
    # Links that systemctl and, beside a script in /etc/init.d, update-rc.d made; dpkg removes what they lead to and not them.
    paths += [
        p
        for p in [WANTS] + glob.glob("/etc/rc?.d/[SK][0-9][0-9]hsflowd")
        if os.path.islink(p) and not os.path.exists(p)
    ]
    return sorted(paths)
