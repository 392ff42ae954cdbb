# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web page of the collector in a real Chromium. Every test fails too when the browser's console has an error."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import fake
import pytest
from browser import until
from playwright.sync_api import expect


@pytest.fixture
def serve():
    servers = []

    def start(**what):
        servers.append(fake.Fake(**what))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def rows(page):
    return page.locator("#rows tr:not(.gap)")


def counts(page):
    return page.evaluate("window.netviz.picture.counts()")


def click_circle(page, name):
    x, y = page.evaluate("name => { const node = window.netviz.picture.nodes.get(name); return [node.x, node.y]; }", name)
    page.locator("#picture").click(position={"x": x, "y": y})


def lit(page):
    return page.evaluate("(window.netviz.picture.hover?.link?.ends || []).join(' ')")


def trouble():
    """Six agents: one of each verdict."""
    return [
        fake.agent(1, host_name="fine"),
        fake.agent(2, host_name="lossy", datagrams=900, lost=100),
        fake.agent(3, host_name="quiet", last_seen_ms=1_200_000, last_counter_ms=1_200_000),
        fake.agent(4, host_name="late", last_seen_ms=60_000),
        fake.agent(5, host_name="twin", shared=True, sources=["10.0.0.1", "10.0.0.2"]),
        fake.agent(6, host_name="countless", last_counter_ms=None, counter_samples=0),
    ]


def test_worst_agents_come_first_with_words(serve, show):
    page = show(serve(agents=trouble()).url)
    expect(rows(page)).to_have_count(6)
    assert [row.locator("td").nth(0).inner_text().split(None, 1)[1] for row in rows(page).all()] == [
        "silent",
        "stale",
        "shared address",
        "no counters",
        "losing",
        "reporting",
    ]
    assert [row.locator("td").nth(1).inner_text() for row in rows(page).all()] == [
        "quiet",
        "late",
        "twin",
        "countless",
        "lossy",
        "fine",
    ]
    assert rows(page).nth(4).locator("td").nth(4).inner_text() == "10 %"
    expect(page.locator("#said")).to_contain_text("1 silent, 1 stale")


def test_numbers_and_times_are_short(serve, show):
    page = show(serve().url)
    words = {
        "duration": {0: "0.0 s", 9.94: "9.9 s", 10: "10 s", 119: "119 s", 120: "2 min", 7199: "120 min", 7200: "2 h", 172799: "48 h", 172800: "2 days"},
        "percent": {0: "0 %", 0.009: "< 0.01 %", 0.01: "0.01 %", 9.99: "9.99 %", 10: "10 %"},
        "short": {0: "0", 0.5: "0.50", 1: "1.0", 10: "10", 999: "999", 999.6: "1.0k", 9940: "9.9k", 9960: "10k", 1.5e6: "1.5M", 2e9: "2.0G", 3e12: "3.0T"},
        "count": {0: "0", 999: "999", 1234567: "1,234,567"},
    }
    for name, expected in words.items():
        said = page.evaluate("async ([name, values]) => values.map((await import('./verdicts.js'))[name])", [name, list(expected)])
        assert dict(zip(expected, said, strict=True)) == expected


def test_loss_is_that_of_late_where_the_collector_tells(serve, show):
    agents = [
        fake.agent(1, host_name="healed", datagrams=900, lost=100, recent=dict(seconds=450.0, datagrams=90, lost=0)),
        fake.agent(2, host_name="worse", datagrams=99000, lost=10, recent=dict(seconds=450.0, datagrams=90, lost=10)),
    ]
    page = show(serve(agents=agents).url)
    expect(rows(page)).to_have_count(2)
    assert [[row.locator("td").nth(place).inner_text().split()[-1] for place in (0, 1)] for row in rows(page).all()] == [
        ["losing", "worse"],
        ["reporting", "healed"],
    ]
    rows(page).nth(0).click()
    expect(page.locator("#drawer-body")).to_contain_text("10 of 100 datagrams of the last 8 min did not arrive (10 %).")
    expect(page.locator("#drawer-body")).to_contain_text("10 lost")


