// Copyright (c) 2026, netviz.sflow contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The fleet as a table. Only the rows in sight are in the document, so 10,000 agents scroll as well as ten.

import { VERDICTS, count, duration, judge, lossPercent, percent, polling } from "./verdicts.js";

export const MARKS = ["■", "◆", "◈", "▣", "▼", "●"];
const ROW = 41; // pixels, with its line; measured again when rows are there
const SPARE = 6; // rows above and below the sight

const COLUMNS = [
  { id: "verdict", title: "Verdict", key: (a) => a.verdict, down: false },
  { id: "host", title: "Host", key: (a) => a.title },
  { id: "agent", title: "Agent address", key: (a) => a.order },
  { id: "seen", title: "Last seen", n: true, key: (a) => a.row.last_seen_ms + (Date.now() - a.fetched), down: true },
  { id: "loss", title: "Loss", n: true, key: (a) => a.loss, down: true },
  { id: "datagrams", title: "Datagrams", n: true, key: (a) => a.row.datagrams, down: true },
  { id: "flows", title: "Flow samples", n: true, key: (a) => a.row.flow_samples, down: true },
  { id: "counters", title: "Counters", n: true, key: (a) => a.row.counter_samples, down: true },
  { id: "rate", title: "Sampling 1 in", n: true, key: (a) => a.rates[0] || 0, down: true },
  { id: "polling", title: "Polling", n: true, key: (a) => a.polling || 0, down: true },
];

function addressOrder(address) {
  if (address.includes(":")) {
    const [left, right] = address.split("::").map((half) => (half ? half.split(":") : []));
    const zeros = right ? Array(8 - left.length - right.length).fill("0") : [];
    return `6${[...left, ...zeros, ...(right || [])].map((part) => part.padStart(4, "0")).join(":")}`;
  }
  return `4${address.split(".").map((part) => part.padStart(3, "0")).join(".")}`;
}

export class Fleet {
  constructor({ scroller, table, heads, rows, empty, chips, search, open, say }) {
    Object.assign(this, { scroller, table, heads, rows, empty, chips, search, open, say });
    this.agents = new Map();
    this.shown = [];
    this.sort = { column: COLUMNS[0], down: false };
    this.filter = null;
    this.text = "";
    this.rowHeight = ROW;
    this.pool = [];
    this.focus = null;
    this.complete = false;
    this.round = 0;
    this.makeHeads();
    this.makeChips();
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(scroller);
    search.addEventListener("input", () => { this.text = search.value.trim().toLowerCase(); this.arrange(); scroller.scrollTop = 0; });
    rows.addEventListener("click", (event) => this.pick(event.target.closest("tr")));
    rows.addEventListener("keydown", (event) => this.key(event));
    rows.addEventListener("focusin", (event) => { this.focus = event.target.closest("tr").dataset.key; });
  }

  makeHeads() {
    for (const column of COLUMNS) {
      const th = document.createElement("th");
      th.scope = "col";
      th.className = `c-${column.id}${column.n ? " n" : ""}`;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.title;
      button.addEventListener("click", () => {
        const down = this.sort.column === column ? !this.sort.down : Boolean(column.down);
        this.sort = { column, down };
        this.arrange();
        this.scroller.scrollTop = 0;
      });
      th.append(button);
      column.th = th;
      this.heads.append(th);
    }
    this.top = this.gap();
    this.bottom = this.gap();
    this.rows.append(this.top, this.bottom);
  }

  gap() {
    const tr = document.createElement("tr");
    tr.className = "gap";
    tr.setAttribute("aria-hidden", "true");
    const td = document.createElement("td");
    tr.append(td);
    tr.inner = td;
    return tr;
  }

