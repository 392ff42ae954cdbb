# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector against the C tools, in one run on one machine: CPU per datagram, lossless rate, idle cost, memory.

    python3 tests/bench/bench_collector.py [--count N] [--parts offline,live,flood]

Peers: sflowtool (prints text), sfacctd of pmacct (same aggregation: traffic between networks by protocol) and sfcapd
of nfdump (writes flow files). One that is not installed is named and left out; sflowtool is looked for on PATH and in
the variable SFLOWTOOL. Receivers are pinned to one core, the sender to another. Drops are the kernel's own count.
"""

import argparse
import collections
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = os.path.join(HERE, "..", "..", "roles", "collector", "files")
sys.path.insert(0, HERE)

from workload import Template, Workload  # noqa: E402  found by the line above

BUFFER = 32 << 20  # the kernel doubles it; what the collector has by default
RMEM_MAX = "/proc/sys/net/core/rmem_max"
RATES = tuple(range(20, 200, 20)) + tuple(range(200, 600, 40))  # thousand datagrams per second
SECONDS = 2
#: What a tool may cost at least, as a multiple of the collector. Of a prototype with learned layouts, that did what the
#: collector does without numpy, whole processes were measured beside both tools: 7.2 us (Python 3.6: 10.3), 20.0 and 7.1.
BARS = (("sflowtool -l", "collector, batch", 6), ("sfacctd", "collector, batch", 2),
        ("sflowtool -l", "batch, /usr/bin/python3", 6), ("sfacctd", "batch, /usr/bin/python3", 2),
        ("sflowtool -l", "collector, scalar", 20.0 / 7.2), ("sfacctd", "collector, scalar", 7.1 / 7.2),
        ("sflowtool -l", "scalar, /usr/bin/python3", 20.0 / 7.2), ("sfacctd", "scalar, /usr/bin/python3", 7.1 / 7.2),
        ("sflowtool -l", "scalar, Python 3.6", 20.0 / 10.3), ("sfacctd", "scalar, Python 3.6", 7.1 / 10.3))


def find(name, variable=None):
    """The path of a program, None without it."""
    return os.environ.get(variable or "", "") or shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def say(text):
    print(text, flush=True)


#: Runs a command and says what it took. A program begins with the largest resident set of whoever started it, so that has to be little.
MEASURE = """
import json, os, resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024.0]))
"""


def measured(command, **options):
    """(CPU seconds of a command and its children, largest resident set in MiB)."""
    run = subprocess.run([sys.executable, "-S", "-c", MEASURE] + command, stdout=subprocess.PIPE, check=True, **options)
    status, seconds, memory = json.loads(run.stdout.decode())
    if status:
        raise RuntimeError("%s ended with status %d" % (command[0], status))
    return seconds, memory


def collector(*arguments, python=sys.executable):
    """A command line of the collector."""
    return [python, "-m", "sflow_collector"] + list(arguments)


def distribution_python():
    """The interpreter that the service has on a host, None where this is it."""
    path = "/usr/bin/python3"
    return path if os.path.exists(path) and os.path.realpath(path) != os.path.realpath(sys.executable) else None


def python36():
    """The path of a Python 3.6 of this machine, None without one."""
    found = subprocess.run([os.path.join(HERE, "..", "images", "python36.sh")], stdout=subprocess.PIPE, check=False)
    return os.path.join(found.stdout.decode().strip(), "bin", "python3.6") if not found.returncode else None


def sfacctd_config(folder, mapping, *lines):
    """A configuration that aggregates like the collector: networks of both ends, by protocol."""
    with open(os.path.join(folder, "networks"), "w") as stream:
        stream.write("\n".join(sorted(cidr for cidrs in mapping.values() for cidr in cidrs if cidr != "0.0.0.0/0")))
    path = os.path.join(folder, "sfacctd.conf")
    with open(path, "w") as stream:
        stream.write("\n".join(("daemonize: false", "plugins: print[x]", "aggregate[x]: src_net, dst_net, proto",
                                "networks_file: %s/networks" % folder, "sfacctd_net: file", "sfacctd_as: false",
                                "sfacctd_renormalize: true", "print_refresh_time[x]: 3600",
                                "print_output_file[x]: %s/out" % folder, "plugin_buffer_size: 1048576",
                                "plugin_pipe_size: 67108864") + lines) + "\n")
    return path


def replayed(command, options):
    """The share of the datagrams that the collector accounts for."""
    said = subprocess.run(command, cwd=FILES, stdout=subprocess.PIPE, check=True).stdout.decode()
    agents, datagrams, errors = re.search(r"([0-9]+) agents, ([0-9]+) datagrams, .*errors: (.*)", said).groups()
    if int(agents) != options.agents or errors != "none":
        raise RuntimeError("%s: %s" % (" ".join(command), said))
    return int(datagrams) / options.count


def offline(options, folder):
    """CPU per datagram of reading one capture."""
    path = os.path.join(folder, "workload.pcap")
    workload = Workload(options.agents, options.count)
    say("writing %d datagrams of %d agents to %s" % (options.count, options.agents, path))
    workload.write(path)
    groups = os.path.join(folder, "groups.json")
    with open(groups, "w") as stream:
        json.dump(workload.mapping, stream)

    def replay(decoder, python=sys.executable):
        return collector("replay", path, "--quiet", "--groups", groups, "--decoder", decoder, python=python)
    commands = {"collector, batch": replay("batch"), "collector, scalar": replay("scalar")}
    if distribution_python():
        commands["scalar, /usr/bin/python3"] = replay("scalar", distribution_python())
        if subprocess.call([distribution_python(), "-c", "import numpy"], stderr=subprocess.DEVNULL):
            say("left out: batch, /usr/bin/python3 (python3-numpy)")
        else:
            commands["batch, /usr/bin/python3"] = replay("batch", distribution_python())
    if not python36():
        say("left out: Python 3.6 (python3.6 on PATH, or one of pyenv)")
    else:
        commands["scalar, Python 3.6"] = replay("scalar", python36())
    if find("sflowtool", "SFLOWTOOL"):
        commands["sflowtool -l"] = [find("sflowtool", "SFLOWTOOL"), "-r", path, "-l"]
    if find("sfacctd"):
        config = sfacctd_config(folder, workload.mapping, "pcap_savefile: %s" % path)
        commands["sfacctd"] = [find("sfacctd"), "-f", config]
    for name, package in (("sflowtool -l", "built from its source"), ("sfacctd", "pmacct")):
        if name not in commands:
            say("left out: %s is not installed (%s)" % (name, package))
    # This first run of each leaves its compiled code behind, as a first start on a host does.
    share = {name: replayed(command, options) for name, command in commands.items() if "replay" in command}
    found = {}
    for _unused in range(options.rounds):
        for name, command in commands.items():
            found.setdefault(name, []).append(measured(command, cwd=FILES))
    if "sfacctd" in found:  # of the frames that the samples stand for
        with open(os.path.join(folder, "out")) as stream:
            share["sfacctd"] = sum(int(line.split()[-2]) for line in list(stream)[1:]) / float(workload.frames)
    say("\nOffline, %d datagrams, median of %d, load average %.1f on %d cores" % (
        options.count, options.rounds, os.getloadavg()[0], os.cpu_count()))
    say("%-24s %14s %10s %20s %6s" % ("", "us/datagram", "frames", "us/datagram read", "MiB"))
    cost = {}
    for name, results in found.items():
        whole = statistics.median(cpu for cpu, _memory in results) / options.count * 1e6
        cost[name] = whole / share.get(name, 1.0)
        memory = statistics.median(memory for _cpu, memory in results)
        read = "%.1f%%" % (100 * share[name]) if name in share else "not known"
        say("%-24s %14.2f %10s %20.2f %6.0f" % (name, whole, read, cost[name], memory))
    for name, ours, bound in BARS:
        if name in cost and ours in cost:
            say("%s / %s = %.2f (bar: %.2f)" % (name, ours, cost[name] / cost[ours], bound))
    os.unlink(path)


# Live.

class Sender:
    """Sends datagrams at a rate by sendmmsg; sequence numbers and uptimes go on with every round through the pool.

    Above FAST datagrams per second one message is many datagrams of the same length, which the kernel takes apart at
    the receiver (UDP_SEGMENT): the sender would be slower than the receivers otherwise. For that the datagrams of
    every second of the pool, one of every agent, stand sorted by their length.
    """

    CHUNK = 32
    FAST = 60000
    SEGMENTS = 32  # datagrams of one message, as far as they fit into 64 KiB

    def __init__(self, port, count=20000, agents=10000):
        import numpy
        self.numpy = numpy
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        workload = Workload(agents, count)
        datagrams = [bytes(data) for _seconds, _address, data in workload]
        order = sorted(range(count), key=lambda number: (number // agents, len(datagrams[number])))
        datagrams = [datagrams[number] for number in order]
        memory = numpy.frombuffer(b"".join(datagrams), "u1").copy()
        self.words = memory.view(">u4")
        starts = numpy.cumsum([0] + [len(data) for data in datagrams[:-1]])
        places, steps, samples = [], [], collections.Counter()  # steps: what a word grows by from round to round
        for number, start, data in zip(order, starts.tolist(), datagrams):
            template = Template(data)
            places += [start + template.tail + 4, start + template.tail + 8]
            steps += [count // agents, 1000 * (count // agents)]
            for place, source in [(place, None) for place, _pool in template.numbers] + template.counters:
                samples[number % agents, source] += 1
                places.append(start + place)
                steps.append((number % agents, source))
        self.places = numpy.array(places) // 4
        self.steps = numpy.array([samples[step] if isinstance(step, tuple) else step for step in steps], "u4")
        self.vectors = numpy.zeros((count, 2), "u8")
        self.vectors[:, 0] = memory.ctypes.data + starts.astype("u8")
        self.vectors[:, 1] = [len(data) for data in datagrams]
        self.headers = numpy.zeros((count, 8), "u8")
        self.headers[:, 2] = self.vectors.ctypes.data + numpy.arange(count, dtype="u8") * numpy.uint64(16)
        self.headers[:, 3] = 1
        self._segment([len(data) for data in datagrams])
        self.memory, self.count = memory, count
        self.sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
        self.place = 0

    def _segment(self, lengths):
        """Make the headers of messages of many datagrams; runs: the first datagram of each -> how many it has."""
        numpy, runs, first = self.numpy, [], 0
        while first < len(lengths):
            many = 1
            most = min(self.SEGMENTS, 65000 // lengths[first], len(lengths) - first)
            while many < most and lengths[first + many] == lengths[first]:
                many += 1
            runs.append((first, many))
            first += many
        self.runs = dict(runs)
        self.messages = {first: number for number, (first, _many) in enumerate(runs)}
        firsts, segments = (numpy.array(each) for each in zip(*runs))
        sizes = self.vectors[firsts, 1]
        self.long_vectors = self.vectors[firsts].copy()
        self.long_vectors[:, 1] = sizes * segments.astype("u8")
        # struct cmsghdr: length 18 (with the two bytes of the size), level SOL_UDP (17), type UDP_SEGMENT (103)
        self.control = numpy.zeros((len(runs), 3), "u8")
        self.control[:, 0], self.control[:, 1], self.control[:, 2] = 18, 103 << 32 | 17, sizes
        self.long_headers = numpy.zeros((len(runs), 8), "u8")
        rows = numpy.arange(len(runs), dtype="u8")
        self.long_headers[:, 2] = self.long_vectors.ctypes.data + rows * numpy.uint64(16)
        self.long_headers[:, 3] = 1
        self.long_headers[:, 4] = self.control.ctypes.data + rows * numpy.uint64(24)
        self.long_headers[:, 5] = 24

    def run(self, rate, seconds):
        """Send; the number of datagrams that went out."""
        send = self._send_long if rate > self.FAST else self._send
        chunk = max(1, min(self.CHUNK, int(rate / 500)))
        sent, began = 0, time.perf_counter()
        while True:
            now = time.perf_counter() - began
            if now >= seconds:
                return sent
            if sent > now * rate:
                time.sleep(min(0.001, (sent - now * rate) / rate))
                continue
            many = send(chunk)
            sent += many
            self.place += many
            if self.place >= self.count:
                self.place = 0
                self.words[self.places] = self.words[self.places] + self.steps

    def _send(self, chunk):
        """Send up to chunk messages of one datagram; how many went out."""
        return self._sendmmsg(self.headers, self.place, min(chunk, self.count - self.place))

    def _send_long(self, _chunk):
        """Send one message of many datagrams; how many went out."""
        many = self.runs.get(self.place)
        if many is None:  # _send stopped within what would be one message
            return self._send(1)
        return many * self._sendmmsg(self.long_headers, self.messages[self.place], 1)

    def _sendmmsg(self, headers, first, many):
        address = ctypes.c_void_p(headers.ctypes.data + first * headers.itemsize * headers.shape[1])
        return max(0, self.sendmmsg(self.sock.fileno(), address, many, 0))


def socket_drops(port):
    """The kernel's count of drops at the sockets of a UDP port."""
    total = 0
    for name in "/proc/net/udp", "/proc/net/udp6":
        with open(name) as stream:
            for line in list(stream)[1:]:
                fields = line.split()
                if int(fields[1].rpartition(":")[2], 16) == port:
                    total += int(fields[-1])
    return total