def test_the_collector_and_the_time_since_an_agent_was_heard_go_on(serve, show):
    server = serve(agents=[fake.agent(number, last_seen_ms=700) for number in range(3)])
    page = show(server.url)
    expect(page.locator("#g-agents")).to_have_text("3")
    expect(page.locator("#g-rate")).to_have_text("1.2k")
    expect(page.locator("#g-decoder")).to_have_text("batch")
    expect(page.locator("#g-uptime")).to_have_text("24 h")
    expect(page.locator("#g-drops")).to_have_text("0")
    expect(page.locator("#g-drops")).not_to_have_class("bad")
    server.drops = 7
    expect(page.locator("#g-drops")).to_have_text("7")
    expect(page.locator("#g-drops")).to_have_class("bad")
    seen = rows(page).first.locator("td").nth(3)
    page.evaluate("{ const now = Date.now; Date.now = () => now() + 100000; }")  # from here on the page has asked long ago
    expect(seen).to_have_text(re.compile("^10[0-9] s$"))
    expect(seen).to_have_text(re.compile(r"^0\.[7-9] s$"))  # once it has asked


def test_what_keeps_the_page_from_showing_everything_is_said(serve, show):
    server = serve(agents=trouble())
    page = show(server.url)
    remark = page.locator("#remark")
    page.locator("#g-agents", has_text=re.compile(r"\d")).wait_for()
    expect(remark).to_be_hidden()
    server.groups_problem = "/etc/groups.json: not JSON"
    expect(remark).to_have_text("The groups stay as they were: /etc/groups.json: not JSON.")
    server.groups_problem, server.overflow = None, 1234
    expect(remark).to_have_text(
        "There is no room for more than 65,536 agents (collector_max_agents): 1,234 datagrams of others were left out."
    )
    server.overflow = 0
    expect(remark).to_be_hidden()


def test_an_agent_that_falls_silent_is_shown_without_a_reload(serve, show):
    agents = [fake.agent(number) for number in range(3)]
    server = serve(agents=agents)
    page = show(server.url)
    expect(page.locator(".chip").nth(5)).to_contain_text("3 reporting")
    server.agents = [*agents[:2], fake.agent(2, last_seen_ms=900_000)]
    expect(page.locator(".chip").nth(0)).to_contain_text("1 silent")
    assert rows(page).nth(0).locator("td").nth(0).inner_text().endswith("silent")
    server.agents = agents[:2]
    expect(rows(page)).to_have_count(2)


def test_time_in_which_nobody_asked_is_no_silence(serve, show):
    server = serve(agents=[fake.agent(number) for number in range(3)])
    page = show(server.url, allow=["503"])
    expect(page.locator(".chip").nth(5)).to_contain_text("3 reporting")
    server.down = True
    page.evaluate("{ const now = Date.now; Date.now = () => now() + 600000; }")  # as after a sleep
    expect(page.locator("#banner")).to_contain_text("does not answer")
    page.wait_for_timeout(1500)
    expect(page.locator(".chip").nth(5)).to_contain_text("3 reporting")


def test_the_focus_stays_with_its_agent_when_the_order_changes(serve, show):
    agents = [fake.agent(number, host_name=f"h{number:03}") for number in range(200)]
    server = serve(agents=agents)
    page = show(server.url, height=500)
    rows(page).first.focus()
    page.keyboard.press("ArrowDown")
    server.agents = agents[:150] + [fake.agent(number, host_name=f"h{number:03}", last_seen_ms=900_000) for number in range(150, 200)]
    expect(page.locator(".chip").nth(0)).to_contain_text("50 silent", timeout=10_000)
    assert page.evaluate("document.activeElement.children[1].textContent") == "h001"
    assert page.evaluate("document.activeElement.getAttribute('aria-rowindex')") == "53"  # behind the heads and 50 others
    server.agents = [agent for agent in server.agents if agent["host_name"] != "h001"]
    expect(page.locator("#agents")).to_have_attribute("aria-rowcount", "200", timeout=10_000)
    assert page.evaluate("document.activeElement.children[1].textContent") == "h002"
    page.keyboard.press("Enter")
    expect(page.locator("#drawer-title")).to_have_text("h002")


def test_what_is_open_follows_its_agent_and_says_when_that_is_gone(serve, show):
    agents = [fake.agent(number, host_name=f"h{number}") for number in range(2)]
    server = serve(agents=agents)
    page = show(server.url, width=360)
    rows(page).first.click()
    page.evaluate("document.querySelector('#drawer .small-wrap').scrollLeft = 90")
    server.agents = agents[1:]
    expect(page.locator("#drawer-body")).to_contain_text("does not know this agent any more", timeout=10_000)
    assert page.evaluate("document.querySelector('#drawer .small-wrap').scrollLeft") == 90
    server.agents = [{**agents[0], "datagrams": 999_999}, agents[1]]  # after a start with an empty account
    expect(page.locator("#drawer-body")).to_contain_text("999,999", timeout=10_000)
    expect(page.locator("#drawer-body")).not_to_contain_text("any more")


