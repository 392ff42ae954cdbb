# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agreement with other programs: what Open vSwitch and pmacct send is read as tshark reads it.

Each test is skipped, with the name of the Debian package, where a program is missing. None needs a network or root.
The exporters send to a socket of the test, which writes the captures. A capture of what any other agents, such as real
hsflowd, send to one collector is compared with sflowtool when SFLOW_PCAP names it (SFLOWTOOL names sflowtool where it is
not on PATH).
"""

import collections
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest
import sflow_generator as gen

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "roles", "collector", "files")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def need(*programs, **options):
    """Paths of programs; skips the test when one is missing."""
    found = [shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") for name in programs]
    missing = [name for name, path in zip(programs, found) if path is None]
    if missing:
        pytest.skip("%s not found (Debian package %s)" % (", ".join(missing), options["package"]))
    return found


class Catcher:
    """Collects the datagrams that arrive at a port of this machine."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(0.2)
        self.port = self.sock.getsockname()[1]
        self.caught = []
        self.running = True
        self.thread = threading.Thread(target=self._catch)
        self.thread.start()

    def _catch(self):
        while self.running:
            with contextlib.suppress(socket.timeout):
                self.caught.append((time.time(), self.sock.recv(65536)))

    def wait(self, number, seconds=20):
        end = time.time() + seconds
        while len(self.caught) < number and time.time() < end:
            time.sleep(0.05)

    def stop(self):
        self.running = False
        self.thread.join()
        self.sock.close()
        return [(when, gen.udp_frame("192.0.2.1", data)) for when, data in self.caught]


def open_vswitch(folder):
    """A capture of an Open vSwitch bridge with dummy ports through which packets are sent."""
    server, switch, tool, control, application = need(
        "ovsdb-server", "ovs-vswitchd", "ovsdb-tool", "ovs-vsctl", "ovs-appctl", package="openvswitch-switch")
    if not os.path.exists(SCHEMA):
        pytest.skip("%s not found (Debian package openvswitch-switch)" % SCHEMA)
    environment = dict(os.environ, OVS_RUNDIR=folder, OVS_LOGDIR=folder, OVS_DBDIR=folder, OVS_SYSCONFDIR=folder)
    database, catcher, started = "unix:%s/db.sock" % folder, Catcher(), []

    def call(*command):
        subprocess.check_call(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        call(tool, "create", "conf.db", SCHEMA)
        for command in ([server, "--remote=p" + database, "--unixctl=%s/db.ctl" % folder, "conf.db"],
                        [switch, database, "--enable-dummy=override", "--disable-system",
                         "--unixctl=%s/vs.ctl" % folder]):
            started.append(subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL))
            for _unused in range(100):
                if os.path.exists(os.path.join(folder, "db.sock")):
                    break
                time.sleep(0.05)
            if len(started) == 1:
                call(control, "--db=" + database, "--no-wait", "init")
        call(control, "--db=" + database, "--timeout=20", "add-br", "br0", "--", "set", "bridge", "br0",
             "datapath_type=dummy", "fail-mode=standalone", "--", "add-port", "br0", "p1", "--", "set", "interface",
             "p1", "type=dummy", "--", "add-port", "br0", "p2", "--", "set", "interface", "p2", "type=dummy", "--",
             "--id=@s", "create", "sFlow", 'agent="192.0.2.55"', 'target="127.0.0.1:%d"' % catcher.port, "header=128",
             "sampling=1", "polling=1", "--", "set", "bridge", "br0", "sflow=@s")
        for number in range(60):
            frame = gen.frame("2001:db8::%x" % (number + 1), "2001:db8::99") if number % 5 == 0 else gen.frame(
                "10.0.0.%d" % (number + 1), "10.1.0.9", (6, 17, 1, 47)[number % 4], [9] if number % 3 == 0 else [])
            call(application, "-t", folder + "/vs.ctl", "netdev-dummy/receive", "p1",
                 "".join("%02x" % byte for byte in bytearray(frame)))
        catcher.wait(12)
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()
        packets = catcher.stop()
    return packets


