// Copyright (c) 2026, netviz.sflow contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// What the collector alone can say of an agent. playbooks/verify.yml knows the inventory too and says more.

export const VERDICTS = ["silent", "stale", "shared address", "no counters", "losing", "reporting"];

const DEFAULT_POLLING = 30; // seconds, until two counter samples have shown the interval
const LEAST_AGE = 10; // seconds; a faster agent may be this late
const MIN_LOST = 5; // less is a restart or a packet or two, not a lossy path
const MAX_LOSS = 1; // per cent

export function polling(row) {
  const seen = row.data_sources.map((source) => source.polling_interval_s).filter((value) => value);
  return seen.length ? Math.min(...seen) : null;
}

// [lost, sent, words for the time] of late, or since the agent was first seen where the collector does not tell.
export function losses(row) {
  const { seconds, datagrams, lost } = row.recent || row;
  return [lost, datagrams + lost, row.recent ? `of the last ${duration(seconds)}` : "since it was first seen"];
}

export function lossPercent(row) {
  const [lost, sent] = losses(row);
  return sent ? (100 * lost) / sent : 0;
}

// The verdict on a row of /fleet/json at the time of the answer: [index in VERDICTS, reason, advice]. Time in which nobody asked, in
// another tab or while the collector was away, is no silence of the agent.
export function judge(row) {
  const age = row.last_seen_ms / 1000;
  const limit = Math.max(LEAST_AGE, 2.5 * (polling(row) || DEFAULT_POLLING));
  if (age > Math.max(60, 4 * limit)) {
    return [0, `Nothing came for ${duration(age)}.`, "On the host: systemctl status hsflowd; journalctl -u hsflowd -n 30"];
  }
  if (age > limit) {
    return [1, `The last datagram is ${duration(age)} old; more than ${duration(limit)} is too old.`,
      "On the host: systemctl status hsflowd; journalctl -u hsflowd -n 30"];
  }
  if (row.shared) {
    return [2, `Several hosts use this agent address: ${row.sources.join(", ")}.`,
      "Give each host an agent address of its own (hsflowd_agent or hsflowd_agent_cidr)."];
  }
  const counters = row.last_counter_ms === null ? Infinity : row.last_counter_ms / 1000;
  if (counters > limit && row.first_seen_ms / 1000 > limit) {
    return [3, "Packets are sampled, but no counters arrive.", "On the host: grep -i polling /etc/hsflowd.conf /etc/hsflowd.auto"];
  }
  const [lost, sent, when] = losses(row);
  if (lost >= MIN_LOST && lossPercent(row) > MAX_LOSS) {
    return [4, `${count(lost)} of ${count(sent)} datagrams ${when} did not arrive (${percent(lossPercent(row))}).`,
      "Look for drops on the way (switches, MTU, firewall) and at the collector's own drops at the top of this page."];
  }
  return [5, "Its datagrams arrive as they should.", ""];
}

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function count(value) {
  return value === null || value === undefined ? "–" : whole.format(value);
}

export function percent(value) {
  if (!value) return "0 %";
  if (value < 0.01) return "< 0.01 %";
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} %`;
}

export function short(value) {
  if (!value) return "0";
  if (value < 1) return value.toFixed(2);
  if (value < 10) return value.toFixed(1);
  for (const [limit, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= limit * 0.9995) {
      const scaled = value / limit;
      return scaled.toFixed(scaled < 9.95 ? 1 : 0) + unit;
    }
  }
  return value.toFixed(0);
}

export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(0)} h`;
  return `${(seconds / 86400).toFixed(0)} days`;
}