def test_ipv6_addresses_are_sorted_as_numbers(serve, show):
    wanted = ["::1", "2001:db8::2", "2001:db8::a", "2001:db8::10", "2001:db8:0:1::1", "fe80::1"]
    page = show(serve(agents=[{**fake.agent(number), "agent": address} for number, address in enumerate(reversed(wanted))]).url)
    expect(rows(page)).to_have_count(6)
    page.get_by_role("button", name="Agent address").click()
    assert [row.locator("td").nth(2).inner_text() for row in rows(page).all()] == wanted


def test_search_and_verdicts_filter(serve, show):
    page = show(serve(agents=trouble()).url)
    expect(rows(page)).to_have_count(6)
    page.keyboard.press("Control+/")  # the browser's or nobody's
    expect(page.locator("#search")).not_to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("LOS")
    expect(rows(page)).to_have_count(1)
    page.locator("#search").fill("10.0.0.2")  # one of the sources
    expect(rows(page)).to_have_count(1)
    page.locator("#search").fill("nobody")
    expect(page.locator("#fleet-empty")).to_contain_text("No agent matches")
    page.locator("#search").fill("")
    page.locator(".chip").nth(0).click()
    expect(rows(page)).to_have_count(1)
    expect(page.locator(".chip").nth(0)).to_have_attribute("aria-pressed", "true")
    page.locator(".chip").nth(0).click()
    expect(rows(page)).to_have_count(6)


def test_columns_sort_both_ways(serve, show):
    page = show(serve(agents=trouble()).url)
    expect(rows(page)).to_have_count(6)
    page.get_by_role("button", name="Host").click()
    names = [row.locator("td").nth(1).inner_text() for row in rows(page).all()]
    assert names == sorted(names)
    assert page.locator("th.c-host").get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="Host").click()
    assert [row.locator("td").nth(1).inner_text() for row in rows(page).all()] == names[::-1]
    assert page.locator("th.c-verdict").get_attribute("aria-sort") is None
    page.get_by_role("button", name="Polling").click()  # the same for all: then by host, whatever they lose
    assert [row.locator("td").nth(1).get_attribute("title") for row in rows(page).all()] == names


def test_keyboard_reaches_every_agent_and_its_details(serve, show):
    page = show(serve(agents=[fake.agent(number) for number in range(300)]).url)
    expect(page.locator("#agents")).to_have_attribute("aria-rowcount", "301")
    rows(page).first.focus()
    for key in ("ArrowDown", "PageDown", "End", "ArrowUp"):
        page.keyboard.press(key)
    focused = page.evaluate("document.activeElement.getAttribute('aria-rowindex')")
    assert focused == "300"
    page.keyboard.press("Enter")
    expect(page.locator("#drawer")).to_be_visible()
    expect(page.locator("#drawer-body")).to_contain_text("Its datagrams arrive as they should.")
    expect(page.locator("#drawer-body")).to_contain_text("eth0")
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()
    assert page.evaluate("document.activeElement.getAttribute('aria-rowindex')") == "300"


def test_of_ten_thousand_agents_only_those_in_view_are_drawn(serve, show):
    agents = [fake.agent(number) for number in range(10_000)]
    agents[7_777] = fake.agent(7_777, host_name="needle", last_seen_ms=900_000)
    page = show(serve(agents=agents).url)
    expect(page.locator("#agents")).to_have_attribute("aria-rowcount", "10001")
    expect(rows(page).first).to_contain_text("needle")
    assert rows(page).count() < 60
    # In 60 steps through the whole table, the most rows that are there at a time. How long it takes: make bench-page.
    most = page.evaluate(
        """async () => {
          const scroller = document.getElementById("scroller");
          let most = 0;
          for (let step = 0; step <= 60; step += 1) {
            await new Promise(requestAnimationFrame);
            scroller.scrollTop = (scroller.scrollHeight - scroller.clientHeight) * step / 60;
            window.netviz.fleet.draw();
            most = Math.max(most, document.querySelectorAll("#rows tr:not(.gap)").length);
          }
          return most;
        }"""
    )
    assert 10 < most < 60
    assert rows(page).last.get_attribute("aria-rowindex") == "10001"
    page.locator("#search").fill("needle")  # far fewer rows than the table is scrolled by
    expect(rows(page)).to_have_count(1)


