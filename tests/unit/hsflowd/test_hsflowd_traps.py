# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written is what is in effect: the plans are judged by the stand-in daemon's own choice of rates and taps."""

import hsflowd_standin as daemon
import pytest
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd as settings
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_grammar import OBJECTS, ROWS, SPEED_KEYS
from hsflowd_hosts import host, interface, render
from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from test_hsflowd_grammar import GOOD, variables_for

VERSIONS = [
    "2.0.14",
    "2.0.25-3",
    "2.0.38-1",
    "2.0.47-1",
    "2.0.48-1",
    "2.0.53-1",
    "2.1.13-2",
    "2.1.14-2",
    "2.1.18-1",
    "2.1.21-1",
    "2.1.25-4",
]
SPEEDS = [0, 10, 100, 1000, 2500, 5000, 10000, 20000, 25000, 40000, 50000, 100000, 200000, 400000]


def nic(name="eth0", speed_mbps=0, driver="", flags=0, vlan=False):
    """The stand-in daemon's view of an interface that is up."""
    made = daemon.Interface(name, 2)
    made.flags, made.speed, made.driver, made.vlan = daemon.IFF_UP | flags, (speed_mbps or 0) * 10**6, driver, vlan
    return made


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rate", [2, 400, 65535, 100000])
@pytest.mark.parametrize("speed", SPEEDS)
def test_sampling_n_is_n_on_every_nic(variables, version, rate, speed):
    plan = settings.settle(dict(variables, hsflowd_sampling=rate), version=version)
    config = daemon.parse_config(render(plan["statements"]), version)
    assert daemon.sampling_rate(config, nic(speed_mbps=speed), version) == rate


def test_a_bond_has_a_speed_of_its_own(variables):
    """Releases without bps_ratio need a rate for each speed that there is."""
    seen = host(interfaces=[interface("bond0", 2, "bond", 30000, addresses=["192.0.2.20/24"])])
    plan = settings.settle(variables, seen, version="2.0.25-3")
    config = daemon.parse_config(render(plan["statements"]), "2.0.25-3")
    assert daemon.sampling_rate(config, nic("bond0", 30000), "2.0.25-3") == 400


def test_without_exact_the_daemon_follows_the_speed(variables):
    plan = settings.settle(dict(variables, hsflowd_sampling_exact=False), version="2.1.25-4")
    config = daemon.parse_config(render(plan["statements"]), "2.1.25-4")
    assert daemon.sampling_rate(config, nic(speed_mbps=10000), "2.1.25-4") == 10000


@pytest.mark.parametrize("spelling", ["10G", "10g", "10000M", "10000000000"])
@pytest.mark.parametrize("version", ["2.0.25-3", "2.0.53-1", "2.1.25-4"])
def test_a_rate_by_speed_holds_however_the_speed_is_written(variables, version, spelling):
    plan = settings.settle(
        dict(variables, hsflowd_sampling_rates={spelling: 77, "http": 50, "app.myapp": 100}), version=version
    )
    assert plan["problems"] == []
    config = daemon.parse_config(render(plan["statements"]), version)
    assert daemon.sampling_rate(config, nic(speed_mbps=10000), version) == 77
    assert daemon.sampling_rate(config, nic(speed_mbps=1000), version) == 400
    assert config.lookup_sampling("http") == (True, 50)
    assert config.lookup_sampling("app.myapp") == (True, 100)


def test_2_5g_is_what_the_daemon_calls_2g(variables):
    plan = settings.settle(dict(variables, hsflowd_sampling_rates={"2.5G": 9}), version="2.1.25-4")
    config = daemon.parse_config(render(plan["statements"]), "2.1.25-4")
    assert daemon.sampling_rate(config, nic(speed_mbps=2500), "2.1.25-4") == 9


@pytest.mark.parametrize(
    "more, version, sentence",
    [
        ({"hsflowd_sampling_rates": {"10G": 1, "10000M": 2}}, "2.1.25-4", "calls this speed 10G"),
        ({"hsflowd_sampling_rates": {"bps_ratio": 1000}}, "2.0.47-1", "the first release that does is 2.0.48-1"),
        ({"hsflowd_sampling_rates": {"http": "10K"}}, "2.1.25-4", "without a suffix"),
        ({"hsflowd_sampling_rates": {"a b": 10}}, "2.1.25-4", "cannot carry"),
        ({"hsflowd_sampling_rates": {"1GB": 10}}, "2.1.25-4", "hsflowd_sampling_rates.1GB: hsflowd spells link speeds as 100M"),
        ({"hsflowd_sampling_rates": {"10Gbps": 10}}, "2.0.25-3", "the name of an application"),
        ({"hsflowd_sampling": 70000}, "2.0.12", "not within 0 to 65535"),
        ({"hsflowd_sampling": 1}, "2.0.25-3", "drops every packet"),
        ({"hsflowd_sampling_rates": {"10G": 1}}, "2.0.25-3", "hsflowd_sampling_rates.10G is 1: hsflowd 2.0.25-3 drops every packet"),
        ({"hsflowd_pcap": [{"dev": "eth0", "sampling": 5}]}, "2.0.47-1", "the first release that does is 2.0.48-1"),
        ({"hsflowd_pcap": [{"dev": "eth0", "speed": "1G-"}]}, "2.0.53-1", "ignores the speed"),
        ({"hsflowd_polling_intervals": {"10G": 5}}, "2.1.25-4", "no interval per link speed"),
        ({"hsflowd_polling_intervals": {"http": 5}}, "2.0.53-1", "takes it for a sampling rate"),
        ({"hsflowd_agent_cidr": ["!10.0.0.0/8"]}, "2.0.34-1", "the first release that does is 2.0.36-1"),
        ({}, "2.0.20-1", "can crash with tcp"),
    ],
)
def test_what_a_release_does_wrong_is_refused(variables, more, version, sentence):
    problems = settings.settle(dict(variables, **more), version=version)["problems"]
    assert any(sentence in p for p in problems), problems


