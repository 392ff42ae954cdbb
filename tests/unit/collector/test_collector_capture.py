# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken out of a capture file: formats, link types, and which frames carry a datagram for the collector."""

import io
import shutil
import struct
import subprocess

import pytest
import sflow_generator as gen
from sflow_collector import capture, wire

PAYLOAD = b"sFlow or not, a capture does not ask"
V4, V6 = wire.MAPPED + gen.pack_address("192.0.2.1"), gen.pack_address("2001:db8::1")
UDP = struct.pack(">HHHH", 40000, 6343, 8 + len(PAYLOAD), 0) + PAYLOAD
PACKET4, PACKET6 = gen.ipv4("192.0.2.1", "192.0.2.254", 17, UDP), gen.ipv6("2001:db8::1", "2001:db8::254", 17, UDP)
COOKED, COOKED2 = b"\0\0\0\1\0\6\2\0\0\0\0\1\0\0", b"\0\0\0\0\0\0\2\0\1\0\6\2\0\0\0\0\1\0\0"


def found(file, port=6343):
    return list(capture.datagrams(io.BytesIO(file), port))


def pcap(frames, order="<", magic=0xA1B2C3D4, link=1, size=None):
    """frames: (seconds, fraction, frame)"""
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link) + b"".join(
        struct.pack(order + "IIII", seconds, fraction, len(frame) if size is None else size, len(frame)) + frame
        for seconds, fraction, frame in frames)


def block(kind, body, order="<"):
    """A block of a pcapng file."""
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link, options=b"", order="<"):
    return block(1, struct.pack(order + "HHI", link, 0, 0) + options, order)


def option(code, value, order="<"):
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def enhanced(number, ticks, frame, order="<", options=b""):
    return block(6, struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame
                 + b"\0" * (-len(frame) % 4) + options, order)


# The links of LINKTYPE_ numbers: Ethernet; Linux cooked, 16 bytes with the protocol at the end; its version 2, 20 bytes
# with the protocol at the beginning; raw IP, in all the numbers it has or had.
@pytest.mark.parametrize("link, head4, head6", [
    (1, b"\2" * 12 + b"\x08\0", b"\2" * 12 + b"\x86\xdd"),
    (1, b"\2" * 12 + b"\x81\0\0\5\x08\0", b"\2" * 12 + b"\x88\xa8\0\5\x81\0\0\6\x86\xdd"),
    (113, COOKED + b"\x08\0", COOKED + b"\x86\xdd"), (113, COOKED + b"\x81\0\0\5\x08\0", COOKED + b"\x81\0\0\5\x86\xdd"),
    (276, b"\x08\0" + COOKED2[1:], b"\x86\xdd" + COOKED2[1:]),
    (12, b"", b""), (14, b"", b""), (101, b"", b""), (228, b"", b""), (229, b"", b"")])
def test_links(link, head4, head6):
    frames = [head4 + PACKET4, head6 + PACKET6]
    for write in gen.pcap, gen.pcapng:
        assert found(write([(1, frame) for frame in frames], link)) == [(1000, V4, PAYLOAD), (1000, V6, PAYLOAD)]


def test_a_link_that_is_not_known():
    assert found(gen.pcap([(1, PACKET4)], 147)) == found(gen.pcapng([(1, PACKET4)], 147)) == []


def test_a_protocol_number_that_is_not_that_of_the_packet():
    assert capture.payload(1, gen.ethernet(PACKET4, 0x86DD), 6343) is None
    assert capture.payload(1, gen.ethernet(PACKET6, 0x0800), 6343) is None
    assert capture.payload(1, gen.ethernet(PACKET4, 0x0806), 6343) is None
    assert capture.payload(101, b"\x55" + PACKET4[1:], 6343) is None


