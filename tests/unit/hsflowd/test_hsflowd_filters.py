# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters, the role's files, and the template."""

import hashlib
import importlib.util
import io
import pathlib
import shutil
import tarfile

import build
import jinja2
import pytest
import yaml
from ansible_collections.netviz.sflow.plugins.filter import hsflowd_settings as filters
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd as settings
from ansible_collections.netviz.sflow.plugins.test import archive
from hsflowd_hosts import host, render

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "hsflowd"


@pytest.fixture(scope="module")
def deb(tmp_path_factory):
    out = tmp_path_factory.mktemp("deb")
    build.main(["--version", "2.0.53-1", "--platform", "ubuntu18", "--out", str(out)])
    return next(out.glob("*.deb"))


def test_the_version_of_a_file_is_that_of_its_control_part(deb, tmp_path):
    assert filters.package_version(str(deb)) == ("2.0.53-1", None)
    other = tmp_path / "any-name.deb"
    other.write_bytes(deb.read_bytes())
    assert filters.package_version(str(other)) == ("2.0.53-1", None)


@pytest.mark.parametrize(
    "content, sentence",
    [(None, "is not there"), (b"", "no archive"), (b"!<arch>\n", "no control part"), (b"<html>", "no archive")],
)
def test_a_file_that_is_no_package(tmp_path, content, sentence):
    path = tmp_path / "hsflowd-debian12_2.0.53-1_amd64.deb"
    if content is not None:
        path.write_bytes(content)
    version, problem = filters.package_version(str(path))
    assert version is None and sentence in problem


def packed(compression, size=None):
    """A package with a control part alone, packed in this way; its head may lie about the size."""
    tar, control = io.BytesIO(), b"Package: hsflowd\nVersion: 2.0.53-1\nDescription: " + bytes(range(65, 91)) * 40 + b"\n"
    with tarfile.open(fileobj=tar, mode="w:" + compression) as archive:
        member = tarfile.TarInfo("./control")
        member.size = len(control)
        archive.addfile(member, io.BytesIO(control))
    head = "%-16s%-12s%-6s%-6s%-8s%-10d`\n" % ("control.tar." + compression, 0, 0, 0, 100644, len(tar.getvalue()) if size is None else size)
    return b"!<arch>\n" + head.encode() + tar.getvalue()


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_a_damaged_package_is_a_sentence(tmp_path, capfd, compression):
    path = tmp_path / "hsflowd-debian12_2.0.53-1_amd64.deb"
    whole = packed(compression)
    path.write_bytes(whole)
    assert filters.package_version(str(path)) == ("2.0.53-1", None)
    cut = [whole[:length] for length in range(0, len(whole), 11)]
    flipped = [whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] for place in range(0, len(whole), 11)]
    for content in cut + flipped:
        path.write_bytes(content)
        _version, problem = filters.package_version(str(path))  # a byte of no weight may be wrong
        assert problem is None or problem.startswith("%s " % path)
    out = capfd.readouterr()
    assert (out.out, out.err) == ("", "")


@pytest.mark.parametrize("size", [-60, 9999999999])
def test_a_part_of_no_possible_size(tmp_path, size):
    path = tmp_path / "hsflowd.deb"
    path.write_bytes(packed("gz", size).replace(b"control.tar.gz", b"debian-binary "))
    version, problem = filters.package_version(str(path))
    assert version is None and problem == "%s cannot be read as a Debian package: it is damaged or cut short" % path


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="there is no dpkg-deb on this machine")
def test_what_dpkg_deb_says_of_a_damaged_package(tmp_path, capfd):
    path = tmp_path / "hsflowd.deb"
    path.write_bytes(packed("xz")[:80] + b"x" * 1000)
    version, problem = filters.package_version(str(path))
    assert version is None and problem.startswith("%s cannot be read as a Debian package: " % path)
    path.write_bytes(packed("xz").replace(b"7zXZ", b"7zXY"))
    version, problem = filters.package_version(str(path))
    assert version is None and "cannot be read as a Debian package: dpkg-deb: error: " in problem and "\n" not in problem
    assert capfd.readouterr() == ("", "")


def test_a_local_file_gives_the_plan_its_version(deb, variables):
    plan = filters.hsflowd_settings(dict(variables, hsflowd_deb_file=str(deb)), host(platform="debian12"))
    assert plan["problems"] == []
    assert (plan["version"], plan["source"]["kind"], plan["source"]["file"]) == ("2.0.53-1", "file", str(deb))


def test_a_local_file_by_pattern(deb, variables):
    pattern = str(deb.parent / "hsflowd-{platform}_{version}_{architecture}.deb")
    assert (
        filters.hsflowd_settings(dict(variables, hsflowd_deb_file=pattern), host(platform="ubuntu18"))["problems"] == []
    )
    problems = filters.hsflowd_settings(dict(variables, hsflowd_deb_file=pattern), host(platform="debian12"))[
        "problems"
    ]
    assert "hsflowd-debian12_2.0.53-1_amd64.deb is not there" in problems[0]