@pytest.mark.parametrize(
    "more, version",
    [
        ({"hsflowd_sampling": 1}, "2.0.34-1"),
        ({"hsflowd_sampling_rates": {"10G": 1}}, "2.0.34-1"),
        ({"hsflowd_sampling_rates": {"bps_ratio": 1000}}, "2.0.48-1"),
        ({"hsflowd_pcap": [{"dev": "eth0", "sampling": 1}]}, "2.0.48-1"),
        ({"hsflowd_agent_cidr": ["!10.0.0.0/8"]}, "2.0.36-1"),
        ({"hsflowd_tcp": False, "hsflowd_pcap": "none"}, "2.0.53-1"),
        ({"hsflowd_modules": {"nflog": {"group": 5, "probability": 0.0025}}, "hsflowd_pcap": "none", "hsflowd_sampling": 0}, "2.0.53-1"),
    ],
)
def test_what_a_release_does_right_is_not(variables, more, version):
    mirror = "https://mirror.example.net"  # which may have any release
    plan = settings.settle(dict(variables, hsflowd_release_url=mirror, hsflowd_version=version, **more), host())
    assert plan["problems"] == [] and plan["warnings"] == []


def test_a_library_that_a_release_does_not_get_on_with(variables):
    old = settings.settle(dict(variables, hsflowd_version="2.0.25-3"), host(platform="debian12"))
    assert any("loses packet samples with the libpcap of debian12" in p for p in old["problems"])
    assert settings.settle(dict(variables, hsflowd_version="2.0.25-3"), host(platform="ubuntu18"))["problems"] == []


@pytest.mark.parametrize(
    "probability, sampling, told",
    [(0.0025, 400, None), (0.0025, 800, None), (0.0025, 500, "one packet in 800"), (1, 400, None)],
)
def test_the_rate_of_nflog_follows_the_firewalls(variables, probability, sampling, told):
    modules = {"nflog": {"group": 5, "probability": probability}}
    more = {"hsflowd_modules": modules, "hsflowd_sampling": sampling, "hsflowd_pcap": "none"}
    plan = settings.settle(dict(variables, **more), version="2.1.25-4")
    assert plan["problems"] == []
    assert (told is None) == (plan["warnings"] == [])
    assert told is None or told in plan["warnings"][0]


# DNS-SD: the daemon asks the DNS, and what it says replaces the file


def by_dns(variables, version="2.1.25-4", **more):
    return settings.settle(dict(variables, hsflowd_collectors=[], **dict({"hsflowd_dns_sd": True}, **more)), host(), version=version)


@pytest.mark.parametrize("given_", ["example.com", ".example.com"])
def test_the_record_that_the_daemon_asks_for(variables, given_):
    plan = by_dns(variables, hsflowd_dns_sd={"domain": given_})
    assert plan["problems"] == [] and plan["dns_sd"] == "_sflow._udp.example.com"
    assert "  dns-sd { domain=.example.com }" in render(plan["statements"]).splitlines()


def test_without_a_domain_the_resolver_has_one(variables):
    assert by_dns(variables)["dns_sd"] == "_sflow._udp"
    assert settings.settle(variables, host())["dns_sd"] is None
    for on in ("true", "Yes", "on", "1", {}):
        assert by_dns(variables, hsflowd_dns_sd=on)["dns_sd"] == "_sflow._udp" and by_dns(variables, hsflowd_dns_sd=on)["problems"] == []
    for off in ("false", "No", "off", "0", "", None):
        plan = settings.settle(dict(variables, hsflowd_dns_sd=off, hsflowd_modules={"eapi": {}}))
        assert plan["dns_sd"] is None and plan["problems"] == [] and plan["collectors"]


def test_with_dns_sd_each_tap_says_its_rate(variables):
    plan = by_dns(variables, hsflowd_sampling=700, hsflowd_pcap=[{"dev": "eth0"}, {"speed": "1G-", "sampling": 5}])
    assert plan["warnings"] == []
    lines = render(plan["statements"]).splitlines()
    assert "  pcap { dev=eth0 sampling=700 }" in lines and "  pcap { speed=1G- sampling=5 }" in lines


