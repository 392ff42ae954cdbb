# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in agent and its package are found beside the tests."""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
AGENT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "agent")
for directory in (AGENT, HERE):
    if directory not in sys.path:
        sys.path.insert(0, directory)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A function that builds and unpacks a stand-in package and returns its root directory."""
    import build
    import real

    roots = {}

    def make(version, platform="debian12"):
        key = version, platform
        if key not in roots:
            root = tmp_path_factory.mktemp("standin")
            build.main(["--version", version, "--platform", platform, "--out", str(root)])
            package = root / build.asset_name(version, platform, "amd64")
            real.unpack(package, root / "root")
            roots[key] = root / "root"
        return roots[key]

    return make
