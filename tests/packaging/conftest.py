# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball, built once, and an installation of it that does not see the working tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent


def command(*arguments, check: bool = True, **options) -> subprocess.CompletedProcess:
    env = dict(os.environ, PATH=f"{PROGRAMS}:{os.environ['PATH']}", ANSIBLE_FORCE_COLOR="0", ANSIBLE_NOCOLOR="1")
    env.update(options.pop("env", {}))
    done = subprocess.run(
        [str(one) for one in arguments], check=False, capture_output=True, text=True, env=env, **options
    )
    if check and done.returncode:
        pytest.fail(f"{arguments} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


@pytest.fixture(scope="session")
def run():
    return command


@pytest.fixture(scope="session")
def tarball(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("dist")
    command(sys.executable, REPO / "tests/packaging/dist.py", "--output-path", place)
    (made,) = place.iterdir()
    return made


@pytest.fixture(scope="session")
def installation(tmp_path_factory, tarball) -> Path:
    place = tmp_path_factory.mktemp("installation")
    alone = {"ANSIBLE_COLLECTIONS_PATH": str(place), "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false", "HOME": str(place)}
    command("ansible-galaxy", "collection", "install", "--no-deps", "-p", place, tarball, env=alone, cwd=place)
    return place / "ansible_collections"


@pytest.fixture
def installed(tmp_path, installation) -> dict[str, str]:
    """The environment in which ansible sees the installed collection before any other."""
    shutil.copytree(installation, tmp_path / "installed/ansible_collections")
    return {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "installed"), "HOME": str(tmp_path)}
