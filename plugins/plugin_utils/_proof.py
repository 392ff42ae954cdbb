# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to ask which collector about which hosts, and what to make of the answers. Control node only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.netviz.sflow.plugins.module_utils._agents_api import canonical_address
from ansible_collections.netviz.sflow.plugins.module_utils._verdicts import REPORTING, UNKNOWN, VERDICTS, expectation

Record = Mapping[str, Any]

# Above this many hosts the table sums up the good ones.
MAX_ROWS = 40


# -- questions ----------------------------------------------------------------------------------------------------------


def questions(
    hostvars: Mapping[str, Record],
    hosts: Iterable[str],
    collectors: list[str],
    viewers: list[str],
    url: Any,
    ask_from: str,
) -> list[dict[str, Any]]:
    """One question per collector: who asks (a host), which URL, about which hosts.

    A host is asked about at the collector that it sends to; the viewer is asked only where there is no collector.
    """
    points: list[dict[str, Any]]
    if url:
        points = [
            {"host": ask_from, "url": [url] if isinstance(url, str) else list(url), "addresses": set(), "ports": set()}
        ]
    else:
        present = [name for name in collectors if hostvars[name].get("collector_state", "present") == "present"]
        points = [_point(name, hostvars[name], "collector", name in viewers) for name in present]
        if not points:
            present = [name for name in viewers if hostvars[name].get("sflow_rt_state", "present") == "present"]
            points = [_point(name, hostvars[name], "sflow_rt", False) for name in present]
    asked: list[list[dict[str, Any]]] = [[] for _point_ in points]
    for name in hosts:
        if not points or hostvars[name].get("hsflowd_state", "present") != "present":
            continue
        expected = expected_of(name, hostvars[name])
        number = next(
            (n for n, point in enumerate(points) if point["ports"] & set(expected.get("collectors") or ())), 0
        )
        asked[number].append(expected)
    return [
        {"host": point["host"], "url": point["url"], "collector_addresses": sorted(point["ports"]), "agents": agents}
        for point, agents in zip(points, asked)
        if agents
    ]


def _point(name: str, variables: Record, prefix: str, beside_viewer: bool) -> dict[str, Any]:
    """How the server on a host is reached from this host itself, and how its agents reach it."""
    bound = str(variables.get(f"{prefix}_http_address") or "127.0.0.1")
    bound = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound, bound)  # noqa: S104 - an address to replace, not to bind
    http_port = variables.get(f"{prefix}_http_port") or (8009 if beside_viewer else 8008)
    udp_port = variables.get(f"{prefix}_udp_port") or (6344 if beside_viewer else 6343)
    known = [variables.get(f"{prefix}_address"), variables.get("ansible_host"), name]
    addresses = {address for address in map(canonical_address, filter(None, known)) if address}
    return {
        "host": name,
        "url": [f"http://{f'[{bound}]' if ':' in bound else bound}:{http_port}"],
        "ports": {f"{address}:{udp_port}" for address in addresses},
    }


def expected_of(name: str, variables: Record) -> dict[str, Any]:
    """What to demand of a host: the inventory's word where it has one, otherwise that of the daemon."""
    info = variables.get("__hsflowd_info")
    info = info if isinstance(info, Mapping) else {}
    found: dict[str, Any] = expectation(
        name,
        dict(info),
        address=canonical_address(variables.get("hsflowd_agent_ip")),
        other_addresses=[str(address) for address in [variables.get("ansible_host"), name] if address],
        polling=variables.get("hsflowd_polling"),
        sampling=_rates(variables),
    )
    if "unit" not in info and info.get("msg"):
        found["not_asked"] = str(info["msg"]).strip().splitlines()[0][:200]
    return found


def _rates(variables: Record) -> list[int] | None:
    """Every rate at which an interface of the host may rightly sample; None leaves it to what the daemon says."""
    if variables.get("hsflowd_sampling") is None:
        return None
    rates = [variables["hsflowd_sampling"]]
    special = variables.get("hsflowd_sampling_rates")
    special = special if isinstance(special, Mapping) else {}
    exact = str(variables.get("hsflowd_sampling_exact", True)).lower() not in ("false", "no", "0", "off")
    if "bps_ratio" in special or not exact:
        return []  # the rate follows the speed of each interface
    rates += special.values()
    for tap in variables.get("hsflowd_pcap") if isinstance(variables.get("hsflowd_pcap"), list) else []:
        if isinstance(tap, Mapping) and tap.get("sampling") is not None:
            rates.append(tap["sampling"])
    try:
        return sorted({int(rate) for rate in rates})
    except (TypeError, ValueError):
        return None


# -- answers ------------------------------------------------------------------------------------------------------------


