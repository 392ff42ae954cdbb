# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to ask which collector about which hosts, and what to make of the answers. Control node only."""

from __future__ import annotations

import functools
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.netviz.sflow.plugins.module_utils._agents_api import addresses_of, canonical_address
from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd import (
    dns_sd_record,
    is_true,
    nothing_tapped,
    tap_sampling,
)
from ansible_collections.netviz.sflow.plugins.module_utils._verdicts import (
    REPORTING,
    SWITCHES,
    TAPS,
    UNKNOWN,
    VERDICTS,
    expectation,
    own_addresses,
)
from ansible_collections.netviz.sflow.plugins.plugin_utils._python import python_fault
from jinja2 import Undefined, UndefinedError

Record = Mapping[str, Any]

# The word for a host about which nobody was asked.
UNASKED = "not asked"


class Variables(Mapping[str, Any]):
    """The variables of a host. One that cannot be worked out is as if it were not set.

    Newer releases of ansible-core raise where one is read, or give what raises as soon as it is used. Nothing of a host that nobody may
    have asked about shall end a proof.
    """

    def __init__(self, variables: Record) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> Any:
        try:
            value = self._variables[name]
        except (AnsibleError, UndefinedError) as error:
            raise KeyError(name) from error
        if isinstance(value, Undefined):
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def variables_of(hostvars: Mapping[str, Record], names: Iterable[str]) -> dict[str, Record]:
    # Each host once, because Ansible puts all variables of a host together whenever it is asked for them.
    return {name: Variables(hostvars[name]) for name in dict.fromkeys(names) if name in hostvars}


# -- questions ----------------------------------------------------------------------------------------------------------


def questions(
    hostvars: Mapping[str, Record],
    hosts: Iterable[str],
    collectors: list[str],
    viewers: list[str],
    url: Any,
    ask_from: str,
    fleet: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """One question per collector: who asks (a host), which URL, about which hosts.

    A host is asked about at each collector that it sends to, or is to send to; the viewer is asked only where there is no collector.
    What is known of the other hosts of the fleet goes along, because a batch alone does not tell whose address it is that was seen.
    """
    points: list[dict[str, Any]]
    wanted = set(hosts)
    others = [name for name in fleet if name not in wanted]
    hostvars = variables_of(hostvars, [*hosts, *collectors, *viewers, *others])
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
        if not points or not _is_wanted(name, hostvars[name]):
            continue
        expected = expected_of(name, hostvars[name])
        for number in _points_of(expected, hostvars[name], points):
            asked[number].append(expected)
    _find_by_name(asked, hostvars)
    known = [_whereabouts(name, hostvars[name]) for name in others] if any(asked) else []
    now = time.time()
    return [
        {"host": p["host"], "url": p["url"], "collector_addresses": sorted(p["ports"]), "agents": agents, "others": known, "asked_at": now}
        for p, agents in zip(points, asked)
        if agents
    ]


def _points_of(expected: Record, variables: Record, points: list[dict[str, Any]]) -> list[int]:
    """Where a host is asked about: everywhere if nothing is known, since it sends to all by default; once if it sends to none of them."""
    nothing = True
    for endpoints in _sends_to(expected, variables) if len(points) > 1 else ():
        found = [number for number, point in enumerate(points) if point["ports"] & endpoints]
        if found:
            return found
        nothing = nothing and not endpoints
    return list(range(len(points))) if nothing and not dns_sd_record(variables) else [0]


def _sends_to(expected: Record, variables: Record) -> Iterator[set[str]]:
    """The collectors of a host as address:port, by what its daemon says, and then by the inventory."""
    yield set(expected.get("collectors") or ())
    given = [Variables(entry) for entry in _entries(variables.get("hsflowd_collectors"))]
    yield {
        f"{address}:{entry.get('udpport') or 6343}" for entry in given if entry.get("ip") for address in _resolved(str(entry["ip"]))
    }


def _find_by_name(asked: list[list[dict[str, Any]]], hostvars: Mapping[str, Record]) -> None:
    """Where nothing is known from the host itself, what its name means is an address of it, and its agent may send that name."""
    unseen = [one for agents in asked for one in agents if "unit" not in _info(hostvars[one["name"]])]
    names = [str(hostvars[one["name"]].get("ansible_host") or one["name"]) for one in unseen]
    with ThreadPoolExecutor(32) as pool:
        for one, addresses in zip(unseen, pool.map(_resolved, names)):
            one["other_addresses"] += [a for a in addresses if a not in one["other_addresses"]]
            if not canonical_address(one["name"]):
                one.setdefault("host_name", one["name"])


def _whereabouts(name: str, variables: Record) -> dict[str, Any]:
    """Of a host that is not asked about: what tells its datagrams from those of others.

    Of one that this run did not change the inventory's word is enough; to read what was observed on each costs milliseconds.
    """
    info = _info(variables) if "__hsflowd_change" in variables else {}
    found = _aged(expectation(name, dict(info), **_addresses(name, variables)), info)
    wanted = ("name", "address", "other_addresses", "host_name", "polling", "running_seconds")
    return {key: found[key] for key in wanted if key in found}


def _point(name: str, variables: Record, prefix: str, beside_viewer: bool) -> dict[str, Any]:
    """How the server on a host is reached from this host itself, and how its agents reach it."""
    bound = str(variables.get(f"{prefix}_http_address") or "127.0.0.1")
    bound = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound, bound)  # noqa: S104 - an address to replace, not to bind
    http_port = variables.get(f"{prefix}_http_port") or (8009 if beside_viewer else 8008)
    udp_port = variables.get(f"{prefix}_udp_port") or (6344 if beside_viewer else 6343)
    known = [str(text) for text in (variables.get(f"{prefix}_address"), variables.get("ansible_host"), name) if text]
    # Agents are given the first of these, and say the address that they send to. A collector that is an agent too says its own.
    addresses = {address for address in map(canonical_address, known) if address}
    addresses |= set(_resolved(known[0])) | set(own_addresses(dict(_info(variables))))
    return {
        "host": name,
        "url": [f"http://{f'[{bound}]' if ':' in bound else bound}:{http_port}"],
        "ports": {f"{address}:{udp_port}" for address in addresses},
    }