@pytest.mark.parametrize(
    "version, more, lost",
    [
        ("2.1.25-4", {}, ""),
        ("2.0.53-1", {}, ""),
        ("2.1.25-4", {"hsflowd_polling": 10}, "polling=10"),
        ("2.1.25-4", {"hsflowd_polling_intervals": {"http": 5}}, "polling.http=5"),
        ("2.1.25-4", {"hsflowd_sampling_rates": {"http": 50}}, "sampling.http=50"),
        ("2.1.25-4", {"hsflowd_sampling_rates": {"10G": 9}}, "sampling.bps_ratio=0 sampling.10G=9"),
        ("2.1.25-4", {"hsflowd_sampling_exact": False, "hsflowd_sampling": 9}, "sampling=9"),
        ("2.1.25-4", {"hsflowd_sampling_exact": False}, ""),
        ("2.1.25-4", {"hsflowd_header_bytes": 64}, "headerBytes=64"),
        ("2.0.53-1", {"hsflowd_header_bytes": 64}, ""),  # it takes that of the file
        ("2.1.25-4", {"hsflowd_datagram_bytes": 1000}, ""),  # all take that of the file
        ("2.1.25-4", {"hsflowd_sampling": 9, "hsflowd_modules": {"nflog": {"group": 1, "probability": 1}}, "hsflowd_pcap": "none"}, "sampling=9"),
    ],
)
def test_what_dns_sd_takes_away_is_told_and_nothing_is_refused(variables, version, more, lost):
    plan = by_dns(variables, version, **more)
    assert plan["problems"] == []
    told = "hsflowd_dns_sd: the daemon takes these from the TXT record of _sflow._udp alone, so put them there: "
    assert plan["warnings"] == ([told + lost] if lost else [])


def test_before_taps_had_a_rate_the_txt_record_needs_all(variables):
    warning = by_dns(variables, "2.0.47-1")["warnings"][0]
    assert "sampling.10G=400" in warning and "sampling.1G=400" in warning


# Taps

KINDS = [
    ("eth0", "physical", 1000, {}),
    ("eth1", "physical", None, {}),  # virtio
    ("veth1", "veth", 10000, {"driver": "veth"}),
    ("vif1.0", "vif", None, {"driver": "vif"}),
    ("bond0", "bond", 2000, {"flags": daemon.IFF_MASTER}),
    ("eth0.5", "vlan", 1000, {"vlan": True}),
    ("br0", "bridge", None, {"driver": "bridge"}),
]
ENTRIES = [{"dev": name} for name, _k, _s, _m in KINDS] + [
    {"speed": s} for s in ("1-", "0-", "1G", "1G-", "10G", "100M-2G")
]


@pytest.mark.parametrize("version", ["2.0.53-1", "2.1.13-2", "2.1.14-2", "2.1.18-1", "2.1.21-1", "2.1.25-4"])
@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_what_the_plan_says_is_tapped_is_what_the_daemon_taps(variables, version, entry):
    ours = [interface(name, i + 2, kind, speed) for i, (name, kind, speed, _m) in enumerate(KINDS)]
    theirs = {name: nic(name, speed, **more) for name, _k, speed, more in KINDS}
    plan = settings.settle(dict(variables, hsflowd_pcap=[entry]), host(interfaces=ours), version=version)
    text = "sflow {\n collector { ip=192.0.2.10 }\n pcap { %s }\n}\n" % " ".join(
        "%s=%s" % pair for pair in entry.items()
    )
    config = daemon.parse_config(text, version)
    tapped = sorted(i.name for i, _b in daemon.choose_taps(config, theirs, version))
    assert sorted(plan["taps"]) == tapped
    assert bool(tapped) != any("taps nothing on this host" in p for p in plan["problems"])


def test_an_entry_that_taps_nothing_says_why(variables):
    seen = host(interfaces=[interface("lo", 1, "loopback"), interface("eth0", 2, "physical", None)])

    def reason(entry, version="2.1.25-4"):
        return " ".join(settings.settle(dict(variables, hsflowd_pcap=[entry]), seen, version=version)["problems"])

    assert "eth0: its speed is unknown, which hsflowd counts as 0" in reason({"speed": "1-"})
    assert "this host has no eth1; did you mean eth0?" in reason({"dev": "eth1"})
    assert "lo: its name does not match ^ens" in reason({"dev.pattern": "^ens"})
    down = host(interfaces=[interface("eth0", 2, up=False)])
    assert any(
        "it is down" in p for p in settings.settle(dict(variables, hsflowd_pcap=[{"dev": "eth0"}]), down)["problems"]
    )


def test_two_entries_for_one_interface_are_refused(variables):
    seen = host(interfaces=[interface("eth0", 2, "physical", 1000)])
    plan = settings.settle(dict(variables, hsflowd_pcap=[{"dev": "eth0"}, {"speed": "1-"}]), seen)
    assert any("taps eth0, as hsflowd_pcap[0] does" in p for p in plan["problems"])


