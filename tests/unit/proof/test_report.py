"""The account of a fleet for people: every line of the table, every cell of the page."""

import html.parser
import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.netviz.sflow.plugins.action.sflow_report import ActionModule
from ansible_collections.netviz.sflow.plugins.plugin_utils import _report, _report_page

GOOD = {
    "name": "web1", "verdict": "reporting", "failed": False, "reason": "", "next_command": None, "address": "192.0.2.1", "seen_as": "192.0.2.1",
    "version": "2.0.53-1", "version_before": "2.0.53-1", "changes": [], "outcome": None, "age_seconds": 1.4, "loss_percent": 0.04,
    "flow_samples": 0, "counter_samples": 9, "sampling": [400, 1000], "polling_seconds": 20.2, "datagrams": 12, "lost": 0,
    "host_name": "web1", "sources": ["192.0.2.1"], "server": "http://127.0.0.1:8008", "private": "not for files",
}
#: Nothing is known of it but that nothing is.
SILENT = {"name": "db1", "verdict": "silent", "failed": True, "reason": "Nothing came.", "next_command": "systemctl status hsflowd"}
NEW = {"name": "new", "verdict": "reporting", "failed": False, "reason": "It was new.", "address": "192.0.2.3", "version": "2.1.25-4",
       "changes": ["package", "service"], "age_seconds": 0.0, "counter_samples": 2}
SERVER = {"url": "http://127.0.0.1:8008", "kind": "netviz.sflow", "version": "1.0.0"}


def account(*rows, **more):
    failing = [row["name"] for row in rows if row["failed"]]
    counts = {}
    for row in rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    return {"rows": list(rows), "failing": failing, "counts": counts, "outcomes": {}, "servers": [SERVER], "problems": [], "unexpected": [], **more}


def test_the_table():
    assert _report.table(account(SILENT, NEW, GOOD)) == [
        ("host  agent address  version        change     verdict    age  loss   flows  rate          counters", None),
        ("db1   -              -              -          silent     -    -      -      -             -", False),
        ("    Nothing came.", False), ("    Next: systemctl status hsflowd", None),
        ("new   192.0.2.3      - -> 2.1.25-4  restarted  reporting  0 s  -      -      -             2", True),
        ("    It was new.", None),
        ("web1  192.0.2.1      2.0.53-1       -          reporting  1 s  0.0 %  0      1:400/1:1000  9, every 20 s", True),
        ("3 hosts: 2 reporting, 1 silent. Asked: http://127.0.0.1:8008 (netviz.sflow 1.0.0).", False)]
    assert _report.table(account(GOOD))[-1] == ("1 host: 1 reporting. Asked: http://127.0.0.1:8008 (netviz.sflow 1.0.0).", True)


@pytest.mark.parametrize("row, column, text", [
    ({"seen_as": "192.0.2.9"}, "agent address", "192.0.2.9"),  # where it is, not where it should be
    ({"seen_as": None}, "agent address", "192.0.2.1"), ({"seen_as": None, "address": None}, "agent address", "-"),
    ({"version": None}, "version", "-"), ({"version": "3-1"}, "version", "3-1"),  # another one that nobody changed now
    ({"changes": ["config"]}, "version", "2.0.53-1"), ({"changes": ["package"], "version": "3-1"}, "version", "2.0.53-1 -> 3-1"),
    ({"changes": ["package"], "version": None}, "version", "2.0.53-1 -> -"),
    ({"changes": ["config"]}, "change", "changed"), ({"changes": ["config", "service"]}, "change", "restarted"),
    ({"changes": None, "outcome": "rolled back"}, "change", "rolled back"), ({"changes": None}, "change", "-"),
    ({"changes": ["config"], "outcome": "changed"}, "change", "changed"),
    ({"age_seconds": 0.0}, "age", "0 s"), ({"age_seconds": None}, "age", "-"), ({"loss_percent": 12.34}, "loss", "12.3 %"),
    ({"loss_percent": None}, "loss", "-"), ({"flow_samples": None}, "flows", "-"), ({"sampling": None}, "rate", "-"), ({"sampling": []}, "rate", "-"),
    ({"polling_seconds": None}, "counters", "9"), ({"polling_seconds": None, "counter_samples": None}, "counters", "-"),
])
def test_cells(row, column, text):
    found = dict(zip(_report.COLUMNS, _report._cells({**GOOD, **row})))
    assert found[column] == text