@functools.lru_cache(maxsize=None)
def _resolved(host: str) -> list[str]:
    """What a name means, asked once per process: it is needed for every batch."""
    return addresses_of(host)


def _info(variables: Record) -> Record:
    """The last observation of the host: what its change brought along, or the end of it when it was taken back."""
    found = variables.get("__hsflowd_info")
    info: Record = found if isinstance(found, Mapping) else {}
    for name in ("__hsflowd_change", "__sflow_end"):
        result = variables.get(name)
        observed = result.get("observed") if isinstance(result, Mapping) else None
        if isinstance(observed, Mapping):
            info = {**info, **observed, "due": []}
    return info


def expected_of(name: str, variables: Record) -> dict[str, Any]:
    """What to demand of a host: the inventory's word where it has one, otherwise that of the daemon."""
    info = _info(variables)
    taps = _taps(variables)
    found: dict[str, Any] = expectation(
        name,
        dict(info),
        **_addresses(name, variables),
        # With DNS-SD the daemon takes it from the DNS, and says what it is.
        polling=None if dns_sd_record(variables) else variables.get("hsflowd_polling"),
        sampling=_rates(variables, info, taps),
        taps=taps,
        no_tap=nothing_tapped(variables.get("hsflowd_pcap"), info) if taps & set(TAPS) == {"pcap"} else None,
    )
    _aged(found, info)
    if "unit" not in info and info.get("msg"):
        found["not_asked"] = str(info["msg"]).strip().splitlines()[0][:200]
    return found


def _addresses(name: str, variables: Record) -> dict[str, Any]:
    """The addresses of a host by the inventory."""
    return {
        "address": canonical_address(variables.get("hsflowd_agent_ip")),
        "other_addresses": [str(address) for address in [variables.get("ansible_host"), name] if address],
    }


def _aged(expected: dict[str, Any], info: Record) -> dict[str, Any]:
    """The daemon has gone on running since the host was looked at: through its batch, for example, in which it was proved already."""
    if "running_seconds" in expected and isinstance(info.get("observed_at"), (int, float)):
        expected["running_seconds"] += max(time.time() - info["observed_at"], 0.0)
    return expected


def _taps(variables: Record) -> set[str]:
    """The modules of hsflowd that are configured."""
    taps = set(_modules(variables))
    return taps if variables.get("hsflowd_pcap") in ("none", "", [], False) else taps | {"pcap"}


def _modules(variables: Record) -> Record:
    modules = variables.get("hsflowd_modules")
    return modules if isinstance(modules, Mapping) else {}


# They take the rate that the switch, or the kernel's tc, is set to.
RATE_FROM_ELSEWHERE = {"psample", *SWITCHES}