def test_since_2_1_14_two_entries_are_one_tap(variables):
    seen = host(interfaces=[interface("eth0", 2, "physical", 1000)])
    plan = settings.settle(dict(variables, hsflowd_pcap=[{"speed": "1-"}, {"dev": "eth0", "sampling": 9}]), seen, version="2.1.14-2")
    assert plan["problems"] == [] and plan["taps"] == ["eth0"]


PPP = dict(interface("ppp0", 3, "virtual", addresses=["192.0.2.20/32"], default_route=True), type=512)
NIC = dict(interface("eth0", 2, "physical", 1000), type=1)


def on_ppp(variables, *beside, version="2.0.53-1", uplinks=("ppp0",), **more):
    seen = host(interfaces=[PPP] + list(beside), uplinks=list(uplinks))
    return settings.settle(dict(variables, **more), seen, version=version)


@pytest.mark.parametrize("entry", [{"dev": "ppp0"}, {"speed": "0-"}])
def test_a_tap_on_what_is_no_ethernet_is_refused_before_it_is_read(variables, entry):
    problems = on_ppp(variables, NIC, hsflowd_pcap=[entry])["problems"]
    assert any("hsflowd_pcap[0] taps ppp0, which is no Ethernet (type 512)" in p for p in problems), problems
    assert on_ppp(variables, NIC, version="2.0.54-1", hsflowd_pcap=[entry])["problems"] == []


@pytest.mark.parametrize("number", [1, 768, 772, 776, 65534, None])
def test_what_libpcap_gives_as_ethernet_or_ip_is_tapped(variables, number):
    seen = host(interfaces=[dict(NIC, type=number)])
    assert settings.settle(variables, seen, version="2.0.53-1")["problems"] == []


@pytest.mark.parametrize("uplinks", [["ppp0"], ["ppp0", "eth0"]])
def test_auto_leaves_out_what_is_no_ethernet(variables, uplinks):
    plan = on_ppp(variables, NIC, uplinks=uplinks)
    assert plan["problems"] == [] and plan["taps"] == ["eth0"]
    assert any("leaves out ppp0, which is no Ethernet" in w and "eth0 is tapped" in w for w in plan["warnings"])
    assert on_ppp(variables, NIC, version="2.0.54-1")["taps"] == ["ppp0"]


def test_auto_with_nothing_else_says_what_to_write(variables):
    problems = on_ppp(variables)["problems"]
    assert len(problems) == 1 and "the uplink is ppp0, which is no Ethernet" in problems[0] and "hsflowd_pcap: none" in problems[0]


def test_auto_without_an_uplink_says_what_to_write(variables):
    plan = settings.settle(variables, host(uplinks=[], uplink_address=None))
    assert any("no uplink was found" in p for p in plan["problems"])
    assert any("agent address is not known" in p for p in plan["problems"])


def test_pcap_none(variables):
    plan = settings.settle(dict(variables, hsflowd_pcap="none"), host())
    assert plan["problems"] == [] and plan["taps"] == [] and "pcap" not in plan["modules"]
    assert any("nothing samples packets" in w for w in plan["warnings"])


@pytest.mark.parametrize("name, attributes", [("psample", {}), ("epcap", {"dev": "eth0"}), ("ulog", {"group": 1, "probability": 1})])
def test_a_second_sampler_beside_auto_is_told(variables, name, attributes):
    sentence = "hsflowd_modules.%s samples beside hsflowd_pcap: auto" % name
    given_ = dict(variables, hsflowd_modules={name: attributes})
    assert any(sentence in w for w in settings.settle(given_, version="2.1.25-4")["warnings"])
    assert settings.settle(dict(given_, hsflowd_pcap="none"), version="2.1.25-4")["warnings"] == []


# The agent address


@pytest.mark.parametrize(
    "more, lines",
    [
        ({}, ["agentIP = 192.0.2.20"]),
        ({"hsflowd_agent": "none"}, []),
        ({"hsflowd_agent": "eth0"}, ["agent = eth0"]),
        ({"hsflowd_agent_ip": "198.51.100.7"}, ["agentIP = 198.51.100.7"]),
        (
            {"hsflowd_agent_cidr": ["192.0.2.0/24", "!172.16.0.0/12"]},
            ["agent.cidr = 192.0.2.0/24", "agent.cidr = !172.16.0.0/12"],
        ),
    ],
)
def test_the_agent_address(variables, more, lines):
    plan = settings.settle(dict(variables, **more), host())
    assert plan["problems"] == []
    assert [line.strip() for line in render(plan["statements"]).splitlines() if "agent" in line] == lines


def test_networks_without_an_address_of_the_host_are_refused(variables):
    given_ = dict(variables, hsflowd_agent_cidr=["198.51.100.0/24", "!192.0.2.0/24"])
    problems = settings.settle(given_, host())["problems"]
    assert any("hsflowd_agent_cidr has no network with an address of this host (192.0.2.20)" in p for p in problems)
    for more in ({"hsflowd_agent_ip": "198.51.100.7"}, {"hsflowd_agent_cidr": ["!192.0.2.0/24"]}, {"hsflowd_agent": "eth0"}):
        assert settings.settle(dict(given_, **more), host())["problems"] == []


