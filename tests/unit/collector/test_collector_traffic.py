# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups, and the traffic between them."""

import ipaddress
import json
import random

import pytest
import sflow_generator as gen
from sflow_collector import core, groups, packet, settings, traffic, views

SOURCE = views.parse_address("192.0.2.1")
T0 = 1700000000000
MAPPING = {"INTERNET": ["0.0.0.0/0"], "A": ["10.0.0.0/8", "2001:db8:a::/48"], "B": ["10.1.0.0/16", "2001:db8:b::/48"],
           "Host": ["10.1.2.3"]}


def test_longest_prefix():
    found = groups.Groups(MAPPING)

    def name(text):
        return found.names[found.find(gen.pack_address(text))]
    assert [name(text) for text in ("10.0.0.1", "10.1.0.1", "10.1.2.3", "192.0.2.1", "2001:db8:b::1", "::1")] == [
        "A", "B", "Host", "INTERNET", "B", "INTERNET"]


def test_longest_prefix_against_ipaddress():
    choice = random.Random(3)
    for _unused in range(20):
        mapping = {"INTERNET": []}
        for number in range(30):
            base = ipaddress.ip_address(choice.getrandbits(32) & 0x0F0F00FF if number % 2
                                        else choice.getrandbits(128) & 0x0F << 120)
            size = choice.randrange(base.max_prefixlen + 1)
            mapping["g%d" % number] = [str(ipaddress.ip_network((base, size), strict=False))]
        found = groups.Groups(mapping)
        networks = [(ipaddress.ip_network(cidrs[0]), name) for name, cidrs in sorted(mapping.items()) if cidrs]
        for _again in range(200):
            address = ipaddress.ip_address(choice.getrandbits(32) & 0x0F0F00FF) if choice.random() < 0.5 else (
                ipaddress.IPv6Address(choice.getrandbits(128) & 0x0F << 120))
            fitting = [(network.prefixlen, name) for network, name in networks
                       if network.version == address.version and address in network]
            longest = max(fitting)[0] if fitting else None
            names = {name for size, name in fitting if size == longest} or {"INTERNET"}
            assert found.names[found.find(address.packed)] in names


@pytest.mark.parametrize("text, words", [
    ("[]", "expected an object"), ("{", "not JSON"), ('{"A": "10.0.0.0/8"}', "list of CIDRs"),
    ('{"A": ["10.0.0.300/16"]}', "10.0.0.300/16"), ('{"A": ["10.0.0.0/33"]}', "0 to 32"), ("\xff", "not JSON"),
])
def test_bad_files_keep_the_groups(tmp_path, text, words):
    path = tmp_path / "groups.json"
    path.write_bytes(json.dumps(MAPPING).encode("ascii"))
    file = groups.GroupsFile(str(path))
    assert file.problem is None and file.groups.names[0] == "INTERNET"
    path.write_bytes(text.encode("latin-1"))
    assert not file.poll() and words in file.problem
    assert file.groups.mapping == MAPPING
    path.write_bytes(b'{"C": []}')
    assert file.poll() and file.problem is None and file.groups.names == ["INTERNET", "C"]


class Picture:
    """A collector with groups and a clock."""

    def __init__(self, tmp_path):
        (tmp_path / "groups.json").write_text(json.dumps(MAPPING))
        self.now, self.sequence = T0, 0
        self.core = core.Collector(groups_path=str(tmp_path / "groups.json"), clock=lambda: self.now)

    def send(self, source, target, protocol=6, rate=1000, size=64):
        self.sequence += 1
        sample = gen.flow_sample([gen.raw_header(gen.frame(source, target, protocol, size=size))], rate=rate)
        data = gen.datagram("192.0.2.1", self.sequence, [sample], uptime=self.now - T0)
        self.core.receive(data, len(data), SOURCE, self.now)


def test_rates_between_groups(tmp_path):
    picture = Picture(tmp_path)
    for _unused in range(200):
        picture.send("192.0.2.7", "10.0.0.1")
        picture.send("10.0.0.1", "10.1.0.1", 1)
        picture.send("2001:db8:a::1", "2001:db8:b::1", 50)
        picture.now += 100
    answer = views.pairs(picture.core)
    assert answer["groups"] == ["INTERNET", "A", "B", "Host"] and answer["window_s"] == 10
    found = {(pair["source"], pair["target"]): pair for pair in answer["pairs"]}
    assert set(found) == {("INTERNET", "A"), ("A", "B")}
    web, inner = found["INTERNET", "A"], found["A", "B"]
    assert web["frames"]["tcp_udp"] == pytest.approx(10000, rel=0.15)
    assert web["bytes"]["tcp_udp"] == pytest.approx(web["frames"]["tcp_udp"] * (14 + 20 + 20 + 64 + 4))
    assert inner["frames"]["icmp"] == pytest.approx(10000, rel=0.15)
    assert inner["frames"]["other"] == inner["ipv6_frames"] == pytest.approx(10000, rel=0.15)
    picture.now += 11000
    assert views.pairs(picture.core)["pairs"] == []