def _rates(variables: Record, info: Record, taps: set[str]) -> list[int]:
    """Every rate at which an interface of the host may rightly sample; empty where that cannot be known here."""
    if dns_sd_record(variables):
        package = info.get("package")
        version = package.get("version") if isinstance(package, Mapping) else None
        by_tap = _number(tap_sampling(variables, version))
        # Other rates than that of the taps come from the DNS, and may follow the speed.
        if by_tap is None or taps & {"nflog", "ulog", *RATE_FROM_ELSEWHERE}:
            return []
        return sorted({by_tap, *_tap_rates(variables)})
    special = variables.get("hsflowd_sampling_rates")
    special = special if isinstance(special, Mapping) else {}
    exact = is_true(variables.get("hsflowd_sampling_exact", True))
    if "bps_ratio" in special or not exact or taps & RATE_FROM_ELSEWHERE:
        return []  # the rate follows the speed of each interface, or what is set elsewhere
    auto = info.get("auto")
    told = auto.get("sampling") if isinstance(auto, Mapping) else None
    plain = next((n for n in map(_number, (variables.get("hsflowd_sampling"), told)) if n is not None), None)
    if plain is None:
        return []
    rates = [plain, *map(_number, special.values()), *_tap_rates(variables)]
    modules = _modules(variables)
    for name in ("nflog", "ulog"):
        for entry in [*_entries(modules.get(name)), *_entries(variables.get("hsflowd_options"))]:
            rates.append(_with_firewall(plain, entry.get("probability", entry.get(f"{name}Probability"))))
    return sorted({rate for rate in rates if rate is not None})


def _tap_rates(variables: Record) -> list[int]:
    """The rates that taps have of their own."""
    entries = [*_entries(variables.get("hsflowd_pcap")), *_entries(_modules(variables).get("epcap"))]
    return [rate for rate in (_number(entry.get("sampling")) for entry in entries) if rate is not None]


def _entries(value: Any) -> list[Record]:
    """The blocks of one kind: a mapping, or a list of them."""
    return [entry for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, Mapping)]


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _with_firewall(sampling: int, probability: Any) -> int | None:
    """The rate of nflog and ulog: the firewall takes one in so many, hsflowd whole multiples of that (mod_nflog.c)."""
    try:
        first = math.floor(1 / float(probability) + 1e-6)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return math.ceil(sampling / first) * first if first > 0 else None


def burst_address(hostvars: Mapping[str, Record], name: str, collectors: Iterable[str], agents: Iterable[str]) -> str:
    """Where a host sends packets to so that they leave through an interface that its agent samples."""
    collectors, agents = list(collectors), list(agents)
    hostvars = variables_of(hostvars, [*collectors, *agents])
    for other in collectors:
        if other != name:
            record = hostvars[other]
            known = [record.get(key) for key in ("collector_address", "sflow_rt_address", "ansible_host")]
            return str(next((address for address in known if address), other))
    for other in agents:
        if other != name:
            auto = _info(hostvars[other]).get("auto")
            address = auto.get("agent_ip") if isinstance(auto, Mapping) else None
            if address:
                return str(address)
    return ""


# -- hosts --------------------------------------------------------------------------------------------------------------


def failure_of(name: str, variables: Record) -> str:
    """Why the run failed on a host, in a sentence; empty if it did not."""
    report = variables.get("__sflow_report")
    failing = report.get("failing") if isinstance(report, Mapping) else None
    return str((failing or {}).get(name) or variables.get("__sflow_error") or "")


def _found(key: str) -> Callable[[str, Record], bool]:
    def found(_name: str, variables: Record) -> bool:
        return bool(_info(variables).get(key))

    return found


TASK_FAILED = "Task failed: "  # what newer releases of ansible-core begin with


def _lost(variables: Record, name: str) -> str:
    """What Ansible said when the task that registered this name could not reach the host; empty if it did."""
    result = variables.get(name)
    if not isinstance(result, Mapping) or not result.get("unreachable"):
        return ""
    return _without_prefix(_clean(result.get("msg") or "no connection").rstrip("."))


def _without_prefix(said: str) -> str:
    return said[len(TASK_FAILED):] if said.startswith(TASK_FAILED) else said