def test_particles_follow_the_data(serve, show):
    server = serve(groups=["INTERNET", "A", "B", "C"])
    server.pairs = [
        fake.pair("A", "INTERNET", tcp_udp=10_000),
        fake.pair("INTERNET", "A", tcp_udp=2_500, ipv6=2_500),
        fake.pair("C", "INTERNET", icmp=100),
        fake.pair("INTERNET", "C", other=2_500),
        fake.pair("A", "B", tcp_udp=2_500, icmp=2_500),
    ]
    page = show(server.url + "#traffic")
    assert until(lambda: len(counts(page)) == 5)
    seen = counts(page)
    # The root of the volume: on the same link a quarter of the frames is half of the particles.
    assert 1.8 < seen["A>INTERNET"]["tcp_udp"] / seen["INTERNET>A"]["tcp_udp"] < 2.2
    assert seen["C>INTERNET"] == {"tcp_udp": 0, "icmp": seen["C>INTERNET"]["icmp"], "other": 0, "hollow": 0}
    assert 0 < seen["C>INTERNET"]["icmp"] < seen["INTERNET>C"]["other"]
    assert seen["A>B"]["tcp_udp"] == seen["A>B"]["icmp"] > 0
    # IPv6 is hollow, IPv4 never.
    assert seen["INTERNET>A"]["hollow"] == seen["INTERNET>A"]["tcp_udp"]
    assert seen["A>INTERNET"]["hollow"] == 0
    # Traffic that ends leaves the picture; traffic that begins enters it.
    server.pairs = [fake.pair("C", "INTERNET", tcp_udp=9_000), fake.pair("A", "INTERNET", tcp_udp=600)]
    assert until(
        lambda: counts(page).get("C>INTERNET", {}).get("tcp_udp", 0) > 15 and counts(page)["C>INTERNET"]["icmp"] == 0
    )
    assert until(lambda: counts(page)["A>INTERNET"]["tcp_udp"] < seen["A>INTERNET"]["tcp_udp"] / 2)
    assert counts(page).get("A>B", {"tcp_udp": 0})["tcp_udp"] == 0


def test_the_scale_follows_the_busiest_link_or_is_fixed(serve, show):
    page = show(serve(groups=["INTERNET", "A"], pairs=[fake.pair("A", "INTERNET", tcp_udp=900)]).url + "#traffic")
    note, scale = page.locator("#note"), page.get_by_role("button", name="Fixed scale: 100k/s")
    expect(note).to_have_text("Full density: 1.0k frames/s (follows the busiest link)")
    expect(scale).to_have_attribute("aria-pressed", "false")
    before = counts(page)["A>INTERNET"]["tcp_udp"]
    scale.click()
    expect(note).to_have_text("Full density: 100k frames/s")
    expect(scale).to_have_attribute("aria-pressed", "true")
    assert until(lambda: 0 < counts(page)["A>INTERNET"]["tcp_udp"] < before / 5)
    scale.click()
    expect(note).to_contain_text("follows the busiest link")


def test_picture_is_drawn_in_the_colours_of_the_classes(serve, show):
    server = serve(groups=["INTERNET", "A"])
    page = show(server.url + "#traffic", color_scheme="light", allow=["willReadFrequently"])

    def coloured():
        return page.evaluate(
            """() => {
              const canvas = document.getElementById("picture"), { width, height } = canvas;
              const data = canvas.getContext("2d").getImageData(0, 0, width, height).data, seen = { blue: 0, yellow: 0, red: 0 };
              for (let i = 0; i < data.length; i += 4) {
                const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
                if (b > 180 && r < 60 && g < 150) seen.blue += 1;
                if (r > 170 && g > 110 && g < 180 && b < 60) seen.yellow += 1;
                if (r > 180 && g < 80 && b < 90) seen.red += 1;
              }
              return seen;
            }"""
        )

    for name, colour in (("tcp_udp", "blue"), ("icmp", "yellow"), ("other", "red")):
        server.pairs = [fake.pair("A", "INTERNET", **{name: 5_000})]

        def alone(colour=colour):
            seen = coloured()
            return seen[colour] > 300 and sum(seen.values()) == seen[colour]

        assert until(alone), (name, coloured())


