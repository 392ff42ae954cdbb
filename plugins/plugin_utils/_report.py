# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account of a fleet for people: a table for the terminal, a page for the browser, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

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
        lines.append((f"and {len(rows) - len(shown)} hosts that are well", True))
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
    return f"{server['url']} ({server['kind']} {server.get('version') or ''}".rstrip() + ")"


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
