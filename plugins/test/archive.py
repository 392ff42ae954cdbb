# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test for downloads: a proxy or a portal answers with a page of its own and with status 200, and a connection may end halfway."""

from __future__ import annotations

import os
from collections.abc import Callable

from ansible_collections.netviz.sflow.plugins.module_utils._hsflowd_repack import whole


def debian_archive(path: object) -> bool:
    """Whether a file of the control node is there and as whole as a Debian package."""
    return os.path.isfile(str(path)) and whole(str(path))


class TestModule:
    def tests(self) -> dict[str, Callable[[object], bool]]:
        return {"debian_archive": debian_archive}
