# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of `serve`: one table for the command line and the configuration file (JSON or INI)."""

import configparser
import ipaddress
import json
from typing import Any, Dict, Optional, Tuple

from . import account, traffic, wire

DAY_MS = 24 * 3600 * 1000
#: name: (type, default, help). The command line writes them with dashes, the file with underscores or dashes.
OPTIONS: Dict[str, Tuple[Any, Any, str]] = {
    "udp_address": (str, "::", "address to receive on; :: takes IPv4 too"),
    "udp_port": (int, wire.PORT, "UDP port"),
    "http_address": (str, "127.0.0.1", "address of the web interface"),
    "http_port": (int, 8008, "TCP port of the web interface"),
    "http_names": (list, (), "name by which clients call this host, besides its own and its addresses; may be given "
                             "several times"),
    "groups": (str, None, "groups.json: names and their CIDRs"),
    "max_agents": (int, account.MAX_AGENTS, "most agents in the account"),
    "forget_days": (int, account.FORGET_MS // DAY_MS, "days after which a silent agent is forgotten"),
    "allow": (list, (), "source network that may send; may be given several times; without it all may"),
    "state_dir": (str, None, "folder where the account survives a restart"),
    "receive_buffer_bytes": (int, 64 << 20, "receive buffer to ask the kernel for"),
    "decoder": (("auto", "scalar", "batch"), "auto", "which decoder; auto takes the batch decoder where numpy is"),
    "workers": (int, 1, "processes that receive"),
    "token_file": (str, None, "file whose first line is the token that the web interface asks for"),
    "max_volume": (int, 100000, "frames per second at which the picture is full"),
    "window_seconds": (int, traffic.WINDOW_S, "seconds over which rates are smoothed"),
}
RANGES = {"forget_days": (1, 3650), "udp_port": (0, 65535), "http_port": (0, 65535), "max_agents": (1, 1 << 20), "workers": (1, 64),
          "receive_buffer_bytes": (4096, 1 << 30), "max_volume": (1, 1 << 40), "window_seconds": (2, 300)}


class SettingsError(ValueError):
    """A setting cannot be used; the message names it."""


def check_range(name: str, value: int, bounds: Tuple[int, int]) -> None:
    """SettingsError when a value is not within the bounds."""
    if not bounds[0] <= value <= bounds[1]:
        raise SettingsError("%s: expected %d to %d, found %s" % (name, bounds[0], bounds[1], value))


class Settings:
    """Every option as an attribute."""

    def __getattr__(self, name: str) -> Any:  # for the type checker: the attributes are set by their names
        raise AttributeError(name)

    def __init__(self, **values: Any) -> None:
        for name, (_kind, default, _help) in OPTIONS.items():
            setattr(self, name, values.pop(name, default))
        if values:
            raise SettingsError("unknown settings: %s" % ", ".join(sorted(values)))
        for name, bounds in RANGES.items():
            check_range(name, getattr(self, name), bounds)
        for cidr in self.allow:
            try:
                ipaddress.ip_network(cidr, strict=False)
            except ValueError as error:
                raise SettingsError("allow: %s" % error) from None

    def token(self) -> Optional[str]:
        """The token of the token file, None without one."""
        if not self.token_file:
            return None
        token = _read("token_file: %s" % self.token_file, self.token_file).partition("\n")[0].strip()
        if not token:
            raise SettingsError("token_file: %s is empty" % self.token_file)
        return token


def add_arguments(parser: Any) -> None:
    """The options of `serve` for argparse; what is not given is left to the file and the defaults."""
    parser.add_argument("--config", metavar="FILE", help="settings of the options below, as JSON or INI")
    for name, (kind, default, text) in OPTIONS.items():
        option = "--" + name.replace("_", "-")
        if kind is list:
            parser.add_argument(option, action="append", metavar="CIDR" if name == "allow" else "NAME", help=text)
        elif isinstance(kind, tuple):
            parser.add_argument(option, choices=kind, help="%s (default: %s)" % (text, default))
        else:
            shown = "" if default is None else " (default: %s)" % default
            parser.add_argument(option, type=kind, metavar="N" if kind is int else name.rsplit("_", 1)[-1].upper(),
                                help=text + shown)


def from_arguments(arguments: Any) -> "Settings":
    """Settings of a parsed command line: the command line wins over the file, the file over the defaults."""
    values = read_file(arguments.config) if arguments.config else {}
    for name in OPTIONS:
        given = getattr(arguments, name)
        if given is not None:
            values[name] = given
    return Settings(**values)


def read_file(path: str) -> Dict[str, Any]:
    """The settings of a file."""
    text = _read(path, path)
    try:
        values = json.loads(text) if text.lstrip().startswith("{") else _read_ini(text)
    except (ValueError, configparser.Error) as error:
        raise SettingsError("%s: %s" % (path, error)) from None
    out = {}
    for name, value in values.items():
        name = name.replace("-", "_")
        if name not in OPTIONS:
            raise SettingsError("%s: unknown setting %s" % (path, name))
        if value is None or value == "":
            continue
        out[name] = _convert(path, name, value)
    return out


def _read(what: str, path: str) -> str:
    """The text of a file; an error begins with what it is."""
    try:
        with open(path, encoding="utf-8") as stream:  # whatever the locale of the service
            return stream.read()
    except OSError as error:
        raise SettingsError("%s: %s" % (what, error.strerror)) from None
    except UnicodeDecodeError:
        raise SettingsError("%s is not text in UTF-8" % what) from None


def _read_ini(text: str) -> Dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text if text.lstrip().startswith("[") or "\n[" in text else "[collector]\n" + text)
    return {name: value for section in parser.sections() for name, value in parser.items(section)}


def _convert(path: str, name: str, value: Any) -> Any:
    """The value of a setting in a file as its type; JSON may have anything there."""
    kind: Any = OPTIONS[name][0]
    if kind is list:
        value = value.replace(",", " ").split() if isinstance(value, str) else value
        expected = "a list of texts"
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
    elif kind is int:
        expected, fits = "a whole number", isinstance(value, (int, str)) and not isinstance(value, bool)
        try:
            value = int(value) if fits else value
        except ValueError:
            fits = False
    elif kind is str:
        expected, fits = "a text", isinstance(value, str)
    else:
        expected, fits = "one of " + ", ".join(kind), value in kind
    if not fits:
        raise SettingsError("%s: %s: expected %s, found %r" % (path, name, expected, value))
    return value