@pytest.mark.parametrize("ticks", [10, 30, 95, 143, 1234])
def test_a_steady_rate_is_that_rate_from_the_first_seconds_on(ticks, tmp_path):
    """Within one of the packets that come every 100 ms, wherever in a second the question falls."""
    picture = Picture(tmp_path)
    for _unused in range(ticks):
        picture.send("192.0.2.7", "10.0.0.1")
        picture.now += 100
    pair, = views.pairs(picture.core)["pairs"]
    assert pair["frames"]["tcp_udp"] == pytest.approx(10000, abs=1100 * 10 / min(ticks, 90))
    talker, = views.talkers(picture.core, "INTERNET", "A")["talkers"]
    assert talker["frames"] == pytest.approx(10000, rel=0.02)


def test_what_is_older_than_the_window_or_of_other_groups_is_forgotten(tmp_path):
    picture = Picture(tmp_path)
    picture.send("192.0.2.7", "10.0.0.1")
    picture.now += 300
    assert [each["frames"] for each in views.talkers(picture.core, "INTERNET", "A")["talkers"]] == [1000]  # of one second at least
    picture.now += 10000
    picture.send("192.0.2.8", "10.0.0.2")
    assert [each["source"] for each in views.talkers(picture.core, "INTERNET", "A")["talkers"]] == ["192.0.2.8"]
    picture.core.traffic.regroup(groups.Groups(MAPPING))
    assert views.pairs(picture.core)["pairs"] == [] == views.talkers(picture.core, "INTERNET", "A")["talkers"]


def test_vizceral_shape(tmp_path):
    picture = Picture(tmp_path)
    for _unused in range(100):
        picture.send("192.0.2.7", "10.0.0.1")
        picture.send("10.0.0.1", "192.0.2.7", 1)
        picture.send("192.0.2.7", "192.0.2.8", 50)  # neither leaves a circle nor enters one
        picture.send("10.0.0.1", "10.1.0.1", 50)
        picture.now += 100
    answer = views.vizceral(picture.core)
    data = answer["data"]
    assert answer["poll"] == 5 and data["renderer"] == "global" and data["entryNode"] == "INTERNET"
    assert [node["name"] for node in data["nodes"]] == ["INTERNET", "A", "B", "Host"]
    by_ends = {(each["source"], each["target"]): each["metrics"] for each in data["connections"]}
    assert len(by_ends) == 6 and set(by_ends["B", "INTERNET"]) == {"normal", "warning", "danger"}
    assert not any(metrics["danger"] for metrics in by_ends.values()) and by_ends["B", "INTERNET"] == dict(normal=0, warning=0, danger=0)
    assert by_ends["INTERNET", "A"]["normal"] > 9000 and by_ends["A", "INTERNET"]["warning"] > 9000
    region = data["nodes"][1]
    assert {node["name"] for node in region["nodes"]} == {"ip", "tcp", "icmp"}
    assert {(each["source"], each["target"]) for each in region["connections"]} == {("ip", "tcp"), ("icmp", "ip")}
    picture.now += 3600000  # the traffic has ended, what was shown stays
    later = views.vizceral(picture.core)["data"]["nodes"][1]
    assert later["nodes"] == region["nodes"]
    assert [each["metrics"] for each in later["connections"]] == [dict(normal=0, warning=0, danger=0)] * 2


def test_talkers(tmp_path):
    picture = Picture(tmp_path)
    for _unused in range(100):
        picture.send("192.0.2.7", "10.0.0.1", size=1000)
        picture.send("192.0.2.8", "10.0.0.2", 17, size=10)
        picture.now += 100
    found = views.talkers(picture.core, "INTERNET", "A")["talkers"]
    assert [(each["source"], each["target"], each["protocol"]) for each in found] == [
        ("192.0.2.7", "10.0.0.1", "tcp"), ("192.0.2.8", "10.0.0.2", "udp")]
    assert found[0]["frames"] == pytest.approx(10000, rel=0.05)
    assert views.talkers(picture.core, "nobody", "A") is None


def steady(window):
    """A traffic with the one packet that it is fed, 1000 times a second."""
    sampled = packet.Packet(100)
    sampled.version, sampled.protocol, sampled.source, sampled.target = 4, packet.TCP, b"\x0a\0\0\1", b"\x08\x08\x08\x08"
    return traffic.Traffic(groups.Groups(groups.DEFAULT), window), sampled


def frames_at(flowing, now):
    return sum(frames for frames, _bytes in flowing.rates(now).values())


@pytest.mark.parametrize("window", [settings.RANGES["window_seconds"][0], 10])
def test_a_steady_rate_is_told_at_every_moment(window):
    flowing, sampled = steady(window)
    for passed in range(25000):
        flowing.add(sampled, 1, T0 + passed)
        if passed > 12000 and passed % 700 == 0:
            assert frames_at(flowing, T0 + passed) == pytest.approx(1000, rel=0.01)


def test_rates_are_right_at_once_after_the_groups_have_changed():
    flowing, sampled = steady(10)
    for passed in range(30000):
        if passed == 25300:
            flowing.regroup(groups.Groups(groups.DEFAULT))
        flowing.add(sampled, 1, T0 + passed)
        if passed > 26300 and passed % 700 == 0:
            assert frames_at(flowing, T0 + passed) == pytest.approx(1000, rel=0.01)