# Each is looked at twice: as a frame that the quick reader may take for a usual one, and tagged, which it never does.
@pytest.mark.parametrize("packet, payload", [
    (PACKET4, PAYLOAD), (PACKET4 + b"\0" * 9, PAYLOAD),  # Ethernet fills short frames up
    (gen.ipv4("192.0.2.1", "192.0.2.254", 17, UDP, options=b"\1" * 8), PAYLOAD),
    (gen.ipv4("192.0.2.1", "192.0.2.254", 17, UDP, fragment=0x4000), PAYLOAD),  # "do not fragment" is none
    (gen.ipv4("192.0.2.1", "192.0.2.254", 17, UDP, fragment=0x2000), None),  # the first fragment
    (gen.ipv4("192.0.2.1", "192.0.2.254", 17, UDP, fragment=0x0001), None),  # a later one
    (gen.ipv4("192.0.2.1", "192.0.2.254", 6, UDP), None),
    (PACKET4[:2] + b"\0\0" + PACKET4[4:], PAYLOAD),  # to be cut later, by the network card
    (PACKET4[:2] + struct.pack(">H", len(PACKET4) - 5) + PACKET4[4:], PAYLOAD[:-5]),
    (PACKET4[:24] + struct.pack(">H", 8 + 4) + PACKET4[26:], PAYLOAD[:4]),  # less UDP than there is
    (PACKET4[:24] + struct.pack(">H", 8) + PACKET4[26:], b""),
    (PACKET4[:24] + struct.pack(">H", 7) + PACKET4[26:], None),
    (PACKET4[:24] + struct.pack(">H", 900) + PACKET4[26:], PAYLOAD),  # cut by the capture
    (PACKET4[:22] + struct.pack(">H", 6344) + PACKET4[24:], None),
    (PACKET6, PAYLOAD), (PACKET6 + b"\0" * 9, PAYLOAD), (b"\x6f\xff\xff\xff" + PACKET6[4:], PAYLOAD),  # class and label
    (gen.ipv6("2001:db8::1", "2001:db8::254", 6, UDP), None),
    (PACKET6[:42] + struct.pack(">H", 6344) + PACKET6[44:], None),
    (PACKET6[:44] + struct.pack(">H", 8 + 4) + PACKET6[46:], PAYLOAD[:4]),
    (PACKET6[:44] + struct.pack(">H", 7) + PACKET6[46:], None),
])
def test_packets(packet, payload):
    source, kind = (V4, 0x0800) if packet[0] >> 4 == 4 else (V6, 0x86DD)
    expected = [] if payload is None else [(0, source, payload)]
    for frame in gen.ethernet(packet, kind), gen.ethernet(packet, kind, [7]):
        assert found(pcap([(0, 0, frame)])) == found(gen.pcapng([(0, frame)])) == expected


@pytest.mark.parametrize("frame", [gen.ethernet(PACKET4, 0x0800), gen.ethernet(PACKET4, 0x0800, [7]), gen.ethernet(PACKET6, 0x86DD)])
def test_frames_that_are_cut(frame):
    whole = frame.index(PAYLOAD)
    for size in range(len(frame)):
        expected = [PAYLOAD[:max(size - whole, 0)]] if size >= whole else []
        for write in gen.pcap, gen.pcapng:
            assert [data for _time, _source, data in found(write([(0, frame[:size])]))] == expected


