# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that plugins write on the control node."""

from __future__ import annotations

import contextlib
import os


def replace(path: str, data: bytes, mode: int | None = None) -> None:
    """Write a file in one step: whoever reads it finds the old one or the new one.

    :param mode: its permissions; those of the umask without
    :raises OSError: with path as its filename. The old file is there then, and nothing of the new one.
    """
    part = path + ".part"
    try:
        with open(part, "wb") as handle:
            handle.write(data)
        if mode is not None:
            os.chmod(part, mode)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.remove(part)
        error.filename = path
        raise
