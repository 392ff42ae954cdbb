#!/usr/bin/python
# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
---
module: sflow_agents_info
short_description: Prove for every host of a fleet that its sFlow telemetry arrives
version_added: 1.0.0
description:
  - Asks a collector which sFlow agents it hears, waits until every expected one reports, and gives a verdict per host.
  - Understands the collector of this collection (its C(/fleet/json)) and sFlow-RT 3.x (its C(/agents/json)), and finds out which one
    it talks to. Several servers are asked at the same time and their answers are merged; the server that heard of an agent last counts.
  - One call serves the whole fleet. It changes nothing anywhere.
  - The module runs where the server can be reached. The collector and sFlow-RT of this collection listen on 127.0.0.1, so delegate the
    task to their host.
notes:
  - 'V(reporting): a datagram came within O(max_age), after the start of the daemon if O(agents[].running_seconds) tells it, and nothing
    below applies.'
  - 'V(silent): the server never saw the agent under its address, nor lately under another one, or the host says that hsflowd is not
    installed, not running or failed. What the host says counts more than datagrams from before the daemon ended, so a stopped agent is
    silent at once and nobody waits for it.'
  - 'V(stale): seen earlier, not within O(max_age), and the daemon runs as far as is known. Without O(agents[].daemon) a stopped agent
    ends here, because the server alone cannot know why the datagrams stopped.'
  - 'V(restarting): the daemon was started within O(max_age) and its first datagram since then is still missing, or systemd keeps starting
    it again.'
  - 'V(wrong_source): it reports, but under another agent address than expected.'
  - 'V(shared_address): several hosts report under one agent address, so none of them is visible on its own.'
  - 'V(no_counters), V(no_flows): datagrams arrive without counters or packet samples. V(no_flows) is given unasked when samples are
    impossible, because a library is missing or nothing is tapped, and otherwise only with V(flows) in O(require).'
  - 'V(wrong_rate): the observed sampling rate is none of O(agents[].sampling), or the observed interval is not O(agents[].polling).
    A sampling rate counts only if a sample came with it since the daemon was started: a quiet interface says nothing. sFlow-RT tells
    neither, so this verdict needs the collector of this collection.'
  - 'V(losing): more than O(max_loss) percent of the datagrams, and at least five of them, were lost on the way. The collector of this
    collection tells the losses of the last five to ten minutes, sFlow-RT those since it first saw the agent.'
  - 'V(unknown): no server could be asked.'
author:
  - netviz.sflow contributors (@netviz)