def test_no_mapping_is_an_error_of_the_caller():
    with pytest.raises(Exception, match="takes a mapping"):
        filters.hsflowd_settings([])


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def done(plan, text, **more):
    """A host where all of the plan is in effect."""
    seen = host(
        package={"installed": True, "version": plan["version"]},
        config={"exists": True, "sha256": digest(text)},
        unit={"active_state": "active", "unit_file_state": "enabled", "stale": [], "running_seconds": 100.0},
        auto={"complete": True},
        modules={"available": ["pcap", "tcp"], "broken": {}, "mapped": ["pcap", "tcp"]},
        drop_ins={"netviz-log.conf": digest("x"), "admins-own.conf": "0"},
    )
    seen.update(more)
    return seen


@pytest.mark.parametrize(
    "more, reason",
    [
        ({}, None),
        ({"pending": True}, "an interrupted run"),
        ({"package": {"installed": False, "version": None}}, "is to be installed"),
        ({"package": {"installed": True, "version": "2.0.25-3"}}, "the package is 2.0.25-3, not 2.0.53-1"),
        ({"config": {"exists": True, "sha256": "0"}}, "hsflowd.conf differs"),
        ({"drop_ins": {}}, "the drop-in netviz-log.conf differs"),
        (
            {"drop_ins": {"netviz-log.conf": digest("x"), "netviz-old.conf": "0"}},
            "the drop-in netviz-old.conf is not wanted",
        ),
        ({"unit": {"active_state": "failed", "unit_file_state": "enabled"}}, "the service is failed"),
        (
            {"unit": {"active_state": "active", "unit_file_state": "disabled", "running_seconds": 9.0}},
            "the service is disabled",
        ),
        (
            {
                "unit": {
                    "active_state": "active",
                    "unit_file_state": "enabled",
                    "stale": ["hsflowd.conf"],
                    "running_seconds": 9.0,
                }
            },
            "older than hsflowd.conf",
        ),
        ({"auto": {"complete": False}}, "has not settled"),
        ({"modules": {"mapped": ["tcp"]}}, "runs without mod_pcap"),
        ({"unit": {"active_state": "active", "unit_file_state": "static", "stale": [], "running_seconds": 100.0}}, None),
    ],
)
def test_due(variables, more, reason):
    plan = settings.settle(variables, host())
    text = render(plan["statements"])
    found = filters.hsflowd_due(done(plan, text, **more), plan, text, {"netviz-log.conf": "x"})
    assert found == [] if reason is None else any(reason in f for f in found), found


def test_a_collector_whose_name_means_another_address_is_due(variables):
    plan = settings.settle(dict(variables, hsflowd_collectors=[{"ip": "collector.example.net"}]), host())
    text = render(plan["statements"])
    auto = {"exists": True, "complete": True, "agent_ip": "192.0.2.20", "collectors": [{"ip": "192.0.2.8", "udpport": 6343}]}
    for meant, reasons in ((["192.0.2.9"], ["the daemon sends to 192.0.2.8, where collector.example.net was"]), (["192.0.2.8"], []), ([], [])):
        seen = done(plan, text, auto=auto, collector_names={"collector.example.net": meant})
        assert filters.hsflowd_due(seen, plan, text, {"netviz-log.conf": "x"}) == reasons


@pytest.mark.parametrize("unit, problem", [
    ({"load_state": "masked", "unit_file_state": "masked"}, "hsflowd.service is masked on this host, so nothing can start it. Run systemctl unmask"),
    ({"load_state": "masked", "unit_file_state": "masked-runtime"}, "hsflowd.service is masked"),
    ({"load_state": None, "unit_file_state": None}, "systemd does not run on this host"),
    ({"load_state": "not-found", "unit_file_state": None}, None),
    ({"load_state": "loaded", "unit_file_state": "disabled"}, None),
])
def test_a_service_that_cannot_start_is_foreseen(variables, unit, problem):
    found = settings.settle(variables, host(unit=dict(unit, active_state="inactive", stale=[])))["problems"]
    assert found == [] if problem is None else len(found) == 1 and found[0].startswith(problem), found


def test_a_daemon_that_has_just_started_is_left_alone(variables):
    plan = settings.settle(variables, host())
    text = render(plan["statements"])
    unit = {"active_state": "active", "unit_file_state": "enabled", "stale": [], "running_seconds": 2.0}
    assert (
        filters.hsflowd_due(done(plan, text, unit=unit, auto={"complete": False}), plan, text, {"netviz-log.conf": "x"})
        == []
    )


