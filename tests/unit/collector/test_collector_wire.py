# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scalar decoder against datagrams whose content is known."""

import struct

import pytest
import sflow_generator as gen
from sflow_collector import packet, views, wire


def only(datagram, data):
    """The one sample of a datagram without errors."""
    decoded = wire.decode(data)
    assert decoded.errors == [] and len(decoded.samples) == datagram
    return decoded.samples[0]


@pytest.mark.parametrize("agent", ["192.0.2.1", "2001:db8::9"])
def test_header(agent):
    decoded = wire.decode(gen.datagram(agent, 77, sub_agent=5, uptime=123456))
    assert views.address_text(decoded.agent) == agent
    assert (decoded.sub_agent, decoded.sequence, decoded.uptime) == (5, 77, 123456)
    assert decoded.errors == [] and decoded.samples == []


@pytest.mark.parametrize("expanded", [False, True])
def test_flow_sample(expanded):
    record = gen.raw_header(gen.frame("10.0.0.1", "198.51.100.7", size=1000))
    sample = only(1, gen.datagram("192.0.2.1", 1, [gen.flow_sample(
        [record], 9, (0, 3), 1000, 9000, 2, (3, 4), expanded)]))
    words = sample.words
    assert sample.kind == wire.FLOW and wire.source_name(sample.source) == "3"
    assert [words[name] for name in ("sequence", "rate", "pool", "drops", "input", "output")] == [
        9, 1000, 9000, 2, 3, 4]
    assert (sample.packet.version, sample.packet.protocol, sample.packet.ports) == (4, 6, (1024, 443))
    assert sample.packet.source == gen.pack_address("10.0.0.1")
    assert sample.packet.target == gen.pack_address("198.51.100.7")
    assert sample.packet.frame_length == 14 + 20 + 20 + 1000 + 4


@pytest.mark.parametrize("expanded", [False, True])
def test_counter_sample(expanded):
    sample = only(1, gen.datagram("192.0.2.1", 1, [gen.counter_sample(gen.host_counters(), expanded=expanded)]))
    assert sample.kind == wire.COUNTERS and wire.source_name(sample.source) == "2.1"
    assert [tag for tag, _first, _last in sample.records] == [
        2001, 2010, 2009, 2008, 2007, 2005, 2004, 2003, 2006, 2000]


def test_discard_sample():
    sample = only(1, gen.datagram("192.0.2.1", 1, [gen.discard_sample(
        [gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))], reason=263)]))
    assert sample.kind == wire.DISCARD and sample.words["reason"] == 263
    assert sample.packet is None


FRAMES = {
    "plain": (gen.frame("10.0.0.1", "10.0.0.2"), 4, 6),
    "vlan": (gen.frame("10.0.0.1", "10.0.0.2", vlans=[7]), 4, 6),
    "qinq": (gen.ethernet(gen.ipv4("10.0.0.1", "10.0.0.2", 17), 0x0800, [7, 8], 0x88A8), 4, 17),
    "options": (gen.ethernet(gen.ipv4("10.0.0.1", "10.0.0.2", options=b"\1" * 8), 0x0800), 4, 6),
    "icmp": (gen.frame("10.0.0.1", "10.0.0.2", 1), 4, 1),
    "gre": (gen.frame("10.0.0.1", "10.0.0.2", 47), 4, 47),
    "ipv6": (gen.frame("2001:db8::1", "2001:db8::2", 17), 6, 17),
    "icmp6": (gen.frame("2001:db8::1", "2001:db8::2", 58), 6, 58),
    "hop-by-hop": (gen.ethernet(gen.ipv6("2001:db8::1", "2001:db8::2", 58, extensions=[(0, b"\0" * 7)]), 0x86DD),
                   6, 58),
    "fragment": (gen.ethernet(gen.ipv6("2001:db8::1", "2001:db8::2", 17, extensions=[(44, b"\0" * 7)]), 0x86DD),
                 6, 17),
    "extensions": (gen.ethernet(gen.ipv6("2001:db8::1", "2001:db8::2", 6, extensions=[
        (0, b"\1" + b"\0" * 14), (43, b"\0" * 7), (51, b"\4" + b"\0" * 22)]), 0x86DD), 6, 6),
    "arp": (gen.ethernet(b"\0" * 28, 0x0806), 0, 0),
    "short": (gen.frame("10.0.0.1", "10.0.0.2")[:30], 0, 0),
    "empty": (b"", 0, 0),
    "not IPv4": (gen.ethernet(b"\x65" + b"\0" * 30, 0x0800), 0, 0),
}