def _unproved(name: str, variables: Record) -> str:
    """Why the change of the host could not be proved, by its telemetry or by its daemon; empty if it was, or there was none."""
    report, end = variables.get("__sflow_batch"), variables.get("__sflow_end")
    unproved = report.get("unproved") if isinstance(report, Mapping) else None
    said = end.get("unproved") if isinstance(end, Mapping) else None
    return str((unproved or {}).get(name) or said or "")


def _did_not_stand(name: str, variables: Record) -> str:
    """What went wrong when the host was told that its change stands; empty if nothing did."""
    result = None if _unproved(name, variables) else variables.get("__sflow_end")
    if not isinstance(result, Mapping) or result.get("skipped") or result.get("unreachable"):
        return ""
    return _clean(result.get("msg") or "").rstrip(".")


def _dropped(name: str, variables: Record) -> bool:
    """Whether a rollout goes on without the host."""
    registered = ("__hsflowd_info", "__hsflowd_change", "__sflow_end")
    return bool(
        variables.get("__sflow_error")
        or _unproved(name, variables)
        or any(_lost(variables, result) for result in registered)
        or _did_not_stand(name, variables)
    )


def _is_wanted(_name: str, variables: Record) -> bool:
    return bool(variables.get("hsflowd_state", "present") == "present")


PICKS: dict[str, Callable[[str, Record], bool]] = {
    "wanted": _is_wanted,
    "leaving": lambda name, variables: not _is_wanted(name, variables),
    "refused": _found("refused"),
    "due": _found("due"),
    "unreachable": _found("unreachable"),
    "dropped": _dropped,
    "failed": lambda name, variables: bool(failure_of(name, variables)),
    "met": lambda name, variables: any(one in variables for one in ("__hsflowd_info", "__collector_settings", "__sflow_rt_settings")),
}


# -- answers ------------------------------------------------------------------------------------------------------------

# What a run did to a host, if that makes the host a failing one whatever its telemetry says.
TAKEN_BACK = ("rolled back", "not taken back", "unproved")
FAILURES = ("left out", "unreachable", "failed", *TAKEN_BACK)


def merge(
    results: Iterable[Record], hosts: Iterable[str] = (), outcomes: Mapping[str, Record] | None = None
) -> dict[str, Any]:
    """The answers to all questions as one account: a row per host, the failing ones first.

    Of a host that was asked about at several collectors the worst answer counts.
    """
    account: dict[str, Any] = {"servers": [], "problems": [], "unexpected": []}
    rows: dict[str, dict[str, Any]] = {}
    results = list(results)
    for result in results:
        question = result.get("item") or {}
        where = str(question.get("host") or "") if len(results) > 1 else ""
        answers = result.get("agents")
        if answers is None:
            reason = _failure(question.get("host"), result)
            account["problems"].append(reason)
            answers = [
                {"name": agent["name"], "address": agent.get("address"), "verdict": UNKNOWN, "reason": reason}
                for agent in question.get("agents") or []
            ]
        for row in answers:
            if row["name"] not in rows or _rank(row) < _rank(rows[row["name"]]):
                said = f"By {where}: {row['reason']}" if where and row.get("reason") and "agents" in result else row.get("reason")
                rows[row["name"]] = {**row, "reason": said}
        account["servers"] += [{**server, "host": where} if where else server for server in result.get("servers") or []]
        account["problems"] += [f"{where}: {said}" if where else said for said in result.get("server_errors") or []]
        account["unexpected"] += result.get("unexpected") or []
    for name in hosts:
        rows.setdefault(name, {"name": name, "verdict": UNASKED})
    for name, row in rows.items():
        row.update((outcomes or {}).get(name) or {})
        note, why = row.get("note") or "", row.get("reason")
        if note and row.get("outcome") in TAKEN_BACK:
            note += " Now it reports." if row["verdict"] == REPORTING else " Now:"
        row["reason"] = " ".join(part for part in (note, why) if part)
        row["failed"] = row["verdict"] not in (REPORTING, UNASKED) or row.get("outcome") in FAILURES
    account["rows"] = sorted(rows.values(), key=lambda row: (not row["failed"], _rank(row), row["name"]))
    account["failing"] = [row["name"] for row in account["rows"] if row["failed"]]
    account["reasons"] = {row["name"]: _sentence(row) for row in account["rows"] if row["failed"]}
    # Losses are those of the last minutes, most of which were before a change that was made just now.
    losing = {row["name"] for row in account["rows"] if row["verdict"] == "losing"}
    account["unproved"] = {name: said for name, said in account["reasons"].items() if name not in losing}
    account["counts"] = dict(Counter(row["verdict"] for row in account["rows"]))
    account["outcomes"] = dict(Counter(row["outcome"] for row in account["rows"] if row.get("outcome")))
    # An agent that is unknown to the question of one collector may be one that another was asked about.
    known = {row.get("seen_as") or row.get("address") for row in rows.values()}
    unexpected = {item["address"]: item for item in account["unexpected"] if item["address"] not in known}
    account["unexpected"] = [unexpected[address] for address in sorted(unexpected)]
    return account


