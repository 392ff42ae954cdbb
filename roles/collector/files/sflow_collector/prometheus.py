# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account as Prometheus text: the collector's own health, and a bounded number of series per agent.

A counter is only what never falls while the service runs. What is known better later (a datagram that was counted
as lost arrives late, a restart turns out to be none) is a gauge. docs/monitoring.md lists all of it.
"""

from typing import Any, Iterator, List, Tuple

from . import VERSION, views, wire

MAX_AGENTS = 10000  # agents with series of their own, those first seen; the whole fleet is in /fleet/json
TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: (name, type, help, value of the collector's figures)
OWN: Tuple[Tuple[str, str, str, Any], ...] = (
    ("sflow_collector_datagrams_total", "counter", "Datagrams received.", lambda own: own["udp"]["datagrams"]),
    ("sflow_collector_bytes_total", "counter", "Bytes received.", lambda own: own["udp"]["bytes"]),
    ("sflow_collector_kernel_drops_total", "counter",
     "Datagrams the kernel dropped because the receive buffer was full.", lambda own: own["udp"]["kernel_drops"]),
    ("sflow_collector_truncated_datagrams_total", "counter", "Datagrams longer than a receive slot.",
     lambda own: own["udp"]["truncated"]),
    ("sflow_collector_refused_datagrams_total", "counter", "Datagrams from sources that are not allowed.",
     lambda own: own["udp"]["refused"]),
    ("sflow_collector_overflow_datagrams_total", "counter", "Datagrams of agents beyond the limit.",
     lambda own: own["overflow_datagrams"]),
    ("sflow_collector_agents", "gauge", "Agents in the account.", lambda own: own["agents"]),
    ("sflow_collector_max_agents", "gauge", "The limit of agents.", lambda own: own["max_agents"]),
    ("sflow_collector_agents_without_series", "gauge",
     "Agents in the account that have no series here: those first seen have them.",
     lambda own: max(0, own["agents"] - MAX_AGENTS)),
    ("sflow_collector_receive_buffer_bytes", "gauge", "Size of the receive buffer.",
     lambda own: own["udp"]["receive_buffer_bytes"]),
    ("process_start_time_seconds", "gauge", "When the collector started.", lambda own: own["started"]),
)

#: (name, type, help, value of an agent's row)
AGENT = (
    ("last_seen_timestamp_seconds", "gauge", "When the last datagram of the agent arrived.", None),
    ("datagrams_total", "counter", "Datagrams of the agent.", "datagrams"),
    ("lost_datagrams", "gauge", "Datagrams missing by their sequence numbers; one that comes late is taken off.", "lost"),
    ("restarts", "gauge", "Restarts of the agent.", "restarts"),
    ("flow_samples_total", "counter", "Flow samples of the agent.", "flow_samples"),
    ("counter_samples_total", "counter", "Counter samples of the agent.", "counter_samples"),
    ("shared_address", "gauge", "1 when two hosts speak for this agent address.", "shared"),
)


def render(core: Any) -> Iterator[bytes]:
    """The text in pieces."""
    account = core.account  # with workers another request may put a new one in its place between two pieces
    left = yield from views.given_up(account)
    now = core.clock()
    own = views.collector(core, now)
    lines: List[Any] = []
    _head(lines, "sflow_collector_info", "gauge", "Version and decoder of the collector.")
    lines.append('sflow_collector_info{version="%s",decoder="%s"} 1' % (VERSION, own["decoder"]))
    for name, kind, text, value in OWN:
        _head(lines, name, kind, text)
        lines.append("%s %s" % (name, value(own)))
    _head(lines, "process_cpu_seconds_total", "counter", "CPU time of the collector and its workers.")
    lines.append("process_cpu_seconds_total %.2f" % core.usage()[0])
    _head(lines, "sflow_collector_errors_total", "counter", "Datagrams or samples that could not be read, by reason.")
    lines.extend('sflow_collector_errors_total{reason="%s"} %d' % item for item in sorted(
        (reason or "other", number) for reason, number in own["errors"].items()))
    yield _text(lines)
    agents = sorted((agent for agent in account.by_number if agent not in left), key=lambda agent: (agent.first, agent.address, agent.sub_agent))[:MAX_AGENTS]
    rows: List[Any] = []
    for start in range(0, len(agents), views.PIECE):
        rows.extend(_row(account, agent, now, core.absolute) for agent in agents[start:start + views.PIECE])
        yield b""
    for number, (name, kind, text, _key) in enumerate(AGENT):
        lines = []
        _head(lines, "sflow_agent_" + name, kind, text)
        lines.extend("sflow_agent_%s{%s} %s" % (name, labels, values[number]) for labels, values, _rates in rows)
        yield _text(lines)
    lines = []
    _head(lines, "sflow_agent_sampling_rate", "gauge", "Sampling rate as observed: one packet in so many.")
    lines.extend('sflow_agent_sampling_rate{%s,data_source="%s"} %d' % (labels, source, rate)
                 for labels, _values, rates in rows for source, rate in rates)
    yield _text(lines)


def _head(lines: List[str], name: str, kind: str, text: str) -> None:
    lines.append("# HELP %s %s" % (name, text))
    lines.append("# TYPE %s %s" % (name, kind))


def _text(lines: List[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8")


def _row(account: Any, agent: Any, now: int, absolute: Any) -> Tuple[str, List[Any], List[Tuple[str, int]]]:
    """(labels, values in the order of AGENT, sampling rates) of an agent."""
    labels = 'agent="%s",sub_agent="%d",host="%s"' % (
        views.address_text(agent.address), agent.sub_agent, _escape(account.host_name(agent) or ""))
    last = max(account.streams.last[row] for _source, row in agent.streams)
    sums = account.sums(agent)
    values = ["%.3f" % (absolute(last) / 1000.0), sums["datagrams"], max(0, sums["lost"]), sums["restarts"], sums["flows"],
              sums["counters"], int(account.shared(agent, now))]
    rates = [(wire.source_name(source), account.points.rate[point])
             for source, point in sorted(agent.points.items()) if account.points.flows[point]]
    return labels, values, rates


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