  makeChips() {
    this.chipOf = VERDICTS.map((word, index) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "chip";
      chip.dataset.verdict = index;
      chip.setAttribute("aria-pressed", "false");
      chip.innerHTML = '<span class="mark" aria-hidden="true"></span><b>0</b> <span></span>';
      chip.children[0].textContent = MARKS[index];
      chip.children[2].textContent = word;
      chip.addEventListener("click", () => {
        this.filter = this.filter === index ? null : index;
        this.arrange();
        this.scroller.scrollTop = 0;
      });
      this.chips.append(chip);
      return chip;
    });
  }

  // A round through the fleet begins.
  begin() {
    this.round += 1;
  }

  // Takes rows of /fleet/json.
  take(rows, fetched) {
    for (const row of rows) {
      const key = `${row.agent}/${row.sub_agent}`;
      let agent = this.agents.get(key);
      if (!agent) {
        agent = { key, order: addressOrder(row.agent) };
        this.agents.set(key, agent);
      }
      agent.row = row;
      agent.fetched = fetched;
      agent.round = this.round;
      agent.title = row.host_name || row.agent;
      agent.text = `${row.host_name || ""} ${row.agent} ${row.sources.join(" ")}`.toLowerCase();
      agent.loss = lossPercent(row);
      agent.polling = polling(row);
      agent.rates = [...new Set(row.data_sources.map((source) => source.sampling_rate).filter((rate) => rate))].sort((a, b) => b - a);
    }
  }

  // Drops agents that the whole round did not name again.
  forget() {
    for (const [key, agent] of this.agents) if (agent.round !== this.round) this.agents.delete(key);
    this.complete = true;
  }

  // Judges, filters and sorts anew. Counts the verdicts of the whole fleet.
  arrange() {
    const counts = VERDICTS.map(() => 0);
    const shown = [];
    for (const agent of this.agents.values()) {
      [agent.verdict, agent.reason, agent.advice] = judge(agent.row);
      counts[agent.verdict] += 1;
      if ((this.filter === null || agent.verdict === this.filter) && (!this.text || agent.text.includes(this.text))) shown.push(agent);
    }
    const { column, down } = this.sort;
    const sign = down ? -1 : 1;
    for (const agent of shown) agent.by = column.key(agent);
    shown.sort((a, b) => {
      if (a.by !== b.by) return (a.by < b.by ? -1 : 1) * sign;
      if (column.id === "verdict" && a.loss !== b.loss) return b.loss - a.loss;
      return a.title < b.title ? -1 : a.title > b.title ? 1 : a.order < b.order ? -1 : 1;
    });
    this.shown = shown;
    this.tell(counts);
    for (const each of COLUMNS) {
      if (each === column) each.th.setAttribute("aria-sort", down ? "descending" : "ascending");
      else each.th.removeAttribute("aria-sort");
    }
    this.table.setAttribute("aria-rowcount", shown.length + 1);
    const focused = this.rows.contains(document.activeElement) ? document.activeElement.closest("tr") : null;
    const was = focused && focused.getAttribute("aria-rowindex") - 2;
    this.draw();
    if (focused) this.follow(was);
  }

  // The agent with the focus has another place now, or none: it keeps its place on the screen, or the one in that place has the focus.
  follow(was) {
    const at = this.shown.findIndex((agent) => agent.key === this.focus);
    if (at < 0 && this.shown.length) this.focus = this.shown[Math.min(was, this.shown.length - 1)].key;
    else if (at >= 0 && at !== was) this.scroller.scrollTop += (at - was) * this.rowHeight;
    else return;
    this.draw();
    this.pool.find((tr) => tr.dataset.key === this.focus)?.focus({ preventScroll: true });
  }

  tell(counts) {
    counts.forEach((number, index) => {
      const chip = this.chipOf[index];
      chip.dataset.n = number;
      chip.setAttribute("aria-pressed", String(this.filter === index));
      chip.children[1].textContent = count(number);
    });
    const words = counts.map((number, index) => (number ? `${count(number)} ${VERDICTS[index]}` : "")).filter((word) => word).join(", ");
    if (this.complete && words !== this.said) {
      this.said = words;
      this.say(words ? `Fleet: ${words}.` : "");
    }
    this.counts = counts;
    this.empty.hidden = this.shown.length > 0 || !this.complete;
    if (this.empty.hidden) return;
    this.empty.replaceChildren();
    const [title, advice] = this.agents.size === 0
      ? ["No agent has reported yet", "As soon as a host sends sFlow to this collector it appears here."]
      : ["No agent matches", "Clear the search, or press the verdict again to show all."];
    const b = document.createElement("b");
    b.textContent = title;
    this.empty.append(b, advice);
  }

  // Puts the rows in sight into the document.
  draw() {
    if (!this.scroller.clientHeight) return;
    const head = this.heads.offsetHeight;
    const sight = Math.ceil((this.scroller.clientHeight - head) / this.rowHeight) + 2 * SPARE;
    // The table may just have become shorter than it is scrolled by.
    const first = Math.max(0, Math.min(Math.floor(this.scroller.scrollTop / this.rowHeight) - SPARE, this.shown.length - sight));
    const last = Math.min(this.shown.length, first + sight);
    const wanted = last - first;
    while (this.pool.length < wanted) {
      const tr = this.makeRow();
      this.pool.push(tr);
      this.rows.insertBefore(tr, this.bottom);
    }
    while (this.pool.length > wanted) this.pool.pop().remove();
    const hadFocus = this.rows.contains(document.activeElement);
    this.top.inner.style.height = `${first * this.rowHeight}px`;
    this.bottom.inner.style.height = `${(this.shown.length - last) * this.rowHeight}px`;
    const now = Date.now();
    const focusInSight = this.shown.slice(first, last).some((agent) => agent.key === this.focus);
    for (let index = first; index < last; index += 1) this.fill(this.pool[index - first], this.shown[index], index, now, focusInSight ? this.focus : this.shown[first].key);
    if (hadFocus && focusInSight) this.pool.find((tr) => tr.dataset.key === this.focus).focus({ preventScroll: true });
    if (wanted && !this.measured) {
      const height = this.pool[0].getBoundingClientRect().height;
      if (height && Math.abs(height - this.rowHeight) > 0.2) {
        this.rowHeight = height;
        this.measured = true;
        this.draw();
      }
      this.measured = true;
    }
  }

  makeRow() {
    const tr = document.createElement("tr");
    for (const column of COLUMNS) {
      const td = document.createElement("td");
      td.className = `c-${column.id}${column.n ? " n" : ""}`;
      if (column.id === "verdict") {
        const mark = document.createElement("span");
        mark.className = "mark";
        mark.setAttribute("aria-hidden", "true");
        td.append(mark, " ", document.createTextNode(""));
      }
      tr.append(td);
    }
    return tr;
  }

  fill(tr, agent, index, now, focus) {
    const { row } = agent;
    tr.dataset.key = agent.key;
    tr.tabIndex = agent.key === focus ? 0 : -1;
    tr.setAttribute("aria-rowindex", index + 2);
    const cells = tr.children;
    cells[0].dataset.verdict = agent.verdict;
    set(cells[0].firstChild, MARKS[agent.verdict]);
    set(cells[0].lastChild, VERDICTS[agent.verdict]);
    cells[0].title = agent.reason;
    set(cells[1], agent.title);
    cells[1].title = agent.title;
    set(cells[2], row.agent);
    cells[2].title = row.sub_agent ? `sub-agent ${row.sub_agent}` : "";
    set(cells[3], duration((row.last_seen_ms + now - agent.fetched) / 1000));
    set(cells[4], percent(agent.loss));
    cells[4].classList.toggle("alarm", agent.verdict === 4);
    set(cells[5], count(row.datagrams));
    set(cells[6], count(row.flow_samples));
    set(cells[7], count(row.counter_samples));
    set(cells[8], agent.rates.length ? agent.rates.map(count).join(" / ") : "–");
    set(cells[9], agent.polling ? `${+agent.polling.toFixed(1)} s` : "–");
  }

  key(event) {
    const at = this.shown.findIndex((agent) => agent.key === this.focus);
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight) - 2);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: this.shown.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.pick(event.target.closest("tr"));
      return;
    }
    if (to === undefined || !this.shown.length) return;
    event.preventDefault();
    const next = Math.min(this.shown.length - 1, Math.max(0, to));
    this.focus = this.shown[next].key;
    const y = next * this.rowHeight;
    const room = this.scroller.clientHeight - this.heads.offsetHeight - this.rowHeight;
    if (y < this.scroller.scrollTop) this.scroller.scrollTop = y;
    else if (y > this.scroller.scrollTop + room) this.scroller.scrollTop = y - room;
    this.draw();
    this.pool.find((tr) => tr.dataset.key === this.focus)?.focus({ preventScroll: true });
  }

  pick(tr) {
    const agent = tr && this.agents.get(tr.dataset.key);
    if (agent) this.open(agent);
  }
}

// Writing the same text again would make the browser lay out again.
function set(node, text) {
  if (node.nodeType === 3) {
    if (node.data !== text) node.data = text;
  } else if (node.textContent !== text) node.textContent = text;
}