@pytest.mark.parametrize("name", sorted(FRAMES))
def test_frames(name):
    data, version, protocol = FRAMES[name]
    sample = only(1, gen.datagram("192.0.2.1", 1, [gen.flow_sample([gen.raw_header(data)])]))
    assert (sample.packet.version, sample.packet.protocol) == (version, protocol)
    if version:
        assert sample.packet.source[-1:] == b"\1" and sample.packet.target[-1:] == b"\2"
        assert packet.CLASS_OF.get(protocol, packet.OTHER) in range(4)


def chain(*extensions):
    """The sampled packet of a TCP segment from port 5001 to 443 behind these headers."""
    payload = struct.pack(">HH", 5001, 443) + b"\0" * 16
    data = gen.ethernet(gen.ipv6("2001:db8::1", "2001:db8::2", 6, payload, extensions), 0x86DD)
    return only(1, gen.datagram("192.0.2.1", 1, [gen.flow_sample([gen.raw_header(data)])])).packet


def extension(number, size, unit=8, extra=1):
    return number, struct.pack("B", size) + b"\xff" * (unit * (size + extra) - 2)


def fragment(offset, more=False):
    return 44, struct.pack(">BHI", 0xFF, offset << 3 | more, 7)


@pytest.mark.parametrize("extensions, ports", [
    ([], (5001, 443)),
    # RFC 8200 and RFC 6275, 7401, 5533: units of 8 bytes, the first not counted. RFC 4302: units of 4 bytes, the first two not counted.
    *([[extension(number, size)], (5001, 443)] for number in (0, 43, 60, 135, 139, 140) for size in (0, 1, 5)),
    *([[extension(51, size, 4, 2)], (5001, 443)] for size in (1, 4)),
    ([fragment(0)], (5001, 443)),
    ([fragment(0, more=True)], (5001, 443)),
    ([fragment(1)], None),  # what stands there is anything
    ([fragment(185, more=True)], None),
    ([extension(0, 0), extension(60, 0), extension(43, 1), fragment(0), extension(51, 1, 4, 2), extension(60, 0)], (5001, 443)),
])
def test_what_stands_behind_extension_headers(extensions, ports):
    assert (chain(*extensions).protocol, chain(*extensions).ports) == (6, ports)


def test_a_later_fragment_begins_with_no_header():
    found = chain(extension(0, 0), fragment(3), extension(60, 0))
    assert (found.protocol, found.ports) == (60, None)  # as the header of the fragment says


def test_more_headers_than_anybody_sends_are_not_followed():
    assert chain(*[extension(60, 0)] * 8).protocol == 6
    assert (chain(*[extension(60, 0)] * 9).protocol, chain(*[extension(60, 0)] * 9).ports) == (60, None)


@pytest.mark.parametrize("protocol, ports", [(6, (1024, 443)), (17, (1024, 443)), (132, (1024, 443)), (1, None), (47, None)])
def test_ports(protocol, ports):
    payload = struct.pack(">HH", 1024, 443) + b"\0" * 4
    whole = gen.ipv4("10.0.0.1", "10.0.0.2", protocol, payload)
    for offset, size, seen in ((0, 28, ports), (0, 24, ports), (0, 23, None), (0x2000, 28, ports), (0x0001, 28, None), (0x3FFF, 28, None)):
        data = gen.ethernet(whole[:6] + struct.pack(">H", offset) + whole[8:size], 0x0800, [4094])
        found = only(1, gen.datagram("192.0.2.1", 1, [gen.flow_sample([gen.raw_header(data)])])).packet
        assert (found.protocol, found.ports, found.vlan) == (protocol, seen, 4094), (offset, size)


