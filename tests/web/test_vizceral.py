# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collector answers in the place of sFlow-RT's Vizceral application is drawn by the Vizceral component, unchanged.

The component is fetched from npm, at the time of the test.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from browser import until

PACKAGE = "vizceral@4.9.0"
SHA512 = "K90lI+mLsEgqccgs77dtV8L6C7/ljxGnmGZivy7VMsi2/hbQKy9wih/1FEIAzzXUZ/830a8XPxsepMGNYcxQFg=="
DATA = "app/vizceral/scripts/traffic.js/data/json"
# What it says of every region and of software WebGL; the answers of sFlow-RT's application have no maxVolume there either.
KNOWN = ["maxVolume is missing or invalid (undefined)", "GPU stall due to ReadPixels"]
CACHE = Path(__file__).resolve().parents[2] / ".cache"
# As the application's own page does it: definitions and data as they come, anew every so many seconds.
PAGE = """<!doctype html><title>Vizceral</title><link rel="icon" href="data:,">
<div style="width: 900px; height: 600px"><canvas id="picture"></canvas></div>
<script src="/vizceral.js"></script>
<script>
const picture = new Vizceral.default(document.getElementById("picture"));
async function ask() {
  const answer = await (await fetch("%s")).json();
  picture.updateDefinitions(answer.definitions);
  picture.updateData(answer.data);
}
ask().then(() => { picture.setView([]); picture.animate(); setInterval(ask, 500); });
</script>"""


@pytest.fixture(scope="session")
def component() -> bytes:
    """The component as npm has it, in one file with all that it needs."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    CACHE.mkdir(exist_ok=True)
    archive = CACHE / (PACKAGE.replace("@", "-") + ".tgz")
    if not archive.exists():
        done = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=CACHE, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm does not give {PACKAGE}: {done.stderr.strip().splitlines()[:1]}")
    assert base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == SHA512
    with tarfile.open(archive) as files:
        return files.extractfile("package/dist/vizceral.js").read()


def test_vizceral_draws_what_the_collector_answers(component, collector, show):
    url = collector()
    page = show("about:blank", allow=KNOWN)
    page.route("**/vizceral.html", lambda route: route.fulfill(body=PAGE % DATA, content_type="text/html"))
    page.route("**/vizceral.js", lambda route: route.fulfill(body=component, content_type="text/javascript"))
    page.goto(url + "vizceral.html")  # from the collector's own origin, as the application's page from sFlow-RT's

    def volumes():  # of the connections that the component has made
        graph = "picture.currentGraph"
        return page.evaluate(f"{graph} ? Object.values({graph}.connections).map(c => [c.source.name, c.target.name, c.volumeTotal]) : []")

    assert until(lambda: any(volume > 0 for _source, _target, volume in volumes())), volumes()
    found = {(source, target): volume for source, target, volume in volumes()}
    assert set(found) == {("INTERNET", "SiteA"), ("SiteA", "INTERNET")}
    assert found["SiteA", "INTERNET"] > 0 == found["INTERNET", "SiteA"]
    assert page.evaluate("Object.keys(picture.currentGraph.nodes)") == ["INTERNET", "SiteA"]
    # It is drawn, and particles move.
    first = page.locator("#picture").screenshot()
    assert until(lambda: page.locator("#picture").screenshot() != first)
    # A click on a circle leads to what is inside.
    page.evaluate("picture.setView(['SiteA'])")
    assert until(lambda: page.evaluate("Object.keys(picture.currentGraph.nodes).sort()") == ["ip", "tcp"])
