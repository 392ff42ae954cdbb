# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the grammar, row by row: what must be written, and what must be refused before it reaches a host."""

import copy

import pytest
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd as settings
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_grammar import OBJECTS, ROWS
from hsflowd_hosts import host, interface, render
from hsflowd_standin import ConfigError, parse_config

NEWEST = "2.1.25-4"
OWN = {
    ("", "polling"): lambda v: {"hsflowd_polling": v},
    ("", "sampling"): lambda v: {"hsflowd_sampling": v},
    ("", "agent"): lambda v: {"hsflowd_agent": v},
    ("", "agentIP"): lambda v: {"hsflowd_agent_ip": v},
    ("", "agent.cidr"): lambda v: {"hsflowd_agent_cidr": [v]},
    ("", "headerBytes"): lambda v: {"hsflowd_header_bytes": v},
    ("", "datagramBytes"): lambda v: {"hsflowd_datagram_bytes": v},
}
GOOD = {
    "onoff": [(True, "on"), (False, "off"), ("on", "on"), ("No", "off")],
    "device": [("eth0", "eth0"), ("en-p1.100", "en-p1.100"), ("br@x:1", "br@x:1")],
    "ip": [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("collector.example.com", "collector.example.com"),
    ],
    "address": [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1")],
    "domain": [("sub.example.net", ".sub.example.net"), (".example.com", ".example.com"), ("example.net.", ".example.net.")],
    "cidr": [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("!2001:db8::/32", "!2001:db8::/32"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/255.255.255.0"),
        ("0.0.0.0/0.0.0.0", "0.0.0.0/0.0.0.0"),
        ("::/0", "::/0"),
    ],
    "regex": [("^eth[0-9]+$", "^eth[0-9]+$"), ("[[:alpha:]]+", "[[:alpha:]]+"), ("a|b", "a|b")],
    "path": [("/etc/hsflowd/modules", "/etc/hsflowd/modules")],
    "uuid": [("01234567-89ab-cdef-0123-456789ABCDEF", "01234567-89ab-cdef-0123-456789ABCDEF")],
    "word": [("example.com", "example.com"), ("/sys/%s/x", "/sys/%s/x")],
    "speed": [("1G", "1G"), ("1-", "1-"), ("100M-10G", "100M-10G"), ("0-", "0-"), (1000000000, "1000000000")],
}
UNCARRIED = ["a b", "a=b", "a;b", "a{b", "a}b", "a#b", 'a"b', "a\tb", "a\nb", "caf\u00e9", "x" * 255, ""]
BAD = {
    "onoff": ["maybe", 2, [], {}],
    "device": ["a/b", "sixteencharacter", "..", []],
    "ip": [
        "300.1.2.3",
        "10.0.0",
        "10",
        "192.0.2.0/24",
        "[2001:db8::1]",
        "0.0.0.0",
        "::",
        "192.0.2.1%eth0",
        "a..b",
        "-x.example.com",
        "2001:db8::g",
    ],
    "address": ["300.1.2.3", "10", "0.0.0.0", "web1.example.com", "localhost"],
    "domain": ["..example.com", "/x", "-a.example.com", "."],
    # The daemon takes the mask of a Cisco for a netmask, and a leading zero for octal; Python takes them for 24 bits.
    "cidr": ["192.0.2.1", "192.0.2.0/33", "example.com/24", "/24", "!", "192.0.2.0/0.0.0.255", "!192.0.2.0/0.0.0.255", "192.0.2.0/024"],
    "regex": ["(", "*a", "[b-a]", "(?:a)", "[[:nope:]]", "a\\"],
    "path": ["etc/hsflowd", "."],
    "uuid": ["01234567", "0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789ABCDEG"],
    "word": [],
    "speed": ["-1G", "10G-1G", "1.5G", "fast", "010", "1X", "99999999999999999999"],
}
NOT_INTEGERS = ["10K", "1G", "010", "0x10", "1.5", "ten", True, [1], {"a": 1}]


def variables_for(row, value):
    """The role's variables that put one value into one row."""
    given = {"hsflowd_collectors": [{"ip": "192.0.2.10"}]}
    where, name = row[0], row[1]
    if (where, name) in OWN:
        given.update(OWN[(where, name)](value))
    elif where == "":
        given["hsflowd_options"] = {name: value}
    elif where == "collector":
        given["hsflowd_collectors"] = [dict({"ip": "192.0.2.10"}, **{name: value})]
    elif where == "pcap":
        given["hsflowd_pcap"] = [
            {name: value} if name in ("dev", "dev.pattern", "speed") else {"dev": "eth0", name: value}
        ]
    elif where == "dns-sd":
        given.update(hsflowd_dns_sd={name: value}, hsflowd_collectors=[])
    elif where == "tcp":
        given["hsflowd_tcp"] = {name: value}
    else:
        attributes = {name: value}
        if where in ("nflog", "ulog"):
            attributes = dict({"group": 5, "probability": 0.0025}, **attributes)
        if where == "epcap" and name not in ("dev", "dev.pattern", "speed"):
            attributes["dev"] = "eth0"
        given["hsflowd_modules"] = {where: attributes}
        if where == "dent":
            given["hsflowd_modules"]["psample"] = {}
    return given


def limits(row):
    low = 1 if row[1] == "polling" and row[0] == "" else row[3]
    return low, row[4]


def examples(row):
    if row[2] == "int":
        low, high = limits(row)
        return [(low, str(low)), (high, str(high)), (str(high), str(high))]
    if row[2] == "float":
        return [(0.0025, "0.0025"), (1, "1"), ("0.5", "0.5"), (1e-7, "0.0000001")]
    if row[:2] == ("collector", "ip"):
        return [pair for pair in GOOD["ip"] if not pair[0].startswith("fe80")]
    return GOOD[row[2]]


def refusals(row):
    if row[2] == "int":
        low, high = limits(row)
        return NOT_INTEGERS + [low - 1, high + 1]
    if row[2] == "float":
        return [-0.1, 1.1, ".x", "nan", "inf", True, [0.5]]
    return BAD[row[2]] + ([] if row[2] == "onoff" else [u for u in UNCARRIED if u])


def identity(row):
    return "%s.%s" % (row[0] or "top", row[1])


def found_in(statements, row):
    """The words that were written for a row."""
    if row[0] == "":
        return [s["value"] for s in statements if s["name"] == row[1] and "value" in s]
    return [
        i["value"]
        for s in statements
        if s["name"] == row[0] and "block" in s
        for i in s["block"]
        if i["name"] == row[1]
    ]


CASES = [(row, value, word) for row in ROWS for value, word in examples(row)]
REFUSED = [(row, value) for row in ROWS for value in refusals(row)]


@pytest.mark.parametrize("row, value, word", CASES, ids=["%s=%s" % (identity(r), v) for r, v, _w in CASES])
def test_a_value_of_the_row_is_written_and_the_daemons_parser_takes_it(row, value, word):
    plan = settings.settle(variables_for(row, value), version=NEWEST)
    assert plan["problems"] == [] or row[:2] in (("nflog", "probability"), ("ulog", "probability")), plan["problems"]
    default = row[0] == "" and row[1] in ("headerBytes", "datagramBytes") and word == str(row[5])
    assert word in found_in(plan["statements"], row) or default
    if "example.com" not in word and "%" not in word:  # the daemon resolves names while it parses
        parse_config(render(plan["statements"]), NEWEST)


@pytest.mark.parametrize("row, value", REFUSED, ids=["%s=%.20r" % (identity(r), v) for r, v in REFUSED])
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(row, value):
    given = variables_for(row, value)
    plan = settings.settle(given, version=NEWEST)
    assert plan["problems"], "accepted: %r" % (given,)
    name = next(k for k in given if k != "hsflowd_collectors" or row[0] == "collector")
    assert any(name in sentence for sentence in plan["problems"]), plan["problems"]


@pytest.mark.parametrize("row", [r for r in ROWS if settings.release(r[6]) > (2, 0, 1, 0)], ids=identity)
def test_a_release_before_the_first_one_is_named(row):
    older = "2.0.2"
    plan = settings.settle(variables_for(row, examples(row)[0][0]), version=older)
    first = max([row[6]] + ([OBJECTS[row[0]][1]] if row[0] in OBJECTS else []), key=settings.release)
    assert any(first in sentence and older in sentence for sentence in plan["problems"]), plan["problems"]


@pytest.mark.parametrize("row", [r for r in ROWS if settings.release(r[6]) > (2, 0, 14, 0)], ids=identity)
def test_the_first_release_takes_it_and_the_daemons_parser_of_that_release_agrees(row):
    value, word = next((v, w) for v, w in examples(row) if v not in (0, 1))
    plan = settings.settle(variables_for(row, value), version=row[6])
    known = [
        p
        for p in plan["problems"]
        if "taps nothing" not in p and "drops every" not in p and "crash" not in p and "dev and speed" not in p
    ]
    assert known == []
    assert word in found_in(plan["statements"], row)
    if "%" not in word and "example.com" not in word:
        parse_config(render(plan["statements"]), row[6])


@pytest.mark.parametrize(
    "name", [n for n, o in OBJECTS.items() if settings.release(o[1]) > (2, 0, 1, 0) and n not in ("pcap", "tcp")]
)
def test_an_object_is_known_from_its_first_release_on(name):
    given = {"hsflowd_collectors": [{"ip": "192.0.2.10"}], "hsflowd_tcp": False, "hsflowd_modules": {name: {}}}
    given["hsflowd_modules"].setdefault("psample", {})
    first = OBJECTS[name][1]
    assert any(first in p for p in settings.settle(given, version="2.0.4")["problems"])
    if settings.release(first) > settings.release("2.0.20-1"):
        text = render(settings.settle(given, version=first)["statements"])
        parse_config(text, first)
        with pytest.raises(ConfigError):
            parse_config(text, "2.0.4")


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"hsflowd_modules": {"dokcer": {}}}, "did you mean docker?"),
        ({"hsflowd_modules": {"docker": {"markTrafic": True}}}, "did you mean markTraffic?"),
        ({"hsflowd_modules": {"ovs": {"x": 1}}}, "it takes none"),
        ({"hsflowd_modules": {"pcap": {}}}, "hsflowd_pcap"),
        ({"hsflowd_modules": {"sonic": {}}}, "switch operating system"),
        ({"hsflowd_modules": {"nflog": {"nflogGroup": 5}}}, "write group"),
        ({"hsflowd_modules": {"nflog": {"group": 5}}}, "needs probability"),
        ({"hsflowd_modules": {"nflog": {}}}, "needs group and probability"),
        ({"hsflowd_modules": {"nflog": {"group": 5, "probability": 0}}}, "no packet would be sampled"),
        ({"hsflowd_modules": {"dropmon": {"group": 1}}}, "hsflowd ignores it"),
        ({"hsflowd_modules": {"dent": {}}}, "needs psample"),
        ({"hsflowd_modules": {"eapi": {}}, "hsflowd_dns_sd": True, "hsflowd_collectors": []}, "exclude one another"),
        ({"hsflowd_modules": []}, "not a mapping"),
        ({"hsflowd_modules": {"docker": "yes"}}, "not a mapping of attributes"),
        ({"hsflowd_options": {"pollling": 1}}, "hsflowd_options has no pollling"),
        ({"hsflowd_options": {"polling": 1}}, "variable of its own, hsflowd_polling"),
        ({"hsflowd_options": {"counterPollingInterval": 20}}, "write hsflowd_polling"),
        ({"hsflowd_options": {"refreshAdaptor": 60}}, "did you mean refreshAdaptors?"),
        ({"hsflowd_collectors": []}, "hsflowd_collectors is empty"),
        ({"hsflowd_collectors": [{"udpport": 6343}]}, "hsflowd_collectors[0] has no ip"),
        ({"hsflowd_collectors": [{"ip": "192.0.2.1", "port": 6343}]}, "has no attribute port"),
        ({"hsflowd_collectors": ["192.0.2.1"]}, "not a mapping of attributes"),
        ({"hsflowd_collectors": "192.0.2.1"}, "not a list"),
        (
            {"hsflowd_collectors": [{"ip": "192.0.2.1"}, {"ip": "192.0.2.1", "udpport": 6343}]},
            "the same as hsflowd_collectors[0]",
        ),
        ({"hsflowd_dns_sd": True}, "replaces hsflowd_collectors"),
        (
            {"hsflowd_dns_sd": "example.com", "hsflowd_collectors": []},
            "hsflowd_dns_sd is 'example.com', neither true, false, nor a mapping such as {domain: example.com}",
        ),
        ({"hsflowd_dns_sd": ["example.com"]}, "hsflowd_dns_sd is ['example.com'], neither true, false, nor a mapping"),
        ({"hsflowd_polling": 0}, "not within 1 to 300"),
        ({"hsflowd_pcap": [{}]}, "is empty"),
        ({"hsflowd_pcap": [{"promisc": True}]}, "names neither dev"),
        ({"hsflowd_pcap": "eth0"}, "neither auto, none, nor a list"),
        ({"hsflowd_tcp": "maybe"}, "hsflowd_tcp is 'maybe'"),
        ({"hsflowd_agent_ip": "127.0.0.1"}, "does not tell one host from another"),
        ({"hsflowd_agent_ip": "web1.example.com"}, "hsflowd_agent_ip is 'web1.example.com', a host name; give the address itself"),
        ({"hsflowd_modules": {"epcap": {}}}, "hsflowd_modules.epcap names neither dev, dev.pattern nor speed"),
        ({"hsflowd_modules": {"epcap": [{"dev": "eth0"}, {"promisc": True}]}}, "hsflowd_modules.epcap[1] names neither dev"),
        ({"hsflowd_version": "2.0.53"}, "2.0.53-1, not 2.0.53"),
        ({"hsflowd_deb_url": "https://example.com/hsflowd.deb?x=hsflowd-debian12_2.0.53-1_amd64.deb"}, "give hsflowd_version"),
        ({"hsflowd_limits": {"MemMax": "64M"}}, "did you mean MemoryMax?"),
        ({"hsflowd_limits": {"CPUQuota": "20"}}, "which systemd would ignore"),
        ({"hsflowd_version": "newest"}, "not a version such as"),
        ({"hsflowd_deb_sha256": "abc", "hsflowd_deb_url": "https://example.com/x.deb"}, "64 hexadecimal digits"),
        ({"hsflowd_deb_url": "example.com/x.deb"}, "not a URL"),
    ],
)
def test_bad_input_is_one_sentence_before_any_host_is_reached(variables, given, sentence):
    variables.update(given)
    problems = settings.settle(variables)["problems"]
    assert any(sentence in p for p in problems), problems