def cpu_of(process):
    """CPU seconds of a process and its children so far."""
    total, todo = 0, [process.pid]
    while todo:
        number = todo.pop()
        try:
            for task in os.listdir("/proc/%d/task" % number):
                with open("/proc/%d/task/%s/schedstat" % (number, task)) as stream:
                    total += int(stream.read().split()[0])
                with open("/proc/%d/task/%s/children" % (number, task)) as stream:
                    todo += [int(text) for text in stream.read().split()]
        except OSError:
            continue
    return total / 1e9


def resident(process):
    """Resident memory of a process in MiB."""
    with open("/proc/%d/status" % process.pid) as stream:
        return [int(line.split()[1]) for line in stream if line.startswith("VmRSS")][0] / 1024.0


def own_core(core):
    """Make this process run on one core, and before what else the machine does, if it may: all that are measured do."""
    os.sched_setaffinity(0, {core})
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def receivers(folder, mapping, port):
    """Commands that receive on a port."""
    with open(os.path.join(folder, "groups.json"), "w") as stream:
        json.dump(mapping, stream)
    serve = collector("serve", "--udp-address", "127.0.0.1", "--udp-port", str(port), "--http-port", str(port + 1),
                      "--receive-buffer-bytes", str(2 * BUFFER), "--groups", os.path.join(folder, "groups.json"))
    out = {"collector": serve, "collector, scalar": serve + ["--decoder", "scalar"]}
    if find("sfacctd"):
        out["sfacctd"] = [find("sfacctd"), "-f", sfacctd_config(
            folder, mapping, "sfacctd_ip: 127.0.0.1", "sfacctd_port: %d" % port, "sfacctd_pipe_size: %d" % BUFFER)]
    if find("sfcapd"):
        os.makedirs(os.path.join(folder, "flows"), exist_ok=True)
        out["sfcapd"] = [find("sfcapd"), "-b", "127.0.0.1", "-p", str(port), "-B", str(BUFFER), "-w",
                         os.path.join(folder, "flows")]
        if b"-w flowdir" not in subprocess.run([find("sfcapd"), "-h"], stdout=subprocess.PIPE,
                                               stderr=subprocess.STDOUT, check=False).stdout:
            out["sfcapd"][-2] = "-l"
    return out


