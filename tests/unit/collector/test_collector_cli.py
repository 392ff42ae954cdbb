# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line in this process: what it prints, what it refuses, and how it asks a running collector."""

import contextlib
import http.server
import io
import json
import re
import subprocess
import sys
import threading
import types

import pytest
import sflow_generator as gen
from sflow_collector import VERSION, cli, core

T0 = 1700000000


def capture(path, datagrams):
    """A pcap file of [(second, source, datagram)]."""
    path.write_bytes(gen.pcap([(T0 + second, gen.udp_frame(source, data)) for second, source, data in datagrams]))
    return str(path)


def flow(number, rate=400, source=(0, 3), pool=0, target="10.2.0.1"):
    return gen.flow_sample([gen.raw_header(gen.frame("10.1.0.1", target), 1000)], number, source, rate, pool)


def columns(table):
    """{agent: {title: cell}} of a printed fleet, by the places of its titles."""
    lines = table.splitlines()
    titles = [(match.group(), match.start()) for match in re.finditer("[A-Z]+", lines[0])]
    ends = [place for _title, place in titles[1:]] + [None]
    rows = [{title: line[place:end].strip() for (title, place), end in zip(titles, ends)} for line in lines[1:-1]]
    return {row["AGENT"]: row for row in rows}


def test_no_command(capsys):
    assert cli.main([]) == 2
    said = capsys.readouterr().out
    assert all("\n    %s " % command in said for command in ("serve", "replay", "decode", "status"))


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == VERSION + "\n"


@pytest.mark.parametrize("command", ("serve", "replay", "decode", "status"))
def test_help_has_a_word_on_every_option(command, capsys):
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    said = capsys.readouterr().out
    assert len(said.splitlines()) > 6
    assert all(re.search(r"%s\b[^\n]*(  \S|\n {10,}\S)" % option, said) for option in set(re.findall("--[a-z-]+", said)))


def test_replay_as_a_table(tmp_path, capsys):
    """Two agents: one with several rates and polls, lost and late datagrams; one from two sources, at one time."""
    datagrams = []
    for number in range(1, 7):
        host = gen.counter_sample([gen.host_id("web-1")], number, (2, 1))
        samples = [flow(number * 2 + place, rate, (0, 3 + place)) for place, rate in enumerate((400, 100 * number))] + [host]
        datagrams.append((number, "192.0.2.1", gen.datagram("192.0.2.1", number, samples, uptime=number * 1000)))
    del datagrams[3]
    datagrams[1:3] = datagrams[2], datagrams[1]
    datagrams.append(datagrams[-1])
    for number in range(1, 4):
        for source in "192.0.2.8", "192.0.2.9":
            sequence = number * 7 if source.endswith("8") else number * 5000
            datagrams.append((16 + number, source, gen.datagram("192.0.2.2", sequence, [flow(number)], uptime=number * 1000)))
    path = capture(tmp_path / "a.pcap", datagrams)
    assert cli.main(["replay", path, "--decoder", "scalar"]) == 0
    said = capsys.readouterr()
    assert not said.err
    rows = columns(said.out)
    assert sorted(rows) == ["192.0.2.1", "192.0.2.2"]
    one, two = rows["192.0.2.1"], rows["192.0.2.2"]
    assert {name: one[name] for name in ("SUB", "HOST", "SEEN", "DATAGRAMS", "LOST", "REORDERED", "DUPLICATE", "RESTARTS", "FLOWS",
                                         "COUNTERS", "RATES", "NOTE")} == {
        "SUB": "100000", "HOST": "web-1", "SEEN": "13.0s", "DATAGRAMS": "6", "LOST": "1", "REORDERED": "1", "DUPLICATE": "1", "RESTARTS": "0",
        "FLOWS": "10", "COUNTERS": "5", "RATES": "400,600", "NOTE": ""}
    assert re.match(r"\d+\.\ds$", one["POLLING"])
    assert (two["HOST"], two["SEEN"], two["RATES"], two["POLLING"], two["NOTE"]) == ("-", "0.0s", "400", "-", "shared address")
    assert said.out.splitlines()[-1] == ("2 agents, 12 datagrams, 0 dropped by the kernel, 0 refused, 0 truncated, "
                                         "0 beyond the limit of agents, errors: none")
    assert not [line for line in said.out.splitlines() if line != line.rstrip()]


