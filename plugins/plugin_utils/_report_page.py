# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML page: no network, no dependency, readable without JavaScript, and fit for paper."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]

STYLE = """
:root { color-scheme: light dark; --ink: #1a1d21; --soft: #5d6670; --paper: #fff; --line: #d9dee3; --head: #f3f5f7;
  --good: #1a7f4b; --bad: #b42318; --note: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaed; --soft: #9aa4ae; --paper: #15181b; --line: #30363c; --head: #1e2327;
  --good: #4cc38a; --bad: #ff7b72; --note: #e3b341; } }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 100rem; padding: 1.5rem; font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
p { margin: .25rem 0; color: var(--soft); }
ul.tiles { display: flex; flex-wrap: wrap; gap: .6rem; list-style: none; padding: 0; margin: 1rem 0; }
ul.tiles li { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; min-width: 6rem; }
ul.tiles b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
li.good, tr.good td:nth-child(5) { color: var(--good); }
li.bad, tr.bad td:nth-child(4), tr.bad td:nth-child(5) { color: var(--bad); }
p.note { color: var(--note); }
.tools { display: flex; gap: 1rem; align-items: center; flex-wrap: wrap; margin: 1rem 0 .5rem; }
input[type=search] { font: inherit; padding: .4rem .6rem; width: 20rem; max-width: 100%; border: 1px solid var(--line); border-radius: .4rem;
  background: var(--paper); color: var(--ink); }
.scroll { overflow-x: auto; }
@media (min-width: 60rem) { .scroll { overflow: visible; } }  /* what scrolls by itself holds the heading fast */
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
th { background: var(--head); position: sticky; top: 0; }
th button { all: unset; cursor: pointer; font-weight: 600; } th button:focus-visible, input:focus-visible { outline: 2px solid var(--note); }
th[aria-sort=ascending] button::after { content: " \\2191"; } th[aria-sort=descending] button::after { content: " \\2193"; }
td.number, th.number { text-align: right; }
td.why { white-space: normal; min-width: 20rem; }
td.why code { display: block; margin-top: .2rem; font-size: .85em; color: var(--soft); white-space: pre-wrap; overflow-wrap: anywhere; }
tr.bad td:first-child { font-weight: 600; box-shadow: inset 3px 0 var(--bad); }
@media print { body { max-width: none; padding: 0; font-size: 9pt; color: #000; background: #fff; } .tools { display: none; }
  th { position: static; } tr { break-inside: avoid; } .scroll { overflow: visible; } }
"""

SCRIPT = """
const body = document.querySelector("tbody"), rows = [...body.rows], shown = document.querySelector("#shown");
const find = document.querySelector("#find"), failing = document.querySelector("#failing");
function filter() {
  const words = find.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every(word => text.includes(word)) || (failing.checked && !row.classList.contains("bad"));
    count += !row.hidden;
  }
  shown.textContent = count + " of " + rows.length + " hosts";
}
find.addEventListener("input", filter);
failing.addEventListener("change", filter);
const words = new Intl.Collator(undefined, { numeric: true }).compare;
const order = (a, b) => "value" in a.dataset ? a.dataset.value - b.dataset.value : words(a.textContent, b.textContent);
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => {
  const head = button.closest("th"), column = head.cellIndex, down = head.getAttribute("aria-sort") === "ascending";
  document.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  rows.sort((a, b) => (down ? -1 : 1) * order(a.cells[column], b.cells[column]));
  body.append(...rows);
}));
document.querySelector(".tools").hidden = false;
filter();
"""

# Heading, whether it is a number.
COLUMNS = (
    ("Host", False),
    ("Agent address", False),
    ("Version", False),
    ("Change", False),
    ("Verdict", False),
    ("Age", True),
    ("Loss", True),
    ("Flows", True),
    ("Sampling", True),
    ("Counters", True),
    ("Polling", True),
    ("Why, and what next", False),
)


def page(
    title: str, subtitle: str, tiles: Iterable[tuple[str, Any, str]], rows: Sequence[Record], remarks: list[str]
) -> str:
    """The whole document.

    :param tiles: (word, number, mood) for the row of figures on top
    :param rows: each with cells, a list of (text, value to sort by or None), with reason, next_command and failed
    """
    policy = f"default-src 'none'; style-src '{_digest(STYLE)}'; script-src '{_digest(SCRIPT)}'"
    figures = "".join(
        f'<li class="{mood}"><b>{html.escape(str(number))}</b>{html.escape(word)}</li>' for word, number, mood in tiles
    )
    heads = "".join(
        f'<th scope="col"{" class=number" if number else ""}><button type="button">{html.escape(name)}</button></th>'
        for name, number in COLUMNS
    )
    notes = "".join(f'<p class="note">{html.escape(remark)}</p>' for remark in remarks)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{html.escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
<p>{html.escape(subtitle)}</p>
<ul class="tiles">{figures}</ul>
{notes}
<div class="tools" hidden>
<label>Find <input type="search" id="find" placeholder="host, address, verdict ..."></label>
<label><input type="checkbox" id="failing"> only failing</label>
<span id="shown" role="status"></span>
</div>
<div class="scroll">
<table>
<thead><tr>{heads}</tr></thead>
<tbody>
{"".join(_row(row) for row in rows)}</tbody>
</table>
</div>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _row(row: Record) -> str:
    cells = []
    for (text, value), (_name, number) in zip(row["cells"], COLUMNS):
        sort = f' data-value="{html.escape(str(value))}"' if value is not None else ""
        cells.append(f"<td{' class=number' if number else ''}{sort}>{html.escape(text)}</td>")
    command = f"<code>{html.escape(row['next_command'])}</code>" if row["next_command"] else ""
    cells.append(f'<td class="why">{html.escape(row["reason"])}{command}</td>')
    return f'<tr class="{"bad" if row["failed"] else "good"}">{"".join(cells)}</tr>\n'


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