def _sentence(row: Record) -> str:
    word = row["verdict"] if row["verdict"] not in (REPORTING, UNASKED) else row.get("outcome")
    return f"{word}: {row['reason']}".rstrip(": ")


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
    where = f" from {host}" if host else ""
    fault = python_fault(result)
    if fault:
        return f"The collector could not be asked{where}: {fault}."
    message = _without_prefix(str(result.get("msg") or "no answer").strip().splitlines()[0]).rstrip(".")
    # Where a module did not come to its own words, those of the host's Python or shell say why.
    said = str(result.get("module_stderr") or result.get("module_stdout") or "").strip().splitlines()
    return _clean(f"The collector could not be asked{where}: {': '.join([message, *said[-1:]]).rstrip('.')}.")


def _rank(row: Record) -> int:
    return VERDICTS.index(row["verdict"]) if row["verdict"] in VERDICTS else -1


def outcome_of(name: str, variables: Record, alive: bool) -> dict[str, Any]:
    """What the run did to a host, for its row.

    :param alive: whether the host is still part of the run
    """
    package = _info(variables).get("package")
    found: dict[str, Any] = {"version": package.get("version") if isinstance(package, Mapping) else None}
    change = variables.get("__hsflowd_change")
    changes = list(change.get("changes") or []) if isinstance(change, Mapping) and change.get("changed") else []
    error = variables.get("__sflow_error")
    unproved = _unproved(name, variables)
    lost = _unreachable(name, variables, bool(error))
    if lost:
        found.update(outcome="unreachable", note=lost)
    elif not alive:
        found.update(outcome="left out", note="This run could not reach or prepare it, see above.")
    elif error:
        found.update(outcome="failed", note=f"{_clean(error).rstrip('.')}.")
    elif _did_not_stand(name, variables):
        note = f"The change is proved, and the host could not be told so ({_did_not_stand(name, variables)}); the next run proves it again."
        found.update(outcome="failed", note=note)
    elif unproved and changes:
        found.update(_taken_back(variables.get("__sflow_end"), unproved))
    elif changes:
        found["version_before"] = change.get("version_before") if isinstance(change, Mapping) else None
        found["changes"] = changes
        found["outcome"] = "changed"
    elif PICKS["due"](name, variables):
        found.update(outcome="not reached", note="The rollout stopped before it; it is as it was.")
    return found


def _unreachable(name: str, variables: Record, failed: bool) -> str:
    """Where a rollout lost a host. A proof alone takes no harm from that, and notes no failure."""
    change, observation, end = (_lost(variables, result) for result in ("__hsflowd_change", "__hsflowd_info", "__sflow_end"))
    if change:
        return f"The connection was lost during the change ({change}); the next run takes it up."
    if failed and observation:
        return f"It could not be reached ({observation})."
    if end and not _unproved(name, variables):
        return f"The connection was lost after the proof ({end}); the next run proves it again."
    return ""


def _taken_back(back: Any, unproved: str) -> dict[str, Any]:
    if isinstance(back, Mapping) and back.get("changed"):
        note = f"The change could not be proved ({unproved.rstrip('.')}) and was taken back: {_clean(back.get('left'))}."
        return {"outcome": "rolled back", "note": note}
    if isinstance(back, Mapping) and back.get("msg") and not back.get("skipped"):
        note = f"The change could not be proved ({unproved.rstrip('.')}) nor taken back: {_clean(back['msg']).rstrip('.')}."
        return {"outcome": "not taken back", "note": note}
    return {"outcome": "unproved", "note": f"The change could not be proved ({unproved.rstrip('.')}) and stays."}


def _clean(text: Any) -> str:
    """One line without what may be a secret: a password in a URL, the value of a token."""
    line = " ".join(str(text).split())[:500]
    line = re.sub(r"://\S+@", "://***@", line)
    return re.sub(r"(?i)\b(token|passw\w*|secret)(\s*[=:]\s*)\S+", r"\1\2***", line)