def test_settings_of_an_inventory_in_ini_are_strings_and_mean_the_same(variables):
    text = dict(
        variables, hsflowd_polling="20", hsflowd_sampling="400", hsflowd_tcp="True", hsflowd_sampling_exact="True"
    )
    assert settings.settle(text, host())["statements"] == settings.settle(variables, host())["statements"]


def test_the_order_of_the_variables_does_not_change_the_text(variables):
    one = dict(
        variables, hsflowd_modules={"docker": {"hostname": True, "markTraffic": True}, "json": {"udpPort": 36343}}
    )
    other = dict(
        variables, hsflowd_modules={"json": {"udpPort": 36343}, "docker": {"markTraffic": True, "hostname": True}}
    )
    assert render(settings.settle(one, host())["statements"]) == render(settings.settle(other, host())["statements"])


def test_the_variables_are_not_changed(variables):
    before = copy.deepcopy(variables)
    seen = host()
    settings.settle(variables, seen)
    assert variables == before
    assert seen == host()


def test_the_reference_configuration(variables):
    plan = settings.settle(variables, host(platform="ubuntu18"))
    assert plan["problems"] == []
    assert plan["version"] == "2.0.53-1"
    assert render(plan["statements"]).splitlines()[1:] == [
        "sflow {",
        "  polling = 20",
        "  sampling = 400",
        "  sampling.bps_ratio = 0",
        "  agentIP = 192.0.2.20",
        "  collector { ip=192.0.2.10 }",
        "  pcap { dev=eth0 }",
        "  tcp { }",
        "}",
    ]


def test_interface_helper_is_what_info_returns():
    assert set(interface("x")) >= {"name", "ifindex", "speed_mbps", "kind", "up", "addresses", "default_route", "lower"}