def test_click_on_a_link_shows_its_talkers(serve, show):
    talkers = [{"source": "10.1.0.9", "target": "203.0.113.7", "protocol": "tcp", "frames": 812.0, "bytes": 99_000.0}]
    server = serve(groups=["INTERNET", "A"], pairs=[fake.pair("A", "INTERNET", tcp_udp=900)], talkers=talkers)
    page = show(server.url + "#traffic")
    assert until(lambda: len(counts(page)) == 1)
    x, y = page.evaluate(
        "(() => { const l = [...window.netviz.picture.links.values()][0]; return [l.xs[24], l.ys[24]]; })()"
    )
    page.locator("#picture").hover(position={"x": x, "y": y})
    expect(page.locator("#tip")).to_contain_text("A → INTERNET900 frames/s")
    server.pairs = [fake.pair("A", "INTERNET", tcp_udp=700)]
    expect(page.locator("#tip")).to_contain_text("A → INTERNET700 frames/s")
    server.pairs = []
    expect(page.locator("#tip")).to_be_hidden()
    assert not lit(page)
    server.pairs = [fake.pair("A", "INTERNET", tcp_udp=900)]
    assert until(lambda: counts(page).get("A>INTERNET"))
    page.locator("#picture").click(position={"x": x, "y": y})
    expect(page.locator("#drawer-body")).to_contain_text("203.0.113.7")
    assert any("source=A&target=INTERNET" in path for path in server.asked)
    page.keyboard.press("Escape")
    # The same by keyboard, from the table beside.
    page.locator("#links button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#drawer-body")).to_contain_text("10.1.0.9")
    server.talkers = [{**talkers[0], "source": "10.1.0.10"}]
    expect(page.locator("#drawer-body")).to_contain_text("10.1.0.10")
    expect(page.locator("#drawer-body")).not_to_contain_text("10.1.0.9")


def test_a_link_without_traffic_says_so(serve, show):
    server = serve(groups=["INTERNET", "A", "\u05d0\u05d1"], pairs=[fake.pair("A", "\u05d0\u05d1", 900)], talkers=[])
    page = show(server.url, allow=["503"])
    page.get_by_role("link", name="Traffic", exact=True).click()
    page.locator("#links button").first.click()
    expect(page.locator("#drawer-body")).to_contain_text("No talkers now")
    server.pairs = []
    expect(page.locator("#drawer-body")).to_have_text("No traffic now.", timeout=10_000)
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("x")
    expect(page.locator("#search")).to_have_value("x")


def test_a_circle_chooses_its_links(serve, show):
    server = serve(groups=["INTERNET", "A", "B", "C"])
    server.pairs = [fake.pair("A", "INTERNET", 900), fake.pair("INTERNET", "B", 500), fake.pair("B", "A", 300)]
    page = show(server.url + "#traffic")
    links = page.locator("#links button")
    expect(links).to_have_text(["A→INTERNET", "INTERNET→B", "B→A"])
    click_circle(page, "B")
    expect(links).to_have_text(["INTERNET→B", "B→A"])
    only = page.get_by_label("Links of")
    expect(only.locator("option")).to_have_text(["all groups", "INTERNET", "A", "B", "C"])
    expect(only.locator("option:checked")).to_have_text("B")
    click_circle(page, "C")
    expect(page.locator("#traffic-empty")).to_contain_text("No traffic of C")
    click_circle(page, "C")
    expect(links).to_have_count(3)
    expect(page.locator("#traffic-empty")).to_be_hidden()
    expect(only.locator("option:checked")).to_have_text("all groups")
    # Without a pointer.
    only.focus()
    page.keyboard.type("B")
    expect(links).to_have_text(["INTERNET→B", "B→A"])
    assert page.evaluate("window.netviz.picture.chosen") == "B"
    page.keyboard.press("Home")
    expect(links).to_have_count(3)
    assert page.evaluate("window.netviz.picture.chosen") is None
    # A group that is gone keeps nothing from being listed.
    click_circle(page, "C")
    expect(links).to_have_count(0)
    server.groups = ["INTERNET", "A", "B"]
    expect(links).to_have_count(3)
    expect(only.locator("option:checked")).to_have_text("all groups")