class Receiver:
    """A receiver under test, pinned to a core."""

    def __init__(self, command, port):
        self.port = port
        self.process = subprocess.Popen(command, cwd=FILES, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=lambda: own_core(0), start_new_session=True)
        time.sleep(2.5)
        if self.process.poll() is not None:
            raise RuntimeError("%s ended with status %d" % (command[0], self.process.returncode))

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def live(options, folder):
    """The highest rate without loss, and CPU at 1,000 datagrams per second, of all receivers in turn."""
    mapping = Workload(10, 10).mapping
    own_core(max(os.sched_getaffinity(0)))
    names = list(receivers(folder, mapping, 1))
    for name, package in (("sfacctd", "pmacct"), ("sfcapd", "nfdump-sflow")):
        if name not in names:
            say("left out: %s is not installed (%s)" % (name, package))
    ports = {name: options.port + 4 * number for number, name in enumerate(names)}
    running, senders = {}, {}
    try:
        for name, port in ports.items():
            running[name] = Receiver(receivers(folder, mapping, port)[name], port)
            senders[name] = Sender(port)
            senders[name].run(20000, 8)  # every agent and data source is known before anything is measured
        time.sleep(1)
        idle = {name: [] for name in names}
        for _unused in range(options.rounds):
            for name in names:
                before = cpu_of(running[name].process)
                senders[name].run(1000, options.idle_seconds)
                time.sleep(0.5)
                idle[name].append((cpu_of(running[name].process) - before) / options.idle_seconds * 100)
        lossless, trying = dict.fromkeys(names, 0), list(names)
        for rate in RATES:
            lost = {name: [] for name in trying}
            for _unused in range(options.live_rounds):
                for name in [name for name in trying if 0 not in lost[name]]:
                    dropped = socket_drops(ports[name])
                    real = senders[name].run(rate * 1000, SECONDS) / float(SECONDS)
                    time.sleep(0.5)
                    lost[name].append(socket_drops(ports[name]) - dropped)
                    if real < rate * 950 and not lost[name][-1]:
                        say("  the sender cannot go faster than %d/s" % real)
                        lost[name][-1] = -1
                    elif not lost[name][-1]:
                        lossless[name] = real
            say("  %4dk/s, lost: %s" % (rate, ", ".join("%s %s" % (name, lost[name]) for name in trying)))
            trying = [name for name in trying if 0 in lost[name]]
        with urllib.request.urlopen("http://127.0.0.1:%d/fleet/json?limit=1" % (ports["collector"] + 1),
                                    timeout=20) as answer:
            seen = json.load(answer)["collector"]
        say("  collector: decoder %s, kernel drops %d, %.0f MiB, errors %s" % (
            seen["decoder"], seen["udp"]["kernel_drops"], resident(running["collector"].process), seen["errors"] or "none"))
        ended = [name for name in names if running[name].process.poll() is not None]
        if ended or seen["errors"]:
            raise RuntimeError("ended: %s; errors of the collector: %s" % (ended, seen["errors"]))
    finally:
        for receiver in running.values():
            receiver.stop()
    say("\nLive on loopback, receivers in turn on one core, receive buffers of %d MiB; lossless: one of %d rounds of %d s; "
        "load average %.1f" % (2 * BUFFER >> 20, options.live_rounds, SECONDS, os.getloadavg()[0]))
    say("%-18s %22s %24s" % ("", "lossless up to (1/s)", "% of a core at 1,000/s"))
    cpu = {name: min(values) for name, values in idle.items()}
    for name in names:
        say("%-18s %22.0f %24.2f" % (name, float(lossless[name] or 0), cpu[name]))
    peers = [lossless[name] for name in names if not name.startswith("collector")]
    if peers and max(peers):
        say("collector / best of the others = %.1f (bar: 1.5)" % (lossless["collector"] / max(peers)))
    if cpu.get("sfcapd"):
        say("CPU at 1,000/s: collector / sfcapd = %.1f (bar: at most 1.5)" % (cpu["collector"] / cpu["sfcapd"]))