def test_another_port():
    file = gen.pcap([(1, gen.udp_frame("192.0.2.1", PAYLOAD, port=9995)), (2, gen.udp_frame("2001:db8::1", PAYLOAD, port=9995)),
                     (3, gen.udp_frame("192.0.2.1", PAYLOAD))])
    assert [time for time, _source, _data in found(file, 9995)] == [1000, 2000] and len(found(file)) == 1


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("magic, unit", [(0xA1B2C3D4, 1000000), (0xA1B23C4D, 1000000000)])
def test_pcap(order, magic, unit):
    frames = [(1700000000, unit // 1000 * 7, gen.ethernet(PACKET4, 0x0800)), (1700000001, unit - 1, gen.ethernet(PACKET6, 0x86DD)),
              (4000000000, unit // 1000 * 9, gen.ethernet(PACKET4, 0x0800, [7]))]
    expected = [(1700000000007, V4, PAYLOAD), (1700000001999, V6, PAYLOAD), (4000000000009, V4, PAYLOAD)]
    assert found(pcap(frames, order, magic)) == expected
    # What else is in the upper half of the link type says how frames end, not how they begin.
    assert found(pcap(frames, order, magic, 1 | 0x14000000)) == expected


def test_files_that_end_early():
    frames = [(number, 0, gen.udp_frame("192.0.2.1", b"%d" % number)) for number in range(1, 4)]
    file = pcap(frames)
    last = len(file) - len(frames[-1][2])
    for size in range(4, len(file)):
        assert len(found(file[:size])) == (2 if size >= last - 16 else 1 if size >= last - 16 - 16 - len(frames[1][2]) else 0)
    assert len(found(file)) == 3
    file = section() + interface(1) + enhanced(0, 0, frames[0][2]) + enhanced(0, 0, frames[1][2])
    last = len(file) - len(enhanced(0, 0, frames[1][2]))
    for size in range(last, len(file) - 4):
        assert len(found(file[:size])) == 1


def test_what_is_no_capture():
    for file in b"", b"\xd4\xc3\xb2", b"hello, world":
        with pytest.raises(capture.CaptureError, match="neither pcap nor pcapng"):
            found(file)
    limit = capture.MAX_FRAME
    assert found(pcap([(0, 0, gen.ethernet(PACKET4, 0x0800) + bytes(limit - 14 - len(PACKET4)))])) == [(0, V4, PAYLOAD)]
    with pytest.raises(capture.CaptureError, match="a frame of %d bytes" % (limit + 1)):
        found(pcap([(0, 0, b"short")], size=limit + 1))
    for size in 8, 13, limit + 4:
        with pytest.raises(capture.CaptureError, match="a block of %d bytes" % size):
            found(section() + struct.pack("<II", 1, size) + bytes(100))


@pytest.mark.parametrize("order", "<>")
def test_pcapng(order):
    frame = gen.ethernet(PACKET4, 0x0800)
    name, comment = option(2, b"eth0", order), option(1, b"a comment", order)
    file = (section(order) + interface(1, order=order)  # microseconds
            + interface(101, name + option(9, b"\3", order) + option(0, b"", order), order)
            + interface(1, name + option(9, b"\x8a", order), order)  # 1024 a second
            + interface(1, name + option(0, b"", order) + option(9, b"\0", order), order)  # the options ended before
            + interface(1, option(1, b"x", order) + option(9, b"\x09", order), order)  # nanoseconds
            + interface(1, option(9, b"\3\0", order) + struct.pack(order + "HH", 9, 1), order)  # two that say nothing: microseconds
            + block(1, b"", order)
            + block(5, struct.pack(order + "III", 0, 0, 0), order)  # statistics
            + block(3, struct.pack(order + "I", len(frame)) + frame, order)  # no time, so not taken
            + enhanced(0, 1700000000123456, frame, order, comment) + enhanced(1, 5001, PACKET6, order)
            + enhanced(2, 1536, frame, order) + enhanced(3, 2000000, frame, order)
            + enhanced(4, 1700000000123456789, frame, order)
            + enhanced(5, 7000, frame, order) + enhanced(6, 0, frame, order)  # of no interface there is
            + block(6, struct.pack(order + "IIIII", 0, 0, 0, len(frame) + 4, len(frame) + 4) + frame, order)  # longer than its block
            + block(6, b"short", order))
    expected = [(1700000000123, V4, PAYLOAD), (5001, V6, PAYLOAD), (1500, V4, PAYLOAD), (2000, V4, PAYLOAD),
                (1700000000123, V4, PAYLOAD), (7, V4, PAYLOAD)]
    assert found(file) == expected
    # Another section has interfaces of its own, and may have been written by another machine.
    other = "<" if order == ">" else ">"
    again = section(other) + enhanced(0, 0, frame, other) + interface(113, order=other) + enhanced(0, 1000, COOKED + b"\x08\0" + PACKET4, other)
    assert found(file + again) == expected + [(1, V4, PAYLOAD)]


def frames_of(file):
    """[(head, frame)] of a pcap file in this machine's usual order, by its lengths alone."""
    out, place = [], 24
    while place + 16 <= len(file):
        size, = struct.unpack_from("<I", file, place + 8)
        out.append((file[place:place + 16], file[place + 16:place + 16 + size]))
        place += 16 + size
    return out


class Slow(io.FileIO):
    """A file that gives at most 50 bytes at a time."""

    def read(self, size=-1):
        return super().read(min(size, 50))


class Pipe(io.BytesIO):
    """What cannot be read twice."""

    def seekable(self):
        return False

    def seek(self, *_arguments):
        raise io.UnsupportedOperation("seek")


@pytest.mark.parametrize("part", (64, 1000, 1 << 16))
@pytest.mark.parametrize("kind", ("file", "slow file", "memory", "pipe"))
@pytest.mark.parametrize("cut", (0, 1, 700))
def test_pieces(part, kind, cut, monkeypatch, tmp_path):
    """However a file is read in pieces, shorter than a frame or longer, every datagram is there once, whole, and in order;
    all but the last one of a file that is cut in the middle of a frame."""
    monkeypatch.setattr(capture, "PART", part)
    payloads = [bytes([number]) * (number * 37 % 1200) for number in range(190)]
    assert len(payloads[-1]) > 700
    file = gen.pcap([(number, gen.udp_frame("192.0.2.1", payload)) for number, payload in enumerate(payloads)])
    path = tmp_path / "capture.pcap"
    path.write_bytes(file[:len(file) - cut])
    stream = {"file": lambda: io.BufferedReader(io.FileIO(str(path))), "slow file": lambda: io.BufferedReader(Slow(str(path)), 16),
              "memory": lambda: io.BytesIO(path.read_bytes()), "pipe": lambda: Pipe(path.read_bytes())}[kind]()
    with stream:
        got = [(time, payload) for time, _source, payload in capture.datagrams(stream)]
    assert got == [(1000 * number, payload) for number, payload in enumerate(payloads)][:190 - (cut > 0)]


@pytest.mark.parametrize("piece", (64, 1000, 1 << 18))
@pytest.mark.parametrize("most", (2, 7, 1000))
def test_blocks(piece, most, monkeypatch):
    """However a file is read in pieces, every frame is there once, whole, and in order."""
    monkeypatch.setattr(capture, "PIECE", piece)
    file = gen.pcap([(number, gen.udp_frame("192.0.2.1", bytes(number * 37 % 1200))) for number in range(200)])
    stream = io.BufferedReader(io.BytesIO(file), 16)
    blocks, memory, got = capture.Blocks(stream), memoryview(bytearray(4096)), []
    assert (blocks.order, blocks.unit, blocks.link) == ("<", 1000000, 1)
    while True:
        places = blocks.read(memory, most)
        if not places:
            break
        assert len(places) <= most
        for place in places:
            size, = struct.unpack_from("<I", memory, place + 8)
            got.append((bytes(memory[place:place + 16]), bytes(memory[place + 16:place + 16 + size])))
    assert got == frames_of(file)


def test_blocks_that_cannot_be_read():
    for file in b"", gen.pcap([])[:23], gen.pcapng([]):
        with pytest.raises(capture.CaptureError, match="not a pcap file"):
            capture.Blocks(io.BytesIO(file))
    assert not capture.Blocks(io.BytesIO(gen.pcap([]))).read(memoryview(bytearray(100)), 10)
    with pytest.raises(capture.CaptureError, match="a frame of %d bytes" % (capture.MAX_FRAME + 1)):
        capture.Blocks(io.BytesIO(pcap([(0, 0, b"")], size=capture.MAX_FRAME + 1))).read(memoryview(bytearray(1 << 21)), 10)
    for order in "<>":
        blocks = capture.Blocks(io.BytesIO(pcap([(0, 0, b"frame")], order, 0xA1B23C4D, 113 | 1 << 16)))
        assert (blocks.order, blocks.unit, blocks.link) == (order, 1000000000, 113)
        assert blocks.read(memoryview(bytearray(100)), 10) == [0]


@pytest.mark.skipif(not shutil.which("editcap"), reason="editcap, of Wireshark, is not installed")
@pytest.mark.parametrize("form", ("pcap", "nsecpcap", "pcapng"))
def test_what_wireshark_writes(form, tmp_path):
    packets = [(1700000000.25 + number, gen.udp_frame("2001:db8::1" if number % 3 else "192.0.2.1", b"%d" % number)) for number in range(50)]
    (tmp_path / "from").write_bytes(gen.pcap(packets))
    subprocess.check_call(["editcap", "-F", form, str(tmp_path / "from"), str(tmp_path / "to")])
    file = (tmp_path / "to").read_bytes()
    assert found(file) == [(1700000000250 + 1000 * number, V6 if number % 3 else V4, b"%d" % number) for number in range(50)]