@pytest.mark.parametrize("name, sentence", [("eth9", "this host does not have"), ("lo", "no address of its own")])
def test_an_agent_device_that_cannot_be(variables, name, sentence):
    assert any(sentence in p for p in settings.settle(dict(variables, hsflowd_agent=name), host())["problems"])


# The package


def source(more=None, **seen):
    given_ = dict({"hsflowd_collectors": [{"ip": "192.0.2.10"}]}, **(more or {}))
    return settings.settle(given_, host(**seen))


@pytest.mark.parametrize(
    "platform, version",
    [
        ("ubuntu18", "2.0.53-1"),
        ("ubuntu20", "2.0.53-1"),
        ("ubuntu22", "2.0.53-1"),
        ("ubuntu24", "2.1.25-4"),
        ("debian11", "2.1.25-4"),
        ("debian12", "2.0.53-1"),
        ("debian13", "2.1.25-4"),
    ],
)
def test_the_package_of_a_platform(platform, version):
    plan = source(platform=platform)
    assert plan["problems"] == []
    asset = "hsflowd-%s_%s_amd64.deb" % (platform, version)
    assert plan["source"]["asset"] == asset
    assert plan["source"]["url"] == "https://github.com/sflow/host-sflow/releases/download/v%s/%s" % (version, asset)


@pytest.mark.parametrize(
    "more, seen, sentence",
    [
        (
            {},
            {"platform": "rocky9", "distribution": "rocky", "distribution_version": "9.4"},
            "upstream publishes no hsflowd package for rocky 9.4",
        ),
        ({}, {"architecture": "arm64"}, "only for amd64"),
        ({"hsflowd_version": "2.0.25-3"}, {"platform": "debian13"}, "the first is 2.1.15-1"),
        ({"hsflowd_install": False}, {}, "is not installed on this host"),
        ({"hsflowd_modules": {"k8s": {}}, "hsflowd_version": "2.1.25-4"}, {}, "has no module for it"),
        (
            {"hsflowd_modules": {"epcap": {"dev": "eth0"}}, "hsflowd_version": "2.1.25-4"},
            {},
            "epcap: upstream's package for debian12",
        ),
        ({"hsflowd_install_libraries": False}, {"libraries": []}, "without libpcap0.8 hsflowd does not load mod_pcap"),
    ],
)
def test_a_host_that_cannot_have_it(more, seen, sentence):
    assert any(sentence in p for p in source(more, **seen)["problems"]), source(more, **seen)["problems"]


def test_a_mirror_may_have_what_upstream_has_not():
    plan = source(
        {"hsflowd_release_url": "https://mirror.example.com/hsflowd/", "hsflowd_version": "v2.1.25-4"},
        architecture="arm64",
    )
    assert plan["problems"] == []
    assert plan["source"]["url"] == "https://mirror.example.com/hsflowd/v2.1.25-4/hsflowd-debian12_2.1.25-4_arm64.deb"
    old = source(
        {"hsflowd_release_url": "https://mirror.example.com", "hsflowd_version": "2.0.53-1"}, architecture="arm64"
    )
    assert old["source"]["asset"].endswith("_aarch64.deb")


def test_a_url_is_filled_in_and_its_sum_found_by_name():
    sums = {"hsflowd-debian12_2.0.53-1_amd64.deb": "A" * 64}
    plan = source(
        {
            "hsflowd_deb_url": "https://example.com/hsflowd-{platform}_{version}_{architecture}.deb",
            "hsflowd_deb_sha256": sums,
        }
    )
    assert plan["source"]["url"] == "https://example.com/hsflowd-debian12_2.0.53-1_amd64.deb"
    assert plan["source"]["sha256"] == "a" * 64


ASSET = "hsflowd-debian12_2.0.53-1_amd64.deb"
OTHERS = {"hsflowd-ubuntu%d_2.0.53-1_amd64.deb" % number: "b" * 64 for number in (18, 20, 22, 24)}


@pytest.mark.parametrize(
    "more, sentence",
    [
        ({"hsflowd_version": "2.0.53-1\n"}, "hsflowd_version is '2.0.53-1\\n', not a version"),
        ({"hsflowd_version": "9" * 5000 + ".0-1"}, "not a version"),
        ({"hsflowd_deb_url": "https://example.com/" + ASSET + "\n"}, "not a URL"),
        ({"hsflowd_deb_url": "https://example.com/hsflowd-debian12_%s_amd64.deb" % ("1" * 5000), "hsflowd_sampling": "0.5"}, "'0.5', not an integer"),
        ({"hsflowd_sampling": "9" * 5000}, "hsflowd_sampling has too many digits"),
        ({"hsflowd_sampling": 10**5000}, "hsflowd_sampling has too many digits"),
        ({"hsflowd_polling": "-" + "9" * 5000}, "hsflowd_polling has too many digits"),
        ({"hsflowd_modules": {"nflog": {"group": 1, "probability": "1e-999999999999"}}}, "probability is 1e-999999999999, which has too many digits"),
        ({"hsflowd_modules": {"nflog": {"group": 1, "probability": "0." + "1" * 5000}}}, "has too many digits"),
        ({"hsflowd_pcap": [{"speed": "1G\n"}]}, "hsflowd_pcap[0].speed"),
        ({"hsflowd_limits": {"MemoryMax": "64M\n"}}, "which systemd would ignore"),
    ],
)
def test_what_is_too_long_or_ends_in_a_line_break_is_a_sentence(more, sentence):
    problems = source(more)["problems"]
    assert any(sentence in problem for problem in problems), problems


