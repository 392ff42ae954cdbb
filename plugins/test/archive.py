# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test for downloads, because a proxy or a portal answers with a page of its own and with status 200."""

from __future__ import annotations

import pathlib
from collections.abc import Callable


def debian_archive(path: object) -> bool:
    """Whether a file of the control node begins as a Debian package does."""
    with pathlib.Path(str(path)).open("rb") as stream:
        return stream.read(8) == b"!<arch>\n"


class TestModule:
    def tests(self) -> dict[str, Callable[[object], bool]]:
        return {"debian_archive": debian_archive}
