# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A STAND-IN for hsflowd, the Host sFlow agent. It is not the real agent.

The tests of this collection install it where the real package cannot be
fetched. It reads /etc/hsflowd.conf by the grammar of the release that it
stands in for and refuses what that release refuses; it samples real packets,
reads real counters and sends valid sFlow version 5; it writes
/etc/hsflowd.auto; and it shows the traps that operators meet (a rate that is
not the written one, an interface that is not tapped, a module whose library is
missing). Modules other than pcap and tcp are loaded but do nothing.

One file, Python 3.6 and later, standard library only. build.py puts it into a
package as /usr/sbin/hsflowd; the tests import it for parse_config().
"""

import array
import contextlib
import errno
import fcntl
import os
import re
import resource
import select
import signal
import socket
import struct
import sys
import time
import zlib

try:
    import ctypes
except ImportError:  # the minimal Python of some images
    ctypes = None

VERSION = "2.1.25-4"  # build.py writes the packaged release here

DEFAULT_CONFIG = "/etc/hsflowd.conf"
DEFAULT_OUTPUT = "/etc/hsflowd.auto"
DEFAULT_PID = "/var/run/hsflowd.pid"
DEFAULT_MODULES = "/etc/hsflowd/modules"

INTERNAL_INTERFACE = 0x3FFFFFFF
UNSUPPORTED = 0xFFFFFFFF
U32 = 0xFFFFFFFF
U64 = 0xFFFFFFFFFFFFFFFF


def version_key(text):
    """Order releases: 2.0.53-1 before 2.1.03-1."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


# ---------------------------------------------------------------------------
# Tokens
# ---------------------------------------------------------------------------

SEPARATORS = " \t\r\n=;"
MAX_LINE = 2047
MAX_TOKEN = 254
REGEX_SAFE = "2.1.13-2"  # before it, a bad regular expression ends in SIGSEGV and status 11


class ConfigError(Exception):
    """The configuration is refused."""


class ConfigCrash(ConfigError):
    """The configuration makes this release fall over: a regular expression that cannot be compiled."""


class Token:
    __slots__ = ("text", "line")

    def __init__(self, text, line):
        self.text = text
        self.line = line


def _lines(data):
    """Lines as the daemon sees them: LF, CR or CRLF end one, a NUL hides the rest, what is too long is cut."""
    text = data.decode("latin-1")
    for line in re.split("\r\n|\r|\n", text):
        yield line[:MAX_LINE].split("\0", 1)[0]


def _span(text, start, chars):
    end = start
    while end < len(text) and text[end] in chars:
        end += 1
    return end


def _next_token(line, start):
    """Return (token, position after it) or None.

    A quoted word loses its quotes, but the position then moves by the length
    of the bare word, so that its tail is read again. That is why quotes never
    work in the real daemon, and they must not work here.
    """
    begin = _span(line, start, SEPARATORS)
    position = begin
    word = []
    if position < len(line) and line[position] == '"':
        position += 1
        while position < len(line):
            if line[position] == '"':
                position += 1
                if position >= len(line) or line[position] != '"':
                    break
            word.append(line[position])
            position += 1
    else:
        while position < len(line) and line[position] not in SEPARATORS:
            word.append(line[position])
            position += 1
    text = "".join(word)[:MAX_TOKEN].strip(" \t\n\r\v\f")
    if not text:
        return None
    length = 0
    while length < len(text) and text[length] not in SEPARATORS and text[length] not in "{}":
        length += 1
    length = length or 1
    return text[:length], begin + length


def tokenize(data):
    tokens = [Token("start", 0)]
    for number, line in enumerate(_lines(data), 1):
        line = line.split("#", 1)[0]
        position = 0
        while True:
            found = _next_token(line, position)
            if found is None:
                break
            tokens.append(Token(found[0], number))
            position = found[1]
    return tokens


# ---------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------