def flood(options, folder):
    """Memory under forged agents, and that known agents stay; then the answers for many agents."""
    port = options.port + 40
    receiver = Receiver(receivers(folder, Workload(10, 10).mapping, port)["collector"], port)
    url = "http://127.0.0.1:%d" % (port + 1)

    def get(path):
        began = time.perf_counter()
        with urllib.request.urlopen(url + path, timeout=60) as answer:
            body = answer.read()
        return body, (time.perf_counter() - began) * 1000
    try:
        Sender(port).run(20000, 5)
        time.sleep(1)
        say("\nWith 10,000 agents: %.0f MiB" % resident(receiver.process))
        for path in "/fleet/json?limit=1000", "/fleet/json?limit=10000", "/agents/json", "/metrics", "/traffic/json":
            body, took = get(path)
            say("  %-26s %8d bytes %7.0f ms" % (path, len(body), took))
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(("127.0.0.1", port))
        template = bytearray(next(iter(Workload(10, 1)))[2])
        began, number = time.monotonic(), 0
        for step in range(1, 11):
            while time.monotonic() - began < step * options.flood_seconds / 10.0:
                for _unused in range(50):
                    number += 1
                    struct.pack_into(">I", template, 8, 0x0B000000 + number)
                    sock.send(template)
                time.sleep(50.0 / options.flood_rate)
            say("  %4d s, %8d forged agents: %.0f MiB" % (time.monotonic() - began, number, resident(receiver.process)))
        own = json.loads(get("/fleet/json?limit=1")[0].decode("ascii"))["collector"]
        say("  agents %d of at most %d, overflow %d, kernel drops %d" % (
            own["agents"], own["max_agents"], own["overflow_datagrams"], own["udp"]["kernel_drops"]))
    finally:
        receiver.stop()


def main():
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(description="Bench of the collector against sflowtool, sfacctd and sfcapd.")
    parser.add_argument("--count", type=int, default=1000000, help="datagrams of the capture")
    parser.add_argument("--agents", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=26400, help="first of the UDP ports to use")
    parser.add_argument("--idle-seconds", type=int, default=10)
    parser.add_argument("--live-rounds", type=int, default=5, help="tries at a rate, of which one must be without loss")
    parser.add_argument("--flood-seconds", type=int, default=30)
    parser.add_argument("--flood-rate", type=int, default=20000, help="forged agents per second")
    parser.add_argument("--parts", default="offline,live,flood")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="bench-collector-")
    before = None
    try:
        with open(RMEM_MAX) as stream:
            before = stream.read()
        try:
            with open(RMEM_MAX, "w") as stream:
                stream.write(str(BUFFER))
        except OSError:
            say("net.core.rmem_max stays at %s: the C tools cannot have the buffer they are asked for" % before.strip())
            before = None
        for part in options.parts.split(","):
            {"offline": offline, "live": live, "flood": flood}[part](options, folder)
    finally:
        if before is not None:
            with open(RMEM_MAX, "w") as stream:
                stream.write(before)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