def test_a_collector_that_is_to_go_is_no_destination():
    hostvars = {"c1": {"collector_state": "absent"}, "c2": {"collector_state": "present"}, "v1": {"sflow_rt_state": "absent"}, "v2": {}}
    found = filters.hsflowd_group_collectors(hostvars, {"sflow_collector": ["c1", "c2"], "sflow_rt": ["v1", "v2"]})
    assert [one["ip"] for one in found] == ["c2", "v2"]


def test_collectors_of_the_groups():
    hostvars = {
        "c1": {"ansible_host": "192.0.2.1"},
        "both": {"collector_address": "192.0.2.2", "sflow_rt_address": "192.0.2.3", "ansible_host": "x"},
        "v1": {"sflow_rt_udp_port": 7000},
    }
    groups = {"sflow_collector": ["c1", "both"], "sflow_rt": ["both", "v1"]}
    assert filters.hsflowd_group_collectors(hostvars, groups) == [
        {"ip": "192.0.2.1", "udpport": 6343},
        {"ip": "192.0.2.2", "udpport": 6344},
        {"ip": "192.0.2.3", "udpport": 6343},
        {"ip": "v1", "udpport": 7000},
    ]
    assert filters.hsflowd_group_collectors({}, {}) == []


@pytest.mark.parametrize(
    "collector, agent, refused",
    [
        ({"ansible_host": "127.0.0.1"}, {}, True),
        ({"ansible_connection": "local", "ansible_host": "localhost"}, {}, True),
        ({"ansible_host": "127.0.0.1"}, {"ansible_host": "127.0.0.1"}, True),  # another port, another host
        ({"ansible_host": "192.0.2.1"}, {}, False),
        ({"ansible_host": "127.0.0.1", "collector_address": "192.0.2.1"}, {}, False),
        ({"ansible_connection": "local", "ansible_host": "::1"}, {"ansible_connection": "local"}, False),
    ],
)
def test_a_collector_that_is_each_agent_itself(collector, agent, refused):
    hostvars, groups = {"c1": collector, "a1": agent}, {"sflow_collector": ["c1"]}
    collectors = filters.hsflowd_group_collectors(hostvars, groups)
    problems, warnings = filters.loopback_collectors(hostvars, groups, "a1", collectors)
    assert warnings == [] and bool(problems) == refused
    assert not refused or "the collector c1 has the address" in problems[0] and "set collector_address" in problems[0]
    assert filters.loopback_collectors(hostvars, groups, "c1", collectors) == ([], [])


def test_a_collector_on_the_loopback_that_was_asked_for():
    given = [{"ip": "192.0.2.1"}, {"ip": "127.0.0.1"}]
    assert filters.loopback_collectors({}, {}, "a1", given) == ([], ["hsflowd_collectors[1] is 127.0.0.1, which is each agent itself"])
    assert filters.loopback_collectors({}, {}, "a1", "none") == ([], [])


def test_shared_addresses():
    hostvars = {
        "a": {"__hsflowd_info": {"plan": {"agent_address": "192.0.2.1"}}},
        "b": {"__hsflowd_info": {"auto": {"agent_ip": "198.51.100.1"}, "uplink_address": "192.0.2.1"}},
        "c": {"__hsflowd_info": {"plan": {"agent_address": None}, "auto": {"agent_ip": "192.0.2.3"}}},
        "d": {},
        "e": {"hsflowd_agent_ip": "192.0.2.3", "__hsflowd_info": {"uplink_address": "192.0.2.1"}},
        "f": {"hsflowd_agent": "eth1", "__hsflowd_info": {"uplink_address": "192.0.2.1"}},
    }
    assert filters.hsflowd_shared_addresses(hostvars, list(hostvars)) == [
        {"address": "192.0.2.1", "hosts": ["a", "b"]},
        {"address": "192.0.2.3", "hosts": ["c", "e"]},
    ]


def test_each_package_is_downloaded_once(variables):
    variables["hsflowd_release_url"] = "https://mirror.example.com/h"
    hostvars = {}
    hosts = ("odd", "debian12"), ("a", "debian12"), ("b", "debian12"), ("c", "ubuntu18"), ("done", "ubuntu20")
    for name, platform in hosts:
        seen = host(platform=platform)
        if name == "done":
            seen["package"] = {"installed": True, "version": "2.0.53-1"}
        plan = settings.settle(dict(variables, hsflowd_agent="eth9") if name == "odd" else variables, seen)
        assert bool(plan["problems"]) == (name == "odd")  # it will be refused before it could download anything
        hostvars[name] = {"__hsflowd_info": dict(seen, plan=plan)}
    found = filters.hsflowd_downloads(hostvars, list(hostvars), "/cache")
    assert [f["url"].rsplit("/", 1)[1] for f in found] == [
        "hsflowd-debian12_2.0.53-1_amd64.deb",
        "hsflowd-ubuntu18_2.0.53-1_amd64.deb",
    ]
    assert [f["host"] for f in found] == ["a", "c"]
    assert found[0]["dest"] == filters.hsflowd_cached(hostvars["a"]["__hsflowd_info"]["plan"]["source"], "/cache")
    # Two mirrors may have different files of one name.
    one, other = ({"url": "https://%s/x.deb" % mirror, "asset": "x.deb"} for mirror in "ab")
    assert filters.hsflowd_cached(one, "/c") != filters.hsflowd_cached(other, "/c")
    one, other = ({"url": "https://a/x.deb?of=%s" % letter, "asset": "x.deb"} for letter in "bc")
    assert filters.hsflowd_cached(one, "/c") != filters.hsflowd_cached(other, "/c")