attributes:
  check_mode:
    support: full
    description: The module changes nothing, in check mode or otherwise.
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  url:
    description:
      - The servers to ask, each as the base of its URLs.
    type: list
    elements: str
    required: true
  agents:
    description:
      - The hosts that should report. The filter P(netviz.sflow.sflow_questions#filter) makes this list from the inventory and
        M(netviz.sflow.hsflowd_info).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the host in the inventory.
        type: str
        required: true
      address:
        description:
          - The agent address under which it should report. Without it the host is found by O(agents[].other_addresses) or
            O(agents[].host_name).
        type: str
      other_addresses:
        description: Further addresses of the host, by which it is recognised when it reports under the wrong one.
        type: list
        elements: str
        default: []
      host_name:
        description: The host name that the agent sends along.
        type: str
      polling:
        description: The configured interval of the counters in seconds.
        type: int
      sampling:
        description:
          - The sampling rates, 1 in N each, that follow from its configuration. An interface may use any of them.
          - Empty if they are not known, which leaves them unjudged. V([0]) if it samples nothing on purpose.
        type: list
        elements: int
        default: []
      daemon:
        description: What the host says about its daemon.
        type: str
        choices: [running, stopped, masked, failed, starting, absent, unknown]
        default: unknown
      daemon_detail:
        description: The words of systemd on it, for the sentence.
        type: str
      running_seconds:
        description:
          - For how long the daemon has been running, in seconds. A datagram from before its start proves nothing.
        type: float
      crashes:
        description: How many times systemd has started the daemon again by itself.
        type: int
        default: 0
      collectors:
        description: The collectors that the daemon sends to, as C(address:port).
        type: list
        elements: str
      missing_libraries:
        description: The configured modules of hsflowd that sample packets and cannot be loaded, each with the libraries that it misses.
        type: dict
        default: {}
      no_tap:
        description: Why the daemon samples no packets at all, if it is known that it does not; without a full stop.
        type: str
      hsflowd_version:
        description: The version of its package hsflowd. It is returned as it is.
        type: str
      not_asked:
        description: Why the host itself could not be asked, if so; it is added to the sentence.
        type: str
  others:
    description:
      - Further hosts of the fleet. They get no verdict, but their addresses tell whether a datagram that came from another source, or
        under another agent address, is one of theirs.
      - Each has some of the options of O(agents).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the host in the inventory.
        type: str
        required: true
      address:
        description: The agent address under which it should report.
        type: str
      other_addresses:
        description: Further addresses of the host.
        type: list
        elements: str
        default: []
      host_name:
        description: The host name that its agent sends along.
        type: str
      polling:
        description: The configured interval of its counters in seconds.
        type: int
      running_seconds:
        description: For how long its daemon has been running, in seconds.
        type: float
  max_age:
    description:
      - The age in seconds up to which the last datagram of an agent counts. The last packet sample counts if it was not older when the
        question was asked, so that nothing gets too old while another host is waited for.
      - The default is two and a half times its O(agents[].polling), or 75 seconds if that is not known.
    type: float
  max_loss:
    description: The share of lost datagrams in percent, 0 to 100, above which an agent is V(losing).
    type: float
    default: 1.0
  require:
    description:
      - What must arrive from every host. Packet samples need traffic, so V(flows) is for fleets or moments that have some.
    type: list
    elements: str
    choices: [counters, flows]
    default: [counters]
  timeout:
    description:
      - How long to wait at most, in seconds, for the whole fleet. V(0) looks once.
      - The default is two and a half times the longest polling interval plus ten seconds.
    type: float
  waited:
    description:
      - How many seconds ago the agents were looked at. O(timeout) counts from there, and O(agents[].running_seconds) grows by as much.
      - So several questions that are asked one after another share one timeout, instead of adding theirs up. Each looks once at least.
    type: float
    default: 0.0
  request_timeout:
    description: How long one request may take, in seconds, 0.1 to 3600.
    type: float
    default: 10.0
  fail_unless_proved:
    description:
      - Whether the task fails when a host does not report. The return values are the same either way.
    type: bool
    default: true
  collector_addresses:
    description:
      - The servers as the agents know them, as C(address:port) or C(name:port), so that an agent which sends elsewhere can be told from
        one that is unheard. An IPv6 address may have brackets. Names are resolved where the module runs.
    type: list
    elements: str
    default: []
  token:
    description: A bearer token for the server, if it wants one.
    type: str
  validate_certs:
    description: Whether the certificate of a server with an C(https) URL is checked.
    type: bool
    default: true
  ca_path:
    description: A file of certificate authorities to check it against, instead of those of the system.
    type: path
  use_proxy:
    description: Whether the proxy of the environment is used.
    type: bool
    default: false
seealso:
  - module: netviz.sflow.hsflowd_info
"""

EXAMPLES = r"""
- name: Wait until two agents report
  netviz.sflow.sflow_agents_info:
    url: http://127.0.0.1:8008
    agents:
      - name: web1
        address: 192.0.2.11
        polling: 20
        sampling: [400]
      - name: web2
        address: 192.0.2.12
        polling: 20
  delegate_to: collector.example.net
  run_once: true

- name: Look once at two collectors and go on in any case
  netviz.sflow.sflow_agents_info:
    url:
      - http://192.0.2.2:8008
      - http://198.51.100.2:8008
    agents:
      - name: web1
        address: 192.0.2.11
    timeout: 0
    fail_unless_proved: false
  delegate_to: localhost
  run_once: true
  register: proof

- name: Name the hosts that are not proved
  ansible.builtin.debug:
    msg: "{{ proof.failing }}"
"""

RETURN = r"""
msg:
  description: How many hosts are not proved, and which.
  returned: when a host does not report
  type: str
  sample: "1 of 2 hosts are not proved after 2.4 s: web2 (silent)."
proved:
  description: Whether every host reports.
  returned: always
  type: bool
  sample: false
failing:
  description: The names of the hosts that do not report, the worst first.
  returned: always
  type: list
  elements: str
  sample: [web2]
verdict_counts:
  description: How many hosts have which verdict.
  returned: always
  type: dict
  sample: {silent: 1, reporting: 1}
agents:
  description:
    - A verdict per host, the failing ones first.
    - All keys are always there. What is not known is V(none), or an empty list.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name of the host in the inventory.
      type: str
    address:
      description: The agent address that was expected.
      type: str
    verdict:
      description: One of the words in the notes.
      type: str
    reason:
      description: A sentence on the likely cause; empty for a host that reports.
      type: str
    next_command:
      description:
        - A command that leads further, to be run on the host unless it names an ansible command. Empty for a host that reports.
      type: str
    hsflowd_version:
      description: The version of its package hsflowd, from O(agents[].hsflowd_version).
      type: str
    seen_as:
      description: The agent address under which it was seen.
      type: str
    host_name:
      description: The host name that the agent sends.
      type: str
    age_seconds:
      description: The age of its last datagram.
      type: float
    datagrams:
      description: How many datagrams of it have arrived since it was first seen.
      type: int
    lost:
      description: How many have not, by their sequence numbers.
      type: int
    loss_percent:
      description: The share of the lost ones, of the last RV(agents[].loss_seconds) or else since it was first seen.
      type: float
    loss_seconds:
      description: The time that RV(agents[].loss_percent) is about. V(none) where the server tells the losses since it first saw the agent.
      type: float
    flow_samples:
      description: How many packet samples have arrived.
      type: int
    counter_samples:
      description: How many counter samples have arrived.
      type: int
    sampling:
      description: The sampling rates of the packet samples that have arrived since the daemon was started, 1 in N each.
      type: list
      elements: int
    polling_seconds:
      description: The observed interval of the counters.
      type: float
    sources:
      description: The addresses from which the datagrams came.
      type: list
      elements: str
    server:
      description: The URL of the server that heard of it last.
      type: str
  sample:
    - name: web2
      address: 192.0.2.12
      verdict: silent
      reason: hsflowd is not running on it (inactive/dead). Its last datagram came 31 s ago.
      next_command: systemctl restart hsflowd; journalctl -u hsflowd -n 30 --no-pager
      hsflowd_version: 2.0.53-1
      seen_as: 192.0.2.12
      host_name: web2
      age_seconds: 31.0
      datagrams: 4711
      lost: 0
      loss_percent: 0.0
      loss_seconds: 420.0
      flow_samples: 120
      counter_samples: 9400
      sampling: [400]
      polling_seconds: 20.0
      sources: [192.0.2.12]
      server: http://127.0.0.1:8008
unexpected:
  description: Agents that report, within O(max_age), and belong to none of the hosts; at most 200 of them.
  returned: always
  type: list
  elements: dict
  contains:
    address:
      description: The agent address.
      type: str
    host_name:
      description: The host name that the agent sends, or V(none).
      type: str
    age_seconds:
      description: The age of its last datagram.
      type: float
  sample: [{address: 198.51.100.7, host_name: old-host, age_seconds: 3.2}]
unexpected_count:
  description: How many such agents there are.
  returned: always
  type: int
  sample: 1
servers:
  description: The servers that answered, with their own health. Each count is since the start of the server.
  returned: always
  type: list
  elements: dict
  contains:
    url:
      description: The URL that was given.
      type: str
    kind:
      description: V(netviz.sflow) or V(sFlow-RT).
      type: str
    version:
      description: The version of the server, or V(none).
      type: str
    uptime_seconds:
      description: For how long the server has been running, or V(none).
      type: float
    agents:
      description: How many agents it knows.
      type: int
    datagrams:
      description: How many datagrams it received.
      type: int
    dropped_at_socket:
      description: How many the kernel, or sFlow-RT itself, threw away because the server was too slow.
      type: int
    parse_errors:
      description: How many it could not read.
      type: int
    refused:
      description: How many it refused because of its allow-list.
      type: int
    overflow:
      description: How many it left out because it had no room for more agents.
      type: int
  sample:
    - url: http://127.0.0.1:8008
      kind: netviz.sflow
      version: 1.0.0
      uptime_seconds: 86400.5
      agents: 3
      datagrams: 14133
      dropped_at_socket: 0
      parse_errors: 0
      refused: 0
      overflow: 0
server_errors:
  description: What went wrong at servers that did not answer, in sentences.
  returned: always
  type: list
  elements: str
  sample: []
attempts:
  description: How many times the servers were asked.
  returned: always
  type: int
  sample: 3
waited_seconds:
  description: How long it took, with O(waited).
  returned: always
  type: float
  sample: 2.4
"""

from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netviz.sflow.plugins.module_utils import _agents_api as api
from ansible_collections.netviz.sflow.plugins.module_utils import _verdicts as verdicts

AGENT_OPTIONS = {
    "name": {"type": "str", "required": True},
    "address": {"type": "str"},
    "other_addresses": {"type": "list", "elements": "str", "default": []},
    "host_name": {"type": "str"},
    "polling": {"type": "int"},
    "sampling": {"type": "list", "elements": "int", "default": []},
    "daemon": {
        "type": "str",
        "choices": ["running", "stopped", "masked", "failed", "starting", "absent", "unknown"],
        "default": "unknown",
    },
    "daemon_detail": {"type": "str"},
    "running_seconds": {"type": "float"},
    "crashes": {"type": "int", "default": 0},
    "collectors": {"type": "list", "elements": "str"},
    "missing_libraries": {"type": "dict", "default": {}},
    "no_tap": {"type": "str"},
    "hsflowd_version": {"type": "str"},
    "not_asked": {"type": "str"},
}
OTHER_OPTIONS = {
    name: AGENT_OPTIONS[name] for name in ("name", "address", "other_addresses", "host_name", "polling", "running_seconds")
}

WEEK = 7 * 86400
#: The least and the greatest value of an option: seconds, and of max_loss percent.
RANGES = {"max_age": (0, WEEK), "max_loss": (0, 100), "timeout": (0, WEEK), "waited": (0, WEEK), "request_timeout": (0.1, 3600)}


def check(module: Any, expected: List["verdicts.Expected"]) -> None:
    """What the argument specification cannot say."""
    for agent in module.params["agents"]:
        if agent["address"] and api.canonical_address(agent["address"]) is None:
            module.fail_json(msg="The agent address {} of {} is no IP address.".format(agent["address"], agent["name"]))
    names = [host.name for host in expected]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        module.fail_json(msg="These hosts are named twice in agents: {}.".format(", ".join(twice)))
    for option, (low, high) in RANGES.items():
        value = module.params[option]
        if value is not None and not low <= value <= high:
            module.fail_json(msg=f"{option} is {value:g}; expected a number from {low} to {high}.")
    if not module.params["url"]:
        module.fail_json(msg="url is empty; give at least one server to ask.")


def sentence(result: Dict[str, List[Any]], expected: List["verdicts.Expected"],
             failing: List["verdicts.Verdict"]) -> str:
    if not result["servers"]:
        return "No collector could be asked: " + " ".join(result["errors"])
    shown = ", ".join(f"{v.expected.name} ({v.word})" for v in failing[:10])
    more = f" and {len(failing) - 10} more" if len(failing) > 10 else ""
    waited = result["waited_seconds"]
    return f"{len(failing)} of {len(expected)} hosts are not proved after {waited:g} s: {shown}{more}."


def answer(result: Dict[str, List[Any]], expected: List["verdicts.Expected"]) -> Dict[str, Any]:
    """The return values."""
    ordered = verdicts.in_order(result["verdicts"])
    failing = [verdict for verdict in ordered if verdict.word != verdicts.REPORTING]
    values = {
        "changed": False,
        "proved": not failing,
        "failing": [verdict.expected.name for verdict in failing],
        "verdict_counts": verdicts.counts(ordered),
        "agents": [verdict.as_dict() for verdict in ordered],
        "unexpected": result["unexpected"][: verdicts.MAX_UNEXPECTED],
        "unexpected_count": len(result["unexpected"]),
        "servers": result["servers"],
        "server_errors": result["errors"],
        "attempts": result["attempts"],
        "waited_seconds": result["waited_seconds"],
    }
    if failing:
        values["msg"] = sentence(result, expected, failing)
    return values


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "list", "elements": "str", "required": True},
            "agents": {"type": "list", "elements": "dict", "required": True, "options": AGENT_OPTIONS},
            "others": {"type": "list", "elements": "dict", "default": [], "options": OTHER_OPTIONS},
            "max_age": {"type": "float"},
            "max_loss": {"type": "float", "default": 1.0},
            "require": {"type": "list", "elements": "str", "choices": ["counters", "flows"], "default": ["counters"]},
            "timeout": {"type": "float"},
            "waited": {"type": "float", "default": 0.0},
            "request_timeout": {"type": "float", "default": 10.0},
            "fail_unless_proved": {"type": "bool", "default": True},
            "collector_addresses": {"type": "list", "elements": "str", "default": []},
            "token": {"type": "str", "no_log": True},
            "validate_certs": {"type": "bool", "default": True},
            "ca_path": {"type": "path"},
            "use_proxy": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    expected, others = ([verdicts.Expected(agent) for agent in params[option]] for option in ("agents", "others"))
    check(module, expected)
    try:
        clients = [
            api.Client(url, params["token"], params["validate_certs"], params["ca_path"], params["use_proxy"])
            for url in params["url"]
        ]
    except api.ApiError as exc:
        module.fail_json(msg=str(exc))
    settings = verdicts.Settings(
        params["max_age"], params["max_loss"], params["require"], params["collector_addresses"]
    )
    timeout = params["timeout"] if params["timeout"] is not None else verdicts.default_timeout(expected)
    result = verdicts.prove(clients, expected, settings, timeout, params["request_timeout"], params["waited"], others)

    values = answer(result, expected)
    for server in result["servers"]:
        for warning in verdicts.server_warnings(server):
            module.warn(warning)
    if params["fail_unless_proved"] and not values["proved"]:
        module.fail_json(**values)
    module.exit_json(**values)


if __name__ == "__main__":
    main()
