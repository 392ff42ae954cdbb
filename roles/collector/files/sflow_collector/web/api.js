// Copyright (c) 2026, netviz.sflow contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Questions to the collector. A token is asked for once and kept as long as the tab.

const KEY = "sflow-collector-token";
const TIMEOUT_MS = 15000;

export class Unanswered extends Error {}

let asking = null;
let token = null;
try {
  token = sessionStorage.getItem(KEY);
} catch { /* storage may be forbidden */ }

function keep(value) {
  token = value;
  try {
    sessionStorage.setItem(KEY, value);
  } catch { /* then it lasts as long as the page */ }
}

function ask(wrong) {
  if (asking) return asking;
  const dialog = document.getElementById("ask");
  const field = document.getElementById("ask-token");
  document.getElementById("ask-wrong").hidden = !wrong;
  field.value = "";
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  asking = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      asking = null;
      // No header can carry anything else; what is copied brings invisible characters along.
      keep(field.value.replace(/[^\x21-\x7e]/g, ""));
      field.value = "";
      resolve();
    }, { once: true });
  });
  dialog.showModal();
  return asking;
}

export async function get(path) {
  for (;;) {
    const used = token;
    let answer;
    try {
      // Without credentials the browser does not put its own password window before ours.
      answer = await fetch(path, {
        cache: "no-store",
        credentials: "omit",
        headers: used ? { Authorization: `Bearer ${used}` } : {},
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (answer.ok) return await answer.json();
    } catch (error) {
      throw new Unanswered(error.message);
    }
    if (answer.status !== 401) throw new Unanswered(`${path}: HTTP ${answer.status}`);
    if (used === token) await ask(used !== null); // else another question has brought a new one meanwhile
  }
}
