# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Independent truth for the filter hsflowd_settings: what it accepts, a real daemon of the release accepts."""

import os
import sys

import packages
import pytest
import real

pytest.importorskip("hypothesis")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hsflowd"))

from hypothesis import HealthCheck, event, given, strategies
from hypothesis import settings as hypothesis_settings

pytestmark = [
    pytest.mark.skipif(not real.PACKAGES, reason=real.NONE_GIVEN),
    pytest.mark.skipif(not real.can_ask(), reason="needs the right to make a mount namespace"),
]

if real.PACKAGES:
    from ansible_collections.netviz.sflow.plugins.module_utils import _hsflowd
    from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_grammar import ROWS
    from hsflowd_hosts import render
    from test_hsflowd_grammar import variables_for
    from test_hsflowd_traps import anything, values


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    package = packages.for_this_machine(real.PACKAGES)
    directory = tmp_path_factory.mktemp("real")
    return real.unpack(package, directory), real.release_of(package), directory / "hsflowd.conf"


def questions():
    """One value of any kind, which is often right, or many at once, which seldom are."""
    if not real.PACKAGES:
        return strategies.nothing()
    one = strategies.sampled_from(ROWS).flatmap(lambda row: strategies.tuples(strategies.just(row), values(row)))
    return strategies.one_of(one.map(lambda pair: variables_for(pair[0], pair[1])), one.map(_as_text), anything())


def _as_text(pair):
    row, value = pair
    return variables_for(row, value if row[2] in ("int", "float", "onoff") else str(value))


@given(variables=questions())
@hypothesis_settings(
    max_examples=int(os.environ.get("HSFLOWD_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_the_filter_accepts_the_real_daemon_accepts(daemon, variables):
    program, release, config = daemon
    plan = _hsflowd.settle(variables, version=release)
    event("refused" if plan["problems"] else "accepted")
    if plan["problems"]:
        return
    text = render(plan["statements"])
    config.write_text(text)
    verdict, output = real.takes(program, config)
    assert verdict, text + output
    # nothing is left open, and nothing is told about; a path that does not exist is
    assert (
        "parse error" not in output.replace("WARNING:", "").replace("path does not exist", "") or "WARNING:" in output
    )