def test_replay_quietly_with_groups_errors_and_a_limit(tmp_path, capsys):
    (tmp_path / "groups.json").write_text(json.dumps({"INTERNET": ["0.0.0.0/0"], "A": ["10.1.0.0/16"], "B": ["10.2.0.0/16"]}))
    datagrams = [(number, "192.0.2.1", gen.datagram("192.0.2.%d" % (1 + number % 3), 1 + number // 3, [flow(1 + number // 3)]))
                 for number in range(9)]
    datagrams += [(9, "192.0.2.1", b"\0\0\0\4" + bytes(40)), (9, "192.0.2.1", b"short")]
    path = capture(tmp_path / "a.pcap", datagrams)
    assert cli.main(["replay", path, "--quiet", "--groups", str(tmp_path / "groups.json"), "--max-agents", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 agents, 11 datagrams, 0 dropped by the kernel, 0 refused, 0 truncated, 3 beyond the limit of agents, "
        "errors: too_short 1, version 1", "A -> B: tcp_udp 266.7 frames/s 266667 B/s"]
    assert cli.main(["replay", path, "--quiet", "--max-agents", "1"]) == 0  # no groups, no traffic
    line, = capsys.readouterr().out.splitlines()
    assert line.startswith("1 agents, 11 datagrams")


def test_replay_as_json_from_standard_input(tmp_path, capsys, monkeypatch):
    path = capture(tmp_path / "a.pcap", [(number, "192.0.2.1", gen.datagram("192.0.2.%d" % number, 1)) for number in range(1, 130)])
    with open(path, "rb") as stream:
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=stream))
        assert cli.main(["replay", "-", "--json", "--decoder", "scalar"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["total"] == len(document["agents"]) == 129


def test_another_port(tmp_path, capsys):
    path = capture(tmp_path / "a.pcap", [(1, "192.0.2.1", gen.datagram("192.0.2.1", 1))])
    for port, many in ("6343", 1), ("6344", 0):
        assert cli.main(["decode", path, "--port", port]) == 0
        assert len(capsys.readouterr().out.splitlines()) == many
        assert cli.main(["replay", path, "--quiet", "--port", port]) == 0
        assert capsys.readouterr().out.startswith("%d agents, %d datagrams," % (many, many))


@pytest.mark.parametrize("arguments, sentence", [
    (["replay", "{path}", "--max-agents", "0"], "max-agents: expected 1 to 1048576, found 0"),
    (["replay", "{path}", "--max-agents", "1048577"], "max-agents: expected 1 to 1048576, found 1048577"),
    (["replay", "{path}", "--port", "0"], "port: expected 1 to 65535, found 0"),
    (["decode", "{path}", "--port", "65536"], "port: expected 1 to 65535, found 65536"),
    (["replay", "{path}", "--groups", "/nowhere/groups.json"], "groups: /nowhere/groups.json: cannot read it: No such file or directory"),
    (["replay", "/nowhere/a.pcap"], "[Errno 2] No such file or directory: '/nowhere/a.pcap'"),
    (["decode", "/nowhere/a.pcap"], "[Errno 2] No such file or directory: '/nowhere/a.pcap'"),
    (["status", "--url", "ftp://192.0.2.1"], "ftp://192.0.2.1: expected an http or https address"),
    (["status", "--token-file", "/nowhere/token"], "token_file: /nowhere/token: No such file or directory"),
    (["serve", "--workers", "65"], "workers: expected 1 to 64, found 65")])
def test_what_is_refused(arguments, sentence, tmp_path, capsys):
    path = capture(tmp_path / "a.pcap", [(1, "192.0.2.1", gen.datagram("192.0.2.1", 1))])
    assert cli.main([each.format(path=path) for each in arguments]) == 1
    said = capsys.readouterr()
    assert not said.out and said.err == "sflow-collector: %s\n" % sentence


@pytest.mark.parametrize("fault, status", ((KeyboardInterrupt, 130), (ValueError("odd"), 1), (OSError("odd"), 1)))
def test_how_it_ends(fault, status, monkeypatch, capsys):
    def run(_options):
        raise fault
    monkeypatch.setattr(cli, "run_decode", run)
    assert cli.main(["decode", "-"]) == status
    assert capsys.readouterr().err == ("" if status == 130 else "sflow-collector: odd\n")


def test_a_reader_that_goes_away(monkeypatch, tmp_path):
    """Nothing is said, and nothing fails when Python closes its output at the end."""
    def run(_options):
        raise BrokenPipeError
    monkeypatch.setattr(cli, "run_decode", run)
    with open(str(tmp_path / "out"), "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert cli.main(["decode", "-"]) == 1
        out.write("lost")
    assert (tmp_path / "out").read_bytes() == b""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress(tmp_path, monkeypatch):
    """From the second second on, every half of one; a line that goes away. Nothing for who is no terminal."""
    clock = [100.0]
    monkeypatch.setattr(cli.time, "monotonic", lambda: clock[0])
    (tmp_path / "a").write_bytes(bytes(2000))
    for terminal, shown in (Terminal(), True), (io.StringIO(), False):
        monkeypatch.setattr(sys, "stderr", terminal)
        with open(str(tmp_path / "a"), "rb") as stream:
            progress = cli.Progress(stream)
            for number, later in (1, 0.9), (2, 0.1), (3, 0.4), (4, 0.1):
                clock[0] += later
                stream.seek(500 * number - 8)
                progress.step(number * 11)
            progress.done()
        assert terminal.getvalue() == ("\r 49 %  22 datagrams\r 99 %  44 datagrams\r\033[K" if shown else "")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    for stream in io.BytesIO(bytes(10)), io.FileIO("/dev/null"):  # nobody knows how long, or nothing is there
        with stream:
            progress = cli.Progress(stream)
            clock[0] += 10
            progress.step(1)
            progress.done()
    assert not terminal.getvalue()


def test_the_time_in_a_capture():
    clock = cli.CaptureClock()
    assert clock() == 0 and clock.first is None
    for time, now in (500, 500), (700, 700), (600, 700):
        clock.set(time)
        assert (clock(), clock.first) == (now, 500)


@pytest.mark.parametrize("decoder", ("scalar",) + (("batch",) if core.create("auto").decoder == "batch" else ()))
def test_replay_step_by_step(decoder, tmp_path):
    """How many datagrams there are so far, and the clock that goes along."""
    path = capture(tmp_path / "a.pcap", [(number, "192.0.2.1", gen.datagram("192.0.2.1", number)) for number in range(1, 3001)])
    clock = cli.CaptureClock()
    collector = core.create(decoder, clock=clock)
    with open(path, "rb") as stream:
        steps = [(number, clock()) for number in cli.replay(collector, stream, 6343, clock)]
    assert clock.first is not None and steps[-1] == (3000, (T0 + 3000) * 1000)
    if decoder == "scalar":
        assert clock.first == (T0 + 1) * 1000 and steps == [(number, (T0 + number) * 1000) for number in (1024, 2048, 3000)]
    collector.flush()
    assert collector.account.sums(collector.account.by_number[0])["datagrams"] == 3000


@pytest.mark.parametrize("decoder", ("auto", "scalar"))
def test_replay_of_a_pipe(decoder, tmp_path, capsys, monkeypatch):
    """What cannot be read twice goes to either decoder."""
    path = capture(tmp_path / "a.pcap", [(number, "192.0.2.1", gen.datagram("192.0.2.1", number)) for number in range(1, 400)])
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=cat.stdout))
        assert cli.main(["replay", "-", "--quiet", "--decoder", decoder]) == 0
    assert capsys.readouterr().out.startswith("1 agents, 399 datagrams, ")


def test_a_replay_tells_its_progress_and_when_it_began(tmp_path, capsys, monkeypatch):
    steps = []
    monkeypatch.setattr(cli, "Progress", lambda stream: types.SimpleNamespace(
        step=steps.append, done=lambda: steps.append((stream.name, stream.closed))))
    path = capture(tmp_path / "a.pcap", [(number, "192.0.2.1", gen.datagram("192.0.2.1", number)) for number in range(1, 1501)])
    assert cli.main(["replay", path, "--json", "--decoder", "scalar"]) == 0
    said = capsys.readouterr().out
    own = json.loads(said)["collector"]
    assert steps == [1024, 1500, (path, False)] and said.endswith("}\n")
    assert (own["started"], own["now"], own["uptime_ms"]) == (T0 + 1, T0 + 1500, 1499000)
    assert cli.main(["replay", capture(tmp_path / "b.pcap", []), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["collector"]["started"] == 0


NO_IP = gen.ethernet(b"\0" * 60, 0x0806)


@pytest.mark.parametrize("header, said", [
    (gen.raw_header(gen.frame("192.0.2.1", "192.0.2.2", 17), 600),
     {"frame_length": 600, "source": "192.0.2.1", "target": "192.0.2.2", "protocol": "udp", "source_port": 1024, "target_port": 443}),
    (gen.raw_header(gen.frame("2001:db8::1", "2001:db8::2", 6, [7]), 90),
     {"frame_length": 90, "vlan": 7, "source": "2001:db8::1", "target": "2001:db8::2", "protocol": "tcp", "source_port": 1024, "target_port": 443}),
    (gen.raw_header(gen.frame("192.0.2.1", "192.0.2.2", 1, [0]), 90),
     {"frame_length": 90, "vlan": 0, "source": "192.0.2.1", "target": "192.0.2.2", "protocol": "icmp"}),
    (gen.raw_header(NO_IP, 64), {"frame_length": 64})])
def test_sampled_packets(header, said):
    row, = cli.sample_rows(1500, b"\0" * 10 + b"\xff\xff\xc0\0\2\7", gen.datagram("192.0.2.1", 5, [gen.flow_sample([header], 9)], uptime=77))
    assert row == dict({"time": 1.5, "from": "192.0.2.7", "agent": "192.0.2.1", "sub_agent": 100000, "sequence": 5, "uptime_ms": 77,
                        "sample": "flow", "data_source": "2", "sample_sequence": 9, "records": ["0:1"], "rate": 400, "pool": 400,
                        "drops": 0, "input": 2, "output": 0}, **said)


@pytest.mark.parametrize("data, samples, error", [
    (b"\0\0\0\5", None, "too_short"),
    (gen.datagram("192.0.2.1", 1, version=4), None, "version"),
    (gen.datagram("192.0.2.1", 1), 0, "no samples"),
    (gen.datagram("192.0.2.1", 1, [flow(1)], count=2), 1, "samples"),
    (gen.datagram("192.0.2.1", 1, [gen.tagged(4, b"\0\0\0\1")]), 0, "sample_header")])
def test_datagrams_that_cannot_be_read_whole(data, samples, error):
    """What there is of samples, and then why there is no more; of whom, unless not even that can be read."""
    *rows, last = cli.sample_rows(2000, b"\0" * 10 + b"\xff\xff\xc0\0\2\7", data)
    assert len(rows) == (samples or 0) and all("error" not in row and row["time"] == 2.0 for row in rows)
    assert (last["error"], last["time"], last["from"], last.get("agent")) == (error, 2.0, "192.0.2.7", None if samples is None else "192.0.2.1")
    assert "sample" not in last


def test_why_there_is_no_answer():
    assert [cli.refusal(error) for error in (OSError(), OSError("odd"))] == ["OSError", "odd"]


def test_few():
    assert [cli._few(list("abcd"[:many])) for many in range(5)] == ["-", "a", "a,b", "a,b,c", "a,b,c..."]


def test_words_of_a_line():
    assert cli.line_of({"a": 1, "b": ["2", "3"], "c": "x y", "d": "plain!#~", "e": 'say "so"', "f": "", "g": "caf\xe9"}) == (
        'a=1 b=2/3 c="x y" d=plain!#~ e="say \\"so\\"" f="" g="caf\\u00e9"')


@contextlib.contextmanager
def answering(answers):
    """The address of a server with {path: (status, body)}, and what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Authorization")))
            status, body = answers[self.path]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield "http://127.0.0.1:%d" % server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(agents, total):
    own = {"errors": {"version": 2, "records": 1}, "overflow_datagrams": 0,
           "udp": {"datagrams": 5, "kernel_drops": 1, "refused": 2, "truncated": 3}}
    rows = [{"agent": "192.0.2.%d" % number, "sub_agent": 100000, "host_name": None, "last_seen_ms": 1540, "datagrams": 1, "lost": 0,
             "out_of_order": 0, "duplicates": 0, "restarts": 0, "flow_samples": 0, "counter_samples": 0, "shared": False,
             "data_sources": [{"sampling_rate": None, "polling_interval_s": None},
                              {"sampling_rate": 400, "polling_interval_s": 20.04}]} for number in agents]
    return 200, json.dumps({"agents": rows, "total": total, "collector": own}).encode("utf-8")


def test_status_joins_pages(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cli, "PAGE", 2)
    (tmp_path / "token").write_text("s3cr\xe9t\n", encoding="utf-8")
    with answering({"/fleet/json?offset=%d&limit=2" % (2 * number): page(agents, 4) for number, agents in enumerate(((1, 2), (3, 4)))}) as (
            url, asked):
        assert cli.main(["status", "--url", url + "/", "--token-file", str(tmp_path / "token")]) == 0
        said = capsys.readouterr().out
        assert cli.main(["status", "--url", url, "--json"]) == 0
    assert [each for _path, each in asked] == ["Bearer s3cr\xc3\xa9t"] * 2 + [None] * 2
    assert {name: row["SEEN"] + row["RATES"] + row["POLLING"] for name, row in columns(said).items()} == dict.fromkeys(
        ["192.0.2.%d" % number for number in range(1, 5)], "1.5s40020.0s")
    assert said.splitlines()[-1] == ("4 agents, 5 datagrams, 1 dropped by the kernel, 2 refused, 3 truncated, "
                                     "0 beyond the limit of agents, errors: records 1, version 2")
    assert [row["agent"] for row in json.loads(capsys.readouterr().out)["agents"]] == ["192.0.2.%d" % number for number in range(1, 5)]


@pytest.mark.parametrize("status, body, sentence", [
    (403, b"not you\n", "HTTP Error 403: Forbidden: not you"),
    (404, b"", "HTTP Error 404: Not Found"),
    (200, b"<html>", "Expecting value: line 1 column 1 (char 0)"),
    (200, b"[1]", "whoever answers there is not this collector"),
    (200, b'{"agents": [], "total": 0}', "whoever answers there is not this collector"),
    (200, b'{"agents": 1, "total": 0, "collector": {}}',
     "whoever answers there is not this collector (TypeError: 'int' object is not iterable)"),
    (200, b'{"agents": [], "total": 0, "collector": {}}', "whoever answers there is not this collector (KeyError: 'udp')"),
    (200, b'{"agents": [[]], "total": 1, "collector": {}}',
     "whoever answers there is not this collector (TypeError: list indices must be integers or slices, not str)"),
    (200, b"[" * 200000, "whoever answers there is not this collector (RecursionError)"),
    (200, b'{"agents": [], "total": Infinity, "collector": {"udp": {"datagrams": 1, "kernel_drops": 1, "refused": 0, "truncated": 0}, '
          b'"overflow_datagrams": 0, "errors": {}}}',
     "whoever answers there is not this collector (OverflowError: cannot convert float infinity to integer)"),
    (200, b'{"agents": [], "total": 1000000000000, "collector": {}}', "whoever answers there is not this collector (KeyError: 'udp')")])
def test_answers_that_are_none(status, body, sentence, capsys):
    with answering({"/fleet/json?offset=0&limit=5000": (status, body)}) as (url, _asked):
        assert cli.main(["status", "--url", url]) == 1
    said = capsys.readouterr()
    assert not said.out and said.err == "sflow-collector: %s: %s\n" % (url, sentence)


@pytest.mark.parametrize("body", [b"[" * 200000, page((1,), 1)[1].replace(b'"datagrams": 5', b'"datagrams": Infinity')])
def test_watching_goes_on_after_garbage(body, monkeypatch, capsys):
    def sleep(_seconds):
        if answers["/fleet/json?offset=0&limit=5000"] == good:
            raise KeyboardInterrupt
        answers["/fleet/json?offset=0&limit=5000"] = good
    good = page((1,), 1)
    answers = {"/fleet/json?offset=0&limit=5000": (200, body)}
    monkeypatch.setattr(cli.time, "sleep", sleep)
    with answering(answers) as (url, _asked):
        assert cli.main(["status", "--url", url, "--watch"]) == 130
    said = capsys.readouterr()
    assert "whoever answers there is not this collector" in said.err and "1 agents, 5 datagrams" in said.out


def test_watching(monkeypatch, capsys):
    """Again and again, on a terminal each time in the place of the one before; an answer that fails is said, with its time."""
    naps, terminal = [], Terminal()
    answers = {"/fleet/json?offset=0&limit=5000": page((1,), 1)}

    def sleep(seconds):
        naps.append(seconds)
        answers["/fleet/json?offset=0&limit=5000"] = page((1,), 1) if len(naps) == 2 else (503, b"")
        if len(naps) == 3:
            raise KeyboardInterrupt
    monkeypatch.setattr(cli.time, "sleep", sleep)
    monkeypatch.setattr(cli.time, "strftime", lambda _form: "12:00:00")
    monkeypatch.setattr(sys, "stdout", terminal)
    with answering(answers) as (url, _asked):
        assert cli.main(["status", "--url", url, "--watch"]) == 130
    assert naps == [2, 2, 2]
    assert terminal.getvalue().count("\033[2J\033[HAGENT") == 2 and terminal.getvalue().count("\033") == 4
    assert capsys.readouterr().err == "12:00:00: %s: HTTP Error 503: Service Unavailable\n" % url


@pytest.mark.parametrize("encoding, shown", (("ascii", b"b\\xfcro"), ("utf-8", b"b\xc3\xbcro"), ("latin-1", b"b\xfcro")))
def test_letters_that_the_locale_does_not_have(encoding, shown, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    cli._take_any_name()
    sys.stdout.write("b\xfcro")
    sys.stdout.flush()
    assert raw.getvalue() == shown