def test_a_sum_may_end_in_a_line_break():
    assert source({"hsflowd_version": "2.0.53-1", "hsflowd_deb_sha256": "a" * 64 + "\n"})["source"]["sha256"] == "a" * 64


@pytest.mark.parametrize("where", [{}, {"hsflowd_release_url": "https://mirror.example.com"}, {"hsflowd_deb_url": "https://example.com/" + ASSET}])
def test_sums_of_other_files_are_no_check_of_this_one(where):
    more = dict(where, hsflowd_version="2.0.53-1", hsflowd_deb_sha256=OTHERS)
    assert source(more)["problems"] == [
        "hsflowd_deb_sha256 has no sum for %s; it has hsflowd-ubuntu18_2.0.53-1_amd64.deb, hsflowd-ubuntu20_2.0.53-1_amd64.deb, "
        "hsflowd-ubuntu22_2.0.53-1_amd64.deb and 1 more. Add it, or the name without a sum for no check" % ASSET
    ]
    # One mapping for a fleet: each host needs the sum of its own file.
    assert source(dict(more, hsflowd_deb_sha256=dict(OTHERS, **{ASSET: "sha256:" + "A" * 64})))["source"]["sha256"] == "a" * 64
    # What is empty is no check, as a bundle writes it that knows no sum.
    for empty in ("", {}, None, {ASSET: None}, dict(OTHERS, **{ASSET: ""})):
        plan = source(dict(more, hsflowd_deb_sha256=empty))
        assert plan["problems"] == [] and plan["source"]["sha256"] is None
    # Where no package is to come, none is checked; half a package may be there after a run that was interrupted.
    there = {"package": {"installed": True, "version": "2.0.53-1"}}
    assert source(more, **there)["problems"] == []
    assert len(source(more, pending_version="", **there)["problems"]) == 1
    assert len(source(more, package={"installed": True, "version": "2.0.52-1"})["problems"]) == 1


def test_a_local_file_needs_no_sum_in_a_mapping():
    plan = source({"hsflowd_deb_file": "/srv/" + ASSET, "hsflowd_deb_sha256": OTHERS})
    assert plan["problems"] == [] and plan["source"]["sha256"] is None
    plan = source({"hsflowd_deb_file": "/srv/" + ASSET, "hsflowd_deb_sha256": {ASSET: "a" * 64}})
    assert plan["problems"] == [] and plan["source"]["sha256"] == "a" * 64


@pytest.mark.parametrize(
    "variable, given_, url",
    [
        ("hsflowd_deb_url", "https://user:s3cret@example.com:8443/" + ASSET, "https://example.com:8443/" + ASSET),
        ("hsflowd_deb_url", "http://user:s3@cret@example.com/{version}/hsflowd.deb", "http://example.com/2.0.53-1/hsflowd.deb"),
        ("hsflowd_deb_url", "https://example.com/" + ASSET + "?to=a@b", "https://example.com/" + ASSET + "?to=a@b"),
        ("hsflowd_release_url", "https://user:s3cret@example.com/", "https://example.com/v2.0.53-1/" + ASSET),
    ],
)
def test_a_password_is_not_in_the_plan(variable, given_, url):
    plan = source({variable: given_, "hsflowd_version": "2.0.53-1"})
    assert plan["problems"] == [] and plan["source"]["url"] == url
    assert "cret" not in repr(plan)


@pytest.mark.parametrize("url", ["http://u:s3cret@", "gopher://u:s3cret@h/x_1.deb", "https://u:s3cret@h/x.deb", "ftp://u:s3cret@h/x.deb", "u:s3cret@h",
                                 "https://u:x/s3cret@h/x_1.deb", "https://u:s3cret/x@h/x_1.deb", "https://u:s3cret?x@h/x.deb", "https://u:x#s3cret@h/x_1.deb"])
def test_a_password_is_in_no_problem(url):
    for variable in ("hsflowd_deb_url", "hsflowd_release_url"):
        plan = source({variable: url, "hsflowd_version": "auto" if variable == "hsflowd_deb_url" else "2.0.53-1"})
        assert plan["problems"] or "deb" in url and variable == "hsflowd_release_url", plan
        assert "s3cret" not in repr(plan), plan


@pytest.mark.parametrize("url, fine", [
    ("https://mirror", True), ("https://[2001:db8::1]:8443/x", True), ("http://u:p%2Fq@mirror:8080/a@b", True), ("https://u:p@q@h/x", True),
    ("file:///srv/x", True), ("https://u:/p@mirror", False), ("https://mirror:x/", False), ("https://u:p/q@mirror", False), ("https:///x", False),
    ("https://[2001:db8::1/x", False), ("mirror", False), ("https://h/a b", False),
])
def test_what_is_a_url(url, fine):
    problems = source({"hsflowd_release_url": url, "hsflowd_version": "2.0.53-1"})["problems"]
    assert fine == (not problems), problems
    assert fine or ("a / in a password is written %2F" in problems[0]) == ("@" in url)


