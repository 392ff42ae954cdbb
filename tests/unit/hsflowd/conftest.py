# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the working tree importable, and the stand-in agent, whose parser and choices are written apart from the role's."""

import importlib
import importlib.util
import os
import sys
import types

import pytest

REPO = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
AGENT = os.path.join(REPO, "tests", "agent")
for directory in (AGENT, os.path.dirname(os.path.abspath(__file__))):
    if directory not in sys.path:
        sys.path.insert(0, directory)

try:
    importlib.import_module("ansible_collections.netviz.sflow.plugins")
except ImportError:  # Python 3.6 has no ansible-core: the working tree stands in for the installed collection
    for depth, name in enumerate(
        ("ansible_collections", "ansible_collections.netviz", "ansible_collections.netviz.sflow")
    ):
        module = sys.modules.setdefault(name, types.ModuleType(name))
        module.__path__ = [REPO] if depth == 2 else []

# What runs on the control node only does not have to run on the Python of the managed hosts.
collect_ignore = ["test_hsflowd_action.py", "test_hsflowd_filters.py", "test_hsflowd_plan.py"] if importlib.util.find_spec("ansible") is None else []


@pytest.fixture
def variables():
    """The role's variables with one collector, as a caller would pass them to the filter."""
    return {
        "hsflowd_collectors": [{"ip": "192.0.2.10"}],
        "hsflowd_polling": 20,
        "hsflowd_sampling": 400,
        "hsflowd_pcap": "auto",
        "hsflowd_tcp": True,
        "hsflowd_agent": "auto",
    }
