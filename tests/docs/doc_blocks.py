# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that users read, cut into their blocks."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Its lines as commands: comments and line ends with a backslash taken away."""
        joined = self.text.replace("\\\n", " ")
        return [line for line in (re.sub(r"(^|\s+)#.*$", "", line).strip() for line in joined.splitlines()) if line]


def pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=REPO,
        check=True,
        capture_output=True,
    ).stdout.decode()
    return [REPO / name for name in listed.split() if (REPO / name).is_file()]


def blocks() -> list[Block]:
    found = []
    for page in pages():
        text = page.read_text()
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
            line = text[: match.start()].count("\n") + 1
            found.append(Block(str(page.relative_to(REPO)), line, match[1], match[2]))
    return found
