# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the servers saw and what each host should do to a verdict per host.

Pure, except ``prove``, which waits, and ``Settings``, which resolves the names of collectors.
"""

import math
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Collection, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from ansible_collections.netviz.sflow.plugins.module_utils._agents_api import (
    ApiError,
    addresses_of,
    canonical_address,
    canonical_endpoint,
    split_endpoint,
)

REPORTING = "reporting"
UNKNOWN = "unknown"
# In the order in which they are shown: the worst first.
VERDICTS = (
    UNKNOWN,
    "silent",
    "stale",
    "wrong_source",
    "shared_address",
    "restarting",
    "no_counters",
    "no_flows",
    "wrong_rate",
    "losing",
    REPORTING,
)

DEFAULT_POLLING = 30
# Above a few hundred lines nobody reads on.
MAX_UNEXPECTED = 200
# Less than this is the ordinary end of a restart or a lost packet or two, not a lossy path.
MIN_LOST = 5


class Settings:
    """What the proof demands of every host."""

    def __init__(self, max_age: Any = None, max_loss: float = 1.0, require: Sequence[str] = ("counters",),
                 collector_addresses: Sequence[str] = (), rate_tolerance: float = 0.05) -> None:
        self.max_age = max_age
        self.max_loss = max_loss
        self.require = tuple(require)
        # Each as given, and at the addresses that a name has: hsflowd says addresses only.
        self.collector_addresses = tuple(map(canonical_endpoint, collector_addresses))
        self.known_collectors, self.unresolved = set(self.collector_addresses), False
        for host, port in map(split_endpoint, self.collector_addresses):
            addresses = addresses_of(host)
            self.known_collectors |= {f"{address}:{port}" for address in addresses}
            self.unresolved = self.unresolved or not addresses
        self.rate_tolerance = rate_tolerance

    def age_limit(self, polling: Optional[float]) -> float:
        return self.max_age if self.max_age is not None else 2.5 * (polling or DEFAULT_POLLING)


class Expected:
    """One host that should report, and what is known of its daemon."""

    def __init__(self, values: Dict[str, Any]) -> None:
        self.name = values["name"]
        self.address = canonical_address(values.get("address")) if values.get("address") else None
        self.other_addresses = [
            a for a in map(canonical_address, values.get("other_addresses") or []) if a and a != self.address
        ]
        self.host_name = values.get("host_name")
        self.polling = values.get("polling")
        rates = values.get("sampling") or []
        self.sampling = [rate for rate in rates if rate > 0]
        # Whether it is to sample at all; without rates nobody says that it is not.
        self.samples = bool(self.sampling) or not rates
        self.running_seconds = values.get("running_seconds")
        self.daemon = values.get("daemon") or "unknown"
        self.daemon_detail = values.get("daemon_detail") or ""
        self.crashes = values.get("crashes") or 0
        self.missing_libraries = values.get("missing_libraries") or {}
        self.no_tap = values.get("no_tap") or ""
        self.not_asked = values.get("not_asked") or ""
        self.hsflowd_version = values.get("hsflowd_version")
        self.collectors = values.get("collectors")
        if self.collectors is not None:
            self.collectors = [canonical_endpoint(collector) for collector in self.collectors]

    def addresses(self) -> List[str]:
        return ([self.address] if self.address else []) + self.other_addresses


class Observation:
    """The merged answers of all servers, indexed. With several servers the one that heard of an agent last counts."""

    def __init__(self, rows: Sequence[Any] = ()) -> None:
        self.rows: Dict[Any, Any] = {}
        self.by_source: Dict[Any, Any] = {}
        self.by_word: Dict[str, Dict[str, str]] = {}  # the first word of a host name -> agent -> the host name
        for row in sorted(rows, key=lambda row: (row.age is None, row.age)):
            kept = self.rows.setdefault(row.agent, row)
            if kept is not row and row.server == kept.server:
                # Another sub-agent at the same address: its samples belong to the same host.
                kept = self.rows[row.agent] = _combined(kept, row)
            if row.shared:
                kept.shared = True
            for source in row.sources:
                self.by_source.setdefault(source, set()).add(row.agent)
            if row.host_name:
                self.by_word.setdefault(first_word(row.host_name), {})[row.agent] = row.host_name.lower()

    def named(self, expected: "Expected", fleet: "Fleet") -> Set[str]:
        """The agents that send the name of a host, which one of the two may know without its domain.

        A name without a domain is nobody's where several hosts of the fleet begin with it.
        """
        name = (expected.host_name or "").lower()
        if not name or name.startswith("localhost"):
            return set()
        alone = fleet.words.get(first_word(name), 0) <= 1
        sent = self.by_word.get(first_word(name), {})
        return {agent for agent, said in sent.items()
                if (said == name and ("." in name or alone)) or (alone and ("." in said) != ("." in name))}

    def elsewhere(self, expected: "Expected", fleet: "Fleet", taken: Collection[str], limit: float) -> Optional[str]:
        """The address under which a host reports that does not report under its own, or None.

        :param taken: addresses that are those of other hosts
        :param limit: the age in seconds up to which an agent reports
        """
        claims: Set[str] = set()
        for address in expected.addresses():
            # The source of many agents is a NAT gateway and names none of them.
            if len(self.by_source.get(address, ())) == 1:
                claims |= self.by_source[address]
            if address in self.rows:
                claims.add(address)
        # Names come twice in a fleet. Of a host that was looked at all addresses are known, so an agent that sends from an
        # address of its own is another one.
        claims |= {agent for agent in self.named(expected, fleet)
                   if expected.daemon == "unknown" or agent not in self.rows[agent].sources}
        # A server goes on to list an agent that is gone.
        free = [a for a in sorted(claims - set(taken)) if self.rows[a].age is not None and self.rows[a].age <= limit]
        return free[0] if free else None


def first_word(host_name: str) -> str:
    """A host name without its domain."""
    return host_name.split(".", 1)[0].lower()


class Fleet:
    """Which address belongs to whom, of the hosts of the question and of the others that are known."""

    def __init__(self, expected: Sequence["Expected"], others: Sequence["Expected"],
                 is_at_home: Callable[["Expected"], bool]) -> None:
        self.neighbours: Dict[str, List[str]] = {}  # expected agent address -> names of the hosts of the question that should use it
        self.residents: Dict[str, List[str]] = {}  # the same of all hosts
        self.owners_of: Dict[str, List[str]] = {}  # any address -> names of the hosts that have it
        self.words: Dict[str, int] = {}  # the first word of a host name -> how many hosts have such a one
        self.at_home: Set[str] = set()  # names of the hosts that report under their own address now
        for hosts, of_the_question in ((expected, True), (others, False)):
            for host in hosts:
                if is_at_home(host):
                    self.at_home.add(host.name)
                if host.address:
                    self.residents.setdefault(host.address, []).append(host.name)
                    if of_the_question:
                        self.neighbours.setdefault(host.address, []).append(host.name)
                for address in host.addresses():
                    self.owners_of.setdefault(address, []).append(host.name)
                if host.host_name:
                    word = first_word(host.host_name)
                    self.words[word] = self.words.get(word, 0) + 1

    def foreign(self, address: str, name: str) -> bool:
        """Whether an address belongs to other hosts than this one."""
        owners = self.owners_of.get(address, [name])
        return name not in owners


def _combined(first: Any, second: Any) -> Any:
    """One row for two sub-agents of one address, the fresher one first."""
    for name in ("datagrams", "lost", "out_of_order", "duplicates", "flow_samples", "counter_samples"):
        setattr(first, name, (getattr(first, name) or 0) + (getattr(second, name) or 0))
    for name in ("flow_age", "counter_age"):
        ages = [age for age in (getattr(first, name), getattr(second, name)) if age is not None]
        setattr(first, name, min(ages) if ages else None)
    if first.recent and second.recent:
        first.recent = (max(first.recent[0], second.recent[0]),) + tuple(
            sum(pair) for pair in zip(first.recent[1:], second.recent[1:])
        )
    first.data_sources = first.data_sources + second.data_sources
    first.sources = first.sources + [source for source in second.sources if source not in first.sources]
    return first


class Verdict:
    """A word, a sentence, a command, and whether waiting longer could change it."""

    def __init__(self, expected: "Expected", word: str, reason: str = "", next_command: str = "", final: bool = False,
                 row: Any = None) -> None:
        self.expected = expected
        self.word = word
        if word != REPORTING and expected.not_asked:
            reason += f" The host itself could not be asked: {expected.not_asked.rstrip('.')}."
        self.reason = reason
        self.next_command = next_command
        self.final = final or word == REPORTING
        self.row = row

    def as_dict(self) -> Dict[str, Any]:
        row = self.row
        return {
            "name": self.expected.name,
            "address": self.expected.address,
            "verdict": self.word,
            "reason": self.reason,
            "next_command": self.next_command,
            "hsflowd_version": self.expected.hsflowd_version,
            "seen_as": row.agent if row else None,
            "host_name": row.host_name if row else None,
            "age_seconds": _rounded(row.age) if row else None,
            "datagrams": row.datagrams if row else None,
            "lost": row.lost if row else None,
            "loss_percent": _rounded(loss_percent(row), 2) if row else None,
            "loss_seconds": _rounded(row.recent[0]) if row and row.recent else None,
            "flow_samples": row.flow_samples if row else None,
            "counter_samples": row.counter_samples if row else None,
            "sampling": sorted({int(s["sampling_rate"]) for s in row.data_sources if s["sampling_rate"]})
            if row
            else [],
            "polling_seconds": _rounded(observed_polling(row)) if row else None,
            "sources": row.sources if row else [],
            "server": row.server if row else None,
        }


def _rounded(value: Optional[float], digits: int = 1) -> Optional[float]:
    return round(value, digits) if value is not None else None


def losses(row: Any) -> Tuple[int, int]:
    """(lost, sent) lately, or since the agent was first seen where the server does not tell the recent ones."""
    _seconds, arrived, lost = row.recent or (None, row.datagrams or 0, row.lost or 0)
    return lost, arrived + lost


def loss_percent(row: Any) -> float:
    lost, sent = losses(row)
    return 100.0 * lost / sent if sent else 0.0


def observed_polling(row: Any) -> Optional[float]:
    """The shortest interval between two counter samples of one data source."""
    intervals = [source["polling"] for source in row.data_sources if source["polling"]]
    return min(intervals) if intervals else None


def _ago(seconds: Optional[float]) -> str:
    if seconds is None:
        return "at an unknown time"
    return _span(seconds) + " ago"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return "%.0f minutes" % (seconds / 60)
    return "%.0f hours" % (seconds / 3600)


JOURNAL = "journalctl -u hsflowd -n 30 --no-pager"
START = "systemctl restart hsflowd; " + JOURNAL


def judge(expected: "Expected", observation: "Observation", settings: "Settings", elapsed: float,
          fleet: "Fleet") -> "Verdict":
    """The verdict on one host.

    :param elapsed: seconds since ``expected.running_seconds`` was true at the latest
    """
    address = expected.address
    if address is None:
        # A name alone is weaker than an address: who owns that is known by it.
        named = [agent for agent in sorted(observation.named(expected, fleet)) if not fleet.foreign(agent, expected.name)]
        # So is an address that other hosts have too, such as that of a gateway which forwards ports to them.
        own = (a for a in expected.other_addresses if set(fleet.owners_of.get(a, [])) <= {expected.name})
        address = next((a for a in own if a in observation.rows), None)
        address = address or (named[0] if len(named) == 1 else None)
    row = observation.rows.get(address) if address else None

    down = _daemon_is_down(expected, row)
    if down:
        return down
    limit = settings.age_limit(expected.polling)
    running = expected.running_seconds + elapsed if expected.running_seconds is not None else None
    if row is None:
        return _not_seen(expected, observation, settings, fleet, limit if running is None else min(limit, running))
    sharing = _sharing(expected, row, fleet)
    if sharing:
        return sharing
    _forget_old_rates(row, running)
    late = _late(expected, row, settings, limit, running)
    if late:
        return late
    return _content(expected, row, settings, limit, running, elapsed) or Verdict(expected, REPORTING, row=row)


def _runs_for(row: Any, running: Optional[float]) -> Optional[float]:
    """For how long the daemon runs, by the host, or else by what the agent itself says; None if neither tells."""
    if running is None and row.uptime and row.age is not None:
        return row.uptime + row.age
    return running


def _forget_old_rates(row: Any, running: Optional[float]) -> None:
    """A rate from before the last start says nothing about the present one; a quiet interface keeps it until its next sample."""
    running = _runs_for(row, running)
    for source in row.data_sources:
        if running is not None and (source["flow_age"] is None or source["flow_age"] > running):
            source["sampling_rate"] = None


def _daemon_is_down(expected: "Expected", row: Any) -> Any:
    """What the host says about its daemon outweighs datagrams from before it ended."""
    before = f" Its last datagram came {_ago(row.age)}." if row else ""
    detail = f" ({expected.daemon_detail})" if expected.daemon_detail else ""
    if expected.daemon == "absent":
        return Verdict(
            expected,
            "silent",
            "hsflowd is not installed on it." + before,
            f"ansible-playbook netviz.sflow.site --limit {expected.name}",
            True,
            row,
        )
    if expected.daemon == "masked":
        reason = f"hsflowd is masked on it, so nothing can start it.{before}"
        return Verdict(expected, "silent", reason, "systemctl unmask hsflowd; " + START, True, row)
    if expected.daemon == "stopped":
        return Verdict(expected, "silent", f"hsflowd is not running on it{detail}.{before}", START, True, row)
    if expected.daemon == "failed":
        return Verdict(expected, "silent", f"hsflowd failed on it{detail}.{before}", JOURNAL, True, row)
    if expected.daemon == "starting":
        return Verdict(
            expected, "restarting", f"systemd keeps starting hsflowd again{detail}.{before}", JOURNAL, True, row
        )
    return None


def _not_seen(expected: "Expected", observation: "Observation", settings: "Settings", fleet: "Fleet",
              limit: float) -> "Verdict":
    elsewhere = observation.elsewhere(expected, fleet, fleet.residents, limit)
    if elsewhere:
        other = observation.rows[elsewhere]
        reason = "It reports as {}, expected was {}.".format(elsewhere, expected.address or "an address of its own")
        return Verdict(
            expected, "wrong_source", reason, "grep -i agentip /etc/hsflowd.auto /etc/hsflowd.conf", row=other
        )
    shared = observation.elsewhere(expected, fleet, (), limit)
    if shared and shared != expected.address and shared in fleet.residents:
        others = [name for name in fleet.residents[shared] if name != expected.name]
        reason = "It reports as {}, which is the agent address of {}.".format(shared, ", ".join(others[:3]))
        return Verdict(
            expected,
            "shared_address",
            reason,
            "grep -i agentip /etc/hsflowd.auto /etc/hsflowd.conf",
            row=observation.rows[shared],
        )
    if expected.collectors is not None and not expected.collectors:
        return Verdict(expected, "silent", "Its hsflowd has no collector.", "cat /etc/hsflowd.auto", True)
    stranger = _other_collector(expected, settings)
    if stranger:
        return Verdict(
            expected,
            "silent",
            "Its hsflowd sends to {} and not to this collector ({}).".format(*stranger),
            "cat /etc/hsflowd.auto",
        )
    before = observation.elsewhere(expected, fleet, fleet.residents, math.inf)
    seen = f" Under {before} it was last heard {_ago(observation.rows[before].age)}." if before else ""
    if expected.daemon == "running":
        target = expected.collectors[0] if expected.collectors else "the collector"
        reason = (
            "Its hsflowd runs, but no datagram of it has arrived: a firewall, a wrong route, or another agent address."
        )
        command = f"tcpdump -ni any udp port {_port(target)}  # datagrams to {target}"
        return Verdict(expected, "silent", reason + seen, command)
    reason = "No datagram of it arrives." if before else "No datagram of it has ever arrived."
    return Verdict(expected, "silent", reason + seen, START)


def _port(target: str) -> str:
    return split_endpoint(target)[1]


def _other_collector(expected: "Expected", settings: "Settings") -> Optional[Tuple[str, str]]:
    if not expected.collectors or not settings.collector_addresses:
        return None
    if settings.unresolved or settings.known_collectors & set(expected.collectors):
        return None
    return ", ".join(expected.collectors[:3]), ", ".join(settings.collector_addresses[:3])


def _sharing(expected: "Expected", row: Any, fleet: "Fleet") -> Any:
    command, owners_of = "grep -i agentip /etc/hsflowd.auto", fleet.owners_of
    others = [name for name in fleet.neighbours.get(row.agent, ()) if name != expected.name]
    final = bool(others)
    foreign = [source for source in row.sources if expected.name not in (owners_of.get(source) or ())]
    if not others and len(row.sources) > 1 and len(foreign) < len(row.sources):
        # The datagrams themselves come from this host and from another one of the fleet.
        others = sorted({owners_of[source][0] for source in foreign if len(owners_of.get(source) or ()) == 1})
    # A server remembers a source for a while. A host that reports under its own address again has gone from here.
    present = [name for name in others if final or name not in fleet.at_home]
    if present:
        reason = (
            f"{row.agent} is also the agent address of {', '.join(present[:3])};"
            " every host needs its own (hsflowd_agent, hsflowd_agent_cidr)."
        )
        return Verdict(expected, "shared_address", reason, command, final, row)
    if row.shared and not (others and len(others) == len(foreign)):
        sources = ", ".join(row.sources[:4]) or "unknown"
        reason = f"Several hosts send as {row.agent} (sources {sources}); every host needs its own agent address."
        return Verdict(expected, "shared_address", reason, command, False, row)
    return None


def _late(expected: "Expected", row: Any, settings: "Settings", limit: float, running: Optional[float]) -> Any:
    """Seen, but not lately enough."""
    since_start = running is None or (row.age is not None and row.age <= running)
    if row.age is not None and row.age <= limit and since_start:
        if expected.crashes >= 3 and running is not None and running < limit:
            reason = f"systemd has started hsflowd {expected.crashes} times again, the last time {_ago(running)}."
            return Verdict(expected, "restarting", reason, JOURNAL, False, row)
        return None
    if running is not None and not since_start and running < limit:
        reason = f"hsflowd was started {_ago(running)}; the last datagram is from before that ({_ago(row.age)})."
        return Verdict(expected, "restarting", reason, JOURNAL, False, row)
    stranger = _other_collector(expected, settings)
    if stranger:
        reason = "Seen %s; now its hsflowd sends to %s and not to this collector (%s)." % ((_ago(row.age),) + stranger)
        return Verdict(expected, "stale", reason, "cat /etc/hsflowd.auto", False, row)
    known = (
        "its hsflowd runs; is the way to the collector open?"
        if expected.daemon == "running"
        else "does its hsflowd still run?"
    )
    return Verdict(
        expected,
        "stale",
        f"Seen {_ago(row.age)}, allowed are {limit:.0f} s; {known}",
        "systemctl status hsflowd",
        False,
        row,
    )


def _content(expected: "Expected", row: Any, settings: "Settings", limit: float, running: Optional[float],
             elapsed: float) -> Any:
    """It reports: is it the right thing?"""
    recent = limit if running is None else min(limit, running)
    no_counters = not row.counter_samples or (row.counter_age is not None and row.counter_age > recent)
    if "counters" in settings.require and no_counters:
        reason = f"Datagrams arrive, but no counters within {recent:.0f} s: polling is off or longer than that."
        return Verdict(expected, "no_counters", reason, "grep polling /etc/hsflowd.auto /etc/hsflowd.conf", False, row)
    # What a quiet host showed at the beginning does not get too old while another host is waited for.
    no_flows = _no_flows(expected, row, settings, limit + elapsed, running)
    if no_flows:
        return no_flows
    wrong = _wrong_rate(expected, row, settings, running)
    if wrong:
        return wrong
    return _losing(expected, row, settings)


def _losing(expected: "Expected", row: Any, settings: "Settings") -> Any:
    (lost, sent), loss = losses(row), loss_percent(row)
    if lost < MIN_LOST or loss <= settings.max_loss:
        return None
    when = f"of the last {_span(row.recent[0])}" if row.recent else "since it was first seen"
    reason = (
        f"{lost} of {sent} datagrams {when} are lost ({loss:.1f} %, allowed are {settings.max_loss:g} %):"
        " a full queue on the way, or two hosts with one agent address."
    )
    return Verdict(expected, "losing", reason, "nstat -az UdpSndbufErrors UdpRcvbufErrors", True, row)


def _no_flows(expected: "Expected", row: Any, settings: "Settings", limit: float, running: Optional[float]) -> Any:
    if expected.samples or "flows" in settings.require:
        for module in sorted(expected.missing_libraries):
            libraries = ", ".join(expected.missing_libraries[module]) or "a library"
            arrive = row.flow_samples and row.flow_age is not None and row.flow_age <= limit
            what = f"not those of {module}" if arrive else "packet samples cannot"
            reason = f"{'Packet samples' if arrive else 'Counters'} arrive, {what}: mod_{module} finds no {libraries}."
            return Verdict(expected, "no_flows", reason, f"ldd /etc/hsflowd/modules/mod_{module}.so", True, row)
    recent = limit if running is None else min(limit, running)
    if row.flow_samples and (row.flows_grow is not False if row.flow_age is None else row.flow_age <= recent):
        return None
    if expected.no_tap and (expected.samples or "flows" in settings.require):
        reason = f"Counters arrive, packet samples cannot: {expected.no_tap}."
        return Verdict(expected, "no_flows", reason, "cat /etc/hsflowd.conf; ip -br link", True, row)
    if "flows" not in settings.require:
        return None
    rates = "/".join(str(rate) for rate in expected.sampling) or "N"
    reason = (
        f"Counters arrive, but no packet sample for {recent:.0f} s: too little traffic for 1 in {rates}, or no tap."
    )
    return Verdict(expected, "no_flows", reason, "cat /etc/hsflowd.conf; ip -s link", False, row)


def _wrong_rate(expected: "Expected", row: Any, settings: "Settings", running: Optional[float]) -> Any:
    for source in row.data_sources:
        rate = source["sampling_rate"]
        if not rate or not expected.sampling:
            continue
        if not any(abs(rate - wanted) <= settings.rate_tolerance * wanted for wanted in expected.sampling):
            wanted = " or ".join(str(wanted) for wanted in expected.sampling)
            reason = f"{source['name']} samples 1 in {rate:.0f}, configured is 1 in {wanted}."
            return Verdict(
                expected, "wrong_rate", reason, "grep sampling /etc/hsflowd.auto /etc/hsflowd.conf", False, row
            )
    observed, running = observed_polling(row), _runs_for(row, running)
    if running is not None and expected.polling and running < 2 * expected.polling:
        return None  # the interval still spans the last start
    if observed and expected.polling and not 0.75 * expected.polling - 1 <= observed <= 1.25 * expected.polling + 1:
        reason = f"Counters come every {observed:.0f} s, configured is every {expected.polling} s."
        return Verdict(expected, "wrong_rate", reason, "grep polling /etc/hsflowd.auto /etc/hsflowd.conf", False, row)
    return None


def _at_home(host: "Expected", observation: "Observation", settings: "Settings", elapsed: float) -> bool:
    for address in [host.address] if host.address else host.other_addresses:
        row = observation.rows.get(address)
        if row is not None and row.age is not None and row.age <= settings.age_limit(host.polling):
            return host.running_seconds is None or row.age <= host.running_seconds + elapsed
    return False


def judge_all(expected: Sequence["Expected"], observation: "Observation", settings: "Settings", elapsed: float,
              others: Sequence["Expected"] = ()) -> List["Verdict"]:
    """The verdicts on all hosts of the question.

    :param others: further hosts of the fleet, which get no verdict: their addresses tell whose a datagram is
    """
    fleet = Fleet(expected, others, lambda host: _at_home(host, observation, settings, elapsed))
    return [judge(host, observation, settings, elapsed, fleet) for host in expected]


def unexpected_agents(expected: List["Expected"], observation: "Observation", verdicts: List["Verdict"],
                      settings: "Settings") -> List[Any]:
    """Agents that report now and belong to no host of the question."""
    known = {host.address for host in expected} | {verdict.row.agent for verdict in verdicts if verdict.row}
    rows = [row for agent, row in sorted(observation.rows.items()) if agent not in known]
    return [
        {"address": row.agent, "host_name": row.host_name, "age_seconds": _rounded(row.age)}
        for row in rows
        if row.age is not None and row.age <= settings.age_limit(observed_polling(row))
    ]


def server_warnings(server: Dict[str, Any]) -> List[Any]:
    """What at the server itself makes telemetry disappear."""
    found, url = [], server["url"]
    if server["dropped_at_socket"]:
        number = server["dropped_at_socket"]
        found.append(f"{url} dropped {number} datagrams at its socket; give it a larger receive buffer.")
    if server["parse_errors"]:
        number = server["parse_errors"]
        found.append(f"{url} could not read {number} datagrams; something that is no sFlow v5 is sent to it.")
    if server["refused"]:
        found.append(f"{url} refused {server['refused']} datagrams because of its allow-list.")
    if server["overflow"]:
        found.append(f"{url} has no room for more agents and left out {server['overflow']} datagrams.")
    return found


class Clock:
    now = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)


def default_timeout(expected: List["Expected"]) -> float:
    """Long enough for two exports of the slowest host after the moment of the question."""
    return 2.5 * max([host.polling or DEFAULT_POLLING for host in expected] or [DEFAULT_POLLING]) + 10


def prove(clients: List[Any], expected: List["Expected"], settings: "Settings", timeout: float,
          request_timeout: float = 10.0, waited: float = 0.0, others: Sequence["Expected"] = (),
          clock: Any = Clock) -> Dict[str, List[Any]]:
    """Asks until every host reports, waiting is of no use or the time is over. Every host gets a verdict.

    :param waited: seconds that have passed since the hosts were looked at; they count as if they had been waited here
    :param others: as judge_all() takes them
    """
    start = clock.now() - waited
    pause, attempts = 0.5, 0
    samples: Dict[Any, Any] = {}
    while True:
        attempts += 1
        limit = max(min(request_timeout, timeout - (clock.now() - start)), 1.0)
        rows: List[Any] = []
        servers: List[Dict[str, Any]] = []
        errors: List[str] = []
        asked = clock.now() - start  # the ages in an answer are from then at the earliest, however long another server takes
        for found, server, error in _ask(clients, limit):
            if error:
                errors.append(error)
            else:
                servers.append(server)
                rows.extend(found)
        elapsed = clock.now() - start
        observation = Observation(rows)
        if servers:
            _compare_samples(rows, samples, timeout)
            verdicts = judge_all(expected, observation, settings, asked, others)
            if errors:
                # A host that the silent server might know is not judged by the others' ignorance.
                verdicts = [
                    _unknown(v.expected, errors) if v.word in ("silent", "stale") and not v.final else v
                    for v in verdicts
                ]
        else:
            verdicts = [_unknown(host, errors) for host in expected]
        if elapsed >= timeout or all(verdict.final for verdict in verdicts):
            break
        clock.sleep(min(pause, timeout - elapsed))
        pause = min(pause * 1.5, 5.0)
    return {
        "verdicts": verdicts,
        "servers": servers,
        "errors": errors,
        "unexpected": unexpected_agents(expected, observation, verdicts, settings),
        "attempts": attempts,
        "waited_seconds": round(elapsed, 1),
    }


def _compare_samples(rows: Iterable[Any], samples: Dict[Any, Any], timeout: float) -> None:
    """sFlow-RT does not tell how old the last packet sample is: it is recent where their number has changed since the first answer.

    Who does not wait cannot know, and takes any.
    """
    for row in rows:
        if row.flow_age is None and timeout > 0:
            row.flows_grow = row.flow_samples != samples.setdefault((row.server, row.agent, row.sub_agent), row.flow_samples)


def _ask(clients: List[Any], limit: float) -> List[Tuple[Any, Any, Optional[str]]]:
    """The answers of all servers at once, because the time of those that do not answer would add up."""

    def ask(client: Any) -> Tuple[Any, Any, Optional[str]]:
        try:
            server, rows = client.observe(limit)
        except ApiError as exc:
            return None, None, str(exc)
        return rows, server, None

    if len(clients) == 1:
        return [ask(clients[0])]
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(ask, clients))


def _unknown(expected: "Expected", errors: List[str]) -> "Verdict":
    return Verdict(expected, UNKNOWN, errors[0] if errors else "", "systemctl status sflow-collector")


def in_order(verdicts: List["Verdict"]) -> List["Verdict"]:
    """Failing hosts first, the worst verdict first."""
    return sorted(verdicts, key=lambda verdict: (VERDICTS.index(verdict.word), verdict.expected.name))


def counts(verdicts: List["Verdict"]) -> Dict[str, int]:
    found: Dict[Any, Any] = {}
    for verdict in verdicts:
        found[verdict.word] = found.get(verdict.word, 0) + 1
    return found


# -- from hsflowd_info to an expectation ------------------------------------------------------------------------------


# The modules of hsflowd that sample packets by themselves, and those that have a switch do it.
TAPS = ("pcap", "epcap", "nflog", "ulog", "psample")
SWITCHES = ("dent", "eapi", "ovs", "vpp")


def expectation(name: str, info: Optional[Dict[Any, Any]] = None, address: Optional[str] = None,
                other_addresses: Sequence[str] = (), polling: Any = None, sampling: Optional[List[int]] = None,
                taps: Collection[str] = ("pcap",), no_tap: Any = None) -> Dict[str, Any]:
    """What to demand of a host, by ``hsflowd_info`` and by the inventory; the inventory wins.

    :param taps: the modules of hsflowd that are configured
    :param no_tap: why these find nothing to sample on this host, if that is known
    """
    info = info if isinstance(info, dict) else {}
    auto = _dict(info.get("auto"))
    expected: Dict[str, Any] = {
        "name": name,
        # With an uplink that came late hsflowd goes on to say the loopback address, and sends another one.
        "address": address or (auto.get("agent_ip") if _unique([auto.get("agent_ip") or ""]) else None),
        "other_addresses": _known_addresses(info, other_addresses),
        "host_name": info.get("hostname"),
        "hsflowd_version": _dict(info.get("package")).get("version"),
        "polling": _integer(polling if polling is not None else auto.get("polling")),
        "sampling": [_integer(rate) for rate in sampling]
        if sampling is not None
        else [rate for rate in [_integer(auto.get("sampling"))] if rate],
        "missing_libraries": {},
        "daemon": "unknown",
    }
    if "unit" in info:
        expected.update(_daemon(info))
    settled = bool(auto.get("complete")) and expected["daemon"] == "running"
    if settled:
        expected["collectors"] = [
            _endpoint(collector) for collector in auto.get("collectors") or [] if isinstance(collector, dict)
        ]
    modules = _dict(info.get("modules"))
    broken, mapped = _dict(modules.get("broken")), modules.get("mapped") or []
    expected["missing_libraries"] = {
        module: list(broken[module]) for module in TAPS if module in taps and module in broken and module not in mapped
    }
    if not set(taps) & set(TAPS + SWITCHES):
        expected["sampling"] = [0]  # on purpose
        expected["no_tap"] = "no module that samples packets is configured (hsflowd_pcap, hsflowd_modules)"
    elif expected["sampling"] and not any(expected["sampling"]):
        expected["no_tap"] = "sampling is switched off (hsflowd_sampling: 0)"
    else:
        expected["no_tap"] = (settled and _not_loaded(taps, modules)) or no_tap
    return {key: value for key, value in expected.items() if value is not None}


def _not_loaded(taps: Collection[str], modules: Dict[Any, Any]) -> Any:
    """Why none of the configured taps is at work, by the modules that are installed and those that the daemon has loaded."""
    wanted = [module for module in TAPS if module in taps]
    available, mapped = modules.get("available") or [], modules.get("mapped") or []
    if not wanted or set(taps) & set(SWITCHES):
        return None
    names = " nor ".join(f"mod_{module}" for module in wanted)
    if available and not set(wanted) & set(available):
        return f"its package of hsflowd has no {names}"
    # Without root nothing can be seen of what is loaded.
    if mapped and not set(wanted) & set(mapped):
        return f"its hsflowd has not loaded {names}, so its configuration names none or is older"
    return None


def _daemon(info: Dict[Any, Any]) -> Dict[str, Any]:
    unit, package = _dict(info.get("unit")), _dict(info.get("package"))
    active, sub = unit.get("active_state"), unit.get("sub_state")
    detail = "/".join(str(part) for part in (active, sub) if part)
    found = {"crashes": _integer(unit.get("n_restarts")) or 0, "daemon_detail": detail}
    if package.get("installed") is False and active != "active":
        found["daemon"] = "absent"
    elif active == "active":
        found["daemon"] = "running"
        if isinstance(unit.get("running_seconds"), (int, float)):
            found["running_seconds"] = float(unit["running_seconds"])
    elif active == "failed":
        found["daemon"] = "failed"
        found["daemon_detail"] = "result {}".format(unit["result"]) if unit.get("result") else detail
    elif active in ("activating", "reloading"):
        found["daemon"] = "starting"
    elif active in ("inactive", "deactivating"):
        found["daemon"] = "masked" if unit.get("load_state") == "masked" else "stopped"
    return found


# Bridges of container engines and hypervisors have the same address on every host.
_ALIKE = re.compile(r"docker|br-[0-9a-f]{12}$|virbr|cni|cbr|lxcbr|lxdbr|podman|nerdctl|vmnet|vboxnet")


def own_addresses(info: Dict[Any, Any]) -> List[str]:
    """The addresses of the interfaces of an observed host, without those that many hosts have."""
    texts = [
        str(address).split("/", 1)[0]
        for interface in info.get("interfaces") or []
        if not _ALIKE.match(str(_dict(interface).get("name")))
        for address in _dict(interface).get("addresses") or []
    ]
    return _unique(texts)


def _unique(texts: Iterable[str]) -> List[str]:
    found = [address for address in map(canonical_address, texts) if address]
    return [address for address in found if not address.startswith(("127.", "fe80:")) and address != "::1"]


def _known_addresses(info: Dict[Any, Any], other_addresses: Sequence[str]) -> List[str]:
    found = _unique(other_addresses) + own_addresses(info)
    return [a for n, a in enumerate(found) if a not in found[:n]]


def _endpoint(collector: Dict[Any, Any]) -> str:
    ip = canonical_address(collector.get("ip")) or collector.get("ip")
    return "{}:{}".format(ip, collector.get("udpport") or 6343)


def _dict(value: Any) -> Dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _integer(value: Any) -> Optional[int]:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