def sfprobe(folder):
    """A capture of pmacct's sfprobe, which reads a file of packets."""
    daemon, = need("pmacctd", package="pmacct")
    catcher = Catcher()
    with open(os.path.join(folder, "plain.pcap"), "wb") as stream:
        stream.write(gen.pcap([(1700000000 + number / 10.0, gen.frame(
            "10.0.0.%d" % (number % 9 + 1), "10.1.0.1", (6, 17, 1)[number % 3])) for number in range(300)]))
    with open(os.path.join(folder, "conf"), "w") as stream:
        stream.write("daemonize: false\npcap_savefile: %s/plain.pcap\nplugins: sfprobe\nsfprobe_agentsubid: 7\n"
                     "sfprobe_agentip: 192.0.2.66\nsfprobe_receiver: 127.0.0.1:%d\nsampling_rate: 1\n"
                     % (folder, catcher.port))
    process = subprocess.Popen([daemon, "-f", os.path.join(folder, "conf")], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        catcher.wait(30)
    finally:
        process.terminate()
        process.wait()
        packets = catcher.stop()
    return packets


def generated(_folder):
    """Datagrams of the generator, without the records that tshark 4.0 does not step over (1043, 2209)."""
    fleet = gen.Fleet(40)
    packets = [(1700000000 + number / 9.0, gen.udp_frame("192.0.2.1", fleet.send(number)))
               for number in list(range(7, 40, 10)) * 5 + list(range(8, 40, 10)) * 5]
    record = gen.raw_header(gen.frame("10.0.0.1", "10.0.0.2", vlans=[3]))
    packets.append((1700000020, gen.udp_frame("192.0.2.1", gen.datagram("2001:db8::7", 9, [
        gen.flow_sample([record], 5, (0, 9), 100, 500, 1, (9, 4)), gen.counter_sample(gen.host_counters())]))))
    return packets


FIELDS = ("sflow_245.agent", "sflow_245.agent.v6", "sflow_245.sub_agent_id", "sflow_245.sequence_number",
          "sflow_245.sysuptime", "sflow_245.sampletype", "sflow.flow_sample.sequence_number",
          "sflow.flow_sample.sampling_rate", "sflow.flow_sample.sample_pool", "ip.src", "ip.dst", "ipv6.src",
          "ipv6.dst")


def by_tshark(path):
    """One row of fields per datagram."""
    tshark, = need("tshark", package="tshark")
    command = [tshark, "-n", "-r", path, "-T", "fields", "-E", "separator=;", "-d", "udp.port==6343,sflow"]
    for name in FIELDS:
        command += ["-e", name]
    out = subprocess.check_output(command, stderr=subprocess.DEVNULL).decode("ascii")
    return [dict(zip(FIELDS, [cell.split(",") if cell else [] for cell in line.split(";")]))
            for line in out.splitlines()]


def by_us(path):
    """The samples of every datagram, as `decode` prints them."""
    out = subprocess.check_output([sys.executable, "-m", "sflow_collector", "decode", "--json", path], cwd=FILES)
    datagrams = collections.OrderedDict()
    for line in out.decode("ascii").splitlines():
        row = json.loads(line)
        datagrams.setdefault((row["agent"], row["sub_agent"], row["sequence"]), []).append(row)
    return list(datagrams.values())


@pytest.mark.parametrize("exporter", [open_vswitch, sfprobe, generated])
def test_read_as_tshark_reads_it(exporter, tmp_path):
    need("tshark", package="tshark")
    packets = exporter(str(tmp_path))
    path = str(tmp_path / "sflow.pcap")
    with open(path, "wb") as stream:
        stream.write(gen.pcap(packets))
    theirs, ours = by_tshark(path), by_us(path)
    assert len(ours) == len(theirs) == len(packets) and len(packets) >= 10
    tags = {"flow": ("1", "3"), "counters": ("2", "4")}
    for rows, fields in zip(ours, theirs):
        assert not any("error" in row for row in rows)
        assert [rows[0]["agent"]] == fields["sflow_245.agent"] + fields["sflow_245.agent.v6"]
        for name, field in (("sub_agent", "sub_agent_id"), ("sequence", "sequence_number"),
                            ("uptime_ms", "sysuptime")):
            assert [str(rows[0][name])] == fields["sflow_245." + field]
        assert len(rows) == len(fields["sflow_245.sampletype"])
        assert all(tag in tags[row["sample"]] for row, tag in zip(rows, fields["sflow_245.sampletype"]))
        flows = [row for row in rows if row["sample"] == "flow"]
        for name, field in (("sample_sequence", "sequence_number"), ("rate", "sampling_rate"),
                            ("pool", "sample_pool")):
            assert [str(row[name]) for row in flows] == fields["sflow.flow_sample." + field]
        for name, end in (("source", "src"), ("target", "dst")):
            addresses = [row[name] for row in flows if name in row]
            assert [text for text in addresses if ":" not in text] == fields["ip." + end][1:]
            assert [text for text in addresses if ":" in text] == fields["ipv6." + end]


@pytest.mark.parametrize("exporter", [open_vswitch, sfprobe])
def test_removed_datagrams_are_counted_exactly(exporter, tmp_path):
    packets = exporter(str(tmp_path))
    removed = packets[3:-2:4]
    for name, part in (("all", packets), ("less", [each for each in packets if each not in removed])):
        (tmp_path / name).write_bytes(gen.pcap(part))
        out = subprocess.check_output([sys.executable, "-m", "sflow_collector", "replay", "--json",
                                       str(tmp_path / name)], cwd=FILES)
        row, = json.loads(out.decode("ascii"))["agents"]
        assert row["lost"] == (len(removed) if name == "less" else 0)
        assert row["datagrams"] == len(part) and {each["sampling_rate"] for each in row["data_sources"]} <= {1, None}


def test_both_decoders_agree_on_captures(tmp_path):
    pytest.importorskip("numpy")
    for exporter in open_vswitch, sfprobe:
        folder = tmp_path / exporter.__name__
        folder.mkdir()
        packets = exporter(str(folder))
        (folder / "a.pcap").write_bytes(gen.pcap(packets * 4))
        answers = [json.loads(subprocess.check_output([
            sys.executable, "-m", "sflow_collector", "replay", "--json", "--decoder", decoder,
            str(folder / "a.pcap")], cwd=FILES).decode("ascii")) for decoder in ("scalar", "batch")]
        assert answers[0]["agents"] == answers[1]["agents"]
        assert answers[0]["collector"]["unknown_records"] == answers[1]["collector"]["unknown_records"]


def by_sflowtool(path, tool):
    """The samples of every datagram as sflowtool reads them, in the words of `decode`."""
    text = subprocess.check_output([tool, "-r", path, "-J"], stderr=subprocess.DEVNULL).decode("utf-8")
    decoder, place, out = json.JSONDecoder(), 0, []
    while text[place:].strip():
        datagram, place = decoder.raw_decode(text, place + len(text[place:]) - len(text[place:].lstrip()))
        rows = []
        for sample in datagram["samples"]:
            kind, index = sample["sourceId"].split(":")
            row = {"agent": datagram["agent"], "sub_agent": int(datagram["agentSubId"]),
                   "sequence": int(datagram["packetSequenceNo"]), "uptime_ms": int(datagram["sysUpTime"]),
                   "data_source": index if kind == "0" else "%s.%s" % (kind, index),
                   "sample_sequence": int(sample["sampleSequenceNo"]),
                   "records": [each.get("flowBlock_tag") or each["counterBlock_tag"] for each in sample["elements"]]}
            if sample["sampleType"] == "FLOWSAMPLE":
                row.update(rate=int(sample["meanSkipCount"]), pool=int(sample["samplePool"]),
                           drops=int(sample["dropEvents"]))
                for each in sample["elements"]:
                    for name, field in ("source", "srcIP"), ("target", "dstIP"):
                        if field in each or field + "6" in each:
                            row[name] = each.get(field) or each[field + "6"]
            rows.append(row)
        out.append(rows)
    return out


@pytest.mark.skipif(not os.environ.get("SFLOW_PCAP"), reason="SFLOW_PCAP names no capture of real agents")
def test_real_agents_are_read_as_sflowtool_reads_them():
    """The capture is of what one collector gets: a datagram that went to two stands in it twice, and is one to by_us()."""
    tool = os.environ.get("SFLOWTOOL") or need("sflowtool", package="none; SFLOWTOOL may name it")[0]
    theirs, ours = by_sflowtool(os.environ["SFLOW_PCAP"], tool), by_us(os.environ["SFLOW_PCAP"])
    theirs = [rows for rows in theirs if rows]
    assert len(ours) == len(theirs) > 0
    for rows, expected in zip(ours, theirs):
        assert [{name: row.get(name) for name in other} for row, other in zip(rows, expected)] == expected
        assert len(rows) == len(expected) and not any("error" in row for row in rows)