def test_a_circle_is_as_large_as_its_traffic(serve, show):
    server = serve(groups=["INTERNET", "A", "B"])
    server.pairs = [fake.pair("A", "INTERNET", 900), fake.pair("B", "INTERNET", 9)]
    page = show(server.url + "#traffic")

    def size(name):
        return page.evaluate(f"window.netviz.picture.nodes.get('{name}')?.r || 0")

    assert until(lambda: 0 < size("B") < 0.6 * size("A"))
    server.pairs = [fake.pair("A", "INTERNET", 300), fake.pair("B", "INTERNET", 1200)]
    assert until(lambda: 0.7 * size("B") < size("A") < 0.8 * size("B"))


def test_the_link_of_a_row_is_lit_as_long_as_it_is_there(serve, show):
    pairs = [fake.pair("A", "INTERNET", tcp_udp=900), fake.pair("B", "INTERNET", tcp_udp=225)]
    server = serve(groups=["INTERNET", "A", "B"], pairs=pairs)
    page = show(server.url + "#traffic")
    links = page.locator("#links tr")
    expect(links).to_have_count(2)
    # As long as the root of the volume.
    assert [meter.get_attribute("style") for meter in page.locator("#links .meter").all()] == ["width: 100%;", "width: 50%;"]
    links.nth(1).hover()
    assert until(lambda: lit(page) == "INTERNET B")
    expect(links.nth(1)).to_have_class("lit")
    server.pairs = [pairs[0], fake.pair("B", "INTERNET", tcp_udp=400)]
    expect(links.nth(1)).to_contain_text("400")
    assert lit(page) == "INTERNET B"
    page.locator("#motion").hover()
    assert until(lambda: not lit(page))
    for gone in [fake.pair("B", "INTERNET")], []:  # quiet, and not spoken of any more
        server.pairs = pairs
        expect(links).to_have_count(2)
        for point in links.nth(1).hover, page.locator("#links button").nth(1).focus:
            point()
            assert until(lambda: lit(page) == "INTERNET B")
            server.pairs = pairs[:1] + gone
            expect(links).to_have_count(1)
            assert until(lambda: not lit(page), 5)
            server.pairs = pairs
            expect(links).to_have_count(2)
            page.locator("#motion").hover()


def test_drawer_opened_again_before_it_heard_of_its_closing_shows_the_answer(serve, show):
    talkers = [{"source": "10.1.0.9", "target": "203.0.113.7", "protocol": "tcp", "frames": 812.0, "bytes": 99_000.0}]
    server = serve(groups=["INTERNET", "A"], pairs=[fake.pair("A", "INTERNET", tcp_udp=900)], talkers=talkers)
    page = show(server.url + "#traffic")
    page.locator("#links button").first.click()
    expect(page.locator("#drawer-body")).to_contain_text("10.1.0.9")
    page.evaluate(
        """(() => {
          document.getElementById("drawer").close();
          document.querySelector("#links button").click();
        })()"""
    )
    expect(page.locator("#drawer-body")).to_contain_text("10.1.0.9")


def test_reduced_motion_stands_still_and_is_readable(serve, show):
    server = serve(groups=["INTERNET", "A"], pairs=[fake.pair("A", "INTERNET", tcp_udp=900)])
    page = show(server.url + "#traffic", reduced_motion="reduce")
    assert until(lambda: len(counts(page)) == 1)
    expect(page.locator("#motion")).to_have_text("Play")
    page.wait_for_timeout(400)
    picture = "document.getElementById('picture').toDataURL()"
    first = page.evaluate(picture)
    page.wait_for_timeout(300)
    assert page.evaluate(picture) == first
    assert counts(page)["A>INTERNET"]["tcp_udp"] > 5
    page.locator("#motion").click()
    assert until(lambda: page.evaluate(picture) != first)
    # Those that stood in single file do not go on so.
    assert page.evaluate("new Set(window.netviz.picture.streams[0].particles.map((each) => each.lane)).size") > 5


def test_token_is_asked_for_and_kept(serve, show):
    page = show(serve(agents=trouble(), token="right-token").url, allow=["401"])
    expect(page.locator("#ask")).to_be_visible()
    page.locator("#ask-token").fill("wrong-token")
    page.keyboard.press("Enter")
    expect(page.locator("#ask-wrong")).to_be_visible()
    page.locator("#ask-token").fill("right-token\u200b ")  # as it may be copied
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(6)
    page.reload()
    expect(rows(page)).to_have_count(6)
    expect(page.locator("#ask")).to_be_hidden()


