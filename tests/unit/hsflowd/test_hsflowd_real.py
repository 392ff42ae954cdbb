# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real daemon as the judge, where HSFLOWD_DEB names its package: it reads what the filter writes, and its verdicts are understood."""

import subprocess

import packages
import pytest
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd as settings
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_apply as engine
from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd_host as host
from hsflowd_hosts import render
from test_hsflowd_grammar import CASES, identity, variables_for

DEB = packages.for_this_machine(packages.from_environment())
pytestmark = pytest.mark.skipif(not DEB, reason="HSFLOWD_DEB names no real package")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """(the path of the daemon, its version)"""
    root = tmp_path_factory.mktemp("real")
    subprocess.run(["dpkg-deb", "--extract", DEB, str(root)], check=True)
    version = (
        subprocess.run(["dpkg-deb", "--field", DEB, "Version"], check=True, stdout=subprocess.PIPE)
        .stdout.decode()
        .strip()
    )
    if subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
        pytest.skip("mount namespaces are not allowed here")
    return str(root / "usr/sbin/hsflowd"), version


@pytest.fixture
def judge(daemon, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "BINARY", daemon[0])

    def verdict(text):
        path = tmp_path / "hsflowd.conf"
        path.write_text(text)
        return engine.validate(str(path))

    return verdict


@pytest.mark.parametrize("row, value, word", CASES, ids=["%s=%s" % (identity(r), v) for r, v, _w in CASES])
def test_the_daemon_reads_what_is_written(daemon, judge, row, value, word):
    if "example.com" in word or "%eth0" in word:
        pytest.skip("it would have to resolve, or to be here")
    plan = settings.settle(variables_for(row, value), version=daemon[1])
    unknown = [p for p in plan["problems"] if "does not know it" in p]
    if unknown:
        # What its release does not know, the daemon refuses indeed.
        newest = settings.settle(variables_for(row, value), version="2.1.25-4")
        assert "bps_ratio" in unknown[0] or judge(render(newest["statements"])) is not None
        return
    assert judge(render(plan["statements"])) is None


@pytest.mark.parametrize(
    "text",
    [
        "sflow { polling=ten collector { ip=192.0.2.1 } }",
        "sflow { collector { ip=192.0.2.1 }",
        "sflow { collector { ip=192.0.2.1 } } sflow { }",
        "sflow { collector { } }",
        "sflow { polling = 20 }",
        "sflow { collector { ip=192.0.2.1 udpport= } }",
        "sflow { collector { ip=nobody.invalid } }",
        "",
    ],
)
def test_the_daemons_refusal_is_understood(judge, text):
    assert judge(text + "\n")