def test_a_password_that_ansible_would_show_is_refused():
    for variable, place in (("hsflowd_deb_url", "h/" + ASSET), ("hsflowd_release_url", "h")):
        problem, = source({variable: "ftp://u:s3c@ret@" + place, "hsflowd_version": "2.0.53-1"})["problems"]
        assert problem.startswith("%s is 'ftp://***@%s' with a password" % (variable, place)) and "expected https://" in problem
    assert source({"hsflowd_deb_url": "ftp://u@h/" + ASSET, "hsflowd_version": "2.0.53-1"})["problems"] == []


@pytest.mark.parametrize(
    "url, more, version",
    [
        ("https://example.com/hsflowd-debian11_2.1.25-4_amd64.deb?token=a/b", {}, "2.1.25-4"),
        ("https://example.com/hsflowd-{platform}_2.1.25-4_{architecture}.deb", {}, "2.1.25-4"),
        ("https://example.com/{version}/hsflowd.deb", {}, "2.0.53-1"),
        ("https://example.com/hsflowd.deb", {"hsflowd_version": "2.0.53-1"}, "2.0.53-1"),
        ("https://example.com/hsflowd.deb", {}, None),
    ],
)
def test_the_version_of_a_url(url, more, version):
    plan = source(dict(more, hsflowd_deb_url=url))
    assert plan["version"] == version and "?" not in plan["source"]["asset"]
    sentence = "hsflowd_deb_url: the name of %s has no version; give hsflowd_version" % url
    assert plan["problems"] == ([] if version else [sentence])


def test_only_upstreams_releases_end_in_a_number_of_their_own():
    assert any("2.0.53-1, not 2.0.53" in p for p in source({"hsflowd_version": "2.0.53"})["problems"])
    mirror = {"hsflowd_version": "2.0.53", "hsflowd_release_url": "https://mirror.example.com"}
    assert source(mirror)["problems"] == []


@pytest.mark.parametrize(
    "modules, platform, packages",
    [
        (["pcap"], "ubuntu18", ["libpcap0.8"]),
        (["pcap"], "ubuntu24", ["libpcap0.8t64"]),
        (["pcap", "nflog", "dbus"], "debian12", ["libdbus-1-3", "libnfnetlink0", "libpcap0.8"]),
        (["kvm"], "debian12", ["libvirt0", "libxml2"]),
        (["systemd"], "ubuntu20", ["libdbus-1-3", "libssl1.1", "libuuid1"]),
        (["systemd"], "debian13", ["libdbus-1-3", "libssl3t64", "libuuid1"]),
        (["tcp", "docker", "json"], "debian12", []),
    ],
)
def test_libraries_by_module_and_distribution(modules, platform, packages):
    assert settings.libraries(modules, platform, []) == packages


def test_a_library_that_is_there_is_not_asked_for():
    assert settings.libraries(
        ["pcap", "systemd"], "debian12", ["libpcap.so.0.8", "libdbus-1.so.3", "libcrypto.so.3"]
    ) == ["libuuid1"]


# What the filter accepts the daemon accepts, whatever it is


def values(row):
    kind = row[2]
    odd = st.one_of(
        st.text(max_size=12),
        st.integers(-5, 10**11),
        st.none(),
        st.booleans(),
        st.floats(),
        st.lists(st.integers(), max_size=1),
    )
    plain = {
        "int": st.integers((row[3] or 0) - 2, (row[4] or 0) + 2),
        "float": st.floats(-0.5, 1.5),
        "onoff": st.booleans(),
        "device": st.from_regex(r"[a-z]{2,5}[0-9]{1,2}(\.[0-9]{1,4})?", fullmatch=True),
        "ip": st.ip_addresses().map(str),
        "address": st.ip_addresses().map(str),
        "domain": st.from_regex(r"\.?[a-z]{1,5}(\.[a-z]{2,3})?", fullmatch=True),
        "cidr": st.builds(
            lambda a, n, bang: "%s%s/%d" % (bang, a, n),
            st.ip_addresses(),
            st.integers(0, 40),
            st.sampled_from(["", "!"]),
        ),
        "regex": st.text("ab.*+?|()[]^$\\-:0", max_size=8),
        "path": st.from_regex(r"/[a-z/._-]{0,20}", fullmatch=True),
        "uuid": st.uuids().map(str),
        "word": st.text("abz./%-_:!", min_size=1, max_size=20),
        "speed": st.from_regex(r"[0-9]{1,4}[KMGT]?(-([0-9]{1,4}[KMGT]?)?)?", fullmatch=True),
    }[kind]
    return st.one_of(plain, odd) if kind != "ip" else plain


