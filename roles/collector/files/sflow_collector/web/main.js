// Copyright (c) 2026, netviz.sflow contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Asks the collector, and hands its answers to the two views.

import { get } from "./api.js";
import { Fleet, MARKS } from "./fleet.js";
import { CLASSES, Picture, total } from "./picture.js";
import { VERDICTS, count, duration, losses, percent, short } from "./verdicts.js";

const PAGE = 1000; // agents in one question
const ROUND_MS = 5000; // from the begin of one round through the fleet to the next
const STEP_MS = 900; // between two pages of a round
const TRAFFIC_MS = 2000;
const TALKERS_MS = 8000; // talkers that are looked at are asked for again when they are so old
const MOST_LINKS = 200;

const $ = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function table(heads, rows) {
  return el("div", { className: "small-wrap" }, el("table", { className: "small" },
    el("thead", {}, el("tr", {}, ...heads.map(([text, n]) => el("th", { scope: "col", className: n ? "n" : "" }, text)))),
    el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((text, index) => el("td", { className: heads[index][1] ? "n" : "" }, text)))))));
}

// A name may run from right to left; what is beside it does not.
const bdi = (text) => el("bdi", {}, text);

const clock = (ms) => new Date(ms).toLocaleTimeString();

// ---- What is open in the drawer

const drawer = $("drawer");
let redraw = null;

function openDrawer(title, draw) {
  $("drawer-title").replaceChildren(...title);
  redraw = draw;
  draw();
  if (!drawer.open) drawer.showModal();
}

// Draws anew what is open, and leaves alone what is being read.
function refresh() {
  if (!redraw || (drawer.contains(getSelection().anchorNode) && !getSelection().isCollapsed)) return;
  const wraps = () => [...$("drawer-body").querySelectorAll(".small-wrap")];
  const places = wraps().map((wrap) => wrap.scrollLeft);
  redraw();
  wraps().forEach((wrap, index) => { wrap.scrollLeft = places[index] || 0; });
}

$("drawer-close").addEventListener("click", () => drawer.close());
drawer.addEventListener("click", (event) => { if (event.target === drawer) drawer.close(); });
// The event comes later than the closing: by then the drawer may be open again, for something else.
drawer.addEventListener("close", () => { if (!drawer.open) redraw = null; });

