# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a large fleet, whose page is longer than any screen. What it does otherwise is seen on that of a real rollout."""

from __future__ import annotations

import pytest
from ansible_collections.netviz.sflow.plugins.plugin_utils import _report_page
from playwright.sync_api import expect


@pytest.fixture
def report(tmp_path):
    cells = ["192.0.2.1", "2.0.53-1", "unchanged", "reporting", "3 s", "0.00 %", "12", "400", "34", "20 s"]
    rows = [{"cells": [(text, None) for text in [f"web{number}.example.net", *cells]], "reason": "", "next_command": "", "failed": False}
            for number in range(500)]
    path = tmp_path / "report.html"
    path.write_text(_report_page.page("Fleet", "", [("reporting", 500, "good")], rows, []), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("width", [1000, 1920])
def test_the_heading_stays_in_view(report, show, width):
    page = show(report, width=width)
    page.locator("tbody tr").nth(400).scroll_into_view_if_needed()
    assert page.evaluate("scrollY") > 5000
    assert page.locator("th").first.bounding_box()["y"] == 0


def test_without_scripts_there_is_nothing_to_search_with(report, show):
    page = show(report, java_script_enabled=False)
    expect(page.locator("tbody tr")).to_have_count(500)
    expect(page.locator(".tools")).to_be_hidden()


def test_on_a_narrow_screen_only_the_table_scrolls_sideways(report, show):
    page = show(report, width=400)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    assert page.evaluate("document.querySelector('.scroll').scrollWidth") > 400