def merge(results: Iterable[Record], outcomes: Mapping[str, Record] | None = None) -> dict[str, Any]:
    """The answers to all questions as one account: a row per host, the failing ones first."""
    outcomes = outcomes or {}
    rows: list[dict[str, Any]] = []
    account: dict[str, Any] = {"servers": [], "problems": [], "unexpected": []}
    for result in results:
        question = result.get("item") or {}
        if "agents" in result:
            rows += [dict(row) for row in result["agents"]]
            account["servers"] += result.get("servers") or []
            account["problems"] += result.get("server_errors") or []
            account["unexpected"] += result.get("unexpected") or []
            continue
        reason = _failure(question.get("host"), result)
        account["problems"].append(reason)
        rows += [
            {
                "name": agent["name"],
                "address": agent.get("address"),
                "verdict": UNKNOWN,
                "reason": reason,
                "next_command": "",
            }
            for agent in question.get("agents") or []
        ]
    for row in rows:
        row.update(outcomes.get(row["name"]) or {})
    judged = {row["name"] for row in rows}
    rows += [{"name": name, **outcome} for name, outcome in outcomes.items() if name not in judged]
    for row in rows:
        row.setdefault("verdict", UNKNOWN)
    account["rows"] = sorted(rows, key=lambda row: (_rank(row), row["name"]))
    account["failing"] = [row["name"] for row in account["rows"] if row["verdict"] != REPORTING]
    account["reasons"] = {
        row["name"]: f"{row['verdict']}: {row.get('reason', '')}"
        for row in account["rows"]
        if row["verdict"] != REPORTING
    }
    account["counts"] = {}
    for row in account["rows"]:
        account["counts"][row["verdict"]] = account["counts"].get(row["verdict"], 0) + 1
    # An agent that is unknown to the question of one collector may be one that another was asked about.
    known = {row.get("seen_as") or row.get("address") for row in rows}
    unexpected = {item["address"]: item for item in account["unexpected"] if item["address"] not in known}
    account["unexpected"] = [unexpected[address] for address in sorted(unexpected)]
    return account


def strangers(unexpected: Iterable[Record], fleet: Iterable[tuple[str, Record]]) -> list[Record]:
    """The unexpected agents that are no hosts of the inventory either, such as those outside of a --limit."""
    addresses: set[str | None] = set()
    names: set[str] = set()
    for name, variables in fleet:
        addresses |= {canonical_address(variables.get(key)) for key in ("ansible_host", "hsflowd_agent_ip")}
        addresses.add(canonical_address(name))
        names |= {name, name.split(".")[0]}
    return [
        agent
        for agent in unexpected
        if agent["address"] not in addresses and (agent.get("host_name") or "").split(".")[0] not in names
    ]


def _failure(host: Any, result: Record) -> str:
    message = str(result.get("msg") or "no answer").strip().splitlines()[0]
    where = f" from {host}" if host else ""
    return f"The collector could not be asked{where}: {message.rstrip('.')}."


def _rank(row: Record) -> int:
    return VERDICTS.index(row["verdict"]) if row["verdict"] in VERDICTS else -1


COLUMNS = ("host", "agent address", "version", "verdict", "age", "loss", "flows", "rate", "counters")


def table(account: Record, max_rows: int = MAX_ROWS) -> list[tuple[str, bool | None]]:
    """The account as lines for a terminal, each with whether it tells something good, bad or neither."""
    rows = account["rows"]
    shown = rows if len(rows) <= max_rows else [row for row in rows if row["verdict"] != REPORTING]
    cells = [_cells(row) for row in shown]
    widths = [max(len(line[n]) for line in [COLUMNS, *cells]) for n in range(len(COLUMNS))]
    lines: list[tuple[str, bool | None]] = []
    if shown:
        lines.append((_line(COLUMNS, widths), None))
    for row, line in zip(shown, cells):
        lines.append((_line(line, widths), row["verdict"] == REPORTING))
        if row.get("reason"):
            lines.append(("    " + row["reason"], False))
        if row.get("next_command"):
            lines.append(("    Next: " + row["next_command"], None))
    if len(shown) < len(rows):
        lines.append((f"and {len(rows) - len(shown)} hosts that report", True))
    counts = ", ".join(f"{number} {word}" for word, number in sorted(account["counts"].items()))
    asked = ", ".join(
        f"{server['url']} ({server['kind']} {server.get('version') or ''}".rstrip() + ")"
        for server in account["servers"]
    )
    lines.append(
        (
            f"{len(rows)} {'host' if len(rows) == 1 else 'hosts'}: {counts or 'none'}. Asked: {asked or 'nobody'}.",
            not account["reasons"],
        )
    )
    lines += [(problem, False) for problem in account["problems"]]
    if account["unexpected"]:
        named = ", ".join(_stranger(agent) for agent in account["unexpected"][:5])
        more = len(account["unexpected"]) - 5
        lines.append(
            (f"Agents that belong to none of these hosts: {named}{f' and {more} more' if more > 0 else ''}.", None)
        )
    return lines


def _stranger(agent: Record) -> str:
    return f"{agent['address']} ({agent['host_name']})" if agent.get("host_name") else str(agent["address"])


def _line(cells: Iterable[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip()


def _cells(row: Record) -> tuple[str, ...]:
    age, loss, polling = row.get("age_seconds"), row.get("loss_percent"), row.get("polling_seconds")
    return (
        row["name"],
        row.get("seen_as") or row.get("address") or "-",
        row.get("version") or "-",
        row["verdict"],
        f"{age:.0f} s" if age is not None else "-",
        f"{loss:.1f} %" if loss is not None else "-",
        _number(row.get("flow_samples")),
        "/".join(f"1:{rate}" for rate in row.get("sampling") or []) or "-",
        f"{row['counter_samples']}, every {polling:.0f} s" if polling else _number(row.get("counter_samples")),
    )


def _number(value: Any) -> str:
    return "-" if value is None else str(value)


def outcome_of(variables: Record) -> dict[str, Any]:
    """What the run did to a host, for its row."""
    info = variables.get("__hsflowd_info")
    package = info.get("package") if isinstance(info, Mapping) else None
    return {"version": package.get("version")} if isinstance(package, Mapping) and package.get("version") else {}