function openAgent(opened) {
  openDrawer([opened.title], () => {
    const known = fleet.agents.get(opened.key);
    const agent = known || opened;
    const { row } = agent;
    const since = Date.now() - agent.fetched;
    const ago = (ms) => (ms === null ? "never" : `${duration((ms + since) / 1000)} ago`);
    const facts = [
      ["Agent address", row.agent + (row.sub_agent ? ` (sub-agent ${row.sub_agent})` : "")],
      ["Host name", row.host_name || "not sent"],
      ["Datagrams come from", row.sources.join(", ")],
      ["First seen", ago(row.first_seen_ms)],
      ["Last datagram", ago(row.last_seen_ms)],
      ["Last flow sample", ago(row.last_flow_ms)],
      ["Last counters", ago(row.last_counter_ms)],
      ["Agent running for", duration(row.uptime_ms / 1000)],
      ["Restarts seen", count(row.restarts)],
      ["Datagrams", `${count(row.datagrams)}, ${count(row.lost)} lost, ${count(row.out_of_order)} out of order, ${count(row.duplicates)} twice`],
      ["Loss", `${percent(agent.loss)} ${losses(row)[2]}`],
      ["Samples", `${count(row.flow_samples)} flow, ${count(row.counter_samples)} counter, ${count(row.discard_samples)} discard`],
    ];
    $("drawer-body").replaceChildren(
      ...(known ? [] : [el("p", {}, "The collector does not know this agent any more. This is what it said last.")]),
      el("div", { className: "finding", "data-verdict": agent.verdict },
        el("b", {}, `${MARKS[agent.verdict]} ${VERDICTS[agent.verdict]}`), el("p", {}, agent.reason), ...(agent.advice ? [el("p", {}, agent.advice)] : [])),
      el("dl", { className: "facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      el("h3", {}, "Data sources"),
      row.data_sources.length
        ? table([["Source"], ["Interface"], ["Speed", 1], ["Sampling 1 in", 1], ["Polling", 1], ["Flow", 1], ["Counters", 1], ["Drops", 1]],
          row.data_sources.map((source) => [
            source.data_source, source.name || "–", source.speed ? `${short(source.speed)}bit/s` : "–",
            source.sampling_rate ? count(source.sampling_rate) + (source.previous_sampling_rates.length ? ` (was ${source.previous_sampling_rates.map(count).join(", ")})` : "") : "–",
            source.polling_interval_s ? `${+source.polling_interval_s.toFixed(1)} s` : "–",
            count(source.flow_samples), count(source.counter_samples), count(source.drops),
          ]))
        : el("p", { className: "quietly" }, "None yet."),
    );
  });
}

function openLink(link) {
  const asked = new Map(); // pair -> its talkers, null when they could not be asked for, and when they were asked for
  const ask = (pair, key) => {
    const asking = { talkers: asked.get(key)?.talkers, at: Date.now() };
    asked.set(key, asking);
    get(`traffic/talkers/json?${new URLSearchParams({ source: pair.source, target: pair.target })}`)
      .then((answer) => { asking.talkers = answer.talkers; }, () => { asking.talkers = null; })
      .then(() => { if (redraw === draw) refresh(); });
  };
  const draw = () => {
    const pairs = traffic.pairs.filter((pair) => total(pair.frames) > 0 && link.ends.includes(pair.source) && link.ends.includes(pair.target)
      && (pair.source !== pair.target || link.ends[0] === link.ends[1]));
    $("drawer-body").replaceChildren(...(pairs.length ? [] : [el("p", {}, "No traffic now.")]), ...pairs.flatMap((pair) => {
      const key = `${pair.source}\n${pair.target}`;
      if (!asked.has(key) || Date.now() - asked.get(key).at > TALKERS_MS) ask(pair, key);
      const { talkers } = asked.get(key);
      let list = el("p", { className: "quietly" }, "Asking for its talkers …");
      if (talkers === null) list = el("p", { className: "quietly" }, "Its talkers could not be asked for.");
      else if (talkers) {
        list = talkers.length
          ? table([["From"], ["To"], ["Protocol"], ["frames/s", 1], ["bit/s", 1]],
            talkers.map((each) => [each.source, each.target, String(each.protocol), short(each.frames), short(8 * each.bytes)]))
          : el("p", { className: "quietly" }, "No talkers now.");
      }
      return [
        el("h3", {}, bdi(pair.source), " → ", bdi(pair.target)),
        table([["Class"], ["frames/s", 1], ["bit/s", 1], ["Bytes a frame", 1]],
          CLASSES.filter((name) => pair.frames[name] > 0).map((name) => [
            { tcp_udp: "TCP, UDP", icmp: "ICMP", other: "other" }[name], short(pair.frames[name]), short(8 * pair.bytes[name]),
            count(pair.bytes[name] / pair.frames[name]),
          ])),
        el("p", { className: "quietly" }, `IPv6: ${short(pair.ipv6_frames)} frames/s (${percent((100 * pair.ipv6_frames) / (total(pair.frames) || 1))})`),
        list,
      ];
    }));
  };
  openDrawer([bdi(link.ends[0]), "  ↔  ", bdi(link.ends[1])], draw);
}

// ---- The views

const fleet = new Fleet({
  scroller: $("scroller"), table: $("agents"), heads: $("heads"), rows: $("rows"), empty: $("fleet-empty"),
  chips: $("chips"), search: $("search"), open: openAgent, say: (words) => { $("said").textContent = words; },
});
const picture = new Picture({
  canvas: $("picture"), tip: $("tip"), note: $("note"), open: openLink,
  select: (name) => choose(picture.chosen === name ? null : name),
});

let traffic = null;
let offered = []; // the groups whose links can be listed alone

// Lists the links of one group alone, those of all with null.
function choose(name) {
  picture.choose(name);
  $("only").selectedIndex = 1 + offered.indexOf(name);
  listLinks();
}

$("only").addEventListener("change", (event) => choose(offered[event.target.selectedIndex - 1] ?? null));

function offer(groups) {
  if (groups.join("\n") === offered.join("\n")) return; // the list may be open
  offered = groups;
  $("only").replaceChildren($("only").options[0], ...groups.map((name) => el("option", { dir: "auto" }, name)));
}

function listLinks() {
  if (!traffic) return;
  const { chosen } = picture;
  const pairs = traffic.pairs.filter((pair) => total(pair.frames) > 0 && (!chosen || pair.source === chosen || pair.target === chosen))
    .sort((a, b) => total(b.frames) - total(a.frames)).slice(0, MOST_LINKS);
  const most = pairs.length ? total(pairs[0].frames) : 1;
  const body = $("links");
  const focused = document.activeElement?.dataset?.pair;
  const lit = body.querySelector(".lit button")?.dataset.pair;
  body.replaceChildren(...pairs.map((pair) => {
    const frames = total(pair.frames);
    const link = [...picture.links.values()].find((each) => each.pairs.includes(pair)) || { key: "", ends: [pair.source, pair.target], pairs: [pair], streams: new Map() };
    const button = el("button", { type: "button" }, bdi(pair.source), el("span", { className: "arrow" }, "→"), bdi(pair.target));
    button.dataset.pair = `${pair.source}\n${pair.target}`;
    const meter = el("span", { className: "meter", "aria-hidden": "true" });
    meter.style.width = `${Math.max(2, 100 * Math.sqrt(frames / most))}%`;
    for (const name of CLASSES) {
      if (!pair.frames[name]) continue;
      const part = el("i", { className: name });
      part.style.width = `${(100 * pair.frames[name]) / frames}%`;
      meter.append(part);
    }
    button.append(meter);
    button.addEventListener("click", () => openLink(link));
    const tr = el("tr", {}, el("td", {}, button), el("td", { className: "n" }, short(frames)), el("td", { className: "n" }, short(8 * total(pair.bytes))));
    const on = () => { picture.show(link.key); tr.classList.add("lit"); };
    const off = () => { picture.show(null); tr.classList.remove("lit"); };
    tr.addEventListener("pointerenter", on);
    tr.addEventListener("pointerleave", off);
    button.addEventListener("focus", on);
    button.addEventListener("blur", off);
    return tr;
  }));
  const buttons = [...body.querySelectorAll("button")];
  buttons.find((button) => button.dataset.pair === focused)?.focus({ preventScroll: true });
  if (lit && !buttons.some((button) => button.dataset.pair === lit)) picture.show(null); // no event tells that it left the pointer
  const empty = $("traffic-empty");
  empty.hidden = pairs.length > 0;
  if (!empty.hidden) {
    empty.replaceChildren(el("b", {}, chosen ? `No traffic of ${chosen}` : "No traffic between groups"),
      traffic.groups.length < 2 ? "Only INTERNET is known. Name your networks in collector_groups." : "It appears here as soon as an agent samples some.");
  }
}

function gauges(collector, agents, before) {
  $("g-agents").textContent = count(agents);
  if (before && collector.now > before.now && collector.udp.datagrams >= before.udp.datagrams) {
    $("g-rate").textContent = short((collector.udp.datagrams - before.udp.datagrams) / (collector.now - before.now));
  }
  const drops = collector.udp.kernel_drops;
  $("g-drops").textContent = count(drops);
  $("g-drops").classList.toggle("bad", drops > 0);
  $("g-drops").title = "Datagrams that the kernel dropped because the collector did not fetch them in time";
  $("g-decoder").textContent = collector.decoder;
  $("g-decoder").title = collector.decoder_reason || "";
  $("g-uptime").textContent = duration(collector.uptime_ms / 1000);
}

// What somebody has to mend, so that the page shows everything.
function remark(collector) {
  const words = [];
  if (collector.groups_problem) words.push(`The groups stay as they were: ${collector.groups_problem}.`);
  if (collector.overflow_datagrams) {
    words.push(`There is no room for more than ${count(collector.max_agents)} agents (collector_max_agents): ${count(collector.overflow_datagrams)} datagrams of others were left out.`);
  }
  $("remark").hidden = words.length === 0;
  if ($("remark").textContent !== words.join(" ")) $("remark").textContent = words.join(" "); // it is read out whenever it is written
}

// ---- Asking

const failing = new Map();

function answered(what, error) {
  if (error) {
    if (!failing.has(what)) failing.set(what, Date.now());
  } else failing.delete(what);
  const banner = $("banner");
  banner.hidden = failing.size === 0;
  const words = banner.hidden ? "" : `The collector does not answer since ${clock(Math.min(...failing.values()))}. What is shown is from before.`;
  if (banner.textContent !== words) banner.textContent = words; // it is read out whenever it is written
}

async function followFleet() {
  let before = null;
  let rounds = 0;
  for (;;) {
    const begun = Date.now();
    fleet.begin();
    try {
      for (let offset = 0; ;) {
        const answer = await get(`fleet/json?offset=${offset}&limit=${PAGE}`);
        fleet.take(answer.agents, Date.now());
        if (offset === 0) {
          gauges(answer.collector, answer.total, before);
          remark(answer.collector);
          before = answer.collector;
        }
        offset += answer.agents.length;
        if (offset >= answer.total || !answer.agents.length) break;
        fleet.arrange();
        // The first round is to be complete at once; the next ones take their time.
        if (fleet.complete) await sleep(STEP_MS);
      }
      fleet.forget();
      fleet.arrange();
      answered("fleet");
    } catch (error) {
      answered("fleet", error);
      fleet.arrange();
    }
    refresh();
    // The rate of datagrams needs a second answer: the first one comes soon.
    await sleep(Math.max(1000, (rounds ? ROUND_MS : 1500) - (Date.now() - begun)));
    rounds += 1;
    while (document.hidden) await sleep(500);
  }
}

async function followTraffic() {
  for (;;) {
    try {
      traffic = await get("traffic/json");
      picture.take(traffic);
      offer(traffic.groups);
      choose(offered.includes(picture.chosen) ? picture.chosen : null); // other groups may have come
      showScale();
      answered("traffic");
    } catch (error) {
      answered("traffic", error);
    }
    await sleep(TRAFFIC_MS);
    while (document.hidden) await sleep(500);
  }
}

// ---- Switches

function showView() {
  const view = location.hash === "#traffic" ? "traffic" : "fleet";
  document.body.dataset.view = view;
  for (const tab of document.querySelectorAll("[data-tab]")) {
    if (tab.dataset.tab === view) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = view === "traffic" ? "sFlow traffic" : "sFlow fleet";
  fleet.draw();
}

function showScale() {
  const button = $("scale");
  button.setAttribute("aria-pressed", String(!picture.auto));
  button.textContent = traffic ? `Fixed scale: ${short(traffic.max_volume)}/s` : "Fixed scale";
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");

function showMotion(moving) {
  picture.setMoving(moving);
  $("motion").textContent = moving ? "Pause" : "Play";
  $("motion").setAttribute("aria-pressed", String(!moving));
}

const THEMES = [["", "as the system", "◐"], ["light", "light", "☀"], ["dark", "dark", "☾"]];

function showTheme(name) {
  const theme = THEMES.find((each) => each[0] === name) || THEMES[0];
  if (theme[0]) document.documentElement.dataset.theme = theme[0];
  else delete document.documentElement.dataset.theme;
  $("theme").setAttribute("aria-label", `Colours: ${theme[1]}`);
  $("theme").title = `Colours: ${theme[1]}`;
  $("theme").firstChild.textContent = theme[2];
  picture.restyle();
}

let theme = "";
try {
  theme = localStorage.getItem("sflow-theme") || "";
} catch { /* storage may be forbidden */ }
$("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.findIndex((each) => each[0] === theme) + 1) % THEMES.length][0];
  try {
    localStorage.setItem("sflow-theme", theme);
  } catch { /* then it lasts as long as the page */ }
  showTheme(theme);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => picture.restyle());
calm.addEventListener("change", () => showMotion(!calm.matches));
$("motion").addEventListener("click", () => showMotion(!picture.moving));
$("scale").addEventListener("click", () => { picture.setAuto(!picture.auto); showScale(); });
window.addEventListener("hashchange", showView);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]") || event.target.closest("input, select")) return;
  event.preventDefault();
  location.hash = "#fleet";
  showView(); // the event of the hash comes later
  $("search").focus();
});

showTheme(theme);
showMotion(!calm.matches);
showScale();
showView();
followFleet();
followTraffic();
setInterval(() => { if (!document.hidden) fleet.draw(); }, 1000);
window.netviz = { fleet, picture }; // for tests and the curious