def test_where_storage_is_forbidden_a_token_lasts_as_long_as_the_page(serve, show):
    page = show(serve(agents=trouble(), token="right-token").url, allow=["401"])
    page.add_init_script("for (const name of ['sessionStorage', 'localStorage']) Object.defineProperty(window, name, { get() { throw new Error('no'); } });")
    page.reload()
    page.locator("#ask-token").fill("right-token")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(6)
    page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", re.compile("."))
    page.reload()
    expect(page.locator("#ask")).to_be_visible()


def test_a_collector_that_does_not_answer_is_named(serve, show):
    server = serve(agents=trouble())
    page = show(server.url, allow=["503"])
    expect(rows(page)).to_have_count(6)
    server.down = True
    expect(page.locator("#banner")).to_contain_text("does not answer")
    expect(rows(page)).to_have_count(6)
    server.down = False
    expect(page.locator("#banner")).to_be_hidden(timeout=10_000)


def test_empty_collector_says_what_comes_next(serve, show):
    page = show(serve().url)
    expect(page.locator("#fleet-empty")).to_contain_text("No agent has reported yet")
    page.get_by_role("link", name="Traffic", exact=True).click()
    expect(page.locator("#traffic-empty")).to_contain_text("collector_groups")


def test_hostile_names_stay_text(serve, show):
    name = "<img src=x onerror=alert(1)>"
    server = serve(
        agents=[fake.agent(1, host_name=name)],
        groups=["INTERNET", name],
        pairs=[fake.pair(name, "INTERNET", tcp_udp=5)],
    )
    page = show(server.url)
    expect(rows(page).first).to_contain_text(name)
    rows(page).first.click()
    expect(page.locator("#drawer-title")).to_have_text(name)
    page.keyboard.press("Escape")
    page.goto(server.url + "#traffic")
    expect(page.locator("#links button").first).to_contain_text(name)
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize(("width", "height"), [(360, 640), (690, 900), (768, 1024), (1366, 800), (1920, 1080), (3840, 2160)])
@pytest.mark.parametrize("view", ["fleet", "traffic"])
def test_nothing_overflows(serve, show, width, height, view):
    server = serve(agents=trouble(), groups=["INTERNET", "A"], pairs=[fake.pair("A", "INTERNET", tcp_udp=5)])
    page = show(f"{server.url}#{view}", width, height)
    page.locator("#g-agents", has_text=re.compile(r"\d")).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.scrollHeight") <= height
    shown = [name for name in ("fleet", "traffic") if page.locator(f"#{name}").is_visible()]
    assert shown == (["fleet", "traffic"] if width >= 1800 else [view])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(serve, show, scheme):
    page = show(serve(agents=trouble()).url, color_scheme=scheme)
    expect(rows(page)).to_have_count(6)
    poor = page.evaluate(
        """() => {
          const parse = (text) => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = (e) => {
            for (; e; e = e.parentElement) {
              const c = parse(getComputedStyle(e).backgroundColor);
              if (c.length < 4 || c[3] > 0.9) return c;
            }
            return [255, 255, 255];
          };
          const poor = [];
          for (const e of document.querySelectorAll("h1, h2, dt, dd, td, th button, .chip, .tabs a, .quiet, input")) {
            if (!e.offsetParent || !(e.textContent || e.placeholder || "").trim() || e.dataset.n === "0") continue;
            const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
            const ratio = (a + 0.05) / (b + 0.05);
            if (ratio < 4.5) poor.push([e.textContent, ratio.toFixed(2)]);
          }
          return poor;
        }"""
    )
    assert poor == []


@pytest.mark.parametrize("token", ["", "0123456789abcdef"])
def test_page_of_the_real_collector(collector, show, token):
    """The page, its headers and the answers as the collector itself gives them, without a token and with one."""
    url = collector(token)
    page = show(url, allow=["401"] if token else [])
    if token:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url + "fleet/json", timeout=5)
        page.locator("#ask-token").fill(token)
        page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).first).to_contain_text("192.0.2.9")
    page.goto(url + "#traffic")
    expect(page.locator("#links button").first).to_contain_text("SiteA")
    page.locator("#links button").first.click()
    expect(page.locator("#drawer-body")).to_contain_text("203.0.113.9")
