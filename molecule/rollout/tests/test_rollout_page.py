# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that a rollout with a failing canary wrote, in a real Chromium. test_rollout.py has left it behind."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "tests" / "web"))
import browser

pytest.importorskip("playwright.sync_api", reason="playwright is not installed (tests/web/run.sh installs it)")
pytestmark = pytest.mark.skipif(browser.find() is None, reason="this machine has no Chromium")

PAGE = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "canary.html"
HOSTS = [f"rollout-{number}" for number in range(1, 6)]


@pytest.fixture(scope="module")
def page():
    with browser.launch() as chromium:
        page = chromium.new_page(viewport={"width": 1400, "height": 700})
        page.troubles, page.requests = [], []
        page.on("console", lambda message: page.troubles.append(message.text))
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(PAGE.as_uri())
        yield page


def names(page, visible=True):
    """The hosts of the table from top to bottom."""
    rows = "tbody tr:not([hidden])" if visible else "tbody tr"
    return page.locator(f"{rows} td:first-child").all_inner_texts()


def test_the_canary_that_went_back_comes_first(page):
    assert names(page) == HOSTS and page.locator("#shown").inner_text() == "5 of 5 hosts"
    assert page.locator("tbody tr.bad td:first-child").all_inner_texts() == ["rollout-1"]
    assert "rolled back" in page.locator("tbody tr").first.inner_text()
    assert "and not to this collector" in page.locator("tbody tr").first.inner_text()


def test_it_searches(page):
    page.fill("#find", "rollout-3 reporting")
    assert names(page) == ["rollout-3"] and page.locator("#shown").inner_text() == "1 of 5 hosts"
    page.fill("#find", "no such host")
    assert names(page) == []
    page.fill("#find", "")
    page.check("#failing")
    assert names(page) == ["rollout-1"]
    page.uncheck("#failing")
    assert names(page) == HOSTS


def test_it_sorts_both_ways(page):
    page.locator("th button", has_text=re.compile("^Host$")).click(click_count=2)
    assert names(page) == HOSTS[::-1] and page.locator("th").first.get_attribute("aria-sort") == "descending"
    page.locator("th button", has_text=re.compile("^Age$")).click()
    ages = [float(cell.get_attribute("data-value")) for cell in page.locator("tbody td:nth-child(6)").all()]
    assert ages == sorted(ages) and page.locator("th").first.get_attribute("aria-sort") is None


def test_it_fits_on_paper(page):
    page.emulate_media(media="print")
    assert page.locator(".tools").is_hidden() and page.locator("table").is_visible()
    page.emulate_media(media="screen")


def test_it_needs_no_network_and_has_no_errors(page):
    assert page.requests == [PAGE.as_uri()] and page.troubles == []
