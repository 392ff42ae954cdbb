# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the picture of the page for the README. Usage: screenshot.py FILE.png [URL] [--size 1920x1080] [--light] [--view fleet|traffic]

Without a URL the page shows an invented fleet.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import browser
import fake


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("url", nargs="?")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--light", action="store_true")
    parser.add_argument("--view", default="traffic")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--still", action="store_true")
    parser.add_argument("--click", help="a selector to click before the picture is taken")
    parser.add_argument("--scale", type=float, default=1)
    options = parser.parse_args()
    if browser.find() is None:
        print("skipped: no Chromium on this machine (apt-get install chromium)")
        return 0
    server = None if options.url else fake.showcase()
    width, height = map(int, options.size.split("x"))
    with browser.launch() as chromium:
        page = chromium.new_page(
            viewport={"width": width, "height": height},
            device_scale_factor=options.scale,
            color_scheme="light" if options.light else "dark",
            reduced_motion="reduce" if options.still else "no-preference",
        )
        page.on("console", lambda message: print(f"console: {message.type}: {message.text}", file=sys.stderr))
        page.on("pageerror", lambda error: print(f"page: {error}", file=sys.stderr))
        page.goto((options.url or server.url) + f"#{options.view}")
        page.locator("#g-rate", has_text=re.compile(r"\d")).wait_for(timeout=20_000)
        if options.click:
            page.click(options.click)
        page.wait_for_timeout(options.seconds * 1000)
        Path(options.file).parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=options.file)
    print(options.file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
