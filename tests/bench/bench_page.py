# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the page takes to draw and to sort a fleet of 10,000 agents, beside one of 100 in the same browser in turn.

Usage: python tests/bench/bench_page.py [--agents 10000] [--rounds 5]
Drawing is one step of scrolling through the whole table, its layout included. A screen shows a frame every 16 ms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "web"))
import browser
import fake

DRAW = """async () => {
  const scroller = document.getElementById("scroller"), spent = [];
  for (let step = 0; step <= 60; step += 1) {
    await new Promise(requestAnimationFrame);
    scroller.scrollTop = (scroller.scrollHeight - scroller.clientHeight) * step / 60;
    const begun = performance.now();
    window.netviz.fleet.draw();
    document.body.offsetHeight;
    spent.push(performance.now() - begun);
  }
  return spent;
}"""
SORT = "() => { const begun = performance.now(); window.netviz.fleet.arrange(); return [performance.now() - begun]; }"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if browser.find() is None:
        print("skipped: no Chromium on this machine (tests/web/chromium.sh installs it on Debian and Ubuntu)")
        return 0
    sizes = (100, options.agents)
    with browser.launch() as chromium:
        pages = {}
        for size in sizes:
            pages[size] = chromium.new_page(viewport={"width": 1366, "height": 800})
            pages[size].goto(fake.Fake(agents=[fake.agent(number) for number in range(size)]).url)
            pages[size].locator(f"#agents[aria-rowcount='{size + 1}']").wait_for(timeout=60_000)
        for what, script in (("draw", DRAW), ("sort", SORT)):
            spent: dict[int, list[float]] = {size: [] for size in sizes}
            for _round in range(options.rounds):
                for size in sizes:
                    spent[size] += pages[size].evaluate(script)
            few, many = (statistics.median(spent[size]) for size in sizes)
            print(f"{what}: {many:.1f} ms with {options.agents} agents, {few:.1f} ms with {sizes[0]}: {many / max(few, 0.1):.1f} times")
    return 0


if __name__ == "__main__":
    sys.exit(main())