@pytest.mark.parametrize("protocol, data", [(11, gen.ipv4("10.0.0.1", "10.0.0.2")),
                                            (12, gen.ipv6("2001:db8::1", "2001:db8::2"))])
def test_raw_ip_header(protocol, data):
    sample = only(1, gen.datagram("192.0.2.1", 1, [gen.flow_sample([gen.raw_header(data, protocol=protocol)])]))
    assert sample.packet.version == (4 if protocol == 11 else 6)


@pytest.mark.parametrize("ends, version", [(("10.0.0.1", "10.0.0.2"), 4), (("2001:db8::1", "2001:db8::2"), 6)])
def test_sampled_ip(ends, version):
    sample = only(1, gen.datagram("192.0.2.1", 1, [gen.flow_sample([gen.sampled_ip(*ends, protocol=17)])]))
    assert (sample.packet.version, sample.packet.protocol, sample.packet.ports) == (version, 17, (1024, 443))
    assert sample.packet.frame_length == 100


def test_first_packet_record_wins():
    sample = only(1, gen.datagram("192.0.2.1", 1, [gen.flow_sample([
        gen.timestamp(), gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2")),
        gen.sampled_ip("10.9.9.9", "10.9.9.8")])]))
    assert sample.packet.source == gen.pack_address("10.0.0.1")


def test_unknown_records_and_samples():
    decoded = wire.decode(gen.datagram("192.0.2.1", 1, [
        gen.tagged(4413 << 12 | 9, b"1234"),
        gen.flow_sample([gen.tagged(9999 << 12 | 7, b"abc"), gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))])]))
    assert decoded.errors == [] and len(decoded.samples) == 1
    assert [wire.tag_name(tag) for tag in decoded.unknown] == ["9999:7"]
    assert [wire.tag_name(tag) for tag in decoded.unknown_samples] == ["4413:9"]
    assert decoded.samples[0].packet.version == 4


GOOD = gen.flow_sample([gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2"))])
BROKEN = {
    "empty": (b"", ["too_short"], 0),
    "header cut": (gen.datagram("192.0.2.1", 1)[:27], ["too_short"], 0),
    "version 4": (gen.datagram("192.0.2.1", 1, version=4), ["version"], 0),
    "address type": (gen.words(5, 3) + b"\0" * 40, ["address_type"], 0),
    "fewer samples": (gen.datagram("192.0.2.1", 1, [GOOD], count=2 ** 32 - 1), ["samples"], 1),
    "sample too long": (gen.datagram("192.0.2.1", 1, [GOOD, GOOD])[:-1], ["samples"], 1),
    "sample header": (gen.datagram("192.0.2.1", 1, [gen.tagged(3, b"\0" * 12), GOOD]), ["sample_header"], 1),
    "fewer records": (gen.datagram("192.0.2.1", 1, [gen.flow_sample([], count=3), GOOD]), ["records"], 2),
    "record too long": (gen.datagram("192.0.2.1", 1, [gen.flow_sample([gen.words(1, 0xFFFFFFFF)]), GOOD]),
                        ["records"], 2),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken(name):
    data, errors, samples = BROKEN[name]
    decoded = wire.decode(data)
    assert decoded.errors == errors and len(decoded.samples) == samples


def test_every_cut_is_survived():
    data = gen.datagram("2001:db8::1", 1, [GOOD, gen.counter_sample(gen.host_counters()), gen.discard_sample([])])
    for size in range(len(data)):
        assert wire.decode(data, size).errors
    assert not wire.decode(data).errors
