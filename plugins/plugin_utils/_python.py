# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python of a host that the ansible-core in use cannot manage. Control node only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible.release import __version__

# How an ansible-core says, or shows, that it cannot work with the Python of a host.
TOO_OLD = re.compile(r"requires (a minimum of )?Python|SyntaxError|future feature|No module named .?ipaddress")
SENTENCE = (
    f"the Python of this host is too old for ansible-core {__version__}. ansible-core 2.16 is the last that manages "
    "Python 3.6 (Ubuntu 18.04), 2.17 the last for 3.7, 2.19 the last for 3.8; nothing here works with a Python before 3.6. "
    "Use that ansible-core, or set ansible_python_interpreter to a newer Python of the host"
)


def python_fault(result: Mapping[str, Any]) -> str:
    """A sentence where a module could not run because of the Python of its host; empty where that is not the reason."""
    said = " ".join(str(result.get(name) or "") for name in ("msg", "module_stderr", "module_stdout"))
    return SENTENCE if TOO_OLD.search(said) else ""
