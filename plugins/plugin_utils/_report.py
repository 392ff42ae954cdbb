# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account of a fleet for people: a table for the terminal, a page for the browser, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.netviz.sflow.plugins.module_utils._verdicts import REPORTING
from ansible_collections.netviz.sflow.plugins.plugin_utils import _report_page

Record = Mapping[str, Any]

# Above this many hosts the table sums up the good ones.
MAX_ROWS = 40

COLUMNS = ("host", "agent address", "version", "change", "verdict", "age", "loss", "flows", "rate", "counters")


def table(account: Record, max_rows: int = MAX_ROWS) -> list[tuple[str, bool | None]]:
    """Lines for a terminal, each with whether it tells something good, bad or neither."""
    rows = account["rows"]
    shown = rows if len(rows) <= max_rows else [row for row in rows if row["failed"]]
    cells = [_cells(row) for row in shown]
    widths = [max(len(line[n]) for line in [COLUMNS, *cells]) for n in range(len(COLUMNS))]
    lines: list[tuple[str, bool | None]] = []
    if shown:
        lines.append((_line(COLUMNS, widths), None))
    for row, line in zip(shown, cells):
        lines.append((_line(line, widths), not row["failed"]))
        if row["reason"]:
            lines.append(("    " + row["reason"], None if not row["failed"] else False))
        if row.get("next_command"):
            lines.append(("    Next: " + row["next_command"], None))
    if len(shown) < len(rows):
        lines.append((f"and {len(rows) - len(shown)} hosts that did not fail", True))
    lines.append((summary(account), not account["failing"]))
    lines += [(problem, False) for problem in account["problems"]]
    if account["unexpected"]:
        named = ", ".join(_stranger(agent) for agent in account["unexpected"][:5])
        more = len(account["unexpected"]) - 5
        text = f"Agents that belong to none of these hosts: {named}{f' and {more} more' if more > 0 else ''}."
        lines.append((text, None))
    return [(_printable(line), mood) for line, mood in lines]


def summary(account: Record) -> str:
    hosts = len(account["rows"])
    words = {**account["counts"], **account["outcomes"]}
    counts = ", ".join(f"{number} {word}" for word, number in sorted(words.items()))
    asked = ", ".join(_server(server) for server in account["servers"])
    return f"{hosts} {'host' if hosts == 1 else 'hosts'}: {counts or 'none'}. Asked: {asked or 'nobody'}."


def _server(server: Record) -> str:
    where = f" on {server['host']}" if server.get("host") else ""
    return f"{server['url']}{where} ({server['kind']} {server.get('version') or ''}".rstrip() + ")"


def _stranger(agent: Record) -> str:
    return f"{agent['address']} ({agent['host_name']})" if agent.get("host_name") else str(agent["address"])


def _line(cells: Iterable[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip()


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _cells(row: Record) -> tuple[str, ...]:
    age, loss, polling = row.get("age_seconds"), row.get("loss_percent"), row.get("polling_seconds")
    return (
        row["name"],
        row.get("seen_as") or row.get("address") or "-",
        _version(row),
        _change(row),
        row["verdict"],
        f"{age:.0f} s" if age is not None else "-",
        f"{loss:.1f} %" if loss is not None else "-",
        _number(row.get("flow_samples")),
        "/".join(f"1:{rate}" for rate in row.get("sampling") or []) or "-",
        f"{row['counter_samples']}, every {polling:.0f} s" if polling else _number(row.get("counter_samples")),
    )


def _version(row: Record) -> str:
    now, before = row.get("version") or "-", row.get("version_before") or "-"
    return f"{before} -> {now}" if row.get("changes") and before != now else now


def _change(row: Record) -> str:
    changes = row.get("changes") or []
    if not changes:
        return row.get("outcome") or "-"
    return "restarted" if "service" in changes else "changed"


def _number(value: Any) -> str:
    return "-" if value is None else str(value)


# -- files --------------------------------------------------------------------------------------------------------------

# What a row tells the world. Nothing else of a host goes into a file.
FIELDS = (
    "name",
    "address",
    "seen_as",
    "host_name",
    "version_before",
    "version",
    "changes",
    "outcome",
    "verdict",
    "failed",
    "reason",
    "next_command",
    "age_seconds",
    "datagrams",
    "lost",
    "loss_percent",
    "flow_samples",
    "counter_samples",
    "sampling",
    "polling_seconds",
    "sources",
    "server",
)


def as_json(account: Record, when: str) -> str:
    """For programs."""
    report = {
        "report": 1,
        "time": when,
        "proved": not account["failing"] and any(row["verdict"] == REPORTING for row in account["rows"]),
        "failing": account["failing"],
        "verdicts": account["counts"],
        "outcomes": account["outcomes"],
        "servers": account["servers"],
        "problems": account["problems"],
        "unexpected": account["unexpected"],
        "hosts": [{field: row.get(field) for field in FIELDS} for row in account["rows"]],
    }
    return json.dumps(report, indent=1, sort_keys=False) + "\n"


def as_html(account: Record, when: str) -> str:
    """For a browser or a printer."""
    failing = len(account["failing"])
    hosts = len(account["rows"])
    well = sum(not row["failed"] and row["verdict"] == REPORTING for row in account["rows"])  # none is that nobody asked about
    tiles = [("hosts", hosts, ""), ("well", well, "good" if well else ""), ("failing", failing, "bad" if failing else "")]
    words = {**account["counts"], **account["outcomes"]}
    tiles += [(word, words[word], "") for word in sorted(words) if word != "reporting"]
    asked = ", ".join(_server(server) for server in account["servers"]) or "nobody"
    remarks = list(account["problems"])
    if account["unexpected"]:
        named = ", ".join(_stranger(agent) for agent in account["unexpected"][:20])
        remarks.append(f"Agents that belong to none of these hosts ({len(account['unexpected'])}): {named}")
    rows = [
        {
            "cells": _page_cells(row),
            "reason": row["reason"],
            "next_command": row.get("next_command") or "",
            "failed": row["failed"],
        }
        for row in account["rows"]
    ]
    return _report_page.page("sFlow telemetry of the fleet", f"{when}. Asked: {asked}.", tiles, rows, remarks)


def _page_cells(row: Record) -> list[tuple[str, Any]]:
    name, address, version, change, verdict, age, loss, flows, rate, _counters = _cells(row)
    polling = row.get("polling_seconds")
    rates = row.get("sampling") or [0]
    return [
        (name, None),
        (address, None),
        (version, None),
        (change, None),
        (verdict, None),
        (age, _sortable(row.get("age_seconds"))),
        (loss, _sortable(row.get("loss_percent"))),
        (flows, _sortable(row.get("flow_samples"))),
        (rate, rates[0]),
        (_number(row.get("counter_samples")), _sortable(row.get("counter_samples"))),
        (f"{polling:.0f} s" if polling else "-", _sortable(polling)),
    ]


def _sortable(value: Any) -> Any:
    return -1 if value is None else value
