# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The groups of the picture: what is refused, what is written, and that it means what was given.

The truth for networks is the standard library's ipaddress, which the code under test does not use to read them.
"""

import ipaddress
import json

import _groups
import pytest
from _groups import GroupsError, plan
from hypothesis import example, given, settings
from hypothesis import strategies as st


def refused(*args, **kwargs):
    with pytest.raises(GroupsError) as caught:
        plan(*args, **kwargs)
    return caught.value.errors


class TestRefusal:
    """Each fault is one sentence that names the group and the value."""

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "SiteA",
            "10.0.0.300/16",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "10.0.0.0/08",
            "10.0.0.0/255.255.0.0",
            "10.0.0.0/16/16",
            "10.0.0",
            "010.0.0.0/8",
            "0x0a.0.0.0/8",
            "10.0.0.0 /16",
            "10.0.0.0/١",
            "10.0.0.0\x00/8",
            "2001:db8::/129",
            "2001:db8:::/32",
            "fe80::1%eth0",
            "[2001:db8::]/32",
        ],
    )
    def test_not_a_network(self, value):
        (sentence,) = refused({"SiteA": [value]})
        assert sentence == f"Group 'SiteA': {value!r} is neither a CIDR nor an address."

    @pytest.mark.parametrize("value", [10, 10.0, None, True, ["10.0.0.0/8"], {"a": 1}])
    def test_no_text(self, value):
        (sentence,) = refused({"SiteA": [value]})
        assert sentence.startswith("Group 'SiteA': ")
        assert "is no text: write it in quotes" in sentence

    @pytest.mark.parametrize(
        ("value", "meant"),
        [
            ("10.0.0.1/16", "10.0.0.0/16"),
            ("192.0.2.255/31", "192.0.2.254/31"),
            ("10.0.0.1/0", "0.0.0.0/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::1/127", "::/127"),
        ],
    )
    def test_host_bits_say_which_network_was_meant(self, value, meant):
        (sentence,) = refused({"SiteA": [value]})
        assert f"'SiteA': {value!r}" in sentence
        assert f"; {meant} is the network meant." in sentence

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("", "is empty"),
            ("  ", "is empty"),
            (" a", "begins or ends with a space"),
            ("a,b", "contains a comma"),
            ("a\tb", "contains a control character"),
            ("a\u2028b", "contains a control character"),
            ("a\x7f", "contains a control character"),
            (1, "is no text"),
        ],
    )
    def test_names(self, name, reason):
        (sentence,) = refused({name: ["10.0.0.0/8"]})
        assert sentence.startswith("Group name ")
        assert reason in sentence

    @pytest.mark.parametrize("name", ["Site-A", "Site A", "Zürich", "東京", "a.b/c", "'\"\\"])
    def test_good_names(self, name):
        assert json.loads(plan({name: ["10.0.0.0/8"]})["text"])[name] == ["10.0.0.0/8"]

    def test_same_network_in_two_groups(self):
        (sentence,) = refused({"B": ["10.0.0.0/8"], "A": ["10.0.0.0/8"]})
        assert sentence.startswith("10.0.0.0/8 is in group 'A' and in group 'B'")

    def test_same_network_in_two_spellings(self):
        (sentence,) = refused({"A": ["2001:db8::"]}, {"B": ["2001:0DB8:0::0/128"]})
        assert sentence.startswith("2001:db8::/128 is in group 'A' and in group 'B'")

    def test_everything_cannot_be_in_a_second_group(self):
        (sentence,) = refused({"World": ["0.0.0.0/0"]})
        assert sentence.startswith("0.0.0.0/0 is in group 'INTERNET' and in group 'World'")

    def test_empty_group(self):
        assert refused({"A": []}) == ["Group 'A' is empty; give it a CIDR or leave it out."]

    @pytest.mark.parametrize("members", ["10.0.0.0/8", None, 5, {"10.0.0.0/8": None}])
    def test_members_must_be_a_list(self, members):
        (sentence,) = refused({"A": members})
        assert sentence.startswith("Group 'A' must be a list of CIDRs, not ")

    @pytest.mark.parametrize("groups", [[], "SiteA", 5, True])
    def test_not_a_mapping(self, groups):
        assert "groups must be a mapping of group names to lists of CIDRs, not " in refused(groups)[0]

    def test_internet_missing(self):
        for more in ({}, {"internet_ipv6": True}):
            (sentence,) = refused({"A": ["10.0.0.0/8"]}, internet=False, **more)
            assert sentence.startswith("Group 'INTERNET' is missing and internet is false")

    def test_every_fault_is_reported_and_the_count_is_exact(self):
        with pytest.raises(GroupsError) as caught:
            plan({f"g{i}": ["x"] for i in range(50)})
        assert len(caught.value.errors) == _groups.MAX_ERRORS
        assert str(caught.value).endswith("(and 30 more)")


class TestResult:
    def test_text(self):
        assert plan({"SiteA": ["10.0.0.0/16", "192.0.2.7"]})["text"] == (
            '{\n  "INTERNET": [\n    "0.0.0.0/0"\n  ],\n  "SiteA": [\n    "10.0.0.0/16",\n    "192.0.2.7/32"\n  ]\n}\n'
        )

    def test_own_internet_is_kept(self):
        result = plan({"INTERNET": ["8.0.0.0/8"], "A": ["10.0.0.0/8"]}, internet_ipv6=True)
        assert result["groups"]["INTERNET"] == ["8.0.0.0/8", "::/0"]
        assert list(result["groups"]) == ["INTERNET", "A"]

    def test_both_sources_of_a_group_are_joined(self):
        result = plan({"A": ["10.0.0.0/8"]}, {"A": ["192.0.2.1", "10.0.0.0/8"]})
        assert result["groups"]["A"] == ["10.0.0.0/8", "192.0.2.1/32"]

    def test_nested_networks_are_reported_with_the_nearest_enclosing_one(self):
        result = plan({"Corp": ["10.0.0.0/8"], "SiteA": ["10.1.0.0/16"], "Host": ["10.1.0.6"]})
        assert result["counts"]["nested"] == 2
        assert {
            "group": "Host",
            "cidr": "10.1.0.6/32",
            "inside_group": "SiteA",
            "inside_cidr": "10.1.0.0/16",
        } in result["nested"]
        assert "the longer prefix wins" in result["remarks"][0]

    def test_ipv6_and_too_many_groups_are_said(self):
        groups = {f"g{i}": [f"10.{i}.0.0/16"] for i in range(11)}
        assert plan(groups, max_flows=22)["remarks"] == []
        assert "raise viz.maxFlows" in plan(groups, max_flows=21)["remarks"][0]
        remarks = plan({"A": ["2001:db8::/32"], "B": ["10.0.0.0/8", "2001:db9::/32"]})["remarks"]
        assert "never draws IPv6" in remarks[0]
        assert remarks[0].endswith("Nothing will be drawn for 'A'.")
        assert plan({"A": ["2001:db8::/32"]}, draws_ipv6=True)["remarks"] == []

    def test_mapped_addresses_look_the_same_on_every_python(self):
        assert plan({"A": ["::ffff:192.0.2.1"]})["groups"]["A"] == ["::ffff:c000:201/128"]

    def test_collapse_keeps_the_longest_prefix_rule(self):
        # ipaddress.collapse_addresses would drop 10.1.1.0/24 and so give it to B.
        groups = {"A": ["10.0.0.0/8", "10.1.1.0/24"], "B": ["10.1.0.0/16"]}
        assert plan(groups, collapse_networks=True)["groups"]["A"] == ["10.0.0.0/8", "10.1.1.0/24"]

    def test_collapse_does_not_make_a_duplicate(self):
        groups = {"A": ["10.0.0.0/25", "10.0.0.128/25"], "B": ["10.0.0.0/24"]}
        assert plan(groups, collapse_networks=True)["groups"]["A"] == ["10.0.0.0/25", "10.0.0.128/25"]

    def test_collapse_drops_what_says_nothing_new(self):
        groups = {"A": ["10.0.0.0/8", "10.0.1.0/24", "10.2.0.0/16", "10.2.3.0/24", "192.0.2.0/25", "192.0.2.128/25"], "B": ["10.1.0.0/16"]}
        assert plan(groups, collapse_networks=True)["groups"]["A"] == ["10.0.0.0/8", "192.0.2.0/24"]
        halves = {"A": ["2001:db8::/128", "2001:db8::1/128"]}
        assert plan(halves, collapse_networks=True)["groups"]["A"] == ["2001:db8::/127"]

    def test_collapse_cascades(self):
        result = plan({"A": [f"10.0.{i}.0/24" for i in range(256)]}, collapse_networks=True)
        assert result["groups"]["A"] == ["10.0.0.0/16"]
        assert result["counts"]["collapsed"] == 255


# Few bits, so that networks nest, touch and collide as they seldom would at random.
def networks():
    v4 = st.integers(0, 8).flatmap(
        lambda n: st.integers(0, (1 << n) - 1).map(lambda v: f"10.0.0.{v << (8 - n)}/{24 + n}")
    )
    v6 = st.integers(0, 8).flatmap(
        lambda n: st.integers(0, (1 << n) - 1).map(lambda v: f"2001:db8::{v << (8 - n):x}/{120 + n}")
    )
    return st.one_of(v4, v6)


@st.composite
def mappings(draw):
    pool = draw(st.lists(networks(), min_size=1, max_size=24, unique=True))
    names = draw(st.lists(st.sampled_from(["A", "B", "C", "INTERNET"]), min_size=len(pool), max_size=len(pool)))
    result = {}
    for network, name in zip(pool, names):
        result.setdefault(name, []).append(network)
    return result


def longest_prefix(groups):
    """The group of every address of the small ranges above, by ipaddress and brute force."""
    parsed = [(ipaddress.ip_network(cidr), name) for name, cidrs in groups.items() for cidr in cidrs]
    owner = {}
    for base in (ipaddress.ip_address("10.0.0.0"), ipaddress.ip_address("2001:db8::")):
        for offset in range(256):
            address = base + offset
            hits = [(network.prefixlen, name) for network, name in parsed if address in network]
            owner[str(address)] = max(hits)[1] if hits else None
    return owner


@given(mappings(), st.randoms())
def test_order_of_input_does_not_matter(groups, random):
    items = [(name, list(cidrs)) for name, cidrs in groups.items()]
    random.shuffle(items)
    for _name, cidrs in items:
        random.shuffle(cidrs)
    assert plan(dict(items))["text"] == plan(groups)["text"]


@given(mappings(), st.booleans())
@example({"A": ["10.0.0.0/26", "10.0.0.64/26"], "B": ["10.0.0.0/24", "10.0.0.0/25"]}, True)
@example({"A": ["10.0.0.0/26", "10.0.0.64/26"], "B": ["10.0.0.0/25", "10.0.0.128/25"]}, True)
def test_rendering_its_own_result_changes_nothing(groups, collapse):
    once = plan(groups, collapse_networks=collapse)
    again = plan(json.loads(once["text"]), collapse_networks=collapse)
    assert again["text"] == once["text"]
    assert again["counts"]["collapsed"] == 0


@given(mappings())
def test_every_network_survives_a_round_trip_through_ipaddress(groups):
    written = json.loads(plan(groups)["text"])
    written = {name: cidrs for name, cidrs in written.items() if name in groups}
    assert {name: {ipaddress.ip_network(c) for c in cidrs} for name, cidrs in written.items()} == {
        name: {ipaddress.ip_network(c) for c in cidrs} for name, cidrs in groups.items()
    }
    assert all(str(ipaddress.ip_network(c)) == c for cidrs in written.values() for c in cidrs)


@settings(deadline=None, max_examples=150)
@given(mappings())
def test_collapse_moves_no_address_to_another_group(groups):
    collapsed = plan(groups, collapse_networks=True)["groups"]
    plain = plan(groups)["groups"]
    assert set(collapsed) == set(plain)
    assert sum(map(len, collapsed.values())) <= sum(map(len, plain.values()))
    assert longest_prefix(collapsed) == longest_prefix(plain)


@given(st.one_of(st.ip_addresses(), st.tuples(st.ip_addresses(), st.integers(0, 128))))
def test_parsing_agrees_with_ipaddress(value):
    address, length = value if isinstance(value, tuple) else (value, None)
    text = f"{address}" if length is None else f"{address}/{length}"
    try:
        truth = str(ipaddress.ip_network(text))
    except ValueError:
        with pytest.raises(ValueError, match="CIDR|host bits"):
            _groups.parse(text)
    else:
        mine = _groups.format_key(_groups.parse(text))
        assert ipaddress.ip_network(mine) == ipaddress.ip_network(truth)


@given(st.text(max_size=20))
def test_no_text_is_accepted_that_ipaddress_refuses(text):
    try:
        key = _groups.parse(text)
    except ValueError:
        return
    assert ipaddress.ip_network(text.strip()) == ipaddress.ip_network(_groups.format_key(key))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | networks(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, json_values)
def test_anything_gives_a_result_or_sentences(groups, inventory_groups):
    try:
        result = plan(groups, inventory_groups)
    except GroupsError as error:
        assert error.errors
        assert all(sentence.endswith(".") for sentence in error.errors)
    else:
        assert json.loads(result["text"]) == result["groups"]
        assert "INTERNET" in result["groups"]