def attributes(name):
    rows = [r for r in ROWS if r[0] == name]
    return st.fixed_dictionaries({}, optional={r[1]: values(r) for r in rows}) if rows else st.just({})


@st.composite
def anything(draw):
    """Variables of all kinds, most of them nearly right."""
    own = ("collector", "dns-sd", "pcap", "tcp")
    names = draw(st.lists(st.sampled_from([n for n in OBJECTS if n not in own]), unique=True, max_size=3))
    top = [
        r
        for r in ROWS
        if r[0] == ""
        and r[1] not in ("polling", "sampling", "agent", "agentIP", "agent.cidr", "headerBytes", "datagramBytes")
    ]
    return {
        "hsflowd_collectors": draw(
            st.lists(attributes("collector").map(lambda c: dict({"ip": "192.0.2.1"}, **c)), min_size=0, max_size=2)
        ),
        "hsflowd_polling": draw(st.integers(-1, 310)),
        "hsflowd_sampling": draw(st.one_of(st.integers(-1, 10000001), st.text(max_size=5))),
        "hsflowd_sampling_exact": draw(st.booleans()),
        "hsflowd_sampling_rates": draw(
            st.dictionaries(
                st.one_of(st.sampled_from(SPEED_KEYS + ("http", "bps_ratio", "2.5G")), st.text(max_size=6)),
                st.integers(0, 10**7),
                max_size=3,
            )
        ),
        "hsflowd_polling_intervals": draw(
            st.dictionaries(st.text("abc.1G", max_size=5), st.integers(0, 301), max_size=2)
        ),
        "hsflowd_agent": draw(st.one_of(st.sampled_from(["auto", "none"]), st.text(max_size=17))),
        "hsflowd_agent_ip": draw(st.one_of(st.just(""), st.ip_addresses().map(str))),
        "hsflowd_agent_cidr": draw(st.lists(values(("", "agent.cidr", "cidr", None, None)), max_size=2)),
        "hsflowd_pcap": draw(st.one_of(st.sampled_from(["auto", "none"]), st.lists(attributes("pcap"), max_size=2))),
        "hsflowd_tcp": draw(st.one_of(st.booleans(), attributes("tcp"))),
        "hsflowd_header_bytes": draw(st.integers(-1, 260)),
        "hsflowd_datagram_bytes": draw(st.integers(190, 8200)),
        "hsflowd_modules": {name: draw(attributes(name)) for name in names},
        "hsflowd_options": draw(st.fixed_dictionaries({}, optional={r[1]: values(r) for r in top})),
    }


def judge(given_, version):
    """Either refused with sentences, or written so that the daemon reads what was meant."""
    plan = settings.settle(given_, version=version)
    event("refused" if plan["problems"] else "accepted")
    if plan["problems"]:
        assert all(isinstance(p, str) and len(p) > 10 for p in plan["problems"])
        return
    text = render(plan["statements"])
    assert all(len(line) < 2047 for line in text.splitlines())
    config = daemon.parse_config(text, version)
    assert config["polling"] == given_.get("hsflowd_polling", 20)
    assert config["sampling"] == int(given_.get("hsflowd_sampling", 400))
    assert len(config.collectors) == len(given_["hsflowd_collectors"])
    objects = {n for n in OBJECTS if n in given_.get("hsflowd_modules", {})}
    assert objects <= set(config.objects)


@given(st.sampled_from(ROWS).flatmap(lambda row: st.tuples(st.just(row), values(row))), st.sampled_from(VERSIONS))
@hypothesis_settings(max_examples=1000, deadline=None)
def test_one_value_of_any_kind_is_refused_or_read_as_meant(pair, version):
    row, value = pair
    if row[:2] == ("collector", "ip") and not isinstance(value, str):
        value = str(value)
    judge(variables_for(row, value), version)


@given(anything(), st.sampled_from(VERSIONS))
@hypothesis_settings(max_examples=100, deadline=None)
def test_any_settings_are_refused_or_read_as_meant(given_, version):
    judge(given_, version)


@given(st.data(), st.sampled_from(["2.0.53-1", "2.1.25-4"]))
@hypothesis_settings(max_examples=200, deadline=None)
def test_settings_that_are_right_are_read_as_meant(data, version):
    """Several objects with several good values at once."""
    known = [
        r
        for r in ROWS
        if r[0] in OBJECTS and r[0] not in ("collector", "dns-sd", "pcap", "tcp", "eapi", "dent", "nflog", "ulog")
    ]
    rows = data.draw(
        st.lists(st.sampled_from([r for r in known if not settings.before(version, r[6])]), unique=True, max_size=6)
    )
    modules = {}
    for row in rows:
        if not settings.before(version, OBJECTS[row[0]][1]):
            value = data.draw(st.integers(row[3], row[4])) if row[2] == "int" else GOOD[row[2]][0][0]
            modules.setdefault(row[0], {"dev": "eth0"} if row[0] == "epcap" else {})[row[1]] = value
    given_ = {
        "hsflowd_collectors": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1", "udpport": 7000}],
        "hsflowd_modules": modules,
    }
    assert settings.settle(given_, version=version)["problems"] == []
    judge(given_, version)
