"""Makes the working tree importable, and a clock that nobody has to wait for."""

import importlib
import importlib.util
import os
import sys
import types

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
sys.path.insert(0, HERE)  # pytest does so by itself, ansible-test does not

try:
    importlib.import_module("ansible_collections.netviz.sflow.plugins")
except ImportError:  # Python 3.6 has no ansible-core: the working tree stands in for the installed collection
    for depth, name in enumerate(("ansible_collections", "ansible_collections.netviz", "ansible_collections.netviz.sflow")):
        module = sys.modules.setdefault(name, types.ModuleType(name))
        module.__path__ = [REPO] if depth == 2 else []


class FakeClock:
    def __init__(self):
        self.time = 1000.0
        self.slept = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock():
    return FakeClock()


# What runs on the control node only does not have to run on the Python of the managed hosts.
collect_ignore = ["test_proof.py", "test_playbooks.py", "test_report.py"] if importlib.util.find_spec("ansible") is None else []
