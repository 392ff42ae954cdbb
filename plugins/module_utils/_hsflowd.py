# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the variables of the role to the statements of hsflowd.conf, or to a list of problems. Pure: no file, no network."""

import difflib
import ipaddress
import re
import uuid
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_grammar import (
    ALWAYS_MODULES,
    DEPRECATED,
    FORBIDDEN,
    LIBRARY_PACKAGES,
    MAX_TOKEN,
    MODULE_LIBRARIES,
    OBJECTS,
    PLATFORM_MODULES,
    PLATFORM_VERSIONS,
    ROWS,
    SPEED_KEYS,
    SWITCH_OBJECTS,
)
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_host import enabled_as, moved
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_regex import Unusable, posix

RELEASE_URL = "https://github.com/sflow/host-sflow/releases/download"
ATTRIBUTES: Dict[Any, Any] = {}
for _row in ROWS:
    ATTRIBUTES.setdefault(_row[0], {})[_row[1]] = _row
_UNITS = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_HOST_NAME = re.compile(
    r"^(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$"
)
_UUID = re.compile(r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")
_LIKE_A_SPEED = re.compile(r"[0-9.]+\s*[kmgt](b|bits?|bps|b(it)?/s|be)?\Z", re.I)
_ASSET = re.compile(r"hsflowd-([A-Za-z0-9]+)_([0-9][^_]*)_([A-Za-z0-9]+)\.deb\Z")


def is_true(value: Any) -> bool:
    """A boolean, also as -e and INI inventories give it; of something else whether there is any."""
    return str(value).strip().lower() not in ("false", "no", "off", "0", "", "{}")


class Bad(Exception):
    """One value that cannot be written; its text completes "NAME ..."."""


def release(version: Any) -> Tuple[int, int, int, int]:
    """2.0.53-1, v2.0.53-1 or 2.0.53-1~x as (2, 0, 53, 1), to be compared as numbers."""
    numbers = [int(n[:18]) for n in re.findall(r"[0-9]+", re.split(r"[~+]", str(version))[0])]
    first, second, third, fourth = (numbers + [0, 0, 0, 0])[:4]
    return first, second, third, fourth


def before(version: Any, other: str) -> bool:
    """Whether version is known and older than other."""
    return version is not None and release(version) < release(other)


def nearest(word: str, known: Union[List[str], Dict[str, Any]]) -> str:
    """A sentence's end: the nearest known name, or all of them when they are few."""
    lower = {k.lower(): k for k in known}
    match = difflib.get_close_matches(str(word).lower(), list(lower), n=1, cutoff=0.6)
    if match:
        return "did you mean %s?" % lower[match[0]]
    if not known:
        return "it takes none"
    return "known: %s" % ", ".join(sorted(known))


# One function per kind: the raw value -> the word that is written. Bad when it cannot be.


def _text(value: Any) -> str:
    text = str(value)
    if text == "":
        raise Bad("is empty")
    for char in text:
        if char in FORBIDDEN or not 33 <= ord(char) <= 126:
            raise Bad("has the character %r, which hsflowd.conf cannot carry: %r" % (char, text))
    if len(text) > MAX_TOKEN:
        raise Bad("has %d characters; hsflowd reads %d" % (len(text), MAX_TOKEN))
    return text


def _number(value: Any) -> str:
    """What is to be read as a number, as text. Python itself refuses more than 4300 digits, in both directions."""
    try:
        text = str(value).strip() if not isinstance(value, bool) else repr(value)
    except ValueError:
        raise Bad("has too many digits") from None
    if len(text) > 200:
        raise Bad("has too many digits")
    return text


def whole(value: Any, low: int, high: int) -> int:
    """An integer as Python sees it; strings of digits are what -e and INI inventories give."""
    text = _number(value)
    if re.match(r"^[0-9]+[KMGkmg]$", text):
        raise Bad("is %s; write the number out, without a suffix" % text)
    if re.match(r"^0[0-9xX]", text):
        raise Bad("is %s; hsflowd reads a leading zero as octal or hexadecimal, write it without" % text)
    if not re.match(r"^-?[0-9]+$", text):
        raise Bad("is %r, not an integer" % (value,))
    if not low <= int(text) <= high:
        raise Bad("is %s, not within %d to %d" % (text, low, high))
    return int(text)


def _fraction(value: Any, low: int, high: int) -> str:
    try:
        number = Decimal(_number(value)) if not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise Bad("is %r, not a number" % (value,))
    if not low <= number <= high:
        raise Bad("is %s, not within %s to %s" % (value, low, high))
    if number.adjusted() < -40:  # 1e-999999999999 has as many digits
        raise Bad("is %s, which has too many digits" % value)
    text = format(number, "f").lstrip("+-")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    if len(text) > 40:
        raise Bad("is %s, which has too many digits" % value)
    return text or "0"


def _onoff(value: Any) -> str:
    text = str(value).strip().lower()
    if text in ("true", "on", "yes", "1"):
        return "on"
    if text in ("false", "off", "no", "0"):
        return "off"
    raise Bad("is %r, neither true nor false" % (value,))


def _device(value: Any) -> str:
    text = _text(value)
    if len(text) > 15 or "/" in text or text in (".", ".."):
        raise Bad("is %r, not the name of a network interface (at most 15 characters, no slash)" % text)
    return text


def _ip(value: str) -> str:
    text = _text(value)
    bare, percent, zone = text.partition("%")
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        address = None
    if address is not None:
        if percent and not (address.version == 6 and address.is_link_local and zone):
            raise Bad("is %r; a zone belongs to an IPv6 link-local address only" % text)
        if address.is_unspecified:
            raise Bad("is %s, which is no host's address" % text)
        return text
    if text.startswith("["):
        raise Bad("is %r; write the IPv6 address without brackets" % text)
    # 300.1.2.3, 10.0.0 and 10 are meant as addresses, and getaddrinfo would take the last two for other ones.
    if re.match(r"^[0-9.]+$", text) or ":" in text or "/" in text or not _HOST_NAME.match(text):
        raise Bad("is %r, neither an IP address nor a host name" % text)
    return text


def _address(value: Any) -> str:
    text = _ip(value)
    if ":" not in text and not re.match(r"^[0-9.]+$", text):
        raise Bad("is %r, a host name; give the address itself" % text)
    return text


def _domain(value: Any) -> str:
    """hsflowd appends it to _sflow._udp as it is (mod_dnssd.c)."""
    text = _text(value)
    bare = text[1:] if text.startswith(".") else text
    if not _HOST_NAME.match(bare):
        raise Bad("is %r, not a domain such as example.com" % text)
    return "." + bare


def _cidr(value: Any) -> str:
    text = _text(value)
    bare = text[1:] if text.startswith("!") else text
    if "/" not in bare:
        raise Bad("is %r; a network needs a slash, such as 192.0.2.0/24" % text)
    try:
        network = ipaddress.ip_network(bare, strict=False)
    except ValueError:
        raise Bad("is %r, not a network such as 192.0.2.0/24 or 2001:db8::/32" % text) from None
    mask = bare.partition("/")[2]
    if "." in mask and mask != str(network.netmask):
        raise Bad("is %r; hsflowd takes %s for a netmask, write the bits: /%d" % (text, mask, network.prefixlen))
    if re.match(r"0[0-9]", mask):
        raise Bad("is %r; hsflowd reads a leading zero as octal, write it without" % text)
    return text


def _regex(value: Any) -> str:
    text = _text(value)
    try:
        posix(text)
    except Unusable as error:
        raise Bad("is %r, %s" % (text, error)) from None
    return text


def _path(value: Any) -> str:
    text = _text(value)
    if not text.startswith("/"):
        raise Bad("is %r, not an absolute path" % text)
    return text


def _hex(value: Any) -> str:
    text = _text(value)
    if not _UUID.match(text):
        raise Bad("is %r, not a UUID such as %s" % (text, uuid.UUID(int=0)))
    return text


def bits(text: str) -> int:
    """A speed such as 1G, 2500M or 10000000000 in bits per second."""
    match = re.fullmatch(r"([0-9]{1,19}|[0-9]{1,9}\.[0-9]{1,9})([KMGTPkmgtp]?)", str(text))
    if not match:
        raise Bad("is %r, not a speed such as 1G" % (text,))
    return int(Decimal(match.group(1)) * _UNITS.get(match.group(2).upper(), 1))


def speed_range(text: str) -> Tuple[int, int]:
    """(lowest, highest) of a range of speeds: N, A-B, A-."""
    low, dash, high = text.partition("-")
    for part in (low, high):
        if "." in part or (len(part) > 1 and part[0] == "0"):
            raise Bad("is %r; write speeds as whole numbers without a leading zero, such as 2500M" % text)
    first = bits(low)
    last = first if not dash else bits(high) if high else ATTRIBUTES["pcap"]["speed"][4]
    if max(first, last) > ATTRIBUTES["pcap"]["speed"][4]:
        raise Bad("is %r, faster than any link" % text)
    if last < first:
        raise Bad("is %r, a range from high to low, which matches nothing" % text)
    return first, last


def _speed(value: Any) -> str:
    text = _text(value)
    speed_range(text)
    return text


_KINDS = {
    "onoff": _onoff,
    "device": _device,
    "ip": _ip,
    "address": _address,
    "domain": _domain,
    "cidr": _cidr,
    "regex": _regex,
    "path": _path,
    "uuid": _hex,
    "word": _text,
    "speed": _speed,
}


def write(row: Tuple[Any, ...], value: Any) -> str:
    """The word of hsflowd.conf for a value of this row of the grammar."""
    kind = row[2]
    if kind == "int":
        return str(whole(value, row[3], row[4]))
    if kind == "float":
        return _fraction(value, row[3], row[4])
    if isinstance(value, (dict, list, tuple)) or value is None:
        raise Bad("is %r, not a single value" % (value,))
    return _KINDS[kind](value)


def speed_key(name: str) -> Optional[str]:
    """The spelling of a link speed that sampling.SPEED matches (10000M and 10g are 10G), or None when it is no speed."""
    try:
        number = bits(name)
    except Bad:
        return None
    if not number or str(name).isdigit() and number < 10**6:
        return None
    for unit in "TGMK":
        if number >= _UNITS[unit]:
            return "%d%s" % (number // _UNITS[unit], unit)
    return str(number)


def dns_sd_record(variables: Mapping[str, Any]) -> Optional[str]:
    """The SRV and TXT record that the daemon asks for, or None without DNS-SD."""
    given = variables.get("hsflowd_dns_sd")
    if isinstance(given, dict):
        domain = "".join(str(v) for k, v in given.items() if str(k).lower() == "domain" and v)
        return "_sflow._udp" + (domain and "." + domain.lstrip("."))
    try:
        return "_sflow._udp" if given not in (None, "") and _onoff(given) == "on" else None
    except Bad:
        return None  # it is refused where the collectors are read


def tap_sampling(variables: Mapping[str, Any], version: Any) -> Any:
    """What each tap has to say itself with DNS-SD, where the daemon takes nothing of the file for a rate; None: nothing.

    It outweighs the rates of the TXT record, so it is left out where these follow the speed.
    """
    rates = variables.get("hsflowd_sampling_rates")
    by_speed = [k for k in rates if speed_key(k) or str(k).lower() == "bps_ratio"] if isinstance(rates, dict) else []
    exact = is_true(variables.get("hsflowd_sampling_exact", True))
    if not dns_sd_record(variables) or not exact or by_speed or before(version, "2.0.48-1"):
        return None
    return variables.get("hsflowd_sampling", 400)


class _Plan:
    """Collects statements and problems while the variables are read."""

    def __init__(self, variables: Dict[str, Any], version: Any, host: Optional[Mapping[Any, Any]]) -> None:
        self.variables = variables
        self.version = version
        self.host = host
        self.statements: List[Any] = []
        self.problems: List[Any] = []
        self.warnings: List[Any] = []

    def get(self, name: str, default: Any = None) -> Any:
        value = self.variables.get(name)
        return default if value is None or value == "" else value

    def since(self, what: str, first: str) -> bool:
        if before(self.version, first):
            self.problems.append(
                "%s: hsflowd %s does not know it; the first release that does is %s" % (what, self.version, first)
            )
            return False
        return True

    def word(self, where: str, row: Tuple[Any, ...], value: Any) -> Optional[str]:
        """The written value, or None after noting the problem."""
        if not self.since(where, row[6]):
            return None
        try:
            return write(row, value)
        except Bad as bad:
            self.problems.append("%s %s" % (where, bad))
            return None

    def top(self, name: str, where: str, value: Any, only_changed: bool = False) -> Optional[str]:
        row = ATTRIBUTES[""][name]
        word = self.word(where, row, value)
        if word is not None and not (only_changed and word == str(row[5])):
            self.statements.append({"name": name, "value": word})
        return word

    def block(self, name: str, where: str, attributes: Any) -> Optional[Dict[str, str]]:
        """Adds one object; attributes in the grammar's order, so the text is the same whatever order the variables have."""
        rows = ATTRIBUTES.get(name, {})
        if attributes is None or attributes is True:
            attributes = {}
        if not isinstance(attributes, dict):
            self.problems.append("%s is %r, not a mapping of attributes" % (where, attributes))
            return None
        known_object = self.since(where, OBJECTS[name][1])
        canonical = {k.lower(): k for k in rows}
        words = {}
        for key in attributes:
            known = canonical.get(str(key).lower())
            if known is None:
                old = {k[1].lower(): v for k, v in DEPRECATED.items() if k[0] == name}.get(str(key).lower())
                if old:
                    self.problems.append("%s.%s is an old spelling; write %s" % (where, key, old))
                else:
                    self.problems.append("%s has no attribute %s; %s" % (where, key, nearest(key, rows)))
            elif attributes[key] is not None:
                if known in words:
                    self.problems.append("%s.%s is there twice" % (where, known))
                words[known] = self.word("%s.%s" % (where, key), rows[known], attributes[key])
        inner = {row[1]: word for row in ROWS if row[0] == name for word in [words.get(row[1])] if word is not None}
        if not known_object:
            return None
        self.statements.append({"name": name, "block": [{"name": each, "value": word} for each, word in inner.items()]})
        return inner


def _mapping(plan: "_Plan", name: str) -> Dict[str, Any]:
    value = plan.get(name, {})
    if not isinstance(value, dict):
        plan.problems.append("%s is %r, not a mapping" % (name, value))
        return {}
    return value


def _entries(plan: "_Plan", name: str) -> List[Any]:
    value = plan.get(name, [])
    if isinstance(value, dict) or not isinstance(value, (list, tuple)):
        plan.problems.append("%s is %r, not a list" % (name, value))
        return []
    return list(value)


def _polling(plan: "_Plan") -> None:
    row = ("", "polling", "int", 1, 300, 30, "2.0.1")  # 0 would stop the counters, and with them the proof
    word = plan.word("hsflowd_polling", row, plan.variables.get("hsflowd_polling", 20))
    if word:
        plan.statements.append({"name": "polling", "value": word})
    for name, seconds in sorted(_mapping(plan, "hsflowd_polling_intervals").items()):
        where = "hsflowd_polling_intervals.%s" % name
        if speed_key(name):
            plan.problems.append(
                "%s: polling has no interval per link speed, and hsflowd would ignore sampling by speed because of it"
                % where
            )
            continue
        if before(plan.version, "2.1.13-2"):
            plan.problems.append(
                "%s: hsflowd %s takes it for a sampling rate; the first release that does not is 2.1.13-2"
                % (where, plan.version)
            )
            continue
        _named(plan, "polling", name, where, seconds, 300)


def _named(plan: "_Plan", what: str, name: str, where: str, value: Union[str, int], highest: int) -> None:
    try:
        _text(name)
    except Bad as bad:
        plan.problems.append("%s: the name %s" % (where, bad))
        return
    word = plan.word(where, ("", what, "int", 0, highest, None, "2.0.1"), value)
    if word is not None:
        plan.statements.append({"name": "%s.%s" % (what, name), "value": word})


def _sampling(plan: "_Plan") -> Optional[str]:
    """sampling=N alone is honoured only where the link speed is unknown: elsewhere the rate is speed / 1,000,000."""
    highest = 65535 if before(plan.version, "2.0.14") else 10000000
    raw = plan.variables.get("hsflowd_sampling", 400)
    word = plan.word("hsflowd_sampling", ("", "sampling", "int", 0, highest, 400, "2.0.1"), raw)
    if word == "1" and before(plan.version, "2.0.34-1"):
        plan.problems.append(
            "hsflowd_sampling is 1: hsflowd %s drops every packet then; the first release that does not is 2.0.34-1"
            % plan.version
        )
    if word:
        plan.statements.append({"name": "sampling", "value": word})
    named: List[Tuple[str, str, Any]] = []
    by_speed: Dict[str, Tuple[str, Any]] = {}
    ratio = None
    for name, value in sorted(_mapping(plan, "hsflowd_sampling_rates").items()):
        where = "hsflowd_sampling_rates.%s" % name
        key = speed_key(name)
        if str(name).lower() == "bps_ratio":
            if plan.since(where, "2.0.48-1"):
                ratio = value
        elif key:
            if key in by_speed:
                plan.problems.append("%s: hsflowd calls this speed %s, as it does %s" % (where, key, by_speed[key][0]))
            by_speed[key] = (where, value)
        elif _LIKE_A_SPEED.match(str(name)):
            plan.problems.append(
                "%s: hsflowd spells link speeds as 100M, 1G or 2.5G, and would take this for the name of an application" % where
            )
        else:
            named.append((str(name), where, value))
    exact = is_true(plan.variables.get("hsflowd_sampling_exact", True))
    if ratio is not None:
        _named(plan, "sampling", "bps_ratio", "hsflowd_sampling_rates.bps_ratio", ratio, 10000000)
    elif exact and plan.version is not None and not before(plan.version, "2.0.48-1"):
        plan.statements.append({"name": "sampling.bps_ratio", "value": "0"})
    elif exact and word:
        # A bond has the sum of its members' speeds, so there are others than those of NICs.
        speeds = [i["speed_mbps"] for i in (plan.host or {}).get("interfaces", []) if i.get("speed_mbps")]
        for key in SPEED_KEYS + tuple(filter(None, (speed_key("%dM" % speed) for speed in speeds))):
            by_speed.setdefault(key, ("hsflowd_sampling", word))
    for key in sorted(by_speed, key=bits):
        where, value = by_speed[key]
        if where != "hsflowd_sampling" and str(value).strip() == "1" and before(plan.version, "2.0.34-1"):
            plan.problems.append("%s is 1: hsflowd %s drops every packet then" % (where, plan.version))
        _named(plan, "sampling", key, by_speed[key][0], by_speed[key][1], highest)
    for name, where, value in named:
        _named(plan, "sampling", name, where, value, highest)
    return word


def _agent(plan: "_Plan") -> Optional[str]:
    """Pins the agent address: left to itself hsflowd takes docker0 first on many hosts, and a fleet becomes one agent."""
    forced = plan.get("hsflowd_agent_ip")
    chosen = plan.get("hsflowd_agent", "auto")
    cidrs = _entries(plan, "hsflowd_agent_cidr")
    address = None
    if forced is not None:
        address = plan.top("agentIP", "hsflowd_agent_ip", forced)
        if address:
            _usable(plan, "hsflowd_agent_ip", address)
    if chosen not in ("auto", "none"):
        name = plan.top("agent", "hsflowd_agent", chosen)
        if name and plan.host and address is None:
            _check_device(plan, name)
    elif chosen == "auto" and forced is None and not cidrs and plan.host:
        address = plan.host.get("uplink_address")
        if address:
            plan.top("agentIP", "the uplink's address", address)
        else:
            plan.problems.append(
                "the agent address is not known: no interface that leads to a network has an address; give hsflowd_agent_ip or hsflowd_agent"
            )
    for index, cidr in enumerate(cidrs):
        where = "hsflowd_agent_cidr[%d]" % index
        if str(cidr).startswith("!") and not plan.since("%s with !" % where, "2.0.36-1"):
            continue
        plan.top("agent.cidr", where, cidr)
    if plan.host and forced is None and chosen in ("auto", "none"):
        _check_networks(plan)
    return address


def _check_networks(plan: "_Plan") -> None:
    """An address that is in none of the networks is chosen by hsflowd as if these were not there."""
    words = [s["value"] for s in plan.statements if s["name"] == "agent.cidr"]
    networks = [ipaddress.ip_network(word, strict=False) for word in words if not word.startswith("!")]
    found = [a for i in (plan.host or {}).get("interfaces", []) for a in i.get("addresses", []) if not _unfit(a)]
    addresses = [ipaddress.ip_interface(text).ip for text in found]
    if networks and not any(address in network for address in addresses for network in networks):
        plan.problems.append(
            "hsflowd_agent_cidr has no network with an address of this host (%s), so hsflowd would choose by itself; add its network, or give hsflowd_agent"
            % (", ".join(map(str, addresses)) or "it has none")
        )


def _usable(plan: "_Plan", where: str, text: str) -> None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return
    if address.is_loopback or address.is_link_local or address.is_multicast:
        plan.problems.append("%s is %s, which does not tell one host from another" % (where, text))


def _check_device(plan: "_Plan", name: str) -> None:
    """Which of the interface's addresses it will be is the daemon's choice; here only whether there is one."""
    interfaces = {i["name"]: i for i in (plan.host or {}).get("interfaces", [])}
    if name not in interfaces:
        plan.problems.append(
            "hsflowd_agent is %s, which this host does not have; %s" % (name, nearest(name, interfaces))
        )
    elif all(_unfit(a) for a in interfaces[name].get("addresses", [])):
        plan.problems.append("hsflowd_agent is %s, which has no address of its own beyond this host" % name)


def _unfit(text: str) -> bool:
    address = ipaddress.ip_address(str(text).partition("/")[0].partition("%")[0])
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _collectors(plan: "_Plan") -> List[Dict[str, Any]]:
    entries = _entries(plan, "hsflowd_collectors")
    dns = plan.get("hsflowd_dns_sd", False)
    expected: List[Any] = []
    try:
        on = isinstance(dns, dict) or _onoff(dns) == "on"
    except Bad:
        plan.problems.append("hsflowd_dns_sd is %r, neither true, false, nor a mapping such as {domain: example.com}" % (dns,))
        return expected
    if on:
        if entries:
            plan.problems.append(
                "hsflowd_dns_sd is on, and the answer of the DNS replaces hsflowd_collectors: set it to []"
            )
        plan.block("dns-sd", "hsflowd_dns_sd", dns if isinstance(dns, dict) else {})
        return expected
    if not entries:
        plan.problems.append(
            "hsflowd_collectors is empty: give a collector, such as [{ip: 192.0.2.10}], or a host in the group sflow_collector or sflow_rt"
        )
    seen: Dict[Any, Any] = {}
    for index, entry in enumerate(entries):
        where = "hsflowd_collectors[%d]" % index
        if isinstance(entry, dict):
            entry = {k: v for k, v in entry.items() if v is not None and v != ""}
        words = plan.block("collector", where, entry)
        if words is None:
            continue
        if "ip" not in words:
            if not (isinstance(entry, dict) and "ip" in {str(k).lower() for k in entry}):
                plan.problems.append("%s has no ip" % where)
            continue
        port = int(words.get("udpport", 6343))
        key = (_one_spelling(words["ip"]), port, words.get("namespace"))
        if key in seen:
            plan.problems.append("%s is the same as %s: every datagram would be sent twice" % (where, seen[key]))
        seen[key] = where
        known = {interface.get("name") for interface in (plan.host or {}).get("interfaces") or []}
        if "dev" in words and known and words["dev"] not in known:
            plan.warnings.append("%s.dev: there is no interface %s on this host" % (where, words["dev"]))
        expected.append({"ip": words["ip"], "udpport": port})
    return expected


def _one_spelling(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address.lower()


def _dns_sd(plan: "_Plan") -> None:
    """When the DNS answers, the daemon begins with its defaults and the TXT record: of the file it keeps the agent address
    (hsflowd.c, evt_config_start), the size of datagrams, and before 2.1.09-1 the bytes of a packet."""
    record = dns_sd_record(plan.variables)
    if record is None:
        return
    rate = tap_sampling(plan.variables, plan.version)
    carried = rate is not None and not {"nflog", "ulog"} & set(objects(plan.statements))
    defaults = {"polling": "20", "sampling": str(rate) if carried else "400"}
    lost = []
    for one in plan.statements:
        name, value = one["name"], one.get("value")
        if name in ("pcap", "epcap") and rate is not None and "sampling" not in {i["name"] for i in one["block"]}:
            one["block"].append({"name": "sampling", "value": str(rate)})
        if (
            name in defaults
            and value != defaults[name]
            or name.startswith(("polling.", "sampling."))
            and not (name == "sampling.bps_ratio" and rate is not None)
            or name == "headerBytes"
            and not before(plan.version, "2.1.09-1")
        ):
            lost.append("%s=%s" % (name, value))
    if lost:
        plan.warnings.append(
            "hsflowd_dns_sd: the daemon takes these from the TXT record of %s alone, so put them there: %s"
            % (record, " ".join(lost))
        )


def interface_for(entry: Dict[str, str], interface: Dict[Any, Any], version: Any) -> Optional[str]:
    """Why an entry of pcap does not tap this interface, or None when it does (mod_pcap.c, evt_config_first)."""
    kind = interface.get("kind")
    named = entry.get("dev")
    if named is not None and named != interface["name"]:
        return "it has another name"
    pattern = entry.get("dev.pattern")
    if pattern is not None and not posix(pattern).search(interface["name"]):
        return "its name does not match %s" % pattern
    if "speed" in entry and not (named is not None and before(version, "2.1.14-2")):
        first, last = speed_range(entry["speed"])
        speed = (interface.get("speed_mbps") or 0) * 10**6
        if not first <= speed <= last:
            return "its speed is %s" % (
                "unknown, which hsflowd counts as 0" if not speed else "%d Mb/s" % (speed // 10**6)
            )
    faulty = version is not None and release("2.1.14-2") <= release(version) < release("2.1.21-1")
    special = kind in ("veth", "vif", "bond", "vlan", "ovs") or (kind == "bridge" and before(version, "2.1.21-1"))
    if special and named is None:
        return "it is a %s, which hsflowd taps only by name" % kind
    if special and faulty:
        return "it is a %s, which 2.1.14-2 to 2.1.18-1 never tap; 2.1.21-1 does again" % kind
    if not interface.get("up", True):
        return "it is down, and hsflowd opens taps only at its start"
    return None


def _unreadable(interface: Dict[Any, Any], version: Any) -> Optional[str]:
    """Why a tap on this interface would do harm, or None. Only what libpcap gives as Ethernet or bare IP is read by all releases."""
    # ARPHRD_ETHER, _TUNNEL, _LOOPBACK, _SIT, _NONE
    if interface.get("type") in (None, 1, 768, 772, 776, 65534) or not before(version, "2.0.54-1"):
        return None
    return (
        "%s, which is no Ethernet (type %s): hsflowd %s misreads its packets or crashes; the first release that does not is 2.0.54-1"
        % (interface["name"], interface["type"], version)
    )


def _automatic(plan: "_Plan") -> List[Dict[str, str]]:
    """An entry for each uplink; for a NIC beside them where they cannot be read."""
    host = plan.host or {}
    uplinks = host.get("uplinks", [])
    unreadable = {i["name"]: why for i in host.get("interfaces", []) for why in [_unreadable(i, plan.version)] if why}
    left_out = [unreadable[name] for name in uplinks if name in unreadable]
    names = [name for name in uplinks if name not in unreadable]
    if left_out and not names:
        beside = [i for i in host["interfaces"] if i.get("kind") == "physical" and i.get("up")]
        names = [i["name"] for i in beside if i["name"] not in unreadable]
    if left_out and names:
        plan.warnings.append("hsflowd_pcap is auto and leaves out %s; %s is tapped" % (left_out[0], ", ".join(names)))
    elif left_out:
        plan.problems.append("hsflowd_pcap is auto, and the uplink is %s. Set hsflowd_pcap: none" % left_out[0])
    elif plan.host and not names:
        plan.problems.append(
            "hsflowd_pcap is auto, and no uplink was found on this host; name the interface, such as hsflowd_pcap: [{dev: eth0}]"
        )
    return [{"dev": name} for name in names]


def _pcap(plan: "_Plan") -> List[Any]:
    """Returns the names of the interfaces that will be tapped, as far as the host is known."""
    value = plan.variables.get("hsflowd_pcap", "auto")
    interfaces = (plan.host or {}).get("interfaces", [])
    taps: List[Any] = []
    if value in (None, "", "none", False) or value == []:
        return taps
    automatic = value == "auto"
    if automatic:
        entries = _automatic(plan)
    elif isinstance(value, dict):
        entries = [value]
    elif isinstance(value, (list, tuple)):
        entries = list(value)
    else:
        plan.problems.append("hsflowd_pcap is %r, neither auto, none, nor a list such as [{dev: eth0}]" % (value,))
        return taps
    used: Dict[Any, Any] = {}
    for index, raw in enumerate(entries):
        where = "hsflowd_pcap[%d]" % index if not automatic else "hsflowd_pcap"
        count = len(plan.problems)
        entry = plan.block("pcap", where, raw)
        if entry is None or len(plan.problems) > count:
            continue
        if not entry:
            plan.problems.append(
                "%s is empty: older releases tap nothing then, newer ones everything; name a dev or a speed" % where
            )
            continue
        if "dev" in entry and "speed" in entry and before(plan.version, "2.1.14-2"):
            plan.problems.append(
                "%s has dev and speed: hsflowd %s ignores the speed; give one of them" % (where, plan.version)
            )
            continue
        if not set(entry) & {"dev", "dev.pattern", "speed"}:
            plan.problems.append("%s names neither dev, dev.pattern nor speed" % where)
            continue
        if entry.get("sampling") == "1" and before(plan.version, "2.0.34-1"):
            plan.problems.append("%s.sampling is 1: hsflowd %s drops every packet then" % (where, plan.version))
        if plan.host is None or entry.get("dynamic") == "on":
            continue
        reasons = [(i["name"], interface_for(entry, i, plan.version)) for i in interfaces]
        found = [name for name, why in reasons if why is None]
        if not found:
            named = [why for name, why in reasons if name == entry.get("dev")]
            if named:
                why = named[0]
            elif "dev" in entry:
                why = "this host has no %s; %s" % (entry["dev"], nearest(entry["dev"], [n for n, _w in reasons]))
            else:
                why = "; ".join("%s: %s" % pair for pair in reasons) or "this host has no interface"
            plan.problems.append("%s taps nothing on this host: %s" % (where, why))
        for interface in interfaces:
            why = _unreadable(interface, plan.version)
            if why and interface["name"] in found:
                plan.problems.append("%s taps %s" % (where, why))
        for name in found:
            if used.get(name, where) != where and before(plan.version, "2.1.14-2"):  # later ones make one tap of them
                plan.problems.append("%s taps %s, as %s does: the samples would be doubled" % (where, name, used[name]))
            used[name] = where
            if name not in taps:
                taps.append(name)
    return taps


def nothing_tapped(value: Any, host: Mapping[Any, Any]) -> Any:
    """Why pcap, with this hsflowd_pcap, taps no interface of an observed host; None where it taps one, or nobody can say."""
    if not host.get("interfaces"):
        return None
    plan = _Plan({"hsflowd_pcap": "auto" if value is None else value}, (host.get("package") or {}).get("version"), host)
    return None if _pcap(plan) or not plan.problems else "; ".join(plan.problems)


def _tcp(plan: "_Plan") -> None:
    value = plan.variables.get("hsflowd_tcp", True)
    if isinstance(value, dict):
        plan.block("tcp", "hsflowd_tcp", value)
        return
    try:
        on = _onoff(value) == "on"
    except Bad as bad:
        plan.problems.append("hsflowd_tcp %s, nor a mapping such as {tunnel: true}" % bad)
        return
    if on:
        plan.block("tcp", "hsflowd_tcp", {})


_OWN_VARIABLES = {
    "collector": "hsflowd_collectors",
    "dns-sd": "hsflowd_dns_sd",
    "pcap": "hsflowd_pcap",
    "tcp": "hsflowd_tcp",
}


def _modules(plan: "_Plan", sampling: Optional[str]) -> None:
    """The other objects of the grammar, from hsflowd_modules."""
    given = _mapping(plan, "hsflowd_modules")
    others = [name for name in OBJECTS if name not in _OWN_VARIABLES]
    canonical = {}
    for name in given:
        low = str(name).lower()
        if low in _OWN_VARIABLES:
            plan.problems.append("hsflowd_modules.%s: it has a variable of its own, %s" % (name, _OWN_VARIABLES[low]))
        elif low in SWITCH_OBJECTS:
            plan.problems.append(
                "hsflowd_modules.%s: it is for a switch operating system; no package for Ubuntu or Debian has it" % name
            )
        elif low not in OBJECTS:
            plan.problems.append("hsflowd_modules has no %s; %s" % (name, nearest(name, others)))
        else:
            canonical[low] = name
    words = {}
    for name in OBJECTS:
        if name not in canonical:
            continue
        where = "hsflowd_modules.%s" % canonical[name]
        value = given[canonical[name]]
        if value is False:
            continue
        several = OBJECTS[name][0] and isinstance(value, (list, tuple))
        for index, one in enumerate(value if several else [value]):
            place = "%s[%d]" % (where, index) if several else where
            block = words[name] = plan.block(name, place, one)
            if name == "epcap" and block is not None and not set(block) & {"dev", "dev.pattern", "speed"}:
                plan.problems.append("%s names neither dev, dev.pattern nor speed: it would tap every interface" % place)
    second = sorted(set(words) & {"epcap", "nflog", "ulog", "psample"})
    if second and plan.variables.get("hsflowd_pcap", "auto") == "auto":
        plan.warnings.append(
            "hsflowd_modules.%s samples beside hsflowd_pcap: auto, so the same packets may be sampled twice; set hsflowd_pcap: none"
            % second[0]
        )
    for name in ("nflog", "ulog"):
        _rated(plan, name, words.get(name), sampling)
    if "eapi" in words and dns_sd_record(plan.variables):
        plan.problems.append("hsflowd_modules.eapi and hsflowd_dns_sd exclude one another")
    if "dent" in words and "psample" not in words:
        plan.problems.append("hsflowd_modules.dent needs psample too")
    if "containerd" in words:
        plan.warnings.append(
            "containerd needs the program /usr/sbin/hsflowd_containerd, which upstream's packages do not have"
        )


def _rated(plan: "_Plan", name: str, words: Any, sampling: Optional[str]) -> None:
    if not words:
        if words is not None:
            plan.problems.append(
                "hsflowd_modules.%s needs group and probability: without them hsflowd opens nothing" % name
            )
        return
    where = "hsflowd_modules.%s" % name
    for need in ("group", "probability"):
        if need not in words:
            plan.problems.append("%s needs %s: without it hsflowd opens nothing" % (where, need))
            return
    probability = Decimal(words["probability"])
    if probability == 0:
        plan.problems.append("%s.probability is 0: no packet would be sampled" % where)
        return
    if sampling and int(sampling) > 0:
        one_in = int(1 / probability)
        real = -(-int(sampling) // one_in) * one_in
        if real != int(sampling):
            plan.warnings.append(
                "%s: the firewall passes 1 in %d, so one packet in %d is sampled, not one in %s; make hsflowd_sampling a multiple of %d"
                % (where, one_in, real, sampling, one_in)
            )


def _options(plan: "_Plan") -> None:
    """The rest of the top level."""
    reserved = {
        "polling": "hsflowd_polling",
        "sampling": "hsflowd_sampling",
        "agent": "hsflowd_agent",
        "agentip": "hsflowd_agent_ip",
        "agent.cidr": "hsflowd_agent_cidr",
        "headerbytes": "hsflowd_header_bytes",
        "datagrambytes": "hsflowd_datagram_bytes",
    }
    plan.top("headerBytes", "hsflowd_header_bytes", plan.get("hsflowd_header_bytes", 128), True)
    plan.top("datagramBytes", "hsflowd_datagram_bytes", plan.get("hsflowd_datagram_bytes", 1400), True)
    rows = ATTRIBUTES[""]
    canonical = {k.lower(): k for k in rows}
    old = {k[1].lower(): v for k, v in DEPRECATED.items() if k[0] == ""}
    given = {}
    for name, value in _mapping(plan, "hsflowd_options").items():
        low = str(name).lower()
        where = "hsflowd_options.%s" % name
        if low in reserved:
            plan.problems.append("%s: it has a variable of its own, %s" % (where, reserved[low]))
        elif low in old:
            plan.problems.append("%s is an old spelling; write %s" % (where, old[low]))
        elif low not in canonical:
            plan.problems.append(
                "hsflowd_options has no %s; %s" % (name, nearest(name, [k for k in rows if k.lower() not in reserved]))
            )
        else:
            given[canonical[low]] = (where, value)
    for row in ROWS:
        if row[0] == "" and row[1] in given:
            plan.top(row[1], given[row[1]][0], given[row[1]][1])


LIMITS = (
    ("CPUQuota", r"[0-9]+%"),
    ("CPUWeight", r"[0-9]+"),
    ("IOWeight", r"[0-9]+"),
    ("LimitNOFILE", r"[0-9]+|infinity"),
    ("MemoryHigh", r"[0-9]+[KMGT%]?|infinity"),
    ("MemoryMax", r"[0-9]+[KMGT%]?|infinity"),
    ("MemorySwapMax", r"[0-9]+[KMGT%]?|infinity"),
    ("Nice", r"-?[0-9]+"),
    ("TasksMax", r"[0-9]+%?|infinity"),
)


def _limits(plan: "_Plan") -> None:
    """systemd ignores what it does not understand, and the limit would not be there."""
    known = dict(LIMITS)
    for name, value in _mapping(plan, "hsflowd_limits").items():
        if name not in known:
            plan.problems.append("hsflowd_limits has no %s; %s" % (name, nearest(name, known)))
        elif not re.fullmatch(known[name], str(value)):
            plan.problems.append("hsflowd_limits.%s is %r, which systemd would ignore" % (name, value))


def objects(statements: List[Dict[str, Any]]) -> List[str]:
    """Names of the objects in use, each once."""
    return sorted({s["name"] for s in statements if "block" in s})


def _loadable(plan: "_Plan", source: Dict[str, Any]) -> List[str]:
    """Modules that the configuration needs, checked against what is or will be installed."""
    modules = [OBJECTS[name][2] for name in objects(plan.statements)]
    wanted = sorted({module for module in modules if module is not None})
    host = plan.host
    if host is None:
        return wanted
    installed = host.get("package", {}).get("installed") and host["package"].get("version") == plan.version
    available = (host.get("modules") or {}).get("available") or []
    platform = host.get("platform")
    if installed and available:
        known, what = set(available), "the installed package"
    elif source["kind"] == "upstream" and platform in PLATFORM_MODULES:
        known, what = set(PLATFORM_MODULES[platform]) | set(ALWAYS_MODULES), "upstream's package for %s" % platform
    else:
        return wanted
    for name in wanted:
        if name not in known:
            plan.problems.append(
                "%s: %s has no module for it, and hsflowd would run without it; it has %s"
                % (name, what, ", ".join(sorted(known)))
            )
    return wanted


def _faults(plan: "_Plan", source: Dict[str, Any]) -> None:
    """Releases with known faults."""
    version, host = plan.version, plan.host
    names = objects(plan.statements)
    if version is None:
        return
    if before(version, "2.0.21-7") and "tcp" in names:
        plan.problems.append(
            "hsflowd %s can crash with tcp; 2.0.21-7 does not. Use it or a later release, or set hsflowd_tcp: false"
            % version
        )
    old_libpcap = ("ubuntu12", "ubuntu14", "ubuntu16", "ubuntu18", "debian8", "debian9", "debian10")
    if before(version, "2.0.30-1") and "pcap" in names and host and host.get("platform") not in old_libpcap:
        plan.problems.append(
            "hsflowd %s loses packet samples with the libpcap of %s (1.9.1 or later); 2.0.30-1 and later do not"
            % (version, host.get("platform"))
        )
    if "tcp" in names and not set(names) & {"pcap", "epcap", "nflog", "ulog", "psample"}:
        plan.warnings.append("hsflowd_tcp adds to packet samples, and nothing samples packets here")
    if source["kind"] == "upstream" and host and host.get("platform") in PLATFORM_VERSIONS:
        first = PLATFORM_VERSIONS[host["platform"]][1]
        if before(version, first):
            plan.problems.append(
                "upstream built no hsflowd %s for %s; the first is %s. Change hsflowd_version, or give the package by hsflowd_deb_file or hsflowd_deb_url"
                % (version, host["platform"], first)
            )


def _startable(plan: "_Plan") -> None:
    """What keeps systemd from ever starting the service, which would otherwise show after the package was installed."""
    unit = (plan.host or {}).get("unit") or {}
    if "load_state" in unit and not unit["load_state"]:
        plan.problems.append("systemd does not run on this host, and nothing else here starts hsflowd")
    elif str(unit.get("unit_file_state")).startswith("masked"):
        plan.problems.append(
            "hsflowd.service is masked on this host, so nothing can start it. Run systemctl unmask hsflowd there,"
            " or set hsflowd_state: absent"
        )


def libraries(modules: List[str], platform: Any, present: List[Any]) -> List[Any]:
    """Packages with the shared libraries that these modules need and this host has not."""
    found = []
    for module in modules:
        for soname in MODULE_LIBRARIES.get(module, ()):
            if any(name == soname or name.startswith(soname + ".so") for name in present):
                continue
            name, exceptions = LIBRARY_PACKAGES[soname]
            found.append(exceptions.get(platform, name))
    return sorted(set(found))


def asset_version(name: str) -> Any:
    """The version that a file of upstream's naming carries, or None."""
    match = _ASSET.search(str(name))
    return match.group(2) if match else None


def _fill(template: str, platform: Optional[str], version: Optional[str], architecture: Optional[str]) -> str:
    text = str(template)
    for key, value in (("platform", platform), ("version", version), ("architecture", architecture)):
        if value is not None:
            text = text.replace("{%s}" % key, str(value))
    return text


#: The address of a package. No port behind the colon, or one that is no number, may be the password of a user, up to a / in it.
URL = r"file://\S+|(https?|ftp)://([^/?#\s]*@)?(\[[^]/\s]+\]|[^][/?#@:\s]+)(:[0-9]+)?([/?#]\S*)?"


def _without_login(url: str) -> str:
    """An address without the user and the password in it, which get_url takes apart from it; of ftp it does not."""
    return re.sub(r"^(https?://)[^/?#]*@", r"\1", url)


def _masked(url: str) -> str:
    return re.sub(r"^(\w+://)?\S*@", r"\1***@", url)  # a password may be written wrongly, with a / in it


def _unusable(address: str) -> Optional[str]:
    """What is wrong with the address of a package, to go on with after its value."""
    if not re.fullmatch(URL, address):
        return ", not a URL" + ("; a / in a password is written %2F" if "@" in address else "")
    if re.match(r"ftp://[^/?#:]*:[^/?#]*@", address):
        return " with a password, which Ansible would show in what a run says; expected https://, or ftp:// without one"
    return None


def _default_version(platform: Any) -> Optional[str]:
    return PLATFORM_VERSIONS[platform][0] if platform in PLATFORM_VERSIONS else None


def package_source(variables: Dict[str, Any], host: Optional[Dict[Any, Any]],
                   read_version: Optional[Callable[..., Any]]) -> Tuple[Dict[str, Any], Optional[str], List[str]]:
    """Where the package comes from and which version it is."""

    def get(name: str, default: Any = "") -> Any:
        value = variables.get(name)
        return default if value is None or value == "" else value

    platform = (host or {}).get("platform")
    architecture = (host or {}).get("architecture")
    asked = str(get("hsflowd_version", "auto"))
    version = None if asked == "auto" else asked[1:] if asked.startswith("v") else asked
    source: Dict[str, Any] = {"kind": "upstream", "asset": None, "url": None, "file": None, "sha256": None}
    problems = []
    sums = get("hsflowd_deb_sha256", "")
    installed = (host or {}).get("package") or {}
    if not is_true(get("hsflowd_install", True)):
        source["kind"] = "installed"
        if host is not None and not installed.get("installed"):
            problems.append("hsflowd_install is false, and the package hsflowd is not installed on this host")
        return source, installed.get("version"), problems
    if version is not None and not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9}){1,2}(-[0-9]{1,9})?([~+][A-Za-z0-9.~+]*)?", version):
        problems.append("hsflowd_version is %r, not a version such as 2.0.53-1" % asked)
        version = None
    # A plan is shown by -v and kept for every host, so it has no password. The tasks take that from the variables.
    base = _without_login(str(get("hsflowd_release_url", RELEASE_URL)).rstrip("/"))
    elsewhere = get("hsflowd_deb_file") or get("hsflowd_deb_url") or base != RELEASE_URL
    if version and "-" not in version and not elsewhere:
        problems.append("hsflowd_version is %s; upstream's releases end in a number of their own: 2.0.53-1, not 2.0.53" % asked)
    if version is None and host is not None and not get("hsflowd_deb_file") and not get("hsflowd_deb_url"):
        version = _default_version(platform)
    if get("hsflowd_deb_file"):
        source["kind"] = "file"
        given = _fill(
            get("hsflowd_deb_file"), platform, version or _default_version(platform), architecture
        )
        source["file"] = given
        source["asset"] = given.rsplit("/", 1)[-1]
        if host is not None or "{" not in given:
            found, problem = read_version(given) if read_version else (asset_version(given), None)
            version = found or version
            if problem:
                problems.append("hsflowd_deb_file: %s" % problem)
            elif version is None:
                problems.append("hsflowd_deb_file: the version of %s is not known; give hsflowd_version" % given)
    elif get("hsflowd_deb_url"):
        source["kind"] = "url"
        template = _without_login(str(get("hsflowd_deb_url")))
        name = template.partition("?")[0]
        if "{version}" in template:
            version = version or _default_version(platform)
        else:
            version = version or asset_version(_fill(name, platform or "any", None, architecture or "any"))
            if version is None:
                problems.append("hsflowd_deb_url: the name of %s has no version; give hsflowd_version" % _masked(template).partition("?")[0])
        source["url"] = _fill(template, platform, version, architecture)
        source["asset"] = source["url"].partition("?")[0].rsplit("/", 1)[-1]
    elif host is not None:
        mirror = base != RELEASE_URL
        if mirror:
            source["kind"] = "mirror"  # which may have packages that upstream never built
        if not mirror:
            _published(problems, host, platform, architecture)
        elif platform is None or version is None:
            problems.append("hsflowd_version is auto, and no default is known for %s; give it" % _system(host))
        if version is not None and not problems:
            spelled = architecture
            if before(version, "2.1.15-1") and architecture == "arm64":
                spelled = "aarch64"
            source["asset"] = "hsflowd-%s_%s_%s.deb" % (platform, version, spelled)
            source["url"] = "%s/v%s/%s" % (base, version, source["asset"])
    address = source["url"] or (base if source["kind"] in ("upstream", "mirror") else "")
    why = _unusable(address) if address else None
    if why:
        name = "hsflowd_deb_url" if source["kind"] == "url" else "hsflowd_release_url"
        problems.append("%s is %r%s" % (name, _masked(str(variables[name])), why))
        source["url"] = source["asset"] = None  # with whatever a password in it was taken for
    if isinstance(sums, dict):
        source["sha256"] = sums.get(source["asset"]) or None
    elif sums:
        source["sha256"] = str(sums)
    if source["sha256"] is not None:
        source["sha256"] = str(source["sha256"]).strip().lower().replace("sha256:", "")
        if not re.fullmatch(r"[0-9a-f]{64}", source["sha256"]):
            problems.append("hsflowd_deb_sha256 is %r, not 64 hexadecimal digits" % source["sha256"])
    return source, version, problems


def package_due(host: Mapping[Any, Any], version: Optional[str]) -> bool:
    """Whether a host needs the file of a package: another version is there, or an interrupted run may have left half of this one."""
    package, before = host.get("package") or {}, host.get("pending_version")
    return not package.get("installed") or package.get("version") != version or (before is not None and before != version)


def _summed(plan: "_Plan", source: Dict[str, Any]) -> None:
    """A mapping without the file that is to be downloaded is a name that is spelled in another way, or a sum that was forgotten."""
    sums, asset = plan.variables.get("hsflowd_deb_sha256"), source["asset"]
    if not isinstance(sums, dict) or not sums or asset in sums or not source["url"] or not plan.host:
        return
    if package_due(plan.host, plan.version):
        names = sorted(str(name) for name in sums)
        more = " and %d more" % (len(names) - 3) if len(names) > 3 else ""
        plan.problems.append(
            "hsflowd_deb_sha256 has no sum for %s; it has %s%s. Add it, or the name without a sum for no check"
            % (asset, ", ".join(names[:3]), more)
        )


def _system(host: Dict[str, str]) -> str:
    name = "%s %s" % (host.get("distribution") or "this system", host.get("distribution_version") or "")
    return "%s (%s)" % (name.strip(), host.get("platform"))


def _published(problems: List[Any], host: Dict[Any, Any], platform: Any, architecture: Any) -> None:
    remedy = "give the package by hsflowd_deb_file, hsflowd_deb_url or a mirror in hsflowd_release_url"
    if platform not in PLATFORM_VERSIONS:
        problems.append(
            "upstream publishes no hsflowd package for %s; it does for %s. Otherwise %s"
            % (_system(host), ", ".join(sorted(PLATFORM_VERSIONS)), remedy)
        )
    elif architecture != "amd64":
        problems.append(
            "upstream publishes no hsflowd package for %s on %s, only for amd64; %s" % (platform, architecture, remedy)
        )


def settle(variables: Dict[str, Any], host: Optional[Dict[Any, Any]] = None,
           read_version: Optional[Callable[..., Any]] = None, version: Any = None) -> Dict[str, Any]:
    """Variables (by their public names) and what hsflowd_info said -> the plan of the role for this host.

    Without host only what needs no host is checked, so nothing has to be reached for it. read_version(path) -> (version, problem)
    reads the version of a local package file.
    """
    source, target, problems = package_source(variables, host, read_version)
    plan = _Plan(variables, version or target, host)
    plan.problems.extend(problems)
    _summed(plan, source)
    _polling(plan)
    sampling = _sampling(plan)
    address = _agent(plan)
    _options(plan)
    collectors = _collectors(plan)
    taps = _pcap(plan)
    _tcp(plan)
    _modules(plan, sampling)
    _dns_sd(plan)
    _limits(plan)
    wanted = _loadable(plan, source)
    _faults(plan, source)
    _startable(plan)
    missing = libraries(wanted, host.get("platform"), host.get("libraries") or []) if host else []
    if host and missing and not is_true(variables.get("hsflowd_install_libraries", True)):
        present = host.get("libraries") or []
        broken = ["mod_" + m for m in wanted if libraries([m], host.get("platform"), present)]
        plan.problems.append(
            "without %s hsflowd does not load %s; install that, or set hsflowd_install_libraries: true"
            % (", ".join(missing), ", ".join(broken))
        )
    return {
        "problems": plan.problems,
        "warnings": plan.warnings,
        "statements": plan.statements,
        "version": plan.version,
        "platform": (host or {}).get("platform"),
        "architecture": (host or {}).get("architecture"),
        "source": source,
        "modules": wanted,
        "libraries": missing,
        "agent_address": address,
        "collectors": collectors,
        "dns_sd": dns_sd_record(variables),
        "taps": taps,
    }


def due(host: Mapping[Any, Any], plan: Mapping[str, Any], digest: str, drop_ins: Dict[str, str],
        enabled: bool = True) -> List[str]:
    """What differs between the host and the plan, each in a few words; empty when nothing has to be done.

    digest is the sha256 of the rendered hsflowd.conf; drop_ins maps the names of our drop-ins to theirs.
    """
    package, unit, auto = host.get("package") or {}, host.get("unit") or {}, host.get("auto") or {}
    elsewhere = moved(plan["collectors"], host.get("collector_names") or {}, auto)
    reasons = []
    if host.get("pending"):
        reasons.append("an interrupted run")
    if plan["source"]["kind"] != "installed":
        if not package.get("installed"):
            reasons.append("the package (%s) is to be installed" % plan["version"])
        elif package.get("version") != plan["version"]:
            reasons.append("the package is %s, not %s" % (package.get("version"), plan["version"]))
    if plan["libraries"]:
        reasons.append("libraries are missing: %s" % ", ".join(plan["libraries"]))
    if (host.get("config") or {}).get("sha256") != digest:
        reasons.append("hsflowd.conf differs")
    present = {k: v for k, v in (host.get("drop_ins") or {}).items() if k.startswith("netviz-")}
    for name in sorted(set(present) | set(drop_ins)):
        if present.get(name) != drop_ins.get(name):
            reasons.append("the drop-in %s %s" % (name, "differs" if name in drop_ins else "is not wanted"))
    if not enabled_as(unit.get("unit_file_state"), enabled):
        reasons.append("the service is %s" % (unit.get("unit_file_state") or "not there"))
    if unit.get("active_state") != "active":
        reasons.append("the service is %s" % (unit.get("active_state") or "not there"))
    elif unit.get("stale"):
        reasons.append("the running daemon is older than %s" % ", ".join(unit["stale"]))
    elif elsewhere:
        reasons.append("the daemon sends to %s, where %s was" % elsewhere)
    elif _unloaded(host, plan):
        reasons.append("the daemon runs without %s" % ", ".join("mod_" + name for name in _unloaded(host, plan)))
    elif plan["collectors"] and not auto.get("complete") and (unit.get("running_seconds") or 0) > 15:
        reasons.append("the daemon has not settled (hsflowd.auto is not complete)")
    return reasons


def _unloaded(host: Mapping[Any, Any], plan: Mapping[str, Any]) -> List[Any]:
    """Modules that the daemon could not load at its start; whoever may not see its memory map sees none."""
    mapped = (host.get("modules") or {}).get("mapped") or []
    return [name for name in plan["modules"] if name not in mapped] if mapped else []


def remains(host: Mapping[Any, Any], manage: bool = True, keep_config: bool = False) -> List[str]:
    """What of the agent is still on the host, each in a few words; empty when the removal is done."""
    package, unit = host.get("package") or {}, host.get("unit") or {}
    status = package.get("status") or ""
    found = []
    if manage and (
        package.get("installed")
        or (status and not status.endswith("not-installed") and not (keep_config and status.endswith("config-files")))
    ):
        found.append("the package")
    if any(name.startswith("netviz-") for name in host.get("drop_ins") or {}):
        found.append("drop-ins")
    if manage and not keep_config and (host.get("config") or {}).get("exists"):
        found.append("hsflowd.conf")
    if manage and (host.get("auto") or {}).get("exists"):
        found.append("hsflowd.auto")
    if host.get("leftovers"):
        found.append("files of the role")
    if unit.get("active_state") not in (None, "inactive", "failed"):
        found.append("the running service")
    if unit.get("unit_file_state") == "enabled":
        found.append("the enabled service")
    return found