def rows_of(number, **more):
    return [{**GOOD, "name": f"web{n:02}", **more} for n in range(number)]


def test_a_fleet_that_just_fits_is_shown_whole():
    assert len(_report.table(account(*rows_of(40)))) == 42
    lines = _report.table(account(SILENT, *rows_of(40)))
    assert [line.split()[0] for line, _mood in lines] == ["host", "db1", "Nothing", "Next:", "and", "41"]
    assert lines[4] == ("and 40 hosts that did not fail", True)
    lines = _report.table(account(*rows_of(41)))
    assert lines[0] == ("and 41 hosts that did not fail", True) and len(lines) == 2
    assert len(_report.table(account(*rows_of(41, failed=True)))) == 43
    assert len(_report.table(account(*rows_of(3)), max_rows=2)) == 2


def test_what_stands_behind_the_table():
    strangers = [{"address": f"198.51.100.{n}", "host_name": "far" if n == 2 else None} for n in range(1, 8)]
    named = "198.51.100.1, 198.51.100.2 (far), 198.51.100.3, 198.51.100.4, 198.51.100.5"
    lines = _report.table(account(GOOD, problems=["One.", "Two."], unexpected=strangers))
    assert lines[3:] == [("One.", False), ("Two.", False), (f"Agents that belong to none of these hosts: {named} and 2 more.", None)]
    assert _report.table(account(GOOD, unexpected=strangers[:6]))[-1][0].endswith(".5 and 1 more.")
    assert _report.table(account(GOOD, unexpected=strangers[:5]))[-1][0].endswith(".5.")
    # A collector that is lost is told even where all hosts were well by another.
    assert [mood for _line, mood in _report.table(account(GOOD, problems=["One."]))] == [None, True, True, False]


def test_who_was_asked():
    servers = [SERVER, {"url": "http://view:8008", "kind": "sFlow-RT", "version": None}]
    assert _report.summary(account(GOOD, servers=servers)).endswith("Asked: http://127.0.0.1:8008 (netviz.sflow 1.0.0), http://view:8008 (sFlow-RT).")
    assert _report.summary(account(servers=[])) == "0 hosts: none. Asked: nobody."
    # What a run did is counted beside what it found.
    assert _report.summary(account(SILENT, GOOD, outcomes={"rolled back": 1})).startswith("2 hosts: 1 reporting, 1 rolled back, 1 silent. ")


def test_what_cannot_be_printed():
    lines = _report.table(account({**SILENT, "name": "a\x1bb", "reason": "c\nd\u202ee"}, problems=["f\rg"]))
    assert lines[1][0].startswith("a b  ") and lines[2][0] == "    c d e" and lines[-1][0] == "f g"


def test_the_file_for_programs():
    text = _report.as_json(account(SILENT, GOOD, outcomes={"rolled back": 1}, problems=["One."], unexpected=[{"address": "198.51.100.1"}]), "then")
    report = json.loads(text)
    assert text.endswith("}\n") and list(report)[:3] == ["report", "time", "proved"]
    hosts = report.pop("hosts")
    assert report == {"report": 1, "time": "then", "proved": False, "failing": ["db1"], "verdicts": {"silent": 1, "reporting": 1},
                      "outcomes": {"rolled back": 1}, "servers": [SERVER], "problems": ["One."], "unexpected": [{"address": "198.51.100.1"}]}
    known = {name: value for name, value in GOOD.items() if name != "private"}
    assert hosts[1] == known and set(hosts[0]) == set(known) and hosts[0]["version"] is None
    assert json.loads(_report.as_json(account(GOOD), "then"))["proved"] is True
    nobody = account({**GOOD, "verdict": "not asked"})
    assert nobody["failing"] == [] and json.loads(_report.as_json(nobody, "then"))["proved"] is False