def _strtol(text):
    """C strtol with base 0 on a text without leading blanks; what follows the digits is ignored."""
    match = re.match(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", text)
    if not match:
        return 0
    digits = match.group(2)
    if digits[:2].lower() == "0x":
        value = int(digits, 16)
    elif digits.startswith("0"):
        value = int(digits, 8)
    else:
        value = int(digits)
    if match.group(1) == "-":
        return max(-value, -(1 << 63))
    return min(value, (1 << 63) - 1)


def _multiplier(text, units):
    last = text[-1:].upper()
    if last in units:
        return text[:-1], units[last]
    return text, 1


_UNITS_32 = {"K": 10**3, "M": 10**6, "G": 10**9}
_UNITS_64 = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_ASCII_DIGITS = "0123456789"


def _digit_first(token):
    return token is not None and token.text[:1] in _ASCII_DIGITS and token.text != ""


def _scaled_64(text):
    if len(text) > 1:
        text, factor = _multiplier(text, _UNITS_64)
    else:
        factor = 1
    return (factor * _strtol(text)) & U64


class Address:
    """An IP address with the socket address that it came from."""

    __slots__ = ("family", "packed", "sockaddr")

    def __init__(self, family, packed, sockaddr=None):
        self.family = family
        self.packed = packed
        self.sockaddr = sockaddr

    def __eq__(self, other):
        return isinstance(other, Address) and (self.family, self.packed) == (other.family, other.packed)

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash((self.family, self.packed))

    def __str__(self):
        return socket.inet_ntop(self.family, self.packed)

    @property
    def sflow_type(self):
        return 1 if self.family == socket.AF_INET else 2


def lookup_address(name):
    """The first answer of the resolver, or None. Bytes, so that Python does not apply its own rules for names."""
    try:
        answers = socket.getaddrinfo(name.encode("latin-1"), None, 0, socket.SOCK_DGRAM)
    except (OSError, UnicodeError, ValueError):
        return None
    for family, _kind, _protocol, _name, sockaddr in answers[:1]:
        if family in (socket.AF_INET, socket.AF_INET6):
            return Address(family, socket.inet_pton(family, sockaddr[0].split("%")[0]), sockaddr)
    return None


class Cidr:
    __slots__ = ("address", "mask", "exclude")

    def __init__(self, address, mask, exclude):
        self.address = address
        self.mask = mask
        self.exclude = exclude

    def contains(self, address):
        if address.family != self.address.family:
            return False
        own = int.from_bytes(self.address.packed, "big")
        other = int.from_bytes(address.packed, "big")
        return (own & self.mask) == (other & self.mask)


def parse_cidr(text, allow_exclude):
    exclude = False
    if allow_exclude and text.startswith("!"):
        exclude = True
        text = text[1:]
    host, slash, rest = text.partition("/")
    if not host or not slash:
        return None
    address = lookup_address(host)
    if address is None:
        return None
    width = 32 if address.family == socket.AF_INET else 128
    if "." in rest or ":" in rest:
        netmask = lookup_address(rest)
        if netmask is None or netmask.family != address.family:
            return None
        mask = int.from_bytes(netmask.packed, "big")
    else:
        bits = _strtol(rest) & U32
        if bits > width:
            return None
        mask = ((1 << bits) - 1) << (width - bits)
    return Cidr(address, mask, exclude)


def parse_uuid(text):
    """Sixteen bytes of hexadecimal, with any of . - : between them; None when there are fewer."""
    out = bytearray()
    position = 0
    while position < len(text) and len(out) < 16:
        char = text[position]
        position += 1
        if char in "0123456789abcdefABCDEF":
            value = int(char, 16)
            if text[position : position + 1] and text[position] in "0123456789abcdefABCDEF":
                value = value * 16 + int(text[position], 16)
                position += 1
            out.append(value)
        elif char not in ".-:":
            break
    return bytes(out) if len(out) == 16 else None


class Pattern:
    """A POSIX extended regular expression, compiled by the C library as the daemon does."""

    def __init__(self, text):
        self.text = text
        self._compiled = None
        self._python = None
        if ctypes is not None:
            self._libc = ctypes.CDLL(None)
            self._compiled = ctypes.create_string_buffer(256)
            if self._libc.regcomp(self._compiled, text.encode("latin-1"), 1 | 4) != 0:
                raise ValueError(text)
        else:
            try:
                self._python = re.compile(text)
            except re.error as exc:
                raise ValueError(text) from exc

    def search(self, name):
        if self._compiled is not None:
            return self._libc.regexec(self._compiled, name.encode("latin-1"), 0, None, 0) == 0
        return self._python.search(name) is not None


# ---------------------------------------------------------------------------
# Grammar: object -> attribute -> (kind, low, high, first release, name in the settings)
# ---------------------------------------------------------------------------

_ANY = "0"
_NEVER = None


def _int(low, high, since=_ANY):
    return ("int", low, high, since)


def _onoff(since=_ANY):
    return ("onoff", None, None, since)


def _kind(kind, since=_ANY):
    return (kind, None, None, since)


_N = 10000000
_SECONDS = 300

_TAP = {
    "dev": "2.0.1",
    "dev.pattern": "2.1.14-2",
    "dynamic": "2.1.14-2",
    "promisc": "2.0.1",
    "sampling": "2.0.48-1",
    "speed": "2.0.5",
    "vport": "2.0.4",
}


def _tap(since):
    kinds = {
        "dev": "string",
        "dev.pattern": "regex",
        "dynamic": "onoff",
        "promisc": "onoff",
        "speed": "speed",
        "vport": "onoff",
    }
    table = {}
    for name, first in _TAP.items():
        first = max(first, since, key=version_key)
        table[name] = _int(0, _N, first) if name == "sampling" else _kind(kinds[name], first)
    return table


ATTRIBUTES = {
    "sflow": {
        "polling": _int(0, _SECONDS),
        "counterpollinginterval": _int(0, _SECONDS),
        "sampling": _int(0, _N),
        "packetsamplingrate": _int(0, _N),
        "agent": _kind("string"),
        "agentip": _kind("ip"),
        "agent.cidr": _kind("cidr"),
        "headerbytes": _int(0, 256),
        "datagrambytes": _int(200, 8192),
        "subagentid": _int(0, 199999),
        "uuid": _kind("uuid"),
        "refreshadaptors": _int(60, 3600),
        "checkadaptors": _int(1, 3600, "2.0.10-1"),
        "refreshvms": _int(60, 3600),
        "forgetvms": _int(60, U32),
        "modules": _kind("file"),
        "dnssd": _onoff(),
        "dnssd_domain": _kind("string"),
        "loopback": _onoff(),
        "samplingdirection": _kind("direction"),
        "uloggroup": _int(1, 32),
        "ulogprobability": _kind("float"),
        "nfloggroup": _int(1, U32),
        "nflogprobability": _kind("float"),
        "jsonport": _int(1025, 65535),
        "jsonfifo": _kind("file"),
        "xen.update.dominfo": _onoff(),
        "xen.dsk": _onoff(),
    },
    "dns-sd": {"domain": _kind("string"), "dnssd_domain": _kind("string")},
    "collector": {
        "ip": _kind("ip"),
        "udpport": _int(1, 65535),
        "dev": _kind("string", "2.0.12"),
        "namespace": _kind("string", "2.0.12"),
    },
    "pcap": _tap("2.0.1"),
    "epcap": _tap("2.1.14-2"),
    "nflog": {
        "group": _int(1, 32),
        "nfloggroup": _int(1, 32),
        "probability": _kind("float"),
        "nflogprobability": _kind("float"),
    },
    "ulog": {
        "group": _int(1, 32),
        "uloggroup": _int(1, 32),
        "probability": _kind("float"),
        "ulogprobability": _kind("float"),
    },
    "psample": {"group": _int(1, 32), "ingress": _onoff("2.0.34-1"), "egress": _onoff("2.0.34-1")},
    "dropmon": {
        "start": _onoff(),
        "limit": _int(1, 10000, "2.0.29-3"),
        "max": _int(1, U32, "2.0.32-1"),
        "max_trip": _int(1, U32, "2.1.14-2"),
        "sw": _onoff("2.0.30-1"),
        "hw": _onoff("2.0.30-1"),
        "rn": _onoff("2.0.50-3"),
        "hw_unknown": _onoff("2.0.43-1"),
        "hw_function": _onoff("2.0.43-1"),
        "hide": _kind("regex", "2.0.54-1"),
        "sw_passive": _onoff("2.0.52-1"),
        "hw_passive": _onoff("2.0.52-1"),
        "force": _onoff("2.1.24-1"),
        "group": _int(1, U32),
    },
    "tcp": {"tunnel": _onoff("2.0.32-1"), "udp": _onoff("2.0.51-16"), "dump": _onoff("2.0.53-1")},
    "docker": {
        "hostname": _onoff("2.0.21-7"),
        "marktraffic": _onoff("2.0.30-1"),
        "refreshvms": _int(60, 3600),
        "forgetvms": _int(60, U32),
    },
    "containerd": {"hostname": _onoff(), "marktraffic": _onoff(), "forgetvms": _int(60, U32)},
    "k8s": {
        "marktraffic": _onoff(),
        "eof": _onoff("2.0.53-1"),
        "setifalias": _onoff("2.1.14-2"),
        "setifname": _onoff("2.1.14-2"),
        "unixsock": _kind("string", "2.1.22-1"),
    },
    "kvm": {"refreshvms": _int(60, 3600), "forgetvms": _int(60, U32)},
    "xen": {
        "dsk": _onoff(),
        "xen.dsk": _onoff(),
        "update.dominfo": _onoff(),
        "xen.update.dominfo": _onoff(),
        "vbd": _kind("file"),
        "switchport": _kind("regex"),
        "refreshvms": _int(60, 3600),
        "forgetvms": _int(60, U32),
    },
    "ovs": {},
    "nvml": {},
    "dbus": {},
    "eapi": {},
    "systemd": {
        "refreshvms": _int(10, 3600),
        "droppriv": _onoff(),
        "cgroup_procs": _kind("string", "2.0.9-1"),
        "cgroup_acct": _kind("string", "2.0.9-1"),
        "marktraffic": _onoff("2.0.18-1"),
    },
    "json": {
        "udpport": _int(0, 65535),
        "jsonport": _int(0, 65535),
        "fifo": _kind("file"),
        "jsonfifo": _kind("file"),
    },
    "dent": {"switchport": _kind("regex"), "sw": _onoff()},
    "nlroute": {
        "limit": _int(0, 500),
        "link": _onoff("2.1.14-2"),
        "addr": _onoff("2.1.14-2"),
        "setifalias": _onoff("2.1.14-2"),
    },
    "vpp": {"ifoffset": _int(0, U32, "2.1.11-5"), "osindex": _onoff("2.1.13-2")},
    "sonic": {
        "switchport": _kind("regex"),
        "unixsock": _onoff("2.0.32-1"),
        "dbconfig": _kind("string", "2.0.51-24"),
        "waitready": _int(0, U32, "2.0.51-26"),
        "suppressother": _onoff("2.1.03-1"),
        "setifalias": _onoff("2.1.14-2"),
        "setifname": _onoff("2.1.14-2"),
    },
    "cumulus": {"switchport": _kind("regex")},
    "opx": {"udpport": _int(0, 65535), "switchport": _kind("regex"), "port": _kind("object", "2.0.12")},
    "os10": {"udpport": _int(0, 65535), "switchport": _kind("regex"), "port": _kind("object", "2.0.9-1")},
    "port": {"dev": _kind("string")},
}

# objects that may stand in sflow { }, with their first release
OBJECTS = {
    "dns-sd": _ANY,
    "collector": _ANY,
    "pcap": _ANY,
    "epcap": "2.1.14-2",
    "nflog": _ANY,
    "ulog": _ANY,
    "psample": "2.0.20-1",
    "dropmon": "2.0.29-2",
    "tcp": "2.0.5",
    "docker": _ANY,
    "containerd": "2.0.37-1",
    "k8s": "2.0.51-16",
    "kvm": _ANY,
    "xen": _ANY,
    "ovs": _ANY,
    "nvml": _ANY,
    "dbus": "2.0.7",
    "eapi": "2.0.9-1",
    "systemd": "2.0.7",
    "json": _ANY,
    "dent": "2.0.32-1",
    "nlroute": "2.1.05-4",
    "vpp": "2.1.10-1",
    "sonic": "2.0.21-7",
    "cumulus": _ANY,
    "opx": "2.0.12",
    "os10": _ANY,
}


class Config:
    """What a configuration file says, with the defaults of the daemon."""

    def __init__(self):
        self.values = {
            "polling": 30,
            "sampling": 400,
            "headerbytes": 128,
            "datagrambytes": 1400,
            "subagentid": 100000,
            "refreshadaptors": 180,
            "checkadaptors": 10,
            "refreshvms": 60,
            "forgetvms": 180,
            "agent": None,
            "agentip": None,
            "uuid": None,
            "modules": None,
            "dnssd": False,
        }
        self.applications = []  # [name, sampling or None, polling or None], newest first
        self.cidrs = []  # newest first
        self.collectors = []  # newest first, as the daemon walks them
        self.objects = {}  # name -> settings of the last one; pcap and epcap: list, newest first
        self.warnings = []

    def __getitem__(self, name):
        return self.values[name]

    def application(self, name, create=False):
        for entry in self.applications:
            if entry[0] == name:
                return entry
        if not create:
            return None
        entry = [name, None, None]
        self.applications.insert(0, entry)
        return entry

    def lookup_sampling(self, name):
        """Return (found, rate): a key with only a polling value is found and keeps the general rate."""
        best = None
        for entry in self.applications:
            matches = name == entry[0] or name.startswith(entry[0] + ".")
            if matches and (best is None or len(entry[0]) > len(best[0])):
                best = entry
        if best is None or not best[0]:
            return False, self.values["sampling"]
        return True, self.values["sampling"] if best[1] is None else best[1]


class Parser:
    def __init__(self, data, version, filename):
        self.version = version_key(version)
        self.filename = filename
        self.tokens = tokenize(data)
        self.index = 0
        self.config = None

    def since(self, release):
        return self.version >= version_key(release)

    # -- messages ---------------------------------------------------------

    def _peek(self):
        return self.tokens[self.index + 1] if self.index + 1 < len(self.tokens) else None

    def message(self, why):
        token = self.tokens[self.index]
        following = self._peek()
        return "parse error at <%s><%s> on line %d of %s : %s" % (
            token.text,
            following.text if following else "",
            token.line,
            self.filename,
            why,
        )

    def fail(self, why):
        raise ConfigError(self.message(why))

    # -- values: each takes the token after the current one -----------------

    def expect(self, word):
        following = self._peek()
        if following is None or following.text.lower() != word:
            self.fail("expected " + word)
        self.index += 1

    def value(self, kind, low, high):
        following = self._peek()
        result = getattr(self, "_value_" + kind)(following, low, high)
        self.index += 1
        return result

    def _value_int(self, token, low, high):
        if not _digit_first(token):
            self.fail("expected an integer")
        text, factor = _multiplier(token.text, _UNITS_32)
        number = (factor * _strtol(text)) & U32
        if not low <= number <= high:
            self.fail("out of range")
        return number

    def _value_speed(self, token, _low, _high):
        if not _digit_first(token):
            self.fail("expected an integer")
        limit = (1 << 63) - 1
        first, dash, second = token.text.partition("-")
        low = _scaled_64(first)
        if low > limit:
            self.fail("out of range")
        if not dash:
            return low, 0
        if not second:
            return low, limit
        high = _scaled_64(second)
        if high > limit:
            self.fail("out of range")
        return low, high

    def _value_float(self, token, _low, _high):
        if not _digit_first(token):
            self.fail("expected a floating point number")
        text = token.text
        match = re.match(r"0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*(?:[pP][+-]?[0-9]+)?", text)
        if match and re.match(r"0[xX]\.?[0-9a-fA-F]", text):
            number = float.fromhex(match.group(0))
        else:
            number = float(re.match(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?", text).group(0))
        if not 0.0 <= number <= 1.0:
            self.fail("out of range")
        return number

    def _value_onoff(self, token, _low, _high):
        if token is None or token.text.lower() not in ("on", "off"):
            self.fail("expected 'on' or 'off'")
        return token.text.lower() == "on"

    def _value_direction(self, token, _low, _high):
        if token is None or token.text.lower() not in ("in", "out", "both"):
            self.fail("expected 'in' or 'out' or 'both'")
        return token.text.lower()

    def _value_string(self, token, _low, _high):
        if token is None:
            self.fail("expected a name")
        return token.text

    def _value_file(self, token, _low, _high):
        if token is None:
            self.fail("expected a file name")
        if not os.path.exists(token.text):
            self.config.warnings.append(self.message("WARNING: path does not exist"))
        return token.text

    def _value_ip(self, token, _low, _high):
        address = lookup_address(token.text) if token else None
        if address is None:
            self.fail("expected a host name or IP address")
        return address

    def _value_cidr(self, token, _low, _high):
        cidr = parse_cidr(token.text, self.since("2.0.36-1")) if token else None
        if cidr is None:
            self.fail("expected an IP CIDR")
        return cidr

    def _value_uuid(self, token, _low, _high):
        uuid = parse_uuid(token.text) if token else None
        if uuid is None:
            self.fail("expected a UUID")
        return uuid

    def _value_regex(self, token, _low, _high):
        if token is None:
            self.fail("expected a regular expression")
        try:
            return Pattern(token.text)
        except ValueError:
            if self.since(REGEX_SAFE):
                self.fail("cannot compile the regular expression")
            raise ConfigCrash(self.message("parse error, then SIGSEGV")) from None

    # -- structure ----------------------------------------------------------

    def parse(self):
        stack = []  # (object name, its settings)
        while self.index < len(self.tokens):
            word = self.tokens[self.index].text
            name = word.lower()
            if word == "}":
                if not stack:
                    self.fail("too many '}'s")
                stack.pop()
            elif not stack:
                self.expect("sflow")
                self.expect("{")
                self.config = Config() if self.config is None else self._again()
                stack.append(("sflow", self.config.values))
            elif stack[-1][0] == "sflow" and name in OBJECTS and self.since(OBJECTS[name]):
                self.expect("{")
                stack.append((name, self._open(name)))
            else:
                self._attribute(stack, word, name)
            self.index += 1
        self._finish(stack)
        return self.config

    def _again(self):
        """A second block forgets the settings of the first, but not its objects."""
        old, new = self.config, Config()
        new.objects, new.warnings = old.objects, old.warnings
        return new

    def _open(self, name):
        config = self.config
        if name == "collector":
            settings = {"ip": None, "udpport": 6343, "dev": None, "namespace": None}
            config.collectors.insert(0, settings)
        elif name in ("pcap", "epcap"):
            settings = {}
            config.objects.setdefault(name, []).insert(0, settings)
        else:
            name = "opx" if name == "os10" else name
            settings = config.objects.setdefault(name, {})
        return settings

    def _attribute(self, stack, word, name):
        owner, settings = stack[-1]
        known = ATTRIBUTES[owner].get(name)
        if known and self.since(known[3]):
            kind, low, high, _first = known
            if kind == "object":
                self.expect("{")
                stack.append((name, {}))
                return
            if owner == "sflow" and name in ("sampling", "packetsamplingrate") and not self.since("2.0.14"):
                high = 65535
            if owner == "dropmon" and name == "group":
                low, high = self._dropmon_group(low, high)
            self._store(owner, settings, name, self.value(kind, low, high))
        elif owner == "sflow" and name.startswith("sampling."):
            number = self.value("int", 0, _N)
            self.config.application(word[9:], create=True)[1] = number
        elif owner == "sflow" and name.startswith("polling."):
            number = self.value("int", 0, _SECONDS)
            self.config.application(word[8:], create=True)[2] = number
        else:
            self.fail("unexpected %s setting" % owner)

    def _dropmon_group(self, low, high):
        # these releases ignore the word but leave its number behind, which then stops them
        if self.since("2.0.37-1") and not self.since("2.0.43-1"):
            self.index += 1
            self.fail("unexpected dropmon setting")
        return low, high

    def _store(self, owner, settings, name, value):
        config = self.config
        if owner == "sflow":
            if name == "agent.cidr":
                config.cidrs.insert(0, value)
                return
            name = {"counterpollinginterval": "polling", "packetsamplingrate": "sampling"}.get(name, name)
            moved = {
                "uloggroup": ("ulog", "group"),
                "ulogprobability": ("ulog", "probability"),
                "nfloggroup": ("nflog", "group"),
                "nflogprobability": ("nflog", "probability"),
                "jsonport": ("json", "udpport"),
            }.get(name)
            if moved:  # the value is kept, but the module is not switched on by it
                config.values["%s.%s" % moved] = value
                return
        elif owner == "json" and name == "jsonport":
            name = "udpport"
        settings[name] = value

    def _finish(self, stack):
        config = self.config
        problems = []
        if config is None:
            raise ConfigError("parse error in %s : there is no sFlow { }" % self.filename)
        searched = config["dnssd"] or any(name in config.objects for name in ("dns-sd", "eapi", "sonic"))
        if not config.collectors and not searched:
            problems.append("parse error in %s : no collectors are defined" % self.filename)
        for collector in config.collectors:
            if collector["ip"] is None:
                problems.append("parse error in %s : a collector has no IP" % self.filename)
        if stack:  # told, but tolerated
            config.warnings.append("parse error in %s: expected a closing '}'" % self.filename)
        if problems:
            raise ConfigError("\n".join(config.warnings + problems))


def parse_config(data, version=VERSION, filename=DEFAULT_CONFIG):
    """Return a Config, or raise ConfigError with what the daemon would log."""
    if isinstance(data, str):
        data = data.encode("utf-8")
    return Parser(data, version, filename).parse()


# ---------------------------------------------------------------------------
# Interfaces
# ---------------------------------------------------------------------------

IFF_UP, IFF_LOOPBACK, IFF_PROMISC, IFF_MASTER, IFF_SLAVE = 0x1, 0x8, 0x100, 0x400, 0x800


class Interface:
    def __init__(self, name, index):
        self.name = name
        self.index = index
        self.flags = 0
        self.mac = None
        self.arp_type = 0
        self.speed = 0
        self.duplex = 0
        self.driver = ""
        self.vlan = False
        self.peer = 0
        self.addresses = []

    @property
    def up(self):
        return bool(self.flags & IFF_UP)

    @property
    def loopback(self):
        return bool(self.flags & IFF_LOOPBACK)

    @property
    def bond_master(self):
        return bool(self.flags & IFF_MASTER)

    @property
    def device_type(self):
        driver = self.driver.lower()
        for start, kind in (("bridge", "bridge"), ("veth", "veth"), ("vif", "vif"), ("openvswitch", "ovs")):
            if driver.startswith(start):
                return kind
        return "other"


def _ioctl(sock, request, name, extra=b""):
    return fcntl.ioctl(sock, request, struct.pack("16s24s", name.encode(), extra))


def _ethtool(sock, name, command, size):
    """One ethtool request that fills a structure; None when the driver has no answer."""
    data = array.array("B", struct.pack("=I", command) + b"\0" * (size - 4))
    try:
        fcntl.ioctl(sock, 0x8946, struct.pack("16sP16s", name.encode(), data.buffer_info()[0], b""))
    except OSError:
        return None
    return data.tobytes()


def _read_link(interface, sock):
    interface.flags = struct.unpack_from("=H", _ioctl(sock, 0x8913, interface.name), 16)[0]
    try:
        answer = _ioctl(sock, 0x8927, interface.name)
        interface.arp_type = struct.unpack_from("=H", answer, 16)[0]
        interface.mac = answer[18:24]
    except OSError:
        pass


def _read_ethtool(interface, sock):
    settings = _ethtool(sock, interface.name, 1, 44)
    if settings:
        low, duplex = struct.unpack_from("=HB", settings, 12)
        speed = low | struct.unpack_from("=H", settings, 28)[0] << 16
        interface.speed = 0 if speed in (0xFFFF, 0xFFFFFFFF) else speed * 1000000
        interface.duplex = 1 if duplex else 2
    driver = _ethtool(sock, interface.name, 3, 196)
    if driver:
        interface.driver = driver[4:36].split(b"\0", 1)[0].decode("latin-1")
    if interface.driver == "veth":
        interface.peer = _veth_peer(interface.name)


def _veth_peer(name):
    try:
        with open("/sys/class/net/%s/iflink" % name) as handle:
            return int(handle.read())
    except (OSError, ValueError):
        return 0


def _netlink_addresses():
    """Yield (interface index, family, packed address, made by the kernel itself)."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    try:
        sock.bind((0, 0))
        sock.settimeout(2)
        sock.send(struct.pack("=IHHIIBxxxI", 24, 22, 0x301, 1, 0, 0, 0))
        while True:
            data = sock.recv(65536)
            position = 0
            while position + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, position)
                if kind in (2, 3) or length < 16:
                    return
                if kind == 20:
                    yield from _one_address(data[position + 16 : position + length])
                position += (length + 3) & ~3
    finally:
        sock.close()


def _one_address(body):
    family, _prefix, flags, _scope, index = struct.unpack_from("=BBBBI", body, 0)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return
    found = {}
    position = 8
    while position + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, position)
        if length < 4:
            break
        found[kind] = body[position + 4 : position + length]
        position += (length + 3) & ~3
    packed = found.get(2, found.get(1))
    if packed is not None:
        yield index, family, packed, family == socket.AF_INET6 and not flags & 0x80


def read_interfaces(full=True):
    """All interfaces by name, in the order of /proc/net/dev; empty when that file cannot be read."""
    interfaces = {}
    try:
        with open("/proc/net/dev") as handle:
            names = [line.split(":", 1)[0].strip() for line in handle.readlines()[2:]]
    except OSError:
        return interfaces
    vlans = _vlan_names()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        for name in names:
            try:
                interface = Interface(name, socket.if_nametoindex(name))
                _read_link(interface, sock)
            except OSError:
                continue
            interface.vlan = name in vlans
            if full:
                _read_ethtool(interface, sock)
            interfaces[name] = interface
    finally:
        sock.close()
    by_index = {interface.index: interface for interface in interfaces.values()}
    try:
        for index, family, packed, automatic in _netlink_addresses():
            if index in by_index:
                by_index[index].addresses.append((Address(family, packed), automatic))
    except OSError:
        pass
    return interfaces


def _vlan_names():
    try:
        with open("/proc/net/vlan/config") as handle:
            return {line.split("|", 1)[0].strip() for line in handle if line.count("|") == 2}
    except OSError:
        return set()


# ---------------------------------------------------------------------------
# Agent address
# ---------------------------------------------------------------------------

# low to high; an address is chosen by the highest class
CLASSES = (
    "none",
    "class_e",
    "multicast",
    "loopback6",
    "loopback4",
    "self_assigned4",
    "link6",
    "vlan6",
    "vlan4",
    "unique6",
    "global6",
    "private4",
    "public4",
)


def address_class(address, interface, version):
    packed = address.packed
    if address.family == socket.AF_INET:
        first, second = packed[0], packed[1]
        if 224 <= first < 240:
            return "none"
        if interface.loopback:
            return "loopback4"
        if (first, second) == (169, 254):
            return "self_assigned4"
        if interface.vlan:
            return "vlan4"
        if version < version_key("2.0.32-1"):
            return "public4"
        if first == 10 or (first, second) == (192, 168) or (first == 172 and second & 0xF0 == 16):
            return "private4"
        return "class_e" if first >= 240 else "public4"
    if packed[0] == 0xFF:
        return "none"
    if interface.loopback or packed == b"\0" * 15 + b"\1":
        return "loopback6"
    if packed[0] == 0xFE and packed[1] & 0xC0 == 0x80:
        return "link6"
    if packed[0] & 0xFE == 0xFC:
        return "unique6"
    return "vlan6" if interface.vlan else "global6"


def address_priority(address, interface, cidrs, version):
    rank = CLASSES.index(address_class(address, interface, version))
    for index, cidr in enumerate(cidrs, 1):
        if cidr.contains(address):
            return 0 if cidr.exclude else rank + index * len(CLASSES)
    return rank


def select_agent(config, interfaces, version):
    """Return (address, device); (None, None) when the host has no address at all."""
    version = version_key(version)
    forced = config["agentip"]
    if forced is not None:
        for interface in interfaces.values():
            if any(address == forced for address, _auto in interface.addresses):
                return forced, interface.name
        return forced, None
    pegged = config["agent"] if config["agent"] in interfaces else None
    best = None
    for interface in interfaces.values():
        seen_v4 = False
        for order, (address, automatic) in enumerate(interface.addresses):
            if address.family == socket.AF_INET:
                if seen_v4 and version < version_key("2.0.32-1"):
                    continue
                seen_v4 = True
            rank = address_priority(address, interface, config.cidrs, version)
            if interface.name == pegged:
                rank += len(CLASSES) if version >= version_key("2.0.34-1") else 1 << 20
            if version < version_key("2.1.23-1"):
                automatic = False
            key = (-rank, automatic, interface.index, order)
            if best is None or key < best[0]:
                best = (key, address, interface.name)
    return (best[1], best[2]) if best else (None, None)


# ---------------------------------------------------------------------------
# Sampling rates and taps
# ---------------------------------------------------------------------------


def speed_name(speed):
    """The key under which a speed is looked up: 10000000000 is 10G, 2500000000 is 2G."""
    digits = str(speed)
    for above, unit in ((12, "T"), (9, "G"), (6, "M"), (3, "K")):
        if len(digits) > above:
            return digits[:-above] + unit
    return digits


def sampling_rate(config, interface, version):
    if not interface.up:
        return 0
    if not interface.speed:
        return config["sampling"]
    found, rate = config.lookup_sampling(speed_name(interface.speed))
    if found:
        return rate
    if version_key(version) >= version_key("2.0.48-1"):
        found, ratio = config.lookup_sampling("bps_ratio")
        if found:
            return max(1, interface.speed // ratio) if ratio else config["sampling"]
    return max(interface.speed // 1000000, 100)


def _speed_matches(block, interface):
    low, high = block["speed"]
    return (interface.speed == low and high == 0) or low <= interface.speed <= high


def choose_taps(config, interfaces, version, log=None):
    """Return [(interface, pcap block)] as this release would tap them."""
    release = version_key(version)
    blocks = config.objects.get("pcap", [])
    taps = []
    if release < version_key("2.1.14-2"):
        for block in blocks:
            if "dev" in block:
                interface = interfaces.get(block["dev"])
                if interface is not None:
                    taps.append((interface, block))
                elif log:
                    log("PCAP: device %s not found" % block["dev"])
            elif "speed" in block:
                for interface in interfaces.values():
                    plain = not interface.bond_master and not interface.vlan and interface.device_type == "other"
                    if plain and _speed_matches(block, interface):
                        taps.append((interface, block))
        return taps
    regression = release < version_key("2.1.21-1")
    for interface in interfaces.values():
        for block in blocks:
            if block.get("dynamic"):
                continue
            if "dev" in block and block["dev"] != interface.name:
                continue
            if "dev.pattern" in block and not block["dev.pattern"].search(interface.name):
                continue
            if "speed" in block and not _speed_matches(block, interface):
                continue
            named = "dev" in block and not regression
            kinds = ("other",) if regression else ("other", "bridge")
            special = interface.bond_master or interface.vlan or interface.device_type not in kinds
            if special and not named:
                continue
            taps.append((interface, block))
            break
    return taps


# ---------------------------------------------------------------------------
# sFlow version 5
# ---------------------------------------------------------------------------


def xdr_opaque(data):
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


def record(tag, body):
    return struct.pack(">II", tag, len(body)) + body


def sample(tag, body):
    return struct.pack(">II", tag, len(body)) + body


def pack_u32(numbers):
    return struct.pack(">%dI" % len(numbers), *[number & U32 for number in numbers])


def flow_sample(sequence, source, rate, pool, drops, ports, records, expanded):
    """A flow sample, expanded (format 3) or plain (1). source and ports are interface indexes."""
    if expanded:
        head = [sequence, 0, source, rate, pool, drops, 0, ports[0], 0, ports[1], len(records)]
    else:
        head = [sequence, source & 0xFFFFFF, rate, pool, drops, ports[0], ports[1], len(records)]
    return sample(3 if expanded else 1, pack_u32(head) + b"".join(records))


def counter_sample(sequence, ds_class, ds_index, records, expanded):
    """A counter sample, expanded (format 4) or plain (2)."""
    source = [ds_class, ds_index] if expanded else [ds_class << 24 | ds_index & 0xFFFFFF]
    return sample(4 if expanded else 2, pack_u32([sequence, *source, len(records)]) + b"".join(records))


def datagram(agent, sub_agent, sequence, uptime_ms, samples):
    head = struct.pack(">II", 5, agent.sflow_type) + agent.packed
    return head + pack_u32([sub_agent, sequence, uptime_ms, len(samples)]) + b"".join(samples)


def raw_header(protocol, frame_length, stripped, header):
    return record(1, struct.pack(">III", protocol, frame_length, stripped) + xdr_opaque(header))


# ---------------------------------------------------------------------------
# Counters
# ---------------------------------------------------------------------------


def _proc_lines(path):
    try:
        with open(path) as handle:
            return handle.readlines()
    except OSError:
        return []


def _milliseconds(ticks, hertz):
    return int(ticks) * 1000 // hertz


def network_counters():
    """Name -> sixteen numbers of /proc/net/dev."""
    counters = {}
    for line in _proc_lines("/proc/net/dev")[2:]:
        name, _colon, rest = line.partition(":")
        numbers = [int(word) for word in rest.split()]
        if len(numbers) >= 16:
            counters[name.strip()] = numbers
    return counters


MACHINE_TYPES = {"i386": 2, "i686": 2, "x86_64": 3, "ppc64le": 7, "aarch64": 10, "armv7l": 10, "s390x": 12}


def host_id_record(uuid):
    uname = os.uname()
    body = xdr_opaque(uname.nodename.encode()[:64]) + uuid
    body += struct.pack(">II", MACHINE_TYPES.get(uname.machine, 0), 2) + xdr_opaque(uname.release.encode()[:32])
    return record(2000, body)


def host_net_record(interfaces):
    counters = network_counters()
    total = [0] * 16
    for interface in interfaces.values():
        if not interface.up or interface.loopback or interface.vlan or interface.bond_master:
            continue
        for column, number in enumerate(counters.get(interface.name, ())):
            total[column] += number
    received = struct.pack(">Q", total[0] & U64) + pack_u32([total[1], total[2], total[3]])
    return record(2006, received + struct.pack(">Q", total[8] & U64) + pack_u32([total[9], total[10], total[11]]))


def host_cpu_record():
    hertz = os.sysconf("SC_CLK_TCK")
    load, running, total = [0.0, 0.0, 0.0], 0, 0
    for line in _proc_lines("/proc/loadavg")[:1]:
        words = line.split()
        load = [float(word) for word in words[:3]]
        running, total = [int(word) for word in words[3].split("/")]
        running = max(running - 1, 0)
    times, cpus, interrupts, contexts = [0] * 10, 0, 0, 0
    for line in _proc_lines("/proc/stat"):
        words = line.split()
        if words[0] == "cpu":
            times = ([_milliseconds(word, hertz) for word in words[1:11]] + [0] * 10)[:10]
        elif words[0].startswith("cpu"):
            cpus += 1
        elif words[0] == "intr":
            interrupts = int(words[1])
        elif words[0] == "ctxt":
            contexts = int(words[1])
    uptime = 0
    for line in _proc_lines("/proc/uptime")[:1]:
        uptime = int(float(line.split()[0]))
    speed = 0
    for line in _proc_lines("/proc/cpuinfo"):
        if line.startswith("cpu MHz"):
            speed = int(float(line.split(":", 1)[1]))
            break
    numbers = [running, total, max(cpus, os.cpu_count() or 0), speed, uptime] + times[:7]
    numbers += [interrupts, contexts] + times[7:]
    return record(2003, struct.pack(">3f", *load) + pack_u32(numbers))


def host_memory_record():
    memory = {}
    for line in _proc_lines("/proc/meminfo"):
        name, _colon, rest = line.partition(":")
        memory[name] = int(rest.split()[0]) * 1024
    paging = dict(line.split()[:2] for line in _proc_lines("/proc/vmstat"))
    memory["Cached"] = memory.get("Cached", 0) + memory.get("SReclaimable", 0)
    # the third, shared memory, is never filled in
    names = ("MemTotal", "MemFree", "", "Buffers", "Cached", "SwapTotal", "SwapFree")
    body = struct.pack(">7Q", *[memory.get(name, 0) for name in names])
    return record(2004, body + pack_u32([int(paging.get(n, 0)) for n in ("pgpgin", "pgpgout", "pswpin", "pswpout")]))


def host_disk_record():
    total = free = fullest = 0
    seen = set()
    for line in _proc_lines("/proc/mounts"):
        device, path, kind, mode = line.split()[:4]
        if not device.startswith("/dev/") or mode.startswith("ro") or kind == "none" or device in seen:
            continue
        seen.add(device)
        try:
            state = os.statvfs(path)
        except OSError:
            continue
        if state.f_blocks:
            total += state.f_blocks * state.f_bsize
            free += state.f_bavail * state.f_bsize
            fullest = max(fullest, (state.f_blocks - state.f_bavail) * 10000 // state.f_blocks)
    done = [0] * 6
    for line in _proc_lines("/proc/diskstats"):
        words = line.split()
        if len(words) < 11 or words[0] in ("9", "253"):  # software RAID and logical volumes would count twice
            continue
        for slot, column in enumerate((3, 5, 6, 7, 9, 10)):
            done[slot] += int(words[column])
    reads, sectors_read, read_ms, writes, sectors_written, write_ms = done
    body = struct.pack(">QQII", total & U64, free & U64, fullest, reads & U32)
    body += struct.pack(">QII", (sectors_read * 512) & U64, read_ms & U32, writes & U32)
    return record(2005, body + struct.pack(">QI", (sectors_written * 512) & U64, write_ms & U32))


# record, line of /proc/net/snmp, number of columns. The daemon copies the columns as they come, so on kernels that
# have put a new column into the ICMP line its record is shifted by one.
_PROTOCOLS = ((2007, "Ip", 19), (2008, "Icmp", 25), (2009, "Tcp", 15), (2010, "Udp", 7))


def host_protocol_records():
    """IP, ICMP, TCP and UDP counters, in this order."""
    lines = {}
    for line in _proc_lines("/proc/net/snmp"):
        key, _colon, rest = line.partition(":")
        lines[key] = rest.split()  # names first, then numbers: the second line stays
    records = []
    for tag, key, columns in _PROTOCOLS:
        numbers = [int(word) for word in lines.get(key, ())[:columns]]
        records.append(record(tag, pack_u32(numbers + [0] * (columns - len(numbers)))))
    return records


def adaptors_record(interfaces):
    listed = [i for i in interfaces.values() if i.up and i.mac and any(i.mac) and not i.peer]
    body = struct.pack(">I", len(listed))
    for interface in listed:
        body += struct.pack(">II", interface.index, 1) + interface.mac + b"\0\0"
    return record(2001, body)


def host_records(interfaces, uuid):
    records = [
        host_id_record(uuid),
        host_net_record(interfaces),
        host_cpu_record(),
        host_memory_record(),
        host_disk_record(),
    ]
    records += host_protocol_records()
    records.append(adaptors_record(interfaces))
    return records[::-1]  # the daemon puts each new record in front


def interface_records(interface):
    numbers = network_counters().get(interface.name, [0] * 16)
    status = 3 if interface.up else 0
    body = struct.pack(">IIQII", interface.index, 6, interface.speed, interface.duplex, status)
    body += struct.pack(">Q", numbers[0] & U64)
    body += pack_u32([numbers[1], UNSUPPORTED, UNSUPPORTED, numbers[3], numbers[2], UNSUPPORTED])
    body += struct.pack(">Q", numbers[8] & U64)
    body += pack_u32([numbers[9], UNSUPPORTED, UNSUPPORTED, numbers[11], numbers[10]])
    body += pack_u32([1 if interface.flags & IFF_PROMISC else 0])
    return [record(1005, xdr_opaque(interface.name.encode())), record(1, body)]


# ---------------------------------------------------------------------------
# Modules
# ---------------------------------------------------------------------------

# configuration object -> module, in the order in which the daemon loads them
MODULES = (
    *("json", "kvm", "xen", "docker", "containerd", "k8s", "pcap", "epcap", "tcp", "ulog", "nflog", "psample"),
    *("dropmon", "nvml", "ovs", "cumulus", "dent", "opx", "sonic", "dbus", "systemd", "eapi", "nlroute", "vpp"),
)
# these share the sub-agent of the packet samples, whether they take samples or not
PACKET_MODULES = ("pcap", "epcap", "ulog", "nflog", "psample", "dropmon", "tcp", "json", "opx", "sonic", "vpp")
PACKET_MODULES_IF_MARKING = ("docker", "containerd", "k8s", "systemd")
WORKING_MODULES = ("pcap", "tcp", "json")


def load_module(directory, name):
    """Return (handle or None, reason). The module is a shared object, so a missing library shows here."""
    if ctypes is None:
        return None, "this Python has no ctypes"
    path = "%s/mod_%s.so" % (directory, name)
    try:
        handle = ctypes.CDLL(path, mode=os.RTLD_NOW)
        getattr(handle, "mod_" + name)
    except (OSError, AttributeError) as exc:
        return None, "dlopen(%s) failed : %s" % (path, exc)
    return handle, ""


def keeps_root(name, settings, version):
    """Whether a loaded module asks the daemon to stay root."""
    if name in ("docker", "kvm", "ovs", "dent", "containerd", "k8s"):
        return True
    if name == "systemd":
        return not settings.get("droppriv", False)
    if name == "dropmon":
        force = version_key(version) >= version_key("2.1.24-1") and settings.get("force", True)
        return settings.get("start", True) or force
    return False


# ---------------------------------------------------------------------------
# Log
# ---------------------------------------------------------------------------


class Log:
    """With -d the C daemon logs to stdout, which its library buffers by block unless it is a terminal.

    Nothing appears in the journal until 4096 bytes are there, the daemon ends
    or SIGUSR1 comes; stdbuf in the unit changes that. Both hold here too.
    """

    BLOCK = 4096

    def __init__(self):
        self.syslog = False
        self.debug = 0
        self.file = None
        self.limit = 0
        self.buffer = []
        self.size = 0
        try:
            terminal = os.isatty(1)
        except OSError:
            terminal = False
        self.by_line = terminal or os.environ.get("_STDBUF_O", "") in ("L", "0")

    def __call__(self, text):
        if self.syslog and not self.debug:
            import syslog

            syslog.syslog(syslog.LOG_USER | syslog.LOG_ERR, text)
        elif self.file is not None:
            if not self.limit or self.file.tell() < self.limit:
                self.file.write(text + "\n")
                self.file.flush()
        else:
            self.buffer.append(text + "\n")
            self.size += len(text) + 1
            if self.by_line or self.size >= self.BLOCK:
                self.flush()

    def detail(self, level, text):
        if self.debug >= level:
            self("dbg%d:%s" % (level, text))

    def flush(self):
        data = "".join(self.buffer).encode("utf-8", "replace")
        self.buffer, self.size = [], 0
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            pass

    def open(self, path):
        if self.file is not None:
            self.file.close()
        try:
            self.file = open(path, "a")  # noqa: SIM115 - open as long as the daemon runs
            os.chmod(path, 0o666)
        except OSError as exc:
            self.file = None
            self("Failed to open debugLog %s : %s" % (path, exc.strerror))


# ---------------------------------------------------------------------------
# Collectors
# ---------------------------------------------------------------------------


class Collector:
    def __init__(self, settings):
        self.settings = settings
        self.address = settings["ip"]
        self.socket = None
        self.target = None

    def open(self, interfaces, log):
        """Return False when the named network namespace cannot be entered, which ends the daemon."""
        namespace = self.settings["namespace"]
        try:
            own = enter_namespace(namespace) if namespace else None
        except OSError as exc:
            log("cannot open /var/run/netns/%s : %s" % (namespace, exc.strerror))
            return False
        try:
            self._open(interfaces, log)
        finally:
            if own is not None:
                leave_namespace(own)
        return True

    def _open(self, interfaces, log):
        family = self.address.family
        self.target = (self.address.sockaddr[0], self.settings["udpport"]) + tuple(self.address.sockaddr[2:])
        try:
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as exc:
            log("send socket open failed : %s" % exc.strerror)
            return
        device = self.settings["dev"]
        if not device:
            return
        if device not in interfaces:
            log("bindCollectorToDevice : no ifIndex for device=%s" % device)
            return
        level, option = (socket.IPPROTO_IP, 50) if family == socket.AF_INET else (socket.IPPROTO_IPV6, 76)
        try:
            self.socket.setsockopt(level, option, struct.pack("!I", interfaces[device].index))
        except OSError as exc:
            log("bindCollectorToDevice : device=%s setsockopt failed : %s" % (device, exc.strerror))

    def line(self, version):
        """The collector as /etc/hsflowd.auto shows it."""
        port, device, namespace = (self.settings[name] for name in ("udpport", "dev", "namespace"))
        if version_key("2.0.26-7") <= version < version_key("2.0.41-1"):
            return "collector=%s/%d/%s/%s" % (self.address, port, device or "", namespace or "")
        if version < version_key("2.0.26-7"):
            return "collector=%s %d" % (self.address, port)
        if device or namespace:
            return "collector=%s/%d/%s/%s" % (self.address, port, device or "", namespace or "")
        return "collector=%s" % self.address if port == 6343 else "collector=%s %d" % (self.address, port)


def enter_namespace(name):
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        other = os.open("/var/run/netns/%s" % name, os.O_RDONLY)
        try:
            _setns(other)
        finally:
            os.close(other)
    except OSError:
        os.close(own)
        raise
    return own


def leave_namespace(own):
    try:
        _setns(own)
    finally:
        os.close(own)


def _setns(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


# ---------------------------------------------------------------------------
# Taps
# ---------------------------------------------------------------------------


class Tap:
    """A packet socket that gets one packet in N; the kernel drops the others."""

    def __init__(self, interface, block, rate, version):
        self.interface = interface
        self.rate = rate
        self.bridge = interface.device_type == "bridge"
        self.promisc = block.get("promisc", False)
        self.socket = None
        self.drops = 0
        self.dead = version_key(version) < version_key("2.0.34-1") and rate == 1
        # before 2.0.30-1 packets wait in a ring of libpcap >= 1.9.1 until a block of it is full
        self.block = 0 if version_key(version) >= version_key("2.0.30-1") else ring_block()
        self.held = []
        self.held_bytes = 0

    def open(self):
        # bound only after the filter is there, so that nothing comes in before it
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self._filter(sock)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE: room for bursts
            sock.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: the VLAN tag that the kernel took off
            sock.bind((self.interface.name, 3))
            if self.promisc:
                sock.setsockopt(263, 1, struct.pack("=iHH8s", self.interface.index, 1, 0, b""))
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
        self.socket = sock

    def _filter(self, sock):
        """Load a random number, take it modulo the rate, keep the packet when that is 1 (0 when all are kept)."""
        if self.rate == 0 or self.dead:
            code = [(0x06, 0, 0, 0)]
        elif self.rate == 1:
            code = [(0x06, 0, 0, U32)]
        else:
            code = [
                (0x20, 0, 0, 0xFFFFF038),
                (0x94, 0, 0, self.rate),
                (0x15, 0, 1, 1),
                (0x06, 0, 0, U32),
                (0x06, 0, 0, 0),
            ]
        program = array.array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in code))
        sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("H6xP", len(code), program.buffer_info()[0]))

    def read(self, limit):
        """Return (bytes kept, length on the wire) or None when there is nothing left."""
        while True:
            try:
                data, ancillary, _flags, address = self.socket.recvmsg(limit, 64)
            except BlockingIOError:
                return None
            except OSError as exc:
                if exc.errno == errno.ENETDOWN and self._exists():
                    return None  # down, and it may come up again
                if exc.errno == errno.EINTR:
                    return None
                raise
            if self.interface.loopback and address[2] == 4:
                continue  # loopback shows every packet twice
            length = len(data)
            for level, kind, value in ancillary:
                if level == 263 and kind == 8 and len(value) >= 20:
                    status, length, _kept, _mac, _net, tci, tpid = struct.unpack_from("=IIIHHHH", value)
                    if status & 0x10:
                        tag = struct.pack(">HH", tpid if status & 0x40 else 0x8100, tci)
                        data = (data[:12] + tag + data[12:])[:limit]
                        length += 4
            return data, length

    def ready(self, packet):
        """The packets that may go on: this one, or all of a block once it is full."""
        if not self.block:
            return [packet]
        self.held.append(packet)
        self.held_bytes += (len(packet[0]) + 96 + 15) & ~15
        if self.held_bytes < self.block:
            return []
        full, self.held, self.held_bytes = self.held, [], 0
        return full

    def _exists(self):
        try:
            return socket.if_nametoindex(self.interface.name) == self.interface.index
        except OSError:
            return False

    def update_drops(self):
        with contextlib.suppress(OSError):
            self.drops += struct.unpack("=II", self.socket.getsockopt(263, 6, 8))[1]

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def ring_block():
    """Bytes of a block of libpcap's packet ring, 0 where its library hands packets over at once."""
    try:
        library = ctypes.CDLL("libpcap.so.0.8")
        library.pcap_lib_version.restype = ctypes.c_char_p
        text = library.pcap_lib_version().decode("ascii", "replace")
    except (OSError, AttributeError):
        return 0
    found = re.search(r"version ([0-9.]+)", text)
    return 262144 if found and version_key(found.group(1)) >= (1, 9, 1) else 0


def split_frame(interface, data, length):
    """Return (header protocol, frame length, stripped, header) of a packet from this interface, or None."""
    if interface.arp_type in (1, 772):
        return 1, length + 4, 4, data
    version = data[0] >> 4 if data else 0
    if version not in (4, 6):
        return None
    return (11 if version == 4 else 12), length + 14 + 4, 14 + 4, data


# ---------------------------------------------------------------------------
# TCP state of a sampled connection
# ---------------------------------------------------------------------------


def tcp_flow(frame):
    """Return (family, source, destination) with ports, for TCP over Ethernet and IP; else None."""
    if len(frame) < 34:
        return None
    position, kind = 12, struct.unpack_from(">H", frame, 12)[0]
    while kind in (0x8100, 0x88A8) and len(frame) >= position + 6:
        position += 4
        kind = struct.unpack_from(">H", frame, position)[0]
    packet = frame[position + 2 :]
    if kind == 0x0800 and len(packet) >= 20 and packet[9] == 6:
        start = (packet[0] & 15) * 4
        ends = socket.AF_INET, packet[12:16], packet[16:20]
    elif kind == 0x86DD and len(packet) >= 40 and packet[6] == 6:
        start = 40
        ends = socket.AF_INET6, packet[8:24], packet[24:40]
    else:
        return None
    if len(packet) < start + 4:
        return None
    source, target = struct.unpack_from(">HH", packet, start)
    return ends[0], (ends[1], source), (ends[2], target)


def tcp_state(family, local, remote):
    """Ask the kernel for the tcp_info of one socket; None when it has no such socket."""
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)
    except OSError:
        return None
    try:
        sock.settimeout(0.1)
        ends = struct.pack(">HH", local[1], remote[1]) + local[0].ljust(16, b"\0") + remote[0].ljust(16, b"\0")
        body = struct.pack("=BBBBI", family, 6, 1 << 1, 0, U32) + ends + struct.pack("=III", 0, U32, U32)
        sock.send(struct.pack("=IHHII", 16 + len(body), 20, 1, 1, 0) + body)
        answer = sock.recv(8192)
    except OSError:
        return None
    finally:
        sock.close()
    if len(answer) < 88 or struct.unpack_from("=H", answer, 4)[0] != 20:
        return None
    position, end = 16 + 72, struct.unpack_from("=I", answer, 0)[0]
    while position + 4 <= end:
        length, kind = struct.unpack_from("=HH", answer, position)
        if length < 4:
            break
        if kind == 2:
            return answer[position + 4 : position + length]
        position += (length + 3) & ~3
    return None


def tcp_record(info, outgoing):
    """The extended TCP record (format 2209) from a kernel tcp_info."""
    if len(info) < 104:
        return None
    words = struct.unpack_from("=24I", info, 8)
    # rto ato snd_mss rcv_mss unacked sacked lost retrans fackets 4 times pmtu rcv_ssthresh rtt rttvar ssthresh cwnd
    # advmss reordering rcv_rtt rcv_space total_retrans
    minimum = struct.unpack_from("=I", info, 148)[0] if len(info) >= 152 else 0
    numbers = [2 if outgoing else 1, words[2], words[3], words[4], words[6], words[23], words[13]]
    numbers += [words[15], words[16], words[18], words[20], minimum]
    return record(2209, pack_u32(numbers))


# ---------------------------------------------------------------------------
# The daemon
# ---------------------------------------------------------------------------


TELEMETRY = (
    *("flow_samples", "counter_samples", "rtmetric_samples", "rtflow_samples", "datagrams", "dropped_samples"),
    *("flow_samples_suppressed", "counter_samples_suppressed", "event_samples", "event_samples_suppressed"),
    "flow_samples_unknown",
)


class Exit(Exception):
    def __init__(self, status):
        Exception.__init__(self, status)
        self.status = status


class Options:
    def __init__(self):
        self.foreground = False
        self.config = DEFAULT_CONFIG
        self.output = DEFAULT_OUTPUT
        self.pid = DEFAULT_PID
        self.modules = None
        self.uuid = b"\0" * 16
        self.machine_id = b"\0" * 16
        self.crash = None
        self.log = None
        self.log_bytes = 10000000
        self.memory = 0
        self.keep_root = False


def chance():
    """A number from 0 to 1, without the modules that random would load."""
    return int.from_bytes(os.urandom(4), "big") / 4294967296.0


class Poller:
    def __init__(self, ds_class, ds_index, interval):
        self.ds_class = ds_class
        self.ds_index = ds_index
        self.sequence = 0
        self.countdown = 1 + int(chance() * interval) if interval else 0


class Daemon:
    # the first tick of the real daemon, with the output file and perhaps counters, comes this long after its start
    SETTLE = (0.5, 4.3)

    def __init__(self, options, log):
        self.options = options
        self.log = log
        self.release = version_key(VERSION)
        self.expanded = self.since("2.1.03-1")  # the form of the samples
        self.started = time.monotonic()
        self.config = None
        self.interfaces = {}
        self.agent = None
        self.agent_device = None
        self.output = None
        self.modules = {}
        self.collectors = []
        self.taps = []
        self.lost = []  # taps whose interface went away
        self.pollers = {}
        self.samplers = {}
        self.pending = []
        self.pending_size = 0
        self.datagrams = 0
        self.revision = 0
        self.settings_text = None
        self.written = None
        self.suppressed = False
        self.reopen_in = 0
        self.last_complaint = None
        self.counts = dict.fromkeys(TELEMETRY, 0)
        self.stopping = False
        self.json_sockets = []

    def since(self, release):
        return self.release >= version_key(release)

    # -- start --------------------------------------------------------------

    def start(self):
        try:
            self.output = open(self.options.output, "w+")  # noqa: SIM115 - open as long as the daemon runs
        except OSError as exc:
            self.log("cannot open output file %s : %s" % (self.options.output, exc.strerror))
            raise Exit(1) from exc
        if self.options.crash:
            try:
                open(self.options.crash, "w").close()
            except OSError as exc:
                self.log("cannot open output file %s : %s" % (self.options.crash, exc.strerror))
                raise Exit(1) from exc
        if not self.since("2.0.48-1"):
            self.log("started")
        if self.since("2.1.04-6"):
            self.log("%s version %s (stand-in, not the real agent)" % (sys.argv[0], VERSION.split("-", 1)[0]))
        self.read_config()
        if self.waits_for_config():
            self.log("stand-in: it never gets a configuration from the network, so it sends nothing")
        else:
            self.interfaces = read_interfaces(full=False)
            if not self.interfaces:
                self.log("failed to read interfaces")
                raise Exit(1)
            self.agent, self.agent_device = select_agent(self.config, self.interfaces, VERSION)
            if self.agent is None:
                if not self.since("2.0.39-8"):
                    raise Exit(11)  # these releases crash
                self.log("failed to select agent address")
                raise Exit(1)
        self.uuid = self.choose_uuid()
        self.load_modules()
        if not self.waits_for_config():
            self.open_collectors(self.collectors)
            self.interfaces = read_interfaces()
            self.install_settings()
            self.open_taps()
            self.add_poller(2, 1)
        self.drop_privileges()

    def read_config(self):
        path = self.options.config
        try:
            with open(path, "rb") as handle:
                data = handle.read()
        except OSError as exc:
            self.log("cannot open config file %s : %s" % (path, exc.strerror))
            self.log("parse error in %s : there is no sFlow { }" % path)
            self.log("failed to read config file")
            raise Exit(1) from exc
        parser = Parser(data, VERSION, path)
        try:
            self.config = parser.parse()
        except ConfigCrash as exc:
            sys.stderr.write("SIGSEGV, faulty address is (nil)\n")
            raise Exit(11) from exc
        except ConfigError as exc:
            for warning in parser.config.warnings if parser.config else ():
                if warning not in str(exc):
                    self.log(warning)
            self.log(str(exc))
            self.log("failed to read config file")
            raise Exit(1) from exc
        for warning in self.config.warnings:
            self.log(warning)
        if self.dns_sd():
            for other in ("eapi", "sonic"):
                if other in self.config.objects:
                    self.log("cannot run %s and dns-sd modules together" % other)
                    raise Exit(1)
        self.collectors = [Collector(settings) for settings in self.config.collectors]

    def dns_sd(self):
        return self.config["dnssd"] or "dns-sd" in self.config.objects

    def waits_for_config(self):
        return self.dns_sd() or "sonic" in self.config.objects

    def choose_uuid(self):
        chosen = self.config["uuid"] or self.options.uuid
        if any(chosen):
            return chosen
        # not the sum of the real one, but like it a function of the machine id alone
        digest = bytearray()
        for part in range(4):
            digest += struct.pack(">I", zlib.crc32(self.options.machine_id, part))
        digest[6] = digest[6] & 0x0F | 0x50
        digest[8] = digest[8] & 0x3F | 0x80
        return bytes(digest)

    def load_modules(self):
        directory = self.config["modules"] or self.options.modules or DEFAULT_MODULES
        wanted = [name for name in MODULES if name in self.config.objects]
        if self.dns_sd():
            wanted.append("dnssd")
        for name in wanted:
            handle, reason = load_module(directory, name)
            if handle is None:
                self.log.detail(1, reason)
                self.log("dlsym(mod_%s) failed : %s: undefined symbol: mod_%s" % (name, sys.argv[0], name))
                continue
            self.modules[name] = handle
            if name not in WORKING_MODULES:
                self.log("stand-in: mod_%s is loaded but does nothing here" % name)
        if "json" in self.modules:
            self.open_json()

    def open_json(self):
        port = self.config.objects["json"].get("udpport", 0)
        if not port:
            return
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                sock = socket.socket(family, socket.SOCK_DGRAM)
                sock.bind((host, port))
                sock.setblocking(False)
            except OSError as exc:
                self.log("bind(%s) failed: %s" % (host, exc.strerror))
            else:
                self.json_sockets.append(sock)

    def open_collectors(self, collectors):
        for collector in collectors:
            if collector.socket is None and not collector.open(self.interfaces, self.log):
                raise Exit(1)

    def open_taps(self):
        if "pcap" not in self.modules:
            return
        for interface, block in choose_taps(self.config, self.interfaces, VERSION, self.log):
            rate = block.get("sampling", sampling_rate(self.config, interface, VERSION))
            tap = Tap(interface, block, rate, VERSION)
            if not interface.up:
                self.log("pcap: activate(%s) ERROR: %s is not up" % (interface.name, interface.name))
                continue
            try:
                tap.open()
            except OSError as exc:
                self.log("pcap: device %s open failed: %s" % (interface.name, exc.strerror))
                continue
            self.log.detail(1, "device %s opened, 1 in %d" % (interface.name, rate))
            self.taps.append(tap)
            self.add_poller(0, interface.index)

    def add_poller(self, ds_class, ds_index):
        key = (ds_class, ds_index)
        if key not in self.pollers:
            self.pollers[key] = Poller(ds_class, ds_index, self.config["polling"])

    def drop_privileges(self):
        if self.options.keep_root or os.getuid() != 0:
            return
        if any(keeps_root(name, self.config.objects.get(name, {}), VERSION) for name in self.modules):
            return
        import pwd

        try:
            nobody = pwd.getpwnam("nobody")
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
        except (KeyError, OSError) as exc:
            self.log("drop_privileges: %s" % exc)
            raise Exit(1) from exc

    # -- settings and output file ---------------------------------------------

    def install_settings(self):
        config = self.config
        lines = [
            "hostname=%s" % os.uname().nodename,
            "sampling=%d" % config["sampling"],
            "header=%d" % config["headerbytes"],
            "datagram=%d" % config["datagrambytes"],
            "polling=%d" % config["polling"],
        ]
        for name, rate, seconds in config.applications:
            if rate is not None:
                lines.append("sampling.%s=%d" % (name, rate))
            if seconds is not None:
                lines.append("polling.%s=%d" % (name, seconds))
        if self.since("2.0.41-1"):
            if config["agentip"]:
                lines.append("agentIP=%s" % config["agentip"])
            if config["agent"]:
                lines.append("agent=%s" % config["agent"])
        else:
            lines.append("agentIP=%s" % self.agent)
            device = config["agent"] or self.agent_device
            if device:
                lines.append("agent=%s" % device)
            lines.append("ds_index=1")
            if self.json_port():
                lines.append("jsonPort=%d" % self.json_port())
        lines += sorted(collector.line(self.release) for collector in self.collectors)
        if lines != self.settings_text:
            self.settings_text = lines
            self.revision += 1

    def json_port(self):
        return self.config.objects.get("json", {}).get("udpport", 0) or self.config.values.get("json.udpport", 0)

    def write_output(self):
        lines = ["# WARNING: Do not edit this file. It is generated automatically by hsflowd."]
        lines.append("rev_start=%d" % self.revision)
        if not self.suppressed:
            lines += self.settings_text
            if self.since("2.0.41-1"):
                if not self.config["agentip"]:
                    lines.append("agentIP=%s" % self.agent)
                if not self.config["agent"] and self.agent_device:
                    lines.append("agent=%s" % self.agent_device)
                if self.json_port():
                    lines.append("jsonPort=%d" % self.json_port())
                lines.append("ds_index=1")
        lines.append("rev_end=%d" % self.revision)
        with contextlib.suppress(OSError):  # a full disk, /dev/null: the daemon does not notice
            self.output.seek(0)
            self.output.write("\n".join(lines) + "\n")
            self.output.flush()
            self.output.truncate()
        self.written = self.revision

    # -- signals --------------------------------------------------------------

    def install_signals(self):
        signal.signal(signal.SIGTERM, self.on_term)
        signal.signal(signal.SIGINT, self.on_int)
        signal.signal(signal.SIGUSR1, self.on_usr1)
        signal.signal(signal.SIGUSR2, self.on_usr2)
        signal.signal(signal.SIGHUP, self.on_hup if self.since("2.0.46-1") else signal.SIG_DFL)
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno())
        self.wakeup = reader, writer

    def on_term(self, _number, _frame):
        self.log("Received SIGTERM")
        self.stopping = True

    def on_int(self, _number, _frame):
        self.log("Received SIGINT")
        self.log.flush()
        os._exit(2)

    def on_usr1(self, _number, _frame):
        self.log("Received SIGUSR1")
        if self.since("2.1.03-1"):
            for name in TELEMETRY:
                self.log("%s=%d" % (name, self.counts.get(name, 0)))
        self.log("hsflowd version %s (stand-in, not the real agent)" % VERSION.split("-", 1)[0])
        self.log.flush()

    def on_usr2(self, _number, _frame):
        self.log("Received SIGUSR2")
        self.log.debug += 1

    def on_hup(self, _number, _frame):
        self.log("Received SIGHUP")
        if self.options.log:
            self.log.open(self.options.log)

    # -- run ------------------------------------------------------------------

    def run(self):
        poll = select.poll()
        sockets = {}
        self.install_signals()
        for source in [self.wakeup[0]] + self.json_sockets:
            poll.register(source, select.POLLIN)
            sockets[source.fileno()] = source
        for tap in self.taps:
            poll.register(tap.socket, select.POLLIN)
            sockets[tap.socket.fileno()] = tap
        settled = self.started + self.SETTLE[0] + chance() * (self.SETTLE[1] - self.SETTLE[0])
        following = settled
        next_check = settled + self.config["checkadaptors"]
        next_refresh = settled + self.config["refreshadaptors"]
        while not self.stopping:
            now = time.monotonic()
            if now >= following:
                following = max(following + 1, now)
                if not self.waits_for_config():
                    if now >= next_check:
                        next_check = now + self.config["checkadaptors"]
                        if self.changed():
                            next_refresh = now
                    if now >= next_refresh:
                        next_refresh = now + self.config["refreshadaptors"]
                        for tap in self.refresh():
                            poll.unregister(tap.socket)
                            tap.close()
                    self.tick()
                self.check_memory()
                continue
            for descriptor, _event in poll.poll(max(1, int((following - now) * 1000) + 1)):
                source = sockets[descriptor]
                if isinstance(source, Tap):
                    if source in self.taps:
                        self.read_tap(source)
                else:
                    self.drain(source)
            while self.lost:
                tap = self.lost.pop()
                self.taps.remove(tap)
                poll.unregister(tap.socket)
                tap.close()
        self.log("stopped")
        if not self.log.debug:
            try:
                os.remove(self.options.pid)
            except OSError as exc:
                if self.since("2.1.13-2"):
                    self.log("remove(%s) failed: %s" % (self.options.pid, exc.strerror))

    @staticmethod
    def drain(sock):
        try:
            while sock.recv(65536):
                pass
        except OSError:
            pass

    def check_memory(self):
        if not self.options.memory:
            return
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if used > self.options.memory:
            self.log("Configured memory limit of %d exceeded (rss=%d)" % (self.options.memory, used))
            raise Exit(1)

    def changed(self):
        """Cheap look at the flags of the interfaces that are known; new ones are not noticed here."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        mask = IFF_UP | IFF_LOOPBACK | IFF_MASTER | IFF_SLAVE
        try:
            for interface in self.interfaces.values():
                flags = struct.unpack_from("=H", _ioctl(sock, 0x8913, interface.name), 16)[0]
                if (flags ^ interface.flags) & mask:
                    return True
        except OSError:
            return True
        finally:
            sock.close()
        return False

    def refresh(self):
        """Read everything again. Return the taps whose interface is gone; new interfaces are not tapped."""
        interfaces = read_interfaces()
        if not interfaces:
            self.log("failed to re-read interfaces")
            return []
        self.interfaces = interfaces
        agent, device = select_agent(self.config, interfaces, VERSION)
        if agent is None:
            self.log("failed to re-select agent address - suppress output")
            self.suppressed = True
        else:
            self.suppressed = False
            self.agent_device = device
            if agent != self.agent:
                self.agent = agent
                self.install_settings()
        gone = [tap for tap in self.taps if tap.interface.name not in interfaces]
        self.taps = [tap for tap in self.taps if tap not in gone]
        for tap in self.taps:
            tap.interface = interfaces[tap.interface.name]
        return gone

    def tick(self):
        for tap in self.taps:
            tap.update_drops()
        for poller in list(self.pollers.values()):
            if poller.countdown:
                poller.countdown -= 1
                if not poller.countdown:
                    poller.countdown = self.config["polling"]
                    self.poll_counters(poller)
        if self.reopen_in:
            self.reopen_in -= 1
            if not self.reopen_in:
                self.open_collectors(self.collectors)
        if self.written != self.revision:
            self.write_output()
        self.flush()

    # -- samples ----------------------------------------------------------------

    def poll_counters(self, poller):
        if poller.ds_class == 2:
            records = host_records(self.interfaces, self.uuid)
        else:
            found = [i for i in self.interfaces.values() if i.index == poller.ds_index]
            if not found:
                return
            records = interface_records(found[0])
        poller.sequence += 1
        self.counts["counter_samples"] += 1
        self.queue(counter_sample(poller.sequence, poller.ds_class, poller.ds_index, records, self.expanded))

    def read_tap(self, tap):
        limit = max(self.config["headerbytes"], 14)
        try:
            for _turn in range(100):
                packet = tap.read(limit)
                if packet is None:
                    return
                for data, length in tap.ready(packet):
                    self.take(tap, data, length)
        except OSError as exc:
            if not self.since("2.1.14-2"):
                raise Exit(6) from exc  # these releases abort when a tapped interface goes away
            self.log("pcap: pcap_dispatch error : The interface disappeared")
            self.lost.append(tap)

    def take(self, tap, data, length):
        frame = split_frame(tap.interface, data, length)
        if frame is None:
            self.counts["flow_samples_unknown"] += 1
            return
        protocol, frame_length, stripped, header = frame
        state = self.samplers.setdefault(tap.interface.index, [0, 0])
        state[0] += 1
        state[1] = (state[1] + tap.rate) & U32
        ports, outgoing = self.ports(tap, data) if protocol == 1 else ((0, 0), False)
        records = [raw_header(protocol, frame_length, stripped, header)]
        if self.since("2.1.21-1"):
            records.insert(0, record(1043, struct.pack(">Q", int(time.time() * 1000000) * 1000)))
        if "tcp" in self.modules and protocol == 1:
            extra = self.tcp(data)
            if extra:
                records.insert(0, extra)
        self.counts["flow_samples"] += 1
        index = tap.interface.index
        self.queue(flow_sample(state[0], index, tap.rate, state[1], tap.drops, ports, records, self.expanded))

    def ports(self, tap, data):
        """Input and output interface, as the daemon concludes them from the MAC addresses."""
        by_mac = {i.mac: i for i in self.interfaces.values() if i.mac and (any(i.mac) or i.loopback)}
        source, target = by_mac.get(data[6:12]), by_mac.get(data[:6])
        if tap.bridge:
            return (source.index if source else 0, target.index if target else 0), source is not None
        if source:
            return (INTERNAL_INTERFACE, source.index), True
        if target:
            return (target.index, INTERNAL_INTERFACE), False
        return (0, 0), False

    def tcp(self, data):
        flow = tcp_flow(data)
        if flow is None:
            return None
        family, source, target = flow
        local = {address.packed for i in self.interfaces.values() for address, _auto in i.addresses}
        for near, far, outgoing in ((source, target, True), (target, source, False)):
            if near[0] in local:
                info = tcp_state(family, near, far)
                if info:
                    return tcp_record(info, outgoing)
        return None

    def queue(self, body):
        room = self.config["datagrambytes"] - (28 if self.agent.family == socket.AF_INET else 40)
        if not self.expanded and len(body) > self.config["datagrambytes"]:
            self.log("sflow agent error: sfl_agent_error: receiver: counters sample too big for datagram")
            return
        if self.pending and self.pending_size + len(body) > room:
            self.flush()
        self.pending.append(body)
        self.pending_size += len(body)

    def sub_agent(self):
        number = self.config["subagentid"]
        packets = any(name in self.modules for name in PACKET_MODULES) or any(
            self.config.objects[name].get("marktraffic", False)
            for name in PACKET_MODULES_IF_MARKING
            if name in self.modules
        )
        return number + 1 if self.since("2.1.03-1") and not packets else number

    def flush(self):
        if not self.pending:
            return
        samples, self.pending, self.pending_size = self.pending, [], 0
        self.datagrams += 1
        uptime = int((time.monotonic() - self.started) * 1000) & U32
        if self.suppressed:
            return
        data = datagram(self.agent, self.sub_agent(), self.datagrams, uptime, samples)
        self.counts["datagrams"] += 1
        for collector in self.collectors:
            if collector.socket is None:
                continue
            try:
                collector.socket.sendto(data, collector.target)
            except OSError as exc:
                self.complain("socket sendto error: %s" % exc.strerror)
                if self.since("2.0.34-1"):
                    collector.socket.close()
                    collector.socket = None
                    self.reopen_in = 7

    def complain(self, text):
        now = time.monotonic()
        if self.last_complaint is None or now - self.last_complaint >= 60:
            self.last_complaint = now
            self.log(text)


# ---------------------------------------------------------------------------
# Command line
# ---------------------------------------------------------------------------


def usage():
    sys.stderr.write(
        "Usage: %s [-dvP] [-p PIDFile] [-u UUID] [-m machine_id] [-f CONFIGFile] [-l MODULESDir]\n"
        "This is a stand-in for hsflowd %s, made for tests. It is not the real agent.\n" % (sys.argv[0], VERSION)
    )
    raise Exit(1)


def version_line():
    return "%s version %s (stand-in of netviz.sflow, not the real Host sFlow agent)\n" % (
        sys.argv[0],
        VERSION.split("-", 1)[0],
    )


def letters(release):
    known = "dvPp:f:l:o:u:m:?hc:"
    for option, first in (("D:", "2.0.46-1"), ("L:", "2.0.47-1"), ("F:", "2.0.53-1"), ("M:", "2.1.03-1")):
        if release >= version_key(first):
            known += option
    return known


def command_line(arguments, log):
    import getopt

    options = Options()
    if arguments[:1] == ["--version"]:
        arguments = ["-v"]
    try:
        found, _rest = getopt.gnu_getopt(arguments, letters(version_key(VERSION)))
    except getopt.GetoptError:
        usage()
    names = {"-p": "pid", "-f": "config", "-o": "output", "-l": "modules", "-c": "crash", "-D": "log"}
    for option, value in found:
        if option == "-v":
            sys.stdout.write(version_line())
            sys.stdout.flush()
            raise Exit(0)
        if option == "-d":
            log.debug += 1 if options.foreground else 0
            options.foreground = True
        elif option == "-P":
            options.keep_root = True
        elif option in names:
            setattr(options, names[option], value)
        elif option in ("-u", "-m"):
            uuid = parse_uuid(value)
            if uuid is None:
                sys.stderr.write("bad UUID format: %s\n" % value)
                usage()
            setattr(options, "uuid" if option == "-u" else "machine_id", uuid)
        elif option == "-L":
            options.log_bytes = _strtol(value)
        elif option == "-M":
            options.memory = _strtol(value)
        elif option != "-F":
            usage()
    return options


def daemonize(options, log):
    child = os.fork()
    if child:
        try:
            with open(options.pid, "w") as handle:
                handle.write("%d\n" % child)
        except OSError as exc:
            log("Could not open the pid file %s for writing : %s" % (options.pid, exc.strerror))
            log.flush()
            os._exit(1)
        log.flush()
        os._exit(0)
    os.umask(0o022)
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def main(arguments):
    log = Log()
    try:
        options = command_line(arguments, log)
        log.syslog = not options.foreground
        if options.log:
            log.open(options.log)
            log.limit = options.log_bytes
        blind = log.debug >= 2 and version_key(VERSION) >= version_key("2.0.51-24")
        if os.path.exists(options.pid) and not blind:
            log("Another %s is already running. If this is an error, remove %s" % (sys.argv[0], options.pid))
            raise Exit(1)
        if not options.foreground:
            daemonize(options, log)
        daemon = Daemon(options, log)
        daemon.start()
        daemon.run()
    except Exit as exc:
        log.flush()
        return exc.status
    log.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