def test_what_is_no_whole_package_is_known(deb, tmp_path):
    page = tmp_path / "hsflowd.deb"
    assert archive.debian_archive(str(deb)) and not archive.debian_archive(str(page))
    page.write_text("<html>please log in</html>")
    assert not archive.debian_archive(str(page))
    content = packed("gz")
    for length in range(len(content) - 1 - len(content) % 2):
        page.write_bytes(content[:length])
        assert not archive.debian_archive(str(page)), length
    for whole in (content, content + b"\n" * (len(content) % 2)):
        page.write_bytes(whole)
        assert archive.debian_archive(str(page))
    page.write_bytes(content + b"more, which is no header")
    assert not archive.debian_archive(str(page))


@pytest.mark.parametrize("installed, before, due", [
    (None, None, True),
    ("2.0.53-1", None, False),
    ("2.0.52-1", None, True),
    ("2.0.53-1", "2.0.53-1", False),  # a run was interrupted that changed the configuration only
    ("2.0.53-1", "2.0.52-1", True),  # one that installed the package may have left half of it
    ("2.0.53-1", "", True),
])
def test_which_hosts_need_the_file_of_the_package(installed, before, due):
    seen = {"package": {"installed": installed is not None, "version": installed}, "pending_version": before}
    assert filters.hsflowd_package_due(seen, "2.0.53-1") is due


@pytest.mark.parametrize(
    "more, keep, found",
    [
        ({}, False, []),
        ({"package": {"installed": True, "status": "install ok installed"}}, False, ["the package"]),
        ({"package": {"installed": False, "status": "deinstall ok config-files"}}, True, []),
        ({"package": {"installed": False, "status": "deinstall ok config-files"}}, False, ["the package"]),
        ({"config": {"exists": True}}, False, ["hsflowd.conf"]),
        ({"config": {"exists": True}}, True, []),
        ({"drop_ins": {"admins-own.conf": "0"}}, False, []),
        ({"drop_ins": {"netviz-log.conf": "0"}}, False, ["drop-ins"]),
        ({"auto": {"exists": True}}, False, ["hsflowd.auto"]),
        (
            {"unit": {"active_state": "active", "unit_file_state": "enabled"}},
            False,
            ["the running service", "the enabled service"],
        ),
        ({"leftovers": ["/etc/hsflowd.conf.previous"]}, False, ["files of the role"]),
    ],
)
def test_remains(more, keep, found):
    assert filters.hsflowd_remains(host(**more), True, keep) == found


def test_the_template_prints_the_statements(variables):
    variables["hsflowd_modules"] = {"docker": {"hostname": True, "markTraffic": False}, "ovs": {}}
    statements = settings.settle(variables, host())["statements"]
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False)
    text = environment.from_string((ROLE / "templates/hsflowd.conf.j2").read_text()).render(
        __hsflowd_statements=statements
    )
    assert text == render(statements)


def test_the_roles_specs_defaults_and_readme_agree():
    spec = importlib.util.spec_from_file_location("role_variables", ROOT / "tests" / "role_variables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    assert module.differences(options, defaults) == []
    assert module.table(options) in (ROLE / "README.md").read_text()
    swapped = dict(reversed(list(defaults.items())))
    assert module.differences(options, swapped) and module.differences(options, dict(defaults, hsflowd_polling=30))


def test_every_setting_reaches_the_plan():
    """A public variable that the plan depends on and the role does not pass would be without effect."""
    passed = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__hsflowd_settings"]
    source = (ROOT / "plugins/module_utils/_hsflowd.py").read_text()
    names = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    used = [name for name in names if '"%s"' % name in source]
    assert len(used) > 15
    assert [name for name in used if name not in passed] == []
    assert [name for name in passed if name not in names] == []


def test_every_filter_is_documented():
    for name in filters.FilterModule().filters():
        documented = yaml.safe_load((ROOT / "plugins/filter" / ("%s.yml" % name)).read_text())
        assert documented["DOCUMENTATION"]["name"] == name