class Page(html.parser.HTMLParser):
    """The texts of a page by where they stand, and its rows: (class, [(class, data-value, text)])."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.texts, self.rows, self.tiles = [], {}, [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in ("meta", "input"):
            return
        self.stack.append(tag)
        if tag == "tr":
            self.rows.append((attrs.get("class"), []))
        elif tag in ("td", "th"):
            self.rows[-1][1].append([attrs.get("class"), attrs.get("data-value"), ""])
        elif tag == "li":
            self.tiles.append([attrs["class"], ""])

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        where = self.stack[-1] if self.stack else ""
        self.texts.setdefault(where, []).append(data)
        if "td" in self.stack or "th" in self.stack:
            self.rows[-1][1][-1][2] += ("|" if where == "code" else "") + data
        elif "li" in self.stack:
            self.tiles[-1][1] += data + " "


def test_the_page():
    page = Page(_report.as_html(account(SILENT, NEW, GOOD, problems=["One & two."]), "Then"))
    assert not page.stack and page.texts["title"] == page.texts["h1"] == ["sFlow telemetry of the fleet"]
    assert page.texts["p"] == ["Then. Asked: http://127.0.0.1:8008 (netviz.sflow 1.0.0).", "One & two."]
    assert page.tiles == [["", "3 hosts "], ["good", "2 well "], ["bad", "1 failing "], ["", "1 silent "]]
    head, silent, new, good = page.rows
    numbers = {"Age", "Loss", "Flows", "Sampling", "Counters", "Polling"}
    assert [(text, kind == "number") for kind, _value, text in head[1]] == [(name, name in numbers) for name, _number in _report_page.COLUMNS]
    assert [name for name, _number in _report_page.COLUMNS][-1] == "Why, and what next"
    assert (silent[0], new[0], good[0]) == ("bad", "good", "good")
    assert silent[1] == [[None, None, text] for text in ("db1", "-", "-", "-", "silent")] + [
        ["number", "-1", "-"], ["number", "-1", "-"], ["number", "-1", "-"], ["number", "0", "-"], ["number", "-1", "-"], ["number", "-1", "-"],
        ["why", None, "Nothing came.|systemctl status hsflowd"]]
    assert new[1][2:4] == [[None, None, "- -> 2.1.25-4"], [None, None, "restarted"]] and new[1][-1] == ["why", None, "It was new."]
    assert good[1][5:] == [["number", "1.4", "1 s"], ["number", "0.04", "0.0 %"], ["number", "0", "0"], ["number", "400", "1:400/1:1000"],
                           ["number", "9", "9"], ["number", "20.2", "20 s"], ["why", None, ""]]


def test_the_figures_of_the_page():
    assert Page(_report.as_html(account(GOOD), "Then")).tiles == [["", "1 hosts "], ["good", "1 well "], ["", "0 failing "]]
    unasked = {**GOOD, "verdict": "not asked"}  # neither well nor failing
    assert Page(_report.as_html(account(unasked, servers=[], outcomes={"changed": 1}), "Then")).tiles == [
        ["", "1 hosts "], ["", "0 well "], ["", "0 failing "], ["", "1 changed "], ["", "1 not asked "]]
    rolled_back = {**GOOD, "failed": True}  # it reports, as before the run
    page = Page(_report.as_html(account(rolled_back, servers=[]), "Then"))
    assert page.tiles == [["", "1 hosts "], ["", "0 well "], ["bad", "1 failing "]] and page.texts["p"] == ["Then. Asked: nobody."]


def test_strangers_on_the_page():
    strangers = [{"address": f"198.51.100.{n}", "host_name": "far"} for n in range(1, 23)]
    remark = Page(_report.as_html(account(GOOD, unexpected=strangers), "Then")).texts["p"][-1]
    assert remark.startswith("Agents that belong to none of these hosts (22): 198.51.100.1 (far), ") and remark.endswith(" 198.51.100.20 (far)")


def test_what_a_host_said_in_another_character_set_ends_no_run(tmp_path):
    written = ActionModule.write(None, str(tmp_path / "report"), account({**SILENT, "reason": "w\udce8hrend"}))
    assert ["w?hrend" in Path(name).read_text(encoding="utf-8") or "udce8" in Path(name).read_text(encoding="utf-8") for name in written] == [True, True]


def test_files_are_written_whole_or_not_at_all(tmp_path):
    def write():
        return ActionModule.write(None, str(tmp_path / "new" / "report.html"), account(GOOD))
    json_file, html_file = (tmp_path / "new" / name for name in ("report.json", "report.html"))
    assert write() == [str(json_file), str(html_file)]
    assert json.loads(json_file.read_text())["proved"] and "web1" in html_file.read_text()
    html_file.unlink()
    (html_file / "in the way").mkdir(parents=True)
    with pytest.raises(AnsibleActionFail, match="The report .*report.html cannot be written: Is a directory"):
        write()
    assert sorted(tmp_path.glob("new/*")) == [html_file, json_file]
